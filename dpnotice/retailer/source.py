"""A file, frame or Ibis table -> a table of the engine that will count it.

In: what the retailer named as the source of a table. Out: an Ibis table and its engine. How a
column is read never hangs on the values in it: a guess is a function of everybody's rows, so one
buyer's odd value could move all the others.
"""

import csv
import glob
import gzip
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from numbers import Integral
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import ibis
import ibis.expr.datatypes as dt
from ibis.backends import BaseBackend
from ibis.common.exceptions import IbisError
from ibis.expr.operations import InMemoryTable
from ibis.expr.types import Table

from dpnotice.errors import PurchasesError

ENGINES: Final = ("duckdb", "pyspark", "postgres")
"""Engines whose text and time rules agree; others trim or compare ids differently."""
MEMORY_LIMIT: Final = "1GB"
"""DuckDB spills to a temporary folder beyond this; the folder is removed afterwards. It counts 10^8
rows as fast as with four times as much, and 10^9 in 1.4 times the time: docs/scale.md."""
_DAY: Final = r"^\d{4}-\d{2}-\d{2}$"
_LOCAL_TIME: Final = r"^\d{4}-\d{2}-\d{2}([ T]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d+)?)?)?$"
_FRAMES: Final = frozenset({"pandas", "polars", "pyarrow"})
_PER_UNIT: Final = {"s": 10**6, "ms": 10**3}
"""Microseconds in the coarser units of time."""
_SUFFIXES: Final = (".parquet", ".csv", ".csv.gz")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is read of one source.

    Attributes:
        name: ``"purchases"`` or ``"buyers"``.
        source: path, glob, list of paths, frame or Ibis table.
        columns: argument name -> column, for every column that is read.
        date: the column of the purchase's day or time; None in a table without one.
        timezone: whether local times are expected there, and not days.
    """

    name: str
    source: Any
    columns: dict[str, str]
    date: str | None = None
    timezone: str | None = None

    @property
    def argument(self) -> str:
        """How a refusal calls the source."""
        return "source" if self.name == "purchases" else f"{self.name}.source"


@contextmanager
def opened(wanted: Sequence[Wanted]) -> Iterator[tuple[BaseBackend, list[Table]]]:
    """Open all sources in one engine.

    Args:
        wanted: the sources; either all are Ibis tables of one connection, or none is one.

    Yields:
        The engine and a table for each source. A DuckDB engine of our own is closed, and its spill
        folder removed, at the end; an engine passed in is left as it was.

    Raises:
        PurchasesError: a code and a fixed text.
    """
    passed = [isinstance(each.source, Table) for each in wanted]
    if any(passed) and not all(passed):
        raise PurchasesError("ENGINES_APART", field="buyers.source")
    if all(passed):
        engines = [_engine_of(each) for each in wanted]
        if any(engine is not engines[0] for engine in engines):
            raise PurchasesError("ENGINES_APART", field="buyers.source")
        yield engines[0], [_whole_times(each, each.source) for each in wanted]
        return
    with tempfile.TemporaryDirectory(prefix="dpnotice-") as spill:
        engine = _duckdb(spill)
        try:
            yield engine, [_whole_times(each, _read(each, engine)) for each in wanted]
        finally:
            engine.disconnect()


def _engine_of(wanted: Wanted) -> BaseBackend:
    """Return the engine of an Ibis table, if it is one whose counts are known to be right."""
    try:
        engine = wanted.source.get_backend()
    except IbisError:
        raise PurchasesError("SOURCE_TYPE", field=wanted.argument) from None
    if wanted.source.op().find(InMemoryTable):  # types guessed from everybody's values
        raise PurchasesError("SOURCE_TYPE", field=wanted.argument)
    if engine.name not in ENGINES:
        raise PurchasesError("ENGINE", field=wanted.argument)
    return engine


def _duckdb(spill: str) -> Any:
    """Connect to an in-memory DuckDB that spills to `spill` and reads times in UTC."""
    engine = ibis.duckdb.connect(
        ":memory:",
        memory_limit=MEMORY_LIMIT,
        temp_directory=spill,
        preserve_insertion_order="false",
        enable_external_file_cache="false",  # every file is read once; kept, it only takes room
    )
    return _settled(engine)


def opened_file(path: Path) -> Any:
    """Connect to a database file of DuckDB that is there, without the right to write to it."""
    return _settled(ibis.duckdb.connect(path, read_only=True, memory_limit=MEMORY_LIMIT))


def _settled(engine: Any) -> Any:
    """Set a DuckDB of our own to UTC, and keep it from printing how long a query takes."""
    engine.raw_sql("SET TimeZone = 'UTC'")
    # Where it is off, setting it fails in a notebook without widgets.
    if engine.raw_sql("SELECT current_setting('enable_progress_bar')").fetchall()[0][0]:
        engine.raw_sql("SET enable_progress_bar = false")
    return engine


def _whole_times(wanted: Wanted, table: Table) -> Table:
    """Bring DuckDB's times of other than microseconds to those; what does not fit is no time.

    Compared as they are, one far-off time in a column of seconds would stop the whole query.
    """
    if wanted.date is None or wanted.date not in table.columns:
        return table
    table = _instants(wanted.date, table)
    kind = table.schema()[wanted.date]
    if kind.is_unknown() and "TIMESTAMPTZ_NS" in str(kind):
        fitting = dt.Timestamp(timezone="UTC", scale=6)
    elif kind.is_timestamp() and kind.timezone is None and kind.scale not in (None, 6):
        fitting = dt.Timestamp(scale=6)
    else:
        return table
    return table.mutate(**{wanted.date: table[wanted.date].try_cast(fitting)})


def _instants(date: str, table: Table) -> Table:
    """Say of a timestamp of Spark that it is an instant; Ibis takes it for a local time."""
    engine: Any = table.get_backend()
    if engine.name != "pyspark" or not table.schema()[date].is_timestamp():
        return table
    session = engine._session  # noqa: SLF001 -- Ibis knows one kind of timestamp, Spark two
    if session.sql(engine.compile(table)).schema[date].dataType.typeName() != "timestamp":
        return table
    return table.mutate(**{date: table[date].cast(dt.Timestamp(timezone="UTC"))})


def _read(wanted: Wanted, engine: Any) -> Table:
    """Return the source as a table of the engine."""
    if type(wanted.source).__module__.partition(".")[0] in _FRAMES:
        engine.con.register(wanted.name, _as_arrow(wanted))
        return engine.table(wanted.name)
    paths = _paths(wanted)
    literal = [glob.escape(path) for path in paths]  # the engine would expand brackets once more
    if paths[0].endswith(".parquet"):
        _check_alike(wanted, [_parquet_schema(engine, path) for path in literal])
        # Types of folders such as "state=NY" would be guessed from whoever has a file there.
        return engine.read_parquet(literal, hive_partitioning=False)
    _check_alike(wanted, [_csv_header(path) for path in paths])
    return _read_csv(wanted, engine, _csv_header(paths[0]), literal)


def _read_csv(wanted: Wanted, engine: Any, header: list[str], paths: list[str]) -> Table:
    """Read CSV text by one fixed rule: nothing about a column is guessed from its values.

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
        hive_partitioning=False,
    )
    if wanted.date not in header:
        return table
    kind = "date" if wanted.timezone is None else "timestamp"
    text = table[wanted.date]
    # Text with a zone of its own is no local time; like all that is no date it falls out.
    plain = text.re_search(_DAY if wanted.timezone is None else _LOCAL_TIME)
    return table.mutate(**{wanted.date: plain.ifelse(text, ibis.null()).try_cast(kind)})


