import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from dpnotice.analyst import in_blocks
from dpnotice.analyst.dependence.classes import Classes
from dpnotice.analyst.dependence.frequency import exposure_counts
from dpnotice.analyst.dependence.net import Appetite, Joint, Mixture
from dpnotice.analyst.media.curve import Curve
from dpnotice.analyst.media.exposure_laws import nbd_counts
from dpnotice.analyst.media.publication import nbd_exposure
from dpnotice.analyst.media.vehicle import Exposure
from dpnotice.analyst.rates import beta, lognormal
from dpnotice.analyst.sampling import Sampling
from dpnotice.segments import Axis
from made.notices import ALL, STATE, display, paper, radio

ONE = np.ones((1, 1))
NODES = 3e-4
"""What the nodes of the integral over the appetite may miss of a cell, for theta up to 2."""
PERSONS = 10**6
LAST = 12
POINTS = 1024
"""Cells of a law, and points of the circle on which it is inverted."""
seeds = st.integers(0, 10**6)


def nbd(mean: float, r: float, cap: float = 1.0) -> Exposure:
    return nbd_exposure(ONE, ONE, mean=mean * ONE, cap=cap * ONE, dispersion=r * ONE)


def nbd_law(mean: float, r: float, cap: float = 1.0, most: int = POINTS) -> Any:
    law = cap * stats.nbinom.pmf(np.arange(most), r, r / (r + mean / cap))
    law[0] += 1 - cap
    return law


def paper_law(insertions: int, most: int = POINTS) -> Any:
    """R1 = 0.3, R2 = 0.45: alpha 0.75, beta 1.75."""
    return stats.betabinom.pmf(np.arange(most), insertions, 0.75, 1.75)


def appetite(*theta: float) -> Appetite:
    return Appetite(theta=np.array(theta, dtype=float))


def of_law(law: Classes) -> Mixture:
    return Mixture(classes=(law,), pick=np.zeros(1, dtype=np.int64))


def capped_law() -> Any:
    seen = display(frequency_cap=3).exposure(ALL).counts(20)[:, 0, 0]
    return np.append(seen, np.zeros(POINTS - 21))


def unrated(exposure: Exposure) -> Exposure:
    return replace(exposure, rated=False)


def cut(law: Any, most: int) -> Any:
    """Chances of 0, 1, ..., and of `most` or more."""
    return np.append(law[:most], 1 - law[:most].sum())


def of(met: Sequence[Exposure], joint: Joint, most: int = LAST) -> Any:
    return exposure_counts(met, joint, most)[:, 0, 0]


def survival(y: Any, k: float) -> Any:
    return np.exp(-y) if math.isinf(k) else (1 + y / k) ** -k


def log_of(values: Any) -> Any:
    """The logarithm along a circle, without jumps."""
    return np.log(np.abs(values)) + 1j * np.unwrap(np.angle(values))


def on_circle(law: Any) -> Any:
    """A law's generating function at so many points of the unit circle as it has cells."""
    return len(law) * np.fft.ifft(law)


def truncated(law: Any) -> Any:
    """The law of those who are met at all."""
    positive = law * (np.arange(len(law)) > 0)
    return positive / positive.sum()


def law_of_total(laws: Sequence[Any], unmet: Callable[[list[int]], Any]) -> Any:
    """The law of all exposures without any integral: over which vehicles are met.

    Exactly those of S are met with probability sum over T in S of (-1)^|T| unmet(T and all others),
    and their zero-truncated laws add up. `unmet` is a chance, or the generating function of what
    else those persons see; the law is read off the unit circle.
    """
    every, total = range(len(laws)), np.zeros(len(laws[0]), dtype=complex)
    for number in range(len(laws) + 1):
        for met in combinations(every, number):
            others = [v for v in every if v not in met]
            chance = sum(
                (-1) ** some * unmet([*others, *more])
                for some in range(number + 1)
                for more in combinations(met, some)
            )
            seen = np.prod([on_circle(truncated(laws[v])) for v in met], axis=0)
            total += chance * seen
    return np.fft.fft(total).real / len(total)


