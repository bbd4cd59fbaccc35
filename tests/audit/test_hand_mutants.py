"""Faults written by hand where a mutation tool does not look: SQL, transactions, properties.

Each fault is (module, what stands there, what stands there instead) and the name of the check that
notices it. A check is a question to the code that the sound source answers with yes.
"""

import sqlite3
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from made import spoilt_chain as chain
from made import spoilt_rest as rest
from made.spoilt import fresh

CHECKS: Final[dict[str, chain.Check]] = {
    "table: number": chain.table_refuses({"seq": -1}),
    "table: kind": chain.table_refuses({"kind": "refund", "cost": 0}, {"kind": "", "cost": 0}),
    "table: nothing is null": chain.table_refuses(
        *({name: None} for name in chain.ROW if name != "seq")
    ),
    "table: attempt": chain.table_refuses({"attempt": -1}),
    "table: cost": chain.table_refuses({"kind": "lost", "cost": -1}),
    "table: a debit costs": chain.table_refuses({"cost": 0}, {"kind": "lost", "cost": 1}),
    "table: hashes": chain.table_refuses(
        {"prev": bytes(31)}, {"prev": bytes(33)}, {"hash": bytes(31)}, {"hash": bytes(33)}
    ),
    "table: one hash": chain.table_refuses({"seq": 1, "request": "s"}, after={}),
    "table: one number": chain.table_refuses({"request": "s", "hash": bytes(32)}, after={}),
    "table: one debit": chain.table_refuses(
        {"seq": 1, "hash": bytes(32)}, {"seq": 1, "hash": bytes(32), "cost": 2}, after={}
    ),
    "table: types": chain.table_refuses({"cost": "much"}, {"body": "text"}, {"account": b"bytes"}),
    "entries: no update": chain.entries_stay("UPDATE entry SET account = 'b' WHERE seq = 5"),
    "entries: no delete": chain.entries_stay("DELETE FROM entry WHERE seq = 5"),
    "entries: no replacement": chain.entries_stay(
        "INSERT OR REPLACE INTO entry SELECT seq,kind,account,'t',attempt,cost,body,hash,prev "
        "FROM entry WHERE seq = 5"
    ),
    "order: number": chain.chain_refuses(
        *({"seq": number, "request": "t"} for number in (7, 9, 5, 0))
    ),
    "order: link": chain.chain_refuses(
        *({"prev": prev, "request": "t"} for prev in (chain.ZERO, b"\x04" * 32, b"\x06" * 32))
    ),
    "order: one genesis": chain.chain_refuses({"kind": "genesis", "cost": 0, "request": "g"}),
    "order: genesis first": chain.chain_begins_with_its_genesis,
    "answers: paid": chain.chain_refuses(
        *({"kind": kind, "cost": 0, "request": "t"} for kind in ("artifact", "lost")),
        *({"kind": kind, "cost": 0, "request": "s", "attempt": 1} for kind in ("artifact", "lost")),
    ),
    "answers: one": chain.chain_refuses(
        {"kind": "artifact", "cost": 0, "request": "r", "attempt": 0},
        {"kind": "lost", "cost": 0, "request": "r", "attempt": 1},
    ),
    "attempts: in turn": chain.chain_refuses(
        {"request": "s", "attempt": 1},
        {"request": "r", "attempt": 3},
        {"request": "t", "attempt": 1},
    ),
    "a right chain": chain.chain_takes_what_is_right,
    "durable": chain.connections_are_durable,
    "read back: journal": chain.settings_are_read_back("journal_mode"),
    "read back: synchronous": chain.settings_are_read_back("synchronous"),
    "no file made": chain.a_missing_file_is_not_made,
    "closed": chain.a_connection_is_closed,
    "errors are ours": chain.no_error_of_sqlites_own_leaves,
    "committed": chain.a_transaction_is_committed,
    "locked": chain.a_transaction_locks_out_others_from_its_start,
    "undone": chain.a_transaction_is_undone(KeyError),
    "undone when stopped": chain.a_transaction_is_undone(KeyboardInterrupt),
    "ended by itself": chain.a_transaction_that_ended_by_itself_is_left_alone,
    "index": chain.a_damaged_index_is_noticed,
    "long chain": chain.a_long_chain_is_sound,
    "copy": rest.a_copy_pays_under_another_head,
    "accounts": rest.accounts_are_kept_apart,
    "latest attempt": rest.the_latest_attempt_is_found,
    "open debit": rest.an_open_debit_is_named_as_such,
    "rounded up": rest.losses_are_rounded_up,
    "measure": rest.losses_know_their_measure,
    "exact loss": rest.the_loss_of_noise_is_exact,
    "spread": rest.the_spread_of_noise_is_its_laws,
    "no spread": rest.vanishing_noise_has_no_spread,
    **{f"counts: {name}": rest.exact_counts_refuse(name) for name in rest.REFUSED},
    "counts: text": rest.exact_counts_show_themselves_as_withheld,
    "counts: bare": rest.exact_counts_have_no_hash_and_no_dictionary,
    "all buyers": rest.the_row_of_all_buyers_is_no_cell,
}


