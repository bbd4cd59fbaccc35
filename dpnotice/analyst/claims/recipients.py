"""Who would be sent a notice through which channels, and who sees publication alone.

In: per set of channels, the persons sent a piece through at least one of them. Out: `Recipients`:
the same persons split by their best channel, or by exactly the channels that they have.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from types import MappingProxyType
from typing import Final, TypeAlias

import numpy as np

from dpnotice.analyst.intervals import Floats
from dpnotice.errors import EstimateError

CHANNELS: Final = ("email", "post", "in_account")
"""Ways of individual notice, as a plan's direct notices name them."""
Channels: TypeAlias = frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Recipients:
    """Persons of the class by how they would be told, in every draw.

    Persons are estimates: fractions, and where noise is large negative numbers, are kept.

    Attributes:
        sent: channels -> (draws,) persons sent a piece through at least one of them, for every
            non-empty set of the plan's channels; empty for a plan of publication alone.
        published: (draws,) persons exposed to publication who are sent nothing.
        size: (draws,) persons of the class.
    """

    sent: Mapping[Channels, Floats]
    published: Floats
    size: Floats

    def __post_init__(self) -> None:
        given = frozenset().union(*self.sent)
        if not given <= set(CHANNELS) or set(self.sent) != set(_subsets(given)):
            raise EstimateError(
                f"sent holds every non-empty set of the plan's channels ({', '.join(CHANNELS)}), "
                f"got {sorted(map(sorted, self.sent))}; add or rename sets"
            )
        object.__setattr__(self, "size", self._kept(self.size, "size"))
        object.__setattr__(self, "published", self._kept(self.published, "published"))
        kept = {s: self._kept(v, "sent " + "+".join(sorted(s))) for s, v in self.sent.items()}
        object.__setattr__(self, "sent", MappingProxyType(kept))
        if not (self.size > 0).all():
            raise EstimateError(
                "size must be above 0 in every draw: the releases do not tell the class from "
                "nobody; more buyers or less noise are needed"
            )

    def _kept(self, values: Floats, field: str) -> Floats:
        kept = np.array(values, dtype=np.float64)
        if kept.ndim != 1 or kept.shape != np.shape(self.size) or not np.isfinite(kept).all():
            raise EstimateError(
                f"{field} must be a finite number per draw like size, got shape {kept.shape} "
                f"beside {np.shape(self.size)}; give one array (draws,) for each"
            )
        kept.flags.writeable = False
        return kept

    @property
    def channels(self) -> tuple[str, ...]:
        """The plan's channels of individual notice."""
        return tuple(c for c in CHANNELS if frozenset({c}) in self.sent)

    def by_best(self, rates: Mapping[str, Floats]) -> dict[str, Floats]:
        """Return the persons whose best channel is c, by draw; they add up to all who are sent any.

        Formula: with B the channels whose rate is above that of c, sent(B + c) - sent(B). Channels
        of equal rates rank in their usual order.

        Args:
            rates: channel -> (draws,) rate.
        """
        best = {}
        for channel in self.channels:
            persons = np.zeros(len(self.size))
            others = [c for c in self.channels if c != channel]
            above = {c: _outranks(c, channel, rates) for c in others}
            for better in [frozenset[str](), *_subsets(others)]:
                here = np.logical_and.reduce(
                    [above[c] == (c in better) for c in others], initial=True
                )
                persons += here * (self.sent[better | {channel}] - self._sent(better))
            best[channel] = persons
        return best

    def exactly(self) -> dict[Channels, Floats]:
        """Return the persons who are sent pieces through exactly a set of channels.

        Formula (inclusion-exclusion): sum over A within T of (-1)^(|T| - |A|) [sent(all) - sent(all
        without A)].
        """
        every = frozenset(self.channels)
        within = {a: self._sent(every) - self._sent(every - a) for a in self.sent}
        zero = np.zeros(len(self.size))
        return {
            t: sum(((-1) ** (len(t) - len(a)) * within[a] for a in _subsets(t)), start=zero)
            for t in self.sent
        }

    def _sent(self, channels: Channels) -> Floats:
        return self.sent[channels] if channels else np.zeros(len(self.size))


def _subsets(channels: "Channels | list[str]") -> Iterator[Channels]:
    """Yield every non-empty subset."""
    for size in range(1, len(channels) + 1):
        yield from map(frozenset, combinations(sorted(channels), size))


def _outranks(one: str, other: str, rates: Mapping[str, Floats]) -> Floats:
    first = CHANNELS.index(one) < CHANNELS.index(other)
    ahead = rates[one] >= rates[other] if first else rates[one] > rates[other]
    return np.asarray(ahead)
