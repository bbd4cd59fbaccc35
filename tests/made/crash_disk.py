"""Power cuts: what may be on the disk when the current fails during one answer.

In: nothing, or a planted fault. Out: every write, sync, link and unlink of a ledger's creation, an
answer and its saving, in order, and every disk that a cut could leave. SQLite writes through its
own system calls, which nothing in Python sees, so they are taken down by `strace`.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

from dpnotice.errors import LedgerError
from dpnotice.retailer.answer import answer
from dpnotice.retailer.ledger import Ledger
from made.crash_checks import rows
from made.crash_points import (
    FAULTS,
    LARGE,
    LEDGER,
    NOTES,
    RETAILER,
    Run,
    inquiry,
    note,
    prepared,
    sales,
    work,
)

ROOT: Final = Path(__file__).parents[2]
CALLS: Final = (
    "?open,?openat,?creat,?lseek,?write,?writev,?pwrite64,?pwritev,?truncate,?ftruncate,?fallocate,"
    "?fsync,?fdatasync,?sync_file_range,?sync,?link,?linkat,?unlink,?unlinkat,?rename,?renameat,"
    "?renameat2,?copy_file_range,?sendfile,?mmap"
)
LONGEST: Final = 2**20
SECTOR: Final = 512
TRACE: Final = "trace"
KEPT: Final = {"dropped": 0.0, "applied": 1.0}
CAP: Final = "3"


class AbsentError(Exception):
    """The tool is not here, or may not trace."""


@dataclass(frozen=True, slots=True)
class Step:
    """One call that changes a file, a folder's entries, or what of them is durable."""

    call: str
    name: str
    offset: int = 0
    data: bytes = b""
    other: str = ""


# --- recording -----------------------------------------------------------------------------
def recorded(folder: Path, fault: str = "") -> list[Step]:
    """Create a ledger, answer and save in a traced process; return its steps in order.

    Raises:
        AbsentError: where `strace` is missing or may not trace.
    """
    tool = shutil.which("strace")
    if tool is None:
        raise AbsentError("strace is not installed (apt-get install strace)")
    folder = folder.resolve()
    (folder / "disk").mkdir(parents=True)
    output = ["-ff", "-y", "-xx", "-s", str(LONGEST), "-o", str(folder / TRACE)]
    program = [sys.executable, "-W", "ignore", "-m", "made.crash_disk", str(folder / "disk"), fault]
    search = {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    command = [tool, *output, "-e", f"trace={CALLS}", *program]
    done = subprocess.run(
        command, env=os.environ | search, capture_output=True, text=True, check=False
    )
    if "ptrace" in done.stderr:
        raise AbsentError("strace may not trace here: " + done.stderr.splitlines()[0])
    if done.returncode:
        raise RuntimeError(done.stderr)
    found = [list(steps(path, folder / "disk")) for path in folder.glob(TRACE + ".*")]
    threads = [each for each in found if each]
    if len(threads) != 1:
        raise RuntimeError(f"{len(threads)} threads write; their order is not known")
    return threads[0]


LINE: Final = re.compile(r"(\w+)\((.*)\) += (-?\d+)")
ESCAPED: Final = re.compile(r"(?:\\x[0-9a-f]{2})+")
FILE: Final = re.compile(r"^(?:\d+|AT_FDCWD)<(.*?)>")
TEXT: Final = re.compile(r'"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?')


def steps(trace: Path, disk: Path) -> Iterator[Step]:
    """Turn one thread's trace into its steps on the files of one folder."""
    position: dict[str, int] = {}
    here = "".join(f"\\x{byte:02x}" for byte in bytes(disk))
    for line in trace.read_text().splitlines():
        parts = LINE.match(line)
        if parts is None or here not in line or int(parts[3]) < 0:
            continue
        call, arguments, result = parts[1], parts[2], int(parts[3])
        path = FILE.match(arguments)
        name = "" if path is None else decoded(path[1]).decode().removesuffix(" (deleted)")
        texts = [decoded(text[0]) for text in TEXT.findall(arguments)]
        yield from STEPS[call](Call(position, disk, name, arguments, texts, result))


def decoded(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))


