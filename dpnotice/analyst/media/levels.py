"""How often a vehicle is met differs by cell: its figures at levels, or at a few nodes instead.

In: a vehicle's figures, and who gets how much of its amount. Out: its `Exposure`, worked out at as
few levels as are needed.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from dpnotice.analyst.intervals import Floats
from dpnotice.analyst.media.delivery import delivered_index, inside
from dpnotice.analyst.media.exposure_laws import shifted
from dpnotice.analyst.media.vehicle import Exposure
from dpnotice.analyst.rates import Quantity, axes_of
from dpnotice.analyst.sampling import Sampling

STEEP: Final = 3.0
"""Logarithm of the range of a clock up to which it may be interpolated."""
LEAST_NONREACH: Final = 1e-16
"""Stands for 0."""
_CLOSE: Final = 5e-7
"""Error to which figures are interpolated between nodes, in the draws that are tried."""
_RELATIVE: Final = 1e-5
"""The same relative to themselves, as mean exposures per person reached need it."""
_DUST: Final = 1e-13
"""Stands for 0."""
_DRIFTED: Final = (1.0, 0.5, 2.0)
"""Odds by which audiences may drift."""
_MANY: Final = 5
"""Levels that are worth trying nodes."""
_TRIED: Final = 20
_ENDS: Final = 3
_STRONG: Final = 2.0
"""Dependence of vehicles, theta, up to which what they do together is that close."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """A vehicle's figures by level, and how cells follow from levels.

    Attributes:
        figures: name -> (draws or 1, levels or 1).
        level: (1, levels) what the amount is multiplied by.
        basis: (levels, cells) weights of the levels in every cell.
    """

    figures: Mapping[str, Floats]
    level: Floats
    basis: Floats

    def exposure(self, law: Callable[..., Exposure], **figures: Floats) -> Exposure:
        """Return what the vehicle does.

        Where only the amount varies over levels, and other figures over draws, a few nodes between
        the least and the largest level take their place: what a vehicle does is smooth in the
        logarithm of the amount, and a product with the weights of the nodes gives every cell.
        Their number follows from some draws in which all levels are worked out too: those that are
        met least and most at the least level, the middle and the largest, and that bend most
        between them, and the first few.

        Args:
            law: level, basis, figures by name -> what they do.
            figures: from those of the vehicle, (draws or 1, levels or 1).
        """
        still = all(len(x) == 1 for x in figures.values())
        apart = any(x.shape[1] > 1 for x in figures.values())
        if still or apart or self.level.shape[1] < _MANY:
            return law(self.level, self.basis, **figures)
        tried = self._hardest(law, figures)
        some = {name: x[tried] if len(x) > 1 else x for name, x in figures.items()}
        exact = law(self.level, np.eye(self.level.shape[1]), **some).nonreach
        for nodes, weights in _nodes(self.level[0]):
            near = law(nodes, np.eye(nodes.shape[1]), **some).nonreach
            pairs = (nodes @ weights, self.level), ((1 - near) @ weights, 1 - exact)
            small = all(np.allclose(*pair, rtol=_RELATIVE, atol=_DUST) for pair in pairs)
            if small and _error(near, exact, weights) < _CLOSE:
                return law(nodes, weights @ self.basis, **figures)
        return law(self.level, self.basis, **figures)

    def _hardest(
        self, law: Callable[..., Exposure], figures: Mapping[str, Floats]
    ) -> npt.NDArray[np.intp]:
        """Return the draws that are tried."""
        u = np.sort(np.log(self.level[self.level > 0]))
        if not u.size:
            return np.arange(1)
        three = np.exp([[u[0], (u[0] + u[-1]) / 2, u[-1]]])
        unmet = law(three, np.eye(3), **figures).nonreach_of(slice(None), np.float32)
        clock = _power(unmet, _tried_theta(unmet, axis=0))
        measures = [*unmet, *(x[0] - 2 * x[1] + x[2] for x in (unmet, clock))]
        draws = unmet.shape[1]
        ends = min(_ENDS, draws)
        order = [np.argpartition(x, (ends - 1, draws - ends)) for x in measures]
        found = [part for x in order for part in (x[:ends], x[-ends:])]
        return np.unique([*range(min(_TRIED, draws)), *np.concatenate(found)])


def spread(
    vehicle: Any, sampling: Sampling, *, amount: str, figures: Mapping[str, Quantity]
) -> Levels:
    """Return a vehicle's figures by level: the combinations of the axes by which they vary.

    Args:
        vehicle: its name, universe and target are used.
        sampling: the grid, draws and seed.
        amount: the figure that delivery shares multiply.
        figures: name -> figure, `amount` among them.
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
    basis = np.eye(math.prod(sizes))[:, _levels_of_cells(sizes, sampling)]
    targeted = np.broadcast_to(inside(vehicle.target, sampling), (1, *sampling.shape))
    return Levels(
        figures=flat,
        level=np.broadcast_to(level, (1, math.prod(sizes))),
        basis=basis * targeted.ravel(),
    )


