"""Published rows laid out: which figure belongs to which audience and vehicle, and what relates.

In: rows, audiences nested or segmented, vehicles combined. Out: a `Sheet`, which gives any figure
by quantity, as printed or solved from its neighbours.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any, Final

from dpnotice.analyst.audit.findings import UNKNOWN, Figure, exactly
from dpnotice.analyst.audit.published import ALL, LADDER, Published
from dpnotice.errors import PlanError

Relation = Mapping[str, tuple[str, ...]]
_POPULATIONS: Final = frozenset({"universe", "census", "class"})
"""Of an audience; vehicles share them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """All published figures and what relates them.

    Attributes:
        rows: the figures.
        nested: audience -> the audiences that it is a part of.
        segments: audience -> the audiences that make it up, without overlap.
        combined: vehicle -> the vehicles, mailings or lists that it combines.
        survey_tolerance: share by which a survey's segments may miss their total.
        rounded: take the closing 000 of whole counts for the trace of rounding.
    """

    rows: tuple[Published, ...]
    nested: Relation
    segments: Relation
    combined: Relation
    survey_tolerance: float = 0.0
    rounded: bool = False
    _placed: Mapping[tuple[str, str], tuple[Published, ...]] = field(init=False, repr=False)
    _figures: Mapping[str, Figure] = field(init=False, repr=False)
    _index: Mapping[tuple[str, ...], Published] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        for name, kind in (
            ("nested", "audience"),
            ("segments", "audience"),
            ("combined", "vehicle"),
        ):
            known = {getattr(row, kind) for row in self.rows}
            for whole, parts in getattr(self, name).items():
                strange = [part for part in (whole, *parts) if part not in known]
                if strange:
                    raise PlanError(
                        f"{name} names {strange[0]!r}, but no row has that {kind}; the rows have "
                        f"{', '.join(sorted(known))}"
                    )
                if len({whole, *parts}) <= len(parts):
                    raise PlanError(
                        f"{name}: {whole!r} and its parts must all differ, got {', '.join(parts)}"
                    )

        placed: dict[tuple[str, str], tuple[Published, ...]] = {}
        index: dict[tuple[str, ...], Published] = {}
        for row in (row for row in self.rows if row.fits):
            place = (row.audience, row.vehicle)
            placed[place] = (*placed.get(place, ()), row)
            share = row.is_share and row.quantity in LADDER
            index[(*place, row.quantity, (row.of or "what is not said") if share else "")] = row
        object.__setattr__(self, "_placed", placed)
        object.__setattr__(self, "_index", index)
        object.__setattr__(self, "_figures", {row.row: self._read(row) for row in self.rows})

    def _read(self, row: Published) -> Figure:
        low, high = row.interval(rounded=self.rounded)
        return Figure(lower=low, upper=high, words=row.words, rows=(row.row,))

    @property
    def audiences(self) -> tuple[str, ...]:
        """Audiences in order of appearance."""
        return tuple(dict.fromkeys(row.audience for row in self.rows))

    @property
    def vehicles(self) -> tuple[str, ...]:
        """Vehicles in order of appearance."""
        return tuple(dict.fromkeys(row.vehicle for row in self.rows))

    @property
    def groups(self) -> tuple["Group", ...]:
        """A group per audience and vehicle that any row has."""
        pairs = dict.fromkeys((row.audience, row.vehicle) for row in self.rows)
        return tuple(self.group(*pair) for pair in pairs)

    @property
    def nestings(self) -> Iterator[tuple["Group", "Group"]]:
        """Each audience and one that it is a part of, for every vehicle."""
        for inner, outers in self.nested.items():
            for outer, vehicle in product(outers, self.vehicles):
                yield self.group(inner, vehicle), self.group(outer, vehicle)

    @property
    def segmentations(self) -> Iterator[tuple["Group", list["Group"]]]:
        """Each audience and its segments, for every vehicle."""
        for (whole, parts), vehicle in product(self.segments.items(), self.vehicles):
            yield self.group(whole, vehicle), [self.group(part, vehicle) for part in parts]

    @property
    def combinations(self) -> Iterator[tuple["Group", list["Group"]]]:
        """Each combination of vehicles and its parts, for every audience."""
        for (whole, parts), audience in product(self.combined.items(), self.audiences):
            yield self.group(audience, whole), [self.group(audience, part) for part in parts]

    def group(self, audience: str, vehicle: str) -> "Group":
        """Return the figures of one audience and vehicle, perhaps none."""
        return Group(sheet=self, audience=audience, vehicle=vehicle)

    def figure(self, row: Published) -> Figure:
        """Return a row's interval with its words."""
        return self._figures[row.row]

    def find(self, audience: str, vehicle: str, quantity: str, of: str) -> Published | None:
        """Return the row of a quantity, or of its share `of` a count; None where none is."""
        found = self._index.get((audience, vehicle, quantity, of))
        shared = found is None and vehicle != ALL and quantity in _POPULATIONS
        return self._index.get((audience, ALL, quantity, of)) if shared else found

    def placed(self, audience: str, vehicle: str) -> tuple[Published, ...]:
        """Return the rows of an audience and vehicle that can be what their text says."""
        return self._placed.get((audience, vehicle), ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The figures of one audience and vehicle.

    Letters: U `whole`, n `reached`, R `reach`, F `frequency`, I `impressions`.

    Attributes:
        sheet: all figures.
        audience: whom they are about.
        vehicle: which medium, mailing or list; populations are shared by all.
    """

    sheet: Sheet
    audience: str
    vehicle: str

    @property
    def rows(self) -> tuple[Published, ...]:
        """Rows that can be what their text says."""
        return self.sheet.placed(self.audience, self.vehicle)

    def row(self, quantity: str, of: str = "") -> Published | None:
        """Return the row of a quantity, or None; with `of`, the row that prints it as a share."""
        return self.sheet.find(self.audience, self.vehicle, quantity, of)

    def get(self, quantity: str, of: str = "") -> Figure:
        """Return a printed figure; with `of`, the share of that count."""
        row = self.row(quantity, of)
        return UNKNOWN if row is None else self.sheet.figure(row)

    @property
    def base(self) -> str:
        """The count that reach and GRPs of this group are of."""
        rated = [r for r in self.rows if r.quantity == "grps" or r.quantity.startswith("reach_")]
        row = self.row("reach") or next(iter(rated), None)
        return row.base if row else "universe"

    def rated(self, quantity: str) -> Figure:
        """Return reach, reach_n_plus or GRPs, if they are of the group's base."""
        row = self.row(quantity)
        return self.sheet.figure(row) if row is not None and row.base == self.base else UNKNOWN

    @property
    def whole(self) -> Figure:
        """U, as printed."""
        return self.get(self.base)

    @property
    def reach(self) -> Figure:
        """R as printed, else n / U."""
        return _first(self.rated("reach"), (self.get("reached") / self.whole).as_share())

    @property
    def reached(self) -> Figure:
        """Persons reached as printed, else R U."""
        return _first(self.get("reached"), self.rated("reach") * self.whole)

    @property
    def population(self) -> Figure:
        """U as printed, else n / R, else the universe or the class."""
        solved = self.get("reached") / self.rated("reach")
        return _first(self.whole, solved, self.get("universe"), self.get("class"))

    @property
    def impressions(self) -> Figure:
        """Impressions as printed, else n F."""
        return _first(self.get("impressions"), self.reached * self.get("frequency"))

    @property
    def exposures(self) -> Figure:
        """Exposures per person of the base: GRPs / 100 as printed, else I / U, else R F."""
        printed = self.rated("grps") / exactly(100)
        by_weight = self.get("impressions") / self.whole
        return _first(printed, by_weight, self.reach * self.get("frequency"))


def relation(given: object, name: str) -> dict[str, tuple[str, ...]]:
    """Return a relation as name -> names, or refuse another form.

    Raises:
        PlanError: not a mapping of text to text or to a list of texts.
    """
    made: dict[str, tuple[str, ...]] = {}
    given = {} if given is None else given
    if not isinstance(given, Mapping):
        raise _form(given, name)
    for whole, parts in given.items():
        listed: Any = (parts,) if isinstance(parts, str) else parts
        texts = isinstance(listed, Collection) and all(isinstance(n, str) for n in (whole, *listed))
        if not texts or not listed:
            raise _form(given, name)
        made[whole] = tuple(listed)
    return made


def _form(given: object, name: str) -> PlanError:
    return PlanError(f'{name} must be like {{"all": ["men", "women"]}}, got {given!r}')


def _first(*figures: Figure) -> Figure:
    return next((figure for figure in figures if figure.known), UNKNOWN)
