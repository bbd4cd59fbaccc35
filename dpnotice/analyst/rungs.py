"""The ladder: what can be said of the number of persons, by how much is taken for granted.

In: `Known`. Out: rungs, the widest first: sizes alone, pairs of sketches, all of their patterns or
a stated assumption. No figure that rests on an assumption stands without the rungs above it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import numpy as np
from scipy.special import ndtri

from dpnotice.analyst.bounds import union_interval
from dpnotice.analyst.intervals import Floats, bonferroni, count_interval
from dpnotice.analyst.known import Known, Source
from dpnotice.analyst.overlap.identified import (
    MOST_REGIONS_OF,
    Limits,
    identified_regions,
    identified_union,
)
from dpnotice.analyst.overlap.pairs import ORDERS
from dpnotice.analyst.overlap.propensity import MODEL, gamma_union
from dpnotice.analyst.pair_bounds import hunter_worsley_high
from dpnotice.errors import EstimateError

_SIZES: Final = "nothing beyond the counts"
_PAIRS: Final = "the sketches, two by two"
_PAIR, _TRIPLE = 2, 3
_SURER: Final = 10
Interval: TypeAlias = tuple[float | None, float, float]
"""Point, None for bounds, and ends."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PairLimits:
    """Limits that hold together, of the retailers whose sketches were compared.

    Attributes:
        sizes: (k, 2) buyers.
        pairs: (k, k, 2) persons at both of two.
        rest: (lower, upper) of the buyers of every other retailer.
        sums: by order r from 2, (lower, upper) of the sum over persons at d retailers of C(d, r).
    """

    sizes: Floats
    pairs: Floats
    rest: tuple[Limits, ...]
    sums: Mapping[int, Limits]

    @property
    def totals(self) -> dict[int, Limits]:
        """Limits of the sum of sizes, of the sum of pairs, and of the sums of higher order."""
        above = np.triu_indices(len(self.sizes), 1)
        (low, high), (fewest, most) = self.sizes.sum(axis=0), self.pairs[above].sum(axis=0)
        least, greatest = self.sums.get(_PAIR, (0.0, math.inf))
        pairs = max(float(fewest), least), min(float(most), greatest)
        return {1: (float(low), float(high)), **self.sums, _PAIR: pairs}

    def by_sums(self) -> Limits:
        """Bonferroni below, Hunter and Worsley above."""
        low, most = self.totals[1][0], self.totals[_PAIR][1]
        high = hunter_worsley_high(self.sizes[:, 1], self.pairs[..., 0])
        return max(0.0, low - most), float(high)

    def best(self) -> Limits:
        """Return the least and the most persons that agree with all limits."""
        if len(self.sizes) <= MOST_REGIONS_OF:
            return identified_regions(self.sizes, self.pairs, sums=self.sums)
        return identified_union(len(self.sizes), self.totals)

    def with_rest(self, ends: Limits) -> Limits:
        """Add the retailers of whose overlap nothing is known; no fewer than any has buyers."""
        low = max([ends[0], *self.sizes[:, 0], *(lower for lower, _ in self.rest)])
        return low, max(low, ends[1] + sum(upper for _, upper in self.rest))


def pair_limits(known: Known, level: float) -> PairLimits | None:
    """Return limits of sizes, pairs and sums, each at its share of the level; None without any."""
    told = _pairs_of_persons(known)
    if told is None:
        return None
    names, pairs, sd = told
    twos = math.comb(len(names), _PAIR)
    sums = {} if known.pairs is None else known.pairs.useful()
    # Sums of an order that is then of no use share the level too, so that the choice is free.
    each = bonferroni(level, len(known.retailers) + twos + (ORDERS - 1) * (known.pairs is not None))
    z = float(ndtri((1 + each) / 2))
    ends = {}
    for retailer in known.retailers:
        ((value, noise),) = retailer.products({})
        half = noise.half_width(each)
        ends[retailer.retailer] = max(0.0, value - half), max(0.0, value + half)
    return PairLimits(
        sizes=np.array([ends.pop(name) for name in names]),
        pairs=np.maximum(np.stack([pairs - z * sd, pairs + z * sd], axis=2), 0.0),
        rest=tuple(ends.values()),
        sums={r: (max(0.0, v - z * s), max(0.0, v + z * s)) for r, (v, s) in sums.items()},
    )


def _pairs_of_persons(known: Known) -> tuple[tuple[str, ...], Floats, Floats] | None:
    """Return names, (k, k) persons at both, and their s.d.; lost links are accounted for."""
    if known.pairs is not None:
        return known.pairs.retailers, known.pairs.pairs, known.pairs.pair_sd
    if known.joint is None or not known.joint.overlap.by_key:
        return None
    names = known.joint.overlap.retailers
    table = np.zeros((2, len(names), len(names)))
    for i, j in combinations(range(len(names)), _PAIR):
        table[:, i, j] = table[:, j, i] = known.joint.known_to((i, j))
    return names, table[0], table[1]


