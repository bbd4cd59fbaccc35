"""Who can be reached in one way, and through whom, from simulated releases with planes.

Seeded; figures are compared within 4 standard deviations of their stated errors: over all seeds a
false alarm in 16,000 per figure.
"""

from functools import cache
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from dpnotice import estimate_class
from dpnotice.analyst.contactable import NOWHERE
from dpnotice.analyst.members import ClassEstimate
from dpnotice.errors import EstimateError
from made.sketched import World, answered, asking, regions, spread, world_of

AXES = {"state": ["CA", "NY"], "contact": ["email", "post", "none"]}
TABLES = [{"of": []}, {"of": ["state", "contact"]}]
PLANES = {"email": ["email"], "other": ["post", "none"]}
THREE = {"email": ["email"], "post": ["post"], "none": ["none"]}
BLOCKS = {"blocks": "state", "expected_by": {"CA": 6000, "NY": 4000, "unknown": 400}}
CONTACT = np.array([[[0.7, 0.2, 0.1, 0.0]], [[0.4, 0.4, 0.2, 0.0]], [[0.2, 0.5, 0.2, 0.1]]])
"""Chances of e-mail, post, none and unknown at three retailers."""
COLUMNS = ["retailers", "size", "estimate", "lower", "upper", "level", "unit"]
LAYOUT = pytest.mark.parametrize("sketch", [{}, BLOCKS], ids=["one block", "states"])


@cache
def made(
    k: int = 2, *, blocks: bool = False, three: bool = False, keyed: float = 1.0
) -> tuple[World, ClassEstimate]:
    planes = {"planes": THREE if three else PLANES}
    asked = asking(
        epsilon="4",
        axes=AXES,
        tables=TABLES,
        sketch=planes | (BLOCKS if blocks else {}),
    )
    rng = np.random.default_rng([1, k, blocks, three])
    people = spread(regions(8000, k, "mid"), [0.6, 0.35, 0.05])
    world = world_of(people, rng, CONTACT[:k])
    return world, estimate_class(answered(asked, world, rng, keyed=keyed))


def truth(world: World, levels: list[int]) -> list[int]:
    """Persons with one of these contacts at exactly each set of retailers, in order, then none."""
    assert world.contact is not None
    there = np.array([world.at(i) for i in range(world.retailers)])
    inside = np.isin(world.contact, levels) & there
    exactly = (1 << np.arange(world.retailers)) @ inside
    chosen = [
        sum(1 << i for i in members)
        for size in (*range(1, world.retailers + 1), 0)
        for members in combinations(range(world.retailers), size)
    ]
    return [int(np.sum(exactly == mask)) for mask in chosen]


def close(members: ClassEstimate, plane: str, expected: list[int]) -> bool:
    table = members.contactable(plane)
    sd = (table["upper"] - table["lower"]) / (2 * 1.959964)
    short = table["lower"] == 0  # cut at 0: the upper half tells
    sd = np.where(short, (table["upper"] - table["estimate"]) / 1.959964, sd)
    return bool((np.abs(table["estimate"] - expected) < 4 * sd + 1).all())


# --- the truth -----------------------------------------------------------------------------
@LAYOUT
@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize(("plane", "levels"), [("email", [0]), ("other", [1, 2, 3])])
def test_those_in_a_plane_are_found_by_the_retailers_that_know_it(
    k: int, plane: str, levels: list[int], sketch: Any
) -> None:
    world, members = made(k, blocks=bool(sketch))
    assert close(members, plane, truth(world, levels))


@pytest.mark.parametrize(("plane", "levels"), [("email", [0]), ("post", [1]), ("none", [2, 3])])
def test_three_planes_are_told_apart(plane: str, levels: list[int]) -> None:
    world, members = made(three=True)
    assert close(members, plane, truth(world, levels))


def test_another_planes_truth_is_not_found() -> None:
    world, members = made(3)
    assert not close(members, "other", truth(world, [0]))


# --- a partition ---------------------------------------------------------------------------
@LAYOUT
@pytest.mark.parametrize("plane", ["email", "other"])
@pytest.mark.parametrize("keyed", [1.0, 0.7])
def test_rows_divide_the_persons_with_a_key(plane: str, keyed: float, sketch: Any) -> None:
    _, members = made(3, blocks=bool(sketch), keyed=keyed)
    assert members.known.joint is not None
    keys = members.known.joint.overlap.estimate.sum()
    assert members.contactable(plane)["estimate"].sum() == pytest.approx(keys)


