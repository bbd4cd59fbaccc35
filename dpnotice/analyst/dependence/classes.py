"""Whom vehicles share: classes of persons that lie nearer to some vehicles than to others.

In: reach of one and of two insertions, and what pairs of vehicles reach both, of one population.
Out: `Classes`, which combine any vehicles' chances of no exposure and keep each of them exactly.
"""

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from dpnotice.analyst.intervals import Floats
from dpnotice.analyst.rates import check_plain, check_positive
from dpnotice.errors import PlanError

APPETITES: Final = (1.0, 0.5, 2.0, math.inf)
"""Tried in this order. Pairs hardly tell them apart: over eight real stores they foretold alike,
over eight groups of stores, of larger audiences, the first did best."""
SPREAD: Final = 3.0
"""Prior s.d. of a logarithmic rate. Of 1.5 to 10 tried on real stores, 2 to 5 foretold alike."""
CLOSE: Final = 4.0
"""Fits within this chi-square of the least (two s.d.) cannot be told apart."""
STARTS: Final = 5
_SURE: Final = 4.0
"""Standard errors by which figures may contradict one another."""
_SHARES: Final = 2.0
_FLOOR: Final = 1e-4
"""Least relative rate: every class can be reached in the end, so every margin can be kept."""
_LEAST: Final = 1e-12
_SURELY: Final = 1 - 1e-14
"""Misses everybody, but for the rounding of a sum."""
_STEPS: Final = 150
_ALIKE: Final = 0.01
"""Costs nearer than this are of one fit, found twice."""
_STUCK: Final = 1e6
_CLOSED: Final = 1e-14
_MOST: Final = 8.0
_INFINITE: Final = 1e12


@dataclass(frozen=True, slots=True, kw_only=True)
class Classes:
    """A joint law of vehicles: latent classes, and in each an appetite for media of any kind.

    A person of class c, with appetite z ~ Gamma(k, mean 1), sees nothing of vehicle v with
    probability exp(-z s_v rate_cv), vehicles being independent given c and z. With
    L(y) = (1 + y / k)^-k, and exp(-y) for k = infinity,
    P(nothing of v) = sum over c of share_c L(s_v rate_cv),
    P(nothing of any) = sum over c of share_c L(sum over v of s_v rate_cv).
    One class is the gamma frailty (Clayton 1978); classes add dependence of either sign.

    Attributes:
        share: of the persons, by class (C,); they sum to 1.
        rate: relative to the mean person's, (C, V), above 0; each column's mean is 1.
        appetite: k; small k means few persons with much of it.

    >>> one = Classes(share=np.ones(1), rate=np.ones((1, 2)), appetite=math.inf)
    >>> float(one.nonreach(one.scales(np.array([0.7, 0.6]))).round(10))
    0.42
    """

    share: Floats
    rate: Floats
    appetite: float

    def __post_init__(self) -> None:
        share, rate = (np.array(x, dtype=np.float64) for x in (self.share, self.rate))
        if share.ndim != 1 or rate.ndim != 2 or len(rate) != len(share):  # noqa: PLR2004 -- a matrix
            raise PlanError(
                f"share must be (C,) and rate (C, V), got {share.shape} and {rate.shape}; "
                "give one row of rates per class"
            )
        if not (np.all(share >= 0) and np.all(rate > 0) and self.appetite > 0):
            raise PlanError(
                "shares must be 0 or more, rates and appetite above 0; give a small rate, not none"
            )
        if not np.allclose([share.sum(), *(share @ rate)], 1, rtol=0, atol=1e-9):
            raise PlanError(
                "shares, and each vehicle's rates weighted by them, must sum to 1; divide them so"
            )
        for name, array in (("share", share), ("rate", rate)):
            array.setflags(write=False)
            object.__setattr__(self, name, array)

    def scales(self, nonreach: Floats) -> Floats:
        """Return s_v at which each vehicle alone misses a person with the given probability.

        Args:
            nonreach: P(nothing of v), (..., V); below 1e-12 it is taken as 1e-12.

        Returns:
            Scales (..., V), 0 where nonreach is 1, +inf nowhere.

        Raises:
            PlanError: a number that is no probability.
        """
        target = np.asarray(nonreach, dtype=np.float64)
        if not np.all((target >= 0) & (target <= 1)):
            raise PlanError("nonreach must be fractions in [0, 1]; percentages?", code="RANGE")
        target = np.clip(target, _LEAST, 1.0)
        some = target < _SURELY
        wanted = -np.log(np.where(some, target, 0.5))
        # Rates average 1 and L is convex, so the root is no smaller than for everybody alike;
        # and no larger than if all were of the least rate.
        low = np.log(_inverse(wanted, self.appetite))
        high = low - np.log(self.rate.min(0))
        at = low
        for _ in range(_STEPS):
            value, slope = self._exponent(np.exp(at), wanted)
            if np.all(np.abs(np.expm1(value)) * wanted < _CLOSED * (1 + wanted)):
                break
            low, high = np.where(value < 0, at, low), np.where(value < 0, high, at)
            step = at - value / slope
            at = np.where((step >= low) & (step <= high), step, (low + high) / 2)
        return np.where(some, np.exp(at), 0.0)

    def nonreach(self, scales: Floats) -> Floats:
        """Return P(nothing of any vehicle), (...,), from scales (..., V)."""
        return np.asarray(_law(np.asarray(scales) @ self.rate.T, self.appetite) @ self.share)

    def duplication(self, nonreach: Floats) -> Floats:
        """Return P(something of v and of w), (V, V), from nonreach (V,); the diagonal is reach."""
        alone = np.asarray(nonreach, dtype=np.float64)
        scale = self.scales(alone)
        pair = np.eye(len(scale), dtype=bool)[:, None] | np.eye(len(scale), dtype=bool)[None]
        return np.asarray(1 - alone[:, None] - alone + self.nonreach(pair * scale))

    def _exponent(self, scale: Floats, wanted: Floats) -> tuple[Floats, Floats]:
        """Return log(-log P(s) / wanted) and its slope in log s, nearly linear in it."""
        y = scale[..., None, :] * self.rate
        law = _law(y, self.appetite)
        miss = np.sum(self.share[:, None] * law, axis=-2)
        fall = np.sum(self.share[:, None] * law * y / (1 + y / self.appetite), axis=-2)
        exponent = -np.log(miss)
        return np.log(exponent / wanted), fall / (miss * exponent)


