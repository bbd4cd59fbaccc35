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
State: TypeAlias = tuple[Floats | float, list[Floats]]
"""A weight, and every vehicle's clock (draws or 1, cells)."""
_IN_CACHE: Final = 2**17
"""Numbers of a block: draws times cells that a core works on without going to memory."""
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

    def unmet(self, exposures: Sequence[Exposure]) -> Floats:
        """Return the chance that none is met, (draws or 1, cells)."""
        precision: type[np.floating[Any]] = (
            np.float32 if np.max(self.theta) <= _SINGLE_THETA else np.float64
        )
        theta = np.maximum(self.theta, _LEAST_THETA).astype(precision)
        basis = _stacked(exposures).astype(precision)

        def block(rows: slice) -> Reals:
            heat = theta[rows] if len(theta) > 1 else theta
            clocks = _clock(
                _joined([_on(e, e.nonreach_of(rows, precision)) for e in exposures]), heat
            )
            return _survival(clocks.T @ basis, heat[:, np.newaxis])

        return by_block(block, max(len(theta), *(e.draws for e in exposures)), basis.shape[1])

    def of(self, rows: slice) -> "Appetite":
        """Return the law of some draws."""
        return Appetite(theta=self.theta[rows] if len(self.theta) > 1 else self.theta)

    def states(self, exposures: Sequence[Exposure]) -> Iterator[State]:
        """Yield appetites: their weight, and every vehicle's clock (draws or 1, cells) at them."""
        theta = np.maximum(self.theta, _LEAST_THETA)[:, np.newaxis]
        clocks = [
            (np.expm1(-np.log(np.maximum(e.nonreach, _LEAST_NONREACH)) * theta) / theta) @ e.basis
            for e in exposures
        ]
        for weight, appetite in zip(_WEIGHTS, _appetites(theta), strict=True):
            yield float(weight), [appetite * clock for clock in clocks]


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
        basis = _stacked(exposures)
        found = np.empty((len(self.pick), basis.shape[1]))
        for number, law in enumerate(self.classes):
            (drawn,) = np.nonzero(self.pick == number)
            found[drawn] = _unmet_in(law, exposures, drawn, basis)
        return found

    def of(self, rows: slice) -> "Mixture":
        """Return the law of some draws."""
        return replace(self, pick=self.pick[rows])

    def states(self, exposures: Sequence[Exposure]) -> Iterator[State]:
        """Yield classes and appetites: weight (draws, 1), and the vehicles' clocks at them."""
        for number, law in enumerate(self.classes):
            chosen = (self.pick == number)[:, np.newaxis]
            if chosen.any():
                yield from _states_in(law, exposures, chosen)


def _states_in(
    law: Classes, exposures: Sequence[Exposure], chosen: npt.NDArray[np.bool_]
) -> Iterator[State]:
    """Yield the classes and appetites of one law, of weight 0 in draws of other laws."""
    theta = np.full((1, 1), max(1 / law.appetite, _LEAST_THETA))
    clocks = [_scale(law, v, e.nonreach) @ e.basis for v, e in enumerate(exposures)]
    for share, rates in zip(law.share, law.rate, strict=True):
        for weight, appetite in zip(_WEIGHTS, _appetites(theta), strict=True):
            own = [appetite * rate * clock for rate, clock in zip(rates, clocks, strict=True)]
            yield share * weight * chosen, own


def _scale(law: Classes, vehicle: int, nonreach: Floats) -> Floats:
    """Return the scale at which one vehicle alone has its non-reach, the same shape."""
    own = replace(law, rate=law.rate[:, [vehicle]])
    rounded = np.minimum(nonreach, 1.0)  # sums of shares may exceed 1 in the last digit
    return own.scales(rounded[..., np.newaxis])[..., 0]


def _appetites(theta: Floats) -> Floats:
    """Return quantiles of Gamma(1 / theta, mean 1) with exact mean, (nodes, *theta's shape)."""
    nodes = (_POINTS.reshape(-1, *(1,) * theta.ndim) + 1) / 2
    quantile = np.where(theta > _SMALL, gammaincinv(1 / theta, nodes) * theta, 1.0)
    return np.asarray(quantile / np.tensordot(_WEIGHTS, quantile, axes=1))


def _unmet_in(
    law: Classes,
    exposures: Sequence[Exposure],
    drawn: npt.NDArray[np.int64],
    basis: Reals,
) -> Floats:
    """Return the chance that none is met under one law, (chosen draws, cells)."""
    theta = np.full((1, 1), max(1 / law.appetite, _LEAST_THETA), dtype=np.float32)
    levels = [len(e.basis) for e in exposures]
    rates = np.repeat(law.rate, levels, axis=1).astype(np.float32)

    def block(rows: slice) -> Reals:
        unmet = [e.nonreach_of(drawn[rows], np.float64) for e in exposures]
        scales = [_scale(law, v, x) for v, x in enumerate(unmet)]
        scale = _joined(
            [_on(e, s.astype(np.float32)) for e, s in zip(exposures, scales, strict=True)]
        )
        found = np.zeros((), dtype=np.float32)
        for share, rate in zip(law.share, rates, strict=True):
            clock = (scale * rate[:, np.newaxis]).T @ basis
            found = found + np.float32(share) * _survival(clock, theta)
        return found

    return by_block(block, len(drawn), basis.shape[1])


Joint: TypeAlias = Appetite | Mixture


def _stacked(exposures: Sequence[Exposure]) -> Reals:
    """Lay the levels of all vehicles below each other: (levels of all, cells)."""
    return np.concatenate([e.basis for e in exposures]).astype(np.float32)


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
