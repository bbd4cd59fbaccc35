"""How well bitmaps tell the overlap of retailers: error, bias, coverage, blocks, a peer, time.

    python benchmarks/overlap.py --part union pair coverage blocks peer time --runs 100

In: `--part` (all without), `--runs` (100; coverage takes 20 times as many, blocks 4 times) and
`--seed`. Out: a plain table per part. Hashes, flips and count noise are simulated by numpy with a
seed, and the people are fixed; `+-` is one standard error of the simulation itself. A bound is the
Cramer-Rao bound of a fixed class, sqrt of the sum of V = m^2 F^-1 - diag(n), from the maps alone or
with the retailers' counts (discrete Laplace noise of epsilon 0.2).
"""

import argparse
import math
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from dpnotice.analyst.overlap.patterns import histogram
from dpnotice.analyst.overlap.regions import (
    Regions,
    containing,
    expected,
    membership,
    pair_sd,
    solve,
)
from dpnotice.bitmap import log2_bits
from made import overlapping as made

Array = Any
LARGE = 1_500_000
LARGE_BITS = 2**23
SMALL = LARGE >> 4
"""93,750 buyers on 2^19 bits: as many bits per buyer as in the large case."""
SMALL_BITS = LARGE_BITS >> 4
COUNT_VARIANCE = made.laplace_sd(made.COUNTS_SCALE) ** 2
BUCKETS = {"192 KiB": 2**16, "1 MiB": 2**23 // 24}
LEVELS = 24


def joined(fit: Regions, sizes: Array, rng: np.random.Generator) -> Regions:
    """Let noisy counts of every retailer's buyers join."""
    counts = sizes + made.discrete_laplace(made.COUNTS_SCALE, len(sizes), rng)
    return fit.joined(counts, COUNT_VARIANCE * np.eye(len(sizes)))[0]


def bounds(people: Array, bits: int, epsilon: str, weights: Array) -> tuple[float, float]:
    """The smallest s.d. of a sum, from the maps alone and with counts."""
    number = len(people).bit_length()
    alone = expected(people, bits, made.chances(*[epsilon] * number))
    joint, _ = alone.joined(alone.sizes, COUNT_VARIANCE * np.eye(number))
    return float(alone.total_sd(weights)), float(joint.total_sd(weights))


def from_maps(
    seen: Array, epsilon: str, sizes: Array, rng: np.random.Generator
) -> tuple[Regions, Regions]:
    """Flip and pack every bit, as retailers do, and fit."""
    each = [epsilon] * len(sizes)
    maps = made.words(seen, made.thresholds(*each), rng)
    fit = solve(histogram(maps), made.chances(*each))
    return fit, joined(fit, sizes, rng)


def error_row(label: str, found: Array, truth: float, bound: float) -> None:
    """Print s.d. and bias of one estimate over the runs."""
    sd, runs = float(np.std(found, ddof=1)), len(found)
    bias = (np.mean(found) - truth) / sd
    share = 100 / truth
    print(
        f"{label:<34}{sd:>9,.0f}{sd * share:>9.4f}{sd * share / math.sqrt(2 * runs):>9.4f}"
        f"{bound * share:>9.4f}{sd / bound:>8.3f}{bias:>8.3f}{1 / math.sqrt(runs):>7.3f}",
        flush=True,
    )


def error_head(title: str) -> None:
    print(
        f"\n{title}\n{'':<34}{'s.d.':>9}{'rel. %':>9}{'+-':>9}{'bound %':>9}{'ratio':>8}"
        f"{'bias/sd':>8}{'+-':>7}"
    )


def union(runs: int, rng: np.random.Generator) -> None:
    """The union of four large retailers."""
    error_head(f"union of 4 x {LARGE:,}, m = 2^23, {runs} runs")
    for shape in made.SHAPES:
        people = made.people(LARGE, 4, shape)
        sizes, whole = membership(4) @ people, np.ones(15)
        found: dict[str, list[tuple[float, float]]] = {"1": [], "2": []}
        for _ in range(runs):
            seen = made.occupied(people, LARGE_BITS, rng)
            for epsilon, unions in found.items():
                alone, joint = from_maps(seen, epsilon, sizes, rng)
                unions.append((alone.union, joint.union))
        for epsilon, unions in found.items():
            limits = bounds(people, LARGE_BITS, epsilon, whole)
            for what, values, limit in zip(
                ("maps alone", "with counts"), np.transpose(unions), limits, strict=True
            ):
                error_row(f"{shape}, epsilon {epsilon}, {what}", values, people.sum(), limit)


def pair(runs: int, rng: np.random.Generator) -> None:
    """The people at both of two large retailers."""
    error_head(f"pair of 2 x {LARGE:,}, epsilon 1, m = 2^23, {runs} runs")
    weights = containing(2)[3]
    for shape in made.SHAPES:
        people = made.people(LARGE, 2, shape)
        sizes, truth = membership(2) @ people, float(weights @ people)
        found = []
        for _ in range(runs):
            fits = from_maps(made.occupied(people, LARGE_BITS, rng), "1", sizes, rng)
            found.append([float(fit.total(weights)) for fit in fits])
        limits = bounds(people, LARGE_BITS, "1", weights)
        for what, values, limit in zip(
            ("maps alone", "with counts"), np.transpose(found), limits, strict=True
        ):
            error_row(f"{shape}, {what}", values, truth, limit)
    formula = pair_sd(LARGE_BITS, [LARGE, LARGE], made.chances("1", "1"))
    root = math.sqrt(LARGE)
    print(
        f"formula {formula:,.0f} = {formula / root:.2f} sqrt(n); target 4 sqrt(n) = {4 * root:,.0f}"
    )


def coverage(runs: int, rng: np.random.Generator) -> None:
    """Share of 95 % intervals that hold the truth, per cent."""
    runs *= 20
    print(
        f"\ncoverage of 95 % intervals, {SMALL:,} buyers on 2^19 bits, {runs} runs, per cent,"
        f" +- {100 * math.sqrt(0.05 * 0.95 / runs):.2f}\n{'':<24}"
        f"{'maps alone':^32}{'with counts':^32}{'m^2/F alone':^16}\n{'':<24}"
        + f"{'union':>8}{'pair':>8}{'k-way':>8}{'region':>8}" * 2
        + f"{'union':>8}{'region':>8}"
    )
    for retailers in (2, 3, 4):
        for shape in made.SHAPES:
            people = made.people(SMALL, retailers, shape)
            held: dict[str, list[Array]] = {"1": [], "2": [], "4": []}
            for _ in range(runs):
                seen = made.occupied(people, SMALL_BITS, rng)
                for epsilon, rows in held.items():
                    rows.append(covered(seen, people, epsilon, rng))
            for epsilon, rows in held.items():
                shares = 100 * np.mean(rows, axis=0)
                label = f"k = {retailers}, {shape}, epsilon {epsilon}"
                print(f"{label:<24}" + "".join(f"{x:>8.1f}" for x in shares), flush=True)


def covered(seen: Array, people: Array, epsilon: str, rng: np.random.Generator) -> list[float]:
    """Whether intervals hold the truth; for regions, the share of them that do."""
    number = len(people).bit_length()
    asked = containing(number)[[0, 3, -1]]
    every = np.vstack([asked, np.eye(len(people))])
    fits = made.fitted(seen, [epsilon] * number, membership(number) @ people, rng)
    rows = []
    for fit in fits:
        holds = made.covered(fit, every, people)
        rows += [*holds[:3], holds[3:].mean()]
    wide = Regions(
        retailers=number,
        estimate=fits[0].estimate,
        covariance=fits[0].covariance + np.diag(np.maximum(fits[0].estimate, 0)),
    )
    holds = made.covered(wide, every, people)
    return [*rows, holds[0], holds[3:].mean()]


def blocks(runs: int, rng: np.random.Generator) -> None:
    """Fifty blocks summed against one map of everybody, each of the size by the rule."""
    runs, buyers, parts = 4 * runs, 300_000, 50
    error_head(f"4 x {buyers:,}, mid, epsilon 1, one map or {parts} blocks, {runs} runs")
    deviations = []
    for number in (1, parts):
        people = made.people(buyers // number, 4, "mid")
        bits, sizes = 2 ** log2_bits(buyers // number), membership(4) @ people
        found = np.zeros((runs, 2))
        for run in range(runs):
            for _ in range(number):
                fits = made.fitted(made.occupied(people, bits, rng), ["1"] * 4, sizes, rng)
                found[run] += [fit.union for fit in fits]
        limits = np.multiply(math.sqrt(number), bounds(people, bits, "1", np.ones(15)))
        for what, values, limit in zip(("alone", "with counts"), found.T, limits, strict=True):
            label = f"{number} of 2^{log2_bits(buyers // number)} bits, {what}"
            error_row(label, values, number * people.sum(), limit)
        deviations.append(found.std(axis=0, ddof=1))
    ratio, error = deviations[1] / deviations[0], math.sqrt(1 / runs)
    print(f"s.d. ratio {ratio[0]:.3f} alone, {ratio[1]:.3f} with counts, +- {error:.3f}")


# --- the peer: Sketch-Flip-Merge (Hehir, Ting and Cormode, ICML 2023) ---------------------------
CHANCES = np.array([2.0 ** -(level + 1) for level in range(LEVELS - 1)] + [2.0 ** -(LEVELS - 1)])
"""An item's level: geometric, cut off."""


def merged_epsilon(epsilons: list[float]) -> float:
    """Loss whose flips a merged sketch has: 1 - e^-e* ... of all, multiplied."""
    return -math.log1p(-math.prod(-math.expm1(-each) for each in epsilons))


def merged_bits(people: int, buckets: int, flip: float, rng: np.random.Generator) -> Array:
    """Ones per level of the flipped sketch of a union, which has the merged sketches' law."""
    occupied = []
    for size in rng.multinomial(people, CHANCES):
        marked = np.zeros(buckets, dtype=bool)
        marked[rng.integers(0, buckets, size=size, dtype=np.uint32)] = True
        occupied.append(np.count_nonzero(marked))
    full = np.array(occupied)
    return rng.binomial(full, 1 - flip) + rng.binomial(buckets - full, flip)


def merged_law(people: float, buckets: int, flip: float) -> tuple[Array, Array]:
    """Chance of a one per level, and its slope."""
    empty = np.exp(-people * CHANCES / buckets)
    return 1 - flip - (1 - 2 * flip) * empty, (1 - 2 * flip) * empty * CHANCES / buckets


def merged_estimate(ones: Array, buckets: int, flip: float) -> float:
    """Maximise the composite likelihood of single bits."""

    def surprise(log_people: float) -> float:
        law, _ = merged_law(math.exp(log_people), buckets, flip)
        return -float(ones @ np.log(law) + (buckets - ones) @ np.log1p(-law))

    found = minimize_scalar(
        surprise, bounds=(math.log(1e4), math.log(1e9)), method="bounded", options={"xatol": 1e-7}
    )
    return math.exp(found.x)


def peer(runs: int, rng: np.random.Generator) -> None:
    """The union by Sketch-Flip-Merge and by the joint fit, of the same class in the same run."""
    error_head(f"union of 4 x {LARGE:,}, epsilon 1: one bit per item, merged, {runs} runs")
    flip = 1 / (1 + math.exp(merged_epsilon([1.0] * 4)))
    for shape in made.SHAPES:
        people = made.people(LARGE, 4, shape)
        sizes, whole = membership(4) @ people, int(people.sum())
        found = []
        for _ in range(runs):
            fits = from_maps(made.occupied(people, LARGE_BITS, rng), "1", sizes, rng)
            theirs = [
                merged_estimate(merged_bits(whole, buckets, flip, rng), buckets, flip)
                for buckets in BUCKETS.values()
            ]
            found.append([fit.union for fit in fits] + theirs)
        limits = list(bounds(people, LARGE_BITS, "1", np.ones(15)))
        for buckets in BUCKETS.values():
            law, slope = merged_law(whole, buckets, flip)
            limits.append(1 / math.sqrt(buckets * np.sum(slope**2 / (law * (1 - law)))))
        labels = ["bitmaps of 1 MiB, alone", "bitmaps of 1 MiB, with counts"]
        labels += [f"Sketch-Flip-Merge, {size}" for size in BUCKETS]
        columns = np.transpose(found)
        for label, values, limit in zip(labels, columns, limits, strict=True):
            error_row(f"{shape}: {label}", values, whole, limit)
        alone, joint, small, large = columns.std(axis=1, ddof=1)
        print(
            f"{shape}: their error is {small / joint:.1f} times (192 KiB) and {large / joint:.1f}"
            f" times (1 MiB) ours with counts, {small / alone:.1f} and {large / alone:.1f} alone"
        )


# --- time --------------------------------------------------------------------------------------
def timing(runs: int, rng: np.random.Generator) -> None:
    """Median seconds from words to regions with counts."""
    people = made.people(LARGE, 4, "mid")
    sizes, flips = membership(4) @ people, made.chances(*["1"] * 4)
    maps = made.words(made.occupied(people, LARGE_BITS, rng), made.thresholds(*["1"] * 4), rng)
    counts = histogram(maps)
    steps: dict[str, Callable[[], object]] = {
        "histogram of 4 maps of 2^23 bits": lambda: histogram(maps),
        "solve": lambda: solve(counts, flips),
        "all, with counts": lambda: joined(solve(histogram(maps), flips), sizes, rng),
    }
    print("\ntime, one core, median milliseconds")
    for label, step in steps.items():
        print(f"{label:<34}{1000 * np.median(list(seconds(step, min(runs, 50)))):>9.2f}")


def seconds(step: Callable[[], object], times: int) -> Iterator[float]:
    for _ in range(times):
        start = time.perf_counter()
        step()
        yield time.perf_counter() - start


PARTS = {
    "union": union,
    "pair": pair,
    "coverage": coverage,
    "blocks": blocks,
    "peer": peer,
    "time": timing,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--part", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    for place, (name, part) in enumerate(PARTS.items()):
        if name in asked.part:
            start = time.perf_counter()
            part(asked.runs, np.random.default_rng([asked.seed, place]))
            print(f"({name}: {time.perf_counter() - start:,.0f} s)", flush=True)


if __name__ == "__main__":
    main()
