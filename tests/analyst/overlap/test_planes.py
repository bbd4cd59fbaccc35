"""Seeded simulations; five standard errors, about 1e-6 over all seeds where nothing is wrong."""

import math
from itertools import product
from typing import Any

import numpy as np
import pytest

from dpnotice.analyst.overlap import planes as module
from dpnotice.analyst.overlap import regions as regions_module
from dpnotice.analyst.overlap.planes import Planes, scored
from dpnotice.analyst.overlap.regions import membership, solve
from dpnotice.errors import EstimateError
from made import overlapping as made

Floats = Any
SHAPES = pytest.mark.parametrize(("retailers", "planes"), [(1, 2), (2, 1), (2, 2), (3, 2), (2, 3)])
EPSILONS = ("1", "2", "0.7")
BITS = 2**13


def states(retailers: int, planes: int) -> Floats:
    return np.array(list(product(range(planes + 1), repeat=retailers)))[1:, ::-1]


def codes(retailers: int, planes: int) -> list[int]:
    """The maps in which people of each state have their bits: map i L + l - 1 for plane l of i."""
    return [
        sum(1 << (i * planes + plane - 1) for i, plane in enumerate(state) if plane)
        for state in states(retailers, planes)
    ]


def truth(retailers: int, planes: int, bits: int = BITS, seed: int = 0) -> Floats:
    sizes = np.random.default_rng(seed).dirichlet(np.ones((planes + 1) ** retailers - 1))
    return np.rint(sizes * bits / 2).astype(int)


def drawn(
    people: Floats, retailers: int, planes: int, rng: np.random.Generator, bits: int = BITS
) -> Any:
    """The histogram of one hash and one flip of everything."""
    flips = np.repeat(made.chances(*EPSILONS[:retailers]), planes).tolist()
    return made.counted(made.occupied(people, bits, rng, codes(retailers, planes)), flips, rng)


def fitted(retailers: int, planes: int, seed: int = 1) -> tuple[Floats, Planes]:
    people, rng = truth(retailers, planes), np.random.default_rng(seed)
    counts = drawn(people, retailers, planes, rng)
    return people, scored(counts, made.chances(*EPSILONS[:retailers]), planes)


def model_of(retailers: int, planes: int, bits: int = BITS) -> Any:
    flips = np.repeat(made.chances(*EPSILONS[:retailers]), planes).tolist()
    asked = np.arange(2 ** (retailers * planes))
    touched = (asked[:, None] & np.array(codes(retailers, planes))) > 0
    return module._Model(
        touched=touched.astype(float), mixing=tuple(regions_module.mixing(flips)), bits=bits
    )


# --- the law -------------------------------------------------------------------------------
def test_the_law_is_that_of_adding_up_everything_that_can_happen() -> None:
    people, flips = truth(2, 2), np.repeat(made.chances(*EPSILONS[:2]), 2)
    law = np.zeros((2,) * 4)
    for present in product((False, True), repeat=8):
        chance = np.prod(np.where(present, -np.expm1(-people / BITS), np.exp(-people / BITS)))
        held = np.bitwise_or.reduce(np.where(present, codes(2, 2), 0))
        for seen in product((0, 1), repeat=4):
            wrong = [bool(held >> i & 1) != bool(seen[i]) for i in range(4)]
            law[seen] += chance * np.prod(np.where(wrong, flips, 1 - flips))
    assert model_of(2, 2).law(people)[0] == pytest.approx(law.ravel(), rel=1e-12)


@SHAPES
def test_the_slopes_are_finite_differences_of_the_law(retailers: int, planes: int) -> None:
    model, people = model_of(retailers, planes), truth(retailers, planes).astype(float)
    _, slope = model.law(people)
    for state, move in enumerate(np.eye(len(people))):
        change = model.law(people + move)[0] - model.law(people - move)[0]
        assert slope[:, state] == pytest.approx(change * BITS / 2, rel=1e-4, abs=1e-7)


