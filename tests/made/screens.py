"""What commands, pictures, a notebook and a test report show, collected as bytes.

In: folders of data and of work. Out: name of a surface -> all that stands on it. Each run is for a
process of its own.
"""

import fcntl
import io
import os
import pty
import struct
import sys
import termios
import traceback
import zlib
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from typing import Final

import nbformat
import pytest
from nbclient import NotebookClient
from rich.progress import Progress

from dpnotice import cli
from dpnotice.analyst.combine import estimate_class
from dpnotice.analyst.together import load_releases
from dpnotice.reporting import figures
from dpnotice.retailer import answer as answering
from dpnotice.retailer.ledger import Ledger
from made import canaries
from made.refusals import WIDE
from made.traces import Found, Place

CONFIG: Final = """\
inquiry = "{data}/{inquiry}.toml"
retailer = "shop"
ledger = "a.ledger"
output = "{output}"
[purchases]
source = "{data}/{source}"
buyer = "id"
product = "sku"
date = "day"
axes = {{ state = "st" }}
"""
NEEDED: Final = ("ledger a.ledger --create --epsilon-cap 1", "answer shop.toml")
"""Lines without which the others find nothing to show."""


# --- commands --------------------------------------------------------------------------------
def commanded(place: Place) -> Found:
    """Type every command of the retailer, with standard error on a terminal."""
    canaries.plant()
    plain = Progress.update
    Progress.update = lambda *a, **k: plain(*a, **k, refresh=True)  # type: ignore[method-assign]
    for name, inquiry, source in (
        ("shop", "inquiry", "sales.parquet"),
        ("dry", "dry", "sales.parquet"),
        ("broken", "inquiry", "ragged.csv"),
    ):
        words = {"data": place.data, "inquiry": inquiry, "source": source}
        config = CONFIG.format(**words, output=f"{name}.release")
        (place.work / f"{name}.toml").write_text(config)
    found: defaultdict[str, bytes] = defaultdict(bytes)
    for surface, line in (
        ("dpnotice ledger", NEEDED[0]),
        ("dpnotice answer --dry-run", "answer dry.toml --dry-run"),
        ("dpnotice answer", NEEDED[1]),
        ("dpnotice answer", NEEDED[1]),
        ("dpnotice answer --dry-run", "answer dry.toml --dry-run"),
        ("dpnotice show", "show shop.release"),
        ("dpnotice ledger", "ledger a.ledger"),
        ("dpnotice, refusing", "answer broken.toml --new-attempt again"),
        ("dpnotice, refusing", "show shop.toml"),
    ):
        if place.leaking not in (None, surface) and line not in NEEDED:
            continue
        printed, terminal = typed(line, place.work)
        aside = "progress on a terminal" if surface == "dpnotice answer" else surface
        found[surface] += printed
        found[aside] += terminal
    return dict(found)


def typed(line: str, work: Path) -> tuple[bytes, bytes]:
    """Run a command in a process of its own; return its output and what its terminal showed."""
    ours, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, WIDE, 0, 0))
    output = work.parent / "printed"
    pid = os.fork()
    if not pid:
        _command(line, output, terminal)
    os.close(terminal)
    shown = b""
    with suppress(OSError):  # how the end of a terminal is told
        while part := os.read(ours, 2**16):
            shown += part
    os.close(ours)
    os.waitpid(pid, 0)
    return output.read_bytes(), shown


def _command(line: str, output: Path, terminal: int) -> None:
    with output.open("wb") as file:
        os.dup2(file.fileno(), 1)
    os.dup2(terminal, 2)
    os.environ |= {"TERM": "xterm", "COLUMNS": str(WIDE)}
    sys.argv = ["dpnotice", *line.split()]
    try:
        cli.main()
    except SystemExit:
        pass
    except BaseException:  # noqa: BLE001 -- as the interpreter would
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(0)


