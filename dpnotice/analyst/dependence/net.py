"""Several vehicles, one person: the chance that none of them is met.

In: what every vehicle does, and how the vehicles hang together. Out: the chance of no exposure by
draw and cell. Every vehicle keeps its own reach exactly, whatever the dependence.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.special import gammaincinv

from dpnotice.analyst.dependence.classes import Classes
from dpnotice.analyst.in_blocks import Reals, by_block
from dpnotice.analyst.intervals import Floats
from dpnotice.analyst.media.exposure_laws import log1p
from dpnotice.analyst.media.levels import LEAST_NONREACH, STEEP
from dpnotice.analyst.media.vehicle import Exposure

State: TypeAlias = tuple[Floats | float, Floats, list[Floats]]
"""A weight, an appetite, and every vehicle's clock (draws or 1, cells) at it."""
_SINGLE_THETA: Final = 2.0
"""Up to it single precision holds the least non-reach to the power of -theta."""
_LEAST_THETA: Final = 1e-6
"""Stands for 0: it moves reach by less than a millionth."""
_SMALL: Final = 1e-4
"""Variance of an appetite that is as good as none."""
_POINTS, _WEIGHTS = np.polynomial.legendre.leggauss(24)
_WEIGHTS = _WEIGHTS / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Appetite:
    """One appetite per person for all vehicles, z ~ Gamma(k, mean 1), used as a clock.

    Given z, vehicle v is not met with probability exp(-z t_v), t_v = k (P_v^(-1/k) - 1): its own
    non-reach P_v is kept. None of several is met with probability
    (1 + sum of (P_v^(-1/k) - 1))^-k: Clayton's form (Marshall and Olkin 1988). At 1/k = 0 vehicles
    are independent; as it grows, the same persons meet everything.

    Attributes:
        theta: (draws or 1,) 1/k, the variance of the appetite, 0 or more.
    """

    theta: Floats

    @property
    def heat(self) -> Floats:
        """Theta with a small number for 0, (draws or 1,)."""
        return np.maximum(self.theta, _LEAST_THETA)

    def unmet(self, exposures: Sequence[Exposure]) -> Floats:
        """Return the chance that none is met, (draws or 1, cells)."""
        single = np.max(self.theta) <= _SINGLE_THETA
        theta: Reals = self.heat.astype(np.float32 if single else np.float64)

        def block(rows: slice) -> Reals:
            heat = theta[rows] if len(theta) > 1 else theta
            return _survival(_summed(exposures, rows, heat), heat[:, np.newaxis])

        draws = max(len(theta), *(e.draws for e in exposures))
        return by_block(block, (draws, exposures[0].basis.shape[1]), _width(exposures))

    def of(self, rows: slice) -> "Appetite":
        """Return the law of some draws."""
        return Appetite(theta=self.theta[rows] if len(self.theta) > 1 else self.theta)

    def given(self, exposures: Sequence[Exposure]) -> Iterator[State]:
        """Yield appetites: their weight, themselves, and every vehicle's clock at them."""
        theta = self.heat[:, np.newaxis]
        clocks = [
            np.expm1(-np.log(np.maximum(1 - e.reach(), LEAST_NONREACH)) * theta) / theta
            for e in exposures
        ]
        for weight, appetite in zip(_WEIGHTS, _appetites(theta), strict=True):
            yield float(weight), appetite, [appetite * clock for clock in clocks]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixture:
    """Latent classes of persons with rates of their own for every vehicle; see :class:`Classes`.

    Attributes:
        classes: laws that agree with what is known about as well as each other.
        pick: (draws,) number of the law of each draw.
    """

    classes: tuple[Classes, ...]
    pick: npt.NDArray[np.int64]

    def unmet(self, exposures: Sequence[Exposure]) -> Floats:
        """Return the chance that none is met, (draws, cells)."""
        found = np.empty((len(self.pick), exposures[0].basis.shape[1]))
        for number, law in enumerate(self.classes):
            (drawn,) = np.nonzero(self.pick == number)
            found[drawn] = _unmet_in(law, exposures, drawn)
        return found

    def of(self, rows: slice) -> "Mixture":
        """Return the law of some draws."""
        return replace(self, pick=self.pick[rows])

    def given(self, exposures: Sequence[Exposure]) -> Iterator[State]:
        """Yield classes and appetites: weight, appetite, and every vehicle's clock at them."""
        for number, law in enumerate(self.classes):
            chosen = (self.pick == number)[:, np.newaxis]
            if chosen.any():
                yield from _given_in(law, exposures, chosen)


def _given_in(
    law: Classes, exposures: Sequence[Exposure], chosen: npt.NDArray[np.bool_]
) -> Iterator[State]:
    """Yield the classes and appetites of one law, of weight 0 in draws of other laws."""
    theta = np.full((1, 1), max(1 / law.appetite, _LEAST_THETA))
    clocks = [_scale(law, v, 1 - e.reach()) for v, e in enumerate(exposures)]
    for share, rates in zip(law.share, law.rate, strict=True):
        for weight, appetite in zip(_WEIGHTS, _appetites(theta), strict=True):
            own = [appetite * rate * clock for rate, clock in zip(rates, clocks, strict=True)]
            yield share * weight * chosen, appetite, own


