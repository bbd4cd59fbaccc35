"""What a declaration prints: each figure as the interval of numbers that print so.

In: rows of quantity, printed text, unit, denominator, audience, vehicle. Out: `Published` rows that
know what they measure and between which ends the figure behind the print lies.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from dpnotice.analyst.audit.printed import Printed, read_printed
from dpnotice.errors import PlanError

ALL: Final = "all"
"""The audience or vehicle of a row that names none: everybody, everything together."""

_COUNTS: Final = (
    "universe census audience reached impressions circulation class identified sent failed "
    "remailed delivered seen overlap filed valid paid cashed press_pickups site_hits followers"
)
QUANTITIES: Final[Mapping[str, str]] = {
    **dict.fromkeys(_COUNTS.split(), "count"),
    **dict.fromkeys(("frequency", "frequency_cap", "readers_per_copy"), "ratio"),
    **dict.fromkeys(("total_paid", "mean_payment"), "money"),
    "reach": "share",
    "grps": "points",
}
"""Quantity -> what it is: a count, a share, points, a ratio or money; `reach_2_plus` and so on are
shares. `failed` came back at the first sending, `remailed` was sent again, `overlap` are persons on
more than one list, `filed`, `valid`, `paid` and `cashed` are claims."""

_LADDER: Final = "identified sent failed delivered seen filed valid paid cashed"
LADDER: Final = frozenset(_LADDER.split())
"""Counts that are also printed as a share `of` another count."""

_SHARE_UNITS: Final = ("percent", "fraction")
_MEASURES: Final = {
    **dict.fromkeys(_SHARE_UNITS, "share"),
    "points": "points",
    "USD": "money",
    "times": "ratio",
}
_UNITS: Final = "persons buyers households devices addresses pieces purchases copies exposures"
COUNTED: Final = frozenset(_UNITS.split())
"""Units of counts; beside a share, what is counted above and below."""

_NAMES: Final = "row quantity printed unit of audience vehicle source as_of"
COLUMNS: Final = tuple(_NAMES.split())
"""What a row may say; quantity and printed it must."""
_ABSENT: Final = frozenset({"", "None", "nan", "<NA>", "NaT"})
"""How a frame's empty cells print."""
_PLUS: Final = re.compile(r"reach_([2-9]|[1-9]\d)_plus")


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """One printed figure.

    Attributes:
        row: what the findings call it, for instance ``"para. 12"``.
        quantity: a key of :data:`QUANTITIES`, or ``"reach_2_plus"`` and so on.
        printed: the text as printed.
        unit: ``"percent"``, ``"fraction"``, ``"points"``, ``"times"``, ``"USD"`` where the text
            does not show it, or what is counted, one of :data:`COUNTED`; empty is not said.
        of: the count that a share is of, or that a count is part of; ``"universe"`` by default for
            reach and GRPs.
        audience: whom the figure is about.
        vehicle: the medium, mailing or list it is about.
        source: where the figure comes from.
        as_of: its date.
        number: the text, read.
        measure: what text and unit say it is: count, share, points, ratio or money.

    >>> Published(row="para. 12", quantity="reach", printed="72.0 %").words
    'reach 72.0 %'
    """

    row: str
    quantity: str
    printed: str
    unit: str = ""
    of: str = ""
    audience: str = ALL
    vehicle: str = ALL
    source: str = ""
    as_of: str = ""
    number: Printed = field(init=False, repr=False)
    measure: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        for name in COLUMNS:
            if name != "printed" and not isinstance(getattr(self, name), str):
                got = getattr(self, name)
                raise PlanError(f"{self.row}: {name} must be text, got {got!r}; quote it")
        self._check_words()
        try:
            object.__setattr__(self, "number", read_printed(self.printed))
        except PlanError as refusal:
            raise PlanError(f"{self.row}: {refusal}") from None
        object.__setattr__(self, "measure", self._measured())
        self._check_measure()

    def _check_words(self) -> None:
        if not self._own:
            known = ", ".join(sorted(QUANTITIES))
            raise PlanError(
                f"{self.row}: unknown quantity {self.quantity!r}; take one of {known}, or "
                "reach_2_plus and so on"
            )
        if self.unit and self.unit not in _MEASURES and self.unit not in COUNTED:
            known = ", ".join((*_MEASURES, *sorted(COUNTED)))
            raise PlanError(f"{self.row}: unknown unit {self.unit!r}; take one of {known}")
        if self.of and QUANTITIES.get(self.of) != "count":
            counts = ", ".join(sorted(_COUNTS.split()))
            raise PlanError(f"{self.row}: of must be a count, got {self.of!r}; one of {counts}")
        if self.of and self._own in {"ratio", "money"}:
            raise PlanError(f"{self.row}: {self.quantity} is of nothing; leave of empty")

    def _measured(self) -> str:
        said = self.number.measure or _MEASURES.get(self.unit, "")
        if said:
            return said
        return "count" if self.unit in COUNTED and self._own != "ratio" else self._own

    def _check_measure(self) -> None:
        number, said = self.number, _MEASURES.get(self.unit, "")
        percent = number.measure == "share"
        if (number.measure and said not in {"", number.measure}) or (
            percent and self.unit == "fraction"
        ):
            raise PlanError(
                f"{self.row}: {self.printed!r} is not in {self.unit}; correct either, or leave "
                "unit empty"
            )
        if self._own == "share" and not (number.measure or self.unit):
            raise PlanError(
                f"{self.row}: {self.printed!r} may be a percentage or a fraction; say which under "
                "unit, or type the % sign"
            )
        share = number.value / self._parts
        if self.is_share and self.fits and (share > 1 or (share == 1 and number.bound == "over")):
            raise PlanError(
                f"{self.row}: {self.quantity} {self.printed!r} is above 100 %; no share is, so "
                "correct it, or take grps for rating points, or name the unit of a count"
            )

    @property
    def _own(self) -> str:
        """What the quantity is by itself; empty where it is unknown."""
        return QUANTITIES.get(self.quantity, "share" if _PLUS.fullmatch(self.quantity) else "")

    @property
    def _parts(self) -> float:
        return 100.0 if self.is_share and self.unit != "fraction" else 1.0

    @property
    def is_share(self) -> bool:
        """Whether it is printed as a share."""
        return self.measure == "share"

    @property
    def is_count(self) -> bool:
        """Whether it is printed as a count."""
        return self.measure == "count"

    @property
    def fits(self) -> bool:
        """Whether the quantity can be what the text says it is."""
        return self.measure == self._own or (self.is_share and self.quantity in LADDER)

    @property
    def base(self) -> str:
        """The count that a share or rating points are of; empty where nothing says so."""
        return self.of or ("universe" if self._own in {"share", "points"} else "")

    @property
    def at_least(self) -> int:
        """The n of `reach_n_plus`; 1 for reach."""
        plus = _PLUS.fullmatch(self.quantity)
        return int(plus[1]) if plus else 1

    def interval(self, *, rounded: bool = False) -> tuple[float, float]:
        """Return the ends of the figure behind the print, a share as a fraction.

        Args:
            rounded: take the closing 000 of a whole count for the trace of rounding.
        """
        ends = self.number.interval(rounded=rounded and self.is_count)
        low, high = (end / self._parts for end in ends)
        return low, min(high, 1.0) if self.is_share else high

    @property
    def words(self) -> str:
        """The figure as printed, with what it is."""
        unit = self.unit if self.unit in _MEASURES and not self.number.measure else ""
        name = self.quantity.replace("_plus", "+").replace("_", " ")
        about = ", ".join(name for name in (self.vehicle, self.audience) if name != ALL)
        return " ".join(filter(None, (name, self.printed.strip(), unit, about and f"({about})")))


