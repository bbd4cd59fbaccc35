"""Where the purchases are and what their columns mean.

In: a path, glob, list of paths, frame or Ibis table, and a mapping of columns. Out: an Ibis table
with its schema checked, and the engine that will count it. No query is built here.
"""

import csv
import glob
import gzip
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass
from datetime import date
from numbers import Integral
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import ibis
import ibis.expr.datatypes as dt
from ibis.backends import BaseBackend
from ibis.common.exceptions import IbisError
from ibis.expr.operations import InMemoryTable
from ibis.expr.types import Table

from dpnotice.errors import PurchasesError

IDS_RULES: Final = ("as_is", "trim", "trim_ascii_lower")
ENGINES: Final = ("duckdb", "pyspark", "postgres")
"""Engines whose text and time rules agree; others trim or compare ids differently."""
MEMORY_LIMIT: Final = "4GB"
"""DuckDB spills to a temporary folder beyond this; the folder is removed afterwards."""
_DAY: Final = r"^\d{4}-\d{2}-\d{2}$"
_LOCAL_TIME: Final = r"^\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}(:\d{2}(\.\d+)?)?)?$"
_FRAMES: Final = frozenset({"pandas", "polars", "pyarrow"})
_SUFFIXES: Final = (".parquet", ".csv", ".csv.gz")


@dataclass(frozen=True, slots=True)
class Purchases:
    """A retailer's sales table and the meaning of its columns.

    Run by: the retailer. Nothing is read until :func:`dpnotice.answer`.

    Attributes:
        source: path, glob or list of paths (.parquet, .csv, .csv.gz), a pandas, polars or Arrow
            frame, or an Ibis table of DuckDB, Spark or PostgreSQL. CSV is UTF-8 with commas, a
            header, and ISO dates (days, or local times where `timezone` is given).
        buyer: column that identifies a person at this retailer (text, integer or UUID).
        product: column of product codes, as in the inquiry's list (text or integer).
        date: column of the purchase's day or time.
        axes: axis name -> column of level texts; axes that the inquiry does not ask are ignored.
        person: column of the key shared between retailers, for sketches only; None without.
        ids: how buyer ids are spelt alike: ``as_is``, ``trim`` or ``trim_ascii_lower``.
        timezone: IANA name; needed where `date` is a timestamp without zone.
    """

    source: Any
    _: KW_ONLY
    buyer: str
    product: str
    date: str
    axes: Mapping[str, str]
    person: str | None = None
    ids: str = "as_is"
    timezone: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.axes, Mapping):
            raise PurchasesError("MAPPING", field="axes")
        names = {"buyer": self.buyer, "product": self.product, "date": self.date}
        names |= {f"axes.{axis}": column for axis, column in self.axes.items()}
        if self.person is not None:
            names["person"] = self.person
        for field, column in names.items():
            if not isinstance(column, str) or not column:
                raise PurchasesError("MAPPING", field=field)
        object.__setattr__(self, "axes", MappingProxyType(dict(self.axes)))
        if not isinstance(self.ids, str) or self.ids not in IDS_RULES:
            raise PurchasesError("IDS_RULE", field="ids")
        if self.timezone is not None:
            _check_zone(self.timezone)

    def __repr__(self) -> str:
        return f"Purchases(buyer={self.buyer!r}, product={self.product!r}, date={self.date!r})"

    @property
    def columns(self) -> dict[str, str]:
        """Argument name -> column, for every column that is read."""
        person = {} if self.person is None else {"person": self.person}
        axes = {f"axes.{axis}": column for axis, column in self.axes.items()}
        return {"buyer": self.buyer, "product": self.product, "date": self.date, **person, **axes}

    @contextmanager
    def opened(self) -> Iterator[tuple[Table, BaseBackend]]:
        """Open the source and check its schema.

        Yields:
            The table and the engine that reads it. A DuckDB engine of our own is closed, and its
            spill folder removed, at the end; an engine passed in is left as it was.

        Raises:
            PurchasesError: a code and a fixed text; see :data:`dpnotice.errors.PURCHASES_RULES`.
        """
        if isinstance(self.source, Table):
            engine = _engine_of(self.source)
            _check_schema(self, self.source)
            yield self.source, engine
            return
        with tempfile.TemporaryDirectory(prefix="dpnotice-") as spill:
            engine = _duckdb(spill)
            try:
                table = _read(self, engine)
                _check_schema(self, table)
                yield table, engine
            finally:
                engine.disconnect()


