"""Every retailer draws the same plan from one section, and no flip costs more than is declared."""

import dataclasses
import hashlib
import json
import math
from collections.abc import Iterator
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, localcontext
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpnotice.bitmap import (
    DRAWS,
    FORMAT,
    KEY_RULES,
    MAX_EPSILON,
    MAX_PART,
    MAX_PLANES,
    MIN_EPSILON,
    Plane,
    Sketch,
    SketchPlan,
    flip_loss,
    log2_bits,
    threshold,
)
from dpnotice.errors import InquiryError, ReleaseError
from dpnotice.inquiry import Inquiry
from dpnotice.segments import Axis
from made.releases import matter

# --- the oracle: e to a rational power, between two rational numbers ----------------------------
TERMS = 80
"""Of the series, at a quarter of the loss or less: what is left out is below 2^80 / 80! < 1e-94."""


def exponential(power: Fraction) -> tuple[Fraction, Fraction]:
    """Return e^power from below and from above, for a power from 0 to 8."""
    x = power / 4
    term = total = Fraction(1)
    for n in range(1, TERMS):
        term *= x / n
        total += term
    rest = 2 * term * x / TERMS  # each further term is less than half of the one before
    return total**4, (total + rest) ** 4


def exact_threshold(epsilon: Decimal) -> int:
    """Return ceil(65536 / (1 + e^epsilon)) in whole numbers."""
    low, high = exponential(Fraction(epsilon))
    most, least = math.ceil(65_536 / (1 + low)), math.ceil(65_536 / (1 + high))
    assert most == least
    return most


def odds(t: int) -> Fraction:
    return Fraction(65_536 - t, t)


def losses(places: int = 2) -> Iterator[Decimal]:
    """The whole range, end to end."""
    unit = Decimal(1).scaleb(-places)
    steps = int((MAX_EPSILON - MIN_EPSILON) / unit)
    return (MIN_EPSILON + unit * step for step in range(steps + 1))


# --- the threshold ------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("epsilon", "t"),
    [("0.25", 28_694), ("0.5", 24_743), ("1", 17_626), ("2", 7_813), ("4", 1_179), ("8", 22)],
)
def test_thresholds_are_those_of_the_method_note(epsilon: str, t: int) -> None:
    assert threshold(Decimal(epsilon)) == t


def test_the_threshold_is_the_least_whole_number_that_is_not_below_the_chance() -> None:
    assert {e: threshold(e) for e in losses()} == {e: exact_threshold(e) for e in losses()}


def test_the_threshold_steps_where_the_loss_of_a_flip_does() -> None:
    """At every fourth t of the range, 10^-15 to either side of the loss that it costs."""
    first, last = threshold(MAX_EPSILON), threshold(MIN_EPSILON) - 1
    off = []
    with localcontext(prec=50):
        for t in range(first, last + 1, 4):
            cost = (Decimal(65_536 - t) / t).ln()
            step = Decimal("1e-15")
            above = cost.quantize(step, ROUND_CEILING)
            below = cost.quantize(step, ROUND_FLOOR)
            if (threshold(above), threshold(below)) != (t, t + 1):
                off.append(t)
    assert last - first > 31_000
    assert off == []


@given(st.decimals(MIN_EPSILON, MAX_EPSILON, allow_nan=False))
def test_a_flip_never_costs_more_than_is_declared(epsilon: Decimal) -> None:
    t = threshold(epsilon)
    assert odds(t) <= exponential(Fraction(epsilon))[0]
    assert flip_loss(t) <= epsilon


def test_over_the_whole_range_no_flip_costs_more_than_is_declared() -> None:
    costs = {epsilon: flip_loss(threshold(epsilon)) for epsilon in losses()}
    assert [epsilon for epsilon, cost in costs.items() if cost > epsilon] == []


def test_over_the_whole_range_one_flip_less_in_65536_would_cost_more() -> None:
    costs = {epsilon: flip_loss(threshold(epsilon) - 1) for epsilon in losses()}
    assert [epsilon for epsilon, cost in costs.items() if cost < epsilon] == []


def test_the_nearest_threshold_overspends() -> None:
    """The planted fault: rounded to the nearest, half of all losses cost more than declared."""
    with localcontext(prec=50):
        nearest = {e: int((65_536 / (1 + e.exp())).to_integral_value()) for e in losses()}
    assert nearest[Decimal("1.00")] == 17_625
    assert round(flip_loss(17_625), 6) == Decimal("1.000027")
    over = [e for e, t in nearest.items() if flip_loss(t) > e]
    assert 0.4 < len(over) / len(nearest) < 0.6


