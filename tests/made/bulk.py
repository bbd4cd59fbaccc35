"""Many exact counts of one setting, each query built and compiled once.

In: a `Setting` and a counting module (the library's, or one with a planted fault). Out: the counts
of a shop, of the same rows backwards, and of what is left when one owner's rows are removed. The
tables lie in one DuckDB; the control flow is the module's own, so a case costs milliseconds.
"""

import inspect
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import fields
from functools import wraps
from types import FunctionType, ModuleType
from typing import Any
from uuid import UUID

import ibis
import pyarrow as pa
from ibis.expr.types import Table

from dpnotice.errors import PurchasesError
from dpnotice.retailer import counting
from dpnotice.retailer.purchases import Buyers, Purchases
from made import shops
from made.shops import Counts, Setting, Shop

ARROW = {
    "VARCHAR": pa.string(),
    "UUID": pa.string(),
    "BIGINT": pa.int64(),
    "INTEGER": pa.int32(),
    "UBIGINT": pa.uint64(),
    "BOOLEAN": pa.bool_(),
    "DATE": pa.date32(),
    "TIMESTAMP": pa.timestamp("us"),
    "TIMESTAMP_S": pa.timestamp("us"),
    "TIMESTAMP_NS": pa.timestamp("us"),
    "TIMESTAMPTZ": pa.timestamp("us", tz="UTC"),
}
Outcome = Counts | str
"""Exact counts, or the code of a refusal."""


# --- the same counting, each query built once ----------------------------------------------
def copied(module: ModuleType, text: str | None = None) -> ModuleType:
    """Return a module made anew from its source, or from an edited one."""
    made = ModuleType(module.__name__)
    source = inspect.getsource(module) if text is None else text
    exec(compile(source, f"<{module.__name__}>", "exec"), vars(made))  # noqa: S102 -- our own text
    return made


def memoised(module: ModuleType) -> ModuleType:
    """Return a copy of a module in which what builds a query builds it once.

    Mappings of columns are told apart by what they say, all else that is no text by identity.
    """
    made = ModuleType(module.__name__)
    vars(made).update(vars(module))
    for name, value in vars(module).items():
        if isinstance(value, FunctionType):
            builds = inspect.signature(value).return_annotation is Table
            mine = value.__module__ == module.__name__
            again = _within(made, value) if mine else value
            vars(made)[name] = _once(again) if builds else again
    return made


def _within(module: ModuleType, function: FunctionType) -> FunctionType:
    """Return a function that calls by the names of another module."""
    again = FunctionType(function.__code__, vars(module), function.__name__, function.__defaults__)
    again.__kwdefaults__ = function.__kwdefaults__
    return again


def _once(build: Callable[..., Any]) -> Callable[..., Any]:
    known: dict[Any, Any] = {}

    @wraps(build)
    def built(*given: Any, **named: Any) -> Any:
        key = _token((*given, *named.items()))
        if key not in known:  # the arguments are kept, so that no id is used again
            known[key] = (build(*given, **named), given, named)
        return known[key][0]

    return built


def _token(given: Any) -> Any:
    if isinstance(given, Purchases | Buyers):
        return tuple(_token(getattr(given, field.name)) for field in fields(given))
    if isinstance(given, Mapping):
        return _token(tuple(given.items()))
    if isinstance(given, list | tuple):
        return tuple(map(_token, given))
    return given if isinstance(given, str | int) else id(given)


