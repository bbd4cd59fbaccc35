"""Zero-concentrated loss in terms of (epsilon, delta), and the choice between the two noise laws.

In: the texts of an inquiry's ``[privacy]`` section and the weights of its tables. Out: the declared
loss and the noise law; what a rho means as an epsilon.
"""

import math
from collections.abc import Mapping, Sequence
from decimal import ROUND_DOWN, Context, Decimal
from typing import Final

import numpy as np

from dpnotice.errors import InquiryError
from dpnotice.privacy import MAX_SCALE, Noise, NoiseLaw, PrivacyLoss, check_fraction, exact_decimal

DELTA: Final = Decimal("0.000001")
"""Delta at which a rho is told as an epsilon, where nobody agreed on another."""
_ORDERS: Final = 1 + np.logspace(-3, 4, 7001)
_RHO_DIGITS: Final = Context(prec=4, rounding=ROUND_DOWN)
_NANO: Final = Decimal("0.000000001")


def epsilon_of_rho(rho: float, delta: float) -> float:
    """Return an epsilon such that rho-zCDP implies (epsilon, delta)-DP.

    Formula: delta = min over a > 1 of exp((a-1)(a rho - epsilon)) (1 - 1/a)^a / (a - 1), solved
    for epsilon (Canonne, Kamath, Steinke 2020, arXiv 2004.00010, proposition 7).

    Args:
        rho: zero-concentrated loss, above 0.
        delta: in (0, 1).

    Returns:
        The epsilon, an upper bound for any order tried, hence always valid.

    >>> round(epsilon_of_rho(0.125, 1e-6), 2)
    2.42
    """
    check_fraction(delta, "delta")
    if not (math.isfinite(rho) and rho > 0):
        raise InquiryError(f"rho must be finite and above 0, got {rho}")
    # For a fixed order a the bound is linear in epsilon, so each order gives a valid epsilon and
    # the smallest over a fine grid of orders is valid too: no optimiser whose failure could lie.
    tails = _ORDERS * np.log1p(-1 / _ORDERS) - np.log((_ORDERS - 1) * delta)
    return max(0.0, float(np.min(_ORDERS * rho + tails / (_ORDERS - 1))))


def rho_within(epsilon: Decimal, delta: Decimal) -> PrivacyLoss:
    """Return the most zero-concentrated loss that implies (epsilon, delta)-DP.

    Formula: the largest rho of four significant digits with `epsilon_of_rho`(rho, delta) <=
    epsilon. Four digits, rounded down, are the same on every machine, so both parties read the
    same inquiry, and cost at most a thousandth of rho.

    Args:
        epsilon: as an inquiry declares it.
        delta: in (0, 1).

    Raises:
        InquiryError: even a billionth is too much (``BAD_BUDGET``).

    >>> rho_within(Decimal(1), Decimal("0.000001")).rho
    Decimal('0.02435')
    """
    low, high = 0.0, float(epsilon)
    while high - low > high * 2.0**-40 and high > float(_NANO):
        middle = (low + high) / 2
        fits = epsilon_of_rho(middle, float(delta)) <= epsilon
        low, high = (middle, high) if fits else (low, middle)
    rho = _RHO_DIGITS.create_decimal(low).quantize(_NANO, rounding=ROUND_DOWN)
    if not rho:
        raise InquiryError(
            f"epsilon {epsilon:f} with delta {delta} leaves no room for Gaussian noise; "
            "leave delta out",
            code="BAD_BUDGET",
        )
    return PrivacyLoss(rho=Decimal(f"{rho.normalize():f}"))


def quieter(
    epsilon: Decimal, delta: Decimal, weights: Sequence[Decimal]
) -> tuple[PrivacyLoss, NoiseLaw]:
    """Return the loss and law with the smaller noise variance, summed over the tables.

    Laplace noise spends epsilon as it is and leaves delta unused; Gaussian noise spends the rho of
    :func:`rho_within`. At epsilon 1 and delta 1e-6 equal tables favour Laplace up to ten.

    Args:
        epsilon: declared.
        delta: agreed.
        weights: one positive weight per table.

    Raises:
        InquiryError: delta is no fraction.
    """
    check_fraction(float(delta), "delta")
    pure = PrivacyLoss(epsilon=epsilon)
    try:
        concentrated = rho_within(epsilon, delta)
    except InquiryError:  # so small an epsilon leaves Laplace noise alone
        return pure, NoiseLaw.DISCRETE_LAPLACE
    if total_variance(pure, weights) <= total_variance(concentrated, weights):
        return pure, NoiseLaw.DISCRETE_LAPLACE
    return concentrated, NoiseLaw.DISCRETE_GAUSSIAN


def total_variance(loss: PrivacyLoss, weights: Sequence[Decimal]) -> float:
    """Return the noise variance of one cell of every table, summed over the tables.

    Args:
        loss: of all tables together; Laplace noise for an epsilon, Gaussian for a rho.
        weights: one positive weight per table.

    Returns:
        People squared.
    """
    law, scales = _scales(loss, weights)
    if max(scales) > MAX_SCALE:
        return math.inf  # no noise that a table can carry
    return math.fsum(Noise(law=law, scale=scale).variance for scale in scales)


def stated_noise(loss: PrivacyLoss, weights: Sequence[Decimal]) -> tuple[Noise, ...]:
    """Return the noise that each table will carry, before anybody answers.

    A retailer takes the smallest scale that the mechanism's own map of the loss allows, which is
    this one but for the last binary digits of its float.

    Args:
        loss: of all tables together; Laplace noise for an epsilon, Gaussian for a rho.
        weights: one positive weight per table.

    Raises:
        InquiryError: so small or large a loss that no table can carry its noise.
    """
    law, scales = _scales(loss, weights)
    return tuple(Noise(law=law, scale=scale) for scale in scales)


def _scales(loss: PrivacyLoss, weights: Sequence[Decimal]) -> tuple[NoiseLaw, list[float]]:
    """Return the law that goes with a loss, and the scale of each table's share of it."""
    shares = loss.split(weights)
    if loss.rho is None:
        return NoiseLaw.DISCRETE_LAPLACE, [float(1 / share) for share in shares]
    return NoiseLaw.DISCRETE_GAUSSIAN, [math.sqrt(1 / (2 * share)) for share in shares]


def declared(
    texts: Mapping[str, object], law: NoiseLaw | None, weights: Sequence[Decimal]
) -> tuple[PrivacyLoss, NoiseLaw]:
    """Return the loss and law that the ``[privacy]`` section of an inquiry declares.

    Args:
        texts: decimal texts of ``epsilon``, ``rho`` and ``delta``, as far as given. With ``delta``
            the parties leave the law to the number of tables: see :func:`quieter`.
        law: as stated, or None for the one that goes with the loss.
        weights: of the tables.

    Raises:
        InquiryError: not decimal text (``BAD_BUDGET``), or statements that do not go together.
    """
    read = {name: exact_decimal(text, name) for name, text in texts.items()}
    delta = read.pop("delta", None)
    loss = PrivacyLoss(**read)
    if delta is not None and (loss.epsilon is None or law is not None):
        raise InquiryError(
            "delta leaves the noise law to the number of tables, so it goes with epsilon and "
            "without noise; remove one of them"
        )
    if delta is not None and loss.epsilon is not None:
        return quieter(loss.epsilon, delta, weights)
    usual = NoiseLaw.DISCRETE_LAPLACE if loss.rho is None else NoiseLaw.DISCRETE_GAUSSIAN
    return loss, law or usual
