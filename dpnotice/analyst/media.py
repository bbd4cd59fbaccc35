"""Publication notice: what a vehicle does to a person's chance of having seen nothing.

In: published audience figures. Out: per draw and segment, the chance of no exposure and the mean
number of exposures. Rates apply to the persons of the universe, of whom the class is a part.
"""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any, Final, Protocol

import numpy as np

from dpnotice.analyst.capped import capped_nonreach
from dpnotice.analyst.intervals import Floats
from dpnotice.analyst.rates import (
    Law,
    Quantity,
    Sampling,
    axes_of,
    centre,
    check_fraction,
    check_plain,
    check_positive,
    check_target,
    check_text,
    describe,
)
from dpnotice.errors import PlanError

_DUST: Final = 1e-12
_NEARLY_ALL: Final = 0.99
"""Share of a frequency cap's capacity that a refusal names as deliverable."""
PRINTED_ROUNDING: Final = 0.005
"""Published reach is printed to whole percents; R2 may miss its range by half of one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """What one vehicle does, broadcastable to (draws, *segments).

    Attributes:
        nonreach: chance that a person sees none of it.
        mean: expected exposures per person.
    """

    nonreach: Floats
    mean: Floats


class Vehicle(Protocol):
    """A medium in a plan."""

    @property
    def name(self) -> str:
        """What the plan calls it."""

    @property
    def axes(self) -> tuple[str, ...]:
        """Axes by which its figures vary."""

    @property
    def total_cost_usd(self) -> float | None:
        """Cost of all of it; None where not given."""

    def exposure(self, sampling: Sampling) -> Exposure:
        """Return its effect by draw and segment."""


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
        _check_common(self)
        _keep(self, "reach_1", check_fraction)
        if not isinstance(self.insertions, int) or self.insertions < 1:
            raise PlanError(f"{self.name}: insertions must be 1 or more, got {self.insertions!r}")
        if self.reach_2 is None and self.insertions > 1:
            raise PlanError(
                f"{self.name}: {self.insertions} insertions need reach_2, the share that sees at "
                "least one of two; without it their duplication would be a guess"
            )
        if self.reach_2 is not None:
            _keep(self, "reach_2", check_fraction)
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
        return _axes(self, self.reach_1)

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
        return _within(
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
        _check_common(self)
        _keep(self, "grps", check_positive)
        _keep(self, "reach_cap", check_fraction)
        _keep(self, "dispersion", check_positive)

    @property
    def axes(self) -> tuple[str, ...]:
        """Axes by which its figures vary."""
        return _axes(self, self.grps, self.reach_cap, self.dispersion)

    @property
    def total_cost_usd(self) -> float | None:
        """Cost of the schedule."""
        return self.cost_usd

    def exposure(self, sampling: Sampling) -> Exposure:
        """Return non-reach and mean exposures."""
        mean = sampling.sample(self.grps, f"{self.name}/grps") / 100
        cap = sampling.sample(self.reach_cap, f"{self.name}/reach_cap")
        r = sampling.sample(self.dispersion, f"{self.name}/dispersion")
        return _within(self, sampling, nbd_nonreach(mean, cap, r), mean * (cap > 0))


@dataclass(frozen=True, slots=True)
class Digital:
    """Digital display: impressions, less what is invalid, off target or not viewable.

    Served to persons: impressions (1 - invalid) on_target, spread over the target's universe.
    Exposures are negative binomial within the share `reach_cap` that is online. A frequency cap
    binds per device and counts impressions served, seen or not; see :mod:`.capped`.

    Attributes:
        name: what the plan calls it.
        impressions: bought.
        universe: persons of the target audience; a frame is summed over `target`.
        viewable: share of served impressions that can be seen.
        invalid: share of impressions that no person gets; 0 must be typed.
        on_target: share of valid impressions that go to the target audience.
        devices_per_person: identifiers per person, 1 or more (draws of a law below 1 count as 1).
        reach_cap: share of the universe that can be reached online.
        dispersion: r of the negative binomial.
        frequency_cap: most impressions served to one device; None without a cap.
        cpm_usd: price per thousand impressions.
        target: axis -> levels; nobody else is reached.
        source: where the figures come from.
        as_of: their date.
    """

    name: str
    _: KW_ONLY
    impressions: Quantity
    universe: Quantity
    viewable: Quantity
    invalid: Quantity
    on_target: Quantity
    devices_per_person: Quantity
    reach_cap: Quantity
    dispersion: Quantity
    frequency_cap: int | None = None
    cpm_usd: float | None = None
    target: Mapping[str, Any] | None = None
    source: str | None = None
    as_of: str | None = None

    def __post_init__(self) -> None:
        check_text(self.name, "name")
        _check_common(self)
        for field in ("viewable", "invalid", "on_target", "reach_cap"):
            _keep(self, field, check_fraction)
        for field in ("impressions", "devices_per_person", "dispersion", "universe"):
            _keep(self, field, check_positive)
        for field in _DIGITAL_FIGURES:  # only the universe may vary; `target` says for whom
            check_plain(getattr(self, field), f"{self.name}: {field}")
        if centre(self.devices_per_person) < 1:
            raise PlanError(
                f"{self.name}: devices_per_person counts a person's identifiers, so it is 1 or "
                f"more, got {describe(self.devices_per_person)}; correct it"
            )
        cap = self.frequency_cap
        if cap is not None and (not isinstance(cap, int) or cap < 1):
            raise PlanError(f"{self.name}: frequency_cap must be 1 or more, or None, got {cap!r}")
        if axes_of(self.universe) and set(check_target(self.target, "")) - set(
            axes_of(self.universe)
        ):
            raise PlanError(f"{self.name}: the universe's frame lacks an axis of target; add it")

    @property
    def axes(self) -> tuple[str, ...]:
        """Axes by which its figures vary."""
        return _axes(self, self.universe)

    @property
    def total_cost_usd(self) -> float | None:
        """Impressions bought at the price per thousand."""
        if self.cpm_usd is None:
            return None
        return (
            float(np.mean(_centre(self.impressions, Sampling(axes=(), draws=1, seed=0))))
            / 1000
            * self.cpm_usd
        )

    def exposure(self, sampling: Sampling) -> Exposure:
        """Return non-reach and mean viewable exposures."""
        x = {f: sampling.sample(getattr(self, f), f"{self.name}/{f}") for f in _DIGITAL_FIGURES}
        universe = sampling.sample(self.universe, f"{self.name}/universe")
        if axes_of(self.universe):
            inside = universe * sampling.mask(check_target(self.target, self.name))
            universe = inside.sum(axis=tuple(range(1, inside.ndim)), keepdims=True)
        if np.any(universe <= 0):
            raise PlanError(f"{self.name}: the target audience has no persons; correct universe")
        served = x["impressions"] * (1 - x["invalid"]) * x["on_target"] / universe
        cap = self.frequency_cap
        if cap is None:
            nonreach = nbd_nonreach(served * x["viewable"], x["reach_cap"], x["dispersion"])
        else:
            devices = np.maximum(x["devices_per_person"], 1.0)
            most = cap * x["reach_cap"] * devices
            if np.any(served >= most):
                capacity = np.min(most / np.maximum(served, 1e-300) * x["impressions"])
                largest = np.floor(_NEARLY_ALL * float(capacity))
                raise PlanError(
                    f"{self.name}: with a frequency cap of {cap} at most {largest:,.0f} "
                    "impressions can be delivered in every draw; buy fewer or raise the cap"
                )
            nonreach = capped_nonreach(
                served, x["viewable"], x["reach_cap"], x["dispersion"], devices, cap=cap
            )
        return _within(self, sampling, nonreach, served * x["viewable"] * (x["reach_cap"] > 0))


_DIGITAL_FIGURES: Final = (
    "impressions",
    "viewable",
    "invalid",
    "on_target",
    "devices_per_person",
    "reach_cap",
    "dispersion",
)


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
            f"{r1:.3f} to {2 * r1 - r1**2:.3f}, got {r2:.3f}; check that both are of one universe"
        )
    if np.any(miss > _DUST):
        warnings.warn(
            f"{name}: reach_2 is outside its range by rounding; moved to its end", stacklevel=3
        )


def _centre(value: Quantity, sampling: Sampling) -> Floats:
    if isinstance(value, Law):
        return np.full((1,) * (1 + len(sampling.axes)), float(value.mean()))
    return sampling.sample(value, "figure")


def _within(vehicle: Any, sampling: Sampling, nonreach: Floats, mean: Floats) -> Exposure:
    """Apply the target: outside it nobody is reached."""
    inside = sampling.mask(check_target(vehicle.target, vehicle.name))
    return Exposure(nonreach=1 - inside * (1 - nonreach), mean=inside * mean)


def _keep(vehicle: Any, field: str, check: Callable[[Quantity, str], Quantity]) -> None:
    """Check a figure and keep it in the form that the check returns (frames become pandas)."""
    kept = check(getattr(vehicle, field), f"{vehicle.name}: {field}")
    object.__setattr__(vehicle, field, kept)


def _axes(vehicle: Any, *figures: Quantity) -> tuple[str, ...]:
    named = [axis for figure in figures for axis in axes_of(figure)]
    return tuple(dict.fromkeys([*named, *check_target(vehicle.target, vehicle.name)]))


def _check_common(vehicle: Any) -> None:
    """Check what all vehicles share: price, universe, target."""
    for field in ("cost_usd", "cpm_usd"):
        price = getattr(vehicle, field, None)
        if price is not None and (
            isinstance(price, bool)
            or not isinstance(price, (int, float))
            or not 0 <= price < float("inf")
        ):
            raise PlanError(f"{vehicle.name}: {field} must be 0 or more dollars, got {price!r}")
    if vehicle.universe is not None:
        _keep(vehicle, "universe", check_positive)
    check_target(vehicle.target, f"{vehicle.name}: target")
