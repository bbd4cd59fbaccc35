"""Weighted means and sums, for one retailer against the dense weights, for several as bounds."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

import dpnotice as dn
from dpnotice.analyst.combine import estimate_class
from dpnotice.analyst.members import ClassEstimate
from dpnotice.errors import EstimateError, PlanError
from made.releases import noisy_release, wen

Floats = Any
ASKED = wen(
    axes={"state": ["CA", "NY", "TX"], "contact": ["email", "post", "none"]},
    tables=[{"of": []}, {"of": ["state"]}, {"of": ["state", "contact"]}],
    privacy={"epsilon": "200"},
)
RNG = np.random.default_rng(5)
FULL = RNG.integers(0, 4_000, size=(4, 4))
RATES = {"CA": 0.2, "NY": 0.9, "TX": 0.4, "unknown": 0.0}
BY_STATE = pd.DataFrame({"state": list(RATES), "rate": list(RATES.values())})
BY_CONTACT = pd.DataFrame(
    {"contact": ["email", "post", "none", "unknown"], "rate": [0.9, 0.5, 0.0, 0.0]}
)
RUNS = 500


def members(
    scale: float = 3.0, names: tuple[str, ...] = ("sephora",), seed: int = 1
) -> ClassEstimate:
    rng = np.random.default_rng(seed)
    return estimate_class(
        [noisy_release(ASKED, FULL, retailer=name, scale=scale, rng=rng) for name in names]
    )


def truth(rates: Floats) -> float:
    return float(np.sum(FULL.sum(axis=1) * rates) / FULL.sum())


# --- one retailer --------------------------------------------------------------------------
def test_a_mean_rate_without_noise_is_the_weighted_mean() -> None:
    found = members(scale=0.02).mean(BY_STATE)
    assert found.estimate == pytest.approx(truth(list(RATES.values())), abs=1e-9)


def test_the_rows_of_a_frame_may_stand_in_any_order() -> None:
    found = members()
    assert found.mean(BY_STATE.iloc[::-1]) == found.mean(BY_STATE)


def test_a_mean_of_an_indicator_is_the_share() -> None:
    found = members()
    indicator = BY_STATE.assign(rate=[1.0, 0.0, 1.0, 0.0])
    mean, share = found.mean(indicator), found.share(state=["CA", "TX"])
    assert mean.estimate == pytest.approx(share.estimate, rel=1e-9)
    assert [mean.lower, mean.upper] == pytest.approx([share.lower, share.upper], rel=1e-3)


def test_a_mean_of_one_rate_for_all_is_that_rate_without_error() -> None:
    found = members().mean(BY_STATE.assign(rate=0.3))
    assert [found.lower, found.estimate, found.upper] == pytest.approx([0.3] * 3, abs=1e-9)


def test_intervals_of_a_mean_rate_cover() -> None:
    # two-sided at 1e-6: 0.95 of 500 seeded releases
    wanted = truth(list(RATES.values()))
    hits = sum(wanted in members(scale=6.0, seed=seed).mean(BY_STATE) for seed in range(RUNS))
    assert binom.ppf(5e-7, RUNS, 0.95) <= hits <= binom.isf(5e-7, RUNS, 0.95)


def test_a_total_is_the_weighted_sum() -> None:
    found = members(scale=0.02).total(BY_STATE.assign(rate=[3.0, 0.0, 1.5, 0.0]), unit="USD")
    by_state = FULL.sum(axis=1)
    assert found.estimate == pytest.approx(3 * by_state[0] + 1.5 * by_state[2])
    assert found.unit == "USD"


def test_a_total_of_ones_has_the_width_of_the_size() -> None:
    found = members()
    size, total = found.size(), found.total(1.0, unit="persons")
    assert total.estimate == pytest.approx(size.estimate)
    assert total.upper - 1 <= size.upper <= total.upper
    assert total.lower <= size.lower <= total.lower + 1


def test_intervals_of_a_total_cover() -> None:
    weights = BY_STATE.assign(rate=[3.0, 0.0, 1.5, 0.25])
    wanted = float(np.sum(FULL.sum(axis=1) * [3.0, 0.0, 1.5, 0.25]))
    hits = sum(
        wanted in members(scale=6.0, seed=seed).total(weights, unit="USD") for seed in range(RUNS)
    )
    assert binom.ppf(5e-7, RUNS, 0.95) <= hits <= binom.isf(5e-7, RUNS, 0.95)


# --- several -------------------------------------------------------------------------------
@pytest.mark.parametrize("rates", [BY_STATE, BY_CONTACT], ids=["state", "contact"])
def test_bounds_of_two_retailers_hold_the_mean_whether_all_or_none_are_shared(rates: Any) -> None:
    two = members(names=("sephora", "ulta")).mean(rates)
    one = members(scale=0.02).mean(rates)
    assert two.estimate is None
    assert one.estimate in two  # the same buyers at both, or twice as many of the same kind


def test_bounds_of_a_total_reach_from_one_retailer_to_the_sum() -> None:
    total = float(FULL.sum())
    found = members(names=("sephora", "ulta")).total(1.0, unit="persons")
    assert found.estimate is None
    assert [found.lower, found.upper] == pytest.approx([total, 2 * total], rel=0.01)


def test_a_mean_by_contact_speaks_of_known_buyers_whatever_is_stated_of_others() -> None:
    release = noisy_release(ASKED, FULL)
    assert "known buyers" in estimate_class(release, outside=0.2).mean(BY_CONTACT).quantity
    assert "class members" in estimate_class(release, outside=0.2).mean(BY_STATE).quantity


# --- refusals ------------------------------------------------------------------------------
def test_a_rate_above_one_is_refused() -> None:
    with pytest.raises(PlanError, match="percentages"):
        members().mean(BY_STATE.assign(rate=20.0))


def test_a_negative_weight_is_refused() -> None:
    with pytest.raises(PlanError, match="weights must be 0 or more"):
        members().total(BY_STATE.assign(rate=-1.0), unit="USD")


def test_a_level_that_is_missing_is_refused() -> None:
    with pytest.raises(PlanError, match="must give every combination"):
        members().mean(BY_STATE.iloc[:2])


def test_an_axis_that_is_none_of_the_inquiry_is_refused() -> None:
    with pytest.raises(EstimateError, match="different axes of the inquiry"):
        members().mean(BY_STATE.rename(columns={"state": "county"}))


def test_a_law_is_refused() -> None:

    with pytest.raises(EstimateError, match="rates must be a number, or a frame"):
        members().mean(dn.beta(mean=0.3, sd=0.1))


def test_a_unit_is_a_line_of_text() -> None:
    with pytest.raises(PlanError, match="unit"):
        members().total(1.0, unit="")


# --- where an error comes from -------------------------------------------------------------
def test_the_parts_of_an_error_sum_to_its_variance() -> None:
    frame = members().explain(state="CA")
    ((_, error),) = members().retailers[0].products({"state": np.array([1.0, 0, 0, 0])})
    assert np.sum(frame["sd"] ** 2) == pytest.approx(error.variance)
    assert frame["share_of_variance"].sum() == pytest.approx(1)
