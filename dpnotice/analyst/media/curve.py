"""A vehicle known by what was published of its reach: a point, several, or a histogram.

In: gross impressions and persons reached, or persons by number of exposures. Out: the chance of no
exposure and of any number, for the amount that is bought.
"""

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import partial
from typing import Any, Final

import numpy as np

from dpnotice.analyst.intervals import Floats
from dpnotice.analyst.media.curve_fitting import (
    EVEN,
    Delivered,
    cap_through,
    fit_points,
    least_dispersion,
)
from dpnotice.analyst.media.delivery import Target, delivered_index, target_axes
from dpnotice.analyst.media.levels import spread
from dpnotice.analyst.media.poisson_mixture import PoissonMixture
from dpnotice.analyst.media.publication import PRINTED_ROUNDING, nbd_exposure
from dpnotice.analyst.media.vehicle import Exposure, check_common, keep, varying_axes
from dpnotice.analyst.rates import (
    Law,
    Quantity,
    axes_of,
    centre,
    check_plain,
    check_positive,
    check_text,
)
from dpnotice.analyst.sampling import Sampling
from dpnotice.errors import PlanError

_GOERG: Final = 1.0
"""Dispersion where one point is all that is known (Goerg 2014)."""
_PAIR: Final = 2


@dataclass(frozen=True, slots=True)
class Curve:
    """A medium by its published reach.

    One point (I impressions, R persons): exposures are negative binomial with dispersion 1 within
    a cap of I R / (I - R) persons (Goerg 2014); where the universe has fewer, everybody can be
    reached, and the dispersion is the one that meets the point. With `dispersion` as a law, the cap
    follows in every draw so that the point is met; draws that would need more persons than there
    are, are moved to the least that does not. Several points: cap and dispersion by weighted least
    squares. A histogram: a Poisson mixture by maximum likelihood, whose rates are scaled by
    amount / gross; how often its last cell was exposed is not in it, so gross must be known. What
    was published is of the whole universe; with delivery shares all segments together meet it.

    Attributes:
        name: what the plan calls it.
        points: pairs of gross impressions and persons reached.
        histogram: persons with exactly 1, 2, ... exposures, the last with that many or more.
        universe: persons that the figures are of; a frame is summed over `target`.
        gross: impressions behind the histogram.
        amount: gross impressions bought; None for those of the last point or of the histogram.
        dispersion: r, where one point is given; None for 1.
        cost_usd: of the amount bought.
        target: axis -> levels: nobody else is reached; or delivery shares, see :mod:`.delivery`.
        source: where the figures come from.
        as_of: their date.

    >>> Curve("site", points=[(200e3, 100e3)], universe=1e6).points
    ((200000.0, 100000.0),)
    """

    name: str
    _: KW_ONLY
    universe: Quantity
    points: Sequence[tuple[float, float]] | None = None
    histogram: Sequence[float] | None = None
    gross: float | None = None
    amount: Quantity | None = None
    dispersion: Quantity | None = None
    cost_usd: float | None = None
    target: Target = None
    source: str | None = None
    as_of: str | None = None

    def __post_init__(self) -> None:
        check_text(self.name, "name")
        keep(self, "universe", check_positive)
        check_common(self)
        for field in ("amount", "dispersion"):
            if getattr(self, field) is not None:
                keep(self, field, check_positive)
                check_plain(getattr(self, field), f"{self.name}: {field}")
        if (self.points is None) == (self.histogram is None):
            raise PlanError(f"{self.name}: give either points or a histogram of what was published")
        self._check_universe()
        if self.histogram is not None:
            self._check_histogram(self.histogram)
        else:
            self._check_points()
        if self.points is not None and self.gross is not None:
            raise PlanError(f"{self.name}: gross goes with a histogram; points name their own")
        if len(self.points or ()) == 1:
            self._least_dispersion(EVEN)
        elif self.dispersion is not None:
            raise PlanError(
                f"{self.name}: dispersion goes with a single point; several points or a histogram "
                "tell it, so leave it out"
            )

    def _check_universe(self) -> None:
        if isinstance(self.universe, Law):
            raise PlanError(f"{self.name}: universe must be a number of persons or a frame")
        if axes_of(self.universe) and set(target_axes(self.target)) - set(axes_of(self.universe)):
            raise PlanError(f"{self.name}: the universe's frame lacks an axis of target; add it")
        if self._persons <= 0:
            raise PlanError(f"{self.name}: the target audience has no persons; correct universe")

    def _check_histogram(self, histogram: Sequence[float]) -> None:
        """Keep a histogram as numbers, or refuse one that its persons or exposures cannot have."""
        cells = tuple(_numbers(histogram, f"{self.name}: histogram"))
        object.__setattr__(self, "histogram", cells)
        if len(cells) <= 1 or sum(cells) <= 0:
            raise PlanError(
                f"{self.name}: histogram must give persons with exactly 1, 2, ... exposures, the "
                f"last cell that many or more, got {cells}"
            )
        if sum(cells) > self._persons:
            raise PlanError(
                f"{self.name}: histogram holds {sum(cells):,.0f} persons, more than the universe's "
                f"{self._persons:,.0f}; they are not of one population"
            )
        least = sum(number * persons for number, persons in enumerate(cells, start=1))
        (gross,) = _numbers([self.gross], f"{self.name}: gross, the impressions of the histogram,")
        object.__setattr__(self, "gross", gross)
        if gross < least:
            raise PlanError(
                f"{self.name}: histogram holds {least:,.0f} exposures at least, and gross is "
                f"{gross:,.0f} impressions; correct one of them",
                code="INCONSISTENT",
            )

    def _check_points(self) -> None:
        """Keep points in order of impressions, or refuse what no audience can have done."""
        pairs = [
            _numbers(pair, f"{self.name}: points")
            for pair in _listed(self.points, f"{self.name}: points")
        ]
        if not pairs or any(len(pair) != _PAIR or min(pair) <= 0 for pair in pairs):
            raise PlanError(
                f"{self.name}: points must be pairs of gross impressions and persons reached, both "
                f"above 0, got {self.points!r}"
            )
        points = tuple((gross, reach) for gross, reach in sorted(pairs))
        object.__setattr__(self, "points", points)
        for gross, reach in points:
            if reach > gross or reach >= self._persons or (len(points) == 1 and reach == gross):
                raise PlanError(
                    f"{self.name}: {gross:,.0f} impressions cannot reach {reach:,.0f} of "
                    f"{self._persons:,.0f} persons; reach must be below both",
                    code="INCONSISTENT",
                )
        self._check_shape()

    def _check_shape(self) -> None:
        """Refuse reach that falls, or that grows by more the more is bought already."""
        gross, reach = self._per_person()
        x, y = np.append(0.0, gross), np.append(0.0, reach)
        if np.any(np.diff(x) <= 0) or np.any(np.diff(y) < 0):
            raise PlanError(
                f"{self.name}: points must have more impressions each, and never a smaller reach; "
                f"got {self.points}",
                code="INCONSISTENT",
            )
        chord = (y[:-2] * (x[2:] - x[1:-1]) + y[2:] * (x[1:-1] - x[:-2])) / (x[2:] - x[:-2])
        if np.any(y[1:-1] < chord - 2 * PRINTED_ROUNDING):
            raise PlanError(
                f"{self.name}: further impressions must not add more persons each than earlier "
                f"ones; points of one universe and one schedule do not, got {self.points}",
                code="INCONSISTENT",
            )

    @property
    def _persons(self) -> float:
        """Persons of the universe, within the target."""
        if not axes_of(self.universe):
            return float(self.universe)
        frame = self.universe
        if isinstance(self.target, Mapping):
            for axis, levels in self.target.items():
                frame = frame[frame[axis].astype(str).isin(levels)]
        return float(frame.iloc[:, -1].sum())

    def _per_person(self) -> tuple[Floats, Floats]:
        """Impressions per person and shares reached of the points."""
        gross, reach = np.array(self.points).T / self._persons
        return gross, reach

    def _least_dispersion(self, delivered: Delivered) -> float:
        """Return the least dispersion that meets the only point within the universe."""
        (gross,), (reach,) = self._per_person()
        least = least_dispersion(gross, reach, delivered)
        if math.isinf(least):
            raise PlanError(
                f"{self.name}: the point reaches more persons than its impressions would if they "
                "were spread over the universe at random; check both, or use Digital with a "
                "frequency cap",
                code="INCONSISTENT",
            )
        if self.dispersion is not None and centre(self.dispersion) < least:
            raise PlanError(
                f"{self.name}: with a dispersion below {least:.3g} the point would need more "
                "persons than the universe has; raise it or leave it out",
                code="INCONSISTENT",
            )
        return least

    @property
    def axes(self) -> tuple[str, ...]:
        """Axes by which its figures vary."""
        return varying_axes(self)

    @property
    def total_cost_usd(self) -> float | None:
        """Cost of the amount bought."""
        return self.cost_usd

    def exposure(self, sampling: Sampling) -> Exposure:
        """Return what the impressions bought do."""
        delivered = self._delivered(sampling)
        published = self.gross if self.points is None else self.points[-1][0]
        amount = published if self.amount is None else self.amount
        if self.points is None:
            return self._scaled(sampling, delivered, amount)
        dispersion = _GOERG if self.dispersion is None else self.dispersion
        figures = {"amount": amount, "dispersion": dispersion}
        by_level = spread(self, sampling, amount="amount", figures=figures)
        cap, r = self._fitted(by_level.figures["dispersion"], delivered)
        mean = by_level.figures["amount"] / self._persons
        return by_level.exposure(nbd_exposure, mean=mean, cap=cap, dispersion=r)

    def _fitted(self, dispersion: Floats, delivered: Delivered) -> tuple[Floats, Floats]:
        """Return cap and dispersion, each (draws or 1, 1)."""
        gross, reach = self._per_person()
        if len(gross) == 1:
            r = np.maximum(dispersion, self._least_dispersion(delivered))
            return cap_through(float(gross[0]), float(reach[0]), r, delivered), r
        cap, one = fit_points(gross, reach, delivered)
        self._report(float(np.abs(delivered.reach(gross, cap, one) - reach).max()))
        return np.full((1, 1), cap), np.full((1, 1), one)

    def _scaled(self, sampling: Sampling, delivered: Delivered, amount: Quantity) -> Exposure:
        """Return what a histogram's exposures become when scaled to the amount."""
        cells = np.array(self.histogram) / self._persons
        cells = np.append(1 - cells.sum(), cells)
        mixture = PoissonMixture.fit(cells, delivered.index, delivered.persons)
        again = mixture.counts(len(cells) - 1, delivered.index) @ delivered.persons
        self._report(float(np.abs(again - cells).max()))
        by_level = spread(self, sampling, amount="amount", figures={"amount": amount})
        return by_level.exposure(partial(self._again, mixture), **by_level.figures)

    def _again(
        self, mixture: PoissonMixture, level: Floats, basis: Floats, *, amount: Floats
    ) -> Exposure:
        times = amount / float(self.gross or 1)
        return Exposure(
            law=mixture.nonreach,
            figures=(times, level),
            mean=(amount / self._persons, level),
            tally=mixture.counts,
            rated=True,
            basis=basis,
        )

    def _report(self, miss: float) -> None:
        """Warn where the curve is farther from what was published than its printing explains."""
        if miss > PRINTED_ROUNDING:
            warnings.warn(
                f"{self.name}: the fitted curve misses what was published by up to {miss:.1%} of "
                "the universe; check that all of it is of one universe and one schedule",
                stacklevel=4,
            )

    def _delivered(self, sampling: Sampling) -> Delivered:
        """Return how the impressions go to segments."""
        if not axes_of(self.target):
            return EVEN
        index = delivered_index(self.target, self.universe, sampling, self.name)
        persons = sampling.sample(self.universe, f"vehicle/{self.name}/universe")
        return Delivered(index=index.ravel(), persons=persons.ravel() / persons.sum())


def _listed(values: Any, field: str) -> list[Any]:
    if isinstance(values, str) or not hasattr(values, "__iter__"):
        raise PlanError(f"{field} must be a list of numbers, got {values!r}")
    return list(values)


def _numbers(values: Any, field: str) -> list[float]:
    """Return a list of numbers from 0, or refuse it."""
    listed = _listed(values, field)
    for value in listed:
        check_plain(check_positive(value, field), field)
        if isinstance(value, Law):
            raise PlanError(f"{field} must be plain numbers, got a law")
    return [float(value) for value in listed]
