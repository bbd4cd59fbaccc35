"""A printed number: the interval of numbers that print so.

In: text such as "72.0 %", "over 200 million" or "$31.99". Out: a `Printed` with its ends, and what
the text says it measures.
"""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from dpnotice.errors import PlanError

_LEADS: Final = {
    "": "",
    **dict.fromkeys(("≈", "~", "about", "approximately", "around", "roughly", "circa"), "about"),
    **dict.fromkeys(("over", "more than", "at least", "above", "exceeding", ">", "≥"), "over"),
    **dict.fromkeys(("under", "less than", "fewer than", "up to", "at most", "below"), "under"),
    **dict.fromkeys(("nearly", "almost", "<", "≤"), "under"),
}
_SCALES: Final = {
    **dict.fromkeys(("k", "thousand", "(000)"), 10**3),
    **dict.fromkeys(("m", "mm", "million"), 10**6),
    **dict.fromkeys(("b", "bn", "billion"), 10**9),
}
_MARKS: Final = {
    **dict.fromkeys(("%", "percent", "per cent"), "share"),
    **dict.fromkeys(("points", "grps", "trps"), "points"),
    **dict.fromkeys(("x", "times"), "ratio"),
}
_MINUS: Final = ("-", "\u2212", "\u2013")
_DIGITS: Final = r"(?P<whole>\d{1,3}(?:,\d{3})+|\d+)(?:\.(?P<decimals>\d+))?"


def _any_of(words: Iterable[str]) -> str:
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))


_TEXT: Final = re.compile(
    rf"(?P<lead>[^\d$]*)(?P<dollar>\$?)\s*{_DIGITS}\s*"
    rf"(?P<scale>{_any_of(_SCALES)})?\s*(?P<mark>{_any_of(_MARKS)})?(?P<plus>\+?)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Printed:
    """A number as it stands on paper.

    With d decimals, and a scale such as "million", the figure behind it lies within half of the
    last digit. After "about" the last digit that is not zero counts as the last. "over x" is
    (x, max], "under x" is [0, x); the ends themselves are not told apart.

    Attributes:
        value: the number, scaled.
        place: what one step of the last digit is worth.
        group: the same, were a whole number's closing 000 the trace of rounding.
        bound: ``"over"``, ``"under"`` or empty.
        measure: share, points, ratio or money, where the text says so; else empty.
    """

    value: float
    place: float
    group: float
    bound: str
    measure: str

    def interval(self, *, rounded: bool = False) -> tuple[float, float]:
        """Return the ends, the lower one not below zero."""
        if self.bound:
            return (self.value, math.inf) if self.bound == "over" else (0.0, self.value)
        half = (self.group if rounded else self.place) / 2
        return max(0.0, self.value - half), self.value + half


def read_printed(text: object) -> Printed:
    """Read a printed number.

    Args:
        text: such as ``"72.0 %"``, ``"≈ 323,000"``, ``"over 200 million"``, ``"$31.99"``.

    Raises:
        PlanError: not text, unreadable, or negative.

    >>> read_printed("72.0 %").interval()
    (71.95, 72.05)
    """
    if not isinstance(text, str):
        raise PlanError(
            f"printed must be text, got {text!r}: a number has lost its last zeros, so type "
            "'72.0', and read files with all columns as text"
        )
    found = _TEXT.fullmatch(" ".join(text.lower().split()))
    lead = found["lead"].strip() if found else ""
    if lead in _MINUS:
        raise PlanError(f"{text!r} is negative; published figures are 0 or more, so correct it")
    if found is None or lead not in _LEADS or _twice(found, lead):
        raise PlanError(
            f"cannot read {text!r} as a figure; type it like 72.0 %, ≈ 323,000, over 200 million, "
            "$31.99 or 3.3x, and under unit what it counts"
        )
    return _scaled(found, _LEADS[lead])


def _twice(found: re.Match[str], lead: str) -> bool:
    return bool((found["dollar"] and found["mark"]) or (found["plus"] and lead))


def _scaled(found: re.Match[str], bound: str) -> Printed:
    whole, decimals = found["whole"].replace(",", ""), found["decimals"] or ""
    scale = float(_SCALES.get(found["scale"] or "", 1))
    zeros = 0 if decimals else len(whole) - len(whole.rstrip("0") or whole)
    place = scale * 10.0 ** ((zeros if bound == "about" else 0) - len(decimals))
    return Printed(
        value=float(f"{whole}.{decimals}") * scale,
        place=place,
        group=max(place, scale * 1000.0 ** (zeros // 3)) if scale == 1 else place,
        bound="over" if found["plus"] else bound.replace("about", ""),
        measure="money" if found["dollar"] else _MARKS.get(found["mark"] or "", ""),
    )
