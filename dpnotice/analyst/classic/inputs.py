"""What the classic formulas are told, checked, and what they answer.

In: published audiences, insertions and duplications. Out: checked arrays, each vehicle's own
distribution of exposures, and `ClassicReach`. A figure printed in percent is refused, not divided.
"""

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from dpnotice.analyst.intervals import Floats
from dpnotice.analyst.media.exposure_laws import beta_binomial_counts
from dpnotice.analyst.media.publication import Print
from dpnotice.analyst.rates import code_of
from dpnotice.errors import PlanError

MAX_INSERTIONS: Final = 10_000
DUST: Final = 1e-9
"""Rounding of sums of fractions; a published figure is not that precise."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClassicReach:
    """What a classic formula says of a whole schedule.

    Attributes:
        distribution: (n + 1,) shares of persons with exactly 0, 1, ..., n exposures; sums to 1.
        note: where the formula is known to break.
        negative_mass: what the negative cells of its joint law add up to, 0 or less; other than 0
            only for the canonical expansion.
    """

    distribution: Floats
    note: str
    negative_mass: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "distribution", read_only(self.distribution))

    @property
    def reach(self) -> float:
        """Share of persons with at least one exposure."""
        return float(1 - self.distribution[0])


def read_only(distribution: Floats) -> Floats:
    """Return a copy that nobody changes, or refuse what does not sum to 1.

    Raises:
        PlanError: with the sum.
    """
    cells = np.array(distribution, dtype=np.float64)
    if cells.ndim != 1 or not abs(cells.sum() - 1) <= DUST:
        raise PlanError(
            f"a distribution of exposures must be one row of shares that sum to 1, got shape "
            f"{cells.shape} and sum {cells.sum():g}; give the cell of no exposure too"
        )
    cells.setflags(write=False)
    return cells


def check_share(value: float, field: str) -> float:
    """Return one fraction in [0, 1].

    Raises:
        PlanError: naming the field, the value and the likely slip.
    """
    return float(check_shares([value], field)[0])


def check_shares(values: npt.ArrayLike, field: str) -> Floats:
    """Return (V,) fractions in [0, 1], one per vehicle.

    Raises:
        PlanError: naming the field, the value and the likely slip.
    """
    found = _numbers(values, field)
    if found.ndim != 1 or not found.size:
        raise PlanError(f"{field} must be a list with one number per vehicle, got {values!r}")
    return _in_unit(found, field)


def check_audiences(reach_1: npt.ArrayLike) -> Floats:
    """Return (V,) audiences strictly between 0 and 1, as formulas of pairs divide by them.

    Raises:
        PlanError: naming the value and the likely slip.
    """
    found = check_shares(reach_1, "reach_1")
    if not ((found > 0) & (found < 1)).all():
        raise PlanError(
            f"reach_1 must lie strictly between 0 and 1, got {found.min():g} to {found.max():g}; "
            "leave out a vehicle that nobody sees, and one that everybody sees reaches everybody"
        )
    return found


def check_insertions(insertions: Sequence[int] | None, vehicles: int) -> tuple[int, ...]:
    """Return whole numbers of insertions, one per vehicle; None is once in each.

    Raises:
        PlanError: naming the rule.
    """
    counts = np.ones(vehicles, int) if insertions is None else np.asarray(insertions)
    whole = counts.shape == (vehicles,) and counts.dtype.kind in "iu"
    if not whole or counts.min() < 1 or counts.sum() > MAX_INSERTIONS:
        raise PlanError(
            f"insertions must be {vehicles} whole numbers from 1, one per vehicle and "
            f"{MAX_INSERTIONS:,} at most in all, got {insertions!r}; leave out what is not bought"
        )
    return tuple(map(int, counts))


def check_duplications(duplications: npt.ArrayLike, audiences: Floats) -> Floats:
    """Return the (V, V) shares of persons that see both of two vehicles, once each.

    Each must satisfy max(0, p_i + p_j - 1) <= p_ij <= min(p_i, p_j) (Frechet 1935). The diagonal is
    ignored, whatever stands there, and returned as 0.

    Raises:
        PlanError: naming the pair, its bounds and the value.
    """
    pairs = _numbers(duplications, "duplications")
    vehicles = len(audiences)
    if pairs.shape != (vehicles, vehicles):
        raise PlanError(
            f"duplications must be a square matrix, a row per vehicle, got shape {pairs.shape} for "
            f"{vehicles} vehicles"
        )
    np.fill_diagonal(pairs, 0.0)
    _in_unit(pairs, "duplications")
    if not np.allclose(pairs, pairs.T, rtol=0, atol=DUST):
        raise PlanError(
            "duplications must be symmetric, as seeing i and j is seeing j and i; give p_ij twice"
        )
    most = np.minimum.outer(audiences, audiences)
    least = np.maximum(0.0, np.add.outer(audiences, audiences) - 1)
    miss = np.maximum(least - pairs, pairs - most)
    np.fill_diagonal(miss, 0.0)
    if miss.max() > DUST:
        i, j = sorted(map(int, np.unravel_index(int(miss.argmax()), miss.shape)))
        raise PlanError(
            f"duplications[{i}, {j}] must lie between {least[i, j]:g} and {most[i, j]:g}, which is "
            f"what the audiences {audiences[i]:g} and {audiences[j]:g} allow, got {pairs[i, j]:g}; "
            "check that all are shares of one universe",
            code="INCONSISTENT",
        )
    return pairs


def vehicle_margins(
    audiences: Floats, reach_2: Sequence[float | None] | None, counts: Sequence[int]
) -> list[Floats]:
    """Return each vehicle's beta-binomial distribution of exposures, (n_i + 1,) each.

    Args:
        audiences: (V,) shares that see one insertion.
        reach_2: (V,) shares that see at least one of two; None where a vehicle is used once.
        counts: (V,) insertions.

    Raises:
        PlanError: R2 is missing or outside its range.
    """
    seconds = [None] * len(counts) if reach_2 is None else list(reach_2)
    if len(seconds) != len(counts):
        raise PlanError(
            f"reach_2 must have one number per vehicle, {len(counts)}, got {len(seconds)}; give "
            "None where a vehicle is used once"
        )
    return [
        vehicle_margin(f"vehicle {i}", float(one), two, n)
        for i, (one, two, n) in enumerate(zip(audiences, seconds, counts, strict=True))
    ]


def vehicle_margin(name: str, one: float, two: float | None, insertions: int) -> Floats:
    """Return the beta-binomial distribution of one vehicle's exposures, (n + 1,).

    Raises:
        PlanError: R2 is missing, or outside [R1, 2 R1 - R1^2] by more than printed rounding.
    """
    Print(name, reach_1=one, reach_2=two, insertions=insertions)  # refuses impossible figures
    spread = one * (1 - one)
    if two is None or spread == 0:
        return beta_binomial_pmf(one, 0.0, insertions)
    return beta_binomial_pmf(one, float(np.clip(1 - (two - one) / spread, 0, 1)), insertions)


def beta_binomial_pmf(mean: float, rho: float, insertions: int) -> Floats:
    """Return P(k exposures), k = 0..n, of the beta-binomial with correlation rho in [0, 1].

    >>> beta_binomial_pmf(0.3, 2 / 7, 2).round(10).tolist()
    [0.55, 0.3, 0.15]
    """
    figures = np.array(mean), np.array(rho)
    return beta_binomial_counts(insertions, insertions + 1, *figures)[:-1]


def warn_impossible(formula: str, reach: float, audiences: Floats) -> None:
    """Warn of a union below its largest part, or above the sum of the parts or 1."""
    low, high = audiences.max(), min(1.0, audiences.sum())
    if not low - DUST <= reach <= high + DUST:
        warnings.warn(
            f"{formula} gives a reach of {reach:.4f}, and no population has one outside "
            f"{low:.4f} to {high:.4f}; the formula breaks here, its figure is returned as it is",
            stacklevel=3,
        )


def _numbers(values: npt.ArrayLike, field: str) -> Floats:
    try:
        found: npt.NDArray[Any] = np.asarray(values)
    except ValueError:
        found = np.empty(0, object)
    if found.dtype.kind not in "fiu":
        raise PlanError(f"{field} must be numbers in rows of one length, got {values!r}")
    return found.astype(np.float64)


def _in_unit(found: Floats, field: str) -> Floats:
    strange = found[~((found >= 0) & (found <= 1))]
    if strange.size:
        raise PlanError(
            f"{field} must be fractions in [0, 1], got {strange[0]:g}; percentages?",
            code=code_of(float(found.min()), float(found.max())),
        )
    return found


def convolve(margins: Iterable[Floats]) -> Floats:
    """Return the distribution of the sum of independent exposures."""
    total = np.ones(1)
    for margin in margins:
        total = np.convolve(total, margin)
    return total
