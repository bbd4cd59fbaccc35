import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dpnotice.analyst import classic
from dpnotice.errors import PlanError
from made.populations import alike, independent, laws, published, reordered

shares = st.just(0.0) | st.floats(1e-9, 1)  # scipy's binomial fails where p^2 is no number
audiences = st.lists(shares, min_size=1, max_size=6)
plans = audiences.flatmap(
    lambda p: st.tuples(st.just(p), st.lists(st.integers(1, 4), min_size=len(p), max_size=len(p)))
)
UNIONS = {"agostini": classic.agostini, "hofmans_duplication": classic.hofmans_duplication}


# --- what the module offers ----------------------------------------------------------------
def test_every_formula_is_offered_under_its_name() -> None:
    functions = {name for name, value in vars(classic).items() if callable(value)}
    assert {name for name in functions if name.islower()} == {
        *("sainsbury", "binomial", "agostini", "hofmans_duplication", "hofmans_accumulation"),
        *("metheringham", "morgensztern", "danaher", "goerg", "nbd", "maximum_entropy"),
        "beta_binomial",
    }


# --- independence --------------------------------------------------------------------------
def test_thirty_and_forty_percent_reach_fifty_eight() -> None:
    result = classic.sainsbury(reach_1=[0.3, 0.4])
    assert result.reach == pytest.approx(0.58, abs=1e-12)
    assert result.distribution == pytest.approx([0.42, 0.46, 0.12], abs=1e-12)


@given(plans)
def test_sainsbury_is_one_less_the_product_of_the_unseen(plan: tuple[list[float], Any]) -> None:
    p, n = plan
    expected = 1 - np.prod((1 - np.array(p)) ** n)
    assert classic.sainsbury(reach_1=p, insertions=n).reach == pytest.approx(expected, abs=1e-10)


@given(st.lists(shares, min_size=1, max_size=4))
def test_sainsburys_frequencies_count_every_set_of_exposures(p: list[float]) -> None:
    counted = np.zeros(2 * len(p) + 1)
    for seen in itertools.product([0, 1], repeat=2 * len(p)):
        chances = [x if s else 1 - x for x, s in zip([*p, *p], seen, strict=True)]
        counted[sum(seen)] += np.prod(chances)
    result = classic.sainsbury(reach_1=p, insertions=[2] * len(p))
    assert result.distribution == pytest.approx(counted, abs=1e-10)


@given(shares, st.integers(1, 9))
def test_sainsbury_is_binomial_for_equal_vehicles(p: float, vehicles: int) -> None:
    oracle = stats.binom.pmf(np.arange(vehicles + 1), vehicles, p)
    result = classic.sainsbury(reach_1=[p] * vehicles)
    assert result.distribution == pytest.approx(oracle, abs=1e-10)


@given(plans)
def test_binomial_has_the_mean_audience_of_insertions(plan: tuple[list[float], list[int]]) -> None:
    p, n = plan
    oracle = stats.binom.pmf(np.arange(sum(n) + 1), sum(n), np.repeat(p, n).mean())
    result = classic.binomial(reach_1=p, insertions=n)
    assert result.distribution == pytest.approx(oracle, abs=1e-10)


@given(plans)
def test_binomial_never_reaches_more_than_sainsbury(plan: tuple[list[float], list[int]]) -> None:
    p, n = plan
    mean, each = (f(reach_1=p, insertions=n) for f in (classic.binomial, classic.sainsbury))
    assert mean.reach <= each.reach + 1e-12


@given(plans)
def test_independent_frequencies_keep_the_gross_exposures(
    plan: tuple[list[float], list[int]],
) -> None:
    p, n = plan
    for formula in (classic.binomial, classic.sainsbury):
        cells = formula(reach_1=p, insertions=n).distribution
        assert cells.sum() == pytest.approx(1, abs=1e-10)
        assert cells @ np.arange(len(cells)) == pytest.approx(np.dot(p, n), abs=1e-9)


@given(plans, st.randoms(use_true_random=False))
def test_the_order_of_vehicles_changes_nothing(
    plan: tuple[list[float], list[int]], random: Any
) -> None:
    p, n = plan
    order = random.sample(range(len(p)), len(p))
    for formula in (classic.binomial, classic.sainsbury):
        other = formula(reach_1=[p[i] for i in order], insertions=[n[i] for i in order])
        expected = formula(reach_1=p, insertions=n).distribution
        assert other.distribution == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("formula", [classic.binomial, classic.sainsbury])
def test_what_independence_overlooks_is_noted(formula: Any) -> None:
    assert "overstates reach where audiences overlap" in formula(reach_1=[0.3]).note


def test_sainsbury_warns_where_audiences_overlap_by_more_than_chance() -> None:
    with pytest.warns(UserWarning, match="overlap by more than chance, so that it overstates"):
        result = classic.sainsbury(**alike(2, 0.3, 0.1))
    assert result.reach == pytest.approx(0.51)


@pytest.mark.parametrize("duplication", [0.09, 0.05])
def test_sainsbury_is_silent_where_they_do_not(duplication: float) -> None:
    assert classic.sainsbury(**alike(2, 0.3, duplication)).reach == pytest.approx(0.51)


