"""Quantiles of what the published noise does to an estimate: L = sum of a_j z_j.

In: weights and noise laws. Out: the half-width that holds at a stated level, whatever the true
counts are, since the law of the noise is published and the weights are fixed.
"""

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.fft import irfft
from scipy.optimize import brentq
from scipy.special import ndtri

from dpnotice.errors import EstimateError
from dpnotice.privacy import Noise

Floats: TypeAlias = npt.NDArray[np.float64]

_POINTS: Final = 2**18
_SPAN_SD: Final = 32.0
_SPAN_WEIGHTS: Final = 16.0
_SMALL: Final = 1 / 64
"""Weights below this share of the largest are pooled into one normal term of their variance."""
_NEARLY_NORMAL: Final = 0.3
_LATTICE_SD: Final = 10.0
"""Below this many largest weights, the s.d. is small enough for single steps to matter."""
_NARROW_GAUSSIAN: Final = 4.0
"""Scale below which the discrete Gaussian is inverted as what it is, not as a normal."""
_FLOAT_DUST: Final = 1e-12
_DUST: Final = 1e-9


def check_level(level: float) -> float:
    """Return a confidence level, or refuse what is not a fraction strictly between 0 and 1.

    Raises:
        EstimateError: with the value and the remedy.
    """
    number = isinstance(level, (int, float)) and not isinstance(level, bool)
    if not number or not 0 < level < 1:
        raise EstimateError(f"level must be a fraction between 0 and 1, got {level!r}; try 0.95")
    return float(level)


@dataclass(frozen=True)
class LinearNoise:
    """The error of an estimate: a fixed linear combination of independent published noises.

    Attributes:
        terms: (weights, noise) per released table; every cell of a table has one law.
    """

    terms: tuple[tuple[Floats, Noise], ...]

    def __add__(self, other: "LinearNoise") -> "LinearNoise":
        """The error of a sum of independent estimates."""
        return LinearNoise(self.terms + other.terms)

    def minus(self, other: "LinearNoise") -> "LinearNoise":
        """The error of a difference of two queries on the same tables, in the same order."""
        pairs = zip(self.terms, other.terms, strict=True)
        return LinearNoise(tuple((a - b, noise) for (a, noise), (b, _) in pairs))

    def times(self, factor: float) -> "LinearNoise":
        """The error of a multiple."""
        return LinearNoise(tuple((factor * a, noise) for a, noise in self.terms))

    @cached_property
    def variance(self) -> float:
        """Sum of a_j^2 v_j, people squared."""
        return float(sum(np.sum(a * a) * noise.variance for a, noise in self.terms))

    @property
    def sd(self) -> float:
        """Standard deviation, people."""
        return math.sqrt(self.variance)

    @cached_property
    def excess_kurtosis(self) -> float:
        """Sum of kappa_j a_j^4 v_j^2 over the squared variance."""
        fourth = sum(
            float(np.sum(a**4)) * noise.excess_kurtosis * noise.variance**2
            for a, noise in self.terms
        )
        return fourth / self.variance**2 if self.variance else 0.0

    def half_width(self, level: float) -> float:
        """Return h with P(|L| <= h) >= level (within the method's stated error).

        One weight: closed form on the integers. Nearly normal and wide against the steps of its
        largest weight: Cornish-Fisher. Otherwise the characteristic function, log phi(t) =
        -sum log1p(2 v_j sin^2(a_j t / 2)) for Laplace noise, is inverted on a lattice, weights
        rounded outward.

        Args:
            level: in (0, 1).

        Returns:
            People.
        """
        level = check_level(level)
        largest = max((float(np.max(np.abs(a), initial=0.0)) for a, _ in self.terms), default=0.0)
        if not largest:
            return 0.0
        # In units of the largest weight; what float dust leaves of a weight of 0 is dropped.
        used = [(np.abs(a) / largest, noise) for a, noise in self.terms]
        used = [(a[a > _FLOAT_DUST], noise) for a, noise in used]
        used = [(a, noise) for a, noise in used if a.size]
        if len(used) == 1 and used[0][0].size == 1:
            return largest * used[0][1].half_width(level)
        smooth = self.sd >= _LATTICE_SD * largest
        if smooth and self.excess_kurtosis < _NEARLY_NORMAL:
            return cornish_fisher(level, self.excess_kurtosis) * self.sd
        return largest * _inverted(tuple(_grouped(a, noise) for a, noise in used), level)


Counted: TypeAlias = tuple[float, LinearNoise]
"""An estimate, unclipped, and the law of its error."""


