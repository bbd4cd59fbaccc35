"""Buyers -> exact bitmap (secret, never leaves this file) -> flipped bitmap.

In: an inquiry with a sketch, a retailer's purchases and the docket's key. Out: exact counts and
bitmap from one pass over the purchases, and the bitmap's bits, each flipped by chance. The flips
are integer thresholds on the operating system's randomness; no seed exists here.
"""

import hmac
import os
import secrets
from contextlib import closing
from pathlib import Path
from typing import Any, Final, NoReturn, Self

import numpy as np
import numpy.typing as npt

from dpnotice.bitmap import Sketch, SketchPlan, flip_loss
from dpnotice.errors import PurchasesError
from dpnotice.inquiry import Inquiry
from dpnotice.retailer import counting
from dpnotice.retailer.hashing import Keyed, keyed
from dpnotice.retailer.purchases import Purchases
from dpnotice.retailer.scope import stride
from dpnotice.segments import CONTACT

KEY_BYTES: Final = 32
_FINGERPRINT: Final = b"dpnotice-fingerprint-1"
_FINGERPRINT_DIGITS: Final = 16
_HASH_BITS: Final = 64
_CHUNK: Final = 2**20
"""Bits flipped at once: two bytes of randomness for each."""


def _refuse(*_args: object, **_kwargs: object) -> NoReturn:
    raise PurchasesError("INTERNAL", field="a key and an exact bitmap leave no process")


class DocketKey:
    """The 32 random bytes that all retailers of a matter hash with; they show themselves to nobody.

    Attributes:
        fingerprint: 16 hex digits that tell keys apart and give nothing of them away.
    """

    __slots__ = ("_key", "fingerprint")

    def __init__(self, path: str | Path) -> None:
        self.fingerprint = ""  # so that it can be shown where it is refused
        try:
            with Path(path).open("rb") as file:
                key = file.read(KEY_BYTES + 1)
        except (OSError, ValueError, TypeError):
            key = b""
        if len(key) != KEY_BYTES:
            del key  # or a traceback with locals would show what may be a secret
            raise PurchasesError("SKETCH_KEY", field="sketch_key")
        self._key = key
        self.fingerprint = hmac.digest(key, _FINGERPRINT, "sha256").hex()[:_FINGERPRINT_DIGITS]

    @classmethod
    def create(cls, path: str | Path) -> Self:
        """Write a new key that nobody else can read; an existing file is never replaced.

        Raises:
            PurchasesError: ``KEY_FILE`` where the file exists or cannot be written.
        """
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except (OSError, ValueError):
            raise PurchasesError("KEY_FILE", field="sketch_key") from None
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        return cls(path)

    def __repr__(self) -> str:
        return f"<DocketKey {self.fingerprint}>"

    __reduce_ex__ = __copy__ = __deepcopy__ = __getstate__ = _refuse


class ExactBitmap:
    """The bits that a retailer's buyers set, before any flip; they show themselves to nobody.

    As confidential as `ConfidentialCounts`, and like it a guard against accident, not malice.
    """

    __slots__ = ("_bits", "_plan")

    def __init__(self, plan: SketchPlan) -> None:
        self._plan = plan
        self._bits = np.zeros(plan.bytes, dtype=np.uint8)

    def __repr__(self) -> str:
        return "<ExactBitmap: withheld>"

    __str__ = __repr__

    def __format__(self, _spec: str) -> str:
        return repr(self)

    def __dir__(self) -> list[str]:
        return []

    def __eq__(self, _other: object) -> bool:
        _refuse()

    __hash__ = None  # type: ignore[assignment]  # equality is refused, so there is no hash

    __reduce_ex__ = __copy__ = __deepcopy__ = __getstate__ = _refuse
    __array__ = __iter__ = __len__ = __getitem__ = __contains__ = __bool__ = _refuse

    def __init_subclass__(cls, **_kwargs: object) -> None:
        _refuse()


