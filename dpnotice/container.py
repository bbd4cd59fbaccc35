"""The container of a release: bytes on one side, canonical JSON and raw parts on the other.

In: a tree of plain JSON types and raw bytes, or a file from anyone. Out: the file, or the tree, the
bytes and the signature, or a `ReleaseError`; nothing else, whatever the bytes are. Layout: a magic
line, the header's length, the header, the raw bytes, SHA-256 over everything before, and a line
with an Ed25519 signature where there is one.
"""

import hashlib
import json
import os
import re
import stat
import tempfile
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Final

from dpnotice.errors import ReleaseError
from dpnotice.inquiry import MAX_HEADER, MAX_JSON_CELLS
from dpnotice.segments import MAX_LEVELS
from dpnotice.signature import Signature

MAGIC: Final = b"dpnotice release 1\n"
MAX_FILE: Final = 96 * 2**20
MAX_DEPTH: Final = 8
MAX_NODES: Final = 2**13
"""Objects, and lists, in a header; 1,000 tables need some five thousand of each."""
MAX_INTEGERS: Final = MAX_JSON_CELLS + MAX_NODES
MAX_STRINGS: Final = MAX_LEVELS + 2**16
_INTEGER_TEXT: Final = 17
"""Characters of the longest count, -2^53."""
_DIGEST_LINE: Final = len(b"sha256 \n") + 64
_STRING: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
"""A JSON string, or what is left of one: every quote is passed once, whatever the bytes are."""
_SIGNATURE: Final = re.compile(rb"ed25519 ([A-Za-z0-9+/]{43}=) ([A-Za-z0-9+/]{86}==)\n")
_SIGNATURE_LINE: Final = len(b"ed25519  \n") + 44 + 88


# --- writing -------------------------------------------------------------------------------
def pack(header: dict[str, Any], raw: bytes) -> bytes:
    """Return the unsigned file that holds a header and raw bytes; equal inputs, equal files."""
    text = _canonical(header)
    if len(text) > MAX_HEADER:
        raise ReleaseError(f"the header is over {MAX_HEADER:,} bytes", code="LENGTH")
    body = MAGIC + f"{len(text)}\n".encode() + text + b"\n" + raw
    return body + f"sha256 {hashlib.sha256(body).hexdigest()}\n".encode()


def digest_of(unsigned: bytes) -> str:
    """Return the digest that an unsigned file states of itself, 64 hex digits."""
    return unsigned[-65:-1].decode()


def signature_line(signature: Signature) -> bytes:
    """Return the line that a signed file ends with."""
    return f"ed25519 {signature.key} {signature.value}\n".encode()


def _canonical(content: object) -> bytes:
    """RFC 8785 form of a tree without floats and with ASCII keys."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode()


def write_once(path: Path, data: bytes) -> None:
    """Write through a private temporary file and a hard link, which never overwrites."""
    temporary = None
    try:
        if not _holds(path, data):
            handle, temporary = tempfile.mkstemp(prefix=".", suffix=".tmp", dir=path.parent)
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            _link(Path(temporary), path, data)
        _sync_folder(path.parent)  # also of a file that a crash left before it was synced
    except (OSError, ValueError) as refusal:
        words = getattr(refusal, "strerror", refusal)
        raise ReleaseError(f"cannot write {path.name!a}: {words}", code="FILE") from None
    finally:
        if temporary is not None:
            Path(temporary).unlink()


def _holds(path: Path, data: bytes) -> bool:
    return path.is_file() and path.read_bytes() == data


def _link(temporary: Path, path: Path, data: bytes) -> None:
    try:
        os.link(temporary, path)
    except FileExistsError:
        if not _holds(path, data):  # another process may have saved the same release
            raise ReleaseError(
                f"{path.name!a} exists and is not this release; choose another name",
                code="OUTPUT_EXISTS",
            ) from None


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


# --- reading hostile bytes -----------------------------------------------------------------
@dataclass(frozen=True, slots=True, kw_only=True)
class Unpacked:
    """A file taken apart, its digest checked and its signature not.

    Attributes:
        header: JSON types without floats.
        raw: the bytes that follow the header.
        digest: SHA-256 of all before the digest, hex.
        signature: the line after the digest, where there is one.
    """

    header: Any
    raw: memoryview
    digest: str
    signature: Signature | None


def unpack(data: bytes) -> Unpacked:
    """Take a whole file of any origin apart.

    Raises:
        ReleaseError: with a code, for whatever is not exactly such a file.
    """
    if not isinstance(data, bytes):
        raise ReleaseError("a release is read from bytes; use Release.load for a path", code="FILE")
    if len(data) > MAX_FILE:
        raise ReleaseError(f"larger than {MAX_FILE // 2**20} MiB", code="SIZE")
    if not data.startswith(MAGIC):
        known = data.startswith(b"dpnotice release ")
        raise ReleaseError(
            "of a version that this reader does not know" if known else "not a dpnotice release",
            code="VERSION" if known else "MAGIC",
        )
    signed = _SIGNATURE.fullmatch(data[-_SIGNATURE_LINE:])
    body, digest = _body(memoryview(data)[: -_SIGNATURE_LINE if signed else None])
    text, raw = _parts(body)
    return Unpacked(
        header=_parse(text),
        raw=raw,
        digest=digest,
        signature=signed and Signature(key=signed[1].decode(), value=signed[2].decode()),
    )


def read_file(path: Path) -> bytes:
    """Return the bytes of a regular file of bounded size; a pipe or a device is not waited for.

    Raises:
        ReleaseError: ``FILE``.
    """
    try:
        with open(path, "rb", opener=_at_once) as file:
            regular = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
            data = file.read(MAX_FILE + 1) if regular else None
        if data is not None and len(data) <= MAX_FILE:
            return data
    except (OSError, ValueError):
        pass  # refused below in the same words
    raise ReleaseError(
        f"{path.name!a} is not a readable file of at most {MAX_FILE // 2**20} MiB; "
        "check the name, or ask the retailer for the release itself",
        code="FILE",
    )


def _at_once(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _body(unsigned: memoryview) -> tuple[memoryview, str]:
    """Check the digest; return what it covers, behind the magic line, and the digest."""
    body, line = unsigned[:-_DIGEST_LINE], unsigned[-_DIGEST_LINE:]
    digest = hashlib.sha256(body).hexdigest()
    if line != f"sha256 {digest}\n".encode():
        raise ReleaseError(
            "the file is not what was written: its SHA-256 differs; ask for it again",
            code="INTEGRITY",
        )
    return body[len(MAGIC) :], digest


def _parts(body: memoryview) -> tuple[bytes, memoryview]:
    """Return the header's text and the raw bytes, by the length stated before them."""
    most = len(str(MAX_HEADER))
    line, newline, _ = body[: most + 1].tobytes().partition(b"\n")
    if not newline or not line.isdigit() or line.startswith(b"0"):
        raise ReleaseError("the header's length is not a plain number", code="LENGTH")
    end = len(line) + 1 + int(line)
    if int(line) > MAX_HEADER or body[end : end + 1].tobytes() != b"\n":
        raise ReleaseError("the header's length does not fit the file", code="LENGTH")
    return body[len(line) + 1 : end].tobytes(), body[end + 1 :]


