"""DuckDB, a Spark cluster and a PostgreSQL server give the counts of plain Python, to the buyer."""

import gc
import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from ibis.expr.types import Table

from dpnotice.inquiry import Inquiry
from dpnotice.retailer import counting
from dpnotice.retailer.enforced import keys_enforced
from dpnotice.retailer.purchases import Buyers, Purchases
from made.places import COLUMNS, Place, Row, expected, midnight
from made.releases import matter

pytestmark = [
    # pyspark leaves the sockets that it fetched rows from to the garbage collector
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
    # pyspark 4.0 gives pandas 3 an argument that pandas 4 will drop
    pytest.mark.filterwarnings("ignore:The copy keyword is deprecated"),
]

DAY = date(2020, 3, 1)
TICK = timedelta(microseconds=1)
KINDS = dict(zip(COLUMNS, ("text", "text", "date", "text", "text"), strict=True))


def local(*parts: int) -> datetime:
    """A time without zone."""
    return datetime(*parts, tzinfo=UTC).replace(tzinfo=None)


def inquiry(**changes: Any) -> Inquiry:
    plain = {
        "timezone": "America/New_York",
        "products": ["p", "q", "42", "007"],
        "axes": {"state": ["CA", "NY"], "age": ["young", "old"]},
        "tables": [{"of": []}, {"of": ["state"]}, {"of": ["state", "age"]}],
    }
    return matter(**(plain | changes))


def counted(source: Table, asked: Inquiry | None = None, **changes: Any) -> Any:
    asked = asked or inquiry()
    mapping = {"buyer": "id", "product": "sku", "date": "day"}
    axes = {"state": "st", "age": "age"}
    exact = counting.count(asked, Purchases(source, **(mapping | {"axes": axes} | changes)))
    return exact._tables[tuple(asked.axes)]


def total(source: Table, asked: Inquiry | None = None, **changes: Any) -> int:
    return int(counted(source, asked, **changes).sum())


def check(place: Place, rows: list[Row], asked: Inquiry | None = None, **how: Any) -> None:
    """The engine's counts of `rows` are those of plain Python."""
    kinds = KINDS | how.pop("kinds", {})
    found = counted(place.table(rows, kinds), asked, **how)
    wanted = expected(asked or inquiry(), rows, how.get("ids", "as_is"), how.get("timezone"))
    assert found.tolist() == wanted.tolist()


def row(buyer: Any, day: Any = DAY, sku: Any = "p", state: Any = "CA", age: Any = "old") -> Row:
    return (buyer, sku, day, state, age)


def apart(groups: dict[str, list[Row]]) -> tuple[Inquiry, list[Row]]:
    """One level of an axis for each group, so that one query counts the groups apart."""
    rows = [(*each[:3], name, each[4]) for name, group in groups.items() for each in group]
    return inquiry(axes={"state": list(groups), "age": ["young", "old"]}), rows


# --- the cluster ---------------------------------------------------------------------------
def test_spark_counts_on_two_executors_of_a_cluster(spark: Place) -> None:
    context = spark.engine._session.sparkContext
    assert context.master.startswith("spark://127.0.0.1:")
    where = context.parallelize(range(8), 8).map(lambda _: os.getpid()).collect()
    assert len(set(where) - {os.getpid()}) == 2


# --- generated purchases -------------------------------------------------------------------
PLAIN = ["a", "A", " a", "a ", "\ta", "a\n", "f", "fa", "v", "va", "007", "7", "", " ", "\v", None]
ODD = ["\u00c4", "\u00e4", "\u00a0a", "a\u3000", "a\u200b", "\u0130", "i", "I", "\\", "'", "%s"]
ids = st.sampled_from([*PLAIN, *ODD])
moments = st.datetimes(local(2019, 12, 31, 20), local(2021, 1, 1, 8), timezones=st.just(UTC))
clustered = st.builds(
    lambda second, micro: datetime(2020, 11, 1, 5, 59, 58, micro, UTC) + timedelta(0, second),
    st.integers(0, 3),
    st.sampled_from([0, 1, 499_999, 500_000, 999_999]),
)
purchase = st.tuples(
    ids,
    st.sampled_from(["p", "p", "q", "P", "p ", "other", None]),
    st.one_of(moments, clustered, st.none()),
    st.sampled_from(["CA", "CA", "NY", "ca", "CA ", "TX", "unknown", "", None]),
    st.sampled_from(["young", "old", "Old", None]),
)


