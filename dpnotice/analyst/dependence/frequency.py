"""How often a person is exposed by several vehicles together: the law of 0, 1, 2, ... exposures.

In: what every vehicle does, and their joint law. Out: chances by draw and cell; those of no
exposure are the joint law's own, and no exposure is lost beyond the last cell.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from dpnotice.analyst.dependence.net import Appetite, Joint
from dpnotice.analyst.dependence.series import exponential, power
from dpnotice.analyst.in_blocks import by_block
from dpnotice.analyst.intervals import Floats
from dpnotice.analyst.media.exposure_laws import convolve, with_rest
from dpnotice.analyst.media.vehicle import Exposure

_OFF: Final = 1e-3
"""Below 0 by this, or above 1, chances are of no law."""
_CLOSE: Final = 2e-5
"""Error to which chances are interpolated between levels."""
_TRIED: Final = 10
_AT_ONCE: Final = 4
"""Arrays of all counts that are worked with at the same time."""
_LEAST: Final = 1e-300
"""Stands for 0."""


def exposure_counts(
    exposures: Sequence[Exposure], joint: Joint, most: int, unmet: Floats | None = None
) -> Floats:
    """Return the chances of 0, 1, ..., and of `most` or more exposures.

    Every vehicle keeps its own law of counts, whatever the dependence, and mean exposures add up.

    * Vehicles met at a rate (broadcast, uncapped display, curves) under one appetite: with G_v the
      generating function of a vehicle's own counts, that of all is
      (1 + sum of (G_v^-theta - 1))^(-1 / theta): the gamma frailty of Poisson rates where all are
      negative binomial with r <= k, and the same formula beyond as far as it is a law.
    * Insertions and capped display, and all vehicles in latent classes or where the formula is no
      law (r far above k): given appetite and class, a vehicle is not met with probability
      exp(-clock), else as often as its own law says of those who meet it. The integral over the
      appetite is taken at quantiles (Gauss-Legendre).

    Args:
        exposures: of any number of vehicles.
        joint: their joint law.
        most: the last count.
        unmet: (draws or 1, cells) the chance of none, where it is known already, or is not quite
            the joint law's.

    Returns:
        (most + 1, draws or 1, cells).
    """
    if not exposures:
        return np.eye(most + 1)[:, :1, np.newaxis]
    if len(exposures) == 1:
        return _alone(exposures[0], most, unmet)
    unmet = joint.unmet(exposures) if unmet is None else unmet
    if isinstance(joint, Appetite):
        exposures = [_at_levels(exposure, joint.heat, most) for exposure in exposures]
    draws, cells = max(len(unmet), *(e.draws for e in exposures)), unmet.shape[1]

    def block(rows: slice) -> Floats:
        part = _together([e.of(rows) for e in exposures], joint.of(rows), most)
        part = _with_none(part, unmet[rows] if len(unmet) > 1 else unmet)
        return np.moveaxis(part, 0, 1).reshape(part.shape[1], -1)

    columns = (most + 1) * cells
    total = by_block(block, (draws, columns), _AT_ONCE * columns)
    return np.moveaxis(total.reshape(draws, -1, cells), 1, 0)


def _with_none(law: Floats, unmet: Floats) -> Floats:
    """Make chances a law of which the chance of none is what is known, (most + 1, draws, cells)."""
    upto = np.minimum(np.cumsum(np.maximum(law, 0.0), axis=0), 1.0)
    law = np.diff(upto, axis=0, prepend=0.0)
    law *= (1 - unmet) / np.maximum(1 - upto[0], _LEAST)
    law[0] = unmet
    return with_rest(law)


def _together(exposures: Sequence[Exposure], joint: Joint, most: int) -> Floats:
    """Return the law of the sum over vehicles, (most + 1, draws or 1, cells)."""
    if not isinstance(joint, Appetite):
        return _given_met(exposures, joint, most)
    with np.errstate(over="ignore", invalid="ignore"):
        total = with_rest(_at_rates(exposures, joint, most))
        law = (total > -_OFF).all(axis=0) & (total.sum(axis=0) < 1 + _OFF)
    return total if law.all() else np.where(law, total, _given_met(exposures, joint, most))


def _at_rates(exposures: Sequence[Exposure], joint: Appetite, most: int) -> Floats:
    """Return the same with rated vehicles by their generating functions, perhaps no law."""
    theta = joint.heat[:, np.newaxis]
    excess = _excess([e for e in exposures if e.rated], theta, most)
    rest = [e for e in exposures if not e.rated]
    if not rest:
        excess[0] += 1
        return power(excess, -1 / theta)
    total, met = np.zeros(()), [_among_met(e, most) for e in rest]
    for weight, appetite, clocks in joint.given(rest):
        person = exponential(excess * (-appetite / theta))
        total = total + weight * _add_met(person, met, clocks)
    return total


def _excess(exposures: Sequence[Exposure], theta: Floats, most: int) -> Floats:
    """Return the sum over vehicles of G^-theta - 1, (most + 1, draws or 1, cells)."""
    total = np.zeros((most + 1, 1, 1))
    for exposure in exposures:
        grown = power(exposure.counts(most), -theta)
        grown[0] -= 1
        total = total + grown @ exposure.basis
    return total


def _at_levels(exposure: Exposure, theta: Floats, most: int) -> Exposure:
    """Return the same vehicle at levels between which G^-theta may be interpolated.

    They are its own, or else all cells: tried on some draws, those where it is hardest among them,
    by whether the vehicle's own law comes back.
    """
    if not (exposure.rated and exposure.interpolated):
        return exposure
    law, draws = exposure.counts(most), max(exposure.draws, len(theta))
    hardest = [law[0].min(axis=1).argmin(), law[-1].max(axis=1).argmax(), theta.argmax()]
    tried = np.unique([*hardest, *range(0, draws, -(-draws // _TRIED))])
    some = exposure.of(tried) if exposure.draws > 1 else exposure
    strong = theta[tried % len(theta), np.newaxis]
    with np.errstate(over="ignore", invalid="ignore"):
        again = power(power(some.counts(most), -strong) @ exposure.basis, -1 / strong)
        off = np.abs(again - _cell_by_cell(some).counts(most))[:-1] * exposure.basis.any(axis=0)
    return exposure if off.max() < _CLOSE else _cell_by_cell(exposure)


def _cell_by_cell(exposure: Exposure) -> Exposure:
    """Return the same vehicle with cells as levels.

    Logarithms of chances are interpolated, so that a small chance of no exposure keeps its digits.
    """
    basis = exposure.basis

    def tally(most: int, *figures: Floats) -> Floats:
        chances = exposure.tally(most, *figures)
        chances = np.broadcast_to(chances, (*chances.shape[:2], len(basis)))
        logs = np.log(np.maximum(chances, _LEAST)) @ basis
        return with_rest(np.exp(logs))

    def law(*figures: Floats) -> Floats:
        return np.asarray(tally(1, *figures)[0])

    each, level = exposure.mean
    gross = (each * level) @ basis
    return replace(
        exposure,
        law=law,
        tally=tally,
        mean=(gross, np.ones((1, 1))),
        basis=np.diag(basis.any(axis=0).astype(np.float64)),
    )


def _given_met(exposures: Sequence[Exposure], joint: Joint, most: int) -> Floats:
    """Return the same where all vehicles are met, or not, given class and appetite."""
    total, met = np.zeros(()), [_among_met(e, most) for e in exposures]
    nobody = np.eye(most + 1)[:, :1, np.newaxis]
    for weight, _, clocks in joint.given(exposures):
        total = total + weight * _add_met(nobody, met, clocks)
    return total


def _add_met(person: Floats, met: Sequence[Floats], clocks: Sequence[Floats]) -> Floats:
    """Add to a law of counts vehicles that are met with probability 1 - exp(-clock)."""
    for law, clock in zip(met, clocks, strict=True):
        missed = np.exp(-clock)
        person = missed * person + (1 - missed) * convolve(person, law)
    return person


def _alone(exposure: Exposure, most: int, unmet: Floats | None) -> Floats:
    """Return one vehicle's chances by cell."""
    law = _between_levels(exposure, most)
    law[0] = 1 - law[1:].sum(axis=0)  # all are unmet where nobody is exposed
    return law if unmet is None else _with_none(law, unmet)


def _between_levels(exposure: Exposure, most: int) -> Floats:
    """Return chances by cell, (most + 1, draws or 1, cells); all 0 where nobody is exposed."""
    exposure = _cell_by_cell(exposure) if exposure.interpolated else exposure
    return np.asarray(exposure.counts(most) @ exposure.basis)


def _among_met(exposure: Exposure, most: int) -> Floats:
    """Return the law of the exposures of those who are exposed, (most + 1, draws or 1, cells)."""
    chances = _between_levels(exposure, most)[1:]
    reach = chances.sum(axis=0)
    law = np.zeros((most + 1, *reach.shape))
    np.divide(chances, reach, out=law[1:], where=reach > 0)
    return law
