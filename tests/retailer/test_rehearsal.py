"""A rehearsal shows all that an answer would do, and does nothing of it."""

import math
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import ibis
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dpnotice.errors import DpnoticeError
from dpnotice.inquiry import Inquiry
from dpnotice.retailer import counting, mechanism, sketch
from dpnotice.retailer.answer import answer, request_id
from dpnotice.retailer.ledger import Ledger
from dpnotice.retailer.purchases import Purchases
from dpnotice.retailer.rehearsal import Rehearsal, rehearse
from dpnotice.retailer.sketch import DocketKey
from dpnotice.retailer.sql import counting_sql, coverage_sql
from made.layouts import COLUMNS, SALES, apart, inquiry, people, sales

DAY = date(2020, 3, 1)
CANARY = "canary-7731"


def shop(**changes: Any) -> Purchases:
    bought = sales((CANARY, "p", DAY, f"{CANARY}-state"), (f"{CANARY}-b", "p", DAY, "CA"))
    return apart(bought, people((CANARY, f"{CANARY}-age")), **changes)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger.create(tmp_path / "a.ledger", epsilon_cap="3")


def rehearsed(
    ledger: Ledger, purchases: Any = None, asked: Inquiry | None = None, retailer: str = "shop"
) -> Rehearsal:
    purchases = shop() if purchases is None else purchases
    return rehearse(asked or inquiry(), purchases, retailer=retailer, ledger=ledger)


# --- what is shown -------------------------------------------------------------------------
def test_every_column_that_would_be_read_is_shown_with_its_type(ledger: Ledger) -> None:
    assert rehearsed(ledger).columns == (
        ("buyer", "id", "string"),
        ("product", "sku", "string"),
        ("date", "day", "date"),
        ("axes.state", "st", "string"),
        ("buyers.buyer", "cust", "string"),
        ("buyers.axes.age", "age", "string"),
    )


def test_without_a_buyers_table_only_the_purchases_are_shown(ledger: Ledger) -> None:
    plain = Purchases(sales(), **COLUMNS, axes={"state": "st", "age": "st"})
    assert [argument for argument, *_ in rehearsed(ledger, plain).columns] == [
        "buyer",
        "product",
        "date",
        "axes.state",
        "axes.age",
    ]


def test_the_noise_is_the_one_that_an_answer_would_carry(ledger: Ledger) -> None:
    noise = dict(rehearsed(ledger).noise)
    release = answer(inquiry(), shop(), retailer="shop", ledger=ledger)
    assert noise == {of: table.noise for of, table in release.tables.items()}


def test_the_cost_is_shown_beside_what_is_spent_and_the_cap(ledger: Ledger) -> None:
    answer(inquiry(name="earlier"), shop(), retailer="shop", ledger=ledger)
    other = rehearsed(ledger)
    same = rehearsed(ledger, asked=inquiry(name="earlier", privacy={"epsilon": "0.5"}))
    assert (other.spent, same.spent, same.cap) == (Decimal(0), Decimal(1), Decimal(3))


def test_both_queries_are_shown_as_they_would_be_printed(ledger: Ledger) -> None:
    found = rehearsed(ledger)
    assert found.counting_sql == counting_sql(inquiry(), shop(), dialect="duckdb")
    assert found.coverage_sql == coverage_sql(inquiry(), shop(), dialect="duckdb")


def test_the_page_says_all_of_it(ledger: Ledger) -> None:
    found = rehearsed(ledger, shop(ids="trim"))
    page = found.page()
    assert page.startswith("DRY RUN: NO ROW WAS READ, NOTHING WAS DEBITED, NOTHING LEAVES\n")
    for expected in ("shop", "duckdb", "epsilon 1; spent before 0 of 3", "new: an answer would"):
        assert expected in page
    for argument, column, kind in found.columns:
        assert any(line.split() == [argument, column, kind] for line in page.splitlines())
    assert found.counting_sql in page
    assert found.coverage_sql in page
    assert "state x age" in page


def test_a_rehearsal_under_rho_speaks_of_rho(tmp_path: Path) -> None:
    rho = Ledger.create(tmp_path / "rho.ledger", rho_cap="1")
    asked = inquiry(privacy={"rho": "0.5", "noise": "discrete-gaussian"})
    assert "rho 0.5; spent before 0 of 1" in rehearsed(rho, asked=asked).page()


