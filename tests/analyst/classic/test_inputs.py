import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dpnotice.analyst.classic.inputs import (
    MAX_INSERTIONS,
    ClassicReach,
    beta_binomial_pmf,
    check_audiences,
    check_duplications,
    check_insertions,
    check_share,
    check_shares,
    convolve,
    read_only,
    vehicle_margin,
    vehicle_margins,
    warn_impossible,
)
from dpnotice.errors import PlanError

shares = st.floats(0.001, 0.999)


# --- fractions -----------------------------------------------------------------------------
def test_fractions_are_returned_as_numbers() -> None:
    assert check_shares([0, 0.3, 1], "reach_1").tolist() == [0.0, 0.3, 1.0]
    assert check_share(0.3, "reach") == 0.3


@pytest.mark.parametrize("values", [[0.3, 40], [30]])
def test_percentages_are_refused(values: list[float]) -> None:
    with pytest.raises(PlanError, match=r"reach_1 must be fractions in \[0, 1\].*percentages\?"):
        check_shares(values, "reach_1")


def test_percentages_have_their_code() -> None:
    with pytest.raises(PlanError) as refused:
        check_share(13, "reach")
    assert refused.value.code == "PERCENTAGES"


@pytest.mark.parametrize("value", [-0.1, math.nan, math.inf])
def test_what_is_no_fraction_is_refused(value: float) -> None:
    with pytest.raises(PlanError, match="must be fractions") as refused:
        check_share(value, "reach")
    assert refused.value.code == "RANGE"


@pytest.mark.parametrize("values", [["a"], [True], [None], [[0.1], [0.1, 0.2]]])
def test_what_is_no_number_is_refused(values: Any) -> None:
    with pytest.raises(PlanError, match="reach_1 must be numbers in rows of one length"):
        check_shares(values, "reach_1")


@pytest.mark.parametrize("values", [0.3, [[0.3, 0.4]], np.empty(0)])
def test_audiences_are_one_per_vehicle(values: Any) -> None:
    with pytest.raises(PlanError, match="a list with one number per vehicle"):
        check_shares(values, "reach_1")


@pytest.mark.parametrize("audience", [0.0, 1.0])
def test_formulas_of_pairs_refuse_an_audience_of_nobody_or_everybody(audience: float) -> None:
    with pytest.raises(PlanError, match="strictly between 0 and 1"):
        check_audiences([0.3, audience])


# --- insertions ----------------------------------------------------------------------------
def test_vehicles_are_used_once_where_nothing_is_said() -> None:
    assert check_insertions(None, 3) == (1, 1, 1)


def test_insertions_are_counted_per_vehicle() -> None:
    assert check_insertions([2, 5], 2) == (2, 5)


@pytest.mark.parametrize(
    "insertions", [[1], [1, 0], [1, 1.5], [True, True], [1, None], [MAX_INSERTIONS, 1]]
)
def test_what_is_no_number_of_insertions_is_refused(insertions: Any) -> None:
    with pytest.raises(PlanError, match="insertions must be 2 whole numbers from 1"):
        check_insertions(insertions, 2)


# --- duplications --------------------------------------------------------------------------
def test_the_diagonal_of_duplications_is_ignored() -> None:
    pairs = check_duplications([[math.nan, 0.1], [0.1, 99]], np.array([0.3, 0.4]))
    assert pairs.tolist() == [[0, 0.1], [0.1, 0]]


def test_checking_duplications_does_not_change_them() -> None:
    given_pairs = np.array([[0.3, 0.1], [0.1, 0.4]])
    check_duplications(given_pairs, np.array([0.3, 0.4]))
    assert given_pairs.tolist() == [[0.3, 0.1], [0.1, 0.4]]


@given(shares, shares, st.floats(0, 1))
def test_every_duplication_between_its_ends_is_possible(one: float, two: float, at: float) -> None:
    least, most = max(0, one + two - 1), min(one, two)
    both = least + at * (most - least)
    pairs = check_duplications([[0, both], [both, 0]], np.array([one, two]))
    assert pairs[0, 1] == both


@given(shares, shares, st.floats(1e-6, 0.5), st.sampled_from([-1, 1]))
def test_no_duplication_beyond_its_ends_is(one: float, two: float, by: float, end: int) -> None:
    both = min(one, two) + by if end > 0 else max(0, one + two - 1) - by
    with pytest.raises(PlanError, match=r"duplications\[0, 1\] must lie between|fractions"):
        check_duplications([[0, both], [both, 0]], np.array([one, two]))


def test_the_refused_pair_is_named_with_its_ends() -> None:
    pairs = np.full((3, 3), 0.1)
    pairs[2, 1] = pairs[1, 2] = 0.35
    said = r"duplications\[1, 2\] must lie between 0 and 0.3, .* 0.3 and 0.4 allow, got 0.35"
    with pytest.raises(PlanError, match=said) as refused:
        check_duplications(pairs, np.array([0.2, 0.3, 0.4]))
    assert refused.value.code == "INCONSISTENT"


def test_duplications_in_percent_are_refused() -> None:
    with pytest.raises(PlanError, match=r"duplications must be fractions.*percentages\?"):
        check_duplications([[0, 12], [12, 0]], np.array([0.3, 0.4]))


def test_duplications_are_symmetric() -> None:
    with pytest.raises(PlanError, match="duplications must be symmetric"):
        check_duplications([[0, 0.1], [0.2, 0]], np.array([0.3, 0.4]))


@pytest.mark.parametrize("pairs", [[[0.0]], [0.1, 0.1], [[0, 0.1, 0], [0.1, 0, 0]]])
def test_duplications_have_a_row_per_vehicle(pairs: Any) -> None:
    with pytest.raises(PlanError, match="a square matrix, a row per vehicle, got shape"):
        check_duplications(pairs, np.array([0.3, 0.4]))


