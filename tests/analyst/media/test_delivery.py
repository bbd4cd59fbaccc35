import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpnotice.analyst.media.delivery import check_delivery, delivered_index, inside, target_axes
from dpnotice.analyst.sampling import Sampling
from made.notices import AGE, STATE, by_state, refusal

SAMPLING = Sampling(axes=(STATE, AGE), draws=4, seed=0)
PERSONS = by_state(600, 300, 100)
numbers = st.lists(st.floats(0.01, 100), min_size=3, max_size=3)


def index(shares: pd.DataFrame, persons: pd.DataFrame = PERSONS) -> np.ndarray:
    return delivered_index(shares, persons, SAMPLING, "radio")


def test_shares_over_persons_are_how_often_a_person_is_exposed() -> None:
    got = index(by_state(0.3, 0.6, 0.1))
    assert got.shape == (1, 3, 1)
    assert got.ravel().tolist() == pytest.approx([0.5, 2.0, 1.0])


def test_delivery_in_proportion_to_persons_is_even() -> None:
    assert index(by_state(0.6, 0.3, 0.1)).ravel().tolist() == pytest.approx([1, 1, 1])


@pytest.mark.parametrize("target", [None, {"state": ("NY",)}])
def test_without_shares_everybody_is_exposed_alike(target: object) -> None:
    assert delivered_index(target, PERSONS, SAMPLING, "radio").tolist() == [[[1.0]]]


@given(numbers, numbers, st.floats(0.1, 1))
def test_what_is_delivered_adds_up_to_the_shares(
    shares: list[float], persons: list[float], whole: float
) -> None:
    delivered = by_state(*(whole * x / sum(shares) for x in shares))
    got = index(delivered, by_state(*persons)).ravel()
    assert got @ persons / sum(persons) == pytest.approx(whole)


@given(numbers, st.floats(0.001, 1e6))
def test_thousands_of_persons_change_nothing(persons: list[float], unit: float) -> None:
    shares = by_state(0.2, 0.3, 0.4)
    one, other = (index(shares, by_state(*(x * f for x in persons))) for f in (1, unit))
    assert one == pytest.approx(other)


def test_a_segment_in_which_nobody_is_counted_gets_the_average_of_the_others() -> None:
    got = index(by_state(0.3, 0.5, 0.0), by_state(600, 400, 0)).ravel()
    assert got.tolist() == pytest.approx([0.5, 1.25, 0.8])


def test_exposures_of_a_segment_without_persons_are_refused() -> None:
    assert "radio: exposures are delivered to a segment in which universe counts nobody" in refusal(
        lambda: index(by_state(0.5, 0.4, 0.1), by_state(600, 400, 0))
    )


def test_delivery_by_two_axes_is_over_the_persons_of_their_cells() -> None:
    cells = pd.MultiIndex.from_product([STATE.levels, AGE.levels], names=["state", "age"])
    frame = cells.to_frame(index=False)
    persons, shares = np.arange(1.0, 10.0), np.arange(9.0, 0.0, -1.0) / 45
    got = index(frame.assign(share=shares), frame.assign(persons=persons))
    assert got.ravel() == pytest.approx(shares / persons * 45)


def test_a_target_names_who_is_inside() -> None:
    assert inside({"state": ("NY",)}, SAMPLING)[..., 0].ravel().tolist() == [0, 1, 0]


@pytest.mark.parametrize("target", [None, by_state(0.5, 0.4, 0.1)])
def test_without_a_target_everybody_is_inside(target: object) -> None:
    assert inside(target, SAMPLING).tolist() == [[1.0]]


@pytest.mark.parametrize("target", [{"state": ("NY",)}, by_state(0.5, 0.4, 0.1)])
def test_a_target_names_its_axes(target: object) -> None:
    assert target_axes(target) == ("state",)


def test_no_target_has_no_axes() -> None:
    assert target_axes(None) == ()


# --- what is kept or refused ---------------------------------------------------------------
def test_a_level_alone_becomes_a_list_of_one() -> None:
    assert check_delivery({"state": "NY"}, None, "target") == {"state": ("NY",)}


def test_no_target_is_kept() -> None:
    assert check_delivery(None, None, "target") is None


@pytest.mark.parametrize("convert", [lambda x: x, pl.from_pandas])
def test_frames_of_pandas_and_polars_are_kept_alike(convert: object) -> None:
    got = check_delivery(convert(by_state(0.5, 0.4, 0.1)), PERSONS, "target")
    pd.testing.assert_frame_equal(got, by_state(0.5, 0.4, 0.1))


def test_what_shares_lack_to_one_is_spill_and_not_refused() -> None:
    assert check_delivery(by_state(0.1, 0.1, 0.0), PERSONS, "target") is not None


def test_shares_above_one_in_sum_are_refused() -> None:
    message = refusal(lambda: check_delivery(by_state(0.5, 0.4, 0.2), PERSONS, "radio: target"))
    assert "radio: target: delivery shares must sum to 1 at most, got 1.1000" in message


def test_shares_that_sum_to_one_but_for_rounding_are_kept() -> None:
    assert check_delivery(by_state(0.7, 0.2, 0.1 + 1e-12), PERSONS, "target") is not None


def test_shares_in_percent_are_asked_about() -> None:
    message = refusal(lambda: check_delivery(by_state(50, 40, 10), PERSONS, "target"))
    assert message.startswith("PERCENTAGES: target must be a fraction in [0, 1]")


@pytest.mark.parametrize(
    "universe", [None, 1e6, pd.DataFrame({"age": AGE.levels, "persons": [1.0, 2.0, 0.0]})]
)
def test_shares_need_the_persons_by_the_same_axes(universe: object) -> None:
    message = refusal(lambda: check_delivery(by_state(0.5, 0.4, 0.1), universe, "target"))
    assert "delivery by state needs universe as a frame by the same axes" in message


@pytest.mark.parametrize("bad", [["NY"], "NY", 5, {"state": None}, {"state": []}])
def test_a_target_of_another_form_is_refused(bad: object) -> None:
    assert "target must be like" in refusal(lambda: check_delivery(bad, PERSONS, "target"))
