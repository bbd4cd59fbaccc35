import math
from bisect import bisect_left
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.signal import fftconvolve
from scipy.special import ndtri

from dpnotice.analyst.intervals import (
    LinearNoise,
    Term,
    check_level,
    cornish_fisher,
    count_interval,
    fieller,
)
from dpnotice.errors import EstimateError
from dpnotice.privacy import Noise, NoiseLaw

LAPLACE, GAUSSIAN = NoiseLaw.DISCRETE_LAPLACE, NoiseLaw.DISCRETE_GAUSSIAN
LAWS = pytest.mark.parametrize("law", [LAPLACE, GAUSSIAN])
LEVELS = pytest.mark.parametrize("level", [0.5, 0.9, 0.95, 0.99])
Floats = Any


def noise(law: NoiseLaw = LAPLACE, scale: float = 4.0) -> Noise:
    return Noise(law=law, scale=scale)


def linear(*terms: tuple[list[float], Noise]) -> LinearNoise:
    return LinearNoise(tuple(Term(np.array(w, dtype=float), each) for w, each in terms))


def mass_function(each: Noise) -> tuple[Floats, Floats]:
    """The published law by its definition, on every whole number that a float can show."""
    far = math.ceil(each.scale * (40 if each.is_laplace else 12)) + 2
    z = np.arange(-far, far + 1)
    raw = -np.abs(z) / each.scale if each.is_laplace else -(z**2) / (2 * each.scale**2)
    mass = np.exp(raw)
    return z, mass / mass.sum()


def distances(weights: list[int], each: Noise) -> Floats:
    """P(|sum of whole weights times noises| = k), k = 0, 1, ..., by convolution."""
    z, mass = mass_function(each)
    law = np.ones(1)
    for weight in weights:
        spread = np.zeros(2 * weight * z[-1] + 1)
        spread[::weight] = mass
        law = fftconvolve(law, spread)
    middle = len(law) // 2
    return np.concatenate([law[middle : middle + 1], 2 * law[middle + 1 :]])


def exact_coverage(weights: list[int], each: Noise, half_width: float) -> float:
    law = distances(weights, each)
    return float(law[: math.floor(half_width + 1e-9) + 1].sum())


# --- levels --------------------------------------------------------------------------------
@pytest.mark.parametrize("level", [0, 1, -0.1, 1.5, 95, math.nan, math.inf, True, "0.95", None])
def test_a_level_that_is_no_fraction_is_refused_with_the_value_and_the_remedy(level: Any) -> None:
    with pytest.raises(EstimateError, match=r"level must be a fraction between 0 and 1, got .*try"):
        check_level(level)


def test_a_level_inside_is_returned() -> None:
    assert check_level(0.95) == 0.95


@pytest.mark.parametrize("level", [0.0, 1.0, 95, True])
def test_half_width_refuses_a_bad_level(level: Any) -> None:
    with pytest.raises(EstimateError, match="level must be a fraction"):
        linear(([1.0], noise())).half_width(level)


def test_fieller_refuses_a_bad_level() -> None:
    part, whole = (1.0, linear(([1.0], noise()))), (9.0, linear(([1.0], noise())))
    with pytest.raises(EstimateError, match="level must be a fraction"):
        fieller(part, whole, 95)


# --- moments -------------------------------------------------------------------------------
@LAWS
@pytest.mark.parametrize("scale", [0.3, 0.7, 1.0, 4.0, 25.0])
def test_the_variance_is_that_of_the_law(law: NoiseLaw, scale: float) -> None:
    z, mass = mass_function(noise(law, scale))
    assert linear(([1.0], noise(law, scale))).variance == pytest.approx(np.sum(z**2 * mass), 1e-9)


@LAWS
def test_the_excess_kurtosis_is_that_of_the_law(law: NoiseLaw) -> None:
    weights = [3, 2, 2, 1]
    law_of_sum = distances(weights, noise(law, 1.5))
    k = np.arange(len(law_of_sum))
    second, fourth = np.sum(k**2 * law_of_sum), np.sum(k**4 * law_of_sum)
    got = linear(([3.0, 2.0, 2.0, 1.0], noise(law, 1.5))).excess_kurtosis
    assert got == pytest.approx(fourth / second**2 - 3, abs=1e-9)