def clayton(laws: Sequence[Any], theta: float, rated: Sequence[Any] = ()) -> Callable[..., Any]:
    """(1 + sum of (G^-theta - 1))^(-1 / theta): chances of the unmet, and laws of the rated."""
    theta = max(theta, 1e-6)

    def unmet(which: list[int]) -> Any:
        total = 1 + sum(laws[v][0] ** -theta - 1 for v in which)
        for law in rated:
            total = total + np.exp(-theta * log_of(on_circle(law))) - 1
        return np.exp(-log_of(total) / theta) if rated else total ** (-1 / theta)

    return unmet


def of_rated(laws: Sequence[Any], theta: float) -> Any:
    """The law of vehicles met at a rate, by inverting its generating function."""
    return np.fft.fft(clayton([], theta, laws)([])).real / len(laws[0])


def by_classes(laws: Sequence[Any], law: Classes) -> Callable[[list[int]], float]:
    scale = law.scales(np.array([each[0] for each in laws]))

    def unmet(which: list[int]) -> float:
        clock = law.rate[:, which] @ scale[which]
        return float(law.share @ survival(clock, law.appetite))

    return unmet


# --- one vehicle, or none ------------------------------------------------------------------
def test_without_vehicles_nobody_is_exposed() -> None:
    assert exposure_counts([], appetite(1.0), 4).tolist() == [[[1]], [[0]], [[0]], [[0]], [[0]]]


@pytest.mark.parametrize("theta", [0, 1, 9])
@pytest.mark.parametrize("most", [1, 2, 5, 20])
def test_one_vehicle_keeps_its_own_law(theta: float, most: int) -> None:
    got = of([nbd(1.3, 0.8, 0.9)], appetite(theta), most)
    assert got == pytest.approx(cut(nbd_law(1.3, 0.8, 0.9), most), abs=1e-12)
    got = of([paper(insertions=4).exposure(ALL)], appetite(theta), most)
    assert got == pytest.approx(cut(paper_law(4), most), abs=1e-12)


def test_one_vehicle_is_seen_by_nobody_outside_its_target() -> None:
    sampling = Sampling(axes=(STATE,), draws=1, seed=0)
    got = exposure_counts([radio(target={"state": "NY"}).exposure(sampling)], appetite(1.0), 4)
    assert got[:, 0, 0].tolist() == [1, 0, 0, 0, 0]
    assert got[:, 0, 1] == pytest.approx(cut(nbd_law(1.5, 0.8, 0.9), 4), abs=1e-12)


# --- laws of several -----------------------------------------------------------------------
@pytest.mark.parametrize("most", [1, 2, 3, 8, 30])
def test_independent_vehicles_convolve(most: int) -> None:
    laws = [nbd_law(1.3, 0.8, 0.9), nbd_law(0.4, 2.0), paper_law(3)]
    met = [nbd(1.3, 0.8, 0.9), nbd(0.4, 2.0), paper(insertions=3).exposure(ALL)]
    wanted = np.convolve(np.convolve(laws[0], laws[1]), laws[2])
    assert of(met, appetite(0), most) == pytest.approx(cut(wanted, most), abs=1e-6)


INSERTED = [paper(insertions=3), paper(insertions=9), display(frequency_cap=3)]


def inserted_laws() -> list[Any]:
    return [paper_law(3), paper_law(9), capped_law()]


@pytest.mark.parametrize("theta", [1e-3, 0.1, 0.5, 1, 2])
@pytest.mark.parametrize("most", [1, 3, LAST])
def test_insertions_and_capped_displays_follow_the_law_of_who_meets_what(
    theta: float, most: int
) -> None:
    laws, met = inserted_laws(), [vehicle.exposure(ALL) for vehicle in INSERTED]
    wanted = law_of_total(laws, clayton(laws, theta))
    assert of(met, appetite(theta), most) == pytest.approx(cut(wanted, most), abs=NODES)


def test_the_strongest_dependence_misses_a_cell_by_half_a_percent_at_most() -> None:
    laws, met = inserted_laws(), [vehicle.exposure(ALL) for vehicle in INSERTED]
    wanted = law_of_total(laws, clayton(laws, 18))
    assert of(met, appetite(18)) == pytest.approx(cut(wanted, LAST), abs=5e-3)


@pytest.mark.parametrize("theta", [1e-3, 0.1, 0.5, 1, 2])
@pytest.mark.parametrize("most", [1, 3, LAST])
def test_beside_insertions_rated_vehicles_go_by_the_appetite(theta: float, most: int) -> None:
    rated, laws = [nbd_law(1.3, 0.8, 0.9), nbd_law(0.4, 0.5)], [paper_law(3), capped_law()]
    met = [nbd(1.3, 0.8, 0.9), INSERTED[0].exposure(ALL), nbd(0.4, 0.5), INSERTED[2].exposure(ALL)]
    wanted = law_of_total(laws, clayton(laws, theta, rated))
    assert of(met, appetite(theta), most) == pytest.approx(cut(wanted, most), abs=NODES)


