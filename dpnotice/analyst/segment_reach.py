"""Reach within every level of an axis, and which levels are too small to tell.

In: a plan, a class, the draws and an axis. Out: an estimate per level.
"""

from typing import Final

import numpy as np

from dpnotice.analyst.intervals import Floats
from dpnotice.analyst.laying import grid, lay
from dpnotice.analyst.members import LEVEL, ClassEstimate
from dpnotice.analyst.net_reach import as_estimate, realised
from dpnotice.analyst.outside import Beyond
from dpnotice.analyst.plan import NoticePlan
from dpnotice.analyst.sampling import Sampling
from dpnotice.errors import EstimateError
from dpnotice.result import Estimate
from dpnotice.segments import CONTACT

TOO_FEW: Final = "not separately estimable: too few buyers for the privacy noise"
SEPARATE_SD: Final = 3.0
"""A segment whose buyers are within so many noise s.d. of 0 is not separately estimable."""


def reach_by(
    plan: NoticePlan, members: ClassEstimate, sampling: Sampling, axis: str, level: float
) -> list[Estimate]:
    """Return reach within every level of an axis.

    Args:
        plan: the notices.
        members: the class.
        sampling: draws and seed.
        axis: of the inquiry.
        level: confidence of each interval.

    Raises:
        EstimateError: no such axis; or no table holds it together with the plan's own axes.
    """
    if not isinstance(axis, str) or axis not in members.axes:
        raise EstimateError(
            f"{axis!r} is no axis of the inquiry; they are {', '.join(members.axes)}"
        )
    own = grid(plan, members, sampling, extra=(axis,))
    by_contact = axis == CONTACT
    exposed = lay(plan, members, own, by_contact=by_contact)
    # Of members in nobody's records no contact is known: within contact, known buyers.
    beyond = Beyond() if by_contact else members.beyond
    estimates = []
    for number, name in enumerate(members.axes[axis].levels):
        cells = exposed.within(axis, number)
        size = members.count(level=LEVEL, **{axis: name})
        drawn = beyond.of_everyone(cells.reach(), cells.media_reach(), own)
        drawn = realised(drawn, own, size.lower)
        # Few draws of a small segment hold no buyers; they say nothing of its reach.
        told = np.isfinite(drawn).reshape(len(drawn), -1).all(axis=1)
        found = as_estimate if _separate(members, axis, name) and told.any() else _blurred
        estimates.append(found(drawn[told], f"reach within {axis}", name, level))
    return estimates


def _separate(members: ClassEstimate, axis: str, name: str) -> bool:
    weights = np.array([float(level == name) for level in members.axes[axis].levels])
    counted = [retailer.products({axis: weights})[0] for retailer in members.retailers]
    return any(value > SEPARATE_SD * noise.sd for value, noise in counted)


def _blurred(_draws: Floats, quantity: str, segment: str, level: float) -> Estimate:
    return Estimate(
        quantity=quantity,
        segment=segment,
        estimate=None,
        lower=0.0,
        upper=1.0,
        level=level,
        unit="fraction",
        note=TOO_FEW,
    )
