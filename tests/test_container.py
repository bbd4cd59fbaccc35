import hashlib
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpnotice import container
from dpnotice.container import MAGIC, MAX_DEPTH, MAX_FILE, MAX_HEADER, pack, unpack, write_once
from dpnotice.errors import ReleaseError

KEYS = st.text(st.characters(min_codepoint=0, max_codepoint=127), max_size=4)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(10**16) + 1, 10**17 - 1)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=9)
)
TREES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3)
)
HEADERS = st.dictionaries(KEYS, TREES, max_size=4)
HEADER = {"counts": [3, -2, 0], "retailer": "sephora", "title": "é"}
GOOD = pack(HEADER, b"\x00\xffraw\n")

PARSING = {"JSON", "NUMBER", "DEPTH", "DUPLICATE_KEY", "CANONICAL"}


def depth(tree: object) -> int:
    if not isinstance(tree, (dict, list)):
        return 0
    children = tree.values() if isinstance(tree, dict) else tree
    return 1 + max(map(depth, children), default=0)


def taken_apart(data: bytes) -> tuple[Any, bytes]:
    found = unpack(data)
    return found.header, bytes(found.raw)


def sealed(body: bytes) -> bytes:
    return body + f"sha256 {hashlib.sha256(body).hexdigest()}\n".encode()


def with_text(text: bytes) -> bytes:
    return sealed(MAGIC + f"{len(text)}\n".encode() + text + b"\n")


def nested(levels: int) -> object:
    tree: object = 0
    for _ in range(levels):
        tree = [tree]
    return tree


def code_of(data: bytes) -> str:
    with pytest.raises(ReleaseError) as refusal:
        unpack(data)
    assert str(refusal.value).startswith(f"{refusal.value.code}: ")
    return refusal.value.code


# --- layout --------------------------------------------------------------------------------
def test_the_layout_is_the_documented_one() -> None:
    text = b'{"counts":[3,-2,0],"retailer":"sephora","title":"\xc3\xa9"}'
    body = b"dpnotice release 1\n%d\n%s\n\x00\xffraw\n" % (len(text), text)
    assert sealed(body) == GOOD


@given(HEADERS.filter(lambda tree: depth(tree) <= MAX_DEPTH), st.binary())
def test_what_is_packed_is_unpacked(tree: dict[str, Any], raw: bytes) -> None:
    assert taken_apart(pack(tree, raw)) == (tree, raw)


@given(st.dictionaries(KEYS, LEAVES, min_size=2))
def test_the_order_of_keys_does_not_change_the_file(tree: dict[str, Any]) -> None:
    assert pack(dict(reversed(tree.items())), b"") == pack(tree, b"")


# --- hostile bytes -------------------------------------------------------------------------
@pytest.mark.parametrize("bit", range(8))
def test_every_flipped_bit_is_refused(bit: int) -> None:
    for place in range(len(GOOD)):
        flipped = bytearray(GOOD)
        flipped[place] ^= 1 << bit
        assert code_of(bytes(flipped)) in {"MAGIC", "VERSION", "INTEGRITY"}


def test_every_truncation_is_refused() -> None:
    for length in range(len(GOOD)):
        assert code_of(GOOD[:length]) in {"MAGIC", "VERSION", "INTEGRITY"}


@given(st.binary(min_size=1))
def test_trailing_bytes_are_refused(more: bytes) -> None:
    assert code_of(GOOD + more) == "INTEGRITY"


@given(st.binary())
def test_any_bytes_are_refused_with_a_code(data: bytes) -> None:
    assert code_of(data) in {"MAGIC", "VERSION", "INTEGRITY"}


@given(st.binary())
def test_any_sealed_bytes_are_refused_with_a_code(data: bytes) -> None:
    assert code_of(sealed(MAGIC + data)) == "LENGTH"


@given(st.binary(min_size=1))
def test_any_header_bytes_end_in_a_tree_or_a_refusal(text: bytes) -> None:
    try:
        tree, _ = taken_apart(with_text(text))
    except ReleaseError as refusal:
        assert refusal.code in PARSING  # noqa: PT017 -- both ends are right
    else:
        assert pack(tree, b"") == with_text(text)


@pytest.mark.parametrize("line", [b"", b"-2", b"+2", b"02", b"2 ", b" 2", b"2\r", b"0x2", b"2_0"])
def test_the_length_must_be_plain_digits(line: bytes) -> None:
    assert code_of(sealed(MAGIC + line + b"\n{}\n")) == "LENGTH"


def test_the_length_of_nothing_is_refused() -> None:
    assert code_of(sealed(MAGIC + b"0\n\n")) == "LENGTH"


def test_superscript_digits_are_no_length() -> None:
    assert code_of(sealed(MAGIC + "²".encode() + b"\n{}\n")) == "LENGTH"


def test_a_header_above_the_limit_is_refused() -> None:
    text = b'"' + b"x" * (MAX_HEADER - 1) + b'"'
    assert code_of(with_text(text)) == "LENGTH"


def test_a_header_at_the_limit_is_read() -> None:
    text = b'"' + b"x" * (MAX_HEADER - 2) + b'"'
    assert taken_apart(with_text(text)) == ("x" * (MAX_HEADER - 2), b"")


def test_a_header_that_cannot_be_read_back_is_not_written() -> None:
    with pytest.raises(ReleaseError, match="header"):
        pack({"levels": "x" * MAX_HEADER}, b"")


def test_bytes_above_the_limit_are_refused() -> None:
    assert code_of(bytes(MAX_FILE + 1)) == "SIZE"


@pytest.mark.parametrize("text", [b"1.0", b"1e2", b"-0.0", b"NaN", b"Infinity", b"-Infinity"])
def test_a_number_that_is_no_integer_is_refused(text: bytes) -> None:
    assert code_of(with_text(b'{"a":' + text + b"}")) == "NUMBER"


