"""A thousand questions with losses of many sizes: the noise costs at most what was declared.

The full campaign, 100,000 inquiries, is benchmarks/losses.py. Nothing here is left to chance but
the choice of the questions, whose seed is printed.
"""

import math
import secrets
from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from random import Random

import pytest

from dpnotice.errors import InquiryError
from dpnotice.privacy import NoiseLaw
from dpnotice.retailer import mechanism
from made import losses
from made.losses import Findings, examine

FEW, MANY = 60, 1_000


def run(cases: int) -> Findings:
    seed = secrets.randbits(64)
    print(f"seed {seed}")  # noqa: T201 -- shown where the test fails
    random, found = Random(seed), Findings()  # noqa: S311 -- for questions, not for noise
    while found.cases < cases:
        examine(random, found)
    return found


@pytest.mark.parametrize("cases", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])
def test_noise_costs_no_more_than_was_declared_and_debited(cases: int) -> None:
    found = run(cases)
    assert found.breaches == {}, found.example


def test_noise_is_no_wider_than_the_declared_loss_demands() -> None:
    """The steps of a float are 2^-52, and of the map's square two more."""
    found = run(FEW)
    assert 1 - Fraction(1, 2**50) <= found.least <= found.most <= 1


def rounded(law: NoiseLaw, share: Fraction) -> float:
    """The scale in floats, without a look at the map."""
    return float(1 / share) if law == NoiseLaw.DISCRETE_LAPLACE else math.sqrt(1 / (2 * share))


def a_billionth_narrow(law: NoiseLaw, share: Fraction) -> float:
    return rounded(law, share * (1 + Fraction(1, 10**9)))


@pytest.mark.parametrize("fault", [rounded, a_billionth_narrow])
def test_a_scale_not_checked_against_the_map_is_seen(
    fault: Callable[[NoiseLaw, Fraction], float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mechanism, "_scale", fault)
    assert run(FEW).breaches["a sum above the declared loss"] > FEW / 10


def test_a_map_that_understates_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = losses.stated
    monkeypatch.setattr(losses, "stated", lambda noise: math.nextafter(honest(noise), 0) * 0.999)
    assert run(FEW).breaches["a map below the exact formula"] == FEW


@pytest.mark.parametrize("stated", [math.inf, math.nan, 0.0])
def test_a_map_that_is_no_number_is_seen(stated: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(losses, "stated", lambda _noise: stated)
    random, found = Random(1), Findings()  # noqa: S311 -- for questions, not for noise
    examine(random, found)
    assert found.breaches.total() == 1


def test_questions_have_up_to_sixty_tables_of_both_laws_and_of_many_sizes() -> None:
    random = Random(2)  # noqa: S311 -- for questions, not for noise
    drawn = []
    while len(drawn) < 200:
        with suppress(InquiryError):  # no noise is wide enough for a few
            drawn.append(losses.asked(random))
    sizes = [math.log10(inquiry.loss.value) for inquiry in drawn]
    assert {inquiry.noise_law for inquiry in drawn} == set(NoiseLaw)
    assert min(len(inquiry.tables) for inquiry in drawn) < 5
    assert max(len(inquiry.tables) for inquiry in drawn) > 55
    assert max(sizes) - min(sizes) > 10
