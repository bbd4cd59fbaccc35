"""Maps: the states as tiles at places of their own, other cells as a grid, each with its number."""

import math
import re
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from dpnotice.reporting import figures, maps

FIFTY = (  # noqa: SIM905 -- a list of fifty texts would fill a screen
    "AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM "
    "NY NC ND OH OK OR PA RI SC SD TN TX UT VT VA WA WV WI WY"
).split()
CODES = [*FIFTY, "DC", "PR", "unknown"]
HOSTILE = ["$50k-$75k", r"$\frac{$", "$", "a_b^c $x", r"\alpha", "<script>", "100%"]


def cells(
    rows: Sequence[str] = ("young", "old"), columns: Sequence[str] = ("email", "post"), **more: Any
) -> dict[str, Any]:
    """Cell number n is estimated as 100 n, within 50."""
    width = len(columns)
    points = [[100.0 * (r * width + c) for c in range(width)] for r in range(len(rows))]
    plain = {
        "kind": "cells",
        "title": "Number of known buyers",
        "x": "contact",
        "y": "age",
        "unit": "persons",
        "level": 0.95,
        "rows": list(rows),
        "columns": list(columns),
        "estimate": points,
        "lower": [[max(0.0, point - 50) for point in row] for row in points],
        "upper": [[point + 50 for point in row] for row in points],
    }
    return plain | more


def states(codes: Sequence[str] = CODES, **more: Any) -> dict[str, Any]:
    return cells(codes, [""], x="", y="state") | more


def drawn(data: dict[str, Any]) -> Any:
    ax = Figure(figsize=maps.size(data)).add_subplot()
    maps.draw_cells(data, ax)
    return ax


def tiles(ax: Any) -> list[Rectangle]:
    return [patch for patch in ax.patches if isinstance(patch, Rectangle)]


def centre(tile: Rectangle) -> tuple[float, float]:
    return tile.get_x() + tile.get_width() / 2, tile.get_y() + tile.get_height() / 2


def words(ax: Any) -> list[str]:
    return [text.get_text() for text in ax.texts]


BOTH = pytest.mark.parametrize("data", [cells(), states()], ids=["grid", "states"])


# --- places --------------------------------------------------------------------------------
def test_every_state_the_district_puerto_rico_and_unknown_have_a_place() -> None:
    assert set(maps.STATES) == set(CODES)
    assert len(CODES) == 53


def test_no_two_states_share_a_place() -> None:
    assert len(set(maps.STATES.values())) == 53


@pytest.mark.parametrize(
    ("west", "east"), [("CA", "NV"), ("WA", "ME"), ("TX", "FL"), ("HI", "TX"), ("AZ", "NC")]
)
def test_western_states_lie_left_of_eastern_ones(west: str, east: str) -> None:
    assert maps.STATES[west][1] < maps.STATES[east][1]


@pytest.mark.parametrize(
    ("north", "south"), [("WA", "OR"), ("ND", "SD"), ("ME", "MA"), ("NC", "GA"), ("MN", "TX")]
)
def test_northern_states_lie_above_southern_ones(north: str, south: str) -> None:
    assert maps.STATES[north][0] < maps.STATES[south][0]


# --- which maps are of states --------------------------------------------------------------
@pytest.mark.parametrize("codes", [CODES, FIFTY, [*FIFTY, "unknown"], CODES[::-1], CODES[:20]])
def test_an_axis_of_states_alone_is_a_map_of_states(codes: list[str]) -> None:
    assert maps.is_states(states(codes))


@pytest.mark.parametrize(
    "data",
    [
        cells(),
        cells(CODES, ["email", "post"]),
        states(["CA", "NY", "unknown"]),
        states([*CODES, "GU"]),
        states([code.lower() for code in CODES]),
        states([f"{n:05}" for n in range(40)]),
    ],
    ids=["ages", "states by contact", "too few", "Guam", "lower case", "postcodes"],
)
def test_other_axes_are_no_map_of_states(data: dict[str, Any]) -> None:
    assert not maps.is_states(data)


# --- tiles of states -----------------------------------------------------------------------
def test_a_map_of_states_has_a_tile_per_state_at_its_place() -> None:
    places = {(int(tile.get_y()), int(tile.get_x())) for tile in tiles(drawn(states()))}
    assert places == set(maps.STATES.values())


@pytest.mark.parametrize("codes", [CODES, CODES[::-1], sorted(CODES)])
def test_every_tile_holds_its_code_number_and_interval(codes: list[str]) -> None:
    ax = drawn(states(codes))
    for number, code in enumerate(codes):
        row, column = maps.STATES[code]
        (text,) = [t for t in ax.texts if t.get_text().split("\n")[0] == code]
        assert int(text.get_position()[0]) == column
        assert int(text.get_position()[1]) == row
        assert text.get_text().split("\n")[1] == f"{100 * number:,}"
        assert text.get_text().split("\n")[2].endswith(f"to {100 * number + 50:,}")


