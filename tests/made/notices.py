"""Vehicles and direct notices made for tests, and what is read off them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dpnotice.analyst.direct import Direct
from dpnotice.analyst.exposed import Exposed
from dpnotice.analyst.laying import grid, lay, published
from dpnotice.analyst.media.digital import Digital
from dpnotice.analyst.media.drift import STEADY
from dpnotice.analyst.media.publication import Broadcast, Print
from dpnotice.analyst.media.vehicle import Vehicle
from dpnotice.analyst.members import ClassEstimate
from dpnotice.analyst.plan import NoticePlan
from dpnotice.analyst.sampling import Sampling
from dpnotice.errors import PlanError
from dpnotice.segments import Axis

STATE = Axis(name="state", levels=("CA", "NY"))
AGE = Axis(name="age", levels=("young", "old"))
ALL = Sampling(axes=(), draws=1, seed=0)


def paper(**changes: Any) -> Print:
    return Print("Weekly", **{"reach_1": 0.3, "reach_2": 0.45, "insertions": 2, **changes})


def radio(**changes: Any) -> Broadcast:
    return Broadcast("radio", **{"grps": 150, "reach_cap": 0.9, "dispersion": 0.8, **changes})


def display(**changes: Any) -> Digital:
    fields: dict[str, Any] = {
        "impressions": 1_000_000,
        "universe": 1_000_000,
        "viewable": 0.7,
        "invalid": 0.1,
        "on_target": 0.6,
        "devices_per_person": 1.0,
        "reach_cap": 0.9,
        "dispersion": 1.0,
    }
    return Digital("display", **{**fields, **changes})


def direct(retailer: str = "sephora", **changes: Any) -> Direct:
    fields = {"mode": "email", "cooperation": "sends_itself", "delivered": 0.9, "seen": 0.5}
    return Direct(retailer, **{**fields, **changes})


def steady(plan: NoticePlan) -> NoticePlan:
    """The same plan, its audiences just as they were measured."""
    return replace(plan, drift=STEADY)


def laid(  # noqa: PLR0913 -- whatever can be asked
    plan: NoticePlan,
    members: ClassEstimate,
    *,
    draws: int = 3,
    seed: int = 0,
    extra: tuple[str, ...] = (),
    by_contact: bool = False,
    often: int = 0,
) -> Exposed:
    """Lay a plan over a class, with its ends and how often."""
    sampling = grid(plan, members, Sampling(axes=(), draws=draws, seed=seed), extra=extra)
    media = published(plan, sampling, ends=True, often=often)
    return lay(plan, members, sampling, by_contact=by_contact, media=media)


def by_state(*values: float) -> pd.DataFrame:
    return pd.DataFrame({"state": STATE.levels, "value": values})


def reach(vehicle: Vehicle, sampling: Sampling = ALL) -> float:
    return float(vehicle.exposure(sampling).reach().ravel()[0])


def mean(vehicle: Vehicle) -> float:
    return float(vehicle.exposure(ALL).gross().ravel()[0])


def over(vehicle: Vehicle, *axes: Axis) -> np.ndarray[Any, Any]:
    """Reach by cell in one draw."""
    sampling = Sampling(axes=axes, draws=1, seed=0)
    return vehicle.exposure(sampling).reach()[0].reshape(sampling.shape)


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(PlanError) as refused:
        call()
    return str(refused.value)


def steady_plan(name: str, notices: list[Any], **changes: Any) -> NoticePlan:
    """A plan whose audiences are as measured."""
    return steady(NoticePlan(name, notices, **changes))
