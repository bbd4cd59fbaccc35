"""Quantiles of what the published noise does to an estimate: L = sum of a_j z_j.

In: weights and noise laws. Out: the half-width that holds at a stated level, whatever the true
counts are, since the law of the noise is published and the weights are fixed.
"""

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.fft import irfft, rfft
from scipy.special import ndtri

from dpnotice.errors import EstimateError
from dpnotice.privacy import Noise

Floats: TypeAlias = npt.NDArray[np.float64]

_ONCE: Final[Floats] = np.ones(())
_POINTS: Final = 2**18
_RATIO_POINTS: Final = 2**16
"""A ratio needs the quantile anew at every end that is tried; weights are still rounded outward."""
_FINEST: Final = 64.0
"""Steps of the lattice from which a weight's own steps show; a finer one is as good as smooth."""
_COARSEST: Final = 0.75
"""Share of the lattice's resolution that may be given up for one on which the weights fall."""
_MOST_ROUNDS: Final = 12
_SETTLED: Final = 1e-7
_SPAN_SD: Final = 32.0
_SPAN_WEIGHTS: Final = 16.0
_SMALL: Final = 1 / 64
"""Weights below this share of the largest are pooled into one normal term of their variance."""
_NEARLY_NORMAL: Final = 0.3
_LATTICE_SD: Final = 10.0
"""Below this many largest weights, the s.d. is small enough for single steps to matter."""
_NARROW_GAUSSIAN: Final = 4.0
"""Scale below which the discrete Gaussian is inverted as what it is, not as a normal."""
_COARSE_PIECES: Final = 8
"""Parts of the largest weight up to which the steps of a nearly normal law are minded."""
_NO_ENDS: Final = (0.0, 1.0, False)
"""The set of shares where the denominator is not told from 0: all of them, undetermined."""
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


class Term(NamedTuple):
    """What the noise of one table adds to an error.

    Attributes:
        weights: on cells of the table.
        noise: of every cell.
        copies: how many cells have each weight.
    """

    weights: Floats
    noise: Noise
    copies: Floats = _ONCE


def bonferroni(level: float, number: int) -> float:
    """Return the level at which so many intervals hold together at a level, whatever they share.

    >>> round(bonferroni(0.95, 5), 4)
    0.99
    """
    return 1 - (1 - level) / number


@dataclass(frozen=True)
class LinearNoise:
    """The error of an estimate: a fixed linear combination of independent published noises.

    Attributes:
        terms: one per released table; every cell of a table has one law.
    """

    terms: tuple[Term, ...]

    def __add__(self, other: "LinearNoise") -> "LinearNoise":
        """The error of a sum of independent estimates."""
        return LinearNoise(self.terms + other.terms)

    def minus(self, other: "LinearNoise") -> "LinearNoise":
        """The error of a difference of two queries on the same tables, in the same order."""
        pairs = zip(self.terms, other.terms, strict=True)
        return LinearNoise(tuple(a._replace(weights=a.weights - b.weights) for a, b in pairs))

    def times(self, factor: float) -> "LinearNoise":
        """The error of a multiple."""
        return LinearNoise(tuple(t._replace(weights=factor * t.weights) for t in self.terms))

    @property
    def variances(self) -> list[float]:
        """What each term adds to the variance, people squared."""
        return [float(np.sum(n * a * a)) * noise.variance for a, noise, n in self.terms]

    @cached_property
    def variance(self) -> float:
        """Sum of a_j^2 v_j, people squared."""
        return sum(self.variances)

    @property
    def sd(self) -> float:
        """Standard deviation, people."""
        return math.sqrt(self.variance)

    @cached_property
    def excess_kurtosis(self) -> float:
        """Sum of kappa_j a_j^4 v_j^2 over the squared variance."""
        fourth = sum(
            float(np.sum(n * a**4)) * noise.excess_kurtosis * noise.variance**2
            for a, noise, n in self.terms
        )
        return fourth / self.variance**2 if self.variance else 0.0

    def covariance(self, other: "LinearNoise") -> float:
        """Covariance with the error of another query on the same tables, people squared."""
        pairs = zip(self.terms, other.terms, strict=True)
        return float(
            sum(np.sum(a.copies * a.weights * b.weights) * a.noise.variance for a, b in pairs)
        )

    def half_width(self, level: float, *, points: int = _POINTS) -> float:
        """Return h with P(|L| <= h) >= level (within the method's stated error).

        One weight: closed form on the integers. Nearly normal and wide against the steps of its
        largest weight: Cornish-Fisher, in whole steps where all weights are multiples of one.
        Otherwise the characteristic function, log phi(t) = -sum log1p(2 v_j sin^2(a_j t / 2)) for
        Laplace noise, is inverted on a lattice, weights rounded outward.

        Args:
            level: in (0, 1).
            points: of the lattice.

        Returns:
            People.
        """
        level = check_level(level)
        tops = (float(np.max(np.abs(term.weights), initial=0.0)) for term in self.terms)
        largest = max(tops, default=0.0)
        if not largest:
            return 0.0
        used = [_in_units(term, largest) for term in self.terms]
        used = [term for term in used if term.weights.size]
        if len(used) == 1 and used[0].copies.sum() == 1:
            return largest * used[0].noise.half_width(level)
        smooth = self.sd >= _LATTICE_SD * largest and self.excess_kurtosis < _NEARLY_NORMAL
        if smooth or all(map(_is_wide_gaussian, used)):
            return self._nearly_normal(level, largest * _coarse_step(used))
        return largest * _inverted(tuple(map(_grouped, used)), level, points)

    def _nearly_normal(self, level: float, step: float) -> float:
        """Cornish-Fisher; where the error goes in steps, the fewest whole ones that cover."""
        c = cornish_fisher(level, self.excess_kurtosis)
        if not step:
            return c * self.sd
        sd = math.hypot(self.sd, step / math.sqrt(12))  # of the law spread over its steps
        return step * max(0, math.ceil(c * sd / step - 0.5 - _DUST))


