"""Where the width of an estimate comes from, source by source, summing to the whole.

In: a function that draws the estimate with some sources of uncertainty held still. Out: every
source's share of the variance (Shapley 1953), and what the interval would be if it were known.
"""

from collections.abc import Callable, Collection
from itertools import combinations
from math import factorial
from typing import Any, Final, TypeAlias

import numpy as np

from dpnotice.analyst.intervals import Floats

Draw: TypeAlias = Callable[[frozenset[str]], Floats]
"""Sources held still at their means -> draws, (draws,) or (draws, 2) ends."""
_ROUNDING: Final = 1e-12
COLUMNS: Final = ("source", "share_of_width", "points", "width_if_known", "shift_of_mean")


def explain_width(draw: Draw, sources: Collection[str], level: float) -> list[dict[str, Any]]:
    """Split the width of an interval between its sources.

    With v(S) the variance of the estimate when only the sources S move, a source's share is its
    mean gain over all orders in which the G sources may be set free,
    sum over S without it of |S|! (G - |S| - 1)! / G! (v(S and it) - v(S)), over v(all): the shares
    sum to 1 exactly, and no order is preferred. A small share may come out below 0.

    Where the estimate is a pair of ends, the distance between them is a source of its own, and
    the rest of the width is split by the variance of their middle.

    Args:
        draw: the same random numbers in every call.
        sources: names.
        level: of the interval.

    Returns:
        Rows of :data:`COLUMNS`, the widest first; points are of the estimate's unit.
    """
    known: dict[frozenset[str], Floats] = {}
    every = frozenset(sources)

    def drawn(moving: frozenset[str]) -> Floats:
        if moving not in known:
            known[moving] = draw(every - moving)
        return known[moving]

    whole = drawn(every)
    moving = [s for s in sources if np.abs(drawn(every - {s}) - whole).max() > _ROUNDING]
    idle = every - set(moving)
    gains = shapley(lambda some: _variance(drawn(some | idle)), moving)
    total = sum(gains.values())
    if not total:  # as of a single draw
        gains = {}
    gap = 0.0 if whole.ndim == 1 else float(np.mean(whole[:, 1] - whole[:, 0]))
    width = _width(whole, level)
    rows = [
        {
            "source": source,
            "share_of_width": gain / total * (width - gap) / width,
            "points": gain / total * (width - gap),
            "width_if_known": _width(drawn(every - {source}), level),
            "shift_of_mean": float(np.mean(drawn(every - {source})) - np.mean(whole)),
        }
        for source, gain in gains.items()
    ]
    if gap:
        open_ = {"share_of_width": gap / width, "points": gap, "width_if_known": width - gap}
        rows.append({"source": "overlap left open", **open_, "shift_of_mean": 0.0})
    return sorted(rows, key=lambda row: -float(str(row["points"])))


def shapley(value: Callable[[frozenset[str]], float], players: Collection[str]) -> dict[str, float]:
    """Return every player's Shapley value of a game.

    Args:
        value: coalition -> worth.
        players: names.

    >>> shapley(lambda some: float(len(some)), ["a", "b"])
    {'a': 1.0, 'b': 1.0}
    """
    size = len(players)
    found = {}
    for player in players:
        others = [other for other in players if other != player]
        found[player] = sum(
            factorial(number)
            * factorial(size - number - 1)
            / factorial(size)
            * (value(frozenset(some) | {player}) - value(frozenset(some)))
            for number in range(size)
            for some in combinations(others, number)
        )
    return found


def _variance(draws: Floats) -> float:
    return float(np.var(draws if draws.ndim == 1 else draws.mean(axis=1)))


def _width(draws: Floats, level: float) -> float:
    ends = draws.reshape(len(draws), -1)
    tail = (1 - level) / 2
    return float(np.quantile(ends[:, -1], 1 - tail) - np.quantile(ends[:, 0], tail))
