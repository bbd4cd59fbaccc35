"""A map of cells: the same numbers in frame, picture, words and plain JSON; its note on all."""

import json
import math
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from dpnotice.analyst.cells import MODEL_BASED, CellMap
from dpnotice.result import SUMMARY_COLUMNS, Result

HOSTILE = "<script>alert(1)</script>"
AGES = ("young", "old")
CONTACTS = ("email", "post", "unknown")
NUMBERS = ["estimate", "lower", "upper", "level", "unit", "note"]
ONE_AXIS: Mapping[str, Sequence[str]] = {"age": AGES}
TWO_AXES: Mapping[str, Sequence[str]] = {"age": AGES, "contact": CONTACTS}
THREE_AXES: Mapping[str, Sequence[str]] = {"age": AGES, "contact": CONTACTS, "sex": ("f", "m")}
EVERY_SHAPE = pytest.mark.parametrize(
    "levels", [ONE_AXIS, TWO_AXES, THREE_AXES], ids=["one axis", "two axes", "three axes"]
)


def cells(
    levels: Mapping[str, Sequence[str]] = TWO_AXES, *, note: str = "", **changes: Any
) -> CellMap:
    """Cell number n is estimated as 10 n - 5, within 8."""
    shape = tuple(map(len, levels.values()))
    estimate = 10.0 * np.arange(math.prod(shape)).reshape(shape) - 5
    plain: dict[str, Any] = {
        "title": "number of known buyers",
        "levels": levels,
        "estimate": estimate,
        "lower": np.maximum(0, estimate - 8),
        "upper": np.maximum(0, estimate + 8),
        "level": 0.95,
        "note": note,
    }
    return CellMap(**(plain | changes))


def bounds() -> CellMap:
    return cells(estimate=np.full((2, 3), math.nan))


PLAIN, SMOOTHED, BOUNDS = cells(), cells(note=MODEL_BASED), bounds()
EVERY = pytest.mark.parametrize(
    "made", [PLAIN, SMOOTHED, BOUNDS], ids=["plain", "smooth", "bounds"]
)


def strict(plain: Any) -> Any:
    return json.loads(json.dumps(plain, allow_nan=False))


# --- frames --------------------------------------------------------------------------------
@EVERY_SHAPE
def test_a_frame_has_a_column_per_axis_and_then_the_numbers(
    levels: Mapping[str, Sequence[str]],
) -> None:
    assert list(cells(levels).to_frame().columns) == [*levels, *NUMBERS]


@EVERY_SHAPE
def test_a_frame_has_a_row_per_cell_the_last_axis_fastest(
    levels: Mapping[str, Sequence[str]],
) -> None:
    made = cells(levels)
    frame = made.to_frame()
    assert len(frame) == made.estimate.size
    for number, place in enumerate(np.ndindex(made.estimate.shape)):
        named = [axis[i] for axis, i in zip(levels.values(), place, strict=True)]
        assert list(frame.loc[number, list(levels)]) == named
        assert frame.loc[number, "estimate"] == made.estimate[place]
        assert frame.loc[number, "lower"] == made.lower[place]
        assert frame.loc[number, "upper"] == made.upper[place]


def test_every_row_of_a_frame_says_level_and_unit() -> None:
    frame = cells(level=0.9).to_frame()
    assert set(frame["level"]) == {0.9}
    assert set(frame["unit"]) == {"persons"}


def test_bounds_without_a_point_are_nan_in_the_frame() -> None:
    frame = BOUNDS.to_frame()
    assert frame["estimate"].isna().all()
    assert frame["estimate"].dtype.kind == "f"
    assert not frame["lower"].isna().any()


@EVERY
def test_the_summary_of_a_map_has_exactly_the_agreed_columns(made: CellMap) -> None:
    summary = made.summary()
    assert tuple(summary.columns) == SUMMARY_COLUMNS
    assert len(summary) == made.estimate.size


def test_the_summary_names_cells_by_axis_and_level() -> None:
    assert list(PLAIN.summary()["segment"][:4]) == [
        "age young, contact email",
        "age young, contact post",
        "age young, contact unknown",
        "age old, contact email",
    ]


# --- estimates -----------------------------------------------------------------------------
@EVERY_SHAPE
def test_every_cell_is_an_estimate(levels: Mapping[str, Sequence[str]]) -> None:
    made = cells(levels)
    found = made.estimates()
    assert [e.estimate for e in found] == made.estimate.ravel().tolist()
    assert [e.lower for e in found] == made.lower.ravel().tolist()
    assert [e.upper for e in found] == made.upper.ravel().tolist()


def test_estimates_keep_a_negative_point() -> None:
    assert PLAIN.estimates()[0].estimate == -5


def test_bounds_are_estimates_without_a_point() -> None:
    assert {e.estimate for e in BOUNDS.estimates()} == {None}


def test_estimates_say_quantity_unit_and_level() -> None:
    first = PLAIN.estimates()[0]
    assert (first.quantity, first.unit, first.level) == ("number of known buyers", "persons", 0.95)


def test_a_cell_that_was_estimated_as_nothing_keeps_its_point() -> None:
    assert cells(estimate=np.zeros((2, 3))).estimates()[0].estimate == 0.0


