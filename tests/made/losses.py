"""Inquiries with losses of many sizes, and whether what the noise costs is what they declare.

In: a generator of pseudo-random numbers (for questions, never for noise). Out: inquiries, and the
breaches found in one: OpenDP's map is asked here again, apart from the code under test.
"""

import math
from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from itertools import combinations
from random import Random
from typing import Any, Final

import opendp.prelude as dp

from dpnotice.errors import InquiryError
from dpnotice.inquiry import Inquiry
from dpnotice.privacy import NANO, Noise
from dpnotice.retailer import mechanism
from made.releases import matter

AXES: Final = {name: ["x"] for name in "abcdef"}
SUBSETS: Final = [list(names) for size in range(7) for names in combinations(AXES, size)]
MOST_TABLES: Final = 60
AWKWARD: Final = ["0.1", "0.3", "0.7", "1", "2", "3", "7", "0.000000001", "0.999999999"]
SPREAD: Final = (0.0, 0.5, 2.0, 6.0)
"""Factors of ten, up or down, by which the weights of one inquiry may differ."""


_CHOICE: Final = {"epsilon": (-1, 2), "delta": (-9, -2)}
"""Powers of ten, where the quieter law is left to the inquiry."""


@dataclass(slots=True)
class Findings:
    """What a run saw."""

    cases: int = 0
    refused: int = 0
    tables: int = 0
    breaches: Counter[str] = field(default_factory=Counter)
    example: dict[str, Any] = field(default_factory=dict)
    least: Fraction = Fraction(2)
    most: Fraction = Fraction(0)
    """Smallest and largest share of a declared loss that the noise uses."""


def decimal(random: Random, low: float, high: float) -> str:
    """Decimal text of any number of places, above 0, about evenly over the powers of ten."""
    if random.random() < 0.1:
        return random.choice(AWKWARD)
    value = 10 ** random.uniform(low, high)
    text = f"{value:.{random.randint(0, 9)}f}"
    return text if float(text) > 0 else f"{max(value, 1e-9):.9f}"


def asked(random: Random) -> Inquiry:
    """Build an inquiry: 1 to 60 tables, weights with decimals, epsilon or rho of any size."""
    chosen = random.sample(SUBSETS, random.randint(1, MOST_TABLES))
    spread = random.choice(SPREAD)
    tables = [{"of": of, "weight": decimal(random, -spread, spread)} for of in chosen]
    return matter(axes=AXES, tables=tables, privacy=_privacy(random))


def _privacy(random: Random) -> dict[str, str]:
    form = random.random()
    if form < 0.1:  # the quieter law; its search for rho takes time
        return {name: f"{10 ** random.uniform(*range_):.9f}" for name, range_ in _CHOICE.items()}
    if form < 0.55:
        return {"epsilon": decimal(random, -9, 3.5), "noise": "discrete-laplace"}
    return {"rho": decimal(random, -9, 5), "noise": "discrete-gaussian"}


@cache
def _space(*, laplace: bool) -> tuple[Any, Any]:
    distance = dp.l1_distance(T="i64") if laplace else dp.l2_distance(T="i64")
    return dp.vector_domain(dp.atom_domain(T="i64")), distance


def stated(noise: Noise) -> float:
    """OpenDP's own loss of one table, for one buyer more or less."""
    make = dp.m.make_laplace if noise.is_laplace else dp.m.make_gaussian
    return float(make(*_space(laplace=noise.is_laplace), scale=noise.scale).map(1))


def formula(noise: Noise) -> Fraction:
    """Exact loss of a table: 1/b, or 1/(2 sigma^2)."""
    scale = Fraction(noise.scale)
    return 1 / scale if noise.is_laplace else 1 / (2 * scale * scale)


def examine(random: Random, found: Findings) -> None:
    """Note each rule that the losses of an inquiry break; one that has no noise is refused."""
    try:
        inquiry = asked(random)
        noise = mechanism.calibrate(inquiry)
    except InquiryError:  # a scale that is no noise, or could carry a count beyond 2^53
        found.refused += 1
        return
    losses = [stated(law) for law in noise.values()]
    if not all(math.isfinite(loss) and loss > 0 for loss in losses):
        _note(found, "a map that is no positive number", inquiry)
        return
    total, declared = sum(map(Fraction, losses)), Fraction(inquiry.loss.value)
    pairs = zip(losses, noise.values(), strict=True)
    rules = {
        "a table left out": tuple(noise) == inquiry.tables,
        "a map below the exact formula": all(Fraction(loss) >= formula(n) for loss, n in pairs),
        "a sum above the declared loss": total <= declared,
        "a sum above the debit": total * NANO <= inquiry.loss.nano,
        "a debit that is not the declared loss": inquiry.loss.nano == declared * NANO,
    }
    for rule, kept in rules.items():
        if not kept:
            _note(found, rule, inquiry)
    found.cases, found.tables = found.cases + 1, found.tables + len(losses)
    share = total / declared
    found.least, found.most = min(found.least, share), max(found.most, share)


def _note(found: Findings, breach: str, inquiry: Inquiry) -> None:
    found.breaches[breach] += 1
    found.example.setdefault(breach, inquiry.to_dict())
