"""Pairs of persons behind pairs of keys; the oracle goes through persons key by key, unseeded.

Where releases are simulated they are seeded, and figures compared within 4 standard deviations:
over all seeds a false alarm in 16,000 per figure.
"""

import math
from functools import cache
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import comb

from dpnotice import beta, estimate_class
from dpnotice.analyst.members import ClassEstimate
from dpnotice.analyst.overlap import many as module
from dpnotice.analyst.overlap.linkage import Linkage
from dpnotice.analyst.overlap.many import of_persons
from dpnotice.analyst.overlap.pairs import Pairs
from dpnotice.analyst.rungs import PairLimits, pair_limits
from made.joined import as_seen
from made.sketched import asking, sketched_releases, spread

Floats = Any
NAMES = tuple(f"r{i}" for i in range(6))
LINKED = (0.7, 0.95, 0.8, 0.9, 1.0, 0.6)
KEYED = (0.9, 0.5, 0.8, 1.0, 0.7, 0.6)
ALIKE = (0.8,) * 6
PEOPLE = np.random.default_rng(1).integers(1, 100, 63).astype(float)
"""Persons at exactly each set of six retailers."""


def summed(people: Floats) -> tuple[Floats, Floats]:
    """Pairs (6, 6), and S_1 .. S_4, of persons at exactly each set."""
    pairs, sums = np.zeros((6, 6)), np.zeros(4)
    for mask, number in enumerate(people, start=1):
        members = [i for i in range(6) if mask >> i & 1]
        sums += number * comb(len(members), np.arange(1, 5))
        for i, j in combinations(members, 2):
            pairs[i, j] += number
            pairs[j, i] += number
    return pairs, sums


def shown(
    linked: Any = (1.0,) * 6, keyed: Any = (1.0,) * 6, *, sd: float = 0.0, orders: int = 4
) -> Pairs:
    """What maps without error show."""
    pairs, sums = summed(as_seen(PEOPLE, linked, keyed))
    errors = sd * (1 - np.eye(6))
    covariance = sd**2 * (np.eye(orders) + 0.5)
    return Pairs(
        retailers=NAMES,
        pairs=pairs,
        pair_sd=errors,
        sums=sums[:orders],
        covariance=covariance,
    )


def stated(linked: Any) -> Linkage:
    return Linkage(kappa=dict(zip(NAMES, linked, strict=True)))


ONES = np.ones(6)


# --- persons key by key --------------------------------------------------------------------
def test_where_all_keys_agree_nothing_changes() -> None:
    before = shown(sd=3.0)
    after = of_persons(before, Linkage(), ONES)
    assert after.pairs == pytest.approx(before.pairs)
    assert after.pair_sd == pytest.approx(before.pair_sd)
    assert after.sums == pytest.approx(before.sums)
    assert after.covariance == pytest.approx(before.covariance)
    assert after.retailers == before.retailers


@pytest.mark.parametrize(
    ("linked", "keyed"),
    [(LINKED, ONES), (ONES, KEYED), (LINKED, KEYED), (ALIKE, ALIKE)],
    ids=["links", "keys", "both", "alike"],
)
def test_every_pair_of_persons_is_found_exactly(linked: Any, keyed: Any) -> None:
    found = of_persons(shown(linked, keyed), stated(linked), np.array(keyed))
    assert found.pairs == pytest.approx(summed(PEOPLE)[0])


@pytest.mark.parametrize(("linked", "keyed"), [(LINKED, KEYED), (ALIKE, ALIKE)])
def test_the_sum_of_pairs_is_exact_however_retailers_differ(linked: Any, keyed: Any) -> None:
    found = of_persons(shown(linked, keyed), stated(linked), np.array(keyed))
    assert found.total == pytest.approx(summed(PEOPLE)[1][1])
    assert found.total == pytest.approx(found.pairs[np.triu_indices(6, 1)].sum())


def test_sums_of_threes_and_fours_are_exact_where_retailers_are_alike() -> None:
    found = of_persons(shown(ALIKE, ALIKE), stated(ALIKE), np.array(ALIKE))
    assert found.sums[1:] == pytest.approx(summed(PEOPLE)[1][1:])


def test_sums_of_threes_and_fours_are_near_where_retailers_differ() -> None:
    found = of_persons(shown(LINKED, KEYED), stated(LINKED), np.array(KEYED))
    assert found.sums[2:] == pytest.approx(summed(PEOPLE)[1][2:], rel=0.15)


def test_the_sum_of_buyers_is_left_as_it_is() -> None:
    found = of_persons(shown(LINKED), stated(LINKED), ONES)
    assert found.sums[0] == shown(LINKED).sums[0]


