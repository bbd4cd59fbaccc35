"""What probabilities of events and of their pairs say of the union, with nothing assumed: bounds.

In: p_v, and p_vw, the probability that both of two happen; for one point or along any trailing
axes. Out: the least and the most that the probability of at least one can be. S_1 is the sum of
p_v, S_2 that of p_vw over pairs.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from scipy import sparse
from scipy.optimize import linprog

from dpnotice.analyst.intervals import Floats
from dpnotice.errors import PlanError

MOST_EVENTS: Final = 15
"""Events up to which each of the 2^V sets of them is an unknown; on one core 12 take a second, 15
half a minute."""
_DUST: Final = 1e-9
_SETTLED: Final = 1e-7
"""Slack below this is rounding."""
_EXACT: Final[Any] = {"primal_feasibility_tolerance": 1e-10}
"""The solver's finest. Else what it found as the least slack is at times infeasible to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SharpBounds:
    """The least and the most that a union can be, each attained by some law.

    Attributes:
        lower: probability.
        upper: probability.
        slack: by how much the pairs must change in all to be of any law; 0 where they are of one.
    """

    lower: float
    upper: float
    slack: float

    def __post_init__(self) -> None:
        if not (0 <= self.lower <= self.upper <= 1 and self.slack >= 0):
            raise PlanError(
                "bounds must satisfy 0 <= lower <= upper <= 1 and slack 0 or more, got "
                f"{self.lower:g}, {self.upper:g} and {self.slack:g}"
            )


def frechet(single: Floats) -> tuple[Floats, Floats]:
    """Return the sharp bounds without pairs: max p_v <= P <= min(1, S_1) (Frechet 1935).

    Args:
        single: (V, ...) probabilities.

    Returns:
        (...) lower and upper ends.
    """
    return np.max(single, axis=0), np.minimum(np.sum(single, axis=0), 1.0)


def bonferroni_low(single: Floats, both: Floats) -> Floats:
    """Return max(0, S_1 - S_2) (Bonferroni 1936): of d events that happen, d - C(d, 2) <= 1.

    Args:
        single: (V, ...) probabilities, or persons.
        both: (V, V, ...) of two at once, symmetric; the diagonal is not read.

    Raises:
        PlanError: shapes that do not fit.
    """
    one, two = _sums(single, both)
    return np.maximum(one - two, 0.0)


def dawson_sankoff_low(single: Floats, both: Floats) -> Floats:
    """Return the best lower bound that S_1 and S_2 give (Dawson & Sankoff 1967).

    Formula: P >= 2 S_1 / (t + 1) - 2 S_2 / (t (t + 1)), t = 1 + floor(2 S_2 / S_1). It holds for
    every whole t >= 1, so rounding does no harm; t = 1 is Bonferroni's.

    Args:
        single: (V, ...) probabilities, or persons.
        both: (V, V, ...) of two at once, symmetric; the diagonal is not read.

    Raises:
        PlanError: shapes that do not fit.

    >>> float(dawson_sankoff_low(np.full(3, 0.5), np.full((3, 3), 0.25)))
    0.75
    """
    one, two = _sums(single, both)
    ratio = np.divide(2 * two, one, out=np.zeros_like(two), where=one > 0)
    t = np.clip(1 + np.floor(ratio), 1, len(single))
    return np.asarray(2 * one / (t + 1) - 2 * two / (t * (t + 1)))


def kwerel_high(single: Floats, both: Floats) -> Floats:
    """Return the best upper bound that S_1 and S_2 give, S_1 - 2 S_2 / V, uncapped (Kwerel 1975).

    Of d events that happen, 1 <= d - 2 C(d, 2) / V, as (d - 1)(d - V) <= 0.

    Args:
        single: (V, ...) probabilities, or persons.
        both: (V, V, ...) of two at once, symmetric; the diagonal is not read.

    Raises:
        PlanError: shapes that do not fit.
    """
    one, two = _sums(single, both)
    return one - 2 * two / len(single)


def hunter_worsley_high(single: Floats, both: Floats) -> Floats:
    """Return S_1 less the heaviest spanning tree of p_vw, uncapped (Hunter 1976, Worsley 1982).

    Of d events that happen, any tree joins at most d - 1 pairs, so every tree gives a bound; the
    heaviest is grown from the first event (Prim 1957), at all trailing places at once.

    Args:
        single: (V, ...) probabilities, or persons.
        both: (V, V, ...) of two at once, symmetric; the diagonal is not read.

    Raises:
        PlanError: shapes that do not fit.

    >>> float(hunter_worsley_high(np.full(3, 0.5), np.full((3, 3), 0.25)))
    1.0
    """
    _check_shapes(single, both)
    union = np.sum(single, axis=0)
    inside = np.zeros(single.shape, dtype=bool)
    inside[0] = True
    link = both[0]  # the heaviest from each event to the tree
    for _edge in range(len(single) - 1):
        newest = np.argmax(np.where(inside, -np.inf, link), axis=0)[np.newaxis]
        union = union - np.take_along_axis(link, newest, axis=0)[0]
        np.put_along_axis(inside, newest, values=True, axis=0)
        link = np.maximum(link, np.take_along_axis(both, newest[np.newaxis], axis=0)[0])
    return np.asarray(union)


