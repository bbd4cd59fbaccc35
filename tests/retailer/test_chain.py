"""Entries are appended in order, linked, and never changed; the file says so when it is opened."""

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from dpnotice.errors import LedgerError
from dpnotice.retailer import chain

GENESIS = {"account": "", "request": "", "attempt": 0, "cost": 0, "body": b'{"cap": "1"}'}
DEBIT = {"account": "a", "request": "r", "attempt": 0, "cost": 5, "body": b""}
ANSWER = {**DEBIT, "cost": 0, "body": b"answer"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "x.ledger"
    made.touch()
    with chain.connected(made) as connection, chain.writing(connection):
        chain.lay(connection)
        chain.append(connection, "genesis", **GENESIS)
    return made


def appended(path: Path, kind: str, **entry: Any) -> tuple[int, bytes]:
    with chain.connected(path) as connection, chain.writing(connection):
        return chain.append(connection, kind, **entry)


def refused(path: Path, kind: str, **entry: Any) -> str:
    with pytest.raises(LedgerError) as caught:
        appended(path, kind, **entry)
    return caught.value.code


def opened(path: Path) -> dict[str, str]:
    with chain.connected(path) as connection:
        return chain.checked(connection)


def test_an_intact_chain_gives_its_first_entry(path: Path) -> None:
    appended(path, "debit", **DEBIT)
    appended(path, "artifact", **ANSWER)
    assert opened(path) == b'{"cap": "1"}'


def test_entries_are_numbered_in_order(path: Path) -> None:
    assert appended(path, "debit", **DEBIT)[0] == 1
    assert appended(path, "artifact", **ANSWER)[0] == 2


def test_an_answer_without_a_debit_is_refused(path: Path) -> None:
    assert refused(path, "artifact", **ANSWER) == "LEDGER_ORDER"


def test_a_second_answer_to_a_debit_is_refused(path: Path) -> None:
    appended(path, "debit", **DEBIT)
    appended(path, "artifact", **ANSWER)
    assert refused(path, "lost", **ANSWER) == "LEDGER_ORDER"


def test_a_second_debit_of_an_attempt_is_refused(path: Path) -> None:
    appended(path, "debit", **DEBIT)
    assert refused(path, "debit", **DEBIT) == "LEDGER_ORDER"


def test_a_further_attempt_waits_for_the_one_before(path: Path) -> None:
    appended(path, "debit", **DEBIT)
    assert refused(path, "debit", **{**DEBIT, "attempt": 1}) == "LEDGER_ORDER"


def test_a_second_first_entry_is_refused(path: Path) -> None:
    assert refused(path, "genesis", **GENESIS) == "LEDGER_ORDER"


@pytest.mark.parametrize(
    "statement", ["UPDATE entry SET cost = 0", "DELETE FROM entry", "DELETE FROM entry WHERE seq=1"]
)
def test_an_entry_is_never_changed_or_removed(path: Path, statement: str) -> None:
    appended(path, "debit", **DEBIT)
    with closing(sqlite3.connect(path)) as other, pytest.raises(sqlite3.IntegrityError):
        other.execute(statement)


@contextmanager
def untriggered(connection: sqlite3.Connection) -> Iterator[None]:
    """Take every trigger away, and put all of them back in the order of the schema."""
    for name in ("no_update", "no_delete", "in_order", "closes_open", "next_attempt"):
        connection.execute(f"DROP TRIGGER {name}")
    yield
    for trigger in chain.SCHEMA[1:]:
        connection.execute(trigger)
    connection.commit()


def test_triggers_put_back_are_no_change(path: Path) -> None:
    """The helper above does not itself trip the check."""
    with closing(sqlite3.connect(path)) as other, untriggered(other):
        pass
    assert opened(path) == GENESIS["body"]


@pytest.mark.parametrize(
    "column", ["cost", "body", "hash", "prev", "request", "account", "attempt"]
)
def test_a_change_behind_the_triggers_is_noticed(path: Path, column: str) -> None:
    appended(path, "debit", **DEBIT)
    with closing(sqlite3.connect(path)) as other:
        value = {"cost": 1, "request": "s", "account": "b", "attempt": 1}.get(column, bytes(32))
        with untriggered(other):
            other.execute(f"UPDATE entry SET {column} = ? WHERE seq = 1", (value,))  # noqa: S608 -- fixed names
    with pytest.raises(LedgerError, match="not an intact ledger"):
        opened(path)


def test_a_missing_trigger_is_noticed(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute("DROP TRIGGER no_delete")
        other.commit()
    with pytest.raises(LedgerError, match="LEDGER_CORRUPT"):
        opened(path)


def test_an_exception_within_a_transaction_leaves_nothing(path: Path) -> None:
    def stopped() -> None:
        with chain.connected(path) as connection, chain.writing(connection):
            chain.append(connection, "debit", **DEBIT)
            raise KeyError

    with pytest.raises(KeyError):
        stopped()
    assert appended(path, "debit", **DEBIT)[0] == 1


def test_a_file_that_does_not_exist_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(LedgerError), chain.connected(tmp_path / "none") as connection:
        chain.checked(connection)
    assert list(tmp_path.iterdir()) == []


def test_a_transaction_that_ended_by_itself_is_not_rolled_back_twice(path: Path) -> None:
    def ended() -> None:
        with chain.connected(path) as connection, chain.writing(connection):
            connection.execute("ROLLBACK")
            raise KeyError

    with pytest.raises(KeyError):
        ended()


class Careless:
    """A connection on which durable writes cannot be had."""

    def __init__(self, path: Path) -> None:
        self.real = sqlite3.connect(path)

    def execute(self, statement: str) -> sqlite3.Cursor:
        return self.real.execute(statement.replace("EXTRA", "OFF"))

    def close(self) -> None:
        self.real.close()


def test_a_file_system_without_durable_writes_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    careless = Careless(path)
    monkeypatch.setattr(chain.sqlite3, "connect", lambda *_args, **_options: careless)
    with pytest.raises(LedgerError, match="durable"), chain.connected(path):
        pass


def test_what_is_corrupt_is_said_in_words_and_a_code() -> None:
    refusal = chain.corrupt()
    assert isinstance(refusal, LedgerError)
    assert str(refusal) == "LEDGER_CORRUPT: the file is not an intact ledger; restore it"


def test_a_chain_is_verified_within_the_transaction_that_adds_to_it(path: Path) -> None:
    with chain.connected(path) as connection, chain.writing(connection):
        chain.append(connection, "debit", **DEBIT)
        assert chain.checked(connection) == GENESIS["body"]


def test_a_file_without_entries_is_no_chain(tmp_path: Path) -> None:
    made = tmp_path / "x.ledger"
    made.touch()
    with chain.connected(made) as connection, chain.writing(connection):
        chain.lay(connection)
    with pytest.raises(LedgerError, match="LEDGER_CORRUPT"):
        opened(made)


def test_a_busy_file_is_said_to_be_busy(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain, "_BUSY_MS", 50)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert refused(path, "debit", **DEBIT) == "LEDGER_BUSY"


@pytest.mark.parametrize("number", [0, 1])
def test_an_entry_removed_before_another_is_noticed(path: Path, number: int) -> None:
    appended(path, "debit", **DEBIT)
    appended(path, "artifact", **ANSWER)
    with closing(sqlite3.connect(path)) as other, untriggered(other):
        other.execute("DELETE FROM entry WHERE seq = ?", (number,))
    with pytest.raises(LedgerError, match="LEDGER_CORRUPT"):
        opened(path)


@pytest.mark.parametrize("content", [b"no database", b"SQLite format 3\0" + bytes(84)])
def test_another_file_is_no_chain(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(LedgerError, match="LEDGER_CORRUPT"):
        opened(tmp_path / "x")


def test_a_file_without_room_for_its_journal_cannot_be_written(path: Path) -> None:
    path.with_name(path.name + "-journal").mkdir()
    assert refused(path, "debit", **DEBIT) == "LEDGER_WRITE"


def test_a_name_that_no_file_can_have_cannot_be_written() -> None:
    with pytest.raises(LedgerError, match="LEDGER_WRITE"), chain.connected(Path("\udc80" * 400)):
        pass


# --- what is hashed, and what SQLite's errors are called -----------------------------------
def hashed(*row: object, prev: bytes, body: bytes) -> bytes:
    """The link as documented: tag, length, fields, link before, digest of the body."""
    text = json.dumps(row, separators=(",", ":")).encode("utf-8")
    length = len(text).to_bytes(8, "big")
    return hashlib.sha256(
        b"dpnotice ledger 1\0" + length + text + prev + hashlib.sha256(body).digest()
    ).digest()


def test_every_link_is_the_documented_hash(path: Path) -> None:
    long = {**DEBIT, "account": '["päckchen","buyer","' + "m" * 300 + '"]', "body": b"\0" * 16}
    found = [appended(path, "debit", **long), appended(path, "artifact", **ANSWER)]
    first = hashed(0, "genesis", "", "", 0, 0, prev=bytes(32), body=GENESIS["body"])
    second = hashed(1, "debit", long["account"], "r", 0, 5, prev=first, body=long["body"])
    third = hashed(2, "artifact", "a", "r", 0, 0, prev=second, body=b"answer")
    assert found == [(1, second), (2, third)]


def test_the_first_link_is_that_of_every_ledger_made_so_far(path: Path) -> None:
    """Else the ledgers in use could not be opened any more."""
    with closing(sqlite3.connect(path)) as other:
        head = other.execute("SELECT hash FROM entry").fetchone()[0]
    assert head.hex() == "e57fff4e0bcf63fd1482f2e94ba3510203c21600dc777ee63bb63b2b685b2bad"


BUSY = "LEDGER_BUSY: another process holds the ledger; try again"
ORDER = "LEDGER_ORDER: the entry does not fit the chain; nothing written"
CORRUPT = "LEDGER_CORRUPT: the file is not an intact ledger; restore it"
NO_ACCESS = (
    "LEDGER_WRITE: the ledger cannot be read or written (a full disk, or no right to write it and "
    "in its folder); nothing leaves"
)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("SQLITE_BUSY", BUSY),
        ("SQLITE_BUSY_SNAPSHOT", BUSY),
        ("SQLITE_LOCKED", BUSY),
        ("SQLITE_LOCKED_SHAREDCACHE", BUSY),
        ("SQLITE_CONSTRAINT_TRIGGER", ORDER),
        ("SQLITE_CONSTRAINT_UNIQUE", ORDER),
        ("SQLITE_CANTOPEN_ISDIR", NO_ACCESS),
        ("SQLITE_FULL", NO_ACCESS),
        ("SQLITE_IOERR_WRITE", NO_ACCESS),
        ("SQLITE_NOMEM", NO_ACCESS),
        ("SQLITE_PERM", NO_ACCESS),
        ("SQLITE_READONLY_DIRECTORY", NO_ACCESS),
        ("SQLITE_NOTADB", CORRUPT),
        ("SQLITE_CORRUPT", CORRUPT),
        ("SQLITE_ERROR", CORRUPT),
        ("", CORRUPT),
    ],
)
def test_every_error_of_sqlites_is_told_in_words(name: str, told: str) -> None:
    refusal = sqlite3.OperationalError("/home/ann/secret")
    refusal.sqlite_errorname = name
    assert str(chain._named(refusal)) == told


@pytest.mark.parametrize(
    ("refusal", "told"),
    [
        (sqlite3.ProgrammingError("no name"), CORRUPT),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "text"), CORRUPT),
        (UnicodeEncodeError("utf-8", "\ud800", 0, 1, "path"), NO_ACCESS),
    ],
    ids=["nameless", "text in the file", "path"],
)
def test_an_error_without_a_name_is_told_in_words_too(
    refusal: sqlite3.Error | UnicodeError, told: str
) -> None:
    assert str(chain._named(refusal)) == told
