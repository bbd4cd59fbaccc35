"""Generated retailers whose buyers have person keys, and the exact bitmap by plain Python.

In: a source of randomness. Out: an `Asked` (the question and which table holds what), a `Shop` of
few buyers with several rows and keys each, and what must be counted and set. The rule is written
anew here, row by row, on the standard library's `hmac`.
"""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

import numpy as np
import pyarrow as pa

from dpnotice.inquiry import Inquiry
from dpnotice.retailer.keys import normalised
from dpnotice.retailer.purchases import Buyers, Purchases
from made.releases import matter

Row = tuple[Any, ...]
KEY: Final = bytes(range(7, 39))
AXES: Final = {
    "state": ["CA", "NY"],
    "age": ["young", "old"],
    "contact": ["email+post", "email", "post"],
}
SALES: Final = ("id", "sku", "day")
START, END = date(2020, 1, 1), date(2021, 1, 1)
IN_PERIOD: Final = (START, date(2020, 6, 1), date(2020, 6, 2), END - timedelta(1))
DAYS: Final = (*IN_PERIOD, *IN_PERIOD, *IN_PERIOD, START - timedelta(1), END, None)
SKUS: Final = (*["p"] * 16, "q", "P", "", None)
OFF_LIST: Final = ("TX", "unknown", "", " CA", None)
BLANKS: Final = " \t\n\v\f\r"
EMAILS: Final = (
    *("ann@x.org", "Ann@X.org ", "\tann@x.org.", "ann@y.org", "bob@x.org", "b.o.b@gmail.com"),
    *("bob+shop@googlemail.com", "bob@gmail.com", "carl+a@outlook.com", "carl@outlook.com"),
    *("\u00e4nne@x.org", "\u00c4NNE@x.org", "ann@m\u00fcnchen.de", "ann@xn--mnchen-3ya.de"),
    *("\uff41nn@x.org", "\u212aim@x.org", "kim@x.org", "\U0001f600@x.org", "info@x.org"),
    *("no address", "ann@", "@x.org", "ann@x@x.org", "", "  ", "\u00a0", "zoe@x.org", "z" * 300),
    *("a@privaterelay.appleid.com", "~@x.org", None, None),
)
IDS: Final = ("7", "007", " 7", "a", "A", "\u00e4", "a\u0308", "", " \v", "\u00a0", "x" * 400, None)
POOLS: Final[dict[str, Sequence[str | None]]] = {"email": EMAILS, "id": IDS}
BLOCKS: Final[dict[str, tuple[int, ...]]] = {"state": (1, 2_000, 1_000), "age": (900, 1, 3_000)}
PLANES: Final = (
    {"email": ["email+post", "email"], "other": ["post"]},
    {"post": ["post"], "email": ["email", "unknown"], "both": ["email+post"]},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The question, and which of its axes (and the person key) the buyers table holds."""

    inquiry: Inquiry
    far: tuple[str, ...] = ()
    person_far: bool = False

    @property
    def near(self) -> tuple[str, ...]:
        """Axes held with the purchases."""
        return tuple(name for name in self.inquiry.axes if name not in self.far)

    @property
    def columns(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Columns of the purchases, and of the buyers table (none: no such table)."""
        near = (*SALES, *self.near, *(() if self.person_far else ("person",)))
        far = (*self.far, *(("person",) if self.person_far else ()))
        return near, ("id", *far) if far else ()


@dataclass(frozen=True, slots=True)
class Shop:
    """Rows of the purchases and of the buyers table, in the order of `Asked.columns`."""

    rows: list[Row]
    listed: list[Row]

    def without(self, buyer: str) -> "Shop":
        """Remove a buyer with all of their rows."""
        return Shop(
            *([row for row in rows if row[0] != buyer] for rows in (self.rows, self.listed))
        )

    @property
    def buyers(self) -> list[str]:
        """Everybody who has a row."""
        return sorted({row[0] for row in (*self.rows, *self.listed) if row[0] is not None})


# --- what is generated ---------------------------------------------------------------------
def asking(**section: Any) -> Inquiry:
    """Ask for three axes and a sketch."""
    plain = {"epsilon": "1", "key": "email", "expected_buyers": 700}
    tables = [{"of": []}, {"of": ["state", "age", "contact"]}]
    return matter(axes=AXES, tables=tables, sketch=plain | section)


def asked(random: Any) -> Asked:
    """Draw a question: blocks, planes and kinds of key in all combinations, as are tables."""
    block, planes = random.choice([None, *BLOCKS]), random.choice([None, *PLANES])
    section = {"key": random.choice(["email", "email", "id"])}
    if block is not None:
        section |= {"blocks": block, "expected_by": list(BLOCKS[block])}
    if planes is not None:
        section |= {"planes": planes}
    far = tuple(name for name in AXES if random.random() < 0.4) if random.random() < 0.6 else ()
    return Asked(inquiry=asking(**section), far=far, person_far=random.random() < 0.4)


def shop(random: Any, at: Asked, buyers: int = 8) -> Shop:
    """Draw few buyers with up to four rows each, who share few days, levels and keys."""
    assert at.inquiry.sketch is not None
    pools: dict[str, Sequence[Any]] = {"sku": SKUS, "day": random.sample(DAYS, 4)}
    pools |= {name: [*levels, *levels, *OFF_LIST] for name, levels in AXES.items()}
    keys = POOLS[at.inquiry.sketch.key]
    pools["person"] = random.sample(keys, random.choice([4, 8, min(15, len(keys))]))
    near, far = at.columns
    people = [f"b{n}" for n in range(random.randrange(2, buyers + 1))]
    rows = _rows(random, [*people, None], near, pools, [1, 2, 3, 4, 5])
    listed = _rows(random, [*people, "stranger"], far, pools, [0, 1, 2, 2, 3]) if far else []
    return Shop(rows, listed)


def _rows(random: Any, people: Sequence[Any], names: Any, pools: Any, times: Any) -> list[Row]:
    rows = [
        (who, *(random.choice(pools[name]) for name in names[1:]))
        for who in people
        for _ in range(random.choice(times))
    ]
    random.shuffle(rows)
    return rows


# --- as sources ----------------------------------------------------------------------------
def tables(at: Asked, held: Shop) -> tuple[pa.Table, pa.Table | None]:
    """Return both tables, columns in the order of `Asked.columns`."""
    near, far = at.columns
    return _table(near, held.rows), _table(far, held.listed) if far else None


def _table(names: Sequence[str], rows: Sequence[Row]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [()] * len(names)
    kinds = [pa.date32() if name == "day" else pa.string() for name in names]
    arrays = [pa.array(values, kind) for values, kind in zip(columns, kinds, strict=True)]
    return pa.table(dict(zip(names, arrays, strict=True)))


def mapped(at: Asked, sales: Any, listed: Any = None) -> Purchases:
    """Say what the columns mean; both sources are of one kind."""
    person = "person"
    buyers = None
    if at.columns[1]:
        far = {name: name for name in at.far}
        buyers = Buyers(listed, buyer="id", axes=far, person=person if at.person_far else None)
    return Purchases(
        sales,
        buyer="id",
        product="sku",
        date="day",
        axes={name: name for name in at.near},
        person=None if at.person_far else person,
        buyers=buyers,
    )


def purchases(at: Asked, held: Shop) -> Purchases:
    """Hand a shop over as Arrow tables."""
    return mapped(at, *tables(at, held))


# --- the rule ------------------------------------------------------------------------------
def decided(at: Asked, held: Shop) -> dict[str, tuple[tuple[int, ...], str | None]]:
    """Return buyer -> level of each axis in the inquiry's order, and the key as it is hashed."""
    near, far = at.columns
    latest: dict[str, tuple[int, list[int]]] = {}
    keys: dict[str, list[str]] = {}
    for row in held.rows:
        who, sku, day, *rest = row
        if who is None or sku != "p" or day is None or not START <= day < END:
            continue
        said = dict(zip(near[3:], rest, strict=True))
        rank = (-day.toordinal(), _levels(at.near, said))
        latest[who] = min(latest.get(who, rank), rank)
        keys.setdefault(who, []).append(said.get("person") or "")
    about: dict[str, list[int]] = {}
    for who, *rest in held.listed:
        said = dict(zip(far[1:], rest, strict=True))
        levels = _levels(at.far, said)
        about[who] = min(about.get(who, levels), levels)
        if at.person_far:
            keys.setdefault(who, []).append(said.get("person") or "")
    found = {}
    for who, (_, levels) in latest.items():
        known = dict(zip(at.near, levels, strict=True))
        known |= dict(zip(at.far, about.get(who, [len(AXES[n]) for n in at.far]), strict=True))
        assert at.inquiry.sketch is not None
        own = sorted((k for k in keys.get(who, []) if k.strip(BLANKS)), key=str.encode)
        key = normalised(own[0], at.inquiry.sketch.rule) if own else None
        found[who] = (tuple(known[name] for name in at.inquiry.axes), key)
    return found


def _levels(names: Sequence[str], said: dict[str, Any]) -> list[int]:
    return [AXES[n].index(said[n]) if said[n] in AXES[n] else len(AXES[n]) for n in names]


def place(at: Inquiry, levels: tuple[int, ...], text: str, key: bytes = KEY) -> int:
    """Return the one bit, of all maps together, that a buyer with a key sets."""
    plan = at.sketch
    assert plan is not None
    said = {name: at.axes[name].levels[n] for name, n in zip(at.axes, levels, strict=True)}
    digest = hmac.digest(key, plan.rule.encode() + b"\0" + text.encode(), "sha256")
    block = 0 if plan.blocks is None else plan.blocks.levels.index(said[plan.blocks.name])
    plane = (
        [said["contact"] in part.levels for part in plan.planes].index(True) if plan.planes else 0
    )
    first = 0
    for size in plan.log2_bits[:block]:
        first += max(1, len(plan.planes)) * 2**size
    size = plan.log2_bits[block]
    top = int(f"{int.from_bytes(digest, 'big'):0256b}"[:size], 2)
    return first + plane * 2**size + top


def bits(at: Asked, held: Shop, key: bytes = KEY) -> list[int]:
    """Return the numbers of all bits that a shop sets."""
    found = decided(at, held).values()
    return sorted({place(at.inquiry, levels, text, key) for levels, text in found if text})


def counts(at: Asked, held: Shop) -> dict[tuple[str, ...], Any]:
    """Return the exact counts of every table."""
    axes = [*at.inquiry.axes, "keyed"]
    exact = {of: np.zeros(at.inquiry.shape(of), np.int64) for of in at.inquiry.tables}
    for levels, text in decided(at, held).values():
        where = dict(zip(axes, (*levels, 0 if text else 1), strict=True))
        for of, table in exact.items():
            table[tuple(where[name] for name in of)] += 1
    return exact
