"""Random designs, and least squares by dense linear algebra: what every estimate must agree with.

In: a seed. Out: releases of one retailer (tables of unequal noise, some missing, some repeated),
and the estimate, its weights on the noise and its covariance, each from its definition.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, reduce
from itertools import combinations
from typing import Any, Final

import numpy as np

from dpnotice.analyst.counts import RetailerCounts, fit_counts
from dpnotice.analyst.design import Design
from dpnotice.analyst.intervals import LinearNoise
from dpnotice.analyst.sampling import Sampling
from dpnotice.inquiry import Inquiry
from dpnotice.privacy import Noise, NoiseLaw
from made.releases import marginal, release, wen

Names = tuple[str, ...]
Floats = Any
LAPLACE: Final = {"epsilon": "100000"}
GAUSSIAN: Final = {"rho": "100000", "noise": "discrete-gaussian"}
TABLES: Final[list[Names]] = [(), ("a",), ("b",), ("a", "b"), ("b", "c")]
SCALES: Final = {(): 3.0, ("a",): 9.0, ("b",): 5.0, ("a", "b"): 14.0, ("b", "c"): 7.0}
SIZES: Final = {"a": 4, "b": 3, "c": 2}
_SOLVERS: Final[dict[int, Floats]] = {}
"""By seed, as many tests ask for the same."""


def streams(seed: int) -> Callable[[str], np.random.Generator]:
    """The analyst's generators by label."""
    return Sampling(axes=(), draws=1, seed=seed).stream


def inquiry(sizes: Mapping[str, int], tables: Sequence[Names], **privacy: str) -> Inquiry:
    """Axes of the given sizes, `unknown` included."""
    return wen(
        axes={name: [f"{name}{i}" for i in range(size - 1)] for name, size in sizes.items()},
        tables=[{"of": list(names)} for names in tables],
        privacy=privacy or LAPLACE,
    )


def noisy(
    tables: Sequence[Names] = TABLES, scales: Mapping[Names, float] = SCALES, seed: int = 5
) -> tuple[Inquiry, dict[Names, Floats], RetailerCounts]:
    """One release of true counts and small errors, and its fit."""
    asked = inquiry(SIZES, tables)
    rng = np.random.default_rng(seed)
    full = rng.integers(0, 90, size=asked.shape(tuple(asked.axes)))
    counts = {
        of: marginal(asked, full, of) + rng.integers(-9, 10, size=asked.shape(of))
        for of in asked.tables
    }
    return asked, counts, fit_counts((release(asked, counts, scales),))


def mass_function(noise: Noise) -> tuple[Floats, Floats]:
    """The published law by its definition, on every whole number that a float can show."""
    far = math.ceil(noise.scale * (40 if noise.law == NoiseLaw.DISCRETE_LAPLACE else 12)) + 2
    z = np.arange(-far, far + 1)
    square = noise.law != NoiseLaw.DISCRETE_LAPLACE
    mass = np.exp(-(z**2) / (2 * noise.scale**2) if square else -np.abs(z) / noise.scale)
    return z, mass / mass.sum()


def variance_of(noise: Noise) -> float:
    """The variance of a published law by its definition."""
    z, mass = mass_function(noise)
    return float(np.sum(z**2 * mass))


def flat(error: LinearNoise) -> Floats:
    """The weights of every cell of every table, one after the other."""
    return np.concatenate([np.ravel(term.weights) for term in error.terms])


def copied(error: LinearNoise) -> list[Floats]:
    """The weights of every table, each as often as it occurs, in order of size."""
    return [
        np.sort(np.repeat(weights, np.broadcast_to(copies, weights.shape).astype(int)))
        for weights, _, copies in error.terms
    ]


def orthonormal(size: int) -> Floats:
    """The matrix of the orthonormal DCT-II, by its definition: a row per coefficient."""
    k, j = np.arange(size)[:, None], np.arange(size)[None, :]
    rows = np.sqrt(2 / size) * np.cos(np.pi * (2 * j + 1) * k / (2 * size))
    rows[0] = 1 / np.sqrt(size)
    return rows


