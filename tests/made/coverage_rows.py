"""How often intervals hold the truth, and how often they must.

In: simulated errors (`coverage`), levels. Out: rows, one per question and level: measured coverage
of the unrounded and of the reported interval, beside the method's own coverage, worked out apart.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache, reduce
from operator import add
from typing import Any, Final

import numpy as np
from scipy.stats import binom

from dpnotice.analyst.bounds import share_bounds, union_interval
from dpnotice.analyst.intervals import _RATIO_POINTS, count_interval, fieller
from made import coverage as made
from made.coverage import Setting, Simulated
from made.within import chances_within

Floats = Any
Chance = tuple[float, float]
FALSE_ALARM: Final = 1e-6
"""Per row and side."""
STATED: Final = 0.0015
"""How far below nominal the method's own coverage may be: what the expansions leave out."""
_DUST: Final = 1e-9
_NEAR: Final = 0.02
"""Where the ratio that decides about a share is this near to 1, it may fall to either side: the
library's quantile is taken at the end of the set, to a lattice's width, and not at the truth."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """How often one kind of interval held the truth, and how often it must.

    Attributes:
        setting: what was simulated.
        what: the question.
        level: nominal.
        runs: releases.
        exact: ends of the method's own coverage before rounding; None where nominal is a floor.
        measured: share of releases whose unrounded interval holds the truth.
        due: ends of the coverage of the reported interval; None where nominal is a floor.
        reported: share of releases whose reported interval holds the truth.
        amiss: releases whose unrounded interval holds the truth and whose reported one does not.
    """

    setting: Setting
    what: str
    level: float
    runs: int
    exact: Chance | None = None
    measured: float = math.nan
    due: Chance | None = None
    reported: float
    amiss: int = 0

    @property
    def band(self) -> Chance:
        """What may be measured of the unrounded interval, around the method's own coverage."""
        return band(self.runs, self.exact or (self.level, 1.0))

    @property
    def faults(self) -> list[str]:
        """What is outside, in words."""
        low, high = self.band
        floor = band(self.runs, (self.level, 1.0))[0]
        least, most = band(self.runs, self.due or (self.level, 1.0))
        wrong = {
            "below nominal": bool(self.exact) and self.exact[1] < self.level - STATED,
            "unrounded": bool(self.exact) and not low <= self.measured <= high,
            "reported": not max(floor, least) <= self.reported <= most,
            "amiss": self.amiss > 0,
        }
        return [what for what, is_so in wrong.items() if is_so]


def band(runs: int, chance: Chance) -> Chance:
    """Shares of hits outside which a chance between these ends falls once in 10^6 on a side."""
    low = float(binom.ppf(FALSE_ALARM, runs, chance[0])) / runs
    return low, float(binom.isf(FALSE_ALARM, runs, chance[1])) / runs


def rows(simulated: Simulated, levels: tuple[float, ...], asks: int) -> Iterator[Row]:
    """Everything that is looked at in one setting.

    Args:
        simulated: errors.
        levels: nominal.
        asks: releases about whose share the library is asked, see `share_row`.
    """
    for place in range(len(made.questions(simulated.setting))):
        yield from count_rows(simulated, place, levels)
    for level in levels:
        yield joint_row(simulated, level)
        if simulated.setting.retailers > 1:
            yield from persons_rows(simulated, level)
            yield from share_bounds_rows(simulated, level, asks)
    yield from share_rows(simulated, levels, asks)


@lru_cache(maxsize=64)
def count_widths(
    setting: Setting, place: int, levels: tuple[float, ...]
) -> tuple[list[float], list[Chance], list[Chance]]:
    """Half-widths of a question, the chances that the error is within them, and within 1/2 too."""
    law = made.law(made.fitted(setting), made.questions(setting)[place], setting.retailers)
    halves = [law.half_width(level) for level in levels]
    widened = [max(half, 0.5) for half in halves]
    chances = chances_within(law, [half + _DUST for half in (*halves, *widened)])
    return halves, chances[: len(levels)], chances[len(levels) :]


def count_rows(simulated: Simulated, place: int, levels: tuple[float, ...]) -> Iterator[Row]:
    """A count or a weighted sum, summed over retailers; weighted sums are not rounded.

    Rounding inward loses no whole number and adds one only where the half-width is below 1/2; where
    the truth is 0, clipping at 0 turns the interval into an upper limit.
    """
    setting, asked = simulated.setting, made.questions(simulated.setting)[place]
    error = simulated.of(asked.what).sum(axis=0)
    truth = setting.retailers * made.true(setting, asked)
    same_for_any_truth = replace(setting, truth=next(iter(made.TRUTHS)))
    halves, exact, widened = count_widths(same_for_any_truth, place, levels)
    for k, level in enumerate(levels):
        held, (low, high) = np.abs(error) <= halves[k] + _DUST, exact[k]
        if asked.where is None:
            ends = made.clipped(truth + error, halves[k])
        else:
            ends, (low, high) = count_interval(truth + error, halves[k]), widened[k]
        reported = holds((ends[0] - _DUST, ends[1] + _DUST), truth)
        yield Row(
            setting=setting,
            what=asked.what,
            level=level,
            runs=len(error),
            exact=exact[k],
            measured=float(held.mean()),
            due=(low, high) if truth else ((1 + low) / 2, (1 + high) / 2),
            reported=float(reported.mean()),
            amiss=int(np.sum(held & ~reported)),
        )


