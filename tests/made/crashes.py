"""A ledger's processes killed at named points and at random times, and what may never follow.

In: episodes to play. Out: for each what was seen, and which invariants it broke. The episodes run
in a fresh process that forks a child per answer, as an engine's threads do not survive a fork:
`python -m made.crashes FOLDER` reads one episode per line of JSON and writes one line for each.
"""

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from threading import Thread
from typing import Any, Final

from dpnotice.errors import DpnoticeError
from dpnotice.retailer.answer import answer
from dpnotice.retailer.ledger import Ledger
from made import crash_points as points
from made.crash_checks import broken, notes
from made.crash_lab import (
    RANDOM,
    Episode,
    Seen,
    crowd,
    ended,
    finish,
    kill_at,
    runs,
    settled,
    start,
    usual_length,
)
from made.crash_points import LEDGER, RETAILER, Run, inquiry, note, request
from made.crash_room import forbidden, full

ROOT: Final = Path(__file__).parents[2]
MARGIN: Final = 1.1
"""Random kills fall between the start and this many times the usual length of a run."""
PROCESSES: Final = 2
PATIENCE: Final = 20.0
SHORT: Final = 0.002


# --- episodes ------------------------------------------------------------------------------
def alone(folder: Path, episode: Episode) -> Seen:
    """One process, killed."""
    drawn = random.SystemRandom().uniform(0, MARGIN * usual_length(folder.parent, episode))
    moment = time.monotonic() + drawn
    run = runs(episode, [True])[0]
    pid = start(lambda: points.work(folder, run))
    if episode.point == RANDOM:
        kill_at({pid: moment})
    status = ended([pid])[0]
    seen = Seen(killed=int(status == -signal.SIGKILL))
    seen.broken += ["a run failed"] if status not in {0, -signal.SIGKILL} else []
    return finish(folder, episode, seen)


def together(folder: Path, episode: Episode) -> Seen:
    """Many processes on one ledger; about half of them are killed, the others go on."""
    chance = random.SystemRandom()
    doomed = [chance.random() < 0.5 for _ in episode.numbers]
    doomed[chance.randrange(len(doomed))] = True
    length = MARGIN * usual_length(folder.parent, episode)
    pids = crowd(folder, runs(episode, doomed))
    if episode.point == RANDOM:
        now = time.monotonic()
        doom = [pid for pid, dies in zip(pids, doomed, strict=True) if dies]
        kill_at({pid: now + chance.uniform(0, length) for pid in doom})
    statuses = ended(pids)
    seen = Seen(killed=statuses.count(-signal.SIGKILL))
    seen.broken += ["a run failed"] if set(statuses) - {0, -signal.SIGKILL} else []
    return finish(folder, episode, seen)


def race(folder: Path, episode: Episode) -> Seen:
    """Many processes that come to the debit together; none is killed."""
    statuses = ended(crowd(folder, runs(episode, [False] * len(episode.numbers))))
    seen = Seen(broken=["a run failed"] if any(statuses) else [])
    return finish(folder, episode, seen)


def late(folder: Path, episode: Episode) -> Seen:
    """The debit of a stopped process is declared lost; then it wakes up and wants to store.

    With an amount, the request has been answered at a further attempt by then.
    """

    def task() -> None:
        points.around(Ledger, "store", before=lambda: os.kill(os.getpid(), signal.SIGSTOP))
        points.work(folder, Run())

    pid = start(task)
    os.waitpid(pid, os.WUNTRACED)
    Ledger.open(folder / LEDGER).declare_lost(request())
    if episode.amount:
        ended([start(lambda: second_attempt(folder))])
    os.kill(pid, signal.SIGCONT)
    seen = Seen(broken=["a run failed"] if ended([pid]) != [0] else [])
    return finish(folder, episode, seen)


def second_attempt(folder: Path) -> None:
    """Ask again at full cost."""
    points.around(points.mechanism, "draw", before=lambda: note(folder, "draw 0"))
    points.counting.count = points.counted_before
    books = Ledger.open(folder / LEDGER)
    answer(inquiry(), points.sales(), retailer=RETAILER, ledger=books, new_attempt="a crash")
    note(folder, "second attempt")


