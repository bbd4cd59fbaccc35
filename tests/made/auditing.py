"""The auditor: is noise drawn from the law it claims, and is a loss no greater than declared?

In: a published law and how often each integer was drawn, or how often an event came about with and
without one buyer. Out: p-values, powers, and a lower bound of the loss. Pure functions, apart from
the arithmetic of the library.
"""

import math
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import optimize, stats

from dpnotice.privacy import Noise

Floats = npt.NDArray[np.float64]
LEAST_EXPECTED: Final = 50.0
"""Per bin of the chi-square test. The usual 5 are not enough at a false alarm of 1e-6: one bin of 5
would raise a few times as many as stated (tests/audit/test_auditing.py has the figures)."""
_NOTHING: Final = 1e-40
"""Relative mass beyond which a law is cut off."""
_NEVER: Final = 1e-20
"""Chance that any draw falls where a bound leaves the law out."""


# --- the laws ------------------------------------------------------------------------------
@lru_cache(maxsize=64)
def masses(noise: Noise) -> Floats:
    """P(0), P(1), ... of a law on the integers, as far as a sum of floats can tell.

    Discrete Laplace in closed form, P(z) = tanh(1/(2b)) exp(-|z|/b); discrete Gaussian divided by
    its own sum, taken from the small end, so that no digit is lost.
    """
    far = -math.log(_NOTHING)
    if noise.is_laplace:
        z = np.arange(math.ceil(far * noise.scale) + 2, dtype=float)
        return math.tanh(0.5 / noise.scale) * np.exp(-z / noise.scale)
    z = np.arange(math.ceil(math.sqrt(2 * far) * noise.scale) + 2, dtype=float)
    weights = np.exp(-((z / noise.scale) ** 2) / 2)
    return weights / (2 * math.fsum(weights[:0:-1]) + 1)


def tails(noise: Noise) -> Floats:
    """P(Z >= k) for k = 0, 1, ..., summed from the small end."""
    return np.cumsum(masses(noise)[::-1])[::-1]


def moment(noise: Noise, power: int) -> float:
    """E |Z|^power."""
    law = masses(noise)
    return 2 * math.fsum((np.arange(law.size, dtype=float) ** power * law)[::-1])


# --- chi-square ----------------------------------------------------------------------------
def tally(values: npt.NDArray[np.int64]) -> Counter[int]:
    """How often each integer was drawn; tallies of several draws add up."""
    integers, times = np.unique(values, return_counts=True)
    return Counter(dict(zip(integers.tolist(), times.tolist(), strict=True)))


def bins(noise: Noise, draws: int, least: float = LEAST_EXPECTED) -> Floats:
    """Probabilities of the bins -far, ..., far: single integers, but both ends hold their tails.

    `far` is the largest for which every bin is expected `least` times.
    """
    law, beyond = masses(noise), tails(noise)
    fits = (beyond[1:] * draws >= least) & (law[:-1] * draws >= least)
    far = int(np.argmin(fits))  # both fall, so the first that does not fit ends them
    if far == 0:
        raise ValueError(f"too few draws for a chi-square test of scale {noise.scale}")
    half = np.append(law[1:far], beyond[far])
    return np.concatenate([half[::-1], law[:1], half])


def chi_square(drawn: Mapping[int, int], noise: Noise) -> float:
    """P-value of the drawn integers under the law: small where it is another one."""
    draws = sum(drawn.values())
    expected = bins(noise, draws) * draws
    far = expected.size // 2
    found = np.zeros(expected.size)
    for integer, times in drawn.items():
        found[min(max(integer, -far), far) + far] += times
    return float(stats.chi2.sf(((found - expected) ** 2 / expected).sum(), expected.size - 1))


def chi_square_power(
    noise: Noise, claimed: Noise, draws: int, alarm: float, least: float = LEAST_EXPECTED
) -> float:
    """Chance that noise of one law is found not to have the claimed one (noncentral law)."""
    expected = bins(claimed, draws, least)
    far, law, beyond = expected.size // 2, masses(noise), tails(noise)
    half = np.append(law[1:far], beyond[far])
    true = np.concatenate([half[::-1], law[:1], half])
    shift = draws * float(((true - expected) ** 2 / expected).sum())
    freedom = expected.size - 1
    return float(stats.ncx2.sf(stats.chi2.isf(alarm, freedom), freedom, shift))


# --- the score of the scale ----------------------------------------------------------------
def score(drawn: Mapping[int, int], noise: Noise) -> float:
    """Score of the scale, in standard deviations under the law: sum of |z|, or of z^2 (Gaussian).

    No test notices a wrong scale sooner. Mean and variance are exact, the sum an exact integer.
    """
    power, mean, sd = _statistic(noise)
    draws = sum(drawn.values())
    total = sum(abs(integer) ** power * times for integer, times in drawn.items())
    return (total - draws * mean) / (sd * math.sqrt(draws))


def score_test(drawn: Mapping[int, int], noise: Noise) -> float:
    """Two-sided p-value of the score, taken as normal.

    At 10^6 draws and a false alarm of 1e-6 the exact upper tail is at most 1.07 times the normal
    one, and both tails together are within 2 % of it (tests/audit/test_auditing.py).
    """
    return float(2 * stats.norm.sf(abs(score(drawn, noise))))


