from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dpnotice as dn
from dpnotice.analyst.members import ClassEstimate
from dpnotice.analyst.outside import Beyond
from dpnotice.analyst.plan import NoticePlan
from dpnotice.analyst.proxy import proxy_gap_draws
from dpnotice.analyst.sampling import Sampling
from made.notices import by_state, direct, refusal
from made.reaching import media, reached
from made.releases import noisy_release, wen

AGES = ("young", "old", "unknown")
YOUNG = 0.6 * 0.5 + 0.4 * 0.2
"""Reach among an audience of which three in five are young."""
PEOPLE = wen(
    axes={"state": ["CA", "NY"], "age": list(AGES[:2])},
    tables=[{"of": []}, {"of": ["state", "age"]}],
)
CELLS = 1_000 * np.array([[20, 50, 0], [10, 20, 0], [0, 0, 0]])
"""By state and age: three in ten are young."""
OLD = 0.3 * 0.5 + 0.7 * 0.2
"""Reach among the class."""


def by_age(young: float, old: float, unknown: float = 0.0) -> pd.DataFrame:
    return pd.DataFrame({"age": AGES, "value": [young, old, unknown]})


def people(*tables: Any) -> ClassEstimate:
    names = ("sephora", "ulta", "target")
    return dn.estimate_class(
        [
            noisy_release(PEOPLE, cells, retailer=name)
            for name, cells in zip(names, tables, strict=False)
        ]
    )


MEMBERS = people(CELLS)
PAPER = media(by_age(0.5, 0.2))


def gap(*notices: Any, audience: Any, members: ClassEstimate = MEMBERS, **options: Any) -> Any:
    return reached(*notices, members=members, **options).proxy_gap(audience)


# --- by how much a proxy audience errs -------------------------------------------------------
def test_a_proxy_younger_than_the_class_claims_more_of_a_paper_of_the_young() -> None:
    got = gap(PAPER, audience=by_age(0.6, 0.4))
    assert got.estimate == pytest.approx(YOUNG - OLD, abs=1e-4)
    assert (got.unit, got.segment) == ("fraction", "plan")


def test_a_proxy_of_the_old_claims_less() -> None:
    got = gap(PAPER, audience=by_age(0.0, 1.0))
    assert got.estimate == pytest.approx(0.2 - OLD, abs=1e-4)


def test_the_gap_is_of_all_media_together() -> None:
    got = gap(PAPER, media(by_age(0.1, 0.4), "Monthly"), audience=by_age(0.6, 0.4))
    young, old = 1 - 0.5 * 0.9, 1 - 0.8 * 0.6
    assert got.estimate == pytest.approx(0.3 * young - 0.3 * old, abs=1e-4)


def test_vehicles_hang_together_in_the_audience_as_in_the_class() -> None:
    """At a rank correlation of 1/2, k is 1/2 and P = (1 / P_1^2 + 1 / P_2^2 - 1)^(-1/2)."""
    two = [PAPER, media(by_age(0.1, 0.4), "Monthly")]
    got = gap(*two, audience=by_age(0.6, 0.4), dependence=0.5)
    young, old = (
        1 - (p**-2 + q**-2 - 1) ** -0.5 for p, q in ((1 - 0.5, 1 - 0.1), (1 - 0.2, 1 - 0.4))
    )
    assert got.estimate == pytest.approx(0.3 * young - 0.3 * old, abs=1e-4)


@given(st.lists(st.integers(1, 50), min_size=2, max_size=2), st.floats(0, 1), st.floats(0, 1))
def test_a_proxy_composed_like_the_class_claims_what_is_reached(
    ages: list[int], young: float, old: float
) -> None:
    members = people(1_000 * np.array([[*ages, 0], [0, 0, 0], [0, 0, 0]]))
    own = by_age(ages[0] / sum(ages), ages[1] / sum(ages))
    got = gap(media(by_age(young, old)), audience=own, members=members, draws=20)
    assert got.estimate == pytest.approx(0, abs=1e-3)


