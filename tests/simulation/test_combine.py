"""Do the intervals of the class hold the truth as often as they say, with sketches?

Persons are fixed; keys, flips, noise and, where a prior is stated, the shares of keys that agree
are drawn, with fixed seeds. In each setting ten kinds of 95 % intervals must hold between binomial
limits at 1e-6 a side: over all seeds a false alarm in 4,500 for the 11 settings together.
"""

from functools import cached_property
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom

from dpnotice import beta, estimate_class
from dpnotice.analyst.members import ClassEstimate
from dpnotice.analyst.overlap.joint import JointCounts
from made.sketched import asking, regions, sketched_releases, spread

pytestmark = pytest.mark.slow
RUNS = 100
LOWEST, HIGHEST = (float(binom.ppf(q, RUNS, 0.95)) / RUNS for q in (1e-6, 1 - 1e-6))
SHARES = np.outer([0.5, 0.3, 0.15, 0.05], [0.6, 0.35, 0.05])
BLOCKS = {"blocks": "state", "expected_by": {"CA": 3000, "NY": 2000, "TX": 1000, "unknown": 400}}
CELLS = [0, 1, 3, 4]
LINKED = (90, 10)
"""Of a beta law: nine in ten keys agree."""


def truths(people: Any) -> list[float]:
    """In the order of `intervals`."""
    size = people.sum()
    pair = sum(n.sum() for mask, n in enumerate(people, start=1) if mask & 3 == 3)
    shares = [people[:, 0].sum() / size, people[:, :, 0].sum() / size]
    counts = [people[:, 0].sum(), people[:, :2, 0].sum()]
    return [size, *counts, *shares, *people.sum(axis=0).ravel()[CELLS], pair]


def intervals(members: ClassEstimate) -> Any:
    """(10, 2) ends of size, two counts, two shares, four cells and a pair."""
    asked: list[dict[str, Any]] = [{"state": "CA"}, {"state": ["CA", "NY"], "age": "18-34"}]
    counts = [members.size(), *(members.count(**where) for where in asked)]
    shares = [members.share(state="CA"), members.share(age="18-34")]
    cells = members.by("state", "age").iloc[CELLS]
    pairs = members.overlap()
    pair = pairs[pairs["size"] == 2].iloc[:1]
    ends = ["lower", "upper"]
    listed = [[e.lower, e.upper] for e in counts + shares]
    return np.vstack([listed, cells[ends], pair[ends]])


def coverage(
    k: int, epsilon: str, sketch: Any, *, prior: bool = False, keyed: float = 1.0, runs: int = RUNS
) -> Any:
    """(10,) share of runs in which each interval held the truth."""
    rng = np.random.default_rng([1, k])
    asked = asking(epsilon=epsilon, expected=6000, sketch=sketch)
    people = spread(regions(6000, k, "mid"), SHARES)
    law = beta(mean=0.9, sd=0.3 / np.sqrt(sum(LINKED) + 1))
    stated = {f"r{number}": law for number in range(k)} if prior else None
    held = []
    for _ in range(runs):
        linked = rng.beta(*LINKED, size=k) if prior else 1.0
        told = sketched_releases(asked, people, rng, linked=linked, keyed=keyed)
        ends = intervals(estimate_class(told, linkage=stated))
        held.append((ends[:, 0] <= truths(people)) & (truths(people) <= ends[:, 1]))
    return np.mean(held, axis=0)


def right(found: Any) -> bool:
    return bool((found > LOWEST).all() and (found <= HIGHEST).all())


@pytest.mark.parametrize("k", [2, 3, 4])
def test_intervals_hold_the_truth_as_often_as_they_say(k: int) -> None:
    assert right(coverage(k, "1", {}))


@pytest.mark.parametrize("k", [2, 3, 4])
def test_intervals_hold_the_truth_where_states_are_blocks(k: int) -> None:
    assert right(coverage(k, "2", BLOCKS))


@pytest.mark.parametrize("k", [2, 3, 4])
def test_intervals_hold_the_truth_where_links_are_lost(k: int) -> None:
    assert right(coverage(k, "2", {}, prior=True))


@pytest.mark.parametrize("sketch", [{}, BLOCKS], ids=["one block", "states"])
def test_intervals_hold_the_truth_where_some_have_no_key_and_links_are_lost(sketch: Any) -> None:
    assert right(coverage(3, "2", sketch, prior=True, keyed=0.8))


# --- faults that the coverage sees ---------------------------------------------------------
def test_an_error_without_the_maps_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fault: the maps are taken as exact."""
    monkeypatch.setattr(
        JointCounts, "_roots", property(lambda self: [np.zeros((len(self.sets.T),) * 2)])
    )
    assert coverage(3, "1", {}, runs=60)[0] < LOWEST


def test_a_prior_whose_width_is_dropped_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fault: only the mean of the prior counts."""
    whole = JointCounts._linked.func  # type: ignore[attr-defined]
    cut = cached_property(lambda self: (whole(self)[0], 0 * whole(self)[1]))
    cut.__set_name__(JointCounts, "_linked")
    monkeypatch.setattr(JointCounts, "_linked", cut)
    assert coverage(3, "4", {}, prior=True)[0] < LOWEST
