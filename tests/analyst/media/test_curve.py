import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from dpnotice.analyst.media.curve import Curve
from dpnotice.analyst.media.exposure_laws import nbd_nonreach
from dpnotice.analyst.rates import lognormal
from dpnotice.analyst.sampling import Sampling
from made.notices import ALL, STATE, by_state, mean, over, reach, refusal

MANY = Sampling(axes=(), draws=300, seed=0)
PERSONS = 1e6


def curve(**changes: Any) -> Curve:
    fields = {"points": [(600e3, 300e3)], "universe": PERSONS}
    return Curve("site", **{**fields, **changes})


def nbd_points(cap: float, dispersion: float) -> list[tuple[float, float]]:
    gross = np.array([0.5, 1.5, 4.0])
    reached = 1 - nbd_nonreach(gross, np.array(cap), np.array(dispersion))
    return [(g * PERSONS, float(r) * PERSONS) for g, r in zip(gross, reached, strict=True)]


def nbd_histogram(last: int, *, each: float, dispersion: float) -> list[float]:
    law = stats.nbinom(dispersion, dispersion / (dispersion + each))
    return [*(PERSONS * law.pmf(np.arange(1, last))), PERSONS * law.sf(last - 1)]


def counts(vehicle: Curve, most: int, sampling: Sampling = ALL) -> np.ndarray:
    return vehicle.exposure(sampling).counts(most)


# --- one point -----------------------------------------------------------------------------
def test_the_point_itself_is_met() -> None:
    assert reach(curve()) == pytest.approx(0.3, abs=1e-9)


def test_one_point_is_goergs_curve() -> None:
    # Goerg 2014: 200 impressions that reach 100 persons have a cap of 200, so 600 reach 150.
    vehicle = curve(points=[(200, 100)], universe=1_000, amount=600)
    assert reach(vehicle) == pytest.approx(0.15, abs=1e-9)


@given(st.floats(0.05, 0.6), st.floats(1.2, 20), st.floats(0.1, 30))
def test_more_impressions_reach_what_goergs_formula_says(
    share: float, often: float, times: float
) -> None:
    gross = often * share
    cap = gross * share / (gross - share)
    if cap <= 1:
        vehicle = curve(points=[(gross * PERSONS, share * PERSONS)], amount=times * gross * PERSONS)
        bought = times * gross
        assert reach(vehicle) == pytest.approx(bought * cap / (bought + cap), rel=1e-6)


def test_where_goergs_cap_exceeds_the_universe_everybody_can_be_reached_and_the_point_is_met() -> (
    None
):
    points = [(3e6, 0.8e6)]  # Goerg: a cap of 1.09 million persons
    assert reach(curve(points=points)) == pytest.approx(0.8, abs=1e-8)
    assert reach(curve(points=points, amount=1e12)) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("dispersion", [0.6, 1.0, 3.0])
def test_every_dispersion_meets_the_point(dispersion: float) -> None:
    assert reach(curve(dispersion=dispersion)) == pytest.approx(0.3, abs=1e-9)


def test_less_dispersion_leaves_less_to_be_reached_by_more_impressions() -> None:
    few, many = (reach(curve(dispersion=r, amount=6e6)) for r in (3.0, 0.6))
    assert few < many - 0.05


def test_an_uncertain_dispersion_meets_the_point_in_every_draw() -> None:
    vehicle = curve(dispersion=lognormal(mean=1, sd=0.5))
    assert vehicle.exposure(MANY).reach() == pytest.approx(np.full((300, 1), 0.3), abs=1e-9)


def test_an_uncertain_dispersion_widens_what_another_amount_reaches() -> None:
    vehicle = curve(dispersion=lognormal(mean=1, sd=0.5), amount=3e6)
    got = vehicle.exposure(MANY).reach()
    assert got.std() > 0.01
    assert np.median(got) == pytest.approx(reach(curve(amount=3e6)), abs=0.02)


def test_draws_that_need_more_persons_than_there_are_are_moved_until_they_do_not() -> None:
    vehicle = curve(points=[(3e6, 0.8e6)], dispersion=lognormal(mean=2, sd=1))
    assert vehicle.exposure(MANY).reach() == pytest.approx(np.full((300, 1), 0.8), abs=1e-7)


@given(st.floats(1e3, 1e8), st.floats(1e3, 1e8))
def test_more_impressions_never_lower_reach(one: float, other: float) -> None:
    few, many = (reach(curve(amount=amount)) for amount in sorted((one, other)))
    assert 0 <= few <= many <= 0.6 + 1e-12


