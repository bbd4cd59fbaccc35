import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dpnotice.analyst.media.exposure_laws import (
    beta_binomial_counts,
    beta_binomial_nonreach,
    convolve,
    insertions_counts,
    insertions_nonreach,
    nbd_counts,
    nbd_nonreach,
    split_passers_by,
    with_rest,
)

shares = st.floats(0.01, 0.99)
correlations = st.floats(0.001, 0.999)
insertions = st.integers(1, 60)


def print_counts(one: float, rho: float, n: int, most: int) -> np.ndarray:
    return beta_binomial_counts(n, most, np.array(one), np.array(rho))


def radio_counts(mean: float, cap: float, dispersion: float, most: int) -> np.ndarray:
    return nbd_counts(most, np.array(mean), np.array(cap), np.array(dispersion))


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
    got = beta_binomial_counts(5, 3, one, rho)
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


# --- passers-by ----------------------------------------------------------------------------
def parts(one: float, rho: float, passing: float) -> list[np.ndarray]:
    """Audience of the regulars, share who pass by, correlation of the regulars."""
    return list(split_passers_by(*(np.array(x) for x in (one, rho, passing))))


def seen_by_both(one: float, rho: float, passing: float, n: int, most: int) -> np.ndarray:
    regular, passed, own = parts(one, rho, passing)
    return insertions_counts(n, most, regular, own, passed)


def missed_by_both(one: float, rho: float, passing: float, n: int) -> float:
    regular, passed, own = parts(one, rho, passing)
    return float(insertions_nonreach(regular, own, passed, n))


def oracle_counts(one: float, rho: float, passing: float, n: int) -> np.ndarray:
    """Regulars' r1 and r2 from R1 and R2, beta-binomial; passers-by are of those who miss one."""
    two = 2 * one - one**2 - rho * one * (1 - one)
    r1 = 1 - (1 - one) / (1 - passing * one)
    r2 = 1 - (1 - two) / (1 - passing * one) ** 2
    alpha = r1 * (r2 - r1) / (2 * r1 - r1**2 - r2)
    regulars = stats.betabinom.pmf(np.arange(n + 1), n, alpha, alpha * (1 - r1) / r1)
    law = np.zeros(n + 1)
    for seen, chance in enumerate(regulars):
        missed = n - seen
        law[seen:] += chance * stats.binom.pmf(np.arange(missed + 1), missed, passing * one)
    return law


# Regulars are correlated by rho / (1 - q), which cannot exceed 1. The oracle's binomial overflows
# for chances that are all but 0.
passing = st.one_of(st.just(0.0), st.floats(1e-6, 0.95))
possible = st.tuples(shares, st.floats(0.01, 0.9), passing).map(
    lambda x: (x[0], x[1], x[2] * (1 - x[1]))
)


@given(possible)
def test_passers_by_leave_one_and_two_audiences_as_they_are(
    figures: tuple[float, float, float],
) -> None:
    one, rho, _ = figures
    assert 1 - missed_by_both(*figures, 1) == pytest.approx(one, abs=1e-12)
    two = 2 * one - one**2 - rho * one * (1 - one)
    assert 1 - missed_by_both(*figures, 2) == pytest.approx(two, abs=1e-12)


@given(shares, st.floats(0, 1), st.floats(0, 1))
def test_no_more_pass_by_than_the_second_audience_allows(
    one: float, rho: float, passing: float
) -> None:
    two = 2 * one - one**2 - rho * one * (1 - one)
    assert 1 - missed_by_both(one, rho, passing, 1) == pytest.approx(one, abs=1e-7)
    assert 1 - missed_by_both(one, rho, passing, 2) == pytest.approx(two, abs=1e-7)


@given(possible, st.integers(1, 40))
def test_regulars_and_passers_by_are_missed_independently(
    figures: tuple[float, float, float], n: int
) -> None:
    assert missed_by_both(*figures, n) == pytest.approx(oracle_counts(*figures, n)[0], rel=1e-6)


@given(possible, st.integers(1, 30), st.integers(1, 40))
def test_whoever_misses_an_insertion_as_a_regular_may_pass_by(
    figures: tuple[float, float, float], n: int, most: int
) -> None:
    wanted = with_tail(np.append(oracle_counts(*figures, n), np.zeros(50)), most)
    assert seen_by_both(*figures, n, most) == pytest.approx(wanted, abs=1e-7)


