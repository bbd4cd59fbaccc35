import base64
import copy
import dataclasses
import hashlib
import itertools
import json
import math
import runpy
import signal
import stat
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives import serialization as forms
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from dpnotice.bitmap import Sketch
from dpnotice.errors import InquiryError, ReleaseError
from dpnotice.inquiry import MAX_AXES, MAX_JSON_CELLS, MAX_TABLES, Inquiry
from dpnotice.layout import NoisyTable
from dpnotice.privacy import Noise, NoiseLaw
from dpnotice.release import Release
from dpnotice.segments import MAX_LEVELS
from dpnotice.signature import Signature
from dpnotice.zcdp import epsilon_of_rho
from made.releases import release as made_release

VECTORS = Path(__file__).parent / "vectors"
MAKE = runpy.run_path(str(VECTORS / "make.py"))
CODES: dict[str, str] = json.loads((VECTORS / "codes.json").read_text("utf-8"))
GOOD = (VECTORS / "good-laplace.release").read_bytes()
GAUSSIAN = (VECTORS / "good-gaussian.release").read_bytes()
SIGNED = (VECTORS / "good-signed.release").read_bytes()
SKETCH = (VECTORS / "good-sketch.release").read_bytes()
GOOD_ONES = sorted(path.stem for path in VECTORS.glob("good-*.release"))

OTHER_TABLES = "TABLES: the tables are not those of the inquiry, in order"
OTHER_CELLS = "CELLS: a table does not have one count per cell"
BEYOND = "RANGE: a count is beyond 2^53"
OTHER_SKETCH = "SKETCH: the sketch is not the one that the inquiry asks for"
OTHER_SKETCH_KEY = "SKETCH: the sketch was made with another key than agreed"
LIMIT = 2**53 - 1
COUNTS = st.integers(-LIMIT, LIMIT)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["", "0", "unknown", "é"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner),
    max_leaves=4,
)


def inquiry(axes: dict[str, int], tables: list[list[str]], epsilon: str = "1") -> Inquiry:
    content = {
        "format": 1,
        "name": "wen",
        "title": "Purchasers of WEN",
        "period": ["2007-11-01", "2016-09-20"],
        "timezone": "UTC",
        "products": ["tonic"],
        "axes": {name: [f"{n}" for n in range(size - 1)] for name, size in axes.items()},
        "tables": [{"of": of} for of in tables],
        "privacy": {"epsilon": epsilon},
    }
    return Inquiry.from_dict(content)


def release(asked: Inquiry, counts: dict[tuple[str, ...], Any], scale: float = 64.0) -> Release:
    noise = Noise(law=asked.noise_law, scale=scale)
    return Release(
        retailer="sephora",
        inquiry=asked,
        tables={of: NoisyTable(counts=counts[of], noise=noise) for of in asked.tables},
        attempt=0,
        date=date(2026, 1, 31),
        ledger_sequence=1,
        ledger_head="0" * 64,
        versions={"dpnotice": "0.1.0"},
    )


@st.composite
def releases(draw: st.DrawFn) -> Release:
    axes = draw(st.dictionaries(st.sampled_from("abc"), st.integers(2, 4), min_size=1))
    of = st.lists(st.sampled_from(sorted(axes)), unique=True)
    asked = inquiry(axes, draw(st.lists(of, min_size=1, max_size=5, unique_by=frozenset)))
    size = st.integers(0, 2**32 - 1)
    rng = np.random.default_rng(draw(size))
    drawn = {of: rng.integers(-LIMIT, LIMIT, asked.shape(of), endpoint=True) for of in asked.tables}
    return release(asked, drawn, scale=draw(st.floats(8, 2**47)))


