"""Texts and numbers planted in a retailer's data, and the one detector that looks for them.

In: any bytes. Out: the spellings of a canary found in them. Compressed bytes are to be opened
first. `plant` turns every exact count into a canary; `primes` instead makes a file whose real
counts, of ordinary size, are prime numbers.

False alarms of all runs together are rarer than 1e-6: the noise has scale 2 * 10^9 (epsilon 10^-9
over two tables), so a noisy count is the exact one with chance 2.5e-10; a release has four counts,
and the runs without a leak draw fewer than 100 releases: 1e-7. Digests and other bytes spell a
canary by chance less often by far.
"""

import base64
import hashlib
import hmac
import json
import re
import struct
import urllib.parse
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any, Final

import duckdb
import numpy as np
import pyarrow as pa

from dpnotice.inquiry import Inquiry
from dpnotice.retailer import counting, sketch
from dpnotice.retailer.purchases import Buyers, Purchases

ID: Final = "canary-buyer-7f3a9"
EMAIL: Final = "canary.person+x@leak.example"
LEVEL: Final = "canary-level-\u00e4-off-list"
PRODUCT: Final = "product-text-0042"
ODD_EMAIL: Final = "kan\u00e4rie.person@leak.example"  # which no engine spells
TEXTS: Final = (ID, EMAIL, LEVEL, ODD_EMAIL)  # the products are public to both parties
KEY: Final = hashlib.sha256(b"the docket's key of these tests").digest()
CELLS: Final = (4_123_456_789_013, 2_010_203_040_507, 1_100_908_061_717)
COUNT: Final = 7_234_567_891_237  # the total of the cells; far beyond the noise, below 2^53
PRIMES: Final = {"CA": 149_993, "NY": 89_989, LEVEL: 59_951}
TOTAL: Final = 299_933
"""Real counts of `primes`: the total of three prime numbers, itself one."""


# --- the detector --------------------------------------------------------------------------
def spellings(text: str) -> Iterator[bytes]:
    raw = text.encode()
    yield raw
    yield text.upper().encode()
    yield text.encode("utf-16-le")
    yield text.encode("utf-16-be")
    yield raw.hex().encode()
    yield raw.hex().upper().encode()
    yield urllib.parse.quote(text, safe="").encode()
    yield urllib.parse.quote_plus(text).encode()
    yield json.dumps(text)[1:-1].encode()
    yield ascii(text)[1:-1].encode()
    yield repr(raw)[2:-1].encode()
    yield hashlib.sha256(raw).hexdigest().encode()
    for shift in range(3):  # base64 of the text wherever it begins
        yield base64.b64encode(b"\0" * shift + raw)[4 if shift else 0 : -4]


def digits(number: int) -> Iterator[bytes]:
    for separator in ("", ",", "_", ".", "'", "\u00a0", "\u202f"):
        yield f"{number:,}".replace(",", separator).encode()
    yield f"{number:x}".encode()
    yield f"{number:X}".encode()
    yield repr(float(number)).encode()
    yield f"{float(number):.12e}".encode()
    for order in "<>":
        yield struct.pack(f"{order}q", number)
        yield struct.pack(f"{order}d", number)


def key_spellings() -> Iterator[bytes]:
    """The docket's key, what HMAC makes of it, and the keyed hashes of the planted addresses."""
    pads = [bytes(byte ^ pad for byte in KEY) for pad in (0x36, 0x5C)]
    hashes = [hmac.digest(KEY, f"email-1\0{e}".encode(), "sha256") for e in (EMAIL, ODD_EMAIL)]
    for secret in (KEY, *pads, *hashes):
        yield from (secret, secret.hex().encode(), secret.hex().upper().encode())
        yield from (repr(secret)[2:-1].encode(), *numbers(secret))
        for shift in range(3):
            yield base64.b64encode(b"\0" * shift + secret)[4 if shift else 0 : -4]
    for each in hashes:
        yield from (each[:8], each[7::-1], each[:8].hex().encode())
        yield f"{int.from_bytes(each[:8], 'big')}".encode()


def numbers(held: bytes) -> Iterator[bytes]:
    """Bytes as a list of numbers prints them, and as an array does: `leaks` removes the blanks."""
    yield ",".join(map(str, held)).encode()
    yield "".join(map(str, held)).encode()


FORMS: Final = (
    {form for text in TEXTS for form in spellings(text)}
    | {form for number in (COUNT, *CELLS) for form in digits(number)}
    | {*key_spellings(), *numbers(ID.encode())}
)
_BLANKS: Final = b" \t\r\n"


def leaks(content: bytes) -> list[bytes]:
    """Return the spellings found, also where lines are broken or digits set apart."""
    joined = content.translate(None, _BLANKS).replace(b"\\n", b"")
    return sorted(form for form in FORMS if form in content or form in joined)


