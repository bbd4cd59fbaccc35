"""Seeded. Where truth is compared with limits, their level leaves 1e-6 for a false alarm."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from dpnotice.analyst.known import Known, know
from dpnotice.analyst.overlap.regions import containing, membership
from dpnotice.analyst.rates import beta
from dpnotice.analyst.rungs import pair_limits, rungs, shared_by
from dpnotice.errors import EstimateError
from made.joined import BLOCKS
from made.sketched import asking, regions, sketched_releases

Floats = Any
SURE = 1 - 1e-6
SIX = np.random.default_rng(6).integers(0, 300, 63)
CASES = {
    "two": regions(4000, 2, "mid"),
    "three, low": regions(4000, 3, "low"),
    "four": regions(4000, 4, "mid"),
    "identical": np.array([0] * 6 + [5000]),
    "disjoint": np.array([3000, 4000, 0, 5000, 0, 0, 0]),
    "one within the other": np.array([3000, 0, 3000]),
    "one of few": np.array([4000, 4000, 2000, 40, 0, 0, 0]),
    "nobody": np.zeros(3, dtype=int),
    "nobody at one": np.array([6000, 0, 0]),
    "six": SIX,
}
EACH = pytest.mark.parametrize("people", CASES.values(), ids=CASES)


def known(
    people: Floats,
    *,
    epsilon: str = "1",
    seed: int = 1,
    linkage: Any = None,
    stated: Any = None,
    **drawn: Any,
) -> Known:
    laid = np.zeros((len(people), 4, 3), dtype=np.int64)
    laid[:, :2, 0] = np.asarray(people)[:, np.newaxis] // 2
    asked = asking(expected=6000, epsilon=epsilon, sketch=drawn.pop("sketch", {}))
    releases = sketched_releases(asked, laid, np.random.default_rng(seed), **drawn)
    given = {"overlap": None, "population": None} | (stated or {})
    return know([[release] for release in releases], linkage=linkage, **given)


def number(people: Floats) -> int:
    return int(2 * (np.asarray(people) // 2).sum())


# --- the ladder --------------------------------------------------------------------------------
@EACH
@pytest.mark.parametrize("epsilon", ["1", "4"])
def test_every_rung_holds_the_truth(people: Floats, epsilon: str) -> None:
    for row in rungs(known(people, epsilon=epsilon), SURE):
        if row["rung"] != "pairs and triples: one propensity":  # a model, and it may be wrong
            assert row["lower"] <= number(people) <= row["upper"]


@EACH
@pytest.mark.parametrize("level", [0.5, 0.95])
def test_no_rung_is_negative_or_upside_down_or_unsaid(people: Floats, level: float) -> None:
    found = known(people)
    for row in rungs(found, level):
        assert 0 <= row["lower"] <= row["upper"] < np.inf
        assert row["rests_on"]
        assert (row["level"], row["unit"]) == (level, "persons")


@pytest.mark.parametrize("name", ["two", "four", "identical", "disjoint", "six"])
def test_rungs_are_the_widest_first(name: str) -> None:
    """Where maps are sharp; limits that hold together are a little wider than a single one."""
    rows = rungs(known(CASES[name], epsilon="8"), 0.95)
    widths = [row["upper"] - row["lower"] for row in rows if "propensity" not in row["rung"]]
    assert all(a >= b - 20 for a, b in pairwise(widths))


def test_no_rung_has_fewer_persons_than_a_retailer_has_buyers() -> None:
    """Bonferroni's end of four identical retailers, 4 n - 6 n, is below 0."""
    rows = rungs(known(np.array([0] * 14 + [5000])), 0.95)
    assert all(row["lower"] > 4800 for row in rows[:-1])


def test_bounds_have_no_estimate_and_the_fit_has_one() -> None:
    rows = rungs(known(CASES["four"]), 0.95)
    assert [row["rung"] for row in rows] == [
        "sizes",
        "pairs: Bonferroni, Hunter-Worsley",
        "pairs: best possible",
        "all patterns",
    ]
    assert np.isnan([row["estimate"] for row in rows[:3]]).all()
    assert rows[3]["estimate"] == pytest.approx(known(CASES["four"]).sources[0].products({})[0][0])


def test_without_sketches_there_is_one_rung() -> None:
    (row,) = rungs(known(CASES["two"], stated={"overlap": "bounds"}), 0.95)
    assert (row["rung"], row["rests_on"]) == ("sizes", "nothing beyond the counts")


def test_independence_stands_below_the_sizes_and_has_no_pairs() -> None:
    found = known(CASES["two"], stated={"overlap": "independent", "population": 10**5})
    rows = rungs(found, 0.95)
    assert [row["rung"] for row in rows] == ["sizes", "independence"]
    assert rows[1]["rests_on"].startswith("independence")
    assert pair_limits(found, 0.95) is None


def test_a_statement_of_links_is_among_what_a_rung_rests_on() -> None:
    rows = rungs(known(CASES["two"], linkage=0.9, linked=0.9), 0.95)
    assert all("0.9" in row["rests_on"] for row in rows[1:])
    assert "0.9" not in rows[0]["rests_on"]


