import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dpnotice.analyst.media.exposure_laws import beta_binomial_nonreach
from dpnotice.analyst.media.publication import Print
from dpnotice.analyst.rates import Uniform, beta
from dpnotice.analyst.sampling import Sampling
from dpnotice.segments import Axis
from made.notices import AGE, ALL, STATE, by_state, mean, over, paper, radio, reach, refusal

shares = st.floats(0.01, 0.99)
three = st.lists(shares, min_size=3, max_size=3)
PERSONS = by_state(600e3, 300e3, 100e3)
WEIGHTS = np.array([0.6, 0.3, 0.1])


# --- print ---------------------------------------------------------------------------------
def test_thirty_and_forty_five_percent_leave_fifty_five_after_two_insertions() -> None:
    assert reach(paper()) == pytest.approx(0.45, abs=1e-12)


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
    one = sampling.sample(vehicle.reach_1, "vehicle/Weekly/reach_1").reshape(-1, 1)
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


def test_counts_of_two_insertions_are_none_one_and_both() -> None:
    got = paper().exposure(Sampling(axes=(), draws=1, seed=0)).counts(2)
    assert got.ravel().tolist() == pytest.approx([0.55, 0.3, 0.15])


@pytest.mark.parametrize("bad", [0, -1, 2.5, "2", None])
def test_insertions_are_a_whole_number_from_one(bad: object) -> None:
    assert "insertions must be 1 or more" in refusal(lambda: paper(insertions=bad))


# --- print by segment, with the second audience of all of them ------------------------------
def of_all(one: list[float], rho: float, weights: np.ndarray = WEIGHTS) -> float:
    """R2 of a population of segments, each with correlation rho, counted exactly."""
    r1 = np.array(one)
    return float(weights @ (2 * r1 - r1**2 - rho * r1 * (1 - r1)))


def after(one: list[float], rho: float, insertions: int) -> list[float]:
    """The reach in every segment, by scipy."""
    total = 1 / rho - 1
    law = stats.betabinom(insertions, total * np.array(one), total * (1 - np.array(one)))
    return (1 - law.pmf(0)).tolist()


@given(three, st.floats(0.01, 0.99), st.integers(2, 30))
def test_the_second_audience_of_all_segments_tells_the_correlation_within_them(
    one: list[float], rho: float, insertions: int
) -> None:
    vehicle = paper(
        reach_1=by_state(*one), reach_2=of_all(one, rho), insertions=insertions, universe=PERSONS
    )
    assert over(vehicle, STATE).tolist() == pytest.approx(after(one, rho, insertions), abs=1e-6)


@given(shares, st.floats(0.01, 0.99))
def test_segments_that_are_alike_have_the_correlation_of_all(one: float, place: float) -> None:
    two = one + place * one * (1 - one)
    alike = paper(reach_1=by_state(one, one, one), reach_2=two, insertions=9, universe=PERSONS)
    whole = reach(paper(reach_1=one, reach_2=two, insertions=9))
    assert over(alike, STATE).tolist() == pytest.approx([whole] * 3)


def test_two_simulated_insertions_in_a_mixed_population_are_given_back() -> None:
    rng = np.random.default_rng(5)
    one, sizes = [0.5, 0.2, 0.1], (600_000, 300_000, 100_000)
    chance = np.concatenate(
        [rng.beta(4 * p, 4 * (1 - p), n) for p, n in zip(one, sizes, strict=True)]  # rho 0.2
    )
    seen = rng.random((13, len(chance))) < chance
    where = np.repeat([0, 1, 2], sizes)
    measured = [float(seen[0, where == s].mean()) for s in range(3)]
    two = float((seen[0] | seen[1]).mean())
    vehicle = paper(reach_1=by_state(*measured), reach_2=two, insertions=13, universe=PERSONS)
    reached = [float(seen[:, where == s].any(axis=0).mean()) for s in range(3)]
    # R2's standard error moves rho by 0.003 and reach by 0.002; 5 of it: false alarm below 1e-6.
    assert over(vehicle, STATE).tolist() == pytest.approx(reached, abs=0.01)
    m = float(WEIGHTS @ measured)
    pooled = np.array((2 * m - m**2 - two) / (m * (1 - m)))  # within segments it counts twice
    reused = 1 - beta_binomial_nonreach(np.array(measured), pooled, 13)
    assert WEIGHTS @ reused < WEIGHTS @ reached - 0.02


