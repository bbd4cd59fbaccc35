"""A frontier: no loss buys less than a smaller one, and every call shows the same rows."""

import json
import math
from decimal import Decimal
from typing import Any

import pytest
from matplotlib.figure import Figure

from dpnotice import forecast
from dpnotice.analyst.plan import NoticePlan
from dpnotice.analyst.rates import Uniform
from dpnotice.frontier import COLUMNS, Frontier
from dpnotice.result import SUMMARY_COLUMNS, Result
from made.notices import direct
from made.releases import wen

UNSURE = NoticePlan("mailed", [direct(delivered=Uniform(low=0.7, high=1.0), seen=1.0)])


def row(loss: str, half_width: float, **changes: Any) -> dict[str, Any]:
    ends = {"lower": max(0.0, 0.5 - half_width), "upper": min(1.0, 0.5 + half_width)}
    plain = {"loss": Decimal(loss), "half_width": half_width, "smallest_class": 1_000, **ends}
    plain["estimate"] = 0.5
    return plain | {"probability_at_least": 0.4} | changes


def made(**changes: Any) -> Frontier:
    rows = (row("0.1", math.inf), row("0.2", 0.2), row("0.4", 0.1))
    plain = {"measure": "epsilon", "quantity": "reach", "segment": "mailed", "level": 0.95}
    return Frontier(**(plain | {"target": 0.4, "rows": rows} | changes))


def computed(privacy: dict[str, str], size: float = 4_000) -> Frontier:
    asked = forecast(wen(privacy=privacy), class_size=size, plan=UNSURE)
    return asked.frontier(target=0.4)


COMPUTED = {
    "laplace": computed({"epsilon": "0.1"}),
    "gaussian": computed({"rho": "0.001"}),
    "hidden": computed({"epsilon": "0.05"}, size=60),
}
EACH = pytest.mark.parametrize("found", [made(), *COMPUTED.values()], ids=["made", *COMPUTED])
SHARP = pytest.mark.parametrize("found", [COMPUTED["laplace"], COMPUTED["gaussian"]])
REAL = pytest.mark.parametrize("found", COMPUTED.values(), ids=COMPUTED.keys())


# --- what a loss buys ----------------------------------------------------------------------
@REAL
def test_a_greater_loss_never_widens(found: Frontier) -> None:
    widths = [row["half_width"] for row in found.rows]
    assert widths == sorted(widths, reverse=True)
    assert widths[0] > widths[-1]


@REAL
def test_a_greater_loss_never_needs_a_greater_class(found: Frontier) -> None:
    classes = [row["smallest_class"] for row in found.rows]
    assert classes == sorted(classes, reverse=True)


@REAL
def test_a_greater_loss_brings_the_odds_to_those_of_the_plan_itself(found: Frontier) -> None:
    odds = [row["probability_at_least"] for row in found.rows]
    own = (0.5 - 0.4) / 0.15
    assert abs(odds[-1] - own) <= abs(odds[0] - own)
    assert odds[-1] == pytest.approx(own, abs=0.02 + found.rows[-1]["half_width"])


@REAL
def test_the_interval_holds_the_expected_reach(found: Frontier) -> None:
    for each in found.rows:
        assert 0 <= each["lower"] < 0.425 < each["upper"] <= 1


def test_a_loss_that_hides_the_class_has_no_interval() -> None:
    first = COMPUTED["hidden"].rows[0]
    assert (first["half_width"], first["lower"], first["upper"]) == (math.inf, 0.0, 1.0)


def test_without_a_target_the_odds_are_left_out() -> None:
    found = forecast(wen(), class_size=4_000, plan=UNSURE).frontier(["1", "2"])
    assert found.to_frame()["probability_at_least"].isna().all()
    assert len(found.plot_data()["series"]) == 1


# --- as a result ---------------------------------------------------------------------------
@EACH
def test_a_frontier_answers_every_call_of_a_result(found: Frontier) -> None:
    assert isinstance(found, Result)
    assert tuple(found.summary().columns) == SUMMARY_COLUMNS
    assert tuple(found.to_frame().columns) == COLUMNS


@EACH
def test_a_frontier_is_plain_json(found: Frontier) -> None:
    for content in (found.to_dict(), found.plot_data()):
        assert json.loads(json.dumps(content, allow_nan=False)) == content


def test_the_dictionary_holds_losses_as_text_and_none_without_interval() -> None:
    rows = made().to_dict()["rows"]
    assert [each["loss"] for each in rows] == ["0.1", "0.2", "0.4"]
    assert [each["half_width"] for each in rows] == [None, 0.2, 0.1]


@EACH
def test_a_frontier_has_a_row_per_loss(found: Frontier) -> None:
    assert len(found.summary()) == len(found.to_frame()) == len(found.rows)
    assert list(found.summary()["lower"]) == [each["lower"] for each in found.rows]
    assert list(found.summary()["upper"]) == [each["upper"] for each in found.rows]


def test_the_picture_leaves_out_losses_without_interval() -> None:
    width, odds = made().plot_data()["series"]
    assert (width["x"], width["y"]) == ([0.2, 0.4], [0.2, 0.1])
    assert (odds["x"], odds["y"], odds["right"]) == ([0.2, 0.4], [0.4, 0.4], True)


def test_the_picture_names_the_target_and_the_measure() -> None:
    content = made().plot_data()
    assert content["series"][1]["label"] == "chance of at least 40% (right)"
    assert content["x"] == "privacy loss (epsilon)"


@EACH
def test_a_frontier_is_drawn_with_the_odds_on_the_right(found: Frontier) -> None:
    figure = Figure()
    ax = figure.add_subplot()
    assert found.plot(ax) is ax
    assert ax.get_xscale() == "log"
    assert len(figure.axes) == 2


def test_a_frontier_without_any_interval_is_drawn() -> None:
    assert made(rows=(row("0.1", math.inf),)).plot(Figure().add_subplot()).lines


def test_the_sentence_tells_the_two_ends() -> None:
    assert made().statement() == (
        "For the reach (mailed), epsilon 0.1 gives no interval and epsilon 0.4 gives 10 points "
        "either way (95% confidence)."
    )


@SHARP
def test_a_frontier_shows_sentence_and_table_in_a_notebook(found: Frontier) -> None:
    shown = found._repr_html_()
    assert "<table>" in shown
    assert found.statement() in shown
    assert found.statement() in repr(found)


def test_a_frontier_without_a_target_is_plain_json_too() -> None:
    found = forecast(wen(privacy={"epsilon": "0.1"}), class_size=4_000, plan=UNSURE).frontier()
    rows = json.loads(json.dumps(found.to_dict(), allow_nan=False))["rows"]
    assert {each["probability_at_least"] for each in rows} == {None}


def test_a_half_width_is_shown_in_points_and_its_absence_in_words() -> None:
    page = made()._repr_html_()
    assert "no interval" in page
    assert "20 points" in page


def test_the_expected_answer_is_the_plans_also_where_there_is_no_interval() -> None:
    found = computed({"epsilon": "0.05"}, size=60)
    expected = forecast(wen(), class_size=60, plan=UNSURE).expected
    assert list(found.summary()["estimate"]) == pytest.approx([expected] * len(found.rows))
