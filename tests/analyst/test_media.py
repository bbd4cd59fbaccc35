import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dpnotice.analyst.media import Print, beta_binomial_nonreach, nbd_nonreach
from dpnotice.analyst.rates import Sampling, beta
from made.notices import STATE, by_state, mean, over, paper, radio, reach, refusal

shares = st.floats(0.01, 0.99)


# --- print ---------------------------------------------------------------------------------
def test_thirty_and_forty_five_percent_leave_fifty_five_after_two_insertions() -> None:
    assert reach(paper()) == pytest.approx(0.45, abs=1e-12)


@given(shares, st.floats(0.001, 0.999), st.integers(1, 60))
def test_print_is_the_beta_binomial_of_scipy(one: float, rho: float, insertions: int) -> None:
    total = 1 / rho - 1
    oracle = stats.betabinom.pmf(0, insertions, total * one, total * (1 - one))
    got = beta_binomial_nonreach(np.array(one), np.array(rho), insertions)
    assert float(got) == pytest.approx(oracle, rel=1e-9)


@given(shares, shares, st.integers(1, 60))
def test_print_finds_the_correlation_that_two_audiences_imply(
    one: float, place: float, insertions: int
) -> None:
    two = one + place * one * (1 - one)
    alpha = one * (two - one) / (2 * one - one**2 - two)
    oracle = stats.betabinom.pmf(0, insertions, alpha, alpha * (1 - one) / one)
    got = reach(paper(reach_1=one, reach_2=two, insertions=insertions))
    assert got == pytest.approx(1 - oracle, rel=1e-7)


@given(shares, st.integers(1, 60))
def test_without_correlation_print_is_binomial(one: float, insertions: int) -> None:
    got = reach(paper(reach_1=one, reach_2=2 * one - one**2, insertions=insertions))
    assert got == pytest.approx(1 - (1 - one) ** insertions, abs=1e-9)


@given(shares, st.integers(2, 60))
def test_the_same_readers_every_time_stay_at_the_first_audience(
    one: float, insertions: int
) -> None:
    got = reach(paper(reach_1=one, reach_2=one, insertions=insertions))
    assert got == pytest.approx(one, abs=1e-12)


@given(shares, shares, st.integers(1, 50))
def test_another_insertion_never_lowers_reach(one: float, place: float, insertions: int) -> None:
    two = one + place * one * (1 - one)
    few, many = (
        reach(paper(reach_1=one, reach_2=two, insertions=n)) for n in (insertions, insertions + 1)
    )
    assert one - 1e-12 <= few <= many + 1e-12
    assert many <= 1


@given(shares, st.integers(1, 50))
def test_insertions_are_seen_in_proportion_to_the_audience(one: float, insertions: int) -> None:
    two = one + one * (1 - one) / 2
    vehicle = paper(reach_1=one, reach_2=two, insertions=insertions)
    assert mean(vehicle) == pytest.approx(insertions * one)


def test_one_insertion_needs_no_second_audience() -> None:
    assert reach(Print("Weekly", reach_1=0.3)) == pytest.approx(0.3)


@pytest.mark.parametrize("one", [0.0, 1.0])
def test_an_audience_of_nobody_or_everybody_stays_so(one: float) -> None:
    assert reach(paper(reach_1=one, reach_2=one, insertions=9)) == pytest.approx(one)


def test_audiences_may_vary_by_segment() -> None:
    vehicle = paper(reach_1=by_state(0.3, 0.1, 0), reach_2=by_state(0.45, 0.19, 0), insertions=2)
    assert over(vehicle, STATE).tolist() == pytest.approx([0.45, 0.19, 0])


def test_an_uncertain_audience_varies_reach() -> None:
    sampling = Sampling(axes=(), draws=500, seed=0)
    vehicle = paper(reach_1=beta(mean=0.3, sd=0.02))
    unseen = vehicle.exposure(sampling).nonreach
    assert len(np.unique(unseen)) == 500
    assert 1 - unseen.mean() == pytest.approx(0.45, abs=0.01)


def test_independent_draws_of_both_audiences_never_leave_the_possible_range() -> None:
    sampling = Sampling(axes=(), draws=2_000, seed=0)
    vehicle = paper(reach_1=beta(mean=0.3, sd=0.1), reach_2=beta(mean=0.45, sd=0.1), insertions=20)
    one = sampling.sample(vehicle.reach_1, "Weekly/reach_1")
    got = 1 - vehicle.exposure(sampling).nonreach
    assert ((got >= one - 1e-12) & (got <= 1 - (1 - one) ** 20 + 1e-12)).all()


