import math
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dpnotice as dn
from dpnotice.analyst.members import ClassEstimate
from dpnotice.analyst.net_reach import as_estimate, drawing, drawn_reach, realised
from dpnotice.analyst.outside import Beyond
from dpnotice.analyst.plan import NoticePlan
from dpnotice.analyst.sampling import SOURCES, Sampling
from made import notices
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
from made.notices import by_state, steady
from made.reaching import (
    ALL,
    ONE,
    PERSONS,
    SINGLE,
    SKETCHED,
    TWO,
    agreeing,
    as_counted,
    direct,
    mailed_class,
    media,
    reached,
    release,
    sketched,
    uncertain,
)
from made.sketched import answered, asking, regions, spread, world_of

shares = st.floats(0, 1)


# --- the reach of a plan --------------------------------------------------------------------
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
@given(shares, shares, st.floats(0, 0.9))
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


# --- members whom no record shows -----------------------------------------------------------
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


# --- frequency ------------------------------------------------------------------------------
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


# --- how often -----------------------------------------------------------------------------
STILL = frozenset(SOURCES.values())
LIGHT = (
    media(0.3, reach_2=0.42, insertions=3),
    media(0.2, "Monthly"),
    dn.Broadcast("radio", grps=40, reach_cap=0.7, dispersion=0.6),
)
"""Published notice of which nobody is exposed more often than twenty times."""


def expected(
    *notices: Any, often: int = 1, dependence: float = 0.0, members: ClassEstimate = ONE
) -> Any:
    """Draws of the share exposed so often, all that is uncertain held still."""
    plan = steady(NoticePlan("plan", notices, dependence=dependence))
    sampling = Sampling(axes=(), draws=1, seed=1, still=STILL)
    return drawn_reach(plan, members, sampling, often=often)[0]


EVERYBODY_MAILED = mailed_class(100_000, 0)


@pytest.mark.parametrize("dependence", [0.0, 0.2, 0.4])
def test_shares_exposed_so_often_sum_to_gross_exposures_per_member(dependence: float) -> None:
    notices = (direct(mode="post", delivered=0.5), *LIGHT)
    found = [
        expected(*notices, often=n, dependence=dependence, members=EVERYBODY_MAILED)
        for n in range(1, 21)
    ]
    assert sum(found) == pytest.approx(0.5 + 0.9 + 0.2 + 0.4, abs=2e-3)


@pytest.mark.parametrize("members", [ONE, TWO], ids=["one", "two"])
@pytest.mark.parametrize("dependence", [0.0, 0.4, 0.8])
def test_fewer_are_exposed_more_often(members: ClassEstimate, dependence: float) -> None:
    found = np.array(
        [
            expected(direct(), *LIGHT, often=n, dependence=dependence, members=members)
            for n in range(1, 8)
        ]
    )
    assert (np.diff(found, axis=0) <= 0).all()
    assert (found[-1] < found[0]).all()


def test_independent_notices_are_met_so_often_as_enumerated() -> None:
    chances = (0.3, 0.4, 0.5)
    notices = (media(0.3), media(0.4, "B"), direct(mode="post", delivered=0.5))
    for often in (1, 2, 3):
        total = sum(
            math.prod(c if met else 1 - c for c, met in zip(chances, case, strict=True))
            for case in product((True, False), repeat=3)
            if sum(case) >= often
        )
        found = expected(*notices, often=often, members=EVERYBODY_MAILED)
        assert found == pytest.approx(total, abs=1e-4)


@pytest.mark.parametrize("tau", [0.1, 0.4, 0.7])
def test_whoever_meets_two_vehicles_is_whom_their_reach_counts_once(tau: float) -> None:
    """Both are met by r_1 + r_2 - reach, with reach in Clayton's form."""
    theta = 2 * tau / (1 - tau)
    unmet = (0.7**-theta + 0.6**-theta - 1) ** (-1 / theta)
    found = expected(media(0.3), media(0.4, "B"), often=2, dependence=tau)
    assert found == pytest.approx(0.7 - (1 - unmet), abs=1e-3)


