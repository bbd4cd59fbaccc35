"""A table of the class as a map: every cell with its interval.

In: estimates and ends of the cells of a marginal. Out: `CellMap`, a result.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, Final

from dpnotice.analyst.intervals import Floats
from dpnotice.reporting import figures, tables, wording
from dpnotice.result import Estimate, summary_frame

if TYPE_CHECKING:
    import pandas as pd

    from dpnotice.reporting import Axes

MODEL_BASED: Final = "model-based; do not add up"
"""Stands on every map of shrunk cells."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False, eq=False)
class CellMap:
    """The cells of one marginal.

    Attributes:
        title: what is counted.
        levels: axis -> its levels, one axis or more.
        estimate: in the shape of the axes; nan where only bounds are known.
        lower: lower ends.
        upper: upper ends.
        level: confidence of each interval by itself.
        note: :data:`MODEL_BASED` for shrunk cells, else empty.
    """

    title: str
    levels: Mapping[str, Sequence[str]]
    estimate: Floats
    lower: Floats
    upper: Floats
    level: float
    note: str

    def to_frame(self) -> "pd.DataFrame":
        """Return one row per cell: a column per axis, estimate, lower, upper, level, unit, note."""
        numbers = {"estimate": self.estimate, "lower": self.lower, "upper": self.upper}
        return tables.cells(
            self.levels,
            {name: values.ravel() for name, values in numbers.items()},
            {"level": self.level, "unit": "persons", "note": self.note},
        )

    def estimates(self) -> list[Estimate]:
        """Return every cell as an estimate, the last axis fastest."""
        rows = zip(
            product(*self.levels.values()),
            self.estimate.ravel(),
            self.lower.ravel(),
            self.upper.ravel(),
            strict=True,
        )
        return [
            Estimate(
                quantity=self.title,
                segment=", ".join(f"{a} {v}" for a, v in zip(self.levels, cell, strict=True)),
                estimate=None if math.isnan(point) else float(point),
                lower=float(low),
                upper=float(high),
                level=self.level,
                unit="persons",
                note=self.note,
            )
            for cell, point, low, high in rows
        ]

    def summary(self) -> "pd.DataFrame":
        """Return one tidy row per cell."""
        return summary_frame(self.estimates())

    def plot_data(self) -> dict[str, Any]:
        """Return the map as plain JSON types: rows are the first axis, columns all others."""
        first, *others = self.levels
        columns = [", ".join(cell) for cell in product(*(self.levels[name] for name in others))]
        shape = len(self.levels[first]), len(columns)
        grids = {
            name: [
                [None if math.isnan(v) else float(v) for v in row] for row in values.reshape(shape)
            ]
            for name, values in (
                ("estimate", self.estimate),
                ("lower", self.lower),
                ("upper", self.upper),
            )
        }
        return {
            "kind": "cells",
            "title": self._heading(),
            "x": " x ".join(others),
            "y": first,
            "unit": "persons",
            "level": self.level,
            "rows": list(self.levels[first]),
            "columns": columns,
            **grids,
        }

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw the map: tiles by state where the only axis is the states, else a grid."""
        return figures.draw(self.plot_data(), ax)

    def statement(self) -> str:
        """Return the largest cell in words, and that a map of shrunk cells is for the eye."""
        largest = max(self.estimates(), key=lambda e: e.upper)
        sentence = wording.estimate_sentence(largest.to_dict())
        return f"{sentence} No cell's upper end is higher." + (
            f" {self._heading()}." if self.note else ""
        )

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain JSON types."""
        return {"format": 1, "note": self.note, **self.plot_data()}

    def __repr__(self) -> str:
        return f"<CellMap: {self._heading()} by {' x '.join(self.levels)}>"

    def _repr_html_(self) -> str:
        return tables.html(self.to_frame(), self._heading())

    def _heading(self) -> str:
        heading = self.title[:1].upper() + self.title[1:]
        return f"{heading} ({self.note})" if self.note else heading
