import numpy as np
import pandas as pd
import pytest

from dpnotice.analyst.dependence.net import Appetite
from dpnotice.analyst.media.drift import drifted
from dpnotice.analyst.media.exposure_laws import nbd_counts, nbd_nonreach
from dpnotice.analyst.media.levels import Levels
from dpnotice.analyst.media.publication import Broadcast, nbd_exposure
from dpnotice.analyst.media.vehicle import Exposure
from dpnotice.analyst.rates import Law, Uniform, beta, lognormal
from dpnotice.analyst.sampling import Sampling
from dpnotice.segments import Axis

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
    grps = between(most / span, most)
    vehicle = spot(grps, dispersion)
    exposure = vehicle.exposure(MARKETS)
    assert len(exposure.basis) < 30
    assert exposure.reach() == pytest.approx(
        1 - nbd_nonreach(grps / 100, *figures(vehicle)), abs=1e-6
    )


@spans
def test_mean_exposures_of_many_segments_follow_from_a_few_levels(span: float) -> None:
    grps = between(300 / span, 300)
    got = spot(grps, lognormal(mean=1, sd=0.5)).exposure(MARKETS).gross()
    assert got == pytest.approx(np.broadcast_to(grps / 100, (60, 100)), abs=1e-6)


@spans
def test_a_vehicle_that_reaches_hardly_anybody_keeps_its_mean_exposures(span: float) -> None:
    grps = between(1e-3 / span, 1e-3)
    vehicle = spot(grps, lognormal(mean=1, sd=0.5))
    exposure = vehicle.exposure(MARKETS)
    reach = 1 - nbd_nonreach(grps / 100, *figures(vehicle))
    assert exposure.gross() == pytest.approx(np.tile(grps / 100, (60, 1)), rel=1e-4)
    assert exposure.gross() / exposure.reach() == pytest.approx(grps / 100 / reach, rel=1e-4)


@spans
def test_counts_of_many_segments_follow_from_a_few_levels(span: float) -> None:
    grps = between(300 / span, 300)
    vehicle = spot(grps, lognormal(mean=1, sd=0.5))
    direct = nbd_counts(6, grps / 100, *figures(vehicle))
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


@spans
@pytest.mark.parametrize("theta", [0.0, 0.5, 2.0])
def test_what_several_vehicles_do_together_follows_from_a_few_levels(
    span: float, theta: float
) -> None:
    """With all figures at random: `benchmarks/reach_error.py`."""
    grps = between(600 / span, 600)
    vehicle = spot(grps, lognormal(mean=5, sd=5))
    exposure = vehicle.exposure(MARKETS)
    alone = nbd_nonreach(grps / 100, *figures(vehicle))
    found = Appetite(theta=np.full(1, theta)).unmet([exposure, exposure])
    wanted = (2 * alone**-theta - 1) ** (-1 / theta) if theta else alone**2
    assert found == pytest.approx(wanted, abs=2e-6)


def test_the_wider_the_span_the_more_levels_are_worked_out() -> None:
    levels = [
        len(spot(between(300 / span, 300), lognormal(mean=1, sd=0.5)).exposure(MARKETS).basis)
        for span in (1.01, 2, 5, 30)
    ]
    assert levels == sorted(set(levels))
    assert levels[0] <= 3


@pytest.mark.parametrize("figure", ["least", "largest"])
def test_a_draw_that_differs_from_all_others_counts_among_those_tried(figure: str) -> None:
    """One draw in a thousand is as good as Poisson, or all exposures go to hardly anybody."""
    odd = 1e4 if figure == "largest" else 1e-3
    drawn = {"mean": np.ones((1000, 1)), "dispersion": np.full((1000, 1), 1.0)}
    drawn["dispersion"][777] = odd
    grps = between(1, 10)[np.newaxis]
    held = Levels(figures=drawn, level=grps, basis=np.eye(100))
    got = held.exposure(nbd_exposure, cap=np.ones((1, 1)), **drawn).reach()
    assert got == pytest.approx(1 - nbd_nonreach(grps, np.ones(1), drawn["dispersion"]), abs=1e-6)


def test_a_draw_that_differs_only_in_how_its_figures_go_together_counts_too() -> None:
    mean, dispersion = np.full((1000, 1), 1e-3), np.full((1000, 1), 0.01)
    mean[::2], dispersion[1::2] = 0.3, 50
    mean[500], dispersion[500] = 0.3, 50
    level = np.geomspace(1, 100, 60)[np.newaxis]
    drawn = {"mean": mean, "dispersion": dispersion}
    held = Levels(figures=drawn, level=level, basis=np.eye(60))
    got = held.exposure(nbd_exposure, cap=np.ones((1, 1)), **drawn).reach()
    assert got == pytest.approx(1 - nbd_nonreach(mean * level, np.ones(1), dispersion), abs=1e-6)


@spans
@pytest.mark.parametrize("odds", [0.3, 3.0])
def test_drifted_audiences_follow_from_the_same_levels(span: float, odds: float) -> None:
    grps = between(600 / span, 600)
    vehicle = spot(grps, lognormal(mean=5, sd=5))
    alone = nbd_nonreach(grps / 100, *figures(vehicle))
    got = drifted(vehicle.exposure(MARKETS), np.full((60, 1), odds)).reach()
    assert got == pytest.approx((1 - alone) * odds / (alone + (1 - alone) * odds), abs=5e-6)