def take(inquiry: Inquiry, purchases: Purchases, key: DocketKey) -> tuple[Any, ExactBitmap]:
    """Count buyers by every table and set each keyed buyer's bit, in one pass over the purchases.

    Run by: the retailer, before the debit. Rule: each buyer falls into one cell, as in
    :func:`dpnotice.retailer.counting.count`, and has one key, the first of theirs in the order of
    bytes; so they set one bit of one map at most, that of their block and plane, whose number is
    the top bits of the hash. Neighbouring databases differ in at most one bit before the flips, as
    the exact bitmap is the union of one-bit contributions.

    Args:
        inquiry: the agreed question, with its product list and a sketch.
        purchases: the sales table and the meaning of its columns, `person` among them.
        key: of the docket.

    Returns:
        Exact counts, which the noise mechanism alone can read, and the exact bitmap.

    Raises:
        PurchasesError: a code and a fixed text.
    """
    counting.check_mapping(inquiry, purchases)
    if inquiry.sketch is None:
        raise PurchasesError("SKETCH_NOT_ASKED", field="sketch_key")
    exact = ExactBitmap(inquiry.sketch)
    buyers = np.zeros(inquiry.cells(tuple(inquiry.table_axes)), dtype=np.int64)
    with purchases.opened() as tables:
        counting.refuse_guests(inquiry, purchases, tables)
        public = counting.public_of(tables.engine)
        records = counting.records(inquiry, purchases, tables, public)
        rule = inquiry.sketch.rule
        with closing(keyed(records, tables.engine, key=key._key, rule=rule)) as batches:  # noqa: SLF001 -- hashed with here, and nowhere else
            for batch in batches:
                _add(buyers, batch)
                _set(exact, inquiry, batch)
    occupied = np.flatnonzero(buyers)
    return counting.withheld(inquiry, occupied, buyers[occupied]), exact


def _add(buyers: npt.NDArray[np.int64], batch: Keyed) -> None:
    """Count a batch; the axis of keys comes last, "yes" before "no"."""
    codes = 2 * batch.cells + ~batch.held
    if np.any((codes < 0) | (codes >= len(buyers))):
        raise PurchasesError("COUNT_CHECK")
    np.add.at(buyers, codes, 1)


def _set(exact: ExactBitmap, inquiry: Inquiry, batch: Keyed) -> None:
    """Set the bits of a batch: block and plane by the buyer's cell, the place by the hash."""
    plan = exact._plan  # noqa: SLF001 -- the exact bitmap is made here
    cells, hashes = batch.cells[batch.held], batch.hashes[batch.held]
    block = np.zeros(len(cells), dtype=np.int64)
    if plan.blocks is not None:
        block = cells // stride(inquiry, plan.blocks.name) % len(plan.blocks)
    plane = np.zeros(len(cells), dtype=np.int64)
    if plan.planes:
        contact = inquiry.axes[CONTACT]
        plane_of = [
            next(n for n, plane in enumerate(plan.planes) if level in plane.levels)
            for level in contact.levels
        ]
        plane = np.array(plane_of)[cells // stride(inquiry, CONTACT) % len(contact)]
    size = np.array(plan.log2_bits, dtype=np.int64)[block]
    place = (hashes >> (_HASH_BITS - size).astype(np.uint64)).astype(np.int64)
    place += np.array(plan.starts, dtype=np.int64)[block] + (plane << size)
    np.bitwise_or.at(exact._bits, place >> 3, (1 << (place & 7)).astype(np.uint8))  # noqa: SLF001 -- the same


def flipped(inquiry: Inquiry, exact: ExactBitmap, key: DocketKey) -> Sketch:
    """Flip every bit by chance, once, and overwrite the exact bitmap.

    Run by: the retailer, after the debit is durable. Preserves: pure epsilon = ln((1 - p) / p) with
    p = t / 65536 for neighbours that differ by one buyer: they differ in one bit at most, and the
    odds of any output change by that factor at most.

    Args:
        inquiry: the question whose declared loss was debited.
        exact: the bits of every buyer with a key.
        key: as the bits were set with; the fingerprint is released.

    Raises:
        PurchasesError: ``NOISE_CHECK``; then nothing was drawn.
    """
    plan, bits = exact._plan, exact._bits  # noqa: SLF001 -- the one place where they are read
    if plan != inquiry.sketch or flip_loss(plan.threshold) > plan.epsilon:
        raise PurchasesError("NOISE_CHECK")
    released = b"".join(
        (bits[start : start + _CHUNK // 8] ^ _flips(plan.threshold, bits[start:].size)).tobytes()
        for start in range(0, len(bits), _CHUNK // 8)
    )
    bits[:] = 0
    return Sketch(plan=plan, key_fingerprint=key.fingerprint, bits=released)


def _flips(threshold: int, left: int) -> npt.NDArray[np.uint8]:
    """Return the bytes of at most a chunk of flips: 1 where a random integer is below t."""
    number = min(_CHUNK, 8 * left)
    drawn = np.frombuffer(os.urandom(2 * number), dtype="<u2")
    return np.packbits(drawn < threshold, bitorder="little")
