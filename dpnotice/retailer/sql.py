"""The counting query as text, to be reviewed or run by somebody else.

In: an inquiry, the meaning of the columns and a dialect. Out: SQL that names everything it reads:
the inquiry's own lists as small tables, made first, and the retailer's tables. No row is read.
"""

from typing import Any, Final

import ibis
import ibis.backends.sql.dialects  # before sqlglot writes: it settles a dialect when first used
import sqlglot.expressions as sge
from ibis.expr.operations import DatabaseTable, TimestampTruncate, UnboundTable
from ibis.expr.types import Table

from dpnotice.errors import PurchasesError
from dpnotice.inquiry import Inquiry
from dpnotice.retailer.counting import cells, check_mapping
from dpnotice.retailer.edge import guarded
from dpnotice.retailer.purchases import Opened, Purchases
from dpnotice.retailer.scope import coverage

DIALECTS: Final = ("duckdb", "postgres", "pyspark", "snowflake", "bigquery", "databricks")
_VIEWS: Final = ("pyspark", "databricks")
"""Dialects without tables that last as long as the connection; a view of texts does as well."""
_IN_UTC: Final = {
    "postgres": "SET TimeZone = 'UTC';\n",
    "pyspark": "SET TIME ZONE 'UTC';\n",
    "snowflake": "ALTER SESSION SET TIMEZONE = 'UTC';\n",
    "databricks": "SET TIME ZONE 'UTC';\n",
}
"""Differences of times are taken on the session's clock; DuckDB and BigQuery have no such clock."""
_COUNTING: Final = """\
-- One record per buyer, and buyers per cell: the exact counts of inquiry {digest}.
-- They are secret: dpnotice adds noise to them before anything leaves. This text is for review.
"""
_COVERAGE: Final = """\
-- How the mapping of columns fits the purchases, in exact numbers of rows: for your own eyes.
-- dpnotice never runs this; a column of nulls, or dates that are none, show here and nowhere else.
"""


def counting_sql(inquiry: Inquiry, purchases: Purchases, *, dialect: str) -> str:
    """Return the counting query as SQL, the one that :func:`dpnotice.answer` runs.

    Run by: the retailer; for its engineers and counsel to review, and for Snowflake, BigQuery and
    Databricks, where dpnotice itself does not run, to compare with.

    Args:
        inquiry: the agreed question, with its product list.
        purchases: the meaning of the columns. A source may also be an Ibis table without an engine,
            ``ibis.table({"customer_id": "int64", ...}, name="sales")``; of files only the schema is
            read, and the tables are called ``purchases`` and ``buyers``.
        dialect: one of :data:`DIALECTS`.

    Returns:
        Statements ended by semicolons: the lists of products and levels, then the query, with
        columns ``cell`` (mixed-radix code, axes in the inquiry's order, ``unknown`` last) and
        ``buyers``, occupied cells only.

    Raises:
        PurchasesError: ``DIALECT``, or what the schema or the mapping breaks.
    """
    return guarded(lambda: _printed(cells, _COUNTING, inquiry, purchases, dialect))


def coverage_sql(inquiry: Inquiry, purchases: Purchases, *, dialect: str) -> str:
    """Return a query that tells the retailer, and nobody else, how well the mapping fits.

    Args:
        inquiry: the agreed question, with its product list.
        purchases: the meaning of the columns, as in :func:`counting_sql`.
        dialect: one of :data:`DIALECTS`.

    Returns:
        Statements whose last one gives one row: rows of the purchases, those in the period, those
        of them without a buyer, those in scope, of these the ``unknown`` on each axis held with
        the purchases, and the buyers whom the buyers table does not hold.

    Raises:
        PurchasesError: ``DIALECT``, or what the schema or the mapping breaks.
    """
    return guarded(lambda: _printed(coverage, _COVERAGE, inquiry, purchases, dialect))


def _printed(build: Any, head: str, inquiry: Inquiry, purchases: Purchases, dialect: str) -> str:
    if dialect not in DIALECTS:
        raise PurchasesError("DIALECT", field="dialect")
    check_mapping(inquiry, purchases)
    made: dict[str, str] = {}

    def public(name: str, columns: dict[str, list[Any]], types: dict[str, str]) -> Table:
        made[name] = _created(f"dpnotice_{name}", columns, types, dialect)
        return ibis.table(types, name=f"dpnotice_{name}")

    with purchases.described() as tables:
        ours = tables.engine is not None and tables.texts_of is None
        views = _file_views(tables) if ours and dialect == "duckdb" else []
        named = Opened(
            _named(tables.purchases, "purchases" if ours else None),
            None if tables.buyers is None else _named(tables.buyers, "buyers" if ours else None),
            None,
            tables.texts_of if tables.texts_of == dialect else None,
        )
    query = build(inquiry, purchases, named, public)
    text = ibis.to_sql(_untruncated(query) if dialect == "bigquery" else query, dialect=dialect)
    session = [_IN_UTC[dialect]] if dialect in _IN_UTC else []
    parts = [head.format(digest=inquiry.digest), *session, *views, *made.values(), f"{text};\n"]
    return "\n".join(parts)


def _untruncated(query: Table) -> Table:
    """Leave times with their fractions: BigQuery's difference counts whole seconds by itself.

    Truncating would take the zone from the type, and Ibis refuses a difference of mixed kinds.
    """

    def untruncated(node: Any, given: dict[str, Any] | None) -> Any:
        if isinstance(node, TimestampTruncate):
            return node.arg if given is None else given["arg"]
        return node if given is None else node.__recreate__(given)

    return query.op().replace(untruncated).to_expr()


def _named(table: Table, name: str | None) -> Table:
    """Return the table without its engine; what we opened ourselves is called by `name`."""

    def named(node: Any, given: dict[str, Any] | None) -> Any:
        if isinstance(node, DatabaseTable):
            called = name or node.name
            return UnboundTable(name=called, schema=node.schema, namespace=node.namespace)
        return node if given is None else node.__recreate__(given)

    return table.op().replace(named).to_expr()


def _file_views(tables: Opened) -> list[str]:
    """Return the statements that read the files, as the engine itself keeps them."""
    statements = []
    for name, table in (("purchases", tables.purchases), ("buyers", tables.buyers)):
        for held in [] if table is None else table.op().find(DatabaseTable):
            if held.name.startswith("ibis_read_"):
                kept = f"SELECT sql FROM duckdb_views() WHERE view_name = '{held.name}'"  # noqa: S608 -- the engine's own name
                text = tables.engine.raw_sql(kept).fetchall()[0][0]
                statements.append(text.replace(held.name, name) + "\n")
    return statements


def _created(name: str, columns: dict[str, list[Any]], types: dict[str, str], dialect: str) -> str:
    """Return the statement that makes a small table of the inquiry's own, public texts."""
    rows = list(zip(*columns.values(), strict=True)) or [(None,) * len(columns)]  # equals nothing
    selects = [
        sge.select(
            *(
                sge.cast(sge.convert(value), types[column]).as_(column, quoted=True)
                for column, value in zip(columns, row, strict=True)
            )
        )
        for row in rows
    ]
    create = sge.Create(
        this=sge.to_table(f'"{name}"'),
        kind="VIEW" if dialect in _VIEWS else "TABLE",
        properties=sge.Properties(expressions=[sge.TemporaryProperty()]),
    )
    words = "spark" if dialect == "pyspark" else dialect  # sqlglot knows the other from Ibis only
    written = "\nUNION ALL ".join(select.sql(words) for select in selects)
    return f"{create.sql(words)} AS\n{written};\n"