def test_the_engine_of_a_table_passed_in_is_shown(ledger: Ledger) -> None:
    engine = ibis.duckdb.connect()
    engine.raw_sql("CREATE TABLE s AS SELECT 'a' id, 'p' sku, DATE '2020-03-01' AS day, 'CA' st")
    both = Purchases(engine.table("s"), **COLUMNS, axes={"state": "st", "age": "st"})
    found = rehearsed(ledger, both)
    assert found.engine == "duckdb"
    assert 'FROM "memory"."main"."s"' in found.counting_sql or '"s"' in found.counting_sql


# --- the state of the request --------------------------------------------------------------
def debited(ledger: Ledger) -> str:
    request = request_id(inquiry(), "shop", "as_is")
    ledger.debit(inquiry(), "shop", request=request, attempt=0)
    return request


def answered(ledger: Ledger) -> None:
    answer(inquiry(), shop(), retailer="shop", ledger=ledger)


def lost(ledger: Ledger) -> None:
    ledger.declare_lost(debited(ledger))


STATES: dict[str, Callable[[Ledger], object]] = {
    "new": lambda _: None,
    "artifact": answered,
    "lost": lost,
    "open": debited,
}
WORDS = {
    "new": "an answer would be debited",
    "artifact": "at no cost",
    "lost": "--new-attempt",
    "open": "BUDGET_OPEN",
}


@pytest.mark.parametrize("state", STATES)
def test_the_state_of_the_request_is_shown(ledger: Ledger, state: str) -> None:
    STATES[state](ledger)
    found = rehearsed(ledger)
    assert found.state == state
    assert WORDS[state] in found.page()


def test_what_was_answered_before_needs_no_budget(tmp_path: Path) -> None:
    spent = Ledger.create(tmp_path / "x", epsilon_cap="1")
    answered(spent)
    assert rehearsed(spent).state == "artifact"


# --- what is not done ----------------------------------------------------------------------
def damaged(path: Path) -> Path:
    """A Parquet file whose rows cannot be read and whose schema can."""
    rows = [(f"b{n}", "p", DAY, "CA") for n in range(500)]
    pq.write_table(sales(*rows), path, compression="none", use_dictionary=False)
    content = path.read_bytes()
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    path.write_bytes(content[:4] + b"\xff" * (footer - 4) + content[footer:])
    return path


def test_no_row_of_a_file_is_read(ledger: Ledger, tmp_path: Path) -> None:
    path = damaged(tmp_path / "a.parquet")
    broken = Purchases(path, **COLUMNS, axes={"state": "st", "age": "st"})
    with pytest.raises(DpnoticeError, match="SOURCE_CORRUPT"):
        answer(inquiry(), broken, retailer="shop", ledger=ledger)
    assert len(rehearsed(ledger, broken).columns) == 5


