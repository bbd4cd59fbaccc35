"""How often one person's keys agree: a prior, never a default.

In: the chance that somebody's key at a retailer is the one that they usually give. Out: by how much
what the maps show as shared has to be multiplied. A lost link makes one person look like two.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from dpnotice.analyst.intervals import Floats
from dpnotice.analyst.rates import (
    Law,
    Quantity,
    check_fraction,
    check_plain,
    describe,
)
from dpnotice.analyst.sampling import drawn
from dpnotice.errors import EstimateError

_LEAST: Final = 0.2
"""Below this share of linked keys the maps say nothing of persons."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Linkage:
    """The chance kappa_i that a person's key at retailer i is the one that they usually give.

    A person known to all retailers of a set G is seen as shared by them where all of those keys
    agree: with chance prod over G of kappa_i, taken as independent between retailers. So with
    I_G the persons known to all of G, the maps show I_G prod kappa_i of them.

    Attributes:
        kappa: a fraction or law for all retailers, which then have the same share, or retailer ->
            such, drawn apart; retailers left out have 1.
    """

    kappa: Quantity | Mapping[str, Quantity] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, share in self._stated.items():
            check_plain(check_fraction(share, f"linkage of {name}"), f"linkage of {name}")

    @property
    def _stated(self) -> Mapping[str, Quantity]:
        return self.kappa if isinstance(self.kappa, Mapping) else {"all retailers": self.kappa}

    @property
    def assumptions(self) -> list[str]:
        """The statements, in words."""
        if not self._stated:
            return ["one key per person: somebody with two e-mail addresses counts as two people"]
        told = "; ".join(f"{name}: {describe(share)}" for name, share in self._stated.items())
        return [f"share of persons whose key is the one that they usually give: {told}"]

    @property
    def said(self) -> str:
        """The same in a few words, for the end of a sentence."""
        if not self._stated:
            return "taking every key for one person"
        return "with the stated share of keys that agree"

    def check_names(self, retailers: Sequence[str]) -> None:
        """Refuse a statement about a retailer that has no sketch.

        Raises:
            EstimateError: with the names that it may have.
        """
        strange = set(self.kappa) - set(retailers) if isinstance(self.kappa, Mapping) else ()
        if strange:
            raise EstimateError(
                f"linkage is stated of {', '.join(sorted(map(str, strange)))}, and the sketches "
                f"are of {', '.join(retailers)}; correct the names"
            )

    def factors(
        self,
        retailers: Sequence[str],
        member: Floats,
        number: int,
        stream: Callable[[str], np.random.Generator],
    ) -> Floats:
        """Return draws of prod over G of 1 / kappa_i, for sets G of retailers.

        Args:
            retailers: k names.
            member: (k, sets), 1 where a retailer is in a set.
            number: of draws.
            stream: label -> the analyst's generator.

        Returns:
            (number, sets), or (1, sets) where no share is a law; 1 or more.

        Raises:
            EstimateError: a share below 0.2 was drawn.
        """
        logs = np.zeros((1, member.shape[1]))
        for name, row in zip(retailers, member, strict=True):
            share = self._of(name)
            label = f"linkage/{name}" if isinstance(self.kappa, Mapping) else "linkage"
            if isinstance(share, Law):
                share = drawn(share, number, stream(label))
            if np.min(share) < _LEAST:
                raise EstimateError(
                    f"linkage of {name} may fall below {_LEAST:.0%}, got "
                    f"{describe(self._of(name))}; keys that agree so seldom tell nothing of persons"
                )
            logs = logs - np.log(np.atleast_1d(share))[:, np.newaxis] * row
        return np.asarray(np.exp(logs))

    def _of(self, name: str) -> Quantity:
        if isinstance(self.kappa, Mapping):
            return self.kappa.get(name, 1.0)
        return self.kappa
