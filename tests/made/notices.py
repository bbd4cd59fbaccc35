"""Vehicles and direct notices made for tests, and what is read off them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dpnotice.analyst.digital import Digital
from dpnotice.analyst.direct import Direct
from dpnotice.analyst.media import Broadcast, Print
from dpnotice.analyst.rates import Sampling
from dpnotice.analyst.vehicle import Vehicle
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


def by_state(*values: float) -> pd.DataFrame:
    return pd.DataFrame({"state": STATE.levels, "value": values})


def reach(vehicle: Vehicle, sampling: Sampling = ALL) -> float:
    return 1 - float(vehicle.exposure(sampling).nonreach.ravel()[0])


def mean(vehicle: Vehicle) -> float:
    return float(vehicle.exposure(ALL).mean.ravel()[0])


def over(vehicle: Vehicle, *axes: Axis) -> np.ndarray[Any, Any]:
    """Reach by cell in one draw."""
    sampling = Sampling(axes=axes, draws=1, seed=0)
    return np.broadcast_to(1 - vehicle.exposure(sampling).nonreach, (1, *sampling.shape))[0]


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(PlanError) as refused:
        call()
    return str(refused.value)
