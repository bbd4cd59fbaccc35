import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from dpnotice.analyst.classic import schedules as ordered
from dpnotice.analyst.classic.schedules import (
    SEEDED_ORDERS,
    OrderedReach,
    danaher,
    metheringham,
    morgensztern,
)
from dpnotice.analyst.classic.unions import hofmans_duplication
from dpnotice.errors import PlanError
from made.populations import alike, independent, laws, published, reordered

SCHEDULE: dict[str, Any] = {
    "reach_1": [0.3, 0.2, 0.1],
    "reach_2": [0.45, 0.32, 0.17],
    "insertions": [3, 2, 4],
    "duplications": [[0, 0.08, 0.04], [0.08, 0, 0.03], [0.04, 0.03, 0]],
}

LEE: dict[str, Any] = {
    "reach_1": [0.121, 0.132, 0.088],
    "reach_2": [0.162, 0.182, 0.121],
    "insertions": [2, 2, 2],
    "duplications": [[0, 0.046, 0.037], [0.046, 0, 0.033], [0.037, 0.033, 0]],
}
"""Lee (1988, pp. 81-93), as given in the tests of majesus/mediaPlanR (test-msad.R)."""

KIM = {
    1: (
        "0.0311 0.048 0.0237 0.0393 0.0007972",
        "91.47 6.21 2.24 .08 .01",
        "91.47 6.2 2.24 .08 .01",
    ),
    3: (
        "0.099 0.1517 0.0311 0.048 0.0041007",
        "80.89 12.76 5.88 .37 .1",
        "80.98 12.59 5.94 .4 .09",
    ),
    5: (
        "0.4902 0.5805 0.1312 0.1986 0.0719172",
        "34.38 19.76 36.01 6.9 2.95",
        "34.37 19.39 36.56 6.97 2.72",
    ),
    7: (
        "0.1312 0.1986 0.099 0.1517 0.0217151",
        "69.06 18.83 9.7 1.83 .58",
        "69.77 17.43 10.27 2.06 .47",
    ),
    33: (
        "0.3816 0.4517 0.0426 0.066 0.0221062",
        "51.86 15.26 29.93 2.07 .87",
        "52.18 14.67 30.07 2.29 .79",
    ),
    40: (
        "0.4433 0.4763 0.0221 0.0398 0.0045933",
        "49.64 8.72 40.62 .97 .05",
        "49.27 9.23 40.72 .69 .08",
    ),
}
"""Kim (2005, appendix B): R1, R2 of two vehicles used twice each, and the printed percentages with
0..4 exposures by the canonical expansion (CANX) and by Morgensztern (MSAD). From the fixture
kim2005_appB_models.csv of majesus/mediaPlanR, whose duplication, not printed, was solved from CANX:
one free number for five cells of CANX, and none for MSAD."""


def kim(plan: int) -> tuple[dict[str, Any], list[float], list[float]]:
    figures, *printed = ([float(x) for x in text.split()] for text in KIM[plan])
    one, one_twice, two, two_twice, both = figures
    schedule = {
        "reach_1": [one, two],
        "reach_2": [one_twice, two_twice],
        "insertions": [2, 2],
        "duplications": [[0, both], [both, 0]],
    }
    return schedule, printed[0], printed[1]


def margin(schedule: dict[str, Any], vehicle: int) -> Any:
    """scipy's beta-binomial of one vehicle."""
    one, two = schedule["reach_1"][vehicle], schedule["reach_2"][vehicle]
    n = schedule["insertions"][vehicle]
    alpha = one * (two - one) / (2 * one - one**2 - two)
    return stats.betabinom(n, alpha, alpha * (1 - one) / one)


def gross(schedule: dict[str, Any]) -> float:
    return float(np.dot(schedule["reach_1"], schedule["insertions"]))


@st.composite
def schedules(draw: st.DrawFn, vehicles: int = 3) -> dict[str, Any]:
    """A possible schedule: a law for once each, then R2 somewhere in its range."""
    figures = published(draw(laws(vehicles)))
    places = draw(st.lists(st.floats(0.1, 0.9), min_size=vehicles, max_size=vehicles))
    counts = draw(st.lists(st.integers(1, 4), min_size=vehicles, max_size=vehicles))
    seconds = [p + at * p * (1 - p) for p, at in zip(figures["reach_1"], places, strict=True)]
    return {**figures, "reach_2": seconds, "insertions": counts}


