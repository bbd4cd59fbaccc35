"""The border: the only thing that crosses from a retailer to the analyst.

In: noisy tables and what they cost (retailer), or a file from anyone (analyst). Out: a `Release`.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Protocol, Self, TypeAlias

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dpnotice import container
from dpnotice.errors import InquiryError, ReleaseError
from dpnotice.inquiry import MAX_JSON_CELLS, Inquiry
from dpnotice.privacy import Noise, NoiseLaw, epsilon_of_rho, posterior
from dpnotice.reporting import tables, wording

if TYPE_CHECKING:
    import pandas as pd

Counts: TypeAlias = npt.NDArray[np.int64]

TABLES_PART: Final = "tables"
CARD_PRIORS: Final = (0.1, 0.5)
CARD_DELTA: Final = 1e-6
"""What the privacy card tells: beliefs of 10% and 50% before, and the delta of a rho."""
RETAILER_LENGTH: Final = 64
RETAILER_NAME: Final = r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$"
"""At most 64 characters, and no dot at an end or beside another."""
_HASH: Final = r"^[0-9a-f]{64}$"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


_Printable = Annotated[str, Field(pattern=r"^[ -~]{1,64}$")]


class _NoiseFile(_Strict):
    law: Literal["discrete-laplace", "discrete-gaussian"]
    scale: Annotated[str, Field(max_length=32)]


class _TableFile(_Strict):
    of: list[str]
    noise: _NoiseFile
    sensitivity: Annotated[int, Field(ge=1, le=1)]
    counts: list[int] | None


class _PartFile(_Strict):
    name: Literal["tables"]
    length: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern=_HASH)]


class _LedgerFile(_Strict):
    sequence: Annotated[int, Field(ge=1)]
    head: Annotated[str, Field(pattern=_HASH)]


class _Header(_Strict):
    """The header of format 1. Fields may be added by a later format, never removed or redefined."""

    format: Annotated[int, Field(ge=1, le=1)]
    retailer: Annotated[str, Field(pattern=RETAILER_NAME, max_length=RETAILER_LENGTH)]
    inquiry: dict[str, Any]
    neighbours: Literal["add or remove one buyer"]
    attempt: Annotated[int, Field(ge=0, le=10**6)]
    date: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]
    ledger: _LedgerFile
    versions: Annotated[dict[_Printable, _Printable], Field(max_length=32)]
    tables: list[_TableFile]
    parts: list[_PartFile]


class BudgetReader(Protocol):
    """What `privacy_card` asks of a ledger."""

    def remaining(self, inquiry: Inquiry, retailer: str) -> Decimal:
        """Return what is left in the account."""


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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Release:
    """One retailer's answer to one inquiry: noisy tables, their noise and their cost.

    Attributes:
        retailer: who answered.
        inquiry: the question, with the product list as count and digest.
        tables: axes of the table -> its noisy counts, in the inquiry's order.
        attempt: 0, or more where an earlier debit was declared lost.
        date: the day of the answer.
        ledger_sequence: position of the debit in the retailer's ledger.
        ledger_head: hash of that entry, hex.
        versions: of dpnotice and the noise library.
    """

    retailer: str
    inquiry: Inquiry
    tables: Mapping[tuple[str, ...], NoisyTable]
    attempt: int
    date: date
    ledger_sequence: int
    ledger_head: str
    versions: Mapping[str, str]

    def __post_init__(self) -> None:
        object.__setattr__(self, "tables", MappingProxyType(dict(self.tables)))
        object.__setattr__(self, "versions", MappingProxyType(dict(self.versions)))
        if tuple(self.tables) != self.inquiry.tables:
            raise ReleaseError("the tables are not those of the inquiry, in order", code="TABLES")
        if any(t.counts.shape != self.inquiry.shape(of) for of, t in self.tables.items()):
            raise ReleaseError("a table does not have one count per cell", code="CELLS")
        if any(_beyond(t.counts) for t in self.tables.values()):
            raise ReleaseError("a count is beyond 2^53", code="RANGE")
        if any(t.noise.law != self.inquiry.noise_law for t in self.tables.values()):
            raise ReleaseError("a table's noise is not of the inquiry's law", code="NOISE_LAW")
        if sum(t.noise.loss for t in self.tables.values()) > Fraction(self.inquiry.loss.value):
            raise ReleaseError("the tables cost more than the declared loss", code="LOSS")

    @property
    def epsilon(self) -> Decimal | None:
        """Pure loss of everything in the file, None under rho."""
        return self.inquiry.loss.epsilon

    @property
    def rho(self) -> Decimal | None:
        """Zero-concentrated loss of everything in the file, None under epsilon."""
        return self.inquiry.loss.rho

    def to_bytes(self) -> bytes:
        """Return the file, byte for byte the same for the same release."""
        raw = b""
        if sum(table.counts.size for table in self.tables.values()) > MAX_JSON_CELLS:
            raw = b"".join(t.counts.astype("<i8").tobytes() for t in self.tables.values())
        header = {
            "format": 1,
            "retailer": self.retailer,
            "inquiry": self.inquiry.to_dict(),
            "neighbours": "add or remove one buyer",
            "attempt": self.attempt,
            "date": self.date.isoformat(),
            "ledger": {"sequence": self.ledger_sequence, "head": self.ledger_head},
            "versions": dict(self.versions),
            "tables": [_table_dict(of, t, bool(raw)) for of, t in self.tables.items()],
            "parts": [_part_dict(raw)] if raw else [],
        }
        try:
            _Header.model_validate(header)
        except ValidationError as refusal:
            raise ReleaseError(_place(refusal), code="HEADER") from None
        return container.pack(header, raw)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read a release from bytes of any origin.

        Args:
            data: the whole file.

        Returns:
            The release, every rule checked.

        Raises:
            ReleaseError: whatever the bytes are, with a code and the rule broken.
        """
        tree, raw = container.unpack(data)
        try:
            read = cls(**_fields(_Header.model_validate(tree), raw))
        except ValidationError as refusal:
            raise ReleaseError(_place(refusal), code="HEADER") from None
        except (InquiryError, ValueError, OverflowError, RecursionError):
            raise ReleaseError("the header does not describe an inquiry", code="HEADER") from None
        if read.to_bytes() != data:
            raise ReleaseError("not in canonical form", code="CANONICAL")
        return read

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read one release file.

        Raises:
            ReleaseError: no regular file, too large, or any rule of the format broken.
        """
        if not isinstance(path, (str, Path)):
            raise ReleaseError("a release is loaded from a path", code="FILE")
        path = Path(path)
        try:
            return cls.from_bytes(container.read_file(path))
        except ReleaseError as refusal:
            named = refusal.rule if refusal.code == "FILE" else f"{path.name!a}: {refusal.rule}"
            raise ReleaseError(named, code=refusal.code) from None

    def save(self, path: str | Path) -> None:
        """Write the file durably; an existing different file is never overwritten.

        Raises:
            ReleaseError: another file is there (``OUTPUT_EXISTS``), or it cannot be written.
        """
        container.write_once(Path(path), self.to_bytes())

    def privacy_card(self, ledger: BudgetReader | None = None) -> str:
        """Return one page in plain words: what leaves, whom it protects, what it costs.

        Args:
            ledger: with it, the card also says what is left in the account.
        """
        left = None if ledger is None else ledger.remaining(self.inquiry, self.retailer)
        return wording.privacy_card(self._card_facts(left))

    def _card_facts(self, left: Decimal | None) -> dict[str, Any]:
        loss = self.inquiry.loss
        epsilon = float(loss.value)
        if loss.measure == "rho":
            epsilon = epsilon_of_rho(epsilon, CARD_DELTA)
        return {
            "retailer": self.retailer,
            "inquiry": self.inquiry.to_dict(),
            "digest": self.inquiry.digest,
            "date": self.date.isoformat(),
            "attempt": self.attempt,
            "measure": loss.measure,
            "loss": str(loss.value),
            "epsilon": epsilon,
            "delta": CARD_DELTA,
            "beliefs": [posterior(prior, epsilon) for prior in CARD_PRIORS],
            "left": None if left is None else str(left),
            "sha256": self.to_bytes()[-65:-1].decode(),
            "tables": [
                {
                    "of": list(of),
                    "cells": int(table.counts.size),
                    "sd": table.noise.sd,
                    "half_width": table.noise.half_width(0.95),
                }
                for of, table in self.tables.items()
            ],
        }

    def to_frame(self) -> "pd.DataFrame":
        """Return every released number: table, cell, count, law and s.d. of its noise."""
        return tables.release_frame(
            [
                (of, self.inquiry.axes, table.counts, table.noise)
                for of, table in self.tables.items()
            ]
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the header as plain JSON types, counts included."""
        header: dict[str, Any] = container.unpack(self.to_bytes())[0]
        for entry, table in zip(header["tables"], self.tables.values(), strict=True):
            entry["counts"] = table.counts.ravel().tolist()
        return header

    def __repr__(self) -> str:
        loss = self.inquiry.loss
        return f"<Release of {self.retailer}: {self.inquiry.name}, {loss.measure} {loss.value}>"

    def _repr_html_(self) -> str:
        return tables.preformatted(self.privacy_card())


