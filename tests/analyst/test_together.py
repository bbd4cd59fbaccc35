from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpnotice.analyst.together import load_releases, together
from dpnotice.bitmap import Sketch
from dpnotice.errors import ReleaseError
from dpnotice.release import Release
from dpnotice.signature import create_key, public_key
from made import releases

ASKS: dict[str, Any] = {
    "axes": {"state": ["CA", "NY"], "age": ["18-24"]},
    "tables": [{"of": []}],
    "privacy": {"epsilon": "1"},
}


def release(
    retailer: str = "sephora", *, attempt: int = 0, count: int = 9, **asks: object
) -> Release:
    asked = releases.wen(**(ASKS | asks))
    counts = {of: np.full(asked.shape(of), count) for of in asked.tables}
    return releases.release(asked, counts, 64.0, retailer=retailer, attempt=attempt)


def refused(*releases: Release) -> ReleaseError:
    with pytest.raises(ReleaseError) as refusal:
        together(releases)
    return refusal.value


def saved(folder: Path, **named: Release) -> None:
    for name, each in named.items():
        each.save(folder / f"{name}.release")


# --- what belongs together -----------------------------------------------------------------
def test_one_release_is_enough() -> None:
    only = release()
    assert together([only]) == (only,)


@given(st.permutations(["a", "b", "c", "d"]))
def test_releases_come_ordered_by_retailer(names: list[str]) -> None:
    assert [each.retailer for each in together(map(release, names))] == ["a", "b", "c", "d"]


@given(st.permutations(range(4)))
def test_further_attempts_of_one_request_come_in_their_order(attempts: list[int]) -> None:
    ordered = together(release(attempt=attempt) for attempt in attempts)
    assert [each.attempt for each in ordered] == [0, 1, 2, 3]


@pytest.mark.parametrize("epsilons", [("1", "2"), ("2", "1")])
def test_attempts_of_different_requests_come_in_their_order_too(epsilons: tuple[str, str]) -> None:
    given_releases = [
        release(attempt=attempt, privacy={"epsilon": epsilon})
        for attempt, epsilon in enumerate(epsilons)
    ]
    assert [each.attempt for each in together(given_releases)] == [0, 1]


@pytest.mark.parametrize(
    "asks",
    [
        {"privacy": {"epsilon": "2"}},
        {"privacy": {"rho": "1", "noise": "discrete-gaussian"}},
        {"title": "Another title"},
        {"quoted": [["state"]]},
    ],
    ids=["epsilon", "law", "title", "quoted"],
)
def test_retailers_may_differ_in_what_does_not_change_the_class(asks: dict[str, Any]) -> None:
    assert len(together([release("a"), release("b", **asks)])) == 2


def test_retailers_may_answer_different_tables() -> None:
    other = release("b", tables=[{"of": []}, {"of": ["state"]}])
    assert len(together([release("a"), other])) == 2


def test_one_retailer_may_answer_two_requests() -> None:
    assert len(together([release(), release(privacy={"epsilon": "2"})])) == 2


# --- what does not -------------------------------------------------------------------------
def test_the_same_release_twice_is_refused() -> None:
    refusal = refused(release("b"), release("a"), release("b"))
    assert refusal.code == "DUPLICATE_RELEASE"
    assert "'b' appears twice with the same release; name each file once" in str(refusal)


def test_two_answers_to_one_request_are_refused() -> None:
    refusal = refused(release(count=9), release(count=10))
    assert refusal.code == "CONFLICTING_RELEASE"
    assert "two different answers to one request; ask which one is genuine" in str(refusal)


def test_another_title_does_not_make_another_request() -> None:
    assert refused(release(), release(title="Another")).code == "CONFLICTING_RELEASE"


def test_a_duplicate_among_conflicts_is_refused() -> None:
    codes = {"CONFLICTING_RELEASE", "DUPLICATE_RELEASE"}
    assert refused(release(count=1), release(count=2), release(count=1)).code in codes


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "another"),
        ("period", ["2007-11-01", "2016-09-21"]),
        ("timezone", "America/New_York"),
        ("products", ["tonic", "shampoo"]),
    ],
)
def test_another_class_is_refused_by_what_differs(field: str, value: object) -> None:
    refusal = refused(release("a"), release("b", **{field: value}))
    assert refusal.code == "CLASS_MISMATCH"
    assert f"different classes: {field} differ; only answers to one question" in str(refusal)


def test_everything_that_differs_is_listed() -> None:
    refusal = refused(release("a"), release("b", name="other", products=["soap"]))
    assert "name, products differ" in str(refusal)


def test_another_class_is_found_among_many() -> None:
    many = [release(name) for name in "abcdef"]
    assert refused(*many, release("cc", name="other")).code == "CLASS_MISMATCH"


