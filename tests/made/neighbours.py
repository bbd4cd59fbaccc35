"""Counts a generated shop, and the same shop with each buyer removed, and says what is broken.

In: a `Setting`, its shops, and the counting to examine (the library's, or one with a planted
fault). Out: cases examined and breaches found. The tables lie in one DuckDB; each query is built
and compiled once per setting, so a case costs milliseconds.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np

from made import shops
from made.bulk import Bulk, Outcome
from made.shops import Setting, Shop


@dataclass
class Findings:
    """Cases examined, breaches by kind, and the smallest shop that shows each."""

    cases: int = 0
    shops: int = 0
    moved: int = 0
    """Cases in which the buyer removed was counted."""
    breaches: Counter[str] = field(default_factory=Counter)
    greatest: dict[str, int] = field(default_factory=dict)
    """Norm -> the greatest distance seen between neighbours."""
    first: dict[str, int] = field(default_factory=dict)
    """Kind -> number of the case in which it was first seen, from 1."""
    example: dict[str, Any] = field(default_factory=dict)

    def measure(self, before: Outcome, after: Outcome) -> None:
        """Keep the greatest distance of each kind."""
        for norm, distance in apart(before, after).items():
            self.greatest[norm] = max(self.greatest.get(norm, 0), distance)

    def note(self, kinds: Iterable[str], at: Setting, shop: Shop, owner: object) -> None:
        """Count the breaches of one comparison."""
        for kind in kinds:
            self.breaches[kind] += 1
            self.first.setdefault(kind, self.cases)
            size = len(shop.rows) + len(shop.listed)
            if kind not in self.example or size < self.example[kind][0]:
                self.example[kind] = (size, at, shop, owner)


# --- what may differ -----------------------------------------------------------------------
def apart(before: Outcome, after: Outcome) -> dict[str, int]:
    """Return the greatest distance over all tables, by norm; shapes and refusals must agree."""
    if isinstance(before, str) or isinstance(after, str):
        return (
            {"refusals": int(before != after)} if type(before) is type(after) else {"refusals": 1}
        )
    if {of: c.shape for of, c in before.items()} != {of: c.shape for of, c in after.items()}:
        return {"shapes": 1}
    changes = [np.abs(before[of] - after[of]).ravel() for of in before]
    return {
        "L0": max(int(np.count_nonzero(change)) for change in changes),
        "L1": max(int(change.sum()) for change in changes),
        "L2 squared": max(int((change**2).sum()) for change in changes),
        "L-infinity": max(int(change.max(initial=0)) for change in changes),
    }


def neighbours(before: Outcome, after: Outcome) -> bool:
    """Tell whether one buyer's rows changed each table by at most one person in one cell."""
    distances = apart(before, after)
    return (
        not (distances.get("shapes") or distances.get("refusals")) and max(distances.values()) <= 1
    )


def same(one: Outcome, other: Outcome) -> bool:
    """Tell whether two outcomes are one."""
    return not any(apart(one, other).values())


# --- one setting, many shops ---------------------------------------------------------------
def examine(
    at: Setting, drawn: Iterable[Shop], found: Findings, module: ModuleType | None = None
) -> Findings:
    """Compare each shop with the rule, itself backwards, and itself without each owner in turn."""
    bulk = Bulk(at, module)
    try:
        for shop in drawn:
            found.shops += 1
            _examine(bulk, shop, found)
    finally:
        bulk.close()
    return found


def _examine(bulk: Bulk, shop: Shop, found: Findings) -> None:
    at, owners = bulk.at, bulk.load(shop)
    decided = shops.cells(at, shop)
    whole = bulk.counts()
    wrong = set() if same(whole, shops.tables(at, decided)) else {"rule"}
    wrong |= set() if same(whole, bulk.backwards()) else {"order"}
    found.note(wrong, at, shop, None)
    for number, owner in enumerate(owners):
        found.cases += 1
        rest = bulk.without(number)
        if isinstance(decided, str):  # guests refuse; nobody else's rows matter
            expected = shops.tables(at, shops.cells(at, shop.without(owner, at.ids)))
        else:
            expected = shops.tables(at, {o: c for o, c in decided.items() if o != owner})
        wrong = set() if same(rest, expected) else {"rule"}
        if owner != shops.GUEST:  # rows without a buyer are nobody's
            found.moved += not same(whole, rest)
            found.measure(whole, rest)
            wrong |= set() if neighbours(whole, rest) else {"neighbours"}
        found.note(wrong, at, shop, owner)
