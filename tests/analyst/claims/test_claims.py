import json
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from dpnotice.analyst.claims import priors
from dpnotice.analyst.claims.claims import Claims, expected_claims
from dpnotice.analyst.claims.fund import Fund, Tier
from dpnotice.analyst.rates import Uniform, beta
from dpnotice.result import SUMMARY_COLUMNS, Result
from made.reached import SAMPLES, Standing, refused, standing

RATES = {"email": priors.claims_email, "post": priors.claims_postcard, "publication": 0.001}
TIERS = (Tier(amount_usd=25), Tier(amount_usd=Uniform(low=0, high=8_000), share=0.02, cap_usd=2e4))
TOLD = {"email": 300_000, "post": 200_000, "email+post": 100_000}
SEVERAL = standing(TOLD, published=150_000, size=1_000_000)
FUND = Fund(
    total_usd=4_000_000,
    fees_usd=800_000,
    administration_usd=200_000,
    special_master_usd=0,
    incentives_usd=10_000,
)


def claims(reach: Standing = SEVERAL, **options: Any) -> Claims:
    return expected_claims(reach, **{"rates": RATES, "validity": 0.9, **options})


RESULT = claims(tiers=TIERS, fund_usd=FUND, shortfall="pro_rata_all")


# --- against a simulation, person by person ------------------------------------------------
def world(rng: np.random.Generator) -> list[float]:
    """One settlement: everybody decides, every claim is checked and paid on its own."""
    email = np.repeat([True, False, True, False], [600, 500, 400, 300])
    post = np.repeat([False, True, True, False], [600, 500, 400, 300])
    p_email, p_post, accepted = rng.beta(3, 27), rng.beta(4, 36), rng.beta(18, 2)
    chance = np.maximum(np.maximum(email * p_email, post * p_post), ~(email | post) * 0.02)
    claimed = rng.random(len(chance)) < chance
    valid = claimed & (rng.random(len(chance)) < accepted)
    second = valid & (rng.random(len(chance)) < 0.1)
    amounts = rng.uniform(0, 400, len(chance))
    while (amounts > 300).any():
        amounts = np.where(amounts > 300, rng.uniform(0, 400, len(chance)), amounts)
    due_1, due_2 = 25.0 * (valid & ~second).sum(), amounts[second].sum()
    paid_1 = min(due_1, 5_000.0)
    paid_2 = min(due_2, 5_000.0 - paid_1)
    return [claimed.sum(), valid.sum(), due_1 + due_2, paid_1 + paid_2, due_1 + due_2 > 5_000]


def test_claims_and_payments_are_those_of_persons_who_decide_one_by_one() -> None:
    """4 standard errors of ten means and squares; a false alarm in 10^3, seeded."""
    told_by = {"email": 600, "post": 500, "email+post": 400}
    laws = {"email": beta(mean=0.1, sd=np.sqrt(0.09 / 31)), "publication": 0.02}
    result = expected_claims(
        standing(told_by, published=300, size=2_000, draws=20_000),
        rates={**laws, "post": beta(mean=0.1, sd=np.sqrt(0.09 / 41))},
        validity=beta(mean=0.9, sd=np.sqrt(0.09 / 21)),
        tiers=[
            Tier(amount_usd=25),
            Tier(amount_usd=Uniform(low=0, high=400), share=0.1, cap_usd=300),
        ],
        fund_usd=5_000,
        shortfall="tier1_first",
    )
    assert result.payments is not None
    due, paid = (x.sum(axis=1) for x in (result.payments.due_usd, result.payments.paid_usd))
    ours = np.stack([result.filed, result.valid, due, paid, due > 5_000], axis=1, dtype=float)
    rng = np.random.default_rng(11)
    theirs = np.array([world(rng) for _ in range(4_000)], dtype=float)
    for power in (1, 2):
        one, other = ours**power, theirs**power
        error = np.sqrt(one.var(axis=0) / len(one) + other.var(axis=0) / len(other))
        assert (np.abs(one.mean(axis=0) - other.mean(axis=0)) < 4 * error).all()


def test_rates_per_person_sent_are_not_discounted_again() -> None:
    """4 standard errors; a false alarm in 10^4, seeded."""
    result = claims(standing({"email": 100_000}), rates={"email": 0.03}, validity=1.0)
    assert result.filed.mean() == pytest.approx(3_000, abs=4 * np.sqrt(3_000 / SAMPLES))


