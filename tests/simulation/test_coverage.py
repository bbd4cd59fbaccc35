"""Do 95 % intervals cover? The truth is fixed, the noise is fresh in every replicate.

A method that covers exactly 95 % fails one of these checks with probability at most 1e-6; there
are 2 for each of 4 truths, 1 for each of 3 pairs of retailers and 1 for each of 2 classes with an
outside, so a false alarm has a chance of at most 1.3e-5 over all choices of the seed, which is
fixed.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom

from dpnotice.analyst.members import ClassEstimate, estimate_class
from dpnotice.release import Release
from made.releases import noisy_release, wen

Floats = Any
RUNS = 600
LOWEST = float(binom.ppf(1e-6, RUNS, 0.95)) / RUNS
SCALE = 4.0  # epsilon 1 over four tables
ASKED = wen(
    axes={
        "state": ["CA", "NY", "TX", "VT", "WY"],
        "age": ["young", "old"],
        "contact": ["email", "post", "none"],
    },
    tables=[{"of": []}, {"of": ["state"]}, {"of": ["age"]}, {"of": ["state", "contact"]}],
    privacy={"epsilon": "1"},
)
SHAPE = (6, 3, 4)


def zeros() -> Floats:
    return np.zeros(SHAPE, dtype=int)


def skewed() -> Floats:
    return np.random.default_rng(1).geometric(0.02, SHAPE) ** 2 // 40


def thirty() -> Floats:
    places = np.random.default_rng(2).integers(0, np.prod(SHAPE), size=30)
    return np.bincount(places, minlength=np.prod(SHAPE)).reshape(SHAPE)


def one_huge_cell() -> Floats:
    full = zeros()
    full[0, 0, 0] = 1_000_000
    return full


TRUTHS = pytest.mark.parametrize("truth", [zeros, skewed, thirty, one_huge_cell])


def drawn(full: Floats, rng: np.random.Generator, retailer: str = "sephora") -> Release:
    return noisy_release(ASKED, full, retailer=retailer, scale=SCALE, rng=rng)


def replicates(full: Floats, seed: int) -> Iterator[ClassEstimate]:
    rng = np.random.default_rng(seed)
    for _ in range(RUNS):
        yield estimate_class([drawn(full, rng)])


@TRUTHS
def test_intervals_of_the_size_cover(truth: Any) -> None:
    full = truth()
    hits = sum(full.sum() in members.size() for members in replicates(full, 31))
    assert hits / RUNS >= LOWEST


@TRUTHS
def test_intervals_of_a_share_cover(truth: Any) -> None:
    full = truth()
    part = full[:, :, :2].sum()
    share = part / full.sum() if full.sum() else 0.5  # any share is true of nobody
    hits = sum(
        share in members.share(contact=["email", "post"]) for members in replicates(full, 32)
    )
    assert hits / RUNS >= LOWEST


@pytest.mark.parametrize("shared", [0.0, 0.4, 1.0])
def test_bounds_on_persons_of_two_retailers_cover(shared: float) -> None:
    full, rng, hits = skewed(), np.random.default_rng(33), 0
    both = (shared * full).astype(int)
    persons = 2 * full.sum() - both.sum()
    for _ in range(RUNS):
        pair = [drawn(full, rng, retailer) for retailer in ("sephora", "ulta")]
        hits += persons in estimate_class(pair).size()
    assert hits / RUNS >= LOWEST


@pytest.mark.parametrize("retailers", [1, 5])
def test_the_size_covers_where_an_outside_is_stated_and_all_know_the_same_persons(
    retailers: int,
) -> None:
    # the largest of five noisy counts lies above the truth: only simultaneous limits allow for it
    full, rng, hits, runs = skewed(), np.random.default_rng(34), 0, 150
    for _ in range(runs):
        shops = [drawn(full, rng, f"shop{i}") for i in range(retailers)]
        hits += full.sum() in estimate_class(shops, outside=0.0).size()
    assert hits >= binom.ppf(1e-6, runs, 0.95)
