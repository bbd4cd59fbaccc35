from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dpnotice as dn
from dpnotice.analyst.members import ClassEstimate
from dpnotice.analyst.placing import delivery_by
from dpnotice.analyst.sampling import Sampling
from dpnotice.errors import EstimateError
from made.notices import STATE, by_state, over, paper, steady
from made.reaching import ONE, exactly, noiseless, reached
from made.releases import noisy_release, wen

PEOPLE = wen(
    axes={"state": ["CA", "NY"], "age": ["young", "old"]},
    tables=[{"of": []}, {"of": ["state", "age"]}],
)
counts = st.lists(st.integers(-50, 1_000), min_size=9, max_size=9)


def of_states(*buyers: int) -> np.ndarray[Any, Any]:
    """Buyers by state, alike in contact."""
    cells = np.zeros((3, 5), dtype=int)
    cells[:, 1] = buyers
    return cells


def told(*cells: Any) -> ClassEstimate:
    """Retailers with exactly these counts, in which the noise is what it is."""
    names = ("sephora", "ulta", "target")
    return dn.estimate_class(
        [noiseless(each, 10.0, name) for each, name in zip(cells, names, strict=False)]
    )


def people(cells: Any) -> ClassEstimate:
    return dn.estimate_class([noisy_release(PEOPLE, np.asarray(cells))])


# --- shares ----------------------------------------------------------------------------------
def test_a_segment_gets_its_share_of_the_buyers() -> None:
    got = delivery_by(told(of_states(650, 350, 0)), "state")
    assert list(got.columns) == ["state", "share"]
    assert got["state"].tolist() == list(STATE.levels)
    assert got["share"].tolist() == pytest.approx([0.65, 0.35, 0])


def test_buyers_of_an_unknown_level_are_left_out_of_the_sum() -> None:
    got = delivery_by(told(of_states(300, 100, 600)), "state")
    assert got["share"].tolist() == pytest.approx([0.75, 0.25, 0])


def test_a_count_below_0_counts_as_0() -> None:
    got = delivery_by(told(of_states(400, -20, 0)), "state")
    assert got["share"].tolist() == [1, 0, 0]


def test_several_retailers_add_their_buyers() -> None:
    got = delivery_by(told(of_states(100, 0, 0), of_states(100, 200, 50)), "state")
    assert got["share"].tolist() == pytest.approx([0.5, 0.5, 0])


def test_two_axes_have_a_row_for_every_combination() -> None:
    got = delivery_by(people([[400, 200, 50], [300, 100, 0], [70, 0, 9]]), "state", "age")
    assert list(got.columns) == ["state", "age", "share"]
    assert got["share"].tolist() == pytest.approx([0.4, 0.2, 0, 0.3, 0.1, 0, 0, 0, 0], abs=1e-3)
    assert got["age"].tolist() == ["young", "old", "unknown"] * 3


def test_the_axes_stand_in_the_inquirys_order() -> None:
    members = people([[400, 200, 50], [300, 100, 0], [70, 0, 9]])
    one, other = delivery_by(members, "age", "state"), delivery_by(members, "state", "age")
    pd.testing.assert_frame_equal(one, other)


def test_an_axis_alone_holds_the_unknown_of_others() -> None:
    got = delivery_by(people([[300, 200, 100], [300, 100, 0], [0, 0, 0]]), "state")
    assert got["share"].tolist() == pytest.approx([0.6, 0.4, 0], abs=1e-3)


@given(counts)
def test_shares_are_fractions_that_sum_to_1_over_known_levels(cells: list[int]) -> None:
    table = np.reshape(cells, (3, 3))
    table[0, 0] = 1_000
    got = delivery_by(people(table), "state", "age")
    assert got["share"].sum() == pytest.approx(1)
    assert (got["share"] >= 0).all()
    unknown = (got["state"] == "unknown") | (got["age"] == "unknown")
    assert (got.loc[unknown, "share"] == 0).all()


# --- as the target of a vehicle --------------------------------------------------------------
def test_a_person_of_a_segment_is_exposed_by_its_share_over_its_persons() -> None:
    """75 % of the exposures go to 25 % of the universe: three times the average."""
    placed = delivery_by(told(of_states(750, 250, 0)), "state")
    vehicle = paper(
        reach_1=0.1,
        reach_2=None,
        insertions=1,
        target=placed,
        universe=by_state(1_000_000, 3_000_000, 0),
    )
    assert over(vehicle, STATE)[:2] == pytest.approx([0.3, 0.1 / 3])


