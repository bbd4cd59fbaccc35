import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from dpnotice.analyst.media.capped import Capped
from dpnotice.analyst.media.exposure_laws import nbd_counts, nbd_nonreach
from made.notices import refusal

NODE_ERROR = 5e-4
"""Of 32 quantile nodes; the notes measured 1.2e-4 for a gamma appetite."""
shares = st.floats(0.1, 1)


def capped(served: float, *, cap: int = 3, **changes: float) -> Capped:
    figures = {"viewable": 1.0, "online": 0.8, "dispersion": 1.0, "devices": 1.0, **changes}
    arrays = {name: np.array([x]) for name, x in figures.items()}
    return Capped(served=np.array([served]), cap=cap, **arrays)


def nonreach(served: float, *, cap: int = 3, **changes: float) -> float:
    return float(capped(served, cap=cap, **changes).nonreach()[0])


def counts(served: float, most: int, *, cap: int = 3, **changes: float) -> np.ndarray:
    return capped(served, cap=cap, **changes).counts(most)[:, 0]


def simulated(devices: float, *, persons: int = 400_000) -> tuple[float, np.ndarray]:
    """Return the mean served, and every person's viewed impressions, at a cap of 3."""
    rng = np.random.default_rng(1)
    online = rng.random(persons) < 0.8
    appetite = rng.gamma(1.5, 1 / 1.5, persons)
    held = np.floor(devices) + (rng.random(persons) < devices % 1)
    served, seen = np.zeros(persons), np.zeros(persons)
    for device in range(math.ceil(devices)):
        due = rng.poisson(3.0 * appetite / held) * online * (held > device)
        sent = np.minimum(due, 3)
        served += sent
        seen += rng.binomial(sent, 0.6)
    return float(served.mean()), seen


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
    bound = nonreach(
        served,
        viewable=viewable,
        online=online,
        dispersion=dispersion,
        devices=devices,
        cap=10_000,
    )
    free = nbd_nonreach(np.array(served * viewable), np.array(online), np.array(dispersion))
    assert bound == pytest.approx(float(free), abs=NODE_ERROR)


@pytest.mark.parametrize("devices", [1.0, 1.6])
def test_counts_under_a_cap_that_never_binds_are_negative_binomial(devices: float) -> None:
    got = counts(2.0, 6, viewable=0.5, dispersion=1.5, devices=devices, cap=60)
    free = nbd_counts(6, np.array(1.0), np.array(0.8), np.array(1.5))
    assert got == pytest.approx(free, abs=NODE_ERROR)


@settings(max_examples=50)
@given(st.floats(0.01, 0.97), shares, shares, st.floats(0.3, 4), st.floats(1, 3), st.integers(1, 5))
def test_counts_add_up_leave_the_nonreach_and_mean_what_is_served_and_viewable(
    part: float, viewable: float, online: float, dispersion: float, devices: float, cap: int
) -> None:
    figures = {"viewable": viewable, "online": online, "dispersion": dispersion, "devices": devices}
    served, most = part * online * cap * devices, cap * math.ceil(devices)
    got = counts(served, most, cap=cap, **figures)
    assert got.sum() == pytest.approx(1)
    assert (got >= 0).all()
    assert got[0] == pytest.approx(nonreach(served, cap=cap, **figures), abs=1e-9)
    assert np.arange(most + 1) @ got == pytest.approx(served * viewable, rel=1e-6)


@pytest.mark.parametrize("most", [1, 2, 4, 9])
def test_counts_are_the_same_wherever_they_are_cut_off(most: int) -> None:
    whole = counts(1.2, 12, viewable=0.7, devices=2.5)
    got = counts(1.2, most, viewable=0.7, devices=2.5)
    assert got == pytest.approx([*whole[:most], whole[most:].sum()])


def test_nobody_is_served_more_than_the_cap_on_every_device() -> None:
    got = counts(2.0, 8, devices=2.0, cap=3)
    assert got[6] > 0.01
    assert got[7:] == pytest.approx(0, abs=1e-9)


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
    # The served mean is itself simulated; its error and that of reach have the same sign.
    served, seen = simulated(devices)
    expected = 1 - nonreach(served, viewable=0.6, dispersion=1.5, devices=devices)
    reached = float(np.mean(seen > 0))
    error = math.sqrt(reached * (1 - reached) / len(seen))
    assert abs(reached - expected) < 4 * error + NODE_ERROR / 2  # false alarm below 6e-5


@pytest.mark.parametrize("devices", [1.0, 2.4])
@pytest.mark.parametrize("most", [2, 5])
def test_counts_agree_with_simulated_persons_and_devices(devices: float, most: int) -> None:
    served, seen = simulated(devices)
    got = counts(served, most, viewable=0.6, dispersion=1.5, devices=devices)
    cut = np.bincount(np.minimum(seen, most).astype(int), minlength=most + 1) / len(seen)
    error = np.sqrt(got * (1 - got) / len(seen))
    assert (np.abs(got - cut) < 4.5 * error + NODE_ERROR).all()  # false alarm below 1e-4


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
    law = Capped(
        served=served, viewable=viewable, online=0.8 * ones, dispersion=ones, devices=ones, cap=3
    )
    assert law.nonreach().shape == (2, 3)
    assert law.nonreach()[1, 1] == pytest.approx(nonreach(1.0, viewable=0.5))
    assert law.counts(2).shape == (3, 2, 3)
    assert law.counts(2)[:, 1, 1] == pytest.approx(counts(1.0, 2, viewable=0.5))


def test_devices_may_differ_between_draws() -> None:
    devices, ones = np.array([[1.0], [2.5], [4.0]]), np.ones((1, 1))
    law = Capped(
        served=ones, viewable=0.7 * ones, online=ones, dispersion=ones, devices=devices, cap=3
    )
    for draw, owned in enumerate(devices[:, 0]):
        alone = counts(1.0, 5, viewable=0.7, online=1.0, devices=owned)
        assert law.counts(5)[:, draw, 0] == pytest.approx(alone)


def test_more_served_than_the_cap_lets_through_has_no_answer() -> None:
    message = refusal(lambda: nonreach(0.8 * 3 + 0.01))
    assert "the frequency cap leaves almost no room for the impressions" in message


def test_without_dispersion_all_impressions_go_to_as_few_as_the_cap_allows() -> None:
    assert nonreach(0.1, dispersion=0.0) == pytest.approx(1 - 0.1 / 3, abs=1e-3)