@given(possible, insertions)
def test_passers_by_are_seen_in_proportion_to_the_audience(
    figures: tuple[float, float, float], n: int
) -> None:
    got = seen_by_both(*figures, n, 2 * n + 1)
    assert np.arange(2 * n + 2) @ got == pytest.approx(n * figures[0])


@given(shares, correlations, insertions, st.integers(1, 70))
def test_without_passers_by_all_are_regulars(one: float, rho: float, n: int, most: int) -> None:
    assert parts(one, rho, 0.0) == pytest.approx([one, 0.0, rho], abs=1e-15)
    got = seen_by_both(one, rho, 0.0, n, most)
    assert got.tolist() == pytest.approx(print_counts(one, rho, n, most).tolist(), abs=1e-12)
    alone = beta_binomial_nonreach(np.array(one), np.array(rho), n)
    assert missed_by_both(one, rho, 0.0, n) == pytest.approx(float(alone), rel=1e-9)


@given(possible, st.floats(0, 1), insertions)
def test_more_passers_by_never_lower_reach(
    figures: tuple[float, float, float], less: float, n: int
) -> None:
    one, rho, passing = figures
    few, many = (missed_by_both(one, rho, q, n) for q in (less * passing, passing))
    assert many <= few + 1e-9


def test_where_all_pass_by_insertions_are_independent() -> None:
    assert missed_by_both(0.3, 0.0, 1.0, 12) == pytest.approx(0.7**12, abs=1e-8)
    oracle = with_tail(np.append(stats.binom.pmf(np.arange(13), 12, 0.3), np.zeros(9)), 6)
    assert seen_by_both(0.3, 0.0, 1.0, 12, 6) == pytest.approx(oracle, abs=1e-8)


def test_a_million_persons_of_both_kinds_see_insertions_so_often() -> None:
    """R1 = 0.3, rho = 0.2, q = 0.4; 7 cells at 4 s.e.: a false alarm in one of 2,200 seeds."""
    random, persons, n = np.random.default_rng(6), 10**6, 10
    one, rho, passing = 0.3, 0.2, 0.4
    r1, total = one * (1 - passing) / (1 - passing * one), (1 - passing) / rho - 1
    loyal = random.binomial(n, random.beta(total * r1, total * (1 - r1), persons))
    seen = loyal + random.binomial(n - loyal, passing * one)
    measured = np.bincount(np.minimum(seen, 6), minlength=7) / persons
    got = seen_by_both(one, rho, passing, n, 6)
    assert (np.abs(got - measured) <= 4 * np.sqrt(got * (1 - got) / persons)).all()


def test_passers_by_broadcast_over_draws_and_levels() -> None:
    one, rho, passing = np.array([[0.2, 0.4]]), np.array([[0.1], [0.3]]), np.array([[0.5], [0.0]])
    regular, passed, own = split_passers_by(one, rho, passing)
    got = insertions_counts(5, 3, regular, own, passed)
    assert got.shape == (4, 2, 2)
    for draw, cell in np.ndindex(2, 2):
        figures = float(one[0, cell]), float(rho[draw, 0]), float(passing[draw, 0])
        alone = seen_by_both(*figures, 5, 3)
        assert got[:, draw, cell].tolist() == pytest.approx(alone.tolist())
        missed = insertions_nonreach(regular, own, passed, 5)[draw, cell]
        assert missed == pytest.approx(missed_by_both(*figures, 5))


@pytest.mark.parametrize("mean", [1e-7, 1e-4, 1.0, 1e4])
@pytest.mark.parametrize("r", [0.1, 30.0, 1e6])
def test_single_precision_keeps_the_digits_of_any_dispersion(mean: float, r: float) -> None:
    figures = [np.array([x]) for x in (mean, 1.0, r, 1.0)]
    got = nbd_nonreach(*(x.astype(np.float32) for x in figures))
    assert got.dtype == np.float32
    assert 1 - got == pytest.approx(1 - nbd_nonreach(*figures), abs=3e-7)
