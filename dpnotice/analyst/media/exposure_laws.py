"""Laws of how often a person is exposed: beta-binomial and negative binomial.

In: figures of a vehicle by draw and level. Out: the chance of no exposure, and of 0, 1, 2, ... with
the rest in the last cell, so that no exposure is lost.
"""

import math
from typing import Any, Final

import numpy as np
from scipy.special import gammaln

from dpnotice.analyst.in_blocks import Reals
from dpnotice.analyst.intervals import Floats

_LEAST_DISPERSION: Final = 1e-9
_MOST_PASSING: Final = 1 - 1e-9
_ONE: Final = np.ones(())


def beta_binomial_nonreach(reach_1: Floats, rho: Floats, insertions: int) -> Floats:
    """Return P(no exposure) of the beta-binomial after n insertions.

    (1 - R1) prod over j = 1..n-1 of ((1 - rho)(1 - R1) + j rho) / (1 - rho + j rho): the product
    form holds at both ends, rho = 0 (binomial) and rho = 1 (always the same persons).

    >>> float(beta_binomial_nonreach(np.array(0.3), np.array(2 / 7), 2).round(10))
    0.55
    """
    nonreach = 1 - reach_1 + 0 * rho
    for j in range(1, insertions):
        nonreach = nonreach * ((1 - rho) * (1 - reach_1) + j * rho) / (1 - rho + j * rho)
    return nonreach


def beta_binomial_counts(insertions: int, most: int, reach_1: Floats, rho: Floats) -> Floats:
    """Return the chances of 0, 1, ..., and of `most` or more exposures in n insertions.

    With A_j = prod over i = 1..j-1 of (1 - rho) R1 + i rho, B_m likewise with 1 - R1, and D with
    1: P(0) = (1 - R1) B_n / D, P(n) = R1 A_n / D, and between them
    P(j) = C(n, j) R1 (1 - R1) (1 - rho) A_j B_(n-j) / D.

    Returns:
        (most + 1, *broadcast shape).
    """
    one, r = np.broadcast_arrays(reach_1, rho)
    n, steps = insertions, np.arange(1, insertions).reshape(-1, *(1,) * one.ndim)
    some = min(n, most - 1)
    with np.errstate(divide="ignore"):
        hit, miss, either = (_log_products((1 - r) * p + steps * r) for p in (one, 1 - one, 1.0))
        ends, inner = (np.log(1 - one), np.log(one)), np.log(one * (1 - one) * (1 - r))
    chances = np.zeros((most + 1, *one.shape))
    for j in range(some + 1):
        if j == 0:
            log = ends[0] + miss[n - 1]
        elif j == n:
            log = ends[1] + hit[n - 1]
        else:
            ways = gammaln(n + 1) - gammaln(j + 1) - gammaln(n - j + 1)
            log = ways + inner + hit[j - 1] + miss[n - j - 1]
        chances[j] = np.exp(log - either[n - 1])
    return with_rest(chances)


def split_passers_by(
    reach_1: Floats, rho: Floats, passers_by: Floats
) -> tuple[Floats, Floats, Floats]:
    """Part an audience into regulars and passers-by, who are new at every insertion.

    With q the share of the audience who pass by: e = q R1 of all persons pass by each time, and of
    the rest a share R1 (1 - q) / (1 - q R1) are met, correlated by rho / (1 - q). R1 and R2 are
    kept.

    Args:
        reach_1: of one insertion.
        rho: correlation of two insertions that R1 and R2 imply.
        passers_by: q; counts as 1 - rho where it is more, as the second audience allows no more.

    Returns:
        Audience of the regulars, share who pass by, correlation of the regulars.
    """
    most = np.minimum(np.minimum(passers_by, 1 - rho), _MOST_PASSING)
    regular = reach_1 * (1 - most) / (1 - most * reach_1)
    return regular, most * reach_1, np.minimum(rho / (1 - most), 1.0)


def insertions_nonreach(reach_1: Floats, rho: Floats, passing: Floats, insertions: int) -> Floats:
    """Return P(no exposure) of regulars and passers-by: beta-binomial times (1 - e)^n.

    In the precision of the figures, but worked out in double: what 1 - R1 loses in single counts
    n times.
    """
    one, r, e = (np.asarray(x, np.float64) for x in (reach_1, rho, passing))
    nonreach = beta_binomial_nonreach(one, r, insertions) * (1 - e) ** insertions
    return nonreach.astype(reach_1.dtype)


