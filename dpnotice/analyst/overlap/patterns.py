"""Bit maps of several retailers -> how often each pattern of bits occurs at one index.

In: equally long maps as 64-bit words. Out: a histogram with one axis of size 2 per map. It is all
that the joint estimate needs of the maps.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from dpnotice.errors import EstimateError

_CHUNK: Final = 2**13
"""Words taken at once: 64 KiB of each map, so that a chunk of all maps stays in cache."""
_WORD_BITS: Final = 64


def histogram(maps: Sequence[npt.NDArray[np.uint64]]) -> npt.NDArray[np.int64]:
    """Count every pattern of bits that the maps show at one index.

    For every set of maps, the bits that are 1 in all of them are counted by AND and popcount; the
    exact patterns follow by inclusion and exclusion (Moebius inversion), one axis at a time.

    Args:
        maps: K arrays of 64-bit words, equally long; the order of the bits is the same in all.

    Returns:
        Shape (2,) * K; axis i is the bit of map i; sums to 64 times the words of a map.

    Raises:
        EstimateError: ``SKETCH_MAPS``; no map, not 64-bit words, or of different lengths.

    Example:
        >>> a, b = np.array([0b0011], dtype=np.uint64), np.array([0b0101], dtype=np.uint64)
        >>> histogram([a, b]).tolist()
        [[61, 1], [1, 1]]
    """
    length = _length(maps)
    held = np.zeros(2 ** len(maps), dtype=np.int64)
    for start in range(0, length, _CHUNK):
        for number, count in _ones([each[start : start + _CHUNK] for each in maps]):
            held[number] += count
    held[0] = _WORD_BITS * length
    counts = held.reshape((2,) * len(maps))  # the first map is the highest bit of the number
    for axis in range(len(maps)):
        along = np.moveaxis(counts, axis, 0)
        along[0] -= along[1]
    return counts


def _ones(maps: Sequence[npt.NDArray[np.uint64]]) -> Iterator[tuple[int, int]]:
    """Yield every set of maps, as a number, and its bits that are 1 in all; depth first.

    A set is its parent and one further map, so there is one AND per set and one array per depth.
    """
    last, size = len(maps) - 1, maps[0].size
    room = np.empty((len(maps), size), dtype=np.uint64)
    bits = np.empty(size, dtype=np.uint8)

    def within(held: npt.NDArray[np.uint64], place: int, number: int) -> Iterator[tuple[int, int]]:
        yield number, int(np.bitwise_count(held, out=bits).sum(dtype=np.int64))
        for further in range(place + 1, last + 1):
            joint = np.bitwise_and(held, maps[further], out=room[further])
            yield from within(joint, further, number | 1 << (last - further))

    for place, words in enumerate(maps):
        yield from within(words, place, 1 << (last - place))


def _length(maps: Sequence[npt.NDArray[np.uint64]]) -> int:
    """Words of each map, or a refusal."""
    if not maps or any(words.dtype != np.uint64 or words.ndim != 1 for words in maps):
        raise EstimateError("maps must be one or more flat arrays of uint64", code="SKETCH_MAPS")
    lengths = {words.size for words in maps}
    if len(lengths) > 1 or lengths == {0}:
        raise EstimateError(
            f"maps must be equally long and not empty, got {sorted(lengths)} words; maps of "
            "different questions cannot be compared",
            code="SKETCH_MAPS",
        )
    return lengths.pop()
