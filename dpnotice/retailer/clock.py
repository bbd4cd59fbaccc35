"""The time zone of an engine that is passed in, pinned to UTC while we count.

In: an engine. Out: the same, as it was. Engines take the difference of two times on the clock of
their session, and that clock jumps where the session's zone changes to summer time and back.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

_SPARK: Final = {"spark.sql.session.timeZone": "UTC", "spark.sql.timestampType": "TIMESTAMP_LTZ"}


@contextmanager
def in_utc(engine: Any) -> Iterator[None]:
    """Pin the session's zone to UTC, and put it back; DuckDB's counts do not hang on it."""
    if engine.name == "pyspark":
        with _spark_in_utc(engine._session.conf):  # noqa: SLF001 -- Ibis has no public way to it
            yield
    elif engine.name == "postgres":
        with engine.begin() as cursor:  # an error rolls back, and the setting with it
            before = cursor.execute("SHOW TimeZone").fetchone()[0]
            cursor.execute("SELECT set_config('TimeZone', 'UTC', true)")
            yield
            cursor.execute("SELECT set_config('TimeZone', %s, true)", (before,))
    else:
        yield


@contextmanager
def _spark_in_utc(settings: Any) -> Iterator[None]:
    before = {name: settings.get(name) for name in _SPARK}
    for name, value in _SPARK.items():
        settings.set(name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            settings.set(name, value)
