import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dpnotice.analyst.classic.curves import (
    ReachCurve,
    beta_binomial,
    goerg,
    hofmans_accumulation,
    nbd,
)
from dpnotice.errors import PlanError

shares = st.floats(0.01, 0.99)


# --- one vehicle: beta-binomial ------------------------------------------------------------
def test_thirty_and_forty_five_percent_give_fifty_five_thirty_fifteen() -> None:
    result = beta_binomial(reach_1=0.3, reach_2=0.45, insertions=2)
    assert result.distribution == pytest.approx([0.55, 0.3, 0.15], abs=1e-12)


@given(shares, st.floats(0.01, 0.99), st.integers(1, 40))
def test_published_figures_give_the_beta_binomial_of_scipy(one: float, at: float, n: int) -> None:
    two = one + at * one * (1 - one)
    alpha = one * (two - one) / (2 * one - one**2 - two)
    oracle = stats.betabinom.pmf(np.arange(n + 1), n, alpha, alpha * (1 - one) / one)
    result = beta_binomial(reach_1=one, reach_2=two, insertions=n)
    assert result.distribution == pytest.approx(oracle, abs=1e-10)


def test_what_the_beta_binomial_takes_for_granted_is_noted() -> None:
    assert "exchangeable" in beta_binomial(reach_1=0.3, reach_2=0.45, insertions=2).note


def test_impossible_second_figures_are_refused() -> None:
    with pytest.raises(PlanError, match="vehicle: reach_2 must lie between"):
        beta_binomial(reach_1=0.3, reach_2=0.2, insertions=2)


def test_the_beta_binomial_warns_where_rounding_moved_a_figure() -> None:
    with pytest.warns(UserWarning, match="outside its range by rounding"):
        beta_binomial(reach_1=0.3, reach_2=0.512, insertions=2)


@pytest.mark.parametrize("figures", [{"reach_1": 30}, {"reach_2": 45}])
def test_the_beta_binomial_refuses_percentages(figures: Any) -> None:
    with pytest.raises(PlanError, match=r"percentages\?"):
        beta_binomial(**{"reach_1": 0.3, "reach_2": 0.45, "insertions": 2, **figures})


# --- one vehicle: Hofmans ------------------------------------------------------------------
@given(shares, st.floats(0, 0.99))
def test_hofmans_keeps_the_published_figures(one: float, at: float) -> None:
    two = one + at * min(one, 1 - one)
    for n, published in ((1, one), (2, two)):
        reach = hofmans_accumulation(reach_1=one, reach_2=two, insertions=n)
        assert reach == pytest.approx(published, rel=1e-9)


@given(st.floats(0.05, 0.3), st.floats(0.05, 0.9), st.floats(0, 0.99))
def test_hofmans_keeps_an_observed_third_figure(one: float, at: float, more: float) -> None:
    two = one + at * one
    three = two + more * (two - one)
    figures = {"reach_1": one, "reach_2": two, "reach_3": three}
    assert hofmans_accumulation(**figures, insertions=3) == pytest.approx(three, rel=1e-9)
    assert hofmans_accumulation(**figures, insertions=2) == pytest.approx(two, rel=1e-9)


@pytest.mark.parametrize(("one", "two", "n"), [(0.06, 0.103, 5), (0.3, 0.45, 4)])
def test_hofmans_by_its_formula(one: float, two: float, n: int) -> None:
    k, d = 2 * one / two, 2 * one - two
    expected = (n * one) ** 2 / (n * one + k * (n - 1) * n / 2 * d)
    got = hofmans_accumulation(reach_1=one, reach_2=two, insertions=n)
    assert got == pytest.approx(expected)


def test_hofmans_is_flat_where_the_same_persons_see_all() -> None:
    reach = hofmans_accumulation(reach_1=0.3, reach_2=0.3, insertions=50)
    assert reach == pytest.approx(0.3)


def test_hofmans_tends_to_its_limit_above_everybody_and_says_so() -> None:
    with pytest.warns(UserWarning, match="above 1; the formula breaks at so many insertions"):
        reach = hofmans_accumulation(reach_1=0.3, reach_2=0.5, insertions=10_000)
    limit = 2 * 0.3**2 / (2 * 0.3 / 0.5 * 0.1)
    assert reach == pytest.approx(limit, rel=1e-3)
    assert limit > 1


