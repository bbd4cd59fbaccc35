"""Seeded simulations. Over all seeds each fails with a chance of about 1e-6 where nothing is wrong:
five standard errors, or the chi-square bounds written out."""

import math
from functools import reduce
from itertools import permutations, product
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import chi2

from dpnotice.analyst.overlap import regions as module
from dpnotice.analyst.overlap.regions import (
    Regions,
    containing,
    expected,
    join,
    membership,
    pair_sd,
    pattern_law,
    solve,
    touching,
)
from dpnotice.errors import EstimateError
from made import overlapping as made

Floats = Any
MANY = 2**50
"""Bits of a map in which rounding a law to whole counts alters nothing."""
CASES = pytest.mark.parametrize(
    ("retailers", "epsilons"),
    [(1, "1"), (2, "1 2"), (3, "1 1 1"), (3, "0.5 1 4"), (4, "2 1 8 0.5"), (5, "1 2 3 4 0.7")],
)


def truth(retailers: int, bits: int, seed: int = 0) -> Floats:
    """Uneven regions, at most some 0.8 people per bit together."""
    rng = np.random.default_rng(seed)
    sizes = rng.dirichlet(np.ones(2**retailers - 1)) * bits * 0.8
    return np.rint(sizes)


def exact_counts(people: Floats, bits: int, flips: list[float]) -> Any:
    """The histogram in which every pattern is seen as often as its chance says."""
    return np.rint(pattern_law(people * (MANY / bits), MANY, flips) * MANY).astype(np.int64)


def scaled(fit: Regions, bits: int) -> Floats:
    return fit.estimate * (bits / MANY)


def simulated(
    people: Floats, bits: int, epsilons: str, runs: int, seed: int = 1, *, poisson: bool = False
) -> list[Regions]:
    """Fits of fresh hashes and flips; the people are fixed, or drawn about these means."""
    rng = np.random.default_rng(seed)
    flips = made.chances(*epsilons.split())
    fits = []
    for _ in range(runs):
        sizes = rng.poisson(people) if poisson else people
        fits.append(solve(made.counted(made.occupied(sizes, bits, rng), flips, rng), flips))
    return fits


# --- the law of the patterns ---------------------------------------------------------------
@CASES
def test_the_law_is_that_of_dense_kronecker_products(retailers: int, epsilons: str) -> None:
    bits, flips = 4096, made.chances(*epsilons.split())
    people = truth(retailers, bits)
    empty = np.exp(-touching(retailers) @ people / bits)
    matrices = [np.array([[p, 1 - 2 * p], [1 - p, 2 * p - 1]]) for p in reversed(flips)]
    dense = reduce(np.kron, matrices) @ empty
    law = pattern_law(people, bits, flips)
    for seen in product((0, 1), repeat=retailers):
        number = sum(bit << place for place, bit in enumerate(seen))
        assert law[seen] == pytest.approx(dense[number], rel=1e-9, abs=1e-15)


def test_the_law_is_that_of_adding_up_everything_that_can_happen() -> None:
    bits, flips = 1000, made.chances("1", "2", "0.5")
    people = truth(3, bits)
    law = np.zeros((2, 2, 2))
    for present in product((False, True), repeat=7):
        chance = np.prod(np.where(present, -np.expm1(-people / bits), np.exp(-people / bits)))
        held = reduce(int.__or__, (mask + 1 for mask in range(7) if present[mask]), 0)
        for seen in product((0, 1), repeat=3):
            wrong = [bool(held >> i & 1) != bool(seen[i]) for i in range(3)]
            law[seen] += chance * np.prod(np.where(wrong, flips, 1 - np.array(flips)))
    assert pattern_law(people, bits, flips) == pytest.approx(law, rel=1e-12)


@CASES
def test_a_law_sums_to_1_and_has_no_chance_below_0(retailers: int, epsilons: str) -> None:
    law = pattern_law(truth(retailers, 4096), 4096, made.chances(*epsilons.split()))
    assert law.sum() == pytest.approx(1)
    assert law.min() > 0


