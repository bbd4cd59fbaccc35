import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpnotice.analyst.dependence.classes import APPETITES, Classes, fit_classes
from dpnotice.errors import PlanError

PERSONS = 200_000
appetites = st.sampled_from([0.3, 1.0, 2.5, math.inf])
seeds = st.integers(0, 10**6)


def some(seed: int, appetite: float, vehicles: int = 4, classes: int = 3) -> Classes:
    random = np.random.default_rng(seed)
    share = random.dirichlet(np.ones(classes))
    rate = random.lognormal(0, 2, (classes, vehicles)) + 1e-3
    return Classes(share=share, rate=rate / (share @ rate), appetite=appetite)


def margins(seed: int, *shape: int) -> Any:
    return np.random.default_rng([seed, 1]).beta(0.5, 0.5, shape).clip(1e-9, 1 - 1e-9)


def union(law: Classes, nonreach: Any) -> float:
    return 1 - float(law.nonreach(law.scales(np.asarray(nonreach))))


def homes(*, vehicles: int = 8, seed: int = 5, persons: int = 40_000) -> Any:
    """Return persons' chances of a visit (persons, vehicles): most have one vehicle for a home."""
    random = np.random.default_rng(seed)
    at = random.integers(0, vehicles + 2, persons)[:, None] == np.arange(vehicles)
    return random.beta(1, 4, (persons, 1)) * np.where(at, 0.9, 0.02)


def figures(chance: Any) -> tuple[Any, Any, Any]:
    """Return R1, R2 and the duplications of pairs that these persons have exactly."""
    once = chance.mean(0)
    return once, 2 * once - (chance**2).mean(0), chance.T @ chance / len(chance)


def missed(chance: Any, insertions: int) -> Any:
    return ((1 - chance) ** insertions).mean(0)


# --- the law -------------------------------------------------------------------------------
@given(seeds, appetites)
def test_every_vehicle_keeps_its_own_reach(seed: int, appetite: float) -> None:
    law, nonreach = some(seed, appetite), margins(seed, 5, 4)
    scale = law.scales(nonreach)
    for v in range(4):
        alone = scale * (np.arange(4) == v)
        assert np.allclose(law.nonreach(alone), nonreach[:, v], rtol=0, atol=1e-10)


@given(seeds, appetites)
def test_the_union_stays_within_the_bounds_of_frechet(seed: int, appetite: float) -> None:
    reach = 1 - margins(seed, 4)
    together = union(some(seed, appetite), 1 - reach)
    assert reach.max() - 1e-9 <= together <= min(1, reach.sum()) + 1e-9


@given(seeds, appetites)
def test_another_exposure_never_lowers_reach(seed: int, appetite: float) -> None:
    law, nonreach = some(seed, appetite), margins(seed, 4)
    more = nonreach * margins(seed + 1, 4)
    assert union(law, more) >= union(law, nonreach) - 1e-10


@given(seeds, appetites, st.permutations(range(4)))
def test_the_order_of_vehicles_changes_nothing(
    seed: int, appetite: float, order: list[int]
) -> None:
    law, nonreach = some(seed, appetite), margins(seed, 4)
    other = Classes(share=law.share, rate=law.rate[:, order], appetite=appetite)
    assert union(other, nonreach[order]) == pytest.approx(union(law, nonreach), abs=1e-10)


@given(seeds, st.sampled_from([0.2, 1.0, 3.0]))
def test_one_class_is_the_gamma_frailty_in_closed_form(seed: int, k: float) -> None:
    law = Classes(share=np.ones(1), rate=np.ones((1, 4)), appetite=k)
    nonreach = margins(seed, 4)
    closed = (1 + np.sum(nonreach ** (-1 / k) - 1)) ** -k
    assert 1 - union(law, nonreach) == pytest.approx(closed, abs=1e-10)


def test_one_class_of_equal_appetite_is_independence() -> None:
    law = Classes(share=np.ones(1), rate=np.ones((1, 3)), appetite=math.inf)
    assert union(law, [0.7, 0.6, 0.5]) == pytest.approx(1 - 0.21, abs=1e-12)


@given(seeds, appetites)
def test_duplications_are_those_of_two_vehicles_alone(seed: int, appetite: float) -> None:
    law, nonreach = some(seed, appetite), margins(seed, 4)
    pair = Classes(share=law.share, rate=law.rate[:, [0, 2]], appetite=appetite)
    both = law.duplication(nonreach)
    expected = 2 - nonreach[0] - nonreach[2] - union(pair, nonreach[[0, 2]])
    assert both[0, 2] == pytest.approx(expected, abs=1e-10)
    assert np.allclose(np.diag(both), 1 - nonreach, rtol=0, atol=1e-10)


