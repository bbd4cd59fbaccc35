import json
import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

import dpnotice as dn
from dpnotice.analyst import laying
from dpnotice.analyst.members import ClassEstimate
from dpnotice.analyst.outside import Beyond
from dpnotice.analyst.plan import NoticePlan
from dpnotice.analyst.reach import ReachEstimate, estimate_reach
from dpnotice.errors import DpnoticeError, EstimateError, PlanError
from dpnotice.release import Release
from dpnotice.result import SUMMARY_COLUMNS, Result
from made import notices, releases
from made.known_to_several import (
    AXES,
    CONTACT,
    DELIVERED,
    MAILED,
    READERS,
    SEEN,
    STATES,
    TABLES,
    mailing,
    notified,
)
from made.notices import by_state
from made.releases import marginal, noisy_release, wen
from made.sketched import answered, asking, regions, spread, world_of

CELLS = 1_000 * np.array([[30, 20, 10, 5, 0], [10, 10, 10, 5, 0], [5, 0, 0, 0, 5]])
shares = st.floats(0, 1)


def release(cells: Any = CELLS, *, tables: Any = None, **options: Any) -> Release:
    return noisy_release(wen(tables=tables) if tables else wen(), cells, **options)


ONE = dn.estimate_class([release()])
TWO = dn.estimate_class([release(), release(retailer="ulta")])
direct = partial(notices.direct, seen=1.0)


def media(reach_1: Any = 0.3, name: str = "Weekly", **changes: Any) -> dn.Print:
    return dn.Print(name, reach_1=reach_1, **changes)


def reached(
    *notices: Any,
    members: ClassEstimate = ONE,
    draws: int = 200,
    seed: int = 1,
    dependence: Any = 0.0,
) -> ReachEstimate:
    plan = NoticePlan("plan", notices, dependence=dependence)
    return estimate_reach(plan, members, draws=draws, seed=seed)


def mailed_class(identified: int, others: int, contact: str = "post") -> ClassEstimate:
    cells = np.zeros((3, 5), dtype=int)
    cells[0, ["email+post", "email", "post"].index(contact)] = identified
    cells[0, 3] = others
    return dn.estimate_class([release(cells)])


def exactly(text: str, error: type[DpnoticeError], call: Callable[[], object]) -> None:
    with pytest.raises(error) as refusal:
        call()
    assert text in str(refusal.value)


# --- the reach of a plan -------------------------------------------------------------------
def test_the_ladder_of_the_notes_reaches_0_8992_where_media_is_independent() -> None:
    letter = direct(mode="post", delivered=0.97)
    got = reached(letter, media(0.55), members=mailed_class(80_000, 20_000))
    assert got.reach == pytest.approx(0.8992, abs=5e-4)


def test_the_ladder_of_the_notes_is_bounded_by_0_776_and_everybody() -> None:
    letter = direct(mode="post", delivered=0.97)
    got = reached(letter, media(0.55), members=mailed_class(80_000, 20_000))
    assert got.bounds == pytest.approx((0.776, 1.0), abs=2e-3)


def test_direct_notice_alone_reaches_those_it_can_identify() -> None:
    letter = direct(mode="post", delivered=0.97)
    got = reached(letter, members=mailed_class(80_000, 20_000))
    assert got.reach == pytest.approx(0.776, abs=5e-4)


@settings(max_examples=30)
@given(shares, shares, st.floats(-1, 1))
def test_reach_is_a_fraction(delivered: float, published: float, dependence: float) -> None:
    got = reached(
        direct(delivered=delivered),
        media(published),
        media(0.4, "B"),
        draws=20,
        dependence=dependence,
    )
    assert ((got.draws >= 0) & (got.draws <= 1)).all()


@settings(max_examples=30)
@given(shares, shares)
def test_another_vehicle_never_lowers_reach(delivered: float, published: float) -> None:
    before = reached(direct(delivered=delivered), draws=20)
    after = reached(direct(delivered=delivered), media(published), draws=20)
    assert (after.draws >= before.draws - 0.02).all()  # the shock of realised reach differs


@settings(max_examples=30)
@given(shares, shares)
def test_more_delivered_never_lowers_reach(one: float, other: float) -> None:
    few, many = (reached(direct(delivered=d), media(), draws=20) for d in sorted((one, other)))
    assert (many.draws >= few.draws - 0.02).all()


@pytest.mark.parametrize("members", [ONE, TWO], ids=["one", "two"])
def test_a_letter_beside_the_email_never_lowers_reach(members: ClassEstimate) -> None:
    before = reached(direct(), members=members)
    after = reached(direct(), direct(mode="post", delivered=0.5), members=members)
    assert (after.draws >= before.draws - 0.02).all()


def test_a_plan_without_notices_reaches_nobody() -> None:
    assert reached().reach == 0


def test_a_certain_notice_to_everybody_reaches_everybody() -> None:
    assert reached(media(1.0)).reach == 1


def test_reach_over_segments_is_weighted_by_the_class() -> None:
    got = reached(media(by_state(0.5, 0.2, 0.1)))
    assert got.reach == pytest.approx((65 * 0.5 + 35 * 0.2 + 10 * 0.1) / 110, abs=1e-3)


