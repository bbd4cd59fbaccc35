import math
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpnotice.analyst.overlap.error import plan_error, region_sizes
from dpnotice.analyst.overlap.regions import membership, solve
from dpnotice.errors import DpnoticeError, EstimateError
from made import overlapping as made

Floats = Any
COLUMNS = [
    "quantity",
    "size",
    "sd",
    "relative_sd",
    "half_width_95",
    "frechet_width",
    "lost_links_bias",
]


def told(frame: pd.DataFrame, quantity: str, column: str) -> float:
    """One number of a plan."""
    return float(frame.set_index("quantity").loc[quantity, column])


# --- figures -------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("shape", "epsilon", "percent"),
    [("low", "1", 0.2826), ("mid", "1", 0.3056), ("low", "2", 0.0630), ("mid", "2", 0.0662)],
)
def test_four_large_retailers_have_the_cramer_rao_bound(
    shape: str, epsilon: str, percent: float
) -> None:
    """Of a fixed class; m^2 F^-1 after counts gives 0.2829, 0.3068, 0.0641 and 0.0707 %."""
    plan = plan_error(1_500_000, 4, epsilon, shape=shape)
    assert told(plan, "union", "relative_sd") * 100 == pytest.approx(percent, abs=5e-5)


def test_lost_links_swell_the_union_of_four_by_more_than_its_error() -> None:
    plan = plan_error(1_500_000, 4, "1")
    bias = told(plan, "union", "lost_links_bias") / told(plan, "union", "size")
    assert bias * 100 == pytest.approx(1.3035, abs=5e-5)


def test_lost_links_take_5_percent_of_every_pair() -> None:
    plan = plan_error([900_000, 40_000, 300], 3, ["1", "2", "1"])
    for pair in ("pair 1, 2", "pair 1, 3", "pair 2, 3"):
        share = told(plan, pair, "lost_links_bias") / told(plan, pair, "size")
        assert share == pytest.approx(-0.05)
    share = told(plan, "3-way", "lost_links_bias") / told(plan, "3-way", "size")
    assert share == pytest.approx(0.95**1.5 - 1)


def test_lost_links_add_a_person_where_one_key_or_no_key_of_two_is_common() -> None:
    """A person of both counts as two unless both keys are common: chance 1 - K^2 = 5 %."""
    plan = plan_error(1000, 2, "1", shape=[0.5, 0.5])
    assert told(plan, "union", "lost_links_bias") == pytest.approx(500 * 0.05)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("retailers", "epsilons", "shape"),
    [(2, "1 1", "low"), (3, "2 1 2", "mid"), (4, "2 2 2 2", "mid")],
)
def test_a_plan_foretells_the_errors_of_a_simulation(
    retailers: int, epsilons: str, shape: str
) -> None:
    """Standard deviations to 5 of their own errors, 1 / sqrt(2 runs): 1e-6 over all seeds."""
    runs, bits, people = 500, 2**15, made.people(5859, retailers, shape)
    rng, flips, split = np.random.default_rng(1), made.chances(*epsilons.split()), epsilons.split()
    sizes, scale = membership(retailers) @ people, 7.0
    plan = plan_error(
        sizes, retailers, split, m=bits, shape=shape, counts_sd=made.laplace_sd(scale)
    )
    errors = made.laplace_sd(scale) ** 2 * np.eye(retailers)
    found = []
    for _ in range(runs):
        fit = solve(made.counted(made.occupied(people, bits, rng), flips, rng), flips)
        counts = sizes + made.discrete_laplace(scale, retailers, rng)
        joint, _ = fit.joined(counts, errors)
        found.append([joint.union, joint.estimate[-1]])
    last = f"{retailers}-way" if retailers > 2 else "pair"
    expected = [told(plan, name, "sd") for name in ("union", last)]
    assert np.std(found, axis=0) == pytest.approx(expected, rel=5 / math.sqrt(2 * runs))


# --- the frame -----------------------------------------------------------------------------
def test_a_plan_has_a_row_for_the_union_a_pair_and_everybody_at_all() -> None:
    plan = plan_error(10_000, 4, "1")
    assert list(plan.columns) == COLUMNS
    assert list(plan["quantity"]) == ["union", "pair", "4-way"]


def test_two_retailers_have_no_row_beyond_the_pair() -> None:
    assert list(plan_error(10_000, 2, "1")["quantity"]) == ["union", "pair"]


@pytest.mark.parametrize(
    ("n", "epsilon"), [([10_000, 10_000, 9000], "1"), (10_000, ["1", "1", "2"])]
)
def test_retailers_that_differ_have_a_row_per_pair(n: Any, epsilon: Any) -> None:
    pairs = ["pair 1, 2", "pair 1, 3", "pair 2, 3"]
    assert list(plan_error(n, 3, epsilon)["quantity"]) == ["union", *pairs, "3-way"]


def test_half_widths_and_relative_errors_follow_from_the_s_d() -> None:
    plan = plan_error(10_000, 4, "1")
    assert list(plan["half_width_95"]) == pytest.approx(list(1.959964 * plan["sd"]))
    assert list(plan["relative_sd"]) == pytest.approx(list(plan["sd"] / plan["size"]))


def test_frechet_widths_are_what_counts_alone_leave_open() -> None:
    plan = plan_error([5000, 7000, 20_000], 3, "1")
    assert told(plan, "union", "frechet_width") == pytest.approx(12_000)
    assert told(plan, "pair 1, 3", "frechet_width") == pytest.approx(5000)
    assert told(plan, "pair 2, 3", "frechet_width") == pytest.approx(7000)
    assert told(plan, "3-way", "frechet_width") == pytest.approx(5000)


