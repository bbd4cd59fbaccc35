"""Releases -> the class: how many people, of what composition, known to which retailers.

In: releases of one question. Out: `ClassEstimate`. One release gives points; several without
sketches give bounds only, since nothing in the files says which buyers are the same people.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import combinations, groupby
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from dpnotice.analyst.counts import RetailerCounts, check_consistent, fit_counts
from dpnotice.analyst.intervals import Counted, Floats, check_level, count_interval, fieller
from dpnotice.analyst.outside import Beyond
from dpnotice.analyst.overlap import share_bounds, simultaneous_low, union_interval
from dpnotice.analyst.parts import in_words, indicator, ordered
from dpnotice.analyst.rates import Quantity, Sampling
from dpnotice.analyst.together import together
from dpnotice.errors import EstimateError
from dpnotice.inquiry import Inquiry
from dpnotice.release import Release
from dpnotice.reporting import figures, tables, wording
from dpnotice.result import Estimate, interval_series, summary_frame
from dpnotice.segments import CONTACT, Axis

if TYPE_CHECKING:
    import pandas as pd

    from dpnotice.reporting import Axes

LEVEL: Final = 0.95
KNOWN_BUYERS: Final = "known buyers"
_DRAWS: Final = 20_000
_SEED: Final = 0
_MOST_SETS: Final = 5
"""Retailers up to which every set of them is listed, and not only pairs."""
_BOUNDS_NOTE: Final = "bounds: the overlap between retailers is not known"
_UNDETERMINED: Final = f"{wording.UNDETERMINED}: the count is not separated from 0"


def estimate_class(
    releases: Iterable[Release],
    *,
    outside: Quantity | None = None,
    users_per_buyer: Quantity | None = None,
) -> "ClassEstimate":
    """Combine releases into an estimate of the class.

    With U distinct known buyers, theta the share of purchasers in no responding retailer's records
    and h class members per purchaser: N = U h / (1 - theta).

    Args:
        releases: as loaded by :func:`dpnotice.load_releases`; one per retailer and attempt.
        outside: theta, a fraction, law or None.
        users_per_buyer: h, 1 or more, a number, law or None; draws of a law below 1 count as 1.

    Returns:
        Size, composition and overlap. Without `outside` and `users_per_buyer` it describes known
        buyers, and every sentence says so.

    Raises:
        ReleaseError: the releases do not belong together.
        EstimateError: h may fall below 1, or theta reach 1.
    """
    given = [releases] if isinstance(releases, Release) else releases
    checked = together(given)
    by_retailer = groupby(checked, key=lambda release: release.retailer)
    beyond = Beyond(outside=outside, users_per_buyer=users_per_buyer)
    return ClassEstimate(
        inquiry=checked[0].inquiry,
        retailers=tuple(check_consistent(fit_counts(tuple(g))) for _, g in by_retailer),
        losses=tuple(
            f"{r.retailer}: {r.inquiry.loss.measure} {r.inquiry.loss.value}" for r in checked
        ),
        beyond=beyond,
    )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ClassEstimate:
    """The class, seen through the retailers' noisy counts.

    Axis ``contact`` belongs to a person at a retailer and may differ between retailers; every
    other axis is taken to put a person in the same level wherever they are known.

    Attributes:
        inquiry: the question answered.
        retailers: the fitted counts of each retailer.
        losses: what each release cost its buyers, in words.
        beyond: what is stated of members whom no responding retailer knows.
    """

    inquiry: Inquiry
    retailers: tuple[RetailerCounts, ...]
    losses: tuple[str, ...]
    beyond: Beyond

    @property
    def axes(self) -> Mapping[str, Axis]:
        """The inquiry's axes."""
        return self.inquiry.axes

    @property
    def population(self) -> str:
        """``"class members"``, or ``"known buyers"`` where nothing is said of the others."""
        return "class members" if self.beyond.stated else KNOWN_BUYERS

    def _population_of(self, where: Mapping[str, object]) -> str:
        """Contact is a retailer's knowledge: of members in nobody's records there is none."""
        return KNOWN_BUYERS if CONTACT in where else self.population

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What every figure rests on, in words."""
        lines = [f"privacy loss per buyer: {'; '.join(self.losses)}"]
        if len(self.retailers) > 1:
            lines.append("no sketch: nothing is assumed about the overlap between retailers")
        lines += self.beyond.assumptions
        return tuple(lines)

    def size(self, level: float = LEVEL) -> Estimate:
        """Return the number of members: a point for one retailer, bounds for several.

        The bounds hold whatever the overlap is: at least the largest retailer's buyers (a
        simultaneous lower limit over retailers), at most the sum over retailers.
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
        found = [retailer.products(part)[0] for retailer in self.retailers]
        population = self._population_of(where)
        estimate, lower, upper = self._persons(found, level, population)
        note = _BOUNDS_NOTE if estimate is None else ""
        return Estimate(
            quantity=f"number of {population}",
            segment=in_words(where),
            estimate=estimate,
            lower=lower,
            upper=upper,
            level=level,
            unit="persons",
            note=note,
        )

    def share(self, *, level: float = LEVEL, **where: object) -> Estimate:
        """Return a part of the class as a share of all members, ``unknown`` included.

        For several retailers, with p_i buyers in the part at retailer i and q_i outside it:
        the low end is max p / (max p + sum q); the high end is sum p / (sum p + max q), or, where
        `contact` is asked (it may differ between retailers), min(1, sum p / max (p + q)): then the
        part is everyone with that contact at one retailer at least.

        Args:
            level: confidence, a fraction.
            **where: axis = a level or a list of levels; at least one.

        Raises:
            EstimateError: as :meth:`count`.
        """
        level = check_level(level)
        if not where:
            raise EstimateError('share needs a part, for instance share(contact=["post"])')
        part = indicator(self.axes, where)
        whole = {name: np.ones_like(weights) for name, weights in part.items()}
        pairs = [retailer.products(part, whole) for retailer in self.retailers]
        parts, wholes = [p for p, _ in pairs], [w for _, w in pairs]
        if len(parts) == 1:
            lower, upper, determined = fieller(parts[0], wholes[0], level)
            estimate = parts[0][0] / wholes[0][0] if wholes[0][0] else None
            note = "" if determined else _UNDETERMINED
            estimate = estimate if determined else None
        else:
            lower, upper = share_bounds(parts, wholes, level, free=CONTACT in where)
            estimate, note = None, _BOUNDS_NOTE
        return Estimate(
            quantity=f"share of {self._population_of(where)}",
            segment=in_words(where),
            estimate=estimate,
            lower=lower,
            upper=upper,
            level=level,
            unit="fraction",
            note=note,
        )

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
            each = _each(level, len(self.retailers)) if simultaneous else level
            rows = [
                {"retailer": e.segment, **_numbers(e), "level": level} for e in self._buyers(each)
            ]
            return tables.frame(rows, columns)
        asked = ordered(self.axes, names)
        cells = math.prod(len(self.axes[name]) for name in names)
        each = _each(level, cells) if simultaneous else level
        found = [(r.marginal(asked), r.design.cell_error(asked)) for r in self.retailers]
        estimate, lower, upper = self._persons(
            found, each, self._population_of(dict.fromkeys(names))
        )
        turned = [asked.index(name) for name in names]
        numbers = {
            "estimate": np.full(lower.shape, math.nan) if estimate is None else estimate,
            "lower": lower,
            "upper": upper,
        }
        return tables.cells(
            {name: self.axes[name].levels for name in names},
            {key: np.transpose(values, turned).ravel() for key, values in numbers.items()},
            {"level": level, "unit": "persons"},
        )

    def overlap(self, level: float = LEVEL) -> "pd.DataFrame":
        """Return, for every set of retailers, the persons known to all of them: bounds.

        Without sketches the number known to all of two or more retailers lies between 0 and the
        smallest of their buyers; a set of one is that retailer's own estimate.

        Returns:
            retailers, size (of the set), estimate, lower, upper, level, unit.
        """
        level, all_of_them = check_level(level), len(self.retailers)
        sizes = range(1, all_of_them + 1) if all_of_them <= _MOST_SETS else (1, 2)
        rows = []
        for size in sizes:
            for chosen in combinations(self.retailers, size):
                ends = {"level": level}
                ends |= {} if size == 1 else {"estimate": math.nan, "lower": 0.0}
                # The smallest of several limits holds if each holds at its share of the level.
                each = level if size == 1 else 1 - 2 * (1 - level) / size
                least = min(self._buyers(each, chosen), key=lambda e: e.upper)
                name = " + ".join(retailer.retailer for retailer in chosen)
                rows.append(
                    {"retailers": name, "size": size, **_numbers(least), "unit": "persons", **ends}
                )
        columns = ("retailers", "size", "estimate", "lower", "upper", "level", "unit")
        return tables.frame(rows, columns)

    def bounds(self, level: float = LEVEL) -> Estimate:
        """Return the number of distinct known buyers without any assumption about overlap."""
        return replace(self, beyond=Beyond()).size(level)

    @property
    def draws(self) -> Floats:
        """Draws of the size: (20,000,), or (20,000, 2) low and high ends for several retailers."""
        sampling = Sampling(axes=(), draws=_DRAWS, seed=_SEED)
        known = np.stack([r.draws((), _DRAWS, sampling.stream) for r in self.retailers])
        factor = self.beyond.members_per_known_buyer(sampling)
        drawn = np.asarray(known[0] * factor)
        if len(known) > 1:
            low, high = simultaneous_low(known), known.sum(axis=0)
            drawn = np.stack([low * factor, np.maximum(low, high) * factor], axis=1)
        drawn.flags.writeable = False
        return drawn

    def summary(self) -> "pd.DataFrame":
        """Return size, buyers per retailer, and shares of every level that can be estimated."""
        return summary_frame([self.size(), *self._buyers(LEVEL), *self._shares()])

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
        """Return one sentence on the size."""
        return wording.size_sentence(self.size().to_dict(), self.population, len(self.retailers))

    def to_dict(self) -> dict[str, Any]:
        """Return summary and assumptions as plain JSON types."""
        return {
            "format": 1,
            "inquiry": self.inquiry.digest,
            "retailers": [retailer.retailer for retailer in self.retailers],
            "assumptions": list(self.assumptions),
            "estimates": [e.to_dict() for e in [self.size(), *self._buyers(LEVEL)]],
        }

    def __repr__(self) -> str:
        return f"<ClassEstimate: {self.statement()}>"

    def _repr_html_(self) -> str:
        return tables.html(self.summary(), self.statement(), self.assumptions)

    def _buyers(
        self, level: float, chosen: Iterable[RetailerCounts] | None = None
    ) -> list[Estimate]:
        estimates = []
        for retailer in self.retailers if chosen is None else chosen:
            ((value, noise),) = retailer.products({})
            lower, upper = count_interval(value, noise.half_width(level))
            estimates.append(
                Estimate(
                    quantity="buyers",
                    segment=retailer.retailer,
                    estimate=value,
                    lower=lower,
                    upper=upper,
                    level=level,
                    unit="buyers",
                )
            )
        return estimates

    def _shares(self, by: str | None = None) -> list[Estimate]:
        shares = []
        for name, axis in self.axes.items():
            if by in {None, name} and all(
                retailer.design.determines((name,)) for retailer in self.retailers
            ):
                shares += [self.share(level=LEVEL, **{name: level}) for level in axis.levels]
        return shares

    def _persons(self, found: list[Counted], level: float, population: str) -> tuple[Any, Any, Any]:
        """Return point and ends of counts of persons: known ones, or all members."""
        if population == KNOWN_BUYERS:
            return union_interval(found, level)
        return self._scaled(found, level)

    def _scaled(self, found: list[Counted], level: float) -> tuple[Any, Any, Any]:
        """Return known buyers times h / (1 - theta); a law of the factor shares the level."""
        factor = self.beyond.members_per_known_buyer(Sampling(axes=(), draws=_DRAWS, seed=_SEED))
        each = level if factor.size == 1 else 1 - (1 - level) / 2
        estimate, lower, upper = union_interval(found, each)
        low, high = np.quantile(factor, [(1 - each) / 2, (1 + each) / 2])
        point = None if estimate is None else estimate * float(factor.mean())
        middle, half = (lower * low + upper * high) / 2, (upper * high - lower * low) / 2
        return point, *count_interval(middle, half)


def _each(level: float, number: int) -> float:
    """Return the level at which so many intervals hold together at a level (Bonferroni)."""
    return 1 - (1 - level) / number


def _numbers(estimate: Estimate) -> dict[str, Any]:
    kept = ("estimate", "lower", "upper", "level", "unit")
    return {name: value for name, value in estimate.row().items() if name in kept}
