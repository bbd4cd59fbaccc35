"""Purchases -> one record per buyer -> exact counts. The sensitivity bound lives here.

In: an inquiry and a retailer's purchases. Out: `ConfidentialCounts`, in which adding or removing
one buyer with all of their rows changes one cell of each table by one.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import ibis
import numpy as np
import numpy.typing as npt
from ibis.backends import BaseBackend
from ibis.expr.operations import InMemoryTable
from ibis.expr.types import Table

from dpnotice.errors import PurchasesError
from dpnotice.inquiry import Inquiry
from dpnotice.retailer.clock import in_utc
from dpnotice.retailer.confidential import ConfidentialCounts
from dpnotice.retailer.enforced import keys_enforced
from dpnotice.retailer.purchases import Buyers, Opened, Purchases
from dpnotice.retailer.scope import (
    SECONDS_PER_DAY,
    PublicTable,
    carried,
    coded,
    guests_in_scope,
    ids,
    level_texts,
    rows_in_scope,
    stride,
    written,
)
from dpnotice.retailer.texts import bytewise, plain, present

Cells = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]
"""(n,) codes of the occupied cells of the full cross, and (n,) buyers in each."""
_ALL: Final = -1
"""Stands where a cell's code would, in the row that holds the number of all buyers."""


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
    if inquiry.sketch is not None:
        raise PurchasesError("SKETCH_KEY", field="sketch_key")
    check_mapping(inquiry, purchases)
    with purchases.opened() as tables:
        refuse_guests(inquiry, purchases, tables)
        found = _occupied(inquiry, purchases, tables)
    return withheld(inquiry, *found)


def withheld(
    inquiry: Inquiry, codes: npt.NDArray[np.int64], buyers: npt.NDArray[np.int64]
) -> ConfidentialCounts:
    """Return exact counts of every table, which only the noise mechanism can read.

    Args:
        inquiry: the agreed question.
        codes: (n,) codes of the occupied cells of the cross of all axes that tables are made of.
        buyers: (n,) buyers in each.

    Raises:
        PurchasesError: ``COUNT_CHECK``.
    """
    return ConfidentialCounts(marginals(inquiry, codes, buyers))


def check_mapping(inquiry: Inquiry, purchases: Purchases) -> None:
    """Refuse what the inquiry and the mapping alone already rule out; no data is touched.

    Raises:
        PurchasesError: ``AXES_MISSING``, ``PERSON_MISSING``, ``PRODUCTS_UNLISTED`` or
            ``DOMAIN_OVERFLOW``.
    """
    elsewhere = {} if purchases.buyers is None else purchases.buyers.axes
    held = [purchases.person, None if purchases.buyers is None else purchases.buyers.person]
    if inquiry.sketch is not None and held == [None, None]:
        raise PurchasesError("PERSON_MISSING", field="person")
    for axis in inquiry.axes:
        if axis not in purchases.axes and axis not in elsewhere:
            raise PurchasesError("AXES_MISSING", field=f"axes.{axis}")
    if inquiry.products.items is None:
        raise PurchasesError("PRODUCTS_UNLISTED", field="inquiry")
    days = (inquiry.period[1] - inquiry.period[0]).days
    if days * SECONDS_PER_DAY * inquiry.cells(tuple(inquiry.axes)) >= 2**62:
        raise PurchasesError("DOMAIN_OVERFLOW", field="inquiry")


def cells(
    inquiry: Inquiry, purchases: Purchases, tables: Opened, public: PublicTable = carried
) -> Table:
    """Build the one query: rows in scope -> one record per buyer -> buyers per cell.

    Args:
        inquiry: the agreed question.
        purchases: the meaning of the columns; the person key is not read.
        tables: the opened sources.
        public: maker of the small tables of products and levels.

    Returns:
        A query with columns ``cell`` (int64 code) and ``buyers`` (int64), occupied cells only.
    """
    return _counted(records(inquiry, _impersonal(purchases), tables, public))


def records(
    inquiry: Inquiry, purchases: Purchases, tables: Opened, public: PublicTable = carried
) -> Table:
    """Build the one record per buyer that everything counted comes from.

    Of the axes held with the purchases the buyer's latest row in scope decides, ties go to the
    smallest code; of those held in the buyers table the smallest code of the buyer's rows there,
    and ``unknown`` without one. All of it is a commutative function of that buyer's rows alone, so
    the order of rows cannot matter.

    Args:
        inquiry: the agreed question.
        purchases: the meaning of the columns.
        tables: the opened sources.
        public: maker of the small tables of products and levels.

    Returns:
        A query with columns ``buyer``, ``cell`` (int64 code) and, where it is mapped, ``person``:
        the first of the buyer's keys that is not blank, in the order of their bytes.
    """
    latest = _latest(inquiry, purchases, tables, public)
    if purchases.buyers is None:
        return latest
    listed = _listed(inquiry, purchases, purchases.buyers, tables, public)
    person = _smallest_person(listed, tables)
    once = listed.group_by("buyer").aggregate(cell=listed["cell"].min(), **person)
    return _joined(inquiry, purchases.buyers, latest, once)


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
    axes = tuple(inquiry.table_axes)
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


