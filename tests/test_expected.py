"""A forecast's half-widths, sizes and odds follow from the law of the noise alone."""

import json
import math
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from scipy.stats import norm

from dpnotice import forecast
from dpnotice.analyst.design import planned
from dpnotice.analyst.media.publication import Print
from dpnotice.analyst.plan import NoticePlan
from dpnotice.analyst.rates import Uniform
from dpnotice.errors import EstimateError, InquiryError
from dpnotice.expected import Forecast
from dpnotice.result import SUMMARY_COLUMNS, Result
from made.notices import by_state, direct, steady_plan
from made.releases import wen

QUIET = {"rho": "0.0001"}
"""Gaussian noise of s.d. 100: its quantile is the normal's, and the lattice does not show."""
C = 1.959964
POST = {"contact": "post"}
LOCAL = steady_plan("local", [Print("Local", reach_1=by_state(0.1, 0.3, 0.9))])
UNSURE = steady_plan("unsure", [direct(delivered=Uniform(low=0.4, high=1.0), seen=1.0)])


def share(size: Any = 100_000, **changes: Any) -> Forecast:
    return forecast(wen(privacy=QUIET), class_size=size, query=POST, **changes)


def reach(size: Any = 100_000, plan: NoticePlan = LOCAL, **changes: Any) -> Forecast:
    return forecast(wen(privacy=QUIET), class_size=size, plan=plan, **changes)


ALL = [share(), share(10), share((1_000, 10**6)), reach(), reach(10), reach(plan=UNSURE)]
IDS = ["share", "hidden share", "two sizes", "reach", "hidden reach", "unsure reach"]
EVERY = pytest.mark.parametrize("found", ALL, ids=IDS)


# --- the half-width ------------------------------------------------------------------------
def fieller(found: Forecast, buyers: float, ratio: float) -> float:
    """Half the set {R : (a - R b)^2 <= c^2 (V11 - 2 R V12 + R^2 V22)} at a = ratio b, b = buyers.

    The quadratic (b^2 - c^2 V22) R^2 - 2 (a b - c^2 V12) R + a^2 - c^2 V11 by numpy's roots.
    """
    top, bottom = found.errors
    a, b = ratio * buyers, buyers
    v11, v12, v22 = top.variance, top.covariance(bottom), bottom.variance
    low, high = sorted(
        np.roots([b * b - C**2 * v22, -2 * (a * b - C**2 * v12), a * a - C**2 * v11]).real
    )
    return float(high - low) / 2


@settings(max_examples=30)
@given(st.floats(1_200, 10**6), st.floats(0, 1))
def test_the_half_width_is_half_of_fiellers_set(buyers: float, ratio: float) -> None:
    for found in (share(), reach()):
        expected = fieller(found, buyers, ratio)
        assert found.half_width_of(buyers, ratio) == pytest.approx(expected, rel=0.01, abs=1e-7)


def test_the_half_width_is_that_of_the_least_class_at_the_expected_ratio() -> None:
    found = reach((5_000, 10**6))
    assert found.expected == pytest.approx(0.2)
    assert found.half_width == found.half_width_of(5_000, found.expected)


def test_a_great_class_has_the_quantile_of_the_noise_over_its_size() -> None:
    found = share(10**9)
    assert found.half_width == pytest.approx(C * found.noise_sd, rel=0.01)


@EVERY
def test_the_worst_half_width_is_never_below_that_of_any_ratio(found: Forecast) -> None:
    low, high = found.asked.span
    widths = [found.half_width_of(found.class_size[0], r) for r in np.linspace(low, high, 7)]
    assert found.worst_half_width >= max(found.half_width, *widths) * (1 - 1e-9)


def test_the_worst_of_a_share_is_at_none_or_all() -> None:
    found = share()
    ends = [found.half_width_of(100_000, ratio) for ratio in (0.0, 1.0)]
    assert found.worst_half_width == max(ends) > found.half_width


def test_a_class_that_the_noise_hides_has_no_interval() -> None:
    found = share(10)
    assert found.half_width == found.worst_half_width == math.inf
    assert found.interval() == (0.0, 1.0)


