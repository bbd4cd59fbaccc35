"""What all vehicles share: what they do to a person, their checks, their target.

In: a vehicle's figures. Out: `Exposure`, checked figures, the axes by which they vary.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

from dpnotice.analyst.intervals import Floats
from dpnotice.analyst.rates import (
    Quantity,
    Sampling,
    axes_of,
    check_positive,
    check_target,
    check_text,
)
from dpnotice.errors import PlanError

_MOST_DOLLARS: Final = 1e15


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
        check_price(getattr(vehicle, field, None), f"{vehicle.name}: {field}")
    check_source(source=vehicle.source, as_of=vehicle.as_of, field=vehicle.name)
    if vehicle.universe is not None:
        keep(vehicle, "universe", check_positive)
    check_target(vehicle.target, f"{vehicle.name}: target")


def check_price(value: float | None, field: str) -> None:
    """Refuse a price that is not 0 or more dollars; None stands for not given.

    Raises:
        PlanError: naming the field and the value.
    """
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if value is not None and not (number and 0 <= value < _MOST_DOLLARS):
        raise PlanError(
            f"{field} must be 0 or more dollars, got {value!r}; correct it", code="COST"
        )


def check_source(*, source: object, as_of: object, field: str) -> None:
    """Refuse a source or date that is no line of text; None stands for not given.

    Raises:
        PlanError: naming the notice.
    """
    for value in (source, as_of):
        if value is not None:
            check_text(value, f"{field}: source and as_of")
