from typing import Any

import numpy as np
import pandas as pd
import pytest

from dpnotice import estimate_class
from dpnotice.analyst.media.digital import Digital
from dpnotice.analyst.media.drift import DRIFT, Drift
from dpnotice.analyst.media.publication import Broadcast, Print
from dpnotice.analyst.members import ClassEstimate
from dpnotice.analyst.plan import DEPENDENCE, NoticePlan
from dpnotice.analyst.rates import Uniform, beta
from dpnotice.errors import DpnoticeError
from made.notices import direct, refusal, steady
from made.releases import noisy_release, wen

CELLS = 100 * np.array([[300, 200, 100, 0, 0], [100, 100, 100, 50, 0], [50, 0, 0, 0, 100]])
"""110,000 buyers: 45,000 with both addresses, 30,000 e-mail only, 20,000 post only."""


def members(*retailers: str, scale: float = 0.1) -> ClassEstimate:
    names = retailers or ("sephora",)
    return estimate_class([noisy_release(wen(), CELLS, retailer=n, scale=scale) for n in names])


PAPER = Print("Weekly", reach_1=0.3, reach_2=0.45, insertions=2, cost_usd=1_000)
RADIO = Broadcast("radio", grps=100, reach_cap=0.9, dispersion=1, cost_usd=500)


# --- what a plan is ------------------------------------------------------------------------
def test_a_plan_keeps_its_notices_as_they_were_given() -> None:
    notices = [PAPER, direct()]
    plan = NoticePlan("mixed", notices)
    notices.clear()
    assert plan.notices == (PAPER, direct())


def test_vehicles_and_direct_notices_are_told_apart() -> None:
    plan = NoticePlan("mixed", [direct(), PAPER, RADIO])
    assert plan.media == (PAPER, RADIO)
    assert plan.direct == (direct(),)


def test_the_axes_of_a_plan_are_those_of_its_notices() -> None:
    targeted = Print("Local", reach_1=0.3, target={"state": ["CA"]})
    assert set(NoticePlan("mixed", [direct(), targeted]).axes) == {"contact", "state"}


def test_a_retailer_that_sends_nothing_is_no_direct_notice() -> None:
    silent = [direct("a", cooperation="none"), direct("b", cooperation="dp_counts_only")]
    plan = NoticePlan("p", [*silent, direct("c"), PAPER])
    assert plan.direct == (direct("c"),)
    assert plan.media == (PAPER,)
    assert NoticePlan("p", [*silent, PAPER]).axes == ()


def test_the_default_dependence_is_the_elicited_one_and_never_below_independence() -> None:
    assert (DEPENDENCE.low, DEPENDENCE.high) == (0.0, 0.5)
    assert NoticePlan("p", [PAPER]).dependence == DEPENDENCE


def test_audiences_drift_unless_it_is_said_that_they_do_not() -> None:
    assert NoticePlan("p", [PAPER]).drift == DRIFT
    assert DRIFT.own > 0
    assert DRIFT.common > 0
    assert steady(NoticePlan("p", [PAPER])).drift == Drift(own=0, common=0, union=0)


def test_a_plan_keeps_what_it_does_not_count() -> None:
    said = ["press releases", "visits to the site"]
    plan = NoticePlan("p", [PAPER], exclusions=said)
    said.clear()
    assert plan.exclusions == ("press releases", "visits to the site")
    assert NoticePlan("p", [PAPER]).exclusions == ()


@pytest.mark.parametrize("bad", ["", None, 5, "two\nlines"])
def test_a_plan_is_named_by_a_line_of_text(bad: Any) -> None:
    assert "a plan's name must be a line of text" in refusal(lambda: NoticePlan(bad, [PAPER]))


@pytest.mark.parametrize("bad", ["Weekly", None, PAPER, {PAPER.name}])
def test_notices_are_a_list(bad: Any) -> None:
    assert "notices must be a list" in refusal(lambda: NoticePlan("p", bad))


@pytest.mark.parametrize("bad", ["Weekly", 3, None])
def test_a_notice_is_a_vehicle_or_direct(bad: Any) -> None:
    assert "a notice is a Print, Broadcast, Digital, Curve or Direct" in refusal(
        lambda: NoticePlan("p", [PAPER, bad])
    )