def test_persons_by_more_axes_than_the_audience_are_summed() -> None:
    one, rho = [0.5, 0.2, 0.1], 0.3
    finer = pd.MultiIndex.from_product([STATE.levels, AGE.levels], names=["state", "age"])
    persons = finer.to_frame(index=False).assign(
        persons=np.outer(WEIGHTS, [0.2, 0.5, 0.3]).ravel() * 1e6
    )
    vehicle = paper(
        reach_1=by_state(*one), reach_2=of_all(one, rho), insertions=5, universe=persons
    )
    assert over(vehicle, STATE, AGE)[:, 0].tolist() == pytest.approx(after(one, rho, 5))


def test_the_second_audience_is_of_those_inside_the_target() -> None:
    one, rho = [0.5, 0.2, 0.1], 0.3
    inside = np.array([2 / 3, 1 / 3, 0])
    vehicle = paper(
        reach_1=by_state(*one),
        reach_2=of_all(one, rho, inside),
        insertions=5,
        universe=PERSONS,
        target={"state": ["CA", "NY"]},
    )
    assert over(vehicle, STATE).tolist() == pytest.approx([*after(one, rho, 5)[:2], 0])


def test_an_audience_without_persons_is_refused() -> None:
    vehicle = paper(
        reach_1=by_state(0.3, 0.2, 0.1), universe=by_state(0, 5, 5), target={"state": "CA"}
    )
    assert "the target audience has no persons" in refusal(lambda: over(vehicle, STATE))


def test_segments_that_differ_more_than_the_second_audience_allows_are_reported() -> None:
    one = [0.9, 0.1, 0.1]
    whole = float(WEIGHTS @ one)
    vehicle = paper(
        reach_1=by_state(*one), reach_2=2 * whole - whole**2, insertions=2, universe=PERSONS
    )
    with pytest.warns(UserWarning, match="reach_1 by segment and reach_2 disagree"):
        got = over(vehicle, STATE)
    assert got.tolist() == pytest.approx([0.99, 0.19, 0.19])


@pytest.mark.parametrize("two", [0.2, 0.9])
def test_a_second_audience_that_all_segments_cannot_have_is_refused(two: float) -> None:
    vehicle = paper(reach_1=by_state(0.5, 0.2, 0.1), reach_2=two, universe=PERSONS)
    assert "reach_2 must lie between" in refusal(lambda: over(vehicle, STATE))


def test_a_second_audience_by_other_axes_is_refused() -> None:
    by_age = pd.DataFrame({"age": AGE.levels, "value": [0.4, 0.4, 0.4]})
    assert "reach_2 varies by other axes than reach_1" in refusal(
        lambda: paper(reach_1=by_state(0.3, 0.2, 0.1), reach_2=by_age)
    )


# --- print delivered by segment -------------------------------------------------------------
def test_delivery_by_segment_keeps_the_second_audience_of_all() -> None:
    one, rho = [0.25, 0.4, 0.3], 0.3  # 0.3 in all, 0.5, 0.4 and 0.1 of the copies
    vehicle = paper(
        reach_2=of_all(one, rho), insertions=7, universe=PERSONS, target=by_state(0.5, 0.4, 0.1)
    )
    assert over(vehicle, STATE).tolist() == pytest.approx(after(one, rho, 7))


def test_copies_that_reach_nobody_do_not_change_how_persons_repeat() -> None:
    one, rho = [0.25, 0.4, 0.3], 0.3
    spilled = by_state(0.25, 0.2, 0.05)
    vehicle = paper(reach_2=of_all(one, rho), insertions=7, universe=PERSONS, target=spilled)
    half = [p / 2 for p in one]
    assert over(vehicle, STATE).tolist() == pytest.approx(after(half, rho, 7))


