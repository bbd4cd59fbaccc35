"""The auditor itself: its laws, the chance of a false alarm, and what it is able to notice."""

import math
from collections import Counter
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from scipy import stats

from dpnotice.privacy import Noise, NoiseLaw
from made import auditing
from made.auditing import (
    LEAST_EXPECTED,
    bins,
    chi_square,
    chi_square_power,
    clopper_pearson,
    epsilon_bound,
    masses,
    moment,
    root_mean_square,
    root_mean_square_alarm,
    score,
    score_power,
    score_test,
    tails,
    tally,
    told_apart,
    typical_epsilon_bound,
)

ALARM = 1e-6
MILLION = 10**6
Law = Callable[[float], Noise]
SCALES = (0.5, 2.0, 7.0, 40.0)


def laplace(scale: float) -> Noise:
    return Noise(law=NoiseLaw.DISCRETE_LAPLACE, scale=scale)


def gaussian(scale: float) -> Noise:
    return Noise(law=NoiseLaw.DISCRETE_GAUSSIAN, scale=scale)


BOTH = pytest.mark.parametrize("law", [laplace, gaussian], ids=["laplace", "gaussian"])
EACH = pytest.mark.parametrize("scale", SCALES)


def expected(noise: Noise, draws: int) -> Counter[int]:
    """As often as the law says, to the nearest whole."""
    times = np.rint(masses(noise) * draws).astype(int)
    return Counter({sign * z: int(n) for z, n in enumerate(times) for sign in (1, -1) if n})


# --- the laws ------------------------------------------------------------------------------
@BOTH
@EACH
def test_probabilities_sum_to_one(law: Law, scale: float) -> None:
    half = masses(law(scale))
    assert math.fsum([*half, *half[1:]]) == pytest.approx(1, abs=1e-15)


def test_probabilities_of_laplace_noise_are_the_exact_ones() -> None:
    """At scale 1/ln 2 they are (1/3) 2^-|z|."""
    found = masses(laplace(1 / math.log(2)))[:60]
    assert found == pytest.approx([float(Fraction(1, 3 * 2**z)) for z in range(60)], rel=1e-13)


def test_probabilities_of_gaussian_noise_fall_as_the_law_says() -> None:
    found = masses(gaussian(2.0))
    assert found[1:20] / found[0] == pytest.approx([math.exp(-z * z / 8) for z in range(1, 20)])


@pytest.mark.parametrize("scale", [2.0, 7.0, 40.0])
def test_the_largest_gaussian_probability_is_that_of_poissons_summation(scale: float) -> None:
    dual = 1 + 2 * sum(math.exp(-2 * (math.pi * scale * k) ** 2) for k in range(1, 9))
    assert masses(gaussian(scale))[0] == pytest.approx(1 / (scale * math.sqrt(2 * math.pi) * dual))


@EACH
def test_tails_of_laplace_noise_have_their_closed_form(scale: float) -> None:
    p = math.exp(-1 / scale)
    closed = [p**k / (1 + p) for k in range(30)]
    assert tails(laplace(scale))[:30] == pytest.approx(closed, rel=1e-12)


@EACH
def test_moments_of_laplace_noise_have_their_closed_form(scale: float) -> None:
    p = math.exp(-1 / scale)
    assert moment(laplace(scale), 1) == pytest.approx(2 * p / (1 - p * p), rel=1e-12)
    assert moment(laplace(scale), 2) == pytest.approx(2 * p / (1 - p) ** 2, rel=1e-12)


# --- chi-square ----------------------------------------------------------------------------
def test_tallies_of_two_draws_add_up() -> None:
    together = tally(np.array([3, -1, 3])) + tally(np.array([3, 0]))
    assert together == {3: 3, -1: 1, 0: 1}


@BOTH
@EACH
def test_every_bin_is_expected_often_enough_and_none_is_lost(law: Law, scale: float) -> None:
    shares = bins(law(scale), MILLION)
    assert shares.min() * MILLION >= LEAST_EXPECTED
    assert shares.sum() == pytest.approx(1, abs=1e-12)


def test_both_tails_are_pooled() -> None:
    noise = laplace(2.0)
    far = bins(noise, 10_000).size // 2
    drawn, beyond = expected(noise, 10_000), Counter({far: 500, -far: 500})
    pooled = drawn + beyond
    moved = drawn + Counter({far + 7: 500, -far - 90: 500})
    assert chi_square(pooled, noise) == chi_square(moved, noise) < ALARM


@BOTH
@EACH
def test_draws_as_the_law_says_raise_no_alarm(law: Law, scale: float) -> None:
    drawn = expected(law(scale), MILLION)
    assert chi_square(drawn, law(scale)) > 0.99
    assert score_test(drawn, law(scale)) > 0.5  # rounded far from the centre