@dataclass(frozen=True, slots=True)
class Call:
    """One line of a trace."""

    position: dict[str, int]
    disk: Path
    path: str
    arguments: str
    texts: list[bytes]
    result: int

    def names(self) -> list[str]:
        return [Path(text.decode()).name for text in self.texts]

    @property
    def name(self) -> str:
        return "" if Path(self.path) == self.disk else Path(self.path).name

    def opened(self) -> Iterator[Step]:
        name = self.names()[-1]
        self.position[name] = 0
        if "O_CREAT" in self.arguments:
            yield Step("create", name)
        if "O_TRUNC" in self.arguments:
            yield Step("truncate", name)

    def sought(self) -> Iterator[Step]:
        self.position[self.name] = self.result
        return iter(())

    def written(self) -> Iterator[Step]:
        data, at = self.texts[-1][: self.result], self.position.get(self.name, 0)
        self.position[self.name] = at + self.result
        yield Step("note" if self.name == NOTES else "write", self.name, at, data)

    def written_at(self) -> Iterator[Step]:
        at = int(self.arguments.rpartition(", ")[2])
        yield Step("write", self.name, at, self.texts[-1][: self.result])

    def truncated(self) -> Iterator[Step]:
        yield Step("truncate", self.name, int(self.arguments.rpartition(", ")[2]))

    def synced(self) -> Iterator[Step]:
        yield Step("sync", self.name)

    def linked(self) -> Iterator[Step]:
        yield Step("link", self.names()[0], other=self.names()[1])

    def unlinked(self) -> Iterator[Step]:
        yield Step("unlink", self.names()[0])

    def mapped(self) -> Iterator[Step]:
        if "MAP_SHARED" in self.arguments and "PROT_WRITE" in self.arguments:
            raise RuntimeError("a file is written through memory, which is not seen")
        return iter(())


STEPS: Final = {
    "open": Call.opened,
    "openat": Call.opened,
    "lseek": Call.sought,
    "write": Call.written,
    "pwrite64": Call.written_at,
    "ftruncate": Call.truncated,
    "fsync": Call.synced,
    "fdatasync": Call.synced,
    "link": Call.linked,
    "linkat": Call.linked,
    "unlink": Call.unlinked,
    "unlinkat": Call.unlinked,
    "mmap": Call.mapped,
}
"""Any other call on these files is a KeyError: what it does to a disk is not modelled."""


# --- disks ---------------------------------------------------------------------------------
@dataclass(slots=True, eq=False)
class File:
    """Content that is durable, and changes since."""

    durable: bytes = b""
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)
    """(offset, data), or (length, None) where the file was cut to it."""

    def content(self, share: float, random: Random) -> bytes:
        """Return the durable content with that share of the later sectors written."""
        made = bytearray(self.durable)
        for at, data in self.pending:
            if data is None:
                if random.random() < share:
                    del made[at:]
                    made.extend(bytes(at - len(made)))
                continue
            for start, piece in sectors(at, data):
                if random.random() < share:
                    made.extend(bytes(max(0, start + len(piece) - len(made))))
                    made[start : start + len(piece)] = piece
        return bytes(made)


def sectors(at: int, data: bytes) -> Iterator[tuple[int, bytes]]:
    """Cut a write at the borders of sectors, each of which a disk writes whole or not at all."""
    end = at + len(data)
    while at < end:
        stop = min(end, at - at % SECTOR + SECTOR)
        yield at, data[len(data) - (end - at) : len(data) - (end - stop)]
        at = stop