def test_hofmans_falls_with_a_further_insertion_and_says_so() -> None:
    figures = {"reach_1": 0.3, "reach_2": 0.45, "reach_3": 0.48}
    with pytest.warns(UserWarning, match=r"below the 0\.\d{4} of one insertion less"):
        hofmans_accumulation(**figures, insertions=9)


@pytest.mark.parametrize(("one", "two"), [(0.3, 0.29), (0.3, 0.6), (0.3, 0.7), (0.0, 0.0)])
def test_hofmans_refuses_impossible_second_figures(one: float, two: float) -> None:
    with pytest.raises(PlanError, match="Hofmans needs 0 < reach_1 <= reach_2 < 2 reach_1"):
        hofmans_accumulation(reach_1=one, reach_2=two, insertions=3)


@pytest.mark.parametrize("three", [0.44, 0.61])
def test_hofmans_refuses_impossible_third_figures(three: float) -> None:
    with pytest.raises(PlanError, match="a third insertion adds no more than a second"):
        hofmans_accumulation(reach_1=0.3, reach_2=0.45, reach_3=three, insertions=4)


def test_hofmans_refuses_a_third_figure_without_overlap() -> None:
    with pytest.raises(PlanError, match="a third insertion adds no more than a second"):
        hofmans_accumulation(reach_1=0.3, reach_2=0.599, reach_3=0.9, insertions=4)


def test_hofmans_refuses_a_third_figure_of_nobody() -> None:
    with pytest.raises(PlanError, match="a third insertion adds no more than a second"):
        hofmans_accumulation(reach_1=0.003, reach_2=0.004, reach_3=0.0, insertions=4)


def test_a_third_figure_may_miss_its_range_by_rounding() -> None:
    reach = hofmans_accumulation(reach_1=0.3, reach_2=0.45, reach_3=0.604, insertions=3)
    assert reach == pytest.approx(0.604)


@pytest.mark.parametrize("figures", [{"reach_1": 30}, {"reach_2": 45}, {"reach_3": 50}])
def test_hofmans_refuses_percentages(figures: Any) -> None:
    with pytest.raises(PlanError, match=r"percentages\?"):
        hofmans_accumulation(**{"reach_1": 0.3, "reach_2": 0.45, "insertions": 4, **figures})


@pytest.mark.parametrize("formula", [beta_binomial, hofmans_accumulation])
@pytest.mark.parametrize("insertions", [0, 2.5])
def test_insertions_are_whole(formula: Any, insertions: float) -> None:
    with pytest.raises(PlanError, match="insertions must be 1 whole numbers from 1"):
        formula(reach_1=0.3, reach_2=0.45, insertions=insertions)


# --- one point: Goerg ----------------------------------------------------------------------
def test_two_hundred_impressions_that_reach_a_hundred_tend_to_two_hundred() -> None:
    curve = goerg(grps=20, reach=0.1)  # of a thousand persons
    assert (curve.reach_cap, curve.dispersion) == (pytest.approx(0.2), 1)
    assert curve.reach(20) == pytest.approx(0.1)
    assert curve.reach(1e12) == pytest.approx(0.2)


@given(st.floats(0.01, 0.6), st.floats(1.05, 9), st.floats(0, 500))
@pytest.mark.filterwarnings("ignore:Goerg")
def test_goergs_curve_by_its_formula(reach: float, frequency: float, grps: float) -> None:
    curve = goerg(grps=100 * reach * frequency, reach=reach)
    cap, mean = reach * frequency / (frequency - 1), grps / 100
    assert curve.reach(grps) == pytest.approx(cap * mean / (cap + mean), abs=1e-10)


@pytest.mark.parametrize(("grps", "reach"), [(10, 0.1), (9, 0.1), (0, 0.0), (10, 0.0)])
def test_goerg_needs_more_exposures_than_persons(grps: float, reach: float) -> None:
    with pytest.raises(PlanError, match="Goerg needs more exposures than persons reached"):
        goerg(grps=grps, reach=reach)


def test_goergs_curve_may_exceed_everybody_and_says_so() -> None:
    with pytest.warns(UserWarning, match=r"tends to a reach of 4\.0000, which is above 1"):
        curve = goerg(grps=100, reach=0.8)
    assert curve.reach(1e9) == pytest.approx(4)


