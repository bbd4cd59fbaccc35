from collections.abc import Callable

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dpnotice.analyst.digital import Digital
from dpnotice.analyst.exposure_laws import nbd_counts, nbd_nonreach
from dpnotice.analyst.media import Broadcast, Print
from dpnotice.analyst.rates import Law, Uniform, beta, lognormal
from dpnotice.analyst.sampling import Sampling
from dpnotice.analyst.vehicle import Exposure, Vehicle
from dpnotice.segments import Axis
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


# --- many segments -------------------------------------------------------------------------
MARKET = Axis(name="market", levels=tuple(f"market {i}" for i in range(99)))
MARKETS = Sampling(axes=(MARKET,), draws=60, seed=4)
laws = pytest.mark.parametrize(
    "dispersion", [lognormal(mean=1, sd=0.5), lognormal(mean=5, sd=5), Uniform(low=50, high=100)]
)
spans = pytest.mark.parametrize("span", [2, 5, 30])


def by_market(values: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({"market": MARKET.levels, "value": values})


def between(low: float, high: float) -> np.ndarray:
    """A hundred values in no order, the least and the largest among them."""
    return np.random.default_rng(2).permutation(np.geomspace(low, high, len(MARKET)))


def spot(grps: np.ndarray, dispersion: Law) -> Broadcast:
    cap = beta(mean=0.8, sd=0.05)
    return Broadcast("spot", grps=by_market(grps), reach_cap=cap, dispersion=dispersion)


def figures(vehicle: Broadcast) -> tuple[np.ndarray, np.ndarray]:
    """The draws of its cap and dispersion."""
    cap, dispersion = (
        MARKETS.sample(getattr(vehicle, name), f"vehicle/spot/{name}")
        for name in ("reach_cap", "dispersion")
    )
    return cap, dispersion


def cells(exposure: Exposure, most: int) -> np.ndarray:
    """Chances of 1, 2, ... exposures by cell, which follow from those by level."""
    return exposure.counts(most)[1:] @ exposure.basis


@laws
@spans
@pytest.mark.parametrize("most", [100, 600, 3_000])
def test_reach_of_many_segments_follows_from_a_few_levels(
    span: float, most: float, dispersion: Law
) -> None:
    # Measured: 1.2e-7 at worst (3,000 points over a 30-fold span, dispersion 50 to 100).
    grps = between(most / span, most)
    vehicle = spot(grps, dispersion)
    exposure = vehicle.exposure(MARKETS)
    assert exposure.nonreach.shape[1] < 20
    assert exposure.reach() == pytest.approx(
        1 - nbd_nonreach(grps / 100, *figures(vehicle)), abs=1e-6
    )


@spans
def test_mean_exposures_of_many_segments_follow_from_a_few_levels(span: float) -> None:
    grps = between(300 / span, 300)
    got = spot(grps, lognormal(mean=1, sd=0.5)).exposure(MARKETS).gross()
    assert got == pytest.approx(np.broadcast_to(grps / 100, (60, 100)), abs=1e-6)


@spans
def test_counts_of_many_segments_follow_from_a_few_levels(span: float) -> None:
    grps = between(300 / span, 300)
    vehicle = spot(grps, lognormal(mean=1, sd=0.5))
    direct = nbd_counts(grps / 100, *figures(vehicle), 6)
    assert cells(vehicle.exposure(MARKETS), 6) == pytest.approx(direct[1:], abs=2e-6)


@laws
def test_a_level_without_points_reaches_nobody_and_leaves_the_others_alone(
    dispersion: Law,
) -> None:
    grps = between(10, 300)
    some = np.where(np.arange(100) % 3 == 0, 0, grps)
    got, full = (spot(x, dispersion).exposure(MARKETS) for x in (some, grps))
    assert (got.reach()[:, ::3] == 0).all()
    assert (got.gross()[:, ::3] == 0).all()
    assert (cells(got, 4)[..., ::3] == 0).all()
    assert got.reach()[:, 1::3] == pytest.approx(full.reach()[:, 1::3], abs=1e-6)


def test_without_uncertainty_every_segment_has_a_level_of_its_own() -> None:
    grps = between(10, 300)
    vehicle = Broadcast("spot", grps=by_market(grps), reach_cap=0.8, dispersion=1.0)
    direct = 1 - nbd_nonreach(grps / 100, np.array(0.8), np.array(1.0))
    assert vehicle.exposure(MARKETS).reach()[0] == pytest.approx(direct, abs=1e-12)


def test_a_medium_without_points_anywhere_reaches_nobody() -> None:
    got = spot(np.zeros(100), lognormal(mean=1, sd=0.5)).exposure(MARKETS)
    assert got.reach() == pytest.approx(np.zeros((60, 100)))


def test_alike_points_everywhere_are_one_level() -> None:
    got = spot(np.full(100, 150.0), lognormal(mean=1, sd=0.5)).exposure(MARKETS)
    assert got.nonreach.shape[1] <= 2
    assert np.ptp(got.reach(), axis=1) == pytest.approx(0, abs=1e-12)


def test_a_figure_that_varies_beside_the_amount_keeps_every_level() -> None:
    cap = between(0.5, 0.9)
    vehicle = Broadcast(
        "spot",
        grps=by_market(between(10, 300)),
        reach_cap=by_market(cap),
        dispersion=lognormal(mean=1, sd=0.5),
    )
    got = vehicle.exposure(MARKETS)
    r = MARKETS.sample(vehicle.dispersion, "vehicle/spot/dispersion")
    assert got.reach() == pytest.approx(
        1 - nbd_nonreach(between(10, 300) / 100, cap[np.newaxis], r), abs=1e-12
    )


@pytest.mark.parametrize("most", [1, 3, 9])
@pytest.mark.parametrize("make", VEHICLES)
def test_chances_of_counts_add_up_to_one_in_every_cell(
    make: Callable[..., Vehicle], most: int
) -> None:
    sampling = Sampling(axes=(STATE, AGE), draws=1, seed=0)
    exposure = make(target={"state": "NY"}).exposure(sampling)
    at_all = cells(exposure, most).sum(axis=0)
    assert at_all == pytest.approx(exposure.reach())
    assert (at_all[0].reshape(sampling.shape)[[0, 2]] == 0).all()
    assert exposure.counts(most).sum(axis=0) == pytest.approx(1)


@pytest.mark.parametrize("rows", [slice(0, 20), slice(20, 60), np.array([3, 7, 59])])
@pytest.mark.parametrize("precision", [np.float32, np.float64])
def test_some_draws_in_either_precision_are_those_of_all(rows: slice, precision: type) -> None:
    exposure = spot(between(10, 300), lognormal(mean=1, sd=0.5)).exposure(MARKETS)
    got = exposure.nonreach_of(rows, precision)
    assert got.dtype == precision
    assert got == pytest.approx(exposure.nonreach[rows].T, abs=1e-6)


def test_draws_are_one_where_nothing_is_uncertain() -> None:
    assert radio().exposure(MARKETS).draws == 1
    assert radio(dispersion=lognormal(mean=1, sd=0.5)).exposure(MARKETS).draws == 60


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
