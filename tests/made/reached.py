"""A stand-in for a reach estimate, with persons told through sets of channels made by hand."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from dpnotice.analyst.claims.recipients import Recipients
from dpnotice.analyst.sampling import Sampling
from dpnotice.errors import DpnoticeError

SAMPLES = 2_000
Persons = float | np.ndarray[Any, Any]


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What claims read of a reach estimate."""

    people: Recipients
    seed: int = 7
    plan: SimpleNamespace
    members: SimpleNamespace

    def recipients(self) -> Recipients:
        return self.people


def told(
    exactly: Mapping[str, Persons],
    *,
    published: Persons = 0.0,
    size: Persons = 1e6,
    draws: int = SAMPLES,
) -> Recipients:
    """Recipients from the persons told through exactly "email", "email+post" and so on."""
    sets = {
        frozenset(name.split("+")): np.full(draws, persons) for name, persons in exactly.items()
    }
    channels = sorted(frozenset().union(*sets))
    asked = [frozenset(s) for n in range(len(channels)) for s in combinations(channels, n + 1)]
    return Recipients(
        sent={s: np.sum([v for t, v in sets.items() if s & t], axis=0) for s in asked},
        published=np.full(draws, published),
        size=np.full(draws, size),
    )


def standing(
    exactly: Mapping[str, Persons],
    *,
    seed: int = 7,
    population: str = "class members",
    **options: Any,
) -> Standing:
    return Standing(
        people=told(exactly, **options),
        seed=seed,
        plan=SimpleNamespace(name="e-mail and post", total_cost_usd=5_000_000),
        members=SimpleNamespace(population=population),
    )


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(DpnoticeError) as found:
        call()
    return str(found.value)


def sampling() -> Sampling:
    return Sampling(axes=(), draws=SAMPLES, seed=7)
