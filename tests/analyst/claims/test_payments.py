from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dpnotice.analyst.claims import payments
from dpnotice.analyst.claims.fund import SHORTFALLS, Tier
from dpnotice.analyst.claims.payments import EXACT_CLAIMS, Payments, pay
from dpnotice.analyst.rates import Law, Uniform, lognormal
from dpnotice.analyst.sampling import Sampling
from made.reached import refused

CAP = 20_000
HEAVY = lognormal(mean=6_000, sd=9_000)
WITHIN = stats.lognorm(HEAVY.log_sd, scale=np.exp(HEAVY.log_mean))


def paid(
    valid: int | np.ndarray[Any, Any],
    *,
    share: float | Law | None = None,
    amount: float | Law = HEAVY,
    net: float | None = None,
    rule: str | None = None,
    draws: int = 1,
) -> Payments:
    tiers = [Tier(amount_usd=25)]
    tiers += [] if share is None else [Tier(amount_usd=amount, share=share, cap_usd=CAP)]
    sampling = Sampling(axes=(), draws=draws, seed=5)
    claims = np.full(draws, valid, dtype=np.int64)
    return pay(claims, tuple(tiers), net, rule, sampling)


def oracle(power: int) -> float:
    return float(WITHIN.expect(lambda x: x**power, lb=0, ub=CAP, conditional=True))


# --- amounts -------------------------------------------------------------------------------
@pytest.mark.parametrize("number", [1, 7, 400, EXACT_CLAIMS, 4 * EXACT_CLAIMS])
def test_sums_of_tier_two_have_the_mean_and_variance_of_the_capped_law(number: int) -> None:
    """4 standard errors, and a thousandth of an s.d. per claim for the pool; 10^-4, seeded."""
    draws = 20_000 if number < 1_000 else 40
    due = paid(number, share=1.0, draws=draws).due_usd[:, 1]
    mean, sd = oracle(1), np.sqrt(oracle(2) - oracle(1) ** 2)
    pool = 0 if number <= EXACT_CLAIMS else 4e-3 * sd * number
    assert abs(due.mean() - number * mean) < 4 * sd * np.sqrt(number / draws) + pool
    kurtosis = max(3.0, stats.kurtosis(due, fisher=False))
    error = 4 * np.sqrt((kurtosis - 1) / draws)
    assert due.var() / (number * sd**2) == pytest.approx(1, abs=error)


def test_an_amount_of_one_claim_follows_the_capped_law() -> None:
    """Kolmogorov-Smirnov at 10^-4, seeded."""
    due = paid(1, share=1.0, draws=2_000).due_usd[:, 1]
    assert stats.kstest(due, lambda x: WITHIN.cdf(x) / WITHIN.cdf(CAP)).pvalue > 1e-4


def test_no_claim_of_tier_two_is_paid_above_its_cap() -> None:
    assert WITHIN.sf(CAP) > 0.04
    result = paid(300, share=0.5, draws=500)
    assert 0.9 * CAP < result.largest_usd.max() <= CAP
    assert (result.due_usd[:, 1] <= result.claims[:, 1] * CAP).all()


def test_beyond_single_amounts_their_mean_stays_within_the_cap() -> None:
    result = paid(10 * EXACT_CLAIMS, share=1.0, draws=5)
    assert (result.mean_usd < CAP).all()
    assert (result.largest_usd <= CAP).all()


def test_the_law_of_sums_does_not_depend_on_how_many_are_held_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    together = paid(np.arange(50), share=1.0, draws=50).due_usd
    monkeypatch.setattr(payments, "_TOGETHER", 100)
    few = paid(np.arange(50), share=1.0, draws=50).due_usd
    one_claim = few[np.arange(50) == 1, 1]
    assert (few[0, 1], together[0, 1]) == (0, 0)
    assert 0 < one_claim[0] <= CAP
    assert abs(few.sum() - together.sum()) < 4 * np.sqrt(2 * 1_225 * oracle(2))


def test_one_amount_for_all_is_summed_exactly() -> None:
    result = paid(5_000, share=1.0, amount=4_000)
    assert result.due_usd.tolist() == [[0, 20_000_000]]
    assert (result.least_usd[0], result.median_usd[0], result.largest_usd[0]) == (4_000,) * 3


