"""Person keys leave the engine only as keyed hashes."""

import hmac
from contextlib import nullcontext
from datetime import date
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
import pytest

from dpnotice.retailer import counting, hashing
from dpnotice.retailer.hashing import Keyed, keyed
from dpnotice.retailer.keys import normalised
from dpnotice.retailer.purchases import Buyers, Purchases
from made.releases import matter

KEY = bytes(range(32))
DAY = date(2020, 3, 1)
INQUIRY = matter(
    products=["p"], axes={"state": ["CA", "NY"]}, tables=[{"of": []}, {"of": ["state"]}]
)
ODD = ["\u00e4@x.org", "ann@m\u00fcnchen.de", "\u212aim@x.org", "\U0001f600@x.org", "\u0430@x.org"]
PLAIN = ["a@x.org", " A.b+c@GMail.com ", "~@x.org", "o'brien@x.org", "a@b@x.org", "A@X.ORG."]
NONE = [None, "", " \t", "ann", "info@x.org", "\u00e4", "\u00e4@", "\u00a0", "z" * 300, "a@"]


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


def batches(purchases: Purchases, key: bytes = KEY, rule: str = "email-1") -> list[Keyed]:
    with purchases.opened() as tables:
        records = counting.records(INQUIRY, purchases, tables)
        return list(keyed(records, tables.engine, key=key, rule=rule))


def hashes(
    purchases: Purchases, key: bytes = KEY, rule: str = "email-1"
) -> list[tuple[int, int | None]]:
    """Return (cell, hash) of every record, in order; None where there is no key."""
    rows = [
        (int(cell), int(value) if held else None)
        for batch in batches(purchases, key, rule)
        for cell, value, held in zip(*batch, strict=True)
    ]
    return sorted(rows, key=lambda row: (row[0], row[1] is not None, row[1] or 0))


def plain(person: str, key: bytes = KEY, rule: str = "email-1") -> int:
    """The method's formula on the standard library's HMAC; the text is spelt already."""
    digest = hmac.digest(key, rule.encode() + b"\0" + person.encode(), "sha256")
    return int.from_bytes(digest[:8], "big")


@pytest.mark.parametrize("key", [KEY, b"", b"k" * 64, b"k" * 65], ids=["32", "0", "64", "65"])
def test_hashes_are_those_of_the_standard_hmac(key: bytes) -> None:
    people = ["a@x.org", "\u00e4@x.org", "b@x.org", "\u0430@x.org"]
    wanted = sorted((0, plain(person, key)) for person in people)
    assert hashes(mapped(sales(people)), key) == wanted


@pytest.mark.parametrize("rule", ["email-1", "id-1"])
def test_the_engine_and_python_hash_the_same_spelling(rule: str) -> None:
    people = [*PLAIN, *ODD, *NONE]
    spelt = [normalised(person, rule) for person in people]
    found = [value for _, value in hashes(mapped(sales(people)), rule=rule) if value is not None]
    assert found == sorted(plain(text, rule=rule) for text in spelt if text)


@pytest.mark.parametrize("person", NONE)
def test_what_is_no_address_has_no_hash(person: str | None) -> None:
    assert hashes(mapped(sales([person, "a@x.org"]))) == [(0, None), (0, plain("a@x.org"))]


def test_a_record_without_a_key_has_the_hash_0_and_is_not_held() -> None:
    (batch,) = batches(mapped(sales([None, "\u00e4@"])))
    assert batch.held.tolist() == [False, False]
    assert batch.hashes.tolist() == [0, 0]


def test_batches_have_the_documented_types() -> None:
    (batch,) = batches(mapped(sales(["a@x.org", "\u00e4@x.org", None])))
    assert [each.dtype for each in batch] == [np.int64, np.uint64, np.bool_]
    assert {each.shape for each in batch} == {(3,)}


def test_another_rule_gives_other_hashes() -> None:
    purchases = mapped(sales(["a@x.org"]))
    assert hashes(purchases, rule="id-1") == [(0, plain("a@x.org", rule="id-1"))]
    assert plain("a@x.org", rule="id-1") != plain("a@x.org")


def test_ids_are_hashed_as_they_are_but_for_blanks_around_them() -> None:
    found = hashes(mapped(sales([" A \t"])), rule="id-1")
    assert found == [(0, plain("A", rule="id-1"))]


def test_another_key_gives_other_hashes() -> None:
    purchases = mapped(sales(["a@x.org", "\u00e4@x.org"]))
    assert not set(hashes(purchases)) & set(hashes(purchases, KEY[::-1]))


def test_a_hash_above_half_the_range_keeps_its_highest_bit() -> None:
    people = [f"a{n}@x.org" for n in range(40)]
    found = [value for _, value in hashes(mapped(sales(people)))]
    assert found == sorted(plain(person) for person in people)
    assert max(value for value in found if value is not None) >= 2**63


