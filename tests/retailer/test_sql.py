"""The printed query names all that it reads, and run elsewhere it gives the very same counts."""

import re
import subprocess
import sys
from collections.abc import Sequence
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import ibis
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlglot
from sqlglot import expressions as sge

from dpnotice.errors import PurchasesError
from dpnotice.inquiry import Inquiry
from dpnotice.retailer.purchases import Buyers, Purchases
from dpnotice.retailer.sql import DIALECTS, counting_sql, coverage_sql
from made.layouts import Row, cross, inquiry, sales

SNAPSHOTS = Path(__file__).parent / "sql"
KINDS = {"date": "DATE", "local": "TIMESTAMP", "instant": "TIMESTAMPTZ"}
IDS_RULES = ["as_is", "trim", "trim_ascii_lower"]
LAYOUTS = ["purchases", "buyers"]
SALES: list[Row] = [
    ("a", "p", "2020-03-01 10:00:00.9", "CA", "old"),
    ("a", "p", "2020-03-01 10:00:00.1", "NY", "young"),
    (" A\v", "42", "2020-12-31 23:59:59", "NY", "old"),
    ("c", "other", "2020-05-05", "CA", "old"),
    ("d", None, "2020-05-05", "CA", "old"),
    ("", "p", "2020-05-05", "CA", "old"),
    (" \t\n\r\v\f", "p", "2020-05-05", "CA", "old"),
    (None, "p", "2020-05-05", "CA", "old"),
    ("d", "p", "2019-12-31", "CA", "old"),
    ("e", "p", "2020-01-01 04:59:59.999999", "CA", "young"),
    ("f", "p", "2020-01-01 05:00:00", "CA", "young"),
    ("g", "p", "2021-01-01 05:00:00", "CA", "old"),
    ("h", "p", "2020-05-05 01:00:00", None, "Old"),
    ("i", "p", None, "CA", "old"),
    ("v", "p", "2020-06-01", "TX", "young"),
]
PEOPLE: list[Row] = [
    *(("a", "old"), ("a", "young"), ("\tA ", "old"), ("h", "old"), ("z", "young")),
    *((None, "young"), ("", "young"), ("f", "Young"), ("v", None)),
]
SCHEMAS = {
    "date": {"id": "string", "sku": "string", "moment": "date", "st": "string", "age": "string"}
}
SCHEMAS["local"] = SCHEMAS["date"] | {"moment": "timestamp"}
SCHEMAS["instant"] = SCHEMAS["date"] | {"moment": "timestamp('UTC')"}


def mapped(sales: Any, people: Any = None, kind: str = "date", **changes: Any) -> Purchases:
    """Both axes with the purchases or, where `people` is given, age in the buyers table."""
    columns = {"buyer": "id", "product": "sku", "date": "moment"}
    if kind == "local":
        columns["timezone"] = "UTC"
    if people is None:
        both = {"axes": {"state": "st", "age": "age"}}
        return Purchases(sales, **(columns | both | changes))
    buyers = Buyers(people, buyer="cust", axes={"age": "age"})
    return Purchases(sales, buyers=buyers, axes={"state": "st"}, **(columns | changes))


def described(layout: str, kind: str = "date", **changes: Any) -> Purchases:
    """Tables that no engine holds."""
    sales = ibis.table(SCHEMAS[kind], name="sales")
    people = ibis.table({"cust": "string", "age": "string"}, name="customers")
    return mapped(sales, people if layout == "buyers" else None, kind, **changes)


def shop(kind: str) -> duckdb.DuckDBPyConnection:
    """A plain DuckDB that dpnotice knows nothing of."""
    plain = duckdb.connect()
    plain.execute("SET TimeZone = 'UTC'")
    filled(plain, kind)
    return plain


def filled(plain: duckdb.DuckDBPyConnection, kind: str) -> None:
    columns = f"id VARCHAR, sku VARCHAR, moment {KINDS[kind]}, st VARCHAR, age VARCHAR"
    plain.execute(f"CREATE TABLE sales ({columns})")
    plain.executemany("INSERT INTO sales VALUES (?, ?, ?, ?, ?)", SALES)
    plain.execute("CREATE TABLE customers (cust VARCHAR, age VARCHAR)")
    plain.executemany("INSERT INTO customers VALUES (?, ?)", PEOPLE)


