import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpnotice import estimate_class
from dpnotice.analyst.direct import Direct
from dpnotice.analyst.exposed import Exposed
from dpnotice.analyst.laying import chances, grid, lay
from dpnotice.analyst.media import Broadcast, Print
from dpnotice.analyst.members import ClassEstimate
from dpnotice.analyst.plan import NoticePlan
from dpnotice.analyst.rates import beta
from dpnotice.errors import PlanError
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


# --- cells ---------------------------------------------------------------------------------
def test_cells_that_differ_in_contact_only_belong_to_one_group() -> None:
    local = Print("Local", reach_1=0.3, target={"state": "CA"})
    exposed = laid(NoticePlan("p", [*mailed(0.9), local]))
    assert exposed.group.tolist() == [0] * 5 + [1] * 5 + [2] * 5
    assert exposed.floor.shape == (3,)


def test_the_floor_of_a_group_is_below_its_persons() -> None:
    exposed = laid(NoticePlan("p", [*mailed(0.9), Print("L", reach_1=0.3, target={"state": "CA"})]))
    assert 69_000 < exposed.floor[0] <= 70_005
    assert 29_000 < exposed.floor[1] <= 30_005


def test_some_cells_keep_their_own_figures() -> None:
    local = Print("Local", reach_1=0.3, target={"state": "CA"})
    whole = laid(NoticePlan("p", [*mailed(0.9), local]))
    part = whole.only(whole.group == 1, whole_groups=True)
    assert part.reach() == pytest.approx(0.9, abs=1e-3)
    assert part.group.tolist() == [0] * 5
    assert part.floor.tolist() == [whole.floor[1]]


def test_of_a_cut_group_nothing_is_known_at_least() -> None:
    whole = laid(NoticePlan("p", mailed(0.9)))
    part = whole.only(np.arange(5) == 1, whole_groups=False)
    assert part.floor.tolist() == [0]


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
