"""Where members are, as delivery shares: what counts without names buy in placing a notice.

In: a class. Out: a frame of shares by axes, which any vehicle takes as `target`.
"""

from typing import TYPE_CHECKING

import numpy as np

from dpnotice.analyst.members import ClassEstimate
from dpnotice.analyst.parts import ordered
from dpnotice.errors import EstimateError
from dpnotice.reporting import tables
from dpnotice.segments import UNKNOWN

if TYPE_CHECKING:
    import pandas as pd


def delivery_by(members: ClassEstimate, *names: str) -> "pd.DataFrame":
    """Return each segment's share of the retailers' buyers, to place exposures by.

    Noisy counts below 0 count as 0 here, as nobody can be sent a negative number of exposures;
    the estimate of reach keeps its signed counts. Buyers of an unknown level cannot be aimed at:
    their share is 0, and the others' sum to 1.

    Args:
        members: the class.
        *names: one axis or more.

    Returns:
        A column per axis, and `share`.

    Raises:
        EstimateError: no axis, an unknown one, or nobody is counted.
    """
    axes = ordered(members.axes, names)
    if not axes:
        raise EstimateError("delivery needs an axis to be placed by; name one")
    counted = sum(np.maximum(retailer.marginal(axes), 0.0) for retailer in members.retailers)
    for place, name in enumerate(axes):
        known = [level != UNKNOWN for level in members.axes[name].levels]
        shape = [-1 if number == place else 1 for number in range(len(axes))]
        counted = counted * np.array(known, dtype=float).reshape(shape)
    if not np.sum(counted) >= 1:  # counts of 0 are fitted as some 1e-14
        raise EstimateError("the releases count nobody of a known level, so nothing can be placed")
    levels = {name: members.axes[name].levels for name in axes}
    return tables.cells(levels, {"share": np.ravel(counted / np.sum(counted))}, {})
