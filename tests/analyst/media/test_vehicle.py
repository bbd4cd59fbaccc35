from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dpnotice.analyst.media.digital import Digital
from dpnotice.analyst.media.publication import Broadcast, Print
from dpnotice.analyst.media.vehicle import Vehicle
from dpnotice.analyst.rates import lognormal
from dpnotice.analyst.sampling import Sampling
from made.notices import AGE, STATE, by_state, display, mean, over, paper, radio, reach, refusal

shares = st.floats(0.01, 0.99)


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
    got = make(target={"state": "NY"}).exposure(sampling).gross()[0]
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


# --- exposures -----------------------------------------------------------------------------
SIXTY = Sampling(axes=(STATE,), draws=60, seed=4)


@pytest.mark.parametrize("most", [1, 3, 9])
@pytest.mark.parametrize("make", VEHICLES)
def test_chances_of_counts_add_up_to_one_in_every_cell(
    make: Callable[..., Vehicle], most: int
) -> None:
    sampling = Sampling(axes=(STATE, AGE), draws=1, seed=0)
    exposure = make(target={"state": "NY"}).exposure(sampling)
    at_all = (exposure.counts(most)[1:] @ exposure.basis).sum(axis=0)
    assert at_all == pytest.approx(exposure.reach())
    assert (at_all[0].reshape(sampling.shape)[[0, 2]] == 0).all()
    assert exposure.counts(most).sum(axis=0) == pytest.approx(1)


@pytest.mark.parametrize("rows", [slice(0, 20), slice(20, 60), np.array([3, 7, 59])])
@pytest.mark.parametrize("precision", [np.float32, np.float64])
def test_some_draws_in_either_precision_are_those_of_all(rows: slice, precision: type) -> None:
    exposure = radio(dispersion=lognormal(mean=1, sd=0.5)).exposure(SIXTY)
    got = exposure.nonreach_of(rows, precision)
    assert got.dtype == precision
    assert got == pytest.approx(exposure.nonreach[rows].T, abs=1e-6)


def test_draws_are_one_where_nothing_is_uncertain() -> None:
    assert radio().exposure(SIXTY).draws == 1
    assert radio(dispersion=lognormal(mean=1, sd=0.5)).exposure(SIXTY).draws == 60


# --- delivery by segment -------------------------------------------------------------------
PERSONS = by_state(600e3, 400e3, 0)
UNEVEN = by_state(0.3, 0.7, 0)
delivered = pytest.mark.parametrize("make", VEHICLES)


@delivered
def test_delivery_in_proportion_to_persons_changes_nothing(make: Callable[..., Vehicle]) -> None:
    even = make(universe=PERSONS, target=by_state(0.6, 0.4, 0))
    assert over(even, STATE).tolist() == pytest.approx([reach(make(universe=1e6))] * 3)


@delivered
def test_exposures_delivered_add_up_to_those_bought(make: Callable[..., Vehicle]) -> None:
    vehicle = make(universe=PERSONS, target=UNEVEN)
    got = vehicle.exposure(Sampling(axes=(STATE,), draws=1, seed=0)).gross()[0]
    whole = mean(make(universe=1e6))
    assert got.tolist() == pytest.approx([whole * 0.5, whole * 1.75, whole])


@pytest.mark.parametrize("dispersion", [1.0, lognormal(mean=1, sd=0.5)])
def test_points_by_segment_are_multiplied_by_delivery(dispersion: object) -> None:
    vehicle = radio(
        grps=by_state(100, 200, 50), dispersion=dispersion, universe=PERSONS, target=UNEVEN
    )
    got = vehicle.exposure(Sampling(axes=(STATE,), draws=5, seed=0)).gross()[0]
    assert got.tolist() == pytest.approx([0.5, 3.5, 0.5])


@delivered
def test_half_delivered_exposes_everybody_half_as_often(make: Callable[..., Vehicle]) -> None:
    spilled = make(universe=PERSONS, target=by_state(0.3, 0.2, 0))
    got = spilled.exposure(Sampling(axes=(STATE,), draws=1, seed=0)).gross()[0]
    assert got.tolist() == pytest.approx([mean(make(universe=1e6)) / 2] * 3)


@delivered
def test_a_segment_reached_more_often_is_reached_more(make: Callable[..., Vehicle]) -> None:
    got = over(make(universe=PERSONS, target=UNEVEN), STATE)
    assert got[0] < got[2] < got[1]


@delivered
def test_delivery_by_segment_needs_the_persons_of_segments(make: Callable[..., Vehicle]) -> None:
    assert "needs universe as a frame by the same axes" in refusal(
        lambda: make(universe=1e6, target=UNEVEN)
    )


@delivered
def test_a_polars_frame_of_shares_is_read_like_a_pandas_one(make: Callable[..., Vehicle]) -> None:
    frames = {"universe": pl.from_pandas(PERSONS), "target": pl.from_pandas(UNEVEN)}
    assert over(make(**frames), STATE).tolist() == pytest.approx(
        over(make(universe=PERSONS, target=UNEVEN), STATE).tolist()
    )
