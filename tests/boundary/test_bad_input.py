"""What a retailer may bring, row by row: a refusal of its own code, or a normal answer.

In: each row of bad input with the call that provokes it. Out: the error and its code, before any
debit and without a value from the data; or the counts that the fixed rule gives. Answers are asked
at a loss of 40, so that a cell differs from its exact count once in 10^17 draws.
"""

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import dpnotice as dn
from dpnotice.errors import DpnoticeError, InquiryError, LedgerError, PurchasesError, ReleaseError
from made import layouts, releases

CAP = "40"
PLANTED = "91379137"
"""Stands in every column that is not public, as text or as a number."""
DAY = date(2020, 3, 1)
ROW = (PLANTED, "p", DAY, "CA")
MAPPING = {**layouts.COLUMNS, "axes": {"state": "st"}}
LOSS = {"privacy": {"epsilon": CAP}, "tables": [{"of": ["state"]}]}
STATES = releases.matter(**LOSS)
INJECTED = 'st"; DROP TABLE sales; --'
NAMES = ["", "..", "../shop", "a/b", "a\\b", ".a", "a\n", "a b", "\u00e4", "a" * 65]
BUDGETS = ["0", "0.0", "-1", "nan", "inf", "1e1", "", 1.0, 0, float("nan"), float("inf"), True]


@dataclass(frozen=True, slots=True)
class Shop:
    """A retailer with a folder for its files and a ledger in which nothing is spent."""

    folder: Path
    ledger: dn.Ledger

    def ask(self, source: object, asked: dn.Inquiry = STATES, **mapping: Any) -> dn.Release:
        purchases = dn.Purchases(source, **(MAPPING | mapping))
        return dn.answer(asked, purchases, retailer="shop", ledger=self.ledger)

    def counts(self, *arguments: Any, **mapping: Any) -> list[int]:
        """Return the cells of the one table."""
        (table,) = self.ask(*arguments, **mapping).tables.values()
        return [int(count) for count in table.counts]

    def file(self, name: str, content: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content)
        return path

    def parquet(self, name: str, table: pa.Table, *, cut: int = 0) -> Path:
        """Write a table as a file, without its last bytes."""
        pq.write_table(table, self.folder / name)
        whole = (self.folder / name).read_bytes()
        return self.file(name, whole[: len(whole) - cut])


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path, dn.Ledger.create(tmp_path / "shop.ledger", epsilon_cap=CAP))


class Row(NamedTuple):
    """A row of bad input: its words, what is called, and a refusal (class, code) or a result."""

    words: str
    call: Callable[[Shop], object]
    result: object


def states(*cells: object, **kinds: pa.DataType) -> pa.Table:
    """One buyer per value of the state column."""
    return layouts.sales(*((f"{PLANTED}{i}", "p", DAY, c) for i, c in enumerate(cells)), **kinds)


def bought(*ids: object, **kinds: pa.DataType) -> pa.Table:
    return layouts.sales(*((each, "p", DAY, "CA") for each in ids), **kinds)


def on(*moments: object, **kinds: pa.DataType) -> pa.Table:
    """One buyer per moment."""
    return layouts.sales(*((f"b{i}", "p", m, "CA") for i, m in enumerate(moments)), **kinds)


# --- the calls -----------------------------------------------------------------------------
def an_age_of_minus_five(shop: Shop) -> list[int]:
    asked = releases.matter(axes={"age": ["18"]}, **LOSS | {"tables": [{"of": ["age"]}]})
    ages = states(18, -5, None, st=pa.int64())
    return shop.counts(ages, asked, axes={"age": "st"})


def later_purchases_elsewhere(shop: Shop) -> list[int]:
    rows = [("a", "p", DAY, "CA"), ("a", "p", date(2020, 3, 2), "NY"), ("a", "p", DAY, "CA")]
    return shop.counts(layouts.sales(*rows))


def the_ends_of_the_period(shop: Shop) -> list[int]:
    """The first instants of 2020 and of 2021 in New York are 5:00 in UTC."""
    asked = releases.matter(timezone="America/New_York", **LOSS)
    moments = [
        datetime.fromisoformat(f"{day}T{time}+00:00")
        for day in ("2020-01-01", "2021-01-01")
        for time in ("04:59:59", "05:00:00")
    ]
    return shop.counts(on(*moments, day=pa.timestamp("us", tz="UTC")), asked)


