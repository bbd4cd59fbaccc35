"""Planted ids, e-mails, level texts and exact counts appear on no surface but the data itself."""

import base64
import json
import logging
import subprocess
import sys
import traceback
import urllib.parse
import warnings
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dpnotice.inquiry import Inquiry
from dpnotice.retailer import answer as answering
from dpnotice.retailer import counting, mechanism
from dpnotice.retailer.ledger import Ledger
from dpnotice.retailer.purchases import Purchases

ID = "canary-buyer-7f3a9"
EMAIL = "canary.person+x@leak.example"
LEVEL = "canary-level-\u00e4-off-list"
PRODUCT = "product-text-0042"
TEXTS = (ID, EMAIL, LEVEL)  # the products are public to both parties
COUNT = 7_234_567_891_237  # far beyond the noise, below 2^53


# --- the detector --------------------------------------------------------------------------
def spellings(text: str) -> Iterator[bytes]:
    raw = text.encode()
    yield raw
    yield text.encode("utf-16-le")
    yield text.encode("utf-16-be")
    yield raw.hex().encode()
    yield raw.hex().upper().encode()
    yield urllib.parse.quote(text, safe="").encode()
    yield urllib.parse.quote_plus(text).encode()
    yield json.dumps(text)[1:-1].encode()
    yield ascii(text)[1:-1].encode()
    for shift in range(3):  # base64 of the text wherever it begins
        yield base64.b64encode(b"\0" * shift + raw)[4 if shift else 0 : -4]


def digits(number: int) -> Iterator[bytes]:
    yield str(number).encode()
    yield f"{number:,}".encode()
    yield f"{number:_}".encode()
    yield f"{number:x}".encode()
    yield number.to_bytes(8, "little")
    yield number.to_bytes(8, "big")


FORMS = {form for text in TEXTS for form in spellings(text)} | set(digits(COUNT))


def leaks(content: bytes) -> list[bytes]:
    return sorted(form for form in FORMS if form in content)


