import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpnotice.analyst.claims.ratios import Rate
from made.reached import refused

counts = st.floats(1, 1e9)
MEMBERS = 606_246
"""Gascho v. Global Fitness, 822 F.3d 269 (6th Cir. 2016)."""
APPROVED = Rate(49_808, MEMBERS, counts="approved claims", of="class", unit="person")
FILED = Rate(55_600, MEMBERS, counts="filed claims", of="class", unit="person")
ACCEPTED = Rate(49_808, 55_600, counts="approved claims", of="claims", unit="person")


def rate(numerator: float = 1.0, denominator: float = 2.0, **changes: str) -> Rate:
    return Rate(
        numerator, denominator, **{"counts": "claims", "of": "sent", "unit": "person", **changes}
    )


# --- printed whole -------------------------------------------------------------------------
def test_approved_claims_are_not_shown_as_filed() -> None:
    assert str(APPROVED) == "8.2% of the class (49,808 approved claims of 606,246 persons)"
    assert str(FILED) == "9.2% of the class (55,600 filed claims of 606,246 persons)"


def test_approved_of_filed_names_its_denominator() -> None:
    assert str(ACCEPTED) == "89.6% of claims filed (49,808 approved claims of 55,600 persons)"


def test_a_rate_by_draws_prints_its_means_as_such() -> None:
    drawn = rate(np.array([10.0, 30.0]), 100.0)
    assert str(drawn) == "20.0% of those sent a notice (about 20 claims of 100 persons)"


# --- products ------------------------------------------------------------------------------
def test_approved_of_filed_times_filed_of_class_is_approved_of_class() -> None:
    product = ACCEPTED * FILED
    assert (product.numerator, product.denominator) == (49_808, MEMBERS)
    assert str(product) == str(APPROVED)


@given(counts, counts, counts, counts)
def test_a_product_has_the_product_of_the_values(a: float, b: float, c: float, d: float) -> None:
    product = rate(a, b, of="seen") * rate(c, d, counts="seen")
    assert product.value == pytest.approx(a / b * (c / d), rel=1e-9)
    assert (product.counts, product.of) == ("claims", "sent")


@given(counts, st.floats(0, 1), st.floats(0.01, 1))
def test_a_quotient_undoes_a_product(sent: float, claimed: float, seen: float) -> None:
    seen_of_sent = rate(seen * sent, sent, counts="seen")
    claims_of_seen = rate(claimed, 1.0, of="seen")
    back = (claims_of_seen * seen_of_sent) / seen_of_sent
    assert back.value == pytest.approx(claimed, rel=1e-9, abs=1e-12)
    assert (back.counts, back.of) == ("claims", "seen")


def test_per_sent_over_seen_of_sent_is_per_seen() -> None:
    per_seen = rate(3, 100) / rate(50, 100, counts="seen")
    assert (per_seen.value, per_seen.of) == (0.06, "seen")


def test_more_claims_than_persons_who_saw_the_notice_are_refused() -> None:
    message = refused(lambda: rate(60, 100) / rate(50, 100, counts="seen"))
    assert message.startswith("INCONSISTENT: (claims of sent, per person) is above (seen of sent")


@pytest.mark.parametrize(
    "other",
    [rate(counts="delivered"), rate(counts="approved claims"), rate(counts="seen", unit="buyer")],
    ids=["another stage", "no stage", "another unit"],
)
def test_rates_that_do_not_follow_each_other_do_not_multiply(other: Rate) -> None:
    message = refused(lambda: rate(of="seen") * other)
    assert "multiply as (a of b)(b of c) in one unit" in message


def test_approved_claims_are_not_the_claims_that_a_rate_of_claims_is_of() -> None:
    refused(lambda: ACCEPTED * APPROVED)


@pytest.mark.parametrize(
    "other",
    [
        rate(counts="seen", of="class"),
        rate(counts="seen", unit="buyer"),
        rate(counts="approved claims"),
    ],
    ids=["of others", "another unit", "no stage"],
)
def test_rates_of_different_persons_do_not_divide(other: Rate) -> None:
    assert "divide as (a of c) / (b of c)" in refused(lambda: rate(0.1) / other)


def test_a_rate_multiplies_with_rates_only() -> None:
    with pytest.raises(TypeError):
        _ = rate() * 0.5  # type: ignore[operator]
    with pytest.raises(TypeError):
        _ = rate() / 0.5  # type: ignore[operator]


def test_a_product_carries_both_sources_once() -> None:
    one = rate(of="seen", source="survey", as_of="2019")
    two = rate(counts="seen", source="mailer", as_of="2019")
    assert ((one * two).source, (one * two).as_of) == ("survey; mailer", "2019")


# --- units ---------------------------------------------------------------------------------
def test_a_unit_changes_by_a_named_factor_that_is_kept() -> None:
    made = rate(100, 1_000, unit="household").in_unit("person", each=2.5, source="survey 2020")
    assert (made.value, made.unit) == (0.04, "person")
    assert made.source == "2.5 person per household: survey 2020"


@pytest.mark.parametrize("each", [0, -1, np.nan, "2", None])
def test_a_factor_of_no_size_is_refused(each: object) -> None:
    refused(lambda: rate().in_unit("person", each=each, source="survey"))


# --- what is no rate -----------------------------------------------------------------------
@pytest.mark.parametrize("denominator", [0, -1, np.array([1.0, 0.0])])
def test_a_denominator_of_nobody_is_refused(denominator: float) -> None:
    assert "a denominator above 0" in refused(lambda: rate(1, denominator))


def test_a_negative_numerator_is_refused() -> None:
    assert "a numerator of 0 or more" in refused(lambda: rate(-1, 2))


@pytest.mark.parametrize("bad", ["8", None, True, np.inf, np.ones((2, 2)), np.zeros(0)])
def test_a_figure_that_is_no_number_is_refused(bad: object) -> None:
    assert "numerator must be a finite number" in refused(lambda: rate(bad))  # type: ignore[arg-type]


def test_figures_of_different_draws_are_refused() -> None:
    assert "one draw each" in refused(lambda: rate(np.ones(2), np.ones(3)))  # type: ignore[arg-type]


@pytest.mark.parametrize(("field", "bad"), [("of", "everybody"), ("unit", "users"), ("of", None)])
def test_an_unknown_denominator_or_unit_is_refused_with_the_list(field: str, bad: str) -> None:
    assert f"{field} must be one of" in refused(lambda: rate(**{field: bad}))


@pytest.mark.parametrize("field", ["counts", "source", "as_of"])
def test_names_are_lines_of_text(field: str) -> None:
    assert f"{field} must be a line of text" in refused(lambda: rate(**{field: " "}))


def test_figures_by_draw_are_read_only_copies() -> None:
    given_figures = np.ones(2)
    kept = rate(given_figures, 2.0)  # type: ignore[arg-type]
    given_figures[0] = 9
    assert np.asarray(kept.value).tolist() == [0.5, 0.5]
