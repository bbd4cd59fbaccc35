"""Where the truth of simulated worlds ranks among draws of the library, as it is or with a fault.

In: a scenario, the number of a replication, and a fault that is planted. Out: how many draws of
`estimate_reach` lie below the true realised reach, and whether ranks are uniform, as they must be
(simulation-based calibration: Talts et al. 2018, arXiv 1804.06788).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any
from unittest.mock import patch

import numpy as np
from scipy.stats import chisquare

import dpnotice as dn
from dpnotice.analyst import laying
from dpnotice.analyst.counts import RetailerCounts
from dpnotice.analyst.dependence.net import Appetite
from dpnotice.analyst.media.drift import Drift
from dpnotice.analyst.overlap.joint import JointCounts
from dpnotice.analyst.rates import Beta, Uniform
from dpnotice.analyst.sampling import Sampling
from made.calibrated import SCENARIOS

Floats = Any
DRAWS = 199
"""Of every estimate: ranks are 0 to 199."""
BINS = 20
SAMPLE, COUNTS, SHARED = Sampling.sample, RetailerCounts.draws, JointCounts.each_shared
INDEPENDENT = Appetite(theta=np.zeros(1))


def drawn_by_cell(self: Sampling, value: Any, label: str) -> Floats:
    """Draw what is uncertain of direct notices anew in every cell."""
    if isinstance(value, (Beta, Uniform)) and label.startswith("direct/") and self.axes:
        size = (self.draws, *self.shape)
        return value.rvs(math.prod(size), self.stream(label)).reshape(size)
    return SAMPLE(self, value, label)


def exact(self: RetailerCounts, names: Any, number: int, _: Any) -> Floats:
    estimate = self.marginal(names)
    return np.broadcast_to(estimate, (number, *estimate.shape)).copy()


def clipped(self: RetailerCounts, *asked: Any) -> Floats:
    return np.maximum(COUNTS(self, *asked), 0.0)


def disjoint(self: JointCounts, *asked: Any) -> Any:
    return ((state, 0 * persons) for state, persons in SHARED(self, *asked))


def told(self: JointCounts, number: int, _: Any) -> Floats:
    return np.broadcast_to(self.shared, (number, *self.shared.shape))


def unmoved(media: Any, _: Drift, sampling: Sampling) -> list[Any]:
    return [vehicle.exposure(sampling) for vehicle in media]


KNOWN = (JointCounts, "_shared_draws")
COUNTED, JOINED = (RetailerCounts, "draws"), (JointCounts, "each_shared")
FAULTS: Mapping[str, tuple[str, Callable[[], Any]]] = {
    "privacy noise ignored": ("Gaussian noise", partial(patch.object, *COUNTED, exact)),
    "negative counts clipped": ("Gaussian noise", partial(patch.object, *COUNTED, clipped)),
    "Laplace noise ignored": ("Laplace noise", partial(patch.object, *COUNTED, exact)),
    "dependence ignored": (
        "everything uncertain",
        partial(patch.object, laying, "joint_law", lambda *_: INDEPENDENT),
    ),
    "retailers taken as disjoint": ("two retailers", partial(patch.object, *JOINED, disjoint)),
    "noise of sketches ignored": ("overlap uncertain", partial(patch.object, *KNOWN, told)),
    "drift ignored": ("audiences drift", partial(patch.object, laying, "exposures", unmoved)),
    "deliverability drawn by cell": (
        "mail uncertain",
        partial(patch.object, Sampling, "sample", drawn_by_cell),
    ),
}
"""Name -> the scenario that must see it, and what plants it."""


# --- ranks ---------------------------------------------------------------------------------
def rank(scenario: str, replication: int, fault: str = "") -> int:
    """How many draws lie below the truth, in a world that hangs on the two alone.

    Args:
        scenario: its name.
        replication: its number.
        fault: its name; without one the library as it is.
    """
    place = list(SCENARIOS).index(scenario)
    world = SCENARIOS[scenario](np.random.default_rng([place, replication]))
    with FAULTS[fault][1]() if fault else nullcontext():
        members = dn.estimate_class(world.releases, **world.beyond)
        reach = dn.estimate_reach(world.plan, members, draws=DRAWS, seed=replication)
    return int(np.sum(reach.draws < world.truth))


def histogram(ranks: Sequence[int]) -> Floats:
    """(20,) how many ranks fall in each twentieth."""
    return np.bincount(np.asarray(ranks) * BINS // (DRAWS + 1), minlength=BINS)


def chance_of(ranks: Sequence[int]) -> float:
    """Chance of a histogram no more even than this one, if ranks are uniform: chi-square."""
    return float(chisquare(histogram(ranks)).pvalue)


def deviation(ranks: Sequence[int]) -> float:
    """Root of the mean squared distance of ranks, in order, from even ones; 1 is all draws.

    Uniform ranks have sqrt(1 / (6 n)).
    """
    even = (np.arange(len(ranks)) + 0.5) / len(ranks)
    found = (np.sort(ranks) + 0.5) / (DRAWS + 1)
    return math.sqrt(np.mean((found - even) ** 2))
