"""Reach -> claims filed -> valid claims -> payments, and whether a fund suffices.

In: whom a plan would reach, rates of claims and of validity, tiers and a fund. Out: `Claims`, by
draw. A rate of claims is per person sent a notice, so delivery and seeing are already in it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, runtime_checkable

import numpy as np

from dpnotice.analyst.claims.claiming import (
    draw_filed,
    draw_rate,
    rate_lines,
    upper_filed,
    used_rates,
)
from dpnotice.analyst.claims.fund import Fund, Tier, check_tiers, check_usd
from dpnotice.analyst.claims.payments import Ints, Payments, pay
from dpnotice.analyst.claims.ratios import Rate
from dpnotice.analyst.claims.recipients import Recipients
from dpnotice.analyst.intervals import Floats, check_level
from dpnotice.analyst.rates import Quantity, describe
from dpnotice.analyst.sampling import Sampling
from dpnotice.errors import EstimateError, PlanError
from dpnotice.reporting import claims_wording, figures, tables
from dpnotice.result import Estimate, summary_frame

if TYPE_CHECKING:
    import pandas as pd

    from dpnotice.reporting import Axes

LEVEL: Final = 0.95
CLASS: Final = "class members"


@runtime_checkable
class Reached(Protocol):
    """What claims need of a reach estimate: its recipients, seed, plan (name), class (words)."""

    @property
    def plan(self) -> Any:
        """The plan, with a name."""

    @property
    def members(self) -> Any:
        """The class, with its population in words."""

    @property
    def seed(self) -> int:
        """The analyst's seed."""

    def recipients(self) -> Recipients:
        """Return the persons by the channels through which they would be told."""


def expected_claims(
    reach: Reached,
    *,
    rates: Mapping[str, Quantity],
    validity: Quantity,
    tiers: Sequence[Tier] | None = None,
    fund_usd: float | Fund | None = None,
    shortfall: str | None = None,
) -> "Claims":
    """Estimate the claims that a plan would bring, and what they would be paid.

    Per draw: p_c each once; claims ~ Binomial(persons whose best channel is c, p_c), so that nobody
    claims twice; valid ~ Binomial(claims, validity). Upper: 1 - prod (1 - p_c) over a person's
    channels. Publication adds nothing for those who are sent a notice (FTC 2019).

    Args:
        reach: from :func:`dpnotice.estimate_reach`.
        rates: channel (email, post, in_account) -> claims per person *sent* a notice, a number,
            law, prior or `Rate`; ``"publication"`` -> claims per person whom it alone reaches.
        validity: share of claims filed that are accepted; no source gives a default.
        tiers: a flat tier, or that and one of amounts; None leaves payments out.
        fund_usd: the net fund, or a `Fund` with what is taken from it.
        shortfall: pro_rata_all, tier1_first or tier2_first; needed where the fund falls short.

    Returns:
        Claims, valid claims and payments by draw.

    Raises:
        PlanError: a rate is missing or of another kind; tiers, fund or rule do not fit.
        EstimateError: not a reach estimate.
    """
    if not isinstance(reach, Reached):
        raise EstimateError(f"expected_claims takes a reach estimate, got {type(reach).__name__}")
    people = reach.recipients()
    sampling = Sampling(axes=(), draws=len(people.size), seed=reach.seed)
    used = used_rates(rates, people)
    drawn = {channel: draw_rate(rate, channel, sampling) for channel, rate in used.items()}
    filed = draw_filed(people, drawn, sampling)
    valid = sampling.stream("claims/valid").binomial(
        filed, draw_rate(validity, "validity", sampling)
    )
    upper = upper_filed(people, drawn)
    for values in (filed, valid, upper):
        values.flags.writeable = False
    paid = _paid(valid, tiers, fund_usd, shortfall, sampling)
    return Claims(
        plan=reach.plan.name,
        population=reach.members.population,
        seed=reach.seed,
        channels=people.channels,
        filed=filed,
        valid=valid,
        filed_upper=upper,
        size=people.size,
        payments=paid,
        shortfall=shortfall,
        assumptions=(*rate_lines(used, validity), *_fund_lines(tiers, fund_usd, paid)),
    )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False, eq=False)
