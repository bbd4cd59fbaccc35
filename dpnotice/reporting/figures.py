"""Pictures from plain dictionaries.

In: `plot_data` of a result. Out: matplotlib axes or figures, or SVG text. Nothing global changes.
"""

import io
import re
from typing import TYPE_CHECKING, Any, Final

from dpnotice.reporting import maps, wording

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from dpnotice.reporting import Axes

INK: Final = "#000000"
BLUE: Final = "#0072B2"
ORANGE: Final = "#E69F00"
VERMILION: Final = "#D55E00"
_COLOURS: Final = (INK, BLUE, VERMILION, ORANGE)
_LINES: Final = ("-", "--", ":", "-.")


def draw(data: dict[str, Any], ax: "Axes | None" = None) -> "Axes":
    """Draw plot data into axes.

    Args:
        data: `kind` is ``intervals``, ``composition``, ``curve`` or ``cells``; see the results'
            `plot_data`.
        ax: where to draw; without it a new figure is made.

    Returns:
        The axes drawn into.
    """
    if ax is None:
        import matplotlib.pyplot as plt  # noqa: PLC0415 -- matplotlib takes 0.3 s to import

        _, ax = plt.subplots(figsize=_size(data), layout="constrained")
    kinds = {"curve": _curve, "cells": maps.draw_cells}
    kinds.get(data["kind"], _intervals)(data, ax)
    if data.get("title"):
        ax.set_title(data["title"], loc="left", parse_math=False)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    return ax


def figure(data: dict[str, Any]) -> "Figure":
    """Draw plot data into a figure of its own, outside pyplot's state."""
    from matplotlib.figure import Figure  # noqa: PLC0415 -- matplotlib takes 0.3 s to import

    made = Figure(figsize=_size(data), layout="constrained")
    draw(data, made.add_subplot())
    return made


def svg(made: "Figure", name: str) -> str:
    """Return a figure as SVG for a page: no dates, text as text, ids prefixed by a name."""
    import matplotlib as mpl  # noqa: PLC0415 -- matplotlib takes 0.3 s to import

    buffer = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        made.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    return re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", text)


def _size(data: dict[str, Any]) -> tuple[float, float]:
    if data["kind"] == "cells":
        return maps.size(data)
    rows = 10 if data["kind"] == "curve" else len(data["series"])
    return 7.5, max(2.2, 1.2 + 0.28 * rows)


def _intervals(data: dict[str, Any], ax: "Axes") -> None:
    """Points with intervals, or ranges where there is no point; a cross marks the truth."""
    for row, entry in enumerate(reversed(data["series"])):
        low, high, point = entry["lower"], entry["upper"], entry["estimate"]
        if point is not None:  # an estimate may fall below what is possible; its mark stays inside
            point = min(max(point, low), high)
        ax.plot(
            [low, high],
            [row, row],
            color=BLUE,
            linewidth=2.5 if point is not None else 7,
            alpha=1 if point is not None else 0.35,
            solid_capstyle="butt",
        )
        if point is not None:
            ax.plot(point, row, "o", color=BLUE, markersize=5)
        if entry.get("truth") is not None:
            ax.plot(entry["truth"], row, "x", color=INK, markersize=7, markeredgewidth=2)
    ax.set_yticks(range(len(data["series"])))
    ax.set_yticklabels([entry["label"] for entry in reversed(data["series"])], parse_math=False)
    ax.set_ylim(-0.6, len(data["series"]) - 0.4)
    ax.set_xlabel(_label(data), parse_math=False)
    if data["unit"] == "fraction":
        ax.xaxis.set_major_formatter("{x:.0%}")
        marks = [e[key] for e in data["series"] for key in ("upper", "truth") if e.get(key)]
        marks += [data["threshold"]] if data.get("threshold") is not None else []
        ax.set_xlim(0, min(1.0, 1.1 * max(marks, default=1.0)))
    if data.get("threshold") is not None:
        ax.axvline(data["threshold"], color=INK, linewidth=1, linestyle=":")


def _curve(data: dict[str, Any], ax: "Axes") -> None:
    """Lines, up to sixteen with a colour and dash of their own, named in a legend."""
    right = ax.twinx() if any(entry.get("right") for entry in data["series"]) else ax
    for number, entry in enumerate(data["series"]):
        colour, line = number % len(_COLOURS), (number // len(_COLOURS) + number) % len(_LINES)
        style: dict[str, Any] = {"color": _COLOURS[colour], "linestyle": _LINES[line]}
        if entry.get("points"):
            style = {
                "color": INK,
                "linestyle": "",
                "marker": "x",
                "markeredgewidth": 2,
            }
        side = right if entry.get("right") else ax
        side.plot(entry["x"], entry["y"], label=entry["label"], **style)
    ax.set_xlabel(data["x"], parse_math=False)
    ax.set_ylabel(data["y"], parse_math=False)
    ax.set_xscale(data.get("x_scale", "linear"))
    for side in {ax, right}:
        side.set_ylim(bottom=0)
        if data["unit"] == "fraction":
            side.yaxis.set_major_formatter(_percent)
    if right is not ax:  # chances, on their whole range
        right.set_ylim(0, 1.02)
    handles = [line for side in dict.fromkeys((ax, right)) for line in side.get_lines()]
    for text in ax.legend(handles=handles, frameon=False).get_texts():
        text.set_parse_math(False)


def _percent(value: float, _place: float) -> str:
    """Return a tick's fraction with as many digits as it has."""
    return f"{100 * value:.4g}%"


def _label(data: dict[str, Any]) -> str:
    truth = any(entry.get("truth") is not None for entry in data["series"])
    level = f"{wording.level_text(data['level'])} intervals" if data.get("level") else ""
    return ", ".join(filter(None, [data["x"], level, "x = truth" if truth else ""]))
