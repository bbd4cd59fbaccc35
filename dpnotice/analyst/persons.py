"""Buyers of several retailers -> persons: counts of the class.

In: who is known, and what is stated of members in nobody's records. Out: points where there is one
source of persons (one retailer, or joint ones), bounds for several.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from itertools import combinations
from typing import Any, Final, TypeAlias

import numpy as np
from scipy.special import ndtri

from dpnotice.analyst.bounds import simultaneous_low, union_interval
from dpnotice.analyst.counts import RetailerCounts
from dpnotice.analyst.design import Names
from dpnotice.analyst.intervals import Floats, bonferroni, count_interval
from dpnotice.analyst.known import Known, Source
from dpnotice.analyst.outside import Beyond
from dpnotice.analyst.parts import ordered
from dpnotice.analyst.rungs import shared_by
from dpnotice.analyst.sampling import Sampling
from dpnotice.analyst.smoothing import smooth
from dpnotice.errors import EstimateError
from dpnotice.result import Estimate

DRAWS: Final = 20_000
SEED: Final = 0
"""Draws of what is stated of other members, and their seed: the same for every count."""
Interval: TypeAlias = Callable[[float], tuple[Any, Any, Any]]
_MOST_SETS: Final = 5
"""Retailers up to which every set of them is listed, and not only pairs."""


def persons(interval: Interval, beyond: Beyond, level: float) -> tuple[Any, Any, Any]:
    """Return point (None for bounds) and ends of a count of persons.

    Formula: known buyers times h / (1 - theta), where anything is stated of other members; a law
    of that factor shares the level.

    Args:
        interval: level -> point and ends of known buyers, numbers or arrays.
        beyond: what is stated of other members.
        level: confidence, a fraction.
    """
    if not beyond.stated:
        return interval(level)
    factor = factor_draws(beyond)
    each = level if factor.size == 1 else bonferroni(level, 2)
    estimate, lower, upper = interval(each)
    low, high = np.quantile(factor, [(1 - each) / 2, (1 + each) / 2])
    point = None if estimate is None else estimate * float(factor.mean())
    middle, half = (lower * low + upper * high) / 2, (upper * high - lower * low) / 2
    return point, *count_interval(middle, half)


def factor_draws(beyond: Beyond) -> Floats:
    """Return draws of members per known buyer, (20,000,) or (1,)."""
    return beyond.members_per_known_buyer(Sampling(axes=(), draws=DRAWS, seed=SEED))


def buyers(retailers: Sequence[RetailerCounts], level: float) -> list[Estimate]:
    """Return the number of buyers of each retailer."""
    estimates = []
    for retailer in retailers:
        ((value, noise),) = retailer.products({})
        lower, upper = count_interval(value, noise.half_width(level))
        estimates.append(
            Estimate(
                quantity="buyers",
                segment=retailer.retailer,
                estimate=value,
                lower=float(lower),
                upper=float(upper),
                level=level,
                unit="buyers",
            )
        )
    return estimates


def known_to_all(known: Known, level: float) -> list[dict[str, Any]]:
    """Return, for every set of retailers, the persons known to all of them.

    Estimates where their sketches were compared, the ends normal and held between 0 and the
    smallest of their buyers; bounds elsewhere.

    Returns:
        Rows of retailers, size (of the set), estimate, lower, upper, level, unit.
    """
    retailers = known.retailers
    sizes = range(1, len(retailers) + 1) if len(retailers) <= _MOST_SETS else (1, 2)
    rows = []
    for size in sizes:
        for chosen in combinations(retailers, size):
            # The smallest of several limits holds if each holds at its share of the level.
            each = level if size == 1 else 1 - 2 * (1 - level) / size
            least = min(buyers(chosen, each), key=lambda e: e.upper)
            ends = {} if size == 1 else _shared(known, chosen, least.upper, level)
            name = " + ".join(retailer.retailer for retailer in chosen)
            row = {"retailers": name, "size": size, **numbers(least)}
            rows.append(row | ends | {"level": level, "unit": "persons"})
    return rows


def _shared(
    known: Known, chosen: Sequence[RetailerCounts], most: float, level: float
) -> dict[str, float]:
    """Return estimate and ends of the persons known to all of some retailers."""
    told = shared_by(known, [retailer.retailer for retailer in chosen])
    if told is None:
        return {"estimate": math.nan, "lower": 0.0}
    value, sd = told
    half = float(ndtri((1 + level) / 2)) * sd
    lower, upper = count_interval(value, half)
    return {"estimate": value, "lower": float(min(lower, most)), "upper": float(min(upper, most))}


def cells_of(
    sources: Sequence[Source], names: Names, beyond: Beyond, level: float
) -> tuple[Floats, Floats, Floats]:
    """Return the cells of a marginal: estimates (nan where there are only bounds) and ends.

    Args:
        sources: fitted counts, or persons.
        names: axes in any order; the arrays follow it.
        beyond: what is stated of other members.
        level: of each interval by itself.
    """
    asked = ordered(sources[0].axes, names)
    found: list[Any] = [source.cells(asked) for source in sources]
    estimate, *ends = persons(partial(union_interval, found), beyond, level)
    point = np.full(ends[0].shape, math.nan) if estimate is None else estimate
    turned = [asked.index(name) for name in names]
    point, lower, upper = (np.transpose(values, turned) for values in (point, *ends))
    return point, lower, upper


def smoothed_cells(
    retailers: Sequence[RetailerCounts], names: Names, level: float
) -> tuple[Floats, Floats, Floats]:
    """Return the cells of one retailer's known buyers, shrunk towards their margins.

    Raises:
        EstimateError: several retailers.
    """
    if len(retailers) > 1:
        raise EstimateError(
            "smoothed cells are of one retailer's known buyers; estimate the class of one release"
        )
    estimate, _, _ = cells_of(retailers, names, Beyond(), level)
    error = retailers[0].design.cell_error(ordered(retailers[0].axes, names))
    return smooth(estimate, error.sd, level)


def size_draws(sources: Sequence[Source], beyond: Beyond) -> Floats:
    """Return draws of the size: (20,000,), or (20,000, 2) low and high ends for several."""
    sampling = Sampling(axes=(), draws=DRAWS, seed=SEED)
    known = np.stack([source.draws((), DRAWS, sampling.stream) for source in sources])
    factor = factor_draws(beyond)
    drawn = np.asarray(known[0] * factor)
    if len(known) > 1:
        low, high = simultaneous_low(known), known.sum(axis=0)
        drawn = np.stack([low * factor, np.maximum(low, high) * factor], axis=1)
    drawn.flags.writeable = False
    return drawn


def numbers(estimate: Estimate) -> dict[str, Any]:
    """Return the columns of an estimate that every frame of counts has."""
    row = estimate.row()
    return {name: row[name] for name in ("estimate", "lower", "upper", "level", "unit")}