# --- grids ---------------------------------------------------------------------------------
def test_a_grid_has_a_tile_per_cell_rows_downward() -> None:
    ax = drawn(cells(("a", "b", "c"), ("x", "y")))
    places = [(int(tile.get_y()), int(tile.get_x())) for tile in tiles(ax)]
    assert sorted(places) == [(r, c) for r in range(3) for c in range(2)]
    assert ax.get_ylim()[0] > ax.get_ylim()[1]


def test_a_grid_names_rows_and_columns_at_their_tiles() -> None:
    ax = drawn(cells(("a", "b", "c"), ("x", "y")))
    assert [text.get_text() for text in ax.get_xticklabels()] == ["x", "y"]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["a", "b", "c"]
    assert [int(place) for place in ax.get_xticks()] == [0, 1]
    assert [int(place) for place in ax.get_yticks()] == [0, 1, 2]


def test_every_cell_of_a_grid_holds_its_number_and_interval() -> None:
    ax = drawn(cells(("a", "b"), ("x", "y")))
    for number, (x, y) in enumerate([(0, 0), (1, 0), (0, 1), (1, 1)]):
        (text,) = [t for t in ax.texts if tuple(map(int, t.get_position())) == (x, y)]
        point, ends = text.get_text().split("\n")
        assert point == f"{100 * number:,}"
        assert ends.endswith(f"to {100 * number + 50:,}")


def test_an_axis_alone_is_a_grid_of_one_column() -> None:
    ax = drawn(cells(("young", "old", "unknown"), [""]))
    assert {int(tile.get_x()) for tile in tiles(ax)} == {0}
    assert len(tiles(ax)) == 3


# --- what a tile says ----------------------------------------------------------------------
def test_bounds_without_a_point_show_their_ends_only() -> None:
    ax = drawn(cells(estimate=[[None, None], [None, None]]))
    assert words(ax)[1] == "50 to 150"


def test_a_negative_point_shows_no_minus_sign() -> None:
    data = cells(estimate=[[-40.0, 0.0], [0.0, 0.0]], lower=[[0.0] * 2] * 2, upper=[[3.0] * 2] * 2)
    assert "-" not in "".join(words(drawn(data)))


@pytest.mark.parametrize("value", [0.0, -7.0])
def test_a_map_of_nothing_can_be_drawn(value: float) -> None:
    data = cells(estimate=[[value] * 2] * 2, lower=[[0.0] * 2] * 2, upper=[[0.0] * 2] * 2)
    assert len(tiles(drawn(data))) == 4


def test_a_larger_number_has_a_darker_tile() -> None:
    ax = drawn(cells(("a", "b", "c"), ("x", "y")))
    light = [sum(to_rgb(tile.get_facecolor())) for tile in tiles(ax)]
    assert light == sorted(light, reverse=True)
    assert len(set(light)) == 6


def test_bounds_are_coloured_by_their_middle() -> None:
    plain, bare = drawn(cells()), drawn(cells(estimate=[[None, None], [None, None]]))
    # the last three cells lie in the middle of their ends
    colours = [[tile.get_facecolor() for tile in tiles(ax)][1:] for ax in (plain, bare)]
    assert np.allclose(*colours)


@BOTH
def test_every_tile_and_text_lies_inside_the_picture(data: dict[str, Any]) -> None:
    ax = drawn(data)
    (left, right), (top, bottom) = sorted(ax.get_xlim()), sorted(ax.get_ylim())
    for tile in tiles(ax):
        assert left <= tile.get_x() < tile.get_x() + tile.get_width() <= right
        assert top <= tile.get_y() < tile.get_y() + tile.get_height() <= bottom


@BOTH
def test_every_text_stands_in_the_middle_of_its_tile(data: dict[str, Any]) -> None:
    ax = drawn(data)
    for tile, text in zip(tiles(ax), ax.texts, strict=True):
        assert text.get_position() == pytest.approx(centre(tile), abs=0.01)
        assert (text.get_ha(), text.get_va()) == ("center", "center")


@BOTH
def test_no_two_tiles_overlap(data: dict[str, Any]) -> None:
    boxes = [tile.get_bbox() for tile in tiles(drawn(data))]
    for number, box in enumerate(boxes):
        assert box.count_overlaps(boxes[number + 1 :]) == 0


@BOTH
def test_the_level_of_the_intervals_is_said_below(data: dict[str, Any]) -> None:
    assert "99.5% intervals below" in drawn(data | {"level": 0.995}).get_xlabel()


