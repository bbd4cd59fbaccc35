"""How a shop is held never matters to its counts, and nothing is left behind where it is held."""

import os
import secrets
import tempfile
from pathlib import Path
from random import Random
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dpnotice.errors import PurchasesError
from dpnotice.retailer import counting
from dpnotice.retailer.purchases import Buyers, Purchases
from made import shops, sources
from made.neighbours import neighbours, same
from made.releases import matter

FORMS = [*sources.FORMS, sources.TABLE]
MANY = 250_000
"""Rows of three of the engine's row groups, so that threads do share them."""


def fresh() -> Random:
    seed = secrets.randbits(64)
    print(f"seed {seed}")  # noqa: T201 -- shown where the test fails
    return Random(seed)  # noqa: S311 -- for data, not for noise


def outcome(purchases: Purchases, at: shops.Setting) -> Any:
    try:
        return dict(counting.count(at.inquiry, purchases)._tables)
    except PurchasesError as refusal:
        return refusal.code


# --- every form of source ------------------------------------------------------------------
@pytest.mark.parametrize("form", FORMS)
def test_in_every_form_a_buyer_moves_one_person_at_most(form: str, tmp_path: Path) -> None:
    """Three shops per form here; benchmarks/neighbours.py takes more."""
    random = fresh()
    for number in range(3):
        at = next(at for at in iter(lambda: shops.setting(random), None) if sources.fits(form, at))
        shop = sources.plain(at, shops.shop(random, at))
        owners = [owner for owner in shop.owners(at.ids) if owner != shops.GUEST]
        rest = shop.without(random.choice(owners), at.ids) if owners else shop
        found = []
        for name, each in {"all": shop, "rest": rest}.items():
            folder = tmp_path / f"{number}{name}"
            folder.mkdir()
            found.append(outcome(sources.purchases(form, at, each, folder), at))
            assert same(found[-1], shops.tables(at, shops.cells(at, each))), (at, each)
        assert neighbours(*found), (at, shop, rest)


# --- rows, files, threads ------------------------------------------------------------------
def asked() -> Any:
    return matter(
        axes={"state": ["CA", "NY"], "age": ["young", "old"]},
        tables=[{"of": []}, {"of": ["state", "age"]}],
    )


