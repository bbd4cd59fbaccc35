"""Exact counts + privacy loss -> noisy tables. The only place that imports opendp.

In: `ConfidentialCounts` and the inquiry's declared loss. Out: `NoisyTable`s, every cell with
independent integer noise. No seed exists here.
"""

import math
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from importlib.metadata import version
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import opendp.prelude as dp

from dpnotice.errors import PurchasesError
from dpnotice.inquiry import Inquiry
from dpnotice.layout import NoisyTable
from dpnotice.privacy import Noise, NoiseLaw
from dpnotice.retailer.confidential import ConfidentialCounts

dp.enable_features("contrib")
VERSIONS: Final = {"opendp": version("opendp")}
_VECTORS: Final = dp.vector_domain(dp.atom_domain(T="i64"))
_L1: Final = dp.l1_distance(T="i64")
_L2: Final = dp.l2_distance(T="i64")
_MOST_STEPS: Final = 64
_THREADS: Final = os.cpu_count() or 1
"""OpenDP lets go of the interpreter while it draws."""
_FEWEST_CELLS: Final = 512
_PIECES_PER_THREAD: Final = 16
"""Pieces of a table that threads draw: none too small to pay, and enough to keep all at work."""


def calibrate(inquiry: Inquiry) -> dict[tuple[str, ...], Noise]:
    """Choose the noise of each table: the smallest scale whose loss fits the table's share.

    Run by: the retailer, before anything is debited. The loss is OpenDP's own map of the mechanism
    that will draw, compared as an exact fraction, so rounding can only make the noise larger.
    Rule: sum over tables of map(1) <= declared loss, as each is at most its exact share.

    Args:
        inquiry: its loss, noise law and table weights.

    Returns:
        Table -> noise law and scale.

    Raises:
        PurchasesError: ``NOISE_CHECK`` where no such scale is found.
    """
    shares = inquiry.loss.split([table.weight for table in inquiry.specs])
    law = inquiry.noise_law
    return {
        table: Noise(law=law, scale=_scale(law, share))
        for table, share in zip(inquiry.tables, shares, strict=True)
    }


def draw(
    inquiry: Inquiry, counts: ConfidentialCounts, noise: Mapping[tuple[str, ...], Noise]
) -> dict[tuple[str, ...], NoisyTable]:
    """Add fresh noise to every cell of every table.

    Run by: the retailer, after the debit is durable. Preserves: the declared loss of the inquiry,
    for neighbours that differ by one buyer (each table has sensitivity 1).

    Args:
        inquiry: the question whose declared loss was debited.
        counts: exact counts of every table.
        noise: as calibrated.

    Returns:
        Table -> noisy counts; the randomness is the operating system's, through OpenDP.

    Raises:
        PurchasesError: ``NOISE_CHECK``; then nothing was drawn.
    """
    exact = counts._tables  # noqa: SLF001 -- the one place where exact counts are read
    mechanisms = {table: _measurement(law.law, law.scale) for table, law in noise.items()}
    declared = Fraction(inquiry.loss.value)
    if sum(_loss(mechanism) for mechanism in mechanisms.values()) > declared:
        raise PurchasesError("NOISE_CHECK")
    if tuple(mechanisms) != inquiry.tables or set(exact) != set(mechanisms):
        raise PurchasesError("NOISE_CHECK")
    for table, law in noise.items():
        _check_input(exact[table], inquiry.shape(table))
        # Our exact formula may never exceed the map, nor an account hold another measure's loss.
        if law.loss > _loss(mechanisms[table]) or law.law != inquiry.noise_law:
            raise PurchasesError("NOISE_CHECK")
    return {
        table: NoisyTable(counts=_noisy(mechanism, exact[table]), noise=noise[table])
        for table, mechanism in mechanisms.items()
    }


def _start_randomness() -> None:
    """Draw once, so that OpenDP's generator starts from its own settings, not the environment's.

    The OpenSSL inside OpenDP reads ``OPENSSL_CONF`` at its first draw, and a file named there may
    replace the generator, or stop it after the debit.
    """
    names = ("OPENSSL_CONF", "OPENSSL_MODULES")
    before = {name: os.environ.pop(name) for name in names if name in os.environ}
    os.environ["OPENSSL_CONF"] = os.devnull
    try:
        _measurement(NoiseLaw.DISCRETE_LAPLACE, 1.0)(np.zeros(1, np.int64))
    finally:
        del os.environ["OPENSSL_CONF"]
        os.environ.update(before)


def _check_input(exact: npt.NDArray[np.int64], shape: tuple[int, ...]) -> None:
    if exact.dtype != np.int64 or exact.shape != shape or (exact < 0).any():
        raise PurchasesError("NOISE_CHECK")
    if (exact >= 2**53).any():
        raise PurchasesError("NOISE_CHECK")


def _noisy(mechanism: Any, exact: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Draw a table by pieces: cells are independent, and the loss was checked for all of them."""
    number = min(-(-exact.size // _FEWEST_CELLS), _PIECES_PER_THREAD * _THREADS)
    pieces = np.array_split(exact.ravel(), number)
    with ThreadPoolExecutor(min(_THREADS, len(pieces))) as threads:
        drawn = list(threads.map(mechanism, pieces))
    if [*map(len, drawn)] != [*map(len, pieces)]:
        raise PurchasesError("NOISE_CHECK")
    return np.concatenate([np.array(values, np.int64) for values in drawn]).reshape(exact.shape)


def _scale(law: NoiseLaw, share: Fraction) -> float:
    """Return the smallest float64 scale, from the exact one upwards, whose map is <= share."""
    exact = 1 / share if law == NoiseLaw.DISCRETE_LAPLACE else 1 / (2 * share)
    scale = float(exact) if law == NoiseLaw.DISCRETE_LAPLACE else math.sqrt(exact)
    scale = math.nextafter(scale, 0)
    for _step in range(_MOST_STEPS):
        if _loss(_measurement(law, scale)) <= share:
            return scale
        scale = math.nextafter(scale, math.inf)
    raise PurchasesError("NOISE_CHECK")


def _measurement(law: NoiseLaw, scale: float) -> Any:
    """Build OpenDP's integer mechanism for vectors under add/remove of one buyer per table."""
    if not (math.isfinite(scale) and scale > 0):  # opendp accepts 0 and would return exact counts
        raise PurchasesError("NOISE_CHECK")
    if law == NoiseLaw.DISCRETE_LAPLACE:
        return dp.m.make_laplace(_VECTORS, _L1, scale=scale)
    return dp.m.make_gaussian(_VECTORS, _L2, scale=scale)


def _loss(measurement: Any) -> Fraction:
    """Return OpenDP's own statement of the loss at distance 1, exactly as the float it gives."""
    stated = measurement.map(1)
    if not (math.isfinite(stated) and stated > 0):
        raise PurchasesError("NOISE_CHECK")
    return Fraction(stated)


_start_randomness()