def fit_classes(
    reach_1: npt.ArrayLike,
    reach_2: npt.ArrayLike | None,
    pairs: npt.ArrayLike,
    *,
    persons: float,
    seed: int = 0,
) -> tuple[Classes, ...]:
    """Return classes whose reach and duplications are those measured, and their equals.

    One class per vehicle, at home with it, and one away from all: fewer cannot hold duplications
    below chance beside loyalty to each vehicle. Least squares of R1, of 2 R1 - R2 and of the pairs
    by their sampling variances p (1 - p) / persons, plus (log rate - log mean rate)^2 / 9, so that
    classes differ no more than the figures ask for; Levenberg-Marquardt from seeded starts.

    Args:
        reach_1: share of the population reached by one insertion, (V,).
        reach_2: by at least one of two, (V,); None where every vehicle has one insertion.
        pairs: share reached by an insertion of v and one of w, (V, V), symmetric, nan where not
            known; the diagonal is not read. Means over all pairs of insertions predict best.
        persons: on whom the figures were measured; where they are means over several dates, times
            the number of dates. It weighs the figures against the prior and one another.
        seed: of the starts.

    Returns:
        Fits whose chi-square is within 4 of the least, in the order of :data:`APPETITES`.

    Raises:
        PlanError: figures outside their range, or that no one population can have.
    """
    measured = _measured(reach_1, reach_2, pairs, persons)
    appetite = np.repeat(APPETITES, STARTS)
    start = _starts(len(measured.once), len(appetite), seed)
    found, cost = _descend(measured, appetite, start)
    chi = np.sum(_misfit(measured, appetite, found)[0] ** 2, axis=1)
    kept: list[int] = []
    for k in APPETITES:
        tried = np.flatnonzero(appetite == k)
        for each in tried[np.argsort(cost[tried])]:
            near = cost[each] <= cost[tried].min() + CLOSE and chi[each] <= chi.min() + CLOSE
            if near and not any(abs(cost[each] - cost[old]) < _ALIKE for old in kept):
                kept.append(int(each))
    return tuple(_as_classes(measured, appetite[each], found[each]) for each in kept)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measured:
    """What the fit must meet: `figures` = base + mix @ P(nothing of the insertions in `seen`)."""

    once: Floats
    """Reach of one insertion (V,)."""
    figures: Floats
    """R1, 2 R1 - R2 where known, known pairs (M,)."""
    sd: Floats
    """Of `figures`, by sampling (M,)."""
    seen: Floats
    """Insertions of each vehicle (T, V), for every nonreach that figures are made of."""
    mix: Floats
    """(M, T)."""
    base: Floats
    """(M,)."""


