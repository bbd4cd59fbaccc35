"""Retailers with buyers in common, and their flipped bitmaps, from seeded numpy.

In: people per region, bits, thresholds of the flips. Out: maps as the releases carry them, or the
histogram of their patterns, drawn from its exact law. Truth is fixed; hashes and flips are drawn.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from math import comb
from typing import Any

import numpy as np
import pytest

from dpnotice.analyst.overlap import planes as planes_module
from dpnotice.analyst.overlap import regions as regions_module
from dpnotice.analyst.overlap.regions import Regions
from dpnotice.bitmap import DRAWS, threshold

Array = Any
COUNTS_SCALE = 5.0
"""Scale of the noise of a count at epsilon 0.2."""
QUANTILE = 1.959964
SHAPES = {"low": (0.88, 0.09, 0.025, 0.005), "mid": (0.60, 0.25, 0.10, 0.05)}
"""Share of a retailer's buyers that are at exactly 1, 2, 3, 4 retailers."""


def thresholds(*epsilons: str) -> list[int]:
    return [threshold(Decimal(epsilon)) for epsilon in epsilons]


def chances(*epsilons: str) -> list[float]:
    """The chance of a flip at each loss."""
    return [t / DRAWS for t in thresholds(*epsilons)]


def people(buyers: float, retailers: int, shape: str) -> Array:
    """People at exactly each set of retailers, all retailers alike; whole numbers."""
    shares = np.array(SHAPES[shape][:retailers])
    shares /= shares.sum()
    sizes = [int(mask).bit_count() for mask in range(1, 2**retailers)]
    return np.rint([buyers * shares[s - 1] / comb(retailers - 1, s - 1) for s in sizes]).astype(int)


def occupied(sizes: Sequence[int], bits: int, rng: np.random.Generator, codes: Any = None) -> Array:
    """Throw people at indexes: bit j of entry i tells whether map j has a 1 at index i.

    Args:
        sizes: people of each region, or of each state of planes.
        bits: of a map.
        rng: of the hash.
        codes: the maps in which each has a bit, as a number; a region's own number without.
    """
    codes = np.arange(1, len(sizes) + 1) if codes is None else codes
    seen = np.zeros(bits, dtype=np.uint16)
    for code, size in zip(np.asarray(codes, dtype=np.uint16), sizes, strict=True):
        places = rng.integers(0, bits, size=int(size), dtype=np.uint32)
        seen[places] |= code
    return seen


def words(seen: Array, drawn_below: Sequence[int], rng: np.random.Generator) -> list[Array]:
    """Flip every bit of every map and pack it: what the releases carry."""
    maps = []
    for place, below in enumerate(drawn_below):
        flips = rng.integers(0, DRAWS, size=seen.size, dtype=np.uint16) < below
        bits = ((seen >> place) & 1).astype(bool) ^ flips
        maps.append(np.packbits(bits, bitorder="little").view(np.uint64))
    return maps


def counted(seen: Array, flips: Sequence[float], rng: np.random.Generator) -> Array:
    """The histogram of the flipped patterns, without flipping: bits alike are one multinomial."""
    number = len(flips)
    times = np.bincount(seen, minlength=2**number)
    law = np.ones((1, 1))
    for flip in flips:
        law = np.kron([[1 - flip, flip], [flip, 1 - flip]], law)  # map 0 is the lowest bit
    drawn = rng.multinomial(times, law).sum(axis=0)
    return regions_module.by_map(drawn)


def discrete_laplace(scale: float, shape: Any, rng: np.random.Generator) -> Array:
    """Noise of a count: the difference of two geometric numbers."""
    ends = rng.geometric(-np.expm1(-1 / scale), size=(2, *np.atleast_1d(shape)))
    return ends[0] - ends[1]


def laplace_sd(scale: float) -> float:
    """Its standard deviation."""
    step = np.exp(-1 / scale)
    return float(np.sqrt(2 * step) / (1 - step))


def fitted(
    seen: Array, epsilons: Sequence[str], sizes: Array, rng: np.random.Generator
) -> tuple[Regions, Regions]:
    """Flip once and fit: from the maps alone, and with counts of epsilon 0.2 joined."""
    flips = chances(*epsilons)
    alone = regions_module.solve(counted(seen, flips, rng), flips)
    counts = sizes + discrete_laplace(COUNTS_SCALE, len(flips), rng)
    joint, _ = alone.joined(counts, laplace_sd(COUNTS_SCALE) ** 2 * np.eye(len(flips)))
    return alone, joint


def covered(fit: Regions, weights: Array, people: Array) -> Array:
    """Which of the 95 % intervals of weighted sums hold the truth."""
    return abs(fit.total(weights) - weights @ people) <= QUANTILE * fit.total_sd(weights)


@contextmanager
def poisson_covariance() -> Iterator[None]:
    """The fault of quoting m^2 F^-1, as if the class were drawn anew with every hash."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (regions_module, planes_module):
            patch.setattr(module, "fixed", lambda covariance, _: covariance)
        yield
