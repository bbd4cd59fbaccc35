"""What a privacy loss buys: loss against the width of an answer and the odds of a target.

In: one row per privacy loss, as a forecast computes them. Out: `Frontier`, a result.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from dpnotice.reporting import figures, foresight, tables, wording
from dpnotice.result import Estimate, summary_frame

if TYPE_CHECKING:
    import pandas as pd

    from dpnotice.reporting import Axes

COLUMNS: Final = (
    "loss",
    "half_width",
    "estimate",
    "lower",
    "upper",
    "smallest_class",
    "probability_at_least",
)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Frontier:
    """Half-width of one answer at several privacy losses.

    Attributes:
        measure: ``"epsilon"`` or ``"rho"``.
        quantity: what is answered, in words.
        segment: which part of the class, or which plan.
        level: confidence of the intervals.
        target: the reach that a court asks for, or None.
        rows: per loss the columns :data:`COLUMNS`: the loss; the half-width from the noise alone
            (inf where there is no interval); the expected answer; the ends of the interval from
            noise and the plan's figures together; the fewest buyers for one point; the chance of
            the target.
    """

    measure: str
    quantity: str
    segment: str
    level: float
    target: float | None
    rows: Sequence[Mapping[str, Any]]

    def to_frame(self) -> "pd.DataFrame":
        """Return one row per loss."""
        return tables.frame(self.rows, COLUMNS)

    def summary(self) -> "pd.DataFrame":
        """Return one tidy row per loss."""
        return summary_frame(
            [
                Estimate(
                    quantity=f"{self.quantity} at {self.measure} {row['loss']}",
                    segment=self.segment,
                    estimate=row["estimate"],
                    lower=row["lower"],
                    upper=row["upper"],
                    level=self.level,
                    unit="fraction",
                )
                for row in self.rows
            ]
        )

    def plot_data(self) -> dict[str, Any]:
        """Return loss against half-width, and against the odds of the target, as JSON types."""
        held = [row for row in self.rows if row["half_width"] < 1]
        series: list[dict[str, Any]] = [
            {
                "label": f"half-width from the noise ({wording.level_text(self.level)})",
                "x": [float(row["loss"]) for row in held],
                "y": [row["half_width"] for row in held],
            }
        ]
        if self.target is not None:
            series.append(
                {
                    "label": f"chance of at least {wording.percent(self.target)} (right)",
                    "x": [float(row["loss"]) for row in held],
                    "y": [row["probability_at_least"] for row in held],
                    "right": True,
                }
            )
        return {
            "kind": "curve",
            "title": f"What the privacy loss buys: {self.segment}",
            "x": f"privacy loss ({self.measure})",
            "y": f"{self.quantity}, half-width",
            "unit": "fraction",
            "x_scale": "log",
            "series": series,
        }

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw loss against half-width and odds."""
        return figures.draw(self.plot_data(), ax)

    def statement(self) -> str:
        """Return one sentence on the two ends."""
        return foresight.frontier_sentence(self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain JSON types; None where there is no interval."""
        rows = [
            {key: value if math.isfinite(value) else None for key, value in row.items()}
            for row in self.rows
        ]
        return {
            "format": 1,
            "measure": self.measure,
            "quantity": self.quantity,
            "segment": self.segment,
            "level": self.level,
            "target": self.target,
            "rows": [row | {"loss": f"{row['loss']:f}"} for row in rows],
        }

    def __repr__(self) -> str:
        return f"<Frontier: {self.statement()}>"

    def _repr_html_(self) -> str:
        return tables.html(self.to_frame(), self.statement())
