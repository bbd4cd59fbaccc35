"""The most random population that has given audiences and duplications.

In: audiences and duplications of vehicles used once each. Out: the share of persons by the number
of vehicles seen.
"""

import itertools
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.optimize import linprog

from dpnotice.analyst.classic.inputs import (
    ClassicReach,
    check_audiences,
    check_duplications,
)
from dpnotice.analyst.intervals import Floats
from dpnotice.errors import PlanError

MAX_VEHICLES: Final = 15
MOST_SWEEPS: Final = 1_000
_CLOSE: Final = 1e-11
_NOTE: Final = "fits overlap of both signs for one insertion in each vehicle; says nothing of more"


def maximum_entropy(*, reach_1: npt.ArrayLike, duplications: npt.ArrayLike) -> ClassicReach:
    """Return reach and the number of vehicles seen, of greatest entropy at given pairs.

    Among all laws on the 2^V sets of vehicles with P(i) = p_i and P(i and j) = p_ij, the one of
    greatest entropy, by iterative proportional fitting (Deming and Stephan 1940; Csiszar 1975).
    Fits both signs of overlap, but for these insertions only: nothing says how it would grow.

    Args:
        reach_1: (V,) p_i, V at most 15.
        duplications: (V, V) p_ij, the diagonal ignored.

    Raises:
        PlanError: too many vehicles, or no population has all these pairs (a linear programme), or
            they are at the edge, where fitting does not end.
    """
    audiences = check_audiences(reach_1)
    pairs = check_duplications(duplications, audiences)
    if len(audiences) > MAX_VEHICLES:
        raise PlanError(
            f"maximum entropy lays out 2^V sets of vehicles, V at most {MAX_VEHICLES}, got "
            f"{len(audiences)}; join vehicles, or use morgensztern"
        )
    _check_possible(audiences, pairs)
    law = _fit(audiences, pairs)
    seen = np.array([mask.bit_count() for mask in range(law.size)])
    distribution = np.asarray(np.bincount(seen, weights=law), dtype=np.float64)
    return ClassicReach(distribution=distribution, note=_NOTE)


def _fit(audiences: Floats, pairs: Floats) -> Floats:
    """Return the (2^V,) law, scaled to each pair's four cells in turn until all agree."""
    vehicles = len(audiences)
    law = np.ones(1)
    for p in audiences:
        law = np.outer(law, [1 - p, p]).ravel()
    wanted = [
        (i, j, _four_cells(audiences[i], audiences[j], pairs[i, j]))
        for i, j in itertools.combinations(range(vehicles), 2)
    ]
    miss = 0.0
    for _sweep in range(MOST_SWEEPS):
        miss = 0.0
        for i, j, four in wanted:
            view = law.reshape(2**i, 2, 2 ** (j - i - 1), 2, -1)
            margin = view.sum(axis=(0, 2, 4))
            miss = max(miss, float(np.abs(margin - four).max()))
            ratio = np.divide(four, margin, out=np.zeros((2, 2)), where=margin > 0)
            view *= ratio[:, np.newaxis, :, np.newaxis]
        if miss <= _CLOSE:
            return law
    raise PlanError(
        "these duplications are at the edge of what any population has, where some sets of "
        f"vehicles are seen by nobody, and are missed by {miss:.1g} after {MOST_SWEEPS:,} rounds; "
        "give them unrounded",
        code="INCONSISTENT",
    )


def _four_cells(one: float, two: float, both: float) -> Floats:
    """Return the shares that see neither, the second, the first, both; rounding below 0 is 0."""
    return np.maximum([[1 - one - two + both, two - both], [one - both, both]], 0.0)


def _check_possible(audiences: Floats, pairs: Floats) -> None:
    """Refuse pairs that no population has, by a linear programme over all sets of vehicles."""
    vehicles = len(audiences)
    above = list(itertools.combinations(range(vehicles), 2))
    sets = np.arange(2**vehicles)
    sees = [(sets >> i) & 1 for i in range(vehicles)]
    rows = [np.ones_like(sets), *sees, *(sees[i] & sees[j] for i, j in above)]
    target = np.r_[1.0, audiences, [pairs[i, j] for i, j in above]]
    law: Any = sparse.csr_array(np.stack(rows))
    found = linprog(np.zeros(len(sets)), A_eq=law, b_eq=target, method="highs")
    if not found.success:
        raise PlanError(
            "no population has all these duplications together, though each pair is possible; "
            "check that they are of one survey",
            code="INCONSISTENT",
        )
