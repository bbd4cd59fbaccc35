import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpnotice.analyst.media.drift import DRIFT, Drift, drifted, drifted_union, exposures
from dpnotice.analyst.media.publication import Broadcast, Print
from dpnotice.analyst.media.vehicle import Exposure, Vehicle
from dpnotice.analyst.rates import beta
from dpnotice.analyst.sampling import Sampling
from made.notices import ALL, STATE, by_state, display, paper, radio, refusal

VEHICLES = [paper, radio, display, lambda: display(frequency_cap=3)]
NONE = Drift(own=0.0, common=0.0)
factors = st.floats(0.01, 100)
DRAWS = 20_000


def odds_of(exposure: Exposure) -> Any:
    """Odds of being reached, (draws, levels)."""
    return (1 - exposure.nonreach) / exposure.nonreach


def times(*factor: float) -> Any:
    return np.array(factor, dtype=float)[:, np.newaxis]


def logit_shifts(media: list[Vehicle], drift: Drift, seed: int = 0) -> Any:
    """Shifts of the logit of reach from the modelled one, (vehicles, draws)."""
    sampling = Sampling(axes=(), draws=DRAWS, seed=seed)
    before = [vehicle.exposure(sampling) for vehicle in media]
    after = exposures(media, drift, sampling)
    pairs = zip(before, after, strict=True)
    return np.array([np.log(odds_of(new) / odds_of(old))[:, 0] for old, new in pairs])


# --- one vehicle's odds --------------------------------------------------------------------
@pytest.mark.parametrize("make", VEHICLES)
@given(factors)
def test_odds_multiply(make: Callable[[], Vehicle], factor: float) -> None:
    before = make().exposure(ALL)
    after = drifted(before, times(factor))
    assert odds_of(after) == pytest.approx(factor * odds_of(before), rel=1e-9)


@pytest.mark.parametrize("make", VEHICLES)
def test_odds_multiply_draw_by_draw(make: Callable[[], Vehicle]) -> None:
    before = make().exposure(ALL)
    after = drifted(before, times(0.5, 1, 3))
    assert after.draws == 3
    assert odds_of(after) == pytest.approx(times(0.5, 1, 3) * odds_of(before), rel=1e-9)


@pytest.mark.parametrize("make", VEHICLES)
@given(factors)
def test_those_reached_are_exposed_as_often_as_before(
    make: Callable[[], Vehicle], factor: float
) -> None:
    before = make().exposure(ALL)
    after = drifted(before, times(factor))
    each = before.gross() / before.reach()
    assert after.gross() / after.reach() == pytest.approx(each, rel=1e-9)
    old, new = before.counts(8)[1:], after.counts(8)[1:]
    assert new / new.sum(axis=0) == pytest.approx(old / old.sum(axis=0), rel=1e-9)


@pytest.mark.parametrize("make", VEHICLES)
@pytest.mark.parametrize("most", [1, 2, 10])
def test_counts_sum_to_1_and_agree_with_reach(make: Callable[[], Vehicle], most: int) -> None:
    after = drifted(make().exposure(ALL), times(0.2, 1, 6))
    chances = after.counts(most)
    assert chances.shape == (most + 1, 3, 1)
    assert (chances >= 0).all()
    assert chances.sum(axis=0) == pytest.approx(np.ones((3, 1)), abs=1e-12)
    assert chances[0] == pytest.approx(after.nonreach, abs=1e-12)


@pytest.mark.parametrize("make", VEHICLES)
def test_the_mean_is_that_of_the_counts(make: Callable[[], Vehicle]) -> None:
    after = drifted(make().exposure(ALL), times(0.2, 1, 6))
    chances = after.counts(200)[:, :, 0]
    assert np.arange(201) @ chances == pytest.approx(after.gross()[:, 0], rel=1e-9)


@pytest.mark.parametrize("make", VEHICLES)
def test_odds_times_1_change_nothing(make: Callable[[], Vehicle]) -> None:
    before = make().exposure(ALL)
    after = drifted(before, times(1))
    assert after.nonreach == pytest.approx(before.nonreach, abs=1e-15)
    assert after.gross() == pytest.approx(before.gross(), rel=1e-12)
    assert after.counts(6) == pytest.approx(before.counts(6), abs=1e-12)


@given(factors, factors)
def test_drifting_twice_multiplies_the_factors(one: float, other: float) -> None:
    start = radio().exposure(ALL)
    twice = drifted(drifted(start, times(one)), times(other))
    once = drifted(start, times(one * other))
    assert twice.nonreach == pytest.approx(once.nonreach, rel=1e-9)
    assert twice.gross() == pytest.approx(once.gross(), rel=1e-9)
    assert twice.counts(5) == pytest.approx(once.counts(5), abs=1e-9)


