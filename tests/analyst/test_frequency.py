import math
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from dpnotice.analyst import net
from dpnotice.analyst.classes import Classes
from dpnotice.analyst.frequency import exposure_counts
from dpnotice.analyst.media import nbd_exposure
from dpnotice.analyst.net import Appetite, Joint, Mixture
from dpnotice.analyst.rates import beta, lognormal
from dpnotice.analyst.sampling import Sampling
from dpnotice.analyst.vehicle import Exposure
from made.notices import ALL, STATE, display, paper, radio

ONE = np.ones((1, 1))
NODES = 3e-4
"""What the nodes of the integral over the appetite may miss of a cell, for theta up to 2."""
PERSONS = 10**6
LAST = 12
seeds = st.integers(0, 10**6)


def nbd(mean: float, r: float, cap: float = 1.0) -> Exposure:
    return nbd_exposure((mean * ONE, ONE), cap * ONE, r * ONE, ONE)


def nbd_law(mean: float, r: float, cap: float = 1.0, most: int = 600) -> Any:
    law = cap * stats.nbinom.pmf(np.arange(most), r, r / (r + mean / cap))
    law[0] += 1 - cap
    return law


def paper_law(insertions: int, most: int = 600) -> Any:
    """R1 = 0.3, R2 = 0.45: alpha 0.75, beta 1.75."""
    return stats.betabinom.pmf(np.arange(most), insertions, 0.75, 1.75)


def appetite(*theta: float) -> Appetite:
    return Appetite(theta=np.array(theta, dtype=float))


def of_law(law: Classes) -> Mixture:
    return Mixture(classes=(law,), pick=np.zeros(1, dtype=np.int64))


def cut(law: Any, most: int) -> Any:
    """Chances of 0, 1, ..., and of `most` or more."""
    return np.append(law[:most], 1 - law[:most].sum())


def of(met: Sequence[Exposure], joint: Joint, most: int = LAST) -> Any:
    return exposure_counts(met, joint, most)[:, 0, 0]


def survival(y: Any, k: float) -> Any:
    return np.exp(-y) if math.isinf(k) else (1 + y / k) ** -k


def law_of_total(laws: Sequence[Any], unmet: Callable[[list[int]], float]) -> Any:
    """The law of all exposures without any integral: over which vehicles are met.

    Exactly those of S are met with probability sum over T in S of (-1)^|T| unmet(T and all others);
    then their zero-truncated laws are convolved.
    """
    every, size = range(len(laws)), len(laws[0])
    total = np.zeros(size)
    for number in range(len(laws) + 1):
        for met in combinations(every, number):
            others = [v for v in every if v not in met]
            chance = sum(
                (-1) ** some * unmet([*others, *more])
                for some in range(number + 1)
                for more in combinations(met, some)
            )
            law = np.eye(1, size)[0]
            for v in met:
                positive = laws[v] * (np.arange(size) > 0)
                law = np.convolve(law, positive / positive.sum())[:size]
            total += chance * law
    return total


def clayton(laws: Sequence[Any], theta: float) -> Callable[[list[int]], float]:
    def unmet(which: list[int]) -> float:
        chances = np.array([laws[v][0] for v in which])
        if theta == 0:
            return float(chances.prod())
        return float((1 + np.sum(chances**-theta - 1)) ** (-1 / theta))

    return unmet


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


@pytest.mark.parametrize("theta", [1e-3, 0.1, 0.5, 1, 2])
@pytest.mark.parametrize("most", [1, 3, LAST])
def test_the_law_is_that_of_who_meets_what(theta: float, most: int) -> None:
    laws = [nbd_law(1.3, 0.8, 0.9), nbd_law(0.4, 2.0), paper_law(3)]
    met = [nbd(1.3, 0.8, 0.9), nbd(0.4, 2.0), paper(insertions=3).exposure(ALL)]
    wanted = law_of_total(laws, clayton(laws, theta))
    assert of(met, appetite(theta), most) == pytest.approx(cut(wanted, most), abs=NODES)


def test_the_strongest_dependence_misses_a_cell_by_half_a_percent_at_most() -> None:
    laws = [nbd_law(1.3, 0.8, 0.9), nbd_law(0.4, 2.0), paper_law(3)]
    met = [nbd(1.3, 0.8, 0.9), nbd(0.4, 2.0), paper(insertions=3).exposure(ALL)]
    wanted = law_of_total(laws, clayton(laws, 18))
    assert of(met, appetite(18)) == pytest.approx(cut(wanted, LAST), abs=5e-3)


@settings(max_examples=25)
@given(
    st.lists(
        st.tuples(st.floats(0.02, 4), st.floats(0.2, 10), st.floats(0.3, 1)),
        min_size=2,
        max_size=4,
    ),
    st.floats(0, 2),
)
def test_negative_binomial_vehicles_follow_the_law_of_who_meets_what(
    vehicles: list[tuple[float, float, float]], theta: float
) -> None:
    laws = [nbd_law(*each) for each in vehicles]
    wanted = law_of_total(laws, clayton(laws, max(theta, 1e-6)))
    got = of([nbd(*each) for each in vehicles], appetite(theta))
    assert got == pytest.approx(cut(wanted, LAST), abs=1e-3)


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


@pytest.mark.parametrize("k", [0.5, 1, 4])
def test_with_r_equal_to_k_nobody_is_that_of_one_negative_binomial_with_all_exposures(
    k: float,
) -> None:
    means = [0.3, 1.1, 2.0]
    got = of([nbd(mean, k) for mean in means], appetite(1 / k))
    assert got[0] == pytest.approx(nbd_law(sum(means), k)[0], abs=1e-6)


