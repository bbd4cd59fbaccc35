import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from dpnotice.analyst.media.poisson_mixture import PoissonMixture

ONE = np.ones(1)
TWO_KINDS = PoissonMixture(rates=np.array([0.0, 0.5, 3.0]), shares=np.array([0.2, 0.5, 0.3]))


def cells_of(last: int, *, mean: float, dispersion: float, cap: float) -> np.ndarray:
    """Shares with 0, 1, ..., and `last` or more exposures of a negative binomial within a cap."""
    law = stats.nbinom(dispersion, dispersion / (dispersion + mean / cap))
    cells = cap * np.append(law.pmf(np.arange(last)), law.sf(last - 1))
    cells[0] += 1 - cap
    return cells


def log_likelihood(mixture: PoissonMixture, cells: np.ndarray) -> float:
    return float(cells @ np.log(mixture.counts(len(cells) - 1, ONE)[:, 0]))


def test_chances_are_those_of_scipy() -> None:
    times = np.array([[0.0, 0.4, 1.0, 7.0]])
    pairs = [(0.0, 0.2), (0.5, 0.5), (3.0, 0.3)]
    oracle = sum(
        share * stats.poisson.pmf(np.arange(6)[:, np.newaxis, np.newaxis], rate * times)
        for rate, share in pairs
    )
    got = TWO_KINDS.counts(6, times)
    assert got[:6] == pytest.approx(oracle, abs=1e-12)
    assert got.sum(axis=0) == pytest.approx(1)


def test_nonreach_is_the_chance_of_no_exposure() -> None:
    amount, level = np.array([[0.3], [2.0]]), np.array([[0.5, 1.0, 4.0]])
    got = TWO_KINDS.nonreach(amount, level)
    assert got == pytest.approx(TWO_KINDS.counts(3, amount * level)[0])


def test_nonreach_keeps_single_precision() -> None:
    figures = (np.ones((1, 1), np.float32), np.ones((1, 2), np.float32))
    assert TWO_KINDS.nonreach(*figures).dtype == np.float32


@settings(max_examples=20)
@given(st.floats(0.3, 4), st.floats(0.3, 20), st.floats(0.4, 1), st.integers(4, 20))
def test_a_fitted_histogram_is_given_back(
    mean: float, dispersion: float, cap: float, last: int
) -> None:
    cells = cells_of(last, mean=mean, dispersion=dispersion, cap=cap)
    fitted = PoissonMixture.fit(cells, ONE, ONE)
    assert fitted.shares.sum() == pytest.approx(1)
    assert fitted.counts(last, ONE)[:, 0] == pytest.approx(cells, abs=2e-3)


@settings(max_examples=10)
@given(st.floats(0.3, 4), st.floats(0.3, 20))
def test_half_and_twice_the_amount_reach_what_the_true_law_does(
    mean: float, dispersion: float
) -> None:
    fitted = PoissonMixture.fit(cells_of(12, mean=mean, dispersion=dispersion, cap=0.8), ONE, ONE)
    for times in (0.5, 2.0):
        truth = cells_of(1, mean=times * mean, dispersion=dispersion, cap=0.8)[0]
        assert fitted.nonreach(np.array([times]), ONE)[0] == pytest.approx(truth, abs=3e-3)


def test_no_other_shares_make_the_histogram_likelier() -> None:
    cells = np.array([0.4, 0.2, 0.1, 0.1, 0.15, 0.05])  # two humps
    fitted = PoissonMixture.fit(cells, ONE, ONE)
    best = log_likelihood(fitted, cells)
    rng = np.random.default_rng(3)
    for _try in range(200):
        other = rng.dirichlet(50 * fitted.shares + 0.01)
        moved = PoissonMixture(rates=fitted.rates, shares=0.9 * fitted.shares + 0.1 * other)
        assert log_likelihood(moved, cells) <= best + 1e-6


def test_persons_who_cannot_be_reached_get_rates_close_to_zero() -> None:
    cells = cells_of(10, mean=3.0, dispersion=50.0, cap=0.6)
    fitted = PoissonMixture.fit(cells, ONE, ONE)
    assert fitted.shares[fitted.rates < 0.1].sum() == pytest.approx(0.4, abs=0.01)


def test_the_last_cell_holds_all_that_were_exposed_more_often() -> None:
    cells = np.array([0.3, 0.7])  # 1 or more
    fitted = PoissonMixture.fit(cells, ONE, ONE)
    assert fitted.nonreach(ONE, ONE)[0] == pytest.approx(0.3, abs=1e-4)


def test_segments_together_give_the_histogram_back() -> None:
    index, persons = np.array([0.2, 1.8]), np.array([0.5, 0.5])
    truth = np.stack([cells_of(8, mean=2.0 * i, dispersion=0.7, cap=1.0) for i in index], axis=1)
    fitted = PoissonMixture.fit(truth @ persons, index, persons)
    by_segment = fitted.counts(8, index)
    assert by_segment @ persons == pytest.approx(truth @ persons, abs=1e-3)
    assert by_segment == pytest.approx(truth, abs=0.02)
