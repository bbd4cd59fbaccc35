"""The privacy budget: debited durably before any draw.

In: what a request costs. Out: an append-only, hash-chained SQLite file in which every debit stands
before the answer that it paid for. There are no refunds; the same request has one answer.
"""

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Self

from dpnotice.errors import LedgerError
from dpnotice.inquiry import Inquiry
from dpnotice.privacy import NANO, PrivacyLoss, exact_decimal
from dpnotice.release import Release

_TAG: Final = b"dpnotice ledger 1\0"
_BUSY_MS: Final = 10_000

_SCHEMA: Final = (
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Debit:
    """A durable debit: where it stands in the chain."""

    request: str
    attempt: int
    sequence: int
    head: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One line of the overview: what a retailer spent on a matter, and what is left."""

    retailer: str
    unit: str
    matter: str
    spent: Decimal
    left: Decimal


class Ledger:
    """A retailer's privacy budget in one SQLite file; a cap holds per retailer, unit and matter.

    Use :meth:`create` once and :meth:`open` afterwards. Every operation is a transaction of its
    own with a rollback journal and ``synchronous=EXTRA``: a write-ahead log could lose debits when
    its main file alone is copied.

    Attributes:
        path: the file.
        measure: ``"epsilon"`` or ``"rho"``.
        cap: per account.
    """

    __slots__ = ("_path", "cap", "measure")

    def __init__(self, path: Path) -> None:
        self._path = path
        with _connected(self._path) as connection:
            genesis = _checked_chain(connection)
        self.measure: str = genesis["measure"]
        self.cap = Decimal(genesis["cap"])

    @property
    def path(self) -> Path:
        """The ledger's file."""
        return self._path

    def __repr__(self) -> str:
        return f"Ledger(cap={self.cap} {self.measure} per retailer and matter)"

    @classmethod
    def create(
        cls, path: str | Path, *, epsilon_cap: str | None = None, rho_cap: str | None = None
    ) -> Self:
        """Make a new ledger with its cap in the first entry of the chain.

        Args:
            path: a file that does not exist yet.
            epsilon_cap: most pure loss per account, decimal text; or
            rho_cap: most zero-concentrated loss per account.

        Raises:
            LedgerError: the file exists (``LEDGER_EXISTS``) or cannot be written.
            InquiryError: not exactly one cap, or not decimal text.
        """
        given = {"epsilon": epsilon_cap, "rho": rho_cap}
        caps = {k: exact_decimal(v, f"{k}_cap") for k, v in given.items() if v is not None}
        loss = PrivacyLoss(**caps)
        path = Path(path)
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            raise LedgerError(
                f"{path.name!a} exists and is never replaced; open it, or name another file",
                code="LEDGER_EXISTS",
            ) from None
        except OSError as refusal:
            raise LedgerError(
                f"cannot create the file: {refusal.strerror}", code="LEDGER_WRITE"
            ) from None
        body = json.dumps({"cap": str(loss.value), "measure": loss.measure}).encode()
        with _connected(path) as connection, _writing(connection):
            for statement in _SCHEMA:
                connection.execute(statement)
            _append(connection, "genesis", account="", request="", attempt=0, cost=0, body=body)
        return cls(path)

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        releases: Iterable[Release] = (),
        witness: tuple[int, str] | None = None,
    ) -> Self:
        """Open an existing ledger and verify its whole chain.

        Args:
            path: the file.
            releases: of this retailer; a restored backup lacks the debits that they name.
            witness: sequence and head of an entry noted down elsewhere.

        Raises:
            LedgerError: missing (never created silently), corrupted, not readable, or
                ``LEDGER_ROLLED_BACK`` where a named entry is not in it.
        """
        if not Path(path).is_file():
            raise LedgerError(
                f"there is no ledger {Path(path).name!a}; a ledger is created once, by "
                "Ledger.create or `dpnotice ledger FILE --create`",
                code="LEDGER_MISSING",
            )
        ledger = cls(Path(path))
        named = [(release.ledger_sequence, release.ledger_head) for release in releases]
        ledger._check_holds(named if witness is None else [*named, witness])
        return ledger

    def _check_holds(self, named: list[tuple[int, str]]) -> None:
        with _connected(self._path) as connection:
            rows = connection.execute("SELECT seq, hash FROM entry").fetchall()
        held = {(sequence, bytes(head).hex()) for sequence, head in rows}
        if not held.issuperset(named):
            raise LedgerError(
                "the ledger lacks a debit that was made: it was rolled back or replaced; restore "
                "the latest copy, or decline further answers",
                code="LEDGER_ROLLED_BACK",
            )

    def remaining(self, inquiry: Inquiry, retailer: str) -> Decimal:
        """Return what is left in the account of this retailer, unit and matter."""
        with _connected(self._path) as connection:
            return self.cap - _spent(connection, _account(inquiry, retailer))

    def accounts(self) -> tuple[Account, ...]:
        """Return every account that was ever debited, with what is spent and left."""
        query = "SELECT account, sum(cost) FROM entry WHERE kind = 'debit' GROUP BY account"
        with _connected(self._path) as connection:
            rows = connection.execute(query + " ORDER BY account").fetchall()
        return tuple(
            Account(
                **dict(zip(("retailer", "unit", "matter"), json.loads(account), strict=True)),
                spent=Decimal(cost) / NANO,
                left=self.cap - Decimal(cost) / NANO,
            )
            for account, cost in rows
        )

    def lookup(self, request: str) -> tuple[int, str, bytes]:
        """Return the latest attempt of a request, its state and its answer.

        Returns:
            (attempt, ``"new"``, ``"open"``, ``"lost"`` or ``"artifact"``, bytes of the answer).
        """
        query = (
            "SELECT attempt, kind, body FROM entry WHERE request = ? AND seq > 0 "
            "ORDER BY seq DESC LIMIT 1"
        )
        with _connected(self._path) as connection:
            row = connection.execute(query, (request,)).fetchone()
        if row is None:
            return 0, "new", b""
        return row[0], "open" if row[1] == "debit" else row[1], bytes(row[2])

    def check_affordable(self, inquiry: Inquiry, retailer: str) -> None:
        """Refuse early what :meth:`debit` would refuse; debits nothing.

        Raises:
            LedgerError: ``BUDGET_EXCEEDED`` or ``MEASURE``.
        """
        with _connected(self._path) as connection:
            self._affordable(connection, inquiry, retailer)

    def debit(self, inquiry: Inquiry, retailer: str, *, request: str, attempt: int) -> Debit:
        """Append the cost of a request, durably; only then may noise be drawn.

        Raises:
            LedgerError: ``BUDGET_EXCEEDED`` with spent, asked and cap; ``BUDGET_OPEN`` where this
                attempt was debited already; ``LEDGER_BUSY``; ``LEDGER_WRITE``.
        """
        with _connected(self._path) as connection, _writing(connection):
            self._affordable(connection, inquiry, retailer)
            taken = "SELECT 1 FROM entry WHERE kind = 'debit' AND request = ? AND attempt = ?"
            if connection.execute(taken, (request, attempt)).fetchone():
                raise open_debit(request)
            sequence, head = _append(
                connection,
                "debit",
                account=_account(inquiry, retailer),
                request=request,
                attempt=attempt,
                cost=inquiry.loss.nano,
                body=b"",
            )
        return Debit(request=request, attempt=attempt, sequence=sequence, head=head.hex())

    def store(self, debit: Debit, answer: bytes) -> None:
        """Append the answer that a debit paid for; a late answer to a lost debit is refused."""
        self._close(debit.request, debit.attempt, "artifact", answer)

    def declare_lost(self, request: str) -> None:
        """Close an open debit whose answer is gone; its cost stays spent.

        Args:
            request: as named in the ``BUDGET_OPEN`` error.

        Raises:
            LedgerError: ``REQUEST`` where no debit of that request is open.
        """
        attempt, state, _ = self.lookup(request)
        if state != "open":
            raise LedgerError("no debit of that request is open", code="REQUEST")
        self._close(request, attempt, "lost", b"")

    def _close(self, request: str, attempt: int, kind: str, body: bytes) -> None:
        query = "SELECT account FROM entry WHERE kind = 'debit' AND request = ? AND attempt = ?"
        with _connected(self._path) as connection, _writing(connection):
            row = connection.execute(query, (request, attempt)).fetchone()
            account = row[0] if row else ""
            _append(
                connection,
                kind,
                account=account,
                request=request,
                attempt=attempt,
                cost=0,
                body=body,
            )

    def _affordable(self, connection: sqlite3.Connection, inquiry: Inquiry, retailer: str) -> None:
        if inquiry.loss.measure != self.measure:
            raise LedgerError(
                f"the ledger keeps {self.measure} and the inquiry asks {inquiry.loss.measure}; "
                f"use a ledger with {inquiry.loss.measure}_cap",
                code="MEASURE",
            )
        spent, asked = _spent(connection, _account(inquiry, retailer)), inquiry.loss.value
        if spent + asked > self.cap:
            raise LedgerError(
                f"{self.measure} spent {spent}, asked {asked}, cap {self.cap}; "
                "the cap cannot be raised, so ask for less or decline",
                code="BUDGET_EXCEEDED",
            )


