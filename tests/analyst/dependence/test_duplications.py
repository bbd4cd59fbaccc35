import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta as scipy_beta
from scipy.stats import kendalltau

import dpnotice as dn
from dpnotice.analyst.dependence.duplications import (
    DEPENDENCE,
    Duplications,
    check_dependence,
    in_words,
    joint_law,
)
from dpnotice.analyst.dependence.net import Appetite, Mixture
from dpnotice.analyst.laying import published
from dpnotice.analyst.plan import NoticePlan
from dpnotice.analyst.rates import Uniform
from dpnotice.analyst.sampling import Sampling
from made.notices import STATE, by_state, paper, refusal, steady
from made.reaching import media

AUDIENCES = {"A": 0.3, "B": 0.2, "C": 0.25}
CHANCE = 0.3 * 0.2
"""Persons who would meet A and B if the two were independent."""
MANY = 1e6
"""Persons so many that measured figures are kept to a ten-thousandth."""
KEPT = 1e-4
SOURCE = "dependence between vehicles"
shares = st.just(0.0) | st.floats(1e-9, 1)


def known(pairs: Any, **changes: Any) -> Duplications:
    return Duplications(pairs, **{"reach_1": AUDIENCES, "persons": MANY, **changes})


def draws_of(number: int, seed: int = 0, **changes: Any) -> Sampling:
    return Sampling(axes=(), draws=number, seed=seed, **changes)


def union(dependence: Any, *, draws: int = 1, still: Any = (), **reach: float) -> Any:
    """Reach of vehicles of one insertion together, (draws,)."""
    sampling = draws_of(draws, still=frozenset(still))
    exposures = [media(share, name).exposure(sampling) for name, share in reach.items()]
    return 1 - joint_law(dependence, list(reach), sampling).unmet(exposures)[:, 0]


def mixture(dependence: Duplications, *names: str, **changes: Any) -> Mixture:
    law = joint_law(dependence, names, draws_of(changes.pop("draws", 1), **changes))
    assert isinstance(law, Mixture)
    return law


APART = known({("A", "B"): 0.01})
TOGETHER = known({("A", "B"): 0.15})
FEW = known({("A", "B"): 0.07, ("B", "C"): 0.04}, persons=500)
"""On so few persons that several laws agree with the figures."""


# --- duplications that somebody measured ---------------------------------------------------
@pytest.mark.parametrize("both", [0.0, 0.01, CHANCE, 0.1, 0.15, 0.19])
def test_a_known_pair_is_met_by_as_many_as_were_measured(both: float) -> None:
    got = union(known({("A", "B"): both}), A=0.3, B=0.2)
    assert got == pytest.approx(0.3 + 0.2 - both, abs=KEPT)


def test_few_who_meet_both_mean_more_reach_than_independence_and_many_less() -> None:
    apart, together = (union(d, A=0.3, B=0.2)[0] for d in (APART, TOGETHER))
    assert together < 0.5 - CHANCE - 0.05
    assert apart > 0.5 - CHANCE + 0.04


@pytest.mark.parametrize(("dependence", "sign"), [(APART, 1), (TOGETHER, -1)])
def test_the_sign_is_kept_at_audiences_that_were_not_measured(
    dependence: Duplications, sign: int
) -> None:
    """A plan may buy more or less of a vehicle than the study did."""
    for a, b in ((0.1, 0.1), (0.5, 0.3), (0.6, 0.4)):
        more = union(dependence, A=a, B=b)[0] - (a + b - a * b)
        assert sign * more > 0.005


@given(st.sampled_from([APART, TOGETHER, FEW]), shares)
def test_a_vehicle_keeps_the_reach_that_the_plan_gives_it(
    dependence: Duplications, share: float
) -> None:
    got = union(dependence, draws=8, A=share, B=0.0)
    assert got == pytest.approx(share, abs=1e-6)


@given(st.sampled_from([APART, TOGETHER, FEW]), st.lists(shares, min_size=3, max_size=3))
def test_reach_lies_between_that_of_the_largest_vehicle_and_the_sum(
    dependence: Duplications, shares: list[float]
) -> None:
    got = union(dependence, draws=8, A=shares[0], B=shares[1], unknown=shares[2])
    assert (got >= max(shares) - 1e-6).all()
    assert (got <= min(1.0, sum(shares)) + 1e-6).all()


