"""Classic formulas of one vehicle or one medium: how reach grows with what is bought.

In: one, two or three published points of a reach curve. Out: the curve elsewhere.
"""

import math
import warnings
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq

from dpnotice.analyst.classic.inputs import (
    DUST,
    ClassicReach,
    check_insertions,
    check_share,
    vehicle_margin,
)
from dpnotice.analyst.intervals import Floats
from dpnotice.analyst.media.exposure_laws import nbd_counts, nbd_nonreach
from dpnotice.analyst.media.publication import PRINTED_ROUNDING
from dpnotice.errors import PlanError

_LOG_DISPERSION: Final = (math.log(1e-6), math.log(1e8))
_BETA_NOTE: Final = "holds for exchangeable insertions of one vehicle whose audience does not drift"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReachCurve:
    """Negative binomial exposures within the share that can be reached.

    Attributes:
        reach_cap: c, the share that the medium can reach at all; above 1 is impossible, but what
            Goerg's one point may imply.
        dispersion: r; small r means few heavy viewers.
    """

    reach_cap: float
    dispersion: float

    def __post_init__(self) -> None:
        if not (0 < self.reach_cap < math.inf and 0 < self.dispersion < math.inf):
            raise PlanError(
                f"a reach curve needs reach_cap and dispersion above 0, got {self.reach_cap!r} and "
                f"{self.dispersion!r}; fit it with goerg or nbd"
            )

    def reach(self, grps: npt.ArrayLike) -> Floats:
        """Return c - c (1 + g / (100 c r))^-r at g GRPs, of the same shape.

        Raises:
            PlanError: GRPs are negative or not numbers.
        """
        mean = _check_grps(grps) / 100
        return 1 - nbd_nonreach(mean, np.array(self.reach_cap), np.array(self.dispersion))

    def distribution(self, grps: float, most: int) -> Floats:
        """Return (most + 1,) shares with exactly 0, 1, ... exposures; the last is `most` or more.

        Raises:
            PlanError: GRPs or `most` are not possible.
        """
        if most < 1:
            raise PlanError(f"most must be 1 exposure or more, got {most!r}; ask for some")
        mean = np.asarray(_check_grps(grps) / 100)
        return nbd_counts(most, mean, np.array(self.reach_cap), np.array(self.dispersion))


def beta_binomial(*, reach_1: float, reach_2: float, insertions: int) -> ClassicReach:
    """Return reach and frequency of n insertions in one vehicle.

    A person's chance of an exposure is Beta(a, b) with a = R1 (R2 - R1) / (2 R1 - R1^2 - R2) and
    b = a (1 - R1) / R1, so that exposures are beta-binomial (Hyett 1958; Metheringham 1964). Breaks
    where readers come and go between issues, as R2 is then not that of two distant issues.

    Args:
        reach_1: R1, share that sees one insertion.
        reach_2: R2, share that sees at least one of two, in [R1, 2 R1 - R1^2].
        insertions: n.

    Raises:
        PlanError: R2 outside its range by more than printed rounding; within it, a warning.

    >>> beta_binomial(reach_1=0.3, reach_2=0.45, insertions=2).distribution.round(10).tolist()
    [0.55, 0.3, 0.15]
    """
    one, two = check_share(reach_1, "reach_1"), check_share(reach_2, "reach_2")
    (count,) = check_insertions([insertions], 1)
    return ClassicReach(distribution=vehicle_margin("vehicle", one, two, count), note=_BETA_NOTE)


def hofmans_accumulation(
    *, reach_1: float, reach_2: float, insertions: int, reach_3: float | None = None
) -> float:
    """Return Hofmans' reach of n insertions in one vehicle, raw.

    (n R1)^2 / (n R1 + k (n-1)^a (n/2) d) with k = 2 R1 / R2 and d = 2 R1 - R2 (Hofmans 1966). The
    exponent makes an observed R3 exact, 2^a = (3 R1 - R3) R2 / (R3 d); without R3 it is 1. Breaks
    for many insertions: with a = 1 reach tends to 2 R1^2 / (k d), which may exceed 1; with a < 1 it
    grows without end, and with a > 1 it falls again. Above 1, and falling, are warned of.

    Args:
        reach_1: R1, share that sees one insertion, above 0.
        reach_2: R2, share that sees at least one of two, from R1 to below 2 R1.
        insertions: n.
        reach_3: R3, share that sees at least one of three, in [R2, 2 R2 - R1].

    Raises:
        PlanError: a figure is not possible, or insertions do not overlap at all.
    """
    one, two = check_share(reach_1, "reach_1"), check_share(reach_2, "reach_2")
    (count,) = check_insertions([insertions], 1)
    if not 0 < one <= two < 2 * one - DUST:
        raise PlanError(
            f"Hofmans needs 0 < reach_1 <= reach_2 < 2 reach_1, got {one:g} and {two:g}; check "
            "that both are of one universe",
            code="INCONSISTENT",
        )
    exponent = 1.0 if reach_3 is None else _exponent(one, two, check_share(reach_3, "reach_3"))
    # k d / 2 = (2 R1 - R2) R1 / R2
    added = (2 * one - two) * one / two
    before, reach = (
        (n * one) ** 2 / (n * one + added * n * max(n - 1, 0) ** exponent) if n else 0.0
        for n in (count - 1, count)
    )
    if reach > 1 + DUST or reach < before - DUST:
        slip = "above 1" if reach > 1 else f"below the {before:.4f} of one insertion less"
        warnings.warn(
            f"Hofmans gives a reach of {reach:.4f}, {slip}; the formula breaks at so many "
            "insertions, its figure is returned as it is",
            stacklevel=2,
        )
    return reach