class Claims:
    """Claims of a plan by draw, and their payments.

    Attributes:
        plan: its name.
        population: whose claims.
        seed: of the analyst.
        channels: of individual notice, of the plan.
        filed: (draws,) claims filed.
        valid: (draws,) of these, accepted.
        filed_upper: (draws,) expected claims if every channel brought its own.
        size: (draws,) persons of the population.
        payments: None without tiers.
        shortfall: the rule for a fund that falls short, or None.
        assumptions: what the figures rest on, with sources.
    """

    plan: str
    population: str
    seed: int
    channels: tuple[str, ...]
    filed: Ints
    valid: Ints
    filed_upper: Floats
    size: Floats
    payments: Payments | None
    shortfall: str | None
    assumptions: tuple[str, ...]

    @property
    def draws(self) -> Ints:
        """Valid claims, (draws,)."""
        return self.valid

    @property
    def fund_suffices(self) -> float | None:
        """The chance that the net fund pays all that is due; None without tiers and fund."""
        if self.payments is None or self.payments.net_usd is None:
            return None
        return float(np.mean(self.payments.shortfall_usd <= 0))

    @property
    def filed_rate(self) -> Rate:
        """Claims filed over the population, by draw."""
        return self._rate(self.filed, "filed claims")

    @property
    def valid_rate(self) -> Rate:
        """Valid claims over the population, by draw."""
        return self._rate(self.valid, "valid claims")

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        """Return the interval of valid claims.

        Args:
            level: a fraction in (0, 1).
        """
        return _ends(self.valid, check_level(level))

    def estimates(self, level: float = LEVEL) -> list[Estimate]:
        """Return claims, their shares of the population, and payments, each with its interval.

        Args:
            level: a fraction in (0, 1).
        """
        check_level(level)
        shares = [
            self._estimate(rate.value, f"{rate.counts} of {self.population}", "fraction", level)
            for rate in (self.filed_rate, self.valid_rate)
        ]
        return [*self._counts(level), *shares, *self._money(level).values()]

    def summary(self) -> "pd.DataFrame":
        """Return claims and payments as tidy rows."""
        return summary_frame(self.estimates())

    def to_frame(self) -> "pd.DataFrame":
        """Return the draws in order: claims, then dollars due, paid and lacking, and payments."""
        columns: dict[str, Any] = {
            "filed": self.filed,
            "valid": self.valid,
            "filed_upper": self.filed_upper,
            **({} if self.payments is None else self.payments.columns()),
        }
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        return tables.frame(rows, tuple(columns))

    def plot_data(self) -> dict[str, Any]:
        """Return the claims as plain JSON types."""
        return {
            "kind": "intervals",
            "title": self.plan,
            "x": f"claims of {self.population}",
            "unit": "claims",
            "level": LEVEL,
            "series": [
                {"label": e.quantity, "estimate": e.estimate, "lower": e.lower, "upper": e.upper}
                for e in self._counts(LEVEL)
            ],
        }

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw claims filed, valid and at most, with intervals."""
        return figures.draw(self.plot_data(), ax)

    def statement(self) -> str:
        """Return sentences on claims, payments and the fund."""
        return claims_wording.claims_statement(self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain JSON types."""
        filed, valid, upper = (e.to_dict() for e in self._counts(LEVEL))
        return {
            "format": 1,
            "plan": self.plan,
            "population": self.population,
            "seed": self.seed,
            "draws": len(self.valid),
            "channels": list(self.channels),
            "filed": filed,
            "valid": valid,
            "filed_upper": upper,
            "money": {name: e.to_dict() for name, e in self._money(LEVEL).items()},
            "net_usd": None if self.payments is None else self.payments.net_usd,
            "fund_suffices": self.fund_suffices,
            "shortfall": self.shortfall,
            "assumptions": list(self.assumptions),
        }

    def __repr__(self) -> str:
        return f"<Claims: {self.statement()}>"

    def _repr_html_(self) -> str:
        return tables.html(self.summary(), self.statement(), self.assumptions)

    def _rate(self, claims: Ints, counts: str) -> Rate:
        of = "class" if self.population == CLASS else "known_buyers"
        return Rate(claims.astype(np.float64), self.size, counts=counts, of=of, unit="person")

    def _counts(self, level: float) -> list[Estimate]:
        upper = "claims filed if every channel brings its own"
        named = {"claims filed": self.filed, "valid claims": self.valid, upper: self.filed_upper}
        return [self._estimate(values, name, "claims", level) for name, values in named.items()]

    def _money(self, level: float) -> dict[str, Estimate]:
        """Return dollars by the frame's columns; none where nobody has a valid claim."""
        if self.payments is None or not self.valid.any():
            return {}
        return {
            name: self._estimate(
                values[np.isfinite(values)],
                name.removesuffix("_usd").replace("_", " "),
                "USD",
                level,
            )
            for name, values in self.payments.columns().items()
        }

    def _estimate(self, values: Any, quantity: str, unit: str, level: float) -> Estimate:
        lower, upper = _ends(values, level)
        return Estimate(
            quantity=quantity,
            segment=self.plan,
            estimate=float(values.mean()),
            lower=lower,
            upper=upper,
            level=level,
            unit=unit,
        )


def _ends(values: Any, level: float) -> tuple[float, float]:
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _paid(
    valid: Ints,
    tiers: Sequence[Tier] | None,
    fund_usd: float | Fund | None,
    shortfall: str | None,
    sampling: Sampling,
) -> Payments | None:
    if tiers is None:
        if fund_usd is not None or shortfall is not None:
            raise PlanError("what a fund pays depends on its tiers; give tiers= too")
        return None
    net = fund_usd.net_usd if isinstance(fund_usd, Fund) else fund_usd
    if net is not None and check_usd(net, "fund_usd") == 0:
        raise PlanError("fund_usd must be above 0: the net fund, or a Fund", code="RANGE")
    return pay(valid, check_tiers(tiers), net, shortfall, sampling)


def _fund_lines(
    tiers: Sequence[Tier] | None, fund_usd: float | Fund | None, paid: Payments | None
) -> list[str]:
    if tiers is None or paid is None:
        return []
    lines = [f"tier 1 pays ${float(tiers[0].amount_usd):,.2f}"]
    lines += [
        f"tier 2 takes {describe(tier.share)} of valid claims and pays "
        f"{describe(tier.amount_usd)}, of which {paid.inside:.1%} lies within its cap of "
        f"${tier.cap_usd:,.0f} and is used"
        for tier in tiers[1:]
    ]
    if isinstance(fund_usd, Fund):
        lines.append(f"the net fund is ${fund_usd.net_usd:,.0f}: {fund_usd}")
    elif fund_usd is not None:
        lines.append(f"the net fund is ${fund_usd:,.0f} as given; nothing is taken from it")
    return lines