def test_more_readers_than_a_segment_has_persons_are_refused() -> None:
    vehicle = paper(universe=PERSONS, reach_1=0.5, reach_2=0.6, target=by_state(0.1, 0.2, 0.7))
    message = refusal(lambda: over(vehicle, STATE))
    assert "one insertion reach 3.500 of a segment's persons" in message


def test_a_single_overfull_segment_among_many_is_refused() -> None:
    axis = Axis(name="market", levels=tuple(f"market {i}" for i in range(99)))
    share = np.append(np.linspace(0.5, 1.5, 99), 2.2)
    frame = pd.DataFrame({"market": axis.levels, "value": share / share.sum()})
    persons = frame.assign(value=1e4)
    sampling = Sampling(axes=(axis,), draws=50, seed=0)
    vehicle = Print("Weekly", reach_1=Uniform(low=0.4, high=0.48), universe=persons, target=frame)
    assert "of a segment's persons" in refusal(lambda: vehicle.exposure(sampling))


def test_everybody_of_a_segment_may_be_reached() -> None:
    # 0.029 x 1000 / 29 is above 1 by the last bit.
    vehicle = Print(
        "Weekly", reach_1=0.029, universe=by_state(29, 971, 0), target=by_state(1.0, 0, 0)
    )
    got = vehicle.exposure(Sampling(axes=(STATE,), draws=1, seed=0))
    once, twice = (got.counts(2)[1:] @ got.basis)[:, 0].tolist()
    assert once == pytest.approx([1, 0, 0.029])
    assert twice == [0, 0, 0]


# --- print by circulation -------------------------------------------------------------------
def daily(**changes: Any) -> Print:
    fields = {"circulation": 200e3, "readers_per_copy": 2.5, "universe": 2e6}
    return Print.of_circulation("Daily", **{**fields, **changes})


def test_copies_times_readers_over_persons_are_the_audience() -> None:
    assert daily().reach_1 == 0.25
    assert reach(daily()) == pytest.approx(0.25)
    assert daily().universe == 2e6


def test_the_second_audience_is_twice_the_first_less_who_reads_both() -> None:
    assert daily(duplication=0.15, insertions=2).reach_2 == pytest.approx(0.35)
    assert reach(daily(duplication=0.15, insertions=2)) == pytest.approx(0.35)


def test_uncertain_readers_per_copy_make_an_uncertain_audience() -> None:
    vehicle = daily(readers_per_copy=Uniform(low=2, high=3))
    got = vehicle.exposure(Sampling(axes=(), draws=2_000, seed=0)).reach()
    assert 0.2 <= got.min() < 0.205
    assert 0.295 < got.max() <= 0.3
    assert got.mean() == pytest.approx(0.25, abs=0.003)  # 4.6 s.e.: false alarm below 1e-5


def test_an_uncertain_audience_keeps_the_second_audience_of_its_mean() -> None:
    vehicle = daily(readers_per_copy=Uniform(low=2, high=3), duplication=0.15, insertions=2)
    assert vehicle.reach_2 == pytest.approx(0.35)


def test_further_attributes_are_those_of_print() -> None:
    vehicle = daily(cost_usd=5_000, duplication=0.15, insertions=3, source="audit bureau")
    assert (vehicle.total_cost_usd, vehicle.source) == (15_000, "audit bureau")


def test_more_readers_than_persons_are_refused() -> None:
    message = refusal(lambda: daily(universe=400e3))
    assert "are 500,000 persons, more than the universe's 400,000" in message


@pytest.mark.parametrize("field", ["circulation", "universe"])
@pytest.mark.parametrize("bad", [0, -1, None, "1", Uniform(low=1, high=2), PERSONS])
def test_copies_and_persons_are_each_one_number(field: str, bad: object) -> None:
    assert f"Daily: {field} must be" in refusal(lambda: daily(**{field: bad}))


@pytest.mark.parametrize("bad", [-1, None, "2", PERSONS])
def test_readers_per_copy_are_a_number_or_a_law(bad: object) -> None:
    assert "Daily: readers_per_copy must be" in refusal(lambda: daily(readers_per_copy=bad))


