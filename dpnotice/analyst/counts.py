"""Noisy tables of one retailer -> the least-squares estimate of every count, with exact errors.

In: the releases of one retailer. Out: `RetailerCounts`: any marginal, any linear query with the
law of its error, and draws. In orthonormal DCT-II coordinates least squares over marginals is
diagonal: index 0 on an axis is the constant, the rest spans its complement.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Final, TypeAlias

import numpy as np
from scipy.fft import dctn, idctn

from dpnotice.analyst.intervals import Floats, LinearNoise
from dpnotice.errors import EstimateError
from dpnotice.inquiry import Axis
from dpnotice.release import NoisyTable, Release

Names: TypeAlias = tuple[str, ...]
_ROUNDING: Final = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class RetailerCounts:
    """One retailer's buyers by every combination of axes that its tables determine.

    With x the true counts on the full cross, theta its coefficients, m_A the number of full cells
    per cell of table A and v_A its noise variance, the block of theta with pattern S (the axes
    whose index is not 0) has precision Lambda_S = sum over A containing S of m_A / v_A and
    estimate (sum of sqrt(m_A)/v_A dct(y_A)[S]) / Lambda_S.

    Attributes:
        retailer: who counted.
        axes: name -> Axis, in the inquiry's order.
        tables: every released table, repeats from further releases included.
        theta: pattern -> estimated coefficients, shape (n_i - 1 for i in the pattern).
        precision: pattern -> Lambda_S.
    """

    retailer: str
    axes: Mapping[str, Axis]
    tables: tuple[tuple[Names, NoisyTable], ...]
    theta: Mapping[Names, Floats]
    precision: Mapping[Names, float]

    def marginal(self, names: Names) -> Floats:
        """Return the estimated counts of a marginal, unclipped, shape = sizes of its axes.

        Raises:
            EstimateError: the tables do not determine it; the missing one is named.
        """
        self._require(names)
        blocks = {s: math.sqrt(self._cells_per(names)) * self.theta[s] for s in _patterns(names)}
        return self._assemble(names, blocks)

    def query(self, names: Names, weights: Floats) -> tuple[float, LinearNoise]:
        """Estimate a weighted sum of the cells of a marginal, with the law of its error.

        Args:
            names: the marginal's axes, in the inquiry's order.
            weights: shape of the marginal.

        Returns:
            (estimate, error); error terms follow the order of `tables`.

        Raises:
            EstimateError: the tables do not determine it; the missing one is named.
        """
        coefficients = dctn(weights, norm="ortho") if names else weights
        size = float(np.linalg.norm(weights))
        asked = {
            s: block
            for s in _patterns(names)
            if np.linalg.norm(block := coefficients[_slice(names, s)]) > 1e-9 * size
        }
        for pattern in asked:
            self._require(pattern)
        scale = math.sqrt(self._cells_per(names))
        value = sum(scale * float(np.sum(b * self.theta[s])) for s, b in asked.items())
        terms = []
        for table, noisy in self.tables:
            factor = scale * math.sqrt(self._cells_per(table)) / noisy.noise.variance
            inside = {
                s: factor / self.precision[s] * block
                for s, block in asked.items()
                if set(s) <= set(table)
            }
            terms.append((self._assemble(table, inside).ravel(), noisy.noise))
        return float(value), LinearNoise(tuple(terms))

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
        self._require(names)
        scale = math.sqrt(self._cells_per(names))
        blocks = {
            s: scale
            * stream(f"counts/{self.retailer}/{'+'.join(s)}").standard_normal(
                (number, *self.theta[s].shape)
            )
            / math.sqrt(self.precision[s])
            for s in _patterns(names)
        }
        return self.marginal(names) + self._assemble(names, blocks, leading=(number,))

    def _cells_per(self, names: Names) -> int:
        return math.prod(len(axis) for name, axis in self.axes.items() if name not in names)

    def _assemble(
        self, names: Names, blocks: Mapping[Names, Floats], leading: tuple[int, ...] = ()
    ) -> Floats:
        """Put blocks of coefficients in their places and transform back to cells."""
        full = np.zeros((*leading, *(len(self.axes[name]) for name in names)))
        for pattern, block in blocks.items():
            full[(..., *_slice(names, pattern))] = block
        if not names:
            return full
        over = range(len(leading), full.ndim)
        return np.asarray(idctn(full, axes=tuple(over), norm="ortho"))

    def _require(self, names: Names) -> None:
        missing = [s for s in _patterns(names) if s not in self.precision]
        if missing:
            raise EstimateError(
                f"{self.retailer}: no released table holds {' x '.join(missing[-1])} together, so "
                "this cannot be estimated from these releases; ask for that table, or for less"
            )


def fit_counts(releases: tuple[Release, ...]) -> RetailerCounts:
    """Fit the counts of one retailer by generalised least squares over all of its tables.

    Args:
        releases: of one retailer and one class; further attempts are further measurements.

    Returns:
        Estimates whose errors are linear in the noise.
    """
    axes = releases[0].inquiry.axes
    tables = tuple(item for release in releases for item in release.tables.items())
    numerator: dict[Names, Floats] = {}
    precision: dict[Names, float] = {}
    for table, noisy in tables:
        cells_per = math.prod(len(axis) for name, axis in axes.items() if name not in table)
        variance = noisy.noise.variance
        counts = noisy.counts.astype(np.float64)
        coefficients = dctn(counts, norm="ortho") if table else counts
        for pattern in _patterns(table):
            block = math.sqrt(cells_per) / variance * coefficients[_slice(table, pattern)]
            numerator[pattern] = numerator.get(pattern, 0.0) + block
            precision[pattern] = precision.get(pattern, 0.0) + cells_per / variance
    return RetailerCounts(
        retailer=releases[0].retailer,
        axes=axes,
        tables=tables,
        theta={s: block / precision[s] for s, block in numerator.items()},
        precision=precision,
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
        float(np.sum(_beyond_rounding(noisy.counts - fit.marginal(names)) ** 2))
        / noisy.noise.variance
        for names, noisy in fit.tables
    )
    cells = sum(noisy.counts.size for _, noisy in fit.tables)
    free = cells - sum(block.size for block in fit.theta.values())
    if squares > free + 30 * math.sqrt(5 * max(0, free)) + 300:
        raise EstimateError(
            f"{fit.retailer}: its tables contradict each other by far more than their noise; if "
            "there are several attempts, name only the one that is valid",
            code="INCONSISTENT",
        )
    return fit


def _patterns(names: Names) -> Iterator[Names]:
    """Every subset of the axes, in their order, smallest first."""
    for size in range(len(names) + 1):
        yield from combinations(names, size)


def _slice(names: Names, pattern: Names) -> tuple[int | slice, ...]:
    """Where a pattern's coefficients lie in the array of a table."""
    return tuple(slice(1, None) if name in pattern else 0 for name in names)
