import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from dpnotice.analyst.capped import capped_nonreach
from dpnotice.analyst.media import nbd_nonreach

NODE_ERROR = 5e-4
"""Of 32 quantile nodes; the notes measured 1.2e-4 for a gamma appetite."""
shares = st.floats(0.1, 1)


def nonreach(
    served: float,
    *,
    viewable: float = 1.0,
    online: float = 0.8,
    dispersion: float = 1.0,
    devices: float = 1.0,
    cap: int = 3,
) -> float:
    figures = (np.array([x]) for x in (served, viewable, online, dispersion, devices))
    return float(capped_nonreach(*figures, cap=cap)[0])


def integrated(
    intensity: float, *, viewable: float, dispersion: float, devices: int, cap: int
) -> tuple[float, float]:
    """Return served and blank share of persons online, by numerical integration."""
    low, high = stats.gamma(dispersion, scale=1 / dispersion).interval(1 - 1e-12)
    counts = np.arange(cap)

    def over(function: object) -> float:
        law = stats.gamma(dispersion, scale=1 / dispersion)
        value = integrate.quad(lambda g: function(g) * law.pdf(g), low, high, limit=400)
        return float(value[0])

    def served(g: float) -> float:
        below = stats.poisson.pmf(counts, g * intensity / devices)
        return devices * float(counts @ below + cap * (1 - below.sum()))

    def blank(g: float) -> float:
        below = stats.poisson.pmf(counts, g * intensity / devices)
        unseen = (1 - viewable) ** counts @ below + (1 - viewable) ** cap * (1 - below.sum())
        return float(unseen**devices)

    return over(served), over(blank)


@given(st.floats(0.001, 0.999), shares, st.floats(0.2, 5))
def test_one_impression_per_person_makes_reach_of_what_is_served(
    part: float, online: float, dispersion: float
) -> None:
    served = part * online
    reach = 1 - nonreach(served, online=online, dispersion=dispersion, cap=1)
    assert reach == pytest.approx(served, abs=1e-8)


@given(st.floats(0.001, 0.999), shares)
def test_one_impression_per_person_is_seen_as_often_as_it_is_viewable(
    part: float, viewable: float
) -> None:
    reach = 1 - nonreach(0.8 * part, viewable=viewable, cap=1)
    assert reach == pytest.approx(0.8 * part * viewable, abs=1e-8)


@given(st.floats(0.05, 5), shares, shares, st.floats(0.5, 4), st.floats(1, 3))
def test_a_cap_that_never_binds_changes_nothing(
    served: float, viewable: float, online: float, dispersion: float, devices: float
) -> None:
    capped = nonreach(
        served,
        viewable=viewable,
        online=online,
        dispersion=dispersion,
        devices=devices,
        cap=10_000,
    )
    free = nbd_nonreach(np.array(served * viewable), np.array(online), np.array(dispersion))
    assert capped == pytest.approx(float(free), abs=NODE_ERROR)


@pytest.mark.parametrize("viewable", [1.0, 0.6])
@pytest.mark.parametrize("devices", [1, 2])
@pytest.mark.parametrize("dispersion", [0.5, 1.0, 3.0])
def test_reach_agrees_with_numerical_integration(
    viewable: float, devices: int, dispersion: float
) -> None:
    served, blank = integrated(
        2.0, viewable=viewable, dispersion=dispersion, devices=devices, cap=3
    )
    got = nonreach(
        0.8 * served, viewable=viewable, dispersion=dispersion, devices=float(devices), cap=3
    )
    assert got == pytest.approx(0.2 + 0.8 * blank, abs=NODE_ERROR)


@pytest.mark.parametrize("devices", [1.0, 2.4])
def test_reach_agrees_with_simulated_persons_and_devices(devices: float) -> None:
    persons, intensity, cap, viewable = 400_000, 3.0, 3, 0.6
    rng = np.random.default_rng(1)
    online = rng.random(persons) < 0.8
    appetite = rng.gamma(1.5, 1 / 1.5, persons)
    held = np.floor(devices) + (rng.random(persons) < devices % 1)
    served, seen = np.zeros(persons), np.zeros(persons)
    for device in range(math.ceil(devices)):
        due = rng.poisson(intensity * appetite / held) * online * (held > device)
        sent = np.minimum(due, cap)
        served += sent
        seen += rng.binomial(sent, viewable)
    # The served mean is itself simulated; its error and that of reach have the same sign.
    expected = 1 - nonreach(
        float(served.mean()), viewable=viewable, dispersion=1.5, devices=devices, cap=cap
    )
    reached = float(np.mean(seen > 0))
    error = math.sqrt(reached * (1 - reached) / persons)
    assert abs(reached - expected) < 4 * error + NODE_ERROR / 2  # false alarm below 6e-5


@settings(max_examples=50)
@given(st.floats(0.01, 0.97), st.floats(0.01, 0.97), shares, st.floats(0.3, 4), st.integers(1, 8))
def test_more_served_never_lowers_reach(
    one: float, other: float, viewable: float, dispersion: float, cap: int
) -> None:
    few, many = (
        nonreach(part * 0.8 * cap, viewable=viewable, dispersion=dispersion, cap=cap)
        for part in sorted((one, other))
    )
    assert many <= few + 1e-9


@given(st.floats(0.01, 0.97), shares, shares, st.integers(1, 8), st.floats(1, 4))
def test_nobody_offline_is_reached(
    part: float, online: float, viewable: float, cap: int, devices: float
) -> None:
    got = nonreach(part * online * cap, viewable=viewable, online=online, devices=devices, cap=cap)
    assert 1 - online - 1e-12 <= got <= 1


@given(st.floats(0.05, 0.95), st.integers(1, 6))
def test_a_tighter_cap_spreads_the_same_impressions_over_more_persons(
    part: float, cap: int
) -> None:
    served = part * 0.8 * cap
    assert nonreach(served, cap=cap) <= nonreach(served, cap=cap + 1) + 1e-9


def test_nothing_viewable_reaches_nobody() -> None:
    assert nonreach(1.0, viewable=0.0) == pytest.approx(1.0)


def test_nothing_served_reaches_nobody() -> None:
    assert nonreach(0.0) == pytest.approx(1.0)


def test_a_share_of_two_devices_is_a_mixture_of_one_and_two() -> None:
    low, middle, high = (nonreach(1.0, devices=d, cap=3) for d in (1.0, 1.5, 2.0))
    assert min(low, high) - 1e-6 <= middle <= max(low, high) + 1e-6


@pytest.mark.parametrize("dispersion", [0.05, 0.2, 1.0, 50.0])
def test_a_schedule_close_to_the_cap_still_has_an_answer(dispersion: float) -> None:
    got = nonreach(0.995 * 0.8 * 3, dispersion=dispersion, cap=3)
    assert 0.2 <= got <= 0.22


@pytest.mark.parametrize("dispersion", [1e-3, 0.01])
def test_extreme_dispersion_still_gives_a_fraction(dispersion: float) -> None:
    assert 0.2 <= nonreach(0.5, dispersion=dispersion, cap=3) <= 1


def test_figures_broadcast_over_draws_and_segments() -> None:
    served = np.array([[0.5], [1.0]])
    viewable = np.array([[0.2, 0.5, 1.0]])
    ones = np.ones((1, 1))
    got = capped_nonreach(served, viewable, 0.8 * ones, ones, ones, cap=3)
    assert got.shape == (2, 3)
    assert got[1, 1] == pytest.approx(nonreach(1.0, viewable=0.5))
