"""A source is opened or refused: by code, before anything is counted, and without a trace."""

import gc
import tempfile
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import ibis
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dpnotice.errors import PURCHASES_RULES, PurchasesError
from dpnotice.retailer.purchases import Purchases

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


def rows(source: object) -> int:
    with purchases(source).opened() as (table, engine):
        return int(engine.to_pyarrow(table.count()).as_py())


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


@pytest.mark.parametrize(
    "source",
    [
        None,
        3,
        b"sales.parquet",
        [],
        [3],
        {"id": ["b1"]},
        iter(["a.parquet"]),
        pd.Series(["b1"]),
        pl.Series(["b1"]),
        pa.array(["b1"]),
        ibis.table({"id": "string"}, name="bound_to_no_engine"),
    ],
    ids=lambda source: f"{type(source).__module__}.{type(source).__name__}",
)
def test_a_source_of_another_type_is_refused(source: object) -> None:
    assert refused(source).code == "SOURCE_TYPE"


@pytest.mark.parametrize("name", ["none.parquet", "*.csv", "."])
def test_a_path_without_files_is_missing(tmp_path: Path, name: str) -> None:
    assert refused(tmp_path / name).code == "SOURCE_MISSING"


def test_one_missing_file_of_a_list_is_missing(tmp_path: Path) -> None:
    present = written(tmp_path / "a.parquet", frame())
    assert refused([present, tmp_path / "b.parquet"]).code == "SOURCE_MISSING"


def test_files_of_two_formats_are_refused(tmp_path: Path) -> None:
    parquet = written(tmp_path / "a.parquet", frame())
    csv = tmp_path / "b.csv"
    csv.write_text(HEADER)
    assert refused([parquet, csv]).code == "SOURCE_FORMAT"


def test_a_file_of_a_strange_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sales.xlsx").write_text("")
    assert refused(tmp_path / "sales.xlsx").code == "SOURCE_FORMAT"


def test_parquet_parts_that_disagree_are_drift(tmp_path: Path) -> None:
    written(tmp_path / "a.parquet", frame())
    written(tmp_path / "b.parquet", frame(id=[1]))
    assert refused(tmp_path / "*.parquet").code == "SCHEMA_DRIFT"


def test_csv_parts_that_disagree_are_drift(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(HEADER + "b1,p,2020-03-01,CA\n")
    (tmp_path / "b.csv").write_text("id,sku,day,state\nb1,p,2020-03-01,CA\n")
    assert refused(tmp_path / "*.csv").code == "SCHEMA_DRIFT"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"buyer": "none"}, "buyer"),
        ({"product": "none"}, "product"),
        ({"date": "none"}, "date"),
        ({"axes": {"state": "none"}}, "axes.state"),
        ({"person": "none"}, "person"),
    ],
)
def test_a_missing_column_is_named_by_its_argument(changes: dict[str, Any], field: str) -> None:
    refusal = refused(frame(), **changes)
    assert (refusal.code, refusal.field) == ("SCHEMA_MISSING", field)


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


@pytest.mark.parametrize(
    "source",
    [
        frame(),
        frame().to_pandas(),
        pl.from_arrow(frame()),
        pl.from_arrow(frame()).lazy(),
        frame().to_pandas().astype({"id": "category", "st": "category"}),
    ],
    ids=["arrow", "pandas", "polars", "polars-lazy", "categories"],
)
def test_every_kind_of_frame_opens(source: object) -> None:
    assert rows(source) == 1


def test_every_kind_of_path_opens(tmp_path: Path) -> None:
    path = written(tmp_path / "a.parquet", frame())
    sources = [path, str(path), [path], (str(path),), tmp_path / "*.parquet"]
    assert [rows(source) for source in sources] == [1] * len(sources)


def test_a_file_that_exists_is_no_pattern(tmp_path: Path) -> None:
    written(tmp_path / "sales1.parquet", pa.concat_tables([frame()] * 5))
    assert rows(written(tmp_path / "sales[1].parquet", frame())) == 1


def test_a_csv_with_a_header_alone_opens(tmp_path: Path) -> None:
    """The last buyer's removal may not turn an answer into a refusal."""
    (tmp_path / "a.csv").write_text(HEADER)
    assert rows(tmp_path / "a.csv") == 0


def test_an_empty_pandas_frame_opens() -> None:
    assert rows(frame().to_pandas().iloc[:0]) == 0


def test_an_axis_column_of_nulls_alone_opens() -> None:
    assert rows(frame().to_pandas().assign(st=None)) == 1


def test_the_spill_folder_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    rows(frame())
    assert list(tmp_path.iterdir()) == []


def test_the_spill_folder_is_removed_after_a_refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    refused(frame(id=[1.5]))
    assert list(tmp_path.iterdir()) == []


def test_an_engine_passed_in_stays_open() -> None:
    engine = ibis.duckdb.connect()
    engine.raw_sql("CREATE TABLE s AS SELECT 'b1' id, 'p' sku, DATE '2020-03-01' AS day, 'CA' st")
    table = engine.table("s")
    assert rows(table) == 1
    gc.collect()
    assert engine.raw_sql("SELECT count(*) FROM s").fetchone() == (1,)


def test_an_ibis_table_with_a_missing_column_is_refused() -> None:
    engine = ibis.duckdb.connect()
    engine.raw_sql("CREATE TABLE s AS SELECT 'b1' id")
    assert refused(engine.table("s")).code == "SCHEMA_MISSING"


def test_a_table_made_from_memory_is_refused() -> None:
    """Its types were guessed from everybody's values; the frame itself is read by a fixed rule."""
    memory = ibis.memtable({"id": ["a"], "sku": ["p"], "day": [date(2020, 3, 1)], "st": ["CA"]})
    sales = Purchases(memory, buyer="id", product="sku", date="day", axes={"state": "st"})
    with pytest.raises(PurchasesError, match="SOURCE_TYPE"), sales.opened():
        pass


def test_an_arrow_column_without_values_opens() -> None:
    empty = pa.table({"id": ["a"], "sku": ["p"], "day": pa.nulls(1), "st": pa.nulls(1)})
    sales = Purchases(empty, buyer="id", product="sku", date="day", axes={"state": "st"})
    with sales.opened() as (table, _engine):
        assert table.schema()["day"].is_date()
        assert table.schema()["st"].is_string()
