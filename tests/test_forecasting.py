"""What is forecast before a release is what the release then shows, and what solving returns."""

import math
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpnotice import estimate_class, forecast, solve_epsilon
from dpnotice.analyst.counts import fit_counts
from dpnotice.analyst.design import planned
from dpnotice.analyst.intervals import LinearNoise
from dpnotice.analyst.media.publication import Print
from dpnotice.analyst.plan import NoticePlan
from dpnotice.errors import EstimateError, PlanError
from dpnotice.inquiry import Inquiry
from dpnotice.release import Release
from made.notices import direct, steady_plan
from made.releases import laplace, marginal, release, wen

LAPLACE, GAUSSIAN = {"epsilon": "1"}, {"rho": "0.1"}
LAWS = pytest.mark.parametrize("privacy", [LAPLACE, GAUSSIAN], ids=["laplace", "gaussian"])
AXES = {
    "state": [f"s{number}" for number in range(9)],
    "age": ["young", "middle", "old"],
    "contact": ["email+post", "email", "post", "none"],
}
TABLES = [[], ["state"], ["age"], ["contact"], ["state", "contact"]]
HALF = {"contact": ["post", "email"]}
MAILED = steady_plan("mailed", [direct(delivered=0.8, seen=1.0), Print("All", reach_1=0.1)])
LOCAL = steady_plan(
    "local",
    [
        direct(delivered=0.8, seen=1.0),
        Print("Local", reach_1=0.3, target={"state": ["s1", "s2"]}),
    ],
)

MEDIA = steady_plan("media", [Print("Local", reach_1=0.3, target={"age": "old"})])


def inquiry(privacy: dict[str, str], tables: Any = TABLES, **changes: Any) -> Inquiry:
    specs = [{"of": of} for of in tables]
    return wen(**({"axes": AXES, "tables": specs, "privacy": privacy} | changes))


def made(asked: Inquiry, full: Any, *, noisy: bool) -> Release:
    """A release of these counts whose noise is the one that was planned."""
    laws = dict(planned(asked).tables)
    scales = {of: noise.scale * (1 + 1e-14) for of, noise in laws.items()}  # a retailer rounds up
    rng = np.random.default_rng()  # privacy noise is never seeded
    counts = {}
    for of, noise in laws.items():
        drawn: Any = np.zeros(asked.shape(of), int)
        if noisy and noise.is_laplace:
            drawn = laplace(rng, noise.scale, asked.shape(of))
        elif noisy:
            drawn = np.rint(rng.normal(0, noise.scale, asked.shape(of))).astype(int)
        counts[of] = marginal(asked, full, of) + drawn
    return release(asked, counts, scales)


