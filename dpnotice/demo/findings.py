"""Every estimate of the demo beside what the names show.

In: the case with its truth, the class estimate, the compared plans. Out: `Finding`s.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dpnotice.analyst.combine import estimate_class
from dpnotice.analyst.compare import Comparison
from dpnotice.analyst.members import ClassEstimate
from dpnotice.datasets import Case, Visits
from dpnotice.release import Release
from dpnotice.reporting import wording
from dpnotice.result import Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One estimate beside the truth.

    Attributes:
        what: the quantity, in words.
        of: the retailer, plan or whole that it is of.
        estimate: what the releases say.
        truth: what the names show.
    """

    what: str
    of: str
    estimate: Estimate
    truth: float

    @property
    def covers(self) -> bool:
        """Whether the interval holds the truth."""
        return self.truth in self.estimate

    def row(self) -> dict[str, str]:
        """Return the finding as texts for people."""
        point, interval = wording.point_and_interval(self.estimate.to_dict())
        return {
            "what": self.what,
            "of": self.of,
            "estimate": point or "bounds only",
            "95% interval": interval,
            "truth": wording.figure(self.truth, self.estimate.unit),
            "covers": "yes" if self.covers else "NO",
        }


def class_findings(
    case: Case, releases: tuple[Release, ...], members: ClassEstimate
) -> Iterator[Finding]:
    """Yield size and share with a postal address, of every retailer's class and of all."""
    truth, share = case.truth, "share with address"
    for release in releases:
        alone, name = estimate_class([release]), release.retailer
        yield Finding(what="class", of=name, estimate=alone.size(), truth=truth["buyers"][name])
        yield Finding(
            what=share,
            of=name,
            estimate=alone.share(contact="post"),
            truth=truth["post_share"][name],
        )
    yield from _pairs(case, members)
    for what, size in (("class, by the counts", members.bounds()), ("class", members.size())):
        yield Finding(what=what, of="all retailers", estimate=size, truth=truth["class_size"])
    yield Finding(
        what=share,
        of="all retailers",
        estimate=members.share(contact="post"),
        truth=truth["class_post_share"],
    )


def _pairs(case: Case, members: ClassEstimate) -> Iterator[Finding]:
    """Yield the persons known to both of two retailers."""
    overlap = {row["retailers"]: row for row in members.overlap().to_dict("records")}
    for (one, other), both in case.truth["pairs"].items():
        row = overlap[f"{one} + {other}"]
        yield Finding(
            what="known to both",
            of=f"{one} + {other}",
            estimate=Estimate(
                quantity="persons known to both",
                estimate=None if math.isnan(row["estimate"]) else row["estimate"],
                lower=row["lower"],
                upper=row["upper"],
                level=row["level"],
                unit=row["unit"],
            ),
            truth=both,
        )


def reach_findings(
    compared: Comparison, visits: Visits, contact: npt.NDArray[np.str_]
) -> Iterator[Finding]:
    """Yield the reach of every plan: a letter reaches who has an address, a display who comes by.

    Args:
        compared: the plans.
        visits: of the class to the stores with displays.
        contact: (households,) contact level of each.
    """
    for estimate in compared.estimates:
        plan = estimate.plan
        reached = np.zeros(len(contact), dtype=bool)
        if plan.direct:
            reached |= contact == "post"
        if plan.media:
            reached |= visits.seen.any(axis=(1, 2))
        yield Finding(
            what="reach", of=plan.name, estimate=estimate.estimate(), truth=float(reached.mean())
        )
