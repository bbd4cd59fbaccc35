"""Noisy cells -> cells that a map can show: shrunk towards what their margins would suggest.

In: a table of unclipped estimates that share one noise. Out: model-based means and ends for the
eye alone. They are biased by design: sums of them are not estimates of anything.
"""

import math
from typing import Final, TypeAlias

import numpy as np
from scipy.special import gammaln

from dpnotice.analyst.intervals import Floats

Smoothed: TypeAlias = tuple[Floats, Floats, Floats]
"""Posterior means, lower and upper ends."""
_BINS: Final = 10
_LEAST_EXPOSURE: Final = 1e-3
_MOST_EVEN: Final = 1e6
"""Shape of a gamma law so narrow that cells differ from their exposure by chance alone."""
_FAR: Final = 6.0
_AT_ONCE: Final = 2**21


def smooth(cells: Floats, sd: float, level: float) -> Smoothed:
    """Shrink the cells of a table towards the product of its margins.

    Model, in each of ten groups of cells with similar exposure e (product of the one-axis margins
    over the total): n is negative binomial with mean r e and shape k, y = n + normal noise.
    Moments: r = sum y / sum e; 1/k = sum of ((y - r e)^2 - sd^2 - r e) / sum (r e)^2, at least 0.

    Args:
        cells: unclipped estimates, any number of axes.
        sd: of the noise in each of them.
        level: of the posterior's ends.

    Returns:
        Means, lower and upper ends, each in the shape of the cells.
    """
    flat, exposure = cells.ravel(), _exposure(cells).ravel()
    order = np.argsort(exposure, kind="stable")
    mean, shape = np.empty(flat.size), np.empty(flat.size)
    for group in np.array_split(order, min(_BINS, flat.size)):
        mean[group], shape[group] = _prior(flat[group], exposure[group], sd)
    step = max(1, int(_AT_ONCE / (2 * _FAR * sd + 3)))
    slices = (slice(start, start + step) for start in range(0, flat.size, step))
    parts = [_posterior(flat[s], mean[s], shape[s], sd, level) for s in slices]
    columns = [np.concatenate(column).reshape(cells.shape) for column in zip(*parts, strict=True)]
    return columns[0], columns[1], columns[2]


def _exposure(cells: Floats) -> Floats:
    """Return what the one-axis margins suggest for each cell if axes were independent."""
    total = max(float(cells.sum()), 1.0)
    suggested: Floats = np.array(total)
    for axis in range(cells.ndim):
        others = tuple(place for place in range(cells.ndim) if place != axis)
        margin = np.maximum(cells.sum(axis=others), _LEAST_EXPOSURE)
        suggested = np.multiply.outer(suggested, margin / margin.sum())
    return np.maximum(suggested, _LEAST_EXPOSURE)


def _prior(found: Floats, exposure: Floats, sd: float) -> tuple[Floats, float]:
    """Return the means and the shape of a group, by moments."""
    rate = max(float(found.sum() / exposure.sum()), _LEAST_EXPOSURE)
    mean = np.maximum(rate * exposure, _LEAST_EXPOSURE)
    beyond = float(np.sum((found - mean) ** 2 - sd**2 - mean) / np.sum(mean**2))
    return mean, 1 / max(beyond, 1 / _MOST_EVEN)


def _posterior(found: Floats, mean: Floats, shape: Floats, sd: float, level: float) -> Smoothed:
    """Return mean and ends of n given y, over the whole numbers within six s.d. of y."""
    reach = math.ceil(_FAR * sd) + 1
    first = np.maximum(0.0, np.rint(found) - reach)
    numbers = first[:, np.newaxis] + np.arange(2 * reach + 1)
    k, m = shape[:, np.newaxis], mean[:, np.newaxis]
    log_prior = (
        gammaln(numbers + k)
        - gammaln(k)
        - gammaln(numbers + 1)
        + k * np.log(k / (k + m))
        + numbers * np.log(m / (k + m))
    )
    log_mass = log_prior - ((found[:, np.newaxis] - numbers) / sd) ** 2 / 2
    mass = np.exp(log_mass - log_mass.max(axis=1, keepdims=True))
    mass /= mass.sum(axis=1, keepdims=True)
    below = np.cumsum(mass, axis=1)
    lower = first + np.sum(below < (1 - level) / 2, axis=1)
    upper = first + np.sum(below < (1 + level) / 2, axis=1)
    return np.sum(numbers * mass, axis=1), lower, upper