# --- the closed form -----------------------------------------------------------------------
@CASES
def test_solving_gives_back_the_people_behind_a_law(retailers: int, epsilons: str) -> None:
    bits, flips = 4096, made.chances(*epsilons.split())
    people = truth(retailers, bits)
    fit = solve(exact_counts(people, bits, flips), flips)
    assert scaled(fit, bits) == pytest.approx(people, rel=1e-6, abs=1e-4)


def test_the_solution_is_inclusion_and_exclusion() -> None:
    k, rng = 4, np.random.default_rng(3)
    union = dict(enumerate(rng.normal(size=16)))
    union[0] = 0.0
    for region in range(1, 16):
        rest = 15 ^ region
        subsets = [part for part in range(16) if part & region == part]
        total = sum(-((-1) ** part.bit_count()) * union[rest | part] for part in subsets)
        row = module.solution(k)[region - 1]
        assert row @ [union[s] for s in range(1, 16)] == pytest.approx(total)


@pytest.mark.parametrize("retailers", [1, 2, 3, 4, 5])
def test_the_solution_inverts_who_is_touched(retailers: int) -> None:
    product_ = module.solution(retailers) @ touching(retailers)[1:]
    assert product_ == pytest.approx(np.eye(2**retailers - 1))


def test_permuting_the_retailers_permutes_the_regions() -> None:
    rng, flips = np.random.default_rng(4), made.chances("1", "2", "4")
    counts = made.counted(made.occupied(truth(3, 4096), 4096, rng), flips, rng)
    fit = solve(counts, flips)
    for order in permutations(range(3)):
        moved = solve(counts.transpose(order), [flips[place] for place in order])
        masks = [sum((m >> i & 1) << order[i] for i in range(3)) - 1 for m in range(1, 8)]
        assert moved.estimate == pytest.approx(fit.estimate[masks], abs=1e-8)
        assert moved.covariance == pytest.approx(fit.covariance[np.ix_(masks, masks)], abs=1e-6)


def test_a_retailer_without_buyers_alters_no_other_region() -> None:
    bits, flips = 4096, made.chances("1", "2", "1")
    people = truth(2, bits)
    fit = solve(exact_counts(np.concatenate([people, np.zeros(4)]), bits, flips), flips)
    assert scaled(fit, bits) == pytest.approx([*people, 0, 0, 0, 0], abs=1e-3)


def test_leaving_a_retailer_out_of_the_histogram_sums_over_it() -> None:
    rng, flips = np.random.default_rng(5), made.chances("1", "2", "4")
    counts = made.counted(made.occupied(truth(3, 4096), 4096, rng), flips, rng)
    every, two = solve(counts, flips), solve(counts.sum(axis=2), flips[:2])
    assert every.estimate[:3] + every.estimate[4:7] == pytest.approx(two.estimate, abs=1e-8)


def test_nobody_at_both_may_come_out_below_0() -> None:
    fits = simulated(np.array([500, 500, 0]), 4096, "1 1", 200)
    assert min(fit.estimate[2] for fit in fits) < -100


def test_estimates_hit_the_truth_on_average_whatever_each_retailers_epsilon() -> None:
    people, runs = truth(3, 2**14, seed=2), 400
    fits = simulated(people, 2**14, "0.7 1 4", runs)
    errors = np.mean([fit.estimate for fit in fits], axis=0) - people
    sd = np.sqrt(np.diag(expected(people, 2**14, made.chances("0.7", "1", "4")).covariance))
    assert np.abs(errors / sd).max() < 5 / math.sqrt(runs)


def test_one_epsilon_for_all_retailers_is_seen_as_a_bias() -> None:
    bits, people = 4096, truth(3, 4096)
    counts = exact_counts(people, bits, made.chances("0.7", "1", "4"))
    fit = solve(counts, made.chances("1", "1", "1"))
    assert np.abs(scaled(fit, bits) / people - 1).max() > 0.2


