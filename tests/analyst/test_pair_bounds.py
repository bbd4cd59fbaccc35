from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.csgraph import minimum_spanning_tree

from dpnotice.analyst import pair_bounds
from dpnotice.analyst.pair_bounds import (
    SharpBounds,
    bonferroni_low,
    dawson_sankoff_low,
    frechet,
    hunter_worsley_high,
    kwerel_high,
    sharp_bounds,
    union_bounds,
)
from dpnotice.errors import PlanError

Floats = Any
EVENTS, LAWS = 5, 200
CLOSE = 1e-7
"""The solver's ends are this close."""
LOWS = [bonferroni_low, dawson_sankoff_low]
HIGHS = [kwerel_high, hunter_worsley_high]
CELLS = st.integers(2, 4).flatmap(
    lambda v: st.lists(st.integers(0, 9), min_size=2**v, max_size=2**v).filter(any)
)
"""Persons to whom exactly these events happen, by the mask of the set; nothing at all is first."""


def margins(law: Floats) -> tuple[Floats, Floats]:
    """Return p_v and p_vw of laws, (2^V, ...)."""
    events = len(law).bit_length() - 1
    happens = ((np.arange(len(law)) >> np.arange(events)[:, None]) & 1).astype(float)
    both = np.einsum("va,wa,a...->vw...", happens, happens, law)
    return np.einsum("vv...->v...", both).copy(), both


def law_of(events: int, **sets: float) -> Floats:
    """Return the law with these probabilities of sets, named by the digits of their events."""
    law = np.zeros(2**events)
    for name, share in sets.items():
        law[sum(1 << int(v) for v in name[1:])] = share
    return law


def ends(found: SharpBounds) -> tuple[float, float]:
    return found.lower, found.upper


