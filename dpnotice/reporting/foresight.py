"""Sentences about answers that do not exist yet: forecasts, frontiers, advice on tables.

In: the plain dictionaries of those results. Out: text. Half-widths are rounded up.
"""

from collections.abc import Mapping
from typing import Any

from dpnotice.reporting.wording import level_text, points


def forecast_sentence(facts: Mapping[str, Any]) -> str:
    """Return the half-width that an answer will have as a sentence."""
    least, most = facts["class_size"]
    size = f"{least:,.0f}" if least == most else f"{least:,.0f} to {most:,.0f}"
    asked = f"{facts['quantity']} ({facts['segment']})"
    given = f"At {facts['loss']} per buyer and {size} buyers, the {asked}"
    fewest = facts["smallest_class"]
    need = f"one point either way takes {fewest:,} buyer{'' if fewest == 1 else 's'}"
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
        f"{name} would have two thirds of its noise or less with a table of its own."
        for name in facts["unlisted"]
    ]
    lines += [
        f"Table {name} costs more than it gives: without it what is quoted would be as sharp."
        for name in facts["costly"]
    ]
    if not facts["is_proposed"]:
        lines.append(f"Proposed tables: {'; '.join(facts['proposed'])}.")
    return tuple(lines)
