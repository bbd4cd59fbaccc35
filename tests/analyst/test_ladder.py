import math
from itertools import combinations, product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpnotice.analyst.identified import identified_union
from dpnotice.analyst.ladder import (
    INDEPENDENCE,
    bonferroni_pairs,
    dawson_sankoff,
    frechet,
    hunter_worsley,
    independent,
)
from dpnotice.errors import EstimateError

Floats = Any
SYSTEMS = st.integers(2, 5).flatmap(
    lambda k: st.lists(st.integers(0, 9), min_size=2**k - 1, max_size=2**k - 1).filter(any)
)
"""Persons of each region, by the mask of its retailers less one."""


def system(regions: tuple[int, ...] | list[int]) -> tuple[Floats, Floats, int]:
    """Return exact sizes, pairs and the union of a set system."""
    k = len(regions).bit_length()
    known = (np.arange(1, 2**k)[:, None] >> np.arange(k)) & 1
    pairs = (known * np.array(regions)[:, None]).T @ known
    return np.diag(pairs).astype(float), pairs.astype(float), sum(regions)


def all_sums(sizes: Floats, pairs: Floats) -> tuple[float, float]:
    return float(sizes.sum()), float(pairs[np.triu_indices(len(sizes), 1)].sum())


def bounds(sizes: Floats, pairs: Floats) -> list[tuple[float, float]]:
    """Every rung, widest first, at exact figures."""
    one, two = all_sums(sizes, pairs)
    return [
        frechet(sizes_low=sizes, sizes_high=sizes),
        (
            bonferroni_pairs(sizes_sum_low=one, pairs_sum_high=two),
            hunter_worsley(sizes_high=sizes, pairs_low=pairs),
        ),
        dawson_sankoff(len(sizes), sizes_sum=(one, one), pairs_sum=(two, two)),
    ]


def trees(k: int) -> list[list[tuple[int, int]]]:
    """All spanning trees: k - 1 edges that join everybody."""
    found = []
    for edges in combinations(combinations(range(k), 2), k - 1):
        joined = {0}
        for _round in range(k):
            joined |= {v for edge in edges if joined & set(edge) for v in edge}
        if len(joined) == k:
            found.append(list(edges))
    return found


def test_every_rung_holds_for_every_small_set_system_of_three() -> None:
    """All 3^7 systems with up to two persons in a region; each end is the truth of some system."""
    met = np.zeros((3, 2), dtype=bool)
    for regions in product(range(3), repeat=7):
        sizes, pairs, union = system(regions)
        for rung, (low, high) in enumerate(bounds(sizes, pairs)):
            assert low - 1e-9 <= union <= high + 1e-9
            met[rung] |= union > 0 and np.isclose((low, high), union)
    assert met.all()


@given(SYSTEMS)
def test_every_rung_holds_for_set_systems_of_up_to_five(regions: list[int]) -> None:
    sizes, pairs, union = system(regions)
    for low, high in bounds(sizes, pairs):
        assert low - 1e-9 <= union <= high + 1e-9


@given(SYSTEMS)
def test_the_tree_is_the_best_of_all_trees(regions: list[int]) -> None:
    sizes, pairs, _ = system(regions)
    best = max(sum(pairs[edge] for edge in edges) for edges in trees(len(sizes)))
    found = hunter_worsley(sizes_high=sizes, pairs_low=pairs)
    assert found == pytest.approx(sizes.sum() - best)


def test_a_tree_spans_retailers_that_share_nobody() -> None:
    pairs = np.zeros((4, 4))
    pairs[0, 1] = pairs[1, 0] = 5.0
    pairs[2, 3] = pairs[3, 2] = 7.0
    assert hunter_worsley(sizes_high=np.full(4, 10.0), pairs_low=pairs) == 28.0


def test_equal_pairs_of_a_tree_all_count() -> None:
    pairs = np.full((5, 5), 3e7)
    assert hunter_worsley(sizes_high=np.full(5, 1e8), pairs_low=pairs) == 5e8 - 4 * 3e7


def test_negative_lower_limits_of_pairs_count_as_none() -> None:
    pairs = np.array([[0.0, -9.0], [-9.0, 0.0]])
    assert hunter_worsley(sizes_high=np.array([4.0, 6.0]), pairs_low=pairs) == 10.0


def test_one_retailer_has_a_tree_without_edges() -> None:
    assert hunter_worsley(sizes_high=np.array([4.0]), pairs_low=np.zeros((1, 1))) == 4.0


def test_the_diagonal_of_pairs_is_not_read() -> None:
    pairs = np.array([[99.0, 2.0], [2.0, 99.0]])
    assert hunter_worsley(sizes_high=np.array([4.0, 6.0]), pairs_low=pairs) == 8.0


def test_pairs_of_other_retailers_than_the_sizes_are_refused() -> None:
    with pytest.raises(EstimateError, match=r"3 sizes need a square of pairs, got \(2, 2\)"):
        hunter_worsley(sizes_high=np.ones(3), pairs_low=np.zeros((2, 2)))


