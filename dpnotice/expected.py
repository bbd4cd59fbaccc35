"""An answer that does not exist yet: how sharp it will be, and what other losses would buy.

In: an inquiry, what will be asked of its releases, the size of the class. Out: `Forecast`.
The law of the noise is public, and so is what least squares makes of it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from numbers import Real
from typing import TYPE_CHECKING, Any, Final, TypeGuard

import numpy as np
from scipy.special import ndtr, ndtri

from dpnotice.analyst.asked import Asked, Errors
from dpnotice.analyst.design import planned
from dpnotice.errors import EstimateError
from dpnotice.frontier import Frontier
from dpnotice.inquiry import Inquiry
from dpnotice.losses import possible_losses, rounded_up
from dpnotice.privacy import exact_decimal
from dpnotice.reporting import figures, foresight, tables
from dpnotice.result import Estimate, summary_frame

if TYPE_CHECKING:
    import pandas as pd

    from dpnotice.reporting import Axes

POINT: Final = 0.01
"""The half-width for which the smallest class is given: one percentage point."""
MOST_BUYERS: Final = 2**53
_FLOAT_DUST: Final = 1e-24
"""Share of the sums' variance below which that of their ratio is 0."""
_STEPS: Final = 25
_AROUND: Final = 16.0
"""A frontier goes from the inquiry's loss over this to the loss times this."""
_QUANTILES: Final = (np.arange(200) + 0.5) / 200


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Forecast:
    """The half-width that an answer will have.

    Attributes:
        inquiry: the question as it would be asked.
        asked: the share or reach.
        class_size: the least and the most buyers over all retailers.
        level: confidence of the interval.
        errors: laws of the noise in the ratio's two sums.
    """

    inquiry: Inquiry
    asked: Asked
    class_size: tuple[float, float]
    level: float
    errors: Errors

    @property
    def expected(self) -> float:
        """The ratio that is taken for the answer."""
        return float(self.asked.drawn.mean())

    @property
    def half_width(self) -> float:
        """Half-width from the noise at the least class size; inf where there is no interval."""
        return self.half_width_of(self.class_size[0], self.expected)

    @property
    def worst_half_width(self) -> float:
        """The same at the ratio for which the noise is worst."""
        return max(self.half_width_of(self.class_size[0], ratio) for ratio in self._ratios)

    def half_width_of(self, buyers: float, ratio: float) -> float:
        """Return the half-width from the noise for a class or segment of so many buyers.

        Args:
            buyers: in the denominator.
            ratio: the answer.

        Returns:
            A fraction; inf where the buyers cannot be told from none, or any answer is possible.
        """
        top, bottom = self.errors
        check_share(ratio, "a ratio")
        if not is_number(buyers) or not 0 <= buyers <= MOST_BUYERS:
            raise EstimateError(f"buyers must be a number from 0, got {buyers!r}")
        if bottom.half_width(self.level) >= buyers:
            return math.inf
        mixed = top.minus(bottom.times(ratio))
        if mixed.variance <= _FLOAT_DUST * (top.variance + ratio**2 * bottom.variance):
            return 0.0
        c = mixed.half_width(self.level) / mixed.sd
        g = c**2 * bottom.variance / buyers**2
        if g >= 1:
            return math.inf
        both = top.covariance(bottom)
        spare = top.variance - both**2 / bottom.variance if bottom.variance else 0.0
        found = c * math.sqrt(max(0.0, mixed.variance - g * spare)) / (buyers * (1 - g))
        return found if found < 1 else math.inf

    def smallest_class(self, half_width: float = POINT, ratio: float | None = None) -> int:
        """Return the fewest buyers, of the class or of a segment, for a half-width.

        Args:
            half_width: a fraction in (0, 1).
            ratio: the answer; the expected one if None.

        Raises:
            EstimateError: no fractions, or no class is large enough.
        """
        check_half_width(half_width)
        wanted = self.expected if ratio is None else ratio
        if self.half_width_of(MOST_BUYERS, wanted) > half_width:
            raise EstimateError(f"no class is large enough for a half-width of {half_width:g}")
        low, high = 0, 1
        while high < MOST_BUYERS and self.half_width_of(high, wanted) > half_width:
            low, high = high, 2 * high
        while high - low > 1:
            middle = (low + high) // 2
            enough = self.half_width_of(middle, wanted) <= half_width
            low, high = (low, middle) if enough else (middle, high)
        return high

    @property
    def noise_sd(self) -> float:
        """S.d. of the noise in the ratio, at the least class size."""
        top, bottom = self.errors
        return top.minus(bottom.times(self.expected)).sd / self.class_size[0]

    @property
    def privacy_share(self) -> float:
        """Share of the answer's variance that comes from the noise; the rest is the plan's own."""
        own = float(self.asked.drawn.var())
        noise = self.noise_sd**2
        return noise / (noise + own) if noise + own else 0.0

    def interval(self) -> tuple[float, float]:
        """Return the ends of the interval from the noise and the plan's own figures together.

        For a share it is the noise's alone, around the expected share.
        """
        if self.half_width == math.inf:
            return 0.0, 1.0
        low, high = self.expected - self.half_width, self.expected + self.half_width
        if len(self.asked.drawn) > 1:
            c = self.half_width / float(ndtri((1 + self.level) / 2))
            spread = np.add.outer(self.asked.drawn, c * ndtri(_QUANTILES))
            low, high = np.quantile(spread, [(1 - self.level) / 2, (1 + self.level) / 2])
        return max(0.0, float(low)), min(1.0, float(high))

    def probability_at_least(self, target: float) -> float:
        """Return the chance that the answer will be at least a target.

        Formula: the mean over draws of the plan's figures of Phi((R - target) / noise s.d.).

        Args:
            target: a fraction in [0, 1].
        """
        check_share(target, "a target")
        ahead = (self.asked.drawn - target) / max(self.noise_sd, 1e-12)
        return float(np.mean(ndtr(ahead)))

    def at_loss(self, loss: Decimal) -> "Forecast":
        """Return the same forecast with another loss, in the inquiry's own measure."""
        changed = replace(self.inquiry.loss, **{self.inquiry.loss.measure: loss})
        return replace(self, errors=self.asked.errors(planned(self.inquiry, changed)))

    def frontier(
        self, losses: Sequence[str] | None = None, *, target: float | None = None
    ) -> Frontier:
        """Return what smaller and larger losses would buy.

        Args:
            losses: decimal texts; without them, from a sixteenth of the inquiry's own to sixteen
                times as much.
            target: reach that a court asks for; None leaves the odds out.

        Raises:
            EstimateError: no list of losses, or the target no fraction.
            InquiryError: a loss that is no decimal text above 0, or has no noise.
        """
        rows = []
        for loss in self._given(losses):
            found = self.at_loss(loss)
            lower, upper = found.interval()
            odds = math.nan if target is None else found.probability_at_least(target)
            rows.append(
                {
                    "loss": loss,
                    "half_width": found.half_width,
                    "estimate": found.expected,
                    "lower": lower,
                    "upper": upper,
                    "smallest_class": found.smallest_class(),
                    "probability_at_least": odds,
                }
            )
        return Frontier(
            measure=self.inquiry.loss.measure,
            quantity=self.asked.quantity,
            segment=self.asked.segment,
            level=self.level,
            target=target,
            rows=tuple(rows),
        )

    def explain(self) -> "pd.DataFrame":
        """Return how much each released table adds to the answer's variance.

        Returns:
            table, noise_sd (of a cell), share_of_variance; retailers together.
        """
        top, bottom = self.errors
        design = planned(self.inquiry)
        parts = np.array(top.minus(bottom.times(self.expected)).variances)
        parts = parts.reshape(-1, len(design.tables)).sum(axis=0)
        shares = parts / (parts.sum() or 1.0)
        rows = [
            {
                "table": " x ".join(names) or "total",
                "noise_sd": noise.sd,
                "share_of_variance": share,
            }
            for (names, noise), share in zip(design.tables, shares, strict=True)
        ]
        return tables.frame(rows, ("table", "noise_sd", "share_of_variance"))

    def estimates(self) -> list[Estimate]:
        """Return the answer with its interval, its half-width, and the smallest class."""
        lower, upper = self.interval()
        asked = self.asked
        facts: dict[str, Any] = {"segment": asked.segment, "level": self.level}
        least = self.half_width_of(self.class_size[1], self.expected)
        smallest = [self.smallest_class(ratio=ratio) for ratio in self._ratios]
        return [
            Estimate(
                quantity=f"{asked.quantity}, forecast",
                estimate=self.expected,
                lower=lower,
                upper=upper,
                unit="fraction",
                note=asked.assumption,
                **facts,
            ),
            Estimate(
                quantity="half-width from the noise",
                estimate=min(1.0, self.half_width),
                lower=min(1.0, least),
                upper=min(1.0, self.worst_half_width),
                unit="fraction",
                note="least: the largest class; most: the smallest class, and the worst answer",
                **facts,
            ),
            Estimate(
                quantity="buyers for one point either way",
                estimate=float(smallest[0]),
                lower=float(min(smallest)),
                upper=float(max(smallest)),
                unit="buyers",
                note="of the class; most: at the worst answer",
                **facts,
            ),
        ]

    def summary(self) -> "pd.DataFrame":
        """Return the answer, its half-width and the smallest class as tidy rows."""
        return summary_frame(self.estimates())

    def to_frame(self) -> "pd.DataFrame":
        """Return the half-width for classes or segments of many sizes."""
        rows = [
            {
                "buyers": buyers,
                "half_width": self.half_width_of(buyers, self.expected),
                "worst_half_width": max(self.half_width_of(buyers, r) for r in self._ratios),
            }
            for buyers in (m * 10**k for k in range(2, 8) for m in (1, 2, 5))
        ]
        return tables.frame(rows, ("buyers", "half_width", "worst_half_width"))

    def plot_data(self) -> dict[str, Any]:
        """Return the frontier as plain JSON types."""
        return self.frontier().plot_data()

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw the frontier: loss against half-width."""
        return figures.draw(self.plot_data(), ax)

    def statement(self) -> str:
        """Return one sentence."""
        return foresight.forecast_sentence(self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain JSON types; None where there is no interval."""
        loss = self.inquiry.loss
        width, worst = (
            None if w == math.inf else w for w in (self.half_width, self.worst_half_width)
        )
        return {
            "format": 1,
            "inquiry": self.inquiry.digest,
            "loss": f"{loss.measure} {loss.value:f}",
            "class_size": list(self.class_size),
            "quantity": self.asked.quantity,
            "segment": self.asked.segment,
            "level": self.level,
            "half_width": width,
            "worst_half_width": worst,
            "smallest_class": self.smallest_class(),
            "privacy_share": self.privacy_share,
            "assumptions": [self.asked.assumption],
            "estimates": [estimate.to_dict() for estimate in self.estimates()],
        }

    def __repr__(self) -> str:
        return f"<Forecast: {self.statement()}>"

    def _repr_html_(self) -> str:
        return tables.html(self.summary(), self.statement(), [self.asked.assumption])

    @property
    def _ratios(self) -> tuple[float, ...]:
        """The answers that are looked at; the variance is convex, so the ends are the worst."""
        return self.expected, *self.asked.span

    def _given(self, losses: Sequence[str] | None) -> list[Decimal]:
        """Return the losses of a frontier, from their texts or around the inquiry's own."""
        if losses is not None:
            if isinstance(losses, str) or not losses:
                raise EstimateError('losses are a list of decimal texts, such as ["0.5", "1"]')
            return [exact_decimal(loss, "a loss") for loss in losses]
        loss, weights = self.inquiry.loss, [table.weight for table in self.inquiry.specs]
        middle, (low, high) = float(loss.value), possible_losses(loss, weights)
        ends = max(low, middle / _AROUND), min(high, middle * _AROUND)
        return [rounded_up(loss) for loss in np.geomspace(*ends, _STEPS)]


def check_half_width(given: object) -> None:
    """Refuse a half-width that is no fraction strictly between 0 and 1.

    Raises:
        EstimateError: with the value.
    """
    if not is_number(given) or not 0 < given < 1:
        raise EstimateError(f"half_width is a fraction in (0, 1), got {given!r}; percent?")


def check_share(given: object, field: str) -> None:
    """Refuse what is no fraction from 0 to 1.

    Raises:
        EstimateError: naming the field and the value.
    """
    if not is_number(given) or not 0 <= given <= 1:
        raise EstimateError(f"{field} is a fraction in [0, 1], got {given!r}; percent?")


def is_number(given: object) -> TypeGuard[float]:
    """Whether something is a real number, numpy's among them, and no truth value."""
    return isinstance(given, Real) and not isinstance(given, bool)
