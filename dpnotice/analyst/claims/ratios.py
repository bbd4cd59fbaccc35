"""A rate that carries what it counts, of whom and in which unit, so that it is not read as another.

In: two figures and their names. Out: `Rate`, printed whole; rates are multiplied and divided only
where their names fit together.
"""

from dataclasses import KW_ONLY, dataclass, replace
from typing import Any, Final, TypeAlias

import numpy as np

from dpnotice.analyst.intervals import Floats
from dpnotice.analyst.rates import check_text
from dpnotice.errors import PlanError
from dpnotice.reporting import claims_wording

OF: Final = tuple(claims_wording.OF)
"""What a rate may be taken of, from the class down to the claims filed."""
UNITS: Final = tuple(claims_wording.UNITS)
CLAIMS: Final = ("claims", "filed claims")
"""Two names of the same count; approved, valid and paid claims are others."""
Figure: TypeAlias = float | Floats


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Rate:
    """A numerator over a denominator, each a number or one per draw.

    Attributes:
        numerator: 0 or more.
        denominator: above 0.
        counts: what the numerator counts, for instance ``"approved claims"``.
        of: what the denominator counts: one of :data:`OF`.
        unit: what both are counted in: one of :data:`UNITS`.
        source: where the figures come from.
        as_of: their date.

    >>> print(Rate(49_808, 606_246, counts="approved claims", of="class", unit="person"))
    8.2% of the class (49,808 approved claims of 606,246 persons)
    """

    numerator: Figure
    denominator: Figure
    _: KW_ONLY
    counts: str
    of: str
    unit: str
    source: str | None = None
    as_of: str | None = None

    def __post_init__(self) -> None:
        for field in ("numerator", "denominator"):
            object.__setattr__(self, field, _figure(getattr(self, field), field))
        if np.min(self.denominator) <= 0 or np.min(self.numerator) < 0:
            raise PlanError(
                "a rate needs a numerator of 0 or more and a denominator above 0, got "
                f"{np.min(self.numerator):g} of {np.min(self.denominator):g}; correct the figure",
                code="RANGE",
            )
        shapes = {np.shape(f) for f in (self.numerator, self.denominator)} - {()}
        if len(shapes) > 1:
            raise PlanError("numerator and denominator must have one draw each, or be numbers")
        check_text(self.counts, "counts")
        _check_choice(self.of, OF, "of")
        _check_choice(self.unit, UNITS, "unit")
        for field in ("source", "as_of"):
            if getattr(self, field) is not None:
                check_text(getattr(self, field), field)

    @property
    def value(self) -> Figure:
        """Numerator over denominator: a number, or (draws,)."""
        return self.numerator / self.denominator

    def __mul__(self, other: "Rate") -> "Rate":
        """Return (a of b)(b of c) = (a of c)."""
        if not isinstance(other, Rate):
            return NotImplemented
        if not _names(other.counts, self.of) or self.unit != other.unit:
            raise PlanError(
                "rates multiply as (a of b)(b of c) in one unit, got "
                f"{self._named()} times {other._named()}; use in_unit, or other rates"
            )
        # What is common cancels exactly: x * (y / y) is x.
        numerator = self.numerator * (other.numerator / self.denominator)
        return self._joined(other, numerator, other.denominator, of=other.of)

    def __truediv__(self, other: "Rate") -> "Rate":
        """Return (a of c) / (b of c) = (a of b), where b contains a."""
        if not isinstance(other, Rate):
            return NotImplemented
        of = next((stage for stage in OF if _names(other.counts, stage)), None)
        if self.of != other.of or self.unit != other.unit or of is None:
            raise PlanError(
                "rates divide as (a of c) / (b of c) in one unit, with b one of "
                f"{', '.join(OF)}; got {self._named()} over {other._named()}"
            )
        denominator = other.numerator * (self.denominator / other.denominator)
        if np.any(np.asarray(denominator) < self.numerator):
            raise PlanError(
                f"{self._named()} is above {other._named()}, so it cannot be a part of it; "
                "one of the two rates is wrong",
                code="INCONSISTENT",
            )
        return self._joined(other, self.numerator, denominator, of=of)

    def in_unit(self, unit: str, *, each: float, source: str) -> "Rate":
        """Return the rate per another unit; what is counted stays as it is.

        100 claims of 1,000 households are, at 2.5 persons in each, 100 claims of 2,500 persons.

        Args:
            unit: the new one.
            each: how many of it make one of the old; an assumption.
            source: where that assumption comes from.
        """
        each = float(_figure(each, "each"))
        made = f"{each:g} {unit} per {self.unit}: {check_text(source, 'source')}"
        return replace(
            self,
            denominator=self.denominator * each,
            unit=unit,
            source=_either(self.source, made),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the rate as plain JSON types; figures by draw as their means."""
        return {
            "value": float(np.mean(self.value)),
            "numerator": float(np.mean(self.numerator)),
            "denominator": float(np.mean(self.denominator)),
            "drawn": bool(np.ndim(self.value)),
            **{f: getattr(self, f) for f in ("counts", "of", "unit", "source", "as_of")},
        }

    def __str__(self) -> str:
        return claims_wording.rate_text(self.to_dict())

    def __repr__(self) -> str:
        return f"<Rate: {self}>"

    def _named(self) -> str:
        return f"({self.counts} of {self.of}, per {self.unit})"

    def _joined(self, other: "Rate", numerator: Figure, denominator: Figure, *, of: str) -> "Rate":
        return replace(
            self,
            numerator=numerator,
            denominator=denominator,
            of=of,
            source=_either(self.source, other.source),
            as_of=_either(self.as_of, other.as_of),
        )


def _names(counts: str, of: str) -> bool:
    return counts in CLAIMS if of == "claims" else counts.replace(" ", "_") == of


def _either(one: str | None, other: str | None) -> str | None:
    return "; ".join(dict.fromkeys(text for text in (one, other) if text)) or None


def _figure(value: object, field: str) -> Figure:
    numeric = isinstance(value, (int, float, np.number, np.ndarray)) and not isinstance(value, bool)
    kept = np.array(value, dtype=np.float64) if numeric else np.array(np.nan)
    if kept.ndim > 1 or not kept.size or not np.isfinite(kept).all():
        raise PlanError(f"{field} must be a finite number, or one per draw, got {value!r}")
    kept.flags.writeable = False
    return kept if kept.ndim else float(kept)


def _check_choice(value: object, choices: tuple[str, ...], field: str) -> None:
    if not isinstance(value, str) or value not in choices:
        raise PlanError(f"{field} must be one of {', '.join(choices)}, got {value!r}; name it")
