"""What will be asked is the ratio that a release then answers, with the law of its two errors."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dpnotice.analyst.asked import Asked, AskedReach, asked_reach, asked_share
from dpnotice.analyst.design import planned
from dpnotice.analyst.media.drift import Drift
from dpnotice.analyst.media.publication import Print
from dpnotice.analyst.plan import NoticePlan
from dpnotice.analyst.rates import Uniform
from dpnotice.errors import EstimateError, PlanError
from dpnotice.inquiry import Inquiry
from made.notices import by_state, direct, steady
from made.releases import wen

MAILED = NoticePlan("mailed", [direct(delivered=0.8, seen=0.5)])
LOCAL = steady(NoticePlan("local", [Print("Local", reach_1=by_state(0.1, 0.3, 0.9))]))


def every_cell_of(asked: Inquiry) -> Any:
    """Noise variance of a cell of the only table."""
    ((_, noise),) = planned(asked).tables
    return noise.variance


def crossed() -> Inquiry:
    return wen(tables=[{"of": ["state", "contact"]}])


def variances(asked: Asked, inquiry: Inquiry) -> tuple[float, float, float]:
    top, bottom = asked.errors(planned(inquiry))
    return top.variance, bottom.variance, top.covariance(bottom)


# --- a share -------------------------------------------------------------------------------
def test_a_share_is_one_half_and_may_be_anything() -> None:
    share = asked_share(wen(), {"contact": ["post"]}, 1)
    assert share.drawn.tolist() == [0.5]
    assert share.span == (0.0, 1.0)
    assert "one half" in share.assumption


def test_a_share_says_what_it_is_and_of_whom() -> None:
    share = asked_share(wen(), {"contact": ["post", "email"], "state": "CA"}, 1)
    assert (share.quantity, share.segment) == (
        "share of known buyers",
        "contact post or email, state CA",
    )


def test_the_errors_of_a_share_in_one_table_are_those_of_its_cells_and_of_all_cells() -> None:
    inquiry = crossed()
    share = asked_share(inquiry, {"contact": ["post", "email"]}, 1)
    v = every_cell_of(inquiry)
    assert variances(share, inquiry) == pytest.approx((6 * v, 15 * v, 6 * v))


def test_the_errors_of_a_share_add_over_retailers() -> None:
    inquiry = wen()
    one, three = (asked_share(inquiry, {"contact": "post"}, n) for n in (1, 3))
    expected = [3 * variance for variance in variances(one, inquiry)]
    assert variances(three, inquiry) == pytest.approx(expected)


def test_unknown_is_in_the_denominator_of_a_share() -> None:
    inquiry = wen(tables=[{"of": ["contact"]}])
    known = asked_share(inquiry, {"contact": ["email+post", "email", "post", "none"]}, 1)
    top, bottom, _ = variances(known, inquiry)
    assert top == pytest.approx(bottom * 4 / 5)


@pytest.mark.parametrize("bad", [None, "contact", ["contact"], 5, {"contact"}])
def test_a_share_is_of_a_part(bad: Any) -> None:
    with pytest.raises(EstimateError, match="query is the part of a share, for instance"):
        asked_share(wen(), bad, 1)


@pytest.mark.parametrize("bad", [{}, {"within": {"state": "CA"}}])
def test_a_share_of_no_part_is_refused(bad: Any) -> None:
    with pytest.raises(EstimateError, match="share needs a part"):
        asked_share(wen(), bad, 1)


def test_a_share_within_a_part_is_taken_of_that_parts_cells() -> None:
    inquiry = crossed()
    query = {"contact": ["post", "email"], "within": {"state": "CA"}}
    share = asked_share(inquiry, query, 1)
    v = every_cell_of(inquiry)
    assert variances(share, inquiry) == pytest.approx((2 * v, 5 * v, 2 * v))
    assert "CA" in share.segment


@pytest.mark.parametrize("axis", ["age", "Contact", "", 3])
def test_an_axis_that_the_inquiry_lacks_is_refused_with_those_it_has(axis: Any) -> None:
    with pytest.raises(EstimateError, match="axes of the inquiry; they are state, contact"):
        asked_share(wen(), {axis: "post"}, 1)


@pytest.mark.parametrize("levels", ["fax", ["post", "fax"], [], 3, None, [None]])
def test_a_level_that_the_axis_lacks_is_refused_with_those_it_has(levels: Any) -> None:
    with pytest.raises(EstimateError, match="must name levels of that axis: email"):
        asked_share(wen(), {"contact": levels}, 1)


# --- a reach -------------------------------------------------------------------------------
def test_a_reach_is_named_by_its_plan() -> None:
    reach = asked_reach(wen(), MAILED, 1)
    assert (reach.quantity, reach.segment) == ("reach of known buyers", "mailed")
    assert "spread evenly" in reach.assumption


def test_a_reach_varies_by_the_axes_of_its_plan_in_the_inquirys_order() -> None:
    both = NoticePlan("both", [*MAILED.notices, *LOCAL.notices])
    reach = asked_reach(wen(), both, 1)
    assert reach.names == ("state", "contact")
    assert reach.rates.shape == (1, 3, 5)


def test_the_rates_of_a_reach_are_those_of_the_plan() -> None:
    assert asked_reach(wen(), LOCAL, 1).rates[0] == pytest.approx([0.1, 0.3, 0.9])
    assert asked_reach(wen(), MAILED, 1).rates[0] == pytest.approx([0.4, 0.4, 0, 0, 0])


def test_a_reach_expects_buyers_spread_evenly_over_known_levels() -> None:
    assert asked_reach(wen(), LOCAL, 1).drawn == pytest.approx(0.2)
    assert asked_reach(wen(), MAILED, 1).drawn == pytest.approx(0.4 * 2 / 4)


def test_a_reach_spans_from_the_cell_reached_least_to_the_one_reached_most() -> None:
    assert asked_reach(wen(), LOCAL, 1).span == pytest.approx((0.1, 0.9))


def test_buyers_of_retailers_without_direct_notice_are_reached_by_media_alone() -> None:
    mixed = steady(NoticePlan("mixed", [*MAILED.notices, Print("All", reach_1=0.2)]))
    reach = asked_reach(wen(), mixed, 2)
    assert reach.rates[1] == pytest.approx([0.2] * 5)
    assert reach.drawn == pytest.approx(((1 - 0.8 * 0.6) * 0.5 + 0.2 * 0.5) / 2 + 0.2 / 2)


def test_every_retailer_of_the_plan_answers_however_few_are_said_to() -> None:
    both = NoticePlan("both", [direct("sephora"), direct("ulta")])
    assert len(asked_reach(wen(), both, 1).rates) == 2


def test_one_retailer_with_two_notices_is_one() -> None:
    both = NoticePlan("both", [direct(mode="email"), direct(mode="post")])
    assert len(asked_reach(wen(), both, 1).rates) == 1


def test_the_errors_of_a_reach_in_one_table_weigh_its_cells_by_their_rates() -> None:
    inquiry = wen(tables=[{"of": ["state"]}])
    v = every_cell_of(inquiry)
    expected = ((0.01 + 0.09 + 0.81) * v, 3 * v, (0.1 + 0.3 + 0.9) * v)
    assert variances(asked_reach(inquiry, LOCAL, 1), inquiry) == pytest.approx(expected)


def test_the_errors_of_a_reach_add_over_retailers_with_rates_of_their_own() -> None:
    inquiry = wen(tables=[{"of": ["contact"]}])
    v = every_cell_of(inquiry)
    plan = NoticePlan("p", [direct("sephora", delivered=1.0, seen=1.0)])
    top, bottom, both = variances(asked_reach(inquiry, plan, 2), inquiry)
    assert (top, bottom, both) == pytest.approx((2 * v, 10 * v, 2 * v))


def test_a_law_of_the_plan_shows_in_what_the_reach_may_come_to() -> None:
    reach = asked_reach(wen(), NoticePlan("p", [direct(delivered=Uniform(low=0.5, high=1.0))]), 1)
    assert reach.drawn.std() > 0.02
    assert reach.rates[0, 0] == pytest.approx(2 * reach.drawn.mean())


def test_the_drift_of_audiences_shows_in_what_the_reach_may_come_to() -> None:
    drifting = asked_reach(wen(), replace(LOCAL, drift=Drift(own=0.3, common=0.0)), 1)
    assert asked_reach(wen(), LOCAL, 1).drawn.std() == pytest.approx(0, abs=1e-12)
    assert drifting.drawn.std() > 0.02


def test_a_retailer_that_sends_nothing_is_reached_by_media_alone() -> None:
    counts = direct("ulta", delivered=0.8, cooperation="dp_counts_only")
    plan = steady(NoticePlan("p", [*MAILED.notices, counts, Print("All", reach_1=0.2)]))
    assert asked_reach(wen(), plan, 2).rates[1] == pytest.approx([0.2] * 5)


@pytest.mark.parametrize("seed", [0, 7])
def test_the_same_seed_gives_the_same_reach(seed: int) -> None:
    plan = NoticePlan("p", [direct(delivered=Uniform(low=0.5, high=1.0))])
    one, again = (asked_reach(wen(), plan, 1, seed=seed) for _ in range(2))
    assert one.drawn.tolist() == again.drawn.tolist()


@pytest.mark.parametrize("bad", ["plan", [direct()], direct(), {}])
def test_what_is_no_plan_is_refused(bad: Any) -> None:
    with pytest.raises(EstimateError, match="plan must be a NoticePlan, got"):
        asked_reach(wen(), bad, 1)


@pytest.mark.parametrize(
    ("notice", "words"),
    [
        (Print("Local", reach_1=0.3, target={"age": "young"}), "'age' is no axis of the inquiry"),
        (Print("Local", reach_1=0.3, target={"state": "TX"}), "must name levels of that axis"),
        (
            Print("Local", reach_1=pd.DataFrame({"State": ["CA"], "value": [0.1]})),
            "'State' is no axis of the inquiry",
        ),
    ],
)
def test_a_plan_that_does_not_fit_the_inquiry_is_refused(notice: Print, words: str) -> None:
    with pytest.raises(PlanError, match=words):
        asked_reach(wen(), NoticePlan("p", [notice]), 1)


def test_a_plan_by_axes_that_no_table_holds_together_has_no_errors() -> None:
    inquiry = wen(tables=[{"of": ["state"]}, {"of": ["contact"]}])
    reach = asked_reach(inquiry, NoticePlan("p", [*MAILED.notices, *LOCAL.notices]), 1)
    with pytest.raises(EstimateError, match="no released table holds state x contact together"):
        reach.errors(planned(inquiry))


def test_a_plan_that_varies_by_no_axis_needs_the_total_alone() -> None:
    inquiry = wen(tables=[{"of": []}])
    plan = steady(NoticePlan("p", [Print("All", reach_1=0.3)]))
    reach = asked_reach(inquiry, plan, 1)
    assert isinstance(reach, AskedReach)
    v = every_cell_of(inquiry)
    assert variances(reach, inquiry) == pytest.approx((0.09 * v, v, 0.3 * v))


def test_rates_have_a_place_for_every_level_of_the_inquirys_axes() -> None:
    reach = asked_reach(wen(), LOCAL, 3)
    assert reach.rates.shape == (3, 3)
    assert np.all((reach.rates >= 0) & (reach.rates <= 1))