def test_realised_reach_of_a_small_class_varies_by_chance() -> None:
    got = reached(media(0.5), members=mailed_class(400, 0), draws=20_000)
    assert got.draws.std() == pytest.approx(0.5 / math.sqrt(400), rel=0.03)


def test_for_one_retailer_the_interval_covers_and_the_reach_is_the_mean() -> None:
    got = reached(direct(delivered=dn.beta(mean=0.9, sd=0.03)), draws=2_000)
    low, high = got.interval()
    assert got.reach == pytest.approx(got.draws.mean())
    assert low < got.reach < high
    assert (low, high) == pytest.approx(tuple(np.quantile(got.draws, [0.025, 0.975])))


def test_a_higher_level_gives_a_wider_interval() -> None:
    got = reached(direct(delivered=dn.beta(mean=0.9, sd=0.03)), draws=2_000)
    assert got.interval(0.99)[0] < got.interval(0.8)[0]
    assert got.interval(0.99)[1] > got.interval(0.8)[1]


def test_draws_are_read_only() -> None:
    with pytest.raises(ValueError, match="read-only"):
        reached(media()).draws[0] = 1


# --- members whom no record shows ----------------------------------------------------------
@settings(max_examples=30)
@given(st.floats(0, 0.9), st.floats(1, 3), shares, shares)
def test_outsiders_and_users_are_reached_by_publication_alone(
    theta: float, h: float, delivered: float, published: float
) -> None:
    members = dn.estimate_class([release()], outside=theta, users_per_buyer=h)
    got = reached(direct(delivered=delivered), media(published), members=members, draws=50)
    mailed = 75 / 110
    known = mailed * (1 - (1 - delivered) * (1 - published)) + (1 - mailed) * published
    expected = ((1 - theta) * known + (theta + h - 1) * published) / h
    assert got.reach == pytest.approx(expected, abs=2e-3)


def test_a_million_buyers_give_the_formula_of_the_notes_with_publication_at_sixty_percent() -> None:
    cells = np.zeros((3, 5), dtype=int)
    cells[0, 1] = 1_000_000
    members = dn.estimate_class([release(cells)], outside=0.2, users_per_buyer=1.4)
    got = reached(direct(delivered=0.75), media(0.6), members=members)  # 0.90 of known buyers
    assert members.size().estimate == pytest.approx(1_750_000, rel=1e-4)
    assert got.reach == pytest.approx((0.8 * 0.9 + 0.6 * 0.6) / 1.4, abs=1e-3)


def test_without_members_beyond_the_known_the_formula_is_that_of_known_buyers() -> None:
    beyond = dn.estimate_class([release()], outside=0.0, users_per_buyer=1.0)
    same = reached(direct(), media(), members=beyond)
    assert same.draws == pytest.approx(reached(direct(), media()).draws)


def test_more_outsiders_lower_the_reach_of_direct_notice() -> None:
    few, many = (
        reached(direct(), members=dn.estimate_class([release()], outside=theta)).reach
        for theta in (0.1, 0.5)
    )
    assert few is not None
    assert many is not None
    assert many < few


# --- bounds --------------------------------------------------------------------------------
DEPENDENCES = [-1.0, -0.5, 0.0, 0.5, 1.0]


@pytest.mark.parametrize("dependence", DEPENDENCES)
@pytest.mark.parametrize("members", [ONE, TWO], ids=["one", "two"])
def test_bounds_contain_the_reach_for_any_dependence_between_vehicles(
    members: ClassEstimate, dependence: float
) -> None:
    notices = (direct(), media(0.5), media(0.4, "B"))
    low, high = reached(*notices, members=members).bounds
    ends = reached(*notices, members=members, dependence=dependence).draws.reshape(200, -1)
    assert low - 0.005 <= ends[:, 0].mean()
    assert ends[:, -1].mean() <= high + 0.005


@pytest.mark.parametrize("dependence", DEPENDENCES)
def test_bounds_contain_the_reach_for_any_dependence_where_outsiders_are_members(
    dependence: float,
) -> None:
    members = dn.estimate_class([release()], outside=0.5)
    notices = (media(0.5), media(0.4, "B"))
    low, high = reached(*notices, members=members).bounds
    got = reached(*notices, members=members, dependence=dependence).reach
    assert got is not None
    assert low - 0.005 <= got <= high + 0.005


@pytest.mark.parametrize("dependence", DEPENDENCES)
def test_bounds_do_not_depend_on_the_dependence_that_is_modelled(dependence: float) -> None:
    members = dn.estimate_class([release()], outside=0.3, users_per_buyer=1.5)
    notices = (direct(), media(0.5), media(0.4, "B"))
    expected = reached(*notices, members=members).bounds
    got = reached(*notices, members=members, dependence=dependence).bounds
    assert got == pytest.approx(expected, abs=1e-9)


def test_bounds_hold_whatever_the_dependence_of_a_retailers_own_notices_is() -> None:
    both = (direct(delivered=0.5), direct(mode="post", delivered=0.4))
    got = reached(*both, members=mailed_class(100_000, 0, "email+post"))
    assert got.bounds == pytest.approx((0.5, 0.9), abs=0.005)


