import hashlib
import json
import os
import re
import signal
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpnotice import container
from dpnotice.container import (
    MAGIC,
    MAX_DEPTH,
    MAX_FILE,
    MAX_HEADER,
    MAX_INTEGERS,
    MAX_NODES,
    MAX_STRINGS,
    digest_of,
    pack,
    read_file,
    signature_line,
    unpack,
    write_once,
)
from dpnotice.errors import ReleaseError
from dpnotice.signature import Signature

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
LINE = b"ed25519 " + b"K" * 43 + b"= " + b"v/" * 43 + b"==\n"
SIGNED = GOOD + LINE
"""The container holds a signature's form; what it proves is not the container's to check."""

PARSING = {"JSON", "NUMBER", "DEPTH", "DUPLICATE_KEY", "CANONICAL", "NODES"}


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


# --- the digest and the signature's line ---------------------------------------------------
@given(HEADERS.filter(lambda tree: depth(tree) <= MAX_DEPTH), st.binary())
def test_the_digest_is_that_of_all_before_it(tree: dict[str, Any], raw: bytes) -> None:
    data = pack(tree, raw)
    stated = hashlib.sha256(data[:-72]).hexdigest()
    assert (digest_of(data), unpack(data).digest, unpack(data + LINE).digest) == (stated,) * 3


def test_the_digest_of_a_file_stands_in_its_last_line() -> None:
    assert f"sha256 {digest_of(GOOD)}\n".encode() == GOOD[-72:]


def test_an_unsigned_file_has_no_signature() -> None:
    assert unpack(GOOD).signature is None


def test_a_signed_file_says_the_same_and_who_signed() -> None:
    found, plain = unpack(SIGNED), unpack(GOOD)
    assert (found.header, bytes(found.raw)) == (plain.header, bytes(plain.raw))
    assert found.signature == Signature(key="K" * 43 + "=", value="v/" * 43 + "==")


def test_the_signatures_line_is_the_documented_one() -> None:
    signature = unpack(SIGNED).signature
    assert signature is not None
    assert signature_line(signature) == LINE


@pytest.mark.parametrize("bit", range(8))
def test_every_flipped_bit_of_a_signed_file_is_refused_or_another_signature(bit: int) -> None:
    for place in range(len(SIGNED)):
        flipped = bytearray(SIGNED)
        flipped[place] ^= 1 << bit
        try:
            found = unpack(bytes(flipped))
        except ReleaseError as refusal:
            assert refusal.code in {"MAGIC", "VERSION", "INTEGRITY"}  # noqa: PT017 -- see below
        else:
            assert place >= len(GOOD)
            assert found.signature != unpack(SIGNED).signature


@pytest.mark.parametrize(
    "line",
    [
        LINE[:-1],
        LINE[:-1] + b"\r\n",
        LINE + b"\n",
        b"\n" + LINE,
        LINE * 2,
        LINE.replace(b"ed25519", b"ED25519"),
        LINE.replace(b"ed25519 ", b"ed25519  "),
        LINE.replace(b"= v", b"=\nv"),
        LINE.replace(b"= v", b"v v"),
        LINE.replace(b"==\n", b"=v\n"),
        LINE.replace(b"/", b"_"),
        LINE.replace(b"/", b" ", 1),
        LINE.replace(b"K", b"_", 1),
        LINE.replace(b"K", b"-", 1),
        LINE.replace(b"K", "K".encode("utf-16-le"), 1),
    ],
)
def test_a_signature_written_otherwise_is_refused(line: bytes) -> None:
    assert code_of(GOOD + line) == "INTEGRITY"


def test_a_signature_above_the_digest_is_refused() -> None:
    assert code_of(GOOD[:-72] + LINE + GOOD[-72:]) == "INTEGRITY"


def test_a_signature_under_the_digest_is_part_of_the_raw_bytes() -> None:
    assert bytes(unpack(sealed(GOOD[:-72] + LINE)).raw) == b"\x00\xffraw\n" + LINE


def test_a_signature_alone_is_no_release() -> None:
    assert code_of(LINE) == "MAGIC"
    assert code_of(MAGIC + LINE) == "INTEGRITY"


# --- what a reader bears -------------------------------------------------------------------
def test_the_limits_are_the_documented_ones() -> None:
    assert (MAX_FILE, MAX_HEADER, MAX_DEPTH) == (96 * 2**20, 8 * 2**20, 8)
    assert (MAX_NODES, MAX_INTEGERS, MAX_STRINGS) == (8_192, 270_336, 165_536)