@pytest.fixture(scope="module")
def laws() -> Floats:
    """Seeded: half of them leave most sets nearly empty."""
    rng = np.random.default_rng(11)
    few, many = (rng.dirichlet(np.full(2**EVENTS, a), LAWS // 2) for a in (0.05, 1.0))
    return np.concatenate([few, many]).T


@pytest.fixture(scope="module")
def sharp(laws: Floats) -> Floats:
    """The programme's (lower, upper, slack) of each law, (3, laws)."""
    single, both = margins(laws)
    found = [sharp_bounds(single[:, i], both[..., i]) for i in range(LAWS)]
    return np.array([(x.lower, x.upper, x.slack) for x in found]).T


# --- closed forms ---------------------------------------------------------------------------
@pytest.mark.parametrize("bound", LOWS)
def test_lower_bounds_hold_and_are_no_sharper_than_the_programme(
    bound: Callable[..., Floats], laws: Floats, sharp: Floats
) -> None:
    found = bound(*margins(laws))
    assert np.all(found <= 1 - laws[0] + 1e-12)
    assert np.all(found <= sharp[0] + CLOSE)


@pytest.mark.parametrize("bound", HIGHS)
def test_upper_bounds_hold_and_are_no_sharper_than_the_programme(
    bound: Callable[..., Floats], laws: Floats, sharp: Floats
) -> None:
    found = bound(*margins(laws))
    assert np.all(found >= 1 - laws[0] - 1e-12)
    assert np.all(found >= sharp[1] - CLOSE)


def test_frechet_holds_and_is_no_sharper_than_the_programme(laws: Floats, sharp: Floats) -> None:
    low, high = frechet(margins(laws)[0])
    assert np.all((low <= 1 - laws[0] + 1e-12) & (1 - laws[0] <= high + 1e-12))
    assert np.all((low <= sharp[0] + CLOSE) & (sharp[1] <= high + CLOSE))


def test_the_closed_bounds_of_the_union_are_the_best_of_all(laws: Floats) -> None:
    single, both = margins(laws)
    (low, high), (least, most) = union_bounds(single, both), frechet(single)
    lows = [least, *(f(single, both) for f in LOWS)]
    highs = [most, *(f(single, both) for f in HIGHS)]
    np.testing.assert_allclose(low, np.max(lows, axis=0), rtol=0, atol=1e-12)
    np.testing.assert_allclose(high, np.min(highs, axis=0), rtol=0, atol=1e-12)
    assert np.all(low <= high)


def test_each_kind_of_bound_is_the_best_at_some_law(laws: Floats) -> None:
    single, both = margins(laws)
    (low, high), (least, most) = union_bounds(single, both), frechet(single)
    assert 0 < np.sum(low > least) < LAWS
    assert 0 < np.sum(high < most) < LAWS


def test_the_tree_is_the_heaviest_of_all_trees(laws: Floats) -> None:
    single, both = margins(laws)
    costs = [minimum_spanning_tree(2 - both[..., i]).sum() for i in range(LAWS)]
    expected = single.sum(axis=0) - (2 * (EVENTS - 1) - np.array(costs))
    np.testing.assert_allclose(hunter_worsley_high(single, both), expected, rtol=0, atol=1e-12)


def test_nested_events_attain_the_largest_of_them_and_rounding_crosses_no_ends() -> None:
    single = np.random.default_rng(3).uniform(size=(4, 50))
    low, high = union_bounds(single, np.minimum(single[:, None], single))
    np.testing.assert_allclose([low, high], [single.max(axis=0)] * 2, rtol=0, atol=1e-12)
    assert np.all(low <= high)


def test_events_that_exclude_each_other_attain_their_sum() -> None:
    single, both = margins(law_of(3, _0=0.1, _1=0.2, _2=0.3, _=0.4))
    assert float(frechet(single)[1]) == pytest.approx(0.6)
    assert float(bonferroni_low(single, both)) == pytest.approx(0.6)


def test_bonferroni_is_never_below_nothing() -> None:
    single, both = margins(law_of(4, _0123=0.5, _=0.5))
    assert float(bonferroni_low(single, both)) == 0.0


def test_events_that_happen_two_or_three_at_once_attain_dawson_and_sankoff() -> None:
    single, both = margins(law_of(4, _01=0.2, _23=0.1, _02=0.1, _123=0.3, _=0.3))
    assert float(dawson_sankoff_low(single, both)) == pytest.approx(0.7)
    assert float(bonferroni_low(single, both)) < 0.5


def test_events_that_happen_alone_or_all_at_once_attain_kwerel() -> None:
    single, both = margins(law_of(4, _0=0.1, _3=0.1, _0123=0.3, _=0.5))
    assert float(kwerel_high(single, both)) == pytest.approx(0.5)


def test_a_chain_of_events_attains_hunter_and_worsley() -> None:
    single, both = margins(law_of(4, _02=0.1, _1=0.05, _13=0.2, _123=0.1, _12=0.05, _=0.5))
    assert float(hunter_worsley_high(single, both)) == pytest.approx(0.5)
    assert float(kwerel_high(single, both)) > 0.7


def test_two_events_are_exact_either_way() -> None:
    single, both = margins(np.random.default_rng(2).dirichlet(np.ones(4), 50).T)
    union = single.sum(axis=0) - both[0, 1]
    np.testing.assert_allclose(union_bounds(single, both), [union, union], rtol=0, atol=1e-12)
    for i in range(5):
        found = ends(sharp_bounds(single[:, i], both[..., i]))
        assert found == pytest.approx((union[i], union[i]), abs=CLOSE)


def test_one_event_is_its_own_union() -> None:
    single, both = np.array([0.3]), np.array([[0.3]])
    assert union_bounds(single, both) == (0.3, 0.3)
    assert ends(sharp_bounds(single, both)) == pytest.approx((0.3, 0.3), abs=CLOSE)


@pytest.mark.parametrize("bound", [*LOWS, *HIGHS, union_bounds])
def test_all_places_at_once_are_as_one_by_one(bound: Callable[..., Any], laws: Floats) -> None:
    single, both = (x[..., 90:114].reshape(*x.shape[:-1], 4, 6) for x in margins(laws))
    found = np.asarray(bound(single, both))
    assert found.shape[-2:] == (4, 6)
    for place in np.ndindex(4, 6):
        alone = np.asarray(bound(single[:, *place], both[:, :, *place]))
        np.testing.assert_allclose(found[..., *place], alone, rtol=0, atol=1e-15)


@pytest.mark.parametrize("bound", [*LOWS, *HIGHS, union_bounds])
def test_the_diagonal_is_not_read(bound: Callable[..., Any], laws: Floats) -> None:
    single, both = margins(laws)
    expected = bound(single, both)
    both[np.arange(EVENTS), np.arange(EVENTS)] = np.nan
    np.testing.assert_array_equal(bound(single, both), expected)


@pytest.mark.parametrize("bound", [*LOWS, *HIGHS])
def test_persons_are_bounded_as_shares_are(bound: Callable[..., Floats], laws: Floats) -> None:
    single, both = margins(laws)
    expected = 1e7 * bound(single, both)
    np.testing.assert_allclose(bound(1e7 * single, 1e7 * both), expected, rtol=1e-9, atol=1e-6)


def test_events_that_never_happen_have_no_union() -> None:
    assert union_bounds(np.zeros(3), np.zeros((3, 3))) == (0.0, 0.0)


def test_rounding_of_pairs_below_nothing_does_no_harm() -> None:
    low, high = union_bounds(np.array([0.2, 0.3, 0.0]), np.full((3, 3), -1e-17))
    assert (low, high) == pytest.approx((0.5, 0.5), abs=1e-12)


# --- sharp bounds ---------------------------------------------------------------------------
def test_sharp_bounds_hold_the_truth_without_slack(laws: Floats, sharp: Floats) -> None:
    lower, upper, slack = sharp
    assert np.all((lower <= 1 - laws[0] + 1e-12) & (1 - laws[0] <= upper + 1e-12))
    assert not slack.any()


@given(st.lists(st.integers(0, 9), min_size=8, max_size=8).filter(any))
@settings(max_examples=40)
def test_sharp_bounds_of_three_events_are_those_of_all_three_at_once(cells: list[int]) -> None:
    """P = S_1 - S_2 + p_123, and p_123 is all that three events and their pairs leave open."""
    single, both = margins(np.array(cells) / sum(cells))
    one, pairs = single.sum(), np.array([both[i, j] for i, j in combinations(range(3), 2)])
    shared = [both[i].sum() - both[i, i] - single[i] for i in range(3)]
    least, most = max(0.0, *shared), min(*pairs, 1 - one + pairs.sum())
    expected = one - pairs.sum() + np.array([least, most])
    assert ends(sharp_bounds(single, both)) == pytest.approx(tuple(expected), abs=CLOSE)


def test_without_pairs_the_sharp_bounds_are_frechets() -> None:
    for single in np.random.default_rng(4).uniform(0, 0.5, (10, 4)):
        assert ends(sharp_bounds(single)) == pytest.approx(frechet(single), abs=CLOSE)


def test_an_unknown_pair_is_left_open() -> None:
    single, both = np.array([0.4, 0.3, 0.2]), np.full((3, 3), np.nan)
    both[0, 1] = 0.1  # read above the diagonal
    assert ends(sharp_bounds(single, both)) == pytest.approx((0.6, 0.8), abs=CLOSE)


@given(CELLS, st.data())
@settings(max_examples=30)
def test_another_known_pair_never_widens_the_bounds(cells: list[int], data: st.DataObject) -> None:
    single, both = margins(np.array(cells) / sum(cells))
    known = both.copy()
    for i, j in combinations(range(len(single)), 2):
        if data.draw(st.booleans()):
            known[i, j] = known[j, i] = np.nan
    wide, found = sharp_bounds(single, known), sharp_bounds(single, both)
    assert wide.lower <= found.lower + CLOSE
    assert wide.upper >= found.upper - CLOSE
    assert wide.slack == 0


def test_a_pair_beyond_its_events_is_brought_back_and_the_slack_told() -> None:
    found = sharp_bounds(np.array([0.3, 0.4]), np.full((2, 2), 0.5))
    assert (*ends(found), found.slack) == pytest.approx((0.4, 0.4, 0.2), abs=CLOSE)


def test_pairs_possible_one_by_one_and_not_together_have_slack() -> None:
    found = sharp_bounds(np.full(3, 0.5), np.zeros((3, 3)))
    assert (*ends(found), found.slack) == pytest.approx((1.0, 1.0, 0.5), abs=CLOSE)


def test_every_way_out_of_least_slack_counts() -> None:
    """The third event holds the others, but has no room for 0.05 of them.

    Either the first two share 0.05 more, or 0.05 of one is outside the third.
    """
    both = np.array([[0.0, 0.05, 0.2], [0.05, 0.0, 0.3], [0.2, 0.3, 0.0]])
    found = sharp_bounds(np.array([0.2, 0.3, 0.4]), both)
    assert (*ends(found), found.slack) == pytest.approx((0.4, 0.45, 0.05), abs=CLOSE)


def test_pairs_spoilt_by_noise_have_slack_and_no_more_than_the_noise() -> None:
    """Seeded, so that the noise of none of these ten draws happens to leave a law."""
    rng = np.random.default_rng(5)
    for law in rng.dirichlet(np.full(16, 0.05), 10):
        single, both = margins(law)
        noise = np.triu(rng.uniform(-0.03, 0.03, (4, 4)), 1)
        spoilt = np.clip(both + noise + noise.T, 0, 1)
        slack = sharp_bounds(single, spoilt).slack
        assert 0 < slack <= np.abs(np.triu(spoilt - both, 1)).sum() + CLOSE


@pytest.mark.parametrize("seed", [7, 37, 55, 72])
def test_laws_with_nearly_empty_sets_are_no_contradiction(seed: int) -> None:
    """Their least slack, as found, is infeasible at the solver's usual tolerance, or unrounded."""
    law = np.random.default_rng(seed).dirichlet(np.full(16, 0.02))
    found = sharp_bounds(*margins(law))
    assert found.lower - CLOSE <= 1 - law[0] <= found.upper + CLOSE
    assert found.slack == 0


# --- refusals -------------------------------------------------------------------------------
@pytest.mark.parametrize("bound", [*LOWS, *HIGHS, union_bounds, sharp_bounds])
@pytest.mark.parametrize(
    ("single", "both"), [((3,), (2, 2)), ((3,), (3, 3, 1)), ((3,), (3,)), ((0,), (0, 0))]
)
def test_shapes_that_do_not_fit_are_refused(
    bound: Callable[..., Any], single: tuple[int, ...], both: tuple[int, ...]
) -> None:
    with pytest.raises(PlanError, match="single must have shape"):
        bound(np.zeros(single), np.zeros(both))


def test_sharp_bounds_of_many_points_are_refused() -> None:
    with pytest.raises(PlanError, match=r"take one point, \(V,\), got \(3, 2\)"):
        sharp_bounds(np.zeros((3, 2)), np.zeros((3, 3, 2)))


def test_more_events_than_can_be_laid_out_are_refused() -> None:
    with pytest.raises(PlanError, match="V at most 15, got 16"):
        sharp_bounds(np.full(16, 0.1))


@pytest.mark.parametrize("bound", [union_bounds, sharp_bounds])
@pytest.mark.parametrize("value", [-0.1, 30.0, np.nan])
def test_events_beyond_the_unit_interval_are_refused(
    bound: Callable[..., Any], value: float
) -> None:
    with pytest.raises(PlanError, match="single must be fractions") as caught:
        bound(np.array([0.2, value]), np.zeros((2, 2)))
    assert caught.value.code == "RANGE"


@pytest.mark.parametrize("value", [-0.1, 10.0])
def test_pairs_beyond_the_unit_interval_are_refused(value: float) -> None:
    with pytest.raises(PlanError, match="both must be fractions") as caught:
        sharp_bounds(np.array([0.2, 0.3]), np.full((2, 2), value))
    assert caught.value.code == "RANGE"


@pytest.mark.parametrize("value", [0.35, np.nan])
def test_bounds_that_cross_are_refused(value: float) -> None:
    single, both = np.full((2, 4), 0.3), np.full((2, 2, 4), 0.1)
    both[..., 2] = value
    with pytest.raises(PlanError, match="no events have these probabilities and pairs") as caught:
        union_bounds(single, both)
    assert caught.value.code == "INCONSISTENT"


@pytest.mark.parametrize(
    "values", [(-0.1, 0.5, 0.0), (0.6, 0.5, 0.0), (0.4, 1.1, 0.0), (0.4, 0.5, -1.0)]
)
def test_ends_that_no_probability_has_are_refused(values: tuple[float, float, float]) -> None:
    with pytest.raises(PlanError, match="0 <= lower <= upper <= 1 and slack 0 or more"):
        SharpBounds(lower=values[0], upper=values[1], slack=values[2])


def test_a_programme_without_an_end_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pair_bounds, "_EXACT", {"time_limit": 0.0})
    with pytest.raises(PlanError, match=r"the bounds of the union were not found: .*[Tt]ime"):
        sharp_bounds(np.full(8, 0.2), np.full((8, 8), 0.1))