def open_debit(request: str) -> LedgerError:
    """Return the refusal of a request whose debit has no answer yet."""
    return LedgerError(
        "this request was debited and its answer is not stored: another process is at work, or "
        f'it crashed. If it crashed, call ledger.declare_lost("{request}") and ask again with '
        "new_attempt=, which costs again",
        code="BUDGET_OPEN",
    )


def _named(refusal: sqlite3.Error) -> LedgerError:
    name = getattr(refusal, "sqlite_errorname", "") or ""
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return LedgerError("another process holds the ledger; try again", code="LEDGER_BUSY")
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return LedgerError("the file is not an intact ledger; restore it", code="LEDGER_CORRUPT")
    if name.startswith("SQLITE_CONSTRAINT"):
        return LedgerError("the entry does not fit the chain; nothing written", code="LEDGER_ORDER")
    return LedgerError("the ledger cannot be read or written; nothing drawn", code="LEDGER_WRITE")


def _account(inquiry: Inquiry, retailer: str) -> str:
    return json.dumps([retailer, str(inquiry.unit), inquiry.name], separators=(",", ":"))


def _spent(connection: sqlite3.Connection, account: str) -> Decimal:
    query = "SELECT coalesce(sum(cost), 0) FROM entry WHERE kind = 'debit' AND account = ?"
    return Decimal(connection.execute(query, (account,)).fetchone()[0]) / NANO


@contextmanager
def _connected(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a connection of its own with the durable settings, read back."""
    uri = f"{path.absolute().as_uri()}?mode=rw"
    try:
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
    except sqlite3.Error as refusal:
        raise _named(refusal) from None


@contextmanager
def _writing(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _append(
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


def _checked_chain(connection: sqlite3.Connection) -> dict[str, str]:
    """Verify file, schema and every link; return the first entry's content."""
    schema = [
        row[0]
        for row in connection.execute(
            "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid"
        )
    ]
    sound = connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    prev, genesis, expected = bytes(32), b"", 0
    if sound and schema == list(_SCHEMA):
        for *row, body, before, head in connection.execute("SELECT * FROM entry ORDER BY seq"):
            linked = row[0] == expected and before == prev and _hash(tuple(row), prev, body) == head
            if not linked:
                break
            prev, genesis, expected = head, genesis or body, expected + 1
        else:
            if genesis:
                content: dict[str, str] = json.loads(genesis)
                return content
    raise LedgerError("the file is not an intact ledger; restore it", code="LEDGER_CORRUPT")
