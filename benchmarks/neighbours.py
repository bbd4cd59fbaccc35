"""Whether one buyer ever changes a count by more than one: generated shops, each buyer removed.

In: `--cases` (100,000 without), `--whole` (cases through the whole `count`, in every form of
source), `--blocks` (per planted fault) and `--seed` (from the operating system without). Out: a
table of cases and breaches, the smallest shop that shows each breach, and a table of the planted
faults with how often each is seen. Ends with code 1 on a breach, or on a fault never seen.
"""

import argparse
import math
import secrets
import sys
import tempfile
import time
from pathlib import Path
from random import Random
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from dpnotice.errors import PurchasesError
from dpnotice.retailer import counting
from made import shops, sources
from made.neighbours import Findings, examine, neighbours, same
from made.planted import FAULTS, Fault

SHOPS_PER_SETTING = 25
SHOPS_PER_BLOCK = 4
ESCAPE = 1e-6


def bulk(random: Random, cases: int) -> Findings:
    """Compare shops of random settings with themselves less each buyer."""
    found = Findings()
    while found.cases < cases:
        at = shops.setting(random)
        examine(at, (shops.shop(random, at) for _ in range(SHOPS_PER_SETTING)), found)
        print(
            f"\r{found.cases:,} cases, {dict(found.breaches)} ", end="", file=sys.stderr, flush=True
        )
    return found


def counted(purchases: Any, at: shops.Setting) -> Any:
    """Go through the whole of `count`."""
    try:
        return dict(counting.count(at.inquiry, purchases)._tables)  # noqa: SLF001 -- a test of the counts
    except PurchasesError as refusal:
        return refusal.code


def whole(random: Random, cases: int) -> Findings:
    """Compare two whole counts of one form of source, taken in turn."""
    found, forms = Findings(), [*sources.FORMS, sources.TABLE]
    while found.cases < cases:
        at = shops.setting(random)
        shop = sources.plain(at, shops.shop(random, at))
        form = forms[found.cases % len(forms)]
        owners = [owner for owner in shop.owners(at.ids) if owner != shops.GUEST]
        if not owners or not sources.fits(form, at):
            forms = forms[1:] + forms[:1]
            continue
        owner = random.choice(owners)
        rest = shop.without(owner, at.ids)
        outcomes = []
        for each in (shop, rest):
            with tempfile.TemporaryDirectory() as folder:
                outcomes.append(counted(sources.purchases(form, at, each, Path(folder)), at))
        expected = [shops.tables(at, shops.cells(at, each)) for each in (shop, rest)]
        found.cases, found.shops = found.cases + 1, found.shops + 1
        found.moved += not same(*outcomes)
        found.measure(*outcomes)
        right = all(same(*pair) for pair in zip(outcomes, expected, strict=True))
        wrong = {form + ": rule"} if not right else set()
        wrong |= set() if neighbours(*outcomes) else {form + ": neighbours"}
        found.note(wrong, at, shop, owner)
    return found


def block(random: Random, fault: Fault, module: Any) -> Findings:
    """Examine a few shops of one setting in which the fault's words matter."""
    at = shops.setting(random)
    while not fault.where(at):
        at = shops.setting(random)
    return examine(at, [shops.shop(random, at) for _ in range(SHOPS_PER_BLOCK)], Findings(), module)


def faults(random: Random, blocks: int) -> bool:
    """Print how often each fault is seen, by the check that has to see it."""
    print(f"\n{'planted fault':<42}{'seen by':<12}{'blocks':>8}{'cases':>8}{'for 1e-6':>10}")
    complete = True
    for name, fault in FAULTS.items():
        module = fault.planted()
        drawn = [block(random, fault, module) for _ in range(blocks)]
        share = sum(fault.seen_by in each.breaches for each in drawn) / blocks
        seen = sum(each.breaches[fault.seen_by] for each in drawn)
        cases = sum(each.cases for each in drawn)
        needed = (
            1 if share == 1 else math.inf if share == 0 else math.log(ESCAPE) / math.log(1 - share)
        )
        print(
            f"{name:<42}{fault.seen_by:<12}{share:>8.2f}{seen / cases:>8.3f}{needed:>10.0f}",
            flush=True,
        )
        complete &= share > 0
    return complete


def told(what: str, found: Findings, seconds: float) -> bool:
    """Print one row, and the smallest shop of each breach."""
    breaches = dict(found.breaches) or "no breach"
    moved = found.moved / max(found.cases, 1)
    print(
        f"{what:<8}{found.cases:>9,} cases of {found.shops:,} shops, {moved:.0%} counted,"
        f" {seconds:,.0f} s: {breaches}; greatest distance {found.greatest}",
        flush=True,
    )
    for kind, (_, at, shop, owner) in found.example.items():
        print(f"  {kind}: without {owner}: {shop}\n    in {at}")
    return not found.breaches


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--whole", type=int, default=500)
    parser.add_argument("--blocks", type=int, default=40)
    parser.add_argument("--seed", type=int, default=secrets.randbits(64))
    asked = parser.parse_args()
    print(f"seed {asked.seed}", flush=True)
    sound = True
    for what, run, number in [("bulk", bulk, asked.cases), ("whole", whole, asked.whole)]:
        began = time.perf_counter()
        found = run(Random(f"{what} {asked.seed}"), number)  # noqa: S311 -- for data, not for noise
        sound &= told(what, found, time.perf_counter() - began)
    drawn = Random(f"faults {asked.seed}")  # noqa: S311 -- for data, not for noise
    return 0 if faults(drawn, asked.blocks) and sound else 1


if __name__ == "__main__":
    raise SystemExit(main())
