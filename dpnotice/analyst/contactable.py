"""Maps with planes -> persons who can be reached in one way, by the retailers that know it.

In: the fitted overlap of sketches with planes. Out: rows with intervals: "reachable by e-mail
through exactly these retailers".
"""

import math
from itertools import combinations
from typing import Any, Final

import numpy as np
from scipy.special import ndtri

from dpnotice.analyst.intervals import Floats, count_interval
from dpnotice.analyst.known import Known
from dpnotice.errors import EstimateError

NOWHERE: Final = "none of them"
"""Known to some of the retailers, and in this plane at none."""


def contactable(known: Known, plane: str, level: float) -> list[dict[str, Any]]:
    """Return, for every set of retailers, the persons who are in a plane at exactly those.

    Persons are buyers with a key, as the maps show them: lost links are not added.

    Args:
        known: the fitted releases.
        plane: its name.
        level: confidence of each interval, normal.

    Returns:
        Rows of retailers, size (of the set), estimate, lower, upper, level, unit; the last is of
        those who are known to some retailer and in this plane at none.

    Raises:
        EstimateError: ``PLANES``; no such plane, or maps of some block too noisy to solve.
    """
    joint = None if known.joint is None else known.joint.overlap.by_plane
    plan = known.sketch_plan
    names = [] if plan is None else [each.name for each in plan.planes]
    if known.joint is None or joint is None or plane not in names:
        raise EstimateError(
            f"persons by plane need sketches of two to five retailers with a plane {plane!r}, and "
            f"blocks that can all be solved; the planes are {', '.join(names) or 'none'}",
            code="PLANES",
        )
    table = known.joint.joined_table
    errors = [c.design.cell_error(table).variance for c in known.joint.counts]
    covariance = joint.residual + (joint.gain * errors) @ joint.gain.transpose(0, 2, 1)
    people = joint.estimate.sum(axis=0), covariance.sum(axis=0)
    rows = []
    for size in (*range(1, len(joint.retailers) + 1), 0):
        for chosen in combinations(range(len(joint.retailers)), size):
            asked = np.isin(np.arange(len(joint.retailers)), chosen)
            there = joint.states == names.index(plane) + 1
            name = " + ".join(joint.retailers[i] for i in chosen) or NOWHERE
            numbers = _numbers((there == asked).all(axis=1).astype(np.float64), people, level)
            rows.append({"retailers": name, "size": size, **numbers})
    return rows


def _numbers(weights: Floats, people: tuple[Floats, Floats], level: float) -> dict[str, Any]:
    """Return estimate and ends of a weighted sum of people with a covariance."""
    value, sd = float(weights @ people[0]), math.sqrt(float(weights @ people[1] @ weights))
    lower, upper = count_interval(value, float(ndtri((1 + level) / 2)) * sd)
    ends = {"estimate": value, "lower": float(lower), "upper": float(upper)}
    return ends | {"level": level, "unit": "persons"}
