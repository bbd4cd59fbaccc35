"""Noisy tables of one retailer -> the least-squares estimate of every count, with exact errors.

In: the releases of one retailer. Out: `RetailerCounts`: any marginal, any weighted sum with the law
of its error, and draws. What the tables can tell at all is `design`'s.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from dpnotice.analyst.design import (
    Design,
    Factors,
    Names,
    back,
    gathered,
    patterns,
    spread,
    transform,
)
from dpnotice.analyst.intervals import Counted, Floats, LinearNoise
from dpnotice.errors import EstimateError
from dpnotice.release import Release
from dpnotice.segments import Axis

_ROUNDING: Final = 1e-6
Integers: TypeAlias = npt.NDArray[np.int64]
_DRAWN_AT_ONCE: Final = 2**17
"""Numbers of draws that are transformed together: they stay in the processor's memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetailerCounts:
    """One retailer's buyers by every combination of axes that its tables determine.

    With x the true counts on the full cross and theta its orthonormal DCT-II coefficients, table A
    with m_A full cells per cell and noise variance v_A tells y_A's coefficients / sqrt(m_A) of
    theta, with precision m_A / v_A; the estimate is their weighted mean.

    Attributes:
        design: the tables' axes and noise.
        counts: the released numbers, in the order of the design's tables.
        told: their coefficients times sqrt(m_A) / v_A.
    """

    design: Design
    counts: tuple[Integers, ...]
    told: tuple[Floats, ...]

    @property
    def retailer(self) -> str:
        """Who counted."""
        return self.design.owner

    @property
    def axes(self) -> Mapping[str, Axis]:
        """Name -> Axis, in the inquiry's order."""
        return self.design.axes

    def marginal(self, names: Names) -> Floats:
        """Return the estimated counts of a marginal, unclipped, shape = sizes of its axes.

        Raises:
            EstimateError: the tables do not determine it; the missing one is named.
        """
        return back(self._coefficients(names, self.design.inverse(names)))

    def cells(self, names: Names) -> tuple[Floats, LinearNoise]:
        """Return the estimated counts of a marginal, and the law of the error that all share."""
        return self.marginal(names), self.design.cell_error(names)

    def query(self, names: Names, weights: Floats) -> Counted:
        """Estimate a weighted sum of the cells of a marginal, with the law of its error.

        Args:
            names: the marginal's axes, in the inquiry's order.
            weights: shape of the marginal.

        Returns:
            (estimate, error); error terms follow the order of the design's tables.

        Raises:
            EstimateError: the tables do not determine it; the missing one is named.
        """
        error = self.design.error(names, weights)
        pairs = zip(error.terms, self.counts, strict=True)
        return sum(float(term.weights @ counts.ravel()) for term, counts in pairs), error

    def products(self, *queries: Factors) -> list[Counted]:
        """Estimate product queries over the same axes, quickly: see :meth:`Design.errors`.

        Args:
            *queries: axis -> weight of each level; all name the same axes, in the inquiry's order.

        Returns:
            (estimate, error) of each; errors aligned.

        Raises:
            EstimateError: the tables do not determine one of them.
        """
        errors = self.design.errors(*queries)
        names = tuple(queries[0])
        known = self._coefficients(names, self.design.known(names))
        values = [float(reduce(_along, query.values(), known)) for query in queries]
        return list(zip(values, errors, strict=True))

    def draws(
        self, names: Names, number: int, stream: Callable[[str], np.random.Generator]
    ) -> Floats:
        """Draw a marginal with the exact mean and covariance of its estimate, normal in law.

        Args:
            names: the marginal's axes.
            number: of draws.
            stream: label -> the analyst's generator; every pattern has its own, so that a further
                axis moves no other draw.

        Returns:
            (number, *sizes); signed, as clipping would bias every sum.
        """
        inverse = self.design.inverse(names)
        estimate = self._coefficients(names, inverse)
        deviation = np.sqrt(self.design.cells_per(names) * inverse)
        blocks = [
            (place, stream(f"counts/{self.retailer}/{'+'.join(pattern)}"))
            for pattern, place in patterns(names)
        ]
        scale = spread(deviation, names, self.design)
        drawn = np.empty((number, *estimate.shape))
        step = max(1, _DRAWN_AT_ONCE // estimate.size)
        for start in range(0, number, step):
            part = drawn[start : start + step]
            for place, generator in blocks:
                block = part[(slice(None), *place)]
                block[...] = generator.standard_normal(block.shape)
            part *= scale
            part += estimate
            part[...] = back(part, leading=1)
        return drawn

    def _coefficients(self, names: Names, inverse: Floats) -> Floats:
        """Estimated coefficients of a marginal: sqrt(m_B) theta on its slice."""
        scale = math.sqrt(self.design.cells_per(names))
        return np.asarray(
            gathered(self.design, names, self.told) * spread(scale * inverse, names, self.design)
        )


def fit_counts(releases: tuple[Release, ...]) -> RetailerCounts:
    """Fit the counts of one retailer by generalised least squares over all of its tables.

    Args:
        releases: of one retailer and one class; further attempts are further measurements.

    Returns:
        Estimates whose errors are linear in the noise.
    """
    tables = [item for release in releases for item in release.tables.items()]
    design = Design(
        owner=releases[0].retailer,
        axes=max((release.inquiry.table_axes for release in releases), key=len),
        tables=tuple((names, noisy.noise) for names, noisy in tables),
    )
    return RetailerCounts(
        design=design,
        counts=tuple(noisy.counts for _, noisy in tables),
        told=tuple(
            transform(noisy.counts.astype(np.float64)) * (told / math.sqrt(design.cells_per(names)))
            for (names, noisy), told in zip(tables, design.told, strict=True)
        ),
    )


def _beyond_rounding(residuals: Floats) -> Floats:
    """Take away a millionth of a person: with hardly any noise, floats' own errors would show."""
    return np.maximum(np.abs(residuals) - _ROUNDING, 0)


def check_consistent(fit: RetailerCounts) -> RetailerCounts:
    """Return a fit, or refuse tables that no true counts could have given.

    Two answers by different column mappings are such, or a file that somebody made up.

    The squared residuals over their noise variance sum to S with mean f, the cells less the
    coefficients fitted. Laplace noise makes S heavier than chi-square; S > f + 30 sqrt(5 f) + 300
    is less likely than one in 10^9 (a lone residual would be 17 s.d.).

    Raises:
        EstimateError: ``INCONSISTENT``.
    """
    squares = sum(
        float(np.sum(_beyond_rounding(counts - fit.marginal(names)) ** 2))
        * (told / fit.design.cells_per(names))
        for (names, _), told, counts in zip(
            fit.design.tables, fit.design.told, fit.counts, strict=True
        )
    )
    free = sum(counts.size for counts in fit.counts) - fit.design.coefficients
    if squares > free + 30 * math.sqrt(5 * max(0, free)) + 300:
        raise EstimateError(
            f"{fit.retailer}: its tables contradict each other by far more than their noise; if "
            "there are several attempts, name only the one that is valid",
            code="INCONSISTENT",
        )
    return fit


def _along(known: Floats, weights: Floats) -> Floats:
    """Weigh the leading axis of coefficients by the weights of its levels."""
    return np.asarray(transform(weights) @ known.reshape(len(weights), -1)).reshape(known.shape[1:])