def shared_by(known: Known, names: Sequence[str]) -> tuple[float, float] | None:
    """Return the persons known to all of two or more retailers, and the s.d. of that.

    Args:
        known: the fitted releases.
        names: of the retailers.

    Returns:
        None where no sketches tell.
    """
    if known.joint is not None:
        held = known.joint.overlap.retailers
        inside = set(names) <= set(held)
        return known.joint.known_to([held.index(name) for name in names]) if inside else None
    if known.pairs is None or len(names) != _PAIR or not set(names) <= set(known.pairs.retailers):
        return None
    place = tuple(known.pairs.retailers.index(name) for name in names)
    return float(known.pairs.pairs[place]), float(known.pairs.pair_sd[place])


def known_interval(known: Known, part: Mapping[str, Floats], level: float) -> Interval:
    """Return point (None for bounds) and ends, in whole persons, of the known buyers in a part.

    Where more than five sketches were compared two by two, everybody's ends are the least and the
    most persons that agree with all pairs. Those of joint persons are held within what the counts
    alone allow at a level ten times as sure, which costs a tenth of 1 - level at most.

    Args:
        known: the fitted releases.
        part: axis -> weight of each level, 0 or 1; empty for everybody.
        level: confidence, a fraction.
    """
    if not part and known.pairs is not None:
        limits = pair_limits(known, level)
        assert limits is not None  # there are pairs
        low, high = limits.with_rest(limits.best())
        return (None, *count_interval((low + high) / 2, (high - low) / 2))
    found = _interval(known.of(part), level, part)
    if part or known.joint is None:
        return found
    return _held(found, _interval(known.retailers, 1 - (1 - level) / _SURER))


def _held(found: Interval, ends: Interval) -> Interval:
    """Hold an interval and its point within surer ends, unless they contradict each other."""
    point, lower, upper = found
    low, high = max(lower, ends[1]), min(upper, ends[2])
    if low > high:
        return found
    return None if point is None else min(max(point, low), high), low, high


def _modelled(known: Known, level: float) -> tuple[float, float, float] | None:
    """Return the union of more than five retailers by the gamma model, and its ends."""
    if known.pairs is None or known.pairs.retailers != tuple(r.retailer for r in known.retailers):
        return None
    if _TRIPLE not in known.pairs.useful():
        return None
    sizes = np.array([retailer.products({})[0][0] for retailer in known.retailers])
    chosen = slice(_PAIR - 1, _TRIPLE)
    try:
        found = gamma_union(sizes, known.pairs.sums[chosen], known.pairs.covariance[chosen, chosen])
    except EstimateError:
        return None
    return found.union, *count_interval(found.union, float(ndtri((1 + level) / 2)) * found.sd)


def rungs(known: Known, level: float) -> list[dict[str, Any]]:
    """Return bounds and estimates of the number of persons, widest first.

    Args:
        known: the fitted releases.
        level: confidence of each rung.

    Returns:
        Rows of rung, rests_on, estimate (nan for bounds), lower, upper, level, unit.

    Raises:
        EstimateError: INCONSISTENT where sizes and pairs cannot both be true.
    """
    rows: list[tuple[str, str, Any]] = [("sizes", _SIZES, _interval(known.retailers, level))]
    limits = pair_limits(known, level)
    if limits is not None:
        rests_on = "; ".join([_PAIRS, *known.linkage.assumptions])
        sums, best = limits.with_rest(limits.by_sums()), limits.with_rest(limits.best())
        rows.append(("pairs: Bonferroni, Hunter-Worsley", rests_on, (None, *sums)))
        rows.append(("pairs: best possible", rests_on, (None, *best)))
    modelled = _modelled(known, level)
    if modelled is not None:
        rows.append(("pairs and triples: one propensity", MODEL, modelled))
    if known.joint is not None:
        name = "all patterns" if known.joint.overlap.by_key else "independence"
        rows.append((name, "; ".join(known.joint.rests_on), known_interval(known, {}, level)))
    return [
        {
            "rung": rung,
            "rests_on": rests_on,
            "estimate": np.nan if point is None else point,
            "lower": float(lower),
            "upper": float(upper),
            "level": level,
            "unit": "persons",
        }
        for rung, rests_on, (point, lower, upper) in rows
    ]


def _interval(
    sources: Sequence[Source], level: float, part: Mapping[str, Floats] = MappingProxyType({})
) -> Interval:
    return union_interval([source.products(part)[0] for source in sources], level)
