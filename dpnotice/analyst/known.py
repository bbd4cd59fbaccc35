"""Fitted releases -> who is known: the buyers of each retailer, and persons where sketches tell.

In: the releases of each retailer, and what is stated of overlap and linkage. Out: `Known`: the
sources from which every figure of the class is made. Several sources give bounds, one gives points.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Final

import numpy as np

from dpnotice.analyst.counts import RetailerCounts, check_consistent, fit_counts
from dpnotice.analyst.overlap.blocks import keyed_share
from dpnotice.analyst.overlap.joint import JointCounts
from dpnotice.analyst.overlap.linkage import Linkage
from dpnotice.analyst.overlap.many import of_persons
from dpnotice.analyst.overlap.pairs import MOST_RETAILERS, Pairs, find_pairs, pattern_histogram
from dpnotice.analyst.overlap.sketches import (
    MOST_JOINT,
    Overlap,
    Sketched,
    contradiction,
    fit_overlap,
    independent_overlap,
    informative,
)
from dpnotice.analyst.rates import Quantity, axes_of, check_positive
from dpnotice.bitmap import SketchPlan
from dpnotice.errors import EstimateError
from dpnotice.release import Release
from dpnotice.segments import CONTACT, KEYED

OVERLAPS: Final = ("bounds", "independent")
_MOST_INDEPENDENT: Final = 8
_SEVERAL: Final = 2
_ALARM: Final = 4.0
"""S.d. from which a contradiction is no chance."""
_APART: Final = (
    f"sketches are compared two by two, as there are more than {MOST_JOINT} or their noise hides "
    "all places that none of them filled"
)
_UNTOLD: Final = (
    "the sketches tell nothing: their noise hides the places that none of them filled, or there "
    f"are more than {MOST_RETAILERS}, or more than {MOST_JOINT} with planes"
)
Source = RetailerCounts | JointCounts


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Known:
    """Buyers of each retailer, and persons as far as they can be told apart.

    Attributes:
        retailers: the fitted counts of each retailer.
        joint: persons of two or more of them, where sketches or an assumption tell.
        pairs: persons at two of the retailers, and sums of such, where there are more than five or
            not all patterns tell.
        linkage: how often one person's keys agree.
        sketch_plan: the shape of the sketches that were compared.
        notes: what had to be assumed, in words.
        flags: what contradicts itself, in words.
    """

    retailers: tuple[RetailerCounts, ...]
    joint: JointCounts | None = None
    pairs: Pairs | None = None
    linkage: Linkage = field(default_factory=Linkage)
    sketch_plan: SketchPlan | None = None
    notes: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()

    @property
    def sources(self) -> tuple[Source, ...]:
        """The joint persons, and every retailer that is not among them."""
        if self.joint is None:
            return self.retailers
        inside = self.joint.overlap.retailers
        return (self.joint, *(r for r in self.retailers if r.retailer not in inside))

    def of(self, names: Iterable[str]) -> tuple[Source, ...]:
        """Return the sources of figures that name some axes.

        Contact belongs to a person at a retailer, so that of joint persons there is none.
        """
        return self.retailers if CONTACT in tuple(names) else self.sources

    @property
    def assumptions(self) -> list[str]:
        """What is taken for granted of the overlap, in words; contradictions first."""
        lines = [f"contradiction: {flag}" for flag in self.flags]
        if self.joint is not None:
            lines += self.joint.rests_on
        elif self.pairs is not None:
            lines += self.linkage.assumptions
        elif len(self.retailers) > 1:
            lines.append("no sketch: nothing is assumed about the overlap between retailers")
        return lines + list(self.notes)

    @property
    def said(self) -> str:
        """What a sentence on persons must say of the overlap; empty where there are bounds only."""
        if self.joint is not None and not self.joint.overlap.by_key:
            return "taking the buyers of different retailers as independent"
        if self.joint is None and self.pairs is None:
            return ""
        return self.linkage.said


def know(
    releases: Sequence[Sequence[Release]],
    *,
    overlap: str | None,
    population: Quantity | None,
    linkage: Quantity | Mapping[str, Quantity] | None,
) -> Known:
    """Fit every retailer's counts, and their overlap as far as it is told.

    Args:
        releases: of each retailer.
        overlap: None for what the sketches tell, or one of :data:`OVERLAPS`.
        population: persons from whom the buyers came, where they are to be taken as independent.
        linkage: see :class:`dpnotice.analyst.overlap.linkage.Linkage`.

    Raises:
        EstimateError: statements that do not go together, or tables that contradict each other.
    """
    _check_stated(overlap, population)
    counts = tuple(check_consistent(fit_counts(tuple(own))) for own in releases)
    linked = Linkage() if linkage is None else Linkage(kappa=linkage)
    if overlap == "independent":
        return _independent(counts, population)
    found = [] if overlap == "bounds" else _sketched(counts, releases)
    if len(found) < _SEVERAL:
        return Known(retailers=counts)
    linked.check_names([one.name for one in found])
    return _compared(counts, found, linked)


def _check_stated(overlap: str | None, population: Quantity | None) -> None:
    if overlap not in {None, *OVERLAPS}:
        raise EstimateError(f"overlap is {' or '.join(OVERLAPS)}, or left out; got {overlap!r}")
    if (overlap == "independent") != (population is not None):
        raise EstimateError(
            'population goes with overlap="independent": buyers are then taken to be drawn from '
            "it independently at each retailer; give both or neither"
        )


def _compared(counts: tuple[RetailerCounts, ...], found: list[Sketched], linked: Linkage) -> Known:
    """Compare the maps of two or more retailers, as far as they tell anything."""
    kept = informative(found)
    left = [one.name for one in found if one not in kept]
    known = Known(
        retailers=counts,
        linkage=linked,
        sketch_plan=found[0].sketch.plan,
        notes=tuple(
            f"{name}: too few buyers with a key, or too many for its map, for overlap to be told"
            for name in left
        ),
        flags=tuple(filter(None, map(contradiction, found))),
    )
    fitted = fit_overlap(kept) if 0 < len(kept) <= MOST_JOINT else None
    if fitted is not None:
        joint = JointCounts(counts=tuple(o.counts for o in kept), overlap=fitted, linkage=linked)
        return replace(known, joint=joint, flags=known.flags + tuple(_impossible(joint)))
    pairs = _pairs(kept, linked) if kept else None
    reason = (_UNTOLD,) if kept and pairs is None else (_APART,) if pairs else ()
    return replace(known, pairs=pairs, notes=known.notes + reason)


def _impossible(joint: JointCounts) -> Iterator[str]:
    """Name pairs of retailers that would share more persons than the smaller of them has buyers."""
    for pair in combinations(range(len(joint.counts)), 2):
        value, sd = joint.known_to(pair)
        least = min(joint.counts[i].products({})[0][0] for i in pair)
        if value - _ALARM * sd > least:
            names = " and ".join(joint.overlap.retailers[i] for i in pair)
            yield (
                f"{names}: their sketches, keys and the stated linkage make {value:,.0f} persons "
                f"known to both, where the smaller has {least:,.0f} buyers"
            )


def _sketched(
    counts: Sequence[RetailerCounts], releases: Sequence[Sequence[Release]]
) -> list[Sketched]:
    """Return the retailers with a sketch; of several attempts the last one's."""
    found = []
    for fitted, own in zip(counts, releases, strict=True):
        sketches = [release.sketch for release in own if release.sketch is not None]
        if sketches:
            found.append(Sketched(fitted, sketches[-1]))
    return found


