"""Generated retailers, and the rule of one cell per buyer in plain Python.

In: a source of randomness. Out: a `Setting` (what is asked, how the columns are typed and where
they are held), a `Shop` (rows of purchases and of the buyers table), and what must be counted.
The rule is written anew here, row by row, and shares nothing with the library but the inquiry.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from dpnotice.inquiry import Inquiry
from made.releases import matter

Row = tuple[Any, ...]
Counts = dict[tuple[str, ...], Any]
GUEST = "guest"
"""Stands for the rows without a buyer; no id is spelt as two words in quotes and this one."""

SECOND, HOUR, DAY = 10**6, 3_600 * 10**6, 86_400 * 10**6
BLANKS = " \t\n\r\v\f"
BIG = 2**63 - 1
AXES: dict[str, tuple[list[str], str]] = {
    "state": (["CA", "NY"], "VARCHAR"),
    "age": (["young", "old"], "VARCHAR"),
    "size": (["1", "2", "-5"], "BIGINT"),
    "member": (["true", "false"], "BOOLEAN"),
    "county": ([f"c{i}" for i in range(40)], "VARCHAR"),
}
OFF_LIST: dict[str, list[Any]] = {
    "VARCHAR": ["TX", "unknown", "", " CA", "ca", "-5", None, None],
    "BIGINT": [0, 7, BIG, -BIG - 1, None],
    "BOOLEAN": [None],
}
IDS: dict[str, list[list[Any]]] = {
    "VARCHAR": [
        ["a", "A", "b", "ann@x.com", "a b", "null", "o'; --", "unknown", "%", "\x00"],
        ["007", "7", "-7", "1e3", "0x7", "7.0"],
        ["\u00c4", "\u00e4", "\u0130", "\u0131", "i", "I", "\u00e9", "e\u0301", "\u1e9e", "\u00df"],
        ["\u00a0", "\u00a0a", "\u3000", "\ufeffa", "\u200b", "a"],
        ["long-common-prefix-1", "long-common-prefix-2", "x" * 300, "x" * 301, "\U0001f600"],
    ],
    "BIGINT": [
        [-1, 0, 1, 7, -7, 2**31, -(2**31), 2**32 + 7],
        [2**53, 2**53 + 1, -(2**53) - 1, -(2**53)],
        [2**62, 2**62 + 1, BIG, BIG - 1, -BIG - 1, -BIG],
    ],
    "INTEGER": [[-1, 0, 1, 7, -7], [2**24 + 1, 2**24, 2**31 - 1, -(2**31)]],
    "UBIGINT": [[0, 1, 7, 2**31], [2**53, 2**53 + 1, BIG, 2**63, 2**64 - 1, 2**64 - 2]],
    "UUID": [
        [f"{i:08x}-0000-4000-8000-{j:012x}" for i in (0, 1, 2**32 - 1) for j in (0, 1, 2**48 - 1)]
    ],
}
"""Ids of each type, in families of those that a careless engine could take for one another."""
NO_ID: dict[str, list[Any]] = {"VARCHAR": [None, "", " ", "\t\n", " \v\f\r"]}
SKUS: dict[str, tuple[list[Any], list[Any]]] = {
    "VARCHAR": (["p", "q", "42", "007", "p" * 40], ["P", "p ", "7", "042", "other", "", None]),
    "BIGINT": ([42, -5, BIG, -BIG - 1], [7, 43, 5, 0, 2**62, None]),
}
LISTED = ["p", "q", "42", "007", "p" * 40, "-5", str(BIG), str(-BIG - 1), "+7", "05"]
PERIODS = [
    ("UTC", "2020-01-01", "2021-01-01"),
    ("America/New_York", "2020-03-08", "2020-03-09"),
    ("America/New_York", "2010-01-01", "2020-01-01"),
    ("Asia/Kathmandu", "1965-01-01", "1972-01-01"),
    ("Pacific/Kiritimati", "2019-12-01", "2020-01-01"),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What is asked, how the columns are typed, and which table holds which axes."""

    inquiry: Inquiry
    ids: str
    kinds: dict[str, str]
    """Column of the purchases (id, sku, day and axes) -> type of the engine."""
    listed: dict[str, str]
    """Column of the buyers table (id and axes) -> type of the engine; empty without the table."""
    timezone: str | None
    on_null_id: str = "drop"
    collated: bool = True
    """Whether texts are compared byte by byte, as where columns may have collations."""
    enforced: bool = False
    """Whether the engine holds the ids of the buyers table unique, and each purchase's in it."""

    @property
    def axes(self) -> tuple[list[str], list[str]]:
        """Axes held with the purchases, and in the buyers table."""
        return [n for n in self.kinds if n in AXES], [n for n in self.listed if n in AXES]


