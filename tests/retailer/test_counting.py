"""Each buyer falls into exactly one cell, by a fixed rule on their own rows alone."""

import gc
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import ibis
import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpnotice.errors import PurchasesError
from dpnotice.inquiry import Inquiry
from dpnotice.retailer import counting
from dpnotice.retailer.purchases import Opened, Purchases
from dpnotice.retailer.scope import carried
from made import layouts
from made.layouts import apart, people
from made.releases import matter

DAY = date(2020, 3, 1)
LATER = date(2020, 3, 2)
Row = tuple[Any, Any, Any, Any, Any]


def inquiry(**changes: object) -> Inquiry:
    plain = {
        "timezone": "America/New_York",
        "products": ["p", "q", "42", "007"],
        "axes": {"state": ["CA", "NY"], "age": ["young", "old"]},
        "tables": [{"of": []}, {"of": ["state"]}, {"of": ["age"]}, {"of": ["state", "age"]}],
    }
    return matter(**(plain | changes))


def frame(*rows: Row) -> pa.Table:
    """Rows of buyer, product, date, state, age."""
    columns = zip(*rows, strict=True)
    return pa.table(
        dict(zip(("id", "sku", "day", "st", "age"), map(pa.array, columns), strict=True))
    )


def purchases(source: object, **changes: object) -> Purchases:
    mapping = {
        "buyer": "id",
        "product": "sku",
        "date": "day",
        "axes": {"state": "st", "age": "age"},
    }
    return Purchases(source, **(mapping | changes))


def tables(source: object, asked: Inquiry | None = None, **changes: object) -> dict[Any, Any]:
    exact = counting.count(asked or inquiry(), purchases(source, **changes))._tables
    return {of: counts.tolist() for of, counts in exact.items()}


def total(source: object, asked: Inquiry | None = None, **changes: object) -> int:
    return int(tables(source, asked, **changes)[()])


def cells(*rows: Row) -> object:
    return tables(frame(*rows))["state", "age"]


def only(state: int, age: int) -> list[list[int]]:
    """One buyer in one cell of state by age, zero elsewhere."""
    expected = np.zeros((3, 3), np.int64)
    expected[state, age] = 1
    return expected.tolist()


# --- the rule of one cell ------------------------------------------------------------------
def test_every_table_counts_every_buyer_once() -> None:
    found = tables(
        frame(
            ("a", "p", DAY, "CA", "old"),
            ("a", "q", DAY, "CA", "old"),
            ("b", "p", DAY, "NY", "young"),
            ("c", "p", DAY, "NY", None),
        )
    )
    assert found == {
        (): 3,
        ("state",): [1, 2, 0],
        ("age",): [1, 1, 1],
        ("state", "age"): [[0, 1, 0], [1, 0, 1], [0, 0, 0]],
    }


def test_the_latest_purchase_decides_the_whole_cell() -> None:
    found = cells(("a", "p", DAY, "CA", "young"), ("a", "p", LATER, "NY", None))
    assert found == only(state=1, age=2)


def test_a_tie_goes_to_the_smallest_cell_code() -> None:
    found = cells(("a", "p", DAY, "NY", "young"), ("a", "p", DAY, "CA", "old"))
    assert found == only(state=0, age=1)


def test_a_tie_prefers_a_known_level_to_unknown() -> None:
    found = cells(("a", "p", DAY, None, "young"), ("a", "p", DAY, "NY", "old"))
    assert found == only(state=1, age=1)


def test_times_within_one_second_tie() -> None:
    late = datetime(2020, 3, 1, 12, 0, 0, 900_000, tzinfo=UTC)
    early = late.replace(microsecond=100_000)
    found = cells(("a", "p", late, "NY", "old"), ("a", "p", early, "CA", "old"))
    assert found == only(state=0, age=1)


def test_the_later_second_of_a_day_decides() -> None:
    early = datetime(2020, 3, 1, 12, 0, 0, 900_000, tzinfo=UTC)
    late = datetime(2020, 3, 1, 12, 0, 1, tzinfo=UTC)
    found = cells(("a", "p", late, "NY", "old"), ("a", "p", early, "CA", "old"))
    assert found == only(state=1, age=1)


def test_a_later_purchase_out_of_scope_decides_nothing() -> None:
    found = cells(("a", "p", DAY, "CA", "old"), ("a", "other", LATER, "NY", "young"))
    assert found == only(state=0, age=1)


def test_a_later_purchase_after_the_period_decides_nothing() -> None:
    after = date(2021, 1, 1)
    found = cells(("a", "p", DAY, "CA", "old"), ("a", "p", after, "NY", "young"))
    assert found == only(state=0, age=1)


def test_a_buyer_without_a_purchase_in_scope_is_not_counted() -> None:
    assert total(frame(("a", "other", DAY, "CA", "old"))) == 0


def test_a_null_product_is_out_of_scope() -> None:
    assert total(frame(("a", "p", DAY, "CA", "old"), ("b", None, DAY, "CA", "old"))) == 1


