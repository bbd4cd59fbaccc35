"""What the file of a release states: header and raw parts on one side, fields on the other.

In: tables, a bitmap and the question they answer (retailer), or a well-formed header and raw bytes
from anyone. Out: the tree of JSON types with the parts behind it, or the arguments of `Release`.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from dpnotice.bitmap import MAX_PART, Sketch
from dpnotice.errors import ReleaseError
from dpnotice.header import CAVEATS, SKETCH_CAVEAT, Header, NoiseHeader, PartHeader, SketchHeader
from dpnotice.inquiry import MAX_JSON_CELLS, MAX_RELEASED_CELLS, Inquiry
from dpnotice.privacy import Noise, NoiseLaw

Counts: TypeAlias = npt.NDArray[np.int64]
_MOST_RAW: Final = 8 * MAX_RELEASED_CELLS + MAX_PART


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NoisyTable:
    """Every cell of one table: true count plus independent noise of one published law.

    Attributes:
        counts: int64, read-only, shape = sizes of the table's axes (``()`` for the total);
            may be negative, which is legitimate and never clipped.
        noise: law and scale, in people.
    """

    counts: Counts
    noise: Noise

    def __post_init__(self) -> None:
        counts = np.array(self.counts, dtype=np.int64)
        counts.flags.writeable = False
        object.__setattr__(self, "counts", counts)


# --- writing ---------------------------------------------------------------------------------
def parts_of(tables: Iterable[NoisyTable], sketch: Sketch | None) -> dict[str, bytes]:
    """Return the raw parts behind the header, by name and in order.

    Counts travel there above 2^18 cells, as int64, little-endian; a bitmap always does.
    """
    listed = list(tables)
    parts = {}
    if sum(table.counts.size for table in listed) > MAX_JSON_CELLS:
        parts["tables"] = b"".join(table.counts.astype("<i8").tobytes() for table in listed)
    if sketch is not None:
        parts["sketch"] = sketch.bits
    return parts


def tables_of(tables: Mapping[tuple[str, ...], NoisyTable], *, apart: bool) -> list[dict[str, Any]]:
    """Return what the header says of every table; its counts too, unless they stand apart."""
    return [
        {
            "of": list(of),
            "noise": {"law": str(table.noise.law), "scale": repr(table.noise.scale)},
            "sensitivity": 1,
            "counts": None if apart else table.counts.ravel().tolist(),
        }
        for of, table in tables.items()
    ]


def part_of(name: str, raw: bytes | memoryview) -> dict[str, Any]:
    """Return what the header says of a raw part."""
    return {"name": name, "length": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}


def caveats(inquiry: Inquiry) -> list[str]:
    """Return the fixed sentences that a file repeats for whoever reads it without dpnotice."""
    return [*CAVEATS, *([SKETCH_CAVEAT] if inquiry.sketch else [])]


# --- reading ---------------------------------------------------------------------------------
def fields_of(header: Header, raw: memoryview) -> dict[str, Any]:
    """Turn a well-formed header and the bytes behind it into the arguments of `Release`.

    Raises:
        ReleaseError: what the header says does not go together, or with the bytes.
    """
    products = header.inquiry.get("products")
    if not isinstance(products, dict) or set(products) != {"count", "sha256"}:  # never a file name
        raise ReleaseError("the embedded inquiry's products are no digest", code="HEADER")
    inquiry = Inquiry.from_dict(header.inquiry)
    if inquiry.to_dict() != header.inquiry:
        raise ReleaseError("the embedded inquiry is not in canonical form", code="CANONICAL")
    if header.caveats != caveats(inquiry):
        raise ReleaseError("the caveats are not those of the format", code="HEADER")
    listed = [tuple(table.of) for table in header.tables]
    if listed != list(inquiry.tables):
        raise ReleaseError("the tables are not those of the inquiry, in order", code="TABLES")
    apart, bits = _split(header, inquiry, raw)
    cells = _cells(header, inquiry, apart)
    return {
        "retailer": header.retailer,
        "inquiry": inquiry,
        "tables": {
            of: NoisyTable(counts=counts.reshape(inquiry.shape(of)), noise=_noise(table.noise))
            for of, counts, table in zip(inquiry.tables, cells, header.tables, strict=True)
        },
        "attempt": header.attempt,
        "date": date.fromisoformat(header.date),
        "ledger_sequence": header.ledger.sequence,
        "ledger_head": header.ledger.head,
        "versions": header.versions,
        "ids": header.ids,
        "sketch": _sketch(header.sketch, inquiry, bits),
    }


def _split(header: Header, inquiry: Inquiry, raw: memoryview) -> tuple[memoryview, memoryview]:
    """Return the raw bytes of the tables and of the sketch, which the question alone decides."""
    if len(raw) > _MOST_RAW:  # before they are digested
        raise ReleaseError("there are more raw bytes than any release has", code="PARTS")
    length = 0 if inquiry.sketch is None else inquiry.sketch.bytes
    end = len(raw) - length
    if end < 0:
        raise ReleaseError("the parts are not those that the header states", code="PARTS")
    parts = {"tables": raw[:end], "sketch": raw[end:]}
    stated = [PartHeader(**part_of(name, part)) for name, part in parts.items() if part]
    if header.parts != stated:
        raise ReleaseError("the parts are not those that the header states", code="PARTS")
    return parts["tables"], parts["sketch"]


def _sketch(stated: SketchHeader | None, inquiry: Inquiry, bits: memoryview) -> Sketch | None:
    """Return the bitmap; all that the header says of it follows from the question and its key."""
    if (stated is None) != (inquiry.sketch is None):
        raise ReleaseError("the sketch is not the one that the inquiry asks for", code="SKETCH")
    if stated is None or inquiry.sketch is None:
        return None
    found = Sketch(plan=inquiry.sketch, key_fingerprint=stated.key_fingerprint, bits=bytes(bits))
    if found.to_dict() != stated.model_dump():
        raise ReleaseError("the sketch is not the one that the inquiry asks for", code="SKETCH")
    return found


def _noise(noise: NoiseHeader) -> Noise:
    scale = float(noise.scale)
    if repr(scale) != noise.scale:
        raise ReleaseError("a scale is not in its shortest form", code="CANONICAL")
    return Noise(law=NoiseLaw(noise.law), scale=scale)


def _cells(header: Header, inquiry: Inquiry, raw: memoryview) -> list[Counts]:
    sizes = [inquiry.cells(of) for of in inquiry.tables]
    inside = [table.counts for table in header.tables if table.counts is not None]
    if bool(inside) == bool(raw):
        raise ReleaseError("the parts are not those that the header states", code="PARTS")
    if (sum(sizes) > MAX_JSON_CELLS) != bool(raw):
        raise ReleaseError("the counts are not where this many cells belong", code="PARTS")
    if (raw and len(raw) != 8 * sum(sizes)) or (inside and [*map(len, inside)] != sizes):
        raise ReleaseError("a table does not have one count per cell", code="CELLS")
    if raw:
        return np.split(np.frombuffer(raw, dtype="<i8").astype(np.int64), np.cumsum(sizes)[:-1])
    return [np.array(counts) for counts in inside]