def test_who_sees_insertions_alone_is_not_told_by_rated_vehicles_of_no_points() -> None:
    laws, met = [paper_law(3), capped_law()], [INSERTED[0].exposure(ALL), INSERTED[2].exposure(ALL)]
    wanted = cut(law_of_total(laws, clayton(laws, 1.0)), LAST)
    assert of([*met, nbd(0, 1.0)], appetite(1.0)) == pytest.approx(wanted, abs=NODES)


# --- vehicles met at a rate ----------------------------------------------------------------
@pytest.mark.parametrize("k", [0.2, 0.5, 1, 4, 1000])
@pytest.mark.parametrize("most", [1, 2, LAST, 40])
def test_with_r_equal_to_k_all_exposures_are_of_one_negative_binomial(k: float, most: int) -> None:
    means = [0.3, 1.1, 2.0]
    got = of([nbd(mean, k) for mean in means], appetite(1 / k), most)
    assert got == pytest.approx(cut(nbd_law(sum(means), k), most), abs=1e-6)


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(st.floats(0.02, 4), st.floats(0.2, 1), st.floats(0.3, 1)), min_size=2, max_size=4
    ),
    st.floats(1e-3, 1),
)
def test_rated_vehicles_follow_their_generating_function(
    vehicles: list[tuple[float, float, float]], theta: float
) -> None:
    wanted = of_rated([nbd_law(*each) for each in vehicles], theta)
    got = of([nbd(*each) for each in vehicles], appetite(theta))
    assert got == pytest.approx(cut(wanted, LAST), abs=2e-6)


@pytest.mark.parametrize("theta", [0.1, 0.5, 2])
@pytest.mark.parametrize("dispersion", [0.3, 3, 20])
def test_a_dispersion_above_k_follows_the_same_formula(theta: float, dispersion: float) -> None:
    figures = [(0.7, dispersion), (1.5, 0.8), (0.3, 2 * dispersion)]
    wanted = of_rated([nbd_law(*each) for each in figures], theta)
    got = of([nbd(*each) for each in figures], appetite(theta))
    assert got == pytest.approx(cut(wanted, LAST), abs=2e-6)


@pytest.mark.parametrize("theta", [0.3, 1])
def test_a_curve_by_its_histogram_is_met_at_rates(theta: float) -> None:
    curve = Curve("site", histogram=[2e5, 1e5, 5e4, 6e4], gross=8e5, universe=1e6)
    met = curve.exposure(ALL)
    laws = [met.counts(POINTS - 1)[:, 0, 0], nbd_law(1.3, 0.8, 0.9)]
    got = of([met, nbd(1.3, 0.8, 0.9)], appetite(theta))
    assert got == pytest.approx(cut(of_rated(laws, theta), LAST), abs=2e-6)


def test_without_dependence_rated_vehicles_convolve() -> None:
    laws = [nbd_law(1.3, 0.8, 0.9), nbd_law(0.4, 2.0), nbd_law(2.0, 50.0)]
    wanted = np.convolve(np.convolve(laws[0], laws[1])[:POINTS], laws[2])
    got = of([nbd(1.3, 0.8, 0.9), nbd(0.4, 2.0), nbd(2.0, 50.0)], appetite(0), 30)
    assert got == pytest.approx(cut(wanted, 30), abs=1e-6)


@settings(max_examples=12)
@given(
    st.lists(st.tuples(st.floats(0.02, 3), st.floats(0.2, 1)), min_size=2, max_size=4),
    st.floats(0, 2),
)
def test_the_mean_of_rated_vehicles_is_the_sum_of_theirs(
    vehicles: list[tuple[float, float]], theta: float
) -> None:
    laws = [nbd_law(*each) for each in vehicles]
    got = of([nbd(*each) for each in vehicles], appetite(theta), 60)
    beyond = np.maximum(np.arange(POINTS) - 60, 0) @ of_rated(laws, theta)
    assert np.arange(61) @ got + beyond == pytest.approx(sum(m for m, _ in vehicles), rel=1e-5)


