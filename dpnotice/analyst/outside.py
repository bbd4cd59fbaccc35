"""Members whom no record shows: bought elsewhere, or used what somebody else bought.

In: what an analyst states about them. Out: members per known buyer, and figures of all members from
those of known buyers. No source gives these numbers a default.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from dpnotice.analyst.intervals import Floats
from dpnotice.analyst.rates import (
    Law,
    Quantity,
    centre,
    check_fraction,
    check_plain,
    check_positive,
    describe,
)
from dpnotice.analyst.sampling import Sampling
from dpnotice.errors import EstimateError

_MOST_OUTSIDE: Final = 0.999
_MOST_USERS: Final = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Beyond:
    """What is stated of members beyond the known buyers.

    Attributes:
        outside: theta, share of purchasers in no responding retailer's records; None if not stated.
        users_per_buyer: h, class members per purchaser, 1 or more; None if not stated. Draws of a
            law below 1 count as 1.
    """

    outside: Quantity | None = None
    users_per_buyer: Quantity | None = None

    def __post_init__(self) -> None:
        if self.outside is not None:
            check_plain(check_fraction(self.outside, "outside"), "outside")
            if not isinstance(self.outside, Law) and float(self.outside) >= 1:
                raise EstimateError("outside must be below 1, as some purchasers are known")
        if self.users_per_buyer is not None:
            check_plain(check_positive(self.users_per_buyer, "users_per_buyer"), "users_per_buyer")
            if centre(self.users_per_buyer) < 1:
                raise EstimateError(
                    "users_per_buyer counts the buyer too, so it is 1 or more, got "
                    f"{describe(self.users_per_buyer)}; correct it"
                )

    @property
    def stated(self) -> bool:
        """Whether anything is said of them; without it figures are of known buyers."""
        return self.outside is not None or self.users_per_buyer is not None

    @property
    def assumptions(self) -> list[str]:
        """The statements, in words."""
        lines = []
        if self.outside is not None:
            share = describe(self.outside)
            lines.append(f"purchasers in nobody's records: {share}, composed like the known")
        if self.users_per_buyer is not None:
            lines.append(f"class members per purchaser: {describe(self.users_per_buyer)}")
        return lines

    def members_per_known_buyer(self, sampling: Sampling) -> Floats:
        """Return draws of h / (1 - theta), shape (draws,) or (1,)."""
        theta, h = self._drawn(sampling)
        return np.asarray(h / (1 - theta))

    def of_everyone(self, known: Floats, media: Floats, sampling: Sampling) -> Floats:
        """Mix a figure of known buyers with that of members whom only publication can reach.

        Formula: [(1 - theta) known + (theta + h - 1) media] / h.

        Args:
            known: (draws,) or (draws, 2).
            media: the same shape.
            sampling: the estimate's draws and seed.
        """
        theta, h = self._drawn(sampling)
        if known.ndim > 1:
            theta, h = theta[:, np.newaxis], h[:, np.newaxis]
        return np.asarray(((1 - theta) * known + (theta + h - 1) * media) / h)

    def _drawn(self, sampling: Sampling) -> tuple[Floats, Floats]:
        plain = sampling.plain
        theta = plain.sample(0.0 if self.outside is None else self.outside, "outside")
        h = plain.sample(
            1.0 if self.users_per_buyer is None else self.users_per_buyer, "users_per_buyer"
        )
        if np.max(theta) > _MOST_OUTSIDE or not np.max(h) < _MOST_USERS:
            raise EstimateError(
                "outside may reach 1, or users_per_buyer is beyond reason, so the class has no "
                f"size; got {describe(self.outside)} and {describe(self.users_per_buyer)}"
            )
        return theta, np.maximum(h, 1.0)
