import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, optimize, stats

from dpnotice.analyst import in_blocks
from dpnotice.analyst.dependence.classes import Classes
from dpnotice.analyst.dependence.net import Appetite, Joint, Mixture
from dpnotice.analyst.media.levels import Levels
from dpnotice.analyst.media.publication import Broadcast, nbd_exposure
from dpnotice.analyst.media.vehicle import Exposure
from dpnotice.analyst.rates import Uniform, lognormal
from dpnotice.analyst.sampling import Sampling
from dpnotice.segments import Axis
from made.notices import AGE, STATE, display, paper, radio

ONE = np.ones((1, 1))
SINGLE = 1e-6
"""What single precision may miss of reach."""
chances = st.lists(st.floats(0, 1), min_size=1, max_size=6)
thetas = st.floats(0, 18)
seeds = st.integers(0, 10**6)


def fixed(nonreach: Any, basis: Any = None) -> Exposure:
    """A vehicle by its chance of no exposure, (draws or 1, levels), its cells the levels."""
    nonreach = np.array(nonreach, dtype=float, ndmin=2)
    return Exposure(
        law=np.asarray,
        figures=(nonreach,),
        mean=(1 - nonreach, ONE),
        tally=lambda most, unmet: np.stack([unmet, 1 - unmet, *[0 * unmet] * (most - 1)]),
        basis=np.eye(nonreach.shape[1]) if basis is None else np.array(basis, dtype=float),
    )


REGION = Axis(name="region", levels=tuple(f"r{number}" for number in range(40)))


def by_region(values: Any) -> pd.DataFrame:
    """Nobody is delivered to where the region is unknown."""
    return pd.DataFrame({"region": REGION.levels, "value": [*values, 0.0]})


def several(nonreach: Sequence[Any]) -> list[Exposure]:
    return [fixed(each) for each in nonreach]


def appetite(*theta: float) -> Appetite:
    return Appetite(theta=np.array(theta, dtype=float))


def unmet(nonreach: Any, theta: float) -> Any:
    """(1 + sum over v of (P_v^-theta - 1))^(-1 / theta), the product at 0; nonreach (V, ...)."""
    nonreach = np.asarray(nonreach)
    if theta == 0:
        return nonreach.prod(axis=0)
    with np.errstate(divide="ignore", over="ignore"):
        return (1 + np.sum(nonreach**-theta - 1, axis=0)) ** (-1 / theta)


def extremes(vehicles: int) -> Any:
    """20,000 draws of chances of no exposure (V, draws), many of them close to 0 or 1, or there."""
    random = np.random.default_rng(vehicles)
    middle, power = random.random((2, vehicles, 20_000))
    kind = random.choice(3, p=[0.5, 0.25, 0.25], size=middle.shape)
    found = np.choose(kind, [middle, 10 ** (-16 * power), 1 - 10 ** (-9 * power)])
    found[0, :50], found[:, 50:100] = 1, 1
    return found


def mixed(seed: int, *, k: float = 1.0, vehicles: int = 3, classes: int = 3) -> Classes:
    random = np.random.default_rng(seed)
    share = random.dirichlet(np.ones(classes))
    rate = random.lognormal(0, 1.5, (classes, vehicles)) + 1e-3
    return Classes(share=share, rate=rate / (share @ rate), appetite=k)


def of_law(law: Classes, draws: int = 1) -> Mixture:
    return Mixture(classes=(law,), pick=np.zeros(draws, dtype=np.int64))


def survival(y: Any, k: float) -> Any:
    return np.exp(-y) if math.isinf(k) else (1 + y / k) ** -k


def unmet_of_classes(law: Classes, nonreach: Sequence[float]) -> float:
    """sum over c of share_c L(sum over v of s_v rate_cv), s_v by bisection from its margin."""
    total = np.zeros(len(law.share))
    for v, chance in enumerate(nonreach):
        rate = law.rate[:, v]

        def miss(log_scale: float, rate: Any = rate, chance: float = chance) -> float:
            return float(law.share @ survival(math.exp(log_scale) * rate, law.appetite)) - chance

        if chance < 1:
            total += math.exp(optimize.brentq(miss, -60, 60, xtol=1e-13)) * rate
    return float(law.share @ survival(total, law.appetite))


