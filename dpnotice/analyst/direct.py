"""Individual notice: the ladder identified -> sent -> delivered -> seen.

In: how a retailer's buyers would be written to. Out: per draw and cell, the chance that the notice
is not seen, who gets a piece, and whose records leave the retailer.
"""

from dataclasses import KW_ONLY, dataclass
from typing import Final

import numpy as np

from dpnotice.analyst.intervals import Floats
from dpnotice.analyst.media.vehicle import check_price, check_source
from dpnotice.analyst.rates import Quantity, axes_of, check_fraction, check_text
from dpnotice.analyst.sampling import Sampling
from dpnotice.errors import PlanError
from dpnotice.segments import CONTACT, Axis

MODES: Final = {
    "email": ("email",),
    "post": ("post",),
    "email_then_post": ("email", "post"),
    "in_account": ("in_account",),
}
"""Mode -> channels; a contact level such as ``email+post`` names its channels."""
SENDING: Final = ("sends_itself", "hands_over_list")
COOPERATION: Final = (*SENDING, "dp_counts_only", "none")

_RATES: Final = ("delivered", "delivered_post", "rescued", "seen")


@dataclass(frozen=True, slots=True)
class Direct:
    """Notice sent to the buyers that one retailer can identify.

    Not seen by a buyer with contact level h: u = 1 - a(h) delivered seen, a = 1 where h names a
    channel of the mode. ``email_then_post`` sends e-mail where there is an address, and a letter
    where there is none or the e-mail bounced. Of letters that come back a share s is delivered
    after re-mailing to a new address: delivered = d + (1 - d) s.

    Attributes:
        retailer: whose buyers; its release must be among those of the class.
        mode: ``email``, ``post``, ``email_then_post`` or ``in_account``.
        cooperation: ``sends_itself`` (no record leaves the retailer), ``hands_over_list`` (every
            buyer's record goes to the administrator), ``dp_counts_only`` (a release, and no
            notice) or ``none`` (neither: its buyers are members in nobody's records).
        delivered: share of pieces that do not come back; of the e-mail for ``email_then_post``.
        delivered_post: the same for the letter of ``email_then_post``.
        rescued: s, share of letters that come back and are delivered after re-mailing; None where
            nobody looks for new addresses.
        seen: share of delivered pieces noticed; 1.0 counts delivery as an opportunity to see.
        unit_cost_usd: per piece; None where not given.
        source: where the figures come from.
        as_of: their date.
    """

    retailer: str
    _: KW_ONLY
    mode: str
    cooperation: str
    delivered: Quantity
    seen: Quantity
    delivered_post: Quantity | None = None
    rescued: Quantity | None = None
    unit_cost_usd: float | None = None
    source: str | None = None
    as_of: str | None = None

    def __post_init__(self) -> None:
        check_text(self.retailer, "retailer")
        _check_choice(self.mode, tuple(MODES), f"{self.retailer}: mode")
        _check_choice(self.cooperation, COOPERATION, f"{self.retailer}: cooperation")
        if (self.mode == "email_then_post") != (self.delivered_post is not None):
            raise PlanError(
                f"{self.retailer}: delivered_post is the letter's rate in email_then_post; "
                "give it there and only there"
            )
        if self.rescued is not None and "post" not in self.channels:
            raise PlanError(
                f"{self.retailer}: rescued is a share of letters that come back; "
                f"{self.mode} sends none, so leave it out"
            )
        for field in (name for name in _RATES if getattr(self, name) is not None):
            kept = check_fraction(getattr(self, field), f"{self.retailer}: {field}")
            object.__setattr__(self, field, kept)
        if self.mode == "email_then_post" and self.unit_cost_usd is not None:
            raise PlanError(
                f"{self.retailer}: one unit_cost_usd cannot price e-mails and the letters after "
                "bounces alike; leave it out, and the cost is not given"
            )
        check_price(self.unit_cost_usd, f"{self.retailer}: unit_cost_usd")
        check_source(source=self.source, as_of=self.as_of, field=self.retailer)

    @property
    def name(self) -> str:
        """What the plan calls it."""
        return f"{self.retailer} {self.mode.replace('_', ' ')}"

    @property
    def sends(self) -> bool:
        """Whether anything is sent at all."""
        return self.cooperation in SENDING

    @property
    def axes(self) -> tuple[str, ...]:
        """Axes by which its figures vary, contact among them; none where nothing is sent."""
        if not self.sends:
            return ()
        figures = tuple(getattr(self, name) for name in _RATES)
        varying = [axis for figure in figures if figure is not None for axis in axes_of(figure)]
        return tuple(dict.fromkeys([CONTACT, *varying]))

    @property
    def channels(self) -> tuple[str, ...]:
        """The channels of its mode, as contact levels name them."""
        return MODES[self.mode]

    def usable(self, contact: Axis) -> Floats:
        """Return 1 for the contact levels that name a channel of the mode, else 0."""
        return np.array([float(bool(self._channels(level))) for level in contact.levels])

    def nonreach(self, sampling: Sampling) -> Floats:
        """Return the chance that a buyer does not see it, broadcastable to (draws, *cells)."""
        label = f"direct/{self.retailer}/{self.mode}"
        first = sampling.sample(self.delivered, f"{label}/delivered")
        seen = sampling.sample(self.seen, f"{label}/seen")
        letter = first
        if self.delivered_post is not None:
            letter = sampling.sample(self.delivered_post, f"{label}/delivered_post")
        if self.rescued is not None:
            rescued = sampling.sample(self.rescued, f"{label}/rescued")
            letter = letter + (1 - letter) * rescued
        delivered = np.zeros(())
        for channels, rate in self._outcomes(first, letter):
            levels = [
                level for level in _contact(sampling).levels if self._channels(level) == channels
            ]
            delivered = delivered + sampling.mask({CONTACT: tuple(levels)}) * rate
        return 1 - delivered * seen

    def unsent(self, sampling: Sampling, channels: frozenset[str]) -> Floats:
        """Return the chance that a buyer is sent nothing through some channels.

        A letter of ``email_then_post`` is sent where there is no e-mail, or it bounced.
        """
        bounced = 1 - sampling.sample(
            self.delivered, f"direct/{self.retailer}/{self.mode}/delivered"
        )
        unsent = np.ones(())
        for level in _contact(sampling).levels:
            own = self._channels(level)
            if self.mode == "email_then_post" and {"email", "post"} <= own:
                sent = np.ones(()) if "email" in channels else bounced * ("post" in channels)
            else:
                sent = np.array(float(bool(own & channels)))
            unsent = unsent - sampling.mask({CONTACT: (level,)}) * sent
        return unsent

    def _outcomes(self, first: Floats, letter: Floats) -> list[tuple[frozenset[str], Floats]]:
        if self.mode != "email_then_post":
            return [(frozenset(MODES[self.mode]), letter)]
        email, post = frozenset({"email"}), frozenset({"post"})
        return [(email, first), (post, letter), (email | post, 1 - (1 - first) * (1 - letter))]

    def _channels(self, level: str) -> frozenset[str]:
        return frozenset(level.split("+")) & frozenset(MODES[self.mode])


def _contact(sampling: Sampling) -> Axis:
    return next(axis for axis in sampling.axes if axis.name == CONTACT)


def _check_choice(value: object, choices: tuple[str, ...], field: str) -> None:
    if not isinstance(value, str) or value not in choices:
        raise PlanError(f"{field} must be one of {', '.join(choices)}, got {value!r}")
