"""Who is known -> the class: how many people, of what composition, known to which retailers.

In: fitted releases and what is stated of other members. Out: `ClassEstimate`. One release, or
several whose sketches were compared, give points; several without sketches give bounds only, since
nothing in the files says which buyers are the same people.
"""

import math
from collections.abc import Container, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from dpnotice.analyst.cells import MODEL_BASED, CellMap
from dpnotice.analyst.contactable import contactable
from dpnotice.analyst.counts import RetailerCounts
from dpnotice.analyst.intervals import Floats, bonferroni, check_level
from dpnotice.analyst.known import Known
from dpnotice.analyst.outside import Beyond
from dpnotice.analyst.parts import in_words, indicator, ordered, part_and_whole
from dpnotice.analyst.persons import (
    buyers,
    cells_of,
    factor_draws,
    known_to_all,
    numbers,
    persons,
    size_draws,
    smoothed_cells,
)
from dpnotice.analyst.rates import Quantity
from dpnotice.analyst.rungs import known_interval, rungs
from dpnotice.analyst.weighted import (
    BOUNDS_NOTE,
    mean_of,
    mean_rate,
    sources_of_error,
    total_weight,
)
from dpnotice.errors import EstimateError
from dpnotice.inquiry import Inquiry
from dpnotice.reporting import figures, tables, wording
from dpnotice.result import Estimate, interval_series, summary_frame
from dpnotice.segments import CONTACT, Axis

if TYPE_CHECKING:
    import pandas as pd

    from dpnotice.reporting import Axes

