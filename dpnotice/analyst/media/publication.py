"""Publication notice in print and broadcast: how often a person is exposed.

In: published audience figures. Out: per draw and segment, the chance of no exposure and the law of
the number of exposures. Rates apply to the persons of the universe, of whom the class is a part.
"""

import warnings
from dataclasses import KW_ONLY, dataclass
from functools import partial
from typing import Any, Final

import numpy as np

from dpnotice.analyst.intervals import Floats
from dpnotice.analyst.media.delivery import Target, delivered_index, inside
from dpnotice.analyst.media.exposure_laws import (
    insertions_counts,
    insertions_nonreach,
    nbd_counts,
    nbd_nonreach,
    split_passers_by,
)
from dpnotice.analyst.media.levels import spread
from dpnotice.analyst.media.vehicle import Exposure, check_common, keep, varying_axes
from dpnotice.analyst.rates import (
    Law,
    Quantity,
    Scaled,
    axes_of,
    centre,
    check_fraction,
    check_plain,
    check_positive,
    check_text,
    describe,
)
from dpnotice.analyst.sampling import Sampling
from dpnotice.errors import PlanError

_DUST: Final = 1e-12
PRINTED_ROUNDING: Final = 0.005
"""Published reach is printed to whole percents; R2 may miss its range by half of one."""


