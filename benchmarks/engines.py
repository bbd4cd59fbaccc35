"""How long the same count takes on Spark as on DuckDB, on the same files.

    python benchmarks/engines.py --rows 1e6 1e7 1e8 --folder data

A Spark master and two workers of one core each, in processes of their own on this machine, and
DuckDB with two threads count the files of `answer.py` (1,428 cells, a fifth of the rows in scope);
their counts must be the same. Warm: one count before the ones that are timed; medians. Needs the
engines of `make test`.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import ibis
import numpy as np
from answer_data import Sales, made, make
from answer_layouts import LAYOUTS, inquiry, purchases

from dpnotice.retailer import counting

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from made import servers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=float, nargs="+", default=[1e6])
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary, servers.spark(memory="2g") as session:
        folder = (given.folder or Path(temporary)).resolve()
        engines = {"spark": ibis.pyspark.connect(session), "duckdb": ibis.duckdb.connect()}
        print(f"{'rows':>13} {'spark s':>9} {'duckdb s':>9} {'ratio':>6}")
        for rows in sorted(int(rows) for rows in given.rows):
            sales = Sales(folder=folder / f"{rows}-date", rows=rows, date="date")
            if not made(sales):
                make(sales)
            seconds = compared(engines, sales, given.repetitions)
            ratio = seconds["spark"] / seconds["duckdb"]
            print(f"{rows:>13,} {seconds['spark']:>9.2f} {seconds['duckdb']:>9.2f} {ratio:>6.1f}")


def compared(engines: dict[str, Any], sales: Sales, repetitions: int) -> dict[str, float]:
    """Return each engine's median seconds; refuse counts that differ."""
    seconds, counts = {}, {}
    for name, engine in engines.items():
        asked = purchases(LAYOUTS[0], sales, engine)
        timed = [
            timing(lambda asked=asked: counting.count(inquiry(), asked))
            for _ in range(repetitions + 1)
        ]
        seconds[name] = median(spent for spent, _ in timed[1:])
        counts[name] = timed[-1][1]._tables  # noqa: SLF001 -- the benchmark compares exact counts
    for table, exact in counts["duckdb"].items():
        if not np.array_equal(exact, counts["spark"][table]):
            raise SystemExit(f"Spark and DuckDB differ in {table}")
    return seconds


def timing(work: Callable[[], Any]) -> tuple[float, Any]:
    begun = time.perf_counter()
    done = work()
    return time.perf_counter() - begun, done


if __name__ == "__main__":
    main()