def test_who_is_exposed_at_all_tells_how_often_only_where_vehicles_are_met_at_a_rate() -> None:
    rated = [nbd(0.8, 1.0), nbd(0.8, 1.0)]
    one, other = of(rated, appetite(1.0)), of([unrated(each) for each in rated], appetite(1.0))
    assert one[0] == other[0]
    assert one[8:].sum() > 1.2 * other[8:].sum()


# --- where the formula is no law -----------------------------------------------------------
HEAVY = [
    (37, 1e6, 1.0, 18.0, 36),  # overflows
    (8, 1e3, 1.0, 9.0, 18),  # adds up to more than 1 before any chance is negative
    (37, 1e6, 1.0, 2.0, 36),
    (3, 1e6, 1.0, 6.0, 12),
    (6, 50, 0.9, 2.0, 36),
    (60, 2, 1.0, 18.0, 36),
]


@pytest.mark.parametrize(("mean", "r", "cap", "theta", "most"), HEAVY)
def test_where_the_formula_is_no_law_those_met_are_so_as_often_as_their_own_law_says(
    mean: float, r: float, cap: float, theta: float, most: int
) -> None:
    met = [nbd(mean, r, cap), nbd(mean / 2, r, cap)]
    got = of(met, appetite(theta), most)
    assert got.tolist() == of([unrated(each) for each in met], appetite(theta), most).tolist()
    laws = [nbd_law(mean, r, cap), nbd_law(mean / 2, r, cap)]
    wanted = law_of_total(laws, clayton(laws, theta))
    assert got == pytest.approx(cut(wanted, most), abs=5e-3)


def test_other_draws_and_cells_keep_the_formula() -> None:
    heavy = nbd_exposure(
        ONE, ONE, mean=np.array([[1.0], [37.0]]), cap=ONE, dispersion=np.array([[0.5], [1e6]])
    )
    both = exposure_counts([heavy, nbd(1.0, 0.5)], appetite(2.0, 2.0), 36)[:, :, 0]
    assert both[:, 0] == pytest.approx(cut(nbd_law(2.0, 0.5), 36), abs=1e-6)
    alone = of([nbd(37, 1e6), nbd(1.0, 0.5)], appetite(2.0), 36)
    assert both[:, 1] == pytest.approx(alone, abs=1e-12)


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(st.floats(0, 60), st.floats(0.1, 1e3), st.floats(0.1, 1)), min_size=1, max_size=4
    ),
    st.floats(0, 18),
    st.integers(1, 20),
    st.integers(0, 3),
)
def test_chances_are_0_or_more_and_sum_to_1(
    vehicles: list[tuple[float, float, float]], theta: float, most: int, beside: int
) -> None:
    met = [nbd(*each) for each in vehicles]
    met += [vehicle.exposure(ALL) for vehicle in INSERTED[:beside]]
    got = exposure_counts(met, appetite(theta), most)
    assert got.shape == (most + 1, 1, 1)
    assert (got >= 0).all()
    assert got.sum() == pytest.approx(1, abs=1e-12)


# --- segments between two amounts of delivery ----------------------------------------------
REGION = Axis(name="region", levels=tuple(f"r{number}" for number in range(40)))


def by_region(values: Any) -> pd.DataFrame:
    """Nobody is delivered to where the region is unknown."""
    return pd.DataFrame({"region": REGION.levels, "value": [*values, 0.0]})


def delivered_unevenly(points: float, cap: float, r: float) -> Exposure:
    """Television whose heaviest segment gets ten times the lightest one's points."""
    shares = np.geomspace(1, 10, 40)
    television = radio(
        grps=lognormal(mean=points, sd=points / 10),
        reach_cap=cap,
        dispersion=r,
        target=by_region(shares / shares.sum()),
        universe=by_region(np.full(40, 10_000.0)),
    )
    return television.exposure(Sampling(axes=(REGION,), draws=5, seed=0))


