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
from typing import Any, Final, cast
from zoneinfo import ZoneInfo

import ibis
from ibis.expr.datatypes import DataType
from ibis.expr.types import Table, Value

from dpnotice.inquiry import Inquiry
from dpnotice.retailer.purchases import Opened, Purchases
from dpnotice.retailer.texts import absent, bytewise, plain, present, spelt
from dpnotice.segments import Axis

SECONDS_PER_DAY: Final = 86_400

PublicTable = Callable[[str, dict[str, list[Any]], dict[str, str]], Table]
"""Name, columns and their types -> a small table of the inquiry's own lists."""


def carried(_name: str, columns: dict[str, list[Any]], types: dict[str, str]) -> Table:
    """Make a public table that the query brings along."""
    return ibis.memtable(columns, schema=types)


def written(_name: str, columns: dict[str, list[Any]], types: dict[str, str]) -> Table:
    """Make a public table out of a list in the query's own text, for engines that may only read.

    Further columns hold the place of the first one's text in the list, counted from 0.
    """
    first, *places = columns
    texts = columns[first] or [None]  # of nothing no engine knows the type, and null equals nothing
    items = ibis.literal(texts, type=f"array<{types[first]}>")
    table = items.unnest().name(first).as_table()
    return table.mutate(**{place: items.index(table[first]) for place in places})


def rows_in_scope(
    inquiry: Inquiry, purchases: Purchases, tables: Opened, public: PublicTable
) -> Table:
    """Keep the purchases of the period with a buyer and an in-scope product.

    Args:
        inquiry: the agreed question.
        purchases: the meaning of the columns.
        tables: the opened sources.
        public: maker of the table of products.

    Returns:
        Rows of ``buyer``; ``since``, whole days (timestamps: seconds) from the period's start;
        ``text_<axis>`` for the axes held there; and ``person`` where it is mapped.
    """
    return _in_scope(inquiry, purchases, tables, public, present)


def guests_in_scope(
    inquiry: Inquiry, purchases: Purchases, tables: Opened, public: PublicTable
) -> Table:
    """Keep the purchases in scope that name no buyer, at most one of them."""
    return _in_scope(inquiry, purchases, tables, public, absent).limit(1)


def coverage(inquiry: Inquiry, purchases: Purchases, tables: Opened, public: PublicTable) -> Table:
    """Count the rows that each rule keeps: exact numbers, which dpnotice prints and never runs.

    Returns:
        One row: ``rows``, ``in_period``, ``without_buyer``, ``in_scope``, ``unknown_<axis>`` for
        the axes held with the purchases, and ``not_listed``, the buyers in scope whom the buyers
        table does not hold.
    """
    axes = [axis for axis in inquiry.axes if axis in purchases.axes]
    period = _in_period(inquiry, purchases, tables)
    guests = absent(period["id"])
    rows = rows_in_scope(inquiry, purchases, tables, public)
    scope = _with_levels(inquiry, axes, rows, tables, public)
    unknown = {
        f"unknown_{axis}": scope[f"level_{axis}"].isnull().sum().fill_null(0) for axis in axes
    }
    counts = [
        tables.purchases.aggregate(rows=tables.purchases.count()),
        period.aggregate(in_period=period.count(), without_buyer=guests.sum().fill_null(0)),
        scope.aggregate(in_scope=scope.count(), **unknown),
    ]
    if purchases.buyers is not None and tables.buyers is not None:
        held = plain(tables.buyers[purchases.buyers.buyer], tables.texts_of)
        listed = ids(held, purchases, tables)
        missing = scope.anti_join(tables.buyers.select(buyer=listed), "buyer")
        counts.append(missing.aggregate(not_listed=missing["buyer"].nunique()))
    return reduce(lambda left, right: left.cross_join(right), counts)


def _in_period(inquiry: Inquiry, purchases: Purchases, tables: Opened) -> Table:
    """Keep the purchases of the period, under names of our own.

    Added to the retailer's columns, one of ours could hide one of theirs.
    """
    table, engine = tables.purchases, tables.texts_of
    start, end = _bounds(inquiry, purchases, table[purchases.date])
    axes = {axis: table[column] for axis, column in purchases.axes.items() if axis in inquiry.axes}
    person = {} if purchases.person is None else {"person": table[purchases.person]}
    rows = table.filter(table[purchases.date] >= start, table[purchases.date] < end)
    return rows.select(
        id=plain(table[purchases.buyer], engine),
        product=bytewise(table[purchases.product], engine),
        moment=table[purchases.date],
        **{f"raw_{axis}": column for axis, column in axes.items()},
        **person,
    )