def of_kind(rows: list[Row], kind: str) -> list[Row]:
    change = {
        "date": lambda when: when.date(),
        "local": lambda when: when.replace(tzinfo=None),
        "instant": lambda when: when,
    }[kind]
    return [(*each[:2], each[2] and change(each[2]), *each[3:]) for each in rows]


@settings(
    max_examples=4,
    deadline=None,
    phases=[Phase.generate],  # a query on the cluster takes too long for shrinking
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    rows=st.lists(purchase, min_size=30, max_size=120),
    rule=st.sampled_from(["as_is", "trim", "trim_ascii_lower"]),
    kind=st.sampled_from(["date", "local", "instant"]),
)
def test_generated_purchases_are_counted_alike(
    places: list[Place], rows: list[Row], rule: str, kind: str
) -> None:
    for place in places:
        check(place, of_kind(rows, kind), kinds={"day": kind}, ids=rule, timezone="UTC")


# --- ids -----------------------------------------------------------------------------------
ALIKE = {
    "space": ("a1", " a1 "),
    "tab": ("a2", "\ta2"),
    "newline": ("a3", "a3\r\n"),
    "vertical tab": ("a4", "\va4"),
    "form feed": ("a5", "a5\f"),
    "letters of the escapes": ("ince", "vince"),
    "other letters of the escapes": ("f1", "1"),
    "no-break space": ("a6", "\u00a0a6"),
    "wide space": ("a7", "a7\u3000"),
    "zero width space": ("a8", "a8\u200b"),
    "next line": ("a9", "a9\u0085"),
    "inner space": ("b 1", "b  1"),
    "ASCII case": ("B2", "b2"),
    "umlaut case": ("\u00c4", "\u00e4"),
    "dotted i": ("\u0130", "i"),
    "sharp s": ("\u1e9e", "ss"),
    "composed": ("\u00e9", "e\u0301"),
    "beyond the basic plane": ("\U0001f600", "\U0001f601"),
    "backslash": ("\\t9", "t9"),
    "zeros": ("007", "7"),
}


@pytest.mark.parametrize("rule", ["as_is", "trim", "trim_ascii_lower"])
def test_ids_are_spelt_alike_by_the_declared_rule_only(place: Place, rule: str) -> None:
    asked, rows = apart({name: [row(text) for text in pair] for name, pair in ALIKE.items()})
    check(place, rows, asked, ids=rule)


def test_blank_ids_are_dropped_and_no_others(place: Place) -> None:
    blank = ["", " ", "\t", "\n", "\r", "\v", "\f", " \t\v ", None]
    kept = ["f", "v", "vf", "\\", "\u00a0", "\u200b", "0", "t", "n"]
    asked, rows = apart({ascii(text): [row(text)] for text in [*blank, *kept]})
    check(place, rows, asked)


def test_integer_ids_and_products_are_counted(place: Place) -> None:
    numbers = [0, -1, None, 2**62, 7, 7, -(2**63)]
    rows = [row(number, sku=42) for number in numbers] + [row(8, sku=7), row(9, sku=None)]
    check(place, rows, kinds={"id": "integer", "sku": "integer"})


@pytest.mark.parametrize("name", ["duckdb", "postgres"])
def test_uuid_ids_are_counted(request: pytest.FixtureRequest, name: str) -> None:
    rows = [row(each) for each in (UUID(int=1), UUID(int=1), UUID(int=2), None)]
    check(request.getfixturevalue(name), rows, kinds={"id": "uuid"})


def test_text_products_match_to_the_letter(place: Place) -> None:
    skus = ["p", "P", "p ", " p", "007", "7", "42", "042", "", None]
    check(place, [row(str(number), sku=sku) for number, sku in enumerate(skus)])


def test_levels_of_numbers_and_truth_values_are_their_texts(place: Place) -> None:
    asked = inquiry(axes={"state": ["1", "2"], "age": ["true", "false"]})
    given_rows = [
        row("a", state=1, age=True),
        row("b", state=2, age=None),
        row("c", state=3, age=False),
    ]
    kinds = KINDS | {"st": "integer", "age": "truth"}
    assert counted(place.table(given_rows, kinds), asked).tolist() == [
        [1, 0, 0],
        [0, 0, 1],
        [0, 1, 0],
    ]