def test_the_part_of_the_law_within_the_cap_is_told() -> None:
    assert paid(10, share=1.0).inside == pytest.approx(WITHIN.cdf(CAP), abs=2e-3)
    assert paid(10).inside == 1.0


def test_a_law_that_hardly_fits_under_the_cap_is_refused() -> None:
    message = refused(lambda: paid(10, share=1.0, amount=lognormal(mean=1e7, sd=2e6)))
    assert "only 0.0% of the law of amount_usd lies above 0 and at most at the cap" in message


def test_laws_of_scipy_draw_amounts() -> None:
    result = paid(1_000, share=1.0, amount=stats.gamma(4, scale=1_000), draws=20)
    assert result.mean_usd.mean() == pytest.approx(4_000, rel=0.06)


# --- tiers ---------------------------------------------------------------------------------
def test_flat_claims_are_paid_their_amount() -> None:
    result = paid(300_000)
    assert result.due_usd.tolist() == [[7_500_000, 0]]
    assert result.claims.tolist() == [[300_000, 0]]
    assert (result.mean_usd[0], result.median_usd[0], result.least_usd[0]) == (25, 25, 25)


def test_every_valid_claim_is_in_one_tier() -> None:
    """4 standard errors of the share; a false alarm in 10^4, seeded."""
    result = paid(1_000, share=0.3, draws=400)
    assert (result.claims.sum(axis=1) == 1_000).all()
    error = np.sqrt(0.3 * 0.7 / 400_000)
    assert result.claims[:, 1].mean() / 1_000 == pytest.approx(0.3, abs=4 * error)


def test_an_uncertain_share_is_drawn_once_per_draw() -> None:
    result = paid(100_000, share=Uniform(low=0.1, high=0.9), amount=4_000, draws=2_000)
    shares = result.claims[:, 1] / 100_000
    assert shares.std() == pytest.approx(0.8 / np.sqrt(12), rel=0.05)


# --- payments ------------------------------------------------------------------------------
def test_payments_of_gascho_have_the_mean_that_was_reported() -> None:
    result = paid(49_808, net=1_593_240, rule="pro_rata_all", share=1.0, amount=100)
    assert round(float(result.mean_usd[0]), 2) == 31.99
    assert result.paid_usd.sum() == pytest.approx(1_593_240)


@given(
    st.integers(0, 40),
    st.floats(0, 1),
    st.floats(100, 200_000),
    st.sampled_from(SHORTFALLS),
)
def test_payments_lie_between_the_least_and_the_largest_and_within_the_fund(
    valid: int, share: float, net: float, rule: str
) -> None:
    result = paid(valid, share=share, amount=3_000, net=net, rule=rule)
    assert result.paid_usd.sum() <= net * (1 + 1e-12)
    each = result.paid_usd[0] / np.maximum(result.claims[0], 1)
    sizes = np.repeat(each, result.claims[0])
    if valid == 0:
        assert np.isnan([result.mean_usd, result.median_usd, result.least_usd]).all()
        return
    assert result.mean_usd[0] == pytest.approx(sizes.mean())
    assert result.least_usd[0] == pytest.approx(sizes.min())
    assert result.largest_usd[0] == pytest.approx(sizes.max())
    first, second = result.claims[0]
    if first != second:
        assert result.median_usd[0] == pytest.approx(np.median(sizes))


def test_where_tier_two_outnumbers_tier_one_the_median_is_that_of_its_law() -> None:
    result = paid(10_000, share=0.8, draws=50)
    assert WITHIN.cdf(25) < 1e-3
    place = (0.5 - 0.2) / 0.8 * WITHIN.cdf(CAP)
    assert result.median_usd.mean() == pytest.approx(WITHIN.ppf(place), rel=0.02)


def test_a_shortfall_is_what_is_due_above_the_net_fund() -> None:
    result = paid(1_000, net=20_000, rule="pro_rata_all")
    assert result.shortfall_usd.tolist() == [5_000]
    assert result.mean_usd.tolist() == [20]


def test_without_a_fund_all_is_paid_and_nothing_lacks() -> None:
    result = paid(1_000)
    assert result.paid_usd.tolist() == result.due_usd.tolist()
    assert result.shortfall_usd.tolist() == [0]


def test_columns_hold_dollars_by_draw() -> None:
    columns = paid(10, share=0.5, draws=3).columns()
    assert all(name.endswith("_usd") and values.shape == (3,) for name, values in columns.items())