# --- the covariance ------------------------------------------------------------------------
@CASES
def test_with_diag_n_the_covariance_inverts_the_fisher_information(
    retailers: int, epsilons: str
) -> None:
    bits, flips = 4096, made.chances(*epsilons.split())
    people = truth(retailers, bits)
    law = pattern_law(people, bits, flips).ravel()
    step = 1e-3 * bits
    slopes = [
        (pattern_law(people + move, bits, flips) - pattern_law(people - move, bits, flips)).ravel()
        / (2 * step)
        for move in step * np.eye(len(people))
    ]
    information = np.array([[bits * (a / law) @ b for a in slopes] for b in slopes])
    whole = expected(people, bits, flips).covariance + np.diag(people)
    assert whole @ information == pytest.approx(np.eye(len(people)), abs=1e-4)


SPREAD_RUNS = 3000
SPREAD_BITS = 2**13
SPREAD_PEOPLE = made.people(1465, 3, "mid")


def distance(*, poisson: bool, minus: float) -> float:
    """Mean squared error over runs and regions, whitened by m^2 F^-1 - minus * diag(n)."""
    fits = simulated(SPREAD_PEOPLE, SPREAD_BITS, "2 2 2", SPREAD_RUNS, poisson=poisson)
    covariance = expected(SPREAD_PEOPLE, SPREAD_BITS, made.chances("2", "2", "2")).covariance
    covariance = covariance + (1 - minus) * np.diag(SPREAD_PEOPLE)
    errors = np.array([fit.estimate - SPREAD_PEOPLE for fit in fits])
    return float(np.mean(errors * np.linalg.solve(covariance, errors.T).T))


LOWEST, HIGHEST = (chi2.ppf(q, 7 * SPREAD_RUNS) / (7 * SPREAD_RUNS) for q in (1e-6, 1 - 1e-6))


@pytest.mark.slow
def test_errors_about_a_fixed_class_have_the_stated_covariance_at_epsilon_2() -> None:
    assert LOWEST - 0.01 < distance(poisson=False, minus=1) < HIGHEST + 0.02


@pytest.mark.slow
def test_the_inverse_information_alone_is_too_wide_for_a_fixed_class() -> None:
    assert distance(poisson=False, minus=0) < 0.95


@pytest.mark.slow
def test_the_inverse_information_alone_fits_a_class_drawn_anew() -> None:
    assert LOWEST - 0.01 < distance(poisson=True, minus=0) < HIGHEST + 0.02


def test_a_fits_covariance_is_near_the_expected_one() -> None:
    people = made.people(100_000, 3, "mid")
    (fit,) = simulated(people, 2**19, "1 2 1", 1)
    want = expected(people, 2**19, made.chances("1", "2", "1"))
    assert fit.union_sd == pytest.approx(want.union_sd, rel=0.05)
    assert np.diag(fit.covariance) == pytest.approx(np.diag(want.covariance), rel=0.1)


@given(
    st.integers(1, 4).flatmap(
        lambda k: st.tuples(
            st.lists(st.integers(0, 60), min_size=2**k, max_size=2**k),
            st.lists(st.floats(0.001, 0.45), min_size=k, max_size=k),
        )
    )
)
def test_no_direction_has_a_variance_below_0(drawn: tuple[list[int], list[float]]) -> None:
    seen, flips = drawn
    counts = np.array(seen).reshape((2,) * len(flips))
    counts[(0,) * len(flips)] += 4000
    assume(module.unfolded(counts / counts.sum(), flips).min() > 0)
    fit = solve(counts, flips)
    values = np.linalg.eigvalsh(fit.covariance)
    assert values[0] >= -1e-9 * max(1, values[-1])
    assert fit.union_sd >= 0


def test_a_pattern_that_was_never_seen_is_no_obstacle() -> None:
    flips = made.chances("8", "8")
    fit = solve(np.array([[4000, 50], [46, 0]]), flips)
    assert np.isfinite(fit.covariance).all()
    assert fit.union == pytest.approx(4096 * math.log(4096 / 4000), rel=0.1)