# --- the period ----------------------------------------------------------------------------
def edges(asked: Inquiry) -> list[datetime]:
    first, last = (midnight(day, asked.timezone) for day in asked.period)
    hours = [first + timedelta(minutes=30 * number) for number in range(-6, 60)]
    return [first - TICK, first, first + TICK, last - TICK, last, last + TICK, *hours]


CLOCK_CHANGES = [
    ("America/New_York", "2020-03-08", "2020-03-09"),
    ("America/Havana", "2020-11-01", "2020-11-02"),  # midnight happens twice
    ("Australia/Lord_Howe", "2020-04-05", "2020-04-06"),  # half an hour
]


@pytest.mark.parametrize(("zone", "first", "last"), CLOCK_CHANGES)
def test_a_day_of_a_clock_change_is_cut_at_its_midnights(
    place: Place, zone: str, first: str, last: str
) -> None:
    asked = inquiry(period=[first, last], timezone=zone)
    rows = [row(str(number), when) for number, when in enumerate(edges(asked))]
    check(place, rows, asked, kinds={"day": "instant"}, timezone="UTC")


def test_local_times_are_cut_in_their_declared_zone(place: Place) -> None:
    asked = inquiry(period=["2020-03-08", "2020-03-09"], timezone="America/New_York")
    times = [when.astimezone(UTC).replace(tzinfo=None) for when in edges(asked)]
    rows = [row(str(number), when) for number, when in enumerate(times)]
    check(place, rows, asked, kinds={"day": "local"}, timezone="Asia/Kolkata")


def test_dates_are_half_open(place: Place) -> None:
    days = [date(2019, 12, 31), date(2020, 1, 1), date(2020, 12, 31), date(2021, 1, 1)]
    days += [date(1, 1, 1), date(9999, 12, 31)]
    check(place, [row(str(number), day) for number, day in enumerate(days)])


FRACTIONS = [
    row("a", local(2020, 3, 1, 12, 0, 0, 900_000), state="NY"),
    row("a", local(2020, 3, 1, 12, 0, 0, 100_000), state="CA"),
    row("b", local(2020, 3, 1, 12, 0, 0, 999_999), state="CA"),
    row("b", local(2020, 3, 1, 12, 0, 1), state="NY"),
    row("c", local(1965, 3, 1, 12, 0, 0, 900_000), state="NY"),
    row("c", local(1965, 3, 1, 12, 0, 0, 100_000), state="CA"),
]


@pytest.mark.parametrize("kind", ["local", "instant"])
def test_times_tie_within_a_second_and_not_beyond(place: Place, kind: str) -> None:
    zone = {"local": None, "instant": UTC}[kind]
    rows = [(*each[:2], each[2].replace(tzinfo=zone), *each[3:]) for each in FRACTIONS]
    asked = inquiry(period=["1964-01-01", "2021-01-01"], timezone="UTC")
    check(place, rows, asked, kinds={"day": kind}, timezone="UTC")


# --- settings of the connection ------------------------------------------------------------
def test_an_hour_that_the_connections_zone_repeats_keeps_its_order(place: Place) -> None:
    rows = [
        row("a", datetime(2020, 11, 1, 5, 50, tzinfo=UTC), state="CA"),
        row("a", datetime(2020, 11, 1, 6, 10, tzinfo=UTC), state="NY"),
        row("b", datetime(2020, 11, 1, 5, 30, tzinfo=UTC), state="CA"),
        row("b", datetime(2020, 11, 1, 6, 30, tzinfo=UTC), state="NY"),
    ]
    with place.zone("America/New_York"):
        check(place, rows, kinds={"day": "instant"}, timezone="UTC")


def test_an_hour_that_the_connections_zone_skips_keeps_its_order(place: Place) -> None:
    rows = [
        row("a", local(2020, 3, 8, 2, 30), state="CA"),
        row("a", local(2020, 3, 8, 3, 10), state="NY"),
        row("b", local(2020, 3, 8, 1, 59)),
        row("c", local(2020, 3, 8, 2, 1)),
    ]
    asked = inquiry(period=["2020-03-08", "2020-03-09"], timezone="Etc/GMT+2")
    with place.zone("America/New_York"):
        check(place, rows, asked, kinds={"day": "local"}, timezone="UTC")