def _pairs(found: Sequence[Sketched], linked: Linkage) -> Pairs | None:
    """Return what maps tell two by two; None where that is nothing."""
    plan = found[0].sketch.plan
    if len(found) > MOST_RETAILERS or plan.planes:
        return None
    histograms = [
        pattern_histogram([one.sketch.words(block) for one in found])
        for block in range(len(plan.log2_bits))
    ]
    try:
        names = [one.name for one in found]
        pairs = find_pairs(histograms, np.array([one.flip for one in found]), names)
    except EstimateError:
        return None
    return of_persons(pairs, linked, np.array([_keyed(one.counts) for one in found]))


def _keyed(counts: RetailerCounts) -> float:
    return float(keyed_share(counts.marginal((KEYED,))))


def _independent(counts: tuple[RetailerCounts, ...], population: Quantity | None) -> Known:
    """Take the buyers of each retailer as drawn independently from a population."""
    checked = check_positive(population, "population")
    axes = axes_of(checked)
    if not 1 < len(counts) <= _MOST_INDEPENDENT or len(axes) > 1 or CONTACT in axes:
        raise EstimateError(
            f"independence is assumed between two to {_MOST_INDEPENDENT} retailers, with a "
            "population that is a number or a frame by one axis of persons"
        )
    fitted: Overlap = independent_overlap(counts, checked, axes)
    joint = JointCounts(counts=counts, overlap=fitted, linkage=Linkage())
    return Known(retailers=counts, joint=joint)
