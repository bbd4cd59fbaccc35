"""Every planted fault of the sketch is seen, by a check that passes on the library as it is."""

import inspect
import secrets
from random import Random

import pytest

from dpnotice.errors import PurchasesError
from dpnotice.retailer import counting, sketch
from made import keyed_shops
from made.keyed_bulk import docket, examine
from made.keyed_shops import asking
from made.sketch_faults import CHECKS, FAULTS, Fault, modules, sales

QUESTIONS = 60
"""Each with three shops. The fault least often seen is seen in a quarter of them at least, so that
it escapes all with a chance below 1e-7."""
IN_SHOPS = [name for name, fault in FAULTS.items() if fault.seen_by not in CHECKS]
ALONE = [name for name, fault in FAULTS.items() if fault.seen_by in CHECKS]


def fresh() -> Random:
    seed = secrets.randbits(64)
    print(f"seed {seed}")  # noqa: T201 -- shown where the test fails
    return Random(seed)  # noqa: S311 -- for data, not for noise


@pytest.mark.parametrize("check", CHECKS)
def test_the_library_passes_every_check(check: str) -> None:
    assert CHECKS[check](modules())


@pytest.mark.parametrize("name", ALONE)
def test_a_planted_fault_is_seen(name: str) -> None:
    fault = FAULTS[name]
    assert not CHECKS[fault.seen_by](fault.planted())


@pytest.mark.slow
@pytest.mark.parametrize("name", IN_SHOPS)
def test_a_planted_fault_is_seen_in_generated_shops(name: str) -> None:
    """And what is seen is the fault: the library passes on those very shops."""
    fault, random = FAULTS[name], fresh()
    for _ in range(QUESTIONS):
        at = next(at for at in iter(lambda: keyed_shops.asked(random), None) if fault.where(at))
        drawn = [keyed_shops.shop(random, at) for _ in range(3)]
        if examine(at, drawn, fault.planted())[fault.seen_by]:
            found = examine(at, drawn)
            assert [found[kind] for kind in ("rule", "order", "neighbours")] == [0] * 3
            return
    pytest.fail("not seen")


def test_a_size_from_the_exact_number_is_refused_by_the_draw_itself() -> None:
    """The other half of that fault: the flip looks whether the plan is the public one."""
    half = Fault(FAULTS["m from the exact n"].edits[:1], "size").planted()[sketch]
    _, exact = half.take(asking(), sales(3_000), docket())
    with pytest.raises(PurchasesError, match="NOISE_CHECK"):
        half.flipped(asking(), exact, docket())


def test_a_fault_whose_words_are_gone_is_refused() -> None:
    with pytest.raises(ValueError, match="not once"):
        Fault(((sketch, "words that are not there", ""),), "rule").planted()


def test_a_planted_fault_leaves_the_library_alone() -> None:
    before = inspect.getsource(counting.records), dict(vars(counting)), dict(vars(sketch))
    FAULTS["two keys per buyer"].planted()
    assert (inspect.getsource(counting.records), dict(vars(counting)), dict(vars(sketch))) == before
