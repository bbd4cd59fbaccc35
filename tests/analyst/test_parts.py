"""A part of the class in words: axes in the inquiry's order, levels as ones and noughts."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpnotice.analyst.parts import in_words, indicator, ordered, part_and_whole
from dpnotice.errors import EstimateError
from dpnotice.segments import Axis

AXES = {
    "state": Axis(name="state", levels=("CA", "NY")),
    "age": Axis(name="age", levels=("young", "old")),
    "contact": Axis(name="contact", levels=("email", "post", "none")),
}
CONTACTS = AXES["contact"].levels
SUBSETS = st.sets(st.sampled_from(CONTACTS), min_size=1)


# --- ordered -------------------------------------------------------------------------------
@given(st.permutations(list(AXES)))
def test_axes_come_in_the_inquirys_order(names: list[str]) -> None:
    assert ordered(AXES, names) == ("state", "age", "contact")


def test_some_axes_come_in_the_inquirys_order() -> None:
    assert ordered(AXES, iter(["contact", "state"])) == ("state", "contact")


def test_no_axes_are_no_axes() -> None:
    assert ordered(AXES, ()) == ()


@pytest.mark.parametrize(
    "names", [["zip"], ["state", "state"], ["state", "zip"], [["state"]], [None], [3], ["State"]]
)
def test_what_are_not_different_axes_is_refused_with_those_there_are(names: list[Any]) -> None:
    with pytest.raises(
        EstimateError, match="must be different axes of the inquiry; they are state, age, contact"
    ):
        ordered(AXES, names)


def test_a_refusal_says_what_was_given() -> None:
    with pytest.raises(EstimateError, match=r"\['zip'\] must be different axes"):
        ordered(AXES, ["zip"])


# --- indicator -----------------------------------------------------------------------------
def test_a_level_is_one_and_the_others_nought() -> None:
    assert indicator(AXES, {"contact": "post"})["contact"].tolist() == [0.0, 1.0, 0.0, 0.0]


def test_everybody_has_no_weights() -> None:
    assert indicator(AXES, {}) == {}


def test_axes_of_a_part_come_in_the_inquirys_order() -> None:
    assert list(indicator(AXES, {"contact": "post", "state": "CA"})) == ["state", "contact"]


@given(SUBSETS)
def test_the_named_levels_are_one(levels: set[str]) -> None:
    weights = indicator(AXES, {"contact": sorted(levels)})["contact"]
    assert [level for level, w in zip(CONTACTS, weights, strict=True) if w == 1.0] == [
        level for level in CONTACTS if level in levels
    ]


@given(SUBSETS.filter(lambda levels: len(levels) < len(CONTACTS)))
def test_a_part_and_its_complement_are_everybody(levels: set[str]) -> None:
    rest = [level for level in CONTACTS if level not in levels]
    part, other = (indicator(AXES, {"contact": list(some)})["contact"] for some in (levels, rest))
    assert np.array_equal(part + other, np.ones(len(CONTACTS)))


@pytest.mark.parametrize(
    "given_",
    [
        ["post", "email"],
        ("email", "post"),
        {"email", "post"},
        np.array(["email", "post"]),
        pd.Series(["email", "post"]),
        ["email", "post", "email"],
    ],
    ids=lambda given_: type(given_).__name__,
)
def test_levels_come_in_any_collection_and_order(given_: Any) -> None:
    assert indicator(AXES, {"contact": given_})["contact"].tolist() == [1.0, 1.0, 0.0, 0.0]


@pytest.mark.parametrize("bad", ["TX", ["CA", "TX"], [], [3], "", "C", ["CA", None], "ca", " CA"])
def test_a_level_that_is_not_on_the_axis_is_refused_with_those_that_are(bad: Any) -> None:
    with pytest.raises(EstimateError, match="must name levels of that axis: CA, NY, unknown"):
        indicator(AXES, {"state": bad})


@pytest.mark.parametrize("bad", [None, 5, 1.5, True, b"CA", object()])
def test_what_names_no_levels_is_refused_in_the_projects_words(bad: Any) -> None:
    with pytest.raises(EstimateError, match=r"^state=.* must name levels of that axis"):
        indicator(AXES, {"state": bad})


def test_an_unknown_axis_of_a_part_is_refused_with_those_there_are() -> None:
    with pytest.raises(EstimateError, match="they are state, age, contact"):
        indicator(AXES, {"region": "CA"})


# --- shares --------------------------------------------------------------------------------
def test_a_share_of_everybody_is_over_all_levels_of_its_axes() -> None:
    part, whole = part_and_whole(AXES, {"contact": "post"}, None)
    assert part["contact"].tolist() == [0.0, 1.0, 0.0, 0.0]
    assert whole["contact"].tolist() == [1.0] * 4


def test_part_and_whole_have_the_same_axes_in_the_inquirys_order() -> None:
    part, whole = part_and_whole(AXES, {"contact": "post"}, {"state": "CA"})
    assert list(part) == list(whole) == ["state", "contact"]


def test_a_part_within_a_whole_lies_inside_it() -> None:
    part, whole = part_and_whole(
        AXES, {"contact": ["post", "none"], "age": "old"}, {"state": "CA", "contact": ["post"]}
    )
    assert part["state"].tolist() == whole["state"].tolist() == [1.0, 0.0, 0.0]
    assert part["contact"].tolist() == whole["contact"].tolist() == [0.0, 1.0, 0.0, 0.0]
    assert (part["age"].tolist(), whole["age"].tolist()) == ([0.0, 1.0, 0.0], [1.0] * 3)


@given(SUBSETS, SUBSETS)
def test_no_part_is_larger_than_its_whole(chosen: set[str], inside: set[str]) -> None:
    part, whole = part_and_whole(AXES, {"contact": chosen}, {"contact": inside})
    assert (part["contact"] <= whole["contact"]).all()
    assert part["contact"].sum() == len(chosen & inside)


@pytest.mark.parametrize(
    ("where", "within"),
    [({}, None), ({}, {"state": "CA"}), *(({"age": "old"}, bad) for bad in ("CA", ["state"], 3))],
)
def test_a_share_of_no_part_or_of_no_whole_is_refused(where: dict[str, Any], within: Any) -> None:
    with pytest.raises(EstimateError, match="share needs a part, for instance"):
        part_and_whole(AXES, where, within)


def test_an_unknown_level_of_the_whole_is_refused() -> None:
    with pytest.raises(EstimateError, match="must name levels of that axis: CA, NY, unknown"):
        part_and_whole(AXES, {"contact": "post"}, {"state": "TX"})


# --- words ---------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("where", "words"),
    [
        ({}, ""),
        ({"state": "CA"}, "state CA"),
        ({"state": ["CA"]}, "state CA"),
        ({"state": ["CA", "NY"]}, "state CA or NY"),
        ({"contact": ("email", "post"), "age": "old"}, "contact email or post, age old"),
    ],
)
def test_a_part_is_said_in_words(where: dict[str, Any], words: str) -> None:
    assert in_words(where) == words


def test_a_part_of_a_part_is_said_in_words() -> None:
    words = in_words({"contact": "post"}, {"state": ["CA", "NY"]})
    assert words == "contact post within state CA or NY"
