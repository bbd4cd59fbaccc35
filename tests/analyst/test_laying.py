import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpnotice import estimate_class
from dpnotice.analyst import laying
from dpnotice.analyst.direct import Direct
from dpnotice.analyst.exposed import Exposed
from dpnotice.analyst.laying import chances, grid, lay
from dpnotice.analyst.media import Broadcast, Print
from dpnotice.analyst.members import ClassEstimate
from dpnotice.analyst.plan import NoticePlan
from dpnotice.analyst.rates import beta
from dpnotice.errors import PlanError
from made.known_to_several import mailing, notified
from made.notices import direct
from made.releases import noisy_release, wen

shares = st.floats(0, 1)
audiences = st.lists(shares, min_size=1, max_size=5)
EVERYONE_MAILED = [[0, 70_000, 0, 0, 0], [0, 30_000, 0, 0, 0], [0, 0, 0, 0, 0]]
ONE = estimate_class([noisy_release(wen(), EVERYONE_MAILED)])
TWO = estimate_class(
    [noisy_release(wen(), EVERYONE_MAILED, retailer=name) for name in ("sephora", "ulta")]
)


def laid(plan: NoticePlan, members: ClassEstimate = ONE, draws: int = 3) -> Exposed:
    return lay(plan, members, grid(plan, members, draws, 0))


def media(*reached: float, dependence: float = 0.0) -> NoticePlan:
    vehicles = [Print(f"v{i}", reach_1=r) for i, r in enumerate(reached)]
    return NoticePlan("media", vehicles, dependence=dependence)


def media_reach(*reached: float, dependence: float = 0.0) -> float:
    return float(1 - laid(media(*reached, dependence=dependence)).media[0, 0])


def mailed(*delivered: float, retailers: tuple[str, ...] = ("sephora",)) -> list[Direct]:
    notices = zip(retailers, delivered, strict=True)
    return [direct(name, delivered=d, seen=1.0) for name, d in notices]


# --- dependence between vehicles -----------------------------------------------------------
@given(audiences)
def test_at_zero_vehicles_combine_by_sainsbury(reached: list[float]) -> None:
    expected = 1 - math.prod(1 - r for r in reached)
    assert media_reach(*reached) == pytest.approx(expected, abs=1e-12)


@given(audiences)
def test_at_one_reach_is_that_of_the_largest(reached: list[float]) -> None:
    assert media_reach(*reached, dependence=1.0) == pytest.approx(max(reached), abs=1e-12)


@given(audiences)
def test_at_minus_one_reach_is_the_sum_up_to_everybody(reached: list[float]) -> None:
    expected = min(1.0, sum(reached))
    assert media_reach(*reached, dependence=-1.0) == pytest.approx(expected, abs=1e-12)


@given(audiences, st.floats(-1, 1), st.floats(-1, 1))
def test_more_dependence_never_raises_reach(reached: list[float], one: float, other: float) -> None:
    apart, together = (media_reach(*reached, dependence=w) for w in sorted((one, other)))
    assert together <= apart + 1e-12


@given(st.lists(shares, min_size=2, max_size=4), st.floats(0, 1))
def test_between_the_ends_dependence_mixes_in_proportion(reached: list[float], w: float) -> None:
    independent, largest = media_reach(*reached), media_reach(*reached, dependence=1.0)
    expected = (1 - w) * independent + w * largest
    assert media_reach(*reached, dependence=w) == pytest.approx(expected, abs=1e-12)


@given(shares, st.floats(-1, 1))
def test_every_vehicle_keeps_its_own_reach(reached: float, dependence: float) -> None:
    assert media_reach(reached, dependence=dependence) == pytest.approx(reached, abs=1e-12)


@given(audiences, shares, st.floats(-1, 1))
def test_another_vehicle_never_lowers_reach(
    reached: list[float], more: float, dependence: float
) -> None:
    before = media_reach(*reached, dependence=dependence)
    assert media_reach(*reached, more, dependence=dependence) >= before - 1e-12


@given(st.permutations([0.1, 0.3, 0.5, 0.9]), st.floats(-1, 1))
def test_the_order_of_vehicles_does_not_matter(reached: list[float], dependence: float) -> None:
    expected = media_reach(*sorted(reached), dependence=dependence)
    assert media_reach(*reached, dependence=dependence) == pytest.approx(expected)