# --- Metheringham --------------------------------------------------------------------------
def test_metheringham_pools_every_pair_of_insertions() -> None:
    used = np.repeat([0, 1, 2], SCHEDULE["insertions"])
    p, r2 = np.array(SCHEDULE["reach_1"]), np.array(SCHEDULE["reach_2"])
    shared = np.array(SCHEDULE["duplications"]) + np.diag(2 * p - r2)
    mean = p[used].mean()
    overlap = np.mean([shared[i, j] for i, j in itertools.combinations(used, 2)])
    rho = (overlap - mean**2) / (mean * (1 - mean))
    oracle = stats.betabinom(9, mean * (1 / rho - 1), (1 - mean) * (1 / rho - 1))
    result = metheringham(**SCHEDULE)
    assert result.distribution == pytest.approx(oracle.pmf(np.arange(10)), abs=1e-10)
    assert result.reach == pytest.approx(1 - oracle.pmf(0), abs=1e-10)


def test_one_vehicle_pooled_is_itself() -> None:
    result = metheringham(reach_1=[0.3], reach_2=[0.45], insertions=[2], duplications=[[0]])
    assert result.distribution == pytest.approx([0.55, 0.3, 0.15])


def test_like_vehicles_may_be_pooled() -> None:
    twice = metheringham(**alike(2, 0.3, 0.15), reach_2=[0.45, 0.45], insertions=[1, 1])
    assert twice.distribution == pytest.approx([0.55, 0.3, 0.15])


def test_metheringham_keeps_the_gross_exposures() -> None:
    cells = metheringham(**SCHEDULE).distribution
    assert cells @ np.arange(10) == pytest.approx(gross(SCHEDULE))


def test_metheringham_reaches_more_than_its_vehicles_together_and_says_so() -> None:
    disjoint = alike(2, 0.3, 0.0)  # the same persons twice, and others twice: 60 % in truth
    with pytest.warns(UserWarning, match=r"Metheringham gives a reach of 0\.73.*0\.3000 to 0\.6"):
        result = metheringham(**disjoint, reach_2=[0.3, 0.3], insertions=[2, 2])
    assert result.reach == pytest.approx(0.7312, abs=1e-4)


def test_unlike_vehicles_cannot_be_pooled() -> None:
    with pytest.raises(PlanError, match=r"0\.0500, and no pooled .* below 0\.0900; unlike") as no:
        metheringham(**independent(0.5, 0.1), insertions=[1, 1])
    assert no.value.code == "INCONSISTENT"


def test_slightly_unlike_vehicles_are_pooled_with_a_warning() -> None:
    with pytest.warns(UserWarning, match="pooled vehicle: reach_2 is outside its range"):
        result = metheringham(**independent(0.3, 0.4), insertions=[1, 1])
    assert result.reach == pytest.approx(1 - 0.65**2)


def test_one_insertion_has_no_pairs_to_pool() -> None:
    with pytest.raises(PlanError, match="pools pairs of insertions, got one insertion"):
        metheringham(reach_1=[0.3], insertions=[1], duplications=[[0]])


def test_what_pooling_overlooks_is_noted() -> None:
    assert "overstates reach where they differ" in metheringham(**SCHEDULE).note


@pytest.mark.filterwarnings("ignore:Metheringham")
@given(st.permutations(range(3)))
def test_the_order_of_vehicles_changes_nothing_pooled(order: list[int]) -> None:
    other = metheringham(**reordered(SCHEDULE, order))
    assert other.distribution == pytest.approx(metheringham(**SCHEDULE).distribution, abs=1e-12)


# --- Danaher -------------------------------------------------------------------------------
@pytest.mark.parametrize("plan", KIM)
def test_danaher_prints_what_kim_printed(plan: int) -> None:
    schedule, canonical, _ = kim(plan)
    assert 100 * danaher(**schedule).distribution == pytest.approx(canonical, abs=0.0051)


@pytest.mark.filterwarnings("ignore:Danaher")
@given(schedules())
def test_danaher_adds_up_every_cell_of_the_expansion(schedule: dict[str, Any]) -> None:
    f = [margin(schedule, v) for v in range(3)]
    chance = [law.pmf(np.arange(n + 1)) for law, n in zip(f, schedule["insertions"], strict=True)]
    centre = [(law.mean(), law.std()) for law in f]
    p, pairs = np.array(schedule["reach_1"]), np.array(schedule["duplications"])
    expected, negative = np.zeros(sum(schedule["insertions"]) + 1), 0.0
    for x in itertools.product(*(range(n + 1) for n in schedule["insertions"])):
        z = [(k - mean) / sd for k, (mean, sd) in zip(x, centre, strict=True)]
        bracket = 1.0
        for i, j in itertools.combinations(range(3), 2):
            spread = np.sqrt(p[i] * (1 - p[i]) * p[j] * (1 - p[j]))
            bracket += (pairs[i, j] - p[i] * p[j]) / spread * z[i] * z[j]
        cell = chance[0][x[0]] * chance[1][x[1]] * chance[2][x[2]] * bracket
        expected[sum(x)] += cell
        negative += min(cell, 0)
    result = danaher(**schedule)
    assert result.distribution == pytest.approx(expected, abs=1e-10)
    assert result.negative_mass == pytest.approx(negative, abs=1e-10)


