"""Weighted means and sums over the class: shares, rates known by segment, pieces, dollars.

In: each retailer's estimates of one or two weighted sums with the law of their errors. Out: the
`Estimate`: a point for one retailer, bounds for several.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from operator import add
from typing import Any, Final

import numpy as np

from dpnotice.analyst.counts import RetailerCounts
from dpnotice.analyst.design import Names
from dpnotice.analyst.intervals import Counted, Floats, bonferroni, fieller
from dpnotice.analyst.overlap import share_bounds
from dpnotice.analyst.parts import ordered
from dpnotice.analyst.rates import (
    Quantity,
    Sampling,
    axes_of,
    check_fraction,
    check_positive,
    check_text,
)
from dpnotice.errors import EstimateError
from dpnotice.reporting import wording
from dpnotice.result import Estimate
from dpnotice.segments import CONTACT, Axis

BOUNDS_NOTE: Final = "bounds: the overlap between retailers is not known"
_UNDETERMINED: Final = f"{wording.UNDETERMINED}: the count is not separated from 0"


def mean_of(
    parts: list[Counted], wholes: list[Counted], *, level: float, free: bool, **words: str
) -> Estimate:
    """Return the ratio of two sums, the first at most the second, as a fraction.

    Args:
        parts: each retailer's numerator.
        wholes: each retailer's denominator, error terms aligned with the numerator's.
        level: confidence, a fraction.
        free: whether one person may count differently at two retailers.
        **words: quantity and segment of the estimate.
    """
    estimate, note = None, BOUNDS_NOTE
    if len(parts) > 1:
        lower, upper = share_bounds(parts, wholes, level, free=free)
    else:
        lower, upper, determined = fieller(parts[0], wholes[0], level)
        note = "" if determined else _UNDETERMINED
        estimate = float(parts[0][0] / wholes[0][0]) if determined else None
    return Estimate(
        estimate=estimate,
        lower=lower,
        upper=upper,
        level=level,
        unit="fraction",
        note=note,
        **words,
    )


def mean_rate(
    retailers: Sequence[RetailerCounts],
    rates: Quantity,
    level: float,
    population: Callable[[Names], str],
) -> Estimate:
    """Return the mean of a rate that is known by segment: sum n_s r_s / sum n_s.

    Args:
        retailers: fitted counts.
        rates: fractions by axes of the inquiry.
        level: confidence, a fraction.
        population: axes -> who is described by a figure that names them.
    """
    names, weights = _by_cell(retailers[0].axes, check_fraction(rates, "rates"), "rates")
    ones = np.ones_like(weights)
    return mean_of(
        [retailer.query(names, weights) for retailer in retailers],
        [retailer.query(names, ones) for retailer in retailers],
        level=level,
        free=CONTACT in names,
        quantity=f"mean rate of {population(names)}",
        segment="",
    )


def total_weight(
    retailers: Sequence[RetailerCounts], weights: Quantity, level: float, unit: str
) -> Estimate:
    """Return a weighted sum over persons, weights of 0 or more.

    One retailer: the estimate and the quantile of its error either way. Several: at least the
    largest retailer's (simultaneous lower limits), at most the sum of all. Ends below 0 are 0.

    Args:
        retailers: fitted counts.
        weights: by axes of the inquiry.
        level: confidence, a fraction.
        unit: of a weight times persons.
    """
    names, by_cell = _by_cell(retailers[0].axes, check_positive(weights, "weights"), "weights")
    found = [retailer.query(names, by_cell) for retailer in retailers]
    several = len(found) > 1
    each = bonferroni(level, len(found))
    lower = max(0.0, *(value - error.half_width(each) for value, error in found))
    error = reduce(add, (error for _, error in found))
    total = float(sum(value for value, _ in found))
    return Estimate(
        quantity="sum over known buyers",
        estimate=None if several else total,
        lower=lower,
        upper=max(lower, total + error.half_width(level)),
        level=level,
        unit=check_text(unit, "unit"),
        note=BOUNDS_NOTE if several else "",
    )


def sources_of_error(
    retailers: Sequence[RetailerCounts], part: Mapping[str, Floats]
) -> list[dict[str, Any]]:
    """Return what the noise of each released table adds to the error of a count.

    Returns:
        Rows of retailer, table, noise_sd (of one of its cells), sd (added to the count, persons),
        share_of_variance (within the retailer).
    """
    rows = []
    for retailer in retailers:
        ((_, error),) = retailer.products(part)
        for (names, noise), added in zip(retailer.design.tables, error.variances, strict=True):
            rows.append(
                {
                    "retailer": retailer.retailer,
                    "table": " x ".join(names) or "total",
                    "noise_sd": noise.sd,
                    "sd": float(np.sqrt(added)),
                    "share_of_variance": added / error.variance if error.variance else 0.0,
                }
            )
    return rows


def _by_cell(axes: Mapping[str, Axis], values: Any, field: str) -> tuple[Names, Floats]:
    """Return a figure by segment as the weights of a marginal's cells.

    Args:
        axes: of the inquiry.
        values: a checked number, or frame by some of the axes.
        field: the name to use in a refusal.

    Returns:
        The axes in the inquiry's order, and weights in their shape.

    Raises:
        EstimateError: a law, whose draws have no one value, or an unknown axis.
        PlanError: a level that is unknown, missing or given twice.
    """
    names = ordered(axes, axes_of(values))
    if not names and not isinstance(values, (int, float)):
        raise EstimateError(f"{field} must be a number, or a frame by axes of the inquiry")
    sampling = Sampling(axes=tuple(axes[name] for name in names), draws=1, seed=0)
    return names, sampling.sample(values, field)[0]
