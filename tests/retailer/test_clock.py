"""While we count, a session's clock is UTC; afterwards it is what it was."""

import logging
from typing import Any, Self

import ibis
import pytest

from dpnotice.retailer.clock import in_utc

ZONE, KIND = "spark.sql.session.timeZone", "spark.sql.timestampType"


class Spark:
    """A Spark by name, with nothing but its settings."""

    name = "pyspark"

    def __init__(self) -> None:
        self.held = {ZONE: "Asia/Tokyo", KIND: "TIMESTAMP_NTZ"}
        self._session = self.conf = self

    def get(self, name: str) -> str:
        return self.held[name]

    def set(self, name: str, value: str) -> None:
        self.held[name] = value


class Postgres:
    """A PostgreSQL by name, with nothing but its settings."""

    name = "postgres"

    def __init__(self) -> None:
        self.held = {"TimeZone": "Asia/Tokyo", "standard_conforming_strings": "off"}
        self.shown = ""

    def begin(self) -> Self:
        return self

    def __enter__(self) -> Self:
        self.before = dict(self.held)
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self.held = self.before if kind else self.held

    def execute(self, query: str, values: tuple[str, ...] = ()) -> Self:
        if "set_config" in query:
            self.held[values[0]] = values[1]
        else:
            self.shown = self.held[query.removeprefix("SHOW ")]
        return self

    def fetchone(self) -> tuple[str]:
        return (self.shown,)


def zone(engine: Any) -> str:
    return str(engine.held[ZONE if engine.name == "pyspark" else "TimeZone"])


@pytest.mark.parametrize("make", [Spark, Postgres])
def test_the_session_is_in_utc_meanwhile(make: Any) -> None:
    engine = make()
    with in_utc(engine):
        assert zone(engine) == "UTC"


@pytest.mark.parametrize("make", [Spark, Postgres])
def test_the_session_is_as_before_afterwards(make: Any) -> None:
    engine = make()
    with in_utc(engine):
        pass
    assert zone(engine) == "Asia/Tokyo"


@pytest.mark.parametrize("make", [Spark, Postgres])
def test_the_session_is_as_before_after_a_failure(make: Any) -> None:
    engine = make()
    with pytest.raises(RuntimeError), in_utc(engine):
        raise RuntimeError
    assert zone(engine) == "Asia/Tokyo"


def test_a_timestamp_of_spark_is_an_instant_meanwhile() -> None:
    engine = Spark()
    with in_utc(engine):
        assert engine.held[KIND] == "TIMESTAMP_LTZ"
    assert engine.held[KIND] == "TIMESTAMP_NTZ"


def test_duckdb_is_left_alone() -> None:
    engine = ibis.duckdb.connect()
    engine.raw_sql("SET TimeZone = 'Asia/Tokyo'")
    shown = "SELECT current_setting('TimeZone')"
    with in_utc(engine):
        assert engine.raw_sql(shown).fetchone() == ("Asia/Tokyo",)


def test_postgres_takes_backslashes_as_they_are_meanwhile() -> None:
    engine = Postgres()
    with in_utc(engine):
        assert engine.held["standard_conforming_strings"] == "on"
    assert engine.held["standard_conforming_strings"] == "off"


def test_spark_logs_nothing_of_what_it_could_not_run() -> None:
    """Its message quotes the value that it could not cast."""
    log = logging.getLogger("SQLQueryContextLogger")
    with in_utc(Spark()):
        assert log.disabled
    assert not log.disabled