def test_the_bounds_of_a_single_vehicle_are_its_reach() -> None:
    assert reached(media(0.3)).bounds == pytest.approx((0.3, 0.3), abs=1e-6)


# --- several retailers ---------------------------------------------------------------------
def test_several_retailers_give_ends_and_no_point() -> None:
    got = reached(direct(), direct("ulta"), members=TWO)
    assert got.reach is None
    assert got.draws.shape == (200, 2)
    assert got.estimate().estimate is None
    assert got.frequency is None
    assert (got.draws[:, 0] <= got.draws[:, 1] + 1e-12).all()


def test_with_several_retailers_a_probability_is_that_of_the_low_end() -> None:
    got = reached(direct(delivered=dn.beta(mean=0.8, sd=0.1)), direct("ulta"), members=TWO)
    middle = float(np.median(got.draws[:, 0]))
    assert got.probability_at_least(middle) == pytest.approx(0.5, abs=0.01)


def test_with_several_retailers_the_statement_gives_a_range_and_says_why() -> None:
    sentence = reached(direct(), direct("ulta"), members=TWO).statement()
    assert sentence.startswith("Between ")
    assert "the overlap between retailers is not known" in sentence


def test_a_second_retailer_that_sends_nothing_widens_downwards() -> None:
    alone = reached(direct(), members=ONE).reach
    low, high = reached(direct(), members=TWO).interval()
    assert alone is not None
    assert low < alone < high + 0.01


# --- frequency -----------------------------------------------------------------------------
def test_frequency_is_gross_over_reached() -> None:
    got = reached(media(0.3, reach_2=0.45, insertions=2))
    assert got.frequency == pytest.approx(0.6 / 0.45)


def test_frequency_counts_every_notice_of_a_retailer() -> None:
    both = (direct(delivered=1.0), direct(mode="post", delivered=1.0))
    got = reached(*both, members=mailed_class(100_000, 0, "email+post"))
    assert got.frequency == pytest.approx(2.0, abs=1e-3)


def test_frequency_is_that_of_all_members_where_outsiders_are_members() -> None:
    cells = np.zeros((3, 5), dtype=int)
    cells[0, 1] = 100_000
    members = dn.estimate_class([release(cells)], outside=0.5)
    got = reached(direct(delivered=1.0), media(0.5), members=members)
    assert got.frequency == pytest.approx((0.5 * 1.5 + 0.5 * 0.5) / (0.5 * 1 + 0.5 * 0.5), abs=1e-3)


def test_the_frequency_of_nothing_is_zero() -> None:
    assert reached().frequency == 0


# --- probability ---------------------------------------------------------------------------
def test_a_probability_is_the_share_of_draws_at_the_target_or_above() -> None:
    got = reached(direct(delivered=dn.beta(mean=0.9, sd=0.1)), media(0.3))
    target = float(np.quantile(got.draws, 0.25))
    assert got.probability_at_least(target) == np.mean(got.draws >= target)


def test_a_target_that_is_just_met_counts_as_met() -> None:
    assert reached(media(1.0)).probability_at_least(1.0) == 1


@pytest.mark.parametrize("bad", [70, -0.1, "0.7", None, True, float("nan")])
def test_a_target_that_is_no_fraction_is_refused(bad: Any) -> None:
    got = reached(media())
    exactly(
        "a reach target is a fraction in [0, 1]",
        EstimateError,
        lambda: got.probability_at_least(bad),
    )


def test_a_target_of_seventy_is_asked_whether_it_is_a_percentage() -> None:
    exactly("got 70; percent", EstimateError, lambda: reached(media()).probability_at_least(70))


@pytest.mark.parametrize("bad", [0, 1, 95, -0.5, "0.95", None, True, float("nan")])
def test_a_level_that_is_no_fraction_is_refused(bad: Any) -> None:
    got = reached(media())
    exactly("level must be a fraction", EstimateError, lambda: got.interval(bad))
    exactly("level must be a fraction", EstimateError, lambda: got.by("state", level=bad))
    exactly("level must be a fraction", EstimateError, lambda: got.estimate(level=bad))


# --- segments ------------------------------------------------------------------------------
def test_reach_by_an_axis_has_a_row_per_level_and_the_columns_of_the_docstring() -> None:
    frame = reached(media(by_state(0.5, 0.2, 0.1))).by("state")
    assert list(frame.columns) == ["state", "estimate", "lower", "upper", "level", "unit", "note"]
    assert frame["state"].tolist() == ["CA", "NY", "unknown"]
    assert frame["estimate"].tolist() == pytest.approx([0.5, 0.2, 0.1], abs=2e-3)


@pytest.mark.parametrize("axis", ["state", "contact"])
def test_reach_by_an_axis_averages_back_to_reach(axis: str) -> None:
    got = reached(direct(), media(by_state(0.5, 0.2, 0.1)), draws=2_000)
    frame = got.by(axis)
    sizes = [ONE.count(**{axis: level}).estimate for level in frame[axis]]
    flagged = frame["estimate"].isna()
    parts = np.where(flagged, 0, frame["estimate"].fillna(0) * np.array(sizes))
    assert parts.sum() / sum(sizes) == pytest.approx(got.reach, abs=2e-3)