@pytest.mark.parametrize("found", [share(), reach()], ids=["share", "reach"])
def test_an_interval_begins_where_the_denominator_is_separated_from_zero(found: Forecast) -> None:
    hidden = found.errors[1].half_width(0.95)
    assert found.half_width_of(hidden, found.expected) == math.inf
    assert found.half_width_of(0.99 * hidden, found.expected) == math.inf
    assert found.half_width_of(4 * hidden, found.expected) < math.inf


def test_a_lone_laplace_count_is_hidden_by_its_own_quantile() -> None:
    asked = wen(tables=[{"of": []}, {"of": ["contact"]}], privacy={"epsilon": "1"})
    found = forecast(asked, class_size=10**4, query={"contact": ["post", "email"]})
    hidden = found.errors[1].half_width(0.95)
    widths = [found.half_width_of(share * hidden, 0.5) for share in (0.97, 0.99, 1.0)]
    assert widths == [math.inf] * 3


@settings(max_examples=30)
@given(st.floats(1, 10**7), st.floats(1, 10**7), st.floats(0, 1))
def test_more_buyers_never_widen(one: float, other: float, ratio: float) -> None:
    few, many = sorted((one, other))
    assert ALL[0].half_width_of(many, ratio) <= ALL[0].half_width_of(few, ratio)


# --- the smallest class --------------------------------------------------------------------
@pytest.mark.parametrize("found", [share(), reach(), reach(plan=UNSURE)])
@settings(max_examples=15)
@given(half_width=st.floats(1e-5, 0.9), ratio=st.none() | st.floats(0, 1))
def test_the_smallest_class_is_the_first_that_is_sharp_enough(
    found: Forecast, half_width: float, ratio: float | None
) -> None:
    least = found.smallest_class(half_width, ratio)
    wanted = found.expected if ratio is None else ratio
    assert found.half_width_of(least, wanted) <= half_width
    assert found.half_width_of(least - 1, wanted) > half_width


def test_the_smallest_class_is_for_one_point_unless_asked_otherwise() -> None:
    assert share().smallest_class() == share().smallest_class(0.01)


@pytest.mark.parametrize("bad", [0, 1, 5, -0.1, math.nan, math.inf, True, False])
def test_a_half_width_that_is_no_fraction_is_refused(bad: Any) -> None:
    words = r"half_width is a fraction in \(0, 1\), got .*; percent\?"
    with pytest.raises(EstimateError, match=words):
        share().smallest_class(bad)


# --- noise beside the plan's own figures ---------------------------------------------------
def test_the_noises_deviation_is_that_of_the_mixed_sum_over_the_class() -> None:
    found = reach(50_000)
    top, bottom = found.errors
    variance = top.variance - 0.4 * top.covariance(bottom) + 0.04 * bottom.variance
    assert found.noise_sd == pytest.approx(math.sqrt(variance) / 50_000)


def test_a_share_owes_all_of_its_variance_to_the_noise() -> None:
    assert share().privacy_share == 1.0


def test_the_noises_share_of_the_variance_is_that_beside_the_plans_own() -> None:
    found = reach(plan=UNSURE)
    own = (0.6 / 2) ** 2 / 12  # half of the buyers are delivered to, from 0.4 to 1
    assert found.privacy_share == pytest.approx(
        found.noise_sd**2 / (found.noise_sd**2 + own), rel=0.1
    )


def test_the_noises_share_falls_with_the_class() -> None:
    shares = [reach(size, plan=UNSURE).privacy_share for size in (3_000, 30_000, 300_000)]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > 100 * shares[2] > 0


def test_the_interval_of_a_share_is_that_of_the_noise() -> None:
    found = share()
    assert found.interval() == pytest.approx((0.5 - found.half_width, 0.5 + found.half_width))


def test_the_interval_of_a_sure_plan_is_that_of_the_noise() -> None:
    found = reach()
    expected = (0.2 - found.half_width, 0.2 + found.half_width)
    assert found.interval() == pytest.approx(expected, abs=0.02 * found.half_width)


def test_the_interval_of_an_unsure_plan_holds_its_own_figures() -> None:
    low, high = reach(10**9, plan=UNSURE).interval()
    assert (low, high) == pytest.approx((0.2 + 0.025 * 0.3, 0.5 - 0.025 * 0.3), abs=0.01)


