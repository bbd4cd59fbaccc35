"""One buyer sets one bit at most, and the bits leave flipped once, or not at all."""

import copy
import dataclasses
import hmac
import json
import logging
import os
import pickle
import pprint
import random
import secrets
import sqlite3
import traceback
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from dpnotice.bitmap import Sketch
from dpnotice.errors import PURCHASES_RULES, DpnoticeError, PurchasesError
from dpnotice.inquiry import Inquiry
from dpnotice.release import Release
from dpnotice.retailer import counting, sketch
from dpnotice.retailer.answer import answer
from dpnotice.retailer.ledger import Ledger
from dpnotice.retailer.purchases import Buyers, Purchases
from dpnotice.retailer.sketch import DocketKey, ExactBitmap, flipped, take
from made import keyed_shops
from made.keyed_bulk import Bulk, examine, same, set_bits
from made.keyed_shops import KEY, Asked, Shop, asking
from made.releases import matter

DAY = date(2020, 3, 1)
FINGERPRINT = hmac.digest(KEY, b"dpnotice-fingerprint-1", "sha256").hex()[:16]


def fresh() -> random.Random:
    seed = secrets.randbits(64)
    print(f"seed {seed}")  # noqa: T201 -- shown where the test fails
    return random.Random(seed)  # noqa: S311 -- for data, not for noise


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "docket.key").write_bytes(KEY)
    return tmp_path / "docket.key"


@pytest.fixture
def key(path: Path) -> DocketKey:
    return DocketKey(path)


# --- the docket's key -----------------------------------------------------------------------
def test_a_key_is_a_file_of_32_bytes(path: Path) -> None:
    assert DocketKey(path)._key == DocketKey(str(path))._key == KEY


@pytest.mark.parametrize("size", [0, 1, 16, 31, 33, 64, 65_536])
def test_a_key_of_other_bytes_is_refused(path: Path, size: int) -> None:
    path.write_bytes(b"k" * size)
    assert refusal_of(lambda: DocketKey(path)) == ("SKETCH_KEY", "sketch_key")


NO_KEYS: dict[str, Callable[[Path], Any]] = {
    "missing": lambda folder: folder / "other.key",
    "a folder": lambda folder: folder,
    "a name with a zero byte": lambda _: "a\0b",
    "bytes for a path": lambda _: KEY,
    "no path": lambda _: 7,
    "hex digits in a file": lambda folder: _written(folder / "hex.key", KEY.hex().encode()),
    "a line end after the key": lambda folder: _written(folder / "end.key", KEY + b"\n"),
}


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("name", NO_KEYS)
def test_what_is_no_key_file_is_refused_by_code_alone(tmp_path: Path, name: str) -> None:
    with pytest.raises(PurchasesError) as caught:
        DocketKey(NO_KEYS[name](tmp_path))
    assert str(caught.value) == f"SKETCH_KEY: {PURCHASES_RULES['SKETCH_KEY']} [sketch_key]"
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


def test_a_refused_key_shows_nothing_of_the_file_in_a_traceback_with_locals(path: Path) -> None:
    path.write_bytes(KEY + b"\n")
    with pytest.raises(PurchasesError) as caught:
        DocketKey(path)
    trace = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    (shown,) = [frame for frame in trace.stack if frame.name == "__init__"]
    assert shown.locals is not None
    assert shown.locals["self"] == "<DocketKey >"
    assert repr(KEY)[2:-1] not in str(shown.locals)


def refusal_of(work: Callable[[], object]) -> tuple[str, str]:
    with pytest.raises(PurchasesError) as caught:
        work()
    return caught.value.code, caught.value.field


def test_a_new_key_is_32_bytes_that_are_new_each_time(tmp_path: Path) -> None:
    made = [DocketKey.create(tmp_path / name) for name in "ab"]
    assert [(tmp_path / name).read_bytes() for name in "ab"] == [each._key for each in made]
    assert {len(each._key) for each in made} == {32}
    assert len({each._key for each in made}) == 2


def test_a_new_key_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        DocketKey.create(tmp_path / "a")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600


