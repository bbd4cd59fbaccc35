"""Pictures: into the given axes, nothing global changed, the same bytes for the same data."""

import re
import sys
from collections import Counter
from typing import Any

import matplotlib as mpl
import pytest
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from dpnotice.reporting import figures

INCOME = "$50k-$75k"


def intervals(**changes: object) -> dict[str, Any]:
    entry = {"label": "all", "estimate": 0.4, "lower": 0.3, "upper": 0.5}
    plain = {"kind": "intervals", "x": "share reached", "unit": "fraction", "level": 0.95}
    return plain | {"series": [entry]} | changes


def curve(lines: int = 2, **changes: object) -> dict[str, Any]:
    series = [{"label": f"line {n}", "x": [1, 2], "y": [0.1, 0.2]} for n in range(lines)]
    plain = {"kind": "curve", "x": "weeks", "y": "reach", "unit": "fraction", "series": series}
    return plain | changes


def entry(**changes: object) -> dict[str, Any]:
    return {"label": "all", "estimate": 0.4, "lower": 0.3, "upper": 0.5} | changes


def svg_of(data: dict[str, Any], name: str) -> str:
    return figures.svg(figures.figure(data), name)


def ids(text: str) -> list[str]:
    return re.findall(r'\bid="([^"]*)"', text)


BOTH = pytest.mark.parametrize("data", [intervals(), curve()], ids=["intervals", "curve"])


@BOTH
def test_a_picture_is_drawn_into_the_given_axes(data: dict[str, Any]) -> None:
    ax = Figure().add_subplot()
    assert figures.draw(data, ax) is ax
    assert ax.lines


def test_axes_that_were_given_open_no_figure_of_pyplot() -> None:
    before = plt.get_fignums()
    figures.draw(intervals(), Figure().add_subplot())
    assert plt.get_fignums() == before


def test_axes_are_made_where_none_are_given() -> None:
    ax = figures.draw(intervals())
    plt.close(ax.figure)
    assert ax.lines


@BOTH
def test_drawing_and_saving_leave_the_settings_unchanged(data: dict[str, Any]) -> None:
    before = dict(mpl.rcParams)
    plt.close(figures.draw(data).figure)
    svg_of(data, "picture")
    assert dict(mpl.rcParams) == before


@BOTH
def test_a_picture_of_its_own_stays_outside_pyplot(data: dict[str, Any]) -> None:
    before = plt.get_fignums()
    figures.figure(data)
    assert plt.get_fignums() == before


def test_dollars_in_a_level_are_not_typeset_as_mathematics() -> None:
    text = svg_of(intervals(series=[entry(label=INCOME)], x="x", title=INCOME), "income")
    assert text.count(f">{INCOME}</text>") == 2  # the level and the title; a comment is no text


def test_dollars_in_a_curves_label_are_not_typeset_as_mathematics() -> None:
    series = [{"label": INCOME, "x": [1, 2], "y": [0.1, 0.2]}]
    assert f">{INCOME}</text>" in svg_of(curve(series=series), "income")


def test_every_reference_and_id_of_an_svg_carries_its_name() -> None:
    text = svg_of(curve(), "reach")
    pointed = re.findall(r'(?:href="#|url\(#)([^")]*)', text)
    assert pointed
    assert all(name.startswith("reach-") for name in [*ids(text), *pointed])


def test_every_reference_of_an_svg_finds_its_id() -> None:
    text = svg_of(curve(), "reach")
    assert set(re.findall(r'(?:href="#|url\(#)([^")]*)', text)) <= set(ids(text))


def test_two_pictures_share_no_id() -> None:
    both = ids(svg_of(intervals(), "first")) + ids(svg_of(intervals(), "second"))
    assert {name for name, times in Counter(both).items() if times > 1} == set()


@BOTH
def test_an_svg_holds_no_date(data: dict[str, Any]) -> None:
    text = svg_of(data, "picture")
    assert "date" not in text.lower()
    assert not re.search(r"\b20\d\d-\d\d-\d\d", text)


@BOTH
def test_the_same_data_twice_give_the_same_bytes(data: dict[str, Any]) -> None:
    assert svg_of(data, "picture") == svg_of(data, "picture")


def test_an_svg_has_neither_prolog_nor_metadata() -> None:
    text = svg_of(intervals(), "picture")
    assert text.startswith("<svg")
    assert "<metadata" not in text


def test_the_text_of_an_svg_stays_text() -> None:
    assert "share reached" in svg_of(intervals(), "picture")


def test_a_hostile_level_stays_text_in_an_svg() -> None:
    text = svg_of(intervals(series=[entry(label="<script>alert(1)</script>")]), "picture")
    assert "<script" not in text


def test_every_series_is_drawn_and_labelled() -> None:
    ax = Figure().add_subplot()
    figures.draw(intervals(series=[entry(label=f"level {n}") for n in range(30)]), ax)
    labels = [text.get_text() for text in ax.get_yticklabels()]
    assert sorted(labels) == sorted(f"level {n}" for n in range(30))


def test_an_interval_reaches_from_its_lower_to_its_upper_end() -> None:
    ax = Figure().add_subplot()
    figures.draw(intervals(), ax)
    assert [0.3, 0.5] in [list(line.get_xdata()) for line in ax.lines]


def test_bounds_without_a_point_show_no_marker() -> None:
    ax = Figure().add_subplot()
    figures.draw(intervals(series=[entry(estimate=None)]), ax)
    assert [line.get_marker() for line in ax.lines] == ["None"]


