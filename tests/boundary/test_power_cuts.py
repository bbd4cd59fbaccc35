"""The current fails at every step of an answer: no output and no draw without its durable debit.

A kill leaves what was written, a power cut only what was synced. SQLite writes through system
calls that no Python code sees, so the steps are taken down by strace; every disk that a cut could
leave is then rebuilt and worked on. Nothing here is fitted to one run: the parts of unsynced writes
that survive are drawn anew each time.
"""

import os
from collections import Counter
from pathlib import Path
from random import SystemRandom

import pytest

from made import crash_disk
from made.crash_disk import AbsentError, Cut, Disk, File, Step, cuts, examined

PARTS = 8
"""Random parts of what was not synced, besides all and nothing, at every step."""
SEEN_BY = {
    "draw before debit": "drawn without a durable debit",
    "folder not synced after the journal": "drawn without a durable debit",
    "ledger not synced": "a ledger lost: LEDGER_CORRUPT",
    "file not synced before its link": "an output that the ledger does not hold",
}
"""Fault -> what its power cuts show, already where all or nothing of a file survives."""


def recorded(folder: Path, fault: str = "") -> list[Step]:
    """Skip where the tool is absent; under CI_STRICT=1 that is a failure."""
    try:
        return crash_disk.recorded(folder, fault)
    except AbsentError as missing:
        if os.environ.get("CI_STRICT") == "1":
            pytest.fail(f"CI must record system calls: {missing}")
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> list[Step]:
    return recorded(tmp_path_factory.mktemp("power") / "answer")


def shown(steps: list[Step], parts: int, folder: Path) -> Counter[str]:
    """How many disks, and what was wrong with how many of them."""
    found: Counter[str] = Counter()
    for number, cut in enumerate(cuts(steps, parts, SystemRandom())):
        found.update(examined(cut, folder / f"{number}"))
        found["disks"] += 1
    return found


# --- an answer -----------------------------------------------------------------------------
def test_a_power_cut_at_any_step_costs_budget_at_most(steps: list[Step], tmp_path: Path) -> None:
    """Once created, the ledger opens; no draw lacks its debit; no further answer draws again."""
    found = shown(steps, PARTS, tmp_path)
    assert found.pop("disks") > len(steps)
    assert found == {}


def test_the_debit_is_durable_before_the_draw_and_the_answer_before_its_output(
    steps: list[Step],
) -> None:
    """Everything on the ledger's side is synced, its folder's entries last, at either moment."""
    draw = next(i for i, step in enumerate(steps) if step.data.startswith(b"draw"))
    link = next(i for i, step in enumerate(steps) if step.call == "link")
    for moment in (draw, link):
        disk = Disk()
        for step in steps[:moment]:
            disk.do(step)
        ledger = disk.durable[crash_disk.LEDGER]
        assert ledger.pending == []
        assert crash_disk.LEDGER + "-journal" not in disk.durable


def test_every_kind_of_step_was_recorded(steps: list[Step]) -> None:
    calls = Counter(step.call for step in steps)
    assert set(calls) == {"create", "write", "sync", "link", "unlink", "note"}
    assert [step.data.split()[0] for step in steps if step.call == "note"] == [
        b"created",
        b"draw",
        b"got",
        b"answered",
    ]


@pytest.mark.parametrize("fault", SEEN_BY)
def test_a_planted_fault_is_seen(fault: str, tmp_path: Path) -> None:
    """Deterministic: only disks on which all or nothing of what was not synced survives."""
    made = recorded(tmp_path / "answer", fault)
    assert SEEN_BY[fault] in shown(made, 0, tmp_path)


# --- the model of a disk -------------------------------------------------------------------
def test_what_was_not_synced_may_or_may_not_survive() -> None:
    disk = Disk()
    for step in (Step("create", "a"), Step("write", "a", 0, b"x")):
        disk.do(step)
    shares = [(0, 0), (1, 0), (0, 1), (1, 1)]
    found = [disk.after_a_cut(*share, SystemRandom()) for share in shares]
    assert found == [{}, {}, {"a": b""}, {"a": b"x"}]


def test_a_synced_file_and_folder_survive_whole() -> None:
    written = [
        Step("create", "a"),
        Step("write", "a", 1, b"x"),
        Step("sync", "a"),
        Step("sync", ""),
    ]
    assert [cut.files for cut in cuts(written, 5, SystemRandom())][-1] == {"a": b"\0x"}


def test_a_removed_entry_comes_back_until_its_folder_is_synced() -> None:
    disk = Disk()
    for step in (Step("create", "a"), Step("sync", ""), Step("unlink", "a")):
        disk.do(step)
    assert disk.after_a_cut(0, 0, SystemRandom()) == {"a": b""}
    disk.do(Step("sync", ""))
    assert disk.after_a_cut(0, 0, SystemRandom()) == {}


def test_a_sector_is_written_whole_or_not_at_all() -> None:
    file = File(pending=[(500, b"x" * 600)])
    seen = {file.content(0.5, SystemRandom()) for _ in range(200)}
    assert {content[500:512] for content in seen} <= {b"", b"x" * 12, bytes(12)}
    assert len(seen) == 2**3


def test_a_cut_file_loses_its_end() -> None:
    assert File(durable=b"abc", pending=[(1, None)]).content(1, SystemRandom()) == b"a"


def test_a_ledger_lost_after_its_creation_is_shown(tmp_path: Path) -> None:
    cut = Cut(1, 0, 0, {crash_disk.LEDGER: b""}, ["created"])
    assert examined(cut, tmp_path / "disk") == ["a ledger lost: LEDGER_CORRUPT"]
