"""What valid claims are due and what they are paid, tier by tier.

In: valid claims by draw, tiers, a net fund. Out: `Payments` by draw: due, paid, lacking, and the
sizes of single payments.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from dpnotice.analyst.claims.fund import Tier, settle
from dpnotice.analyst.intervals import Floats
from dpnotice.analyst.rates import Law
from dpnotice.analyst.sampling import Sampling
from dpnotice.errors import PlanError

EXACT_CLAIMS: Final = 10**5
"""Claims of tier 2 in one draw up to which every amount is drawn; beyond, their sum is normal."""
_POOL: Final = 2**20
"""Amounts drawn once for the law's mean, variance and order: mean to a thousandth of its s.d."""
_LEAST_INSIDE: Final = 0.01
_TOGETHER: Final = 2**21
"""Amounts held at a time: 16 MB."""
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Payments:
    """What is due and paid, by draw.

    Attributes:
        claims: (draws, 2) valid claims of tier 1 and tier 2.
        due_usd: (draws, 2) what they would be paid by an endless fund.
        paid_usd: (draws, 2) what the fund pays.
        net_usd: the net fund; None without one.
        mean_usd: (draws,) mean payment, nan where nobody has a valid claim; so the next three.
        median_usd: where tier 2 outnumbers tier 1, by the law of its amounts.
        least_usd: the smallest payment.
        largest_usd: the largest payment.
        inside: share of the law of tier 2's amounts within (0, cap], the part that is used.
    """

    claims: Ints
    due_usd: Floats
    paid_usd: Floats
    net_usd: float | None
    mean_usd: Floats
    median_usd: Floats
    least_usd: Floats
    largest_usd: Floats
    inside: float

    @property
    def shortfall_usd(self) -> Floats:
        """What is due above the net fund, (draws,); 0 where it suffices, or none is given."""
        net = np.inf if self.net_usd is None else self.net_usd
        return np.asarray(np.maximum(self.due_usd.sum(axis=1) - net, 0.0))

    def columns(self) -> dict[str, Floats]:
        """Return dollars by draw: due, paid and lacking in all, then the sizes of payments."""
        return {
            "due_usd": self.due_usd.sum(axis=1),
            "paid_usd": self.paid_usd.sum(axis=1),
            "shortfall_usd": self.shortfall_usd,
            "mean_payment_usd": self.mean_usd,
            "median_payment_usd": self.median_usd,
            "least_payment_usd": self.least_usd,
            "largest_payment_usd": self.largest_usd,
        }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Awards:
    """Amounts of tier 2 by draw, and a sorted pool of them."""

    total: Floats
    least: Floats
    largest: Floats
    pool: Floats
    inside: float = 1.0


def pay(
    valid: Ints,
    tiers: tuple[Tier, ...],
    net_usd: float | None,
    shortfall: str | None,
    sampling: Sampling,
) -> Payments:
    """Return what valid claims are due and paid in every draw.

    Args:
        valid: (draws,) valid claims.
        tiers: as :func:`check_tiers` returns them.
        net_usd: the net fund; None pays all that is due.
        shortfall: as for :func:`settle`.
        sampling: without axes.
    """
    second = np.zeros_like(valid)
    nothing = np.zeros(len(valid))
    awards = _Awards(total=nothing, least=nothing, largest=nothing, pool=np.zeros(1))
    if len(tiers) > 1:
        share = sampling.sample(tiers[1].share, "claims/tier 2/share")
        second = sampling.stream("claims/tier 2/claims").binomial(valid, share)
        awards = _awarded(second, tiers[1], sampling)
    claims = np.stack([valid - second, second], axis=1)
    flat = float(tiers[0].amount_usd)
    due = np.stack([claims[:, 0] * flat, awards.total], axis=1)
    paid = due if net_usd is None else settle(due, net_usd, shortfall)
    scale = np.divide(paid, due, out=np.ones_like(due), where=due > 0)
    return Payments(
        claims=claims,
        due_usd=due,
        paid_usd=paid,
        net_usd=net_usd,
        inside=awards.inside,
        **_sizes(claims, flat * scale[:, 0], awards, scale[:, 1], paid.sum(axis=1)),
    )


