"""Sales that DuckDB makes for the speed benchmark: Parquet parts, a buyers table, a database.

In: a number of rows and a folder. Out: the files, kept with a manifest so that a later run can
use them again. A fifth of the rows lies in scope; a buyer's rows are spread over all parts.
"""

# ruff: noqa: S608 -- every text in a query is a constant of this file

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb

VERSION: Final = 1
"""Raise when the files change, so that kept ones are made again."""
PARTS: Final = 8
ROWS_PER_BUYER: Final = 8
STATES: Final = tuple(f"{a}{b}" for a in "ABCDE" for b in "ABCDEFGHIJ")  # 50, and unknown
AGES: Final = ("18-24", "25-34", "35-44", "45-54", "55-64", "65+")
CONTACTS: Final = ("email+post", "email", "post")
AXES: Final = {"state": STATES, "age": AGES, "contact": CONTACTS}
COLUMNS: Final = {"state": "ship_state", "age": "age_band", "contact": "contact"}
CELLS: Final = 51 * 7 * 4
CONFLICTED: Final = STATES[-5:]
"""Only there do a buyer's rows disagree, in a tenth of rows; elsewhere every rule counts alike."""
PRODUCTS: Final = tuple(f"SKU-{number:05d}" for number in range(1000))
IN_SCOPE: Final = PRODUCTS[::4]
PERIOD: Final = ("2017-01-01", "2021-01-01")  # 1,461 of 1,827 days: with the products, 20.0 %
FIRST_DAY: Final = "2016-06-01"
DAYS: Final = 1827

BYTES_PER_ROW: Final = 30
"""Files, 12 of it, and room for what a count may spill."""
KEYED_BYTES_PER_ROW: Final = 90
"""Table and the two indexes of the keys, 44 of it, and the log while it loads."""

