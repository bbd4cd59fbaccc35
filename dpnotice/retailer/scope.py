"""Purchases -> the rows in scope, each with its buyer, its moment and its cell code.

In: an opened table, the inquiry and the meaning of the columns. Out: Ibis expressions; nothing is
run here. The inquiry's own lists (products, levels) come in through a maker of small tables, so
that one expression is both run, carrying them along, and printed, naming them.
"""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time
from functools import reduce
from math import prod
from operator import add
from typing import Any, Final
from zoneinfo import ZoneInfo

import ibis
from ibis.expr.types import StringValue, Table, Value

from dpnotice.inquiry import Axis, Inquiry
from dpnotice.retailer.purchases import Opened, Purchases

SECONDS_PER_DAY: Final = 86_400

PublicTable = Callable[[str, dict[str, list[Any]], dict[str, str]], Table]
"""Name, columns and their types -> a small table of the inquiry's own lists."""


def carried(_name: str, columns: dict[str, list[Any]], types: dict[str, str]) -> Table:
    """Make a public table that the query brings along."""
    return ibis.memtable(columns, schema=types)


def rows_in_scope(
    inquiry: Inquiry, purchases: Purchases, table: Table, public: PublicTable
) -> Table:
    """Keep the purchases of the period with a buyer and an in-scope product.

    Args:
        inquiry: the agreed question.
        purchases: the meaning of the columns.
        table: the opened purchases.
        public: maker of the table of products.

    Returns:
        Rows of ``buyer``; ``since``, whole days (timestamps: seconds) from the period's start;
        ``text_<axis>`` for the axes held there; and ``person`` where it is mapped.
    """
    rows = _in_period(inquiry, purchases, table)
    return rows.filter(_present(rows["buyer"])).semi_join(
        _products(inquiry, rows["product"], public), "product"
    )


def guests_in_scope(
    inquiry: Inquiry, purchases: Purchases, table: Table, public: PublicTable
) -> Table:
    """Keep the purchases in scope that name no buyer, at most one of them."""
    rows = _in_period(inquiry, purchases, table)
    guests = rows.filter(~_present(rows["buyer"]))
    return guests.semi_join(_products(inquiry, rows["product"], public), "product").limit(1)


def coverage(inquiry: Inquiry, purchases: Purchases, tables: Opened, public: PublicTable) -> Table:
    """Count the rows that each rule keeps: exact numbers, which dpnotice prints and never runs.

    Returns:
        One row: ``rows``, ``in_period``, ``without_buyer``, ``in_scope``, ``unknown_<axis>`` for
        the axes held with the purchases, and ``not_listed``, the buyers in scope whom the buyers
        table does not hold.
    """
    axes = [axis for axis in inquiry.axes if axis in purchases.axes]
    period = _in_period(inquiry, purchases, tables.purchases)
    scope = _with_levels(
        inquiry, axes, rows_in_scope(inquiry, purchases, tables.purchases, public), public
    )
    counts = [
        tables.purchases.aggregate(rows=tables.purchases.count()),
        period.aggregate(
            in_period=period.count(), without_buyer=(~_present(period["buyer"])).sum()
        ),
        scope.aggregate(
            in_scope=scope.count(),
            **{f"unknown_{axis}": scope[f"level_{axis}"].isnull().sum() for axis in axes},
        ),
    ]
    if purchases.buyers is not None and tables.buyers is not None:
        listed = spelt(tables.buyers[purchases.buyers.buyer], purchases.ids)
        missing = scope.anti_join(tables.buyers.select(buyer=listed), "buyer")
        counts.append(missing.aggregate(not_listed=missing["buyer"].nunique()))
    return reduce(lambda left, right: left.cross_join(right), counts)


def _in_period(inquiry: Inquiry, purchases: Purchases, table: Table) -> Table:
    start, end = _bounds(inquiry, purchases, table[purchases.date])
    when = table[purchases.date]
    unit = "day" if when.type().is_date() else "second"
    instant = when if unit == "day" else when.truncate("s")
    person = {} if purchases.person is None else {"person": table[purchases.person].cast("string")}
    return table.filter(when >= start, when < end).select(
        buyer=spelt(table[purchases.buyer], purchases.ids),
        product=table[purchases.product],
        since=instant.delta(start, unit=unit).cast("int64"),
        **level_texts(inquiry, purchases.axes, table),
        **person,
    )