def test_an_interval_stays_within_zero_and_one() -> None:
    low, high = share(1_200).interval()
    assert 0 <= low < high <= 1


@pytest.mark.parametrize("target", [0.0, 0.19, 0.2, 0.2001, 0.21, 1.0])
def test_the_odds_of_a_sure_plan_are_those_of_the_noise(target: float) -> None:
    found = reach()
    expected = norm.cdf((0.2 - target) / found.noise_sd)
    assert found.probability_at_least(target) == pytest.approx(expected, abs=1e-9)


def test_the_odds_of_an_unsure_plan_are_those_of_its_figures() -> None:
    found = reach(10**9, plan=UNSURE)
    for target in (0.25, 0.35, 0.45):
        expected = (0.5 - target) / 0.3
        assert found.probability_at_least(target) == pytest.approx(expected, abs=0.03)


@settings(max_examples=30)
@given(st.floats(0, 1), st.floats(0, 1))
def test_the_odds_never_rise_with_the_target(one: float, other: float) -> None:
    low, high = sorted((one, other))
    for found in ALL:
        at_high, at_low = found.probability_at_least(high), found.probability_at_least(low)
        assert 0 <= at_high <= at_low <= 1


@pytest.mark.parametrize("bad", [70, -0.1, math.nan, math.inf, True, False])
def test_a_target_that_is_no_fraction_is_refused(bad: Any) -> None:
    with pytest.raises(EstimateError, match=r"a target is a fraction in \[0, 1\], got .*; percent"):
        reach().probability_at_least(bad)


# --- other losses --------------------------------------------------------------------------
@EVERY
def test_another_loss_is_that_of_another_inquiry(found: Forecast) -> None:
    other = wen(privacy={"rho": "0.03"})
    expected = replace(found, errors=found.asked.errors(planned(other)))
    assert found.at_loss(Decimal("0.03")).half_width == expected.half_width


def test_the_own_loss_changes_nothing() -> None:
    assert share().at_loss(Decimal("0.0001")).half_width == share().half_width


def test_a_frontier_has_the_losses_that_are_asked() -> None:
    rows = share().frontier(["0.1", "0.001"]).rows
    assert [row["loss"] for row in rows] == [Decimal("0.1"), Decimal("0.001")]
    assert rows[0]["half_width"] == share().at_loss(Decimal("0.1")).half_width


def test_a_frontier_goes_from_a_sixteenth_to_sixteen_times_the_loss() -> None:
    losses = [float(row["loss"]) for row in share().frontier().rows]
    assert (losses[0], losses[-1]) == pytest.approx((0.0001 / 16, 0.0016), rel=1e-3)
    assert losses == sorted(losses)
    assert len(losses) == 25


@pytest.mark.parametrize("bad", ["0", "-1", "nan", "1e-3", "", 0.1, None])
def test_a_loss_that_is_no_decimal_text_is_refused(bad: Any) -> None:
    with pytest.raises((EstimateError, InquiryError), match="a loss must be decimal text above 0"):
        share().frontier([bad])


@pytest.mark.parametrize("bad", [70, -0.1, math.nan])
def test_the_target_of_a_frontier_is_a_fraction(bad: float) -> None:
    with pytest.raises(EstimateError, match=r"a target is a fraction in \[0, 1\]"):
        reach().frontier(["0.1"], target=bad)


# --- where the noise comes from ------------------------------------------------------------
@pytest.mark.parametrize("retailers", [1, 3])
def test_the_tables_share_the_variance(retailers: int) -> None:
    frame = share(retailers=retailers).explain()
    assert list(frame["table"]) == ["total", "state x contact"]
    assert frame["share_of_variance"].sum() == pytest.approx(1)
    assert list(frame["noise_sd"]) == pytest.approx([100, 100])


def test_a_table_that_tells_nothing_of_the_answer_adds_no_variance() -> None:
    tables = [{"of": ["contact"]}, {"of": ["state"]}]
    plan = steady_plan("even", [Print("Paper", reach_1=by_state(0.1, 0.3, 0.2))])
    found = forecast(wen(tables=tables, privacy=QUIET), class_size=10**5, plan=plan)
    shares = dict(zip(*(found.explain()[c] for c in ("table", "share_of_variance")), strict=True))
    assert shares == pytest.approx({"state": 1.0, "contact": 0.0}, abs=1e-12)