def test_a_new_key_never_takes_the_place_of_a_file(path: Path) -> None:
    assert refusal_of(lambda: DocketKey.create(path)) == ("KEY_FILE", "sketch_key")
    assert path.read_bytes() == KEY


def test_a_new_key_never_follows_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    assert refusal_of(lambda: DocketKey.create(tmp_path / "link"))[0] == "KEY_FILE"
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("name", ["none/docket.key", "a\0b", "", "."])
def test_a_new_key_where_none_can_be_is_refused(tmp_path: Path, name: str) -> None:
    place = f"{tmp_path}/{name}"
    assert refusal_of(lambda: DocketKey.create(place)) == ("KEY_FILE", "sketch_key")


def test_a_key_shows_its_fingerprint_alone(key: DocketKey) -> None:
    assert key.fingerprint == FINGERPRINT
    for shown in (repr(key), str(key), f"{key}", pprint.pformat(key), f"{[key]}"):
        assert shown.strip("[]") == f"<DocketKey {FINGERPRINT}>"


def test_fingerprints_tell_keys_apart(tmp_path: Path) -> None:
    assert len({DocketKey.create(tmp_path / str(n)).fingerprint for n in range(20)}) == 20


def test_a_key_has_no_dictionary_to_be_dumped(key: DocketKey) -> None:
    with pytest.raises(TypeError):
        vars(key)
    with pytest.raises(AttributeError):
        key.note = 1  # type: ignore[attr-defined]


# --- the exact bitmap shows nothing -----------------------------------------------------------
CANARY = b"\x87\x65\x43\x21" * 16


def planted() -> ExactBitmap:
    exact = ExactBitmap(sketch_plan())
    exact._bits[: len(CANARY)] = np.frombuffer(CANARY, np.uint8)
    return exact


def sketch_plan(**section: Any) -> Any:
    return asking(**section).sketch


ATTEMPTS: dict[str, Callable[[Any], object]] = {
    "pickle": pickle.dumps,
    "pickle protocol 0": lambda e: pickle.dumps(e, 0),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "replace": dataclasses.replace,
    "asdict": dataclasses.asdict,
    "astuple": dataclasses.astuple,
    "fields": dataclasses.fields,
    "vars": vars,
    "getstate": lambda e: e.__getstate__(),
    "reduce": lambda e: e.__reduce__(),
    "reduce_ex": lambda e: e.__reduce_ex__(4),
    "asarray": np.asarray,
    "array": np.array,
    "asarray of bytes": lambda e: np.asarray(e, dtype=np.uint8),
    "sum": np.sum,
    "bytes": bytes,
    "buffer": memoryview,
    "iteration": list,
    "dict": dict,
    "length": len,
    "item": lambda e: e[0],
    "membership": lambda e: 0x87 in e,
    "truth": bool,
    "int": int,
    "float": float,
    "equality": lambda e: e == e,  # noqa: PLR0124 -- equality itself is tried
    "inequality": lambda e: e != CANARY,
    "hash": hash,
    "unpacking": lambda e: [*e],
    "json": json.dumps,
    "frame": pd.DataFrame,
    "match": lambda e: {**e},
}


def spelt() -> set[str]:
    """Ways in which the first planted bytes could be told."""
    first = CANARY[:4]
    numbers = list(first)
    return {first.hex(), repr(first)[2:-1], str(numbers)[1:-1], " ".join(map(str, numbers))}


@pytest.mark.parametrize("name", ATTEMPTS)
def test_an_exact_bitmap_refuses(name: str) -> None:
    with pytest.raises((DpnoticeError, TypeError, AttributeError, ValueError)) as caught:
        ATTEMPTS[name](planted())
    told = f"{caught.value} {caught.value.args}"
    assert [form for form in spelt() if form in told] == []


SHOWN: dict[str, Callable[[Any], str]] = {
    "repr": repr,
    "str": str,
    "format": lambda e: f"{e:>60}",
    "percent": lambda e: "%s %r" % (e, e),  # noqa: UP031 -- another way to text
    "ascii": ascii,
    "pprint": pprint.pformat,
    "dir": lambda e: str(dir(e)),
    "inside a list": lambda e: str([e]),
    "log record": lambda e: logging.makeLogRecord({"msg": "%s", "args": (e,)}).getMessage(),
    "json default": lambda e: json.dumps({"e": e}, default=repr),
}


