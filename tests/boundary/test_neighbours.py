"""Grey box: two retailers that differ by one buyer look alike up to one person in each table."""

import logging
import os
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dpnotice.errors import PurchasesError
from dpnotice.inquiry import Inquiry
from dpnotice.retailer import counting, mechanism
from dpnotice.retailer.answer import answer
from dpnotice.retailer.ledger import Ledger
from dpnotice.retailer.purchases import Purchases

Row = tuple[Any, ...]
STATES, AGES = ["CA", "NY"], ["young", "old"]
FIRST, LAST = date(2020, 1, 1), date(2020, 12, 31)
INQUIRY = Inquiry.from_dict(
    {
        "format": 1,
        "name": "matter",
        "title": "Purchasers",
        "period": ["2020-01-01", "2021-01-01"],
        "timezone": "UTC",
        "products": ["p", "q"],
        "axes": {"state": STATES, "age": AGES},
        "tables": [{"of": []}, {"of": ["state"]}, {"of": ["age"]}, {"of": ["state", "age"]}],
        "privacy": {"epsilon": "1"},
    }
)
DECEMBER = Inquiry.from_dict(
    INQUIRY.to_dict() | {"products": ["p"], "period": ["2020-12-01", "2021-01-01"]}
)
RULES: dict[str, Callable[[str], str]] = {
    "as_is": lambda text: text,
    "trim": lambda text: text.strip(" "),
    "trim_ascii_lower": lambda text: text.strip(" ").lower(),
}

ids = st.sampled_from(["a", "A", " a", "a ", "b", "B", "c", "007", "7", "", " ", None])
days = st.sampled_from(
    [FIRST - timedelta(1), FIRST, date(2020, 6, 1), date(2020, 6, 2), LAST, LAST + timedelta(1)]
)
rows = st.tuples(
    ids,
    st.sampled_from(["p", "p", "q", "other", None]),
    days,
    st.sampled_from([*STATES, "TX", "unknown", "", None]),
    st.sampled_from([*AGES, "-5", None]),
)
histories = st.lists(rows, max_size=14)
KINDS = {"id": pa.string(), "sku": pa.string(), "day": pa.date32(), "st": pa.string()}
KINDS["age"] = pa.string()


def frame(history: list[Row]) -> pa.Table:
    columns = list(zip(*history, strict=True)) or [()] * len(KINDS)
    arrays = [pa.array(column, kind) for column, kind in zip(columns, KINDS.values(), strict=True)]
    return pa.table(dict(zip(KINDS, arrays, strict=True)))


def purchases(source: object, rule: str = "as_is") -> Purchases:
    axes = {"state": "st", "age": "age"}
    return Purchases(source, buyer="id", product="sku", date="day", axes=axes, ids=rule)


def exact(source: object, rule: str = "as_is", asked: Inquiry = INQUIRY) -> dict[Any, Any]:
    return dict(counting.count(asked, purchases(source, rule))._tables)


def plain(source: object) -> dict[Any, Any]:
    return {of: counts.tolist() for of, counts in exact(source).items()}


def spelt(buyer: str | None, rule: str) -> str | None:
    return RULES[rule](buyer) if buyer and buyer.strip() else None


def without(history: list[Row], buyer: str, rule: str) -> list[Row]:
    return [row for row in history if spelt(row[0], rule) != buyer]


def oracle(history: list[Row], rule: str) -> dict[Any, Any]:
    """The rule, buyer by buyer, in plain Python."""
    latest: dict[str, tuple[int, int, int]] = {}
    for buyer, sku, day, state, age in history:
        name = spelt(buyer, rule)
        if name is None or sku not in {"p", "q"} or not FIRST <= day <= LAST:
            continue
        code = [
            STATES.index(state) if state in STATES else 2,
            AGES.index(age) if age in AGES else 2,
        ]
        candidate = (-day.toordinal(), *code)
        latest[name] = min(latest.get(name, candidate), candidate)
    cross = np.zeros((3, 3), np.int64)
    for _, state, age in latest.values():
        cross[state, age] += 1
    sums = {(): cross.sum(), ("state",): cross.sum(1), ("age",): cross.sum(0)}
    return {of: counts.tolist() for of, counts in {**sums, ("state", "age"): cross}.items()}


@settings(max_examples=30)
@given(histories, st.sampled_from(sorted(RULES)))
def test_counts_are_those_of_the_rule_applied_buyer_by_buyer(history: list[Row], rule: str) -> None:
    found = {of: counts.tolist() for of, counts in exact(frame(history), rule).items()}
    assert found == oracle(history, rule)


@settings(max_examples=20)
@given(histories, st.sampled_from(sorted(RULES)), st.data())
def test_one_buyer_changes_every_table_by_at_most_one(
    history: list[Row], rule: str, data: st.DataObject
) -> None:
    buyers = sorted({name for row in history if (name := spelt(row[0], rule))}) or ["nobody"]
    smaller = without(history, data.draw(st.sampled_from(buyers)), rule)
    before, after = exact(frame(history), rule), exact(frame(smaller), rule)
    assert {of: counts.shape for of, counts in before.items()} == {
        of: counts.shape for of, counts in after.items()
    }
    changes = {int(np.abs(before[of] - after[of]).sum()) for of in before}
    assert changes in ({0}, {1})