def test_two_insertions_reach_as_many_as_were_measured() -> None:
    told = known({("A", "B"): 0.05}, reach_2={"A": 0.32, "B": 0.35})
    for law in told.laws:
        single = law.scales(1 - np.array([*AUDIENCES.values()]))
        for v, twice in enumerate([0.32, 0.35]):
            alone = 2 * single * (np.arange(3) == v)
            assert 1 - law.nonreach(alone) == pytest.approx(twice, abs=KEPT)


def test_a_pair_is_the_same_in_either_order() -> None:
    one, other = (known({pair: 0.1}) for pair in (("A", "B"), ("B", "A")))
    assert union(one, A=0.3, B=0.2) == pytest.approx(union(other, A=0.3, B=0.2), abs=1e-12)


def test_the_vehicles_stand_in_the_order_of_their_audiences() -> None:
    audiences = {"People": 0.1, "Time": 0.2}
    told = Duplications({("Time", "People"): 0.03}, reach_1=audiences, persons=2_000)
    assert told.vehicles == ("People", "Time")


def test_the_same_figures_give_the_same_laws() -> None:
    one, other = (known({("A", "B"): 0.1}, persons=500) for _ in range(2))
    assert [law.rate.tolist() for law in one.laws] == [law.rate.tolist() for law in other.laws]


# --- names of the plan, and of the study -----------------------------------------------------
def test_a_vehicle_of_which_nothing_is_known_is_met_alike_by_all_classes() -> None:
    for law, own in zip(mixture(FEW, "Radio", "B").classes, FEW.laws, strict=True):
        assert law.rate[:, 0].tolist() == [1.0] * len(law.share)
        assert law.rate[:, 1].tolist() == own.rate[:, 1].tolist()


def test_an_unknown_vehicle_depends_on_the_others_by_appetite_alone() -> None:
    """With L(y) = 1 / (1 + y) for appetite 1: sum of share / (1 + s rate + t), 1 / (1 + t) = P."""
    (law, *_) = APART.laws
    assert law.appetite == 1
    scale = law.scales(1 - np.array([*AUDIENCES.values()]))[0]
    expected = 1 - np.sum(law.share / (1 + scale * law.rate[:, 0] + 0.4 / 0.6))
    assert union(APART, still=[SOURCE], A=0.3, Radio=0.4) == pytest.approx(expected, abs=1e-6)


def test_figures_of_vehicles_that_the_plan_does_not_have_are_left_out() -> None:
    got = mixture(FEW, "C")
    assert [law.rate.shape[1] for law in got.classes] == [1] * len(FEW.laws)
    assert got.classes[0].rate[:, 0].tolist() == FEW.laws[0].rate[:, 2].tolist()


def test_the_order_of_the_plans_vehicles_changes_nothing() -> None:
    one = union(TOGETHER, draws=4, A=0.3, Radio=0.1, B=0.2)
    other = union(TOGETHER, draws=4, B=0.2, A=0.3, Radio=0.1)
    assert one == pytest.approx(other, abs=1e-6)


# --- several laws that agree with the figures -----------------------------------------------
def test_draws_take_all_laws_that_agree_alike_often() -> None:
    """All seeds: a false alarm in 1e-4 (4 s.e. of a binomial share, per law)."""
    assert len(FEW.laws) > 1
    pick = mixture(FEW, "A", "B", draws=20_000).pick
    share = np.bincount(pick) / len(pick)
    mean = 1 / len(FEW.laws)
    assert share == pytest.approx(np.full(len(FEW.laws), mean), abs=4 * math.sqrt(mean / 20_000))


def test_held_still_every_draw_takes_the_first_law() -> None:
    still = frozenset({SOURCE})
    assert set(mixture(FEW, "A", "B", draws=50, still=still).pick) == {0}
    assert set(mixture(FEW, "A", "B", draws=50).pick) > {0}


def test_another_source_held_still_leaves_the_laws_as_drawn() -> None:
    still = frozenset({"audiences of media", "model error"})
    one, other = (mixture(FEW, "A", draws=50, still=held) for held in (still, frozenset()))
    assert one.pick.tolist() == other.pick.tolist()


