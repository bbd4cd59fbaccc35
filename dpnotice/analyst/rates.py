"""Uncertain figures: a number, a distribution, or a frame by axes, drawn reproducibly.

In: what an analyst types for a rate or an audience. Out: arrays (draws, *axes) for the models.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np

from dpnotice.analyst.intervals import Floats
from dpnotice.errors import PlanError


@runtime_checkable
class Law(Protocol):
    """A distribution: ours, or any frozen one of scipy.stats."""

    def rvs(self, size: int, random_state: np.random.Generator) -> Any:
        """Return `size` draws."""

    def mean(self) -> Any:
        """Return the mean."""

    def support(self) -> tuple[Any, Any]:
        """Return the ends of the support."""


Quantity: TypeAlias = Any
"""A number, a `Law`, or a frame whose last column holds the values by the axes before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beta:
    """Beta law by mean and standard deviation; see :func:`beta`."""

    a: float
    b: float

    def rvs(self, size: int, random_state: np.random.Generator) -> Floats:
        """Return draws in (0, 1)."""
        return random_state.beta(self.a, self.b, size)

    def mean(self) -> float:
        """Return a / (a + b)."""
        return self.a / (self.a + self.b)

    def support(self) -> tuple[float, float]:
        """Return (0, 1)."""
        return 0.0, 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Lognormal:
    """Log-normal law by its logarithm's mean and s.d.; see :func:`lognormal`."""

    log_mean: float
    log_sd: float

    def rvs(self, size: int, random_state: np.random.Generator) -> Floats:
        """Return positive draws."""
        return random_state.lognormal(self.log_mean, self.log_sd, size)

    def mean(self) -> float:
        """Return exp(m + s^2 / 2)."""
        return math.exp(self.log_mean + self.log_sd**2 / 2)

    def support(self) -> tuple[float, float]:
        """Return (0, inf)."""
        return 0.0, math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Uniform:
    """Uniform law between two ends."""

    low: float
    high: float

    def rvs(self, size: int, random_state: np.random.Generator) -> Floats:
        """Return draws between the ends."""
        return random_state.uniform(self.low, self.high, size)

    def mean(self) -> float:
        """Return the middle."""
        return (self.low + self.high) / 2

    def support(self) -> tuple[float, float]:
        """Return the ends."""
        return self.low, self.high


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaled:
    """A law times a number, at most 1: a rate per copy as a share of a universe."""

    law: Law
    factor: float

    def rvs(self, size: int, random_state: np.random.Generator) -> Floats:
        """Return draws of the product, those above 1 as 1."""
        drawn = np.asarray(self.law.rvs(size=size, random_state=random_state))
        return np.minimum(drawn * self.factor, 1.0)

    def mean(self) -> float:
        """Return the mean of the law times the number."""
        return float(self.law.mean()) * self.factor

    def support(self) -> tuple[float, float]:
        """Return the ends of the law times the number, at most 1."""
        low, high = (float(end) * self.factor for end in self.law.support())
        return low, min(high, 1.0)


def beta(*, mean: float, sd: float) -> Beta:
    """Return the beta law with this mean and standard deviation.

    Formula: a + b = mean (1 - mean) / sd^2 - 1, a = mean (a + b).

    Args:
        mean: a fraction strictly between 0 and 1.
        sd: above 0 and below sqrt(mean (1 - mean)).

    Raises:
        PlanError: with the value and the rule.

    >>> beta(mean=0.2, sd=0.1)
    Beta(a=3.0, b=12.0)
    """
    mean, sd = _number(mean, "mean"), _number(sd, "sd")
    if not 0 < mean < 1 or not 0 < sd < math.sqrt(mean * (1 - mean)):
        raise PlanError(
            f"a beta law needs 0 < mean < 1 and 0 < sd < sqrt(mean (1 - mean)), got mean {mean} "
            f"and sd {sd}; percentages?",
            code=code_of(min(mean, sd), max(mean, sd)),
        )
    total = mean * (1 - mean) / sd**2 - 1
    return Beta(a=round(mean * total, 12), b=round((1 - mean) * total, 12))


def lognormal(*, mean: float, sd: float) -> Lognormal:
    """Return the log-normal law with this mean and standard deviation (of the figure itself).

    Formula: s^2 = log(1 + sd^2 / mean^2), m = log(mean) - s^2 / 2.

    Args:
        mean: above 0.
        sd: above 0.

    Raises:
        PlanError: with the value and the rule.
    """
    mean, sd = _number(mean, "mean"), _number(sd, "sd")
    if mean <= 0 or sd <= 0:
        raise PlanError(
            f"a log-normal law needs mean and sd above 0, got {mean} and {sd}", code="RANGE"
        )
    variance = math.log1p((sd / mean) ** 2)
    return Lognormal(log_mean=math.log(mean) - variance / 2, log_sd=math.sqrt(variance))


