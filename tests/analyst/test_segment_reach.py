import math
from contextlib import suppress

import numpy as np
import pytest

import dpnotice as dn
from dpnotice.analyst.media.drift import Drift
from dpnotice.analyst.plan import NoticePlan
from dpnotice.analyst.rates import Uniform
from dpnotice.analyst.reach import estimate_reach
from dpnotice.errors import EstimateError
from made.known_to_several import mailing, notified
from made.notices import by_state
from made.reaching import (
    ALL,
    ONE,
    TWO,
    direct,
    exactly,
    media,
    noiseless,
    reached,
    release,
    sketched,
    uncertain,
)


# --- segments -------------------------------------------------------------------------------
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


def test_outsiders_are_among_the_members_of_a_state_and_of_no_contact() -> None:
    outside = dn.estimate_class([release()], outside=0.5)
    known, all_ = (reached(direct(), media(0.2), members=m) for m in (ONE, outside))
    by_state_of_known, by_state_of_all = (got.by("state")["estimate"] for got in (known, all_))
    assert by_state_of_all.tolist() == pytest.approx(
        (by_state_of_known / 2 + 0.1).tolist(), abs=2e-3
    )
    emails = [got.by("contact").set_index("contact").loc["email"] for got in (known, all_)]
    assert emails[0]["estimate"] == pytest.approx(emails[1]["estimate"], abs=1e-9)


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


def test_splitting_a_segment_in_its_results_does_not_change_reach() -> None:
    got = reached(direct(), uncertain("A"))
    before = got.draws.tolist()
    got.by("state")
    assert got.draws.tolist() == before


def test_all_segments_share_the_dependence_and_the_drift_of_a_draw() -> None:
    """Were they drawn by segment, the whole would be less uncertain than its parts."""
    alike = by_state(0.3, 0.3, 0.3)
    cells = [[400_000, 0, 0, 0, 0], [400_000, 0, 0, 0, 0], [400_000, 0, 0, 0, 0]]
    members = dn.estimate_class([release(cells)])
    plan = NoticePlan(
        "plan",
        [media(alike), media(0.4, "B")],
        dependence=Uniform(low=0.0, high=0.9),
        drift=Drift(own=0.2, common=0.2),
    )
    got = estimate_reach(plan, members, draws=1_000, seed=1)
    low, high = got.interval()
    table = got.by("state")
    assert high - low > 0.1
    assert table["lower"].tolist() == pytest.approx([low] * 3, abs=2e-3)
    assert table["upper"].tolist() == pytest.approx([high] * 3, abs=2e-3)


# --- persons whom sketches tell apart -------------------------------------------------------
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


def test_asking_by_state_moves_no_draw_of_persons() -> None:
    result = sketched(mailing(*ALL))
    before = result.draws.tolist()
    result.by("state")
    assert sketched(mailing(*ALL)).draws.tolist() == before


def test_persons_have_a_worst_segment_with_a_point() -> None:
    local = dn.Print("Local", reach_1=0.5, target={"state": "CA"})
    segment = sketched(NoticePlan("p", [local])).worst_segment
    assert segment[0] in {"state NY", "state unknown"}
    assert segment[1].estimate == 0.0