def buyers(number: int) -> Any:
    """So many buyers over the cells of AXES, half of them of HALF."""
    places = np.random.default_rng(1).integers(0, 40, number)
    full = np.zeros((10, 4, 5), int)
    for order, place in enumerate(places):
        full[place % 10, place // 10, order % 4] += 1
    return full


def second_moments(errors: tuple[LinearNoise, LinearNoise]) -> tuple[float, float, float]:
    top, bottom = errors
    return top.variance, bottom.variance, top.covariance(bottom)


# --- against a release ---------------------------------------------------------------------
@LAWS
@settings(max_examples=10)
@given(
    weights=st.lists(st.integers(1, 9), min_size=5, max_size=5),
    states=st.sets(st.sampled_from(AXES["state"]), min_size=1),
    contacts=st.sets(st.sampled_from(AXES["contact"]), min_size=1),
)
def test_the_variance_of_a_share_is_that_after_a_release(
    privacy: dict[str, str], weights: list[int], states: set[str], contacts: set[str]
) -> None:
    tables = [{"of": of, "weight": str(w)} for of, w in zip(TABLES, weights, strict=True)]
    asked = wen(axes=AXES, tables=tables, privacy=privacy)
    query = {"state": sorted(states), "contact": sorted(contacts)}
    fit = fit_counts((made(asked, buyers(100), noisy=False),))
    part = {name: np.isin([*AXES[name], "unknown"], query[name]).astype(float) for name in query}
    whole = {name: np.ones_like(inside) for name, inside in part.items()}
    (_, top), (_, bottom) = fit.products(part, whole)
    found = forecast(asked, class_size=10_000, query=query)
    assert second_moments(found.errors) == pytest.approx(second_moments((top, bottom)), rel=1e-9)


@LAWS
def test_the_variance_of_a_reach_is_that_after_a_release(privacy: dict[str, str]) -> None:
    asked = inquiry(privacy)
    fit = fit_counts((made(asked, buyers(100), noisy=False),))
    outside = 1 - np.isin([*AXES["state"], "unknown"], ["s1", "s2"]) * 0.3
    mailed = 1 - 0.8 * np.isin([*AXES["contact"], "unknown"], ["email+post", "email"])
    rates = 1 - np.multiply.outer(outside, mailed)
    names = ("state", "contact")
    top, bottom = (fit.query(names, weights)[1] for weights in (rates, np.ones_like(rates)))
    found = forecast(asked, class_size=10_000, plan=LOCAL)
    assert second_moments(found.errors) == pytest.approx(second_moments((top, bottom)), rel=1e-9)


@LAWS
def test_the_law_of_a_share_is_that_of_the_members(privacy: dict[str, str]) -> None:
    asked = inquiry(privacy)
    members = estimate_class([made(asked, buyers(10_000), noisy=False)])
    shown = members.share(**HALF)
    found = forecast(asked, class_size=10_000, query=HALF)
    assert shown.estimate == pytest.approx(0.5)
    assert found.half_width == pytest.approx((shown.upper - shown.lower) / 2, rel=1e-3)


@pytest.mark.parametrize(
    ("number", "tolerance"), [(2_000, 0.005), (100, 0.06)], ids=["middling class", "small class"]
)
@LAWS
def test_the_half_width_is_the_mean_of_those_that_releases_show(
    privacy: dict[str, str], number: int, tolerance: float
) -> None:
    """Fieller's intervals of 60 releases; false alarms: below one run in 10^6.

    One half-width varies by 0.4 % (2,000 buyers) and 6 % (100), so the tolerance is more than six
    s.d. of the mean of 60, and what the mean of ratios itself adds; 0 and 1 are out of reach.
    """
    asked, full = inquiry(privacy), buyers(number)
    shown = [estimate_class([made(asked, full, noisy=True)]).share(**HALF) for _ in range(60)]
    mean = float(np.mean([(share.upper - share.lower) / 2 for share in shown]))
    found = forecast(asked, class_size=number, query=HALF)
    assert found.half_width == pytest.approx(mean, rel=tolerance)


# --- the formula ---------------------------------------------------------------------------
def by_state(values: list[float]) -> NoticePlan:
    frame = pd.DataFrame({"state": [*AXES["state"], "unknown"], "value": values})
    return steady_plan("by state", [Print("Paper", reach_1=frame)])


@settings(max_examples=8)
@given(st.lists(st.floats(0.05, 0.95), min_size=10, max_size=10))
def test_one_flat_table_gives_the_notes_formula(values: list[float]) -> None:
    asked = inquiry({"rho": "0.00002"}, tables=[["state"]])
    found = forecast(asked, class_size=10**7, plan=by_state(values))
    rates, reach = np.array(values), np.mean(values[:-1])
    spread = rates.var() + (rates.mean() - reach) ** 2
    sigma, c = math.sqrt(1 / (2 * 0.00002)), 1.959964
    expected = c * sigma * math.sqrt(10 * spread) / 10**7
    assert found.expected == pytest.approx(reach)
    assert found.half_width == pytest.approx(expected, rel=0.01, abs=1e-12)


def test_a_mean_rate_away_from_the_reach_adds_to_the_width() -> None:
    asked = inquiry(GAUSSIAN, tables=[["state"]])
    even = forecast(asked, class_size=10**6, plan=by_state([0.2, 0.4, 0.3] * 3 + [0.3]))
    apart = forecast(asked, class_size=10**6, plan=by_state([0.2, 0.4, 0.3] * 3 + [1.0]))
    assert even.expected == pytest.approx(apart.expected)
    assert apart.half_width > 2.5 * even.half_width


def test_a_point_on_a_share_of_one_geography_takes_about_2700_buyers() -> None:
    axes = {"contact": [f"c{number}" for number in range(7)], "x": ["a"], "y": ["a"], "z": ["a"]}
    others = [["x"], ["y"], ["z"], ["x", "y"], ["x", "z"], ["y", "z"]]
    tables = [{"of": of} for of in [["contact"], *others]]
    asked = wen(axes=axes, tables=tables, privacy=LAPLACE)
    query = {"contact": ["c0", "c1", "c2", "c3"]}
    assert [noise.sd for _, noise in planned(asked).tables] == pytest.approx([9.9] * 7, abs=0.02)
    found = forecast(asked, class_size=2_700, query=query)
    assert found.half_width == pytest.approx(0.01, rel=0.05)
    assert found.smallest_class() == pytest.approx(2_700, rel=0.05)


@pytest.mark.parametrize("asked_for", [{"query": HALF}, {"plan": MAILED}], ids=["query", "plan"])
def test_half_the_epsilon_about_doubles_the_half_width(asked_for: Any) -> None:
    one, half = (
        forecast(inquiry({"epsilon": text}), class_size=10_000, **asked_for)
        for text in ("0.5", "0.25")
    )
    assert half.half_width == pytest.approx(2 * one.half_width, rel=0.02)
    assert half.smallest_class() == pytest.approx(2 * one.smallest_class(), rel=0.02)


@settings(max_examples=20)
@given(st.integers(1, 999))
def test_the_gaussian_half_width_goes_as_one_over_the_root_of_rho(millionths: int) -> None:
    rho = Decimal(millionths).scaleb(-6)
    first = forecast(inquiry({"rho": "0.001"}), class_size=10**7, query=HALF)
    found = forecast(inquiry({"rho": f"{rho:f}"}), class_size=10**7, query=HALF)
    expected = first.half_width * math.sqrt(0.001 / float(rho))
    assert found.half_width == pytest.approx(expected, rel=1e-4)


def test_a_higher_level_is_wider_by_its_quantile() -> None:
    low, high = (
        forecast(inquiry(GAUSSIAN), class_size=10**6, query=HALF, level=level)
        for level in (0.90, 0.99)
    )
    assert high.half_width / low.half_width == pytest.approx(2.5758 / 1.6449, rel=1e-3)


# --- several retailers ---------------------------------------------------------------------
@LAWS
@pytest.mark.parametrize("asked_for", [{"query": HALF}, {"plan": MEDIA}], ids=["query", "plan"])
def test_variances_of_retailers_add_and_not_their_deviations(
    privacy: dict[str, str], asked_for: Any
) -> None:
    asked = inquiry(privacy)
    one, four = (forecast(asked, class_size=10**6, retailers=n, **asked_for) for n in (1, 4))
    assert second_moments(four.errors) == pytest.approx([4 * v for v in second_moments(one.errors)])
    assert four.noise_sd == pytest.approx(2 * one.noise_sd)


def test_a_plan_of_two_retailers_is_answered_by_two() -> None:
    both = NoticePlan("both", [direct("sephora"), direct("ulta")])
    one, two = (
        forecast(inquiry(LAPLACE), class_size=10_000, plan=both, retailers=n) for n in (1, 2)
    )
    assert one.half_width == two.half_width


def test_the_least_of_two_sizes_decides() -> None:
    least = forecast(inquiry(LAPLACE), class_size=2_000, query=HALF)
    pair = forecast(inquiry(LAPLACE), class_size=(2_000, 50_000), query=HALF)
    assert pair.half_width == least.half_width


def test_an_inquiry_with_a_delta_is_forecast_by_the_law_that_it_took() -> None:
    tables = [{"of": of} for of in TABLES]
    privacy = {"epsilon": "1", "delta": "0.000001"}
    few = wen(axes=AXES, tables=tables, privacy=privacy)
    assert few.loss.measure == "epsilon"
    axes = {name: ["x"] for name in "abcd"}
    subsets = [[n for i, n in enumerate("abcd") if bits >> i & 1] for bits in range(12)]
    many = wen(axes=axes, tables=[{"of": of} for of in subsets], privacy=privacy)
    found = forecast(many, class_size=10_000, query={"a": "x"})
    assert "rho 0.02435" in found.statement()


# --- solving -------------------------------------------------------------------------------
@LAWS
@pytest.mark.parametrize("asked_for", [{"query": HALF}, {"plan": LOCAL}], ids=["query", "plan"])
@pytest.mark.parametrize("target", [0.003, 0.04])
def test_the_solved_loss_gives_the_half_width_and_hardly_less(
    privacy: dict[str, str], asked_for: Any, target: float
) -> None:
    common = {"class_size": (8_000, 50_000), "retailers": 2, **asked_for}
    solved = solve_epsilon(inquiry(privacy), half_width=target, **common)
    (measure,) = privacy
    found = forecast(inquiry({measure: str(solved)}), **common)
    assert target * (1 - 1e-3) <= found.half_width <= target


@LAWS
def test_the_solved_loss_is_the_least_of_four_digits(privacy: dict[str, str]) -> None:
    first = forecast(inquiry(privacy), class_size=8_000, query=HALF)
    solved = solve_epsilon(inquiry(privacy), half_width=0.01, class_size=8_000, query=HALF)
    less = solved - Decimal(1).scaleb(solved.adjusted() - 3)
    assert len(solved.normalize().as_tuple().digits) <= 4
    assert first.at_loss(solved).half_width <= 0.01 < first.at_loss(less).half_width


@LAWS
def test_the_inquirys_own_loss_does_not_change_what_is_solved(privacy: dict[str, str]) -> None:
    (measure,) = privacy
    solved = {
        solve_epsilon(inquiry({measure: text}), half_width=0.01, class_size=8_000, query=HALF)
        for text in ("0.01", "3")
    }
    assert len(solved) == 1


def test_a_sharper_answer_takes_a_greater_loss() -> None:
    losses = [
        solve_epsilon(inquiry(LAPLACE), half_width=width, class_size=8_000, query=HALF)
        for width in (0.1, 0.01, 0.001)
    ]
    assert losses == sorted(losses)
    assert len(set(losses)) == 3


def test_no_loss_makes_a_hidden_class_sharp() -> None:
    tables = [{"of": [], "weight": "100000"}, {"of": ["contact"], "weight": "1"}]
    asked = wen(tables=tables)
    words = "no noise is small enough for a half-width of 0.01 with so few buyers; ask for less"
    with pytest.raises(EstimateError, match=words):
        solve_epsilon(asked, half_width=0.01, class_size=10, query={"contact": "post"})


@pytest.mark.parametrize("bad", [0, 1, 1.5, -0.01, math.nan, math.inf, True, False])
def test_a_half_width_that_is_no_fraction_is_refused(bad: Any) -> None:
    words = r"half_width is a fraction in \(0, 1\), got .*; percent\?"
    with pytest.raises(EstimateError, match=words):
        solve_epsilon(inquiry(LAPLACE), half_width=bad, class_size=8_000, query=HALF)


def test_solving_refuses_what_a_forecast_refuses() -> None:
    with pytest.raises(EstimateError, match="give either query or plan"):
        solve_epsilon(inquiry(LAPLACE), half_width=0.01, class_size=8_000)
    with pytest.raises(EstimateError, match="class_size is a number of buyers from 1"):
        solve_epsilon(inquiry(LAPLACE), half_width=0.01, class_size=0, query=HALF)


# --- refusals ------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "bad",
    [
        *(0, -1, 0.5, math.nan, math.inf, 2.0**54, "1000", True, None, {"least": 5}, (), []),
        *((1_000, 10), (1, 2, 3), (True, 5), ("1", 2), (math.nan, 5), (5, math.inf), (0, 10)),
    ],
)
def test_a_size_that_is_no_number_of_buyers_is_refused(bad: Any) -> None:
    words = r"class_size is a number of buyers from 1, or a pair \(least, most\), got .*; correct"
    with pytest.raises(EstimateError, match=words):
        forecast(inquiry(LAPLACE), class_size=bad, query=HALF)


