"""Purchases -> one record per buyer -> exact counts. The sensitivity bound lives here.

In: an inquiry and a retailer's purchases. Out: `ConfidentialCounts`, in which adding or removing
one buyer with all of their purchases changes one cell of each table by one.
"""

import re
from datetime import UTC, date, datetime, time
from typing import Any, Final
from zoneinfo import ZoneInfo

import ibis
import numpy as np
import numpy.typing as npt
from ibis.backends import BaseBackend
from ibis.expr.operations import InMemoryTable
from ibis.expr.types import StringValue, Table, Value

from dpnotice.errors import PurchasesError
from dpnotice.inquiry import Axis, Inquiry
from dpnotice.retailer.confidential import ConfidentialCounts
from dpnotice.retailer.purchases import Purchases

_SECONDS_PER_DAY: Final = 86_400


def count(inquiry: Inquiry, purchases: Purchases) -> ConfidentialCounts:
    """Count a retailer's buyers by every table of the inquiry, in one pass over the purchases.

    Run by: the retailer. Rule: each buyer with an in-scope purchase in the period falls into
    exactly one cell, that of their latest such purchase; ties go to the smallest cell code. So the
    L1, L2 and L-infinity distance of each table between neighbouring databases is at most 1.

    Args:
        inquiry: the agreed question, with its product list.
        purchases: the sales table and the meaning of its columns.

    Returns:
        Exact counts, which only the noise mechanism can read.

    Raises:
        PurchasesError: a code and a fixed text.
    """
    check_mapping(inquiry, purchases)
    with purchases.opened() as (table, engine):
        query = cells(inquiry, purchases, table)
        try:
            found = engine.to_pyarrow(query)
        finally:
            _forget(engine, query)
        codes = found["cell"].to_numpy().astype(np.int64)
        buyers = found["buyers"].to_numpy().astype(np.int64)
    return ConfidentialCounts(marginals(inquiry, codes, buyers))


def check_mapping(inquiry: Inquiry, purchases: Purchases) -> None:
    """Refuse what the inquiry and the mapping alone already rule out; no data is touched.

    Raises:
        PurchasesError: ``AXES_MISSING``, ``PRODUCTS_UNLISTED`` or ``DOMAIN_OVERFLOW``.
    """
    for axis in inquiry.axes:
        if axis not in purchases.axes:
            raise PurchasesError("AXES_MISSING", field=f"axes.{axis}")
    if inquiry.products.items is None:
        raise PurchasesError("PRODUCTS_UNLISTED", field="inquiry")
    days = (inquiry.period[1] - inquiry.period[0]).days
    if days * _SECONDS_PER_DAY * inquiry.cells(tuple(inquiry.axes)) >= 2**62:
        raise PurchasesError("DOMAIN_OVERFLOW", field="inquiry")


def cells(inquiry: Inquiry, purchases: Purchases, table: Table) -> Table:
    """Build the one query: rows in scope -> one record per buyer -> buyers per cell.

    With C cells in the full cross, c the mixed-radix code of a row's cell and d the whole days (or
    seconds) since the period began, each row has the key d*C + (C-1-c); the largest key of a buyer
    holds the latest purchase and, among ties, the smallest code. It is a commutative function of
    that buyer's rows alone, so the order of rows cannot matter.

    Args:
        inquiry: the agreed question.
        purchases: the meaning of the columns.
        table: the opened source.

    Returns:
        A query with columns ``cell`` (int64 code) and ``buyers`` (int64), occupied cells only.
    """
    total = inquiry.cells(tuple(inquiry.axes))
    rows = _in_scope(inquiry, purchases, table)
    code: Any = ibis.literal(0, type="int64")
    for axis in inquiry.axes.values():
        rows = _with_code(rows, axis)
        code = code * len(axis) + rows[f"code_{axis.name}"]
    keyed = rows.select(buyer=rows["buyer"], key=rows["since"] * total + (total - 1 - code))
    records = keyed.group_by("buyer").aggregate(key=keyed["key"].max())
    coded = records.select(cell=total - 1 - records["key"] % total)
    return coded.group_by("cell").aggregate(buyers=coded.count())


