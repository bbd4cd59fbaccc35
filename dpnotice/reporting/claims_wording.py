"""Sentences about claims: rates printed whole, claims filed and valid, what a fund pays.

In: the plain dictionaries of those results. Out: text. Payments show cents, as they are small.
"""

import math
from collections.abc import Mapping
from typing import Any, Final

from dpnotice.reporting.wording import (
    dollars,
    level_text,
    number,
    percent,
    point_and_interval,
    probability,
)

OF: Final = {
    "class": "the class",
    "known_buyers": "known buyers",
    "identified": "those identified",
    "sent": "those sent a notice",
    "delivered": "those to whom it was delivered",
    "seen": "those who saw it",
    "reached": "those reached",
    "claims": "claims filed",
}
"""What a rate is taken of -> how it reads."""
UNITS: Final = {
    "person": "persons",
    "buyer": "buyers",
    "household": "households",
    "address": "addresses",
    "device": "devices",
    "purchase": "purchases",
    "copy": "copies",
}
"""What a rate is counted in -> its plural."""
_BEARS: Final = {
    "pro_rata_all": "borne by all claims in proportion",
    "tier1_first": "borne by tier 2 before tier 1",
    "tier2_first": "borne by tier 1 before tier 2",
}


def rate_text(rate: Mapping[str, Any]) -> str:
    """Return a rate with its numerator, denominator and unit; one drawn is printed by its means."""
    about = "about " if rate["drawn"] else ""
    return (
        f"{_share(rate['value'])} of {OF[rate['of']]} ({about}{number(rate['numerator'])} "
        f"{rate['counts']} of {number(rate['denominator'])} {UNITS[rate['unit']]})"
    )


def claims_statement(facts: Mapping[str, Any]) -> str:
    """Return a result on claims as sentences: claims, then payments and the fund where given.

    Args:
        facts: `to_dict` of the result.
    """
    sentences = [_claims(facts)]
    if facts["money"]:
        sentences.append(_payments(facts["money"]))
    if facts["fund_suffices"] is not None:
        sentences.append(_fund(facts))
    return " ".join(sentences)


def _claims(facts: Mapping[str, Any]) -> str:
    filed, valid, upper = (_counted(facts[key]) for key in ("filed", "valid", "filed_upper"))
    text = (
        f"We estimate that {facts['population']} would file {filed} after the notice of plan "
        f'"{facts["plan"]}", and that {valid} would be valid.'
    )
    if len(facts["channels"]) > 1:
        text += f" Should every channel bring its own, {upper} would be filed."
    return text


def _payments(money: Mapping[str, Any]) -> str:
    mean, median, least, largest = (
        cents(money[f"{size}_payment_usd"]["estimate"])
        for size in ("mean", "median", "least", "largest")
    )
    return (
        f"A valid claim would be paid {mean} in the mean and {median} in the median, from {least} "
        f"to {largest}."
    )


def _fund(facts: Mapping[str, Any]) -> str:
    """Return whether the net fund suffices, without a verdict."""
    text = (
        f"The chance that the net fund of {dollars(facts['net_usd'])} pays all that is due is "
        f"{probability(facts['fund_suffices'])}"
    )
    lacking = facts["money"].get("shortfall_usd")
    if lacking is None or lacking["estimate"] <= 0:
        return f"{text}."
    middle, ends = point_and_interval(lacking)
    return (
        f"{text}; the expected shortfall is {middle} ({level_text(lacking['level'])} interval "
        f"{ends}), {_BEARS[facts['shortfall']]}."
    )


def cents(value: float) -> str:
    """Return dollars with cents.

    >>> cents(31.9876)
    '$31.99'
    """
    return f"${value:,.2f}"


def _share(value: float) -> str:
    """Return a percentage with a decimal, more where it takes them to show two digits."""
    digits = 1 if value <= 0 else max(1, 1 - math.floor(math.log10(100 * value)))
    return percent(value, digits=digits)


def _counted(estimate: Mapping[str, Any]) -> str:
    """Return claims to two digits, ends outward: at steps of half an s.d. filed and valid merge."""
    step = 10 ** max(0, math.floor(math.log10(max(1.0, estimate["estimate"]))) - 1)
    middle = round(estimate["estimate"] / step) * step
    low = math.floor(estimate["lower"] / step) * step
    high = math.ceil(estimate["upper"] / step) * step
    level = level_text(estimate["level"])
    return f"{middle:,} claims ({level} interval {low:,} to {high:,})"
