"""People at several retailers -> releases with sketches, simulated and seeded.

In: how many people are known to exactly each set of retailers, by cell. Out: releases as the
retailers would make them, but for the randomness, which is a test's own.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from dpnotice.bitmap import DRAWS, Sketch, SketchPlan
from dpnotice.inquiry import Inquiry
from dpnotice.release import Release
from dpnotice.zcdp import stated_noise
from made.releases import drawn, matter, release

Integers = npt.NDArray[np.int64]
SHARES = {"low": (0.88, 0.09, 0.025, 0.005), "mid": (0.60, 0.25, 0.10, 0.05)}
"""Share of a retailer's buyers at exactly 1, 2, 3, 4 of four retailers: the two usual shapes."""


def asking(
    *, epsilon: str = "1", counts: str = "0.2", expected: int = 10_000, **changes: Any
) -> Inquiry:
    """Ask for the total and the states, and a sketch of one block."""
    sketch = {"epsilon": epsilon, "key": "email", "expected_buyers": expected}
    plain = {
        "axes": {"state": ["CA", "NY", "TX"], "age": ["18-34", "35+"]},
        "tables": [{"of": []}, {"of": ["state", "age"]}],
        "privacy": {"epsilon": counts},
    }
    return matter(**(plain | {"sketch": sketch | changes.pop("sketch", {})} | changes))


def regions(n: int, k: int, shape: str) -> Integers:
    """(2^k - 1,) people at exactly each set, of k retailers with n buyers each."""
    weights = np.array(SHARES[shape][:k])
    people = []
    for mask in range(1, 2**k):
        size = mask.bit_count()
        ways = np.prod([(k - 1 - i) / (i + 1) for i in range(size - 1)])
        people.append(n * weights[size - 1] / weights.sum() / ways)
    return np.rint(people).astype(np.int64)


def sketched_releases(
    asked: Inquiry,
    people: Any,
    rng: np.random.Generator,
    *,
    keyed: float = 1.0,
    linked: float = 1.0,
    epsilons: Sequence[str] = (),
) -> list[Release]:
    """Answer for every retailer.

    Args:
        asked: with a sketch.
        people: (R, *sizes of the axes) people at exactly each set of retailers, by cell.
        rng: of the test.
        keyed: chance that a buyer has a key at a retailer.
        linked: chance that the key is the one that the person usually gives.
        epsilons: of each retailer's sketch, where they differ.
    """
    people = np.asarray(people)
    sizes = people.shape[1:]
    retailers = len(people).bit_length()
    masks = np.repeat(np.arange(1, len(people) + 1), people.reshape(len(people), -1).sum(axis=1))
    cell = np.concatenate(
        [np.repeat(np.arange(row.size), row.ravel()) for row in people.reshape(len(people), -1)]
    )
    places = rng.random(len(masks))
    answers = []
    for number in range(retailers):
        there = (masks >> number & 1) > 0
        own, where = places[there].copy(), cell[there]
        held = rng.random(len(own)) < keyed
        other = rng.random(len(own)) >= linked
        own[other] = rng.random(int(other.sum()))
        told = asked
        assert asked.sketch is not None
        if epsilons:
            plan = replace(asked.sketch, epsilon=type(asked.sketch.epsilon)(epsilons[number]))
            told = replace(asked, sketch=plan)
        answers.append(_answer(told, f"r{number}", (own, where, held), sizes, rng))
    return answers


def _answer(
    asked: Inquiry, name: str, buyers: Any, sizes: tuple[int, ...], rng: np.random.Generator
) -> Release:
    own, where, held = buyers
    cross = np.zeros((int(np.prod(sizes)), 2), dtype=np.int64)
    np.add.at(cross, (where, (~held).astype(int)), 1)
    cross = cross.reshape(*sizes, 2)
    axes = list(asked.table_axes)
    noises = dict(
        zip(asked.tables, stated_noise(asked.loss, [t.weight for t in asked.specs]), strict=True)
    )
    counts = {
        of: cross.sum(axis=tuple(i for i, axis in enumerate(axes) if axis not in of))
        + drawn(rng, noise, asked.shape(of))
        for of, noise in noises.items()
    }
    made = _bits(asked.sketch, (own[held], where[held]), asked, rng)
    scales = {of: noise.scale for of, noise in noises.items()}
    return release(asked, counts, scales, retailer=name, sketch=made)


def _bits(plan: SketchPlan | None, buyers: Any, asked: Inquiry, rng: np.random.Generator) -> Sketch:
    assert plan is not None
    own, where = buyers
    block = np.zeros(len(own), dtype=np.int64)
    if plan.blocks is not None:
        at = list(asked.axes).index(plan.blocks.name)
        block = np.unravel_index(where, [len(axis) for axis in asked.axes.values()])[at]
    size = np.array(plan.log2_bits)[block]
    place = (own * 2.0**size).astype(np.int64) + np.array(plan.starts)[block]
    bits = np.zeros(8 * plan.bytes, dtype=bool)
    bits[place] = True
    flips = rng.integers(0, DRAWS, len(bits), dtype=np.uint16) < plan.threshold
    packed = np.packbits(bits ^ flips, bitorder="little").tobytes()
    return Sketch(plan=plan, key_fingerprint="0" * 16, bits=packed)
