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
_FEWEST_CELLS: Final = 30
"""Cells of a group, and of a table, from which something can be learnt of the others."""
_LEAST_EXPOSURE: Final = 1e-3
_MOST_EVEN: Final = 1e6
"""Shape of a gamma law so narrow that cells differ from their exposure by chance alone."""
_FAR: Final = 6.0
_ANYTHING: Final = 1e15
"""Mean of a geometric law that is flat as far as counts go."""
_PER_SD: Final = 20
"""Steps of the grid per s.d. of the noise, where that is coarser than whole numbers."""
_LEAST_SD: Final = 1e-3
_AT_ONCE: Final = 2**21


def smooth(cells: Floats, sd: float, level: float) -> Smoothed:
    """Shrink the cells of a table towards the product of its margins.

    Model, in each of up to ten groups of thirty cells or more with similar exposure e (product of
    the one-axis margins over the total; on one axis the total spread evenly): n is negative
    binomial with mean r e and shape k, y = n + normal noise. Fewer than thirty cells teach
    nothing: then any n from 0 is as likely as another. In simulations 95 % ends hold the truth in
    95 % of all cells, 84 to 94 % of the largest hundredth, and 87 % where the noise is as large as
    the counts and these have heavier tails than the model.
    Moments: r = sum y / sum e; 1/k = sum of ((y - r e)^2 - sd^2 - r e) / sum (r e)^2, at least 0.

    Args:
        cells: unclipped estimates, any number of axes.
        sd: of the noise in each of them.
        level: of the posterior's ends.

    Returns:
        Means, lower and upper ends, each in the shape of the cells.
    """
    sd = max(sd, _LEAST_SD)
    flat, exposure = cells.ravel(), _exposure(cells).ravel()
    order = np.argsort(exposure, kind="stable")
    mean, shape = np.full(flat.size, _ANYTHING), np.ones(flat.size)
    groups = min(_BINS, flat.size // _FEWEST_CELLS)
    for group in np.array_split(order, groups) if groups else ():
        mean[group], shape[group] = _prior(flat[group], exposure[group], sd)
    step = _AT_ONCE // _grid(sd).size
    slices = (slice(start, start + step) for start in range(0, flat.size, step))
    parts = [_posterior(flat[s], mean[s], shape[s], sd, level) for s in slices]
    columns = [np.concatenate(column).reshape(cells.shape) for column in zip(*parts, strict=True)]
    return columns[0], columns[1], columns[2]


def _exposure(cells: Floats) -> Floats:
    """Return what the one-axis margins suggest for each cell if axes were independent."""
    total = max(float(cells.sum()), 1.0)
    if cells.ndim == 1:
        return np.full(cells.shape, total / cells.size)
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


def _grid(sd: float) -> Floats:
    """Return whole numbers around an estimate, six s.d. either way."""
    step = max(1, math.floor(sd / _PER_SD))
    reach = math.ceil(_FAR * sd / step) + 1
    return np.arange(-reach, reach + 1.0) * step


def _posterior(found: Floats, mean: Floats, shape: Floats, sd: float, level: float) -> Smoothed:
    """Return mean and ends of n given y, over whole numbers around y that are not negative."""
    grid = _grid(sd)
    numbers = np.maximum(np.rint(found), -grid[0])[:, np.newaxis] + grid
    k, m = shape[:, np.newaxis], mean[:, np.newaxis]
    log_mass = (
        gammaln(numbers + k)
        - gammaln(numbers + 1)
        + numbers * np.log(m / (k + m))
        - ((found[:, np.newaxis] - numbers) / sd) ** 2 / 2
    )
    mass = np.exp(log_mass - log_mass.max(axis=1, keepdims=True))
    mass /= mass.sum(axis=1, keepdims=True)
    below = np.cumsum(mass, axis=1)
    last = grid.size - 1
    ends = [
        numbers[np.arange(len(found)), np.minimum(last, np.sum(below < share, axis=1))]
        for share in ((1 - level) / 2, (1 + level) / 2)
    ]
    return np.sum(numbers * mass, axis=1), ends[0], ends[1]
