"""What an answer leaves behind inside the retailer's walls, collected as bytes.

In: folders of data and of work. Out: name of a surface -> all that stands on it. Each run is for a
process of its own: it listens to every file, warning, log line and child of that process.
"""

import faulthandler
import logging
import os
import pickle
import sys
import tempfile
import traceback
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from dpnotice.errors import DpnoticeError
from dpnotice.inquiry import Inquiry
from dpnotice.release import Release
from dpnotice.retailer import answer as answering
from dpnotice.retailer import chain, counting, mechanism, source
from dpnotice.retailer.ledger import Ledger
from made import canaries

Found = dict[str, bytes]
STARTS: Final = {"subprocess.Popen", "os.posix_spawn", "os.exec", "os.spawn", "os.system"}
REMOVALS: Final = {"os.remove", "shutil.rmtree"}
NAMED: Final = ("open", "os.", "shutil.", "tempfile.", "sqlite3.")
CLOCKS: Final = {"created", "msecs", "relativeCreated", "process", "thread"}
"""Of a log record: numbers of this very moment, which may spell anything."""
TEMP: Final = "temp"
SPILL_LIMIT: Final = "30MB"
"""One thread of the engine spills 299,933 ids below 40 MB, and gives up below 25 MB."""


@dataclass(frozen=True)
class Place:
    """Where a run reads and works, and the surface onto which a leak was planted, if any."""

    data: Path
    work: Path
    leaking: str | None = None

    @property
    def inquiry(self) -> Inquiry:
        return Inquiry.load(self.data / "inquiry.toml")


