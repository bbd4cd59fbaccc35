"""Texts of a retailer's tables, spelt and compared alike on every engine.

In: columns as Ibis expressions. Out: the same as text to compare: trimmed by one list of blanks,
lower-cased in ASCII, and byte by byte whatever the column's collation.
"""

from typing import Any, Final

import ibis
from ibis.expr.types import Value

_UPPER: Final = "".join(map(chr, range(ord("A"), ord("Z") + 1)))
_BLANKS: Final = (9, 10, 11, 12, 13)
"""Codes of tab, line feed, vertical tab, form feed and carriage return; the space comes first."""


@ibis.udf.scalar.builtin
def trim(text: str, blanks: str) -> str:  # type: ignore[empty-body]
    """Remove `blanks` from both ends, in the engine."""


@ibis.udf.scalar.builtin(name="chr")
def character(code: int) -> str:  # type: ignore[empty-body]
    """Return the ASCII character of a code, in the engine."""


@ibis.udf.scalar.builtin(name="encode")
def encoded(text: str) -> bytes:  # type: ignore[empty-body]
    """Bytes of a text in UTF-8, in DuckDB."""


@ibis.udf.scalar.builtin
def convert_to(text: str, _charset: str) -> bytes:  # type: ignore[empty-body]
    """Bytes of a text, in PostgreSQL."""


@ibis.udf.scalar.builtin
def getdatabaseencoding() -> str:  # type: ignore[empty-body]
    """The encoding in which PostgreSQL holds its texts, so that none needs to be converted."""


def trimmed(text: Any) -> Any:
    """Remove ASCII blanks from both ends.

    The blanks are named by code, as Spark reads the letter v where Ibis writes a vertical tab.
    """
    blanks: Any = ibis.literal(" ")
    for code in _BLANKS:
        blanks += character(code)
    return trim(text, blanks)


def spelt(ids: Value, rule: str) -> Value:
    """Spell ids alike by the declared rule; integers have one spelling already."""
    if not ids.type().is_string() or rule == "as_is":
        return ids
    if rule == "trim":
        return trimmed(ids)
    return trimmed(ids).translate(_UPPER, _UPPER.lower())


def present(ids: Value) -> Value:
    """Tell whether an id names a buyer: it is there, and is not blank."""
    held = ids.notnull()
    return held & (trimmed(ids) != "") if ids.type().is_string() else held


def absent(ids: Value) -> Value:
    """Tell whether an id names no buyer."""
    return ~present(ids)


def plain(value: Any, engine: str | None) -> Any:
    """Make text of a column that Ibis takes for one: PostgreSQL has enums that are none."""
    if not value.type().is_string() or engine != "postgres":
        return value
    return value.concat("")


def bytewise(value: Any, engine: str | None) -> Any:
    """Compare texts byte by byte: a column may have a collation that finds "a" equal to "A".

    Args:
        value: a column; what is no text is left as it is.
        engine: whose tables have collations of their own; None where none can be.
    """
    if not value.type().is_string() or engine is None:
        return value
    if engine == "duckdb":
        return encoded(value)
    if engine == "pyspark":  # its encode() would make all broken bytes alike
        return value.cast("binary")
    return convert_to(plain(value, engine), getdatabaseencoding())