def insertions_counts(
    insertions: int, most: int, reach_1: Floats, rho: Floats, passing: Floats
) -> Floats:
    """Return the chances of 0, 1, ..., and of `most` or more exposures of both together.

    Who sees j of n insertions as a regular may pass by at each of the n - j others.
    """
    regular = beta_binomial_counts(insertions, most, reach_1, rho)
    if not np.any(passing):
        return regular
    chances = np.zeros((most + 1, *np.broadcast_shapes(regular.shape[1:], passing.shape)))
    for j in range(min(insertions, most - 1) + 1):
        left = insertions - j
        for i in range(min(left, most - 1 - j) + 1):
            passed = math.comb(left, i) * passing**i * (1 - passing) ** (left - i)
            chances[j + i] += regular[j] * passed
    return with_rest(chances)


def _log_products(factors: Floats) -> Floats:
    """Return logarithms of the products of the first 0, 1, ... factors."""
    sums = np.cumsum(np.log(factors), axis=0)
    return np.concatenate([np.zeros((1, *factors.shape[1:])), sums])


def nbd_nonreach(mean: Floats, cap: Floats, dispersion: Floats, level: Floats = _ONE) -> Floats:
    """Return P(no exposure) = 1 - c + c (1 + m / (c r))^-r, with c = 0 reaching nobody.

    Args:
        mean: exposures per person at level 1.
        cap: c.
        dispersion: r.
        level: what the mean is multiplied by.
    """
    r = np.maximum(dispersion, _LEAST_DISPERSION)
    chance: Floats = log1p(np.asarray(mean / (_online(cap) * r) * level))
    chance *= -r
    np.exp(chance, out=chance)
    chance *= cap
    chance += 1 - cap
    return chance


def nbd_counts(
    most: int, mean: Floats, cap: Floats, dispersion: Floats, level: Floats = _ONE
) -> Floats:
    """Return the chances of 0, 1, ..., and of `most` or more exposures.

    Within the cap P(j + 1) / P(j) = (r + j) / (j + 1) b / (1 + b), b = m / (c r).

    Returns:
        (most + 1, *broadcast shape).
    """
    r = np.maximum(dispersion, _LEAST_DISPERSION)
    b = np.asarray(mean / (_online(cap) * r) * level)
    again = b / (1 + b)
    chances = np.zeros((most + 1, *b.shape))
    chances[0] = cap * np.exp(-r * log1p(b))
    for j in range(most - 1):
        np.multiply(chances[j], again, out=chances[j + 1, ...])
        chances[j + 1] *= (r + j) / (j + 1)
    chances[0] += 1 - cap
    return with_rest(chances)


def shifted(nonreach: Floats, odds: Floats | float) -> Floats:
    """Return non-reach when the odds of being reached are multiplied: P / (P + (1 - P) odds)."""
    return np.asarray(nonreach / (nonreach + (1 - nonreach) * odds))


def log1p(x: Reals) -> Any:
    """Return log(1 + x), written into x.

    Single precision has no fast log1p: what rounding takes from u = 1 + x is put back to first
    order, (x - (u - 1)) / u.
    """
    if x.dtype == np.float64:
        np.log1p(x, out=x)
        return x
    u = np.asarray(1 + x)
    x -= u - 1
    x /= u
    x += np.log(u, out=u)
    return x


def with_rest(chances: Floats) -> Floats:
    """Put what the chances before it lack to 1 into the last cell."""
    chances[-1] = np.maximum(0.0, 1 - chances[:-1].sum(axis=0))
    return chances


def convolve(one: Floats, other: Floats) -> Floats:
    """Return the law of the sum of two counts, counts on the first axis, cut off at its end."""
    total = np.zeros(np.broadcast_shapes(one.shape, other.shape))
    for n in range(len(total)):
        total[n:] += one[n] * other[: len(total) - n]
    return total


def _online(cap: Floats) -> Floats:
    return np.where(cap > 0, cap, 1.0)
