"""Maps with planes -> the people at each set of retailers, by the plane in which each knows them.

In: a histogram over k retailers times L planes. Out: `Planes`, an estimate per state, and its
regions. A buyer sets one bit, in one of the L maps of their retailer, at an index that all planes
and retailers share. A state says for every retailer 0, not a buyer there, or the plane, 1 to L;
there are (L + 1)^k - 1 states and 2^(kL) - 1 free patterns, so the likelihood has to be maximised.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Final

import numpy as np
import numpy.typing as npt

from dpnotice.analyst.intervals import Floats
from dpnotice.analyst.overlap.regions import (
    Masks,
    Regions,
    by_map,
    check_flips,
    contract,
    fixed,
    join,
    mixing,
    solution,
    spread,
    unfolded,
    unions,
)

_MOST_STEPS: Final = 40
_SETTLED: Final = 1e-10
"""Squared length of a step, in standard deviations, below which one more is the last."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Planes:
    """People in every state.

    Attributes:
        retailers: k.
        planes: L.
        states: per state the plane at each retailer, 1 to L, or 0; the first retailer fastest,
            so that one plane gives regions in their order.
        estimate: shape (states,), people, unclipped.
        covariance: shape (states, states).
    """

    retailers: int
    planes: int
    states: tuple[tuple[int, ...], ...]
    estimate: Floats
    covariance: Floats

    @property
    def membership(self) -> Floats:
        """Return W, (k L, states): 1 where a state has plane l at retailer i, row i L + l - 1."""
        table = np.array(self.states)
        chosen = table.T[:, None, :] == np.arange(1, self.planes + 1)[:, None]
        return np.asarray(chosen.reshape(-1, len(table)), dtype=np.float64)

    def regions(self) -> Regions:
        """Sum over the planes: the people at exactly each set of retailers."""
        masks = (np.array(self.states) > 0) @ (1 << np.arange(self.retailers))
        summed = (masks == np.arange(1, 2**self.retailers)[:, None]).astype(np.float64)
        return Regions(
            retailers=self.retailers,
            estimate=summed @ self.estimate,
            covariance=summed @ self.covariance @ summed.T,
        )

    def joined(self, counts: Floats, covariance: Floats) -> tuple["Planes", Floats]:
        """Let the counts of keyed buyers by retailer and plane join: see `Regions.joined`.

        Args:
            counts: shape (k L,), in the order of `membership`.
            covariance: shape (k L, k L).

        Returns:
            The planes, and the gain of shape (states, k L).
        """
        prior = self.estimate, self.covariance
        estimate, spread, gain = join(prior, self.membership, (counts, covariance))
        return replace(self, estimate=estimate, covariance=spread), gain


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Model:
    """The law of the patterns as the states' people vary: q = K exp(-A n / m)."""

    touched: Floats
    mixing: tuple[Floats, ...]
    bits: int

    def law(self, people: Floats) -> tuple[Floats, Floats]:
        """Return the patterns' chances, flat, and their slopes m dq/dn, (patterns, states)."""
        empty = np.exp(-self.touched @ people / self.bits)
        law = contract(self.mixing, by_map(empty))
        slope = contract(self.mixing, by_map(empty[:, None] * -self.touched))
        return law.ravel(), slope.reshape(law.size, -1)

    def information(self, law: Floats, slope: Floats) -> Floats:
        """F = m D' diag(1/q) D, of the people per bit."""
        return np.asarray(self.bits * (slope.T / law) @ slope)


def scored(counts: npt.NDArray[np.int64], flips: Sequence[float], planes: int) -> Planes:
    """Maximise the likelihood of the patterns by Fisher scoring, from the moments.

    With D = dq/d(n / m): score D' (N / q), F = m D' diag(1/q) D, V = m^2 F^-1 - diag(n). A step
    that would give a pattern a chance below 0 is halved. People are not kept above 0: a state held
    there would push its error into the others. Where many patterns were never seen (small blocks),
    the likelihood may have no greatest value, as one of their chances falls to 0: there the moments
    stand, closed and hardly biased, with errors larger by some percent.

    Args:
        counts: shape (2,) * (k L); axis i L + l - 1 is the map of plane l at retailer i.
        flips: the chance p_i that a bit of retailer i's maps was flipped, shape (k,).
        planes: L.

    Raises:
        EstimateError: ``SKETCH_NOISY``; the moments do not exist.
        ``SKETCH_FLIPS``, ``SKETCH_MAPS``; not a histogram of so many maps.
    """
    every = np.repeat(flips, planes).tolist()
    check_flips(counts, every)
    bits = int(counts.sum())
    law = counts / bits
    states = np.array(list(product(range(planes + 1), repeat=len(flips))))[1:, ::-1]
    maps = _maps(states, planes)
    solving = solution(len(flips), planes)
    united = unions(unfolded(law, every)[maps], np.count_nonzero(states, axis=1), bits)
    touched = (np.arange(counts.size)[:, None] & maps) > 0
    model = _Model(touched=touched.astype(np.float64), mixing=tuple(mixing(every)), bits=bits)
    found = _maximised(model, counts.ravel().astype(np.float64), solving @ united)
    estimate, poisson = found or (solving @ united, bits * spread(law, every, maps, solving))
    return Planes(
        retailers=len(flips),
        planes=planes,
        states=tuple(map(tuple, states.tolist())),
        estimate=estimate,
        covariance=fixed(poisson, estimate),
    )


def _maps(states: npt.NDArray[np.int64], planes: int) -> Masks:
    """Return the maps in which people of each state have a bit; map j is bit j."""
    first = planes * np.arange(states.shape[1])
    return np.asarray(np.sum((states > 0) << (first + np.maximum(states - 1, 0)), axis=1))


def _maximised(model: _Model, counts: Floats, start: Floats) -> tuple[Floats, Floats] | None:
    """Return the people that make the counts likeliest, and m^2 F^-1; None where there are none."""
    people = start if model.law(start)[0].min() > 0 else np.maximum(start, 0)
    law, slope = model.law(people)
    for _ in range(_MOST_STEPS):
        inverse = np.asarray(np.linalg.inv(model.information(law, slope)))
        score = slope.T @ (counts / law)
        step = model.bits * (inverse @ score)
        if step @ score < _SETTLED * model.bits:
            return people + step, model.bits**2 * inverse
        people, law, slope = _moved(model, people, step)
    return None


def _moved(model: _Model, people: Floats, step: Floats) -> tuple[Floats, Floats, Floats]:
    """Take a step that alters no log Z by more than 1, halved while some pattern has no chance.

    Every pattern has one before the step, so that the halving ends.
    """
    step = step / max(1.0, float(np.abs(model.touched @ step).max()) / model.bits)
    law, slope = model.law(people + step)
    while law.min() <= 0:
        step = step / 2
        law, slope = model.law(people + step)
    return people + step, law, slope