def published_rows(published: Any) -> tuple[Published, ...]:
    """Return rows from a list of mappings or of `Published`, or from a frame.

    Empty cells are left out; a row without a name is called by its place, ``"row 1"``.

    Raises:
        PlanError: no rows, an unknown column, or two rows of one name or of one figure.
    """
    if hasattr(published, "to_pandas"):
        published = published.to_pandas()
    if hasattr(published, "columns") and hasattr(published, "to_dict"):
        published = published.to_dict(orient="records")
    if isinstance(published, (str, Mapping)) or not isinstance(published, Iterable):
        raise PlanError(f"audit takes a list of rows or a frame, got {published!r}")
    rows = tuple(_row(given, place) for place, given in enumerate(published, start=1))
    if not rows:
        raise PlanError("audit needs at least one published figure; add rows")
    seen: dict[tuple[str, ...], str] = {}
    for row in rows:
        figure = (
            row.quantity,
            row.measure,
            row.of if row.is_share and row.quantity in LADDER else "",
        )
        for key in ((row.row,), (*figure, row.audience, row.vehicle)):
            if key in seen:
                raise PlanError(
                    f"{row.row} repeats {seen[key]}: every figure stands once, under a row of its "
                    "own; name the audience or vehicle that tells them apart"
                )
            seen[key] = row.row
    return rows


def _row(given: Any, place: int) -> Published:
    if isinstance(given, Published):
        return given
    if not isinstance(given, Mapping):
        raise PlanError(f"row {place} must be a mapping of columns to text, got {given!r}")
    filled = {k: v for k, v in given.items() if str(v) not in _ABSENT or (isinstance(v, str) and v)}
    strange = [name for name in given if name not in COLUMNS]
    if strange or not {"quantity", "printed"} <= set(filled):
        raise PlanError(
            f"row {place} needs quantity and printed, and may have {', '.join(COLUMNS)}; got "
            f"{', '.join(map(str, given)) or 'nothing'}"
        )
    return Published(**{"row": f"row {place}", **filled})