# --- what holds for any --------------------------------------------------------------------
@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.floats(0, 20), st.floats(0.1, 10)), min_size=1, max_size=5),
    st.floats(0, 18),
    st.integers(1, 25),
)
def test_chances_are_0_or_more_and_sum_to_1(
    vehicles: list[tuple[float, float]], theta: float, most: int
) -> None:
    got = exposure_counts([nbd(*each) for each in vehicles], appetite(theta), most)
    assert got.shape == (most + 1, 1, 1)
    assert (got >= 0).all()
    assert got.sum() == pytest.approx(1, abs=1e-12)


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
    got = np.arange(301) @ of(met, appetite(theta), 300)
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
        wanted = law_of_total(laws, clayton(laws, max(theta[draw], 1e-6)))
        assert got[:, draw, 1] == pytest.approx(cut(wanted, LAST), abs=NODES)


def test_every_draw_follows_the_law_picked_for_it() -> None:
    rate = np.array([[1.9, 0.1], [0.1, 1.9]])
    apart = Classes(share=np.array([0.5, 0.5]), rate=rate, appetite=2.0)
    alike = Classes(share=np.array([0.5, 0.5]), rate=rate[:, [0, 0]], appetite=2.0)
    met = [nbd(1.3, 0.8), nbd(0.9, 2.0)]
    got = exposure_counts(met, Mixture(classes=(apart, alike), pick=np.array([1, 0, 1])), LAST)
    for draw, law in enumerate([alike, apart, alike]):
        assert got[:, draw, 0] == pytest.approx(of(met, of_law(law)), abs=1e-6)


@pytest.mark.parametrize("kind", ["appetite", "classes"])
def test_blocks_and_cores_change_no_cell(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sampling = Sampling(axes=(STATE,), draws=30, seed=1)
    media = [radio(grps=lognormal(mean=150, sd=60), target={"state": "NY"}), paper(insertions=3)]
    met, random = [vehicle.exposure(sampling) for vehicle in media], np.random.default_rng(2)
    rate = np.array([[1.9, 0.1], [0.1, 1.9]])
    laws = [Classes(share=np.full(2, 0.5), rate=r, appetite=2.0) for r in (rate, rate[:, [0, 0]])]
    joint: Joint = Mixture(classes=tuple(laws), pick=random.integers(2, size=30))
    if kind == "appetite":
        joint = Appetite(theta=random.uniform(0, 2, 30))
    found = []
    for numbers, cores in [(10**9, 1), (1, 1), (7 * 3 * 5, 3)]:
        monkeypatch.setattr(net, "_IN_CACHE", numbers)
        monkeypatch.setattr(net.os, "cpu_count", lambda cores=cores: cores)
        found.append(exposure_counts(met, joint, 4))
    for other in found[1:]:
        assert other == pytest.approx(found[0], abs=1e-6)


# --- simulated persons ---------------------------------------------------------------------
def seen(laws: Sequence[Any], clocks: Sequence[Any], random: np.random.Generator) -> Any:
    """Shares of persons by their exposures, given everybody's clock of every vehicle."""
    total = np.zeros(PERSONS, dtype=np.int64)
    for law, clock in zip(laws, clocks, strict=True):
        met = random.random(PERSONS) < -np.expm1(-clock)
        upto = np.cumsum(law[1:]) / law[1:].sum()
        total += met * (1 + np.searchsorted(upto, random.random(PERSONS)))
    return np.bincount(np.minimum(total, LAST), minlength=LAST + 1) / PERSONS


def check_simulated(got: Any, shares: Any) -> None:
    error = np.sqrt(np.maximum(got * (1 - got), 1 / PERSONS) / PERSONS)
    assert (np.abs(got - shares) <= 4 * error).all()


MEDIA = [paper(insertions=3), radio(), display(frequency_cap=3)]


def laws_of(media: Sequence[Any]) -> list[Any]:
    capped = media[2].exposure(ALL).counts(20)[:, 0, 0]
    return [paper_law(3), nbd_law(1.5, 0.8, 0.9), np.append(capped, np.zeros(579))]


@pytest.mark.parametrize(("theta", "seed"), [(0.3, 1), (1.0, 2), (2.0, 3)])
def test_a_million_persons_with_appetites_are_exposed_so_often(theta: float, seed: int) -> None:
    """z ~ Gamma(k, mean 1); 13 cells at 4 s.e.: a false alarm in one of 1,200 seeds."""
    random, k = np.random.default_rng(seed), 1 / theta
    laws = laws_of(MEDIA)
    z = random.gamma(k, 1 / k, PERSONS)
    shares = seen(laws, [z * k * (law[0] ** -theta - 1) for law in laws], random)
    check_simulated(of([vehicle.exposure(ALL) for vehicle in MEDIA], appetite(theta)), shares)


def test_a_million_persons_of_classes_are_exposed_so_often() -> None:
    """The class first, then the appetite; 13 cells at 4 s.e.: a false alarm in one of 1,200."""
    random, k = np.random.default_rng(4), 2.0
    share = np.array([0.3, 0.5, 0.2])
    rate = np.array([[2.0, 0.2, 1.0], [0.3, 1.5, 0.1], [1.0, 0.5, 4.0]])
    law = Classes(share=share, rate=rate / (share @ rate), appetite=k)
    laws = laws_of(MEDIA)
    scale = law.scales(np.array([each[0] for each in laws]))
    kind = random.choice(3, p=share, size=PERSONS)
    z = random.gamma(k, 1 / k, PERSONS)
    shares = seen(laws, [z * scale[v] * law.rate[kind, v] for v in range(3)], random)
    check_simulated(of([vehicle.exposure(ALL) for vehicle in MEDIA], of_law(law)), shares)
