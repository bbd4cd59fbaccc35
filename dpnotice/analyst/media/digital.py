"""Digital display: impressions, less what is invalid, off target or not viewable.

In: what was bought and how it is delivered. Out: the chance of no viewable exposure, and the mean
number, under a frequency cap where there is one.
"""

from dataclasses import KW_ONLY, dataclass
from functools import partial
from typing import Final

import numpy as np

from dpnotice.analyst.intervals import Floats
from dpnotice.analyst.media.capped import Capped
from dpnotice.analyst.media.delivery import Target, inside, target_axes
from dpnotice.analyst.media.levels import spread
from dpnotice.analyst.media.publication import nbd_exposure
from dpnotice.analyst.media.vehicle import Exposure, check_common, keep, varying_axes
from dpnotice.analyst.rates import (
    Quantity,
    axes_of,
    centre,
    check_fraction,
    check_positive,
    check_text,
    describe,
)
from dpnotice.analyst.sampling import Sampling
from dpnotice.errors import PlanError

_FEW: Final = 3
_NEARLY_ALL: Final = 0.99
"""Share of a frequency cap's capacity that a refusal names as deliverable."""
_FIGURES: Final = (
    "impressions",
    "viewable",
    "invalid",
    "on_target",
    "devices_per_person",
    "reach_cap",
    "dispersion",
)


@dataclass(frozen=True, slots=True)
class Digital:
    """Digital display: impressions, less what is invalid, off target or not viewable.

    Served to persons: impressions (1 - invalid) on_target, spread over the target's universe.
    Exposures are negative binomial within the share `reach_cap` that is online. A frequency cap
    binds per device and counts impressions served, seen or not; see :mod:`.capped`.

    Attributes:
        name: what the plan calls it.
        impressions: bought.
        universe: persons of the target audience; a frame is summed over `target`.
        viewable: share of served impressions that can be seen.
        invalid: share of impressions that no person gets; 0 must be typed.
        on_target: share of valid impressions that go to the target audience.
        devices_per_person: identifiers per person, 1 or more (draws of a law below 1 count as 1).
        reach_cap: share of the universe that can be reached online.
        dispersion: r of the negative binomial.
        frequency_cap: most impressions served to one device; None without a cap.
        cpm_usd: price per thousand impressions.
        target: axis -> levels: nobody else is reached; or delivery shares, see :mod:`.delivery`.
        source: where the figures come from.
        as_of: their date.
    """

    name: str
    _: KW_ONLY
    impressions: Quantity
    universe: Quantity
    viewable: Quantity
    invalid: Quantity
    on_target: Quantity
    devices_per_person: Quantity
    reach_cap: Quantity
    dispersion: Quantity
    frequency_cap: int | None = None
    cpm_usd: float | None = None
    target: Target = None
    source: str | None = None
    as_of: str | None = None

    def __post_init__(self) -> None:
        check_text(self.name, "name")
        check_common(self)
        for field in ("viewable", "invalid", "on_target", "reach_cap"):
            keep(self, field, check_fraction)
        for field in ("impressions", "devices_per_person", "dispersion", "universe"):
            keep(self, field, check_positive)
        if any(axes_of(getattr(self, field)) for field in _FIGURES):
            raise PlanError(f"{self.name}: only the universe may be a frame; use target=")
        if centre(self.devices_per_person) < 1:
            raise PlanError(
                f"{self.name}: devices_per_person must be 1 or more, "
                f"got {describe(self.devices_per_person)}; it counts a person's identifiers"
            )
        cap = self.frequency_cap
        if cap is not None and (not isinstance(cap, int) or cap < 1):
            raise PlanError(
                f"{self.name}: frequency_cap must be 1 or more, or None, got {cap!r}",
                code="INCONSISTENT",
            )
        if axes_of(self.universe) and set(target_axes(self.target)) - set(axes_of(self.universe)):
            raise PlanError(f"{self.name}: the universe's frame lacks an axis of target; add it")

    @property
    def axes(self) -> tuple[str, ...]:
        """Axes by which its figures vary."""
        return varying_axes(self, self.universe)

    @property
    def caveat(self) -> str:
        """What a reader must know of a schedule that shows most persons a banner once or twice."""
        if self.frequency_cap is None or self.frequency_cap > _FEW:
            return ""
        return (
            f"at most {self.frequency_cap} impressions per device: reach rests on single glances "
            "(Azari and Fiereck 2014); see 2+ and 3+"
        )

    @property
    def total_cost_usd(self) -> float | None:
        """Impressions bought, at their mean where they are uncertain, at the price per thousand."""
        if self.cpm_usd is None:
            return None
        return centre(self.impressions) / 1000 * self.cpm_usd

    def exposure(self, sampling: Sampling) -> Exposure:
        """Return what the viewable impressions do."""
        figures = {name: getattr(self, name) for name in _FIGURES}
        by_level = spread(self, sampling, amount="impressions", figures=figures)
        x = dict(by_level.figures)
        universe = sampling.sample(self.universe, f"vehicle/{self.name}/universe")
        if axes_of(self.universe):
            universe = (universe * inside(self.target, sampling)).sum()
        if np.any(universe <= 0):
            raise PlanError(f"{self.name}: the target audience has no persons; correct universe")
        bought = x.pop("impressions")
        served = bought * (1 - x.pop("invalid")) * x.pop("on_target") / universe.reshape(-1, 1)
        if self.frequency_cap is None:
            return by_level.exposure(
                nbd_exposure,
                mean=served * x["viewable"],
                cap=x["reach_cap"],
                dispersion=x["dispersion"],
            )
        x["devices_per_person"] = np.maximum(x["devices_per_person"], 1.0)
        devices = x["reach_cap"] * x["devices_per_person"]
        self._check_capacity(served * by_level.level, devices, bought)
        return by_level.exposure(self._capped, served=served, **x)

    def _capped(
        self, level: Floats, basis: Floats, *, served: Floats, viewable: Floats, **x: Floats
    ) -> Exposure:
        """Return what impressions under a cap per device do."""
        served, online = served * level, x["reach_cap"]
        capped = Capped(
            served=served,
            viewable=viewable,
            online=online,
            dispersion=x["dispersion"],
            devices=x["devices_per_person"],
            cap=self.frequency_cap or 1,
        )
        return Exposure(
            law=_known,
            figures=(capped.nonreach(), *capped.figures),
            mean=(served * viewable * (online > 0), np.ones((1, 1))),
            tally=partial(_counted, capped.cap),
            basis=basis,
        )

    def _check_capacity(self, served: Floats, devices: Floats, impressions: Floats) -> None:
        """Refuse more impressions than the cap lets through."""
        cap = self.frequency_cap or 0
        if np.any(served >= cap * devices):
            capacity = np.min(cap * devices / np.maximum(served, 1e-300) * impressions)
            largest = np.floor(_NEARLY_ALL * float(capacity))
            raise PlanError(
                f"{self.name}: with a frequency cap of {cap} at most {largest:,.0f} "
                "impressions can be delivered in every draw; buy fewer or raise the cap"
            )


def _known(nonreach: Floats, *_figures: Floats) -> Floats:
    return nonreach


def _counted(cap: int, most: int, _nonreach: Floats, *figures: Floats) -> Floats:
    return Capped(cap, *figures).counts(most)
