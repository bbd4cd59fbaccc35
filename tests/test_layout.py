"""What a file states of its tables and its bitmap, and what is made of it again."""

import dataclasses
import hashlib
import json
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpnotice import layout
from dpnotice.bitmap import Sketch
from dpnotice.errors import InquiryError, ReleaseError
from dpnotice.header import CAVEATS, SKETCH_CAVEAT, Header
from dpnotice.inquiry import MAX_BLOCKS, MAX_JSON_CELLS
from dpnotice.layout import NoisyTable
from dpnotice.privacy import Noise, NoiseLaw
from dpnotice.release import Release
from made.releases import matter, release
from made.sketched import asking

MAKE = runpy.run_path(str(Path(__file__).parent / "vectors" / "make.py"))
NOISE = Noise(law=NoiseLaw.DISCRETE_LAPLACE, scale=4.0)
FINGERPRINT = "0123456789abcdef"
STATED_PARTS = "PARTS: the parts are not those that the header states"
OTHER_SKETCH = "SKETCH: the sketch is not the one that the inquiry asks for"


def table(counts: Any, scale: float = 4.0) -> NoisyTable:
    return NoisyTable(counts=counts, noise=dataclasses.replace(NOISE, scale=scale))


def bitmap(**section: Any) -> Sketch:
    plan = asking(expected=1, sketch=section).sketch
    assert plan is not None
    return Sketch(plan=plan, key_fingerprint=FINGERPRINT, bits=b"\1" * plan.bytes)


def read(tree: dict[str, Any], raw: bytes) -> dict[str, Any]:
    return layout.fields_of(Header.read(tree), memoryview(raw))


def plain() -> tuple[dict[str, Any], bytes]:
    return MAKE["header"](), b""


def with_sketch() -> tuple[dict[str, Any], bytes]:
    tree = MAKE["sketched_header"](MAKE["BLOCKS"] | MAKE["PLANES"])
    return tree, MAKE["bits"](tree["sketch"])


def refused(tree: dict[str, Any], raw: bytes) -> str:
    with pytest.raises(ReleaseError) as refusal:
        read(tree, raw)
    return str(refusal.value)


# --- a table -------------------------------------------------------------------------------
def test_counts_are_read_only() -> None:
    with pytest.raises(ValueError, match="read-only"):
        table(np.array([1, 2])).counts[0] = 1


def test_a_table_keeps_its_own_counts() -> None:
    given_counts = np.array([1, 2])
    kept = table(given_counts)
    given_counts[0] = 9
    assert kept.counts.tolist() == [1, 2]


@pytest.mark.parametrize("kind", [np.int32, np.uint16, float])
def test_counts_of_any_kind_of_number_become_integers_of_64_bits(kind: type) -> None:
    assert table(np.array([1, 2], dtype=kind)).counts.dtype == np.int64


def test_a_count_alone_has_no_axis() -> None:
    assert table(7).counts.shape == ()


def test_a_table_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        table(1).counts = np.array(0)  # type: ignore[misc]


# --- what is written -----------------------------------------------------------------------
def test_few_counts_have_no_part() -> None:
    assert layout.parts_of([table(np.zeros(MAX_JSON_CELLS))], None) == {}


def test_many_counts_are_a_part_of_eight_bytes_each() -> None:
    counts = np.arange(-1, MAX_JSON_CELLS)
    assert layout.parts_of([table(counts)], None) == {"tables": counts.astype("<i8").tobytes()}


