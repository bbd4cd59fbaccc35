"""Sketches of several retailers -> the people at exactly each set of them, block by block.

In: the flipped maps and fitted counts of two to five retailers. Out: `Overlap`: regions with the
law of their errors, after the counts of keyed buyers joined. Noisy maps are never merged: the
patterns over all of them are counted, and the regions solved for.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from dpnotice.analyst.counts import RetailerCounts
from dpnotice.analyst.design import Names
from dpnotice.analyst.intervals import Floats
from dpnotice.analyst.overlap.patterns import histogram
from dpnotice.analyst.overlap.planes import Planes, scored
from dpnotice.analyst.overlap.regions import Regions, expected, join, membership, pair_sd, solve
from dpnotice.analyst.rates import Law, Quantity
from dpnotice.analyst.sampling import Sampling
from dpnotice.bitmap import DRAWS, Sketch, SketchPlan
from dpnotice.errors import EstimateError
from dpnotice.segments import KEYED

MOST_JOINT: Final = 5
"""Retailers whose patterns are fitted together: 2^5 of them."""
_FEWEST: Final = 2
_QUANTILE: Final = 1.96
_FULL: Final = 20.0
"""Buyers per bit from which a map is full: a 0 in it is a flip, and says nothing."""
_LEAST_KEYED: Final = 0.1
"""Twice the share below which :mod:`dpnotice.analyst.overlap.joint` takes it for noise."""
_ALARM, _BLOCK_ALARM = 4.0, 6.0
"""S.d. by which a map and the count beside it may differ, over all blocks and in one."""


class Sketched(NamedTuple):
    """A retailer that released a sketch beside its tables."""

    counts: RetailerCounts
    sketch: Sketch

    @property
    def name(self) -> str:
        """Who answered."""
        return self.counts.retailer

    @property
    def keyed(self) -> Floats:
        """(blocks,) estimated buyers with a key."""
        return np.atleast_2d(self.counts.marginal(self.sketch.plan.keyed_table))[:, 0]

    @property
    def share(self) -> float:
        """Buyers with a key among all."""
        yes, no = self.counts.marginal((KEYED,))
        return float(yes / max(yes + no, 1.0))

    @property
    def keyed_variance(self) -> float:
        """Variance of each of them, people squared."""
        return self.counts.design.cell_error(self.sketch.plan.keyed_table).variance

    @property
    def flip(self) -> float:
        """The chance that a bit was flipped."""
        return self.sketch.plan.threshold / DRAWS


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Overlap:
    """People at exactly each set of k retailers, by block, unclipped.

    The error of block b is e_b + gain_b d_b, with e_b of covariance `residual` and d_b the errors
    of the retailers' counts that joined.

    Attributes:
        retailers: k names.
        axis: whose levels are the blocks; None for one block.
        by_key: whether it is about buyers with a key; all buyers otherwise.
        states: (R, k) who is counted in each column: 1 at the retailers that know them, else 0;
            with planes, the number of the plane from 1.
        estimate: (blocks, R).
        residual: (blocks, R, R), people squared.
        gain: (blocks, R, k).
        by_plane: the same people by plane, where the maps have planes and all blocks are solved.
        notes: what had to be assumed, in words.
    """

    retailers: tuple[str, ...]
    axis: str | None
    by_key: bool
    states: npt.NDArray[np.int64]
    estimate: Floats
    residual: Floats
    gain: Floats
    by_plane: "Overlap | None" = None
    notes: tuple[str, ...] = ()


def informative(found: Sequence[Sketched]) -> list[Sketched]:
    """Return the retailers whose maps tell more than their counts do.

    The pair of A and B lies between 0 and the smaller of the two. Where 1.96 s.d. of its estimate
    exceed half of that for every partner of a retailer, its map is left out: a few thousand buyers
    against a million are lost in the larger map's flips. So is a map of hardly any of the buyers:
    where less than a tenth have a key, the keyed ones tell little of the others.
    """
    kept = [one for one in found if one.share >= _LEAST_KEYED]
    while len(kept) >= _FEWEST:
        told = [min(_width(one, other) for other in kept if other is not one) for one in kept]
        worst = int(np.argmax(told))
        if told[worst] <= 1:
            return kept
        del kept[worst]
    return []


def _width(one: Sketched, other: Sketched) -> float:
    """Return 1.96 s.d. of a pair over half of what the counts leave open."""
    sizes = np.maximum([one.keyed, other.keyed], 0.0)
    flips = [one.flip, other.flip]
    variance = 0.0
    for size, people in zip(one.sketch.plan.log2_bits, sizes.T, strict=True):
        full = people.max() > _FULL * 2**size
        variance += people.min() ** 2 / 12 if full else pair_sd(1 << size, people, flips) ** 2
    half = float(np.minimum(*sizes).sum()) / 2
    return _QUANTILE * math.sqrt(variance) / half if half else math.inf


def fit_overlap(found: Sequence[Sketched]) -> Overlap | None:
    """Solve for the regions of two to five retailers in every block.

    Args:
        found: retailers whose plans agree but for epsilon; each map has its own chance of a flip.

    Returns:
        None where no block can be solved.
    """
    plan = found[0].sketch.plan
    keyed = np.stack([one.keyed for one in found], axis=1)
    errors = np.diag([one.keyed_variance for one in found])
    blocks = [_block(found, number) for number in range(len(plan.log2_bits))]
    if not any(blocks):
        return None
    about: dict[str, Any] = {
        "retailers": tuple(one.name for one in found),
        "axis": None if plan.blocks is None else plan.blocks.name,
        "by_key": True,
    }
    regions = [
        _borrowed(blocks, keyed, counts) if solved is None else solved[0]
        for solved, counts in zip(blocks, keyed, strict=True)
    ]
    planes = [solved[1] for solved in blocks if solved and solved[1]]
    by_plane = None
    if len(planes) == len(blocks):
        states = np.array(planes[0].states)
        by_plane = Overlap(**about, **_with_counts(planes, states, keyed, errors))
    states = membership(len(found)).T.astype(np.int64)
    joined = _with_counts(regions, states, keyed, errors)
    return Overlap(**about, **joined, by_plane=by_plane, notes=_notes(plan, blocks))


def _with_counts(
    fits: Sequence[Regions | Planes], states: npt.NDArray[np.int64], keyed: Floats, errors: Floats
) -> dict[str, Any]:
    """Let the counts of keyed buyers join in every block: the fields of :class:`Overlap`."""
    design = (states > 0).T.astype(np.float64)
    estimates, residuals, gains = [], [], []
    for fit, counts in zip(fits, keyed, strict=True):
        estimate, _, gain = join((fit.estimate, fit.covariance), design, (counts, errors))
        left = np.eye(len(estimate)) - gain @ design
        estimates.append(estimate)
        residuals.append(left @ fit.covariance @ left.T)
        gains.append(gain)
    return {
        "states": states,
        "estimate": np.stack(estimates),
        "residual": np.stack(residuals),
        "gain": np.stack(gains),
    }


_Block = tuple[Regions, Planes | None] | None
"""Regions of a block, and by plane where there are planes; None where a logarithm is missing."""


def _block(found: Sequence[Sketched], number: int) -> _Block:
    planes = found[0].sketch.plan.maps
    maps = [one.sketch.words(number, plane) for one in found for plane in range(planes)]
    flips = [one.flip for one in found]
    try:
        if planes == 1:
            return solve(histogram(maps), flips), None
        by_plane = scored(histogram(maps), flips, planes)
    except EstimateError:
        return None
    return by_plane.regions(), by_plane


def _borrowed(blocks: Sequence[_Block], keyed: Floats, counts: Floats) -> Regions:
    """Return regions for a block without an estimate: shares of the others, spread widely.

    Each region of several retailers has the share of its retailers' mean count that it has in the
    blocks with an estimate, and a s.d. of 1/sqrt(12) of the smallest count: that of no knowledge.
    """
    number = keyed.shape[1]
    member = membership(number)
    solved = [regions[0].estimate for regions in blocks if regions]
    known = np.array([bool(regions) for regions in blocks])
    means = (keyed[known].sum(axis=0) @ member) / member.sum(axis=0)
    share = np.clip(np.sum(solved, axis=0) / np.maximum(means, 1.0), 0.0, 1.0)
    several = member.sum(axis=0) > 1
    counts = np.maximum(counts, 0.0)
    shared = np.where(several, share * (counts @ member) / member.sum(axis=0), 0.0)
    singles = counts - member @ shared
    least = np.array([counts[column > 0].min() for column in member.T])
    variance = np.where(several, least**2 / 12, least**2)
    return Regions(
        retailers=number,
        estimate=np.where(several, shared, singles @ member),
        covariance=np.diag(variance),
    )


def _notes(plan: SketchPlan, blocks: Sequence[_Block]) -> tuple[str, ...]:
    if plan.blocks is None or all(blocks):
        return ()
    levels = [
        level for level, solved in zip(plan.blocks.levels, blocks, strict=True) if solved is None
    ]
    where = f"{plan.blocks.name} {', '.join(levels)}"
    return (f"{where}: maps too noisy to solve; overlap as in the other blocks, error of any",)


def contradiction(one: Sketched) -> str | None:
    """Tell whether a retailer's map and its count of keyed buyers differ by far more than chance.

    z = (-m ln Z - c) / sqrt(m s^2 - c + Var c), over all blocks together and in each. The first
    part of the variance is that at the map or at the count, whichever is larger: a map that is
    nearly full may look as if it held far fewer, and exactly so.

    Returns:
        Both figures in words, or None.
    """
    shown = [_shown(one, block) for block in range(len(one.sketch.plan.log2_bits))]
    told = np.array([both is not None for both in shown])
    if not told.any():
        return None
    sizes, variances = np.transpose([both for both in shown if both is not None])
    counts = one.keyed[told]
    variances = variances + one.keyed_variance
    apart = (sizes - counts) / np.sqrt(variances)
    total = (sizes - counts).sum() / math.sqrt(variances.sum())
    if abs(total) <= _ALARM and np.abs(apart).max() <= _BLOCK_ALARM:
        return None
    return (
        f"{one.name}: its map shows {sizes.sum():,.0f} buyers with a key and its tables "
        f"{counts.sum():,.0f}, which chance does not explain; ask the retailer"
    )


def _shown(one: Sketched, block: int) -> tuple[float, float] | None:
    """Return the buyers that the maps of a block show, and the variance of that; None if full."""
    try:
        planes = [
            solve(histogram([one.sketch.words(block, plane)]), [one.flip])
            for plane in range(one.sketch.plan.maps)
        ]
    except EstimateError:
        return None
    bits, number = 2 ** one.sketch.plan.log2_bits[block], len(planes)
    counted = np.clip(one.keyed[[block]] / number, 0.0, _FULL * bits)
    least = number * expected(counted, bits, [one.flip]).union_sd ** 2
    return sum(each.union for each in planes), max(least, sum(e.union_sd**2 for e in planes))


def independent_overlap(
    counts: Sequence[RetailerCounts], population: Quantity, axes: Names
) -> Overlap:
    """Return the overlap of buyers who are drawn independently at each retailer.

    In a block with P persons: P prod over T of n_i / P, prod over the others of 1 - n_i / P. Heavy
    buyers make it false: the true overlap is larger, and the number of persons smaller.

    Args:
        counts: of each retailer.
        population: a number, or a frame by one axis.
        axes: that axis, or none.

    Raises:
        EstimateError: ``POPULATION`` where a block has more buyers than persons, or none; a law.
    """
    held = counts[0].axes
    if isinstance(population, Law):
        raise EstimateError("population must be a number or a frame; give two numbers, and compare")
    sampling = Sampling(axes=tuple(held[name] for name in axes), draws=1, seed=0)
    persons = np.atleast_1d(sampling.sample(population, "population")[0])[:, np.newaxis]
    buyers = np.stack([np.atleast_1d(c.marginal(axes)) for c in counts], axis=1)  # (B, k)
    if np.any(persons <= 0) or np.any(buyers >= persons):
        raise EstimateError(
            "population has fewer persons than a retailer has buyers; give that of everybody who "
            "could have bought",
            code="POPULATION",
        )
    share = np.maximum(buyers, 0.0) / persons
    inside = membership(len(counts)).T > 0  # (R, k)
    chances = np.where(inside, share[:, np.newaxis], 1 - share[:, np.newaxis])  # (B, R, k)
    estimate = persons * np.prod(chances, axis=2)
    slopes = np.where(inside, 1.0, -1.0) / np.maximum(chances * persons[:, np.newaxis], 1e-12)
    return Overlap(
        retailers=tuple(c.retailer for c in counts),
        axis=axes[0] if axes else None,
        by_key=False,
        states=inside.astype(np.int64),
        estimate=estimate,
        residual=np.zeros((len(estimate), estimate.shape[1], estimate.shape[1])),
        gain=estimate[:, :, np.newaxis] * slopes,
        notes=(
            "independence: a buyer at one retailer is as likely as anybody to be one at another",
        ),
    )
