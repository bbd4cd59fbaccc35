import math
import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, special, stats

from dpnotice import estimate_class
from dpnotice.analyst import in_blocks, laying
from dpnotice.analyst.dependence.duplications import Duplications
from dpnotice.analyst.direct import Direct
from dpnotice.analyst.exposed import Exposed
from dpnotice.analyst.laying import chances, grid, lay, published
from dpnotice.analyst.media.drift import Drift
from dpnotice.analyst.media.publication import Print
from dpnotice.analyst.members import ClassEstimate
from dpnotice.analyst.plan import NoticePlan
from dpnotice.analyst.rates import Uniform, beta
from dpnotice.analyst.sampling import Sampling
from dpnotice.errors import PlanError
from made import notices
from made.known_to_several import mailing, notified
from made.notices import by_state, direct, radio, steady
from made.releases import noisy_release, wen

shares = st.floats(0, 1)
taus = st.floats(0, 0.9)
audiences = st.lists(shares, min_size=1, max_size=5)
EVERYONE_MAILED = [[0, 70_000, 0, 0, 0], [0, 30_000, 0, 0, 0], [0, 0, 0, 0, 0]]
ONE = estimate_class([noisy_release(wen(), EVERYONE_MAILED)])
TWO = estimate_class(
    [noisy_release(wen(), EVERYONE_MAILED, retailer=name) for name in ("sephora", "ulta")]
)
SINGLE = 1e-6
"""Error of single precision, in which several vehicles are combined."""


def laid(plan: NoticePlan, members: ClassEstimate = ONE, **asked: Any) -> Exposed:
    return notices.laid(steady(plan), members, **asked)


def sampled(plan: NoticePlan, members: ClassEstimate = ONE, draws: int = 3) -> Sampling:
    return grid(plan, members, Sampling(axes=(), draws=draws, seed=0))


def media(*reached: Any, dependence: Any = 0.0) -> NoticePlan:
    vehicles = [Print(f"v{i}", reach_1=r) for i, r in enumerate(reached)]
    return steady(NoticePlan("media", vehicles, dependence=dependence))


def media_reach(*reached: float, dependence: float = 0.0) -> float:
    found = published(media(*reached, dependence=dependence), notices.ALL)
    return float(1 - found["media"].item())


def mailed(*delivered: float, retailers: tuple[str, ...] = ("sephora",)) -> list[Direct]:
    sent = zip(retailers, delivered, strict=True)
    return [direct(name, delivered=d, seen=1.0) for name, d in sent]


# --- dependence between vehicles -----------------------------------------------------------
@given(audiences)
def test_independent_vehicles_combine_by_sainsbury(reached: list[float]) -> None:
    expected = 1 - math.prod(1 - r for r in reached)
    assert media_reach(*reached) == pytest.approx(expected, abs=SINGLE)


@given(audiences, taus)
def test_reach_is_never_under_that_of_the_largest(reached: list[float], tau: float) -> None:
    assert media_reach(*reached, dependence=tau) >= max(reached) - SINGLE


@given(audiences, taus)
def test_reach_is_never_above_independence(reached: list[float], tau: float) -> None:
    assert media_reach(*reached, dependence=tau) <= media_reach(*reached) + SINGLE


@given(audiences)
def test_at_nine_tenths_reach_is_close_to_that_of_the_largest(reached: list[float]) -> None:
    """Of n vehicles at 1/k = 18 none is met by n^(-1/18) of the largest one's non-reach or more."""
    least_unmet = (1 - max(reached)) * len(reached) ** (-1 / 18)
    assert media_reach(*reached, dependence=0.9) <= 1 - least_unmet + SINGLE


