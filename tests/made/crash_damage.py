"""A ledger's file damaged in every way that accident knows, and what opening it says.

In: an intact ledger and the kind of damage. Out: the code of the refusal, or "unchanged" where the
damage met unused bytes and every entry reads as before, or "unseen", which must never be.
"""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

from dpnotice.errors import LedgerError
from dpnotice.release import Release
from dpnotice.retailer.answer import answer
from dpnotice.retailer.chain import SCHEMA
from dpnotice.retailer.ledger import Ledger
from made.crash_points import LARGE, LEDGER, RETAILER, inquiry, prepared, request, sales

PAGE: Final = 4096
HEADER: Final = 100
UNSEEN: Final = "unseen"
UNCHANGED: Final = "unchanged"
Witness = tuple[int, str]


@dataclass(frozen=True, slots=True)
class Intact:
    """A ledger before the damage.

    Attributes:
        content: bytes of the file.
        older: bytes of the same file some entries before.
        entries: what has to be read back.
        witness: number and head of the last entry.
    """

    content: bytes
    older: bytes
    entries: Any
    witness: Witness


# --- the ledger to be damaged ----------------------------------------------------------------
def answered(path: Path, number: int = 0) -> Release:
    """Answer a request from counts that are there already."""
    with prepared():
        return answer(inquiry(number), sales(), retailer=RETAILER, ledger=Ledger.open(path))


def intact(folder: Path) -> Intact:
    """Make a ledger with answers of one page and of several, a lost and an open debit."""
    path = folder / LEDGER
    books = Ledger.create(path, epsilon_cap="9")
    answered(path, 0)
    books.debit(inquiry(1), RETAILER, request=request(1), attempt=0)
    books.declare_lost(request(1))
    older = path.read_bytes()
    answered(path, LARGE)
    answered(path, 2)
    books.debit(inquiry(3), RETAILER, request=request(3), attempt=0)
    return Intact(path.read_bytes(), older, entries(path), last_of(path))


def entries(path: Path) -> Any:
    """Read everything that the ledger tells, through the library and without it."""
    books = Ledger.open(path)
    with closing(sqlite3.connect(path)) as connection:
        raw = connection.execute("SELECT * FROM entry ORDER BY seq").fetchall()
    found = [books.lookup(request(number)) for number in (0, 1, 2, 3, LARGE)]
    return raw, found, books.accounts(), books.cap, books.measure


def last_of(path: Path) -> Witness:
    with closing(sqlite3.connect(path)) as connection:
        query = "SELECT seq, hash FROM entry ORDER BY seq DESC LIMIT 1"
        sequence, head = connection.execute(query).fetchone()
    return sequence, head.hex()


# --- damage to bytes -------------------------------------------------------------------------
Damage = Callable[[Intact, Random], bytes]


def flipped(content: bytes, places: list[int], random: Random) -> bytes:
    made = bytearray(content)
    for place in places:
        made[place] ^= 1 << random.randrange(8)
    return bytes(made)


def one_bit(whole: Intact, random: Random) -> bytes:
    return flipped(whole.content, [random.randrange(len(whole.content))], random)


def many_bits(whole: Intact, random: Random) -> bytes:
    places = random.sample(range(len(whole.content)), random.randint(2, 64))
    return flipped(whole.content, places, random)


def bit_of_the_file_header(whole: Intact, random: Random) -> bytes:
    return flipped(whole.content, [random.randrange(HEADER)], random)