def _measured(
    reach_1: npt.ArrayLike, reach_2: npt.ArrayLike | None, pairs: npt.ArrayLike, persons: float
) -> _Measured:
    """Check the figures and lay them out."""
    once = np.asarray(reach_1, dtype=np.float64)
    both = np.array(pairs, dtype=np.float64)
    if once.ndim != 1 or both.shape != (len(once), len(once)):
        raise PlanError(
            f"reach_1 must be (V,) and pairs (V, V), got {once.shape} and {both.shape}; "
            "put nan where a pair is not known"
        )
    check_plain(check_positive(persons, "persons"), "persons")
    if not persons > 0:
        raise PlanError(f"persons must be above 0, got {persons}; on how many was it measured?")
    twice = np.full_like(once, np.nan) if reach_2 is None else np.asarray(reach_2, dtype=np.float64)
    np.fill_diagonal(both, 2 * once - twice)
    _check(once, both, persons)
    one, two = np.nonzero(np.triu(np.isfinite(both)))
    vehicles, known = len(once), len(one)
    eye = np.eye(vehicles)
    figures = np.concatenate([once, both[one, two]])
    mix = np.zeros((vehicles + known, vehicles + known))
    mix[:vehicles, :vehicles] = -eye
    mix[vehicles:, :vehicles] = -eye[one] - eye[two]
    mix[vehicles:, vehicles:] = np.eye(known)
    return _Measured(
        once=once,
        figures=figures,
        sd=_sampling_sd(figures, persons),
        seen=np.concatenate([eye, eye[one] + eye[two]]),
        mix=mix,
        base=np.ones(vehicles + known),
    )


def _check(once: Floats, both: Floats, persons: float) -> None:
    """Refuse figures that no one population can have, by more than sampling explains."""
    if not np.all((once > 0) & (once < 1)) or np.any((both < 0) | (both > 1)):
        raise PlanError(
            "reach_1 must lie between 0 and 1, reach_2 and pairs be fractions; percentages? "
            "leave out a vehicle that reaches nobody or everybody",
            code="RANGE",
        )
    if not np.array_equal(both, both.T, equal_nan=True):
        raise PlanError("pairs must be symmetric; give one number for v with w and w with v")
    order = np.arange(len(once))
    unknown = np.isnan(both) & ~np.eye(len(once), dtype=bool)
    while np.any(unknown[np.ix_(order, order)]):  # the largest set whose pairs are all known
        order = np.delete(order, np.argmax(unknown[np.ix_(order, order)].sum(0)))
    above = both - np.minimum(once[:, None], once)
    below = np.maximum(once[:, None] + once - 1, 0) - both
    kept = both[np.ix_(order, order)]
    # Loyalty not given can be at most complete: the same persons see every insertion.
    kept = np.where(np.isnan(kept), np.diag(once[order]), kept)
    spread = _sampling_sd(kept, persons)
    value, vector = np.linalg.eigh(kept - np.outer(once[order], once[order]))
    least = vector[:, 0] ** 2
    allowed = _SURE * _sampling_sd(both, persons)
    if np.any((above > allowed) | (below > allowed)) or value[0] < -_SURE * math.sqrt(
        2 * float(least @ spread**2 @ least)
    ):
        raise PlanError(
            "these duplications are impossible beside these audiences (their covariance has the "
            f"eigenvalue {value[0]:.2g}), so they describe different populations; take all "
            "figures from one study of one universe",
            code="INCONSISTENT",
        )


def _sampling_sd(share: Floats, persons: float) -> Floats:
    return np.sqrt((share * (1 - share) + 1 / persons) / persons)


def _starts(vehicles: int, number: int, seed: int) -> Floats:
    """Return standardised parameters (number, n): a home at each vehicle, and the rest away."""
    random = np.random.default_rng(seed)
    home = np.vstack([np.eye(vehicles), np.zeros(vehicles)]) - 0.5
    noise = np.linspace(0.1, 0.5, STARTS)[np.arange(number) % STARTS, None, None]
    rate = home + noise * random.standard_normal((number, *home.shape))
    return np.hstack([np.zeros((number, len(home))), rate.reshape(number, -1)])