@pytest.mark.parametrize(
    "axes",
    [
        {"state": ["CA", "NY", "PR"], "age": ["18-24"]},
        {"state": ["NY", "CA"], "age": ["18-24"]},
        {"state": ["CA", "NY"]},
        {"state": ["CA", "NY"], "age": ["18-24"], "contact": ["email"]},
    ],
    ids=["level", "order", "fewer", "more"],
)
def test_other_axes_are_refused_with_the_levels_of_both(axes: dict[str, list[str]]) -> None:
    refusal = refused(release("a"), release("b", axes=axes))
    assert refusal.code == "DOMAIN_MISMATCH"
    assert "state: CA, NY, unknown; age: 18-24, unknown against " in str(refusal)
    assert f"state: {', '.join(axes['state'])}, unknown" in str(refusal)
    assert str(refusal).endswith("ask for answers to one inquiry")


@pytest.mark.parametrize(
    "given_releases", [[], [None], ["a.release"], [releases.wen(**ASKS).to_dict()]]
)
def test_only_releases_can_be_put_together(given_releases: list[Any]) -> None:
    words = "give at least one release, as loaded by load_releases"
    with pytest.raises(ReleaseError, match=words):
        together(given_releases)


# --- files ---------------------------------------------------------------------------------
@pytest.fixture
def folder(tmp_path: Path) -> Path:
    saved(tmp_path, one=release("b"), two=release("a"))
    (tmp_path / "notes.txt").touch()
    return tmp_path


def test_a_glob_finds_every_release(folder: Path) -> None:
    found = load_releases(f"{folder}/*.release")
    assert [each.retailer for each in found] == ["a", "b"]


@pytest.mark.parametrize("kind", [str, Path])
def test_one_path_is_one_release(folder: Path, kind: type) -> None:
    assert [each.retailer for each in load_releases(kind(folder / "one.release"))] == ["b"]


def test_paths_and_globs_may_be_mixed(folder: Path) -> None:
    found = load_releases([folder / "one.release", f"{folder}/tw*.release"])
    assert [each.retailer for each in found] == ["a", "b"]


def test_a_file_named_twice_is_refused(folder: Path) -> None:
    with pytest.raises(ReleaseError, match="DUPLICATE_RELEASE: 'b' appears twice"):
        load_releases([f"{folder}/*.release", folder / "one.release"])


def test_a_copy_of_a_file_is_refused(folder: Path) -> None:
    (folder / "copy.release").write_bytes((folder / "one.release").read_bytes())
    with pytest.raises(ReleaseError, match="DUPLICATE_RELEASE"):
        load_releases(f"{folder}/*.release")


def test_an_altered_file_is_refused(folder: Path) -> None:
    data = (folder / "one.release").read_bytes()
    (folder / "three.release").write_bytes(data.replace(b'"attempt":0', b'"attempt":1'))
    with pytest.raises(ReleaseError, match="INTEGRITY"):
        load_releases(f"{folder}/*.release")


@pytest.mark.parametrize("source", ["none.release", ""])
def test_nothing_found_is_refused_with_the_remedy(folder: Path, source: str) -> None:
    with pytest.raises(ReleaseError, match=r"FILE: .* is not a readable file.*check the name"):
        load_releases(f"{folder}/{source}")


def test_a_pattern_that_matches_nothing_is_refused(folder: Path) -> None:
    with pytest.raises(ReleaseError, match=r"no file matches .*; check the pattern"):
        load_releases(f"{folder}/*.none")


@pytest.mark.parametrize("source", [None, True, [None], [b"x"]])
def test_what_is_no_path_is_refused(source: object) -> None:
    with pytest.raises(ReleaseError, match="by a glob, a path or a list of paths"):
        load_releases(source)


def test_nothing_named_is_refused() -> None:
    with pytest.raises(ReleaseError, match="no release file was named; give a glob or paths"):
        load_releases([])


def test_a_path_with_brackets_is_that_file(folder: Path) -> None:
    saved(folder, **{"sephora[1]": release("c"), "sephora1": release("d")})
    assert [each.retailer for each in load_releases(folder / "sephora[1].release")] == ["c"]


# --- keys ----------------------------------------------------------------------------------
@pytest.fixture
def keys(tmp_path: Path) -> dict[str, str]:
    """A key for each of two retailers, in their folders' file `name.key`."""
    return {name: create_key(tmp_path / f"{name}.key") for name in ("a", "b")}


def signed(folder: Path, **by: str) -> list[Path]:
    """A release of each retailer, signed with the named key unless that is empty."""
    for name, signer in by.items():
        each = release(name)
        (each.signed(folder / f"{signer}.key") if signer else each).save(folder / f"{name}.release")
    return [folder / f"{name}.release" for name in by]


def test_releases_signed_by_their_retailers_keys_are_read(
    tmp_path: Path, keys: dict[str, str]
) -> None:
    found = load_releases(signed(tmp_path, b="b", a="a"), keys=keys)
    assert [each.retailer for each in found] == ["a", "b"]
    assert {each.retailer: each.signature.key for each in found if each.signature} == keys


def test_keys_of_others_do_no_harm(tmp_path: Path, keys: dict[str, str]) -> None:
    assert len(load_releases(signed(tmp_path, a="a"), keys=keys)) == 1