def test_gross_exposures_add_over_vehicles() -> None:
    radio = Broadcast("radio", grps=150, reach_cap=0.9, dispersion=1)
    plan = NoticePlan("p", [Print("v", reach_1=0.3), radio])
    assert laid(plan).gross == pytest.approx(1.8)


def test_without_vehicles_nobody_meets_published_notice() -> None:
    assert laid(NoticePlan("p", mailed(0.9))).media.tolist() == np.ones((3, 5)).tolist()


# --- direct and published ------------------------------------------------------------------
@given(shares, shares)
def test_direct_and_published_notice_are_independent_within_a_cell(
    delivered: float, published: float
) -> None:
    exposed = laid(NoticePlan("p", [*mailed(delivered), Print("v", reach_1=published)]))
    assert exposed.reach() == pytest.approx(1 - (1 - delivered) * (1 - published), abs=1e-4)


@given(shares, shares)
def test_the_widest_ends_for_one_retailer_are_those_of_frechet(
    delivered: float, published: float
) -> None:
    exposed = laid(NoticePlan("p", [*mailed(delivered), Print("v", reach_1=published)]))
    low, high = exposed.widest()[0][0]
    assert low == pytest.approx(max(delivered, published), abs=1e-4)
    assert high == pytest.approx(min(1, delivered + published), abs=1e-4)


def test_two_notices_of_one_retailer_fail_together_or_separately() -> None:
    both = [
        Direct("sephora", mode=mode, cooperation="sends_itself", delivered=d, seen=1.0)
        for mode, d in (("email", 0.5), ("post", 0.6))
    ]
    cells = [[100_000, 0, 0, 0, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0]]
    members = estimate_class([noisy_release(wen(), cells)])
    unseen = laid(NoticePlan("p", both), members, draws=2_000).direct[0, :, 0]
    assert unseen.min() == pytest.approx(0.5 * 0.4, abs=0.01)
    assert unseen.max() == pytest.approx(0.4, abs=0.01)


@given(shares, shares)
def test_the_ends_for_two_retailers_contain_no_overlap_and_full_overlap(
    one: float, other: float
) -> None:
    plan = NoticePlan("p", mailed(one, other, retailers=("sephora", "ulta")))
    low, high = laid(plan, TWO).reach()[0]
    assert low <= (one + other) / 2 + 1e-3  # nobody buys at both
    assert high >= 1 - (1 - one) * (1 - other) - 1e-3  # everybody buys at both


@settings(max_examples=50)
@given(shares, shares, shares)
def test_the_widest_ends_contain_the_modelled_ends_for_two_retailers(
    one: float, other: float, published: float
) -> None:
    notices = mailed(one, other, retailers=("sephora", "ulta"))
    exposed = laid(NoticePlan("p", [*notices, Print("v", reach_1=published)]), TWO)
    (low, high), (least, most) = exposed.reach()[0], exposed.widest()[0][0]
    assert 0 <= least <= low + 1e-6  # where an end is a jump, bisection stops on either side
    assert high <= most + 1e-6 <= 1 + 1e-5


@given(shares)
def test_publication_alone_reaches_alike_whatever_the_overlap_is(published: float) -> None:
    assert laid(media(published), TWO).reach()[0] == pytest.approx([published] * 2, abs=1e-6)


def test_reach_has_one_value_per_draw_for_one_retailer_and_two_ends_for_several() -> None:
    assert laid(media(0.3)).reach().shape == (3,)
    assert laid(media(0.3), TWO).reach().shape == (3, 2)
    assert [ends.shape for ends in laid(media(0.3)).widest()] == [(3, 2), (3, 2)]


# --- the grid ------------------------------------------------------------------------------
def test_the_grid_has_the_axes_of_the_plan_and_what_is_asked_beside() -> None:
    plan = NoticePlan("p", mailed(0.9))
    assert [axis.name for axis in grid(plan, ONE, 5, 0).axes] == ["contact"]
    asked = grid(plan, ONE, 5, 0, extra=("state",))
    assert [axis.name for axis in asked.axes] == ["state", "contact"]


def test_a_plan_that_does_not_fit_the_class_has_no_grid() -> None:
    plan = NoticePlan("p", mailed(0.9, retailers=("ulta",)))
    with pytest.raises(PlanError, match="no release of 'ulta'"):
        grid(plan, ONE, 5, 0)


