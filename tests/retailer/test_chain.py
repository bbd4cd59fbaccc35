"""Entries are appended in order, linked, and never changed; the file says so when it is opened."""

import sqlite3
from contextlib import closing
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


@pytest.mark.parametrize("column", ["cost", "body", "hash", "prev", "request"])
def test_a_change_behind_the_triggers_is_noticed(path: Path, column: str) -> None:
    appended(path, "debit", **DEBIT)
    with closing(sqlite3.connect(path)) as other:
        other.execute("DROP TRIGGER no_update")
        value = {"cost": 1, "request": "s"}.get(column, bytes(32))
        other.execute(f"UPDATE entry SET {column} = ? WHERE seq = 1", (value,))  # noqa: S608 -- fixed names
        other.execute(chain.SCHEMA[1])
        other.commit()
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
