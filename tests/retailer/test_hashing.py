"""Person keys leave the engine only as keyed hashes."""

import hmac
from datetime import date
from typing import Any

import ibis
import pyarrow as pa
import pytest

from dpnotice.errors import PurchasesError
from dpnotice.retailer import counting
from dpnotice.retailer.hashing import keyed_hashes
from dpnotice.retailer.purchases import Buyers, Purchases
from made.releases import matter

KEY = bytes(range(32))
DAY = date(2020, 3, 1)
INQUIRY = matter(
    products=["p"], axes={"state": ["CA", "NY"]}, tables=[{"of": []}, {"of": ["state"]}]
)


def sales(persons: list[str | None]) -> pa.Table:
    """One buyer for each person key, all in the first state."""
    n = len(persons)
    return pa.table(
        {
            "id": [f"b{i}" for i in range(n)],
            "sku": ["p"] * n,
            "day": [DAY] * n,
            "st": ["CA"] * n,
            "mail": pa.array(persons, pa.string()),
        }
    )


def mapped(source: Any, **changes: Any) -> Purchases:
    columns = {"buyer": "id", "product": "sku", "date": "day", "axes": {"state": "st"}}
    return Purchases(source, **(columns | {"person": "mail"} | changes))


def hashes(purchases: Purchases, key: bytes = KEY, label: str = "email-1") -> list[tuple[int, int]]:
    with purchases.opened() as tables:
        records = counting.records(INQUIRY, purchases, tables)
        batches = keyed_hashes(records, tables.engine, key=key, label=label)
        rows = [row for batch in batches for row in batch.to_pylist()]
    return sorted((row["cell"], row["hash"]) for row in rows)


def plain(person: str, key: bytes = KEY, label: str = "email-1") -> int:
    digest = hmac.digest(key, label.encode() + b"\0" + person.encode(), "sha256")
    return int.from_bytes(digest[:8], "big")


@pytest.mark.parametrize("key", [KEY, b"", b"k" * 64, b"k" * 65], ids=["32", "0", "64", "65"])
def test_hashes_are_those_of_the_standard_hmac(key: bytes) -> None:
    persons = ["a@x.org", "\u00e4@x.org", "", "z" * 300, "\U0001f600"]
    assert hashes(mapped(sales(persons)), key) == sorted((0, plain(p, key)) for p in persons)


def test_another_label_gives_other_hashes() -> None:
    purchases = mapped(sales(["a@x.org"]))
    assert hashes(purchases, label="id-1") == [(0, plain("a@x.org", label="id-1"))]


def test_a_buyer_without_a_person_key_has_no_hash() -> None:
    assert hashes(mapped(sales([None, "a"]))) == [(0, plain("a"))]


def test_a_buyer_with_two_person_keys_has_one_hash() -> None:
    one = sales(["b", "a"]).set_column(0, "id", pa.array(["x", "x"]))
    assert hashes(mapped(one)) == [(0, plain("a"))]


def test_person_keys_may_stand_in_the_buyers_table() -> None:
    listed = pa.table({"cid": ["b0", "b0"], "mail": ["z", "y"], "st": ["NY", "NY"]})
    buyers = Buyers(listed, buyer="cid", axes={"state": "st"}, person="mail")
    purchases = mapped(sales(["ignored"]), axes={}, person=None, buyers=buyers)
    assert hashes(purchases) == [(1, plain("y"))]


def test_the_key_stands_in_no_text_of_a_query_and_stays_in_no_connection() -> None:
    engine = ibis.duckdb.connect()
    engine.con.register("s", sales(["a"]))
    purchases = mapped(engine.table("s"))
    engine.raw_sql("SET enable_logging = true").fetchall()
    hashes(purchases)
    log = str(engine.raw_sql("SELECT message FROM duckdb_logs").fetchall())
    assert "dpnotice_inner" in log
    assert KEY.hex() not in log
    held = engine.raw_sql("SELECT name FROM duckdb_variables()").fetchall()
    assert held == []


def test_an_engine_without_a_keyed_hash_is_refused() -> None:
    engine = type("Engine", (), {"name": "postgres"})()
    records = ibis.table({"cell": "int64", "person": "string"}, name="r")
    with pytest.raises(PurchasesError, match="HASH_ENGINE"):
        next(keyed_hashes(records, engine, key=KEY, label="email-1"))
