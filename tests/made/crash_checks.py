"""What may never be seen on a ledger's disk, whatever was killed and whenever.

In: a folder with a ledger, its release files, and the notes of the processes that worked there.
Out: the names of the invariants that do not hold.
"""

import hashlib
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from dpnotice.privacy import NANO
from made.crash_points import LEDGER, NOTES, request


# --- what is on disk -----------------------------------------------------------------------
class Row(NamedTuple):
    kind: str
    account: str
    request: str
    attempt: int
    cost: int
    body: bytes


def rows(folder: Path) -> list[Row]:
    """Read the raw entries from a copy, so that the next process finds the disk untouched."""
    look = folder / "look"
    shutil.rmtree(look, ignore_errors=True)
    look.mkdir()
    for name in (LEDGER, LEDGER + "-journal"):
        if (folder / name).exists():
            shutil.copyfile(folder / name, look / name)
    query = "SELECT kind, account, request, attempt, cost, body FROM entry ORDER BY seq"
    with closing(sqlite3.connect(look / LEDGER)) as connection:
        return [Row(*row) for row in connection.execute(query)]


def notes(folder: Path) -> list[str]:
    path = folder / NOTES
    return path.read_text().splitlines() if path.exists() else []


def answers(found: list[Row]) -> dict[str, bytes]:
    """Request -> bytes of its latest stored answer."""
    return {row.request: row.body for row in found if row.kind == "artifact"}


# --- invariants ----------------------------------------------------------------------------
def broken(folder: Path, cap: str) -> Iterator[str]:
    """Name every invariant that does not hold on this disk."""
    found, lines = rows(folder), notes(folder)
    spent: Counter[str] = Counter()
    for row in found:
        spent[row.account] += row.cost
    if any(cost > int(cap) * NANO for cost in spent.values()):
        yield "overspent"
    debits = Counter(row.request for row in found if row.kind == "debit")
    draws = Counter(line.split()[1] for line in lines if line.startswith("draw "))
    if any(number > debits[request(int(which))] for which, number in draws.items()):
        yield "second draw"
    yield from broken_outputs(folder, found, debits)
    digests: dict[str, set[str]] = {}
    for line in lines:
        if line.startswith(("got ", "answered ")):
            digests.setdefault(line.split()[1], set()).add(line.split()[2])
    if any(len(each) > 1 for each in digests.values()):
        yield "two answers to one request"
    stored = {hashlib.sha256(body).hexdigest() for body in answers(found).values()}
    if not set().union(*digests.values()) <= stored:
        yield "an answer that is not stored"


def broken_outputs(folder: Path, found: list[Row], debits: Counter[str]) -> Iterator[str]:
    """Compare release files and what is left of them with the ledger."""
    paid = {body for name, body in answers(found).items() if debits[name]}
    if any(path.read_bytes() not in paid for path in folder.glob("*.release")):
        yield "output without debit and artefact"
    for path in folder.glob(".*.tmp"):
        content = path.read_bytes()
        if path.stat().st_mode & 0o077 or not any(body.startswith(content) for body in paid):
            yield "temporary file of something else"


def due(found: list[Row], number: int, cap: str) -> str:
    """Say how a run of a request has to end, from the raw entries before it."""
    mine = [row for row in found if row.request == request(number)]
    if mine and mine[-1].kind == "artifact":
        return f"answered {number} {hashlib.sha256(mine[-1].body).hexdigest()}"
    if mine:
        return f"refused {number} " + {"debit": "BUDGET_OPEN", "lost": "BUDGET_LOST"}[mine[-1].kind]
    if sum(row.cost for row in found) + NANO > int(cap) * NANO:
        return f"refused {number} BUDGET_EXCEEDED"
    return f"answered {number} "
