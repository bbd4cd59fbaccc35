"""What is promised to a buyer, and its arithmetic: unit, loss, noise.

In: decimal text from an inquiry. Out: exact losses (integers of a billionth), the variance and
tails of the published noise laws, odds in plain numbers.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from statistics import NormalDist
from typing import Final

from dpnotice.errors import InquiryError

NANO: Final = 10**9
MIN_SCALE: Final = 0.01
MAX_SCALE: Final = 2.0**47
"""Scales outside these ends are no noise, or could carry a count beyond 2^53: both are refused."""
SMOOTH_GAUSSIAN: Final = 2.0
"""Scale from which the discrete Gaussian's moments are the normal's to rounding."""
WIDE_GAUSSIAN: Final = 500.0
"""Scale above which the discrete Gaussian's quantiles are the normal's, to the person."""
_DECIMAL: Final = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")


class PrivacyUnit(StrEnum):
    """Whom a release protects: neighbours differ by all purchases of one such unit."""

    BUYER = "buyer"


class NoiseLaw(StrEnum):
    """The published noise laws, both on the integers."""

    DISCRETE_LAPLACE = "discrete-laplace"
    DISCRETE_GAUSSIAN = "discrete-gaussian"


def exact_decimal(text: object, field: str) -> Decimal:
    """Read a positive decimal text with at most nine fractional digits, exactly.

    Args:
        text: for instance ``"1"`` or ``"0.25"``; binary floats are refused, as 0.1 is not 1/10.
        field: the name to use in a refusal.

    Returns:
        The exact value.

    Raises:
        InquiryError: the text is not such a decimal, or not above zero.

    >>> exact_decimal("0.5", "epsilon")
    Decimal('0.5')
    """
    if not isinstance(text, str) or not _DECIMAL.fullmatch(text) or not Decimal(text):
        raise InquiryError(
            f"{field} must be decimal text above 0 with at most 9 fractional digits, "
            f'got {text!r}; write for instance "1" or "0.25"',
            code="BAD_BUDGET",
        )
    return Decimal(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivacyLoss:
    """A declared loss: pure differential privacy (epsilon) or zero-concentrated (rho).

    Attributes:
        epsilon: pure loss, or None where rho is given.
        rho: zero-concentrated loss (Bun and Steinke 2016), or None where epsilon is given.
    """

    epsilon: Decimal | None = None
    rho: Decimal | None = None

    def __post_init__(self) -> None:
        if (self.epsilon is None) == (self.rho is None):
            raise InquiryError("a loss is either epsilon or rho, never both; give exactly one")
        if not (isinstance(self.value, Decimal) and self.value.is_finite() and self.value > 0):
            raise InquiryError(
                f"{self.measure} must be a Decimal above 0, got {self.value!r}", code="BAD_BUDGET"
            )

    @property
    def measure(self) -> str:
        """``"epsilon"`` or ``"rho"``."""
        return "epsilon" if self.rho is None else "rho"

    @property
    def value(self) -> Decimal:
        """The declared figure, whichever measure it has."""
        value = self.epsilon if self.rho is None else self.rho
        assert value is not None  # by __post_init__
        return value

    @property
    def text(self) -> str:
        """The declared figure as decimal text, one spelling per value."""
        return f"{self.value.normalize():f}"

    @property
    def nano(self) -> int:
        """The loss in billionths: an exact integer by the decimal rule."""
        return math.ceil(Fraction(self.value) * NANO)

    def plus_pure(self, epsilon: Decimal) -> "PrivacyLoss":
        """Return the loss of this and a mechanism of pure loss epsilon together.

        Formula: epsilons add; epsilon-DP is epsilon^2 / 2 zero-concentrated (Bun and Steinke 2016,
        proposition 1.4), rounded up to a billionth.
        """
        if self.rho is None:
            return PrivacyLoss(epsilon=self.value + epsilon)
        total = math.ceil((Fraction(self.value) + Fraction(epsilon) ** 2 / 2) * NANO)
        return PrivacyLoss(rho=Decimal(total) / NANO)

    def split(self, weights: Sequence[Decimal]) -> tuple[Fraction, ...]:
        """Divide the loss over tables in proportion to their weights, exactly.

        Args:
            weights: one positive weight per table.

        Returns:
            One exact share per table; they sum to the loss.

        >>> PrivacyLoss(epsilon=Decimal(1)).split([Decimal(1), Decimal(3)])
        (Fraction(1, 4), Fraction(3, 4))
        """
        total = sum(Fraction(weight) for weight in weights)
        return tuple(Fraction(self.value) * Fraction(weight) / total for weight in weights)


def posterior(prior: float, epsilon: float) -> float:
    """Return the most that anyone's belief about one buyer can become after the release.

    Formula: odds(after) <= exp(epsilon) * odds(before).

    Args:
        prior: belief before the release, a fraction in (0, 1).
        epsilon: pure loss.

    Returns:
        A fraction in (0, 1).

    >>> round(posterior(0.1, 1.0), 2)
    0.23
    """
    check_fraction(prior, "prior")
    return 1 / (1 + math.exp(-epsilon) * (1 - prior) / prior)


def check_fraction(value: float, field: str) -> None:
    """Refuse what is no fraction strictly between 0 and 1.

    Raises:
        InquiryError: with the field's name.
    """
    if not 0 < value < 1:
        raise InquiryError(f"{field} must be a fraction in (0, 1), got {value}; percentages?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """Independent integer noise of one published law and scale in every cell of a table.

    Laws: discrete Laplace P(z) = (1-p)/(1+p) p^|z| with p = exp(-1/scale); discrete Gaussian
    P(z) proportional to exp(-z^2 / (2 scale^2)).

    Attributes:
        law: which of the two.
        scale: b or sigma, in people.
    """

    law: NoiseLaw
    scale: float

    def __post_init__(self) -> None:
        if self.law not in tuple(NoiseLaw):
            raise InquiryError(
                f"the noise law must be one of {', '.join(NoiseLaw)}, got {self.law!r}"
            )
        if not isinstance(self.scale, (int, float)) or not MIN_SCALE <= self.scale <= MAX_SCALE:
            raise InquiryError(
                "a noise scale must be finite and above 0, "
                f"from {MIN_SCALE} to 2^47 people, got {self.scale!r}"
            )
        object.__setattr__(self, "scale", float(self.scale))

    @property
    def is_laplace(self) -> bool:
        """True for the discrete Laplace law."""
        return self.law == NoiseLaw.DISCRETE_LAPLACE

    @property
    def loss(self) -> Fraction:
        """Exact loss of one table of sensitivity 1: 1/scale, or 1/(2 scale^2) for the Gaussian."""
        scale = Fraction(self.scale)
        return 1 / scale if self.is_laplace else 1 / (2 * scale * scale)

    @property
    def variance(self) -> float:
        """Exact variance in people squared: 1/(2 sinh^2(1/(2 scale))) for the Laplace law."""
        if self.is_laplace:
            half = 0.5 / self.scale
            return 0.5 / math.sinh(half) ** 2
        if self.scale >= SMOOTH_GAUSSIAN:
            return self.scale**2
        return self._gaussian_moment(2)

    @property
    def sd(self) -> float:
        """Standard deviation in people."""
        return math.sqrt(self.variance)

    @property
    def excess_kurtosis(self) -> float:
        """Fourth cumulant over squared variance: 3 + 1/v for Laplace, near 0 for Gaussian."""
        if self.is_laplace:
            return 3 + 1 / self.variance
        if self.scale >= SMOOTH_GAUSSIAN:
            return 0.0
        # Below a scale of about 0.03 the law is the point 0, as far as a float can tell.
        return self._gaussian_moment(4) / self.variance**2 - 3 if self.variance else 0.0

    def _gaussian_moment(self, power: int) -> float:
        """Sum z^power P(z) of the discrete Gaussian over +-20 scales."""
        masses = [math.exp(-z * z / (2 * self.scale**2)) for z in range(self._far)]
        total = 2 * sum(masses) - masses[0]
        return float(2 * sum(z**power * mass for z, mass in enumerate(masses)) / total)

    @property
    def _far(self) -> int:
        """A whole number beyond which the Gaussian law has no mass that a float can show."""
        return math.ceil(20 * self.scale) + 2

    def half_width(self, level: float = 0.95) -> int:
        """Return the smallest whole k with P(|noise| <= k) >= level, for one released number.

        Args:
            level: confidence, a fraction in (0, 1).

        Returns:
            People. Laplace in closed form: 2 p^(k+1)/(1+p) <= 1 - level.

        >>> Noise(law=NoiseLaw.DISCRETE_LAPLACE, scale=4.0).half_width(0.95)
        12
        """
        check_fraction(level, "level")
        if self.is_laplace:  # in logs: p^(k+1) loses its digits where p is near 1
            spare = math.log1p(math.exp(-1 / self.scale)) + math.log((1 - level) / 2)
            return max(0, math.ceil(-spare * self.scale - 1 - 1e-9))
        if self.scale > WIDE_GAUSSIAN:  # the lattice no longer shows: the normal quantile, upwards
            return math.ceil(-self.scale * NormalDist().inv_cdf((1 - level) / 2))
        masses = [math.exp(-z * z / (2 * self.scale**2)) for z in range(self._far)]
        missing, tail, k = (1 - level) * (2 * sum(masses) - masses[0]), 0.0, self._far
        while k and 2 * (tail + masses[k - 1]) <= missing:
            k -= 1
            tail += masses[k]
        return max(0, k - 1)
