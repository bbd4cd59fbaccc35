import json
import math
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

import dpnotice as dn
from dpnotice.analyst.compare import Comparison, compare
from dpnotice.analyst.plan import NoticePlan
from dpnotice.analyst.reach import estimate_reach
from dpnotice.errors import DpnoticeError, EstimateError, PlanError
from dpnotice.result import SUMMARY_COLUMNS, Result
from made.notices import direct
from made.releases import noisy_release, wen

ASKED = wen(axes={"contact": ["email", "post", "none"]}, tables=[{"of": []}, {"of": ["contact"]}])
BUYERS = [60_000, 30_000, 10_000, 0]
COLUMNS = [
    "plan",
    "reach",
    "lower",
    "upper",
    "level",
    "cost_usd",
    "cost_lower",
    "cost_upper",
    "records_disclosed",
    "records_lower",
    "records_upper",
]
ONE = dn.estimate_class([noisy_release(ASKED, BUYERS)])
TWO = dn.estimate_class([noisy_release(ASKED, BUYERS, retailer=r) for r in ("sephora", "ulta")])
PAPER = dn.Print("Weekly", reach_1=dn.beta(mean=0.4, sd=0.03), cost_usd=1_000)


def email(cooperation: str = "sends_itself", price: float | None = 0.01) -> dn.Direct:
    delivered = dn.beta(mean=0.9, sd=0.03)
    return direct(cooperation=cooperation, delivered=delivered, seen=1.0, unit_cost_usd=price)


PUBLICATION = NoticePlan("publication", [PAPER])
SENT = NoticePlan("retailer sends", [PAPER, email()])
NAMES = NoticePlan("names handed over", [PAPER, email("hands_over_list")])
UNPRICED = NoticePlan("price unknown", [PAPER, email(price=None)])
PLANS = [PUBLICATION, SENT, NAMES, UNPRICED]


def compared(
    plans: Sequence[NoticePlan] = PLANS,
    members: Any = ONE,
    **options: Any,
) -> Comparison:
    return compare(plans, members, **{"draws": 300, "seed": 4, **options})


RESULT = compared()
ROWS = RESULT.to_frame().set_index("plan")


# --- what the table says -------------------------------------------------------------------
def test_every_plan_has_a_row_in_the_order_given() -> None:
    assert RESULT.to_frame()["plan"].tolist() == [plan.name for plan in PLANS]


def test_the_table_has_exactly_its_columns() -> None:
    assert RESULT.to_frame().columns.tolist() == COLUMNS


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.name)
def test_a_row_holds_the_plans_own_estimate(plan: NoticePlan) -> None:
    alone = estimate_reach(plan, ONE, draws=300, seed=4)
    row = ROWS.loc[plan.name]
    assert row["reach"] == alone.reach
    assert (row["lower"], row["upper"]) == alone.interval()


def test_a_list_and_a_retailers_own_letter_reach_alike() -> None:
    assert ROWS.loc["names handed over", "reach"] == ROWS.loc["retailer sends", "reach"]


def test_only_the_list_discloses_records() -> None:
    disclosed = ROWS["records_disclosed"]
    assert disclosed["names handed over"] == pytest.approx(100_000, abs=2)
    assert disclosed["retailer sends"] == disclosed["publication"] == 0


def test_costs_are_media_and_pieces() -> None:
    assert ROWS.loc["publication", "cost_usd"] == 1_000
    assert ROWS.loc["retailer sends", "cost_usd"] == pytest.approx(1_600, abs=1)


def test_a_retailer_that_only_counts_costs_and_discloses_nothing_and_adds_no_reach() -> None:
    counts = NoticePlan("counts only", [PAPER, email("dp_counts_only")])
    row = compared([PUBLICATION, counts]).to_frame().set_index("plan").drop(columns="level")
    assert row.loc["counts only"].tolist() == row.loc["publication"].tolist()


def test_a_missing_price_is_not_given_and_never_zero() -> None:
    assert math.isnan(ROWS.loc["price unknown", "cost_usd"])


def test_a_missing_price_is_worded_on_the_page() -> None:
    page = RESULT._repr_html_()
    assert "not given" in page
    assert "nan" not in page


def test_with_several_retailers_there_is_no_single_reach() -> None:
    row = compared(members=TWO).to_frame().iloc[1]
    assert math.isnan(row["reach"])
    assert row["lower"] < row["upper"]


def test_a_target_adds_the_chance_of_meeting_it() -> None:
    result = compared(reach_at_least=0.7)
    assert result.to_frame().columns.tolist() == [
        *COLUMNS,
        "probability_at_least",
        "probability_at_least_upper",
    ]
    expected = [estimate.probability_at_least(0.7) for estimate in result.estimates]
    assert result.to_frame()["probability_at_least"].tolist() == expected


# --- common random numbers -----------------------------------------------------------------
def test_a_figure_that_two_plans_share_is_drawn_alike() -> None:
    twice = [SENT, NoticePlan("the same again", [email(), PAPER])]
    one, other = compared(twice).estimates
    assert one.draws == pytest.approx(other.draws, abs=1e-12)  # one vehicle: double precision


def test_the_order_of_plans_changes_no_plan() -> None:
    backward = compared(PLANS[::-1]).to_frame().set_index("plan").loc[ROWS.index]
    assert backward.equals(ROWS)


def test_a_difference_between_plans_is_sharper_than_either_plan() -> None:
    one, other = RESULT.estimates[:2]
    apart = math.hypot(one.draws.std(), other.draws.std())
    assert (other.draws - one.draws).std() < apart


def test_the_same_seed_gives_the_same_table() -> None:
    assert compared().to_frame().equals(RESULT.to_frame())