def test_the_truth_is_marked_by_a_cross_that_the_axis_explains() -> None:
    ax = Figure().add_subplot()
    figures.draw(intervals(series=[entry(truth=0.45)]), ax)
    assert [list(line.get_xdata()) for line in ax.lines if line.get_marker() == "x"] == [[0.45]]
    assert "x = truth" in ax.get_xlabel()


def test_a_truth_outside_every_interval_stays_in_the_picture() -> None:
    ax = Figure().add_subplot()
    figures.draw(intervals(series=[entry(truth=0.9)]), ax)
    assert ax.get_xlim()[1] > 0.9


def test_a_threshold_above_every_interval_stays_in_the_picture() -> None:
    ax = Figure().add_subplot()
    figures.draw(intervals(threshold=0.7), ax)
    assert ax.get_xlim()[1] > 0.7


def test_the_axis_states_the_level_of_the_intervals() -> None:
    ax = Figure().add_subplot()
    figures.draw(intervals(), ax)
    assert ax.get_xlabel() == "share reached, 95% intervals"


def test_the_axis_never_states_a_level_of_one_hundred_percent() -> None:
    ax = Figure().add_subplot()
    figures.draw(intervals(level=0.999), ax)
    assert "100%" not in ax.get_xlabel()


def test_a_curve_names_both_axes() -> None:
    ax = Figure().add_subplot()
    figures.draw(curve(), ax)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("weeks", "reach")


def test_every_line_of_a_curve_has_a_style_of_its_own() -> None:
    ax = Figure().add_subplot()
    figures.draw(curve(lines=6), ax)
    styles = {(line.get_color(), line.get_linestyle(), line.get_marker()) for line in ax.lines}
    assert len(styles) == 6


def test_the_lines_of_a_curve_can_be_told_apart_without_colour() -> None:
    ax = Figure().add_subplot()
    figures.draw(curve(lines=4), ax)
    assert len({line.get_linestyle() for line in ax.lines}) == 4


def test_measured_points_of_a_curve_are_not_joined() -> None:
    ax = Figure().add_subplot()
    figures.draw(curve(series=[{"label": "t", "x": [1, 2], "y": [0.1, 0.2], "points": True}]), ax)
    assert (ax.lines[0].get_linestyle(), ax.lines[0].get_marker()) == ("None", "x")


def test_a_title_stands_above_the_picture() -> None:
    ax = Figure().add_subplot()
    figures.draw(intervals(title="Reach of the plans"), ax)
    assert ax.get_title(loc="left") == "Reach of the plans"


def test_the_module_is_loaded_without_pyplot_at_import() -> None:
    assert not hasattr(sys.modules["dpnotice.reporting.figures"], "plt")


# --- the axis on the right, and the logarithmic one ----------------------------------------
def two_sided(**changes: object) -> dict[str, Any]:
    series = [
        {"label": "half-width", "x": [0.1, 1, 10], "y": [0.3, 0.03, 0.003]},
        {"label": "odds (right)", "x": [0.1, 1, 10], "y": [0.5, 0.8, 1.0], "right": True},
    ]
    return curve(series=series, **changes)


def drawn(data: dict[str, Any]) -> tuple[Any, list[Any]]:
    """The axes drawn into, and all the axes of the figure."""
    made = Figure()
    ax = figures.draw(data, made.add_subplot())
    return ax, made.axes


def test_a_series_on_the_right_has_an_axis_of_its_own() -> None:
    ax, (left, right) = drawn(two_sided())
    assert ax is left
    assert [line.get_label() for line in left.lines] == ["half-width"]
    assert [line.get_label() for line in right.lines] == ["odds (right)"]


def test_without_a_series_on_the_right_there_is_one_axis() -> None:
    assert len(drawn(curve())[1]) == 1


def test_the_right_axis_has_a_scale_of_its_own() -> None:
    _, (left, right) = drawn(two_sided())
    assert left.get_ylim()[1] < 0.5
    assert right.get_ylim()[1] >= 1
    assert left.get_ylim()[0] == right.get_ylim()[0] == 0


def test_one_legend_names_the_lines_of_both_sides() -> None:
    _, (left, right) = drawn(two_sided())
    assert [text.get_text() for text in left.get_legend().get_texts()] == [
        "half-width",
        "odds (right)",
    ]
    assert right.get_legend() is None


def test_the_lines_of_both_sides_can_be_told_apart() -> None:
    _, (left, right) = drawn(two_sided())
    one, other = left.lines[0], right.lines[0]
    assert one.get_color() != other.get_color()
    assert one.get_linestyle() != other.get_linestyle()


def test_fractions_on_the_right_are_percentages_too() -> None:
    text = svg_of(two_sided(), "odds")
    assert ">100%<" in text
    assert ">30%<" in text


def test_a_logarithmic_axis_is_drawn_where_it_is_asked() -> None:
    ax, (_, right) = drawn(two_sided(x_scale="log"))
    assert (ax.get_xscale(), right.get_xscale()) == ("log", "log")


def test_an_axis_is_linear_unless_asked_otherwise() -> None:
    assert drawn(curve())[0].get_xscale() == "linear"


def test_a_curve_without_any_point_is_drawn() -> None:
    empty = [{"label": "half-width", "x": [], "y": []}]
    assert len(drawn(curve(series=empty, x_scale="log"))[0].lines) == 1


def test_a_two_sided_picture_has_the_same_bytes_twice() -> None:
    data = two_sided(x_scale="log")
    assert svg_of(data, "picture") == svg_of(data, "picture")
