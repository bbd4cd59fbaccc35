"""Shares of buyers with a key, and compositions of blocks."""

from typing import Any

import numpy as np
import pytest

from dpnotice.analyst.counts import RetailerCounts
from dpnotice.analyst.overlap.blocks import (
    along,
    by_block,
    compositions,
    keyed_draws,
    keyed_share,
    keyed_share_by_block,
    least_block,
    others,
)
from made.joined import BLOCKS, exact_joint
from made.sketched import asking

Floats = Any
TABLE = ("state", "keyed")


def counts(keyed: float = 0.5, scale: int = 1000) -> RetailerCounts:
    """One of two retailers with buyers by state and age, a share of them keyed; almost exact."""
    people = np.arange(1, 37).reshape(3, 4, 3) * scale
    asked = asking(counts="20", sketch=BLOCKS)
    return exact_joint(asked, people, keyed=(keyed,) * 5).counts[0]


def test_the_keyed_share_is_a_share_and_may_exceed_1_by_noise() -> None:
    assert keyed_share(np.array([30.0, 10.0])) == 0.75
    assert keyed_share(np.array([101.0, -1.0])) == pytest.approx(1.01)


@pytest.mark.parametrize("cells", [[0.0, 0.0], [-5.0, 3.0], [1e9, -2e9], [0.2, 1e6]])
def test_noise_on_hardly_anybody_stays_within_ends(cells: list[float]) -> None:
    assert 0.05 <= keyed_share(np.array(cells)) <= 1.25


def test_every_block_has_its_own_share_where_it_has_buyers() -> None:
    found = keyed_share_by_block(counts(), TABLE)
    assert found == pytest.approx([0.5] * 4, rel=1e-3)


def test_a_block_of_few_has_the_share_of_all() -> None:
    """At a scale of 0.2 noise is 0.3 a cell: blocks of a few buyers are not told from it."""
    few = counts(scale=0)
    assert keyed_share_by_block(few, TABLE).tolist() == [keyed_share(few.marginal(("keyed",)))] * 4


def test_by_block_sums_weights_within_every_level_of_an_axis() -> None:
    one = counts()
    weights = np.arange(12.0).reshape(4, 3)
    whole, part, even = by_block(one, ("state", "age"), weights, "state")
    cells = one.marginal(("state", "age"))
    assert whole == pytest.approx(cells.sum(axis=1))
    assert part == pytest.approx((weights * cells).sum(axis=1))
    assert even == pytest.approx(weights.mean(axis=1))


def test_without_an_axis_there_is_one_block() -> None:
    whole, part, even = by_block(counts(), ("state", "age"), np.ones((4, 3)), None)
    assert whole.shape == part.shape == even.shape == (1,)
    assert part == pytest.approx(whole)


def test_a_composition_sums_to_1_in_every_block_and_draw() -> None:
    rng = np.random.default_rng(1)
    value = rng.uniform(100, 200, (2, 1, 4, 3))
    drawn = value + rng.normal(0, 5, (2, 50, 4, 3))
    found = compositions(value, drawn, (3,), np.ones(2))
    assert found.sum(axis=3) == pytest.approx(np.ones((2, 50, 4)))
    assert found.mean(axis=1) == pytest.approx(
        (value / value.sum(axis=3, keepdims=True))[:, 0], rel=0.1
    )


def test_a_block_below_the_least_is_even() -> None:
    value = np.array([[[[5.0, 1.0]]]])
    assert compositions(value, value + 1, (3,), np.array([7.0])).tolist() == [[[[0.5, 0.5]]]]


def test_the_least_block_is_three_deviations_of_its_noise_and_never_below_1() -> None:
    loud = exact_joint(asking(counts="20", sketch=BLOCKS), np.full((3, 4, 3), 1000)).counts[0]
    error = loud.design.cell_error(("state",)).variance
    assert least_block(loud, "state") == max(1.0, 3 * np.sqrt(error))
    assert least_block(loud, None) >= 1.0


def test_places_of_other_axes_and_figures_along_one() -> None:
    assert others(("a", "b", "c"), 1) == (0, 2)
    assert others(("a", "b"), None) == (0, 1)
    assert along(np.array([1.0, 2.0]), ("x", "state"), "state").shape == (1, 2)


def test_draws_of_those_with_a_key_come_by_block() -> None:
    drawn = np.arange(24.0).reshape(3, 4, 2)
    assert keyed_draws(drawn, by_key=True).tolist() == drawn[..., 0].tolist()
    assert keyed_draws(drawn[:, 0, :], by_key=True).shape == (3, 1)
    assert keyed_draws(drawn[..., 0], by_key=False).shape == (3, 4)
