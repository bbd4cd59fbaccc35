import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpnotice.analyst.audit.printed import read_printed
from dpnotice.errors import PlanError


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("72.0 %", 71.95, 72.05),
        ("72%", 71.5, 72.5),
        ("8.25 per cent", 8.245, 8.255),
        ("606,246", 606_245.5, 606_246.5),
        ("606246", 606_245.5, 606_246.5),
        ("323,000", 322_999.5, 323_000.5),
        ("≈ 323,000", 322_500, 323_500),
        ("about 320,000", 315_000, 325_000),
        ("~70 %", 65, 75),
        ("approximately 8.20 %", 8.195, 8.205),
        ("200 M", 199.5e6, 200.5e6),
        ("1.25 Billion", 1.245e9, 1.255e9),
        ("480 (000)", 479_500, 480_500),
        ("$31.99", 31.985, 31.995),
        ("$ 26.25 million", 26.245e6, 26.255e6),
        ("3.3x", 3.25, 3.35),
        ("2.1 times", 2.05, 2.15),
        ("240 GRPs", 239.5, 240.5),
        ("0", 0, 0.5),
        ("≈ 0", 0, 0.5),
        ("over 70 %", 70, math.inf),
        ("more  than 1.5\u00a0million", 1.5e6, math.inf),
        ("70%+", 70, math.inf),
        ("nearly 320,000", 0, 320_000),
        ("up to 5", 0, 5),
    ],
)
def test_text_is_read_as_the_numbers_that_print_so(text: str, low: float, high: float) -> None:
    assert read_printed(text).interval() == pytest.approx((low, high), rel=1e-12)


@given(st.floats(0, 1e9), st.integers(0, 4))
def test_a_rounded_number_lies_within_what_its_text_is_read_as(value: float, digits: int) -> None:
    low, high = read_printed(f"{value:,.{digits}f}").interval()
    assert low <= value * (1 + 1e-15)
    assert value <= high * (1 + 1e-15)
    assert high - low <= 10.0**-digits * (1 + 1e-6) + 1e-6


@pytest.mark.parametrize(
    ("text", "half"),
    [("480,000,000", 5e5), ("606,000", 500), ("606,246", 0.5), ("480,100,000", 5e4 * 0.01)],
)
def test_closing_thousands_may_be_the_trace_of_rounding(text: str, half: float) -> None:
    low, high = read_printed(text).interval(rounded=True)
    assert high - low == pytest.approx(2 * half)


def test_closing_zeros_of_a_scaled_number_are_its_digits() -> None:
    assert read_printed("2,000 million").interval(rounded=True) == (1999.5e6, 2000.5e6)


@pytest.mark.parametrize(
    ("text", "measure"),
    [("72 %", "share"), ("$5", "money"), ("3x", "ratio"), ("240 points", "points"), ("72", "")],
)
def test_text_may_say_what_it_measures(text: str, measure: str) -> None:
    assert read_printed(text).measure == measure


@pytest.mark.parametrize(
    "text",
    ["", "many", "72,0 %", "1,23", "1 234", "70-75 %", "72 % of adults", "$5 %", "under 5+", "1e6"],
)
def test_unreadable_text_is_refused_with_examples(text: str) -> None:
    with pytest.raises(PlanError, match=r"cannot read .* as a figure; type it like 72\.0 %"):
        read_printed(text)


@pytest.mark.parametrize("text", ["-5", "- 5 %", "\u22125"])
def test_a_negative_figure_is_refused(text: str) -> None:
    with pytest.raises(PlanError, match="is negative; published figures are 0 or more"):
        read_printed(text)


@pytest.mark.parametrize("given", [72.0, 72, None, True, ["72 %"]])
def test_a_number_is_refused_because_it_has_lost_its_zeros(given: Any) -> None:
    with pytest.raises(PlanError, match=r"printed must be text, got .* lost its last zeros"):
        read_printed(given)