def test_the_counts_of_all_tables_follow_each_other() -> None:
    half = np.arange(MAX_JSON_CELLS // 2)
    parts = layout.parts_of([table(half), table(7), table(-half)], None)
    assert np.frombuffer(parts["tables"], dtype="<i8").tolist() == [*half, 7, *-half]


def test_a_bitmap_is_a_part_however_few_its_bits() -> None:
    assert layout.parts_of([table(1)], bitmap()) == {"sketch": b"\1" * 512}


def test_the_bitmap_comes_behind_the_counts() -> None:
    parts = layout.parts_of([table(np.zeros(MAX_JSON_CELLS + 1))], bitmap())
    assert list(parts) == ["tables", "sketch"]


def test_a_part_is_told_by_name_length_and_digest() -> None:
    assert layout.part_of("sketch", b"abc") == {
        "name": "sketch",
        "length": 3,
        "sha256": hashlib.sha256(b"abc").hexdigest(),
    }


def test_a_table_is_told_with_its_noise_and_its_counts_in_order() -> None:
    tables = {("state", "age"): table(np.array([[1, -2], [3, 4]]), scale=0.1)}
    assert layout.tables_of(tables, apart=False) == [
        {
            "of": ["state", "age"],
            "noise": {"law": "discrete-laplace", "scale": "0.1"},
            "sensitivity": 1,
            "counts": [1, -2, 3, 4],
        }
    ]


def test_a_table_apart_is_told_without_its_counts() -> None:
    (told,) = layout.tables_of({(): table(1)}, apart=True)
    assert told["counts"] is None


def test_what_is_told_of_tables_is_plain_json() -> None:
    told = layout.tables_of({("state",): table(np.array([1, 2]))}, apart=False)
    assert json.loads(json.dumps(told)) == told


def test_a_bitmap_brings_one_caveat_more() -> None:
    assert layout.caveats(matter()) == [*CAVEATS]
    assert layout.caveats(asking()) == [*CAVEATS, SKETCH_CAVEAT]


# --- what is read --------------------------------------------------------------------------
@pytest.mark.parametrize("good", [plain, with_sketch])
def test_the_fields_are_the_arguments_of_a_release(
    good: Callable[[], tuple[dict[str, Any], bytes]],
) -> None:
    tree, raw = good()
    fields = read(tree, raw)
    assert set(fields) == {f.name for f in dataclasses.fields(Release)} - {"signature"}
    assert Release(**fields).to_dict() == tree


def test_each_table_has_the_shape_of_its_axes() -> None:
    fields = read(*plain())
    assert {of: found.counts.shape for of, found in fields["tables"].items()} == {
        (): (),
        ("state",): (3,),
        ("state", "contact"): (3, 4),
    }


def test_the_bits_are_kept_apart_from_what_they_were_read_from() -> None:
    tree, raw = with_sketch()
    source = bytearray(raw)
    fields = layout.fields_of(Header.read(tree), memoryview(source).toreadonly())
    source[:] = bytes(len(source))
    assert fields["sketch"].bits == raw


@given(st.data())
def test_a_sketch_of_any_plan_is_read_as_it_was_written(data: st.DataObject) -> None:
    section: dict[str, Any] = {
        "epsilon": data.draw(st.sampled_from(["0.1", "0.25", "1", "8"])),
        "key": data.draw(st.sampled_from(["email", "id"])),
        "expected_buyers": data.draw(st.integers(1, 5_000)),
    }
    if data.draw(st.booleans()):
        guesses = data.draw(st.lists(st.integers(1, 5_000), min_size=3, max_size=3))
        section |= {"blocks": "state", "expected_by": guesses}
    if data.draw(st.booleans()):
        section["planes"] = {"mail": ["email"], "other": ["post", "unknown"]}
    asked = matter(axes={"state": ["CA", "NY"], "contact": ["email", "post"]}, sketch=section)
    assert asked.sketch is not None
    bits = data.draw(st.randoms()).randbytes(asked.sketch.bytes)
    made = Sketch(plan=asked.sketch, key_fingerprint=FINGERPRINT, bits=bits)
    counts = {of: np.zeros(asked.shape(of)) for of in asked.tables}
    original = release(asked, counts, 64.0, sketch=made)
    again = Release.from_bytes(original.to_bytes())
    assert again.sketch is not None
    assert again.sketch.bits == bits
    assert again.to_dict() == original.to_dict()


# --- what is refused -----------------------------------------------------------------------
def test_caveats_go_with_the_sketch() -> None:
    tree, raw = with_sketch()
    tree["caveats"] = [*CAVEATS]
    assert refused(tree, raw) == "HEADER: the caveats are not those of the format"
    tree, raw = plain()
    tree["caveats"] = [*CAVEATS, SKETCH_CAVEAT]
    assert refused(tree, raw) == "HEADER: the caveats are not those of the format"


@pytest.mark.parametrize("length", [0, 1, 511, 512, -1])
def test_other_bytes_than_the_plan_has_are_refused_however_they_are_stated(length: int) -> None:
    """Which bytes are bits follows from the inquiry, and not from what the parts are said to be."""
    tree, raw = with_sketch()
    short = raw[:length] if length >= 0 else raw + b"\0"
    tree["parts"] = [layout.part_of("sketch", short)] if short else []
    assert refused(tree, short) == STATED_PARTS


@pytest.mark.parametrize(
    "parts",
    [
        lambda _: [],
        lambda raw: [layout.part_of("tables", raw)],
        lambda raw: [layout.part_of("sketch", raw)] * 2,
        lambda raw: [layout.part_of("tables", b""), layout.part_of("sketch", raw)],
        lambda raw: [layout.part_of("sketch", raw), layout.part_of("tables", b"")],
        lambda raw: [layout.part_of("sketch", raw) | {"length": len(raw) + 1}],
        lambda raw: [layout.part_of("sketch", raw) | {"sha256": "0" * 64}],
        lambda raw: [layout.part_of("sketch", raw[:512]), layout.part_of("sketch", raw[512:])],
    ],
    ids=["none", "tables", "twice", "empty first", "empty last", "length", "digest", "halves"],
)
def test_parts_are_stated_in_one_way(parts: Callable[[bytes], list[dict[str, Any]]]) -> None:
    tree, raw = with_sketch()
    tree["parts"] = parts(raw)
    assert refused(tree, raw) == STATED_PARTS


def test_bits_that_nobody_asked_are_counts_that_do_not_belong_there() -> None:
    tree, raw = plain()[0], bytes(512)
    tree["parts"] = [layout.part_of("sketch", raw)]
    assert refused(tree, raw) == STATED_PARTS


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("sketch_id", "0" * 64),
        ("rule", "id-1"),
        ("threshold", 1),
        ("threshold", -1),
        ("threshold", 2**60),
        ("planes", []),
        ("planes", ["other", "e-mail"]),
        ("blocks", []),
    ],
)
def test_what_is_said_of_a_sketch_follows_from_the_inquiry(field: str, value: object) -> None:
    tree, raw = with_sketch()
    tree["sketch"][field] = value
    assert refused(tree, raw) == OTHER_SKETCH


