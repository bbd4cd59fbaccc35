import json
from typing import Any

import pytest
from pydantic import ValidationError

from dpnotice.inquiry_file import InquiryFile

FILE: dict[str, Any] = {
    "format": 1,
    "name": "wen",
    "title": "Purchasers of WEN",
    "period": ["2007-11-01", "2016-09-20"],
    "timezone": "America/Los_Angeles",
    "products": ["tonic"],
    "axes": {"state": ["CA"]},
    "tables": [{"of": []}],
    "privacy": {"epsilon": "1"},
}
REQUIRED = sorted(FILE)
SKETCH: dict[str, Any] = {"epsilon": "1", "key": "email", "expected_buyers": 1_500_000}


def read(**changes: object) -> InquiryFile:
    return InquiryFile.model_validate({**FILE, **changes})


def refused_places(**changes: object) -> set[str]:
    with pytest.raises(ValidationError) as refusal:
        read(**changes)
    return {str(error["loc"][0]) for error in refusal.value.errors()}


def test_what_may_be_left_out_has_its_documented_default() -> None:
    file = read()
    assert (file.unit, file.quoted, file.tables[0].weight) == ("buyer", [], "1")
    assert (file.privacy.noise, file.sketch) == (None, None)


def test_of_a_sketch_three_fields_are_enough() -> None:
    sketch = read(sketch=SKETCH).sketch
    assert sketch is not None
    assert (sketch.key_fingerprint, sketch.blocks) == (None, None)
    assert (sketch.expected_by, sketch.planes) == ([], [])


@pytest.mark.parametrize("field", SKETCH)
def test_a_missing_field_of_a_sketch_is_refused_by_name(field: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        read(sketch={k: v for k, v in SKETCH.items() if k != field})
    assert [error["loc"] for error in refusal.value.errors()] == [("sketch", field)]


def test_a_sketch_at_the_ends_of_its_ranges_is_read() -> None:
    given_ = {"expected_buyers": 10**9, "key": "id", "key_fingerprint": "0123456789abcdef"}
    named = {"expected_by": {"CA": 10**9}, "planes": {"p" * 64: ["email"]}}
    listed = {"expected_by": [10**9], "planes": [{"name": "~", "levels": ["email"]}]}
    for form in (named, listed):
        sketch = read(sketch=SKETCH | given_ | form).sketch
        assert sketch is not None
        assert sketch.model_dump(exclude_defaults=True) == SKETCH | given_ | form


@pytest.mark.parametrize("epsilon", ["1", "x", 1, 0.5, True])
def test_the_epsilon_of_a_sketch_is_read_as_given_and_judged_later(epsilon: object) -> None:
    sketch = read(sketch=SKETCH | {"epsilon": epsilon}).sketch
    assert sketch is not None
    assert sketch.epsilon == epsilon


@pytest.mark.parametrize("field", REQUIRED)
def test_a_missing_field_is_refused_by_name(field: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        InquiryFile.model_validate({k: v for k, v in FILE.items() if k != field})
    assert [error["loc"] for error in refusal.value.errors()] == [(field,)]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("format", 2),
        ("format", "1"),
        ("format", True),
        ("name", ""),
        ("name", "../wen"),
        ("name", ".wen"),
        ("name", "wen\n"),
        ("name", "w" * 65),
        ("name", "wén"),
        ("title", ""),
        ("title", "t" * 201),
        ("unit", "household"),
        ("period", ["2007-11-01"]),
        ("period", ["2007-11-01", "2008-11-01", "2009-11-01"]),
        ("period", [20071101, 20081101]),
        ("timezone", 7),
        ("products", "tonic"),
        ("products", [7]),
        ("products", {"file": "a.csv", "column": "sku"}),
        ("products", {"count": -1, "sha256": "0" * 64}),
        ("products", {"count": 1, "sha256": "0" * 63}),
        ("products", {"count": 1, "sha256": "G" * 64}),
        ("axes", {"state": "CA"}),
        ("axes", {"age": [18, 25]}),
        ("tables", []),
        ("tables", [["state"]]),
        ("tables", [{"of": ["state"], "weight": 2}]),
        ("tables", [{"of": ["state"], "scale": "4"}]),
        ("quoted", ["state"]),
        ("privacy", {"epsilon": "1", "noise": "uniform"}),
        ("privacy", {"epsilon": "1", "sigma": "2"}),
        ("sketch", {}),
        ("sketch", "email"),
        ("sketch", SKETCH | {"key": "phone"}),
        ("sketch", SKETCH | {"key_fingerprint": "0" * 15}),
        ("sketch", SKETCH | {"key_fingerprint": "A" * 16}),
        ("sketch", SKETCH | {"expected_buyers": 0}),
        ("sketch", SKETCH | {"expected_buyers": 10**9 + 1}),
        ("sketch", SKETCH | {"expected_buyers": 1e6}),
        ("sketch", SKETCH | {"expected_buyers": True}),
        ("sketch", SKETCH | {"blocks": ["state"]}),
        ("sketch", SKETCH | {"expected_by": {"CA": "5"}}),
        ("sketch", SKETCH | {"expected_by": {"CA": 10**9 + 1}}),
        ("sketch", SKETCH | {"expected_by": [10**9 + 1]}),
        ("sketch", SKETCH | {"planes": {"é": ["email"]}}),
        ("sketch", SKETCH | {"planes": {"": ["email"]}}),
        ("sketch", SKETCH | {"planes": {"p" * 65: ["email"]}}),
        ("sketch", SKETCH | {"planes": {"email": "email"}}),
        ("sketch", SKETCH | {"planes": [{"name": "two\nlines", "levels": []}]}),
        ("sketch", SKETCH | {"planes": [{"name": "a", "levels": [], "weight": 1}]}),
        ("sketch", SKETCH | {"seed": 7}),
    ],
)
def test_a_field_off_its_rule_is_refused_by_name(field: str, value: object) -> None:
    assert refused_places(**{field: value}) == {field}


def test_an_unknown_field_is_refused_by_name() -> None:
    assert refused_places(epsilonn="1") == {"epsilonn"}


def test_the_schema_names_every_field_for_editors() -> None:
    schema = json.loads(json.dumps(InquiryFile.model_json_schema()))
    assert set(schema["properties"]) == {*REQUIRED, "unit", "quoted", "sketch"}
    assert schema["required"] == [name for name in schema["properties"] if name in REQUIRED]
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize("delta", ["0.000001", "x", 1, 1e-6, True, None])
def test_a_delta_is_read_as_given_and_judged_later(delta: object) -> None:
    """Numbers pass here, as those of epsilon do: the words of `exact_decimal` name the remedy."""
    assert read(privacy={"epsilon": "1", "delta": delta}).privacy.delta == delta


def test_without_a_delta_there_is_none() -> None:
    assert read().privacy.delta is None


@pytest.mark.parametrize("delta", [["0.1"], {"value": "0.1"}])
def test_a_delta_that_is_no_single_value_is_refused(delta: object) -> None:
    assert refused_places(privacy={"epsilon": "1", "delta": delta}) == {"privacy"}
