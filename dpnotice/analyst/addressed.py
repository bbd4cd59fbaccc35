"""Who is sent what: persons by the channels through which a notice leaves for them.

In: a plan, a class, the draws. Out: `Recipients`, to which claims rates per member sent apply.
"""

from functools import partial
from itertools import chain, combinations

import numpy as np

from dpnotice.analyst.claims.recipients import Recipients
from dpnotice.analyst.direct import Direct
from dpnotice.analyst.exposed import Exposed
from dpnotice.analyst.intervals import Floats
from dpnotice.analyst.laying import grid, lay
from dpnotice.analyst.members import ClassEstimate
from dpnotice.analyst.plan import NoticePlan
from dpnotice.analyst.sampling import Sampling
from dpnotice.errors import EstimateError


def recipients_of(plan: NoticePlan, members: ClassEstimate, sampling: Sampling) -> Recipients:
    """Return how many persons are sent a piece, by channel, and who hears by publication alone.

    Args:
        plan: the notices.
        members: the class; one retailer, or several whose sketches tell persons apart.
        sampling: draws and seed.

    Raises:
        EstimateError: persons of several retailers are not told apart.
    """
    own = grid(plan, members, sampling)
    channels = sorted({channel for notice in plan.direct for channel in notice.channels})
    some = chain.from_iterable(combinations(channels, n) for n in range(1, len(channels) + 1))
    laid = {frozenset(chosen): _laid(plan, members, own, frozenset(chosen)) for chosen in some}
    everything = laid.get(frozenset(channels)) or _laid(plan, members, own, frozenset())
    if len(everything.buyers) > 1:
        raise EstimateError(
            "claims need persons who are told apart: one retailer, or sketches of all; without "
            "them buyers of several retailers would be counted for each"
        )
    known = everything.buyers[0].sum(axis=1)
    sent = {chosen: known * _share_sent(exposed) for chosen, exposed in laid.items()}
    anybody = sent.get(frozenset(channels), 0.0)
    size = known * members.beyond.members_per_known_buyer(own)
    beside = known * everything.reach() - anybody
    return Recipients(
        sent=sent,
        published=beside + (size - known) * everything.media_reach(),
        size=size,
    )


def _laid(
    plan: NoticePlan, members: ClassEstimate, sampling: Sampling, channels: frozenset[str]
) -> Exposed:
    """Lay a plan over a class with being sent a piece through some channels for seeing it."""
    return lay(plan, members, sampling, unseen=partial(Direct.unsent, channels=channels))


def _share_sent(exposed: Exposed) -> Floats:
    """Share of the known who are sent a piece, (draws,)."""
    buyers = exposed.buyers[0]
    return np.asarray((buyers * (1 - exposed.direct[0])).sum(axis=1) / buyers.sum(axis=1))