def test_a_null_date_is_outside_the_period() -> None:
    assert total(frame(("a", "p", DAY, "CA", "old"), ("b", "p", None, "CA", "old"))) == 1


@pytest.mark.parametrize("text", [None, "", "ca", " CA", "TX", "unknown", "CA'; DROP TABLE x"])
def test_what_is_no_public_level_is_unknown(text: str | None) -> None:
    found = tables(frame(("a", "p", DAY, text, "old"), ("b", "p", DAY, "CA", "old")))
    assert found["state",] == [1, 0, 1]


def test_no_row_at_all_is_a_table_of_zeros() -> None:
    found = tables(frame(("a", "p", DAY, "CA", "old")).slice(0, 0))
    assert found["state", "age"] == [[0, 0, 0]] * 3


# --- ids -----------------------------------------------------------------------------------
@pytest.mark.parametrize("blank", [None, "", " ", "\t", " \n "])
def test_a_purchase_without_a_buyer_is_dropped(blank: str | None) -> None:
    assert total(frame((blank, "p", DAY, "CA", "old"), ("b", "p", DAY, "NY", "old"))) == 1


@pytest.mark.parametrize(("ids", "buyers"), [("as_is", 5), ("trim", 3), ("trim_ascii_lower", 2)])
def test_ids_are_spelt_alike_by_the_declared_rule_only(ids: str, buyers: int) -> None:
    spelt = ["Ann@x.com", " Ann@x.com", "Ann@x.com\t", "ann@X.com", "\u00c4nn"]
    rows = [(text, "p", DAY, "CA", "old") for text in spelt]
    assert total(frame(*rows), ids=ids) == buyers


def test_lower_casing_leaves_letters_beyond_ascii() -> None:
    rows = [(text, "p", DAY, "CA", "old") for text in ["\u00c4nn", "\u00e4nn", "\u0130", "i"]]
    assert total(frame(*rows), ids="trim_ascii_lower") == 4


def test_ids_that_share_no_bytes_stay_apart() -> None:
    composed, combining = "\u00e9", "e\u0301"
    rows = [(text, "p", DAY, "CA", "old") for text in [composed, combining, "E", "e"]]
    assert total(frame(*rows)) == 4


def test_integer_ids_are_counted() -> None:
    assert total(frame((7, "p", DAY, "CA", "old"), (7, "p", DAY, "CA", "old"))) == 1


def test_integer_ids_may_be_negative_zero_or_null() -> None:
    rows = [(number, "p", DAY, "CA", "old") for number in (-1, 0, None, 2**62)]
    assert total(frame(*rows)) == 3


def test_uuid_ids_are_counted() -> None:
    engine = ibis.duckdb.connect()
    a, b = UUID(int=1), UUID(int=2)
    engine.raw_sql(
        f"CREATE TABLE s AS SELECT unnest(['{a}', '{a}', '{b}', NULL])::UUID id, 'p' sku, "
        "DATE '2020-03-01' AS day, 'CA' st, 'old' age"
    )
    assert total(engine.table("s")) == 2


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize(("encoding", "mark"), [("utf-8", ","), ("utf-8-sig", ","), ("utf-8", ";")])
def test_csv_ids_with_leading_zeros_stay_apart(
    tmp_path: Path, encoding: str, mark: str, *, late: bool
) -> None:
    """A byte-order mark or another separator is counted alike or refused, never merged."""
    plain = [f"{n},p,2020-03-01,CA,old" for n in range(100, 30_000)] if late else []
    lines = ["id,sku,day,st,age", *plain, "007,p,2020-03-01,CA,old", "7,p,2020-03-01,CA,old"]
    path = tmp_path / "a.csv"
    path.write_text("\n".join(lines).replace(",", mark) + "\n", encoding=encoding)
    try:
        found = total(path)
    except PurchasesError:
        return
    assert found == len(lines) - 1


def test_a_csv_id_that_begins_with_a_hash_sign_is_counted(tmp_path: Path) -> None:
    lines = ["id,sku,day,st,age", *(f"{i},p,2020-03-01,CA,old" for i in ("1", "#2", "3"))]
    (tmp_path / "a.csv").write_text("\n".join(lines) + "\n")
    assert total(tmp_path / "a.csv") == 3


# --- products ------------------------------------------------------------------------------
def test_integer_products_match_their_canonical_text() -> None:
    assert total(frame(("a", 42, DAY, "CA", "old"))) == 1


def test_integer_products_match_no_text_with_leading_zeros() -> None:
    assert total(frame(("a", 7, DAY, "CA", "old"))) == 0


def test_text_products_match_exactly() -> None:
    rows = [(sku, sku, DAY, "CA", "old") for sku in ["007", "7", "42", "042", "P", "p "]]
    assert total(frame(*rows)) == 2


