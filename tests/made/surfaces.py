"""The table of surfaces, and the laboratory that collects them, with and without planted leaks.

In: an empty folder. Out: a pickle of what every surface held, and of what it held when a leak onto
it was planted. Run as `python -m made.surfaces FOLDER RUN ...` in a process of its own,
which starts every run in a child: a child's faults end with it.
"""

import os
import pickle
import sys
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow.parquet as pq

from made import canaries, leaks, refusals, screens, sketch_leaks, sketch_traces, traces
from made.traces import Found, Place

RUNS: Final[dict[str, Callable[[Place], Found]]] = {
    "notebook": screens.noted,
    "answer": traces.answered,
    "sketch": sketch_traces.sketched,
    "spill": traces.spilled,
    "refusal": refusals.refused,
    "objects": refusals.shown,
    "exact counts": refusals.handled,
    "commands": screens.commanded,
    "pictures": screens.drawn,
    "test report": screens.reported,
}


@dataclass(frozen=True)
class Surface:
    """The run that collects a surface, and a leak that only a look at that surface must find."""

    run: str
    leak: Callable[[], None]


SURFACES: Final = {
    "release file": Surface("answer", leaks.in_the_header),
    "release read back": Surface("answer", leaks.in_the_frame),
    "privacy card": Surface("answer", leaks.on_the_card),
    "ledger file": Surface("answer", leaks.in_the_debit),
    "ledger journal": Surface("answer", leaks.in_the_journal),
    "working folder, during": Surface("answer", leaks.in_a_file_that_goes_at_once),
    "working folder, after": Surface("answer", leaks.in_a_file),
    "temporary folder, during": Surface("answer", leaks.in_a_file_that_goes),
    "temporary folder, after": Surface("answer", leaks.in_a_file_that_stays),
    "names of files": Surface("answer", leaks.in_a_name),
    "standard output": Surface("answer", leaks.on_standard_output),
    "standard error": Surface("answer", leaks.on_standard_error),
    "DEBUG log": Surface("answer", leaks.in_a_log),
    "Python warnings": Surface("answer", leaks.in_a_warning),
    "progress callback": Surface("answer", leaks.in_the_progress),
    "command lines": Surface("answer", leaks.in_a_command),
    "environments": Surface("answer", leaks.in_a_childs_environment),
    "faulthandler dump": Surface("answer", leaks.in_a_frames_name),
    "plain traceback": Surface("refusal", leaks.in_a_message),
    "traceback with locals": Surface("refusal", leaks.unguarded),
    "IPython verbose traceback": Surface("refusal", leaks.unguarded),
    "parts of an exception": Surface("refusal", leaks.in_a_cause),
    "objects kept alive": Surface("refusal", leaks.unguarded),
    "prints and logs of a refusal": Surface("refusal", leaks.in_an_error_line),
    "reprs of objects": Surface("objects", leaks.in_a_repr),
    "printed SQL": Surface("objects", leaks.in_the_query),
    "dry run": Surface("objects", leaks.on_the_page),
    "exact counts as text": Surface("exact counts", leaks.shown),
    "exact counts copied": Surface("exact counts", leaks.copied),
    "exact counts as values": Surface("exact counts", leaks.iterated),
    "dpnotice answer": Surface("commands", leaks.on_the_card),
    "progress on a terminal": Surface("commands", leaks.in_the_progress),
    "dpnotice answer --dry-run": Surface("commands", leaks.on_the_page),
    "dpnotice show": Surface("commands", leaks.in_the_frame),
    "dpnotice ledger": Surface("commands", leaks.in_the_overview),
    "dpnotice, refusing": Surface("commands", leaks.in_a_refusals_words),
    "picture as PNG": Surface("pictures", leaks.in_a_picture),
    "picture as SVG": Surface("pictures", leaks.in_a_picture),
    "picture as PDF": Surface("pictures", leaks.in_a_picture),
    "estimate": Surface("pictures", leaks.in_the_estimate),
    "notebook": Surface("notebook", leaks.on_the_card),
    "report of a failing test": Surface("test report", leaks.shown),
    "report of a failing test as XML": Surface("test report", leaks.shown),
    "spill folder, after (primes)": Surface("spill", leaks.in_the_spill),
    "release file (primes)": Surface("spill", leaks.in_the_header),
    "ledger file (primes)": Surface("spill", leaks.in_the_debit),
    "standard output (primes)": Surface("spill", leaks.in_the_progress),
    "DEBUG log (primes)": Surface("spill", leaks.in_a_log),
    "working folder, after (primes)": Surface("spill", leaks.in_a_file),
    "release file (sketch)": Surface("sketch", sketch_leaks.without_flips),
    "release read back (sketch)": Surface("sketch", sketch_leaks.in_the_header),
    "privacy card (sketch)": Surface("sketch", sketch_leaks.on_the_card),
    "ledger file (sketch)": Surface("sketch", sketch_leaks.in_the_debit),
    "working folder, after (sketch)": Surface("sketch", sketch_leaks.in_a_file),
    "names of files (sketch)": Surface("sketch", sketch_leaks.in_a_name),
    "standard output (sketch)": Surface("sketch", sketch_leaks.on_standard_output),
    "standard error (sketch)": Surface("sketch", sketch_leaks.on_standard_error),
    "DEBUG log (sketch)": Surface("sketch", sketch_leaks.in_a_log),
    "Python warnings (sketch)": Surface("sketch", sketch_leaks.in_a_warning),
    "progress callback (sketch)": Surface("sketch", sketch_leaks.in_the_progress),
    "environments (sketch)": Surface("sketch", sketch_leaks.in_the_environment),
    "plain traceback (sketch)": Surface("sketch", sketch_leaks.in_a_cause),
    "parts of an exception (sketch)": Surface("sketch", sketch_leaks.in_a_cause),
    "traceback with locals (sketch)": Surface("sketch", sketch_leaks.unguarded),
    "IPython verbose traceback (sketch)": Surface("sketch", sketch_leaks.unguarded),
    "objects kept alive (sketch)": Surface("sketch", sketch_leaks.unguarded),
    "prints and logs of a refusal (sketch)": Surface("sketch", sketch_leaks.in_an_error_line),
    "reprs of objects (sketch)": Surface("sketch", sketch_leaks.in_a_repr),
    "dry run (sketch)": Surface("sketch", sketch_leaks.on_the_page),
    "exact bitmap as text (sketch)": Surface("sketch", sketch_leaks.shown),
    "exact bitmap copied (sketch)": Surface("sketch", sketch_leaks.copied),
    "exact bitmap as values (sketch)": Surface("sketch", sketch_leaks.iterated),
}
EMPTY: Final = {
    "working folder, during",
    "working folder, after",
    "temporary folder, during",
    "temporary folder, after",
    "spill folder, after (primes)",
    "working folder, after (primes)",
    "working folder, after (sketch)",
}
"""Surfaces on which nothing at all may stand."""