def score_power(noise: Noise, claimed: Noise, draws: int, alarm: float) -> float:
    """Chance that noise of one law is found not to have the claimed one, of the same family."""
    _, mean, sd = _statistic(noise)
    _, said, spread = _statistic(claimed)
    edge = stats.norm.isf(alarm / 2) * spread
    shift = (mean - said) * math.sqrt(draws)
    return float(stats.norm.sf((edge - shift) / sd) + stats.norm.cdf((-edge - shift) / sd))


def _statistic(noise: Noise) -> tuple[int, float, float]:
    """Power of |z| that is summed, its mean and its standard deviation."""
    power = 1 if noise.is_laplace else 2
    mean = moment(noise, power)
    return power, mean, math.sqrt(moment(noise, 2 * power) - mean**2)


# --- the error in people -------------------------------------------------------------------
def root_mean_square(drawn: Mapping[int, int]) -> float:
    """Root mean square of the drawn integers."""
    squares = sum(integer**2 * times for integer, times in drawn.items())
    return math.sqrt(squares / sum(drawn.values()))


def root_mean_square_alarm(noise: Noise, draws: int, within: float) -> float:
    """Upper bound of the chance that the root mean square is off the law's s.d. by `within`.

    Chernoff's bound at both ends; the upper one on the law cut off where no draw falls, whose
    chance is added (the square of Laplace noise has no exponential moment).
    """
    law, beyond = masses(noise), tails(noise)
    cut = int(np.argmax(2 * draws * beyond < _NEVER))
    inside, squares = law[:cut] / (1 - 2 * beyond[cut]), np.arange(cut, dtype=float) ** 2
    weights = np.append(inside[:1], 2 * inside[1:])
    mean = moment(noise, 2)
    low, high = (mean * (1 + sign * within) ** 2 for sign in (-1, 1))
    return sum((_chernoff(squares, weights, edge, draws) for edge in (low, high)), _NEVER)


def _chernoff(values: Floats, weights: Floats, edge: float, draws: int) -> float:
    """Bound the chance of a mean beyond `edge`: least over t of (E exp(t (v - edge)))^draws."""
    unit = float((values**2 * weights).sum()) ** 0.5

    def log_moment(t: float) -> float:
        terms = np.log(weights) + t * (values - edge) / unit
        return float(np.logaddexp.reduce(terms))

    mean = float((values * weights).sum())
    ends = (0.0, 8.0) if edge > mean else (-8.0, 0.0)
    best = optimize.minimize_scalar(log_moment, bounds=ends, method="bounded")
    return math.exp(draws * min(float(best.fun), 0.0))


# --- the loss ------------------------------------------------------------------------------
def clopper_pearson(times: int, trials: int, alarm: float) -> tuple[float, float]:
    """Return limits of a chance; each is wrong with a chance of at most `alarm`, exactly."""
    lower = stats.beta.ppf(alarm, times, trials - times + 1) if times else 0.0
    upper = stats.beta.isf(alarm, times + 1, trials - times) if times < trials else 1.0
    return float(lower), float(upper)


def epsilon_bound(events: Mapping[Any, tuple[int, int]], trials: int, alarm: float) -> float:
    """Return a lower bound of epsilon: above the true one with a chance of at most `alarm`.

    Formula: an epsilon-private mechanism has P(event | one input) <= exp(epsilon) P(event | other)
    in both directions, so log of a lower over an upper limit is a lower bound of epsilon.

    Args:
        events: event -> how often it came about with the buyer, and without.
        trials: independent trials of each input.
        alarm: shared by the four limits of every event (Bonferroni).
    """
    best = 0.0
    for with_buyer, without in events.values():
        each = alarm / (4 * len(events))
        low, high = clopper_pearson(with_buyer, trials, each)
        floor, ceiling = clopper_pearson(without, trials, each)
        for likely, unlikely in [(low, ceiling), (floor, high)]:
            best = max(best, math.log(likely / unlikely) if likely > 0 else 0.0)
    return best


def typical_epsilon_bound(epsilon: float, tables: int, trials: int, alarm: float) -> float:
    """Bound expected of `told_apart` where the discrete Laplace noise has exactly this loss."""
    p = math.exp(-epsilon / tables)
    likely, unlikely = round(trials / (1 + p) ** tables), round(trials * (p / (1 + p)) ** tables)
    return epsilon_bound({1: (likely, unlikely), 0: (unlikely, likely)}, trials, alarm)


def told_apart(noisy: list[npt.NDArray[np.int64]]) -> dict[str, int]:
    """Count the two events that tell best whether one buyer is in a cell of each table.

    Where every table says 1 or more, and where every one says 0 or less, the ratio of the discrete
    Laplace probabilities with and without the buyer is exp(epsilon) exactly: no event has more.

    Args:
        noisy: one array per table, (n,) released cells of the same n trials.
    """
    cells = np.stack(noisy)
    return {
        "all 1 or more": int((cells >= 1).all(axis=0).sum()),
        "all 0 or less": int((cells <= 0).all(axis=0).sum()),
    }
