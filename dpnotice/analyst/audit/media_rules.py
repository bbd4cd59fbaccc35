"""Rules of media figures: what universe, reach, frequency, impressions and GRPs owe each other.

In: a `Sheet`. Out: per rule its checks as findings. Letters: U universe, n persons reached,
R reach, F frequency, I impressions, GRP rating points.
"""

import math
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from dpnotice.analyst.audit.findings import (
    HOLDS,
    UNKNOWN,
    Figure,
    Finding,
    Findings,
    at_most,
    exactly,
    extreme,
    not_just,
    same,
    span,
    total,
)
from dpnotice.analyst.audit.published import QUANTITIES
from dpnotice.analyst.audit.sheet import Group, Sheet

_SUMMED: Final = tuple(name for name, measure in QUANTITIES.items() if measure == "count")
"""Counts: segments of an audience sum to it."""
_GROSS: Final = (("impressions", "exposures"), ("grps", "points"))
"""Gross measures and their units: vehicles sum to their combination."""
_YEAR: Final = re.compile(r"(?:19|20)\d\d")


def check_grp(sheet: Sheet) -> Findings:
    """Yield 100 I / U = 100 R F = GRP."""
    for group in sheet.groups:
        by_weight = 100 * group.get("impressions") / group.whole
        reach, frequency = group.rated("reach"), group.get("frequency")
        by_reach, grps = 100 * reach * frequency, group.rated("grps")
        yield from same("GRP", grps, by_weight, unit="points")
        for points in (grps, by_weight):
            reading = _fitting(points / exactly(100), reach, frequency)
            yield from same("GRP", points, by_reach, unit="points", reading=reading)


def check_impressions(sheet: Sheet) -> Findings:
    """Yield I = n F >= n."""
    for group in sheet.groups:
        impressions, frequency = group.get("impressions"), group.get("frequency")
        reached = group.get("reached")
        fitting = span((impressions / reached).ends, "times")
        reading = f"right with a frequency of {fitting}"
        yield from same(
            "impressions", impressions, reached * frequency, unit="exposures", reading=reading
        )
        yield from at_most("impressions", group.reached, impressions, unit="exposures")
        reading = "right if it is the mean over the whole universe, not over those reached"
        yield from at_most("impressions", exactly(1), frequency, unit="times", reading=reading)


def check_universe(sheet: Sheet) -> Findings:
    """Yield n = R U, or what two of them say of the third as a note."""
    for group in sheet.groups:
        reach, whole, reached = group.rated("reach"), group.whole, group.get("reached")
        others = [name for name in ("universe", "class", "sent", "delivered") if name != group.base]
        fits = [name for name in others if reach.meets(reached / group.get(name))]
        reading = f"right of {' or '.join(fits)}, not of {group.base}" if fits else ""
        yield from same("universe", reached, reach * whole, unit="persons", reading=reading)
        if not whole.known:
            yield from _solved(group.base, reached / reach, "persons")
        if not reached.known:
            yield from _solved("reached", reach * whole, "persons")
        if not reach.known:
            yield from _solved("reach", reached / whole, "fraction")


def check_census(sheet: Sheet) -> Findings:
    """Yield U, audience <= census, of one year; circulation x readers per copy = audience."""
    for group in sheet.groups:
        census = group.get("census")
        readers = group.get("circulation") * group.get("readers_per_copy")
        yield from same("census", group.get("audience"), readers, unit="persons")
        for count in (group.population, group.get("audience"), group.get("class")):
            reading = "right if the census has another date, age or area"
            yield from at_most("census", count, census, unit="persons", reading=reading)
        yield from _one_year(group)


def check_bounds(sheet: Sheet) -> Findings:
    """Yield max r_i <= R <= sum r_i for what is combined."""
    for whole, parts in sheet.combinations:
        for combined, each, unit in _alike(whole, parts):
            yield from at_most("bounds", extreme(each, largest=True), combined, unit=unit)
            yield from at_most("bounds", combined, total(each), unit=unit)


def check_sum(sheet: Sheet) -> Findings:
    """Yield that R is not just the sum of the r_i: independent, it is 1 - product (1 - r_i)."""
    for whole, parts in sheet.combinations:
        each = [_share_within(part, whole) for part in parts]
        missed = 1 - each[0]
        for share in each[1:]:
            missed = missed * (1 - share)
        apart = 1 - missed
        reading = "right only if nobody is reached by two of them; independent audiences give "
        reading += span(apart.ends, "fraction")
        yield from not_just(whole.reach, total(each), apart, rule="sum", reading=reading)


def check_random(sheet: Sheet) -> Findings:
    """Yield that R is not just 1 - exp(-GRP / 100), as if exposures fell on random persons."""
    for group in sheet.groups:
        points = group.exposures
        formula = Figure(
            lower=-math.expm1(-points.lower),
            upper=-math.expm1(-points.upper),
            words=points.known * f"1 - exp(-({points.words}))",
            rows=points.rows,
        )
        reading = "right only if every exposure falls on a random person; heavy users make it less"
        yield from not_just(group.rated("reach"), formula, points, rule="random", reading=reading)


def check_distribution(sheet: Sheet) -> Findings:
    """Yield that n+ reach does not increase with n, and that it sums to GRP / 100.

    What is printed up to n is a lower bound of the sum; under a frequency cap it is the whole sum.
    """
    for group in sheet.groups:
        plus = sorted(_plus_of(group).items())
        for (_, more), (_, fewer) in pairwise(plus):
            yield from at_most("distribution", fewer, more, unit="fraction")
        if plus and plus[-1][0] > 1:
            yield from _sums(group, plus)