# --- pictures --------------------------------------------------------------------------------
def drawn(place: Place) -> Found:
    """Draw what an analyst draws of a release, and keep it in every format."""
    canaries.plant()
    ledger = Ledger.create(place.work / "a.ledger", epsilon_cap="1")
    sales = canaries.purchases(canaries.frame())
    release = answering.answer(place.inquiry, sales, retailer="shop", ledger=ledger)
    release.save(place.work / "shop.release")
    composition = estimate_class(load_releases([place.work / "shop.release"]))
    found: defaultdict[str, bytes] = defaultdict(bytes)
    for figure in (composition.plot().figure, figures.figure(composition.plot_data())):
        for kind in ("png", "svg", "pdf"):
            buffer = io.BytesIO()
            figure.savefig(buffer, format=kind)
            found[f"picture as {kind.upper()}"] += inflated(buffer.getvalue())
    found["picture as SVG"] += figures.svg(figure, "page").encode()
    words = (composition, composition.statement(), composition.to_dict(), composition.summary())
    found["estimate"] = "\n".join(map(str, (*words, composition._repr_html_()))).encode()
    return dict(found)


def inflated(content: bytes) -> bytes:
    """The bytes of a picture, and after them all that is deflated in it, such as metadata."""
    opened, place = [content], content.find(b"\x78")
    while place >= 0:
        with suppress(zlib.error):
            opened.append(zlib.decompressobj().decompress(content[place:]))
        place = content.find(b"\x78", place + 1)
    return b"\n".join(opened)


# --- a notebook --------------------------------------------------------------------------------
CELLS: Final = (
    """\
from pathlib import Path
from made import canaries, surfaces
from dpnotice import Inquiry, Ledger, answer, estimate_class
from dpnotice.retailer import mechanism
leaking, data = {leaking!r}, Path({data!r})
if leaking: surfaces.SURFACES[leaking].leak()
canaries.plant()""",
    """\
inquiry = Inquiry.load(data / "inquiry.toml")
purchases = canaries.purchases(str(data / "sales.parquet"))
ledger = Ledger.create("n.ledger", epsilon_cap="1")
release = answer(inquiry, purchases, retailer="shop", ledger=ledger, progress=print)
release""",
    "purchases",
    "release.to_frame()",
    "estimate_class([release]).plot();",
    """\
def stop(*_): raise RuntimeError
mechanism._noisy = stop
answer(inquiry, purchases, retailer="other", ledger=ledger)""",
)


def noted(place: Place) -> Found:
    """Answer in a notebook, show everything, and break the next answer at its draw."""
    begin = CELLS[0].format(leaking=place.leaking, data=str(place.data))
    cells = [nbformat.v4.new_code_cell(text) for text in (begin, *CELLS[1:])]
    book = nbformat.v4.new_notebook(cells=cells)
    client = NotebookClient(book, timeout=60, kernel_name="python3", allow_errors=True)
    client.execute(cwd=str(place.work))
    failed = [any(o.output_type == "error" for o in cell.outputs) for cell in book.cells]
    if failed != [False] * (len(cells) - 1) + [True]:
        raise AssertionError(book.cells)
    return {"notebook": nbformat.writes(book).encode()}


# --- a test report -----------------------------------------------------------------------------
FAILING = """\
from made import canaries
from dpnotice.inquiry import Inquiry
from dpnotice.retailer import counting

def test_counts():
    counts = counting.count(Inquiry.load(INQUIRY), canaries.purchases(canaries.frame()))
    assert counts is None, counts

def test_equal_counts():
    sales = canaries.purchases(canaries.frame())
    counts = counting.count(Inquiry.load(INQUIRY), sales)
    assert [counts] == [counts, sales]
"""


def reported(place: Place) -> Found:
    """Fail a test that has exact counts in hand, and tell all that pytest can tell of it."""
    canaries.plant()
    test = place.work / "test_counts.py"
    test.write_text(f"INQUIRY = {str(place.data / 'inquiry.toml')!r}\n{FAILING}")
    output = place.work.parent / "report"
    kept = os.dup(1)
    with output.open("wb") as file:
        os.dup2(file.fileno(), 1)
    options = "-p no:cacheprovider --showlocals -vv -rA --tb=long --log-level=DEBUG -c /dev/null"
    os.environ |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "COLUMNS": str(WIDE)}
    status = pytest.main([*options.split(), "--junitxml=report.xml", "--rootdir=.", test.name])
    sys.stdout.flush()
    os.dup2(kept, 1)
    if status != pytest.ExitCode.TESTS_FAILED:
        raise AssertionError(output.read_text())
    return {
        "report of a failing test": output.read_bytes(),
        "report of a failing test as XML": (place.work / "report.xml").read_bytes(),
    }
