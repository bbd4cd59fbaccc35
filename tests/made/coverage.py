"""Releases without number of the same truth: settings, questions, and the errors of the answers.

In: a setting (truth, law, scales, retailers), how many releases, a generator. Out: the error of
every question in every release. Estimates are linear in the noise, so the noise of all releases is
drawn at once and weighed as least squares weighs it; `contradictions` asks the library itself about
some of the releases and compares. What covers is `coverage_rows`'s.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from itertools import product
from operator import add
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd

from dpnotice.analyst.bounds import share_bounds, union_interval
from dpnotice.analyst.combine import estimate_class
from dpnotice.analyst.counts import RetailerCounts, fit_counts
from dpnotice.analyst.intervals import Counted, LinearNoise, count_interval, fieller
from dpnotice.analyst.members import ClassEstimate
from dpnotice.inquiry import Inquiry
from dpnotice.privacy import Noise, NoiseLaw
from dpnotice.release import Release
from made.releases import Names, drawn, marginal, release, wen

Floats = Any
Ends = tuple[Any, Any]
_SAME: Final = 1e-9
AXES: Final = {
    "state": ["CA", "NY", "TX", "VT", "WY"],
    "age": ["young", "old"],
    "contact": ["email", "post", "none"],
}
SHAPE: Final = (6, 3, 4)  # each axis with `unknown`
DETAIL: Final = ("state", "contact")

# --- fixed truths --------------------------------------------------------------------------
_PLACES: Final = np.random.default_rng(2).integers(0, math.prod(SHAPE), size=30)
_HUGE: Final = np.zeros(SHAPE, dtype=int)
_HUGE[0, 0, 0] = 1_000_000
TRUTHS: Final[Mapping[str, Floats]] = {
    "all zero": np.zeros(SHAPE, dtype=int),
    "one huge cell": _HUGE,
    "skewed": np.random.default_rng(1).geometric(0.02, SHAPE) ** 2 // 40,
    "30 buyers": np.bincount(_PLACES, minlength=math.prod(SHAPE)).reshape(SHAPE),
}

# --- scales --------------------------------------------------------------------------------
_SEVEN: Final[tuple[Names, ...]] = (
    (),
    ("state",),
    ("age",),
    ("contact",),
    ("state", "age"),
    DETAIL,
    ("state", "age", "contact"),
)


def _shared_out(epsilon: float, weights: Mapping[Names, float]) -> dict[Names, float]:
    """Laplace scales of tables that share a loss in proportion to their weights."""
    return {of: sum(weights.values()) / epsilon / weight for of, weight in weights.items()}


SCALES: Final[Mapping[str, Mapping[Names, float]]] = {
    "wide, equal": _shared_out(1, dict.fromkeys(_SEVEN, 1.0)),
    "wide, unequal": _shared_out(1, {of: 4.0 - len(of) for of in _SEVEN}),
    "small, equal": _shared_out(3, {(): 1, DETAIL: 1}),
    "small, unequal": _shared_out(3, {(): 1, DETAIL: 3}),
    "small, lone": _shared_out(3, {DETAIL: 1}),
    "one table of all": _shared_out(1, {("state", "age", "contact"): 1}),
}
"""For Laplace noise; a Gaussian scale is sqrt(2) times as large, for about the same variance."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What is simulated: every retailer has the same true counts and noise of its own."""

    truth: str
    law: NoiseLaw
    scales: str
    retailers: int = 1

    @property
    def noise(self) -> dict[Names, Noise]:
        times = 1.0 if self.law == NoiseLaw.DISCRETE_LAPLACE else math.sqrt(2)
        return {of: Noise(law=self.law, scale=times * b) for of, b in SCALES[self.scales].items()}

    @property
    def full(self) -> Floats:
        return TRUTHS[self.truth]

    @property
    def inquiry(self) -> Inquiry:
        loss = sum(noise.loss for noise in self.noise.values())  # a fraction: nothing is rounded
        measure = "epsilon" if self.law == NoiseLaw.DISCRETE_LAPLACE else "rho"
        declared = f"{math.ceil(loss * 10**6) / 10**6:.6f}"
        tables = [{"of": list(of)} for of in self.noise]
        return wen(axes=AXES, tables=tables, privacy={measure: declared})

    def released(self, noise: Mapping[Names, Floats], retailer: str = "retailer") -> Release:
        """The release with these numbers as its noise."""
        asked, scales = self.inquiry, {of: each.scale for of, each in self.noise.items()}
        counts = {of: marginal(asked, self.full, of) + noise[of] for of in asked.tables}
        return release(asked, counts, scales, retailer=retailer)