@settings(max_examples=8)
@given(st.lists(rows, min_size=1, max_size=14), st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(history: list[Row], random: object) -> None:
    shuffled = random.sample(history, len(history))
    assert plain(frame(history)) == plain(frame(shuffled))


@settings(max_examples=8)
@given(st.lists(rows, min_size=1, max_size=10))
def test_repeated_rows_do_not_matter(history: list[Row]) -> None:
    assert plain(frame(history)) == plain(frame(history + history))


@settings(max_examples=4, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(rows, min_size=3, max_size=14))
def test_every_kind_of_source_gives_the_same_counts(history: list[Row]) -> None:
    table = frame(history)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pq.write_table(table, folder / "one.parquet")
        pyarrow.csv.write_csv(table, folder / "one.csv")
        for number in range(3):
            pq.write_table(
                table.slice(number, 1 if number < 2 else None), folder / f"p{number}.parquet"
            )
        files = [folder / "one.parquet", folder / "one.csv", folder / "p*.parquet"]
        frames = [table.to_pandas(), pl.from_arrow(table), pl.from_arrow(table).lazy()]
        found = [plain(source) for source in [*files, *frames]]
    assert found == [plain(table)] * len(found)


@settings(max_examples=8)
@given(st.lists(rows, min_size=1, max_size=14))
def test_dates_and_midnights_give_the_same_counts(history: list[Row]) -> None:
    table = frame(history)
    midnights = [datetime(d.year, d.month, d.day, tzinfo=UTC) for d in table["day"].to_pylist()]
    times = table.set_column(2, "day", pa.array(midnights, pa.timestamp("us", tz="UTC")))
    assert plain(times) == plain(table)


# --- what else an observer sees ------------------------------------------------------------
class Observed(logging.Handler):
    """Everything about an answer that is not the noisy numbers."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(logging.DEBUG)
        self.seen: list[Any] = []
        self.monkeypatch = monkeypatch

    def emit(self, record: logging.LogRecord) -> None:
        self.seen.append(("log", record.name, record.getMessage()))

    def of(self, source: object) -> list[Any]:
        self.seen = []
        measure = mechanism._measurement
        called = lambda *scale: self.seen.append(("mechanism", scale)) or measure(*scale)  # noqa: E731 -- a spy
        logger = logging.getLogger("dpnotice")
        with tempfile.TemporaryDirectory() as folder, self.monkeypatch.context() as patch:
            patch.setattr(mechanism, "_measurement", called)
            patch.setattr(logger, "level", logging.DEBUG)
            patch.setattr(logger, "handlers", [self])
            # The same random bytes on both sides: what is left of the head is what it was made of.
            patch.setattr(os, "urandom", bytes)
            ledger = Ledger.create(Path(folder) / "x", epsilon_cap="2")
            try:
                self._answer(source, ledger)
            except PurchasesError as refusal:
                self.seen.append(("refused", str(refusal)))
            self.seen.append(("left", ledger.remaining(INQUIRY, "shop")))
            self.seen.append(sorted(path.name for path in Path(folder).iterdir()))
        return self.seen

    def _answer(self, source: object, ledger: Ledger) -> None:
        release = answer(
            INQUIRY,
            purchases(source),
            retailer="shop",
            ledger=ledger,
            progress=lambda step: self.seen.append(("step", step)),
        )
        header = release.to_dict()
        for table in header["tables"]:
            table["counts"] = len(table["counts"])
        self.seen.append(header)
        with closing(sqlite3.connect(ledger.path)) as connection:
            fields = "seq, kind, account, request, attempt, cost"
            debits = f"SELECT {fields}, body, hash FROM entry WHERE kind = 'debit'"  # noqa: S608
            self.seen += connection.execute(debits).fetchall()
            self.seen += connection.execute(f"SELECT {fields} FROM entry").fetchall()  # noqa: S608


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=st.lists(rows, min_size=1, max_size=10), kind=st.sampled_from(["arrow", "pandas"]))
def test_neighbours_differ_in_nothing_but_the_noisy_numbers(
    history: list[Row], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steps, scales, log lines, the debit and its hash, the header, the files left behind."""
    observed = Observed(monkeypatch)
    buyer = next((name for row in history if (name := spelt(row[0], "as_is"))), "nobody")
    tables = [frame(history), frame(without(history, buyer, "as_is"))]
    if kind == "pandas":
        tables = [table.to_pandas() for table in tables]
    before, after = (observed.of(table) for table in tables)
    assert before == after


# --- text files, whose columns have no types -----------------------------------------------
HEADER = "id,sku,day,st,age\n"
ISO = "".join(f"{i},p,2020-12-05,CA,old\n" for i in range(20))
SLASHES = "".join(f"{i},p,05/12/2020,CA,old\n" for i in range(20))
ZEROS = "".join(f"{i},p,2020-12-05,CA,old\n" for i in range(100, 22_000)) + (
    "007,p,2020-12-05,CA,old\n7,p,2020-12-05,NY,old\n"
)
TEXTS = {
    "a day that is no month": (SLASHES, "99,p,12/13/2020,CA,old\n"),
    "a day before its month": (SLASHES, "99,p,13/12/2020,CA,old\n"),
    "a text for a date": (ISO, "99,p,n/a,CA,old\n"),
    "an impossible date": (ISO, "99,p,2020-13-45,CA,old\n"),
    "a time for a date": (ISO, "99,p,2020-12-05 10:00:00,CA,old\n"),
    "a zoned time for a date": (ISO, "99,p,2020-12-05T10:00:00Z,CA,old\n"),
    "an empty date": (ISO, "99,p,,CA,old\n"),
    "a hash sign": (ISO, "#99,p,2020-12-05,CA,old\n"),
    "a quote": (ISO, '9"9,p,2020-12-05,CA,old\n'),
    "a semicolon": (ISO, "9;9,p,2020-12-05,CA,old\n"),
    "a text id after many numbers": (ZEROS, "A99,p,2020-12-05,CA,old\n"),
    "a late text for a date": (ZEROS, "99,p,n/a,CA,old\n"),
    "the only row": ("", "99,p,2020-12-05,CA,old\n"),
}


def outcome(path: Path, text: str) -> dict[Any, Any] | str:
    path.write_text(text)
    try:
        return exact(path, asked=DECEMBER)
    except PurchasesError as refusal:
        return refusal.code
    except Exception as refusal:  # noqa: BLE001 -- what the edge of `answer` would sort into a code
        return type(refusal).__name__


@pytest.mark.parametrize("name", TEXTS)
def test_one_buyers_line_of_a_csv_changes_only_that_buyer(tmp_path: Path, name: str) -> None:
    """Both are refused alike, or both are counted and differ by at most one."""
    others, line = TEXTS[name]
    before, after = (outcome(tmp_path / "x.csv", HEADER + text) for text in (others, others + line))
    if isinstance(before, str) or isinstance(after, str):
        assert before == after
    else:
        assert max(np.abs(before[of] - after[of]).sum() for of in before) <= 1


@pytest.mark.parametrize("kind", ["arrow", "object"])
def test_the_only_buyer_of_a_frame_can_be_removed(kind: str) -> None:
    one = frame([("a", "p", FIRST, "CA", "old")]).to_pandas()
    one = one.astype(object) if kind == "object" else one
    assert exact(one.iloc[:0])[()] == exact(one)[()] - 1


@pytest.mark.parametrize("column", ["st", "age"])
def test_the_only_buyer_with_a_level_can_be_removed(column: str) -> None:
    pair = [("a", "p", FIRST, "CA", "old"), ("b", "p", FIRST, "CA", "old")]
    both = frame(pair).to_pandas().astype(object)
    both.loc[1, column] = None
    assert exact(both.iloc[1:])[()] == exact(both)[()] - 1


# --- columns of objects, whose types nobody declared ------------------------------------------
def objects(ids: list[Any], days: list[Any]) -> pd.DataFrame:
    plain = {"sku": "p", "st": "CA", "age": "old"}
    ids_column, days_column = pd.Series(ids, dtype=object), pd.Series(days, dtype=object)
    return pd.DataFrame({"id": ids_column, "day": days_column, **plain})


ODD = {
    "a time with a zone": datetime(2020, 12, 6, tzinfo=UTC),
    "a time without one": datetime(2020, 12, 6, 12),  # noqa: DTZ001 -- the point
    "a text": "2020-12-06",
    "a number": 7,
    "nothing": None,
    "a day": date(2020, 12, 6),
}


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("odd", ODD)
def test_one_buyers_odd_object_moves_nobody_else(odd: str, *, first: bool) -> None:
    ids, days = [str(n) for n in range(20)], [date(2020, 12, 5)] * 20
    place = 0 if first else 20
    more = (
        [*ids[:place], "new", *ids[place:]],
        [*days[:place], ODD[odd], *days[place:]],
    )
    before, after = exact(objects(ids, days), asked=DECEMBER), exact(objects(*more), asked=DECEMBER)
    assert max(np.abs(before[of] - after[of]).sum() for of in before) <= 1


@pytest.mark.parametrize("odd", [7, "7", None, 1.5, True, b"x"])
def test_one_buyers_odd_id_moves_nobody_else(odd: object) -> None:
    ids: list[Any] = [f"n{n}" for n in range(20)]
    days = [date(2020, 12, 5)] * 21
    before = exact(objects(ids, days[:20]), asked=DECEMBER)
    after = exact(objects([*ids, odd], days), asked=DECEMBER)
    assert max(np.abs(before[of] - after[of]).sum() for of in before) <= 1
