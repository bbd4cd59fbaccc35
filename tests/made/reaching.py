"""Plans laid over small classes, audiences just as they were measured, for tests of reach."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

import dpnotice as dn
from dpnotice.analyst import laying
from dpnotice.analyst.members import ClassEstimate
from dpnotice.analyst.plan import NoticePlan
from dpnotice.analyst.reach import ReachEstimate, estimate_reach
from dpnotice.errors import DpnoticeError
from dpnotice.release import Release
from made import notices, releases
from made.known_to_several import notified
from made.notices import steady
from made.releases import marginal, noisy_release, wen

CELLS = 1_000 * np.array([[30, 20, 10, 5, 0], [10, 10, 10, 5, 0], [5, 0, 0, 0, 5]])
SINGLE = 1e-6
"""Error of single precision, in which several vehicles are combined."""
direct = partial(notices.direct, seen=1.0)


def release(cells: Any = CELLS, *, tables: Any = None, **options: Any) -> Release:
    return noisy_release(wen(tables=tables) if tables else wen(), cells, **options)


def noiseless(cells: Any, scale: float, retailer: str = "sephora") -> Release:
    """A release whose noise happened to be zero everywhere."""
    asked = wen()
    counts = {of: marginal(asked, cells, of) for of in asked.tables}
    return releases.release(asked, counts, scale, retailer=retailer)


def mailed_class(identified: int, others: int, contact: str = "post") -> ClassEstimate:
    cells = np.zeros((3, 5), dtype=int)
    cells[0, ["email+post", "email", "post"].index(contact)] = identified
    cells[0, 3] = others
    return dn.estimate_class([release(cells)])


ONE = dn.estimate_class([release()])
TWO = dn.estimate_class([release(), release(retailer="ulta")])


def media(reach_1: Any = 0.3, name: str = "Weekly", **changes: Any) -> dn.Print:
    return dn.Print(name, reach_1=reach_1, **changes)


def uncertain(name: str) -> dn.Print:
    return media(dn.beta(mean=0.3, sd=0.05), name)


def reached(
    *notices: Any,
    members: ClassEstimate = ONE,
    draws: int = 200,
    seed: int = 1,
    dependence: Any = 0.0,
) -> ReachEstimate:
    plan = steady(NoticePlan("plan", notices, dependence=dependence))
    return estimate_reach(plan, members, draws=draws, seed=seed)


def exactly(text: str, error: type[DpnoticeError], call: Callable[[], object]) -> None:
    with pytest.raises(error) as refusal:
        call()
    assert text in str(refusal.value)


# --- retailers whose sketches were compared --------------------------------------------------
SKETCHED = notified(1)
PERSONS = len(SKETCHED.world.masks)
ALL = (0, 1, 2)


def sketched(plan: NoticePlan, members: ClassEstimate = SKETCHED.members, **how: Any) -> Any:
    return estimate_reach(steady(plan), members, **({"draws": 400, "seed": 1} | how))


def agreeing(monkeypatch: pytest.MonkeyPatch, contact: float, seeing: float) -> None:
    """State how far contact, and seeing, agree between retailers."""
    monkeypatch.setattr(laying, "SHARED_CONTACT", contact)
    monkeypatch.setattr(laying, "SHARED_FAILURE", seeing)


def as_counted(result: ReachEstimate, truth: float, persons: int) -> bool:
    """Within 4 s.e. of the counted share and of the draws: over all seeds 6e-5 per comparison."""
    assert result.reach is not None
    error = math.hypot(math.sqrt(0.25 / persons), result.draws.std())
    return abs(result.reach - truth) < 4 * error
