"""The three engines that every test here may ask for; those of the network start at first use."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import ibis
import pytest

from made import servers
from made.places import Place


def absent(missing: servers.AbsentError) -> None:
    """Skip, with what would bring the software; in CI its absence is a failure."""
    if os.environ.get("CI"):
        pytest.fail(f"CI must have every engine: {missing}")
    pytest.skip(str(missing))


@pytest.fixture(scope="module")
def duckdb() -> Iterator[Place]:
    engine = ibis.duckdb.connect()
    engine.raw_sql("SET TimeZone = 'UTC'")
    yield Place("duckdb", engine)
    engine.disconnect()


@pytest.fixture(scope="module")
def postgres() -> Iterator[Place]:
    with ExitStack() as stack:
        try:
            how = stack.enter_context(servers.postgres())
        except servers.AbsentError as missing:
            absent(missing)
        place = Place("postgres", ibis.postgres.connect(**how))
        stack.enter_context(closing(place.engine.con))
        yield place


@pytest.fixture(scope="module")
def spark() -> Iterator[Place]:
    with ExitStack() as stack:
        try:
            session = stack.enter_context(servers.spark())
        except servers.AbsentError as missing:
            absent(missing)
        yield Place("spark", ibis.pyspark.connect(session))


@pytest.fixture(params=["duckdb", "postgres", "spark"])
def place(request: pytest.FixtureRequest) -> Any:
    """Each engine in turn."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def places(duckdb: Place, postgres: Place, spark: Place) -> list[Place]:
    """All of them at once."""
    return [duckdb, postgres, spark]


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working directory."""
    folder = Path(tempfile.mkdtemp(prefix="dpnotice-tests-"))
    monkeypatch.chdir(folder)
    yield folder
    monkeypatch.undo()
    shutil.rmtree(folder)
