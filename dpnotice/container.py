"""The container of a release: bytes on one side, canonical JSON and raw parts on the other.

In: a tree of plain JSON types and raw bytes, or a file from anyone. Out: the file, or the tree and
the bytes, or a `ReleaseError`; nothing else, whatever the bytes are. Layout: a magic line, the
header's length, the header, the raw bytes, SHA-256 over everything before.
"""

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any, Final

from dpnotice.errors import ReleaseError
from dpnotice.inquiry import MAX_HEADER

MAGIC: Final = b"dpnotice release 1\n"
MAX_FILE: Final = 96 * 2**20
MAX_DEPTH: Final = 8
_INTEGER_TEXT: Final = 17
"""Characters of the longest count, -2^53."""
_TRAILER: Final = len(b"sha256 \n") + 64


# --- writing -------------------------------------------------------------------------------
def pack(header: dict[str, Any], raw: bytes) -> bytes:
    """Return the file that holds a header and raw bytes; equal inputs give equal files."""
    text = _canonical(header)
    if len(text) > MAX_HEADER:
        raise ReleaseError(f"the header is over {MAX_HEADER:,} bytes", code="LENGTH")
    body = MAGIC + f"{len(text)}\n".encode() + text + b"\n" + raw
    return body + f"sha256 {hashlib.sha256(body).hexdigest()}\n".encode()


def _canonical(content: object) -> bytes:
    """RFC 8785 form of a tree without floats and with ASCII keys."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8")


def write_once(path: Path, data: bytes) -> None:
    """Write through a private temporary file and a hard link, which never overwrites."""
    temporary = None
    try:
        if path.is_file() and path.read_bytes() == data:
            return
        handle, temporary = tempfile.mkstemp(prefix=".", suffix=".tmp", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.link(temporary, path)
        _sync_folder(path.parent)
    except FileExistsError:
        raise ReleaseError(
            f"{path.name!a} exists and is not this release; choose another name",
            code="OUTPUT_EXISTS",
        ) from None
    except (OSError, ValueError) as refusal:
        words = getattr(refusal, "strerror", refusal)
        raise ReleaseError(f"cannot write {path.name!a}: {words}", code="FILE") from None
    finally:
        if temporary is not None:
            Path(temporary).unlink()


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


# --- reading hostile bytes -----------------------------------------------------------------
def unpack(data: bytes) -> tuple[Any, bytes]:
    """Return the header's tree and the raw bytes behind it.

    Args:
        data: a whole file, of any origin.

    Returns:
        JSON types without floats, and the bytes that follow the header.

    Raises:
        ReleaseError: with a code, for whatever is not exactly such a file.
    """
    if not isinstance(data, bytes):
        raise ReleaseError("a release is read from bytes; use Release.load for a path", code="FILE")
    text, raw = _open(data)
    return _parse(text), raw


def read_file(path: Path) -> bytes:
    """Return the bytes of a regular file of bounded size.

    Raises:
        ReleaseError: ``FILE``.
    """
    try:
        if path.is_file() and path.stat().st_size <= MAX_FILE:
            return path.read_bytes()
    except (OSError, ValueError):
        pass  # refused below in the same words
    raise ReleaseError(
        f"{path.name!a} is not a readable file of at most {MAX_FILE // 2**20} MiB; "
        "check the name, or ask the retailer for the release itself",
        code="FILE",
    )


def _open(data: bytes) -> tuple[bytes, bytes]:
    """Check magic, digest and lengths; return the header's text and the parts' bytes."""
    if len(data) > MAX_FILE:
        raise ReleaseError(f"larger than {MAX_FILE // 2**20} MiB", code="SIZE")
    if not data.startswith(MAGIC):
        known = data.startswith(b"dpnotice release ")
        raise ReleaseError(
            "of a version that this reader does not know" if known else "not a dpnotice release",
            code="VERSION" if known else "MAGIC",
        )
    body, trailer = data[:-_TRAILER], data[-_TRAILER:]
    if trailer != f"sha256 {hashlib.sha256(body).hexdigest()}\n".encode():
        raise ReleaseError(
            "the file is not what was written: its SHA-256 differs; ask for it again",
            code="INTEGRITY",
        )
    line, newline, rest = body[len(MAGIC) :].partition(b"\n")
    if (
        not newline
        or not line.isdigit()
        or len(line) > len(str(MAX_HEADER))
        or line.startswith(b"0")
    ):
        raise ReleaseError("the header's length is not a plain number", code="LENGTH")
    length = int(line)
    if length > MAX_HEADER or rest[length : length + 1] != b"\n":
        raise ReleaseError("the header's length does not fit the file", code="LENGTH")
    return rest[:length], rest[length + 1 :]


def _parse(text: bytes) -> Any:
    """Parse canonical JSON strictly: no floats, no repeated keys, bounded depth, same bytes."""
    try:
        tree = json.loads(
            text.decode("utf-8"),
            parse_float=_refuse,
            parse_constant=_refuse,
            parse_int=_short_int,
            object_pairs_hook=_unique,
        )
    except RecursionError:
        raise ReleaseError("the header is nested too deeply", code="DEPTH") from None
    except ValueError:
        raise ReleaseError("the header is not plain JSON in UTF-8", code="JSON") from None
    _check_depth(tree, MAX_DEPTH)
    try:
        same = _canonical(tree) == text
    except UnicodeEncodeError:  # a lone surrogate, written as an escape
        same = False
    if not same:
        raise ReleaseError("the header is not in canonical form", code="CANONICAL")
    return tree


def _refuse(_text: str) -> None:
    raise ReleaseError("the header holds a number that is no integer", code="NUMBER")


def _short_int(text: str) -> int:
    if len(text) > _INTEGER_TEXT:
        raise ReleaseError("the header holds a longer integer than any count", code="NUMBER")
    return int(text)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if not all(key.isascii() for key in content):
        raise ReleaseError("the header has a key beyond ASCII", code="CANONICAL")
    if len(content) < len(pairs):
        raise ReleaseError("the header repeats a key", code="DUPLICATE_KEY")
    return content


def _check_depth(tree: object, left: int) -> None:
    if not isinstance(tree, (dict, list)):
        return
    if left == 0:
        raise ReleaseError("the header is nested too deeply", code="DEPTH")
    for child in tree.values() if isinstance(tree, dict) else tree:
        _check_depth(child, left - 1)
