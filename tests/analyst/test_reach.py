import json
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import dpnotice as dn
from dpnotice.analyst.members import ClassEstimate
from dpnotice.analyst.plan import NoticePlan
from dpnotice.analyst.reach import ReachEstimate, estimate_reach
from dpnotice.errors import DpnoticeError, EstimateError, PlanError
from dpnotice.result import SUMMARY_COLUMNS, Result
from made.known_to_several import mailing, notified
from made.notices import by_state
from made.reaching import (
    ALL,
    ONE,
    TWO,
    direct,
    exactly,
    mailed_class,
    media,
    noiseless,
    reached,
    release,
    sketched,
    uncertain,
)


# --- interval and probability ---------------------------------------------------------------
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


# --- how often -----------------------------------------------------------------------------
TWICE = (direct(), media(0.3, reach_2=0.42, insertions=3), media(0.2, "B"))


def test_once_or_more_often_is_reach_itself() -> None:
    got = reached(*TWICE, draws=3_000)
    once = got.reach_n_plus(1)
    assert once.estimate == got.reach
    assert (once.lower, once.upper) == got.interval()


def test_more_often_is_rarer_and_says_how_often() -> None:
    got = reached(*TWICE, draws=3_000, dependence=0.3)
    twice, thrice = got.reach_n_plus(2), got.reach_n_plus(3, level=0.8)
    assert got.reach > twice.estimate > thrice.estimate > 0
    assert twice.lower < twice.estimate < twice.upper
    assert twice.quantity == "share of known buyers exposed 2 times or more"
    assert (thrice.level, thrice.unit, thrice.segment) == (0.8, "fraction", "plan")


def test_how_often_has_ends_only_where_reach_has() -> None:
    found = reached(*TWICE, members=TWO).reach_n_plus(2)
    assert found.estimate is None
    assert 0 <= found.lower < found.upper <= 1


@pytest.mark.parametrize("bad", [0, -1, 21, 2.0, "2", None, True])
def test_a_number_of_exposures_that_is_not_told_is_refused(bad: Any) -> None:
    got = reached(media())
    exactly("counts exposures, 1 to 20, got", EstimateError, lambda: got.reach_n_plus(bad))


# --- where the width comes from ------------------------------------------------------------
NOISY = dn.estimate_class([release(scale=2_000.0)])
MAILED_BY_LAW = direct(delivered=dn.beta(mean=0.9, sd=0.03))


def explained(*notices: Any, members: ClassEstimate = NOISY, **stated: Any) -> pd.DataFrame:
    plan = NoticePlan("plan", notices, **stated)
    return estimate_reach(plan, members, draws=300, seed=1).explain()


@pytest.mark.parametrize(
    "members",
    [NOISY, dn.estimate_class([release()], outside=dn.beta(mean=0.2, sd=0.05)), TWO],
    ids=["one", "outsiders", "ends"],
)
def test_shares_of_the_width_sum_to_one(members: ClassEstimate) -> None:
    found = explained(MAILED_BY_LAW, uncertain("A"), uncertain("B"), members=members)
    assert found["share_of_width"].sum() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("members", [NOISY, TWO], ids=["one", "ends"])
def test_the_points_of_all_sources_sum_to_the_width(members: ClassEstimate) -> None:
    got = reached(MAILED_BY_LAW, uncertain("A"), members=members)
    low, high = got.interval(0.8)
    assert got.explain(level=0.8)["points"].sum() == pytest.approx(high - low, abs=1e-12)


def test_the_sources_that_move_are_named_and_no_others() -> None:
    always = {"privacy noise", "chance of realised reach"}
    assert set(reached(direct(), members=NOISY).explain()["source"]) == always
    every = explained(MAILED_BY_LAW, uncertain("A"), uncertain("B"))
    assert set(every["source"]) == {
        *always,
        "audiences of media",
        "dependence between vehicles",
        "deliverability of direct notice",
        "model error",
    }


def test_a_source_that_moves_reach_by_rounding_alone_is_not_named() -> None:
    assert reached(media()).explain()["source"].tolist() == ["chance of realised reach"]


def test_vehicles_of_which_only_the_drift_is_uncertain_are_explained() -> None:
    found = explained(media(0.3), media(0.4, "B")).set_index("source")
    assert {"model error", "dependence between vehicles"} <= set(found.index)
    assert "audiences of media" not in found.index


def test_the_overlap_left_open_is_a_source_where_reach_is_a_pair_of_ends() -> None:
    found = explained(MAILED_BY_LAW, direct("ulta"), members=TWO).set_index("source")
    assert found.loc["overlap left open", "share_of_width"] > 0.5
    assert found.index[0] == "overlap left open"


def test_whatever_is_known_of_the_widest_source_narrows_most() -> None:
    found = reached(direct(delivered=dn.beta(mean=0.7, sd=0.2)), uncertain("A")).explain()
    assert found["source"].iloc[0] == "deliverability of direct notice"
    assert found["width_if_known"].idxmin() == 0
    assert found["points"].is_monotonic_decreasing


def test_a_plan_of_nothing_has_no_width_to_explain() -> None:
    assert reached().explain().empty


# --- who cooperates, and drift -------------------------------------------------------------
def test_a_retailer_that_only_counts_reaches_nobody_by_its_own_notice() -> None:
    silent = reached(direct(cooperation="dp_counts_only"), media())
    assert silent.draws.tolist() == reached(media()).draws.tolist()


def test_a_retailer_that_does_nothing_and_has_no_release_changes_nothing() -> None:
    silent = reached(direct("ulta", cooperation="none"), media())
    assert silent.draws.tolist() == reached(media()).draws.tolist()


def test_a_retailer_that_does_nothing_and_has_a_release_is_refused() -> None:
    exactly("does not cooperate", PlanError, lambda: reached(direct(cooperation="none"), media()))


def test_audiences_that_drift_widen_the_interval_and_hardly_move_reach() -> None:
    measured = reached(media(), draws=2_000)
    drifting = estimate_reach(NoticePlan("plan", [media()]), ONE, draws=2_000, seed=1)
    assert drifting.reach == pytest.approx(measured.reach, abs=0.01)
    assert np.subtract(*drifting.interval()) < 5 * np.subtract(*measured.interval())


# --- bounds ---------------------------------------------------------------------------------
DEPENDENCES = [0.0, 0.3, 0.9]


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


# --- several retailers ----------------------------------------------------------------------
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


# --- refusals -------------------------------------------------------------------------------
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


# --- what every result answers --------------------------------------------------------------
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
    assert "no date given for: Weekly, B" in got.assumptions


def test_dependence_is_among_the_assumptions_of_several_vehicles_only() -> None:
    lines = reached(media(), uncertain("B"), dependence=0.25).assumptions
    assert any("rank correlation 0.25" in line for line in lines)
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


def test_the_result_on_persons_is_strict_json() -> None:
    result = sketched(mailing(*ALL))
    assert json.loads(json.dumps(result.to_dict(), allow_nan=False))["estimate"]["estimate"]
