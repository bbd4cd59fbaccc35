"""An estimate answers every call with the same numbers."""

import dataclasses
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from dpnotice.result import SUMMARY_COLUMNS, Estimate, Result, interval_series, summary_frame


def estimate(**changes: Any) -> Estimate:
    plain = {"quantity": "share", "estimate": 0.744, "lower": 0.7201, "upper": 0.7599}
    return Estimate(**(plain | {"level": 0.95, "unit": "fraction"} | changes))


def test_an_estimate_answers_every_call_of_a_result() -> None:
    assert isinstance(estimate(), Result)


def test_an_estimate_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        estimate().lower = 0.0  # type: ignore[misc]


def test_a_summary_has_exactly_the_agreed_columns() -> None:
    columns = ["quantity", "segment", "unit", "estimate", "lower", "upper", "level"]
    assert list(estimate().summary().columns) == columns == list(SUMMARY_COLUMNS)


def test_a_summary_is_one_row_with_the_estimates_numbers() -> None:
    (row,) = estimate(segment="contact post").summary().to_dict("records")
    assert row == {
        "quantity": "share",
        "segment": "contact post",
        "unit": "fraction",
        "estimate": 0.744,
        "lower": 0.7201,
        "upper": 0.7599,
        "level": 0.95,
    }


def test_a_missing_point_is_nan_in_the_row() -> None:
    assert math.isnan(estimate(estimate=None).row()["estimate"])


def test_a_missing_point_is_nan_in_the_summary() -> None:
    assert estimate(estimate=None).summary()["estimate"].isna().all()


def test_the_frame_is_the_summary() -> None:
    assert estimate().to_frame().equals(estimate().summary())


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_an_interval_contains_what_lies_between_its_ends(
    one: float, two: float, truth: float
) -> None:
    lower, upper = min(one, two), max(one, two)
    assert (truth in estimate(lower=lower, upper=upper)) == (lower <= truth <= upper)


def test_an_interval_contains_both_its_ends() -> None:
    assert 0.7201 in estimate()
    assert 0.7599 in estimate()


def test_the_dictionary_survives_json() -> None:
    content = estimate(note="a note").to_dict()
    assert json.loads(json.dumps(content, allow_nan=False)) == content


def test_the_dictionary_of_bounds_survives_json() -> None:
    content = estimate(estimate=None).to_dict()
    assert json.loads(json.dumps(content, allow_nan=False))["estimate"] is None


def test_the_dictionary_holds_every_field_and_its_format() -> None:
    content = estimate(note="a note").to_dict()
    assert content.pop("format") == 1
    assert content == dataclasses.asdict(estimate(note="a note"))


def test_the_dictionary_rebuilds_the_estimate() -> None:
    content = estimate(segment="a", note="b").to_dict()
    del content["format"]
    assert Estimate(**content) == estimate(segment="a", note="b")


def test_what_the_picture_shows_survives_json() -> None:
    content = estimate().plot_data()
    assert json.loads(json.dumps(content, allow_nan=False)) == content


def test_the_picture_shows_the_summarys_numbers() -> None:
    (series,) = estimate().plot_data()["series"]
    assert (series["estimate"], series["lower"], series["upper"]) == (0.744, 0.7201, 0.7599)


def test_the_picture_is_drawn_into_the_given_axes() -> None:
    ax = Figure().add_subplot()
    assert estimate().plot(ax) is ax
    assert ax.lines


def test_a_picture_makes_its_own_axes() -> None:
    ax = estimate().plot()
    plt.close(ax.figure)
    assert ax.lines


def test_bounds_can_be_drawn() -> None:
    assert estimate(estimate=None).plot(Figure().add_subplot()).lines


def test_the_sentence_states_the_summarys_numbers() -> None:
    assert estimate().statement() == "The share is 74% (95% interval 72% to 76%)."


def test_the_sentence_of_an_undetermined_share_says_that_it_cannot_be_estimated() -> None:
    note = "cannot be determined from this release: the count is not separated from 0"
    found = estimate(estimate=None, lower=0.0, upper=1.0, note=note)
    assert "cannot be" in found.statement()


def test_a_hostile_segment_is_escaped_in_a_notebook() -> None:
    text = estimate(segment="<script>alert(1)</script>")._repr_html_()
    assert "<script" not in text
    assert "&lt;script&gt;" in text


def test_a_notebook_shows_sentence_and_table() -> None:
    text = estimate()._repr_html_()
    assert "The share is 74%" in text
    assert "<table>" in text


def test_several_estimates_make_one_frame_in_order() -> None:
    frame = summary_frame([estimate(segment="a"), estimate(segment="b", estimate=None)])
    assert tuple(frame.columns) == SUMMARY_COLUMNS
    assert list(frame["segment"]) == ["a", "b"]


def test_no_estimates_make_an_empty_frame_with_the_columns() -> None:
    assert tuple(summary_frame([]).columns) == SUMMARY_COLUMNS


def test_a_series_is_labelled_by_segment_or_else_by_quantity() -> None:
    series = interval_series([estimate(segment="a"), estimate()])
    assert [entry["label"] for entry in series] == ["a", "share"]
