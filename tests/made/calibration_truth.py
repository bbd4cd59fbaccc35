"""Reach in plain formulas, scalar by scalar, and laws by their numbers: an oracle for the library.

In: figures of one world. Out: chances of no exposure; laws as stated to the library, and drawn with
numpy. Nothing here uses the library's arithmetic.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.special import betaln, expit, logit

from dpnotice.analyst.rates import Beta, Lognormal, Uniform

Floats = Any
Generator = np.random.Generator


def beta_binomial(one: Floats, two: Floats, middle: Floats, insertions: int) -> Floats:
    """Chance to see none, p ~ Beta(a, b) per person; correlation from R2 at the middle of R1."""
    rho = (2 * middle - middle**2 - two) / (middle * (1 - middle))
    a, b = one * (1 - rho) / rho, (1 - one) * (1 - rho) / rho
    return np.exp(betaln(a, b + insertions) - betaln(a, b))


def negative_binomial(mean: float, cap: float, dispersion: float) -> float:
    """Chance to see none, for the mean of everybody."""
    return 1 - cap + cap * (1 + mean / cap / dispersion) ** -dispersion


def drifted(unmet: Floats, shift: float) -> Floats:
    return 1 - expit(logit(1 - unmet) + shift)


def none_of(unmet: Sequence[Floats], tau: float) -> Floats:
    """Clayton's union with Kendall's tau."""
    theta = 2 * tau / (1 - tau)
    return (1 + sum(p**-theta - 1 for p in unmet)) ** (-1 / theta)


def shifted(rng: Generator, unmet: Sequence[Floats], own: float, common: float) -> list[Floats]:
    """Every vehicle with a drift of its own and the common one."""
    everybody = common * rng.standard_normal()
    return [drifted(p, everybody + own * rng.standard_normal()) for p in unmet]


def agreeing(sent: Floats, seen: Floats, contact: float, seeing: float) -> Floats:
    """Chance that somebody known to two retailers sees neither notice.

    Args:
        sent: (2, groups) shares of buyers who are sent something.
        seen: (2, 1) chance that what is sent is seen.
        contact: weight of agreement in being sent something.
        seeing: the same in seeing it.
    """
    apart = 1 - sent * seen
    both, either = sent.min(axis=0), sent.max(axis=0)
    wider = np.where(sent[0] >= sent[1], seen[0], seen[1])
    alike = 1 - either + (either - both) * (1 - wider) + both * np.prod(1 - seen, axis=0)
    agreed = seeing * apart.min(axis=0) + (1 - seeing) * alike
    return (1 - contact) * np.prod(apart, axis=0) + contact * agreed


def realised(rng: Generator, expected: float, persons: float) -> float:
    return expected + rng.standard_normal() * math.sqrt(expected * (1 - expected) / persons)


# --- laws by their numbers -----------------------------------------------------------------
LAWS: Mapping[str, tuple[Callable[[float, float], Any], str]] = {
    "beta": (lambda a, b: Beta(a=a, b=b), "beta"),
    "uniform": (lambda low, high: Uniform(low=low, high=high), "uniform"),
    "lognormal": (lambda mean, sd: Lognormal(log_mean=mean, log_sd=sd), "lognormal"),
}
"""Name -> the law as stated to the library, and numpy's method that draws it."""
Law = tuple[str, float, float]


def stated(law: Law) -> Any:
    return LAWS[law[0]][0](*law[1:])


def true(rng: Generator, law: Law) -> float:
    return float(getattr(rng, LAWS[law[0]][1])(*law[1:]))
