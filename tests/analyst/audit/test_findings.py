import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpnotice.analyst.audit.findings import (
    HOLDS,
    UNKNOWN,
    Figure,
    Finding,
    at_most,
    exactly,
    extreme,
    not_just,
    same,
    span,
    total,
)


def figure(low: float, high: float, words: str = "a", row: str = "row 1") -> Figure:
    return Figure(lower=low, upper=high, words=words, rows=(row,))


A, B = figure(1, 2, "a", "row 1"), figure(4, 8, "b", "row 2")
ends = st.tuples(st.floats(0, 1e9), st.floats(0, 1e9)).map(sorted)
places = st.floats(0, 1)


# --- arithmetic ----------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("got", "low", "high", "words"),
    [
        (A + B, 5, 10, "a + b"),
        (B - A, 2, 7, "b - a"),
        (A * B, 4, 16, "a x b"),
        (A / B, 1 / 8, 1 / 2, "a / b"),
        (100 * A, 100, 200, "100 x a"),
        (1 - A, -1, 0, "1 - a"),
        (A * (A + B), 5, 20, "a x (a + b)"),
        (A / (A * B), 1 / 16, 1 / 2, "a / (a x b)"),
        (B - (A + A), 0, 6, "b - (a + a)"),
        (exactly(2.5), 2.5, 2.5, "2.5"),
        (total([A, B, A]), 6, 12, "a + b + a"),
        (extreme([A, B], largest=True), 4, 8, "the largest of a, b"),
        (extreme([A, B], largest=False), 1, 2, "the smallest of a, b"),
        (extreme([UNKNOWN, A], largest=True), 1, 2, "a"),
    ],
)
def test_ends_and_words_travel_together(got: Figure, low: float, high: float, words: str) -> None:
    assert got.ends == pytest.approx((low, high))
    assert got.words == words


@given(ends, ends, places, places)
def test_no_number_within_leads_outside(
    one: list[float], other: list[float], first: float, second: float
) -> None:
    left, right = figure(*one), figure(*other)
    x, y = (
        Fraction(low) + Fraction(place) * (Fraction(high) - Fraction(low))
        for (low, high), place in ((one, first), (other, second))
    )
    computed = [(left + right, x + y), (left - right, x - y), (left * right, x * y)]
    computed += [(left / right, x / y)] if y else []
    for got, exact in computed:
        dust = 1e-9 * max(1, abs(float(exact)))
        assert got.lower - dust <= exact <= got.upper + dust


@pytest.mark.parametrize("got", [A + UNKNOWN, UNKNOWN - A, 3 * UNKNOWN, UNKNOWN / A, A / UNKNOWN])
def test_what_is_computed_from_the_unknown_is_unknown(got: Figure) -> None:
    assert got == UNKNOWN
    assert not got.known
    assert not got.meets(UNKNOWN)
    assert not A.meets(got)


def test_nothing_known_has_no_extreme() -> None:
    assert extreme([UNKNOWN], largest=True) == UNKNOWN


def test_rows_are_named_once_in_order() -> None:
    assert (A * B + A).rows == ("row 1", "row 2")


def test_a_quotient_by_an_interval_that_holds_nothing_has_no_limit() -> None:
    assert (A / figure(0, 2)).ends == (0.5, math.inf)
    assert (figure(0, 0) / figure(0, 0)).ends == (0, math.inf)


def test_nothing_times_anything_is_nothing() -> None:
    assert (figure(0, 0) * figure(3, math.inf)).ends == (0, 0)


def test_a_share_is_cut_at_one() -> None:
    assert figure(0.9, 1.2).as_share().ends == (0.9, 1)
    assert figure(1.1, 1.2).as_share().ends == (1, 1)


@pytest.mark.parametrize(
    ("low", "high", "met"), [(2, 3, 1), (2.001, 3, 0), (0, 1, 1), (2 + 1e-12, 3, 1)]
)
def test_figures_meet_where_they_have_a_number_in_common(low: float, high: float, met: int) -> None:
    assert A.meets(figure(low, high)) == figure(low, high).meets(A) == met