def _engine_of(table: Table) -> BaseBackend:
    """Return the engine of an Ibis table, if it is one whose counts are known to be right."""
    try:
        engine = table.get_backend()
    except IbisError:
        raise PurchasesError("SOURCE_TYPE", field="source") from None
    if table.op().find(InMemoryTable):  # types guessed from everybody's values: pass the frame
        raise PurchasesError("SOURCE_TYPE", field="source")
    if engine.name not in ENGINES:
        raise PurchasesError("ENGINE", field="source")
    return engine


def _check_zone(name: str) -> None:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError, TypeError):
        raise PurchasesError("TZ_UNKNOWN", field="timezone") from None


def _duckdb(spill: str) -> Any:
    """Connect to an in-memory DuckDB that spills to `spill` and reads times in UTC."""
    engine = ibis.duckdb.connect(
        ":memory:",
        memory_limit=MEMORY_LIMIT,
        temp_directory=spill,
        preserve_insertion_order="false",
    )
    engine.raw_sql("SET TimeZone = 'UTC'")
    return engine


def _read(purchases: Purchases, engine: Any) -> Table:
    """Return the source as a table of the engine."""
    if type(purchases.source).__module__.partition(".")[0] in _FRAMES:
        engine.con.register("purchases", _as_arrow(purchases))
        return engine.table("purchases")
    paths = _paths(purchases.source)
    literal = [glob.escape(path) for path in paths]  # the engine would expand brackets once more
    if paths[0].endswith(".parquet"):
        _check_parts(engine.read_parquet(path).schema() for path in literal)
        return engine.read_parquet(literal)
    _check_parts(_csv_header(path) for path in paths)
    return _read_csv(purchases, engine, _csv_header(paths[0]), literal)


def _read_csv(purchases: Purchases, engine: Any, header: list[str], paths: list[str]) -> Table:
    """Read CSV text by one fixed rule: nothing about a column is guessed from its values.

    A guess is a function of everybody's rows, so one buyer's odd date could move all the others.
    Ids and codes stay text, or "007" and "7" would become one buyer; dates are ISO text, days
    without `timezone` and local times with it, and whatever else is no date of the period.
    """
    table = engine.read_csv(
        paths,
        auto_detect=False,
        header=True,
        columns=dict.fromkeys(header, "VARCHAR"),
        delim=",",
        quote='"',
        escape='"',
        comment="",
    )
    if purchases.date not in header:
        return table
    kind = "date" if purchases.timezone is None else "timestamp"
    text = table[purchases.date]
    # Text with a zone of its own is no local time; like all that is no date it falls out.
    plain = text.re_search(_DAY if purchases.timezone is None else _LOCAL_TIME)
    return table.mutate(**{purchases.date: plain.ifelse(text, ibis.null()).try_cast(kind)})


def _as_arrow(purchases: Purchases) -> Any:
    """Return the columns that are read of a frame as an Arrow table of types the engine knows."""
    import pyarrow as pa  # noqa: PLC0415 -- only for frames

    frame = purchases.source
    frame = frame.collect() if hasattr(frame, "collect") else frame  # a polars LazyFrame
    held = getattr(frame, "column_names", None) or getattr(frame, "columns", None)
    if held is None:
        raise PurchasesError("SOURCE_TYPE", field="source")
    _check_present(purchases, [str(name) for name in held])
    wanted = list(dict.fromkeys(purchases.columns.values()))
    if hasattr(frame, "column_names"):
        table = frame.select(wanted)
    elif hasattr(frame, "to_arrow"):
        table = frame.select(wanted).to_arrow()
    else:
        table = pa.table({name: _column(frame[name], name == purchases.date) for name in wanted})
    for place, field in enumerate(table.schema):
        kind = field.type
        if pa.types.is_null(kind):  # a column without a value has no type of its own
            kind = pa.date32() if field.name == purchases.date else pa.string()
        if pa.types.is_timestamp(kind) and kind.tz is not None:
            kind = pa.timestamp("us", tz=kind.tz)
        if kind != field.type:
            table = table.set_column(place, field.name, table[field.name].cast(kind, safe=False))
    return table


