import json
import math
import random
from collections.abc import Iterator
from typing import Any

import matplotlib as mpl
import pandas as pd
import pytest
from matplotlib.figure import Figure as Canvas

from dpnotice.analyst.audit.audit import RULES, Audit, audit
from dpnotice.errors import PlanError
from dpnotice.result import SUMMARY_COLUMNS, Result

SEGMENTS = ("men", "women")
MEDIA = ("paper", "radio")
LISTS = ("first list", "second list")
RELATIONS: dict[str, Any] = {
    "nested": {"class": "all", "men": ["all"]},
    "segments": {"all": SEGMENTS},
    "combined": {"media": MEDIA, "lists": LISTS},
}


def row(quantity: str, printed: str, **more: str) -> dict[str, str]:
    return {"quantity": quantity, "printed": printed, **more}


def weight(frequency: str) -> list[dict[str, str]]:
    return [
        row("universe", "200 M"),
        row("impressions", "480 M"),
        row("reach", "72.0 %"),
        row("frequency", frequency),
    ]


def nested(reached: str) -> Audit:
    rows = [
        row("universe", "200 M"),
        row("reached", "150 M"),
        row("universe", "120 M", audience="women"),
        row("reached", reached, audience="women"),
    ]
    return audit(rows, nested={"women": "all"})


GASCHO = [
    row("class", "606,246", row="class"),
    row("filed", "≈ 55,600", row="filed"),
    row("valid", "49,808", row="approved"),
    row("filed", "8.2 %", of="class", row="rate"),
    row("total_paid", "$1,593,240", row="paid"),
    row("mean_payment", "$31.99", row="mean"),
]
PASSES, FAILS = audit(weight("3.3")), audit(weight("3.6"))


# --- published vectors ---------------------------------------------------------------------
def points(result: Audit) -> tuple[float, float]:
    (check,) = (check for check in result.checks if check.rule == "GRP")
    assert check.recomputed is not None
    return check.recomputed


def test_a_frequency_of_3_3_agrees_with_the_impressions() -> None:
    assert PASSES.errors == ()
    assert points(PASSES) == pytest.approx((233.8, 241.4), abs=0.05)


def test_a_frequency_of_3_6_does_not() -> None:
    assert [error.rule for error in FAILS.errors] == ["GRP"]
    assert points(FAILS) == pytest.approx((255.4, 263.0), abs=0.05)


def test_the_finding_says_formula_interval_and_the_figures_that_would_fit() -> None:
    assert FAILS.errors[0].sentence() == (
        "GRP (error): 100 x impressions 480 M / universe 200 M = 100 x reach 72.0 % x frequency "
        "3.6; the left is 239.1 to 240.9, the right 255.4 to 263.0. Right with a frequency of "
        "3.319 to 3.348, or a reach of 65.52% to 67.85%."
    )


def test_a_part_of_the_audience_may_leave_few_unreached_persons_elsewhere() -> None:
    assert nested("110 M").errors == ()
    (error,) = nested("60 M").errors
    assert (error.rule, error.rows) == ("nested", ("row 2", "row 4", "row 1", "row 3"))
    assert error.stated == pytest.approx((89e6, 91e6))
    assert error.recomputed == pytest.approx((79e6, 81e6))


def test_gascho_s_rate_of_filed_claims_is_that_of_approved_ones() -> None:
    (error,) = audit(GASCHO).errors
    assert (error.rule, error.rows) == ("stage", ("rate", "filed", "class"))
    assert error.reading.startswith("right as valid (approved) (valid 49,808 / class 606,246)")
    assert error.recomputed == pytest.approx((0.0916, 0.0918), abs=2e-4)


def test_gascho_s_payments_are_claims_times_their_mean() -> None:
    rows = [*GASCHO[:3], *GASCHO[4:]]
    assert audit(rows).errors == ()
    assert audit([*rows[:-1], row("mean_payment", "$28.66")]).errors[0].rule == "stage"