def _beyond(counts: Counts) -> bool:
    return bool(((counts >= 2**53) | (counts <= -(2**53))).any())


# --- the header and its parts ---------------------------------------------------------------
def _place(refusal: ValidationError) -> str:
    place = ".".join(map(str, refusal.errors(include_url=False)[0]["loc"]))
    return f"the header's field {place!a} is not as specified"


def _table_dict(of: tuple[str, ...], table: NoisyTable, apart: bool) -> dict[str, Any]:  # noqa: FBT001 -- where the counts are written, decided by the caller
    return {
        "of": list(of),
        "noise": {"law": str(table.noise.law), "scale": repr(table.noise.scale)},
        "sensitivity": 1,
        "counts": None if apart else table.counts.ravel().tolist(),
    }


def _part_dict(raw: bytes) -> dict[str, Any]:
    digest = hashlib.sha256(raw).hexdigest()
    return {"name": TABLES_PART, "length": len(raw), "sha256": digest}


def _fields(header: _Header, raw: bytes) -> dict[str, Any]:
    """Turn a well-formed header into the arguments of `Release`."""
    products = header.inquiry.get("products")
    if not isinstance(products, dict) or set(products) != {"count", "sha256"}:  # never a file name
        raise ReleaseError("the embedded inquiry's products are no digest", code="HEADER")
    inquiry = Inquiry.from_dict(header.inquiry)
    if inquiry.to_dict() != header.inquiry:
        raise ReleaseError("the embedded inquiry is not in canonical form", code="CANONICAL")
    listed = [tuple(table.of) for table in header.tables]
    if listed != list(inquiry.tables):
        raise ReleaseError("the tables are not those of the inquiry, in order", code="TABLES")
    cells = _cells(header, inquiry, raw)
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
    }


def _noise(noise: _NoiseFile) -> Noise:
    scale = float(noise.scale)
    if repr(scale) != noise.scale:
        raise ReleaseError("a scale is not in its shortest form", code="CANONICAL")
    return Noise(law=NoiseLaw(noise.law), scale=scale)


def _cells(header: _Header, inquiry: Inquiry, raw: bytes) -> list[Counts]:
    sizes = [inquiry.cells(of) for of in inquiry.tables]
    inside = [table.counts for table in header.tables if table.counts is not None]
    if header.parts != [_PartFile(**_part_dict(raw))] * bool(raw) or bool(inside) == bool(raw):
        raise ReleaseError("the parts are not those that the header states", code="PARTS")
    if (sum(sizes) > MAX_JSON_CELLS) != bool(raw):
        raise ReleaseError("the counts are not where this many cells belong", code="PARTS")
    if (raw and len(raw) != 8 * sum(sizes)) or (inside and [*map(len, inside)] != sizes):
        raise ReleaseError("a table does not have one count per cell", code="CELLS")
    if raw:
        return np.split(np.frombuffer(raw, dtype="<i8").astype(np.int64), np.cumsum(sizes)[:-1])
    return [np.array(counts, dtype=np.int64) for counts in inside]