@dataclass(slots=True)
class Disk:
    """One folder: its entries that are durable, and changes of entries since, in order."""

    names: dict[str, File] = field(default_factory=dict)
    durable: dict[str, File] = field(default_factory=dict)
    pending: list[tuple[str, File | None]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def do(self, step: Step) -> None:
        getattr(self, "_" + step.call)(step)

    def _note(self, step: Step) -> None:
        self.notes += step.data.decode().splitlines()

    def _create(self, step: Step) -> None:
        if step.name != NOTES and step.name not in self.names:
            self._enter(step.name, File())

    def _enter(self, name: str, file: File | None) -> None:
        self.pending.append((name, file))
        if file is None:
            del self.names[name]
        else:
            self.names[name] = file

    def _write(self, step: Step) -> None:
        self.names[step.name].pending.append((step.offset, step.data))

    def _truncate(self, step: Step) -> None:
        self.names[step.name].pending.append((step.offset, None))

    def _sync(self, step: Step) -> None:
        if step.name:
            file = self.names[step.name]
            file.durable, file.pending = file.content(1, Random()), []  # noqa: S311 -- no chance
        else:
            self.durable, self.pending = dict(self.names), []

    def _link(self, step: Step) -> None:
        self._enter(step.other, self.names[step.name])

    def _unlink(self, step: Step) -> None:
        self._enter(step.name, None)

    def after_a_cut(self, contents: float, entries: float, random: Random) -> dict[str, bytes]:
        """Return name -> content, with these shares of what was not synced.

        A journalling file system keeps the order of entries, so the first of them are kept.
        """
        found = dict(self.durable)
        for name, file in self.pending[: round(entries * len(self.pending))]:
            if file is None:
                found.pop(name, None)
            else:
                found[name] = file
        return {name: file.content(contents, random) for name, file in found.items()}


@dataclass(frozen=True, slots=True)
class Cut:
    """A disk after a power cut: the step before it, what was kept, files, and what was noted."""

    at: int
    contents: float
    entries: float
    files: dict[str, bytes]
    notes: list[str]


def cuts(made: list[Step], extra: int, random: Random) -> Iterator[Cut]:
    """Cut after every step: with all and nothing of what was not synced, and with random parts."""
    disk, seen = Disk(), set()
    for at, step in enumerate([None, *made]):
        if step is not None:
            disk.do(step)
        shares = [(c, e) for c in KEPT.values() for e in KEPT.values()]
        shares += [(random.random(), random.random()) for _ in range(extra)]
        for contents, entries in shares:
            files = disk.after_a_cut(contents, entries, random)
            key = (tuple(sorted(files.items())), len(disk.notes))
            if key not in seen:
                seen.add(key)
                yield Cut(at, contents, entries, files, list(disk.notes))


# --- what may be seen then -----------------------------------------------------------------
def examined(cut: Cut, folder: Path) -> list[str]:
    """Lay out a disk, go on working on it, and name what should not be."""
    folder.mkdir()
    for name, content in cut.files.items():
        (folder / name).write_bytes(content)
        (folder / name).chmod(0o600)
    noted = {line.split()[0] for line in cut.notes}
    try:
        Ledger.open(folder / LEDGER)
    except LedgerError as refusal:
        return [f"a ledger lost: {refusal.code}"] if "created" in noted else []
    found = list(broken_now(folder, noted, [line for line in cut.notes if line != "created"]))
    found += going_on(folder)
    return found


def broken_now(folder: Path, noted: set[str], lines: list[str]) -> Iterator[str]:
    """Check the rebuilt disk before anything else is done on it."""
    (folder / NOTES).write_text("".join(line + "\n" for line in lines))
    kinds = [row.kind for row in rows(folder)]
    if "draw" in noted and "debit" not in kinds:
        yield "drawn without a durable debit"
    if "got" in noted and "artifact" not in kinds:
        yield "an answer lost"
    if "answered" in noted and not list(folder.glob("*.release")):
        yield "a saved output lost"
    bodies = [row.body for row in rows(folder) if row.kind == "artifact"]
    for path in folder.glob("*.release"):
        if path.read_bytes() not in bodies:
            yield "an output that the ledger does not hold"


def going_on(folder: Path) -> Iterator[str]:
    """Answer again on the rebuilt disk: a debited attempt is never drawn."""
    before = [row.kind for row in rows(folder)]
    draws, code = again(folder)
    expected = {"genesis": "answered", "debit": "BUDGET_OPEN", "artifact": "answered"}[before[-1]]
    if code != expected:
        yield f"a further run ended with {code} for {expected}"
    if draws > ("debit" not in before):
        yield "drawn again"
    kinds = [row.kind for row in rows(folder)]
    if kinds.count("debit") != 1:
        yield "debited otherwise than once"


def again(folder: Path) -> tuple[int, str]:
    """Answer in this process; return the number of draws, and the code or "answered"."""
    with prepared() as draws:
        try:
            books = Ledger.open(folder / LEDGER)
            found = answer(inquiry(LARGE), sales(), retailer=RETAILER, ledger=books)
            found.save(folder / "again.release")
        except LedgerError as refusal:
            return len(draws), refusal.code
        return len(draws), "answered"


def main() -> None:
    folder, fault = Path(sys.argv[1]), sys.argv[2]
    if fault:
        FAULTS[fault].plant()
    Ledger.create(folder / LEDGER, epsilon_cap=CAP)
    note(folder, "created")
    work(folder, Run(number=LARGE))


if __name__ == "__main__":
    main()
