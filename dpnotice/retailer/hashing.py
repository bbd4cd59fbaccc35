"""One record per buyer -> keyed hashes of the shared person key, made inside the engine.

In: records with a person key, and the key of the docket. Out: cell codes and 64-bit hashes, in
batches. A person key itself is never fetched from the engine.
"""

import hashlib
from collections.abc import Iterator
from typing import Any, Final

import ibis
from ibis.expr.types import Table

from dpnotice.errors import PurchasesError
from dpnotice.retailer.counting import forget
from dpnotice.retailer.texts import encoded

_BLOCK: Final = 64
"""Bytes of a block of SHA-256, to which HMAC pads its key (RFC 2104)."""
_INNER, _OUTER = "dpnotice_inner", "dpnotice_outer"


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


def keyed_hashes(records: Table, engine: Any, *, key: bytes, label: str) -> Iterator[Any]:
    """Hash the person keys of records in the engine, keyed.

    h = first 8 bytes, big-endian, of HMAC-SHA256(key, label, a zero byte, person key in UTF-8).

    Run by: the retailer. The hashes are as secret as the records: who holds the key can hash a
    list of guesses.

    Args:
        records: of :func:`dpnotice.retailer.counting.records`, with ``person``; in DuckDB.
        engine: that runs them.
        key: of the docket; longer than a block it is hashed first, as HMAC does.
        label: what the hashes are for.

    Yields:
        Arrow batches of ``cell`` (int64) and ``hash`` (uint64), for records with a person key;
        16 bytes per record are held at once.

    Raises:
        PurchasesError: ``HASH_ENGINE`` where the engine has no keyed hash of its own.
    """
    if engine.name != "duckdb":
        raise PurchasesError("HASH_ENGINE", field="source")
    padded = (key if len(key) <= _BLOCK else hashlib.sha256(key).digest()).ljust(_BLOCK, b"\0")
    pads = {
        _INNER: bytes(byte ^ 0x36 for byte in padded) + label.encode() + b"\0",
        _OUTER: bytes(byte ^ 0x5C for byte in padded),
    }
    held = records.filter(records["person"].notnull())
    inner = sha256(joined(getvariable(_INNER), encoded(held["person"])))
    digits = first(sha256(joined(getvariable(_OUTER), unhex(inner))), 16)
    query = held.select("cell", hash=ibis.literal("0x").concat(digits).name("h").cast("uint64"))
    try:
        for name, pad in pads.items():
            engine.con.execute(f"SET VARIABLE {name} = ?", [pad]).fetchall()
        hashed = engine.to_pyarrow(query)
    finally:
        for name in pads:
            engine.con.execute(f"RESET VARIABLE {name}").fetchall()
        forget(engine, query)
    yield from hashed.to_batches()
