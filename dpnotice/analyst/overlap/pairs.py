"""Maps of up to twenty retailers -> persons at two of them, and sums over all twos, threes, fours.

In: histograms of the bit patterns of the flipped maps, block by block. Out: every pair's estimate,
and S_r, the sum of r-way intersections, each with a standard deviation. No map is merged with
another, and nothing is assumed about the overlap.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from itertools import combinations
from operator import add
from typing import Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from dpnotice.analyst.intervals import Floats, bonferroni, check_level
from dpnotice.analyst.overlap.regions import root
from dpnotice.errors import EstimateError

Words: TypeAlias = npt.NDArray[np.uint64]
Histogram: TypeAlias = npt.NDArray[np.int64]

FEWEST_RETAILERS: Final = 2
MOST_RETAILERS: Final = 20
"""A histogram has 2^k patterns: 8 MiB at this k."""
ORDERS: Final = 4
"""Largest r of S_r: products of pairs give all fours, the first that five need more than."""
SMALL_ERROR: Final = 0.2
"""Share of a sum below which its s.d. must lie for the sum to be of use."""
_CHUNK: Final = 2**14
"""Words or patterns at a time: the arrays stay below some 32 MiB."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pairs:
    """What the maps say of the overlap of k retailers.

    Attributes:
        retailers: names.
        pairs: (k, k) persons at both; unclipped, 0 on the diagonal.
        pair_sd: (k, k) standard deviations, persons.
        sums: (R,) S_1 .. S_R, R <= 4: sums over persons at d retailers of C(d, r).
        covariance: (R, R) of the sums, persons squared; too large rather than too small.
    """

    retailers: tuple[str, ...]
    pairs: Floats
    pair_sd: Floats
    sums: Floats
    covariance: Floats

    @property
    def total(self) -> float:
        """S_2, the sum of all pairs, persons."""
        return float(self.sums[1])

    @property
    def total_sd(self) -> float:
        """Its standard deviation, persons."""
        return math.sqrt(float(self.covariance[1, 1]))

    def useful(self) -> dict[int, tuple[float, float]]:
        """Return S_2, and the S_r above it while their s.d. is below 20 %, with s.d., by r."""
        found = {2: (self.total, self.total_sd)}
        for order in range(3, len(self.sums) + 1):
            value = float(self.sums[order - 1])
            sd = math.sqrt(float(self.covariance[order - 1, order - 1]))
            if not sd < SMALL_ERROR * value:
                break
            found[order] = value, sd
        return found

    def limits(self, level: float) -> Floats:
        """Return (k, k, 2) limits of the pairs that hold together at a level, from 0 up."""
        number = math.comb(len(self.retailers), 2)
        z = float(ndtri((1 + bonferroni(check_level(level), number)) / 2))
        ends = np.stack([self.pairs - z * self.pair_sd, self.pairs + z * self.pair_sd], axis=2)
        return np.maximum(ends, 0.0)


def pattern_histogram(maps: Sequence[Words]) -> Histogram:
    """Count the patterns of the k bits that stand at one place of k maps.

    Args:
        maps: k <= 20 maps of one block, each (m / 64,) words.

    Returns:
        (2,) * k: axis i is the observed bit of map i; sums to m.
    """
    k, words = len(maps), len(maps[0])
    if not FEWEST_RETAILERS <= k <= MOST_RETAILERS:
        raise EstimateError(
            f"pairs are found for {FEWEST_RETAILERS} to {MOST_RETAILERS} retailers, got {k}"
        )
    if any(each.dtype != np.uint64 or each.shape != (words,) for each in maps):
        raise EstimateError("maps are rows of 64-bit words, of one length for every retailer")
    counts = np.zeros(2**k, dtype=np.int64)
    for start in range(0, words, _CHUNK):
        pattern = np.zeros(64 * len(maps[0][start : start + _CHUNK]), dtype=np.int64)
        for each in maps:
            pattern <<= 1
            pattern |= np.unpackbits(each[start : start + _CHUNK].view(np.uint8))
        counts += np.bincount(pattern, minlength=2**k)
    return counts.reshape((2,) * k)