def test_who_is_reached_never_or_always_stays_so() -> None:
    sampling = Sampling(axes=(STATE,), draws=1, seed=0)
    everybody = Print("x", reach_1=by_state(0.0, 1.0, 0.3)).exposure(sampling)
    after = drifted(everybody, times(0.1, 10))
    assert after.nonreach[:, :2].tolist() == [[1, 0], [1, 0]]
    assert after.gross()[:, :2].tolist() == [[0, 1], [0, 1]]
    assert after.counts(2)[:, 1, :2].tolist() == [[1, 0], [0, 1], [0, 0]]


def test_nobody_outside_the_target_is_reached_by_drift() -> None:
    sampling = Sampling(axes=(STATE,), draws=1, seed=0)
    after = drifted(radio(target={"state": "NY"}).exposure(sampling), times(5))
    assert after.reach()[0, [0, 2]].tolist() == [0, 0]
    assert after.gross()[0, [0, 2]].tolist() == [0, 0]


def test_every_cell_drifts_by_the_same_odds() -> None:
    sampling = Sampling(axes=(STATE,), draws=1, seed=0)
    before = Broadcast("tv", grps=by_state(50, 150, 400), reach_cap=0.9, dispersion=1.0)
    before = before.exposure(sampling)
    after = drifted(before, times(0.7, 2))
    assert odds_of(after) == pytest.approx(times(0.7, 2) * odds_of(before), rel=1e-9)
    assert after.gross() == pytest.approx(after.reach() / before.reach() * before.gross(), rel=1e-9)


def test_figures_that_are_alike_for_all_levels_drift_at_every_level() -> None:
    alike = replace(
        paper().exposure(ALL),
        basis=np.eye(2),
        mean=(0.6 * np.ones((1, 1)), np.ones((1, 2))),
    )
    after = drifted(alike, times(0.5, 2))
    assert after.nonreach.shape == (2, 2)
    assert after.gross().shape == (2, 2)


@pytest.mark.parametrize("make", VEHICLES)
def test_single_precision_drifts_alike(make: Callable[[], Vehicle]) -> None:
    after = drifted(make().exposure(ALL), times(0.5, 2))
    single = after.nonreach_of(slice(0, 2), np.float32)
    assert single.dtype == np.float32
    assert single == pytest.approx(after.nonreach.T, abs=1e-6)


# --- a plan's vehicles ---------------------------------------------------------------------
def test_without_drift_vehicles_are_as_modelled() -> None:
    sampling = Sampling(axes=(STATE,), draws=7, seed=0)
    media = [paper(reach_1=beta(mean=0.3, sd=0.02)), radio(), display()]
    for vehicle, got in zip(media, exposures(media, NONE, sampling), strict=True):
        wanted = vehicle.exposure(sampling)
        assert np.array_equal(got.nonreach, wanted.nonreach)
        assert np.array_equal(got.gross(), wanted.gross())
        assert np.array_equal(got.counts(4), wanted.counts(4))


def test_model_error_that_is_held_still_leaves_vehicles_as_modelled() -> None:
    sampling = Sampling(axes=(), draws=7, seed=0, still=frozenset({"model error"}))
    (got,) = exposures([radio()], Drift(own=0.5, common=0.5), sampling)
    assert np.array_equal(got.nonreach, radio().exposure(sampling).nonreach)


@pytest.mark.parametrize(("own", "common"), [(0.3, 0.0), (0.0, 0.2), (0.3, 0.2)])
def test_shifts_have_the_stated_spread_and_correlation(own: float, common: float) -> None:
    """20,000 draws: s.d. to 2.5%, mean to 0.035 s.d., covariance to 0.035 of the variance.

    That is about five standard errors each (s.d. / sqrt(2 n), 1 / sqrt(n)): a false alarm in one
    of 10^5 seeds.
    """
    one, other = logit_shifts([paper(), radio()], Drift(own=own, common=common))
    variance = own**2 + common**2
    for shift in (one, other):
        assert shift.std() == pytest.approx(math.sqrt(variance), rel=0.025)
        assert abs(shift.mean()) <= 0.035 * math.sqrt(variance)
    assert np.cov(one, other)[0, 1] == pytest.approx(common**2, abs=0.035 * variance)


def test_a_common_drift_is_the_same_for_all_vehicles() -> None:
    one, other = logit_shifts([paper(), radio()], Drift(own=0.0, common=0.2))
    assert one == pytest.approx(other, abs=1e-9)