@pytest.mark.parametrize("name", SHOWN)
def test_an_exact_bitmap_shows_no_bit(name: str) -> None:
    shown = SHOWN[name](planted())
    assert shown == SHOWN[name](ExactBitmap(sketch_plan()))
    assert [form for form in spelt() if form in shown] == []


def test_the_planted_bytes_would_be_seen() -> None:
    """The planted leak: the array itself does show them."""
    held = planted()._bits
    assert [form for form in spelt() if form in f"{held.tolist()} {held.tobytes().hex()}"]


def test_repr_is_fixed_and_tells_no_size() -> None:
    large = ExactBitmap(sketch_plan(expected_buyers=100_000))
    assert repr(planted()) == repr(large) == f"{large:>9}" == "<ExactBitmap: withheld>"


def test_an_exact_bitmap_takes_no_new_attribute() -> None:
    with pytest.raises(AttributeError):
        planted().total = 1  # type: ignore[attr-defined]


def test_an_exact_bitmap_is_no_dataclass() -> None:
    assert not dataclasses.is_dataclass(ExactBitmap)


def test_an_exact_bitmap_has_no_subclass() -> None:
    with pytest.raises(DpnoticeError):
        type("Open", (ExactBitmap,), {})


@pytest.mark.parametrize("name", ["copy", "pickle", "asarray", "length", "equality"])
def test_a_refusal_says_that_the_bitmap_does_not_leave(name: str) -> None:
    with pytest.raises(DpnoticeError) as caught:
        ATTEMPTS[name](planted())
    assert str(caught.value) == (
        "INTERNAL: the step failed; the cause is withheld because it could quote the data "
        "[a key and an exact bitmap leave no process]"
    )


def test_a_new_bitmap_has_the_bytes_of_its_plan_and_no_bit_set() -> None:
    plan = sketch_plan(blocks="state", expected_by=[1, 2_000, 900])
    exact = ExactBitmap(plan)
    assert (exact._bits.nbytes, set_bits(exact)) == (plan.bytes, frozenset())


# --- what is counted and set ------------------------------------------------------------------
def drawn(random: Any, questions: int, shops: int) -> list[tuple[Asked, list[Shop]]]:
    asked = [keyed_shops.asked(random) for _ in range(questions)]
    return [(at, [keyed_shops.shop(random, at) for _ in range(shops)]) for at in asked]


def breaches(questions: int, shops: int) -> None:
    cases = moved = 0
    for at, held in drawn(fresh(), questions, shops):
        found = examine(at, held)
        assert [found[kind] for kind in ("rule", "order", "neighbours")] == [0] * 3, (at, held)
        cases, moved = cases + found["cases"], moved + found["moved"]
    assert moved > cases / 8


def test_bits_and_counts_are_those_of_the_rule_and_no_buyer_moves_two_bits() -> None:
    breaches(5, 2)


@pytest.mark.slow
def test_a_thousand_neighbours_differ_in_one_bit_at_most() -> None:
    breaches(40, 5)


def test_the_bits_of_the_bulk_are_those_of_the_library(key: DocketKey) -> None:
    for at, held in drawn(fresh(), 3, 1):
        bulk = Bulk(at)
        whole = bulk.load(held[0])
        counts, exact = take(at.inquiry, keyed_shops.purchases(at, held[0]), key)
        bulk.close()
        assert same(whole, (set_bits(exact), dict(counts._tables)))


def everything(random: Any) -> tuple[Asked, Shop]:
    """Blocks, planes and a buyers table with the key, and a shop that sets a few bits."""
    section = {"blocks": "age", "expected_by": [900, 1, 3_000], "planes": keyed_shops.PLANES[1]}
    at = Asked(inquiry=asking(**section), far=("state",), person_far=True)
    while True:
        held = keyed_shops.shop(random, at, buyers=60)
        if len(keyed_shops.bits(at, with_ids(held))) > 3:
            return at, held


def with_ids(held: Shop) -> Shop:
    """Leave out the rows without a buyer: CSV has no NULL."""
    return Shop([row for row in held.rows if row[0]], held.listed)