def settings(retailers: tuple[int, ...] = (1, 20)) -> list[Setting]:
    """Every truth, law, set of scales and number of retailers."""
    return [
        Setting(truth=truth, law=law, scales=scales, retailers=number)
        for number, scales, law, truth in product(retailers, SCALES, NoiseLaw, TRUTHS)
    ]


# --- questions -----------------------------------------------------------------------------
class Question(NamedTuple):
    """A weighted sum of the cells of a marginal; a part names levels, other sums have rates."""

    what: str
    names: Names
    weights: Floats
    where: dict[str, list[str]] | None = None


def part(what: str, where: dict[str, list[str]]) -> Question:
    factors = [np.isin([*AXES[name], "unknown"], levels) for name, levels in where.items()]
    weights = reduce(np.multiply.outer, factors, np.ones(()))
    return Question(what, tuple(where), weights.astype(float), where)


TOTAL: Final = part("total", {})
CELL: Final = part("cell", {"state": ["CA"], "contact": ["email"]})
ADDRESSED: Final = part("share", {"contact": ["email", "post"]})
RATES: Final = Question("weighted sum", DETAIL, np.random.default_rng(3).random((6, 4)))


def questions(setting: Setting) -> list[Question]:
    """Counts; the marginal cell is one that no table lists."""
    aged = {"age": ["young"]} if ("age",) in setting.noise else {}
    return [
        CELL,
        part("marginal cell", {**aged, "contact": ["email"]}),
        TOTAL,
        RATES,
    ]


def cells() -> list[Question]:
    """Every cell of the detailed table."""
    states, contacts = ([*AXES[name], "unknown"] for name in DETAIL)
    return [
        part("all cells at once", {"state": [s], "contact": [c]})
        for s, c in product(states, contacts)
    ]


def fitted(setting: Setting) -> RetailerCounts:
    """The library's fit of one retailer; its laws of error depend on no count."""
    return fit_counts((setting.released(dict.fromkeys(setting.noise, 0)),))


def law(fit: RetailerCounts, asked: Question, retailers: int = 1) -> LinearNoise:
    """The library's law of the error of a sum over retailers."""
    if asked.where is None:
        one = fit.query(asked.names, asked.weights)[1]
    else:
        one = fit.products(factors(asked))[0][1]
    return reduce(add, [one] * retailers)


def factors(asked: Question) -> dict[str, Floats]:
    assert asked.where is not None
    return {n: np.isin([*AXES[n], "unknown"], v).astype(float) for n, v in asked.where.items()}


def true(setting: Setting, asked: Question) -> float:
    """The true value at one retailer."""
    return float(np.sum(asked.weights * marginal(setting.inquiry, setting.full, asked.names)))


# --- releases ------------------------------------------------------------------------------
@dataclass(frozen=True)
class Simulated:
    """Errors of every question over all releases, and the noise of the first few.

    Attributes:
        setting: what was simulated.
        errors: (retailers, releases, questions).
        asked: the questions.
        first: retailer -> table -> (few, *cells), to build releases from.
    """

    setting: Setting
    errors: Floats
    asked: list[Question]
    first: list[dict[Names, Floats]]

    def of(self, what: str) -> Floats:
        """(retailers, releases) errors of one question."""
        return self.errors[:, :, [asked.what for asked in self.asked].index(what)]

    @property
    def joint(self) -> Floats:
        """(retailers, releases, cells) errors of the detailed table's cells."""
        return self.errors[:, :, -math.prod((6, 4)) :]


def simulate(setting: Setting, runs: int, rng: np.random.Generator, few: int = 2) -> Simulated:
    """Draw the noise of all releases at once and weigh it as least squares does."""
    fit, asked = fitted(setting), [*questions(setting), ADDRESSED, *cells()]
    laws = [fit.design.error(question.names, question.weights) for question in asked]
    errors = np.zeros((setting.retailers, runs, len(asked)))
    first = []
    for retailer in range(setting.retailers):
        kept = {}
        for place, (of, noise) in enumerate(fit.design.tables):
            numbers = drawn(rng, noise, (runs, *fit.design.shape(of)))
            kept[of] = numbers[:few].copy()
            weights = np.stack([each.terms[place].weights for each in laws], axis=1)
            errors[retailer] += numbers.reshape(runs, -1) @ weights
        first.append(kept)
    return Simulated(setting, errors, asked, first)


def found(simulated: Simulated, asked: Question, index: Any) -> list[Counted]:
    """Each retailer's estimate in one release or in all of them, and the library's law."""
    fit, truth = fitted(simulated.setting), true(simulated.setting, asked)
    error = law(fit, asked)
    return [(truth + one[index], error) for one in simulated.of(asked.what)]