def test_a_vehicle_not_used_changes_nothing() -> None:
    law = some(3, 1.0)
    three = Classes(share=law.share, rate=law.rate[:, :3], appetite=1.0)
    assert union(law, [0.7, 0.6, 0.5, 1.0]) == pytest.approx(union(three, [0.7, 0.6, 0.5]))
    assert law.scales(np.ones(4)).tolist() == [0, 0, 0, 0]


def test_a_vehicle_that_reaches_everybody_leaves_nobody_out() -> None:
    law = some(3, 1.0)
    assert np.isfinite(law.scales(np.array([0.0, 0.5, 0.5, 0.5]))).all()
    assert union(law, [0.0, 0.5, 0.5, 0.5]) == pytest.approx(1, abs=1e-11)


def test_simulated_persons_are_missed_as_often_as_the_law_says() -> None:
    """Binomial, 4 s.e. in six figures: a false alarm in 3,000 runs, with a fixed seed."""
    law, persons = some(8, 0.7), 400_000
    scale = law.scales(np.array([0.9, 0.6, 0.8, 0.5]))
    random = np.random.default_rng(1)
    home = random.choice(len(law.share), persons, p=law.share)
    appetite = random.gamma(0.7, 1 / 0.7, (persons, 1))
    unseen = random.random((persons, 4)) < np.exp(-appetite * scale * law.rate[home])
    for some_of in ([0], [1], [0, 1], [1, 2], [0, 2, 3], [0, 1, 2, 3]):
        expected = float(law.nonreach(scale * np.isin(np.arange(4), some_of)))
        error = math.sqrt(expected * (1 - expected) / persons)
        assert unseen[:, some_of].all(1).mean() == pytest.approx(expected, abs=4 * error)


# --- the fit -------------------------------------------------------------------------------
@pytest.mark.parametrize("appetite", [0.5, 1.0, math.inf])
def test_planted_duplications_of_both_signs_are_recovered(appetite: float) -> None:
    truth = Classes(
        share=np.array([0.3, 0.3, 0.4]),
        rate=np.array([[2.6, 2.4, 0.1], [0.1, 0.1, 2.6], [0.475, 0.625, 0.475]]),
        appetite=appetite,
    )
    once = np.array([0.1, 0.15, 0.2])
    scale = truth.scales(1 - once)
    two = np.array([1 - float(truth.nonreach(2 * scale * (np.arange(3) == v))) for v in range(3)])
    both = truth.duplication(1 - once)
    assert both[0, 1] > 1.5 * once[0] * once[1]
    assert both[0, 2] < 0.95 * once[0] * once[2]
    for law in fit_classes(once, two, both, persons=PERSONS):
        upper = np.triu_indices(3, 1)
        assert np.allclose(law.duplication(1 - once)[upper], both[upper], rtol=0.05)


def test_stores_near_home_need_a_class_each() -> None:
    """Thirteen weeks of eight stores: too few classes give a union several points too large."""
    chance = homes()
    once, two, both = figures(chance)
    nonreach = missed(chance, 13)
    truth = 1 - float(((1 - chance).prod(1) ** 13).mean())
    fitted = fit_classes(once, two, both, persons=PERSONS)
    alike = Classes(share=np.ones(1), rate=np.ones((1, 8)), appetite=fitted[0].appetite)
    assert fitted[0].rate.shape == (9, 8)
    assert union(fitted[0], nonreach) == pytest.approx(truth, abs=0.015)
    assert abs(union(alike, nonreach) - truth) > 0.04


def test_alternatives_meet_the_figures_alike_and_begin_with_the_preferred_appetite() -> None:
    chance = homes()
    once, two, both = figures(chance)
    fitted = fit_classes(once, two, both, persons=PERSONS)
    order = [APPETITES.index(law.appetite) for law in fitted]
    assert len(fitted) > 1
    assert order == sorted(order)
    upper = np.triu_indices(8, 1)
    for law in fitted:
        error = np.sqrt(both / PERSONS)[upper]
        assert (np.abs(law.duplication(1 - once) - both)[upper] < 2 * error).all()


def test_the_same_seed_gives_the_same_fits() -> None:
    once, two, both = figures(homes(vehicles=3))
    one, again = (fit_classes(once, two, both, persons=PERSONS, seed=4) for _ in range(2))
    assert all(np.array_equal(a.rate, b.rate) for a, b in zip(one, again, strict=True))


@settings(max_examples=5)
@given(st.permutations(range(4)))
def test_the_fit_does_not_depend_on_the_order_of_vehicles(order: list[int]) -> None:
    chance = homes(vehicles=4, persons=5_000)
    nonreach = missed(chance, 13)
    one = fit_classes(*figures(chance), persons=PERSONS)[0]
    other = fit_classes(*figures(chance[:, order]), persons=PERSONS)[0]
    assert union(other, nonreach[order]) == pytest.approx(union(one, nonreach), abs=5e-4)


