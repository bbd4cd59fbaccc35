"""Classic formulas of a whole schedule: several vehicles, several insertions in each.

In: each vehicle's reach of one and two insertions, and the duplication of each pair. Out: the share
of persons by number of exposures. All rest on the beta-binomial of each vehicle.
"""

import contextlib
import itertools
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from dpnotice.analyst.classic.inputs import (
    DUST,
    ClassicReach,
    check_audiences,
    check_duplications,
    check_insertions,
    read_only,
    vehicle_margin,
    vehicle_margins,
    warn_impossible,
)
from dpnotice.analyst.intervals import Floats
from dpnotice.analyst.media.publication import PRINTED_ROUNDING
from dpnotice.errors import PlanError

MAX_CELLS: Final = 2**20
ALL_ORDERS_UP_TO: Final = 6
SEEDED_ORDERS: Final = 100

_POOLED: Final = "pools all vehicles into one of mean audience; overstates reach where they differ"
_CANONICAL: Final = (
    "keeps pairs only, and the correlation of single insertions, which understates the overlap of "
    "several"
)
_SEQUENTIAL: Final = "how often people are exposed depends on the order of vehicles; reach does not"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OrderedReach:
    """A schedule's exposures by a formula that depends on the order of vehicles.

    Attributes:
        distribution: (n + 1,) shares with exactly 0, ..., n exposures, in the order given.
        lowest: (n + 1,) the least share in each cell over the orders tried.
        highest: (n + 1,) the greatest.
        orders: how many orders were tried and possible.
        note: where the formula is known to break.
    """

    distribution: Floats
    lowest: Floats
    highest: Floats
    orders: int
    note: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "distribution", read_only(self.distribution))
        inside = (self.lowest <= self.distribution) & (self.distribution <= self.highest)
        if not inside.all():
            raise PlanError("lowest and highest must enclose the distribution; include its order")

    @property
    def reach(self) -> float:
        """Share of persons with at least one exposure, the same in every order."""
        return float(1 - self.distribution[0])


def metheringham(
    *,
    reach_1: npt.ArrayLike,
    insertions: Sequence[int],
    duplications: npt.ArrayLike,
    reach_2: Sequence[float | None] | None = None,
) -> ClassicReach:
    """Return the beta-binomial of one pooled vehicle (Metheringham 1964).

    A1 = sum n_i p_i / N and D = the mean duplication of all pairs of insertions, C(n_i, 2) pairs
    within a vehicle (2 R1 - R2 each) and n_i n_j between two (p_ij each); then R2 = 2 A1 - D and
    the beta-binomial of N insertions. Breaks for unlike vehicles: their spread of audiences is
    taken for one of persons. Refuses where D is below A1^2 by more than printed rounding, and warns
    where the reach is outside what the vehicles' own reaches allow.

    Args:
        reach_1: (V,) p_i, shares that see one insertion.
        insertions: (V,) n_i, at least two in all.
        duplications: (V, V) p_ij, the diagonal ignored.
        reach_2: (V,) shares that see one of two; None for vehicles used once.

    Raises:
        PlanError: a figure is not possible, alone or pooled.
    """
    audiences, pairs, margins = _schedule(reach_1, reach_2, insertions, duplications)
    counts = np.array([len(margin) - 1 for margin in margins])
    total = int(counts.sum())
    if total == 1:
        raise PlanError("Metheringham pools pairs of insertions, got one insertion; use reach_1")
    mean = float(counts @ audiences) / total
    within = sum(float(margin @ _pairs_of(np.arange(len(margin)))) for margin in margins)
    overlap = (within + counts @ pairs @ counts / 2) / _pairs_of(total)
    if overlap < mean**2 - PRINTED_ROUNDING:
        raise PlanError(
            f"Metheringham's mean duplication of two insertions is {overlap:.4f}, and no pooled "
            f"vehicle of audience {mean:.4f} has one below {mean**2:.4f}; unlike vehicles cannot "
            "be pooled, use morgensztern",
            code="INCONSISTENT",
        )
    pooled = vehicle_margin("pooled vehicle", mean, float(2 * mean - overlap), total)
    result = ClassicReach(distribution=pooled, note=_POOLED)
    warn_impossible("Metheringham", result.reach, _reached(margins))
    return result


