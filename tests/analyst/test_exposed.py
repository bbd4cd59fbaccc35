import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpnotice import estimate_class
from dpnotice.analyst.direct import Direct
from dpnotice.analyst.exposed import Exposed
from dpnotice.analyst.laying import grid, lay
from dpnotice.analyst.media.publication import Print
from dpnotice.analyst.members import ClassEstimate
from dpnotice.analyst.plan import NoticePlan
from dpnotice.analyst.sampling import Sampling
from made.notices import direct, laid, steady
from made.releases import noisy_release, wen

EVERYONE_MAILED = [[0, 70_000, 0, 0, 0], [0, 30_000, 0, 0, 0], [0, 0, 0, 0, 0]]
ONE = estimate_class([noisy_release(wen(), EVERYONE_MAILED)])
shares = st.floats(0, 1)


def over(*notices: Any, members: ClassEstimate = ONE, **asked: Any) -> Exposed:
    return laid(steady(NoticePlan("p", notices)), members, **asked)


def mailed(delivered: float) -> Direct:
    return direct(delivered=delivered, seen=1.0)


LOCAL = Print("Local", reach_1=0.3, target={"state": "CA"})


# --- cells ---------------------------------------------------------------------------------
def test_cells_that_differ_in_contact_only_belong_to_one_group() -> None:
    exposed = over(mailed(0.9), LOCAL)
    assert exposed.group.tolist() == [0] * 5 + [1] * 5 + [2] * 5
    assert exposed.floor.shape == (3,)


def test_the_floor_of_a_group_is_below_its_persons() -> None:
    exposed = over(mailed(0.9), LOCAL)
    assert 69_000 < exposed.floor[0] <= 70_005
    assert 29_000 < exposed.floor[1] <= 30_005


def test_some_cells_keep_their_own_figures() -> None:
    whole = over(mailed(0.9), LOCAL)
    part = whole.only(whole.group == 1, whole_groups=True)
    assert part.reach() == pytest.approx(0.9, abs=1e-3)
    assert part.group.tolist() == [0] * 5
    assert part.floor.tolist() == [whole.floor[1]]


def test_of_a_cut_group_nothing_is_known_at_least() -> None:
    whole = over(mailed(0.9))
    part = whole.only(np.arange(5) == 1, whole_groups=False)
    assert part.floor.tolist() == [0]


def test_pooled_buyers_keep_their_number_and_their_mean_chance() -> None:
    exposed = over(mailed(0.9), draws=5, extra=("state",))
    pooled = exposed.pooled()
    assert pooled.buyers.shape == (1, 5, 3)
    assert pooled.buyers.sum() == pytest.approx(exposed.buyers.sum())
    assert pooled.reach() == pytest.approx(exposed.reach())
    assert pooled.group.tolist() == [0, 1, 2]


def test_where_nobody_buys_a_pooled_chance_is_the_mean_of_the_cells() -> None:
    exposed = replace(over(mailed(0.9)), buyers=np.zeros((1, 3, 5)))
    assert exposed.pooled_mean(exposed.direct).ravel() == pytest.approx(exposed.direct[0].mean(1))


# --- how often -----------------------------------------------------------------------------
def made(unseen: Sequence[Sequence[float]], counts: Sequence[float]) -> Exposed:
    """Sources of 100 persons each in one cell, to whom notices go that fail independently."""
    separate = [math.prod(notices) for notices in unseen]
    column = (len(unseen), 1, 1)
    one = np.ones((1, 1))
    return Exposed(
        axes={},
        buyers=np.full(column, 100.0),
        direct=np.reshape(separate, column).astype(float),
        direct_least=np.reshape([max(0.0, 1 - sum(1 - u for u in us)) for us in unseen], column),
        direct_most=np.reshape([min(us, default=1.0) for us in unseen], column),
        pieces=np.reshape([sum(1 - u for u in us) for us in unseen], column).astype(float),
        media=counts[0] * one,
        media_least=counts[0] * one,
        media_most=counts[0] * one,
        gross=one * np.dot(range(len(counts)), counts),
        counts=np.reshape(counts, (-1, 1, 1)),
        group=np.zeros(1, dtype=np.intp),
        floor=np.array([100.0]),
    )


