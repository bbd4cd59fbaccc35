"""Uncertain figures: a number, a distribution, or a frame by axes, drawn reproducibly.

In: what an analyst types for a rate or an audience. Out: arrays (draws, *axes) for the models.
"""

import hashlib
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias, runtime_checkable

import numpy as np

from dpnotice.analyst.intervals import Floats
from dpnotice.errors import PlanError
from dpnotice.segments import Axis

MAX_DRAWS: Final = 10**6


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


def check_signed(value: Quantity, field: str) -> Quantity:
    """Return a figure as given, or refuse what is outside [-1, 1].

    Raises:
        PlanError: naming the field and the value.
    """
    return _checked(value, field, (-1.0, 1.0), "between -1 and 1")


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
    return tuple(map(str, value.columns[:-1])) if _is_frame(value) else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """What all figures of one estimate share: the axes of its grid, the draws and the seed.

    Each figure has a random stream of its own, keyed by its label and never by its position, so
    that adding or reordering vehicles moves no other draw and differences between plans are sharp.

    Attributes:
        axes: the grid's axes, in the inquiry's order.
        draws: number of draws.
        seed: of the analyst.
    """

    axes: tuple[Axis, ...]
    draws: int
    seed: int

    def __post_init__(self) -> None:
        whole = all(type(number) is int for number in (self.draws, self.seed))
        if not whole or not 1 <= self.draws <= MAX_DRAWS or self.seed < 0:
            raise PlanError(
                f"draws must be a whole number from 1 to {MAX_DRAWS:,} and seed one from 0, "
                f"got {self.draws!r} and {self.seed!r}"
            )

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the grid's axes."""
        return tuple(len(axis) for axis in self.axes)

    def stream(self, label: str) -> np.random.Generator:
        """Return the generator of a label, the same for the same seed and label."""
        words = np.frombuffer(hashlib.sha256(label.encode()).digest(), dtype=np.uint32)
        return np.random.default_rng(np.random.SeedSequence([self.seed, *map(int, words)]))

    def sample(self, value: Quantity, label: str) -> Floats:
        """Return a figure's draws, broadcastable to (draws, *shape).

        A number or frame does not vary over draws; a law varies over draws and is shared by all
        cells, as its error is the figure's, not a cell's.

        Raises:
            PlanError: a frame lacks a level, names it twice, or an axis of the inquiry is unknown.
        """
        ones = (1,) * len(self.axes)
        if _is_frame(value):
            return self._by_axes(value, label)[np.newaxis]
        if isinstance(value, Law):
            drawn = np.asarray(
                value.rvs(size=self.draws, random_state=self.stream(label)), dtype=np.float64
            )
            return drawn.reshape(self.draws, *ones)
        return np.full((1, *ones), float(value))

    def mask(self, target: Mapping[str, tuple[str, ...]]) -> Floats:
        """Return 1 in the cells of a target and 0 elsewhere, shape broadcastable to the grid."""
        inside = np.ones((1,) * len(self.axes))
        for place, axis in enumerate(self.axes):
            if axis.name in target:
                chosen = np.array([level in target[axis.name] for level in axis.levels], float)
                inside = inside * np.expand_dims(
                    chosen, [i for i in range(len(self.axes)) if i != place]
                )
        return inside

    def _by_axes(self, frame: Any, label: str) -> Floats:
        names = axes_of(frame)
        held = {axis.name: axis for axis in self.axes}
        if not set(names) <= set(held):
            raise PlanError(
                f"{label}: a frame's columns are axes of the inquiry, then the figures; "
                f"got {', '.join(names)}, and the axes here are {', '.join(held) or 'none'}"
            )
        sizes = [len(axis) if axis.name in names else 1 for axis in self.axes]
        values = np.full(sizes, np.nan)
        for *levels, value in frame.itertuples(index=False, name=None):
            chosen = dict(zip(names, levels, strict=True))
            strange = [(a, v) for a, v in chosen.items() if str(v) not in held[a].levels]
            if strange:
                axis, level = strange[0]
                raise PlanError(
                    f"{label}: {level!r} is no level of {axis}; "
                    f"the levels are {', '.join(held[axis].levels)}"
                )
            place = tuple(
                axis.levels.index(str(chosen[axis.name])) if axis.name in names else 0
                for axis in self.axes
            )
            if not math.isnan(values[place]):
                raise PlanError(
                    f"{label}: {chosen} is given twice; keep one row per cell", code="OVERLAP"
                )
            values[place] = float(value)
        if np.isnan(values).any():
            raise PlanError(
                f"{label}: the frame must give every combination of {', '.join(names)}, "
                "`unknown` included; add the missing rows"
            )
        return values


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


def _is_frame(value: object) -> bool:
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
    if _is_frame(value):
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
