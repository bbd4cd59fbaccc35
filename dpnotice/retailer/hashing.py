"""One record per buyer -> keyed hashes of the shared person key, in the engine where it can.

In: records with a person key, and the key of the docket. Out: cell codes and 64-bit hashes, in
batches. From DuckDB no ASCII key is fetched; what another engine holds is hashed as it streams by.
"""

import hashlib
from collections.abc import Callable, Generator, Iterator
from typing import Any, Final, NamedTuple

import ibis
import numpy as np
import numpy.typing as npt
from ibis.expr.types import Table

from dpnotice.retailer.clock import in_utc
from dpnotice.retailer.counting import forget
from dpnotice.retailer.keys import engine_key, normalised, plain_ascii
from dpnotice.retailer.texts import encoded

_BLOCK: Final = 64
"""Bytes of a block of SHA-256, to which HMAC pads its key (RFC 2104)."""
_PADS: Final = ("dpnotice_inner", "dpnotice_outer")
_ROWS: Final = 2**17
_BYTES: Final = 8
"""Of a digest that are kept: 64 bits."""


@ibis.udf.scalar.builtin
def getvariable(called: str) -> bytes:  # type: ignore[empty-body]
    """A variable of the connection, so that the key stands in no text of a query."""


@ibis.udf.scalar.builtin
def sha256(message: bytes) -> str:  # type: ignore[empty-body]
    """Hex digits of SHA-256."""


@ibis.udf.scalar.builtin
def unhex(digits: str) -> bytes:  # type: ignore[empty-body]
    """Bytes of hex digits."""


@ibis.udf.scalar.builtin(name="concat")
def joined(first: bytes, second: bytes) -> bytes:  # type: ignore[empty-body]
    """Bytes one after the other."""


@ibis.udf.scalar.builtin(name="left")
def first(text: str, n: int) -> str:  # type: ignore[empty-body]
    """The first characters of a text."""


class Keyed(NamedTuple):
    """A batch of records: where each buyer is counted, and the hash of their key.

    Attributes:
        cells: (n,) int64 codes of the full cross.
        hashes: (n,) uint64; 0 where there is no key.
        held: (n,) whether there is a key.
    """

    cells: npt.NDArray[np.int64]
    hashes: npt.NDArray[np.uint64]
    held: npt.NDArray[np.bool_]


def keyed(records: Table, engine: Any, *, key: bytes, rule: str) -> Generator[Keyed]:
    """Hash the person keys of records, keyed: in DuckDB where they are ASCII, else here.

    h = first 8 bytes, big-endian, of HMAC-SHA256(key, rule, a zero byte, normalised key in UTF-8).

    Run by: the retailer. The hashes are as secret as the records: who holds the key can hash a
    list of guesses.

    Args:
        records: of :func:`dpnotice.retailer.counting.records`, with ``person``.
        engine: that runs them.
        key: of the docket; longer than a block it is hashed first, as HMAC does.
        rule: by which keys are spelt alike, one of :data:`dpnotice.retailer.keys.RULES`.

    Yields:
        Batches of some 10^5 records; only one is held at once.
    """
    pads = _pads(key, rule)
    digest = _digest(*pads)
    if engine.name != "duckdb":
        yield from _streamed(records.select("cell", other=records["person"]), engine, digest, rule)
        return
    try:
        for name, pad in zip(_PADS, pads, strict=True):
            engine.con.execute(f"SET VARIABLE {name} = ?", [pad]).fetchall()
        yield from _streamed(_hashed(records, rule), engine, digest, rule)
    finally:
        for name in _PADS:
            engine.con.execute(f"RESET VARIABLE {name}").fetchall()


def _pads(key: bytes, rule: str) -> tuple[bytes, bytes]:
    """Return what HMAC hashes before the message, and before the inner digest."""
    padded = (key if len(key) <= _BLOCK else hashlib.sha256(key).digest()).ljust(_BLOCK, b"\0")
    inner = bytes(byte ^ 0x36 for byte in padded) + rule.encode() + b"\0"
    return inner, bytes(byte ^ 0x5C for byte in padded)


def _digest(inner: bytes, outer: bytes) -> Callable[[str], int]:
    """Return the keyed hash of one normalised key, both pads hashed once."""
    begun, ended = hashlib.sha256(inner), hashlib.sha256(outer)

    def digest(text: str) -> int:
        message, result = begun.copy(), ended.copy()
        message.update(text.encode())
        result.update(message.digest())
        return int.from_bytes(result.digest()[:_BYTES], "big")

    return digest


def _hashed(records: Table, rule: str) -> Table:
    """Build the query that hashes ASCII keys, and hands over the others as they are."""
    spelt = engine_key(records, "person", rule)
    inner = sha256(joined(getvariable(_PADS[0]), encoded(spelt["key"])))
    digits = first(sha256(joined(getvariable(_PADS[1]), unhex(inner))), 2 * _BYTES)
    return spelt.select(
        "cell",
        hash=unhex(digits),  # of what is not ASCII too, which is hashed again here
        other=plain_ascii(spelt["person"]).ifelse(ibis.null("string"), spelt["person"]),
    )


def _streamed(
    query: Table, engine: Any, digest: Callable[[str], int], rule: str
) -> Iterator[Keyed]:
    """Run a query batch by batch; hash here what the engine handed over."""
    try:
        with in_utc(engine):
            for batch in _batches(query, engine):
                yield _completed(batch, digest, rule)
    finally:
        forget(engine, query)


def _batches(query: Table, engine: Any) -> Iterator[Any]:
    if engine.name != "duckdb":
        return iter(engine.to_pyarrow_batches(query, chunk_size=_ROWS))
    # Ibis 12 asks DuckDB 2 for its batches by a name that DuckDB dropped.
    relation = engine._to_duckdb_relation(query)  # noqa: SLF001 -- until Ibis knows the new one
    reader = getattr(relation, "to_arrow_reader", None) or relation.fetch_record_batch
    return iter(reader(_ROWS))


def _completed(batch: Any, digest: Callable[[str], int], rule: str) -> Keyed:
    cells = batch["cell"].to_numpy(zero_copy_only=False).astype(np.int64)
    hashes, held = np.zeros(len(cells), dtype=np.uint64), np.zeros(len(cells), dtype=np.bool_)
    if "hash" in batch.schema.names:
        found = batch["hash"]
        held[:] = found.is_valid().to_numpy(zero_copy_only=False)
        hashes[held] = np.frombuffer(b"".join(found.drop_null().to_pylist()), dtype=">u8")
    handed = np.flatnonzero(batch["other"].is_valid().to_numpy(zero_copy_only=False))
    for at, text in zip(handed, batch["other"].take(handed).to_pylist(), strict=True):
        spelt = normalised(text, rule)
        hashes[at], held[at] = (0, False) if spelt is None else (digest(spelt), True)
    return Keyed(cells, hashes, held)