def find_pairs(
    histograms: Iterable[Histogram], flips: Floats, retailers: Sequence[str] | None = None
) -> Pairs:
    """Estimate all pairs, and sums of r-way intersections, with their standard deviations.

    For a bucket let a_i = (1[bit i = 0] - p_i) / (1 - 2 p_i): the mean of prod_{i in S} a_i over
    the m buckets estimates Z_S, the chance that no buyer of S fell there. Hence the union of S,
    U_S = -m ln Z_S, a pair I_ij = U_i + U_j - U_ij = m ln(Z_ij / (Z_i Z_j)), and by inclusion and
    exclusion, with T_w the sum of U_S over the sets of w retailers,

        S_r = sum_{w <= r} (-1)^(w + 1) C(k - w, r - w) T_w.

    A bucket adds h_w = sum over sets of (1 - a_S / Z_S) to T_w, to first order, and g_r, the same
    combination of h_w, to S_r; with r = 2, g = sum_{i<j} [a_i a_j / Z_ij - a_i / Z_i - a_j / Z_j +
    1]. Were the numbers of persons Poisson, the covariance of S_a and S_b would be m cov(g_a, g_b).
    They are fixed, so what their chance would add is taken off: sum_d C(d, a) C(d, b) v_d, with
    v_d persons at exactly d retailers. As C(d, 2)^2 = C(d, 2) + 6 C(d, 3) + 6 C(d, 4), and so on,
    it is known up to sums of higher order, from S_2 + 6 S_3 + 6 S_4 on: the useful ones of these
    are put in, the others left out. None is negative, so the result errs upward.

    Args:
        histograms: (2,) * k each, one per block (disjoint persons): all figures add.
        flips: (k,) chance that a bit of each retailer's map was flipped, in (0, 1/2).
        retailers: names; "retailer 1", ... by default.

    Raises:
        EstimateError: SKETCH_NOISY where a map, or two together, show no empty bucket beyond the
            flips: no logarithm.
    """
    flips = np.asarray(flips, dtype=np.float64)
    if flips.ndim != 1 or not np.all((flips > 0) & (2 * flips < 1)):
        raise EstimateError("the chance of a flip lies between 0 and 1/2, one for every retailer")
    names = tuple(retailers or (f"retailer {i + 1}" for i in range(len(flips))))
    blocks = [_block(histogram, flips, names) for histogram in histograms]
    order = min(len(block.sums) for block in blocks)
    sums = reduce(add, (block.sums[:order] for block in blocks))
    poisson = reduce(add, (block.covariance[:order, :order] for block in blocks))
    pairs = reduce(add, (block.pairs for block in blocks))
    variance = reduce(add, (block.pair_variance for block in blocks)) - np.maximum(pairs, 0.0)
    np.fill_diagonal(variance, 0.0)
    found = partial(
        Pairs, retailers=names, pairs=pairs, pair_sd=np.sqrt(np.maximum(variance, 0.0)), sums=sums
    )
    trusted = found(covariance=_positive(poisson - _fixed(sums[:2], order))).useful()
    return found(covariance=_positive(poisson - _fixed(sums[: max(trusted)], order)))


def _positive(covariance: Floats) -> Floats:
    """Raise what is below 0 in some direction, as sums are estimates themselves, to 0."""
    half = root(covariance)
    return np.asarray(half @ half.T)


class _Block(NamedTuple):
    """Figures of one block, as if its numbers of persons were Poisson."""

    pairs: Floats
    pair_variance: Floats
    sums: Floats
    covariance: Floats


class _Sets(NamedTuple):
    """Sets of `order` retailers as products of two columns: of ones, single a_i, or pairs a_i a_j.

    Attributes:
        order: of the sets.
        left, right: kinds of column: 0 for ones, 1 for singles, 2 for pairs.
        share: (left, right) 1 over the number of ways to write the set; 0 for what is no set.
    """

    order: int
    left: int
    right: int
    share: Floats


def _sets(k: int) -> list[_Sets]:
    """Return all sets of one to four retailers; pairs times pairs give the fours."""
    one = np.array([0])
    single = 1 << np.arange(k)
    double = np.array([single[i] | single[j] for i, j in combinations(range(k), 2)])
    kinds = (one, single, double)
    found = []
    for order, left, right in ((1, 0, 1), (2, 0, 2), (3, 1, 2), (4, 2, 2)):
        disjoint = (kinds[left][:, np.newaxis] & kinds[right]) == 0
        ways = {1: 1, 2: 1, 3: 3, 4: 6}[order]
        found.append(_Sets(order, left, right, disjoint / ways))
    return found[: min(k, ORDERS)]


def _signals(counts: Histogram, flips: Floats) -> Iterator[tuple[Floats, list[Floats]]]:
    """Yield, by some patterns at a time, their share of buckets and the columns of a."""
    k = len(flips)
    one, other = np.triu_indices(k, 1)
    seen, m = np.flatnonzero(counts), counts.sum()
    for start in range(0, len(seen), _CHUNK):
        chosen = seen[start : start + _CHUNK]
        zero = 1 - (chosen[:, np.newaxis] >> np.arange(k - 1, -1, -1) & 1)
        a = (zero - flips) / (1 - 2 * flips)
        columns = [np.ones((len(chosen), 1)), a, a[:, one] * a[:, other]]
        yield counts.ravel()[chosen] / m, columns


