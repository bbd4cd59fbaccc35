"""What every answer can do: the result protocol, and `Estimate`, the smallest answer.

In: numbers with their interval. Out: the same as a frame, a sentence, a picture and plain JSON.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, runtime_checkable

from dpnotice.reporting import figures, tables, wording

if TYPE_CHECKING:
    import pandas as pd

    from dpnotice.reporting import Axes

SUMMARY_COLUMNS: Final = ("quantity", "segment", "unit", "estimate", "lower", "upper", "level")
"""Columns of every `.summary()`; the same numbers as sentence and picture."""


@runtime_checkable
class Result(Protocol):
    """The calls that every result object answers."""

    def summary(self) -> "pd.DataFrame":
        """Return one tidy row per estimate, columns :data:`SUMMARY_COLUMNS`."""

    def to_frame(self) -> "pd.DataFrame":
        """Return the finest table behind the summary."""

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw into `ax`, or into a new figure; nothing global changes."""

    def plot_data(self) -> dict[str, Any]:
        """Return what the picture shows as plain JSON types."""

    def statement(self) -> str:
        """Return one sentence."""

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain JSON types."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """One number with its interval.

    Attributes:
        quantity: what it is, in words.
        estimate: the point, unclipped; None where the data give only bounds.
        lower: lower end.
        upper: upper end.
        level: confidence of the interval, a fraction.
        unit: ``"persons"``, ``"buyers"``, ``"fraction"`` or ``"USD"``.
        segment: which part of the class; empty for all.
        note: what a reader must know, for instance why there is no point.
    """

    quantity: str
    estimate: float | None
    lower: float
    upper: float
    level: float
    unit: str
    segment: str = ""
    note: str = ""

    def __contains__(self, truth: float) -> bool:
        """Whether the interval covers a number."""
        return self.lower <= truth <= self.upper

    def row(self) -> dict[str, Any]:
        """Return the row of a summary."""
        values = {name: getattr(self, name) for name in SUMMARY_COLUMNS}
        return values | {"estimate": math.nan if self.estimate is None else self.estimate}

    def summary(self) -> "pd.DataFrame":
        """Return one tidy row."""
        return tables.frame([self.row()], SUMMARY_COLUMNS)

    def to_frame(self) -> "pd.DataFrame":
        """Return the same row."""
        return self.summary()

    def statement(self) -> str:
        """Return one sentence."""
        return wording.estimate_sentence(self.to_dict())

    def plot_data(self) -> dict[str, Any]:
        """Return what the picture shows as plain JSON types."""
        return {
            "kind": "intervals",
            "x": self.quantity,
            "unit": self.unit,
            "level": self.level,
            "series": [{"label": self.segment or self.quantity, **_ends(self)}],
        }

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw the point and its interval."""
        return figures.draw(self.plot_data(), ax)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON types."""
        return {"format": 1, "note": self.note, **{k: getattr(self, k) for k in SUMMARY_COLUMNS}}

    def _repr_html_(self) -> str:
        return tables.html(self.summary(), self.statement())


def _ends(estimate: Estimate) -> dict[str, float | None]:
    return {"estimate": estimate.estimate, "lower": estimate.lower, "upper": estimate.upper}


def summary_frame(estimates: list[Estimate]) -> "pd.DataFrame":
    """Return the tidy frame of several estimates."""
    return tables.frame([estimate.row() for estimate in estimates], SUMMARY_COLUMNS)


def interval_series(estimates: list[Estimate]) -> list[dict[str, Any]]:
    """Return the estimates as the series of an interval picture, labelled by segment."""
    return [{"label": e.segment or e.quantity, **_ends(e)} for e in estimates]
