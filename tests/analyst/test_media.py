import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from dpnotice.analyst.media import (
    Broadcast,
    Digital,
    Print,
    Vehicle,
    beta_binomial_nonreach,
    nbd_nonreach,
)
from dpnotice.analyst.rates import Sampling, beta, lognormal
from dpnotice.errors import PlanError
from dpnotice.inquiry import Axis

STATE = Axis(name="state", levels=("CA", "NY"))
AGE = Axis(name="age", levels=("young", "old"))
ALL = Sampling(axes=(), draws=1, seed=0)
shares = st.floats(0.01, 0.99)


def paper(**changes: Any) -> Print:
    return Print("Weekly", **{"reach_1": 0.3, "reach_2": 0.45, "insertions": 2, **changes})


def radio(**changes: Any) -> Broadcast:
    return Broadcast("radio", **{"grps": 150, "reach_cap": 0.9, "dispersion": 0.8, **changes})


def display(**changes: Any) -> Digital:
    fields: dict[str, Any] = {
        "impressions": 1_000_000,
        "universe": 1_000_000,
        "viewable": 0.7,
        "invalid": 0.1,
        "on_target": 0.6,
        "devices_per_person": 1.0,
        "reach_cap": 0.9,
        "dispersion": 1.0,
    }
    return Digital("display", **{**fields, **changes})


def reach(vehicle: Vehicle, sampling: Sampling = ALL) -> float:
    return 1 - float(vehicle.exposure(sampling).nonreach.ravel()[0])


def mean(vehicle: Vehicle) -> float:
    return float(vehicle.exposure(ALL).mean.ravel()[0])


def over(vehicle: Vehicle, *axes: Axis) -> np.ndarray[Any, Any]:
    """Reach by cell in one draw."""
    sampling = Sampling(axes=axes, draws=1, seed=0)
    return np.broadcast_to(1 - vehicle.exposure(sampling).nonreach, (1, *sampling.shape))[0]


def by_state(*values: float) -> pd.DataFrame:
    return pd.DataFrame({"state": STATE.levels, "value": values})


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(PlanError) as refused:
        call()
    return str(refused.value)


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
    message = refusal(lambda: paper(reach_1=13))
    assert message == "Weekly: reach_1 must be a fraction in [0, 1], got 13; percentages?"


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
        == "radio: reach_cap must be a fraction in [0, 1], got 90; percentages?"
    )


# --- digital -------------------------------------------------------------------------------
def test_display_counts_valid_viewable_impressions_on_target_per_person() -> None:
    vehicle = display()
    assert mean(vehicle) == pytest.approx(0.9 * 0.6 * 0.7)
    expected = nbd_nonreach(np.array(0.9 * 0.6 * 0.7), np.array(0.9), np.array(1.0))
    assert 1 - reach(vehicle) == pytest.approx(float(expected))


@given(shares, shares)
def test_viewability_in_two_stages_is_their_product(one: float, other: float) -> None:
    staged = display(impressions=2e6, viewable=one, on_target=other)
    joint = display(impressions=2e6, viewable=one * other, on_target=1.0)
    assert reach(staged) == pytest.approx(reach(joint))
    assert mean(staged) == pytest.approx(mean(joint))


@given(st.floats(0.1, 5), shares, st.floats(0.5, 4))
def test_no_frequency_cap_is_a_very_large_one(load: float, viewable: float, r: float) -> None:
    free, capped = (
        display(impressions=load * 1e6, viewable=viewable, dispersion=r, frequency_cap=cap)
        for cap in (None, 10_000)
    )
    assert reach(free) == pytest.approx(reach(capped), abs=5e-4)
    assert mean(free) == pytest.approx(mean(capped))


@given(st.floats(0.01, 0.99))
def test_with_one_impression_per_device_what_is_served_is_reach(part: float) -> None:
    vehicle = display(
        impressions=part * 900_000, viewable=1.0, invalid=0.0, on_target=1.0, frequency_cap=1
    )
    assert reach(vehicle) == pytest.approx(part * 0.9, abs=1e-7)


@given(st.floats(0, 0.97), st.floats(0, 0.97), st.sampled_from([None, 1, 3]), st.floats(1, 3))
def test_more_impressions_never_lower_reach(
    one: float, other: float, cap: int | None, devices: float
) -> None:
    clean = {"invalid": 0.0, "on_target": 1.0, "devices_per_person": devices}
    few, many = (
        reach(display(impressions=part * 0.9e6 * (cap or 1), frequency_cap=cap, **clean))
        for part in sorted((one, other))
    )
    assert -1e-9 <= few <= many + 1e-9
    assert many <= 0.9 + 1e-9