def _by_level(values: Floats, sizes: tuple[int, ...]) -> Floats:
    """Lay out by level: (draws or 1, levels), or (draws or 1, 1) where all levels are alike."""
    if values[0].size == 1:
        return values.reshape(len(values), 1)
    return np.broadcast_to(values, (len(values), *sizes)).reshape(len(values), -1)


def _levels_of_cells(sizes: tuple[int, ...], sampling: Sampling) -> npt.NDArray[np.intp]:
    """(cells,) number of every cell's level."""
    levels = np.arange(math.prod(sizes)).reshape(sizes)
    return np.asarray(np.broadcast_to(levels, sampling.shape).ravel())


def _nodes(level: Floats) -> Iterator[tuple[Floats, Floats]]:
    """Yield more and more Chebyshev nodes, (1, nodes), and their (nodes, levels) weights.

    They lie from the least level above 0 to the largest, in the logarithm of the level (Trefethen,
    Approximation Theory and Approximation Practice (2013), chapters 4 and 5). Both ends are nodes,
    so that what holds at every node (no audience above 1, a cap with room) holds at every level.
    """
    some = level > 0
    if not some.any():
        yield np.ones((1, 1)), np.zeros((1, len(level)))
        return
    u = np.log(level[some])
    middle, half = (u.max() + u.min()) / 2, max((u.max() - u.min()) / 2, 1e-12)
    place = np.arccos(np.clip((u - middle) / half, -1, 1))
    for last in range(1, len(level) - 1):
        order = np.arange(last + 1)[:, np.newaxis]
        halved, angle = np.where(order % last == 0, 0.5, 1.0), order * math.pi / last
        weights = np.zeros((last + 1, len(level)))
        polynomials = halved * np.cos(order * place)
        weights[:, some] = 2 / last * halved * (np.cos(order * angle.T) @ polynomials)
        yield np.exp(middle + half * np.cos(angle.T)), weights


def _error(nodes: Floats, exact: Floats, weights: Floats) -> float:
    """Return the largest error of non-reach, alone, with drifted audiences, and together.

    Together non-reach to the power of -theta is interpolated, where it is not too steep.

    Args:
        nodes: (draws, nodes) non-reach at the nodes.
        exact: (draws, levels) non-reach at every level.
        weights: (nodes, levels).
    """
    theta = _tried_theta(nodes)
    power = np.maximum(_power(nodes, theta) @ weights, 1.0) ** (-1 / theta)
    steep = nodes.min(axis=1, keepdims=True) <= LEAST_NONREACH
    off = [np.where(steep, 0.0, power - exact)]
    off += [1 - (1 - shifted(nodes, x)) @ weights - shifted(exact, x) for x in _DRIFTED]
    return float(np.abs(off)[..., weights.any(axis=0)].max(initial=0))


def _tried_theta(nonreach: Floats, axis: int = 1) -> Floats:
    """Return the strongest dependence at which clocks are interpolated, an axis of one level."""
    least = np.maximum(nonreach.min(axis=axis, keepdims=True), LEAST_NONREACH)
    theta: Floats = np.minimum(_STRONG, STEEP / np.maximum(-np.log(least), LEAST_NONREACH))
    return theta


def _power(nonreach: Floats, theta: Floats) -> Floats:
    power: Floats = np.exp(-theta * np.log(np.maximum(nonreach, LEAST_NONREACH)))
    return power
