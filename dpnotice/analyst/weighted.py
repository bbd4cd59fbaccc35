"""Weighted means and sums over the class: shares, rates known by segment, pieces, dollars.

In: each retailer's estimates of one or two weighted sums with the law of their errors. Out: the
`Estimate`: a point for one retailer, bounds for several.
"""

import math
from collections.abc import Callable, Mapping
from functools import reduce
from operator import add
from typing import Any, Final

import numpy as np

from dpnotice.analyst.bounds import share_bounds
from dpnotice.analyst.counts import RetailerCounts
from dpnotice.analyst.design import Names
from dpnotice.analyst.intervals import Counted, Floats, bonferroni, fieller
from dpnotice.analyst.known import Known, Source
from dpnotice.analyst.parts import ordered
from dpnotice.analyst.rates import Quantity, axes_of, check_fraction, check_positive, check_text
from dpnotice.analyst.sampling import Sampling
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
    known: Known,
    rates: Quantity,
    level: float,
    population: Callable[[Names], str],
) -> Estimate:
    """Return the mean of a rate that is known by segment: sum n_s r_s / sum n_s.

    Args:
        known: the fitted releases.
        rates: fractions by axes of the inquiry.
        level: confidence, a fraction.
        population: axes -> who is described by a figure that names them.
    """
    axes = known.retailers[0].axes
    names, weights = _by_cell(axes, check_fraction(rates, "rates"), "rates")
    sources, ones = known.of(names), np.ones_like(weights)
    return mean_of(
        [source.query(names, weights) for source in sources],
        [source.query(names, ones) for source in sources],
        level=level,
        free=CONTACT in names,
        quantity=f"mean rate of {population(names)}",
        segment="",
    )


def total_weight(known: Known, weights: Quantity, level: float, unit: str) -> Estimate:
    """Return a weighted sum over persons, weights of 0 or more.

    One retailer: the estimate and the quantile of its error either way. Several: at least the
    largest retailer's (simultaneous lower limits), at most the sum of all. Ends below 0 are 0.

    Args:
        known: the fitted releases.
        weights: by axes of the inquiry.
        level: confidence, a fraction.
        unit: of a weight times persons.
    """
    axes = known.retailers[0].axes
    names, by_cell = _by_cell(axes, check_positive(weights, "weights"), "weights")
    found = [source.query(names, by_cell) for source in known.of(names)]
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
    known: Known, part: Mapping[str, Floats], factor: Floats | None
) -> list[dict[str, Any]]:
    """Return what each source of error adds to a count.

    Args:
        known: the fitted releases.
        part: axis -> weight of each level, 0 or 1.
        factor: draws of members per known buyer, where the count is of members.

    Returns:
        Rows of retailer, table, noise_sd (of one of its cells), sd (added to the count, persons),
        share_of_variance (within the retailer, or within the persons of joint ones). Joint persons
        have two rows more, of no table: what the sketches add, and the shares of linked keys and of
        buyers with a key; and members
        one for those whom no responding retailer knows.
    """
    rows = []
    for source in known.of(part):
        ((value, error),) = source.products(part)
        mean, spread = (1.0, 0.0) if factor is None else (factor.mean(), factor.std())
        named = [
            (*row, mean**2 * v) for row, v in zip(_tables(source), error.variances, strict=True)
        ]
        if factor is not None:
            named.append((source.retailer, "outside", math.nan, (value * spread) ** 2))
        whole = sum(added for *_, added in named)
        rows += [
            {
                "retailer": owner,
                "table": table,
                "noise_sd": noise,
                "sd": float(np.sqrt(added)),
                "share_of_variance": added / whole if whole else 0.0,
            }
            for owner, table, noise, added in named
        ]
    return rows


def _tables(source: Source) -> list[tuple[str, str, float]]:
    """Name the terms of a source's errors: whose, which table, the noise of one of its cells."""
    if isinstance(source, RetailerCounts):
        return [
            (source.retailer, " x ".join(names) or "total", noise.sd)
            for names, noise in source.design.tables
        ]
    own = [row for counts in source.counts for row in _tables(counts)]
    return [
        *own,
        (source.retailer, "sketches", math.nan),
        (source.retailer, "links and keys", math.nan),
    ]


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