@settings(max_examples=50)
@given(laws(2))
def test_danaher_is_exact_for_two_vehicles_used_once(law: Any) -> None:
    result = danaher(**published(law), insertions=[1, 1])
    assert result.distribution == pytest.approx([law[0], law[1] + law[2], law[3]], abs=1e-12)


@given(schedules())
def test_danaher_without_overlap_beyond_chance_convolves(schedule: dict[str, Any]) -> None:
    chance = schedule | {"duplications": np.outer(schedule["reach_1"], schedule["reach_1"])}
    expected = np.ones(1)
    for v, n in enumerate(schedule["insertions"]):
        expected = np.convolve(expected, margin(schedule, v).pmf(np.arange(n + 1)))
    assert danaher(**chance).distribution == pytest.approx(expected, abs=1e-10)


@pytest.mark.filterwarnings("ignore:Danaher")
@given(schedules())
def test_danaher_sums_to_one_and_keeps_the_gross_exposures(schedule: dict[str, Any]) -> None:
    cells = danaher(**schedule).distribution
    assert cells.sum() == pytest.approx(1, abs=1e-10)
    assert cells @ np.arange(len(cells)) == pytest.approx(gross(schedule), abs=1e-9)


@pytest.mark.filterwarnings("ignore:Danaher")
@given(schedules(), st.permutations(range(3)))
def test_the_order_of_vehicles_changes_no_expansion(
    schedule: dict[str, Any], order: list[int]
) -> None:
    other = danaher(**reordered(schedule, order))
    assert other.distribution == pytest.approx(danaher(**schedule).distribution, abs=1e-12)


def test_danaher_understates_the_overlap_of_several_insertions() -> None:
    schedule, _, _ = kim(5)
    cells = danaher(**schedule).distribution
    k = np.arange(5)
    variance = cells @ k**2 - (cells @ k) ** 2
    between = (variance - sum(margin(schedule, v).var() for v in (0, 1))) / 2
    assert 0 < between < 4 * (0.0719172 - 0.4902 * 0.1312) * 0.9


def test_negative_cells_are_kept_and_reported() -> None:
    with pytest.warns(UserWarning, match=r"negative cells that add up to -0\.008"):
        result = danaher(**alike(3, 0.4, 0.1), insertions=[1, 1, 1])
    assert result.distribution == pytest.approx([0.108, 0.576, 0.324, -0.008])
    assert result.negative_mass == pytest.approx(-0.008)


def test_negative_cells_are_reported_where_their_sums_are_positive() -> None:
    with pytest.warns(UserWarning, match="negative cells"):
        result = danaher(**alike(2, 0.1, 0.09), reach_2=[0.19, 0.19], insertions=[2, 2])
    assert result.negative_mass < -0.01
    assert result.distribution.min() > 0


@pytest.mark.filterwarnings("ignore:Danaher's joint law")
def test_an_expansion_that_reaches_fewer_than_nobody_says_so() -> None:
    with pytest.warns(UserWarning, match=r"no population has one outside 0\.1000 to 0\.4000"):
        result = danaher(**alike(4, 0.1, 0.09), insertions=[1] * 4)
    assert result.reach == pytest.approx(-0.0449, abs=1e-4)


def test_no_negative_cells_are_no_news() -> None:
    assert danaher(**SCHEDULE).negative_mass == 0
    assert "understates the overlap" in danaher(**SCHEDULE).note


def test_schedules_too_large_to_lay_out_are_refused() -> None:
    vehicles = 20
    figures = independent(*[0.1] * vehicles)
    with pytest.raises(PlanError, match="has 1,572,864 cells, and at most 1,048,576"):
        danaher(**figures, reach_2=[0.15] * vehicles, insertions=[2, *[1] * (vehicles - 1)])


