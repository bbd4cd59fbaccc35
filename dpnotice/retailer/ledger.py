"""The privacy budget: debited durably before any draw.

In: what a request costs. Out: an append-only, hash-chained SQLite file in which every debit stands
before the answer that it paid for. There are no refunds; the same request has one answer.
"""

import json
import os
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final, Self

from dpnotice.errors import InquiryError, LedgerError
from dpnotice.inquiry import Inquiry
from dpnotice.privacy import NANO, PrivacyLoss, exact_decimal
from dpnotice.release import Release
from dpnotice.retailer import chain

_NONCE: Final = 16
"""Random bytes of a debit: without them the same request, answered from a ledger and from a copy of
it, would name the same head, and the copy would go unseen."""


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
        with chain.connected(self._path) as connection:
            genesis = chain.checked(connection)
        try:
            content = json.loads(genesis)
            loss = PrivacyLoss(
                **{content["measure"]: exact_decimal(content["cap"], content["measure"])}
            )
        except (ValueError, TypeError, KeyError, RecursionError, InquiryError):
            raise chain.corrupt() from None
        self.measure: str = loss.measure
        self.cap = loss.value

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
        if len(caps) != 1:
            raise InquiryError("a ledger has one cap: give epsilon_cap or rho_cap (--epsilon-cap)")
        loss = PrivacyLoss(**caps)
        path = Path(path)
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            raise LedgerError(
                f"{path.name!a} exists and is never replaced; open it, or name another file",
                code="LEDGER_EXISTS",
            ) from None
        except (OSError, ValueError) as refusal:
            raise LedgerError(f"cannot create the file: {refusal}", code="LEDGER_WRITE") from None
        body = json.dumps({"cap": str(loss.value), "measure": loss.measure}).encode()
        with chain.connected(path) as connection, chain.writing(connection):
            chain.lay(connection)
            chain.append(
                connection, "genesis", account="", request="", attempt=0, cost=0, body=body
            )
        return cls(path)

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        releases: Sequence[Release] = (),
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
        if not os.path.isfile(path):  # noqa: PTH113 -- which no name makes fail
            raise LedgerError(
                f"there is no ledger {Path(path).name!a}; a ledger is created once, by "
                "Ledger.create or `dpnotice ledger FILE --create`",
                code="LEDGER_MISSING",
            )
        if not isinstance(releases, (list, tuple)) or not all(
            isinstance(release, Release) for release in releases
        ):
            raise LedgerError(
                "releases is a list of those that were answered from this ledger, as Release.load "
                "gives them",
                code="ARGUMENT",
            )
        ledger = cls(Path(path))
        named = [(release.ledger_sequence, release.ledger_head) for release in releases]
        ledger._check_holds(named if witness is None else [*named, witness])
        return ledger

    def _check_holds(self, named: list[tuple[int, str]]) -> None:
        with chain.connected(self._path) as connection:
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
        with chain.connected(self._path) as connection:
            return self.cap - _spent(connection, _account(inquiry, retailer))

    def accounts(self) -> tuple[Account, ...]:
        """Return every account that was ever debited, with what is spent and left."""
        query = "SELECT account, sum(cost) FROM entry WHERE kind = 'debit' GROUP BY account"
        with chain.connected(self._path) as connection:
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
        with chain.connected(self._path) as connection:
            row = connection.execute(query, (request,)).fetchone()
        if row is None:
            return 0, "new", b""
        attempt, kind, body = row
        return (attempt, "open", b"") if kind == "debit" else (attempt, kind, bytes(body))

    def check_affordable(self, inquiry: Inquiry, retailer: str) -> None:
        """Refuse early what :meth:`debit` would refuse; debits nothing.

        Raises:
            LedgerError: ``BUDGET_EXCEEDED`` or ``MEASURE``.
        """
        with chain.connected(self._path) as connection:
            self._affordable(connection, inquiry, retailer)

    def debit(self, inquiry: Inquiry, retailer: str, *, request: str, attempt: int) -> Debit:
        """Append the cost of a request, durably; only then may noise be drawn.

        Raises:
            LedgerError: ``BUDGET_EXCEEDED`` with spent, asked and cap; ``BUDGET_OPEN`` where this
                attempt was debited already; ``LEDGER_BUSY``; ``LEDGER_WRITE``.
        """
        with chain.connected(self._path) as connection, chain.writing(connection):
            chain.checked(connection)  # what was damaged since it was opened pays for nothing
            self._affordable(connection, inquiry, retailer)
            taken = "SELECT 1 FROM entry WHERE kind = 'debit' AND request = ? AND attempt = ?"
            if connection.execute(taken, (request, attempt)).fetchone():
                raise open_debit(request)
            sequence, head = chain.append(
                connection,
                "debit",
                account=_account(inquiry, retailer),
                request=request,
                attempt=attempt,
                cost=inquiry.total_loss.nano,
                body=os.urandom(_NONCE),
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
        with chain.connected(self._path) as connection, chain.writing(connection):
            row = connection.execute(query, (request, attempt)).fetchone()
            account = row[0] if row else ""
            chain.append(
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
        _check_spelling(connection, _account(inquiry, retailer))
        spent, asked = _spent(connection, _account(inquiry, retailer)), inquiry.total_loss.value
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


def _account(inquiry: Inquiry, retailer: str) -> str:
    return json.dumps([retailer, str(inquiry.unit), inquiry.name], separators=(",", ":"))


def _check_spelling(connection: sqlite3.Connection, account: str) -> None:
    """Refuse a name that differs from an earlier one in case only: it would double the cap."""
    held = connection.execute("SELECT DISTINCT account FROM entry WHERE kind = 'debit'").fetchall()
    for (other,) in held:
        if other != account and other.casefold() == account.casefold():
            raise LedgerError(
                f"the ledger knows this account as {other}, spelt differently; use that spelling",
                code="ACCOUNT",
            )


def _spent(connection: sqlite3.Connection, account: str) -> Decimal:
    query = "SELECT coalesce(sum(cost), 0) FROM entry WHERE kind = 'debit' AND account = ?"
    return Decimal(connection.execute(query, (account,)).fetchone()[0]) / NANO
