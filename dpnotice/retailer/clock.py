"""The session of an engine that is passed in, in a known state while we count.

In: an engine. Out: the same, as it was. Engines take the difference of two times on the clock of
their session, which jumps where the session's zone changes to summer time and back; PostgreSQL may
be set to read backslashes in texts; and Spark logs what it could not run, with the values in it.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

_SPARK: Final = {"spark.sql.session.timeZone": "UTC", "spark.sql.timestampType": "TIMESTAMP_LTZ"}
_SPARK_LOG: Final = "SQLQueryContextLogger"
_POSTGRES: Final = {"TimeZone": "UTC", "standard_conforming_strings": "on"}


@contextmanager
def in_utc(engine: Any) -> Iterator[None]:
    """Set the session to UTC, and put it back; DuckDB's counts do not hang on its zone."""
    if engine.name == "pyspark":
        with _spark(engine._session.conf):  # noqa: SLF001 -- Ibis has no public way to it
            yield
    elif engine.name == "postgres":
        with engine.begin() as cursor:  # an error rolls back, and the settings with it
            before = [cursor.execute(f"SHOW {name}").fetchone()[0] for name in _POSTGRES]
            _configure(cursor, _POSTGRES)
            yield
            _configure(cursor, dict(zip(_POSTGRES, before, strict=True)))
    else:
        yield


def _configure(cursor: Any, settings: dict[str, str]) -> None:
    for setting in settings.items():
        cursor.execute("SELECT set_config(%s, %s, true)", setting)


@contextmanager
def _spark(settings: Any) -> Iterator[None]:
    log = logging.getLogger(_SPARK_LOG)
    before, heard = {name: settings.get(name) for name in _SPARK}, log.disabled
    log.disabled = True
    for name, value in _SPARK.items():
        settings.set(name, value)
    try:
        yield
    finally:
        log.disabled = heard
        for name, value in before.items():
            settings.set(name, value)
