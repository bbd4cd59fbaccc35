from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.polynomial import polynomial
from scipy import stats

from dpnotice.analyst.dependence.series import exponential, power

numbers = st.lists(st.floats(-2, 2), min_size=1, max_size=8)
firsts = st.floats(0.2, 3)
exponents = st.floats(-3, 3).filter(lambda p: abs(p) > 0.1)


def series(first: float, others: list[float]) -> Any:
    return np.array([first, *others])


def cut(coefficients: Any, number: int) -> Any:
    """As many coefficients as asked for, 0 beyond a polynomial's last."""
    return np.append(coefficients, np.zeros(number))[:number]


def times(one: Any, other: Any) -> Any:
    return cut(polynomial.polymul(one, other), len(one))


def near(wanted: Any, *parts: Any) -> Any:
    """Within rounding of what was added up."""
    largest = max(1.0, *(float(np.abs(part).max()) for part in (wanted, *parts)))
    return pytest.approx(wanted, abs=1e-11 * largest)


def grown(a: Any, *exponents: float) -> Any:
    """What is added up in powers of a series, signs apart: those of its majorant."""
    majorant = np.append(1.0, -np.abs(a[1:]) / a[0])
    p = 1 + sum(map(abs, exponents))
    return power(majorant, -p) * max(a[0], 1 / a[0]) ** p


# --- powers --------------------------------------------------------------------------------
@given(firsts, numbers, st.integers(1, 6))
def test_a_whole_power_is_that_of_numpy(first: float, others: list[float], p: int) -> None:
    a = series(first, others)
    wanted = cut(polynomial.polypow(a, p), len(a))
    assert power(a, p) == near(wanted, grown(a, p))


@given(firsts, numbers)
def test_the_power_of_minus_1_is_the_reciprocal(first: float, others: list[float]) -> None:
    a = series(first, others)
    assert times(a, power(a, -1.0)) == near(np.eye(1, len(a))[0], grown(a, 2.0))


@given(st.floats(0.5, 2), st.lists(st.floats(-0.4, 0.4), min_size=1, max_size=8), exponents)
def test_the_inverse_exponent_gives_the_series_back(
    first: float, others: list[float], p: float
) -> None:
    a = series(first, others)
    assert power(power(a, p), 1 / p) == pytest.approx(a, abs=1e-7)


@given(st.floats(0.5, 2), numbers, exponents, exponents)
def test_powers_of_one_series_multiply_by_adding_exponents(
    first: float, others: list[float], p: float, q: float
) -> None:
    a = series(first, others)
    assert times(power(a, p), power(a, q)) == near(power(a, p + q), grown(a, p, q))


@given(firsts, numbers)
def test_to_the_power_of_0_a_series_is_1(first: float, others: list[float]) -> None:
    a = series(first, others)
    assert power(a, 0.0).tolist() == pytest.approx(np.eye(1, len(a))[0].tolist(), abs=0)


@given(firsts, numbers)
def test_to_the_power_of_1_a_series_is_itself(first: float, others: list[float]) -> None:
    a = series(first, others)
    assert power(a, 1.0) == near(a, grown(a, 1.0))


@pytest.mark.parametrize("r", [0.05, 0.8, 1, 3.5, 40])
@pytest.mark.parametrize("b", [1e-6, 0.3, 2, 50])
def test_the_negative_binomial_is_a_power_of_its_odds(r: float, b: float) -> None:
    """Its generating function is (1 + b (1 - y))^-r."""
    odds = cut(np.array([1 + b, -b]), 60)
    wanted = stats.nbinom.pmf(np.arange(60), r, 1 / (1 + b))
    assert power(odds, -r) == pytest.approx(wanted, rel=1e-7, abs=1e-300)


@pytest.mark.parametrize("n", [1, 4, 30])
def test_the_binomial_is_a_power_of_one_trial(n: int) -> None:
    wanted = stats.binom.pmf(np.arange(40), n, 0.3)
    assert power(cut(np.array([0.7, 0.3]), 40), n) == pytest.approx(wanted, abs=1e-13)


def test_few_coefficients_are_the_first_of_many() -> None:
    a = np.array([1.0, -0.4, 0.2, 0.1, -0.7])
    assert power(a[:3], -0.7).tolist() == power(a, -0.7)[:3].tolist()
    assert exponential(a[:3]).tolist() == exponential(a)[:3].tolist()


def test_a_single_coefficient_is_a_number_to_a_power() -> None:
    assert power(np.array([4.0]), 0.5).tolist() == [2.0]


def test_draws_and_cells_have_exponents_of_their_own() -> None:
    a = np.random.default_rng(1).uniform(0.5, 1, (5, 1, 3))
    p = np.array([[-0.5], [2.0]])
    got = power(a, p)
    assert got.shape == (5, 2, 3)
    for draw in range(2):
        for cell in range(3):
            alone = power(a[:, 0, cell], float(p[draw, 0]))
            assert got[:, draw, cell] == pytest.approx(alone, rel=1e-12)


def test_a_first_coefficient_of_0_stands_for_next_to_nothing() -> None:
    got = power(np.array([0.0, 1.0, 0.0, 0.0]), 2)
    assert got == pytest.approx(np.array([0.0, 0.0, 1.0, 0.0]), abs=1e-15)


def test_coefficients_are_left_as_they_were() -> None:
    a = np.array([0.0, 1.0, 2.0])
    power(a, -1.0)
    exponential(a)
    assert a.tolist() == [0, 1, 2]


# --- exponentials --------------------------------------------------------------------------
@given(st.lists(st.floats(-1, 1), min_size=1, max_size=8))
def test_the_exponential_is_the_sum_of_powers(coefficients: list[float]) -> None:
    a = np.array(coefficients)
    total, term = np.zeros(len(a)), np.eye(1, len(a))[0]
    for n in range(1, 60):
        total += term
        term = cut(polynomial.polymul(term, a), len(a)) / n
    assert exponential(a) == near(total)


@given(numbers, st.floats(-2, 2))
def test_the_exponential_of_a_multiple_is_a_power_of_the_exponential(
    coefficients: list[float], p: float
) -> None:
    a = np.array(coefficients)
    one = exponential(a)
    assert exponential(p * a) == near(power(one, p), grown(one, p))


@given(st.lists(st.tuples(st.floats(-2, 2), st.floats(-2, 2)), min_size=1, max_size=8))
def test_the_exponential_of_a_sum_is_a_product(pairs: list[tuple[float, float]]) -> None:
    a, b = np.transpose(pairs)
    one, other = exponential(a), exponential(b)
    assert exponential(a + b) == near(times(one, other), np.outer(one, other))


@pytest.mark.parametrize("mean", [0.0, 0.3, 4.0, 25.0])
def test_the_poisson_law_is_the_exponential_of_its_mean(mean: float) -> None:
    """Its generating function is exp(m (y - 1))."""
    wanted = stats.poisson.pmf(np.arange(60), mean)
    assert exponential(cut(np.array([-mean, mean]), 60)) == pytest.approx(wanted, rel=1e-10)


def test_the_exponential_of_0_is_1() -> None:
    assert exponential(np.zeros(4)).tolist() == [1, 0, 0, 0]


def test_exponentials_of_draws_and_cells_are_their_own() -> None:
    a = np.random.default_rng(2).uniform(-1, 1, (5, 2, 3))
    got = exponential(a)
    assert got.shape == (5, 2, 3)
    for place in np.ndindex(2, 3):
        assert got[:, *place] == pytest.approx(exponential(a[:, *place]), rel=1e-12)
