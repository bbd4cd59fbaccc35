from typing import Any

import pytest

from dpnotice.analyst.audit.findings import UNKNOWN
from dpnotice.analyst.audit.published import published_rows
from dpnotice.analyst.audit.sheet import Group, Sheet, relation
from dpnotice.errors import PlanError

ROWS = [
    ("universe", "200 M", {}),
    ("universe", "120 M", {"audience": "women"}),
    ("reached", "150 M", {}),
    ("reach", "60 %", {"vehicle": "People"}),
    ("frequency", "2.0", {"vehicle": "People"}),
    ("reach", "50 %", {"audience": "women"}),
    ("sent", "1,000", {"vehicle": "post"}),
    ("delivered", "95 %", {"vehicle": "post", "of": "sent"}),
    ("reach", "90 %", {"vehicle": "post", "of": "sent"}),
    ("grps", "240", {"vehicle": "post"}),
    ("filed", "3 %", {}),
    ("reach", "72 points", {"vehicle": "radio"}),
]


def sheet(**more: Any) -> Sheet:
    rows = [{"quantity": q, "printed": text, **rest} for q, text, rest in ROWS]
    given = {"nested": {}, "segments": {}, "combined": {}, **more}
    return Sheet(rows=published_rows(rows), **given)


def group(audience: str = "all", vehicle: str = "all") -> Group:
    return sheet().group(audience, vehicle)


# --- figures -------------------------------------------------------------------------------
def test_a_printed_figure_is_found_by_audience_and_vehicle() -> None:
    assert group().get("reached").ends == (149.5e6, 150.5e6)
    assert group("women").get("universe").ends == (119.5e6, 120.5e6)
    assert group("all", "People").get("reached") == UNKNOWN
    assert group("men").get("universe") == UNKNOWN


def test_a_population_is_shared_by_all_vehicles_and_nothing_else_is() -> None:
    assert group("all", "People").get("universe") == group().get("universe")
    assert group("all", "People").get("reached") == UNKNOWN


def test_a_share_of_a_count_is_no_count() -> None:
    post = group("all", "post")
    assert post.get("delivered") == UNKNOWN
    assert post.get("delivered", "sent").ends == pytest.approx((0.945, 0.955))
    assert post.get("delivered", "class") == UNKNOWN


def test_a_share_that_does_not_say_of_what_is_taken_for_nothing() -> None:
    assert group().get("filed") == UNKNOWN


def test_a_figure_that_is_not_what_its_quantity_can_be_is_left_out() -> None:
    assert group("all", "radio").rated("reach") == UNKNOWN


def test_reach_decides_what_a_group_s_rates_are_of() -> None:
    post = group("all", "post")
    assert (post.base, group().base) == ("sent", "universe")
    assert post.whole.ends == (999.5, 1000.5)
    assert post.rated("grps") == UNKNOWN


@pytest.mark.parametrize(
    ("name", "where", "low", "high"),
    [
        ("reach", ("all", "all"), 149.5 / 200.5, 150.5 / 199.5),
        ("reached", ("women", "all"), 0.495 * 119.5e6, 0.505 * 120.5e6),
        ("population", ("women", "all"), 119.5e6, 120.5e6),
        ("impressions", ("all", "People"), 0.595 * 199.5e6 * 1.95, 0.605 * 200.5e6 * 2.05),
        ("exposures", ("all", "People"), 0.595 * 1.95, 0.605 * 2.05),
    ],
)
def test_what_is_not_printed_is_solved_for(
    name: str, where: tuple[str, str], low: float, high: float
) -> None:
    assert getattr(group(*where), name).ends == pytest.approx((low, high))


def test_there_is_a_group_for_every_audience_and_vehicle_printed() -> None:
    made = [(g.audience, g.vehicle) for g in sheet().groups]
    assert made == [
        ("all", "all"),
        ("women", "all"),
        ("all", "People"),
        ("all", "post"),
        ("all", "radio"),
    ]


# --- relations -----------------------------------------------------------------------------
def test_relations_pair_groups_over_the_other_side() -> None:
    related = sheet(
        nested={"women": ("all",)},
        segments={"all": ("women",)},
        combined={"all": ("People", "post")},
    )
    assert [(a.audience, b.audience) for a, b in related.nestings] == [("women", "all")] * 4
    assert [w.vehicle for w, _ in related.segmentations] == ["all", "People", "post", "radio"]
    assert [[p.vehicle for p in parts] for _, parts in related.combinations] == [
        ["People", "post"]
    ] * 2


@pytest.mark.parametrize(
    ("name", "kind"), [("nested", "audience"), ("segments", "audience"), ("combined", "vehicle")]
)
def test_a_relation_names_only_what_rows_have(name: str, kind: str) -> None:
    with pytest.raises(PlanError, match=f"{name} names 'Peeple', but no row has that {kind}"):
        sheet(**{name: {"all": ("Peeple",)}})


@pytest.mark.parametrize("parts", [("all",), ("women", "women")])
def test_a_whole_and_its_parts_differ(parts: tuple[str, ...]) -> None:
    with pytest.raises(PlanError, match="'all' and its parts must all differ"):
        sheet(segments={"all": parts})


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (None, {}),
        ({}, {}),
        ({"women": "all"}, {"women": ("all",)}),
        ({"all": ["men", "women"]}, {"all": ("men", "women")}),
    ],
)
def test_a_relation_is_names_by_name(given: Any, read: dict[str, tuple[str, ...]]) -> None:
    assert relation(given, "nested") == read


@pytest.mark.parametrize(
    "bad", [["all"], "all", {"all": []}, {"all": 3}, {3: ["all"]}, {"all": [3]}]
)
def test_another_form_of_relation_is_refused(bad: Any) -> None:
    with pytest.raises(PlanError, match="segments must be like"):
        relation(bad, "segments")
