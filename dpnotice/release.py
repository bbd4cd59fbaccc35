"""The border: the only thing that crosses from a retailer to the analyst.

In: noisy tables and what they cost (retailer), or a file from anyone (analyst). Out: a `Release`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

from dpnotice import container, layout
from dpnotice.bitmap import Sketch
from dpnotice.errors import InquiryError, ReleaseError
from dpnotice.header import Header
from dpnotice.inquiry import Inquiry
from dpnotice.layout import Counts, NoisyTable
from dpnotice.privacy import posterior
from dpnotice.reporting import cards, tables
from dpnotice.signature import Signature, sign, verify
from dpnotice.zcdp import DELTA, epsilon_of_rho

if TYPE_CHECKING:
    import pandas as pd

CARD_PRIORS: Final = (0.1, 0.5)
"""The privacy card tells what becomes of beliefs of 10% and 50%."""


class BudgetReader(Protocol):
    """What `privacy_card` asks of a ledger."""

    def remaining(self, inquiry: Inquiry, retailer: str) -> Decimal:
        """Return what is left in the account."""


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
        ids: the rule by which buyer ids were compared.
        sketch: the flipped bitmap of the buyers with a key, where the inquiry asks for one.
        signature: over the file's digest, where the retailer signed it.
    """

    retailer: str
    inquiry: Inquiry
    tables: Mapping[tuple[str, ...], NoisyTable]
    attempt: int
    date: date
    ledger_sequence: int
    ledger_head: str
    versions: Mapping[str, str]
    ids: str = "as_is"
    sketch: Sketch | None = None
    signature: Signature | None = None

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
        self._check_sketch()

    def _check_sketch(self) -> None:
        plan = None if self.sketch is None else self.sketch.plan
        if plan != self.inquiry.sketch:
            raise ReleaseError("the sketch is not the one that the inquiry asks for", code="SKETCH")
        stated = None if plan is None else plan.key_fingerprint
        if self.sketch is not None and stated not in {None, self.sketch.key_fingerprint}:
            raise ReleaseError("the sketch was made with another key than agreed", code="SKETCH")

    @property
    def epsilon(self) -> Decimal | None:
        """Pure loss of everything in the file, None under rho."""
        return self.inquiry.total_loss.epsilon

    @property
    def rho(self) -> Decimal | None:
        """Zero-concentrated loss of everything in the file, None under epsilon."""
        return self.inquiry.total_loss.rho

    @property
    def digest(self) -> str:
        """SHA-256 of all that the file says, 64 hex digits; a signature does not change it."""
        return container.digest_of(self._unsigned())

    def signed(self, key: str | Path) -> Self:
        """Return the same release with a signature over its digest.

        Args:
            key: file of an Ed25519 private key, as ``dpnotice key FILE`` makes it.

        Raises:
            ReleaseError: ``KEY`` where the file holds none; ``SIGN_EXTRA`` without
                ``dpnotice[sign]``.
        """
        return replace(self, signature=sign(self.digest, key))

    def to_bytes(self) -> bytes:
        """Return the file, byte for byte the same for the same release."""
        unsigned = self._unsigned()
        if self.signature is None:
            return unsigned
        return unsigned + container.signature_line(self.signature)

    def _unsigned(self) -> bytes:
        parts = layout.parts_of(self.tables.values(), self.sketch)
        header = {
            "format": 1,
            "retailer": self.retailer,
            "inquiry": self.inquiry.to_dict(),
            "ids": self.ids,
            "neighbours": "add or remove one buyer",
            "caveats": layout.caveats(self.inquiry),
            "attempt": self.attempt,
            "date": self.date.isoformat(),
            "ledger": {"sequence": self.ledger_sequence, "head": self.ledger_head},
            "versions": dict(self.versions),
            "tables": layout.tables_of(self.tables, apart="tables" in parts),
            "parts": [layout.part_of(name, raw) for name, raw in parts.items()],
        }
        if self.sketch is not None:
            header["sketch"] = self.sketch.to_dict()
        Header.read(header)
        return container.pack(header, b"".join(parts.values()))

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
        found = container.unpack(data)
        if found.signature is not None:
            verify(found.digest, found.signature)
        try:
            fields = layout.fields_of(Header.read(found.header), found.raw)
            read = cls(**fields, signature=found.signature)
        except (InquiryError, ValueError, OverflowError, RecursionError):
            raise ReleaseError("the header does not describe an inquiry", code="HEADER") from None
        if read.to_bytes() != data:
            raise ReleaseError("not in canonical form", code="CANONICAL")
        return read

    @classmethod
    def load(cls, path: str | Path, *, key: str | None = None) -> Self:
        """Read one release file.

        Args:
            path: the file.
            key: the retailer's public key in base64, where the file must be signed by it.

        Raises:
            ReleaseError: no regular file, too large, any rule of the format broken, a signature
                that is not of the file (``SIGNATURE``), none (``UNSIGNED``) or one of another key
                (``UNTRUSTED_KEY``) where a key is given.
        """
        if not isinstance(path, (str, Path)):
            raise ReleaseError("a release is loaded from a path", code="FILE")
        path = Path(path)
        try:
            read = cls.from_bytes(container.read_file(path))
            if key is not None:
                read.check_key(key)
        except ReleaseError as refusal:
            named = refusal.rule if refusal.code == "FILE" else f"{path.name!a}: {refusal.rule}"
            raise ReleaseError(named, code=refusal.code) from None
        return read

    def check_key(self, key: str | None) -> None:
        """Refuse a release that is not signed by this public key.

        Args:
            key: in base64; None where nobody's key is trusted.

        Raises:
            ReleaseError: ``UNSIGNED``, ``UNTRUSTED_KEY`` or ``SIGNATURE``.
        """
        if self.signature is None:
            raise ReleaseError(
                f"the release of {self.retailer!a} carries no signature; ask for a signed one",
                code="UNSIGNED",
            )
        if self.signature.key != key:
            raise ReleaseError(
                f"the release of {self.retailer!a} is signed by another key than the one that you "
                "trust; ask the retailer",
                code="UNTRUSTED_KEY",
            )
        verify(self.digest, self.signature)

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
        return cards.privacy_card(self._card_facts(left))

    def _card_facts(self, left: Decimal | None) -> dict[str, Any]:
        loss, epsilon = self.inquiry.total_loss, self._epsilon_told()
        return {
            "retailer": self.retailer,
            "inquiry": self.inquiry.to_dict(),
            "digest": self.inquiry.digest,
            "date": self.date.isoformat(),
            "attempt": self.attempt,
            "measure": loss.measure,
            "loss": loss.text,
            "epsilon": epsilon,
            "delta": float(DELTA),
            "beliefs": [posterior(prior, epsilon) for prior in CARD_PRIORS],
            "left": None if left is None else str(left),
            "sha256": self.digest,
            "ids": self.ids,
            "sketch": None if self.sketch is None else self.sketch.facts(),
            "signed_by": None if self.signature is None else self.signature.key,
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

    def _epsilon_told(self) -> float:
        """Return the epsilon of the whole file; under rho, but for a chance of delta.

        The epsilon of the tables and that of the bitmap add up; so do their rhos, which are then
        turned into an epsilon. Both hold, so the smaller one does.
        """
        if self.epsilon is not None:
            return float(self.epsilon)
        sketch = self.inquiry.sketch
        apart = 0.0 if sketch is None else float(sketch.epsilon)
        tables, all_of_it = float(self.inquiry.loss.value), float(self.inquiry.total_loss.value)
        delta = float(DELTA)
        return min(epsilon_of_rho(all_of_it, delta), epsilon_of_rho(tables, delta) + apart)

    def to_frame(self) -> "pd.DataFrame":
        """Return every released number: table, cell, count, law and s.d. of its noise."""
        return tables.release_frame(
            [
                (of, self.inquiry.table_axes, table.counts, table.noise)
                for of, table in self.tables.items()
            ]
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the header as plain JSON types, counts included."""
        header: dict[str, Any] = container.unpack(self._unsigned()).header
        for entry, table in zip(header["tables"], self.tables.values(), strict=True):
            entry["counts"] = table.counts.ravel().tolist()
        return header

    def __repr__(self) -> str:
        loss = self.inquiry.total_loss
        return f"<Release of {self.retailer}: {self.inquiry.name}, {loss.measure} {loss.text}>"

    def _repr_html_(self) -> str:
        return tables.preformatted(self.privacy_card())


def _beyond(counts: Counts) -> bool:
    return bool(((counts >= 2**53) | (counts <= -(2**53))).any())
