"""Frames and HTML tables.

In: rows of plain values. Out: tidy pandas frames, and escaped HTML for notebooks and pages.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from itertools import product
from typing import TYPE_CHECKING, Any, Final

from dpnotice.reporting import wording

if TYPE_CHECKING:
    import pandas as pd

MOST_ROWS: Final = 200
"""Rows shown as HTML; the rest is named, and stands in the frame."""
_UNITS: Final = {
    "reach": "fraction",
    "lower": "fraction",
    "upper": "fraction",
    "probability_at_least": "fraction",
    "probability_at_least_upper": "fraction",
    "cost_usd": "USD",
    "cost_lower": "USD",
    "cost_upper": "USD",
}
"""Units of the columns of a comparison, which has no column `unit`."""
_DEVIATIONS: Final = frozenset({"sd", "sd_proposed", "noise_sd"})


def frame(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> "pd.DataFrame":
    """Return rows as a frame with exactly these columns, in order."""
    import pandas as pd  # noqa: PLC0415 -- pandas takes most of a second to import

    return pd.DataFrame(list(rows), columns=list(columns))


def cells(
    levels: Mapping[str, Sequence[str]],
    numbers: Mapping[str, Any],
    constants: Mapping[str, str | float],
) -> "pd.DataFrame":
    """Return one row per combination of levels, the last axis fastest.

    Args:
        levels: axis -> its levels, a column each.
        numbers: column -> an array of one number per row.
        constants: column -> the value of all rows.
    """
    import pandas as pd  # noqa: PLC0415 -- pandas takes most of a second to import

    made = pd.DataFrame(product(*levels.values()), columns=list(levels))
    return made.assign(**numbers, **constants)


def release_frame(
    released: Iterable[tuple[tuple[str, ...], Mapping[str, Any], Any, Any]],
) -> "pd.DataFrame":
    """Return every released number: table, cell, count, and the law and s.d. of its noise.

    Args:
        released: per table its axes, all axes by name (with `.levels`), counts and noise.
    """
    rows = []
    for names, axes, counts, noise in released:
        cells = product(*(axes[name].levels for name in names))
        rows += [
            {
                "table": " x ".join(names) or "total",
                "cell": ", ".join(cell) or "all",
                "count": int(count),
                "noise": str(noise.law),
                "noise_sd": noise.sd,
            }
            for cell, count in zip(cells, counts.ravel(), strict=True)
        ]
    return frame(rows, ("table", "cell", "count", "noise", "noise_sd"))


def html(data: "pd.DataFrame", sentence: str, assumptions: Sequence[str] = ()) -> str:
    """Return a sentence, a table and the assumptions as escaped HTML."""
    return f"<p>{escape(sentence)}</p>{table(data)}{_list(assumptions)}"


def table(data: "pd.DataFrame") -> str:
    """Return a frame as an escaped HTML table, numbers worded for people."""
    more = len(data) - MOST_ROWS
    data = data.head(MOST_ROWS)
    units = list(data["unit"]) if "unit" in data else [""] * len(data)
    head = "".join(f'<th scope="col">{escape(str(name))}</th>' for name in data.columns)
    body = "".join(
        "<tr>"
        + "".join(
            f"<td>{escape(_shown(name, value, unit))}</td>"
            for name, value in zip(data.columns, row, strict=True)
        )
        + "</tr>"
        for row, unit in zip(data.itertuples(index=False, name=None), units, strict=True)
    )
    note = f"<p>and {more:,} more rows, in the frame</p>" if more > 0 else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{note}"


def preformatted(text: str) -> str:
    """Return text as it stands, escaped."""
    return f"<pre>{escape(text)}</pre>"


def _list(lines: Sequence[str]) -> str:
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f"<ul>{items}</ul>" if items else ""


def _shown(name: str, value: object, unit: str) -> str:
    if value is None or isinstance(value, (str, bool)) or not isinstance(value, (int, float)):
        return "" if value is None else str(value)
    if not math.isfinite(value):
        return _absent(name, value)
    return wording.level_text(value) if name == "level" else _number(name, float(value), unit)


def _absent(name: str, value: float) -> str:
    if math.isinf(value):
        return "no interval"
    return "bounds only" if name in {"estimate", "reach"} else "not given"


def _number(name: str, value: float, unit: str) -> str:
    if name.endswith("half_width"):
        return wording.points(value)
    if name in _DEVIATIONS:
        return f"{value:,.1f}"
    unit = unit or _UNITS.get(name, "")
    if name.endswith(("lower", "upper")):
        return wording.outward(value, unit, up=name.endswith("upper"))
    return wording.figure(value, unit)
