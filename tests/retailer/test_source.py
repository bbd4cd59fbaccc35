"""A source is opened or refused: by code, before anything is counted, and without a trace."""

import gc
import tempfile
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import ibis
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dpnotice.errors import PurchasesError
from dpnotice.retailer import source
from dpnotice.retailer.purchases import Purchases
from dpnotice.retailer.source import Wanted, opened

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
    with purchases(source).opened() as tables:
        return int(tables.engine.to_pyarrow(tables.purchases.count()).as_py())


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


def test_one_missing_file_of_a_list_is_partial_input(tmp_path: Path) -> None:
    present = written(tmp_path / "a.parquet", frame())
    assert refused([present, tmp_path / "b.parquet"]).code == "PARTIAL_INPUT"


def test_a_pattern_of_a_list_without_files_is_partial_input(tmp_path: Path) -> None:
    present = written(tmp_path / "a.parquet", frame())
    assert refused([present, tmp_path / "b*.parquet"]).code == "PARTIAL_INPUT"


def test_a_list_of_which_nothing_is_there_is_missing(tmp_path: Path) -> None:
    assert refused([tmp_path / "a.parquet", tmp_path / "b.parquet"]).code == "SOURCE_MISSING"


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
    with sales.opened() as tables:
        assert tables.purchases.schema()["day"].is_date()
        assert tables.purchases.schema()["st"].is_string()


# --- one engine for both tables ------------------------------------------------------------
def table_of(engine: Any, name: str) -> Any:
    engine.raw_sql(f"CREATE TABLE {name} AS SELECT 'b1' id, 'p' sku, DATE '2020-03-01' AS day")
    return engine.table(name)


def both(bought: object, listed: object) -> list[Wanted]:
    columns = {"buyer": "id", "product": "sku", "date": "day"}
    return [
        Wanted("purchases", bought, columns, date="day"),
        Wanted("buyers", listed, {"buyers.buyer": "id"}),
    ]


def test_two_tables_of_one_connection_open() -> None:
    engine = ibis.duckdb.connect()
    with opened(both(table_of(engine, "s"), table_of(engine, "b"))) as (found, tables):
        assert found is engine
        assert [table.get_name() for table in tables] == ["s", "b"]


def test_two_connections_are_apart() -> None:
    sources = [table_of(ibis.duckdb.connect(), name) for name in "sb"]
    with pytest.raises(PurchasesError, match="ENGINES_APART"), opened(both(*sources)):
        pass


@pytest.mark.parametrize("first", [True, False])
def test_an_ibis_table_and_a_file_are_apart(tmp_path: Path, *, first: bool) -> None:
    sources = [table_of(ibis.duckdb.connect(), "s"), written(tmp_path / "a.parquet", frame())]
    order = sources if first else sources[::-1]
    with pytest.raises(PurchasesError, match="ENGINES_APART"), opened(both(*order)):
        pass


@pytest.mark.parametrize("format_", ["parquet", "csv"])
def test_a_frame_and_a_file_open_together(tmp_path: Path, format_: str) -> None:
    path = tmp_path / f"b.{format_}"
    written(path, frame()) if format_ == "parquet" else path.write_text(HEADER + "b1,p,,\n")
    with opened(both(frame(), path)) as (engine, tables):
        assert [engine.to_pyarrow(table.count()).as_py() for table in tables] == [1, 1]


def test_a_refusal_of_the_buyers_source_says_so(tmp_path: Path) -> None:
    sources = both(frame(), tmp_path / "none.parquet")
    with pytest.raises(PurchasesError) as caught, opened(sources):
        pass
    assert (caught.value.code, caught.value.field) == ("SOURCE_MISSING", "buyers.source")


# --- times of other than microseconds ------------------------------------------------------
FAR = {"s": 2**58, "ms": 2**61}
NOON = 1_583_064_000  # 2020-03-01 12:00 UTC
UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def instants(source: object, **changes: object) -> list[datetime | None]:
    """The times of a source as the engine reads them, in the order of the ids."""
    with purchases(source, **changes).opened() as tables:
        held = tables.purchases.order_by("id").select("day")
        return tables.engine.to_pyarrow(held.cast({"day": "timestamp(6)"}))["day"].to_pylist()


def timed(unit: str, zone: str | None, *times: int | None) -> pa.Table:
    plain = {"sku": ["p"] * len(times), "st": ["CA"] * len(times)}
    days = pa.array(times, pa.timestamp(unit, tz=zone))
    return pa.table({"id": [f"b{i}" for i in range(len(times))], "day": days} | plain)


@pytest.mark.parametrize("zone", [None, "UTC"])
@pytest.mark.parametrize("unit", UNITS)
def test_a_time_of_every_unit_is_the_same_moment(unit: str, zone: str | None) -> None:
    found = instants(timed(unit, zone, NOON * UNITS[unit]), timezone="UTC")
    assert found == [datetime(2020, 3, 1, 12)]  # noqa: DTZ001 -- times without zone


@pytest.mark.parametrize(
    ("unit", "zone"),
    [("ms", None), ("us", None), ("ns", None), ("ms", "Asia/Tokyo"), ("us", "UTC")],
)
def test_a_time_of_every_unit_of_parquet_is_the_same_moment(
    tmp_path: Path, unit: str, zone: str | None
) -> None:
    path = written(tmp_path / "a.parquet", timed(unit, zone, NOON * UNITS[unit]))
    assert instants(path, timezone="UTC") == [datetime(2020, 3, 1, 12)]  # noqa: DTZ001 -- times without zone


