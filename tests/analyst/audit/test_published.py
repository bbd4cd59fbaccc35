from typing import Any

import pandas as pd
import pytest

from dpnotice.analyst.audit.published import QUANTITIES, Published, published_rows
from dpnotice.errors import PlanError


def figure(quantity: str = "reach", printed: str = "72.0 %", **more: Any) -> Published:
    return Published(row="para. 12", quantity=quantity, printed=printed, **more)


def refusal(*given: str, **more: Any) -> str:
    with pytest.raises(PlanError) as caught:
        figure(*given, **more)
    assert str(caught.value).startswith("para. 12: ")
    return str(caught.value)


# --- one figure ----------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("printed", "unit"),
    [("72.0 %", ""), ("72.0", "percent"), ("72.0%", "percent"), ("0.720", "fraction")],
)
def test_percent_and_fraction_are_the_same_share(printed: str, unit: str) -> None:
    assert figure("reach", printed, unit=unit).interval() == pytest.approx((0.7195, 0.7205))


def test_a_share_ends_at_one() -> None:
    assert figure("reach", "100 %").interval() == (0.995, 1)
    assert figure("reach", "over 70 %").interval() == (0.7, 1)


def test_a_count_has_no_upper_limit_when_it_is_over_something() -> None:
    low, high = figure("impressions", "over 480 M").interval()
    assert (low, high) == (480e6, float("inf"))


@pytest.mark.parametrize("quantity", sorted(QUANTITIES))
def test_every_quantity_is_read_in_its_own_measure(quantity: str) -> None:
    unit = "percent" if quantity == "reach" else ""
    row = figure(quantity, "3", unit=unit)
    assert row.fits
    assert row.measure == QUANTITIES[quantity]


@pytest.mark.parametrize(
    ("quantity", "n"), [("reach", 1), ("reach_2_plus", 2), ("reach_12_plus", 12)]
)
def test_reach_n_plus_carries_its_n(quantity: str, n: int) -> None:
    row = figure(quantity)
    assert (row.at_least, row.base) == (n, "universe")


def test_a_rung_of_the_ladder_may_be_a_count_or_a_share() -> None:
    count, share = figure("filed", "3,545"), figure("filed", "1.10 %", of="class")
    assert (count.fits, count.measure, count.base) == (True, "count", "")
    assert (share.fits, share.measure, share.base) == (True, "share", "class")


@pytest.mark.parametrize(
    ("quantity", "printed", "more"),
    [
        ("grps", "240 %", {}),
        ("reach", "144 M", {"unit": "persons"}),
        ("reach", "72 points", {}),
        ("universe", "72 %", {}),
        ("frequency", "$3", {}),
    ],
)
def test_what_the_quantity_cannot_be_does_not_fit(
    quantity: str, printed: str, more: dict[str, str]
) -> None:
    assert not figure(quantity, printed, **more).fits


def test_words_are_the_text_as_printed_with_what_it_is_about() -> None:
    row = figure("reach_2_plus", "31.5", unit="percent", audience="women", vehicle="People")
    assert row.words == "reach 2+ 31.5 percent (People, women)"
    assert figure("total_paid", "$5").words == "total paid $5"


# --- refusals ------------------------------------------------------------------------------
@pytest.mark.parametrize("quantity", ["reech", "", "reach_1_plus", "reach_0_plus", "accuracy"])
def test_an_unknown_quantity_is_refused_with_the_known_ones(quantity: str) -> None:
    message = refusal(quantity)
    assert f"unknown quantity {quantity!r}" in message
    assert "frequency_cap" in message


def test_an_unknown_unit_is_refused_with_the_known_ones() -> None:
    assert "unknown unit 'people'; take one of percent, fraction" in refusal(unit="people")


@pytest.mark.parametrize("printed", ["112 %", "100.1 %", "over 100 %"])
def test_a_percentage_above_100_is_refused(printed: str) -> None:
    assert f"reach {printed!r} is above 100 %; no share is" in refusal("reach", printed)
    assert "above 100 %" in refusal("filed", printed, of="class")


def test_a_fraction_above_one_is_refused() -> None:
    assert "above 100 %" in refusal("reach", "72", unit="fraction")


def test_a_share_without_a_sign_must_say_what_it_is() -> None:
    assert "may be a percentage or a fraction; say which under unit" in refusal("reach", "0.72")