@cache
def counted(layout: str, kind: str, ids: str) -> list[list[int]]:
    """What dpnotice itself counts."""
    engine = ibis.duckdb.connect()
    filled(engine.con, kind)
    people = engine.table("customers") if layout == "buyers" else None
    return cross(mapped(engine.table("sales"), people, kind, ids=ids))


def run(plain: duckdb.DuckDBPyConnection, statements: Sequence[str]) -> list[Row]:
    for statement in statements[:-1]:
        plain.execute(statement)
    return plain.execute(statements[-1]).fetchall()


def as_cross(found: list[Row]) -> list[list[int]]:
    full = [0] * 9
    for cell, buyers in found:
        full[cell] += buyers
    return [full[at : at + 3] for at in (0, 3, 6)]


def parsed(text: str, dialect: str) -> list[sge.Expression]:
    return [statement for statement in sqlglot.parse(text, read=dialect) if statement]


OF_THE_SESSION = (sge.Set, sge.Command, sge.Alter)


def in_duckdb(text: str, dialect: str) -> list[str]:
    """The session's zone is set in words that no other engine knows."""
    statements = parsed(text, dialect)
    return [each.sql("duckdb") for each in statements if not isinstance(each, OF_THE_SESSION)]


# --- the same counts -----------------------------------------------------------------------
@pytest.mark.parametrize("ids", IDS_RULES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_plain_duckdb_running_the_text_gives_the_counts(layout: str, kind: str, ids: str) -> None:
    text = counting_sql(inquiry(), described(layout, kind, ids=ids), dialect="duckdb")
    plain = shop(kind)
    found = as_cross(plain.execute(text).fetchall())
    assert found == counted(layout, kind, ids)
    assert sum(map(sum, found)) > 3


@pytest.mark.parametrize("ids", IDS_RULES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dialect", [d for d in DIALECTS if d != "duckdb"])
def test_the_text_of_every_dialect_carried_over_to_duckdb_gives_the_counts(
    dialect: str, layout: str, kind: str, ids: str
) -> None:
    """By sqlglot's understanding of each dialect; no server is asked.

    Snowflake's TIMESTAMP_TZ_FROM_PARTS has nanoseconds, always 0, that DuckDB's MAKE_TIMESTAMPTZ
    lacks, so sqlglot drops them.
    """
    text = counting_sql(inquiry(), described(layout, kind, ids=ids), dialect=dialect)
    found = run(shop(kind), in_duckdb(text, dialect))
    assert as_cross(found) == counted(layout, kind, ids)


def test_the_text_for_files_runs_by_itself(tmp_path: Path) -> None:
    columns = zip(*SALES, strict=True)
    table = pa.table(dict(zip(SCHEMAS["date"], map(pa.array, columns), strict=True)))
    days = [None if row[2] is None else row[2][:10] for row in SALES]
    table = table.set_column(2, "moment", pa.array(days).cast(pa.date32()))
    pq.write_table(table, tmp_path / "it's.parquet")
    files = mapped(tmp_path / "it's.parquet")
    text = counting_sql(inquiry(), files, dialect="duckdb")
    assert as_cross(duckdb.connect().execute(text).fetchall()) == cross(files)


def test_the_text_for_files_of_csv_runs_by_itself(tmp_path: Path) -> None:
    lines = ["id,sku,moment,st,age", "a,p,2020-03-01,CA,old", "b,p,x,CA,old", "c,42,2020-12-31,,"]
    (tmp_path / "a.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    files = mapped(tmp_path / "a.csv")
    text = counting_sql(inquiry(), files, dialect="duckdb")
    assert as_cross(duckdb.connect().execute(text).fetchall()) == cross(files)


# --- what the text reads -------------------------------------------------------------------
def read_by(text: str, dialect: str) -> tuple[set[str], set[str]]:
    """Names of the tables that the statements make, and of those that they read."""
    statements = parsed(text, dialect)
    made = {each.this.name for each in statements if isinstance(each, sge.Create)}
    bodies = [each.expression if isinstance(each, sge.Create) else each for each in statements]
    own = {cte.alias for body in bodies for cte in body.find_all(sge.CTE)}
    return made, {table.name for body in bodies for table in body.find_all(sge.Table)} - own


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("build", [counting_sql, coverage_sql])
def test_every_table_that_is_read_is_the_retailers_or_made_before(
    build: Any, dialect: str, layout: str
) -> None:
    made, read = read_by(build(inquiry(), described(layout), dialect=dialect), dialect)
    theirs = {"sales"} | ({"customers"} if layout == "buyers" else set())
    assert read - made == theirs
    assert {name.startswith("dpnotice_") for name in made} == {True}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("build", [counting_sql, coverage_sql])
def test_the_texts_hold_no_passing_name(build: Any, dialect: str) -> None:
    frame = pa.table({"id": ["a"], "sku": ["p"], "moment": pa.array([0], pa.date32())})
    frame = frame.append_column("st", pa.array(["CA"])).append_column("age", pa.array(["old"]))
    text = build(inquiry(), mapped(frame), dialect=dialect)
    assert not re.search(r"memtable|ibis_|pyarrow", text)
    assert "purchases" in read_by(text, dialect)[1]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_only_the_mapped_columns_are_read(dialect: str) -> None:
    sales = ibis.table(SCHEMAS["date"] | {"salary": "string", "mail": "string"}, name="sales")
    text = counting_sql(inquiry(), mapped(sales, person="mail"), dialect=dialect)
    assert "salary" not in text
    assert "mail" not in text


def test_a_table_of_a_schema_is_named_with_it() -> None:
    engine = ibis.duckdb.connect()
    engine.raw_sql("CREATE SCHEMA mart")
    columns = "id VARCHAR, sku VARCHAR, moment DATE, st VARCHAR, age VARCHAR"
    engine.raw_sql(f"CREATE TABLE mart.sales ({columns})")
    text = counting_sql(inquiry(), mapped(engine.table("sales", database="mart")), dialect="duckdb")
    assert '"mart"."sales"' in text


FIRST = """
import runpy, sys
sys.path.insert(0, sys.argv[1])
here = runpy.run_path(sys.argv[2])
print(here["counting_sql"](here["inquiry"](), here["described"]("purchases"), dialect=sys.argv[3]))
"""


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_first_text_of_a_process_is_like_any_other(dialect: str) -> None:
    """Ibis adds to how sqlglot writes dialects, which sqlglot settles when it first writes one."""
    tests = str(Path(__file__).parents[1])
    command = [sys.executable, "-c", FIRST, tests, __file__, dialect]
    first = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    ibis.duckdb.connect()
    assert first == counting_sql(inquiry(), described("purchases"), dialect=dialect) + "\n"
    assert dialect != "postgres" or "MAKE_DATE" in first.upper()


def test_the_digest_of_the_question_stands_above_its_query() -> None:
    text = counting_sql(inquiry(), described("purchases"), dialect="duckdb")
    assert inquiry().digest in text.splitlines()[0]


@pytest.mark.parametrize("build", [counting_sql, coverage_sql])
def test_the_text_of_a_frame_shows_none_of_its_values(build: Any) -> None:
    values = {"id": ["canary-1"], "sku": ["p"], "st": ["canary-2"], "age": ["canary-3"]}
    frame = pa.table(values | {"moment": pa.array([0], pa.date32())})
    assert "canary" not in build(inquiry(), mapped(frame), dialect="duckdb")


# --- texts that could break out ------------------------------------------------------------
HOSTILE = [
    *("'", "''", '"', "\\", "\\'", "\\\\", "it's; DROP TABLE sales; --", "/* */", "-- p", ";"),
    *("\u00e4\u4e2d\U0001f600", "$$", "${x}", "{{ x }}", "%s", "?", ":p", "`", "\\n", "a -- b"),
]
BROKEN = ["a\nb", "a\tb", "a\r\nb"]
"""Texts that a product may be, and a level may not."""


def literals(text: str, dialect: str) -> set[str]:
    found = (each.find_all(sge.Literal) for each in parsed(text, dialect))
    return {literal.this for some in found for literal in some if literal.is_string}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_hostile_products_survive_as_exactly_those_texts(dialect: str) -> None:
    text = counting_sql(inquiry(products=HOSTILE + BROKEN), described("purchases"), dialect=dialect)
    assert set(HOSTILE + BROKEN) <= literals(text, dialect)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_hostile_levels_survive_as_exactly_those_texts(dialect: str) -> None:
    asked = inquiry(axes={"state": HOSTILE, "age": ["young", "old"]})
    text = counting_sql(asked, described("purchases"), dialect=dialect)
    assert set(HOSTILE) <= literals(text, dialect)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_hostile_products_are_counted_by_every_text(dialect: str) -> None:
    texts = HOSTILE + BROKEN
    text = counting_sql(inquiry(products=texts), described("purchases"), dialect=dialect)
    plain = shop("date")
    rows = [(f"h{n}", product, "2020-03-01", "CA", "old") for n, product in enumerate(texts)]
    plain.executemany("INSERT INTO sales VALUES (?, ?, ?, ?, ?)", rows)
    assert run(plain, in_duckdb(text, dialect)) == [(1, len(texts))]


NAMES = ["sa'les", "sa les", "select", "sa--les"]
QUOTED = ['sa"les', "sa`les", "sales; --"]
"""Names that no column of BigQuery can have."""


@pytest.mark.parametrize(
    ("dialect", "name"),
    [(d, n) for d in DIALECTS for n in NAMES + QUOTED if d != "bigquery" or n in NAMES],
)
def test_a_column_of_any_name_is_quoted(dialect: str, name: str) -> None:
    sales = ibis.table(SCHEMAS["date"] | {name: "string"}, name="sales")
    text = counting_sql(inquiry(), mapped(sales, buyer=name), dialect=dialect)
    columns = [c.name for each in parsed(text, dialect) for c in each.find_all(sge.Column)]
    assert name in columns


# --- the texts themselves ------------------------------------------------------------------
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_text_is_the_one_that_was_reviewed(dialect: str, layout: str) -> None:
    """After a change that is meant, write the new text over the file and review the difference."""
    text = counting_sql(inquiry(), described(layout, "instant"), dialect=dialect)
    assert (SNAPSHOTS / f"{layout}_{dialect}.sql").read_bytes() == text.encode()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("build", [counting_sql, coverage_sql])
def test_a_text_that_is_parsed_and_written_again_is_the_same(
    build: Any, dialect: str, layout: str
) -> None:
    first = parsed(build(inquiry(), described(layout, "instant"), dialect=dialect), dialect)
    again = parsed(";\n".join(each.sql(dialect, comments=False) for each in first), dialect)
    assert [each.sql(dialect, comments=False) for each in again] == [
        each.sql(dialect, comments=False) for each in first
    ]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_same_question_gives_the_same_text(dialect: str) -> None:
    texts = {counting_sql(inquiry(), described("buyers"), dialect=dialect) for _ in range(3)}
    assert len(texts) == 1


# --- coverage ------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("ids", IDS_RULES)
def test_coverage_gives_the_numbers_of_a_plain_count(ids: str, dialect: str) -> None:
    text = coverage_sql(inquiry(), described("buyers", ids=ids), dialect=dialect)
    plain = shop("date")
    found = run(plain, in_duckdb(text, dialect))
    assert found == [tuple(expected(ids).values())]


def test_coverage_names_its_numbers() -> None:
    plain = shop("date")
    plain.execute(coverage_sql(inquiry(), described("buyers"), dialect="duckdb"))
    assert [column[0] for column in plain.description] == list(expected("as_is"))


def alike(buyer: str | None, ids: str) -> str:
    text = (buyer or "").strip(" \t\n\r\v\f") if ids != "as_is" else buyer or ""
    return text.lower() if ids == "trim_ascii_lower" else text


def expected(ids: str) -> dict[str, int]:
    """Coverage of the rows above, one after another."""
    period = [row for row in SALES if row[2] is not None and "2020" <= row[2][:4] < "2021"]
    blank = [row for row in period if not (row[0] or "").strip(" \t\n\r\v\f")]
    scope = [row for row in period if row not in blank and row[1] in ("p", "42")]
    buyers = {alike(row[0], ids) for row in scope}
    return {
        "rows": len(SALES),
        "in_period": len(period),
        "without_buyer": len(blank),
        "in_scope": len(scope),
        "unknown_state": sum(row[3] not in ("CA", "NY") for row in scope),
        "not_listed": len(buyers - {alike(row[0], ids) for row in PEOPLE if row[0] is not None}),
    }


# --- refusals ------------------------------------------------------------------------------
def refused(build: Any, asked: Inquiry, mapping: Purchases, dialect: str = "duckdb") -> str:
    with pytest.raises(PurchasesError) as caught:
        build(asked, mapping, dialect=dialect)
    assert caught.value.__context__ is None
    return caught.value.code


@pytest.mark.parametrize("dialect", ["mysql", "", None, "DuckDB", 3])
@pytest.mark.parametrize("build", [counting_sql, coverage_sql])
def test_another_dialect_is_refused(build: Any, dialect: Any) -> None:
    assert refused(build, inquiry(), described("purchases"), dialect) == "DIALECT"


@pytest.mark.parametrize("build", [counting_sql, coverage_sql])
def test_an_axis_without_a_column_is_refused(build: Any) -> None:
    assert refused(build, inquiry(), described("purchases", axes={"age": "age"})) == "AXES_MISSING"


@pytest.mark.parametrize("build", [counting_sql, coverage_sql])
def test_an_unlisted_product_list_is_refused(build: Any) -> None:
    asked = Inquiry.from_dict(inquiry().to_dict())
    assert refused(build, asked, described("purchases")) == "PRODUCTS_UNLISTED"


@pytest.mark.parametrize("build", [counting_sql, coverage_sql])
def test_a_missing_file_is_refused(build: Any, tmp_path: Path) -> None:
    assert refused(build, inquiry(), mapped(tmp_path / "none.parquet")) == "SOURCE_MISSING"


@pytest.mark.parametrize("dialect", ["postgres", "pyspark", "snowflake", "databricks"])
def test_a_text_whose_times_hang_on_the_sessions_clock_sets_it(dialect: str) -> None:
    first = parsed(counting_sql(inquiry(), described("purchases"), dialect=dialect), dialect)[0]
    assert "'UTC'" in first.sql(dialect)


def test_the_text_of_a_table_with_a_collation_counts_as_dpnotice_does() -> None:
    engine = ibis.duckdb.connect()
    engine.raw_sql(
        "CREATE TABLE bought AS SELECT * FROM (VALUES ('Ann', 'CA'), ('ANN', 'ca')) AS v(id, st), "
        "(SELECT 'p' AS sku, DATE '2020-03-01' AS day)"
    )
    engine.raw_sql("ALTER TABLE bought ALTER id TYPE VARCHAR COLLATE NOCASE")
    purchases = mapped(engine.table("bought"), date="day", axes={"state": "st", "age": "st"})
    text = counting_sql(inquiry(), purchases, dialect="duckdb")
    assert sum(buyers for _, buyers in run(engine.con, in_duckdb(text, "duckdb"))) == 2


def test_tables_of_files_that_the_retailer_put_together_keep_their_names(tmp_path: Path) -> None:
    engine = ibis.duckdb.connect()
    for name in ("a", "b"):
        pq.write_table(sales((name, "p", date(2020, 3, 1), "CA")), tmp_path / f"{name}.parquet")
    both = [engine.read_parquet(tmp_path / f"{name}.parquet") for name in ("a", "b")]
    purchases = mapped(both[0].union(both[1]), date="day", axes={"state": "st", "age": "st"})
    text = counting_sql(inquiry(), purchases, dialect="duckdb")
    assert sum(buyers for _, buyers in run(engine.con, in_duckdb(text, "duckdb"))) == 2
