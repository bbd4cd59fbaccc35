"""dpnotice: estimate how far class-action notice would reach, without anyone handing over a name.

The public names, in order of use. Everything is loaded on first use, so that importing the package
is quick and the analyst's side runs without the retailer's engines.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from dpnotice.version import __version__ as __version__

if TYPE_CHECKING:
    from dpnotice import datasets as datasets
    from dpnotice.advice import advise as advise
    from dpnotice.analyst import classic as classic
    from dpnotice.analyst.audit.audit import audit as audit
    from dpnotice.analyst.claims import priors as priors
    from dpnotice.analyst.claims.claims import expected_claims as expected_claims
    from dpnotice.analyst.claims.fund import Fund as Fund
    from dpnotice.analyst.claims.fund import Tier as Tier
    from dpnotice.analyst.claims.ratios import Rate as Rate
    from dpnotice.analyst.combine import estimate_class as estimate_class
    from dpnotice.analyst.compare import compare as compare
    from dpnotice.analyst.dependence.duplications import Duplications as Duplications
    from dpnotice.analyst.direct import Direct as Direct
    from dpnotice.analyst.media.curve import Curve as Curve
    from dpnotice.analyst.media.digital import Digital as Digital
    from dpnotice.analyst.media.drift import Drift as Drift
    from dpnotice.analyst.media.publication import Broadcast as Broadcast
    from dpnotice.analyst.media.publication import Print as Print
    from dpnotice.analyst.overlap.error import plan_error as plan_error
    from dpnotice.analyst.placing import delivery_by as delivery_by
    from dpnotice.analyst.plan import NoticePlan as NoticePlan
    from dpnotice.analyst.rates import beta as beta
    from dpnotice.analyst.rates import lognormal as lognormal
    from dpnotice.analyst.reach import estimate_reach as estimate_reach
    from dpnotice.analyst.together import load_releases as load_releases
    from dpnotice.errors import DpnoticeError as DpnoticeError
    from dpnotice.forecasting import forecast as forecast
    from dpnotice.forecasting import solve_epsilon as solve_epsilon
    from dpnotice.inquiry import Inquiry as Inquiry
    from dpnotice.release import Release as Release
    from dpnotice.retailer.answer import answer as answer
    from dpnotice.retailer.ledger import Ledger as Ledger
    from dpnotice.retailer.purchases import Buyers as Buyers
    from dpnotice.retailer.purchases import Purchases as Purchases
    from dpnotice.retailer.rehearsal import rehearse as rehearse
    from dpnotice.retailer.sql import counting_sql as counting_sql

_HOMES: Final = {
    "Inquiry": "dpnotice.inquiry",
    "Purchases": "dpnotice.retailer.purchases",
    "Buyers": "dpnotice.retailer.purchases",
    "counting_sql": "dpnotice.retailer.sql",
    "Ledger": "dpnotice.retailer.ledger",
    "answer": "dpnotice.retailer.answer",
    "rehearse": "dpnotice.retailer.rehearsal",
    "Release": "dpnotice.release",
    "load_releases": "dpnotice.analyst.together",
    "estimate_class": "dpnotice.analyst.combine",
    "beta": "dpnotice.analyst.rates",
    "lognormal": "dpnotice.analyst.rates",
    "Print": "dpnotice.analyst.media.publication",
    "Broadcast": "dpnotice.analyst.media.publication",
    "Digital": "dpnotice.analyst.media.digital",
    "Curve": "dpnotice.analyst.media.curve",
    "Direct": "dpnotice.analyst.direct",
    "delivery_by": "dpnotice.analyst.placing",
    "Duplications": "dpnotice.analyst.dependence.duplications",
    "Drift": "dpnotice.analyst.media.drift",
    "NoticePlan": "dpnotice.analyst.plan",
    "estimate_reach": "dpnotice.analyst.reach",
    "compare": "dpnotice.analyst.compare",
    "expected_claims": "dpnotice.analyst.claims.claims",
    "Tier": "dpnotice.analyst.claims.fund",
    "Fund": "dpnotice.analyst.claims.fund",
    "Rate": "dpnotice.analyst.claims.ratios",
    "audit": "dpnotice.analyst.audit.audit",
    "forecast": "dpnotice.forecasting",
    "solve_epsilon": "dpnotice.forecasting",
    "advise": "dpnotice.advice",
    "plan_error": "dpnotice.analyst.overlap.error",
    "DpnoticeError": "dpnotice.errors",
}

__all__ = [
    "Inquiry",
    "Purchases",
    "Buyers",
    "counting_sql",
    "Ledger",
    "rehearse",
    "answer",
    "Release",
    "load_releases",
    "estimate_class",
    "beta",
    "lognormal",
    "Print",
    "Broadcast",
    "Digital",
    "Curve",
    "Direct",
    "delivery_by",
    "Duplications",
    "Drift",
    "NoticePlan",
    "estimate_reach",
    "compare",
    "expected_claims",
    "priors",
    "Tier",
    "Fund",
    "Rate",
    "audit",
    "classic",
    "forecast",
    "solve_epsilon",
    "advise",
    "plan_error",
    "DpnoticeError",
    "datasets",
    "__version__",
]


_MODULES: Final = {
    "datasets": "dpnotice.datasets",
    "classic": "dpnotice.analyst.classic",
    "priors": "dpnotice.analyst.claims.priors",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(_MODULES[name])
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"dpnotice has no public name {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