def test_the_sketch_is_there_where_it_is_asked_and_only_there() -> None:
    tree, raw = with_sketch()
    sketch = tree.pop("sketch")
    assert refused(tree, raw) == OTHER_SKETCH
    assert refused(plain()[0] | {"sketch": sketch}, b"") == OTHER_SKETCH


def test_the_inquiry_is_checked_before_the_bits_are_digested(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tree, raw = with_sketch()
    tree["inquiry"]["sketch"]["expected_buyers"] = 0
    monkeypatch.setattr(layout, "part_of", lambda *_: pytest.fail("digested"))
    with pytest.raises(InquiryError):
        read(tree, raw)


def test_more_raw_bytes_than_any_release_has_are_refused_before_they_are_digested(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(layout, "part_of", lambda *_: pytest.fail("digested"))
    words = "PARTS: there are more raw bytes than any release has"
    assert refused(plain()[0], bytes(8 * 10**6 + 64 * 2**20 + 1)) == words


# --- what an inquiry may ask, a release can carry ------------------------------------------
def carried(asked: Any) -> bool:
    made = Sketch(plan=asked.sketch, key_fingerprint=FINGERPRINT, bits=bytes(asked.sketch.bytes))
    counts = {of: np.zeros(asked.shape(of)) for of in asked.tables}
    data = release(asked, counts, 2.0**20, sketch=made).to_bytes()
    return Release.from_bytes(data).inquiry.digest == asked.digest


def test_as_many_blocks_as_an_inquiry_may_have_are_read() -> None:
    levels = ["\U0001f9f4" * 60 + str(number) for number in range(MAX_BLOCKS - 1)]
    section = {"blocks": "zip", "expected_by": [1] * MAX_BLOCKS}
    assert carried(asking(axes={"zip": levels}, tables=[{"of": []}], sketch=section))


def test_as_many_tables_and_blocks_as_an_inquiry_may_have_are_read() -> None:
    axes = {f"a{number}": ["x"] for number in range(10)}
    subsets = [[name for n, name in enumerate(axes) if mask >> n & 1] for mask in range(999)]
    levels = [str(number) for number in range(MAX_BLOCKS - 1)]
    asked = asking(
        axes=axes | {"zip": levels},
        tables=[{"of": names} for names in subsets],
        quoted=[*subsets, ["zip"]],
        sketch={"blocks": "zip", "expected_by": [1] * MAX_BLOCKS},
    )
    assert len(asked.tables) == 1000
    assert carried(asked)


@pytest.mark.parametrize("name", ["m", "mail and post", "m" * 64, "~"])
def test_a_plane_of_any_name_that_is_accepted_is_read(name: str) -> None:
    section = {"planes": {name: ["email"], "other": ["post"]}}
    assert carried(asking(axes={"contact": ["email", "post"]}, tables=[{"of": []}], sketch=section))
