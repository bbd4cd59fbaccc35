"""Draws of uncertain figures: the same for the same seed and label, whatever else is drawn.

In: figures and the grid of an estimate. Out: arrays (draws, *axes); figures of a source of
uncertainty that is held still are at their means.
"""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np

from dpnotice.analyst.intervals import Floats
from dpnotice.analyst.rates import Law, Quantity, axes_of, is_frame
from dpnotice.errors import PlanError
from dpnotice.segments import Axis

MAX_DRAWS: Final = 10**6
SOURCES: Final[Mapping[str, str]] = {
    "counts": "privacy noise",
    "overlap": "overlap between retailers",
    "linkage": "overlap between retailers",
    "outside": "members in nobody's records",
    "users_per_buyer": "members in nobody's records",
    "vehicle": "audiences of media",
    "dependence": "dependence between vehicles",
    "direct": "deliverability of direct notice",
    "drift": "model error",
    "realised": "chance of realised reach",
}
"""First word of a figure's label -> where its uncertainty comes from."""


class Still(np.random.Generator):
    """The generator of a source that is held still: its normals are 0, its laws at their means."""

    def __init__(self) -> None:
        super().__init__(np.random.PCG64(0))

    def standard_normal(self, size: Any = None, *_: Any, **__: Any) -> Any:
        """Return zeros."""
        return np.zeros(() if size is None else size)

    def integers(self, *_: Any, size: Any = None, **__: Any) -> Any:
        """Return zeros: the first of several choices."""
        return np.zeros(() if size is None else size, dtype=np.int64)


def drawn(law: Law, number: int, generator: np.random.Generator) -> Floats:
    """Return draws of a law, or its mean where the generator is still: (number,)."""
    if isinstance(generator, Still):
        return np.full(number, float(law.mean()))
    return np.asarray(law.rvs(size=number, random_state=generator), dtype=np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """What all figures of one estimate share: the axes of its grid, the draws and the seed.

    Each figure has a random stream of its own, keyed by its label and never by its position, so
    that adding or reordering vehicles moves no other draw and differences between plans are sharp.

    Attributes:
        axes: the grid's axes, in the inquiry's order.
        draws: number of draws.
        seed: of the analyst.
        still: sources of uncertainty, among the values of :data:`SOURCES`, that are held still.
    """

    axes: tuple[Axis, ...]
    draws: int
    seed: int
    still: frozenset[str] = field(default=frozenset())

    def __post_init__(self) -> None:
        whole = all(type(number) is int for number in (self.draws, self.seed))
        if not whole or not 1 <= self.draws <= MAX_DRAWS or self.seed < 0:
            raise PlanError(
                f"draws must be a whole number from 1 to {MAX_DRAWS:,} and seed one from 0, "
                f"got {self.draws!r} and {self.seed!r}"
            )

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the grid's axes."""
        return tuple(len(axis) for axis in self.axes)

    @property
    def plain(self) -> "Sampling":
        """The same draws of figures that hold for everybody."""
        return replace(self, axes=())

    def stream(self, label: str) -> np.random.Generator:
        """Return the generator of a label, the same for the same seed and label."""
        if SOURCES.get(label.partition("/")[0]) in self.still:
            return Still()
        words = np.frombuffer(hashlib.sha256(label.encode()).digest(), dtype=np.uint32)
        return np.random.default_rng(np.random.SeedSequence([self.seed, *map(int, words)]))

    def sample(self, value: Quantity, label: str) -> Floats:
        """Return a figure's draws, broadcastable to (draws, *shape).

        A number or frame does not vary over draws; a law varies over draws and is shared by all
        cells, as its error is the figure's, not a cell's.

        Raises:
            PlanError: a frame lacks a level, names it twice, or an axis of the inquiry is unknown.
        """
        ones = (1,) * len(self.axes)
        if is_frame(value):
            return self._by_axes(value, label)[np.newaxis]
        if isinstance(value, Law):
            return drawn(value, self.draws, self.stream(label)).reshape(self.draws, *ones)
        return np.full((1, *ones), float(value))

    def mask(self, target: Mapping[str, tuple[str, ...]]) -> Floats:
        """Return 1 in the cells of a target and 0 elsewhere, shape broadcastable to the grid."""
        inside = np.ones((1,) * len(self.axes))
        for place, axis in enumerate(self.axes):
            if axis.name in target:
                chosen = np.array([level in target[axis.name] for level in axis.levels], float)
                inside = inside * np.expand_dims(
                    chosen, [i for i in range(len(self.axes)) if i != place]
                )
        return inside

    def _by_axes(self, frame: Any, label: str) -> Floats:
        names, label = axes_of(frame), label.partition("/")[2]
        held = {axis.name: axis for axis in self.axes}
        if not set(names) <= set(held):
            raise PlanError(
                f"{label}: a frame's columns are axes of the inquiry, then the figures; "
                f"got {', '.join(names)}, and the axes here are {', '.join(held) or 'none'}"
            )
        sizes = [len(axis) if axis.name in names else 1 for axis in self.axes]
        values = np.full(sizes, np.nan)
        for *levels, value in frame.itertuples(index=False, name=None):
            chosen = dict(zip(names, levels, strict=True))
            strange = [(a, v) for a, v in chosen.items() if str(v) not in held[a].levels]
            if strange:
                axis, level = strange[0]
                raise PlanError(
                    f"{label}: {level!r} is no level of {axis}; "
                    f"the levels are {', '.join(held[axis].levels)}"
                )
            place = tuple(
                axis.levels.index(str(chosen[axis.name])) if axis.name in names else 0
                for axis in self.axes
            )
            if not math.isnan(values[place]):
                raise PlanError(
                    f"{label}: {chosen} is given twice; keep one row per cell", code="OVERLAP"
                )
            values[place] = float(value)
        if np.isnan(values).any():
            raise PlanError(
                f"{label}: the frame must give every combination of {', '.join(names)}, "
                "`unknown` included; add the missing rows"
            )
        return values