def test_a_draw_takes_one_law_for_all_segments() -> None:
    notices = [media(by_state(0.3, 0.3, 0.3), "A"), media(by_state(0.3, 0.3, 0.3), "B")]
    plan = steady(NoticePlan("p", notices, dependence=FEW))
    unmet = published(plan, Sampling(axes=(STATE,), draws=50, seed=0))["media"]
    assert unmet.shape == (50, 3)
    assert (np.ptp(unmet, axis=1) == 0).all()
    assert len(np.unique(unmet[:, 0])) == len(FEW.laws)


def test_another_vehicle_moves_no_draw_of_the_law() -> None:
    one, other = mixture(FEW, "A", draws=50), mixture(FEW, "A", "B", "C", draws=50)
    assert one.pick.tolist() == other.pick.tolist()


# --- a rank correlation -----------------------------------------------------------------------
@pytest.mark.parametrize("tau", [0.0, 0.3, 0.8])
def test_the_number_is_kendalls_tau_between_when_two_vehicles_are_met(tau: float) -> None:
    """All seeds: a false alarm in 6e-5; 4 s.e. of tau-hat, at most sqrt(2 (1 - tau^2) / n)."""
    law = joint_law(tau, ["A", "B"], draws_of(1))
    assert isinstance(law, Appetite)
    (theta,) = law.theta
    rng = np.random.default_rng(1)
    appetite = rng.gamma(1 / theta, theta, 10_000) if theta else np.ones(10_000)
    met = rng.exponential(size=(2, 10_000)) / appetite
    error = math.sqrt(2 * (1 - tau**2) / 10_000)
    assert kendalltau(*met).statistic == pytest.approx(tau, abs=4 * error)


@given(st.floats(0, 0.9), st.floats(0, 1), st.floats(0, 1))
def test_two_vehicles_of_a_rank_correlation_are_missed_by_claytons_form(
    tau: float, a: float, b: float
) -> None:
    k = (1 - tau) / (2 * tau) if tau > 1e-3 else math.inf
    p, q = max(1 - a, 1e-16), max(1 - b, 1e-16)
    expected = p * q if math.isinf(k) else (p ** (-1 / k) + q ** (-1 / k) - 1) ** -k
    assert union(tau if tau > 1e-3 else 0.0, A=a, B=b) == pytest.approx(1 - expected, abs=1e-5)


def test_the_default_never_puts_reach_above_independence() -> None:
    got = union(DEPENDENCE, draws=500, A=0.3, B=0.2)
    assert (got <= 0.44 + 1e-6).all()
    assert np.ptp(got) > 0.02


def test_a_law_of_dependence_is_drawn_as_its_own_source() -> None:
    still = frozenset({SOURCE})
    law = Uniform(low=0.1, high=0.5)
    drawn, mean = (
        joint_law(law, ["A"], replace(draws_of(200), still=held)).theta  # type: ignore[union-attr]
        for held in (frozenset[str](), still)
    )
    assert drawn.min() >= 0.2 / 0.9
    assert drawn.max() <= 1.0 / 0.5
    assert len(np.unique(drawn)) == 200
    assert mean == pytest.approx(np.full(200, 0.6 / 0.7))


@pytest.mark.parametrize("value", [0, 0.9, Uniform(low=0.2, high=0.9), APART])
def test_what_may_be_a_dependence_is_returned_as_given(value: object) -> None:
    assert check_dependence(value, "p: dependence") is value


# --- refusals ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "value",
    [0.91, 1.0, Uniform(low=0.0, high=0.95), dn.beta(mean=0.3, sd=0.1), scipy_beta(2, 5)],
)
def test_a_correlation_that_may_pass_nine_tenths_is_refused(value: object) -> None:
    message = refusal(lambda: check_dependence(value, "p: dependence"))
    assert "p: dependence is a rank correlation from 0 to 0.9, got" in message


@pytest.mark.parametrize("value", [-0.1, Uniform(low=-0.1, high=0.5), math.nan, 30])
def test_what_is_no_fraction_is_no_dependence(value: object) -> None:
    assert "p: dependence must be a" in refusal(lambda: check_dependence(value, "p: dependence"))


