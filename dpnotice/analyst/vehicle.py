"""What all vehicles share: what they do to a person, their checks, their target.

In: a vehicle's figures. Out: `Exposure`, checked figures, the axes by which they vary.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from dpnotice.analyst.delivery import check_delivery, delivered_index, inside, target_axes
from dpnotice.analyst.intervals import Floats
from dpnotice.analyst.rates import Quantity, axes_of, check_positive, check_text
from dpnotice.analyst.sampling import Sampling
from dpnotice.errors import PlanError

_MOST_DOLLARS: Final = 1e15
_INTERPOLATED: Final = 1e-6
"""Error to which figures are interpolated between levels of an amount."""


@dataclass(frozen=True, kw_only=True)
class Exposure:
    """What one vehicle does: at a few levels of its figures, and how cells follow from levels.

    Whatever is 0 for a person who is not exposed, as reach is and mean exposures, follows by cell
    from its values by level: values @ basis. See :func:`spread`.

    Attributes:
        law: figures -> chance that a person sees none of it, element by element and in the
            precision of the figures.
        figures: each (draws or 1, levels or 1).
        mean: (draws or 1, levels or 1) and (1, levels), whose product is the expected exposures.
        counts: most -> (most + 1, draws or 1, levels) chances of 0, 1, ... exposures; the last is
            that of `most` or more.
        basis: (levels, cells) weights of the levels in every cell.
        rated: whether exposures come at a rate of each person's own (mixed Poisson), so that who is
            exposed at all tells how often; else a person is met, or not, as insertions are.
    """

    law: Callable[..., Floats]
    figures: tuple[Floats, ...]
    mean: tuple[Floats, Floats]
    counts: Callable[[int], Floats]
    basis: Floats
    rated: bool = False

    @property
    def draws(self) -> int:
        """How many draws it has; 1 where nothing in it is uncertain."""
        return max(map(len, self.figures))

    @cached_property
    def interpolated(self) -> bool:
        """Whether cells lie between levels, and are not levels themselves."""
        return not np.isin(self.basis, (0.0, 1.0)).all()

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

    def of(self, rows: slice) -> "Exposure":
        """Return what it does in some draws."""

        def counts(most: int) -> Floats:
            found = self.counts(most)
            return found[:, rows] if found.shape[1] > 1 else found

        figures, (each, level) = self.figures, self.mean
        *some, mean = (x[rows] if len(x) > 1 else x for x in (*figures, each))
        return replace(self, figures=tuple(some), mean=(mean, level), counts=counts)

    def reach(self) -> Floats:
        """Return the chance of an exposure, (draws or 1, cells)."""
        return np.asarray((1 - self.nonreach) @ self.basis)

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


def spread(
    vehicle: Any, sampling: Sampling, *, amount: str, figures: Mapping[str, Quantity]
) -> tuple[dict[str, Floats], Floats, Floats]:
    """Return a vehicle's figures, the level of its amount, and the weights of levels in cells.

    The levels are the combinations of the axes by which its figures vary. Where only the amount
    varies, over many segments, and other figures over draws, a few Chebyshev nodes between its
    least and its largest level take their place: what a vehicle does is smooth in the logarithm of
    the amount, and a product with the weights of the nodes (Lagrange's polynomials) gives every
    cell.

    Args:
        vehicle: its name and target are used.
        sampling: the grid, draws and seed.
        amount: the figure that delivery shares multiply.
        figures: name -> figure, `amount` among them.

    Returns:
        name -> (draws or 1, levels or 1); (1, levels) by which the amount is multiplied; and
        (levels, cells) weights.
    """
    drawn = {
        name: sampling.sample(x, f"vehicle/{vehicle.name}/{name}") for name, x in figures.items()
    }
    index = delivered_index(vehicle.target, vehicle.universe, sampling, vehicle.name)
    sizes = np.broadcast_shapes(index.shape[1:], *(x.shape[1:] for x in drawn.values()))
    flat = {name: _by_level(x, sizes) for name, x in drawn.items()}
    level = _by_level(index, sizes)
    if axes_of(figures[amount]):
        level, flat[amount] = level * flat[amount], np.ones((1, 1))
    level = np.broadcast_to(level, (1, math.prod(sizes)))
    basis = np.eye(math.prod(sizes))[:, _levels_of_cells(sizes, sampling)]
    basis = basis * np.broadcast_to(inside(vehicle.target, sampling), (1, *sampling.shape)).ravel()
    moving = any(len(x) > 1 for x in flat.values())
    if moving and all(x.shape[1] == 1 for x in flat.values()):
        nodes, weights = _nodes(level[0])
        if len(nodes) < level.shape[1]:
            level, basis = nodes[np.newaxis], weights @ basis
    return flat, level, basis


def _by_level(values: Floats, sizes: tuple[int, ...]) -> Floats:
    """Lay out by level: (draws or 1, levels), or (draws or 1, 1) where all levels are alike."""
    if values[0].size == 1:
        return values.reshape(len(values), 1)
    return np.broadcast_to(values, (len(values), *sizes)).reshape(len(values), -1)


def _levels_of_cells(sizes: tuple[int, ...], sampling: Sampling) -> npt.NDArray[np.intp]:
    """(cells,) number of every cell's level."""
    levels = np.arange(math.prod(sizes)).reshape(sizes)
    return np.asarray(np.broadcast_to(levels, sampling.shape).ravel())


def _nodes(level: Floats) -> tuple[Floats, Floats]:
    """Return Chebyshev nodes from the least level above 0 to the largest, (nodes, levels) weights.

    Both ends are nodes, so that what holds at every node (no audience above 1, a cap with room)
    holds at every level. Their number follows from the error rho^-n of functions analytic within
    an ellipse (Trefethen, Approximation Theory and Approximation Practice (2013), theorem 8.2),
    here of half height pi / 2: exposures have their singularities pi away from the real line, but
    with little dispersion they grow fast beyond half of that.
    """
    some = level > 0
    if not some.any():
        return np.ones(1), np.zeros((1, len(level)))
    u = np.log(level[some])
    middle, half = (u.max() + u.min()) / 2, max((u.max() - u.min()) / 2, 1e-12)
    height = math.pi / 2 / half
    last = math.ceil(-math.log(_INTERPOLATED) / math.asinh(height))
    order = np.arange(last + 1)[:, np.newaxis]
    halved = np.where(order % last == 0, 0.5, 1.0)
    angle, place = order * math.pi / last, np.arccos(np.clip((u - middle) / half, -1, 1))
    weights = np.zeros((last + 1, len(level)))
    polynomials = halved * np.cos(order * place)
    weights[:, some] = 2 / last * halved * (np.cos(order * angle.T) @ polynomials)
    return np.exp(middle + half * np.cos(angle[:, 0])), weights


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
