import math
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpnotice.errors import InquiryError
from dpnotice.privacy import (
    NANO,
    Noise,
    NoiseLaw,
    PrivacyLoss,
    exact_decimal,
    posterior,
)

LAPLACE, GAUSSIAN = NoiseLaw.DISCRETE_LAPLACE, NoiseLaw.DISCRETE_GAUSSIAN
BOTH = (LAPLACE, GAUSSIAN)
SCALES = (0.05, 0.3, 0.5, 1.0, 1.5, 2.0, 2.5, 4.0, 7.000000000000001, 30.0, 250.0, 500.0)
LEVELS = (0.05, 0.5, 0.8, 0.9, 0.95, 0.99, 0.999999)
ENDS = (0.01, 2.0**47)
"""The least and the largest scale of any noise."""
WIDE = (1e4, 1e6, 1e9, 1e12, 1e17, 1e200, 1e308)
NARROW = (5e-324, 1e-200, 1e-9, 1e-3)
WEIGHTS = st.lists(
    st.decimals("0.000000001", "999", places=9, allow_nan=False), min_size=1, max_size=9
)


def masses(noise: Noise) -> np.ndarray:
    """P(0), P(1), ... P(far), summed from the law itself."""
    z = np.arange(math.ceil(60 * noise.scale) + 40, dtype=float)
    power = z / noise.scale if noise.law == LAPLACE else z**2 / (2 * noise.scale**2)
    relative = np.exp(-power)
    return relative / (2 * relative.sum() - 1)


def moment(noise: Noise, power: int) -> float:
    law = masses(noise)
    return float(2 * (np.arange(law.size, dtype=float) ** power * law).sum())


@contextmanager
def seconds(limit: int) -> Iterator[None]:
    def stop(*_: object) -> None:
        pytest.fail(f"no answer within {limit} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(limit)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


# --- decimal text --------------------------------------------------------------------------
@given(st.decimals("0.000000001", "999999999", places=9))
def test_decimal_text_is_read_exactly(value: Decimal) -> None:
    assert exact_decimal(f"{value:f}", "epsilon") == value


def test_decimal_text_may_have_nine_digits_on_either_side() -> None:
    assert exact_decimal("123456789.123456789", "epsilon") == Decimal("123456789.123456789")


@pytest.mark.parametrize(
    "text",
    [
        *("0", "0.000", "-1", "+1", "1e0", "NaN", "inf", "", " 1", "1\n", "1,5", ".5", "1."),
        *("0.0000000001", "1234567890", "\u0661", 1, 1.0, 0.1, True, None, Decimal(1), b"1"),
    ],
)
def test_anything_but_positive_decimal_text_is_refused(text: object) -> None:
    words = 'rho must be decimal text above 0 with at most 9 fractional digits, got .*"0.25"'
    with pytest.raises(InquiryError, match=words) as refusal:
        exact_decimal(text, "rho")
    assert refusal.value.code == "BAD_BUDGET"


# --- the declared loss ---------------------------------------------------------------------
@given(st.integers(1, 10**18))
def test_a_loss_is_a_whole_number_of_billionths(nano: int) -> None:
    assert PrivacyLoss(epsilon=Decimal(nano).scaleb(-9)).nano == nano


@pytest.mark.parametrize(
    ("value", "nano"),
    [
        ("1", 10**9),
        ("0.1", 10**8),
        ("0.000000001", 1),
        ("999999999.999999999", 10**18 - 1),
        ("0.0000000001", 1),
        ("0.3333333333", 333_333_334),
    ],
)
def test_billionths_are_exact_and_what_is_finer_is_rounded_up(value: str, nano: int) -> None:
    assert PrivacyLoss(epsilon=Decimal(value)).nano == nano


@given(st.decimals("0.000000001", "99", places=9), WEIGHTS)
def test_shares_sum_to_the_loss_exactly(value: Decimal, weights: list[Decimal]) -> None:
    loss = PrivacyLoss(rho=value)
    assert sum(loss.split(weights)) == Fraction(loss.nano, NANO)


@given(WEIGHTS)
def test_shares_are_in_proportion_to_the_weights(weights: list[Decimal]) -> None:
    shares = PrivacyLoss(epsilon=Decimal(1)).split(weights)
    first = Fraction(weights[0])
    assert [share * first for share in shares] == [shares[0] * Fraction(w) for w in weights]


def test_a_loss_knows_its_measure() -> None:
    assert PrivacyLoss(epsilon=Decimal(2)).measure == "epsilon"
    assert PrivacyLoss(rho=Decimal(2)).measure == "rho"


@pytest.mark.parametrize("value", [None, Decimal(1)])
def test_a_loss_has_exactly_one_measure(value: Decimal | None) -> None:
    with pytest.raises(
        InquiryError, match=r"^a loss is either epsilon or rho, never both; give exactly one$"
    ):
        PrivacyLoss(epsilon=value, rho=value)


@pytest.mark.parametrize("value", [Decimal(0), Decimal(-1), Decimal("NaN"), Decimal("inf"), 1.0])
def test_a_loss_checks_its_value(value: Decimal) -> None:
    with pytest.raises(InquiryError, match="epsilon must be a Decimal above 0") as refusal:
        PrivacyLoss(epsilon=value)
    assert refusal.value.code == "BAD_BUDGET"


LOSSES = st.decimals("0.000000001", "99", places=9, allow_nan=False)


@given(LOSSES, LOSSES)
def test_pure_losses_add_up_exactly(tables: Decimal, sketch: Decimal) -> None:
    both = PrivacyLoss(epsilon=tables).plus_pure(sketch)
    assert (both.rho, both.nano) == (None, NANO * Fraction(tables) + NANO * Fraction(sketch))


@given(LOSSES, LOSSES)
def test_a_pure_loss_beside_a_rho_is_half_its_square_rounded_up_to_a_billionth(
    tables: Decimal, sketch: Decimal
) -> None:
    both = PrivacyLoss(rho=tables).plus_pure(sketch)
    exact = Fraction(tables) + Fraction(sketch) ** 2 / 2
    assert both.epsilon is None
    assert Fraction(both.value) - Fraction(1, NANO) < exact <= Fraction(both.value)
    assert both.nano == Fraction(both.value) * NANO


@pytest.mark.parametrize(
    ("value", "text"),
    [("1.0", "1"), ("1.50", "1.5"), ("10", "10"), ("1E+2", "100"), ("0.000000001", "0.000000001")],
)
def test_a_loss_has_one_spelling(value: str, text: str) -> None:
    assert PrivacyLoss(epsilon=Decimal(value)).text == text
    assert PrivacyLoss(rho=Decimal(value)).text == text


# --- plain numbers -------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("prior", "epsilon", "after"), [(0.1, 1, 0.23), (0.1, 2, 0.45), (0.5, 1, 0.73), (0.5, 2, 0.88)]
)
def test_beliefs_are_those_of_the_privacy_card(prior: float, epsilon: float, after: float) -> None:
    assert round(posterior(prior, epsilon), 2) == after