def _awarded(claims: Ints, tier: Tier, sampling: Sampling) -> _Awards:
    """Sum tier 2's amounts: drawn one by one, or normal where there are too many of them."""
    if not isinstance(tier.amount_usd, Law):
        amount = np.full(len(claims), float(tier.amount_usd))
        return _Awards(total=claims * amount, least=amount, largest=amount, pool=amount[:1])
    drawn = tier.amount_usd.rvs(size=_POOL, random_state=sampling.stream("claims/tier 2/pool"))
    pool = np.sort(_within(np.asarray(drawn, dtype=np.float64), tier))
    inside = len(pool) / _POOL
    if inside < _LEAST_INSIDE:
        raise PlanError(
            f"only {inside:.1%} of the law of amount_usd lies above 0 and at most at the cap of "
            f"${tier.cap_usd:,.0f}; give the law of what one claim is awarded"
        )
    normal = sampling.stream("claims/tier 2/beyond").standard_normal(len(claims))
    total = claims * pool.mean() + np.sqrt(claims) * pool.std() * normal
    least, largest = np.full(len(claims), pool[0]), np.full(len(claims), pool[-1])
    rng = sampling.stream("claims/tier 2/amounts")
    few = np.flatnonzero((claims > 0) & (claims <= EXACT_CLAIMS))
    ends = np.cumsum(claims[few])
    total[claims == 0] = 0.0
    for draws in np.split(few, np.flatnonzero(np.diff(ends // _TOGETHER)) + 1):
        if len(draws):
            starts = np.cumsum(claims[draws]) - claims[draws]
            amounts = _drawn(int(claims[draws].sum()), tier, rng)
            total[draws] = np.add.reduceat(amounts, starts)
            least[draws] = np.minimum.reduceat(amounts, starts)
            largest[draws] = np.maximum.reduceat(amounts, starts)
    return _Awards(total=total, least=least, largest=largest, pool=pool, inside=inside)


def _drawn(size: int, tier: Tier, rng: np.random.Generator) -> Floats:
    """Draw amounts of the law restricted to (0, cap], by rejection."""
    kept = [np.zeros(0)]
    missing = size
    while missing > 0:
        drawn = tier.amount_usd.rvs(size=missing, random_state=rng)
        kept.append(_within(np.asarray(drawn, dtype=np.float64), tier))
        missing -= len(kept[-1])
    return np.concatenate(kept)


def _within(amounts: Floats, tier: Tier) -> Floats:
    return amounts[(amounts > 0) & (amounts <= (tier.cap_usd or 0.0))]


def _sizes(
    claims: Ints, flat: Floats, awards: _Awards, scale: Floats, paid: Floats
) -> dict[str, Any]:
    """Return mean, median, least and largest payment by draw; nan where there is none."""
    first, second = claims.T
    number = claims.sum(axis=1)
    some = number > 0
    nowhere = np.full(len(number), np.nan)
    least = np.minimum(
        np.where(first > 0, flat, np.inf), np.where(second > 0, awards.least * scale, np.inf)
    )
    largest = np.maximum(
        np.where(first > 0, flat, 0.0), np.where(second > 0, awards.largest * scale, 0.0)
    )
    return {
        "mean_usd": np.divide(paid, number, out=nowhere.copy(), where=some),
        "median_usd": np.where(some, _median(first, second, flat, awards.pool, scale), nowhere),
        "least_usd": np.where(some, least, nowhere),
        "largest_usd": np.where(some, largest, nowhere),
    }


def _median(first: Ints, second: Ints, flat: Floats, pool: Floats, scale: Floats) -> Floats:
    """Return the median of `first` equal payments and `second` of the pool's law times a scale."""
    threshold = np.divide(flat, scale, out=np.full(len(flat), np.inf), where=scale > 0)
    below = second * np.searchsorted(pool, threshold) / len(pool)
    half = (first + second) / 2
    place = np.where(half <= below, half, half - first) / np.maximum(second, 1)
    amount = scale * pool[np.clip((place * len(pool)).astype(np.int64), 0, len(pool) - 1)]
    return np.where((half > below) & (half < below + first), flat, amount)