# --- two retailers -------------------------------------------------------------------------
@pytest.mark.parametrize("epsilons", ["1 1", "0.5 4", "2 8"])
def test_the_pairs_formula_is_exact_for_buyers_without_anybody_in_common(epsilons: str) -> None:
    flips, sizes = made.chances(*epsilons.split()), [90_000.0, 20_000.0]
    both = expected(np.array([*sizes, 0.0]), 2**19, flips).total_sd(containing(2)[3])
    assert pair_sd(2**19, sizes, flips) == pytest.approx(both, rel=1e-9)


@pytest.mark.parametrize(("epsilon", "most"), [("0.5", 0.07), ("1", 0.07), ("2", 0.11)])
def test_the_pairs_formula_is_some_percent_high_for_buyers_in_common(
    epsilon: str, most: float
) -> None:
    flips = made.chances(epsilon, epsilon)
    for shape in made.SHAPES:
        fit = expected(made.people(1.5e6, 2, shape), 2**23, flips)
        high = pair_sd(2**23, fit.sizes.tolist(), flips) / fit.total_sd(containing(2)[3]) - 1
        assert 0 < high < most


def test_a_tiny_partners_pair_error_is_set_by_the_large_one() -> None:
    flips = made.chances("1", "1")
    sigma = pair_sd(2**23, [1.5e6, 1e-9], flips) / pair_sd(2**23, [1.5e6, 1.5e6], flips)
    full = pair_sd(2**23, [1.5e6, 1.5e6], flips) / math.sqrt(2**23)
    assert sigma == pytest.approx(1 / (2 * math.sinh(0.5)) / math.sqrt(full), rel=1e-3)


# --- sums ----------------------------------------------------------------------------------
def test_sums_over_regions_are_sizes_union_pairs_and_everybody() -> None:
    fit = expected(np.array([1.0, 10, 100, 1000, 10_000, 100_000, 1_000_000]), 2**23, [0.2] * 3)
    assert fit.sizes.tolist() == [1_010_101, 1_100_110, 1_111_000]
    assert fit.union == 1_111_111
    assert fit.total(touching(3)[[1, 3, 7]]).tolist() == [1_010_101, 1_110_111, 1_111_111]
    assert fit.total(containing(3)[[0, 3, 7]]).tolist() == [1_111_111, 1_000_100, 1_000_000]


def test_the_s_d_of_a_sum_is_that_of_the_covariance() -> None:
    fit = expected(truth(3, 4096), 4096, made.chances("1", "2", "4"))
    weights = np.random.default_rng(6).normal(size=(2, 5, 7))
    dense = np.sqrt(np.einsum("abi,ij,abj->ab", weights, fit.covariance, weights))
    assert fit.total_sd(weights) == pytest.approx(dense)
    assert fit.union_sd == pytest.approx(math.sqrt(fit.covariance.sum()))


# --- the retailers' counts -----------------------------------------------------------------
def fitted() -> Regions:
    (fit,) = simulated(made.people(10_000, 3, "mid"), 2**16, "1 2 1", 1)
    return fit


def test_after_joining_exact_counts_sizes_are_those() -> None:
    counts = np.array([10_010.0, 9_990, 10_000])
    joint, gain = fitted().joined(counts, np.zeros((3, 3)))
    assert joint.sizes == pytest.approx(counts, abs=1e-6)
    assert joint.total_sd(membership(3)) == pytest.approx([0, 0, 0], abs=1e-3)
    assert membership(3) @ gain == pytest.approx(np.eye(3))


def test_counts_are_the_conditional_normal_law() -> None:
    fit, errors = fitted(), np.array([[50.0, 10, 0], [10, 80, 0], [0, 0, 5000]])
    counts, member = np.array([10_010.0, 9_990, 10_100]), membership(3)
    joint, _ = fit.joined(counts, errors)
    precise = np.linalg.inv(fit.covariance) + member.T @ np.linalg.inv(errors) @ member
    told = np.linalg.solve(fit.covariance, fit.estimate) + member.T @ np.linalg.solve(
        errors, counts
    )
    assert joint.covariance == pytest.approx(np.linalg.inv(precise), rel=1e-6, abs=1e-3)
    assert joint.estimate == pytest.approx(np.linalg.solve(precise, told), rel=1e-6)