def _occupied(inquiry: Inquiry, purchases: Purchases, tables: Opened) -> Cells:
    """Run the query in the cheapest form that gives its counts."""
    public = public_of(tables.engine)
    if purchases.buyers is None:
        return _fetched(tables.engine, cells(inquiry, purchases, tables, public))
    quick, mapped = replace(purchases, person=None), replace(purchases.buyers, person=None)
    latest = _latest(inquiry, quick, tables, public)
    listed = _listed(inquiry, quick, mapped, tables, public)
    if not _held(inquiry, purchases.axes) and keys_enforced(purchases, tables):
        rows = rows_in_scope(inquiry, quick, tables, public)
        return _fetched(tables.engine, _counted(listed.semi_join(rows, "buyer")))
    # With the buyers table as it is, and beside it all buyers: equal totals prove its ids unique.
    everybody = latest.aggregate(cell=ibis.literal(_ALL, type="int64"), buyers=latest.count())
    query = _counted(_joined(inquiry, mapped, latest, listed)).union(everybody)
    codes, buyers = _fetched(tables.engine, query)
    known = codes != _ALL
    if buyers[known].sum() == buyers[~known].sum():
        return codes[known], buyers[known]
    return _fetched(tables.engine, cells(inquiry, purchases, tables, public))


def public_of(engine: BaseBackend) -> PublicTable:
    """Choose how the public lists come along: PostgreSQL may let us read only."""
    return written if engine.name == "postgres" else carried


def _latest(inquiry: Inquiry, purchases: Purchases, tables: Opened, public: PublicTable) -> Table:
    """Reduce the purchases to one row per buyer: ``buyer``, ``cell``, perhaps ``person``.

    With C cells in the full cross, c the code of a row and d the whole days (or seconds) since the
    period began, each row has the key d*C + (C-1-c); the largest key of a buyer holds the latest
    purchase and, among ties, the smallest code.
    """
    total = inquiry.cells(tuple(inquiry.axes))
    rows = rows_in_scope(inquiry, purchases, tables, public)
    axes = _held(inquiry, purchases.axes)
    if not axes and purchases.person is None:
        return rows.select("buyer").distinct().mutate(cell=ibis.literal(0, type="int64"))
    rows = coded(inquiry, axes, rows, tables, public)
    rows = rows.mutate(key=rows["since"] * total + (total - 1 - rows["cell"]))
    person = _smallest_person(rows, tables)
    latest = rows.group_by("buyer").aggregate(key=rows["key"].max(), **person)
    return latest.mutate(cell=total - 1 - latest["key"] % total).drop("key")


def _listed(
    inquiry: Inquiry, purchases: Purchases, mapped: Buyers, tables: Opened, public: PublicTable
) -> Table:
    """Return the rows of the buyers table: ``buyer``, ``cell``, perhaps ``person``."""
    table: Any = tables.buyers
    person = {} if mapped.person is None else {"person": table[mapped.person].cast("string")}
    rows = table.select(
        buyer=ids(plain(table[mapped.buyer], tables.texts_of), purchases, tables),
        **level_texts(inquiry, mapped.axes, table, tables),
        **person,
    )
    return coded(inquiry, _held(inquiry, mapped.axes), rows, tables, public)


def _joined(inquiry: Inquiry, mapped: Buyers, latest: Table, listed: Table) -> Table:
    """Add what the buyers table says to each buyer; who is not in it is ``unknown`` there."""
    axes = _held(inquiry, mapped.axes)
    unknown = sum((len(inquiry.axes[axis]) - 1) * stride(inquiry, axis) for axis in axes)
    both = latest.left_join(listed, "buyer", rname="{name}_listed")
    cell = both["cell"] + both["cell_listed"].fill_null(unknown)
    return both.select("buyer", *(["person"] if "person" in both.columns else []), cell=cell)


def _counted(one_each: Table) -> Table:
    return one_each.group_by("cell").aggregate(buyers=one_each.count())


def _smallest_person(rows: Table, tables: Opened) -> dict[str, Any]:
    """Choose the buyer's one key: of those that are not blank, the first in the order of bytes."""
    if "person" not in rows.columns:
        return {}
    person = rows["person"]
    if tables.texts_of is None:
        # Most keys do not begin with a blank or a control, and so are not blank.
        there = ibis.cases((person.ascii_str() > ord(" "), True), else_=present(person))
        return {"person": person.min(where=there)}
    # By a column's own collation two keys may be equal, and the order of rows would choose.
    return {"person": person.argmin(bytewise(person, tables.texts_of), where=present(person))}


def _held(inquiry: Inquiry, columns: Mapping[str, str]) -> list[str]:
    return [axis for axis in inquiry.axes if axis in columns]


def _impersonal(purchases: Purchases) -> Purchases:
    """Leave the person key out: counts do not need it, so they do not read it."""
    held = purchases.buyers
    return replace(
        purchases, person=None, buyers=None if held is None else replace(held, person=None)
    )


def refuse_guests(inquiry: Inquiry, purchases: Purchases, tables: Opened) -> None:
    """Refuse purchases in scope that name no buyer, where the retailer wants it so.

    Raises:
        PurchasesError: ``NULL_ID``.
    """
    if purchases.on_null_id != "fail":
        return
    guests = guests_in_scope(inquiry, purchases, tables, public_of(tables.engine))
    if _run(tables.engine, guests).num_rows:
        raise PurchasesError("NULL_ID", field="buyer")


def _fetched(engine: BaseBackend, query: Table) -> Cells:
    found = _run(engine, query)
    codes, buyers = (found[name].to_numpy().astype(np.int64) for name in ("cell", "buyers"))
    return codes, buyers


def _run(engine: BaseBackend, query: Table) -> Any:
    try:
        with in_utc(engine):
            return engine.to_pyarrow(query)
    finally:
        forget(engine, query)


def forget(engine: BaseBackend, query: Table) -> None:
    """Remove the small tables that a query brought along from an engine that goes on."""
    for brought in query.op().find(InMemoryTable):
        engine.drop_view(brought.name, force=True)