# --- one appetite --------------------------------------------------------------------------
@pytest.mark.parametrize("theta", [0, 1e-9, 1e-6, 1e-5, 1e-3, 0.05, 0.3, 1, 1.7, 2])
@pytest.mark.parametrize("vehicles", [1, 2, 3, 20])
def test_single_precision_misses_less_than_a_millionth(theta: float, vehicles: int) -> None:
    nonreach = extremes(vehicles)
    got = appetite(theta).unmet(several(nonreach[:, :, np.newaxis]))[:, 0]
    assert np.abs(got - unmet(nonreach, theta)).max() <= SINGLE


@pytest.mark.parametrize("theta", [2.01, 3, 7, 18])
@pytest.mark.parametrize("vehicles", [1, 2, 3, 20])
def test_strong_dependence_is_computed_in_double_precision(theta: float, vehicles: int) -> None:
    nonreach = extremes(vehicles)
    got = appetite(theta).unmet(several(nonreach[:, :, np.newaxis]))[:, 0]
    assert np.abs(got - unmet(nonreach, theta)).max() <= 1e-12


@given(st.lists(st.floats(1e-12, 1), min_size=1, max_size=6), thetas)
def test_the_union_is_that_of_clayton(nonreach: list[float], theta: float) -> None:
    got = appetite(theta).unmet(several(nonreach))
    assert got == pytest.approx(unmet(nonreach, max(theta, 1e-6)), abs=SINGLE)


@given(chances)
def test_without_dependence_chances_multiply(nonreach: list[float]) -> None:
    assert appetite(0).unmet(several(nonreach)) == pytest.approx(math.prod(nonreach), abs=SINGLE)


@pytest.mark.parametrize("theta", [0.1, 0.5, 1, 2, 5])
def test_the_union_is_the_mean_over_the_appetite(theta: float) -> None:
    nonreach, k = np.array([0.35, 0.8, 0.55]), 1 / theta
    clock = np.sum(k * (nonreach ** (-1 / k) - 1))
    law = stats.gamma(k, scale=1 / k)
    # Over quantiles, as the density has a pole at 0 where k < 1.
    wanted, _ = integrate.quad(lambda u: math.exp(-law.ppf(u) * clock), 0, 1, limit=200)
    assert appetite(theta).unmet(several(nonreach)) == pytest.approx(wanted, abs=SINGLE)


@given(st.floats(0, 1), thetas)
def test_one_vehicle_keeps_its_reach(nonreach: float, theta: float) -> None:
    assert appetite(theta).unmet([fixed(nonreach)]) == pytest.approx(nonreach, abs=SINGLE)


@given(chances, thetas, st.integers(0, 6))
def test_a_vehicle_that_reaches_nobody_changes_nothing(
    nonreach: list[float], theta: float, place: int
) -> None:
    more = [*nonreach[:place], 1.0, *nonreach[place:]]
    before, after = (appetite(theta).unmet(several(each)) for each in (nonreach, more))
    assert after == pytest.approx(before, abs=SINGLE)


@given(chances, thetas)
def test_beside_a_vehicle_that_reaches_everybody_nobody_is_left(
    nonreach: list[float], theta: float
) -> None:
    assert appetite(theta).unmet(several([*nonreach, 0.0])) == pytest.approx(0, abs=SINGLE)


@given(chances, st.floats(0, 1), thetas)
def test_another_vehicle_never_lowers_reach(
    nonreach: list[float], another: float, theta: float
) -> None:
    before, after = (
        appetite(theta).unmet(several(each)) for each in (nonreach, [*nonreach, another])
    )
    assert after <= before + SINGLE


@given(chances, thetas, thetas)
def test_the_stronger_the_dependence_the_fewer_are_reached(
    nonreach: list[float], one: float, other: float
) -> None:
    weak, strong = (appetite(each).unmet(several(nonreach)) for each in sorted((one, other)))
    assert weak <= strong + SINGLE