def danaher(
    *,
    reach_1: npt.ArrayLike,
    insertions: Sequence[int],
    duplications: npt.ArrayLike,
    reach_2: Sequence[float | None] | None = None,
) -> ClassicReach:
    """Return the truncated canonical expansion of the joint law (Danaher 1991).

    P(x) = prod f_i(x_i) [1 + sum over pairs of rho_ij (x_i - mu_i)(x_j - mu_j) / (s_i s_j)], f_i
    beta-binomial with mean mu_i and s.d. s_i, rho_ij = (p_ij - p_i p_j) / sqrt(p_i q_i p_j q_j).
    Exact for two vehicles used once. Breaks where the bracket is negative: such cells are kept,
    added up in `negative_mass`, and warned of. With several insertions the counts' correlation
    exceeds rho_ij, so that positive overlap is understated and reach overstated.

    Args:
        reach_1: (V,) p_i, shares that see one insertion.
        insertions: (V,) n_i; prod (n_i + 1) at most 2^20.
        duplications: (V, V) p_ij, the diagonal ignored.
        reach_2: (V,) shares that see one of two; None for vehicles used once.

    Raises:
        PlanError: a figure is not possible, or the schedule is too large for a table of all cells.
    """
    audiences, pairs, margins = _schedule(reach_1, reach_2, insertions, duplications)
    cells = math.prod(len(margin) for margin in margins)
    if cells > MAX_CELLS:
        raise PlanError(
            f"the joint law has {cells:,} cells, and at most {MAX_CELLS:,} are laid out; use fewer "
            "vehicles or insertions, or morgensztern"
        )
    spread = np.sqrt(audiences * (1 - audiences))
    rho = (pairs - np.outer(audiences, audiences)) / np.outer(spread, spread)
    seen = [np.arange(len(margin)) for margin in margins]
    standard = np.ix_(*(_standardised(*each) for each in zip(seen, margins, strict=True)))
    chosen = itertools.combinations(range(len(margins)), 2)
    bracket = 1 + sum(rho[i, j] * standard[i] * standard[j] for i, j in chosen)
    joint = math.prod(np.ix_(*margins)) * bracket
    exposures = np.broadcast_to(sum(np.ix_(*seen)), joint.shape)
    result = ClassicReach(
        distribution=np.asarray(np.bincount(exposures.ravel(), weights=joint.ravel()), float),
        note=_CANONICAL,
        negative_mass=float(joint[joint < 0].sum()),
    )
    if result.negative_mass < -DUST:
        warnings.warn(
            f"Danaher's joint law has negative cells that add up to {result.negative_mass:.2g}; "
            "the expansion breaks here, its cells are returned as they are",
            stacklevel=2,
        )
    warn_impossible("Danaher", result.reach, _reached(margins))
    return result


