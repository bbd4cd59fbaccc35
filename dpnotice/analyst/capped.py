"""A frequency cap per device: who is served how often, and how many see nothing.

In: impressions served per person, viewability, the online share, dispersion, devices and the cap.
Out: the chance of no viewable exposure.
"""

from typing import Final

import numpy as np
from scipy.special import gammaincinv, pdtr, pdtrc

from dpnotice.analyst.intervals import Floats
from dpnotice.errors import PlanError

_NODES: Final = 32
_MOST_STEPS: Final = 200
_CLOSE: Final = 1e-10


def capped_nonreach(
    served: Floats,
    viewable: Floats,
    online: Floats,
    dispersion: Floats,
    devices: Floats,
    *,
    cap: int,
) -> Floats:
    """Return P(no viewable exposure) under a cap per device.

    A person online has an appetite g ~ Gamma(r, mean 1) and k devices (k is the whole number below
    or above `devices`, in the proportion that keeps the mean). Each device is due Poisson(g l / k)
    impressions and served at most F of them; the common intensity l is solved so that what is
    served adds up. Each served impression is seen with probability v, so a device shows nothing
    with probability sum over j < F of p_j (1-v)^j + P(X >= F) (1-v)^F.

    Args:
        served: impressions served per person of the universe, broadcastable to (draws, ...).
        viewable: v.
        online: share of the universe that can be reached.
        dispersion: r.
        devices: identifiers per person, 1 or more.
        cap: F, 1 or more; counts impressions served, seen or not.

    Returns:
        Fractions, the broadcast shape.
    """
    arrays = np.broadcast_arrays(served, viewable, online, dispersion, devices)
    flat = (array.reshape(-1, 1) for array in arrays)
    s, v, c, r, k = flat
    points, weights = np.polynomial.legendre.leggauss(_NODES)
    appetite = gammaincinv(np.maximum(r, 1e-9), (points + 1) / 2) / np.maximum(r, 1e-9)
    appetite /= np.sum(appetite * weights / 2, axis=1, keepdims=True)  # exact mean 1 on the nodes
    floor = np.floor(k)
    mix = ((floor, 1 - (k - floor)), (floor + 1, k - floor))
    due = _intensity(s / np.where(c > 0, c, 1), appetite, weights / 2, mix, cap)
    blank = np.zeros_like(appetite)
    for number, share in mix:
        x = due * appetite / number
        shows_nothing = np.exp(-x * v) * pdtr(cap - 1, x * (1 - v)) + pdtrc(cap - 1, x) * (
            (1 - v) ** cap
        )
        blank += share * shows_nothing**number
    nonreach = 1 - c[:, 0] + c[:, 0] * (blank @ (weights / 2))
    return np.asarray(nonreach.reshape(arrays[0].shape))


def _intensity(
    wanted: Floats,
    appetite: Floats,
    weights: Floats,
    mix: tuple[tuple[Floats, Floats], ...],
    cap: int,
) -> Floats:
    """Solve for the uncapped intensity at which the capped mean is what was served.

    The capped mean is increasing and concave in the intensity, so Newton's steps from below rise
    to the root without passing it.
    """
    due = wanted.copy()
    for _step in range(_MOST_STEPS):
        mean, slope = np.zeros_like(due), np.zeros_like(due)
        for number, share in mix:
            x = due * appetite / number
            below = pdtr(cap - 2, x) if cap > 1 else 0.0
            capped = x * below + cap * pdtrc(cap - 1, x)
            mean += (share * number * capped) @ weights[:, np.newaxis]
            slope += (share * appetite * pdtr(cap - 1, x)) @ weights[:, np.newaxis]
        step = (wanted - mean) / np.maximum(slope, 1e-300)
        due = due + step
        if np.all(np.abs(step) <= _CLOSE * np.maximum(due, 1e-12)):
            return due
    raise PlanError("the frequency cap leaves almost no room for the impressions; buy fewer")
