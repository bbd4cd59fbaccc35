"""What noisy tables can tell, before or after they are released: the error of any linear query.

In: axes, and tables with the published law of their noise. Out: the law of the least-squares error
of weighted sums of cells; no count is needed. In orthonormal DCT-II coordinates least squares over
marginals is diagonal: index 0 on an axis is the constant, the rest spans its complement.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Final, TypeAlias

import numpy as np
from scipy.fft import dctn, idctn

from dpnotice.analyst.intervals import Floats, LinearNoise, Term
from dpnotice.errors import EstimateError
from dpnotice.inquiry import Inquiry
from dpnotice.privacy import Noise, PrivacyLoss
from dpnotice.segments import Axis, Table
from dpnotice.zcdp import stated_noise

Names: TypeAlias = tuple[str, ...]
Factors: TypeAlias = Mapping[str, Floats]
"""Axis -> weight of each of its levels: the query that is their product, 1 on other axes."""
_NO_NOISE: Final = 1e-100
"""Variance below which a table counts as exact; a narrow Gaussian's is 0 as a float."""
_WEIGHTLESS: Final = 1e-18
"""Share of a query's squared norm below which a pattern counts as float dust."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """Tables of one population and their noise.

    A pattern S is a set of axes: the coefficients whose index is not 0 on S and 0 elsewhere. With
    m_A the number of full cells per cell of table A and v_A its noise variance, the coefficients of
    pattern S are known with precision Lambda_S = sum over A containing S of m_A / v_A.

    Attributes:
        owner: whose tables they are, for refusals.
        axes: name -> Axis, in the inquiry's order.
        tables: (axes in the inquiry's order, noise) of every table, repeats included.
    """

    owner: str
    axes: Mapping[str, Axis]
    tables: tuple[tuple[Names, Noise], ...]

    def shape(self, names: Names) -> tuple[int, ...]:
        """Return the sizes of a marginal's axes."""
        return tuple(len(self.axes[name]) for name in names)

    def cells_per(self, names: Names) -> int:
        """Return m_A, the number of full cells per cell of a marginal."""
        return math.prod(len(axis) for name, axis in self.axes.items() if name not in names)

    @property
    def told(self) -> list[float]:
        """m_A / v_A of each table: the precision of every coefficient that it tells."""
        return [
            self.cells_per(names) / max(noise.variance, _NO_NOISE) for names, noise in self.tables
        ]

    def precision(self, names: Names) -> Floats:
        """Return Lambda_S of every pattern within a marginal.

        Returns:
            (2,) * axes: index 1 on the axes of the pattern; 0.0 where no table tells anything.
        """
        total = np.zeros((2,) * len(names))
        for (table, _), told in zip(self.tables, self.told, strict=True):
            total[_shared(names, table)] += told
        return total

    def inverse(self, names: Names, energy: Floats | None = None) -> Floats:
        """Return 1 / Lambda_S of every pattern that a query needs, 0 for the others.

        Args:
            names: the query's axes.
            energy: (2,) * axes, squared norm of the query in each pattern; all are needed if None.

        Raises:
            EstimateError: no table holds the axes of a needed pattern together.
        """
        precision = self.precision(names)
        needed = np.ones_like(precision, dtype=bool)
        if energy is not None:
            needed = energy > _WEIGHTLESS * energy.sum()
        missing = np.argwhere(needed & (precision == 0))
        if len(missing):
            worst = max(missing.tolist(), key=lambda s: (sum(s), [-bit for bit in s]))
            pattern = " x ".join(n for n, bit in zip(names, worst, strict=True) if bit) or "nothing"
            raise EstimateError(
                f"{self.owner}: no released table holds {pattern} together, so "
                "this cannot be estimated from these releases; ask for that table, or for less"
            )
        return np.asarray(np.divide(needed, precision, out=np.zeros_like(precision), where=needed))

    def known(self, names: Names) -> Floats:
        """Return 1 / Lambda_S of the patterns that the tables tell, 0 of the others."""
        precision = self.precision(names)
        return np.divide(1.0, precision, out=np.zeros_like(precision), where=precision > 0)

    @property
    def coefficients(self) -> int:
        """Number of different coefficients that the tables tell: the rank of the design."""
        total = 0
        for number, (table, _) in enumerate(self.tables):
            new = np.ones((2,) * len(table), dtype=bool)
            for earlier, _ in self.tables[:number]:
                new[_shared(table, earlier)] = False
            sizes = reduce(np.multiply.outer, ([1, n - 1] for n in self.shape(table)), np.ones(()))
            total += int(sizes[new].sum())
        return total

    def determines(self, names: Names) -> bool:
        """Whether every cell of a marginal can be estimated."""
        return bool(np.all(self.precision(names) > 0))

    def variance(self, names: Names, weights: Floats) -> float:
        """Return the variance of a weighted sum of a marginal's estimated cells.

        Formula: m_B times the sum over S of |dct(weights)_S|^2 / Lambda_S.

        Args:
            names: the marginal's axes B, in the inquiry's order.
            weights: shape of the marginal.

        Returns:
            People squared.

        Raises:
            EstimateError: the tables do not determine it; the missing one is named.
        """
        energy = _energy(transform(weights))
        return float(self.cells_per(names) * np.sum(energy * self.inverse(names, energy)))

    def covariance(self, names: Names, queries: Floats) -> Floats:
        """Return the covariance of several weighted sums of one marginal's cells.

        Args:
            names: the marginal's axes.
            queries: (K, *shape of the marginal).

        Returns:
            (K, K), people squared.

        Raises:
            EstimateError: the tables do not determine one of them.
        """
        coefficients = np.stack([transform(weights) for weights in queries])
        shares = [e / (e.sum() or 1.0) for e in map(_energy, coefficients)]
        energy = reduce(np.maximum, shares)  # a small query beside a large one counts alike
        root = np.sqrt(self.cells_per(names) * spread(self.inverse(names, energy), names, self))
        flat = (coefficients * root).reshape(len(coefficients), -1)
        return np.asarray(flat @ flat.T)

    def error(self, names: Names, weights: Floats) -> LinearNoise:
        """Return the law of the error of a weighted sum of a marginal's cells.

        On table A the noise has the weights sqrt(m_A) / v_A idct((dct(q) / Lambda) on A's slice).

        Args:
            names: the marginal's axes.
            weights: shape of the marginal.

        Raises:
            EstimateError: the tables do not determine it; the missing one is named.
        """
        coefficients = transform(weights)
        inverse = self.inverse(names, _energy(coefficients))
        coefficients = math.sqrt(self.cells_per(names)) * coefficients
        coefficients *= spread(inverse, names, self)
        terms = []
        for (table, noise), told in zip(self.tables, self.told, strict=True):
            held = np.zeros(self.shape(table))
            held[_shared(table, names)] = coefficients[_shared(names, table)]
            factor = told / math.sqrt(self.cells_per(table))
            terms.append(Term(factor * back(held).ravel(), noise))
        return LinearNoise(tuple(terms))

    def errors(self, *queries: Factors) -> list[LinearNoise]:
        """Return the laws of the errors of product queries over the same axes.

        Levels with the same weights in every query share one weight on the noise, so that a law
        has some 2^axes weights per table, each with how often it occurs, whatever the cells are:
        (m_A / v_A) prod over B not A of mean q_i times the sum over S within A and B of
        1 / Lambda_S prod over S of (q_i - mean q_i) prod over the rest of A and B of mean q_i.

        Args:
            *queries: axis -> weights of its levels; all name the same axes, in the inquiry's order.

        Returns:
            One law per query, terms and weights aligned.

        Raises:
            EstimateError: the tables do not determine one of them.
        """
        names = tuple(queries[0])
        merged = {name: _merged([query[name] for query in queries]) for name in names}
        return [
            self._product_error(
                names,
                {n: values[number] for n, (values, _) in merged.items()},
                {n: copies for n, (_, copies) in merged.items()},
            )
            for number in range(len(queries))
        ]

    def cell_error(self, names: Names) -> LinearNoise:
        """Return the law of the error that all cells of a marginal share."""
        (error,) = self.errors({name: np.eye(1, len(self.axes[name]))[0] for name in names})
        return error

    def _product_error(self, names: Names, values: Factors, copies: Factors) -> LinearNoise:
        """One of `errors`: per axis the distinct weights, and how many levels have each."""
        mean = {n: float(values[n] @ copies[n] / copies[n].sum()) for n in names}
        squares = [
            [copies[n].sum() * mean[n] ** 2, (values[n] - mean[n]) ** 2 @ copies[n]] for n in names
        ]
        inverse = self.inverse(names, reduce(np.multiply.outer, squares, np.ones(())))
        split = {n: np.stack([np.full_like(v, mean[n]), v - mean[n]]) for n, v in values.items()}
        terms = []
        for (table, noise), told in zip(self.tables, self.told, strict=True):
            weights, times = inverse[_shared(names, table)], np.ones(())
            for name in names:
                if name in table:  # the leading axis goes, its classes come last
                    weights = weights.reshape(2, -1).T @ split[name]
                    times = np.multiply.outer(times, copies[name])
            factor = told * math.prod(mean[name] for name in names if name not in table)
            alike = math.prod(len(self.axes[name]) for name in table if name not in names)
            terms.append(Term(factor * weights.ravel(), noise, alike * times.ravel()))
        return LinearNoise(tuple(terms))


def planned(
    inquiry: Inquiry, loss: PrivacyLoss | None = None, specs: Sequence[Table] | None = None
) -> Design:
    """Return the tables of an inquiry with the noise that they will carry.

    Args:
        inquiry: its axes, tables and loss.
        loss: another loss than the inquiry's own.
        specs: other tables than the inquiry's own.

    Raises:
        InquiryError: no table can carry the noise of such a loss.
    """
    listed = inquiry.specs if specs is None else specs
    weights = [table.weight for table in listed]
    noises = stated_noise(inquiry.loss if loss is None else loss, weights)
    return Design(
        owner="the inquiry",
        axes=inquiry.table_axes,
        tables=tuple((table.of, noise) for table, noise in zip(listed, noises, strict=True)),
    )


def transform(cells: Floats) -> Floats:
    """Return the orthonormal DCT-II over all axes; a total is its own."""
    return np.asarray(dctn(cells, norm="ortho")) if np.ndim(cells) else np.asarray(cells)


def back(coefficients: Floats, leading: int = 0) -> Floats:
    """Return cells from orthonormal coefficients, over all axes but some leading ones."""
    over = range(leading, coefficients.ndim)
    if not over:
        return coefficients
    return np.asarray(idctn(coefficients, axes=tuple(over), norm="ortho", overwrite_x=True))


def spread(by_pattern: Floats, names: Names, design: Design) -> Floats:
    """Repeat a figure per pattern over the coefficients of a marginal."""
    for axis, size in enumerate(design.shape(names)):
        by_pattern = np.repeat(by_pattern, [1, size - 1], axis=axis)
    return by_pattern


def gathered(design: Design, names: Names, by_table: Sequence[Floats]) -> Floats:
    """Sum the coefficients that tables share with a marginal."""
    total = np.zeros(design.shape(names))
    for (table, _), coefficients in zip(design.tables, by_table, strict=True):
        total[_shared(names, table)] += coefficients[_shared(table, names)]
    return total


def patterns(names: Names) -> Iterator[tuple[Names, tuple[int | slice, ...]]]:
    """Yield every set of axes, smallest first, and where its coefficients lie in a marginal."""
    for number in sorted(range(2 ** len(names)), key=int.bit_count):
        inside = [bool(number >> place & 1) for place in range(len(names))]
        pattern = tuple(name for name, kept in zip(names, inside, strict=True) if kept)
        yield pattern, tuple(slice(1, None) if kept else 0 for kept in inside)


def _shared(names: Names, others: Names) -> tuple[int | slice, ...]:
    """Index 0 on the axes that others lack: the coefficients that both marginals have."""
    return tuple(slice(None) if name in others else 0 for name in names)


def _energy(coefficients: Floats) -> Floats:
    """Squared norm of each pattern's coefficients, (2,) * axes."""
    squares = np.square(coefficients)
    for axis in range(squares.ndim):
        squares = np.add.reduceat(squares, [0, 1], axis=axis)
    return squares


def _merged(weights: Sequence[Floats]) -> tuple[Floats, Floats]:
    """Return the distinct columns of several weights of one axis, and how often each occurs."""
    distinct, copies = np.unique(np.stack(weights), axis=1, return_counts=True)
    return distinct, copies.astype(np.float64)
