import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpnotice.reporting.claims_wording import OF, UNITS, cents, claims_statement, rate_text

NO_NUMBER = re.compile(r"\b(nan|inf|None)\b")


def rate(**changes: Any) -> dict[str, Any]:
    plain = {"value": 0.0822, "numerator": 49_808, "denominator": 606_246, "drawn": False}
    return plain | {"counts": "approved claims", "of": "class", "unit": "person"} | changes


def estimate(point: float, lower: float, upper: float) -> dict[str, Any]:
    return {"estimate": point, "lower": lower, "upper": upper, "level": 0.95, "unit": "USD"}


def facts(**changes: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "plan": "e-mail",
        "population": "class members",
        "channels": ["email"],
        "filed": estimate(24_000, 10_000, 40_000),
        "valid": estimate(20_000, 9_000, 35_000),
        "filed_upper": estimate(26_000, 11_000, 44_000),
        "money": {},
        "net_usd": None,
        "fund_suffices": None,
        "shortfall": None,
    }
    return plain | changes


SIZES = {
    f"{size}_payment_usd": estimate(value, value, value)
    for size, value in {"mean": 31.9876, "median": 25, "least": 20.5, "largest": 20_000}.items()
}
SHORT = {
    "money": {**SIZES, "shortfall_usd": estimate(1_200_000, 0, 9_000_000)},
    "net_usd": 17_777_641.0,
    "fund_suffices": 0.42,
    "shortfall": "tier1_first",
}


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.0822, "8.2%"), (0.5, "50.0%"), (0.0001, "0.010%"), (3e-6, "0.00030%"), (0, "0.0%")],
)
def test_small_rates_show_two_digits(value: float, shown: str) -> None:
    assert rate_text(rate(value=value)).startswith(f"{shown} of the class (49,808 approved")


@pytest.mark.parametrize("of", OF)
@pytest.mark.parametrize("unit", UNITS)
def test_a_rate_names_of_whom_and_in_which_unit(of: str, unit: str) -> None:
    text = rate_text(rate(of=of, unit=unit))
    assert f"% of {OF[of]} (" in text
    assert text.endswith(f"of 606,246 {UNITS[unit]})")


def test_a_drawn_rate_is_told_by_its_means() -> None:
    assert "(about 49,808 approved claims" in rate_text(rate(drawn=True))


def test_filed_and_valid_claims_are_told_apart_with_their_intervals() -> None:
    assert claims_statement(facts()) == (
        "We estimate that class members would file 24,000 claims (95% interval 10,000 to 40,000) "
        'after the notice of plan "e-mail", and that 20,000 claims (95% interval 9,000 to 35,000) '
        "would be valid."
    )


def test_the_upper_figure_is_told_where_there_are_several_channels() -> None:
    text = claims_statement(facts(channels=["email", "post"]))
    assert text.endswith(
        "Should every channel bring its own, 26,000 claims (95% interval 11,000 to 44,000) would "
        "be filed."
    )


@pytest.mark.parametrize(
    ("point", "shown"),
    [(258_412, "260,000"), (232_568, "230,000"), (9.6, "10"), (0.4, "0"), (104, "100")],
)
def test_claims_filed_and_valid_keep_two_digits_however_wide_their_intervals(
    point: float, shown: str
) -> None:
    text = claims_statement(facts(filed=estimate(point, 0.0, 2 * point)))
    assert f"would file {shown} claims (95% interval 0 to " in text


@given(st.floats(0, 1e8), st.floats(0, 1e8), st.floats(0, 1e8))
def test_ends_of_claims_are_rounded_outward(one: float, two: float, three: float) -> None:
    lower, point, upper = sorted((one, two, three))
    text = claims_statement(facts(filed=estimate(point, lower, upper)))
    found = re.search(r"file [\d,]+ claims \(95% interval ([\d,]+) to ([\d,]+)\)", text)
    assert found
    low, high = (float(end.replace(",", "")) for end in found.groups())
    assert low <= lower
    assert upper <= high


def test_payments_show_cents() -> None:
    text = claims_statement(facts(money=SIZES))
    assert "paid $31.99 in the mean and $25.00 in the median, from $20.50 to $20,000.00." in text


def test_the_fund_gets_a_chance_and_no_verdict() -> None:
    text = claims_statement(facts(**SHORT))
    assert text.endswith(
        "The chance that the net fund of $17,777,641 pays all that is due is 42%; the expected "
        "shortfall is $1,200,000 (95% interval $0 to $9,000,000), borne by tier 2 before tier 1."
    )


@pytest.mark.parametrize(
    ("rule", "who"),
    [
        ("pro_rata_all", "borne by all claims in proportion"),
        ("tier1_first", "borne by tier 2 before tier 1"),
        ("tier2_first", "borne by tier 1 before tier 2"),
    ],
)
def test_who_bears_a_shortfall_is_told(rule: str, who: str) -> None:
    assert claims_statement(facts(**{**SHORT, "shortfall": rule})).endswith(f"{who}.")


def test_a_fund_that_suffices_in_all_draws_is_never_called_certain() -> None:
    money = {**SIZES, "shortfall_usd": estimate(0, 0, 0)}
    text = claims_statement(facts(money=money, net_usd=1e9, fund_suffices=1.0))
    assert text.endswith("pays all that is due is above 99%.")


@given(st.floats(0, 1), st.floats(0, 1e9), st.floats(0, 1e9))
def test_no_sentence_prints_what_is_no_number(chance: float, one: float, two: float) -> None:
    counted = estimate((one + two) / 2, min(one, two), max(one, two))
    money = {**SIZES, "shortfall_usd": counted}
    text = claims_statement(
        facts(**{**SHORT, "money": money, "fund_suffices": chance, "filed": counted})
    )
    assert not NO_NUMBER.search(text)
    assert "100%" not in text


@given(st.floats(0, 1e9))
def test_cents_are_rounded_to_the_nearest(value: float) -> None:
    assert float(cents(value)[1:].replace(",", "")) == pytest.approx(value, abs=0.005 + 1e-6)
