"""Model error: audiences drift between the period in which they were measured and the notice.

In: a vehicle's exposure. Out: the same with its reach shifted by draw, on the logit scale.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import numpy as np

from dpnotice.analyst.intervals import Floats
from dpnotice.analyst.media.exposure_laws import shifted, with_rest
from dpnotice.analyst.media.vehicle import Exposure, Vehicle
from dpnotice.analyst.rates import Law, Quantity, check_plain, check_positive, describe
from dpnotice.analyst.sampling import Sampling
from dpnotice.errors import PlanError

_MOST_SD: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """Standard deviations of shifts of a logit of reach: what the model misses.

    logit(reach of v) = logit(modelled) + own x e_v + common x e, and for the union of several
    vehicles whose duplications are known logit(reach) = logit(modelled) + union x e_u, every e
    standard normal. Where they are not known, the dependence is uncertain enough.

    Attributes:
        own: of each vehicle by itself.
        common: of all vehicles together.
        union: of how the vehicles hang together.
    """

    own: float
    common: float
    union: float = 0.0

    @property
    def in_words(self) -> str:
        """What is taken for granted, for a list of assumptions."""
        if self == STEADY:
            return "none, audiences are taken to be as measured"
        return (
            f"audiences drift by logit s.d. {self.own:g} each and {self.common:g} together, and "
            f"unions of known duplications by {self.union:g}"
        )

    def __post_init__(self) -> None:
        for field in ("own", "common", "union"):
            _check_sd(getattr(self, field), f"drift: {field}")


def _check_sd(value: Quantity, field: str) -> None:
    check_plain(check_positive(value, field), field)
    if isinstance(value, Law) or value > _MOST_SD:
        raise PlanError(
            f"{field} must be the s.d. of a logit, a number from 0 to {_MOST_SD:g}, got "
            f"{describe(value)}; 0.1 moves a reach of 50% by 2.5 points",
            code="RANGE",
        )


DRIFT: Final = Drift(own=0.16, common=0.03, union=0.06)
"""As measured on store visits predicted over 13 weeks from 4 to 13 earlier ones, The Complete
Journey (`benchmarks/real_reach.py`): for other media elicited."""
STEADY: Final = Drift(own=0.0, common=0.0)
"""Figures and model taken at their word."""


def exposures(media: Sequence[Vehicle], drift: Drift, sampling: Sampling) -> list[Exposure]:
    """Return what every vehicle does, its audience drifted.

    Args:
        media: the vehicles.
        drift: how far audiences drift.
        sampling: the grid, draws and seed.
    """
    everybody = drift.common * sampling.stream("drift").standard_normal(sampling.draws)
    found = []
    for vehicle in media:
        own = sampling.stream(f"drift/vehicle/{vehicle.name}").standard_normal(sampling.draws)
        odds = np.exp(everybody + drift.own * own)[:, np.newaxis]
        exposure = vehicle.exposure(sampling)
        found.append(exposure if (odds == 1).all() else drifted(exposure, odds))
    return found


def drifted_union(unmet: Floats, drift: Drift, sampling: Sampling) -> Floats:
    """Shift the reach of several vehicles together.

    Args:
        unmet: (draws or 1, cells) chance that none is met.
        drift: how far the model errs.
        sampling: the draws and seed.
    """
    shock = sampling.stream("drift/union").standard_normal(sampling.draws)
    odds = np.exp(drift.union * shock)[:, np.newaxis]
    return unmet if (odds == 1).all() else shifted(unmet, odds)


def drifted(exposure: Exposure, odds: Floats) -> Exposure:
    """Multiply the odds of being reached; who is reached is exposed as often as before.

    Args:
        exposure: of a vehicle.
        odds: (draws, 1) factors.
    """
    more = _more(exposure.nonreach, odds)
    return replace(
        exposure,
        law=partial(_drifted, exposure.law),
        figures=(*exposure.figures, odds),
        mean=(exposure.mean[0] * exposure.mean[1] * more, np.ones((1, 1))),
        tally=partial(_drifted_tally, exposure.law, exposure.tally),
    )


def _drifted(law: Callable[..., Floats], *figures: Floats) -> Floats:
    """P / (P + (1 - P) odds), odds the last figure."""
    *own, odds = figures
    return shifted(law(*own), odds)


def _drifted_tally(
    law: Callable[..., Floats], tally: Callable[..., Floats], most: int, *figures: Floats
) -> Floats:
    """As many exposures as before among those who are reached."""
    *own, odds = figures
    before = law(*own)
    more = _more(before, odds)
    chances = tally(most, *own) * more
    chances[0] = before * more / odds
    return with_rest(chances)


def _more(unmet: Floats, odds: Floats) -> Floats:
    """Return the reach after over that before: odds / (P + (1 - P) odds)."""
    return np.asarray(odds / (unmet + (1 - unmet) * odds))
