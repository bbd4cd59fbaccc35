"""Do bitmaps tell the overlap as well as stated? The people are fixed, hashes and flips are drawn.

Hashes, flips and count noise are simulated with numpy and fixed seeds, so a check either holds for
good or not. Over all choices of the seeds, each comparison fails with a chance of at most 1e-6 a
side where nothing is wrong: 5 standard errors, or binomial limits. There are 62, of two sides: 5 in
each of 9 settings of coverage, 2 in each of 4 of the union, 8 patterns and the sum of blocks. Every
check is also shown to see the fault that it is there for. `benchmarks/overlap.py` is the same with
the large class of the published targets.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom

from dpnotice.analyst.overlap import planes as planes_module
from dpnotice.analyst.overlap import regions as regions_module
from dpnotice.analyst.overlap.patterns import histogram
from dpnotice.analyst.overlap.planes import scored
from dpnotice.analyst.overlap.regions import containing, expected, membership, solve
from dpnotice.bitmap import DRAWS
from made import overlapping as made

pytestmark = pytest.mark.slow
Array = Any
Union = Callable[[Array, Any], float]
BUYERS, BITS = 5859, 2**15
"""As many bits per buyer as 1.5 million have on 2^23."""
RUNS, COVERAGE_RUNS = 400, 2000
LOWEST, HIGHEST = (
    float(binom.ppf(q, COVERAGE_RUNS, 0.95)) / COVERAGE_RUNS for q in (1e-6, 1 - 1e-6)
)
MIXED = ("1", "2", "0.7")


# --- coverage ------------------------------------------------------------------------------
def coverage(retailers: int, epsilon: str) -> tuple[Array, Array]:
    """Shares of 95 % intervals that hold the union, a pair and a size; alone, and with counts."""
    people, rng = made.people(BUYERS, retailers, "mid"), np.random.default_rng([1, retailers])
    sizes = membership(retailers) @ people
    asked = np.vstack([containing(retailers)[[0, 3]], membership(retailers)[:1]])
    held = []
    for _ in range(COVERAGE_RUNS):
        seen = made.occupied(people, BITS, rng)
        fits = made.fitted(seen, [epsilon] * retailers, sizes, rng)
        held.append([made.covered(fit, asked, people) for fit in fits])
    alone, joint = np.mean(held, axis=0)
    return alone, joint


@pytest.mark.parametrize("retailers", [2, 3, 4])
@pytest.mark.parametrize("epsilon", ["1", "2", "4"])
def test_95_percent_intervals_hold_the_truth_95_times_in_100(retailers: int, epsilon: str) -> None:
    alone, joint = coverage(retailers, epsilon)
    assert alone.min() > LOWEST
    assert alone.max() < HIGHEST
    assert joint[:2].min() > LOWEST
    assert joint[:2].max() < HIGHEST


def test_the_inverse_information_as_covariance_is_seen_at_epsilon_2() -> None:
    """An interval for a retailer's size would hold the truth 98.8 times in 100."""
    with made.poisson_covariance():
        alone, _ = coverage(3, "2")
    assert alone.max() > 0.98 > HIGHEST


# --- error and bias of the union -----------------------------------------------------------
def joint_fit(seen: Array, rng: np.random.Generator) -> float:
    """As the project does it: from words, one flip chance per retailer, all maps at once."""
    maps = made.words(seen, made.thresholds(*MIXED), rng)
    return solve(histogram(maps), made.chances(*MIXED)).union


def by_scoring(seen: Array, rng: np.random.Generator) -> float:
    flips = made.chances(*MIXED)
    return scored(made.counted(seen, flips, rng), flips, 1).regions().union


def one_epsilon(seen: Array, rng: np.random.Generator) -> float:
    """Fault: the first retailer's chance of a flip for all."""
    flips = made.chances(*MIXED)
    return solve(made.counted(seen, flips, rng), flips[:1] * 3).union


def merging(seen: Array, rng: np.random.Generator) -> float:
    """Fault: the noisy maps become one, whose flips have 1 - e^-e* = product of 1 - e^-e."""
    chance = 1 - math.prod(1 - flip / (1 - flip) for flip in made.chances(*MIXED))
    merged = [chance / (1 + chance)]
    return solve(made.counted((seen > 0).astype(np.uint16), merged, rng), merged).union


def union_errors(estimate: Union, shape: str) -> tuple[float, float]:
    """Mean error in its own standard errors, and s.d. over that of the bound."""
    people, rng = made.people(BUYERS, 3, shape), np.random.default_rng(2)
    errors = [estimate(made.occupied(people, BITS, rng), rng) - people.sum() for _ in range(RUNS)]
    deviation = float(np.std(errors, ddof=1))
    bound = expected(people, BITS, made.chances(*MIXED)).union_sd
    return float(np.mean(errors)) / deviation * math.sqrt(RUNS), deviation / bound


