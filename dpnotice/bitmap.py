"""The flip-bitmap: its public plan, which both sides hold, and its released form.

In: the ``[sketch]`` section of an inquiry. Out: `SketchPlan`, with the size of every map and the
chance of a flip; `Sketch`, the flipped bits as a release carries them. No buyer is seen here.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal, localcontext
from functools import cached_property
from itertools import accumulate
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from dpnotice.errors import InquiryError, ReleaseError
from dpnotice.inquiry_file import SketchFile
from dpnotice.privacy import exact_decimal
from dpnotice.products import canonical_sha256
from dpnotice.segments import CONTACT, KEYED, UNKNOWN, Axis

DRAWS: Final = 2**16
"""Values that the random integer behind a flip can take, each as likely as the others."""
MIN_EPSILON: Final = Decimal("0.1")
MAX_EPSILON: Final = Decimal(8)
KEY_RULES: Final = {"email": "email-1", "id": "id-1"}
"""Kind of key -> the frozen rule by which keys are spelt alike."""
MAX_PLANES: Final = 3
MAX_PART: Final = 64 * 2**20
"""Bytes of all maps of a release together."""
FORMAT: Final = "flip-bitmap-1"
_BITS_PER_BUYER: Final = 6
_LEAST, _MOST = 12, 27
"""Ends of log2 of the bits of one map."""
_DIGITS: Final = 60
Words: TypeAlias = npt.NDArray[np.uint64]


def threshold(epsilon: Decimal) -> int:
    """Return t: a bit is flipped where a 16-bit random integer is below t.

    Formula: t = ceil(65536 / (1 + e^epsilon)), so that ln((65536 - t) / t) <= epsilon. The ceiling
    rounds towards privacy: the nearest t costs more than declared at half of all losses.

    Args:
        epsilon: pure loss of the bitmap, from 0.1 to 8.

    Raises:
        InquiryError: another loss.

    >>> threshold(Decimal(1))
    17626
    """
    if not MIN_EPSILON <= epsilon <= MAX_EPSILON:
        raise InquiryError(
            f"a sketch's epsilon lies from {MIN_EPSILON} to {MAX_EPSILON}, got {epsilon}; "
            "below it the bits tell nothing, above it they protect nobody",
            code="BAD_BUDGET",
        )
    with localcontext(prec=_DIGITS):
        return int((DRAWS / (1 + epsilon.exp())).to_integral_value(ROUND_CEILING))


def flip_loss(t: int) -> Decimal:
    """Return ln((65536 - t) / t), the exact loss of a bit flipped below t, rounded up."""
    with localcontext(prec=_DIGITS) as context:
        context.rounding = ROUND_CEILING  # but for ln and exp, which round to nearest: one ulp more
        return ((DRAWS - Decimal(t)) / t).ln().next_plus()


def log2_bits(expected: int) -> int:
    """Return log2 of the bits of a map for so many expected buyers: about six bits for each."""
    return min(_MOST, max(_LEAST, round(math.log2(_BITS_PER_BUYER * expected))))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plane:
    """A part of the contact levels: a buyer sets one bit in the map of their own plane.

    Attributes:
        name: what the part is called.
        levels: of the axis ``contact``.
    """

    name: str
    levels: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class SketchPlan:
    """The agreed shape of every retailer's bitmap.

    Maps of two retailers fit together where the plans agree in all but epsilon: see `sketch_id`.

    Attributes:
        epsilon: pure loss of the bitmap.
        key: ``"email"`` or ``"id"``: what a person is recognised by.
        key_fingerprint: of the docket's key, where the inquiry states it.
        expected_buyers: public guess for the largest retailer.
        blocks: axis whose levels have a map each; None for one map.
        expected_by: the guess for every level of that axis, in order.
        planes: parts of the contact levels; none for one map per block.
    """

    epsilon: Decimal
    key: str
    key_fingerprint: str | None = None
    expected_buyers: int
    blocks: Axis | None = None
    expected_by: tuple[int, ...] = ()
    planes: tuple[Plane, ...] = ()

    def __post_init__(self) -> None:
        threshold(self.epsilon)  # or it is refused
        levels = () if self.blocks is None else self.blocks.levels
        if len(self.expected_by) != len(levels) or min(self.guesses) < 1:
            raise InquiryError(
                "expected_by gives a number of buyers above 0 for every level of the axis in "
                f"blocks, {UNKNOWN} too, and only then; correct it"
            )
        if self.bytes > MAX_PART:
            raise InquiryError(
                f"the maps of the sketch take {self.bytes:,} bytes, and a release carries "
                f"{MAX_PART:,}; expect fewer buyers, or use fewer blocks or planes",
                code="DOMAIN_TOO_LARGE",
            )

    @property
    def guesses(self) -> tuple[int, ...]:
        """Expected buyers of the largest retailer in each block."""
        return self.expected_by or (self.expected_buyers,)

    @property
    def rule(self) -> str:
        """The frozen rule by which keys are spelt alike."""
        return KEY_RULES[self.key]

    @property
    def threshold(self) -> int:
        """A bit is flipped where a 16-bit random integer is below this."""
        return threshold(self.epsilon)

    @property
    def keyed_table(self) -> tuple[str, ...]:
        """Axes of the table that counts buyers with a key and without, by block."""
        return (KEYED,) if self.blocks is None else (self.blocks.name, KEYED)

    @cached_property
    def log2_bits(self) -> tuple[int, ...]:
        """Bits of one map of each block, as a power of 2."""
        return tuple(map(log2_bits, self.guesses))

    @property
    def maps(self) -> int:
        """Maps per block: one per plane."""
        return max(1, len(self.planes))

    @cached_property
    def starts(self) -> tuple[int, ...]:
        """Where the maps of each block begin, in bits; its planes follow each other."""
        return tuple(accumulate((self.maps << size for size in self.log2_bits[:-1]), initial=0))

    @property
    def bytes(self) -> int:
        """Bytes of all maps together."""
        return sum(self.maps << size for size in self.log2_bits) // 8

    @property
    def sketch_id(self) -> str:
        """SHA-256 of the plan without its epsilon: maps fit together where it agrees."""
        return canonical_sha256({k: v for k, v in self.to_dict().items() if k != "epsilon"})

    def facts(self) -> dict[str, Any]:
        """Return what a page in plain words says of it, before a key is known."""
        flip = self.threshold / DRAWS
        stated = {
            "bytes": self.bytes,
            "key": self.key,
            "flip": flip,
            "keyed": "keyed by the docket's key",
        }
        return {**stated, "epsilon": f"{self.epsilon.normalize():f}"}

    def to_file(self) -> dict[str, Any]:
        """Return the section as people write it, in tables by name."""
        named = self.to_dict()
        if self.blocks is not None:
            named["expected_by"] = dict(zip(self.blocks.levels, self.expected_by, strict=True))
        if self.planes:
            named["planes"] = {plane.name: list(plane.levels) for plane in self.planes}
        return named

    def to_dict(self) -> dict[str, Any]:
        """Return the section as plain JSON types, as a release embeds it."""
        stated: dict[str, Any] = {
            "epsilon": f"{self.epsilon.normalize():f}",
            "key": self.key,
            "expected_buyers": self.expected_buyers,
        }
        if self.key_fingerprint is not None:
            stated["key_fingerprint"] = self.key_fingerprint
        if self.blocks is not None:
            stated |= {"blocks": self.blocks.name, "expected_by": list(self.expected_by)}
        if self.planes:
            stated["planes"] = [{"name": p.name, "levels": list(p.levels)} for p in self.planes]
        return stated


# --- reading the section ---------------------------------------------------------------------
def plan_of(read: SketchFile, axes: Mapping[str, Axis]) -> SketchPlan:
    """Return the plan that the section of an inquiry states.

    Args:
        read: the section.
        axes: of the inquiry.

    Raises:
        InquiryError: blocks that are no axis of persons, planes that do not divide the contact
            levels, guesses that are missing, or a loss out of range.
    """
    if read.blocks is not None and (read.blocks == CONTACT or read.blocks not in axes):
        raise InquiryError(
            f"blocks names an axis of the inquiry, and not {CONTACT!r}, which may differ between "
            f"retailers; got {read.blocks!r}"
        )
    blocks = None if read.blocks is None else axes[read.blocks]
    given = read.planes
    named = given if isinstance(given, dict) else {p.name: p.levels for p in given}
    return SketchPlan(
        epsilon=exact_decimal(read.epsilon, "the sketch's epsilon"),
        key=read.key,
        key_fingerprint=read.key_fingerprint,
        expected_buyers=read.expected_buyers,
        blocks=blocks,
        expected_by=_in_order(read.expected_by, blocks),
        planes=_planes(named, axes.get(CONTACT)),
    )


def _in_order(expected: dict[str, int] | list[int], blocks: Axis | None) -> tuple[int, ...]:
    """Return the guesses in the order of the levels; one that is missing or strange counts as 0."""
    if isinstance(expected, list):
        return tuple(expected)
    levels = () if blocks is None else blocks.levels
    strange = [0 for level in expected if level not in levels]
    return tuple(expected.get(level, 0) for level in levels if expected) + tuple(strange)


def _planes(given: Mapping[str, list[str]], contact: Axis | None) -> tuple[Plane, ...]:
    """Return the planes; ``unknown`` belongs to the last one where none lists it."""
    if not given:
        return ()
    parts = {name: list(levels) for name, levels in given.items()}
    if not any(UNKNOWN in levels for levels in parts.values()):
        parts[next(reversed(parts))].append(UNKNOWN)
    listed = sorted(level for levels in parts.values() for level in levels)
    divided = contact is not None and listed == sorted(contact.levels)
    if not divided or not 1 < len(parts) <= MAX_PLANES or not all(parts.values()):
        raise InquiryError(
            f"planes divide the levels of the axis {CONTACT!r} among two to {MAX_PLANES} parts, "
            "each level in one; correct them"
        )
    return tuple(Plane(name=name, levels=tuple(levels)) for name, levels in parts.items())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Sketch:
    """One retailer's flipped bitmap, as it is released.

    Attributes:
        plan: the agreed shape, and the chance of a flip.
        key_fingerprint: of the key that it was made with.
        bits: of all maps; bit i of a map is bit i % 8 of its byte i // 8.
    """

    plan: SketchPlan
    key_fingerprint: str
    bits: bytes

    def __post_init__(self) -> None:
        if len(self.bits) != self.plan.bytes:
            raise ReleaseError("the sketch does not have the bytes of its plan", code="SKETCH")

    def __repr__(self) -> str:
        return f"<Sketch of {len(self.bits):,} bytes, epsilon {self.plan.epsilon}>"

    def words(self, block: int, plane: int = 0) -> Words:
        """Return one map as 64-bit words, read-only.

        Args:
            block: number of the level, in the axis' order.
            plane: number of the plane.
        """
        size = 1 << self.plan.log2_bits[block]
        start = (self.plan.starts[block] + plane * size) // 8
        return np.frombuffer(self.bits, dtype="<u8", count=size // 64, offset=start)

    def facts(self) -> dict[str, Any]:
        """Return what a page in plain words says of it."""
        return {**self.plan.facts(), "keyed": f"keyed by {self.key_fingerprint}"}

    def to_dict(self) -> dict[str, Any]:
        """Return what a release's header states of it."""
        plan = self.plan
        levels = ["all"] if plan.blocks is None else plan.blocks.levels
        sizes = zip(levels, plan.log2_bits, strict=True)
        return {
            "format": FORMAT,
            "sketch_id": plan.sketch_id,
            "key_fingerprint": self.key_fingerprint,
            "rule": plan.rule,
            "threshold": plan.threshold,
            "planes": [plane.name for plane in plan.planes],
            "blocks": [{"level": level, "log2_bits": bits} for level, bits in sizes],
            "bit_order": "little",
        }
