import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpnotice.analyst.media.digital import Digital
from dpnotice.analyst.media.exposure_laws import nbd_nonreach
from dpnotice.analyst.rates import beta, lognormal
from dpnotice.analyst.sampling import Sampling
from dpnotice.segments import Axis
from made.notices import AGE, STATE, by_state, display, mean, over, reach, refusal

shares = st.floats(0.01, 0.99)


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
    assert "at most 8,250,000 impressions" in message  # 99% of 5 x 0.9 x 1e6 / (0.9 x 0.6)
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
    words = f"{field} must be a fraction in [0, 1], got 60; percentages?"
    assert refusal(lambda: display(**{field: 60})) == f"PERCENTAGES: display: {words}"


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


# --- delivery by segment -------------------------------------------------------------------
PERSONS = by_state(600e3, 400e3, 0)


@pytest.mark.parametrize("cap", [None, 4])
def test_a_segments_share_of_impressions_is_spread_over_its_persons(cap: int | None) -> None:
    vehicle = display(universe=PERSONS, target=by_state(0.3, 0.7, 0), frequency_cap=cap)
    alone = [
        reach(display(impressions=1e6 * share, universe=persons, frequency_cap=cap))
        for share, persons in ((0.3, 600e3), (0.7, 400e3), (1, 1e6))
    ]
    assert over(vehicle, STATE).tolist() == pytest.approx(alone, abs=1e-9)


@pytest.mark.parametrize("cap", [None, 4])
def test_counts_of_a_segment_are_those_of_its_impressions_alone(cap: int | None) -> None:
    sampling = Sampling(axes=(STATE,), draws=1, seed=0)
    vehicle = display(universe=PERSONS, target=by_state(0.3, 0.7, 0), frequency_cap=cap)
    got = vehicle.exposure(sampling)
    alone = display(impressions=0.7e6, universe=400e3, frequency_cap=cap).exposure(sampling)
    assert (got.counts(3)[1:] @ got.basis)[:, 0, 1] == pytest.approx(
        (alone.counts(3)[1:] @ alone.basis)[:, 0, 1]
    )


def test_a_segment_that_overfills_its_cap_is_refused_with_the_largest_for_all() -> None:
    fields = {"universe": PERSONS, "target": by_state(0.3, 0.7, 0), "frequency_cap": 2}
    message = refusal(lambda: over(display(impressions=3e6, **fields), STATE))
    # New York: 99% of 2 x 0.9 x 400,000 / (0.9 x 0.6 x 0.7)
    assert "at most 1,885,714 impressions" in message
    assert over(display(impressions=1_885_714, **fields), STATE)[1] <= 0.9


MARKET = Axis(name="market", levels=tuple(f"market {i}" for i in range(99)))
MARKETS = Sampling(axes=(MARKET,), draws=20, seed=0)


def by_market(values: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({"market": MARKET.levels, "value": values})


def over_markets(load: float, last: float) -> Digital:
    """Three impressions a device at most; the fullest market but the last takes `load` of them."""
    served = np.append(3 * 0.9 * load * np.geomspace(0.1, 1, 99), 3 * 0.9 * last)
    return display(
        impressions=1e4 * served.sum(),
        universe=by_market(np.full(100, 1e4)),
        target=by_market(served / served.sum()),
        viewable=beta(mean=0.7, sd=0.02),
        invalid=0.0,
        on_target=1.0,
        frequency_cap=3,
    )


@pytest.mark.parametrize(("load", "error"), [(0.6, 1e-6), (0.9, 2e-6)])
def test_capped_reach_of_many_segments_follows_from_a_few_levels(load: float, error: float) -> None:
    vehicle = over_markets(load, 0.3)
    exposure = vehicle.exposure(MARKETS)
    assert len(exposure.basis) < 30
    for market in (0, 40, 98, 99):
        part = float(vehicle.target["value"].iloc[market])
        alone = display(
            impressions=vehicle.impressions * part,
            universe=1e4,
            **{n: getattr(vehicle, n) for n in ("viewable", "invalid", "on_target")},
            frequency_cap=3,
        )
        direct = alone.exposure(MARKETS).reach()[:, 0]
        assert exposure.reach()[:, market] == pytest.approx(direct, abs=error)


def test_a_single_overfull_segment_among_many_is_refused() -> None:
    assert over_markets(0.6, 0.99).exposure(MARKETS).reach().max() <= 0.9
    assert "cap of 3" in refusal(lambda: over_markets(0.6, 1.001).exposure(MARKETS))


@pytest.mark.parametrize(("cap", "warned"), [(1, True), (3, True), (4, False), (None, False)])
def test_a_low_frequency_cap_says_that_reach_rests_on_single_glances(
    cap: int | None,
    warned: bool,  # noqa: FBT001 -- a case
) -> None:
    said = display(frequency_cap=cap).caveat
    assert ("single glances" in said) is warned