def right(estimate: Union, shape: str = "low") -> bool:
    bias, ratio = union_errors(estimate, shape)
    return abs(bias) < 5 and abs(ratio - 1) < 5 / math.sqrt(2 * RUNS)


@contextmanager
def clipping() -> Iterator[None]:
    """Fault: regions are kept above 0 while the likelihood is maximised."""

    def moved(model: Any, counts: Array, start: Array) -> tuple[Array, Array]:
        people, inverse = np.maximum(start, 0), np.eye(len(start))
        for _ in range(40):
            law, slope = model.law(people)
            inverse = np.linalg.inv(model.information(law, slope))
            people = np.maximum(people + model.bits * inverse @ slope.T @ (counts / law), 0)
        return people, model.bits**2 * inverse

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planes_module, "_maximised", moved)
        yield


@pytest.mark.parametrize("shape", list(made.SHAPES))
@pytest.mark.parametrize("estimate", [joint_fit, by_scoring])
def test_the_union_has_no_bias_and_the_error_of_the_bound(estimate: Union, shape: str) -> None:
    assert right(estimate, shape)


@pytest.mark.parametrize(
    ("fault", "estimate"),
    [(nullcontext(), one_epsilon), (nullcontext(), merging), (clipping(), by_scoring)],
    ids=["one epsilon for all", "merging noisy maps", "clipping in the iteration"],
)
def test_a_fault_of_the_fit_is_seen(fault: AbstractContextManager[None], estimate: Union) -> None:
    with fault:
        assert not right(estimate)


def test_blocks_summed_have_no_bias_that_adds_up() -> None:
    """Sixteen blocks of 366 buyers: their sum against 5 of its standard errors."""
    people, rng = made.people(366, 3, "mid"), np.random.default_rng(3)
    flips, blocks, runs = made.chances("2", "2", "2"), 16, 150
    errors = []
    for _ in range(blocks * runs):
        counts = made.counted(made.occupied(people, 2**12, rng), flips, rng)
        errors.append(solve(counts, flips).union - people.sum())
    summed = np.reshape(errors, (runs, blocks)).sum(axis=1)
    assert abs(summed.mean()) < 5 * summed.std() / math.sqrt(runs)


# --- counts --------------------------------------------------------------------------------
def inverse_form(
    prior: tuple[Array, Array], design: Array, data: tuple[Array, Array]
) -> tuple[Array, Array, Array]:
    """Fault: precisions are added, with the counts' covariance inverted."""
    (estimate, covariance), (values, errors) = prior, data
    precision = np.linalg.inv(errors)
    spread = np.linalg.inv(np.linalg.inv(covariance) + design.T @ precision @ design)
    gain = spread @ design.T @ precision
    return estimate + gain @ (values - design @ estimate), spread, gain


def off_after_joining(variance: float) -> float:
    """How far, in people, sizes are from counts that are as good as exact."""
    people, rng = made.people(BUYERS, 3, "mid"), np.random.default_rng(4)
    flips, sizes = made.chances(*MIXED), membership(3) @ people
    fit = solve(made.counted(made.occupied(people, BITS, rng), flips, rng), flips)
    joint, _ = fit.joined(sizes, variance * np.eye(3))
    return float(np.abs(joint.sizes - sizes).max())


@pytest.mark.parametrize("variance", [0.0, 1e-10, 1e-6])
def test_sizes_are_the_counts_however_exact_these_are(variance: float) -> None:
    assert off_after_joining(variance) < 1e-5


def test_inverting_the_counts_covariance_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regions_module, "join", inverse_form)
    with pytest.raises(np.linalg.LinAlgError):
        off_after_joining(0.0)
    assert off_after_joining(1e-10) > 1


# --- the simulator itself ------------------------------------------------------------------
def test_flipping_bit_by_bit_has_the_law_of_flipping_patterns() -> None:
    """Mean histograms of the two ways differ by less than 5 of their standard errors."""
    people, rng, runs = made.people(366, 3, "mid"), np.random.default_rng(5), 400
    thresholds, flips = made.thresholds(*MIXED), made.chances(*MIXED)
    ways = np.zeros((2, runs, 2, 2, 2))
    for run in range(runs):
        seen = made.occupied(people, 2**12, rng)
        ways[0, run] = histogram(made.words(seen, thresholds, rng))
        ways[1, run] = made.counted(seen, flips, rng)
    first, second = ways.mean(axis=1)
    errors = np.sqrt(ways.var(axis=1).sum(axis=0) / runs)
    assert np.abs((first - second) / errors).max() < 5
    assert flips == [t / DRAWS for t in thresholds]
