"""A retailer's counts by block: who has a key, and how the cells of a block divide its buyers.

In: fitted counts of one retailer, or estimates and draws of several. Out: sums and shares by block,
from which persons known to several retailers are spread over cells.
"""

from typing import Final

import numpy as np

from dpnotice.analyst.counts import RetailerCounts
from dpnotice.analyst.design import Names
from dpnotice.analyst.intervals import Floats

NOBODY: Final = 1.0
"""Buyers below which nothing is divided by them."""
_TOLD: Final = 3.0
"""S.d. of its noise below which a block's buyers are not told from nobody."""
_WELL_TOLD: Final = 20.0
"""The same from which its share of buyers with a key is its own."""
_KEYED: Final = (0.05, 1.25)
"""Ends of a share of buyers with a key, so that noise on few buyers divides by nothing."""


def keyed_share(by_key: Floats) -> Floats:
    """Return the share of buyers who have a key; above 1 where noise says so, so that means hold.

    Args:
        by_key: (..., 2) buyers with a key and without.
    """
    whole = np.maximum(by_key.sum(axis=-1), NOBODY)
    return np.asarray(np.clip(by_key[..., 0] / whole, *_KEYED))


def keyed_share_by_block(counts: RetailerCounts, table: Names) -> Floats:
    """Return the share of every block's buyers who have a key, (blocks,).

    A block whose buyers are few beside the noise has the share of all blocks.

    Args:
        counts: of the retailer.
        table: axes of its table of blocks by key.
    """
    cells = np.atleast_2d(counts.marginal(table))
    noise = np.sqrt(2 * counts.design.cell_error(table).variance)
    own = cells.sum(axis=-1) > _WELL_TOLD * noise
    return np.where(own, keyed_share(cells), keyed_share(counts.marginal(table[-1:])))


def least_block(counts: RetailerCounts, axis: str | None) -> float:
    """Return the buyers of a block from which its composition is told: below, cells are alike."""
    error = counts.design.cell_error(() if axis is None else (axis,))
    return max(NOBODY, _TOLD * float(np.sqrt(error.variance)))


def by_block(
    counts: RetailerCounts, names: Names, weights: Floats, axis: str | None
) -> tuple[Floats, Floats, Floats]:
    """Return a retailer's buyers of every block, their weighted sum, the mean weight: (B or 1,)."""
    away = others(names, None if axis is None else names.index(axis))
    whole = counts.marginal(() if axis is None else (axis,)).reshape(-1)
    part = np.sum(weights * counts.marginal(names), axis=away)
    return whole, part.reshape(-1), np.mean(weights, axis=away).reshape(-1)


def compositions(value: Floats, buyers: Floats, away: tuple[int, ...], least: Floats) -> Floats:
    """Return draws of each cell's share of its block, to first order; even where few are.

    Args:
        value: estimates, (k, 1, *sizes).
        buyers: draws, (k, n, *sizes).
        away: the axes within a block.
        least: (k,) buyers from which a block's composition is told.
    """
    whole = value.sum(axis=away, keepdims=True)
    held = whole >= least.reshape(-1, *(1,) * (value.ndim - 1))
    cells = value.size / whole.size
    share = np.divide(value, whole, out=np.full_like(value, 1 / cells), where=held)
    moved = buyers - value
    moved -= share * moved.sum(axis=away, keepdims=True)
    return np.asarray(share + moved / np.where(held, whole, np.inf))


def others(names: Names, place: int | None) -> tuple[int, ...]:
    """Return the numbers of all axes but one."""
    return tuple(number for number in range(len(names)) if number != place)


def along(values: Floats, names: Names, axis: str | None) -> Floats:
    """Lay a figure per block, or the one there is, along the cells of a marginal."""
    shape = [len(values) if name == axis else 1 for name in names]
    return values.reshape(shape)


def keyed_draws(drawn: Floats, *, by_key: bool) -> Floats:
    """Return (draws, blocks) of those with a key."""
    kept = drawn[..., 0] if by_key else drawn
    return kept.reshape(len(drawn), -1)