@pytest.mark.parametrize("sketch", [{}, BLOCKS], ids=["one block", "states"])
def test_links_that_are_lost_and_stated_leave_the_truth_on_every_rung(sketch: Any) -> None:
    people = CASES["four"]
    found = known(people, linkage=0.8, linked=0.8, sketch=sketch)
    assert all(row["lower"] <= number(people) <= row["upper"] for row in rungs(found, SURE))


def test_lost_links_that_nobody_stated_leave_the_persons_too_many() -> None:
    """That the test before this one can fail."""
    people = CASES["four"]
    rows = rungs(known(people, epsilon="4", linked=0.8), 0.95)
    assert rows[-1]["lower"] > number(people)


def test_missing_keys_leave_the_truth_on_every_rung() -> None:
    people = CASES["three, low"]
    rows = rungs(known(people, epsilon="2", keyed=0.7), SURE)
    assert all(row["lower"] <= number(people) <= row["upper"] for row in rows)


def test_an_impossible_linkage_is_a_contradiction() -> None:
    """All buyers are seen at both, and 40 % of keys are said to be lost at each."""
    with pytest.raises(EstimateError, match="INCONSISTENT"):
        rungs(known(np.array([0, 0, 6000]), epsilon="4", linkage=0.6), 0.95)


def test_a_retailer_left_out_widens_the_top_by_its_buyers_alone() -> None:
    found = known(CASES["one of few"])
    limits = pair_limits(found, 0.95)
    assert limits is not None
    ((low, high),) = limits.rest
    assert low <= 40 <= high
    ends = limits.best()
    assert limits.with_rest(ends) == pytest.approx((ends[0], ends[1] + high))
    last = rungs(found, 0.95)[-1]
    ((value, error),) = found.sources[0].products({})
    assert np.isnan(last["estimate"])
    assert last["upper"] - value - error.half_width(0.95) > 40


# --- limits ------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["two", "four", "identical", "disjoint", "six"])
def test_limits_of_sizes_and_pairs_hold_together(name: str) -> None:
    people = 2 * (CASES[name] // 2)
    limits = pair_limits(known(people), SURE)
    assert limits is not None
    retailers = len(people).bit_length()
    sizes = membership(retailers) @ people
    assert np.all((limits.sizes[:, 0] <= sizes) & (sizes <= limits.sizes[:, 1]))
    for i in range(retailers):
        for j in range(i):
            pair = containing(retailers)[(1 << i) + (1 << j)] @ people
            assert limits.pairs[i, j, 0] <= pair <= limits.pairs[i, j, 1]
            assert limits.pairs[i, j].tolist() == limits.pairs[j, i].tolist()


def test_more_limits_at_once_are_wider_each() -> None:
    people = CASES["four"]
    found = known(people)
    wide, narrow = pair_limits(found, 0.99), pair_limits(found, 0.9)
    assert wide is not None
    assert narrow is not None
    assert np.all(np.diff(wide.sizes) > np.diff(narrow.sizes))
    joint = found.joint
    assert joint is not None
    pair, sd = joint.known_to((0, 1))
    assert narrow.pairs[0, 1, 1] - pair > 2.5 * sd  # ten limits: 1 - 0.1 / 10 each


# --- known to all of some ------------------------------------------------------------------------
@pytest.mark.parametrize("members", [(0, 1), (1, 2), (0, 1, 2)])
def test_those_known_to_all_of_some_are_told(members: tuple[int, ...]) -> None:
    """Five s.d.: a false alarm in 10^6."""
    people = regions(4000, 3, "mid")
    told = shared_by(known(people, epsilon="2"), [f"r{i}" for i in members])
    assert told is not None
    assert abs(told[0] - containing(3)[sum(1 << i for i in members)] @ people) < 5 * told[1]


def test_lost_links_are_made_up_for_in_those_known_to_all_of_some() -> None:
    people, law = regions(4000, 3, "mid"), beta(mean=0.8, sd=0.02)
    plain = shared_by(known(people), ["r0", "r1"])
    told = shared_by(known(people, linkage=law), ["r0", "r1"])
    assert plain is not None
    assert told is not None
    assert told[0] == pytest.approx(plain[0] / 0.64, rel=0.01)
    assert told[1] > plain[1] / 0.64


def test_of_retailers_that_were_not_compared_nothing_is_told() -> None:
    assert shared_by(known(CASES["one of few"]), ["r0", "r2"]) is None
    assert shared_by(known(CASES["two"], stated={"overlap": "bounds"}), ["r0", "r1"]) is None


def test_of_more_than_five_only_pairs_are_told() -> None:
    found = known(SIX, epsilon="4")
    pair = shared_by(found, ["r1", "r4"])
    assert pair is not None
    truth = containing(6)[0b010010] @ (2 * (SIX // 2))
    assert abs(pair[0] - truth) < 5 * pair[1]
    assert shared_by(found, ["r0", "r1", "r2"]) is None