@pytest.mark.parametrize("points", [400, 2000])
@pytest.mark.parametrize(
    ("cap", "r"), [(0.9, 0.5), (0.98, 5.0), (1.0, 5.0), (1.0, 20.0), (0.95, 50.0)]
)
@pytest.mark.parametrize("theta", [0.2, 2])
def test_segments_between_two_amounts_are_counted_as_exactly_as_others(
    points: float, cap: float, r: float, theta: float
) -> None:
    between = delivered_unevenly(points, cap, r)
    assert between.interpolated
    by_cell = nbd_exposure(
        np.ones((1, 41)), np.eye(41), mean=between.gross(), cap=cap * ONE, dispersion=r * ONE
    )
    other = nbd_exposure(ONE, np.ones((1, 41)), mean=1.5 * ONE, cap=ONE, dispersion=ONE)
    got, wanted = (
        exposure_counts([each, other], appetite(theta), 20) for each in (between, by_cell)
    )
    assert got == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize("most", [3, 10, 20])
def test_a_vehicle_alone_is_counted_exactly_between_two_amounts(most: int) -> None:
    """Near 20 exposures chances are narrower functions of the amount than reach is."""
    between = delivered_unevenly(2000, 1.0, 30.0)
    assert between.interpolated
    wanted = nbd_counts(most, between.gross()[:, :-1], ONE, 30 * ONE)
    got = exposure_counts([between], appetite(0.0), most)[..., :-1]
    assert got == pytest.approx(wanted, abs=1e-5)
    assert got.min() >= 0


# --- classes -------------------------------------------------------------------------------
@settings(max_examples=15)
@given(seeds, st.sampled_from([0.5, 1.0, 3.0, math.inf]))
def test_classes_follow_the_law_of_who_meets_what(seed: int, k: float) -> None:
    random = np.random.default_rng(seed)
    share, rate = random.dirichlet(np.ones(3)), random.lognormal(0, 1, (3, 3))
    law = Classes(share=share, rate=rate / (share @ rate), appetite=k)
    laws = [nbd_law(1.3, 0.8, 0.9), nbd_law(0.4, 2.0), paper_law(3)]
    met = [nbd(1.3, 0.8, 0.9), nbd(0.4, 2.0), paper(insertions=3).exposure(ALL)]
    wanted = law_of_total(laws, by_classes(laws, law))
    assert of(met, of_law(law)) == pytest.approx(cut(wanted, LAST), abs=1e-3)


# --- what holds for any --------------------------------------------------------------------
@pytest.mark.parametrize("most", [1, 5])
def test_those_met_by_none_are_exactly_those_of_the_joint_law(most: int) -> None:
    sampling = Sampling(axes=(STATE,), draws=20, seed=3)
    media = [paper(reach_1=beta(mean=0.3, sd=0.03)), radio(target={"state": "NY"}), display()]
    met = [vehicle.exposure(sampling) for vehicle in media]
    rate = np.array([[1.5, 0.5, 1.0], [0.5, 1.5, 1.0]])
    law = Classes(share=np.array([0.5, 0.5]), rate=rate, appetite=2.0)
    for joint in (
        Appetite(theta=np.linspace(0, 2, 20)),
        Mixture(classes=(law,), pick=np.zeros(20, dtype=np.int64)),
    ):
        got = exposure_counts(met, joint, most)
        assert got.shape == (most + 1, 20, 3)
        assert np.array_equal(got[0], joint.unmet(met))


@pytest.mark.parametrize("theta", [0, 0.3, 1, 2])
def test_the_mean_is_the_sum_of_the_vehicles_means(theta: float) -> None:
    met = [nbd(1.3, 0.8, 0.9), nbd(0.4, 2.0), paper(insertions=5).exposure(ALL)]
    got = np.arange(81) @ of(met, appetite(theta), 80)
    assert got == pytest.approx(1.3 + 0.4 + 5 * 0.3, rel=1e-3)


@pytest.mark.parametrize("theta", [0, 0.7, 2])
def test_a_longer_law_has_the_same_first_cells(theta: float) -> None:
    met = [nbd(1.3, 0.8), nbd(0.9, 2.0)]
    short, long = of(met, appetite(theta), 4), of(met, appetite(theta), 30)
    assert short[:4] == pytest.approx(long[:4], abs=1e-12)
    assert short[4] == pytest.approx(long[4:].sum(), abs=1e-12)


@pytest.mark.parametrize("theta", [0, 0.7, 2])
def test_a_vehicle_that_reaches_nobody_leaves_the_others_law(theta: float) -> None:
    got = of([nbd(1.3, 0.8), nbd(0, 1.0)], appetite(theta))
    assert got == pytest.approx(cut(nbd_law(1.3, 0.8), LAST), abs=1e-6)


