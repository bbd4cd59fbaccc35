"""How a settlement pays: its tiers, its net fund, and who bears what the fund lacks.

In: amounts, shares, what is taken from the fund. Out: checked `Tier` and `Fund`, and what is paid
of what is due, never above the net fund.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from dpnotice.analyst.intervals import Floats
from dpnotice.analyst.rates import Law, Quantity, check_fraction, check_plain, describe
from dpnotice.errors import PlanError

SHORTFALLS: Final = ("pro_rata_all", "tier1_first", "tier2_first")
"""Who bears a shortfall: all alike, tier 2 before tier 1, or tier 1 before tier 2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """One way in which a settlement pays valid claims.

    Tier 1 pays a flat amount to every valid claim that no other tier takes. Tier 2 takes a share of
    the valid claims and pays amounts of its own, of a law restricted to (0, cap]: the law of what
    is awarded, not of losses, of which those above the cap would be cut down to it.

    Attributes:
        amount_usd: tier 1: a number. Tier 2: a number or law of the amount per claim.
        share: of valid claims that tier 2 takes, a number or law; None makes it tier 1.
        cap_usd: the most that a claim of tier 2 is paid; required there and only there.

    >>> Tier(amount_usd=25).is_flat
    True
    """

    amount_usd: Quantity
    share: Quantity | None = None
    cap_usd: float | None = None

    def __post_init__(self) -> None:
        if (self.share is None) != (self.cap_usd is None):
            raise PlanError(
                "tier 2 needs both share (of valid claims) and cap_usd, and tier 1 neither; got "
                f"share {self.share!r} and cap_usd {self.cap_usd!r}"
            )
        if self.share is not None:
            check_plain(check_fraction(self.share, "share"), "share")
            check_usd(self.cap_usd, "cap_usd")
        if isinstance(self.amount_usd, Law) and not self.is_flat:
            low, high = map(float, self.amount_usd.support())
        else:
            low = high = check_usd(self.amount_usd, "amount_usd")
        cap = math.inf if self.cap_usd is None else self.cap_usd
        fits = low < cap and high > 0 if low < high else 0 < low <= cap
        if not fits:
            raise PlanError(
                f"amount_usd must lie above 0 and at most at the cap of ${cap:,.0f}, got "
                f"{describe(self.amount_usd)}; give the amount of one claim",
                code="RANGE",
            )

    @property
    def is_flat(self) -> bool:
        """Whether it is tier 1."""
        return self.share is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fund:
    """A settlement fund and what is taken from it before claims; 0 where nothing is, said so.

    Attributes:
        total_usd: the gross fund.
        fees_usd: attorneys' fees and costs.
        administration_usd: cost of the administrator.
        special_master_usd: cost of a special master.
        incentives_usd: awards to class representatives, all together.
        notice_usd: cost of notice if the fund bears it; None if it does not. The plan's own cost
            is never charged here unasked.

    >>> wen = Fund(
    ...     total_usd=26_250_000,
    ...     fees_usd=5_500_000,
    ...     administration_usd=2_524_859,
    ...     special_master_usd=400_000,
    ...     incentives_usd=47_500,
    ... )
    >>> f"{wen.net_usd:,.0f}"
    '17,777,641'
    """

    total_usd: float
    fees_usd: float
    administration_usd: float
    special_master_usd: float
    incentives_usd: float
    notice_usd: float | None = None

    def __post_init__(self) -> None:
        for field in self.__slots__:
            if field != "notice_usd" or self.notice_usd is not None:
                check_usd(getattr(self, field), field)
        if self.net_usd <= 0:
            raise PlanError(
                f"nothing is left of a fund of ${self.total_usd:,.0f} after what is taken from "
                f"it; correct the figures",
                code="RANGE",
            )

    @property
    def net_usd(self) -> float:
        """What is left for claims."""
        return self.total_usd - (
            self.fees_usd
            + self.administration_usd
            + self.special_master_usd
            + self.incentives_usd
            + (self.notice_usd or 0.0)
        )

    def __str__(self) -> str:
        taken = [field for field in self.__slots__[1:] if getattr(self, field) is not None]
        named = [f"{_words(field)} ${getattr(self, field):,.0f}" for field in taken]
        notice = "; the cost of notice is not taken from it" if self.notice_usd is None else ""
        return f"${self.total_usd:,.0f} less {', '.join(named)}{notice}"


def check_usd(value: object, field: str) -> float:
    """Return dollars, or refuse what is not a number of 0 or more.

    Raises:
        PlanError: naming the field and the value.
    """
    number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    if not number or not 0 <= float(value) < math.inf:  # type: ignore[arg-type]
        raise PlanError(f"{field} must be a number of dollars from 0, got {value!r}", code="COST")
    return float(value)  # type: ignore[arg-type]


def check_tiers(tiers: object) -> tuple[Tier, ...]:
    """Return one flat tier, or a flat one and one of amounts.

    Raises:
        PlanError: another form.
    """
    listed = isinstance(tiers, Sequence) and all(isinstance(tier, Tier) for tier in tiers)
    kinds = [tier.is_flat for tier in tiers] if listed else []  # type: ignore[attr-defined]
    if kinds not in ([True], [True, False]):
        raise PlanError(
            "tiers is a list of a flat Tier, alone or followed by one with share and cap_usd, got "
            f"{tiers!r}"
        )
    return tuple(tiers)  # type: ignore[arg-type]


def settle(due: Floats, net_usd: float, shortfall: str | None) -> Floats:
    """Return what a fund pays of what is due.

    Formula: everything where due <= F. Else pro_rata_all: F / due of every claim; tier1_first:
    tier 1 in full as far as F goes, then tier 2 pro rata of the rest; tier2_first likewise.

    Args:
        due: (draws, 2) dollars due to each tier.
        net_usd: F, the net fund.
        shortfall: one of :data:`SHORTFALLS`; needed where something is short.

    Raises:
        PlanError: something is short and no rule says who bears it.
    """
    if shortfall is not None and shortfall not in SHORTFALLS:
        raise PlanError(
            f"shortfall must be one of {', '.join(SHORTFALLS)}, got {shortfall!r}; name the rule "
            "of the settlement"
        )
    short = due.sum(axis=1) > net_usd
    if shortfall is None and short.any():
        raise PlanError(
            f"claims are due more than the net fund of ${net_usd:,.0f} in {short.sum():,} of "
            f"{len(short):,} draws, so shortfall= is needed: one of {', '.join(SHORTFALLS)}"
        )
    if shortfall == "pro_rata_all":
        total = np.maximum(due.sum(axis=1, keepdims=True), net_usd)
        first, order = due * (net_usd / total), (0, 1)
    else:
        first, order = due, (1, 0) if shortfall == "tier2_first" else (0, 1)
    paid = np.empty_like(due)
    paid[:, order[0]] = np.minimum(first[:, order[0]], net_usd)
    paid[:, order[1]] = np.minimum(first[:, order[1]], net_usd - paid[:, order[0]])
    return paid


def _words(field: str) -> str:
    return field.removesuffix("_usd").replace("_", " ")
