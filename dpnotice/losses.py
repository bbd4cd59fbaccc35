"""Losses that can be declared: the ends between which there is noise, and their decimal text.

In: the loss and the table weights of an inquiry. Out: numbers that another inquiry could state.
"""

from collections.abc import Sequence
from decimal import ROUND_UP, Context, Decimal
from typing import Final

from dpnotice.privacy import MAX_SCALE, PrivacyLoss

_LEAST_SCALE: Final = 0.05
"""Noise of this scale is 0 but once in 10^8 cells: no answer needs less."""
_LEAST_LOSS: Final = 1e-6
_MOST_LOSS: Final = 1e6
"""Losses between these ends have a decimal text that Python writes without an exponent."""
_DIGITS: Final = Context(prec=4, rounding=ROUND_UP)
_NANO: Final = Decimal("0.000000001")


def possible_losses(loss: PrivacyLoss, weights: Sequence[Decimal]) -> tuple[float, float]:
    """Return the least and the greatest loss for which every table can carry noise.

    Args:
        loss: its measure counts, not its value.
        weights: of the tables.

    Returns:
        Two losses in that measure.
    """
    total = float(sum(weights))
    most_noise, least_noise = total / float(min(weights)), total / float(max(weights))
    if loss.rho is None:  # scale = 1 / share
        ends = most_noise / MAX_SCALE, least_noise / _LEAST_SCALE
    else:  # scale = sqrt(1 / (2 share))
        ends = most_noise / (2 * MAX_SCALE**2), least_noise / (2 * _LEAST_SCALE**2)
    return max(2 * ends[0], _LEAST_LOSS), min(ends[1], _MOST_LOSS)


def rounded_up(loss: float) -> Decimal:
    """Round a loss up to four digits, and to a billionth at the finest, as an inquiry takes it.

    >>> rounded_up(0.123412)
    Decimal('0.1235')
    """
    figure = _DIGITS.create_decimal(Decimal(loss)).quantize(_NANO, rounding=ROUND_UP)
    return Decimal(f"{figure.normalize():f}")
