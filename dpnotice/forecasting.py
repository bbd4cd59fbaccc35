"""The error of an answer before anybody answers, and the privacy loss that an answer needs.

In: an inquiry, the size of the class, and what will be asked of the releases: a share, or the reach
of a plan. Out: the half-width that the noise will give it. No data and no budget are touched: the
law of the noise is public, and so is the least-squares estimate's use of it.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Final, TypeAlias

from scipy.optimize import brentq

from dpnotice.analyst.asked import Asked, asked_reach, asked_share
from dpnotice.analyst.design import planned
from dpnotice.analyst.intervals import check_level
from dpnotice.analyst.plan import NoticePlan
from dpnotice.errors import EstimateError
from dpnotice.expected import MOST_BUYERS, Forecast, check_half_width, is_number
from dpnotice.inquiry import Inquiry
from dpnotice.losses import possible_losses, rounded_up

LEVEL: Final = 0.95
_NOTHING: Final = 1e-30
"""A half-width as good as 0, which has no logarithm."""
Size: TypeAlias = float | tuple[float, float]
"""Buyers over all retailers: a number, or the least and the most that there may be."""


def forecast(
    inquiry: Inquiry,
    *,
    class_size: Size,
    query: Mapping[str, object] | None = None,
    plan: NoticePlan | None = None,
    retailers: int = 1,
    level: float = LEVEL,
) -> Forecast:
    """Forecast the half-width of a share or of a plan's reach, from the inquiry alone.

    With R the ratio, N the buyers and V11, V12, V22 the noise variances and covariance of its two
    sums: h = c / (N (1 - g)) sqrt(V11 - 2 R V12 + R^2 V22 - g (V11 - V12^2 / V22)), g = c^2 V22 /
    N^2 (Fieller 1954), c the quantile of the combined noise in standard deviations.

    Args:
        inquiry: the question as it would be asked.
        class_size: buyers of all that a share is taken of, over all retailers: a number or a pair
            (least, most).
        query: the part whose share is asked, as :meth:`share` of a class takes it: axis -> a level
            or a list of levels; ``"within"`` -> the part of the class that it is a share of.
        plan: the plan whose reach is asked, instead of a query.
        retailers: how many answer the inquiry, those of the plan among them. Their buyers are
            counted as different persons; their noise adds.
        level: confidence, a fraction.

    Returns:
        Half-width, the smallest class for one point, and what a larger or smaller loss would give.

    Raises:
        EstimateError: neither or both of query and plan, a bad size, or tables that do not
            determine the answer.
        PlanError: the plan does not fit the inquiry.
    """
    if not isinstance(inquiry, Inquiry):
        raise EstimateError(f"forecast takes an Inquiry, got {type(inquiry).__name__}")
    level, size = check_level(level), _size(class_size)
    if type(retailers) is not int or retailers < 1:
        raise EstimateError(f"retailers must be a whole number from 1, got {retailers!r}")
    if (query is None) == (plan is None):
        raise EstimateError("forecast one answer: give either query or plan")
    asked: Asked
    if plan is not None:
        asked = asked_reach(inquiry, plan, retailers)
    else:
        asked = asked_share(inquiry, query or {}, retailers)
    errors = asked.errors(planned(inquiry))
    return Forecast(inquiry=inquiry, asked=asked, class_size=size, level=level, errors=errors)


def solve_epsilon(  # noqa: PLR0913 -- the arguments of a forecast and its answer
    inquiry: Inquiry,
    *,
    half_width: float,
    class_size: Size,
    query: Mapping[str, object] | None = None,
    plan: NoticePlan | None = None,
    retailers: int = 1,
    level: float = LEVEL,
) -> Decimal:
    """Return the least privacy loss at which an answer is as sharp as asked.

    Args:
        inquiry: the question; its own loss is not used, its noise law and table weights are.
        half_width: of the interval, a fraction in (0, 1): 0.01 is one point either way.
        class_size: as for :func:`forecast`; the least of a pair decides.
        query: as for :func:`forecast`.
        plan: as for :func:`forecast`.
        retailers: as for :func:`forecast`.
        level: confidence, a fraction.

    Returns:
        The epsilon (for an inquiry in rho: the rho) of all tables together, rounded up to four
        digits: write it into the inquiry as text.

    Raises:
        EstimateError: no loss for which noise exists is enough, or as :func:`forecast`.
    """
    check_half_width(half_width)
    low, high = map(math.log, _possible(inquiry))
    middle = {inquiry.loss.measure: rounded_up(math.exp((low + high) / 2))}
    asked = replace(inquiry, loss=replace(inquiry.loss, **middle))
    first = forecast(
        asked, class_size=class_size, query=query, plan=plan, retailers=retailers, level=level
    )

    def excess(log_loss: float) -> float:
        found = first.at_loss(Decimal(math.exp(log_loss))).half_width
        return math.log(max(_NOTHING, min(1 / _NOTHING, found)) / half_width)

    if excess(high) > 0:
        raise EstimateError(
            f"no noise is small enough for a half-width of {half_width:g} with so few buyers; "
            "ask for less"
        )
    solved = low if excess(low) <= 0 else float(brentq(excess, low, high, xtol=1e-6))
    loss, more = rounded_up(math.exp(solved)), 1e-4
    while first.at_loss(loss).half_width > half_width:  # beyond a step of the noise
        loss, more = rounded_up(float(loss) * (1 + more)), 2 * more
    return loss


def _possible(inquiry: Inquiry) -> tuple[float, float]:
    """Return the ends of the losses for which all tables have noise.

    Raises:
        EstimateError: not an inquiry, or the tables' weights leave no such loss.
    """
    if not isinstance(inquiry, Inquiry):
        raise EstimateError(f"solve_epsilon takes an Inquiry, got {type(inquiry).__name__}")
    low, high = possible_losses(inquiry.loss, [table.weight for table in inquiry.specs])
    if low >= high:
        raise EstimateError(
            "the weights of the tables differ so much that no loss gives all of them noise; "
            "bring them nearer to each other"
        )
    return low, high


def _size(given: object) -> tuple[float, float]:
    """Return the least and the most of a class size, or refuse it."""
    ends = given if isinstance(given, (tuple, list)) else (given, given)
    numbers = all(map(is_number, ends))
    if not numbers or not ends or not 1 <= ends[0] <= ends[-1] <= MOST_BUYERS or ends[1:-1]:
        raise EstimateError(
            "class_size is a number of buyers from 1, or a pair (least, most), "
            f"got {given!r}; correct it"
        )
    return float(ends[0]), float(ends[-1])
