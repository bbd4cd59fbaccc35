"""What can be said of reach, by how much is taken for granted.

In: a plan, a class, the draws. Out: rungs from the widest, which holds whatever depends on what, to
the modelled one.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final, TypeAlias

import numpy as np

from dpnotice.analyst.dependence.duplications import Duplications, joint_law
from dpnotice.analyst.intervals import Floats
from dpnotice.analyst.laying import grid, lay, published
from dpnotice.analyst.media.drift import drifted_union, exposures
from dpnotice.analyst.media.vehicle import Exposure
from dpnotice.analyst.members import ClassEstimate
from dpnotice.analyst.net_reach import of_members, quantiles
from dpnotice.analyst.pair_bounds import sharp_bounds, union_bounds
from dpnotice.analyst.plan import NoticePlan
from dpnotice.analyst.sampling import SOURCES, Sampling

Limits: TypeAlias = tuple[float, float]
Ends: TypeAlias = tuple[Floats, Floats]
"""Non-reach at the least and at the most reach."""
COLUMNS: Final = ("rung", "rests_on", "lower", "upper", "level")
PAIRS: Final = (
    "every vehicle's reach, and pairs of vehicles as modelled: Dawson and Sankoff's low end, "
    "Hunter and Worsley's high one; direct and published notice independent within a segment"
)
SHARP: Final = "the same at the mean of every figure: the linear programme over all combinations"
_MOST_VEHICLES: Final = 12
_MOST_COMBINATIONS: Final = 2**14
"""Over all sets of cells: some seconds."""


def pair_rungs(
    plan: NoticePlan, members: ClassEstimate, sampling: Sampling, level: float
) -> list[dict[str, Any]]:
    """Return what pairs of vehicles say of reach: as intervals, and sharply at the means.

    Args:
        plan: the notices; with fewer than three vehicles, pairs say everything.
        members: the class.
        sampling: draws and seed.
        level: confidence of the ends.

    Returns:
        Rows of :data:`COLUMNS`.
    """
    if len(plan.media) < 2:  # noqa: PLR2004 -- a pair
        return []
    own = grid(plan, members, sampling)
    still = replace(own, draws=1, still=frozenset(SOURCES.values()))
    closed, sharp = _by_pairs(plan, own), _sharply(plan, still)
    rows = [_row("pairs of vehicles", PAIRS, _ends(plan, members, own, closed, level), level)]
    if sharp is not None:
        ends = _ends(plan, members, still, sharp, level)
        rows.append(_row("pairs of vehicles, sharp", SHARP, ends, level))
    return rows


def _row(rung: str, rests_on: str, ends: Limits, level: float) -> dict[str, Any]:
    return dict(zip(COLUMNS, (rung, rests_on, *ends, level), strict=True))


def _ends(
    plan: NoticePlan, members: ClassEstimate, own: Sampling, unmet: Ends, level: float
) -> Limits:
    """Return the interval of reach with the published part at its ends in the model's place."""
    media, found = published(plan, own), []
    for end in unmet:
        part = end
        if isinstance(plan.dependence, Duplications):  # as the model's union drifts, so do the ends
            part = drifted_union(part, plan.drift, own)
            part = np.clip(part, media["media_least"], media["media_most"])
        exposed = lay(plan, members, own, media=media | {"media": part})
        found.append(quantiles(of_members(exposed, members, own), level))
    return found[0][0], found[1][1]


def _by_pairs(plan: NoticePlan, own: Sampling) -> Ends:
    """Return non-reach of the media at the least and the most that pairs allow, (draws, cells)."""
    low, high = union_bounds(*_singles_and_pairs(plan, own))
    return 1 - low, 1 - high


def _sharply(plan: NoticePlan, still: Sampling) -> Ends | None:
    """Return the same by the linear programme, in one draw, once for all cells that are alike.

    None where it would take long: over 2^V combinations for every such set of cells.
    """
    if len(plan.media) > _MOST_VEHICLES:
        return None
    single, both = _singles_and_pairs(plan, still)
    figures = both[:, :, 0].reshape(-1, both.shape[-1])
    _, first, alike = np.unique(figures, axis=1, return_index=True, return_inverse=True)
    if 2 ** len(single) * len(first) > _MOST_COMBINATIONS:
        return None
    found = [sharp_bounds(single[:, 0, s], both[:, :, 0, s]) for s in first]
    ends = np.array([[1 - b.lower, 1 - b.upper] for b in found])[np.ravel(alike)]
    return ends[np.newaxis, :, 0], ends[np.newaxis, :, 1]


def _singles_and_pairs(plan: NoticePlan, own: Sampling) -> tuple[Floats, Floats]:
    """Return reach (V, draws, cells) of vehicles, and (V, V, draws, cells) of both of a pair."""
    each = exposures(plan.media, plan.drift, own)
    names = [vehicle.name for vehicle in plan.media]
    shape = own.draws, int(np.prod(own.shape))
    single = np.stack([np.broadcast_to(e.reach(), shape) for e in each])
    both = np.zeros((len(each), *single.shape))
    for a in range(len(each)):
        both[a, a] = single[a]
        for b in range(a):
            unmet = _unmet([each[a], each[b]], [names[a], names[b]], plan, own)
            least = np.maximum(0.0, single[a] + single[b] - 1)
            met = single[a] + single[b] - (1 - unmet)  # rounded: the union is of single precision
            both[a, b] = both[b, a] = np.clip(met, least, np.minimum(single[a], single[b]))
    return single, both


def _unmet(
    pair: Sequence[Exposure], names: Sequence[str], plan: NoticePlan, own: Sampling
) -> Floats:
    return joint_law(plan.dependence, names, own).unmet(pair)