def large(cells: int, value: int = -3) -> Release:
    zips = next(n for n in range(math.isqrt(cells - 1), 0, -1) if not (cells - 1) % n)
    asked = inquiry({"zip": zips, "age": (cells - 1) // zips}, [[], ["zip", "age"]])
    counts = np.full(asked.shape(("zip", "age")), value)
    return release(asked, {(): np.array(value), ("zip", "age"): counts})


def with_tree(tree: object) -> bytes:
    return with_parts(tree, b"")


def with_parts(tree: object, raw: bytes) -> bytes:
    return bytes(MAKE["with_text"](MAKE["canonical"](tree), raw))


def code_of(data: bytes) -> str:
    with pytest.raises(ReleaseError) as refusal:
        Release.from_bytes(data)
    assert str(refusal.value).startswith(f"{refusal.value.code}: ")
    return refusal.value.code


def same(one: Release, other: Release) -> bool:
    return all(
        np.array_equal(one.tables[of].counts, other.tables[of].counts)
        and one.tables[of].noise == other.tables[of].noise
        for of in (*one.tables, *other.tables)
    )


def places(tree: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) of a tree."""
    keys = list(tree) if isinstance(tree, dict) else range(len(tree))
    found = [(tree, key) for key in keys]
    inner = [child for parent, key in found if isinstance(child := parent[key], (dict, list))]
    return found + [place for child in inner for place in places(child)]


# --- vectors -------------------------------------------------------------------------------
def test_the_vectors_are_those_that_the_script_makes() -> None:
    kept = [VECTORS / "codes.json", *VECTORS.glob("*.release")]
    assert {path.name: path.read_bytes() for path in kept} == MAKE["files"]()


@pytest.mark.parametrize("name", CODES)
def test_a_bad_file_is_refused_with_its_code(name: str) -> None:
    with pytest.raises(ReleaseError) as refusal:
        Release.load(VECTORS / name)
    assert refusal.value.code == CODES[name]
    assert str(refusal.value).isprintable()


@pytest.mark.parametrize("name", GOOD_ONES)
def test_a_good_file_is_written_back_byte_for_byte(name: str) -> None:
    data = (VECTORS / f"{name}.release").read_bytes()
    assert Release.from_bytes(data).to_bytes() == data


def test_a_good_file_holds_what_was_put_in() -> None:
    read = Release.from_bytes(GOOD)
    assert (read.retailer, read.attempt, read.date) == ("sephora", 0, date(2026, 1, 31))
    assert (read.epsilon, read.rho) == (Decimal(1), None)
    assert tuple(read.tables) == read.inquiry.tables == ((), ("state",), ("state", "contact"))
    assert read.tables["state", "contact"].counts.shape == (3, 4)
    assert read.tables["state", "contact"].counts[1, 2] == 49
    assert read.tables[()].noise == Noise(law=NoiseLaw.DISCRETE_LAPLACE, scale=4.0)


def test_under_rho_there_is_no_epsilon() -> None:
    read = Release.from_bytes(GAUSSIAN)
    assert (read.epsilon, read.rho) == (None, Decimal("0.5"))


def test_negative_counts_are_legal() -> None:
    assert Release.from_bytes(GOOD).tables[("state",)].counts[2] == -7


WORDS = {
    "tables-in-other-order": OTHER_TABLES,
    "cell-missing": OTHER_CELLS,
    "count-of-two-to-the-53": BEYOND,
    "date-impossible": "HEADER: the header does not describe an inquiry",
    "inquiry-names-a-file": "HEADER: the embedded inquiry's products are no digest",
    "inquiry-lists-products": "HEADER: the embedded inquiry's products are no digest",
    "caveats-changed": "HEADER: the caveats are not those of the format",
    "inquiry-with-delta": "CANONICAL: the embedded inquiry is not in canonical form",
    "scale-not-shortest": "CANONICAL: a scale is not in its shortest form",
    "part-without-bytes": "PARTS: the parts are not those that the header states",
    "sketch-id-wrong": OTHER_SKETCH,
    "sketch-asked-and-absent": OTHER_SKETCH,
    "sketch-that-nobody-asked": OTHER_SKETCH,
    "sketch-of-another-key-than-agreed": OTHER_SKETCH_KEY,
    "sketch-part-of-another-release": "PARTS: the parts are not those that the header states",
    "sketch-part-half": "PARTS: the parts are not those that the header states",
    "sketch-caveat-missing": "HEADER: the caveats are not those of the format",
    "sketch-with-popcount": "HEADER: the header's field 'sketch.popcount' is not as specified",
    "sketch-with-time": "HEADER: the header's field 'sketch.created' is not as specified",
    "sketch-bit-order-big": "HEADER: the header's field 'sketch.bit_order' is not as specified",
    "sketch-null": "CANONICAL: not in canonical form",
}


@pytest.mark.parametrize("name", WORDS)
def test_a_bad_file_is_refused_in_words(name: str) -> None:
    with pytest.raises(ReleaseError) as refusal:
        Release.from_bytes((VECTORS / f"bad-{name}.release").read_bytes())
    assert str(refusal.value) == WORDS[name]
    from_pydantic = WORDS[name].endswith(("as specified", "describe an inquiry"))
    assert refusal.value.__suppress_context__ == from_pydantic


# --- round trips ---------------------------------------------------------------------------
@given(releases())
def test_what_is_written_is_read(original: Release) -> None:
    again = Release.from_bytes(original.to_bytes())
    assert same(again, original)
    assert again.to_bytes() == original.to_bytes()
    assert again.inquiry.digest == original.inquiry.digest


@given(COUNTS)
def test_every_count_within_the_range_is_read_back(count: int) -> None:
    original = release(inquiry({"a": 2}, [[]]), {(): count})
    assert Release.from_bytes(original.to_bytes()).tables[()].counts == count


@pytest.mark.parametrize("value", [-LIMIT, -1, LIMIT])
def test_many_cells_travel_as_a_raw_part(value: int) -> None:
    original = large(MAX_JSON_CELLS + 1, value)
    data = original.to_bytes()
    raw = np.full(MAX_JSON_CELLS + 1, value, dtype="<i8").tobytes()
    assert data[-72 - len(raw) : -72] == raw
    assert same(Release.from_bytes(data), original)


def test_each_table_of_a_raw_part_has_its_own_counts() -> None:
    asked = inquiry({"zip": 513, "age": 512}, [["zip"], [], ["zip", "age"]])
    numbers = iter(range(asked.cells(("zip", "age")) * 2))
    counts = {
        of: np.array([next(numbers) for _ in range(asked.cells(of))]).reshape(asked.shape(of))
        for of in asked.tables
    }
    original = release(asked, counts)
    assert original.to_dict()["parts"] != []
    assert same(Release.from_bytes(original.to_bytes()), original)


def test_as_many_cells_as_allowed_travel_as_json() -> None:
    original = large(MAX_JSON_CELLS, LIMIT)
    data = original.to_bytes()
    assert data[-73:-72] == b"\n"
    assert same(Release.from_bytes(data), original)


def test_a_whole_number_as_scale_is_read_back() -> None:
    original = release(inquiry({"a": 2}, [[]]), {(): 1}, scale=4)
    assert Release.from_bytes(original.to_bytes()).tables[()].noise.scale == 4


def test_a_scale_from_numpy_is_read_back() -> None:
    original = release(inquiry({"a": 2}, [[]]), {(): 1}, scale=np.float64(4.5))
    assert Release.from_bytes(original.to_bytes()).tables[()].noise.scale == 4.5


def test_a_loss_of_a_billionth_is_read_back() -> None:
    original = release(inquiry({"a": 2}, [[]], epsilon="0.000000001"), {(): 1}, scale=2e9)
    assert Release.from_bytes(original.to_bytes()).epsilon == Decimal("0.000000001")


def test_a_release_too_long_to_be_read_is_never_written() -> None:
    # 64 characters of 4 bytes in each level: under the limit of cells, over that of the header.
    axis = [f"{number:07d}" + "\U0001f9f4" * 57 for number in range(40_000)]
    content = inquiry({"a": 2}, [[]]).to_dict()
    try:
        asked = Inquiry.from_dict({**content, "axes": [{"name": "a", "levels": axis}]})
        data = release(asked, {(): 1}).to_bytes()
    except Exception as refusal:  # noqa: BLE001 -- refused by the inquiry or by the release
        assert type(refusal).__name__ in {"InquiryError", "ReleaseError"}  # noqa: PT017 -- either
    else:
        assert Release.from_bytes(data).inquiry.digest == asked.digest


# --- hostile files -------------------------------------------------------------------------
@pytest.mark.parametrize("mask", [0x01, 0x20, 0x80, 0xFF])
def test_every_flipped_byte_is_refused(mask: int) -> None:
    for place in range(len(GOOD)):
        flipped = GOOD[:place] + bytes([GOOD[place] ^ mask]) + GOOD[place + 1 :]
        assert code_of(flipped) in {"MAGIC", "VERSION", "INTEGRITY"}


@pytest.mark.parametrize("mask", [0x01, 0x02, 0x10])
def test_a_flipped_byte_sealed_again_is_a_release_or_a_refusal(mask: int) -> None:
    body = GOOD[:-72]
    for place in range(len(body)):
        data = MAKE["seal"](body[:place] + bytes([body[place] ^ mask]) + body[place + 1 :])
        try:
            assert Release.from_bytes(data).to_bytes() == data
        except ReleaseError as refusal:
            assert refusal.code  # noqa: PT017 -- both ends are right


def test_every_truncation_is_refused() -> None:
    for length in range(len(GOOD)):
        assert code_of(GOOD[:length]) in {"MAGIC", "VERSION", "INTEGRITY"}


@given(st.binary(min_size=1, max_size=100))
def test_trailing_bytes_are_refused(more: bytes) -> None:
    assert code_of(GOOD + more) == "INTEGRITY"


@settings(max_examples=500)
@given(st.data(), st.sampled_from([None, MAKE["BLOCKS"] | MAKE["PLANES"]]))
def test_any_tree_in_place_of_a_field_is_a_release_or_a_refusal(
    data: st.DataObject, section: dict[str, Any] | None
) -> None:
    tree = MAKE["header"]() if section is None else MAKE["sketched_header"](section)
    raw = b"" if section is None else MAKE["bits"](tree["sketch"])
    parent, key = data.draw(st.sampled_from(places(tree)))
    parent[key] = data.draw(JSON_VALUES)
    changed = with_parts(tree, raw)
    try:
        assert Release.from_bytes(changed).to_bytes() == changed
    except ReleaseError as refusal:
        assert refusal.code  # noqa: PT017 -- both ends are right


@given(JSON_VALUES)
def test_any_tree_in_place_of_the_header_is_refused(tree: object) -> None:
    assert code_of(with_tree(tree)) == "HEADER"


def test_every_field_of_the_header_is_required() -> None:
    for field in MAKE["header"]():
        tree = MAKE["header"]()
        del tree[field]
        assert code_of(with_tree(tree)) == "HEADER"


def test_the_refusal_names_the_field_without_showing_its_value() -> None:
    tree = MAKE["header"]()
    tree["ledger"]["head"] = "secret-or-\x1b[31mred"
    with pytest.raises(ReleaseError, match=r"field 'ledger.head' is not as specified") as refusal:
        Release.from_bytes(with_tree(tree))
    assert "secret" not in str(refusal.value)
    assert refusal.value.__suppress_context__


def test_a_strange_field_is_named_without_its_control_characters() -> None:
    tree = {**MAKE["header"](), "\x1b[2J": 1}
    with pytest.raises(ReleaseError) as refusal:
        Release.from_bytes(with_tree(tree))
    assert str(refusal.value).isprintable()


@pytest.mark.parametrize("kind", ["file", "folder", "missing"])
def test_reading_a_release_opens_no_file_that_it_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    # Whoever wrote the file could name a pipe or a device, and the reader would wait for ever.
    (tmp_path / "file").write_text("product\ntonic\n")
    (tmp_path / "folder").mkdir()
    tree = MAKE["header"]()
    tree["inquiry"]["products"] = {"file": str(tmp_path / kind)}
    opened = []

    def note(path: Path, *_: object, **__: object) -> None:
        opened.append(path)
        raise OSError

    monkeypatch.setattr(Path, "open", note)
    with pytest.raises(ReleaseError):
        Release.from_bytes(with_tree(tree))
    assert opened == []


def test_true_in_the_embedded_inquiry_is_not_one() -> None:
    tree = MAKE["header"]()
    tree["inquiry"]["format"] = True
    assert code_of(with_tree(tree)) in {"CANONICAL", "HEADER"}


@pytest.mark.parametrize("scale", ["1e+17", "1e+200", "1.7976931348623157e+308"])
@pytest.mark.parametrize("good", ["header", "gaussian"])
def test_a_scale_beyond_any_count_cannot_stall_the_card(good: str, scale: str) -> None:
    def stop(*_: object) -> None:
        pytest.fail("no card within 1 s")

    tree = MAKE[good]()
    tree["tables"][0]["noise"]["scale"] = scale
    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(1)
    try:
        Release.from_bytes(with_tree(tree)).privacy_card()
    except ReleaseError as refusal:
        assert refusal.code  # noqa: PT017 -- a refusal is as good as a card
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def raw_file(change: str) -> bytes:
    """A file with a raw part of 2^18 + 1 cells, wrong in one way."""
    cells = MAX_JSON_CELLS + 1
    raw = np.full(cells, -3, dtype="<i8")
    raw[7] = {"RANGE low": -(2**63), "RANGE high": 2**53, "RANGE top": 2**63 - 1}.get(change, -3)
    content = raw.tobytes()[: -8 if change == "CELLS" else None]
    tree = json.loads(large(cells).to_bytes().split(b"\n", 3)[2])
    part = {"name": "tables", "length": len(content)}
    tree["parts"] = [{**part, "sha256": hashlib.sha256(content).hexdigest()}]
    if change == "PARTS length":
        tree["parts"][0]["length"] -= 8
    elif change == "PARTS digest":
        tree["parts"][0]["sha256"] = "0" * 64
    elif change == "PARTS twice":
        tree["parts"] *= 2
    elif change == "PARTS both":
        tree["tables"][0]["counts"] = [-3]
    return bytes(MAKE["with_text"](MAKE["canonical"](tree), content))


@pytest.mark.parametrize(
    "change",
    [
        *("CELLS", "RANGE low", "RANGE high", "RANGE top"),
        *("PARTS length", "PARTS digest", "PARTS twice", "PARTS both"),
    ],
)
def test_a_bad_raw_part_is_refused(change: str) -> None:
    assert code_of(raw_file(change)) == change.split(maxsplit=1)[0]


def test_a_raw_part_of_too_few_cells_is_refused_in_words() -> None:
    with pytest.raises(ReleaseError, match=f"^{OTHER_CELLS}$"):
        Release.from_bytes(raw_file("CELLS"))


def test_few_cells_may_not_travel_as_a_raw_part() -> None:
    tree = MAKE["header"]()
    counts = [count for entry in tree["tables"] for count in entry["counts"]]
    raw = np.array(counts, dtype="<i8").tobytes()
    for entry in tree["tables"]:
        entry["counts"] = None
    digest = hashlib.sha256(raw).hexdigest()
    tree["parts"] = [{"name": "tables", "length": len(raw), "sha256": digest}]
    words = "^PARTS: the counts are not where this many cells belong$"
    with pytest.raises(ReleaseError, match=words):
        Release.from_bytes(MAKE["with_text"](MAKE["canonical"](tree), raw))


MOST_RAW = 8 * 10**6 + 64 * 2**20


def test_more_raw_bytes_than_a_million_cells_and_the_largest_sketch_are_refused() -> None:
    text = MAKE["canonical"](MAKE["header"]())
    with pytest.raises(
        ReleaseError, match=r"PARTS: there are more raw bytes than any release has$"
    ):
        Release.from_bytes(MAKE["with_text"](text, bytes(MOST_RAW + 1)))


def test_the_raw_bytes_of_a_million_cells_and_the_largest_sketch_are_looked_at() -> None:
    text = MAKE["canonical"](MAKE["header"]())
    with pytest.raises(
        ReleaseError, match=r"PARTS: the parts are not those that the header states$"
    ):
        Release.from_bytes(MAKE["with_text"](text, bytes(MOST_RAW)))


# --- the object ----------------------------------------------------------------------------
def good_release() -> Release:
    return Release.from_bytes(GOOD)


def changed_table(**changes: object) -> dict[tuple[str, ...], NoisyTable]:
    tables = dict(good_release().tables)
    return {**tables, (): dataclasses.replace(tables[()], **changes)}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        (dict(reversed(good_release().tables.items())), OTHER_TABLES),
        ({(): good_release().tables[()]}, OTHER_TABLES),
        ({}, OTHER_TABLES),
        (changed_table(counts=np.array([1])), OTHER_CELLS),
        (changed_table(counts=2**53), BEYOND),
        (changed_table(counts=-(2**53)), BEYOND),
        (changed_table(counts=-(2**63)), BEYOND),
        (
            changed_table(noise=Noise(law=NoiseLaw.DISCRETE_GAUSSIAN, scale=4.0)),
            "NOISE_LAW: a table's noise is not of the inquiry's law",
        ),
        (
            changed_table(noise=Noise(law=NoiseLaw.DISCRETE_LAPLACE, scale=3.999)),
            "LOSS: the tables cost more than the declared loss",
        ),
    ],
)
def test_a_release_checks_its_tables(tables: dict[Any, NoisyTable], words: str) -> None:
    with pytest.raises(ReleaseError) as refusal:
        dataclasses.replace(good_release(), tables=tables)
    assert str(refusal.value) == words


@pytest.mark.parametrize(
    "change",
    [
        {"retailer": "../sephora"},
        {"retailer": "s" * 65},
        {"attempt": -1},
        {"attempt": 10**6 + 1},
        {"date": datetime(2026, 1, 31, 12, tzinfo=UTC)},
        {"ledger_sequence": 0},
        {"ledger_head": "0123"},
        {"versions": {"dpnotice": "v" * 65}},
        {"ids": "lower"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_release_that_could_not_be_read_is_never_written(change: dict[str, Any]) -> None:
    with pytest.raises(ReleaseError):
        dataclasses.replace(good_release(), **change).to_bytes()


def test_a_release_keeps_its_own_tables_and_versions() -> None:
    tables, versions = dict(good_release().tables), {"dpnotice": "0.1.0"}
    kept = dataclasses.replace(good_release(), tables=tables, versions=versions)
    tables.clear()
    versions.clear()
    assert tuple(kept.tables) == kept.inquiry.tables
    assert dict(kept.versions) == {"dpnotice": "0.1.0"}


def test_ids_are_compared_as_they_are_unless_another_rule_is_stated() -> None:
    assert release(inquiry({"a": 2}, [[]]), {(): 1}).ids == "as_is"


def test_a_release_is_frozen() -> None:
    read = good_release()
    with pytest.raises(dataclasses.FrozenInstanceError):
        read.retailer = "another"  # type: ignore[misc]
    with pytest.raises(TypeError):
        read.tables[()] = read.tables[("state",)]  # type: ignore[index]
    with pytest.raises(TypeError):
        read.versions["dpnotice"] = "9"  # type: ignore[index]


# --- files ---------------------------------------------------------------------------------
def test_a_saved_release_is_private_and_alone_in_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "sephora.release"
    good_release().save(path)
    assert path.read_bytes() == GOOD
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_saving_the_same_release_again_is_harmless(tmp_path: Path) -> None:
    good_release().save(tmp_path / "a.release")
    good_release().save(str(tmp_path / "a.release"))
    assert Release.load(str(tmp_path / "a.release")).to_bytes() == GOOD


def test_saving_never_overwrites_another_release(tmp_path: Path) -> None:
    good_release().save(tmp_path / "a.release")
    with pytest.raises(ReleaseError, match=r"OUTPUT_EXISTS: .*choose another name"):
        Release.from_bytes(GAUSSIAN).save(tmp_path / "a.release")
    assert (tmp_path / "a.release").read_bytes() == GOOD


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match=r"FILE: 'no.release' is not a readable file"):
        Release.load(tmp_path / "no.release")


# --- signatures ----------------------------------------------------------------------------
def key_file(folder: Path, secret: bytes) -> Path:
    private = Ed25519PrivateKey.from_private_bytes(secret)
    text = private.private_bytes(
        forms.Encoding.PEM, forms.PrivateFormat.PKCS8, forms.NoEncryption()
    )
    (folder / f"{secret.hex()}.key").write_bytes(text)
    return folder / f"{secret.hex()}.key"


def public(secret: bytes) -> str:
    private = Ed25519PrivateKey.from_private_bytes(secret)
    return base64.b64encode(private.public_key().public_bytes_raw()).decode()


KEY, OTHER_KEY = MAKE["KEY"], MAKE["OTHER_KEY"]
NO_SIGNATURE = "UNSIGNED: the release of 'sephora' carries no signature; ask for a signed one"
ANOTHER_KEY = (
    "UNTRUSTED_KEY: the release of 'sephora' is signed by another key than the one that you trust; "
    "ask the retailer"
)


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return key_file(tmp_path_factory.mktemp("keys"), KEY)


def test_a_signed_release_is_the_vector_made_without_the_package(key: Path) -> None:
    assert good_release().signed(key).to_bytes() == SIGNED
    assert good_release().signed(str(key)).to_bytes() == SIGNED


@given(releases())
def test_a_signature_is_one_line_more_over_the_same_bytes(key: Path, original: Release) -> None:
    unsigned = original.to_bytes()
    signed = original.signed(key)
    assert signed.to_bytes() == MAKE["signed"](unsigned)
    again = Release.from_bytes(signed.to_bytes())
    assert same(again, original)
    assert again.signature == signed.signature
    assert again.to_bytes() == signed.to_bytes()


def test_signing_leaves_the_release_as_it_was(key: Path) -> None:
    original = good_release()
    original.signed(key)
    assert original.signature is None
    assert original.to_bytes() == GOOD


def test_signing_again_changes_nothing_and_another_key_takes_its_place(
    tmp_path: Path, key: Path
) -> None:
    signed = good_release().signed(key)
    assert signed.signed(key).to_bytes() == SIGNED
    other = signed.signed(key_file(tmp_path, OTHER_KEY))
    assert other.to_bytes() == MAKE["signed"](GOOD, OTHER_KEY)


def test_the_digest_is_that_of_the_bytes_above_it() -> None:
    digest = hashlib.sha256(GOOD[:-72]).hexdigest()
    assert good_release().digest == Release.from_bytes(SIGNED).digest == digest
    assert GOOD[-72:] == f"sha256 {digest}\n".encode()


def test_a_signed_and_an_unsigned_release_say_the_same() -> None:
    signed, unsigned = Release.from_bytes(SIGNED), good_release()
    assert signed.to_dict() == unsigned.to_dict()
    assert signed.to_frame().equals(unsigned.to_frame())
    assert repr(signed) == repr(unsigned)


def test_a_raw_part_is_signed_too(key: Path) -> None:
    signed = large(MAX_JSON_CELLS + 1).signed(key).to_bytes()
    assert Release.from_bytes(signed).signature is not None
    assert len(signed) - len(large(MAX_JSON_CELLS + 1).to_bytes()) == 142


@pytest.mark.parametrize("bit", range(8))
def test_every_flipped_bit_of_a_signed_file_is_refused(bit: int) -> None:
    for place in range(len(SIGNED)):
        flipped = bytearray(SIGNED)
        flipped[place] ^= 1 << bit
        assert code_of(bytes(flipped)) in {"MAGIC", "VERSION", "INTEGRITY", "SIGNATURE"}


def test_every_cut_of_a_signed_file_but_the_whole_line_is_refused() -> None:
    for length in set(range(len(SIGNED))) - {len(GOOD)}:
        assert code_of(SIGNED[:length]) in {"MAGIC", "VERSION", "INTEGRITY"}


@given(st.binary(min_size=1, max_size=200))
def test_bytes_behind_a_signature_are_refused(more: bytes) -> None:
    assert code_of(SIGNED + more) == "INTEGRITY"


def test_a_changed_file_that_is_sealed_again_keeps_no_signature() -> None:
    changed = GOOD[:-72].replace(b"1204", b"1205", 1)
    assert code_of(MAKE["seal"](changed) + SIGNED[-142:]) == "SIGNATURE"


def test_a_file_that_no_release_could_be_gains_nothing_by_a_signature() -> None:
    tree = {**MAKE["header"](), "ids": "lower"}
    assert code_of(MAKE["signed"](with_tree(tree))) == "HEADER"


def test_a_signed_file_is_saved_and_loaded(tmp_path: Path) -> None:
    Release.from_bytes(SIGNED).save(tmp_path / "a.release")
    assert (tmp_path / "a.release").read_bytes() == SIGNED
    assert Release.load(tmp_path / "a.release", key=public(KEY)).to_bytes() == SIGNED


def test_an_unsigned_copy_never_takes_the_place_of_a_signed_one(tmp_path: Path) -> None:
    Release.from_bytes(SIGNED).save(tmp_path / "a.release")
    with pytest.raises(ReleaseError, match="OUTPUT_EXISTS"):
        good_release().save(tmp_path / "a.release")
    assert (tmp_path / "a.release").read_bytes() == SIGNED


@pytest.mark.parametrize(
    ("name", "trusted", "code"),
    [
        ("good-laplace", public(KEY), "UNSIGNED"),
        ("good-laplace", "", "UNSIGNED"),
        ("good-signed", public(OTHER_KEY), "UNTRUSTED_KEY"),
        ("good-signed", public(KEY)[:-1], "UNTRUSTED_KEY"),
        ("good-signed", public(KEY) + "\n", "UNTRUSTED_KEY"),
        ("good-signed", public(KEY).lower(), "UNTRUSTED_KEY"),
        ("good-signed", "", "UNTRUSTED_KEY"),
    ],
)
def test_a_file_that_the_trusted_key_did_not_sign_is_refused_by_name(
    name: str, trusted: str, code: str
) -> None:
    with pytest.raises(ReleaseError, match=rf"{code}: '{name}\.release': ") as refusal:
        Release.load(VECTORS / f"{name}.release", key=trusted)
    assert refusal.value.code == code


def test_without_a_trusted_key_a_genuine_signature_of_anybody_is_read() -> None:
    data = MAKE["signed"](GOOD, OTHER_KEY)
    assert Release.from_bytes(data).signature == Signature(
        key=public(OTHER_KEY), value=data[-90:-1].strip().decode()
    )
    assert Release.load(VECTORS / "good-signed.release", key=None).signature is not None


def test_a_bad_signature_is_refused_whatever_key_is_trusted() -> None:
    for trusted in (None, public(KEY), public(OTHER_KEY)):
        with pytest.raises(ReleaseError, match="SIGNATURE"):
            Release.load(VECTORS / "bad-signature-key-swapped.release", key=trusted)


@pytest.mark.parametrize(
    ("make", "trusted", "words"),
    [
        (good_release, public(KEY), NO_SIGNATURE),
        (good_release, None, NO_SIGNATURE),
        (lambda: Release.from_bytes(SIGNED), None, ANOTHER_KEY),
        (lambda: Release.from_bytes(SIGNED), public(OTHER_KEY), ANOTHER_KEY),
    ],
)
def test_a_release_checks_the_key(
    make: Callable[[], Release], trusted: str | None, words: str
) -> None:
    with pytest.raises(ReleaseError, match=f"^{words}$"):
        make().check_key(trusted)


def test_the_right_key_passes() -> None:
    Release.from_bytes(SIGNED).check_key(public(KEY))


def test_a_file_without_a_key_signs_nothing(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="KEY"):
        good_release().signed(tmp_path / "missing.key")


# --- the sketch ----------------------------------------------------------------------------
FINGERPRINT = MAKE["FINGERPRINT"]
SKETCHES = [name for name in GOOD_ONES if "sketch" in name]


def sketched(name: str = "good-sketch") -> Release:
    return Release.load(VECTORS / f"{name}.release")


def bitmap(name: str = "good-sketch") -> Sketch:
    found = sketched(name).sketch
    assert found is not None
    return found


def test_a_file_with_a_sketch_holds_what_was_put_in() -> None:
    read = bitmap()
    assert read.bits == MAKE["bits"](MAKE["sketch_header"](MAKE["ONE_MAP"]))
    assert (len(read.bits), read.key_fingerprint) == (512, FINGERPRINT)
    assert read.plan == sketched().inquiry.sketch


def test_a_release_without_a_sketch_has_none() -> None:
    assert good_release().sketch is None


def test_the_bits_follow_the_header_and_nothing_follows_them() -> None:
    assert SKETCH[-72 - 512 : -72] == bitmap().bits
    assert SKETCH[-72 - 512 - 1 : -72 - 512] == b"\n"


def test_the_maps_of_each_block_and_plane_stand_where_the_plan_says() -> None:
    read = bitmap("good-sketch-of-blocks-and-planes")
    sizes = [(block, plane, size) for block, size in enumerate((12, 12, 13)) for plane in (0, 1)]
    words = [read.words(block, plane) for block, plane, _ in sizes]
    assert [len(each) * 64 for each in words] == [2**size for *_, size in sizes]
    assert b"".join(each.tobytes() for each in words) == read.bits


@pytest.mark.parametrize(
    ("name", "epsilon", "rho"),
    [
        ("good-sketch", "2", None),
        ("good-sketch-of-blocks", "2", None),
        ("good-sketch-of-planes", "3.5", None),
        ("good-sketch-under-rho", None, "1"),
    ],
)
def test_the_loss_of_a_file_is_that_of_tables_and_sketch(
    name: str, epsilon: str | None, rho: str | None
) -> None:
    """Of a sketch at epsilon 1 the rho is a half."""
    read = sketched(name)
    assert read.epsilon == (None if epsilon is None else Decimal(epsilon))
    assert read.rho == (None if rho is None else Decimal(rho))


@pytest.mark.parametrize("name", SKETCHES)
def test_a_sketch_says_what_the_header_of_the_format_says(name: str) -> None:
    read = sketched(name)
    assert read.to_dict()["sketch"] == bitmap(name).to_dict()
    assert [part["name"] for part in read.to_dict()["parts"]] == ["sketch"]


@pytest.mark.parametrize("name", SKETCHES)
def test_a_header_gives_away_nothing_of_the_bits(name: str) -> None:
    """Beside the bits' digest, what is said of a sketch is the same whatever they are."""
    read = sketched(name)
    blank = dataclasses.replace(bitmap(name), bits=bytes(len(bitmap(name).bits)))
    here, there = read.to_dict(), dataclasses.replace(read, sketch=blank).to_dict()
    assert here.pop("parts") != there.pop("parts")
    assert here == there


def test_every_changed_byte_of_the_bits_is_refused_though_sealed_again() -> None:
    end = len(SKETCH) - 72
    for place in range(end - 512, end):
        changed = SKETCH[:place] + bytes([SKETCH[place] ^ 1 << place % 8]) + SKETCH[place + 1 : end]
        assert code_of(MAKE["seal"](changed)) == "PARTS"


def test_a_sketch_under_another_epsilon_fits_the_same_maps() -> None:
    one, other = MAKE["ONE_MAP"], MAKE["ONE_MAP"] | {"epsilon": "2"}
    first, second = (Release.from_bytes(MAKE["sketched"](section)) for section in (one, other))
    ids = [read.to_dict()["sketch"]["sketch_id"] for read in (first, second)]
    assert ids[0] == ids[1]
    assert first.inquiry.digest != second.inquiry.digest


def test_a_signed_sketch_keeps_its_signature(key: Path) -> None:
    assert (
        sketched().signed(key).to_bytes() == (VECTORS / "good-sketch-signed.release").read_bytes()
    )


def test_bits_of_another_release_lose_the_signature() -> None:
    """Even where the header's own digest of them is made to fit."""
    tree, other = MAKE["sketched_header"](MAKE["ONE_MAP"]), bytes(512)
    tree["parts"] = [MAKE["part_of"](other)]
    changed = MAKE["with_text"](MAKE["canonical"](tree), other)
    assert Release.from_bytes(changed).sketch is not None
    assert code_of(changed + (VECTORS / "good-sketch-signed.release").read_bytes()[-142:]) == (
        "SIGNATURE"
    )


def test_a_file_with_a_sketch_repeats_one_caveat_more() -> None:
    assert sketched().to_dict()["caveats"] == [*MAKE["CAVEATS"], MAKE["SKETCH_CAVEAT"]]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sketch": None}, OTHER_SKETCH),
        ({"sketch": bitmap("good-sketch-of-blocks")}, OTHER_SKETCH),
        ({"sketch": bitmap("good-sketch-of-planes")}, OTHER_SKETCH),
        ({"sketch": bitmap("good-sketch-with-the-agreed-key")}, OTHER_SKETCH),
    ],
)
def test_a_release_checks_its_sketch(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ReleaseError) as refusal:
        dataclasses.replace(sketched(), **change)
    assert str(refusal.value) == words