# --- the beta-binomial ---------------------------------------------------------------------
@given(shares, st.floats(1e-3, 0.999), st.integers(1, 60))
def test_exposures_are_the_beta_binomial_of_scipy(mean: float, rho: float, n: int) -> None:
    total = 1 / rho - 1
    oracle = stats.betabinom.pmf(np.arange(n + 1), n, total * mean, total * (1 - mean))
    assert beta_binomial_pmf(mean, rho, n) == pytest.approx(oracle, rel=1e-9, abs=1e-10)


@given(st.just(0.0) | st.floats(1e-9, 1), st.integers(1, 200))
def test_without_correlation_exposures_are_binomial(mean: float, n: int) -> None:
    oracle = stats.binom.pmf(np.arange(n + 1), n, mean)
    assert beta_binomial_pmf(mean, 0.0, n) == pytest.approx(oracle, abs=1e-10)


@given(st.floats(0, 1), st.integers(2, 60))
def test_with_full_correlation_the_same_persons_see_all(mean: float, n: int) -> None:
    expected = [1 - mean, *[0.0] * (n - 1), mean]
    assert beta_binomial_pmf(mean, 1.0, n) == pytest.approx(expected, abs=1e-12)


@given(st.floats(0, 1), st.floats(0, 1), st.integers(1, 300))
def test_the_beta_binomial_is_a_law_with_its_mean(mean: float, rho: float, n: int) -> None:
    cells = beta_binomial_pmf(mean, rho, n)
    assert cells.min() >= 0
    assert cells.sum() == pytest.approx(1, abs=1e-10)
    assert cells @ np.arange(n + 1) == pytest.approx(n * mean, abs=1e-8)


@given(shares, st.floats(0, 1))
def test_a_vehicle_keeps_both_published_figures(one: float, place: float) -> None:
    two = one + place * one * (1 - one)
    assert 1 - vehicle_margin("Weekly", one, None, 1)[0] == pytest.approx(one, abs=1e-12)
    assert 1 - vehicle_margin("Weekly", one, two, 2)[0] == pytest.approx(two, abs=1e-12)


@pytest.mark.parametrize("one", [0.0, 1.0])
def test_a_vehicle_of_nobody_or_everybody_stays_so(one: float) -> None:
    assert 1 - vehicle_margin("Weekly", one, one, 7)[0] == one


def test_several_insertions_need_the_second_figure() -> None:
    with pytest.raises(PlanError, match="vehicle 1: 2 insertions need reach_2"):
        vehicle_margins(np.array([0.3, 0.4]), [0.45, None], [2, 2])


def test_a_vehicle_used_once_needs_none() -> None:
    first, second = vehicle_margins(np.array([0.3, 0.4]), [0.45, None], [2, 1])
    assert first == pytest.approx([0.55, 0.3, 0.15])
    assert second == pytest.approx([0.6, 0.4])


def test_second_figures_are_one_per_vehicle() -> None:
    with pytest.raises(PlanError, match="reach_2 must have one number per vehicle, 2, got 1"):
        vehicle_margins(np.array([0.3, 0.4]), [0.45], [2, 1])


def test_a_second_figure_out_of_range_is_refused() -> None:
    with pytest.raises(PlanError, match="vehicle: reach_2 must lie between"):
        vehicle_margin("vehicle", 0.3, 0.6, 3)


def test_a_second_figure_out_by_rounding_is_moved_and_warned_of() -> None:
    with pytest.warns(UserWarning, match="outside its range by rounding"):
        cells = vehicle_margin("vehicle", 0.3, 0.512, 2)
    assert cells == pytest.approx([0.49, 0.42, 0.09])


# --- what comes out ------------------------------------------------------------------------
def test_reach_is_all_but_the_cell_of_no_exposure() -> None:
    result = ClassicReach(distribution=np.array([0.4, 0.35, 0.25]), note="")
    assert result.reach == pytest.approx(0.6)
    assert result.negative_mass == 0


def test_nobody_changes_a_distribution() -> None:
    mine = np.array([0.4, 0.6])
    result = ClassicReach(distribution=mine, note="")
    mine[0] = 9
    assert result.reach == pytest.approx(0.6)
    with pytest.raises(ValueError, match="read-only"):
        result.distribution[0] = 9


@pytest.mark.parametrize("cells", [[0.4, 0.5], [[0.4, 0.6]], [math.nan, 1]])
def test_a_distribution_is_one_row_that_sums_to_one(cells: Any) -> None:
    with pytest.raises(PlanError, match="one row of shares that sum to 1"):
        read_only(np.array(cells))


def test_convolution_adds_independent_exposures() -> None:
    assert convolve([np.array([0.7, 0.3]), np.array([0.6, 0.4])]).tolist() == pytest.approx(
        [0.42, 0.46, 0.12]
    )


@pytest.mark.parametrize("reach", [0.4, 0.55, 0.7])
def test_a_possible_union_passes_without_a_word(reach: float) -> None:
    warn_impossible("Agostini", reach, np.array([0.3, 0.4]))


@pytest.mark.parametrize("reach", [0.39, 0.71])
def test_an_impossible_union_is_warned_of(reach: float) -> None:
    said = f"Agostini gives a reach of {reach:.4f}.*outside 0.4000 to 0.7000"
    with pytest.warns(UserWarning, match=said):
        warn_impossible("Agostini", reach, np.array([0.3, 0.4]))


def test_no_union_exceeds_everybody() -> None:
    with pytest.warns(UserWarning, match="outside 0.8000 to 1.0000"):
        warn_impossible("Agostini", 1.01, np.array([0.7, 0.8]))
