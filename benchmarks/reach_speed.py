"""How fast net reach is worked out: 100,000 draws x 100 segments x 20 vehicles.

In: `--draws`, `--segments`, `--vehicles`, `--rounds`. Out: seconds for the joint law of the
vehicles (their curves and the union), and with the law of 0, 1, ..., 10 and more exposures, which
is worked out from as many draws as `reach_n_plus` takes; beside the bare matrix product with the
transcendentals that nobody can avoid (one logarithm and one exponential per draw and segment),
measured in turn in the same run; the same against direct evaluation; how far blocks and threads
move a result; and how long a whole `estimate_reach` takes, with laws drawn and direct notice, its
bounds, `explain` and 3+. How far nodes move a result in other schedules: `reach_error.py`.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from operator import truediv
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import dpnotice as dn
from dpnotice.analyst import in_blocks
from dpnotice.analyst.dependence import net
from dpnotice.analyst.dependence.frequency import exposure_counts
from dpnotice.analyst.media.drift import Drift
from dpnotice.analyst.media.vehicle import Exposure
from dpnotice.analyst.reach import FREQUENCY_DRAWS
from dpnotice.analyst.sampling import Sampling
from dpnotice.segments import Axis
from made.releases import noisy_release, wen

_SETTLED = 0.1
"""Seconds."""


def schedule(levels: tuple[str, ...], vehicles: int) -> list[dn.Broadcast]:
    """Return vehicles whose weight differs by segment, each with three uncertain figures."""
    rng = np.random.default_rng(7)
    found = []
    for number in range(vehicles):
        points = np.exp(rng.normal(0, 0.3, len(levels)))
        found.append(
            dn.Broadcast(
                f"station {number}",
                grps=dn.lognormal(mean=40, sd=15),
                reach_cap=dn.beta(mean=0.8, sd=0.05),
                dispersion=dn.lognormal(mean=1, sd=0.4),
                universe=pd.DataFrame({"state": levels, "persons": 1 / points}),
                target=pd.DataFrame(
                    {"state": levels, "share": np.full(len(levels), 1 / len(levels))}
                ),
            )
        )
    return found


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Return seconds and the result.

    Waits first: threads of a linear algebra library spin for a while after what ran before.
    """
    time.sleep(_SETTLED)
    began = time.perf_counter()
    found = call()
    return time.perf_counter() - began, found


def floor(one: Any, other: Any) -> Any:
    """One matrix product, a logarithm and an exponential per draw and segment."""
    product = one @ other
    np.log(product, out=product)
    return np.exp(product, out=product)


def direct(exposures: list[Exposure], theta: Any, rows: slice) -> Any:
    """Evaluate the law cell by cell, without nodes, in double precision."""
    total = np.zeros(())
    for exposure in exposures:
        figures = [x[rows] if len(x) > 1 else x for x in exposure.figures]
        unmet = 1 - (1 - exposure.law(*figures)) @ exposure.basis
        total = total + np.expm1(-theta[rows] * np.log(unmet))
    return np.exp(-np.log1p(total) / theta[rows])


def every_draw(exposures: list[Exposure], law: net.Appetite) -> float:
    """Return the seconds of the law of counts of all draws, in parts that memory holds."""
    parts = [slice(first, first + 10_000) for first in range(0, law.theta.size, 10_000)]
    return sum(
        timed(lambda rows=rows: exposure_counts([e.of(rows) for e in exposures], law.of(rows), 10))[
            0
        ]
        for rows in parts
    )


def kernel(draws: int, segments: int, vehicles: int, rounds: int) -> None:
    """Print the joint law's time beside its floor."""
    levels = tuple(f"s{number}" for number in range(segments - 1))
    axis = Axis(name="state", levels=(*levels, "unknown"))
    sampling = Sampling(axes=(axis,), draws=draws, seed=1)
    media = schedule(axis.levels, vehicles)
    drawing, exposures = timed(lambda: [vehicle.exposure(sampling) for vehicle in media])
    theta = np.random.default_rng(2).uniform(0, 2, draws)
    law = net.Appetite(theta=theta)
    rng = np.random.default_rng(3)
    one = rng.random((draws, vehicles), dtype=np.float32)
    other = rng.random((vehicles, segments), dtype=np.float32)
    first = slice(0, FREQUENCY_DRAWS)
    few, few_law = [exposure.of(first) for exposure in exposures], law.of(first)
    times, floors, often = [], [], []
    for _ in range(rounds):
        took, unmet = timed(lambda: law.unmet(exposures))
        times.append(took)
        floors.append(timed(lambda: floor(one, other))[0])
        often.append(took + timed(lambda: exposure_counts(few, few_law, 10))[0])
    rows = slice(0, 2_000)
    off = np.abs(unmet[rows] - direct(exposures, theta[:, np.newaxis], rows)).max()
    moved = 0.0
    for block, cores in ((2**12, 1), (2**20, 2), (2**16, 5)):
        with (
            patch.object(in_blocks, "_NUMBERS", block),
            patch.object(os, "cpu_count", lambda c=cores: c),
        ):
            moved = max(moved, float(np.abs(law.unmet(exposures) - unmet).max()))
    nodes = statistics.mean(len(exposure.basis) for exposure in exposures)
    print(f"{draws:,} draws x {segments} segments x {vehicles} vehicles, {nodes:.1f} nodes")
    for name, taken in (
        ("joint law", times),
        ("product and floor", floors),
        (f"law and, from {few_law.theta.size:,} draws, 0 to 10 exposures", often),
    ):
        print(f"  {name} {min(taken):.3f} s (median {statistics.median(taken):.3f})")
    print(f"  ratio, side by side {statistics.median(map(truediv, times, floors)):.2f}")
    print(f"  ratio of the least times {min(times) / min(floors):.2f}")
    print(f"  drawing {drawing:.3f} s; all counts of all draws {every_draw(exposures, law):.1f} s")
    print(f"  error against direct evaluation {off:.1e}; moved by blocks and threads {moved:.1e}")


def whole(draws: int, vehicles: int) -> None:
    """Print how long whole estimates take."""
    states = [f"S{number:02d}" for number in range(24)]
    asked = wen(axes={"state": states, "contact": ["email+post", "email", "post", "none"]})
    sizes = asked.shape(("state", "contact"))
    cells = np.random.default_rng(4).integers(500, 5_000, sizes)
    members = dn.estimate_class([noisy_release(asked, cells)], outside=dn.beta(mean=0.2, sd=0.05))
    media = schedule(asked.axes["state"].levels, vehicles)
    email = dn.Direct(
        "sephora",
        mode="email",
        cooperation="sends_itself",
        delivered=dn.beta(mean=0.9, sd=0.03),
        seen=1.0,
    )
    plan = dn.NoticePlan("plan", [*media, email], drift=Drift(own=0.1, common=0.05))
    for number in (10_000, draws):
        took, reach = timed(lambda number=number: dn.estimate_reach(plan, members, draws=number))
        print(f"  estimate_reach, {number:,} draws x {cells.size} cells {took:.2f} s")
    for name, call in (
        ("bounds", lambda: reach.bounds),
        ("explain", reach.explain),
        ("reach_n_plus(3)", lambda: reach.reach_n_plus(3)),
    ):
        print(f"  {name} {timed(call)[0]:.2f} s")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=100_000)
    parser.add_argument("--segments", type=int, default=100)
    parser.add_argument("--vehicles", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=9)
    asked = parser.parse_args()
    kernel(asked.draws, asked.segments, asked.vehicles, asked.rounds)
    whole(asked.draws, asked.vehicles)


if __name__ == "__main__":
    main()