# --- findings ------------------------------------------------------------------------------
def test_equal_figures_hold_and_keep_no_reading() -> None:
    (check,) = same("GRP", A, figure(2, 3, "c", "row 3"), unit="points", reading="right if")
    assert (check.severity, check.reading, check.rows) == (HOLDS, "", ("row 1", "row 3"))
    assert check.formula == "a = c"
    assert (check.stated, check.recomputed) == ((1, 2), (2, 3))


def test_figures_apart_fail_with_their_reading() -> None:
    (check,) = same("GRP", A, B, unit="points", severity="warning", reading="right if so")
    assert (check.severity, check.reading) == ("warning", "right if so")
    assert check.sentence() == (
        "GRP (warning): a = b; the left is 1.000 to 2.000, the right 4.000 to 8.000. Right if so."
    )


def test_an_order_fails_only_when_it_is_certain() -> None:
    (holds,) = at_most("bounds", A, figure(0, 1), unit="persons")
    (fails,) = at_most("bounds", B, A, unit="persons")
    assert (holds.severity, fails.severity, fails.formula) == (HOLDS, "error", "b <= a")


@pytest.mark.parametrize("pair", [(A, UNKNOWN), (UNKNOWN, A)])
def test_nothing_is_found_about_the_unknown(pair: tuple[Figure, Figure]) -> None:
    assert list(same("GRP", *pair, unit="points")) == []
    assert list(at_most("GRP", *pair, unit="points")) == []
    assert list(not_just(A, *pair, rule="sum", reading="")) == []


SHARE = figure(0.94, 0.96, "r", "row 1")


@pytest.mark.parametrize(
    ("suspect", "plausible", "severity"),
    [
        ((0.95, 0.97), (0.7, 0.8), "warning"),
        ((0.95, 0.97), (0.96, 0.98), HOLDS),
        ((0.97, 0.98), (0.7, 0.8), HOLDS),
        ((0.9, 1), (0.7, 0.8), HOLDS),
    ],
)
def test_a_wrong_formula_is_suspected_only_where_it_fits_sharply_and_no_right_one_does(
    suspect: tuple[float, float], plausible: tuple[float, float], severity: str
) -> None:
    wrong, right = figure(*suspect, "s"), figure(*plausible, "p")
    (check,) = not_just(SHARE, wrong, right, rule="sum", reading="r")
    assert (check.severity, check.formula, check.recomputed) == (
        severity,
        "r is not just s",
        suspect,
    )


def test_a_figure_that_is_only_bounded_raises_no_suspicion() -> None:
    (check,) = not_just(figure(0.7, 1), SHARE, figure(0, 0.1, "p"), rule="sum", reading="r")
    assert check.severity == HOLDS


@pytest.mark.parametrize(
    ("low", "high", "unit", "text"),
    [
        (255.4225, 262.9825, "points", "255.4 to 263.0"),
        (0.0820001, 0.0825, "fraction", "8.200% to 8.250%"),
        (89e6, 91e6 + 0.2, "persons", "89,000,000 to 91,000,001"),
        (28.655, math.inf, "USD", "$28.65 to no limit"),
        (0, 0, "persons", "0.000"),
        (-7.5, 0.0123456, "persons", "-7.500 to 0.01235"),
    ],
)
def test_intervals_are_shown_rounded_outward(low: float, high: float, unit: str, text: str) -> None:
    assert span((low, high), unit) == text


def test_a_finding_without_numbers_has_none_in_its_row_or_sentence() -> None:
    check = Finding(rule="countable", severity="error", rows=("a", "b"), formula="so")
    row = check.row()
    assert all(
        math.isnan(row[f"{side}{end}"]) for side in ("stated_", "") for end in ("lower", "upper")
    )
    assert (row["rows"], check.sentence()) == ("a, b", "countable (error): so.")


def test_a_solved_figure_says_what_it_is() -> None:
    check = Finding(
        rule="universe", severity="note", rows=("a",), formula="n = R U", recomputed=(1, 2)
    )
    assert check.sentence() == "universe (note): n = R U, which is 1.000 to 2.000."
