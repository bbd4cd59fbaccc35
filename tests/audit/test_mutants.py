"""Spoilt release files end in a release or a refusal with a code.

Half a percent of what `benchmarks/mutants.py` runs.
"""

import random
import time

import pytest

from dpnotice.errors import ReleaseError
from dpnotice.release import Release
from made.heavy import readings
from made.mutants import MUTATORS, good_files, sealed

FILES = 5_000
SECONDS = 1.0
MEBIBYTES = 512
GOOD = good_files()


def code_of(data: bytes) -> str:
    try:
        read = Release.from_bytes(data)
    except ReleaseError as refusal:
        assert str(refusal).isprintable()  # noqa: PT017 -- a refusal is a right end too
        return refusal.code
    assert read.to_bytes() == data
    return "release"


@pytest.fixture(scope="module", params=MUTATORS)
def ends(request: pytest.FixtureRequest) -> list[tuple[str, float]]:
    rng = random.Random()  # noqa: S311 -- fresh files in every run
    found = []
    for number in range(FILES // len(MUTATORS)):
        good = GOOD[-1] if number % 500 == 0 else rng.choice(GOOD[:-1])
        began = time.perf_counter()
        code = code_of(MUTATORS[request.param](good, rng))
        found.append((code, time.perf_counter() - began))
    return found


def test_every_mutant_is_a_release_or_has_a_code(ends: list[tuple[str, float]]) -> None:
    assert all(code for code, _ in ends)


def test_no_mutant_takes_long(ends: list[tuple[str, float]]) -> None:
    assert max(seconds for _, seconds in ends) < SECONDS


def test_the_mutants_reach_every_layer_of_the_reader() -> None:
    """Otherwise the tests above would test the digest alone."""
    rng = random.Random(1)  # noqa: S311 -- the same files in every run
    codes = {
        code_of(MUTATORS[name](rng.choice(GOOD[:-1]), rng)) for name in MUTATORS for _ in range(900)
    }
    layers = {
        "MAGIC",
        "INTEGRITY",
        "LENGTH",
        "JSON",
        "NUMBER",
        "CANONICAL",
        "HEADER",
        "TABLES",
        "CELLS",
        "PARTS",
        "SKETCH",
    }
    assert layers | {"release"} <= codes


@pytest.mark.parametrize("number", range(len(GOOD)))
def test_every_flipped_byte_of_a_file_is_refused(number: int) -> None:
    """One bit of each byte here, all eight in the benchmark; of the large file every 997th byte."""
    data, rng = GOOD[number], random.Random()  # noqa: S311 -- another bit in every run
    for place in range(0, len(data), 1 if len(data) < 10**5 else 997):
        flipped = data[:place] + bytes([data[place] ^ 1 << rng.randrange(8)]) + data[place + 1 :]
        assert code_of(flipped) in {"MAGIC", "VERSION", "INTEGRITY"}


def test_some_of_the_files_have_a_sketch_and_some_none() -> None:
    maps = [sketch.plan for data in GOOD if (sketch := Release.from_bytes(data).sketch)]
    assert 0 < len(maps) < len(GOOD) / 2
    assert {bool(plan.planes) for plan in maps} == {bool(plan.blocks) for plan in maps}
    assert {bool(plan.planes) for plan in maps} == {True, False}


def test_a_file_is_good_before_it_is_spoilt() -> None:
    assert {code_of(data) for data in GOOD} == {"release"}
    assert len({data[:-72] for data in GOOD}) == len(GOOD)


def test_sealing_again_makes_the_same_file() -> None:
    assert [sealed(data[:-72]) for data in GOOD] == GOOD


@pytest.mark.slow
def test_the_dearest_files_are_read_soon_and_in_little_memory() -> None:
    found = list(readings())
    assert {name: s for name, _, _, s, _ in found if s > SECONDS} == {}
    assert {name: peak for name, *_, peak in found if peak > MEBIBYTES} == {}
    assert {name for name, _, code, _, _ in found if code == "release"} == {
        name for name, *_ in found if "honest" in name
    }
