"""Good release files, and ways to spoil them.

In: a generator of random numbers. Out: files of many shapes; the same with bytes, or parts of the
header's tree, changed, cut, repeated or swapped, and sealed again so that the digest hides nothing.
"""

import hashlib
import json
import random
from collections.abc import Callable
from copy import deepcopy
from typing import Any, Final

import numpy as np

from dpnotice.bitmap import Sketch, SketchPlan
from dpnotice.inquiry import MAX_JSON_CELLS
from made.releases import Names, matter, release

TRAILER: Final = 72
LEVELS: Final = ["CA", "NY", 'quote " and \\', "päckchen", "[{,:]}", "=1+1", "\U0001f9f4" * 9]
VALUES: Final = (
    *(
        None,
        True,
        False,
        0,
        1,
        -1,
        2**53,
        -(2**53),
        10**16,
        "",
        "0",
        "unknown",
        "4.0",
        "nan",
        "1e9",
    ),
    *("inf", "-0.0", "é", "\u2028", "\x1b[31m", "../x", "9" * 40, [], {}, [[]], [{}], {"a": 1}),
    *(["state"], ["state", "state"], "discrete-gaussian", "2026-02-30", "A" * 70, "\ud800"),
)
"""What stands in for any part of a header."""


# --- good files ------------------------------------------------------------------------------
def good_files(number: int = 20) -> list[bytes]:
    """Files of many shapes: both laws, one to five axes, the last one with its counts apart.

    Every fourth has a sketch, now of one map, now of blocks and planes.
    """
    return [_good(random.Random(seed), seed).to_bytes() for seed in range(number - 1)] + [  # noqa: S311 -- shapes, no secrets
        large_file()
    ]


def _good(rng: random.Random, number: int) -> Any:
    axes = {name: rng.sample(LEVELS, rng.randint(1, 4)) for name in "abcde"[: rng.randint(1, 4)]}
    section = _section(axes, many=number % 8 == 7) if number % 4 == 3 else None
    subsets: list[list[str]] = [[], *([name] for name in axes), [*axes]]
    of = [
        list(names)
        for names in dict.fromkeys(map(tuple, rng.sample(subsets, k=rng.randint(1, len(subsets)))))
    ]
    gaussian = rng.random() < 0.5
    privacy = {"rho": "0.5", "noise": "discrete-gaussian"} if gaussian else {"epsilon": "1"}
    sketch = {} if section is None else {"sketch": section}
    asked = matter(axes=axes, tables=[{"of": names} for names in of], privacy=privacy, **sketch)
    counts: dict[Names, Any] = {
        names: np.array([rng.randint(-50, 10**6) for _ in range(asked.cells(names))]).reshape(
            asked.shape(names)
        )
        for names in asked.tables
    }
    made = None if asked.sketch is None else _bitmap(asked.sketch, rng)
    return release(asked, counts, 16.0, attempt=rng.randint(0, 2), sketch=made)


def _section(axes: dict[str, list[str]], *, many: bool) -> dict[str, Any]:
    """Ask for a sketch; of many maps after adding the axis that planes divide."""
    section = {"epsilon": "1", "key": "email", "expected_buyers": 1}
    if not many:
        return section
    axes["contact"] = ["email", "post"]
    blocks = {"blocks": "a", "expected_by": [1] * (len(axes["a"]) + 1)}
    return section | blocks | {"planes": {"email": ["email"], "other": ["post"]}}


def _bitmap(plan: SketchPlan, rng: random.Random) -> Sketch:
    return Sketch(plan=plan, key_fingerprint="0" * 16, bits=rng.randbytes(plan.bytes))


def large_file() -> bytes:
    """Return a file with more cells than a header may hold."""
    side = [str(number) for number in range(512)]
    asked = matter(axes={"zip": side, "age": side}, tables=[{"of": ["zip", "age"]}])
    shape = asked.shape(("zip", "age"))
    assert np.prod(shape) > MAX_JSON_CELLS
    return release(asked, {("zip", "age"): np.full(shape, -3)}, 16.0).to_bytes()