def test_powers_rate_is_of_the_class_and_not_of_those_noticed() -> None:
    counts = [
        row("class", "≈ 323,000"),
        row("delivered", "89 %", of="class"),
        row("filed", "3,545"),
    ]
    assert audit([*counts, row("filed", "1.10 %", of="class")]).errors == ()
    sent = [row("delivered", "287,470"), *counts[::2]]
    assert audit([*sent, row("filed", "1.23 %", of="delivered")]).errors == ()
    (error,) = audit([*sent, row("filed", "1.23 %", of="class")]).errors
    assert (error.rule, error.reading) == ("denominator", "right of delivered, not of class")


# --- random consistent plans: deterministic mathematics, not statistics --------------------
class World:
    """Cells of persons with whole weights: whatever is counted in it is consistent."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        size = rng.randint(2, 12)
        self.weights = [rng.randint(1, 10 ** rng.randint(1, 6)) for _ in range(size)]
        self.segment = [rng.choice(SEGMENTS) for _ in range(size)]
        self.member = [rng.random() < 0.4 for _ in range(size)]
        self.seen = {
            vehicle: [rng.choice((0, 0, 1, 1, 2, 3, 7)) for _ in range(size)] for vehicle in MEDIA
        }
        self.seen["media"] = [sum(n) for n in zip(*self.seen.values(), strict=True)]
        self.on = {name: [rng.random() < 0.5 for _ in range(size)] for name in LISTS}

    def count(self, *conditions: list[Any]) -> int:
        cells = zip(self.weights, *conditions, strict=True)
        return sum(weight * math.prod(map(int, rest)) for weight, *rest in cells)

    def inside(self, audience: str) -> list[bool]:
        if audience == "class":
            return self.member
        return [audience in {"all", segment} for segment in self.segment]


def printed(rng: random.Random, value: float, *, percent: bool = False) -> str:
    """Text that rounds to 0 to 2 decimals, perhaps of a scale, or that only bounds."""
    digits, sign = rng.choice((0, 1, 2)), " %" if percent else ""
    value *= 100 if percent else 1
    if rng.random() < 0.05:
        low, high = math.floor(value * 0.9), math.ceil((value + 100) / 2 if percent else value * 2)
        return f"{rng.choice((f'over {low}', f'under {high}'))}{sign}"
    if percent or value < 1_000:
        return f"{value:.{digits}f}{sign}"
    scale, name = rng.choice(((1, ""), (1e3, " thousand"), (1e6, " million")))
    if scale == 1 and value == int(value) and rng.random() < 0.3:
        return f"≈ {round(value, -3):,.0f}" if round(value, -3) else f"{value:,.0f}"
    return f"{value / scale:,.{digits}f}{name}"


def media_rows(world: World) -> Iterator[tuple[str, float, dict[str, str]]]:
    for audience in ("all", "class", *SEGMENTS):
        inside = world.inside(audience)
        universe = world.count(inside)
        yield "universe", universe, {"audience": audience, "unit": "persons"}
        yield "census", universe + world.count(inside, world.member), {"audience": audience}
        if not universe:
            continue
        for vehicle, seen in world.seen.items():
            about = {"audience": audience, "vehicle": vehicle}
            plus = {n: world.count(inside, [s >= n for s in seen]) for n in (1, 2, 5)}
            gross = world.count(inside, seen)
            yield "impressions", gross, about
            yield "grps", 100 * gross / universe, about
            yield "reached", plus[1], {**about, "unit": "persons"}
            yield "reach", plus[1] / universe, about
            yield "reach_2_plus", plus[2] / universe, about
            yield "reach_5_plus", plus[5] / universe, about
            if plus[1]:
                yield "frequency", gross / plus[1], about
            yield "frequency_cap", 14, about


def direct_rows(world: World) -> Iterator[tuple[str, float, dict[str, str]]]:
    first, second = (world.on[name] for name in LISTS)
    both = [a and b for a, b in zip(first, second, strict=True)]
    either = [a or b for a, b in zip(first, second, strict=True)]
    lists = {"lists": either, LISTS[0]: first, LISTS[1]: second}
    for vehicle, listed in lists.items():
        yield "identified", world.count(listed), {"vehicle": vehicle, "unit": "persons"}
    yield "overlap", world.count(both), {"vehicle": "lists"}
    size = sum(world.weights)
    steps = ["sent", "delivered", "seen", "filed", "valid", "paid", "cashed"]
    counts = {"class": size}
    for step, before in zip(steps, ["class", *steps], strict=False):
        counts[step] = world.rng.randint(counts[before] // 2, counts[before])
    counts["failed"] = world.rng.randint(counts["sent"] - counts["delivered"], counts["sent"])
    for step, count in counts.items():
        yield step, count, {}
        for of in ("class", "sent", "delivered"):
            if step not in {"class", of} and 0 < counts[of] >= count:
                yield step, count / counts[of], {"of": of}
    rescued = counts["delivered"] - (counts["sent"] - counts["failed"])
    yield "remailed", rescued + world.rng.randint(0, 9), {}
    mean = world.rng.uniform(1, 90)
    yield "mean_payment", mean, {}
    yield "total_paid", mean * counts["paid"], {}
    yield "circulation", size, {}
    readers = world.rng.uniform(0.5, 1.0)
    yield "readers_per_copy", readers, {}
    yield "audience", size * readers, {}


def consistent(seed: int) -> list[dict[str, str]]:
    """A random plan in print, with some or most of its figures left out."""
    rng = random.Random(seed)  # noqa: S311 -- plans, no secrets
    world, kept = World(rng), rng.choice((0.1, 0.2, 0.6))
    rows = []
    for quantity, value, more in (*media_rows(world), *direct_rows(world)):
        percent = quantity.startswith("reach") and quantity not in {"reached", "readers_per_copy"}
        text = printed(rng, value, percent=percent or (quantity != "reached" and "of" in more))
        if rng.random() < kept or quantity in {"universe", "identified", "impressions"}:
            rows.append(row(quantity, text, **more))
    return rows


@pytest.mark.parametrize("block", range(10))
def test_a_thousand_consistent_plans_in_print_have_no_error(block: int) -> None:
    """Arithmetic, not statistics: no chance of a false alarm, whatever the seed."""
    for seed in range(100 * block, 100 * block + 100):
        result = audit(consistent(seed), **RELATIONS)
        assert [error.sentence() for error in result.errors] == [], seed
        assert not [w for w in result.warnings if "end in 000" in w.reading], seed


def test_the_random_plans_put_every_numeric_rule_to_the_test() -> None:
    done = {
        check.rule for seed in range(5) for check in audit(consistent(seed), **RELATIONS).checks
    }
    assert set(RULES) - done == {"countable"}


def test_a_figure_changed_beyond_its_rounding_is_found() -> None:
    found = 0
    for frequency in ("2.6", "2.9", "3.2", "3.3", "3.4", "3.5", "4.0"):
        honest = 239.15 / 72.05 - 0.05 <= float(frequency) <= 240.85 / 71.95 + 0.05
        assert (audit(weight(frequency)).errors == ()) == honest
        found += not honest
    assert found == 6


# --- rounded whole numbers -----------------------------------------------------------------
def test_an_error_that_rounding_of_whole_numbers_could_make_is_a_warning() -> None:
    rows = [row("sent", "606,000"), row("delivered", "500,000"), row("failed", "105,900")]
    result = audit(rows)
    (warning,) = result.warnings
    assert (result.errors, warning.rule) == ((), "delivery")
    assert warning.reading.endswith(
        "right if whole numbers that end in 000 are rounded, as about would say"
    )


def test_an_error_that_rounding_cannot_make_stays_one() -> None:
    rows = [row("sent", "606,000"), row("delivered", "500,000"), row("failed", "98,120")]
    assert [error.rule for error in audit(rows).errors] == ["delivery"]


# --- refusals ------------------------------------------------------------------------------
@pytest.mark.parametrize("bad", ["0.1", None, True])
def test_a_tolerance_is_a_number(bad: Any) -> None:
    with pytest.raises(PlanError, match="survey_tolerance must be a number"):
        audit(GASCHO, survey_tolerance=bad)


@pytest.mark.parametrize("bad", [-0.1, 1, 5, math.nan])
def test_a_tolerance_is_a_fraction(bad: float) -> None:
    with pytest.raises(PlanError, match="survey_tolerance must be a fraction in"):
        audit(GASCHO, survey_tolerance=bad)


@pytest.mark.parametrize("name", ["nested", "segments", "combined"])
def test_a_relation_of_another_form_is_refused(name: str) -> None:
    with pytest.raises(PlanError, match=f"{name} must be like"):
        audit(GASCHO, **{name: ["all"]})


@pytest.mark.parametrize("bad", [None, [], [{"quantity": "reach", "printed": "112 %"}]])
def test_figures_that_cannot_be_read_are_refused(bad: Any) -> None:
    with pytest.raises(PlanError):
        audit(bad)


# --- what every result answers -------------------------------------------------------------
RESULTS = [PASSES, FAILS, audit(GASCHO), audit([row("followers", "12,000")])]


def test_a_list_and_a_frame_give_the_same_audit() -> None:
    assert audit(pd.DataFrame(GASCHO)) == audit(GASCHO)


def test_it_answers_the_calls_of_every_result() -> None:
    assert all(isinstance(result, Result) for result in RESULTS)


@pytest.mark.parametrize("result", RESULTS)
def test_the_summary_has_the_agreed_columns_and_every_recomputed_interval(result: Audit) -> None:
    frame = result.summary()
    assert tuple(frame.columns) == SUMMARY_COLUMNS
    assert len(frame) == len([finding for finding in result.findings if finding.recomputed])


def test_the_frame_has_a_row_per_check_the_worst_first() -> None:
    frame = FAILS.to_frame()
    assert len(frame) == len(FAILS.checks)
    assert frame["severity"].tolist() == sorted(
        frame["severity"], key=["error", "warning", "note", "holds"].index
    )
    assert frame.loc[0, "rows"] == "row 2, row 1, row 3, row 4"
    assert frame.loc[0, "stated_lower"] == pytest.approx(47_950 / 200.5)


def test_the_statement_counts_says_errors_and_names_what_was_not_checked() -> None:
    text = FAILS.statement()
    assert text.startswith("In 12 checks on 4 figures: 1 error and 3 warnings. GRP (error): ")
    assert "Not checked for want of figures: census, bounds," in text
    assert (
        audit([row("followers", "12,000")])
        .statement()
        .startswith("In 2 checks on 1 figure: no errors and no warnings.")
    )


def test_rules_without_their_rows_say_what_they_need() -> None:
    needs = PASSES.not_checked
    assert needs["delivery"] == "not checked: needs delivered and failed of sent"
    assert set(needs) | {check.rule for check in PASSES.checks} == set(RULES)
    assert not set(needs) & {check.rule for check in PASSES.checks}


@pytest.mark.parametrize("result", RESULTS)
def test_plain_types_survive_json(result: Audit) -> None:
    for content in (result.to_dict(), result.plot_data()):
        assert json.loads(json.dumps(content, allow_nan=False)) == content
    assert len(result.to_dict()["published"]) == len(result.published)


def test_the_picture_shows_recomputed_over_printed_which_holds_one_where_it_agrees() -> None:
    (series,) = PASSES.plot_data()["series"]
    assert series["lower"] < 1 < series["upper"]
    (series,) = FAILS.plot_data()["series"]
    assert 1 < series["lower"] == pytest.approx(255.4225 / (48_050 / 199.5))


def test_a_plot_is_drawn_into_the_axes_given_and_changes_nothing_global() -> None:
    before, axes = dict(mpl.rcParams), Canvas().add_subplot()
    assert FAILS.plot(axes) is axes
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "GRP: row 2, row 1, row 3, row 4"
    ]
    assert dict(mpl.rcParams) == before


def test_the_page_escapes_what_was_typed() -> None:
    rows = [row("universe", "10", audience="<b>"), row("reached", "12", audience="<b>")]
    page = audit(rows)._repr_html_()
    assert "<b>" not in page
    assert "(&lt;b&gt;)" in page
    assert ">nan<" not in page


def test_what_it_shows_says_what_failed() -> None:
    assert repr(FAILS).startswith("<Audit: In 12 checks on 4 figures: 1 error")