# --- one plane -----------------------------------------------------------------------------
@pytest.mark.parametrize("retailers", [1, 2, 3])
def test_one_plane_gives_the_closed_form_to_a_hundred_millionth_of_a_person(retailers: int) -> None:
    rng, flips = np.random.default_rng(2), made.chances(*EPSILONS[:retailers])
    counts = drawn(truth(retailers, 1), retailers, 1, rng)
    closed, fit = solve(counts, flips), scored(counts, flips, 1)
    assert fit.regions().estimate == pytest.approx(closed.estimate, abs=1e-8, rel=0)
    assert fit.regions().covariance == pytest.approx(closed.covariance, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("retailers", [1, 2, 3])
def test_scoring_from_elsewhere_ends_at_the_closed_form(retailers: int) -> None:
    rng, flips = np.random.default_rng(3), made.chances(*EPSILONS[:retailers])
    counts = drawn(truth(retailers, 1), retailers, 1, rng)
    far = np.linspace(300.0, 900.0, 2**retailers - 1)
    found = module._maximised(model_of(retailers, 1), counts.ravel().astype(float), far)
    assert found is not None
    assert found[0] == pytest.approx(solve(counts, flips).estimate, abs=1e-6, rel=0)


# --- several planes ------------------------------------------------------------------------
@SHAPES
def test_a_law_gives_back_the_people_behind_it(retailers: int, planes: int) -> None:
    many, people = 2**50, truth(retailers, planes)
    law = model_of(retailers, planes).law(people)[0]
    counts = np.rint(law * many).astype(np.int64).reshape((2,) * (retailers * planes))
    fit = scored(counts, made.chances(*EPSILONS[:retailers]), planes)
    assert fit.estimate * (BITS / many) == pytest.approx(people, abs=1e-3)


@pytest.mark.slow
@SHAPES
def test_errors_have_mean_0_and_the_stated_covariance(retailers: int, planes: int) -> None:
    """Whitened squares sum to chi-square; the means to five standard errors."""
    runs, people = 300, truth(retailers, planes, 2**15)
    rng, flips = np.random.default_rng(4), made.chances(*EPSILONS[:retailers])
    fits = [
        scored(drawn(people, retailers, planes, rng, 2**15), flips, planes) for _ in range(runs)
    ]
    errors = np.array([fit.estimate for fit in fits]) - people
    sds = np.sqrt(np.mean([np.diag(fit.covariance) for fit in fits], axis=0))
    assert np.abs(errors.mean(axis=0) / sds).max() < 5 / math.sqrt(runs)
    whitened = [
        error @ np.linalg.solve(fit.covariance, error)
        for error, fit in zip(errors, fits, strict=True)
    ]
    free = runs * len(people)
    assert np.sum(whitened) / free == pytest.approx(1, abs=5 * math.sqrt(2 / free) + 0.03)


@pytest.mark.slow
def test_states_without_people_come_out_below_0_as_often_as_above() -> None:
    """The sign is a coin: 5 standard deviations of a share of one half."""
    people, runs = np.array([900, 900, 900, 0, 0, 900, 0, 0]), 300
    rng, flips = np.random.default_rng(5), made.chances(*EPSILONS[:2])
    fits = [scored(drawn(people, 2, 2, rng), flips, 2).estimate for _ in range(runs)]
    below = (np.array(fits)[:, people == 0] < 0).mean(axis=0)
    assert np.abs(below - 0.5).max() < 5 * 0.5 / math.sqrt(runs)


@pytest.mark.slow
def test_the_likelihood_beats_the_moments_where_they_differ() -> None:
    """At epsilon 4 the pair's s.d. is some 10 % smaller; its square is told to 8 % by 600 runs."""
    people, rng, flips = truth(2, 2, 2**13), np.random.default_rng(6), made.chances("4", "4")
    solving = regions_module.solution(2, 2)
    errors = []
    for _ in range(600):
        counts = made.counted(
            made.occupied(people, 2**13, rng, codes(2, 2)), np.repeat(flips, 2).tolist(), rng
        )
        empty = regions_module.unfolded(counts / counts.sum(), np.repeat(flips, 2).tolist())
        start = solving @ (-(2**13) * np.log(empty[codes(2, 2)]))
        errors.append((scored(counts, flips, 2).estimate - people, start - people))
    best, moments = np.std(errors, axis=0)
    assert np.mean(best**2 / moments**2) < 0.98


@SHAPES
def test_regions_sum_the_states_at_the_same_retailers(retailers: int, planes: int) -> None:
    _, fit = fitted(retailers, planes)
    reduced = fit.regions()
    for region in range(1, 2**retailers):
        inside = [
            all(bool(plane) == bool(region >> i & 1) for i, plane in enumerate(state))
            for state in fit.states
        ]
        assert reduced.estimate[region - 1] == pytest.approx(fit.estimate[inside].sum())
        variance = fit.covariance[np.ix_(inside, inside)].sum()
        assert reduced.covariance[region - 1, region - 1] == pytest.approx(variance)
    assert reduced.union == pytest.approx(fit.estimate.sum())


def test_states_are_the_tuples_of_planes_with_the_first_retailer_fastest() -> None:
    _, fit = fitted(2, 2)
    assert fit.states[:4] == ((1, 0), (2, 0), (0, 1), (1, 1))
    assert len(fit.states) == 8
    assert (fit.retailers, fit.planes) == (2, 2)


def test_membership_has_a_row_per_retailer_and_plane() -> None:
    _, fit = fitted(2, 2)
    rows = [[state[i] == plane for state in fit.states] for i in (0, 1) for plane in (1, 2)]
    assert np.array_equal(fit.membership, rows)
    sums = fit.membership.reshape(2, 2, -1).sum(axis=1) @ fit.estimate
    assert sums == pytest.approx(membership(2) @ fit.regions().estimate)


def test_after_joining_exact_counts_the_planes_of_every_retailer_have_them() -> None:
    people, fit = fitted(2, 2)
    counts = fit.membership @ people
    joint, gain = fit.joined(counts, np.zeros((4, 4)))
    assert joint.membership @ joint.estimate == pytest.approx(counts, abs=1e-6)
    assert gain.shape == (8, 4)
    assert joint.regions().union_sd < fit.regions().union_sd


# --- where the likelihood has no greatest value --------------------------------------------
def sparse() -> Any:
    """Flips that are rare, and a pattern that was never seen although the moments say so."""
    counts = np.zeros((2, 2, 2, 2), dtype=np.int64)
    counts[0, 0, 0, 0] = 3500
    for axis in range(4):
        counts[tuple(int(place == axis) for place in range(4))] = 140
    counts[1, 1, 0, 0] = counts[0, 0, 1, 1] = 6
    return counts


def test_where_scoring_does_not_settle_the_moments_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    counts, flips = drawn(truth(2, 2), 2, 2, np.random.default_rng(7)), made.chances("1", "2")
    best = scored(counts, flips, 2)
    monkeypatch.setattr(module, "_MOST_STEPS", 0)
    moments = scored(counts, flips, 2)
    empty = regions_module.unfolded(counts / BITS, np.repeat(flips, 2).tolist())
    first = -BITS * np.log(empty[0b0001] / empty[0b0101] * empty[0b0100])
    assert moments.membership[0] * moments.membership[2] @ moments.estimate == pytest.approx(first)
    ratio = moments.regions().union_sd / best.regions().union_sd
    assert 1 - 0.01 < ratio < 1.1
    assert moments.regions().union == pytest.approx(
        best.regions().union, abs=best.regions().union_sd
    )


@pytest.mark.parametrize("epsilon", ["4", "8"])
def test_patterns_never_seen_still_give_finite_people(epsilon: str) -> None:
    fit = scored(sparse(), made.chances(epsilon, epsilon), 2)
    assert np.isfinite(fit.estimate).all()
    values = np.linalg.eigvalsh(fit.covariance)
    assert values[0] >= -1e-9 * values[-1]


def test_a_step_that_gives_a_pattern_no_chance_is_halved() -> None:
    model, people = model_of(2, 1), np.array([100.0, 100, 100])
    step = np.array([0.0, 0, -7000])
    assert model.law(people + step / max(1, 7000 / BITS))[0].min() < 0
    moved, law, slope = module._moved(model, people, step)
    assert law.min() > 0
    assert slope.shape == (4, 3)
    assert moved[2] == pytest.approx(100 - 7000 / 2 ** round(math.log2(7000 / (100 - moved[2]))))


def test_a_step_alters_no_union_by_more_than_the_bits_of_a_map() -> None:
    model = model_of(2, 1)
    moved, *_ = module._moved(model, np.zeros(3), np.array([1e9, 0, 0]))
    assert moved == pytest.approx([BITS, 0, 0])


# --- refusals ------------------------------------------------------------------------------
def test_full_planes_are_refused_with_the_retailers_concerned() -> None:
    counts = np.ones((2,) * 4, dtype=np.int64)
    counts[1, 1, 1, 1] = 1000
    with pytest.raises(EstimateError, match="SKETCH_NOISY: the maps of 1 retailer show"):
        scored(counts, [0.2, 0.2], 2)


@pytest.mark.parametrize("planes", [1, 3])
def test_a_histogram_of_other_maps_is_refused(planes: int) -> None:
    with pytest.raises(EstimateError, match=r"SKETCH_FLIPS: .* one chance in"):
        scored(np.full((2,) * 4, 9), [0.2, 0.2], planes)