@pytest.mark.parametrize(
    ("printed", "unit"),
    [("72 %", "fraction"), ("72 %", "points"), ("$72", "percent"), ("3x", "USD")],
)
def test_text_and_unit_may_not_contradict(printed: str, unit: str) -> None:
    assert f"{printed!r} is not in {unit}" in refusal("reach", printed, unit=unit)


@pytest.mark.parametrize("of", ["everybody", "reach", "frequency"])
def test_a_denominator_is_a_count(of: str) -> None:
    assert f"of must be a count, got {of!r}" in refusal(of=of)


def test_a_frequency_is_of_nothing() -> None:
    assert "frequency is of nothing; leave of empty" in refusal("frequency", "3.3", of="universe")


@pytest.mark.parametrize("name", ["unit", "of", "audience", "vehicle", "source", "as_of"])
def test_every_column_is_text(name: str) -> None:
    assert f"{name} must be text, got 2018; quote it" in refusal(**{name: 2018})


@pytest.mark.parametrize(("printed", "words"), [("-5 %", "is negative"), ("lots", "cannot read")])
def test_a_figure_that_cannot_be_read_names_its_row(printed: str, words: str) -> None:
    assert words in refusal("reach", printed)


# --- tables --------------------------------------------------------------------------------
ROWS = [
    {"quantity": "universe", "printed": "200 M", "row": "para. 3", "source": "a survey"},
    {"quantity": "reach", "printed": "72.0 %"},
]


def test_a_list_of_rows_is_read() -> None:
    first, second = published_rows(ROWS)
    assert (first.row, first.source, first.audience) == ("para. 3", "a survey", "all")
    assert (second.row, second.printed) == ("row 2", "72.0 %")


@pytest.mark.parametrize("dtype", ["object", "string"])
def test_a_frame_gives_the_same_rows_whatever_its_empty_cells(dtype: Any) -> None:
    assert published_rows(pd.DataFrame(ROWS).astype(dtype)) == published_rows(ROWS)


def test_another_library_s_frame_gives_the_same_rows() -> None:
    polars = pytest.importorskip("polars", reason="polars is not installed")
    assert published_rows(polars.DataFrame(ROWS)) == published_rows(ROWS)


def test_rows_already_read_are_taken_as_they_are() -> None:
    assert published_rows(published_rows(ROWS)) == published_rows(ROWS)


@pytest.mark.parametrize("bad", [None, 3, "reach 72 %", ROWS[0]])
def test_what_is_no_table_is_refused(bad: Any) -> None:
    with pytest.raises(PlanError, match="a list of rows or a frame"):
        published_rows(bad)


def test_no_rows_are_refused() -> None:
    with pytest.raises(PlanError, match="at least one published figure"):
        published_rows([])


@pytest.mark.parametrize(
    "bad", [{"quantity": "reach"}, {"printed": "72 %"}, {}, {**ROWS[1], "x": ""}]
)
def test_a_row_has_its_columns_and_no_others(bad: dict[str, str]) -> None:
    with pytest.raises(PlanError, match="row 1 needs quantity and printed, and may have row"):
        published_rows([bad])


def test_a_row_that_is_no_mapping_is_refused() -> None:
    with pytest.raises(PlanError, match="row 1 must be a mapping of columns to text, got 'reach'"):
        published_rows(["reach"])


@pytest.mark.parametrize(
    "again",
    [
        {"quantity": "reach", "printed": "70 %", "row": "para. 3"},
        {"quantity": "universe", "printed": "201 M"},
    ],
)
def test_a_row_or_a_figure_stands_once(again: dict[str, str]) -> None:
    with pytest.raises(
        PlanError, match=r"row 2|para\. 3 repeats para\. 3: every figure stands once"
    ):
        published_rows([ROWS[0], again])


def test_a_figure_may_stand_once_per_audience_vehicle_and_denominator() -> None:
    rows = [
        *ROWS,
        {"quantity": "reach", "printed": "60 %", "vehicle": "People"},
        {"quantity": "reach", "printed": "60 %", "audience": "women"},
        {"quantity": "filed", "printed": "1 %", "of": "class"},
        {"quantity": "filed", "printed": "2 %", "of": "sent"},
        {"quantity": "filed", "printed": "3,545"},
    ]
    assert len(published_rows(rows)) == 7