def test_the_vector_of_the_wen_fund_is_found_by_the_entry() -> None:
    """300,000 flat claims and about 5,000 of $4,000: due $27.5 million."""
    share = 5_000 / 305_000
    result = claims(
        standing({"email": 305_000}),
        rates={"email": 1.0},
        validity=1.0,
        tiers=[Tier(amount_usd=25), Tier(amount_usd=4_000, share=share, cap_usd=20_000)],
        fund_usd=17_777_641,
        shortfall="tier1_first",
    )
    assert result.payments is not None
    assert result.payments.due_usd.sum(axis=1).mean() == pytest.approx(27.5e6, rel=1e-3)
    paid = result.payments.paid_usd.sum(axis=0) / result.payments.due_usd.sum(axis=0)
    assert paid == pytest.approx([1, 0.51388], rel=2e-3)
    assert result.fund_suffices == 0


# --- invariants ----------------------------------------------------------------------------
def test_valid_claims_are_never_more_than_those_filed() -> None:
    assert (RESULT.valid <= RESULT.filed).all()
    assert RESULT.valid.sum() < RESULT.filed.sum()


def test_payments_never_exceed_the_net_fund() -> None:
    assert RESULT.payments is not None
    paid = RESULT.payments.paid_usd.sum(axis=1)
    assert FUND.net_usd == 2_990_000
    assert paid.max() == pytest.approx(FUND.net_usd)
    assert (paid <= FUND.net_usd * (1 + 1e-12)).all()


def test_the_chance_that_the_fund_suffices_is_that_of_nothing_lacking() -> None:
    assert RESULT.payments is not None
    due = RESULT.payments.due_usd.sum(axis=1)
    assert RESULT.fund_suffices == np.mean(due <= FUND.net_usd)
    assert 0.05 < RESULT.fund_suffices < 0.95


def test_the_plans_cost_is_not_charged_to_the_fund_unasked() -> None:
    assert SEVERAL.plan.total_cost_usd > FUND.net_usd
    assert RESULT.payments is not None
    assert RESULT.payments.net_usd == FUND.net_usd


def test_the_same_seed_gives_the_same_claims_and_another_gives_others() -> None:
    assert claims().valid.tolist() == claims().valid.tolist()
    other = claims(standing(TOLD, published=150_000, seed=8))
    assert other.valid.tolist() != claims().valid.tolist()


def test_another_channel_leaves_the_draws_of_the_first() -> None:
    one = claims(standing({"email": 5_000}), rates=RATES)
    two = claims(standing({"email": 5_000, "post": 0}), rates=RATES)
    assert one.filed.tolist() == two.filed.tolist()


def test_a_wider_level_is_a_wider_interval() -> None:
    narrow, wide = RESULT.interval(0.5), RESULT.interval(0.99)
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


# --- what is refused -----------------------------------------------------------------------
def test_something_that_is_no_reach_estimate_is_refused() -> None:
    message = refused(lambda: expected_claims("plan", rates=RATES, validity=0.9))  # type: ignore[arg-type]
    assert "expected_claims takes a reach estimate, got str" in message


def test_validity_has_no_default() -> None:
    with pytest.raises(TypeError, match="validity"):
        expected_claims(SEVERAL, rates=RATES)  # type: ignore[call-arg]


@pytest.mark.parametrize("given_alone", [{"fund_usd": 1e6}, {"shortfall": "pro_rata_all"}])
def test_a_fund_without_tiers_is_refused(given_alone: dict[str, Any]) -> None:
    assert "give tiers= too" in refused(lambda: claims(**given_alone))


def test_a_fund_that_may_fall_short_needs_a_rule() -> None:
    message = refused(lambda: claims(tiers=TIERS, fund_usd=FUND))
    assert "shortfall= is needed: one of pro_rata_all, tier1_first, tier2_first" in message


def test_a_fund_that_suffices_in_all_draws_needs_none() -> None:
    result = claims(tiers=TIERS, fund_usd=1e9)
    assert result.fund_suffices == 1.0


