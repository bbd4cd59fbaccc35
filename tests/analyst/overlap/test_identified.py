import math
from fractions import Fraction
from itertools import combinations, product
from math import comb
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpnotice.analyst.overlap.identified import box, identified_regions, identified_union
from dpnotice.analyst.pair_bounds import (
    dawson_sankoff_low,
    frechet,
    hunter_worsley_high,
    kwerel_high,
)
from dpnotice.errors import EstimateError

Floats = Any
CLOSE = 1e-7
PERSONS = st.lists(st.integers(0, 10**7), min_size=2, max_size=20).filter(any)
"""Persons at exactly 1, 2, ... retailers."""
SYSTEMS = st.integers(2, 5).flatmap(
    lambda k: st.lists(st.integers(0, 50), min_size=2**k - 1, max_size=2**k - 1).filter(any)
)
"""Persons of each region."""


def sums_of(exactly: list[int], orders: int) -> dict[int, int]:
    degrees = range(1, len(exactly) + 1)
    return {
        r: sum(comb(d, r) * v for d, v in zip(degrees, exactly, strict=True))
        for r in range(1, orders + 1)
    }


def points(sums: dict[int, int]) -> dict[int, tuple[float, float]]:
    return {r: (value, value) for r, value in sums.items()}


def system(regions: list[int]) -> tuple[Floats, Floats, int]:
    """Return exact sizes, pairs and the union of a set system."""
    k = len(regions).bit_length()
    known = (np.arange(1, 2**k)[:, None] >> np.arange(k)) & 1
    pairs = (known * np.array(regions)[:, None]).T @ known
    return np.diag(pairs).astype(float), pairs.astype(float), sum(regions)


def solved(rows: list[list[int]], right: list[int]) -> list[Fraction] | None:
    """Solve a square system exactly by elimination; None where it is singular."""
    size = len(rows)
    a = [[Fraction(x) for x in row] + [Fraction(b)] for row, b in zip(rows, right, strict=True)]
    for i in range(size):
        pivot = next((r for r in range(i, size) if a[r][i]), None)
        if pivot is None:
            return None
        a[i], a[pivot] = a[pivot], a[i]
        a[i] = [x / a[i][i] for x in a[i]]
        for r in range(size):
            if r != i:
                a[r] = [x - a[r][i] * y for x, y in zip(a[r], a[i], strict=True)]
    return [row[-1] for row in a]


def exact_ends(k: int, sums: dict[int, int]) -> tuple[Fraction, Fraction]:
    """The same programme by all its vertices, in fractions: as many d as there are sums."""
    unions = []
    for degrees in combinations(range(1, k + 1), len(sums)):
        found = solved([[comb(d, r) for d in degrees] for r in sums], list(sums.values()))
        if found is not None and min(found) >= 0:
            unions.append(sum(found, Fraction(0)))
    return min(unions), max(unions)


@given(PERSONS)
def test_two_sums_give_the_bounds_of_dawson_and_sankoff(exactly: list[int]) -> None:
    k, sums = len(exactly), sums_of(exactly, 2)
    t = 1 + 2 * sums[2] // sums[1]
    lower = 2 * sums[1] / (t + 1) - 2 * sums[2] / (t * (t + 1))
    upper = sums[1] - 2 * sums[2] / k
    found = identified_union(k, points(sums))
    assert found == pytest.approx((lower, upper), rel=CLOSE, abs=CLOSE)


@settings(max_examples=40, deadline=None)
@given(PERSONS, st.integers(3, 4))
def test_ends_equal_those_of_all_vertices_in_fractions(exactly: list[int], orders: int) -> None:
    k = len(exactly)
    sums = sums_of(exactly, min(k, orders))
    found = identified_union(k, points(sums))
    assert found == pytest.approx([float(x) for x in exact_ends(k, sums)], rel=1e-6, abs=CLOSE)