def goerg(*, grps: float, reach: float) -> ReachCurve:
    """Return the reach curve through one published point, for a dispersion of 1.

    With m = GRPs / 100 exposures per person, c = m R / (m - R), and reach is c m / (c + m) (Goerg
    2014). Needs m > R, so not for media that reach each person once. Breaks near m = R, where c
    exceeds 1, of which it warns; and wherever exposures are not geometric.

    Args:
        grps: of the published point, above 0.
        reach: R, its share reached, above 0.

    Raises:
        PlanError: exposures per person do not exceed reach.

    >>> round(goerg(grps=20, reach=0.1).reach_cap, 10)
    0.2
    """
    mean, share = float(_check_grps(grps)) / 100, check_share(reach, "reach")
    if not 0 < share < mean - DUST:
        raise PlanError(
            f"Goerg needs more exposures than persons reached, and some, got {mean:g} exposures "
            f"per person and a reach of {share:g}; a medium seen once at most has no such curve",
            code="INCONSISTENT",
        )
    cap = mean * share / (mean - share)
    if cap > 1 + DUST:
        warnings.warn(
            f"Goerg's curve tends to a reach of {cap:.4f}, which is above 1; the formula breaks "
            "here, its curve is returned as it is",
            stacklevel=2,
        )
    return ReachCurve(reach_cap=cap, dispersion=1.0)


def nbd(*, grps: float, reach: float, reach_cap: float) -> ReachCurve:
    """Return the negative binomial reach curve through one published point, for a given cap.

    Solves c - c (1 + m / (c r))^-r = R for r, m = GRPs / 100: Goerg's curve with r free. One
    point cannot tell c from r: another cap gives another curve beyond the point.

    Args:
        grps: of the published point, above 0.
        reach: R, its share reached, above 0.
        reach_cap: c, share that the medium can reach at all, above R.

    Raises:
        PlanError: no dispersion gives so much reach: even equal viewers reach c (1 - exp(-m/c)).
    """
    mean, share = float(_check_grps(grps)) / 100, check_share(reach, "reach")
    cap = np.array(check_share(reach_cap, "reach_cap"))

    def excess(log_dispersion: float) -> float:
        return float(1 - nbd_nonreach(np.array(mean), cap, np.exp(log_dispersion)) - share)

    least, most = (share + excess(end) for end in _LOG_DISPERSION)
    if not least < share < most:
        raise PlanError(
            f"with {grps:g} GRPs and a reach cap of {cap:g}, reach must lie between 0 and "
            f"{most:.4f}, that of equally heavy viewers, got {share:g}; check the cap and the GRPs",
            code="INCONSISTENT",
        )
    return ReachCurve(
        reach_cap=float(cap), dispersion=math.exp(brentq(excess, *_LOG_DISPERSION, xtol=1e-14))
    )


def _exponent(one: float, two: float, three: float) -> float:
    """Return a of Hofmans' formula, or refuse a third point that bends the wrong way."""
    low, high = two - PRINTED_ROUNDING, 2 * two - one + PRINTED_ROUNDING
    if not low <= three <= high or not 0 < three < 3 * one - DUST:
        raise PlanError(
            f"reach_3 must lie between reach_2 and 2 reach_2 - reach_1, that is from {two:.3f} to "
            f"{2 * two - one:.3f}, as a third insertion adds no more than a second, got "
            f"{three:.3f}; check that all are of one universe",
            code="INCONSISTENT",
        )
    return math.log2((3 * one - three) * two / (three * (2 * one - two)))


def _check_grps(grps: npt.ArrayLike) -> Floats:
    points = np.asarray(grps)
    if points.dtype.kind not in "fiu" or not ((points >= 0) & (points < math.inf)).all():
        raise PlanError(f"grps must be 0 or more, 100 per exposure and person, got {grps!r}")
    return points.astype(np.float64)
