import math
from functools import cache
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from scipy.special import comb

from dpnotice.analyst.overlap.identified import box, identified_union
from dpnotice.analyst.overlap.pairs import Pairs, find_pairs, pattern_histogram
from dpnotice.errors import EstimateError

Floats = Any
MID = (0.6, 0.25, 0.1, 0.05)
"""Share of a retailer's buyers at exactly 1, 2, 3, 4 retailers."""


# --- simulated retailers: fixed persons, balls into bins, flips -----------------------------
def people(k: int, size: int, shares: tuple[float, ...], rng: np.random.Generator) -> Floats:
    """Return (persons, k): who buys where, with k retailers of the same expected size."""
    rows = []
    for degree, share in enumerate(shares, 1):
        number = round(k * size * share / degree)
        rows.append(np.argsort(rng.random((number, k)), axis=1) < degree)
    return np.concatenate(rows)


def maps_of(known: Floats, m: int, flips: Floats, rng: np.random.Generator) -> list[Floats]:
    bucket, maps = rng.integers(m, size=len(known)), []
    for buyers, p in zip(known.T, flips, strict=True):
        bits = np.zeros(m, dtype=bool)
        bits[bucket[buyers]] = True
        bits ^= rng.random(m) < p
        maps.append(np.packbits(bits, bitorder="little").view(np.uint64))
    return maps


def simulated(known: Floats, flips: Floats, runs: int, *, m: int, seed: int) -> list[Pairs]:
    rng = np.random.default_rng(seed)
    return [
        find_pairs([pattern_histogram(maps_of(known, m, flips, rng))], flips) for _ in range(runs)
    ]


def truth(known: Floats) -> tuple[Floats, Floats]:
    """Return exact pairs, and S_1 .. S_4."""
    degree, counts = known.sum(axis=1), known.astype(float)
    pairs = counts.T @ counts
    np.fill_diagonal(pairs, 0.0)
    return pairs, np.array([comb(degree, r).sum() for r in range(1, 5)])


# --- the law of the patterns, and the note's formulas one bucket at a time --------------------
def law(regions: Floats, m: float, flips: Floats) -> Floats:
    """Return q = (K_1 x ... x K_k) Z, (2,) * k, for Poisson persons by region."""
    k = len(flips)
    masks = np.arange(2**k)
    met = (masks[:, None] & masks[1:]) > 0
    z = np.exp(-(met @ (regions / m)))
    table = z.reshape((2,) * k).transpose(range(k)[::-1])  # axis i is retailer i
    for i, p in enumerate(flips):
        kernel = np.array([[p, 1 - 2 * p], [1 - p, -(1 - 2 * p)]])
        table = np.moveaxis(np.tensordot(kernel, table, axes=(1, i)), 0, i)
    return table


def bucket_by_bucket(histogram: Floats, flips: Floats) -> tuple[Floats, float, float]:
    """Return I_ij, S_2 and m var(g), written as in the literature: sums over single pairs."""
    k, m = len(flips), histogram.sum()
    bits = np.array(list(np.ndindex(*histogram.shape)))
    weights = histogram.ravel() / m
    a = ((bits == 0) - flips) / (1 - 2 * flips)
    z = weights @ a
    pairs, g = np.zeros((k, k)), np.zeros(len(bits))
    for i, j in combinations(range(k), 2):
        z_ij = weights @ (a[:, i] * a[:, j])
        pairs[i, j] = pairs[j, i] = m * math.log(z_ij / (z[i] * z[j]))
        g += a[:, i] * a[:, j] / z_ij - a[:, i] / z[i] - a[:, j] / z[j] + 1
    return pairs, pairs.sum() / 2, m * float(weights @ g**2)


REGIONS = {
    2: np.array([900.0, 500, 200]),
    3: np.array([900.0, 500, 200, 700, 90, 60, 30]),
    5: np.random.default_rng(1).uniform(0, 200, 31),
}


@pytest.mark.parametrize("k", [2, 3, 5])
def test_the_exact_law_of_the_patterns_gives_back_every_pair_and_sum(k: int) -> None:
    """The histogram is 2^50 times the law, so that rounding it to whole buckets is nothing."""
    regions, flips = REGIONS[k] * 2**38, np.linspace(0.02, 0.4, k)
    histogram = np.rint(law(regions, 2**50, flips) * 2**50).astype(np.int64)
    found = find_pairs([histogram], flips)
    masks = np.arange(1, 2**k)
    known = (masks[:, None] >> np.arange(k)) & 1
    pairs = (known * regions[:, None]).T @ known
    assert found.pairs[np.triu_indices(k, 1)] == pytest.approx(pairs[np.triu_indices(k, 1)])
    sums = [regions @ comb(known.sum(axis=1), r) for r in range(1, min(k, 4) + 1)]
    assert found.sums == pytest.approx(sums, rel=1e-6)


