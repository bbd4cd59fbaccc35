"""The oracle lets every person's keys agree or not, one by one; nothing of `linkage` is used."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from dpnotice.analyst.overlap.linkage import Linkage
from dpnotice.analyst.overlap.regions import containing, membership
from dpnotice.analyst.rates import beta
from dpnotice.errors import EstimateError, PlanError
from made.joined import as_seen, streams
from made.sketched import regions

Floats = Any
NAMES = ("r0", "r1", "r2", "r3")
CHANCES = (0.8, 0.95, 0.6, 0.9)
SIZES = pytest.mark.parametrize("number", [2, 3, 4])


def truth(number: int) -> Floats:
    return np.random.default_rng(number).integers(0, 900, 2**number - 1)


def factors(stated: Linkage, number: int, draws: int = 1, seed: int = 0) -> Floats:
    member = membership(number)
    return stated.factors(NAMES[:number], member, draws, streams(seed))


# --- the law of lost links -------------------------------------------------------------------
@SIZES
def test_every_retailer_keeps_its_buyers_whatever_links_are_lost(number: int) -> None:
    people, member = truth(number), membership(number)
    seen = as_seen(people, CHANCES[:number], [1.0] * number)
    assert member @ seen == pytest.approx(member @ people)


def test_the_expected_regions_are_those_of_persons_whose_keys_are_drawn() -> None:
    """Simulated, five s.d.: over all seeds it fails with a chance of 7 x 6e-7."""
    rng, people, keyed = np.random.default_rng(5), truth(3) * 100, (0.9, 1.0, 0.5)
    seen = np.zeros(7)
    for mask, size in enumerate(people, start=1):
        member = np.array([mask >> i & 1 for i in range(3)]) > 0
        has = member & (rng.random((size, 3)) < keyed)
        usual = has & (rng.random((size, 3)) < CHANCES[:3])
        np.add.at(seen, usual @ (1, 2, 4) - 1, usual.any(axis=1))
        np.add.at(seen, [0, 1, 3], (has & ~usual).sum(axis=0))
    expected = as_seen(people, CHANCES[:3], keyed)
    assert np.all(abs(seen - expected) < 5 * np.sqrt(2 * expected))


@pytest.mark.parametrize(("lost", "rise"), [(0.15, 0.040), (0.05, 0.013)])
def test_lost_links_add_so_many_persons_as_published(lost: float, rise: float) -> None:
    """The method note: shape "mid", four retailers; f = 1 - kappa^2."""
    people = regions(10**7, 4, "mid")
    seen = as_seen(people, [np.sqrt(1 - lost)] * 4, [1.0] * 4)
    assert seen.sum() / people.sum() - 1 == pytest.approx(rise, abs=0.001)


@pytest.mark.parametrize("lost", [0.02, 0.1])
def test_the_union_of_two_rises_by_the_share_of_lost_links_times_the_pair(lost: float) -> None:
    people = np.array([500.0, 300.0, 200.0])
    seen = as_seen(people, [np.sqrt(1 - lost)] * 2, [1.0, 1.0])
    sizes = (membership(2) @ people).sum()
    assert seen.sum() - people.sum() == pytest.approx(lost * (sizes - people.sum()))


# --- factors ---------------------------------------------------------------------------------
@SIZES
def test_factors_turn_what_is_seen_as_shared_into_persons(number: int) -> None:
    people, around = truth(number), containing(number)[1:]
    seen = as_seen(people, CHANCES[:number], [1.0] * number)
    several = membership(number).sum(axis=0) > 1
    (factor,) = factors(Linkage(kappa=dict(zip(NAMES, CHANCES, strict=True))), number)
    assert ((around @ seen) * factor)[several] == pytest.approx((around @ people)[several])


def test_one_share_holds_for_all_retailers() -> None:
    (factor,) = factors(Linkage(kappa=0.8), 3)
    assert factor == pytest.approx(0.8 ** -membership(3).sum(axis=0))


def test_a_retailer_left_out_has_keys_that_agree() -> None:
    (factor,) = factors(Linkage(kappa={"r1": 0.5}), 2)
    assert factor == pytest.approx([1, 2, 2])


def test_without_a_statement_nothing_is_multiplied() -> None:
    assert factors(Linkage(), 3).tolist() == [[1.0] * 7]


def test_a_law_is_drawn_and_the_mean_of_its_inverse_taken() -> None:
    """E 1/kappa = (a + b - 1) / (a - 1); five standard errors."""
    law = beta(mean=0.9, sd=0.03)
    drawn = factors(Linkage(kappa={"r0": law}), 2, 20_000)
    assert drawn.shape == (20_000, 3)
    assert drawn.min() >= 1
    error = 5 * drawn[:, 2].std() / np.sqrt(20_000)
    assert drawn[:, 2].mean() == pytest.approx((law.a + law.b - 1) / (law.a - 1), abs=error)
    assert np.all(drawn[:, 1] == 1)


def test_the_retailers_of_a_set_share_their_draws() -> None:
    stated = Linkage(kappa={"r0": beta(mean=0.9, sd=0.03), "r1": beta(mean=0.8, sd=0.02)})
    one, two, both = factors(stated, 2, 50).T
    assert both == pytest.approx(one * two)


def test_a_retailers_draws_do_not_move_with_its_place() -> None:
    stated, member = Linkage(kappa=beta(mean=0.9, sd=0.03)), membership(2)
    there = stated.factors(("a", "b"), member, 20, streams(1))
    back = stated.factors(("b", "a"), member, 20, streams(1))
    assert there[:, 0] == pytest.approx(back[:, 1])


# --- refusals --------------------------------------------------------------------------------
@pytest.mark.parametrize("share", [0.0, 0.19, beta(mean=0.4, sd=0.2)])
def test_keys_that_seldom_agree_are_refused(share: Any) -> None:
    with pytest.raises(EstimateError, match="linkage of r0 may fall below 20%"):
        factors(Linkage(kappa=share), 2, 2000)


@pytest.mark.parametrize("kappa", [{"x": 0.9}, {"r0": 0.9, 3: 0.9}, {"all retailers": 0.5}])
def test_a_statement_about_a_retailer_without_a_sketch_is_refused(kappa: Any) -> None:
    """The last was once taken, and then not used."""
    with pytest.raises(EstimateError, match=r"the sketches are of r0, r1; correct the names"):
        Linkage(kappa=kappa).check_names(["r0", "r1"])


@pytest.mark.parametrize("kappa", [{}, {"r1": 0.9}, 0.9, beta(mean=0.9, sd=0.03)])
def test_names_that_have_a_sketch_are_taken(kappa: Any) -> None:
    Linkage(kappa=kappa).check_names(["r0", "r1"])


@pytest.mark.parametrize(
    ("kappa", "words"),
    [
        (1.2, "percentages"),
        ({"r0": -0.1}, "linkage of r0 must be a fraction"),
        ({"r0": "x"}, "linkage of r0 must be a number"),
        ([0.9], "must be a number"),
        (pd.DataFrame({"state": ["CA"], "share": [0.9]}), "not a frame"),
    ],
)
def test_what_is_no_fraction_or_law_is_refused(kappa: Any, words: str) -> None:
    with pytest.raises(PlanError, match=words):
        Linkage(kappa=kappa)


# --- words -----------------------------------------------------------------------------------
def test_silence_is_said_to_take_every_key_for_a_person() -> None:
    assert Linkage().assumptions[0].startswith("one key per person")


def test_a_statement_is_said_by_retailer() -> None:
    (line,) = Linkage(kappa={"r0": 0.9, "r1": beta(mean=0.8, sd=0.1)}).assumptions
    assert "r0: 0.9; r1: " in line