@given(st.floats(0.01, 0.99), st.floats(0, 10))
def test_odds_grow_by_at_most_e_to_the_epsilon(prior: float, epsilon: float) -> None:
    after = posterior(prior, epsilon)
    assert after * (1 - prior) == pytest.approx(math.exp(epsilon) * prior * (1 - after), rel=1e-6)


@pytest.mark.parametrize("epsilon", [700.0, 1000.0, 999_999_999.0])
def test_belief_after_an_enormous_loss_is_near_certainty(epsilon: float) -> None:
    assert posterior(0.1, epsilon) == pytest.approx(1)


@pytest.mark.parametrize("prior", [-0.1, 1.0, 10.0, math.nan])
def test_a_belief_must_be_a_fraction(prior: float) -> None:
    with pytest.raises(InquiryError, match="prior must be a fraction"):
        posterior(prior, 1.0)


# --- the noise laws ------------------------------------------------------------------------
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("law", BOTH)
def test_variance_is_that_of_the_summed_law(law: NoiseLaw, scale: float) -> None:
    noise = Noise(law=law, scale=scale)
    assert noise.variance == pytest.approx(moment(noise, 2), rel=1e-9)
    assert noise.sd == pytest.approx(moment(noise, 2) ** 0.5, rel=1e-9)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("law", BOTH)
def test_kurtosis_is_that_of_the_summed_law(law: NoiseLaw, scale: float) -> None:
    noise = Noise(law=law, scale=scale)
    expected = moment(noise, 4) / moment(noise, 2) ** 2 - 3
    assert noise.excess_kurtosis == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_gaussian_noise_that_is_always_0_has_a_kurtosis_of_0() -> None:
    noise = Noise(law=GAUSSIAN, scale=0.01)
    assert (noise.variance, noise.excess_kurtosis) == (0.0, 0.0)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("law", BOTH)
def test_half_width_is_the_smallest_that_holds_the_level(
    law: NoiseLaw, scale: float, level: float
) -> None:
    noise = Noise(law=law, scale=scale)
    beyond = 2 * masses(noise)[::-1].cumsum()[::-1][1:]  # P(|noise| > k) for k = 0, 1, ...
    assert noise.half_width(level) == int((beyond > 1 - level).sum())


@pytest.mark.parametrize("law", BOTH)
def test_the_half_width_is_that_of_95_percent_unless_another_level_is_asked(law: NoiseLaw) -> None:
    noise = Noise(law=law, scale=4.0)
    assert noise.half_width() == noise.half_width(0.95) != noise.half_width(0.9)


def test_laplace_noise_that_holds_a_level_exactly_is_not_widened() -> None:
    """With p = 1/2, P(|noise| <= 3) = 1 - 2 p^4 / (1 + p) = 11/12."""
    assert Noise(law=LAPLACE, scale=1 / math.log(2)).half_width(11 / 12) == 3


