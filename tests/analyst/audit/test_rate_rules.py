from typing import Any

import pytest

from dpnotice.analyst.audit.audit import audit
from dpnotice.analyst.audit.findings import Finding

Row = tuple[str, str, dict[str, str]]


def row(quantity: str, printed: str, **more: str) -> Row:
    return quantity, printed, more


def checks(rule: str, *rows: Row, **relations: Any) -> list[Finding]:
    given = [{"quantity": q, "printed": text, **more} for q, text, more in rows]
    return [check for check in audit(given, **relations).checks if check.rule == rule]


def fails(rule: str, *rows: Row, **relations: Any) -> Finding:
    """The one failing check of a rule."""
    found = [f for f in checks(rule, *rows, **relations) if f.severity != "holds"]
    assert len(found) == 1, [f.sentence() for f in found]
    return found[0]


def holds(rule: str, *rows: Row, **relations: Any) -> bool:
    found = checks(rule, *rows, **relations)
    assert found, f"{rule} was not checked"
    return all(check.severity == "holds" for check in found)


SENT, FAILED = row("sent", "100,040"), row("failed", "6,002")


# --- delivery ------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "rows",
    [
        (row("delivered", "94.0 %", of="sent"), row("failed", "6.0 %", of="sent")),
        (row("delivered", "94.0 %", of="sent"), SENT, FAILED),
        (row("delivered", "94,038"), SENT, FAILED),
        (row("delivered", "94,038"), SENT, row("failed", "6.0 %", of="sent")),
    ],
)
def test_what_did_not_fail_was_delivered(rows: tuple[Row, ...]) -> None:
    assert holds("delivery", *rows)


def test_less_than_what_did_not_fail_cannot_be_delivered() -> None:
    finding = fails("delivery", row("delivered", "92.0 %", of="sent"), SENT, FAILED)
    assert (finding.severity, finding.reading) == ("error", "")


def test_more_may_be_delivered_after_re_mailing() -> None:
    finding = fails("delivery", row("delivered", "97.0 %", of="sent"), SENT, FAILED)
    assert finding.severity == "warning"
    assert finding.reading.startswith("right after re-mailing, if that delivered a further 2.9")


@pytest.mark.parametrize(("remailed", "severity"), [("3,500", "warning"), ("2,500", "error")])
def test_re_mailing_delivers_no_more_than_was_sent_again(remailed: str, severity: str) -> None:
    rows = (row("delivered", "97.0 %", of="sent"), SENT, FAILED, row("remailed", remailed))
    assert fails("delivery", *rows).severity == severity


# --- pooled lists --------------------------------------------------------------------------
LISTS = {"combined": {"all": ["one", "two"]}}


def lists(pooled: str, unit: str = "persons", quantity: str = "identified") -> list[Row]:
    return [
        row(quantity, pooled, unit=unit),
        row(quantity, "60,001", vehicle="one", unit=unit),
        row(quantity, "50,002", vehicle="two", unit=unit),
    ]


def test_a_sum_over_lists_is_only_the_upper_end() -> None:
    finding = fails("pooled lists", *lists("110,003"), **LISTS)
    assert (finding.severity, finding.recomputed) == ("warning", (60_000.5, 110_004))


def test_fewer_than_the_sum_hold() -> None:
    assert holds("pooled lists", *lists("90,001"), **LISTS)


@pytest.mark.parametrize("pooled", ["59,001", "111,001"])
def test_no_fewer_than_the_longest_list_and_no_more_than_all(pooled: str) -> None:
    assert fails("pooled lists", *lists(pooled), **LISTS).severity == "error"


def test_no_more_than_the_class() -> None:
    rows = (*lists("105,001"), row("class", "100,001"))
    assert fails("pooled lists", *rows, **LISTS).severity == "error"


@pytest.mark.parametrize(("overlap", "wrong"), [("20,002", 0), ("15,002", 1), ("25,002", 1)])
def test_a_stated_overlap_is_what_the_sum_counts_twice(overlap: str, wrong: int) -> None:
    found = checks("pooled lists", *lists("90,001"), row("overlap", overlap), **LISTS)
    assert len([f for f in found if f.severity == "error"]) == wrong