@pytest.mark.parametrize("text", ["--5", "-", "1e3", "5.0", "\u0665", "9" * 30, "9" * 5000])
def test_a_listed_text_that_is_no_integer_matches_no_integer(text: str) -> None:
    asked = inquiry(products=[text])
    rows = frame(("a", 5, DAY, "CA", "old"), ("b", -5, DAY, "CA", "old"))
    assert total(rows, asked) == 0


def test_unsigned_products_beyond_63_bits_match() -> None:
    big = 2**64 - 1
    rows = frame(("a", 1, DAY, "CA", "old")).set_column(1, "sku", pa.array([big], pa.uint64()))
    assert total(rows, inquiry(products=[str(big)])) == 1


# --- the period ----------------------------------------------------------------------------
def moments(kind: pa.DataType, *times: object) -> pa.Table:
    rows = frame(*[(f"b{i}", "p", DAY, "CA", "old") for i in range(len(times))])
    return rows.set_column(2, "day", pa.array(times, kind))


def inside(asked: Inquiry, kind: pa.DataType, *times: object, zone: str | None = None) -> list[int]:
    """1 for each time that lies in the period."""
    return [total(moments(kind, time), asked, timezone=zone) for time in times]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_zoned_times_are_cut_at_the_inquirys_midnights(unit: str) -> None:
    tick = timedelta(seconds=1) if unit == "s" else timedelta(milliseconds=1)
    start = datetime(2020, 1, 1, 5, tzinfo=UTC)
    end = datetime(2021, 1, 1, 5, tzinfo=UTC)
    found = inside(
        inquiry(), pa.timestamp(unit, tz="Asia/Tokyo"), start - tick, start, end - tick, end
    )
    assert found == [0, 1, 1, 0]


def test_dates_are_half_open() -> None:
    days = [date(2019, 12, 31), date(2020, 1, 1), date(2020, 12, 31), date(2021, 1, 1)]
    assert inside(inquiry(), pa.date32(), *days) == [0, 1, 1, 0]


@pytest.mark.parametrize(
    ("zone", "hour"), [("America/New_York", 0), ("UTC", 5), ("Asia/Kolkata", 10.5)]
)
def test_local_times_are_cut_in_their_declared_zone(zone: str, hour: float) -> None:
    tick = timedelta(microseconds=1)
    start, end = (datetime(y, 1, 1) + timedelta(hours=hour) for y in (2020, 2021))  # noqa: DTZ001 -- times without zone
    kind = pa.timestamp("us")
    found = inside(inquiry(), kind, start - tick, start, end - tick, end, zone=zone)
    assert found == [0, 1, 1, 0]


@pytest.mark.parametrize(
    ("zone", "first", "last", "hours"),
    [
        ("America/New_York", "2020-03-08", "2020-03-09", 23),
        ("America/New_York", "2020-11-01", "2020-11-02", 25),
        ("America/Sao_Paulo", "2018-11-04", "2018-11-05", 23),  # midnight does not exist
        ("America/Havana", "2020-11-01", "2020-11-02", 25),  # midnight happens twice
        ("Australia/Lord_Howe", "2020-04-05", "2020-04-06", 24.5),
    ],
)
def test_a_day_of_a_clock_change_is_whole(zone: str, first: str, last: str, hours: float) -> None:
    asked = inquiry(period=[first, last], timezone=zone)
    day = date.fromisoformat(first)
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    minutes = [noon + timedelta(minutes=m) for m in range(-20 * 60, 20 * 60, 15)]
    found = total(moments(pa.timestamp("us", tz="UTC"), *minutes), asked)
    assert found == hours * 4


def test_far_dates_are_outside_the_period() -> None:
    engine = ibis.duckdb.connect()
    engine.raw_sql(
        "CREATE TABLE s AS SELECT * FROM (VALUES ('a', DATE 'infinity'), ('b', DATE '-infinity'), "
        "('c', DATE '2020-03-01')) t(id, day), (SELECT 'p' sku, 'CA' st, 'old' age)"
    )
    assert total(engine.table("s")) == 1


# --- sizes ---------------------------------------------------------------------------------
def test_codes_times_seconds_do_not_overflow() -> None:
    axes = {name: [f"{name}{i}" for i in range(31)] for name in "abcd"}
    last = date(2029, 12, 31)
    kind = pa.timestamp("us", tz="UTC")
    row: dict[str, Any] = {"id": ["x", "x"], "sku": ["p", "p"]}
    row["day"] = pa.array(
        [datetime(2020, 3, 1, tzinfo=UTC), datetime(2029, 12, 1, tzinfo=UTC)], kind
    )
    row |= {name: [f"{name}3", f"{name}30"] for name in axes}
    asked = inquiry(
        axes=axes, tables=[{"of": ["a"]}, {"of": ["d"]}], period=["2020-01-01", str(last)]
    )
    found = tables(pa.table(row), asked, axes={name: name for name in axes})
    assert [np.flatnonzero(found[of]).tolist() for of in [("a",), ("d",)]] == [[30], [30]]


