"""The three ways a retailer may keep its data, each opened warm, with everything to be timed on it.

In: the files. Out: named calls without arguments, each of which does one measured thing once.
"""

import itertools
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import answer_queries as queries
import ibis
import numpy as np
import numpy.typing as npt
from answer_data import AXES, CELLS, COLUMNS, CONFLICTED, IN_SCOPE, PERIOD, STATES, Sales

import dpnotice as dn
from dpnotice.retailer import counting
from dpnotice.retailer.source import MEMORY_LIMIT

LAYOUTS: Final = ("one table", "buyers table", "buyers table, keys enforced")
FURTHEST: Final = 60
"""No noise of scale 1 is expected beyond it: over 1,428 cells the chance is 1e-23."""

Cells = npt.NDArray[np.int64]
Timed = dict[str, Callable[[], Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """One layout, warm: its own SQL, the same on dpnotice's own expression, and its exact counts.

    Attributes:
        timed: ``scan``, ``raw``, ``native``, ``exact`` and ``answer``, each measured once per call.
        exact: (CELLS,) buyers of each cell by the rule of dpnotice.
        noise: (CELLS,) what each answer so far differed by from them.
    """

    timed: Timed
    exact: Cells
    noise: list[Cells]


def inquiry() -> dn.Inquiry:
    """Return the question: buyers by all 1,428 cells, one table, epsilon 1."""
    return dn.Inquiry.from_dict(
        {
            "format": 1,
            "name": "benchmark",
            "title": "Buyers by state, age and contact",
            "period": list(PERIOD),
            "timezone": "America/Los_Angeles",
            "products": list(IN_SCOPE),
            "axes": [{"name": name, "levels": list(texts)} for name, texts in AXES.items()],
            "tables": [{"of": list(AXES)}],
            "privacy": {"epsilon": "1"},
        }
    )


@contextmanager
def opened(layout: str, sales: Sales, folder: Path) -> Iterator[Opened]:
    """Connect one warm engine with dpnotice's own settings and prepare everything on it.

    Raises:
        SystemExit: the exact counts of two queries disagree.
    """
    with tempfile.TemporaryDirectory(dir=folder) as spill:
        engine = connected(database(layout, sales), spill)
        try:
            for statement in queries.levels():
                engine.raw_sql(statement)
            where = source(layout, sales)
            exact = checked(engine.con, where)
            ledger = dn.Ledger.create(Path(spill) / "benchmark.ledger", epsilon_cap="1")
            ready = Opened(timed=_by_sql(layout, engine.con, where), exact=exact, noise=[])
            asked, warm = inquiry(), purchases(layout, sales, engine)
            whole = warm if layout == LAYOUTS[2] else purchases(layout, sales)
            ready.timed["exact"] = exactly(asked, warm, layout)
            ready.timed["answer"] = answering(asked, whole, ledger, ready)
            yield ready
        finally:
            engine.disconnect()


def connected(database: str, spill: str) -> Any:
    """Connect to DuckDB with the settings that dpnotice gives to its own connection."""
    engine = ibis.duckdb.connect(
        database,
        read_only=database != ":memory:",
        memory_limit=MEMORY_LIMIT,
        temp_directory=spill,
        preserve_insertion_order="false",
        enable_external_file_cache="false",
    )
    engine.raw_sql("SET TimeZone = 'UTC'")
    return engine


def purchases(layout: str, sales: Sales, engine: Any = None) -> dn.Purchases:
    """Map the columns of a layout, on the engine's own tables if there is one, else on files."""
    where: dict[str, Any] = {"sales": sales.parts, "buyers": sales.buyers_file}
    if engine is not None and layout == LAYOUTS[2]:
        where = {name: engine.table(name) for name in where}
    elif engine is not None:
        where = {name: engine.read_parquet(path) for name, path in where.items()}
    buyers = None
    if layout != LAYOUTS[0]:
        buyers = dn.Buyers(where["buyers"], buyer="customer_id", axes=COLUMNS)
    return dn.Purchases(
        where["sales"],
        buyer="customer_id",
        product="sku",
        date="ordered_at",
        axes=COLUMNS if buyers is None else {},
        buyers=buyers,
        timezone="America/Los_Angeles",
    )


def database(layout: str, sales: Sales) -> str:
    return sales.database if layout == LAYOUTS[2] else ":memory:"


def source(layout: str, sales: Sales) -> queries.Source:
    """Say where the benchmark's own SQL finds the rows of a layout."""
    if layout == LAYOUTS[2]:
        return queries.Source(sales="sales", buyers="buyers", date=sales.date)
    buyers = None if layout == LAYOUTS[0] else f"'{sales.buyers_file}'"
    return queries.Source(sales=f"'{sales.parts}'", buyers=buyers, date=sales.date)


def exactly(asked: dn.Inquiry, warm: dn.Purchases, layout: str) -> Callable[[], Any]:
    """Return a call that counts on the warm engine by the very expression that `answer` runs.

    Tables that are passed in are compared as bytes; files, which `answer` opens itself, are not.
    """
    with warm.opened() as tables:
        same = tables if layout == LAYOUTS[2] else tables._replace(texts_of=None)
    return lambda: counting.marginals(asked, *counting._occupied(asked, warm, same))  # noqa: SLF001 -- the part of `count` between opening and noise


def _by_sql(layout: str, con: Any, where: queries.Source) -> Timed:
    by_hand = queries.native_with_keys if layout == LAYOUTS[2] else queries.native
    written = {"scan": queries.scan, "raw": queries.raw, "native": by_hand}
    return {name: partial(_fetched, con, write(where)) for name, write in written.items()}


def _fetched(con: Any, query: str) -> Any:
    return con.execute(query).fetchnumpy()


def answering(
    asked: dn.Inquiry, mapped: dn.Purchases, ledger: dn.Ledger, ready: Opened
) -> Callable[[], None]:
    """Return a call that answers under a new retailer's name each time, so nothing is looked up."""
    names = (f"retailer-{number}" for number in itertools.count())

    def answer() -> None:
        release = dn.answer(asked, mapped, retailer=next(names), ledger=ledger)
        noise = release.tables[tuple(AXES)].counts.ravel() - ready.exact
        ready.noise.append(noise)
        if abs(noise).max() > FURTHEST:
            raise SystemExit("dpnotice's counts differ from the SQL's by more than noise can")

    return answer


def checked(con: Any, where: queries.Source) -> Cells:
    """Return the exact counts by cell; refuse if the two ways to count them disagree.

    Where a buyer's rows agree, every query counts alike; where they do not, raw counts a buyer in
    each of their cells, and only the number of all buyers must be the same.
    """
    packed = np.zeros(CELLS, dtype=np.int64)
    found = con.execute(queries.native(where)).fetchnumpy()
    packed[found["cell"]] = found["buyers"]
    if packed.sum() != con.execute(queries.buyers_in_scope(where)).fetchall()[0][0]:
        raise SystemExit("the packed query does not count every buyer once")
    unpacked = _by_cell(con.execute(queries.raw(where)).fetchall())
    same = settled() if where.buyers is None else np.ones(CELLS, dtype=bool)
    if (unpacked[same] != packed[same]).any():
        raise SystemExit("raw and packed counts disagree where no buyer's rows do")
    return packed


def settled() -> npt.NDArray[np.bool_]:
    """Mark the cells of the states in which no buyer's rows disagree; ``unknown`` has some."""
    states = np.array([state not in CONFLICTED for state in STATES] + [False])
    return np.repeat(states, CELLS // len(states))


def _by_cell(rows: list[tuple[Any, ...]]) -> Cells:
    """Sum raw groups, whose texts are as they come, into the public cells."""
    counts = np.zeros(tuple(len(texts) + 1 for texts in AXES.values()), dtype=np.int64)
    for *texts, buyers in rows:
        place = tuple(
            levels.index(text) if text in levels else len(levels)
            for text, levels in zip(texts, AXES.values(), strict=True)
        )
        counts[place] += buyers
    return counts.ravel()