def test_a_cap_counts_what_is_served_and_not_what_is_viewed() -> None:
    half_viewable = display(
        impressions=450_000, viewable=0.5, invalid=0, on_target=1, frequency_cap=1
    )
    assert reach(half_viewable) == pytest.approx(0.225, abs=1e-7)


def test_more_devices_leave_more_room_under_the_cap() -> None:
    fields = {"impressions": 1.7e6, "invalid": 0.0, "on_target": 1.0, "frequency_cap": 1}
    assert "cap of 1" in refusal(lambda: reach(display(**fields)))
    assert 0 < reach(display(**fields, devices_per_person=2.0)) < 0.9


def test_an_overfull_schedule_is_refused_with_the_largest_that_can_be_delivered() -> None:
    message = refusal(lambda: reach(display(impressions=40e6, frequency_cap=5)))
    assert "at most 8,333,333 impressions" in message  # 5 x 0.9 x 1e6 / (0.9 x 0.6)
    assert "buy fewer or raise the cap" in message


def test_the_largest_number_that_a_refusal_names_can_be_bought() -> None:
    message = refusal(lambda: reach(display(impressions=40e6, frequency_cap=5)))
    named = re.search(r"at most ([\d,]+) impressions", message)
    assert named is not None
    largest = int(named[1].replace(",", ""))
    assert reach(display(impressions=largest, frequency_cap=5)) <= 0.9


def test_impressions_that_are_overfull_in_some_draws_only_are_refused() -> None:
    vehicle = display(impressions=lognormal(mean=5e6, sd=3e6), frequency_cap=5)
    sampling = Sampling(axes=(), draws=1_000, seed=0)
    assert "in every draw" in refusal(lambda: vehicle.exposure(sampling))


def test_a_universe_by_segment_is_summed_over_the_target() -> None:
    universe = by_state(600_000, 400_000, 1_000_000)
    vehicle = display(universe=universe, target={"state": ["CA", "NY"]})
    assert over(vehicle, STATE).tolist() == pytest.approx([reach(display())] * 2 + [0])


def test_a_universe_by_one_axis_is_not_multiplied_by_the_others() -> None:
    vehicle = display(universe=by_state(500_000, 400_000, 100_000))
    assert over(vehicle, STATE, AGE).ravel().tolist() == pytest.approx([reach(display())] * 9)


@given(st.floats(0.001, 1_000))
def test_scaling_impressions_and_universe_alike_changes_nothing(factor: float) -> None:
    scaled = display(impressions=1e6 * factor, universe=1e6 * factor)
    assert reach(scaled) == pytest.approx(reach(display()))


def test_a_medium_without_anybody_online_exposes_nobody() -> None:
    vehicle = display(reach_cap=0)
    assert (reach(vehicle), mean(vehicle)) == (0, 0)


@pytest.mark.parametrize("field", ["viewable", "invalid", "on_target", "reach_cap"])
def test_a_digital_share_in_percent_is_asked_about(field: str) -> None:
    message = refusal(lambda: display(**{field: 60}))
    assert message == f"display: {field} must be a fraction in [0, 1], got 60; percentages?"


@pytest.mark.parametrize("field", ["impressions", "universe", "devices_per_person", "dispersion"])
@pytest.mark.parametrize("bad", [-1, None, "9", float("nan")])
def test_a_digital_figure_below_zero_or_of_no_number_is_refused(field: str, bad: object) -> None:
    assert f"display: {field} must be" in refusal(lambda: display(**{field: bad}))


def test_fewer_than_one_device_per_person_is_refused() -> None:
    assert "devices_per_person must be 1 or more" in refusal(
        lambda: display(devices_per_person=0.5, frequency_cap=3)
    )


@pytest.mark.parametrize("bad", [0, -1, 2.5, "3"])
def test_a_frequency_cap_is_a_whole_number_from_one(bad: object) -> None:
    assert "frequency_cap must be 1 or more, or None" in refusal(lambda: display(frequency_cap=bad))


def test_only_the_universe_of_a_digital_may_be_a_frame() -> None:
    assert "only the universe" in refusal(lambda: display(viewable=by_state(0.7, 0.6, 0.5)))


def test_a_target_by_an_axis_that_the_universe_lacks_is_refused() -> None:
    assert "lacks an axis of target" in refusal(
        lambda: display(universe=by_state(1, 1, 1), target={"age": ["young"]})
    )


def test_an_empty_audience_is_refused() -> None:
    vehicle = display(universe=by_state(0, 5, 5), target={"state": "CA"})
    assert "the target audience has no persons" in refusal(lambda: over(vehicle, STATE))