WORDS: list[tuple[bytes | None, str]] = [
    (None, "FILE: a release is read from bytes; use Release.load for a path"),
    (b"PK", "MAGIC: not a dpnotice release"),
    (b"dpnotice release 2\n", "VERSION: of a version that this reader does not know"),
    (
        GOOD + b"\n",
        "INTEGRITY: the file is not what was written: its SHA-256 differs; ask for it again",
    ),
    (sealed(MAGIC + b"x\n{}\n"), "LENGTH: the header's length is not a plain number"),
    (sealed(MAGIC + b"99999999\n{}\n"), "LENGTH: the header's length is not a plain number"),
    (sealed(MAGIC + b"9\n{}\n"), "LENGTH: the header's length does not fit the file"),
    (with_text(b"{"), "JSON: the header is not plain JSON in UTF-8"),
    (with_text(b"1.0"), "NUMBER: the header holds a number that is no integer"),
    (
        with_text(b"1" * 18),
        (
            "NUMBER: the header holds a longer integer than any count, or more of them than fit a "
            "release"
        ),
    ),
    (with_text(b'{"a":1,"a":1}'), "DUPLICATE_KEY: the header repeats a key"),
    (with_text('{"é":1}'.encode()), "CANONICAL: the header has a key beyond ASCII"),
    (with_text(b" {}"), "CANONICAL: the header is not in canonical form"),
    (with_text(b"[" * 9 + b"]" * 9), "DEPTH: the header is nested too deeply"),
    (with_text(b"[" * MAX_NODES), "DEPTH: the header is nested too deeply"),
    (
        with_text(b"[" + b",".join([b"{}"] * MAX_NODES) + b"]"),
        "NODES: the header has more parts than any release has",
    ),
]


@pytest.mark.parametrize(("data", "words"), WORDS, ids=[words for _, words in WORDS])
def test_a_refusal_says_what_is_wrong(data: Any, words: str) -> None:
    with pytest.raises(ReleaseError) as refusal:
        unpack(data)
    assert str(refusal.value) == words


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
    words = "^LENGTH: the header is over 8,388,608 bytes$"
    with pytest.raises(ReleaseError, match=words):
        pack({"levels": "x" * MAX_HEADER}, b"")


def test_a_header_at_the_limit_is_written() -> None:
    header = {"a": "x" * (MAX_HEADER - len('{"a":""}'))}
    assert taken_apart(pack(header, b"")) == (header, b"")


def test_bytes_at_the_limit_are_looked_at() -> None:
    assert code_of(bytes(MAX_FILE)) == "MAGIC"


def test_bytes_above_the_limit_are_refused() -> None:
    with pytest.raises(ReleaseError, match=r"^SIZE: larger than 96 MiB$"):
        unpack(bytes(MAX_FILE + 1))


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
    assert code_of(with_text(opening * MAX_NODES)) == "DEPTH"
    assert code_of(with_text(opening * 100_000)) in {"DEPTH", "NODES"}


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


LARGEST = [b"[" + b",".join([empty] * (MAX_NODES - 1)) + b"]" for empty in (b"{}", b"[]")]


@pytest.mark.parametrize("text", LARGEST, ids=["objects", "lists"])
def test_as_many_objects_and_lists_as_allowed_are_read(text: bytes) -> None:
    assert len(taken_apart(with_text(text))[0]) == MAX_NODES - 1


@pytest.mark.parametrize("text", LARGEST, ids=["objects", "lists"])
@pytest.mark.parametrize("more", [b",{}]", b",[]]"])
def test_one_object_or_list_more_is_refused(text: bytes, more: bytes) -> None:
    assert code_of(with_text(text[:-1] + more)) == "NODES"


@pytest.mark.parametrize(("each", "fitting"), [(b"{},", MAX_NODES), (b"[],", MAX_NODES - 1)])
def test_too_many_objects_or_lists_are_refused_before_all_is_parsed(
    each: bytes, fitting: int
) -> None:
    assert code_of(with_text(b"[" + each * fitting)) == "JSON"
    assert code_of(with_text(b"[" + each * (fitting + 1))) == "NODES"


def test_as_many_lists_as_allowed_are_read_beside_a_bracket_in_a_text() -> None:
    tree = ["[", *[[]] * (MAX_NODES - 1)]
    assert taken_apart(with_text(json.dumps(tree, separators=(",", ":")).encode())) == (tree, b"")


def test_quotes_inside_a_text_are_no_texts() -> None:
    tree = {"a": '"' * (2 * MAX_STRINGS)}
    assert taken_apart(pack(tree, b"")) == (tree, b"")