def test_thirteen_is_asked_whether_it_is_a_percentage() -> None:
    words = "reach_1 must be a fraction in [0, 1], got 13; percentages?"
    assert refusal(lambda: paper(reach_1=13)) == f"PERCENTAGES: Weekly: {words}"


@pytest.mark.parametrize("two", [0.29, 0.52])
def test_a_second_audience_outside_its_range_is_refused_with_the_range(two: float) -> None:
    message = refusal(lambda: paper(reach_2=two))
    assert "from 0.300 to 0.510" in message
    assert f"got {two:.3f}" in message
    assert "one universe" in message


@pytest.mark.parametrize(("two", "expected"), [(0.296, 0.3), (0.514, 0.51)])
def test_a_second_audience_outside_by_printed_rounding_is_moved_with_a_warning(
    two: float, expected: float
) -> None:
    with pytest.warns(UserWarning, match="Weekly: reach_2 is outside its range by rounding"):
        vehicle = paper(reach_2=two)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert reach(vehicle) == pytest.approx(expected)


def test_a_segment_whose_second_audience_is_impossible_is_refused() -> None:
    vehicle = paper(reach_1=by_state(0.3, 0.3, 0.3), reach_2=by_state(0.45, 0.7, 0.45))
    assert "got 0.700" in refusal(lambda: over(vehicle, STATE))


def test_several_insertions_need_the_second_audience() -> None:
    assert "3 insertions need reach_2" in refusal(lambda: paper(reach_2=None, insertions=3))


def test_a_national_second_audience_is_not_reused_within_segments() -> None:
    assert "must vary by the same axes" in refusal(
        lambda: paper(reach_1=by_state(0.3, 0.2, 0.1), reach_2=0.45)
    )


@pytest.mark.parametrize("bad", [0, -1, 2.5, "2", None])
def test_insertions_are_a_whole_number_from_one(bad: object) -> None:
    assert "insertions must be 1 or more" in refusal(lambda: paper(insertions=bad))


# --- broadcast -----------------------------------------------------------------------------
@given(st.floats(0, 3_000), st.floats(0.05, 1), st.floats(0.05, 20))
def test_broadcast_is_the_negative_binomial_of_scipy_within_its_cap(
    grps: float, cap: float, r: float
) -> None:
    m = grps / 100 / cap
    oracle = 1 - cap + cap * stats.nbinom.pmf(0, r, r / (r + m))
    got = reach(radio(grps=grps, reach_cap=cap, dispersion=r))
    assert 1 - got == pytest.approx(oracle, rel=1e-9)


@given(st.floats(0, 3_000), st.floats(0, 3_000), st.floats(0.05, 1), st.floats(0.05, 20))
def test_more_points_never_lower_reach(one: float, other: float, cap: float, r: float) -> None:
    few, many = (reach(radio(grps=g, reach_cap=cap, dispersion=r)) for g in sorted((one, other)))
    assert 0 <= few <= many + 1e-12
    assert many <= cap + 1e-12


def test_no_points_reach_nobody() -> None:
    assert reach(radio(grps=0)) == pytest.approx(0)


def test_endless_points_reach_the_cap() -> None:
    assert reach(radio(grps=1e12, reach_cap=0.8, dispersion=1)) == pytest.approx(0.8, abs=1e-6)


def test_a_hundred_points_are_one_exposure_per_person() -> None:
    assert mean(radio(grps=150)) == pytest.approx(1.5)


def test_a_medium_that_reaches_nobody_exposes_nobody() -> None:
    vehicle = radio(reach_cap=0)
    assert (reach(vehicle), mean(vehicle)) == (0, 0)


@given(st.floats(0.001, 50), st.floats(0.01, 1), st.floats(0.01, 20))
def test_nonreach_of_the_negative_binomial_is_a_fraction(m: float, cap: float, r: float) -> None:
    got = float(nbd_nonreach(np.array(m), np.array(cap), np.array(r)))
    assert 1 - cap - 1e-12 <= got <= 1


@pytest.mark.parametrize("field", ["grps", "dispersion"])
@pytest.mark.parametrize("bad", [-1, None, "150", float("nan")])
def test_a_broadcast_figure_below_zero_or_of_no_number_is_refused(field: str, bad: object) -> None:
    assert f"radio: {field} must be" in refusal(lambda: radio(**{field: bad}))


def test_a_reach_cap_in_percent_is_asked_about() -> None:
    assert (
        refusal(lambda: radio(reach_cap=90))
        == "PERCENTAGES: radio: reach_cap must be a fraction in [0, 1], got 90; percentages?"
    )
