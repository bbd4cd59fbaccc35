"""Release files made to cost their reader the most time and memory.

Out: files under every limit on size, each of one kind of content that is cheap to write and dear to
read, and the largest honest ones.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from dpnotice.container import MAGIC, MAX_FILE
from dpnotice.inquiry import MAX_HEADER
from dpnotice.segments import MAX_LEVELS
from made.mutants import GOOD_HEADER, packed, sealed
from made.releases import matter, release


def repeated(unit: bytes) -> bytes:
    """Return a header that is one list of equal things."""
    return with_text(b"[" + b",".join([unit] * ((MAX_HEADER - 2) // (len(unit) + 1))) + b"]")


def with_text(text: bytes, raw: bytes = b"") -> bytes:
    return packed(MAGIC[:-1], text, raw)


def with_field(**fields: Any) -> bytes:
    tree = {**json.loads(GOOD_HEADER), **fields}
    text = json.dumps(tree, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return with_text(text.encode())


def honest(axes: dict[str, list[str]]) -> bytes:
    asked = matter(axes=axes, tables=[{"of": [*axes]}])
    (of,) = asked.tables
    return release(asked, {of: np.full(asked.shape(of), -(2**53) + 1)}, 16.0).to_bytes()


def numbered(number: int) -> list[str]:
    return [str(n) for n in range(number)]


HEAVY: Final[dict[str, Callable[[], bytes]]] = {
    "empty lists": lambda: repeated(b"[]"),
    "empty objects": lambda: repeated(b"{}"),
    "small objects": lambda: repeated(b'{"a":0}'),
    "integers": lambda: repeated(b"0"),
    "empty texts": lambda: repeated(b'""'),
    "texts of a bracket": lambda: repeated(b'"["'),
    "texts of many brackets": lambda: repeated(b'"' + b"[" * 60 + b'"'),
    "backslashes": lambda: repeated(b'"\\\\"'),
    "an open text of quotes": lambda: with_text(
        b"[" * 20_000 + b'"' + b'\\"' * (MAX_HEADER // 2 - 20_000)
    ),
    "one integer": lambda: with_text(b"1" * MAX_HEADER),
    "one text": lambda: with_text(b'"' + "\U0001f9f4".encode() * (MAX_HEADER // 4 - 1) + b'"'),
    "levels": lambda: with_field(inquiry={"axes": [{"levels": numbered(900_000), "name": "a"}]}),
    "versions": lambda: with_field(versions=dict.fromkeys(numbered(500000), "a")),
    "a long name": lambda: with_field(retailer="a." * 4_000_000),
    "raw bytes that nobody announced": lambda: with_text(GOOD_HEADER, bytes(MAX_FILE - 5_000)),
    "zeros that nobody sealed": lambda: MAGIC + bytes(MAX_FILE - len(MAGIC)),
    "zeros, sealed": lambda: sealed(MAGIC + bytes(MAX_FILE - 200)),
    "an honest million": lambda: honest({"zip": numbered(999), "age": numbered(999)}),
    "an honest header of counts": lambda: honest({"zip": numbered(511), "age": numbered(511)}),
    "honest levels": lambda: honest({"zip": [f"{n:058d}" for n in range(MAX_LEVELS - 1)]}),
}

READER: Final = """
import sys, time
from pathlib import Path
from dpnotice.errors import ReleaseError
from dpnotice.release import Release
began = time.perf_counter()
try:
    Release.load(sys.argv[1])
    code = "release"
except ReleaseError as refusal:
    code = refusal.code
seconds = time.perf_counter() - began
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line)
print(code, seconds, int(peak.split()[1]) // 1024)
"""


def readings() -> Iterator[tuple[str, int, str, float, int]]:
    """Read each file in a fresh process: name, bytes, end, seconds, peak of memory in MiB."""
    with tempfile.TemporaryDirectory() as folder:
        for name, make in HEAVY.items():
            path = Path(folder) / "heavy.release"
            size = path.write_bytes(make())
            command = [sys.executable, "-c", READER, str(path)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            code, seconds, memory = done.stdout.split()
            yield name, size, code, float(seconds), int(memory)