@dataclass(frozen=True, slots=True)
class Shop:
    """Rows of the purchases and of the buyers table, in the order of the setting's columns."""

    rows: list[Row]
    listed: list[Row]

    def without(self, owner: object, ids: str) -> "Shop":
        """Remove a buyer: every purchase and every row of the buyers table, however spelt."""
        kept = ([r for r in rows if spelt(r[0], ids) != owner] for rows in (self.rows, self.listed))
        return Shop(*kept)

    def owners(self, ids: str) -> list[object]:
        """Everybody who has a row in either table, and the guests."""
        return list(dict.fromkeys(spelt(row[0], ids) for row in (*self.rows, *self.listed)))


# --- what is generated ---------------------------------------------------------------------
def setting(random: Any, **fixed: Any) -> Setting:
    """Draw a setting; `fixed` replaces fields."""
    names = random.sample(list(AXES), random.randrange(1, 4))
    near = [name for name in names if random.random() < 0.5]
    layout = random.choice(["purchases", "purchases", "buyers", "mixed", "mixed", "enforced"])
    near = {"purchases": names, "mixed": near}.get(layout, [])
    far = [name for name in names if name not in near]
    kind = random.choice(["VARCHAR"] * 4 + ["BIGINT", "INTEGER", "UBIGINT", "UUID"])
    other = random.choice(["BIGINT", "INTEGER"]) if kind in {"BIGINT", "INTEGER"} else kind
    other = kind if layout == "enforced" else other
    day = random.choice(["DATE", "TIMESTAMP", "TIMESTAMPTZ", "TIMESTAMP_S", "TIMESTAMP_NS"])
    columns = {"id": kind, "sku": random.choice([*SKUS, "VARCHAR"]), "day": day}
    zoned = day in {"DATE", "TIMESTAMPTZ"}
    drawn = Setting(
        inquiry=_inquiry(random, names),
        ids="as_is"
        if layout == "enforced"
        else random.choice(["as_is", "trim", "trim_ascii_lower"]),
        kinds=columns | {name: AXES[name][1] for name in near},
        listed={"id": other} | {name: AXES[name][1] for name in far}
        if far or layout == "mixed"
        else {},
        timezone=None if zoned else random.choice(["America/New_York", "UTC", "Asia/Kolkata"]),
        on_null_id=random.choice(["drop"] * 9 + ["fail"]),
        collated=random.random() < 0.5,
        enforced=layout == "enforced",
    )
    return replace(drawn, **fixed)


def _inquiry(random: Any, names: Sequence[str]) -> Inquiry:
    zone, start, end = random.choice(PERIODS)
    subsets = [[], list(names), *([name] for name in names)]
    tables = [of for i, of in enumerate(subsets) if of not in subsets[:i]]
    return matter(
        timezone=zone,
        period=[start, end],
        products=LISTED,
        axes={name: AXES[name][0] for name in names},
        tables=[{"of": of} for of in tables],
    )


