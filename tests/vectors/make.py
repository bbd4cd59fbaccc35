"""Writes the release vectors beside it: `python tests/vectors/make.py`.

Made without the package, from the format's description alone. All counts are invented constants.
A bad vector is named for what is wrong with it; `codes.json` holds the code of its refusal.
The bits of a sketch are a constant too: SHA-256 of small numbers. No buyer set any of them.
Signatures are those of two keys that everybody knows, so they prove nothing but their form.
"""

import base64
import copy
import hashlib
import json
import math
from collections.abc import Callable
from decimal import ROUND_CEILING, Decimal
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

Tree = dict[str, Any]

MAGIC = b"dpnotice release 1\n"
TAG = b"dpnotice release 1\0"
KEY, OTHER_KEY = bytes(range(32)), bytes(range(32, 64))
ORDER = 2**252 + 27742317777372353535851937790883648493
"""Of the group of Ed25519: a signature's second half is below it (RFC 8032, section 5.1.7)."""
BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
MOST_NODES, MOST_INTEGERS = 2**13, 2**18 + 2**13
DELTA = {"epsilon": "1", "delta": "0.000001"}
LEVELS = {"state": ["CA", "NY", "unknown"], "contact": ["e-mail", "päckchen", "none", "unknown"]}
PRODUCTS = ["shampoo", "tonic"]
CAVEATS = [
    "Every count carries random noise of the stated law, and may be negative.",
    "Purchases that name no buyer are not counted.",
    "Somebody who bought at several retailers is counted by each, and loses at most the sum.",
]
SKETCH_CAVEAT = "The bitmap holds buyers with a key only; its bits were flipped by chance."
FINGERPRINT = "0123456789abcdef"
TABLES = {
    (): ("1", "4.0", [1204]),
    ("state",): ("1", "4.0", [803, 399, -7]),
    ("state", "contact"): ("2", "2.0", [400, 301, 98, 2, 250, 101, 49, 0, -1, 3, -2, 0]),
}


SKETCHED_TABLES = {
    (): [1204],
    ("state",): [803, 399, -7],
    ("keyed",): [1102, 98],
    ("state", "contact"): [400, 301, 98, 2, 250, 101, 49, 0, -1, 3, -2, 0],
    ("state", "keyed"): [733, 64, 370, 31, 0, -4],
}
"""Beside a sketch; of the two with `keyed` the one that its blocks ask for."""
ONE_MAP: Tree = {"epsilon": "1", "key": "email", "expected_buyers": 600}
BLOCKS: Tree = ONE_MAP | {"blocks": "state", "expected_by": [600, 300, 1400]}
PLANES: Tree = ONE_MAP | {
    "epsilon": "2.5",
    "planes": [
        {"name": "e-mail", "levels": ["e-mail"]},
        {"name": "other", "levels": ["päckchen", "none", "unknown"]},
    ],
}