# --- the library itself --------------------------------------------------------------------
def contradictions(simulated: Simulated, index: int, level: float) -> list[str]:
    """Questions that the library, given these very releases, answers otherwise than is simulated.

    Estimates must agree within 1e-9 of their size, and intervals with those that the functions
    under test give for the simulated estimate.
    """
    noise = [{of: numbers[index] for of, numbers in each.items()} for each in simulated.first]
    members = estimate_class(
        [simulated.setting.released(each, f"shop{k:02}") for k, each in enumerate(noise)]
    )
    return [
        *_other_estimates(simulated, members, index),
        *_other_intervals(simulated, members, index, level),
    ]


def _other_estimates(simulated: Simulated, members: ClassEstimate, index: int) -> list[str]:
    amiss, asked = [], [*questions(simulated.setting), ADDRESSED]
    for number, fit in enumerate(members.retailers):
        for question in asked:
            dense, error = fit.query(question.names, question.weights)
            got = [dense]
            if question.where is not None:
                got.append(fit.products(factors(question))[0][0])
            value, _ = found(simulated, question, index)[number]
            if not np.allclose(got, value, rtol=_SAME, atol=_SAME * (1 + error.sd)):
                amiss.append(f"estimate of {question.what} at retailer {number}")
        detail = marginal(members.inquiry, simulated.setting.full, DETAIL).ravel()
        expected = detail + simulated.joint[number, index]
        if not np.allclose(fit.marginal(DETAIL).ravel(), expected, rtol=_SAME, atol=1e-8):
            amiss.append(f"estimate of all cells at retailer {number}")
    return amiss


def _other_intervals(
    simulated: Simulated, members: ClassEstimate, index: int, level: float
) -> list[str]:
    same: dict[str, tuple[Ends, Ends]] = {}
    for question in questions(simulated.setting):
        if question.where is not None:
            got = members.count(level=level, **question.where)
            expected = union_interval(found(simulated, question, index), level)[1:]
            same[question.what] = ends(got), expected
    assert ADDRESSED.where is not None
    part, whole = share_terms(simulated, index)
    if len(part) == 1:
        share = fieller(part[0], whole[0], level)[:2]
    else:
        share = share_bounds(part, whole, level, free=True)
    same["share"] = ends(members.share(level=level, **ADDRESSED.where)), share
    if len(part) == 1:
        ((value, error),) = found(simulated, RATES, index)
        total = members.total(rates_by_cell(), unit="points", level=level)
        same[RATES.what] = ends(total), clipped(value, error.half_width(level))
    names = DETAIL if len(part) == 1 else ("retailer",)
    frame = members.by(*names, level=level, simultaneous=True)
    same["all at once"] = (frame["lower"], frame["upper"]), joint_ends(simulated, index, level)
    return [f"interval of {what}" for what, (got, due) in same.items() if not np.allclose(got, due)]


def clipped(value: Any, half: float) -> Ends:
    """The reported ends of a weighted sum of one retailer: below 0 is 0."""
    lower = np.maximum(0.0, value - half)
    return lower, np.maximum(lower, value + half)


def rates_by_cell() -> pd.DataFrame:
    """The rates of the weighted sum as a table that the library takes."""
    levels = [[*AXES[name], "unknown"] for name in DETAIL]
    index = pd.MultiIndex.from_product(levels, names=DETAIL)
    return pd.DataFrame({"value": RATES.weights.ravel()}, index=index).reset_index()


def ends(estimate: Any) -> Ends:
    return estimate.lower, estimate.upper


def share_terms(simulated: Simulated, index: Any) -> tuple[list[Counted], list[Counted]]:
    """Each retailer's part and whole, with the aligned laws that the library gives them."""
    fit = fitted(simulated.setting)
    wholes = {name: np.ones_like(levels) for name, levels in factors(ADDRESSED).items()}
    (_, part_law), (_, whole_law) = fit.products(factors(ADDRESSED), wholes)
    parts = [(value, part_law) for value, _ in found(simulated, ADDRESSED, index)]
    return parts, [(value, whole_law) for value, _ in found(simulated, TOTAL, index)]


def joint_half(simulated: Simulated, level: float) -> tuple[Floats, float, Floats]:
    """Errors (releases, K), half-width and truths of K counts that are to hold together."""
    setting, fit = simulated.setting, fitted(simulated.setting)
    if setting.retailers == 1:
        truth = marginal(setting.inquiry, setting.full, DETAIL).ravel()
        errors, error = simulated.joint[0], fit.design.cell_error(DETAIL)
    else:
        truth = np.full(setting.retailers, true(setting, TOTAL))
        errors, error = simulated.of("total").T, law(fit, TOTAL)
    return errors, error.half_width(1 - (1 - level) / truth.size), truth


def joint_ends(simulated: Simulated, index: Any, level: float) -> Ends:
    """The reported ends of K counts that are to hold together."""
    errors, half, truth = joint_half(simulated, level)
    return count_interval(truth + errors[index], half)
