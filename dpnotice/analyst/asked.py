"""What will be asked of releases that do not exist yet: a share of the class, or a plan's reach.

In: the `where` of a share, or a plan. Out: the ratio of two weighted sums of cells that it is, what
it may come to, and the law of the errors of both sums under any design.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any, Final, Protocol, TypeAlias

import numpy as np

from dpnotice.analyst.design import Design, Factors, Names
from dpnotice.analyst.intervals import Floats, LinearNoise
from dpnotice.analyst.laying import chances
from dpnotice.analyst.parts import in_words, part_and_whole
from dpnotice.analyst.plan import NoticePlan
from dpnotice.analyst.sampling import Sampling
from dpnotice.errors import EstimateError
from dpnotice.inquiry import Inquiry
from dpnotice.segments import UNKNOWN, WITHIN, Axis

Errors: TypeAlias = tuple[LinearNoise, LinearNoise]
"""Laws of the errors of numerator and denominator, terms aligned."""
_HALF: Final = 0.5
_DRAWS: Final = 4_000
_FEWEST_DRAWS: Final = 200
_DRAWN_CELLS: Final = 2**22
"""Draws times cells of a plan: fewer draws where its figures vary by very many cells."""


class Asked(Protocol):
    """A ratio R = sum of n_s r_s / sum of n_s over the cells s of a marginal."""

    @property
    def quantity(self) -> str:
        """What it is, in words."""

    @property
    def segment(self) -> str:
        """Which part of the class, or which plan."""

    @property
    def drawn(self) -> Floats:
        """(draws,) what it may come to without any noise, as far as that is stated."""

    @property
    def span(self) -> tuple[float, float]:
        """The least and the most that it can be, whatever the class is composed of."""

    @property
    def assumption(self) -> str:
        """What is taken for granted, in words."""

    def errors(self, design: Design) -> Errors:
        """Return the laws of the errors of both sums, over all retailers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedShare:
    """The share of a part of the class; one half where nothing is known.

    Attributes:
        part: axis -> weights of its levels.
        whole: the same of what it is a share of.
        segment: the part in words.
        retailers: how many answer the same inquiry.
    """

    part: Factors
    whole: Factors
    segment: str
    retailers: int

    @property
    def quantity(self) -> str:
        """What it is, in words."""
        return "share of known buyers"

    @property
    def drawn(self) -> Floats:
        """One half: nothing is known yet."""
        return np.array([_HALF])

    @property
    def span(self) -> tuple[float, float]:
        """A share may be anything."""
        return 0.0, 1.0

    @property
    def assumption(self) -> str:
        """What is taken for granted, in words."""
        return "the share is taken as one half; at worst it is 0 or 1"

    def errors(self, design: Design) -> Errors:
        """Return the laws of the errors of both sums, over all retailers."""
        part, whole = design.errors(self.part, self.whole)
        return reduce(add, [part] * self.retailers), reduce(add, [whole] * self.retailers)


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedReach:
    """The reach of a plan, buyers spread evenly over retailers and the known levels of each axis.

    Attributes:
        segment: the plan's name.
        names: axes by which the plan's figures vary.
        rates: (retailers, *sizes) chance that a buyer of a cell is reached, mean over draws.
        drawn: (draws,) reach under the evenly composed class.
    """

    segment: str
    names: Names
    rates: Floats
    drawn: Floats

    @property
    def quantity(self) -> str:
        """What it is, in words."""
        return "reach of known buyers"

    @property
    def span(self) -> tuple[float, float]:
        """Between the cell reached least and the one reached most."""
        return float(self.rates.min()), float(self.rates.max())

    @property
    def assumption(self) -> str:
        """What is taken for granted, in words."""
        return (
            "buyers are taken to be spread evenly over retailers and known levels of each axis; "
            "at worst all are where the plan reaches least, or most"
        )

    def errors(self, design: Design) -> Errors:
        """Return the laws of the errors of both sums, over all retailers."""
        whole = design.error(self.names, np.ones_like(self.rates[0]))
        tops = [design.error(self.names, rates) for rates in self.rates]
        return reduce(add, tops), reduce(add, [whole] * len(tops))


def asked_share(inquiry: Inquiry, query: Mapping[str, object], retailers: int) -> AskedShare:
    """Return the share of a part of the class as something to forecast.

    Args:
        inquiry: its axes.
        query: axis -> a level or a list of levels; and perhaps ``"within"`` -> another such.
        retailers: how many answer.

    Raises:
        EstimateError: no part, or an unknown axis or level.
    """
    if not isinstance(query, Mapping):
        raise EstimateError('query is the part of a share, for instance {"contact": ["post"]}')
    where = {axis: levels for axis, levels in query.items() if axis != WITHIN}
    within: Any = query.get(WITHIN)
    part, whole = part_and_whole(inquiry.axes, where, within)
    segment = in_words(where, within)
    return AskedShare(part=part, whole=whole, segment=segment, retailers=retailers)


def asked_reach(inquiry: Inquiry, plan: NoticePlan, retailers: int, seed: int = 0) -> AskedReach:
    """Return the reach of a plan as something to forecast.

    Args:
        inquiry: its axes.
        plan: its direct notices name retailers; others are reached by its media alone.
        retailers: how many answer, those of the plan among them.
        seed: of the plan's figures.

    Raises:
        PlanError: the plan names axes or levels that the inquiry does not have.
    """
    if not isinstance(plan, NoticePlan):
        raise EstimateError(f"plan must be a NoticePlan, got {type(plan).__name__}")
    plan.check_axes(inquiry.axes)
    named = dict.fromkeys(notice.retailer for notice in plan.direct)
    others = (f"retailer {number}" for number in range(len(named), retailers))
    axes = tuple(axis for name, axis in inquiry.axes.items() if name in plan.axes)
    draws = _DRAWN_CELLS // math.prod(map(len, axes))
    sampling = Sampling(axes=axes, draws=min(_DRAWS, max(_FEWEST_DRAWS, draws)), seed=seed)
    reached = chances(plan, [*named, *others], sampling)
    even = reduce(np.multiply.outer, map(_evenly, axes), np.ones(()))
    cells = tuple(range(2, reached.ndim))
    return AskedReach(
        segment=plan.name,
        names=tuple(axis.name for axis in axes),
        rates=reached.mean(axis=1),
        drawn=np.sum(reached * even, axis=cells).mean(axis=0),
    )


def _evenly(axis: Axis) -> Floats:
    """Equal shares of the known levels, none of `unknown`."""
    known = np.array([float(level != UNKNOWN) for level in axis.levels])
    return np.asarray(known / known.sum())
