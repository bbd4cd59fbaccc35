"""Alternatives side by side: reach, cost, and the records that each would disclose.

In: plans and one class. Out: a `Comparison`, all plans on the same draws.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from dpnotice.analyst.intervals import Floats, check_level
from dpnotice.analyst.members import LEVEL, ClassEstimate
from dpnotice.analyst.net_reach import as_estimate
from dpnotice.analyst.plan import NoticePlan
from dpnotice.analyst.reach import ReachEstimate, estimate_reach
from dpnotice.errors import PlanError
from dpnotice.reporting import figures, tables, wording
from dpnotice.result import Estimate, interval_series, summary_frame

if TYPE_CHECKING:
    import pandas as pd

    from dpnotice.reporting import Axes

_COLUMNS: Final = (
    "plan",
    "reach",
    "lower",
    "upper",
    "level",
    "cost_usd",
    "cost_lower",
    "cost_upper",
    "records_disclosed",
    "records_lower",
    "records_upper",
)

_CHANCES: Final = ("probability_at_least", "probability_at_least_upper")
"""At the worst and the best overlap; equal for one retailer."""


def compare(
    plans: Sequence[NoticePlan],
    members: ClassEstimate,
    *,
    reach_at_least: float | None = None,
    draws: int = 10_000,
    seed: int = 0,
) -> "Comparison":
    """Estimate the reach of several plans on common random numbers.

    Args:
        plans: one or more, with different names.
        members: the class.
        reach_at_least: a target, a fraction; adds the chance that each plan meets it.
        draws: number of draws.
        seed: shared by all plans, so a figure that two plans share is drawn alike.

    Returns:
        The plans side by side.

    Raises:
        PlanError: no plans, or two of one name.
    """
    if not isinstance(plans, Sequence) or not plans:
        raise PlanError("compare takes a list of at least one NoticePlan")
    estimates = tuple(estimate_reach(plan, members, draws=draws, seed=seed) for plan in plans)
    names = [estimate.plan.name for estimate in estimates]
    if len(set(names)) < len(names):
        raise PlanError("each plan needs a name of its own; rename one")
    if reach_at_least is not None:
        estimates[0].probability_at_least(reach_at_least)  # refuses a bad target
    return Comparison(estimates=estimates, members=members, reach_at_least=reach_at_least)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False, eq=False)
class Comparison:
    """Plans side by side.

    Attributes:
        estimates: one per plan, in the order given.
        members: the class.
        reach_at_least: the target, or None.
    """

    estimates: tuple[ReachEstimate, ...]
    members: ClassEstimate
    reach_at_least: float | None = None

    def to_frame(self) -> "pd.DataFrame":
        """Return a row per plan: reach, cost (nan where not given), records disclosed."""
        extra = () if self.reach_at_least is None else _CHANCES
        return tables.frame([self._row(e) for e in self.estimates], (*_COLUMNS, *extra))

    def difference(self, plan: str, against: str, level: float = LEVEL) -> Estimate:
        """Return how much more of the class one plan reaches than another.

        By the draws' differences, as all plans share their random numbers; between pairs of ends,
        from the low end of the one less the high end of the other to the reverse.

        Args:
            plan: name of the one.
            against: name of the other.
            level: a fraction in (0, 1).

        Raises:
            PlanError: no plan of that name.
        """
        one, other = (self._drawn(name) for name in (plan, against))
        gain = one - (other if other.ndim == 1 else other[:, ::-1])
        return as_estimate(gain, f"reach beyond that of {against}", plan, check_level(level))

    def _drawn(self, name: str) -> Floats:
        found = [e.draws for e in self.estimates if e.plan.name == name]
        if not found:
            names = ", ".join(e.plan.name for e in self.estimates)
            raise PlanError(f"no plan is called {name!r}; they are {names}")
        return found[0]

    def summary(self) -> "pd.DataFrame":
        """Return the same as tidy rows."""
        rows: list[Estimate] = []
        for estimate in self.estimates:
            cost = estimate.plan.cost_usd(self.members)
            rows += [estimate.estimate(), estimate.plan.records_disclosed(self.members)]
            rows += [] if cost is None else [cost]
        return summary_frame(rows)

    def plot_data(self) -> dict[str, Any]:
        """Return the plans' reach as plain JSON types."""
        return {
            "kind": "intervals",
            "title": "Reach of the plans",
            "x": f"share of {self.members.population} reached",
            "unit": "fraction",
            "level": 0.95,
            "threshold": self.reach_at_least,
            "series": interval_series([e.estimate() for e in self.estimates]),
        }

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw the plans as points with intervals, or as ranges."""
        return figures.draw(self.plot_data(), ax)

    def statement(self) -> str:
        """Return sentences on every plan: reach, records disclosed, chance to meet the target."""
        return " ".join(self._sentence(estimate) for estimate in self.estimates)

    def _sentence(self, estimate: ReachEstimate) -> str:
        records = estimate.plan.records_disclosed(self.members).to_dict()
        reach, said = estimate.estimate().to_dict(), self.members.known.said
        text = wording.plan_sentence(reach, self.members.population, records, said)
        if self.reach_at_least is None:
            return text
        chances = estimate.chances_at_least(self.reach_at_least)
        return f"{text} {wording.target_sentence(*chances, self.reach_at_least)}"

    def to_dict(self) -> dict[str, Any]:
        """Return every plan's result as plain JSON types."""
        return {"format": 1, "plans": [estimate.to_dict() for estimate in self.estimates]}

    def _row(self, estimate: ReachEstimate) -> dict[str, Any]:
        records = estimate.plan.records_disclosed(self.members)
        cost = estimate.plan.cost_usd(self.members)
        lower, upper = estimate.interval()
        row = {
            "plan": estimate.plan.name,
            "reach": math.nan if estimate.reach is None else estimate.reach,
            "lower": lower,
            "upper": upper,
            "level": 0.95,
            **_cost_columns(cost),
            "records_disclosed": records.estimate,
            "records_lower": records.lower,
            "records_upper": records.upper,
        }
        if self.reach_at_least is not None:
            worst, best = estimate.chances_at_least(self.reach_at_least)
            row |= {"probability_at_least": worst, "probability_at_least_upper": best}
        return row

    def __repr__(self) -> str:
        return f"<Comparison of {len(self.estimates)} plans: {self.statement()}>"

    def _repr_html_(self) -> str:
        return tables.html(self.to_frame(), self.statement(), self.members.assumptions)


def _cost_columns(cost: Estimate | None) -> dict[str, float]:
    columns = ("cost_usd", "cost_lower", "cost_upper")
    if cost is None:
        return dict.fromkeys(columns, math.nan)
    point = math.nan if cost.estimate is None else cost.estimate
    return dict(zip(columns, (point, cost.lower, cost.upper), strict=True))
