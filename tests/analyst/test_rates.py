import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dpnotice.analyst.rates import (
    Law,
    Scaled,
    Uniform,
    axes_of,
    beta,
    check_fraction,
    check_positive,
    check_target,
    check_text,
    describe,
    lognormal,
)
from made.notices import refusal

BY_STATE = pd.DataFrame({"state": ["CA", "NY", "unknown"], "rate": [0.1, 0.2, 0.3]})


# --- laws ----------------------------------------------------------------------------------
@given(st.floats(0.01, 0.99), st.floats(0.01, 0.95))
def test_a_beta_law_has_the_mean_and_sd_that_name_it(mean: float, share: float) -> None:
    sd = share * math.sqrt(mean * (1 - mean))
    law = beta(mean=mean, sd=sd)
    oracle = stats.beta(law.a, law.b)
    assert oracle.mean() == pytest.approx(mean, rel=1e-6)
    assert oracle.std() == pytest.approx(sd, rel=1e-6)
    assert law.mean() == pytest.approx(mean, rel=1e-6)


@given(st.floats(1e-3, 1e6), st.floats(0.01, 3))
def test_a_lognormal_law_has_the_mean_and_sd_of_the_figure_itself(mean: float, cv: float) -> None:
    law = lognormal(mean=mean, sd=cv * mean)
    oracle = stats.lognorm(law.log_sd, scale=math.exp(law.log_mean))
    assert oracle.mean() == pytest.approx(mean, rel=1e-9)
    assert oracle.std() == pytest.approx(cv * mean, rel=1e-9)
    assert law.mean() == pytest.approx(mean, rel=1e-9)


READERS = Scaled(law=Uniform(low=2.0, high=4.0), factor=0.1)


def test_a_scaled_law_is_the_law_times_the_number() -> None:
    one, other = (law.rvs(500, np.random.default_rng(1)) for law in (READERS, READERS.law))
    assert one == pytest.approx(0.1 * other)
    assert READERS.mean() == pytest.approx(0.3)
    assert READERS.support() == pytest.approx((0.2, 0.4))


def test_a_scaled_law_stays_at_one_where_the_product_passes_it() -> None:
    law = Scaled(law=lognormal(mean=3, sd=3), factor=0.25)
    drawn = law.rvs(2_000, np.random.default_rng(1))
    assert drawn.max() == 1
    assert 0 < drawn.min() < 0.5
    assert law.support() == (0, 1)


def test_a_scaled_law_of_scipy_is_a_law() -> None:
    law = Scaled(law=stats.gamma(4), factor=0.05)
    assert isinstance(law, Law)
    assert check_fraction(law, "reach_1") is law
    assert law.mean() == pytest.approx(0.2)
    assert law.rvs(9, np.random.default_rng(1)).shape == (9,)


@pytest.mark.parametrize(
    "law", [beta(mean=0.2, sd=0.1), lognormal(mean=0.5, sd=0.4), Uniform(low=-1, high=3)]
)
def test_draws_of_a_law_have_its_mean(law: Law) -> None:
    drawn = law.rvs(100_000, np.random.default_rng(1))  # 4 s.e.: false alarm 6e-5
    assert abs(drawn.mean() - law.mean()) < 4 * drawn.std() / math.sqrt(100_000)


@pytest.mark.parametrize(
    "law", [beta(mean=0.2, sd=0.1), lognormal(mean=1, sd=1), Uniform(low=2, high=3)]
)
def test_draws_of_a_law_stay_in_its_support(law: Law) -> None:
    low, high = law.support()
    drawn = law.rvs(10_000, np.random.default_rng(1))
    assert low <= drawn.min()
    assert drawn.max() <= high


@pytest.mark.parametrize(("mean", "sd"), [(0, 0.1), (1, 0.1), (0.2, 0), (0.2, 0.4), (-0.1, 0.1)])
def test_an_impossible_beta_law_is_refused(mean: float, sd: float) -> None:
    assert "0 < mean < 1 and 0 < sd" in refusal(lambda: beta(mean=mean, sd=sd))


def test_a_beta_law_in_percent_is_asked_about() -> None:
    assert "percentages?" in refusal(lambda: beta(mean=20, sd=5))