def test_two_notices_of_one_name_are_refused() -> None:
    assert "each notice needs a name of its own" in refusal(lambda: NoticePlan("p", [PAPER, PAPER]))


@pytest.mark.parametrize("bad", [1.5, -0.01, None, "0.5", float("nan"), Uniform(low=-1, high=0)])
def test_a_dependence_outside_zero_to_one_is_refused(bad: object) -> None:
    assert "dependence must be" in refusal(lambda: NoticePlan("p", [PAPER], dependence=bad))


@pytest.mark.parametrize("bad", [0.91, 1.0, Uniform(low=0.5, high=1.0), beta(mean=0.5, sd=0.1)])
def test_a_dependence_that_may_come_near_one_is_refused(bad: object) -> None:
    assert "dependence is a rank correlation from 0 to 0.9" in refusal(
        lambda: NoticePlan("p", [PAPER], dependence=bad)
    )


@pytest.mark.parametrize("bad", [None, 0.1, (0.1, 0.05), {"own": 0.1}])
def test_a_drift_is_stated_as_such(bad: Any) -> None:
    assert "drift must be a Drift" in refusal(lambda: NoticePlan("p", [PAPER], drift=bad))


@pytest.mark.parametrize("bad", ["press releases", None, 3, [None], [""]])
def test_exclusions_are_a_list_of_lines_of_text(bad: Any) -> None:
    assert "exclusions" in refusal(lambda: NoticePlan("p", [PAPER], exclusions=bad))


def test_a_dependence_by_segment_is_refused() -> None:
    frame = pd.DataFrame({"state": ["CA", "NY", "unknown"], "weight": [0.1, 0.2, 0.3]})
    assert "dependence" in refusal(lambda: NoticePlan("p", [PAPER, RADIO], dependence=frame))


# --- whether it fits the class -------------------------------------------------------------
def test_a_plan_within_the_classs_axes_and_retailers_fits() -> None:
    local = Print("Local", reach_1=0.3, target={"state": ["CA", "unknown"]})
    NoticePlan("p", [direct(), PAPER, local]).check_fits(members())


def test_a_retailer_without_a_release_is_refused_with_those_known() -> None:
    plan = NoticePlan("p", [direct("ulta")])
    message = refusal(lambda: plan.check_fits(members("sephora", "amazon")))
    assert "no release of 'ulta'" in message
    assert "amazon, sephora" in message


def test_a_release_of_a_retailer_that_does_not_cooperate_is_refused() -> None:
    plan = NoticePlan("p", [direct(cooperation="none"), PAPER])
    message = refusal(lambda: plan.check_fits(members()))
    assert "sephora does not cooperate, yet its release is among those of the class" in message
    assert "dp_counts_only is a release and no notice" in message


def test_a_retailer_that_does_not_cooperate_and_has_no_release_fits() -> None:
    NoticePlan("p", [direct("ulta", cooperation="none"), PAPER]).check_fits(members())


def test_a_retailer_that_only_counts_needs_a_release() -> None:
    plan = NoticePlan("p", [direct("ulta", cooperation="dp_counts_only")])
    assert "no release of 'ulta'" in refusal(lambda: plan.check_fits(members()))
    plan.check_fits(members("ulta"))


def test_an_axis_that_the_inquiry_lacks_is_refused_with_those_it_has() -> None:
    plan = NoticePlan("p", [Print("Local", reach_1=0.3, target={"age": ["young"]})])
    message = refusal(lambda: plan.check_fits(members()))
    assert "'age' is no axis of the inquiry" in message
    assert "state, contact" in message


def test_a_frame_with_a_misspelled_axis_is_refused() -> None:
    frame = pd.DataFrame({"State": ["CA", "NY", "unknown"], "value": [0.1, 0.2, 0.3]})
    plan = NoticePlan("p", [Print("Local", reach_1=frame)])
    assert "'State' is no axis" in refusal(lambda: plan.check_fits(members()))


@pytest.mark.parametrize("levels", [["TX"], "TX", ["CA", "TX"]])
def test_a_target_level_that_the_axis_lacks_is_refused(levels: object) -> None:
    plan = NoticePlan("p", [Print("Local", reach_1=0.3, target={"state": levels})])
    message = refusal(lambda: plan.check_fits(members()))
    assert "Local: target state must name levels of that axis: CA, NY, unknown" in message