class Bulk:
    """One setting's tables in one engine, counted by `counting` with each query compiled once."""

    def __init__(self, at: Setting, module: ModuleType | None = None, threads: int = 1) -> None:
        self.at, self.engine = at, ibis.duckdb.connect()
        self.con = self.engine.con
        self.con.execute(f"SET threads = {threads}")
        self.module = memoised(module or counting)
        self._create("all_purchases", at.kinds, "owner INTEGER")
        self._create("all_listed", at.listed or {"id": "VARCHAR"}, "owner INTEGER")
        self._create_counted()
        self.mapped = mapping(at, self.engine.table("purchases"), self.engine.table("listed"))
        with self.mapped.opened() as opened:
            held = opened._replace(engine=Compiled(self.engine))
            held = held if at.collated else held._replace(texts_of=None)
        kind = type("Held", (Purchases,), {"opened": lambda _self: nullcontext(held)})
        self.purchases = kind(
            **{f.name: getattr(self.mapped, f.name) for f in fields(Purchases) if f.init}
        )

    def _create_counted(self) -> None:
        self._create("listed", self.at.listed or {"id": "VARCHAR"}, key=self.at.enforced)
        self._create("purchases", self.at.kinds, refers=self.at.enforced)

    def _create(
        self, name: str, kinds: dict[str, str], *more: str, key: bool = False, refers: bool = False
    ) -> None:
        columns = [f'"{column}" {kind}' for column, kind in kinds.items()]
        columns += [*more, *(["PRIMARY KEY (id)"] if key else [])]
        columns += ["FOREIGN KEY (id) REFERENCES listed (id)"] if refers else []
        self.con.execute(f"CREATE TABLE {name} ({', '.join(columns)})")

    def load(self, shop: Shop) -> list[object]:
        """Hold a shop; return its owners, the position of each being its number."""
        owners = shop.owners(self.at.ids)
        numbers = {owner: number for number, owner in enumerate(owners)}
        for name, kinds, rows in self._sides(shop):
            held = arrow(kinds, rows)
            whose = [numbers[shops.spelt(row[0], self.at.ids)] for row in rows]
            held = held.append_column("owner", pa.array(whose, pa.int32()))
            self.con.register("given", held)
            self.con.execute(f"TRUNCATE all_{name}; INSERT INTO all_{name} FROM given")
        self._show("")
        return owners

    def _sides(self, shop: Shop) -> list[tuple[str, dict[str, str], list[Any]]]:
        sides = [("purchases", self.at.kinds, shop.rows)]
        return [*sides, ("listed", self.at.listed, shop.listed)] if self.at.listed else sides

    def _show(self, which: str) -> None:
        """Fill the tables that are counted, the one referred to first."""
        if self.at.enforced:  # the engine checks its keys too eagerly to delete and insert again
            self.con.execute("DROP TABLE purchases; DROP TABLE listed")
            self._create_counted()
        names = ["listed", "purchases"] if self.at.listed else ["purchases"]
        for name in names:
            kept = f"SELECT * EXCLUDE owner FROM all_{name} {which}"  # noqa: S608 -- our own names
            self.con.execute(f"TRUNCATE {name}; INSERT INTO {name} {kept}")

    def counts(self) -> Outcome:
        """Count what the tables hold now."""
        try:
            return dict(self.module.count(self.at.inquiry, self.purchases)._tables)
        except PurchasesError as refusal:
            return refusal.code
        except Exception as refusal:  # noqa: BLE001 -- a planted fault may break the engine
            return type(refusal).__name__

    def without(self, number: int) -> Outcome:
        """Count with one owner's rows removed from both tables."""
        self._show(f"WHERE owner <> {number}")
        return self.counts()

    def backwards(self) -> Outcome:
        """Count with the rows in the opposite order."""
        self._show("ORDER BY rowid DESC")
        return self.counts()

    def close(self) -> None:
        """Give the engine's memory back."""
        self.engine.disconnect()


class Compiled:
    """An engine that compiles each query once and keeps the small tables that it brings."""

    name = "duckdb"

    def __init__(self, engine: Any) -> None:
        self._engine, self._texts, self._asked = engine, {}, {}

    def to_pyarrow(self, query: Table) -> pa.Table:
        """Run the compiled text of a query."""
        asked = query.op()
        if asked not in self._texts:
            self._engine.to_pyarrow(query)  # registers what it brings along
            self._texts[asked] = ibis.to_sql(query, dialect="duckdb")
        found = self._engine.con.execute(self._texts[asked])
        names = [column[0] for column in found.description]
        columns = list(zip(*found.fetchall(), strict=True)) or [()] * len(names)
        numbers = {"cell": pa.int64(), "buyers": pa.int64()}
        arrays = [_plain(c, numbers.get(n)) for n, c in zip(names, columns, strict=True)]
        return pa.table(dict(zip(names, arrays, strict=True)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def sql(self, text: str) -> Table:
        """Return one expression per text."""
        if text not in self._asked:
            self._asked[text] = self._engine.sql(text)
        return self._asked[text]

    def drop_view(self, _name: str, *, force: bool) -> None:
        """Keep it for the next run."""


def _plain(values: Any, kind: pa.DataType | None) -> pa.Array:
    return pa.array([str(v) if isinstance(v, UUID) else v for v in values], kind)


def mapping(at: Setting, purchases: object, listed: object) -> Purchases:
    """Say what the columns of a setting mean."""
    near, far = at.axes
    held = Buyers(listed, buyer="id", axes={n: n for n in far}) if at.listed else None
    return Purchases(
        purchases,
        buyer="id",
        product="sku",
        date="day",
        axes={name: name for name in near},
        buyers=held,
        ids=at.ids,
        timezone=at.timezone,
        on_null_id=at.on_null_id,
    )


def arrow(kinds: dict[str, str], rows: list[Any]) -> pa.Table:
    """Return rows as an Arrow table; moments are whole numbers there, of days or microseconds."""
    columns = list(zip(*rows, strict=True)) or [()] * len(kinds)
    arrays = [_array(column, kind) for column, kind in zip(columns, kinds.values(), strict=True)]
    return pa.table(dict(zip(kinds, arrays, strict=True)))


def _array(values: Any, kind: str) -> pa.Array:
    if kind == "DATE":
        return pa.array(values, pa.int32()).view(pa.date32())
    if kind.startswith("TIMESTAMP"):
        return pa.array(values, pa.int64()).view(ARROW[kind])
    return pa.array(values, ARROW[kind])
