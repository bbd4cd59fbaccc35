"""No room, no rights, damaged, older, copied or missing: no draw without a debit that lasts.

The full campaign, 10,000 damaged ledgers, is benchmarks/crashes.py.
"""

import secrets
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from dpnotice.errors import LedgerError
from dpnotice.retailer.ledger import Ledger
from made.crash_damage import (
    BYTES,
    KINDS,
    UNCHANGED,
    UNSEEN,
    Intact,
    answered,
    drop_tail,
    intact,
    last_of,
    outcome,
    verdict,
)
from made.crash_lab import Episode, Seen
from made.crash_points import LARGE, LEDGER
from made.crash_room import MODES, MOMENTS
from made.crashes import side_by_side

TRIALS = 25
"""Of each kind of damage: a twentieth of what the benchmark does."""
SIZES = range(0, 26_000, 2_000)
"""From nothing to beyond the ledger, its journal and the release."""
REFUSALS = {"LEDGER_CORRUPT", "LEDGER_WRITE"}
FULL = [
    Episode(what="full", point=moment, amount=size, numbers=(LARGE,))
    for moment in MOMENTS
    for size in SIZES
]
FORBIDDEN = [Episode(what="forbidden", point=which) for which in MODES]
Played = list[tuple[Episode, Seen]]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Intact:
    return intact(tmp_path_factory.mktemp("intact"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    Ledger.create(tmp_path / LEDGER, epsilon_cap="9")
    return tmp_path / LEDGER


@pytest.fixture(scope="module")
def lab() -> Iterator[Played]:
    """Played where another user may enter, as a process without rights is another user."""
    episodes = FULL + FORBIDDEN
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield side_by_side(episodes, Path(name) / "lab")


def fresh() -> Random:
    seed = secrets.randbits(64)
    print(f"seed {seed}")  # noqa: T201 -- shown where the test fails
    return Random(seed)  # noqa: S311 -- for damage, not for noise


def code(call: Callable[[], object]) -> str:
    with pytest.raises(LedgerError) as caught:
        call()
    return caught.value.code


def end(seen: Seen) -> str:
    """How the run without room ended: "answered" or a code."""
    (line,) = seen.own
    return line.split()[2] if line.startswith("refused") else "answered"


# --- no room, no rights --------------------------------------------------------------------
def test_without_room_no_invariant_is_broken(lab: Played) -> None:
    """And the next run, with room, ends as the entries say: an answer, or an open budget."""
    assert [(episode, seen.broken) for episode, seen in lab if seen.broken] == []


def test_without_room_every_run_ends_with_an_answer_or_a_code(lab: Played) -> None:
    ends = {end(seen) for episode, seen in lab if episode.what == "full"}
    assert ends == {"answered", "LEDGER_WRITE", "FILE"}


def test_every_moment_at_which_room_may_end_was_met(lab: Played) -> None:
    """Before the debit, between debit and answer, and between answer and output."""
    found = {(tuple(seen.first), bool(seen.outputs)) for at, seen in lab if at.what == "full"}
    assert found == {
        (("genesis",), False),
        (("genesis", "debit"), False),
        (("genesis", "debit", "artifact"), False),
        (("genesis", "debit", "artifact"), True),
    }


def test_room_that_ends_after_the_debit_leaves_the_budget_open(lab: Played) -> None:
    lost = [seen for _, seen in lab if seen.first == ["genesis", "debit"]]
    assert {line for seen in lost for line in seen.notes} == {f"refused {LARGE} BUDGET_OPEN"}
    assert {seen.draws for seen in lost} == {1}


@pytest.mark.parametrize("which", MODES)
def test_what_may_not_be_written_is_never_debited_or_drawn(lab: Played, which: str) -> None:
    """The only draw is that of the further runs, which may write."""
    seen = next(seen for at, seen in lab if (at.what, at.point) == ("forbidden", which))
    assert (end(seen), seen.first, seen.outputs) == ("LEDGER_WRITE", ["genesis"], [])
    assert (seen.draws, seen.kinds) == (1, ["genesis", "debit", "artifact"])


# --- damage --------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", KINDS)
def test_damage_is_refused_or_changes_no_entry(whole: Intact, kind: str, tmp_path: Path) -> None:
    random = fresh()
    found = Counter(outcome(whole, kind, tmp_path / "x", random) for _ in range(TRIALS))
    assert set(found) <= REFUSALS | {UNCHANGED, "LEDGER_ROLLED_BACK"}


@pytest.mark.parametrize(
    "kind", ["a bit of a hash", "cut anywhere", "cut and filled up", "another file"]
)
def test_damage_to_the_chain_itself_is_always_refused(
    whole: Intact, kind: str, tmp_path: Path
) -> None:
    random = fresh()
    found = Counter(outcome(whole, kind, tmp_path / "x", random) for _ in range(TRIALS))
    assert set(found) <= REFUSALS


def test_a_name_that_is_no_text_any_more_is_refused(path: Path) -> None:
    """SQLite quotes the name in its own error, which then cannot be decoded either."""
    content = bytearray(path.read_bytes())
    content[content.index(b"next_attempt")] ^= 0x80
    path.write_bytes(content)
    assert code(lambda: Ledger.open(path)) == "LEDGER_CORRUPT"


def test_an_untouched_ledger_reads_as_before(whole: Intact, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(whole.content)
    assert verdict(whole, tmp_path / "x", whole.witness) == UNCHANGED


def test_a_change_that_no_check_sees_would_be_called_unseen(whole: Intact, tmp_path: Path) -> None:
    """A change of what was expected stands for a ledger that opens with other entries."""
    (tmp_path / "x").write_bytes(whole.content)
    assert verdict(replace(whole, entries=whole.entries[1:]), tmp_path / "x") == UNSEEN


def test_every_damage_to_bytes_changes_them(whole: Intact) -> None:
    """Zeros may meet zeros, and noise may meet itself, but not thirty times in a row."""
    random = fresh()
    assert [
        kind
        for kind, damage in BYTES.items()
        if all(damage(whole, random) == whole.content for _ in range(30))
    ] == []


@pytest.mark.parametrize("kept", range(1, 10))
def test_a_dropped_tail_is_known_by_its_witness(whole: Intact, kept: int, tmp_path: Path) -> None:
    """What is left is a sound chain, which opens where nobody knows of more."""
    path = tmp_path / "x"
    path.write_bytes(whole.content)
    drop_tail(path, kept)
    assert len(Ledger.open(path).accounts()) <= 1
    assert code(lambda: Ledger.open(path, witness=whole.witness)) == "LEDGER_ROLLED_BACK"


def test_without_any_entry_there_is_no_ledger(whole: Intact, tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(whole.content)
    drop_tail(path, 0)
    assert code(lambda: Ledger.open(path)) == "LEDGER_CORRUPT"


# --- an older, a second, and no file -------------------------------------------------------
def test_a_restored_backup_is_known_by_a_later_release(path: Path) -> None:
    answered(path, 0)
    backup = path.read_bytes()
    release = answered(path, 1)
    path.write_bytes(backup)
    assert code(lambda: Ledger.open(path, releases=[release])) == "LEDGER_ROLLED_BACK"


def test_a_restored_backup_is_known_by_a_witness(path: Path) -> None:
    backup = path.read_bytes()
    answered(path, 0)
    witness = last_of(path)
    path.write_bytes(backup)
    assert code(lambda: Ledger.open(path, witness=witness)) == "LEDGER_ROLLED_BACK"


def test_a_ledger_holds_its_own_releases_and_witness(path: Path) -> None:
    releases = [answered(path, number) for number in (0, 1)]
    assert Ledger.open(path, releases=releases, witness=last_of(path)).path == path


@pytest.mark.parametrize("own", [0, 1])
def test_a_copy_used_beside_the_original_is_known_by_its_release(path: Path, own: int) -> None:
    """Whether or not the original has answered something itself by then."""
    copy = path.with_name("copy.ledger")
    copy.write_bytes(path.read_bytes())
    if own:
        answered(path, 1)
    release = answered(copy, 0)
    assert code(lambda: Ledger.open(path, releases=[release])) == "LEDGER_ROLLED_BACK"


def test_a_removed_ledger_is_missing_and_not_made_anew(path: Path) -> None:
    path.unlink()
    assert code(lambda: Ledger.open(path)) == "LEDGER_MISSING"
    assert not path.exists()