def sources(at: Asked, held: Shop, folder: Path) -> dict[str, tuple[Any, Any]]:
    both = keyed_shops.tables(at, held)
    pairs: dict[str, list[Any]] = {name: [] for name in ("file", "files", "csv", "polars")}
    for number, table in enumerate(both):
        one, parts = folder / f"{number}.parquet", folder / f"parts{number}"
        pq.write_table(table, one)
        pyarrow.csv.write_csv(table, folder / f"{number}.csv")
        parts.mkdir()
        for part in range(3):
            rows = range(part, len(table), 3)
            pq.write_table(table.take(list(rows)), parts / f"{part}.parquet")
        pairs["file"].append(one)
        pairs["files"].append(str(parts / "*.parquet"))
        pairs["csv"].append(folder / f"{number}.csv")
        pairs["polars"].append(pl.from_arrow(table))
    backwards = [table.take(list(range(len(table)))[::-1]) for table in both]
    again = [pa.concat_tables([table, table]) for table in both]
    return {name: tuple(pair) for name, pair in pairs.items()} | {
        "pandas": tuple(table.to_pandas() for table in both),
        "backwards": tuple(backwards),
        "every row twice": tuple(again),
    }


def test_every_source_and_order_gives_the_same_bits(tmp_path: Path, key: DocketKey) -> None:
    at, held = everything(fresh())
    held = with_ids(held)
    wanted = frozenset(keyed_shops.bits(at, held))
    found = {
        name: set_bits(take(at.inquiry, keyed_shops.mapped(at, *pair), key)[1])
        for name, pair in sources(at, held, tmp_path).items()
    }
    assert {name for name, bits in found.items() if bits != wanted} == set()


@pytest.mark.parametrize("threads", [1, 4])
def test_the_number_of_threads_changes_no_bit(threads: int, key: DocketKey) -> None:
    at, held = everything(fresh())
    engine = ibis.duckdb.connect(threads=threads)
    names = ("sales", "listed")
    for name, table in zip(names, keyed_shops.tables(at, held), strict=True):
        engine.create_table(name, table)
    mapped = keyed_shops.mapped(at, *(engine.table(name) for name in names))
    _, exact = take(at.inquiry, mapped, key)
    assert set_bits(exact) == frozenset(keyed_shops.bits(at, held))


def one_each(people: Sequence[str | None], **columns: Any) -> pa.Table:
    """One buyer for each person key."""
    n = len(people)
    plain = {
        "id": pa.array([f"b{i}" for i in range(n)], pa.string()),
        "sku": pa.array(["p"] * n, pa.string()),
        "day": pa.array([DAY] * n, pa.date32()),
        "st": pa.array(["CA"] * n, pa.string()),
        "mail": pa.array(people, pa.string()),
    }
    return pa.table(plain | columns)


def mapped(source: Any, **changes: Any) -> Purchases:
    columns = {"buyer": "id", "product": "sku", "date": "day", "axes": {"state": "st"}}
    return Purchases(source, **(columns | {"person": "mail"} | changes))


def inquiry(**changes: Any) -> Inquiry:
    section = {"epsilon": "1", "key": "email", "expected_buyers": 100}
    plain: dict[str, Any] = {"tables": [{"of": []}, {"of": ["state"]}], "sketch": section}
    return matter(**(plain | changes))