class RandomDesign:
    """One or two releases of one retailer over at most four axes, and their dense solution."""

    def __init__(self, seed: int) -> None:
        self.seed, rng = seed, np.random.default_rng(seed)
        self.rng = rng
        d = int(rng.integers(1, 5))
        self.names: Names = tuple("abcd"[:d])
        sizes = rng.integers(2, 5 if d < 4 else 4, size=d).tolist()
        self.sizes = dict(zip(self.names, sizes, strict=True))
        self.full = rng.integers(0, 90, size=sizes)
        self.releases = tuple(self._release(attempt) for attempt in range(1 + seed % 2))
        self.fit = fit_counts(self.releases)

    def _release(self, attempt: int) -> Any:
        """Some tables, of either law, each with a scale of its own."""
        rng, every = self.rng, subsets(self.names)
        keep = rng.random(len(every)) < 0.5
        keep[rng.integers(len(every))] = True
        chosen = [names for names, kept in zip(every, keep, strict=True) if kept]
        asked = inquiry(self.sizes, chosen, **(LAPLACE if rng.random() < 0.5 else GAUSSIAN))
        counts = {of: rng.integers(-50, 500, size=asked.shape(of)) for of in asked.tables}
        scales = {of: float(rng.uniform(0.5, 30)) for of in asked.tables}
        return release(asked, counts, scales, attempt=attempt)

    @property
    def design(self) -> Design:
        """What the product made of the tables."""
        return self.fit.design

    @cached_property
    def tables(self) -> list[tuple[Names, Any]]:
        """Every released table, repeats included."""
        return [item for each in self.releases for item in each.tables.items()]

    def shape(self, names: Names) -> tuple[int, ...]:
        """Sizes of a marginal's axes."""
        return tuple(self.sizes[name] for name in names)

    def rows(self, names: Names) -> Floats:
        """The 0/1 matrix from full cells to the cells of a marginal."""
        parts = [np.eye(n) if name in names else np.ones((1, n)) for name, n in self.sizes.items()]
        return reduce(np.kron, parts)

    @cached_property
    def matrix(self) -> Floats:
        """The 0/1 matrix from full cells to the cells of all tables."""
        return np.vstack([self.rows(names) for names, _ in self.tables])

    @cached_property
    def v(self) -> Floats:
        """The noise variance of every cell."""
        return np.concatenate(
            [np.full(t.counts.size, variance_of(t.noise)) for _, t in self.tables]
        )

    @cached_property
    def solver(self) -> Floats:
        """The matrix from cells to least-squares estimates of full cells."""
        if self.seed not in _SOLVERS:
            root = 1 / np.sqrt(self.v)
            _SOLVERS[self.seed] = np.linalg.pinv(self.matrix * root[:, None], rcond=1e-11) * root
        return _SOLVERS[self.seed]

    @cached_property
    def x(self) -> Floats:
        """The estimates of full cells; of what is not determined, 0."""
        return self.solver @ np.concatenate([np.ravel(t.counts) for _, t in self.tables])

    @cached_property
    def covariance(self) -> Floats:
        """Their covariance."""
        return (self.solver * self.v) @ self.solver.T

    def tells(self, full: Floats) -> bool:
        """Whether a weighted sum of full cells is a weighted sum of the tables' cells."""
        return bool(np.allclose(full @ self.solver @ self.matrix, full, atol=1e-8))

    def part_of_a_table(self) -> Names:
        """Some of the axes of one of the tables."""
        names, _ = self.tables[self.rng.integers(len(self.tables))]
        return tuple(name for name in names if self.rng.random() < 0.7)

    def query(self) -> tuple[Names, Floats, Floats]:
        """A random estimable query: names, weights, and the weights on the full cross."""
        names = self.part_of_a_table()
        weights = self.rng.normal(size=self.shape(names))
        return names, weights, self.rows(names).T @ np.ravel(weights)

    def products(self, number: int) -> tuple[list[dict[str, Floats]], Floats]:
        """Random estimable product queries over the same axes, and their full weights, in rows."""
        held = self.part_of_a_table()
        names = tuple(n for n in self.names if n in held or self.rng.random() < 0.3)
        queries = [
            {n: self._factor(self.sizes[n], alike=n not in held) for n in names}
            for _ in range(number)
        ]
        full = [
            reduce(np.kron, [query.get(n, np.ones(size)) for n, size in self.sizes.items()])
            for query in queries
        ]
        return queries, np.stack(full)

    def _factor(self, size: int, *, alike: bool) -> Floats:
        """Weights of one axis: one level, several, all alike, or anything."""
        rng = self.rng
        kinds = [
            lambda: np.eye(size)[rng.integers(size)],
            lambda: rng.integers(0, 2, size).astype(float),
            lambda: rng.normal(size=size),
            lambda: np.full(size, rng.uniform(0.2, 2)),
        ]
        return kinds[3 if alike else rng.integers(4)]()


def subsets(names: Names) -> list[Names]:
    """Every set of axes, smallest first."""
    return [chosen for k in range(len(names) + 1) for chosen in combinations(names, k)]


def outer(query: Mapping[str, Floats]) -> Floats:
    """The weights of a product query on its own marginal."""
    return reduce(np.multiply.outer, query.values(), np.ones(()))