def rerun(folder: Path, episode: Episode) -> Seen:
    """Every process asks the same again and again; an open debit is another one at work."""
    each = -(-episode.amount // len(episode.numbers))

    def task(output: int) -> Callable[[], None]:
        def many() -> None:
            run = Run(output=output)
            end = time.monotonic() + PATIENCE * each
            points.counting.count = points.counted_before
            points.around(points.mechanism, "draw", before=lambda: note(folder, "draw 0"))
            done = 0
            while done < each and time.monotonic() < end:
                done += once(folder, run)

        return many

    statuses = ended([start(task(output)) for output in range(len(episode.numbers))])
    seen = Seen(broken=["a run failed"] if any(statuses) else [])
    answered = [line for line in notes(folder) if line.startswith("answered")]
    if len(answered) != each * len(episode.numbers):
        seen.broken.append("not every rerun was answered")
    seen.broken += ["two answers to one request"] if len(set(answered)) > 1 else []
    seen.broken += broken(folder, episode.cap)
    return settled(folder, seen)


def once(folder: Path, run: Run) -> bool:
    """Answer once, and say whether there was an answer."""
    try:
        books = Ledger.open(folder / LEDGER)
        found = answer(inquiry(), points.sales(), retailer=RETAILER, ledger=books)
        found.save(folder / f"0-{run.output}.release")
    except DpnoticeError as refusal:
        if refusal.code != "BUDGET_OPEN":
            raise
        time.sleep(SHORT)
        return False
    note(folder, "answered 0 " + hashlib.sha256(found.to_bytes()).hexdigest())
    return True


PLAYS: Final = {
    "alone": alone,
    "together": together,
    "race": race,
    "late": late,
    "rerun": rerun,
    "full": full,
    "forbidden": forbidden,
}


# --- the fresh process ---------------------------------------------------------------------
def play(folder: Path, episode: Episode) -> Seen:
    """Play one episode on a new ledger; its folder stays only where something broke."""
    folder.mkdir()
    Ledger.create(folder / LEDGER, epsilon_cap=episode.cap)
    seen = PLAYS[episode.what](folder, episode)
    if not seen.broken:
        shutil.rmtree(folder)
    return seen


def played(episodes: Iterable[Episode], folder: Path) -> Iterator[Seen]:
    """Play episodes in a fresh process, and yield what each showed as soon as it is over."""
    folder.mkdir(parents=True, exist_ok=True)
    search = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    lines = "".join(json.dumps(asdict(episode)) + "\n" for episode in episodes)
    (folder / "episodes").write_text(lines)
    command = [sys.executable, "-W", "ignore", "-m", "made.crashes", str(folder)]
    with subprocess.Popen(
        command, env=os.environ | {"PYTHONPATH": search}, stdout=subprocess.PIPE, text=True
    ) as process:
        for line in process.stdout or ():
            yield Seen(**json.loads(line))
    if process.returncode:
        raise RuntimeError(f"the process that plays the episodes ended with {process.returncode}")


def side_by_side(episodes: Sequence[Episode], folder: Path) -> list[tuple[Episode, Seen]]:
    """Play episodes in two fresh processes, each with every other one; their order stays."""
    found: dict[int, Seen] = {}

    def share(which: int) -> None:
        mine = range(which, len(episodes), PROCESSES)
        shown = played([episodes[number] for number in mine], folder / str(which))
        found.update(zip(mine, shown, strict=True))

    threads = [Thread(target=share, args=(which,)) for which in range(PROCESSES)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(found) != len(episodes):
        raise RuntimeError(f"{len(episodes) - len(found)} episodes were not played")
    return [(episode, found[number]) for number, episode in enumerate(episodes)]


def main() -> None:
    points.warm_up()
    folder = Path(sys.argv[1])
    for number, line in enumerate((folder / "episodes").read_text().splitlines()):
        content: dict[str, Any] = json.loads(line)
        content["numbers"] = tuple(content["numbers"])
        seen = play(folder / f"{number:06}", Episode(**content))
        print(json.dumps(asdict(seen)), flush=True)  # noqa: T201 -- its answer


if __name__ == "__main__":
    main()
