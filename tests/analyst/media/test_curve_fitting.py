import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from dpnotice.analyst.media.curve_fitting import (
    EVEN,
    Delivered,
    cap_through,
    fit_points,
    least_dispersion,
)

UNEVEN = Delivered(index=np.array([0.25, 1.0, 1.75]), persons=np.array([0.3, 0.4, 0.3]))
delivered = st.sampled_from([EVEN, UNEVEN])


def through(gross: float, reach: float, dispersion: float, to: Delivered = EVEN) -> float:
    return float(cap_through(gross, reach, np.array([dispersion]), to)[0])


def test_two_hundred_impressions_that_reach_a_hundred_have_a_cap_of_two_hundred() -> None:
    assert through(0.2, 0.1, 1.0) == pytest.approx(0.2, rel=1e-10)  # Goerg 2014


@given(st.floats(1e-6, 0.5), st.floats(1.001, 50))
def test_at_dispersion_one_the_cap_is_goergs(reach: float, often: float) -> None:
    gross = often * reach
    goerg = gross * reach / (gross - reach)
    if goerg < 1:
        assert through(gross, reach, 1.0) == pytest.approx(goerg, rel=1e-6)


@given(st.floats(0.05, 5), st.floats(0.05, 0.99), st.floats(0.1, 50), delivered)
def test_the_curve_with_the_cap_found_meets_the_point(
    gross: float, cap: float, dispersion: float, to: Delivered
) -> None:
    reach = float(to.reach(gross, cap, dispersion))
    assert through(gross, reach, dispersion, to) == pytest.approx(cap, rel=1e-6)


def test_reach_is_the_negative_binomial_of_scipy_summed_over_segments() -> None:
    means = 2.0 * UNEVEN.index / 0.8
    oracle = 0.8 * (1 - stats.nbinom.pmf(0, 0.7, 0.7 / (0.7 + means))) @ UNEVEN.persons
    assert float(UNEVEN.reach(2.0, 0.8, 0.7)) == pytest.approx(oracle, rel=1e-12)


def test_caps_are_found_for_many_dispersions_at_once() -> None:
    dispersions = np.array([[0.5], [1.0], [4.0]])
    got = cap_through(1.0, 0.3, dispersions, EVEN)
    assert got.shape == (3, 1)
    assert [through(1.0, 0.3, r) for r in (0.5, 1.0, 4.0)] == pytest.approx(got[:, 0].tolist())
    assert (np.diff(got[:, 0]) < 0).all()


@given(st.floats(0.1, 5), st.floats(0.05, 100), delivered)
def test_the_least_dispersion_meets_the_point_with_everybody_reachable(
    gross: float, dispersion: float, to: Delivered
) -> None:
    reach = float(to.reach(gross, 1.0, dispersion))
    found = least_dispersion(gross, reach, to)
    assert float(to.reach(gross, 1.0, found)) == pytest.approx(reach, abs=1e-9)


def test_no_dispersion_reaches_more_than_impressions_spread_at_random() -> None:
    most = 1 - math.exp(-1.0)
    assert least_dispersion(1.0, most + 1e-3, EVEN) == math.inf
    assert least_dispersion(1.0, most - 1e-3, EVEN) < math.inf
    assert least_dispersion(1.0, most - 1e-3, UNEVEN) == math.inf


@settings(max_examples=30)
@given(st.floats(0.3, 1.0), st.floats(0.1, 10), delivered)
def test_exact_points_give_back_their_cap_and_dispersion(
    cap: float, dispersion: float, to: Delivered
) -> None:
    gross = np.array([0.3, 1.0, 3.0, 10.0])
    got = fit_points(gross, to.reach(gross, cap, dispersion), to)
    assert got == pytest.approx((cap, dispersion), rel=1e-3)


def test_no_curve_nearby_is_closer_to_points_that_do_not_agree() -> None:
    gross, reach = np.array([0.5, 1.0, 2.0, 4.0]), np.array([0.25, 0.45, 0.55, 0.70])

    def misfit(cap: float, dispersion: float) -> float:
        miss = EVEN.reach(gross, cap, dispersion) - reach
        return float(np.sum(miss**2 / (reach * (1 - reach))))

    cap, dispersion = fit_points(gross, reach, EVEN)
    for other in np.geomspace(0.9, 1.1, 21):
        for factor in np.geomspace(0.8, 1.25, 21):
            assert misfit(cap, dispersion) <= misfit(min(1, cap * other), dispersion * factor)