@pytest.mark.parametrize("bad", [0, -1, 1.0, True, "2", None, math.nan])
def test_retailers_are_counted_from_one(bad: Any) -> None:
    with pytest.raises(EstimateError, match="retailers must be a whole number from 1, got"):
        forecast(inquiry(LAPLACE), class_size=1_000, query=HALF, retailers=bad)


@pytest.mark.parametrize("bad", [95, 0, 1, "0.95", None, math.nan, math.inf, True])
def test_an_impossible_level_is_refused(bad: Any) -> None:
    with pytest.raises(EstimateError, match="level must be a fraction between 0 and 1, got"):
        forecast(inquiry(LAPLACE), class_size=1_000, query=HALF, level=bad)


@pytest.mark.parametrize("given", [{}, {"query": HALF, "plan": MAILED}])
def test_exactly_one_answer_is_forecast(given: Any) -> None:
    with pytest.raises(EstimateError, match="forecast one answer: give either query or plan"):
        forecast(inquiry(LAPLACE), class_size=1_000, **given)


def test_a_plan_by_an_axis_that_the_inquiry_lacks_is_refused() -> None:
    plan = NoticePlan("p", [Print("Local", reach_1=0.3, target={"income": "high"})])
    with pytest.raises(PlanError, match="'income' is no axis of the inquiry; they are state"):
        forecast(inquiry(LAPLACE), class_size=1_000, plan=plan)


