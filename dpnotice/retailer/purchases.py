"""Where the purchases are and what their columns mean.

In: sources and a mapping of columns, of the purchases and, where attributes are kept apart, of the
buyers. Out: Ibis tables with their schemas checked, and the engine that will count them. No query
is built here.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass, field
from types import MappingProxyType
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import ibis.expr.datatypes as dt
from ibis.expr.operations import UnboundTable
from ibis.expr.types import Table

from dpnotice.errors import PurchasesError
from dpnotice.retailer.source import Wanted, check_present, opened

IDS_RULES: Final = ("as_is", "trim", "trim_ascii_lower")
NULL_ID_RULES: Final = ("drop", "fail")


class Opened(NamedTuple):
    """The tables of a retailer in the engine (an Ibis backend) that counts them.

    `texts_of` names the engine where its columns may have collations of their own.
    """

    purchases: Table
    buyers: Table | None
    engine: Any
    texts_of: str | None = None


@dataclass(frozen=True, slots=True)
class Buyers:
    """A retailer's customer table: attributes of a buyer, kept apart from the purchases.

    Run by: the retailer. A buyer of the purchases who is not in this table is counted, as
    ``unknown`` on its axes; one who is in it twice gets the smallest cell code of the two.

    Attributes:
        source: as in :class:`Purchases`; where one is an Ibis table, both are, of one connection.
        buyer: column of the same ids as in the purchases, of the same kind.
        axes: axis name -> column of level texts.
        person: column of the key shared between retailers, for sketches only; None without.
    """

    source: Any
    _: KW_ONLY
    buyer: str
    axes: Mapping[str, str] = field(default_factory=dict)
    person: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "axes", _frozen(self.axes, "buyers.axes"))
        _check_names(self.columns)

    def __repr__(self) -> str:
        return f"Buyers(buyer={self.buyer!r})"

    @property
    def columns(self) -> dict[str, str]:
        """Argument name -> column, for every column that is read."""
        person = {} if self.person is None else {"buyers.person": self.person}
        axes = {f"buyers.axes.{axis}": column for axis, column in self.axes.items()}
        return {"buyers.buyer": self.buyer, **person, **axes}


@dataclass(frozen=True, slots=True)
class Purchases:
    """A retailer's sales table and the meaning of its columns.

    Run by: the retailer. Nothing is read until :func:`dpnotice.answer`.

    Attributes:
        source: path, glob or list of paths (.parquet, .csv, .csv.gz), a pandas, polars or Arrow
            frame, or an Ibis table of DuckDB, Spark or PostgreSQL. CSV is UTF-8 with commas, a
            header, and ISO dates (days, or local times where `timezone` is given). Every path of a
            list must be there.
        buyer: column that identifies a person at this retailer (text, integer or UUID).
        product: column of product codes, as in the inquiry's list (text or integer).
        date: column of the purchase's day or time.
        axes: axis name -> column of level texts; axes that the inquiry does not ask are ignored.
        person: column of the key shared between retailers, for sketches only; None without.
        buyers: attributes in a second table; an axis, or the person key, is in one of the two.
        ids: how buyer ids are spelt alike: ``as_is``, ``trim`` or ``trim_ascii_lower``.
        timezone: IANA name; needed where `date` is a timestamp without zone.
        on_null_id: a purchase in scope without an id (a guest) is dropped, as is stated on the
            privacy card, or refuses the count (``NULL_ID``). It is no known buyer's, so the refusal
            shows nothing about one.
    """

    source: Any
    _: KW_ONLY
    buyer: str
    product: str
    date: str
    axes: Mapping[str, str] = field(default_factory=dict)
    person: str | None = None
    buyers: Buyers | None = None
    ids: str = "as_is"
    timezone: str | None = None
    on_null_id: str = "drop"

    def __post_init__(self) -> None:
        object.__setattr__(self, "axes", _frozen(self.axes, "axes"))
        _check_names(self.columns)
        self._check_buyers()
        if not isinstance(self.ids, str) or self.ids not in IDS_RULES:
            raise PurchasesError("IDS_RULE", field="ids")
        if not isinstance(self.on_null_id, str) or self.on_null_id not in NULL_ID_RULES:
            raise PurchasesError("NULL_ID_RULE", field="on_null_id")
        if self.timezone is not None:
            _check_zone(self.timezone)

    def _check_buyers(self) -> None:
        if self.buyers is None:
            return
        if not isinstance(self.buyers, Buyers):
            raise PurchasesError("ARGUMENT", field="buyers")
        twice = [axis for axis in self.buyers.axes if axis in self.axes]
        if twice:
            raise PurchasesError("MAPPED_TWICE", field=f"axes.{twice[0]}")
        if self.person is not None and self.buyers.person is not None:
            raise PurchasesError("MAPPED_TWICE", field="person")

    def __repr__(self) -> str:
        return f"Purchases(buyer={self.buyer!r}, product={self.product!r}, date={self.date!r})"

    @property
    def columns(self) -> dict[str, str]:
        """Argument name -> column, for every column that is read of the purchases."""
        person = {} if self.person is None else {"person": self.person}
        axes = {f"axes.{axis}": column for axis, column in self.axes.items()}
        return {"buyer": self.buyer, "product": self.product, "date": self.date, **person, **axes}

    @contextmanager
    def opened(self) -> Iterator[Opened]:
        """Open the sources in one engine and check their schemas.

        Yields:
            The tables and the engine that reads them. A DuckDB engine of our own is closed, and its
            spill folder removed, at the end; an engine passed in is left as it was.

        Raises:
            PurchasesError: a code and a fixed text; see :data:`dpnotice.errors.PURCHASES_RULES`.
        """
        with opened(self._wanted()) as (engine, tables):
            yield self._checked(tables, engine)

    @contextmanager
    def described(self) -> Iterator[Opened]:
        """Do as :meth:`opened`, for Ibis tables without an engine too: their schema is enough."""
        sources = [wanted.source for wanted in self._wanted()]
        if all(_is_unbound(source) for source in sources):
            yield self._checked(sources, None)
        else:
            with self.opened() as tables:
                yield tables

    def _wanted(self) -> list[Wanted]:
        sales = Wanted("purchases", self.source, self.columns, self.date, self.timezone)
        if self.buyers is None:
            return [sales]
        return [sales, Wanted("buyers", self.buyers.source, self.buyers.columns)]

    def _checked(self, tables: list[Table], engine: Any) -> Opened:
        for wanted, table in zip(self._wanted(), tables, strict=True):
            _check_schema(wanted, table)
        self._check_kinds(tables)
        buyers = tables[1] if len(tables) > 1 else None
        passed_in = engine is not None and isinstance(self.source, Table)
        return Opened(tables[0], buyers, engine, engine.name if passed_in else None)

    def _check_kinds(self, tables: list[Table]) -> None:
        """Refuse local times without their zone, and ids that are not of one kind."""
        when = tables[0].schema()[self.date]
        if when.is_timestamp() and when.timezone is None and self.timezone is None:
            raise PurchasesError("TZ_REQUIRED", field="date")
        if self.buyers is None:
            return
        kinds = [tables[0].schema()[self.buyer], tables[1].schema()[self.buyers.buyer]]
        if len({(kind.is_string(), kind.is_integer()) for kind in kinds}) > 1:
            raise PurchasesError("ID_KINDS", field="buyers.buyer")


def _is_unbound(source: object) -> bool:
    return isinstance(source, Table) and isinstance(source.op(), UnboundTable)


def _frozen(axes: object, name: str) -> Mapping[str, str]:
    if not isinstance(axes, Mapping):
        raise PurchasesError("MAPPING", field=name)
    return MappingProxyType(dict(axes))


def _check_names(columns: Mapping[str, object]) -> None:
    for name, column in columns.items():
        if not isinstance(column, str) or not column:
            raise PurchasesError("MAPPING", field=name)


def _check_zone(name: str) -> None:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError, TypeError):
        raise PurchasesError("TZ_UNKNOWN", field="timezone") from None


def _check_schema(wanted: Wanted, table: Table) -> None:
    """Refuse, by argument name, a column that is missing or of a type that cannot be used."""
    schema = table.schema()
    check_present(wanted, schema.names)
    for argument, column in wanted.columns.items():
        if not _usable(argument.removeprefix("buyers."), schema[column]):
            code = "ID_TYPE" if argument.endswith("buyer") else "SCHEMA_TYPE"
            raise PurchasesError(code, field=argument)


def _usable(argument: str, kind: dt.DataType) -> bool:
    if argument == "date":
        return bool(kind.is_date() or kind.is_timestamp())
    plain = kind.is_string() or kind.is_integer()
    if argument == "buyer":
        return bool(plain or kind.is_uuid())
    return bool(plain or (argument.startswith("axes.") and kind.is_boolean()))
