import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpnotice.analyst.claims.fund import SHORTFALLS, Fund, Tier, check_tiers, check_usd, settle
from dpnotice.analyst.rates import Uniform, beta, lognormal
from made.reached import refused

FLAT = Tier(amount_usd=25)
LOSSES = lognormal(mean=4_000, sd=3_000)
AMOUNTS = Tier(amount_usd=LOSSES, share=0.02, cap_usd=20_000)
DUE = np.array([[300_000 * 25.0, 5_000 * 4_000.0]])
"""Invented claims on the WEN settlement's tiers, $27.5 million in all."""

dollars = st.floats(0, 1e9)
dues = st.lists(st.tuples(dollars, dollars), min_size=1, max_size=5)


def wen(**changes: float | None) -> Fund:
    """Friedman v. Guthy-Renker, C.D. Cal. 2:14-cv-06009, Dkt 251 and settlement site."""
    figures: dict[str, float | None] = {
        "total_usd": 26_250_000,
        "fees_usd": 5_500_000,
        "administration_usd": 2_524_859,
        "special_master_usd": 400_000,
        "incentives_usd": 2 * 20_000 + 5_000 + 2_500,
    }
    return Fund(**(figures | changes))  # type: ignore[arg-type]


# --- the net fund --------------------------------------------------------------------------
def test_with_all_caps_used_the_net_fund_of_wen_is_as_computed() -> None:
    assert wen().net_usd == 17_777_641


def test_the_net_fund_of_wen_pays_at_most_711105_flat_claims() -> None:
    assert wen().net_usd // 25 == 711_105


def test_notice_is_charged_to_the_fund_only_when_asked() -> None:
    assert wen(notice_usd=1_000_000).net_usd == wen().net_usd - 1_000_000
    assert "the cost of notice is not taken from it" in str(wen())
    assert "notice $1,000,000" in str(wen(notice_usd=1_000_000))
    assert "not taken" not in str(wen(notice_usd=1_000_000))


def test_a_fund_says_what_is_taken_from_it() -> None:
    assert str(wen()).startswith("$26,250,000 less fees $5,500,000, administration $2,524,859")


def test_a_fund_with_nothing_left_is_refused() -> None:
    assert "nothing is left of a fund of $26,250,000" in refused(lambda: wen(fees_usd=26e6))


@pytest.mark.parametrize("bad", [-1, None, "5", True, np.nan, np.inf, LOSSES])
@pytest.mark.parametrize("field", ["total_usd", "incentives_usd"])
def test_a_deduction_is_stated_in_dollars(field: str, bad: float) -> None:
    assert f"COST: {field} must be a number of dollars" in refused(lambda: wen(**{field: bad}))


def test_a_cost_of_notice_below_zero_is_refused() -> None:
    assert "notice_usd must be" in refused(lambda: wen(notice_usd=-1))


def test_numbers_of_numpy_are_dollars() -> None:
    assert check_usd(np.float64(2.5), "x") == 2.5


# --- who bears a shortfall -----------------------------------------------------------------
@pytest.mark.parametrize(
    ("rule", "shares"),
    [
        ("pro_rata_all", (0.64646, 0.64646)),
        ("tier1_first", (1.0, 0.51388)),
        ("tier2_first", (0.0, 0.88888)),
    ],
)
def test_a_shortfall_is_borne_as_the_rule_says(rule: str, shares: tuple[float, float]) -> None:
    paid = settle(DUE, wen().net_usd, rule)
    assert np.round(paid / DUE, 5).tolist() == [list(shares)]


@given(dues, st.floats(1, 1e9), st.sampled_from(SHORTFALLS))
def test_no_more_is_paid_than_the_fund_holds_or_than_is_due(
    due: list[tuple[float, float]], net: float, rule: str
) -> None:
    owed = np.array(due)
    paid = settle(owed, net, rule)
    assert (paid >= 0).all()
    assert (paid <= owed * (1 + 1e-12)).all()
    assert (paid.sum(axis=1) <= net * (1 + 1e-12)).all()


@given(dues, st.floats(1, 1e9), st.sampled_from(SHORTFALLS))
def test_a_fund_that_is_short_is_spent_to_the_last_cent(
    due: list[tuple[float, float]], net: float, rule: str
) -> None:
    owed = np.array(due)
    expected = np.minimum(owed.sum(axis=1), net)
    assert settle(owed, net, rule).sum(axis=1) == pytest.approx(expected, rel=1e-9)


