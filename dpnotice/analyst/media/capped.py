"""A frequency cap per device: who is served how often, and how many see nothing.

In: impressions served per person, viewability, the online share, dispersion, devices and the cap.
Out: the chance of no viewable exposure, and of any number.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from scipy.special import gammaincinv, pdtr, pdtrc

from dpnotice.analyst.intervals import Floats
from dpnotice.analyst.media.exposure_laws import convolve, with_rest
from dpnotice.errors import PlanError

_POINTS, _WEIGHTS = np.polynomial.legendre.leggauss(32)
_HALVES: Final = _WEIGHTS / 2
_LEAST_DISPERSION: Final = 1e-4
"""Below it all impressions go to next to nobody."""
_MOST_STEPS: Final = 200
_CLOSE: Final = 1e-10


@dataclass(frozen=True)
class Capped:
    """Impressions served under a cap per device.

    A person online has an appetite g ~ Gamma(r, mean 1) and k devices (k is the whole number below
    or above `devices`, in the proportion that keeps the mean). Each device is due Poisson(g l / k)
    impressions and served at most F of them; the common intensity l is solved so that what is
    served adds up. Each served impression is seen with probability v.

    Attributes:
        cap: F, 1 or more; counts impressions served, seen or not.
        served: impressions served per person of the universe, broadcastable to (draws, ...).
        viewable: v.
        online: share of the universe that can be reached.
        dispersion: r.
        devices: identifiers per person, 1 or more.
    """

    cap: int
    served: Floats
    viewable: Floats
    online: Floats
    dispersion: Floats
    devices: Floats

    def nonreach(self) -> Floats:
        """Return P(no viewable exposure).

        A device shows nothing with probability
        sum over j < F of p_j (1-v)^j + P(X >= F) (1-v)^F.

        Returns:
            Fractions, the broadcast shape.
        """
        v, blank = self._flat(self.viewable), np.zeros(())
        for number, share, x in self._due:
            never = np.exp(-x * v) * pdtr(self.cap - 1, x * (1 - v))
            shows_nothing = never + pdtrc(self.cap - 1, x) * (1 - v) ** self.cap
            blank = blank + share * shows_nothing**number
        return self._among_all(blank @ _HALVES, 1.0)

    def counts(self, most: int) -> Floats:
        """Return the chances of 0, 1, ..., and of `most` or more viewable exposures.

        Returns:
            (most + 1, *broadcast shape).
        """
        chances = np.zeros(())
        for number, share, x in self._due:
            device = self._viewed(x, most)
            person = np.zeros_like(device)
            person[0] = 1.0
            for owned in range(int(number.max())):
                person = np.where(number > owned, convolve(person, device), person)
            chances = chances + share * person
        online = chances @ _HALVES
        return with_rest(np.stack([self._among_all(x, j == 0) for j, x in enumerate(online)]))

    def _viewed(self, x: Floats, most: int) -> Floats:
        """Return the chances of 0, 1, ... viewed on a device due Poisson(x), (most + 1, n, nodes).

        i of j served are seen with the binomial chance; `most` or more are cut off.
        """
        v, chances = self._flat(self.viewable), np.zeros((most + 1, *x.shape))
        for j in range(self.cap + 1):
            served = pdtrc(j - 1, x) if j == self.cap else pdtr(j, x) - (pdtr(j - 1, x) if j else 0)
            for i in range(min(j, most) + 1):
                chances[i] += served * (math.comb(j, i) * v**i * (1 - v) ** (j - i))
        return chances

    def _among_all(self, online: Floats, offline: float) -> Floats:
        """Return a chance among all persons from that among those online."""
        c = self._flat(self.online)[:, 0]
        return np.asarray((1 - c) * offline + c * online).reshape(self._shape)

    @cached_property
    def _due(self) -> list[tuple[Floats, Floats, Floats]]:
        """Devices of a person, share of such persons, and (n, nodes) impressions due to each."""
        r, k, c = (self._flat(x) for x in (self.dispersion, self.devices, self.online))
        r = np.maximum(r, _LEAST_DISPERSION)
        appetite = gammaincinv(r, (_POINTS + 1) / 2) / r
        appetite /= (appetite @ _HALVES)[:, np.newaxis]  # exact mean 1 on the nodes
        floor = np.floor(k)
        mix = ((floor, 1 - (k - floor)), (floor + 1, k - floor))
        wanted = self._flat(self.served) / np.where(c > 0, c, 1)
        due = _intensity(wanted, appetite, _HALVES, mix, self.cap)
        return [(number, share, due * appetite / number) for number, share in mix]

    @property
    def figures(self) -> tuple[Floats, ...]:
        """All that may differ between draws."""
        return self.served, self.viewable, self.online, self.dispersion, self.devices

    @property
    def _shape(self) -> tuple[int, ...]:
        return np.broadcast_shapes(*(x.shape for x in self.figures))

    def _flat(self, values: Floats) -> Floats:
        return np.broadcast_to(values, self._shape).reshape(-1, 1)


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