@pytest.mark.parametrize(
    "asked_for",
    [
        {"query": {"age": "old", "contact": "post"}},
        {"plan": NoticePlan("p", [direct(), Print("A", reach_1=0.3, target={"age": "old"})])},
    ],
    ids=["query", "plan"],
)
def test_what_the_tables_do_not_determine_is_refused_by_its_axes(asked_for: Any) -> None:
    with pytest.raises(EstimateError, match="no released table holds age x contact together"):
        forecast(inquiry(LAPLACE), class_size=1_000, **asked_for)


# --- the edges -----------------------------------------------------------------------------
@pytest.mark.parametrize("privacy", [{"epsilon": "0.000000001"}, {"rho": "0.000000001"}])
def test_the_least_loss_is_forecast(privacy: dict[str, str]) -> None:
    found = forecast(inquiry(privacy), class_size=10_000, query=HALF)
    assert found.half_width == math.inf
    assert "could not be determined" in found.statement()


@pytest.mark.parametrize("privacy", [{"epsilon": "100"}, {"rho": "1000"}])
def test_a_great_loss_leaves_hardly_any_half_width(privacy: dict[str, str]) -> None:
    found = forecast(inquiry(privacy), class_size=10_000, query=HALF)
    assert 0 <= found.half_width < 1e-3