_SPREAD: Final = 45_000_000_007  # odd, so i -> i * _SPREAD mod 2^40 never gives one id twice
_IDS: Final = 2**40
_PERSON: Final = 2**41  # offsets that keep the hashes of rows and buyers apart
_SALE: Final = 2**42
_ID: Final = f"((i * {_SPREAD} + 12345) % {_IDS})::BIGINT AS customer_id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sales:
    """The files of one size.

    Attributes:
        folder: where they lie.
        rows: purchases.
        date: kind of the column ``ordered_at``, ``date`` or ``timestamp``.
    """

    folder: Path
    rows: int
    date: str

    @property
    def buyers(self) -> int:
        return max(1, self.rows // ROWS_PER_BUYER)

    @property
    def parts(self) -> str:
        """The purchases, as a glob."""
        return str(self.folder / "sales-*.parquet")

    @property
    def buyers_file(self) -> str:
        return str(self.folder / "buyers.parquet")

    @property
    def database(self) -> str:
        """The same rows where the engine enforces both keys, if they were loaded."""
        return str(self.folder / "keys.duckdb")


def made(sales: Sales) -> bool:
    """Return whether the folder already holds these very files, whole."""
    written = sales.folder / "manifest.json"
    return written.is_file() and json.loads(written.read_text("utf-8")) == _manifest(sales)


def make(sales: Sales) -> None:
    """Write the Parquet files, the manifest last, so that an interrupted run leaves none."""
    shutil.rmtree(sales.folder, ignore_errors=True)
    sales.folder.mkdir(parents=True)
    _check_disk(sales, BYTES_PER_ROW)
    with connection(sales.folder) as con:
        for part in range(PARTS):
            low, high = (sales.rows * place // PARTS for place in (part, part + 1))
            _copy(con, _sales(sales, low, high), sales.folder / f"sales-{part}.parquet")
        _copy(con, _buyers(sales), Path(sales.buyers_file))
    text = json.dumps(_manifest(sales))
    (sales.folder / "manifest.json").write_text(text, encoding="utf-8")


def load_with_keys(sales: Sales) -> None:
    """Load the files into a database that enforces the primary and the foreign key.

    It gets its name when it is whole.
    """
    _check_disk(sales, KEYED_BYTES_PER_ROW)
    loading = Path(f"{sales.database}.loading")
    loading.unlink(missing_ok=True)
    with connection(sales.folder) as con:
        con.execute(f"ATTACH '{loading}' AS keyed")
        con.execute(
            "CREATE TABLE keyed.buyers (customer_id BIGINT PRIMARY KEY, ship_state VARCHAR, "
            "age_band VARCHAR, contact VARCHAR)"
        )
        con.execute(
            "CREATE TABLE keyed.sales (customer_id BIGINT REFERENCES buyers(customer_id), "
            f"sku VARCHAR, ordered_at {sales.date})"
        )
        con.execute(f"INSERT INTO keyed.buyers FROM '{sales.buyers_file}'")
        con.execute(
            f"INSERT INTO keyed.sales SELECT customer_id, sku, ordered_at FROM '{sales.parts}'"
        )
        con.execute("DETACH keyed")
    loading.rename(sales.database)


def _manifest(sales: Sales) -> dict[str, Any]:
    return {"version": VERSION, "rows": sales.rows, "date": sales.date, "parts": PARTS}


def _check_disk(sales: Sales, per_row: int) -> None:
    """Refuse, before a byte is written, sizes that the disk cannot hold."""
    needed = sales.rows * per_row / 1e9
    free = shutil.disk_usage(sales.folder).free / 1e9
    said = f"{sales.rows:,} rows: up to {needed:.1f} GB are needed, {free:.1f} GB are free"
    print(said, flush=True)
    if free < 1.2 * needed:
        raise SystemExit(f"{said}; choose another --folder or fewer --rows")


@contextmanager
def connection(folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Connect to an in-memory DuckDB that spills beside the data, for making and checking."""
    with duckdb.connect() as con:
        con.execute("SET preserve_insertion_order = false")
        con.execute(f"SET temp_directory = '{folder / 'spill'}'")
        yield con
    shutil.rmtree(folder / "spill", ignore_errors=True)


def _copy(con: duckdb.DuckDBPyConnection, query: str, path: Path) -> None:
    con.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet)")


def _sales(sales: Sales, low: int, high: int) -> str:
    """Build the purchases of one part: buyer, product, day and attributes from hashes of the row.

    Every row has its own hash; the buyer's hash gives the attributes.
    """
    when = f"DATE '{FIRST_DAY}' + ((sale >> 20) % {DAYS})::INTEGER"
    if sales.date == "timestamp":
        when = f"({when}) + to_seconds(((sale >> 34) % 86400)::BIGINT)"
    first = len(STATES) - len(CONFLICTED)
    conflict = f"(person % {len(STATES)} >= {first} AND (sale >> 52) % 10 = 0)::INTEGER"
    return f"""
        WITH drawn AS (
            SELECT (hash(range) % {sales.buyers})::BIGINT AS i, hash(range + {_SALE}) AS sale
            FROM range({low}, {high})
        ), told AS (SELECT i, sale, hash(i + {_PERSON}) AS person FROM drawn)
        SELECT {_ID}, {_pick(PRODUCTS, "sale")} AS sku, {when} AS ordered_at,
               {_attributes(f"(person >> 16) + {conflict}")}
        FROM told"""


def _buyers(sales: Sales) -> str:
    return f"""
        WITH told AS (
            SELECT range AS i, hash(range + {_PERSON}) AS person FROM range({sales.buyers})
        )
        SELECT {_ID}, {_attributes("(person >> 16)")} FROM told"""


def _attributes(age: str) -> str:
    """Build the three attributes; a few are missing, a few are no public level."""
    return f"""
        CASE (person >> 8) % 64 WHEN 0 THEN NULL WHEN 1 THEN 'ZZ'
             ELSE {_pick(STATES, "person")} END AS ship_state,
        CASE (person >> 24) % 32 WHEN 0 THEN NULL ELSE {_pick(AGES, age)} END AS age_band,
        CASE (person >> 40) % 16 WHEN 0 THEN 'none'
             ELSE {_pick(CONTACTS, "(person >> 32)")} END AS contact"""


def _pick(texts: tuple[str, ...], number: str) -> str:
    listed = ", ".join(f"'{text}'" for text in texts)
    return f"[{listed}][(({number}) % {len(texts)})::BIGINT + 1]"