Counted: TypeAlias = tuple[Any, LinearNoise]
"""An estimate, unclipped, and the law of its error; or an array of estimates that share one law."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CellErrors:
    """Errors of the cells of a marginal, normal, each by itself.

    Attributes:
        sd: shape of the marginal, persons.
    """

    sd: Floats

    def half_width(self, level: float) -> Floats:
        """Return the half-width of every cell's interval."""
        return np.asarray(float(ndtri((1 + level) / 2)) * self.sd)

    def __add__(self, other: "CellErrors | LinearNoise") -> "CellErrors":
        """The errors of sums with independent estimates."""
        return CellErrors(sd=np.hypot(self.sd, other.sd))


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


def count_interval(value: Any, half_width: float) -> tuple[Any, Any]:
    """Round an interval for a count inward to whole people and clip its ends at zero.

    The truth is a non-negative integer, so nothing is lost: [max(0, ceil(e-h)), max(0,
    floor(e+h))]; where no integer is left, the nearest one.

    Args:
        value: estimates, a number or an array.
        half_width: of all of them.

    Returns:
        (lower, upper), in the shape of the estimates.
    """
    lower = np.maximum(0.0, np.ceil(np.asarray(value) - half_width - _DUST))
    upper = np.maximum(0.0, np.floor(np.asarray(value) + half_width + _DUST))
    nearest, none_left = np.maximum(0.0, np.rint(value)), lower > upper
    return np.where(none_left, nearest, lower)[()], np.where(none_left, nearest, upper)[()]


def fieller(part: Counted, whole: Counted, level: float) -> tuple[float, float, bool]:
    """Return the set of shares R that the noise does not exclude, within [0, 1].

    Rule (Fieller 1954): (part - R whole)^2 <= c(R)^2 Var(part - R whole), where c(R) is the
    quantile, in standard deviations, of that very combination, which has a law of its own.

    Args:
        part: estimate and error of the numerator.
        whole: the same of the denominator, error terms aligned with those of `part`.
        level: in (0, 1).

    Returns:
        (lower, upper, determined); (0, 1, False) where the denominator is not separated from 0.
    """
    level = check_level(level)
    bottom, noise_bottom = whole
    if bottom <= noise_bottom.half_width(level):
        return _NO_ENDS
    lower = upper = min(1.0, max(0.0, part[0] / bottom))
    for _round in range(_MOST_ROUNDS):  # the quantile hardly changes with the share
        before = lower, upper
        ends = _root(part, whole, level, lower), _root(part, whole, level, upper)
        if ends[0] is None or ends[1] is None:
            return _NO_ENDS
        lower, upper = ends[0][0], ends[1][1]
        if max(abs(before[0] - lower), abs(before[1] - upper)) <= _SETTLED:
            break
    return lower, upper, True


def _root(part: Counted, whole: Counted, level: float, share: float) -> tuple[float, float] | None:
    """Return the ends of the set, within [0, 1], by the quantile that holds at one share.

    At a constant c the set is a quadratic's: (b^2 - c^2 V22) R^2 - 2 (a b - c^2 V12) R +
    (a^2 - c^2 V11) <= 0; where its leading coefficient is not above 0 the set has no ends.
    """
    (top, noise_top), (bottom, noise_bottom) = part, whole
    mixed = noise_top.minus(noise_bottom.times(share))
    c = mixed.half_width(level, points=_RATIO_POINTS) / mixed.sd if mixed.sd else 0.0
    a = bottom**2 - c**2 * noise_bottom.variance
    b = top * bottom - c**2 * noise_top.covariance(noise_bottom)
    if a <= 0:
        return None
    root = math.sqrt(max(0.0, b**2 - a * (top**2 - c**2 * noise_top.variance)))
    return min(1.0, max(0.0, (b - root) / a)), min(1.0, max(0.0, (b + root) / a))


