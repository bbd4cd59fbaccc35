"""Rows in scope: those of the period, with a buyer and an agreed product, and nothing else."""

from datetime import UTC, date, datetime
from typing import Any

import ibis
import pytest
import sqlglot
from sqlglot import expressions as sge

from dpnotice.retailer import scope
from dpnotice.retailer.purchases import Opened, Purchases
from made.layouts import COLUMNS, Row, apart, database, inquiry, people, sales

DAY = date(2020, 3, 1)
NEW_YEAR = datetime(2020, 1, 1, 5, tzinfo=UTC)


def mapped(source: object, **changes: Any) -> Purchases:
    return Purchases(source, **(COLUMNS | {"axes": {"state": "st"}} | changes))


def ran(build: Any, purchases: Purchases, **changes: Any) -> list[dict[str, Any]]:
    with purchases.opened() as tables:
        found = build(inquiry(**changes), purchases, tables, scope.carried)
        return tables.engine.to_pyarrow(found).to_pylist()


def in_scope(*rows: Row, **changes: Any) -> list[dict[str, Any]]:
    return ran(scope.rows_in_scope, mapped(sales(*rows), **changes))


def guests(*rows: Row, **changes: Any) -> int:
    return len(ran(scope.guests_in_scope, mapped(sales(*rows), **changes)))


def coverage(purchases: Purchases, **changes: Any) -> dict[str, int]:
    with purchases.opened() as tables:
        found = scope.coverage(inquiry(**changes), purchases, tables, scope.carried)
        return tables.engine.to_pyarrow(found).to_pylist()[0]


# --- rows ----------------------------------------------------------------------------------
def test_a_row_holds_its_buyer_its_moment_and_its_level_texts() -> None:
    found = in_scope(("a", "p", date(2020, 1, 3), "CA"))
    assert [(row["buyer"], row["since"], row["text_state"]) for row in found] == [("a", 2, "CA")]


def test_no_person_key_is_read_where_none_is_mapped() -> None:
    assert "person" not in in_scope(("a", "p", DAY, "CA"))[0]


def test_a_person_key_that_is_mapped_is_there_as_text() -> None:
    assert in_scope(("a", "p", DAY, "CA"), person="st")[0]["person"] == "CA"


@pytest.mark.parametrize(
    "row",
    [
        ("a", "other", DAY, "CA"),
        ("a", None, DAY, "CA"),
        ("a", "p", None, "CA"),
        ("a", "p", date(2019, 12, 31), "CA"),
        ("a", "p", date(2021, 1, 1), "CA"),
        (None, "p", DAY, "CA"),
        (" \t\n\r\v\f", "p", DAY, "CA"),
    ],
)
def test_a_row_out_of_scope_is_left_out(row: Row) -> None:
    assert in_scope(row) == []


def test_a_product_that_is_listed_once_repeats_no_row() -> None:
    assert len(in_scope(("a", "p", DAY, "CA"), ("a", "p", DAY, "CA"))) == 2


