"""One engine as the tests see it, and what the counts must be by plain Python."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from ibis.expr.types import Table

from dpnotice.inquiry import Inquiry

Row = tuple[Any, ...]
BLANKS = " \t\n\r\v\f"
COLUMNS = ("id", "sku", "day", "st", "age")
KINDS = {
    "text": {"duckdb": "VARCHAR", "postgres": "text", "spark": "string"},
    "integer": {"duckdb": "BIGINT", "postgres": "bigint", "spark": "bigint"},
    "uuid": {"duckdb": "UUID", "postgres": "uuid"},
    "truth": {"duckdb": "BOOLEAN", "postgres": "boolean", "spark": "boolean"},
    "date": {"duckdb": "DATE", "postgres": "date", "spark": "date"},
    "local": {"duckdb": "TIMESTAMP", "postgres": "timestamp", "spark": "timestamp_ntz"},
    "instant": {"duckdb": "TIMESTAMPTZ", "postgres": "timestamptz", "spark": "timestamp"},
}
ZONE_SETTINGS = {
    "duckdb": "TimeZone",
    "postgres": "TimeZone",
    "spark": "spark.sql.session.timeZone",
}


@dataclass(frozen=True)
class Place:
    """An engine by name, and the Ibis connection to it."""

    name: str
    engine: Any

    def run(self, statement: str) -> None:
        done = self.engine.raw_sql(statement)
        if self.name == "postgres":
            done.close()

    def table(
        self, rows: Sequence[Row], kinds: Mapping[str, str], name: str = "s", partitions: int = 3
    ) -> Table:
        """Make a table of `rows`; `kinds` are its columns and their kinds, as in `KINDS`."""
        types = {column: KINDS[kind][self.name] for column, kind in kinds.items()}
        declared = ", ".join(f"{column} {kind}" for column, kind in types.items())
        if self.name == "spark":
            frame = self.engine._session.createDataFrame(list(rows), declared)
            frame.repartition(partitions).createOrReplaceTempView(name)
        else:
            self.run(f"DROP TABLE IF EXISTS {name}")
            self.run(f"CREATE TABLE {name} ({declared})")
            self._insert(rows, name, list(types.values()))
        return self.engine.table(name)

    def _insert(self, rows: Sequence[Row], name: str, types: list[str]) -> None:
        if self.name == "duckdb":
            marks = ", ".join("?" for _ in types)
            self.engine.con.executemany(f"INSERT INTO {name} VALUES ({marks})", list(rows))  # noqa: S608 -- names of the tests' own
            return
        marks = ", ".join(f"%s::{kind}" for kind in types)
        with self.engine.con.cursor() as cursor:
            cursor.executemany(f"INSERT INTO {name} VALUES ({marks})", list(rows))  # noqa: S608 -- names of the tests' own

    def drop(self, name: str = "s") -> None:
        self.run(f"DROP {'VIEW' if self.name == 'spark' else 'TABLE'} IF EXISTS {name}")

    @contextmanager
    def set(self, setting: str, value: str) -> Iterator[None]:
        """Change a setting of the connection for a while."""
        before = self.setting(setting)
        self._set(setting, value)
        try:
            yield
        finally:
            self._set(setting, before)

    def zone(self, zone: str) -> Any:
        """Change the connection's time zone for a while."""
        return self.set(ZONE_SETTINGS[self.name], zone)

    def setting(self, name: str) -> str:
        if self.name == "spark":
            return self.engine._session.conf.get(name)
        return dict(self.settings())[name]

    def _set(self, name: str, value: str) -> None:
        if self.name == "spark":
            self.engine._session.conf.set(name, value)
        else:
            self.run(f"SET {name} = '{value}'")

    def settings(self) -> list[tuple[str, str]]:
        """Every setting of the connection."""
        if self.name == "spark":
            rows = self.engine._session.sql("SET").collect()
            return sorted((row.key, row.value) for row in rows)
        table = "duckdb_settings()" if self.name == "duckdb" else "pg_settings"
        value = "value" if self.name == "duckdb" else "setting"
        return sorted(self._rows(f"SELECT name, {value} FROM {table}"))  # noqa: S608 -- fixed texts

    def held(self) -> list[Row]:
        """Every table and view, those of the connection alone too."""
        if self.name == "spark":
            listed = self.engine._session.catalog.listTables()
            return sorted((table.name, table.tableType) for table in listed)
        text = "SELECT table_schema, table_name FROM information_schema.tables"
        return sorted(self._rows(text))

    def _rows(self, query: str) -> list[Row]:
        if self.name == "duckdb":
            return self.engine.con.execute(query).fetchall()
        with self.engine.con.cursor() as cursor:
            return cursor.execute(query).fetchall()


# --- what the counts must be ---------------------------------------------------------------
def spelt(buyer: Any, rule: str) -> Any:
    if not isinstance(buyer, str) or rule == "as_is":
        return buyer
    trimmed = buyer.strip(BLANKS)
    if rule == "trim":
        return trimmed
    return "".join(letter.lower() if letter.isascii() else letter for letter in trimmed)


def expected(
    asked: Inquiry, rows: Sequence[Row], ids: str = "as_is", timezone: str | None = None
) -> Any:
    """Counts of the full cross by the rule of README and method, one row after another."""
    axes = list(asked.axes.values())
    latest: dict[Any, tuple[Any, int]] = {}
    for buyer, product, when, *texts in rows:
        key = spelt(buyer, ids)
        if key is None or (isinstance(key, str) and not key.strip(BLANKS)):
            continue
        if product is None or str(product) not in (asked.products.items or ()):
            continue
        if when is None or not _inside(asked, when, timezone):
            continue
        levels = [
            axis.levels.index(text) if text in axis.levels[:-1] else len(axis) - 1
            for axis, text in zip(axes, texts, strict=True)
        ]
        code = int(np.ravel_multi_index(levels, asked.shape(tuple(asked.axes))))
        moment = when.replace(microsecond=0) if isinstance(when, datetime) else when
        rank = (moment, -code)
        latest[key] = max(latest.get(key, rank), rank)
    counts = np.zeros(asked.shape(tuple(asked.axes)), np.int64)
    for _, code in latest.values():
        counts.flat[-code] += 1
    return counts


def _inside(asked: Inquiry, when: Any, timezone: str | None) -> bool:
    start, end = asked.period
    if not isinstance(when, datetime):
        return start <= when < end
    ends = [datetime.combine(day, time(), ZoneInfo(asked.timezone)) for day in (start, end)]
    if when.tzinfo is None:
        first, last = (_local(moment, timezone or asked.timezone) for moment in ends)
        return first <= when < last
    return ends[0].astimezone(UTC) <= when.astimezone(UTC) < ends[1].astimezone(UTC)


def _local(moment: datetime, zone: str) -> datetime:
    return moment.astimezone(UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None)


def midnight(day: date, zone: str) -> datetime:
    """The instant at which a day begins in a zone."""
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)
