"""A plan and a class -> how many members would be exposed, with where that is uncertain.

In: a `NoticePlan` and a `ClassEstimate`. Out: `ReachEstimate`: net reach by draws. Within a cell
direct and published notice are independent; over cells reach is the persons' weighted mean; over
retailers without sketches it is a pair of ends.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from dpnotice.analyst.exposed import Exposed
from dpnotice.analyst.intervals import Floats, check_level
from dpnotice.analyst.laying import grid, lay
from dpnotice.analyst.members import ClassEstimate
from dpnotice.analyst.outside import Beyond
from dpnotice.analyst.plan import NoticePlan
from dpnotice.analyst.rates import Sampling, code_of, describe
from dpnotice.errors import EstimateError, PlanError
from dpnotice.reporting import figures, tables, wording
from dpnotice.result import Estimate, interval_series, summary_frame
from dpnotice.segments import CONTACT

if TYPE_CHECKING:
    import pandas as pd

    from dpnotice.reporting import Axes

LEVEL: Final = 0.95
TOO_FEW: Final = "not separately estimable: too few buyers for the privacy noise"
CONTACT_AGREES: Final = {
    False: "whether one can write to them agrees between retailers by a weight from 0 (independent)"
    " to 1 (as far as it can), uniform",
    True: "how one can write to them at each is told by the sketches' planes",
}
SEEING_AGREES: Final = "whether they see what is sent, by a weight from 0 to 1, uniform"
SEPARATE_SD: Final = 3.0
"""A segment whose buyers are within so many noise s.d. of 0 is not separately estimable."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False, eq=False)
class ReachEstimate:
    """Net reach of a plan: the share of members exposed at least once.

    Attributes:
        plan: the plan.
        members: the class.
        draws: (draws,) for one retailer, or for several whose sketches tell all persons apart;
            (draws, 2) low and high ends elsewhere.
        seed: of the analyst.
        exposures: mean exposures among the reached; None where only bounds are known.
        bounds: (lower, upper) at 95 % of expected reach, whatever notices depend on each other.
    """

    plan: NoticePlan
    members: ClassEstimate
    draws: Floats
    seed: int
    exposures: Estimate | None
    bounds: tuple[float, float]

    @property
    def reach(self) -> float | None:
        """Mean over draws; None where only bounds are known."""
        return float(self.draws.mean()) if self.draws.ndim == 1 else None

    @property
    def frequency(self) -> float | None:
        """Mean exposures among the reached; None where only bounds are known or nobody is."""
        return None if self.exposures is None else self.exposures.estimate

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        """Return the interval of reach: quantiles of the draws, of each end where there are two.

        Args:
            level: a fraction in (0, 1).
        """
        return _quantiles(self.draws, check_level(level))

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
        return _estimate(self.draws, quantity, self.plan.name, check_level(level))

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
        rows = [
            {axis: e.segment, **e.row(), "note": e.note} for e in self._by(axis, check_level(level))
        ]
        return tables.frame(rows, (axis, "estimate", "lower", "upper", "level", "unit", "note"))

    @property
    def worst_segment(self) -> tuple[str, Estimate] | None:
        """The segment of the plan's own axes with the lowest reach, or None without axes.

        Segments too small to be told from 0 are left out; :meth:`by` names them.
        """
        found = [
            (f"{axis} {e.segment}", e)
            for axis in self.plan.axes
            for e in self._by(axis, LEVEL)
            if e.note != TOO_FEW
        ]
        return min(found, key=_least, default=None)

    def summary(self) -> "pd.DataFrame":
        """Return reach, its bounds, frequency and the worst segment as tidy rows."""
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
        silent = [notice.name for notice in self.plan.notices if not getattr(notice, "source", "")]
        lines = [*self.members.assumptions]
        joint = self.members.known.joint
        if joint is not None and self.plan.direct:
            told = CONTACT_AGREES[joint.overlap.by_plane is not None]
            lines.append(f"buyers of several retailers: {told}; {SEEING_AGREES}")
        if len(self.plan.media) > 1:
            lines.append(f"dependence between vehicles: {describe(self.plan.dependence)}")
        if silent:
            lines.append(f"no source given for: {', '.join(silent)}")
        return tuple(lines)

    def __repr__(self) -> str:
        return f"<ReachEstimate: {self.statement()}>"

    def _repr_html_(self) -> str:
        return tables.html(self.summary(), self.statement(), self.assumptions)

    def _by(self, axis: str, level: float) -> list[Estimate]:
        if not isinstance(axis, str) or axis not in self.members.axes:
            raise EstimateError(
                f"{axis!r} is no axis of the inquiry; they are {', '.join(self.members.axes)}"
            )
        sampling = grid(self.plan, self.members, len(self.draws), self.seed, extra=(axis,))
        by_contact = axis == CONTACT
        exposed = lay(self.plan, self.members, sampling, by_contact=by_contact)
        # Of members in nobody's records no contact is known: within contact, known buyers.
        beyond = Beyond() if by_contact else self.members.beyond
        estimates = []
        for number, name in enumerate(self.members.axes[axis].levels):
            cells = exposed.within(axis, number)
            size = self.members.count(level=LEVEL, **{axis: name})
            drawn = beyond.of_everyone(cells.reach(), cells.media_reach(), sampling)
            drawn = _realised(drawn, sampling, size)
            # Few draws of a small segment hold no buyers; they say nothing of its reach.
            told = np.isfinite(drawn).reshape(len(drawn), -1).all(axis=1)
            found = _estimate if self._separate(axis, name) and told.any() else _blurred
            estimates.append(found(drawn[told], f"reach within {axis}", name, level))
        return estimates

    def _separate(self, axis: str, name: str) -> bool:
        weights = np.array([float(level == name) for level in self.members.axes[axis].levels])
        counted = [retailer.products({axis: weights})[0] for retailer in self.members.retailers]
        return any(value > SEPARATE_SD * noise.sd for value, noise in counted)


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
    sampling = grid(plan, members, draws, seed)
    exposed = lay(plan, members, sampling)
    size = members.size()
    parts = exposed.reach(), exposed.media_reach()
    drawn = _realised(members.beyond.of_everyone(*parts, sampling), sampling, size)
    if not np.isfinite(drawn).all():
        raise EstimateError(
            "the releases do not tell the number of buyers from 0, so no share of them can be "
            "estimated; more buyers or less noise are needed"
        )
    drawn.flags.writeable = False
    widest = members.beyond.of_everyone(*exposed.widest(), sampling)
    return ReachEstimate(
        plan=plan,
        members=members,
        draws=drawn,
        seed=seed,
        exposures=_exposures(exposed, members, sampling),
        bounds=_quantiles(widest, LEVEL),
    )