@pytest.mark.parametrize("toward_zero", [False, True], ids=["nearest", "toward zero"])
def test_noise_from_rounded_floats_is_noticed(*, toward_zero: bool) -> None:
    """Laplace noise on the reals, of the same scale, made whole."""
    edges = np.arange(60) + (1.0 if toward_zero else 0.5)
    times = np.rint(np.diff(-np.exp(-edges / 2.0), prepend=-1.0) / 2 * MILLION).astype(int)
    drawn = Counter({sign * z: int(n) for z, n in enumerate(times) for sign in (1, -1) if n})
    drawn[0] = 2 * int(times[0])
    assert chi_square(drawn, laplace(2.0)) < ALARM


def test_too_few_draws_are_refused() -> None:
    with pytest.raises(ValueError, match="too few draws"):
        chi_square(Counter({0: 20, 1: 5, -1: 5}), laplace(2.0))


def chi_square_alarm(noise: Noise, least: float, alarm: float) -> float:
    """Chance of a false alarm over the stated one, bins being Poisson: their laws convolved."""
    step, length = 0.02, 2**16
    spectrum = np.ones(length // 2 + 1, complex)
    mean = bins(noise, MILLION, least) * MILLION
    for each in mean:
        times = np.arange(int(each + 40 * math.sqrt(each) + 60))
        place = np.rint((times - each) ** 2 / each / step).astype(int)
        near = place < length
        chance = stats.poisson.pmf(times, each)[near]
        spectrum *= np.fft.rfft(np.bincount(place[near], chance, length))
    edge = round(stats.chi2.isf(alarm, mean.size) / step)
    return float(np.fft.irfft(spectrum, length)[edge:].sum()) / alarm


@pytest.mark.parametrize("noise", [laplace(0.5), laplace(2.0), gaussian(0.5), gaussian(2.0)])
def test_chi_square_alarms_hardly_more_often_than_stated(noise: Noise) -> None:
    assert chi_square_alarm(noise, LEAST_EXPECTED, ALARM) < 1.2


def test_five_expected_per_bin_would_not_be_enough() -> None:
    assert chi_square_alarm(laplace(0.5), 5, ALARM) > 4


@pytest.mark.parametrize(
    ("draws", "factor", "power"),
    [
        *((MILLION, 1.002, 0.0), (MILLION, 1.005, 0.009), (MILLION, 1.01, 0.97)),
        *((10 * MILLION, 1.002, 0.10), (10 * MILLION, 1.005, 1.0), (10 * MILLION, 1.01, 1.0)),
    ],
)
def test_chi_square_notices_a_wrong_scale_as_often_as_tabulated(
    draws: int, factor: float, power: float
) -> None:
    """At 5 expected per bin, as in the table, which rounds."""
    found = chi_square_power(laplace(2.0 * factor), laplace(2.0), draws, ALARM, least=5)
    assert found == pytest.approx(power, abs=0.015)


def test_noise_of_the_claimed_law_is_noticed_as_often_as_the_false_alarm_says() -> None:
    noise = laplace(2.0)
    assert chi_square_power(noise, noise, MILLION, 1e-3) == pytest.approx(1e-3)
    assert score_power(noise, noise, MILLION, 1e-3) == pytest.approx(1e-3)


# --- the score -----------------------------------------------------------------------------
def test_the_score_counts_standard_deviations() -> None:
    drawn = Counter({0: 6, 2: 3, -4: 1})
    mean, second = moment(laplace(2.0), 1), moment(laplace(2.0), 2)
    by_hand = (10 - 10 * mean) / math.sqrt(10 * (second - mean**2))
    assert score(drawn, laplace(2.0)) == pytest.approx(by_hand)
    assert score_test(drawn, laplace(2.0)) == pytest.approx(2 * stats.norm.sf(abs(by_hand)))


@EACH
def test_a_draw_tells_about_the_scale_what_fishers_information_says(scale: float) -> None:
    """At wide noise 1 of log b and 2 of log sigma, and never less."""
    least = {laplace: 1.0, gaussian: 2.0}
    for law, information in least.items():
        power, _, sd = auditing._statistic(law(scale))
        assert (sd / scale**power) ** 2 >= information - 1e-12
        assert scale < 7 or (sd / scale**power) ** 2 == pytest.approx(information, rel=4e-3)


@pytest.mark.parametrize("scale", [0.5, 2.0, 40.0])
def test_the_normal_tail_of_the_laplace_score_is_near_the_exact_one(scale: float) -> None:
    """Exactly, the sum of |z| is M, how many are not 0, plus a negative binomial number of M."""
    power, mean, sd = auditing._statistic(laplace(scale))
    p, edge = math.exp(-1 / scale), stats.norm.isf(ALARM / 2)
    busy = stats.binom(MILLION, 2 * p / (1 + p))
    m = np.arange(busy.ppf(1e-13), busy.isf(1e-13) + 1)
    upper = math.ceil(MILLION * mean + edge * sd * math.sqrt(MILLION))
    lower = math.floor(MILLION * mean - edge * sd * math.sqrt(MILLION))
    above = busy.pmf(m) @ stats.nbinom.sf(upper - m - 1, m, 1 - p)
    below = busy.pmf(m) @ stats.nbinom.cdf(lower - m, m, 1 - p)
    assert power == 1
    assert (above + below) / ALARM == pytest.approx(1, abs=0.02)
    assert above / (ALARM / 2) == pytest.approx(1, abs=0.06)


def test_the_normal_tail_of_the_gaussian_score_is_near_the_exact_one() -> None:
    """For wide noise the sum of z^2/sigma^2 is chi-square with as many degrees as draws."""
    edge = stats.norm.isf(ALARM / 2) * math.sqrt(2 * MILLION)
    above, below = (stats.chi2.sf(MILLION + edge, MILLION), stats.chi2.cdf(MILLION - edge, MILLION))
    assert (above + below) / ALARM == pytest.approx(1, abs=0.02)
    assert above / (ALARM / 2) == pytest.approx(1, abs=0.07)


@BOTH
@EACH
def test_the_score_notices_one_percent_of_the_scale_sooner_than_chi_square(
    law: Law, scale: float
) -> None:
    both = [
        power(law(1.01 * scale), law(scale), MILLION, ALARM)
        for power in (score_power, chi_square_power)
    ]
    assert both[0] >= both[1]
    assert both[0] > 1 - 2e-6


@BOTH
def test_the_score_of_another_scale_has_its_sign(law: Law) -> None:
    drawn = expected(law(2.0), MILLION)
    assert score(drawn, law(1.98)) > 5 > -5 > score(drawn, law(2.02))
    assert max(score_test(drawn, law(1.98)), score_test(drawn, law(2.02))) < ALARM


# --- the error in people -------------------------------------------------------------------
def test_the_root_mean_square_is_that_of_the_draws() -> None:
    assert root_mean_square(Counter({3: 2, -1: 1, 0: 1})) == math.sqrt(19 / 4)


@BOTH
@EACH
def test_a_root_mean_square_off_by_three_percent_is_no_accident(law: Law, scale: float) -> None:
    assert root_mean_square_alarm(law(scale), 10**5, 0.03) < 1e-9


def test_the_bound_of_the_root_mean_square_lies_above_the_normal_tail() -> None:
    """At 10^5 draws of Laplace noise 1 % is 2 standard deviations."""
    bound = root_mean_square_alarm(laplace(40.0), 10**5, 0.01)
    sd = 0.5 * math.sqrt(5 / 10**5)
    assert 2 * stats.norm.sf(0.01 / sd) < bound < 1


# --- the loss ------------------------------------------------------------------------------
@pytest.mark.parametrize(("times", "trials"), [(1, 10), (5, 10), (9, 10), (731, 1000)])
def test_limits_of_a_chance_are_exact(times: int, trials: int) -> None:
    lower, upper = clopper_pearson(times, trials, ALARM)
    assert stats.binom.sf(times - 1, trials, lower) == pytest.approx(ALARM)
    assert stats.binom.cdf(times, trials, upper) == pytest.approx(ALARM)


def test_limits_of_a_chance_reach_0_and_1() -> None:
    assert clopper_pearson(0, 10, 0.01)[0] == 0
    assert clopper_pearson(10, 10, 0.01)[1] == 1


@pytest.mark.parametrize(
    ("trials", "epsilon", "bound"),
    [
        *((MILLION, 1.0, 0.989), (MILLION, 0.5, 0.490), (MILLION, 0.1, 0.090)),
        *((10 * MILLION, 1.0, 0.9965), (10 * MILLION, 0.5, 0.497), (10 * MILLION, 0.1, 0.097)),
    ],
)
def test_bounds_of_epsilon_are_as_tabulated(trials: int, epsilon: float, bound: float) -> None:
    assert typical_epsilon_bound(epsilon, 1, trials, ALARM) == pytest.approx(bound, abs=7e-4)


def test_the_bound_looks_in_both_directions() -> None:
    one_way = epsilon_bound({"x": (7311, 2689)}, 10_000, ALARM)
    assert one_way == epsilon_bound({"x": (2689, 7311)}, 10_000, ALARM) > 0.85


def test_equal_counts_show_no_loss() -> None:
    assert epsilon_bound({"x": (5000, 5000), "y": (0, 0)}, 10_000, ALARM) == 0


def test_every_event_has_its_share_of_the_false_alarm() -> None:
    one, two = {"x": (7311, 2689)}, {"x": (7311, 2689), "y": (0, 0)}
    assert epsilon_bound(two, 10_000, ALARM) == epsilon_bound(one, 10_000, ALARM / 2)


@pytest.mark.parametrize("tables", [1, 2, 3])
def test_the_events_have_the_largest_ratio_that_epsilon_allows(tables: int) -> None:
    half = masses(laplace(float(tables)))
    at_least = [half[0] + half[1:].sum(), half[1:].sum()]  # P(X >= 1) with the buyer, and without
    assert (at_least[0] / at_least[1]) ** tables == pytest.approx(math.e)


def test_cells_are_told_apart_where_all_their_tables_agree() -> None:
    first, second = np.array([1, 1, 0, -3, 5]), np.array([2, 0, 0, 0, 1])
    assert told_apart([first, second]) == {"all 1 or more": 2, "all 0 or less": 2}
