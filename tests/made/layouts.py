"""One retailer's rows in several layouts: attributes with the purchases, apart from them, mixed."""

from collections.abc import Mapping, Sequence
from typing import Any

import ibis
import pyarrow as pa

from dpnotice.inquiry import Inquiry
from dpnotice.retailer import counting
from dpnotice.retailer.purchases import Buyers, Purchases
from made.releases import matter

Row = tuple[Any, ...]
SALES = {"id": pa.string(), "sku": pa.string(), "day": pa.date32(), "st": pa.string()}
PEOPLE = {"cust": pa.string(), "age": pa.string()}
COLUMNS = {"buyer": "id", "product": "sku", "date": "day"}


def inquiry(**changes: object) -> Inquiry:
    """Two states by two ages, in New York's year 2020."""
    plain = {
        "timezone": "America/New_York",
        "products": ["p", "42"],
        "axes": {"state": ["CA", "NY"], "age": ["young", "old"]},
        "tables": [{"of": []}, {"of": ["state", "age"]}],
    }
    return matter(**(plain | changes))


def frame(columns: Mapping[str, pa.DataType], rows: Sequence[Row]) -> pa.Table:
    """Make an Arrow table of rows."""
    values = list(zip(*rows, strict=True)) or [()] * len(columns)
    arrays = [pa.array(column, kind) for column, kind in zip(values, columns.values(), strict=True)]
    return pa.table(dict(zip(columns, arrays, strict=True)))


def sales(*rows: Row, **kinds: pa.DataType) -> pa.Table:
    """Rows of buyer, product, date, state."""
    return frame(SALES | kinds, rows)


def people(*rows: Row, **kinds: pa.DataType) -> pa.Table:
    """Rows of buyer, age."""
    return frame(PEOPLE | kinds, rows)


def apart(bought: object, listed: object, /, **changes: Any) -> Purchases:
    """State with the purchases, age in the buyers table."""
    kept = {"buyer": "cust", "axes": {"age": "age"}} | changes.pop("listed", {})
    mapping = COLUMNS | {"axes": {"state": "st"}} | changes
    return Purchases(bought, buyers=Buyers(listed, **kept), **mapping)


def database(**tables: tuple[str, Sequence[Row]]) -> Any:
    """Connect to a DuckDB with these tables: name -> (declared columns, rows)."""
    engine = ibis.duckdb.connect()
    for name, (declared, rows) in tables.items():
        engine.raw_sql(f"CREATE TABLE {name} ({declared})")
        for row in rows:
            marks = ", ".join("?" for _ in row)
            engine.con.execute(f"INSERT INTO {name} VALUES ({marks})", list(row))  # noqa: S608 -- names of the tests' own
    return engine


def cross(purchases: Purchases, asked: Inquiry | None = None) -> list[list[int]]:
    """Return the exact counts over every axis."""
    asked = asked or inquiry()
    exact = counting.count(asked, purchases)._tables
    return exact[tuple(asked.axes)].tolist()


def only(state: int, age: int) -> list[list[int]]:
    """One buyer in one cell of state by age, zero elsewhere."""
    return [[int((s, a) == (state, age)) for a in range(3)] for s in range(3)]
