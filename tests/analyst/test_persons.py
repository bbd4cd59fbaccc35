"""Buyers to persons: a point for one retailer, bounds for several, numbers and arrays alike."""

import math
from functools import partial
from typing import Any

import numpy as np
import pytest
import scipy.stats

from dpnotice.analyst.bounds import union_interval
from dpnotice.analyst.counts import RetailerCounts, fit_counts
from dpnotice.analyst.intervals import LinearNoise, Term, count_interval
from dpnotice.analyst.known import Known
from dpnotice.analyst.outside import Beyond
from dpnotice.analyst.persons import buyers, known_to_all, numbers, persons
from dpnotice.errors import EstimateError
from dpnotice.privacy import Noise, NoiseLaw
from made import releases

LEVEL = 0.95
STATED = {
    "nothing": Beyond(),
    "a share": Beyond(outside=0.2),
    "share and users": Beyond(outside=0.2, users_per_buyer=1.4),
    "a law": Beyond(outside=scipy.stats.uniform(0.1, 0.2)),
    "two laws": Beyond(
        outside=scipy.stats.beta(20, 80), users_per_buyer=scipy.stats.uniform(1.0, 0.5)
    ),
}
EVERY = pytest.mark.parametrize("beyond", STATED.values(), ids=STATED)
CELLS = np.array([[-30.0, 0.0, 7.0], [812.25, 10_000.0, 123_456.75]])


def counted(found: list[Any], beyond: Beyond, level: float) -> tuple[Any, Any, Any]:
    """Persons from what each retailer's counts tell."""
    return persons(partial(union_interval, found), beyond, level)


def known(*sizes: int, **changes: Any) -> Known:
    return Known(retailers=tuple(fitted(*sizes, **changes)))


def noise(scale: float = 8.0) -> LinearNoise:
    weights = np.array([0.7, -0.2, 0.1])
    law = Noise(law=NoiseLaw.DISCRETE_LAPLACE, scale=scale)
    return LinearNoise((Term(weights, law),))


def found(retailers: int, cells: Any = CELLS) -> list[tuple[Any, LinearNoise]]:
    return [(cells * (1 + 0.3 * i), noise(8.0 + i)) for i in range(retailers)]


def fitted(*sizes: int, scale: float = 4.0) -> list[RetailerCounts]:
    asked = releases.wen(tables=[{"of": []}], privacy={"epsilon": "100000"})
    return [
        fit_counts((releases.release(asked, {(): n}, scale, retailer=f"shop{i:02}"),))
        for i, n in enumerate(sizes)
    ]


# --- persons -------------------------------------------------------------------------------
@EVERY
@pytest.mark.parametrize("retailers", [1, 2, 3])
def test_an_array_is_what_its_numbers_are(beyond: Beyond, retailers: int) -> None:
    point, *ends = counted(found(retailers), beyond, LEVEL)
    for place in np.ndindex(CELLS.shape):
        alone, *its_ends = counted(found(retailers, float(CELLS[place])), beyond, LEVEL)
        assert [values[place] for values in ends] == its_ends
        assert (point is None) == (alone is None)
        assert point is None or point[place] == pytest.approx(alone, rel=1e-12)


@EVERY
@pytest.mark.parametrize("retailers", [1, 2, 3])
@pytest.mark.parametrize("level", [0.5, 0.95, 0.999])
def test_ends_of_persons_are_whole_ordered_and_not_negative(
    beyond: Beyond, retailers: int, level: float
) -> None:
    _, lower, upper = counted(found(retailers), beyond, level)
    assert np.array_equal(lower, np.rint(lower))
    assert np.array_equal(upper, np.rint(upper))
    assert ((lower >= 0) & (lower <= upper)).all()


@EVERY
@pytest.mark.parametrize("retailers", [2, 7])
def test_several_retailers_have_no_point(beyond: Beyond, retailers: int) -> None:
    assert counted(found(retailers), beyond, LEVEL)[0] is None


def test_known_buyers_of_one_retailer_keep_their_interval() -> None:
    ((value, error),) = found(1)
    point, lower, upper = counted([(value, error)], Beyond(), LEVEL)
    low, high = count_interval(value, error.half_width(LEVEL))
    assert np.array_equal(point, value)
    assert np.array_equal(lower, low)
    assert np.array_equal(upper, high)


def test_a_stated_share_and_users_multiply_the_point() -> None:
    # h / (1 - theta) = 1.4 / 0.8
    point, _, _ = counted(found(1), STATED["share and users"], LEVEL)
    assert point == pytest.approx(1.75 * CELLS)


@pytest.mark.parametrize("retailers", [1, 3])
def test_a_stated_number_multiplies_the_ends(retailers: int) -> None:
    _, lower, upper = counted(found(retailers), Beyond(), LEVEL)
    _, low, high = counted(found(retailers), STATED["share and users"], LEVEL)
    assert np.array_equal(low, np.ceil(1.75 * lower - 1e-6))
    assert np.array_equal(high, np.floor(1.75 * upper + 1e-6))


@pytest.mark.parametrize("retailers", [1, 3])
def test_stating_that_nobody_is_outside_changes_nothing(retailers: int) -> None:
    plain = counted(found(retailers), Beyond(), LEVEL)[1:]
    stated = counted(found(retailers), Beyond(outside=0.0, users_per_buyer=1), LEVEL)[1:]
    assert np.array_equal(plain, stated)


@pytest.mark.parametrize("retailers", [1, 3])
def test_a_law_is_wider_than_its_middle(retailers: int) -> None:
    _, lower, upper = counted(found(retailers, 10_000.0), STATED["a share"], LEVEL)
    _, low, high = counted(found(retailers, 10_000.0), STATED["a law"], LEVEL)
    assert low < lower < upper < high


