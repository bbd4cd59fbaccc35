"""Where the realised reach of simulated worlds ranks among the draws: uniformly, or a fault shows.

The small version of `benchmarks/calibration.py`, with fixed seeds. Chi-square over 20 bins; the
library as it is would fail by chance, over all scenarios, about once in 10^6 choices of seeds.
"""

import pytest

from made.calibrated import SCENARIOS
from made.calibration_ranks import FAULTS, chance_of, deviation, rank

FALSE_ALARM = 1e-6
SLOW = {"everything uncertain", "two retailers", "overlap uncertain", "Laplace noise"}


@pytest.mark.parametrize(
    "scenario",
    [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in SCENARIOS],
)
def test_the_truth_ranks_uniformly_among_the_draws(scenario: str) -> None:
    ranks = [rank(scenario, number) for number in range(200)]
    assert chance_of(ranks) > FALSE_ALARM / len(SCENARIOS)


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_shows(fault: str) -> None:
    ranks = [rank(FAULTS[fault][0], number, fault) for number in range(100)]
    assert chance_of(ranks) < FALSE_ALARM


def test_ranks_that_are_even_do_not_deviate() -> None:
    assert deviation(list(range(200))) < 1e-12
    assert deviation([0] * 200) == pytest.approx(1 / 3**0.5, abs=0.01)