# --- one point and a cap: negative binomial ------------------------------------------------
@given(st.floats(0.05, 20), st.floats(0.1, 1), st.floats(1, 400))
def test_the_dispersion_behind_a_point_is_found(r: float, cap: float, grps: float) -> None:
    true = ReachCurve(reach_cap=cap, dispersion=r)
    found = nbd(grps=grps, reach=float(true.reach(grps)), reach_cap=cap)
    beyond = np.array([0.1, 0.5, 1, 2, 10]) * grps
    assert found.reach(beyond) == pytest.approx(true.reach(beyond), abs=1e-8)


@given(st.floats(0.05, 50), st.floats(0.1, 1), st.floats(0, 900), st.integers(1, 30))
def test_frequencies_are_the_negative_binomial_of_scipy(
    r: float, cap: float, grps: float, most: int
) -> None:
    curve = ReachCurve(reach_cap=cap, dispersion=r)
    law = stats.nbinom(r, r / (r + grps / 100 / cap))
    oracle = cap * np.append(law.pmf(np.arange(most)), law.sf(most - 1))
    oracle[0] += 1 - cap
    assert curve.distribution(grps, most) == pytest.approx(oracle, abs=1e-10)
    assert curve.reach(grps) == pytest.approx(1 - oracle[0], abs=1e-10)


def test_equally_heavy_viewers_are_poisson() -> None:
    curve = ReachCurve(reach_cap=1.0, dispersion=1e8)
    oracle = stats.poisson.pmf(np.arange(9), 1.5)
    assert curve.distribution(150, 9)[:9] == pytest.approx(oracle, abs=1e-7)


def test_reach_keeps_the_shape_of_the_points() -> None:
    curve = ReachCurve(reach_cap=0.9, dispersion=0.8)
    assert curve.reach([[0, 50, 100], [150, 200, 250]]).shape == (2, 3)


def test_more_points_never_lower_reach() -> None:
    steps = np.diff(ReachCurve(reach_cap=0.9, dispersion=0.8).reach(np.linspace(0, 2000, 99)))
    assert (steps > 0).all()


@pytest.mark.parametrize("reach", [0.0, 0.7, 0.85, 0.95])
def test_a_reach_that_no_dispersion_gives_is_refused(reach: float) -> None:
    most = 0.9 * (1 - math.exp(-100 / 90))
    said = rf"reach must lie between 0 and {most:.4f}, that of equally heavy viewers"
    with pytest.raises(PlanError, match=said) as refused:
        nbd(grps=100, reach=reach, reach_cap=0.9)
    assert refused.value.code == "INCONSISTENT"


@pytest.mark.parametrize(("grps", "cap"), [(0, 0.9), (100, 0.0)])
def test_nothing_bought_and_nobody_online_have_no_curve(grps: float, cap: float) -> None:
    with pytest.raises(PlanError, match=r"reach must lie between 0 and 0\.0000"):
        nbd(grps=grps, reach=0.3, reach_cap=cap)


@pytest.mark.parametrize("figures", [{"reach": 40}, {"reach_cap": 90}])
def test_curves_refuse_percentages(figures: Any) -> None:
    with pytest.raises(PlanError, match=r"percentages\?"):
        nbd(**{"grps": 100, "reach": 0.4, "reach_cap": 0.9, **figures})


def test_goerg_refuses_percentages() -> None:
    with pytest.raises(PlanError, match=r"percentages\?"):
        goerg(grps=100, reach=40)


@pytest.mark.parametrize("grps", [-1, math.nan, math.inf, "many"])
def test_impossible_points_are_refused(grps: Any) -> None:
    with pytest.raises(PlanError, match="grps must be 0 or more"):
        goerg(grps=grps, reach=0.4)


@pytest.mark.parametrize("changes", [{"reach_cap": 0}, {"dispersion": 0}, {"dispersion": math.nan}])
def test_an_impossible_curve_is_refused(changes: Any) -> None:
    with pytest.raises(PlanError, match="needs reach_cap and dispersion above 0"):
        ReachCurve(**{"reach_cap": 0.9, "dispersion": 0.8, **changes})


def test_a_distribution_has_some_exposures() -> None:
    with pytest.raises(PlanError, match="most must be 1 exposure or more"):
        ReachCurve(reach_cap=0.9, dispersion=0.8).distribution(100, 0)
