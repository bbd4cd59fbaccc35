"""What is known of the overlap -> the least and the most persons that agree with it.

In: limits of sums over retailers, or of single sizes and pairs, that hold together at a stated
level. Out: the ends of the union, by linear programming over the persons at exactly so many, or
exactly such, retailers. Nothing is assumed.
"""

import math
from collections.abc import Mapping
from itertools import combinations
from typing import Final, TypeAlias

import numpy as np
from scipy.optimize import linprog
from scipy.special import comb, ndtri

from dpnotice.analyst.intervals import Floats, bonferroni, check_level
from dpnotice.errors import EstimateError

Limits: TypeAlias = tuple[float, float]

MOST_REGIONS_OF: Final = 12
"""Retailers up to which every one of the 2^k - 1 regions is an unknown of its own."""
_INFEASIBLE: Final = 2
_UNBOUNDED: Final = 3
_MAYBE_UNBOUNDED: Final = 4


def box(
    estimates: Mapping[int, float], sds: Mapping[int, float], level: float, *, number: int
) -> dict[int, Limits]:
    """Return limits of several estimates that hold together, whatever they share (Bonferroni).

    Formula: estimate_r -+ z sd_r with z the normal quantile at 1 - (1 - level) / number, two-sided.
    Take the limits from here and never the estimates alone: the ends of the identified set at a
    point are as noisy as the point, and the truth lies outside about as often as inside.

    Args:
        estimates: by order r, persons.
        sds: their standard deviations, persons.
        level: at which all limits hold together, a fraction.
        number: limits that share the level. Count those too that are left out after a look at
            their values, so that the choice costs nothing.

    >>> {r: (round(a), round(b)) for r, (a, b) in box({2: 90}, {2: 10}, 0.95, number=2).items()}
    {2: (68, 112)}
    """
    if number < len(estimates):
        raise EstimateError(f"{len(estimates)} limits cannot share a level as {number}")
    z = float(ndtri((1 + bonferroni(check_level(level), number)) / 2))
    return {r: (value - z * sds[r], value + z * sds[r]) for r, value in estimates.items()}


def identified_union(
    k: int, limits: Mapping[int, Limits], population: float | None = None
) -> Limits:
    r"""Return the least and the most persons at one or more of k retailers.

    With v_d >= 0 persons at exactly d retailers: the minimum and maximum of sum v_d subject to
    lo_r <= sum_d C(d, r) v_d <= hi_r and sum v_d <= population.

    With S_1 and S_2 known exactly the ends are Dawson and Sankoff's (1967) below, with t = 1 +
    floor(2 S_2 / S_1), and S_1 - 2 S_2 / k above:

        2 S_1 / (t + 1) - 2 S_2 / (t (t + 1)) <= U <= S_1 - 2 S_2 / k.

    Proof. No whole number lies between t and t + 1, so 0 <= (d - t)(d - t - 1) = 2 C(d, 2) - 2 t d
    + t (t + 1): hence 1 >= 2 d / (t + 1) - 2 C(d, 2) / (t (t + 1)), for every t; sum over persons.
    It is an equality where all persons are at t or t + 1 retailers, which is possible, as a
    person's d - 1, weighted by d, averages 2 S_2 / S_1. And (d - 1)(d - k) <= 0 gives
    1 <= d - 2 C(d, 2) / k, an equality where all are at 1 or k.

    Args:
        k: retailers.
        limits: by order r, (lowest, highest) of S_r = sum over persons of C(d, r): r = 1 the sum
            of sizes, 2 of pairs, 3 of triples. Of a box (see :func:`box`), never the estimates.
            Ends may be infinite.
        population: the most that the union can be.

    Returns:
        Persons; the upper end is infinite where nothing holds it.

    Raises:
        EstimateError: INCONSISTENT where no persons at all agree with the limits.

    >>> identified_union(3, {1: (100, 100), 2: (30, 30)})
    (70.0, 80.0)
    """
    degrees = np.arange(1, k + 1)
    for order in limits:
        if not 1 <= order <= k:
            raise EstimateError(f"orders of sums go from 1 to {k} retailers, got {order}")
    rows = np.array([comb(degrees, order) for order in limits]).reshape(len(limits), k)
    return _ends(rows, list(limits.values()), population)


def identified_regions(
    sizes: Floats,
    pairs: Floats,
    population: float | None = None,
    sums: Mapping[int, Limits] | None = None,
) -> Limits:
    """Return the least and the most persons that agree with every single size and pair.

    The unknowns are the persons of each of the 2^k - 1 regions ("at exactly these retailers"), so
    the result is never wider than the bounds of Frechet, Bonferroni, Dawson-Sankoff and
    Hunter-Worsley at the same limits, together.

    Args:
        sizes: (k, 2) lowest and highest number of buyers of each retailer; k at most 12.
        pairs: (k, k, 2) lowest and highest number of persons at both; read above the diagonal.
        population: the most that the union can be.
        sums: limits by order of the sums too, which are known better than their parts.

    Returns:
        Persons.

    Raises:
        EstimateError: INCONSISTENT where no persons at all agree with the limits.
    """
    k = len(sizes)
    if k > MOST_REGIONS_OF:
        raise EstimateError(
            f"single pairs are used up to {MOST_REGIONS_OF} retailers, got {k}; use their sum"
        )
    known = (np.arange(1, 2**k)[:, np.newaxis] >> np.arange(k) & 1).T.astype(np.float64)
    rows, limits = list(known), [(float(low), float(high)) for low, high in sizes]
    for i, j in combinations(range(k), 2):
        rows.append(known[i] * known[j])
        limits.append((float(pairs[i, j, 0]), float(pairs[i, j, 1])))
    for order, ends in (sums or {}).items():
        rows.append(comb(known.sum(axis=0), order))
        limits.append(ends)
    return _ends(np.array(rows), limits, population)


def _ends(rows: Floats, limits: list[Limits], population: float | None) -> Limits:
    """Return the minimum and maximum of sum v over v >= 0, with rows @ v within the limits."""
    for low, high in limits:
        if math.isnan(low) or math.isnan(high) or low > high:
            raise EstimateError(f"a lowest value must not be above the highest: {low}, {high}")
    everybody = np.ones(rows.shape[1])
    most = math.inf if population is None else population
    low, high = np.array([*limits, (-math.inf, most)], dtype=np.float64).T
    known = np.vstack([rows, everybody])
    # Persons in units of the largest limit, so that the solver's tolerances are relative.
    finite = np.abs(np.concatenate([low, high]))
    unit = max(float(np.max(finite, initial=0.0, where=np.isfinite(finite))), 1.0)
    above, below = np.isfinite(high), np.isfinite(low)
    left = np.vstack([known[above], -known[below]])
    right = np.concatenate([high[above], -low[below]]) / unit
    return _optimum(everybody, left, right) * unit, -_optimum(-everybody, left, right) * unit


def _optimum(costs: Floats, left: Floats, right: Floats) -> float:
    """Return the least costs @ v over v >= 0 with left @ v <= right; -inf where there is none."""
    found = linprog(costs, A_ub=left, b_ub=right, method="highs")
    if found.status in (_UNBOUNDED, _MAYBE_UNBOUNDED) and costs[0] < 0:
        return -math.inf
    if found.status == _INFEASIBLE:
        raise EstimateError(
            "the releases contradict each other: no overlap of buyers agrees with all sizes, pairs "
            "and the population at once; look for a release of other purchases, dates or keys",
            code="INCONSISTENT",
        )
    if found.fun is None:
        raise EstimateError(f"the bounds of the overlap were not found: {found.message}")
    return float(found.fun)
