"""Sentences about answers that do not exist yet: forecasts, frontiers, advice on tables.

In: the plain dictionaries of those results. Out: text. Half-widths are rounded up.
"""

import math
from collections.abc import Mapping
from typing import Any, Final

from dpnotice.reporting.wording import level_text

_DUST: Final = 1e-9


def points(half_width: float) -> str:
    """Return a half-width in percentage points, rounded up to two digits that count.

    >>> points(0.01234)
    '1.3 points'
    """
    if half_width <= 0:
        return "0 points"
    digits = max(0, 1 - math.floor(math.log10(100 * half_width)))
    rounded = math.ceil(100 * half_width * 10**digits - _DUST) / 10**digits
    return f"{rounded:,.{digits}f} point{'' if rounded == 1 else 's'}"


def forecast_sentence(facts: Mapping[str, Any]) -> str:
    """Return the half-width that an answer will have as a sentence."""
    least, most = facts["class_size"]
    size = f"{least:,.0f}" if least == most else f"{least:,.0f} to {most:,.0f}"
    asked = f"{facts['quantity']} ({facts['segment']})"
    given = f"At {facts['loss']} per buyer and {size} buyers, the {asked}"
    need = f"one point either way takes {facts['smallest_class']:,} buyers"
    if facts["half_width"] is None:
        return f"{given} could not be determined: the noise hides the buyers; {need}."
    worst = facts["worst_half_width"]
    told = "not at all" if worst is None else f"within {points(worst)}"
    return (
        f"{given} would be known within {points(facts['half_width'])} as far as the noise goes "
        f"({level_text(facts['level'])} confidence; at worst {told}); {need}."
    )


def frontier_sentence(facts: Mapping[str, Any]) -> str:
    """Return the two ends of a frontier as a sentence."""
    first, last = facts["rows"][0], facts["rows"][-1]
    ends = [
        f"{facts['measure']} {row['loss']} gives "
        + ("no interval" if row["half_width"] is None else points(row["half_width"]))
        for row in (first, last)
    ]
    return (
        f"For the {facts['quantity']} ({facts['segment']}), {ends[0]} and {ends[1]} either way "
        f"({level_text(facts['level'])} confidence)."
    )


def advice_sentences(facts: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what is to be said of a list of tables, one sentence each."""
    lines = [
        f"{name} is to be quoted, but no table holds these axes together, so it could not be given."
        for name in facts["missing"]
    ]
    lines += [
        f"{name} would be sharper by half or more with a table of its own."
        for name in facts["unlisted"]
    ]
    lines += [
        f"Table {name} costs more than it gives: without it what is quoted would be as sharp."
        for name in facts["costly"]
    ]
    if not facts["is_proposed"]:
        lines.append(f"Proposed tables: {'; '.join(facts['proposed'])}.")
    return tuple(lines)