# --- several points ------------------------------------------------------------------------
@pytest.mark.parametrize(("cap", "dispersion"), [(0.6, 0.4), (0.9, 2.0), (1.0, 1.0)])
def test_points_of_a_curve_give_the_whole_curve_back(cap: float, dispersion: float) -> None:
    vehicle = curve(points=nbd_points(cap, dispersion), amount=8e6)
    truth = 1 - nbd_nonreach(np.array(8.0), np.array(cap), np.array(dispersion))
    assert reach(vehicle) == pytest.approx(float(truth), abs=1e-4)


def test_points_may_come_in_any_order() -> None:
    points = nbd_points(0.8, 1.0)
    assert curve(points=points[::-1]).points == tuple(points)
    assert reach(curve(points=points[::-1])) == reach(curve(points=points))


def test_points_far_from_any_curve_are_reported() -> None:
    vehicle = curve(points=[(0.5e6, 0.4e6), (1e6, 0.6e6), (4e6, 0.61e6)])
    with pytest.warns(UserWarning, match="site: the fitted curve misses what was published by"):
        reach(vehicle)


# --- a histogram ---------------------------------------------------------------------------
@settings(max_examples=15)
@given(st.floats(0.5, 4), st.floats(0.4, 5), st.floats(0.5, 2))
def test_a_histogram_tells_what_another_amount_reaches(
    each: float, dispersion: float, times: float
) -> None:
    cells = nbd_histogram(10, each=each, dispersion=dispersion)
    vehicle = curve(
        points=None, histogram=cells, gross=each * PERSONS, amount=times * each * PERSONS
    )
    truth = 1 - nbd_nonreach(np.array(times * each), np.array(1.0), np.array(dispersion))
    assert reach(vehicle) == pytest.approx(float(truth), abs=4e-3)


def test_a_histogram_gives_its_own_cells_back() -> None:
    cells = nbd_histogram(8, each=2.0, dispersion=0.8)
    got = counts(curve(points=None, histogram=cells, gross=2e6), 8)[:, 0, 0]
    assert PERSONS * got[1:] == pytest.approx(cells, rel=0.02)


def test_all_impressions_are_exposures_though_the_last_cell_is_open() -> None:
    cells = nbd_histogram(3, each=5.0, dispersion=0.5)
    assert mean(curve(points=None, histogram=cells, gross=5e6)) == pytest.approx(5)


def test_a_histogram_that_no_mixture_has_is_reported() -> None:
    vehicle = curve(points=None, histogram=[0, 0, 0, 500e3, 0], gross=2e6)
    with pytest.warns(UserWarning, match="misses what was published"):
        reach(vehicle)


# --- both ----------------------------------------------------------------------------------
FORMS = {
    "point": {},
    "points": {"points": nbd_points(0.8, 0.7)},
    "histogram": {
        "points": None,
        "histogram": nbd_histogram(6, each=1.5, dispersion=1.0),
        "gross": 1.5e6,
    },
}
forms = pytest.mark.parametrize("form", FORMS)


@forms
def test_the_amount_is_the_mean_number_of_exposures(form: str) -> None:
    assert mean(curve(**FORMS[form], amount=2.5e6)) == pytest.approx(2.5)


@forms
def test_without_an_amount_it_is_what_was_published(form: str) -> None:
    own = {"point": 0.6, "points": 4.0, "histogram": 1.5}[form]
    assert mean(curve(**FORMS[form])) == pytest.approx(own)


@forms
def test_nothing_bought_reaches_nobody(form: str) -> None:
    assert reach(curve(**FORMS[form], amount=0)) == pytest.approx(0)


@forms
@pytest.mark.parametrize("most", [1, 3, 12])
def test_chances_of_counts_add_up_and_leave_the_nonreach(form: str, most: int) -> None:
    vehicle = curve(**FORMS[form], amount=2e6)
    got = counts(vehicle, most)
    assert got.shape[0] == most + 1
    assert got.sum(axis=0) == pytest.approx(1)
    assert 1 - got[0].item() == pytest.approx(reach(vehicle))


@forms
def test_an_uncertain_amount_varies_reach(form: str) -> None:
    vehicle = curve(**FORMS[form], amount=lognormal(mean=1e6, sd=2e5))
    assert len(np.unique(vehicle.exposure(MANY).nonreach)) == 300


@forms
def test_nobody_outside_the_target_is_reached(form: str) -> None:
    got = over(curve(**FORMS[form], target={"state": "NY"}), STATE)
    assert got.tolist() == pytest.approx([0, reach(curve(**FORMS[form])), 0])


