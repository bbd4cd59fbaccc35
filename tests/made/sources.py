"""A generated shop in every form a retailer may hold it in.

In: a `Setting`, a `Shop` and a folder. Out: `Purchases` whose sources are frames, files or tables.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import ibis
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from dpnotice.retailer.purchases import Purchases
from made import shops
from made.bulk import arrow, mapping
from made.shops import SECOND, Setting, Shop

FORMS: dict[str, Callable[[pa.Table, Path], Any]] = {
    "arrow": lambda table, _: table,
    "polars": lambda table, _: pl.from_arrow(table),
    "lazy": lambda table, _: pl.from_arrow(table).lazy(),
    "pandas": lambda table, _: table.to_pandas(types_mapper=pd.ArrowDtype),
    "objects": lambda table, _: objects(table),
    "parquet": lambda table, path: _parquet(table, path, 1),
    "parts": lambda table, path: _parquet(table, path, 3),
    "csv": lambda table, path: _csv(table, path, 1),
    "csv parts": lambda table, path: _csv(table, path, 2),
}
TABLE = "ibis"
"""A form apart: both tables lie in one engine."""


def plain(at: Setting, shop: Shop) -> Shop:
    """Leave out moments beyond the years that Python's own dates can hold."""
    unit = 1 if at.kinds["day"] == "DATE" else 86_400 * SECOND
    near = [r for r in shop.rows if r[2] is None or -700_000 < r[2] // unit < 2_900_000]
    return Shop(near, shop.listed)


def fits(form: str, at: Setting) -> bool:
    """Tell whether a form can say what the setting's columns hold."""
    return not (form.startswith("csv") and at.kinds["day"] == "TIMESTAMPTZ")


def purchases(form: str, at: Setting, shop: Shop, folder: Path) -> Purchases:
    """Hold a shop in one form."""
    near, far = arrow(at.kinds, shop.rows), arrow(at.listed or {"id": "VARCHAR"}, shop.listed)
    if form == TABLE:
        engine = ibis.duckdb.connect()
        for name, table in {"p": near, "b": far}.items():
            engine.con.register("given", table)
            engine.raw_sql(f"CREATE TABLE {name} AS FROM given")
        engine.con.unregister("given")
        return mapping(at, engine.table("p"), engine.table("b"))
    make = FORMS[form]
    return mapping(at, make(near, folder / "p"), make(far, folder / "b"))


def objects(table: pa.Table) -> pd.DataFrame:
    """Return columns of objects, as pandas holds what it cannot type; times keep their type."""
    frame = table.to_pandas(types_mapper=pd.ArrowDtype)
    for name in frame.columns:
        if not pa.types.is_timestamp(table.schema.field(name).type):
            values = [_as_uuid(value) for value in table[name].to_pylist()]
            frame[name] = pd.Series(values, dtype=object)
    return frame


def _as_uuid(value: Any) -> Any:
    known = isinstance(value, str) and value in shops.IDS["UUID"][0]
    return UUID(value) if known else value


def _parquet(table: pa.Table, path: Path, parts: int) -> str:
    path.mkdir(exist_ok=True)
    for number, part in enumerate(split(table, parts)):
        pq.write_table(part, path / f"{number}.parquet")
    return str(path / "*.parquet")


def _csv(table: pa.Table, path: Path, parts: int) -> list[Path]:
    path.mkdir(exist_ok=True)
    paths = [path / f"{number}.csv" for number in range(parts)]
    for name, part in zip(paths, split(table, parts), strict=True):
        pyarrow.csv.write_csv(part, name)
    return paths


def split(table: pa.Table, parts: int) -> list[pa.Table]:
    """Cut into parts, of which some are empty where there are few rows."""
    step = len(table) // parts
    return [table.slice(i * step, step if i < parts - 1 else None) for i in range(parts)]