@pytest.mark.parametrize(
    ("by", "code"),
    [
        ({"a": "a", "b": ""}, "UNSIGNED"),
        ({"a": "", "b": ""}, "UNSIGNED"),
        ({"a": "a", "b": "a"}, "UNTRUSTED_KEY"),
        ({"a": "b", "b": "a"}, "UNTRUSTED_KEY"),
    ],
    ids=["one unsigned", "all unsigned", "one signs for both", "exchanged"],
)
def test_a_release_not_signed_by_its_own_retailer_is_refused(
    tmp_path: Path, keys: dict[str, str], by: dict[str, str], code: str
) -> None:
    paths = signed(tmp_path, **by)
    with pytest.raises(ReleaseError) as refusal:
        load_releases(paths, keys=keys)
    assert refusal.value.code == code
    assert len(load_releases(paths)) == 2


@pytest.mark.parametrize(("signer", "code"), [("b", "UNTRUSTED_KEY"), ("", "UNSIGNED")])
def test_a_retailer_without_a_known_key_is_refused(
    tmp_path: Path, keys: dict[str, str], signer: str, code: str
) -> None:
    with pytest.raises(ReleaseError, match=code):
        load_releases(signed(tmp_path, b=signer), keys={"a": keys["a"]})
    with pytest.raises(ReleaseError, match=code):
        load_releases(tmp_path / "b.release", keys={})


def test_a_retailers_name_is_taken_exactly(tmp_path: Path, keys: dict[str, str]) -> None:
    with pytest.raises(ReleaseError, match="UNTRUSTED_KEY"):
        load_releases(signed(tmp_path, a="a"), keys={"A": keys["a"]})


def test_a_signed_and_an_unsigned_copy_of_one_release_are_one_release_twice(
    tmp_path: Path, keys: dict[str, str]
) -> None:
    (one,) = signed(tmp_path, a="a")
    release("a").save(tmp_path / "copy.release")
    for known in (None, keys):
        with pytest.raises(ReleaseError, match="DUPLICATE_RELEASE"):
            load_releases([one, tmp_path / "copy.release"], keys=known)


def test_copies_signed_by_two_keys_are_one_release_twice(
    tmp_path: Path, keys: dict[str, str]
) -> None:
    assert public_key(tmp_path / "b.key") == keys["b"]
    both = [release("a").signed(tmp_path / f"{name}.key") for name in ("a", "b")]
    assert refused(*both).code == "DUPLICATE_RELEASE"


@pytest.mark.parametrize("bad", ["key", ["key"], 3])
def test_keys_that_are_no_mapping_are_refused(folder: Path, bad: Any) -> None:
    with pytest.raises(ReleaseError):
        load_releases(f"{folder}/*.release", keys=bad)


# --- sketches ------------------------------------------------------------------------------
def sketched(
    retailer: str = "a", *, hashed_by: str = "0", epsilon: str = "1", **section: Any
) -> Release:
    """A release with a map in which no bit was set before nor flipped."""
    plain = {"epsilon": epsilon, "key": "email", "expected_buyers": 900}
    asked = releases.wen(**(ASKS | {"sketch": plain | section}))
    assert asked.sketch is not None
    blank = Sketch(
        plan=asked.sketch, key_fingerprint=hashed_by * 16, bits=bytes(asked.sketch.bytes)
    )
    counts = {of: np.full(asked.shape(of), 9) for of in asked.tables}
    return releases.release(asked, counts, 64.0, retailer=retailer, sketch=blank)


def test_sketches_of_one_plan_and_key_belong_together() -> None:
    assert len(together([sketched("a"), sketched("b"), sketched("c")])) == 3


def test_the_loss_of_a_sketch_may_differ_between_retailers() -> None:
    assert len(together([sketched("a"), sketched("b", epsilon="2")])) == 2


def test_a_release_without_a_sketch_belongs_beside_those_with_one() -> None:
    assert len(together([sketched("a"), release("b"), sketched("c")])) == 3


@pytest.mark.parametrize(
    "section",
    [{"expected_buyers": 50_000}, {"key": "id"}, {"blocks": "state", "expected_by": [9, 9, 9]}],
    ids=["size", "kind of key", "blocks"],
)
def test_sketches_of_different_sections_are_refused(section: dict[str, Any]) -> None:
    error = refused(sketched("a"), sketched("b", **section))
    assert error.code == "SKETCH_MISMATCH"
    assert "'a' and 'b' were asked for by different [sketch] sections" in str(error)


def test_sketches_hashed_with_different_keys_are_refused() -> None:
    error = refused(sketched("a"), sketched("b", hashed_by="f"))
    assert error.code == "SKETCH_MISMATCH"
    assert "hashed with different docket keys" in str(error)
    assert "f" * 16 not in str(error)


def test_sketches_are_compared_past_a_release_without_one() -> None:
    assert (
        refused(sketched("a"), release("b"), sketched("c", hashed_by="f")).code == "SKETCH_MISMATCH"
    )


def test_one_retailers_two_answers_need_one_key_too() -> None:
    second = sketched("a", hashed_by="f", epsilon="2")
    assert refused(sketched("a"), second).code == "SKETCH_MISMATCH"