# --- whether it fits an inquiry that nobody has answered -----------------------------------
def test_a_plan_fits_an_inquiry_by_its_axes_whoever_the_retailers_are() -> None:
    local = Print("Local", reach_1=0.3, target={"state": ["CA", "unknown"]})
    NoticePlan("p", [direct("nobody"), PAPER, local]).check_axes(wen().axes)


def test_a_plan_of_publications_needs_no_axis() -> None:
    NoticePlan("p", [PAPER, RADIO]).check_axes(wen(axes={"age": ["old"]}, tables=[{"of": []}]).axes)


def test_an_axis_that_an_inquiry_lacks_is_refused_with_those_it_has() -> None:
    plan = NoticePlan("p", [Print("Local", reach_1=0.3, target={"age": ["young"]})])
    message = refusal(lambda: plan.check_axes(wen().axes))
    assert message == "p: 'age' is no axis of the inquiry; they are state, contact"


def test_a_direct_notice_needs_the_axis_of_contacts() -> None:
    asked = wen(axes={"state": ["CA"]}, tables=[{"of": ["state"]}])
    message = refusal(lambda: NoticePlan("p", [direct()]).check_axes(asked.axes))
    assert "'contact' is no axis of the inquiry; they are state" in message


def test_a_direct_notice_needs_a_level_that_names_its_channel() -> None:
    asked = wen(axes={"contact": ["post", "none"]}, tables=[{"of": ["contact"]}])
    message = refusal(lambda: NoticePlan("p", [direct()]).check_axes(asked.axes))
    assert "no contact level names email" in message
    assert "post, none, unknown" in message


@pytest.mark.parametrize("levels", [["TX"], "TX", ["CA", "TX"]])
def test_a_target_level_that_an_inquiry_lacks_is_refused(levels: object) -> None:
    plan = NoticePlan("p", [Print("Local", reach_1=0.3, target={"state": levels})])
    message = refusal(lambda: plan.check_axes(wen().axes))
    assert "Local: target state must name levels of that axis: CA, NY, unknown" in message


def test_who_sends_nothing_needs_no_axis_of_contacts() -> None:
    asked = wen(axes={"state": ["CA"]}, tables=[{"of": ["state"]}])
    NoticePlan("p", [direct(cooperation="dp_counts_only")]).check_axes(asked.axes)


# --- cooperation ---------------------------------------------------------------------------
def test_whoever_has_a_release_and_no_notice_only_counts() -> None:
    plan = NoticePlan("p", [direct("ulta"), direct("amazon", cooperation="none")])
    assert plan.cooperation(members("sephora", "ulta")) == {
        "sephora": "dp_counts_only",
        "ulta": "sends_itself",
        "amazon": "none",
    }


@pytest.mark.parametrize("order", [1, -1])
def test_whoever_hands_over_a_list_does_so_whatever_else_it_sends(order: int) -> None:
    both = [direct(cooperation="hands_over_list"), direct(mode="post")]
    assert NoticePlan("p", both[::order]).cooperation(members()) == {"sephora": "hands_over_list"}


@pytest.mark.parametrize(
    ("retailer", "cooperation"), [("sephora", "dp_counts_only"), ("x", "none")]
)
def test_who_sends_nothing_costs_and_discloses_nothing(retailer: str, cooperation: str) -> None:
    plan = NoticePlan("p", [PAPER, direct(retailer, cooperation=cooperation, unit_cost_usd=1)])
    cost, records = plan.cost_usd(members()), plan.records_disclosed(members())
    assert cost is not None
    assert (cost.lower, cost.estimate, cost.upper) == (2_000, 2_000, 2_000)
    assert (records.lower, records.estimate, records.upper) == (0, 0, 0)


def test_a_price_is_not_missed_where_nothing_is_sent() -> None:
    plan = NoticePlan("p", [PAPER, direct(cooperation="dp_counts_only")])
    assert plan.cost_usd(members()) is not None


# --- records -------------------------------------------------------------------------------
def test_a_list_discloses_every_buyers_record() -> None:
    plan = NoticePlan("names", [direct(cooperation="hands_over_list")])
    records = plan.records_disclosed(members())
    assert records.unit == "buyers"
    assert records.estimate == pytest.approx(110_000, abs=2)
    assert 110_000 in records


