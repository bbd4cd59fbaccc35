"""How long the noise of a table takes: `mechanism.draw` beside one call of OpenDP.

`python benchmarks/noise.py [--rounds 5]`; prints medians of interleaved rounds, and their ratio.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import numpy as np

from dpnotice.inquiry import Inquiry
from dpnotice.retailer import mechanism
from dpnotice.retailer.confidential import ConfidentialCounts
from made.releases import matter

SHAPES = {1_428: (50, 6, 3), 1_000_000: (999, 999)}
LIMITS = {1_428: 0.020, 1_000_000: 3.0}
LAWS = {"laplace": {"epsilon": "1"}, "gaussian": {"rho": "0.1"}}


def asked(levels: tuple[int, ...], privacy: dict[str, str]) -> Inquiry:
    axes = {f"a{place}": [str(n) for n in range(many)] for place, many in enumerate(levels)}
    return matter(axes=axes, tables=[{"of": [*axes]}], privacy=privacy)


def seconds(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def compare(inquiry: Inquiry, rounds: int) -> tuple[float, float]:
    """Return the medians of our draw and of OpenDP's one call."""
    (of,) = inquiry.tables
    exact = np.zeros(inquiry.shape(of), np.int64)
    noise = mechanism.calibrate(inquiry)
    opendp = mechanism._measurement(noise[of].law, noise[of].scale)  # noqa: SLF001 -- the peer
    counts = ConfidentialCounts({of: exact})
    ours, alone = [], []
    for _ in range(rounds):
        ours.append(seconds(lambda: mechanism.draw(inquiry, counts, noise)))
        alone.append(seconds(lambda: opendp(exact.ravel())))
    return statistics.median(ours), statistics.median(alone)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    print(f"{os.cpu_count()} cores, medians of {rounds} rounds")
    print(f"{'law':10}{'cells':>10}{'draw, s':>10}{'limit':>8}{'OpenDP, s':>11}{'ratio':>7}")
    for cells, levels in SHAPES.items():
        for law, privacy in LAWS.items():
            ours, alone = compare(asked(levels, privacy), rounds)
            row = f"{law:10}{cells:>10,}{ours:>10.4f}{LIMITS[cells]:>8}{alone:>11.4f}"
            print(f"{row}{ours / alone:>7.2f}")


if __name__ == "__main__":
    main()