@pytest.mark.parametrize("tau", [0.05, 0.2, 0.4, 0.6, 0.8])
@pytest.mark.parametrize("reached", [(0.3, 0.4), (0.05, 0.5, 0.9), (0.01, 0.01, 0.01, 0.3)])
def test_a_gamma_appetite_shared_by_all_vehicles_gives_reach(
    reached: tuple[float, ...], tau: float
) -> None:
    """Integrated over the appetite, each vehicle's clock solved for from its own reach."""
    k = (1 - tau) / (2 * tau)
    clocks = sum(k * ((1 - r) ** (-1 / k) - 1) for r in reached)
    appetite = stats.gamma(k, scale=1 / k)
    unmet, _ = integrate.quad(lambda u: math.exp(-appetite.ppf(u) * clocks), 0, 1, limit=500)
    assert media_reach(*reached, dependence=tau) == pytest.approx(1 - unmet, abs=2e-6)


@given(audiences, taus, taus)
def test_more_dependence_never_raises_reach(reached: list[float], one: float, other: float) -> None:
    apart, together = (media_reach(*reached, dependence=tau) for tau in sorted((one, other)))
    assert together <= apart + SINGLE


@given(shares, taus)
def test_a_vehicle_alone_keeps_its_own_reach_exactly(reached: float, tau: float) -> None:
    assert media_reach(reached, dependence=tau) == pytest.approx(reached, abs=1e-12)


@given(shares, taus)
def test_a_vehicle_in_company_keeps_its_own_reach(reached: float, tau: float) -> None:
    assert media_reach(reached, 0.0, dependence=tau) == pytest.approx(reached, abs=SINGLE)
    assert media_reach(reached, 1.0, dependence=tau) == pytest.approx(1.0, abs=SINGLE)


@given(audiences, shares, taus)
def test_another_vehicle_never_lowers_reach(reached: list[float], more: float, tau: float) -> None:
    before = media_reach(*reached, dependence=tau)
    assert media_reach(*reached, more, dependence=tau) >= before - SINGLE


@given(st.permutations([0.1, 0.3, 0.5, 0.9]), taus)
def test_the_order_of_vehicles_does_not_matter(reached: list[float], tau: float) -> None:
    expected = media_reach(*sorted(reached), dependence=tau)
    assert media_reach(*reached, dependence=tau) == pytest.approx(expected, abs=SINGLE)


def test_vehicles_without_any_uncertainty_may_depend_by_a_law() -> None:
    exposed = laid(media(0.3, 0.4, dependence=Uniform(low=0.0, high=0.5)), draws=50)
    assert len(np.unique(exposed.media)) == 50
    assert exposed.media.min() >= 0.42 - SINGLE
    assert exposed.media.max() <= 0.6 + SINGLE


@given(st.lists(shares, min_size=2, max_size=5), taus)
def test_the_ends_of_media_hold_whatever_depends_on_what(reached: list[float], tau: float) -> None:
    found = published(media(*reached, dependence=tau), notices.ALL, ends=True)
    least, most = found["media_least"].item(), found["media_most"].item()
    assert least == pytest.approx(max(0.0, 1 - sum(reached)), abs=1e-12)
    assert most == pytest.approx(1 - max(reached), abs=1e-12)
    assert least - SINGLE <= found["media"].item() <= most + SINGLE


# --- one draw ------------------------------------------------------------------------------
EVEN = by_state(0.3, 0.3, 0.6)
"""Two states alike, the third apart."""


def test_the_dependence_of_a_draw_is_shared_by_all_segments() -> None:
    plan = media(EVEN, by_state(0.2, 0.2, 0.1), dependence=Uniform(low=0.0, high=0.9))
    california, new_york, _ = laid(plan, draws=50).media.T
    assert california.tolist() == new_york.tolist()
    assert len(np.unique(california)) == 50


def test_the_drift_of_a_draw_moves_the_odds_of_all_segments_alike() -> None:
    plan = replace(media(by_state(0.3, 0.2, 0.6)), drift=Drift(own=0.3, common=0.2))
    met = 1 - notices.laid(plan, ONE, draws=50).media
    moved = special.logit(met) - special.logit([0.3, 0.2, 0.6])
    assert moved[:, 1:] == pytest.approx(moved[:, :-1], abs=1e-9)
    assert len(np.unique(moved[:, 0])) == 50