def _parse(text: bytes) -> Any:
    """Parse canonical JSON strictly: no floats, no repeated keys, bounded depth, same bytes."""
    _check_width(text)
    integers, objects = count(), count()
    try:
        tree = json.loads(
            text.decode(),
            parse_float=_refuse,
            parse_constant=_refuse,
            parse_int=lambda digits: _short_int(digits, next(integers)),
            object_pairs_hook=lambda pairs: _unique(pairs, next(objects)),
        )
    except RecursionError:
        raise ReleaseError("the header is nested too deeply", code="DEPTH") from None
    except ValueError:
        raise ReleaseError("the header is not plain JSON in UTF-8", code="JSON") from None
    _check_shape(tree)
    try:
        same = _canonical(tree) == text
    except UnicodeEncodeError:  # a lone surrogate, written as an escape
        same = False
    if not same:
        raise ReleaseError("the header is not in canonical form", code="CANONICAL")
    return tree


def _refuse(_text: str) -> None:
    raise ReleaseError("the header holds a number that is no integer", code="NUMBER")


def _short_int(text: str, before: int) -> int:
    if len(text) > _INTEGER_TEXT or before >= MAX_INTEGERS:
        raise ReleaseError(
            "the header holds a longer integer than any count, or more of them than fit a release",
            code="NUMBER",
        )
    return int(text)


def _unique(pairs: list[tuple[str, Any]], before: int) -> dict[str, Any]:
    content = dict(pairs)
    if not all(key.isascii() for key in content):
        raise ReleaseError("the header has a key beyond ASCII", code="CANONICAL")
    if len(content) < len(pairs):
        raise ReleaseError("the header repeats a key", code="DUPLICATE_KEY")
    if before >= MAX_NODES:
        raise _too_many()
    return content


def _too_many() -> ReleaseError:
    return ReleaseError("the header has more parts than any release has", code="NODES")


def _check_width(text: bytes) -> None:
    """Refuse before parsing what would take more time and memory than any release."""
    if text.count(b'"') - text.count(b'\\"') > 2 * MAX_STRINGS:
        raise _too_many()
    # Brackets may stand inside the texts of levels: look closer only where there are many.
    if text.count(b"[") > MAX_NODES and _STRING.sub(b"", text).count(b"[") > MAX_NODES:
        raise _too_many()


def _check_shape(tree: Any) -> None:
    """Refuse a tree that is deep or wide, level by level and without recursion."""
    level, nodes = [tree], 0
    for _ in range(MAX_DEPTH + 1):
        level = [node for node in level if isinstance(node, (dict, list))]
        nodes += len(level)
        if nodes > MAX_NODES:
            raise _too_many()
        if not level:
            return
        level = [c for node in level for c in (node.values() if isinstance(node, dict) else node)]
    raise ReleaseError("the header is nested too deeply", code="DEPTH")