@pytest.mark.parametrize("k", [2, 4, 8])
def test_figures_equal_those_of_the_formula_bucket_by_bucket(k: int) -> None:
    rng, flips = np.random.default_rng(k), np.linspace(0.05, 0.3, k)
    known = people(k, 600, MID[: min(k, 4)], rng)
    histogram = pattern_histogram(maps_of(known, 4096, flips, rng))
    found = find_pairs([histogram], flips)
    pairs, total, variance = bucket_by_bucket(histogram, flips)
    assert found.pairs == pytest.approx(pairs)
    assert found.total == pytest.approx(total)
    useful = found.useful()
    taken = sum(c * useful[r][0] for r, c in ((2, 1), (3, 6), (4, 6)) if r in useful)
    assert found.total_sd**2 == pytest.approx(variance - taken)


@pytest.mark.parametrize("k", [2, 8])
def test_a_pair_has_the_sd_of_its_own_two_maps(k: int) -> None:
    rng, flips = np.random.default_rng(k), np.linspace(0.05, 0.3, k)
    histogram = pattern_histogram(maps_of(people(k, 600, MID[:2], rng), 4096, flips, rng))
    found = find_pairs([histogram], flips)
    for i, j in combinations(range(k), 2):
        rest = tuple(set(range(k)) - {i, j})
        two = flips[[i, j]]
        pairs, _, variance = bucket_by_bucket(histogram.sum(axis=rest), two)
        assert found.pairs[i, j] == pytest.approx(pairs[0, 1])
        taken = max(0.0, pairs[0, 1])
        assert found.pair_sd[i, j] == pytest.approx(math.sqrt(variance - taken))
    assert np.array_equal(found.pair_sd, found.pair_sd.T)
    assert not found.pair_sd.diagonal().any()


def test_two_maps_have_the_covariance_of_the_joint_likelihood() -> None:
    """V = m^2 F^-1 - diag(n), with F = m D' diag(1/q) D by differences of the law."""
    m, flips = 2.0**30, np.array([0.1, 0.3])
    regions = REGIONS[2] * 2**18
    histogram = np.rint(law(regions, m, flips) * m).astype(np.int64)
    step = m * 1e-5 * np.eye(3)
    slope = (
        np.array([law(regions + h, m, flips) - law(regions - h, m, flips) for h in step])
        .reshape(3, 4)
        .T
        / 2e-5
    )
    fisher = m * slope.T @ np.diag(1 / law(regions, m, flips).ravel()) @ slope
    joint = m**2 * np.linalg.inv(fisher) - np.diag(regions)
    found = find_pairs([histogram], flips)
    assert found.pair_sd[0, 1] ** 2 == pytest.approx(joint[2, 2], rel=1e-4)
    assert found.total_sd == pytest.approx(found.pair_sd[0, 1])


def test_disjoint_buyers_have_the_error_by_formula() -> None:
    """SE(pair) = sqrt(m) sigma_A sigma_B, exact where buyers are independent of each other."""
    m, p, n = 2.0**30, 0.25, 2.0**27
    z, theta = math.exp(-n / m), 0.5
    histogram = np.rint(law(np.array([n, n, 0.0]), m, np.full(2, p)) * m).astype(np.int64)
    one = (p + theta * z) * (1 - p - theta * z) / (theta * z) ** 2
    assert find_pairs([histogram], np.full(2, p)).pair_sd[0, 1] == pytest.approx(
        math.sqrt(m) * one, rel=1e-4
    )


@pytest.mark.parametrize("words", [64, 2**14 + 5])
def test_a_histogram_counts_every_pattern_with_a_map_to_an_axis(words: int) -> None:
    rng = np.random.default_rng(2)
    maps = [rng.integers(0, 2**64, words, dtype=np.uint64) for _ in range(3)]
    maps[1] &= maps[0]
    found = pattern_histogram(maps)
    both = int(np.bitwise_count(maps[0] & maps[1]).sum())
    assert found.shape == (2, 2, 2)
    assert found.sum() == 64 * words
    assert found[1, 1].sum() == both
    assert found[0, 1].sum() == 0
    assert found[:, :, 1].sum() == int(np.bitwise_count(maps[2]).sum())
    assert found[1, 1, 1] == int(np.bitwise_count(maps[0] & maps[1] & maps[2]).sum())


def test_read_only_maps_are_read() -> None:
    words = np.arange(64, dtype=np.uint64)
    words.flags.writeable = False
    assert pattern_histogram([words, words]).sum() == 64 * 64