def shop(random: Any, at: Setting) -> Shop:
    """Draw a retailer of few buyers, whose purchases share few moments, products and levels."""
    few = {
        name: random.sample(pool, min(3, len(pool))) for name, pool in _pools(random, at).items()
    }
    families = IDS[at.kinds["id"]]
    family = random.choice([*families, [i for each in families for i in each]])
    known = random.sample(family, random.randrange(1, min(9, len(family) + 1)))
    rows = [
        (_respelt(random, person), *_values(random, few, list(at.kinds)[1:]))
        for person in known
        for _ in range(random.choice([0, 1, 1, 2, 2, 3, 4]))
    ]
    guests = NO_ID.get(at.kinds["id"], [None])
    rows += [
        (random.choice(guests), *_values(random, few, list(at.kinds)[1:]))
        for _ in range(random.choice([0, 0, 1, 2]))
    ]
    rows += random.sample(rows, min(len(rows), random.choice([0, 0, 2])))
    random.shuffle(rows)
    return Shop(rows, _listed(random, at, known, [row[0] for row in rows]))


def _listed(random: Any, at: Setting, known: list[Any], bought: list[Any]) -> list[Row]:
    """Rows of the buyers table: people once, twice or not at all, strangers, rows without id."""
    if not at.listed:
        return []
    axes, few = list(at.listed)[1:], _pools(random, at)
    if at.enforced:
        ids = {i for i in (*bought, *known) if i is not None}
        return [(i, *_values(random, few, axes)) for i in sorted(ids, key=str)]
    people = [*known, random.choice(random.choice(IDS[at.listed["id"]]))]
    ids = [_respelt(random, p) for p in people for _ in range(random.choice([0, 1, 1, 1, 2, 3]))]
    if random.random() < 0.4:  # everybody at most once
        ids = list({spelt(i, at.ids): i for i in ids}.values())
    ids += [None] * random.choice([0, 0, 1, 2])
    rows = [(i, *_values(random, few, axes)) for i in ids if _fits(i, at.listed["id"])]
    random.shuffle(rows)
    return rows


def _fits(value: object, kind: str) -> bool:
    return kind != "INTEGER" or value is None or -(2**31) <= value < 2**31


def _values(random: Any, few: dict[str, list[Any]], names: list[str]) -> Iterator[Any]:
    return (random.choice(few[name]) for name in names)


def _pools(random: Any, at: Setting) -> dict[str, list[Any]]:
    """Column -> values, the ones that must count repeated."""
    good, bad = SKUS[at.kinds["sku"]]
    pools = {"sku": good * 3 + bad, "day": _moments(random, at)}
    for name in (*at.axes[0], *at.axes[1]):
        levels, kind = AXES[name]
        pools[name] = [_typed(text, kind) for text in levels[:6]] * 3 + OFF_LIST[kind]
    return pools


def _typed(text: str, kind: str) -> Any:
    return {"BIGINT": int, "BOOLEAN": "true".__eq__}.get(kind, str)(text)