@pytest.mark.parametrize("each", [b"{}", b"[]", b'{"a":{}}', b"[[]]", b'{"a":[]}'])
def test_far_more_objects_or_lists_are_refused(each: bytes) -> None:
    assert code_of(with_text(b"[" + b",".join([each] * (MAX_NODES + 1)) + b"]")) == "NODES"


@pytest.mark.parametrize("inner", [b"[[[[{}]]]]", b'{"a":{"b":[]}}'])
def test_objects_and_lists_are_counted_at_every_depth(inner: bytes) -> None:
    each = inner.count(b"[") + inner.count(b"{")
    fitting = (MAX_NODES - 1) // each
    assert len(taken_apart(with_text(b"[" + b",".join([inner] * fitting) + b"]"))[0]) == fitting
    assert code_of(with_text(b"[" + b",".join([inner] * (fitting + 1)) + b"]")) == "NODES"


def test_as_many_integers_as_allowed_are_read() -> None:
    text = b"[" + b",".join([b"7"] * MAX_INTEGERS) + b"]"
    assert len(taken_apart(with_text(text))[0]) == MAX_INTEGERS


@pytest.mark.parametrize("more", [b",7]", b",[7]]", b',{"a":-7}]'])
def test_one_integer_more_is_refused_wherever_it_stands(more: bytes) -> None:
    text = b"[" + b",".join([b"7"] * MAX_INTEGERS) + more
    assert code_of(with_text(text)) == "NUMBER"


def test_as_many_texts_as_allowed_are_read() -> None:
    text = b"[" + b",".join([b'""'] * MAX_STRINGS) + b"]"
    assert len(taken_apart(with_text(text))[0]) == MAX_STRINGS


@pytest.mark.parametrize("more", [b',""]', b',"x"]', b',{"a":1}]'])
def test_one_text_more_is_refused(more: bytes) -> None:
    text = b"[" + b",".join([b'""'] * MAX_STRINGS) + more
    assert code_of(with_text(text)) == "NODES"


ODD = st.text('"\\[{],:u', min_size=4, max_size=6)


@settings(max_examples=20)
@given(st.lists(ODD, min_size=50, max_size=50))
def test_brackets_and_quotes_inside_texts_are_no_objects_or_lists(texts: list[str]) -> None:
    tree = {"levels": [*texts * 80, "[" * MAX_NODES, "\\", '"[[[']}
    assert taken_apart(pack(tree, b"")) == (tree, b"")


