"""Every estimate beside the truth: the truth counted from the names, the verdict from both."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dpnotice.analyst.combine import estimate_class
from dpnotice.analyst.compare import Comparison, compare
from dpnotice.analyst.direct import Direct
from dpnotice.analyst.media.publication import Print
from dpnotice.analyst.plan import NoticePlan
from dpnotice.datasets import Case, Visits
from dpnotice.demo.findings import Finding, class_findings, reach_findings
from dpnotice.inquiry import Inquiry
from dpnotice.release import Release
from dpnotice.result import Estimate
from made import releases

CONTACT = np.array(["post", "post", "none", "none"])
TRUTH = {
    "buyers": {"north": 400, "south": 300},
    "post_share": {"north": 0.75, "south": 0.5},
    "class_size": 600,
    "class_post_share": 0.65,
    "pairs": {("north", "south"): 100},
}
SHARE = "share with address"


def inquiry() -> Inquiry:
    axes = {"contact": ["post", "none"]}
    return releases.matter(axes=axes, tables=[{"of": []}, {"of": ["contact"]}])


def release(retailer: str, post: int, none: int) -> Release:
    counts = {(): post + none, ("contact",): [post, none, 0]}
    return releases.release(inquiry(), counts, 2.0, retailer=retailer)


RELEASES = (release("north", 300, 100), release("south", 150, 150))
MEMBERS = estimate_class(RELEASES)


def finding(**changes: Any) -> Finding:
    estimate = {"quantity": "share", "estimate": 0.744, "lower": 0.7201, "upper": 0.7599}
    made = Estimate(**(estimate | {"level": 0.95, "unit": "fraction"} | changes))
    return Finding(what="share", of="north", estimate=made, truth=0.75)


def of_the_class() -> list[Finding]:
    case = Case(folder=Path(), inquiry=inquiry(), sources={}, columns={}, truth=TRUTH)
    return list(class_findings(case, RELEASES, MEMBERS))


def compared() -> Comparison:
    letter = Direct(
        "north",
        mode="post",
        cooperation="sends_itself",
        delivered=1.0,
        seen=1.0,
        source="test",
        as_of="2020",
    )
    poster = Print("poster", reach_1=0.2, reach_2=0.3, insertions=2, source="test", as_of="2020")
    plans = [
        NoticePlan("mail", [letter]),
        NoticePlan("display", [poster]),
        NoticePlan("both", [letter, poster]),
    ]
    return compare(plans, MEMBERS, draws=200)


def of_the_plans() -> dict[str, Finding]:
    # household 0 (post) comes to the first store, household 2 (none) to the second, in week 2 only
    seen = np.zeros((4, 2, 3), dtype=bool)
    seen[0, 0, 1] = seen[2, 1, 1] = True
    visits = Visits(stores=(1, 2), weeks=(1, 2, 3), seen=seen)
    return {found.of: found for found in reach_findings(compared(), visits, CONTACT)}


def test_a_truth_inside_the_interval_is_covered() -> None:
    assert finding().covers


def test_a_truth_outside_the_interval_is_not_covered() -> None:
    assert not finding(lower=0.7501, upper=0.76).covers


def test_a_finding_is_worded_for_people() -> None:
    assert finding().row() == {
        "what": "share",
        "of": "north",
        "estimate": "74.4%",
        "95% interval": "72.0% to 76.0%",
        "truth": "75.0%",
        "covers": "yes",
    }


def test_a_miss_is_not_hidden() -> None:
    assert finding(lower=0.7501, upper=0.76).row()["covers"] == "NO"


def test_a_finding_without_a_point_says_so() -> None:
    assert finding(estimate=None).row()["estimate"] == "bounds only"


def test_the_class_yields_size_and_share_of_every_retailer_of_every_pair_and_of_all() -> None:
    assert [(found.what, found.of, found.truth) for found in of_the_class()] == [
        ("class", "north", 400),
        (SHARE, "north", 0.75),
        ("class", "south", 300),
        (SHARE, "south", 0.5),
        ("known to both", "north + south", 100),
        ("class, by the counts", "all retailers", 600),
        ("class", "all retailers", 600),
        (SHARE, "all retailers", 0.65),
    ]


def test_persons_known_to_both_of_two_are_bounded_by_zero_and_the_smaller() -> None:
    (both,) = [found for found in of_the_class() if found.what == "known to both"]
    (smaller,) = [f for f in of_the_class() if (f.what, f.of) == ("class", "south")]
    assert both.estimate.estimate is None
    assert (both.estimate.lower, both.estimate.upper) == (0, smaller.estimate.upper)


def test_one_retailers_figures_are_points() -> None:
    north = of_the_class()[:2]
    assert [found.estimate.estimate for found in north] == pytest.approx([400, 0.75])


def test_the_figures_of_all_retailers_are_bounds() -> None:
    assert [found.estimate.estimate for found in of_the_class()[-2:]] == [None, None]


def test_every_plan_is_found_once_in_order() -> None:
    assert list(of_the_plans()) == ["mail", "display", "both"]


def test_a_letter_truly_reaches_who_has_an_address() -> None:
    assert of_the_plans()["mail"].truth == 2 / 4


def test_a_display_truly_reaches_who_comes_by_in_any_store_and_week() -> None:
    assert of_the_plans()["display"].truth == 2 / 4


def test_both_together_truly_reach_who_gets_either_once() -> None:
    # households 0, 1 by letter and 0, 2 by display
    assert of_the_plans()["both"].truth == 3 / 4


def test_the_estimate_of_a_plan_is_that_of_the_comparison() -> None:
    expected = {estimate.plan.name: estimate.estimate() for estimate in compared().estimates}
    assert {name: found.estimate for name, found in of_the_plans().items()} == expected
