"""Columns have a meaning, stated once: a mapping that cannot be meant is refused by code."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import ibis
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dpnotice.errors import PURCHASES_RULES, PurchasesError
from dpnotice.retailer.purchases import Buyers, Purchases

MAPPING = {"buyer": "id", "product": "sku", "date": "day", "axes": {"state": "st"}}
HEADER = "id,sku,day,st\n"


def frame(**columns: object) -> pa.Table:
    plain = {"id": ["b1"], "sku": ["p"], "day": [date(2020, 3, 1)], "st": ["CA"]}
    return pa.table(plain | columns)


def purchases(source: object, **changes: object) -> Purchases:
    return Purchases(source, **(MAPPING | changes))


def refused(source: object, **changes: object) -> PurchasesError:
    with pytest.raises(PurchasesError) as caught, purchases(source, **changes).opened():
        pass
    return caught.value


def written(path: Path, table: pa.Table) -> Path:
    pq.write_table(table, path)
    return path


def rows(source: object, **changes: object) -> int:
    with purchases(source, **changes).opened() as tables:
        return int(tables.engine.to_pyarrow(tables.purchases.count()).as_py())


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"buyer": 5}, "MAPPING", "buyer"),
        ({"product": ""}, "MAPPING", "product"),
        ({"date": None}, "MAPPING", "date"),
        ({"axes": ["state"]}, "MAPPING", "axes"),
        ({"axes": {"state": 1}}, "MAPPING", "axes.state"),
        ({"person": ""}, "MAPPING", "person"),
        ({"ids": "lower"}, "IDS_RULE", "ids"),
        ({"timezone": "Mars/Olympus"}, "TZ_UNKNOWN", "timezone"),
        ({"timezone": "../etc/passwd"}, "TZ_UNKNOWN", "timezone"),
        ({"timezone": 5}, "TZ_UNKNOWN", "timezone"),
    ],
)
def test_a_bad_mapping_is_refused_by_argument(
    changes: dict[str, Any], code: str, field: str
) -> None:
    with pytest.raises(PurchasesError) as caught:
        purchases(frame(), **changes)
    assert (caught.value.code, caught.value.field) == (code, field)


def test_a_refusal_is_a_code_and_its_fixed_text() -> None:
    with pytest.raises(PurchasesError) as caught:
        purchases(frame(), ids="lower")
    assert str(caught.value) == f"IDS_RULE: {PURCHASES_RULES['IDS_RULE']} [ids]"


def test_the_mapping_cannot_change_afterwards() -> None:
    axes = {"state": "st"}
    mapped = purchases(frame(), axes=axes)
    axes["state"] = "other"
    assert mapped.axes == {"state": "st"}


def test_repr_shows_no_source() -> None:
    assert "b1" not in repr(purchases(pd.DataFrame({"id": ["b1"]})))


def test_nothing_is_read_before_it_is_opened(tmp_path: Path) -> None:
    assert purchases(tmp_path / "not-yet.parquet").buyer == "id"


def test_an_extra_column_is_ignored() -> None:
    assert rows(frame(extra=[1.5])) == 1


@pytest.mark.parametrize("ids", [[1.0], [Decimal(1)], [True], [b"b1"]])
def test_an_id_that_is_no_text_or_integer_is_refused(ids: list[Any]) -> None:
    assert refused(frame(id=ids)).code == "ID_TYPE"


@pytest.mark.parametrize(
    ("column", "values"),
    [("day", ["2020-03-01"]), ("day", [20200301]), ("sku", [1.5]), ("st", [1.5])],
)
def test_a_column_of_a_wrong_type_is_refused(column: str, values: list[Any]) -> None:
    assert refused(frame(**{column: values})).code == "SCHEMA_TYPE"


def test_a_time_without_zone_needs_a_declared_zone() -> None:
    times = pa.array([0], pa.timestamp("us"))
    assert refused(frame(day=times)).code == "TZ_REQUIRED"


def test_a_time_with_a_zone_needs_none() -> None:
    assert rows(frame(day=pa.array([0], pa.timestamp("us", tz="UTC")))) == 1


# --- the buyers table ----------------------------------------------------------------------
LISTED = pa.table({"cust": ["b1"], "age": ["old"]})


def buyers(source: object = LISTED, **changes: object) -> Buyers:
    return Buyers(source, **({"buyer": "cust", "axes": {"age": "age"}} | changes))


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"buyer": 5}, "MAPPING", "buyers.buyer"),
        ({"buyer": ""}, "MAPPING", "buyers.buyer"),
        ({"axes": ["age"]}, "MAPPING", "buyers.axes"),
        ({"axes": {"age": None}}, "MAPPING", "buyers.axes.age"),
        ({"person": ""}, "MAPPING", "buyers.person"),
    ],
)
def test_a_bad_mapping_of_the_buyers_is_refused_by_argument(
    changes: dict[str, Any], code: str, field: str
) -> None:
    with pytest.raises(PurchasesError) as caught:
        buyers(**changes)
    assert (caught.value.code, caught.value.field) == (code, field)


def test_the_mapping_of_the_buyers_cannot_change_afterwards() -> None:
    axes = {"age": "age"}
    mapped = buyers(axes=axes)
    axes["age"] = "other"
    assert mapped.axes == {"age": "age"}


def test_repr_of_the_buyers_shows_no_source() -> None:
    assert "b1" not in repr(buyers())


def test_both_tables_open_in_one_engine() -> None:
    with purchases(frame(), buyers=buyers()).opened() as tables:
        assert tables.engine.to_pyarrow(tables.buyers)["age"].to_pylist() == ["old"]


def test_without_a_buyers_table_none_is_opened() -> None:
    with purchases(frame()).opened() as tables:
        assert tables.buyers is None


def test_buyers_of_another_kind_are_refused() -> None:
    with pytest.raises(PurchasesError) as caught:
        purchases(frame(), buyers=LISTED)
    assert (caught.value.code, caught.value.field) == ("ARGUMENT", "buyers")


def test_an_axis_that_is_mapped_twice_is_refused() -> None:
    with pytest.raises(PurchasesError) as caught:
        purchases(frame(), buyers=buyers(axes={"state": "age"}))
    assert (caught.value.code, caught.value.field) == ("MAPPED_TWICE", "axes.state")


def test_a_person_key_that_is_mapped_twice_is_refused() -> None:
    with pytest.raises(PurchasesError) as caught:
        purchases(frame(), person="st", buyers=buyers(person="age"))
    assert (caught.value.code, caught.value.field) == ("MAPPED_TWICE", "person")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"buyer": "none"}, "buyers.buyer"),
        ({"axes": {"age": "none"}}, "buyers.axes.age"),
        ({"person": "none"}, "buyers.person"),
    ],
)
def test_a_missing_column_of_the_buyers_is_named_by_its_argument(
    changes: dict[str, Any], field: str
) -> None:
    refusal = refused(frame(), buyers=buyers(**changes))
    assert (refusal.code, refusal.field) == ("SCHEMA_MISSING", field)


@pytest.mark.parametrize(
    ("column", "values", "code", "field"),
    [
        ("cust", [1.0], "ID_TYPE", "buyers.buyer"),
        ("cust", [date(2020, 1, 1)], "ID_TYPE", "buyers.buyer"),
        ("age", [34.5], "SCHEMA_TYPE", "buyers.axes.age"),
    ],
)
def test_a_column_of_the_buyers_of_a_wrong_type_is_refused(
    column: str, values: list[Any], code: str, field: str
) -> None:
    listed = pa.table({"cust": ["b1"], "age": ["old"]} | {column: values})
    refusal = refused(frame(), buyers=buyers(listed))
    assert (refusal.code, refusal.field) == (code, field)


IDS = {"text": "VARCHAR", "integer": "BIGINT", "short": "INTEGER", "uuid": "UUID"}


@pytest.mark.parametrize(
    ("bought", "listed"),
    [(a, b) for a in IDS for b in IDS if a != b and {a, b} != {"integer", "short"}],
)
def test_ids_of_different_kinds_are_refused(bought: str, listed: str) -> None:
    sale = f"NULL::{IDS[bought]} id, 'p' sku, DATE '2020-03-01' AS day, 'CA' st"
    engine = ibis.duckdb.connect()
    engine.raw_sql(f"CREATE TABLE s AS SELECT {sale}")
    engine.raw_sql(f"CREATE TABLE b AS SELECT NULL::{IDS[listed]} cust, 'old' age")
    refusal = refused(engine.table("s"), buyers=buyers(engine.table("b")))
    assert (refusal.code, refusal.field) == ("ID_KINDS", "buyers.buyer")


def test_integers_of_different_widths_are_ids_of_one_kind() -> None:
    listed = pa.table({"cust": pa.array([1], pa.int16()), "age": ["old"]})
    assert rows(frame(id=pa.array([1], pa.int64())), buyers=buyers(listed)) == 1


@pytest.mark.parametrize("rule", ["refuse", "", None, True])
def test_a_rule_for_guests_is_one_of_two(rule: object) -> None:
    with pytest.raises(PurchasesError, match="NULL_ID_RULE"):
        purchases(frame(), on_null_id=rule)


# --- a schema is enough --------------------------------------------------------------------
SCHEMA = {"id": "string", "sku": "string", "day": "date", "st": "string"}


def test_tables_without_an_engine_are_described_by_their_schema() -> None:
    with purchases(ibis.table(SCHEMA, name="sales")).described() as tables:
        assert tables.engine is None
        assert tables.purchases.schema() == ibis.schema(SCHEMA)


def test_a_described_table_is_checked_as_an_opened_one() -> None:
    mapped = purchases(ibis.table(SCHEMA | {"id": "float64"}, name="sales"))
    with pytest.raises(PurchasesError, match="ID_TYPE"), mapped.described():
        pass


def test_a_file_is_described_with_an_engine_of_our_own() -> None:
    with purchases(frame()).described() as tables:
        assert tables.engine.name == "duckdb"


def test_a_table_without_an_engine_beside_a_frame_is_refused() -> None:
    mapped = purchases(ibis.table(SCHEMA, name="sales"), buyers=buyers())
    with pytest.raises(PurchasesError, match="ENGINES_APART"), mapped.described():
        pass
