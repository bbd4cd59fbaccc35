"""How often each pattern of noisy bits occurs -> the people at exactly each set of retailers.

In: a histogram over k maps, and the chance with which each map's bits were flipped. Out: `Regions`,
an estimate per region with its covariance, and the same after the retailers' counts have joined.

A region T is a non-empty set of retailers, as a number in which bit i stands for retailer i; arrays
over regions have length R = 2^k - 1 and hold T at T - 1. Everything here is linear but one
logarithm: with n_T people at exactly T and m bits in a map, the chance that all maps in S have 0 at
one index before flipping is Z_S = exp(-sum of n_T over T that touch S / m), and the patterns that
are seen have the law q = (K_0 x ... x K_k-1) Z.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from dpnotice.analyst.intervals import Floats
from dpnotice.errors import EstimateError

Masks: TypeAlias = npt.NDArray[np.int64]
"""Sets of retailers or of maps: bit i of the number stands for number i."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Regions:
    """People at exactly each set of retailers.

    Estimates are not clipped: a small region may come out negative, and any sum stays unbiased.

    Attributes:
        retailers: k.
        estimate: shape (R,), people.
        covariance: shape (R, R), of the estimate about the fixed, true regions.
    """

    retailers: int
    estimate: Floats
    covariance: Floats

    @property
    def sizes(self) -> Floats:
        """Keyed buyers of each retailer, shape (k,)."""
        return self.total(membership(self.retailers))

    @property
    def union(self) -> float:
        """People at one retailer or more."""
        return float(self.estimate.sum())

    @property
    def union_sd(self) -> float:
        """Standard deviation of the union."""
        return float(self.total_sd(np.ones(len(self.estimate))))

    def total(self, weights: Floats) -> Floats:
        """Return weighted sums of regions: weights (..., R) -> values (...)."""
        return np.asarray(weights @ self.estimate)

    def total_sd(self, weights: Floats) -> Floats:
        """Return the standard deviations of weighted sums: weights (..., R) -> people (...)."""
        variance = np.sum((weights @ self.covariance) * weights, axis=-1)
        return np.asarray(np.sqrt(np.maximum(variance, 0)))

    def joined(self, counts: Floats, covariance: Floats) -> tuple["Regions", Floats]:
        """Let the retailers' own counts of keyed buyers join.

        With c = W n + e and Cov e = S: G = V W' (W V W' + S)^-1, n + G (c - W n), and
        (I - G W) V (I - G W)' + G S G', which is V - G W V and stays positive in floats. S itself
        is never inverted: counts are known to a few people, and may be exact.

        Args:
            counts: shape (k,), people with a key.
            covariance: shape (k, k), of their errors.

        Returns:
            The regions, and the gain G of shape (R, k).
        """
        member = membership(self.retailers)
        estimate, spread, gain = join(
            (self.estimate, self.covariance), member, (counts, covariance)
        )
        return replace(self, estimate=estimate, covariance=spread), gain


def join(
    prior: tuple[Floats, Floats], design: Floats, data: tuple[Floats, Floats]
) -> tuple[Floats, Floats, Floats]:
    """Update a normal estimate by linear data, without inverting the data's covariance.

    Args:
        prior: estimate (R,) and covariance (R, R).
        design: (d, R), what the data measure.
        data: values (d,) and covariance (d, d).

    Returns:
        Estimate, covariance, and the gain (R, d).
    """
    (estimate, covariance), (values, errors) = prior, data
    ahead = design @ covariance
    gain = np.asarray(np.linalg.solve(ahead @ design.T + errors, ahead).T, dtype=np.float64)
    left = np.eye(len(estimate)) - gain @ design
    spread = left @ covariance @ left.T + gain @ errors @ gain.T
    return estimate + gain @ (values - design @ estimate), (spread + spread.T) / 2, gain


def membership(retailers: int) -> Floats:
    """Return W, shape (k, R): 1 where retailer i is in region T.

    Example:
        >>> membership(2).tolist()
        [[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]]
    """
    bits = 1 << np.arange(retailers)
    return np.asarray((bits[:, None] & _masks(retailers)[1:]) > 0, dtype=np.float64)


def touching(retailers: int) -> Floats:
    """Return A, shape (2^k, R): 1 where S and T share a retailer; S = 0, 1, ..., 2^k - 1.

    Its rows give the people at one retailer of S or more.
    """
    masks = _masks(retailers)
    return np.asarray((masks[:, None] & masks[1:]) > 0, dtype=np.float64)