def _block(counts: Histogram, flips: Floats, names: tuple[str, ...]) -> _Block:
    """Return the figures of one block; of the sums, those whose every set has a logarithm."""
    k = len(flips)
    if counts.shape != (2,) * k or len(names) != k:
        raise EstimateError(f"{k} flips need as many names and a histogram of 2 by 2 ... patterns")
    m, sets = int(counts.sum()), _sets(k)
    empty = [np.zeros_like(each.share) for each in sets]
    for share, columns in _signals(counts, flips):
        for place, each in enumerate(sets):
            empty[place] += (columns[each.left] * share[:, np.newaxis]).T @ columns[each.right]
    both = np.zeros((k, k))
    both[np.triu_indices(k, 1)] = empty[1][0]
    both += both.T
    _check(empty[0][0], both, names)
    able = [bool(np.all(z[each.share > 0] > 0)) for each, z in zip(sets, empty, strict=True)]
    order = able.index(False) if False in able else len(able)
    sums, covariance = _sums(counts, flips, sets[:order], empty)
    pairs, variance = _of_pairs(empty[0][0], both, flips)
    return _Block(m * pairs, m * variance, m * sums, m * covariance)


def _check(single: Floats, both: Floats, names: tuple[str, ...]) -> None:
    """Refuse what has no logarithm, by the retailers' names."""
    refused = [name for name, z in zip(names, single, strict=True) if z <= 0]
    refused = refused or [
        f"{names[i]} and {names[j]}"
        for i, j in combinations(range(len(names)), 2)
        if both[i, j] <= 0
    ]
    if refused:
        raise EstimateError(
            f"the flips hide all empty buckets of {', '.join(refused)}; use bounds there, fewer "
            "blocks, or leave a small retailer out and add its buyers to the upper end",
            code="SKETCH_NOISY",
        )


def _of_pairs(single: Floats, both: Floats, flips: Floats) -> tuple[Floats, Floats]:
    """Return I_ij / m and var(g_ij), in closed form as a^2 = a + p (1 - p) / (1 - 2 p)^2.

    Args:
        single: (k,) Z_i.
        both: (k, k) Z_ij, 0 on the diagonal.
        flips: (k,) p_i.
    """
    z, z_ij = single[:, np.newaxis], both + np.eye(len(single))
    t = (flips * (1 - flips) / (1 - 2 * flips) ** 2)[:, np.newaxis]
    own = (z + t) / z**2 - 2 * (z_ij + t * z.T) / (z_ij * z)
    squares = (z_ij + (t * z.T + t.T * z) + t * t.T) / z_ij**2
    variance = squares + (own + own.T) + 2 * z_ij / (z * z.T) - 1
    pairs = np.log(z_ij) - (np.log(z) + np.log(z.T))  # symmetric to the last bit
    np.fill_diagonal(pairs, 0.0)
    return pairs, variance


def _sums(
    counts: Histogram, flips: Floats, sets: list[_Sets], empty: list[Floats]
) -> tuple[Floats, Floats]:
    """Return S_r / m and the covariance of g_r, r = 1 .. number of orders."""
    k, orders = len(flips), len(sets)
    unions, weights = np.zeros(orders), []
    for place, (each, z) in enumerate(zip(sets, empty, strict=False)):
        positive = np.where(each.share > 0, z, 1.0)
        unions[place] = -np.sum(each.share * np.log(positive))
        weights.append(each.share / positive)
    second = np.zeros((orders, orders))
    for share, columns in _signals(counts, flips):
        h = np.empty((orders, len(share)))
        for each, weight in zip(sets, weights, strict=True):
            through = np.sum((columns[each.left] @ weight) * columns[each.right], axis=1)
            h[each.order - 1] = each.share.sum() - through
        second += (h * share) @ h.T
    turn = np.array(
        [
            [
                (-1) ** (w + 1) * math.comb(k - w, r - w) if w <= r else 0
                for w in range(1, orders + 1)
            ]
            for r in range(1, orders + 1)
        ],
        dtype=np.float64,
    )
    return turn @ unions, turn @ second @ turn.T


def _fixed(sums: Floats, orders: int) -> Floats:
    """Return sum_d C(d, a) C(d, b) v_d, a and b up to `orders`, as far as the sums tell it.

    C(d, a) C(d, b) = sum_r r! / ((r - a)! (r - b)! (a + b - r)!) C(d, r), max(a, b) <= r <= a + b.
    """
    found = np.zeros((orders, orders))
    for a in range(1, orders + 1):
        for b in range(1, orders + 1):
            for r in range(max(a, b), min(a + b, len(sums)) + 1):
                ways = math.comb(r, a) * math.comb(a, r - b)
                found[a - 1, b - 1] += ways * max(0.0, float(sums[r - 1]))
    return found
