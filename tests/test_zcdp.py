"""A rho means the epsilon that it is said to mean, and the quieter law is taken."""

import math
import time
from collections.abc import Sequence
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from dpnotice import zcdp as module
from dpnotice.errors import InquiryError
from dpnotice.privacy import Noise, NoiseLaw, PrivacyLoss
from dpnotice.retailer.mechanism import calibrate
from dpnotice.zcdp import (
    DELTA,
    declared,
    epsilon_of_rho,
    quieter,
    rho_within,
    stated_noise,
    total_variance,
)
from made.releases import wen

LAPLACE, GAUSSIAN = NoiseLaw.DISCRETE_LAPLACE, NoiseLaw.DISCRETE_GAUSSIAN
ONE = Decimal(1)
BILLIONTH = Decimal("0.000000001")
NOT_TOGETHER = (
    "^delta leaves the noise law to the number of tables, so it goes with epsilon and without "
    "noise; remove one of them$"
)
EPSILONS = st.integers(10**7, 4 * 10**10).map(lambda nano: Decimal(nano).scaleb(-9))
"""From 0.01 to 40."""
DELTAS = st.integers(2, 9).flatmap(
    lambda zeros: st.integers(1, 9).map(lambda digit: Decimal(digit).scaleb(-zeros))
)
WEIGHTS = st.lists(
    st.integers(1, 10**4).map(lambda hundredths: Decimal(hundredths).scaleb(-2)),
    min_size=1,
    max_size=30,
)


def log_delta(order: float, epsilon: float, rho: float) -> float:
    """Canonne, Kamath, Steinke 2020, proposition 7, at one order."""
    near = (order - 1) * (order * rho - epsilon)
    return near + order * math.log1p(-1 / order) - math.log(order - 1)


def least_log_delta(epsilon: float, rho: float) -> float:
    def at(x: float) -> float:
        return log_delta(1 + math.exp(x), epsilon, rho)

    pieces = [(low, low + 2) for low in np.arange(-16.0, 24.0)]
    return min(minimize_scalar(at, bounds=piece, method="bounded").fun for piece in pieces)


@pytest.mark.parametrize("delta", [1e-10, 1e-6, 1e-3])
@pytest.mark.parametrize("rho", [1e-4, 1e-2, 0.125, 0.5, 2.0, 10.0])
def test_epsilon_of_rho_agrees_with_direct_minimisation(rho: float, delta: float) -> None:
    epsilon = epsilon_of_rho(rho, delta)
    assert least_log_delta(epsilon, rho) <= math.log(delta) + 1e-7
    assert least_log_delta(epsilon * (1 - 1e-4), rho) > math.log(delta)


def test_epsilon_of_rho_has_the_known_figure_at_sigma_two() -> None:
    rho = float(Noise(law=GAUSSIAN, scale=2.0).loss)
    assert epsilon_of_rho(rho, 1e-6) == pytest.approx(2.419, abs=5e-4)


@given(st.floats(1e-6, 50), st.floats(1e-12, 0.1))
def test_epsilon_of_rho_grows_with_rho_and_shrinks_with_delta(rho: float, delta: float) -> None:
    epsilon = epsilon_of_rho(rho, delta)
    assert epsilon <= epsilon_of_rho(rho * 1.1, delta)
    assert epsilon <= epsilon_of_rho(rho, delta / 2)


@pytest.mark.parametrize("rho", [0.0, -1.0, math.nan, math.inf])
def test_rho_must_be_positive_to_be_translated(rho: float) -> None:
    with pytest.raises(InquiryError, match=f"^rho must be finite and above 0, got {rho}$"):
        epsilon_of_rho(rho, 1e-6)


@pytest.mark.parametrize("delta", [0.0, 1.0, 2.0, -1e-6, math.nan])
def test_delta_must_be_a_fraction(delta: float) -> None:
    with pytest.raises(InquiryError, match="delta must be a fraction"):
        epsilon_of_rho(0.5, delta)


# --- from epsilon and delta to rho ---------------------------------------------------------
def rho_of(epsilon: Decimal, delta: Decimal) -> Decimal:
    rho = rho_within(epsilon, delta).rho
    assert rho is not None
    return rho


def next_of_four_digits(rho: Decimal) -> Decimal:
    return rho + max(Decimal(1).scaleb(rho.adjusted() - 3), BILLIONTH)


@settings(max_examples=10)
@given(EPSILONS, DELTAS)
def test_the_rho_is_the_largest_of_four_digits_that_fits(epsilon: Decimal, delta: Decimal) -> None:
    rho = rho_of(epsilon, delta)
    assert epsilon_of_rho(float(rho), float(delta)) <= epsilon
    assert epsilon_of_rho(float(next_of_four_digits(rho)), float(delta)) > epsilon


