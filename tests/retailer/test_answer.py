"""Look up, count, debit, draw, store: one answer per request, or a refusal that says nothing."""

import json
import logging
import traceback
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dpnotice.errors import PURCHASES_RULES, DpnoticeError, LedgerError, PurchasesError
from dpnotice.inquiry import Inquiry
from dpnotice.release import Release
from dpnotice.retailer import counting, mechanism
from dpnotice.retailer.answer import STEPS, answer, request_id
from dpnotice.retailer.ledger import Ledger
from dpnotice.retailer.purchases import Purchases
from made.releases import matter

DAY = date(2020, 3, 1)


def inquiry(**changes: object) -> Inquiry:
    plain = {
        "timezone": "America/New_York",
        "axes": {"state": ["CA", "NY"], "age": ["young", "old"]},
        "tables": [{"of": []}, {"of": ["state"]}, {"of": ["state", "age"]}],
    }
    return matter(**(plain | changes))


def frame(buyers: int = 3, **columns: object) -> pa.Table:
    plain = {
        "id": pa.array([f"b{i}" for i in range(buyers)], pa.string()),
        "sku": pa.array(["p"] * buyers, pa.string()),
        "day": pa.array([DAY] * buyers, pa.date32()),
        "st": pa.array(["CA"] * buyers, pa.string()),
        "age": pa.array(["old"] * buyers, pa.string()),
    }
    return pa.table(plain | columns)


def purchases(source: object = None, **changes: object) -> Purchases:
    mapping = {
        "buyer": "id",
        "product": "sku",
        "date": "day",
        "axes": {"state": "st", "age": "age"},
    }
    return Purchases(frame() if source is None else source, **(mapping | changes))


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger.create(tmp_path / "a.ledger", epsilon_cap="3")


def ask(
    ledger: Ledger, source: object = None, asked: Inquiry | None = None, **options: object
) -> Release:
    sales = source if isinstance(source, Purchases) else purchases(source)
    return answer(asked or inquiry(), sales, **({"retailer": "shop", "ledger": ledger} | options))


def refused(*arguments: object, **options: object) -> DpnoticeError:
    with pytest.raises(DpnoticeError) as caught:
        ask(*arguments, **options)
    return caught.value


# --- the answer ----------------------------------------------------------------------------
def test_the_answer_has_every_cell_of_every_table(ledger: Ledger) -> None:
    release = ask(ledger)
    shapes = {of: table.counts.shape for of, table in release.tables.items()}
    assert shapes == {(): (), ("state",): (3,), ("state", "age"): (3, 3)}


def test_the_answer_is_near_the_exact_counts(ledger: Ledger) -> None:
    """False alarm: below exp(-300), the chance of noise beyond 1,000 at scale 3."""
    release = ask(ledger, frame(5_000))
    assert np.abs(release.tables["state",].counts - [5_000, 0, 0]).max() < 1_000


def test_the_answer_is_what_the_ledger_holds(ledger: Ledger) -> None:
    release = ask(ledger)
    stored = ledger.lookup(request_id(inquiry(), "shop", "as_is"))
    assert stored == (0, "artifact", release.to_bytes())


def test_the_answer_names_its_debit(ledger: Ledger) -> None:
    release = ask(ledger)
    assert (release.retailer, release.attempt, release.ledger_sequence) == ("shop", 0, 1)


def test_the_answer_costs_the_declared_loss(ledger: Ledger) -> None:
    release = ask(ledger)
    assert (release.epsilon, ledger.remaining(inquiry(), "shop")) == (Decimal(1), Decimal(2))


def test_the_answer_shows_no_product(ledger: Ledger) -> None:
    data = ask(ledger, asked=inquiry(products=["p", "product-text-9137"])).to_bytes()
    assert b"product-text-9137" not in data


def test_an_answer_under_rho_is_gaussian(tmp_path: Path) -> None:
    rho = Ledger.create(tmp_path / "rho.ledger", rho_cap="1")
    asked = inquiry(privacy={"rho": "0.5", "noise": "discrete-gaussian"})
    release = ask(rho, asked=asked)
    assert {str(t.noise.law) for t in release.tables.values()} == {"discrete-gaussian"}