def test_variances_of_independent_estimates_add_and_standard_deviations_do_not() -> None:
    one, other = linear(([1.0, -2.0], noise(scale=3.0))), linear(([4.0], noise(scale=9.0)))
    assert (one + other).variance == pytest.approx(one.variance + other.variance)


def test_every_table_adds_its_own_part_to_the_variance() -> None:
    one, other = ([1.0, -2.0], noise(scale=3.0)), ([4.0], noise(scale=9.0))
    assert linear(one, other).variances == [linear(one).variance, linear(other).variance]
    assert linear(one, other).variance == pytest.approx(sum(linear(one, other).variances))


def test_the_difference_of_a_query_with_itself_has_no_error() -> None:
    one = linear(([1.0, -2.0], noise()))
    assert one.minus(one).sd == 0.0


def test_a_multiple_has_the_squared_multiple_of_the_variance() -> None:
    one = linear(([1.0, -2.0], noise()))
    assert one.times(-3.0).variance == pytest.approx(9 * one.variance)


@LAWS
def test_the_covariance_of_two_queries_is_that_of_their_sum_and_difference(law: NoiseLaw) -> None:
    one, other = linear(([1.0, -2.0, 3.0], noise(law))), linear(([4.0, 1.0, 0.5], noise(law)))
    both = linear(([5.0, -1.0, 3.5], noise(law)))
    assert one.covariance(other) == pytest.approx(
        (both.variance - one.minus(other).variance) / 4, rel=1e-12
    )


def test_the_covariance_of_a_query_with_itself_is_its_variance() -> None:
    one = linear(([1.0, -2.0], noise()), ([3.0], noise(scale=9.0)))
    assert one.covariance(one) == pytest.approx(one.variance)


def in_copies(weights: list[float], copies: list[int], each: Noise) -> tuple[LinearNoise, ...]:
    """Weights that occur several times, said once with their number, and said every time."""
    short = Term(np.array(weights), each, np.array(copies, dtype=float))
    return LinearNoise((short,)), linear((np.repeat(weights, copies).tolist(), each))


COPIES = pytest.mark.parametrize("copies", [[1, 1, 1], [3, 1, 2], [40, 2, 7]])


@LAWS
@COPIES
def test_copies_have_the_moments_of_the_weights_that_they_stand_for(
    law: NoiseLaw, copies: list[int]
) -> None:
    short, long = in_copies([1.0, -0.4, 0.25], copies, noise(law, 1.5))
    assert short.variance == pytest.approx(long.variance, rel=1e-12)
    assert short.excess_kurtosis == pytest.approx(long.excess_kurtosis, abs=1e-12)
    assert short.covariance(short) == pytest.approx(long.variance, rel=1e-12)
    assert short.minus(short.times(3.0)).variance == pytest.approx(4 * long.variance, rel=1e-12)


@LAWS
@LEVELS
@COPIES
@pytest.mark.parametrize("scale", [0.5, 9.0])
def test_copies_have_the_half_width_of_the_weights_that_they_stand_for(
    law: NoiseLaw, level: float, copies: list[int], scale: float
) -> None:
    short, long = in_copies([1.0, -0.4, 0.25], copies, noise(law, scale))
    assert short.half_width(level) == pytest.approx(long.half_width(level), rel=1e-9)


@LAWS
def test_a_weight_with_copies_is_no_lone_count(law: NoiseLaw) -> None:
    each = noise(law, 4.0)
    short, long = in_copies([1.0, 0.0], [2, 5], each)
    assert short.half_width(0.95) == pytest.approx(long.half_width(0.95))
    assert short.half_width(0.95) > 1.2 * each.half_width(0.95)


def test_no_weight_at_all_has_no_width() -> None:
    assert linear(([0.0, 0.0], noise())).half_width(0.95) == 0.0


# --- half-widths against the exact law -----------------------------------------------------
@LAWS
@LEVELS
@pytest.mark.parametrize("scale", [0.2, 0.5, 1.0, 1.9, 4.0, 7.000000000000001, 33.0])
def test_a_lone_count_has_the_smallest_whole_half_width_that_covers(
    law: NoiseLaw, level: float, scale: float
) -> None:
    cumulated = np.cumsum(distances([1], noise(law, scale)))
    smallest = int(np.searchsorted(cumulated, level - 1e-12))
    assert linear(([1.0], noise(law, scale))).half_width(level) == smallest