def test_marginals_sum_exactly_beyond_float_precision() -> None:
    buyers = np.array([2**53, 1], np.int64)
    exact = counting.marginals(inquiry(), np.array([0, 4]), buyers)
    assert int(exact[()]) == 2**53 + 1


@pytest.mark.parametrize(
    ("codes", "buyers"),
    [([0, 0], [1, 1]), ([-1], [1]), ([9], [1]), ([0], [-1])],
    ids=["repeated code", "code below", "code beyond", "negative count"],
)
def test_an_engines_impossible_answer_is_refused(codes: list[int], buyers: list[int]) -> None:
    with pytest.raises(PurchasesError, match="COUNT_CHECK"):
        counting.marginals(inquiry(), np.array(codes), np.array(buyers))


# --- refusals before any data --------------------------------------------------------------
def refused(asked: Inquiry, **changes: object) -> PurchasesError:
    with pytest.raises(PurchasesError) as caught:
        counting.check_mapping(asked, purchases(None, **changes))
    return caught.value


def test_an_axis_without_a_column_is_refused() -> None:
    refusal = refused(inquiry(), axes={"state": "st"})
    assert (refusal.code, refusal.field) == ("AXES_MISSING", "axes.age")


def test_an_inquiry_with_only_the_digest_of_its_products_is_refused() -> None:
    assert refused(Inquiry.from_dict(inquiry().to_dict())).code == "PRODUCTS_UNLISTED"


def test_a_period_times_cells_beyond_64_bits_is_refused() -> None:
    axes = {name: [str(i) for i in range(7)] for name in "abcdefgh"}
    asked = inquiry(axes=axes, tables=[{"of": []}], period=["0001-01-01", "9999-12-31"])
    assert refused(asked, axes={name: name for name in axes}).code == "DOMAIN_OVERFLOW"


# --- engines that are passed in ------------------------------------------------------------
ROWS = [
    ("a", "p", DAY, "CA", "old"),
    ("a", "p", LATER, "NY", None),
    ("b", "q", DAY, "TX", "young"),
    ("", "p", DAY, "CA", "old"),
    (None, "p", DAY, "CA", "old"),
    ("c", "other", DAY, "CA", "old"),
]


def connected() -> object:
    engine = ibis.duckdb.connect()
    engine.con.register("arrow", frame(*ROWS))
    engine.raw_sql("CREATE TABLE s AS SELECT * FROM arrow")
    engine.con.unregister("arrow")
    return engine


def names(engine: object) -> list[Any]:
    listed = "SELECT table_name FROM information_schema.tables ORDER BY 1"
    return list(engine.raw_sql(listed).fetchall())


def test_an_ibis_table_gives_the_counts_of_a_frame() -> None:
    assert tables(connected().table("s")) == tables(frame(*ROWS))


def test_an_engine_whose_text_rules_differ_is_refused() -> None:
    """Polars strips blanks beyond ASCII, so its counts of ids would be others."""
    engine = ibis.polars.connect()
    engine.create_table("s", pl.from_arrow(frame(*ROWS)))
    with pytest.raises(PurchasesError, match="ENGINE"):
        total(engine.table("s"))


def test_a_connection_passed_in_holds_no_new_table_or_view() -> None:
    engine = connected()
    before = names(engine)
    tables(engine.table("s"))
    gc.collect()
    assert names(engine) == before


def test_a_connection_passed_in_keeps_its_settings_and_works_on() -> None:
    engine = connected()
    engine.raw_sql("SET TimeZone = 'Asia/Tokyo'")
    settings = "SELECT name, value FROM duckdb_settings() ORDER BY name"
    before = engine.raw_sql(settings).fetchall()
    tables(engine.table("s"))
    assert engine.raw_sql(settings).fetchall() == before
    assert engine.raw_sql("SELECT count(*) FROM s").fetchone() == (len(ROWS),)


def test_the_session_zone_of_a_connection_does_not_matter() -> None:
    engine = ibis.duckdb.connect()
    engine.raw_sql("SET TimeZone = 'Asia/Tokyo'")
    engine.raw_sql(
        "CREATE TABLE s AS SELECT * FROM (VALUES ('a', TIMESTAMPTZ '2020-01-01 04:59:59+00'), "
        "('b', TIMESTAMPTZ '2020-01-01 05:00:00+00'), ('c', TIMESTAMPTZ '2021-01-01 04:59:59+00'), "
        "('d', TIMESTAMPTZ '2021-01-01 05:00:00+00')) t(id, day), "
        "(SELECT 'p' sku, 'CA' st, 'old' age)"
    )
    assert total(engine.table("s")) == 2


def test_the_query_reads_only_the_mapped_columns() -> None:
    engine = connected()
    engine.raw_sql("ALTER TABLE s ADD COLUMN secret TEXT")
    query = counting.cells(inquiry(), purchases(None), Opened(engine.table("s"), None, engine))
    assert "secret" not in ibis.to_sql(query, dialect="duckdb")