def union_bounds(single: Floats, both: Floats) -> tuple[Floats, Floats]:
    """Return the best of all closed bounds at every trailing place.

    Dawson-Sankoff is never below Bonferroni. Hunter-Worsley is never above Kwerel: in a random
    spanning tree each pair has the chance 2 / V, so the mean tree weighs 2 S_2 / V.

    Args:
        single: (V, ...) probabilities.
        both: (V, V, ...) of two at once, symmetric; the diagonal is not read.

    Returns:
        (...) lower and upper ends.

    Raises:
        PlanError: shapes that do not fit, RANGE, or INCONSISTENT where the ends cross. Pairs of no
            law whose ends do not cross pass unseen; :func:`sharp_bounds` sees them.
    """
    _check_range(single, "single")
    low, high = dawson_sankoff_low(single, both), hunter_worsley_high(single, both)
    least, most = frechet(single)
    low, high = np.maximum(low, least), np.minimum(high, most)
    if not np.all(low <= high + _DUST):
        raise PlanError(
            "no events have these probabilities and pairs: a lower bound of their union is above "
            "an upper one, or a pair is not a number; check that all are of one population",
            code="INCONSISTENT",
        )
    return np.minimum(low, high), high


def sharp_bounds(single: Floats, both: Floats | None = None) -> SharpBounds:
    """Return the least and the most that any law on the 2^V sets of events allows (Hailperin 1965).

    Linear programmes over x_A >= 0, the probability that exactly the events of A happen: sum x_A =
    1, sum over A with v of x_A = p_v, sum over A with v and w of x_A = p_vw + r_vw. First the least
    sum of abs(r_vw), the slack; then the ends of 1 - x_nothing at that slack.

    Args:
        single: (V,) probabilities, V at most 15.
        both: (V, V) of two at once, read above the diagonal; nan where unknown, None where all are.

    Returns:
        Ends and slack, to about 1e-8.

    Raises:
        PlanError: shapes that do not fit, RANGE, or too many events.

    >>> sharp_bounds(np.array([0.5, 0.25]))
    SharpBounds(lower=0.5, upper=0.75, slack=0.0)
    """
    pairs = np.full((len(single),) * 2, np.nan) if both is None else both
    _check_point(single, pairs)
    first, second = np.nonzero(np.triu(~np.isnan(pairs), 1))
    known = pairs[first, second]
    _check_range(known, "both")
    law = {
        "A_eq": _law(len(single), (first, second)),
        "b_eq": np.concatenate([[1.0], single, known]),
    }
    change = np.repeat([0.0, 1.0], [2 ** len(single), 2 * len(known)])
    slack = _least(change, law)
    law |= {"A_ub": sparse.csr_array(change[np.newaxis]), "b_ub": [slack + _DUST]}
    nothing = np.zeros_like(change)
    nothing[0] = 1.0
    low, high = np.clip([1 + _least(-nothing, law), 1 - _least(nothing, law)], 0.0, 1.0)
    return SharpBounds(
        lower=float(min(low, high)),
        upper=float(high),
        slack=slack if slack > _SETTLED else 0.0,
    )


def _law(events: int, pairs: tuple[Any, Any]) -> sparse.csr_array:
    """Return (1 + V + pairs, 2^V + 2 pairs) constraints: total, events, pairs with both slacks."""
    happens = (np.arange(2**events) >> np.arange(events)[:, np.newaxis]) & 1
    first, second = pairs
    rows = np.vstack([np.ones_like(happens[:1]), happens, happens[first] & happens[second]])
    slack = sparse.eye_array(len(rows), len(first), k=-1 - events)
    return sparse.csr_array(sparse.hstack([sparse.csr_array(rows), slack, -slack]))


def _least(costs: Floats, constraints: dict[str, Any]) -> float:
    """Return the minimum of costs @ x over x >= 0."""
    found = linprog(costs, **constraints, method="highs", options=_EXACT)
    if found.fun is None:
        raise PlanError(f"the bounds of the union were not found: {found.message}")
    return float(found.fun)


def _sums(single: Floats, both: Floats) -> tuple[Floats, Floats]:
    """Return S_1 and S_2, (...) each."""
    _check_shapes(single, both)
    return np.sum(single, axis=0), np.sum(both[np.triu_indices(len(single), 1)], axis=0)


def _check_shapes(single: Floats, both: Floats) -> None:
    if not len(single) or both.shape != (len(single), *single.shape):
        raise PlanError(
            "single must have shape (V, ...) and both (V, V, ...) with the same further axes, V "
            f"at least 1, got {single.shape} and {both.shape}"
        )


def _check_point(single: Floats, both: Floats) -> None:
    """Refuse what is no single point, or too much for a programme over all sets of events."""
    if single.ndim != 1:
        raise PlanError(f"sharp bounds take one point, (V,), got {single.shape}; take one by one")
    _check_shapes(single, both)
    _check_range(single, "single")
    if len(single) > MOST_EVENTS:
        raise PlanError(
            f"sharp bounds lay out 2^V sets of events, V at most {MOST_EVENTS}, got {len(single)}; "
            "join events, or use union_bounds"
        )


def _check_range(values: Floats, name: str) -> None:
    if not np.all((values >= -_DUST) & (values <= 1 + _DUST)):
        raise PlanError(
            f"{name} must be fractions in [0, 1], got {np.min(values):g} to {np.max(values):g}; "
            "percentages?",
            code="RANGE",
        )