@LAWS
def test_a_lone_weight_multiplies_the_half_width_of_a_count(law: NoiseLaw) -> None:
    alone = noise(law, 4.0)
    assert linear(([0.0, -2.5], alone)).half_width(0.9) == 2.5 * alone.half_width(0.9)


FEW = pytest.mark.parametrize("weights", [[8, 3], [8, 5, 2], [8, 1, 1, 1], [40, 7, 3, 2, 1]])


@LEVELS
@FEW
@pytest.mark.parametrize("scale", [4.0, 9.0])
def test_few_unequal_laplace_weights_cover_at_least_the_level_and_little_more(
    level: float, weights: list[int], scale: float
) -> None:
    each = noise(LAPLACE, scale)
    half = linear(([w / 8 for w in weights], each)).half_width(level)
    below = exact_coverage(weights, each, 8 * half * 0.985 - 1)
    assert exact_coverage(weights, each, 8 * half) >= level
    assert below < level


@LEVELS
@FEW
def test_few_unequal_gaussian_weights_cover_the_level_and_hardly_more_than_a_step(
    level: float, weights: list[int]
) -> None:
    each = noise(GAUSSIAN, 9.0)
    half = linear(([w / 8 for w in weights], each)).half_width(level)
    assert level - 0.0005 <= exact_coverage(weights, each, 8 * half) <= level + 0.008


