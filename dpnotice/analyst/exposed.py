"""A plan laid over a class: who is exposed, by draw and cell.

In: a `NoticePlan` and a `ClassEstimate`. Out: `Exposed`, from which every figure of reach is made.
Within a cell direct and published notice are independent; the direct notices of several retailers
to one person, where sketches tell who is known to which, lie between independent and agreeing;
elsewhere reach is a pair of ends.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from dpnotice.analyst.bounds import highest_ratio, lowest_ratio
from dpnotice.analyst.design import Names
from dpnotice.analyst.intervals import Floats
from dpnotice.analyst.joint import JointCounts
from dpnotice.analyst.members import LEVEL, ClassEstimate
from dpnotice.analyst.plan import NoticePlan
from dpnotice.analyst.rates import Sampling, Uniform
from dpnotice.segments import CONTACT

SHARED_FAILURE: Final = Uniform(low=0.0, high=1.0)
"""Elicited: whether two notices from one retailer fail together (a stale address) or separately."""
SHARED_CONTACT: Final = Uniform(low=0.0, high=1.0)
"""Elicited: whether a person can be written to, and sees it, alike at all retailers or not."""
_DIRECT: Final = ("direct", "direct_least", "direct_most", "pieces")
_MEDIA: Final = ("media", "media_least", "media_most", "gross")
_DUST: Final = 1e-9
"""A person so small that means exist where nobody is."""


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
        media_least: the least it can be, when vehicles overlap least.
        media_most: the most.
        gross: (draws, cells) expected published exposures.
        group: (cells,) number of the persons' own cell, contact left out.
        floor: (groups,) persons that each group has at least.
    """

    axes: Mapping[str, int]
    buyers: Floats
    direct: Floats
    direct_least: Floats
    direct_most: Floats
    pieces: Floats
    media: Floats
    media_least: Floats
    media_most: Floats
    gross: Floats
    group: npt.NDArray[np.intp]
    floor: Floats

    def within(self, axis: str, level: int) -> "Exposed":
        """Keep the cells of one level of an axis, by its number.

        Where that cuts through groups, as contact does, nothing is known of the persons left.
        """
        place = list(self.axes).index(axis)
        levels = np.indices([*self.axes.values()]).reshape(len(self.axes), -1)[place]
        return self.only(levels == level, whole_groups=axis != CONTACT)

    def only(self, cells: npt.NDArray[np.bool_], *, whole_groups: bool) -> "Exposed":
        """Keep some cells; where groups are cut, nothing is known of the persons left in them."""
        kept, group = np.unique(self.group[cells], return_inverse=True)
        by_cell = {f.name for f in fields(self)} - {"axes", "group", "floor"}
        cut = {name: getattr(self, name)[..., cells] for name in by_cell}
        return Exposed(**cut, axes={}, group=group, floor=self.floor[kept] * whole_groups)

    def reach(self) -> Floats:
        """Reach as modelled: (draws,) for one source, (draws, 2) ends for several."""
        best = 1 - np.prod(self._least(self.direct), axis=0) * self._least(self.media)
        return self._ends(self.buyers, 1 - self.direct * self.media, best, self.group)

    def media_reach(self) -> Floats:
        """Reach of the published part alone, as modelled."""
        chance = np.broadcast_to(1 - self.media, self.buyers.shape)
        return self._ends(self.buyers, chance, 1 - self._least(self.media), self.group)

    def widest(self) -> tuple[Floats, Floats]:
        """Ends of reach, and of the published part's, whatever depends on what: (draws, 2) each.

        Vehicles, direct notices and contact may depend on each other in any way within a group:
        reach is at least that of the better of direct and published, at most their sum.
        """
        buyers = self.buyers @ self._belongs()
        groups = np.arange(len(self.floor))
        sent = self._pooled(1 - self.direct_most), self._pooled(1 - self.direct_least)
        seen = self._pooled(1 - self.media_most), self._pooled(1 - self.media_least)
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

    def pooled(self) -> "Exposed":
        """Return the same by group of persons: buyers summed, chances their means."""
        weights = np.maximum(np.sum(self.buyers, axis=0), 0.0) + _DUST
        share = weights @ self._belongs()
        media = {name: (weights * getattr(self, name)) @ self._belongs() / share for name in _MEDIA}
        direct = {name: self._pooled(getattr(self, name)) for name in _DIRECT}
        return replace(
            self,
            axes={name: size for name, size in self.axes.items() if name != CONTACT},
            buyers=self.buyers @ self._belongs(),
            **direct,
            **media,
            group=np.arange(len(self.floor)),
        )

    def _pooled(self, values: Floats) -> Floats:
        """Return the buyers' mean of each group's cells, (retailers, draws, groups)."""
        total = self.buyers @ self._belongs()
        mean = (self.buyers * values) @ self._belongs() / np.where(total > 0, total, np.inf)
        return np.clip(mean, 0.0, 1.0)

    def _ends(
        self, buyers: Floats, chance: Floats, best: Floats, group: npt.NDArray[np.intp]
    ) -> Floats:
        if len(buyers) == 1:
            total = np.sum(buyers[0], axis=1)
            reached = np.sum(buyers[0] * chance[0], axis=1)
            return np.asarray(np.clip(reached / np.where(total > 0, total, np.nan), 0.0, 1.0))
        best = np.broadcast_to(best, (buyers.shape[1], len(self.floor)))
        low = lowest_ratio(buyers, np.broadcast_to(chance, buyers.shape))
        high = highest_ratio(buyers, chance, best, self.floor, group)
        return np.stack([low, np.maximum(low, high)], axis=1)


