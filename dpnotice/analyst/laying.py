"""A plan laid over a class: who is exposed, by draw and cell.

In: a `NoticePlan` and a `ClassEstimate`. Out: `Exposed`. Within a cell direct and published notice
are independent; the direct notices of several retailers to one person, where sketches tell who is
known to which, lie between independent and agreeing.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from dpnotice.analyst.agreement import unseen_by_all
from dpnotice.analyst.dependence.duplications import joint_law
from dpnotice.analyst.dependence.frequency import exposure_counts
from dpnotice.analyst.dependence.net import Joint, Mixture
from dpnotice.analyst.design import Names
from dpnotice.analyst.direct import Direct
from dpnotice.analyst.exposed import DIRECT, Exposed
from dpnotice.analyst.intervals import Floats
from dpnotice.analyst.media.drift import drifted_union, exposures
from dpnotice.analyst.media.vehicle import Exposure
from dpnotice.analyst.members import LEVEL, ClassEstimate
from dpnotice.analyst.overlap.joint import JointCounts
from dpnotice.analyst.plan import NoticePlan
from dpnotice.analyst.rates import Uniform
from dpnotice.analyst.sampling import Sampling
from dpnotice.segments import CONTACT

Unseen: TypeAlias = Callable[[Direct, Sampling], Floats]
SHARED_FAILURE: Final = Uniform(low=0.0, high=1.0)
"""Elicited: whether two notices to a person fail together (a stale address) or separately."""
SHARED_CONTACT: Final = Uniform(low=0.0, high=1.0)
"""Elicited: whether a person can be written to alike at all retailers, where no planes tell."""


def grid(
    plan: NoticePlan, members: ClassEstimate, sampling: Sampling, extra: Names = ()
) -> Sampling:
    """Return the grid of the axes by which a plan's figures vary, and of any extra ones.

    The draws, seed and what is held still are those given.

    Where sketches by block tell who is known to which retailers, and the tables tell contact by
    block, the blocks are among them: contact is combined within them, whatever else the plan names.

    Raises:
        PlanError: the plan names axes, levels or retailers that the class does not have.
    """
    plan.check_fits(members)
    used = {*plan.axes, *extra}
    joint = members.known.joint
    if joint is not None and joint.overlap.axis and CONTACT in used:
        finer = tuple(name for name in members.axes if name in {*used, joint.overlap.axis})
        if all(retailer.design.determines(finer) for retailer in members.retailers):
            used.add(joint.overlap.axis)
    axes = tuple(axis for name, axis in members.axes.items() if name in used)
    return replace(sampling, axes=axes)


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
    plan: NoticePlan,
    members: ClassEstimate,
    sampling: Sampling,
    *,
    by_contact: bool = False,
    unseen: Unseen = Direct.nonreach,
    media: Mapping[str, Floats] | None = None,
) -> Exposed:
    """Lay a plan over a class.

    Args:
        plan: the notices.
        members: the class.
        sampling: the grid of the plan's axes, and of those by which it is asked.
        by_contact: whether the levels of contact are told apart: then every retailer stands by
            itself, as contact belongs to a person at a retailer.
        unseen: the chance that a notice does not get as far as is asked: seen, or only sent.
        media: the published part, where it is more than :func:`published`, or another.
    """
    media = published(plan, sampling) if media is None else media
    apart = _by_retailer(plan, members, sampling, media, unseen)
    joint = members.known.joint
    if joint is None or by_contact:
        return apart
    return _by_person(apart, members, joint, sampling)


def _by_retailer(
    plan: NoticePlan,
    members: ClassEstimate,
    sampling: Sampling,
    media: Mapping[str, Floats],
    unseen: Unseen,
) -> Exposed:
    """Lay a plan over the buyers of every retailer by itself."""
    names = tuple(axis.name for axis in sampling.axes)
    buyers = count_draws(members, names, sampling)
    cells = int(np.prod(sampling.shape))
    persons = tuple(name for name in names if name != CONTACT)
    places = np.indices(sampling.shape).reshape(len(names), cells)
    kept = [place for place, name in zip(places, names, strict=True) if name != CONTACT]
    sizes = [len(members.axes[name]) for name in persons]
    group = np.ravel_multi_index(kept, sizes) if kept else np.zeros(cells, dtype=int)
    direct = [_direct(plan, r.retailer, sampling, unseen) for r in members.retailers]
    stacked = {
        name: np.stack([_flat(part[name], sampling) for part in direct]) for name in direct[0]
    }
    return Exposed(
        axes={axis.name: len(axis) for axis in sampling.axes},
        buyers=buyers.reshape(len(buyers), sampling.draws, cells),
        **stacked,
        **media,
        group=group,
        floor=least_members(members, persons).reshape(-1),
    )


def _by_person(
    apart: Exposed, members: ClassEstimate, joint: JointCounts, sampling: Sampling
) -> Exposed:
    """Put the persons whom sketches tell apart in the place of their retailers' buyers.

    Where the sketches have planes, they tell how one can write to a person at every retailer. The
    ends hold whatever depends on what; see :func:`unseen_by_all` for what is modelled.
    """
    pooled = apart.pooled()
    names = [retailer.retailer for retailer in members.retailers]
    inside = [names.index(name) for name in joint.overlap.retailers]
    rest = [number for number in range(len(names)) if number not in inside]
    plain = sampling.plain
    found = _persons(
        apart.of(inside),
        _plane_of(members, apart, joint),
        joint.each_shared(tuple(pooled.axes), sampling.draws, sampling.stream),
        (
            plain.sample(SHARED_CONTACT, "direct/shared contact")[:, np.newaxis],
            plain.sample(SHARED_FAILURE, "direct/shared failure")[:, np.newaxis],
        ),
    )
    joined: dict[str, Any] = {
        name: np.concatenate([source, getattr(pooled, name)[rest]])
        for name, source in found.items()
    }
    return replace(pooled, **joined)


def _plane_of(members: ClassEstimate, apart: Exposed, joint: JointCounts) -> npt.NDArray[np.int64]:
    """Return the number of the plane, from 1, of every cell; all in the first without planes."""
    plan = members.known.sketch_plan
    if joint.overlap.by_plane is None or plan is None or CONTACT not in apart.axes:
        return np.ones(len(apart.group), dtype=np.int64)
    number = {level: n for n, plane in enumerate(plan.planes, 1) for level in plane.levels}
    by_level = np.array([number[level] for level in members.axes[CONTACT].levels])
    return by_level[apart.levels_of(CONTACT)]


def _persons(
    apart: Exposed,
    plane_of: npt.NDArray[np.int64],
    shared: Iterator[tuple[npt.NDArray[np.int64], Floats]],
    weights: tuple[Floats, Floats],
) -> dict[str, Floats]:
    """Return the fields of one source, (1, draws, groups), from those of the retailers it joins.

    Persons are all buyers less those counted twice: of x persons known to the retailers T, in
    certain planes, |T| - 1; the sum of their chances likewise gives the chance of a person in the
    place of those of |T| buyers.

    Args:
        apart: of the k retailers.
        plane_of: (cells,) number of the plane.
        shared: (k,) planes of persons known to two or more, 0 where not known; and how many.
        weights: how far contact, and seeing, agree.
    """
    whole, sums = apart.totals()
    usable = (apart.direct < 1).astype(np.float64)
    planes = [plane_of == number for number in range(1, plane_of.max() + 1)]
    fields_of = {name: getattr(apart, name) for name in DIRECT} | {"usable": usable}
    mean = {
        name: np.stack([apart.pooled_mean(values, cells) for cells in planes])
        for name, values in fields_of.items()
    }
    for state, persons in shared:
        known = np.flatnonzero(state)
        place = np.minimum(state[known], len(planes)) - 1
        own = {name: values[place, known] for name, values in mean.items()}
        flat = persons.reshape(whole.shape)
        unseen = {
            "direct": unseen_by_all(own["direct"], own["usable"], *weights),
            "direct_least": np.maximum(0, 1 - np.sum(1 - own["direct_least"], axis=0)),
            "direct_most": np.min(own["direct_most"], axis=0),
            "pieces": np.sum(own["pieces"], axis=0),
        }
        whole -= (len(known) - 1) * flat
        for name, values in unseen.items():
            sums[name] -= flat * (np.sum(own[name], axis=0) - values)
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
    media = published(plan, sampling)["media"]
    direct = [_flat(_direct(plan, name, sampling)["direct"], sampling) for name in retailers]
    return np.stack([(1 - part * media).reshape(-1, *sampling.shape) for part in direct])


def _flat(values: Floats, sampling: Sampling) -> Floats:
    """Broadcast to (draws, cells)."""
    return np.broadcast_to(values, (sampling.draws, *sampling.shape)).reshape(sampling.draws, -1)


def published(
    plan: NoticePlan, sampling: Sampling, *, ends: bool = False, often: int = 0
) -> dict[str, Floats]:
    """Return the published fields of :class:`Exposed`, (draws, cells).

    Args:
        plan: the notices.
        sampling: the grid, draws and seed.
        ends: whether the least and the most of non-reach and the gross exposures are asked for.
        often: up to how many exposures are told apart, as `counts`; 0 where nobody asks.
    """
    shape = sampling.draws, int(np.prod(sampling.shape))
    met = exposures(plan.media, plan.drift, sampling)
    joint = joint_law(plan.dependence, [vehicle.name for vehicle in plan.media], sampling)
    unmet = _unmet(met, joint)
    extremes = _ends(met, shape) if ends or isinstance(joint, Mixture) else {}
    if isinstance(joint, Mixture):
        unmet = drifted_union(unmet, plan.drift, sampling)
        unmet = np.clip(unmet, extremes["media_least"], extremes["media_most"])
    found = {"media": np.broadcast_to(unmet, shape), **extremes}
    if often:
        counts = exposure_counts(met, joint, often, unmet)
        found["counts"] = np.broadcast_to(counts, (often + 1, *shape))
    return found


def _unmet(met: Sequence[Exposure], joint: Joint) -> Floats:
    """Return the chance that no vehicle is met; of one vehicle by itself in double precision."""
    if not met:
        return np.ones((1, 1))
    return 1 - met[0].reach() if len(met) == 1 else joint.unmet(met)


def _ends(met: Sequence[Exposure], shape: tuple[int, int]) -> dict[str, Floats]:
    """Return what holds whatever vehicles depend on, and the gross exposures."""
    most, summed, gross = np.ones(shape), np.zeros(shape), np.zeros(shape)
    for exposure in met:
        reach = exposure.reach()
        np.minimum(most, 1 - reach, out=most)
        summed += reach
        gross += exposure.gross()
    return {"media_least": np.maximum(0.0, 1 - summed), "media_most": most, "gross": gross}


def _direct(
    plan: NoticePlan, retailer: str, sampling: Sampling, unseen: Unseen = Direct.nonreach
) -> dict[str, Floats]:
    """Return a retailer's direct fields; modelled as rho min u + (1 - rho) prod u."""
    ones = np.ones((1,) * (1 + len(sampling.axes)))
    separate = most = ones
    pieces = 0 * ones
    for notice in plan.direct:
        if notice.retailer == retailer:
            chance = unseen(notice, sampling)
            separate, most = separate * chance, np.minimum(most, chance)
            pieces = pieces + 1 - chance
    shared = sampling.sample(SHARED_FAILURE, f"direct/{retailer}/shared failure")
    return {
        "direct": shared * most + (1 - shared) * separate,
        "direct_least": np.maximum(0.0, 1 - pieces),
        "direct_most": most,
        "pieces": pieces,
    }