# --- plain JSON ----------------------------------------------------------------------------
@EVERY
@pytest.mark.parametrize("call", ["plot_data", "to_dict"])
def test_plain_forms_of_a_map_are_strict_json(made: CellMap, call: str) -> None:
    plain = getattr(made, call)()
    assert strict(plain) == plain


@EVERY_SHAPE
def test_rows_are_the_first_axis_and_columns_all_others(
    levels: Mapping[str, Sequence[str]],
) -> None:
    made, (first, *others) = cells(levels), list(levels)
    data = made.plot_data()
    across = math.prod(len(levels[name]) for name in others)
    assert data["rows"] == list(levels[first])
    assert len(data["columns"]) == across
    for name in ("estimate", "lower", "upper"):
        assert [len(row) for row in data[name]] == [across] * len(levels[first])
        assert list(chain.from_iterable(data[name])) == getattr(made, name).ravel().tolist()


def test_the_picture_names_its_axes() -> None:
    data = cells(THREE_AXES).plot_data()
    assert (data["y"], data["x"]) == ("age", "contact x sex")


def test_columns_of_two_axes_name_both_levels() -> None:
    assert cells(THREE_AXES).plot_data()["columns"][:3] == ["email, f", "email, m", "post, f"]


def test_bounds_without_a_point_are_none_in_the_picture() -> None:
    data = BOUNDS.plot_data()
    assert data["estimate"] == [[None] * 3] * 2
    assert data["lower"] == BOUNDS.lower.tolist()


def test_the_picture_says_kind_unit_and_level() -> None:
    data = cells(level=0.9).plot_data()
    assert (data["kind"], data["unit"], data["level"]) == ("cells", "persons", 0.9)


def test_the_plain_form_is_the_picture_with_format_and_note() -> None:
    assert SMOOTHED.to_dict() == {"format": 1, "note": MODEL_BASED, **SMOOTHED.plot_data()}


# --- the note ------------------------------------------------------------------------------
def test_the_note_says_what_must_not_be_done() -> None:
    assert MODEL_BASED == "model-based; do not add up"


def test_the_note_stands_on_every_form_of_a_smoothed_map() -> None:
    assert set(SMOOTHED.to_frame()["note"]) == {MODEL_BASED}
    assert MODEL_BASED in SMOOTHED.plot_data()["title"]
    assert MODEL_BASED in SMOOTHED.statement()
    assert SMOOTHED.to_dict()["note"] == MODEL_BASED
    assert MODEL_BASED in repr(SMOOTHED)
    assert MODEL_BASED in SMOOTHED._repr_html_()
    assert {e.note for e in SMOOTHED.estimates()} == {MODEL_BASED}


def test_the_note_stands_above_the_picture() -> None:
    ax = SMOOTHED.plot(Figure().add_subplot())
    assert MODEL_BASED in ax.get_title(loc="left")


def test_the_note_is_shown_where_the_table_is_cut() -> None:
    made = cells({"zip": [f"{n:05}" for n in range(600)]}, note=MODEL_BASED)
    assert MODEL_BASED in made._repr_html_()


@pytest.mark.parametrize("made", [PLAIN, BOUNDS], ids=["plain", "bounds"])
def test_the_note_stands_on_no_form_of_an_unsmoothed_map(made: CellMap) -> None:
    forms = [
        made.to_frame().to_csv(),
        json.dumps(made.to_dict()),
        made.statement(),
        repr(made),
        made._repr_html_(),
    ]
    assert not any("model-based" in form for form in forms)


# --- words and pictures --------------------------------------------------------------------
def test_the_statement_names_the_largest_cell() -> None:
    assert PLAIN.statement().startswith("The number of known buyers (age old, contact unknown) is")


def test_the_statement_of_bounds_gives_both_ends_and_no_figure() -> None:
    assert "is between 37 and 53 (95% confidence)" in BOUNDS.statement()


@EVERY
def test_no_form_prints_a_missing_number(made: CellMap) -> None:
    words = made.statement() + made._repr_html_() + repr(made)
    assert not any(word in words for word in ("nan", "None"))


def test_a_map_names_itself_by_title_and_axes() -> None:
    assert repr(PLAIN) == "<CellMap: Number of known buyers by age x contact>"


def test_a_hostile_level_is_escaped_in_a_notebook() -> None:
    made = cells({"age": [HOSTILE, "old"], "contact": CONTACTS})
    assert "<script" not in made._repr_html_()


@EVERY
def test_a_map_answers_the_calls_of_a_result(made: CellMap) -> None:
    assert isinstance(made, Result)


@EVERY
def test_a_map_is_drawn_into_the_given_axes_and_opens_no_figure(made: CellMap) -> None:
    before, ax = plt.get_fignums(), Figure().add_subplot()
    assert made.plot(ax) is ax
    assert plt.get_fignums() == before


@EVERY
def test_a_map_that_opened_a_figure_can_be_closed(made: CellMap) -> None:
    before = plt.get_fignums()
    plt.close(made.plot().figure)
    assert plt.get_fignums() == before


def test_a_map_is_frozen() -> None:
    with pytest.raises(AttributeError):
        PLAIN.note = ""  # type: ignore[misc]
