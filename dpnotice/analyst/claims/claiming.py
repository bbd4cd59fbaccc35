"""Rates of claims, and the claims that persons told through several channels would file.

In: persons by channel, a rate for each channel. Out: claims filed by draw, at most one per person,
and the upper figure. A rate is per person *sent* a notice: delivery and seeing are already in it.
"""

import math
from collections.abc import Mapping
from typing import Final

import numpy as np

from dpnotice.analyst.claims.payments import Ints
from dpnotice.analyst.claims.priors import Prior
from dpnotice.analyst.claims.ratios import CLAIMS, Rate
from dpnotice.analyst.claims.recipients import CHANNELS, Recipients
from dpnotice.analyst.intervals import Floats
from dpnotice.analyst.rates import Quantity, check_fraction, check_plain, describe
from dpnotice.analyst.sampling import Sampling
from dpnotice.errors import PlanError

PUBLICATION: Final = "publication"
_OF: Final = {"validity": "claims", PUBLICATION: "reached"}
"""What a rate must be of; that of a channel is of those sent a notice."""


def used_rates(rates: object, people: Recipients) -> dict[str, Quantity]:
    """Return the rates that the plan's channels need, publication's where it alone reaches some.

    Raises:
        PlanError: naming a channel that is unknown or whose rate is missing.
    """
    known = (*CHANNELS, PUBLICATION)
    if not isinstance(rates, Mapping) or any(channel not in known for channel in rates):
        raise PlanError(f"rates maps channels ({', '.join(known)}) to rates, got {rates!r}")
    missing = [channel for channel in people.channels if channel not in rates]
    if missing:
        raise PlanError(
            f"rates lacks {', '.join(missing)}, through which the plan sends notice; give the "
            "claims per person sent, such as dn.priors.claims_email"
        )
    alone = bool((people.published > 0).any())
    if alone and PUBLICATION not in rates:
        raise PlanError(
            "rates lacks publication, which alone reaches some persons, and no source gives their "
            "claims; state a rate, 0.0 if they are to be left out"
        )
    return {c: rates[c] for c in (*people.channels, *((PUBLICATION,) if alone else ()))}


def draw_rate(value: Quantity, field: str, sampling: Sampling) -> Floats:
    """Return a rate once per draw, (draws,), the same for everybody.

    Args:
        value: number, law, prior, or `Rate`.
        field: the channel, or ``"validity"``; the key of the rate's random stream.
        sampling: without axes.

    Raises:
        PlanError: no fraction, varying by axes, or a rate of other persons or at another stage.
    """
    if isinstance(value, (Rate, Prior)):
        _check_kind(value, field)
    if isinstance(value, Rate):
        value = value.value
    if isinstance(value, np.ndarray):
        if value.shape != (sampling.draws,) or value.min() < 0 or value.max() > 1:
            raise PlanError(f"{field} must be one fraction in each of {sampling.draws:,} draws")
        return value
    check_plain(check_fraction(value, field), field)
    return np.broadcast_to(sampling.sample(value, f"claims/{field}"), sampling.draws)


def draw_filed(people: Recipients, drawn: Mapping[str, Floats], sampling: Sampling) -> Ints:
    """Return the claims filed, (draws,): everybody at most once, at the rate of their best channel.

    Persons are rounded, and taken as none where they are estimated below 0, for the binomial only.
    """
    told = {**people.by_best(drawn), PUBLICATION: people.published}
    filed = np.zeros(sampling.draws, dtype=np.int64)
    for channel, rate in drawn.items():
        persons = np.maximum(np.rint(told[channel]), 0).astype(np.int64)
        filed += sampling.stream(f"claims/{channel}/filed").binomial(persons, rate)
    return filed


def upper_filed(people: Recipients, drawn: Mapping[str, Floats]) -> Floats:
    """Return the claims expected if a person's channels brought claims independently, (draws,).

    Formula: sum over sets T of channels of persons told through exactly T, times
    1 - prod over c in T of (1 - p_c).
    """
    upper = people.published * drawn.get(PUBLICATION, np.zeros(()))
    for channels, persons in people.exactly().items():
        upper = upper + persons * (1 - math.prod(1 - drawn[channel] for channel in channels))
    return upper


def rate_lines(used: Mapping[str, Quantity], validity: Quantity) -> list[str]:
    """Return what the claims rest on, with sources, in words."""
    per = {PUBLICATION: "claims per person whom publication alone reaches"}
    lines = [
        f"{per.get(channel, f'claims per person sent a notice by {channel}')}: {_said(rate)}"
        for channel, rate in used.items()
    ]
    return [
        *lines,
        "a person whom several channels reach claims once, at the highest of their rates",
        "publication brings no claims of persons who are sent a notice (FTC 2019)",
        f"share of claims that are valid: {_said(validity)}",
    ]


def _check_kind(rate: Rate | Prior, field: str) -> None:
    """Refuse a rate of other persons, of claims at another stage, or per household."""
    of = _OF.get(field, "sent")
    filed = field == "validity" or rate.counts in CLAIMS
    if rate.of != of or not filed or getattr(rate, "unit", "person") != "person":
        counted = "valid claims" if field == "validity" else "claims filed"
        raise PlanError(
            f"{field} must be {counted} of {of}, per person, got {rate}; a rate of those who saw "
            "it becomes one by (claims of seen) * (seen of sent)"
        )


def _said(value: Quantity) -> str:
    if isinstance(value, Prior):
        return str(value)
    if isinstance(value, Rate):
        return f"{value}; {value.source or 'no source given'}"
    return f"{describe(value)}; no source given"
