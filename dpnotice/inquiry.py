"""The public question both sides hold: products, period, segments, tables, privacy.

In: an agreed TOML file. Out: an `Inquiry` whose digest names the question in every release.
Everything here is public; no data is touched.
"""

import json
import math
import re
import tomllib
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import tomli_w
from pydantic import ValidationError

from dpnotice.bitmap import SketchPlan, plan_of
from dpnotice.errors import InquiryError, InquiryWarning
from dpnotice.inquiry_file import (
    MATTER_NAME,
    AxisFile,
    InquiryFile,
    PrivacyFile,
    TableFile,
    told,
)
from dpnotice.privacy import NoiseLaw, PrivacyLoss, PrivacyUnit, exact_decimal
from dpnotice.products import ProductList, canonical_sha256, read_products
from dpnotice.segments import HAS_KEY, KEYED, Axis, Table, check_levels
from dpnotice.zcdp import declared

MAX_RELEASED_CELLS: Final = 10**6
MAX_AXES: Final = 24
MAX_TABLES: Final = 1000
MAX_CROSS_CELLS: Final = 2**24
MAX_JSON_CELLS: Final = 2**18
"""Above this many cells the tables of a release travel as one raw part instead of JSON."""
MAX_HEADER: Final = 8 * 2**20
"""Bytes of a release's header, which embeds the inquiry and, up to 2^18 cells, the counts."""
MAX_BLOCKS: Final = 1000
"""Of a sketch; a header names each of them, and bounds its parts."""
_CELL_BYTES: Final = 20
_HEADER_REST: Final = 2**16