@pytest.mark.parametrize("unit", ["pieces", "addresses", ""])
def test_pieces_simply_add_up(unit: str) -> None:
    assert checks("pooled lists", *lists("110,003", unit, "sent"), **LISTS) == []


def test_identified_are_persons_unless_said_otherwise() -> None:
    assert fails("pooled lists", *lists("110,003", ""), **LISTS).severity == "warning"


# --- denominator ---------------------------------------------------------------------------
COUNTS = (row("class", "323,001"), row("delivered", "287,471"), row("filed", "3,545"))


def test_a_rate_is_its_count_over_what_it_names() -> None:
    assert holds("denominator", *COUNTS, row("filed", "1.10 %", of="class"))


def test_another_denominator_is_recognised() -> None:
    finding = fails("denominator", *COUNTS, row("filed", "1.23 %", of="class"))
    assert (finding.severity, finding.reading) == ("error", "right of delivered, not of class")


def test_a_rate_that_nothing_gives_is_an_error_without_a_reading() -> None:
    finding = fails("denominator", *COUNTS, row("filed", "2.50 %", of="class"))
    assert (finding.severity, finding.reading) == ("error", "")


def test_a_rate_of_what_is_not_said_is_a_warning() -> None:
    finding = fails("denominator", *COUNTS, row("filed", "1.10 %"))
    assert (finding.severity, finding.reading) == ("warning", "right of class")


# --- rate or count -------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("given", "reading"),
    [
        (row("grps", "240 %"), "right as points, which are no percentage"),
        (row("reach", "72 points"), "right as grps"),
        (row("reach", "144 M", unit="persons"), "right as reached"),
        (row("reached", "72 %"), "right as reach"),
        (row("frequency", "$3"), ""),
    ],
)
def test_a_figure_of_another_kind_is_an_error(given: Row, reading: str) -> None:
    finding = fails("rate or count", given)
    assert (finding.severity, finding.reading) == ("error", reading)


@pytest.mark.parametrize(
    "rows",
    [
        (row("universe", "200 M"), row("reached", "210 M")),
        (row("sent", "1,001"), row("delivered", "1,003")),
        (row("sent", "1,001"), row("failed", "1,003")),
        (row("class", "1,001"), row("valid", "1,003")),
        (row("identified", "1,001"), row("sent", "1,003", of="identified")),
    ],
)
def test_no_part_exceeds_its_whole(rows: tuple[Row, ...]) -> None:
    assert fails("rate or count", *rows).severity == "error"


def test_parts_in_another_unit_are_not_compared() -> None:
    rows = (row("class", "1,001", unit="persons"), row("valid", "1,003", unit="purchases"))
    assert holds("rate or count", *rows)


@pytest.mark.parametrize("printed", ["0.72 %", "0.0072"])
def test_a_fraction_taken_for_a_percentage_is_recognised(printed: str) -> None:
    unit = "" if "%" in printed else "fraction"
    reach = row("reach", printed, unit=unit)
    finding = fails("rate or count", row("universe", "200 M"), row("reached", "144 M"), reach)
    assert "a fraction was printed as a percentage" in finding.reading


def test_a_misread_percentage_is_not_also_a_wrong_denominator() -> None:
    rows = (*COUNTS, row("filed", "0.011 %", of="class"))
    assert fails("rate or count", *rows).severity == "error"
    assert checks("denominator", *rows) == []


# --- units ---------------------------------------------------------------------------------
@pytest.mark.parametrize("unit", ["purchases", "devices", "addresses"])
def test_persons_are_not_counted_in_something_else(unit: str) -> None:
    finding = fails("units", row("reached", "144 M", unit=unit))
    assert (finding.severity, finding.reading) == (
        "error",
        f"right as {unit}; one person may have several",
    )


@pytest.mark.parametrize("unit", ["persons", "households", "buyers"])
def test_persons_may_be_counted_as_such_or_by_household(unit: str) -> None:
    assert holds("units", row("universe", "200 M", unit=unit), row("reached", "144 M", unit=unit))


