"""Whether the draws of reach say what they mean, over the whole chain from release to reach.

In: `--replications` (10,000 without), `--faults` for those with planted faults (1,000), and
`--only` for some scenarios. Out: per scenario, where the realised reach of simulated worlds ranks
among 199 draws: chi-square over 20 bins, the root mean squared deviation of ranks from even ones
beside that of chance, their mean and spread, and coverage; per planted fault the replications from
which it shows. Simulation-based calibration: Talts et al. 2018, arXiv 1804.06788.
"""

import argparse
import math
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from functools import partial
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # one process per core does better
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import numpy as np

from made.calibrated import SCENARIOS
from made.calibration_ranks import DRAWS, FAULTS, chance_of, deviation, histogram, rank

FALSE_ALARM = 1e-6
"""Chance that a right library fails, over all scenarios together."""
STEP = 20
HEAD = (
    f"{'':<32}{'worlds':>7}{'chance':>10}{'deviation':>11}{'by chance':>11}{'mean':>7}{'spread':>8}"
    f"{'50 %':>7}{'90 %':>7}{'95 %':>7}"
)


def ranks_of(pool: Executor, worlds: int, *, scenario: str, fault: str = "") -> list[int]:
    """Rank worlds on all processes."""
    work = partial(rank, scenario, fault=fault)
    return list(pool.map(work, range(worlds), chunksize=STEP))


def covered(ranks: Sequence[int], level: float) -> float:
    """Share of worlds in the central interval of the draws."""
    tail = round((DRAWS + 1) * (1 - level) / 2)
    return float(np.mean((np.asarray(ranks) >= tail) & (np.asarray(ranks) < DRAWS + 1 - tail)))


def line(name: str, ranks: Sequence[int]) -> str:
    """One row: the mean in standard errors, the spread over that of uniform ranks."""
    worlds, sd = len(ranks), math.sqrt(((DRAWS + 1) ** 2 - 1) / 12)
    mean = (np.mean(ranks) - DRAWS / 2) / sd * math.sqrt(worlds)
    return (
        f"{name:<32}{worlds:>7,}{chance_of(ranks):>10.2g}{deviation(ranks):>11.2%}"
        f"{math.sqrt(1 / 6 / worlds):>11.2%}{mean:>+7.1f}{np.std(ranks) / sd:>8.3f}"
        + "".join(f"{covered(ranks, level):>7.3f}" for level in (0.5, 0.9, 0.95))
    )


def shows_from(ranks: Sequence[int]) -> int | None:
    """Worlds from which on a fault shows, in twenties; None where it does not in the end."""
    numbers = range(STEP, len(ranks) + 1, STEP)
    hidden = [number for number in numbers if chance_of(ranks[:number]) >= FALSE_ALARM]
    first = max(hidden, default=0) + STEP
    return first if first <= len(ranks) else None


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--replications", type=int, default=10_000)
    parser.add_argument("--faults", type=int, default=1_000)
    parser.add_argument("--only", nargs="+", default=list(SCENARIOS), choices=list(SCENARIOS))
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    given = parser.parse_args()
    least = FALSE_ALARM / len(SCENARIOS)
    began, amiss = time.perf_counter(), []
    print(f"chance: of a histogram as uneven; below {least:.1g} the ranks are not uniform\n{HEAD}")
    with ProcessPoolExecutor(given.processes) as pool:
        for scenario in given.only if given.replications else ():
            ranks = ranks_of(pool, given.replications, scenario=scenario)
            print(line(scenario, ranks), *histogram(ranks), flush=True)
            amiss += [scenario] * (chance_of(ranks) < least)
        for fault, (scenario, _) in FAULTS.items() if given.faults else ():
            if scenario in given.only:
                ranks = ranks_of(pool, given.faults, scenario=scenario, fault=fault)
                first = shows_from(ranks)
                told = f"shows from {first:,} on" if first else "DOES NOT SHOW"
                print(f"{line(fault, ranks)}  {told} ({scenario})", flush=True)
                amiss += [fault] * (first is None)
    print(f"{len(amiss)} amiss: {', '.join(amiss) or '-'}; {time.perf_counter() - began:,.0f} s")
    return 1 if amiss else 0


if __name__ == "__main__":
    raise SystemExit(main())
