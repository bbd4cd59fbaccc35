"""Do intervals of persons hold the truth, from releases to `JointCounts`? Persons are fixed.

Hashes, flips, keys, links and count noise are simulated with fixed seeds. Limits are binomial at
1e-6 a side: over all seeds a check fails with that chance where nothing is wrong. Each fault that
the coverage is there for is planted once.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom

from dpnotice.analyst.known import know
from dpnotice.analyst.overlap import sketches as module
from dpnotice.analyst.overlap.joint import JointCounts
from dpnotice.analyst.overlap.linkage import Linkage
from dpnotice.analyst.overlap.regions import containing
from dpnotice.analyst.overlap.sketches import fit_overlap
from dpnotice.analyst.rates import beta
from dpnotice.analyst.rungs import rungs
from made.joined import BLOCKS, found
from made.sketched import asking, regions, sketched_releases

pytestmark = pytest.mark.slow
Floats = Any
RUNS = 200
QUANTILE = 1.959964
BUYERS = 2000
MIXED = pytest.mark.parametrize(
    "epsilons", [("1", "1"), ("2", "0.5"), ("1", "1", "1"), ("0.7", "2", "4"), ("4", "4", "4")]
)


def limits(level: float, runs: int = RUNS) -> tuple[float, float]:
    low, high = binom.ppf((1e-6, 1 - 1e-6), runs, level) / runs
    return float(low), float(high)


LOWEST, HIGHEST = limits(0.95)


def laid(people: Floats) -> Floats:
    """(R, 4, 3) over three states and two ages; nobody is of unknown ones."""
    full = np.zeros((len(people), 4, 3), dtype=np.int64)
    full[:, :3, :2] = (np.asarray(people) // 6)[:, np.newaxis, np.newaxis]
    return full


def simulated(
    epsilons: Sequence[str],
    rng: np.random.Generator,
    *,
    sketch: Any = None,
    linkage: Any = None,
    **drawn: Any,
) -> tuple[JointCounts, Floats]:
    people = laid(regions(BUYERS, len(epsilons), "mid"))
    asked = asking(expected=BUYERS, sketch=sketch or {})
    releases = found(sketched_releases(asked, people, rng, epsilons=epsilons, **drawn))
    overlap = fit_overlap(releases)
    assert overlap is not None
    counts = tuple(one.counts for one in releases)
    told = Linkage() if linkage is None else Linkage(kappa=linkage)
    return JointCounts(counts=counts, overlap=overlap, linkage=told), people.sum(axis=(1, 2))


def held(joint: JointCounts, people: Floats) -> list[bool]:
    """Whether the 95 % intervals of the union, a state and a pair hold the truth."""
    value, error = joint.products({})[0]
    state, state_error = joint.query(("state",), np.eye(4)[0])
    pair, sd = joint.known_to((0, 1))
    both = containing(len(joint.counts))[3] @ people
    return [
        abs(value - people.sum()) <= error.half_width(0.95),
        abs(state - people.sum() / 3) <= state_error.half_width(0.95),
        abs(pair - both) <= QUANTILE * sd,
    ]


def coverage(epsilons: Sequence[str], **stated: Any) -> Floats:
    rng = np.random.default_rng([3, len(epsilons)])
    return np.mean([held(*simulated(epsilons, rng, **stated)) for _ in range(RUNS)], axis=0)


# --- coverage ------------------------------------------------------------------------------
@MIXED
@pytest.mark.parametrize("sketch", [{}, BLOCKS], ids=["one block", "states"])
def test_95_percent_intervals_hold_the_truth(epsilons: tuple[str, ...], sketch: Any) -> None:
    shares = coverage(epsilons, sketch=sketch)
    assert shares.min() > LOWEST
    assert shares.max() < HIGHEST


@pytest.mark.parametrize("keyed", [0.9, 0.6])
def test_they_do_where_some_have_no_key_and_links_are_lost(keyed: float) -> None:
    """The error of the keyed shares is put in as if it were not that of the counts: too wide."""
    shares = coverage(("2", "2", "2"), keyed=keyed, linked=0.85, linkage=0.85)
    assert shares.min() > LOWEST


def test_they_do_where_the_share_of_links_is_drawn_from_the_prior() -> None:
    """Every run draws the share of one retailer anew from the stated law; the other's is known."""
    rng, law = np.random.default_rng(8), beta(mean=0.85, sd=0.05)
    covered = []
    for _ in range(RUNS):
        share = float(law.rvs(1, rng)[0])
        joint, people = simulated(("4", "4"), rng, linked=share, linkage={"r0": law, "r1": share})
        covered.append(held(joint, people))
    assert np.mean(covered, axis=0).min() > LOWEST


def test_lost_links_that_nobody_stated_are_seen() -> None:
    shares = coverage(("4", "4", "4"), linked=0.85)
    assert shares.max() < LOWEST


def test_one_loss_for_all_maps_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.Sketched, "flip", property(lambda _: 0.2689))
    assert coverage(("0.7", "2", "4"))[[0, 2]].max() < LOWEST


# --- the mean ------------------------------------------------------------------------------
def test_the_union_has_no_bias_that_its_error_would_not_hide() -> None:
    """Five standard errors of the mean: a false alarm in 10^6."""
    rng = np.random.default_rng(4)
    apart = []
    for _ in range(RUNS):
        joint, people = simulated(("1", "2", "1"), rng, sketch=BLOCKS)
        value, error = joint.products({})[0]
        apart.append((value - people.sum()) / error.sd)
    assert abs(np.mean(apart)) < 5 / np.sqrt(RUNS)
    assert np.std(apart) == pytest.approx(1, abs=5 / np.sqrt(2 * RUNS))


# --- the ladder ----------------------------------------------------------------------------
@pytest.mark.parametrize("number", [2, 3, 6])
def test_every_rung_that_assumes_nothing_holds_the_truth(number: int) -> None:
    """At 90 %; limits by Bonferroni hold it more often."""
    rng, people = np.random.default_rng(number), laid(np.full(2**number - 1, 3600 // 2**number))
    covered = []
    for _ in range(100):
        releases = sketched_releases(asking(expected=2000), people, rng)
        known = know([[r] for r in releases], overlap=None, population=None, linkage=None)
        rows = [row for row in rungs(known, 0.9) if "propensity" not in row["rung"]]
        covered.append([row["lower"] <= people.sum() <= row["upper"] for row in rows])
    assert np.mean(covered, axis=0).min() > limits(0.9, 100)[0]
