"""Whatever fails inside leaves as a code with a fixed text: no value, no cause, no frame of it."""

import csv
import gzip
import logging
import traceback
import zlib
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from dpnotice.errors import LedgerError, PurchasesError
from dpnotice.retailer.edge import code_of, guarded

SECRET = "buyer-4711"  # noqa: S105 -- a value from the data, not a password


def failing(failure: BaseException) -> object:
    def work() -> None:
        held = SECRET
        try:
            raise KeyError(held)  # noqa: TRY301 -- an engine's words before ours
        except KeyError:
            raise failure  # noqa: B904 -- the context is what must not get out

    return work


def caught(failure: BaseException, **options: object) -> BaseException:
    with pytest.raises(type(failure) if _stops(failure) else Exception) as refusal:
        guarded(failing(failure), **options)
    return refusal.value


def _stops(failure: BaseException) -> bool:
    return not isinstance(failure, Exception)


FAILURES = [RuntimeError(SECRET), duckdb.ConversionException(SECRET), PurchasesError("ID_TYPE")]


def test_work_that_is_done_gives_its_result() -> None:
    assert guarded(lambda: 7) == 7


def test_a_refusal_of_our_own_passes_as_it_is() -> None:
    refusal = LedgerError("no", code="BUDGET_EXCEEDED")
    assert caught(refusal) is refusal


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (duckdb.InvalidInputException(SECRET), "SOURCE_CORRUPT"),
        (pa.ArrowInvalid(SECRET), "SOURCE_CORRUPT"),
        (csv.Error(SECRET), "SOURCE_CORRUPT"),
        (zlib.error(SECRET), "SOURCE_CORRUPT"),
        (gzip.BadGzipFile(SECRET), "SOURCE_CORRUPT"),
        (EOFError(SECRET), "SOURCE_CORRUPT"),
        (UnicodeDecodeError("utf-8", SECRET.encode(), 0, 1, SECRET), "SOURCE_CORRUPT"),
        (KeyError(SECRET), "INTERNAL"),
        (MemoryError(SECRET), "INTERNAL"),
    ],
    ids=lambda each: type(each).__name__,
)
def test_a_failure_is_sorted_into_a_code(failure: Exception, code: str) -> None:
    assert code_of(failure) == code
    refusal = caught(failure)
    assert (type(refusal), refusal.args) == (PurchasesError, PurchasesError(code).args)


def test_the_caller_may_sort_failures_by_itself() -> None:
    assert caught(RuntimeError(), code=lambda _: "TABLE_NAME").code == "TABLE_NAME"


@pytest.mark.parametrize("failure", FAILURES, ids=lambda each: type(each).__name__)
def test_nothing_stands_behind_a_refusal(failure: Exception) -> None:
    refusal = caught(failure)
    assert (refusal.__cause__, refusal.__context__) == (None, None)


@pytest.mark.parametrize("failure", FAILURES, ids=lambda each: type(each).__name__)
def test_a_refusal_shows_no_frame_of_the_work(failure: Exception) -> None:
    frames = traceback.extract_tb(caught(failure).__traceback__)
    assert "work" not in {frame.name for frame in frames}


@pytest.mark.parametrize("failure", FAILURES, ids=lambda each: type(each).__name__)
def test_the_frames_that_are_left_hold_no_value(failure: Exception) -> None:
    steps = [frame for frame, _ in traceback.walk_tb(caught(failure).__traceback__)]
    ours = [frame.f_locals for frame in steps if frame.f_code.co_name == "guarded"]
    assert len(ours) == 1
    assert SECRET not in repr(ours)


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), SystemExit(3)])
def test_an_interruption_goes_on_without_what_went_before(stop: BaseException) -> None:
    refusal = caught(stop)
    assert refusal is stop
    assert (refusal.__cause__, refusal.__context__) == (None, None)


def test_the_log_names_the_kind_of_a_failure_and_no_value(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    caught(RuntimeError(SECRET))
    assert [record.getMessage() for record in caplog.records] == ["stopped: RuntimeError"]
    assert [record.exc_info for record in caplog.records] == [None]


def test_the_frames_of_a_failure_are_emptied() -> None:
    failure = RuntimeError()
    caught(failure)
    steps = list(traceback.walk_tb(failure.__traceback__))
    work = [frame for frame, _ in steps if frame.f_code.co_name == "work"]
    assert [frame.f_locals.get("held") for frame in work] == [None] * len(work)
    assert Path(__file__).name in {Path(frame.f_code.co_filename).name for frame, _ in steps}