def _low(ends: Floats) -> Floats:
    return ends if ends.ndim == 1 else ends[:, 0]


def _high(ends: Floats) -> Floats:
    return ends if ends.ndim == 1 else ends[:, 1]


def grid(
    plan: NoticePlan, members: ClassEstimate, draws: int, seed: int, extra: Names = ()
) -> Sampling:
    """Return the grid of the axes by which a plan's figures vary, and of any extra ones.

    Raises:
        PlanError: the plan names axes, levels or retailers that the class does not have.
    """
    plan.check_fits(members)
    used = {*plan.axes, *extra}
    axes = tuple(axis for name, axis in members.axes.items() if name in used)
    return Sampling(axes=axes, draws=draws, seed=seed)


def count_draws(members: ClassEstimate, names: Names, sampling: Sampling) -> Floats:
    """Return draws of every retailer's buyers by the cells of a marginal.

    Returns:
        (retailers, draws, *sizes), signed.
    """
    drawn = [r.draws(names, sampling.draws, sampling.stream) for r in members.retailers]
    return np.stack(drawn)


def least_members(members: ClassEstimate, names: Names, level: float = LEVEL) -> Floats:
    """Return lower limits, simultaneous at `level`, of the persons in each cell.

    The persons of a cell are at least the buyers of any one retailer in it.

    Returns:
        Shape of the marginal, 0 or more.
    """
    cells = math.prod(len(members.axes[name]) for name in names)
    each = 1 - (1 - level) * 2 / (cells * len(members.retailers))  # one-sided, Bonferroni
    limits = [
        retailer.marginal(names) - retailer.design.cell_error(names).half_width(each)
        for retailer in members.retailers
    ]
    return np.asarray(np.maximum(np.max(limits, axis=0), 0.0))


def lay(
    plan: NoticePlan, members: ClassEstimate, sampling: Sampling, *, by_contact: bool = False
) -> Exposed:
    """Lay a plan over a class.

    Args:
        plan: the notices.
        members: the class.
        sampling: the grid of the plan's axes, and of those by which it is asked.
        by_contact: whether the levels of contact are told apart: then every retailer stands by
            itself, as contact belongs to a person at a retailer.
    """
    apart = _by_retailer(plan, members, sampling)
    joint = members.known.joint
    if joint is None or by_contact:
        return apart
    return _by_person(apart, members, joint, sampling)


def _by_retailer(plan: NoticePlan, members: ClassEstimate, sampling: Sampling) -> Exposed:
    """Lay a plan over the buyers of every retailer by itself."""
    names = tuple(axis.name for axis in sampling.axes)
    buyers = count_draws(members, names, sampling)
    cells = int(np.prod(sampling.shape))
    persons = tuple(name for name in names if name != CONTACT)
    places = np.indices(sampling.shape).reshape(len(names), cells)
    kept = [place for place, name in zip(places, names, strict=True) if name != CONTACT]
    sizes = [len(members.axes[name]) for name in persons]
    group = np.ravel_multi_index(kept, sizes) if kept else np.zeros(cells, dtype=int)
    direct = [_direct(plan, retailer.retailer, sampling) for retailer in members.retailers]
    stacked = {
        name: np.stack([_flat(part[name], sampling) for part in direct]) for name in direct[0]
    }
    published = {name: _flat(part, sampling) for name, part in _media(plan, sampling).items()}
    return Exposed(
        axes={axis.name: len(axis) for axis in sampling.axes},
        buyers=buyers.reshape(len(buyers), sampling.draws, cells),
        **stacked,
        **published,
        group=group,
        floor=least_members(members, persons).reshape(-1),
    )


