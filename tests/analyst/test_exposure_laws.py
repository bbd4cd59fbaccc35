import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dpnotice.analyst.exposure_laws import (
    beta_binomial_counts,
    beta_binomial_nonreach,
    convolve,
    nbd_counts,
    nbd_nonreach,
    with_rest,
)

shares = st.floats(0.01, 0.99)
correlations = st.floats(0.001, 0.999)
insertions = st.integers(1, 60)


def print_counts(one: float, rho: float, n: int, most: int) -> np.ndarray:
    return beta_binomial_counts(np.array(one), np.array(rho), n, most)


def radio_counts(mean: float, cap: float, dispersion: float, most: int) -> np.ndarray:
    return nbd_counts(np.array(mean), np.array(cap), np.array(dispersion), most)


def with_tail(pmf: np.ndarray, most: int) -> list[float]:
    """Cut chances of 0, 1, ... at `most` or more."""
    return [*pmf[:most], pmf[most:].sum()]


# --- beta-binomial -------------------------------------------------------------------------
@given(shares, correlations, insertions)
def test_beta_binomial_nonreach_is_that_of_scipy(one: float, rho: float, n: int) -> None:
    total = 1 / rho - 1
    oracle = stats.betabinom.pmf(0, n, total * one, total * (1 - one))
    got = beta_binomial_nonreach(np.array(one), np.array(rho), n)
    assert float(got) == pytest.approx(oracle, rel=1e-9)


@given(shares, correlations, insertions, st.integers(1, 70))
def test_beta_binomial_counts_are_those_of_scipy(one: float, rho: float, n: int, most: int) -> None:
    total = 1 / rho - 1
    pmf = stats.betabinom.pmf(np.arange(131), n, total * one, total * (1 - one))
    assert print_counts(one, rho, n, most) == pytest.approx(with_tail(pmf, most), abs=1e-10)


@given(shares, insertions, st.integers(1, 70))
def test_without_correlation_counts_are_binomial(one: float, n: int, most: int) -> None:
    oracle = with_tail(stats.binom.pmf(np.arange(131), n, one), most)
    assert print_counts(one, 0.0, n, most) == pytest.approx(oracle, abs=1e-10)
    nonreach = beta_binomial_nonreach(np.array(one), np.array(0.0), n)
    assert float(nonreach) == pytest.approx((1 - one) ** n, abs=1e-12)


@given(shares, st.integers(2, 60))
def test_the_same_readers_see_all_insertions_or_none(one: float, n: int) -> None:
    got = print_counts(one, 1.0, n, n)
    assert got[[0, -1]].tolist() == pytest.approx([1 - one, one])
    assert got[1:-1] == pytest.approx(0, abs=1e-15)
    assert float(beta_binomial_nonreach(np.array(one), np.array(1.0), n)) == pytest.approx(1 - one)


