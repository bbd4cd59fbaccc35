"""Populations made for tests: who sees which vehicles, and the figures published of them."""

from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

Floats = npt.NDArray[np.float64]


def published(law: Floats) -> dict[str, Any]:
    """Audiences and duplications of a law over the 2^V sets of vehicles, set s by its bits."""
    vehicles = law.size.bit_length() - 1
    sees = (np.arange(law.size)[:, np.newaxis] >> np.arange(vehicles)) & 1
    pairs = sees.T @ (sees * law[:, np.newaxis])
    return {"reach_1": np.diag(pairs).tolist(), "duplications": pairs.tolist()}


def independent(*audiences: float) -> dict[str, Any]:
    """Audiences that overlap by chance."""
    return {"reach_1": list(audiences), "duplications": np.outer(audiences, audiences).tolist()}


def alike(vehicles: int, audience: float, duplication: float) -> dict[str, Any]:
    """Vehicles of one audience and one duplication of each pair."""
    pairs = np.full((vehicles, vehicles), duplication)
    return {"reach_1": [audience] * vehicles, "duplications": pairs.tolist()}


def laws(vehicles: int) -> st.SearchStrategy[Floats]:
    """Laws over the sets of vehicles, none of them impossible."""
    weights = st.lists(st.floats(0.05, 1), min_size=2**vehicles, max_size=2**vehicles)
    return weights.map(lambda w: np.array(w) / sum(w))


def reordered(figures: dict[str, Any], order: list[int]) -> dict[str, Any]:
    """The same figures with the vehicles in another order."""
    pairs = np.array(figures["duplications"])[np.ix_(order, order)]
    lists = {k: [v[i] for i in order] for k, v in figures.items() if k != "duplications"}
    return {**lists, "duplications": pairs.tolist()}
