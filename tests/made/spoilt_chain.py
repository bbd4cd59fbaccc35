"""What the chain of entries must do, each as one question to a (perhaps spoilt) `Code`.

In: the code and an empty folder. Out: True where it behaves.
"""

import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

from dpnotice.errors import LedgerError
from made.spoilt import Code

Check = Callable[[Code, Path], bool]
HASH: Final = b"\x07" * 32
ZERO: Final = bytes(32)
ROW: Final = {
    "seq": 0,
    "kind": "debit",
    "account": "a",
    "request": "r",
    "attempt": 0,
    "cost": 1,
    "body": b"",
    "prev": ZERO,
    "hash": HASH,
}
INSERT: Final = "INSERT INTO entry VALUES (?,?,?,?,?,?,?,?,?)"
DURABLE: Final = {
    "journal_mode": "delete",
    "synchronous": 3,
    "trusted_schema": 0,
    "fullfsync": 1,
    "busy_timeout": 10_000,
}


def refused(connection: sqlite3.Connection, row: dict[str, Any]) -> bool:
    """Whether a row is refused; it is taken back where it is not."""
    before = connection.execute("SELECT count(*) FROM entry").fetchone()
    connection.execute("SAVEPOINT here")
    try:
        connection.execute(INSERT, tuple(row.values()))
    except sqlite3.IntegrityError:
        return True
    finally:
        after = connection.execute("SELECT count(*) FROM entry").fetchone()
        connection.execute("ROLLBACK TO here")
    return bool(after == before)


# --- the table by itself -------------------------------------------------------------------
def table_refuses(*rows: dict[str, Any], after: dict[str, Any] | None = None) -> Check:
    """Build the check that the table, without any trigger, takes none of these rows."""

    def check(code: Code, _folder: Path) -> bool:
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
            connection.execute(code.chain.SCHEMA[0])
            assert not refused(connection, ROW)
            if after is not None:
                connection.execute(INSERT, tuple((ROW | after).values()))
            return all(refused(connection, ROW | changes) for changes in rows)

    return check


# --- the table with its triggers -----------------------------------------------------------
def filled(code: Code) -> sqlite3.Connection:
    """Entries 0 to 5: genesis; "r" debited, lost, debited again, answered; "s" debited."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    code.chain.lay(connection)
    for number, (kind, request, attempt, cost) in enumerate(
        [
            ("genesis", "", 0, 0),
            ("debit", "r", 0, 1),
            ("lost", "r", 0, 0),
            ("debit", "r", 1, 1),
            ("artifact", "r", 1, 0),
            ("debit", "s", 0, 1),
        ]
    ):
        row = next_row(number, kind=kind, request=request, attempt=attempt, cost=cost)
        connection.execute(INSERT, tuple(row.values()))
    return connection


def next_row(number: int, **changes: Any) -> dict[str, Any]:
    """Fill in what a right entry would hold in this place."""
    prev = ZERO if number == 0 else bytes([number - 1]) * 32
    return ROW | {"seq": number, "prev": prev, "hash": bytes([number]) * 32} | changes


def chain_refuses(*rows: dict[str, Any]) -> Check:
    """Build the check that none of these rows may come next."""

    def check(code: Code, _folder: Path) -> bool:
        with closing(filled(code)) as connection:
            assert not refused(connection, next_row(6, request="t"))
            return all(refused(connection, next_row(6, **changes)) for changes in rows)

    return check


def chain_takes_what_is_right(code: Code, _folder: Path) -> bool:
    with suppress(sqlite3.IntegrityError), closing(filled(code)) as connection:
        right = [
            {"request": "t"},
            {"request": "r", "attempt": 2},
            {"kind": "lost", "request": "s", "cost": 0},
            {"kind": "artifact", "request": "s", "cost": 0},
        ]
        return not any(refused(connection, next_row(6, **changes)) for changes in right)
    return False


def chain_begins_with_its_genesis(code: Code, _folder: Path) -> bool:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        code.chain.lay(connection)
        return refused(connection, next_row(0)) and not refused(
            connection, next_row(0, kind="genesis", cost=0)
        )


def entries_stay(statement: str) -> Check:
    """Build the check that a statement is refused aloud and changes nothing."""

    def check(code: Code, _folder: Path) -> bool:
        with closing(filled(code)) as connection:
            before = connection.execute("SELECT * FROM entry").fetchall()
            try:
                connection.execute(statement)
            except sqlite3.IntegrityError:
                return connection.execute("SELECT * FROM entry").fetchall() == before
            return False

    return check


# --- connections ---------------------------------------------------------------------------
def made(code: Code, folder: Path) -> Path:
    """Make a chain of one entry with the module's own transaction."""
    path = folder / "x.ledger"
    path.touch()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        code.chain.lay(connection)
        fields = {"account": "", "request": "", "attempt": 0, "cost": 0, "body": b"{}"}
        code.chain.append(connection, "genesis", **fields)
    return path


def connections_are_durable(code: Code, folder: Path) -> bool:
    with suppress(LedgerError), code.chain.connected(made(code, folder)) as connection:
        found = {name: connection.execute(f"PRAGMA {name}").fetchone()[0] for name in DURABLE}
        return bool(found == DURABLE and connection.isolation_level is None)
    return False


