"""Every sentence that a person reads, errors apart.

In: numbers and names. Out: text. Interval ends are rounded outward at the printed digit; a count is
rounded to a step no finer than half of its s.d.; nothing prints as nan.
"""

import math
from collections.abc import Mapping
from typing import Any, Final

_STEPS: Final = (1, 2, 5)
UNDETERMINED: Final = "cannot be determined from this release"
"""Begins the note of a share that the noise leaves open."""
_SURE: Final = 0.01
_OPEN: Final = 0.05
_DUST: Final = 1e-9
_NORMAL_WIDTH: Final = 3.92
"""Width of a normal 95 % interval in s.d.: turns an interval into the s.d. that sets the step."""


def percent(value: float, digits: int = 0) -> str:
    """Return a fraction as a percentage; never a negative zero.

    >>> percent(0.744)
    '74%'
    """
    return f"{round(100 * value, digits) + 0.0:.{digits}f}%"


def level_text(level: float) -> str:
    """Return a confidence level with all of its digits.

    >>> level_text(0.995)
    '99.5%'
    """
    return f"{100 * level:.10g}%"


def outward(value: float, unit: str, *, up: bool) -> str:
    """Return an end of an interval for a table, rounded away from the middle.

    >>> outward(0.7206, "fraction", up=False)
    '72.0%'
    """
    scale = 1000 if unit == "fraction" else 1
    rounded = math.ceil(scale * value - _DUST) if up else math.floor(scale * value + _DUST)
    return figure(rounded / scale, unit)


def percent_interval(lower: float, upper: float) -> str:
    """Return an interval of fractions in whole percents, rounded outward.

    >>> percent_interval(0.7201, 0.7599)
    '72% to 76%'
    """
    low = math.floor(100 * lower + _DUST)
    high = math.ceil(100 * upper - _DUST)
    return f"{max(0, low)}% to {min(100, high)}%"


def number(value: float) -> str:
    """Return a whole number with thousands separators.

    >>> number(1234.4)
    '1,234'
    """
    return f"{round(value):,}"


def dollars(value: float) -> str:
    """Return dollars without cents."""
    return f"${round(value):,}"


def step_for(lower: float, upper: float) -> int:
    """Return the largest of 1, 2, 5 x 10^k not above half the s.d. that an interval implies."""
    half = (upper - lower) / _NORMAL_WIDTH / 2
    if half < 1:
        return 1
    power = 10 ** math.floor(math.log10(half))
    return int(max(step * power for step in _STEPS if step * power <= half))


def count_text(estimate: float | None, lower: float, upper: float) -> tuple[str, str]:
    """Return a count and its interval, ends rounded outward to one step.

    Bounds without a point are as wide as the overlap allows, which says nothing about the noise:
    they are printed to the person.
    """
    step = 1 if estimate is None else step_for(lower, upper)
    low, high = math.floor(lower / step) * step, math.ceil(upper / step) * step
    middle = "" if estimate is None else f"{max(0, round(estimate / step) * step):,}"
    return middle, f"{low:,} to {high:,}"


def probability(value: float) -> str:
    """Return a chance; finite draws never say 0 % or 100 %.

    >>> probability(1.0)
    'above 99%'
    """
    if value > 1 - _SURE:
        return "above 99%"
    return "below 1%" if value < _SURE else percent(value)


def points(half_width: float) -> str:
    """Return a half-width in percentage points, rounded up to two digits that count.

    >>> points(0.01234)
    '1.3 points'
    """
    if half_width <= 0:
        return "0 points"
    digits = max(0, 1 - math.floor(math.log10(100 * half_width)))
    rounded = math.ceil(100 * half_width * 10**digits - _DUST) / 10**digits
    return f"{rounded:,.{digits}f} point{'' if rounded == 1 else 's'}"


def figure(value: float, unit: str) -> str:
    """Return a known figure in its unit."""
    if unit == "fraction":
        return percent(value, digits=1)
    return dollars(value) if unit == "USD" else number(value)


def point_and_interval(estimate: Mapping[str, Any]) -> tuple[str, str]:
    """Return an estimate for a table: its point (empty without one) and its interval."""
    point, unit = estimate["estimate"], estimate["unit"]
    low = outward(estimate["lower"], unit, up=False)
    high = outward(estimate["upper"], unit, up=True)
    return "" if point is None else figure(point, unit), f"{low} to {high}"


