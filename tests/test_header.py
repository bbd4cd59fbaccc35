"""A header is well typed and complete, or refused by the field's name without its value."""

import copy
from collections.abc import Iterable
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpnotice.errors import PURCHASES_RULES, ReleaseError
from dpnotice.header import CAVEATS, SKETCH_CAVEAT, Header

HASH = "0123456789abcdef" * 4
TREE: dict[str, Any] = {
    "format": 1,
    "retailer": "sephora",
    "inquiry": {"anything": ["goes", 1, None]},
    "ids": "as_is",
    "neighbours": "add or remove one buyer",
    "caveats": list(CAVEATS),
    "attempt": 0,
    "date": "2026-01-31",
    "ledger": {"sequence": 1, "head": HASH},
    "versions": {"dpnotice": "0.1.0"},
    "tables": [
        {
            "of": ["state"],
            "noise": {"law": "discrete-laplace", "scale": "4.0"},
            "sensitivity": 1,
            "counts": [3, -2, 0],
        }
    ],
    "parts": [{"name": "tables", "length": 0, "sha256": HASH}],
    "sketch": {
        "format": "flip-bitmap-1",
        "sketch_id": HASH,
        "key_fingerprint": HASH[:16],
        "rule": "email-1",
        "threshold": 17_626,
        "planes": ["email", "other"],
        "blocks": [{"level": "CA", "log2_bits": 12}],
        "bit_order": "little",
    },
}
OPTIONAL = ("sketch",)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)
Place = tuple[str | int, ...]


def places(tree: Any, before: Place = ()) -> Iterable[Place]:
    """Every place of a field, the inquiry's own fields left out."""
    keys = list(tree) if isinstance(tree, dict) else range(len(tree))
    for key in keys:
        yield (*before, key)
        if isinstance(tree[key], (dict, list)) and key != "inquiry":
            yield from places(tree[key], (*before, key))


FIELDS = [place for place in places(TREE) if isinstance(place[-1], str)]


def changed(place: Place, value: object = None, *, away: bool = False) -> dict[str, Any]:
    tree = copy.deepcopy(TREE)
    parent: Any = tree
    for step in place[:-1]:
        parent = parent[step]
    if away:
        del parent[place[-1]]
    else:
        parent[place[-1]] = value
    return tree


def refused(tree: object) -> str:
    with pytest.raises(ReleaseError) as refusal:
        Header.read(tree)
    assert refusal.value.code == "HEADER"
    assert str(refusal.value).isprintable()
    assert refusal.value.__suppress_context__
    return refusal.value.rule


# --- what is read --------------------------------------------------------------------------
def test_what_is_read_is_what_was_written() -> None:
    assert Header.read(TREE).model_dump() == TREE


def test_every_number_in_a_header_is_as_given() -> None:
    read = Header.read(TREE)
    assert (read.ledger.sequence, read.tables[0].counts) == (1, [3, -2, 0])
    assert (read.tables[0].noise.scale, read.parts[0].length) == ("4.0", 0)


@pytest.mark.parametrize("ids", ["as_is", "trim", "trim_ascii_lower"])
def test_each_rule_for_ids_is_read(ids: str) -> None:
    assert Header.read(changed(("ids",), ids)).ids == ids


def test_the_rules_for_ids_are_those_of_the_purchases() -> None:
    stated = get_args(Header.model_fields["ids"].annotation)
    assert PURCHASES_RULES["IDS_RULE"] == f"ids must be one of {', '.join(stated)}"


GOOD: list[tuple[Place, object]] = [
    (("retailer",), "a"),
    (("retailer",), "A-z_9.b"),
    (("retailer",), "r" * 64),
    (("attempt",), 10**6),
    (("caveats",), []),
    (("ledger", "sequence"), 2**53),
    (("versions",), {}),
    (("versions",), {f"library {n}": "v" * 64 for n in range(32)}),
    (("tables",), []),
    (("tables", 0, "counts"), None),
    (("tables", 0, "counts"), [-(2**53), 2**53]),
    (("tables", 0, "noise", "law"), "discrete-gaussian"),
    (("tables", 0, "noise", "scale"), "1" * 32),
    (("parts",), []),
    (("parts", 0, "name"), "sketch"),
    (("sketch",), None),
    (("sketch", "rule"), "id-1"),
    (("sketch", "planes"), []),
    (("sketch", "planes"), ["p" * 64]),
    (("sketch", "blocks", 0, "level"), "\U0001f9f4" * 64),
]


@pytest.mark.parametrize(("place", "value"), GOOD)
def test_a_field_at_the_end_of_its_range_is_read(place: Place, value: object) -> None:
    tree = changed(place, value)
    assert Header.read(tree).model_dump() == tree