def test_an_inquiry_of_24_axes_is_forecast() -> None:
    names = [f"axis{number}" for number in range(24)]
    axes = {name: ["x"] for name in names}
    tables = [{"of": []}, *({"of": [name]} for name in names), {"of": names[:3]}]
    found = forecast(
        wen(axes=axes, tables=tables, privacy=LAPLACE), class_size=10**6, query={"axis7": "x"}
    )
    assert 0 < found.half_width < 0.01


def test_axes_of_one_level_and_one_table_are_enough() -> None:
    privacy = {"rho": "0.0001"}
    asked = wen(axes={"contact": ["post"]}, tables=[{"of": ["contact"]}], privacy=privacy)
    found = forecast(asked, class_size=100_000, query={"contact": "post"})
    sigma = math.sqrt(1 / (2 * 0.0001))
    assert found.half_width == pytest.approx(1.959964 * sigma * math.sqrt(0.5) / 1e5, rel=0.01)


# --- what is refused in words, and what is as good as exact ------------------------------------
EVERYWHERE = steady_plan("everywhere", [Print("All", reach_1=0.13)])


def test_a_plan_that_reaches_everybody_alike_needs_hardly_any_loss() -> None:
    asked = inquiry(LAPLACE)
    assert forecast(asked, class_size=1_000, plan=EVERYWHERE).half_width == 0
    solved = solve_epsilon(asked, half_width=0.01, class_size=10**9, plan=EVERYWHERE)
    assert solved <= Decimal("0.001")


