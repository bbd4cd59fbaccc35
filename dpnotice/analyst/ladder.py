"""Sizes, and pairs where there are any -> bounds on the persons known to at least one retailer.

In: limits of sizes and of pairs, which hold together at a stated level (Bonferroni); every argument
is named for the side it must be a limit of. Out: the ladder of bounds, widest first, and one point
under an assumption that is never made by default.
"""

import math
from typing import Final

import numpy as np
from scipy.sparse.csgraph import minimum_spanning_tree

from dpnotice.analyst.intervals import Floats
from dpnotice.errors import EstimateError

INDEPENDENCE: Final = (
    "within each cell of the population, being a buyer of one retailer says nothing about being a "
    "buyer of another"
)
"""What :func:`independent` assumes. Heavy buyers make it false: the union is then smaller."""


def frechet(
    *, sizes_low: Floats, sizes_high: Floats, population: Floats | float | None = None
) -> tuple[float, float]:
    """Return the bounds that sizes alone give (Frechet 1935), cell by cell, summed.

    Formula: sum over cells of max_i n_i <= U <= sum over cells of min(sum_i n_i, population).

    Args:
        sizes_low: (k,) or (k, ...cells) lower limits of buyers that hold together: the largest of
            several estimates is too large. Few large cells beat many small ones here.
        sizes_high: upper limits, the same shape.
        population: (...cells) persons there are, or None.

    Raises:
        EstimateError: INCONSISTENT where a cell has more buyers than persons.

    >>> frechet(sizes_low=np.array([40.0, 70.0]), sizes_high=np.array([40.0, 70.0]), population=100)
    (70.0, 100.0)
    """
    least = np.max(np.maximum(sizes_low, 0.0), axis=0)
    most = np.minimum(
        np.sum(np.maximum(sizes_high, 0.0), axis=0), math.inf if population is None else population
    )
    if np.any(least > most):
        raise EstimateError(
            "a cell has more buyers than persons, or a lower limit above its upper one; look for a "
            "population of other persons than the releases count",
            code="INCONSISTENT",
        )
    return float(np.sum(least)), float(np.sum(most))


def bonferroni_pairs(*, sizes_sum_low: float, pairs_sum_high: float) -> float:
    """Return a lower end of the union, S_1 - S_2 (Bonferroni 1936).

    A person at d retailers adds d - d (d - 1) / 2 <= 1. Dawson-Sankoff is never below it.

    Args:
        sizes_sum_low: lower limit of S_1, the sum of sizes.
        pairs_sum_high: upper limit of S_2, the sum over pairs of persons at both.
    """
    return max(0.0, sizes_sum_low - pairs_sum_high)


def hunter_worsley(*, sizes_high: Floats, pairs_low: Floats) -> float:
    """Return an upper end of the union: S_1 less the pairs along the best spanning tree.

    Formula: U <= sum_i n_i - max over trees of sum over their edges of n_ij (Hunter 1976, Worsley
    1982). A person at d retailers lies on at most d - 1 edges of any tree, so each tree gives a
    bound; the tree is chosen after a look at the limits, hence all pairs' must hold together.

    Args:
        sizes_high: (k,) upper limits of buyers.
        pairs_low: (k, k) lower limits of persons at both, symmetric; negative ones count as 0.
            The diagonal is not read.

    >>> hunter_worsley(sizes_high=np.array([50.0, 40, 30]), pairs_low=np.full((3, 3), 10.0))
    100.0
    """
    known = np.maximum(pairs_low, 0.0)
    if known.shape != (len(sizes_high), len(sizes_high)):
        raise EstimateError(f"{len(sizes_high)} sizes need a square of pairs, got {known.shape}")
    # The solver takes a 0 for a missing edge, so costs lie in [1, 2] and the tree spans all.
    costs = 2.0 - known / max(float(known.max(initial=0.0)), 1.0)
    one, other = minimum_spanning_tree(costs).nonzero()
    return float(np.sum(np.maximum(sizes_high, 0.0)) - np.sum(known[one, other]))


def dawson_sankoff(
    k: int, *, sizes_sum: tuple[float, float], pairs_sum: tuple[float, float]
) -> tuple[float, float]:
    """Return the best bounds that S_1 and S_2 give (Dawson & Sankoff 1967; upper: Kwerel 1975).

    Formula: 2 S_1 / (t + 1) - 2 S_2 / (t (t + 1)) <= U <= S_1 - 2 S_2 / k, t = 1 + floor(2 S_2 /
    S_1), proved in :func:`dpnotice.analyst.identified.identified_union`. The lower end rises with
    S_1 and falls with S_2, the upper one the same, so opposite limits go into each.

    Args:
        k: retailers.
        sizes_sum: lower and upper limit of S_1, the sum of sizes.
        pairs_sum: lower and upper limit of S_2, the sum of pairs.

    Raises:
        EstimateError: INCONSISTENT where no overlap has such sums: S_2 <= (k - 1) S_1 / 2.

    >>> dawson_sankoff(3, sizes_sum=(100, 100), pairs_sum=(30, 30))
    (70.0, 80.0)
    """
    half = (k - 1) / 2
    (low, high), (fewest, most) = np.maximum(sizes_sum, 0.0), np.maximum(pairs_sum, 0.0)
    if fewest > half * high or low > high or fewest > most:
        raise EstimateError(
            "the releases contradict each other: the sum of pairs is above all that the sizes "
            "allow, or a lower limit above its upper one",
            code="INCONSISTENT",
        )
    if half:  # each sum narrows the other
        low, most = max(low, fewest / half), min(most, half * high)
    most = min(most, half * low)
    t = 1 + math.floor(2 * most / low) if low else 1
    return float(2 * low / (t + 1) - 2 * most / (t * (t + 1))), float(high - 2 * fewest / k)


def independent(sizes: Floats, population: Floats | float) -> float:
    """Return the union if buyers of different retailers were independent: :data:`INDEPENDENCE`.

    Formula: sum over cells of Pop [1 - prod_i (1 - n_i / Pop)]. A point under an assumption and no
    bound: never to be quoted without the assumption.

    Args:
        sizes: (k,) or (k, ...cells) buyers.
        population: (...cells) persons there are.

    Raises:
        EstimateError: INCONSISTENT where a cell has more buyers than persons.

    >>> independent(np.array([50.0, 20.0]), 100)
    60.0
    """
    persons = np.asarray(population, dtype=np.float64)
    known = np.maximum(sizes, 0.0)
    if np.any(known > persons):
        raise EstimateError("a cell has more buyers than persons", code="INCONSISTENT")
    missed = 1 - np.divide(known, persons, out=np.zeros_like(known), where=known > 0)
    return float(np.sum(persons * (1 - np.prod(missed, axis=0))))