def two_times_of_one_second(shop: Shop) -> list[int]:
    noon = datetime(2020, 3, 1, 12)  # noqa: DTZ001 -- a local time, as its column says
    rows = [("a", "p", noon.replace(microsecond=m), s) for m, s in [(9, "CA"), (900_000, "NY")]]
    return shop.counts(layouts.sales(*rows, day=pa.timestamp("us")), timezone="UTC")


def parts_that_disagree(shop: Shop) -> object:
    whole = bought(PLANTED)
    parts = [("a.parquet", whole), ("b.parquet", whole.append_column("note", [[PLANTED]]))]
    return shop.ask([shop.parquet(name, part) for name, part in parts])


def an_extra_column(shop: Shop) -> list[int]:
    return shop.counts(bought(PLANTED).append_column("note", [[PLANTED]]))


def a_part_that_is_not_there(shop: Shop) -> object:
    there = shop.parquet("a.parquet", bought(PLANTED))
    return shop.ask([there, shop.folder / f"{PLANTED}.parquet"])


def csv(shop: Shop, name: str, last: bytes, *, cut: int = 0) -> object:
    """Ask about a text file with this last row, without its last bytes."""
    rows = b"id,sku,day,st\n" + f"{PLANTED},p,2020-03-01,CA\n".encode() + last
    packed = gzip.compress(rows) if name.endswith(".gz") else rows
    return shop.ask(shop.file(name, packed[: len(packed) - cut]))


def a_million_cells(_shop: Shop) -> object:
    levels = [f"l{i}" for i in range(1_000)]
    return releases.matter(axes={"a": levels, "b": levels}, tables=[{"of": ["a", "b"]}])


def texts_that_a_spreadsheet_would_run(shop: Shop) -> object:
    """No export is there yet that could prefix them: the release and its frame hold the data."""
    levels = ["=1+1", "+1", "-5", "@SUM(A1)"]
    asked = releases.matter(products=["=p"], axes={"state": levels}, **LOSS)
    cells = [*levels, "\t=1+1", "\r=1+1"]
    rows = [(f"{cell}{PLANTED}", "=p", DAY, cell) for cell in cells]
    frame = shop.ask(layouts.sales(*rows), asked).to_frame()
    return [*zip(frame["cell"], frame["count"], strict=True)]


def named(shop: Shop, name: str) -> object:
    purchases = dn.Purchases(bought(PLANTED), **MAPPING)
    return dn.answer(STATES, purchases, retailer=name, ledger=shop.ledger)


def made(count: int = 9) -> dn.Release:
    return releases.release(STATES, {("state",): np.array([count, 0, 0])}, 1.0)


def saved_over(shop: Shop, count: int) -> bytes:
    path = shop.folder / "shop.release"
    made().save(path)
    made(count).save(path)
    return path.read_bytes()


def saved_through_a_link(shop: Shop, target: str) -> None:
    link = shop.folder / "shop.release"
    link.symlink_to(shop.file(target, b"kept") if target == "there" else shop.folder / target)
    made().save(link)


def sql_as_a_column(shop: Shop) -> list[int]:
    table = bought(PLANTED).rename_columns(["id", "sku", "day", INJECTED])
    return shop.counts(table, axes={"state": INJECTED})


def sql_as_a_column_of_a_database(shop: Shop) -> object:
    declared = f'id TEXT, sku TEXT, day DATE, "{INJECTED.replace(chr(34), chr(34) * 2)}" TEXT'
    engine = layouts.database(sales=(declared, [ROW]))
    found = shop.counts(engine.table("sales"), axes={"state": INJECTED})
    return found, engine.raw_sql("SHOW TABLES").fetchall()


def sql_as_a_product(shop: Shop) -> list[int]:
    asked = releases.matter(products=["p' OR '1'='1", "q'); DROP TABLE sales; --"], **LOSS)
    return shop.counts(bought(PLANTED), asked)


def beyond_the_cap(shop: Shop) -> object:
    asked = releases.matter(**LOSS | {"privacy": {"epsilon": "40.000000001"}})
    return shop.ask(bought(PLANTED), asked)