class Fault(NamedTuple):
    """One text of a module replaced by another, and the check that notices."""

    module: str
    old: str
    new: str
    noticed_by: str


_READ_BACK: Final = 'if (journal, durable) != ("delete", 3):'
_CLOSES: Final = "EXISTS(SELECT 1 FROM entry WHERE kind "
SQL: Final = [
    # the columns
    ("CHECK(seq >= 0)", "", "table: number"),
    ("seq INTEGER PRIMARY KEY", "seq INTEGER NOT NULL", "table: one number"),
    ("CHECK(kind IN ('genesis','debit','artifact','lost'))", "", "table: kind"),
    ("kind TEXT NOT NULL", "kind TEXT", "table: nothing is null"),
    ("account TEXT NOT NULL", "account TEXT", "table: nothing is null"),
    ("request TEXT NOT NULL", "request TEXT", "table: nothing is null"),
    ("attempt INTEGER NOT NULL", "attempt INTEGER", "table: nothing is null"),
    ("cost INTEGER NOT NULL", "cost INTEGER", "table: nothing is null"),
    ("body BLOB NOT NULL", "body BLOB", "table: nothing is null"),
    ("prev BLOB NOT NULL", "prev BLOB", "table: nothing is null"),
    ("hash BLOB NOT NULL", "hash BLOB", "table: nothing is null"),
    ("CHECK(attempt >= 0)", "", "table: attempt"),
    ("CHECK(cost >= 0)", "", "table: cost"),
    ("CHECK(length(prev) = 32)", "", "table: hashes"),
    ("length(prev) = 32", "length(prev) >= 32", "table: hashes"),
    ("CHECK(length(hash) = 32)", "", "table: hashes"),
    ("length(hash) = 32", "length(hash) <= 32", "table: hashes"),
    ("NOT NULL UNIQUE", "NOT NULL", "table: one hash"),
    ("CHECK((kind = 'debit') = (cost > 0)), ", "", "table: a debit costs"),
    ("= (cost > 0)", "<= (cost > 0)", "table: a debit costs"),
    ("= (cost > 0)", ">= (cost > 0)", "table: a debit costs"),
    (", UNIQUE(kind, request, attempt)", "", "table: one debit"),
    ("UNIQUE(kind, request, attempt)", "UNIQUE(kind, request, attempt, cost)", "table: one debit"),
    ("UNIQUE(kind, request, attempt)", "UNIQUE(kind, request)", "a right chain"),
    (") STRICT", ")", "table: types"),
    # the triggers: each without effect, each without a sound, and each of their conditions
    ("RAISE(ABORT, 'entries are never changed')", "1", "entries: no update"),
    ("RAISE(ABORT, 'entries are never changed')", "RAISE(IGNORE)", "entries: no update"),
    ("RAISE(ABORT, 'entries are never removed')", "1", "entries: no delete"),
    ("RAISE(ABORT, 'entries are never removed')", "RAISE(IGNORE)", "entries: no delete"),
    ("RAISE(ABORT, 'entries are appended in order')", "1", "entries: no replacement"),
    ("RAISE(ABORT, 'entries are appended in order')", "1", "order: number"),
    ("NEW.seq <> (SELECT coalesce(max(seq) + 1, 0) FROM entry)", "0", "order: number"),
    ("NEW.seq <> (SELECT coal", "NEW.seq < (SELECT coal", "order: number"),
    ("NEW.seq <> (SELECT coal", "NEW.seq > (SELECT coal", "entries: no replacement"),
    ("max(seq) + 1", "max(seq) + 2", "a right chain"),
    ("(NEW.kind = 'genesis') <> (NEW.seq = 0)", "0", "order: one genesis"),
    ("(NEW.kind = 'genesis') <> (NEW.seq = 0)", "0", "order: genesis first"),
    ("(NEW.kind = 'genesis') <>", "(NEW.kind = 'genesis') >", "order: genesis first"),
    ("(NEW.kind = 'genesis') <>", "(NEW.kind = 'genesis') <", "order: one genesis"),
    ("AND NEW.prev <> (SELECT", "AND 0 AND NEW.prev <> (SELECT", "order: link"),
    ("ORDER BY seq DESC LIMIT 1)", "ORDER BY seq LIMIT 1)", "a right chain"),
    ("RAISE(ABORT, 'an answer closes one open debit')", "1", "answers: paid"),
    ("RAISE(ABORT, 'an answer closes one open debit')", "1", "answers: one"),
    ("WHEN NEW.kind IN ('artifact','lost')", "WHEN NEW.kind = 'artifact'", "answers: paid"),
    ("WHEN NEW.kind IN ('artifact','lost')", "WHEN NEW.kind = 'lost'", "answers: paid"),
    (f"NOT {_CLOSES}= 'debit'\n", f"0 AND {_CLOSES}= 'debit'\n", "answers: paid"),
    (f"{_CLOSES}= 'debit'\n    AND request = NEW.request", f"{_CLOSES}= 'debit'", "answers: paid"),
    (
        "= 'debit'\n    AND request = NEW.request AND attempt = NEW.attempt",
        "= 'debit'\n    AND request = NEW.request",
        "answers: paid",
    ),
    (f"OR {_CLOSES}IN ('artifact','lost')", f"OR 0 AND {_CLOSES}IN ('lost')", "answers: one"),
    (f"OR {_CLOSES}IN ('artifact','lost')", f"OR {_CLOSES}IN ('artifact')", "answers: one"),
    (f"OR {_CLOSES}IN ('artifact','lost')", f"OR {_CLOSES}IN ('lost')", "answers: one"),
    ("AND attempt = NEW.attempt))", "))", "a right chain"),
    ("RAISE(ABORT, 'the attempt before is still open')", "1", "attempts: in turn"),
    ("NEW.attempt > 0", "NEW.attempt > 1", "attempts: in turn"),
    ("NEW.attempt > 0", "NEW.attempt >= 0", "a right chain"),
    ("AND attempt = NEW.attempt - 1)", "AND attempt = NEW.attempt)", "a right chain"),
    ("AND attempt = NEW.attempt - 1)", "AND attempt < NEW.attempt)", "attempts: in turn"),
    ("AND request = NEW.request AND attempt = NEW.attempt - 1)", ")", "attempts: in turn"),
    (
        "IN ('artifact','lost')\n    AND request = NEW.request AND attempt = NEW.attempt - 1",
        "IN ('debit')\n    AND request = NEW.request AND attempt = NEW.attempt - 1",
        "attempts: in turn",
    ),
]
CONNECTIONS: Final = [
    ("?mode=rw", "?mode=rwc", "no file made"),
    (", isolation_level=None", "", "durable"),
    ("_BUSY_MS: Final = 10_000", "_BUSY_MS: Final = 0", "durable"),
    ("journal_mode = DELETE", "journal_mode = WAL", "durable"),
    ("journal_mode = DELETE", "journal_mode = OFF", "durable"),
    ("journal_mode = DELETE", "journal_mode = MEMORY", "durable"),
    ("journal_mode = DELETE", "journal_mode = PERSIST", "durable"),
    ("journal_mode = DELETE", "journal_mode", "read back: journal"),
    ("synchronous = EXTRA", "synchronous = FULL", "durable"),
    ("synchronous = EXTRA", "synchronous = NORMAL", "durable"),
    ("synchronous = EXTRA", "synchronous = OFF", "durable"),
    ("trusted_schema = OFF", "trusted_schema = ON", "durable"),
    ("fullfsync = ON", "fullfsync = OFF", "durable"),
    (_READ_BACK, "if False:", "read back: journal"),
    (_READ_BACK, "if False:", "read back: synchronous"),
    (_READ_BACK, "if durable != 3:", "read back: journal"),
    (_READ_BACK, 'if journal != "delete":', "read back: synchronous"),
    ('("delete", 3)', '("delete", 2)', "durable"),
    (
        "closing(sqlite3.connect(uri, uri=True, isolation_level=None))",
        "sqlite3.connect(uri, uri=True, isolation_level=None)",
        "closed",
    ),
    ("except (sqlite3.Error, UnicodeError)", "except UnicodeError", "errors are ours"),
    ("except (sqlite3.Error, UnicodeError)", "except sqlite3.Error", "errors are ours"),
    ("_named(refusal) from None", "_named(refusal) from refusal", "errors are ours"),
    ("_named(refusal) from None", "_named(refusal)", "errors are ours"),
    ('"BEGIN IMMEDIATE"', '"BEGIN"', "locked"),
    ('connection.execute("BEGIN IMMEDIATE")\n', "\n", "locked"),
    ('connection.execute("COMMIT")', "pass", "committed"),
    ('connection.execute("COMMIT")', 'connection.execute("ROLLBACK")', "committed"),
    ('connection.execute("ROLLBACK")', "pass", "undone"),
    ('connection.execute("ROLLBACK")', 'connection.execute("COMMIT")', "undone"),
    ("except BaseException:", "except Exception:", "undone when stopped"),
    ("if connection.in_transaction:", "if True:", "ended by itself"),
    ('("ROLLBACK")\n        raise', '("ROLLBACK")', "undone"),
    ("PRAGMA integrity_check", "PRAGMA quick_check", "index"),
    ('fetchone()[0] == "ok"', "fetchone()", "index"),
    ("ORDER BY rowid", "ORDER BY rowid DESC", "long chain"),
    ("SELECT * FROM entry ORDER BY seq", "SELECT * FROM entry ORDER BY seq DESC", "long chain"),
    (
        "SELECT seq, hash FROM entry ORDER BY seq DESC",
        "SELECT seq, hash FROM entry ORDER BY seq",
        "long chain",
    ),
]
LEDGER: Final = [
    ("_NONCE: Final = 16", "_NONCE: Final = 0", "copy"),
    ("body=os.urandom(_NONCE)", "body=bytes(_NONCE)", "copy"),
    ("WHERE kind = 'debit' AND account = ?", "WHERE kind = 'debit' AND ? <> ''", "accounts"),
    ("coalesce(sum(cost), 0)", "coalesce(max(cost), 0)", "accounts"),
    ("SELECT account, sum(cost)", "SELECT account, max(cost)", "accounts"),
    (" GROUP BY account", "", "accounts"),
    ("ORDER BY account", "ORDER BY account DESC", "accounts"),
    ("ORDER BY seq DESC LIMIT 1", "ORDER BY seq LIMIT 1", "latest attempt"),
    ("WHERE request = ? AND seq > 0", "WHERE request = ?", "latest attempt"),
    ("WHERE request = ? AND seq > 0", "WHERE ? <> '' AND seq > 0", "latest attempt"),
    (
        "taken = \"SELECT 1 FROM entry WHERE kind = 'debit'",
        'taken = "SELECT 1 FROM entry WHERE 0',
        "open debit",
    ),
    (
        "taken = \"SELECT 1 FROM entry WHERE kind = 'debit' AND request = ? AND attempt = ?\"",
        "taken = \"SELECT 1 FROM entry WHERE kind = 'debit' AND request = ? AND attempt <= ?\"",
        "latest attempt",
    ),
]
PRIVACY: Final = [
    (
        "math.ceil(Fraction(self.value) * NANO)",
        "math.floor(Fraction(self.value) * NANO)",
        "rounded up",
    ),
    ("math.ceil(Fraction(self.value) * NANO)", "round(Fraction(self.value) * NANO)", "rounded up"),
    ("math.ceil(Fraction(self.value) * NANO)", "math.ceil(float(self.value) * NANO)", "rounded up"),
    ("Fraction(self.value) * NANO)", "Fraction(self.value) * NANO) + 1", "rounded up"),
    ("NANO: Final = 10**9", "NANO: Final = 10**8", "rounded up"),
    (
        '"epsilon" if self.rho is None else "rho"',
        '"rho" if self.rho is None else "epsilon"',
        "measure",
    ),
    ("1 / scale if self.is_laplace", "Fraction(1 / self.scale) if self.is_laplace", "exact loss"),
    ("1 / scale if self.is_laplace", "2 / scale if self.is_laplace", "exact loss"),
    ("1 / scale if self.is_laplace", "1 / scale if not self.is_laplace", "exact loss"),
    ("else 1 / (2 * scale * scale)", "else Fraction(0.5 / self.scale**2)", "exact loss"),
    ("else 1 / (2 * scale * scale)", "else 1 / (scale * scale)", "exact loss"),
    ("else 1 / (2 * scale * scale)", "else 1 / (2 * scale)", "exact loss"),
    ("scale = Fraction(self.scale)", "scale = round(Fraction(self.scale), 9)", "exact loss"),
    (
        "self.law == NoiseLaw.DISCRETE_LAPLACE\n",
        "self.law != NoiseLaw.DISCRETE_LAPLACE\n",
        "exact loss",
    ),
    ("half = 0.5 / self.scale", "half = 1 / self.scale", "spread"),
    ("0.5 / math.sinh(half) ** 2", "2 * self.scale**2", "spread"),
    ("return self.scale**2\n", "return 2 * self.scale**2\n", "spread"),
    ("SMOOTH_GAUSSIAN: Final = 2.0", "SMOOTH_GAUSSIAN: Final = 0.5", "spread"),
    ("self._gaussian_moment(2)", "self.scale**2", "spread"),
    ("math.sqrt(self.variance)", "self.variance", "spread"),
    ("3 + 1 / self.variance", "3", "spread"),
    ("self._gaussian_moment(4) / self.variance**2 - 3", "0", "spread"),
    ("- 3 if self.variance else 0.0", "- 3 if self.variance else 1.0", "no spread"),
    ("math.ceil(20 * self.scale) + 2", "math.ceil(2 * self.scale)", "spread"),
]
_PICKLING: Final = "__reduce_ex__ = __copy__ = __deepcopy__ = __getstate__ = _refuse"
_LOOKING: Final = "__array__ = __iter__ = __len__ = __getitem__ = __contains__ = __bool__ = _refuse"
COUNTS: Final = [
    *(
        (line, line.replace(f"{name} = ", "", 1), f"counts: {name}")
        for line in (_PICKLING, _LOOKING)
        for name in line.split(" = ")[:-1]
    ),
    ('raise PurchasesError("INTERNAL"', 'print("INTERNAL"', "counts: __array__"),
    ("__str__ = __repr__", "__str__ = lambda self: str(self._tables)", "counts: text"),
    ("__hash__ = None", "__hash__ = object.__hash__", "counts: bare"),
    ('__slots__ = ("_tables",)', '__slots__ = ("_tables", "__dict__")', "counts: bare"),
]
FAULTS: Final = [
    *(Fault("chain", *fault) for fault in SQL + CONNECTIONS),
    *(Fault("ledger", *fault) for fault in LEDGER),
    *(Fault("privacy", *fault) for fault in PRIVACY),
    *(Fault("confidential", *fault) for fault in COUNTS),
    Fault("counting", "_ALL: Final = -1", "_ALL: Final = 0", "all buyers"),
]


@pytest.mark.parametrize("check", CHECKS)
def test_the_sound_source_passes(check: str, tmp_path: Path) -> None:
    assert CHECKS[check](fresh(), tmp_path)


@pytest.mark.parametrize(
    "fault", FAULTS, ids=[f"{f.module} {n}: {f.noticed_by}" for n, f in enumerate(FAULTS)]
)
def test_a_fault_is_noticed(fault: Fault, tmp_path: Path) -> None:
    code = fresh(fault.module, (fault.old, fault.new))
    assert not CHECKS[fault.noticed_by](code, tmp_path), f"{fault.old!r} -> {fault.new!r}"


def test_every_check_notices_some_fault() -> None:
    assert {fault.noticed_by for fault in FAULTS} == set(CHECKS)


def test_the_schema_is_what_an_engine_takes() -> None:
    assert sqlite3.sqlite_version_info >= (3, 37, 0), "STRICT tables"