@pytest.mark.parametrize("value", [None, "0.3", True, [0.3]])
def test_what_is_no_number_is_no_dependence(value: object) -> None:
    message = refusal(lambda: check_dependence(value, "p: dependence"))
    assert "p: dependence must be a number" in message


def test_a_dependence_holds_for_everybody() -> None:
    message = refusal(lambda: check_dependence(by_state(0.1, 0.1, 0.1), "p: dependence"))
    assert "not a frame" in message


def test_a_plan_checks_its_dependence_by_its_name() -> None:
    message = refusal(lambda: NoticePlan("spring", [paper()], dependence=0.95))
    assert "spring: dependence is a rank correlation" in message


@pytest.mark.parametrize("audiences", [{"A": 0.3}, {}])
def test_one_vehicle_has_no_duplications(audiences: dict[str, float]) -> None:
    assert "two vehicles or more" in refusal(lambda: known({}, reach_1=audiences))


@pytest.mark.parametrize("changes", [{"pairs": {("A", "Z"): 0.1}}, {"reach_2": {"Z": 0.4}}])
def test_a_vehicle_without_an_audience_is_named(changes: dict[str, Any]) -> None:
    message = refusal(lambda: known(**{"pairs": {("A", "B"): 0.1}, **changes}))
    assert "reach_1 of two vehicles or more, and of every vehicle that is named; missing: Z" in (
        message
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"pairs": {("A", "B"): 3}}, "duplication of A and B must be a fraction in [0, 1], got 3"),
        ({"reach_1": {"A": 30, "B": 0.2}}, "reach_1 of A must be a fraction in [0, 1], got 30"),
        ({"reach_2": {"A": 45}}, "reach_2 of A must be a fraction in [0, 1], got 45"),
    ],
)
def test_percents_are_asked_about(changes: dict[str, Any], words: str) -> None:
    message = refusal(lambda: known(**{"pairs": {("A", "B"): 0.1}, **changes}))
    assert message.startswith(f"PERCENTAGES: {words}; percentages?")


@pytest.mark.parametrize("figure", [dn.beta(mean=0.1, sd=0.01), by_state(0.1, 0.1, 0.1)])
@pytest.mark.parametrize("field", ["pairs", "reach_1", "reach_2"])
def test_a_measured_figure_is_one_number(field: str, figure: object) -> None:
    """Its error follows from the persons on whom it was measured."""
    own: dict[str, Any] = {
        "pairs": {("A", "B"): figure},
        "reach_1": {**AUDIENCES, "A": figure},
        "reach_2": {"A": figure},
    }
    message = refusal(lambda: known(**{"pairs": {("A", "B"): 0.1}, field: own[field]}))
    assert "must be a number" in message


@pytest.mark.parametrize(
    "pairs",
    [
        {("A", "A"): 0.1},
        {("A", "B"): 0.1, ("B", "A"): 0.05},
        {("A", "B"): 0.1, ("B", "A"): 0.1},
        {("A", "B", "C"): 0.01},
    ],
)
def test_a_pair_is_of_two_vehicles_and_given_once(pairs: Any) -> None:
    assert "two different vehicles, and each pair is given once" in refusal(lambda: known(pairs))


@pytest.mark.parametrize("both", [0.21, 0.3])
def test_more_than_the_smaller_audience_is_no_duplication(both: float) -> None:
    message = refusal(lambda: known({("A", "B"): both}))
    assert message.startswith("INCONSISTENT: these duplications are impossible")


def test_pairs_that_exclude_more_than_there_is_room_for_are_refused() -> None:
    message = refusal(lambda: known({("A", "B"): 0.0}, reach_1={"A": 0.6, "B": 0.7}))
    assert message.startswith("INCONSISTENT")


# --- in words ----------------------------------------------------------------------------------
def test_what_was_measured_is_told_from_what_was_elicited() -> None:
    told = replace(FEW, source="a study")
    assert in_words(told) == "2 measured duplications (a study)"
    assert in_words(FEW) == "2 measured duplications (no source given)"
    assert in_words(told, ["A", "other"]).endswith("; none known of other")
    assert in_words(0.3) == "rank correlation 0.3, elicited, never below independence"
    assert "low=0.0, high=0.5" in in_words(DEPENDENCE)
