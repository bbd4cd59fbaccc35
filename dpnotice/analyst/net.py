"""Several vehicles, one person: the chance that none of them is met.

In: what every vehicle does, and how the vehicles hang together. Out: the chance of no exposure by
draw and cell. Every vehicle keeps its own reach exactly, whatever the dependence.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.special import gammaincinv

from dpnotice.analyst.classes import Classes
from dpnotice.analyst.intervals import Floats
from dpnotice.analyst.vehicle import Exposure

Reals: TypeAlias = npt.NDArray[np.floating[Any]]
State: TypeAlias = tuple[Floats | float, Floats, list[Floats]]
"""A weight, an appetite, and every vehicle's clock (draws or 1, cells) at it."""
Part: TypeAlias = tuple[int, Exposure, Any]
"""Number of a vehicle, itself, and its non-reach (levels or 1, draws or 1)."""
_STEEP: Final = 3.0
"""Logarithm of the range of a clock up to which it may be interpolated."""
_IN_CACHE: Final = 2**19
"""Numbers of a block, draws times cells: large beside what a call costs, small beside memory."""
_LEAST_NONREACH: Final = 1e-16
"""Stands for 0."""
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
        precision: type[np.floating[Any]] = np.float32 if single else np.float64
        theta = self.heat.astype(precision)

        def block(rows: slice) -> Reals:
            heat = theta[rows] if len(theta) > 1 else theta
            smooth, steep = _parted(exposures, rows, precision, float(heat.max()))
            clocks = _clock(_joined([_on(e, part) for _, e, part in smooth]), heat)
            total = clocks.T @ _stacked([e for _, e, _ in smooth]).astype(precision)
            for _, exposure, part in steep:
                total = total + _clock(_by_cell(exposure, part), heat[:, np.newaxis])
            return _survival(total, heat[:, np.newaxis])

        cells = exposures[0].basis.shape[1]
        return by_block(block, max(len(theta), *(e.draws for e in exposures)), cells)

    def of(self, rows: slice) -> "Appetite":
        """Return the law of some draws."""
        return Appetite(theta=self.theta[rows] if len(self.theta) > 1 else self.theta)

    def given(self, exposures: Sequence[Exposure]) -> Iterator[State]:
        """Yield appetites: their weight, themselves, and every vehicle's clock at them."""
        theta = self.heat[:, np.newaxis]
        clocks = [
            np.expm1(-np.log(np.maximum(1 - e.reach(), _LEAST_NONREACH)) * theta) / theta
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
    theta = np.full((1, 1), max(1 / law.appetite, _LEAST_THETA))

    def block(rows: slice) -> Reals:
        smooth, steep = _parted(exposures, drawn[rows], np.float64, float(theta.max()))
        owners = np.repeat([v for v, _, _ in smooth], [len(e.basis) for _, e, _ in smooth])
        levels = _joined([_on(e, _scale(law, v, part)) for v, e, part in smooth])
        basis = _stacked([e for _, e, _ in smooth])
        by_cell = [(v, _scale(law, v, _by_cell(e, part))) for v, e, part in steep]
        found = np.zeros(())
        for share, rate in zip(law.share, law.rate, strict=True):
            clock = (levels * rate[owners, np.newaxis]).T @ basis
            clock = sum((rate[v] * scale for v, scale in by_cell), start=clock)
            found = found + share * _survival(clock, theta)
        return found

    return by_block(block, len(drawn), exposures[0].basis.shape[1])


Joint: TypeAlias = Appetite | Mixture


def _parted(
    exposures: Sequence[Exposure],
    rows: slice | npt.NDArray[np.int64],
    precision: type[np.floating[Any]],
    theta: float,
) -> tuple[list[Part], list[Part]]:
    """Return the non-reach of every vehicle in some draws, steep vehicles apart.

    The clock of a vehicle that reaches nearly everybody at its largest level, and few at its
    least, changes so fast between nodes that it must be taken cell by cell.
    """
    parts = [(v, e, e.nonreach_of(rows, precision)) for v, e in enumerate(exposures)]
    steep = [
        e.interpolated and -np.log(max(float(part.min()), _LEAST_NONREACH)) * theta > _STEEP
        for _, e, part in parts
    ]
    chosen = list(zip(parts, steep, strict=True))
    return [part for part, far in chosen if not far], [part for part, far in chosen if far]


def _by_cell(exposure: Exposure, part: Reals) -> Any:
    """Bring non-reach from (levels or 1, draws or 1) to (draws or 1, cells)."""
    basis = exposure.basis.astype(part.dtype)
    return np.clip(1 - (1 - _on(exposure, part)).T @ basis, 0, 1).astype(part.dtype)


def _stacked(exposures: Sequence[Exposure]) -> Reals:
    """Lay the levels of all vehicles below each other: (levels of all, cells)."""
    return np.concatenate([e.basis for e in exposures]) if exposures else np.zeros((0, 1))


def _on(exposure: Exposure, values: Reals) -> Reals:
    """Give values a row for every level."""
    return np.broadcast_to(values, (len(exposure.basis), values.shape[1]))


def _clock(nonreach: Reals, theta: Reals) -> Reals:
    """(P^-theta - 1) / theta, with a small theta for 0; `nonreach` is used up.

    By expm1(x) = tanh(x / 2) (exp(x) + 1), as tanh is fast in single precision and expm1 is not.
    """
    x = np.maximum(nonreach, _LEAST_NONREACH, out=nonreach)
    x = np.log(x, out=x) * (theta / -2)
    grown = np.exp(2 * x)
    grown += 1
    np.tanh(x, out=x)
    x *= grown
    x /= theta
    return x


def _survival(clock: Reals, theta: Reals) -> Reals:
    """(1 + theta t)^(-1 / theta) = exp(-log1p(theta t) / theta); `clock` is used up.

    What is lost in rounding u = 1 + x is (x - (u - 1)) / u to first order, and put back.
    """
    clock *= theta
    u = clock + 1
    lost = u - 1
    np.subtract(clock, lost, out=lost)
    lost /= u
    np.log(u, out=u)
    u += lost
    u /= -theta
    return np.exp(u, out=u)


def _joined(parts: Sequence[Reals]) -> Reals:
    """Lay levels of all vehicles below each other, as many draws as the longest."""
    if not parts:
        return np.zeros((0, 1))
    draws = max(part.shape[1] for part in parts)
    return np.concatenate([np.broadcast_to(part, (len(part), draws)) for part in parts])


def by_block(block: Callable[[slice], Reals], draws: int, cells: int) -> Floats:
    """Work through the draws in blocks on all cores; results do not hang on the blocks.

    Args:
        block: some draws -> (draws, cells).
        draws: how many in all.
        cells: of one draw.
    """
    found = np.empty((draws, cells))
    step = max(1, _IN_CACHE // cells)

    def work(start: int) -> None:
        rows = slice(start, start + step)
        found[rows] = block(rows)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(work, range(0, draws, step)))
    return found
