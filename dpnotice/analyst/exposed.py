"""A plan laid over a class: who is exposed, by draw and cell.

In: a `NoticePlan` and a `ClassEstimate`. Out: `Exposed`, from which every figure of reach is made.
Within a cell direct and published notice are independent; over retailers without sketches reach is
a pair of ends.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from dpnotice.analyst.counts import Names
from dpnotice.analyst.intervals import Floats
from dpnotice.analyst.members import LEVEL, ClassEstimate
from dpnotice.analyst.overlap import highest_ratio, lowest_ratio
from dpnotice.analyst.plan import NoticePlan
from dpnotice.analyst.rates import Sampling, Uniform
from dpnotice.inquiry import CONTACT

SHARED_FAILURE: Final = Uniform(low=0.0, high=1.0)
"""Elicited: whether two notices from one retailer fail together (a stale address) or separately."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposed:
    """One plan laid over one class, cells flattened: what every figure of reach is made from.

    `buyers` (retailers, draws, cells); `direct` (retailers, draws or 1, cells) chance that a
    retailer's own notices are not seen; `media`, `media_least`, `media_most` (draws or 1, cells)
    chance of no published exposure: as modelled, at the most and at the least overlap of vehicles;
    `gross` (draws or 1, cells) mean published exposures; `group` (cells,) persons' own cell,
    contact left out; `floor` (groups,) persons it has at least.
    """

    buyers: Floats
    direct: Floats
    media: Floats
    media_least: Floats
    media_most: Floats
    gross: Floats
    group: npt.NDArray[np.intp]
    floor: Floats

    def only(self, cells: npt.NDArray[np.bool_], *, whole_groups: bool) -> "Exposed":
        """Keep some cells; where groups are cut, nothing is known of the persons left in them."""
        kept, group = np.unique(self.group[cells], return_inverse=True)
        cut = {
            name: getattr(self, name)[..., cells]
            for name in ("buyers", "direct", "media", "media_least", "media_most", "gross")
        }
        return Exposed(**cut, group=group, floor=self.floor[kept] * whole_groups)

    def reach(self) -> Floats:
        """Reach as modelled: (draws,) for one retailer, (draws, 2) ends for several."""
        return self._ends(1 - self.direct * self.media, self.direct, self.media, join="independent")

    def media_reach(self) -> Floats:
        """Reach of the published part alone, as modelled."""
        nobody = np.ones_like(self.direct)
        return self._ends(
            np.broadcast_to(1 - self.media, nobody.shape), nobody, self.media, join="independent"
        )

    def widest(self) -> Floats:
        """Ends of reach without any assumption on dependence, (draws, 2)."""
        seen = 1 - self.direct
        low = self._ends(
            np.maximum(seen, 1 - self.media_most), self.direct, self.media_most, join="independent"
        )
        high = self._ends(
            np.minimum(1.0, seen + 1 - self.media_least),
            self.direct,
            self.media_least,
            join="disjoint",
        )
        first, last = (x if x.ndim > 1 else np.stack([x, x], axis=1) for x in (low, high))
        return np.stack([first[:, 0], last[:, 1]], axis=1)

    def _ends(self, chance: Floats, direct: Floats, media: Floats, *, join: str) -> Floats:
        if len(self.buyers) == 1:
            total = np.sum(self.buyers[0], axis=1)
            reached = np.sum(self.buyers[0] * chance[0], axis=1)
            return np.asarray(np.clip(reached / np.where(total > 0, total, np.nan), 0.0, 1.0))
        belongs = [self.group == number for number in range(len(self.floor))]
        # A person known to every retailer, in the best cell of each, is reached at most so much.
        least = np.stack([np.min(direct[..., cells], axis=2) for cells in belongs], axis=2)
        unseen = np.stack([np.min(media[..., cells], axis=1) for cells in belongs], axis=1)
        if join == "independent":
            best = 1 - np.prod(least, axis=0) * unseen
        else:
            best = np.minimum(1.0, np.sum(1 - least, axis=0) + 1 - unseen)
        best = np.broadcast_to(best, (self.buyers.shape[1], len(self.floor)))
        low = lowest_ratio(self.buyers, np.broadcast_to(chance, self.buyers.shape))
        high = highest_ratio(self.buyers, chance, best, self.floor, self.group)
        return np.stack([low, np.maximum(low, high)], axis=1)


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
    return np.stack(
        [
            retailer.draws(names, sampling.draws, sampling.stream(f"counts/{retailer.retailer}"))
            for retailer in members.retailers
        ]
    )


def least_members(members: ClassEstimate, names: Names, level: float = LEVEL) -> Floats:
    """Return lower limits, simultaneous at `level`, of the persons in each cell.

    The persons of a cell are at least the buyers of any one retailer in it.

    Returns:
        Shape of the marginal, 0 or more.
    """
    limits = []
    cells = math.prod(len(members.axes[name]) for name in names)
    each = 1 - (1 - level) * 2 / (cells * len(members.retailers))  # one-sided, Bonferroni
    for retailer in members.retailers:
        values = retailer.marginal(names)
        unit = np.zeros_like(values)
        unit.flat[0] = 1.0  # the cells of a marginal share one law of error
        limits.append(values - retailer.query(names, unit)[1].half_width(each))
    return np.asarray(np.maximum(np.max(limits, axis=0), 0.0))


def lay(plan: NoticePlan, members: ClassEstimate, sampling: Sampling) -> Exposed:
    """Lay a plan over a class."""
    names = tuple(axis.name for axis in sampling.axes)
    buyers = count_draws(members, names, sampling)
    cells = int(np.prod(sampling.shape))
    persons = tuple(name for name in names if name != CONTACT)
    places = np.indices(sampling.shape).reshape(len(names), cells)
    kept = [place for place, name in zip(places, names, strict=True) if name != CONTACT]
    sizes = [len(members.axes[name]) for name in persons]
    group = np.ravel_multi_index(kept, sizes) if kept else np.zeros(cells, dtype=int)
    modelled, most, least, gross = _media(plan, sampling)
    return Exposed(
        buyers=buyers.reshape(len(buyers), sampling.draws, cells),
        direct=np.stack(
            [_flat(_direct(plan, r.retailer, sampling), sampling) for r in members.retailers]
        ),
        media=_flat(modelled, sampling),
        media_most=_flat(most, sampling),
        media_least=_flat(least, sampling),
        gross=_flat(gross, sampling),
        group=group,
        floor=least_members(members, persons).reshape(-1),
    )


def _flat(values: Floats, sampling: Sampling) -> Floats:
    """Broadcast to (draws, cells)."""
    return np.broadcast_to(values, (sampling.draws, *sampling.shape)).reshape(sampling.draws, -1)


def _media(plan: NoticePlan, sampling: Sampling) -> tuple[Floats, Floats, Floats, Floats]:
    """Return non-reach of all vehicles: as modelled, at most and at least; and gross exposures."""
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
    return (1 - np.abs(weight)) * separate + np.abs(weight) * extreme, most, least, gross


def _direct(plan: NoticePlan, retailer: str, sampling: Sampling) -> Floats:
    """Return the chance that none of a retailer's notices is seen: rho min u + (1 - rho) prod u."""
    separate = together = np.ones((1,) * (1 + len(sampling.axes)))
    for notice in plan.direct:
        if notice.retailer == retailer:
            unseen = notice.nonreach(sampling)
            separate, together = separate * unseen, np.minimum(together, unseen)
    shared = sampling.sample(SHARED_FAILURE, f"shared failure/{retailer}")
    return shared * together + (1 - shared) * separate