# --- text is never mathematics -------------------------------------------------------------
@BOTH
def test_no_text_of_a_map_is_read_as_mathematics(data: dict[str, Any]) -> None:
    ax = figures.draw(data, Figure().add_subplot())
    texts = [*ax.texts, *ax.get_xticklabels(), *ax.get_yticklabels(), ax._left_title]
    texts = [text for text in texts if isinstance(text, Text) and text.get_text()]
    assert texts
    assert not any(text.get_parse_math() for text in texts)


def test_hostile_levels_and_titles_are_shown_as_they_are() -> None:
    data = cells(HOSTILE, HOSTILE, title=r"Buyers of $\frac{$")
    svg = figures.svg(figures.figure(data), "map")
    assert svg.count(r"$\frac{$") == 3
    assert svg.count("$50k-$75k") == 2
    assert "<script" not in svg


# --- figures -------------------------------------------------------------------------------
@BOTH
def test_a_map_in_a_figure_of_its_own_opens_nothing_in_pyplot(data: dict[str, Any]) -> None:
    before = plt.get_fignums()
    figures.figure(data)
    assert plt.get_fignums() == before


@BOTH
def test_a_map_drawn_without_axes_opens_one_figure_that_closes(data: dict[str, Any]) -> None:
    before = plt.get_fignums()
    ax = figures.draw(data)
    assert len(plt.get_fignums()) == len(before) + 1
    plt.close(ax.figure)
    assert plt.get_fignums() == before


@BOTH
def test_drawing_leaves_the_data_as_they_were(data: dict[str, Any]) -> None:
    before = repr(data)
    figures.figure(data)
    assert repr(data) == before


@BOTH
def test_a_map_is_the_same_bytes_each_time(data: dict[str, Any]) -> None:
    one, two = (figures.svg(figures.figure(data), "map") for _ in range(2))
    assert one == two
    assert not re.search(r"\b20\d\d-\d\d-\d\d", one)


@pytest.mark.parametrize("rows", [1, 2, 53, 200, 5_000])
@pytest.mark.parametrize("columns", [1, 8, 300])
def test_a_figure_is_of_a_size_that_can_be_printed(rows: int, columns: int) -> None:
    shape = {"rows": [str(n) for n in range(rows)], "columns": [str(n) for n in range(columns)]}
    width, height = maps.size(cells() | shape)
    assert 1 < width <= 16
    assert 1 < height <= 20


def test_a_figure_of_states_has_room_for_eight_rows_of_eleven() -> None:
    width, height = maps.size(states())
    assert width / 11 >= 0.7
    assert height / 8 >= 0.6


def test_a_crowded_map_can_be_drawn() -> None:
    ax = drawn(cells([f"row {n}" for n in range(33)], [f"c{n}" for n in range(9)]))
    assert len(tiles(ax)) == 297
    assert all(math.isfinite(place) for tile in tiles(ax) for place in centre(tile))


def test_more_than_three_hundred_cells_are_one_picture_without_numbers() -> None:
    ax = drawn(cells([f"row {n}" for n in range(40)], [f"c{n}" for n in range(9)]))
    assert (len(tiles(ax)), len(ax.collections), len(ax.texts)) == (0, 1, 0)
    assert ax.get_xlabel() == "contact"


@pytest.mark.parametrize("letter", ["x", "W"])
def test_levels_of_the_longest_text_allowed_can_be_drawn(letter: str) -> None:
    long = [letter * 63 + str(n) for n in range(5)]
    figures.svg(figures.figure(cells(long, [""])), "map")
    figures.svg(figures.figure(cells(["young", "old"], long)), "map")


@pytest.mark.parametrize("shape", [(2_000, 1), (210, 144)])
def test_a_map_of_very_many_cells_is_drawn_in_seconds(shape: tuple[int, int]) -> None:
    start = time.process_time()
    rows, columns = ([str(n) for n in range(size)] for size in shape)
    figures.svg(figures.figure(cells(rows, columns)), "map")
    assert time.process_time() - start < 5


def luminance(colour: Any) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_every_text_stands_out_from_its_tile() -> None:
    """Contrast of at least 4.5 to 1, the rule for small text (WCAG 2.1, 1.4.3)."""
    ax = Figure().add_subplot()
    maps.draw_cells(cells([str(n) for n in range(20)], ["x", "y"]), ax)
    for tile, text in zip(ax.patches, ax.texts, strict=True):
        pair = sorted(luminance(colour) for colour in (tile.get_facecolor(), text.get_color()))
        assert (pair[1] + 0.05) / (pair[0] + 0.05) >= 4.5