def test_a_release_that_nobody_asked_a_sketch_of_takes_none() -> None:
    with pytest.raises(ReleaseError, match=f"^{OTHER_SKETCH}$"):
        dataclasses.replace(good_release(), sketch=bitmap())


def test_a_release_checks_the_key_of_its_sketch() -> None:
    agreed = sketched("good-sketch-with-the-agreed-key")
    other = dataclasses.replace(
        bitmap("good-sketch-with-the-agreed-key"), key_fingerprint=FINGERPRINT[::-1]
    )
    with pytest.raises(ReleaseError, match=f"^{OTHER_SKETCH_KEY}$"):
        dataclasses.replace(agreed, sketch=other)


def with_both_parts() -> tuple[dict[str, Any], bytes, bytes]:
    """A header, and the counts and the bits that stand behind it."""
    section = {"sketch": {"epsilon": "1", "key": "email", "expected_buyers": 1}}
    asked = Inquiry.from_dict(
        inquiry({"zip": 600, "age": 500}, [["zip", "age"]]).to_dict() | section
    )
    bits = MAKE["bits"]({"planes": [], "blocks": [{"log2_bits": 12}]})
    counts = {of: np.full(asked.shape(of), -3) for of in asked.tables}
    assert asked.sketch is not None
    made = Sketch(plan=asked.sketch, key_fingerprint=FINGERPRINT, bits=bits)
    data = made_release(asked, counts, 64.0, sketch=made).to_bytes()
    end = len(data) - 72
    tree = json.loads(data.split(b"\n", 3)[2])
    raw = data[end - 512 - 8 * sum(map(asked.cells, asked.tables)) : end - 512]
    return tree, raw, bits


