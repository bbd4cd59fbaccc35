from dataclasses import replace

import numpy as np
import pytest

from dpnotice import estimate_class
from dpnotice.analyst.direct import Direct
from dpnotice.analyst.exposed import Exposed
from dpnotice.analyst.laying import grid, lay
from dpnotice.analyst.media import Print
from dpnotice.analyst.members import ClassEstimate
from dpnotice.analyst.plan import NoticePlan
from made.notices import direct
from made.releases import noisy_release, wen

EVERYONE_MAILED = [[0, 70_000, 0, 0, 0], [0, 30_000, 0, 0, 0], [0, 0, 0, 0, 0]]
ONE = estimate_class([noisy_release(wen(), EVERYONE_MAILED)])


def laid(plan: NoticePlan, members: ClassEstimate = ONE, draws: int = 3) -> Exposed:
    return lay(plan, members, grid(plan, members, draws, 0))


def mailed(*delivered: float, retailers: tuple[str, ...] = ("sephora",)) -> list[Direct]:
    notices = zip(retailers, delivered, strict=True)
    return [direct(name, delivered=d, seen=1.0) for name, d in notices]


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


def test_pooled_buyers_keep_their_number_and_their_mean_chance() -> None:
    plan = NoticePlan("p", mailed(0.9))
    exposed = lay(plan, ONE, grid(plan, ONE, 5, 0, extra=("state",)))
    pooled = exposed.pooled()
    assert pooled.buyers.shape == (1, 5, 3)
    assert pooled.buyers.sum() == pytest.approx(exposed.buyers.sum())
    assert pooled.reach() == pytest.approx(exposed.reach())
    assert pooled.group.tolist() == [0, 1, 2]


def test_where_nobody_buys_a_pooled_chance_is_the_mean_of_the_cells() -> None:
    exposed = replace(laid(NoticePlan("p", mailed(0.9))), buyers=np.zeros((1, 3, 5)))
    assert exposed.pooled_mean(exposed.direct).ravel() == pytest.approx(exposed.direct[0].mean(1))