@pytest.mark.parametrize("theta", [0, 0.7, 2])
def test_the_order_of_vehicles_changes_no_cell(theta: float) -> None:
    met = [nbd(1.3, 0.8), nbd(0.9, 2.0, 0.5), paper().exposure(ALL)]
    got, turned = (of(each, appetite(theta)) for each in (met, met[::-1]))
    assert turned == pytest.approx(got, abs=1e-6)


def test_dependence_moves_exposures_to_fewer_persons_without_changing_their_number() -> None:
    met = [nbd(0.8, 1.0), nbd(0.8, 1.0), nbd(0.8, 1.0)]
    weak, strong = of(met, appetite(0.1)), of(met, appetite(2.0))
    assert strong[0] > weak[0]
    assert strong[6:].sum() > weak[6:].sum()


def test_every_draw_and_cell_follows_its_own_figures() -> None:
    sampling = Sampling(axes=(STATE,), draws=3, seed=1)
    media = [radio(grps=lognormal(mean=150, sd=60), target={"state": "NY"}), paper(insertions=3)]
    met, theta = [vehicle.exposure(sampling) for vehicle in media], [0.0, 0.5, 2.0]
    got = exposure_counts(met, appetite(*theta), LAST)
    for draw in range(3):
        alone = cut(paper_law(3), LAST)
        assert got[:, draw, 0] == pytest.approx(alone, abs=1e-6)
        laws = [nbd_law(float(met[0].gross()[draw, 1]), 0.8, 0.9), paper_law(3)]
        wanted = law_of_total(laws[1:], clayton(laws[1:], theta[draw], laws[:1]))
        assert got[:, draw, 1] == pytest.approx(cut(wanted, LAST), abs=NODES)


def test_every_draw_follows_the_law_picked_for_it() -> None:
    rate = np.array([[1.9, 0.1], [0.1, 1.9]])
    apart = Classes(share=np.array([0.5, 0.5]), rate=rate, appetite=2.0)
    alike = Classes(share=np.array([0.5, 0.5]), rate=rate[:, [0, 0]], appetite=2.0)
    met = [nbd(1.3, 0.8), nbd(0.9, 2.0)]
    got = exposure_counts(met, Mixture(classes=(apart, alike), pick=np.array([1, 0, 1])), LAST)
    for draw, law in enumerate([alike, apart, alike]):
        assert got[:, draw, 0] == pytest.approx(of(met, of_law(law)), abs=1e-6)