def _as_arrow(wanted: Wanted) -> Any:
    """Return the columns that are read of a frame as an Arrow table of types the engine knows."""
    import pyarrow as pa  # noqa: PLC0415 -- only for frames

    frame = wanted.source
    frame = frame.collect() if hasattr(frame, "collect") else frame  # a polars LazyFrame
    held = getattr(frame, "column_names", None) or getattr(frame, "columns", None)
    if held is None:
        raise PurchasesError("SOURCE_TYPE", field=wanted.argument)
    check_present(wanted, [str(name) for name in held])
    read = list(dict.fromkeys(wanted.columns.values()))
    if hasattr(frame, "column_names"):
        table = frame.select(read)
    elif hasattr(frame, "to_arrow"):
        table = frame.select(read).to_arrow()
    else:
        table = pa.table({name: _column(frame[name], name == wanted.date) for name in read})
    for place, field in enumerate(table.schema):
        kind = field.type
        if pa.types.is_null(kind):  # a column without a value has no type of its own
            kind = pa.date32() if field.name == wanted.date else pa.string()
        if pa.types.is_timestamp(kind) and kind.tz is not None:
            table = table.set_column(place, field.name, _microseconds(table[field.name], kind))
        elif kind != field.type:
            table = table.set_column(place, field.name, table[field.name].cast(kind))
    return table