def test_the_query_uses_no_approximate_count() -> None:
    opened = Opened(connected().table("s"), None, None)
    query = counting.cells(inquiry(), purchases(None), opened)
    assert "approx" not in ibis.to_sql(query, dialect="duckdb").lower()


class Recorder:
    """An engine that notes what is dropped."""

    name = "duckdb"

    def __init__(self, failure: Exception | None = None) -> None:
        self.failure, self.dropped = failure, list[tuple[str, bool]]()

    def to_pyarrow(self, _query: object) -> str:
        if self.failure is not None:
            raise self.failure
        return "found"

    def drop_view(self, view: str, *, force: bool) -> None:
        self.dropped.append((view, force))


def test_what_the_query_brought_along_is_dropped() -> None:
    engine, brought = Recorder(), ibis.memtable({"product": ["p"]})
    assert counting._run(engine, brought) == "found"
    assert engine.dropped == [(brought.get_name(), True)]


def test_what_the_query_brought_along_is_dropped_after_a_failure() -> None:
    engine, brought = Recorder(RuntimeError()), ibis.memtable({"product": ["p"]})
    with pytest.raises(RuntimeError):
        counting._run(engine, brought)
    assert engine.dropped == [(brought.get_name(), True)]


@pytest.mark.parametrize(("name", "public"), [("postgres", "written"), ("duckdb", "carried")])
def test_public_lists_come_along_as_the_engine_allows(name: str, public: str) -> None:
    engine = Recorder()
    engine.name = name
    assert counting.public_of(engine).__name__ == public


# --- attributes in a buyers table ----------------------------------------------------------
def test_attributes_are_taken_from_the_buyers_table() -> None:
    bought = layouts.sales(("a", "p", DAY, "NY"))
    assert layouts.cross(apart(bought, people(("a", "old")))) == only(state=1, age=1)


def test_who_is_missing_in_the_buyers_table_is_unknown_there() -> None:
    bought = layouts.sales(("a", "p", DAY, "NY"))
    assert layouts.cross(apart(bought, people(("b", "old")))) == only(state=1, age=2)


def test_an_empty_buyers_table_leaves_everybody_unknown() -> None:
    bought = layouts.sales(("a", "p", DAY, "NY"))
    assert layouts.cross(apart(bought, people())) == only(state=1, age=2)


@pytest.mark.parametrize("order", [1, -1])
def test_who_is_listed_twice_is_one_record_of_the_smallest_code(order: int) -> None:
    listed = [("a", None), ("a", "old"), ("a", "young"), ("a", "old")][::order]
    bought = layouts.sales(("a", "p", DAY, "NY"))
    assert layouts.cross(apart(bought, people(*listed))) == only(state=1, age=0)


def test_of_two_axes_in_the_buyers_table_the_smallest_code_decides_both() -> None:
    kinds = {"st": pa.string()}
    listed = layouts.frame(
        layouts.PEOPLE | kinds, [("a", "young", "NY"), ("a", "old", "CA"), ("a", "young", None)]
    )
    both = {"axes": {"age": "age", "state": "st"}}
    mapped = apart(layouts.sales(("a", "p", DAY, "x")), listed, axes={}, listed=both)
    assert layouts.cross(mapped) == only(state=0, age=1)


def test_one_who_is_listed_twice_moves_nobody_else() -> None:
    bought = layouts.sales(("a", "p", DAY, "CA"), ("b", "p", DAY, "NY"), ("c", "p", DAY, "NY"))
    listed = people(("a", "old"), ("a", "young"), ("b", "old"))
    assert layouts.cross(apart(bought, listed)) == [[1, 0, 0], [0, 1, 1], [0, 0, 0]]


def test_one_listed_twice_and_one_not_at_all_are_not_taken_for_each_other() -> None:
    """Their numbers cancel in a sum of rows, and each is still one record."""
    bought = layouts.sales(("a", "p", DAY, "CA"), ("b", "p", DAY, "CA"))
    listed = people(("a", "old"), ("a", "young"))
    assert layouts.cross(apart(bought, listed)) == [[1, 0, 1], [0, 0, 0], [0, 0, 0]]


def test_who_is_listed_and_bought_nothing_is_not_counted() -> None:
    listed = people(("a", "old"), ("b", "old"), ("c", "young"), (None, "old"), ("", "old"))
    bought = layouts.sales(("a", "p", DAY, "NY"), ("b", "other", DAY, "NY"))
    assert layouts.cross(apart(bought, listed)) == only(state=1, age=1)


@pytest.mark.parametrize("blank", [None, "", " "])
def test_a_guest_is_no_buyer_even_where_the_buyers_table_has_one(blank: str | None) -> None:
    bought = layouts.sales(("a", "p", DAY, "NY"), (blank, "p", DAY, "NY"))
    listed = people(("a", "old"), (blank, "young"))
    assert layouts.cross(apart(bought, listed)) == only(state=1, age=1)


def test_the_buyers_table_may_hold_no_axis_at_all() -> None:
    bought = frame(("a", "p", DAY, "NY", "old"))
    plain = {"axes": {"state": "st", "age": "age"}}
    mapped = apart(bought, people(("a", "x"), ("a", "y")), **plain, listed={"axes": {}})
    assert layouts.cross(mapped) == only(state=1, age=1)