@settings(deadline=None)
@given(
    SYSTEMS,
    st.tuples(*[st.floats(0, 1)] * 2),
    st.tuples(*[st.floats(0, 3)] * 2),
)
def test_dawson_and_sankoff_between_limits_are_the_linear_programme(
    regions: list[int], below: tuple[float, float], above: tuple[float, float]
) -> None:
    sizes, pairs, _ = system(regions)
    k, sums = len(sizes), all_sums(sizes, pairs)
    one, two = ((s * (1 - b), s * (1 + a)) for s, b, a in zip(sums, below, above, strict=True))
    found = dawson_sankoff(k, sizes_sum=one, pairs_sum=two)
    assert found == pytest.approx(identified_union(k, {1: one, 2: two}), rel=1e-6, abs=1e-6)


@given(SYSTEMS)
def test_dawson_and_sankoff_are_never_below_bonferroni(regions: list[int]) -> None:
    sizes, pairs, _ = system(regions)
    _, (bonferroni, _), (best, _) = bounds(sizes, pairs)
    assert best >= bonferroni - 1e-9


def test_one_retailer_is_its_own_union() -> None:
    assert dawson_sankoff(1, sizes_sum=(7, 9), pairs_sum=(0, 0)) == (7.0, 9.0)


def test_no_buyers_have_no_union() -> None:
    assert dawson_sankoff(3, sizes_sum=(0, 0), pairs_sum=(0, 0)) == (0.0, 0.0)


@pytest.mark.parametrize(("one", "two"), [((9, 10), (11, 12)), ((5, 4), (0, 0)), ((5, 5), (2, 1))])
def test_sums_that_no_overlap_has_are_refused(
    one: tuple[float, float], two: tuple[float, float]
) -> None:
    with pytest.raises(EstimateError, match="INCONSISTENT"):
        dawson_sankoff(3, sizes_sum=one, pairs_sum=two)


def test_bonferroni_is_never_below_nobody() -> None:
    assert bonferroni_pairs(sizes_sum_low=10, pairs_sum_high=12) == 0.0


def test_cells_are_bounded_apart_and_summed() -> None:
    low, high = np.array([[5.0, -2.0], [3.0, 4.0]]), np.array([[6.0, 1.0], [4.0, 7.0]])
    assert frechet(sizes_low=low, sizes_high=high) == (5 + 4, 10 + 8)
    people = np.array([8.0, 100.0])
    assert frechet(sizes_low=low, sizes_high=high, population=people) == (9, 8 + 8)


def test_cells_below_nobody_count_as_nobody() -> None:
    low, high = np.array([[-5.0, 2.0], [-3.0, 1.0]]), np.array([[-1.0, 2.0], [-2.0, 1.0]])
    assert frechet(sizes_low=np.minimum(low, high), sizes_high=high) == (2, 3)


@given(SYSTEMS, SYSTEMS.filter(lambda regions: len(regions) == 7))
def test_cells_never_widen_the_bounds(first: list[int], second: list[int]) -> None:
    one, two = system((first * 7)[:7])[0], system(second)[0]
    cells = np.stack([one, two], axis=1)
    low, high = frechet(sizes_low=cells, sizes_high=cells)
    pooled = frechet(sizes_low=cells.sum(axis=1), sizes_high=cells.sum(axis=1))
    assert low >= pooled[0]
    assert high == pooled[1]


@pytest.mark.parametrize(("low", "high", "people"), [(9.0, 9.0, 5.0), (9.0, 1.0, None)])
def test_more_buyers_than_persons_are_refused(
    low: float, high: float, people: float | None
) -> None:
    with pytest.raises(EstimateError, match="more buyers than persons") as caught:
        frechet(sizes_low=np.array([low]), sizes_high=np.array([high]), population=people)
    assert caught.value.code == "INCONSISTENT"


def test_independence_is_the_share_missed_by_all() -> None:
    sizes = np.array([[50.0, 0.0], [20.0, 10.0], [10.0, 10.0]])
    found = independent(sizes, np.array([100.0, 10.0]))
    assert found == pytest.approx(100 * (1 - 0.5 * 0.8 * 0.9) + 10)


def test_an_empty_cell_has_no_buyers() -> None:
    assert independent(np.zeros((3, 1)), np.zeros(1)) == 0.0


@given(st.lists(st.floats(0, 100), min_size=1, max_size=6))
def test_independence_lies_within_the_sizes_bounds(sizes: list[float]) -> None:
    n = np.array(sizes)
    low, high = frechet(sizes_low=n, sizes_high=n, population=100)
    assert low - 1e-9 <= independent(n, 100) <= high + 1e-9


def test_independence_refuses_more_buyers_than_persons() -> None:
    with pytest.raises(EstimateError, match="INCONSISTENT"):
        independent(np.array([11.0]), 10)


def test_the_assumption_of_independence_is_named() -> None:
    assert "says nothing about being a buyer of another" in INDEPENDENCE


@pytest.mark.parametrize("rung", [frechet, bonferroni_pairs, hunter_worsley, dawson_sankoff])
def test_limits_cannot_be_given_by_position(rung: Any) -> None:
    with pytest.raises(TypeError):
        rung(3, np.ones(3), np.ones((3, 3)))


def test_limits_of_a_union_grow_outward_with_those_of_its_parts() -> None:
    exact = dawson_sankoff(4, sizes_sum=(50, 50), pairs_sum=(20, 20))
    loose = dawson_sankoff(4, sizes_sum=(45, 55), pairs_sum=(15, 25))
    assert loose[0] < exact[0] <= exact[1] < loose[1]
    assert math.isclose(loose[1], 55 - 15 / 2)