@dataclass(frozen=True, slots=True)
class Print:
    """Insertions in a publication, or a notice displayed for repeated periods.

    Beta-binomial (Metheringham 1964): a person's chance of seeing an insertion is beta distributed.
    With rho = (2 R1 - R1^2 - R2) / (R1 (1 - R1)), none of n insertions is seen with probability
    (1 - R1) prod over j = 1..n-1 of ((1 - rho)(1 - R1) + j rho) / (1 - rho + j rho).

    Loyalty fades over long schedules, as some of an audience come once and never again: of each
    insertion's audience a share q may be such passers-by, independent every time, and the law above
    is that of the others; R1 and R2 are kept.

    Where R1 varies by segment and R2 is of the whole universe, R2 holds the differences between
    segments too; what is left within them, for shares w_s of the universe, is
    rho = (2 R1 - R2 - sum w_s R1_s^2) / (sum w_s R1_s (1 - R1_s)).

    Attributes:
        name: what the plan calls it.
        reach_1: share of the universe that sees one insertion.
        reach_2: share that sees at least one of two; needed from two insertions on.
        insertions: how many are bought.
        passers_by: q, share of every insertion's audience that is new each time; below 1.
        cost_usd: per insertion.
        universe: persons that the shares are of; a frame by segment where only reach_1 varies.
        target: axis -> levels: nobody else is reached; or delivery shares, see :mod:`.delivery`.
        source: where the figures come from.
        as_of: their date.

    >>> Print("Weekly", reach_1=0.3, reach_2=0.45, insertions=2).insertions
    2
    """

    name: str
    _: KW_ONLY
    reach_1: Quantity
    reach_2: Quantity | None = None
    insertions: int = 1
    passers_by: Quantity = 0.0
    cost_usd: float | None = None
    universe: Quantity | None = None
    target: Target = None
    source: str | None = None
    as_of: str | None = None

    @classmethod
    def of_circulation(
        cls,
        name: str,
        *,
        circulation: float,
        readers_per_copy: Quantity,
        universe: float,
        duplication: float | None = None,
        **others: Any,
    ) -> "Print":
        """Return a publication by its copies: R1 = circulation x readers per copy / universe.

        Args:
            name: what the plan calls it.
            circulation: copies of one issue.
            readers_per_copy: persons per copy, a number or a law.
            universe: persons.
            duplication: share of the universe that reads both of two issues: R2 = 2 R1 - this.
            **others: further attributes of :class:`Print`.

        Raises:
            PlanError: more readers than persons, or another figure out of its range.
        """
        figures = {"circulation": circulation, "universe": universe, "duplication": duplication}
        for field, value in figures.items():
            if value is not None or field != "duplication":
                _check_number(value, f"{name}: {field}")
        each = check_positive(readers_per_copy, f"{name}: readers_per_copy")
        check_plain(each, f"{name}: readers_per_copy")
        readers = centre(each) * circulation
        if readers > universe:
            raise PlanError(
                f"{name}: circulation x readers_per_copy are {readers:,.0f} persons, more than "
                f"the universe's {universe:,.0f}; they are not of one population"
            )
        two = None
        if duplication is not None:
            two = 2 * readers / universe - check_fraction(duplication, f"{name}: duplication")
        one = Scaled(law=each, factor=circulation / universe) if isinstance(each, Law) else None
        return cls(
            name, reach_1=one or readers / universe, reach_2=two, universe=universe, **others
        )

    def __post_init__(self) -> None:
        check_text(self.name, "name")
        check_common(self)
        keep(self, "reach_1", check_fraction)
        keep(self, "passers_by", check_fraction)
        check_plain(self.passers_by, f"{self.name}: passers_by")
        if not isinstance(self.insertions, int) or self.insertions < 1:
            raise PlanError(f"{self.name}: insertions must be 1 or more, got {self.insertions!r}")
        if self.reach_2 is None and self.insertions > 1:
            raise PlanError(
                f"{self.name}: {self.insertions} insertions need reach_2, the share that sees at "
                "least one of two; without it their duplication would be a guess"
            )
        if self.reach_2 is not None:
            keep(self, "reach_2", check_fraction)
            self._check_axes()
            if not self._segments:
                one, two = centre(self.reach_1), centre(self.reach_2)
                _check_admissible(self.name, np.array(one), np.array(two))

    def _check_axes(self) -> None:
        """Refuse a national R2 within segments, unless the universe tells their shares."""
        if set(axes_of(self.reach_2)) not in (set(), set(self._segments)):
            raise PlanError(
                f"{self.name}: reach_2 varies by other axes than reach_1; give both by the same"
            )
        known = {*axes_of(self.universe)}
        if self._segments and not axes_of(self.reach_2) and not set(self._segments) <= known:
            raise PlanError(
                f"{self.name}: reach_1 and reach_2 must vary by the same axes, or differences "
                "between segments would count as duplication; give both by the same frame axes, "
                "or the universe as a frame by those of reach_1"
            )

    @property
    def _segments(self) -> tuple[str, ...]:
        """Axes by which one insertion's audience differs."""
        return tuple(dict.fromkeys([*axes_of(self.reach_1), *axes_of(self.target)]))

    @property
    def axes(self) -> tuple[str, ...]:
        """Axes by which its figures vary."""
        return varying_axes(self, self.reach_1)

    @property
    def total_cost_usd(self) -> float | None:
        """Insertions times the price of one."""
        return None if self.cost_usd is None else self.insertions * self.cost_usd

    def exposure(self, sampling: Sampling) -> Exposure:
        """Return what all insertions do."""
        figures = {"reach_1": self.reach_1, "passers_by": self.passers_by} | (
            {"reach_2": self.reach_2} if self.reach_2 is not None else {}
        )
        by_level = spread(self, sampling, amount="reach_1", figures=figures)
        x = dict(by_level.figures)
        _check_audience(self.name, x["reach_1"] * by_level.level)
        # Draw (R1, rho), not (R1, R2): independent R1 and R2 would cross the possible range.
        two = x.pop("reach_2", None)
        rho = np.zeros((1, 1)) if two is None else self._correlation(sampling, two)
        return by_level.exposure(self._inserted, rho=rho, **x)

    def _inserted(
        self, level: Floats, basis: Floats, *, reach_1: Floats, rho: Floats, passers_by: Floats
    ) -> Exposure:
        one, number = np.minimum(reach_1 * level, 1.0), self.insertions
        regular, passing, rho = split_passers_by(one, rho, passers_by)
        return Exposure(
            law=partial(insertions_nonreach, insertions=number),
            figures=(regular, rho, passing),
            mean=(number * one, np.ones((1, 1))),
            tally=partial(insertions_counts, number),
            basis=basis,
        )

    def _correlation(self, sampling: Sampling, two: Floats) -> Floats:
        """Return rho at R1's centre, within segments where R2 is of them all."""
        index = delivered_index(self.target, self.universe, sampling, self.name)
        one = self._centred(self.reach_1, sampling) * index
        if axes_of(self.reach_2) or not self._segments:
            middle = self._centred(self.reach_2, sampling)
            _check_admissible(self.name, one, middle)
            one = np.broadcast_to(one, np.broadcast_shapes(one.shape, middle.shape))
            return _correlation(one.reshape(1, -1), two)
        persons = sampling.sample(self.universe, f"vehicle/{self.name}/universe")
        persons = persons * inside(self.target, sampling)
        if not persons.any():
            raise PlanError(f"{self.name}: the target audience has no persons; correct universe")
        weights = persons / persons.sum()
        one = one / max(np.sum(weights * index), 1e-300)  # published figures know no spill
        whole, squares = np.sum(weights * one), np.sum(weights * one**2)
        _check_admissible(self.name, whole, np.asarray(centre(self.reach_2)))
        rho = (2 * whole - two - squares) / max(whole - squares, 1e-300)
        if np.mean(rho) < -PRINTED_ROUNDING:
            warnings.warn(
                f"{self.name}: reach_2 leaves less than no duplication within segments, so reach_1 "
                "by segment and reach_2 disagree; insertions are taken as independent within them",
                stacklevel=3,
            )
        return np.asarray(np.clip(rho, 0.0, 1.0))

    def _centred(self, value: Quantity, sampling: Sampling) -> Floats:
        if isinstance(value, Law):
            return np.full((1,) * (1 + len(sampling.axes)), float(value.mean()))
        return sampling.sample(value, f"vehicle/{self.name}/audience")


