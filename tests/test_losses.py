"""Losses that an inquiry can state: ends between which there is noise, and their decimal text."""

import math
from collections.abc import Sequence
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpnotice.errors import InquiryError
from dpnotice.losses import possible_losses, rounded_up
from dpnotice.privacy import PrivacyLoss, exact_decimal
from dpnotice.zcdp import stated_noise

NANO = Decimal("0.000000001")
WEIGHTS = st.lists(
    st.integers(1, 10**4).map(lambda hundredths: Decimal(hundredths).scaleb(-2)),
    min_size=1,
    max_size=30,
)
MEASURES = pytest.mark.parametrize("measure", ["epsilon", "rho"])


def loss_of(measure: str, value: float) -> PrivacyLoss:
    return PrivacyLoss(**{measure: Decimal(value)})


def ends(measure: str, weights: Sequence[Decimal]) -> tuple[float, float]:
    return possible_losses(loss_of(measure, 1), weights)


# --- the text of a loss --------------------------------------------------------------------
@given(st.floats(1e-9, 1e6))
def test_a_loss_is_never_rounded_down(loss: float) -> None:
    assert rounded_up(loss) >= Decimal(loss)


@given(st.floats(1e-9, 1e6))
def test_rounding_costs_a_thousandth_or_a_billionth_at_most(loss: float) -> None:
    assert rounded_up(loss) - Decimal(loss) <= max(NANO, Decimal(loss) / 1000)


@given(st.floats(1e-9, 1e6))
def test_a_rounded_loss_has_four_digits_and_whole_billionths(loss: float) -> None:
    rounded = rounded_up(loss)
    assert len(rounded.normalize().as_tuple().digits) <= 4
    assert rounded % NANO == 0


@given(st.floats(1e-9, 1e6))
def test_a_rounded_loss_stays_as_it_is(loss: float) -> None:
    assert rounded_up(float(rounded_up(loss))) in {
        rounded_up(loss),
        rounded_up(math.nextafter(float(rounded_up(loss)), math.inf)),
    }


@given(st.floats(1e-6, 1e6))
def test_the_text_of_a_rounded_loss_is_one_that_an_inquiry_takes(loss: float) -> None:
    assert exact_decimal(str(rounded_up(loss)), "a loss") == rounded_up(loss)


@pytest.mark.parametrize(
    ("loss", "text"),
    [(1.0, "1"), (0.123412, "0.1235"), (1.0001, "1.001"), (99_999.0, "100000"), (2e-6, "0.000002")],
)
def test_a_rounded_loss_is_written_without_exponent_or_trailing_zeros(
    loss: float, text: str
) -> None:
    assert str(rounded_up(loss)) == text


# --- the ends ------------------------------------------------------------------------------
@MEASURES
@given(weights=WEIGHTS)
def test_every_table_carries_noise_at_both_ends(measure: str, weights: list[Decimal]) -> None:
    for end in ends(measure, weights):
        assert len(stated_noise(loss_of(measure, end), weights)) == len(weights)


@MEASURES
@given(weights=WEIGHTS)
def test_every_table_carries_noise_at_the_rounded_ends(
    measure: str, weights: list[Decimal]
) -> None:
    for end in ends(measure, weights):
        assert stated_noise(PrivacyLoss(**{measure: rounded_up(end)}), weights)


@MEASURES
@given(weights=WEIGHTS)
def test_at_the_upper_end_hardly_any_noise_is_left(measure: str, weights: list[Decimal]) -> None:
    noises = stated_noise(loss_of(measure, ends(measure, weights)[1]), weights)
    assert min(noise.scale for noise in noises) == pytest.approx(0.05)
    assert min(noise.variance for noise in noises) < 1e-8


def test_the_lower_end_is_a_millionth_or_close_to_the_widest_noise() -> None:
    assert ends("epsilon", [Decimal(1)]) == (1e-6, 20.0)
    uneven = [Decimal(1), Decimal(10**9)]
    low = ends("epsilon", uneven)[0]
    with pytest.raises(InquiryError, match=r"to 2\^47 people"):
        stated_noise(loss_of("epsilon", low / 2.1), uneven)


@MEASURES
@given(weights=WEIGHTS)
def test_only_the_proportions_of_the_weights_count(measure: str, weights: list[Decimal]) -> None:
    doubled = [2 * weight for weight in reversed(weights)]
    assert ends(measure, doubled) == pytest.approx(ends(measure, weights))


@MEASURES
def test_the_losss_own_value_does_not_count(measure: str) -> None:
    weights = [Decimal(1), Decimal(3)]
    assert possible_losses(loss_of(measure, 0.25), weights) == ends(measure, weights)