_Group: TypeAlias = tuple[tuple[float, ...], tuple[float, ...], Noise]


def _in_units(term: Term, largest: float) -> Term:
    """Weigh in units of the largest weight; what float dust leaves of a weight of 0 is dropped."""
    weights = np.abs(term.weights) / largest
    kept = weights > _FLOAT_DUST
    copies = np.broadcast_to(term.copies, weights.shape)
    return Term(weights[kept], term.noise, copies[kept])


def _is_wide_gaussian(term: Term) -> bool:
    return not term.noise.is_laplace and term.noise.scale >= _NARROW_GAUSSIAN


def _coarse_step(terms: list[Term]) -> float:
    """Return the number of which all weights, and so the error, are whole multiples, or 0."""
    weights = np.unique(np.concatenate([np.round(term.weights, 12) for term in terms]))
    for pieces in range(1, _COARSE_PIECES + 1):
        if np.all(np.abs(weights * pieces - np.rint(weights * pieces)) < _DUST * pieces):
            return 1 / pieces
    return 0.0


def _grouped(term: Term) -> _Group:
    """Return equal weights once with their number, and their law, as a cache key."""
    values, place = np.unique(np.round(term.weights, 12), return_inverse=True)
    numbers = np.bincount(place, weights=term.copies)
    return tuple(values.tolist()), tuple(numbers.tolist()), term.noise


@lru_cache(maxsize=4096)
def _inverted(groups: tuple[_Group, ...], level: float, points: int) -> float:
    """Invert the characteristic function on a lattice of so many points; the top weight is 1."""
    terms = [
        (weight, number, noise)
        for values, numbers, noise in groups
        for weight, number in zip(values, numbers, strict=True)
    ]
    variance = sum(number * weight**2 * noise.variance for weight, number, noise in terms)
    step = _step(terms, points / max(_SPAN_SD * math.sqrt(variance), _SPAN_WEIGHTS))
    angle = 2 * np.pi * np.arange(points // 2 + 1) / points
    log_phi = np.zeros_like(angle)
    normal = smooth = 0.0
    for weight, number, noise in terms:
        coarse = weight >= _FINEST * step
        if weight < _SMALL or not (noise.is_laplace or (coarse and noise.scale < _NARROW_GAUSSIAN)):
            normal += number * weight**2 * noise.variance
        elif coarse:
            steps = math.ceil(weight / step - _DUST)
            log_phi += number * _log_characteristic(steps, points, noise)
        else:
            log_phi -= number * np.log1p(noise.variance / 2 * (weight / step * angle) ** 2)
            smooth = max(smooth, weight)
    log_phi -= normal / step**2 * angle**2 / 2
    mass = irfft(np.exp(log_phi), n=points)
    two_sided = mass[0] + 2 * np.cumsum(mass[1 : points // 2])
    return float((int(np.searchsorted(two_sided, level)) + 2) * step) + smooth / 2


def _step(terms: list[tuple[float, float, Noise]], most: float) -> float:
    """Return a step, not below 1 / most, at which rounding adds least to the coarse weights.

    Of the steps that divide the largest weight, 1; where every weight is fine the step is free.
    """
    weights = np.array([weight for weight, _, _ in terms if weight * most >= _FINEST])
    if not weights.size:
        return 1 / most
    parts = np.arange(math.floor(most), math.ceil(_COARSEST * most) - 1, -1)
    exact = np.multiply.outer(parts, weights)
    added = np.sum((np.ceil(exact - _DUST) - exact) / exact, axis=1)
    return float(1 / parts[int(np.argmin(added))])


def _log_characteristic(steps: int, points: int, noise: Noise) -> Floats:
    """Return log E exp(i a z) of one noise, real by symmetry, at a = 2 pi k steps / points."""
    place = np.arange(points // 2 + 1) * steps % points
    return _log_characteristic_once(noise, points)[np.minimum(place, points - place)]


@lru_cache(maxsize=16)
def _log_characteristic_once(noise: Noise, points: int) -> Floats:
    """The same for one step: half a period, from which any number of steps can be read."""
    if noise.is_laplace:
        angle = np.pi * np.arange(points // 2 + 1) / points
        return -np.log1p(2 * noise.variance * np.sin(angle) ** 2)
    far = math.ceil(12 * noise.scale) + 1
    masses = np.exp(-(np.arange(far) ** 2) / (2 * noise.scale**2))
    law = np.zeros(points)
    law[:far] = masses
    law[-far + 1 :] = masses[:0:-1]
    return np.asarray(np.log(np.maximum(rfft(law / law.sum()).real, 1e-300)))