def holds(ends: tuple[Any, Any], truth: Any) -> Any:
    return (ends[0] <= truth) & (truth <= ends[1])


def joint_row(simulated: Simulated, level: float) -> Row:
    """All cells of the detailed table, or the totals of all retailers, together (Bonferroni)."""
    errors, half, truth = made.joint_half(simulated, level)
    held = np.all(np.abs(errors) <= half + _DUST, axis=1)
    reported = np.all(holds(made.joint_ends(simulated, slice(None), level), truth), axis=1)
    return Row(
        setting=simulated.setting,
        what="all cells at once" if len(simulated.errors) == 1 else "all retailers at once",
        level=level,
        runs=len(errors),
        measured=float(held.mean()),
        reported=float(reported.mean()),
        amiss=int(np.sum(held & ~reported)),
    )


def persons_rows(simulated: Simulated, level: float) -> Iterator[Row]:
    """Bounds on persons, where the retailers know the same persons and where no two do."""
    one = made.true(simulated.setting, made.TOTAL)
    _, *ends = union_interval(made.found(simulated, made.TOTAL, slice(None)), level)
    for overlap, persons in (("same", one), ("other", one * len(simulated.errors))):
        hits = holds((ends[0], ends[1]), persons)
        yield Row(
            setting=simulated.setting,
            what=f"persons, all {overlap}",
            level=level,
            runs=hits.size,
            reported=float(hits.mean()),
        )


def share_bounds_rows(simulated: Simulated, level: float, asks: int) -> Iterator[Row]:
    """Bounds on a share of persons, at the least and the greatest share that any overlap gives."""
    setting = simulated.setting
    inside, whole = (made.true(setting, each) for each in (made.ADDRESSED, made.TOTAL))
    apart = setting.retailers * (whole - inside) + inside
    least = inside / apart if whole else 0.5
    greatest = min(1.0, setting.retailers * inside / whole) if whole else 0.5
    ends = np.array(
        [
            share_bounds(*made.share_terms(simulated, run), level, free=True)
            for run in range(min(asks, simulated.errors.shape[1]))
        ]
    )
    for name, share in (("least", least), ("greatest", greatest)):
        hits = holds((ends[:, 0] - _DUST, ends[:, 1] + _DUST), share)
        yield Row(
            setting=setting,
            what=f"share bounds, {name}",
            level=level,
            runs=hits.size,
            reported=float(hits.mean()),
        )


def share_rows(simulated: Simulated, levels: tuple[float, ...], asks: int) -> Iterator[Row]:
    """Fieller's set of a share of buyers, over the sum of the retailers.

    Before it is clipped the set holds the true share R if, and only if, the error of part - R whole
    is within its own half-width: that is what is counted in every release. The reported ends take
    some 0.1 s each, so `fieller` is asked about `asks` releases: half of them where the decision is
    nearest, half elsewhere, where it must not lose the truth (`amiss`; it may keep more, where the
    whole is hardly told from 0 and all of [0, 1] is reported). Of the others the decision stands.
    """
    setting = simulated.setting
    parts, wholes = made.share_terms(simulated, slice(None))
    (part, noise_part), (whole, noise_whole) = (
        (sum(value for value, _ in terms), reduce(add, [noise for _, noise in terms]))
        for terms in (parts, wholes)
    )
    inside, everybody = (made.true(setting, each) for each in (made.ADDRESSED, made.TOTAL))
    share = inside / everybody if everybody else 0.5  # any share is true of nobody
    mixed, error = noise_part.minus(noise_whole.times(share)), part - share * whole
    halves = [mixed.half_width(level, points=_RATIO_POINTS) for level in levels]
    chances = chances_within(mixed, [half + _DUST for half in halves])
    for level, half, chance in zip(levels, halves, chances, strict=True):
        held = np.abs(error) <= half + _DUST
        outward = error < 0 if share == 0 else (error > 0) & (share == 1)
        undetermined = whole <= noise_whole.half_width(level)
        reported = held | undetermined | outward
        amiss = 0
        for run, near in _asked(np.abs(error) / half, undetermined, asks):
            ends = fieller((part[run], noise_part), (whole[run], noise_whole), level)[:2]
            hit = bool(holds((ends[0] - _DUST, ends[1] + _DUST), share))
            amiss += not near and bool(reported[run]) and not hit
            reported[run] = hit
        yield Row(
            setting=setting,
            what="share",
            level=level,
            runs=error.size,
            exact=chance,
            measured=float(held.mean()),
            reported=float(reported.mean()),
            amiss=amiss,
        )


def _asked(ratio: Floats, undetermined: Floats, asks: int) -> Iterator[tuple[int, bool]]:
    """The releases to ask about, and whether their decision may fall to either side."""
    nearest = np.argsort(np.where(undetermined, np.inf, np.abs(ratio - 1)))[: asks // 2]
    others = np.setdiff1d(np.arange(ratio.size), nearest)[: asks - asks // 2]
    for run in (*nearest, *others):
        yield int(run), bool(abs(ratio[run] - 1) < _NEAR)