# --- Morgensztern --------------------------------------------------------------------------
@pytest.mark.parametrize("plan", KIM)
def test_morgensztern_prints_what_kim_printed(plan: int) -> None:
    schedule, _, sequential = kim(plan)
    assert 100 * morgensztern(**schedule).distribution == pytest.approx(sequential, abs=0.0101)


def test_morgensztern_follows_lees_example() -> None:
    printed = [0.702, 0.085, 0.106, 0.062, 0.035, 0.009, 0.002]
    assert morgensztern(**LEE).distribution == pytest.approx(printed, abs=0.0015)


def laid_out(schedule: dict[str, Any]) -> list[float]:
    """Morgensztern's exposures, each step's table of two numbers filled in cell by cell."""
    n, p, pairs = (schedule[k] for k in ("insertions", "reach_1", "duplications"))
    vehicles = [list(margin(schedule, v).pmf(np.arange(n[v] + 1))) for v in range(3)]
    seen = [1 - law[0] for law in vehicles]
    total = vehicles[0]
    for new in (1, 2):
        parts, less = sum(seen[: new + 1]), 0.0
        for i, j in itertools.combinations(range(new + 1), 2):
            each = (p[i] + p[j]) / (p[i] + p[j] - pairs[i][j])
            less += each * pairs[i][j] * seen[i] * seen[j] / (p[i] * p[j])
        union, one, two = parts**2 / (parts + less), 1 - total[0], seen[new]
        table = [0.0] * (len(total) + n[new])
        for (a, left), (b, right) in itertools.product(enumerate(total), enumerate(vehicles[new])):
            both, only, other = one + two - union, union - two, union - one
            cases = {(0, 0): 1 - union, (1, 0): only * left / one, (0, 1): other * right / two}
            table[a + b] += cases.get((min(a, 1), min(b, 1)), both * left * right / one / two)
        total = table
    return total


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("schedule", [SCHEDULE, LEE])
def test_vehicles_are_added_in_the_order_given(
    schedule: dict[str, Any], order: tuple[int, ...]
) -> None:
    ordered = reordered(schedule, list(order))
    assert morgensztern(**ordered).distribution == pytest.approx(laid_out(ordered), abs=1e-12)


@pytest.mark.filterwarnings("ignore:Morgensztern|Hofmans")
@settings(max_examples=30)
@given(laws(4))
def test_morgensztern_used_once_reaches_what_hofmans_does(law: Any) -> None:
    figures = published(law)
    assume(hofmans_duplication(**figures) <= 1)
    assert morgensztern(**figures, insertions=[1] * 4).reach == pytest.approx(
        hofmans_duplication(**figures), abs=1e-10
    )


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_reach_is_the_same_in_every_order(order: tuple[int, ...]) -> None:
    other = morgensztern(**reordered(SCHEDULE, list(order)))
    assert other.reach == pytest.approx(morgensztern(**SCHEDULE).reach, abs=1e-12)


def test_the_range_is_that_of_all_orders_of_few_vehicles() -> None:
    each = [
        morgensztern(**reordered(SCHEDULE, list(order))).distribution
        for order in itertools.permutations(range(3))
    ]
    result = morgensztern(**SCHEDULE)
    assert result.orders == 6
    assert result.lowest == pytest.approx(np.min(each, axis=0), abs=1e-12)
    assert result.highest == pytest.approx(np.max(each, axis=0), abs=1e-12)
    assert (result.highest - result.lowest).max() > 1e-4


@pytest.mark.parametrize("schedule", [SCHEDULE, LEE])
def test_morgensztern_keeps_the_gross_exposures(schedule: dict[str, Any]) -> None:
    cells = morgensztern(**schedule).distribution
    assert cells.min() >= 0
    assert cells.sum() == pytest.approx(1, abs=1e-12)
    assert cells @ np.arange(len(cells)) == pytest.approx(gross(schedule), abs=1e-12)


def seven() -> dict[str, Any]:
    p = [0.03, 0.05, 0.02, 0.06, 0.04, 0.07, 0.01]
    twice = [x + 0.6 * x * (1 - x) for x in p]
    return {
        "reach_1": p,
        "reach_2": twice,
        "insertions": [2] * 7,
        "duplications": 1.3 * np.outer(p, p),
    }


def test_many_vehicles_try_the_reverse_order_even_where_none_is_drawn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ordered, "SEEDED_ORDERS", 0)
    figures = {k: np.asarray(v).tolist() for k, v in seven().items()}
    forward, backward = (
        morgensztern(**figures),
        morgensztern(**reordered(figures, [*range(7)][::-1])),
    )
    assert forward.orders == 2
    both = np.stack([forward.distribution, backward.distribution])
    assert forward.lowest == pytest.approx(both.min(axis=0), abs=1e-12)
    assert forward.highest == pytest.approx(both.max(axis=0), abs=1e-12)