def test_counts_and_bits_stand_behind_the_header_in_this_order() -> None:
    tree, raw, bits = with_both_parts()
    assert tree["parts"] == [MAKE["part_of"](raw, "tables"), MAKE["part_of"](bits)]
    read = Release.from_bytes(with_parts(tree, raw + bits))
    assert read.sketch is not None
    assert read.sketch.bits == bits
    assert {int(count) for table in read.tables.values() for count in table.counts.ravel()} == {-3}


@pytest.mark.parametrize("stated", ["as they stand", "in their right order"])
def test_bits_in_front_of_the_counts_are_refused(stated: str) -> None:
    tree, raw, bits = with_both_parts()
    if stated == "as they stand":
        tree["parts"].reverse()
    assert code_of(with_parts(tree, bits + raw)) == "PARTS"


@pytest.mark.parametrize("kept", [0, 1])
def test_of_two_parts_none_may_be_missing(kept: int) -> None:
    tree, *parts = with_both_parts()
    tree["parts"] = [tree["parts"][kept]]
    assert code_of(with_parts(tree, parts[kept])) == "PARTS"


def test_the_card_with_a_sketch_gives_both_losses_and_their_sum() -> None:
    card = sketched("good-sketch-of-planes").privacy_card()
    assert "Loss: the bitmap epsilon 2.5, the tables epsilon 1.\n" in card
    assert "Privacy loss: epsilon 3.5, all of it together." in card
    assert "Bitmap      1,024 bytes" in card
    assert FINGERPRINT in card