def test_media_that_reach_everybody_alike_have_no_gap() -> None:
    got = gap(media(0.4), audience=by_age(1.0, 0.0))
    assert (got.lower, got.upper) == pytest.approx((0, 0), abs=1e-12)


def test_how_far_an_uncertain_medium_reaches_is_drawn_alike_for_both() -> None:
    """The gap of a paper of one state is known as well as its reach there, times the shares."""
    paper = media(dn.beta(mean=0.5, sd=0.1), target={"state": "CA"})
    result = reached(paper, members=MEMBERS, draws=400)
    own, all_there = result.proxy_gap(by_state(0.7, 0.3, 0)), result.proxy_gap(by_state(1, 0, 0))
    assert (own.lower, own.upper) == pytest.approx((0, 0), abs=1e-3)
    low, high = result.interval()
    assert (all_there.lower, all_there.upper) == pytest.approx(
        (0.3 * low / 0.7, 0.3 * high / 0.7), abs=5e-3
    )


def test_audiences_drift_alike_in_the_proxy_and_the_class() -> None:
    plan = NoticePlan("plan", [PAPER])
    got = dn.estimate_reach(plan, MEMBERS, draws=400, seed=1).proxy_gap(by_age(0.3, 0.7))
    assert (got.lower, got.upper) == pytest.approx((0, 0), abs=1e-3)


def test_shares_by_further_axes_stand_for_their_sums_over_them() -> None:
    rows = [("old", "NY", 0.1), ("young", "CA", 0.6), ("old", "CA", 0.3), ("young", "NY", 0.0)]
    rows += [(age, "unknown", 0.0) for age in AGES] + [("unknown", s, 0.0) for s in ("CA", "NY")]
    both = pd.DataFrame(rows, columns=["age", "state", "share"])
    one, other = (gap(PAPER, audience=a).estimate for a in (both, by_age(0.6, 0.4)))
    assert one == pytest.approx(other, abs=1e-6)


def test_the_order_of_an_audiences_axes_is_its_own() -> None:
    by_both = pd.DataFrame(
        [(s, a, v) for s, v in (("CA", 0.5), ("NY", 0.1), ("unknown", 0.0)) for a in AGES],
        columns=["state", "age", "value"],
    )
    rows = [(a, s, 0.0) for a in AGES for s in ("CA", "NY", "unknown")]
    shares = pd.DataFrame(rows, columns=["age", "state", "share"])
    shares.loc[(shares["age"] == "old") & (shares["state"] == "NY"), "share"] = 1.0
    got = gap(media(by_both), audience=shares)
    assert got.estimate == pytest.approx(0.1 - (0.7 * 0.5 + 0.3 * 0.1), abs=1e-4)


# --- what it is compared with ----------------------------------------------------------------
def test_letters_and_members_in_nobodys_records_change_no_gap() -> None:
    contact = wen(
        axes={"age": list(AGES[:2]), "contact": ["post", "none"]},
        tables=[{"of": []}, {"of": ["age", "contact"]}],
    )
    cells = 1_000 * np.array([[20, 10, 0], [10, 60, 0], [0, 0, 0]])
    members = dn.estimate_class([noisy_release(contact, cells)])
    beyond = replace(members, beyond=Beyond(outside=0.3, users_per_buyer=1.5))
    audience = by_age(0.6, 0.4)
    plain = gap(PAPER, audience=audience, members=members)
    more = gap(PAPER, direct(mode="post", seen=1.0), audience=audience, members=beyond)
    assert plain.estimate == pytest.approx(YOUNG - OLD, abs=1e-4)
    assert more.estimate == pytest.approx(plain.estimate, abs=1e-9)


def test_a_plan_without_media_has_no_gap() -> None:
    assert gap(audience=by_age(0.6, 0.4)).estimate == 0