def test_many_vehicles_try_the_order_its_reverse_and_seeded_ones() -> None:
    result = morgensztern(**seven())
    assert SEEDED_ORDERS - 10 < result.orders <= SEEDED_ORDERS + 2  # one drawn twice counts once
    figures = {k: np.asarray(v).tolist() for k, v in seven().items()}
    backward = morgensztern(**reordered(figures, [6, 5, 4, 3, 2, 1, 0])).distribution
    for cells in (result.distribution, backward):
        assert (result.lowest <= cells + 1e-12).all()
        assert (cells <= result.highest + 1e-12).all()


def test_the_same_seed_tries_the_same_orders() -> None:
    first, again, other = (morgensztern(**seven(), seed=seed) for seed in (1, 1, 2))
    assert first.lowest.tolist() == again.lowest.tolist()
    assert first.lowest.tolist() != other.lowest.tolist()


def test_one_vehicle_has_one_order() -> None:
    result = morgensztern(reach_1=[0.3], reach_2=[0.45], insertions=[2], duplications=[[0]])
    assert result.distribution == pytest.approx([0.55, 0.3, 0.15])
    assert result.orders == 1


def test_a_union_of_more_than_everybody_is_refused() -> None:
    said = (
        r"union is 1\.0714 where vehicles that reach 1\.0000 and 0\.5000 allow 1\.0000 to 1\.0000"
    )
    with pytest.raises(PlanError, match=said) as refused:
        morgensztern(**independent(0.5, 0.5, 0.5, 0.5, 0.5), insertions=[1] * 5)
    assert refused.value.code == "INCONSISTENT"


DECLINING: dict[str, Any] = {
    "reach_1": [0.01, 0.37, 0.74],
    "insertions": [1, 1, 1],
    "duplications": [[0, 0.01, 0.01], [0.01, 0, 0.15], [0.01, 0.15, 0]],
}
"""The first vehicle adds nobody: added last, it would lower the union of the others."""


def test_orders_that_are_impossible_are_left_out_with_a_warning() -> None:
    with pytest.warns(UserWarning, match="2 of 6 orders of the vehicles are impossible"):
        result = morgensztern(**DECLINING)
    assert result.orders == 4


def test_an_impossible_order_is_refused_with_its_step() -> None:
    with pytest.raises(PlanError, match="the formula breaks here, try another order"):
        morgensztern(**reordered(DECLINING, [1, 2, 0]))


def test_what_depends_on_order_is_noted() -> None:
    assert "depends on the order of vehicles; reach does not" in morgensztern(**SCHEDULE).note


def test_a_range_encloses_its_distribution() -> None:
    cells = np.array([0.4, 0.6])
    with pytest.raises(PlanError, match="must enclose the distribution"):
        OrderedReach(distribution=cells, lowest=cells, highest=cells - 0.1, orders=1, note="")


# --- what all refuse -----------------------------------------------------------------------
@pytest.mark.parametrize("formula", [metheringham, danaher, morgensztern])
def test_several_insertions_need_second_figures(formula: Any) -> None:
    with pytest.raises(PlanError, match="vehicle 1: 2 insertions need reach_2"):
        formula(**alike(2, 0.3, 0.1), insertions=[1, 2])


@pytest.mark.parametrize("formula", [metheringham, danaher, morgensztern])
def test_second_figures_out_of_range_are_refused(formula: Any) -> None:
    with pytest.raises(PlanError, match="vehicle 0: reach_2 must lie between"):
        formula(**alike(2, 0.3, 0.1), reach_2=[0.6, 0.45], insertions=[2, 2])


@pytest.mark.parametrize("formula", [metheringham, danaher, morgensztern])
def test_second_figures_in_percent_are_refused(formula: Any) -> None:
    with pytest.raises(PlanError, match=r"percentages\?"):
        formula(**alike(2, 0.3, 0.1), reach_2=[45, 45], insertions=[2, 2])


@pytest.mark.parametrize("formula", [metheringham, danaher, morgensztern])
def test_insertions_are_one_number_per_vehicle(formula: Any) -> None:
    with pytest.raises(PlanError, match="insertions must be 2 whole numbers"):
        formula(**alike(2, 0.3, 0.1), insertions=[1])