@pytest.mark.parametrize("scale", [0.3, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("weights", [[1, 1], [1, 1, 1], [2, 1], [1] * 6])
def test_few_laplace_weights_of_small_scale_cover_the_level(
    weights: list[int], scale: float
) -> None:
    half = linear(([float(w) for w in weights], noise(LAPLACE, scale))).half_width(0.95)
    assert exact_coverage(weights, noise(LAPLACE, scale), half) >= 0.95


@pytest.mark.parametrize("scale", [0.5, 0.7, 1.0, 1.4])
@pytest.mark.parametrize("weights", [[1, 1], [1, 1, 1], [2, 1]])
def test_few_gaussian_weights_of_small_scale_cover_the_level(
    weights: list[int], scale: float
) -> None:
    # the sum is a whole number too, so that 1.96 s.d. cuts the last step in part
    half = linear(([float(w) for w in weights], noise(GAUSSIAN, scale))).half_width(0.95)
    assert exact_coverage(weights, noise(GAUSSIAN, scale), half) >= 0.95


@LAWS
@pytest.mark.parametrize("cells", [20, 54])
@pytest.mark.parametrize("scale", [0.5, 1.0])
def test_a_sum_of_many_cells_of_small_scale_covers_within_half_a_point_of_the_level(
    law: NoiseLaw, cells: int, scale: float
) -> None:
    half = linear(([1.0] * cells, noise(law, scale))).half_width(0.95)
    assert exact_coverage([1] * cells, noise(law, scale), half) >= 0.945


@LAWS
@LEVELS
def test_many_weights_cover_the_level_within_a_third_of_a_point(
    law: NoiseLaw, level: float
) -> None:
    weights = [int(w) for w in np.random.default_rng(3).integers(1, 9, size=40)]
    each = noise(law, 6.0)
    half = linear(([w / 8 for w in weights], each)).half_width(level)
    assert exact_coverage(weights, each, 8 * half) == pytest.approx(level, abs=0.003)


def test_two_tables_of_unequal_scales_cover_the_level() -> None:
    # 4 z_1 + z_2: convolved by hand from two laws
    one, other = noise(LAPLACE, 2.0), noise(LAPLACE, 15.0)
    (z1, m1), (z2, m2) = mass_function(one), mass_function(other)
    spread = np.zeros(8 * z1[-1] + 1)
    spread[::4] = m1
    law = np.convolve(spread, m2)
    half = linear(([1.0], one), ([0.25], other)).half_width(0.95)
    distance = np.abs(np.arange(len(law)) - len(law) // 2)
    assert 0.95 <= law[distance <= 4 * half + 1e-9].sum() <= 0.957
    assert z2[-1] > 4 * half


@pytest.mark.parametrize("level", [0.95, 0.9999, 0.999999])
def test_noise_that_is_nearly_always_zero_still_covers_at_high_levels(level: float) -> None:
    half = linear(([1.0, 1.0], noise(LAPLACE, 0.12))).half_width(level)
    assert exact_coverage([1, 1], noise(LAPLACE, 0.12), half) >= level


@pytest.mark.parametrize("level", [0.9999, 0.999999])
def test_bonferroni_levels_are_covered(level: float) -> None:
    half = linear(([1.0, 1.0, 1.0], noise(LAPLACE, 4.0))).half_width(level)
    assert exact_coverage([1, 1, 1], noise(LAPLACE, 4.0), half) >= level


@LAWS
@pytest.mark.parametrize("scale", [70.0, 700.0, 7000.0, 1e6, 2.0**40])
@pytest.mark.parametrize("weights", [[1.0, 1.0], [1.0, 0.3, 0.1], [1.0, 0.77, -0.4, 0.02]])
def test_wide_noise_has_the_half_width_of_continuous_noise(
    law: NoiseLaw, scale: float, weights: list[float]
) -> None:
    got = linear((weights, noise(law, scale)))
    unit = linear((weights, noise(law, 50.0)))
    for points in (2**16, 2**18):
        expected = unit.half_width(0.95, points=2**20) / 50
        assert got.half_width(0.95, points=points) / scale == pytest.approx(expected, rel=5e-3)


@pytest.mark.parametrize("scale", [1500.0, 20_000.0])
def test_a_share_under_wide_noise_is_that_of_the_same_figures_in_larger_units(
    scale: float,
) -> None:
    def share(unit: float) -> list[float]:
        each = noise(LAPLACE, unit)
        part, whole = counted(12 * unit, [1, 0], each), counted(40 * unit, [1, 1], each)
        return list(fieller(part, whole, 0.95)[:2])

    assert share(scale) == pytest.approx(share(60.0), abs=2e-3)


# --- 1.96 for Laplace: a planted fault -----------------------------------------------------
def test_the_normal_quantile_does_not_cover_a_lone_laplace_count() -> None:
    each = noise(LAPLACE, 40.0)
    assert exact_coverage([1], each, float(ndtri(0.975)) * each.sd) < 0.945


def test_a_lone_laplace_count_gets_more_than_the_normal_quantile() -> None:
    lone = linear(([1.0], noise(LAPLACE, 40.0)))
    assert lone.half_width(0.95) / lone.sd > 2.08


def test_few_laplace_weights_get_more_than_the_normal_quantile() -> None:
    few = linear(([1.0, 0.4, 0.2], noise(LAPLACE, 40.0)))
    assert few.half_width(0.95) / few.sd > 2.0


def test_a_lone_gaussian_count_gets_the_normal_quantile() -> None:
    lone = linear(([1.0], noise(GAUSSIAN, 400.0)))
    assert lone.half_width(0.95) / lone.sd == pytest.approx(float(ndtri(0.975)), abs=0.003)


@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
def test_cornish_fisher_adds_the_kurtosis_term_to_the_normal_quantile(level: float) -> None:
    z = float(ndtri((1 + level) / 2))
    assert cornish_fisher(level, 0.24) == pytest.approx(z + 0.24 * (z**3 - 3 * z) / 24)


# --- invariants of the half-width ----------------------------------------------------------
WEIGHTS = st.lists(st.floats(0.01, 3), min_size=1, max_size=6)


@settings(max_examples=25)
@given(weights=WEIGHTS, scale=st.floats(0.5, 50), law=st.sampled_from([LAPLACE, GAUSSIAN]))
def test_a_higher_level_is_never_narrower(
    weights: list[float], scale: float, law: NoiseLaw
) -> None:
    error = linear((weights, noise(law, scale)))
    assert error.half_width(0.8) <= error.half_width(0.9) <= error.half_width(0.99)


@settings(max_examples=25)
@given(weights=WEIGHTS, factor=st.floats(0.01, 1000))
def test_the_half_width_of_a_multiple_is_the_multiple(weights: list[float], factor: float) -> None:
    error = linear((weights, noise(LAPLACE, 5.0)))
    assert error.times(factor).half_width(0.95) == pytest.approx(
        factor * error.half_width(0.95), rel=1e-3
    )


@pytest.mark.parametrize("factor", [1e-9, 1e-13])
def test_the_half_width_of_a_tiny_multiple_is_the_multiple(factor: float) -> None:
    error = linear(([1.0, 0.7, 0.3], noise(LAPLACE, 5.0)))
    assert error.times(factor).half_width(0.95) == pytest.approx(
        factor * error.half_width(0.95), rel=1e-3
    )


@settings(max_examples=25)
@given(weights=WEIGHTS)
def test_signs_and_order_of_weights_do_not_matter(weights: list[float]) -> None:
    turned = [-w for w in reversed(weights)]
    assert linear((turned, noise())).half_width(0.95) == pytest.approx(
        linear((weights, noise())).half_width(0.95), rel=1e-9
    )


@LAWS
@pytest.mark.parametrize("scale", [0.5, 4.0])
def test_float_dust_beside_a_lone_weight_does_not_change_its_half_width(
    law: NoiseLaw, scale: float
) -> None:
    each = noise(law, scale)
    dusty = linear(([1.0, 3e-17, -2e-17], each)).half_width(0.95)
    assert count_interval(0.0, dusty)[1] == each.half_width(0.95)


# --- counts --------------------------------------------------------------------------------
@given(value=st.floats(-1e6, 1e6), half=st.floats(0, 1e5))
@example(value=3.5, half=0.1)
@example(value=-0.5, half=0.1)
def test_a_count_interval_has_whole_ends_in_order_and_none_below_zero(
    value: float, half: float
) -> None:
    lower, upper = count_interval(value, half)
    assert 0 <= lower <= upper
    assert lower.is_integer()
    assert upper.is_integer()


@given(value=st.floats(-1e4, 1e4), half=st.floats(0.5, 1e3))
def test_a_count_interval_holds_exactly_the_possible_whole_numbers_inside(
    value: float, half: float
) -> None:
    lower, upper = count_interval(value, half)
    assert lower >= value - half - 1e-6
    assert lower - 1 < value - half + 1e-6 or lower == 0
    assert upper <= max(0.0, value + half + 1e-6)
    assert upper + 1 > value + half - 1e-6


def test_ends_are_rounded_inward() -> None:
    assert count_interval(10.4, 2.6) == (8.0, 13.0)


def test_float_dust_does_not_lose_an_end() -> None:
    assert count_interval(10.0 + 1e-12, 3.0 - 1e-12) == (7.0, 13.0)


def test_where_no_whole_number_is_left_the_nearest_is_given() -> None:
    assert count_interval(7.3, 0.2) == (7.0, 7.0)


def test_a_count_far_below_zero_is_zero() -> None:
    assert count_interval(-40.0, 3.0) == (0.0, 0.0)


# --- shares --------------------------------------------------------------------------------
def counted(value: float, weights: list[float], each: Noise) -> tuple[float, LinearNoise]:
    return value, linear((weights, each))


def test_gaussian_ends_solve_fiellers_quadratic() -> None:
    each = noise(GAUSSIAN, 10.0)
    lower, upper, determined = fieller(
        counted(120.0, [1, 0], each), counted(400.0, [1, 1], each), 0.95
    )
    z2, v = float(ndtri(0.975)) ** 2, each.variance
    # (120 - 400 R)^2 = z^2 v ((1 - R)^2 + R^2)
    roots = np.roots([400**2 - 2 * z2 * v, -2 * 120 * 400 + 2 * z2 * v, 120**2 - z2 * v])
    assert determined
    assert [lower, upper] == pytest.approx(sorted(roots.real), abs=1e-9)


def test_laplace_ends_lie_at_the_exact_quantile_of_the_combination_itself() -> None:
    each = noise(LAPLACE, 10.0)
    part, whole = counted(120.0, [1, 0], each), counted(400.0, [1, 1], each)
    for end in fieller(part, whole, 0.95)[:2]:
        own = linear(([1 - end, -end], each)).half_width(0.95)
        assert abs(120 - end * 400) == pytest.approx(own, rel=1e-2)


@pytest.mark.parametrize("whole", [0.0, -30.0, 25.0])
def test_a_denominator_not_separated_from_zero_is_flagged_and_gives_everything(
    whole: float,
) -> None:
    each = noise(LAPLACE, 10.0)
    got = fieller(counted(5.0, [1, 0], each), counted(whole, [1, 1], each), 0.95)
    assert got == (0.0, 1.0, False)


@given(top=st.floats(-300, 900), bottom=st.floats(-300, 900), scale=st.floats(0.5, 60))
def test_shares_lie_in_order_inside_zero_and_one(top: float, bottom: float, scale: float) -> None:
    each = noise(LAPLACE, scale)
    lower, upper, _ = fieller(counted(top, [1, 0], each), counted(bottom, [1, 1], each), 0.95)
    assert 0 <= lower <= upper <= 1


@settings(max_examples=40)
@given(top=st.floats(0, 400), scale=st.floats(0.5, 20))
def test_a_share_and_its_complement_mirror_each_other(top: float, scale: float) -> None:
    each = noise(LAPLACE, scale)
    whole = counted(400.0, [1, 1], each)
    lower, upper, _ = fieller(counted(top, [1, 0], each), whole, 0.95)
    other = fieller(counted(400.0 - top, [0, 1], each), whole, 0.95)
    assert [1 - other[1], 1 - other[0]] == pytest.approx([lower, upper], abs=1e-6)


def test_everything_is_the_whole_share() -> None:
    whole = counted(400.0, [1, 1], noise(LAPLACE, 4.0))
    assert fieller(whole, whole, 0.95) == (1.0, 1.0, True)


def test_nothing_is_no_share() -> None:
    whole = counted(400.0, [1, 1], noise(LAPLACE, 4.0))
    nothing = counted(0.0, [0, 0], noise(LAPLACE, 4.0))
    assert fieller(nothing, whole, 0.95) == (0.0, 0.0, True)


@LAWS
@pytest.mark.parametrize("top", [-30.0, -5.0, 5.0])
def test_a_denominator_barely_told_from_zero_is_flagged_where_the_set_has_no_ends(
    law: NoiseLaw, top: float
) -> None:
    each = noise(law, 4.0)
    whole = linear(([1.0] * 72, each))
    part = top, linear(([1.0] + [0.0] * 71, each))
    assert fieller(part, (whole.half_width(0.95) + 0.01, whole), 0.95) == (0.0, 1.0, False)


@settings(max_examples=25)
@given(top=st.floats(10, 390), level=st.floats(0.3, 0.98))
def test_a_higher_level_never_narrows_a_share(top: float, level: float) -> None:
    each = noise(LAPLACE, 6.0)
    part, whole = counted(top, [1, 0], each), counted(400.0, [1, 1], each)
    # near a simple fraction the combination is nearly a lattice, whose quantile goes in jumps
    inner, outer = fieller(part, whole, level), fieller(part, whole, level + 0.01)
    assert outer[0] <= inner[0] + 1e-4
    assert inner[1] <= outer[1] + 1e-4


@pytest.mark.parametrize("scale", [0.1, 0.05, 0.02])
def test_a_share_under_hardly_any_noise_is_nearly_exact(scale: float) -> None:
    each = noise(LAPLACE, scale)  # the noise is 0 but for one in ten thousand draws, or fewer
    lower, upper, determined = fieller(
        counted(120.0, [1, 0], each), counted(400.0, [1, 1], each), 0.95
    )
    assert determined
    assert lower == pytest.approx(0.3, abs=0.01)
    assert upper == pytest.approx(0.3, abs=0.01)


def test_a_low_level_never_moves_a_share_away_from_its_estimate() -> None:
    each = noise(LAPLACE, 0.25)  # 0 in 96 % of draws: the kurtosis term is large and negative
    lower, upper, _ = fieller(counted(12.0, [1, 0], each), counted(40.0, [1, 1], each), 0.6)
    assert lower - 1e-9 <= 0.3 <= upper + 1e-9


def last_covered(each: Noise, z: int, step: int) -> int:
    """How far the part's noise may go, from its centre, before 15 of 75 is no longer covered."""

    def missed(away: int) -> bool:
        top, rest = 15 + z // 4 + step * away, 60 + z
        whole = counted(float(top + rest), [1, 1], each)
        lower, upper, _ = fieller(counted(float(top), [1, 0], each), whole, 0.95)
        return not lower <= 0.2 <= upper

    return z // 4 + step * (bisect_left(range(16), x=True, key=missed) - 1)


@pytest.mark.parametrize("each", [noise(LAPLACE, 2.0), noise(GAUSSIAN, 4.0)])
def test_shares_cover_the_truth_at_the_stated_level(each: Noise) -> None:
    """No draws: the published probabilities of all noises whose interval holds the true share."""
    z, mass = mass_function(each)
    cumulated = dict(zip(z.tolist(), np.cumsum(mass).tolist(), strict=True))
    covered = sum(
        mass[z == rest][0]
        * (cumulated[last_covered(each, rest, 1)] - cumulated[last_covered(each, rest, -1) - 1])
        for rest in range(-14, 15)
    )
    assert 0.949 <= covered <= 0.958