@pytest.mark.parametrize(
    "rows",
    [
        (row("class", "1,001", unit="persons"), row("delivered", "900", unit="pieces", of="class")),
        (
            row("class", "1,001", unit="persons"),
            row("filed", "90", unit="purchases"),
            row("filed", "9 %", of="class"),
        ),
        (row("class", "1,001", unit="persons"), row("filed", "9 %", of="class", unit="purchases")),
        (row("universe", "200 M", unit="households"), row("reached", "144 M", unit="persons")),
    ],
)
def test_a_rate_counts_alike_above_and_below(rows: tuple[Row, ...]) -> None:
    assert fails("units", *rows).severity == "error"


def test_units_that_are_not_said_are_not_checked() -> None:
    assert checks("units", *COUNTS) == []


# --- stage ---------------------------------------------------------------------------------
def test_no_later_stage_exceeds_an_earlier_one() -> None:
    assert holds("stage", row("filed", "901"), row("valid", "850"), row("cashed", "700"))
    finding = fails("stage", row("filed", "901"), row("valid", "850"), row("cashed", "903"))
    assert finding.formula == "cashed 903 <= valid 850"


def test_a_rate_of_approved_claims_is_not_one_of_filed_claims() -> None:
    rows = (row("class", "606,246"), row("filed", "55,601"), row("valid", "49,808"))
    assert holds("stage", *rows, row("valid", "8.2 %", of="class"))
    finding = fails("stage", *rows, row("filed", "8.2 %", of="class"))
    assert (finding.severity, "approved" in finding.reading) == ("error", True)


def test_without_the_count_another_stage_that_fits_is_a_warning() -> None:
    rows = (row("class", "606,246"), row("valid", "49,808"), row("filed", "8.2 %", of="class"))
    assert fails("stage", *rows).severity == "warning"


def test_payments_sum_to_their_number_times_their_mean() -> None:
    rows = (row("paid", "49,808"), row("mean_payment", "$31.99"))
    assert holds("stage", *rows, row("total_paid", "$1,593,240"))
    finding = fails("stage", *rows, row("total_paid", "$1,693,240"))
    assert finding.reading == "right with a mean payment of $33.99 to $34.00"


def test_of_valid_claims_no_more_is_paid_than_each_its_mean() -> None:
    rows = (row("valid", "49,808"), row("mean_payment", "$31.99"))
    assert holds("stage", *rows, row("total_paid", "$1,093,240"))
    assert fails("stage", *rows, row("total_paid", "$1,693,240")).severity == "error"


# --- countable -----------------------------------------------------------------------------
@pytest.mark.parametrize("quantity", ["press_pickups", "site_hits", "followers"])
def test_what_reaches_nobody_takes_no_part_in_reach(quantity: str) -> None:
    rows = (row(quantity, "12,000", vehicle="release"), row("reach", "72 %"))
    assert holds("countable", *rows)
    finding = fails("countable", *rows, combined={"all": ["release"]})
    assert (finding.severity, finding.rows) == ("error", ("row 1",))


def test_what_reaches_nobody_has_no_reach_of_its_own() -> None:
    rows = (row("followers", "12,000", vehicle="feed"), row("reached", "12,000", vehicle="feed"))
    assert fails("countable", *rows).rows == ("row 1", "row 2")


# --- provenance ----------------------------------------------------------------------------
SOURCED = {"source": "a survey", "as_of": "2018"}


def test_an_audience_figure_has_a_source_and_a_date() -> None:
    assert holds("provenance", row("universe", "200 M", **SOURCED))
    for missing in ("source", "as_of"):
        given = {name: text for name, text in SOURCED.items() if name != missing}
        assert fails("provenance", row("universe", "200 M", **given)).severity == "warning"


@pytest.mark.parametrize(("cap", "wrong"), [("1", 1), ("3", 1), ("4", 0), ("5", 0), ("over 3", 0)])
def test_a_cap_of_three_or_less_is_a_warning(cap: str, wrong: int) -> None:
    found = checks("provenance", row("frequency_cap", cap))
    assert [f.severity for f in found] == ["warning" if wrong else "holds"]