@pytest.mark.parametrize("text", [b"9" * 17, b"-" + b"9" * 16])
def test_an_integer_of_17_characters_is_read(text: bytes) -> None:
    assert taken_apart(with_text(text)) == (int(text), b"")


@pytest.mark.parametrize("text", [b"1" * 18, b"-" + b"1" * 17, b"1" * 10_000])
def test_a_longer_integer_is_refused(text: bytes) -> None:
    assert code_of(with_text(text)) == "NUMBER"


def test_a_repeated_key_is_refused_at_any_depth() -> None:
    assert code_of(with_text(b'{"a":[{"b":1,"b":1}]}')) == "DUPLICATE_KEY"


def test_keys_repeated_by_an_escape_are_refused() -> None:
    assert code_of(with_text(b'{"a":1,"\\u0061":2}')) == "DUPLICATE_KEY"


def test_eight_levels_are_read() -> None:
    assert taken_apart(with_text(json.dumps(nested(8)).encode())) == (nested(8), b"")


@pytest.mark.parametrize("levels", [9, 900])
def test_deeper_nesting_is_refused(levels: int) -> None:
    assert code_of(with_text(json.dumps(nested(levels)).encode())) == "DEPTH"


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_nesting_beyond_the_parsers_stack_is_refused(opening: bytes) -> None:
    assert code_of(with_text(opening * 100_000)) == "DEPTH"


@pytest.mark.parametrize(
    "text",
    [b" {}", b"{} ", b'{"b":1,"a":1}', b'{"a": 1}', b'"\\u0041"', b'"\\/"', b"-0", b'"\\ud800"'],
)
def test_other_spellings_of_a_tree_are_refused(text: bytes) -> None:
    assert code_of(with_text(text)) == "CANONICAL"


@pytest.mark.parametrize(
    "text", [b"", b"{", b"{}{}", b"[1,]", b"'a'", b'"\xff"', b"\xef\xbb\xbf{}", b'"\x01"', b"\0{}"]
)
def test_what_is_no_json_in_utf_8_is_refused(text: bytes) -> None:
    assert code_of(with_text(text) if text else sealed(MAGIC + b"1\n \n")) == "JSON"


def test_a_key_beyond_ascii_is_refused() -> None:
    assert code_of(with_text('{"é":1}'.encode())) == "CANONICAL"


# --- writing -------------------------------------------------------------------------------
def test_the_file_is_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        write_once(tmp_path / "a.release", GOOD)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.release").stat().st_mode) == 0o600


def test_writing_the_same_bytes_again_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.release"
    write_once(path, GOOD)
    before = path.stat()
    write_once(path, GOOD)
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_other_bytes_are_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "a.release"
    path.write_bytes(b"mine")
    words = "OUTPUT_EXISTS: 'a.release' exists and is not this release; choose another name"
    with pytest.raises(ReleaseError, match=words):
        write_once(path, GOOD)
    assert path.read_bytes() == b"mine"


def test_a_file_that_appears_meanwhile_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.release"
    path.write_bytes(b"mine")
    monkeypatch.setattr(Path, "exists", lambda _: False)
    with pytest.raises(ReleaseError, match="OUTPUT_EXISTS"):
        write_once(path, GOOD)
    assert path.read_bytes() == b"mine"


def test_a_link_to_nowhere_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "a.release").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ReleaseError, match="OUTPUT_EXISTS"):
        write_once(tmp_path / "a.release", GOOD)
    assert not (tmp_path / "elsewhere").exists()


def test_a_folder_is_not_overwritten(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="OUTPUT_EXISTS"):
        write_once(tmp_path, GOOD)


def test_no_temporary_file_stays(tmp_path: Path) -> None:
    write_once(tmp_path / "a.release", GOOD)
    assert [path.name for path in tmp_path.iterdir()] == ["a.release"]


@pytest.mark.parametrize("step", ["fsync", "link"])
def test_a_failed_write_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(container.os, step, fail)
    with pytest.raises(ReleaseError, match=r"FILE: cannot write 'a.release': No space left"):
        write_once(tmp_path / "a.release", GOOD)
    assert list(tmp_path.iterdir()) == []


def test_a_left_over_temporary_file_does_not_stop_the_write(tmp_path: Path) -> None:
    # In a container every process may be number 1, so the name of a crashed one comes again.
    (tmp_path / f".a.release.{os.getpid()}.tmp").write_bytes(b"from a crash")
    write_once(tmp_path / "a.release", GOOD)
    assert (tmp_path / "a.release").read_bytes() == GOOD


@pytest.mark.parametrize("name", ["missing/a.release", "file/a.release", "x" * 300, "a\0b"])
def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ReleaseError, match="cannot write"):
        write_once(tmp_path / name, GOOD)


@pytest.mark.parametrize("name", ["", ".", "..", "/"])
def test_a_place_without_a_name_is_refused(name: str) -> None:
    with pytest.raises(ReleaseError, match=r"OUTPUT_EXISTS|cannot write"):
        write_once(Path(name), GOOD)


# --- reading from disk ---------------------------------------------------------------------
def test_a_file_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(GOOD)
    assert container.read_file(tmp_path / "a") == GOOD


@pytest.mark.parametrize("name", ["missing", "", "file/inside", "a\0b", "x" * 300, "pipe", "large"])
def test_what_is_no_plain_file_of_bounded_size_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    with (tmp_path / "large").open("wb") as large:
        large.truncate(MAX_FILE + 1)  # sparse
    words = "FILE: .* is not a readable file of at most 96 MiB; check the name"
    with pytest.raises(ReleaseError, match=words):
        container.read_file(tmp_path / name)