@forms
def test_a_universe_by_segment_is_summed_over_the_target(form: str) -> None:
    frame = by_state(600e3, 400e3, 9e6)
    vehicle = curve(**FORMS[form], universe=frame, target={"state": ["CA", "NY"]})
    whole = reach(curve(**FORMS[form]))
    assert over(vehicle, STATE).tolist() == pytest.approx([whole, whole, 0])


@forms
def test_segments_together_reach_what_was_published_and_one_more_than_the_other(form: str) -> None:
    persons = by_state(600e3, 400e3, 0)
    vehicle = curve(**FORMS[form], universe=persons, target=by_state(0.4, 0.6, 0))
    got = over(vehicle, STATE)
    assert got @ [0.6, 0.4, 0] == pytest.approx(reach(curve(**FORMS[form])), abs=2e-3)
    assert got[1] > got[0] + 0.03


@forms
def test_exposures_of_segments_add_up_to_those_bought(form: str) -> None:
    vehicle = curve(**FORMS[form], universe=by_state(600e3, 400e3, 0), target=by_state(0.4, 0.6, 0))
    sampling = Sampling(axes=(STATE,), draws=1, seed=0)
    got = vehicle.exposure(sampling).gross()[0]
    assert got.tolist()[:2] == pytest.approx([mean(curve(**FORMS[form])) * x for x in (2 / 3, 1.5)])


@forms
def test_counts_by_segment_leave_the_nonreach_there(form: str) -> None:
    vehicle = curve(**FORMS[form], universe=by_state(600e3, 400e3, 0), target=by_state(0.4, 0.6, 0))
    got = vehicle.exposure(Sampling(axes=(STATE,), draws=1, seed=0))
    assert got.counts(5)[0] == pytest.approx(got.nonreach)


def test_scaling_persons_and_impressions_alike_changes_nothing() -> None:
    scaled = curve(points=[(600, 300)], universe=1_000)
    assert reach(scaled) == pytest.approx(reach(curve()))


def test_it_costs_what_is_stated() -> None:
    assert curve(cost_usd=50_000).total_cost_usd == 50_000
    assert curve().total_cost_usd is None


def test_its_axes_are_those_of_its_target() -> None:
    assert curve().axes == ()
    assert curve(target={"state": "NY"}).axes == ("state",)


# --- refusals ------------------------------------------------------------------------------
@pytest.mark.parametrize("fields", [{"points": None}, {"histogram": [1, 1], "gross": 9}])
def test_either_points_or_a_histogram_is_given(fields: dict[str, Any]) -> None:
    assert "give either points or a histogram" in refusal(lambda: curve(**fields))


@pytest.mark.parametrize("points", [[], [(1, 2, 3)], [(1,)], [(0, 0)], [(600e3, 0)]])
def test_points_are_pairs_of_numbers_above_zero(points: list[Any]) -> None:
    assert "points must be pairs" in refusal(lambda: curve(points=points))


@pytest.mark.parametrize("points", [5, "600", [5], [("a", 1)], [(math.nan, 1)], [(2, -1)]])
def test_points_of_another_form_are_refused(points: Any) -> None:
    assert "site: points must be" in refusal(lambda: curve(points=points))


@pytest.mark.parametrize("field", ["points", "histogram"])
def test_published_figures_are_plain_numbers(field: str) -> None:
    law = lognormal(mean=1e5, sd=1e4)
    given_fields = {"points": {"points": [(6e5, law)]}}.get(
        field, {"points": None, "histogram": [law, 1], "gross": 1e9}
    )
    assert "must be plain numbers" in refusal(lambda: curve(**given_fields))


@pytest.mark.parametrize("point", [(300e3, 300e3), (200e3, 300e3), (5e6, 1e6), (5e6, 2e6)])
def test_reach_is_below_impressions_and_the_universe(point: tuple[float, float]) -> None:
    message = refusal(lambda: curve(points=[point]))
    assert "reach must be below both" in message
    assert f"{point[0]:,.0f} impressions cannot reach {point[1]:,.0f}" in message


def test_more_persons_than_impressions_at_random_would_reach_are_refused() -> None:
    most = (1 - math.exp(-1)) * PERSONS
    assert "at random" in refusal(lambda: curve(points=[(1e6, most + 100)]))
    assert reach(curve(points=[(1e6, most - 100)])) == pytest.approx(most / PERSONS, abs=1e-3)