def test_the_card_tells_what_becomes_of_beliefs_after_tables_and_sketch() -> None:
    told = sketched()._card_facts(None)["beliefs"]
    factor = math.e**2
    assert told == pytest.approx([factor / (9 + factor), factor / (1 + factor)])


def test_the_card_writes_a_loss_without_needless_zeros() -> None:
    asked = MAKE["ONE_MAP"] | {"epsilon": "0.5"}
    tree = MAKE["sketched_header"](asked)
    tree["inquiry"]["privacy"]["epsilon"] = "1.5"
    raw = MAKE["bits"](tree["sketch"])
    read = Release.from_bytes(with_parts(tree, raw))
    assert "Privacy loss: epsilon 2, all" in read.privacy_card()
    assert repr(read).endswith("epsilon 2>")


def test_under_rho_the_card_tells_the_smaller_epsilon_of_the_two_that_hold() -> None:
    """Rho adds up, and then is an epsilon; or the epsilons of tables and sketch add up."""
    read = sketched("good-sketch-under-rho")
    told = read._card_facts(None)["epsilon"]
    assert told == min(epsilon_of_rho(1.0, 1e-6), epsilon_of_rho(0.5, 1e-6) + 1)
    assert told < epsilon_of_rho(1.0, 1e-6)
    assert f"epsilon {math.ceil(100 * told) / 100:.2f}\n" in read.privacy_card()