@settings(max_examples=10)
@given(EPSILONS, DELTAS)
def test_the_rho_has_four_digits_and_whole_billionths(epsilon: Decimal, delta: Decimal) -> None:
    rho = rho_of(epsilon, delta)
    assert len(rho.normalize().as_tuple().digits) <= 4
    assert rho % BILLIONTH == 0


@pytest.mark.parametrize("epsilon", ["0.05", "0.5", "1", "2", "10", "100"])
@pytest.mark.parametrize("delta", ["0.000000001", "0.000001", "0.01"])
def test_the_rho_agrees_with_direct_minimisation(epsilon: str, delta: str) -> None:
    rho = rho_of(Decimal(epsilon), Decimal(delta))
    assert least_log_delta(float(epsilon), float(rho)) <= math.log(float(delta)) + 1e-7
    more = float(next_of_four_digits(rho)) * (1 + 1e-4)
    assert least_log_delta(float(epsilon), more) > math.log(float(delta))


@settings(max_examples=8)
@given(EPSILONS, DELTAS)
def test_a_larger_epsilon_or_delta_never_leaves_less_rho(epsilon: Decimal, delta: Decimal) -> None:
    rho = rho_of(epsilon, delta)
    assert rho <= rho_of(epsilon + Decimal("0.5"), delta)
    assert rho <= rho_of(epsilon, delta * 2)


def test_the_rho_of_epsilon_one_is_the_documented_one() -> None:
    assert str(rho_of(ONE, DELTA)) == "0.02435"


def test_a_rho_that_just_reaches_the_epsilon_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "epsilon_of_rho", lambda rho, _delta: 8 * rho)
    assert rho_of(ONE, DELTA) == Decimal("0.125")


def test_a_rho_costs_at_most_a_thousandth_for_its_four_digits() -> None:
    rho = rho_of(ONE, DELTA)
    assert epsilon_of_rho(float(rho) * 1.001, float(DELTA)) > 1


@pytest.mark.parametrize("epsilon", ["0.000000001", "0.0001"])
def test_an_epsilon_without_room_for_gaussian_noise_is_refused(epsilon: str) -> None:
    words = f"epsilon {epsilon} with delta 0.000001 leaves no room for Gaussian noise; "
    with pytest.raises(InquiryError, match=f"^BAD_BUDGET: {words}leave delta out$") as no:
        rho_within(Decimal(epsilon), Decimal("0.000001"))
    assert no.value.code == "BAD_BUDGET"


def test_a_rho_below_a_billionth_is_refused() -> None:
    epsilon = Decimal(epsilon_of_rho(0.9e-9, 1e-6))
    with pytest.raises(InquiryError, match="leaves no room for Gaussian noise") as refusal:
        rho_within(epsilon, DELTA)
    assert refusal.value.code == "BAD_BUDGET"
    assert rho_of(Decimal(epsilon_of_rho(1.1e-9, 1e-6)), DELTA) == BILLIONTH


@pytest.mark.parametrize("epsilon", ["0.000000001", "999999999"])
@pytest.mark.parametrize("delta", ["0.000000001", "0.999999999"])
def test_the_ends_of_what_can_be_declared_end_in_a_rho_or_a_refusal(
    epsilon: str, delta: str
) -> None:
    started = time.monotonic()
    try:
        rho = rho_of(Decimal(epsilon), Decimal(delta))
    except InquiryError as refusal:
        assert refusal.code == "BAD_BUDGET"  # noqa: PT017 -- both ends are right
    else:
        assert epsilon_of_rho(float(rho), float(delta)) <= float(epsilon)
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("delta", ["1", "2"])
def test_a_delta_of_one_or_more_leaves_no_promise_and_is_refused(delta: str) -> None:
    with pytest.raises(InquiryError, match="delta must be a fraction"):
        rho_within(ONE, Decimal(delta))


# --- the quieter law -----------------------------------------------------------------------
def laplace_variance(scale: float) -> float:
    """2 p / (1 - p)^2 with p = exp(-1 / scale): from the law itself."""
    p = math.exp(-1 / scale)
    return 2 * p / (1 - p) ** 2


def gaussian_variance(scale: float) -> float:
    z = np.arange(-math.ceil(40 * scale) - 2, math.ceil(40 * scale) + 3)
    mass = np.exp(-(z**2) / (2 * scale**2))
    return float((z**2 * mass).sum() / mass.sum())


