"""A plan laid over a class -> draws of its net reach.

In: a `NoticePlan`, a `ClassEstimate`, the draws. Out: the share of members exposed once or more
often, and what it is made of. Within a cell direct and published notice are independent; over cells
reach is the persons' weighted mean; members in nobody's records are reached by publication alone.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Final

import numpy as np

from dpnotice.analyst.exposed import Exposed
from dpnotice.analyst.intervals import Floats
from dpnotice.analyst.laying import grid, lay, published
from dpnotice.analyst.members import LEVEL, ClassEstimate
from dpnotice.analyst.plan import NoticePlan
from dpnotice.analyst.sampling import SOURCES, Sampling
from dpnotice.result import Estimate

OF_MEDIA: Final = frozenset(SOURCES[word] for word in ("vehicle", "dependence", "drift"))


def drawn_reach(
    plan: NoticePlan, members: ClassEstimate, sampling: Sampling, often: int = 1
) -> Floats:
    """Return draws of the share of members exposed so often or more.

    Args:
        plan: the notices.
        members: the class.
        sampling: draws and seed, and what is held still; the grid is the plan's own.
        often: 1 or more.

    Returns:
        (draws,), or (draws, 2) ends.
    """
    own = grid(plan, members, sampling)
    counted = often if often > 1 else 0
    media = published(plan, own, ends=counted > 0, often=counted)
    exposed = lay(plan, members, own, media=media)
    return of_members(exposed, members, own, often)


def drawing(
    plan: NoticePlan, members: ClassEstimate, sampling: Sampling
) -> Callable[[frozenset[str]], Floats]:
    """Return a function from sources that are held still to draws of reach, as a whole quick.

    What media do is worked out once for every set of their own sources.
    """
    own, persons = grid(plan, members, sampling), members.size().lower

    @cache
    def media(still: frozenset[str]) -> dict[str, Floats]:
        return published(plan, replace(own, still=still))

    def draw(still: frozenset[str]) -> Floats:
        part = replace(own, still=still)
        exposed = lay(plan, members, part, media=media(still & OF_MEDIA))
        return _of_members(exposed, members, part, persons)

    return draw


def of_members(
    exposed: Exposed, members: ClassEstimate, sampling: Sampling, often: int = 1
) -> Floats:
    """Return draws of the realised share of all members exposed so often or more."""
    return _of_members(exposed, members, sampling, members.size().lower, often)


def _of_members(
    exposed: Exposed, members: ClassEstimate, sampling: Sampling, persons: float, often: int = 1
) -> Floats:
    parts = exposed.at_least(often), exposed.media_reach(often)
    return realised(members.beyond.of_everyone(*parts, sampling), sampling, persons)


def realised(reach: Floats, sampling: Sampling, persons: float) -> Floats:
    """Add the chance by which realised differs from expected reach.

    It has s.d. sqrt(r (1 - r) / N) at most.

    Args:
        reach: expected, (draws,) or (draws, 2).
        sampling: draws and seed.
        persons: N, taken at its lower end.
    """
    shock = sampling.stream("realised").standard_normal(sampling.draws)
    shock = shock if reach.ndim == 1 else shock[:, np.newaxis]
    return np.clip(reach + shock * np.sqrt(reach * (1 - reach) / max(1.0, persons)), 0.0, 1.0)


def mean_frequency(
    exposed: Exposed, members: ClassEstimate, sampling: Sampling, level: float = LEVEL
) -> Estimate | None:
    """Return mean exposures among the reached, gross over reached; None where bounds only."""
    if len(exposed.buyers) > 1:
        return None
    gross = members.beyond.of_everyone(*exposed.exposures(), sampling)
    reached = members.beyond.of_everyone(exposed.reach(), exposed.media_reach(), sampling)
    somebody = reached > 0
    each = np.divide(gross, reached, out=np.zeros_like(gross), where=somebody)
    lower, upper = quantiles(each, level)
    return Estimate(
        quantity="mean frequency among the reached",
        estimate=float(gross.mean() / reached.mean()) if somebody.any() else 0.0,
        lower=lower,
        upper=upper,
        level=level,
        unit="exposures",
    )


def quantiles(draws: Floats, level: float) -> tuple[float, float]:
    """Return the ends of an interval: quantiles of the draws, of each end where there are two."""
    ends = draws.reshape(len(draws), -1)
    return (
        float(np.quantile(ends[:, 0], (1 - level) / 2)),
        float(np.quantile(ends[:, -1], (1 + level) / 2)),
    )


def as_estimate(draws: Floats, quantity: str, segment: str, level: float) -> Estimate:
    """Return draws of a share as an estimate; without a point where they are pairs of ends."""
    lower, upper = quantiles(draws, level)
    both = draws.ndim > 1
    return Estimate(
        quantity=quantity,
        segment=segment,
        estimate=None if both else float(draws.mean()),
        lower=lower,
        upper=upper,
        level=level,
        unit="fraction",
        note="bounds: the overlap between retailers is not known" if both else "",
    )
