"""What one buyer's bit costs: every value of the random integer, and released bits counted.

The enumerations are exact and cannot fail by chance. The others are exact binomial tests, in which
every bit of a map is a trial of its own; each docstring states the chance of a false alarm.
"""

import hmac
import os
from collections.abc import Callable
from datetime import date
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from scipy import stats

import dpnotice as dn
from dpnotice.bitmap import threshold
from dpnotice.inquiry import Inquiry
from dpnotice.retailer import sketch
from dpnotice.retailer.confidential import ConfidentialCounts
from dpnotice.retailer.sketch import DocketKey, ExactBitmap, flipped
from made.auditing import epsilon_bound
from made.releases import matter

Bits = npt.NDArray[np.uint8]
KEY = bytes(range(32))
EPSILONS = ("0.1", "0.25", "0.5", "1", "2", "3.3", "4", "8")
ALL = np.arange(65_536).astype("<u2")
ALARM = 1e-9
LAGS = (1, 2, 3, 7, 8, 9, 16, 63, 64, 4_096, 2**20)


def asking(epsilon: str = "1", expected: int = 100) -> Inquiry:
    section = {"epsilon": epsilon, "key": "email", "expected_buyers": expected}
    return matter(axes={"state": ["CA"]}, tables=[{"of": []}], sketch=section)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "docket.key").write_bytes(KEY)
    return tmp_path / "docket.key"


@pytest.fixture
def key(path: Path) -> DocketKey:
    return DocketKey(path)


def unpacked(packed: bytes) -> Bits:
    return np.unpackbits(np.frombuffer(packed, np.uint8), bitorder="little")


def exact_of(asked: Inquiry, bits: Bits) -> ExactBitmap:
    assert asked.sketch is not None
    exact = ExactBitmap(asked.sketch)
    exact._bits[:] = np.packbits(bits, bitorder="little")
    return exact


def fed(monkeypatch: pytest.MonkeyPatch, integers: Any) -> None:
    """Let the operating system draw these integers, one after another."""
    left = [integers.astype("<u2").tobytes()]

    def urandom(size: int) -> bytes:
        drawn, left[0] = left[0][:size], left[0][size:]
        assert len(drawn) == size
        return drawn

    monkeypatch.setattr(os, "urandom", urandom)


def released(asked: Inquiry, bits: Bits, key: DocketKey) -> Bits:
    return unpacked(flipped(asked, exact_of(asked, bits), key).bits)