def shares(value: Decimal, weights: Sequence[Decimal]) -> list[float]:
    return [float(value * weight / sum(weights)) for weight in weights]


@settings(max_examples=40)
@given(st.integers(1, 80).map(lambda n: Decimal(n) / 20), WEIGHTS)
def test_the_total_is_the_sum_of_the_laws_own_variances(
    loss: Decimal, weights: list[Decimal]
) -> None:
    pure = [laplace_variance(1 / share) for share in shares(loss, weights)]
    wide = [gaussian_variance(math.sqrt(0.5 / share)) for share in shares(loss, weights)]
    found = [total_variance(PrivacyLoss(**{m: loss}), weights) for m in ("epsilon", "rho")]
    assert found == pytest.approx([math.fsum(pure), math.fsum(wide)], rel=1e-6)


@settings(max_examples=10)
@given(st.integers(2, 80).map(lambda n: Decimal(n) / 20), DELTAS, WEIGHTS)
def test_the_law_taken_is_never_the_noisier(
    epsilon: Decimal, delta: Decimal, weights: list[Decimal]
) -> None:
    loss, law = quieter(epsilon, delta, weights)
    both = [PrivacyLoss(epsilon=epsilon), rho_within(epsilon, delta)]
    assert loss == both[law == GAUSSIAN]
    assert total_variance(loss, weights) == min(total_variance(each, weights) for each in both)


def test_an_even_choice_is_laplace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "total_variance", lambda *_: 1.0)
    assert quieter(ONE, DELTA, [ONE]) == (PrivacyLoss(epsilon=ONE), LAPLACE)


@pytest.mark.parametrize(("parts", "finite"), [(2**47, True), (2**47 + 1, False)])
def test_a_table_whose_noise_no_count_can_carry_has_no_finite_variance(
    *, parts: int, finite: bool
) -> None:
    weights = [ONE, Decimal(parts - 1)]
    assert math.isfinite(total_variance(PrivacyLoss(epsilon=ONE), weights)) == finite


@settings(max_examples=8)
@given(WEIGHTS, st.randoms(use_true_random=False))
def test_neither_order_nor_unit_of_the_weights_matters(weights: list[Decimal], mix: object) -> None:
    again = [weight * 2 for weight in weights]
    mix.shuffle(again)  # type: ignore[attr-defined]
    assert quieter(ONE, DELTA, again) == quieter(ONE, DELTA, weights)


@pytest.mark.parametrize("tables", [1, 2, 5, 9, 10, 11, 12, 20])
def test_equal_tables_favour_laplace_up_to_ten(tables: int) -> None:
    loss, law = quieter(ONE, DELTA, [ONE] * tables)
    expected = (LAPLACE, ONE, None) if tables <= 10 else (GAUSSIAN, None, Decimal("0.02435"))
    assert (law, loss.epsilon, loss.rho) == expected


def test_once_gaussian_noise_is_quieter_it_stays_so_with_more_tables() -> None:
    for epsilon, delta in (("0.5", "0.000000001"), ("4", "0.01")):
        laws = [quieter(Decimal(epsilon), Decimal(delta), [ONE] * n)[1] for n in range(1, 60, 8)]
        assert laws == sorted(laws, key=[LAPLACE, GAUSSIAN].index)
        assert laws[-1] == GAUSSIAN


# --- what an inquiry declares --------------------------------------------------------------
@pytest.mark.parametrize(
    ("texts", "law", "expected"),
    [
        ({"epsilon": "1"}, None, LAPLACE),
        ({"epsilon": "1"}, LAPLACE, LAPLACE),
        ({"rho": "0.5"}, None, GAUSSIAN),
        ({"rho": "0.5"}, GAUSSIAN, GAUSSIAN),
    ],
)
def test_without_a_delta_the_loss_and_its_law_are_as_stated(
    texts: dict[str, str], law: NoiseLaw | None, expected: NoiseLaw
) -> None:
    ((measure, text),) = texts.items()
    found = declared(texts, law, [ONE] * 50)
    assert found == (PrivacyLoss(**{measure: Decimal(text)}), expected)


@pytest.mark.parametrize("tables", [1, 10, 11, 40])
def test_a_delta_leaves_the_law_to_the_tables(tables: int) -> None:
    texts = {"epsilon": "1", "delta": "0.000001"}
    assert declared(texts, None, [ONE] * tables) == quieter(ONE, DELTA, [ONE] * tables)


@pytest.mark.parametrize("law", [LAPLACE, GAUSSIAN])
def test_a_delta_beside_a_law_is_refused(law: NoiseLaw) -> None:
    texts = {"epsilon": "1", "delta": "0.000001"}
    with pytest.raises(InquiryError, match=NOT_TOGETHER):
        declared(texts, law, [ONE])