def estimate_sentence(estimate: Mapping[str, Any]) -> str:
    """Return one estimate as a sentence."""
    subject = estimate["quantity"]
    if estimate["segment"]:
        subject += f" ({estimate['segment']})"
    level, middle, ends = _parts(estimate)
    if estimate.get("note", "").startswith(UNDETERMINED):
        return f"The {subject} {estimate['note']}."
    if not middle:
        low, _, high = ends.partition(" to ")
        return f"The {subject} is between {low} and {high} ({level} confidence)."
    return f"The {subject} is {middle} ({level} interval {ends})."


def size_sentence(size: Mapping[str, Any], population: str, retailers: int, said: str = "") -> str:
    """Return the size of the class as a sentence.

    Args:
        size: the estimate.
        population: who is counted.
        retailers: how many responded.
        said: what is taken for granted of who is the same person, where sketches tell anything.
    """
    level, middle, ends = _parts(size)
    known = population
    if population == "known buyers":
        known += f" of {retailers} responding retailer" + "s" * (retailers > 1)
    if not middle:
        low, _, high = ends.partition(" to ")
        told = "known only in part" if said else "not known"
        return (
            f"There are at least {low} and at most {high} {known} ({level} confidence); "
            f"the overlap between retailers is {told}, so no single figure is given."
        )
    return f"We estimate {middle} {known} ({level} interval {ends})."


def beside_sentence(bounds: Mapping[str, Any], said: str) -> str:
    """Return what the counts alone say of the size, beside a figure that rests on more.

    Args:
        bounds: of known buyers.
        said: what the figure takes for granted.
    """
    low, _, high = _parts(bounds)[2].partition(" to ")
    return (
        f"This counts buyers of several retailers once, {said}; the counts alone leave anything "
        f"from {low} to {high} known buyers open."
    )


def contradiction_sentence(flag: str) -> str:
    """Return a warning that a release contradicts itself."""
    return f"Warning: {flag}."


def reach_sentence(reach: Mapping[str, Any], population: str, said: str = "") -> str:
    """Return a plan's reach as a sentence.

    Args:
        reach: the estimate.
        population: whose reach.
        said: what it takes for granted of who is the same person, if anything.
    """
    level, middle, ends = _parts(reach)
    end = f", {said}" if said else ""
    if not middle:
        low, _, high = ends.partition(" to ")
        return (
            f"Between {low} and {high} of {population} ({level} confidence) would be exposed to "
            f'the notice of plan "{reach["segment"]}" at least once{end}; the overlap between '
            "retailers is not known."
        )
    return (
        f"We estimate that {middle} of {population} ({level} interval {ends}) would be exposed to "
        f'the notice of plan "{reach["segment"]}" at least once{end}.'
    )


def plan_sentence(
    reach: Mapping[str, Any], population: str, records: Mapping[str, Any], said: str = ""
) -> str:
    """Return a plan's reach and the records that it discloses as two sentences."""
    first = reach_sentence(reach, population, said)
    if records["upper"] == 0:
        return f"{first} It discloses no buyer's record."
    _, middle, ends = _parts(records)
    return f"{first} It discloses about {middle} buyers' records ({ends})."


def target_sentence(worst: float, best: float, target: float) -> str:
    """Return the chance that reach meets a target, without a verdict.

    Args:
        worst: chance at the overlap that reaches fewest.
        best: chance at the overlap that reaches most; equal where there is one retailer.
        target: a fraction.
    """
    what = f"The chance that reach is at least {percent(target)} is"
    open_question = worst < 1 - _OPEN and best > _OPEN
    settled = "; the data do not settle whether it would" if open_question else ""
    if probability(worst) == probability(best):
        return f"{what} {probability(worst)}{settled}."
    return (
        f"{what} between {probability(worst)} and {probability(best)}, depending on the overlap "
        f"between retailers{settled}."
    )


def _parts(estimate: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return level, point (empty where there is none) and interval as text."""
    level = level_text(estimate["level"])
    point, lower, upper = estimate["estimate"], estimate["lower"], estimate["upper"]
    if estimate["unit"] == "fraction":
        middle = "" if point is None else percent(min(1.0, max(0.0, point)))
        return level, middle, percent_interval(lower, upper)
    if estimate["unit"] == "USD":
        return level, *point_and_interval(estimate)
    return level, *count_text(point, lower, upper)
