"""Whether intervals cover as often as they say, over simulated releases of fixed truths.

    python benchmarks/coverage.py --releases 10000 --levels 0.9 0.95

In: `--releases` per setting, `--levels`, `--asks` (releases per row of which the whole of `fieller`
and of the bounds on a share is asked; they cannot be asked of all at once), `--seed` (from the
operating system without), `--processes`. Out: a table: setting, question, nominal level, the
method's own coverage (worked out apart, by exact sums of masses or by a bracket), what was measured
of the unrounded interval, the band it must lie in (one false alarm in 10^6 on a side), what was
measured of the reported interval, and what rounding and clipping added, in points; then a summary
by question. Ends with code 1 if anything is outside, or if the library, given some of the releases
as files, answers otherwise than was simulated.
"""

import argparse
import os
import secrets
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import groupby
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # one process per core does better
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import numpy as np

from made.coverage import Setting, contradictions, settings, simulate
from made.coverage_rows import Row, rows

COMPARED = 2
"""Releases per setting that are given to the library whole."""
HEAD = (
    f"{'truth':<14}{'law':<9}{'scales':<17}{'n':>3} {'question':<24}{'level':>6}"
    f"{'exact':>16}{'measured':>9}{'band':>15}{'reported':>9}{'added':>7}"
)


def examined(
    task: tuple[int, Setting], seed: int, releases: int, levels: tuple[float, ...], asks: int
) -> tuple[list[Row], list[str]]:
    """Simulate one setting; its noise hangs on the seed and on the setting's place alone."""
    place, setting = task
    rng = np.random.default_rng([seed, place])
    simulated = simulate(setting, releases, rng, few=COMPARED)
    amiss = [
        f"{setting}: {words}"
        for index, level in zip(range(COMPARED), np.resize(levels, COMPARED), strict=True)
        for words in contradictions(simulated, index, float(level))
    ]
    return list(rows(simulated, levels, asks)), amiss


def line(row: Row) -> str:
    """One row of the table; a dash where nominal is no more than a floor."""
    at = row.setting
    law = str(at.law).removeprefix("discrete-")
    start = f"{at.truth:<14}{law:<9}{at.scales:<17}{at.retailers:>3} {row.what:<24}{row.level:>6}"
    exact, measured, band, added = "-", "-", "-", "-"
    if row.exact:
        low, high = row.exact
        exact = f"{low:.4f}" if high - low < 5e-5 else f"{low:.4f}-{high:.4f}"
        band = "{:.4f}-{:.4f}".format(*row.band)
    if row.measured == row.measured:
        measured = f"{row.measured:.4f}"
        added = f"{100 * (row.reported - row.measured):+.2f}"
    end = f"{exact:>16}{measured:>9}{band:>15}{row.reported:>9.4f}{added:>7}"
    return f"{start}{end}  {', '.join(row.faults).upper()}".rstrip()


def summary(found: Iterable[Row]) -> list[str]:
    """Per question and level, the least and the greatest of each figure."""
    lines = [
        f"{'question':<24}{'level':>6}{'rows':>6}{'exact':>16}{'measured':>16}{'reported':>16}"
    ]

    def order(row: Row) -> tuple[str, float]:
        return row.what, row.level

    for (what, level), group in groupby(sorted(found, key=order), order):
        alike = list(group)
        exact = [end for row in alike for end in row.exact or ()]
        values = exact, [row.measured for row in alike], [row.reported for row in alike]
        ends = "".join(f"{span(each):>16}" for each in values)
        lines.append(f"{what:<24}{level:>6}{len(alike):>6}{ends}")
    return lines


def span(values: list[float]) -> str:
    return f"{min(values):.4f}-{max(values):.4f}" if values and values[0] == values[0] else "-"


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--releases", type=int, default=10_000)
    parser.add_argument("--levels", type=float, nargs="+", default=[0.9, 0.95])
    parser.add_argument("--asks", type=int, default=100)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    given = parser.parse_args()
    seed = secrets.randbits(64) if given.seed is None else given.seed
    print(f"seed {seed}, {given.releases:,} releases per setting\n{HEAD}", flush=True)
    began, found, amiss = time.perf_counter(), [], []
    work = partial(
        examined,
        seed=seed,
        releases=given.releases,
        levels=tuple(given.levels),
        asks=given.asks,
    )
    with ProcessPoolExecutor(given.processes) as pool:
        for new, contradicted in pool.map(work, enumerate(settings()), chunksize=4):
            found += new
            amiss += contradicted
            print(*map(line, new), sep="\n", flush=True)
    outside = [row for row in found if row.faults]
    print("", *summary(found), "", sep="\n")
    print(*amiss, sep="\n", end="\n" if amiss else "")
    print(
        f"{len(found):,} rows, {len(outside)} outside; {len(amiss)} contradictions with the "
        f"library; {time.perf_counter() - began:,.0f} s"
    )
    return 1 if outside or amiss else 0


if __name__ == "__main__":
    raise SystemExit(main())