def test_every_notice_of_a_retailer_counts() -> None:
    both = (direct(delivered=1.0), direct(mode="post", delivered=1.0))
    members = mailed_class(100_000, 0, "email+post")
    found = [expected(*both, often=n, members=members) for n in (1, 2, 3)]
    assert found == pytest.approx([1, 1, 0], abs=1e-3)


def test_outsiders_are_exposed_so_often_by_publication_alone() -> None:
    members = replace(EVERYBODY_MAILED, beyond=Beyond(outside=0.25))
    found = expected(direct(mode="post", delivered=1.0), *LIGHT, often=2, members=members)
    once, twice = (expected(*LIGHT, often=n) for n in (1, 2))
    assert found == pytest.approx(0.75 * once + 0.25 * twice, abs=1e-4)


def test_how_often_over_retailers_has_ends_that_hold_full_overlap_and_none() -> None:
    cells = [[0, 50_000, 0, 0, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0]]
    members = dn.estimate_class([release(cells, retailer=name) for name in ("sephora", "ulta")])
    low, high = expected(
        direct(delivered=0.6), direct("ulta", delivered=0.8), often=2, members=members
    )
    assert low == pytest.approx(0, abs=1e-3)
    assert high >= 0.6 * 0.8 - 1e-3


def test_persons_whom_sketches_tell_apart_are_exposed_so_often_as_their_notices_say(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    agreeing(monkeypatch, 0.0, 0.0)
    plan = steady(mailing(*ALL))
    sampling = Sampling(axes=(), draws=1, seed=1, still=STILL)
    found = [drawn_reach(plan, SKETCHED.members, sampling, often=n)[0] for n in range(1, 6)]
    sizes = SKETCHED.members.by("retailer")["estimate"].to_numpy()
    pieces = sizes @ (MAILED * DELIVERED * SEEN) / PERSONS
    assert sum(found) == pytest.approx(pieces + READERS, rel=0.01)
    assert (np.diff(found) <= 0).all()


# --- sources held still --------------------------------------------------------------------
def everything(members: ClassEstimate) -> tuple[NoticePlan, ClassEstimate]:
    """A plan and a class of which every figure is uncertain."""
    beyond = Beyond(
        outside=dn.beta(mean=0.2, sd=0.05), users_per_buyer=dn.lognormal(mean=1.5, sd=0.1)
    )
    delivered = dn.beta(mean=0.8, sd=0.05)
    mailed = [notices.direct(f"r{i}", delivered=delivered) for i in ALL]
    plan = NoticePlan("all", [*mailed, uncertain("A"), media(0.2, "B")])
    return plan, replace(members, beyond=beyond)


UNCERTAIN = {
    "sketches": everything(SKETCHED.members),
    "planes": everything(notified(3, planes=True).members),
    "ends": everything(SKETCHED.apart()),
}


def draws_of(case: str, still: frozenset[str] = frozenset()) -> Any:
    return drawn_reach(*UNCERTAIN[case], Sampling(axes=(), draws=50, seed=1, still=still))


@pytest.mark.parametrize("case", sorted(UNCERTAIN))
def test_where_every_source_is_held_still_reach_does_not_move(case: str) -> None:
    found = draws_of(case, STILL)
    assert np.ptp(found, axis=0) == pytest.approx(0, abs=1e-12)
    assert found.mean() == pytest.approx(draws_of(case).mean(), abs=0.03)


@pytest.mark.parametrize("case", sorted(UNCERTAIN))
@pytest.mark.parametrize("source", sorted(STILL))
def test_every_source_moves_reach_by_itself(case: str, source: str) -> None:
    found = draws_of(case, STILL - {source})
    nobody_asks = case == "ends" and source == "overlap between retailers"
    assert (np.ptp(found, axis=0).max() > 1e-9) is not nobody_asks


def test_a_source_that_a_plan_does_not_have_changes_no_draw_when_held_still() -> None:
    plan = steady(NoticePlan("p", [direct(delivered=dn.beta(mean=0.9, sd=0.03))]))
    sampling = Sampling(axes=(), draws=50, seed=1)
    before = drawn_reach(plan, ONE, sampling).tolist()
    for source in ("audiences of media", "model error", "dependence between vehicles"):
        held = replace(sampling, still=frozenset({source}))
        assert drawn_reach(plan, ONE, held).tolist() == before


def test_a_source_held_still_leaves_the_draws_of_the_others_bit_by_bit() -> None:
    """Realised reach lies beside expected reach by the same normal numbers as before."""
    plan, members = UNCERTAIN["sketches"]
    sampling = Sampling(axes=(), draws=50, seed=1, still=STILL - {"chance of realised reach"})
    centre = drawn_reach(plan, members, replace(sampling, still=STILL))
    shock = Sampling(axes=(), draws=50, seed=1).stream("realised").standard_normal(50)
    expected_sd = np.sqrt(centre * (1 - centre) / members.size().lower)
    found = drawn_reach(plan, members, sampling)
    assert found.tolist() == (centre + shock * expected_sd).tolist()


@pytest.mark.parametrize("case", sorted(UNCERTAIN))
def test_every_random_number_belongs_to_a_source_with_a_name(
    monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    asked, stream = set(), Sampling.stream

    def listening(self: Sampling, label: str) -> np.random.Generator:
        asked.add(label.partition("/")[0])
        return stream(self, label)

    monkeypatch.setattr(Sampling, "stream", listening)
    draws_of(case)
    assert asked <= set(SOURCES)
    assert len(asked) > 5


@pytest.mark.parametrize("case", sorted(UNCERTAIN))
def test_drawing_again_and_again_gives_the_same_draws_as_drawing_anew(case: str) -> None:
    draw = drawing(*UNCERTAIN[case], Sampling(axes=(), draws=50, seed=1))
    for still in (frozenset[str](), frozenset({"audiences of media"}), STILL):
        assert draw(still).tolist() == draws_of(case, still).tolist()


# --- the chance of realised reach ----------------------------------------------------------
def test_realised_reach_stays_a_fraction() -> None:
    sampling = Sampling(axes=(), draws=1_000, seed=1)
    found = realised(np.full(1_000, 0.5), sampling, persons=2.0)
    assert (found.min(), found.max()) == (0, 1)


def test_both_ends_are_realised_by_the_same_chance() -> None:
    sampling = Sampling(axes=(), draws=50, seed=1)
    ends = realised(np.full((50, 2), 0.5), sampling, persons=10_000.0)
    assert ends[:, 0].tolist() == ends[:, 1].tolist()
    assert len(np.unique(ends)) == 50


# --- draws as an estimate ------------------------------------------------------------------
def test_draws_are_an_estimate_with_a_point_and_pairs_of_ends_one_without() -> None:
    draws = np.linspace(0, 1, 101)
    point = as_estimate(draws, "reach", "plan", 0.9)
    both = as_estimate(np.stack([draws / 2, draws], axis=1), "reach", "plan", 0.9)
    assert (point.estimate, point.lower, point.upper) == pytest.approx((0.5, 0.05, 0.95))
    assert both.estimate is None
    assert (both.lower, both.upper) == pytest.approx((0.025, 0.95))
    assert "overlap between retailers is not known" in both.note
    assert point.note == ""


# --- common random numbers ------------------------------------------------------------------
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
    assert one.draws == pytest.approx(other.draws, abs=SINGLE)


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


# --- several retailers whose sketches were compared -----------------------------------------
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


def test_the_same_seed_gives_persons_the_same_draws_and_another_others() -> None:
    one, again, other = (sketched(mailing(*ALL), seed=seed).draws.tolist() for seed in (1, 1, 2))
    assert one == again != other


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
