"""Interval arithmetic that keeps its words, and what comparing two results finds.

In: printed figures as intervals. Out: figures computed from them, each with its formula, and a
`Finding` per comparison. Intervals only widen, so that two are told apart only where no numbers
that round to what is printed could agree.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

HOLDS: Final = "holds"
SEVERITIES: Final = ("error", "warning", "note", HOLDS)
"""Worst first; what holds is kept, to say what was checked."""

_DUST: Final = 1e-9
"""Relative error of double arithmetic, generously."""
_WHOLE: Final = 1000
"""From here on, ends are shown as whole numbers; below, with four digits that count."""

_SHARP: Final = 0.05
"""Width beyond which a share meets a formula too easily to raise a suspicion."""

Ends = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """An interval, the formula in words that led to it, and the rows it stands on.

    Whatever is computed from an unknown figure is unknown, and is compared with nothing.

    Attributes:
        lower: lower end, 0 or more except for differences.
        upper: upper end, perhaps infinite.
        words: the formula with the printed figures; empty where a figure is unknown.
        rows: names of the rows.

    >>> half = Figure(lower=0.4, upper=0.6, words="reach 50 %", rows=("a",))
    >>> (100 * half).words
    '100 x reach 50 %'
    """

    lower: float
    upper: float
    words: str = ""
    rows: tuple[str, ...] = ()

    @property
    def known(self) -> bool:
        """Whether it was printed, or computed from what was."""
        return bool(self.words)

    @property
    def ends(self) -> Ends:
        """Both ends."""
        return self.lower, self.upper

    def as_share(self) -> "Figure":
        """Return the figure with nothing above 1, which no share exceeds."""
        ends = min(1.0, self.lower), min(1.0, self.upper)
        return Figure(lower=ends[0], upper=ends[1], words=self.words, rows=self.rows)

    def meets(self, other: "Figure") -> bool:
        """Whether both are known and have a number in common."""
        both = self.known and other.known
        return both and _reaches(self.lower, other.upper) and _reaches(other.lower, self.upper)

    def __add__(self, other: "Figure") -> "Figure":
        if not (self.known and other.known):
            return UNKNOWN
        ends = self.lower + other.lower, self.upper + other.upper
        return _joined(ends, f"{self.words} + {other.words}", self, other)

    def __sub__(self, other: "Figure") -> "Figure":
        if not (self.known and other.known):
            return UNKNOWN
        ends = self.lower - other.upper, self.upper - other.lower
        return _joined(ends, f"{self.words} - {_wrapped(other.words, '+-')}", self, other)

    def __mul__(self, other: "Figure") -> "Figure":
        if not (self.known and other.known):
            return UNKNOWN
        ends = _times(self.lower, other.lower), _times(self.upper, other.upper)
        words = f"{_wrapped(self.words, '+-')} x {_wrapped(other.words, '+-')}"
        return _joined(ends, words, self, other)

    def __truediv__(self, other: "Figure") -> "Figure":
        if not (self.known and other.known):
            return UNKNOWN
        least = _over(self.lower, other.upper) if self.lower > 0 else 0.0
        ends = least, _over(self.upper, other.lower)
        words = f"{_wrapped(self.words, '+-')} / {_wrapped(other.words, '+-x/')}"
        return _joined(ends, words, self, other)

    def __rmul__(self, number: float) -> "Figure":
        return exactly(number) * self

    def __rsub__(self, number: float) -> "Figure":
        return exactly(number) - self


UNKNOWN: Final = Figure(lower=0.0, upper=math.inf)
"""What was not printed."""


def exactly(number: float) -> Figure:
    """Return a number that is known exactly."""
    return Figure(lower=number, upper=number, words=f"{number:g}")


def total(figures: Sequence[Figure]) -> Figure:
    """Return the sum of at least one figure."""
    first, *rest = figures
    for figure in rest:
        first = first + figure
    return first


def extreme(figures: Sequence[Figure], *, largest: bool) -> Figure:
    """Return the largest or the smallest of the known figures."""
    known = [figure for figure in figures if figure.known]
    if not known:
        return UNKNOWN
    pick, name = (max, "largest") if largest else (min, "smallest")
    ends = pick(f.lower for f in known), pick(f.upper for f in known)
    words = f"the {name} of {', '.join(f.words for f in known)}"
    return _joined(ends, known[0].words if len(known) == 1 else words, *known)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One check of published figures.

    Attributes:
        rule: which of the rules.
        severity: one of :data:`SEVERITIES`.
        rows: names of the rows involved.
        formula: what should hold, in words with the printed figures.
        stated: ends of the left side, or None where nothing is computed.
        recomputed: ends of the right side, or None.
        unit: of both: ``"fraction"``, ``"points"``, ``"times"``, ``"USD"`` or what is counted.
        reading: under which reading the figures would be right; empty where there is none.
    """

    rule: str
    severity: str
    rows: tuple[str, ...]
    formula: str
    stated: Ends | None = None
    recomputed: Ends | None = None
    unit: str = ""
    reading: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """Rule and formula: the same check of figures read otherwise."""
        return self.rule, self.formula

    def sentence(self) -> str:
        """Return the finding in words."""
        text = f"{self.rule} ({self.severity}): {self.formula}"
        if self.stated and self.recomputed:
            left, right = (span(ends, self.unit) for ends in (self.stated, self.recomputed))
            text += f"; the left is {left}, the right {right}"
        elif self.recomputed:
            text += f", which is {span(self.recomputed, self.unit)}"
        return f"{text}. {self.reading[:1].upper()}{self.reading[1:]}".strip().rstrip(".") + "."

    def row(self) -> dict[str, Any]:
        """Return the row of a frame; ends that are not computed are nan."""
        stated, recomputed = (
            ends or (math.nan, math.nan) for ends in (self.stated, self.recomputed)
        )
        return {
            "rule": self.rule,
            "severity": self.severity,
            "rows": ", ".join(self.rows),
            "formula": self.formula,
            "unit": self.unit,
            "stated_lower": stated[0],
            "stated_upper": stated[1],
            "lower": recomputed[0],
            "upper": recomputed[1],
            "reading": self.reading,
        }