@dataclass(frozen=True, slots=True, kw_only=True)
class Inquiry:
    """The agreed question: what is counted, for whom, by which segments, at what privacy loss.

    Attributes:
        name: the matter; one privacy account per retailer and matter.
        title: for people.
        unit: whom the release protects.
        period: first day in, first day out (half-open), in `timezone`.
        timezone: IANA name.
        products: the products in scope.
        axes: name -> Axis, in the order of the file.
        specs: the tables to release with their weights, in canonical order.
        loss: per retailer, all tables together.
        noise_law: the noise of every cell.
        quoted: marginals somebody intends to quote.
        sketch: the bitmap that goes with the tables, None without.
    """

    name: str
    title: str
    unit: PrivacyUnit
    period: tuple[date, date]
    timezone: str
    products: ProductList
    axes: Mapping[str, Axis]
    specs: tuple[Table, ...]
    loss: PrivacyLoss
    noise_law: NoiseLaw
    quoted: tuple[tuple[str, ...], ...] = ()
    sketch: SketchPlan | None = None

    def __post_init__(self) -> None:
        if len(self.axes) > MAX_AXES or max(len(self.specs), len(self.quoted)) > MAX_TABLES:
            raise InquiryError(
                f"an inquiry has at most {MAX_AXES} axes and {MAX_TABLES:,} tables, quoted ones "
                f"too, got {len(self.axes)}, {len(self.specs):,} and {len(self.quoted):,}; "
                "use fewer",
                code="DOMAIN_TOO_LARGE",
            )
        if not re.fullmatch(MATTER_NAME, self.name):
            raise InquiryError(
                f"the matter's name has 1 to 64 of the characters A-Z a-z 0-9 . _ -, starting "
                f"with a letter or digit, got {self.name!r}; rename it",
                code="BAD_NAME",
            )
        check_levels(sum(map(len, self.axes.values())))
        _one_line(self.title)
        object.__setattr__(self, "axes", MappingProxyType(dict(self.axes)))
        if KEYED in self.axes or not _holds_keyed(self.specs, self.sketch):
            raise InquiryError(
                f"{KEYED!r} is no axis of a question: a sketch adds it, and a table of "
                "its blocks by it; leave the axis out"
            )
        object.__setattr__(self, "specs", self._canonical_tables())
        object.__setattr__(self, "quoted", tuple(sorted(self._ordered(q) for q in self.quoted)))
        if self.period[0] >= self.period[1]:
            raise InquiryError(
                f"the period is half-open, so its first day must come before its last, "
                f"got {self.period[0]} and {self.period[1]}; exchange or correct them"
            )
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise InquiryError(
                f"timezone must be an IANA name, got {self.timezone!r}; "
                "write for instance America/Los_Angeles"
            ) from None
        self._check_law()
        self._check_size()

    def _canonical_tables(self) -> tuple[Table, ...]:
        tables = [Table(of=self._ordered(t.of), weight=t.weight) for t in self.specs]
        names = [table.of for table in tables]
        if len(set(names)) < len(names) or not names:
            raise InquiryError("list each table once, and at least one; merge the repeats")
        order = list(self.table_axes)
        key = lambda table: (len(table.of), [order.index(axis) for axis in table.of])  # noqa: E731 -- local sort key
        return tuple(sorted(tables, key=key))

    def _ordered(self, names: Iterable[str]) -> tuple[str, ...]:
        given = tuple(names)
        axes = self.table_axes
        strange = [name for name in given if name not in axes]
        if strange or len(set(given)) < len(given):
            raise InquiryError(
                f"a table names each of the inquiry's axes at most once, got {list(given)}; "
                f"the axes are {', '.join(axes)}"
            )
        return tuple(axis for axis in axes if axis in given)

    def _check_law(self) -> None:
        gaussian = self.noise_law == NoiseLaw.DISCRETE_GAUSSIAN
        if gaussian != (self.loss.measure == "rho"):
            raise InquiryError(
                "discrete-gaussian noise is accounted in rho and discrete-laplace in epsilon, "
                f"got {self.noise_law} with {self.loss.measure}; change one of the two"
            )

    def _check_size(self) -> None:
        released = sum(self.cells(table) for table in self.tables)
        cross = self.cells(tuple(self.table_axes))
        if released > MAX_RELEASED_CELLS or cross > MAX_CROSS_CELLS:
            raise InquiryError(
                f"{released:,} cells would be released and {cross:,} "
                f"combinations counted; the limits are {MAX_RELEASED_CELLS:,} and "
                f"{MAX_CROSS_CELLS:,}, so use fewer tables, axes or levels",
                code="DOMAIN_TOO_LARGE",
            )
        blocks = 0 if self.sketch is None else len(self.sketch.guesses)
        if blocks > MAX_BLOCKS:
            raise InquiryError(
                f"a sketch has at most {MAX_BLOCKS:,} blocks, got {blocks:,}; "
                "use an axis of fewer levels",
                code="DOMAIN_TOO_LARGE",
            )
        counts = _CELL_BYTES * released if released <= MAX_JSON_CELLS else 0
        room = MAX_HEADER - counts - _HEADER_REST
        if len(json.dumps(self.to_dict(), ensure_ascii=False).encode()) > room:
            raise InquiryError(
                f"the inquiry's own text is over {room:,} bytes, too long for a release to carry; "
                "use shorter or fewer levels",
                code="DOMAIN_TOO_LARGE",
            )

    @property
    def tables(self) -> tuple[tuple[str, ...], ...]:
        """The axes of each released table, canonical order; ``()`` is the total."""
        return tuple(table.of for table in self.specs)

    @property
    def unlisted(self) -> tuple[tuple[str, ...], ...]:
        """Quoted marginals that no single table holds."""
        return tuple(q for q in self.quoted if not any(set(q) <= set(of) for of in self.tables))

    @property
    def table_axes(self) -> Mapping[str, Axis]:
        """The axes that tables are made of: those of the question, and ``keyed`` with a sketch."""
        return self.axes if self.sketch is None else {**self.axes, KEYED: HAS_KEY}

    @property
    def total_loss(self) -> PrivacyLoss:
        """What a buyer loses by the whole release: tables and sketch."""
        return self.loss if self.sketch is None else self.loss.plus_pure(self.sketch.epsilon)

    def shape(self, table: tuple[str, ...]) -> tuple[int, ...]:
        """Return the number of levels of each axis of a table."""
        axes = self.table_axes
        return tuple(len(axes[axis]) for axis in table)

    def cells(self, table: tuple[str, ...]) -> int:
        """Return the number of cells of a table."""
        return math.prod(self.shape(table))

    @property
    def digest(self) -> str:
        """SHA-256 of the question in canonical form; the title and `quoted` do not change it."""
        content = self.to_dict()
        return canonical_sha256({k: v for k, v in content.items() if k not in {"title", "quoted"}})

    def to_dict(self) -> dict[str, Any]:
        """Return the canonical form that a release embeds (products as count and digest)."""
        sketch = {} if self.sketch is None else {"sketch": self.sketch.to_dict()}
        return {
            "format": 1,
            "name": self.name,
            "title": self.title,
            "unit": str(self.unit),
            "period": [day.isoformat() for day in self.period],
            "timezone": self.timezone,
            "products": {"count": self.products.count, "sha256": self.products.sha256},
            "quoted": [list(names) for names in self.quoted],
            "axes": [{"name": a.name, "levels": list(a.levels)} for a in self.axes.values()],
            "tables": [{"of": list(t.of), "weight": _plain(t.weight)} for t in self.specs],
            "privacy": {self.loss.measure: _plain(self.loss.value), "noise": str(self.noise_law)},
            **sketch,
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any], *, folder: str | Path = ".") -> Self:
        """Build an inquiry from the dictionary form of its file.

        Args:
            content: what the TOML file holds; see :meth:`json_schema`.
            folder: where a products file named in it lies.

        Returns:
            The checked inquiry.

        Raises:
            InquiryError: with the place and the rule broken.
        """
        if not isinstance(content, Mapping):
            raise InquiryError(f"an inquiry is a table of fields, got {type(content).__name__}")
        try:
            read = InquiryFile.model_validate(dict(content))
        except ValidationError as refusal:
            first = refusal.errors()[0]
            named = first["loc"] == ("name",) and first["type"] != "missing"
            raise InquiryError(
                f"the inquiry: {told(refusal)}", code="BAD_NAME" if named else ""
            ) from None
        axes = _distinct_axes(read.axes)
        sketch = None if read.sketch is None else plan_of(read.sketch, axes)
        specs = _with_keyed(tuple(map(_table, read.tables)), sketch)
        loss, noise_law = _declared(read.privacy, specs)
        return cls(
            name=read.name,
            title=_one_line(read.title),
            unit=PrivacyUnit(read.unit),
            period=(_day(read.period[0]), _day(read.period[1])),
            timezone=read.timezone,
            products=read_products(read.products, Path(folder)),
            axes=axes,
            specs=specs,
            loss=loss,
            noise_law=noise_law,
            quoted=tuple(tuple(names) for names in read.quoted),
            sketch=sketch,
        )

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read an inquiry from its TOML file; warn of what is to be quoted and stands nowhere.

        Raises:
            InquiryError: no such file, not TOML, or a rule is broken.
        """
        if not isinstance(path, (str, Path)):
            raise InquiryError("an inquiry is loaded from a path; from a dictionary, use from_dict")
        path = Path(path)
        try:
            content = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as refusal:
            raise InquiryError(f"cannot read {path.name!r} as TOML: {refusal}") from None
        inquiry = cls.from_dict(content, folder=path.parent)
        for names in inquiry.unlisted:
            warnings.warn(
                f"{' x '.join(names)} is to be quoted, but no table holds it; list one, or ask "
                "dpnotice.advise what is gained",
                InquiryWarning,
                stacklevel=2,
            )
        return inquiry

    def save(self, path: str | Path) -> None:
        """Write the inquiry as TOML, products listed where they are known.

        Raises:
            InquiryError: the file cannot be written.
        """
        content = self.to_dict()
        content["axes"] = {axis.name: list(axis.levels) for axis in self.axes.values()}
        if self.products.items is not None:
            content["products"] = list(self.products.items)
        if self.sketch is not None:
            content["sketch"] = self.sketch.to_file()
        try:
            Path(path).write_text(tomli_w.dumps(content), encoding="utf-8")
        except (OSError, ValueError) as refusal:
            raise InquiryError(f"cannot write {str(path)!r}: {refusal}") from None

    @staticmethod
    def json_schema() -> dict[str, Any]:
        """Return the JSON Schema of the file, for editors and reviewers."""
        return InquiryFile.model_json_schema()


# --- reading the parts ---------------------------------------------------------------------
def _plain(value: Decimal) -> str:
    """Decimal text without an exponent or trailing zeros: one spelling per value."""
    return f"{value.normalize():f}"


def _one_line(text: str) -> str:
    if not all(character.isprintable() for character in text):
        raise InquiryError("the title must be one line of printable characters; remove the others")
    return text


def _day(value: date | str) -> date:
    try:
        return date.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        raise InquiryError(f'a period day is written like "2016-09-20", got {value!r}') from None


def _distinct_axes(given: dict[str, list[str]] | list[AxisFile]) -> dict[str, Axis]:
    if isinstance(given, dict):
        pairs = list(given.items())
    else:
        pairs = [(axis.name, axis.levels) for axis in given]
    check_levels(sum(len(levels) for _, levels in pairs))
    axes = [Axis(name=name, levels=tuple(levels)) for name, levels in pairs]
    names = [axis.name for axis in axes]
    if any(a == b for a, b in pairwise(sorted(names))):
        raise InquiryError("each axis may be given once; merge the repeated ones")
    return {axis.name: axis for axis in axes}


def _with_keyed(specs: tuple[Table, ...], sketch: SketchPlan | None) -> tuple[Table, ...]:
    """Add the table that a sketch needs, where no table holds it."""
    if sketch is None or _holds_keyed(specs, sketch):
        return specs
    return (*specs, Table(of=sketch.keyed_table))


def _holds_keyed(specs: Iterable[Table], sketch: SketchPlan | None) -> bool:
    return sketch is None or any(set(sketch.keyed_table) <= set(table.of) for table in specs)


def _table(table: TableFile) -> Table:
    return Table(of=tuple(table.of), weight=exact_decimal(table.weight, "a table's weight"))


def _declared(privacy: PrivacyFile, tables: Iterable[Table]) -> tuple[PrivacyLoss, NoiseLaw]:
    texts = privacy.model_dump(exclude={"noise"}, exclude_none=True)
    return declared(texts, privacy.noise, [table.weight for table in tables])
