"""Arguments in, a synthetic matter like WEN out: purchases per retailer, and the truth about them.

Nothing here is a real purchase, and no number stands for a real retailer. Every value follows from
whole-number arithmetic on (seed, person, retailer, purchase number), so the same arguments give
the same rows on any machine, with any number of threads.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from hashlib import sha256
from itertools import accumulate, combinations, pairwise
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from dpnotice.datasets.case import Case
from dpnotice.errors import DatasetError
from dpnotice.inquiry import Inquiry

# Resident population on 1 April 2020 in thousands, rounded. Source: U.S. Census Bureau, 2020 Census
# Apportionment Results, Table 2, "Resident Population for the 50 States, the District of Columbia,
# and Puerto Rico: 2020 Census" (26 April 2021).
_RESIDENTS_THOUSANDS = """
AL 5024 AK 733 AZ 7152 AR 3012 CA 39538 CO 5774 CT 3606 DE 990 DC 690 FL 21538 GA 10712 HI 1455
ID 1839 IL 12813 IN 6786 IA 3190 KS 2938 KY 4506 LA 4658 ME 1362 MD 6177 MA 7030 MI 10077 MN 5706
MS 2961 MO 6155 MT 1084 NE 1962 NV 3105 NH 1378 NJ 9289 NM 2118 NY 20201 NC 10439 ND 779 OH 11799
OK 3959 OR 4237 PA 13003 RI 1097 SC 5118 SD 887 TN 6911 TX 29146 UT 3272 VT 643 VA 8631 WA 7705
WV 1794 WI 5894 WY 577 PR 3286
"""
_AXES = {
    "state": tuple(_RESIDENTS_THOUSANDS.split()[::2]),
    "age": ("18-24", "25-34", "35-44", "45-54", "55-64", "65+"),
    "contact": ("email+post", "email", "post", "none"),
}
_COLUMNS = {"buyer": "customer_id", "product": "sku", "date": "ordered_at", "person": "email"}
_AXIS_COLUMNS = {"state": "ship_state", "age": "age_band", "contact": "contact"}
_TIMEZONE = "America/Los_Angeles"
_TABLES = [tuple(of.split()) for of in ("", "state", "contact", "age contact", "state contact")]
_PERIOD = ("2007-11-01", "2016-09-20")  # the class period of the WEN settlement, half-open
# As if in UTC: the written timestamps are naive, on the clock of the class's time zone.
_START, _END = (int(datetime.fromisoformat(f"{day}T00Z").timestamp()) for day in _PERIOD)
_PRODUCTS = tuple(f"wen-{number:02}" for number in range(1, 13))
# Invented shares in hundredths: how a retailer can reach a customer; None is unknown.
_CONTACT_SHARES = zip((*_AXES["contact"], None), (52, 22, 16, 8, 2), strict=True)
_CONTACTS = [level for level, hundredths in _CONTACT_SHARES for _ in range(hundredths)]
_SPARE = 1.1
"""A public guess of buyers is to be at the upper end."""
_MOST_PARTS = 8
_MEMORY_LIMIT = "2GB"
_Tables = dict[tuple[str, ...], NDArray[np.int64]]

# The mixer is "lowbias32" (Wellons 2018, hash-prospector), a bijection on 32 bits whose products
# fit 64 bits. DuckDB's own hash() may change between versions; MD5 takes most of a microsecond.
_MACROS = """
CREATE TEMP MACRO stir(x, bits, factor) AS (xor(x, x >> bits) * factor) & 4294967295::UBIGINT;
CREATE TEMP MACRO mix(x) AS
    stir(stir(stir(x, 16, 2146121005::UBIGINT), 15, 2221713035::UBIGINT), 16, 1::UBIGINT);