def _column(values: Any, is_date: bool) -> Any:  # noqa: FBT001 -- which fixed rule applies
    """Return a pandas column as Arrow; objects value by value, by a rule that sees no other row.

    Inferring one type for a column of objects would look at everybody's values. So an object is a
    day if it is a `date` without a time, and a text if it is text, a whole number, a truth value
    or a UUID; anything else is null.
    """
    import pyarrow as pa  # noqa: PLC0415 -- only for frames

    if values.dtype != object:
        return pa.Array.from_pandas(values)
    if is_date:
        days = [value if type(value) is date else None for value in values]
        return pa.array(days, type=pa.date32())
    return pa.array([_text(value) for value in values], type=pa.string())


def _text(value: object) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (str, Integral, UUID)) else None


def _paths(source: object) -> list[str]:
    """Resolve paths and globs to the files of one format that exist."""
    listed = [source] if isinstance(source, (str, Path)) else source
    if not isinstance(listed, (list, tuple)) or not listed:
        raise PurchasesError("SOURCE_TYPE", field="source")
    if not all(isinstance(item, (str, Path)) for item in listed):
        raise PurchasesError("SOURCE_TYPE", field="source")
    paths = [path for item in listed for path in _matching(str(item))]
    if not all(Path(path).is_file() for path in paths):
        raise PurchasesError("SOURCE_MISSING", field="source")
    for suffix in _SUFFIXES:
        if all(path.endswith(suffix) for path in paths):
            return paths
    raise PurchasesError("SOURCE_FORMAT", field="source")


def _matching(item: str) -> list[str]:
    """Return the file of that very name, else what the glob matches, else the name, to refuse."""
    if Path(item).is_file():
        return [item]
    return sorted(glob.glob(item)) or [item]  # noqa: PTH207 -- Path.glob takes no absolute pattern


def _check_parts(schemas: Iterator[Any]) -> None:
    first = next(schemas)
    if any(schema != first for schema in schemas):
        raise PurchasesError("SCHEMA_DRIFT", field="source")


def _csv_header(path: str) -> list[str]:
    opener = gzip.open if path.endswith(".gz") else open
    with opener(path, "rt", encoding="utf-8-sig", newline="") as lines:
        return next(csv.reader(lines), [])


def _check_present(purchases: Purchases, held: Sequence[str]) -> None:
    for field, column in purchases.columns.items():
        if column not in held:
            raise PurchasesError("SCHEMA_MISSING", field=field)


def _check_schema(purchases: Purchases, table: Table) -> None:
    """Refuse, by argument name, a column that is missing or of a type that cannot be used."""
    schema = table.schema()
    _check_present(purchases, schema.names)
    for field, column in purchases.columns.items():
        if not _usable(field, schema[column]):
            raise PurchasesError("ID_TYPE" if field == "buyer" else "SCHEMA_TYPE", field=field)
    when = schema[purchases.date]
    if when.is_timestamp() and when.timezone is None and purchases.timezone is None:
        raise PurchasesError("TZ_REQUIRED", field="date")


def _usable(field: str, kind: dt.DataType) -> bool:
    if field == "date":
        return bool(kind.is_date() or kind.is_timestamp())
    plain = kind.is_string() or kind.is_integer()
    if field == "buyer":
        return bool(plain or kind.is_uuid())
    return bool(plain or (field.startswith("axes.") and kind.is_boolean()))