# --- the rows, in their order --------------------------------------------------------------
# Left out, as the feature is not there: the person key (for sketches only), and prefixes of texts
# in an export.
MATRIX = [
    Row("null or blank id (guest)", lambda at: at.counts(bought(None, " ", "\t", "a")), [1, 0, 0]),
    Row(
        "null or blank id, on_null_id=fail",
        lambda at: at.ask(bought(PLANTED, " "), on_null_id="fail"),
        (PurchasesError, "NULL_ID"),
    ),
    Row("null or off-list attribute", lambda at: at.counts(states(None, "TX", "CA")), [1, 0, 2]),
    Row("age -5", an_age_of_minus_five, [1, 2]),
    Row("conflicting attributes", later_purchases_elsewhere, [0, 1, 0]),
    Row("id spelling, as_is", lambda at: at.counts(bought("A", " a", "a")), [3, 0, 0]),
    Row("id spelling, trim", lambda at: at.counts(bought("A", " a", "a"), ids="trim"), [2, 0, 0]),
    Row(
        "id spelling, trim_ascii_lower",
        lambda at: at.counts(bought("A", " a", "a"), ids="trim_ascii_lower"),
        [1, 0, 0],
    ),
    Row(
        "id spelling, another rule",
        lambda at: at.ask(bought(PLANTED), ids="nfkc"),
        (PurchasesError, "IDS_RULE"),
    ),
    Row("period", the_ends_of_the_period, [2, 0, 0]),
    Row("timestamps", two_times_of_one_second, [1, 0, 0]),
    Row(
        "float id column",
        lambda at: at.ask(bought(float(PLANTED), id=pa.float64())),
        (PurchasesError, "ID_TYPE"),
    ),
    Row(
        "non-numeric age",
        lambda at: at.ask(states(DAY, st=pa.date32())),
        (PurchasesError, "SCHEMA_TYPE"),
    ),
    Row(
        "naive time without zone",
        lambda at: at.ask(on(datetime(2020, 3, 1), day=pa.timestamp("us"))),  # noqa: DTZ001 -- the row
        (PurchasesError, "TZ_REQUIRED"),
    ),
    Row(
        "missing column",
        lambda at: at.ask(bought(PLANTED), axes={"state": "none"}),
        (PurchasesError, "SCHEMA_MISSING"),
    ),
    Row("parts disagree", parts_that_disagree, (PurchasesError, "SCHEMA_DRIFT")),
    Row("extra column", an_extra_column, [1, 0, 0]),
    Row("fewer files than the list", a_part_that_is_not_there, (PurchasesError, "PARTIAL_INPUT")),
    Row(
        "truncated Parquet",
        lambda at: at.ask(at.parquet("a.parquet", bought(PLANTED), cut=9)),
        (PurchasesError, "SOURCE_CORRUPT"),
    ),
    Row(
        "truncated CSV",
        lambda at: csv(at, "a.csv", f"{PLANTED},p".encode()),
        (PurchasesError, "SOURCE_CORRUPT"),
    ),
    Row(
        "truncated CSV, compressed",
        lambda at: csv(at, "a.csv.gz", b"", cut=9),
        (PurchasesError, "SOURCE_CORRUPT"),
    ),
    Row(
        "mis-encoded",
        lambda at: csv(at, "a.csv", f"\u00e4{PLANTED},p,2020-03-01,CA\n".encode("latin-1")),
        (PurchasesError, "SOURCE_CORRUPT"),
    ),
    Row("empty class", lambda at: at.counts(bought()), [0, 0, 0]),
    Row("more than 10^6 released cells", a_million_cells, (InquiryError, "DOMAIN_TOO_LARGE")),
    Row(
        "text starting = + - @ TAB CR",
        texts_that_a_spreadsheet_would_run,
        [("=1+1", 1), ("+1", 1), ("-5", 1), ("@SUM(A1)", 1), ("unknown", 2)],
    ),
    *(
        Row(f"name {n!a} of a retailer", lambda at, n=n: named(at, n), (PurchasesError, "BAD_NAME"))
        for n in [*NAMES, "a..b", "a."]
    ),
    *(
        Row(
            f"name {n!a} of a matter",
            lambda _, n=n: releases.matter(name=n),
            (InquiryError, "BAD_NAME"),
        )
        for n in NAMES
    ),
    *(
        Row(
            f"symlink to what is {target}",
            lambda at, target=target: saved_through_a_link(at, target),
            (ReleaseError, "OUTPUT_EXISTS"),
        )
        for target in ("there", "absent")
    ),
    Row("existing output", lambda at: saved_over(at, 7), (ReleaseError, "OUTPUT_EXISTS")),
    Row("existing output, identical", lambda at: saved_over(at, 9), made().to_bytes()),
    Row("SQL in column names", sql_as_a_column, [1, 0, 0]),
    Row(
        "SQL in column names of a database",
        sql_as_a_column_of_a_database,
        ([1, 0, 0], [("sales",)]),
    ),
    Row(
        "SQL in column names that are not there",
        lambda at: at.ask(bought(PLANTED), axes={"state": INJECTED}),
        (PurchasesError, "SCHEMA_MISSING"),
    ),
    Row("SQL in filters: a product", sql_as_a_product, [0, 0, 0]),
    Row(
        "SQL in filters: a source",
        lambda at: at.ask("SELECT * FROM sales WHERE true"),
        (PurchasesError, "SOURCE_MISSING"),
    ),
    *(
        Row(
            f"epsilon {budget!r}",
            lambda _, budget=budget: releases.matter(privacy={"epsilon": budget}),
            (InquiryError, "BAD_BUDGET"),
        )
        for budget in BUDGETS
    ),
    *(
        Row(
            f"cap {budget!r}",
            lambda at, budget=budget: dn.Ledger.create(at.folder / "b", epsilon_cap=budget),
            (InquiryError, "BAD_BUDGET"),
        )
        for budget in BUDGETS
    ),
    Row("epsilon above cap", beyond_the_cap, (LedgerError, "BUDGET_EXCEEDED")),
]
REFUSED = [r for r in MATRIX if isinstance(r.result, tuple) and isinstance(r.result[0], type)]
NORMAL = [row for row in MATRIX if row not in REFUSED]


