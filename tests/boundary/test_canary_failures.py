"""A refusal, or an interruption at whatever point, carries no canary out of the package."""

import logging
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dpnotice.retailer import answer as answering
from dpnotice.retailer import counting, mechanism
from dpnotice.retailer.ledger import Ledger
from made import canaries
from made.canaries import EMAIL, ID, LEVEL, PRODUCT, frame, inquiry, leaks, purchases


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger.create(tmp_path / "a.ledger", epsilon_cap="1")


@pytest.fixture
def _planted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "_fetched", canaries.planted(counting._fetched))


def ask(ledger: Ledger, source: object) -> Any:
    return answering.answer(inquiry(), purchases(source), retailer="shop", ledger=ledger)


# --- broken sources ------------------------------------------------------------------------
def ragged(folder: Path) -> Path:
    text = f"id,sku,day,st\n1,{PRODUCT},2020-03-01,CA\n{ID},{PRODUCT},2020-03-01,{LEVEL},{EMAIL}\n"
    (folder / "ragged.csv").write_text(text * 3)
    return folder / "ragged.csv"


def mis_encoded(folder: Path) -> Path:
    line = f"{ID},{PRODUCT},2020-03-01,{EMAIL}".encode()
    (folder / "bad.csv").write_bytes(b"id,sku,day,st\n" + line + b"\xff\xfe\n")
    return folder / "bad.csv"


def named(folder: Path) -> Path:
    return folder / f"{ID}-{EMAIL}.parquet"


BAD: dict[str, Callable[[Path], Any]] = {
    "ragged": ragged,
    "mis-encoded": mis_encoded,
    "a path with a name": named,
}


def failure(ledger: Ledger, source: object) -> BaseException:
    """The frames below hold no canary by themselves: what is found was carried out."""
    try:
        ask(ledger, source)
    except BaseException as caught:  # noqa: BLE001 -- interrupts too
        return caught
    pytest.fail("answered")


def told(caught: BaseException) -> bytes:
    """All that an exception says, with the locals of the frames inside the package."""
    trace = caught.__traceback__
    package = str(Path(counting.__file__).parents[1])
    while trace and not trace.tb_frame.f_code.co_filename.startswith(package):
        trace = trace.tb_next
    shown = traceback.TracebackException(type(caught), caught, trace, capture_locals=True)
    chain = [caught, caught.__cause__, caught.__context__]
    words = [f"{e!r} {e} {e.args} {vars(e)} {getattr(e, '__notes__', '')}" for e in chain if e]
    return "\n".join([*words, *shown.format()]).encode()


@pytest.mark.parametrize("name", BAD)
def test_no_refusal_quotes_the_data(
    ledger: Ledger, tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        caught = failure(ledger, BAD[name](tmp_path))
    heard = [caplog.text, *(str(warning.message) for warning in warned)]
    assert leaks(told(caught)) == []
    assert leaks("\n".join(heard).encode()) == []


@pytest.mark.parametrize("name", BAD)
def test_no_refusal_has_anything_behind_it(ledger: Ledger, tmp_path: Path, name: str) -> None:
    caught = failure(ledger, BAD[name](tmp_path))
    assert (caught.__cause__, caught.__context__) == (None, None)


def test_an_engines_own_error_would_be_seen(tmp_path: Path) -> None:
    """The planted leak: what the engine says about the same file does quote it."""
    with pytest.raises(duckdb.Error) as caught:
        counting.count(inquiry(), purchases(ragged(tmp_path)))
    assert leaks(str(caught.value).encode())


# --- interruptions ---------------------------------------------------------------------------
KINDS = [RuntimeError, MemoryError, KeyboardInterrupt, SystemExit]
POINTS = ["_check_input", "_noisy", "_loss"]


def stopping(kind: type[BaseException]) -> Callable[..., None]:
    def stop(*_: object) -> None:
        raise kind

    return stop


@pytest.fixture
def _calibrated(monkeypatch: pytest.MonkeyPatch) -> None:
    """A point of the draw may be one of the calibration too, where no counts are in hand."""
    noise = mechanism.calibrate(inquiry())
    monkeypatch.setattr(mechanism, "calibrate", lambda _: noise)


@pytest.mark.usefixtures("_planted", "_calibrated")
@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("kind", KINDS)
def test_no_interruption_of_the_draw_carries_exact_counts(
    ledger: Ledger, point: str, kind: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interrupt is no `Exception`; its frames hold the exact counts as well."""
    monkeypatch.setattr(mechanism, point, stopping(kind))
    assert leaks(told(failure(ledger, frame()))) == []


@pytest.mark.usefixtures("_planted")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("point", ["marginals", "ConfidentialCounts"])
def test_no_interruption_after_counting_carries_exact_counts(
    ledger: Ledger, point: str, kind: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, point, stopping(kind))
    assert leaks(told(failure(ledger, frame()))) == []


@pytest.mark.usefixtures("_planted", "_calibrated")
@pytest.mark.parametrize("kind", KINDS)
def test_an_unguarded_interruption_would_be_seen(
    ledger: Ledger, kind: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted leak: without the guard, the same frames do show exact counts."""
    monkeypatch.setattr(answering, "guarded", lambda work, _code: work())
    monkeypatch.setattr(mechanism, "_noisy", stopping(kind))
    assert leaks(told(failure(ledger, frame())))


def reached(caught: BaseException) -> list[Any]:
    """The locals of every frame that an exception keeps alive."""
    frames = (frame for frame, _ in traceback.walk_tb(caught.__traceback__))
    return [value for frame in frames for value in frame.f_locals.values()]


@pytest.mark.usefixtures("_planted")
def test_no_refusal_keeps_exact_counts_alive(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mechanism, "_noisy", stopping(RuntimeError))
    held = reached(failure(ledger, frame()))
    assert [type(v).__name__ for v in held if type(v).__name__ == "ConfidentialCounts"] == []


# --- what is shown ---------------------------------------------------------------------------
@pytest.mark.usefixtures("_planted")
def test_an_unguarded_count_would_be_seen() -> None:
    """The planted leak: the same tables in a plain dictionary show themselves."""
    exact = counting.count(inquiry(), purchases(frame()))
    assert leaks(repr(exact._tables).encode())
    assert leaks(f"{exact} {exact!r}".encode()) == []


def test_a_mapping_of_a_frame_shows_no_data() -> None:
    shown = purchases(frame())
    assert leaks(f"{shown} {shown!r}".encode()) == []


@pytest.mark.usefixtures("_planted")
def test_debug_logs_of_every_library_hold_no_canary(
    ledger: Ledger, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    ask(ledger, frame())
    assert leaks((caplog.text + "".join(capfd.readouterr())).encode()) == []


def test_the_product_texts_of_the_inquiry_do_not_leave(ledger: Ledger) -> None:
    assert PRODUCT.encode() not in ask(ledger, frame()).to_bytes()