def canonical(tree: object) -> bytes:
    text = json.dumps(tree, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode()


def seal(body: bytes) -> bytes:
    return body + f"sha256 {hashlib.sha256(body).hexdigest()}\n".encode()


def with_text(text: bytes, raw: bytes = b"") -> bytes:
    return seal(MAGIC + f"{len(text)}\n".encode() + text + b"\n" + raw)


def signature(digest_line: bytes, key: bytes = KEY) -> tuple[bytes, bytes]:
    """Public key and signature over the digest that a line states."""
    private = Ed25519PrivateKey.from_private_bytes(key)
    value = private.sign(TAG + bytes.fromhex(digest_line[7:71].decode()))
    return private.public_key().public_bytes_raw(), value


def signature_line(public: bytes, value: bytes) -> bytes:
    return b"ed25519 " + base64.b64encode(public) + b" " + base64.b64encode(value) + b"\n"


def signed(whole: bytes, key: bytes = KEY) -> bytes:
    return whole + signature_line(*signature(whole[-72:], key))


def inquiry() -> Tree:
    digest = hashlib.sha256(canonical(PRODUCTS)).hexdigest()
    return {
        "format": 1,
        "name": "wen",
        "title": "Friedman v. Guthy-Renker: purchasers of WEN",
        "unit": "buyer",
        "period": ["2007-11-01", "2016-09-20"],
        "timezone": "America/Los_Angeles",
        "products": {"count": len(PRODUCTS), "sha256": digest},
        "quoted": [["state"]],
        "axes": [{"name": name, "levels": [*levels]} for name, levels in LEVELS.items()],
        "tables": [{"of": list(of), "weight": weight} for of, (weight, _, _) in TABLES.items()],
        "privacy": {"epsilon": "1", "noise": "discrete-laplace"},
    }


def table(of: tuple[str, ...]) -> Tree:
    _, scale, counts = TABLES[of]
    noise = {"law": "discrete-laplace", "scale": scale}
    return {"of": list(of), "noise": noise, "sensitivity": 1, "counts": list(counts)}


def header() -> Tree:
    return {
        "format": 1,
        "retailer": "sephora",
        "inquiry": inquiry(),
        "ids": "as_is",
        "caveats": list(CAVEATS),
        "neighbours": "add or remove one buyer",
        "attempt": 0,
        "date": "2026-01-31",
        "ledger": {"sequence": 1, "head": "0123456789abcdef" * 4},
        "versions": {"dpnotice": "0.1.0", "opendp": "0.16.0"},
        "tables": [table(of) for of in TABLES],
        "parts": [],
    }


def gaussian() -> Tree:
    tree = header()
    tree["inquiry"]["privacy"] = {"rho": "0.5", "noise": "discrete-gaussian"}
    for entry, scale in zip(tree["tables"], ["2.0", "2.0", "1.4142135623730951"], strict=True):
        entry["noise"] = {"law": "discrete-gaussian", "scale": scale}
    return tree


def sketch_header(section: Tree) -> Tree:
    """What a header says of the bitmap that a section asks for."""
    alike = {name: value for name, value in section.items() if name != "epsilon"}
    levels = LEVELS["state"] if "blocks" in section else ["all"]
    sizes = [min(27, max(12, round(math.log2(6 * n)))) for n in expected(section)]
    return {
        "format": "flip-bitmap-1",
        "sketch_id": hashlib.sha256(canonical(alike)).hexdigest(),
        "key_fingerprint": FINGERPRINT,
        "rule": {"email": "email-1", "id": "id-1"}[section["key"]],
        "threshold": threshold(section["epsilon"]),
        "planes": [plane["name"] for plane in section.get("planes", [])],
        "blocks": [
            {"level": level, "log2_bits": size} for level, size in zip(levels, sizes, strict=True)
        ],
        "bit_order": "little",
    }


def expected(section: Tree) -> list[int]:
    return section.get("expected_by") or [section["expected_buyers"]]


def threshold(epsilon: str) -> int:
    """A bit is flipped where a number of 16 random bits is below this."""
    return int((65_536 / (1 + Decimal(epsilon).exp())).to_integral_value(ROUND_CEILING))


def bits(stated: Tree, first: int = 0) -> bytes:
    """As many bytes as the maps of every block and plane have, and each map a power of 2."""
    maps = max(1, len(stated["planes"]))
    size = sum(maps * 2 ** block["log2_bits"] for block in stated["blocks"]) // 8
    return b"".join(hashlib.sha256(b"%d" % (first + n)).digest() for n in range(size // 32))


def part_of(raw: bytes, name: str = "sketch") -> Tree:
    return {"name": name, "length": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}


def sketched_header(section: Tree) -> Tree:
    tree, stated = header(), sketch_header(section)
    left_out = ("keyed",) if "blocks" in section else ("state", "keyed")
    noise = {"law": "discrete-laplace", "scale": "4.0"}
    tables = {of: counts for of, counts in SKETCHED_TABLES.items() if of != left_out}
    tree["tables"] = [
        {"of": list(of), "noise": dict(noise), "sensitivity": 1, "counts": list(counts)}
        for of, counts in tables.items()
    ]
    tree["inquiry"] |= {
        "tables": [{"of": list(of), "weight": "1"} for of in tables],
        "sketch": copy.deepcopy(section),
    }
    tree["caveats"].append(SKETCH_CAVEAT)
    return tree | {"sketch": stated, "parts": [part_of(bits(stated))]}


def sketched(section: Tree, edit: Callable[[Tree], object] = lambda _: None) -> bytes:
    """A file with a sketch; an edit changes the header alone, its parts are as they were."""
    tree = sketched_header(section)
    raw = bits(tree["sketch"])
    edit(tree)
    return with_text(canonical(tree), raw)


def with_bits(raw: bytes) -> bytes:
    """A file whose header states the bits behind it as they are, whatever they are."""
    tree = sketched_header(ONE_MAP)
    tree["parts"] = [part_of(raw)] if raw else []
    return with_text(canonical(tree), raw)


def under_rho(tree: Tree) -> None:
    tree["inquiry"]["privacy"] = {"rho": "0.5", "noise": "discrete-gaussian"}
    for entry in tree["tables"]:
        entry["noise"] = {"law": "discrete-gaussian", "scale": "2.0"}


def put(*path_and_value: object) -> Callable[[Tree], None]:
    """An edit that sets the value at a path."""
    *path, last, value = path_and_value

    def edit(tree: Any) -> None:
        for step in path:
            tree = tree[step]
        tree[last] = value

    return edit


def edited(edit: Callable[[Tree], object]) -> bytes:
    tree = header()
    edit(tree)
    return with_text(canonical(tree))


def replaced(old: bytes, new: bytes) -> bytes:
    """The header's text with the first occurrence changed, sealed again."""
    text = canonical(header())
    assert old in text
    return with_text(text.replace(old, new, 1))


def good() -> dict[str, bytes]:
    return {
        "good-laplace": with_text(canonical(header())),
        "good-gaussian": with_text(canonical(gaussian())),
        "good-signed": signed(with_text(canonical(header()))),
        "good-sketch": sketched(ONE_MAP),
        "good-sketch-signed": signed(sketched(ONE_MAP)),
        "good-sketch-of-blocks": sketched(BLOCKS),
        "good-sketch-of-planes": sketched(PLANES),
        "good-sketch-of-blocks-and-planes": sketched(BLOCKS | PLANES | {"key": "id"}),
        "good-sketch-under-rho": sketched(ONE_MAP, under_rho),
        "good-sketch-with-the-agreed-key": sketched(ONE_MAP | {"key_fingerprint": FINGERPRINT}),
    }


def bad_containers() -> dict[str, tuple[str, bytes]]:
    whole, text = good()["good-laplace"], canonical(header())
    size = b"%d" % len(text)
    return {
        "empty": ("MAGIC", b""),
        "byte-order-mark": ("MAGIC", b"\xef\xbb\xbf" + whole),
        "crlf-throughout": ("VERSION", whole.replace(b"\n", b"\r\n")),
        "other-format": ("MAGIC", seal(b"PK\x03\x04" + whole)),
        "version-2": ("VERSION", seal(whole[:-72].replace(b"release 1", b"release 2", 1))),
        "flipped-bit": ("INTEGRITY", whole.replace(b"1204", b"1205", 1)),
        "last-byte-missing": ("INTEGRITY", whole[:-1]),
        "first-half-only": ("INTEGRITY", whole[: len(whole) // 2]),
        "magic-alone": ("INTEGRITY", MAGIC),
        "trailing-newline": ("INTEGRITY", whole + b"\n"),
        "trailer-missing": ("INTEGRITY", whole[:-72]),
        "trailer-in-capitals": ("INTEGRITY", whole[:-65] + whole[-65:].upper()),
        "length-missing": ("LENGTH", seal(MAGIC + text + b"\n")),
        "length-with-carriage-return": ("LENGTH", seal(MAGIC + size + b"\r\n" + text + b"\n")),
        "length-with-leading-zero": ("LENGTH", seal(MAGIC + b"0" + size + b"\n" + text + b"\n")),
        "length-one-short": ("LENGTH", seal(MAGIC + b"%d\n" % (len(text) - 1) + text + b"\n")),
        "length-beyond-the-file": ("LENGTH", seal(MAGIC + b"8388608\n" + text + b"\n")),
        "length-above-the-limit": ("LENGTH", seal(MAGIC + b"99999999\n" + text + b"\n")),
        "raw-bytes-unannounced": ("PARTS", with_text(text, b"\0" * 8)),
    }


def bad_signatures() -> dict[str, tuple[str, bytes]]:
    whole, other = good()["good-laplace"], good()["good-gaussian"]
    line = signed(whole)[len(whole) :]
    public, value = signature(whole[-72:])
    bit = value[:40] + bytes([value[40] ^ 1]) + value[41:]
    high = value[:32] + (int.from_bytes(value[32:], "little") + ORDER).to_bytes(32, "little")
    swapped, _ = signature(whole[-72:], OTHER_KEY)
    digest = hashlib.sha256(bytes.fromhex(whole[-65:-1].decode())).hexdigest().encode()
    return {
        "signature-of-another-file": ("SIGNATURE", whole + signed(other)[len(other) :]),
        "signature-bit": ("SIGNATURE", whole + signature_line(public, bit)),
        "signature-high-s": ("SIGNATURE", whole + signature_line(public, high)),
        "signature-key-swapped": ("SIGNATURE", whole + signature_line(swapped, value)),
        "signature-key-no-point": ("SIGNATURE", whole + signature_line(b"\2" + bytes(31), value)),
        "signature-without-tag": ("SIGNATURE", whole + untagged(whole[-72:])),
        "signature-of-a-digest-of-the-digest": (
            "SIGNATURE",
            whole + signature_line(*signature(b"sha256 " + digest)),
        ),
        "signature-not-canonical-base64": ("SIGNATURE", whole + next_character(line, b"==\n")),
        "signature-key-not-canonical-base64": ("SIGNATURE", whole + next_character(line, b"= ")),
        "signature-cut": ("INTEGRITY", (whole + line)[:-1]),
        "signature-twice": ("INTEGRITY", whole + line + line),
        "signature-by-two-keys": ("INTEGRITY", signed(whole) + signed(whole, OTHER_KEY)[-142:]),
        "signature-before-digest": ("INTEGRITY", whole[:-72] + line + whole[-72:]),
        "signature-with-crlf": ("INTEGRITY", whole + line[:-1] + b"\r\n"),
        "signature-in-hex": ("INTEGRITY", whole + b"ed25519 %s %s\n" % hexes(public, value)),
        "signature-without-digest": ("INTEGRITY", whole[:-72] + line),
        "signed-bytes-changed": (
            "INTEGRITY",
            signed(whole).replace(b"1204", b"1205", 1),
        ),
    }


def untagged(digest_line: bytes) -> bytes:
    private = Ed25519PrivateKey.from_private_bytes(KEY)
    value = private.sign(bytes.fromhex(digest_line[7:71].decode()))
    return signature_line(private.public_key().public_bytes_raw(), value)


def next_character(line: bytes, end: bytes) -> bytes:
    """The line with bits set that base64 drops: other text before `end`, the same bytes."""
    place = line.index(end) - 1
    return line[:place] + BASE64[BASE64.index(line[place]) + 1 :][:1] + line[place + 1 :]


def hexes(*values: bytes) -> tuple[bytes, ...]:
    return tuple(value.hex().encode() for value in values)


def bad_json() -> dict[str, tuple[str, bytes]]:
    text = canonical(header())
    deep = b'{"format":' + b"[" * 9 + b"]" * 9 + b"}"
    return {
        "latin-1": ("JSON", with_text(text.decode().encode("latin-1"))),
        "json-cut-short": ("JSON", with_text(text[:-1])),
        "json-followed-by-more": ("JSON", with_text(text + b"{}")),
        "float-count": ("NUMBER", replaced(b"1204", b"1204.0")),
        "exponent-count": ("NUMBER", replaced(b"1204", b"1e3")),
        "nan-count": ("NUMBER", replaced(b"1204", b"NaN")),
        "minus-infinity-count": ("NUMBER", replaced(b"1204", b"-Infinity")),
        "integer-of-18-characters": ("NUMBER", replaced(b"1204", b"1" * 18)),
        "integer-of-5000-characters": ("NUMBER", replaced(b"1204", b"1" * 5000)),
        "repeated-key": ("DUPLICATE_KEY", replaced(b'"attempt":0', b'"attempt":0,"attempt":1')),
        "nine-levels-inside": ("DEPTH", with_text(deep)),
        "thousands-of-levels": ("DEPTH", with_text(b"[" * 5_000 + b"]" * 5_000)),
        "space-after-colon": ("CANONICAL", replaced(b'"attempt":0', b'"attempt": 0')),
        "unsorted-keys": ("CANONICAL", with_text(json.dumps(header()).encode())),
        "minus-zero-count": ("CANONICAL", replaced(b",0]", b",-0]")),
        "escaped-letter": ("CANONICAL", replaced("ä".encode(), b"\\u00e4")),
        "lone-surrogate": ("CANONICAL", replaced("ä".encode(), b"\\ud800")),
        "thousands-of-objects": ("NODES", edited(put("parts", [{}] * (MOST_NODES + 1)))),
        "thousands-of-lists": ("NODES", edited(put("parts", [[]] * (MOST_NODES + 1)))),
        "integers-beyond-any-release": (
            "NUMBER",
            edited(put("tables", 2, "counts", [0] * (MOST_INTEGERS + 1))),
        ),
    }


def bad_headers() -> dict[str, tuple[str, bytes]]:
    edits = {
        "unknown-field": put("comment", "trust me"),
        "unknown-field-in-table": put("tables", 0, "clipped", True),
        "field-missing": lambda tree: tree.pop("ledger"),
        "format-2": put("format", 2),
        "format-true": put("format", True),
        "count-true": put("tables", 0, "counts", 0, True),
        "count-as-text": put("tables", 0, "counts", 0, "1204"),
        "sensitivity-2": put("tables", 0, "sensitivity", 2),
        "sensitivity-true": put("tables", 0, "sensitivity", True),
        "retailer-is-a-path": put("retailer", "../sephora"),
        "retailer-empty": put("retailer", ""),
        "retailer-with-newline": put("retailer", "sephora\n"),
        "attempt-negative": put("attempt", -1),
        "ids-unknown": put("ids", "lower"),
        "ids-missing": lambda tree: tree.pop("ids"),
        "caveats-changed": put("caveats", 0, "Every count is exact."),
        "caveats-missing": lambda tree: tree.pop("caveats"),
        "caveats-none": put("caveats", []),
        "caveats-one-more": lambda tree: tree["caveats"].append("Nothing else."),
        "caveats-in-other-order": lambda tree: tree["caveats"].reverse(),
        "neighbours-changed": put("neighbours", "change one buyer"),
        "date-with-time": put("date", "2026-01-31T12:00:00"),
        "date-in-other-digits": put("date", "\u0662\u0660\u0662\u0666-\u0660\u0661-\u0663\u0661"),
        "date-impossible": put("date", "2026-02-30"),
        "ledger-head-short": put("ledger", "head", "0123"),
        "scale-zero": put("tables", 0, "noise", "scale", "0.0"),
        "scale-nan": put("tables", 0, "noise", "scale", "nan"),
        "scale-a-number": put("tables", 0, "noise", "scale", 4),
        "epsilon-zero": put("inquiry", "privacy", "epsilon", "0"),
        "axis-reserved": put("inquiry", "axes", 0, "name", "retailer"),
        "inquiry-format-true": put("inquiry", "format", True),
        "inquiry-names-a-file": put("inquiry", "products", {"file": "/dev/null"}),
        "inquiry-with-empty-sketch": put("inquiry", "sketch", {}),
        "inquiry-with-delta-and-noise": put("inquiry", "privacy", "delta", "0.000001"),
    }
    return {name: ("HEADER", edited(edit)) for name, edit in edits.items()}


def bad_contents() -> dict[str, tuple[str, bytes]]:
    part = {"name": "tables", "length": 0, "sha256": hashlib.sha256(b"").hexdigest()}
    return {
        "inquiry-without-unknown": ("CANONICAL", edited(lambda t: drop_unknown(t["inquiry"]))),
        "inquiry-with-delta": ("CANONICAL", edited(put("inquiry", "privacy", DELTA))),
        "inquiry-lists-products": ("HEADER", edited(put("inquiry", "products", PRODUCTS))),
        "scale-not-shortest": ("CANONICAL", edited(put("tables", 0, "noise", "scale", "4.00"))),
        "scale-without-point": ("CANONICAL", edited(put("tables", 0, "noise", "scale", "4"))),
        "tables-in-other-order": ("TABLES", edited(lambda tree: tree["tables"].reverse())),
        "table-missing": ("TABLES", edited(lambda tree: tree["tables"].pop())),
        "table-twice": ("TABLES", edited(lambda tree: tree["tables"].append(table(())))),
        "cell-missing": ("CELLS", edited(lambda tree: tree["tables"][1]["counts"].pop())),
        "cell-too-many": ("CELLS", edited(lambda tree: tree["tables"][1]["counts"].append(0))),
        "count-of-two-to-the-53": ("RANGE", edited(put("tables", 0, "counts", 0, 2**53))),
        "count-of-minus-two-to-the-53": ("RANGE", edited(put("tables", 0, "counts", 0, -(2**53)))),
        "noise-of-another-law": (
            "NOISE_LAW",
            edited(put("tables", 0, "noise", "law", "discrete-gaussian")),
        ),
        "loss-above-the-declared": (
            "LOSS",
            edited(put("tables", 0, "noise", "scale", "3.9999999999999996")),
        ),
        "part-without-bytes": ("PARTS", edited(put("parts", [part]))),
        "counts-nowhere": ("PARTS", edited(lambda t: [e.update(counts=None) for e in t["tables"]])),
    }


def bad_sketches() -> dict[str, tuple[str, bytes]]:
    """Headers that say another thing of the bitmap than the inquiry does, or of itself."""
    tree = sketched_header(ONE_MAP)
    other = sketch_header(ONE_MAP | {"expected_buyers": 601})["sketch_id"]
    planes, blocks = ({"planes": tree["sketch"]["planes"]}, {"blocks": tree["sketch"]["blocks"]})
    stated = {
        "sketch-id-wrong": put("sketch", "sketch_id", other),
        "sketch-threshold-one-less": put("sketch", "threshold", threshold("1") - 1),
        "sketch-threshold-one-more": put("sketch", "threshold", threshold("1") + 1),
        "sketch-threshold-of-another-epsilon": put("sketch", "threshold", threshold("2")),
        "sketch-rule-wrong": put("sketch", "rule", "id-1"),
        "sketch-size-wrong": put("sketch", "blocks", 0, "log2_bits", 13),
        "sketch-with-a-plane": put("sketch", "planes", ["all"]),
        "sketch-block-named-otherwise": put("sketch", "blocks", 0, "level", "CA"),
        "sketch-asked-and-absent": lambda tree: tree.pop("sketch"),
        "sketch-asked-and-null": put("sketch", None),
    }
    in_planes = {
        "sketch-planes-named-otherwise": put("sketch", "planes", ["e-mail", "others"]),
        "sketch-planes-in-another-order": lambda tree: tree["sketch"]["planes"].reverse(),
        "sketch-planes-not-stated": lambda tree: tree["sketch"].update(planes),
    }
    blocked = {
        "sketch-blocks-in-another-order": lambda tree: tree["sketch"]["blocks"].reverse(),
        "sketch-sizes-of-blocks-exchanged": exchange_sizes,
        "sketch-block-missing": lambda tree: tree["sketch"]["blocks"].pop(),
        "sketch-blocks-not-stated": lambda tree: tree["sketch"].update(blocks),
    }
    agreed = ONE_MAP | {"key_fingerprint": FINGERPRINT[::-1]}
    found = {
        "sketch-of-another-key-than-agreed": sketched(agreed),
        "sketch-that-nobody-asked": edited(lambda tree: tree.update(sketch=sketch_header(ONE_MAP))),
        **{name: sketched(ONE_MAP, edit) for name, edit in stated.items()},
        **{name: sketched(PLANES, edit) for name, edit in in_planes.items()},
        **{name: sketched(BLOCKS, edit) for name, edit in blocked.items()},
    }
    return {name: ("SKETCH", data) for name, data in found.items()}


def exchange_sizes(tree: Tree) -> None:
    first, *_, last = tree["sketch"]["blocks"]
    first["log2_bits"], last["log2_bits"] = last["log2_bits"], first["log2_bits"]


def bad_sketch_parts() -> dict[str, tuple[str, bytes]]:
    """Bits that are not those that the header states, or not as many as the inquiry asks for."""
    tree = sketched_header(ONE_MAP)
    text, raw = canonical(tree), bits(tree["sketch"])
    other, twice = bits(tree["sketch"], first=7), lambda tree: tree["parts"].append(part_of(raw))
    as_tables = put("parts", [part_of(raw, "tables")])
    found = {
        "sketch-part-missing": with_text(text),
        "sketch-part-missing-and-not-stated": with_bits(b""),
        "sketch-part-not-stated": sketched(ONE_MAP, put("parts", [])),
        "sketch-part-stated-twice": sketched(ONE_MAP, twice),
        "sketch-part-there-twice": with_text(
            canonical(tree | {"parts": 2 * [part_of(raw)]}), raw * 2
        ),
        "sketch-part-named-tables": sketched(ONE_MAP, as_tables),
        "sketch-part-of-another-release": with_text(text, other),
        "sketch-part-one-bit-changed": with_text(text, bytes([raw[0] ^ 1]) + raw[1:]),
        "sketch-part-in-the-other-bit-order": with_text(text, reversed_bits(raw)),
        "sketch-part-one-byte-short": with_bits(raw[:-1]),
        "sketch-part-half": with_bits(raw[:256]),
        "sketch-part-one-byte-long": with_bits(raw + b"\0"),
        "sketch-part-of-twice-the-bytes": with_bits(raw + other),
        "sketch-part-that-nobody-asked": edited(put("parts", [part_of(raw)])),
        "sketch-part-that-nobody-asked-there": unasked(raw),
    }
    return {name: ("PARTS", data) for name, data in found.items()}


def reversed_bits(raw: bytes) -> bytes:
    return bytes(int(f"{byte:08b}"[::-1], 2) for byte in raw)


def unasked(raw: bytes) -> bytes:
    return with_text(canonical(header() | {"parts": [part_of(raw)]}), raw)


def bad_sketch_forms() -> dict[str, tuple[str, bytes]]:
    """Fields that no sketch has, or in a form that none has."""
    fields = {
        "sketch-bit-order-big": put("sketch", "bit_order", "big"),
        "sketch-with-popcount": put("sketch", "popcount", 2_048),
        "sketch-with-number-of-keys": put("sketch", "keys", 1_102),
        "sketch-with-time": put("sketch", "created", "2026-01-31T12:00:00"),
        "sketch-with-epsilon": put("sketch", "epsilon", "1"),
        "sketch-format-2": put("sketch", "format", "flip-bitmap-2"),
        "sketch-threshold-true": put("sketch", "threshold", True),
        "sketch-fingerprint-short": put("sketch", "key_fingerprint", FINGERPRINT[1:]),
        "sketch-field-missing": lambda tree: tree["sketch"].pop("threshold"),
        "sketch-caveat-missing": lambda tree: tree["caveats"].pop(),
        "sketch-epsilon-above-8": put("inquiry", "sketch", "epsilon", "8.000000001"),
        "sketch-epsilon-below-a-tenth": put("inquiry", "sketch", "epsilon", "0.099999999"),
        "sketch-of-nobody": put("inquiry", "sketch", "expected_buyers", 0),
        "sketch-blocks-of-contact": put("inquiry", "sketch", BLOCKS | {"blocks": "contact"}),
        "sketch-inquiry-with-unknown-field": put("inquiry", "sketch", "seed", 7),
    }
    spelt = {
        "sketch-epsilon-not-shortest": put("inquiry", "sketch", "epsilon", "1.0"),
        "sketch-table-of-keyed-missing": drop_keyed,
        "sketch-inquiry-with-empty-planes": put("inquiry", "sketch", "planes", []),
        "sketch-inquiry-with-null-blocks": put("inquiry", "sketch", "blocks", None),
    }
    return {
        **{name: ("HEADER", sketched(ONE_MAP, edit)) for name, edit in fields.items()},
        "sketch-caveat-without-sketch": ("HEADER", edited(add_caveat)),
        **{name: ("CANONICAL", sketched(ONE_MAP, edit)) for name, edit in spelt.items()},
        "sketch-null": ("CANONICAL", edited(put("sketch", None))),
    }


def add_caveat(tree: Tree) -> None:
    tree["caveats"].append(SKETCH_CAVEAT)


def drop_keyed(tree: Tree) -> None:
    for tables in (tree["tables"], tree["inquiry"]["tables"]):
        tables[:] = [entry for entry in tables if "keyed" not in entry["of"]]


def drop_unknown(tree: Tree) -> None:
    for axis in tree["axes"]:
        axis["levels"].remove("unknown")


def bad() -> dict[str, tuple[str, bytes]]:
    plain = (bad_containers(), bad_signatures(), bad_json(), bad_headers(), bad_contents())
    kinds = (*plain, bad_sketches(), bad_sketch_parts(), bad_sketch_forms())
    return {name: bad for kind in kinds for name, bad in kind.items()}


def files() -> dict[str, bytes]:
    """Every file of this folder that is made: name -> bytes."""
    codes = {f"bad-{name}.release": code for name, (code, _) in bad().items()}
    return {
        **{f"{name}.release": data for name, data in good().items()},
        **{f"bad-{name}.release": data for name, (_, data) in bad().items()},
        "codes.json": json.dumps(codes, indent=1).encode() + b"\n",
    }


if __name__ == "__main__":
    for made, content in files().items():
        (Path(__file__).parent / made).write_bytes(content)