def test_reach_by_contact_shows_whom_the_notice_can_find() -> None:
    frame = reached(direct()).by("contact").set_index("contact")
    assert frame.loc["email", "estimate"] == pytest.approx(0.9, abs=3e-3)
    assert frame.loc["none", "estimate"] == pytest.approx(0, abs=3e-3)


def test_reach_by_contact_over_retailers_allows_full_overlap_and_none() -> None:
    got = reached(direct(delivered=0.9), direct("ulta", delivered=0.5), members=TWO)
    row = got.by("contact").set_index("contact").loc["email"]
    assert row["lower"] <= 0.7
    assert row["upper"] >= 0.95 - 1e-6


def test_an_axis_without_a_table_beside_the_plans_own_is_refused() -> None:
    members = dn.estimate_class([release(tables=[{"of": ["state"]}, {"of": ["contact"]}])])
    got = reached(direct(), members=members)
    exactly("state x contact together", EstimateError, lambda: got.by("state"))


def test_a_plan_whose_axes_lie_in_no_common_table_is_refused() -> None:
    members = dn.estimate_class([release(tables=[{"of": ["state"]}, {"of": ["contact"]}])])
    exactly(
        "ask for that table",
        EstimateError,
        lambda: reached(direct(), media(by_state(0.5, 0.2, 0.1)), members=members),
    )


def test_reach_by_an_unknown_axis_is_refused_with_those_known() -> None:
    exactly("they are state, contact", EstimateError, lambda: reached(media()).by("age"))


NEAR_ZERO = [[50_000, 0, 0, 0, 0], [20_000, 0, 0, 0, 0], [2, 0, 0, 0, 0]]


def test_a_segment_near_zero_is_named_as_not_separately_estimable() -> None:
    members = dn.estimate_class([release(NEAR_ZERO, scale=5.0)])
    frame = reached(media(by_state(0.5, 0.2, 0.1)), members=members).by("state").set_index("state")
    assert frame.loc["unknown", "note"].startswith("not separately estimable")
    assert math.isnan(frame.loc["unknown", "estimate"])
    assert (frame.loc["unknown", "lower"], frame.loc["unknown", "upper"]) == (0, 1)
    assert frame.loc["NY", "note"] == ""


def noiseless(cells: Any, scale: float, retailer: str = "sephora") -> Release:
    """A release whose noise happened to be zero everywhere."""
    asked = wen()
    counts = {of: marginal(asked, cells, of) for of in asked.tables}
    return releases.release(asked, counts, scale, retailer=retailer)


def test_a_segment_just_above_the_threshold_has_finite_ends() -> None:
    # The segment's s.d. is 13.1, so 43 is 3.3 of them: among 20,000 draws some fall below 0.
    cells = [[50_000, 0, 0, 0, 0], [20_000, 0, 0, 0, 0], [43, 0, 0, 0, 0]]
    members = dn.estimate_class([noiseless(cells, 5.0)])
    got = reached(media(by_state(0.5, 0.2, 0.1)), members=members, draws=20_000)
    row = got.by("state").set_index("state").loc["unknown"]
    assert row["note"] == ""
    assert 0 <= row["lower"] <= row["upper"] <= 1


def test_a_class_too_small_for_its_noise_is_refused_or_flagged_and_never_nan() -> None:
    cells = np.zeros((3, 5), dtype=int)
    cells[0, 0] = 12
    members = dn.estimate_class([noiseless(cells, 10.0)])
    with suppress(EstimateError):  # a refusal in words is as good
        got = reached(media(), members=members)
        assert not any(map(math.isnan, [*got.interval(), *got.bounds]))
        assert "would be exposed" in got.statement()


def test_the_worst_segment_is_the_one_with_the_lowest_reach() -> None:
    name, estimate = reached(media(by_state(0.5, 0.2, 0.3))).worst_segment or ("", None)
    assert name == "state NY"
    assert estimate is not None
    assert estimate.estimate == pytest.approx(0.2, abs=2e-3)


def test_the_worst_segment_is_not_merely_the_most_uncertain_one() -> None:
    cells = [[50_000, 0, 0, 0, 0], [20_000, 0, 0, 0, 0], [60, 0, 0, 0, 0]]
    members = dn.estimate_class([release(cells)])
    found = reached(media(by_state(0.6, 0.45, 0.5)), members=members, draws=2_000).worst_segment
    assert found is not None
    assert found[0] == "state NY"


def test_segments_near_zero_are_left_out_of_the_worst() -> None:
    members = dn.estimate_class([release(NEAR_ZERO, scale=5.0)])
    found = reached(media(by_state(0.5, 0.2, 0.01)), members=members).worst_segment
    assert found is not None
    assert found[0] == "state NY"


def test_a_plan_without_axes_has_no_worst_segment() -> None:
    assert reached(media()).worst_segment is None


# --- common random numbers -----------------------------------------------------------------
def uncertain(name: str) -> dn.Print:
    return media(dn.beta(mean=0.3, sd=0.05), name)


