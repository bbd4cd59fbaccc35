"""What all vehicles share: what they do to a person, their checks, their target.

In: a vehicle's figures. Out: `Exposure`, checked figures, the axes by which they vary.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from dpnotice.analyst.intervals import Floats
from dpnotice.analyst.rates import (
    Quantity,
    Sampling,
    axes_of,
    check_positive,
    check_target,
)
from dpnotice.errors import PlanError


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


def within(vehicle: Any, sampling: Sampling, nonreach: Floats, mean: Floats) -> Exposure:
    """Apply the target: outside it nobody is reached."""
    inside = sampling.mask(check_target(vehicle.target, vehicle.name))
    return Exposure(nonreach=1 - inside * (1 - nonreach), mean=inside * mean)


def keep(vehicle: Any, field: str, check: Callable[[Quantity, str], Quantity]) -> None:
    """Check a figure and keep it in the form that the check returns (frames become pandas)."""
    kept = check(getattr(vehicle, field), f"{vehicle.name}: {field}")
    object.__setattr__(vehicle, field, kept)


def varying_axes(vehicle: Any, *figures: Quantity) -> tuple[str, ...]:
    """Return the axes by which any of the figures varies, then those of the target."""
    named = [axis for figure in figures for axis in axes_of(figure)]
    return tuple(dict.fromkeys([*named, *check_target(vehicle.target, vehicle.name)]))


def check_common(vehicle: Any) -> None:
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
        keep(vehicle, "universe", check_positive)
    check_target(vehicle.target, f"{vehicle.name}: target")