def _realised(reach: Floats, sampling: Sampling, size: Estimate) -> Floats:
    """Add the chance by which realised differs from expected reach.

    It has s.d. sqrt(r (1 - r) / N) at most; N is taken at its lower end.
    """
    shock = sampling.stream("realised").standard_normal(sampling.draws)
    shock = shock if reach.ndim == 1 else shock[:, np.newaxis]
    return np.clip(reach + shock * np.sqrt(reach * (1 - reach) / max(1.0, size.lower)), 0.0, 1.0)


def _exposures(exposed: Exposed, members: ClassEstimate, sampling: Sampling) -> Estimate | None:
    """Return mean exposures among the reached, for one retailer: gross over reached."""
    if len(exposed.buyers) > 1:
        return None
    gross = members.beyond.of_everyone(*exposed.exposures(), sampling)
    reached = members.beyond.of_everyone(exposed.reach(), exposed.media_reach(), sampling)
    somebody = reached > 0
    lower, upper = _quantiles(
        np.divide(gross, reached, out=np.zeros_like(gross), where=somebody), LEVEL
    )
    return Estimate(
        quantity="mean frequency among the reached",
        estimate=float(gross.mean() / reached.mean()) if somebody.any() else 0.0,
        lower=lower,
        upper=upper,
        level=LEVEL,
        unit="exposures",
    )


def _least(item: tuple[str, Estimate]) -> float:
    """Order segments by their point, or by their low end where there is none."""
    return item[1].lower if item[1].estimate is None else item[1].estimate


def _quantiles(draws: Floats, level: float) -> tuple[float, float]:
    low, high = (draws, draws) if draws.ndim == 1 else (draws[:, 0], draws[:, 1])
    return (
        float(np.quantile(low, (1 - level) / 2)),
        float(np.quantile(high, (1 + level) / 2)),
    )


def _estimate(draws: Floats, quantity: str, segment: str, level: float) -> Estimate:
    lower, upper = _quantiles(draws, level)
    both = draws.ndim > 1
    return Estimate(
        quantity=quantity,
        segment=segment,
        estimate=None if both else float(draws.mean()),
        lower=lower,
        upper=upper,
        level=level,
        unit="fraction",
        note="bounds: the overlap between retailers is not known" if both else "",
    )


def _blurred(_draws: Floats, quantity: str, segment: str, level: float) -> Estimate:
    return Estimate(
        quantity=quantity,
        segment=segment,
        estimate=None,
        lower=0.0,
        upper=1.0,
        level=level,
        unit="fraction",
        note=TOO_FEW,
    )
