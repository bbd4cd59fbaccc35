"""Sizes, pairs and triples -> one figure for the union of many retailers, under a stated model.

In: sizes of k retailers and the sums S_2, S_3 of their overlaps. Out: a point with the error that
privacy noise causes, true only as far as the model is; the identified set is what holds without it.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.optimize import brentq

from dpnotice.analyst.intervals import Floats
from dpnotice.errors import EstimateError

MODEL: Final = (
    "model-based: every person of an unknown number has one propensity to buy, gamma distributed, "
    "which all retailers share in the same proportion; the interval holds no error of this model, "
    "which mostly makes the figure too low where it is wrong"
)
"""What the point rests on. Sizes, pairs and triples cannot contradict it."""
_LEAST_SHAPE: Final = 0.03
_MOST_SHAPE: Final = 1e4
"""A spread of propensities from all but everybody at rest to none at all (independence)."""
_MOST_SPARE: Final = 1e6
"""Bounds, with its inverse, possible purchasers beyond the largest retailer's, in units of these.

At the least shape, rates reach 1e6^(1 / 0.03) = 1e200, which floats still hold.
"""
_MET: Final = 1e-4
_STEP: Final = 1e-4
_CLOSE: Final = 1e-11
_FEWEST_RETAILERS: Final = 4
"""With three retailers S_1, S_2 and S_3 are the union."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Propensity:
    """The union of many retailers by the gamma model.

    Attributes:
        union: persons known to at least one.
        sd: what the noise of S_2 and S_3 does to it, persons; nothing else.
        purchasers: N, persons who could have bought at all.
        shape: a; the smaller, the more unequal they are.
        assumption: the model in words, to be printed wherever the figure is.
    """

    union: float
    sd: float
    purchasers: float
    shape: float
    assumption: str = MODEL


def gamma_union(sizes: Floats, sums: Floats, covariance: Floats) -> Propensity:
    """Fit the gamma model to sizes, S_2 and S_3, which it then meets exactly.

    A person with propensity g ~ Gamma(a, 1) misses every retailer of S with probability
    exp(-g sum r_i), so U_S = N [1 - (1 + sum_{i in S} r_i)^(-a)], and r_i follows from n_i. N is
    solved from S_2 at each a, then a from S_3; the s.d. is the delta method's.

    The sums, and not single pairs, are matched: at order two N and a are told apart only by
    retailers' unequal sizes, which is where a wrong model misleads: in populations of three latent
    classes a fit to all pairs was up to 17 % from the truth with no sign of it in the fit. Met at
    S_2 and S_3, in random populations of 2 to 200 classes, nine tenths lay within -3 and +1 % with
    8 retailers, -6 and +2 % with 12, -13 and +2 % with 20; the worst was 23 % too low.

    Args:
        sizes: (k,) buyers, k >= 4; their own errors are small beside those of the sums.
        sums: (2,) S_2 and S_3, persons (see :func:`dpnotice.analyst.overlap.pairs.find_pairs`).
        covariance: (2, 2) of the sums.

    Raises:
        EstimateError: MODEL where no member of the family has these sums.
    """
    if len(sizes) < _FEWEST_RETAILERS or np.min(sizes) <= 0:
        raise EstimateError("a model is for four or more retailers, all with buyers")
    place = _solved(sizes, sums)
    steps = _STEP * np.eye(2)
    slopes = np.array(
        [(_model(sizes, place + h) - _model(sizes, place - h)) / (2 * _STEP) for h in steps]
    ).T
    purchasers, shape = _purchasers(sizes, place[0]), math.exp(place[1])
    to_sums = np.linalg.solve(slopes[:2].T, slopes[2])  # d union / d (S_2, S_3)
    return Propensity(
        union=float(_model(sizes, place)[2]),
        sd=math.sqrt(float(to_sums @ covariance @ to_sums)),
        purchasers=purchasers,
        shape=shape,
    )


def _purchasers(sizes: Floats, log_spare: float) -> float:
    return float(np.max(sizes)) * (1 + math.exp(log_spare))


def _model(sizes: Floats, place: Floats) -> Floats:
    """Return S_2, S_3 and the union at (log spare, log a), with N = largest size (1 + spare)."""
    purchasers, shape = _purchasers(sizes, place[0]), math.exp(place[1])
    rates = np.expm1(-np.log1p(-sizes / purchasers) / shape)

    def union(totals: Floats) -> float:
        """Return the sum of the unions of sets with these totals of rates."""
        return -purchasers * float(np.sum(np.expm1(-shape * np.log1p(totals))))

    number = len(sizes)
    twos = np.add.outer(rates, rates)
    threes = np.add.outer(twos, rates)
    i, j, k = np.ogrid[:number, :number, :number]
    one, two = float(np.sum(sizes)), union(twos[np.triu_indices(number, 1)])
    three = union(threes[(i < j) & (j < k)])
    pairs = (number - 1) * one - two
    triples = math.comb(number - 1, 2) * one - (number - 2) * two + three
    return np.array([pairs, triples, union(np.sum(rates))])


def _solved(sizes: Floats, sums: Floats) -> Floats:
    """Return (log spare, log a) that meet S_2 and S_3: where S_2 is met, S_3 falls with a."""

    def excess(log_shape: float) -> float:
        log_spare = _log_spare(sizes, log_shape, float(sums[0]))
        if log_spare is None:  # more pairs than so equal propensities allow
            return -float(sums[1])
        return float(_model(sizes, np.array([log_spare, log_shape]))[1] - sums[1])

    log_shape = _root(excess, math.log(_LEAST_SHAPE), math.log(_MOST_SHAPE))
    log_spare = None if log_shape is None else _log_spare(sizes, log_shape, float(sums[0]))
    if log_shape is None or log_spare is None or abs(excess(log_shape)) > _MET * sums[1]:
        raise EstimateError(
            "no gamma model of one propensity has these sizes, pairs and triples at once; use the "
            "identified set, which rests on no model",
            code="MODEL",
        )
    return np.array([log_spare, log_shape])


def _log_spare(sizes: Floats, log_shape: float, pairs: float) -> float | None:
    """Return log(N / largest size - 1) at which the model has S_2 pairs: they fall with N."""
    most = math.log(_MOST_SPARE)
    return _root(lambda x: float(_model(sizes, np.array([x, log_shape]))[0]) - pairs, -most, most)


def _root(falling: Callable[[float], float], least: float, most: float) -> float | None:
    if not falling(most) < 0 < falling(least):
        return None
    return float(brentq(falling, least, most, xtol=_CLOSE))