@pytest.mark.parametrize(("mean", "sd"), [(0, 1), (-1, 1), (1, 0), (1, -1)])
def test_an_impossible_lognormal_law_is_refused(mean: float, sd: float) -> None:
    assert "mean and sd above 0" in refusal(lambda: lognormal(mean=mean, sd=sd))


@pytest.mark.parametrize("make", [beta, lognormal])
@pytest.mark.parametrize("bad", [None, "0.2", True, math.nan, math.inf])
def test_a_law_of_no_number_is_refused(make: Callable[..., object], bad: object) -> None:
    assert "must be a" in refusal(lambda: make(mean=bad, sd=0.1))
    assert "must be a" in refusal(lambda: make(mean=0.5, sd=bad))


# --- checks --------------------------------------------------------------------------------
@given(st.floats(0, 1))
def test_a_fraction_is_returned_as_given(value: float) -> None:
    assert check_fraction(value, "rate") == value


def test_thirteen_is_asked_whether_it_is_a_percentage() -> None:
    message = refusal(lambda: check_fraction(13, "reach_1"))
    assert message == "PERCENTAGES: reach_1 must be a fraction in [0, 1], got 13; percentages?"


@pytest.mark.parametrize("check", [check_fraction, check_positive])
@pytest.mark.parametrize("bad", [None, "0.2", True, [0.2], math.nan, math.inf, -math.inf])
def test_what_is_no_finite_number_is_no_figure(check: Callable[..., object], bad: object) -> None:
    message = refusal(lambda: check(bad, "viewable"))
    assert message.removeprefix("RANGE: ").startswith("viewable must be a")


def test_a_negative_figure_is_refused() -> None:
    assert "grps must be 0 or more, got -3" in refusal(lambda: check_positive(-3, "grps"))


def test_a_law_that_leaves_the_range_is_refused() -> None:
    message = refusal(lambda: check_fraction(stats.uniform(0.5, 1), "seen"))
    assert "values from 0.5 to 1.5" in message
    assert "percentages?" in message


def test_any_frozen_scipy_law_within_the_range_is_taken() -> None:
    law = stats.beta(4, 56)
    assert check_fraction(law, "undeliverable") is law


def test_a_frame_that_leaves_the_range_is_refused() -> None:
    frame = BY_STATE.assign(rate=[10, 20, 30])
    assert "values from 10 to 30" in refusal(lambda: check_fraction(frame, "reach_1"))


@pytest.mark.parametrize(
    "frame",
    [
        BY_STATE[["rate"]],
        BY_STATE[["rate", "state"]],
        BY_STATE.assign(rate=[0.1, None, 0.3]),
        BY_STATE.iloc[:0],
        pd.DataFrame(),
    ],
    ids=["no axis", "figures not last", "figure missing", "no rows", "empty"],
)
def test_a_frame_of_another_form_is_refused(frame: pd.DataFrame) -> None:
    assert "the figures in its last column" in refusal(lambda: check_fraction(frame, "reach_1"))


@pytest.mark.parametrize("bad", [None, 3, "", "  ", "two\nlines", b"name"])
def test_a_name_is_a_line_of_text(bad: object) -> None:
    assert "name must be a line of text" in refusal(lambda: check_text(bad, "name"))


def test_a_target_may_name_one_level_or_several() -> None:
    target = check_target({"age": "young", "state": ["CA", "NY"]}, "target")
    assert target == {"age": ("young",), "state": ("CA", "NY")}


def test_no_target_is_an_empty_one() -> None:
    assert check_target(None, "target") == {}


@pytest.mark.parametrize("bad", ["age", ["age"], 3, {"age": None}, {"age": 25}])
def test_a_target_of_another_form_is_refused(bad: object) -> None:
    assert "target must be like" in refusal(lambda: check_target(bad, "target"))


def test_the_axes_of_a_frame_are_its_columns_but_the_last() -> None:
    assert axes_of(BY_STATE) == ("state",)
    assert axes_of(0.3) == ()


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.2, "0.2"),
        (stats.beta(2, 8), "beta(2, 8)"),
        (stats.uniform(loc=0.1, scale=0.2), "uniform(loc=0.1, scale=0.2)"),
        (pd.DataFrame({"state": ["CA"], "reach": [0.1]}), "by state"),
    ],
)
def test_a_figure_is_described_alike_in_every_run(value: object, words: str) -> None:
    assert describe(value) == words
