"""The demo's intervals cover the truth, over fresh noise.

Each of the eight checks (four retailers; size and share with a postal address) repeats the draw 200
times. If an interval covers at its stated 95 % or more, fewer covered repetitions than the 10^-6
quantile of Binomial(200, 0.95) come with probability below 10^-6; all eight together raise a false
alarm in fewer than one of 125,000 runs. The noise cannot be seeded.
"""

from collections.abc import Iterator
from datetime import date

import numpy as np
import pytest
from scipy import stats

from dpnotice.analyst.combine import estimate_class
from dpnotice.analyst.members import ClassEstimate
from dpnotice.datasets import Case, complete_journey
from dpnotice.release import Release
from dpnotice.retailer import counting, mechanism

RETAILERS = ("retailer-1", "retailer-2", "retailer-3", "retailer-4")
TIMES = 200
LEAST = stats.binom.ppf(1e-6, TIMES, 0.95) / TIMES

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return complete_journey(tmp_path_factory.mktemp("noise") / "case")


@pytest.fixture(scope="module")
def estimates(case: Case) -> dict[str, list[ClassEstimate]]:
    return {name: list(_estimates(case, name)) for name in RETAILERS}


def _estimates(case: Case, retailer: str) -> Iterator[ClassEstimate]:
    exact = counting.count(case.inquiry, case.purchases(retailer))
    noise = mechanism.calibrate(case.inquiry)
    for _ in range(TIMES):
        release = Release(
            retailer=retailer,
            inquiry=case.inquiry,
            tables=mechanism.draw(case.inquiry, exact, noise),
            attempt=0,
            date=date(2026, 1, 2),
            ledger_sequence=1,
            ledger_head="0" * 64,
            versions={},
        )
        yield estimate_class([release])


@pytest.mark.parametrize("retailer", RETAILERS)
def test_the_interval_of_a_retailers_class_covers_as_often_as_it_says(
    case: Case, estimates: dict[str, list[ClassEstimate]], retailer: str
) -> None:
    truth = case.truth["buyers"][retailer]
    assert np.mean([truth in members.size() for members in estimates[retailer]]) >= LEAST


@pytest.mark.parametrize("retailer", RETAILERS)
def test_the_interval_of_a_retailers_share_of_addresses_covers_as_often_as_it_says(
    case: Case, estimates: dict[str, list[ClassEstimate]], retailer: str
) -> None:
    truth = case.truth["post_share"][retailer]
    covered = [truth in members.share(contact="post") for members in estimates[retailer]]
    assert np.mean(covered) >= LEAST
