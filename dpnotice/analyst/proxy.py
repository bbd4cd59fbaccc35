"""What a proxy audience would have claimed: published reach by somebody else's composition.

In: a plan, a class, and the composition of the audience that stands for the class. Out: how much
more (or less) of that audience than of the class the plan's media reach.
"""

import numpy as np

from dpnotice.analyst.intervals import Floats
from dpnotice.analyst.laying import grid, lay, published
from dpnotice.analyst.members import ClassEstimate
from dpnotice.analyst.plan import NoticePlan
from dpnotice.analyst.rates import Quantity, axes_of, check_fraction
from dpnotice.analyst.sampling import Sampling
from dpnotice.errors import PlanError

_CLOSE = 1e-6


def proxy_gap_draws(
    plan: NoticePlan, members: ClassEstimate, audience: Quantity, sampling: Sampling
) -> Floats:
    """Return draws of the media's reach of an audience less that of the class's known buyers.

    Formula: sum of w_s (1 - M_s) - sum of N_s (1 - M_s) / sum of N_s.

    Args:
        plan: its media are compared.
        members: the class.
        audience: a frame of the shares w_s by every axis by which the media vary.
        sampling: draws and seed.

    Returns:
        (draws,), or (draws, 2) ends.

    Raises:
        PlanError: no such frame, or its shares do not sum to 1.
    """
    frame = check_fraction(audience, "audience")
    media = tuple(dict.fromkeys(axis for vehicle in plan.media for axis in vehicle.axes))
    if not axes_of(frame) or not set(media) <= set(axes_of(frame)):
        raise PlanError(
            f"audience must be a frame of shares by {', '.join(media) or 'an axis'}, by which the "
            f"plan's media vary, got {', '.join(axes_of(frame)) or type(audience).__name__}"
        )
    if abs(float(frame.iloc[:, -1].sum()) - 1) > _CLOSE:
        raise PlanError(
            f"the audience's shares sum to {frame.iloc[:, -1].sum():.4f}, not to 1; percentages?",
            code="PERCENTAGES",
        )
    own = grid(plan, members, sampling, extra=axes_of(frame))
    alone = Sampling(
        axes=tuple(axis for axis in own.axes if axis.name in axes_of(frame)),
        draws=own.draws,
        seed=own.seed,
    )
    shares = alone.sample(frame, "audience/shares").reshape(-1)
    proxy = (1 - published(plan, alone)["media"]) @ shares
    reached = lay(plan, members, own).media_reach()
    ends = reached if reached.ndim == 1 else reached[:, ::-1]
    return np.asarray((proxy if ends.ndim == 1 else proxy[:, np.newaxis]) - ends)
