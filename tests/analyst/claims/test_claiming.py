import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dpnotice.analyst.claims import priors
from dpnotice.analyst.claims.claiming import (
    draw_filed,
    draw_rate,
    rate_lines,
    upper_filed,
    used_rates,
)
from dpnotice.analyst.claims.ratios import Rate
from dpnotice.analyst.rates import Uniform
from made.reached import SAMPLES, refused, sampling, told

persons = st.integers(0, 100_000)
fractions = st.floats(0, 1)
FTC = {"email": priors.claims_email, "post": priors.claims_postcard}


def rate(numerator: float, denominator: float, **changes: str) -> Rate:
    named = {"counts": "claims", "of": "sent", "unit": "person", **changes}
    return Rate(numerator, denominator, **named)


def drawn(**given_rates: float) -> dict[str, np.ndarray]:
    return {channel: np.full(SAMPLES, p) for channel, p in given_rates.items()}


# --- claims of persons ---------------------------------------------------------------------
def test_a_person_told_twice_claims_at_the_higher_rate_and_not_at_the_sum() -> None:
    """4 standard errors of 2,000 binomials; a false alarm in 10^4, seeded."""
    filed = draw_filed(told({"email+post": 10_000}), drawn(email=0.3, post=0.4), sampling())
    error = np.sqrt(10_000 * 0.4 * 0.6 / SAMPLES)
    assert filed.mean() == pytest.approx(4_000, abs=4 * error)


@given(st.tuples(persons, persons, persons), fractions, fractions)
def test_nobody_claims_twice(told_by: tuple[int, int, int], one: float, two: float) -> None:
    people = told(dict(zip(("email", "post", "email+post"), told_by, strict=True)))
    assert (draw_filed(people, drawn(email=one, post=two), sampling()) <= sum(told_by)).all()


@pytest.mark.parametrize("channel", ["email", "post", "in_account"])
def test_claims_through_one_channel_are_binomial(channel: str) -> None:
    """Chi-square at 10^-4, seeded."""
    filed = draw_filed(told({channel: 20}), drawn(**{channel: 0.3}), sampling())
    law = stats.binom(20, 0.3)
    seen = np.bincount(np.clip(filed, 2, 10), minlength=11)[2:]
    chances = [law.cdf(2), *law.pmf(range(3, 10)), law.sf(9)]
    assert stats.chisquare(seen, SAMPLES * np.array(chances)).pvalue > 1e-4


def test_publication_brings_the_claims_of_those_whom_it_alone_reaches() -> None:
    people = told({"email": 500}, published=200)
    filed = draw_filed(people, drawn(email=0.0, publication=1.0), sampling())
    assert set(filed.tolist()) == {200}


def test_persons_are_rounded_and_none_below_nobody_for_the_binomial_only() -> None:
    people = told({"email": 10.4, "post": -7.0}, published=2.6)
    filed = draw_filed(people, drawn(email=1.0, post=0.5, publication=1.0), sampling())
    assert set(filed.tolist()) == {13}
    assert upper_filed(people, drawn(email=1.0, post=0.5, publication=1.0)) == pytest.approx(9.5)


# --- the upper figure ----------------------------------------------------------------------
def test_the_upper_figure_takes_the_channels_as_independent() -> None:
    people = told({"email": 100, "post": 200, "email+post": 1_000}, published=50)
    upper = upper_filed(people, drawn(email=0.1, post=0.2, publication=0.02))
    assert upper == pytest.approx(10 + 40 + 1_000 * (1 - 0.9 * 0.8) + 1)


@given(st.tuples(persons, persons, persons), fractions, fractions)
def test_the_upper_figure_lies_between_the_best_channel_and_the_sum(
    told_by: tuple[int, int, int], one: float, two: float
) -> None:
    email, post, both = told_by
    people = told({"email": email, "post": post, "email+post": both})
    upper = upper_filed(people, drawn(email=one, post=two))[0]
    alone = email * one + post * two
    assert alone + both * max(one, two) <= upper * (1 + 1e-9) + 1e-6
    assert upper <= (alone + both * (one + two)) * (1 + 1e-9) + 1e-6


# --- which rates ---------------------------------------------------------------------------
def test_only_the_rates_of_the_plans_channels_are_used() -> None:
    assert list(used_rates({**FTC, "publication": 0.0}, told({"email": 1}))) == ["email"]


def test_a_channel_without_a_rate_is_refused_by_name() -> None:
    message = refused(lambda: used_rates({"email": 0.03}, told({"email": 1, "post": 1})))
    assert "rates lacks post, through which the plan sends notice" in message


def test_a_rate_of_publication_is_required_where_it_alone_reaches_anybody() -> None:
    published = np.zeros(SAMPLES)
    published[3] = 0.5
    message = refused(lambda: used_rates(FTC, told({"email": 1}, published=published)))
    assert "rates lacks publication" in message
    assert "no source gives their claims" in message