def test_single_insertions_need_no_second_audience() -> None:
    chance = homes(vehicles=4)
    once, _, both = figures(chance)
    law = fit_classes(once, None, both, persons=PERSONS)[0]
    truth = 1 - float((1 - chance).prod(1).mean())
    assert union(law, 1 - once) == pytest.approx(truth, abs=0.003)


def test_unknown_pairs_are_left_open() -> None:
    chance = homes(vehicles=4)
    once, two, both = figures(chance)
    both[0, 3] = both[3, 0] = np.nan
    law = fit_classes(once, two, both, persons=PERSONS)[0]
    known = np.isfinite(both) & ~np.eye(4, dtype=bool)
    assert np.allclose(law.duplication(1 - once)[known], both[known], rtol=0.15)
    assert np.isfinite(law.rate).all()


def test_one_vehicle_keeps_its_reach() -> None:
    law = fit_classes([0.3], [0.45], [[np.nan]], persons=PERSONS)[0]
    assert union(law, [0.2]) == pytest.approx(0.8, abs=1e-10)


# --- refusals ------------------------------------------------------------------------------
def test_figures_of_different_populations_are_refused() -> None:
    """A and B are the same persons, B and C too, yet A and C are said to share nobody."""
    pairs = np.array([[0, 0.29, 0.0], [0.29, 0, 0.29], [0.0, 0.29, 0]])
    with pytest.raises(PlanError, match="different populations; take all figures from one"):
        fit_classes([0.3, 0.3, 0.3], [0.31, 0.31, 0.31], pairs, persons=2_000)


@pytest.mark.parametrize("both", [0.25, 0.85])
def test_a_pair_beyond_what_two_audiences_allow_is_refused(both: float) -> None:
    pairs = np.array([[0, both], [both, 0]])
    with pytest.raises(PlanError, match="different populations"):
        fit_classes([0.8, 0.5], [0.85, 0.55], pairs, persons=2_000)


def test_contradictions_that_sampling_explains_are_accepted() -> None:
    pairs = np.array([[0, 0.29, 0.0], [0.29, 0, 0.29], [0.0, 0.29, 0]])
    assert fit_classes([0.3, 0.3, 0.3], [0.31, 0.31, 0.31], pairs, persons=5)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"reach_1": [13, 0.2]}, "percentages"),
        ({"reach_1": [0.0, 0.2]}, "leave out a vehicle that reaches nobody"),
        ({"pairs": [[0, 0.1], [0.05, 0]]}, "symmetric"),
        ({"pairs": [[0, 0.1, 0.1]]}, "put nan where"),
        ({"persons": 0}, "persons must be above 0"),
    ],
)
def test_what_cannot_be_a_figure_is_refused(changed: dict[str, Any], words: str) -> None:
    given_: dict[str, Any] = {
        "reach_1": [0.3, 0.2], "reach_2": [0.4, 0.3], "pairs": [[0, 0.1], [0.1, 0]],
        "persons": 2_000, **changed,
    }  # fmt: skip
    with pytest.raises(PlanError, match=words):
        fit_classes(given_.pop("reach_1"), given_.pop("reach_2"), given_.pop("pairs"), **given_)


@pytest.mark.parametrize(
    ("share", "rate", "appetite", "words"),
    [
        ([0.5, 0.5], [[1.0], [1.0], [1.0]], 1.0, "one row of rates per class"),
        ([0.5, 0.5], [[2.0], [0.0]], 1.0, "give a small rate"),
        ([0.5, 0.5], [[1.0], [1.0]], 0.0, "appetite above 0"),
        ([0.5, 0.6], [[1.0], [1.0]], 1.0, "divide them so"),
        ([0.5, 0.5], [[2.0], [1.0]], 1.0, "divide them so"),
    ],
)
def test_classes_that_are_no_law_are_refused(
    share: list[float], rate: list[list[float]], appetite: float, words: str
) -> None:
    with pytest.raises(PlanError, match=words):
        Classes(share=np.array(share), rate=np.array(rate), appetite=appetite)


def test_a_chance_outside_0_and_1_is_refused() -> None:
    with pytest.raises(PlanError, match="percentages"):
        some(1, 1.0).scales(np.array([0.5, 0.5, 0.5, 40.0]))


def test_a_reach_that_is_nothing_but_rounding_has_the_scale_0() -> None:
    law = Classes(share=np.array([0.5, 0.5]), rate=np.array([[1.5], [0.5]]), appetite=1.0)
    assert law.scales(np.array([1 - 1e-16])).tolist() == [0.0]


@pytest.mark.parametrize("bad", ["x", None, float("nan"), 0])
def test_persons_are_a_number_above_0(bad: object) -> None:
    with pytest.raises(PlanError, match="persons must be"):
        fit_classes([0.2, 0.3], None, np.full((2, 2), 0.05), persons=bad)  # type: ignore[arg-type]
