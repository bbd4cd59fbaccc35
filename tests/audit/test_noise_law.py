"""A million draws of each law and scale through the mechanism: the published law, and no other.

The run makes 16 tests that may raise a false alarm, two for each of 8 samples, at 5e-8 each: 8e-7
by Bonferroni. The chi-square tests may exceed theirs by a fifth (test_auditing.py), so that the run
raises one with a chance below 1e-6. Noise is fresh and cannot be seeded. The 16 rejections of a
scale off by 1 % are sure to within 1e-6 altogether by the score test alone; they need 2 million
draws of the Laplace law, which tells half as much about its scale as the Gaussian.
"""

import math
from collections import Counter

import pytest

from dpnotice.privacy import Noise
from made.audited import noise_drawn, privacy_of_scale
from made.auditing import (
    chi_square,
    root_mean_square,
    root_mean_square_alarm,
    score_power,
    score_test,
)

pytestmark = pytest.mark.slow

FALSE_ALARM = 1e-6
DRAWS = {"discrete-laplace": 2 * 10**6, "discrete-gaussian": 10**6}
SAMPLES = [(law, scale) for law in DRAWS for scale in (0.5, 2.0, 7.0, 40.0)]
EACH = 5e-8
WITHIN = 0.03


@pytest.fixture(scope="module", params=SAMPLES, ids=lambda sample: f"{sample[0]}-{sample[1]}")
def sample(request: pytest.FixtureRequest) -> tuple[Counter[int], Noise]:
    law, scale = request.param
    drawn, noise = noise_drawn(privacy_of_scale(law, scale), DRAWS[law])
    assert noise.law == law
    assert noise.scale == pytest.approx(scale, rel=1e-5)
    assert drawn.total() == DRAWS[law]
    return drawn, noise


def test_every_integer_is_drawn_as_often_as_the_law_says(
    sample: tuple[Counter[int], Noise],
) -> None:
    """False alarm: 6e-8, as the stated 5e-8 may be exceeded by a fifth."""
    assert chi_square(*sample) > EACH


def test_the_scale_is_the_published_one(sample: tuple[Counter[int], Noise]) -> None:
    """False alarm: 5e-8."""
    assert score_test(*sample) > EACH


@pytest.mark.parametrize("factor", [0.99, 1.01])
def test_a_scale_off_by_one_percent_is_noticed(
    sample: tuple[Counter[int], Noise], factor: float
) -> None:
    """False alarm: that stated by the power, which is computed here."""
    drawn, noise = sample
    other = Noise(law=noise.law, scale=factor * noise.scale)
    assert 1 - score_power(noise, other, drawn.total(), EACH) < FALSE_ALARM / (2 * len(SAMPLES))
    assert min(score_test(drawn, other), chi_square(drawn, other)) < EACH


def test_the_error_in_people_is_that_of_the_law(sample: tuple[Counter[int], Noise]) -> None:
    """False alarm: below 1e-19, by the bound that is computed here."""
    drawn, noise = sample
    assert root_mean_square_alarm(noise, drawn.total(), WITHIN) < 1e-19
    assert math.isclose(root_mean_square(drawn), noise.sd, rel_tol=WITHIN)


def test_both_signs_are_drawn_alike(sample: tuple[Counter[int], Noise]) -> None:
    """False alarm: exp(-18^2/2) twice, as the sign of what is not 0 is a fair coin (Hoeffding)."""
    drawn, _ = sample
    up = sum(times for integer, times in drawn.items() if integer > 0)
    down = sum(times for integer, times in drawn.items() if integer < 0)
    assert abs(up - down) < 18 * math.sqrt(up + down)