def make_data(folder: Path) -> None:
    """Write the inquiry and purchases, whole and broken ones."""
    folder.mkdir()
    canaries.inquiry().save(folder / "inquiry.toml")
    canaries.inquiry(privacy={"epsilon": "1"}).save(folder / "dry.toml")  # where nothing is drawn
    pq.write_table(canaries.frame(), folder / "sales.parquet")
    canaries.sketching().save(folder / "sketch.toml")
    pq.write_table(canaries.keyed_frame(), folder / "keyed.parquet")
    (folder / "docket.key").write_bytes(canaries.KEY)
    canaries.primes(folder / "primes.parquet")
    head, who = "id,sku,day,st\n", f"{canaries.ID},{canaries.PRODUCT},2020-03-01"
    rows = f"1,{canaries.PRODUCT},2020-03-01,CA\n{who},{canaries.LEVEL},{canaries.EMAIL}\n"
    (folder / "ragged.csv").write_text(head + rows * 3, encoding="utf-8")
    broken = f"{head}{who},{canaries.EMAIL}".encode() + b"\xff\xfe\n"
    (folder / "mis-encoded.csv").write_bytes(broken)


@dataclass(frozen=True)
class Job:
    """One run in a child, as the product is or with one leak; many surfaces may share it."""

    run: str
    surfaces: tuple[str, ...] = ()

    def start(self, folder: Path) -> tuple[int, Path]:
        """Begin; return the child and where it will put what it found."""
        leaking = self.surfaces[0] if self.surfaces else None
        place = Place(folder / "data", folder / f"{self.run}, {leaking}" / "work", leaking)
        place.work.mkdir(parents=True)
        child = os.fork()
        if not child:
            os._exit(self._done(place))
        return child, place.work.parent / "found"

    def _done(self, place: Place) -> int:
        try:
            os.chdir(place.work)
            if place.leaking is not None:
                SURFACES[place.leaking].leak()
            found = RUNS[self.run](place)
            (place.work.parent / "found").write_bytes(pickle.dumps(self._kept(found)))
        except BaseException:  # noqa: BLE001 -- told to the parent, which fails
            traceback.print_exc()
            return 1
        return 0

    def _kept(self, found: Found) -> Found:
        """What a leak is looked for in; or all, with a run's other traces named after the run."""
        if self.surfaces:
            return {surface: found.get(surface, b"") for surface in self.surfaces}
        own = {name: b"" for name, surface in SURFACES.items() if surface.run == self.run}
        named = {s if s in own else f"{s}, {self.run}": held for s, held in found.items()}
        return own | named


def jobs(runs: list[str]) -> list[Job]:
    """The runs as the product is, and with each leak; a leak onto several surfaces is made once."""
    shared: dict[tuple[str, object], list[str]] = {}
    for name, surface in SURFACES.items():
        shared.setdefault((surface.run, surface.leak), []).append(name)
    planted = [Job(run, tuple(surfaces)) for (run, _), surfaces in shared.items()]
    return [job for run in runs for job in (Job(run), *planted) if job.run == run]


def collect(folder: Path, runs: list[str]) -> tuple[Found, Found]:
    """Return what every surface held as the product is, and with a leak onto that surface."""
    make_data(folder / "data")
    clean: Found = {}
    leaking: Found = {}
    waiting, working = jobs(runs), dict[int, tuple[Job, Path]]()
    while waiting or working:
        while waiting and len(working) < (os.cpu_count() or 1):
            job = waiting.pop(0)
            child, result = job.start(folder)
            working[child] = job, result
        child, status = os.wait()
        job, result = working.pop(child)
        if status:
            raise SystemExit(f"{job}: status {status}")
        found = pickle.loads(result.read_bytes())  # noqa: S301 -- written by our own child
        (leaking if job.surfaces else clean).update(found)
    return clean, leaking


def main() -> None:
    warnings.simplefilter("ignore")
    folder, *runs = sys.argv[1:]
    found = collect(Path(folder), runs or list(RUNS))
    (Path(folder) / "found").write_bytes(pickle.dumps(found))


if __name__ == "__main__":
    main()
