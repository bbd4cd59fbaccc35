"""How buyers are divided: public axes with their levels, and the tables made of them.

In: names and level texts as an inquiry gives them. Out: `Axis` and `Table`, which check themselves.
"""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from dpnotice.errors import InquiryError

UNKNOWN: Final = "unknown"
CONTACT: Final = "contact"
KEYED: Final = "keyed"
_KEYED_LEVELS: Final = ("yes", "no")
WITHIN: Final = "within"
MAX_LEVELS: Final = 100_000
MAX_LEVEL_TEXT: Final = 64
RESERVED: Final = frozenset(
    {
        "level",
        KEYED,
        "retailer",
        "quantity",
        "segment",
        "unit",
        "estimate",
        "lower",
        "upper",
        "self",
        "note",
        "retailers",
        "table",
        WITHIN,
    }
)
"""Names an axis may not have: columns of the result frames, and words of a query."""

_AXIS_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,31}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One public, finite way to divide buyers; its last level is ``unknown``.

    The one axis without it is ``keyed``, which a sketch adds: whether a buyer has a key.

    Attributes:
        name: lower-case identifier.
        levels: the public levels, ``unknown`` last (added where missing).
    """

    name: str
    levels: tuple[str, ...]

    def __post_init__(self) -> None:
        if (self.name, self.levels) == (KEYED, _KEYED_LEVELS):
            return
        if not _AXIS_NAME.fullmatch(self.name) or self.name in RESERVED:
            raise InquiryError(
                f"an axis name is a lower-case word that is no result column, got {self.name!r}; "
                f"rename it (reserved: {', '.join(sorted(RESERVED))})"
            )
        known = [level for level in self.levels if level != UNKNOWN]
        check_levels(len(known) + 1)
        bad = [level for level in known if not _is_level(level)]
        if bad or not known or len(set(known)) < len(known):
            raise InquiryError(
                f"axis {self.name!r} needs distinct level texts of 1 to 64 printable characters "
                f"without outer spaces, got {list(self.levels)!r}; correct the list"
            )
        object.__setattr__(self, "levels", (*known, UNKNOWN))

    def __len__(self) -> int:
        return len(self.levels)


HAS_KEY: Final = Axis(name=KEYED, levels=_KEYED_LEVELS)
"""The axis of the table that a sketch needs: buyers with a key, which its maps hold, and others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One marginal to be released: every cell of the named axes.

    Attributes:
        of: axis names, in the inquiry's axis order; ``()`` is the total.
        weight: share of the privacy loss relative to the other tables.
    """

    of: tuple[str, ...]
    weight: Decimal = Decimal(1)

    def __post_init__(self) -> None:
        if not (self.weight.is_finite() and self.weight > 0):
            raise InquiryError(f"a table's weight must be above 0, got {self.weight}")


def check_levels(number: int) -> None:
    """Refuse more levels than the axes of an inquiry may have in all.

    Raises:
        InquiryError: ``DOMAIN_TOO_LARGE``.
    """
    if number > MAX_LEVELS:
        raise InquiryError(
            f"the axes have at most {MAX_LEVELS:,} levels in all, got {number:,}; use fewer",
            code="DOMAIN_TOO_LARGE",
        )


def _is_level(text: str) -> bool:
    return 1 <= len(text) <= MAX_LEVEL_TEXT and text.isprintable() and text.strip() == text
