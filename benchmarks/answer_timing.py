"""Clocks and peaks: calls timed in turn in one process, and processes watched from outside.

In: calls, or a command. Out: seconds, and megabytes at the peak. Linux only: peaks are read in
/proc, as the greatest memory that `getrusage` reports of a child is never below what its parent
held when it was started.
"""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

_EVERY: Final = 0.05
"""Seconds between two looks at a process and its children."""


class Clocked(NamedTuple):
    """Seconds of each repetition by the clock, and of all cores at work in this process."""

    wall: list[float]
    cpu: list[float]


class Watched(NamedTuple):
    """What a process did, why it was stopped if it was, and the most its tree held, in MB."""

    output: str
    errors: str
    code: int
    stopped: str
    peak_mb: float


def interleaved(calls: Mapping[str, Callable[[], Any]], repetitions: int) -> dict[str, Clocked]:
    """Time every call once per round, beginning each round with another one; a round before warms.

    Returns:
        Name -> seconds of each repetition.
    """
    names = list(calls)
    for name in names:
        calls[name]()
    found = {name: Clocked([], []) for name in names}
    for turn in range(repetitions):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            wall, cpu = time.perf_counter(), time.process_time()
            calls[name]()
            found[name].wall.append(time.perf_counter() - wall)
            found[name].cpu.append(time.process_time() - cpu)
    return found


def watched(
    command: Sequence[str],
    *,
    environ: Mapping[str, str],
    seconds: float = 86_400.0,
    megabytes: float = float("inf"),
) -> Watched:
    """Run a command, look at the memory of it and its descendants, stop all of them in time."""
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=dict(environ),
        start_new_session=True,
    ) as process:
        seen = _Seen(deadline=time.perf_counter() + seconds, most_mb=megabytes)
        watcher = threading.Thread(target=seen.watch, args=(process,))
        watcher.start()
        output, errors = process.communicate()
        watcher.join()
    return Watched(output, errors, process.returncode, seen.stopped, seen.peak_mb)


class _Seen:
    """What a look at a tree of processes has seen so far."""

    def __init__(self, *, deadline: float, most_mb: float) -> None:
        self.deadline, self.most_mb = deadline, most_mb
        self.peak_mb, self.stopped = 0.0, ""

    def watch(self, process: subprocess.Popen[str]) -> None:
        """Keep the greatest sum over the tree, and the greatest that the system saw of the root.

        Memory that processes of one tree share is counted in each of them.
        """
        while process.poll() is None:
            tree = [process.pid, *_descendants(process.pid)]
            now = sum(_megabytes(pid, "VmRSS") for pid in tree)
            self.peak_mb = max(self.peak_mb, now, _megabytes(process.pid, "VmHWM"))
            if now > self.most_mb:
                self.stopped = f"out of memory: over {self.most_mb / 1e3:,.0f} GB"
            elif time.perf_counter() > self.deadline:
                self.stopped = "out of time"
            if self.stopped:
                # The command leads a session of its own: this ends it and all that it started.
                os.killpg(process.pid, signal.SIGKILL)
                return
            time.sleep(_EVERY)


def _descendants(pid: int) -> list[int]:
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        text = " ".join((task / "children").read_text("ascii") for task in tasks)
    except OSError:  # it has just ended
        return []
    children = [int(child) for child in text.split()]
    return children + [deeper for child in children for deeper in _descendants(child)]


def _megabytes(pid: int, field: str) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text("ascii").splitlines()
    except OSError:  # it has just ended
        return 0.0
    held = [line.split()[1] for line in lines if line.startswith(f"{field}:")]
    return int(held[0]) * 1024 / 1e6 if held else 0.0