def test_an_ever_stronger_dependence_leaves_the_least_nonreach() -> None:
    assert appetite(18).unmet(several([0.3, 0.6, 0.8])) == pytest.approx(0.3, abs=1e-6)


@given(chances, thetas)
def test_nobody_met_is_at_least_independence_and_at_most_the_least_nonreach(
    nonreach: list[float], theta: float
) -> None:
    got = float(appetite(theta).unmet(several(nonreach))[0, 0])
    lower = max(0.0, 1 - sum(1 - each for each in nonreach), math.prod(nonreach))
    assert lower - SINGLE <= got <= min(nonreach) + SINGLE


@given(chances, thetas, st.randoms(use_true_random=False))
def test_the_order_of_vehicles_changes_nothing(
    nonreach: list[float], theta: float, random: Any
) -> None:
    shuffled = random.sample(nonreach, len(nonreach))
    before, after = (appetite(theta).unmet(several(each)) for each in (nonreach, shuffled))
    assert after == pytest.approx(before, abs=SINGLE)


# --- levels, cells, draws ------------------------------------------------------------------
TWO_LEVELS = fixed([[0.3, 0.9]], basis=[[1, 0, 1, 0], [0, 1, 0, 0]])
"""Cells: low level, high level, low level, outside the target."""
EVERYWHERE = fixed([[0.6]], basis=[[1, 1, 1, 1]])
HALF = fixed([[0.5]], basis=[[0, 0, 1, 1]])
CELLS = [[0.3, 0.9, 0.3, 1], [0.6] * 4, [1, 1, 0.5, 0.5]]


@pytest.mark.parametrize("theta", [0, 0.7, 5])
def test_every_cell_meets_the_levels_that_it_has(theta: float) -> None:
    got = appetite(theta).unmet([TWO_LEVELS, EVERYWHERE, HALF])
    assert got.shape == (1, 4)
    assert got[0] == pytest.approx(unmet(CELLS, theta), abs=SINGLE)


def test_between_levels_the_clock_is_their_weighted_mean() -> None:
    theta, between = 0.7, fixed([[0.3, 0.8]], basis=[[0.25], [0.75]])
    clock = 0.25 * (0.3**-theta - 1) + 0.75 * (0.8**-theta - 1) + 0.6**-theta - 1
    got = appetite(theta).unmet([between, fixed(0.6)])
    assert got[0, 0] == pytest.approx((1 + clock) ** (-1 / theta), abs=SINGLE)


def test_between_levels_the_chance_itself_is_meant_where_the_clock_is_steep() -> None:
    between = fixed([[0.3, 0.8]], basis=[[0.25], [0.75]])
    got = appetite(5).unmet([between, fixed(0.6)])
    assert got[0, 0] == pytest.approx(unmet([0.25 * 0.3 + 0.75 * 0.8, 0.6], 5), abs=SINGLE)


@pytest.mark.parametrize("theta", [0.0, 0.01, 0.1, 1.0])
def test_between_levels_that_reach_everybody_and_few_reach_is_right(theta: float) -> None:
    """2 to 48 exposures per person: as exp(-48) counts as 1e-16, nodes would miss by 0.1 %."""
    points = np.geomspace(240, 4800, len(REGION) - 1)
    dispersion = Uniform(low=500, high=1000)
    fields = {"grps": by_region(points), "reach_cap": 1.0, "dispersion": dispersion}
    sampling = Sampling(axes=(REGION,), draws=20, seed=1)
    met = [Broadcast(name, **fields).exposure(sampling) for name in ("one", "two")]
    assert all(exposure.interpolated for exposure in met)
    r = [sampling.sample(dispersion, f"vehicle/{name}/dispersion") for name in ("one", "two")]
    wanted = unmet([(1 + points / 100 / each) ** -each for each in r], theta)
    assert appetite(theta).unmet(met)[:, :-1] == pytest.approx(wanted, abs=SINGLE)


def test_cells_that_are_levels_are_never_taken_as_between() -> None:
    assert not TWO_LEVELS.interpolated
    assert fixed([[0.3, 0.8]], basis=[[0.25], [0.75]]).interpolated