def _microseconds(times: Any, kind: Any) -> Any:
    """Return zoned times in microseconds; one too far off to be told in those is no time."""
    import pyarrow as pa  # noqa: PLC0415 -- only for frames
    import pyarrow.compute as pc  # noqa: PLC0415 -- the same

    counts = times.cast(pa.int64())
    most = (2**63 - 1) // _PER_UNIT.get(kind.unit, 1)
    told = pc.and_(pc.greater_equal(counts, -most), pc.less_equal(counts, most))
    kept = pc.if_else(told, counts, pa.scalar(None, pa.int64()))
    return kept.cast(kind).cast(pa.timestamp("us", tz=kind.tz), safe=False)


def _column(values: Any, is_date: bool) -> Any:  # noqa: FBT001 -- which fixed rule applies
    """Return a pandas column as Arrow; objects value by value, by a rule that sees no other row.

    Inferring one type for a column of objects would look at everybody's values. So an object is a
    day if it is a `date` without a time, and a text if it is text, a whole number, a truth value
    or a UUID; anything else is null.
    """
    import pyarrow as pa  # noqa: PLC0415 -- only for frames

    if values.dtype == "category":  # typed by all of its categories, so these go one by one
        told = _objects(values.cat.categories.astype(object), is_date)
        return told.take(pa.array([code if code >= 0 else None for code in values.cat.codes]))
    return _objects(values, is_date) if values.dtype == object else pa.Array.from_pandas(values)


def _objects(values: Any, is_date: bool) -> Any:  # noqa: FBT001 -- which fixed rule applies
    import pyarrow as pa  # noqa: PLC0415 -- only for frames

    if is_date:
        days = [value if type(value) is date else None for value in values]
        return pa.array(days, type=pa.date32())
    return pa.array([_text(value) for value in values], type=pa.string())


def _text(value: object) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    try:
        text = str(value) if isinstance(value, (str, Integral, UUID)) else None
        (text or "").encode()
    except ValueError:  # half a surrogate pair, or thousands of digits
        return None
    return text


def _paths(wanted: Wanted) -> list[str]:
    """Resolve paths and globs to the files of one format that exist."""
    source, field = wanted.source, wanted.argument
    listed = [source] if isinstance(source, (str, Path)) else source
    if not isinstance(listed, (list, tuple)) or not listed:
        raise PurchasesError("SOURCE_TYPE", field=field)
    if not all(isinstance(item, (str, Path)) for item in listed):
        raise PurchasesError("SOURCE_TYPE", field=field)
    found = [_matching(str(item)) for item in listed]
    if not any(found):
        raise PurchasesError("SOURCE_MISSING", field=field)
    if not all(found):
        raise PurchasesError("PARTIAL_INPUT", field=field)
    paths = [path for matched in found for path in matched]
    for suffix in _SUFFIXES:
        if all(path.endswith(suffix) for path in paths):
            return paths
    raise PurchasesError("SOURCE_FORMAT", field=field)


def _matching(item: str) -> list[str]:
    """Return the file of that very name, else the files that the glob matches."""
    if os.path.isfile(item):  # noqa: PTH113 -- which no name makes fail
        return [item]
    matched = sorted(glob.glob(item))  # noqa: PTH207 -- Path.glob takes no absolute pattern
    return [path for path in matched if os.path.isfile(path)]  # noqa: PTH113 -- the same


def _check_alike(wanted: Wanted, schemas: list[Any]) -> None:
    if any(schema != schemas[0] for schema in schemas):
        raise PurchasesError("SCHEMA_DRIFT", field=wanted.argument)


def _parquet_schema(engine: Any, path: str) -> list[Any]:
    """Return a file's columns and their types, from its footer alone."""
    asked = "DESCRIBE SELECT * FROM read_parquet(?, hive_partitioning = false)"
    return [column[:2] for column in engine.con.execute(asked, [path]).fetchall()]


def _csv_header(path: str) -> list[str]:
    opener = gzip.open if path.endswith(".gz") else open
    with opener(path, "rb") as lines:  # decoded line by line, so that no row is read with it
        return next(csv.reader(line.decode("utf-8-sig") for line in lines), [])


def check_present(wanted: Wanted, held: Sequence[str]) -> None:
    """Refuse, by argument name, a column that the source does not have."""
    for field, column in wanted.columns.items():
        if column not in held:
            raise PurchasesError("SCHEMA_MISSING", field=field)
