from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dpnotice.analyst.known import Known, know
from dpnotice.analyst.rates import beta
from dpnotice.errors import EstimateError, PlanError
from dpnotice.release import Release
from made.releases import matter, noisy_release, wen
from made.sketched import asking, regions, sketched_releases

Floats = Any


def laid(people: Floats) -> Floats:
    """(R, 4, 3) all persons of one state and age."""
    full = np.zeros((len(people), 4, 3), dtype=np.int64)
    full[:, 0, 0] = people
    return full


def answers(people: Floats, seed: int = 1, **drawn: Any) -> list[Release]:
    return sketched_releases(
        asking(expected=6000), laid(people), np.random.default_rng(seed), **drawn
    )


def known(releases: list[Release], **stated: Any) -> Known:
    given = {"overlap": None, "population": None, "linkage": None} | stated
    return know([[release] for release in releases], **given)


def plain() -> list[Release]:
    """Two retailers without sketches."""
    full = np.full((3, 5), 500)
    return [noisy_release(wen(), full, retailer=name) for name in ("a", "bb")]


def counted(name: str) -> Release:
    """A retailer that answers the same but for the sketch."""
    axes = {"state": ["CA", "NY", "TX"], "age": ["18-34", "35+"]}
    tables = [{"of": []}, {"of": ["state", "age"]}]
    asked = matter(axes=axes, tables=tables, privacy={"epsilon": "20"})
    return noisy_release(asked, np.full((4, 3), 300), retailer=name, scale=0.2)


def names(found: Known) -> list[str]:
    return [source.retailer for source in found.sources]


# --- what is compared --------------------------------------------------------------------------
def test_without_sketches_each_retailer_stands_by_itself() -> None:
    found = known(plain())
    assert names(found) == ["a", "bb"]
    assert found.joint is None
    assert found.assumptions == [
        "no sketch: nothing is assumed about the overlap between retailers"
    ]
    assert found.said == ""


@pytest.mark.parametrize("number", [2, 3, 4])
def test_sketches_make_one_source_of_persons(number: int) -> None:
    found = known(answers(regions(4000, number, "mid")))
    assert names(found) == [" + ".join(f"r{i}" for i in range(number))]
    assert (found.notes, found.flags, found.pairs) == ((), (), None)


def test_bounds_may_be_asked_for_in_spite_of_sketches() -> None:
    assert names(known(answers(regions(4000, 2, "mid")), overlap="bounds")) == ["r0", "r1"]


def test_a_single_sketch_is_compared_with_nothing() -> None:
    first, _ = answers(regions(4000, 2, "mid"))
    assert names(known([first, counted("r1")])) == ["r0", "r1"]


def test_a_retailer_without_a_sketch_stands_beside_the_others() -> None:
    both = answers(regions(4000, 2, "mid"))
    assert names(known([*both, counted("r2")])) == ["r0 + r1", "r2"]


def test_a_retailer_of_few_buyers_stands_beside_the_others_and_is_named() -> None:
    found = known(answers(np.array([4000, 4000, 2000, 40, 0, 0, 0])))
    assert names(found) == ["r0 + r1", "r2"]
    (note,) = found.notes
    assert note.startswith("r2: ")
    assert note in found.assumptions


def test_more_than_five_are_compared_two_by_two() -> None:
    found = known(answers(np.full(63, 150)))
    assert found.joint is None
    assert found.pairs is not None
    assert found.pairs.retailers == tuple(f"r{i}" for i in range(6))
    assert names(found) == [f"r{i}" for i in range(6)]


def test_pairs_of_persons_lie_above_pairs_of_keys() -> None:
    """For more than five retailers as for fewer: links lost at both thin a pair by kappa^2."""
    releases = answers(np.full(63, 150))
    shown, told = known(releases).pairs, known(releases, linkage=0.8).pairs
    assert shown is not None
    assert told is not None
    assert told.pairs == pytest.approx(shown.pairs / 0.64)
    assert np.all(told.pair_sd >= shown.pair_sd)


def test_of_several_attempts_the_last_sketch_is_compared() -> None:
    first, second = answers(regions(4000, 2, "mid"))
    again, _ = answers(regions(4000, 2, "mid"), seed=2)
    later = replace(again, attempt=1)
    given = {"overlap": None, "population": None, "linkage": None}
    both = know([[first, later], [second]], **given)
    swapped = know([[first, replace(later, sketch=first.sketch)], [second]], **given)
    assert both.joint is not None
    assert swapped.joint is not None
    assert both.joint.known_to((0, 1)) != pytest.approx(swapped.joint.known_to((0, 1)))