def test_the_same_seed_gives_the_same_draws() -> None:
    one, other = (reached(direct(), uncertain("A"), seed=5) for _ in range(2))
    assert one.draws.tolist() == other.draws.tolist()


def test_another_seed_gives_other_draws() -> None:
    one, other = (reached(uncertain("A"), seed=seed) for seed in (5, 6))
    assert not np.isin(one.draws, other.draws).any()


def test_the_order_of_notices_moves_no_draw() -> None:
    notices = [direct(), uncertain("A"), uncertain("B")]
    one, other = reached(*notices), reached(*reversed(notices))
    assert one.draws == pytest.approx(other.draws, abs=1e-12)


def test_adding_a_vehicle_moves_no_other_figures_draws() -> None:
    one = reached(uncertain("A"))
    other = reached(uncertain("A"), media(0.0, "nothing"))
    assert one.draws.tolist() == pytest.approx(other.draws.tolist(), abs=1e-12)


def test_adding_a_vehicle_by_another_axis_does_not_move_the_counts_draws() -> None:
    noisy = dn.estimate_class([release(scale=5.0)])
    one = reached(direct(), members=noisy)
    other = reached(direct(), media(0.0, "nothing", target={"state": "CA"}), members=noisy)
    assert one.draws.tolist() == pytest.approx(other.draws.tolist(), abs=1e-9)


def test_earlier_calls_change_nothing() -> None:
    before = reached(uncertain("A")).draws.tolist()
    reached(direct(), uncertain("B"), seed=9)
    np.random.default_rng().random(5)
    assert reached(uncertain("A")).draws.tolist() == before


def test_splitting_a_segment_in_its_results_does_not_change_reach() -> None:
    got = reached(direct(), uncertain("A"))
    before = got.draws.tolist()
    got.by("state")
    assert got.draws.tolist() == before


# --- refusals ------------------------------------------------------------------------------
@pytest.mark.parametrize("plan", [None, "plan", media()])
def test_only_a_plan_can_be_estimated(plan: Any) -> None:
    exactly("takes a NoticePlan", PlanError, lambda: estimate_reach(plan, ONE))


@pytest.mark.parametrize("members", [None, "class", [1]])
def test_a_plan_is_laid_over_a_class_only(members: Any) -> None:
    plan = NoticePlan("p", [media()])
    exactly("the result of estimate_class", PlanError, lambda: estimate_reach(plan, members))


@pytest.mark.parametrize("bad", [0, -5, 10**7, 2.5, "100", None])
def test_an_impossible_number_of_draws_is_refused(bad: Any) -> None:
    exactly("draws must be a whole number", PlanError, lambda: reached(media(), draws=bad))


@pytest.mark.parametrize("bad", [-1, 2.5, "1", None])
def test_an_impossible_seed_is_refused(bad: Any) -> None:
    exactly("seed one from 0", PlanError, lambda: reached(media(), seed=bad))


def test_a_retailer_without_a_release_is_refused() -> None:
    exactly("no release of 'ulta'", PlanError, lambda: reached(direct("ulta")))


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (by_state(0.5, 0.2, 0.1).iloc[:2], "add the missing rows"),
        (pd.concat([by_state(0.5, 0.2, 0.1)] * 2), "given twice"),
        (by_state(0.5, 0.2, 0.1).replace("NY", "TX"), "'TX' is no level of state"),
        (by_state(0.5, 0.2, 0.1).rename(columns={"state": "region"}), "'region' is no axis"),
    ],
    ids=["missing level", "duplicate", "unknown level", "wrong column"],
)
def test_a_frame_that_does_not_fit_the_inquiry_is_refused(frame: pd.DataFrame, words: str) -> None:
    exactly(words, PlanError, lambda: reached(media(frame)))


@pytest.mark.parametrize("field", ["outside", "users_per_buyer"])
def test_members_beyond_the_known_given_by_segment_are_refused_in_words(field: str) -> None:
    frame = by_state(0.5, 0.2, 0.1).assign(value=[1.0, 1.0, 1.0])
    if field == "outside":
        frame["value"] = 0.2
    with pytest.raises(DpnoticeError, match=field):
        reached(media(), members=dn.estimate_class([release()], **{field: frame}))


# --- what every result answers -------------------------------------------------------------
RESULTS = [reached(direct(), media(by_state(0.5, 0.2, 0.1)), members=m) for m in (ONE, TWO)]


@pytest.mark.parametrize("result", RESULTS, ids=["one", "two"])
def test_it_answers_the_calls_of_every_result(result: ReachEstimate) -> None:
    assert isinstance(result, Result)


@pytest.mark.parametrize("result", RESULTS, ids=["one", "two"])
def test_the_summary_has_exactly_the_agreed_columns(result: ReachEstimate) -> None:
    assert tuple(result.summary().columns) == SUMMARY_COLUMNS


@pytest.mark.parametrize("result", RESULTS, ids=["one", "two"])
def test_the_summary_starts_with_reach_and_its_interval(result: ReachEstimate) -> None:
    first = result.summary().iloc[0]
    assert (first["lower"], first["upper"]) == pytest.approx(result.interval())
    assert first["segment"] == "plan"
    assert first["unit"] == "fraction"