def test_gaussian_noise_that_holds_a_level_exactly_is_not_widened(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In the law 1/4, 1/2, 1/4, which floats add exactly, half of the noise is 0."""
    noise = Noise(law=GAUSSIAN, scale=1.0)
    monkeypatch.setattr(math, "exp", {0.0: 1.0, -0.5: 0.5}.get)
    monkeypatch.setattr(Noise, "_far", 2)
    assert (noise.half_width(0.5), noise.half_width(0.51)) == (0, 1)


@pytest.mark.parametrize(("tables", "sd"), [(1, 1.36), (2, 2.80), (4, 5.64), (8, 11.3), (16, 22.6)])
def test_laplace_noise_at_epsilon_one_is_as_tabulated(tables: int, sd: float) -> None:
    assert Noise(law=LAPLACE, scale=float(tables)).sd == pytest.approx(sd, rel=4e-3)


def test_laplace_loss_is_the_exact_inverse_of_the_scale() -> None:
    assert Noise(law=LAPLACE, scale=7.0).loss == Fraction(1, 7)


def test_gaussian_loss_is_exact() -> None:
    assert Noise(law=GAUSSIAN, scale=2.5).loss == Fraction(2, 25)


@pytest.mark.parametrize("scale", WIDE)
@pytest.mark.parametrize(("law", "ratio"), [(LAPLACE, -math.log(0.05)), (GAUSSIAN, 1.9599640)])
def test_wide_noise_is_answered_at_once_or_refused(
    law: NoiseLaw, ratio: float, scale: float
) -> None:
    with seconds(1):
        try:
            noise = Noise(law=law, scale=scale)
        except InquiryError:
            return
        assert noise.half_width(0.95) == pytest.approx(ratio * scale, rel=1e-3)


@pytest.mark.parametrize("scale", [1e9, 1e11])
def test_half_width_is_the_smallest_for_wide_laplace_noise_too(scale: float) -> None:
    # 2 p^(k+1) / (1 + p) <= 0.05 in logs; float logs decide k to a few people at these scales.
    bound = scale * (math.log(40) - math.log1p(math.exp(-1 / scale))) - 1
    with seconds(2):
        assert abs(Noise(law=LAPLACE, scale=scale).half_width(0.95) - bound) < 1 + 1e-14 * scale


@pytest.mark.parametrize("scale", [*WIDE, *NARROW])
@pytest.mark.parametrize("law", BOTH)
@pytest.mark.parametrize(
    "ask", [lambda noise: noise.sd, lambda noise: noise.loss], ids=["sd", "loss"]
)
def test_every_accepted_scale_has_its_figures(
    ask: Callable[[Noise], float], law: NoiseLaw, scale: float
) -> None:
    try:
        noise = Noise(law=law, scale=scale)
    except InquiryError:
        return
    assert ask(noise) >= 0


@pytest.mark.parametrize("scale", [0.0, -1.0, math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("law", BOTH)
def test_a_scale_must_be_finite_and_positive(law: NoiseLaw, scale: float) -> None:
    words = "^a noise scale must be finite and above 0, from 0.01 to 2^47 people, got"
    with pytest.raises(InquiryError, match=words.replace("2^47", r"2\^47")):
        Noise(law=law, scale=scale)


@pytest.mark.parametrize("scale", ENDS)
@pytest.mark.parametrize("law", BOTH)
def test_the_least_and_the_largest_scale_are_noise(law: NoiseLaw, scale: float) -> None:
    assert Noise(law=law, scale=scale).scale == scale


@pytest.mark.parametrize("scale", [math.nextafter(ENDS[0], 0), math.nextafter(ENDS[1], math.inf)])
@pytest.mark.parametrize("law", BOTH)
def test_the_next_scale_beyond_either_end_is_refused(law: NoiseLaw, scale: float) -> None:
    with pytest.raises(InquiryError, match="a noise scale must be finite and above 0"):
        Noise(law=law, scale=scale)


def test_a_scale_must_be_a_number() -> None:
    with pytest.raises(InquiryError, match="a noise scale must be"):
        Noise(law=LAPLACE, scale="4.0")  # type: ignore[arg-type]


def test_only_published_laws_are_known() -> None:
    words = "^the noise law must be one of discrete-laplace, discrete-gaussian, got 'uniform'$"
    with pytest.raises(InquiryError, match=words):
        Noise(law="uniform", scale=4.0)  # type: ignore[arg-type]


@pytest.mark.parametrize("level", [0.0, 1.0, 1.5, 95, -0.1, math.nan])
@pytest.mark.parametrize("law", BOTH)
def test_a_level_must_be_a_fraction(law: NoiseLaw, level: float) -> None:
    with pytest.raises(InquiryError, match="level must be a fraction"):
        Noise(law=law, scale=4.0).half_width(level)