def bit_of_a_page_header(whole: Intact, random: Random) -> bytes:
    """Kind of page, free space, number of cells, and where the cells are."""
    page = random.randrange(len(whole.content) // PAGE)
    start = page * PAGE + (HEADER if page == 0 else 0)
    return flipped(whole.content, [start + random.randrange(32)], random)


def bit_in_use(whole: Intact, random: Random) -> bytes:
    """A bit of a byte that is not zero: mostly entries."""
    used = [place for place, byte in enumerate(whole.content) if byte]
    return flipped(whole.content, [random.choice(used)], random)


def bit_of_a_hash(whole: Intact, random: Random) -> bytes:
    raw = whole.entries[0]
    head = random.choice(raw)[-1]
    places = [i for i in range(len(whole.content)) if whole.content.startswith(head, i)]
    return flipped(whole.content, [random.choice(places) + random.randrange(32)], random)


def span(whole: Intact, random: Random) -> slice:
    start = random.randrange(len(whole.content))
    return slice(start, min(len(whole.content), start + random.choice([16, 512, PAGE, 3 * PAGE])))


def filled(whole: Intact, place: slice, filling: Callable[[int], bytes]) -> bytes:
    size = place.stop - place.start
    return whole.content[: place.start] + filling(size) + whole.content[place.stop :]


def zeroed(whole: Intact, random: Random) -> bytes:
    return filled(whole, span(whole, random), bytes)


def noise(whole: Intact, random: Random) -> bytes:
    return filled(whole, span(whole, random), random.randbytes)


def lost_sector(whole: Intact, random: Random) -> bytes:
    start = 512 * random.randrange(len(whole.content) // 512)
    return filled(whole, slice(start, start + 512), bytes)


def cut(whole: Intact, random: Random) -> bytes:
    return whole.content[: random.randrange(len(whole.content))]


def cut_at_a_page(whole: Intact, random: Random) -> bytes:
    return whole.content[: PAGE * random.randrange(len(whole.content) // PAGE)]


def cut_and_filled_up(whole: Intact, random: Random) -> bytes:
    return cut(whole, random).ljust(len(whole.content), b"\0")


def lengthened(whole: Intact, random: Random) -> bytes:
    size = random.choice([1, 512, PAGE])
    return whole.content + random.choice([bytes(size), random.randbytes(size)])


def pages(content: bytes) -> list[bytes]:
    return [content[start : start + PAGE] for start in range(0, len(content), PAGE)]


def pages_swapped(whole: Intact, random: Random) -> bytes:
    made = pages(whole.content)
    one, other = random.sample(range(len(made)), 2)
    made[one], made[other] = made[other], made[one]
    return b"".join(made)


def page_doubled(whole: Intact, random: Random) -> bytes:
    made = pages(whole.content)
    one, other = random.sample(range(len(made)), 2)
    made[one] = made[other]
    return b"".join(made)


def page_from_before(whole: Intact, random: Random) -> bytes:
    """A write that never reached the disk."""
    made, older = pages(whole.content), pages(whole.older)
    one = random.choice([i for i, page in enumerate(older) if page != made[i]])
    made[one] = older[one]
    return b"".join(made)


def another_file(_whole: Intact, random: Random) -> bytes:
    texts = [
        b"",
        b"\n",
        b"a,b\n1,2\n",
        b"SQLite format 3\0",
        random.randbytes(2 * PAGE),
        bytes(PAGE),
    ]
    return random.choice(texts)


BYTES: Final[dict[str, Damage]] = {
    "one bit anywhere": one_bit,
    "2 to 64 bits": many_bits,
    "a bit of the file's header": bit_of_the_file_header,
    "a bit of a page's header": bit_of_a_page_header,
    "a bit in use": bit_in_use,
    "a bit of a hash": bit_of_a_hash,
    "a span of zeros": zeroed,
    "a span of noise": noise,
    "a sector of zeros": lost_sector,
    "cut anywhere": cut,
    "cut at a page": cut_at_a_page,
    "cut and filled up": cut_and_filled_up,
    "lengthened": lengthened,
    "pages swapped": pages_swapped,
    "a page doubled": page_doubled,
    "a page from before": page_from_before,
    "another file": another_file,
}


# --- damage by statements ----------------------------------------------------------------------
TRIGGERS: Final = ("no_update", "no_delete", "in_order", "closes_open", "next_attempt")
COLUMNS: Final = ("seq", "kind", "account", "request", "attempt", "cost", "body", "prev", "hash")


def without_triggers(path: Path, statement: str, *values: object) -> None:
    """Run a statement that the triggers forbid, and restore them, each in its place."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        for name in TRIGGERS:
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute(statement, values)
        for trigger in SCHEMA[1:]:
            connection.execute(trigger)


def drop_tail(path: Path, kept: int) -> None:
    """Remove the last entries; what stays is a sound chain, so only a witness knows."""
    without_triggers(path, "DELETE FROM entry WHERE seq >= ?", kept)


def edit(path: Path, number: int, random: Random) -> None:
    """Change one column of one entry, or remove or double an entry within the chain."""
    column = random.choice(COLUMNS)
    new = random.choice([0, 1, 7, "debit", "artifact", "", b"", random.randbytes(32), "X"])
    change = random.choice(["UPDATE", "DELETE", "EXCHANGE"])
    try:
        if change == "UPDATE":
            set_to = f"UPDATE entry SET {column} = ? WHERE seq = ?"  # noqa: S608 -- our own text
            without_triggers(path, set_to, new, number)
        elif change == "DELETE":
            without_triggers(path, "DELETE FROM entry WHERE seq = ?", number)
        else:
            exchange = (
                "UPDATE entry SET body = (SELECT body FROM entry WHERE seq = ?) WHERE seq = ?"
            )
            without_triggers(path, exchange, number, number - 1)
    except sqlite3.Error:  # the table's own rules refuse the value; the triggers are gone
        return


def tail_dropped(path: Path, whole: Intact, random: Random) -> Witness:
    drop_tail(path, random.randrange(whole.witness[0] + 1))
    return whole.witness


def entry_edited(path: Path, whole: Intact, random: Random) -> None:
    edit(path, random.randrange(whole.witness[0]), random)


STATEMENTS: Final[dict[str, Callable[[Path, Intact, Random], Witness | None]]] = {
    "last entries removed": tail_dropped,
    "an entry edited": entry_edited,
}
KINDS: Final = (*BYTES, *STATEMENTS)


# --- what is said of it ------------------------------------------------------------------------
def outcome(whole: Intact, kind: str, path: Path, random: Random) -> str:
    """Damage a ledger, open it, and say what came of it."""
    witness = None
    if kind in BYTES:
        path.write_bytes(BYTES[kind](whole, random))
    else:
        path.write_bytes(whole.content)
        witness = STATEMENTS[kind](path, whole, random)
    return verdict(whole, path, witness)


def verdict(whole: Intact, path: Path, witness: Witness | None = None) -> str:
    try:
        Ledger.open(path, witness=witness)
        return UNCHANGED if entries(path) == whole.entries else UNSEEN
    except LedgerError as refusal:
        return refusal.code or UNSEEN
    except Exception as failure:  # noqa: BLE001 -- whatever is no named refusal is a finding
        return f"{UNSEEN}: {type(failure).__name__}"