# --- ids and caveats -----------------------------------------------------------------------
@pytest.mark.parametrize("ids", ["as_is", "trim", "trim_ascii_lower"])
def test_the_rule_for_ids_is_carried(ids: str) -> None:
    original = dataclasses.replace(good_release(), ids=ids)
    assert Release.from_bytes(original.to_bytes()).ids == original.to_dict()["ids"] == ids
    assert (original.digest == good_release().digest) == (ids == "as_is")


def test_every_file_repeats_the_caveats_of_the_format() -> None:
    assert good_release().to_dict()["caveats"] == MAKE["CAVEATS"]


# --- the largest header --------------------------------------------------------------------
def test_a_release_with_all_that_an_inquiry_may_hold_is_read() -> None:
    names = [f"a{number:02d}" for number in range(MAX_AXES)]
    tables = list(map(list, itertools.islice(itertools.combinations(names, 8), MAX_TABLES)))
    asked = inquiry(dict.fromkeys(names, 2), tables)
    asked = Inquiry.from_dict({**asked.to_dict(), "quoted": [names] * MAX_TABLES})
    counts = {of: np.full(asked.shape(of), -LIMIT) for of in asked.tables}
    assert MAX_JSON_CELLS - 10_000 < sum(table.size for table in counts.values()) <= MAX_JSON_CELLS
    original = release(asked, counts, scale=2.0**20)
    assert same(Release.from_bytes(original.to_bytes()), original)