class Careless:
    """A connection that keeps one of its settings whatever it is told."""

    def __init__(self, path: Path, deaf_to: str) -> None:
        self.real, self.deaf_to = sqlite3.connect(path), deaf_to

    def execute(self, statement: str) -> sqlite3.Cursor:
        if self.deaf_to in statement and "=" in statement:
            statement = f"PRAGMA {self.deaf_to} = {'MEMORY' if 'journal' in self.deaf_to else '1'}"
        return self.real.execute(statement)

    def close(self) -> None:
        self.real.close()


def settings_are_read_back(name: str) -> Check:
    """Build the check that a file on which a setting has no effect is refused."""

    def check(code: Code, folder: Path) -> bool:
        path = made(code, folder)
        careless = SimpleNamespace(
            connect=lambda *_args, **_options: Careless(path, name), Error=sqlite3.Error
        )
        code.chain.sqlite3 = careless
        try:
            with code.chain.connected(path):
                return False
        except LedgerError as refusal:
            return refusal.code == "LEDGER_WRITE"

    return check


def a_missing_file_is_not_made(code: Code, folder: Path) -> bool:
    with suppress(LedgerError), code.chain.connected(folder / "none"):
        pass
    return list(folder.iterdir()) == []


def a_connection_is_closed(code: Code, folder: Path) -> bool:
    with code.chain.connected(made(code, folder)) as connection:
        pass
    try:
        connection.execute("SELECT 1")
    except sqlite3.ProgrammingError:
        return True
    return False


def no_error_of_sqlites_own_leaves(code: Code, folder: Path) -> bool:
    (folder / "x").write_bytes(b"no database" * 99)
    for path in (folder / "x", folder / "\ud800"):
        try:
            with code.chain.connected(path):
                return False
        except LedgerError as refusal:
            if refusal.__cause__ is not None or not refusal.__suppress_context__:
                return False
        except (sqlite3.Error, UnicodeError):
            return False
    return True


# --- transactions --------------------------------------------------------------------------
def count(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT count(*) FROM entry").fetchone()[0])


def debited(code: Code, connection: sqlite3.Connection) -> None:
    fields = {"account": "a", "request": "r", "attempt": 0, "cost": 1, "body": b""}
    code.chain.append(connection, "debit", **fields)


def a_transaction_is_committed(code: Code, folder: Path) -> bool:
    path = made(code, folder)
    with code.chain.connected(path) as connection:
        with code.chain.writing(connection):
            debited(code, connection)
        return count(path) == 2


def a_transaction_locks_out_others_from_its_start(code: Code, folder: Path) -> bool:
    path = made(code, folder)
    with (
        suppress(LedgerError),
        closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as other,
        code.chain.connected(path) as connection,
        code.chain.writing(connection),
    ):
        try:
            other.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return True
        other.execute("ROLLBACK")
    return False


def fail(error: type[BaseException]) -> None:
    raise error


def a_transaction_is_undone(error: type[BaseException]) -> Check:
    """Build the check that an exception leaves, and leaves neither entry nor transaction."""

    def check(code: Code, folder: Path) -> bool:
        path, left = made(code, folder), False
        with code.chain.connected(path) as connection:
            try:
                with code.chain.writing(connection):
                    debited(code, connection)
                    fail(error)
            except error:
                left = True
            return left and not connection.in_transaction and count(path) == 1

    return check


def a_transaction_that_ended_by_itself_is_left_alone(code: Code, folder: Path) -> bool:
    with code.chain.connected(made(code, folder)) as connection:
        try:
            with code.chain.writing(connection):
                connection.execute("ROLLBACK")
                fail(KeyError)
        except KeyError:
            return True
        except sqlite3.Error:
            return False
    return False


# --- verification --------------------------------------------------------------------------
def a_damaged_index_is_noticed(code: Code, folder: Path) -> bool:
    """The index of the hashes, whose damage would let an entry in twice."""
    path = made(code, folder)
    with closing(sqlite3.connect(path)) as connection:
        head = connection.execute("SELECT hash FROM entry").fetchone()[0]
    data = path.read_bytes()
    places = [i for i in range(len(data)) if data.startswith(head, i)]
    assert len(places) == 2, "once in the table and once in the index"
    size = int.from_bytes(data[16:18], "big")
    root = {place // size: place for place in places}
    with closing(sqlite3.connect(path)) as connection:
        pages = [
            row[0] - 1
            for row in connection.execute("SELECT rootpage FROM sqlite_schema WHERE type = 'index'")
        ]
    place = next(root[page] for page in pages if page in root)
    path.write_bytes(data[:place] + bytes(32) + data[place + 32 :])
    with closing(sqlite3.connect(path)) as connection:
        try:
            code.chain.checked(connection)
        except LedgerError:
            return True
    return False


def a_long_chain_is_sound(code: Code, folder: Path) -> bool:
    path = made(code, folder)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        try:
            debited(code, connection)
            fields = {"account": "a", "request": "r", "attempt": 0, "cost": 0, "body": b"x"}
            code.chain.append(connection, "artifact", **fields)
            return bool(code.chain.checked(connection) == b"{}")
        except (LedgerError, sqlite3.Error):
            return False