CREATE TEMP MACRO draw(x, salt) AS mix(xor(x, salt::UBIGINT));
"""
_RESIDENTS = """
CREATE TEMP TABLE resident AS
SELECT state, unnest(range(low, high))::UBIGINT AS slot
FROM (SELECT unnest($states) AS state, unnest($lows) AS low, unnest($highs) AS high)
"""
# Even numbers are the class; odd ones shop alike and never buy the product within the period. One
# person in four has moved; `moved_at` counts seconds from the start of the period. Identifiers: an
# affine map modulo the prime 2^61 - 1 is a bijection, so no two people share one.
_CUSTOMERS = """
CREATE OR REPLACE TEMP TABLE customers AS
SELECT person, person % 2 = 0 AS in_class, draw(person, $key_salt) AS key,
       ((person::HUGEINT * $factor + $shift) % 2305843009213693951)::BIGINT AS customer_id,
       1 + (draw(person, $rows_salt) % $most_rows::UBIGINT)::BIGINT AS n_rows,
       now.state, was.state AS state_before, 1935 + (life % 60)::INTEGER AS born,
       CASE WHEN life // 60 % 4 = 0 THEN mover % $seconds::UBIGINT ELSE 0 END::BIGINT AS moved_at,
       CASE WHEN draw(person, $address_salt) < $linked::UBIGINT THEN '' ELSE '-' || $retailer END
           AS another,
       habit % 10 = 0 AS age_hidden, $contacts[1 + (habit // 10 % 100)::BIGINT] AS contact,
       $contacts[1 + (habit // 1000 % 100)::BIGINT] AS contact_before
FROM (SELECT i::UBIGINT AS person, draw(person, $home_salt) % $n_retailers::UBIGINT AS home,
             draw(person, $visit_salt) AS visit, draw(person, $habit_salt) AS habit,
             draw(person, $life_salt) AS life, draw(person, $mover_salt) AS mover,
             draw(person, $state_salt) % $residents::UBIGINT AS slot,
             draw(person, $before_salt) % $residents::UBIGINT AS slot_before
      FROM range($n_people) numbers(i)) AS people
JOIN resident AS now ON now.slot = people.slot
JOIN resident AS was ON was.slot = people.slot_before
WHERE home = $retailer::UBIGINT OR visit < $threshold::UBIGINT
"""
# Two lines make a basket and share its moment, so ties occur. One basket in five falls outside the
# period, one in fifty on a boundary. Lines: 1 % no state, 1 % a military address, 5 % gifts.
_PURCHASES = """
COPY (
WITH drawn AS (
    SELECT *, draw(xor(key, n), $line_salt) AS line,
           draw(xor(key, n // 2), $basket_salt) AS basket,
           draw(xor(key, n // 2), $moment_salt) AS moment
    FROM (SELECT *, unnest(range($first, least($stop, n_rows)))::UBIGINT AS n FROM customers)
), dated AS (
    SELECT *, (in_class AND n < 2) OR basket % 5 > 0 AS within,
           CASE WHEN basket // 5 % 50 = 0 THEN 0 ELSE (moment % $seconds)::BIGINT END AS past,
           CASE WHEN within THEN past WHEN basket // 250 % 2 = 0 THEN -1 - past // 4
                ELSE $seconds + past // 4 END AS second,
           make_timestamp(1000000 * ($start + second)) AS ordered_at,
           year(ordered_at)::INTEGER - born AS age, line // 400 % 100 AS fate,
           (in_class AND n = 0) OR (line % 4 = 0 AND (in_class OR NOT within)) AS in_scope
    FROM drawn
)
SELECT customer_id, 'person-' || person || another || '@mail.example' AS email,
       CASE WHEN in_scope THEN $products[1 + (line // 4 % 12)::BIGINT]
            ELSE 'other-' || (line // 4 % 100) END AS sku, ordered_at,
       CASE WHEN fate = 0 THEN NULL WHEN fate = 1 THEN 'AE'
            WHEN fate < 7 THEN $states[1 + (line // 40000 % 52)::BIGINT]
            WHEN second < moved_at THEN state_before ELSE state END AS ship_state,
       CASE WHEN age_hidden THEN NULL WHEN age < 18 THEN 'under 18' WHEN age < 25 THEN '18-24'
            WHEN age < 35 THEN '25-34' WHEN age < 45 THEN '35-44' WHEN age < 55 THEN '45-54'
            WHEN age < 65 THEN '55-64' ELSE '65+' END AS age_band,
       CASE WHEN second < moved_at THEN contact_before ELSE contact END AS contact
FROM dated
) TO $path (FORMAT parquet, ROW_GROUP_SIZE 122880)
"""
# The cell codes count 53, 7 and 5 levels, the last of each `unknown`.
_IN_SCOPE = """
CREATE OR REPLACE TEMP TABLE in_scope AS
SELECT customer_id, regexp_extract(email, 'person-[0-9]+') AS person, ordered_at,
       (coalesce(list_position($state, ship_state), 53) - 1) * 35
       + (coalesce(list_position($age, age_band), 7) - 1) * 5
       + coalesce(list_position($contact, contact), 5) - 1 AS cell
FROM read_parquet($parts)
WHERE list_contains($products, sku)
  AND ordered_at >= CAST($begin AS TIMESTAMP) AND ordered_at < CAST($end AS TIMESTAMP)
"""
# The latest purchase decides the whole cell; among equally late ones the smallest code.
_CELLS = """
WITH latest AS (SELECT customer_id, max(ordered_at) AS ordered_at FROM in_scope GROUP BY ALL),
     decided AS (SELECT customer_id, min(cell) AS cell
                 FROM in_scope JOIN latest USING (customer_id, ordered_at) GROUP BY customer_id)
SELECT cell, count(*) FROM decided GROUP BY cell
"""
_SETS = """
WITH sets AS (SELECT bit_or(1::BIGINT << retailer) AS there FROM held GROUP BY person)
SELECT there, count(*) FROM sets GROUP BY there
"""


def wen_like(  # noqa: PLR0913 -- what a matter may differ in, each by its name
    folder: str | PathLike[str],
    *,
    n_retailers: int = 4,
    n_buyers: int = 10_000,
    rows_per_buyer: int = 8,
    overlap: float = 0.25,
    linkage: float = 1.0,
    sketch_epsilon: str | None = None,
    seed: int = 0,
) -> Case:
    """Write a synthetic matter like WEN, whose truth is known.

    Each of N = `n_buyers` persons in the class bought a product in scope, within the period, at a
    home retailer drawn uniformly from the R = `n_retailers`, and at each other retailer
    independently with probability o = `overlap` (to 2^-32). So the expected number of persons at
    exactly j retailers is N * C(R-1, j-1) * o^(j-1) * (1-o)^(R-j), a retailer expects
    N * (1 + (R-1) * o) / R buyers, and two retailers share N * (2*o/R + (1 - 2/R) * o^2) of them.
    As many other people again shop by the same law and buy nothing in scope within the period.

    A customer has 1 to 2 * `rows_per_buyer` - 1 rows at a retailer, uniformly, so about
    2 * N * (1 + (R-1) * o) * `rows_per_buyer` rows are written; at 8 per buyer one in five is in
    scope. Identifiers differ by retailer; a person gives the same e-mail address at every retailer,
    but for a share 1 - `linkage` of persons and retailers, where it is one that nobody else has.

    `truth` is counted from the written files. It holds `class_size` (persons), `rows` and `buyers`
    by retailer, `pairs` ((a, b) -> persons at both), `retailers_per_person` (j -> persons at
    exactly j) and `tables`: retailer -> axes -> read-only int64 array, one dimension per axis, by
    the rule that a buyer's latest purchase in scope decides the whole cell and ties go to the
    smallest cell code, mixed radix in the order state, age, contact, with `unknown` last.

    Args:
        folder: where to write, one folder of Parquet parts per retailer; new or empty.
        n_retailers: number of retailers R, 1 to 20.
        n_buyers: persons in the class N, 1 to 10^9.
        rows_per_buyer: mean rows per person and retailer, in scope or not, 1 to 1000.
        overlap: o, a fraction in [0, 1).
        linkage: kappa, the chance that a person's address at a retailer is the usual one, (0, 1].
        sketch_epsilon: privacy loss of a sketch by e-mail address, decimal text; None for none.
        seed: any 64-bit whole number.

    Returns:
        The case: its inquiry, its sources and column mapping, and its truth.

    Raises:
        DatasetError: an argument is out of range, or the folder already holds something.
    """
    _check_whole("n_retailers", n_retailers, 1, 20)
    _check_whole("n_buyers", n_buyers, 1, 10**9)
    _check_whole("rows_per_buyer", rows_per_buyer, 1, 1000)
    _check_whole("seed", seed, -(2**63), 2**63 - 1)
    _check_fraction("overlap", overlap, not_at=1)
    _check_fraction("linkage", linkage, not_at=0)
    home = _new_folder(folder)
    retailers = tuple(f"retailer-{number:02}" for number in range(1, n_retailers + 1))
    shape = {"n_people": 2 * n_buyers, "n_retailers": n_retailers}
    shape |= {"most_rows": 2 * rows_per_buyer - 1, "threshold": round(overlap * 2**32)}
    shape |= {"linked": round(linkage * 2**32)}
    rows = {}
    with _engine(home) as engine:
        for number, retailer in enumerate(retailers):
            _make_customers(engine, shape, seed, number)
            salts = _salts("line basket moment", seed, number)
            rows[retailer] = _write(engine, salts, shape["most_rows"], home / retailer)
        truth = {"rows": rows, **_truth(engine, home, retailers)}
    sources = {retailer: str(home / retailer / "*.parquet") for retailer in retailers}
    columns = {**_COLUMNS, "axes": dict(_AXIS_COLUMNS), "timezone": _TIMEZONE}
    expected = math.ceil(_SPARE * n_buyers * (1 + (n_retailers - 1) * overlap) / n_retailers)
    asked = _inquiry(sketch_epsilon, expected)
    return Case(folder=home, inquiry=asked, sources=sources, columns=columns, truth=truth)


def _inquiry(sketch_epsilon: str | None, expected: int) -> Inquiry:
    sketch = {"epsilon": sketch_epsilon, "key": "email", "expected_buyers": expected}
    return Inquiry.from_dict(
        {
            "format": 1,
            "name": "wen-like",
            "title": "Synthetic purchases in the manner of WEN; nobody real is in them",
            "unit": "buyer",
            "period": list(_PERIOD),
            "timezone": _TIMEZONE,
            "products": list(_PRODUCTS),
            "axes": {axis: list(levels) for axis, levels in _AXES.items()},
            "tables": [{"of": list(axes)} for axes in _TABLES],
            "privacy": {"epsilon": "1", "noise": "discrete-laplace"},
            **({} if sketch_epsilon is None else {"sketch": sketch}),
        }
    )


def _check_whole(name: str, value: object, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise DatasetError(
            f"{name} must be a whole number from {low} to {high}, got {value!r}; give such an int."
        )


def _check_fraction(name: str, value: object, *, not_at: int) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 <= value <= 1 or value == not_at:  # type: ignore[operator]  # a number
        ends = "(0, 1]" if not_at == 0 else "[0, 1)"
        raise DatasetError(
            f"{name} must be a fraction in {ends}, got {value!r}; give the probability that a "
            "person also bought at each further retailer (overlap), or gave the usual address "
            "there (linkage)"
        )


def _new_folder(folder: str | PathLike[str]) -> Path:
    path = Path(folder).absolute()
    if set("*?[]{}") & set(str(path)):
        raise DatasetError(
            f"folder must not contain any of * ? [ ] {{ }}, got {str(path)!r}; the purchases are "
            "read by a file pattern, so choose a plain name."
        )
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise DatasetError(
            f"folder must be new or empty, got {str(path)!r}, which already holds something; "
            "nothing is ever overwritten, so choose another name."
        )
    path.mkdir(parents=True, exist_ok=True)
    return path


@contextmanager
def _engine(folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database that spills into the folder, and knows the mixer and where people live."""
    ends = list(accumulate(map(int, _RESIDENTS_THOUSANDS.split()[1::2])))
    slots = {"states": list(_AXES["state"]), "lows": [0, *ends[:-1]], "highs": ends}
    with TemporaryDirectory(dir=folder, prefix=".spill-") as spill, duckdb.connect() as engine:
        engine.execute("SET memory_limit = $limit", {"limit": _MEMORY_LIMIT})
        engine.execute("SET temp_directory = $spill", {"spill": spill})
        engine.execute("SET preserve_insertion_order = false")
        engine.execute(_MACROS)
        engine.execute(_RESIDENTS, slots)
        yield engine


def _salts(purposes: str, seed: int, retailer: int | None = None) -> dict[str, int]:
    """For each purpose 32 bits that hang on the seed, the purpose and the retailer alone."""
    texts = {f"{purpose}_salt": f"{seed}/{purpose}/{retailer}" for purpose in purposes.split()}
    return {
        name: int.from_bytes(sha256(text.encode()).digest()[:4], "big")
        for name, text in texts.items()
    }


def _make_customers(
    engine: duckdb.DuckDBPyConnection, shape: dict[str, int], seed: int, number: int
) -> None:
    people = _salts("home state before life mover", seed)
    salts = _salts("key rows habit visit address factor shift", seed, number)
    factor, shift = 2**28 * (1 + salts.pop("factor_salt")), 2**28 * salts.pop("shift_salt")
    residents = engine.execute("SELECT count(*) FROM resident").fetchall()[0][0]
    numbers = {"factor": factor, "shift": shift, "retailer": number, "seconds": _END - _START}
    numbers |= {"residents": residents, **shape, **people, **salts}
    engine.execute(_CUSTOMERS, {**numbers, "contacts": _CONTACTS})


def _write(
    engine: duckdb.DuckDBPyConnection, salts: dict[str, int], most_rows: int, folder: Path
) -> int:
    """Return the rows written; a buyer's purchases lie far apart, as in files sorted by date."""
    folder.mkdir()
    common = {**salts, "start": _START, "seconds": _END - _START}
    lists = {"products": list(_PRODUCTS), "states": list(_AXES["state"])}
    n_parts = min(_MOST_PARTS, most_rows)
    cuts = [part * most_rows // n_parts for part in range(n_parts + 1)]
    rows = 0
    for part, (first, stop) in enumerate(pairwise(cuts)):
        span = {"first": first, "stop": stop, "path": str(folder / f"part-{part}.parquet")}
        rows += engine.execute(_PURCHASES, {**common, **lists, **span}).fetchall()[0][0]
    return rows


def _truth(
    engine: duckdb.DuckDBPyConnection, folder: Path, retailers: tuple[str, ...]
) -> dict[str, Any]:
    """Counted from the written files by plain queries that share no code with the package's own."""
    engine.execute("CREATE TEMP TABLE held (person VARCHAR, retailer INTEGER)")
    common: dict[str, Any] = {axis: list(levels) for axis, levels in _AXES.items()}
    common |= {"products": list(_PRODUCTS), "begin": _PERIOD[0], "end": _PERIOD[1]}
    tables = {}
    for number, retailer in enumerate(retailers):
        parts = [str(path) for path in sorted((folder / retailer).iterdir())]
        engine.execute(_IN_SCOPE, common | {"parts": parts})
        engine.execute("INSERT INTO held SELECT DISTINCT person, ? FROM in_scope", [number])
        tables[retailer] = _exact_tables(engine)
    sets = dict(engine.execute(_SETS).fetchall())
    buyers = {retailer: int(tables[retailer][()]) for retailer in retailers}
    truth = {"class_size": sum(sets.values()), "buyers": buyers, "tables": tables}
    return truth | _overlaps(sets, retailers)


def _exact_tables(engine: duckdb.DuckDBPyConnection) -> _Tables:
    """Every table of the inquiry for the purchases in `in_scope`, summed from the full cross."""
    cross = np.zeros([len(levels) + 1 for levels in _AXES.values()], dtype=np.int64)
    for cell, count in engine.execute(_CELLS).fetchall():
        cross.flat[cell] = count
    tables: _Tables = {}
    for axes in _TABLES:
        others = tuple(place for place, axis in enumerate(_AXES) if axis not in axes)
        tables[axes] = np.asarray(cross.sum(axis=others), dtype=np.int64)
        tables[axes].flags.writeable = False
    return tables


def _overlaps(sets: dict[int, int], retailers: tuple[str, ...]) -> dict[str, Any]:
    """From {set of retailers as bits: persons} the persons per pair and per number of retailers."""
    pairs = dict.fromkeys(combinations(retailers, 2), 0)
    per_person = dict.fromkeys(range(1, len(retailers) + 1), 0)
    for held, persons in sets.items():
        there = [retailer for number, retailer in enumerate(retailers) if held >> number & 1]
        per_person[len(there)] += persons
        for pair in combinations(there, 2):
            pairs[pair] += persons
    return {"pairs": pairs, "retailers_per_person": per_person}