@pytest.mark.parametrize("t", [1, 22, 1_179, 7_813, 17_626, 31_132, 32_767])
def test_the_loss_of_a_flip_is_rounded_up_in_its_last_digits(t: int) -> None:
    loss = Fraction(flip_loss(t))
    assert exponential(loss)[1] >= odds(t)
    assert exponential(loss - Fraction(1, 10**57))[0] < odds(t)


def test_an_even_flip_costs_next_to_nothing() -> None:
    assert 0 <= flip_loss(32_768) < Decimal("1e-57")


@pytest.mark.parametrize("epsilon", ["0", "-1", "0.0999999999999999999999", "8.0000000001", "1e9"])
def test_a_loss_out_of_range_is_refused_in_words(epsilon: str) -> None:
    with pytest.raises(InquiryError) as caught:
        threshold(Decimal(epsilon))
    assert str(caught.value) == (
        f"BAD_BUDGET: a sketch's epsilon lies from 0.1 to 8, got {Decimal(epsilon)}; "
        "below it the bits tell nothing, above it they protect nobody"
    )


@pytest.mark.parametrize("epsilon", ["0.1", "8"])
def test_the_ends_of_the_range_belong_to_it(epsilon: str) -> None:
    assert 0 < threshold(Decimal(epsilon)) < DRAWS // 2


# --- the size -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("expected", "log2"),
    [
        *((1, 12), (682, 12), (965, 12), (966, 13), (178_000, 20), (1_500_000, 23)),
        *((1_977_000, 23), (1_978_000, 24), (15_000_000, 26), (31_634_000, 27), (10**9, 27)),
    ],
)
def test_maps_have_about_six_bits_for_each_expected_buyer(expected: int, log2: int) -> None:
    assert log2_bits(expected) == log2


@given(st.integers(1, 10**9))
def test_the_size_is_the_nearest_power_of_two_by_ratio(expected: int) -> None:
    size = log2_bits(expected)
    wanted = 36 * expected**2  # between 2^(2 size - 1) and 2^(2 size + 1), never at an end
    assert 12 <= size <= 27
    assert size == 12 or wanted > 2 ** (2 * size - 1)
    assert size == 27 or wanted < 2 ** (2 * size + 1)


# --- the layout ---------------------------------------------------------------------------------
LEVELS = ("email+post", "email", "post", "none", "unknown")


def plan(**changes: Any) -> SketchPlan:
    plain: dict[str, Any] = {"epsilon": Decimal(1), "key": "email", "expected_buyers": 100}
    return SketchPlan(**(plain | changes))


@st.composite
def plans(draw: st.DrawFn) -> SketchPlan:
    number = draw(st.integers(0, 5))
    blocks = Axis(name="state", levels=tuple(f"s{i}" for i in range(number))) if number else None
    guesses = st.lists(st.integers(1, 20_000), min_size=number + 1, max_size=number + 1)
    parts = draw(st.sampled_from([0, 2, 3]))
    planes = tuple(Plane(name=f"p{i}", levels=(LEVELS[i],)) for i in range(parts))
    by = tuple(draw(guesses)) if number else ()
    return plan(
        expected_buyers=draw(st.integers(1, 20_000)), blocks=blocks, expected_by=by, planes=planes
    )


def places(made: SketchPlan) -> list[tuple[int, int]]:
    """(first bit, bits) of every map, block by block and in it plane by plane."""
    sized = zip(made.starts, made.log2_bits, strict=True)
    return [(start + (p << log2), 1 << log2) for start, log2 in sized for p in range(made.maps)]


@given(plans())
def test_maps_follow_each_other_without_a_gap(made: SketchPlan) -> None:
    ends = [0]
    for first, bits in places(made):
        assert first == ends[-1]
        ends.append(first + bits)
    assert ends[-1] == 8 * made.bytes


@given(plans())
def test_every_map_begins_and_ends_at_a_word(made: SketchPlan) -> None:
    assert {number % 64 for place in places(made) for number in place} == {0}


@given(plans())
def test_every_block_has_the_size_for_its_guess(made: SketchPlan) -> None:
    guesses = made.expected_by or (made.expected_buyers,)
    assert made.guesses == guesses
    assert made.log2_bits == tuple(log2_bits(guess) for guess in guesses)