# --- what is refused -----------------------------------------------------------------------
BAD: list[tuple[Place, object]] = [
    *[(("format",), value) for value in (0, 2, "1", True, 1.0)],
    *[(("retailer",), value) for value in ("", ".", "a.", ".a", "a..b", "a b", "a/b", "a\n", "é")],
    *[(("retailer",), value) for value in ("r" * 65, "a.b/c", "a.b c")],
    *[(("inquiry",), value) for value in (None, [], "wen")],
    *[(("ids",), value) for value in ("lower", "As_is", "", None, 0)],
    *[(("neighbours",), value) for value in ("change one buyer", "", None)],
    *[(("caveats",), value) for value in (None, "text", [1], [None], {})],
    *[(("attempt",), value) for value in (-1, 10**6 + 1, True, "0", 0.0)],
    *[(("date",), value) for value in ("2026-1-31", "2026-01-3", "226-01-31", "20260131")],
    *[(("date",), value) for value in ("2026-01-31\n", "x2026-01-31", "2026/01/31", 20260131)],
    *[(("ledger", "sequence"), value) for value in (0, -1, True, "1")],
    *[(("ledger", "head"), value) for value in (HASH[1:], HASH + "0", HASH.upper(), "z" * 64)],
    *[(("ledger", "head"), value) for value in (HASH + "\n", "x" + HASH)],
    *[(("versions", name), "1") for name in ("", "n" * 65, "n\n", "é")],
    *[(("versions", "dpnotice"), value) for value in ("", "v" * 65, "v\t", 1, None)],
    (("versions",), {f"library {n}": "1" for n in range(33)}),
    *[(("tables", 0, "of"), value) for value in (None, "state", [1])],
    *[(("tables", 0, "noise", "law"), value) for value in ("laplace", None)],
    *[(("tables", 0, "noise", "scale"), value) for value in (4, 4.0, "1" * 33)],
    *[(("tables", 0, "sensitivity"), value) for value in (0, 2, True, 1.0)],
    *[(("tables", 0, "counts"), value) for value in ("3", [True], ["3"], [1.0], [None])],
    *[(("parts", 0, "name"), value) for value in ("counts", "Sketch", None)],
    *[(("parts", 0, "length"), value) for value in (-1, True, "0")],
    *[(("parts", 0, "sha256"), value) for value in (HASH[1:], "G" * 64)],
    *[(("sketch",), value) for value in ({}, [], "flip-bitmap-1", True)],
    *[(("sketch", "format"), value) for value in ("flip-bitmap-2", "", 1, None)],
    *[(("sketch", "sketch_id"), value) for value in (HASH[1:], HASH.upper(), HASH + "\n", None)],
    *[(("sketch", "key_fingerprint"), value) for value in (HASH, HASH[:15], "G" * 16, "z" * 16)],
    *[(("sketch", "key_fingerprint"), value) for value in (HASH[:16] + "\n", "x" + HASH[:16])],
    *[(("sketch", "rule"), value) for value in ("email", "email-2", None)],
    *[(("sketch", "threshold"), value) for value in ("17626", 17_626.0, True, None)],
    *[(("sketch", "planes"), value) for value in (None, "email", [""], ["p" * 65], ["é"], [1])],
    *[(("sketch", "blocks"), value) for value in (None, {}, ["CA"], [["CA", 12]])],
    *[(("sketch", "blocks", 0, "level"), value) for value in ("l" * 65, 1, None)],
    *[(("sketch", "blocks", 0, "log2_bits"), value) for value in ("12", 12.0, True, None)],
    *[(("sketch", "bit_order"), value) for value in ("big", "", None)],
]


@pytest.mark.parametrize(("place", "value"), BAD)
def test_a_field_off_its_rule_is_refused_by_name(place: Place, value: object) -> None:
    assert refused(changed(place, value)).startswith(f"the header's field '{place[0]}")


@pytest.mark.parametrize(
    "place", [field for field in FIELDS if field[0] != "versions" and field != OPTIONAL]
)
def test_a_missing_field_is_refused_by_name(place: Place) -> None:
    named = f"the header's field '{'.'.join(map(str, place))}' is not as specified"
    assert refused(changed(place, away=True)) == named


def test_a_header_without_a_sketch_has_none() -> None:
    assert Header.read(changed(OPTIONAL, away=True)).sketch is None


@pytest.mark.parametrize(
    "before",
    [
        *((), ("ledger",), ("tables", 0), ("tables", 0, "noise"), ("parts", 0)),
        *(("sketch",), ("sketch", "blocks", 0)),
    ],
)
def test_an_unknown_field_is_refused_by_name(before: Place) -> None:
    assert "comment' is not as specified" in refused(changed((*before, "comment"), "x"))


@given(ANYTHING)
def test_a_tree_of_anything_else_is_refused(tree: object) -> None:
    refused(tree)


@given(st.sampled_from(FIELDS), ANYTHING)
def test_anything_in_place_of_a_field_is_read_as_given_or_refused(
    place: Place, value: object
) -> None:
    tree = changed(place, value)
    try:
        read = Header.read(tree)
    except ReleaseError as refusal:
        assert refusal.code == "HEADER"  # noqa: PT017 -- both ends are right
    else:
        assert repr(read.model_dump()) == repr(tree)


# --- what is shown -------------------------------------------------------------------------
@pytest.mark.parametrize("place", FIELDS)
def test_a_refusal_never_shows_the_value(place: Place) -> None:
    shown = refused(changed(place, [["canary-7731"]]))
    assert "canary" not in shown


def test_a_long_name_is_cut_short() -> None:
    shown = refused(changed(("x" * 5_000,), 1))
    assert shown == f"the header's field '{'x' * 80}' is not as specified"


def test_a_name_is_shown_without_its_control_characters() -> None:
    assert "\\x1b[2J" in refused(changed(("\x1b[2J",), 1))


def test_a_header_is_frozen() -> None:
    read = Header.read(TREE)
    with pytest.raises(ValueError, match="frozen"):
        read.retailer = "another"  # type: ignore[misc]


def test_the_caveats_are_plain_sentences() -> None:
    texts = [*CAVEATS, SKETCH_CAVEAT]
    assert len(set(texts)) == len(texts) > 1
    assert all(text.isascii() and text.isprintable() and text.endswith(".") for text in texts)