def enumerated(unseen: Sequence[float], counts: Sequence[float], number: int) -> float:
    """Chance of so many exposures or more, over everything that can happen."""
    total = 0.0
    for *seen, published in product(*[(False, True)] * len(unseen), range(len(counts))):
        chance = math.prod(1 - u if s else u for s, u in zip(seen, unseen, strict=True))
        total += chance * counts[published] * (sum(seen) + published >= number)
    return total


LAW = (0.4, 0.3, 0.2, 0.1)
"""Chances of 0, 1, 2 and 3 published exposures."""


@given(st.lists(shares, max_size=2), st.integers(1, 4))
def test_how_often_is_exact_for_one_or_two_direct_notices(unseen: list[float], number: int) -> None:
    expected = enumerated(unseen, LAW, number)
    assert made([unseen], LAW).at_least(number) == pytest.approx(expected, abs=1e-12)


@given(st.lists(shares, min_size=3, max_size=4))
def test_for_more_direct_notices_the_mean_exposures_are_exact(unseen: list[float]) -> None:
    found = sum(made([unseen], [*LAW, 0, 0, 0, 0]).at_least(n).item() for n in range(1, 9))
    gross = sum(1 - u for u in unseen) + np.dot(range(4), LAW)
    assert found == pytest.approx(gross, abs=1e-12)


@given(st.lists(shares, max_size=4))
def test_being_exposed_more_often_is_never_likelier(unseen: list[float]) -> None:
    exposed = made([unseen], [*LAW, 0, 0])
    found = np.array([exposed.at_least(number) for number in range(1, 6)])
    assert (np.diff(found, axis=0) <= 1e-12).all()


@given(shares, shares, st.integers(2, 4))
def test_between_retailers_the_ends_hold_both_full_overlap_and_none(
    one: float, other: float, number: int
) -> None:
    low, high = made([[one], [other]], LAW).at_least(number)[0]
    assert low <= (enumerated([one], LAW, number) + enumerated([other], LAW, number)) / 2 + 1e-6
    assert high >= enumerated([one, other], LAW, number) - 1e-6


@given(shares, shares)
def test_between_retailers_being_exposed_more_often_is_never_likelier(
    one: float, other: float
) -> None:
    exposed = made([[one], [other]], [*LAW, 0, 0])
    ends = np.array([exposed.at_least(number)[0] for number in range(1, 6)])
    assert (np.diff(ends, axis=0) <= 1e-6).all()  # bisection stops on either side of an end


def test_published_exposures_alone_are_told_apart() -> None:
    exposed = made([[0.2]], LAW)
    found = [exposed.media_reach(often).item() for often in (1, 2, 3)]
    assert found == pytest.approx([0.6, 0.3, 0.1])


def test_some_cells_keep_their_own_counts() -> None:
    whole = over(mailed(0.9), LOCAL, often=2)
    assert whole.counts.shape == (3, 3, 15)
    california, elsewhere = (whole.within("state", level).counts for level in (0, 1))
    assert california[:, 0, 0] == pytest.approx([0.7, 0.3, 0])
    assert elsewhere[:, 0, 0] == pytest.approx([1, 0, 0])


def test_pooled_counts_are_the_mean_over_persons() -> None:
    cells = [[60_000, 0, 0, 20_000, 0], [10_000, 0, 0, 10_000, 0], [0, 0, 0, 0, 0]]
    pooled = over(
        mailed(0.9), LOCAL, members=estimate_class([noisy_release(wen(), cells)]), often=2
    ).pooled()
    assert pooled.counts.shape == (3, 3, 3)
    assert pooled.counts[1, 0] == pytest.approx([0.3, 0, 0], abs=1e-6)


def test_reach_needs_nothing_that_nobody_asked_for() -> None:
    plan = steady(NoticePlan("p", [mailed(0.9), LOCAL]))
    sampling = grid(plan, ONE, Sampling(axes=(), draws=3, seed=0), extra=("contact",))
    bare, full = lay(plan, ONE, sampling), over(mailed(0.9), LOCAL, often=2)
    assert bare.counts.size == bare.gross.size == 0
    for one, other in ((bare, full), (bare.pooled(), full.pooled()), (within(bare), within(full))):
        assert one.at_least(1) == pytest.approx(other.reach())
        assert one.media_reach() == pytest.approx(other.media_reach())


def within(exposed: Exposed) -> Exposed:
    return exposed.within("state", 0)