@pytest.mark.parametrize("rho", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("most", [1, 4, 9])
def test_nobody_or_everybody_sees_every_insertion(rho: float, most: int) -> None:
    nobody, everybody = (print_counts(one, rho, 4, most) for one in (0.0, 1.0))
    assert nobody[0] == 1
    assert everybody[min(4, most)] == pytest.approx(1)
    assert nobody.sum() == everybody.sum() == pytest.approx(1)


@pytest.mark.parametrize("rho", [0.0, 0.3, 1.0])
def test_one_insertion_is_seen_once_or_not(rho: float) -> None:
    assert print_counts(0.3, rho, 1, 3).tolist() == pytest.approx([0.7, 0.3, 0, 0])


def test_two_insertions_at_thirty_and_forty_five_percent() -> None:
    assert print_counts(0.3, 2 / 7, 2, 2).tolist() == pytest.approx([0.55, 0.3, 0.15])


@given(shares, correlations, insertions)
def test_insertions_are_seen_in_proportion_to_the_audience(one: float, rho: float, n: int) -> None:
    got = print_counts(one, rho, n, n)
    assert np.arange(n + 1) @ got == pytest.approx(n * one)


def test_beta_binomial_figures_broadcast_over_draws_and_levels() -> None:
    one, rho = np.array([[0.2], [0.4]]), np.array([[0.1, 0.5, 1.0]])
    got = beta_binomial_counts(one, rho, 5, 3)
    assert got.shape == (4, 2, 3)
    assert got[:, 1, 1].tolist() == pytest.approx(print_counts(0.4, 0.5, 5, 3).tolist())


# --- negative binomial ---------------------------------------------------------------------
@given(st.floats(0, 30), st.floats(0.05, 1), st.floats(0.05, 20), st.integers(1, 40))
def test_counts_are_the_negative_binomial_of_scipy_within_the_cap(
    mean: float, cap: float, r: float, most: int
) -> None:
    law = stats.nbinom(r, r / (r + mean / cap))
    oracle = cap * np.append(law.pmf(np.arange(most)), law.sf(most - 1))
    oracle[0] += 1 - cap
    got = radio_counts(mean, cap, r, most)
    assert got == pytest.approx(oracle, abs=1e-10)
    nonreach = nbd_nonreach(np.array(mean), np.array(cap), np.array(r))
    assert float(nonreach) == pytest.approx(1 - cap + cap * law.pmf(0), rel=1e-9)


def test_large_dispersion_is_poisson() -> None:
    oracle = with_tail(stats.poisson.pmf(np.arange(100), 2.0), 6)
    assert radio_counts(2.0, 1.0, 1e9, 6) == pytest.approx(oracle, abs=1e-7)


@given(st.floats(0.001, 50), st.floats(0.01, 1), st.floats(0.01, 20))
def test_nonreach_is_a_fraction_above_what_cannot_be_reached(
    mean: float, cap: float, r: float
) -> None:
    got = float(nbd_nonreach(np.array(mean), np.array(cap), np.array(r)))
    assert 1 - cap - 1e-12 <= got <= 1


@pytest.mark.parametrize("figures", [(0.0, 0.8, 1.0), (2.0, 0.0, 1.0), (0.0, 0.0, 0.0)])
def test_no_exposures_or_no_cap_leave_everybody_at_none(
    figures: tuple[float, float, float],
) -> None:
    assert radio_counts(*figures, 3).tolist() == pytest.approx([1, 0, 0, 0])
    assert float(nbd_nonreach(*(np.array(x) for x in figures))) == pytest.approx(1)


def test_the_level_multiplies_the_mean() -> None:
    cap, r = np.array(0.8), np.array(0.7)
    got = nbd_nonreach(np.array(2.0), cap, r, np.array([0.5, 3.0]))
    assert got.tolist() == [float(nbd_nonreach(np.array(m), cap, r)) for m in (1.0, 6.0)]


@pytest.mark.parametrize("mean", [1e-4, 0.1, 3.0, 500.0])
def test_single_precision_stays_and_agrees(mean: float) -> None:
    figures = [np.array([x]) for x in (mean, 0.8, 0.7, 1.3)]
    got = nbd_nonreach(*(x.astype(np.float32) for x in figures))
    assert got.dtype == np.float32
    assert got == pytest.approx(nbd_nonreach(*figures), abs=1e-6)


# --- sums ----------------------------------------------------------------------------------
def test_the_last_cell_takes_what_the_others_lack_to_one() -> None:
    assert with_rest(np.array([0.5, 0.2, 9.0])).tolist() == pytest.approx([0.5, 0.2, 0.3])


def test_the_last_cell_is_never_negative() -> None:
    assert with_rest(np.array([0.6, 0.4 + 1e-15, 0.0]))[-1] == 0


def test_two_binomials_add_up_to_one_of_all_trials() -> None:
    one, other = (stats.binom.pmf(np.arange(5), n, 0.3) for n in (3, 6))
    oracle = stats.binom.pmf(np.arange(5), 9, 0.3)
    assert convolve(one, other) == pytest.approx(oracle)