def test_the_summary_has_the_bounds() -> None:
    frame = RESULTS[0].summary()
    row = frame[frame["quantity"].str.contains("whatever the dependence")].iloc[0]
    assert (row["lower"], row["upper"]) == pytest.approx(RESULTS[0].bounds)


def test_the_summary_has_the_frequency() -> None:
    frame = RESULTS[0].summary()
    rows = frame[frame["quantity"].str.contains("frequency")]
    assert rows["estimate"].tolist() == pytest.approx([RESULTS[0].frequency])


def test_the_summary_has_the_worst_segment_by_name() -> None:
    name, estimate = RESULTS[0].worst_segment or ("", None)
    assert estimate is not None
    assert estimate.segment in name
    assert estimate.segment in RESULTS[0].summary()["segment"].tolist()


@pytest.mark.parametrize("result", RESULTS, ids=["one", "two"])
def test_plain_types_survive_json(result: ReachEstimate) -> None:
    content = result.to_dict()
    assert json.loads(json.dumps(content, allow_nan=False)) == content
    assert content["seed"] == 1
    assert content["draws"] == 200


@pytest.mark.parametrize("result", RESULTS, ids=["one", "two"])
def test_plot_data_survives_json(result: ReachEstimate) -> None:
    assert json.loads(json.dumps(result.plot_data(), allow_nan=False)) == result.plot_data()


def test_the_frame_has_a_row_per_draw() -> None:
    assert RESULTS[0].to_frame()["reach"].tolist() == RESULTS[0].draws.tolist()
    ends = RESULTS[1].to_frame()[["reach_low", "reach_high"]].to_numpy()
    assert ends.tolist() == RESULTS[1].draws.tolist()


@pytest.mark.parametrize("result", RESULTS, ids=["one", "two"])
def test_a_plot_is_drawn_into_the_axes_given(result: ReachEstimate) -> None:
    axes = Figure().add_subplot()
    assert result.plot(axes) is axes
    assert axes.lines


@pytest.mark.parametrize("result", RESULTS, ids=["one", "two"])
def test_a_plot_changes_no_global_setting(result: ReachEstimate) -> None:
    before = dict(mpl.rcParams)
    result.plot(Figure().add_subplot())
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize("result", RESULTS, ids=["one", "two"])
def test_a_statement_says_exposed_and_never_read(result: ReachEstimate) -> None:
    sentence = result.statement()
    assert "would be exposed" in sentence
    assert '"plan"' in sentence
    assert "read" not in sentence


def test_a_statement_speaks_of_known_buyers_where_nothing_is_said_of_others() -> None:
    sentence = RESULTS[0].statement()
    assert "known buyers" in sentence
    assert "class members" not in sentence


def test_a_statement_speaks_of_class_members_where_the_others_are_stated() -> None:
    members = dn.estimate_class([release()], outside=0.2)
    sentence = reached(media(), members=members).statement()
    assert "class members" in sentence
    assert "known buyers" not in sentence


def test_the_page_escapes_a_plans_name() -> None:
    plan = NoticePlan("<script>", [media()])
    page = estimate_reach(plan, ONE, draws=20)._repr_html_()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_figures_without_a_source_are_named_among_the_assumptions() -> None:
    got = reached(media(source="MRI 2018"), uncertain("B"))
    assert "no source given for: B" in got.assumptions


def test_dependence_is_among_the_assumptions_of_several_vehicles_only() -> None:
    assert any("dependence" in line for line in reached(media(), uncertain("B")).assumptions)
    assert not any("dependence" in line for line in reached(media()).assumptions)


@pytest.mark.parametrize("number", [2, 3, 5])
def test_the_widest_bounds_hold_where_all_retailers_know_the_same_reached_persons(
    number: int,
) -> None:
    """The same n persons have e-mail at every retailer, n others at each have nothing."""
    cells = [[20_000, 0, 0, 20_000, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0]]
    names = [f"shop-{i}" for i in range(number)]
    members = dn.estimate_class([noiseless(cells, 4.0, retailer=name) for name in names])
    notices = [direct(name, delivered=1.0) for name in names]
    got = reached(*notices, members=members)
    assert got.bounds[0] <= 1 / (number + 1) + 0.01
    assert got.bounds[0] <= got.interval()[0] + 0.01


# --- several retailers whose sketches were compared ------------------------------------------
def agreeing(monkeypatch: pytest.MonkeyPatch, contact: float, seeing: float) -> None:
    """State how far contact, and seeing, agree between retailers."""
    monkeypatch.setattr(laying, "SHARED_CONTACT", contact)
    monkeypatch.setattr(laying, "SHARED_FAILURE", seeing)


def as_counted(result: ReachEstimate, truth: float, persons: int) -> bool:
    """Within 4 s.e. of the counted share and of the draws: over all seeds 6e-5 per comparison."""
    assert result.reach is not None
    error = math.hypot(math.sqrt(0.25 / persons), result.draws.std())
    return abs(result.reach - truth) < 4 * error


SKETCHED = notified(1)
PERSONS = len(SKETCHED.world.masks)
ALL = (0, 1, 2)


