"""The error of the overlap between retailers, before anybody answers.

In: how many buyers each retailer has, how much they may have in common, the loss of the bitmaps.
Out: a frame with the standard deviation of the union, of a pair and of those at every retailer.
No data are touched: the error follows from the law of the bits.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from itertools import combinations
from numbers import Real
from typing import TYPE_CHECKING, Final, TypeAlias, TypeGuard

import numpy as np

from dpnotice.analyst.intervals import Floats
from dpnotice.analyst.overlap.regions import Regions, containing, expected, membership
from dpnotice.bitmap import DRAWS, log2_bits, threshold
from dpnotice.errors import EstimateError
from dpnotice.reporting import tables

if TYPE_CHECKING:
    import pandas as pd

SHAPES: Final = {"low": (0.88, 0.09, 0.025, 0.005), "mid": (0.60, 0.25, 0.10, 0.05)}
"""Share of a retailer's buyers that are at exactly 1, 2, 3, 4 of the retailers. Judgement: two
pictures to plan with, not findings."""
LOST_LINKS: Final = 0.05
"""Share of pairs of purchases of one person that no key joins, for which the bias is given."""
_COUNTS_SD: Final = 10.0
"""People; noise of a retailer's count of keyed buyers. Up to a hundred, the result is the same."""
_QUANTILE: Final = 1.959964
"""Of the normal law, for 95 %."""
_LEAST_BITS, _MOST_BITS = 2**12, 2**27
_PAIR, _MOST_RETAILERS = 2, 5
_FULL: Final = 20.0
"""People per bit from which hardly one place in a billion would stay empty."""
_COLUMNS: Final = (
    "quantity",
    "size",
    "sd",
    "relative_sd",
    "half_width_95",
    "frechet_width",
    "lost_links_bias",
)
Number: TypeAlias = float | str | Decimal


def plan_error(
    n: float | Sequence[float],
    k: int,
    epsilon: Number | Sequence[Number],
    *,
    m: int | None = None,
    shape: str | Sequence[float] = "mid",
    counts_sd: float = _COUNTS_SD,
) -> "pd.DataFrame":
    """Return the expected error of the union, the pairs and those at all k retailers.

    V = m^2 F^-1 - diag(n) at the regions of `region_sizes`, after the retailers' counts have
    joined: see `Regions.joined`.

    Args:
        n: keyed buyers of each retailer: one number for all, or k numbers.
        k: retailers, 2 to 5.
        epsilon: pure loss of each bitmap, 0.1 to 8: one for all, or k.
        m: bits of a map; 2^round(log2(6 n)) of the largest retailer without.
        shape: ``"low"`` or ``"mid"`` of `SHAPES`, or shares of a retailer's buyers that are at
            exactly 1, 2, ..., k retailers.
        counts_sd: s.d. of the noise of each retailer's count of keyed buyers, people.

    Returns:
        One row per quantity: its size, s.d. and half-width at 95 % in people, relative s.d. (a
        fraction), how far apart the retailers' counts alone leave its bounds (Frechet), and by
        how many people it is off for every 5 % of links that no key tells.

    Raises:
        EstimateError: an argument is out of range, or the maps would be full.
        InquiryError: a loss that no bitmap has.
    """
    if type(k) is not int or not _PAIR <= k <= _MOST_RETAILERS:
        raise EstimateError(f"k is the number of retailers, 2 to 5, got {k!r}")
    buyers = _buyers(n, k)
    flips = [threshold(_loss(each)) / DRAWS for each in _each("epsilon", epsilon, k)]
    people = region_sizes(buyers, _shares(shape, k))
    before = expected(people, _bits(m, buyers, people), flips)
    joint, _ = before.joined(buyers, _variance(counts_sd) * np.eye(k))
    fit = replace(joint, estimate=people)  # what joining moves is rounding only
    alike = np.ptp(buyers) == 0 and len(set(flips)) == 1
    rows = [_row(fit, name, mask) for name, mask in _quantities(k, alike=bool(alike))]
    return tables.frame(rows, _COLUMNS)


def region_sizes(buyers: Floats, shares: Floats) -> Floats:
    """Return the people at exactly each set of retailers, shape (R,).

    n_T = n w_|T| / C(k - 1, |T| - 1) where all retailers have n buyers. Else a set T of two or
    more takes the smallest n of its retailers, and those at one retailer only are the rest, which
    is never below 0: shares hold for the smallest, and are smaller for the others.

    Args:
        buyers: shape (k,).
        shares: w, shape (k,); sums to 1.
    """
    number = len(buyers)
    inside = membership(number)
    size = inside.sum(axis=0).astype(int)
    ways = np.array([math.comb(number - 1, each - 1) for each in size])
    least = np.where(inside > 0, buyers[:, None], np.inf).min(axis=0)
    people = least * shares[size - 1] / ways
    people[size == 1] = 0
    people[size == 1] = buyers - inside @ people
    return np.asarray(people)


