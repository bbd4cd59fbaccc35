"""Maps from plain dictionaries: a grid of cells, or the states as tiles.

In: `plot_data` of kind ``cells``. Out: drawn axes; up to 300 tiles hold number and interval.
"""

from itertools import product
from typing import TYPE_CHECKING, Any, Final

from dpnotice.reporting import wording

if TYPE_CHECKING:
    from dpnotice.reporting import Axes

_ROWS: Final = (
    "AK .. .. .. .. .. .. .. .. .. ME",
    ".. .. .. .. .. .. .. .. .. VT NH",
    "WA ID MT ND MN IL WI MI NY RI MA",
    "OR NV WY SD IA IN OH PA NJ CT ..",
    "CA UT CO NE MO KY WV VA MD DE ..",
    ".. AZ NM KS AR TN NC SC DC .. ..",
    ".. .. .. OK LA MS AL GA .. .. unknown",
    "HI .. .. TX .. .. .. .. FL .. PR",
)
"""The states as newspapers arrange them in tiles (first used widely by NPR, 2015)."""
STATES: Final = {
    code: (row, column)
    for row, codes in enumerate(_ROWS)
    for column, code in enumerate(codes.split())
    if code != ".."
}
_FEWEST_STATES: Final = 10
_MOST_TEXTS: Final = 300
_MIDDLE: Final = 0.179
"""Luminance at which black and white are read equally well (WCAG 2.1: 4.6 to 1)."""
_LIGHTEST, _DARKEST = (0.93, 0.94, 0.96), (0.0, 0.36, 0.58)
_MOST_TICKS: Final = 60
_MOST_LETTERS: Final = 30
_LONG: Final = 12


def is_states(data: dict[str, Any]) -> bool:
    """Whether the only axis is that of the states."""
    return (
        len(data["columns"]) == 1
        and len(data["rows"]) >= _FEWEST_STATES
        and set(data["rows"]) <= set(STATES)
    )


def size(data: dict[str, Any]) -> tuple[float, float]:
    """Return the width and height of a figure for a map, inches."""
    if is_states(data):
        return 9.0, 6.4
    wide, high = (0.14 * max(map(len, _labels(data[axis]))) for axis in ("rows", "columns"))
    columns, rows = 1.1 * len(data["columns"]), 0.36 * len(data["rows"])
    return min(16.0, 1.6 + wide + columns), min(20.0, 1.6 + high + rows)


def draw_cells(data: dict[str, Any], ax: "Axes") -> None:
    """Draw cells as coloured tiles, up to three hundred of them with number and interval."""
    states = is_states(data)
    columns, rows = (11, 8) if states else (len(data["columns"]), len(data["rows"]))
    few = len(data["rows"]) * len(data["columns"]) <= _MOST_TEXTS
    (_tiles if few else _mesh)(data, ax)
    ax.set(xlim=(0, columns), ylim=(rows, 0), xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    if not states:
        _name_levels(data, ax)
    told = f"{wording.level_text(data['level'])} intervals below each number" if few else ""
    ax.set_xlabel("; ".join(filter(None, [data["x"], told])), parse_math=False)


def _tiles(data: dict[str, Any], ax: "Axes") -> None:
    """One rectangle and text per cell."""
    from matplotlib.patches import Rectangle  # noqa: PLC0415 -- matplotlib takes 0.3 s to import

    states = is_states(data)
    cells = list(product(range(len(data["rows"])), range(len(data["columns"]))))
    shown = [_middle(data, *cell) for cell in cells]
    most = max([*shown, 1.0])
    for (row, column), value in zip(cells, shown, strict=True):
        y, x = STATES[data["rows"][row]] if states else (row, column)
        share = min(1.0, max(0.0, value / most))
        colour = _shade(share)
        ax.add_patch(Rectangle((x, y), 0.96, 0.94, facecolor=colour, linewidth=0))
        lines = [*([data["rows"][row]] if states else []), *_told(data, row, column)]
        ax.text(
            x + 0.48,
            y + 0.47,
            "\n".join(lines),
            color="#FFFFFF" if _luminance(colour) < _MIDDLE else "#000000",
            fontsize=6.5,
            ha="center",
            va="center",
            parse_math=False,
        )


def _mesh(data: dict[str, Any], ax: "Axes") -> None:
    """All cells as one picture, without numbers."""
    from matplotlib.colors import LinearSegmentedColormap  # noqa: PLC0415 -- the same

    columns = range(len(data["columns"]))
    values = [
        [_middle(data, row, column) for column in columns] for row in range(len(data["rows"]))
    ]
    shades = LinearSegmentedColormap.from_list("blues", [_shade(0.0), _shade(1.0)])
    most = max([1.0, *(value for row in values for value in row)])
    ax.pcolormesh(values, cmap=shades, vmin=0, vmax=most)


def _name_levels(data: dict[str, Any], ax: "Axes") -> None:
    """Name rows and columns, some of them where there are many."""
    for axis, where in (("rows", ax.yaxis), ("columns", ax.xaxis)):
        labels = _labels(data[axis])
        every = -(-len(labels) // _MOST_TICKS)
        where.set_ticks([n + 0.48 for n in range(0, len(labels), every)], labels[::every])
        for text in where.get_ticklabels():
            text.set_parse_math(False)
    longest = max(map(len, _labels(data["columns"])))
    ax.tick_params(length=0)
    ax.tick_params(axis="x", rotation=90 if longest > _LONG else 0)
    ax.set_ylabel(data["y"], parse_math=False)


def _labels(levels: list[str]) -> list[str]:
    """Return level texts short enough for the side of a picture."""
    return [
        level if len(level) <= _MOST_LETTERS else f"{level[: _MOST_LETTERS - 1]}\u2026"
        for level in levels
    ]


def _middle(data: dict[str, Any], row: int, column: int) -> float:
    """The number that colours a tile: the estimate, or the middle of bounds."""
    point = data["estimate"][row][column]
    middle = (data["lower"][row][column] + data["upper"][row][column]) / 2
    return float(middle if point is None else point)


def _told(data: dict[str, Any], row: int, column: int) -> list[str]:
    point = data["estimate"][row][column]
    low, high = data["lower"][row][column], data["upper"][row][column]
    middle, ends = wording.count_text(point, low, high)
    return [*([middle] if middle else []), ends]


def _shade(share: float) -> tuple[float, float, float]:
    """From a light grey to a dark blue."""
    red, green, blue = (a + share * (b - a) for a, b in zip(_LIGHTEST, _DARKEST, strict=True))
    return red, green, blue


def _luminance(colour: tuple[float, float, float]) -> float:
    """Relative luminance of an sRGB colour (WCAG 2.1)."""
    linear = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour)  # noqa: PLR2004 -- the standard's
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
