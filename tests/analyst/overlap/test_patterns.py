from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpnotice.analyst.overlap import patterns as module
from dpnotice.analyst.overlap.patterns import histogram
from dpnotice.errors import EstimateError

CHUNK = module._CHUNK
FULL = 2**64 - 1
maps_of_words = st.integers(1, 5).flatmap(
    lambda words: st.lists(
        st.lists(st.integers(0, FULL), min_size=words, max_size=words), min_size=1, max_size=6
    )
)


def unpacked(maps: list[Any]) -> Any:
    """The same histogram from every single bit."""
    bits = np.stack([np.unpackbits(words.view(np.uint8), bitorder="little") for words in maps])
    seen, times = np.unique(bits, axis=1, return_counts=True)
    counts = np.zeros((2,) * len(maps), dtype=np.int64)
    counts[tuple(seen)] = times
    return counts


def drawn(number: int, words: int, seed: int = 1) -> list[Any]:
    rng = np.random.default_rng(seed)
    return [
        rng.integers(0, FULL, size=words, dtype=np.uint64, endpoint=True) for _ in range(number)
    ]


@given(maps_of_words)
def test_the_histogram_is_that_of_every_single_bit(words: list[list[int]]) -> None:
    maps = [np.array(each, dtype=np.uint64) for each in words]
    assert np.array_equal(histogram(maps), unpacked(maps))


@pytest.mark.parametrize("words", [1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 3])
def test_no_word_is_lost_where_chunks_meet(words: int) -> None:
    maps = drawn(3, words)
    assert np.array_equal(histogram(maps), unpacked(maps))


def test_the_bits_at_a_chunks_ends_are_seen() -> None:
    maps = [np.zeros(2 * CHUNK + 1, dtype=np.uint64) for _ in range(2)]
    for place in (0, CHUNK - 1, CHUNK, 2 * CHUNK - 1, 2 * CHUNK):
        maps[0][place] = 1
        maps[1][place] = 1 << 63
    assert histogram(maps).tolist() == [[64 * (2 * CHUNK + 1) - 10, 5], [5, 0]]


@pytest.mark.parametrize("number", [1, 2, 5, 8, 10])
def test_a_histogram_has_an_axis_per_map_and_sums_to_the_bits(number: int) -> None:
    counts = histogram(drawn(number, 40))
    assert counts.shape == (2,) * number
    assert counts.dtype == np.int64
    assert counts.sum() == 64 * 40
    assert counts.min() >= 0


@pytest.mark.parametrize("bits", list(product((0, 1), repeat=3)))
def test_axis_i_is_the_bit_of_map_i(bits: tuple[int, ...]) -> None:
    counts = histogram([np.array([FULL * bit], dtype=np.uint64) for bit in bits])
    assert counts[bits] == 64


def test_permuting_the_maps_permutes_the_axes() -> None:
    maps = drawn(4, 100)
    order = [2, 0, 3, 1]
    permuted = histogram([maps[place] for place in order])
    assert np.array_equal(permuted, histogram(maps).transpose(order))


def test_maps_that_may_not_be_written_are_read_and_left_alone() -> None:
    maps = drawn(3, 20)
    before = [words.copy() for words in maps]
    for words in maps:
        words.setflags(write=False)
    histogram(maps)
    assert all(np.array_equal(*pair) for pair in zip(maps, before, strict=True))


def test_maps_of_different_lengths_are_refused() -> None:
    with pytest.raises(EstimateError, match=r"SKETCH_MAPS: .* got \[2, 3\] words"):
        histogram([np.zeros(2, dtype=np.uint64), np.zeros(3, dtype=np.uint64)])


@pytest.mark.parametrize(
    "maps",
    [
        [],
        [np.zeros(8, dtype=np.uint8)],
        [np.zeros(8, dtype=np.int64)],
        [np.zeros((2, 2), dtype=np.uint64)],
    ],
)
def test_what_is_not_flat_words_is_refused(maps: list[Any]) -> None:
    with pytest.raises(EstimateError, match="one or more flat arrays of uint64"):
        histogram(maps)


def test_empty_maps_are_refused() -> None:
    with pytest.raises(EstimateError, match="not empty"):
        histogram([np.zeros(0, dtype=np.uint64)])
