"""Reach curves through published points: a negative binomial within a cap.

In: gross impressions and persons reached, both per person of the universe. Out: the cap and the
dispersion that meet one point exactly, or several as closely as they can.
"""

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from scipy.optimize import brentq, least_squares

from dpnotice.analyst.intervals import Floats
from dpnotice.analyst.media.exposure_laws import nbd_nonreach

_LEAST, _MOST = 1e-6, 1e6
"""Dispersions that are as good as 0 and as Poisson exposures."""
_FITTED: Final = (0.01, 100.0)
_MOST_STEPS: Final = 200
_CLOSE: Final = 1e-13
_TIGHT: Final = 1e-14


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """How often persons of every segment are exposed, relative to the average person.

    Attributes:
        index: (S,) exposures of a segment's person over the average person's.
        persons: (S,) shares of the segments in the universe.
    """

    index: Floats
    persons: Floats

    def reach(self, gross: Floats | float, cap: Floats | float, dispersion: Floats | float) -> Any:
        """Return the share of the universe that is reached; figures broadcast."""
        each, c, r = (np.asarray(x)[..., np.newaxis] for x in (gross, cap, dispersion))
        return (1 - nbd_nonreach(each * self.index, c, r)) @ self.persons


EVEN: Final = Delivered(index=np.ones(1), persons=np.ones(1))
"""Everybody is exposed alike, before chance and appetite."""


def least_dispersion(gross: float, reach: float, delivered: Delivered) -> float:
    """Return the dispersion at which a point is met with everybody reachable.

    With less, the point would need more persons than the universe has. It is infinite where even
    impressions spread at random over everybody reach fewer.
    """

    def excess(log_r: float) -> float:
        return float(delivered.reach(gross, 1.0, math.exp(log_r))) - reach

    ends = math.log(_LEAST), math.log(_MOST)
    if excess(ends[1]) < 0:
        return math.inf
    if excess(ends[0]) >= 0:
        return _LEAST
    return math.exp(float(brentq(excess, *ends, xtol=1e-12)))


def cap_through(gross: float, reach: float, dispersion: Floats, delivered: Delivered) -> Floats:
    """Return the cap of the curve through a point, for each of several dispersions.

    At r = 1, and with everybody alike, it is I R / (I - R) (Goerg 2014, Estimating Reach Curves
    from One Data Point). Reach is increasing and concave in the cap, so Newton's steps from below
    rise to the root without passing it.

    Args:
        gross: impressions per person.
        reach: share of the universe.
        dispersion: of any shape, none below :func:`least_dispersion`.
        delivered: to whom.
    """
    r = dispersion[..., np.newaxis]
    cap = np.full_like(dispersion, reach)
    for _step in range(_MOST_STEPS):
        b = gross * delivered.index / (cap[..., np.newaxis] * r)
        none = np.exp(-r * np.log1p(b))
        slope = (1 - none - r * b / (1 + b) * none) @ delivered.persons
        step = (reach - cap * ((1 - none) @ delivered.persons)) / np.maximum(slope, 1e-300)
        cap = np.minimum(cap + step, 1.0)
        if np.all(np.abs(step) <= _CLOSE * cap):
            break
    return np.asarray(cap)


def fit_points(gross: Floats, reach: Floats, delivered: Delivered) -> tuple[float, float]:
    """Return cap and dispersion of the curve closest to several points.

    Weighted least squares, with the weights 1 / (R (1 - R)) of shares measured on a panel.

    Args:
        gross: (P,) impressions per person.
        reach: (P,) shares of the universe, each below 1.
        delivered: to whom.
    """
    error = np.sqrt(reach * (1 - reach))
    most = float(reach.max())

    def misses(figures: Floats) -> Floats:
        cap, log_r = figures
        return np.asarray((delivered.reach(gross, cap, math.exp(log_r)) - reach) / error)

    bounds = (most, math.log(_FITTED[0])), (1.0, math.log(_FITTED[1]))
    start = (1 + most) / 2, 0.0
    cap, log_r = least_squares(
        misses, start, bounds=bounds, xtol=_TIGHT, ftol=_TIGHT, gtol=_TIGHT
    ).x
    return float(cap), math.exp(log_r)