def test_the_drift_of_a_plan_is_that_of_every_vehicle_and_of_all_together() -> None:
    """s.d. 0.36 within 4 s.e. and a correlation of 0.3^2 / 0.36^2: false alarm 1e-4."""
    drift = Drift(own=0.2, common=0.3)
    alone = [replace(media(0.3), drift=drift)]
    alone.append(replace(alone[0], notices=[Print("other", reach_1=0.3)]))
    moved = [special.logit(1 - notices.laid(p, ONE, draws=4_000).media[:, 0]) for p in alone]
    assert moved[0].std() == pytest.approx(math.hypot(0.2, 0.3), rel=4 / math.sqrt(8_000))
    assert np.corrcoef(moved)[0, 1] == pytest.approx(0.09 / 0.13, abs=4 / math.sqrt(4_000))


KNOWN = Duplications({("v0", "v1"): 0.1}, reach_1={"v0": 0.3, "v1": 0.4}, persons=1_000)


def test_the_drift_of_known_unions_moves_the_odds_of_all_segments_alike() -> None:
    """s.d. 0.05, far from both ends, within 4 s.e.: false alarm 6e-5."""
    still = media(by_state(0.3, 0.2, 0.6), 0.4, dependence=KNOWN)
    moving = replace(still, drift=Drift(own=0.0, common=0.0, union=0.05))
    one, other = (notices.laid(p, ONE, draws=4_000, often=3) for p in (still, moving))
    moved = special.logit(1 - other.media) - special.logit(1 - one.media)
    assert moved[:, 1:] == pytest.approx(moved[:, :-1], abs=1e-5)
    assert moved[:, 0].std() == pytest.approx(0.05, rel=4 / math.sqrt(8_000))
    assert other.counts[0] == pytest.approx(other.media)
    assert other.counts.sum(axis=0) == pytest.approx(np.ones((4_000, 3)))


def test_no_drift_takes_a_union_beyond_what_its_vehicles_allow() -> None:
    moving = media(0.3, 0.4, dependence=KNOWN)
    moving = replace(moving, drift=Drift(own=0.0, common=0.0, union=1.0))
    reached = 1 - notices.laid(moving, ONE, draws=500).media
    assert (reached.min(), reached.max()) == (pytest.approx(0.4), pytest.approx(0.7))


def test_an_elicited_dependence_has_no_drift_of_the_union() -> None:
    still = media(0.3, 0.4, dependence=0.2)
    moving = replace(still, drift=Drift(own=0.0, common=0.0, union=1.0))
    one, other = (notices.laid(plan, ONE).media for plan in (still, moving))
    assert np.array_equal(one, other)


def test_a_vehicle_alone_is_no_union() -> None:
    moving = replace(media(0.3), drift=Drift(own=0.0, common=0.0, union=0.3))
    assert notices.laid(moving, ONE).media == pytest.approx(0.7, abs=1e-12)


# --- single precision and blocks -----------------------------------------------------------
def uncertain(dependence: Any) -> NoticePlan:
    """Vehicles by law, the dependence too."""
    local = by_state(0.1, 0.4, 0.9)
    return steady(
        NoticePlan(
            "uncertain",
            [
                Print("A", reach_1=beta(mean=0.3, sd=0.1)),
                Print("B", reach_1=local),
                radio(grps=Uniform(low=1, high=300)),
            ],
            dependence=dependence,
        )
    )


@pytest.mark.parametrize("highest", [0.5, 0.9], ids=["single", "double"])
@pytest.mark.parametrize(("numbers", "cores"), [(1, 1), (64, 1), (97, 3), (2**20, 2)])
def test_reach_hangs_neither_on_blocks_nor_on_cores(
    monkeypatch: pytest.MonkeyPatch, numbers: int, cores: int, highest: float
) -> None:
    plan = uncertain(Uniform(low=0.0, high=highest))
    sampling = sampled(plan, draws=200)
    before = published(plan, sampling)["media"]
    monkeypatch.setattr(in_blocks, "_NUMBERS", numbers)
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    assert published(plan, sampling)["media"] == pytest.approx(before, abs=SINGLE)