@pytest.mark.parametrize("unit", FAR)
def test_a_far_off_time_is_no_time_and_stops_nothing(unit: str) -> None:
    found = instants(timed(unit, None, NOON * UNITS[unit], FAR[unit], None), timezone="UTC")
    assert found == [datetime(2020, 3, 1, 12), None, None]  # noqa: DTZ001 -- times without zone


@pytest.mark.parametrize("unit", ["TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"])
def test_times_of_a_table_passed_in_are_brought_to_microseconds(unit: str) -> None:
    engine = ibis.duckdb.connect()
    engine.raw_sql(f"CREATE TABLE s (id VARCHAR, sku VARCHAR, day {unit}, st VARCHAR)")
    engine.raw_sql("INSERT INTO s VALUES ('b1', 'p', '2020-03-01 12:00:00', 'CA')")
    assert instants(engine.table("s"), timezone="UTC") == [datetime(2020, 3, 1, 12)]  # noqa: DTZ001 -- times without zone


class Spark:
    """A table of Spark by name, whose date column is of the type that Spark says."""

    name = "pyspark"

    def __init__(self, held: str, kind: str = "timestamp") -> None:
        self.held, self.unbound = held, ibis.table({"day": kind}, name="s")
        self._session = self

    def __getattr__(self, name: str) -> Any:
        return getattr(self.unbound, name)

    def __getitem__(self, column: str) -> Any:
        return self.unbound[column]

    def get_backend(self) -> "Spark":
        return self

    def compile(self, _table: object) -> str:
        return "SELECT"

    def sql(self, _query: str) -> Any:
        said = SimpleNamespace(dataType=SimpleNamespace(typeName=lambda: self.held))
        return SimpleNamespace(schema={"day": said})


@pytest.mark.parametrize(
    ("held", "zone"), [("timestamp", "UTC"), ("timestamp_ntz", None)], ids=["instant", "local"]
)
def test_spark_itself_says_whether_a_timestamp_is_an_instant(held: str, zone: str | None) -> None:
    assert source._instants("day", Spark(held)).schema()["day"].timezone == zone


def test_a_day_of_spark_stays_a_day() -> None:
    assert source._instants("day", Spark("date", "date")).schema()["day"].is_date()


# --- objects in a frame --------------------------------------------------------------------
def test_each_object_is_text_by_a_rule_that_sees_no_other() -> None:
    given = [True, False, 7, "x", UUID(int=1), 1.5, None, b"x", date(2020, 1, 1)]
    table = pd.DataFrame(
        {
            "id": [f"b{n}" for n in range(len(given))],
            "sku": "p",
            "day": pd.Series([date(2020, 3, 1)] * len(given), dtype=object),
            "st": pd.Series(given, dtype=object),
        }
    )
    with purchases(table).opened() as tables:
        held = tables.engine.to_pyarrow(tables.purchases.order_by("id"))["st"].to_pylist()
    assert held == ["true", "false", "7", "x", str(UUID(int=1)), None, None, None, None]


def test_an_object_that_is_no_day_is_null() -> None:
    given = [date(2020, 3, 1), datetime(2020, 3, 1, 12), "2020-03-01", 5, None]  # noqa: DTZ001 -- times without zone
    days = pd.Series(given, dtype=object)
    table = pd.DataFrame({"id": list("abcde"), "sku": "p", "day": days, "st": "CA"})
    with purchases(table).opened() as tables:
        held = tables.engine.to_pyarrow(tables.purchases.order_by("id"))["day"].to_pylist()
    assert held == [date(2020, 3, 1), None, None, None, None]


@pytest.mark.parametrize(("unit", "far"), [("s", 2**58), ("ms", 2**61), ("s", -(2**63))])
def test_a_far_off_zoned_time_of_a_frame_is_no_time(unit: str, far: int) -> None:
    """Told in microseconds it would wrap into the period."""
    times = pa.array([0, far, None], pa.timestamp(unit, tz="UTC"))
    found = source._microseconds(pa.chunked_array([times]), times.type)
    assert found.cast(pa.int64()).to_pylist() == [0, None, None]


def test_parquet_with_zoned_nanoseconds_opens(tmp_path: Path) -> None:
    times = pa.array([1_583_064_000 * 10**9], pa.timestamp("ns", tz="UTC"))
    path = written(tmp_path / "a.parquet", frame(day=times))
    with purchases(path).opened() as tables:
        assert tables.engine.to_pyarrow(tables.purchases)["day"].to_pylist() == [
            datetime(2020, 3, 1, 12, tzinfo=UTC)
        ]


@pytest.mark.parametrize("on", [True, False])
def test_the_bar_that_tells_how_long_a_query_takes_is_off(*, on: bool) -> None:
    """Where it is off it is left alone: in a notebook without widgets, setting it would fail."""
    engine = ibis.duckdb.connect()
    engine.raw_sql(f"SET enable_progress_bar = {on}")
    source._settled(engine)
    assert engine.raw_sql("SELECT current_setting('enable_progress_bar')").fetchall() == [(False,)]
