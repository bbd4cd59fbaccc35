"""Our figures of loss against dp-accounting of Google, against Bayes, and the laws summed."""

import math
from functools import reduce
from typing import Any

import numpy as np
import pytest
from dp_accounting import dp_event, rdp
from dp_accounting.pld import privacy_loss_distribution as pld
from scipy.optimize import brentq
from scipy.stats import norm

from dpnotice.inquiry import Inquiry
from dpnotice.privacy import Noise, NoiseLaw, posterior
from dpnotice.retailer import mechanism
from dpnotice.zcdp import epsilon_of_rho
from made.auditing import masses
from made.releases import matter

LAPLACE, GAUSSIAN = NoiseLaw.DISCRETE_LAPLACE, NoiseLaw.DISCRETE_GAUSSIAN
AXES = {name: ["x"] for name in "abcd"}
SUBSETS = [[n for i, n in enumerate(AXES) if bits >> i & 1] for bits in range(16)]
WEIGHTS = [["1"], ["1", "1"], ["1", "2", "5"], ["1"] * 8, ["0.5", "1.5"] * 4, ["1"] * 16]
EPSILONS = ["0.1", "0.5", "1", "2"]
RHOS = ["0.001", "0.01", "0.125", "0.5", "2"]
DELTAS = [1e-9, 1e-6, 1e-3]
STEPS = 24
"""Steps of the privacy-loss distribution per unit of the smallest table's loss."""
ORDERS_APART = 2e-5
"""Relative: dp-accounting and we try different Renyi orders, and each at times has the better."""


def asked(weights: list[str], **privacy: str) -> Inquiry:
    tables = [{"of": of, "weight": w} for of, w in zip(SUBSETS, weights, strict=False)]
    return matter(axes=AXES, tables=tables, privacy=privacy)


def noises(weights: list[str], **privacy: str) -> list[Noise]:
    law = LAPLACE if "epsilon" in privacy else GAUSSIAN
    return [*mechanism.calibrate(asked(weights, noise=law, **privacy)).values()]


def composed(noise: list[Noise], *, pessimistic: bool, step: float) -> Any:
    options = {"pessimistic_estimate": pessimistic, "value_discretization_interval": step}
    made = [
        pld.from_discrete_laplace_mechanism(1 / one.scale, **options)
        if one.is_laplace
        else pld.from_discrete_gaussian_mechanism(one.scale, **options)
        for one in noise
    ]
    return reduce(lambda a, b: a.compose(b), made)


def gaussian_step(noise: list[Noise]) -> float:
    """A thousandth of the loss where the noise is one standard deviation, at most 1e-4."""
    return min(1e-4, 1e-3 / max(one.scale for one in noise))


# --- discrete Laplace ----------------------------------------------------------------------
@pytest.mark.parametrize("epsilon", EPSILONS)
@pytest.mark.parametrize("weights", WEIGHTS, ids=len)
def test_laplace_tables_compose_to_the_declared_epsilon(weights: list[str], epsilon: str) -> None:
    """The worst output has a loss of epsilon, and none more: so says the whole distribution."""
    noise = noises(weights, epsilon=epsilon)
    step = float(min(one.loss for one in noise)) / STEPS
    lower = composed(noise, pessimistic=False, step=step).get_epsilon_for_delta(1e-15)
    assert lower == pytest.approx(float(epsilon), rel=1e-5)
    assert lower <= float(epsilon)


@pytest.mark.parametrize("weights", [["1"], ["1", "1"]], ids=len)
def test_noise_of_a_smaller_scale_composes_to_more_than_declared(weights: list[str]) -> None:
    noise = [Noise(law=LAPLACE, scale=one.scale * 0.999) for one in noises(weights, epsilon="1")]
    step = float(min(one.loss for one in noise)) / STEPS
    assert composed(noise, pessimistic=False, step=step).get_epsilon_for_delta(1e-15) > 1


# --- discrete Gaussian ---------------------------------------------------------------------
@pytest.mark.parametrize("delta", DELTAS)
@pytest.mark.parametrize("rho", RHOS)
@pytest.mark.parametrize("weights", WEIGHTS[:4], ids=len)
def test_rho_is_translated_to_no_less_than_the_gaussian_tables_cost(
    weights: list[str], rho: str, delta: float
) -> None:
    noise, ours = noises(weights, rho=rho), epsilon_of_rho(float(rho), delta)
    for pessimistic in (False, True):
        found = composed(noise, pessimistic=pessimistic, step=gaussian_step(noise))
        assert found.get_epsilon_for_delta(delta) <= ours


@pytest.mark.parametrize("delta", DELTAS)
@pytest.mark.parametrize("rho", RHOS)
def test_rho_is_translated_to_no_more_than_renyi_accounting_has(rho: str, delta: float) -> None:
    accountant = rdp.RdpAccountant()
    accountant.compose(dp_event.ZCDpEvent(float(rho)))
    assert epsilon_of_rho(float(rho), delta) <= accountant.get_epsilon(delta) * (1 + ORDERS_APART)