# --- how often -----------------------------------------------------------------------------
@pytest.mark.parametrize("dependence", [0.0, 0.3, 0.6])
def test_chances_of_how_often_sum_to_one_and_start_with_never(dependence: float) -> None:
    exposed = laid(uncertain(dependence), often=4)
    assert exposed.counts.shape == (5, 3, 3)
    assert exposed.counts.sum(axis=0) == pytest.approx(np.ones((3, 3)))
    assert exposed.counts[0] == pytest.approx(exposed.media)


def test_gross_exposures_add_over_vehicles() -> None:
    exposed = laid(NoticePlan("p", [Print("v", reach_1=0.3), radio()], dependence=0.4))
    assert exposed.gross == pytest.approx(1.8)


def test_without_vehicles_nobody_meets_published_notice() -> None:
    exposed = laid(NoticePlan("p", mailed(0.9)), often=2)
    assert exposed.media.tolist() == np.ones((3, 5)).tolist()
    assert exposed.counts[:, 0, 0].tolist() == [1, 0, 0]


# --- direct and published ------------------------------------------------------------------
@settings(max_examples=40)
@given(shares, shares)
def test_direct_and_published_notice_are_independent_within_a_cell(
    delivered: float, published: float
) -> None:
    exposed = laid(NoticePlan("p", [*mailed(delivered), Print("v", reach_1=published)]))
    assert exposed.reach() == pytest.approx(1 - (1 - delivered) * (1 - published), abs=1e-4)


@settings(max_examples=40)
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


@settings(max_examples=40)
@given(shares, shares)
def test_the_ends_for_two_retailers_contain_no_overlap_and_full_overlap(
    one: float, other: float
) -> None:
    plan = NoticePlan("p", mailed(one, other, retailers=("sephora", "ulta")))
    low, high = laid(plan, TWO).reach()[0]
    assert low <= (one + other) / 2 + 1e-3  # nobody buys at both
    assert high >= 1 - (1 - one) * (1 - other) - 1e-3  # everybody buys at both


@settings(max_examples=40)
@given(shares, shares, shares)
def test_the_widest_ends_contain_the_modelled_ends_for_two_retailers(
    one: float, other: float, published: float
) -> None:
    notices = mailed(one, other, retailers=("sephora", "ulta"))
    exposed = laid(NoticePlan("p", [*notices, Print("v", reach_1=published)]), TWO)
    (low, high), (least, most) = exposed.reach()[0], exposed.widest()[0][0]
    assert 0 <= least <= low + 1e-6  # where an end is a jump, bisection stops on either side
    assert high <= most + 1e-6 <= 1 + 1e-5


@settings(max_examples=40)
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
    assert [axis.name for axis in sampled(plan, ONE, 5).axes] == ["contact"]
    asked = grid(plan, ONE, Sampling(axes=(), draws=5, seed=0), extra=("state",))
    assert [axis.name for axis in asked.axes] == ["state", "contact"]


def test_a_plan_that_does_not_fit_the_class_has_no_grid() -> None:
    plan = NoticePlan("p", mailed(0.9, retailers=("ulta",)))
    with pytest.raises(PlanError, match="no release of 'ulta'"):
        sampled(plan, ONE, 5)


# --- chances before anything is known of buyers --------------------------------------------
def mixed(*retailers: str) -> NoticePlan:
    """Direct notice by law, publication in one state, and two vehicles that depend."""
    notices = [direct(name, delivered=beta(mean=0.9, sd=0.03), seen=0.8) for name in retailers]
    vehicles = [Print("Local", reach_1=0.3, target={"state": "CA"}), Print("All", reach_1=0.2)]
    return NoticePlan("mixed", [*notices, *vehicles])


def test_chances_come_by_retailer_draw_and_cell() -> None:
    plan = mixed("sephora")
    assert chances(plan, ["sephora", "ulta"], sampled(plan, ONE, 7)).shape == (2, 7, 3, 5)