def test_a_tiny_retailers_pair_is_told_worse_than_by_its_bounds() -> None:
    plan = plan_error([1_500_000, 3000], 2, "1")
    half = told(plan, "pair 1, 2", "half_width_95")
    assert half > told(plan, "pair 1, 2", "frechet_width") / 2


def test_one_number_is_that_number_for_every_retailer() -> None:
    one = plan_error(10_000, 3, "1", shape="low")
    listed = plan_error(
        np.full(3, 10_000),
        3,
        ["1", 1, 1.0],
        m=2**16,
        shape=[0.88 / 0.995, 0.09 / 0.995, 0.025 / 0.995],
    )
    pd.testing.assert_frame_equal(one, listed)


@pytest.mark.parametrize(("buyers", "bits"), [(1_500_000, 2**23), (100, 2**12), (10_000, 2**16)])
def test_without_m_the_maps_are_those_of_the_inquirys_rule(buyers: int, bits: int) -> None:
    pd.testing.assert_frame_equal(plan_error(buyers, 3, "1"), plan_error(buyers, 3, "1", m=bits))


# --- what makes it better ------------------------------------------------------------------
def test_a_larger_loss_gives_a_smaller_error() -> None:
    errors = [told(plan_error(10_000, 3, e), "union", "sd") for e in ("0.1", "0.5", "1", "2", "8")]
    assert all(more > less for more, less in pairwise(errors))


def test_counts_take_a_quarter_off_the_unions_error_at_epsilon_2() -> None:
    with_counts = told(plan_error(1_500_000, 4, "2"), "union", "sd")
    without = told(plan_error(1_500_000, 4, "2", counts_sd=1e12), "union", "sd")
    assert with_counts / without == pytest.approx(0.73, abs=0.01)


def test_counts_to_a_hundred_people_are_as_good_as_exact_ones() -> None:
    exact, near = (plan_error(1_500_000, 4, "1", counts_sd=sd) for sd in (0, 100))
    assert list(near["sd"]) == pytest.approx(list(exact["sd"]), rel=1e-3)


@pytest.mark.parametrize("epsilon", ["1", "2"])
def test_a_quarter_of_the_bits_is_worse_than_the_rule_and_double_is_about_the_same(
    epsilon: str,
) -> None:
    small, rule, large = (
        told(plan_error(1_500_000, 4, epsilon, m=m), "union", "sd") for m in (2**21, 2**23, 2**24)
    )
    assert small > 1.2 * rule
    assert large == pytest.approx(rule, rel=0.2)


# --- the regions ---------------------------------------------------------------------------
def test_regions_of_retailers_alike_are_those_of_the_shares() -> None:
    people = region_sizes(np.full(4, 1.5e6), np.array(made.SHAPES["mid"]))
    assert people == pytest.approx(made.people(1.5e6, 4, "mid"))


@given(
    st.lists(st.floats(1, 1e7), min_size=5, max_size=5),
    st.lists(st.floats(0.01, 1), min_size=5, max_size=5),
    st.integers(2, 5),
)
def test_regions_sum_to_every_retailers_buyers_and_none_is_below_0(
    buyers: list[float], shares: list[float], retailers: int
) -> None:
    sizes, weights = np.array(buyers[:retailers]), np.array(shares[:retailers])
    people = region_sizes(sizes, weights / weights.sum())
    assert membership(retailers) @ people == pytest.approx(sizes)
    assert people.min() >= -1e-9 * sizes.max()


# --- refusals ------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"k": 1}, "k is the number of retailers, 2 to 5, got 1"),
        ({"k": 6}, "2 to 5, got 6"),
        ({"k": True}, "2 to 5, got True"),
        ({"n": 0}, "n counts the keyed buyers of a retailer, from 1, got 0"),
        ({"n": [10, 10, math.nan]}, "from 1, got"),
        ({"n": [10, 10]}, "n is one number for all retailers, or one for each of the 3; got 2"),
        ({"n": "many"}, "from 1, got 'many'"),
        ({"epsilon": ["1", "1"]}, "epsilon is one number for all retailers"),
        ({"epsilon": "one"}, "epsilon is a number such as .*, got 'one'"),
        ({"epsilon": None}, "epsilon is a number such as"),
        ({"epsilon": "9"}, "BAD_BUDGET: a sketch's epsilon lies from 0.1 to 8, got 9"),
        ({"epsilon": "0.01"}, "from 0.1 to 8, got 0.01"),
        ({"m": 1000}, "m is the number of bits of a map, 4,096 to 134,217,728; got 1000"),
        ({"m": 2**28}, "got 268435456"),
        ({"m": 65536.0}, "got 65536.0"),
        ({"shape": "high"}, "shape is one of low, mid, or 3 shares; got 'high'"),
        ({"shape": 3}, "or 3 shares; got 3"),
        ({"shape": [0.5, 0.5]}, "at exactly 1 to 3 retailers, which sum to 1"),
        ({"shape": [0.5, 0.4, 0.3]}, "which sum to 1; got"),
        ({"shape": [1.5, -0.5, 0]}, "which sum to 1; got"),
        ({"shape": [1, 0, "0"]}, "which sum to 1; got"),
        ({"counts_sd": -1}, "counts_sd is a number of people from 0, got -1"),
        ({"counts_sd": math.inf}, "from 0, got inf"),
        ({"n": 1e6, "m": 2**12}, "SKETCH_NOISY: maps of 4,096 bits would be full"),
    ],
)
def test_a_plan_that_cannot_be_is_refused_in_words(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(DpnoticeError, match=words):
        plan_error(**{"n": 10_000, "k": 3, "epsilon": "1"} | arguments)


def test_full_maps_are_an_error_of_the_estimate() -> None:
    with pytest.raises(EstimateError) as refusal:
        plan_error(1e12, 3, "1")
    assert refusal.value.code == "SKETCH_NOISY"