def sketched(plan: NoticePlan, members: ClassEstimate = SKETCHED.members, **how: Any) -> Any:
    return estimate_reach(plan, members, **({"draws": 400, "seed": 1} | how))


def test_with_sketches_reach_is_a_point_and_the_draws_are_a_vector() -> None:
    result = sketched(mailing(*ALL))
    assert result.draws.shape == (400,)
    assert result.reach == pytest.approx(result.draws.mean())


@pytest.mark.parametrize("paper", [True, False])
@pytest.mark.parametrize("senders", [ALL, (0, 2), (1,)])
def test_persons_with_independent_contact_are_reached_as_counted(
    monkeypatch: pytest.MonkeyPatch,
    senders: tuple[int, ...],
    paper: bool,  # noqa: FBT001 -- a case
) -> None:
    agreeing(monkeypatch, 0.0, 0.0)
    truth = SKETCHED.share(together=False, paper=paper, senders=senders)
    assert as_counted(sketched(mailing(*senders, paper=paper)), truth, PERSONS)


@pytest.mark.parametrize(("together", "seeing"), [(False, 0.0), (True, 1.0)])
def test_persons_whose_contact_agrees_are_reached_as_counted(
    monkeypatch: pytest.MonkeyPatch,
    seeing: float,
    together: bool,  # noqa: FBT001 -- a case
) -> None:
    """Where all agrees, the chance is that of the likeliest notice: retailer 0's, for all."""
    agreeing(monkeypatch, 1.0, seeing)
    world = notified(2, agree=1.0)
    truth = world.share(together=together)
    assert as_counted(sketched(mailing(*ALL), world.members), truth, PERSONS)


