from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from dpnotice.analyst.classic import entropy as fitting
from dpnotice.analyst.classic.entropy import maximum_entropy
from dpnotice.errors import PlanError
from made.populations import alike, independent, laws, published, reordered


def entropy(law: Any) -> float:
    positive = law[law > 0]
    return float(-(positive * np.log(positive)).sum())


TRIPLE = np.array([-1, 1, 1, -1, 1, -1, -1, 1])
"""What may be added to a law of three vehicles without changing an audience or a pair."""


def best_triple(law: Any) -> Any:
    """The law of greatest entropy among those with the same pairs, by trying them all."""
    low, high = -law[TRIPLE > 0].min(), law[TRIPLE < 0].min()
    options = {"xatol": 1e-12}
    found = minimize_scalar(
        lambda t: -entropy(law + t * TRIPLE), bounds=(low, high), method="bounded", options=options
    )
    return law + found.x * TRIPLE


@given(laws(3))
def test_three_vehicles_have_the_greatest_entropy_there_is(law: Any) -> None:
    best = best_triple(law)
    seen = np.array([0, 1, 1, 2, 1, 2, 2, 3])
    expected = np.bincount(seen, weights=best)
    assert maximum_entropy(**published(law)).distribution == pytest.approx(expected, abs=1e-6)


@given(st.lists(st.floats(0.01, 0.99), min_size=1, max_size=6))
def test_without_overlap_beyond_chance_vehicles_are_independent(p: list[float]) -> None:
    unseen = np.prod(1 - np.array(p))
    assert maximum_entropy(**independent(*p)).reach == pytest.approx(1 - unseen, abs=1e-9)


@given(laws(5))
def test_the_number_of_vehicles_seen_keeps_audiences_and_pairs(law: Any) -> None:
    figures = published(law)
    cells = maximum_entropy(**figures).distribution
    pairs = np.array(figures["duplications"])
    seen = np.arange(6)
    assert cells.min() >= 0
    assert cells.sum() == pytest.approx(1, abs=1e-9)
    assert cells @ seen == pytest.approx(np.trace(pairs), abs=1e-9)
    assert cells @ (seen * (seen - 1)) == pytest.approx(pairs.sum() - np.trace(pairs), abs=1e-9)


@given(laws(4), st.permutations(range(4)))
def test_the_order_of_vehicles_changes_nothing(law: Any, order: list[int]) -> None:
    figures = published(law)
    other = maximum_entropy(**reordered(figures, order)).distribution
    assert other == pytest.approx(maximum_entropy(**figures).distribution, abs=1e-8)


def test_disjoint_audiences_add() -> None:
    result = maximum_entropy(**alike(3, 0.3, 0.0))
    assert result.distribution == pytest.approx([0.1, 0.9, 0, 0], abs=1e-9)


def test_nested_audiences_reach_the_largest() -> None:
    p = [0.3, 0.5, 0.6]
    result = maximum_entropy(reach_1=p, duplications=np.minimum.outer(p, p))
    assert result.distribution == pytest.approx([0.4, 0.1, 0.2, 0.3], abs=1e-9)


def test_one_vehicle_is_its_audience() -> None:
    assert maximum_entropy(reach_1=[0.3], duplications=[[0.3]]).reach == pytest.approx(0.3)


def test_what_maximum_entropy_cannot_say_is_noted() -> None:
    assert "says nothing of more" in maximum_entropy(**alike(2, 0.3, 0.1)).note


def test_pairs_that_no_population_has_are_refused() -> None:
    with pytest.raises(PlanError, match="no population has all these duplications") as refused:
        maximum_entropy(**alike(3, 0.5, 0.1))
    assert refused.value.code == "INCONSISTENT"


def test_pairs_at_the_edge_of_the_possible_are_refused() -> None:
    with pytest.raises(PlanError, match="at the edge of what any population has") as refused:
        maximum_entropy(**alike(3, 0.5, 1 / 6))
    assert refused.value.code == "INCONSISTENT"


def test_more_vehicles_than_can_be_laid_out_are_refused() -> None:
    with pytest.raises(PlanError, match="V at most 15, got 16"):
        maximum_entropy(**independent(*[0.1] * 16))


def test_an_impossible_schedule_is_refused_before_fitting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "_fit", lambda *_: pytest.fail("fitted"))
    with pytest.raises(PlanError, match="no population"):
        maximum_entropy(**alike(3, 0.5, 0.1))
