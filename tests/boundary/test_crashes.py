"""A retailer's process is killed at every step: budget may be lost, a second draw never happens.

The full campaign, thousands of kills, is benchmarks/crashes.py.
"""

from collections.abc import Iterable
from pathlib import Path

import pytest

from made.crash_lab import MIX, RANDOM, Episode, Seen
from made.crash_points import (
    BEFORE_DEBIT,
    BUDGET_LOST,
    FAULTS,
    POINTS,
    SEEN_BY,
    STORED,
    TEMPORARY,
    Fault,
    chain,
)
from made.crashes import played, side_by_side

REPEATS = 3
CROWDS = 2
KILLS = 30
Played = list[tuple[Episode, Seen]]
EPISODES = [
    *(Episode(point=point, whole=i == 0) for point in POINTS for i in range(REPEATS)),
    *(Episode(point=RANDOM, whole=bool(i % 2)) for i in range(KILLS)),
    *(Episode(what="together", numbers=MIX, point=at) for at in POINTS for _ in range(CROWDS)),
    *(Episode(what="together", numbers=MIX, point=RANDOM) for _ in range(KILLS // 6)),
    Episode(what="together", numbers=MIX, point=RANDOM, whole=True),
]
LATE = Episode(what="late")
LATE_AGAIN = Episode(what="late", amount=1)
TWO_FOR_ONE = Episode(what="race", numbers=(0, 1), cap="1", whole=True)
EIGHT_FOR_THREE = Episode(what="race", numbers=tuple(range(8)), whole=True)
FOUR_ALIKE = Episode(what="race", numbers=(0,) * 4, whole=True)
RERUNS = Episode(what="rerun", numbers=(0,) * 8, amount=32)
SINGLE = [LATE, LATE_AGAIN, TWO_FOR_ONE, EIGHT_FOR_THREE, FOUR_ALIKE, RERUNS]
FAULTY = [
    *(Episode(fault=fault, point=at) for fault, at, _ in SEEN_BY for _ in range(REPEATS)),
    Episode(what="race", numbers=tuple(range(8)), fault="cap not checked with the debit"),
]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Played:
    episodes = EPISODES + SINGLE
    folder = tmp_path_factory.mktemp("crashes")
    return side_by_side(episodes, folder)


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Played:
    return side_by_side(FAULTY, tmp_path_factory.mktemp("faulty"))


def alone(lab: Played, point: str) -> list[Seen]:
    return [seen for episode, seen in lab if (episode.what, episode.point) == ("alone", point)]


def single(lab: Played, wanted: Episode) -> Seen:
    return next(seen for episode, seen in lab if episode == wanted)


def first_words(notes: Iterable[str]) -> list[str]:
    """How runs ended: without the request's number, and without the digest of an answer."""
    ends = (note.split() for note in notes)
    return [end[2] if end[0] == "refused" else end[0] for end in ends]


# --- all episodes --------------------------------------------------------------------------
def test_no_invariant_is_broken_whatever_the_moment_of_the_kill(lab: Played) -> None:
    """No overspending, second draw, unpaid output or second answer; every further run ends."""
    assert [(episode, seen.broken) for episode, seen in lab if seen.broken] == []


@pytest.mark.parametrize("point", POINTS)
def test_the_kill_is_real(lab: Played, point: str) -> None:
    assert [seen.killed for seen in alone(lab, point)] == [1] * REPEATS


@pytest.mark.parametrize("point", POINTS)
def test_the_kill_is_real_among_eight_processes(lab: Played, point: str) -> None:
    """At least one is doomed; at a late point another may have taken the budget."""
    all_seen = [seen for at, seen in lab if (at.what, at.point) == ("together", point)]
    assert len(all_seen) == CROWDS
    assert point not in BEFORE_DEBIT[:-1] or all(seen.killed for seen in all_seen)


def test_most_random_kills_meet_a_process_at_work(lab: Played) -> None:
    """Were even half of them too late, 25 of 30 would be so with a chance of 2e-4."""
    assert sum(seen.killed for seen in alone(lab, RANDOM)) > KILLS / 6


# --- one process ---------------------------------------------------------------------------
@pytest.mark.parametrize("point", BEFORE_DEBIT)
def test_a_kill_before_the_debit_costs_nothing(lab: Played, point: str) -> None:
    for seen in alone(lab, point):
        assert (seen.first, seen.outputs) == (["genesis"], [])
        assert (seen.kinds, seen.left) == (["genesis", "debit", "artifact"], "2")
        assert first_words(seen.notes) == ["answered"] * 2


@pytest.mark.parametrize("point", BUDGET_LOST)
def test_a_kill_after_the_debit_loses_budget_and_draws_no_more(lab: Played, point: str) -> None:
    for seen in alone(lab, point):
        assert (seen.first, seen.outputs) == (["genesis", "debit"], [])
        assert (seen.kinds, seen.left) == (["genesis", "debit"], "2")
        assert first_words(seen.notes) == ["BUDGET_OPEN"] * 2
        assert seen.draws == (point not in {"debited", "before draw"})


@pytest.mark.parametrize("point", STORED)
def test_a_kill_after_the_answer_is_stored_gives_the_same_bytes(lab: Played, point: str) -> None:
    for seen in alone(lab, point):
        assert first_words(seen.notes) == ["answered"] * 2
        assert len(set(seen.notes)) == 1
        assert seen.kinds == ["genesis", "debit", "artifact"]
        assert seen.draws == 1


@pytest.mark.parametrize("point", POINTS)
def test_an_output_stands_from_its_link_on(lab: Played, point: str) -> None:
    outputs = ["0-0.release"] * (point in {"linked", "folder_synced"})
    assert [seen.outputs for seen in alone(lab, point)] == [outputs] * REPEATS


@pytest.mark.parametrize("point", POINTS)
def test_only_a_crash_while_saving_leaves_a_temporary_file(lab: Played, point: str) -> None:
    """It is private and holds nothing but the answer: one of the invariants of every episode."""
    counts = [len(seen.temporary) for seen in alone(lab, point)]
    assert counts == [int(point in TEMPORARY)] * REPEATS


# --- a process that wakes up, and races ----------------------------------------------------
def test_an_answer_that_wakes_after_its_debit_was_declared_lost_is_discarded(lab: Played) -> None:
    seen = single(lab, LATE)
    assert seen.kinds == ["genesis", "debit", "lost"]
    assert (seen.draws, first_words(seen.own), seen.outputs) == (1, ["LEDGER_ORDER"], [])


def test_an_answer_that_wakes_after_a_further_attempt_is_discarded(lab: Played) -> None:
    seen = single(lab, LATE_AGAIN)
    assert (seen.kinds, seen.left) == (["genesis", "debit", "lost", "debit", "artifact"], "1")
    assert (seen.draws, first_words(seen.own), seen.outputs) == (2, ["LEDGER_ORDER"], [])


def test_two_processes_racing_for_the_last_budget_make_one_debit(lab: Played) -> None:
    seen = single(lab, TWO_FOR_ONE)
    assert (seen.kinds, seen.left) == (["genesis", "debit", "artifact"], "0")
    assert sorted(first_words(seen.own)) == ["BUDGET_EXCEEDED", "answered"]


def test_eight_processes_racing_for_three_debits_make_three(lab: Played) -> None:
    seen = single(lab, EIGHT_FOR_THREE)
    assert (seen.kinds.count("debit"), seen.left, seen.draws) == (3, "0", 3)
    assert sorted(first_words(seen.own)) == ["BUDGET_EXCEEDED"] * 5 + ["answered"] * 3


def test_four_processes_with_one_request_draw_once(lab: Played) -> None:
    seen = single(lab, FOUR_ALIKE)
    assert (seen.kinds, seen.left) == (["genesis", "debit", "artifact"], "2")
    assert seen.draws == 1


def test_reruns_in_eight_processes_give_one_answer_for_one_debit(lab: Played) -> None:
    seen = single(lab, RERUNS)
    assert (seen.kinds, seen.left) == (["genesis", "debit", "artifact"], "2")
    assert seen.draws == 1


# --- planted faults ------------------------------------------------------------------------
@pytest.mark.parametrize(("fault", "point", "invariant"), SEEN_BY)
def test_a_planted_fault_is_seen_every_time(
    faulty: Played, fault: str, point: str, invariant: str
) -> None:
    all_seen = [seen for at, seen in faulty if (at.fault, at.point) == (fault, point)]
    assert [invariant in seen.broken for seen in all_seen] == [True] * REPEATS


def test_a_cap_checked_before_the_debit_only_would_be_overspent(faulty: Played) -> None:
    assert "overspent" in single(faulty, FAULTY[-1]).broken


def test_a_point_that_does_not_exist_is_no_quiet_success(tmp_path: Path) -> None:
    (seen,) = played([Episode(point="elsewhere")], tmp_path)
    assert seen.broken == ["a run failed"]


def test_a_fault_whose_words_are_gone_is_refused() -> None:
    assert all(fault.words for fault in FAULTS.values())
    with pytest.raises(ValueError, match="no longer in"):
        Fault(chain, (("words that are not there", ""),), ()).plant()