def test_uneven_delivery_reaches_fewer_at_random_and_is_refused_sooner() -> None:
    vehicle = curve(
        points=[(1e6, 0.6e6)], universe=by_state(5e5, 5e5, 0), target=by_state(0.9, 0.1, 0)
    )
    assert "at random" in refusal(lambda: over(vehicle, STATE))


@pytest.mark.parametrize(
    "points", [[(1e6, 3e5), (2e6, 2e5)], [(1e6, 3e5), (1e6, 4e5)], [(1e6, 3e5), (1e6, 3e5)]]
)
def test_reach_that_falls_or_differs_at_one_amount_is_refused(points: list[Any]) -> None:
    assert "never a smaller reach" in refusal(lambda: curve(points=points))


def test_reach_that_grows_faster_the_more_is_bought_is_refused() -> None:
    points = [(1e6, 1e5), (2e6, 3e5)]
    assert "must not add more persons each" in refusal(lambda: curve(points=points))


def test_points_printed_to_whole_percents_are_not_refused() -> None:
    points = [(i * 1e5, round(100 * (1 - math.exp(-i / 10))) * 1e4) for i in range(1, 20)]
    points = [(gross, min(gross, reached)) for gross, reached in points]
    assert curve(points=points).points is not None


@pytest.mark.parametrize("form", ["points", "histogram"])
def test_dispersion_goes_with_a_single_point(form: str) -> None:
    assert "dispersion goes with a single point" in refusal(
        lambda: curve(**FORMS[form], dispersion=1.0)
    )


def test_a_dispersion_that_needs_more_persons_than_there_are_is_refused_with_the_least() -> None:
    # (1 + 3 / 1.41)^-1.41 is 0.2, what three impressions per person leave unreached.
    message = refusal(lambda: curve(points=[(3e6, 0.8e6)], dispersion=0.5))
    assert "with a dispersion below 1.41 the point would need more persons" in message


@pytest.mark.parametrize("cells", [[], [5], [0, 0]])
def test_a_histogram_has_two_cells_and_somebody_in_them(cells: list[float]) -> None:
    assert "histogram must give persons" in refusal(
        lambda: curve(points=None, histogram=cells, gross=1e6)
    )


def test_a_histogram_of_more_persons_than_there_are_is_refused() -> None:
    message = refusal(lambda: curve(points=None, histogram=[8e5, 3e5], gross=9e6))
    assert "1,100,000 persons, more than the universe's 1,000,000" in message


def test_a_histogram_of_more_exposures_than_impressions_is_refused() -> None:
    message = refusal(lambda: curve(points=None, histogram=[1e5, 2e5], gross=4e5))
    assert "500,000 exposures at least, and gross is 400,000" in message


@pytest.mark.parametrize("gross", [None, -1, "many"])
def test_a_histogram_needs_its_impressions(gross: Any) -> None:
    assert "gross, the impressions of the histogram, must be" in refusal(
        lambda: curve(points=None, histogram=[1e5, 1e5], gross=gross)
    )


def test_points_name_their_own_impressions() -> None:
    assert "gross goes with a histogram" in refusal(lambda: curve(gross=1e6))


@pytest.mark.parametrize("universe", [None, -1, "all", math.nan])
def test_a_universe_is_a_number_of_persons(universe: Any) -> None:
    assert "universe must be" in refusal(lambda: curve(universe=universe))


def test_a_universe_is_not_uncertain() -> None:
    assert "universe must be a number of persons or a frame" in refusal(
        lambda: curve(universe=lognormal(mean=1e6, sd=1e5))
    )


def test_an_empty_audience_is_refused() -> None:
    message = refusal(lambda: curve(universe=by_state(0, 5, 5), target={"state": "CA"}))
    assert "the target audience has no persons" in message


def test_a_target_by_an_axis_that_the_universe_lacks_is_refused() -> None:
    message = refusal(lambda: curve(universe=by_state(1e6, 1, 1), target={"age": ["young"]}))
    assert "lacks an axis of target" in message


@pytest.mark.parametrize("field", ["amount", "dispersion"])
@pytest.mark.parametrize("bad", [-1, "9", math.nan])
def test_a_figure_below_zero_or_of_no_number_is_refused(field: str, bad: object) -> None:
    assert f"site: {field} must be" in refusal(lambda: curve(**{field: bad}))


def test_an_amount_is_the_same_for_everybody() -> None:
    assert "not a frame" in refusal(lambda: curve(amount=pd.DataFrame({"state": ["CA"], "x": [1]})))


def test_a_curve_is_named_by_a_line_of_text() -> None:
    assert "name must be a line of text" in refusal(
        lambda: Curve("", points=[(6, 3)], universe=100)
    )