def test_a_law_and_the_noise_share_the_level() -> None:
    # theta uniform on 0.1 to 0.3, 1.25 % cut off at either end; 20,000 draws leave some 3 persons
    _, lower, upper = counted([(10_000.0, noise(0.05))], STATED["a law"], LEVEL)
    assert lower == pytest.approx(10_000 / (1 - 0.1025), abs=20)
    assert upper == pytest.approx(10_000 / (1 - 0.2975), abs=20)


def test_an_interval_with_a_law_covers_noise_and_law_together() -> None:
    """10,000 truths at 95 %: below the bound less than once in a million runs; seeded."""
    rng, runs = np.random.default_rng(3), 10_000
    error = LinearNoise((Term(np.ones(1), Noise(law=NoiseLaw.DISCRETE_LAPLACE, scale=300.0)),))
    noisy = 20_000 + releases.laplace(rng, 300.0, runs)
    truth = 20_000 / (1 - rng.uniform(0.1, 0.3, runs))
    _, lower, upper = counted([(noisy, error)], STATED["a law"], LEVEL)
    hits = np.sum((lower <= truth) & (truth <= upper))
    assert hits >= scipy.stats.binom.ppf(1e-6, runs, LEVEL)


def test_bounds_hold_for_any_overlap_of_several_retailers() -> None:
    """10,000 runs of the least and the greatest overlap; 1e-6 per run of the test, seeded."""
    rng, runs, sizes = np.random.default_rng(4), 10_000, (5_000, 4_990, 4_980)
    law = Noise(law=NoiseLaw.DISCRETE_LAPLACE, scale=30.0)
    error = LinearNoise((Term(np.ones(1), law),))
    noisy = [(n + releases.laplace(rng, 30.0, runs), error) for n in sizes]
    _, lower, upper = counted(noisy, Beyond(), LEVEL)
    for truth in (max(sizes), sum(sizes)):
        hits = np.sum((lower <= truth) & (truth <= upper))
        assert hits >= scipy.stats.binom.ppf(1e-6, runs, LEVEL)


def test_a_law_that_may_reach_everybody_is_refused() -> None:
    everybody = Beyond(outside=scipy.stats.uniform(0.5, 0.5))
    with pytest.raises(EstimateError, match="outside may reach 1"):
        counted(found(1), everybody, LEVEL)


# --- buyers --------------------------------------------------------------------------------
def test_buyers_are_a_row_per_retailer_in_order() -> None:
    rows = buyers(fitted(100, 300, 200), LEVEL)
    assert [row.segment for row in rows] == ["shop00", "shop01", "shop02"]
    assert [row.estimate for row in rows] == pytest.approx([100, 300, 200])


def test_buyers_say_their_quantity_unit_and_level() -> None:
    (row,) = buyers(fitted(100), 0.9)
    assert (row.quantity, row.unit, row.level) == ("buyers", "buyers", 0.9)


def test_buyers_keep_a_negative_point_and_clip_their_ends() -> None:
    (row,) = buyers(fitted(-3), LEVEL)
    assert row.estimate == pytest.approx(-3)
    assert row.lower == 0


# --- known to all --------------------------------------------------------------------------
def test_every_set_of_retailers_has_a_row() -> None:
    rows = known_to_all(known(100, 300, 200), LEVEL)
    assert [row["size"] for row in rows] == [1, 1, 1, 2, 2, 2, 3]
    assert rows[-1]["retailers"] == "shop00 + shop01 + shop02"


@pytest.mark.parametrize(("number", "rows"), [(1, 1), (2, 3), (5, 31), (6, 21), (12, 78)])
def test_beyond_five_retailers_only_pairs_are_listed(number: int, rows: int) -> None:
    assert len(known_to_all(known(*range(100, 100 + number)), LEVEL)) == rows


def test_persons_known_to_both_lie_between_none_and_the_smaller_retailer() -> None:
    pair = known_to_all(known(1_000_000, 500_000), LEVEL)[-1]
    assert math.isnan(pair["estimate"])
    assert pair["lower"] == 0
    assert 500_000 <= pair["upper"] < 500_100


def test_a_set_of_one_is_that_retailers_own_estimate() -> None:
    row, estimate = known_to_all(known(900), LEVEL)[0], buyers(fitted(900), LEVEL)[0]
    assert [row["estimate"], row["lower"], row["upper"]] == [
        estimate.estimate,
        estimate.lower,
        estimate.upper,
    ]


def test_every_set_is_said_at_the_level_asked_in_persons() -> None:
    rows = known_to_all(known(100, 300, 200), 0.9)
    assert {(row["level"], row["unit"]) for row in rows} == {(0.9, "persons")}


def test_the_upper_bound_of_a_set_holds_whichever_of_its_retailers_is_smallest() -> None:
    # five retailers with the same customers; the smallest of five limits at 97.5 % each misses the
    # truth in 12 % of runs. 400 runs at 95 %: below 357 less than once in 10,000, and seeded.
    rng, n, hits = np.random.default_rng(12), 5_000, 0
    for _ in range(400):
        noisy = n + rng.geometric(1 / 16.5, 5) - rng.geometric(1 / 16.5, 5)
        hits += known_to_all(known(*map(int, noisy), scale=16.0), LEVEL)[-1]["upper"] >= n
    assert hits >= 357


def test_the_numbers_of_an_estimate_are_the_columns_that_frames_share() -> None:
    (row,) = buyers(fitted(100), LEVEL)
    assert list(numbers(row)) == ["estimate", "lower", "upper", "level", "unit"]