def test_a_retailer_that_sends_itself_discloses_nothing() -> None:
    records = NoticePlan("p", [direct(), PAPER]).records_disclosed(members())
    assert (records.estimate, records.lower, records.upper) == (0, 0, 0)


def test_two_notices_from_one_list_disclose_it_once() -> None:
    both = [direct(mode=mode, cooperation="hands_over_list") for mode in ("email", "post")]
    records = NoticePlan("names", both).records_disclosed(members())
    assert records.estimate == pytest.approx(110_000, abs=2)


def test_lists_of_two_retailers_add_up_before_duplicates_are_removed() -> None:
    both = [direct(name, cooperation="hands_over_list") for name in ("sephora", "ulta")]
    records = NoticePlan("names", both).records_disclosed(members("sephora", "ulta"))
    assert records.estimate == pytest.approx(220_000, abs=4)


def test_the_interval_of_records_covers_the_truth_under_noise() -> None:
    plan = NoticePlan("names", [direct(cooperation="hands_over_list")])
    records = plan.records_disclosed(members(scale=5.0), level=0.999)
    assert 110_000 in records
    assert records.upper > records.lower


@pytest.mark.parametrize("bad", [95, 0, 1, "0.95", None, float("nan")])
def test_records_at_an_impossible_level_are_refused(bad: Any) -> None:
    plan = NoticePlan("names", [direct(cooperation="hands_over_list")])
    with pytest.raises(DpnoticeError, match="level must be a fraction"):
        plan.records_disclosed(members(), level=bad)


# --- cost ----------------------------------------------------------------------------------
def test_media_cost_units_times_price() -> None:
    cost = NoticePlan("p", [PAPER, RADIO]).cost_usd(members())
    assert cost is not None
    assert (cost.estimate, cost.lower, cost.upper, cost.unit) == (2_500, 2_500, 2_500, "USD")


def test_a_piece_is_paid_for_every_buyer_with_a_usable_contact() -> None:
    cost = NoticePlan("p", [direct(unit_cost_usd=0.5)]).cost_usd(members())
    assert cost is not None
    assert cost.estimate == pytest.approx(0.5 * 75_000, abs=5)


def test_a_letter_is_paid_for_postal_addresses_only() -> None:
    cost = NoticePlan("p", [direct(mode="post", unit_cost_usd=1)]).cost_usd(members())
    assert cost is not None
    assert cost.estimate == pytest.approx(65_000, abs=5)


def test_duplicates_over_retailers_are_paid_by_whoever_sends_itself() -> None:
    both = [direct(name, unit_cost_usd=1) for name in ("sephora", "ulta")]
    cost = NoticePlan("p", both).cost_usd(members("sephora", "ulta"))
    assert cost is not None
    assert cost.estimate == pytest.approx(150_000, abs=10)


def test_media_and_pieces_add_up() -> None:
    cost = NoticePlan("p", [PAPER, direct(unit_cost_usd=1)]).cost_usd(members())
    assert cost is not None
    assert cost.estimate == pytest.approx(77_000, abs=5)


@pytest.mark.parametrize(
    "unpriced",
    [
        Print("Daily", reach_1=0.1),
        Broadcast("tv", grps=1, reach_cap=1, dispersion=1),
        Digital(
            "banner",
            impressions=1,
            universe=10,
            viewable=1,
            invalid=0,
            on_target=1,
            devices_per_person=1,
            reach_cap=1,
            dispersion=1,
        ),
        direct(),
    ],
    ids=lambda notice: notice.name,
)
def test_a_missing_price_makes_the_cost_not_given_and_never_zero(unpriced: Any) -> None:
    assert NoticePlan("p", [PAPER, unpriced]).cost_usd(members()) is None


def test_a_price_of_zero_is_a_price() -> None:
    cost = NoticePlan("p", [direct(unit_cost_usd=0)]).cost_usd(members())
    assert cost is not None
    assert cost.estimate == 0


@pytest.mark.parametrize("bad", [95, 0, 1, "0.95", None, float("nan")])
def test_cost_at_an_impossible_level_is_refused(bad: Any) -> None:
    plan = NoticePlan("p", [direct(unit_cost_usd=1)])
    with pytest.raises(DpnoticeError, match="level must be a fraction"):
        plan.cost_usd(members(), level=bad)
