from typing import Any

import pytest

from dpnotice.analyst.audit.audit import Audit, audit
from dpnotice.analyst.audit.findings import Finding

Row = tuple[str, str, dict[str, str]]


def row(quantity: str, printed: str, **more: str) -> Row:
    return quantity, printed, more


def audited(*rows: Row, **relations: Any) -> Audit:
    return audit([{"quantity": q, "printed": text, **more} for q, text, more in rows], **relations)


def fails(rule: str, *rows: Row, **relations: Any) -> Finding:
    """The one failing check of a rule."""
    found = [f for f in audited(*rows, **relations).findings if f.rule == rule]
    assert len(found) == 1, [f.sentence() for f in found]
    return found[0]


def holds(rule: str, *rows: Row, **relations: Any) -> bool:
    checks = [check for check in audited(*rows, **relations).checks if check.rule == rule]
    assert checks, f"{rule} was not checked"
    return all(check.severity == "holds" for check in checks)


UNIVERSE, REACH = row("universe", "200 M"), row("reach", "72.0 %")
REACHED, FREQUENCY = row("reached", "144 M"), row("frequency", "3.3")
IMPRESSIONS = row("impressions", "480 M")


# --- GRP -----------------------------------------------------------------------------------
@pytest.mark.parametrize("rows", [(UNIVERSE, IMPRESSIONS), (REACH, FREQUENCY)])
def test_rating_points_are_exposures_per_hundred_of_the_universe(rows: tuple[Row, ...]) -> None:
    assert holds("GRP", row("grps", "240"), *rows)
    assert fails("GRP", row("grps", "260"), *rows).severity == "error"


def test_points_that_disagree_with_reach_name_the_frequency_that_fits() -> None:
    finding = fails("GRP", row("grps", "240.0"), REACH, row("frequency", "3.6"))
    assert (
        finding.reading
        == "right with a frequency of 3.330 to 3.337, or a reach of 65.73% to 67.62%"
    )


def test_a_frequency_over_the_whole_universe_is_recognised() -> None:
    finding = fails("GRP", row("grps", "240"), REACH, row("frequency", "2.4"))
    assert finding.reading.startswith("right if the frequency is per person of the universe")


def test_points_of_another_count_than_reach_are_not_compared() -> None:
    rows = (row("grps", "260"), row("reach", "72.0 %", of="class"), FREQUENCY)
    assert "GRP" in audited(*rows).not_checked


# --- impressions ---------------------------------------------------------------------------
def test_impressions_are_persons_times_frequency() -> None:
    assert holds("impressions", IMPRESSIONS, REACHED, row("frequency", "3.33"))
    finding = fails("impressions", IMPRESSIONS, REACHED, row("frequency", "3.43"))
    assert finding.severity == "error"
    assert finding.reading == "right with a frequency of 3.318 to 3.349"


def test_nobody_is_reached_without_an_impression() -> None:
    assert fails("impressions", row("impressions", "140 M"), REACHED).severity == "error"
    assert holds("impressions", row("impressions", "144 M"), REACHED)


def test_those_reached_are_reached_at_least_once() -> None:
    assert holds("impressions", row("frequency", "1.0"))
    assert "mean over the whole universe" in fails("impressions", row("frequency", "0.9")).reading


# --- universe ------------------------------------------------------------------------------
def test_persons_reached_are_reach_times_universe() -> None:
    assert holds("universe", UNIVERSE, REACH, REACHED)
    finding = fails("universe", UNIVERSE, REACH, row("reached", "150 M"))
    assert (finding.severity, finding.reading) == ("error", "")
    assert finding.recomputed == pytest.approx((143.54e6, 144.46e6), rel=1e-4)


def test_a_reach_of_another_count_is_recognised() -> None:
    finding = fails("universe", UNIVERSE, REACH, row("reached", "108 M"), row("class", "150 M"))
    assert finding.reading == "right of class, not of universe"


@pytest.mark.parametrize(
    ("rows", "formula", "ends"),
    [
        ((REACH, REACHED), "universe = reached 144 M / reach 72.0 %", (199.17e6, 200.83e6)),
        ((UNIVERSE, REACH), "reached = reach 72.0 % x universe 200 M", (143.54e6, 144.46e6)),
        ((UNIVERSE, REACHED), "reach = reached 144 M / universe 200 M", (0.7157, 0.7243)),
    ],
)
def test_what_is_missing_is_solved_for_as_a_note(
    rows: tuple[Row, ...], formula: str, ends: tuple[float, float]
) -> None:
    finding = fails("universe", *rows)
    assert (finding.severity, finding.formula) == ("note", formula)
    assert finding.recomputed == pytest.approx(ends, rel=1e-4)


