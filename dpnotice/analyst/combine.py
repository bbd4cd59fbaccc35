"""Releases of one question -> the class.

In: releases, as loaded, and what the analyst states of overlap, lost links and other members. Out:
a `ClassEstimate`.
"""

from collections.abc import Iterable, Mapping
from itertools import groupby

from dpnotice.analyst.known import know
from dpnotice.analyst.members import ClassEstimate
from dpnotice.analyst.outside import Beyond
from dpnotice.analyst.rates import Quantity
from dpnotice.analyst.together import together
from dpnotice.release import Release


def estimate_class(
    releases: Iterable[Release],
    *,
    overlap: str | None = None,
    population: Quantity | None = None,
    linkage: Quantity | Mapping[str, Quantity] | None = None,
    outside: Quantity | None = None,
    users_per_buyer: Quantity | None = None,
) -> ClassEstimate:
    """Combine releases into an estimate of the class.

    With U distinct known buyers, theta the share of purchasers in no responding retailer's records
    and h class members per purchaser: N = U h / (1 - theta). U is a point for one release and
    where the sketches of two to five retailers tell it; elsewhere bounds.

    Args:
        releases: as loaded by :func:`dpnotice.load_releases`; one per retailer and attempt.
        overlap: None takes what the sketches tell; ``"bounds"`` leaves them aside;
            ``"independent"`` takes the buyers of different retailers as independent draws from a
            population, which understates the overlap of heavy buyers.
        population: with ``"independent"`` and only there: persons, a number or a frame by one axis.
        linkage: kappa, the chance that a person's key at a retailer is the one that they usually
            give: a fraction or law, or retailer -> such. None takes every key for one person, and
            every sentence says so.
        outside: theta, a fraction, law or None.
        users_per_buyer: h, 1 or more, a number, law or None; draws of a law below 1 count as 1.

    Returns:
        Size, composition and overlap. Without `outside` and `users_per_buyer` it describes known
        buyers, and every sentence says so.

    Raises:
        ReleaseError: the releases do not belong together.
        EstimateError: h may fall below 1, theta reach 1, or kappa fall below 0.2; statements that
            do not go together.
    """
    checked = together([releases] if isinstance(releases, Release) else releases)
    by_retailer = groupby(checked, key=lambda release: release.retailer)
    beyond = Beyond(outside=outside, users_per_buyer=users_per_buyer)
    return ClassEstimate(
        inquiry=checked[0].inquiry,
        known=know(
            [tuple(own) for _, own in by_retailer],
            overlap=overlap,
            population=population,
            linkage=linkage,
        ),
        losses=tuple(
            f"{r.retailer}: {r.inquiry.total_loss.measure} {r.inquiry.total_loss.value:f}"
            for r in checked
        ),
        beyond=beyond,
    )