def test_an_axis_of_the_buyers_that_is_not_asked_is_ignored() -> None:
    asked = layouts.inquiry(axes={"state": ["CA", "NY"]}, tables=[{"of": ["state"]}])
    bought = layouts.sales(("a", "p", DAY, "NY"), ("b", "p", DAY, "CA"))
    assert layouts.cross(apart(bought, people(("a", "old"), ("a", "young"))), asked) == [1, 1, 0]


@pytest.mark.parametrize(
    ("ids", "age"), [("as_is", [0, 0, 1]), ("trim", [0, 0, 1]), ("trim_ascii_lower", [0, 1, 0])]
)
def test_ids_of_both_tables_are_spelt_alike_by_the_rule(ids: str, age: list[int]) -> None:
    bought = layouts.sales((" Ann@x.com", "p", DAY, "CA"))
    found = layouts.cross(apart(bought, people(("ann@X.com\t", "old")), ids=ids))
    assert found == [age, [0, 0, 0], [0, 0, 0]]


def test_ids_that_the_rule_makes_alike_are_listed_twice() -> None:
    bought = layouts.sales(("ann", "p", DAY, "CA"))
    listed = people(("Ann", "old"), (" ann", "young"), ("ANN ", None))
    assert layouts.cross(apart(bought, listed, ids="trim_ascii_lower")) == only(state=0, age=0)


def test_integer_ids_of_different_widths_meet() -> None:
    bought = layouts.sales((7, "p", DAY, "CA"), (2**40, "p", DAY, "CA"), id=pa.int64())
    listed = people((7, "old"), cust=pa.int16())
    assert layouts.cross(apart(bought, listed)) == [[0, 1, 1], [0, 0, 0], [0, 0, 0]]


ages = st.sampled_from(["young", "old", "Old", None])
one_sale = st.tuples(
    st.sampled_from(["a", "b", "c", None]),
    st.sampled_from(["p", "42", "other"]),
    st.dates(date(2019, 12, 31), date(2020, 1, 3)),
    st.sampled_from(["CA", "NY", None]),
)


@settings(max_examples=25)
@given(st.lists(one_sale, max_size=8), st.dictionaries(st.sampled_from("abz"), ages))
def test_attributes_apart_are_counted_as_attributes_with_the_purchases(
    rows: list[Any], listed: dict[str, str | None]
) -> None:
    kinds = layouts.SALES | {"age": pa.string()}
    together = layouts.frame(kinds, [(*row, listed.get(row[0])) for row in rows])
    assert layouts.cross(apart(layouts.sales(*rows), people(*listed.items()))) == layouts.cross(
        purchases(together)
    )


# --- guests --------------------------------------------------------------------------------
def strict(*rows: Row, **changes: object) -> int:
    return total(frame(("z", "p", DAY, "CA", "old"), *rows), on_null_id="fail", **changes)


@pytest.mark.parametrize("blank", [None, "", " ", "\t\n"])
def test_a_guest_in_scope_refuses_the_count_where_that_is_asked(blank: str | None) -> None:
    with pytest.raises(PurchasesError) as caught:
        strict((blank, "p", DAY, "CA", "old"))
    assert (caught.value.code, caught.value.field) == ("NULL_ID", "buyer")


@pytest.mark.parametrize(
    "row",
    [
        (None, "other", DAY, "CA", "old"),
        (None, None, DAY, "CA", "old"),
        (None, "p", date(2019, 12, 31), "CA", "old"),
        (None, "p", date(2021, 1, 1), "CA", "old"),
        (None, "p", None, "CA", "old"),
    ],
)
def test_a_guest_out_of_scope_or_period_refuses_nothing(row: Row) -> None:
    assert strict(row) == 1


def test_a_guest_of_the_buyers_table_refuses_nothing() -> None:
    bought = layouts.sales(("a", "p", DAY, "NY"))
    mapped = apart(bought, people(("a", "old"), (None, "old")), on_null_id="fail")
    assert layouts.cross(mapped) == only(state=1, age=1)


# --- the person key ------------------------------------------------------------------------
def keys(*rows: Any, listed: Any = None) -> list[tuple[str, str | None]]:
    """(buyer, person) of every record; the key is the state's column, or the age's if `listed`."""
    bought = layouts.sales(*rows)
    if listed is None:
        mapped = Purchases(bought, **layouts.COLUMNS, person="st", axes={"state": "st"})
    else:
        mapped = apart(bought, listed, listed={"person": "age"})
    asked = layouts.inquiry(axes={"state": ["CA", "NY"]}, tables=[{"of": ["state"]}])
    with mapped.opened() as tables:
        found = tables.engine.to_pyarrow(counting.records(asked, mapped, tables)).to_pylist()
    return sorted((row["buyer"], row["person"]) for row in found)