def test_a_buyer_with_two_person_keys_has_one_hash() -> None:
    one = sales(["b@x.org", "a@x.org"]).set_column(0, "id", pa.array(["x", "x"]))
    assert hashes(mapped(one)) == [(0, plain("a@x.org"))]


def test_person_keys_may_stand_in_the_buyers_table() -> None:
    listed = pa.table({"cid": ["b0", "b0"], "mail": ["z@x.org", "y@x.org"], "st": ["NY", "NY"]})
    buyers = Buyers(listed, buyer="cid", axes={"state": "st"}, person="mail")
    purchases = mapped(sales(["ignored@x.org"]), axes={}, person=None, buyers=buyers)
    assert hashes(purchases) == [(1, plain("y@x.org"))]


def test_many_records_come_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashing, "_ROWS", 2**11)
    people: list[str | None] = [f"a{n}@x.org" for n in range(5_000)]
    found = batches(mapped(sales(people)))
    assert len(found) > 1
    assert sum(len(batch.cells) for batch in found) == 5_000


# --- where the key stands ---------------------------------------------------------------------
def logged(people: list[str | None]) -> tuple[Any, str]:
    """Hash in an engine that logs its queries; return it and its log."""
    engine = ibis.duckdb.connect()
    engine.con.register("s", sales(people))
    engine.raw_sql("SET enable_logging = true").fetchall()
    hashes(mapped(engine.table("s")))
    return engine, str(engine.raw_sql("SELECT message FROM duckdb_logs").fetchall())


def secrets() -> set[str]:
    """The key, and the two pads made of it, as texts."""
    pads = [bytes(byte ^ pad for byte in KEY.ljust(64, b"\0")) for pad in (0x36, 0x5C)]
    forms = {form for each in (KEY, *pads) for form in (each.hex(), repr(each)[2:-1])}
    return forms | {form.upper() for form in forms}


def test_the_key_stands_in_no_text_of_a_query() -> None:
    _, log = logged(["a@x.org", "\u00e4@x.org"])
    assert "dpnotice_inner" in log
    assert [form for form in secrets() if form in log] == []


def test_a_key_within_a_query_would_be_seen() -> None:
    """The planted leak."""
    engine, _ = logged(["a@x.org"])
    engine.raw_sql(f"SELECT sha256('\\x{KEY.hex()}'::BLOB)").fetchall()
    log = str(engine.raw_sql("SELECT message FROM duckdb_logs").fetchall())
    assert [form for form in secrets() if form in log]


def held(engine: Any) -> list[Any]:
    return engine.raw_sql("SELECT name FROM duckdb_variables()").fetchall()


def test_the_key_stays_in_no_connection() -> None:
    engine, _ = logged(["a@x.org"])
    assert held(engine) == []


def started(engine: Any, people: list[str | None]) -> Any:
    engine.con.register("s", sales(people))
    purchases = mapped(engine.table("s"))
    with purchases.opened() as tables:
        records = counting.records(INQUIRY, purchases, tables)
        return keyed(records, tables.engine, key=KEY, rule="email-1")


def test_the_key_is_forgotten_when_nobody_reads_to_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hashing, "_ROWS", 2**11)
    engine = ibis.duckdb.connect()
    batches = started(engine, [f"a{n}@x.org" for n in range(20_000)])
    next(batches)
    batches.close()
    assert held(engine) == []


def test_the_key_is_forgotten_when_the_query_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = ibis.duckdb.connect()

    def failing(*_: object) -> Any:
        assert len(held(engine)) == 2
        raise RuntimeError

    monkeypatch.setattr(hashing, "_batches", failing)
    with pytest.raises(RuntimeError):
        next(started(engine, ["a@x.org"]))
    assert held(engine) == []


# --- where the engine cannot hash -------------------------------------------------------------
class Elsewhere:
    """An engine of another name, which hands every key over as it is."""

    name = "postgres"

    def __init__(self, people: list[str | None]) -> None:
        self.people, self.asked = people, list[Any]()

    def to_pyarrow_batches(self, query: Any, *, chunk_size: int) -> Any:
        self.asked.append((query.columns, chunk_size))
        cells = pa.array(range(len(self.people)), pa.int64())
        yield pa.record_batch({"cell": cells, "other": pa.array(self.people, pa.string())})


def test_another_engine_hands_keys_over_to_be_hashed_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashing, "in_utc", lambda _: nullcontext())
    people = [*PLAIN, *ODD, *NONE]
    engine = Elsewhere(people)
    records = ibis.table({"buyer": "string", "cell": "int64", "person": "string"}, name="r")
    (batch,) = keyed(records, engine, key=KEY, rule="email-1")
    spelt = [normalised(person, "email-1") for person in people]
    assert batch.cells.tolist() == list(range(len(people)))
    assert batch.held.tolist() == [text is not None for text in spelt]
    assert batch.hashes.tolist() == [plain(text) if text else 0 for text in spelt]
    assert engine.asked == [(("cell", "other"), 2**17)]