def test_no_whole_persons_lie_outside_and_some_lie_at_the_ends() -> None:
    limits = {1: (9.0, 12.0), 2: (5.0, 7.0)}
    unions = [
        sum(v)
        for v in product(range(13), repeat=3)
        if all(low <= sums_of(list(v), 2)[r] <= high for r, (low, high) in limits.items())
    ]
    low, high = identified_union(3, limits)
    assert low <= min(unions) < low + 1
    assert high - 1 < max(unions) <= high


@settings(deadline=None)
@given(PERSONS, st.integers(1, 4), st.floats(0, 0.5), st.floats(0, 0.5))
def test_wider_limits_never_narrow_the_set(
    exactly: list[int], orders: int, inner: float, more: float
) -> None:
    k = len(exactly)
    sums = sums_of(exactly, min(k, orders))
    narrow = {r: (s * (1 - inner), s * (1 + inner)) for r, s in sums.items()}
    wide = {r: (s * (1 - inner - more), s * (1 + inner + more)) for r, s in sums.items()}
    one, other = identified_union(k, narrow), identified_union(k, wide)
    slack = CLOSE * sums[1]
    assert other[0] <= one[0] + slack
    assert other[1] >= one[1] - slack


@pytest.mark.parametrize("k", [2, 5, 12, 20])
@pytest.mark.parametrize("size", [1.0, 1e4, 1e8])
def test_the_truth_lies_within_at_every_size(k: int, size: float) -> None:
    exactly = [int(size * 1000 / d**2) for d in range(1, k + 1)]
    for orders in range(1, min(k, 6) + 1):
        low, high = identified_union(k, points(sums_of(exactly, orders)))
        assert low * (1 - CLOSE) <= sum(exactly) <= high * (1 + CLOSE)


def test_another_sum_narrows_the_set() -> None:
    exactly = [400, 200, 100, 50, 20, 10, 5, 5]
    ends = [identified_union(8, points(sums_of(exactly, r))) for r in range(1, 6)]
    widths = [high - low for low, high in ends]
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] < widths[0] / 20


def test_a_population_caps_the_upper_end_alone() -> None:
    assert identified_union(3, {1: (90, 90)}, population=50) == pytest.approx((30, 50))


def test_without_sizes_nothing_holds_the_upper_end() -> None:
    assert identified_union(3, {2: (6.0, 9.0)}) == (pytest.approx(2.0), math.inf)
    assert identified_union(3, {1: (6.0, math.inf)}) == (pytest.approx(2.0), math.inf)
    assert identified_union(3, {}) == (0.0, math.inf)


def test_a_negative_lower_limit_is_no_contradiction() -> None:
    assert identified_union(2, {1: (8, 10), 2: (-3, 0)}) == pytest.approx((8, 10))


@pytest.mark.parametrize(
    ("limits", "population"),
    [
        ({1: (10.0, 10.0), 2: (11.0, 12.0)}, None),
        ({1: (30.0, 40.0)}, 9.0),
        ({1: (10.0, 10.0), 2: (-5.0, -1.0)}, None),
        ({1: (1e8, 1e8), 2: (1.01e8, 1.2e8)}, None),
    ],
    ids=["pairs", "population", "negative", "large"],
)
def test_releases_that_contradict_each_other_are_refused(
    limits: dict[int, tuple[float, float]], population: float | None
) -> None:
    with pytest.raises(EstimateError, match="releases contradict each other") as caught:
        identified_union(3, limits, population)
    assert caught.value.code == "INCONSISTENT"


@pytest.mark.parametrize("ends", [(2.0, 1.0), (math.nan, 1.0), (0.0, math.nan)])
def test_limits_the_wrong_way_round_are_refused(ends: tuple[float, float]) -> None:
    with pytest.raises(EstimateError, match="must not be above the highest"):
        identified_union(3, {1: ends})


@pytest.mark.parametrize("order", [0, 4])
def test_an_order_that_no_person_can_have_is_refused(order: int) -> None:
    with pytest.raises(EstimateError, match="from 1 to 3 retailers, got"):
        identified_union(3, {order: (0.0, 1.0)})