@given(st.permutations([("a", k) for k in ("m", "B", "\u00e4", None)] + [("b", "z")]))
@settings(max_examples=10)
def test_a_record_holds_the_smallest_key_whatever_the_order_of_rows(rows: list[Any]) -> None:
    sold = [(buyer, "p", date(2020, 3, n + 1), key) for n, (buyer, key) in enumerate(rows)]
    assert keys(*sold) == [("a", "B"), ("b", "z")]


@pytest.mark.parametrize("order", [1, -1])
def test_a_record_holds_the_smallest_key_of_the_buyers_table(order: int) -> None:
    listed = [("a", "m"), ("a", "B"), ("a", None)][::order]
    found = keys(("a", "p", DAY, "CA"), ("b", "p", DAY, "CA"), listed=people(*listed))
    assert found == [("a", "B"), ("b", None)]


def test_a_key_of_a_purchase_out_of_scope_is_not_read() -> None:
    assert keys(("a", "p", DAY, "m"), ("a", "other", DAY, "a")) == [("a", "m")]


@pytest.mark.parametrize("held", ["purchases", "buyers"])
def test_the_person_key_is_never_in_the_query_of_cells(held: str) -> None:
    schema = {"id": "string", "sku": "string", "day": "date", "st": "string", "mail": "string"}
    bought = ibis.table(schema, name="s")
    listed = ibis.table({"cust": "string", "age": "string", "mail": "string"}, name="b")
    near = {"person": "mail"} if held == "purchases" else {}
    far = {"person": "mail"} if held == "buyers" else {}
    query = counting.cells(
        layouts.inquiry(), apart(bought, listed, **near, listed=far), Opened(bought, listed, None)
    )
    text = ibis.to_sql(query, dialect="duckdb")
    assert "mail" not in text
    assert "person" not in text


def test_a_person_key_changes_no_count() -> None:
    bought = layouts.sales(("a", "p", DAY, "NY"), ("a", "p", DAY, "CA"))
    listed = people(("a", "old"), ("a", "young"))
    assert layouts.cross(apart(bought, listed, person="st")) == layouts.cross(apart(bought, listed))
    mapped = apart(bought, listed, listed={"person": "age"})
    assert layouts.cross(mapped) == layouts.cross(apart(bought, listed))


# --- far-off times -------------------------------------------------------------------------
@pytest.mark.parametrize(("unit", "far"), [("s", 2**55), ("ms", 2**61), ("us", 2**62)])
def test_a_far_off_time_stops_no_count(unit: str, far: int) -> None:
    ticks = {"s": 1, "ms": 10**3, "us": 10**6}[unit]
    near = int(datetime(2020, 3, 1, tzinfo=UTC).timestamp()) * ticks
    rows = moments(pa.timestamp(unit), near, far, None)
    assert total(rows, timezone="UTC") == 1


# --- the last faults that nothing noticed --------------------------------------------------
def test_an_inquiry_that_cannot_be_counted_is_named_as_the_cause() -> None:
    axes = {name: [str(i) for i in range(7)] for name in "abcdefgh"}
    long = inquiry(axes=axes, tables=[{"of": []}], period=["0001-01-01", "9999-12-31"])
    refusals = [
        refused(Inquiry.from_dict(inquiry().to_dict())),
        refused(long, axes={name: name for name in axes}),
    ]
    assert [refusal.field for refusal in refusals] == ["inquiry", "inquiry"]


@pytest.mark.parametrize("codes", [[], [0], [0, 8]])
def test_no_buyers_at_all_are_zeros_everywhere(codes: list[int]) -> None:
    exact = counting.marginals(inquiry(), np.array(codes, np.int64), np.zeros(len(codes), np.int64))
    assert {of: counts.tolist() for of, counts in exact.items()} == {
        of: np.zeros(inquiry().shape(of)).tolist() for of in inquiry().tables
    }


@pytest.mark.parametrize("build", [counting.cells, counting.records])
def test_a_query_is_made_of_the_public_tables_it_is_given(build: Any) -> None:
    """Else what is printed for an engine that may only read would not be what is run there."""
    named: list[str] = []

    def public(name: str, columns: dict[str, list[Any]], types: dict[str, str]) -> Any:
        named.append(name)
        return carried(name, columns, types)

    bought = layouts.sales(("a", "p", DAY, "CA"))
    mapped = apart(bought, people(("a", "old")))
    with mapped.opened() as opened:
        build(layouts.inquiry(), mapped, opened, public)
    assert sorted(named) == ["levels_age", "levels_state", "products"]


def test_a_person_key_is_kept_where_no_axis_is_held_with_the_purchases() -> None:
    asked = layouts.inquiry(axes={"age": ["young", "old"]}, tables=[{"of": ["age"]}])
    bought = layouts.sales(("a", "p", DAY, "key"), ("a", "p", LATER, "later key"))
    mapped = apart(bought, people(("a", "old")), axes={}, person="st")
    with mapped.opened() as opened:
        found = opened.engine.to_pyarrow(counting.records(asked, mapped, opened))
    assert found.select(["cell", "person"]).to_pylist() == [{"cell": 1, "person": "key"}]