@pytest.mark.parametrize(("micros", "since"), [(0, 0), (999_999, 0), (1_000_000, 1)])
def test_moments_are_whole_seconds_rounded_down(micros: int, since: int) -> None:
    engine = database(
        s=(
            "id VARCHAR, sku VARCHAR, day TIMESTAMPTZ, st VARCHAR",
            [("a", "p", NEW_YEAR.replace(second=micros // 10**6, microsecond=micros % 10**6), "")],
        )
    )
    assert [row["since"] for row in ran(scope.rows_in_scope, mapped(engine.table("s")))] == [since]


# --- guests --------------------------------------------------------------------------------
@pytest.mark.parametrize("blank", [None, "", " ", "\t\n\r\v\f"])
def test_a_purchase_without_a_buyer_is_a_guests(blank: str | None) -> None:
    assert guests((blank, "p", DAY, "CA")) == 1


@pytest.mark.parametrize(
    "row",
    [
        ("a", "p", DAY, "CA"),
        (None, "other", DAY, "CA"),
        (None, None, DAY, "CA"),
        (None, "p", None, "CA"),
        (None, "p", date(2019, 12, 31), "CA"),
        (None, "p", date(2021, 1, 1), "CA"),
    ],
)
def test_what_is_no_guests_purchase_in_scope_is_none(row: Row) -> None:
    assert guests(row) == 0


def test_of_many_guests_one_row_is_fetched() -> None:
    assert guests(*[(None, "p", DAY, "CA")] * 5) == 1


# --- coverage ------------------------------------------------------------------------------
ROWS = [
    ("a", "p", DAY, "CA"),
    ("b", "42", DAY, "TX"),
    ("b", "p", DAY, None),
    ("c", "other", DAY, "CA"),
    (None, "p", DAY, "CA"),
    ("", "other", DAY, "CA"),
    ("a", "p", None, "CA"),
    ("a", "p", date(2021, 1, 1), "CA"),
]


def test_coverage_counts_what_each_rule_keeps() -> None:
    assert coverage(mapped(sales(*ROWS))) == {
        "rows": 8,
        "in_period": 6,
        "without_buyer": 2,
        "in_scope": 3,
        "unknown_state": 2,
    }


def test_coverage_counts_the_buyers_who_are_not_listed() -> None:
    listed = people(("a", "old"), ("a", "young"), ("z", "old"), (None, "old"))
    assert coverage(apart(sales(*ROWS), listed))["not_listed"] == 1


def test_coverage_compares_ids_by_the_declared_rule() -> None:
    listed = people((" A", "old"), ("B\t", "old"))
    assert coverage(apart(sales(*ROWS), listed))["not_listed"] == 2
    assert coverage(apart(sales(*ROWS), listed, ids="trim_ascii_lower"))["not_listed"] == 0


# --- cell codes ----------------------------------------------------------------------------
@pytest.mark.parametrize(("axis", "step"), [("state", 3), ("age", 1)])
def test_the_code_grows_by_the_cells_of_the_axes_after(axis: str, step: int) -> None:
    assert scope.stride(inquiry(), axis) == step


@pytest.mark.parametrize(
    ("text", "cell"), [("CA", 0), ("NY", 3), ("unknown", 6), (None, 6), ("ca", 6)]
)
def test_a_level_is_its_number_and_all_else_is_the_last(text: str | None, cell: int) -> None:
    engine = database(s=("text_state VARCHAR, kept INTEGER", [(text, 1)]))
    rows = engine.table("s")
    found = scope.coded(inquiry(), ["state"], rows, Opened(rows, None, engine), scope.carried)
    assert engine.to_pyarrow(found).to_pylist() == [{"kept": 1, "cell": cell}]


def test_no_axis_is_the_only_cell() -> None:
    engine = database(s=("kept INTEGER", [(1,)]))
    rows = engine.table("s")
    found = scope.coded(inquiry(), [], rows, Opened(rows, None, engine), scope.carried)
    assert engine.to_pyarrow(found)["cell"].to_pylist() == [0]


def test_a_truth_value_is_the_level_of_its_text() -> None:
    engine = database(s=("flag BOOLEAN", [(True,), (False,), (None,)]))
    axes = {"state": ["CA"], "age": ["true", "false"]}
    table = engine.table("s")
    tables = Opened(table, None, engine)
    rows = table.select(**scope.level_texts(inquiry(axes=axes), {"age": "flag"}, table, tables))
    assert engine.to_pyarrow(rows)["text_age"].to_pylist() == ["true", "false", None]


@pytest.mark.parametrize("public", [scope.carried, scope.written])
def test_a_public_list_is_the_same_table_carried_or_written(public: Any) -> None:
    engine = database()
    given = ["b", "it's", "a\\", "\u00e4"]
    columns = {"is_state": given, "level_state": list(range(4))}
    table = public("levels", columns, {"is_state": "string", "level_state": "int64"})
    found = engine.to_pyarrow(table.order_by("level_state"))
    assert found.to_pydict() == columns


def test_a_collation_makes_no_two_buyers_alike() -> None:
    engine = database(
        s=(
            "id VARCHAR COLLATE NOCASE, sku VARCHAR, day DATE, st VARCHAR COLLATE NOCASE",
            [("a", "p", DAY, "CA"), ("A", "p", DAY, "ca"), ("b", "P", DAY, "CA")],
        )
    )
    purchases = mapped(engine.table("s"))
    rows = ran(scope.rows_in_scope, purchases)
    assert len({row["buyer"] for row in rows}) == 2


def test_coverage_of_no_rows_is_zeros() -> None:
    assert set(ran(scope.coverage, mapped(sales()))[0].values()) == {0}


@pytest.mark.parametrize("public", [scope.carried, scope.written])
@pytest.mark.parametrize(("given", "kind"), [([], "string"), ([1, 2], "int64"), ([7], "int8")])
def test_a_public_list_has_the_type_it_is_given(public: Any, given: list[Any], kind: str) -> None:
    """Of an empty list no engine knows the type, and of small numbers each another one."""
    table = public("products", {"product": given}, {"product": kind})
    assert dict(table.schema()) == {"product": ibis.dtype(kind)}
    assert database().to_pyarrow(table)["product"].drop_null().to_pylist() == given


@pytest.mark.parametrize("held", [[], ["state"], ["state", "age"]])
def test_a_code_has_64_bits_whatever_axes_it_holds(held: list[str]) -> None:
    engine = database(s=("text_state VARCHAR, text_age VARCHAR", [("NY", "old")]))
    rows = engine.table("s")
    found = scope.coded(inquiry(), held, rows, Opened(rows, None, engine), scope.carried)
    assert str(found.schema()["cell"]) == "int64"


@pytest.mark.parametrize("public", [scope.carried, scope.written])
def test_a_code_is_the_same_with_lists_carried_or_written(public: Any) -> None:
    engine = database(s=("text_state VARCHAR", [("NY",)]))
    rows = engine.table("s")
    found = scope.coded(inquiry(), ["state"], rows, Opened(rows, None, engine), public)
    assert engine.to_pyarrow(found)["cell"].to_pylist() == [3]


def test_an_enum_of_postgres_is_made_text_before_all_else() -> None:
    """Ibis takes an enum for a text, and PostgreSQL trims none; no server is asked."""
    bought = ibis.table({"number": "string", "sku": "string", "day": "date", "st": "string"})
    listed = ibis.table({"cust": "string", "age": "string"})
    purchases = apart(bought, listed, buyer="number", ids="trim")
    tables = Opened(bought, listed, None, "postgres")
    query = scope.coverage(inquiry(), purchases, tables, scope.written)
    text = sqlglot.parse_one(ibis.to_sql(query, dialect="postgres"), read="postgres")
    columns = [(each.name, type(each.parent)) for each in text.find_all(sge.Column)]
    of_ids = {each for each in columns if each[0] in ("number", "cust")}
    assert of_ids == {("number", sge.DPipe), ("cust", sge.DPipe)}


@pytest.mark.parametrize("kind", ["int8", "!int8"])
def test_integer_products_are_a_list_of_the_columns_own_width(kind: str) -> None:
    """Both ends of the column are in it, and numbers that no such column can hold are not."""
    asked = inquiry(products=["-129", "-128", "127", "128", "p"])
    tables = Opened(ibis.table({"sku": kind}), None, None)
    found: Any = scope._products(asked, ibis.dtype(kind), tables, lambda *given: given)
    assert found == ("products", {"product": [-128, 127]}, {"product": "int8"})


def test_the_ends_of_instants_are_in_utc_and_not_in_the_zone_of_the_process() -> None:
    """Where the process runs in UTC the two look alike, so the very object is compared."""
    kind = ibis.dtype("timestamp('UTC')")
    found = scope._instant(date(2020, 1, 1), "America/New_York", mapped(sales()), kind)
    assert found == NEW_YEAR
    assert found.tzinfo is UTC
