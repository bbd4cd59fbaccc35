"""How likely published noise stays within a distance: worked out apart from the library.

In: an error's weights and laws (`LinearNoise`, as data only) and distances. Out: an interval of a
hair's breadth that holds P(|L| <= h). Nothing of `dpnotice.analyst.intervals` is called.
"""

import math
from typing import Any, Final, NamedTuple

import numpy as np

from dpnotice.analyst.intervals import LinearNoise
from dpnotice.privacy import Noise

Floats = Any
_FINEST: Final = 600
"""Parts of the largest weight up to which all weights may be whole multiples of one part."""
_SMOOTHINGS: Final = (2e-3, 1e-4)
"""Half-width, in s.d., of what is added to make the law smooth where it is on no lattice; the
second where a step of the law lies within the first."""
_NARROW: Final = 4e-3
_PERIOD: Final = 40.0
"""In s.d.: mass beyond it would be counted at the wrong place; no law here has any there."""
_CUT: Final = 126.0
"""Where the smoothing's characteristic function is below 1e-6: (4 / 126)^4."""
_NOTHING: Final = 1e-14
_DUST: Final = 1e-7


class Weighted(NamedTuple):
    """So many independent noises of one law with one weight."""

    weight: float
    number: float
    noise: Noise


def chances_within(law: LinearNoise, distances: list[float]) -> list[tuple[float, float]]:
    """Return, per distance h, a lower and an upper end of P(|L| <= h).

    Where all weights are whole multiples of one number, the law lies on a lattice and both ends are
    the exact sum of its masses. Otherwise U, of four uniform parts within +-u in all, is added: as
    |U| <= u, P(|L + U| <= h - u) <= P(|L| <= h) <= P(|L + U| <= h + u).
    """
    parts = _parts(law)
    if not parts:
        return [(1.0, 1.0)] * len(distances)
    lattice = _whole(parts)
    if lattice is not None:
        reached = _on_a_lattice(parts, lattice)
        places = [math.floor(h / lattice + _DUST) for h in distances]
        return [(float(reached[min(k, len(reached) - 1)]),) * 2 for k in places]
    for smoothing in _SMOOTHINGS:
        ends = _smoothed(parts, distances, smoothing)
        if max(high - low for low, high in ends) < _NARROW:
            break
    return ends


def _parts(law: LinearNoise) -> list[Weighted]:
    """Equal weights of one law are counted, weights that are float dust are dropped."""
    found: dict[tuple[float, Noise], float] = {}
    top = max(float(np.max(np.abs(term.weights), initial=0.0)) for term in law.terms)
    for term in law.terms:
        copies = np.broadcast_to(term.copies, term.weights.shape)
        for weight, number in zip(np.abs(term.weights).ravel(), copies.ravel(), strict=True):
            if weight > 1e-12 * top:
                key = (top * float(np.round(weight / top, 11)), term.noise)
                found[key] = found.get(key, 0.0) + float(number)
    return [Weighted(weight, number, noise) for (weight, noise), number in found.items()]


def _sd(parts: list[Weighted]) -> float:
    return math.sqrt(sum(n * w**2 * noise.variance for w, n, noise in parts))


def _whole(parts: list[Weighted]) -> float | None:
    """Return the largest number of which every weight is a whole multiple, if there is one."""
    weights = np.array([part.weight for part in parts])
    for pieces in range(1, _FINEST + 1):
        exact = weights / weights.max() * pieces
        if np.all(np.abs(exact - np.rint(exact)) < 1e-9 * pieces):
            return float(weights.max() / pieces)
    return None


def _on_a_lattice(parts: list[Weighted], unit: float) -> Floats:
    """P(|L| <= k units), k = 0, 1, ...: the law's masses by an exact discrete transform."""
    points = 2 ** math.ceil(math.log2(_PERIOD * _sd(parts) / unit + 64))
    angle = 2 * np.pi * np.arange(points // 2 + 1) / points
    whole = [part._replace(weight=round(part.weight / unit)) for part in parts]
    phi = _characteristic_of_sum(angle, whole)
    masses = np.fft.irfft(phi, n=points)
    return masses[0] + np.concatenate([[0.0], 2 * np.cumsum(masses[1 : points // 2])])


def _smoothed(
    parts: list[Weighted], distances: list[float], smoothing: float
) -> list[tuple[float, float]]:
    """P(|X| <= x) = 2/pi integral of phi(t) sin(t x) / t, by the midpoint rule (Gil-Pelaez)."""
    sd = _sd(parts)
    smooth, step = smoothing * sd, 2 * np.pi / (_PERIOD * sd)
    places = np.arange(math.ceil(_CUT / smooth / step)) + 0.5
    t = step * places
    phi = np.sinc(t * smooth / 4 / np.pi) ** 4 * _characteristic_of_sum(t, parts)
    phi *= 2 / np.pi / places
    ends = [(h - smooth, h + smooth) for h in distances]
    return [(float(phi @ np.sin(t * a)), float(phi @ np.sin(t * b))) for a, b in ends]


def _characteristic_of_sum(t: Floats, parts: list[Weighted]) -> Floats:
    """The product over parts; no factor is above 1, so what is nothing once is left at 0."""
    kept, phi = np.arange(t.size), np.ones(t.size)
    for weight, number, noise in sorted(parts, key=lambda part: -_sd([part])):
        phi *= characteristic(weight * t[kept], noise) ** number
        alive = np.abs(phi) > _NOTHING
        if alive.mean() < 0.8:
            kept, phi = kept[alive], phi[alive]
    full = np.zeros(t.size)
    full[kept] = phi
    return full


def characteristic(angle: Floats, noise: Noise) -> Floats:
    """E exp(i angle z): Laplace in closed form; Gaussian by Poisson's summation formula."""
    if noise.is_laplace:
        p = math.exp(-1 / noise.scale)
        return (1 - p) ** 2 / ((1 - p) ** 2 + 4 * p * np.sin(angle / 2) ** 2)
    turns = angle / (2 * np.pi)
    turns -= np.rint(turns)
    far = math.ceil(9 / (2 * np.pi * noise.scale) - 0.5)  # exp(-9^2 / 2) is nothing beside 1
    waves = [2 * np.pi * noise.scale * k for k in range(-far, far + 1)]
    summed = sum(np.exp(-((2 * np.pi * noise.scale * turns - wave) ** 2) / 2) for wave in waves)
    return summed / sum(math.exp(-(wave**2) / 2) for wave in waves)