def test_pairs_stay_symmetric_without_a_diagonal() -> None:
    found = of_persons(shown(LINKED, KEYED, sd=2.0), stated(LINKED), np.array(KEYED))
    for table in (found.pairs, found.pair_sd):
        assert table.tolist() == table.T.tolist()
        assert np.diag(table).tolist() == [0.0] * 6


def test_sums_of_two_orders_are_enough() -> None:
    found = of_persons(shown(LINKED, orders=2), stated(LINKED), ONES)
    assert found.sums.shape == (2,)
    assert found.total == pytest.approx(summed(PEOPLE)[1][1])


def test_retailers_that_share_nobody_still_share_nobody() -> None:
    nobody = Pairs(
        retailers=NAMES,
        pairs=np.zeros((6, 6)),
        pair_sd=np.zeros((6, 6)),
        sums=np.array([60.0, 0.0, 0.0]),
        covariance=np.eye(3),
    )
    found = of_persons(nobody, stated(LINKED), ONES)
    assert found.pairs.tolist() == np.zeros((6, 6)).tolist()
    assert found.sums.tolist() == [60.0, 0.0, 0.0]


def test_one_factor_for_all_pairs_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fault: every pair is divided by the mean of all products."""
    laid = module._laid
    monkeypatch.setattr(
        module, "_laid", lambda values, number: laid(np.full(len(values), values.mean()), number)
    )
    found = of_persons(shown(LINKED), stated(LINKED), ONES)
    assert found.pairs != pytest.approx(summed(PEOPLE)[0], rel=0.05)


# --- errors --------------------------------------------------------------------------------
def test_a_share_that_is_known_scales_every_error() -> None:
    before = shown(sd=3.0)
    after = of_persons(before, stated(LINKED), ONES)
    factors = 1 / np.outer(LINKED, LINKED)
    assert after.pair_sd == pytest.approx(before.pair_sd * factors)
    scale = after.sums / before.sums
    assert after.covariance == pytest.approx(before.covariance * np.outer(scale, scale))


def test_a_prior_widens_every_pair_by_its_own_spread() -> None:
    """Means over 20,000 draws of the prior against as many others: 5 standard errors."""
    prior, before = beta(mean=0.85, sd=0.05), shown(sd=3.0)
    after = of_persons(before, Linkage(kappa={"r0": prior, "r1": prior}), ONES)
    drawn = 1 / prior.rvs(size=(2, 200_000), random_state=np.random.default_rng(5))
    both = drawn.prod(axis=0)
    expected = math.hypot(3 * both.mean(), before.pairs[0, 1] * both.std())
    assert after.pair_sd[0, 1] == pytest.approx(expected, rel=5 / math.sqrt(2 * 20_000))
    assert after.pairs[0, 1] == pytest.approx(
        before.pairs[0, 1] * both.mean(), rel=5 * both.std() / math.sqrt(20_000)
    )
    assert after.pair_sd[2, 3] == pytest.approx(3.0)


@pytest.mark.parametrize("apart", [False, True], ids=["one share", "each its own"])
def test_a_prior_of_all_retailers_adds_the_spread_of_its_sums(
    apart: bool,  # noqa: FBT001 -- a case
) -> None:
    """5 standard errors of a standard deviation of 20,000 draws, twice."""
    prior, before = beta(mean=0.85, sd=0.05), shown()
    after = of_persons(before, stated([prior] * 6) if apart else Linkage(kappa=prior), ONES)
    drawn = 1 / prior.rvs(size=(20_000, 6 if apart else 1), random_state=np.random.default_rng(6))
    drawn = np.broadcast_to(drawn, (20_000, 6))
    above = np.triu_indices(6, 1)
    sums = (drawn[:, above[0]] * drawn[:, above[1]]) @ before.pairs[above]
    assert after.total_sd == pytest.approx(sums.std(), rel=5 * math.sqrt(2 / 40_000))


def test_under_a_prior_the_sums_move_together() -> None:
    after = of_persons(shown(), Linkage(kappa=beta(mean=0.85, sd=0.05)), ONES)
    spreads = np.sqrt(np.diag(after.covariance)[1:])
    assert (after.covariance[1:, 1:] / np.outer(spreads, spreads) > 0.9).all()
    assert np.linalg.eigvalsh(after.covariance).min() > -1e-6 * after.covariance.max()


@given(st.lists(st.floats(0.2, 5), min_size=2, max_size=7))
def test_products_over_all_sets_are_those_of_the_definition(values: list[float]) -> None:
    found = module._products(np.array([values]))
    for order, mean in enumerate(found, start=1):
        expected = np.mean([math.prod(chosen) for chosen in combinations(values, order)])
        assert mean[0] == pytest.approx(expected)


# --- releases ------------------------------------------------------------------------------
def crowd() -> Floats:
    by_size = {1: 900, 2: 200, 3: 50, 4: 20}
    people = [by_size.get(mask.bit_count(), 5) for mask in range(1, 64)]
    return spread(people, np.full((4, 3), 1 / 12))


@cache
def released(epsilon: str = "4", linked: tuple[float, ...] = LINKED, keyed: float = 0.8) -> Any:
    asked = asking(epsilon=epsilon, expected=5000, counts="1")
    rng = np.random.default_rng(3)
    return sketched_releases(asked, crowd(), rng, linked=linked, keyed=keyed)


def members(epsilon: str = "4", **knows: Any) -> ClassEstimate:
    return estimate_class(released(epsilon), **knows)


def told() -> ClassEstimate:
    return members(linkage=dict(zip(NAMES, LINKED, strict=True)))


def test_pairs_of_persons_are_found_in_releases_with_lost_links_and_missing_keys() -> None:
    found = told().known.pairs
    assert found is not None
    pairs, sums = summed(crowd().reshape(63, -1).sum(axis=1))
    off = np.triu_indices(6, 1)
    assert (np.abs(found.pairs - pairs)[off] < 4 * found.pair_sd[off]).all()
    assert abs(found.total - sums[1]) < 4 * found.total_sd


def test_lost_links_that_nobody_states_are_seen_in_the_sum_of_pairs() -> None:
    found = members().known.pairs
    assert found is not None
    assert found.total < summed(crowd().reshape(63, -1).sum(axis=1))[1][1] - 4 * found.total_sd


def test_bounds_of_many_hold_the_truth_where_links_and_keys_are_missing() -> None:
    size = told().size()
    assert size.lower <= crowd().sum() <= size.upper


def test_every_rung_of_bounds_of_many_holds_the_truth() -> None:
    table = told().ladder()
    bounds = table[table["estimate"].isna()]
    assert len(bounds) == 3
    assert (bounds["lower"] <= crowd().sum()).all()
    assert (bounds["upper"] >= crowd().sum()).all()


def test_a_prior_of_links_widens_the_bounds_of_many() -> None:
    sure, unsure = (members(linkage=k).size() for k in (0.9, beta(mean=0.9, sd=0.05)))
    assert unsure.upper - unsure.lower > sure.upper - sure.lower


def test_triples_that_are_too_noisy_give_no_rung_of_the_model() -> None:
    noisy, quiet = members("1").ladder(), members("4").ladder()
    assert [len(noisy), len(quiet)] == [3, 4]
    assert noisy["estimate"].isna().all()


# --- limits of sums ------------------------------------------------------------------------
def limits(**sums: tuple[float, float]) -> PairLimits:
    """Three retailers of 100, each pair 10 to 30."""
    pairs = np.zeros((3, 3, 2))
    pairs[~np.eye(3, dtype=bool)] = [10.0, 30.0]
    given_ = {int(name[1:]): ends for name, ends in sums.items()}
    return PairLimits(sizes=np.full((3, 2), 100.0), pairs=pairs, rest=(), sums=given_)


def test_limits_of_single_pairs_add_up() -> None:
    assert limits().totals == {1: (300.0, 300.0), 2: (30.0, 90.0)}


def test_the_limits_of_the_sum_of_pairs_count_where_they_are_narrower() -> None:
    assert limits(s2=(50.0, 70.0)).totals[2] == (50.0, 70.0)
    assert limits(s2=(20.0, 100.0)).totals[2] == (30.0, 90.0)
    assert limits(s2=(50.0, 70.0), s3=(0.0, 5.0)).totals[3] == (0.0, 5.0)


def test_limits_of_the_sum_of_pairs_narrow_both_bounds() -> None:
    wide, narrow = limits(), limits(s2=(50.0, 70.0))
    assert narrow.by_sums()[0] == 230 > wide.by_sums()[0] == 210
    (low, high), (lower, higher) = narrow.best(), wide.best()
    assert lower < low <= high < higher


def test_limits_of_many_use_sums_and_share_the_level() -> None:
    found = pair_limits(told().known, 0.95)
    pairs = told().known.pairs
    assert found is not None
    assert pairs is not None
    assert set(found.sums) == set(pairs.useful())
    low, high = found.sums[2]
    # 6 sizes, 15 pairs and 3 sums hold together: z at 1 - 0.05 / 24, two-sided.
    assert (high - low) / 2 == pytest.approx(3.0780 * pairs.total_sd, rel=1e-4)