# --- every value of the random integer ----------------------------------------------------------
@pytest.mark.parametrize("epsilon", EPSILONS)
def test_the_odds_of_each_output_are_exactly_those_of_t(
    epsilon: str, key: DocketKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """65,536 bits of one value, each with another integer: said 1 or 0 for a true 0 and 1."""
    asked = asking(epsilon, expected=11_000)
    t = threshold(Decimal(epsilon))
    said = {}
    for true in (0, 1):
        fed(monkeypatch, ALL)
        ones = int(released(asked, np.full(65_536, true, np.uint8), key).sum())
        said[true] = {1: ones, 0: 65_536 - ones}
    assert said == {0: {1: t, 0: 65_536 - t}, 1: {1: 65_536 - t, 0: t}}
    with localcontext(prec=60):
        ratios = [Decimal(said[1][o]) / said[0][o] for o in (0, 1)]
        assert max(abs(ratio.ln()) for ratio in ratios) <= Decimal(epsilon)


@pytest.mark.parametrize(
    ("epsilon", "place"), [*(("1", n) for n in range(8)), ("0.1", 0), ("4", 5), ("8", 7)]
)
def test_one_bit_is_flipped_by_t_of_all_65536_integers(
    epsilon: str, place: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At each place of a byte, while the other seven are never flipped."""
    t, column = threshold(Decimal(epsilon)), np.full(8, 65_535, "<u2")
    found = []
    for integer in range(65_536):
        column[place] = integer
        drawn = column.tobytes()
        monkeypatch.setattr(os, "urandom", lambda size, drawn=drawn: drawn[:size])
        if (flips := int(sketch._flips(t, 1)[0])) != 0:
            found.append((integer, flips))
    assert found == [(integer, 1 << place) for integer in range(t)]


@pytest.mark.parametrize("shift", [1, 7, 8, 4_095, 32_768, 50_001])
def test_the_integers_of_a_bit_are_its_own(
    shift: int, key: DocketKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = asking(expected=11_000)
    fed(monkeypatch, np.roll(ALL, shift))
    found = released(asked, np.zeros(65_536, np.uint8), key)
    assert np.array_equal(found, np.roll(ALL, shift) < 17_626)


def test_whatever_is_drawn_neighbours_differ_in_the_bit_of_one_buyer_alone(
    key: DocketKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No flip looks at the data: under the same integers the outputs differ where inputs do."""
    asked = asking()
    rng = np.random.default_rng()
    for place in (0, 1, 7, 8, 63, 64, 2_000, 4_095):
        bits = rng.integers(0, 2, 4_096, dtype=np.uint8)
        other = bits.copy()
        other[place] ^= 1
        integers = rng.integers(0, 65_536, 4_096)
        outputs = []
        for each in (bits, other):
            fed(monkeypatch, integers)
            outputs.append(released(asked, each, key))
        assert np.flatnonzero(outputs[0] != outputs[1]).tolist() == [place]


# --- fresh randomness ---------------------------------------------------------------------------
def rarity(times: int, trials: int, chance: float) -> float:
    """Two-sided p-value of an exact binomial test: at most x with a chance of at most x."""
    law = stats.binom(trials, chance)
    return min(1.0, 2 * float(min(law.cdf(times), law.sf(times - 1))))


def fresh(key: DocketKey, true: int | None = None) -> Bits:
    """Flips of 2^23 bits: a map of ones, of zeros, or of both by chance."""
    asked = asking(expected=1_500_000)
    some = np.random.default_rng().integers(0, 2, 2**23, dtype=np.uint8)
    bits = some if true is None else np.full(2**23, true, np.uint8)
    return released(asked, bits, key) ^ bits


CHANCE = 17_626 / 65_536


@pytest.mark.parametrize("true", [0, 1, None])
def test_as_many_bits_are_flipped_as_chance_says(true: int | None, key: DocketKey) -> None:
    """False alarm: 1e-9 each."""
    assert rarity(int(fresh(key, true).sum()), 2**23, CHANCE) > ALARM


def test_a_flip_too_many_in_a_hundred_would_be_seen() -> None:
    """The planted fault: its chance of being missed is below 1e-9, by the exact law."""
    more = stats.binom(2**23, CHANCE * 1.01)
    edge = stats.binom(2**23, CHANCE).isf(ALARM / 2)
    assert more.cdf(edge) < ALARM


def places_off(flips: Bits) -> list[int]:
    """Places of a byte at which other than the due number of bits is flipped."""
    counts = flips.reshape(-1, 8).sum(axis=0, dtype=np.int64)
    return [i for i in range(8) if rarity(int(counts[i]), len(flips) // 8, CHANCE) <= ALARM / 8]


def lags_off(flips: Bits) -> list[int]:
    """Distances at which two flips come about together other than by chance.

    Pairs are disjoint, so each is a trial of its own.
    """
    off = []
    for lag in LAGS:
        pairs = flips[: len(flips) // (2 * lag) * 2 * lag].reshape(-1, 2, lag)
        both = int((pairs[:, 0] & pairs[:, 1]).sum(dtype=np.int64))
        if rarity(both, pairs.size // 2, CHANCE**2) <= ALARM / len(LAGS):
            off.append(lag)
    return off


def test_every_place_of_a_byte_is_flipped_alike(key: DocketKey) -> None:
    """False alarm: 1e-9, of all eight together."""
    assert places_off(fresh(key)) == []


def test_two_bits_are_flipped_independently(key: DocketKey) -> None:
    """False alarm: 1e-9, of all distances together; one is that between two chunks."""
    assert lags_off(fresh(key)) == []


def _bytes_shared(size: int) -> bytes:
    """Two bits share one integer."""
    halves = np.frombuffer(_plain(size // 2), "<u2")
    return np.repeat(halves, 2).tobytes()


def _repeated(size: int) -> bytes:
    """Every chunk is the same."""
    return _KEPT.setdefault(size, _plain(size))


def _low_byte_of_the_last(size: int) -> bytes:
    """The eighth integer of a byte is a small one."""
    drawn = np.frombuffer(_plain(size), "<u2").copy()
    drawn[7::8] &= 0x7FFF
    return drawn.tobytes()


_plain = os.urandom
_KEPT: dict[int, bytes] = {}


@pytest.mark.parametrize(
    ("draw", "lag"), [(_bytes_shared, 1), (_repeated, 2**20)], ids=["shared", "repeated"]
)
def test_flips_that_hang_together_would_be_seen(
    draw: Callable[[int], bytes], lag: int, key: DocketKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted fault."""
    monkeypatch.setattr(os, "urandom", draw)
    assert lag in lags_off(fresh(key))


def test_a_place_flipped_more_often_would_be_seen(
    key: DocketKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted fault."""
    monkeypatch.setattr(os, "urandom", _low_byte_of_the_last)
    assert places_off(fresh(key)) == [7]


# --- whole answers ------------------------------------------------------------------------------
def sales(number: int) -> pa.Table:
    """So many buyers, each with a person key of their own."""
    return pa.table(
        {
            "id": [f"b{n}" for n in range(number)],
            "sku": ["p"] * number,
            "day": pa.array([date(2020, 3, 1)] * number, pa.date32()),
            "st": ["CA"] * number,
            "mail": [f"a{n}@x.org" for n in range(number)],
        }
    )


def purchases(source: pa.Table) -> dn.Purchases:
    axes = {"state": "st"}
    return dn.Purchases(source, buyer="id", product="sku", date="day", axes=axes, person="mail")


def place(n: int, log2: int) -> int:
    digest = hmac.digest(KEY, f"email-1\0a{n}@x.org".encode(), "sha256")
    return int.from_bytes(digest[:8], "big") >> (64 - log2)


def one_answer(asked: Inquiry, source: pa.Table, path: Path, name: str) -> Bits:
    ledger = dn.Ledger.create(path.with_name(f"{name}.ledger"), epsilon_cap="9")
    release = dn.answer(asked, purchases(source), retailer="shop", ledger=ledger, sketch_key=path)
    release.save(path.with_name(f"{name}.release"))
    read = dn.Release.load(path.with_name(f"{name}.release"))
    assert read.sketch is not None
    return unpacked(read.sketch.bits)


BUYERS, LOG2 = 60_000, 17


@pytest.mark.parametrize("epsilon", ["0.5", "1", "2"])
def test_the_bits_of_many_buyers_cost_epsilon_and_no_more(epsilon: str, path: Path) -> None:
    """Each buyer's bit is a trial. False alarm: 2e-7 at the upper end, below 1e-9 at the lower."""
    asked = asking(epsilon, expected=22_000)
    rows = sales(BUYERS)
    places = sorted({place(n, LOG2) for n in range(BUYERS)})
    full = one_answer(asked, rows, path, "full")[places]
    none = one_answer(asked, rows.slice(0, 0), path, "none")[places]
    ones, zeros = (int(full.sum()), int(none.sum())), (int((1 - full).sum()), int((1 - none).sum()))
    found = epsilon_bound({1: ones, 0: zeros}, len(places), 2e-7)
    assert 0.8 * float(epsilon) <= found <= float(epsilon)


def test_a_flip_that_costs_ten_percent_more_would_be_seen(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted fault. It is missed with a chance below 1e-6: the bound is five s.d. away."""
    monkeypatch.setattr(sketch, "_flips", lambda _, left: _FLIPS(threshold(Decimal("1.1")), left))
    asked, rows = asking(expected=22_000), sales(BUYERS)
    places = sorted({place(n, LOG2) for n in range(BUYERS)})
    full = one_answer(asked, rows, path, "full")[places]
    none = one_answer(asked, rows.slice(0, 0), path, "none")[places]
    events = {v: (int((full == v).sum()), int((none == v).sum())) for v in (0, 1)}
    assert epsilon_bound(events, len(places), 2e-7) > 1


_FLIPS = sketch._flips


TRIALS = 600


class Repeated:
    """One shop answered again and again: counted once by the library, drawn anew each time."""

    def __init__(self, asked: Inquiry, source: pa.Table, path: Path) -> None:
        self.asked, self.path = asked, path
        self.purchases = purchases(source)
        counts, exact = sketch.take(asked, self.purchases, DocketKey(path))
        self.tables, self.bits = dict(counts._tables), unpacked(exact._bits.tobytes())

    def take(self, *_: object) -> tuple[ConfidentialCounts, ExactBitmap]:
        copies = {of: counts.copy() for of, counts in self.tables.items()}
        return ConfidentialCounts(copies), exact_of(self.asked, self.bits)

    def flips(self, trials: int, name: str, monkeypatch: pytest.MonkeyPatch) -> Bits:
        """(trials, bits) whether each released bit is another than the exact one."""
        monkeypatch.setattr(sketch, "take", self.take)
        ledger = dn.Ledger.create(self.path.with_name(f"{name}.ledger"), epsilon_cap="100000")
        found = []
        for trial in range(trials):
            release = dn.answer(
                self.asked,
                self.purchases,
                retailer="shop",
                ledger=ledger,
                sketch_key=self.path,
                new_attempt="another trial" if trial else None,
            )
            assert (release.sketch is not None, release.attempt) == (True, trial)
            found.append(unpacked(release.sketch.bits) ^ self.bits)  # type: ignore[union-attr]
        return np.array(found)


def neighbours(trials: int, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Answer two shops that differ by one buyer, and compare the law of every bit."""
    asked, rows = asking(), sales(40)
    shops = [Repeated(asked, source, path) for source in (rows, rows.slice(0, 39))]
    (own,) = np.flatnonzero(shops[0].bits != shops[1].bits).tolist()
    assert own == place(39, 12)
    flips = [s.flips(trials, str(n), monkeypatch) for n, s in enumerate(shops)]
    said = [int(f[:, own].sum()) for f in flips]
    ones = trials - said[0], said[1]  # the bit is set in the first shop alone
    zeros = said[0], trials - said[1]
    assert epsilon_bound({1: ones, 0: zeros}, trials, ALARM) <= 1
    for each in flips:
        others = np.delete(each, own, axis=1)
        assert rarity(int(others.sum(dtype=np.int64)), others.size, CHANCE) > ALARM
        assert rarity(int(each[:, own].sum()), trials, CHANCE) > ALARM
        by_bit = each.sum(axis=0, dtype=np.int64)
        rarest = min(rarity(int(count), trials, CHANCE) for count in set(by_bit.tolist()))
        assert rarest > ALARM / by_bit.size


def test_one_buyer_changes_the_law_of_one_bit_and_no_other(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """False alarm: below 1e-8, of seven tests at 1e-9 each."""
    neighbours(40, path, monkeypatch)


@pytest.mark.slow
def test_one_buyer_changes_the_odds_of_one_bit_by_no_more_than_e_to_the_epsilon(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """False alarm: below 1e-8, of seven tests at 1e-9 each."""
    neighbours(TRIALS, path, monkeypatch)


def test_an_epsilon_of_2_for_1_would_be_seen_in_as_many_answers() -> None:
    """The planted fault, at the counts expected of it."""
    unlikely = round(TRIALS * threshold(Decimal(2)) / 65_536)
    events = {1: (TRIALS - unlikely, unlikely), 0: (unlikely, TRIALS - unlikely)}
    assert epsilon_bound(events, TRIALS, ALARM) > 1.2