def cornish_fisher(level: float, excess_kurtosis: float) -> float:
    """Return z + kappa (z^3 - 3 z) / 24, the two-sided quantile in standard deviations.

    Where the expansion fails (large kurtosis) it is held between 0 and Chebyshev's bound
    1 / sqrt(1 - level), which holds for every law.

    >>> round(cornish_fisher(0.95, 0.0), 3)
    1.96
    """
    z = float(ndtri((1 + level) / 2))
    expanded = z + excess_kurtosis * (z**3 - 3 * z) / 24
    return min(max(0.0, expanded), 1 / math.sqrt(1 - level))


def count_interval(value: float, half_width: float) -> tuple[float, float]:
    """Round an interval for a count inward to whole people and clip its ends at zero.

    The truth is a non-negative integer, so nothing is lost: [max(0, ceil(e-h)), max(0,
    floor(e+h))]; where no integer is left, the nearest one.
    """
    lower = max(0, math.ceil(value - half_width - _DUST))
    upper = max(0, math.floor(value + half_width + _DUST))
    if lower > upper:
        lower = upper = max(0, round(value))
    return float(lower), float(upper)


def fieller(part: Counted, whole: Counted, level: float) -> tuple[float, float, bool]:
    """Return the set of shares R that the noise does not exclude, within [0, 1].

    Rule (Fieller 1954): (part - R whole)^2 <= c(R)^2 Var(part - R whole), where c(R) is the
    Cornish-Fisher quantile of that very combination, which has its own kurtosis.

    Args:
        part: estimate and error of the numerator.
        whole: the same of the denominator, error terms aligned with those of `part`.
        level: in (0, 1).

    Returns:
        (lower, upper, determined); (0, 1, False) where the denominator is not separated from 0.
    """
    level = check_level(level)
    (top, noise_top), (bottom, noise_bottom) = part, whole
    edge = cornish_fisher(level, noise_bottom.excess_kurtosis) * noise_bottom.sd
    if bottom <= edge:
        return 0.0, 1.0, False

    def excess(share: float) -> float:
        mixed = noise_top.minus(noise_bottom.times(share))
        c = cornish_fisher(level, mixed.excess_kurtosis)
        return abs(top - share * bottom) - c * mixed.sd

    centre = min(1.0, max(0.0, top / bottom))
    if excess(centre) >= 0:  # no share in [0, 1] is compatible: the nearest one
        return centre, centre, True
    lower = 0.0 if excess(0.0) <= 0 else float(brentq(excess, 0.0, centre))
    upper = 1.0 if excess(1.0) <= 0 else float(brentq(excess, centre, 1.0))
    return lower, upper, True


_Group: TypeAlias = tuple[tuple[float, ...], tuple[int, ...], Noise]


def _grouped(weights: Floats, noise: Noise) -> _Group:
    """Return equal weights once with their number, and their law, as a cache key."""
    values, numbers = np.unique(np.round(weights, 12), return_counts=True)
    return tuple(values.tolist()), tuple(numbers.tolist()), noise


@lru_cache(maxsize=4096)
def _inverted(groups: tuple[_Group, ...], level: float) -> float:
    """Invert the characteristic function on a lattice of 2^18 points; the largest weight is 1."""
    terms = [
        (weight, number, noise)
        for values, numbers, noise in groups
        for weight, number in zip(values, numbers, strict=True)
    ]
    variance = sum(number * weight**2 * noise.variance for weight, number, noise in terms)
    step = max(_SPAN_SD * math.sqrt(variance), _SPAN_WEIGHTS) / _POINTS
    angle = 2 * np.pi * np.arange(_POINTS // 2 + 1) / _POINTS
    log_phi = np.zeros_like(angle)
    normal = 0.0
    for weight, number, noise in terms:
        if weight < _SMALL or (not noise.is_laplace and noise.scale >= _NARROW_GAUSSIAN):
            normal += number * weight**2 * noise.variance
        else:
            log_phi += number * _log_characteristic(math.ceil(weight / step - _DUST) * angle, noise)
    log_phi -= normal / step**2 * angle**2 / 2
    mass = irfft(np.exp(log_phi), n=_POINTS)
    two_sided = mass[0] + 2 * np.cumsum(mass[1 : _POINTS // 2])
    return float((int(np.searchsorted(two_sided, level)) + 2) * step)


def _log_characteristic(angle: Floats, noise: Noise) -> Floats:
    """Return log E exp(i angle z) of one noise, real by symmetry."""
    if noise.is_laplace:
        return -np.log1p(2 * noise.variance * np.sin(angle / 2) ** 2)
    far = math.ceil(12 * noise.scale) + 1
    masses = np.exp(-(np.arange(far) ** 2) / (2 * noise.scale**2))
    masses /= 2 * masses.sum() - masses[0]
    waves = sum(2 * mass * np.cos(z * angle) for z, mass in enumerate(masses[1:], start=1))
    return np.asarray(np.log(np.maximum(masses[0] + waves, 1e-300)))