def _scale(law: Classes, vehicle: int, nonreach: Floats) -> Floats:
    """Return the scale at which one vehicle alone has its non-reach, the same shape."""
    own = replace(law, rate=law.rate[:, [vehicle]])
    fractions = np.clip(nonreach, 0.0, 1.0)  # sums of shares, and what is interpolated, may miss
    return own.scales(fractions[..., np.newaxis])[..., 0]


def _appetites(theta: Floats) -> Floats:
    """Return quantiles of Gamma(1 / theta, mean 1) with exact mean, (nodes, *theta's shape)."""
    nodes = (_POINTS.reshape(-1, *(1,) * theta.ndim) + 1) / 2
    quantile = np.where(theta > _SMALL, gammaincinv(1 / theta, nodes) * theta, 1.0)
    return np.asarray(quantile / np.tensordot(_WEIGHTS, quantile, axes=1))


def _unmet_in(law: Classes, exposures: Sequence[Exposure], drawn: npt.NDArray[np.int64]) -> Floats:
    """Return the chance that none is met under one law, (chosen draws, cells)."""
    theta = np.full(1, max(1 / law.appetite, _LEAST_THETA))

    def block(rows: slice) -> Reals:
        levels, cells = [], []
        for v, exposure in enumerate(exposures):
            part = exposure.nonreach_of(drawn[rows], np.float64)
            if exposure.interpolated:  # what classes make of a clock is too steep between nodes
                cells.append((v, _scale(law, v, _by_cell(exposure, part))))
            else:
                levels.append((v, exposure, _scale(law, v, part)))
        found = np.zeros(())
        for share, rate in zip(law.share, law.rate, strict=True):
            clocks = [rate[v] * scale for v, scale in cells]
            if levels:
                clocks.append(_over_cells([(e, rate[v] * scale) for v, e, scale in levels]))
            found = found + share * _survival(sum(clocks) * theta, theta)
        return found

    return by_block(block, (len(drawn), exposures[0].basis.shape[1]), _width(exposures))


Joint: TypeAlias = Appetite | Mixture


def _summed(exposures: Sequence[Exposure], rows: slice, theta: Reals) -> Reals:
    """Return the sum over vehicles of P^-theta - 1, (draws or 1, cells)."""
    levels, cells = [], []
    for exposure in exposures:
        part = exposure.nonreach_of(rows, theta.dtype.type)
        if _steep(exposure, part, theta):
            cells.append(_excess(_by_cell(exposure, part), theta[:, np.newaxis]))
        else:
            levels.append((exposure, _excess(part, theta)))
    if levels:
        cells.append(_over_cells(levels))
    return sum(cells[1:], start=cells[0])


def _steep(exposure: Exposure, nonreach: Reals, theta: Reals) -> bool:
    """Whether a vehicle must be taken cell by cell.

    The clock of one that reaches nearly everybody at its largest level, and few at its least,
    changes too fast between nodes to be interpolated; nor can it be where what stands for 0 does.
    """
    least = float(nonreach.min())
    if not exposure.interpolated or least <= LEAST_NONREACH:
        return exposure.interpolated
    return -math.log(least) * float(theta.max()) > STEEP


def _by_cell(exposure: Exposure, part: Reals) -> Any:
    """Bring non-reach from (levels or 1, draws or 1) to (draws or 1, cells)."""
    return np.clip(1 - _over_cells([(exposure, 1 - part)]), 0, 1)


def _over_cells(by_level: Sequence[tuple[Exposure, Reals]]) -> Reals:
    """Return the sum over vehicles of what is 0 where nobody is exposed.

    Args:
        by_level: vehicles, and for each (levels or 1, draws or 1) values.

    Returns:
        (draws or 1, cells), in the precision of the values.
    """
    draws = max(values.shape[1] for _, values in by_level)
    rows = [np.broadcast_to(values, (len(e.basis), draws)) for e, values in by_level]
    levels, basis = np.concatenate(rows), np.concatenate([e.basis for e, _ in by_level])
    return np.asarray(levels.T @ basis.astype(levels.dtype))


def _excess(nonreach: Reals, theta: Reals) -> Reals:
    """P^-theta - 1 = expm1(x), x = -theta log P.

    As tanh is fast in single precision and expm1 is not: expm1(x) = 2 T / (1 - T), T = tanh(x / 2),
    or T (exp(x) + 1) where x is so large that 1 - T would lose its digits.
    """
    x: Reals = np.maximum(nonreach, LEAST_NONREACH)
    x = np.log(x, out=x) * (theta / -2)
    if x.max() > STEEP / 2:
        grown = np.exp(2 * x)
        grown += 1
        grown *= np.tanh(x, out=x)
        return grown
    np.tanh(x, out=x)
    rest = 1 - x
    x *= 2
    x /= rest
    return x


def _survival(excess: Reals, theta: Reals) -> Reals:
    """(1 + x)^(-1 / theta) = exp(-log1p(x) / theta); `excess`, x, is used up."""
    power: Reals = log1p(excess)
    power *= -1 / theta
    np.exp(power, out=power)
    return power


def _width(exposures: Sequence[Exposure]) -> int:
    """Return how many numbers one draw takes: cells, or levels of all vehicles if they are more."""
    return int(max(exposures[0].basis.shape[1], sum(len(e.basis) for e in exposures)))