@settings(max_examples=20)
@given(st.lists(ODD, min_size=50, max_size=50))
def test_lists_between_odd_texts_are_counted(texts: list[str]) -> None:
    each: list[object] = [texts[:2], texts[2:3], []]
    tree = {"levels": each * (MAX_NODES // 3 + 1)}
    assert code_of(pack(tree, b"")) == "NODES"


@pytest.mark.parametrize("data", [None, "text", [1], bytearray(b"x")])
def test_only_bytes_are_taken_apart(data: Any) -> None:
    assert code_of(data) == "FILE"


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b"{}", b"[],", b"1,", b'"",'])
def test_a_header_full_of_one_thing_is_refused_within_seconds(opening: bytes) -> None:
    content = b"[" + opening * ((MAX_HEADER - 2) // len(opening))
    with_alarm(5, lambda: code_of(with_text(content)))


def with_alarm(seconds: int, call: Callable[[], object]) -> None:
    def stop(*_: object) -> None:
        pytest.fail(f"not within {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        call()
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


LONG = [[(before + "[") * (MAX_NODES + 1)] for before in ('"', "\\", '\\"', "\\\n", "\n")]


@pytest.mark.parametrize("levels", LONG)
def test_brackets_behind_escapes_are_no_lists(levels: list[str]) -> None:
    assert taken_apart(pack({"levels": levels}, b"")) == ({"levels": levels}, b"")


@pytest.mark.parametrize("end", [b"", b"\\", b"\\\n", b'\\\n"]'])
def test_a_text_without_an_end_is_passed_once(end: bytes) -> None:
    """Searched anew from each of its quotes, it would take hours."""
    text = b'["' + b'\\"[' * 100_000 + end
    with_alarm(2, lambda: code_of(with_text(text)))
    assert code_of(with_text(text)) == "JSON"


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


def test_writing_the_same_bytes_again_makes_no_other_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_once(tmp_path / "a.release", GOOD)
    monkeypatch.setattr(container.tempfile, "mkstemp", pytest.fail)
    write_once(tmp_path / "a.release", GOOD)


def test_the_bytes_are_first_written_beside_the_file_under_a_hidden_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hard link reaches no other file system, and a crash leaves nothing like a release."""
    linked: list[Path] = []
    link = os.link

    def note(source: Path, target: Path) -> None:
        linked.append(Path(source))
        link(source, target)

    monkeypatch.setattr(container.os, "link", note)
    write_once(tmp_path / "a.release", GOOD)
    assert [path.parent for path in linked] == [tmp_path]
    assert re.fullmatch(r"\.[a-z0-9_]+\.tmp", linked[0].name)


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


@pytest.mark.parametrize("meanwhile", [GOOD, b"mine"])
def test_what_another_process_saved_meanwhile_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, meanwhile: bytes
) -> None:
    path = tmp_path / "a.release"

    def overtaken(_source: object, target: Path) -> None:
        target.write_bytes(meanwhile)
        raise FileExistsError

    monkeypatch.setattr(container.os, "link", overtaken)
    if meanwhile == GOOD:
        write_once(path, GOOD)
    else:
        with pytest.raises(ReleaseError, match="OUTPUT_EXISTS"):
            write_once(path, GOOD)
    assert (path.read_bytes(), list(tmp_path.iterdir())) == (meanwhile, [path])


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


def test_the_refusal_of_a_name_that_no_file_can_have_says_why(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match=r"^FILE: cannot write 'a\\x00b': embedded null byte$"):
        write_once(tmp_path / "a\0b", GOOD)


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
    words = (
        "^FILE: .* is not a readable file of at most 96 MiB; check the name, or ask the retailer "
        "for the release itself$"
    )
    with pytest.raises(ReleaseError, match=words):
        with_alarm(5, lambda: read_file(tmp_path / name))


def test_a_file_at_the_limit_is_read(tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as large:
        large.truncate(MAX_FILE)  # sparse
    assert len(read_file(tmp_path / "large")) == MAX_FILE


def test_a_file_is_read_where_no_open_can_be_told_not_to_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(container.os, "O_NONBLOCK")
    (tmp_path / "a").write_bytes(GOOD)
    assert read_file(tmp_path / "a") == GOOD


def test_hardly_more_than_the_limit_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / "large").open("wb") as large:
        large.truncate(4 * MAX_FILE)  # sparse
    kept: list[int] = []
    opened = os.open

    def note(path: str, flags: int) -> int:
        handle = opened(path, flags)
        kept.append(os.dup(handle))  # it keeps the place up to which the file was read
        return handle

    monkeypatch.setattr(container.os, "open", note)
    with pytest.raises(ReleaseError, match="FILE"):
        read_file(tmp_path / "large")
    read = os.lseek(kept[0], 0, os.SEEK_CUR)
    os.close(kept[0])
    assert MAX_FILE < read < MAX_FILE + 2**20


def test_a_link_to_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(GOOD)
    (tmp_path / "b").symlink_to("a")
    assert read_file(tmp_path / "b") == GOOD


@pytest.mark.parametrize("name", ["/dev/zero", "/dev/null", "/dev/tty", "/proc/self/mem", "/"])
def test_devices_and_folders_are_refused(name: str) -> None:
    with pytest.raises(ReleaseError, match="FILE"):
        read_file(Path(name))


def test_a_pipe_with_a_writer_is_refused_and_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    handle = os.open(tmp_path / "pipe", os.O_RDWR)
    try:
        os.write(handle, GOOD)
        with pytest.raises(ReleaseError, match="FILE"):
            read_file(tmp_path / "pipe")
        assert os.read(handle, len(GOOD)) == GOOD
    finally:
        os.close(handle)


def test_a_socket_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's name is short
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("s")
        with pytest.raises(ReleaseError, match="FILE"):
            read_file(Path("s"))


@pytest.mark.parametrize("kind", ["file", "folder", "pipe", "large"])
def test_nothing_stays_open(tmp_path: Path, kind: str) -> None:
    (tmp_path / "file").write_bytes(GOOD)
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with (tmp_path / "large").open("wb") as large:
        large.truncate(MAX_FILE + 1)
    before = sorted(os.listdir("/proc/self/fd"))  # noqa: PTH208 -- names suffice
    try:
        with_alarm(5, lambda: read_file(tmp_path / kind))
    except ReleaseError as refusal:
        assert refusal.code == "FILE"  # noqa: PT017 -- what is no file is refused
    assert sorted(os.listdir("/proc/self/fd")) == before  # noqa: PTH208 -- the same