def _by_person(
    apart: Exposed, members: ClassEstimate, joint: JointCounts, sampling: Sampling
) -> Exposed:
    """Put the persons whom sketches tell apart in the place of their retailers' buyers.

    With u_i the chance, mean over retailer i's buyers in the cell, that none of its notices is
    seen, a person known to the retailers T sees none of theirs with chance w min over T of u_i +
    (1 - w) prod over T of u_i, w of :data:`SHARED_CONTACT`. The ends hold whatever depends on what.
    """
    pooled = apart.pooled()
    names = [retailer.retailer for retailer in members.retailers]
    inside = [names.index(name) for name in joint.overlap.retailers]
    rest = [number for number in range(len(names)) if number not in inside]
    found = _persons(
        {name: getattr(pooled, name)[inside] for name in _DIRECT},
        joint.each_region(tuple(pooled.axes), sampling.draws, sampling.stream),
        Sampling(axes=(), draws=sampling.draws, seed=sampling.seed).sample(
            SHARED_CONTACT, "shared contact"
        )[:, np.newaxis],
    )
    joined: dict[str, Any] = {
        name: np.concatenate([source, getattr(pooled, name)[rest]])
        for name, source in found.items()
    }
    return replace(pooled, **joined)


def _persons(
    direct: dict[str, Floats], regions: Iterator[tuple[int, Floats]], shared: Floats
) -> dict[str, Floats]:
    """Return the fields of one source, (1, draws, groups), from those of the retailers it joins.

    Args:
        direct: the direct fields of :class:`Exposed` by retailer, (k, draws, groups).
        regions: number of a set of retailers less 1, and persons at exactly it.
        shared: (draws, 1) weight of agreement between the retailers' notices.
    """
    whole: Floats = np.zeros(direct["direct"].shape[1:])
    sums = {name: np.zeros_like(whole) for name in _DIRECT}
    for region, persons in regions:
        known = [i for i in range(len(direct["direct"])) if (region + 1) >> i & 1]
        flat = persons.reshape(whole.shape)
        seen = {
            "direct": shared * np.min(direct["direct"][known], axis=0)
            + (1 - shared) * np.prod(direct["direct"][known], axis=0),
            "direct_least": np.maximum(0, 1 - np.sum(1 - direct["direct_least"][known], axis=0)),
            "direct_most": np.min(direct["direct_most"][known], axis=0),
            "pieces": np.sum(direct["pieces"][known], axis=0),
        }
        whole += flat
        for name, values in seen.items():
            sums[name] += flat * values
    some = np.where(whole == 0, np.inf, whole)
    means = {name: (total / some)[np.newaxis] for name, total in sums.items()}
    ends = {name: np.clip(means[name], 0.0, 1.0) for name in ("direct_least", "direct_most")}
    return {"buyers": whole[np.newaxis], **means, **ends}


def chances(plan: NoticePlan, retailers: Sequence[str], sampling: Sampling) -> Floats:
    """Return the chance that a buyer is reached, as modelled, before anything is known of buyers.

    Args:
        plan: its axes are those of the grid.
        retailers: whose buyers; those that the plan does not name are reached by its media alone.
        sampling: the grid, draws and seed.

    Returns:
        (retailers, draws, *sizes), fractions.
    """
    shape = (sampling.draws, *sampling.shape)
    media = _media(plan, sampling)["media"]
    direct = [_direct(plan, name, sampling)["direct"] for name in retailers]
    return np.stack([np.broadcast_to(1 - part * media, shape) for part in direct])


def _flat(values: Floats, sampling: Sampling) -> Floats:
    """Broadcast to (draws, cells)."""
    return np.broadcast_to(values, (sampling.draws, *sampling.shape)).reshape(sampling.draws, -1)


def _media(plan: NoticePlan, sampling: Sampling) -> dict[str, Floats]:
    """Return the published fields of :class:`Exposed`."""
    ones = np.ones((1,) * (1 + len(sampling.axes)))
    separate = most = ones
    summed, gross = 0 * ones, 0 * ones
    for vehicle in plan.media:
        exposure = vehicle.exposure(sampling)
        separate = separate * exposure.nonreach
        most = np.minimum(most, exposure.nonreach)
        summed = summed + 1 - exposure.nonreach
        gross = gross + exposure.mean
    least = np.maximum(0.0, 1 - summed)
    weight = sampling.sample(plan.dependence, "dependence")
    extreme = np.where(weight > 0, most, least)
    modelled = (1 - np.abs(weight)) * separate + np.abs(weight) * extreme
    return {"media": modelled, "media_least": least, "media_most": most, "gross": gross}


def _direct(plan: NoticePlan, retailer: str, sampling: Sampling) -> dict[str, Floats]:
    """Return a retailer's direct fields; modelled as rho min u + (1 - rho) prod u."""
    ones = np.ones((1,) * (1 + len(sampling.axes)))
    separate = most = ones
    pieces = 0 * ones
    for notice in plan.direct:
        if notice.retailer == retailer:
            unseen = notice.nonreach(sampling)
            separate, most = separate * unseen, np.minimum(most, unseen)
            pieces = pieces + 1 - unseen
    shared = sampling.sample(SHARED_FAILURE, f"shared failure/{retailer}")
    return {
        "direct": shared * most + (1 - shared) * separate,
        "direct_least": np.maximum(0.0, 1 - pieces),
        "direct_most": most,
        "pieces": pieces,
    }
