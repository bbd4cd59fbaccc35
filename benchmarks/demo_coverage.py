"""How often the demo's intervals cover the truth, over repetitions of its noise.

In: `--repetitions` (200 without), and `--class-only` to leave the plans out. Out: a table per
retailer for class size and share with a postal address, and for all four the bounds on both and
the reach of the plans. The docket's key and the noise are fresh every time.
"""

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
from scipy.stats import binom

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from dpnotice.analyst.combine import estimate_class
from dpnotice.analyst.compare import compare
from dpnotice.datasets import Case, complete_journey
from dpnotice.demo.displays import duplications, vehicles
from dpnotice.demo.findings import class_findings, reach_findings
from dpnotice.demo.steps import SKETCH, WEEKS, plans, visited
from dpnotice.release import Release
from dpnotice.retailer.sketch import DocketKey
from made.repeated import Taken

FALSE_ALARM = 1e-6


def answers(case: Case, key: DocketKey) -> tuple[Release, ...]:
    """Return a repetition: another key, and fresh noise."""
    return tuple(Taken(case, retailer, key).release(case.inquiry) for retailer in case.retailers)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=200)
    parser.add_argument("--class-only", action="store_true")
    asked = parser.parse_args()
    repetitions = asked.repetitions
    with tempfile.TemporaryDirectory() as folder:
        case = complete_journey(folder, sketch_epsilon=SKETCH)
        repeated = [answers(case, DocketKey.create(f"{folder}/{n}")) for n in range(repetitions)]
    before, during = visited(case)
    contact = np.array(list(case.truth["households"].values()))
    proposed = plans(case, vehicles(before, contact, len(WEEKS)), duplications(before))
    covered: Counter[tuple[str, str]] = Counter()
    for releases in repeated:
        members = estimate_class(releases)
        findings = [*class_findings(case, releases, members)]
        if not asked.class_only:
            findings += reach_findings(compare(proposed, members, draws=2_000), during, contact)
        covered.update({(f.what, f.of): int(f.covers) for f in findings})
    floor = binom.ppf(FALSE_ALARM, repetitions, 0.95) / repetitions
    print(f"{repetitions} repetitions; a rate below {floor:.3f} has a chance of {FALSE_ALARM:g}")
    for (what, of), number in covered.items():
        rate = number / repetitions
        print(f"{what:<32}{of:<22}{rate:>7.3f}  {'ok' if rate >= floor else 'TOO LOW'}")


if __name__ == "__main__":
    main()