@pytest.mark.parametrize(
    "missing", ["viewable", "invalid", "on_target", "devices_per_person", "reach_cap", "dispersion"]
)
def test_nothing_of_a_digital_audience_has_a_default(missing: str) -> None:
    fields = {
        name: getattr(display(), name) for name in Digital.__slots__ if name not in {"name", "_"}
    }
    del fields[missing]
    with pytest.raises(TypeError, match=missing):
        Digital("display", **fields)


# --- what all vehicles share ---------------------------------------------------------------
VEHICLES = [paper, radio, display]


@pytest.mark.parametrize("make", VEHICLES)
def test_nobody_outside_the_target_is_reached(make: Callable[..., Vehicle]) -> None:
    got = over(make(target={"state": ["NY"]}), STATE)
    assert got[0] == got[2] == 0
    assert got[1] == pytest.approx(reach(make()))


@pytest.mark.parametrize("make", VEHICLES)
def test_nobody_outside_the_target_is_exposed(make: Callable[..., Vehicle]) -> None:
    sampling = Sampling(axes=(STATE,), draws=1, seed=0)
    got = np.broadcast_to(make(target={"state": "NY"}).exposure(sampling).mean, (1, 3))[0]
    assert got[0] == got[2] == 0
    assert got[1] == pytest.approx(mean(make()))


@pytest.mark.parametrize("make", VEHICLES)
def test_its_axes_are_those_of_its_target(make: Callable[..., Vehicle]) -> None:
    assert make(target={"state": "NY"}).axes == ("state",)


@pytest.mark.parametrize("make", VEHICLES)
@pytest.mark.parametrize("bad", [["NY"], "NY", {"state": None}, {"state": 5}])
def test_a_target_of_another_form_is_refused(make: Callable[..., Vehicle], bad: object) -> None:
    assert "target must be like" in refusal(lambda: make(target=bad))


@pytest.mark.parametrize("make", [paper, radio])
@pytest.mark.parametrize("bad", [-1, "100", True, float("inf"), float("nan")])
def test_a_cost_is_a_number_of_dollars(make: Callable[..., Vehicle], bad: object) -> None:
    assert "cost_usd must be 0 or more dollars" in refusal(lambda: make(cost_usd=bad))


@pytest.mark.parametrize("bad", [-1, "4", True, float("inf")])
def test_a_price_per_thousand_is_a_number_of_dollars(bad: object) -> None:
    assert "cpm_usd must be 0 or more dollars" in refusal(lambda: display(cpm_usd=bad))


@pytest.mark.parametrize("make", VEHICLES)
@pytest.mark.parametrize("bad", [-5, "many", float("nan")])
def test_a_universe_is_a_number_of_persons(make: Callable[..., Vehicle], bad: object) -> None:
    assert "universe must be" in refusal(lambda: make(universe=bad))


@pytest.mark.parametrize("kind", [Print, Broadcast, Digital])
def test_a_vehicle_is_named_by_a_line_of_text(kind: Callable[..., Vehicle]) -> None:
    fields = {Print: paper, Broadcast: radio, Digital: display}[kind]()
    given_fields = {n: getattr(fields, n) for n in type(fields).__slots__ if n not in {"name", "_"}}
    assert "name must be a line of text" in refusal(lambda: kind(None, **given_fields))


@pytest.mark.parametrize("make", VEHICLES)
def test_a_missing_price_makes_the_cost_not_given(make: Callable[..., Vehicle]) -> None:
    assert make().total_cost_usd is None


def test_print_costs_its_insertions() -> None:
    assert paper(insertions=3, cost_usd=182_600).total_cost_usd == 547_800


def test_broadcast_costs_its_schedule() -> None:
    assert radio(cost_usd=50_000).total_cost_usd == 50_000


def test_display_costs_its_impressions_by_the_thousand() -> None:
    assert display(impressions=40e6, cpm_usd=4.0).total_cost_usd == pytest.approx(160_000)


def test_uncertain_impressions_cost_their_mean() -> None:
    vehicle = display(impressions=lognormal(mean=40e6, sd=1e6), cpm_usd=4.0)
    assert vehicle.total_cost_usd == pytest.approx(160_000)


def test_a_polars_frame_is_read_like_a_pandas_one() -> None:
    rates = by_state(0.3, 0.2, 0.1)
    got = over(Print("Weekly", reach_1=pl.from_pandas(rates)), STATE)
    assert got.tolist() == pytest.approx([0.3, 0.2, 0.1])


@given(st.lists(shares, min_size=3, max_size=3))
def test_a_segments_reach_does_not_depend_on_other_segments(values: list[float]) -> None:
    assume(values[0] != values[1])
    vehicle = Print("Weekly", reach_1=by_state(*values))
    assert over(vehicle, STATE).tolist() == pytest.approx(values)