@pytest.mark.parametrize("letter", ["[", "{", '"', "\\", "]"])
def test_a_release_whose_levels_hold_brackets_and_quotes_is_read(letter: str) -> None:
    levels = [f"{number:06d}{letter * 20}" for number in range(20_000)]
    content = inquiry({"a": 2}, [["a"]]).to_dict()
    asked = Inquiry.from_dict({**content, "axes": [{"name": "a", "levels": levels}]})
    original = release(asked, {("a",): np.ones(len(levels) + 1)})
    assert Release.from_bytes(original.to_bytes()).inquiry.digest == asked.digest


@pytest.mark.parametrize("known", [MAX_LEVELS - 1, MAX_LEVELS])
def test_as_many_levels_as_an_inquiry_may_have_are_read(known: int) -> None:
    """The level `unknown` is added to those of the file: what is then asked must be readable."""
    content = inquiry({"a": 2}, [[]]).to_dict()
    axis = {"name": "a", "levels": [f"{number}" for number in range(known)]}
    try:
        asked = Inquiry.from_dict({**content, "axes": [axis]})
    except InquiryError as refusal:
        assert refusal.code == "DOMAIN_TOO_LARGE"  # noqa: PT017 -- refused before any debit
    else:
        original = release(asked, {(): 1})
        assert same(Release.from_bytes(original.to_bytes()), original)