# --- listening -----------------------------------------------------------------------------
class Watch:
    """Notes what this process prints, logs, warns of, opens, removes, starts and leaves."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._held: defaultdict[str, bytearray] = defaultdict(bytearray)
        self._own = False

    def note(self, surface: str, *what: object) -> None:
        for each in what:
            self._held[surface] += each if isinstance(each, bytes) else f"{each}".encode()
            self._held[surface] += b"\n"

    @property
    def found(self) -> Found:
        return {surface: bytes(held) for surface, held in self._held.items()}

    @contextmanager
    def listening(self) -> Iterator[None]:
        (self.place.work / TEMP).mkdir()
        tempfile.tempdir = os.environ["TMPDIR"] = str(self.place.work / TEMP)
        logging.basicConfig(level=logging.DEBUG, handlers=[_Log(self)], force=True)
        logging.getLogger(__name__).debug("heard")
        warnings.simplefilter("always")
        warnings.showwarning = lambda *told, **_: self.note("Python warnings", *told[:4])
        warnings.warn("heard", stacklevel=1)
        sys.addaudithook(self._audited)
        with self._captured():
            yield
        self.look("after")
        self.note("command lines", *sys.orig_argv)
        self.note("environments", dict(os.environ))

    @contextmanager
    def _captured(self) -> Iterator[None]:
        """Catch what goes to standard output and error, also past Python."""
        kept = {1: os.dup(1), 2: os.dup(2)}
        files = {1: self.place.work.parent / "stdout", 2: self.place.work.parent / "stderr"}
        for number, path in files.items():
            with path.open("wb") as file:
                os.dup2(file.fileno(), number)
        try:
            yield
        finally:
            sys.stdout.flush()
            for number, name in {1: "standard output", 2: "standard error"}.items():
                os.dup2(kept[number], number)
                self.note(name, files[number].read_bytes())

    def _audited(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self._own:
            return
        self._own = True  # what the watch opens itself is no finding
        if event in STARTS:
            self.note("command lines", arguments[:2])
            self.note("environments", arguments[2:])
        elif event == "os.putenv":
            self.note("environments", arguments)
        elif event.startswith(NAMED):
            self.note("names of files", event, arguments)
        if event in REMOVALS:  # read before it is gone
            self._keep("during", Path(os.fsdecode(arguments[0])).absolute())
        self._own = False

    def look(self, when: str) -> None:
        """Take down names and content of every file there is at this moment."""
        self._own = True
        self._keep(when, self.place.work)
        self._own = False

    def _keep(self, when: str, top: Path) -> None:
        for path in [top, *top.rglob("*")]:
            self.note("names of files", path)
            if path.is_file() and path.is_relative_to(self.place.work):
                with suppress(OSError):
                    self.note(self._surface(when, path), path.read_bytes())

    def _surface(self, when: str, path: Path) -> str:
        if path.is_relative_to(self.place.work / TEMP):
            return f"temporary folder, {when}"
        of = {".ledger": "ledger file", ".ledger-journal": "ledger journal"}
        of |= dict.fromkeys((".release", ".tmp"), "release file")  # which is written under .tmp
        return of.get(path.suffix, f"working folder, {when}")


class _Log(logging.Handler):
    def __init__(self, watch: Watch) -> None:
        super().__init__(logging.DEBUG)
        self.watch = watch

    def emit(self, record: logging.LogRecord) -> None:
        told = {name: held for name, held in vars(record).items() if name not in CLOCKS}
        self.watch.note("DEBUG log", self.format(record), told)


def around(owner: Any, name: str, before: Callable[[], None], after: Callable[[], None]) -> None:
    plain = getattr(owner, name)

    def wrapped(*arguments: Any, **named: Any) -> Any:
        before()
        result = plain(*arguments, **named)
        after()
        return result

    setattr(owner, name, wrapped)


# --- a whole run ---------------------------------------------------------------------------
def answered(place: Place) -> Found:
    """Answer, answer the same again, answer anew; then a refusal; all of it shown."""
    watch = Watch(place)
    dump = place.work.parent / "dump"

    def look() -> None:
        watch.look("during")

    def dumped() -> None:
        with dump.open("ab") as file:
            faulthandler.dump_traceback(file, all_threads=True)

    canaries.plant()
    around(mechanism, "_check_input", dumped, look)
    around(counting, "_run", look, look)
    around(chain, "append", look, look)
    with watch.listening():
        release, ledger = _asked(place, watch)
        _displayed(place, release, ledger, watch)
    watch.note("faulthandler dump", dump.read_bytes())
    return watch.found


def _asked(place: Place, watch: Watch) -> tuple[Release, Ledger]:
    sales = canaries.purchases(str(place.data / "sales.parquet"), ids="trim")
    ledger = Ledger.create("a.ledger", epsilon_cap="1")
    heard: list[str] = []
    for reason in (None, None, "again"):
        release = answering.answer(
            place.inquiry,
            sales,
            retailer="shop",
            ledger=ledger,
            new_attempt=reason,
            progress=heard.append,
        )
    watch.note("progress callback", *heard)
    return release, ledger


def _displayed(place: Place, release: Release, ledger: Ledger, watch: Watch) -> None:
    release.save("shop.release")
    read = Release.load("shop.release")
    frame = read.to_frame()
    watch.note("release read back", repr(read), str(read), read.to_dict(), frame, read.tables)
    watch.note("release read back", frame.to_csv(), frame.to_json(), pickle.dumps(frame))
    watch.note("privacy card", read.privacy_card(ledger), read.privacy_card(), read._repr_html_())
    print(read, read.privacy_card(ledger), ledger, sep="\n", flush=True)  # noqa: T201 -- as users do
    wrong = canaries.purchases(str(place.data / "sales.parquet"), date="st")
    try:
        answering.answer(place.inquiry, wrong, retailer="other", ledger=ledger)
    except DpnoticeError:
        traceback.print_exc()


# --- a run that spills -----------------------------------------------------------------------
def spilled(place: Place) -> Found:
    """Count 299,933 real buyers in so little room that it spills; then be stopped there."""
    watch, seen = Watch(place), []
    source.MEMORY_LIMIT = SPILL_LIMIT  # type: ignore[misc]
    run, duckdb = counting._run, source._duckdb

    def on_one_thread(folder: str) -> Any:
        engine = duckdb(folder)
        engine.raw_sql("SET threads = 1")
        return engine

    def spilling(*arguments: Any) -> Any:
        found = run(*arguments)
        for folder in (place.work / TEMP).iterdir():
            mode, files = folder.stat().st_mode & 0o777, list(folder.iterdir())
            seen.append(f"mode {mode:o}, {'spilled' if files else 'empty'}")
        return found

    def stopped(*arguments: Any) -> Any:
        spilling(*arguments)
        raise KeyboardInterrupt

    source._duckdb = on_one_thread
    with watch.listening():
        ledger = Ledger.create("a.ledger", epsilon_cap="1")
        for retailer, at_count in {"shop": spilling, "other": stopped}.items():
            counting._run = at_count
            with suppress(KeyboardInterrupt):
                _answer_in_bulk(place, ledger, retailer, watch)
    found = watch.found
    found["spill folder, after"] = found.pop("temporary folder, after", b"")
    return {f"{name} (primes)": held for name, held in found.items()} | {
        "spilling": "\n".join(seen).encode()
    }


def _answer_in_bulk(place: Place, ledger: Ledger, retailer: str, watch: Watch) -> None:
    sales = canaries.purchases(str(place.data / "primes.parquet"))
    heard: list[str] = []
    release = answering.answer(
        place.inquiry, sales, retailer=retailer, ledger=ledger, progress=heard.append
    )
    release.save(f"{retailer}.release")
    print(release, release.privacy_card(ledger), heard)  # noqa: T201 -- as users do
    watch.note("release read back", release.to_dict(), release.to_frame())
