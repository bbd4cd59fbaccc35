"""Notices displayed in stores: as vehicles of a plan, and checked against who really came by.

In: who visited which store in which week, before the notice and during it. Out: `Print` vehicles
whose insertions are weeks, what is known of their duplications, and how well the reach of all weeks
follows from that of one week and of two before.
"""

from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from dpnotice.analyst.dependence.duplications import Duplications
from dpnotice.analyst.media.publication import Print
from dpnotice.analyst.sampling import Sampling
from dpnotice.datasets import Visits

SOURCE: Final = "visits per week in The Complete Journey, as a survey of the buyers would show them"
PASSERS_BY: Final = 0.03
"""Share of a week's visitors who come once and not again; measured on other splits of the data."""
_LEVELS: Final = ("post", "none", "unknown")


@dataclass(frozen=True, slots=True, kw_only=True)
class DisplayCheck:
    """How well three ways predict who sees a display over all its weeks.

    Attributes:
        beta_binomial: mean absolute error over stores, a fraction, from the mean reach of one week
            and of two over all weeks and pairs before.
        single: the same from one week and one adjacent pair, averaged over the choices.
        independent: from the mean reach of one week, weeks taken as independent.
        curve: (weeks, 3): true, beta-binomial and independent reach of 1..n weeks, store mean.
    """

    beta_binomial: float
    single: float
    independent: float
    curve: npt.NDArray[np.float64]


def vehicles(before: Visits, contact: npt.NDArray[np.str_], weeks: int) -> list[Print]:
    """Return a display per store, its audience by contact level as a survey would publish it.

    Args:
        before: visits of the class before the notice.
        contact: (households,) contact level of each.
        weeks: for which the notice is displayed.
    """
    return [_vehicle(before, number, contact, weeks) for number in range(len(before.stores))]


def duplications(before: Visits) -> Duplications:
    """Return who visits two stores, as the same survey would publish it.

    A pair is the mean, over all pairs of weeks, of those who visit the one store in the one week
    and the other in the other.

    Args:
        before: visits of the class before the notice.
    """
    names = [_name(store) for store in before.stores]
    one, two = _mean_reach(before.seen)
    often = before.seen.mean(axis=2)
    return Duplications(
        {
            (names[a], names[b]): float(np.mean(often[:, a] * often[:, b]))
            for a, b in combinations(range(len(names)), 2)
        },
        reach_1=dict(zip(names, one.tolist(), strict=True)),
        reach_2=dict(zip(names, two.tolist(), strict=True)),
        persons=before.seen.shape[0] * before.seen.shape[2],
        source=SOURCE,
        as_of=_period(before),
    )


def check_displays(before: Visits, during: Visits) -> DisplayCheck:
    """Predict the reach of every store's display over all weeks in three ways.

    Args:
        before: visits of the class before the notice, from which is predicted.
        during: visits of the class while the notice is displayed.
    """
    seen, weeks = during.seen, len(during.weeks)
    truth = seen.any(axis=2).mean(axis=0)
    one, two = _mean_reach(before.seen)
    curve = [
        (_windows(seen, n), _predicted(one, two, n).mean(), (1 - (1 - one) ** n).mean())
        for n in range(1, weeks + 1)
    ]
    return DisplayCheck(
        beta_binomial=float(np.abs(_predicted(one, two, weeks) - truth).mean()),
        single=_single_error(before.seen, truth, weeks),
        independent=float(np.abs(1 - (1 - one) ** weeks - truth).mean()),
        curve=np.array(curve),
    )


def _name(store: int) -> str:
    return f"display in store {store}"


def _period(visits: Visits) -> str:
    return f"2017, weeks {visits.weeks[0]} to {visits.weeks[-1]}"


def _vehicle(visits: Visits, number: int, contact: npt.NDArray[np.str_], weeks: int) -> Print:
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
        _name(visits.stores[number]),
        insertions=weeks,
        passers_by=PASSERS_BY,
        source=SOURCE,
        as_of=_period(visits),
        **frames,
    )


def _mean_reach(
    seen: npt.NDArray[np.bool_],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the mean reach of one week and of two, over weeks and pairs, per store."""
    weeks = range(seen.shape[2])
    pairs = [(seen[:, :, a] | seen[:, :, b]).mean(axis=0) for a, b in combinations(weeks, 2)]
    return seen.mean(axis=(0, 2)), np.mean(pairs, axis=0)


def _single_error(seen: npt.NDArray[np.bool_], truth: npt.NDArray[np.float64], weeks: int) -> float:
    """Return the mean error when only one week and one adjacent pair are known."""
    errors = []
    for week in range(seen.shape[2] - 1):
        one = seen[:, :, week].mean(axis=0)
        two = seen[:, :, week : week + 2].any(axis=2).mean(axis=0)
        # A pair beyond what independent weeks would show is moved to it, as a survey's would be.
        two = np.minimum(two, 2 * one - one**2)
        errors.append(np.abs(_predicted(one, two, weeks) - truth))
    return float(np.mean(errors))


def _predicted(
    one: npt.NDArray[np.float64], two: npt.NDArray[np.float64], weeks: int
) -> npt.NDArray[np.float64]:
    """Return the reach of n weeks, per store, through the project's own vehicle."""
    alone = Sampling(axes=(), draws=1, seed=0)
    reach = [
        Print("display", reach_1=a, reach_2=b, insertions=weeks, passers_by=PASSERS_BY)
        .exposure(alone)
        .reach()
        for a, b in zip(one.tolist(), two.tolist(), strict=True)
    ]
    return np.concatenate(reach).ravel()


def _windows(seen: npt.NDArray[np.bool_], weeks: int) -> float:
    """Return the true reach of n consecutive weeks, mean over stores and starting weeks."""
    starts = range(seen.shape[2] - weeks + 1)
    return float(np.mean([seen[:, :, s : s + weeks].any(axis=2).mean() for s in starts]))