@dataclass(frozen=True, slots=True)
class Broadcast:
    """Radio or television weight: negative binomial exposures within the share that can be reached.

    P(no exposure) = 1 - c + c (1 + g / (100 c r))^-r for g GRPs, mean exposures g / 100.

    Attributes:
        name: what the plan calls it.
        grps: gross rating points over the universe: 100 x exposures per person.
        reach_cap: c, the share of the universe that the medium can reach at all.
        dispersion: r of the negative binomial; small r means few heavy viewers.
        cost_usd: of the whole schedule.
        universe: persons that the points are of.
        target: axis -> levels: nobody else is reached; or delivery shares, see :mod:`.delivery`.
        source: where the figures come from.
        as_of: their date.
    """

    name: str
    _: KW_ONLY
    grps: Quantity
    reach_cap: Quantity
    dispersion: Quantity
    cost_usd: float | None = None
    universe: Quantity | None = None
    target: Target = None
    source: str | None = None
    as_of: str | None = None

    def __post_init__(self) -> None:
        check_text(self.name, "name")
        check_common(self)
        keep(self, "grps", check_positive)
        keep(self, "reach_cap", check_fraction)
        keep(self, "dispersion", check_positive)

    @property
    def axes(self) -> tuple[str, ...]:
        """Axes by which its figures vary."""
        return varying_axes(self, self.grps, self.reach_cap, self.dispersion)

    @property
    def total_cost_usd(self) -> float | None:
        """Cost of the schedule."""
        return self.cost_usd

    def exposure(self, sampling: Sampling) -> Exposure:
        """Return what the whole schedule does."""
        figures = {name: getattr(self, name) for name in ("grps", "reach_cap", "dispersion")}
        by_level = spread(self, sampling, amount="grps", figures=figures)
        x = by_level.figures
        return by_level.exposure(
            nbd_exposure, mean=x["grps"] / 100, cap=x["reach_cap"], dispersion=x["dispersion"]
        )


def nbd_exposure(
    level: Floats, basis: Floats, *, mean: Floats, cap: Floats, dispersion: Floats
) -> Exposure:
    """Return what negative binomial exposures within a cap do; the mean is that at level 1."""
    return Exposure(
        law=nbd_nonreach,
        figures=(mean, cap, dispersion, level),
        mean=(mean * (cap > 0), level),
        tally=nbd_counts,
        basis=basis,
        rated=True,
    )


def _check_number(value: Quantity, field: str) -> None:
    """Refuse a law or a frame, and 0, where a ratio needs one number."""
    check_plain(check_positive(value, field), field)
    if isinstance(value, Law) or value == 0:
        raise PlanError(f"{field} must be a number above 0, got {describe(value)}")


def _check_audience(name: str, reach_1: Floats) -> None:
    """Refuse delivery that exposes more persons of a segment than there are."""
    if np.any(reach_1 > 1 + _DUST):
        raise PlanError(
            f"{name}: delivery by segment would have one insertion reach "
            f"{float(reach_1.max()):.3f} of a segment's persons; spread it more evenly",
            code="RANGE",
        )


def _correlation(reach_1: Floats, reach_2: Floats) -> Floats:
    spread = reach_1 * (1 - reach_1)
    rho = (2 * reach_1 - reach_1**2 - reach_2) / np.where(spread > 0, spread, 1.0)
    return np.asarray(np.clip(np.where(spread > 0, rho, 0.0), 0.0, 1.0))


def _check_admissible(name: str, one: Floats, two: Floats) -> None:
    """Refuse R2 outside [R1, 2 R1 - R1^2] by more than printed rounding; warn within it."""
    miss = np.maximum(one - two, two - (2 * one - one**2))
    if np.any(miss > PRINTED_ROUNDING):
        worst = np.unravel_index(int(np.argmax(miss)), np.shape(miss))
        r1, r2 = (float(np.broadcast_to(x, np.shape(miss))[worst]) for x in (one, two))
        raise PlanError(
            f"{name}: reach_2 must lie between reach_1 and 2 reach_1 - reach_1^2, that is from "
            f"{r1:.3f} to {2 * r1 - r1**2:.3f}, got {r2:.3f}; check that both are of one universe",
            code="INCONSISTENT",
        )
    if np.any(miss > _DUST):
        warnings.warn(
            f"{name}: reach_2 is outside its range by rounding; moved to its end", stacklevel=3
        )
