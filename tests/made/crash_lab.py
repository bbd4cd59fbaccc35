"""What every episode is made of: processes forked, killed and awaited, and a look at the end.

In: what is played. Out: what was seen, with the invariants that did not hold.
"""

import os
import signal
import statistics
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from dpnotice.errors import DpnoticeError
from dpnotice.retailer.ledger import Ledger
from made import crash_points as points
from made.crash_checks import broken, due, notes, rows
from made.crash_points import LEDGER, RETAILER, Run, inquiry

RANDOM: Final = "random"
MIX: Final = (0, 0, 0, 1, 1, 2, 3, 4)
"""Requests of eight processes at once: equal and different ones, more than the cap pays for."""
CAP: Final = "3"
LONGEST_RUN: Final = 600
"""Seconds after which a child ends by a signal: nothing may hang."""
FURTHER: Final = 2
"""Runs of each request after the kill."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """What is played.

    Attributes:
        what: key of :data:`PLAYS`.
        point: of :data:`crash_points.POINTS`, or ``"random"``; the moment from which there is no
            room, or what may not be written, in the plays of `crash_room`.
        fault: key of :data:`crash_points.FAULTS`, or nothing.
        whole: whether the engine counts, or counts are there already.
        numbers: request of each process.
        cap: of the ledger, epsilon.
        amount: of reruns by all processes together, of bytes that the largest file may have, or
            of further attempts while a process sleeps.
    """

    what: str = "alone"
    point: str = ""
    fault: str = ""
    whole: bool = False
    numbers: tuple[int, ...] = (0,)
    cap: str = CAP
    amount: int = 0


@dataclass(slots=True, kw_only=True)
class Seen:
    """What came of an episode.

    Attributes:
        killed: processes that a SIGKILL ended.
        first: kinds of the ledger's entries just after the kills.
        outputs: release files just after the kills.
        kinds: kinds of the entries in the end.
        left: of the budget in the end.
        own: how the runs of the episode ended, as far as they lived.
        notes: how the further runs ended.
        draws: noted in the whole episode.
        temporary: files left behind by a save.
        broken: invariants that did not hold.
    """

    killed: int = 0
    first: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    left: str = ""
    own: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    draws: int = 0
    temporary: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)


# --- processes -----------------------------------------------------------------------------
def start(task: Callable[[], object]) -> int:
    """Do something in a child; it ends with 0 unless it is killed or fails in an unnamed way."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    signal.alarm(LONGEST_RUN)
    try:
        task()
        status = 0
    except BaseException:  # noqa: BLE001 -- a child must never return into the parent's code
        traceback.print_exc()
    finally:
        os._exit(status)


def ended(pids: Iterable[int]) -> list[int]:
    return [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]


def kill_at(schedule: dict[int, float]) -> None:
    """Kill children, none of them waited for yet, at their times."""
    for pid, moment in sorted(schedule.items(), key=lambda item: item[1]):
        time.sleep(max(0.0, moment - time.monotonic()))
        os.kill(pid, signal.SIGKILL)


class Meeting:
    """Lets processes go on together: each waits until all have come, ended or been killed.

    The kernel closes a pipe's end with its process, whatever ends that.
    """

    def __init__(self) -> None:
        self._reading, self._writing = os.pipe()

    def come(self) -> None:
        os.close(self._writing)
        os.read(self._reading, 1)

    def leave(self) -> None:
        os.close(self._writing)
        os.close(self._reading)


# --- the end of every episode ---------------------------------------------------------------
def run_again(folder: Path, run: Run, cap: str) -> Iterator[str]:
    """Run a request once more, by itself; it ends as the ledger says it must."""
    expected, before = due(rows(folder), run.number, cap), len(notes(folder))
    if ended([start(lambda: points.work(folder, run))]) != [0]:
        yield "a further run did not end by itself"
    last = notes(folder)[before:][-1:]
    if not last or not last[0].startswith(expected):
        yield f"a further run ended otherwise: {last} for {expected}"


def finish(folder: Path, episode: Episode, seen: Seen) -> Seen:
    """Look at the disk after the kills, run every request again, and look once more."""
    seen.first = [row.kind for row in rows(folder)]
    seen.outputs = sorted(path.name for path in folder.glob("*.release"))
    seen.broken += broken(folder, episode.cap)
    before = len(notes(folder))
    for number in sorted(set(episode.numbers)):
        run = Run(number=number, fault=episode.fault, whole=episode.whole, output=len(MIX))
        for _ in range(FURTHER):
            seen.broken += run_again(folder, run, episode.cap)
    seen.broken += broken(folder, episode.cap)
    seen.own = ends(notes(folder)[:before])
    seen.notes = ends(notes(folder)[before:])
    return settled(folder, seen)


def ends(lines: list[str]) -> list[str]:
    return [line for line in lines if line.startswith(("answered", "refused"))]


def settled(folder: Path, seen: Seen) -> Seen:
    """Open the ledger and write down how things stand in the end."""
    seen.kinds = [row.kind for row in rows(folder)]
    seen.draws = sum(line.startswith("draw ") for line in notes(folder))
    seen.temporary = sorted(path.name for path in folder.glob(".*.tmp"))
    try:
        seen.left = str(Ledger.open(folder / LEDGER).remaining(inquiry(), RETAILER))
    except DpnoticeError as refusal:
        seen.broken.append(f"the ledger does not open: {refusal.code}")
    return seen


# --- the runs of an episode -----------------------------------------------------------------
def runs(episode: Episode, doomed: list[bool]) -> list[Run]:
    point = "" if episode.point == RANDOM else episode.point
    return [
        Run(
            number=number,
            point=point if dies else "",
            fault=episode.fault,
            whole=episode.whole,
            output=output,
        )
        for output, (number, dies) in enumerate(zip(episode.numbers, doomed, strict=True))
    ]


def crowd(folder: Path, crew: list[Run]) -> list[int]:
    """Start processes that meet before their debits."""
    meeting = Meeting()

    def arrived(step: str) -> None:
        if step == "debit":
            meeting.come()

    def task(run: Run) -> Callable[[], None]:
        return lambda: points.work(folder, run, arrived)

    pids = [start(task(run)) for run in crew]
    meeting.leave()
    return pids


LENGTHS: Final[dict[tuple[bool, int], float]] = {}


def usual_length(folder: Path, episode: Episode) -> float:
    """Return how long runs like these take here, seconds; measured once."""
    key = (episode.whole, len(episode.numbers))
    if key not in LENGTHS and episode.point == RANDOM:
        taken = []
        for trial in range(3):
            made = folder / f"trial-{trial}-{episode.whole}-{len(episode.numbers)}"
            made.mkdir()
            Ledger.create(made / LEDGER, epsilon_cap=episode.cap)
            began = time.monotonic()
            ended(crowd(made, runs(episode, [False] * len(episode.numbers))))
            taken.append(time.monotonic() - began)
        LENGTHS[key] = statistics.median(taken)
    return LENGTHS.get(key, 0.0)
