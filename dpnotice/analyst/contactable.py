"""Maps with planes -> persons who can be reached in one way, by the retailers that know it.

In: the fitted overlap of sketches with planes. Out: rows with intervals: "reachable by e-mail
through exactly these retailers".
"""

from itertools import combinations
from typing import Any, Final

import numpy as np
from scipy.special import ndtri

from dpnotice.analyst.intervals import count_interval
from dpnotice.analyst.known import Known
from dpnotice.analyst.overlap import Overlap
from dpnotice.bitmap import SketchPlan
from dpnotice.errors import EstimateError

NOWHERE: Final = "none of them"
"""Known to some of the retailers, and in this plane at none."""


def contactable(
    known: Known, plan: SketchPlan | None, plane: str, level: float
) -> list[dict[str, Any]]:
    """Return, for every set of retailers, the persons who are in a plane at exactly those.

    Persons are buyers with a key, as the maps show them: lost links are not added.

    Args:
        known: the fitted releases.
        plan: of their sketches.
        plane: its name.
        level: confidence of each interval, normal.

    Returns:
        Rows of retailers, size (of the set), estimate, lower, upper, level, unit; the last is of
        those who are known to some retailer and in this plane at none.

    Raises:
        EstimateError: ``PLANES``; no such plane, or maps of some block too noisy to solve.
    """
    joint = None if known.joint is None else known.joint.overlap
    names = [] if plan is None else [each.name for each in plan.planes]
    if plane not in names or joint is None or len(joint.planes) < len(joint.estimate):
        raise EstimateError(
            f"persons by plane need sketches of two to five retailers with a plane {plane!r}, and "
            f"blocks that can all be solved; the planes are {', '.join(names) or 'none'}",
            code="PLANES",
        )
    return [
        _row(joint, names.index(plane) + 1, chosen, level)
        for size in (*range(1, len(joint.retailers) + 1), 0)
        for chosen in combinations(range(len(joint.retailers)), size)
    ]


def _row(overlap: Overlap, number: int, chosen: tuple[int, ...], level: float) -> dict[str, Any]:
    """Return the row of one set of retailers; `number` is that of the plane, from 1."""
    states = np.array(overlap.planes[0].states)  # (states, k)
    asked = np.isin(np.arange(states.shape[1]), chosen)
    weights = ((states == number) == asked).all(axis=1).astype(np.float64)
    value = sum(float(weights @ block.estimate) for block in overlap.planes)
    variance = sum(float(weights @ block.covariance @ weights) for block in overlap.planes)
    half = float(ndtri((1 + level) / 2)) * float(np.sqrt(variance))
    lower, upper = count_interval(value, half)
    return {
        "retailers": " + ".join(overlap.retailers[i] for i in chosen) or NOWHERE,
        "size": len(chosen),
        "estimate": value,
        "lower": float(lower),
        "upper": float(upper),
        "level": level,
        "unit": "persons",
    }