@pytest.mark.parametrize("law", [None, GAUSSIAN])
def test_a_delta_beside_a_rho_is_refused(law: NoiseLaw | None) -> None:
    with pytest.raises(InquiryError, match=NOT_TOGETHER):
        declared({"rho": "1", "delta": "0.000001"}, law, [ONE])


@pytest.mark.parametrize(
    "texts",
    [
        {},
        {"delta": "0.1"},
        {"epsilon": "1", "rho": "1"},
        {"epsilon": "1", "rho": "1", "delta": "0.1"},
    ],
)
def test_not_exactly_one_loss_is_refused(texts: dict[str, str]) -> None:
    with pytest.raises(InquiryError, match="a loss is either epsilon or rho"):
        declared(texts, None, [ONE])


@pytest.mark.parametrize("bad", ["0", "-1", "1e-6", "nan", "", "0.0000000001", 1e-6, 1, True, None])
@pytest.mark.parametrize("field", ["epsilon", "delta"])
def test_what_is_no_decimal_text_above_zero_is_refused_by_name(field: str, bad: object) -> None:
    texts = {"epsilon": "1", "delta": "0.000001", field: bad}
    with pytest.raises(InquiryError, match=f"{field} must be decimal text above 0") as refusal:
        declared(texts, None, [ONE])
    assert refusal.value.code == "BAD_BUDGET"


@pytest.mark.parametrize("delta", ["1", "2"])
def test_a_delta_that_is_no_fraction_is_refused_rather_than_passed_over(delta: str) -> None:
    with pytest.raises(InquiryError, match="delta must be a fraction"):
        declared({"epsilon": "1", "delta": delta}, None, [Decimal(1)])


# --- the noise of tables that nobody has answered yet ----------------------------------------
@pytest.mark.parametrize(
    "privacy", [{"epsilon": "1"}, {"epsilon": "7"}, {"epsilon": "0.003"}, {"rho": "0.1"}]
)
@settings(max_examples=10)
@given(weights=st.lists(st.integers(1, 999), min_size=1, max_size=4))
def test_the_stated_noise_is_what_the_retailer_takes(
    privacy: dict[str, str], weights: list[int]
) -> None:
    names = [[], ["state"], ["contact"], ["state", "contact"]]
    specs = [{"of": of, "weight": str(w)} for of, w in zip(names, weights, strict=False)]
    asked = wen(tables=specs, privacy=privacy)
    stated = stated_noise(asked.loss, [table.weight for table in asked.specs])
    taken = calibrate(asked).values()
    assert [noise.law for noise in stated] == [noise.law for noise in taken]
    assert [noise.scale for noise in stated] == pytest.approx(
        [noise.scale for noise in taken], rel=1e-12
    )


def test_seven_equal_tables_at_epsilon_one_carry_a_noise_of_9_9() -> None:
    noises = stated_noise(PrivacyLoss(epsilon=ONE), [ONE] * 7)
    assert [noise.sd for noise in noises] == pytest.approx([9.89] * 7, abs=0.01)


def test_the_stated_gaussian_noise_is_that_of_neighbours_by_one_buyer() -> None:
    (noise,) = stated_noise(PrivacyLoss(rho=Decimal("0.125")), [ONE])
    assert noise == Noise(law=GAUSSIAN, scale=2.0)


def test_a_weight_takes_its_share_of_the_loss() -> None:
    pure = stated_noise(PrivacyLoss(epsilon=ONE), [ONE, Decimal(3)])
    assert [noise.scale for noise in pure] == pytest.approx([4, 4 / 3])
    wide = stated_noise(PrivacyLoss(rho=ONE), [ONE, Decimal(3)])
    assert [noise.scale for noise in wide] == pytest.approx([math.sqrt(2), math.sqrt(2 / 3)])


@pytest.mark.parametrize(
    "loss", [PrivacyLoss(epsilon=Decimal(101)), PrivacyLoss(rho=Decimal(5001))]
)
def test_a_loss_that_leaves_no_noise_is_refused(loss: PrivacyLoss) -> None:
    with pytest.raises(InquiryError, match="a noise scale must be finite"):
        stated_noise(loss, [ONE])


def test_where_no_rho_is_small_enough_laplace_noise_is_left() -> None:
    least = Decimal("0.000000001")
    loss, law = quieter(least, Decimal("0.000001"), [Decimal(1)] * 50)
    assert (loss, law) == (PrivacyLoss(epsilon=least), NoiseLaw.DISCRETE_LAPLACE)