def test_an_empty_class_is_a_normal_answer(ledger: Ledger) -> None:
    assert ask(ledger, frame(0)).tables["state",].counts.shape == (3,)


def test_the_answer_holds_a_day_and_no_time(ledger: Ledger) -> None:
    header = ask(ledger).to_dict()
    assert date.fromisoformat(header["date"]).isoformat() == header["date"]
    assert not {"time", "seconds", "duration", "host", "path"} & set(header)


# --- the order of the steps ----------------------------------------------------------------
def test_progress_names_every_step_in_order(ledger: Ledger) -> None:
    seen: list[str] = []
    ask(ledger, progress=seen.append)
    assert tuple(seen) == STEPS


def test_the_debit_stands_before_the_draw_begins(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[Decimal] = []
    draw = mechanism.draw

    def watched(*arguments: object) -> object:
        left.append(Ledger.open(ledger.path).remaining(inquiry(), "shop"))
        return draw(*arguments)

    monkeypatch.setattr(mechanism, "draw", watched)
    ask(ledger)
    assert left == [Decimal(2)]


def test_nothing_is_debited_while_counting(ledger: Ledger) -> None:
    seen: dict[str, Decimal] = {}
    ask(ledger, progress=lambda s: seen.setdefault(s, ledger.remaining(inquiry(), "shop")) and None)
    assert (seen["count"], seen["debit"], seen["draw"]) == (3, 3, 2)


def test_the_budget_is_checked_before_counting(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "count", lambda *_: pytest.fail("counted"))
    asked = inquiry(privacy={"epsilon": "3.1"})
    assert refused(ledger, asked=asked).code == "BUDGET_EXCEEDED"


def test_an_inquiry_in_another_measure_is_refused(ledger: Ledger) -> None:
    asked = inquiry(privacy={"rho": "0.5", "noise": "discrete-gaussian"})
    assert refused(ledger, asked=asked).code == "MEASURE"


# --- the same request ----------------------------------------------------------------------
def test_the_same_request_gives_the_same_bytes_at_no_cost(ledger: Ledger) -> None:
    first, again = ask(ledger), ask(ledger)
    assert first.to_bytes() == again.to_bytes()
    assert ledger.remaining(inquiry(), "shop") == 2


def test_the_same_request_reads_no_data(ledger: Ledger) -> None:
    first = ask(ledger)
    assert ask(ledger, "no-such-file.parquet").to_bytes() == first.to_bytes()


def test_a_refreshed_table_gives_the_same_bytes(ledger: Ledger) -> None:
    assert ask(ledger).to_bytes() == ask(ledger, frame(900)).to_bytes()


def test_the_same_request_is_answered_by_a_spent_ledger(tmp_path: Path) -> None:
    spent = Ledger.create(tmp_path / "x", epsilon_cap="1")
    assert ask(spent).to_bytes() == ask(spent).to_bytes()


def test_a_new_attempt_costs_again(ledger: Ledger) -> None:
    first = ask(ledger)
    second = ask(ledger, new_attempt="the state column was wrong")
    assert (second.attempt, ledger.remaining(inquiry(), "shop")) == (1, Decimal(1))
    assert first.to_bytes() != second.to_bytes()


def test_after_a_new_attempt_the_latest_answer_is_given(ledger: Ledger) -> None:
    ask(ledger)
    second = ask(ledger, new_attempt="the state column was wrong")
    assert ask(ledger).to_bytes() == second.to_bytes()


def test_a_new_attempt_within_no_budget_is_refused(tmp_path: Path) -> None:
    spent = Ledger.create(tmp_path / "x", epsilon_cap="1.5")
    ask(spent)
    assert refused(spent, new_attempt="again").code == "BUDGET_EXCEEDED"


def open_debit(ledger: Ledger) -> str:
    request = request_id(inquiry(), "shop", "as_is")
    ledger.debit(inquiry(), "shop", request=request, attempt=0)
    return request


@pytest.mark.parametrize("reason", [None, "impatience"])
def test_an_open_debit_is_never_drawn_again(
    ledger: Ledger, reason: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_debit(ledger)
    monkeypatch.setattr(mechanism, "draw", lambda *_: pytest.fail("drawn"))
    assert refused(ledger, new_attempt=reason).code == "BUDGET_OPEN"


def test_the_refusal_of_an_open_debit_names_the_remedy(ledger: Ledger) -> None:
    request = open_debit(ledger)
    assert f'declare_lost("{request}")' in str(refused(ledger))


def test_a_lost_answer_needs_a_new_attempt(ledger: Ledger) -> None:
    ledger.declare_lost(open_debit(ledger))
    assert refused(ledger).code == "BUDGET_LOST"


def test_a_new_attempt_after_a_loss_costs_again(ledger: Ledger) -> None:
    ledger.declare_lost(open_debit(ledger))
    release = ask(ledger, new_attempt="power cut")
    assert (release.attempt, ledger.remaining(inquiry(), "shop")) == (1, Decimal(1))


# --- the name of a request -----------------------------------------------------------------
def request(asked: Inquiry) -> str:
    return request_id(asked, "shop", "as_is")


def test_the_title_does_not_make_another_request() -> None:
    assert request(inquiry(title="Another title")) == request(inquiry())


def test_quoted_marginals_do_not_make_another_request() -> None:
    assert request(inquiry(quoted=[["age"]])) == request(inquiry())


def test_the_order_of_tables_and_products_does_not_make_another_request() -> None:
    tables = [{"of": ["age", "state"]}, {"of": ["state"]}, {"of": []}]
    assert request(inquiry(tables=tables)) == request(inquiry())
    assert request(inquiry(products=["b", "a"])) == request(inquiry(products=["a", "b"]))


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "other"},
        {"period": ["2020-01-02", "2021-01-01"]},
        {"timezone": "UTC"},
        {"products": ["p", "q"]},
        {"tables": [{"of": []}]},
        {"privacy": {"epsilon": "2"}},
        {"axes": {"state": ["CA", "TX"], "age": ["young", "old"]}},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_every_part_of_the_question_makes_another_request(changes: dict[str, Any]) -> None:
    assert request(inquiry(**changes)) != request(inquiry())


def test_the_retailer_and_the_spelling_of_ids_make_another_request() -> None:
    names = {request_id(inquiry(), r, i) for r in ("a", "b") for i in ("as_is", "trim")}
    assert len(names) == 4


def test_a_request_is_64_hex_digits() -> None:
    assert len(bytes.fromhex(request(inquiry()))) == 32


# --- refusals ------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "name", ["", "a/b", "..", ".", "a..b", "a b", "a\n", "\u00e4", "x" * 65, None, 3, "a\0"]
)
def test_a_bad_retailers_name_is_refused(ledger: Ledger, name: object) -> None:
    assert refused(ledger, retailer=name).code == "BAD_NAME"