# --- chances before anything is known of buyers --------------------------------------------
def mixed(*retailers: str) -> NoticePlan:
    """Direct notice by law, publication in one state, and two vehicles that depend."""
    notices = [direct(name, delivered=beta(mean=0.9, sd=0.03), seen=0.8) for name in retailers]
    vehicles = [Print("Local", reach_1=0.3, target={"state": "CA"}), Print("All", reach_1=0.2)]
    return NoticePlan("mixed", [*notices, *vehicles])


def test_chances_come_by_retailer_draw_and_cell() -> None:
    plan = mixed("sephora")
    assert chances(plan, ["sephora", "ulta"], grid(plan, ONE, 7, 0)).shape == (2, 7, 3, 5)


def test_chances_are_those_that_are_laid_over_a_class() -> None:
    plan = mixed("sephora", "ulta")
    sampling = grid(plan, TWO, 5, 0)
    exposed = lay(plan, TWO, sampling)
    laid_over = 1 - exposed.direct * exposed.media
    found = chances(plan, ["sephora", "ulta"], sampling)
    assert found.reshape(laid_over.shape) == pytest.approx(laid_over, abs=1e-15)


def test_a_retailer_that_the_plan_does_not_name_is_reached_by_its_media_alone() -> None:
    plan = mixed("sephora")
    sampling = grid(plan, ONE, 5, 0)
    media_only = chances(NoticePlan("media", plan.media), ["ulta"], sampling)
    assert chances(plan, ["sephora", "ulta"], sampling)[1] == pytest.approx(media_only[0])


def test_publication_and_direct_notice_are_independent_in_every_cell() -> None:
    plan = NoticePlan("p", [*mailed(0.9), Print("All", reach_1=0.2)])
    found = chances(plan, ["sephora"], grid(plan, ONE, 1, 0))
    assert found[0, 0] == pytest.approx([0.92, 0.92, 0.2, 0.2, 0.2])


def test_a_plan_that_varies_by_no_axis_has_one_chance_per_draw() -> None:
    plan = media(0.3)
    assert chances(plan, ["sephora"], grid(plan, ONE, 4, 0)) == pytest.approx(np.full((1, 4), 0.3))


def test_the_same_seed_gives_the_same_chances_and_another_seed_others() -> None:
    plan = mixed("sephora")
    one, again, other = (
        chances(plan, ["sephora"], grid(plan, ONE, 5, seed)).tolist() for seed in (1, 1, 2)
    )
    assert one == again != other


# --- persons whom sketches tell apart --------------------------------------------------------
SEVERAL = notified(1, k=2)
PAIRED = SEVERAL.members


def set_to(members: ClassEstimate, *people: float) -> ClassEstimate:
    """State exactly how many are known to exactly the first, the second and both retailers."""
    joint = members.known.joint
    assert joint is not None
    fixed = replace(
        joint.overlap,
        by_key=False,  # of all buyers: keys, and the noise on their number, left aside
        estimate=np.array([people]),
        residual=np.zeros((1, 3, 3)),
        gain=np.zeros((1, 3, 2)),
    )
    known = replace(members.known, joint=replace(joint, overlap=fixed))
    return replace(members, known=known)


def test_persons_are_one_source_without_contact() -> None:
    exposed = laid(mailing(0, 1), PAIRED)
    assert exposed.buyers.shape == exposed.direct.shape == exposed.pieces.shape == (1, 3, 1)
    assert exposed.media.shape == exposed.gross.shape == (3, 1)
    assert list(exposed.axes) == []
    assert exposed.reach().shape == (3,)


def test_persons_are_all_buyers_less_those_counted_twice() -> None:
    plan = mailing(0, 1)
    apart = lay(plan, PAIRED, grid(plan, PAIRED, 3, 0), by_contact=True)
    exposed = laid(plan, set_to(PAIRED, 15_000.0, 15_000.0, 5_000.0))
    assert exposed.buyers.ravel() == pytest.approx(apart.buyers.sum(axis=(0, 2)) - 5_000)


def test_where_nobody_is_shared_the_chance_is_the_mean_over_all_buyers() -> None:
    plan = mailing(0, 1)
    apart = lay(plan, PAIRED, grid(plan, PAIRED, 3, 0), by_contact=True)
    exposed = laid(plan, set_to(PAIRED, 20_000.0, 20_000.0, 0.0))
    every = (apart.buyers * apart.direct).sum(axis=(0, 2)) / apart.buyers.sum(axis=(0, 2))
    assert exposed.direct.ravel() == pytest.approx(every)


