"""Persons at several retailers as maps would show them, and joint counts made of them exactly.

In: persons at exactly each set of retailers. Out: the regions that keys show, person by person and
key by key, which is the oracle for lost links and missing keys; `JointCounts` without map noise.
"""

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import numpy as np

from dpnotice.analyst.counts import fit_counts
from dpnotice.analyst.overlap.joint import JointCounts
from dpnotice.analyst.overlap.linkage import Linkage
from dpnotice.analyst.overlap.regions import membership
from dpnotice.analyst.overlap.sketches import Overlap, Sketched
from dpnotice.analyst.sampling import Sampling
from dpnotice.bitmap import Sketch
from dpnotice.inquiry import Inquiry
from dpnotice.release import Release
from made.releases import release

Floats = Any
BLOCKS = {"blocks": "state", "expected_by": {"CA": 9000, "NY": 9000, "TX": 9000, "unknown": 900}}
"""What makes every state a block."""


def as_seen(people: Floats, linked: Sequence[float], keyed: Sequence[float]) -> Floats:
    """Expected regions of keys, (R,): every member of a set has no key, the common one, or another.

    Those with the common key are seen as one person, the others with a key by themselves.
    """
    seen = np.zeros(len(people))
    for mask, number in enumerate(people, start=1):
        members = [i for i in range(len(linked)) if mask >> i & 1]
        laws = [(1 - keyed[i], keyed[i] * linked[i], keyed[i] * (1 - linked[i])) for i in members]
        for states in product(range(3), repeat=len(members)):
            share = number * np.prod([law[s] for law, s in zip(laws, states, strict=True)])
            together = sum(1 << i for i, s in zip(members, states, strict=True) if s == 1)
            alone = [1 << i for i, s in zip(members, states, strict=True) if s == 2]
            for region in [together, *alone]:
                seen[region - 1] += share * (region > 0)
    return seen


def exact_joint(
    asked: Inquiry,
    people: Floats,
    *,
    linked: Sequence[float] = (1.0,) * 5,
    keyed: Sequence[float] = (1.0,) * 5,
    linkage: Linkage | None = None,
) -> JointCounts:
    """Counts without noise but for their stated scale, and maps that show just what is expected.

    Args:
        asked: with a sketch, by state or of one block.
        people: (R, states, ages) persons, so many that shares of them are whole.
        linked: chance of the usual key at each retailer, of the truth.
        keyed: chance of a key.
        linkage: as stated.
    """
    people = np.asarray(people)
    number = len(people).bit_length()
    buyers = np.tensordot(membership(number), people, 1)
    counts = tuple(
        fit_counts((_counted(asked, f"r{i}", buyers[i], keyed[i]),)) for i in range(number)
    )
    assert asked.sketch is not None
    by_block = people.sum(axis=2).T
    if asked.sketch.blocks is None:
        by_block = by_block.sum(axis=0, keepdims=True)
    seen = np.array([as_seen(block, linked[:number], keyed[:number]) for block in by_block])
    overlap = Overlap(
        retailers=tuple(c.retailer for c in counts),
        axis=None if asked.sketch.blocks is None else "state",
        by_key=True,
        states=membership(number).T.astype(np.int64),
        estimate=seen,
        residual=np.zeros((*seen.shape, seen.shape[1])),
        gain=np.zeros((*seen.shape, number)),
    )
    return JointCounts(counts=counts, overlap=overlap, linkage=linkage or Linkage())


def _counted(asked: Inquiry, name: str, buyers: Floats, share: float) -> Release:
    full = np.rint(np.stack([buyers * share, buyers * (1 - share)], axis=-1)).astype(np.int64)
    away = {
        of: tuple(i for i, axis in enumerate(asked.table_axes) if axis not in of)
        for of in asked.tables
    }
    assert asked.sketch is not None
    blank = Sketch(plan=asked.sketch, key_fingerprint="0" * 16, bits=bytes(asked.sketch.bytes))
    tables = {of: full.sum(axis=axes) for of, axes in away.items()}
    return release(asked, tables, 0.2, retailer=name, sketch=blank)


def found(releases: Sequence[Release]) -> list[Sketched]:
    """Fit each release by itself, beside its sketch."""
    return [Sketched(fit_counts((r,)), r.sketch) for r in releases if r.sketch is not None]


def streams(seed: int) -> Callable[[str], np.random.Generator]:
    """The analyst's generators."""
    return Sampling(axes=(), draws=1, seed=seed).stream