@pytest.mark.parametrize("strongest", [0, 2, 18])
def test_blocks_and_cores_change_no_cell(strongest: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of classes for 0, and up to 18 with draws where the formula is no law."""
    sampling = Sampling(axes=(STATE,), draws=30, seed=1)
    media = [radio(grps=lognormal(mean=150, sd=60), target={"state": "NY"}), paper(insertions=3)]
    media += [radio(grps=lognormal(mean=300, sd=60), dispersion=30)]
    met, random = [vehicle.exposure(sampling) for vehicle in media], np.random.default_rng(2)
    rate = np.array([[1.9, 0.1], [0.1, 1.9]])
    laws = [
        Classes(share=np.full(2, 0.5), rate=rate[:, own], appetite=2.0)
        for own in ([0, 1, 1], [0, 0, 0])
    ]
    joint: Joint = Mixture(classes=tuple(laws), pick=random.integers(2, size=30))
    if strongest:
        joint = Appetite(theta=random.uniform(0, strongest, 30))
    found = []
    for numbers, cores in [(10**9, 1), (1, 1), (7 * 3 * 5, 3)]:
        monkeypatch.setattr(in_blocks, "_NUMBERS", numbers)
        monkeypatch.setattr(in_blocks.os, "cpu_count", lambda cores=cores: cores)
        found.append(exposure_counts(met, joint, 9))
    for other in found[1:]:
        assert other == pytest.approx(found[0], abs=1e-6)


# --- simulated persons ---------------------------------------------------------------------
def drawn(law: Any, number: int, random: np.random.Generator) -> Any:
    return np.searchsorted(np.cumsum(law) / law.sum(), random.random(number))


def seen(law: Any, clock: Any, random: np.random.Generator) -> Any:
    """Everybody's exposures where met with probability 1 - exp(-clock), or not."""
    met = random.random(PERSONS) < -np.expm1(-clock)
    return met * drawn(truncated(law), PERSONS, random)


def in_clusters(law: Any, theta: float, z: Any, random: np.random.Generator) -> Any:
    """Everybody's exposures at a rate: clusters at rate z (P^-theta - 1) / theta each.

    Clusters have the sizes that together, over z ~ Gamma(1 / theta, mean 1), make the law.
    """
    grown = -np.fft.fft(np.exp(-theta * log_of(on_circle(law)))).real / len(law)
    assert (grown[1:400] > -1e-9).all()
    clusters = random.poisson(z * (law[0] ** -theta - 1) / theta)
    sizes = drawn(np.maximum(grown, 0.0), int(clusters.sum()), random)
    return np.bincount(np.repeat(np.arange(PERSONS), clusters), weights=sizes, minlength=PERSONS)


def check_simulated(got: Any, exposures: Any) -> None:
    counts = np.minimum(exposures, LAST).astype(np.int64)
    shares = np.bincount(counts, minlength=LAST + 1) / PERSONS
    error = np.sqrt(np.maximum(got * (1 - got), 1 / PERSONS) / PERSONS)
    assert (np.abs(got - shares) <= 4 * error).all()


@pytest.mark.parametrize(("k", "seed"), [(0.4, 1), (1.0, 2), (3.0, 3)])
def test_a_million_persons_with_rates_of_one_appetite_are_exposed_so_often(
    k: float, seed: int
) -> None:
    """Poisson at z m_v for r = k; 13 cells at 4 s.e.: a false alarm in one of 1,200 seeds."""
    random, means = np.random.default_rng(seed), [0.3, 0.9, 1.6]
    z = random.gamma(k, 1 / k, PERSONS)
    exposures = sum(random.poisson(z * mean) for mean in means)
    check_simulated(of([nbd(mean, k) for mean in means], appetite(1 / k)), exposures)


@pytest.mark.parametrize(("theta", "seed"), [(0.3, 4), (1.0, 5), (2.0, 6)])
def test_a_million_persons_with_clusters_of_exposures_are_exposed_so_often(
    theta: float, seed: int
) -> None:
    """Dispersions below k; 13 cells at 4 s.e.: a false alarm in one of 1,200 seeds."""
    random, figures = np.random.default_rng(seed), [(0.5, 0.5), (1.2, 0.3), (0.8, 0.45)]
    z = random.gamma(1 / theta, theta, PERSONS)
    exposures = sum(in_clusters(nbd_law(*each), theta, z, random) for each in figures)
    check_simulated(of([nbd(*each) for each in figures], appetite(theta)), exposures)


MEDIA = [paper(insertions=3), radio(), display(frequency_cap=3)]


def laws_of_media() -> list[Any]:
    return [paper_law(3), nbd_law(1.5, 0.8, 0.9), capped_law()]


@pytest.mark.parametrize(("theta", "seed"), [(0.3, 7), (0.6, 8), (1.0, 9)])
def test_a_million_persons_with_appetites_are_exposed_so_often(theta: float, seed: int) -> None:
    """Radio in clusters, others met or not; 13 cells at 4 s.e.: one false alarm in 1,200 seeds."""
    random, laws = np.random.default_rng(seed), laws_of_media()
    z = random.gamma(1 / theta, theta, PERSONS)
    exposures = in_clusters(laws[1], theta, z, random)
    for law in (laws[0], laws[2]):
        exposures += seen(law, z * (law[0] ** -theta - 1) / theta, random)
    check_simulated(of([vehicle.exposure(ALL) for vehicle in MEDIA], appetite(theta)), exposures)


def test_a_million_persons_of_classes_are_exposed_so_often() -> None:
    """The class first, then the appetite; 13 cells at 4 s.e.: a false alarm in one of 1,200."""
    random, k, laws = np.random.default_rng(4), 2.0, laws_of_media()
    share = np.array([0.3, 0.5, 0.2])
    rate = np.array([[2.0, 0.2, 1.0], [0.3, 1.5, 0.1], [1.0, 0.5, 4.0]])
    law = Classes(share=share, rate=rate / (share @ rate), appetite=k)
    scale = law.scales(np.array([each[0] for each in laws]))
    kind = random.choice(3, p=share, size=PERSONS)
    z = random.gamma(k, 1 / k, PERSONS)
    exposures = sum(seen(laws[v], z * scale[v] * law.rate[kind, v], random) for v in range(3))
    check_simulated(of([vehicle.exposure(ALL) for vehicle in MEDIA], of_law(law)), exposures)