def test_a_spark_timestamp_is_an_instant_whatever_zone_is_declared(spark: Place) -> None:
    asked = inquiry(period=["2020-03-08", "2020-03-09"])
    rows = [row(str(number), when) for number, when in enumerate(edges(asked))]
    table = spark.table(rows, KINDS | {"day": "instant"})
    wanted = int(expected(asked, rows).sum())
    assert [total(table, asked, timezone=zone) for zone in (None, "Asia/Tokyo")] == [wanted] * 2


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("spark.sql.ansi.enabled", "false"),
        ("spark.sql.timestampType", "TIMESTAMP_NTZ"),
        ("spark.sql.parser.escapedStringLiterals", "true"),
        ("spark.sql.caseSensitive", "true"),
    ],
)
def test_a_setting_of_spark_changes_no_count(spark: Place, setting: str, value: str) -> None:
    asked = inquiry(period=["2020-03-08", "2020-03-09"])
    rows = [row(f" {number}\t", when) for number, when in enumerate(edges(asked))]
    rows += [row("vince", rows[20][2]), row("ince", rows[20][2], state="NY")]
    with spark.set(setting, value):
        check(spark, rows, asked, kinds={"day": "instant"}, timezone="UTC", ids="trim")


# --- PostgreSQL's own ----------------------------------------------------------------------
def postgres_table(postgres: Place, name: str, columns: str, values: str) -> Table:
    postgres.run(f"DROP TABLE IF EXISTS {name}")
    postgres.run(f"CREATE TABLE {name} ({columns})")
    postgres.run(f"INSERT INTO {name} VALUES {values}")  # noqa: S608 -- fixed texts
    return postgres.engine.table(name)


@pytest.mark.parametrize("kind", ["date", "timestamp", "timestamptz"])
def test_far_dates_of_postgres_are_outside_the_period(postgres: Place, kind: str) -> None:
    days = ["infinity", "-infinity", "4713-01-01 BC", "294275-01-01", "2020-03-01"]
    values = ", ".join(f"('{day}', 'p', '{day}', 'CA', 'old')" for day in days)
    columns = f"id text, sku text, day {kind}, st text, age text"
    assert total(postgres_table(postgres, "far", columns, values), timezone="UTC") == 1


def test_the_padding_of_a_char_column_is_no_part_of_it(postgres: Place) -> None:
    columns = "id char(5), sku char(5), day date, st char(5), age char(9)"
    values = "('a', 'p', '2020-03-01', 'CA', 'old'), ('a ', 'p ', '2020-03-02', 'NY ', 'old')"
    found = counted(postgres_table(postgres, "padded", columns, values))
    assert found.tolist() == [[0, 0, 0], [0, 1, 0], [0, 0, 0]]


MIXED = (
    "('Ann', 'p', '2020-03-01', 'CA', 'old'), ('ANN', 'p', '2020-03-01', 'CA', 'old'), "
    "('ann', 'P', '2020-03-01', 'CA', 'old'), ('x', 'p', '2020-03-01', 'ca', 'old')"
)


@pytest.mark.parametrize("collation", ["en-x-icu", "blind"])
def test_a_collation_of_postgres_makes_no_texts_alike(postgres: Place, collation: str) -> None:
    postgres.run(
        "CREATE COLLATION IF NOT EXISTS blind "
        "(provider = icu, locale = 'und-u-ks-level2', deterministic = false)"
    )
    kind = f'text COLLATE "{collation}"'
    columns = f"id {kind}, sku {kind}, day date, st {kind}, age text"
    found = counted(postgres_table(postgres, "collated", columns, MIXED))
    assert found.tolist() == [[0, 2, 0], [0, 0, 0], [0, 1, 0]]


def test_a_collation_of_duckdb_makes_no_texts_alike(duckdb: Place) -> None:
    kind = "VARCHAR COLLATE NOCASE"
    columns = f"id {kind}, sku {kind}, day DATE, st {kind}, age VARCHAR"
    found = counted(postgres_table(duckdb, "collated", columns, MIXED))
    assert found.tolist() == [[0, 2, 0], [0, 0, 0], [0, 1, 0]]


