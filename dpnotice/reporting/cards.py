"""Pages for a retailer: what leaves, whom it protects, what it costs; before an answer and after.

In: facts, as plain JSON types. Out: text of at most 100 columns, the digests apart.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from dpnotice.reporting.wording import percent

_MOST_DIGITS: Final = 12
_LARGEST_EXPONENT: Final = 700.0
_IN_THE_FILE: Final = (
    "In the file: how many buyers fall into each cell of the tables below, each number with",
    "random noise, and the noise's law. Not in the file: names, addresses, ids, exact counts,",
    "sums of money, times. Buyers without an id (guests) are not covered by the counts.",
)
_IDS: Final = {
    "as_is": "as they are",
    "trim": "without blanks around them",
    "trim_ascii_lower": "without blanks around them, in lower case",
}
_AND_THE_BITMAP: Final = "Also in the file: the bitmap below the tables."
_KEYS: Final = {"email": "an e-mail address", "id": "an id that the retailers share"}
_STATES: Final = {
    "new": "new: an answer would be debited",
    "artifact": "answered before: the same file would come back, at no cost",
    "lost": "an earlier answer was declared lost: --new-attempt would be debited again",
    "open": "debited without an answer: another process is at work, or it crashed (BUDGET_OPEN)",
}


def privacy_card(facts: Mapping[str, Any]) -> str:
    """Return the page on what a release says and costs."""
    inquiry = facts["inquiry"]
    start, end = inquiry["period"]
    lines = [
        f"WHAT LEAVES {facts['retailer'].upper()}: ONE FILE",
        "",
        f"Matter      {inquiry['title']} ({inquiry['name']})",
        f"Question    buyers of {inquiry['products']['count']:,} products from {start} to the day",
        f"            before {end} ({inquiry['timezone']})",
        f"            SHA-256 of the question {facts['digest']}",
        f"Answered    {facts['date']}, attempt {facts['attempt']}",
        f"File        SHA-256 {facts['sha256']}",
        *([f"Signed by   {facts['signed_by']}"] if facts["signed_by"] else []),
        f"Buyer ids   compared {_IDS[facts['ids']]}",
        "",
        *_contents(facts),
    ]
    return "\n".join([*lines, "", *_promise(facts)])


def rehearsal_page(facts: Mapping[str, Any]) -> str:
    """Return the page on what an answer would read, cost and hand over."""
    paid = f"spent before {facts['spent']} of {facts['cap']}"
    lines = [
        "DRY RUN: NO ROW WAS READ, NOTHING WAS DEBITED, NOTHING LEAVES",
        "",
        f"Matter      {facts['inquiry']['title']} ({facts['inquiry']['name']})",
        f"Retailer    {facts['retailer']}",
        f"Engine      {facts['engine']}; buyer ids are compared {_IDS[facts['ids']]}",
        "",
        "Argument                 Column                            Type",
        *(f"{argument:<24} {column:<33} {kind}" for argument, column, kind in facts["columns"]),
        "",
        *_contents(facts),
        "",
        f"Cost        {facts['measure']} {facts['asked']}; {paid}",
        f"Request     {_STATES[facts['state']]}",
        *_quieter_lines(facts["quieter"]),
    ]
    return "\n".join(
        [*lines, "", "THE QUERY", "", facts["counting"], "A QUERY FOR YOU ALONE", ""]
    ) + (f"\n{facts['coverage']}")


def _quieter_lines(quieter: Mapping[str, Any] | None) -> list[str]:
    """Say that the other noise law would be quieter, where it would."""
    if quieter is None:
        return []
    return [
        f"Noise       with this many tables, Gaussian noise under rho {quieter['rho']} (epsilon",
        f"            {quieter['epsilon']} but for a chance of {quieter['delta']}) would have",
        f"            {percent(quieter['ratio'])} of this s.d.; an inquiry asks for it by a delta",
    ]


def _contents(facts: Mapping[str, Any]) -> list[str]:
    """Say what is in the file and what is not."""
    if facts["sketch"] is None:
        return [*_IN_THE_FILE, "", *_noise_lines(facts["tables"])]
    lines = [*_IN_THE_FILE, _AND_THE_BITMAP, "", *_noise_lines(facts["tables"]), ""]
    return [*lines, *_sketch_lines(facts["sketch"], facts["inquiry"]["privacy"])]


def _noise_lines(tables: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = [
        "Table                                     cells   noise s.d.   95% of the noise within"
    ]
    for table in tables:
        name = " x ".join(table["of"]) or "total"
        lines.append(
            f"{name:<40} {table['cells']:>6,}   {table['sd']:>10.1f}   "
            f"+-{table['half_width']:,} people"
        )
    return lines


def _sketch_lines(sketch: Mapping[str, Any], privacy: Mapping[str, Any]) -> list[str]:
    """Say what the bitmap is, in plain words, and what part of the loss it has."""
    key, chance = _KEYS[sketch["key"]], percent(sketch["flip"], 2)
    tables = " ".join(f"{name} {privacy[name]}" for name in ("epsilon", "rho") if name in privacy)
    return [
        f"Bitmap      {sketch['bytes']:,} bytes, so that a buyer of several retailers is counted",
        f"            once. Each buyer with {key} sets one bit;",
        f"            its place is a hash, {sketch['keyed']}. Then every bit, set or not,",
        f"            is flipped with a chance of {chance}, so that no bit shows for certain",
        "            whether a buyer set it. The docket's key only slows outsiders down: what is",
        "            said of the loss holds even where everybody has it.",
        f"            Buyers without {key} are not in the bitmap;",
        "            the axis keyed of the tables counts the others (yes) and them (no).",
        f"            Loss: the bitmap epsilon {sketch['epsilon']}, the tables {tables}.",
    ]


def _promise(facts: Mapping[str, Any]) -> list[str]:
    loss = facts["loss"]
    lines = [
        "Protected: each buyer, with all of their purchases here. The noise hides whether any one",
        "buyer is in the data at all, whatever else somebody knows.",
    ]
    if facts["measure"] == "epsilon":
        factor = math.ceil(100 * math.exp(min(facts["epsilon"], _LARGEST_EXPONENT))) / 100
        tenth, half = map(_at_most, facts["beliefs"])
        lines += [
            f"Privacy loss: epsilon {loss}, all of it together. From this file nobody's odds that",
            f"a given person is a buyer change by more than a factor of {factor:,.2f}:",
            f"a belief of 10% to at most {tenth}, a belief of 50% to at most {half}.",
        ]
    else:
        epsilon = math.ceil(100 * facts["epsilon"]) / 100
        lines += [
            f"Privacy loss: rho {loss} (zero-concentrated), all of it; epsilon {epsilon:.2f}",
            f"but for a chance of {facts['delta']:g}.",
        ]
    lines.append(
        "A person who bought at several retailers loses at most the sum over their releases."
    )
    if facts["left"] is not None:
        lines.append(f"Left in this retailer's account for the matter: {facts['left']}.")
    return lines


def _at_most(belief: float) -> str:
    """Return a belief in percent, rounded up, with digits enough never to print 100%."""
    digits = 1
    while math.ceil(belief * 10 ** (digits + 2)) >= 10 ** (digits + 2) and digits < _MOST_DIGITS:
        digits += 1
    return f"{math.ceil(belief * 10 ** (digits + 2)) / 10**digits:.{digits}f}%"
