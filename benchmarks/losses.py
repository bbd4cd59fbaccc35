"""Whether noise ever costs more than its inquiry declares: generated inquiries, OpenDP asked again.

In: `--cases` (100,000 without) and `--seed` (from the operating system without). Out: a table of
cases, breaches of each rule, and how much of the declared loss the noise uses at least and at most;
the first inquiry that shows a breach. Ends with code 1 on a breach. About 25 ms a case.

    python benchmarks/losses.py --cases 100000
"""

import argparse
import json
import secrets
import sys
import time
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from made.losses import Findings, examine

STEP = 1_000


def run(random: Random, cases: int) -> Findings:
    """Examine inquiries, and say on the screen how far it has come."""
    found = Findings()
    while found.cases < cases:
        examine(random, found)
        if found.cases % STEP == 0:
            print(f"\r{found.cases:,} cases", end="", file=sys.stderr, flush=True)
    return found


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=secrets.randbits(64))
    given = parser.parse_args()
    print(f"seed {given.seed}", flush=True)
    began = time.perf_counter()
    found = run(Random(given.seed), given.cases)  # noqa: S311 -- for questions, not for noise
    rows = {
        "inquiries": f"{found.cases:,}",
        "tables": f"{found.tables:,}",
        "refused, as their scales are no noise": f"{found.refused:,}",
        "breaches": f"{found.breaches.total():,}",
        "declared loss left unused, at least": f"{float(1 - found.most):.1e}",
        "declared loss left unused, at most": f"{float(1 - found.least):.1e}",
        "seconds": f"{time.perf_counter() - began:,.0f}",
    }
    print(file=sys.stderr)
    for what, figure in rows.items():
        print(f"{what:<40}{figure:>12}")
    for breach, times in found.breaches.items():
        print(f"{breach}: {times:,}, first in {json.dumps(found.example[breach])}")
    return 1 if found.breaches else 0


if __name__ == "__main__":
    raise SystemExit(main())
