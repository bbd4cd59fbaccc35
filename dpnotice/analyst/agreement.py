"""One person, several retailers' notices: the chance that none of them is seen.

In: for each retailer the chance that a buyer sees none of its notices. Out: the same for a person
whom all of them know, between notices that are independent and such that agree.
"""

from typing import Final

import numpy as np

from dpnotice.analyst.intervals import Floats

_CLOSE: Final = 1e-9


def unseen_by_all(unseen: Floats, usable: Floats, contact: Floats, seeing: Floats) -> Floats:
    """Return the chance that a person known to some retailers sees none of their notices.

    With u_i the chance for a buyer of retailer i, of whom a share a_i is sent something, of which
    r_i = 1 - (1 - u_i) / a_i see nothing, and a_(1) >= a_(2) >= ...:

        (1 - w) prod u_i + w [s min u_i + (1 - s) sum over m of (a_(m) - a_(m+1)) prod r_(1..m)],

    and the 1 - a_(1) who are sent nothing. At contact weight w = 0 contact at one retailer tells
    nothing of another; at 1 who is sent something by the one with fewer addresses is sent
    something by the others; s says the same of seeing what is sent. Where everybody or nobody is
    sent something, as in a plane, there is nothing to agree in, and w counts as 1.

    Args:
        unseen: u, (retailers, draws, groups).
        usable: a, the same shape.
        contact: w, (draws, 1).
        seeing: s, (draws, 1).
    """
    if len(unseen) == 1:
        return np.asarray(unseen[0])
    settled = ((usable < _CLOSE) | (usable > 1 - _CLOSE)).all(axis=0)
    contact = np.where(settled, 1.0, contact)
    order = np.argsort(-usable, axis=0)
    sent = np.take_along_axis(usable, order, axis=0)
    missed = 1 - np.divide(1 - unseen, usable, out=np.zeros_like(unseen), where=usable > 0)
    missed = np.cumprod(np.take_along_axis(np.clip(missed, 0.0, 1.0), order, axis=0), axis=0)
    steps = sent - np.concatenate([sent[1:], np.zeros_like(sent[:1])])
    alike = 1 - sent[0] + np.sum(steps * missed, axis=0)
    together = seeing * np.min(unseen, axis=0) + (1 - seeing) * alike
    return np.asarray((1 - contact) * np.prod(unseen, axis=0) + contact * together)
