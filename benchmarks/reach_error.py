"""How far nodes and single precision move reach: schedules with all figures at random.

In: `--schedules`, `--seed`. Out: against double precision cell by cell, the largest error of a
vehicle's reach and of two vehicles' together, and how many schedules err by more than 2e-6.
"""

import argparse
from typing import Any

import numpy as np

from dpnotice.analyst.dependence.net import Appetite
from dpnotice.analyst.media.exposure_laws import nbd_nonreach
from dpnotice.analyst.media.levels import Levels
from dpnotice.analyst.media.publication import nbd_exposure

FAR = 2e-6


def drawn(rng: np.random.Generator) -> tuple[dict[str, Any], Any]:
    """Return figures by draw and the levels of the amount, from harmless to absurd."""
    draws, levels = rng.choice([30, 300, 2000]), rng.choice([5, 40, 100])
    span = 10 ** rng.uniform(0, 3)
    level = np.geomspace(1, span, levels)
    level[rng.integers(levels)] *= rng.random() > 0.3
    mean = 10 ** rng.uniform(-6, 2) / span ** rng.random()
    dispersion = 10 ** rng.uniform(-3, 6)
    normal = rng.standard_normal((3, draws, 1))
    cap = rng.choice([0, 0.3, 0.8, 0.99, 1]) + rng.choice([0, 0.05, 0.3]) * normal[0]
    figures = {
        "mean": mean * np.exp(rng.choice([0, 0.1, 0.5, 1]) * normal[1]),
        "dispersion": dispersion * np.exp(rng.choice([0, 0.3, 1, 3]) * normal[2]),
        "cap": np.clip(cap, 0, 1),
    }
    return figures, level[np.newaxis]


def errors(rng: np.random.Generator) -> tuple[float, float]:
    """Return the largest error of one vehicle, and of it with its mirror image."""
    figures, level = drawn(rng)
    found, exact = [], []
    for at in (level, level[:, ::-1]):
        held = Levels(figures=figures, level=at, basis=np.eye(at.shape[1]))
        found.append(held.exposure(nbd_exposure, **figures))
        exact.append(nbd_nonreach(**figures, level=at))
    theta = np.maximum(rng.choice([0, 1e-4, 0.01, 0.1, 0.5, 1, 2]), 1e-6)
    union = Appetite(theta=np.full(1, theta)).unmet(found)
    grown = sum(np.expm1(-theta * np.log(np.maximum(p, 1e-16))) for p in exact)
    alone = np.abs(1 - found[0].reach() - exact[0]).max()
    return float(alone), float(np.abs(union - np.exp(-np.log1p(grown) / theta)).max())


def main() -> None:
    """Print the errors."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--schedules", type=int, default=8_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    rng = np.random.default_rng(asked.seed)
    off = np.array([errors(rng) for _ in range(asked.schedules)])
    far = int((off.max(axis=1) > FAR).sum())
    one, two = off.max(axis=0)
    print(f"{len(off):,} schedules: one vehicle {one:.1e}, two {two:.1e}; {far} beyond {FAR:g}")


if __name__ == "__main__":
    main()
