"""Chances of a person whom several retailers write to, against a drawing of persons one by one."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dpnotice.analyst.agreement import unseen_by_all

Floats = Any
FRACTION = st.floats(0, 1)
SHARES = hnp.arrays(np.float64, (3, 1, 1), elements=FRACTION)
WEIGHT = hnp.arrays(np.float64, (1, 1), elements=FRACTION)


def unseen(usable: Floats, missed: Floats, contact: float, seeing: float) -> float:
    """Of retailers by the share that is sent something, and the share of these that see nothing."""
    a = np.reshape(usable, (-1, 1, 1)).astype(float)
    u = 1 - a * (1 - np.reshape(missed, (-1, 1, 1)))
    weights = np.array([[contact]]), np.array([[seeing]])
    return float(unseen_by_all(u, a, *weights)[0, 0])


def one_by_one(usable: Floats, missed: Floats, *, contact: bool, seeing: bool) -> float:
    """Draw a million persons, who agree or not between retailers."""
    rng, number = np.random.default_rng(1), 10**6
    place = rng.random((1 if contact else len(usable), number))
    luck = rng.random((1 if seeing else len(usable), number))
    sent = place < np.reshape(usable, (-1, 1))
    saw = sent & (luck >= np.reshape(missed, (-1, 1)))
    return float(1 - saw.any(axis=0).mean())


@pytest.mark.parametrize("contact", [0, 1], ids=["independent", "contact agrees"])
def test_what_is_modelled_is_that_of_persons_drawn_one_by_one(contact: int) -> None:
    """4 standard errors of 10^6 draws; the seed is fixed."""
    usable, missed = [0.3, 0.8, 0.55], [0.4, 0.1, 0.6]
    drawn = one_by_one(usable, missed, contact=bool(contact), seeing=False)
    assert unseen(usable, missed, contact, 0) == pytest.approx(drawn, abs=4 * 0.0005)


def test_full_agreement_leaves_the_best_retailer() -> None:
    assert unseen([0.3, 0.8], [0.4, 0.1], 1, 1) == pytest.approx(1 - 0.8 * 0.9)


def test_in_a_plane_only_seeing_may_agree() -> None:
    """All are sent something: whatever the weight of contact, the letters are seen or not."""
    for contact in (0, 0.3, 1):
        assert unseen([1, 1, 0], [0.5, 0.4, 0.2], contact, 0) == pytest.approx(0.2)
        assert unseen([1, 1, 0], [0.5, 0.4, 0.2], contact, 1) == pytest.approx(0.4)


def test_one_retailer_is_itself() -> None:
    assert unseen([0.3], [0.4], 0.2, 0.7) == pytest.approx(0.82)


@given(usable=SHARES, missed=SHARES, contact=WEIGHT, seeing=WEIGHT)
def test_a_person_is_at_least_as_well_off_as_with_the_best_and_at_most_as_with_the_sum(
    usable: Floats, missed: Floats, contact: Floats, seeing: Floats
) -> None:
    u = 1 - usable * (1 - missed)
    found = unseen_by_all(u, usable, contact, seeing)
    assert np.all(found <= u.min(axis=0) + 1e-9)
    assert np.all(found >= np.maximum(0, 1 - np.sum(1 - u, axis=0)) - 1e-9)


@given(usable=SHARES, missed=SHARES, contact=WEIGHT, seeing=WEIGHT)
def test_agreement_of_contact_never_helps(
    usable: Floats, missed: Floats, contact: Floats, seeing: Floats
) -> None:
    u = 1 - usable * (1 - missed)
    found = unseen_by_all(u, usable, contact, seeing)
    assert np.all(found >= unseen_by_all(u, usable, np.zeros((1, 1)), np.zeros((1, 1))) - 1e-9)
    assert np.all(found <= unseen_by_all(u, usable, np.ones((1, 1)), np.ones((1, 1))) + 1e-9)


def test_a_retailer_more_never_lowers_the_chance_to_be_reached() -> None:
    rng = np.random.default_rng(2)
    for _ in range(200):
        usable, missed = rng.random((2, 4))
        contact, seeing = rng.random(2)
        more = unseen(usable, missed, contact, seeing)
        assert more <= unseen(usable[:3], missed[:3], contact, seeing) + 1e-12