def test_common_and_own_drift_add_on_the_logit_scale() -> None:
    media: list[Vehicle] = [paper(), radio()]
    own, common, both = (
        logit_shifts(media, drift)
        for drift in (
            Drift(own=0.3, common=0.0),
            Drift(own=0.0, common=0.2),
            Drift(own=0.3, common=0.2),
        )
    )
    assert both == pytest.approx(own + common, abs=1e-9)


def test_the_default_drift_is_used_as_stated() -> None:
    """0.16 of a logit by itself and 0.03 together; 2.5% as above."""
    assert (DRIFT.own, DRIFT.common, DRIFT.union) == (0.16, 0.03, 0.06)
    (shift,) = logit_shifts([radio()], DRIFT)
    assert shift.std() == pytest.approx(math.hypot(0.16, 0.03), rel=0.025)


def test_another_vehicle_or_order_moves_no_drift() -> None:
    drift = Drift(own=0.3, common=0.2)
    one, other = logit_shifts([paper(), radio()], drift)
    third, second, first = logit_shifts([display(), radio(), paper()], drift)
    assert np.array_equal(one, first)
    assert np.array_equal(other, second)
    assert not np.array_equal(second, third)


def test_another_seed_drifts_otherwise() -> None:
    drift = Drift(own=0.0, common=0.2)
    (one,), (other,) = (logit_shifts([radio()], drift, seed=seed) for seed in (0, 1))
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.05


@settings(max_examples=20)
@given(st.floats(0.05, 0.95))
def test_uncertain_audiences_drift_on_top(reach_1: float) -> None:
    sampling = Sampling(axes=(), draws=50, seed=0)
    vehicle = Print("x", reach_1=beta(mean=reach_1, sd=0.01))
    (got,) = exposures([vehicle], Drift(own=0.3, common=0.2), sampling)
    shift = np.log(odds_of(got) / odds_of(vehicle.exposure(sampling)))
    (certain,) = exposures([Print("x", reach_1=0.5)], Drift(own=0.3, common=0.2), sampling)
    assert shift == pytest.approx(np.log(odds_of(certain)), abs=1e-9)


# --- a union of vehicles -------------------------------------------------------------------
def test_the_drift_of_a_union_has_the_stated_spread_in_every_cell_alike() -> None:
    """20,000 draws, s.d. to 2.5% and mean to 0.035 s.d.: a false alarm in one of 10^5 seeds."""
    sampling, unmet = Sampling(axes=(), draws=DRAWS, seed=0), np.array([[0.2, 0.9, 1.0, 0.0]])
    got = drifted_union(unmet, Drift(own=9e-9, common=9e-9, union=0.3), sampling)
    shift = np.log((1 - got[:, :2]) / got[:, :2] * unmet[:, :2] / (1 - unmet[:, :2]))
    assert shift[:, 0] == pytest.approx(shift[:, 1], abs=1e-9)
    assert shift[:, 0].std() == pytest.approx(0.3, rel=0.025)
    assert abs(shift[:, 0].mean()) <= 0.035 * 0.3
    assert (got[:, 2:] == [1, 0]).all()


def test_a_union_drifts_apart_from_its_vehicles() -> None:
    drift = Drift(own=0.3, common=0.3, union=0.3)
    (own,) = logit_shifts([radio()], drift)
    sampling = Sampling(axes=(), draws=DRAWS, seed=0)
    got = drifted_union(np.array([[0.5]]), drift, sampling)[:, 0]
    assert abs(np.corrcoef(own, np.log((1 - got) / got))[0, 1]) < 0.035


@pytest.mark.parametrize("still", [frozenset(), frozenset({"model error"})])
def test_a_union_without_drift_is_as_modelled(still: frozenset[str]) -> None:
    sampling, unmet = Sampling(axes=(), draws=7, seed=0, still=still), np.array([[0.2, 0.9]])
    drift = Drift(own=0.5, common=0.5, union=0.5 if still else 0.0)
    assert np.array_equal(drifted_union(unmet, drift, sampling), unmet)


# --- refusals ------------------------------------------------------------------------------
@pytest.mark.parametrize("field", ["own", "common", "union"])
@pytest.mark.parametrize("bad", [-0.1, math.nan, math.inf, "0.1", None, by_state(0.1, 0.1, 0.1)])
def test_a_drift_is_a_number_from_0(field: str, bad: object) -> None:
    figures: dict[str, Any] = {"own": 0.1, "common": 0.1, field: bad}
    assert f"drift: {field} must be" in refusal(lambda: Drift(**figures))


@pytest.mark.parametrize("field", ["own", "common", "union"])
def test_a_drift_is_no_law(field: str) -> None:
    figures: dict[str, Any] = {"own": 0.1, "common": 0.1, field: beta(mean=0.1, sd=0.01)}
    assert f"drift: {field} must be" in refusal(lambda: Drift(**figures))
