"""Where a vehicle's exposures go: to everybody alike, to a target alone, or by stated shares.

In: a vehicle's `target` and `universe`. Out: who is inside it, and how often a person of each
segment is exposed, relative to the average person of the universe.
"""

from collections.abc import Mapping
from typing import Final, TypeAlias

import numpy as np

from dpnotice.analyst.intervals import Floats
from dpnotice.analyst.rates import Quantity, axes_of, check_fraction, check_target
from dpnotice.analyst.sampling import Sampling
from dpnotice.errors import PlanError

Target: TypeAlias = Quantity
"""None, a mapping of axes to levels, or a frame of delivery shares by axes."""
_WHOLE: Final = 1 + 1e-9


def check_delivery(target: Target, universe: Quantity, field: str) -> Target:
    """Return a target as kept by a vehicle, or refuse it.

    A mapping of axes to levels: nobody else is exposed. A frame of axes and, in its last column,
    each segment's share of the exposures bought: they need the persons of the universe by the same
    axes. What the shares lack to 1 is spill: paid for, and reaching nobody.

    Raises:
        PlanError: naming the field and the rule.
    """
    if hasattr(target, "to_pandas"):
        target = target.to_pandas()
    if not axes_of(target):
        return None if target is None else check_target(target, field)
    frame = check_fraction(target, field)
    if float(frame.iloc[:, -1].sum()) > _WHOLE:
        raise PlanError(
            f"{field}: delivery shares must sum to 1 at most, got {frame.iloc[:, -1].sum():.4f}",
            code="PERCENTAGES",
        )
    if set(axes_of(universe)) != set(axes_of(frame)):
        raise PlanError(
            f"{field}: delivery by {', '.join(axes_of(frame))} needs universe as a frame by the "
            "same axes; how often a person is exposed follows from the persons of each segment"
        )
    return frame


def target_axes(target: Target) -> tuple[str, ...]:
    """Return the axes that a checked target names."""
    return tuple(target) if isinstance(target, Mapping) else axes_of(target)


def inside(target: Target, sampling: Sampling) -> Floats:
    """Return 1 for the cells of a target and 0 elsewhere, broadcastable to the grid."""
    return sampling.mask(target if isinstance(target, Mapping) else {})


def delivered_index(target: Target, universe: Quantity, sampling: Sampling, name: str) -> Floats:
    """Return exposures of a segment's person over those of the average person.

    Formula: (share_s / U_s) sum of U; 1 everywhere without delivery shares. A segment of which the
    universe counts nobody, as `unknown`, gets the average of the others.

    Returns:
        Broadcastable to (1, *cells).

    Raises:
        PlanError: exposures go to a segment without persons.
    """
    if not axes_of(target):
        return np.ones((1,) * (1 + len(sampling.axes)))
    share = sampling.sample(target, f"vehicle/{name}/target")
    persons = sampling.sample(universe, f"vehicle/{name}/universe")
    if np.any((persons == 0) & (share > 0)):
        raise PlanError(
            f"{name}: exposures are delivered to a segment in which universe counts nobody; "
            "correct one of them"
        )
    ratio = np.divide(
        share * persons.sum(), persons, out=np.full_like(share, share.sum()), where=persons > 0
    )
    return np.asarray(ratio)