def _in_scope(
    inquiry: Inquiry,
    purchases: Purchases,
    tables: Opened,
    public: PublicTable,
    chosen: Callable[[Value], Value],
) -> Table:
    """Keep rows by period, product and buyer, and only then spell and measure what is left."""
    rows = _in_period(inquiry, purchases, tables)
    kind = tables.purchases.schema()[purchases.product]
    rows = rows.semi_join(_products(inquiry, kind, tables, public), "product")
    rows = rows.filter(chosen(rows["id"]))
    when = rows["moment"]
    day = when.type().is_date()
    start = _bounds(inquiry, purchases, when)[0]
    since = (when if day else when.truncate("s")).delta(start, unit="day" if day else "second")
    held = {axis: f"raw_{axis}" for axis in purchases.axes}
    person = {"person": rows["person"].cast("string")} if "person" in rows.columns else {}
    return rows.select(
        buyer=ids(rows["id"], purchases, tables),
        since=since.cast("int64"),
        **level_texts(inquiry, held, rows, tables),
        **person,
    )


def ids(column: Value, purchases: Purchases, tables: Opened) -> Value:
    """Return buyer ids as they are compared: spelt by the declared rule, byte by byte."""
    return cast("Value", bytewise(spelt(column, purchases.ids), tables.texts_of))


def level_texts(inquiry: Inquiry, columns: Any, table: Table, tables: Opened) -> dict[str, Value]:
    """Return the level texts of the inquiry's axes that `columns` maps, as ``text_<axis>``."""
    held = {axis: table[columns[axis]].cast("string") for axis in inquiry.axes if axis in columns}
    return {f"text_{axis}": bytewise(text, tables.texts_of) for axis, text in held.items()}


def coded(
    inquiry: Inquiry, held: Sequence[str], rows: Table, tables: Opened, public: PublicTable
) -> Table:
    """Add ``cell``: the part of the mixed-radix code that the axes in `held` decide.

    With axes of sizes s_1 .. s_k, cell = sum over the held axes i of level_i * s_{i+1} * .. * s_k,
    levels counted from 0 in the inquiry's order, ``unknown`` last. Whatever is not a public level
    is ``unknown``.
    """
    joined = _with_levels(inquiry, held, rows, tables, public)
    # Before any packing: max() skips NULL and the buyer would vanish.
    parts = [
        joined[f"level_{axis}"].fill_null(len(inquiry.axes[axis]) - 1) * stride(inquiry, axis)
        for axis in held
    ]
    cell = reduce(add, parts, ibis.literal(0, type="int64"))
    kept = [name for name in rows.columns if not name.startswith("text_")]
    return joined.select(*kept, cell=cell)


def _with_levels(
    inquiry: Inquiry, held: Sequence[str], rows: Table, tables: Opened, public: PublicTable
) -> Table:
    """Add ``level_<axis>``, the level's number; null for whatever is not a public level."""
    for axis in held:
        levels = _levels(inquiry.axes[axis], tables, public)
        rows = rows.left_join(levels, [(f"text_{axis}", f"is_{axis}")])
    return rows


def stride(inquiry: Inquiry, axis: str) -> int:
    """Return by how much the cell code grows from one level of an axis to the next."""
    names = list(inquiry.axes)
    return prod(len(inquiry.axes[name]) for name in names[names.index(axis) + 1 :])


def _products(inquiry: Inquiry, kind: DataType, tables: Opened, public: PublicTable) -> Table:
    """Return the products in scope as a table of the column's own type."""
    items = inquiry.products.items or ()
    if not kind.is_integer():
        listed = public("products", {"listed": list(items)}, {"listed": "string"})
        return listed.select(product=bytewise(listed["listed"], tables.texts_of))
    # Only the canonical spelling of an integer can equal it.
    numbers = [int(text) for text in items if re.fullmatch(r"-?[1-9][0-9]{0,19}|0", text)]
    within = [n for n in numbers if kind.bounds.lower <= n <= kind.bounds.upper]
    return public("products", {"product": within}, {"product": str(kind).removeprefix("!")})


def _levels(axis: Axis, tables: Opened, public: PublicTable) -> Table:
    """Return the known levels of an axis and their numbers; ``unknown`` is whatever is left."""
    level, known = f"level_{axis.name}", axis.levels[:-1]
    listed = public(
        f"levels_{axis.name}",
        {"listed": list(known), level: list(range(len(known)))},
        {"listed": "string", level: "int64"},
    )
    text = bytewise(listed["listed"], tables.texts_of)
    return listed.select(level, text.name(f"is_{axis.name}"))


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
