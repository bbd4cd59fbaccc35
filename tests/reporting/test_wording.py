"""Words: rounded outward, never an empty certainty, never a number that is none."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpnotice.reporting import wording

NO_NUMBER = re.compile(
    r"\b(nan|inf|infinity|None)\b|(?<![\w.])-\$?0+(\.0+)?(?![\d.])", re.IGNORECASE
)
FORBIDDEN = re.compile(r"\b(will read|proves?|meets?)\b")

fractions = st.floats(0, 1)
counts = st.floats(0, 1e9)
signed = st.floats(-1e6, 1e9)


def estimate(**changes: object) -> dict[str, Any]:
    plain = {
        "quantity": "number of known buyers",
        "segment": "",
        "unit": "persons",
        "estimate": 1000.0,
        "lower": 900.0,
        "upper": 1100.0,
        "level": 0.95,
    }
    return plain | changes


def fraction(**changes: object) -> dict[str, Any]:
    plain = {"quantity": "share", "unit": "fraction", "estimate": 0.744}
    return estimate(**(plain | {"lower": 0.7201, "upper": 0.7599} | changes))


def numbers(text: str) -> list[float]:
    return [float(found.replace(",", "")) for found in re.findall(r"-?[\d,]+(?:\.\d+)?", text)]


@given(fractions, fractions)
def test_a_percent_interval_is_rounded_outward_to_whole_percents(one: float, two: float) -> None:
    lower, upper = min(one, two), max(one, two)
    low, high = numbers(wording.percent_interval(lower, upper))
    assert low / 100 <= lower + 1e-10
    assert high / 100 >= upper - 1e-10
    assert lower - low / 100 < 0.01 + 1e-10
    assert high / 100 - upper < 0.01 + 1e-10


def test_a_percent_interval_that_is_already_whole_stays_as_it_is() -> None:
    # 0.07 * 100 and 0.57 * 100 are not whole in binary
    assert wording.percent_interval(0.07, 0.57) == "7% to 57%"


def test_a_percent_interval_never_leaves_zero_to_one_hundred() -> None:
    assert wording.percent_interval(-0.01, 1.01) == "0% to 100%"


@given(counts, counts, fractions)
def test_a_counts_interval_is_rounded_outward_to_its_step(
    one: float, two: float, place: float
) -> None:
    lower, upper = min(one, two), max(one, two)
    middle, ends = wording.count_text(lower + place * (upper - lower), lower, upper)
    step = wording.step_for(lower, upper)
    low, high = numbers(ends)
    assert low <= lower
    assert high >= upper
    assert {number % step for number in (low, high, *numbers(middle))} == {0}
    assert lower - low < step
    assert high - upper <= step


@given(counts, st.floats(0, 1e9))
def test_the_step_is_the_largest_of_1_2_5_not_above_half_the_standard_deviation(
    lower: float, width: float
) -> None:
    upper = lower + width
    half = (upper - lower) / 3.92 / 2
    allowed = [m * 10**k for k in range(10) for m in (1, 2, 5) if m * 10**k <= half]
    assert wording.step_for(lower, upper) == max(allowed, default=1)


def test_bounds_without_a_point_are_printed_to_the_person() -> None:
    assert wording.count_text(None, 438.2, 1616.1) == ("", "438 to 1,617")


@given(signed, counts, counts)
def test_a_counts_point_is_never_negative(point: float, one: float, two: float) -> None:
    middle, _ = wording.count_text(point, min(one, two), max(one, two))
    assert not middle.startswith("-")


@given(fractions)
def test_a_probability_is_never_zero_or_one_hundred_percent(value: float) -> None:
    assert wording.probability(value) not in {"0%", "100%"}


@given(st.floats(0, 0.00999))
def test_a_small_probability_is_below_one_percent(value: float) -> None:
    assert wording.probability(value) == "below 1%"


@given(st.floats(0.9901, 1))
def test_a_large_probability_is_above_ninety_nine_percent(value: float) -> None:
    assert wording.probability(value) == "above 99%"


def test_a_probability_between_is_a_whole_percent() -> None:
    assert wording.probability(0.42) == "42%"


@given(st.floats(-0.0049, 0))
def test_a_percentage_that_rounds_to_zero_has_no_minus_sign(value: float) -> None:
    assert wording.percent(value) == "0%"


def test_a_negative_share_that_rounds_to_zero_has_no_minus_sign_in_a_table() -> None:
    point, _ = wording.point_and_interval(fraction(estimate=-0.0003, lower=0.0, upper=0.01))
    assert point == "0.0%"


@given(fractions, fractions)
def test_a_fractions_interval_in_a_table_is_rounded_outward_to_one_decimal(
    one: float, two: float
) -> None:
    lower, upper = min(one, two), max(one, two)
    _, ends = wording.point_and_interval(fraction(lower=lower, upper=upper))
    low, high = numbers(ends)
    assert low / 100 <= lower + 1e-10
    assert high / 100 >= upper - 1e-10
    assert max(lower - low / 100, high / 100 - upper) < 0.001 + 1e-10


@pytest.mark.parametrize("unit", ["persons", "buyers", "USD"])
def test_an_interval_in_a_table_is_rounded_outward_in_every_unit(unit: str) -> None:
    _, ends = wording.point_and_interval(estimate(unit=unit, lower=100.6, upper=110.4))
    assert numbers(ends) == [100, 111]


def test_a_costs_interval_is_rounded_outward_in_its_sentence() -> None:
    cost = estimate(quantity="cost", unit="USD", estimate=105.0, lower=100.6, upper=110.4)
    assert "$100 to $111" in wording.estimate_sentence(cost)


def test_a_table_leaves_the_point_empty_where_there_are_only_bounds() -> None:
    point, _ = wording.point_and_interval(fraction(estimate=None))
    assert point == ""


def test_an_estimate_reads_as_one_sentence() -> None:
    text = wording.estimate_sentence(fraction(quantity="share", segment="contact post"))
    assert text == "The share (contact post) is 74% (95% interval 72% to 76%)."


def test_an_estimate_without_a_point_speaks_of_bounds() -> None:
    text = wording.estimate_sentence(fraction(estimate=None))
    assert text == "The share is between 72% and 76% (95% confidence)."


@pytest.mark.parametrize("level", [0.995, 0.999, 0.9999])
def test_a_level_below_one_is_never_printed_as_one_hundred_percent(level: float) -> None:
    assert "100%" not in wording.estimate_sentence(fraction(level=level))


def test_a_level_of_97_5_percent_keeps_its_decimal() -> None:
    assert "97.5%" in wording.estimate_sentence(fraction(level=0.975))


@given(signed | st.none(), counts, counts, st.sampled_from(["persons", "buyers", "USD"]))
def test_a_counts_sentences_hold_no_number_that_is_none(
    point: float | None, one: float, two: float, unit: str
) -> None:
    found = estimate(estimate=point, lower=min(one, two), upper=max(one, two), unit=unit)
    assert not NO_NUMBER.search(wording.estimate_sentence(found))
    assert not NO_NUMBER.search(wording.size_sentence(found, "known buyers", 4))


@given(st.floats(-0.5, 1.5) | st.none(), fractions, fractions)
def test_a_reach_sentence_holds_no_number_that_is_none(
    point: float | None, one: float, two: float
) -> None:
    found = fraction(estimate=point, lower=min(one, two), upper=max(one, two), segment="plan A")
    records = estimate(estimate=10.0, lower=5.0, upper=15.0)
    assert not NO_NUMBER.search(wording.estimate_sentence(found))
    assert not NO_NUMBER.search(wording.plan_sentence(found, "known buyers", records))


@given(st.floats(-0.5, 1.5), fractions, fractions)
def test_a_share_in_a_table_holds_no_number_that_is_none(
    point: float, one: float, two: float
) -> None:
    found = fraction(estimate=point, lower=min(one, two), upper=max(one, two))
    assert not NO_NUMBER.search(" ".join(wording.point_and_interval(found)))


@pytest.mark.parametrize("point", [None, 0.74])
def test_reach_would_be_exposed_and_promises_nothing_more(point: float | None) -> None:
    text = wording.reach_sentence(fraction(estimate=point, segment="mail"), "class members")
    assert "would be exposed to the notice" in text
    assert not FORBIDDEN.search(text)


def test_reach_with_a_point_states_point_and_interval() -> None:
    text = wording.reach_sentence(fraction(segment="mail"), "class members")
    assert text == (
        "We estimate that 74% of class members (95% interval 72% to 76%) would be exposed to the "
        'notice of plan "mail" at least once.'
    )


def test_reach_without_a_point_states_both_bounds_and_why() -> None:
    text = wording.reach_sentence(fraction(estimate=None, segment="mail"), "known buyers")
    assert text.startswith("Between 72% and 76% of known buyers (95% confidence)")
    assert "overlap between retailers is not known" in text


def test_a_size_of_known_buyers_names_the_responding_retailers() -> None:
    text = wording.size_sentence(estimate(), "known buyers", 1)
    assert text == (
        "We estimate 1,000 known buyers of 1 responding retailer (95% interval 900 to 1,100)."
    )


def test_a_size_of_class_members_names_no_retailers() -> None:
    assert "retailer" not in wording.size_sentence(estimate(), "class members", 4)


def test_a_size_without_a_point_states_both_bounds_and_why() -> None:
    text = wording.size_sentence(estimate(estimate=None), "known buyers", 4)
    assert "at least 900 and at most 1,100 known buyers of 4 responding retailers" in text
    assert "no single figure is given" in text


def test_a_plan_that_discloses_nothing_says_so() -> None:
    nothing = estimate(estimate=0.0, lower=0.0, upper=0.0)
    text = wording.plan_sentence(fraction(segment="mail"), "known buyers", nothing)
    assert text.endswith("It discloses no buyer's record.")


def test_a_plan_that_hands_over_names_says_how_many_records() -> None:
    text = wording.plan_sentence(fraction(segment="names"), "known buyers", estimate())
    assert text.endswith("It discloses about 1,000 buyers' records (900 to 1,100).")


def test_money_is_whole_dollars_with_separators() -> None:
    assert wording.dollars(1234.4) == "$1,234"


def test_a_known_figure_follows_its_unit() -> None:
    assert wording.figure(0.8028, "fraction") == "80.3%"
    assert wording.figure(1222, "persons") == "1,222"
    assert wording.figure(1222.2, "USD") == "$1,222"


@pytest.mark.parametrize(
    ("chance", "sentence"),
    [
        (1.0, "The chance that reach is at least 70% is above 99%."),
        (0.0, "The chance that reach is at least 70% is below 1%."),
        (
            0.4,
            (
                "The chance that reach is at least 70% is 40%; "
                "the data do not settle whether it would."
            ),
        ),
    ],
)
def test_a_target_is_given_a_chance_and_no_verdict(chance: float, sentence: str) -> None:
    assert wording.target_sentence(chance, chance, 0.7) == sentence


def test_of_several_retailers_a_chance_lies_between_two() -> None:
    assert wording.target_sentence(0.0, 0.97, 0.7) == (
        "The chance that reach is at least 70% is between below 1% and 97%, depending on the "
        "overlap between retailers; the data do not settle whether it would."
    )


# --- persons of several retailers ------------------------------------------------------------
SAID = "taking every key for one person"


def test_what_counts_alone_say_stands_beside_a_figure_that_rests_on_more() -> None:
    bounds = estimate(estimate=None, lower=900.0, upper=12_345.0)
    assert wording.beside_sentence(bounds, SAID) == (
        "This counts buyers of several retailers once, taking every key for one person; the counts "
        "alone leave anything from 900 to 12,345 known buyers open."
    )


@given(counts, counts)
def test_no_sentence_beside_a_figure_prints_a_missing_number(one: float, two: float) -> None:
    bounds = estimate(estimate=None, lower=min(one, two), upper=max(one, two))
    assert not NO_NUMBER.search(wording.beside_sentence(bounds, SAID))


def test_a_contradiction_is_a_warning() -> None:
    assert wording.contradiction_sentence("r0: its map shows 9") == "Warning: r0: its map shows 9."


@pytest.mark.parametrize("point", [0.74, None])
def test_a_reach_says_what_it_takes_for_granted_of_persons(point: float | None) -> None:
    text = wording.reach_sentence(fraction(estimate=point, segment="mail"), "known buyers", SAID)
    assert f"at least once, {SAID}" in text
    plain = wording.reach_sentence(fraction(estimate=point, segment="mail"), "known buyers")
    assert text.replace(f", {SAID}", "") == plain


def test_a_plan_says_what_its_reach_takes_for_granted_once() -> None:
    nothing = estimate(estimate=0.0, lower=0.0, upper=0.0)
    text = wording.plan_sentence(fraction(segment="mail"), "known buyers", nothing, SAID)
    assert text.count(SAID) == 1
    assert text.endswith(f"at least once, {SAID}. It discloses no buyer's record.")