def marginals(
    inquiry: Inquiry, codes: npt.NDArray[np.int64], buyers: npt.NDArray[np.int64]
) -> dict[tuple[str, ...], npt.NDArray[np.int64]]:
    """Sum the occupied cells of the full cross into every table, exactly, zeros included.

    Args:
        inquiry: the agreed question.
        codes: (n,) mixed-radix codes of the occupied cells.
        buyers: (n,) buyers in each.

    Returns:
        Table -> int64 counts of the table's shape; all tables have one total.

    Raises:
        PurchasesError: ``COUNT_CHECK`` where a code repeats or lies outside, or a count is
            negative: engines err too.
    """
    axes = tuple(inquiry.axes)
    outside = codes.size and (codes.min() < 0 or codes.max() >= inquiry.cells(axes))
    if outside or len(np.unique(codes)) < len(codes) or (buyers < 0).any():
        raise PurchasesError("COUNT_CHECK")
    places = dict(zip(axes, np.unravel_index(codes, inquiry.shape(axes)), strict=True))
    exact = {}
    for table in inquiry.tables:
        counts = np.zeros(inquiry.shape(table), dtype=np.int64)
        np.add.at(counts, tuple(places[axis] for axis in table), buyers if table else buyers.sum())
        exact[table] = counts
    return exact


def _in_scope(inquiry: Inquiry, purchases: Purchases, table: Table) -> Table:
    """Keep the rows of the period with a buyer and an in-scope product."""
    start, end = _bounds(inquiry, purchases, table[purchases.date])
    when = table[purchases.date]
    unit = "day" if when.type().is_date() else "second"
    instant = when if unit == "day" else when.truncate("s")
    axes = {f"text_{axis}": table[purchases.axes[axis]].cast("string") for axis in inquiry.axes}
    rows = table.filter(when >= start, when < end).select(
        buyer=_spelt(table[purchases.buyer], purchases.ids),
        product=table[purchases.product],
        since=instant.delta(start, unit=unit).cast("int64"),
        **axes,
    )
    present = rows["buyer"].notnull()
    if rows["buyer"].type().is_string():
        present &= rows["buyer"].strip() != ""
    return rows.filter(present).semi_join(_products(inquiry, rows["product"]), "product")


def _spelt(buyer: Value, rule: str) -> Value:
    """Spell ids alike by the declared rule; integers have one spelling already."""
    if not isinstance(buyer, StringValue) or rule == "as_is":
        return buyer
    if rule == "trim":
        return buyer.strip()
    upper = "".join(map(chr, range(ord("A"), ord("Z") + 1)))
    return buyer.strip().translate(upper, upper.lower())


def _products(inquiry: Inquiry, column: Value) -> Table:
    """Return the products in scope as a table of the column's own type."""
    items = inquiry.products.items or ()
    kind = column.type()
    if not kind.is_integer():
        return ibis.memtable({"product": list(items)}, schema={"product": "string"})
    # Only the canonical spelling of an integer can equal it.
    numbers = [int(text) for text in items if re.fullmatch(r"-?[1-9][0-9]{0,19}|0", text)]
    within = [n for n in numbers if kind.bounds.lower <= n <= kind.bounds.upper]
    return ibis.memtable({"product": within}, schema={"product": kind})


def _forget(engine: BaseBackend, query: Table) -> None:
    """Remove the small tables that the query brought along from an engine that goes on."""
    for brought in query.op().find(InMemoryTable):
        if engine.name == "postgres":
            engine.drop_table(brought.name, force=True)
        else:
            engine.drop_view(brought.name, force=True)


def _with_code(rows: Table, axis: Axis) -> Table:
    """Add the level's number; whatever is not a public level is the last one, ``unknown``."""
    text, code = f"text_{axis.name}", f"code_{axis.name}"
    known = axis.levels[:-1]
    levels = ibis.memtable(
        {text: list(known), code: list(range(len(known)))},
        schema={text: "string", code: "int64"},
    )
    joined = rows.left_join(levels, text)
    # Before packing: max() skips NULL and the buyer would vanish.
    return joined.mutate(**{code: joined[code].fill_null(len(known))})


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
