"""Sentences about answers that do not exist yet: what the dictionaries hold, never less width."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpnotice.reporting.foresight import (
    advice_sentences,
    forecast_sentence,
    frontier_sentence,
    points,
)


def forecast(**changes: Any) -> str:
    facts = {
        "loss": "epsilon 1",
        "class_size": [250_000.0, 250_000.0],
        "quantity": "share of known buyers",
        "segment": "contact post",
        "level": 0.95,
        "half_width": 0.01234,
        "worst_half_width": 0.0201,
        "smallest_class": 2_733,
    }
    return forecast_sentence(facts | changes)


def frontier(*widths: float | None) -> str:
    rows = [
        {"loss": loss, "half_width": width}
        for loss, width in zip(("0.1", "0.5", "1"), widths, strict=True)
    ]
    facts = {"measure": "rho", "quantity": "reach", "segment": "mailed", "level": 0.9}
    return frontier_sentence(facts | {"rows": rows})


def advice(**changes: Any) -> tuple[str, ...]:
    plain = {"missing": [], "unlisted": [], "costly": [], "proposed": ["total"]}
    return advice_sentences(plain | {"is_proposed": True} | changes)


# --- points --------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("half_width", "text"),
    [
        (0.01234, "1.3 points"),
        (0.1201, "13 points"),
        (0.0012001, "0.13 points"),
        (0.02, "2.0 points"),
        (0.01, "1.0 point"),
        (0.0, "0 points"),
        (3.2, "320 points"),
    ],
)
def test_a_half_width_is_told_in_points_rounded_up(half_width: float, text: str) -> None:
    assert points(half_width) == text


@given(st.floats(1e-6, 2.0))
def test_a_half_width_is_never_told_smaller_than_it_is(half_width: float) -> None:
    told = float(points(half_width).split()[0].replace(",", "")) / 100
    assert told >= half_width * (1 - 1e-6)


@given(st.floats(1e-6, 2.0))
def test_a_half_width_is_told_within_a_tenth(half_width: float) -> None:
    told = float(points(half_width).split()[0].replace(",", "")) / 100
    assert told <= half_width * 1.1 * (1 + 1e-9)


# --- forecasts -----------------------------------------------------------------------------
def test_a_forecast_is_told_in_one_sentence() -> None:
    assert forecast() == (
        "At epsilon 1 per buyer and 250,000 buyers, the share of known buyers (contact post) would "
        "be known within 1.3 points as far as the noise goes (95% confidence; at worst within "
        "2.1 points); one point either way takes 2,733 buyers."
    )


def test_a_class_between_two_sizes_is_told_by_both() -> None:
    assert "1,000 to 250,000 buyers" in forecast(class_size=[1_000.0, 250_000.0])


def test_an_answer_without_interval_is_told_as_such() -> None:
    told = forecast(half_width=None, worst_half_width=None)
    assert "could not be determined: the noise hides the buyers" in told
    assert "one point either way takes 2,733 buyers" in told


def test_an_answer_without_interval_at_worst_is_told_as_such() -> None:
    assert "at worst not at all" in forecast(worst_half_width=None)


# --- frontiers -----------------------------------------------------------------------------
def test_a_frontier_is_told_by_its_two_ends() -> None:
    assert frontier(0.1, 0.05, 0.012) == (
        "For the reach (mailed), rho 0.1 gives 10 points and rho 1 gives 1.2 points either way "
        "(90% confidence)."
    )


def test_an_end_without_interval_is_told_as_such() -> None:
    assert "rho 0.1 gives no interval and rho 1 gives 1.2 points" in frontier(None, None, 0.012)


# --- advice --------------------------------------------------------------------------------
def test_nothing_is_told_of_a_good_list() -> None:
    assert advice() == ()


def test_each_finding_is_a_sentence_of_its_own() -> None:
    told = advice(missing=["age x sex"], unlisted=["state"], costly=["contact", "total"])
    assert [line.split(" ")[0] for line in told] == ["age", "state", "Table", "Table"]
    assert all(line.endswith(".") and line.count(".") == 1 for line in told)


def test_a_missing_table_is_told_by_its_axes() -> None:
    (told,) = advice(missing=["age x sex"])
    assert told == (
        "age x sex is to be quoted, but no table holds these axes together, so it could not be "
        "given."
    )


def test_a_table_worth_listing_is_told() -> None:
    assert advice(unlisted=["state"]) == (
        "state would have two thirds of its noise or less with a table of its own.",
    )


def test_a_table_that_costs_more_than_it_gives_is_told() -> None:
    assert advice(costly=["total"]) == (
        "Table total costs more than it gives: without it what is quoted would be as sharp.",
    )


def test_another_list_is_told_as_proposed() -> None:
    told = advice(is_proposed=False, proposed=["total", "age x sex"])
    assert told == ("Proposed tables: total; age x sex.",)


def test_a_list_that_is_proposed_already_is_not_repeated() -> None:
    assert not any("Proposed" in line for line in advice(costly=["total"]))