def check_nested(sheet: Sheet) -> Findings:
    """Yield for A within B: n_A <= n_B, n_B - n_A <= U_B - U_A, and the rest has F >= 1."""
    for inner, outer in sheet.nestings:
        rest = outer.reached - inner.reached
        yield from at_most("nested", inner.reached, outer.reached, unit="persons")
        yield from at_most("nested", inner.population, outer.population, unit="persons")
        yield from at_most("nested", rest, outer.population - inner.population, unit="persons")
        reading = "right only if the others are reached less than once each"
        gross = outer.impressions - inner.impressions
        yield from at_most("nested", rest, gross, unit="persons", reading=reading)


def check_additivity(sheet: Sheet) -> Findings:
    """Yield that segments sum to their total, and vehicles' gross measures to their combination."""
    for whole, parts in sheet.segmentations:
        for quantity in _SUMMED:
            yield from _summed(quantity, whole, parts, "")
        shares = [_share_within(part, whole) for part in parts]
        if all(share.known for share in shares):
            least, most = (extreme(shares, largest=top) for top in (False, True))
            yield from at_most("additivity", least, whole.reach, unit="fraction")
            yield from at_most("additivity", whole.reach, most, unit="fraction")
    for whole, parts in sheet.combinations:
        for quantity, unit in _GROSS:
            yield from _summed(quantity, whole, parts, unit)


def _share_within(part: Group, whole: Group) -> Figure:
    """Return the reach of a part, if it is of the same count as that of the whole."""
    return part.reach if part.base == whole.base else UNKNOWN


def _alike(whole: Group, parts: Sequence[Group]) -> Iterator[tuple[Figure, list[Figure], str]]:
    shares = [_share_within(part, whole) for part in parts]
    if whole.reach.known and any(share.known for share in shares):
        yield whole.reach, shares, "fraction"
    yield whole.get("reached"), [part.get("reached") for part in parts], "persons"


def _summed(quantity: str, whole: Group, parts: Sequence[Group], unit: str) -> Findings:
    stated, *each = (_additive(group, quantity) for group in (whole, *parts))
    if not stated.known or (quantity == "grps" and len({g.base for g in (whole, *parts)}) > 1):
        return
    summed, spare = total(each), whole.sheet.survey_tolerance
    widened = Figure(
        lower=summed.lower * (1 - spare), upper=summed.upper * (1 + spare), words=summed.words
    )
    near = spare > 0 and stated.meets(widened)
    reading = "right within the survey's tolerance" if near else ""
    yield from same(
        "additivity",
        stated,
        summed,
        unit=unit or quantity,
        severity="note" if near else "error",
        reading=reading,
    )


def _additive(group: Group, quantity: str) -> Figure:
    if quantity == "reached":
        return group.reached
    if quantity == "impressions":
        return group.impressions
    return group.rated("grps") if quantity == "grps" else group.get(quantity)


def _fitting(exposures: Figure, reach: Figure, frequency: Figure) -> str:
    if not all(figure.known for figure in (exposures, reach, frequency)):
        return ""
    if frequency.meets(exposures):
        return "right if the frequency is per person of the universe, not per person reached"
    times, share = exposures / reach, exposures / frequency
    reading = f"right with a frequency of {span(times.ends, 'times')}"
    return reading + (
        f", or a reach of {span(share.as_share().ends, 'fraction')}" if share.lower <= 1 else ""
    )


def _solved(name: str, figure: Figure, unit: str) -> Findings:
    if figure.known:
        yield Finding(
            rule="universe",
            severity="note",
            rows=figure.rows,
            formula=f"{name} = {figure.words}",
            recomputed=figure.ends,
            unit=unit,
            reading=f"{name} is not printed and was solved for",
        )


def _one_year(group: Group) -> Findings:
    rows = [row for row in (group.row("universe"), group.row("census")) if row is not None]
    years = [_YEAR.findall(row.as_of) for row in rows]
    if len(rows) == len([found for found in years if found]) == 2:  # noqa: PLR2004 -- both
        apart = set(years[0]).isdisjoint(years[1])
        yield Finding(
            rule="census",
            severity="warning" if apart else HOLDS,
            rows=tuple(row.row for row in rows),
            formula=f"{rows[0].words} as of {rows[0].as_of} and {rows[1].words} as of "
            f"{rows[1].as_of} are of one date",
            reading="right if the population did not change between" if apart else "",
        )


def _plus_of(group: Group) -> dict[int, Figure]:
    """Return n -> share reached at least n times."""
    rows = [row for row in group.rows if row.quantity.startswith("reach_")]
    plus = {1: group.reach} | {row.at_least: group.rated(row.quantity) for row in rows}
    return {n: figure for n, figure in plus.items() if figure.known}


def _sums(group: Group, plus: list[tuple[int, Figure]]) -> Findings:
    steps = [0, *(n for n, _ in plus)]
    least = _stairs([(n - before, f) for (n, f), before in zip(plus, steps, strict=False)])
    exposures, cap = group.exposures, group.get("frequency_cap")
    yield from at_most("distribution", least, exposures, unit="times")
    if cap.known and plus[0][0] == 1 and plus[-1][0] <= cap.upper < math.inf:
        ends = [*steps[2:], math.floor(cap.upper) + 1]
        most = _stairs([(after - n, f) for (n, f), after in zip(plus, ends, strict=True)])
        reading = f"right if {cap.words} is not for the whole campaign"
        yield from at_most("distribution", exposures, most, unit="times", reading=reading)


def _stairs(steps: list[tuple[int, Figure]]) -> Figure:
    return total([figure if width == 1 else width * figure for width, figure in steps])
