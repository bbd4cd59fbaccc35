"""Rates from the literature, each with its evidence, as named objects that the models draw from.

In: nothing. Out: `Prior` laws for rates of the ladder and of claims, and `Reference` figures to set
beside a forecast. Where a source gives one figure, the spread is elicited and said to be so. There
is none for validity or for claims after publication alone: no source was found.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
from scipy.special import expit

from dpnotice.analyst.intervals import Floats
from dpnotice.analyst.rates import Beta, Law, Uniform, check_fraction, check_text
from dpnotice.errors import PlanError

_NODES: Final = 64
"""Gauss-Hermite nodes of a mean; exact to 1e-9 at the spreads of rates."""

FTC_2019: Final = "FTC staff report, Consumers and Class Actions, 149 settlements"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogitNormal:
    """A fraction whose logit is normal.

    Attributes:
        median: of the fraction, strictly between 0 and 1.
        logit_sd: standard deviation of the logit, above 0.
    """

    median: float
    logit_sd: float

    def __post_init__(self) -> None:
        if not 0 < self.median < 1 or not 0 < self.logit_sd < math.inf:
            raise PlanError(
                "a logit-normal law needs 0 < median < 1 and logit_sd above 0, got "
                f"{self.median!r} and {self.logit_sd!r}; percentages?",
                code="RANGE",
            )

    def rvs(self, size: int, random_state: np.random.Generator) -> Floats:
        """Return draws in (0, 1)."""
        return self._at(random_state.standard_normal(size))

    def mean(self) -> float:
        """Return the mean, by Gauss-Hermite quadrature."""
        nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
        return float(self._at(nodes) @ weights / weights.sum())

    def support(self) -> tuple[float, float]:
        """Return (0, 1)."""
        return 0.0, 1.0

    def _at(self, normal: Floats) -> Floats:
        middle = math.log(self.median / (1 - self.median))
        return np.asarray(expit(middle + self.logit_sd * normal))


@dataclass(frozen=True, slots=True, kw_only=True)
class Prior:
    """A law for a rate, with what it rests on; it is itself a law wherever a rate is asked for.

    Attributes:
        counts: what the rate counts.
        of: of what: ``"sent"`` is per person or piece sent, not per delivered or seen.
        law: the law of the rate of one settlement.
        evidence: the figures that the law was made from.
        source: where they come from; None where it is elicited alone.
        as_of: their date.
    """

    counts: str
    of: str
    law: Law
    evidence: str
    source: str | None = None
    as_of: str | None = None

    def __post_init__(self) -> None:
        check_fraction(self.law, f"{self.counts} of {self.of}")
        for field in ("counts", "of", "evidence"):
            check_text(getattr(self, field), field)

    def rvs(self, size: int, random_state: np.random.Generator) -> Floats:
        """Return draws of the law."""
        return np.asarray(self.law.rvs(size=size, random_state=random_state))

    def mean(self) -> float:
        """Return the law's mean."""
        return float(self.law.mean())

    def support(self) -> tuple[float, float]:
        """Return the ends of the law's support."""
        low, high = self.law.support()
        return float(low), float(high)

    def __str__(self) -> str:
        source = f"; {self.source}" if self.source else ""
        as_of = f" (as of {self.as_of})" if self.as_of else ""
        return f"{self.law!r}; {self.evidence}{source}{as_of}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """Published figures to set beside a forecast; nothing is drawn from them.

    Attributes:
        counts: what the rates count.
        of: of what.
        figures: name -> a fraction.
        source: where they come from.
        as_of: their date.
    """

    counts: str
    of: str
    figures: Mapping[str, float]
    source: str
    as_of: str

    def __post_init__(self) -> None:
        for name, value in self.figures.items():
            check_fraction(value, f"{self.counts}: {name}")
        object.__setattr__(self, "figures", MappingProxyType(dict(self.figures)))


undeliverable_mail: Final = Prior(
    counts="undeliverable",
    of="sent",
    law=Beta(a=4, b=56),
    evidence="about 6.75% of marketing mail; the spread is elicited",
    source="trade source on United States Postal Service figures",
)
rescued_mail: Final = Prior(
    counts="delivered after re-mailing",
    of="undeliverable",
    law=Uniform(low=0.2, high=0.7),
    evidence="no figure was found; elicited",
)
bounced_email: Final = Prior(
    counts="bounced",
    of="sent",
    law=Beta(a=1, b=9),
    evidence="no distribution was found; elicited, and the retailer knows better",
)
claims_packet: Final = Prior(
    counts="claims",
    of="sent",
    law=LogitNormal(median=0.13, logit_sd=0.8),
    evidence="median 16%, mean weighted by members notified 10%; the spread is elicited",
    source=f"{FTC_2019}, reported in National Law Journal, 20 September 2019",
    as_of="September 2019",
)
claims_postcard: Final = Prior(
    counts="claims",
    of="sent",
    law=Beta(a=3, b=47),
    evidence="mean weighted by members notified 6%, about 10% with a detachable form; the spread is"
    " elicited",
    source=f"{FTC_2019}, reported in Classified Class Action, 11 March 2020",
    as_of="September 2019",
)
claims_email: Final = Prior(
    counts="claims",
    of="sent",
    law=Beta(a=1.5, b=58.5),
    evidence="median 2%, mean weighted by members notified 3%; the spread is elicited",
    source=f"{FTC_2019}, reported in National Law Journal, 20 September 2019",
    as_of="September 2019",
)
claims_any: Final = Reference(
    counts="claims",
    of="sent",
    figures={"median": 0.09, "weighted mean": 0.04},
    source=f"{FTC_2019}, reported in Classified Class Action, 11 March 2020",
    as_of="September 2019",
)
opt_outs: Final = Reference(
    counts="opt-outs",
    of="sent",
    figures={"of recipients": 0.0001},
    source=f"{FTC_2019}, reported in Classified Class Action, 11 March 2020",
    as_of="September 2019",
)
objections: Final = Reference(
    counts="objections",
    of="sent",
    figures={"of recipients": 0.000003},
    source=f"{FTC_2019}, reported in Classified Class Action, 11 March 2020",
    as_of="September 2019",
)
recognised: Final = Reference(
    counts="recognised as notice of a class action",
    of="volunteers of an internet panel",
    figures={"in the inbox": 0.38, "steps to a refund understood": 0.40},
    source="FTC staff report, Consumers and Class Actions, study of e-mail notice,"
    " reported in consumerclassdefense.com, November 2019",
    as_of="September 2019",
)
