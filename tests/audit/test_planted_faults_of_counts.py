"""Faults that a sound estimate must not have, planted one by one: each is seen by a named test.

In: the source of counts, design, intervals, together and privacy with an edit. Out: the named test
fails; without the edit it passes. Two checks of the loss stand here, since they need no estimate.
"""

import math

import numpy as np
import pytest

from dpnotice.privacy import Noise, NoiseLaw
from made.count_faults import FAULTS, Fault
from made.designs import mass_function
from made.faults import run
from made.grafts import grafted, noticed


@pytest.mark.parametrize("scale", [0.7, 2.0, 9.0])
def test_the_loss_of_a_table_is_what_one_buyer_more_can_change(scale: float) -> None:
    """One buyer more moves one cell of a table by one person.

    Laplace: the largest log-ratio of the two laws is epsilon. Gaussian: their Renyi divergence of
    order 2 is 2 rho (Bun and Steinke 2016), exactly so for a shift by a whole number.
    """
    for law in NoiseLaw:
        noise = Noise(law=law, scale=scale)
        z, mass = mass_function(noise)
        near = np.abs(z) < 9 * scale  # floats show the ratio of what is not too rare
        ratio = np.log(mass[1:] / mass[:-1])[near[1:]]
        if law == NoiseLaw.DISCRETE_LAPLACE:
            assert np.abs(ratio).max() == pytest.approx(float(noise.loss), rel=1e-9)
        else:
            divergence = math.log(float(np.sum(mass[1:] ** 2 / mass[:-1])))
            assert divergence == pytest.approx(2 * float(noise.loss), rel=1e-9)


@pytest.mark.parametrize("test", sorted({test for *_, test in FAULTS.values()}))
def test_without_a_fault_the_test_passes(test: str) -> None:
    run(test)


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_is_noticed_by_the_test_named_for_it(fault: Fault) -> None:
    assert noticed(*fault)


def test_a_graft_reaches_what_others_have_imported_already() -> None:
    laplace = Noise(law=NoiseLaw.DISCRETE_LAPLACE, scale=1.0)
    with grafted("privacy", (("return 0.5 / math.sinh(half) ** 2", "return 2 * self.scale**2"),)):
        assert laplace.variance == 2
    assert laplace.variance == pytest.approx(0.5 / math.sinh(0.5) ** 2)


def test_words_that_are_not_in_the_source_are_no_fault() -> None:
    with pytest.raises(ValueError, match=r"not once in dpnotice\.privacy: sinh"):
        noticed("privacy", (("sinh of nothing", ""),), "")
