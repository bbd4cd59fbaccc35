"""No room and no rights: an answer where files may not grow, or not be written at all.

In: an episode with the size that no file may exceed and the moment from which that holds, or with
what is forbidden. Out: what was seen.
"""

import os
import resource
from dataclasses import replace
from pathlib import Path
from typing import Final

from dpnotice.retailer.ledger import Ledger
from made import crash_points as points
from made.crash_lab import Episode, Seen, ended, finish, runs, start
from made.crash_points import LEDGER, NOTES

NOBODY: Final = 65534
MODES: Final = {"file": 0o444, "folder": 0o666}
"""Mode of the ledger; its folder takes no new file, and so no journal, in either case."""
MOMENTS: Final = {
    "opened": (Ledger, "open"),
    "looked_up": (Ledger, "lookup"),
    "debited": (Ledger, "debit"),
    "stored": (Ledger, "store"),
}


def full(folder: Path, episode: Episode) -> Seen:
    """No file may grow beyond a size, from a moment on; `notes` alone may."""
    run = runs(episode, [False])[0]
    limits = [resource.getrlimit(resource.RLIMIT_FSIZE)]

    def lower() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (episode.amount, limits[0][1]))

    def lift() -> None:
        limits.append(resource.getrlimit(resource.RLIMIT_FSIZE))
        resource.setrlimit(resource.RLIMIT_FSIZE, limits[0])

    def back() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits.pop())

    def task() -> None:
        owner, name = MOMENTS[episode.point]
        points.around(owner, name, after=lower)
        points.around(points, "note", before=lift, after=back)
        points.work(folder, replace(run, point=""))

    return ended_by_itself(folder, episode, start(task))


def forbidden(folder: Path, episode: Episode) -> Seen:
    """The ledger's file or folder may not be written; tests may run as root, whom no mode binds."""
    run = runs(episode, [False])[0]
    (folder / NOTES).touch()
    (folder / NOTES).chmod(0o666)
    (folder / LEDGER).chmod(MODES[episode.point])
    folder.chmod(0o555)

    def task() -> None:
        if os.geteuid() == 0:
            os.setuid(NOBODY)
        points.work(folder, replace(run, point=""))

    pid = start(task)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    folder.chmod(0o700)
    (folder / LEDGER).chmod(0o600)
    return ended_by_itself(folder, episode, pid)


def ended_by_itself(folder: Path, episode: Episode, pid: int) -> Seen:
    """Await a child that nothing kills."""
    broken = ["a run failed"] if ended([pid]) != [0] else []
    return finish(folder, episode, Seen(broken=broken))