def _quantities(retailers: int, *, alike: bool) -> Iterator[tuple[str, int]]:
    """Yield what is told, and the retailers at which people have to be, all of them; 0: any."""
    yield "union", 0
    if alike:
        yield "pair", 0b11
    else:
        for one, other in combinations(range(retailers), 2):
            yield f"pair {one + 1}, {other + 1}", 1 << one | 1 << other
    if retailers > _PAIR:
        yield f"{retailers}-way", 2**retailers - 1


def _row(fit: Regions, name: str, mask: int) -> dict[str, str | float]:
    """One row of the frame."""
    weights = containing(fit.retailers)[mask]
    size, sd = float(fit.total(weights)), float(fit.total_sd(weights))
    return {
        "quantity": name,
        "size": size,
        "sd": sd,
        "relative_sd": sd / size if size > 0 else math.nan,
        "half_width_95": _QUANTILE * sd,
        "frechet_width": _frechet(fit.sizes, mask),
        "lost_links_bias": float(_seen(fit.retailers, mask) @ fit.estimate) - size,
    }


def _frechet(sizes: Floats, mask: int) -> float:
    """Distance of the bounds that follow from the sizes of retailers, in a large population."""
    if not mask:
        return float(sizes.sum() - sizes.max())
    return float(min(size for place, size in enumerate(sizes) if mask >> place & 1))


def _seen(retailers: int, mask: int) -> Floats:
    """People seen per person of each region, if each key is the common one with chance K.

    K^2 = 1 - `LOST_LINKS`. A person of T is one at those where it is, unless at none of them, and
    one more at each other: 1 - (1 - K)^|T| + |T| (1 - K) people. At all of S are K^|S| of T.
    """
    common = math.sqrt(1 - LOST_LINKS)
    if mask:
        return np.asarray(containing(retailers)[mask] * common ** mask.bit_count())
    size = membership(retailers).sum(axis=0)
    return np.asarray(1 - (1 - common) ** size + size * (1 - common))


def _each(name: str, value: object, retailers: int) -> list[object]:
    """One entry per retailer."""
    alone = isinstance(value, str) or not isinstance(value, (Sequence, np.ndarray))
    every = [value] * retailers if alone else list(value)  # type: ignore[call-overload]
    if len(every) != retailers:
        raise EstimateError(
            f"{name} is one number for all retailers, or one for each of the {retailers}; got "
            f"{len(every)}"
        )
    return every


def _buyers(value: object, retailers: int) -> Floats:
    every = _each("n", value, retailers)
    if not all(_is_number(each, 1) for each in every):
        raise EstimateError(f"n counts the keyed buyers of a retailer, from 1, got {value!r}")
    return np.array(every, dtype=np.float64)


def _loss(value: object) -> Decimal:
    try:
        return Decimal(str(value))
    except InvalidOperation:
        raise EstimateError(f'epsilon is a number such as "1" or "0.5", got {value!r}') from None


def _shares(shape: object, retailers: int) -> Floats:
    """Shares by the number of retailers, renormalised; a named shape has nobody at five."""
    if isinstance(shape, str) and shape in SHAPES:
        shares = np.array([*SHAPES[shape], 0.0][:retailers])
        return np.asarray(shares / shares.sum())
    named = ", ".join(SHAPES)
    if isinstance(shape, str) or not isinstance(shape, (Sequence, np.ndarray)):
        raise EstimateError(f"shape is one of {named}, or {retailers} shares; got {shape!r}")
    listed = list(shape)
    right = len(listed) == retailers and all(_is_number(each, 0) for each in listed)
    if not right or not math.isclose(sum(listed), 1, abs_tol=1e-6):
        raise EstimateError(
            f"shape is one of {named}, or the shares of a retailer's buyers at exactly 1 to "
            f"{retailers} retailers, which sum to 1; got {listed!r}"
        )
    return np.array(listed, dtype=np.float64)


def _bits(m: object, buyers: Floats, people: Floats) -> int:
    """Bits of a map, as asked or by the rule."""
    bits = 2 ** log2_bits(math.ceil(buyers.max())) if m is None else m
    if type(bits) is not int or not _LEAST_BITS <= bits <= _MOST_BITS:
        raise EstimateError(
            f"m is the number of bits of a map, {_LEAST_BITS:,} to {_MOST_BITS:,}; got {m!r}"
        )
    if people.sum() > _FULL * bits:
        raise EstimateError(
            f"maps of {bits:,} bits would be full with {people.sum():,.0f} people, so that no "
            "overlap could be told; use more bits or blocks",
            code="SKETCH_NOISY",
        )
    return bits


def _variance(counts_sd: object) -> float:
    if not _is_number(counts_sd, 0):
        raise EstimateError(f"counts_sd is a number of people from 0, got {counts_sd!r}")
    return float(counts_sd) ** 2


def _is_number(value: object, least: float) -> TypeGuard[float]:
    """Whether a value is a finite number from some least one; True is none."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return False
    return math.isfinite(value) and float(value) >= least
