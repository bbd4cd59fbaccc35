"""Whatever columns are called, and however their values are typed, one buyer is one."""

import csv
from datetime import date
from pathlib import Path
from typing import Any

import ibis
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dpnotice.retailer import counting
from dpnotice.retailer.purchases import Purchases
from made.releases import matter

INQUIRY = matter(
    products=["p", "7"], axes={"state": ["CA", "NY"]}, tables=[{"of": []}, {"of": ["state"]}]
)
DAY = date(2020, 3, 1)
PLAIN = {
    "buyer": ["a", "b", "b", "c"],
    "product": ["p", "p", "p", "cr\u00e8me"],
    "date": [DAY, DAY, date(2020, 3, 2), DAY],
    "state": ["CA", "CA", "NY", "CA"],
}
NO_UTF8: list[Any] = ["\udcff", 10**5000]
OURS = ["id", "buyer", "product", "product_code", "moment", "since", "raw_state", "text_state"]
OURS += ["is_state", "level_state", "listed", "cell", "key", "person", "present"]


def states(source: Any, **columns: str) -> list[int]:
    mapped = {"buyer": "buyer", "product": "product", "date": "date"} | columns
    axes = {"state": mapped.pop("state", "state")}
    exact = counting.count(INQUIRY, Purchases(source, **mapped, axes=axes))
    return exact._tables["state",].tolist()


def in_a_database(table: pa.Table) -> Any:
    engine = ibis.duckdb.connect()
    engine.con.register("arrow", table)
    engine.raw_sql("CREATE TABLE bought AS FROM arrow")
    engine.con.unregister("arrow")
    return engine.table("bought")


@pytest.mark.parametrize("name", [*OURS, *map(str.upper, OURS)])
@pytest.mark.parametrize("role", PLAIN)
def test_a_column_may_be_called_what_one_of_ours_is(role: str, name: str) -> None:
    """Two columns of one name would put one buyer's value in the place of another's."""
    columns = {f"x_{given}" if given != role else name: held for given, held in PLAIN.items()}
    mapping = {given: f"x_{given}" for given in PLAIN} | {role: name}
    table = pa.table(columns)
    assert states(table, **mapping) == states(in_a_database(table), **mapping) == [1, 1, 0]


def test_one_column_may_have_several_roles() -> None:
    table = pa.table(PLAIN | {"state": PLAIN["buyer"]})
    assert states(table, state="buyer") == [0, 0, 2]


# --- values of no common type -------------------------------------------------------------------
def frame(ids: Any, products: Any = "p", places: Any = "CA") -> pd.DataFrame:
    given = {"buyer": ids, "product": products, "state": places}
    columns = {
        name: pd.Series(held, dtype=object) if isinstance(held, list) else held
        for name, held in given.items()
    }
    return pd.DataFrame(columns | {"date": DAY})


@pytest.mark.parametrize("column", ["buyer", "product", "state"])
@pytest.mark.parametrize("odd", ["x7", 7, None])
def test_one_odd_category_moves_nobody_else(column: str, odd: object) -> None:
    """A category column has one type for everybody's values."""
    others: dict[str, Any] = {"buyer": [1, 2], "product": ["p", "p"], "state": ["CA", "NY"]}
    names = {"buyer": "ids", "product": "products", "state": "places"}
    given = {names[name]: held for name, held in others.items()}
    more = {
        names[name]: [*held, odd if name == column else held[0] if name != "buyer" else 3]
        for name, held in others.items()
    }
    before, after = frame(**given), frame(**more)
    for each in (before, after):
        each[column] = each[column].astype(object).astype("category")
    changes = [abs(x - y) for x, y in zip(states(before), states(after), strict=True)]
    assert sum(changes) <= 1


@pytest.mark.parametrize("odd", NO_UTF8, ids=["surrogate", "digits"])
def test_an_object_that_is_no_text_of_utf8_is_null(odd: object) -> None:
    ids = pd.Series(["a", odd], dtype=object)
    assert states(frame(ids)) == [1, 0, 0]


def test_a_folder_named_like_a_column_is_no_column(tmp_path: Path) -> None:
    """Its type would be guessed from the folders, so from who has a purchase there."""
    table = pa.table(PLAIN)
    for place in ("state=NY", "state=TX"):
        (tmp_path / place).mkdir()
        pq.write_table(table, tmp_path / place / "a.parquet")
    assert states(tmp_path / "*" / "a.parquet") == states(table)


# --- text files ---------------------------------------------------------------------------------
def written(path: Path, rows: list[list[str]], encoding: str = "utf-8") -> Path:
    with path.open("w", encoding=encoding, newline="") as lines:
        csv.writer(lines, quoting=csv.QUOTE_ALL).writerows(rows)
    return path


def test_a_csv_with_a_byte_order_mark_may_quote_its_header(tmp_path: Path) -> None:
    rows = [list(PLAIN), ["a", "p", "2020-03-01", "CA"]]
    assert states(written(tmp_path / "a.csv", rows, "utf-8-sig")) == [1, 0, 0]


@pytest.mark.parametrize("time", ["24:00:00", "23:60:00", "23:59:60", "25:00"])
def test_a_time_that_no_clock_shows_is_no_time(tmp_path: Path, time: str) -> None:
    path = written(tmp_path / "a.csv", [list(PLAIN), ["a", "p", f"2020-03-01 {time}", "CA"]])
    assert states(path, timezone="UTC") == [0, 0, 0]