# --- contact -----------------------------------------------------------------------------------
def test_contact_belongs_to_a_person_at_a_retailer() -> None:
    found = known(answers(regions(4000, 2, "mid")))
    assert found.of(["state", "contact"]) == found.retailers
    assert found.of(["state"]) == found.sources
    assert found.of([]) == found.sources


# --- contradictions ------------------------------------------------------------------------------
def test_a_map_of_other_buyers_is_a_contradiction_and_said_first() -> None:
    first, second = answers(np.array([4000, 4000, 4000]))
    other, _ = answers(np.array([1000, 4000, 4000]))
    found = known([replace(first, sketch=other.sketch), second])
    assert found.assumptions[0].startswith("contradiction: r0: its map shows ")
    assert len(found.flags) == 1


# --- linkage -----------------------------------------------------------------------------------
def test_a_stated_linkage_is_used_and_said() -> None:
    releases = answers(regions(4000, 2, "mid"))
    plain_joint, told = known(releases).joint, known(releases, linkage={"r0": 0.8}).joint
    assert plain_joint is not None
    assert told is not None
    assert told.known_to((0, 1))[0] == pytest.approx(plain_joint.known_to((0, 1))[0] / 0.8)
    found = known(releases, linkage=beta(mean=0.9, sd=0.03))
    assert found.assumptions[0].startswith("share of persons whose key")
    assert found.said != known(releases).said


@pytest.mark.parametrize(
    ("linkage", "error", "words"),
    [
        ({"x": 0.9}, EstimateError, "sketches are of r0, r1"),
        ({"all retailers": 0.9}, EstimateError, "sketches are of r0, r1"),
        (1.5, PlanError, "fraction"),
    ],
)
def test_a_strange_linkage_is_refused(linkage: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        known(answers(regions(4000, 2, "mid")), linkage=linkage)


# --- independence ------------------------------------------------------------------------------
def test_independence_is_assumed_only_where_asked_for() -> None:
    found = known(plain(), overlap="independent", population=100_000)
    assert names(found) == ["a + bb"]
    assert any(line.startswith("independence") for line in found.assumptions)
    assert "independent" in found.said


def test_independence_of_blocks_adds_up() -> None:
    releases = answers(regions(4000, 2, "mid"))
    table = pd.DataFrame({"state": ["CA", "NY", "TX", "unknown"], "persons": [9e4] * 4})
    joint = known(releases, overlap="independent", population=table).joint
    assert joint is not None
    assert joint.marginal(("state",)).sum() == pytest.approx(joint.products({})[0][0])


@pytest.mark.parametrize(
    ("stated", "words"),
    [
        ({"overlap": "independent"}, "give both or neither"),
        ({"population": 10**6}, "give both or neither"),
        ({"overlap": "some"}, "bounds or independent, or left out; got 'some'"),
        ({"overlap": "independent", "population": 100}, "fewer persons"),
        ({"overlap": "independent", "population": beta(mean=0.5, sd=0.1)}, "number or a frame"),
        (
            {
                "overlap": "independent",
                "population": pd.DataFrame({"contact": ["none"], "persons": [10**6]}),
            },
            "one axis of persons",
        ),
    ],
)
def test_statements_that_do_not_go_together_are_refused(stated: Any, words: str) -> None:
    with pytest.raises(EstimateError, match=words):
        known(plain(), **stated)


def test_independence_of_a_single_retailer_is_refused() -> None:
    with pytest.raises(EstimateError, match="between two to 8 retailers"):
        known(plain()[:1], overlap="independent", population=10**6)


# --- contradictions ----------------------------------------------------------------------------
def test_a_linkage_that_cannot_be_true_is_flagged_by_the_pair() -> None:
    """Two retailers with the same buyers leave no link to be lost."""
    same = answers(np.array([0, 0, 3000]), epsilons=("4", "4"))
    assert known(same).flags == ()
    (flag,) = known(same, linkage=0.6).flags
    assert flag.startswith("r0 and r1: their sketches, keys and the stated linkage make 8,")
    assert known(same, linkage=0.6).assumptions[0] == f"contradiction: {flag}"


def test_one_full_state_leaves_the_sketches_of_the_others() -> None:
    expected = {"CA": 300_000, "NY": 300_000, "TX": 1, "unknown": 900}
    sketch = {"blocks": "state", "expected_by": expected}
    people = np.zeros((3, 4, 3), dtype=np.int64)
    people[:, :2, 0], people[:, 2, 0] = 150_000, 60_000
    asked = asking(epsilon="2", sketch=sketch)
    found = known(sketched_releases(asked, people, np.random.default_rng(1)))
    assert found.joint is not None
    assert "TX" in " ".join(found.assumptions)
    value, error = found.joint.products({})[0]
    assert abs(value - people.sum()) < 3 * error.sd