def test_the_shares_of_an_error_that_is_none_are_zero() -> None:
    found = forecast(inquiry({"rho": "3000"}), class_size=1_000, query=HALF).explain()
    assert found["share_of_variance"].sum() in (0, pytest.approx(1))


@pytest.mark.parametrize("half_width", ["0.01", None, True, 0, 1, math.nan])
def test_a_half_width_to_solve_for_is_a_fraction(half_width: Any) -> None:
    with pytest.raises(EstimateError, match="half_width is a fraction"):
        solve_epsilon(inquiry(LAPLACE), half_width=half_width, class_size=1_000, query=HALF)


@pytest.mark.parametrize("call", [forecast, solve_epsilon])
def test_a_path_is_no_inquiry(call: Any) -> None:
    more = {"half_width": 0.01} if call is solve_epsilon else {}
    with pytest.raises(EstimateError, match="takes an Inquiry, got str"):
        call("wen.toml", class_size=1_000, query=HALF, **more)


def test_a_number_of_numpy_is_a_class_size() -> None:
    found = forecast(inquiry(LAPLACE), class_size=np.int64(1_000), query=HALF)
    assert found.class_size == (1_000, 1_000)


def test_the_loss_in_the_inquiry_does_not_matter_to_what_is_solved() -> None:
    solved = [
        solve_epsilon(inquiry({"epsilon": text}), half_width=0.01, class_size=5_000, query=HALF)
        for text in ("0.000001", "1", "999")
    ]
    assert len(set(solved)) == 1


def test_weights_too_far_apart_are_refused_in_words() -> None:
    tables = [{"of": [], "weight": "0.000000001"}, {"of": ["contact"], "weight": "999999999"}]
    asked = wen(axes=AXES, tables=tables)
    with pytest.raises(EstimateError, match="the weights of the tables differ so much"):
        solve_epsilon(asked, half_width=0.01, class_size=10**6, query=HALF)


@pytest.mark.parametrize("class_size", [1e7, 1e9])
def test_what_is_solved_can_be_written_into_an_inquiry_as_it_prints(class_size: float) -> None:
    solved = solve_epsilon(inquiry(GAUSSIAN), half_width=0.01, class_size=class_size, query=HALF)
    assert "E" not in str(solved)
    inquiry({"rho": str(solved)})


def test_a_plan_by_very_many_cells_is_forecast_with_fewer_draws() -> None:
    axes = {"state": [f"s{n}" for n in range(200)], "age": [f"a{n}" for n in range(50)]}
    rates = pd.DataFrame(
        [(s, a, 0.3) for s in [*axes["state"], "unknown"] for a in [*axes["age"], "unknown"]],
        columns=["state", "age", "rate"],
    )
    asked = wen(axes=axes, tables=[{"of": ["state", "age"]}])
    plan = steady_plan("by cell", [Print("A", reach_1=rates)])
    found = forecast(asked, class_size=10**6, plan=plan)
    assert found.expected == pytest.approx(0.3)
    assert len(found.asked.drawn) < 1_000
