"""A plan and a class -> how many members would be exposed, with where that is uncertain.

In: a `NoticePlan` and a `ClassEstimate`. Out: `ReachEstimate`: net reach by draws. Within a cell
direct and published notice are independent; over cells reach is the persons' weighted mean; over
retailers without sketches it is a pair of ends.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from dpnotice.analyst.addressed import recipients_of
from dpnotice.analyst.claims.recipients import Recipients
from dpnotice.analyst.dependence.duplications import in_words
from dpnotice.analyst.explained import COLUMNS, explain_width
from dpnotice.analyst.intervals import Floats, check_level
from dpnotice.analyst.laying import grid, lay, published
from dpnotice.analyst.media.digital import Digital
from dpnotice.analyst.members import ClassEstimate
from dpnotice.analyst.net_reach import (
    as_estimate,
    drawing,
    drawn_reach,
    mean_frequency,
    quantiles,
    realised,
)
from dpnotice.analyst.plan import NoticePlan
from dpnotice.analyst.proxy import proxy_gap_draws
from dpnotice.analyst.rates import Quantity, code_of
from dpnotice.analyst.reach_ladder import COLUMNS as RUNGS
from dpnotice.analyst.reach_ladder import pair_rungs
from dpnotice.analyst.sampling import SOURCES, Sampling
from dpnotice.analyst.segment_reach import TOO_FEW, reach_by
from dpnotice.errors import EstimateError, PlanError
from dpnotice.reporting import figures, tables, wording
from dpnotice.result import Estimate, interval_series, summary_frame

if TYPE_CHECKING:
    import pandas as pd

    from dpnotice.reporting import Axes

LEVEL: Final = 0.95
OFTEN: Final = (2, 3)
MOST_OFTEN: Final = 20
BOUND_DRAWS: Final = 10_000
FREQUENCY_DRAWS: Final = 2_000
EXPLAINED_DRAWS: Final = 1_000
CONTACT_AGREES: Final = {
    False: "whether one can write to them agrees between retailers by a weight from 0 (independent)"
    " to 1 (as far as it can), uniform",
    True: "how one can write to them at each is told by the sketches' planes",
}
SEEING_AGREES: Final = "whether they see what is sent, by a weight from 0 to 1, uniform"


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class ReachEstimate:
    """Net reach of a plan: the share of members exposed at least once.

    Attributes:
        plan: the plan.
        members: the class.
        draws: (draws,) for one retailer, or for several whose sketches tell all persons apart;
            (draws, 2) low and high ends elsewhere.
        seed: of the analyst.
    """

    plan: NoticePlan
    members: ClassEstimate
    draws: Floats
    seed: int

    @property
    def reach(self) -> float | None:
        """Mean over draws; None where only bounds are known."""
        return float(self.draws.mean()) if self.draws.ndim == 1 else None

    @property
    def bounds(self) -> tuple[float, float]:
        """(lower, upper) at 95 % of expected reach, whatever notices depend on each other."""
        return quantiles(self._beside[0], LEVEL)

    def _margins(self, level: float) -> tuple[float, float]:
        """The same of realised reach, at any level."""
        sampling, persons = self._first(BOUND_DRAWS), self.members.size().lower
        return quantiles(realised(self._beside[0], sampling, persons), level)

    @property
    def exposures(self) -> Estimate | None:
        """Mean exposures among the reached; None where only bounds are known."""
        return self._beside[1]

    @cached_property
    def _beside(self) -> tuple[Floats, Estimate | None]:
        """What takes more than the model's reach, from the first draws: widest ends, frequency."""
        sampling = grid(self.plan, self.members, self._first(BOUND_DRAWS))
        media = published(self.plan, sampling, ends=True)
        exposed = lay(self.plan, self.members, sampling, media=media)
        widest = self.members.beyond.of_everyone(*exposed.widest(), sampling)
        return widest, mean_frequency(exposed, self.members, sampling)

    @property
    def frequency(self) -> float | None:
        """Mean exposures among the reached; None where only bounds are known or nobody is."""
        return None if self.exposures is None else self.exposures.estimate

    @property
    def _sampling(self) -> Sampling:
        """The draws and seed, on no grid."""
        return Sampling(axes=(), draws=len(self.draws), seed=self.seed)

    def _first(self, number: int) -> Sampling:
        """The same with so many draws at most, for what takes long."""
        return replace(self._sampling, draws=min(len(self.draws), number))

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        """Return the interval of reach: quantiles of the draws, of each end where there are two.

        Args:
            level: a fraction in (0, 1).
        """
        return quantiles(self.draws, check_level(level))

    def probability_at_least(self, target: float) -> float:
        """Return the chance that reach is at least a target; of the low end where there are two.

        Args:
            target: a fraction in [0, 1].

        Raises:
            EstimateError: not a fraction.
        """
        return self.chances_at_least(target)[0]

    def chances_at_least(self, target: float) -> tuple[float, float]:
        """Return the chance that reach is at least a target, at the worst and the best overlap.

        Args:
            target: a fraction in [0, 1].

        Returns:
            Two chances, equal for one retailer.
        """
        number = isinstance(target, (int, float)) and not isinstance(target, bool)
        if not number or not 0 <= target <= 1:
            raise EstimateError(
                f"a reach target is a fraction in [0, 1], got {target!r}; percent?",
                code=code_of(target, target) if number else "RANGE",
            )
        low, high = np.mean(self.draws.reshape(len(self.draws), -1) >= target, axis=0)[[0, -1]]
        return float(low), float(high)

    def estimate(self, level: float = LEVEL) -> Estimate:
        """Return reach as one estimate."""
        quantity = f"reach of {self.members.population}"
        return as_estimate(self.draws, quantity, self.plan.name, check_level(level))

    def reach_n_plus(self, number: int, level: float = LEVEL) -> Estimate:
        """Return the share of members exposed so often or more, published and direct together.

        See :func:`dpnotice.analyst.dependence.frequency.exposure_counts`. From the first 2,000
        draws, as the law of counts takes long; once or more often is :attr:`reach` itself, from
        all.

        Args:
            number: 1 to 20.
            level: a fraction in (0, 1).

        Raises:
            EstimateError: no such number.
        """
        if type(number) is not int or not 1 <= number <= MOST_OFTEN:
            raise EstimateError(
                f"reach_n_plus counts exposures, 1 to {MOST_OFTEN}, got {number!r}; correct it"
            )
        if number == 1:
            return self.estimate(level)
        sampling = self._first(FREQUENCY_DRAWS)
        drawn = drawn_reach(self.plan, self.members, sampling, often=number)
        quantity = f"share of {self.members.population} exposed {number} times or more"
        return as_estimate(drawn, quantity, self.plan.name, check_level(level))

    def explain(self, level: float = LEVEL) -> "pd.DataFrame":
        """Return where the width of the interval comes from; the shares sum to 1.

        See :func:`dpnotice.analyst.explained.explain_width`. From the first 1,000 draws.

        Args:
            level: of the interval.

        Returns:
            source, share_of_width, points (a fraction of the class), width_if_known and
            shift_of_mean (if that source were at its mean), the widest first.
        """
        draw = drawing(self.plan, self.members, self._first(EXPLAINED_DRAWS))
        sources = dict.fromkeys(SOURCES.values())
        return tables.frame(explain_width(draw, sources, check_level(level)), COLUMNS)

    def proxy_gap(self, audience: Quantity, level: float = LEVEL) -> Estimate:
        """Return how much more of a proxy audience than of the known buyers the media reach.

        Args:
            audience: a frame of shares by the axes by which the plan's media vary, summing to 1:
                the demographic audience that stands for the class in a media plan.
            level: a fraction in (0, 1).
        """
        drawn = proxy_gap_draws(self.plan, self.members, audience, self._sampling)
        quantity = "reach of the proxy audience less that of known buyers, published notice"
        return as_estimate(drawn, quantity, self.plan.name, check_level(level))

    def recipients(self) -> Recipients:
        """Return how many persons are sent a piece, by channel; see :func:`recipients_of`."""
        return recipients_of(self.plan, self.members, self._sampling)

    def ladder(self, level: float = LEVEL) -> "pd.DataFrame":
        """Return what can be said of reach, by how much is taken for granted.

        See :func:`dpnotice.analyst.reach_ladder.pair_rungs`. From the first 1,000 draws.

        Returns:
            rung, rests_on, lower, upper, level; the widest first, the model last.
        """
        level, sampling = check_level(level), self._first(EXPLAINED_DRAWS)
        alone = ("margins", "every notice's own reach, whatever depends on what")
        modelled = ("modelled", "; ".join(self.assumptions))
        rows = [
            dict(zip(RUNGS, (*alone, *self._margins(level), level), strict=True)),
            *pair_rungs(self.plan, self.members, sampling, level),
            dict(zip(RUNGS, (*modelled, *self.interval(level), level), strict=True)),
        ]
        return tables.frame(rows, RUNGS)

    def by(self, axis: str, level: float = LEVEL) -> "pd.DataFrame":
        """Return reach within every level of an axis.

        Args:
            axis: of the inquiry.
            level: confidence of each interval.

        Returns:
            axis, estimate, lower, upper, level, unit, note.

        Raises:
            EstimateError: the releases do not hold that axis together with the plan's own axes.
        """
        found = reach_by(self.plan, self.members, self._sampling, axis, check_level(level))
        rows = [{axis: e.segment, **e.row(), "note": e.note} for e in found]
        return tables.frame(rows, (axis, "estimate", "lower", "upper", "level", "unit", "note"))

    @property
    def worst_segment(self) -> tuple[str, Estimate] | None:
        """The segment of the plan's own axes with the lowest reach, or None without axes.

        Segments too small to be told from 0 are left out; :meth:`by` names them.
        """
        found = [
            (f"{axis} {e.segment}", e)
            for axis in self.plan.axes
            for e in reach_by(self.plan, self.members, self._sampling, axis, LEVEL)
            if e.note != TOO_FEW
        ]
        return min(found, key=_least, default=None)

    def summary(self) -> "pd.DataFrame":
        """Return reach, its bounds, 2+ and 3+, frequency and the worst segment as tidy rows."""
        lower, upper = self.bounds
        rows = [
            self.estimate(),
            Estimate(
                quantity="reach whatever the dependence",
                segment=self.plan.name,
                estimate=None,
                lower=lower,
                upper=upper,
                level=LEVEL,
                unit="fraction",
            ),
        ]
        rows += [self.reach_n_plus(times) for times in OFTEN if self.plan.media]
        rows += [] if self.exposures is None else [self.exposures]
        rows += [] if self.worst_segment is None else [self.worst_segment[1]]
        return summary_frame(rows)

    def to_frame(self) -> "pd.DataFrame":
        """Return the draws in order: reach, or its two ends."""
        columns = ("reach",) if self.draws.ndim == 1 else ("reach_low", "reach_high")
        matrix = self.draws.reshape(len(self.draws), -1)
        return tables.frame([dict(zip(columns, row, strict=True)) for row in matrix], columns)

    def plot_data(self) -> dict[str, Any]:
        """Return reach and its bounds as plain JSON types."""
        return {
            "kind": "intervals",
            "title": self.plan.name,
            "x": f"share of {self.members.population} reached",
            "unit": "fraction",
            "level": LEVEL,
            "series": interval_series([self.estimate()]),
        }

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw reach with its interval."""
        return figures.draw(self.plot_data(), ax)

    def statement(self) -> str:
        """Return one sentence."""
        population, said = self.members.population, self.members.known.said
        return wording.reach_sentence(self.estimate().to_dict(), population, said)

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain JSON types."""
        return {
            "format": 1,
            "plan": self.plan.name,
            "seed": self.seed,
            "draws": len(self.draws),
            "frequency": self.frequency,
            "bounds": list(self.bounds),
            "estimate": self.estimate().to_dict(),
            "assumptions": list(self.assumptions),
        }

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What the figure rests on, in words; figures without a source are named."""
        lines = [*self.members.assumptions]
        joint = self.members.known.joint
        if joint is not None and self.plan.direct:
            told = CONTACT_AGREES[joint.overlap.by_plane is not None]
            lines.append(f"buyers of several retailers: {told}; {SEEING_AGREES}")
        if len(self.plan.media) > 1:
            names = [vehicle.name for vehicle in self.plan.media]
            lines.append(f"dependence between vehicles: {in_words(self.plan.dependence, names)}")
        lines += [f"not counted towards reach: {line}" for line in self.plan.exclusions]
        if self.plan.media:
            lines.append(f"model error: {self.plan.drift.in_words}")
        displays = [n for n in self.plan.notices if isinstance(n, Digital)]
        lines += [f"{display.name}: {display.caveat}" for display in displays if display.caveat]
        for field, said in (("source", "source"), ("as_of", "date")):
            silent = [n.name for n in self.plan.notices if not getattr(n, field, "")]
            lines += [f"no {said} given for: {', '.join(silent)}"] if silent else []
        return tuple(lines)

    def __repr__(self) -> str:
        return f"<ReachEstimate: {self.statement()}>"

    def _repr_html_(self) -> str:
        return tables.html(self.summary(), self.statement(), self.assumptions)


def estimate_reach(
    plan: NoticePlan, members: ClassEstimate, *, draws: int = 10_000, seed: int = 0
) -> ReachEstimate:
    """Estimate the share of the class that a plan would expose to the notice at least once.

    Per draw and cell s: not reached W_s = u_s M_s, with u the direct part and M the published;
    reach = 1 - sum N_s W_s / sum N_s. With theta and h of the class: [(1 - theta) reach of the
    known + (theta + h - 1) reach of publication alone] / h.

    Args:
        plan: the notices.
        members: the class, from :func:`dpnotice.estimate_class`.
        draws: number of draws.
        seed: the same seed gives the same draws, and the same for figures shared between plans.

    Returns:
        Net reach: a point for one retailer, or where sketches tell who is known to which; bounds
        for others.

    Raises:
        PlanError: the plan does not fit the class.
        EstimateError: the releases lack a table that the plan needs.
    """
    if not isinstance(plan, NoticePlan) or not isinstance(members, ClassEstimate):
        raise PlanError("estimate_reach takes a NoticePlan and the result of estimate_class")
    drawn = drawn_reach(plan, members, Sampling(axes=(), draws=draws, seed=seed))
    if not np.isfinite(drawn).all():
        raise EstimateError(
            "the releases do not tell the number of buyers from 0, so no share of them can be "
            "estimated; more buyers or less noise are needed"
        )
    drawn.flags.writeable = False
    return ReachEstimate(plan=plan, members=members, draws=drawn, seed=seed)


def _least(item: tuple[str, Estimate]) -> float:
    """Order segments by their point, or by their low end where there is none."""
    return item[1].lower if item[1].estimate is None else item[1].estimate
