"""How fast `dpnotice.answer` counts, beside plain SQL and beside other tools, in one run.

    python benchmarks/answer.py --rows 1e6 1e7                          # two minutes
    python benchmarks/answer.py --rows 1e6 1e7 1e8 --folder data --peers all --json answer.json
    python benchmarks/answer.py --rows 1e9 --folder data --repetitions 3 --keys-to 0

DuckDB makes the sales (`answer_data.py`): a fifth of the rows in scope, 1,428 cells, eight rows a
buyer. Measured on each layout, with the same DuckDB settings, in turn in one process after a round
that warms, as medians:

    scan    reads the columns that are needed
    raw     count(distinct buyer) by cell in SQL, as anybody would, without privacy
    native  dpnotice's way of counting, in SQL by hand
    exact   dpnotice's own expression on a warm engine, without noise and ledger
    answer  `dpnotice.answer` whole: a new DuckDB, the files opened, noise, ledger. On the layout
            with enforced keys it is handed the warm engine's tables, as its user would do.

Exact counts of the queries must agree, and the answer must lie within its noise of them. Beside
seconds by the clock stand those of all cores, which suffer less from others on the machine. Peaks
of memory are those of fresh processes that do one thing once. Peers (`--peers`) run one at a time
in fresh processes of their own environments, which pip makes from `peers/*.txt` (3.5 GB); their
seconds leave out imports and the start of an engine. Linux only; Tumult Analytics needs Java 8, 11
or 17.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, Final

import answer_tables as tables
import numpy as np
from answer_data import Sales, load_with_keys, made, make
from answer_layouts import LAYOUTS, Cells, Opened, opened, settled
from answer_peers import PEERS, Terms, asked, run
from answer_timing import interleaved, watched

_ALONE: Final = Path(__file__).with_name("answer_alone.py")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=float, nargs="+", default=[1e6])
    parser.add_argument("--repetitions", type=int, default=7)
    parser.add_argument("--date", choices=["date", "timestamp"], default="date")
    parser.add_argument("--folder", type=Path, help="keeps the data; temporary without")
    parser.add_argument(
        "--keys-to", type=float, default=1e7, help="most rows to load with keys enforced"
    )
    parser.add_argument("--peers", nargs="*", default=[], help=f"all, or of {', '.join(PEERS)}")
    parser.add_argument("--peers-to", type=float, default=1e8, help="most rows to ask peers about")
    parser.add_argument("--peer-repetitions", type=int, default=1)
    parser.add_argument("--peer-timeout", type=float, default=1800, help="seconds for one run")
    parser.add_argument("--peer-memory", type=float, default=18, help="GB for one run")
    parser.add_argument("--peer-python", default=sys.executable, help="3.11 suits all")
    parser.add_argument("--environments", type=Path, default=Path("benchmark-environments"))
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    given.peers = list(PEERS) if given.peers == ["all"] else given.peers
    unknown = [peer for peer in given.peers if peer not in PEERS]
    if unknown:
        parser.error(f"no such peer: {', '.join(unknown)}; there are {', '.join(PEERS)}")
    return given


def main() -> None:
    given = arguments()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (given.folder or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        found: dict[str, Any] = {"machine": machine(), "sizes": []}
        for rows in sorted(int(rows) for rows in given.rows):
            sales = Sales(folder=folder / f"{rows}-{given.date}", rows=rows, date=given.date)
            found["sizes"].append(one_size(given, sales))
            keep(given, found)
    found["growth"] = tables.growth(found["sizes"])
    keep(given, found)
    print(tables.growth_table(found["growth"]))


def keep(given: argparse.Namespace, found: dict[str, Any]) -> None:
    """Write what is known so far: the last size may take an hour."""
    if given.json:
        given.json.write_text(json.dumps(found, indent=1), encoding="utf-8")


def machine() -> dict[str, Any]:
    packages = ("dpnotice", "duckdb", "ibis-framework", "opendp")
    return {"cores": os.cpu_count()} | {name: installed(name) for name in packages}


def installed(package: str) -> str:
    try:
        return version(package)
    except ImportError:  # a source tree on the path
        return "not installed"


def one_size(given: argparse.Namespace, sales: Sales) -> dict[str, Any]:
    """Measure everything at one number of rows and print its tables."""
    keyed = sales.rows <= given.keys_to
    size: dict[str, Any] = {"rows": sales.rows, "made_s": prepared(sales, keyed=keyed)}
    size["start_mb"] = peak("start", LAYOUTS[0], sales)
    size["layouts"] = {}
    ready: dict[str, Opened] = {}
    for layout in LAYOUTS if keyed else LAYOUTS[:2]:
        with opened(layout, sales, sales.folder) as ready[layout]:
            clocked = interleaved(ready[layout].timed, given.repetitions)
        size["layouts"][layout] = {
            "seconds": {what: each.wall for what, each in clocked.items()},
            "median_s": {what: median(each.wall) for what, each in clocked.items()},
            "cpu_s": {what: median(each.cpu) for what, each in clocked.items()},
            "peak_mb": {what: peak(what, layout, sales) for what in ("raw", "answer")},
        }
        print(tables.layout_table(sales.rows, layout, size), flush=True)
    if given.peers and sales.rows <= given.peers_to:
        size["own"] = own(size, ready[LAYOUTS[0]])
        size["peers"] = beside(given, sales, ready[LAYOUTS[0]].exact)
        print(tables.peers_table(size), flush=True)
    return size


def own(size: dict[str, Any], ready: Opened) -> dict[str, Any]:
    """Describe dpnotice's own answers as a peer's is described."""
    noise = np.array(ready.noise)[:, settled()]
    held = size["layouts"][LAYOUTS[0]]
    return {
        "seconds": held["median_s"]["answer"],
        "peak_mb": held["peak_mb"]["answer"],
        "rmse": float(np.sqrt((noise**2).mean())),
        "bias": float(noise.mean()),
        "notes": f"{len(noise)} answers",
    }


def prepared(sales: Sales, *, keyed: bool) -> dict[str, float]:
    """Make the files that are not there yet and return the seconds it took."""
    steps = {"parquet": (make, made(sales))}
    if keyed:
        steps["keys"] = (load_with_keys, made(sales) and Path(sales.database).is_file())
    seconds = {}
    for name, (step, there) in steps.items():
        begun = time.perf_counter()
        if not there:
            step(sales)
            seconds[name] = time.perf_counter() - begun
    return seconds


def peak(what: str, layout: str, sales: Sales) -> float:
    """Return the most memory, in MB, of a fresh process that does one thing once."""
    files = {"folder": str(sales.folder), "rows": sales.rows, "date": sales.date}
    order = json.dumps({"what": what, "layout": layout, "sales": files})
    done = watched([sys.executable, str(_ALONE), order], environ=os.environ)
    if done.code:
        raise SystemExit(f"{what} alone failed: {done.errors}")
    return done.peak_mb


def beside(given: argparse.Namespace, sales: Sales, exact: Cells) -> list[dict[str, Any]]:
    """Ask every peer, one after another, and give up repeating one that fails."""
    question = asked(sales, exact)
    terms = Terms(
        environments=given.environments.resolve(),
        python=given.peer_python,
        seconds=given.peer_timeout,
        gigabytes=given.peer_memory,
    )
    answers = []
    for peer in given.peers:
        for _repetition in range(given.peer_repetitions):
            answers.append(run(peer, question, terms))
            if "failed" in answers[-1]:
                break
    return answers


if __name__ == "__main__":
    main()