def test_the_gain_is_what_the_counts_move() -> None:
    fit, errors = fitted(), np.eye(3) * 50
    counts = fit.sizes + np.array([100.0, -50, 20])
    joint, gain = fit.joined(counts, errors)
    assert joint.estimate == pytest.approx(fit.estimate + gain @ [100, -50, 20])
    simple = fit.covariance - gain @ membership(3) @ fit.covariance
    assert joint.covariance == pytest.approx(simple, rel=1e-6, abs=1e-6)


def test_counts_that_say_nothing_change_nothing() -> None:
    fit = fitted()
    joint, _ = fit.joined(np.zeros(3), np.eye(3) * 1e18)
    assert joint.estimate == pytest.approx(fit.estimate, rel=1e-6)
    assert joint.union_sd == pytest.approx(fit.union_sd)


def test_counts_known_to_a_billionth_of_a_person_are_joined_as_exact_ones() -> None:
    counts = np.array([10_010.0, 9_990, 10_000])
    near, _ = fitted().joined(counts, np.eye(3) * 1e-18)
    exact, _ = fitted().joined(counts, np.zeros((3, 3)))
    assert near.estimate == pytest.approx(exact.estimate, abs=1e-6)
    assert near.covariance == pytest.approx(exact.covariance, abs=1e-6)


def test_counts_joined_one_after_the_other_are_counts_joined_together() -> None:
    fit, member = fitted(), membership(3)
    counts, errors = np.array([10_010.0, 9_990, 10_100]), np.diag([50.0, 80, 20])
    together, _ = fit.joined(counts, errors)
    estimate, covariance = fit.estimate, fit.covariance
    for i in range(3):
        data = counts[i : i + 1], errors[i : i + 1, i : i + 1]
        estimate, covariance, _ = join((estimate, covariance), member[i : i + 1], data)
    assert estimate == pytest.approx(together.estimate)
    assert covariance == pytest.approx(together.covariance, rel=1e-6, abs=1e-3)


# --- refusals ------------------------------------------------------------------------------
def test_maps_that_are_full_are_refused_with_the_retailers_concerned() -> None:
    counts = np.array([[50, 350], [350, 250]])
    with pytest.raises(EstimateError, match="SKETCH_NOISY: the maps of 2 retailers together show"):
        solve(counts, [0.25, 0.25])


def test_a_single_full_map_is_named_as_one() -> None:
    with pytest.raises(EstimateError, match="maps of 1 retailer show no more") as refusal:
        solve(np.array([200, 800]), [0.2])
    assert refusal.value.code == "SKETCH_NOISY"
    assert "more bits (a larger expected_buyers) or a larger epsilon, or give bounds" in str(
        refusal.value
    )


def test_one_bit_more_than_noise_is_solved() -> None:
    assert solve(np.array([201, 799]), [0.2]).union > 5000


@pytest.mark.parametrize("flips", [[0.2], [0.2, 0.5], [0.2, 0.0], [0.2, math.nan], []])
def test_flips_that_cannot_be_those_of_the_maps_are_refused(flips: list[float]) -> None:
    with pytest.raises(EstimateError, match=r"SKETCH_FLIPS: .* shape \(2, 2\)"):
        solve(np.full((2, 2), 9), flips)


@pytest.mark.parametrize("counts", [[[0, 0], [0, 0]], [[9, 9], [-1, 9]]])
def test_what_counts_no_bits_is_refused(counts: list[list[int]]) -> None:
    with pytest.raises(EstimateError, match="SKETCH_MAPS: a histogram counts bits"):
        solve(np.array(counts), [0.2, 0.2])
