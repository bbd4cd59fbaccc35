"""How often a person is exposed by several vehicles together: the law of 0, 1, 2, ... exposures.

In: what every vehicle does, and their joint law. Out: chances by draw and cell; those of no
exposure are the joint law's own, and no exposure is lost beyond the last cell.
"""

from collections.abc import Sequence

import numpy as np

from dpnotice.analyst.exposure_laws import convolve, with_rest
from dpnotice.analyst.intervals import Floats
from dpnotice.analyst.net import Joint, by_block
from dpnotice.analyst.vehicle import Exposure


def exposure_counts(exposures: Sequence[Exposure], joint: Joint, most: int) -> Floats:
    """Return the chances of 0, 1, ..., and of `most` or more exposures.

    Given a person's appetite and class, vehicles are independent: vehicle v is not met with
    probability exp(-clock_v), else it is met as often as its own law says of those who meet it. So
    every vehicle keeps its own law, whatever the dependence. The integral over the appetite is
    taken at quantiles (Gauss-Legendre).

    Args:
        exposures: of any number of vehicles.
        joint: their joint law.
        most: the last count.

    Returns:
        (most + 1, draws or 1, cells).
    """
    if not exposures:
        return np.eye(most + 1)[:, :1, np.newaxis]
    if len(exposures) == 1:
        (only,) = exposures
        chances = only.counts(most) @ only.basis
        chances[0] = 0
        chances[0] = 1 - chances.sum(axis=0)
        return np.asarray(chances)
    laws = [_among_met(exposure, most) for exposure in exposures]
    unmet = joint.unmet(exposures)
    draws, cells = max(len(unmet), *(law.shape[1] for law in laws)), unmet.shape[1]

    def block(rows: slice) -> Floats:
        part = _together(
            [e.of(rows) for e in exposures], joint.of(rows), [_of(law, rows) for law in laws]
        )
        return np.moveaxis(part, 0, 1).reshape(part.shape[1], -1)

    total = np.moveaxis(by_block(block, draws, (most + 1) * cells).reshape(draws, -1, cells), 1, 0)
    total = total * ((1 - unmet) / np.maximum(1 - total[0], 1e-300))
    total[0] = unmet
    return with_rest(total)


def _together(exposures: Sequence[Exposure], joint: Joint, laws: Sequence[Floats]) -> Floats:
    """Return the law of the sum over vehicles, (most + 1, draws or 1, cells)."""
    total = np.zeros(())
    for weight, clocks in joint.states(exposures):
        person = np.eye(len(laws[0]))[:, :1, np.newaxis]
        for law, clock in zip(laws, clocks, strict=True):
            missed = np.exp(-clock)
            person = with_rest(missed * person + (1 - missed) * convolve(person, law))
        total = total + weight * person
    return total


def _of(law: Floats, rows: slice) -> Floats:
    return law[:, rows] if law.shape[1] > 1 else law


def _among_met(exposure: Exposure, most: int) -> Floats:
    """Return the law of the exposures of those who are exposed, (most + 1, draws or 1, cells)."""
    chances = exposure.counts(most)[1:] @ exposure.basis
    reach = chances.sum(axis=0)
    law = np.zeros((most + 1, *reach.shape))
    law[1] = 1.0
    np.divide(chances, reach, out=law[1:], where=reach > 0)
    return law
