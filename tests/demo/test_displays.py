"""Displays in stores: vehicles whose audience is counted, and how far the prediction errs."""

import numpy as np
import pandas as pd
import pytest

from dpnotice.datasets import Visits, complete_journey, store_visits
from dpnotice.demo.displays import DisplayCheck, check_displays, vehicles
from dpnotice.demo.steps import STORES, WEEKS

CONTACT = np.array(["post"] * 4 + ["none"] * 6)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Visits:
    case = complete_journey(tmp_path_factory.mktemp("displays") / "case")
    return store_visits(list(case.truth["households"]), weeks=WEEKS, stores=STORES)


@pytest.fixture(scope="module")
def check(real: Visits) -> DisplayCheck:
    return check_displays(real)


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


def test_the_beta_binomial_errs_by_at_most_one_point_on_real_visits(check: DisplayCheck) -> None:
    assert check.beta_binomial <= 0.01


def test_a_single_week_and_pair_err_by_about_1_2_points_on_real_visits(check: DisplayCheck) -> None:
    assert 0.008 <= check.single <= 0.016


def test_independent_weeks_err_by_11_to_12_points_on_real_visits(check: DisplayCheck) -> None:
    assert 0.105 <= check.independent <= 0.125


def test_the_errors_agree_with_plain_counting(real: Visits, check: DisplayCheck) -> None:
    weeks = real.seen.shape[2]
    one = real.seen.mean(axis=(0, 2))
    truth = real.seen.any(axis=2).mean(axis=0)
    expected = np.abs(1 - (1 - one) ** weeks - truth).mean()
    assert check.independent == pytest.approx(expected)


def test_the_curve_has_a_row_per_number_of_weeks(check: DisplayCheck) -> None:
    assert check.curve.shape == (len(WEEKS), 3)


def test_the_curves_agree_on_one_week(check: DisplayCheck) -> None:
    assert check.curve[0] == pytest.approx([check.curve[0, 0]] * 3)


def test_another_week_never_lowers_the_reach(check: DisplayCheck) -> None:
    assert (np.diff(check.curve, axis=0) >= 0).all()


def test_the_curve_ends_at_the_true_reach_of_all_weeks(real: Visits, check: DisplayCheck) -> None:
    assert check.curve[-1, 0] == pytest.approx(real.seen.any(axis=2).mean())


def test_the_beta_binomial_curve_meets_the_mean_reach_of_two_weeks() -> None:
    # one of four households in week 1, another in week 2: 1/4, 1/4 and together 1/2
    seen = np.zeros((4, 1, 3), dtype=bool)
    seen[0, 0, 0] = seen[1, 0, 1] = seen[0, 0, 2] = seen[1, 0, 2] = True
    pairs = [2 / 4, 2 / 4, 2 / 4]
    assert check_displays(visits(seen)).curve[1, 1] == pytest.approx(np.mean(pairs))


def test_regular_visitors_are_predicted_without_error() -> None:
    found = check_displays(regulars())
    assert (found.beta_binomial, found.single) == pytest.approx((0, 0), abs=1e-6)


def test_regular_visitors_are_overcounted_by_independent_weeks() -> None:
    # three in ten come every week: 1 - 0.7^5 against 0.3
    assert check_displays(regulars()).independent == pytest.approx(1 - 0.7**5 - 0.3)


def test_every_store_becomes_a_vehicle_of_its_own() -> None:
    made = vehicles(regulars(), CONTACT)
    assert [vehicle.name for vehicle in made] == ["display in store 0", "display in store 1"]


def test_a_vehicles_insertions_are_its_weeks() -> None:
    made = vehicles(regulars(weeks=5), CONTACT)
    assert {vehicle.insertions for vehicle in made} == {5}


def test_a_vehicle_names_its_source_and_date() -> None:
    (vehicle, _) = vehicles(regulars(), CONTACT)
    assert "The Complete Journey" in vehicle.source
    assert "2017" in vehicle.as_of


def test_a_vehicles_audience_is_counted_by_contact_level() -> None:
    # every week: households 0..2 come; 0..3 have an address, so 3 of 4 with and none without
    (vehicle, _) = vehicles(regulars(), CONTACT)
    expected = {"post": 0.75, "none": 0.0, "unknown": 0.3}
    assert by_level(vehicle.reach_1, "reach_1") == pytest.approx(expected)
    assert by_level(vehicle.reach_2, "reach_2") == pytest.approx(expected)