@pytest.mark.parametrize("bad", [-0.1, 15, Uniform(low=0.1, high=0.2)])
def test_a_duplication_is_one_fraction(bad: object) -> None:
    assert "Daily: duplication must be" in refusal(lambda: daily(duplication=bad, insertions=2))


def test_a_duplication_above_the_audience_is_refused() -> None:
    assert "reach_2 must lie between" in refusal(lambda: daily(duplication=0.4, insertions=2))


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


@pytest.mark.parametrize("field", ["grps", "dispersion"])
@pytest.mark.parametrize("bad", [-1, None, "150", float("nan")])
def test_a_broadcast_figure_below_zero_or_of_no_number_is_refused(field: str, bad: object) -> None:
    assert f"radio: {field} must be" in refusal(lambda: radio(**{field: bad}))


def test_a_reach_cap_in_percent_is_asked_about() -> None:
    assert (
        refusal(lambda: radio(reach_cap=90))
        == "PERCENTAGES: radio: reach_cap must be a fraction in [0, 1], got 90; percentages?"
    )


# --- passers-by ----------------------------------------------------------------------------
def after_passing(insertions: int, share: float) -> float:
    """R1 = 0.3, R2 = 0.45: regulars' beta-binomial times what misses every passer-by."""
    r1, r2 = 1 - 0.7 / (1 - share * 0.3), 1 - 0.55 / (1 - share * 0.3) ** 2
    alpha = r1 * (r2 - r1) / (2 * r1 - r1**2 - r2)
    regulars = stats.betabinom.pmf(0, insertions, alpha, alpha * (1 - r1) / r1)
    return float(1 - regulars * (1 - share * 0.3) ** insertions)


@pytest.mark.parametrize("share", [0.0, 0.03, 0.4, 0.7])
def test_passers_by_leave_what_one_and_two_insertions_reach(share: float) -> None:
    assert reach(paper(insertions=1, passers_by=share)) == pytest.approx(0.3, abs=1e-9)
    assert reach(paper(passers_by=share)) == pytest.approx(0.45, abs=1e-9)


@pytest.mark.parametrize("share", [0.03, 0.4, 0.7])
@pytest.mark.parametrize("insertions", [3, 13, 52])
def test_regulars_and_passers_by_are_reached_independently(share: float, insertions: int) -> None:
    got = reach(paper(insertions=insertions, passers_by=share))
    assert got == pytest.approx(after_passing(insertions, share), abs=1e-9)


@given(st.floats(0, 0.7), st.floats(0, 0.7), st.integers(1, 60))
def test_more_passers_by_never_lower_reach(one: float, other: float, insertions: int) -> None:
    few, many = (
        reach(paper(insertions=insertions, passers_by=share)) for share in sorted((one, other))
    )
    assert few <= many + 1e-9


@pytest.mark.parametrize("share", [0.0, 0.1, 0.6])
def test_passers_by_change_no_number_of_exposures(share: float) -> None:
    vehicle = paper(insertions=9, passers_by=share)
    counts = vehicle.exposure(ALL).counts(20)[:, 0, 0]
    assert mean(vehicle) == pytest.approx(9 * 0.3)
    assert np.arange(21) @ counts == pytest.approx(9 * 0.3)
    assert counts[0] == pytest.approx(1 - reach(vehicle))


def test_an_uncertain_share_of_passers_by_varies_long_schedules_only() -> None:
    sampling = Sampling(axes=(), draws=50, seed=0)
    short, long = (
        paper(insertions=n, passers_by=beta(mean=0.1, sd=0.03)).exposure(sampling).nonreach
        for n in (2, 40)
    )
    assert np.ptp(short) == pytest.approx(0, abs=1e-9)
    assert len(np.unique(long)) == 50


@pytest.mark.parametrize("bad", [-0.1, 1.2, None, "a tenth"])
def test_a_share_of_passers_by_that_is_no_fraction_is_refused(bad: object) -> None:
    assert "Weekly: passers_by must be a" in refusal(lambda: paper(passers_by=bad))


def test_passers_by_do_not_vary_by_segment() -> None:
    message = refusal(lambda: paper(passers_by=by_state(0.1, 0.2, 0.1)))
    assert "Weekly: passers_by" in message
