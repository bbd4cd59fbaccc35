"""People at several retailers -> releases with sketches, simulated and seeded.

In: how many people are known to exactly each set of retailers, by cell. Out: releases as the
retailers would make them, but for the randomness, which is a test's own.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt

from dpnotice.bitmap import DRAWS, Sketch, SketchPlan
from dpnotice.inquiry import Inquiry
from dpnotice.release import Release
from dpnotice.segments import CONTACT, KEYED
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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class World:
    """Everybody who is known to a retailer, one by one.

    Attributes:
        retailers: how many there are.
        masks: (persons,) the set of retailers that know each, as a number.
        cell: (persons,) their cell.
        places: (persons,) where their key falls, in [0, 1).
        contact: (retailers, persons) level at each retailer, drawn independently; None without it.
    """

    retailers: int
    masks: Integers
    cell: Integers
    places: Any
    contact: Integers | None

    def at(self, number: int) -> Any:
        """(persons,) whether a retailer knows each."""
        return (self.masks >> number & 1) > 0


def world_of(people: Any, rng: np.random.Generator, contact: Any = None) -> World:
    """Draw a key for everybody, and their contact at every retailer.

    Args:
        people: (R, *sizes of the axes of persons) people at exactly each set, by cell.
        rng: of the test.
        contact: chances of the levels, (levels,) or to be broadcast to (retailers, cells, levels).
    """
    people = np.asarray(people)
    flat, retailers = people.reshape(len(people), -1), len(people).bit_length()
    masks = np.repeat(np.arange(1, len(people) + 1), flat.sum(axis=1))
    cell = np.concatenate([np.repeat(np.arange(row.size), row) for row in flat])
    places = rng.random(len(masks))
    levels = None
    if contact is not None:
        chances = np.asarray(contact)
        chances = np.broadcast_to(chances, (retailers, flat.shape[1], chances.shape[-1]))
        reached = np.cumsum(chances, axis=2)[:, cell, :-1]
        levels = np.sum(rng.random((retailers, len(masks), 1)) >= reached, axis=2)
    return World(
        retailers=retailers,
        masks=masks,
        cell=cell,
        places=places,
        contact=levels,
    )


def sketched_releases(
    asked: Inquiry, people: Any, rng: np.random.Generator, *, contact: Any = None, **options: Any
) -> list[Release]:
    """Answer for every retailer: see :func:`world_of` and :func:`answered`."""
    return answered(asked, world_of(people, rng, contact), rng, **options)


def answered(
    asked: Inquiry,
    world: World,
    rng: np.random.Generator,
    *,
    keyed: float = 1.0,
    linked: float | Sequence[float] = 1.0,
    epsilons: Sequence[str] = (),
) -> list[Release]:
    """Answer for every retailer.

    Args:
        asked: with a sketch; axis ``contact``, if there is one, is the last.
        world: the persons.
        rng: of the test.
        keyed: chance that a buyer has a key at a retailer.
        linked: chance that the key is the one that the person usually gives, or by retailer.
        epsilons: of each retailer's sketch, where they differ; "" for an answer without one.
    """
    agrees = np.broadcast_to(linked, world.retailers)
    answers = []
    for number in range(world.retailers):
        there = world.at(number)
        own, where = world.places[there].copy(), world.cell[there]
        held = rng.random(len(own)) < keyed
        other = rng.random(len(own)) >= agrees[number]
        own[other] = rng.random(int(other.sum()))
        levels = 0 if world.contact is None else world.contact[number, there]
        told = asked if not epsilons else _costing(asked, epsilons[number])
        answers.append(_answer(told, f"r{number}", (own, where, held, levels), rng))
    return answers


def _costing(asked: Inquiry, epsilon: str) -> Inquiry:
    """Ask for a sketch of another loss, or for none."""
    assert asked.sketch is not None
    if epsilon:
        return replace(asked, sketch=replace(asked.sketch, epsilon=Decimal(epsilon)))
    tables = tuple(table for table in asked.specs if KEYED not in table.of)
    return replace(asked, sketch=None, specs=tables)


def _answer(asked: Inquiry, name: str, buyers: Any, rng: np.random.Generator) -> Release:
    own, where, held, levels = buyers
    axes = asked.table_axes
    sizes = [len(axis) for axis in axes.values()]
    kinds = len(asked.axes[CONTACT]) if CONTACT in asked.axes else 1
    full = where * kinds + levels
    if asked.sketch is not None:
        full = 2 * full + ~held
    cross = np.bincount(full, minlength=int(np.prod(sizes))).reshape(sizes)
    noises = dict(
        zip(asked.tables, stated_noise(asked.loss, [t.weight for t in asked.specs]), strict=True)
    )
    counts = {
        of: cross.sum(axis=tuple(i for i, axis in enumerate(axes) if axis not in of))
        + drawn(rng, noise, asked.shape(of))
        for of, noise in noises.items()
    }
    scales = {of: noise.scale for of, noise in noises.items()}
    made = None
    if asked.sketch is not None:
        planes = np.broadcast_to(levels, len(own))[held]
        made = _bits(asked.sketch, (own[held], where[held], planes), asked, rng)
    return release(asked, counts, scales, retailer=name, sketch=made)


def _bits(plan: SketchPlan, buyers: Any, asked: Inquiry, rng: np.random.Generator) -> Sketch:
    own, where, levels = buyers
    block = np.zeros(len(own), dtype=np.int64)
    if plan.blocks is not None:
        persons = [name for name in asked.axes if name != CONTACT]
        sizes = [len(asked.axes[name]) for name in persons]
        block = np.unravel_index(where, sizes)[persons.index(plan.blocks.name)]
    size = np.array(plan.log2_bits)[block]
    place = (own * 2.0**size).astype(np.int64) + np.array(plan.starts)[block]
    if plan.planes:
        names = asked.axes[CONTACT].levels
        of = [next(i for i, p in enumerate(plan.planes) if name in p.levels) for name in names]
        place += np.array(of)[levels] << size
    bits = np.zeros(8 * plan.bytes, dtype=bool)
    bits[place] = True
    flips = rng.integers(0, DRAWS, len(bits), dtype=np.uint16) < plan.threshold
    packed = np.packbits(bits ^ flips, bitorder="little").tobytes()
    return Sketch(plan=plan, key_fingerprint="0" * 16, bits=packed)


def spread(people: Any, shares: Any) -> Integers:
    """(R, *sizes) people at exactly each set, alike composed but for what is left by rounding."""
    shares = np.asarray(shares)
    laid = np.floor(np.multiply.outer(np.asarray(people), shares)).astype(np.int64)
    laid[(slice(None), *(0,) * shares.ndim)] += people - laid.reshape(len(laid), -1).sum(axis=1)
    return laid