@given(dues, st.sampled_from([*SHORTFALLS, None]))
def test_a_fund_that_suffices_pays_what_is_due(
    due: list[tuple[float, float]], rule: str | None
) -> None:
    owed = np.array(due)
    assert settle(owed, 2.1e9, rule) == pytest.approx(owed, rel=1e-12)


@given(dues, st.floats(1, 1e9))
def test_pro_rata_pays_every_tier_the_same_share(
    due: list[tuple[float, float]], net: float
) -> None:
    owed = np.array(due)
    share = np.minimum(1, net / np.maximum(owed.sum(axis=1, keepdims=True), 1e-9))
    assert settle(owed, net, "pro_rata_all") == pytest.approx(owed * share, rel=1e-9, abs=1e-6)


@given(dues, st.floats(1, 1e9))
def test_the_tier_that_comes_first_is_paid_before_the_other(
    due: list[tuple[float, float]], net: float
) -> None:
    owed = np.array(due)
    for rule, first in (("tier1_first", 0), ("tier2_first", 1)):
        expected = np.minimum(owed[:, first], net)
        assert settle(owed, net, rule)[:, first] == pytest.approx(expected)


def test_a_shortfall_without_a_rule_is_refused_with_the_rules() -> None:
    due = np.vstack([DUE, [[1.0, 1.0]]])
    message = refused(lambda: settle(due, wen().net_usd, None))
    assert "more than the net fund of $17,777,641 in 1 of 2 draws" in message
    assert "one of pro_rata_all, tier1_first, tier2_first" in message


def test_an_unknown_rule_is_refused_even_where_the_fund_suffices() -> None:
    message = refused(lambda: settle(DUE, 1e9, "first_come"))
    assert "got 'first_come'" in message


# --- tiers ---------------------------------------------------------------------------------
def test_a_flat_tier_may_stand_alone_or_before_one_of_amounts() -> None:
    assert check_tiers([FLAT]) == (FLAT,)
    assert check_tiers([FLAT, AMOUNTS]) == (FLAT, AMOUNTS)


@pytest.mark.parametrize(
    "bad",
    [
        [],
        [AMOUNTS],
        [AMOUNTS, FLAT],
        [FLAT, FLAT],
        [FLAT, AMOUNTS, AMOUNTS],
        [25],
        FLAT,
        None,
        "25",
    ],
)
def test_other_tiers_are_refused(bad: object) -> None:
    assert "tiers is a list of a flat Tier" in refused(lambda: check_tiers(bad))


@pytest.mark.parametrize("given_one", [{"share": 0.02}, {"cap_usd": 20_000}])
def test_tier_two_is_capped_and_its_share_stated(given_one: dict[str, float]) -> None:
    message = refused(lambda: Tier(amount_usd=LOSSES, **given_one))
    assert "tier 2 needs both share (of valid claims) and cap_usd" in message


@pytest.mark.parametrize("bad", [2, -0.1, beta, "x"])
def test_the_share_of_tier_two_is_a_fraction(bad: object) -> None:
    assert "share must be" in refused(lambda: Tier(amount_usd=1, share=bad, cap_usd=10))


@pytest.mark.parametrize("bad", [LOSSES, None, -25, "25"])
def test_a_flat_amount_is_a_number_of_dollars(bad: object) -> None:
    assert "amount_usd must be a number of dollars" in refused(lambda: Tier(amount_usd=bad))


@pytest.mark.parametrize("amount", [0, 20_001, Uniform(low=20_000, high=30_000)])
def test_an_amount_outside_its_cap_is_refused(amount: object) -> None:
    message = refused(lambda: Tier(amount_usd=amount, share=0.1, cap_usd=20_000))
    assert "above 0 and at most at the cap of $20,000" in message


def test_a_flat_amount_of_nothing_is_refused() -> None:
    assert "above 0" in refused(lambda: Tier(amount_usd=0))


@pytest.mark.parametrize("cap", [-1, np.inf, "20000"])
def test_a_cap_is_a_number_of_dollars(cap: object) -> None:
    assert "cap_usd must be" in refused(lambda: Tier(amount_usd=1, share=0.1, cap_usd=cap))  # type: ignore[arg-type]
