"""The chain under the ledger: append-only, hash-linked entries in one SQLite file.

In: entries. Out: the same, durable before the call returns, never changed, removed or reordered
(triggers refuse it), and verified link by link when the file is opened. An unkeyed chain shows
accidents and restored backups, not a dishonest owner.
"""

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from dpnotice.errors import LedgerError

_TAG: Final = b"dpnotice ledger 1\0"
_BUSY_MS: Final = 10_000
_NO_ACCESS: Final = (
    *("SQLITE_CANTOPEN", "SQLITE_FULL", "SQLITE_IOERR", "SQLITE_NOMEM", "SQLITE_PERM"),
    "SQLITE_READONLY",
)
"""What SQLite says where the file cannot be reached or written, whatever is in it."""

SCHEMA: Final = (
    """CREATE TABLE entry(
  seq INTEGER PRIMARY KEY CHECK(seq >= 0),
  kind TEXT NOT NULL CHECK(kind IN ('genesis','debit','artifact','lost')),
  account TEXT NOT NULL,
  request TEXT NOT NULL,
  attempt INTEGER NOT NULL CHECK(attempt >= 0),
  cost INTEGER NOT NULL CHECK(cost >= 0),
  body BLOB NOT NULL,
  prev BLOB NOT NULL CHECK(length(prev) = 32),
  hash BLOB NOT NULL UNIQUE CHECK(length(hash) = 32),
  CHECK((kind = 'debit') = (cost > 0)), UNIQUE(kind, request, attempt)) STRICT""",
    """CREATE TRIGGER no_update BEFORE UPDATE ON entry
BEGIN SELECT RAISE(ABORT, 'entries are never changed'); END""",
    """CREATE TRIGGER no_delete BEFORE DELETE ON entry
BEGIN SELECT RAISE(ABORT, 'entries are never removed'); END""",
    """CREATE TRIGGER in_order BEFORE INSERT ON entry
WHEN NEW.seq <> (SELECT coalesce(max(seq) + 1, 0) FROM entry)
  OR (NEW.kind = 'genesis') <> (NEW.seq = 0)
  OR (NEW.seq > 0 AND NEW.prev <> (SELECT hash FROM entry ORDER BY seq DESC LIMIT 1))
BEGIN SELECT RAISE(ABORT, 'entries are appended in order'); END""",
    """CREATE TRIGGER closes_open BEFORE INSERT ON entry
WHEN NEW.kind IN ('artifact','lost') AND (
  NOT EXISTS(SELECT 1 FROM entry WHERE kind = 'debit'
    AND request = NEW.request AND attempt = NEW.attempt)
  OR EXISTS(SELECT 1 FROM entry WHERE kind IN ('artifact','lost')
    AND request = NEW.request AND attempt = NEW.attempt))
BEGIN SELECT RAISE(ABORT, 'an answer closes one open debit'); END""",
    """CREATE TRIGGER next_attempt BEFORE INSERT ON entry
WHEN NEW.kind = 'debit' AND NEW.attempt > 0 AND NOT EXISTS(
  SELECT 1 FROM entry WHERE kind IN ('artifact','lost')
    AND request = NEW.request AND attempt = NEW.attempt - 1)
BEGIN SELECT RAISE(ABORT, 'the attempt before is still open'); END""",
)


def lay(connection: sqlite3.Connection) -> None:
    """Make the table and the triggers in an empty file."""
    for statement in SCHEMA:
        connection.execute(statement)


@contextmanager
def connected(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a connection of its own with the durable settings, read back.

    Args:
        path: an existing file; it is never made here.

    Raises:
        LedgerError: ``LEDGER_BUSY``, ``LEDGER_CORRUPT``, ``LEDGER_ORDER`` or ``LEDGER_WRITE``; no
            error of SQLite's own leaves.
    """
    try:
        uri = f"{path.absolute().as_uri()}?mode=rw"
        with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
            connection.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
            journal = connection.execute("PRAGMA journal_mode = DELETE").fetchone()[0]
            connection.execute("PRAGMA synchronous = EXTRA")
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute("PRAGMA fullfsync = ON")
            durable = connection.execute("PRAGMA synchronous").fetchone()[0]
            if (journal, durable) != ("delete", 3):
                raise LedgerError("the durable settings are refused", code="LEDGER_WRITE")
            yield connection
    except (sqlite3.Error, UnicodeError) as refusal:
        raise _named(refusal) from None


@contextmanager
def writing(connection: sqlite3.Connection) -> Iterator[None]:
    """Hold one immediate transaction: committed at the end, rolled back on any exception."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def append(
    connection: sqlite3.Connection, kind: str, *, body: bytes, **fields: Any
) -> tuple[int, bytes]:
    """Append one entry after the chain's last; return its number and hash."""
    last = connection.execute("SELECT seq, hash FROM entry ORDER BY seq DESC LIMIT 1").fetchone()
    sequence, prev = (0, bytes(32)) if last is None else (last[0] + 1, bytes(last[1]))
    row = (sequence, kind, fields["account"], fields["request"], fields["attempt"], fields["cost"])
    head = _hash(row, prev, body)
    connection.execute("INSERT INTO entry VALUES (?,?,?,?,?,?,?,?,?)", (*row, body, prev, head))
    return sequence, head


def _hash(row: tuple[Any, ...], prev: bytes, body: bytes) -> bytes:
    text = json.dumps(list(row), separators=(",", ":")).encode()
    content = _TAG + len(text).to_bytes(8, "big") + text + prev + hashlib.sha256(body).digest()
    return hashlib.sha256(content).digest()


def checked(connection: sqlite3.Connection) -> bytes:
    """Verify file, schema and every link; return the first entry's body.

    Raises:
        LedgerError: ``LEDGER_CORRUPT``.
    """
    schema = [
        row[0]
        for row in connection.execute(
            "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid"
        )
    ]
    sound = connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    prev, genesis, expected = bytes(32), b"", 0
    if sound and schema == list(SCHEMA):
        for *row, body, before, head in connection.execute("SELECT * FROM entry ORDER BY seq"):
            linked = row[0] == expected and before == prev and _hash(tuple(row), prev, body) == head
            if not linked:
                break
            prev, genesis, expected = head, genesis or body, expected + 1
        else:
            if genesis:
                return genesis
    raise corrupt()


def corrupt() -> LedgerError:
    """Return the refusal of a file that is no intact ledger."""
    return LedgerError("the file is not an intact ledger; restore it", code="LEDGER_CORRUPT")


def _named(refusal: sqlite3.Error | UnicodeError) -> LedgerError:
    name = getattr(refusal, "sqlite_errorname", "")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return LedgerError("another process holds the ledger; try again", code="LEDGER_BUSY")
    if name.startswith("SQLITE_CONSTRAINT"):
        return LedgerError("the entry does not fit the chain; nothing written", code="LEDGER_ORDER")
    if not name.startswith(_NO_ACCESS) and not isinstance(refusal, UnicodeEncodeError):
        return corrupt()  # no database, another schema, or texts that are none any more
    return LedgerError(
        "the ledger cannot be read or written (a full disk, or no right to write it and in its "
        "folder); nothing leaves",
        code="LEDGER_WRITE",
    )