@pytest.mark.parametrize("axes", [{"state": "st"}, {}], ids=["an axis", "no axis"])
@pytest.mark.parametrize("person", [None, "st"])
def test_a_record_of_purchases_is_a_buyer_a_code_of_64_bits_and_perhaps_a_person(
    axes: dict[str, str], person: str | None
) -> None:
    mapped = layouts.apart(layouts.sales(("a", "p", DAY, "CA")), people(), axes=axes, person=person)
    with mapped.opened() as opened:
        found = counting._latest(layouts.inquiry(), mapped, opened, carried)
    expected = {"buyer": "string", "cell": "int64"} | ({"person": "string"} if person else {})
    assert {name: str(kind) for name, kind in found.schema().items()} == expected


LISTS = ["levels_age", "levels_state", "products"]
"""The public tables of a count by state and age."""
BOUGHT = [("a", "p", DAY, "CA"), ("b", "p", DAY, "NY")]


@pytest.fixture
def spied(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Any]]:
    """Notes which public tables a count makes, and which person keys its parts are told of."""
    seen: dict[str, list[Any]] = {"made": [], "persons": []}
    latest, listed = counting._latest, counting._listed

    def public(name: str, columns: dict[str, list[Any]], types: dict[str, str]) -> Any:
        seen["made"].append(name)
        return carried(name, columns, types)

    def spied_latest(asked: Any, mapped: Purchases, *rest: Any) -> Any:
        seen["persons"].append(mapped.person)
        return latest(asked, mapped, *rest)

    def spied_listed(asked: Any, mapped: Purchases, buyers: Any, *rest: Any) -> Any:
        seen["persons"] += [mapped.person, buyers.person]
        return listed(asked, mapped, buyers, *rest)

    monkeypatch.setattr(counting, "public_of", lambda _engine: public)
    monkeypatch.setattr(counting, "_latest", spied_latest)
    monkeypatch.setattr(counting, "_listed", spied_listed)
    return seen


@pytest.mark.parametrize(
    ("listed", "made"),
    [([("a", "old")], LISTS), ([("a", "old"), ("a", "young")], LISTS * 2)],
    ids=["ids once", "an id twice"],
)
def test_a_count_makes_its_public_tables_as_its_engine_wants_them(
    spied: dict[str, list[Any]], listed: list[Any], made: list[str]
) -> None:
    counting.count(layouts.inquiry(), apart(layouts.sales(*BOUGHT), people(*listed)))
    assert sorted(spied["made"]) == sorted(made)


def test_a_count_of_purchases_alone_does_so_too(spied: dict[str, list[Any]]) -> None:
    rows = frame(("a", "p", DAY, "CA", "old"))
    counting.count(inquiry(), purchases(rows))
    assert sorted(spied["made"]) == LISTS


@pytest.mark.parametrize("listed", [[("a", "old")], [("a", "old"), ("a", "young")]])
@pytest.mark.parametrize("where", [{"person": "st"}, {"listed": {"person": "age"}}])
def test_a_count_reads_no_person_key(
    spied: dict[str, list[Any]], listed: list[Any], where: dict[str, Any]
) -> None:
    mapped = apart(layouts.sales(*BOUGHT), people(*listed), **where)
    counting.count(layouts.inquiry(), mapped)
    assert set(spied["persons"]) == {None}


def test_enforced_keys_hide_no_axis_that_is_held_with_the_purchases() -> None:
    """Only without such an axis may the count start from the buyers table."""
    engine = layouts.database(
        people=("cust BIGINT PRIMARY KEY, age VARCHAR", [(1, "old"), (2, "young"), (3, "old")]),
        sales=(
            "id BIGINT REFERENCES people (cust), sku VARCHAR, day DATE, st VARCHAR",
            [(1, "p", DAY, "NY"), (2, "p", DAY, "CA"), (3, "other", DAY, "CA")],
        ),
    )
    mapped = apart(engine.table("sales"), engine.table("people"))
    with mapped.opened() as opened:
        assert counting.keys_enforced(mapped, opened)
    assert layouts.cross(mapped) == [[1, 0, 0], [0, 1, 0], [0, 0, 0]]


def test_ids_of_the_buyers_table_are_made_text_as_their_engine_needs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """PostgreSQL cannot trim an enum that Ibis takes for text."""
    asked: list[Any] = []
    monkeypatch.setattr(counting, "plain", lambda ids, engine: (asked.append(engine), ids)[1])
    engine = layouts.database(
        people=("cust VARCHAR, age VARCHAR", []),
        sales=("id VARCHAR, sku VARCHAR, day DATE, st VARCHAR", []),
    )
    mapped = apart(engine.table("sales"), engine.table("people"))
    with mapped.opened() as opened:
        counting.records(layouts.inquiry(), mapped, opened)
    assert asked == ["duckdb"]