def test_a_name_of_64_characters_is_taken(ledger: Ledger) -> None:
    assert ask(ledger, retailer="x" * 64).retailer == "x" * 64


def truncated(folder: Path) -> Path:
    pq.write_table(frame(), folder / "whole")
    path = folder / "cut.parquet"
    path.write_bytes((folder / "whole").read_bytes()[:-30])
    return path


def overwritten(folder: Path) -> Path:
    path = folder / "bad.parquet"
    pq.write_table(frame(2_000), path, compression="none", use_dictionary=False)
    content = path.read_bytes()
    path.write_bytes(content[:40] + b"\xff" * 2_000 + content[2_040:])
    return path


def mis_encoded(folder: Path) -> Path:
    (folder / "bad.csv").write_bytes(b"id,sku,day,st,age\nb\xff\xfe,p,2020-03-01,CA,old\n")
    return folder / "bad.csv"


def mis_encoded_header(folder: Path) -> Path:
    (folder / "bad.csv").write_bytes(b"id,sku,day,st,age,\xff\nb,p,2020-03-01,CA,old,1\n")
    return folder / "bad.csv"


def cut_gzip(folder: Path) -> Path:
    path = folder / "cut.csv.gz"
    pd.DataFrame(frame(2_000).to_pandas()).to_csv(path, index=False)
    path.write_bytes(path.read_bytes()[:40])
    return path