def containing(retailers: int) -> Floats:
    """Return the matrix, shape (2^k, R), with 1 where T holds all of S.

    Its rows give the people at every retailer of S; row 0 is everybody.
    """
    masks = _masks(retailers)
    return np.asarray((masks[:, None] & masks[1:]) == masks[:, None], dtype=np.float64)


def pattern_law(people: Floats, bits: int, flips: Sequence[float]) -> Floats:
    """Return the chance of every pattern at one index, q = (K_0 x ... x K_k-1) Z.

    K_i = [[p, t], [1 - p, -t]] with t = 1 - 2 p: rows are the bit seen, columns whether the map is
    asked to have 0.

    Args:
        people: shape (R,), at exactly each region.
        bits: m, of a map.
        flips: the chance p_i that a bit of map i was flipped.

    Returns:
        Shape (2,) * k, axis i for map i; sums to 1.
    """
    empty = np.exp(-touching(len(flips)) @ people / bits)
    return contract(mixing(flips), by_map(empty))


def solve(counts: npt.NDArray[np.int64], flips: Sequence[float]) -> Regions:
    """Solve for the regions in closed form: moments, which are the maximum of the likelihood.

    Z = (K_0^-1 x ... x K_k-1^-1) N / m; the people at S or touching it are U_S = -m ln Z_S; n_T
    follows by inclusion and exclusion. There are as many regions as free patterns, so that no
    other estimate is as likely.

    Args:
        counts: N, shape (2,) * k.
        flips: the chance p_i that a bit of map i was flipped, (0, 1/2).

    Returns:
        Regions, unclipped.

    Raises:
        EstimateError: ``SKETCH_NOISY``; some Z is not positive, so that its logarithm says nothing.
        ``SKETCH_FLIPS``, ``SKETCH_MAPS``; not a histogram of so many maps.
    """
    check_flips(counts, flips)
    bits = int(counts.sum())
    law = counts / bits
    sets = _masks(len(flips))[1:]
    united = unions(unfolded(law, flips)[sets], np.bitwise_count(sets), bits)
    return _solved(solution(len(flips)) @ united, law, bits, flips)


def expected(people: Floats, bits: int, flips: Sequence[float]) -> Regions:
    """Return true regions with the covariance that `solve` would have on maps of them.

    Args:
        people: shape (R,).
        bits: m, of a map.
        flips: the chance p_i that a bit of map i was flipped.
    """
    return _solved(people, pattern_law(people, bits, flips), bits, flips)


def pair_sd(bits: int, people: Sequence[float], flips: Sequence[float]) -> float:
    """Return the s.d. of the people at both of two retailers, for independent sets of buyers.

    sqrt(m) s_A s_B, with z = exp(-n / m), t = 1 - 2 p and
    s^2 = (p + t z)(1 - p - t z) / (t z)^2. Buyers in common change it by some percent only.

    Args:
        bits: m, of a map.
        people: keyed buyers of the two.
        flips: the chance that a bit was flipped, of the two.
    """
    variance = float(bits)
    for size, flip in zip(people, flips, strict=True):
        signal = (1 - 2 * flip) * math.exp(-size / bits)
        variance *= (flip + signal) * (1 - flip - signal) / signal**2
    return math.sqrt(variance)


def unfolded(law: Floats, flips: Sequence[float]) -> Floats:
    """Return Z by mask, shape (2^K,), from the law of the patterns of K maps."""
    return contract([_unmixing(flip) for flip in flips], law).transpose().ravel()


def unions(empty: Floats, sizes: npt.NDArray[np.int64], bits: int) -> Floats:
    """Return the people at one retailer of S or more, U_S = -m ln Z_S.

    Args:
        empty: Z_S of some sets S.
        sizes: how many retailers each S has.
        bits: m, of a map.

    Raises:
        EstimateError: ``SKETCH_NOISY``; some Z_S is not positive, so that it has no logarithm.
    """
    if empty.min() <= 0:
        size = int(sizes[empty <= 0].min())
        raise EstimateError(
            f"the maps of {size} {'retailer' if size == 1 else 'retailers together'} show no more "
            "empty places than their noise alone would, so that the people there cannot be told; "
            "ask for more bits (a larger expected_buyers) or a larger epsilon, or give bounds",
            code="SKETCH_NOISY",
        )
    return np.asarray(-bits * np.log(empty))


def contract(matrices: Sequence[Floats], array: Floats) -> Floats:
    """Apply matrix i along axis i; further axes are left as they are."""
    for axis, matrix in enumerate(matrices):
        array = np.moveaxis(np.tensordot(matrix, array, axes=(1, axis)), 0, axis)
    return array