# --- spoiling them -----------------------------------------------------------------------------
def sealed(body: bytes) -> bytes:
    return body + f"sha256 {hashlib.sha256(body).hexdigest()}\n".encode()


def spoilt(good: bytes, rng: random.Random) -> bytes:
    """Change, cut, repeat or insert a few bytes."""
    data = good
    while data == good:
        data = _spoilt(data, rng)
    return data


def _spoilt(data: bytes, rng: random.Random) -> bytes:
    for _ in range(rng.choice([1, 1, 1, 2, 5])):
        place, end = rng.randrange(len(data) + 1), rng.randrange(1, 20)
        piece = rng.choice(
            [
                rng.randbytes(rng.randrange(1, 6)),
                bytes([rng.choice(b'"\\{}[],:0123456789-+.eE \n\r\t\0')]),
                data[place : place + end],
                b"",
            ]
        )
        data = data[:place] + piece + data[place + rng.choice([0, len(piece), end]) :]
    return data


def raw_bytes(good: bytes, rng: random.Random) -> bytes:
    return spoilt(good, rng)


def resealed_bytes(good: bytes, rng: random.Random) -> bytes:
    return sealed(spoilt(good[:-TRAILER], rng))


def resealed_header(good: bytes, rng: random.Random) -> bytes:
    """Spoil the header's text and state its true length."""
    magic, text, raw = taken_apart(good)
    return packed(magic, spoilt(text, rng), raw)


def resealed_tree(good: bytes, rng: random.Random) -> bytes:
    """Change parts of the tree; written in canonical form but for one file in ten."""
    magic, text, raw = taken_apart(good)
    tree = json.loads(text)
    for _ in range(rng.choice([1, 1, 2, 3])):
        change(tree, rng)
    canonical = rng.random() < 0.9
    form: dict[str, Any] = {"sort_keys": True, "separators": (",", ":")} if canonical else {}
    written = json.dumps(tree, ensure_ascii=rng.random() < 0.05, **form)
    return packed(magic, written.encode("utf-8", "surrogatepass"), raw)


def taken_apart(good: bytes) -> tuple[bytes, bytes, bytes]:
    magic, length, rest = good[:-TRAILER].split(b"\n", 2)
    return magic, rest[: int(length)], rest[int(length) + 1 :]


def packed(magic: bytes, text: bytes, raw: bytes) -> bytes:
    return sealed(magic + b"\n%d\n" % len(text) + text + b"\n" + raw)


def change(tree: Any, rng: random.Random) -> None:
    """Replace, remove, repeat or move one node of a tree, in place."""
    parent, key = rng.choice(places(tree))
    what = rng.randrange(5)
    if what == 0:
        parent[key] = deepcopy(rng.choice(VALUES))
    elif what == 1:
        del parent[key]
    elif what == 2:
        other, there = rng.choice(places(tree))
        parent[key] = deepcopy(other[there])
    elif what == 3 and isinstance(parent, list):
        parent.insert(key, deepcopy(parent[key]))
    elif isinstance(parent[key], int):
        parent[key] += rng.choice([-1, 1, 2**40, -(2**53)])
    else:
        parent[key] = f"{parent[key]}{rng.choice(['0', ' ', '.0', 'x'])}"


def places(tree: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) of a tree, but not each of many thousand levels."""
    keys = list(tree)[:40] if isinstance(tree, dict) else range(min(40, len(tree)))
    found = [(tree, key) for key in keys]
    inner = [child for parent, key in found if isinstance(child := parent[key], (dict, list))]
    return found + [place for child in inner for place in places(child)] or [(["x"], 0)]


GOOD_HEADER: Final = taken_apart(good_files(2)[0])[1]
MUTATORS: Final[dict[str, Callable[[bytes, random.Random], bytes]]] = {
    "bytes": raw_bytes,
    "bytes, sealed again": resealed_bytes,
    "header's text, sealed again": resealed_header,
    "header's tree, sealed again": resealed_tree,
}
