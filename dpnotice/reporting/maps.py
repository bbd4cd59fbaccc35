"""Maps from plain dictionaries: a grid of cells, or the states as tiles.

In: `plot_data` of kind ``cells``. Out: drawn axes; every tile holds its number and its interval.
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
_DARK: Final = 0.55


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
    return min(16.0, 2.5 + 1.1 * len(data["columns"])), min(20.0, 1.6 + 0.36 * len(data["rows"]))


def draw_cells(data: dict[str, Any], ax: "Axes") -> None:
    """Draw cells as coloured tiles with their numbers."""
    from matplotlib.patches import Rectangle  # noqa: PLC0415 -- matplotlib takes 0.3 s to import

    states = is_states(data)
    cells = list(product(range(len(data["rows"])), range(len(data["columns"]))))
    shown = [_middle(data, *cell) for cell in cells]
    most = max([*shown, 1.0])
    for (row, column), value in zip(cells, shown, strict=True):
        y, x = STATES[data["rows"][row]] if states else (row, column)
        share = min(1.0, max(0.0, value / most))
        ax.add_patch(Rectangle((x, y), 0.96, 0.94, facecolor=_shade(share), linewidth=0))
        lines = [data["rows"][row]] if states else []
        if len(cells) <= _MOST_TEXTS:
            lines += _told(data, row, column)
        ink = "#FFFFFF" if share > _DARK else "#000000"
        ax.text(
            x + 0.48,
            y + 0.47,
            "\n".join(lines),
            color=ink,
            fontsize=6.5,
            ha="center",
            va="center",
            parse_math=False,
        )
    columns, rows = (11, 8) if states else (len(data["columns"]), len(data["rows"]))
    ax.set(xlim=(0, columns), ylim=(rows, 0), xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    if not states:
        ax.set_xticks([x + 0.48 for x in range(columns)], data["columns"], parse_math=False)
        ax.set_yticks([y + 0.47 for y in range(rows)], data["rows"], parse_math=False)
        ax.tick_params(length=0)
    ax.set_xlabel(f"{wording.level_text(data['level'])} intervals below each number")


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
    """From a light grey to the blue of all pictures."""
    light, dark = (0.93, 0.94, 0.96), (0.0, 0.447, 0.698)
    red, green, blue = (a + share * (b - a) for a, b in zip(light, dark, strict=True))
    return red, green, blue
