"""Who is exposed to a plan, by draw and cell: what every figure of reach is made from.

In: buyers or persons, and their chances. Out: `Exposed`: reach as modelled and the ends that hold
whatever depends on what. Over sources that no sketch tells apart reach is a pair of ends.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from dpnotice.analyst.bounds import highest_ratio, lowest_ratio
from dpnotice.analyst.intervals import Floats
from dpnotice.segments import CONTACT

DIRECT: Final = ("direct", "direct_least", "direct_most", "pieces")
_MEDIA: Final = ("media", "media_least", "media_most", "gross")
_UNASKED: Final = np.empty(0)
"""Stands for what nobody asked for."""
_DUST: Final = 1e-9
"""A person so small that means exist where nobody is."""


def _unasked() -> Floats:
    return _UNASKED


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposed:
    """One plan laid over one class, cells flattened: what every figure of reach is made from.

    A source is a retailer with its buyers, or all persons whom sketches tell apart.

    Attributes:
        axes: names and sizes of the axes whose cells these are, in order.
        buyers: (sources, draws, cells) counts, signed.
        direct: (sources, draws, cells) chance that none of a source's notices is seen.
        direct_least: the least it can be, whatever depends on what.
        direct_most: the most.
        pieces: (sources, draws, cells) expected notices seen.
        media: (draws, cells) chance of no published exposure, as modelled.
        group: (cells,) number of the persons' own cell, contact left out.
        floor: (groups,) persons that each group has at least.
        media_least: the least that `media` can be, when vehicles overlap least; like all below
            without a number unless somebody asks.
        media_most: the most.
        gross: (draws, cells) expected published exposures.
        counts: (most + 1, draws, cells) chances of 0, 1, ... published exposures, the rest in the
            last.
    """

    axes: Mapping[str, int]
    buyers: Floats
    direct: Floats
    direct_least: Floats
    direct_most: Floats
    pieces: Floats
    media: Floats
    group: npt.NDArray[np.intp]
    floor: Floats
    media_least: Floats = field(default_factory=_unasked)
    media_most: Floats = field(default_factory=_unasked)
    gross: Floats = field(default_factory=_unasked)
    counts: Floats = field(default_factory=_unasked)

    def of(self, sources: list[int]) -> "Exposed":
        """Keep some sources."""
        kept = {name: getattr(self, name)[sources] for name in ("buyers", *DIRECT)}
        return replace(self, **kept)

    def levels_of(self, axis: str) -> npt.NDArray[np.int64]:
        """(cells,) number of every cell's level on an axis."""
        place = list(self.axes).index(axis)
        levels = np.indices([*self.axes.values()]).reshape(len(self.axes), -1)[place]
        return np.asarray(levels)

    def within(self, axis: str, level: int) -> "Exposed":
        """Keep the cells of one level of an axis, by its number.

        Where that cuts through groups, as contact does, nothing is known of the persons left.
        """
        return self.only(self.levels_of(axis) == level, whole_groups=axis != CONTACT)

    def only(self, cells: npt.NDArray[np.bool_], *, whole_groups: bool) -> "Exposed":
        """Keep some cells; where groups are cut, nothing is known of the persons left in them."""
        kept, group = np.unique(self.group[cells], return_inverse=True)
        by_cell = {f.name for f in fields(self)} - {"axes", "group", "floor"}
        asked = {name: x for name in by_cell if (x := getattr(self, name)) is not _UNASKED}
        cut = {name: values[..., cells] for name, values in asked.items()}
        return Exposed(**cut, axes={}, group=group, floor=self.floor[kept] * whole_groups)

    def reach(self) -> Floats:
        """Reach as modelled: (draws,) for one source, (draws, 2) ends for several."""
        best = 1 - np.prod(self._least(self.direct), axis=0) * self._least(self.media)
        return self._ends(self.buyers, 1 - self.direct * self.media, best, self.group)

    def at_least(self, number: int) -> Floats:
        """Share exposed so often or more, :meth:`reach` for once: (draws,), or (draws, 2) ends.

        The direct notices that a person sees number, among those who see any, the whole numbers
        below and above their mean: exact for one or two notices. Between retailers the high end
        is that of Markov: no more than exposures / number are exposed so often, as somebody may be
        whom neither retailer alone exposes so often.
        """
        if number == 1:
            return self.reach()
        often = 1 - np.cumsum(self.counts, axis=0)
        seen = 1 - self.direct
        each = np.divide(self.pieces, seen, out=np.ones_like(self.pieces), where=seen > 0)
        whole = np.floor(each)
        chance = self.direct * often[number - 1]
        for pieces, share in ((whole, 1 - (each - whole)), (whole + 1, each - whole)):
            left = np.clip(number - pieces, 0, number).astype(int)
            reached = np.ones(np.broadcast_shapes(left.shape, often.shape[1:]))
            for missing in range(1, number + 1):
                reached = np.where(left == missing, often[missing - 1], reached)
            chance = chance + seen * share * reached
        mean = np.sum(self._greatest(self.pieces), axis=0) + self._greatest(self.gross)
        best = np.minimum(1.0, mean / number)
        adds = np.minimum(1.0, (self.pieces + self.gross) / number)
        ends = self._ends(self.buyers, chance, best, self.group, adds)
        return np.minimum(ends, self.reach())

    def media_reach(self, often: int = 1) -> Floats:
        """Share exposed so often or more by the published part alone, as modelled."""
        unmet = self.media if often == 1 else self.counts[:often].sum(axis=0)
        chance = np.broadcast_to(1 - unmet, self.buyers.shape)
        return self._ends(self.buyers, chance, 1 - self._least(unmet), self.group)

    def widest(self) -> tuple[Floats, Floats]:
        """Ends of reach, and of the published part's, whatever depends on what: (draws, 2) each.

        Vehicles, direct notices and contact may depend on each other in any way within a group:
        reach is at least that of the better of direct and published, at most their sum.
        """
        buyers = self.buyers @ self._belongs()
        groups = np.arange(len(self.floor))
        sent = self.pooled_mean(1 - self.direct_most), self.pooled_mean(1 - self.direct_least)
        seen = self.pooled_mean(1 - self.media_most), self.pooled_mean(1 - self.media_least)
        most = 1 - self._least(self.media_least)
        best = np.minimum(1.0, np.sum(1 - self._least(self.direct_least), axis=0) + most)
        low = self._ends(buyers, np.maximum(sent[0], seen[0]), best, groups)
        high = self._ends(buyers, np.minimum(1.0, sent[1] + seen[1]), best, groups)
        media = [self._ends(buyers, part, most, groups) for part in seen]
        by_cell = self.reach()  # several retailers: the reached may be the same, cell by cell
        low, high = np.minimum(_low(low), _low(by_cell)), np.maximum(_high(high), _high(by_cell))
        published = np.minimum(_low(media[0]), _low(self.media_reach()))
        return np.stack([low, high], axis=1), np.stack([published, _high(media[1])], axis=1)

    def exposures(self) -> tuple[Floats, Floats]:
        """Mean exposures per person of the first source: all notices, and published ones."""
        buyers = self.buyers[0]
        total = np.sum(buyers, axis=1)
        both = np.sum(buyers * (self.gross + self.pieces[0]), axis=1)
        return both / total, np.sum(buyers * self.gross, axis=1) / total

    def _belongs(self) -> Floats:
        """(cells, groups) 1 where a cell belongs to a group."""
        same = self.group[:, np.newaxis] == np.arange(len(self.floor))
        return np.asarray(same, dtype=np.float64)

    def _least(self, values: Floats) -> Floats:
        """Return the least of each group's cells, cells on the last axis."""
        parts = [values[..., self.group == number] for number in range(len(self.floor))]
        return np.stack([np.min(part, axis=-1) for part in parts], axis=-1)

    def _greatest(self, values: Floats) -> Floats:
        """Return the greatest of each group's cells."""
        return -self._least(-values)

    def pooled(self) -> "Exposed":
        """Return the same by group of persons: buyers summed, chances their means."""
        weights = np.maximum(np.sum(self.buyers, axis=0), 0.0) + _DUST
        share = weights @ self._belongs()
        by_name = {name: getattr(self, name) for name in (*_MEDIA, "counts")}
        media = {
            name: (weights * values) @ self._belongs() / share
            for name, values in by_name.items()
            if values is not _UNASKED
        }
        direct = {name: self.pooled_mean(getattr(self, name)) for name in DIRECT}
        return replace(
            self,
            axes={name: size for name, size in self.axes.items() if name != CONTACT},
            buyers=self.buyers @ self._belongs(),
            **direct,
            **media,
            group=np.arange(len(self.floor)),
        )

    def totals(self) -> tuple[Floats, dict[str, Floats]]:
        """Return the buyers of all sources, (draws, groups), and the sums of their chances."""
        by_name = {name: self.buyers * getattr(self, name) for name in DIRECT}
        sums = {name: np.sum(v, axis=0) @ self._belongs() for name, v in by_name.items()}
        return np.sum(self.buyers, axis=0) @ self._belongs(), sums

    def pooled_mean(self, values: Floats, among: npt.NDArray[np.bool_] | None = None) -> Floats:
        """Return the buyers' mean of each group's cells, or of some of them.

        Where there are no buyers, it is the mean of the cells.

        Returns:
            (sources, draws, groups), in [0, 1].
        """
        belongs = self._belongs() if among is None else self._belongs() * among[:, np.newaxis]
        total = self.buyers @ belongs
        alike = values @ (belongs / np.maximum(belongs.sum(axis=0), 1))
        plain = np.broadcast_to(alike, total.shape).copy()
        mean = np.divide((self.buyers * values) @ belongs, total, out=plain, where=total > 0)
        return np.asarray(np.clip(mean, 0.0, 1.0))

    def _ends(
        self,
        buyers: Floats,
        chance: Floats,
        best: Floats,
        group: npt.NDArray[np.intp],
        adds: Floats | None = None,
    ) -> Floats:
        """Return reach, or its ends; `adds`: what a retailer adds to a person's chance at most."""
        if len(buyers) == 1:
            total = np.sum(buyers[0], axis=1)
            reached = np.sum(buyers[0] * chance[0], axis=1)
            return np.asarray(np.clip(reached / np.where(total > 0, total, np.nan), 0.0, 1.0))
        best = np.broadcast_to(best, (buyers.shape[1], len(self.floor)))
        low = lowest_ratio(buyers, np.broadcast_to(chance, buyers.shape))
        high = highest_ratio(buyers, chance if adds is None else adds, best, self.floor, group)
        return np.stack([low, np.maximum(low, high)], axis=1)


def _low(ends: Floats) -> Floats:
    return ends if ends.ndim == 1 else ends[:, 0]


def _high(ends: Floats) -> Floats:
    return ends if ends.ndim == 1 else ends[:, 1]
