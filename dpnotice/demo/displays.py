"""Notices displayed in stores: as vehicles of a plan, and checked against who really came by.

In: who visited which store in which week. Out: `Print` vehicles whose insertions are weeks, and how
well the reach of all weeks follows from that of one week and of two.
"""

from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from dpnotice.analyst.media import Print
from dpnotice.analyst.sampling import Sampling
from dpnotice.datasets import Visits

SOURCE: Final = "visits per week in The Complete Journey, as a survey of the buyers would show them"
AS_OF: Final = "2017, weeks 40 to 52"
_LEVELS: Final = ("post", "none", "unknown")


@dataclass(frozen=True, slots=True, kw_only=True)
class DisplayCheck:
    """How well three ways predict who sees a display over all its weeks.

    Attributes:
        beta_binomial: mean absolute error over stores, a fraction, from the mean reach of one week
            and of two over all weeks and pairs.
        single: the same from one week and one adjacent pair, averaged over the choices.
        independent: from the mean reach of one week, weeks taken as independent.
        curve: (weeks, 3): true, beta-binomial and independent reach of 1..n weeks, store mean.
    """

    beta_binomial: float
    single: float
    independent: float
    curve: npt.NDArray[np.float64]


def vehicles(visits: Visits, contact: npt.NDArray[np.str_]) -> list[Print]:
    """Return a display per store, its audience by contact level as a survey would publish it.

    Args:
        visits: of the class.
        contact: (households,) contact level of each.
    """
    return [_vehicle(visits, number, contact) for number in range(len(visits.stores))]


def check_displays(visits: Visits) -> DisplayCheck:
    """Predict the reach of every store's display over all weeks in three ways.

    Args:
        visits: of the class.
    """
    seen, weeks = visits.seen, len(visits.weeks)
    truth = seen.any(axis=2).mean(axis=0)
    one, two = _mean_reach(seen)
    curve = [
        (_windows(seen, n), _predicted(one, two, n).mean(), (1 - (1 - one) ** n).mean())
        for n in range(1, weeks + 1)
    ]
    return DisplayCheck(
        beta_binomial=float(np.abs(_predicted(one, two, weeks) - truth).mean()),
        single=_single_error(seen, truth),
        independent=float(np.abs(1 - (1 - one) ** weeks - truth).mean()),
        curve=np.array(curve),
    )


def _vehicle(visits: Visits, number: int, contact: npt.NDArray[np.str_]) -> Print:
    figures: dict[str, list[float]] = {"reach_1": [], "reach_2": []}
    for level in _LEVELS:
        # Nobody's level is `unknown` here; a level without a household takes the figures of all.
        chosen = visits.seen[contact == level] if (contact == level).any() else visits.seen
        one, two = _mean_reach(chosen[:, [number], :])
        figures["reach_1"].append(float(one[0]))
        figures["reach_2"].append(float(two[0]))
    frames: dict[str, Any] = {
        field: pd.DataFrame({"contact": _LEVELS, field: values})
        for field, values in figures.items()
    }
    return Print(
        f"display in store {visits.stores[number]}",
        insertions=len(visits.weeks),
        source=SOURCE,
        as_of=AS_OF,
        **frames,
    )


def _mean_reach(
    seen: npt.NDArray[np.bool_],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the mean reach of one week and of two, over weeks and pairs, per store."""
    weeks = range(seen.shape[2])
    pairs = [(seen[:, :, a] | seen[:, :, b]).mean(axis=0) for a, b in combinations(weeks, 2)]
    return seen.mean(axis=(0, 2)), np.mean(pairs, axis=0)


def _single_error(seen: npt.NDArray[np.bool_], truth: npt.NDArray[np.float64]) -> float:
    """Return the mean error when only one week and one adjacent pair are known."""
    errors = []
    for week in range(seen.shape[2] - 1):
        one = seen[:, :, week].mean(axis=0)
        two = seen[:, :, week : week + 2].any(axis=2).mean(axis=0)
        # A pair beyond what independent weeks would show is moved to it, as a survey's would be.
        two = np.minimum(two, 2 * one - one**2)
        errors.append(np.abs(_predicted(one, two, seen.shape[2]) - truth))
    return float(np.mean(errors))


def _predicted(
    one: npt.NDArray[np.float64], two: npt.NDArray[np.float64], weeks: int
) -> npt.NDArray[np.float64]:
    """Return the reach of n weeks, per store, through the project's own vehicle."""
    alone = Sampling(axes=(), draws=1, seed=0)
    reach = [
        Print("display", reach_1=a, reach_2=b, insertions=weeks).exposure(alone).reach()
        for a, b in zip(one.tolist(), two.tolist(), strict=True)
    ]
    return np.concatenate(reach).ravel()


def _windows(seen: npt.NDArray[np.bool_], weeks: int) -> float:
    """Return the true reach of n consecutive weeks, mean over stores and starting weeks."""
    starts = range(seen.shape[2] - weeks + 1)
    return float(np.mean([seen[:, :, s : s + weeks].any(axis=2).mean() for s in starts]))
