"""What can be said of persons when each retailer counts its own buyers: bounds.

In: buyers by retailer and cell, and each buyer's chance of being reached. Out: the ends of what the
class and its reach can be, whatever the overlap between the retailers is. Nothing is assumed about
which buyers of one retailer are also buyers of another.
"""

from functools import reduce
from operator import add
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from dpnotice.analyst.intervals import Counted, Floats, bonferroni, count_interval

_MOST_STEPS: Final = 100
_CLOSE: Final = 1e-12


def lowest_ratio(buyers: Floats, chance: Floats) -> Floats:
    """Return the least reach that any overlap allows.

    A person known to several retailers is reached with at least the largest of the chances they
    have as a buyer of each. With c = chance - x, any assignment of buyers to persons satisfies, for
    every retailer i, reached - x persons >= sum over c < 0 of buyers c + sum over c > 0 of
    buyers_i c, since each buyer of i is a different person. The x at which the right side is 0 is
    therefore a lower end; the best is attained when all retailers know the same reached persons
    and different unreached ones, where chances are alike over retailers.

    Args:
        buyers: (retailers, draws, cells) counts, signed.
        chance: the same shape or broadcastable, fractions.

    Returns:
        (draws,) fractions, simultaneous over retailers (see :func:`simultaneous_low`).
    """
    ends = [_lowest_of(own, buyers, chance) for own in range(len(buyers))]
    return simultaneous_low(np.stack(ends))


def _lowest_of(own: int, buyers: Floats, chance: Floats) -> Floats:
    """Return the low end that one retailer's buyers give, by Dinkelbach's iteration from above.

    At x the worst assignment keeps every record with a chance below x as one more person, and of
    the others those of this retailer alone; its ratio is the next x, which only falls.
    """
    ratio = lower = np.ones(buyers.shape[1])
    for _step in range(_MOST_STEPS):
        kept = chance < ratio[:, np.newaxis]
        kept[own] = True
        persons = np.sum(buyers, axis=(0, 2), where=kept)
        reached = np.sum(buyers * chance, axis=(0, 2), where=kept)
        lower = np.clip(_ratio(reached, persons), 0.0, ratio)
        if np.all(ratio - lower <= _CLOSE):
            break
        ratio = lower
    return lower


def simultaneous_low(draws: Floats) -> Floats:
    """Return draws of the largest of several lower ends, without the bias of a largest draw.

    The largest of noisy numbers is too large. So the quantile of the result at p is the largest of
    the rows' quantiles at p / rows: a lower limit at any level then holds for all rows together.

    Args:
        draws: (rows, draws).

    Returns:
        (draws,), in the order of the row with the largest mean, so that draws stay paired.
    """
    rows, number = draws.shape
    ranks = (np.arange(number) + 0.5) / number
    places = np.arange(number) / max(1, number - 1)
    sorted_rows = np.sort(draws, axis=1)
    ordered = np.max([np.interp(ranks / rows, places, row) for row in sorted_rows], axis=0)
    result = np.empty(number)
    result[np.argsort(draws[int(np.argmax(draws.mean(axis=1)))], kind="stable")] = ordered
    return result


def highest_ratio(
    buyers: Floats, chance: Floats, best: Floats, floor: Floats, group: npt.NDArray[np.intp]
) -> Floats:
    """Return the greatest reach that any overlap allows.

    In each group of cells (persons stay in their group, whatever retailer knows them) with N
    persons: reached <= min(N best, sum of buyers times chance), and floor <= N <= sum of buyers.
    The largest ratio of sums is where the maximum of reached - x N over these is 0.

    Args:
        buyers: (retailers, draws, cells) counts, signed.
        chance: the same shape or broadcastable: reach of a buyer of that retailer alone.
        best: (draws, groups) the most that a person of the group can be reached, known to all.
        floor: (groups,) persons that the group has at least.
        group: (cells,) number of the group of each cell.

    Returns:
        (draws,) fractions.
    """
    groups = len(floor)
    belongs = (group[:, np.newaxis] == np.arange(groups)).astype(np.float64)
    most = np.sum(buyers, axis=0) @ belongs
    reached = np.sum(buyers * chance, axis=0) @ belongs
    most = np.maximum(most, floor)
    persons = np.clip(reached / np.maximum(best, 1e-12), floor, most)
    ratio = higher = np.zeros(len(most))
    for _step in range(_MOST_STEPS):  # Dinkelbach's iteration from below
        chosen = np.where(best > ratio[:, np.newaxis], persons, floor)
        won = np.sum(np.minimum(reached, chosen * best), axis=1)
        higher = np.clip(_ratio(won, np.sum(chosen, axis=1)), ratio, 1.0)
        if np.all(higher - ratio <= _CLOSE):
            break
        ratio = higher
    return higher


def _ratio(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def union_interval(found: list[Counted], level: float) -> tuple[Any, Any, Any]:
    """Return point and interval of one count, or bounds on persons from several.

    Args:
        found: each retailer's estimate of its buyers, a number or an array, and the law of its
            error.
        level: confidence, a fraction.

    Returns:
        (point or None, lower, upper) in whole persons: at least the largest simultaneous lower
        limit over retailers, at most the upper limit of their sum.
    """
    if len(found) == 1:
        value, noise = found[0]
        return value, *count_interval(value, noise.half_width(level))
    each = bonferroni(level, len(found))  # simultaneous, one-sided at (1 - level) / 2
    lows = [count_interval(v, noise.half_width(each))[0] for v, noise in found]
    total, noise = sum(v for v, _ in found), reduce(add, (noise for _, noise in found))
    low, high = reduce(np.maximum, lows), count_interval(total, noise.half_width(level))[1]
    return None, low, np.maximum(low, high)


def share_bounds(
    parts: list[Counted],
    wholes: list[Counted],
    level: float,
    *,
    free: bool,
) -> tuple[float, float]:
    """Return the ends of a share of persons, from simultaneous limits of four counts.

    Args:
        parts: each retailer's buyers in the part.
        wholes: each retailer's buyers, error terms aligned with the part's.
        level: confidence, a fraction.
        free: whether a person may be in the part at one retailer and outside it at another.

    Returns:
        With p buyers in the part and q outside it: low = max p / (max p + sum q); high = sum p /
        (sum p + max q), or sum p / max (p + q) where `free`.
    """
    each = bonferroni(level, len(parts) + 1)  # simultaneous, one-sided at (1 - level) / 2
    rests = [
        (w - p, noise_w.minus(noise_p))
        for (p, noise_p), (w, noise_w) in zip(parts, wholes, strict=True)
    ]

    def limits(counts: list[Counted]) -> tuple[float, float]:
        """Lower limit of the largest and upper limit of the sum."""
        least = max(v - noise.half_width(each) for v, noise in counts)
        noise = reduce(add, (noise for _, noise in counts))
        return max(0.0, least), max(0.0, sum(v for v, _ in counts) + noise.half_width(each))

    (p_most, p_sum), (q_most, q_sum) = limits(parts), limits(rests)
    low = p_most / (p_most + q_sum) if p_most + q_sum else 0.0
    whole = limits(wholes)[0] if free else p_sum + q_most
    high = min(1.0, p_sum / whole) if whole else 1.0
    return low, max(low, high)