@pytest.mark.parametrize("theta", [[0.4], [0.0, 0.4, 2.0], [0.0, 0.4, 7.0]])
@pytest.mark.parametrize("moving", [0, 1])
def test_what_does_not_vary_over_draws_is_the_same_in_each(theta: list[float], moving: int) -> None:
    drawn = np.array([[0.3, 0.9], [0.2, 0.8], [0.7, 0.6]])
    rows = drawn if moving else drawn[:1]
    got = appetite(*theta).unmet([fixed(rows), fixed([[0.5, 0.1]])])
    assert len(got) == max(len(theta), len(rows))
    for row, found in enumerate(got):
        own = theta[row % len(theta)]
        wanted = unmet([rows[row % len(rows)], [0.5, 0.1]], own)
        assert found == pytest.approx(wanted, abs=SINGLE)


def by_blocks(joint: Joint, met: list[Exposure], monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Results in one block, by 7 and by 1 draw, and on one and three cores."""
    found = []
    for numbers, cores in [(10**9, 1), (7 * 2, 1), (1, 3), (7 * 2, 3)]:
        monkeypatch.setattr(in_blocks, "_NUMBERS", numbers)
        monkeypatch.setattr(in_blocks.os, "cpu_count", lambda cores=cores: cores)
        found.append(joint.unmet(met))
    return found


@pytest.mark.parametrize("strongest", [2, 9])
def test_blocks_and_cores_change_no_result(
    strongest: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(3)
    nonreach, theta = random.random((3, 100, 2)), random.uniform(0, strongest, 100)
    nonreach[0, ::7] = 1e-9
    first, *others = by_blocks(Appetite(theta=theta), several(nonreach), monkeypatch)
    wanted = [unmet(nonreach[:, row], own) for row, own in enumerate(theta)]
    assert first == pytest.approx(np.array(wanted), abs=SINGLE)
    for other in others:
        assert other == pytest.approx(first, abs=SINGLE)


def test_what_is_known_of_vehicles_is_left_as_it_was() -> None:
    nonreach, theta = np.array([[0.4, 0.7]], dtype=np.float32), np.array([0.5])
    met = [fixed(nonreach), fixed(nonreach)]
    before = [each.nonreach.copy() for each in met]
    Appetite(theta=theta).unmet(met)
    assert theta == 0.5
    assert all(np.array_equal(each.nonreach, old) for each, old in zip(met, before, strict=True))


@pytest.mark.parametrize("theta", [0, 0.5, 2])
def test_media_are_combined_cell_by_cell(theta: float) -> None:
    sampling = Sampling(axes=(STATE, AGE), draws=1, seed=0)
    media = [paper(target={"state": "NY"}), radio(), display()]
    met = [vehicle.exposure(sampling) for vehicle in media]
    wanted = unmet([1 - each.reach() for each in met], theta)
    assert appetite(theta).unmet(met) == pytest.approx(wanted, abs=SINGLE)


@pytest.mark.parametrize("dispersion", [0.05, 1, 4, 30, 1e3, 1e6])
def test_exposures_of_any_dispersion_are_right_in_single_precision(dispersion: float) -> None:
    mean = np.random.default_rng(5).uniform(0.01, 5, (2, 5_000, 1))
    met = [
        nbd_exposure(ONE, ONE, mean=each, cap=0.9 * ONE, dispersion=dispersion * ONE)
        for each in mean
    ]
    chance = 0.1 + 0.9 * stats.nbinom.pmf(0, dispersion, dispersion / (dispersion + mean / 0.9))
    assert appetite(0.5).unmet(met) == pytest.approx(unmet(chance, 0.5), abs=3e-6)


def delivered_unevenly(points: float = 400, **figures: float) -> list[Exposure]:
    """Television whose heaviest segment gets ten times the lightest one's points; a paper."""
    shares = by_region(np.geomspace(1, 10, 40))
    television = radio(
        grps=lognormal(mean=points, sd=points / 10),
        target=shares.assign(value=shares["value"] / shares["value"].sum()),
        universe=by_region(np.full(40, 10_000.0)),
        **figures,
    )
    sampling = Sampling(axes=(REGION,), draws=20, seed=0)
    return [television.exposure(sampling), paper().exposure(sampling)]


STEEP = pytest.mark.parametrize(
    ("cap", "dispersion"), [(0.9, 0.5), (0.95, 1.0), (0.98, 5.0), (1.0, 5.0), (1.0, 50.0)]
)


@STEEP
@pytest.mark.parametrize("theta", [0.5, 2])
def test_segments_between_two_amounts_of_delivery_are_as_exact_as_others(
    cap: float, dispersion: float, theta: float
) -> None:
    met = delivered_unevenly(reach_cap=cap, dispersion=dispersion)
    assert met[0].interpolated
    wanted = unmet([1 - each.reach() + np.zeros((20, 41)) for each in met], theta)
    assert appetite(theta).unmet(met) == pytest.approx(wanted, abs=2e-5)


# --- given one appetite --------------------------------------------------------------------
@pytest.mark.parametrize("theta", [0, 1e-5, 0.01, 0.5, 2, 18])
def test_appetites_weigh_1_and_have_the_mean_1(theta: float) -> None:
    found = list(appetite(theta).given([fixed(0.4), fixed(0.9)]))
    assert sum(weight for weight, _, _ in found) == pytest.approx(1)
    mean = sum(weight * appetite for weight, appetite, _ in found)
    assert mean == pytest.approx(np.ones((1, 1)), rel=1e-9)


@pytest.mark.parametrize("theta", [0, 1e-5, 0.01, 0.5, 2, 18])
def test_a_clock_is_the_appetite_times_its_own(theta: float) -> None:
    own = max(theta, 1e-6)
    for _, appetite_, clocks in appetite(theta).given([fixed(0.4), fixed(0.9)]):
        for clock, chance in zip(clocks, (0.4, 0.9), strict=True):
            assert clock == pytest.approx(appetite_ * (chance**-own - 1) / own, rel=1e-6)


@settings(max_examples=30)
@given(st.lists(st.floats(0, 1), min_size=2, max_size=4), st.floats(0, 2))
def test_averaged_over_appetites_nobody_met_is_the_union(
    nonreach: list[float], theta: float
) -> None:
    got = sum(
        weight * np.exp(-sum(clocks))
        for weight, _, clocks in appetite(theta).given(several(nonreach))
    )
    assert got == pytest.approx(unmet(nonreach, max(theta, 1e-6)), abs=1.5e-3)


def test_appetites_follow_the_dependence_of_every_draw() -> None:
    met = [fixed([[0.3], [0.6]]), fixed([[0.5]])]
    got = sum(weight * np.exp(-sum(clocks)) for weight, _, clocks in appetite(0.2, 2.0).given(met))
    wanted = [[unmet([0.3, 0.5], 0.2)], [unmet([0.6, 0.5], 2.0)]]
    assert got == pytest.approx(np.array(wanted), abs=5e-4)


# --- classes of persons --------------------------------------------------------------------
TWO_PUBLICS = Classes(
    share=np.array([0.5, 0.5]), rate=np.array([[1.9, 0.1], [0.1, 1.9]]), appetite=8.0
)
"""Who is near to one vehicle is far from the other."""
ONE_PUBLIC = Classes(
    share=np.array([0.5, 0.5]), rate=np.array([[1.9, 1.9], [0.1, 0.1]]), appetite=8.0
)
appetites = st.sampled_from([0.5, 1.0, 3.0, math.inf])


@settings(max_examples=50)
@given(seeds, appetites, st.lists(st.floats(1e-3, 1), min_size=3, max_size=3))
def test_classes_are_combined_by_their_shares(seed: int, k: float, nonreach: list[float]) -> None:
    law = mixed(seed, k=k)
    got = of_law(law).unmet(several(nonreach))
    assert got == pytest.approx(unmet_of_classes(law, nonreach), abs=3e-6)


@settings(max_examples=50)
@given(seeds, appetites, st.floats(1e-6, 1), st.integers(0, 2))
def test_under_classes_one_vehicle_keeps_its_reach(
    seed: int, k: float, nonreach: float, which: int
) -> None:
    alone = [nonreach if v == which else 1.0 for v in range(3)]
    got = of_law(mixed(seed, k=k)).unmet(several(alone))
    assert got == pytest.approx(nonreach, abs=3e-6)


@settings(max_examples=50)
@given(seeds, appetites, st.lists(st.floats(0, 1), min_size=3, max_size=3))
def test_under_classes_the_union_stays_within_the_bounds_of_frechet(
    seed: int, k: float, nonreach: list[float]
) -> None:
    got = float(of_law(mixed(seed, k=k)).unmet(several(nonreach))[0, 0])
    lower = max(0.0, 1 - sum(1 - each for each in nonreach))
    assert lower - 3e-6 <= got <= min(nonreach) + 3e-6


def test_a_chance_above_1_by_rounding_is_that_of_a_vehicle_that_reaches_nobody() -> None:
    got = of_law(TWO_PUBLICS).unmet([fixed(np.nextafter(1.0, 2.0)), fixed(0.4)])
    assert got == pytest.approx(0.4, abs=3e-6)


@pytest.mark.parametrize("k", [0.5, 1, 4])
def test_one_class_is_one_appetite(k: float) -> None:
    law = Classes(share=np.ones(1), rate=np.ones((1, 3)), appetite=k)
    met = several([0.2, 0.55, 0.9])
    assert of_law(law).unmet(met) == pytest.approx(appetite(1 / k).unmet(met), abs=SINGLE)


def test_vehicles_with_two_publics_reach_more_than_independent_ones() -> None:
    met = several([0.5, 0.5])
    assert of_law(TWO_PUBLICS).unmet(met) < 0.25 - 0.05
    assert of_law(ONE_PUBLIC).unmet(met) > 0.25 + 0.05


def test_every_draw_follows_the_law_picked_for_it() -> None:
    joint = Mixture(classes=(ONE_PUBLIC, TWO_PUBLICS), pick=np.array([0, 1, 1, 0, 1]))
    rows = [[0.5], [0.5], [0.3], [0.8], [0.9]]
    got = joint.unmet([fixed(rows), fixed(0.4)])
    for row, (found, law) in enumerate(zip(got, joint.pick, strict=True)):
        wanted = unmet_of_classes(joint.classes[law], [rows[row][0], 0.4])
        assert found == pytest.approx(wanted, abs=3e-6)


def test_a_law_that_no_draw_picks_plays_no_part() -> None:
    both = Mixture(classes=(ONE_PUBLIC, TWO_PUBLICS), pick=np.ones(3, dtype=np.int64))
    met = several([0.5, 0.4])
    assert np.array_equal(both.unmet(met), of_law(TWO_PUBLICS, draws=3).unmet(met))
    assert len(list(both.given(met))) == len(list(of_law(TWO_PUBLICS).given(met)))


def test_under_classes_every_cell_meets_the_levels_that_it_has() -> None:
    law = mixed(4)
    got = of_law(law).unmet([TWO_LEVELS, EVERYWHERE, HALF])
    wanted = [unmet_of_classes(law, cell) for cell in np.transpose(CELLS)]
    assert got[0] == pytest.approx(np.array(wanted), abs=3e-6)


def test_under_classes_the_order_of_vehicles_changes_nothing() -> None:
    law, nonreach = mixed(2), [0.2, 0.6, 0.9]
    turned = Classes(share=law.share, rate=law.rate[:, ::-1], appetite=law.appetite)
    before, after = (
        of_law(law).unmet(several(nonreach)),
        of_law(turned).unmet(several(nonreach[::-1])),
    )
    assert after == pytest.approx(before, abs=SINGLE)


def test_under_classes_blocks_and_cores_change_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(3)
    joint = Mixture(classes=(mixed(0), mixed(1, k=0.5)), pick=random.integers(2, size=60))
    nonreach = random.random((3, 60, 2))
    first, *others = by_blocks(joint, several(nonreach), monkeypatch)
    for row in (0, 17, 59):
        wanted = unmet_of_classes(joint.classes[joint.pick[row]], nonreach[:, row, 1].tolist())
        assert first[row, 1] == pytest.approx(wanted, abs=3e-6)
    for other in others:
        assert other == pytest.approx(first, abs=SINGLE)


def test_averaged_over_classes_and_appetites_nobody_met_is_the_union() -> None:
    joint = Mixture(classes=(mixed(0), mixed(1, k=0.5)), pick=np.array([0, 1, 0]))
    met = [fixed([[0.3], [0.3], [0.8]]), fixed(0.6), fixed(0.9)]
    states = list(joint.given(met))
    assert sum(weight for weight, _, _ in states) == pytest.approx(np.ones((3, 1)))
    mean = sum(weight * appetite for weight, appetite, _ in states)
    assert mean == pytest.approx(np.ones((3, 1)))
    got = sum(weight * np.exp(-sum(clocks)) for weight, _, clocks in states)
    assert got == pytest.approx(joint.unmet(met), abs=5e-4)


@STEEP
@pytest.mark.parametrize("k", [0.5, 2])
def test_under_classes_segments_between_two_amounts_are_as_exact_as_others(
    cap: float, dispersion: float, k: float
) -> None:
    met = delivered_unevenly(reach_cap=cap, dispersion=dispersion)
    law = mixed(1, k=k, vehicles=2)
    got = of_law(law, draws=20).unmet(met)
    chances = [np.clip(1 - each.reach() + np.zeros((20, 41)), 0, 1) for each in met]
    for cell in (0, 1, 17, 38, 39):
        wanted = unmet_of_classes(law, [float(chance[3, cell]) for chance in chances])
        assert got[3, cell] == pytest.approx(wanted, abs=2e-5)


def test_under_classes_a_reach_of_1_by_interpolation_is_everybody() -> None:
    met = delivered_unevenly(points=2000, reach_cap=1.0, dispersion=50.0)
    assert met[0].nonreach.min() < 1e-6
    law = of_law(mixed(1, vehicles=2), draws=20)
    states = list(law.given(met))
    assert sum(weight for weight, _, _ in states) == pytest.approx(np.ones((20, 1)))
    got = sum(weight * np.exp(-sum(clocks)) for weight, _, clocks in states)
    assert got == pytest.approx(law.unmet(met), abs=5e-4)


@pytest.mark.parametrize("k", [1.0, 2.0, math.inf])
@pytest.mark.parametrize("apart", [0.1, 1e-4])
def test_classes_that_exclude_each_other_are_right_between_levels(k: float, apart: float) -> None:
    """The heavier a class, the faster its clock runs away from the least level to the largest."""
    rate = np.array([[2 - apart, apart], [apart, 2 - apart]])
    law = Classes(share=np.full(2, 0.5), rate=rate, appetite=k)
    level = np.geomspace(0.3, 3, 40)
    mean = np.array([[1.0], [1.1]])
    figures = {"mean": mean, "cap": 0.9 * ONE, "dispersion": ONE}
    levels = [level[np.newaxis], level[np.newaxis, ::-1]]
    few = [
        Levels(figures=figures, level=at, basis=np.eye(40)).exposure(nbd_exposure, **figures)
        for at in levels
    ]
    all_cells = [nbd_exposure(at, np.eye(40), **figures) for at in levels]
    assert all(exposure.interpolated for exposure in few)
    joint = Mixture(classes=(law,), pick=np.zeros(2, dtype=int))
    assert joint.unmet(few) == pytest.approx(joint.unmet(all_cells), abs=SINGLE)


@pytest.mark.parametrize("insertions", [52, 365])
def test_many_insertions_lose_no_digits_in_single_precision(insertions: int) -> None:
    daily = paper(reach_1=0.003, reach_2=2 * 0.003 - 0.003**2, insertions=insertions)
    found = appetite(0.5).unmet([daily.exposure(Sampling(axes=(), draws=1, seed=0))])
    assert found[0, 0] == pytest.approx(0.997**insertions, abs=SINGLE)
