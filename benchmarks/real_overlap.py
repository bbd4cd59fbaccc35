"""How often intervals cover the true union and pairs of real stores, over repetitions of the noise.

    python benchmarks/real_overlap.py [--repetitions 100] [--epsilons 1 2 4 8] [--planes]

In: The Complete Journey, its stores dealt to 2 to 8 retailers, its households the persons: who
bought where is known. Out: per loss of the sketch and number of retailers, over all categories: the
share of 95 % intervals that hold the true number of persons, and the true pairs; how often there is
a point at all and its mean error; and the bounds of the ladder, which must always hold the truth.
The docket's key and the noise are fresh every time, so no run can be repeated. Sizes are small: 160
to 1,700 buyers at a retailer.
"""

import argparse
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import beta

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from dpnotice.analyst.combine import estimate_class
from dpnotice.datasets import Case, complete_journey
from dpnotice.release import Release
from dpnotice.retailer import sketch
from made.repeated import Taken

CATEGORIES = ("HAIR CARE PRODUCTS", "CANDY - PACKAGED", "SOFT DRINKS", "FLUID MILK PRODUCTS")
RETAILERS = (2, 3, 4, 5, 8)
LEVEL = 0.95
SURE = 0.999


def judged(case: Case, releases: list[Release]) -> Iterator[tuple[str, float]]:
    """Yield what was found: 1 where an interval holds the truth, and errors of points."""
    members, truth = estimate_class(releases), case.truth
    size = members.size(LEVEL)
    yield "union covers", truth["class_size"] in size
    yield "has a point", size.estimate is not None
    yield "width of the union / truth", (size.upper - size.lower) / truth["class_size"]
    if size.estimate is not None:
        yield "error of the union / truth", abs(size.estimate / truth["class_size"] - 1)
    overlap = members.overlap(LEVEL).set_index("retailers")
    for (one, other), both in truth["pairs"].items():
        row = overlap.loc[f"{one} + {other}"]
        yield "pair covers", row["lower"] <= both <= row["upper"]
    for row in members.ladder(LEVEL).to_dict("records"):
        if np.isnan(row["estimate"]):
            yield f"bounds hold: {row['rung']}", row["lower"] <= truth["class_size"] <= row["upper"]


def setting(
    case: Case, epsilons: list[str], keys: list[sketch.DocketKey]
) -> Iterator[tuple[str, str, float]]:
    """Yield loss, quantity and value of every repetition: another key, and fresh noise."""
    assert case.inquiry.sketch is not None
    for key in keys:
        taken = [Taken(case, retailer, key) for retailer in case.retailers]
        for epsilon in epsilons:
            plan = replace(case.inquiry.sketch, epsilon=Decimal(epsilon))
            asked = replace(case.inquiry, sketch=plan)
            for what, value in judged(case, [each.release(asked) for each in taken]):
                yield epsilon, what, float(value)


def least(values: list[float]) -> float:
    """Return the exact lower limit of a share at 99.9 %."""
    hits, number = int(sum(values)), len(values)
    return float(beta.ppf(1 - SURE, hits, number - hits + 1)) if hits else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=100)
    parser.add_argument("--epsilons", nargs="+", default=["1", "2", "4", "8"])
    parser.add_argument("--planes", action="store_true", help="two planes by contact")
    asked = parser.parse_args()
    rows: dict[tuple[str, int], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    with tempfile.TemporaryDirectory() as folder:
        keys = [sketch.DocketKey.create(f"{folder}/{n}.key") for n in range(asked.repetitions)]
        settings = [(category, number) for category in CATEGORIES for number in RETAILERS]
        for place, (category, retailers) in enumerate(settings):
            case = complete_journey(
                f"{folder}/{place}", category=category, retailers=retailers, sketch_epsilon="1"
            )
            if not asked.planes:
                plan = replace(case.inquiry.sketch, planes=())
                case = replace(case, inquiry=replace(case.inquiry, sketch=plan))
            for epsilon, what, value in setting(case, asked.epsilons, keys):
                rows[epsilon, retailers][what].append(value)
            told(category, case)
    table(rows)


def told(category: str, case: Case) -> None:
    buyers: Any = case.truth["buyers"].values()
    print(
        f"{category.lower()}, {len(buyers)} retailers of {min(buyers)} to {max(buyers)} buyers, "
        f"{case.truth['class_size']} persons",
        flush=True,
    )


def table(rows: dict[tuple[str, int], dict[str, list[float]]]) -> None:
    for (epsilon, retailers), found in sorted(rows.items()):
        print(f"\nsketch epsilon {epsilon}, {retailers} retailers")
        for what, values in found.items():
            limit = f" (at least {least(values):.3f})" if "cover" in what or "hold" in what else ""
            print(f"  {what:<52}{np.mean(values):>8.4f}{limit}  n={len(values)}")


if __name__ == "__main__":
    main()