# --- shown ---------------------------------------------------------------------------------
class Account:
    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def remaining(self, inquiry: Inquiry, retailer: str) -> Decimal:
        self.asked.append((inquiry.digest, retailer))
        return Decimal("1.625")


def test_the_card_names_the_retailer_and_the_tables() -> None:
    card = good_release().privacy_card()
    assert "sephora" in card.casefold()
    assert "contact" in card


def test_the_card_says_what_is_left_when_given_the_ledger() -> None:
    account = Account()
    assert "1.625" in good_release().privacy_card(account)
    assert account.asked == [(good_release().inquiry.digest, "sephora")]


def test_the_card_tells_what_becomes_of_beliefs_of_10_and_50_percent() -> None:
    """After a loss of 1 the odds are at most e times as high."""
    told = good_release()._card_facts(None)["beliefs"]
    assert told == pytest.approx([math.e / (9 + math.e), math.e / (1 + math.e)])


def test_without_the_ledger_the_card_cannot_know_what_is_left() -> None:
    assert "1.625" not in good_release().privacy_card()


def test_without_the_ledger_the_card_is_silent_about_what_is_left() -> None:
    assert good_release()._card_facts(None)["left"] is None
    assert "left" not in good_release().privacy_card()


def test_the_frame_holds_every_released_number() -> None:
    assert len(good_release().to_frame()) == 1 + 3 + 12


def test_the_notebook_page_holds_the_card() -> None:
    page = good_release()._repr_html_()
    assert "sephora" in page.casefold()
    assert "<" in page


def test_the_dictionary_is_the_header() -> None:
    assert good_release().to_dict() == MAKE["header"]()


def test_the_dictionary_holds_the_counts_of_a_raw_part() -> None:
    content = large(MAX_JSON_CELLS + 1).to_dict()
    assert content["tables"][0]["counts"] == [-3]
    assert set(content["tables"][1]["counts"]) == {-3}
    assert copy.deepcopy(content) == json.loads(json.dumps(content))


def test_bytes_that_would_not_be_written_again_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a sketch that is null, and not asked, is known to get so far; others might."""
    monkeypatch.setattr(Release, "to_bytes", lambda _self: b"other")
    with pytest.raises(ReleaseError, match=r"^CANONICAL: not in canonical form$"):
        Release.from_bytes(GOOD)


@pytest.mark.parametrize("path", [None, 3, b"x.release"])
def test_a_release_is_loaded_from_a_path(path: Any) -> None:
    with pytest.raises(ReleaseError, match=r"^FILE: a release is loaded from a path$"):
        Release.load(path)


@pytest.mark.parametrize("data", [None, "text", [1]])
def test_a_release_is_read_from_bytes(data: Any) -> None:
    with pytest.raises(ReleaseError, match="a release is read from bytes"):
        Release.from_bytes(data)


def test_a_release_shows_itself_in_one_line() -> None:
    shown = Release.from_bytes(GOOD)
    assert repr(shown).startswith(f"<Release of {shown.retailer}: {shown.inquiry.name}, epsilon")


def test_the_card_of_a_rho_says_what_epsilon_it_is() -> None:
    shown = Release.from_bytes(GAUSSIAN)
    assert f"rho {shown.rho} (zero-concentrated)" in shown.privacy_card()
    assert "epsilon 5.23\nbut for a chance of 1e-06." in shown.privacy_card()
    assert shown._card_facts(None)["epsilon"] == epsilon_of_rho(0.5, 1e-6)


def test_the_card_says_who_signed_and_how_ids_were_compared() -> None:
    signed = Release.from_bytes(SIGNED)
    assert f"Signed by   {public(KEY)}\n" in signed.privacy_card()
    assert "Signed by" not in good_release().privacy_card()
    assert "Buyer ids   compared as they are\n" in good_release().privacy_card()


def test_the_card_shows_the_digest_that_was_signed() -> None:
    assert f"SHA-256 {good_release().digest}" in Release.from_bytes(SIGNED).privacy_card()