@given(plans(), st.randoms(use_true_random=False))
def test_the_words_of_a_map_are_its_own_bits(made: SketchPlan, random: Any) -> None:
    bits = random.randbytes(made.bytes)
    sketch = Sketch(plan=made, key_fingerprint="0" * 16, bits=bits)
    joined = b""
    for block, plane in product(range(len(made.log2_bits)), range(made.maps)):
        words = sketch.words(block, plane)
        assert 64 * words.size == 1 << made.log2_bits[block]
        joined += words.astype("<u8").tobytes()
    assert joined == bits


@pytest.mark.parametrize("place", [0, 1, 7, 8, 63, 64, 4_095])
def test_bit_i_of_a_map_is_bit_i_modulo_64_of_its_word(place: int) -> None:
    bits = bytearray(512)
    bits[place // 8] = 1 << place % 8
    words = Sketch(plan=plan(), key_fingerprint="0" * 16, bits=bytes(bits)).words(0)
    assert np.flatnonzero(words).tolist() == [place // 64]
    assert int(words[place // 64]) == 1 << place % 64


# --- the plan -----------------------------------------------------------------------------------
BLOCKS = Axis(name="state", levels=("CA", "NY"))
PLANES = (Plane(name="a", levels=("email",)), Plane(name="b", levels=("post", "unknown")))
FULL = {"blocks": BLOCKS, "expected_by": (9, 8, 7), "planes": PLANES, "key_fingerprint": "a" * 16}
OTHERS: dict[str, dict[str, Any]] = {
    "key": {"key": "id"},
    "another fingerprint": {"key_fingerprint": "b" * 16},
    "no fingerprint": {"key_fingerprint": None},
    "expected buyers": {"expected_buyers": 101},
    "a guess": {"expected_by": (9, 8, 6)},
    "guesses exchanged": {"expected_by": (8, 9, 7)},
    "another axis": {"blocks": Axis(name="age", levels=("CA", "NY"))},
    "no blocks": {"blocks": None, "expected_by": ()},
    "no planes": {"planes": ()},
    "planes exchanged": {"planes": PLANES[::-1]},
    "a plane's name": {"planes": (dataclasses.replace(PLANES[0], name="c"), PLANES[1])},
    "a plane's levels": {"planes": (dataclasses.replace(PLANES[0], levels=("none",)), PLANES[1])},
}


@pytest.mark.parametrize("epsilon", ["0.1", "0.5", "1.000", "2", "8"])
def test_plans_that_differ_in_their_loss_alone_have_one_id(epsilon: str) -> None:
    assert plan(**FULL, epsilon=Decimal(epsilon)).sketch_id == plan(**FULL).sketch_id


@pytest.mark.parametrize("name", OTHERS)
def test_plans_that_differ_in_anything_else_have_two_ids(name: str) -> None:
    assert plan(**(FULL | OTHERS[name])).sketch_id != plan(**FULL).sketch_id


def test_every_field_but_the_loss_is_in_one_of_these_cases() -> None:
    changed = {field for change in OTHERS.values() for field in change}
    assert changed == {field.name for field in dataclasses.fields(SketchPlan)} - {"epsilon"}


def test_the_id_is_the_digest_of_the_section_in_canonical_form() -> None:
    """Written out, so that a later version of the package gives the same."""
    text = json.dumps(
        {
            "blocks": "state",
            "expected_buyers": 100,
            "expected_by": [9, 8, 7],
            "key": "email",
            "key_fingerprint": "a" * 16,
            "planes": [
                {"levels": ["email"], "name": "a"},
                {"levels": ["post", "unknown"], "name": "b"},
            ],
        },
        separators=(",", ":"),
    )
    assert plan(**FULL).sketch_id == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    "change",
    [
        {"blocks": BLOCKS},
        {"blocks": BLOCKS, "expected_by": (9, 8)},
        {"blocks": BLOCKS, "expected_by": (9, 8, 7, 6)},
        {"blocks": BLOCKS, "expected_by": (9, 8, 0)},
        {"expected_by": (9,)},
        {"expected_buyers": 0},
    ],
)
def test_guesses_that_do_not_fit_the_blocks_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(InquiryError, match="a number of buyers above 0 for every level"):
        plan(**change)


def test_a_plan_checks_its_loss() -> None:
    with pytest.raises(InquiryError, match=r"lies from 0\.1 to 8, got 9"):
        plan(epsilon=Decimal(9))


def test_maps_may_fill_a_release_and_no_more() -> None:
    four = {"blocks": Axis(name="state", levels=("a", "b", "c"))}
    assert plan(**four, expected_by=(10**9,) * 4).bytes == MAX_PART
    with pytest.raises(InquiryError, match="the maps of the sketch take 67,109,376 bytes") as much:
        plan(blocks=Axis(name="state", levels=("a", "b", "c", "d")), expected_by=(*[10**9] * 4, 4))
    assert much.value.code == "DOMAIN_TOO_LARGE"


def test_a_plan_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        plan().epsilon = Decimal(2)  # type: ignore[misc]


@pytest.mark.parametrize(("kind", "rule"), KEY_RULES.items())
def test_a_kind_of_key_has_its_frozen_rule(kind: str, rule: str) -> None:
    assert plan(key=kind).rule == rule == f"{kind}-1"


def test_the_facts_of_a_plan_are_public_figures() -> None:
    assert plan(epsilon=Decimal("1.0")).facts() == {
        "bytes": 512,
        "key": "email",
        "flip": 17_626 / 65_536,
        "keyed": "keyed by the docket's key",
        "epsilon": "1",
    }


# --- the section --------------------------------------------------------------------------------
AXES = {"state": ["CA", "NY"], "contact": ["email+post", "email", "post", "none"]}
SECTION: dict[str, Any] = {"epsilon": "1", "key": "email", "expected_buyers": 1_500_000}
BY = {"blocks": "state", "expected_by": {"CA": 178_000, "NY": 9_000, "unknown": 15_000}}
PARTS = {"planes": {"email": ["email+post", "email"], "other": ["post", "none"]}}
SECTIONS: dict[str, dict[str, Any]] = {
    "least": {},
    "fingerprint": {"key_fingerprint": "0123456789abcdef"},
    "ids": {"key": "id", "epsilon": "0.10"},
    "blocks": BY,
    "planes": PARTS,
    "three planes": {"planes": {"a": ["post"], "b": ["email", "none"], "c": ["email+post"]}},
    "both": BY | PARTS | {"epsilon": "2.5"},
}


def asking(**section: Any) -> Inquiry:
    return matter(axes=AXES, tables=[{"of": []}, {"of": ["state"]}], sketch=SECTION | section)


@pytest.mark.parametrize("name", SECTIONS)
def test_a_section_comes_back_from_its_file(name: str, tmp_path: Path) -> None:
    asked = asking(**SECTIONS[name])
    asked.save(tmp_path / "a.toml")
    read = Inquiry.load(tmp_path / "a.toml")
    assert (read, read.digest) == (asked, asked.digest)
    assert read.sketch == asked.sketch


@pytest.mark.parametrize("name", SECTIONS)
def test_a_section_comes_back_from_a_release(name: str) -> None:
    asked = asking(**SECTIONS[name])
    text = json.dumps(asked.to_dict(), sort_keys=True)
    read = Inquiry.from_dict(json.loads(text))
    assert (read.sketch, read.digest) == (asked.sketch, asked.digest)
    assert json.dumps(read.to_dict(), sort_keys=True) == text


@pytest.mark.parametrize("name", SECTIONS)
def test_the_keyed_table_of_a_section_is_in_the_inquiry(name: str) -> None:
    asked = asking(**SECTIONS[name])
    assert asked.sketch is not None
    blocks = ("state",) if "blocks" in SECTIONS[name] else ()
    assert asked.sketch.keyed_table == (*blocks, "keyed")
    assert asked.sketch.keyed_table in asked.tables
    assert len(asked.tables) == 3


def test_the_keyed_table_is_paid_for_like_the_others() -> None:
    asked = asking(**BY)
    assert {table.weight for table in asked.specs} == {1}
    assert (asked.loss.value, asked.total_loss.value) == (1, 2)


def test_unknown_is_in_the_last_plane_where_none_lists_it() -> None:
    listed = asking(planes={"a": ["unknown", "email"], "b": ["email+post", "post", "none"]}).sketch
    left = asking(**PARTS).sketch
    assert listed is not None
    assert left is not None
    assert listed.planes[0].levels == ("unknown", "email")
    assert left.planes[1].levels == ("post", "none", "unknown")


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a float as loss": ({"epsilon": 1.0}, "the sketch's epsilon must be decimal text above 0"),
    "a loss of no number": ({"epsilon": "one"}, "the sketch's epsilon must be decimal text"),
    "a loss too small": (
        {"epsilon": "0.09"},
        (
            "BAD_BUDGET: a sketch's epsilon lies from 0.1 to 8, got 0.09; below it the bits tell "
            "nothing, above it they protect nobody"
        ),
    ),
    "a loss too great": ({"epsilon": "8.01"}, "a sketch's epsilon lies from 0.1 to 8, got 8.01"),
    "blocks of contact": (
        {"blocks": "contact", "expected_by": [1] * 5},
        (
            "blocks names an axis of the inquiry, and not 'contact', which may differ between "
            "retailers; got 'contact'"
        ),
    ),
    "blocks of no axis": (BY | {"blocks": "county"}, "blocks names an axis of the inquiry"),
    "guesses without blocks": (
        {"expected_by": {"CA": 5}},
        (
            "expected_by gives a number of buyers above 0 for every level of the axis in blocks, "
            "unknown too, and only then; correct it"
        ),
    ),
    "blocks without guesses": ({"blocks": "state"}, "expected_by gives a number of buyers above"),
    "a level without a guess": (BY | {"expected_by": {"CA": 5, "NY": 5}}, "unknown too"),
    "a guess for no level": (
        BY | {"expected_by": {"CA": 5, "NY": 5, "unknown": 5, "TX": 5}},
        "expected_by gives a number of buyers above 0",
    ),
    "a guess of 0": (BY | {"expected_by": [1, 0, 1]}, "expected_by gives a number of buyers above"),
    "one plane": (
        {"planes": {"all": ["email+post", "email", "post", "none"]}},
        (
            f"planes divide the levels of the axis 'contact' among two to {MAX_PLANES} parts, each "
            "level in one; correct them"
        ),
    ),
    "four planes": ({"planes": {level: [level] for level in AXES["contact"]}}, "two to 3 parts"),
    "a level in two planes": (
        {"planes": {"a": ["email+post", "email"], "b": ["email", "post", "none"]}},
        "each level in one",
    ),
    "a level in no plane": ({"planes": {"a": ["email"], "b": ["post"]}}, "each level in one"),
    "a level twice in a plane": (
        {"planes": {"a": ["email", "email", "email+post"], "b": ["post", "none"]}},
        "each level in one",
    ),
    "a plane of nothing": (
        {"planes": {"a": [*AXES["contact"], "unknown"], "b": []}},
        "planes divide the levels",
    ),
    "a key of another kind": ({"key": "phone"}, "'sketch.key' got 'phone'"),
    "nobody expected": ({"expected_buyers": 0}, "'sketch.expected_buyers' got 0"),
    "an exact size": ({"log2_bits": 20}, "'sketch.log2_bits' is no field of this file"),
    "a seed": ({"seed": 7}, "'sketch.seed' is no field of this file"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_section_off_its_rule_is_refused_in_words(name: str) -> None:
    section, words = REFUSED[name]
    with pytest.raises(InquiryError) as caught:
        asking(**section)
    assert words in str(caught.value)


def test_planes_need_the_axis_that_they_divide() -> None:
    with pytest.raises(InquiryError, match="planes divide the levels of the axis 'contact'"):
        matter(sketch=SECTION | PARTS)


# --- the released bitmap ------------------------------------------------------------------------
def sketch(**changes: Any) -> Sketch:
    made = plan(**changes)
    return Sketch(plan=made, key_fingerprint="0123456789abcdef", bits=bytes(made.bytes))


@pytest.mark.parametrize("size", [0, 511, 513])
def test_a_bitmap_of_other_bytes_than_its_plan_is_refused(size: int) -> None:
    with pytest.raises(ReleaseError, match="the sketch does not have the bytes of its plan") as bad:
        Sketch(plan=plan(), key_fingerprint="0" * 16, bits=bytes(size))
    assert bad.value.code == "SKETCH"


def test_words_are_read_only() -> None:
    with pytest.raises(ValueError, match="read-only"):
        sketch().words(0)[0] = 1


def test_a_bitmap_shows_its_size_and_loss() -> None:
    assert repr(sketch()) == "<Sketch of 512 bytes, epsilon 1>"


def test_the_header_states_what_follows_from_the_plan_and_no_figure_of_the_data() -> None:
    assert sketch(**(FULL | {"key_fingerprint": None})).to_dict() == {
        "format": FORMAT,
        "sketch_id": plan(**(FULL | {"key_fingerprint": None})).sketch_id,
        "key_fingerprint": "0123456789abcdef",
        "rule": "email-1",
        "threshold": 17_626,
        "planes": ["a", "b"],
        "blocks": [
            {"level": "CA", "log2_bits": 12},
            {"level": "NY", "log2_bits": 12},
            {"level": "unknown", "log2_bits": 12},
        ],
        "bit_order": "little",
    }


def test_without_blocks_there_is_one_of_all() -> None:
    assert sketch().to_dict()["blocks"] == [{"level": "all", "log2_bits": 12}]


def test_a_released_bitmap_names_its_key() -> None:
    assert sketch().facts()["keyed"] == "keyed by 0123456789abcdef"