def test_more_buyers_than_a_batch_holds_are_all_set(
    key: DocketKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bits of several batches are united, and counts added."""
    monkeypatch.setattr("dpnotice.retailer.hashing._ROWS", 2**11)
    people = [f"a{n}@x.org" for n in range(5_000)]
    asked = inquiry(sketch={"epsilon": "1", "key": "email", "expected_buyers": 20_000})
    counts, exact = take(asked, mapped(one_each(people)), key)
    assert set_bits(exact) == {keyed_shops.place(asked, (0,), each) for each in people}
    assert counts._tables[()] == 5_000


def test_the_counts_are_those_of_the_inquiry_without_its_sketch(key: DocketKey) -> None:
    """All buyers, with a key or without; the person key is not read for the plain count."""
    at, held = everything(fresh())
    counts, _ = take(at.inquiry, keyed_shops.purchases(at, held), key)
    plain = tuple(table for table in at.inquiry.specs if "keyed" not in table.of)
    without = dataclasses.replace(at.inquiry, sketch=None, specs=plain)
    alone = counting.count(without, keyed_shops.purchases(at, held))
    assert len(without.tables) == 2
    for of in without.tables:
        assert np.array_equal(alone._tables[of], counts._tables[of])


def test_buyers_without_a_key_are_counted_and_set_no_bit(key: DocketKey) -> None:
    people = ["ann@x.org", None, "", " \t", "no address", "info@x.org", "\u00e4@", "bob@x.org"]
    counts, exact = take(inquiry(), mapped(one_each(people)), key)
    assert counts._tables["keyed",].tolist() == [2, 6]
    assert len(set_bits(exact)) == 2


def test_one_person_under_two_ids_sets_one_bit_and_is_two_buyers(key: DocketKey) -> None:
    counts, exact = take(inquiry(), mapped(one_each(["ann@x.org", " ANN@X.org."])), key)
    assert (counts._tables[()], len(set_bits(exact))) == (2, 1)


@pytest.mark.parametrize("people", [["b@x.org", "a@x.org"], ["a@x.org", "B@x.org", None]])
def test_a_buyer_has_the_first_of_their_keys_in_the_order_of_bytes(
    people: list[str | None], key: DocketKey
) -> None:
    one = one_each(people, id=pa.array(["x"] * len(people)))
    first = min((each for each in people if each), key=str.encode).lower()
    _, exact = take(inquiry(), mapped(one), key)
    assert set_bits(exact) == {keyed_shops.place(inquiry(), (0,), first)}


def test_keys_may_stand_in_the_buyers_table(key: DocketKey) -> None:
    listed = pa.table({"cid": ["b0", "b0", "b9"], "mail": ["z@x.org", "y@x.org", "a@x.org"]})
    buyers = Buyers(listed, buyer="cid", person="mail")
    counts, exact = take(
        inquiry(), mapped(one_each(["ignored@x.org"] * 2), person=None, buyers=buyers), key
    )
    assert set_bits(exact) == {keyed_shops.place(inquiry(), (0,), "y@x.org")}
    assert counts._tables["keyed",].tolist() == [1, 1]


def test_another_key_sets_another_bit(tmp_path: Path, key: DocketKey) -> None:
    sales = mapped(one_each([f"a{n}@x.org" for n in range(20)]))
    other = DocketKey.create(tmp_path / "other.key")
    one, two = (set_bits(take(inquiry(), sales, each)[1]) for each in (key, other))
    assert one != two


def test_an_inquiry_without_a_sketch_takes_none(key: DocketKey) -> None:
    plain = matter(tables=[{"of": []}])
    work = lambda: take(plain, mapped(one_each(["a@x.org"])), key)  # noqa: E731 -- said once
    assert refusal_of(work) == ("SKETCH_NOT_ASKED", "sketch_key")


def test_purchases_without_a_person_key_are_refused(key: DocketKey) -> None:
    work = lambda: take(inquiry(), mapped(one_each(["a@x.org"]), person=None), key)  # noqa: E731
    assert refusal_of(work) == ("PERSON_MISSING", "person")


def test_a_count_of_an_inquiry_with_a_sketch_needs_its_key() -> None:
    work = lambda: counting.count(inquiry(), mapped(one_each(["a@x.org"])))  # noqa: E731
    assert refusal_of(work) == ("SKETCH_KEY", "sketch_key")


@pytest.mark.parametrize("cell", [-1, 3, 2**40])
def test_an_engine_that_errs_is_found_out(
    cell: int, key: DocketKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = sketch.Keyed(np.array([cell]), np.zeros(1, np.uint64), np.ones(1, np.bool_))
    monkeypatch.setattr(sketch, "keyed", lambda *_, **__: (each for each in [wrong]))
    work = lambda: take(inquiry(), mapped(one_each(["a@x.org"])), key)  # noqa: E731
    assert refusal_of(work)[0] == "COUNT_CHECK"


# --- the flips --------------------------------------------------------------------------------
def exact_of(asked: Inquiry, *places: int) -> ExactBitmap:
    assert asked.sketch is not None
    exact = ExactBitmap(asked.sketch)
    for place in places:
        exact._bits[place // 8] |= 1 << place % 8
    return exact


def fed(monkeypatch: pytest.MonkeyPatch, integer: int) -> list[int]:
    """Let the operating system draw one integer for ever; return what is asked of it."""
    asked: list[int] = []

    def urandom(size: int) -> bytes:
        asked.append(size)
        return integer.to_bytes(2, "little") * (size // 2)

    monkeypatch.setattr(os, "urandom", urandom)
    return asked


def test_a_bit_is_flipped_below_the_threshold_and_not_at_it(
    key: DocketKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = inquiry()
    for integer, flips in ((0, 4_096), (17_625, 4_096), (17_626, 0), (65_535, 0)):
        fed(monkeypatch, integer)
        bits = flipped(asked, exact_of(asked), key).bits
        assert int.from_bytes(bits, "little").bit_count() == flips


def test_flips_turn_ones_into_zeros_too(key: DocketKey, monkeypatch: pytest.MonkeyPatch) -> None:
    fed(monkeypatch, 0)
    asked = inquiry()
    bits = flipped(asked, exact_of(asked, 3, 77), key).bits
    clear = [i for i in range(4_096) if not bits[i // 8] >> i % 8 & 1]
    assert clear == [3, 77]


@pytest.mark.parametrize("log2", [12, 20, 21, 23])
def test_every_bit_has_two_random_bytes_of_its_own(
    log2: int, key: DocketKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    section = {"epsilon": "1", "key": "email", "expected_buyers": 2**log2 // 6}
    asked = inquiry(sketch=section)
    drawn = fed(monkeypatch, 65_535)
    flipped(asked, exact_of(asked), key)
    assert sum(drawn) == 2 * 2**log2
    assert max(drawn) <= 2 * 2**20


def test_the_exact_bitmap_is_overwritten(key: DocketKey) -> None:
    asked = inquiry()
    exact = exact_of(asked, 1, 2, 3)
    held = exact._bits
    flipped(asked, exact, key)
    assert exact._bits is held
    assert not held.any()


def test_the_flips_come_from_the_operating_system_alone(
    key: DocketKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = inquiry()
    fed(monkeypatch, 17_625)
    random.seed(1)
    before = random.getstate(), np.random.get_state(legacy=False)  # noqa: NPY002 -- to see it rest
    for name in ("default_rng", "Generator", "RandomState", "random", "randint", "bytes"):
        monkeypatch.setattr(np.random, name, lambda *_, **__: pytest.fail("numpy draws"))
    made = [flipped(asked, exact_of(asked), key).bits for _ in range(2)]
    after = random.getstate(), np.random.get_state(legacy=False)  # noqa: NPY002 -- the same
    assert made == [b"\xff" * 512] * 2
    assert repr(before) == repr(after)


def test_a_seed_makes_no_flips_alike(key: DocketKey) -> None:
    """False alarm: 2^-2800, as each of 4,096 bits is drawn anew."""
    made = []
    for _ in range(2):
        random.seed(7)
        np.random.seed(7)  # noqa: NPY002 -- whoever sets it changes nothing
        made.append(flipped(inquiry(), exact_of(inquiry()), key).bits)
    assert made[0] != made[1]


def test_the_flipped_bitmap_states_plan_and_key(key: DocketKey) -> None:
    asked = inquiry()
    made = flipped(asked, exact_of(asked), key)
    assert isinstance(made, Sketch)
    assert (made.plan, made.key_fingerprint) == (asked.sketch, FINGERPRINT)


NOT_DECLARED: dict[str, Any] = {
    "no sketch": lambda asked: dataclasses.replace(
        asked, sketch=None, specs=tuple(t for t in asked.specs if "keyed" not in t.of)
    ),
    "a smaller loss": lambda asked: dataclasses.replace(
        asked, sketch=dataclasses.replace(asked.sketch, epsilon=Decimal("0.5"))
    ),
    "another size": lambda asked: dataclasses.replace(
        asked, sketch=dataclasses.replace(asked.sketch, expected_buyers=99)
    ),
}


@pytest.mark.parametrize("name", NOT_DECLARED)
def test_a_bitmap_of_another_plan_than_was_debited_is_not_drawn(
    name: str, key: DocketKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = inquiry()
    exact = exact_of(asked, 5)
    drawn = fed(monkeypatch, 0)
    work = lambda: flipped(NOT_DECLARED[name](asked), exact, key)  # noqa: E731 -- said once
    assert refusal_of(work) == ("NOISE_CHECK", "")
    assert (drawn, set_bits(exact)) == ([], {5})


def test_a_threshold_that_costs_more_than_declared_draws_nothing(
    key: DocketKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted fault: the nearest t."""
    monkeypatch.setattr("dpnotice.bitmap.threshold", lambda _: 17_625)
    asked, drawn = inquiry(), fed(monkeypatch, 0)
    assert refusal_of(lambda: flipped(asked, exact_of(asked), key))[0] == "NOISE_CHECK"
    assert drawn == []


# --- the answer -------------------------------------------------------------------------------
@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger.create(tmp_path / "a.ledger", epsilon_cap="7")


PEOPLE = [f"a{n}@x.org" for n in range(50)]


def ask(ledger: Ledger, path: object, asked: Inquiry | None = None, **options: Any) -> Release:
    return answer(
        asked or inquiry(),
        mapped(one_each(PEOPLE)),
        **({"retailer": "shop", "ledger": ledger, "sketch_key": path} | options),
    )


def entries(ledger: Ledger) -> list[tuple[str, int]]:
    """Kind and cost, in billionths, of every entry."""
    with closing(sqlite3.connect(ledger.path)) as connection:
        return connection.execute("SELECT kind, cost FROM entry ORDER BY seq").fetchall()


def test_tables_and_sketch_are_one_debit_of_the_sum(ledger: Ledger, path: Path) -> None:
    asked = inquiry(sketch={"epsilon": "2.5", "key": "email", "expected_buyers": 100})
    release = ask(ledger, path, asked)
    assert [int(cost) for kind, cost in entries(ledger) if kind == "debit"] == [3_500_000_000]
    assert ledger.remaining(asked, "shop") == Decimal("3.5")
    assert release.epsilon == Decimal("3.5")


def test_the_same_request_returns_the_same_bits_at_no_cost(
    ledger: Ledger, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = ask(ledger, path)
    monkeypatch.setattr(sketch, "flipped", lambda *_: pytest.fail("flipped again"))
    monkeypatch.setattr(sketch, "take", lambda *_: pytest.fail("counted again"))
    again = ask(ledger, path)
    assert again.to_bytes() == first.to_bytes()
    assert ledger.remaining(inquiry(), "shop") == Decimal(5)


def test_a_new_attempt_flips_anew_and_costs_again(ledger: Ledger, path: Path) -> None:
    """False alarm: 2^-2800, as each of 4,096 bits is drawn anew."""
    first, second = ask(ledger, path), ask(ledger, path, new_attempt="the file was lost")
    assert first.sketch is not None
    assert second.sketch is not None
    assert first.sketch.bits != second.sketch.bits
    assert ledger.remaining(inquiry(), "shop") == Decimal(3)


@pytest.fixture
def _uncounted(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is refused before the debit is refused before the purchases are read, too."""
    monkeypatch.setattr(sketch, "take", lambda *_: pytest.fail("counted"))


WRONG: dict[str, tuple[Callable[[Path], Any], str, str]] = {
    "missing": (lambda _: None, "", "SKETCH_KEY"),
    "no such file": (lambda path: path.with_name("other.key"), "", "SKETCH_KEY"),
    "too short": (lambda path: _written(path.with_name("s"), KEY[:31]), "", "SKETCH_KEY"),
    "too long": (lambda path: _written(path.with_name("l"), KEY + b"\n"), "", "SKETCH_KEY"),
    "another fingerprint": (lambda path: path, "0" * 16, "KEY_FINGERPRINT"),
    "another key": (
        lambda path: _written(path.with_name("o"), KEY[::-1]),
        FINGERPRINT,
        "KEY_FINGERPRINT",
    ),
}


@pytest.mark.usefixtures("_uncounted")
@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_key_is_refused_before_the_debit(ledger: Ledger, path: Path, name: str) -> None:
    given, fingerprint, code = WRONG[name]
    stated = {"key_fingerprint": fingerprint} if fingerprint else {}
    asked = inquiry(sketch={"epsilon": "1", "key": "email", "expected_buyers": 100} | stated)
    before = entries(ledger)
    work = lambda: ask(ledger, given(path), asked)  # noqa: E731 -- said once
    assert refusal_of(work) == (code, "sketch_key")
    assert (entries(ledger), ledger.remaining(asked, "shop")) == (before, Decimal(7))


def test_a_key_that_nobody_asks_for_is_refused_before_the_debit(ledger: Ledger, path: Path) -> None:
    work = lambda: ask(ledger, path, matter())  # noqa: E731 -- said once
    assert refusal_of(work) == ("SKETCH_NOT_ASKED", "sketch_key")
    assert ledger.remaining(matter(), "shop") == Decimal(7)


def test_a_fingerprint_that_agrees_is_answered(ledger: Ledger, path: Path) -> None:
    section = {"epsilon": "1", "key": "email", "expected_buyers": 100}
    release = ask(ledger, path, inquiry(sketch=section | {"key_fingerprint": FINGERPRINT}))
    assert release.sketch is not None
    assert release.sketch.key_fingerprint == FINGERPRINT


def test_a_stored_answer_is_not_given_out_for_another_key(ledger: Ledger, path: Path) -> None:
    ask(ledger, path)
    other = _written(path.with_name("other.key"), KEY[::-1])
    assert refusal_of(lambda: ask(ledger, other)) == ("KEY_FINGERPRINT", "sketch_key")
    assert ledger.remaining(inquiry(), "shop") == Decimal(5)


@pytest.mark.usefixtures("_uncounted")
def test_what_a_ledger_cannot_pay_for_with_the_sketch_is_not_counted(
    tmp_path: Path, path: Path
) -> None:
    poor = Ledger.create(tmp_path / "poor.ledger", epsilon_cap="1.5")
    with pytest.raises(DpnoticeError) as caught:
        ask(poor, path)
    assert caught.value.code == "BUDGET_EXCEEDED"
    assert poor.remaining(inquiry(), "shop") == Decimal("1.5")


def test_the_exact_bits_are_gone_once_an_answer_is_given(
    ledger: Ledger, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[ExactBitmap] = []
    plain = sketch.flipped

    def seen(asked: Inquiry, exact: ExactBitmap, key: DocketKey) -> Sketch:
        assert set_bits(exact)
        kept.append(exact)
        return plain(asked, exact, key)

    monkeypatch.setattr(sketch, "flipped", seen)
    ask(ledger, path)
    assert [set_bits(exact) for exact in kept] == [frozenset()]


def test_the_bits_are_drawn_after_the_debit(
    ledger: Ledger, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[Decimal] = []
    plain = sketch.flipped

    def seen(*arguments: Any) -> Sketch:
        left.append(ledger.remaining(inquiry(), "shop"))
        return plain(*arguments)

    monkeypatch.setattr(sketch, "flipped", seen)
    ask(ledger, path)
    assert left == [Decimal(5)]


def test_a_release_holds_the_flipped_bits_and_not_the_exact_ones(
    ledger: Ledger, path: Path
) -> None:
    """False alarm: 1e-9 at most; fewer than 600 or over 1,700 of 4,096 flips are rarer by far."""
    asked = inquiry()
    release = Release.from_bytes(ask(ledger, path).to_bytes())
    assert release.sketch is not None
    exact = exact_of(asked, *(keyed_shops.place(asked, (0,), each) for each in PEOPLE))
    flips = int.from_bytes(release.sketch.bits, "little") ^ int.from_bytes(
        exact._bits.tobytes(), "little"
    )
    assert 600 < flips.bit_count() < 1_700


@pytest.mark.parametrize("leak", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_key_is_neither_pickled_nor_copied(tmp_path: Path, leak: Callable[[Any], Any]) -> None:
    key = DocketKey.create(tmp_path / "one.key")
    with pytest.raises(PurchasesError, match="INTERNAL"):
        leak(key)
