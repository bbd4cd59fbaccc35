"""A rho means the epsilon that it is said to mean, and the quieter law is taken."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from dpnotice.errors import InquiryError
from dpnotice.privacy import Noise, NoiseLaw
from dpnotice.zcdp import epsilon_of_rho

GAUSSIAN = NoiseLaw.DISCRETE_GAUSSIAN


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
    with pytest.raises(InquiryError, match="rho must be"):
        epsilon_of_rho(rho, 1e-6)


@pytest.mark.parametrize("delta", [0.0, 1.0, 2.0, -1e-6, math.nan])
def test_delta_must_be_a_fraction(delta: float) -> None:
    with pytest.raises(InquiryError, match="delta must be a fraction"):
        epsilon_of_rho(0.5, delta)