def test_publication_that_reaches_nobody_alone_needs_no_rate() -> None:
    assert "publication" not in used_rates(FTC, told({"email": 1}, published=0))


@pytest.mark.parametrize("bad", [{"postcard": 0.1}, {"validity": 0.1}, 0.03, None, ["email"]])
def test_unknown_channels_are_refused_with_the_known(bad: object) -> None:
    message = refused(lambda: used_rates(bad, told({"email": 1})))
    assert "rates maps channels (email, post, in_account, publication) to rates" in message


# --- drawing rates -------------------------------------------------------------------------
def test_a_rate_is_drawn_once_per_draw_by_its_label() -> None:
    law = priors.claims_email
    one, other = (draw_rate(law, field, sampling()) for field in ("email", "post"))
    assert len(np.unique(one)) == SAMPLES
    assert one.tolist() == draw_rate(law, "email", sampling()).tolist()
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.1


def test_a_number_is_the_same_in_all_draws() -> None:
    assert draw_rate(0.03, "email", sampling()).tolist() == [0.03] * SAMPLES


def test_a_rate_with_its_denominator_serves_as_a_rate() -> None:
    assert draw_rate(rate(3, 100), "email", sampling())[0] == 0.03
    by_draw = rate(np.linspace(0, 1, SAMPLES), 1.0)  # type: ignore[arg-type]
    assert draw_rate(by_draw, "email", sampling())[-1] == 1.0


@pytest.mark.parametrize("of", ["seen", "delivered", "class", "reached"])
def test_a_rate_that_is_not_per_person_sent_is_refused(of: str) -> None:
    message = refused(lambda: draw_rate(rate(3, 100, of=of), "email", sampling()))
    assert "email must be claims filed of sent, per person" in message
    assert "(claims of seen) * (seen of sent)" in message


def test_a_rate_of_those_who_saw_it_serves_once_it_is_made_one_of_those_sent() -> None:
    made = rate(6, 100, of="seen") * rate(50, 100, counts="seen")
    assert draw_rate(made, "email", sampling())[0] == pytest.approx(0.03)


def test_a_rate_of_approved_claims_would_be_validated_twice_and_is_refused() -> None:
    gascho = rate(49_808, 606_246, counts="approved claims")
    assert "claims filed of sent" in refused(lambda: draw_rate(gascho, "post", sampling()))


def test_a_rate_per_household_is_refused() -> None:
    households = rate(3, 100, unit="household")
    assert "per person" in refused(lambda: draw_rate(households, "post", sampling()))


def test_a_prior_of_something_else_is_refused() -> None:
    assert "claims filed" in refused(lambda: draw_rate(priors.bounced_email, "email", sampling()))


def test_validity_is_a_rate_of_claims() -> None:
    approved = rate(49_808, 55_600, counts="approved claims", of="claims")
    assert draw_rate(approved, "validity", sampling())[0] == 49_808 / 55_600
    gascho = rate(49_808, 606_246, counts="approved claims", of="class")
    message = refused(lambda: draw_rate(gascho, "validity", sampling()))
    assert "validity must be valid claims of claims" in message


def test_a_rate_of_publication_is_of_those_reached() -> None:
    assert draw_rate(rate(1, 100, of="reached"), "publication", sampling())[0] == 0.01
    refused(lambda: draw_rate(rate(1, 100), "publication", sampling()))


@pytest.mark.parametrize("bad", [3, -0.1, None, "3%", Uniform(low=0.5, high=1.5)])
@pytest.mark.parametrize("field", ["email", "validity"])
def test_a_rate_that_is_no_fraction_is_refused_by_name(field: str, bad: object) -> None:
    assert f"{field} must be" in refused(lambda: draw_rate(bad, field, sampling()))


@pytest.mark.parametrize("figures", [np.full(SAMPLES, 2.0), np.full(SAMPLES + 1, 0.5)])
def test_a_rate_by_draws_fits_the_draws_and_is_a_fraction(figures: np.ndarray) -> None:
    by_draw = rate(figures, 1.0)  # type: ignore[arg-type]
    message = refused(lambda: draw_rate(by_draw, "email", sampling()))
    assert f"one fraction in each of {SAMPLES:,} draws" in message


# --- what the claims rest on ---------------------------------------------------------------
def test_sources_and_their_absence_are_told() -> None:
    sourced = rate(49_808, 55_600, counts="approved claims", of="claims", source="822 F.3d 269")
    email, post, public, *_, validity = rate_lines({**FTC, "publication": 0.0}, sourced)
    assert email.startswith("claims per person sent a notice by email")
    assert "FTC staff report" in email
    assert "Beta(a=3, b=47)" in post
    assert public == "claims per person whom publication alone reaches: 0.0; no source given"
    assert validity.endswith("(49,808 approved claims of 55,600 persons); 822 F.3d 269")
