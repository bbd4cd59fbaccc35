"""Many exact bitmaps of one question, each query built and compiled once.

In: an `Asked`, and modules of the retailer's side (the library's, or with a planted fault). Out:
the bits and counts of a shop, of its rows backwards, and of what is left without one buyer. The
tables lie in one DuckDB and the control flow is the modules' own, so a case costs milliseconds.
"""

from collections import Counter
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import fields
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any, Final

import ibis
import numpy as np
import pyarrow as pa
from ibis.expr.types import Table

from dpnotice.retailer import counting, hashing, scope, sketch, texts
from dpnotice.retailer.purchases import Purchases
from dpnotice.retailer.sketch import DocketKey
from made import keyed_shops
from made.bulk import _once, copied, memoised
from made.keyed_shops import KEY, Asked, Shop, mapped, tables
from made.planted import _linked

CHAIN: Final = (texts, scope, counting, hashing, sketch)
"""Each module uses names of those before it."""
Outcome = tuple[frozenset[int], dict[tuple[str, ...], Any]] | str
"""Numbers of the bits set, and exact counts; or the name of a refusal."""


def docket() -> DocketKey:
    """Return the key that the oracle hashes with."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "docket.key"
        path.write_bytes(KEY)
        return DocketKey(path)


def remade(edits: dict[ModuleType, str] | None = None) -> dict[ModuleType, ModuleType]:
    """Return copies of the chain, some of them made from an edited source."""
    edits = edits or {}
    made: dict[ModuleType, ModuleType] = {}
    for module in CHAIN:
        made[module] = copied(module, edits.get(module))
        for original, copy in list(made.items())[:-1]:
            _linked(made[module], original, copy)
    vars(made[sketch])["counting"] = made[counting]
    return made


def quickened(made: dict[ModuleType, ModuleType]) -> ModuleType:
    """Return the sketch of a chain in which what builds a query builds it once."""
    quick = memoised(made[counting])
    hashes = made[hashing]
    vars(hashes)["_hashed"] = _once(hashes._hashed)
    vars(made[sketch])["counting"] = quick
    return made[sketch]


class Bulk:
    """One question's tables in one engine."""

    def __init__(self, at: Asked, made: dict[ModuleType, ModuleType] | None = None) -> None:
        self.at, self.engine, self.key = at, ibis.duckdb.connect(), docket()
        self.con = self.engine.con
        self.con.execute("SET threads = 1")
        self.module = quickened(made or remade())
        self.names = ("sales", "listed") if at.columns[1] else ("sales",)
        self._held: Any = ()
        for name, columns in zip(self.names, at.columns, strict=False):
            kinds = [f"{n} {'DATE' if n == 'day' else 'VARCHAR'}" for n in columns]
            self.con.execute(f"CREATE TABLE {name} ({', '.join(kinds)})")
        plain = mapped(at, *(self.engine.table(name) for name in self.names))
        with plain.opened() as opened:
            held = opened._replace(engine=Compiled(self.engine), texts_of=None)
        kind = type("Held", (Purchases,), {"opened": lambda _self: nullcontext(held)})
        self.purchases = kind(
            **{f.name: getattr(plain, f.name) for f in fields(Purchases) if f.init}
        )

    def load(self, shop: Shop) -> Outcome:
        """Count a shop."""
        self._held = tables(self.at, shop)
        return self._shown("")

    def backwards(self) -> Outcome:
        """Count the shop with its rows in the opposite order."""
        return self._shown("ORDER BY place DESC")

    def without(self, buyer: str) -> Outcome:
        """Count the shop without one buyer."""
        return self._shown(f"WHERE id IS DISTINCT FROM '{buyer}'")

    def _shown(self, which: str) -> Outcome:
        for name, held in zip(self.names, self._held, strict=False):
            numbered = held.append_column("place", pa.array(range(len(held)), pa.int32()))
            self.con.register("given", numbered)
            kept = f"SELECT * EXCLUDE place FROM given {which}"  # noqa: S608 -- our own words
            self.con.execute(f"TRUNCATE {name}; INSERT INTO {name} {kept}")
        return self._outcome()

    def _outcome(self) -> Outcome:
        try:
            counts, exact = self.module.take(self.at.inquiry, self.purchases, self.key)
        except Exception as refusal:  # noqa: BLE001 -- a planted fault may break the engine
            return type(refusal).__name__
        return set_bits(exact), dict(counts._tables)

    def close(self) -> None:
        """Give the engine's memory back."""
        self.engine.disconnect()


class Compiled:
    """An engine that compiles each query once and keeps the small tables that it brings."""

    name = "duckdb"

    def __init__(self, engine: Any) -> None:
        self._engine, self._texts = engine, {}

    def _to_duckdb_relation(self, query: Table) -> Any:
        asked = query.op()
        if asked not in self._texts:
            self._engine._to_duckdb_relation(query)  # registers what it brings along
            self._texts[asked] = ibis.to_sql(query, dialect="duckdb")
        return self._engine.con.sql(self._texts[asked])

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def drop_view(self, _name: str, *, force: bool) -> None:
        """Keep it for the next run."""


def differing(one: Outcome, other: Outcome) -> int | None:
    """Return how many bits differ; None where one of the two is a refusal and the other is not."""
    if isinstance(one, str) or isinstance(other, str):
        return 0 if one == other else None
    return len(one[0] ^ other[0])


def same(one: Outcome, other: Outcome) -> bool:
    """Tell whether bits and counts are the same."""
    if isinstance(one, str) or isinstance(other, str):
        return one == other
    return one[0] == other[0] and all(np.array_equal(one[1][of], other[1][of]) for of in one[1])


def examine(
    at: Asked, drawn: Iterable[Shop], made: dict[ModuleType, ModuleType] | None = None
) -> Counter[str]:
    """Compare each shop with the rule, with itself backwards, and with itself without each buyer.

    Returns:
        Breaches by kind (``rule``, ``order``, ``neighbours``), and what was examined: ``cases``,
        and ``moved``, the cases in which a bit went with the buyer.
    """
    bulk, found = Bulk(at, made), Counter[str]()
    try:
        for shop in drawn:
            whole = bulk.load(shop)
            wanted = frozenset(keyed_shops.bits(at, shop)), keyed_shops.counts(at, shop)
            found["rule"] += not same(whole, wanted)
            found["order"] += not same(whole, bulk.backwards())
            for buyer in shop.buyers:
                apart = differing(whole, bulk.without(buyer))
                found["cases"] += 1
                found["moved"] += apart == 1
                found["neighbours"] += apart not in {0, 1}
    finally:
        bulk.close()
    return found


def set_bits(exact: Any) -> frozenset[int]:
    """Return the numbers of the bits that are set; bit i is bit i % 8 of byte i // 8."""
    return frozenset(
        8 * int(byte) + bit
        for byte in np.flatnonzero(exact._bits)
        for bit in range(8)
        if int(exact._bits[byte]) >> bit & 1
    )
