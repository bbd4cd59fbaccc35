"""A notice plan: what would be published and sent, what it costs, whose records it discloses.

In: vehicles and direct notices. Out: a checked `NoticePlan`, its cost and its disclosures.
"""

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Final

import numpy as np

from dpnotice.analyst.dependence.duplications import DEPENDENCE, Duplications, check_dependence
from dpnotice.analyst.direct import Direct
from dpnotice.analyst.intervals import Counted, bonferroni, check_level, count_interval
from dpnotice.analyst.media.curve import Curve
from dpnotice.analyst.media.digital import Digital
from dpnotice.analyst.media.drift import DRIFT, Drift
from dpnotice.analyst.media.publication import Broadcast, Print
from dpnotice.analyst.media.vehicle import Vehicle
from dpnotice.analyst.members import ClassEstimate
from dpnotice.analyst.rates import Quantity, check_text
from dpnotice.errors import PlanError
from dpnotice.result import Estimate
from dpnotice.segments import CONTACT, Axis

VEHICLES: Final = (Print, Broadcast, Digital, Curve)


@dataclass(frozen=True, slots=True)
class NoticePlan:
    """A named set of notices.

    Whatever depends on what between vehicles, every one keeps its own reach. A number or law as
    dependence is a rank correlation from 0 (independent) to 0.9 (nearly the same persons meet
    everything), see :class:`dpnotice.analyst.dependence.net.Appetite`; known duplications may tell
    that vehicles exclude each other, too.

    Attributes:
        name: what the comparison calls it.
        notices: vehicles (Print, Broadcast, Digital, Curve) and direct notices.
        dependence: number or law in [0, 0.9], or :class:`Duplications`.
        drift: how far audiences drift between their measurement and the notice.
        exclusions: what is not counted towards reach, in words: press releases, site hits.
    """

    name: str
    notices: Sequence[Vehicle | Direct]
    _: KW_ONLY
    dependence: Quantity | Duplications = DEPENDENCE
    drift: Drift = DRIFT
    exclusions: Sequence[str] = ()

    def __post_init__(self) -> None:
        check_text(self.name, "a plan's name")
        if isinstance(self.notices, (str, bytes)) or not isinstance(self.notices, Sequence):
            raise PlanError(f"{self.name}: notices must be a list, got {self.notices!r}")
        object.__setattr__(self, "notices", tuple(self.notices))
        for notice in self.notices:
            if not isinstance(notice, (*VEHICLES, Direct)):
                raise PlanError(
                    f"{self.name}: a notice is a Print, Broadcast, Digital, Curve or Direct, "
                    f"got {type(notice).__name__}"
                )
        names = [notice.name for notice in self.notices]
        if len(set(names)) < len(names):
            raise PlanError(f"{self.name}: each notice needs a name of its own; rename one")
        check_dependence(self.dependence, f"{self.name}: dependence")
        if not isinstance(self.drift, Drift):
            raise PlanError(f"{self.name}: drift must be a Drift, got {self.drift!r}")
        if isinstance(self.exclusions, str) or not isinstance(self.exclusions, Sequence):
            raise PlanError(
                f"{self.name}: exclusions must be a list of lines, got {self.exclusions!r}"
            )
        lines = tuple(check_text(line, f"{self.name}: exclusions") for line in self.exclusions)
        object.__setattr__(self, "exclusions", lines)

    @property
    def media(self) -> tuple[Vehicle, ...]:
        """The vehicles, in order."""
        return tuple(n for n in self.notices if not isinstance(n, Direct))

    @property
    def direct(self) -> tuple[Direct, ...]:
        """The direct notices that somebody sends, in order."""
        return tuple(n for n in self.notices if isinstance(n, Direct) and n.sends)

    @property
    def axes(self) -> tuple[str, ...]:
        """Axes by which any of its figures varies."""
        return tuple(dict.fromkeys(axis for notice in self.notices for axis in notice.axes))

    def check_fits(self, members: ClassEstimate) -> None:
        """Refuse a plan that names axes, levels or retailers which the class does not have.

        Raises:
            PlanError: naming what is missing.
        """
        known = [retailer.retailer for retailer in members.retailers]
        for notice in (n for n in self.notices if isinstance(n, Direct)):
            if notice.cooperation == "none" and notice.retailer in known:
                raise PlanError(
                    f"{self.name}: {notice.retailer} does not cooperate, yet its release is among "
                    "those of the class; dp_counts_only is a release and no notice"
                )
            if notice.cooperation != "none" and notice.retailer not in known:
                raise PlanError(
                    f"{self.name}: no release of {notice.retailer!r} is among those of the class; "
                    f"the retailers are {', '.join(known)}"
                )
        self.check_axes(members.axes)

    def check_axes(self, axes: Mapping[str, Axis]) -> None:
        """Refuse a plan that names axes or levels which an inquiry does not have.

        Raises:
            PlanError: naming what is missing.
        """
        strange = [axis for axis in self.axes if axis not in axes]
        if strange:
            raise PlanError(
                f"{self.name}: {strange[0]!r} is no axis of the inquiry; they are {', '.join(axes)}"
            )
        for notice in self.direct:
            _check_channels(notice, axes[CONTACT])
        for vehicle in self.media:
            _check_levels(vehicle, axes)

    def cooperation(self, members: ClassEstimate) -> dict[str, str]:
        """Return what every retailer does: those with a release and no notice only count."""
        counted = dict.fromkeys((r.retailer for r in members.retailers), "dp_counts_only")
        named = {n.retailer: n.cooperation for n in self.notices if isinstance(n, Direct)}
        lists = {
            n.retailer: n.cooperation for n in self.direct if n.cooperation == "hands_over_list"
        }
        return counted | named | lists

    def records_disclosed(self, members: ClassEstimate, level: float = 0.95) -> Estimate:
        """Return how many buyers' records would leave the retailers: every row of every list."""
        level = check_level(level)
        lists = {n.retailer for n in self.direct if n.cooperation == "hands_over_list"}
        counted = [r.products({})[0] for r in members.retailers if r.retailer in lists]
        low, high = _ends(counted, level)
        return Estimate(
            quantity="records disclosed",
            segment=self.name,
            estimate=float(sum(value for value, _ in counted)),
            lower=float(sum(low)),
            upper=float(sum(high)),
            level=level,
            unit="buyers",
        )

    def cost_usd(self, members: ClassEstimate, level: float = 0.95) -> Estimate | None:
        """Return the plan's cost, or None where a price is missing.

        Media: units times price. Direct: a piece per buyer with a usable contact. Retailers that
        send themselves pay for duplicates; from lists of several retailers each person gets one
        piece, so the cost has a low end (the longest list) and a high one (all of them), no point.
        """
        level = check_level(level)
        media = [vehicle.total_cost_usd for vehicle in self.media]
        prices = [notice.unit_cost_usd for notice in self.direct]
        if any(price is None for price in [*media, *prices]):
            return None
        fits = {retailer.retailer: retailer for retailer in members.retailers}
        pieces = [
            fits[n.retailer].products({CONTACT: n.usable(members.axes[CONTACT])})[0]
            for n in self.direct
        ]
        low, high = (
            np.array(ends) * np.array(prices, dtype=float) for ends in _ends(pieces, level)
        )
        listed = np.array([n.cooperation == "hands_over_list" for n in self.direct], dtype=bool)
        fixed = float(sum(price or 0.0 for price in media))
        exact = fixed + sum(
            p * (price or 0.0) for (p, _), price in zip(pieces, prices, strict=True)
        )
        least = low[~listed].sum() + max(low[listed], default=0.0)
        return Estimate(
            quantity="cost",
            segment=self.name,
            estimate=float(exact) if listed.sum() <= 1 else None,
            lower=fixed + float(least),
            upper=fixed + float(high.sum()),
            level=level,
            unit="USD",
        )


def _ends(counted: list[Counted], level: float) -> tuple[list[float], list[float]]:
    """Return lower and upper ends of several counts, simultaneous at a level."""
    each = bonferroni(level, max(1, len(counted)))
    ends = [count_interval(value, noise.half_width(each)) for value, noise in counted]
    return [low for low, _ in ends], [high for _, high in ends]


def _check_channels(notice: Direct, contact: Axis) -> None:
    if not notice.usable(contact).any():
        raise PlanError(
            f"{notice.name}: no contact level names {' or '.join(notice.channels)}, so nobody "
            f"could be sent anything; the levels are {', '.join(contact.levels)}"
        )


def _check_levels(vehicle: Vehicle, axes: Mapping[str, Axis]) -> None:
    target = getattr(vehicle, "target", None)
    for axis, levels in target.items() if isinstance(target, Mapping) else ():
        listed = (levels,) if isinstance(levels, str) else levels
        if any(level not in axes[axis].levels for level in listed):
            raise PlanError(
                f"{vehicle.name}: target {axis} must name levels of that axis: "
                f"{', '.join(axes[axis].levels)}"
            )