# --- census --------------------------------------------------------------------------------
@pytest.mark.parametrize("quantity", ["universe", "audience", "class"])
def test_no_count_of_persons_exceeds_the_census(quantity: str) -> None:
    assert holds("census", row(quantity, "250 M"), row("census", "250,200,000"))
    finding = fails("census", row(quantity, "260 M"), row("census", "250,200,000"))
    assert (finding.severity, "another date" in finding.reading) == ("error", True)


def test_a_universe_that_is_only_implied_is_held_to_the_census() -> None:
    rows = (row("reach", "72 %"), row("reached", "200 M"), row("census", "250,200,000"))
    assert fails("census", *rows).formula.startswith("reached 200 M / reach 72 % <= census")


def test_universe_and_census_are_of_one_year() -> None:
    census = row("census", "250 M", as_of="July 2017")
    assert holds("census", row("universe", "200 M", as_of="2017"), census)
    assert holds("census", row("universe", "200 M", as_of="undated"), census)
    assert fails("census", row("universe", "200 M", as_of="2018"), census).severity == "warning"


def test_an_audience_is_circulation_times_readers_per_copy() -> None:
    copies = (row("circulation", "3.4 million"), row("readers_per_copy", "10.0"))
    assert holds("census", *copies, row("audience", "34 million"))
    assert fails("census", *copies, row("audience", "44 million")).severity == "error"


# --- bounds, sum ---------------------------------------------------------------------------
def joint(printed: str, media: str = "60 %", direct: str = "50 %") -> dict[str, Any]:
    rows = [
        {"quantity": "reach", "printed": printed},
        {"quantity": "reach", "printed": media, "vehicle": "media"},
        {"quantity": "reach", "printed": direct, "vehicle": "direct"},
    ]
    return {"published": rows, "combined": {"all": ["media", "direct"]}}


def found(rule: str, severity: str, given: dict[str, Any]) -> list[Finding]:
    return [f for f in audit(**given).findings if (f.rule, f.severity) == (rule, severity)]


@pytest.mark.parametrize(("printed", "wrong"), [("59 %", 0), ("60 %", 0), ("80 %", 0), ("58 %", 1)])
def test_together_they_reach_no_less_than_the_best(printed: str, wrong: int) -> None:
    assert len(found("bounds", "error", joint(printed))) == wrong


@pytest.mark.parametrize(
    ("printed", "wrong"), [("60 %", 0), ("61 %", 0), ("62 %", 1), ("100 %", 1)]
)
def test_together_they_reach_no_more_than_their_sum(printed: str, wrong: int) -> None:
    assert len(found("bounds", "error", joint(printed, "40 %", "20 %"))) == wrong


def test_counts_have_the_same_bounds() -> None:
    parts = (row("reached", "60 M", vehicle="media"), row("reached", "50 M", vehicle="direct"))
    combined = {"all": ["media", "direct"]}
    assert holds("bounds", row("reached", "80 M"), *parts, combined=combined)
    assert fails("bounds", row("reached", "120 M"), *parts, combined=combined).rows[0] == "row 1"


def test_without_every_part_only_the_lower_bound_is_checked() -> None:
    given = joint("90 %")
    given["published"][2]["quantity"] = "grps"
    given["published"][2]["printed"] = "50"
    assert [c.severity for c in audit(**given).checks if c.rule == "bounds"] == ["holds"]


def test_reach_of_other_counts_is_not_combined() -> None:
    given = joint("58 %")
    given["published"][1]["of"] = given["published"][2]["of"] = "sent"
    assert {"bounds", "sum"} <= set(audit(**given).not_checked)


@pytest.mark.parametrize(("printed", "suspected"), [("90 %", 1), ("72 %", 0), ("80 %", 0)])
def test_a_plain_sum_is_suspected(printed: str, suspected: int) -> None:
    warnings = found("sum", "warning", joint(printed, "60 %", "30 %"))
    assert len(warnings) == suspected
    if suspected:
        assert warnings[0].reading.endswith("independent audiences give 71.44% to 72.55%")


def test_a_sum_that_independence_gives_as_well_is_no_suspicion() -> None:
    assert found("sum", "warning", joint("3 %", "1 %", "2 %")) == []


# --- random --------------------------------------------------------------------------------
def test_reach_of_random_exposures_is_suspected() -> None:
    finding = fails("random", row("reach", "90.9 %"), row("grps", "240"))
    assert (finding.severity, "heavy users" in finding.reading) == ("warning", True)
    assert finding.recomputed == pytest.approx((0.9088, 0.9098), abs=1e-4)


def test_other_reach_and_small_weights_are_not_suspected() -> None:
    assert holds("random", REACH, row("grps", "240"))
    assert holds("random", row("reach", "2 %"), row("grps", "2"))


# --- distribution --------------------------------------------------------------------------
def plus(*shares: str) -> list[Row]:
    names = ("reach", "reach_2_plus", "reach_3_plus", "reach_5_plus")
    return [row(name, text) for name, text in zip(names, shares, strict=False) if text]