@pytest.mark.parametrize(("weight", "unseen"), [(0.0, math.prod), (1.0, min)])
def test_a_person_of_both_sees_none_by_product_or_by_the_least(
    monkeypatch: pytest.MonkeyPatch, weight: float, unseen: Callable[[list[float]], float]
) -> None:
    """All weights 0: independent; all 1: the likelier notice alone."""
    monkeypatch.setattr(laying, "SHARED_CONTACT", weight)
    monkeypatch.setattr(laying, "SHARED_FAILURE", weight)
    plan, shared = mailing(0, 1), 5_000.0
    apart = lay(plan, PAIRED, grid(plan, PAIRED, 1, 0), by_contact=True)
    buyers = apart.buyers[:, 0].sum(axis=1)
    means = (apart.buyers * apart.direct)[:, 0].sum(axis=1) / buyers
    exposed = laid(plan, set_to(PAIRED, 15_000.0, 15_000.0, shared), draws=1)
    expected = (buyers - shared) @ means + shared * unseen(means.tolist())
    assert exposed.direct.item() == pytest.approx(expected / (buyers.sum() - shared))


def test_ends_of_the_chance_are_the_least_and_the_sum_whatever_depends_on_what() -> None:
    plan, shared = mailing(0, 1, paper=False), 5_000.0
    apart = lay(plan, PAIRED, grid(plan, PAIRED, 1, 0), by_contact=True)
    buyers = apart.buyers[:, 0].sum(axis=1)
    means = (apart.buyers * apart.direct)[:, 0].sum(axis=1) / buyers
    exposed = laid(plan, set_to(PAIRED, 15_000.0, 15_000.0, shared), draws=1)
    whole, alone = buyers.sum() - shared, (buyers - shared) @ means
    most, least = min(means), max(0.0, 1 - sum(1 - means))
    assert exposed.direct_most.item() == pytest.approx((alone + shared * most) / whole)
    assert exposed.direct_least.item() == pytest.approx((alone + shared * least) / whole)


@pytest.mark.parametrize("planes", [False, True])
@pytest.mark.parametrize("senders", [(0, 1, 2), (0,), (1, 2)])
def test_in_every_draw_the_reach_of_persons_lies_between_the_ends_of_the_counts(
    senders: tuple[int, ...],
    planes: bool,  # noqa: FBT001 -- a case
) -> None:
    world = notified(3, planes=planes)
    persons, apart = (
        laid(mailing(*senders), each, draws=100).reach() for each in (world.members, world.apart())
    )
    assert (apart[:, 0] - 1e-6 <= persons).all()
    assert (persons <= apart[:, 1] + 1e-6).all()


@pytest.mark.parametrize("planes", [False, True])
def test_in_every_draw_the_widest_ends_hold_the_reach_of_persons(planes: bool) -> None:  # noqa: FBT001 -- a case
    exposed = laid(mailing(0, 1, 2), notified(3, planes=planes).members, draws=100)
    low, high = exposed.widest()[0].T
    assert (low - 1e-9 <= exposed.reach()).all()
    assert (exposed.reach() <= high + 1e-9).all()


def test_levels_of_an_axis_pool_to_all_persons() -> None:
    plan = mailing(0, 1)
    exposed = lay(plan, PAIRED, grid(plan, PAIRED, 50, 0, extra=("state",)))
    parts = [exposed.within("state", level) for level in range(3)]
    persons = np.stack([part.buyers.sum(axis=(0, 2)) for part in parts])
    reached = np.stack([part.reach() for part in parts])
    assert (persons * reached).sum(axis=0) / persons.sum(axis=0) == pytest.approx(exposed.reach())


def test_a_further_axis_moves_no_draw_of_persons() -> None:
    plan = mailing(0, 1)
    plain, more = (
        lay(plan, PAIRED, grid(plan, PAIRED, 50, 0, extra=extra)).buyers.sum(axis=(0, 2))
        for extra in ((), ("state",))
    )
    assert more == pytest.approx(plain)


def test_by_contact_every_retailer_stands_by_itself() -> None:
    plan = mailing(0, 1)
    exposed = lay(plan, PAIRED, grid(plan, PAIRED, 3, 0), by_contact=True)
    assert len(exposed.buyers) == 2
    assert exposed.within("contact", 0).reach().shape == (3, 2)
