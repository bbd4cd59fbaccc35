"""Displays in stores: vehicles whose audience is counted, and how far the prediction errs."""

import numpy as np
import pandas as pd
import pytest

from dpnotice.datasets import Visits, complete_journey
from dpnotice.demo.displays import (
    DisplayCheck,
    check_displays,
    duplications,
    vehicles,
)
from dpnotice.demo.steps import BEFORE, WEEKS, visited

CONTACT = np.array(["post"] * 4 + ["none"] * 6)


Periods = tuple[Visits, Visits]


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Periods:
    return visited(complete_journey(tmp_path_factory.mktemp("displays") / "case"))


@pytest.fixture(scope="module")
def check(real: Periods) -> DisplayCheck:
    return check_displays(*real)


def visits(seen: object) -> Visits:
    made = np.asarray(seen, dtype=bool)
    _, stores, weeks = made.shape
    return Visits(stores=tuple(range(stores)), weeks=tuple(range(1, weeks + 1)), seen=made)


def regulars(weeks: int = 5) -> Visits:
    """Three in ten households come every week, the others never."""
    seen = np.zeros((10, 2, weeks), dtype=bool)
    seen[:3] = True
    return visits(seen)


def by_level(frame: pd.DataFrame, figure: str) -> dict[str, float]:
    return dict(zip(frame["contact"], frame[figure], strict=True))


def test_thirteen_weeks_before_predict_thirteen_weeks_to_a_point(check: DisplayCheck) -> None:
    assert check.beta_binomial <= 0.01


def test_a_single_week_and_pair_err_more(check: DisplayCheck) -> None:
    assert check.beta_binomial < check.single <= 0.016


def test_independent_weeks_err_by_11_to_12_points_on_real_visits(check: DisplayCheck) -> None:
    assert 0.105 <= check.independent <= 0.125


def test_the_errors_agree_with_plain_counting(real: Periods, check: DisplayCheck) -> None:
    before, during = (visits.seen for visits in real)
    one, truth = before.mean(axis=(0, 2)), during.any(axis=2).mean(axis=0)
    expected = np.abs(1 - (1 - one) ** during.shape[2] - truth).mean()
    assert check.independent == pytest.approx(expected)


def test_the_curve_has_a_row_per_number_of_weeks(check: DisplayCheck) -> None:
    assert check.curve.shape == (len(WEEKS), 3)


def test_the_predictions_of_one_week_are_that_of_the_weeks_before(
    real: Periods, check: DisplayCheck
) -> None:
    assert check.curve[0, 1:] == pytest.approx([real[0].seen.mean()] * 2)


def test_another_week_never_lowers_the_reach(check: DisplayCheck) -> None:
    assert (np.diff(check.curve, axis=0) >= 0).all()


def test_the_curve_ends_at_the_true_reach_of_all_weeks(real: Periods, check: DisplayCheck) -> None:
    assert check.curve[-1, 0] == pytest.approx(real[1].seen.any(axis=2).mean())


def test_weeks_of_the_notice_are_not_among_those_that_predict_it(real: Periods) -> None:
    assert [visits.weeks for visits in real] == [BEFORE, WEEKS]
    assert real[0].stores == real[1].stores


def test_the_beta_binomial_curve_meets_the_mean_reach_of_two_weeks() -> None:
    # one of four households in week 1, another in week 2: 1/4, 1/4 and together 1/2
    seen = np.zeros((4, 1, 3), dtype=bool)
    seen[0, 0, 0] = seen[1, 0, 1] = seen[0, 0, 2] = seen[1, 0, 2] = True
    pairs = [2 / 4, 2 / 4, 2 / 4]
    curve = check_displays(visits(seen), visits(seen)).curve
    assert curve[1, 1] == pytest.approx(np.mean(pairs))


def test_regular_visitors_are_predicted_without_error() -> None:
    found = check_displays(regulars(), regulars())
    assert (found.beta_binomial, found.single) == pytest.approx((0, 0), abs=1e-6)


def test_regular_visitors_are_overcounted_by_independent_weeks() -> None:
    # three in ten come every week: 1 - 0.7^5 against 0.3
    assert check_displays(regulars(), regulars()).independent == pytest.approx(1 - 0.7**5 - 0.3)


def test_every_store_becomes_a_vehicle_of_its_own() -> None:
    made = vehicles(regulars(), CONTACT, 5)
    assert [vehicle.name for vehicle in made] == ["display in store 0", "display in store 1"]


def test_a_vehicles_insertions_are_the_weeks_of_the_notice() -> None:
    made = vehicles(regulars(weeks=3), CONTACT, 5)
    assert {vehicle.insertions for vehicle in made} == {5}


def test_a_vehicle_names_its_source_and_date() -> None:
    (vehicle, _) = vehicles(regulars(), CONTACT, 5)
    assert "The Complete Journey" in vehicle.source
    assert vehicle.as_of == "2017, weeks 1 to 5"


def test_a_vehicles_audience_is_counted_by_contact_level() -> None:
    # every week: households 0..2 come; 0..3 have an address, so 3 of 4 with and none without
    (vehicle, _) = vehicles(regulars(), CONTACT, 5)
    expected = {"post": 0.75, "none": 0.0, "unknown": 0.3}
    assert by_level(vehicle.reach_1, "reach_1") == pytest.approx(expected)
    assert by_level(vehicle.reach_2, "reach_2") == pytest.approx(expected)


def test_a_pair_is_the_mean_over_all_pairs_of_weeks() -> None:
    seen = np.zeros((4, 2, 2), dtype=bool)
    seen[0, 0, 0] = seen[0, 1, 1] = seen[1, 0, 1] = seen[2, 1, 0] = True
    known = duplications(visits(seen))
    # household 0 alone visits both: the one in week 1, the other in week 2; one pair of four
    assert list(known.pairs.values()) == pytest.approx([0.25 / 4])
    assert list(known.reach_1.values()) == pytest.approx([0.25, 0.25])
    assert list(known.reach_2.values()) == pytest.approx([0.5, 0.5])
    assert known.persons == 8