def test_placing_among_a_class_that_lives_like_the_universe_changes_nothing() -> None:
    universe = by_state(650_000, 350_000, 0)
    placed = delivery_by(told(of_states(650, 350, 0)), "state")
    even, aimed = (
        reached(spots(target=target, universe=universe), members=told(of_states(650, 350, 0)))
        for target in (None, placed)
    )
    assert aimed.draws == pytest.approx(even.draws, abs=1e-6)


def test_two_axes_place_a_vehicle_by_both() -> None:
    members = people([[4_000, 1_000, 0], [1_000, 4_000, 0], [0, 0, 0]])
    placed = delivery_by(members, "state", "age")
    universe = placed.assign(share=[100, 100, 0, 100, 100, 0, 0, 0, 0])
    plan = [spots(grps=100, cap=1.0, target=placed, universe=universe)]
    seen = 0.8 * (1 - 1 / (1 + 1.6)) + 0.2 * (1 - 1 / (1 + 0.4))
    assert reached(*plan, members=members).reach == pytest.approx(seen, abs=0.01)


# --- what counts without names buy -----------------------------------------------------------
CAP = dn.beta(mean=0.85, sd=0.08)
CROWDED = of_states(90_000, 10_000, 0)
"""Nine in ten live in a state with half of the universe."""
EVENLY = by_state(20e6, 20e6, 0)


def spots(*, grps: Any = 80, cap: Any = 0.9, target: Any = None, universe: Any = None) -> Any:
    return dn.Broadcast(
        "radio", grps=grps, reach_cap=cap, dispersion=1.0, target=target, universe=universe
    )


def compared() -> Any:
    members = told(CROWDED)
    placed = delivery_by(members, "state")
    plans = [
        steady(dn.NoticePlan("even", [spots(cap=CAP, universe=EVENLY)])),
        steady(dn.NoticePlan("by counts", [spots(cap=CAP, target=placed, universe=EVENLY)])),
    ]
    return dn.compare(plans, members, draws=4_000, seed=3)


def reach_at(mean: float, cap: float) -> float:
    """Of a negative binomial of r = 1 within a cap: c m / (c + m)."""
    return cap * mean / (cap + mean)


def test_the_same_points_placed_by_counts_reach_more_of_the_class() -> None:
    """At the mean cap 0.85: even 0.8 GRPs / 100 everywhere; placed 1.44 and 0.16."""
    got = compared().difference("by counts", "even")
    gain = 0.9 * reach_at(1.44, 0.85) + 0.1 * reach_at(0.16, 0.85) - reach_at(0.8, 0.85)
    assert gain > 0.08
    assert got.estimate == pytest.approx(gain, abs=5e-3)
    assert got.lower > 0


def test_the_gain_is_known_better_than_either_plans_reach() -> None:
    result = compared()
    gain = result.difference("by counts", "even")
    for estimate in result.estimates:
        low, high = estimate.interval()
        assert gain.upper - gain.lower < 0.75 * (high - low)


def test_the_gain_is_the_mean_of_what_every_draw_says() -> None:
    """Oracle: the formula at every draw of the cap."""
    result, draws = compared(), Sampling(axes=(), draws=4_000, seed=3)
    cap = draws.sample(CAP, "vehicle/radio/reach_cap")
    gains = 0.9 * reach_at(1.44, cap) + 0.1 * reach_at(0.16, cap) - reach_at(0.8, cap)
    got = result.difference("by counts", "even")
    assert got.estimate == pytest.approx(gains.mean(), abs=1e-3)
    assert (got.lower, got.upper) == pytest.approx(
        tuple(np.quantile(gains, [0.025, 0.975])), abs=2e-3
    )


def test_the_advantage_is_lost_where_the_counts_mislead() -> None:
    """Placed by another class, which lives in the other state."""
    elsewhere = delivery_by(told(of_states(10_000, 90_000, 0)), "state")
    members = told(CROWDED)
    even, astray = (
        reached(spots(target=target, universe=EVENLY), members=members).reach
        for target in (None, elsewhere)
    )
    assert even is not None
    assert astray is not None
    assert astray < even - 0.2


# --- refusals --------------------------------------------------------------------------------
def test_an_axis_must_be_named() -> None:
    exactly("delivery needs an axis to be placed by", EstimateError, lambda: delivery_by(ONE))


@pytest.mark.parametrize("names", [("income",), ("state", "state")])
def test_axes_are_different_ones_of_the_inquiry(names: tuple[str, ...]) -> None:
    exactly("must be different axes", EstimateError, lambda: delivery_by(ONE, *names))


@pytest.mark.parametrize(
    "cells", [of_states(0, 0, 900), of_states(-5, -5, 900), of_states(0, 0, 0)]
)
def test_counts_of_nobody_place_nothing(cells: Any) -> None:
    exactly(
        "count nobody of a known level", EstimateError, lambda: delivery_by(told(cells), "state")
    )