def check_fraction(value: Quantity, field: str) -> Quantity:
    """Return a rate as given, or refuse what cannot be a fraction in [0, 1].

    Raises:
        PlanError: naming the field, the value and the likely slip.
    """
    return _checked(value, field, (0.0, 1.0), "a fraction in [0, 1], percentages?")


def check_positive(value: Quantity, field: str) -> Quantity:
    """Return a figure as given, or refuse what is negative or not a number.

    Raises:
        PlanError: naming the field and the value.
    """
    return _checked(value, field, (0.0, math.inf), "0 or more")


def code_of(low: float, high: float) -> str:
    """Return the code of figures that are no fractions: from 0 to beyond 1 they may be percents."""
    return "PERCENTAGES" if low >= 0 and 1 < high < math.inf else "RANGE"


def centre(value: Quantity) -> float:
    """Return the mean of a number or law."""
    return float(value.mean()) if isinstance(value, Law) else float(value)


def describe(value: Quantity) -> str:
    """Return a figure in words that are the same in every run."""
    if axes_of(value):
        return f"by {' x '.join(axes_of(value))}"
    if hasattr(value, "dist"):  # a frozen scipy law, whose repr is an address in memory
        figures = [f"{x:g}" for x in value.args] + [f"{k}={x:g}" for k, x in value.kwds.items()]
        return f"{value.dist.name}({', '.join(figures)})"
    return repr(value)


def check_plain(value: Quantity, field: str) -> None:
    """Refuse a frame where one figure must hold for everybody.

    Raises:
        PlanError: naming the field.
    """
    if axes_of(value):
        raise PlanError(f"{field} must be one number or law for everybody, not a frame")


def check_text(value: object, field: str) -> str:
    """Return a name, or refuse what is not a line of text.

    Raises:
        PlanError: naming the field.
    """
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise PlanError(f"{field} must be a line of text, got {value!r}; give it a name")
    return value


def axes_of(value: Quantity) -> tuple[str, ...]:
    """Return the axes by which a figure varies: the columns of a frame but the last."""
    return tuple(map(str, value.columns[:-1])) if is_frame(value) else ()


def check_target(target: object, field: str) -> dict[str, tuple[str, ...]]:
    """Return a target as axis -> levels, or refuse another form.

    Raises:
        PlanError: naming the field and the form.
    """
    if target is None:
        return {}
    if not isinstance(target, Mapping):
        raise PlanError(f'{field} must be like {{"age": ["25-34"]}}, got {target!r}')
    levels = {a: (v,) if isinstance(v, str) else v for a, v in target.items()}
    for axis, chosen in levels.items():
        listed = isinstance(chosen, Collection) and all(isinstance(v, str) for v in chosen)
        if not listed or not chosen:
            raise PlanError(
                f'{field} must be like {{"age": ["25-34"]}}, and {axis!r} got {chosen!r}'
            )
    return {str(axis): tuple(chosen) for axis, chosen in levels.items()}


def is_frame(value: object) -> bool:
    """Whether a figure is given as a frame."""
    return hasattr(value, "columns") and hasattr(value, "itertuples")


def _number(value: object, field: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
        raise PlanError(f"{field} must be a number, got {value!r}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise PlanError(f"{field} must be a finite number, got {number!r}", code="RANGE")
    return number


def _checked(value: Quantity, field: str, ends: tuple[float, float], rule: str) -> Quantity:
    if hasattr(value, "to_pandas"):
        value = value.to_pandas()
    if is_frame(value):
        _check_frame(value, field)
        low, high = float(value.iloc[:, -1].min()), float(value.iloc[:, -1].max())
    elif isinstance(value, Law):
        low, high = _support(value, field)
    else:
        low = high = _number(value, field)
    if not (low >= ends[0] and high <= ends[1]):
        shown = f"{low:g}" if low == high else f"values from {low:g} to {high:g}"
        rule, _, slip = rule.partition(", p")
        raise PlanError(
            f"{field} must be {rule}, got {shown}; " + (f"p{slip}" if slip else "correct it"),
            code=code_of(low, high) if slip else "RANGE",
        )
    return value


def _support(law: Law, field: str) -> tuple[float, float]:
    try:
        low, high = map(float, law.support())
    except (TypeError, ValueError):
        raise PlanError(
            f"{field} must be a law of one number with its parameters, such as "
            "scipy.stats.beta(2, 8)"
        ) from None
    return low, high


def _check_frame(frame: Any, field: str) -> None:
    numeric = frame.shape[1] > 1 and frame.dtypes.iloc[-1].kind in "fiu"
    if not numeric or not len(frame) or frame.iloc[:, -1].isna().any():
        raise PlanError(
            f"{field}: a frame has a column per axis and the figures in its last column, "
            f"none missing; got columns {list(map(str, frame.columns))}",
            code="RANGE" if numeric and len(frame) else "",
        )