def test_two_planes_tell_the_same_pair_from_both_sides() -> None:
    """Of two planes, those in neither at one retailer are in the other one there."""
    _, members = made(2)
    email, other = (members.contactable(plane)["estimate"].to_numpy() for plane in PLANES)
    assert members.known.joint is not None
    both = members.known.joint.overlap.estimate.sum(axis=0)
    # r0 alone in e-mail, r1 alone, both, nowhere: the rest of the other plane's persons.
    assert email[3] == pytest.approx(other.sum() - other[3] - (both[2] - email[2] - other[2]))


def test_a_set_of_retailers_stands_in_a_row_of_its_own() -> None:
    _, members = made(3)
    table = members.contactable("email")
    assert table["retailers"].tolist() == [
        "r0",
        "r1",
        "r2",
        "r0 + r1",
        "r0 + r2",
        "r1 + r2",
        "r0 + r1 + r2",
        NOWHERE,
    ]
    assert table["size"].tolist() == [1, 1, 1, 2, 2, 2, 3, 0]


def test_rows_have_the_columns_of_the_docstring_and_the_level_asked() -> None:
    table = made()[1].contactable("email", level=0.8)
    assert table.columns.tolist() == COLUMNS
    assert set(table["level"]) == {0.8}
    assert set(table["unit"]) == {"persons"}


def test_ends_are_whole_persons_in_order_and_not_negative() -> None:
    table = made(3)[1].contactable("email")
    assert (table["lower"] >= 0).all()
    assert (table["lower"] <= table["upper"]).all()
    assert (table[["lower", "upper"]] % 1 == 0).all(axis=None)


def test_a_higher_level_is_wider() -> None:
    _, members = made(3)
    narrow, wide = (members.contactable("email", level=level) for level in (0.5, 0.99))
    assert (wide["upper"] > narrow["upper"]).all()


# --- refusals ------------------------------------------------------------------------------
def refused(members: ClassEstimate, plane: Any) -> EstimateError:
    with pytest.raises(EstimateError) as refusal:
        members.contactable(plane)
    assert refusal.value.code == "PLANES"
    return refusal.value


def test_an_unknown_plane_is_refused_with_those_there_are() -> None:
    assert "the planes are email, other" in str(refused(made()[1], "telephone"))


def test_without_planes_there_are_none() -> None:
    rng = np.random.default_rng(1)
    asked = asking(axes=AXES, tables=TABLES)
    world = world_of(spread(regions(3000, 2, "mid"), [0.6, 0.35, 0.05]), rng, CONTACT[:2])
    assert "the planes are none" in str(
        refused(estimate_class(answered(asked, world, rng)), "email")
    )


@pytest.mark.parametrize("knows", [{"overlap": "bounds"}, {"overlap": "independent"}], ids=str)
def test_sketches_left_aside_tell_no_planes(knows: Any) -> None:
    rng = np.random.default_rng(1)
    asked = asking(axes=AXES, tables=TABLES, sketch={"planes": PLANES})
    world = world_of(spread(regions(3000, 2, "mid"), [0.6, 0.35, 0.05]), rng, CONTACT[:2])
    if knows["overlap"] == "independent":
        knows = knows | {"population": 50_000}
    members = estimate_class(answered(asked, world, rng), **knows)
    assert "sketches of two to five retailers" in str(refused(members, "email"))


def test_more_than_five_sketches_with_planes_tell_none() -> None:
    rng = np.random.default_rng(1)
    asked = asking(axes=AXES, tables=TABLES, expected=1000, sketch={"planes": PLANES})
    people = spread(np.full(63, 20), [0.6, 0.35, 0.05])
    members = estimate_class(answered(asked, world_of(people, rng, CONTACT[0]), rng))
    refused(members, "email")


def test_one_retailer_has_no_planes_to_compare() -> None:
    rng = np.random.default_rng(1)
    asked = asking(axes=AXES, tables=TABLES, sketch={"planes": PLANES})
    world = world_of(spread(regions(3000, 2, "mid"), [0.6, 0.35, 0.05]), rng, CONTACT[:2])
    refused(estimate_class(answered(asked, world, rng)[:1]), "email")


@pytest.mark.parametrize("level", [0, 1, 95, "high", True])
def test_a_bad_level_is_refused(level: Any) -> None:
    with pytest.raises(EstimateError):
        made()[1].contactable("email", level=level)


@pytest.mark.parametrize("plane", [None, 3, ["email"]])
def test_what_is_no_name_of_a_plane_is_refused(plane: Any) -> None:
    refused(made()[1], plane)
