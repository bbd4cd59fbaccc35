"""Pairs of keys -> pairs of persons: what more than five sketches tell, links that were lost added.

In: `Pairs` of what the maps show, how often keys agree, and the share of buyers who have one. Out:
`Pairs` of persons, with what the linkage prior adds to every error.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from math import comb
from typing import Final

import numpy as np

from dpnotice.analyst.intervals import Floats
from dpnotice.analyst.overlap.linkage import Linkage
from dpnotice.analyst.overlap.pairs import Pairs
from dpnotice.analyst.sampling import Sampling

_DRAWS: Final = 20_000
_SEED: Final = 0
_PAIR: Final = 2


def of_persons(pairs: Pairs, linkage: Linkage, keyed: Floats) -> Pairs:
    """Turn what the maps show as shared into persons.

    Persons known to all of a set G are shown prod over G of kappa_i s_i times, s_i the share of
    retailer i's buyers with a key: a pair is divided by its own product, exactly; the sums of
    threes and fours by the mean of 1 / prod over all sets of three and four, which is exact where
    retailers are alike.

    Args:
        pairs: as found in the maps.
        linkage: how often keys agree.
        keyed: (k,) share of each retailer's buyers with a key.
    """
    stream = Sampling(axes=(), draws=_DRAWS, seed=_SEED).stream
    number = len(pairs.retailers)
    single = linkage.factors(pairs.retailers, np.eye(number), _DRAWS, stream) / keyed  # (n, k)
    places = np.array(list(combinations(range(number), _PAIR))).T
    drawn = single[:, places[0]] * single[:, places[1]]
    mean, sd = _laid(drawn.mean(axis=0), number), _laid(drawn.std(axis=0), number)
    shown = pairs.pairs[places[0], places[1]]
    factors = np.stack(
        [
            np.ones(len(single)),
            drawn @ shown / shown.sum() if shown.sum() > 0 else drawn.mean(axis=1),
            *list(_products(single))[_PAIR : len(pairs.sums)],
        ],
        axis=1,
    )[:, : len(pairs.sums)]
    scale = factors.mean(axis=0)
    apart = (factors - scale) * pairs.sums
    return replace(
        pairs,
        pairs=pairs.pairs * mean,
        pair_sd=np.hypot(pairs.pair_sd * mean, pairs.pairs * sd),
        sums=pairs.sums * scale,
        covariance=pairs.covariance * np.outer(scale, scale) + apart.T @ apart / len(apart),
    )


def _laid(values: Floats, number: int) -> Floats:
    """Lay a figure per pair out as a symmetric square, 0 on the diagonal."""
    square = np.zeros((number, number))
    square[np.triu_indices(number, 1)] = values
    return square + square.T


def _products(single: Floats) -> Iterator[Floats]:
    """Yield the mean of the products over all sets of 1, 2, ... columns: e_r / C(k, r)."""
    number = single.shape[1]
    elementary = [np.ones(len(single)), *(np.zeros(len(single)) for _ in range(number))]
    for column in single.T:
        for order in range(number, 0, -1):
            elementary[order] = elementary[order] + elementary[order - 1] * column
    for order in range(1, number + 1):
        yield elementary[order] / comb(number, order)
