from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpnotice.analyst.together import load_releases, together
from dpnotice.errors import ReleaseError
from dpnotice.release import Release
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