def test_the_difference_of_two_plans_is_that_of_their_draws() -> None:
    one, other = (estimate.draws for estimate in RESULT.estimates[:2])
    found = RESULT.difference("retailer sends", "publication", level=0.8)
    assert found.estimate == pytest.approx((other - one).mean())
    assert (found.lower, found.upper) == pytest.approx(tuple(np.quantile(other - one, [0.1, 0.9])))
    assert (found.segment, found.level) == ("retailer sends", 0.8)
    assert "publication" in found.quantity


def test_a_plan_differs_from_itself_by_nothing() -> None:
    found = RESULT.difference("publication", "publication")
    assert (found.estimate, found.lower, found.upper) == (0, 0, 0)


def test_pairs_of_ends_differ_from_the_least_to_the_most() -> None:
    result = compared(members=TWO)
    one, other = (estimate.draws for estimate in result.estimates[:2])
    found = result.difference("retailer sends", "publication")
    assert found.estimate is None
    assert found.lower == pytest.approx(np.quantile(other[:, 0] - one[:, 1], 0.025))
    assert found.upper == pytest.approx(np.quantile(other[:, 1] - one[:, 0], 0.975))


@pytest.mark.parametrize("names", [("nobody", "publication"), ("publication", "nobody")])
def test_a_difference_to_a_plan_that_is_not_compared_is_refused(names: tuple[str, str]) -> None:
    with pytest.raises(PlanError, match="no plan is called 'nobody'; they are publication"):
        RESULT.difference(*names)


# --- refusals ------------------------------------------------------------------------------
@pytest.mark.parametrize("bad", [[], (), None, PUBLICATION, 3])
def test_at_least_one_plan_in_a_list_is_needed(bad: Any) -> None:
    with pytest.raises(PlanError, match="a list of at least one NoticePlan"):
        compare(bad, ONE)


@pytest.mark.parametrize("bad", ["plan", ["plan"], [PUBLICATION, None], [PAPER]])
def test_only_plans_are_compared(bad: Any) -> None:
    with pytest.raises(PlanError, match="NoticePlan"):
        compare(bad, ONE, draws=10)


def test_two_plans_of_one_name_are_refused() -> None:
    with pytest.raises(PlanError, match="each plan needs a name of its own"):
        compared([PUBLICATION, NoticePlan("publication", [email()])])


@pytest.mark.parametrize("bad", [70, -0.1, "0.7", float("nan"), True])
def test_a_target_that_is_no_fraction_is_refused(bad: Any) -> None:
    with pytest.raises(EstimateError, match=r"a reach target is a fraction in \[0, 1\]"):
        compared(reach_at_least=bad)


@pytest.mark.parametrize("bad", [None, "class", [1]])
def test_plans_are_compared_over_a_class_only(bad: Any) -> None:
    with pytest.raises(PlanError, match="the result of estimate_class"):
        compared(members=bad)


@pytest.mark.parametrize("options", [{"draws": 0}, {"draws": 1.5}, {"seed": -1}, {"seed": "x"}])
def test_impossible_draws_and_seeds_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(DpnoticeError, match="draws must be a whole number"):
        compared(**options)


# --- what every result answers -------------------------------------------------------------
def test_it_answers_the_calls_of_every_result() -> None:
    assert isinstance(RESULT, Result)


@pytest.mark.parametrize("members", [ONE, TWO], ids=["one", "two"])
def test_the_summary_has_exactly_the_agreed_columns(members: Any) -> None:
    assert tuple(compared(members=members).summary().columns) == SUMMARY_COLUMNS


def test_the_summary_has_reach_records_and_known_costs_of_every_plan() -> None:
    frame = RESULT.summary()
    for plan in PLANS:
        units = frame.loc[frame["segment"] == plan.name, "unit"].tolist()
        assert units == ["fraction", "buyers", *(["USD"] if plan is not UNPRICED else [])]


@pytest.mark.parametrize("members", [ONE, TWO], ids=["one", "two"])
def test_plain_types_survive_json(members: Any) -> None:
    content = compared(members=members).to_dict()
    assert json.loads(json.dumps(content, allow_nan=False)) == content
    assert [plan["plan"] for plan in content["plans"]] == [plan.name for plan in PLANS]


@pytest.mark.parametrize("members", [ONE, TWO], ids=["one", "two"])
def test_plot_data_survives_json(members: Any) -> None:
    data = compared(members=members, reach_at_least=0.7).plot_data()
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    assert [entry["label"] for entry in data["series"]] == [plan.name for plan in PLANS]


def test_a_plot_is_drawn_into_the_axes_given_and_changes_nothing_global() -> None:
    before, axes = dict(mpl.rcParams), Figure().add_subplot()
    assert compared(reach_at_least=0.7).plot(axes) is axes
    assert [label.get_text() for label in axes.get_yticklabels()] == [p.name for p in PLANS[::-1]]
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize("members", [ONE, TWO], ids=["one", "two"])
def test_the_statement_says_of_every_plan_who_would_be_exposed(members: Any) -> None:
    sentences = compared(members=members).statement()
    assert sentences.count("would be exposed to the notice of plan") == len(PLANS)
    assert all(f'"{plan.name}"' in sentences for plan in PLANS)
    assert "will read" not in sentences


def test_the_statement_says_whose_records_leave() -> None:
    sentences = RESULT.statement()
    assert sentences.count("It discloses no buyer's record.") == 3
    assert sentences.count("It discloses about 100,000 buyers' records") == 1


def test_with_a_target_every_plan_is_given_its_chance() -> None:
    result = compared(reach_at_least=0.7)
    plans = len(result.estimates)
    assert result.statement().count("The chance that reach is at least 70%") == plans