@pytest.mark.parametrize(
    "maps",
    [
        [np.zeros(64, np.uint64), np.zeros(32, np.uint64)],
        [np.zeros(64, np.uint64), np.zeros(64, np.int64)],
        [np.zeros(64, np.uint64), np.zeros((8, 8), np.uint64)],
    ],
    ids=["length", "type", "shape"],
)
def test_maps_that_are_not_alike_are_refused(maps: list[Floats]) -> None:
    with pytest.raises(EstimateError, match="of one length for every retailer"):
        pattern_histogram(maps)


@pytest.mark.parametrize("k", [1, 21])
def test_other_numbers_of_retailers_are_refused(k: int) -> None:
    with pytest.raises(EstimateError, match=f"2 to 20 retailers, got {k}"):
        pattern_histogram([np.zeros(64, np.uint64)] * k)


@pytest.mark.parametrize("flips", [[0.0, 0.1], [0.1, 0.5], [0.1, math.nan], [[0.1, 0.1]]])
def test_what_is_no_chance_of_a_flip_is_refused(flips: Any) -> None:
    with pytest.raises(EstimateError, match="between 0 and 1/2"):
        find_pairs([np.ones((2, 2), np.int64)], np.array(flips))


def test_as_many_flips_as_maps_are_needed() -> None:
    with pytest.raises(EstimateError, match="3 flips need as many names"):
        find_pairs([np.ones((2, 2), np.int64)], np.full(3, 0.1))


def test_as_many_names_as_maps_are_needed() -> None:
    with pytest.raises(EstimateError, match="2 flips need as many names"):
        find_pairs([np.full((2, 2), 1024)], np.full(2, 0.1), ["A", "B", "C"])


def test_blocks_add() -> None:
    rng, flips = np.random.default_rng(4), np.full(2, 0.1)
    blocks = [
        pattern_histogram(maps_of(people(2, 2000, MID[:2], rng), 4096, flips, rng))
        for _ in range(3)
    ]
    each = [find_pairs([block], flips) for block in blocks]
    together = find_pairs(iter(blocks), flips)
    assert together.pairs == pytest.approx(sum(one.pairs for one in each))
    assert together.sums == pytest.approx(sum(one.sums for one in each))
    assert together.pair_sd**2 == pytest.approx(sum(one.pair_sd**2 for one in each))
    assert together.covariance == pytest.approx(sum(one.covariance for one in each))


def test_figures_do_not_depend_on_how_many_patterns_are_taken_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng, flips = np.random.default_rng(6), np.full(6, 0.1)
    maps = maps_of(people(6, 600, MID, rng), 4096, flips, rng)
    whole = find_pairs([pattern_histogram(maps)], flips)
    monkeypatch.setattr("dpnotice.analyst.overlap.pairs._CHUNK", 5)
    pieces = find_pairs([pattern_histogram(maps)], flips)
    assert pieces.pairs == pytest.approx(whole.pairs)
    assert pieces.sums == pytest.approx(whole.sums)
    assert pieces.covariance == pytest.approx(whole.covariance)


def test_a_full_map_is_refused_by_its_retailers_name() -> None:
    histogram = np.zeros((2, 2, 2), np.int64)
    histogram[0, 0, 1] = histogram[1, 0, 1] = 2048
    with pytest.raises(EstimateError, match="the flips hide all empty buckets of C;") as caught:
        find_pairs([histogram], np.full(3, 0.1), ["A", "B", "C"])
    assert caught.value.code == "SKETCH_NOISY"


def test_two_maps_without_a_common_empty_bucket_are_refused_by_name() -> None:
    histogram = np.zeros((2, 2), np.int64)
    histogram[0, 1] = histogram[1, 0] = 2048
    with pytest.raises(EstimateError, match=r"SKETCH_NOISY.* of A and B;"):
        find_pairs([histogram], np.full(2, 0.1), ["A", "B"])


def test_sums_stop_before_the_order_that_has_no_logarithm() -> None:
    """Every bucket is empty at two of three retailers but never at all three."""
    histogram = np.zeros((2, 2, 2), np.int64)
    histogram[0, 0, 1] = histogram[0, 1, 0] = histogram[1, 0, 0] = 2**12
    found = find_pairs([histogram], np.full(3, 0.01))
    assert found.sums.shape == (2,)
    assert found.covariance.shape == (2, 2)
    assert list(found.useful()) == [2]


def made(sums: list[float], sds: list[float]) -> Pairs:
    k = len(sums)
    return Pairs(
        retailers=tuple("ABCD"[:k]),
        pairs=np.full((k, k), 100.0),
        pair_sd=np.full((k, k), 60.0),
        sums=np.array(sums),
        covariance=np.diag(np.square(sds)),
    )


