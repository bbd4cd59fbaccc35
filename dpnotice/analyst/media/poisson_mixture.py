"""Exposures of persons with different rates: a Poisson mixture on a fixed grid of rates.

In: how many persons had exactly 0, 1, 2, ... exposures, the last cell "or more". Out: the share of
persons at every rate, by maximum likelihood, and the law of exposures when rates are scaled.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import gammaln, pdtrc, xlogy

from dpnotice.analyst.intervals import Floats
from dpnotice.analyst.media.exposure_laws import with_rest

_RATES: Final = 60
_LEAST_RATE: Final = 0.01
"""A person with fewer exposures than this in the whole schedule is as good as unreachable."""
_BEYOND: Final = 2
"""Highest rate over the last cell's number: how far "or more" goes is not in a histogram."""
_MOST_STEPS: Final = 5_000
_CLOSE: Final = 1e-7
"""Most by which another law could raise the logarithm of the likelihood, per person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoissonMixture:
    """Exposures Poisson with a rate that differs between persons.

    Attributes:
        rates: (G,) exposures per person, the first 0: nobody there is ever exposed.
        shares: (G,) of persons, summing to 1.
    """

    rates: Floats
    shares: Floats

    @classmethod
    def fit(cls, cells: Floats, index: Floats, persons: Floats) -> "PoissonMixture":
        """Return the mixture that makes a histogram likeliest.

        The likelihood is concave in the shares, and EM raises it in every step:
        w_g becomes w_g sum over j of n_j p_j(g) / sum over h of w_h p_j(h), n_j the share of cell j
        (Laird 1978, JASA 73). It stops where no share could gain.

        Args:
            cells: (K + 1,) shares of persons with 0, 1, ..., and K or more exposures.
            index: (S,) exposures of a segment's person over the average person's.
            persons: (S,) shares of the segments.
        """
        last = len(cells) - 1
        rates = np.append(0.0, np.geomspace(_LEAST_RATE, _BEYOND * last, _RATES))
        chances = _chances(rates[:, np.newaxis] * index, last) @ persons
        shares = np.full(len(rates), 1 / len(rates))
        for _step in range(_MOST_STEPS):
            gain = (cells / (chances @ shares)) @ chances
            shares = shares * gain
            if gain.max() < 1 + _CLOSE:
                break
        return cls(rates=rates, shares=shares / shares.sum())

    def nonreach(self, amount: Floats, level: Floats) -> Floats:
        """Return P(no exposure) when every rate is multiplied by amount x level.

        In the precision of the two; the broadcast shape.
        """
        times, nonreach = amount * level, 0 * (amount * level)
        for rate, share in zip(self.rates.tolist(), self.shares.tolist(), strict=True):
            nonreach = nonreach + share * np.exp(-rate * times)
        return nonreach

    def counts(self, most: int, amount: Floats, level: Floats | float = 1.0) -> Floats:
        """Return the chances of 0, 1, ..., and of `most` or more when rates are multiplied.

        Returns:
            (most + 1, *broadcast shape).
        """
        times = amount * level
        chances = np.zeros((most + 1, *times.shape))
        for rate, share in zip(self.rates.tolist(), self.shares.tolist(), strict=True):
            term = share * np.exp(-rate * times)
            for j in range(most):
                chances[j] += term
                term = term * (rate * times / (j + 1))
        return with_rest(chances)


def _chances(rates: Floats, last: int) -> Floats:
    """Return Poisson chances of 0, 1, ..., and `last` or more, (last + 1, *shape of rates)."""
    j = np.arange(last).reshape(-1, *(1,) * rates.ndim)
    exactly = np.exp(xlogy(j, rates) - rates - gammaln(j + 1))
    return np.concatenate([exactly, pdtrc(last - 1, rates)[np.newaxis]])