def by_map(values: Floats) -> Floats:
    """Give values by mask, shape (2^K, ...), an axis per map: (2,) * K + (...)."""
    number = (len(values) - 1).bit_length()
    split = values.reshape((2,) * number + values.shape[1:])
    return split.transpose(*reversed(range(number)), *range(number, split.ndim))


def mixing(flips: Sequence[float]) -> list[Floats]:
    """Return K of every map."""
    return [_mixing(flip) for flip in flips]


def _mixing(flip: float) -> Floats:
    """K of one map: rows the bit seen, columns not asked, or asked to be 0."""
    return np.array([[flip, 1 - 2 * flip], [1 - flip, 2 * flip - 1]])


def _unmixing(flip: float) -> Floats:
    """K^-1 of one map."""
    return np.array([[1, 1], [(1 - flip) / (1 - 2 * flip), -flip / (1 - 2 * flip)]])


def _solved(people: Floats, law: Floats, bits: int, flips: Sequence[float]) -> Regions:
    number = len(flips)
    poisson = bits * spread(law, flips, _masks(number)[1:], solution(number))
    return Regions(retailers=number, estimate=people, covariance=fixed(poisson, people))


def spread(law: Floats, flips: Sequence[float], sets: Masks, solution: Floats) -> Floats:
    """Return the covariance of the moments over m, were the regions' sizes Poisson.

    Indexes are independent then and N is multinomial, so that it is B (diag q - q q') B' with
    B = d(n / m) / dq. With one plane this is m F^-1, as the moments use up all of N; written so, no
    pattern that was never seen is divided by.

    Args:
        law: q, shape (2,) * K.
        flips: of every map, shape (K,).
        sets: the sets S of maps whose Z is used, as numbers.
        solution: shape (parameters, sets), the matrix that turns U into people.
    """
    held = np.zeros((law.size, len(solution)))
    held[sets] = (solution / unfolded(law, flips)[sets]).T
    slope = contract([_unmixing(flip).T for flip in flips], by_map(held)).reshape(law.size, -1)
    weights = law.ravel()
    mean = weights @ slope
    return np.asarray((slope.T * weights) @ slope - np.outer(mean, mean))


def fixed(covariance: Floats, people: Floats) -> Floats:
    """Return the covariance about fixed sizes, V = m^2 F^-1 - diag(n), from m^2 F^-1.

    The Fisher information takes regions for Poisson means, but the class has fixed sizes. With
    J = dE[N] / dn, Cov(N) is smaller by J diag(n) J', and the estimate inverts J. Sizes are
    estimates, and cut at 0 here: where they are hardly told, less may be left than nothing in some
    direction, and is then called nothing.
    """
    half = root(covariance - np.diag(np.maximum(people, 0)))
    return np.asarray(half @ half.T)


def root(covariance: Floats) -> Floats:
    """Return R with R R' = the covariance, as far as it is positive."""
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0)))


def solution(retailers: int, planes: int = 1) -> Floats:
    """Return the matrix that turns the unions U into people, shape (states, states).

    Per retailer: all of the maps asked but plane l is the union less that of plane l, and what is
    in no plane is the rest. For one plane this is the inverse of A without S = 0, inclusion and
    exclusion: n_T = sum over W within T of (-1)^(|W| + 1) U of W and all retailers not in T.
    """
    one = np.ones((1, planes))
    step = np.block([[np.array([[1.0 - planes]]), one], [one.T, -np.eye(planes)]])
    return -reduce(np.kron, [step] * retailers)[1:, 1:]


def _masks(retailers: int) -> Masks:
    return np.arange(2**retailers)


def check_flips(counts: npt.NDArray[np.int64], flips: Sequence[float]) -> None:
    """Refuse flips that cannot be those of the maps, and no bits at all."""
    shape = (2,) * len(flips)
    if counts.shape != shape or not flips or not all(0 < flip < 1 / 2 for flip in flips):
        raise EstimateError(
            "flips must be one chance in (0, 1/2) per map, got "
            f"{[float(flip) for flip in flips]} for a histogram of shape {counts.shape}",
            code="SKETCH_FLIPS",
        )
    if counts.min() < 0 or not counts.sum():
        raise EstimateError(
            "a histogram counts bits, so that none is below 0 and some above; got "
            f"{counts.ravel().tolist()}",
            code="SKETCH_MAPS",
        )
