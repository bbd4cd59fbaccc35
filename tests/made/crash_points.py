"""One retailer's run, killed at a named point or with a fault planted: what one process does.

In: a folder with a ledger, and which request, point and fault. Out: a line per event in the file
`notes` (a draw is noted before it happens), a release file, and the ledger. The product knows
nothing of this: every point is a call that is patched from outside.
"""

import hashlib
import inspect
import os
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date
from functools import cache, reduce
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import ibis
import numpy as np
import pyarrow as pa

from dpnotice import container
from dpnotice.errors import DpnoticeError
from dpnotice.inquiry import Inquiry
from dpnotice.retailer import answer as answering
from dpnotice.retailer import chain, counting, ledger, mechanism
from dpnotice.retailer.ledger import Debit, Ledger
from dpnotice.retailer.purchases import Opened, Purchases
from made.bulk import copied
from made.releases import matter

BEFORE_DEBIT: Final = (
    "before look up",
    "looked_up",
    "before count",
    "counted",
    "before debit",
    "debit_inserted",
)
BUDGET_LOST: Final = ("debited", "before draw", "drawn", "before store", "artefact_inserted")
STORED: Final = ("stored", "temp_opened", "temp_synced", "linked", "folder_synced")
POINTS: Final = (*BEFORE_DEBIT, *BUDGET_LOST, *STORED)
"""In the order in which a run comes by. Those that begin with "before" are steps of a progress."""
TEMPORARY: Final = ("temp_opened", "temp_synced", "linked", "folder_synced")
"""Where a kill leaves a temporary file behind."""
RETAILER: Final = "shop"
LEDGER: Final = "x.ledger"
NOTES: Final = "notes"
LARGE: Final = 100
LEVELS: Final = 500
"""So many levels of the axis that the stored answer needs pages of its own."""
KINDS: Final = {"id": "string", "sku": "string", "day": "date", "st": "string"}
COLUMNS: Final[dict[str, Any]] = {
    "buyer": "id",
    "product": "sku",
    "date": "day",
    "axes": {"state": "st"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one process does.

    Attributes:
        number: which request; all are of one account.
        point: where the process kills itself, or nothing.
        fault: key of :data:`FAULTS`, or nothing.
        whole: whether the engine counts; else the counts are there already, so that more of the
            run is spent at the ledger.
        output: tells the release files of several processes apart.
    """

    number: int = 0
    point: str = ""
    fault: str = ""
    whole: bool = False
    output: int = 0


@cache
def inquiry(number: int = 0) -> Inquiry:
    """Requests that differ in their period, from :data:`LARGE` on with many cells."""
    levels = LEVELS if number >= LARGE else 0
    states = ["CA", "NY", *(f"S{i:04}" for i in range(levels))]
    period = ["2020-01-01", f"{2021 + number % LARGE}-01-01"]
    return matter(period=period, axes={"state": states}, tables=[{"of": []}, {"of": ["state"]}])


@cache
def request(number: int = 0) -> str:
    return answering.request_id(inquiry(number), RETAILER, "as_is")


@cache
def sales() -> Purchases:
    days = pa.array([date(2020, 3, 1)] * 2, pa.date32())
    rows = {"id": ["a", "b"], "sku": ["p", "p"], "day": days, "st": ["CA", "NY"]}
    return Purchases(pa.table(rows), **COLUMNS)


def warm_up() -> None:
    """Import what every child needs, without starting an engine's threads before a fork."""
    tables = Opened(ibis.table(KINDS, name="s"), None, None)
    ibis.to_sql(counting.cells(inquiry(), Purchases(None, **COLUMNS), tables), dialect="duckdb")
    mechanism.calibrate(inquiry())
    sales()


def nothing(*_: object) -> None:
    return


# --- one run -------------------------------------------------------------------------------
def note(folder: Path, what: str) -> None:
    handle = os.open(folder / NOTES, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    os.write(handle, what.encode() + b"\n")
    os.close(handle)


def work(folder: Path, run: Run, arrived: Callable[[str], object] = nothing) -> None:
    """Answer, save, and note how it ended.

    Args:
        folder: of the ledger and of all that is written.
        run: what to do.
        arrived: called with the name of every step as it begins.
    """
    if run.fault:
        FAULTS[run.fault].plant()
    if not run.whole:
        counting.count = counted_before
    around(mechanism, "draw", before=lambda: note(folder, f"draw {run.number}"))
    plant(run.point)

    def progress(step: str) -> None:
        if run.point == f"before {step}":
            die()
        arrived(step)

    try:
        asked = inquiry(run.number)
        books = Ledger.open(folder / LEDGER)
        release = answering.answer(
            asked, sales(), retailer=RETAILER, ledger=books, progress=progress
        )
        digest = hashlib.sha256(release.to_bytes()).hexdigest()
        note(folder, f"got {run.number} {digest}")
        release.save(folder / f"{run.number}-{run.output}.release")
        note(folder, f"answered {run.number} {digest}")
    except DpnoticeError as refusal:
        note(folder, f"refused {run.number} {refusal.code}")


def counted_before(asked: Inquiry, _purchases: Purchases) -> Any:
    ones = np.ones(2, dtype=np.int64)
    return counting.ConfidentialCounts(counting.marginals(asked, np.arange(2), ones))


@contextmanager
def prepared() -> Iterator[list[str]]:
    """Let this process answer with counts that are there already, and list the draws."""
    draws: list[str] = []
    draw, count = mechanism.draw, counting.count
    around(mechanism, "draw", before=lambda: draws.append("draw"))
    counting.count = counted_before
    try:
        yield draws
    finally:
        mechanism.draw, counting.count = draw, count


# --- the points ----------------------------------------------------------------------------
AFTER: Final[dict[str, tuple[Any, str, str]]] = {
    "looked_up": (Ledger, "lookup", ""),
    "counted": (counting, "count", ""),
    "debit_inserted": (chain, "append", "debit"),
    "debited": (Ledger, "debit", ""),
    "drawn": (mechanism, "draw", ""),
    "artefact_inserted": (chain, "append", "artifact"),
    "stored": (Ledger, "store", ""),
    "temp_opened": (container.tempfile, "mkstemp", ""),
    "linked": (container.os, "link", ""),
    "folder_synced": (container, "_sync_folder", ""),
}
"""Point -> the call after whose return it lies, and the kind of entry where that matters."""


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def around(
    owner: Any,
    name: str,
    *,
    before: Callable[[], object] = nothing,
    after: Callable[[], object] = nothing,
    kind: str = "",
) -> None:
    """Patch a call; with a kind, only those calls that carry it among their arguments."""
    plain = getattr(owner, name)

    def patched(*args: Any, **kwargs: Any) -> Any:
        meant = not kind or kind in args
        if meant:
            before()
        result = plain(*args, **kwargs)
        if meant:
            after()
        return result

    setattr(owner, name, patched)


def plant(point: str) -> None:
    """Let this process die at a point; nothing, or a step of the progress, plants nothing here."""
    if point == "temp_synced":
        around(container.os, "link", before=die)
    elif point in AFTER:
        owner, name, kind = AFTER[point]
        around(owner, name, after=die, kind=kind)
    elif point and point not in POINTS:
        raise ValueError(f"no such point: {point}")


# --- faults that the invariants must see -----------------------------------------------------
@dataclass(frozen=True, slots=True)
class Fault:
    """Words of a module, what stands there instead, and the names that are replaced."""

    module: ModuleType
    words: tuple[tuple[str, str], ...]
    names: tuple[str, ...]

    def plant(self) -> None:
        """Replace functions of the module in this process by faulty ones."""
        text = inspect.getsource(self.module)
        for old, new in self.words:
            if old not in text:
                raise ValueError(f"no longer in {self.module.__name__}: {old}")
            text = text.replace(old, new)
        made = copied(self.module, text)
        vars(made)["owed"] = owed
        for name in self.names:
            *owner, last = name.split(".")
            places = [reduce(getattr, owner, module) for module in (self.module, made)]
            setattr(places[0], last, getattr(places[1], last))


def owed(books: Ledger, request: str, attempt: int) -> Debit:
    """Return the debit of an attempt as if it were new: what a redraw needs."""
    query = "SELECT seq, hash FROM entry WHERE kind = 'debit' AND request = ? AND attempt = ?"
    with closing(sqlite3.connect(books.path)) as connection:
        sequence, head = connection.execute(query, (request, attempt)).fetchone()
    return Debit(request=request, attempt=attempt, sequence=sequence, head=head.hex())


DEBIT: Final = "        debit = ledger.debit(inquiry, retailer, request=request, attempt=attempt)\n"
DRAW: Final = "        drawn = _drawn(inquiry, exact, noise, key)\n"
MADE: Final = "_release(inquiry, retailer, debit, purchases.ids, *drawn)"
STORE: Final = f"        ledger.store(debit, {MADE}.to_bytes())\n"
READ: Final = "        return Release.from_bytes(ledger.lookup(request)[2])\n"
OWED: Final = f"""\
        if ledger.lookup(request)[1] == "open":
            debit = owed(ledger, request, attempt - 1)
        else:
    {DEBIT}"""
OPEN: Final = 'if state == "open":'
CHECK: Final = "            self._affordable(connection, inquiry, retailer)\n"
FAULTS: Final = {
    "draw before debit": Fault(answering, ((DEBIT, "@"), (DRAW, DEBIT), ("@", DRAW)), ("answer",)),
    "redraw after a crash": Fault(
        answering,
        (
            (OPEN, 'if state == "never":'),
            (
                DEBIT,
                OWED,
            ),
        ),
        ("answer",),
    ),
    "answer not stored": Fault(
        answering, ((STORE, ""), (READ, f"        return {MADE}\n")), ("answer",)
    ),
    "cap not checked with the debit": Fault(
        ledger, ((CHECK, "            pass\n"),), ("Ledger.debit",)
    ),
    "ledger not synced": Fault(
        chain,
        (("synchronous = EXTRA", "synchronous = OFF"), ('("delete", 3)', '("delete", 0)')),
        ("connected",),
    ),
    "folder not synced after the journal": Fault(
        chain,
        (("synchronous = EXTRA", "synchronous = NORMAL"), ('("delete", 3)', '("delete", 1)')),
        ("connected",),
    ),
    "file not synced before its link": Fault(
        container, (("            os.fsync(file.fileno())\n", ""),), ("write_once",)
    ),
}
SEEN_BY: Final = [
    ("draw before debit", "before draw", "second draw"),
    ("draw before debit", "drawn", "second draw"),
    ("draw before debit", "debit_inserted", "second draw"),
    ("redraw after a crash", "drawn", "second draw"),
    ("redraw after a crash", "before store", "second draw"),
    ("redraw after a crash", "artefact_inserted", "second draw"),
    ("answer not stored", "", "output without debit and artefact"),
    ("answer not stored", "linked", "output without debit and artefact"),
]
"""Fault, point, and the invariant that shows it every time."""