# --- as a result ---------------------------------------------------------------------------
@EVERY
def test_a_forecast_answers_every_call_of_a_result(found: Forecast) -> None:
    assert isinstance(found, Result)
    assert tuple(found.summary().columns) == SUMMARY_COLUMNS


@EVERY
def test_a_forecast_is_plain_json(found: Forecast) -> None:
    for content in (found.to_dict(), found.plot_data()):
        assert json.loads(json.dumps(content, allow_nan=False)) == content


def test_without_an_interval_the_dictionary_holds_none() -> None:
    content = share(10).to_dict()
    assert content["half_width"] is content["worst_half_width"] is None


@EVERY
def test_the_estimates_are_ordered_and_finite(found: Forecast) -> None:
    for estimate in found.estimates():
        assert estimate.estimate is not None
        assert estimate.lower <= estimate.estimate <= estimate.upper < math.inf


def test_the_half_width_of_two_sizes_spans_both() -> None:
    found = share((5_000, 10**6))
    width = found.estimates()[1]
    assert width.lower == found.half_width_of(10**6, 0.5)
    assert width.estimate == found.half_width_of(5_000, 0.5)
    assert width.upper == found.worst_half_width


def test_the_frame_tells_of_classes_of_many_sizes() -> None:
    frame = share().to_frame()
    assert list(frame.columns) == ["buyers", "half_width", "worst_half_width"]
    for row in frame.to_dict("records"):
        assert row["half_width"] == share().half_width_of(row["buyers"], 0.5)
    assert (frame["worst_half_width"] >= frame["half_width"]).all()


@EVERY
def test_the_sentence_tells_the_loss_the_class_and_the_smallest_class(found: Forecast) -> None:
    told = found.statement()
    assert "rho 0.0001 per buyer" in told
    assert f"takes {found.smallest_class():,} buyers" in told


@EVERY
def test_a_forecast_shows_sentence_table_and_assumption_in_a_notebook(found: Forecast) -> None:
    shown = found._repr_html_()
    assert "<table>" in shown
    assert found.asked.assumption.split(";")[0] in shown
    assert found.statement() in repr(found)


@EVERY
def test_a_forecast_is_drawn_into_the_given_axes(found: Forecast) -> None:
    ax = Figure().add_subplot()
    assert found.plot(ax) is ax
    assert ax.get_xscale() == "log"


@pytest.mark.parametrize("losses", [[], "12"])
def test_losses_of_a_frontier_are_a_list_of_texts(losses: Any) -> None:
    found = forecast(wen(), class_size=1_000, query={"contact": "post"})
    with pytest.raises(EstimateError, match="losses are a list of decimal texts"):
        found.frontier(losses)


@pytest.mark.parametrize(("buyers", "ratio"), [("a", 0.5), (10, "a"), (-1, 0.5), (10, 1.5)])
def test_a_half_width_is_of_a_number_of_buyers_and_a_fraction(buyers: Any, ratio: Any) -> None:
    found = forecast(wen(), class_size=1_000, query={"contact": "post"})
    with pytest.raises(EstimateError, match=r"buyers must be|a ratio is a fraction"):
        found.half_width_of(buyers, ratio)


def test_no_class_is_large_enough_for_next_to_no_width() -> None:
    found = forecast(wen(), class_size=1_000, query={"contact": "post"})
    with pytest.raises(EstimateError, match="no class is large enough"):
        found.smallest_class(1e-300)


def test_a_class_barely_told_from_nobody_has_no_half_width() -> None:
    axes = {"state": [f"s{n}" for n in range(71)]}
    asked = wen(axes=axes, tables=[{"of": ["state"]}], privacy={"epsilon": "0.25"})
    found = forecast(asked, class_size=1_000, query={"state": "s1"})
    edge = found.errors[1].half_width(0.95)
    assert math.isinf(found.half_width_of(edge + 0.01, 1.0))
    assert math.isfinite(found.half_width_of(2 * edge, 1.0))