def level_texts(inquiry: Inquiry, columns: Any, table: Table) -> dict[str, Value]:
    """Return the level texts of the inquiry's axes that `columns` maps, as ``text_<axis>``."""
    held = [axis for axis in inquiry.axes if axis in columns]
    return {f"text_{axis}": table[columns[axis]].cast("string") for axis in held}


def coded(inquiry: Inquiry, held: Sequence[str], rows: Table, public: PublicTable) -> Table:
    """Add ``cell``: the part of the mixed-radix code that the axes in `held` decide.

    With axes of sizes s_1 .. s_k, cell = sum over the held axes i of level_i * s_{i+1} * .. * s_k,
    levels counted from 0 in the inquiry's order, ``unknown`` last. Whatever is not a public level
    is ``unknown``.
    """
    joined = _with_levels(inquiry, held, rows, public)
    # Before any packing: max() skips NULL and the buyer would vanish.
    parts = [
        joined[f"level_{axis}"].fill_null(len(inquiry.axes[axis]) - 1) * stride(inquiry, axis)
        for axis in held
    ]
    cell = reduce(add, parts, ibis.literal(0, type="int64"))
    kept = [name for name in rows.columns if not name.startswith("text_")]
    return joined.select(*kept, cell=cell)


def _with_levels(inquiry: Inquiry, held: Sequence[str], rows: Table, public: PublicTable) -> Table:
    """Add ``level_<axis>``, the level's number; null for whatever is not a public level."""
    for axis in held:
        levels = _levels(inquiry.axes[axis], public)
        rows = rows.left_join(levels, [(f"text_{axis}", f"is_{axis}")])
    return rows


def stride(inquiry: Inquiry, axis: str) -> int:
    """Return by how much the cell code grows from one level of an axis to the next."""
    names = list(inquiry.axes)
    return prod(len(inquiry.axes[name]) for name in names[names.index(axis) + 1 :])


def spelt(buyer: Value, rule: str) -> Value:
    """Spell ids alike by the declared rule; integers have one spelling already."""
    if not isinstance(buyer, StringValue) or rule == "as_is":
        return buyer
    if rule == "trim":
        return buyer.strip()
    upper = "".join(map(chr, range(ord("A"), ord("Z") + 1)))
    return buyer.strip().translate(upper, upper.lower())


def _present(buyer: Value) -> Value:
    present = buyer.notnull()
    return present & (buyer.strip() != "") if buyer.type().is_string() else present


def _products(inquiry: Inquiry, column: Value, public: PublicTable) -> Table:
    """Return the products in scope as a table of the column's own type."""
    items = inquiry.products.items or ()
    kind = column.type()
    if not kind.is_integer():
        return public("products", {"product": list(items)}, {"product": "string"})
    # Only the canonical spelling of an integer can equal it.
    numbers = [int(text) for text in items if re.fullmatch(r"-?[1-9][0-9]{0,19}|0", text)]
    within = [n for n in numbers if kind.bounds.lower <= n <= kind.bounds.upper]
    return public("products", {"product": within}, {"product": str(kind).removeprefix("!")})


def _levels(axis: Axis, public: PublicTable) -> Table:
    """Return the known levels of an axis and their numbers; ``unknown`` is whatever is left."""
    text, level = f"is_{axis.name}", f"level_{axis.name}"
    known = axis.levels[:-1]
    return public(
        f"levels_{axis.name}",
        {text: list(known), level: list(range(len(known)))},
        {text: "string", level: "int64"},
    )


def _bounds(inquiry: Inquiry, purchases: Purchases, when: Value) -> tuple[Any, Any]:
    """Return the period's two ends as literals of the column's kind; the column is not converted.

    The ends are midnights in the inquiry's zone, turned into instants and then into the column's
    kind: a date, a local time in the declared zone, or a time with a zone.
    """
    kind = when.type()
    if kind.is_date():
        return ibis.literal(inquiry.period[0]), ibis.literal(inquiry.period[1])
    return (
        ibis.literal(_instant(inquiry.period[0], inquiry.timezone, purchases, kind)),
        ibis.literal(_instant(inquiry.period[1], inquiry.timezone, purchases, kind)),
    )


def _instant(day: date, zone: str, purchases: Purchases, kind: Any) -> datetime:
    midnight = datetime.combine(day, time(), tzinfo=ZoneInfo(zone))
    if kind.timezone is not None:
        return midnight.astimezone(UTC)
    return midnight.astimezone(ZoneInfo(purchases.timezone or zone)).replace(tzinfo=None)