def test_chances_are_those_that_are_laid_over_a_class() -> None:
    plan = mixed("sephora", "ulta")
    sampling = sampled(plan, TWO, 5)
    exposed = lay(plan, TWO, sampling)
    laid_over = 1 - exposed.direct * exposed.media
    found = chances(plan, ["sephora", "ulta"], sampling)
    assert found.reshape(laid_over.shape) == pytest.approx(laid_over, abs=1e-15)


def test_a_retailer_that_the_plan_does_not_name_is_reached_by_its_media_alone() -> None:
    plan = mixed("sephora")
    sampling = sampled(plan, ONE, 5)
    media_only = chances(NoticePlan("media", plan.media), ["ulta"], sampling)
    assert chances(plan, ["sephora", "ulta"], sampling)[1] == pytest.approx(media_only[0])


def test_publication_and_direct_notice_are_independent_in_every_cell() -> None:
    plan = steady(NoticePlan("p", [*mailed(0.9), Print("All", reach_1=0.2)]))
    found = chances(plan, ["sephora"], sampled(plan, ONE, 1))
    assert found[0, 0] == pytest.approx([0.92, 0.92, 0.2, 0.2, 0.2])


def test_a_plan_that_varies_by_no_axis_has_one_chance_per_draw() -> None:
    plan = media(0.3)
    assert chances(plan, ["sephora"], sampled(plan, ONE, 4)) == pytest.approx(np.full((1, 4), 0.3))


def test_the_same_seed_gives_the_same_chances_and_another_seed_others() -> None:
    plan = mixed("sephora")
    one, again, other = (
        chances(plan, ["sephora"], grid(plan, ONE, Sampling(axes=(), draws=5, seed=seed))).tolist()
        for seed in (1, 1, 2)
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
    apart = laid(plan, PAIRED, by_contact=True)
    exposed = laid(plan, set_to(PAIRED, 15_000.0, 15_000.0, 5_000.0))
    assert exposed.buyers.ravel() == pytest.approx(apart.buyers.sum(axis=(0, 2)) - 5_000)


def test_where_nobody_is_shared_the_chance_is_the_mean_over_all_buyers() -> None:
    plan = mailing(0, 1)
    apart = laid(plan, PAIRED, by_contact=True)
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
    apart = laid(plan, PAIRED, draws=1, by_contact=True)
    buyers = apart.buyers[:, 0].sum(axis=1)
    means = (apart.buyers * apart.direct)[:, 0].sum(axis=1) / buyers
    exposed = laid(plan, set_to(PAIRED, 15_000.0, 15_000.0, shared), draws=1)
    expected = (buyers - shared) @ means + shared * unseen(means.tolist())
    assert exposed.direct.item() == pytest.approx(expected / (buyers.sum() - shared))


def test_ends_of_the_chance_are_the_least_and_the_sum_whatever_depends_on_what() -> None:
    plan, shared = mailing(0, 1, paper=False), 5_000.0
    apart = laid(plan, PAIRED, draws=1, by_contact=True)
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
    exposed = laid(plan, PAIRED, draws=50, extra=("state",))
    parts = [exposed.within("state", level) for level in range(3)]
    persons = np.stack([part.buyers.sum(axis=(0, 2)) for part in parts])
    reached = np.stack([part.reach() for part in parts])
    assert (persons * reached).sum(axis=0) / persons.sum(axis=0) == pytest.approx(exposed.reach())


def test_a_further_axis_moves_no_draw_of_persons() -> None:
    plan = mailing(0, 1)
    plain, more = (
        laid(plan, PAIRED, draws=50, extra=extra).buyers.sum(axis=(0, 2))
        for extra in ((), ("state",))
    )
    assert more == pytest.approx(plain)


def test_by_contact_every_retailer_stands_by_itself() -> None:
    plan = mailing(0, 1)
    exposed = laid(plan, PAIRED, by_contact=True)
    assert len(exposed.buyers) == 2
    assert exposed.within("contact", 0).reach().shape == (3, 2)
