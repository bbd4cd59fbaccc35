"""The budget is debited once, durably, in order, and never beyond its cap."""

import dataclasses
import json
import os
import re
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpnotice.errors import InquiryError, LedgerError
from dpnotice.inquiry import Inquiry
from dpnotice.release import Release
from dpnotice.retailer import ledger as module
from dpnotice.retailer.ledger import Debit, Ledger
from made import releases
from made.releases import matter

REQUEST = "f" * 64


def inquiry(epsilon: str = "1", **changes: object) -> Inquiry:
    plain = {"tables": [{"of": ["state"]}], "privacy": {"epsilon": epsilon}}
    return matter(**({"timezone": "America/New_York"} | plain | changes))


GAUSSIAN = inquiry(privacy={"rho": "1", "noise": "discrete-gaussian"})


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger.create(tmp_path / "a.ledger", epsilon_cap="2")


def paid(ledger: Ledger, epsilon: str = "1", request: str = REQUEST, attempt: int = 0) -> Debit:
    return ledger.debit(inquiry(epsilon), "shop", request=request, attempt=attempt)


def code(call: Callable[[], object]) -> str:
    with pytest.raises(LedgerError) as caught:
        call()
    return caught.value.code


def entries(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT count(*) FROM entry").fetchone()[0])


# --- create and open -----------------------------------------------------------------------
def test_create_refuses_an_existing_ledger(ledger: Ledger) -> None:
    before = ledger.path.read_bytes()
    assert code(lambda: Ledger.create(ledger.path, epsilon_cap="9")) == "LEDGER_EXISTS"
    assert ledger.path.read_bytes() == before


def test_create_refuses_any_existing_file(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert code(lambda: Ledger.create(tmp_path / "empty", epsilon_cap="9")) == "LEDGER_EXISTS"


def test_create_refuses_a_dangling_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    assert code(lambda: Ledger.create(tmp_path / "link", epsilon_cap="9")) == "LEDGER_EXISTS"


def test_create_refuses_a_missing_folder(tmp_path: Path) -> None:
    assert code(lambda: Ledger.create(tmp_path / "no" / "x", epsilon_cap="9")) == "LEDGER_WRITE"


def test_open_refuses_a_missing_file_and_makes_none(tmp_path: Path) -> None:
    assert code(lambda: Ledger.open(tmp_path / "none")) == "LEDGER_MISSING"
    assert list(tmp_path.iterdir()) == []


def test_open_keeps_cap_and_measure(ledger: Ledger) -> None:
    again = Ledger.open(str(ledger.path))
    assert (again.cap, again.measure) == (Decimal(2), "epsilon")


@pytest.mark.parametrize(
    "caps",
    [
        {},
        {"epsilon_cap": "1", "rho_cap": "1"},
        {"epsilon_cap": "0"},
        {"epsilon_cap": "-1"},
        {"epsilon_cap": "nan"},
        {"epsilon_cap": "inf"},
        {"epsilon_cap": 2},
        {"epsilon_cap": 0.1},
        {"epsilon_cap": "1e3"},
        {"epsilon_cap": "0.0000000001"},
        pytest.param({"epsilon_cap": "1\n"}, id="a line feed"),
    ],
    ids=str,
)
def test_a_bad_cap_is_refused_and_makes_no_file(tmp_path: Path, caps: dict[str, Any]) -> None:
    with pytest.raises(InquiryError):
        Ledger.create(tmp_path / "x", **caps)
    assert list(tmp_path.iterdir()) == []


def test_the_file_is_private_to_its_owner(ledger: Ledger) -> None:
    assert stat.S_IMODE(ledger.path.stat().st_mode) == 0o600


def test_nothing_stays_beside_the_file(ledger: Ledger) -> None:
    paid(ledger)
    assert list(ledger.path.parent.iterdir()) == [ledger.path]


def test_an_odd_path_is_taken_literally(tmp_path: Path) -> None:
    made = Ledger.create(tmp_path / "a b?mode=memory#%41.ledger", epsilon_cap="1")
    paid(made)
    assert entries(made.path) == 2


def test_repr_shows_the_cap_and_no_path(ledger: Ledger) -> None:
    assert "2 epsilon" in repr(ledger)
    assert str(ledger.path.parent) not in repr(ledger)


# --- debits --------------------------------------------------------------------------------
def test_remaining_is_the_cap_less_what_was_debited(ledger: Ledger) -> None:
    paid(ledger, "0.3")
    assert ledger.remaining(inquiry(), "shop") == Decimal("1.7")


def test_the_cap_holds_per_retailer_and_matter(ledger: Ledger) -> None:
    paid(ledger)
    others = [ledger.remaining(inquiry(name="other"), "shop"), ledger.remaining(inquiry(), "else")]
    assert others == [Decimal(2), Decimal(2)]


def test_the_overview_lists_every_account(ledger: Ledger) -> None:
    paid(ledger, "0.5")
    (account,) = ledger.accounts()
    assert (account.retailer, account.unit, account.matter) == ("shop", "buyer", "matter")
    assert (account.spent, account.left) == (Decimal("0.5"), Decimal("1.5"))


def test_a_cap_may_be_spent_to_its_last_billionth(tmp_path: Path) -> None:
    made = Ledger.create(tmp_path / "x", epsilon_cap="0.3")
    for number in range(3):
        paid(made, "0.1", request=f"{number}")
    assert made.remaining(inquiry(), "shop") == 0
    assert code(lambda: paid(made, "0.000000001", request="more")) == "BUDGET_EXCEEDED"


def test_a_refusal_for_budget_names_spent_asked_and_cap(ledger: Ledger) -> None:
    paid(ledger, "1.5")
    with pytest.raises(LedgerError, match=r"spent 1\.5, asked 1, cap 2"):
        paid(ledger, "1", request="other")
    assert entries(ledger.path) == 2


def test_the_early_check_refuses_alike_and_debits_nothing(ledger: Ledger) -> None:
    assert code(lambda: ledger.check_affordable(inquiry("2.1"), "shop")) == "BUDGET_EXCEEDED"
    ledger.check_affordable(inquiry("2"), "shop")
    assert entries(ledger.path) == 1


def test_an_inquiry_in_another_measure_is_refused(ledger: Ledger) -> None:
    assert code(lambda: ledger.check_affordable(GAUSSIAN, "shop")) == "MEASURE"
    assert code(lambda: ledger.debit(GAUSSIAN, "shop", request="r", attempt=0)) == "MEASURE"
    assert entries(ledger.path) == 1


def test_a_rho_ledger_pays_for_rho(tmp_path: Path) -> None:
    made = Ledger.create(tmp_path / "x", rho_cap="2")
    made.debit(GAUSSIAN, "shop", request=REQUEST, attempt=0)
    assert (made.measure, made.remaining(GAUSSIAN, "shop")) == ("rho", Decimal(1))


def test_one_attempt_is_debited_once(ledger: Ledger) -> None:
    paid(ledger, "0.1")
    assert code(lambda: paid(ledger, "0.1")) == "BUDGET_OPEN"


def test_a_debit_names_its_place_in_the_chain(ledger: Ledger) -> None:
    debit = paid(ledger)
    with closing(sqlite3.connect(ledger.path)) as connection:
        row = connection.execute("SELECT seq, hash FROM entry WHERE kind = 'debit'").fetchone()
    assert (debit.sequence, bytes.fromhex(debit.head)) == row


asks = st.integers(1, 3 * 10**9).map(lambda n: f"{n // 10**9}.{n % 10**9:09d}")


@settings(max_examples=15)
@given(st.lists(asks, min_size=1, max_size=6))
def test_the_cap_is_never_exceeded(asked: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        made = Ledger.create(Path(folder) / "x", epsilon_cap="3.3")
        spent = Fraction(0)
        for number, epsilon in enumerate(asked):
            fits = spent + Fraction(epsilon) <= Fraction("3.3")
            if fits:
                paid(made, epsilon, request=str(number))
                spent += Fraction(epsilon)
            else:
                assert code(lambda e=epsilon: paid(made, e, request="no")) == "BUDGET_EXCEEDED"
        assert Fraction(made.remaining(inquiry(), "shop")) == Fraction("3.3") - spent


# --- answers -------------------------------------------------------------------------------
def test_a_request_is_new_then_open_then_answered(ledger: Ledger) -> None:
    seen = [ledger.lookup(REQUEST)]
    debit = paid(ledger)
    seen.append(ledger.lookup(REQUEST))
    ledger.store(debit, b"answer")
    seen.append(ledger.lookup(REQUEST))
    assert seen == [(0, "new", b""), (0, "open", b""), (0, "artifact", b"answer")]


def test_an_answer_without_a_debit_is_refused(ledger: Ledger) -> None:
    made_up = Debit(request=REQUEST, attempt=0, sequence=1, head="0" * 64)
    assert code(lambda: ledger.store(made_up, b"answer")) == "LEDGER_ORDER"
    assert entries(ledger.path) == 1


def test_a_second_answer_to_one_debit_is_refused(ledger: Ledger) -> None:
    debit = paid(ledger)
    ledger.store(debit, b"first")
    assert code(lambda: ledger.store(debit, b"second")) == "LEDGER_ORDER"
    assert ledger.lookup(REQUEST)[2] == b"first"


def test_a_late_answer_to_a_lost_debit_is_refused(ledger: Ledger) -> None:
    debit = paid(ledger)
    ledger.declare_lost(REQUEST)
    assert code(lambda: ledger.store(debit, b"late")) == "LEDGER_ORDER"
    assert ledger.lookup(REQUEST) == (0, "lost", b"")


def test_a_lost_debit_stays_spent(ledger: Ledger) -> None:
    paid(ledger)
    ledger.declare_lost(REQUEST)
    assert ledger.remaining(inquiry(), "shop") == 1


def test_the_next_attempt_waits_for_the_one_before(ledger: Ledger) -> None:
    paid(ledger)
    assert code(lambda: paid(ledger, attempt=1)) == "LEDGER_ORDER"


def test_the_next_attempt_costs_again(ledger: Ledger) -> None:
    paid(ledger)
    ledger.declare_lost(REQUEST)
    paid(ledger, attempt=1)
    assert ledger.remaining(inquiry(), "shop") == 0


@pytest.mark.parametrize("state", ["new", "artifact", "lost"])
def test_only_an_open_debit_can_be_declared_lost(ledger: Ledger, state: str) -> None:
    if state != "new":
        debit = paid(ledger)
        _ = ledger.store(debit, b"x") if state == "artifact" else ledger.declare_lost(REQUEST)
    assert code(lambda: ledger.declare_lost(REQUEST)) == "REQUEST"


# --- the database itself -------------------------------------------------------------------
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entry SET cost = 1 WHERE kind = 'debit'",
        "DELETE FROM entry WHERE kind = 'debit'",
        (
            "INSERT OR REPLACE INTO entry SELECT seq,kind,account,request,attempt,1,body,prev,hash "
            "FROM entry WHERE kind = 'debit'"
        ),
        (
            "INSERT INTO entry SELECT seq + 2,kind,account,'r2',attempt,cost,body,hash,prev "
            "FROM entry WHERE kind = 'debit'"
        ),
        (
            "INSERT INTO entry SELECT 2,'genesis',account,'r2',attempt,0,body,hash,prev "
            "FROM entry WHERE kind = 'debit'"
        ),
        (
            "INSERT INTO entry SELECT 2,'debit',account,'r2',attempt,0,body,hash,zeroblob(32) "
            "FROM entry WHERE kind = 'debit'"
        ),
        (
            "INSERT INTO entry SELECT 2,'debit',account,'r2',attempt,-1,body,hash,zeroblob(32) "
            "FROM entry WHERE kind = 'debit'"
        ),
        (
            "INSERT INTO entry SELECT 2,'debit',account,request,7,cost,body,hash,zeroblob(32) "
            "FROM entry WHERE kind = 'debit'"
        ),
    ],
    ids=["update", "delete", "replace", "gap", "genesis", "free", "refund", "skipped attempt"],
)
def test_the_file_refuses_to_be_rewritten(ledger: Ledger, statement: str) -> None:
    paid(ledger)
    with (
        closing(sqlite3.connect(ledger.path)) as connection,
        pytest.raises(sqlite3.IntegrityError),
    ):
        connection.execute(statement)


@contextmanager
def tampering(path: Path) -> Iterator[sqlite3.Connection]:
    """Edit the table with its triggers away; they are put back as they were."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        triggers = connection.execute(
            "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' ORDER BY rowid"
        ).fetchall()
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        yield connection
        for _, sql in triggers:
            connection.execute(sql)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entry SET body = CAST(replace(body, '2', '9') AS BLOB) WHERE seq = 0",
        "UPDATE entry SET cost = 1 WHERE kind = 'debit'",
        "UPDATE entry SET account = 'other' WHERE kind = 'debit'",
        "UPDATE entry SET body = x'00' WHERE kind = 'artifact'",
        "UPDATE entry SET prev = zeroblob(32) WHERE seq = 2",
        "DELETE FROM entry WHERE seq = 0",
        "DELETE FROM entry WHERE seq = 1",
        "DELETE FROM entry",
    ],
    ids=["cap", "cost", "account", "answer", "link", "first entry", "middle entry", "all entries"],
)
def test_an_edited_chain_is_refused(ledger: Ledger, statement: str) -> None:
    ledger.store(paid(ledger), b"answer")
    with tampering(ledger.path) as connection:
        connection.execute(statement)
    assert code(lambda: Ledger.open(ledger.path)) == "LEDGER_CORRUPT"


def test_tampering_without_an_edit_is_no_corruption(ledger: Ledger) -> None:
    """The helper above does not itself trip the check."""
    with tampering(ledger.path):
        pass
    assert Ledger.open(ledger.path).cap == 2


@pytest.mark.parametrize("statement", ["DROP TRIGGER no_delete", "CREATE TABLE other(x)"])
def test_another_schema_is_refused(ledger: Ledger, statement: str) -> None:
    with closing(sqlite3.connect(ledger.path)) as connection:
        connection.execute(statement)
    assert code(lambda: Ledger.open(ledger.path)) == "LEDGER_CORRUPT"


def test_a_dropped_answer_leaves_an_open_debit_and_no_second_draw(ledger: Ledger) -> None:
    ledger.store(paid(ledger), b"answer")
    with tampering(ledger.path) as connection:
        connection.execute("DELETE FROM entry WHERE kind = 'artifact'")
    assert Ledger.open(ledger.path).lookup(REQUEST)[1] == "open"


def test_a_ledger_rolled_back_behind_a_debit_is_noticed(ledger: Ledger) -> None:
    """Methods note, section 6: a debit ahead of the restored ledger is LEDGER_ROLLED_BACK."""
    backup = shutil.copy(ledger.path, ledger.path.with_suffix(".backup"))
    debit = paid(ledger)
    shutil.copy(backup, ledger.path)
    witness = (debit.sequence, debit.head)
    assert code(lambda: Ledger.open(ledger.path, witness=witness)) == "LEDGER_ROLLED_BACK"  # type: ignore[call-arg]


@pytest.mark.parametrize("content", [b"", b"not a database", b"SQLite format 3\0" + bytes(84)])
def test_another_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    assert code(lambda: Ledger.open(tmp_path / "x")) == "LEDGER_CORRUPT"


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused(ledger: Ledger, share: float) -> None:
    ledger.store(paid(ledger), b"answer" * 2000)
    whole = ledger.path.read_bytes()
    ledger.path.write_bytes(whole[: int(len(whole) * share)])
    assert code(lambda: Ledger.open(ledger.path)) in {"LEDGER_CORRUPT", "LEDGER_WRITE"}


def test_a_flipped_byte_is_refused_or_changes_nothing(ledger: Ledger) -> None:
    """Unused space in a page may change; no entry may."""
    ledger.store(paid(ledger), b"answer" * 40)
    whole, expected = ledger.path.read_bytes(), (ledger.lookup(REQUEST), ledger.accounts())
    used = [i for i, byte in enumerate(whole) if byte or i < 100]
    for place in used[:: max(1, len(used) // 400)]:
        ledger.path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        try:
            again = Ledger.open(ledger.path)
            found = (again.lookup(REQUEST), again.accounts())
        except LedgerError:
            continue
        assert found == expected, place


def test_the_journal_is_a_rollback_journal_synced_at_every_step(ledger: Ledger) -> None:
    with module.chain.connected(ledger.path) as connection:
        journal = connection.execute("PRAGMA journal_mode").fetchone()[0]
        synchronous = connection.execute("PRAGMA synchronous").fetchone()[0]
    assert (journal, synchronous) == ("delete", 3)


def test_a_copy_of_the_file_alone_holds_every_debit(ledger: Ledger, tmp_path: Path) -> None:
    with closing(sqlite3.connect(ledger.path)) as other:  # a reader that stays open
        other.execute("SELECT count(*) FROM entry").fetchone()
        paid(ledger)
        copied = shutil.copy(ledger.path, tmp_path / "copy")
    assert Ledger.open(copied).remaining(inquiry(), "shop") == 1


def test_a_ledger_turned_to_wal_is_turned_back(ledger: Ledger) -> None:
    with closing(sqlite3.connect(ledger.path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    paid(Ledger.open(ledger.path))
    with closing(sqlite3.connect(ledger.path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "delete"


# --- a file that cannot be written ---------------------------------------------------------
def test_a_ledger_held_by_another_process_is_busy(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.chain, "_BUSY_MS", 50)
    with closing(sqlite3.connect(ledger.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert code(lambda: paid(ledger)) == "LEDGER_BUSY"


def test_without_room_for_a_journal_nothing_is_debited(ledger: Ledger) -> None:
    journal = ledger.path.with_name(ledger.path.name + "-journal")
    journal.mkdir()
    assert code(lambda: paid(ledger)) == "LEDGER_WRITE"
    journal.rmdir()
    assert Ledger.open(ledger.path).lookup(REQUEST)[1] == "new"


@pytest.fixture
def foreign() -> Iterator[Ledger]:
    """A ledger in a folder that a process without rights may enter."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield Ledger.create(folder / "x", epsilon_cap="2")
        folder.chmod(0o755)


@contextmanager
def without_rights() -> Iterator[None]:
    """Act as an ordinary user where the tests run as root."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def test_a_read_only_file_is_never_debited(foreign: Ledger) -> None:
    foreign.path.chmod(0o444)
    foreign.path.parent.chmod(0o555)
    with without_rights():
        assert code(lambda: paid(foreign)) == "LEDGER_WRITE"
        assert foreign.remaining(inquiry(), "shop") == 2


def test_a_read_only_folder_is_never_debited(foreign: Ledger) -> None:
    foreign.path.chmod(0o666)
    foreign.path.parent.chmod(0o555)
    with without_rights():
        assert code(lambda: paid(foreign)) == "LEDGER_WRITE"
        assert foreign.lookup(REQUEST)[1] == "new"


FULL_DISK = """
import resource, signal, sys
from dpnotice.errors import LedgerError
from dpnotice.retailer.ledger import Debit, Ledger
ledger = Ledger.open(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
limit = int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    ledger.store(Debit(request="f" * 64, attempt=0, sequence=1, head="0" * 64), b"x" * 100_000)
except LedgerError as refusal:
    print(refusal.code)
"""


@pytest.mark.parametrize("limit", [0, 700, 40_000])
def test_a_full_disk_stores_nothing_and_corrupts_nothing(ledger: Ledger, limit: int) -> None:
    paid(ledger)
    command = [sys.executable, "-c", FULL_DISK, str(ledger.path), str(limit)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "LEDGER_WRITE\n"
    assert Ledger.open(ledger.path).lookup(REQUEST) == (0, "open", b"")


def test_every_refusal_speaks_of_no_path(ledger: Ledger) -> None:
    ledger.path.write_bytes(b"not a database")
    with pytest.raises(LedgerError) as caught:
        Ledger.open(ledger.path)
    assert not re.search(re.escape(str(ledger.path.parent)), str(caught.value))


def test_a_name_that_differs_in_case_only_is_refused(ledger: Ledger) -> None:
    """Else a slip of the shift key would double the cap."""
    paid(ledger)
    ask = lambda: ledger.debit(inquiry(), "Shop", request="other", attempt=0)  # noqa: E731 -- one call
    assert code(ask) == "ACCOUNT"


def test_a_ledger_without_a_cap_is_refused_in_its_own_words(tmp_path: Path) -> None:
    with pytest.raises(InquiryError, match="a ledger has one cap"):
        Ledger.create(tmp_path / "b.ledger")


# --- damaged after it was opened -----------------------------------------------------------
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entry SET body = CAST(replace(body, '2', '9') AS BLOB) WHERE seq = 0",
        "UPDATE entry SET cost = 1 WHERE kind = 'debit'",
        "DELETE FROM entry WHERE kind = 'debit'",
        "DELETE FROM entry",
    ],
    ids=["cap", "cost", "debit", "all"],
)
def test_what_was_damaged_since_it_was_opened_pays_for_nothing(
    ledger: Ledger, statement: str
) -> None:
    ledger.store(paid(ledger), b"answer")
    with tampering(ledger.path) as connection:
        connection.execute(statement)
    before = entries(ledger.path)
    assert code(lambda: paid(ledger, "0.5", request="other")) == "LEDGER_CORRUPT"
    assert entries(ledger.path) == before


def test_a_trigger_taken_away_since_it_was_opened_pays_for_nothing(ledger: Ledger) -> None:
    with closing(sqlite3.connect(ledger.path)) as connection:
        connection.execute("DROP TRIGGER no_delete")
    assert code(lambda: paid(ledger)) == "LEDGER_CORRUPT"
    assert entries(ledger.path) == 1


# --- a first entry that holds no cap -------------------------------------------------------
def with_genesis(path: Path, body: bytes) -> Path:
    """A chain sound in every link, whose first entry has this body."""
    path.touch()
    fields: dict[str, Any] = {"account": "", "request": "", "attempt": 0, "cost": 0}
    with module.chain.connected(path) as connection, module.chain.writing(connection):
        module.chain.lay(connection)
        module.chain.append(connection, "genesis", body=body, **fields)
    return path


def test_a_first_entry_with_a_cap_is_read(tmp_path: Path) -> None:
    body = b'{"cap": "1.5", "measure": "rho"}'
    made = Ledger.open(with_genesis(tmp_path / "x", body))
    assert (made.cap, made.measure) == (Decimal("1.5"), "rho")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no json",
        b"\xff",
        b"null",
        b"7",
        b'"text"',
        b"[]",
        b'["cap", "measure"]',
        b"{}",
        b'{"cap": "1"}',
        b'{"measure": "epsilon"}',
        b'{"cap": "1", "measure": "delta"}',
        b'{"cap": "1", "measure": ""}',
        b'{"cap": "1", "measure": null}',
        b'{"cap": "1", "measure": ["epsilon"]}',
        b'{"cap": 1, "measure": "epsilon"}',
        b'{"cap": null, "measure": "epsilon"}',
        b'{"cap": "0", "measure": "epsilon"}',
        b'{"cap": "-1", "measure": "epsilon"}',
        b'{"cap": "NaN", "measure": "epsilon"}',
        b'{"cap": "1e9", "measure": "epsilon"}',
        b'{"cap": Infinity, "measure": "epsilon"}',
        b'{"cap": "1", "measure": "epsilon"} ,',
        b"[" * 100_000,
    ],
    ids=lambda body: body[:40].decode("ascii", "ignore") or "nothing",
)
def test_a_first_entry_without_a_cap_is_no_ledger(tmp_path: Path, body: bytes) -> None:
    path = with_genesis(tmp_path / "x", body)
    assert code(lambda: Ledger.open(path)) == "LEDGER_CORRUPT"


# --- releases that were answered from it ---------------------------------------------------
def answered(ledger: Ledger, request: str = REQUEST) -> Release:
    debit = paid(ledger, "0.1", request=request)
    asked = inquiry("1")
    counts = {of: [0] * len(asked.axes["state"]) for of in asked.tables}
    plain = releases.release(asked, counts, 64.0, retailer="shop")
    return dataclasses.replace(plain, ledger_sequence=debit.sequence, ledger_head=debit.head)


def test_a_ledger_that_holds_the_debits_of_its_releases_is_opened(ledger: Ledger) -> None:
    sent = [answered(ledger, str(number)) for number in range(3)]
    for given_releases in ([], sent, tuple(sent), sent * 2):
        assert Ledger.open(ledger.path, releases=given_releases).cap == 2


def test_a_ledger_behind_one_of_its_releases_is_rolled_back(ledger: Ledger) -> None:
    first = answered(ledger, "first")
    backup = shutil.copy(ledger.path, ledger.path.with_suffix(".backup"))
    second = answered(ledger, "second")
    assert Ledger.open(backup, releases=[first]).cap == 2
    for sent in ([second], [first, second]):
        assert code(lambda s=sent: Ledger.open(backup, releases=s)) == "LEDGER_ROLLED_BACK"


@pytest.mark.parametrize("change", [{"ledger_sequence": 2}, {"ledger_head": "0" * 64}])
def test_a_debit_is_known_by_its_place_and_its_head(ledger: Ledger, change: dict[str, Any]) -> None:
    sent = dataclasses.replace(answered(ledger), **change)
    assert code(lambda: Ledger.open(ledger.path, releases=[sent])) == "LEDGER_ROLLED_BACK"


def test_a_witness_counts_beside_the_releases(ledger: Ledger) -> None:
    sent = answered(ledger)
    witness = (sent.ledger_sequence, sent.ledger_head)
    assert Ledger.open(ledger.path, releases=[sent], witness=witness).cap == 2
    strange = (9, "0" * 64)
    call = lambda: Ledger.open(ledger.path, releases=[sent], witness=strange)  # noqa: E731 -- one call
    assert code(call) == "LEDGER_ROLLED_BACK"


@pytest.mark.parametrize(
    "given_releases",
    [None, "a.release", b"a", Path("a.release"), {}, 3, ["a.release"], [Path("a")], [None], ({},)],
    ids=repr,
)
def test_releases_that_are_none_are_refused_in_words(ledger: Ledger, given_releases: Any) -> None:
    with pytest.raises(
        LedgerError, match=r"ARGUMENT: releases is a list .*Release\.load"
    ) as refusal:
        Ledger.open(ledger.path, releases=given_releases)
    assert refusal.value.code == "ARGUMENT"


def test_one_release_without_a_list_is_refused_in_words(ledger: Ledger) -> None:
    sent: Any = answered(ledger)
    assert code(lambda: Ledger.open(ledger.path, releases=sent)) == "ARGUMENT"


def test_one_request_answered_from_a_ledger_and_from_its_copy_names_two_debits(
    ledger: Ledger,
) -> None:
    """Else the copy would pass for the ledger, and pay for the same buyers once more."""
    copied = Ledger.open(shutil.copy(ledger.path, ledger.path.with_suffix(".copy")))
    debits = [paid(each) for each in (ledger, copied)]
    assert len({debit.head for debit in debits}) == 2
    sent = dataclasses.replace(answered(ledger, "other"), ledger_sequence=1)
    sent = dataclasses.replace(sent, ledger_head=debits[0].head)
    assert code(lambda: Ledger.open(copied.path, releases=[sent])) == "LEDGER_ROLLED_BACK"


# --- what is written -----------------------------------------------------------------------
def written(path: Path, columns: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(f"SELECT {columns} FROM entry ORDER BY seq").fetchall()  # noqa: S608 -- fixed names


def test_the_first_entry_holds_cap_and_measure_and_nothing_else(ledger: Ledger) -> None:
    (row,) = written(ledger.path, "kind, account, request, attempt, cost, body")
    assert row[:-1] == ("genesis", "", "", 0, 0)
    assert json.loads(row[-1]) == {"cap": "2", "measure": "epsilon"}


def test_an_account_is_written_as_in_every_ledger_made_so_far(ledger: Ledger) -> None:
    """Else what was spent before would be spent from another account."""
    paid(ledger)
    assert written(ledger.path, "account")[1:] == [('["shop","buyer","matter"]',)]


@pytest.mark.parametrize("state", ["artifact", "lost"])
def test_an_answer_stands_in_the_account_that_paid_for_it(ledger: Ledger, state: str) -> None:
    debit = paid(ledger)
    _ = ledger.store(debit, b"x") if state == "artifact" else ledger.declare_lost(REQUEST)
    account = '["shop","buyer","matter"]'
    assert written(ledger.path, "kind, account, request, attempt, cost")[1:] == [
        ("debit", account, REQUEST, 0, 10**9),
        (state, account, REQUEST, 0, 0),
    ]


def test_the_early_check_looks_into_the_account_of_the_retailer(ledger: Ledger) -> None:
    paid(ledger, "1.5")
    assert code(lambda: ledger.check_affordable(inquiry(), "shop")) == "BUDGET_EXCEEDED"
    ledger.check_affordable(inquiry(), "else")


def test_the_overview_is_in_the_order_of_accounts(ledger: Ledger) -> None:
    for number, retailer in enumerate(["shop", "else", "shop"]):
        ledger.debit(inquiry("0.5"), retailer, request=f"{number}", attempt=0)
    found = [(each.retailer, each.spent, each.left) for each in ledger.accounts()]
    assert found == [("else", Decimal("0.5"), Decimal("1.5")), ("shop", Decimal(1), Decimal(1))]


# --- what a refusal says -------------------------------------------------------------------
REFUSALS: dict[str, tuple[Callable[[Ledger], object], str]] = {
    "no cap": (
        lambda ledger: Ledger.create(ledger.path.with_name("b")),
        "a ledger has one cap: give epsilon_cap or rho_cap (--epsilon-cap)",
    ),
    "exists": (
        lambda ledger: Ledger.create(ledger.path, epsilon_cap="1"),
        "LEDGER_EXISTS: 'a.ledger' exists and is never replaced; open it, or name another file",
    ),
    "missing": (
        lambda ledger: Ledger.open(ledger.path.with_name("b")),
        (
            "LEDGER_MISSING: there is no ledger 'b'; a ledger is created once, by Ledger.create or "
            "`dpnotice ledger FILE --create`"
        ),
    ),
    "releases": (
        lambda ledger: Ledger.open(ledger.path, releases=(3,)),  # type: ignore[arg-type]
        (
            "ARGUMENT: releases is a list of those that were answered from this ledger, as "
            "Release.load gives them"
        ),
    ),
    "rolled back": (
        lambda ledger: Ledger.open(ledger.path, witness=(1, "0" * 64)),
        (
            "LEDGER_ROLLED_BACK: the ledger lacks a debit that was made: it was rolled back or "
            "replaced; restore the latest copy, or decline further answers"
        ),
    ),
    "measure": (
        lambda ledger: ledger.check_affordable(GAUSSIAN, "shop"),
        "MEASURE: the ledger keeps epsilon and the inquiry asks rho; use a ledger with rho_cap",
    ),
    "cap": (
        lambda ledger: ledger.check_affordable(inquiry("3"), "shop"),
        (
            "BUDGET_EXCEEDED: epsilon spent 0, asked 3, cap 2; the cap cannot be raised, so ask "
            "for less or decline"
        ),
    ),
    "open": (
        lambda ledger: [paid(ledger, "0.5") for _ in range(2)],
        (
            "BUDGET_OPEN: this request was debited and its answer is not stored: another process "
            f'is at work, or it crashed. If it crashed, call ledger.declare_lost("{REQUEST}") and '
            "ask again with new_attempt=, which costs again"
        ),
    ),
    "nothing open": (
        lambda ledger: ledger.declare_lost(REQUEST),
        "REQUEST: no debit of that request is open",
    ),
    "spelling": (
        lambda ledger: [
            ledger.debit(inquiry("0.5"), name, request=name, attempt=0) for name in ("shop", "Shop")
        ],
        (
            'ACCOUNT: the ledger knows this account as ["shop","buyer","matter"], spelt '
            "differently; use that spelling"
        ),
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_says_what_to_do(ledger: Ledger, name: str) -> None:
    call, told = REFUSALS[name]
    with pytest.raises((LedgerError, InquiryError)) as caught:
        call(ledger)
    assert str(caught.value) == told


@pytest.mark.parametrize("cap", ["epsilon_cap", "rho_cap"])
def test_a_bad_cap_is_refused_by_its_name(tmp_path: Path, cap: str) -> None:
    caps: dict[str, Any] = {cap: "0"}
    with pytest.raises(InquiryError, match=f"{cap} must be decimal text above 0"):
        Ledger.create(tmp_path / "x", **caps)


def test_a_file_that_cannot_be_made_is_refused_with_the_systems_reason(tmp_path: Path) -> None:
    with pytest.raises(
        LedgerError, match=r"LEDGER_WRITE: cannot create the file: .*No such file or directory"
    ):
        Ledger.create(tmp_path / "no" / "x", epsilon_cap="1")