def refusal(row: Row, shop: Shop) -> DpnoticeError:
    with pytest.raises(DpnoticeError) as caught:
        row.call(shop)
    return caught.value


# --- what each row gives -------------------------------------------------------------------
@pytest.mark.parametrize("row", REFUSED, ids=lambda row: row.words)
def test_bad_input_of_a_retailer_is_refused_by_its_code(row: Row, shop: Shop) -> None:
    found = refusal(row, shop)
    assert (type(found), found.code) == row.result


@pytest.mark.parametrize("row", REFUSED, ids=lambda row: row.words)
def test_a_refusal_at_a_retailer_quotes_no_value(row: Row, shop: Shop) -> None:
    found = refusal(row, shop)
    assert PLANTED not in f"{found} {found!r} {found.args} {vars(found)}"
    assert str(found).isprintable()
    if isinstance(found, PurchasesError):
        assert (found.__cause__, found.__context__) == (None, None)


@pytest.mark.parametrize("row", REFUSED, ids=lambda row: row.words)
def test_a_refusal_at_a_retailer_costs_nothing(row: Row, shop: Shop) -> None:
    refusal(row, shop)
    assert shop.ledger.remaining(STATES, "shop") == Decimal(CAP)
    assert shop.ledger.accounts() == ()


@pytest.mark.parametrize("row", NORMAL, ids=lambda row: row.words)
def test_odd_input_of_a_retailer_gives_a_normal_result(row: Row, shop: Shop) -> None:
    """False alarm: below 10^-15 per row."""
    assert row.call(shop) == row.result


# --- beside the rows -----------------------------------------------------------------------
def test_a_refused_budget_leaves_no_ledger(shop: Shop) -> None:
    with pytest.raises(InquiryError):
        dn.Ledger.create(shop.folder / "b", epsilon_cap="0")
    assert not (shop.folder / "b").exists()


def test_a_budget_that_is_exceeded_is_told_with_spent_asked_and_cap(shop: Shop) -> None:
    with pytest.raises(LedgerError, match=r"epsilon spent 0, asked 40\.000000001, cap 40; "):
        beyond_the_cap(shop)


@pytest.mark.parametrize("target", ["there", "absent"])
def test_what_a_link_points_at_is_left_alone(target: str, shop: Shop) -> None:
    with pytest.raises(ReleaseError):
        saved_through_a_link(shop, target)
    kept = {path.name: path.read_bytes() for path in shop.folder.iterdir() if path.is_file()}
    kept.pop("shop.ledger")
    assert kept == ({"there": b"kept", "shop.release": b"kept"} if target == "there" else {})