def test_sainsbury_weighs_overlap_by_insertions() -> None:
    figures = independent(0.3, 0.3, 0.3)
    for i, j, both in ((0, 1, 0.1), (1, 2, 0.07)):
        figures["duplications"][i][j] = figures["duplications"][j][i] = both
    assert classic.sainsbury(**figures).reach == pytest.approx(1 - 0.7**3)
    with pytest.warns(UserWarning, match="overlap by more than chance"):
        classic.sainsbury(**figures, insertions=[9, 1, 1])


# --- unions of pairs -----------------------------------------------------------------------
def test_agostini_reaches_more_than_everybody_and_says_so() -> None:
    with pytest.warns(UserWarning, match=r"Agostini gives a reach of 1\.1765"):
        reach = classic.agostini(**independent(0.5, 0.5, 0.5, 0.5, 0.5))
    assert reach == pytest.approx(1.17647, abs=1e-5)


def test_agostini_falls_below_its_largest_vehicle_and_says_so() -> None:
    with pytest.warns(UserWarning, match=r"outside 0\.9000 to 1\.0000"):
        reach = classic.agostini(reach_1=[0.9, 0.1], duplications=[[0, 0.1], [0.1, 0]])
    assert reach == pytest.approx(1 / 1.1125)


def test_agostini_by_hand() -> None:
    figures = {"reach_1": [0.3, 0.2], "duplications": [[0, 0.08], [0.08, 0]]}
    assert classic.agostini(**figures) == pytest.approx(0.25 / (0.5 + 1.125 * 0.08))


@given(laws(2))
def test_hofmans_is_exact_for_two_vehicles(law: Any) -> None:
    assert classic.hofmans_duplication(**published(law)) == pytest.approx(1 - law[0], abs=1e-12)


def test_hofmans_by_hand_for_three_vehicles() -> None:
    figures = alike(3, 0.3, 0.1)
    assert classic.hofmans_duplication(**figures) == pytest.approx(0.81 / (0.9 + 3 * 1.2 * 0.1))


def test_hofmans_reaches_more_than_everybody_and_says_so() -> None:
    with pytest.warns(UserWarning, match=r"Hofmans gives a reach of 1\.0714"):
        reach = classic.hofmans_duplication(**independent(0.5, 0.5, 0.5, 0.5, 0.5))
    assert reach == pytest.approx(15 / 14)


@pytest.mark.parametrize("formula", UNIONS.values(), ids=UNIONS)
def test_disjoint_audiences_add(formula: Any) -> None:
    assert formula(**alike(3, 0.3, 0.0)) == pytest.approx(0.9)


@pytest.mark.filterwarnings("ignore:Agostini|Hofmans")
@given(laws(4), st.permutations(range(4)))
def test_the_order_of_vehicles_changes_no_union(law: Any, order: list[int]) -> None:
    figures = published(law)
    for formula in UNIONS.values():
        assert formula(**reordered(figures, order)) == pytest.approx(formula(**figures))


# --- what is refused -----------------------------------------------------------------------
FORMULAS = {
    "sainsbury": classic.sainsbury,
    **UNIONS,
    "maximum_entropy": classic.maximum_entropy,
    **{f: getattr(classic, f) for f in ("metheringham", "danaher", "morgensztern")},
}


def ask(formula: str, **figures: Any) -> Any:
    more = {"insertions": [1, 1]} if formula in {"metheringham", "danaher", "morgensztern"} else {}
    return FORMULAS[formula](**figures, **more)


@pytest.mark.parametrize("formula", FORMULAS)
def test_percentages_are_refused(formula: str) -> None:
    with pytest.raises(PlanError, match=r"percentages\?"):
        ask(formula, reach_1=[30, 40], duplications=[[0, 12], [12, 0]])


@pytest.mark.parametrize("formula", FORMULAS)
def test_impossible_duplications_are_refused(formula: str) -> None:
    with pytest.raises(PlanError, match=r"duplications\[0, 1\] must lie between"):
        ask(formula, reach_1=[0.3, 0.4], duplications=[[0, 0.35], [0.35, 0]])


@pytest.mark.parametrize("formula", sorted(set(FORMULAS) - {"sainsbury"}))
def test_a_vehicle_that_nobody_sees_is_refused(formula: str) -> None:
    with pytest.raises(PlanError, match="leave out a vehicle that nobody sees"):
        ask(formula, reach_1=[0.3, 0.0], duplications=[[0, 0], [0, 0]])


def test_binomial_refuses_percentages() -> None:
    with pytest.raises(PlanError, match=r"percentages\?"):
        classic.binomial(reach_1=[30, 40])


@pytest.mark.parametrize("formula", [classic.binomial, classic.sainsbury])
def test_insertions_of_no_vehicle_are_refused(formula: Any) -> None:
    with pytest.raises(PlanError, match="insertions must be 1 whole numbers"):
        formula(reach_1=[0.3], insertions=[1, 2])


@pytest.mark.parametrize("formula", ["maximum_entropy", "danaher", "morgensztern", "metheringham"])
def test_two_vehicles_used_once_leave_no_choice(formula: str) -> None:
    figures = {"reach_1": [0.3, 0.35], "duplications": [[0, 0.15], [0.15, 0]]}
    cells = ask(formula, **figures).distribution
    assert cells == pytest.approx([0.5, 0.35, 0.15], abs=1e-10)