def _parameters(measured: _Measured, appetite: Floats, point: Floats) -> tuple[Floats, Floats]:
    """Return shares (S, C) and scales times rates (S, C, V) of standardised parameters (S, n)."""
    classes = len(measured.once) + 1
    logit = _SHARES * point[:, :classes]
    share = np.exp(logit - logit.max(1, keepdims=True))
    alike = np.log(_inverse(-np.log1p(-measured.once), appetite[:, None]))
    log_rate = alike[:, None] + SPREAD * point[:, classes:].reshape(len(point), classes, -1)
    return share / share.sum(1, keepdims=True), np.exp(np.minimum(log_rate, _MOST))


def _misfit(measured: _Measured, appetite: Floats, point: Floats) -> tuple[Floats, Floats]:
    """Return what is missed in sampling s.d. (S, M), and its derivatives (S, M, n)."""
    share, rate = _parameters(measured, appetite, point)
    k = appetite[:, None, None]
    y = rate @ measured.seen.T
    law = _law(y, k)
    mean = np.einsum("sc,sct->st", share, law)
    mix = measured.mix / measured.sd[:, None]
    missed = mean @ mix.T + (measured.base - measured.figures) / measured.sd
    by_share = _SHARES * share[:, :, None] * (law - mean[:, None])
    fall = -SPREAD * share[:, :, None] * law / (1 + y / np.minimum(k, _INFINITE))
    by_rate = fall[..., None] * measured.seen * rate[:, :, None]  # (S, C, T, V)
    columns = np.moveaxis(by_rate, 1, 2).reshape(len(point), len(measured.seen), -1)
    return missed, mix @ np.concatenate([np.swapaxes(by_share, 1, 2), columns], axis=2)


def _descend(measured: _Measured, appetite: Floats, point: Floats) -> tuple[Floats, Floats]:
    """Return minima (S, n) and their penalised chi-squares, all starts side by side.

    Levenberg-Marquardt for |misfit|^2 + |point|^2. The step (J'J + c I)^-1 g is taken as
    (g - J' (J J' + c I)^-1 J g) / c, since there are fewer figures than parameters.
    """
    point, damping, busy = point.copy(), np.ones(len(point)), np.arange(len(point))
    missed, slope = _misfit(measured, appetite, point)
    cost = np.sum(missed**2, 1) + np.sum(point**2, 1)
    eye = np.eye(len(measured.figures))
    for _ in range(_STEPS):
        j, c = slope[busy], 1 + damping[busy, None]
        gradient = np.einsum("smn,sm->sn", j, missed[busy]) + point[busy]
        square = j @ np.swapaxes(j, 1, 2) + c[..., None] * eye
        inner = np.linalg.solve(square, j @ gradient[..., None])[..., 0]
        new = point[busy] - (gradient - np.einsum("smn,sm->sn", j, inner)) / c
        new_missed, new_slope = _misfit(measured, appetite[busy], new)
        gain = cost[busy] - np.sum(new_missed**2, 1) - np.sum(new**2, 1)
        better, won = gain > 0, busy[gain > 0]
        point[won], missed[won], slope[won] = new[better], new_missed[better], new_slope[better]
        cost[won] -= gain[better]
        damping[busy] = np.where(better, damping[busy] / 3, damping[busy] * 4)
        busy = busy[~(better & (gain < _ALIKE * 1e-3)) & (damping[busy] < _STUCK)]
        if not len(busy):
            break
    return point, cost


def _as_classes(measured: _Measured, appetite: float, point: Floats) -> Classes:
    share, rate = _parameters(measured, np.array([appetite]), point[None])
    relative = np.maximum(rate[0] / (share[0] @ rate[0]), _FLOOR)
    return Classes(share=share[0], rate=relative / (share[0] @ relative), appetite=float(appetite))


def _law(y: Floats, appetite: Any) -> Floats:
    """Return L(y) = (1 + y / k)^-k; at k = 1e12 it is exp(-y) to the last digits."""
    k = np.minimum(appetite, _INFINITE)
    return np.asarray(np.exp(-k * np.log1p(y / k)))


def _inverse(exponent: Floats, appetite: Any) -> Floats:
    """Return y with L(y) = exp(-exponent)."""
    k = np.minimum(appetite, _INFINITE)
    return np.asarray(k * np.expm1(exponent / k))