def no_gzip(folder: Path) -> Path:
    (folder / "plain.csv.gz").write_text("id,sku,day,st,age\n")
    return folder / "plain.csv.gz"


def empty_parquet(folder: Path) -> Path:
    (folder / "empty.parquet").touch()
    return folder / "empty.parquet"


def drifting(folder: Path) -> Path:
    pq.write_table(frame(), folder / "a.parquet")
    pq.write_table(frame(id=[1, 2, 3]), folder / "b.parquet")
    return folder / "*.parquet"


def missing_part(folder: Path) -> list[Path]:
    pq.write_table(frame(), folder / "a.parquet")
    return [folder / "a.parquet", folder / "b.parquet"]


SOURCES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "truncated parquet": (truncated, "SOURCE_CORRUPT"),
    "overwritten parquet": (overwritten, "SOURCE_CORRUPT"),
    "empty parquet": (empty_parquet, "SOURCE_CORRUPT"),
    "mis-encoded csv": (mis_encoded, "SOURCE_CORRUPT"),
    "mis-encoded csv header": (mis_encoded_header, "SOURCE_CORRUPT"),
    "cut gzip": (cut_gzip, "SOURCE_CORRUPT"),
    "no gzip": (no_gzip, "SOURCE_CORRUPT"),
    "drift": (drifting, "SCHEMA_DRIFT"),
    "missing part": (missing_part, "PARTIAL_INPUT"),
    "no file": (lambda folder: folder / "none.csv", "SOURCE_MISSING"),
    "wrong type": (lambda _: 3, "SOURCE_TYPE"),
    "series": (lambda _: pd.Series(["b1"]), "SOURCE_TYPE"),
    "missing column": (lambda _: frame().drop_columns("id"), "SCHEMA_MISSING"),
    "float id": (lambda _: frame(id=[1.0, 2.0, 3.0]), "ID_TYPE"),
    "text date": (lambda _: frame(day=["2020-03-01"] * 3), "SCHEMA_TYPE"),
    "naive time": (lambda _: frame(day=pa.array([0] * 3, pa.timestamp("us"))), "TZ_REQUIRED"),
}


@pytest.mark.parametrize("name", SOURCES)
def test_a_bad_source_is_refused_by_code(ledger: Ledger, tmp_path: Path, name: str) -> None:
    make, code = SOURCES[name]
    assert refused(ledger, make(tmp_path)).code == code


@pytest.mark.parametrize("name", SOURCES)
def test_a_bad_source_costs_nothing(ledger: Ledger, tmp_path: Path, name: str) -> None:
    refused(ledger, SOURCES[name][0](tmp_path))
    assert ledger.remaining(inquiry(), "shop") == 3


@pytest.mark.parametrize("name", SOURCES)
def test_a_refusal_shows_no_librarys_frames_or_words(
    ledger: Ledger, tmp_path: Path, name: str
) -> None:
    refusal = refused(ledger, SOURCES[name][0](tmp_path))
    assert isinstance(refusal, PurchasesError)
    assert PURCHASES_RULES[refusal.code] in str(refusal)
    assert refusal.__cause__ is None
    assert refusal.__context__ is None
    frames = traceback.extract_tb(refusal.__traceback__)
    ours = {Path(__file__).name, "answer.py", "edge.py"}
    assert {Path(step.filename).name for step in frames} == ours


def test_a_missing_axis_is_refused(ledger: Ledger) -> None:
    assert refused(ledger, purchases(axes={"state": "st"})).code == "AXES_MISSING"


def test_a_guest_in_scope_is_refused_before_the_debit(ledger: Ledger) -> None:
    guests = purchases(frame(id=[None, "b1", "b2"]), on_null_id="fail")
    assert refused(ledger, guests).code == "NULL_ID"
    assert ledger.remaining(inquiry(), "shop") == 3