@pytest.mark.parametrize("bad", [0, -1, "1e6", np.nan])
def test_a_net_fund_is_a_number_of_dollars_above_zero(bad: object) -> None:
    message = refused(lambda: claims(tiers=TIERS, fund_usd=bad, shortfall="pro_rata_all"))
    assert "fund_usd must be" in message


# --- the result protocol -------------------------------------------------------------------
def test_claims_answer_every_call_of_a_result() -> None:
    assert isinstance(RESULT, Result)


def test_the_summary_has_the_agreed_columns_and_tells_filed_from_valid() -> None:
    table = RESULT.summary()
    assert tuple(table.columns) == SUMMARY_COLUMNS
    found = table.set_index("quantity")["estimate"]
    assert found["claims filed"] == RESULT.filed.mean()
    assert found["valid claims"] == RESULT.valid.mean()
    assert found["filed claims of class members"] == pytest.approx(RESULT.filed.mean() / 1e6)
    assert found["shortfall"] > 0
    assert (table["lower"] <= table["upper"]).all()


@pytest.mark.parametrize("name", ["filed", "valid", "paid_usd", "largest_payment_usd"])
def test_the_frame_holds_the_draws_in_order(name: str) -> None:
    assert RESULT.payments is not None
    columns = {"filed": RESULT.filed, "valid": RESULT.draws, **RESULT.payments.columns()}
    assert RESULT.to_frame()[name].tolist() == columns[name].tolist()


def test_draws_are_read_only() -> None:
    arrays = (RESULT.draws, RESULT.filed, RESULT.filed_upper, RESULT.size)
    assert not any(array.flags.writeable for array in arrays)


@pytest.mark.parametrize(
    ("population", "whom"), [("class members", "the class"), ("known buyers", "known buyers")]
)
def test_rates_of_a_result_name_their_denominator(population: str, whom: str) -> None:
    result = claims(standing({"email": 1_000}, population=population, size=10_000))
    assert f"% of {whom} (about " in str(result.valid_rate)
    assert "valid claims of 10,000 persons" in str(result.valid_rate)
    assert "filed claims of 10,000 persons" in str(result.filed_rate)


@pytest.mark.parametrize("result", [RESULT, claims(), claims(tiers=TIERS)], ids=repr)
def test_the_dictionary_is_plain_json(result: Claims) -> None:
    assert json.loads(json.dumps(result.to_dict(), allow_nan=False)) == result.to_dict()


def test_a_picture_draws_into_the_given_axes() -> None:
    before = dict(mpl.rcParams)
    ax = Figure().add_subplot()
    assert RESULT.plot(ax) is ax
    labels = [text.get_text() for text in ax.get_yticklabels()]
    assert {"claims filed", "valid claims"} <= set(labels)
    assert dict(mpl.rcParams) == before


def test_the_statement_is_that_of_the_dictionary() -> None:
    text = RESULT.statement()
    assert "class members would file" in text
    assert "net fund of $2,990,000" in text
    assert text in repr(RESULT)


def test_html_holds_the_assumptions_with_their_sources() -> None:
    text = RESULT._repr_html_()
    assert "FTC staff report" in text
    assert "the net fund is $2,990,000: $4,000,000 less fees $800,000" in text
    assert "lies within its cap of $20,000" in text


def test_a_net_fund_given_as_a_number_is_said_to_be_one() -> None:
    result = claims(tiers=TIERS, fund_usd=1e9)
    assert "the net fund is $1,000,000,000 as given; nothing is taken from it" in result.assumptions


def test_claims_without_tiers_say_nothing_of_money() -> None:
    result = claims()
    assert result.fund_suffices is None
    assert "$" not in result.statement()
    assert "USD" not in set(result.summary()["unit"])


def test_claims_of_nobody_are_told_without_payments() -> None:
    result = claims(standing({"email": 0}), tiers=TIERS, fund_usd=1e6)
    assert (result.valid == 0).all()
    assert "0 claims" in result.statement()
    assert result.fund_suffices == 1
    json.dumps(result.to_dict(), allow_nan=False)
    assert "nan" not in result.statement()


def test_payments_are_told_where_only_some_draws_have_claims() -> None:
    result = claims(standing({"email": 3}), rates={"email": 0.2}, tiers=TIERS)
    assert 0 < np.mean(result.valid == 0) < 1
    json.dumps(result.to_dict(), allow_nan=False)