def test_the_estimates_themselves_miss_the_truth_where_their_box_holds_it() -> None:
    """Persons at 1 and 8 of 8 retailers, so that S_1 and S_2 leave the truth at an end.

    Seeded. 400 draws of a box that holds at 95 % cover less than 90 % with probability 1e-5.
    """
    exactly = [10_000, 0, 0, 0, 0, 0, 0, 500]
    sums, rng = sums_of(exactly, 3), np.random.default_rng(5)
    sds = {1: 3.0, 2: 400.0, 3: 1_500.0}
    held = {"box": 0, "point": 0}
    for _draw in range(400):
        noisy = {r: s + sds[r] * rng.standard_normal() for r, s in sums.items()}
        tries = {
            "box": box(noisy, sds, 0.95, number=3),
            "point": {r: (s, s) for r, s in noisy.items()},
        }
        for name, limits in tries.items():
            try:
                low, high = identified_union(8, limits)
            except EstimateError:
                continue
            held[name] += low <= sum(exactly) <= high
    assert held["box"] >= 360
    assert held["point"] <= 240


def test_a_box_shares_the_level_among_all_limits_that_were_looked_at() -> None:
    found = box({2: 1000.0}, {2: 10.0}, 0.95, number=5)
    assert found == {2: pytest.approx((1000 - 25.758293, 1000 + 25.758293))}


def test_a_box_refuses_fewer_shares_than_limits() -> None:
    with pytest.raises(EstimateError, match="2 limits cannot share a level as 1"):
        box({1: 1.0, 2: 1.0}, {1: 1.0, 2: 1.0}, 0.95, number=1)


@settings(max_examples=60, deadline=None)
@given(SYSTEMS, st.floats(0, 0.3))
def test_regions_are_never_wider_than_the_ladder_and_hold_the_truth(
    regions: list[int], slack: float
) -> None:
    sizes, pairs, union = system(regions)
    ends = np.stack([sizes * (1 - slack), sizes * (1 + slack)], axis=1)
    both = np.stack([pairs * (1 - slack), pairs * (1 + slack)], axis=2)
    low, high = identified_regions(ends, both)
    scale = max(1.0, ends[:, 1].sum())
    least, most = ends.T / scale, np.moveaxis(both, 2, 0) / scale
    lower = [frechet(least[0])[0], dawson_sankoff_low(least[0], most[1])]
    upper = [kwerel_high(least[1], most[0]), hunter_worsley_high(least[1], most[0])]
    assert max(lower) * scale - 1e-6 * scale <= low <= union + 1e-6 * scale
    assert union - 1e-6 * scale <= high <= min(upper) * scale + 1e-6 * scale


@settings(max_examples=30, deadline=None)
@given(SYSTEMS)
def test_regions_told_only_sums_give_the_set_of_the_sums(regions: list[int]) -> None:
    sizes, pairs, _ = system(regions)
    k = len(sizes)
    sums = points({1: int(sizes.sum()), 2: int(pairs[np.triu_indices(k, 1)].sum())})
    free = np.broadcast_to((0.0, math.inf), (k, k, 2))
    found = identified_regions(free[0], free, sums=sums)
    assert found == pytest.approx(identified_union(k, sums), rel=1e-6, abs=1e-6)


def test_pairs_that_no_three_sets_can_have_contradict_each_other() -> None:
    """All of A in B, all of B in C, but A and C apart."""
    pairs = np.zeros((3, 3, 2))
    pairs[0, 1] = pairs[1, 2] = 10.0
    with pytest.raises(EstimateError, match="INCONSISTENT"):
        identified_regions(np.full((3, 2), 10.0), pairs)


def test_regions_mind_the_population() -> None:
    pairs = np.broadcast_to((0.0, math.inf), (3, 3, 2))
    assert identified_regions(np.full((3, 2), 40.0), pairs, 100.0) == pytest.approx((40, 100))


def test_more_regions_than_can_be_solved_are_refused() -> None:
    with pytest.raises(EstimateError, match="up to 12 retailers, got 13; use their sum"):
        identified_regions(np.zeros((13, 2)), np.zeros((13, 13, 2)))