@pytest.mark.parametrize("agree", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("together", [False, True])
def test_planes_tell_how_far_contact_agrees(
    monkeypatch: pytest.MonkeyPatch,
    agree: float,
    together: bool,  # noqa: FBT001 -- a case
) -> None:
    """Whatever is stated of contact."""
    agreeing(monkeypatch, 0.0, float(together))
    world = notified(3, agree=agree, planes=True)
    result = sketched(mailing(*ALL), world.members)
    assert as_counted(result, world.share(together=together), PERSONS)


def test_contact_that_agrees_and_is_taken_as_independent_would_be_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    agreeing(monkeypatch, 0.0, 0.0)
    world = notified(2, agree=1.0)
    assert not as_counted(
        sketched(mailing(*ALL), world.members), world.share(together=True), 60_000
    )


def test_persons_counted_once_per_retailer_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fault: nobody is taken off who is known to several."""
    agreeing(monkeypatch, 0.0, 0.0)
    monkeypatch.setattr(type(SKETCHED.members.known.joint), "each_shared", lambda *_: iter(()))
    truth = SKETCHED.share(together=False)
    assert not as_counted(sketched(mailing(*ALL)), truth, PERSONS)


@pytest.mark.parametrize("planes", [False, True])
def test_the_reach_of_persons_lies_within_the_bounds_of_the_counts(planes: bool) -> None:  # noqa: FBT001 -- a case
    world = notified(3, planes=planes)
    aside = world.apart()
    for senders in (ALL, (0,), (1, 2), ()):
        result, open_ = (sketched(mailing(*senders), each) for each in (world.members, aside))
        assert result.reach is not None
        assert open_.interval()[0] <= result.reach <= open_.interval()[1]
        assert result.bounds[0] - 1e-4 <= result.reach <= result.bounds[1] + 1e-4
        assert result.bounds[1] - result.bounds[0] <= open_.bounds[1] - open_.bounds[0] + 0.01


@settings(max_examples=25)
@given(
    st.sets(st.integers(0, 2)),
    st.integers(0, 2),
    st.booleans(),
    st.floats(0, 1),
    st.booleans(),
)
def test_another_notice_never_lowers_the_reach_of_persons(
    senders: set[int],
    number: int,
    paper: bool,  # noqa: FBT001 -- a case
    delivered: float,
    planes: bool,  # noqa: FBT001 -- a case
) -> None:
    members = notified(3, planes=planes).members
    before = mailing(*senders, paper=paper)
    more = NoticePlan(
        "all", [*before.notices, direct(f"r{number}", mode="post", delivered=delivered)]
    )
    one, other = (sketched(each, members, draws=50) for each in (before, more))
    assert (other.draws >= one.draws - 1e-9).all()


def test_a_second_retailers_notice_adds_less_than_its_buyers() -> None:
    """Some of its buyers are already reached."""
    agree_not, alone = (sketched(mailing(*numbers, paper=False)) for numbers in ((0, 1), (0,)))
    other = sketched(mailing(1, paper=False))
    assert alone.reach < agree_not.reach < alone.reach + other.reach


def test_persons_who_are_all_known_to_one_retailer_are_reached_as_its_buyers() -> None:
    """The second retailer's buyers are half of the first one's, and it sends nothing."""
    asked = asking(epsilon="4", counts="12", axes=AXES, tables=TABLES)
    rng = np.random.default_rng(4)
    world = world_of(spread([10_000, 0, 10_000], STATES), rng, CONTACT[:2])
    told = answered(asked, world, rng)
    both, one = (sketched(mailing(0), dn.estimate_class(each)) for each in (told, told[:1]))
    assert as_counted(both, one.reach, 10**9)


def test_retailers_that_share_nobody_are_reached_as_their_buyers_by_themselves() -> None:
    asked = asking(epsilon="4", counts="12", axes=AXES, tables=TABLES)
    rng = np.random.default_rng(5)
    world = world_of(spread([10_000, 10_000, 0], STATES), rng, CONTACT[:2])
    told = answered(asked, world, rng)
    both = sketched(mailing(0, 1), dn.estimate_class(told))
    each = [sketched(mailing(i), dn.estimate_class(told[i : i + 1])).reach for i in (0, 1)]
    assert as_counted(both, sum(each) / 2, 10**9)


@pytest.mark.parametrize("planes", [False, True])
def test_reach_by_state_pools_to_the_reach_of_all_persons(planes: bool) -> None:  # noqa: FBT001 -- a case
    """Contact is alike in all states: what is left is the noise of small cells."""
    members = notified(3, planes=planes).members
    result = sketched(mailing(*ALL), members, draws=2_000)
    weights = members.by("state")["estimate"]
    assert (weights * result.by("state")["estimate"]).sum() / weights.sum() == pytest.approx(
        result.reach, abs=1e-3
    )


def test_reach_by_state_is_a_point_for_every_state_that_has_buyers() -> None:
    table = sketched(mailing(*ALL)).by("state")
    assert table["estimate"].notna().tolist() == [True, True, True]
    assert (table["lower"] < table["estimate"]).all()
    assert (table["estimate"] < table["upper"]).all()


def test_reach_by_contact_has_bounds_only_as_contact_may_differ_between_retailers() -> None:
    table = sketched(mailing(*ALL)).by("contact")
    assert table["estimate"].isna().all()
    assert (table["lower"] <= table["upper"]).all()
    assert sketched(mailing(*ALL)).reach is not None


def test_the_same_seed_gives_persons_the_same_draws_and_another_others() -> None:
    one, again, other = (sketched(mailing(*ALL), seed=seed).draws.tolist() for seed in (1, 1, 2))
    assert one == again != other


def test_asking_by_state_moves_no_draw_of_persons() -> None:
    result = sketched(mailing(*ALL))
    before = result.draws.tolist()
    result.by("state")
    assert sketched(mailing(*ALL)).draws.tolist() == before


def test_a_retailer_without_a_sketch_leaves_ends_that_hold_the_counted_share() -> None:
    rng = np.random.default_rng(6)
    asked = asking(epsilon="4", expected=20_000, axes=AXES, tables=TABLES)
    world = world_of(spread(regions(20_000, 3, "mid"), STATES), rng, CONTACT)
    members = dn.estimate_class(answered(asked, world, rng, epsilons=("4", "4", "")))
    truth = replace(SKETCHED, members=members, world=world).share(together=False)
    result, open_ = (sketched(mailing(*ALL), each) for each in (members, notified(1).apart()))
    assert result.reach is None
    low, high = result.draws.mean(axis=0)
    assert low < truth < high
    assert high - low < open_.draws.mean(axis=0)[1] - open_.draws.mean(axis=0)[0]


def test_outsiders_are_reached_by_publication_alone_beside_persons() -> None:
    members = replace(SKETCHED.members, beyond=Beyond(outside=0.25))
    known, all_ = (sketched(mailing(*ALL), each).reach for each in (SKETCHED.members, members))
    assert all_ == pytest.approx(0.75 * known + 0.25 * READERS, abs=2e-3)


def test_frequency_of_persons_adds_the_notices_of_all_their_retailers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    agreeing(monkeypatch, 0.0, 0.0)
    sizes = SKETCHED.members.by("retailer")["estimate"].to_numpy()
    pieces = sizes @ (MAILED * DELIVERED * SEEN) / PERSONS
    result = sketched(mailing(*ALL))
    assert result.frequency == pytest.approx((pieces + READERS) / result.reach, rel=0.02)


def test_a_statement_on_persons_says_what_a_key_is_taken_for() -> None:
    assert sketched(mailing(*ALL)).statement().endswith("taking every key for one person.")


@pytest.mark.parametrize(
    ("planes", "words"),
    [(False, "agrees between retailers by a weight"), (True, "told by the sketches' planes")],
)
def test_what_agrees_between_retailers_is_among_the_assumptions(planes: bool, words: str) -> None:  # noqa: FBT001 -- a case
    members = notified(3, planes=planes).members
    assert any(words in line for line in sketched(mailing(*ALL), members).assumptions)
    assert not any(words in line for line in sketched(mailing(), members).assumptions)


def test_persons_have_a_worst_segment_with_a_point() -> None:
    local = dn.Print("Local", reach_1=0.5, target={"state": "CA"})
    segment = sketched(NoticePlan("p", [local])).worst_segment
    assert segment[0] in {"state NY", "state unknown"}
    assert segment[1].estimate == 0.0


def test_the_result_on_persons_is_strict_json() -> None:
    result = sketched(mailing(*ALL))
    assert json.loads(json.dumps(result.to_dict(), allow_nan=False))["estimate"]["estimate"]