Findings = Iterator[Finding]
"""What a rule yields: a finding per check, whether it holds or not."""


def same(
    rule: str,
    stated: Figure,
    recomputed: Figure,
    *,
    unit: str,
    severity: str = "error",
    reading: str = "",
) -> Findings:
    """Yield whether two figures can be equal; nothing where either is unknown."""
    if stated.known and recomputed.known:
        failed = "" if stated.meets(recomputed) else severity
        yield _compared(rule, failed, "=", (stated, recomputed), (unit, reading))


def at_most(
    rule: str,
    small: Figure,
    large: Figure,
    *,
    unit: str,
    severity: str = "error",
    reading: str = "",
) -> Findings:
    """Yield whether one figure can be at most another; nothing where either is unknown."""
    if small.known and large.known:
        failed = "" if _reaches(small.lower, large.upper) else severity
        yield _compared(rule, failed, "<=", (small, large), (unit, reading))


def not_just(
    stated: Figure, suspect: Figure, plausible: Figure, *, rule: str, reading: str
) -> Findings:
    """Yield a warning where a share is what a wrong formula gives, and no right one gives it.

    Args:
        stated: the share.
        suspect: what the wrong formula gives.
        plausible: another figure; where it fits as well, nothing is suspected.
        rule: name of the rule.
        reading: when the wrong formula would be right.
    """
    if stated.known and suspect.known and plausible.known:
        sharp = all(f.upper - f.lower <= _SHARP for f in (stated, suspect))
        suspected = sharp and stated.meets(suspect) and not stated.meets(plausible)
        yield Finding(
            rule=rule,
            severity="warning" if suspected else HOLDS,
            rows=joined_rows((stated, suspect, plausible)),
            formula=f"{stated.words} is not just {suspect.words}",
            stated=stated.ends,
            recomputed=suspect.ends,
            unit="fraction",
            reading=reading if suspected else "",
        )


def span(ends: Ends, unit: str) -> str:
    """Return an interval in words, rounded outward.

    >>> span((0.71954, 0.72051), "fraction")
    '71.95% to 72.06%'
    """
    low, high = (_end(end, unit, up=up) for end, up in zip(ends, (False, True), strict=True))
    return low if low == high else f"{low} to {high}"


def joined_rows(figures: Iterable[Figure]) -> tuple[str, ...]:
    """Return the rows of several figures, each once, in order."""
    return tuple(dict.fromkeys(row for figure in figures for row in figure.rows))


def _compared(
    rule: str, failed: str, sign: str, sides: tuple[Figure, Figure], told: tuple[str, str]
) -> Finding:
    left, right = sides
    unit, reading = told
    return Finding(
        rule=rule,
        severity=failed or HOLDS,
        rows=joined_rows(sides),
        formula=f"{left.words} {sign} {right.words}",
        stated=left.ends,
        recomputed=right.ends,
        unit=unit,
        reading=reading if failed else "",
    )


def _joined(ends: Ends, words: str, *figures: Figure) -> Figure:
    return Figure(lower=ends[0], upper=ends[1], words=words, rows=joined_rows(figures))


def _reaches(low: float, high: float) -> bool:
    return low <= high or math.isclose(low, high, rel_tol=_DUST, abs_tol=_DUST * _DUST)


def _times(one: float, other: float) -> float:
    """Product in which nothing times anything, however large, is nothing."""
    return 0.0 if 0 in {one, other} else one * other


def _over(one: float, other: float) -> float:
    """Quotient in which anything over nothing is unlimited."""
    return one / other if other > 0 else math.inf


def _wrapped(words: str, signs: str) -> str:
    return f"({words})" if any(f" {sign} " in words for sign in signs) else words


def _end(value: float, unit: str, *, up: bool) -> str:
    if math.isinf(value):
        return "no limit"
    value *= 100 if unit == "fraction" else 1
    size = math.floor(math.log10(abs(value))) if value else 0
    digits = 0 if abs(value) >= _WHOLE else max(0, 3 - size)
    scaled = value * 10**digits
    rounded = math.ceil(scaled - _DUST) if up else math.floor(scaled + _DUST)
    text = f"{rounded / 10**digits:,.{digits}f}"
    return f"${text}" if unit == "USD" else text + "%" * (unit == "fraction")