def test_postgres_counts_where_nothing_may_be_written(postgres: Place) -> None:
    table = postgres.table([row("a")], KINDS)
    with postgres.set("default_transaction_read_only", "on"):
        assert total(table) == 1


def test_a_transaction_that_is_open_stays_open(postgres: Place) -> None:
    table = postgres.table([row("a")], KINDS)
    with postgres.engine.con.transaction():
        before = postgres.settings()
        assert total(table) == 1
        assert postgres.settings() == before
        assert postgres.engine.con.info.transaction_status.name == "INTRANS"


# --- what is left behind -------------------------------------------------------------------
def test_the_engine_is_left_as_it_was(place: Place) -> None:
    table = place.table([row("a"), row("b", state=None)], KINDS)
    with place.zone("Asia/Tokyo"):
        before = place.held(), place.settings()
        total(table, ids="trim")
        gc.collect()
        assert (place.held(), place.settings()) == before


def test_the_engine_is_left_as_it_was_after_a_failure(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = place.table([row("a")], KINDS)
    before = place.held()

    def failing(*_: Any, **__: Any) -> None:
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(type(place.engine), "to_pyarrow", failing)
        with pytest.raises(RuntimeError):
            total(table)
    gc.collect()
    assert place.held() == before
    assert total(table) == 1


def test_the_working_directory_stays_empty(place: Place, elsewhere: Path) -> None:
    total(place.table([row("a")], KINDS))
    assert list(elsewhere.iterdir()) == []


# --- order ---------------------------------------------------------------------------------
SHUFFLED = [
    row(str(number % 40), DAY + timedelta(number % 3), state=["CA", "NY", None][number % 7 % 3])
    for number in range(200)
]


def test_the_order_of_rows_decides_nothing(place: Place) -> None:
    wanted = expected(inquiry(), SHUFFLED).tolist()
    for rows in (SHUFFLED, SHUFFLED[::-1]):
        assert counted(place.table(rows, KINDS)).tolist() == wanted


def test_the_number_of_partitions_decides_nothing(spark: Place) -> None:
    wanted = expected(inquiry(), SHUFFLED).tolist()
    for partitions in (1, 7):
        table = spark.table(SHUFFLED, KINDS, partitions=partitions)
        assert counted(table).tolist() == wanted


# --- a second table ------------------------------------------------------------------------
LISTED = {"id": "text", "age": "text"}


def with_buyers(sales: Table, people: Table, ids: str = "as_is") -> Any:
    held = Buyers(people, buyer="id", axes={"age": "age"})
    return counted(sales, axes={"state": "st"}, buyers=held, ids=ids).tolist()


def test_attributes_may_lie_in_a_second_table(place: Place) -> None:
    sales = place.table([row("a"), row("a", state="NY"), row("b"), row("c", sku="x")], KINDS)
    people = place.table(
        [("a", "young"), ("b", "old"), ("c", "old"), ("d", "old")], LISTED, "people"
    )
    assert with_buyers(sales, people) == [[1, 1, 0], [0, 0, 0], [0, 0, 0]]


def test_who_is_listed_twice_has_the_smallest_code(place: Place) -> None:
    sales = place.table([row("a"), row("b")], KINDS)
    people = place.table(
        [("a", "old"), ("a", "young"), ("a", None), ("b", "old")], LISTED, "people"
    )
    assert with_buyers(sales, people) == [[1, 1, 0], [0, 0, 0], [0, 0, 0]]


def test_who_is_not_listed_is_unknown(place: Place) -> None:
    sales = place.table([row("a"), row("b")], KINDS)
    people = place.table([("b", None), (None, "old"), ("", "old")], LISTED, "people")
    assert with_buyers(sales, people) == [[0, 0, 2], [0, 0, 0], [0, 0, 0]]


def test_ids_of_both_tables_are_spelt_by_one_rule(place: Place) -> None:
    sales = place.table([row("Vera "), row("\tfay")], KINDS)
    people = place.table([(" vera", "old"), ("FAY", "young")], LISTED, "people")
    assert with_buyers(sales, people, "trim_ascii_lower") == [[1, 1, 0], [0, 0, 0], [0, 0, 0]]


PEOPLE = "(1, 'CA', 'old'), (2, 'NY', NULL), (3, 'CA', 'old')"
BOUGHT = "(1, 'p', '2020-03-01'), (1, 'q', '2020-03-02'), (2, 'p', '2020-03-01'), "
BOUGHT += "(3, 'x', '2020-03-01'), (NULL, 'p', '2020-03-01')"


def keyed(postgres: Place, *statements: str) -> Purchases:
    """Sales whose ids a foreign key binds to the people."""
    postgres.drop("sales")
    postgres.run("DROP TABLE IF EXISTS folk")
    postgres.run("CREATE TABLE folk (id bigint PRIMARY KEY, st text, age text)")
    postgres.run(f"INSERT INTO folk VALUES {PEOPLE}")  # noqa: S608 -- fixed texts
    columns = "id bigint REFERENCES folk, sku text, day date"
    sales = postgres_table(postgres, "sales", columns, BOUGHT)
    for statement in statements:
        postgres.run(statement)
    held = Buyers(postgres.engine.table("folk"), buyer="id", axes={"state": "st", "age": "age"})
    return Purchases(sales, buyer="id", product="sku", date="day", buyers=held)


def test_keys_that_postgres_enforces_change_no_count(postgres: Place) -> None:
    purchases = keyed(postgres)
    with purchases.opened() as tables:
        assert keys_enforced(purchases, tables)
    found = counting.count(inquiry(), purchases)._tables["state", "age"]
    assert np.array_equal(found, [[0, 1, 0], [0, 0, 1], [0, 0, 0]])


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE folk ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE sales DISABLE TRIGGER ALL",
        "ALTER TABLE folk DISABLE TRIGGER ALL",
        "CREATE TABLE child () INHERITS (folk)",
        "CREATE TEMPORARY TABLE folk AS SELECT * FROM public.folk",
        "CREATE TEMPORARY VIEW sales AS SELECT * FROM public.sales",
    ],
)
def test_keys_that_may_not_hold_are_no_keys(postgres: Place, statement: str) -> None:
    purchases = keyed(postgres, statement)
    try:
        with purchases.opened() as tables:
            assert not keys_enforced(purchases, tables)
    finally:
        for leftover in ("TABLE IF EXISTS child", "TABLE IF EXISTS pg_temp.folk"):
            postgres.run(f"DROP {leftover}")
        postgres.run("DROP VIEW IF EXISTS pg_temp.sales")