@pytest.mark.parametrize("rho", RHOS)
def test_gaussian_tables_and_one_of_their_rho_cost_the_same(rho: str) -> None:
    """In Renyi terms, and of the noise that we calibrate."""
    accountant = rdp.RdpAccountant()
    for one in noises(["1", "2", "5"], rho=rho):
        accountant.compose(dp_event.GaussianDpEvent(one.scale))
    whole = rdp.RdpAccountant()
    whole.compose(dp_event.ZCDpEvent(float(rho)))
    assert accountant.get_epsilon(1e-6) == pytest.approx(whole.get_epsilon(1e-6), rel=1e-12)


@pytest.mark.parametrize(("epsilon", "delta"), [("0.5", "0.001"), ("1", "0.000001")])
def test_gaussian_tables_for_an_epsilon_and_delta_cost_no_more(epsilon: str, delta: str) -> None:
    """And not much less: 16 tables, for which the inquiry itself chooses this law."""
    chosen = mechanism.calibrate(asked(["1"] * 16, epsilon=epsilon, delta=delta))
    noise = [*chosen.values()]
    assert {one.law for one in noise} == {GAUSSIAN}
    found = composed(noise, pessimistic=True, step=gaussian_step(noise))
    assert 0.75 * float(epsilon) < found.get_epsilon_for_delta(float(delta)) <= float(epsilon)


# --- the note's figures at sigma 2, delta 1e-6 ---------------------------------------------
def delta_summed(epsilon: float, noise: Noise) -> float:
    """Sum of what P(z) has above exp(epsilon) P(z - 1), over all integers."""
    half = masses(noise)
    law = np.concatenate([[0.0], half[:0:-1], half, [0.0]])
    return math.fsum(np.maximum(law[:-1] - math.exp(epsilon) * law[1:], 0))


def delta_continuous(epsilon: float, sigma: float) -> float:
    """Balle and Wang 2018, theorem 8, for the Gaussian on the reals at sensitivity 1."""
    near, far = 0.5 / sigma - epsilon * sigma, -0.5 / sigma - epsilon * sigma
    return float(norm.cdf(near) - math.exp(epsilon) * norm.cdf(far))


def test_the_discrete_gaussian_costs_more_than_the_formula_of_the_continuous_one() -> None:
    noise = Noise(law=GAUSSIAN, scale=2.0)
    continuous = brentq(lambda e: delta_continuous(e, 2.0) - 1e-6, 0.1, 9)
    assert continuous == pytest.approx(2.254, abs=5e-4)
    assert delta_summed(continuous, noise) > 1e-6


def test_the_summed_law_has_the_known_epsilon_and_ours_lies_above() -> None:
    noise = Noise(law=GAUSSIAN, scale=2.0)
    summed = brentq(lambda e: delta_summed(e, noise) - 1e-6, 0.1, 9)
    assert summed == pytest.approx(2.276, abs=5e-4)
    assert composed([noise], pessimistic=False, step=1e-4).get_epsilon_for_delta(
        1e-6
    ) == pytest.approx(summed, abs=2e-4)
    assert epsilon_of_rho(0.125, 1e-6) == pytest.approx(2.419, abs=5e-4)


# --- belief --------------------------------------------------------------------------------
def beliefs(noise: list[Noise], prior: float) -> Any:
    """What Bayes' rule makes of a belief that one buyer is in, after every output near them."""
    near = np.arange(-12, 14)
    odds = np.array(prior / (1 - prior))
    for one in noise:
        half = masses(one)
        ratio = half[np.abs(near - 1)] / half[np.abs(near)]
        odds = np.multiply.outer(odds, ratio)
    return odds / (1 + odds)


@pytest.mark.parametrize("prior", [1e-6, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("epsilon", EPSILONS)
@pytest.mark.parametrize("weights", WEIGHTS[:3], ids=len)
def test_no_output_teaches_more_than_the_stated_belief(
    weights: list[str], epsilon: str, prior: float
) -> None:
    after = beliefs(noises(weights, epsilon=epsilon), prior)
    stated = posterior(prior, float(epsilon))
    assert after.max() <= stated * (1 + 1e-12)
    assert after.max() == pytest.approx(stated, rel=1e-9)


@pytest.mark.parametrize("prior", [0.1, 0.5, 0.9])
def test_no_output_clears_a_buyer_by_more_than_the_stated_belief(prior: float) -> None:
    after = 1 - beliefs(noises(["1", "2"], epsilon="1"), prior)
    assert after.max() <= posterior(1 - prior, 1.0) * (1 + 1e-12)


def test_an_output_of_too_little_noise_teaches_more_than_the_stated_belief() -> None:
    noise = [Noise(law=LAPLACE, scale=one.scale * 0.95) for one in noises(["1"], epsilon="1")]
    assert beliefs(noise, 0.5).max() > posterior(0.5, 1.0)