def test_retailers_whose_overlap_is_not_known_leave_ends() -> None:
    """Young 10,000 and old 10,000 to 20,000 persons, of whom 0.5 and 0.2 are reached."""
    one, other = np.zeros((2, 3, 3), dtype=int)
    one[0, :2], other[0, 1] = 10_000, 10_000
    got = gap(PAPER, audience=by_age(1.0, 0.0), members=people(one, other), draws=50)
    assert got.estimate is None
    assert (got.lower, got.upper) == pytest.approx((0.5 - 0.35, 0.5 - 0.3), abs=1e-3)
    assert "overlap between retailers is not known" in got.note


def test_draws_are_one_for_each_or_a_pair_of_ends() -> None:
    plan, audience = NoticePlan("plan", [PAPER]), by_age(0.6, 0.4)
    sampling = Sampling(axes=(), draws=7, seed=1)
    assert proxy_gap_draws(plan, MEMBERS, audience, sampling).shape == (7,)
    ends = proxy_gap_draws(plan, people(CELLS, CELLS), audience, sampling)
    assert ends.shape == (7, 2)
    assert (ends[:, 0] <= ends[:, 1]).all()


def test_a_level_widens_the_interval() -> None:
    result = reached(media(dn.beta(mean=0.5, sd=0.1), target={"state": "CA"}), members=MEMBERS)
    narrow, wide = (result.proxy_gap(by_state(1, 0, 0), level) for level in (0.5, 0.95))
    assert wide.lower < narrow.lower < narrow.upper < wide.upper
    assert (narrow.level, wide.level) == (0.5, 0.95)


# --- refusals --------------------------------------------------------------------------------
@pytest.mark.parametrize("audience", [0.6, dn.beta(mean=0.6, sd=0.1), by_state(0.5, 0.5, 0)])
def test_an_audience_by_no_axis_of_the_media_is_refused(audience: object) -> None:
    message = refusal(lambda: gap(PAPER, audience=audience))
    assert "audience must be a frame of shares by age, by which the plan's media vary" in message


@pytest.mark.parametrize("audience", [0.6, dn.beta(mean=0.6, sd=0.1)])
def test_an_audience_by_no_axis_at_all_is_refused(audience: object) -> None:
    message = refusal(lambda: gap(media(0.4), audience=audience))
    assert "audience must be a frame of shares by an axis" in message


def test_an_audience_by_some_axes_of_the_media_is_refused() -> None:
    message = refusal(
        lambda: gap(PAPER, media(0.1, "Local", target={"state": "CA"}), audience=by_age(0.6, 0.4))
    )
    assert "by age, state" in message
    assert message.endswith("got age")


@pytest.mark.parametrize("shares", [(0.6, 0.3), (0.6, 0.6), (0.0, 0.0)])
def test_shares_that_do_not_sum_to_1_are_refused(shares: tuple[float, float]) -> None:
    message = refusal(lambda: gap(PAPER, audience=by_age(*shares)))
    assert message.endswith(f"shares sum to {sum(shares):.4f}, not to 1; percentages?")


def test_percents_are_asked_about() -> None:
    message = refusal(lambda: gap(PAPER, audience=by_age(60, 40)))
    assert message.startswith("PERCENTAGES: audience must be a fraction in [0, 1]")


def test_negative_shares_are_refused() -> None:
    assert "audience must be" in refusal(lambda: gap(PAPER, audience=by_age(1.2, -0.2)))


def test_an_axis_that_the_inquiry_does_not_have_is_refused() -> None:
    income = pd.DataFrame({"income": ["high"], "share": [1.0]})
    assert "income" in refusal(lambda: gap(media(0.3), audience=income))


def test_a_level_that_is_missing_is_refused() -> None:
    audience = by_age(0.6, 0.4).iloc[:2]
    assert "add the missing rows" in refusal(lambda: gap(PAPER, audience=audience))