def test_a_sum_is_useful_while_its_error_is_small() -> None:
    found = made([900.0, 500.0, 100.0, 30.0], [9.0, 300.0, 19.9, 6.1])
    assert found.useful() == {2: (500.0, 300.0), 3: (100.0, pytest.approx(19.9))}


def test_no_sum_is_useful_after_one_that_is_not() -> None:
    found = made([900.0, 500.0, -100.0, 30.0], [9.0, 300.0, 10.0, 1.0])
    assert list(found.useful()) == [2]


def test_limits_of_pairs_hold_together_and_start_at_nobody() -> None:
    """Three pairs share 5 %: z = 2.394."""
    ends = made([900.0, 500.0, 100.0], [9.0, 30.0, 1.0]).limits(0.95)
    assert ends.shape == (3, 3, 2)
    assert ends[0, 1] == pytest.approx((0.0, 100 + 2.393980 * 60))


def test_names_are_given_where_none_are() -> None:
    found = find_pairs([np.array([[3000, 500], [500, 96]])], np.full(2, 0.1))
    assert found.retailers == ("retailer 1", "retailer 2")


# --- simulations ------------------------------------------------------------------------------
CASES = pytest.mark.parametrize(
    ("k", "epsilon", "m", "seed"),
    [(8, 1.0, 2**14, 1), (8, 4.0, 2**13, 2), (12, 1.0, 2**14, 3), (12, 2.0, 2**14, 4)],
)


@cache
def runs_of(k: int, epsilon: float, m: int, seed: int) -> tuple[Floats, list[Pairs]]:
    """Return who buys where, and 1,000 runs; flips differ by retailer, a map has 6 n buckets."""
    flips = 1 / (1 + np.exp(epsilon * np.linspace(0.9, 1.1, k)))
    known = people(k, m // 6, MID, np.random.default_rng(seed))
    return known, simulated(known, flips, 1000, m=m, seed=seed)


@pytest.mark.slow
@CASES
def test_standard_deviations_are_those_of_repeated_maps(
    k: int, epsilon: float, m: int, seed: int
) -> None:
    """Seeded. An s.d. found from 1,000 runs is off by 2.2 %.

    So an exact formula fails the 7 % for S_2 with probability 0.002 per case, 10 % for S_3 with
    1e-5; the mean over pairs, off by less than 0.5 %, fails its 2 % with 1e-4.
    """
    _, found = runs_of(k, epsilon, m, seed)
    sums = np.array([each.sums[:3] for each in found])
    stated = np.sqrt(np.mean([np.diag(each.covariance)[:3] for each in found], axis=0))
    ratio = stated / sums.std(axis=0)
    assert 0.93 < ratio[1] < 1.07
    assert 0.9 < ratio[2] < 1.1
    above = np.triu_indices(k, 1)
    pairs = np.array([each.pairs[above] for each in found]).std(axis=0)
    pair_sd = np.sqrt(np.mean([each.pair_sd[above] ** 2 for each in found], axis=0))
    assert 0.98 < np.mean(pair_sd / pairs) < 1.02


@pytest.mark.slow
@CASES
def test_intervals_hold_the_true_sums_and_pairs(k: int, epsilon: float, m: int, seed: int) -> None:
    """Seeded. Of 1,000 intervals at 95 % that are exact, fewer than 920 hold with 3e-5."""
    known, found = runs_of(k, epsilon, m, seed)
    pairs, sums = truth(known)
    total = sum(abs(each.total - sums[1]) <= 1.96 * each.total_sd for each in found)
    ends = [each.limits(0.95) for each in found]
    together = sum(bool(np.all((e[..., 0] <= pairs) & (pairs <= e[..., 1]))) for e in ends)
    assert 920 <= total <= 985
    assert together >= 920


@pytest.mark.slow
def test_the_identified_set_from_maps_holds_the_true_union() -> None:
    """Seeded. 300 sets that hold at 95 % cover fewer than 265 times with probability 1e-6."""
    k, m, flips = 8, 2**15, np.full(8, 1 / (1 + math.exp(2)))
    known = people(k, m // 6, (0.3, 0.2, 0.2, 0.15, 0.1, 0.05), np.random.default_rng(8))
    sizes, held, widths = float(known.sum()), 0, []
    for each in simulated(known, flips, 300, m=m, seed=9):
        useful = each.useful()
        values, sds = ({r: pair[i] for r, pair in useful.items()} for i in (0, 1))
        limits = box(values, sds, 0.95, number=3) | {1: (sizes, sizes)}
        low, high = identified_union(k, limits)
        held += low <= len(known) <= high
        widths.append((high - low) / len(known))
    assert held >= 265
    assert np.mean(widths) < 1.0