@pytest.fixture(scope="module")
def many() -> dict[str, pa.Table]:
    """Purchases full of ties, and buyers listed twice or not at all."""
    rng = np.random.default_rng(secrets.randbits(64))
    ids = rng.integers(0, MANY // 4, MANY)
    listed = rng.integers(0, MANY // 4, MANY // 3)
    levels = {"state": ["CA", "NY", None], "age": ["young", "old", "none"]}
    pick = {name: rng.choice(np.array(texts, object), MANY) for name, texts in levels.items()}
    days = pa.array(rng.integers(18_262, 18_266, MANY).astype(np.int32)).view(pa.date32())
    near = {"id": ids, "sku": ["p"] * MANY, "day": days, "state": pick["state"]}
    return {"p": pa.table(near), "b": pa.table({"id": listed, "age": pick["age"][: MANY // 3]})}


def held(p: object, b: object) -> Purchases:
    far = Buyers(b, buyer="id", axes={"age": "age"})
    axes = {"state": "state"}
    return Purchases(p, buyer="id", product="sku", date="day", axes=axes, buyers=far)


def counts(purchases: Purchases) -> Any:
    return {o: c.tolist() for o, c in counting.count(asked(), purchases)._tables.items()}


def shuffled(table: pa.Table) -> pa.Table:
    return table.take(np.random.default_rng(secrets.randbits(64)).permutation(len(table)))


def test_rows_files_and_threads_never_matter(many: dict[str, pa.Table], tmp_path: Path) -> None:
    expected = counts(held(many["p"], many["b"]))
    assert counts(held(shuffled(many["p"]), shuffled(many["b"]))) == expected
    for parts in (1, 7):
        paths = []
        for number, part in enumerate(sources.split(shuffled(many["p"]), parts)):
            paths.append(tmp_path / f"{parts}-{number}.parquet")
            pq.write_table(part, paths[-1], row_group_size=20_000)
        for order in (paths, paths[::-1]):
            assert counts(held(order, many["b"])) == expected
    engine = ibis.duckdb.connect()
    for name, table in many.items():
        engine.con.register("given", table)
        engine.raw_sql(f"CREATE TABLE {name} AS FROM given")
    for threads in (1, 2, 4):
        engine.raw_sql(f"SET threads = {threads}")
        assert counts(held(engine.table("p"), engine.table("b"))) == expected


# --- what is left behind -------------------------------------------------------------------
@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """An empty working folder and an empty temporary one."""
    folders = [tmp_path / "work", tmp_path / "temp"]
    for folder in folders:
        folder.mkdir()
    monkeypatch.chdir(folders[0])
    monkeypatch.setenv("TMPDIR", str(folders[1]))
    monkeypatch.setattr(tempfile, "tempdir", str(folders[1]))
    return folders


def left(places: list[Path]) -> list[str]:
    return [str(path) for folder in places for path in folder.rglob("*")]


@pytest.mark.parametrize("form", FORMS)
def test_no_file_is_left_behind(form: str, places: list[Path], tmp_path: Path) -> None:
    random = fresh()
    at = shops.setting(random, timezone="UTC", on_null_id="drop")
    while not sources.fits(form, at):
        at = shops.setting(random, timezone="UTC", on_null_id="drop")
    source = sources.purchases(form, at, sources.plain(at, shops.shop(random, at)), tmp_path)
    before = Path.cwd(), dict(os.environ)
    counting.count(at.inquiry, source)
    assert left(places) == []
    assert (Path.cwd(), dict(os.environ)) == before


BROKEN = {
    "x.parquet": b"PAR1 and no more PAR1",
    "x.csv": b"id,sku,day,state\n1,p,2020-01-01,CA\n2,p\n",
    "y.csv": b"id,sku,day,state\n1,p,2020-01-01,\xff\xfe\n",
    "x.csv.gz": b"\x1f\x8b and no more",
}


@pytest.mark.parametrize("name", BROKEN)
def test_no_file_is_left_behind_by_an_error(name: str, places: list[Path], tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(BROKEN[name])
    listed = pa.table({"id": ["1"], "age": ["old"]})
    with pytest.raises(Exception):  # noqa: B017, PT011 -- whichever; `answer` sorts it into a code
        counts(held(tmp_path / name, listed))
    assert left(places) == []


def database(path: Path) -> Any:
    engine = ibis.duckdb.connect(path)
    engine.raw_sql(
        "CREATE TABLE p AS SELECT * FROM (VALUES ('a'), ('b')) t(id), "
        "(SELECT 'p' sku, DATE '2020-03-01' AS day, 'CA' state);"
        "CREATE TABLE b AS SELECT * FROM (VALUES ('a', 'old'), ('a', 'young')) t(id, age);"
        "CREATE VIEW broken AS SELECT * REPLACE (error('stop')::VARCHAR AS id) FROM b"
    )
    return engine


def contents(engine: Any) -> list[Any]:
    """Tables, views, macros, settings and what is attached, and the rows."""
    texts = [
        "SELECT database_name, schema_name, table_name FROM duckdb_tables() ORDER BY ALL",
        "SELECT database_name, schema_name, view_name FROM duckdb_views() ORDER BY ALL",
        "SELECT name, value FROM duckdb_settings() ORDER BY ALL",
        "SELECT database_name, path FROM duckdb_databases() ORDER BY ALL",
        "SELECT schema_name FROM duckdb_schemas() ORDER BY ALL",
        "FROM p ORDER BY ALL",
        "FROM b ORDER BY ALL",
    ]
    return [engine.raw_sql(text).fetchall() for text in texts]


@pytest.mark.parametrize("listed", ["b", "broken"])
def test_a_database_passed_in_is_left_as_found(
    listed: str, places: list[Path], tmp_path: Path
) -> None:
    engine = database(tmp_path / "shop.duckdb")
    before = contents(engine)
    if listed == "b":
        assert counts(held(engine.table("p"), engine.table("b")))[()] == 2
    else:
        with pytest.raises(Exception, match="stop"):
            counts(held(engine.table("p"), engine.table("broken")))
    assert contents(engine) == before
    assert left(places) == []
    engine.disconnect()
    again = ibis.duckdb.connect(tmp_path / "shop.duckdb")
    assert [contents(again)[i] for i in (0, 5, 6)] == [before[i] for i in (0, 5, 6)]
    assert again.raw_sql("SELECT count(*) FROM duckdb_tables()").fetchone() == (2,)


def test_a_database_that_may_only_be_read_is_counted(tmp_path: Path) -> None:
    database(tmp_path / "shop.duckdb").disconnect()
    engine = ibis.duckdb.connect(tmp_path / "shop.duckdb", read_only=True)
    assert counts(held(engine.table("p"), engine.table("b")))[()] == 2