def _bounded(number: int) -> bytes:
    """A number of ordinary size by itself, and not within a longer number, a word or a digest."""
    written = b"|".join(re.escape(f"{number:{mark}}".encode()) for mark in ("", ",", "_"))
    return (
        rb"(?<![\w.])(?:" + written + rb"|0x" + f"{number:x}".encode() + rb")(?:\.0+)?(?!\w|\.\d)"
    )


_PRIME_NUMBERS: Final = (TOTAL, *PRIMES.values())
_PRIME_TEXTS: Final = re.compile(b"|".join(map(_bounded, _PRIME_NUMBERS)))


def prime_leaks(content: bytes) -> list[bytes]:
    """Return the prime counts found: as texts by themselves, as integers and floats of 8 bytes."""
    raw = {struct.pack(f"{o}{kind}", n) for n in _PRIME_NUMBERS for o in "<>" for kind in "qd"}
    found = {form for form in raw if form in content} | set(_PRIME_TEXTS.findall(content))
    return sorted(found | set(leaks(content)))


# --- the data ------------------------------------------------------------------------------
def inquiry(**changes: object) -> Inquiry:
    """The least loss there is, so that a noisy count is the exact one with chance 2.5e-10."""
    content: dict[str, Any] = {
        "format": 1,
        "name": "matter",
        "title": "Purchasers",
        "period": ["2020-01-01", "2021-01-01"],
        "timezone": "America/New_York",
        "products": [PRODUCT],
        "axes": {"state": ["CA", "NY"]},
        "tables": [{"of": []}, {"of": ["state"]}],
        "privacy": {"epsilon": "0.000000001"},
    }
    return Inquiry.from_dict(content | changes)


def frame() -> pa.Table:
    days = pa.array([date(2020, 3, 1)] * 3, pa.date32())
    return pa.table(
        {
            "id": [ID, EMAIL, "plain"],
            "sku": [PRODUCT, PRODUCT, "other"],
            "day": days,
            "st": [LEVEL, "CA", "NY"],
        }
    )


def purchases(source: object, **changes: object) -> Purchases:
    mapping = {"buyer": "id", "product": "sku", "date": "day", "axes": {"state": "st"}}
    return Purchases(source, **(mapping | changes))


def buyers(source: object) -> Buyers:
    return Buyers(source, buyer="id", axes={"state": "st"})


def sketching(**changes: object) -> Inquiry:
    """With a sketch of the least loss there is: nearly half of all bits are flipped."""
    section = {"epsilon": "0.1", "key": "email", "expected_buyers": 10}
    return inquiry(sketch=section, **changes)


def keyed_frame() -> pa.Table:
    """The same purchases with two person keys that are canaries."""
    return frame().append_column("mail", pa.array([EMAIL, ODD_EMAIL, "plain@x.org"]))


def keyed_purchases(source: object) -> Purchases:
    return purchases(source, person="mail")


def primes(path: Path) -> Path:
    """Write purchases of as many buyers as `PRIMES` says, every id beginning with the canary."""
    counts = ", ".join(f"('{state}', {number})" for state, number in PRIMES.items())
    with duckdb.connect() as engine:
        engine.execute(
            f"COPY (SELECT '{ID}-' || st || i AS id, '{PRODUCT}' AS sku, DATE '2020-03-01' AS day,"  # noqa: S608 -- all of it is written here
            f" st FROM (VALUES {counts}) AS held(st, n), range(n) AS numbers(i))"
            f" TO '{path}' (FORMAT parquet)"
        )
    return path


def planted(fetched: Callable[..., Any]) -> Callable[..., Any]:
    """Let the engine answer with canaries: every exact count from there on is one."""

    def planted_cells(*arguments: Any) -> Any:
        codes, found = fetched(*arguments)
        everybody = codes[codes < 0]  # where the total is asked beside the cells
        counts = [*CELLS, *[COUNT] * len(everybody)]
        return np.concatenate([np.arange(len(CELLS)), everybody]), np.array(counts, found.dtype)

    return planted_cells


def plant_in_the_sketch() -> None:
    """Let every exact count of an answer with a sketch be a canary, and every exact bitmap too.

    Its bytes spell an id; after the flips 144 bits in a row stand as they were with a chance below
    1e-37.
    """
    add, put = sketch._add, sketch._set

    def added(buyers: Any, batch: Any) -> None:
        add(buyers, batch)
        buyers[:] = 0
        buyers[: len(CELLS)] = CELLS

    def set_(exact: Any, *others: Any) -> None:
        put(exact, *others)
        spelt = (ID.encode() * exact._bits.size)[: exact._bits.size]
        exact._bits[:] = np.frombuffer(spelt, np.uint8)

    sketch._add, sketch._set = added, set_


def plant() -> None:
    """Let every exact count of this process be a canary."""
    counting._fetched = planted(counting._fetched)