def test_fewer_are_reached_more_often() -> None:
    assert holds("distribution", *plus("72 %", "50 %", "40 %"))
    assert fails("distribution", *plus("72 %", "50 %", "52 %")).rows == ("row 3", "row 2")


def test_reach_by_frequency_sums_to_no_more_than_the_weight() -> None:
    assert holds("distribution", *plus("70 %", "50 %", "40 %"), row("grps", "160"))
    finding = fails("distribution", *plus("70 %", "50 %", "40 %"), row("grps", "150"))
    assert finding.stated == pytest.approx((1.585, 1.615))


def test_what_lies_between_printed_rungs_is_at_least_the_higher_one() -> None:
    rungs = plus("70 %", "", "", "40 %")
    assert holds("distribution", *rungs, row("grps", "230"))
    assert fails("distribution", *rungs, row("grps", "220")).stated == pytest.approx((2.275, 2.325))


def test_under_a_cap_the_sum_is_the_weight() -> None:
    rungs = [*plus("70 %", "50 %", "40 %"), row("frequency_cap", "3", source="s", as_of="2018")]
    assert holds("distribution", *rungs, row("grps", "160"))
    finding = fails("distribution", *rungs, row("grps", "170"))
    assert finding.reading == "right if frequency cap 3 is not for the whole campaign"


def test_a_cap_without_a_limit_bounds_nothing() -> None:
    rungs = [*plus("70 %", "50 %"), row("frequency_cap", "over 2")]
    assert holds("distribution", *rungs, row("grps", "900"))


# --- nested --------------------------------------------------------------------------------
def women(**figures: str) -> list[Row]:
    return [row(quantity, text, audience="women") for quantity, text in figures.items()]


NESTED = {"nested": {"women": "all"}}


@pytest.mark.parametrize(
    ("rows", "part"),
    [
        ((row("reached", "100 M"),), {"reached": "110 M"}),
        ((UNIVERSE,), {"universe": "210 M"}),
        ((UNIVERSE, row("reached", "150 M")), {"universe": "120 M", "reached": "60 M"}),
        ((IMPRESSIONS, REACHED), {"impressions": "440 M", "reached": "90 M"}),
    ],
)
def test_a_part_and_the_rest_are_both_possible(rows: tuple[Row, ...], part: dict[str, str]) -> None:
    assert fails("nested", *rows, *women(**part), **NESTED).severity == "error"


def test_a_part_that_leaves_a_possible_rest_holds() -> None:
    part = women(universe="120 M", reached="110 M", impressions="400 M")
    assert holds("nested", UNIVERSE, row("reached", "150 M"), IMPRESSIONS, *part, **NESTED)


# --- additivity ----------------------------------------------------------------------------
SEGMENTS = {"segments": {"all": ["men", "women"]}}


def halves(quantity: str, men: str, women: str) -> list[Row]:
    return [row(quantity, men, audience="men"), row(quantity, women, audience="women")]


@pytest.mark.parametrize("quantity", ["universe", "reached", "impressions", "sent", "valid"])
def test_segments_sum_to_their_total(quantity: str) -> None:
    whole = row(quantity, "200 M")
    assert holds("additivity", whole, *halves(quantity, "98 M", "101 M"), **SEGMENTS)
    finding = fails("additivity", whole, *halves(quantity, "98 M", "100 M"), **SEGMENTS)
    assert finding.severity == "error"


def test_what_a_survey_s_tolerance_explains_is_a_note() -> None:
    rows = (row("universe", "200 M"), *halves("universe", "95 M", "100 M"))
    assert fails("additivity", *rows, **SEGMENTS, survey_tolerance=0.01).severity == "error"
    finding = fails("additivity", *rows, **SEGMENTS, survey_tolerance=0.05)
    assert (finding.severity, finding.reading) == ("note", "right within the survey's tolerance")


@pytest.mark.parametrize(("whole", "wrong"), [("60 %", 0), ("48 %", 1), ("71 %", 0), ("73 %", 1)])
def test_reach_of_the_total_lies_between_that_of_its_segments(whole: str, wrong: int) -> None:
    result = audited(row("reach", whole), *halves("reach", "50 %", "71 %"), **SEGMENTS)
    assert len([e for e in result.errors if e.rule == "additivity"]) == wrong


@pytest.mark.parametrize("quantity", ["impressions", "grps"])
def test_gross_measures_of_vehicles_sum(quantity: str) -> None:
    parts = (row(quantity, "100", vehicle="a"), row(quantity, "150", vehicle="b"))
    combined = {"all": ["a", "b"]}
    assert holds("additivity", row(quantity, "250"), *parts, combined=combined)
    assert fails("additivity", row(quantity, "270"), *parts, combined=combined).severity == "error"