LEVEL: Final = 0.95
KNOWN_BUYERS: Final = "known buyers"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ClassEstimate:
    """The class, seen through the retailers' noisy counts and sketches.

    Axis ``contact`` belongs to a person at a retailer and may differ between retailers; every
    other axis is taken to put a person in the same level wherever they are known.

    Attributes:
        inquiry: the question answered.
        known: buyers of each retailer, and persons as far as they can be told apart.
        losses: what each release cost its buyers, in words.
        beyond: what is stated of members whom no responding retailer knows.
    """

    inquiry: Inquiry
    known: Known
    losses: tuple[str, ...]
    beyond: Beyond

    @property
    def retailers(self) -> tuple[RetailerCounts, ...]:
        """The fitted counts of each retailer."""
        return self.known.retailers

    @property
    def axes(self) -> Mapping[str, Axis]:
        """The inquiry's axes."""
        return self.inquiry.axes

    @property
    def population(self) -> str:
        """``"class members"``, or ``"known buyers"`` where nothing is said of the others."""
        return self._population_of(())

    def _beyond_for(self, named: Container[str]) -> Beyond:
        """What is stated of other members, for figures that name some axes.

        Contact is a retailer's knowledge: of members in nobody's records there is none.
        """
        return Beyond() if CONTACT in named else self.beyond

    def _population_of(self, named: Container[str]) -> str:
        return "class members" if self._beyond_for(named).stated else KNOWN_BUYERS

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What every figure rests on, in words."""
        losses = f"privacy loss per buyer: {'; '.join(self.losses)}"
        return (losses, *self.known.assumptions, *self.beyond.assumptions)

    def size(self, level: float = LEVEL) -> Estimate:
        """Return the number of members: a point where persons are told apart, bounds elsewhere.

        The bounds hold whatever the overlap is: at least the largest retailer's buyers (a
        simultaneous lower limit over retailers), at most the sum over retailers; for more than five
        sketches, the least and the most persons that agree with all pairs of them.
        """
        return self.count(level=level)

    def count(self, *, level: float = LEVEL, **where: object) -> Estimate:
        """Return the number of members in a part of the class; with `contact`, of known buyers.

        Args:
            level: confidence, a fraction.
            **where: axis = a level or a list of levels.

        Raises:
            EstimateError: an unknown axis or level, or the tables do not determine it.
        """
        level = check_level(level)
        part = indicator(self.axes, where)
        population = self._population_of(where)
        interval = partial(known_interval, self.known, part)
        estimate, lower, upper = persons(interval, self._beyond_for(where), level)
        note = BOUNDS_NOTE if estimate is None else ""
        return Estimate(
            quantity=f"number of {population}",
            segment=in_words(where),
            estimate=estimate,
            lower=float(lower),
            upper=float(upper),
            level=level,
            unit="persons",
            note=note,
        )

    def share(
        self,
        *,
        level: float = LEVEL,
        within: Mapping[str, object] | None = None,
        **where: object,
    ) -> Estimate:
        """Return a part of the class as a share of all members, ``unknown`` included.

        For several retailers, with p_i buyers in the part at retailer i and q_i outside it:
        the low end is max p / (max p + sum q); the high end is sum p / (sum p + max q), or, where
        `contact` is asked (it may differ between retailers), min(1, sum p / max (p + q)): then the
        part is everyone with that contact at one retailer at least.

        Args:
            level: confidence, a fraction.
            within: a share of this part instead of all members: axis -> a level or a list.
            **where: axis = a level or a list of levels; at least one.

        Raises:
            EstimateError: as :meth:`count`.
        """
        level = check_level(level)
        part, whole = part_and_whole(self.axes, where, within)
        pairs = [source.products(part, whole) for source in self.known.of(part)]
        return mean_of(
            [p for p, _ in pairs],
            [w for _, w in pairs],
            level=level,
            free=CONTACT in part,
            quantity=f"share of {self._population_of(part)}",
            segment=in_words(where, within),
        )

    def mean(self, rates: Quantity, *, level: float = LEVEL) -> Estimate:
        """Return the class's mean of a rate that is known by segment: sum n_s r_s / sum n_s.

        Args:
            rates: a frame by axes of the inquiry, fractions in its last column.
            level: confidence, a fraction.

        Returns:
            A fraction; for several retailers bounds, as :meth:`share`.

        Raises:
            EstimateError: as :meth:`count`.
            PlanError: no fractions, or a level missing.
        """
        return mean_rate(self.known, rates, check_level(level), self._population_of)

    def total(self, weights: Quantity, *, unit: str, level: float = LEVEL) -> Estimate:
        """Return a weighted sum over known buyers, for instance of dollars per person.

        Args:
            weights: a number of 0 or more, or a frame by axes of the inquiry.
            unit: of a weight times persons, ``"USD"`` or any other.
            level: confidence, a fraction.

        Returns:
            The sum; for several retailers bounds, as :meth:`count`.

        Raises:
            EstimateError: as :meth:`count`.
            PlanError: a negative weight, or a level missing.
        """
        return total_weight(self.known, weights, check_level(level), unit)

    def by(self, *names: str, level: float = LEVEL, simultaneous: bool = False) -> "pd.DataFrame":
        """Return the members of every cell of a marginal, or the buyers of every retailer.

        Args:
            *names: axes, or the single word ``"retailer"``.
            level: confidence of each interval by itself, or of all of them together.
            simultaneous: whether all K rows hold together with that confidence: each is then taken
                at 1 - (1 - level) / K (Bonferroni), whatever depends on what.

        Returns:
            A column per axis, then estimate, lower, upper, level, unit.

        Raises:
            EstimateError: as :meth:`count`.
        """
        level, columns = check_level(level), (*names, "estimate", "lower", "upper", "level", "unit")
        if names == ("retailer",):
            each = bonferroni(level, len(self.retailers)) if simultaneous else level
            rows = [
                {"retailer": e.segment, **numbers(e), "level": level}
                for e in buyers(self.retailers, each)
            ]
            return tables.frame(rows, columns)
        cells = math.prod(len(self.axes[name]) for name in ordered(self.axes, names))
        each = bonferroni(level, cells) if simultaneous else level
        estimate, lower, upper = (
            values.ravel()
            for values in cells_of(self.known.of(names), names, self._beyond_for(names), each)
        )
        return tables.cells(
            {name: self.axes[name].levels for name in names},
            {"estimate": estimate, "lower": lower, "upper": upper},
            {"level": level, "unit": "persons"},
        )

    def map(self, *names: str, level: float = LEVEL, smoothed: bool = False) -> CellMap:
        """Return the cells of a marginal as a map.

        Args:
            *names: one axis or more; rows are the first.
            level: confidence of each interval by itself.
            smoothed: whether cells are shrunk towards their margins, for the eye alone: see
                :func:`dpnotice.analyst.smoothing.smooth`. The map says so; do not add its cells.

        Raises:
            EstimateError: as :meth:`count`; or smoothed cells of several retailers.
        """
        level = check_level(level)
        if not names:
            raise EstimateError("a map has one axis or more; name one")
        if smoothed:
            estimate, lower, upper = smoothed_cells(self.retailers, names, level)
        else:
            beyond = self._beyond_for(names)
            estimate, lower, upper = cells_of(self.known.of(names), names, beyond, level)
        return CellMap(
            title=f"number of {KNOWN_BUYERS if smoothed else self._population_of(names)}",
            levels={name: self.axes[name].levels for name in names},
            estimate=estimate,
            lower=lower,
            upper=upper,
            level=level,
            note=MODEL_BASED if smoothed else "",
        )

    def explain(self, **where: object) -> "pd.DataFrame":
        """Return where the error of a count comes from, by released table and beyond.

        Args:
            **where: axis = a level or a list of levels; without it, of the size.

        Returns:
            retailer, table, noise_sd (of one of its cells), sd (added to the count, persons) and
            share_of_variance within the retailer. Joint persons have two rows more, members one
            for ``outside``. What the overlap leaves open is the distance between the bounds.

        Raises:
            EstimateError: as :meth:`count`.
        """
        part, beyond = indicator(self.axes, where), self._beyond_for(where)
        factor = factor_draws(beyond) if beyond.stated else None
        rows = sources_of_error(self.known, part, factor)
        return tables.frame(rows, (*rows[0],))

    def overlap(self, level: float = LEVEL) -> "pd.DataFrame":
        """Return, for every set of retailers, the persons known to all of them.

        Estimates where their sketches were compared; else the number known to all of two or more
        lies between 0 and the smallest of their buyers. A set of one is that retailer's own.

        Returns:
            retailers, size (of the set), estimate, lower, upper, level, unit.
        """
        rows = known_to_all(self.known, check_level(level))
        return tables.frame(rows, (*rows[0],))

    def contactable(self, plane: str, level: float = LEVEL) -> "pd.DataFrame":
        """Return, for every set of retailers, the persons who are in a plane at exactly those.

        See :func:`dpnotice.analyst.contactable.contactable`.
        """
        rows = contactable(self.known, plane, check_level(level))
        return tables.frame(rows, (*rows[0],))

    def bounds(self, level: float = LEVEL) -> Estimate:
        """Return the number of distinct known buyers without any assumption about overlap."""
        return replace(self, known=Known(retailers=self.retailers), beyond=Beyond()).size(level)

    def ladder(self, level: float = LEVEL) -> "pd.DataFrame":
        """Return what can be said of the number of known buyers, by how much is taken for granted.

        Returns:
            rung, rests_on, estimate (nan for bounds), lower, upper, level, unit; the widest first:
            counts alone, sketches two by two, all of their patterns or a stated model.

        Raises:
            EstimateError: ``INCONSISTENT`` where counts and sketches cannot both be true.
        """
        rows = rungs(self.known, check_level(level))
        return tables.frame(rows, (*rows[0],))

    @property
    def draws(self) -> Floats:
        """Draws of the size: (20,000,), or (20,000, 2) low and high ends where it has no point.

        The ends are those of the counts alone, also where more than five sketches narrow them.
        """
        return size_draws(self.known.sources, self.beyond)

    def summary(self) -> "pd.DataFrame":
        """Return size, its bounds, buyers per retailer, and the shares that can be estimated."""
        return summary_frame([*self._sizes(), *self._shares()])

    def to_frame(self) -> "pd.DataFrame":
        """Return the buyers of every retailer with their intervals."""
        return self.by("retailer")

    def plot_data(self, *, by: str | None = None) -> dict[str, Any]:
        """Return the composition as plain JSON types, by every axis or by one."""
        if by is not None:
            ordered(self.axes, (by,))
        return {
            "kind": "composition",
            "title": f"Composition of the {self.population}",
            "x": f"share of {self.population}",
            "unit": "fraction",
            "level": LEVEL,
            "series": interval_series(self._shares(by)),
        }

    def plot(self, ax: "Axes | None" = None, *, by: str | None = None) -> "Axes":
        """Draw the composition by every axis, or by one, each level with its interval."""
        return figures.draw(self.plot_data(by=by), ax)

    def statement(self) -> str:
        """Return one sentence on the size; where sketches tell, the bounds without them too."""
        size, said = self.size().to_dict(), self.known.said
        told = wording.size_sentence(size, self.population, len(self.retailers), said)
        if not said:
            return told
        beside = wording.beside_sentence(self.bounds().to_dict(), said)
        return " ".join([told, beside, *map(wording.contradiction_sentence, self.known.flags)])

    def to_dict(self) -> dict[str, Any]:
        """Return summary and assumptions as plain JSON types."""
        return {
            "format": 1,
            "inquiry": self.inquiry.digest,
            "retailers": [retailer.retailer for retailer in self.retailers],
            "assumptions": list(self.assumptions),
            "estimates": [estimate.to_dict() for estimate in self._sizes()],
        }

    def __repr__(self) -> str:
        return f"<ClassEstimate: {self.statement()}>"

    def _repr_html_(self) -> str:
        return tables.html(self.summary(), self.statement(), self.assumptions)

    def _sizes(self) -> list[Estimate]:
        """The size, what the counts alone say of it, and the buyers of every retailer."""
        alone = [self.bounds()] if self.known.said else []
        return [self.size(), *alone, *buyers(self.retailers, LEVEL)]

    def _shares(self, by: str | None = None) -> list[Estimate]:
        shares = []
        for name, axis in self.axes.items():
            if by in {None, name} and all(
                retailer.design.determines((name,)) for retailer in self.retailers
            ):
                parts: list[dict[str, Any]] = [{name: level} for level in axis.levels]
                shares += [self.share(**part) for part in parts]
        return shares