def morgensztern(
    *,
    reach_1: npt.ArrayLike,
    insertions: Sequence[int],
    duplications: npt.ArrayLike,
    reach_2: Sequence[float | None] | None = None,
    seed: int = 0,
) -> OrderedReach:
    """Return Morgensztern's union and the sequential aggregation of exposures.

    With C_i the beta-binomial reach of vehicle i, any set of vehicles reaches
    S^2 / (S + sum over pairs of k_ij p_ij C_i C_j / (p_i p_j)), S = sum C_i, and
    k_ij = (p_i + p_j) / (p_i + p_j - p_ij): Hofmans' union, its pairs scaled to C. Vehicles are
    added one by one: the persons reached by both what stands and what is added follow from the
    unions before and after, and among them the two numbers of exposures are independent (Leckenby
    and Rice 1986; Lee 1988; Kim 2005, pp. 65-71).

    Reach is the same in every order; the other cells are not, so their range is returned too: over
    all orders of up to six vehicles, else the order given, its reverse and 100 drawn by `seed`.

    Args:
        reach_1: (V,) p_i, shares that see one insertion, in the order of adding.
        insertions: (V,) n_i.
        duplications: (V, V) p_ij, the diagonal ignored.
        reach_2: (V,) shares that see one of two; None for vehicles used once.
        seed: of the orders drawn.

    Raises:
        PlanError: a figure is not possible, or a step's union is less than what stands, or more
            than what is added allows ("declining reach").
    """
    audiences, pairs, margins = _schedule(reach_1, reach_2, insertions, duplications)
    reached = _reached(margins)
    both = np.add.outer(audiences, audiences)
    shared = both / (both - pairs) * pairs * np.outer(reached / audiences, reached / audiences)
    given, *others = _orders(len(margins), seed)
    tried = [_aggregate(given, margins, shared)]
    for order in others:
        with contextlib.suppress(PlanError):
            tried.append(_aggregate(order, margins, shared))
    if len(tried) <= len(others):
        warnings.warn(
            f"Morgensztern: {len(others) + 1 - len(tried)} of {len(others) + 1} orders of the "
            "vehicles are impossible and left out of the range",
            stacklevel=2,
        )
    table = np.stack(tried)
    return OrderedReach(
        distribution=tried[0],
        lowest=table.min(axis=0),
        highest=table.max(axis=0),
        orders=len(tried),
        note=_SEQUENTIAL,
    )


def _schedule(
    reach_1: npt.ArrayLike,
    reach_2: Sequence[float | None] | None,
    insertions: Sequence[int],
    duplications: npt.ArrayLike,
) -> tuple[Floats, Floats, list[Floats]]:
    audiences = check_audiences(reach_1)
    pairs = check_duplications(duplications, audiences)
    counts = check_insertions(insertions, len(audiences))
    return audiences, pairs, vehicle_margins(audiences, reach_2, counts)


def _reached(margins: list[Floats]) -> Floats:
    return np.array([1 - margin[0] for margin in margins])


def _pairs_of(number: npt.ArrayLike) -> Floats:
    whole = np.asarray(number, dtype=np.float64)
    return whole * (whole - 1) / 2


def _standardised(seen: npt.NDArray[np.int_], margin: Floats) -> Floats:
    centred = seen - seen @ margin
    return np.asarray(centred / np.sqrt(centred**2 @ margin))


def _orders(vehicles: int, seed: int) -> list[tuple[int, ...]]:
    """Return the orders to try, the given one first."""
    given = tuple(range(vehicles))
    if vehicles <= ALL_ORDERS_UP_TO:
        return list(itertools.permutations(given))
    stream = np.random.default_rng(seed)
    drawn = (tuple(map(int, stream.permutation(vehicles))) for _ in range(SEEDED_ORDERS))
    return list(dict.fromkeys([given, given[::-1], *drawn]))


def _aggregate(order: tuple[int, ...], margins: list[Floats], shared: Floats) -> Floats:
    """Return the distribution of exposures after adding vehicles in this order."""
    total = margins[order[0]]
    for step in range(2, len(order) + 1):
        chosen = list(order[:step])
        parts = sum(1 - margins[i][0] for i in chosen)
        union = parts**2 / (parts + shared[np.ix_(chosen, chosen)].sum() / 2)
        total = _add(total, margins[chosen[-1]], float(union))
    return total


def _add(left: Floats, right: Floats, union: float) -> Floats:
    """Return the sum of two exposures whose union is given, independent among the doubly reached.

    Raises:
        PlanError: no population has this union.
    """
    one, two = 1 - left[0], 1 - right[0]
    low, high = max(one, two), min(1.0, one + two)
    if not low - DUST <= union <= high + DUST:
        raise PlanError(
            f"Morgensztern's union is {union:.4f} where vehicles that reach {one:.4f} and "
            f"{two:.4f} allow {low:.4f} to {high:.4f}; the formula breaks here, try another order",
            code="INCONSISTENT",
        )
    union = min(max(union, low), high)
    first, second = (np.r_[0.0, x[1:]] / seen for x, seen in ((left, one), (right, two)))
    total = (one + two - union) * np.convolve(first, second)
    total[: len(left)] += (union - two) * first
    total[: len(right)] += (union - one) * second
    total[0] = 1 - union
    return np.asarray(total)
