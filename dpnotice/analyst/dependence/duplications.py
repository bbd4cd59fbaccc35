"""How a plan's vehicles hang together: elicited, or fitted to duplications that somebody measured.

In: a rank correlation, or `Duplications`. Out: the joint law of meeting the vehicles, by draw.
"""

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import Final, TypeAlias

import numpy as np

from dpnotice.analyst.dependence.classes import Classes, fit_classes
from dpnotice.analyst.dependence.net import Appetite, Joint, Mixture
from dpnotice.analyst.rates import (
    Law,
    Quantity,
    Uniform,
    axes_of,
    check_fraction,
    check_plain,
    describe,
)
from dpnotice.analyst.sampling import Sampling
from dpnotice.errors import PlanError

DEPENDENCE: Final = Uniform(low=0.0, high=0.5)
"""Elicited: people who meet one vehicle tend somewhat to meet others. Never below independence, so
that reach is never put above it unless duplications are known that say so."""
_MOST: Final = 0.9
_TWO: Final = 2
Pair: TypeAlias = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Duplications:
    """Who meets two vehicles, measured: what tells how a plan's vehicles hang together.

    Latent classes of persons with rates of their own for every vehicle are fitted to the reach of
    one insertion and of two, and to all pairs; see
    :class:`dpnotice.analyst.dependence.classes.Classes`. They can tell vehicles that exclude each
    other from vehicles that share their public. All figures are of one population.

    Attributes:
        pairs: (vehicle, vehicle) -> share of the population that meets an insertion of the one and
            another insertion of the other.
        reach_1: vehicle -> share that meets one insertion, or the whole schedule of a vehicle
            without insertions.
        reach_2: vehicle -> share that meets at least one of two insertions, where there are any.
        persons: on whom they were measured; their sampling error follows from it.
        source: where they come from.
        as_of: their date.

    >>> audiences = {"People": 0.1, "Time": 0.2}
    >>> Duplications({("People", "Time"): 0.03}, reach_1=audiences, persons=2_000).vehicles
    ('People', 'Time')
    """

    pairs: Mapping[Pair, float]
    _: KW_ONLY
    reach_1: Mapping[str, float]
    reach_2: Mapping[str, float] = field(default_factory=dict)
    persons: float
    source: str | None = None
    as_of: str | None = None
    laws: tuple[Classes, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        for what, shares in (("reach_1", self.reach_1), ("reach_2", self.reach_2)):
            for name, share in shares.items():
                _check_measured(share, f"{what} of {name}")
        for pair, share in self.pairs.items():
            _check_measured(share, f"duplication of {' and '.join(pair)}")
        object.__setattr__(self, "laws", self._fitted())

    @property
    def vehicles(self) -> tuple[str, ...]:
        """The vehicles, in the order of `reach_1`."""
        return tuple(self.reach_1)

    def _fitted(self) -> tuple[Classes, ...]:
        names = self.vehicles
        place = {name: number for number, name in enumerate(names)}
        strange = {v for pair in self.pairs for v in pair} | set(self.reach_2)
        strange -= set(names)
        apart = all(len(pair) == len({*pair}) == _TWO for pair in self.pairs)
        if not apart or len({frozenset(pair) for pair in self.pairs}) < len(self.pairs):
            raise PlanError(
                "each duplication is of two different vehicles, and each pair is given once, in "
                "either order; take the others out"
            )
        if strange or len(names) < _TWO:
            raise PlanError(
                f"duplications need reach_1 of two vehicles or more, and of every vehicle that is "
                f"named; missing: {', '.join(sorted(strange)) or 'all but one'}"
            )
        one = np.array([self.reach_1[name] for name in names])
        two = np.array([self.reach_2.get(name, np.nan) for name in names])
        both = np.full((len(names), len(names)), np.nan)
        for (a, b), share in self.pairs.items():
            both[place[a], place[b]] = both[place[b], place[a]] = share
        return fit_classes(one, two, both, persons=self.persons)


def _check_measured(share: Quantity, field: str) -> None:
    """Refuse what is not one number: sampling error follows from the persons."""
    if isinstance(check_fraction(share, field), Law) or axes_of(share):
        raise PlanError(
            f"{field} must be a number, got {describe(share)}; its sampling error follows from "
            "`persons`"
        )


def check_dependence(value: Quantity, field: str) -> Quantity:
    """Return a plan's dependence, or refuse it.

    Raises:
        PlanError: naming the field and the rule.
    """
    if isinstance(value, Duplications):
        return value
    check_plain(check_fraction(value, field), field)
    highest = value.support()[1] if isinstance(value, Law) else value
    if highest > _MOST:
        raise PlanError(
            f"{field} is a rank correlation from 0 to {_MOST}, got {describe(value)}; beyond it "
            "the same persons meet everything, which the bounds show",
            code="RANGE",
        )
    return value


def joint_law(
    dependence: Quantity | Duplications, vehicles: Sequence[str], sampling: Sampling
) -> Joint:
    """Return the joint law of a plan's vehicles.

    A number or law is Kendall's tau between two vehicles' clocks: 1/k = 2 tau / (1 - tau).

    Args:
        dependence: of the plan.
        vehicles: their names, in order.
        sampling: the draws and seed.
    """
    if isinstance(dependence, Duplications):
        laws = tuple(_of(law, dependence.vehicles, vehicles) for law in dependence.laws)
        chosen = sampling.stream("dependence").integers(len(laws), size=sampling.draws)
        return Mixture(classes=laws, pick=chosen)
    tau = sampling.plain.sample(dependence, "dependence")
    return Appetite(theta=2 * tau / (1 - tau))


def _of(law: Classes, known: Sequence[str], vehicles: Sequence[str]) -> Classes:
    """Return the law of some vehicles; those of which nothing is known are met alike by all."""
    alike = np.ones((len(law.share), 1))
    columns = [law.rate[:, [known.index(v)]] if v in known else alike for v in vehicles]
    return replace(law, rate=np.concatenate(columns, axis=1))


def in_words(dependence: Quantity | Duplications, vehicles: Sequence[str] = ()) -> str:
    """Return what the dependence between a plan's vehicles rests on."""
    if isinstance(dependence, Duplications):
        measured = f"{len(dependence.pairs)} measured duplications"
        unknown = [vehicle for vehicle in vehicles if vehicle not in dependence.vehicles]
        rest = f"; none known of {', '.join(unknown)}" if unknown else ""
        return f"{measured} ({dependence.source or 'no source given'}){rest}"
    return f"rank correlation {describe(dependence)}, elicited, never below independence"