PLANTED = {
    "text": ID.encode(),
    "utf-16": EMAIL.encode("utf-16"),
    "hex": LEVEL.encode().hex().encode(),
    "url": urllib.parse.quote(EMAIL, safe="").encode(),
    "json": json.dumps({"x": LEVEL}).encode(),
    "base64": base64.b64encode(b"who: " + ID.encode() + b" and more"),
    "repr": repr({"level": LEVEL}).encode(),
    "decimal": f"total {COUNT}".encode(),
    "commas": f"total {COUNT:,}".encode(),
    "hexadecimal": hex(COUNT).encode(),
    "array": np.array([0, COUNT]).tobytes(),
    "array repr": repr(np.array([0, COUNT])).encode(),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_leak_is_seen(name: str) -> None:
    assert leaks(b"before " + PLANTED[name] + b" after")


def test_harmless_bytes_are_no_leak() -> None:
    assert leaks(b"dpnotice release 1 " + bytes(range(256)) * 50) == []


# --- the data ------------------------------------------------------------------------------
def inquiry(**changes: object) -> Inquiry:
    """The scale is 2 million, so that a noisy count equals the exact one with chance 1e-6."""
    content: dict[str, Any] = {
        "format": 1,
        "name": "matter",
        "title": "Purchasers",
        "period": ["2020-01-01", "2021-01-01"],
        "timezone": "America/New_York",
        "products": [PRODUCT],
        "axes": {"state": ["CA", "NY"]},
        "tables": [{"of": []}, {"of": ["state"]}],
        "privacy": {"epsilon": "0.000001"},
    }
    return Inquiry.from_dict(content | changes)


def frame() -> pa.Table:
    days = pa.array([date(2020, 3, 1)] * 3, pa.date32())
    return pa.table(
        {
            "id": [ID, EMAIL, "plain"],
            "sku": [PRODUCT, PRODUCT, "other"],
            "day": days,
            "st": [LEVEL, "CA", "NY"],
        }
    )


def purchases(source: object, **changes: object) -> Purchases:
    mapping = {"buyer": "id", "product": "sku", "date": "day", "axes": {"state": "st"}}
    return Purchases(source, **(mapping | changes))


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger.create(tmp_path / "a.ledger", epsilon_cap="1")


@pytest.fixture
def _planted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every exact count be the canary."""
    plain = counting.marginals

    def planted(*arguments: object) -> dict[Any, Any]:
        return {of: np.full_like(counts, COUNT) for of, counts in plain(*arguments).items()}

    monkeypatch.setattr(counting, "marginals", planted)


def ask(ledger: Ledger, source: object) -> object:
    return answering.answer(inquiry(), purchases(source), retailer="shop", ledger=ledger)


# --- everything a whole run leaves, in a process of its own ----------------------------------
RUN = """
import logging, os, sys, warnings
logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
warnings.simplefilter("always")
import numpy as np
from pathlib import Path
from dpnotice.inquiry import Inquiry
from dpnotice.retailer import counting, chain as books
from dpnotice.retailer.answer import answer
from dpnotice.retailer.ledger import Ledger
from dpnotice.retailer.purchases import Purchases

source, inquiry_file, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
here = Path.cwd()
append, marginals = books.append, counting.marginals
taken = iter(range(1000))

def snapshot(*args, **kwargs):
    result = append(*args, **kwargs)
    for path in here.glob("a.ledger*"):
        (here / f"snapshot-{next(taken)}-{path.name}").write_bytes(path.read_bytes())
    return result

books.append = snapshot
counting.marginals = lambda *a: {k: np.full_like(v, count) for k, v in marginals(*a).items()}
inquiry = Inquiry.load(inquiry_file)
axes = {"state": "st"}
sales = Purchases(source, buyer="id", product="sku", date="day", axes=axes, ids="trim")
ledger = Ledger.create("a.ledger", epsilon_cap="1")
for reason in (None, None, "again"):
    release = answer(inquiry, sales, retailer="shop", ledger=ledger, new_attempt=reason,
                     progress=lambda step: print(step, flush=True))
release.save("shop.release")
print(release, sales, ledger, release.privacy_card(ledger), release.to_dict(), release.to_frame())
print(release._repr_html_(), repr(release), f"{release}", dict(os.environ))
answer(inquiry, Purchases(source, buyer="id", product="sku", date="st", axes=axes),
       retailer="other", ledger=ledger)
"""


@pytest.fixture(scope="module")
def surfaces(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    data, work = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("work")
    pq.write_table(frame(), data / "sales.parquet")
    inquiry().save(data / "inquiry.toml")
    temp = work / "temp"
    temp.mkdir()
    command = [sys.executable, "-c", RUN, str(data / "sales.parquet")]
    command += [str(data / "inquiry.toml"), str(COUNT)]
    environment = {"TMPDIR": str(temp), "PATH": "/usr/bin:/bin", "HOME": str(work)}
    environment["PYTHONPATH"] = str(Path(__file__).parents[2])
    done = subprocess.run(command, cwd=work, env=environment, capture_output=True, check=False)
    found = {str(p.relative_to(work)): p.read_bytes() for p in work.rglob("*") if p.is_file()}
    return found | {"stdout": done.stdout, "stderr": done.stderr}


def test_a_whole_run_touches_the_surfaces_looked_at(surfaces: dict[str, bytes]) -> None:
    assert {"a.ledger", "shop.release", "stdout", "stderr"} <= set(surfaces)
    assert any(name.endswith("-journal") and content for name, content in surfaces.items())
    assert b"SCHEMA_TYPE" in surfaces["stderr"]


def test_no_surface_of_a_whole_run_holds_a_canary(surfaces: dict[str, bytes]) -> None:
    """False alarm: 2e-5, a noisy count that equals the exact one."""
    assert {name: found for name, content in surfaces.items() if (found := leaks(content))} == {}


def test_a_whole_run_leaves_no_temporary_file(surfaces: dict[str, bytes]) -> None:
    assert [name for name in surfaces if name.startswith("temp")] == []


def test_a_whole_run_warns_of_nothing_from_this_package(surfaces: dict[str, bytes]) -> None:
    lines = surfaces["stderr"].decode().splitlines()
    package = str(Path(counting.__file__).parents[1])
    assert [line for line in lines if "Warning" in line and package in line] == []


# --- failures ------------------------------------------------------------------------------
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


def told(caught: BaseException, *, own_frames_only: bool = False) -> bytes:
    """All that an exception says, with the locals of the frames inside the package."""
    trace = caught.__traceback__
    package = str(Path(counting.__file__).parents[1])
    while own_frames_only and trace:
        if trace.tb_frame.f_code.co_filename.startswith(package):
            break
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
    assert leaks(told(caught, own_frames_only=True)) == []
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


POINTS = ["_check_input", "_noisy", "_loss"]


@pytest.mark.usefixtures("_planted")
@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("kind", [RuntimeError, MemoryError, KeyboardInterrupt, SystemExit])
def test_no_interruption_of_the_draw_carries_exact_counts(
    ledger: Ledger, point: str, kind: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interrupt is no `Exception`; its frames hold the exact counts as well."""
    noise = mechanism.calibrate(inquiry())
    monkeypatch.setattr(mechanism, "calibrate", lambda _: noise)

    def stop(*_: object) -> None:
        raise kind

    monkeypatch.setattr(mechanism, point, stop)
    assert leaks(told(failure(ledger, frame()), own_frames_only=True)) == []


@pytest.mark.usefixtures("_planted")
@pytest.mark.parametrize("kind", [RuntimeError, KeyboardInterrupt])
def test_no_interruption_after_counting_carries_exact_counts(
    ledger: Ledger, kind: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise kind

    monkeypatch.setattr(counting, "ConfidentialCounts", stop)
    assert leaks(told(failure(ledger, frame()), own_frames_only=True)) == []


def reached(caught: BaseException) -> list[Any]:
    """The locals of every frame that an exception keeps alive."""
    frames = (frame for frame, _ in traceback.walk_tb(caught.__traceback__))
    return [value for frame in frames for value in frame.f_locals.values()]


@pytest.mark.usefixtures("_planted")
def test_no_refusal_keeps_exact_counts_alive(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(mechanism, "_noisy", stop)
    held = reached(failure(ledger, frame()))
    assert [type(v).__name__ for v in held if type(v).__name__ == "ConfidentialCounts"] == []


@pytest.mark.usefixtures("_planted")
def test_an_unguarded_count_would_be_seen() -> None:
    """The planted leak: the same tables in a plain dictionary show themselves."""
    exact = counting.count(inquiry(), purchases(frame()))
    assert leaks(repr(exact._tables).encode())
    assert leaks(f"{exact} {exact!r}".encode()) == []


# --- what is shown ---------------------------------------------------------------------------
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
