"""Counts of several retailers and their overlap -> persons, each counted once.

In: fitted counts of k retailers, the regions that they share, and how often keys agree. Out:
`JointCounts`, which answers as the counts of one retailer do, but of persons.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from operator import add
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from dpnotice.analyst.counts import RetailerCounts
from dpnotice.analyst.design import Factors, Names
from dpnotice.analyst.intervals import CellErrors, Counted, Floats, LinearNoise, Term
from dpnotice.analyst.overlap.blocks import (
    along,
    by_block,
    compositions,
    keyed_draws,
    keyed_share,
    keyed_share_by_block,
    least_block,
    others,
)
from dpnotice.analyst.overlap.linkage import Linkage
from dpnotice.analyst.overlap.regions import root
from dpnotice.analyst.overlap.sketches import Overlap
from dpnotice.analyst.sampling import Sampling
from dpnotice.privacy import Noise, NoiseLaw
from dpnotice.segments import KEYED, Axis

Stream: TypeAlias = Callable[[str], np.random.Generator]
_NORMAL: Final = Noise(law=NoiseLaw.DISCRETE_GAUSSIAN, scale=1024.0)
"""So wide that its whole steps do not show: normal, for errors that are no noise of a table."""
_DRAWS: Final = 20_000
_SEED: Final = 0
_DRAWN_CELLS: Final = 2 * 10**7
_CELL_DRAWS: Final = (500, 5_000)
"""Ends of the number of draws behind the s.d. of a cell, of which 1 to 3 % are chance."""
_ALL_KEYED: Final = 0.9995


@dataclass(frozen=True, kw_only=True, eq=False)
class JointCounts:
    """Persons known to at least one of k retailers, by every combination of axes of persons.

    With n_i(s) the buyers of retailer i in part s of a block, n_i those of the block, and x_T the
    persons of the block known to exactly the retailers T: of x_T, the share mean over i in T of
    n_i(s) / n_i is in s, which is exact for whole blocks and an assumption below; the persons in s
    are sum over i of n_i(s) less sum over T of (|T| - 1) x_T(s). A buyer without a key, or with
    another than usual, cannot be seen as shared: with I_G the persons known to all of G, the maps
    show I_G prod over G of kappa_i s_i, s_i the share of buyers with a key; x follows from I by
    inclusion and exclusion. The singles follow by subtraction.

    Attributes:
        counts: of each retailer, in the order of the overlap.
        overlap: regions by block.
        linkage: how often keys agree.
    """

    counts: tuple[RetailerCounts, ...]
    overlap: Overlap
    linkage: Linkage

    @property
    def retailer(self) -> str:
        """Whose persons they are."""
        return " + ".join(self.overlap.retailers)

    @property
    def axes(self) -> Mapping[str, Axis]:
        """Name -> Axis, in the inquiry's order."""
        return self.counts[0].axes

    @cached_property
    def by_plane(self) -> "JointCounts":
        """The same persons told apart by plane, where the sketches have planes; else these."""
        if self.overlap.by_plane is None:
            return self
        return replace(self, overlap=self.overlap.by_plane)

    @cached_property
    def states(self) -> npt.NDArray[np.int64]:
        """(M, k), the rows of the overlap's states in which two retailers or more know somebody."""
        return self.overlap.states[self._several]

    @cached_property
    def sets(self) -> Floats:
        """(k, M), 1 where a retailer is in one of the M sets of two or more, in their order."""
        return np.asarray((self.states > 0).T, dtype=np.float64)

    @cached_property
    def _several(self) -> npt.NDArray[np.intp]:
        return np.flatnonzero((self.overlap.states > 0).sum(axis=1) > 1)

    @cached_property
    def _within(self) -> Floats:
        """(M, M): the persons known to all of each set are the sum over the sets around it."""
        alike = (self.states == self.states[:, np.newaxis]) | (self.states[:, np.newaxis] == 0)
        return np.asarray(alike.all(axis=2), dtype=np.float64)

    @cached_property
    def keyed_shares(self) -> Floats:
        """(k,) share of each retailer's buyers who have a key, 1 where the overlap is of all."""
        if not self.overlap.by_key:
            return np.ones(len(self.counts))
        return np.array([keyed_share(counts.marginal((KEYED,))) for counts in self.counts])

    @property
    def rests_on(self) -> list[str]:
        """What is taken for granted of the overlap, in words."""
        if not self.overlap.by_key:
            return list(self.overlap.notes)
        lines = list(self.linkage.assumptions)
        if self.keyed_shares.min() < _ALL_KEYED:
            told = ", ".join(
                f"{min(share, 1.0):.1%} at {name}"
                for name, share in zip(self.overlap.retailers, self.keyed_shares, strict=True)
            )
            lines.append(f"whether a buyer has a key ({told}) tells nothing of other retailers")
        return lines + list(self.overlap.notes)

    def _factors(self, number: int, stream: Stream) -> Floats:
        """(number or 1, M): persons known to all of a set, per person that the maps show so."""
        linked = self.linkage.factors(self.overlap.retailers, self.sets, number, stream)
        if not self.overlap.by_key:
            return linked
        shares = [keyed_share(c.draws((KEYED,), number, stream)) for c in self.counts]
        return np.asarray(linked / np.exp(np.log(np.stack(shares, axis=-1)) @ self.sets))

    @cached_property
    def _linked(self) -> tuple[Floats, Floats]:
        """Mean (M,) of the factors, and a root (M, .) of their covariance."""
        drawn = self._factors(_DRAWS, Sampling(axes=(), draws=_DRAWS, seed=_SEED).stream)
        mean = drawn.mean(axis=0)
        return mean, root((drawn - mean).T @ (drawn - mean) / len(drawn))

    @cached_property
    def _by_block(self) -> Floats:
        """(blocks, M): the factor of each block over that of all, as its buyers have other keys."""
        if not self.overlap.by_key:
            return np.ones((len(self.overlap.estimate), len(self.states)))
        own = np.stack([keyed_share_by_block(c, self.joined_table) for c in self.counts], axis=-1)
        return np.asarray(np.exp(-np.log(own / self.keyed_shares) @ self.sets))

    @cached_property
    def _untangled(self) -> Floats:
        """(blocks, M, M): regions of persons from those that the maps show, at the mean factors."""
        factors = self._linked[0] * self._by_block
        return np.asarray(np.linalg.solve(self._within, factors[..., np.newaxis] * self._within))

    @cached_property
    def shared(self) -> Floats:
        """(blocks, M): persons known to exactly each set of two or more."""
        seen = self.overlap.estimate[:, self._several, np.newaxis]
        return np.asarray((self._untangled @ seen)[..., 0])

    # --- one weighted sum --------------------------------------------------------------------
    def products(self, *queries: Factors) -> list[Counted]:
        """Estimate products of weights by axis; see :meth:`query`.

        Args:
            *queries: axis -> weight of each level; all name the same axes, in the inquiry's order.
        """
        return [
            self.query(tuple(query), reduce(np.multiply.outer, query.values(), np.ones(())))
            for query in queries
        ]

    def query(self, names: Names, weights: Floats) -> Counted:
        """Estimate a weighted sum over persons, with the law of its error.

        To first order in the errors of compositions, exact in the rest: the noise of the tables
        with its own law, that of the maps and of the linkage prior as normal.

        Args:
            names: axes of persons, in the inquiry's order.
            weights: shape of their marginal.

        Returns:
            (estimate, error); errors of any two queries have aligned terms.

        Raises:
            EstimateError: the tables of a retailer do not determine it.
        """
        axis = self.overlap.axis if self.overlap.axis in names else None
        blocks = [by_block(c, names, weights, axis) for c in self.counts]
        whole, part, even = (np.stack(each) for each in zip(*blocks, strict=True))  # (k, B or 1)
        held = whole >= np.array([[least_block(c, axis)] for c in self.counts])
        ratio = np.divide(part, whole, out=even, where=held)
        size = self.sets.sum(axis=0)
        shared = self.shared if axis else self.shared.sum(axis=0, keepdims=True)
        mean = ratio.T @ self.sets / size  # (B or 1, M)
        twice = ((size - 1) / size * shared) @ self.sets.T  # (B or 1, k)
        value = part.sum() - float(np.sum((size - 1) * shared * mean))
        per_buyer = np.divide(twice.T, whole, out=np.zeros_like(whole), where=held)
        lost = np.broadcast_to((size - 1) * mean, (len(self.shared), len(size)))
        error = reduce(
            add,
            (
                self._counts_error(i, names, weights, axis, (per_buyer[i], ratio[i], lost))
                for i in range(len(self.counts))
            ),
        )
        return value, error + self._overlap_error(lost)

    def _counts_error(
        self,
        number: int,
        names: Names,
        weights: Floats,
        axis: str | None,
        slopes: tuple[Floats, Floats, Floats],
    ) -> LinearNoise:
        """Return what the noise of one retailer's tables adds: part, block, and joined counts."""
        per_buyer, ratio, lost = slopes
        design, table = self.counts[number].design, self.joined_table
        back = () if axis is None else (axis,)
        rest = 1 - along(per_buyer, names, axis)
        error = design.error(names, weights * rest)
        error = _plus(error, design.error(back, (per_buyer * ratio).reshape(design.shape(back))))
        gain = -np.sum(self._seen(lost) * self.overlap.gain[:, self._several, number], axis=1)
        return _plus(error, design.error(table, self._joined_weights(gain)))

    def _seen(self, weights: Floats) -> Floats:
        """Turn weights of persons, (blocks, M), into those of what the maps show."""
        return np.asarray((weights[:, np.newaxis] @ self._untangled)[:, 0])

    def _joined_weights(self, by_block: Floats) -> Floats:
        """Lay a figure per block over the counts that joined: those of buyers with a key."""
        if self.overlap.by_key:
            by_block = np.stack([by_block, np.zeros_like(by_block)], axis=-1)
        return by_block.reshape(self.counts[0].design.shape(self.joined_table))

    @property
    def joined_table(self) -> Names:
        """Axes of the counts that joined the overlap."""
        blocks = () if self.overlap.axis is None else (self.overlap.axis,)
        return (*blocks, KEYED) if self.overlap.by_key else blocks

    def _overlap_error(self, lost: Floats) -> LinearNoise:
        """Return what the maps and the linkage prior add; `lost` is (blocks, M), per person."""
        maps = [row @ each for row, each in zip(self._seen(lost), self._roots, strict=True)]
        known = self.overlap.estimate[:, self._several] @ self._within.T * self._by_block
        slope = np.sum(np.linalg.solve(self._within.T, lost.T).T * known, axis=0)
        normal = [np.concatenate(maps), slope @ self._linked[1]]
        return LinearNoise(tuple(Term(weights / _NORMAL.scale, _NORMAL) for weights in normal))

    @cached_property
    def _roots(self) -> list[Floats]:
        """Roots (M, M) of the maps' covariance in every block."""
        chosen = np.ix_(self._several, self._several)
        return [root(covariance[chosen]) for covariance in self.overlap.residual]

    # --- figures for tables ------------------------------------------------------------------
    def known_to(self, members: Sequence[int]) -> tuple[float, float]:
        """Return the persons known to all of some retailers, two or more, and the s.d. of that.

        Args:
            members: numbers of the retailers.
        """
        chosen = np.array([float(i in members) for i in range(len(self.counts))])
        (place,) = np.flatnonzero((chosen == self.sets.T).all(axis=1))
        around = self._by_block[:, [place]] * self._within[place]  # (B, M)
        factor = self._linked[0][place]
        total = float(np.sum(self.overlap.estimate[:, self._several] * around))
        gain = np.einsum("bm,bmi->bi", around, self.overlap.gain[:, self._several])
        joined = sum(
            self.counts[i].query(self.joined_table, self._joined_weights(gain[:, i]))[1].variance
            for i in range(len(self.counts))
        )
        pairs = zip(around, self._roots, strict=True)
        maps = sum(float(np.sum((weights @ each) ** 2)) for weights, each in pairs)
        spread = float(np.sum(self._linked[1][place] ** 2))
        return factor * total, float(np.sqrt(factor**2 * (maps + joined) + total**2 * spread))

    def marginal(self, names: Names) -> Floats:
        """Return the estimated persons in every cell of a marginal of axes of persons."""
        buyers = np.stack([c.marginal(names) for c in self.counts])[:, np.newaxis]
        regions = self._regions(names, buyers, self.shared[np.newaxis])
        return np.asarray(sum(persons[0] for _, persons in regions))

    def cells(self, names: Names) -> tuple[Floats, CellErrors]:
        """Return the persons in every cell of a marginal, and the errors of each by itself."""
        value = self.marginal(names)
        each = len(self.counts) * 2 ** len(self.counts) * value.size
        number = int(np.clip(_DRAWN_CELLS // each, *_CELL_DRAWS))
        drawn = self.draws(names, number, Sampling(axes=(), draws=number, seed=_SEED).stream)
        return value, CellErrors(sd=np.asarray(drawn.std(axis=0)))

    # --- draws -------------------------------------------------------------------------------
    def draws(self, names: Names, number: int, stream: Stream) -> Floats:
        """Draw the persons of every cell of a marginal.

        Returns:
            (number, *sizes), signed.
        """
        return np.asarray(sum(persons for _, persons in self.each_region(names, number, stream)))

    def each_region(
        self, names: Names, number: int, stream: Stream
    ) -> Iterator[tuple[int, Floats]]:
        """Draw the persons of every cell, by the exact set of retailers that know them.

        Args:
            names: axes of persons.
            number: of draws.
            stream: label -> the analyst's generator.

        Yields:
            Number of the region, and (number, *sizes), signed, as clipping would bias every sum.
        """
        buyers = np.stack([c.draws(names, number, stream) for c in self.counts])
        yield from self._regions(names, buyers, self._shared_draws(number, stream))

    def each_shared(
        self, names: Names, number: int, stream: Stream
    ) -> Iterator[tuple[npt.NDArray[np.int64], Floats]]:
        """Yield the persons known to two or more, by plane: (k,) state, and (number, *sizes)."""
        told = self.by_plane
        buyers = np.stack([c.draws(names, number, stream) for c in self.counts])
        shared = told._each_shared(names, buyers, told._shared_draws(number, stream))  # noqa: SLF001 -- of its own class
        yield from zip(told.states, shared, strict=True)

    def _regions(
        self, names: Names, buyers: Floats, shared: Floats
    ) -> Iterator[tuple[int, Floats]]:
        """Yield every region, shared ones first: its number, and (n, *sizes)."""
        singles = buyers.copy()
        found = self._each_shared(names, buyers, shared)
        for region, inside, persons in zip(self._several, self.sets.T > 0, found, strict=True):
            singles[inside] -= persons
            yield int(region), persons
        for own, persons in enumerate(singles):
            yield (1 << own) - 1, persons

    def _each_shared(self, names: Names, buyers: Floats, shared: Floats) -> Iterator[Floats]:
        """Spread the shared persons of every block over its cells, set by set.

        Args:
            names: axes of persons.
            buyers: (k, n, *sizes).
            shared: (n, B, M).

        Yields:
            (n, *sizes), in the order of `sets`.
        """
        place = names.index(self.overlap.axis) if self.overlap.axis in names else None
        if place is None:
            shared = shared.sum(axis=1, keepdims=True)
        shape = [-1 if number == place else 1 for number in range(len(names))]
        value = np.stack([c.marginal(names) for c in self.counts])[:, np.newaxis]
        least = np.array(
            [least_block(c, self.overlap.axis if place is not None else None) for c in self.counts]
        )
        ratio = compositions(value, buyers, tuple(2 + axis for axis in others(names, place)), least)
        for column, inside in enumerate(self.sets.T > 0):
            by_block = shared[:, :, column].reshape(len(shared), *shape)
            yield by_block * ratio[inside].mean(axis=0)

    def _shared_draws(self, number: int, stream: Stream) -> Floats:
        """Draw the persons of each block known to exactly each set of two or more: (n, B, M)."""
        table = self.joined_table
        moved = [
            keyed_draws(
                c.draws(table, number, stream) - c.marginal(table), by_key=self.overlap.by_key
            )
            for c in self.counts
        ]
        gain = self.overlap.gain[:, self._several]  # (B, M, k)
        seen = self.overlap.estimate[:, self._several] + np.einsum("inb,bmi->nbm", moved, gain)
        generator = stream(f"overlap/{self.retailer}")
        for block, each in enumerate(self._roots):
            seen[:, block] += generator.standard_normal((number, each.shape[1])) @ each.T
        factors = self._factors(number, stream)[:, np.newaxis] * self._by_block
        known = (seen @ self._within.T) * factors
        flat = np.linalg.solve(self._within, known.reshape(-1, known.shape[-1]).T).T
        return self._held(flat.reshape(known.shape), number, stream)

    def _held(self, shared: Floats, number: int, stream: Stream) -> Floats:
        """Shrink the shared persons of draws in which a retailer has fewer buyers than it shares.

        All blocks and sets alike: a block by itself may come out anyhow, and cutting it there would
        bias sums of blocks.
        """
        buyers = np.stack([c.draws((), number, stream) for c in self.counts], axis=1)
        told = shared.sum(axis=1) @ self.sets.T  # (n, k)
        room = np.divide(buyers, told, out=np.ones_like(told), where=told > buyers)
        held = np.clip(room.min(axis=1), 0.0, 1.0)
        return np.asarray(shared * held[:, np.newaxis, np.newaxis])


def _plus(one: LinearNoise, other: LinearNoise) -> LinearNoise:
    """Return the error of a sum of two queries on the same tables, in the same order."""
    return one.minus(other.times(-1.0))