def _moments(random: Any, at: Setting) -> list[Any]:
    """Days, or microseconds since 1970: both ends of the period, ties, times within one second."""
    start, end = ends(at)
    kind = at.kinds["day"]
    if kind == "DATE":
        late = max(start, end - 3)
        far = [-719_162, 2_932_896, 2**31 - 1, -(2**31) + 1, None]
        edges = [start - 1, start, end - 1, end]
        return random.choice([edges, [*edges, late, late, end - 1, *far]])
    middle = (start + end) // 2 // SECOND * SECOND
    near = [middle + shift for shift in (0, 0, 400_000, 999_999, SECOND, SECOND + 1, 2 * SECOND)]
    edges = [edge + shift for edge in (start, end) for shift in (-5 * HOUR, -1, 0, 1, 5 * HOUR)]
    far = [-62_135_596_800 * SECOND, 253_402_300_799 * SECOND, BIG, -BIG, None]
    if kind == "TIMESTAMP_NS":
        far = [-(2**63) // 1000 + 10, BIG // 1000 - 10, None]
    if kind == "TIMESTAMP_S":
        near, edges, far = (
            [_whole(when) for when in some] for some in (near, edges, [*far[:2], None])
        )
    return random.choice([near, edges, near * 2 + edges + far])


def _whole(when: int | None) -> int | None:
    return when if when is None else when // SECOND * SECOND


def _respelt(random: Any, person: Any) -> Any:
    if not isinstance(person, str) or len(person) == 36 or random.random() < 0.5:
        return person
    around = ["", "", " ", "\t", "\n", "\r\n ", "\v\f"]
    person = random.choice([person, person.upper() if person.isascii() else person])
    return random.choice(around) + person + random.choice(around)


# --- the rule ------------------------------------------------------------------------------
def spelt(person: Any, ids: str) -> Any:
    """Return who an id names, or that it names nobody."""
    if person is None or (isinstance(person, str) and not person.strip(BLANKS)):
        return GUEST
    if not isinstance(person, str) or ids == "as_is":
        return (person,)
    trimmed = person.strip(BLANKS)
    if ids == "trim":
        return (trimmed,)
    return ("".join(chr(ord(c) + 32) if "A" <= c <= "Z" else c for c in trimmed),)


def ends(at: Setting) -> tuple[int, int]:
    """Return the period's ends on the clock of the date column: days or microseconds since 1970."""
    if at.kinds["day"] == "DATE":
        return tuple((day - date(1970, 1, 1)).days for day in at.inquiry.period)
    first, last = (_clock(day, at) for day in at.inquiry.period)
    return first, last


def _clock(day: date, at: Setting) -> int:
    instant = datetime.combine(day, time(), tzinfo=ZoneInfo(at.inquiry.timezone))
    here = instant if at.timezone is None else instant.astimezone(ZoneInfo(at.timezone))
    shown = instant.astimezone(UTC) if at.timezone is None else here.replace(tzinfo=UTC)
    return int((shown - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()) * SECOND


def cells(at: Setting, shop: Shop) -> dict[object, tuple[int, ...]] | str:
    """Return buyer -> level of each axis, in the inquiry's order; or the refusal."""
    latest: dict[object, tuple[int, list[int]]] = {}
    near, far = at.axes
    start, end = ends(at)
    unit = 1 if at.kinds["day"] == "DATE" else SECOND
    for person, sku, when, *levels in shop.rows:
        if when is None or not start <= when < end or sku is None or str(sku) not in LISTED:
            continue
        owner, since = spelt(person, at.ids), (when - start) // unit
        if owner == GUEST and at.on_null_id == "fail":
            return "NULL_ID"
        candidate = (-since, _levels(at, near, levels))
        latest[owner] = min(latest.get(owner, candidate), candidate)
    latest.pop(GUEST, None)
    attributes: dict[object, list[int]] = {}
    for person, *levels in shop.listed:
        known = _levels(at, far, levels)
        attributes[spelt(person, at.ids)] = min(attributes.get(spelt(person, at.ids), known), known)
    nowhere = [len(at.inquiry.axes[name]) - 1 for name in _inside(at, far)]
    return {
        owner: _merged(at, levels, attributes.get(owner, nowhere))
        for owner, (_, levels) in latest.items()
    }


def _inside(at: Setting, names: Sequence[str]) -> list[str]:
    return [name for name in at.inquiry.axes if name in names]


def _levels(at: Setting, names: Sequence[str], values: Sequence[Any]) -> list[int]:
    """Number the levels in the order of the inquiry; off the list is the last, `unknown`."""
    texts = {
        n: str(v).lower() if isinstance(v, bool) else str(v)
        for n, v in zip(names, values, strict=True)
    }
    listed = [(AXES[name][0], texts[name]) for name in _inside(at, names)]
    return [known.index(text) if text in known else len(known) for known, text in listed]


def _merged(at: Setting, near: list[int], far: list[int]) -> tuple[int, ...]:
    held = dict(zip(_inside(at, at.axes[0]), near, strict=True))
    held |= dict(zip(_inside(at, at.axes[1]), far, strict=True))
    return tuple(held[name] for name in at.inquiry.axes)


def tables(at: Setting, found: dict[object, tuple[int, ...]] | str) -> Counts | str:
    """Count the buyers of each cell of each table; a refusal stays one."""
    if isinstance(found, str):
        return found
    names, exact = list(at.inquiry.axes), {}
    for of in at.inquiry.tables:
        counts = np.zeros([len(at.inquiry.axes[name]) for name in of], np.int64)
        for levels in found.values():
            counts[tuple(levels[names.index(name)] for name in of)] += 1
        exact[of] = counts
    return exact
