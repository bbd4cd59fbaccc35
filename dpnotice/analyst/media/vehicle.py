"""What all vehicles share: what they do to a person, their checks, their target.

In: a vehicle's figures. Out: `Exposure`, checked figures, the axes by which they vary.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from dpnotice.analyst.intervals import Floats
from dpnotice.analyst.media.delivery import check_delivery, target_axes
from dpnotice.analyst.rates import Quantity, axes_of, check_positive, check_text
from dpnotice.analyst.sampling import Sampling
from dpnotice.errors import PlanError

_MOST_DOLLARS: Final = 1e15


@dataclass(frozen=True, kw_only=True)
class Exposure:
    """What one vehicle does: at a few levels of its figures, and how cells follow from levels.

    Whatever is 0 for a person who is not exposed, as reach is and mean exposures, follows by cell
    from its values by level: values @ basis. See :mod:`.levels`.

    Attributes:
        law: figures -> chance that a person sees none of it, element by element and in the
            precision of the figures.
        figures: each (draws or 1, levels or 1).
        mean: (draws or 1, levels or 1) and (1, levels), whose product is the expected exposures.
        tally: most, figures -> (most + 1, ...) chances of 0, 1, ... exposures, the last that of
            `most` or more, element by element.
        basis: (levels, cells) weights of the levels in every cell.
        rated: whether exposures come at a rate of each person's own (mixed Poisson), so that who is
            exposed at all tells how often; else a person is met, or not, as insertions are.
    """

    law: Callable[..., Floats]
    figures: tuple[Floats, ...]
    mean: tuple[Floats, Floats]
    tally: Callable[..., Floats]
    basis: Floats
    rated: bool = False

    @property
    def draws(self) -> int:
        """How many draws it has; 1 where nothing in it is uncertain."""
        return max(map(len, self.figures))

    @cached_property
    def interpolated(self) -> bool:
        """Whether cells lie between levels, and are not levels themselves."""
        return not ((self.basis == 0) | (self.basis == 1)).all()

    @property
    def nonreach(self) -> Floats:
        """The chance that a person sees none of it, (draws or 1, levels)."""
        found = self.law(*self.figures)
        return np.broadcast_to(found, (len(found), len(self.basis)))

    def nonreach_of(self, rows: slice | npt.NDArray[np.int64], precision: type) -> Any:
        """Return the same of some draws in a precision, (levels or 1, draws or 1).

        Draws come last, as arithmetic is fast along a long axis.
        """
        chosen = (x[rows] if len(x) > 1 else x for x in self.figures)
        return self.law(*(np.ascontiguousarray(x.T, dtype=precision) for x in chosen))

    def counts(self, most: int) -> Floats:
        """Return the chances of 0, 1, ..., and `most` or more, (most + 1, draws or 1, levels)."""
        found = self.tally(most, *self.figures)
        return np.broadcast_to(found, (*found.shape[:2], len(self.basis)))

    def of(self, rows: slice | npt.NDArray[np.intp]) -> "Exposure":
        """Return what it does in some draws."""
        figures, (each, level) = self.figures, self.mean
        *some, mean = (x[rows] if len(x) > 1 else x for x in (*figures, each))
        return replace(self, figures=tuple(some), mean=(mean, level))

    def reach(self) -> Floats:
        """Return the chance of an exposure, (draws or 1, cells)."""
        return np.clip((1 - self.nonreach) @ self.basis, 0.0, 1.0)

    def gross(self) -> Floats:
        """Return the mean exposures, (draws or 1, cells)."""
        each, level = self.mean
        if each.shape[1] == 1:
            return np.asarray(each * (level @ self.basis))
        return np.asarray((each * level) @ self.basis)


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


def keep(vehicle: Any, field: str, check: Callable[[Quantity, str], Quantity]) -> None:
    """Check a figure and keep it in the form that the check returns (frames become pandas)."""
    kept = check(getattr(vehicle, field), f"{vehicle.name}: {field}")
    object.__setattr__(vehicle, field, kept)


def varying_axes(vehicle: Any, *figures: Quantity) -> tuple[str, ...]:
    """Return the axes by which any of the figures varies, then those of the target."""
    named = [axis for figure in figures for axis in axes_of(figure)]
    return tuple(dict.fromkeys([*named, *target_axes(vehicle.target)]))


def check_common(vehicle: Any) -> None:
    """Check what all vehicles share: price, universe, target."""
    for field in ("cost_usd", "cpm_usd"):
        check_price(getattr(vehicle, field, None), f"{vehicle.name}: {field}")
    check_source(source=vehicle.source, as_of=vehicle.as_of, field=vehicle.name)
    if vehicle.universe is not None:
        keep(vehicle, "universe", check_positive)
    target = check_delivery(vehicle.target, vehicle.universe, f"{vehicle.name}: target")
    object.__setattr__(vehicle, "target", target)


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