@pytest.mark.parametrize("failure", [KeyError("b1"), RuntimeError("b1"), MemoryError("b1")])
def test_an_unforeseen_failure_is_internal(
    ledger: Ledger, failure: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise failure

    monkeypatch.setattr(counting, "cells", fail)
    refusal = refused(ledger)
    assert (refusal.code, refusal.args) == ("INTERNAL", PurchasesError("INTERNAL").args)


def test_a_failure_in_the_draw_keeps_the_debit(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(mechanism, "draw", fail)
    refused(ledger)
    assert refused(ledger).code == "BUDGET_OPEN"
    assert ledger.remaining(inquiry(), "shop") == 2


@pytest.mark.parametrize("weight", ["0.000000001", "0.22"])
def test_an_answer_that_cannot_be_represented_is_refused_before_the_debit(
    ledger: Ledger, weight: str
) -> None:
    """Noise of scale 2^52 or 1e18 passes 2^53, the largest count of a release, one time in 8."""
    tables = [{"of": [], "weight": "999999"}, {"of": ["state"], "weight": weight}]
    asked = inquiry(tables=tables, privacy={"epsilon": "0.000000001"})
    refused(ledger, asked=asked)
    assert ledger.remaining(asked, "shop") == 3


def test_a_corrupted_ledger_draws_nothing(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mechanism, "draw", lambda *_: pytest.fail("drawn"))
    ledger.path.write_bytes(b"not a database")
    refusal = refused(ledger)
    assert (type(refusal), refusal.code) == (LedgerError, "LEDGER_CORRUPT")
    assert refusal.__context__ is None


def test_a_vanished_ledger_is_not_made_anew(ledger: Ledger) -> None:
    ledger.path.unlink()
    assert isinstance(refused(ledger), LedgerError)
    assert not ledger.path.exists()


def test_the_log_of_a_refusal_names_no_value(
    ledger: Ledger, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    refused(ledger, mis_encoded(tmp_path))
    own = [r for r in caplog.records if r.name.startswith("dpnotice")]
    assert [r.exc_info for r in own] == [None] * len(own)


def test_a_stored_answer_is_plain_text_and_numbers(ledger: Ledger) -> None:
    header = ask(ledger).to_dict()
    assert json.loads(json.dumps(header)) == header


@pytest.mark.parametrize("field", ["inquiry", "purchases", "ledger"])
def test_a_path_in_place_of_an_object_is_refused_by_name(ledger: Ledger, field: str) -> None:
    given = {"inquiry": inquiry(), "purchases": purchases(None), "ledger": ledger} | {field: "path"}
    with pytest.raises(PurchasesError, match=rf"ARGUMENT: .*not their paths \[{field}\]"):
        answer(given["inquiry"], given["purchases"], retailer="shop", ledger=given["ledger"])


@pytest.mark.parametrize("reason", ["", "  ", 0, False])
def test_a_new_attempt_without_a_reason_costs_nothing(ledger: Ledger, reason: object) -> None:
    assert refused(ledger, new_attempt=reason).code == "REASON"
    assert ledger.remaining(inquiry(), "shop") == ledger.cap


def test_a_failure_after_the_debit_says_that_the_loss_is_spent(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object) -> None:
        raise OSError

    monkeypatch.setattr(mechanism, "draw", fail)
    assert refused(ledger).code == "DEBITED"
    assert ledger.remaining(inquiry(), "shop") < ledger.cap


# --- the rule for ids ----------------------------------------------------------------------
@pytest.mark.parametrize("ids", ["as_is", "trim", "trim_ascii_lower"])
def test_the_answer_says_how_ids_were_compared(ledger: Ledger, ids: str) -> None:
    assert ask(ledger, purchases(ids=ids)).ids == ids


def test_the_answer_is_signed_by_nobody(ledger: Ledger) -> None:
    """The ledger holds it unsigned, so that a key can come, or be changed, afterwards."""
    assert ask(ledger).signature is None


def test_an_inquiry_with_as_many_levels_as_are_accepted_costs_nothing_in_vain(
    ledger: Ledger,
) -> None:
    levels = [str(number) for number in range(100_000)]
    try:
        asked = inquiry(axes={"state": levels}, tables=[{"of": []}])
    except DpnoticeError as refusal:
        assert refusal.code == "DOMAIN_TOO_LARGE"  # noqa: PT017 -- refused before it was asked
    else:
        sales = purchases(axes={"state": "st"})
        assert ask(ledger, sales, asked).retailer == "shop"