def test_a_backslash_is_itself_whatever_the_session_takes_it_for(postgres: Place) -> None:
    asked = inquiry(
        products=["a\\b", "it's\\"], axes={"state": ["C\\A", "N'Y"], "age": ["young", "old"]}
    )
    rows = [row("x", sku="a\\b", state="C\\A"), row("y", sku="it's\\", state="N'Y")]
    table = postgres.table(rows, KINDS)
    postgres.run("SET standard_conforming_strings = off")
    try:
        assert counted(table, asked).tolist() == [[0, 1, 0], [0, 1, 0], [0, 0, 0]]
    finally:
        postgres.run("SET standard_conforming_strings = on")


def test_enums_of_postgres_are_their_texts(postgres: Place) -> None:
    postgres.drop("listed")
    postgres.run("DROP TYPE IF EXISTS word")
    postgres.run("CREATE TYPE word AS ENUM ('a', 'b', 'p', 'CA', 'NY', 'old')")
    columns = "id word, sku word, day date, st word, age word"
    values = "('a', 'p', '2020-03-01', 'CA', 'old'), ('b', 'p', '2020-03-01', 'NY', NULL)"
    found = counted(postgres_table(postgres, "listed", columns, values), ids="trim")
    assert found.tolist() == [[0, 1, 0], [0, 0, 1], [0, 0, 0]]


def test_no_integer_in_the_list_is_no_integer_in_scope(place: Place) -> None:
    table = place.table([row("a", sku=7)], KINDS | {"sku": "integer"})
    assert total(table, inquiry(products=["p"])) == 0


def test_ids_of_broken_bytes_stay_apart(spark: Place) -> None:
    session = spark.engine._session
    one = "SELECT CAST(X'61{}' AS STRING) AS id, 'p' AS sku, DATE'2020-03-01' AS day, '{}' AS st"
    one += ", 'old' AS age"
    query = " UNION ALL ".join(one.format(*each) for each in [("FF", "CA"), ("FE", "NY")])
    session.sql(query).createOrReplaceTempView("broken")
    assert total(spark.engine.table("broken")) == 2
