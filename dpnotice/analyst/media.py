"""Publication notice: what a vehicle does to a person's chance of having seen nothing.

In: published audience figures. Out: per draw and segment, the chance of no exposure and the mean
number of exposures. Rates apply to the persons of the universe, of whom the class is a part.
"""

import warnings
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any, Final

import numpy as np

from dpnotice.analyst.intervals import Floats
from dpnotice.analyst.rates import (
    Law,
    Quantity,
    Sampling,
    axes_of,
    check_fraction,
    check_positive,
    check_text,
)
from dpnotice.analyst.vehicle import Exposure, check_common, keep, varying_axes, within
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

    Attributes:
        name: what the plan calls it.
        reach_1: share of the universe that sees one insertion.
        reach_2: share that sees at least one of two; needed from two insertions on.
        insertions: how many are bought.
        cost_usd: per insertion.
        universe: persons that the shares are of.
        target: axis -> levels; nobody else is reached.
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
    cost_usd: float | None = None
    universe: Quantity | None = None
    target: Mapping[str, Any] | None = None
    source: str | None = None
    as_of: str | None = None

    def __post_init__(self) -> None:
        check_text(self.name, "name")
        check_common(self)
        keep(self, "reach_1", check_fraction)
        if not isinstance(self.insertions, int) or self.insertions < 1:
            raise PlanError(f"{self.name}: insertions must be 1 or more, got {self.insertions!r}")
        if self.reach_2 is None and self.insertions > 1:
            raise PlanError(
                f"{self.name}: {self.insertions} insertions need reach_2, the share that sees at "
                "least one of two; without it their duplication would be a guess"
            )
        if self.reach_2 is not None:
            keep(self, "reach_2", check_fraction)
            if set(axes_of(self.reach_1)) != set(axes_of(self.reach_2)):
                raise PlanError(
                    f"{self.name}: reach_1 and reach_2 must vary by the same axes, or differences "
                    "between segments would count as duplication; give both by the same frame axes"
                )
            self._check_range()

    def _check_range(self) -> None:
        shared = Sampling(axes=(), draws=1, seed=0)
        if not axes_of(self.reach_1):
            one, two = (float(np.mean(_centre(x, shared))) for x in (self.reach_1, self.reach_2))
            _check_admissible(self.name, np.array(one), np.array(two))

    @property
    def axes(self) -> tuple[str, ...]:
        """Axes by which its figures vary."""
        return varying_axes(self, self.reach_1)

    @property
    def total_cost_usd(self) -> float | None:
        """Insertions times the price of one."""
        return None if self.cost_usd is None else self.insertions * self.cost_usd

    def exposure(self, sampling: Sampling) -> Exposure:
        """Return non-reach and mean exposures after all insertions."""
        one = sampling.sample(self.reach_1, f"{self.name}/reach_1")
        rho = np.zeros(())
        if self.reach_2 is not None:
            two = sampling.sample(self.reach_2, f"{self.name}/reach_2")
            # Draw (R1, rho), not (R1, R2): independent R1 and R2 would cross the possible range.
            centre = _centre(self.reach_1, sampling)
            _check_admissible(self.name, centre, _centre(self.reach_2, sampling))
            rho = _correlation(centre, two)
        return within(
            self,
            sampling,
            beta_binomial_nonreach(one, rho, self.insertions),
            self.insertions * one,
        )


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
        target: axis -> levels; nobody else is reached.
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
    target: Mapping[str, Any] | None = None
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
        """Return non-reach and mean exposures."""
        mean = sampling.sample(self.grps, f"{self.name}/grps") / 100
        cap = sampling.sample(self.reach_cap, f"{self.name}/reach_cap")
        r = sampling.sample(self.dispersion, f"{self.name}/dispersion")
        return within(self, sampling, nbd_nonreach(mean, cap, r), mean * (cap > 0))


def beta_binomial_nonreach(reach_1: Floats, rho: Floats, insertions: int) -> Floats:
    """Return P(no exposure) of the beta-binomial after n insertions; see :class:`Print`.

    The product form holds at both ends: rho = 0 is binomial, rho = 1 always the same persons.

    >>> float(beta_binomial_nonreach(np.array(0.3), np.array(2 / 7), 2).round(10))
    0.55
    """
    nonreach = 1 - reach_1 + 0 * rho
    for j in range(1, insertions):
        nonreach = nonreach * ((1 - rho) * (1 - reach_1) + j * rho) / (1 - rho + j * rho)
    return nonreach


def nbd_nonreach(mean: Floats, cap: Floats, dispersion: Floats) -> Floats:
    """Return P(no exposure) = 1 - c + c (1 + m / (c r))^-r, with c = 0 reaching nobody."""
    online = np.where(cap > 0, cap, 1.0)
    r = np.maximum(dispersion, 1e-9)
    return np.asarray(1 - cap + cap * np.exp(-r * np.log1p(mean / (online * r))))


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


def _centre(value: Quantity, sampling: Sampling) -> Floats:
    if isinstance(value, Law):
        return np.full((1,) * (1 + len(sampling.axes)), float(value.mean()))
    return sampling.sample(value, "figure")