def test_no_row_of_a_csv_is_read(ledger: Ledger, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('id,sku,day,st\n"b,p\n', encoding="utf-8")
    broken = Purchases(tmp_path / "a.csv", **COLUMNS, axes={"state": "st", "age": "st"})
    assert len(rehearsed(ledger, broken).columns) == 5


def test_nothing_is_counted_or_drawn(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "count", lambda *_: pytest.fail("counted"))
    monkeypatch.setattr(mechanism, "draw", lambda *_: pytest.fail("drawn"))
    assert rehearsed(ledger).state == "new"


@pytest.mark.parametrize("state", STATES)
def test_nothing_is_debited(ledger: Ledger, state: str) -> None:
    STATES[state](ledger)
    before = ledger.path.read_bytes()
    rehearsed(ledger)
    assert ledger.path.read_bytes() == before


def test_no_file_is_left(ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    rehearsed(ledger).page()
    assert sorted(tmp_path.iterdir()) == before


def test_no_value_of_the_data_is_shown(ledger: Ledger) -> None:
    found = rehearsed(ledger)
    assert CANARY not in found.page()
    assert CANARY not in repr(found)


def test_nothing_hangs_on_the_data(ledger: Ledger) -> None:
    none = apart(sales(), people())
    assert rehearsed(ledger, none).page() == rehearsed(ledger).page()


# --- what an answer would refuse -----------------------------------------------------------
PLAIN = {"axes": {"state": "st", "age": "st"}}
NAIVE = pa.array([0], pa.timestamp("us"))


def one(**columns: Any) -> pa.Table:
    plain = {name: pa.array([None], kind) for name, kind in SALES.items()}
    return pa.table(plain | columns)


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "missing file": (lambda: Purchases("none.parquet", **COLUMNS, **PLAIN), "SOURCE_MISSING"),
    "wrong source": (lambda: Purchases(3, **COLUMNS, **PLAIN), "SOURCE_TYPE"),
    "missing column": (
        lambda: Purchases(one().drop_columns("id"), **COLUMNS, **PLAIN),
        "SCHEMA_MISSING",
    ),
    "float id": (lambda: Purchases(one(id=[1.5]), **COLUMNS, **PLAIN), "ID_TYPE"),
    "text date": (lambda: Purchases(one(day=["x"]), **COLUMNS, **PLAIN), "SCHEMA_TYPE"),
    "naive time": (lambda: Purchases(one(day=NAIVE), **COLUMNS, **PLAIN), "TZ_REQUIRED"),
    "missing axis": (lambda: Purchases(one(), **COLUMNS, axes={"state": "st"}), "AXES_MISSING"),
    "kinds of ids": (lambda: apart(one(), people(cust=pa.int64())), "ID_KINDS"),
    "no purchases": (lambda: "sales.parquet", "ARGUMENT"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_an_answer_would_refuse_is_refused_by_the_same_code(ledger: Ledger, name: str) -> None:
    make, code = REFUSED[name]
    for step in (rehearse, answer):
        with pytest.raises(DpnoticeError) as caught:
            step(inquiry(), make(), retailer="shop", ledger=ledger)
        assert caught.value.code == code
        assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("asked", "retailer", "code"),
    [
        (inquiry(privacy={"epsilon": "3.1"}), "shop", "BUDGET_EXCEEDED"),
        (inquiry(privacy={"rho": "0.1", "noise": "discrete-gaussian"}), "shop", "MEASURE"),
        (Inquiry.from_dict(inquiry().to_dict()), "shop", "PRODUCTS_UNLISTED"),
        (inquiry(), "a/b", "BAD_NAME"),
    ],
)
def test_a_question_that_cannot_be_answered_is_refused_by_the_same_code(
    ledger: Ledger, asked: Inquiry, retailer: str, code: str
) -> None:
    for step in (rehearse, answer):
        with pytest.raises(DpnoticeError) as caught:
            step(asked, shop(), retailer=retailer, ledger=ledger)
        assert caught.value.code == code


def test_the_rows_of_a_csv_are_not_even_decoded(ledger: Ledger, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"id,sku,day,st\nb\xff,p,2020-03-01,CA\n")
    axes = {"state": "st", "age": "st"}
    assert rehearsed(ledger, Purchases(tmp_path / "a.csv", **COLUMNS, axes=axes)).state == "new"


def test_an_open_debit_of_a_spent_ledger_is_shown_as_open(tmp_path: Path) -> None:
    ledger = Ledger.create(tmp_path / "b.ledger", epsilon_cap="1")
    ledger.debit(inquiry(), "shop", request=request_id(inquiry(), "shop", "as_is"), attempt=0)
    assert rehearsed(ledger).state == "open"


# --- the sketch ----------------------------------------------------------------------------
SKETCH = {"sketch": {"epsilon": "0.5", "key": "email", "expected_buyers": 100}}


@pytest.fixture
def key(tmp_path: Path) -> Path:
    DocketKey.create(tmp_path / "docket.key")
    return tmp_path / "docket.key"


def sketching(key: Path | None, ledger: Ledger, purchases: Any = None, **asks: Any) -> Rehearsal:
    shop_ = shop(person="id") if purchases is None else purchases
    asked = inquiry(**SKETCH | asks)
    return rehearse(asked, shop_, retailer="shop", ledger=ledger, sketch_key=key)


def test_the_column_of_the_person_key_is_shown(ledger: Ledger, key: Path) -> None:
    assert ("person", "id", "string") in sketching(key, ledger).columns
    listed = shop(listed={"person": "cust"})
    assert ("buyers.person", "cust", "string") in sketching(key, ledger, listed).columns


def test_the_cost_is_that_of_tables_and_sketch(ledger: Ledger, key: Path) -> None:
    shown = sketching(key, ledger).page()
    assert "epsilon 1.5; spent before 0 of 3" in shown
    assert "Loss: the bitmap epsilon 0.5, the tables epsilon 1." in shown


def test_under_rho_the_cost_of_both_is_a_rho(tmp_path: Path, key: Path) -> None:
    rho = Ledger.create(tmp_path / "rho.ledger", rho_cap="1")
    privacy = {"rho": "0.25", "noise": "discrete-gaussian"}
    assert "rho 0.375; spent before 0 of 1" in sketching(key, rho, privacy=privacy).page()


def test_the_table_that_the_sketch_adds_is_among_those_with_noise(
    ledger: Ledger, key: Path
) -> None:
    found = sketching(key, ledger)
    assert ("keyed",) in found.noise
    assert any(line.startswith("keyed ") for line in found.page().splitlines())


def test_the_page_describes_the_bitmap_before_it_is_made(ledger: Ledger, key: Path) -> None:
    shown = sketching(key, ledger).page()
    assert "Bitmap      512 bytes" in shown
    assert "a hash, keyed by the docket's key" in shown
    assert "Bitmap" not in rehearsed(ledger).page()


def test_a_sketch_is_rehearsed_without_a_row_a_debit_or_a_value(
    ledger: Ledger, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sketch, "take", lambda *_: pytest.fail("counted"))
    monkeypatch.setattr(sketch, "flipped", lambda *_: pytest.fail("flipped"))
    shown = sketching(key, ledger).page()
    assert CANARY not in shown
    assert key.read_bytes().hex()[:16] not in shown
    assert ledger.accounts() == ()


def test_what_an_answer_with_a_sketch_would_refuse_is_refused_by_the_same_code(
    ledger: Ledger, key: Path, tmp_path: Path
) -> None:
    (tmp_path / "short.key").write_bytes(b"k" * 31)
    no_person, agreed = shop(), SKETCH["sketch"] | {"key_fingerprint": "0" * 16}
    rows: list[tuple[Path | None, Any, dict[str, Any], str]] = [
        (None, shop(person="id"), SKETCH, "SKETCH_KEY"),
        (tmp_path / "absent.key", shop(person="id"), SKETCH, "SKETCH_KEY"),
        (tmp_path / "short.key", shop(person="id"), SKETCH, "SKETCH_KEY"),
        (key, shop(person="id"), {"sketch": agreed}, "KEY_FINGERPRINT"),
        (key, shop(person="id"), {}, "SKETCH_NOT_ASKED"),
        (key, no_person, SKETCH, "PERSON_MISSING"),
        (key, shop(person="absent"), SKETCH, "SCHEMA_MISSING"),
        (key, shop(person="id"), SKETCH | {"privacy": {"epsilon": "2.6"}}, "BUDGET_EXCEEDED"),
    ]
    for place, purchases, asks, code in rows:
        for step in (rehearse, answer):
            with pytest.raises(DpnoticeError) as caught:
                step(inquiry(**asks), purchases, retailer="shop", ledger=ledger, sketch_key=place)
            assert caught.value.code == code
    assert ledger.accounts() == ()


# --- the quieter law -----------------------------------------------------------------------
def subsets(number: int) -> dict[str, Any]:
    """As many tables of equal weight."""
    names = "abcd"
    all_of = [[name for i, name in enumerate(names) if bits >> i & 1] for bits in range(16)]
    return {
        "axes": {name: ["x"] for name in names},
        "tables": [{"of": of} for of in all_of][:number],
    }


def mapped(**changes: Any) -> Purchases:
    return Purchases(sales(), **COLUMNS, axes=dict.fromkeys("abcd", "st"), **changes)


def page(ledger: Ledger, tables: int, **changes: Any) -> str:
    return rehearsed(ledger, mapped(), inquiry(**(subsets(tables) | changes))).page()


@pytest.mark.parametrize("tables", [1, 10, 11, 16])
def test_from_eleven_equal_tables_the_page_tells_of_gaussian_noise(
    ledger: Ledger, tables: int
) -> None:
    assert ("Gaussian noise under rho 0.02435" in page(ledger, tables)) == (tables > 10)


def test_the_saving_is_that_of_the_two_laws_at_one_loss(ledger: Ledger) -> None:
    """16 tables: sqrt of 16/(2 rho) over the variance of Laplace noise of scale 16."""
    laplace = 1 / (2 * math.sinh(1 / 32) ** 2)
    share = math.sqrt(16 / (2 * 0.02435) / laplace)
    assert f"{share:.0%} of this s.d." in page(ledger, 16)


def test_where_the_inquiry_left_the_law_to_the_tables_nothing_is_quieter(tmp_path: Path) -> None:
    rho = Ledger.create(tmp_path / "rho.ledger", rho_cap="1")
    shown = page(rho, 16, privacy={"epsilon": "1", "delta": "0.000001"})
    assert "rho 0.02435; spent before 0 of 1" in shown
    assert "quieter" not in shown
    assert "asks for it by a delta" not in shown


@pytest.mark.parametrize("epsilon", ["0.000000001", "0.0001", "0.01", "3"])
def test_any_loss_that_can_be_answered_can_be_rehearsed(ledger: Ledger, epsilon: str) -> None:
    """Where no Gaussian noise keeps so small a loss, there is none to tell of."""
    asked = inquiry(**subsets(2), privacy={"epsilon": epsilon})
    assert "new: an answer would" in rehearsed(ledger, mapped(), asked).page()
