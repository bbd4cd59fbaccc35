"""Faults that a mutation tool leaves out: limits, patterns, fields of models, properties.

In: the border's own source with one edit. Out: the named test of the repository fails; without the
edit it passes. Left out are the edits that change nothing that can be seen, with their reasons:

* `hide_input_in_errors`, off: the text of pydantic's error is never shown.
* The date's digits in ASCII alone: `date.fromisoformat` refuses others, with the same code.
* `_STRING` without its possessive marks: slower and larger, with the same answers.
* SMOOTH_GAUSSIAN at 1.5 or 3: the moments agree to the last digit of a float; WIDE_GAUSSIAN at
  100,000 and 40 scales in `_far`: the same figures, or one person less, in more time.
* `repr=False` of `Release`: a class that has a `__repr__` keeps it.
"""

from collections.abc import Iterator
from typing import Final

import pytest

from made.faults import Faults, noticed, passes
from made.header_faults import HEADER

CONTAINER: Faults = {
    "test_container.py::test_the_layout_is_the_documented_one": [
        ('b"dpnotice release 1\\n"', ['b"dpnotice release 2\\n"']),
    ],
    "test_container.py::test_the_limits_are_the_documented_ones": [
        ("MAX_FILE: Final = 96", ["MAX_FILE: Final = 95", "MAX_FILE: Final = 960"]),
        ("MAX_FILE: Final = 96 * 2**20", ["MAX_FILE: Final = 96 * 2**20 + 1"]),
        ("MAX_DEPTH: Final = 8", ["MAX_DEPTH: Final = 9", "MAX_DEPTH: Final = 7"]),
        (
            "MAX_NODES: Final = 2**13",
            [
                "MAX_NODES: Final = 2**13 + 1",
                "MAX_NODES: Final = 2**13 - 1",
                "MAX_NODES: Final = 2**20",
            ],
        ),
        ("MAX_JSON_CELLS + MAX_NODES", ["MAX_JSON_CELLS + MAX_NODES + 1", "MAX_JSON_CELLS"]),
        ("MAX_LEVELS + 2**16", ["MAX_LEVELS + 2**16 + 1", "MAX_LEVELS", "MAX_LEVELS + 2**24"]),
    ],
    "test_container.py::test_a_refusal_says_what_is_wrong": [
        ("_INTEGER_TEXT: Final = 17", ["_INTEGER_TEXT: Final = 18"]),
    ],
    "test_container.py::test_an_integer_of_17_characters_is_read": [
        ("_INTEGER_TEXT: Final = 17", ["_INTEGER_TEXT: Final = 16"]),
    ],
    "test_container.py::test_an_unsigned_file_has_no_signature": [
        ('len(b"sha256 \\n") + 64', ['len(b"sha256 \\n") + 63']),
    ],
    "test_container.py::test_a_signed_file_says_the_same_and_who_signed": [
        ("44 + 88", ["44 + 87", "44 + 89"]),
        ("[A-Za-z0-9+/]{43}=", ["[A-Za-z0-9+/]{44}"]),
    ],
    "test_container.py::test_a_text_without_an_end_is_passed_once": [
        ('rb\'"[^"\\\\]*+(?:\\\\.[^"\\\\]*+)*+(?:"|\\\\?\\Z)\'', ['rb\'"[^"]*+(?:"|\\\\?\\Z)\'']),
        ("(?:\"|\\\\?\\Z)'", ["\"'", "(?:\"|\\Z)'"]),
        ("\\Z)', re.DOTALL)", ["\\Z)')"]),
    ],
    "test_container.py::test_every_flipped_bit_of_a_signed_file_is_refused_or_another_signature": [
        ('rb"ed25519 ([A', ['rb"(?i:ed25519) ([A']),
        ("[A-Za-z0-9+/]{43}=", [".{43}="]),
        ("[A-Za-z0-9+/]{86}==", [".{86}=="]),
        ('==)\\n")', ['==)\\s")']),
    ],
    "test_container.py::test_a_signature_written_otherwise_is_refused": [
        ("[A-Za-z0-9+/]{43}=", ["[A-Za-z0-9+/_-]{43}="]),
        ("[A-Za-z0-9+/]{86}==", ["[A-Za-z0-9+/=]{88}", "[A-Za-z0-9+/_-]{86}=="]),
        ("=) ([A-Z", ["=)\\s([A-Z"]),
    ],
}

SIGNATURE: Faults = {
    "test_release.py::test_a_good_file_is_written_back_byte_for_byte": [
        (
            '_TAG: Final = b"dpnotice release 1\\0"',
            ['_TAG: Final = b""', '_TAG: Final = b"dpnotice release 1"'],
        ),
    ],
    "test_signature.py::test_public_keys_are_those_of_the_standard": [
        ("_KEY_BYTES: Final = 10_000", ["_KEY_BYTES: Final = 100"]),
    ],
    "test_signature.py::test_what_holds_no_private_key_of_ed25519_is_refused": [
        ("_KEY_BYTES: Final = 10_000", ["_KEY_BYTES: Final = -1"]),
    ],
}

PRIVACY: Faults = {
    "test_privacy.py::test_billionths_are_exact_and_what_is_finer_is_rounded_up": [
        ("NANO: Final = 10**9", ["NANO: Final = 10**8"]),
        (
            "math.ceil(Fraction(self.value) * NANO)",
            [
                "int(self.value) * NANO",
                "int(float(self.value) * NANO)",
                "math.floor(Fraction(self.value) * NANO)",
                "math.ceil(Fraction(self.value) * NANO) + 1",
            ],
        ),
    ],
    "test_privacy.py::test_a_scale_must_be_finite_and_positive": [
        ("MIN_SCALE: Final = 0.01", ["MIN_SCALE: Final = 0.0099"]),
    ],
    "test_privacy.py::test_gaussian_noise_that_is_always_0_has_a_kurtosis_of_0": [
        ("MIN_SCALE: Final = 0.01", ["MIN_SCALE: Final = 0.011"]),
        ("- 3 if self.variance else 0.0", ["- 3", "- 3 if self.variance else 1.0"]),
    ],
    "test_privacy.py::test_the_next_scale_beyond_either_end_is_refused": [
        ("MAX_SCALE: Final = 2.0**47", ["MAX_SCALE: Final = 2.0**48"]),
    ],
    "test_privacy.py::test_the_least_and_the_largest_scale_are_noise": [
        ("MAX_SCALE: Final = 2.0**47", ["MAX_SCALE: Final = 2.0**46"]),
    ],
    "test_privacy.py::test_variance_is_that_of_the_summed_law": [
        ("SMOOTH_GAUSSIAN: Final = 2.0", ["SMOOTH_GAUSSIAN: Final = 1.0"]),
        ("self.law == NoiseLaw.DISCRETE_LAPLACE", ["self.law != NoiseLaw.DISCRETE_LAPLACE"]),
        ("half = 0.5 / self.scale", ["half = 1 / self.scale"]),
        (
            "return 0.5 / math.sinh(half) ** 2",
            [
                "return 1 / math.sinh(half) ** 2",
                "return 2 * self.scale**2",
                "return 0.5 / math.sinh(half)",
                "return 0.5 / math.cosh(half) ** 2",
            ],
        ),
        ("return self.scale**2", ["return self.scale"]),
        (
            "if self.scale >= SMOOTH_GAUSSIAN:\n            return self.scale",
            ["if self.scale < SMOOTH_GAUSSIAN:\n            return self.scale"],
        ),
        ("return self._gaussian_moment(2)", ["return self.scale**2"]),
        ("math.sqrt(self.variance)", ["self.variance"]),
        (
            "math.ceil(20 * self.scale) + 2",
            ["math.ceil(2 * self.scale) + 2", "math.ceil(5 * self.scale) + 2"],
        ),
    ],
    "test_privacy.py::test_half_width_is_the_smallest_that_holds_the_level": [
        (
            "WIDE_GAUSSIAN: Final = 500.0",
            ["WIDE_GAUSSIAN: Final = 499.0", "WIDE_GAUSSIAN: Final = 100.0"],
        ),
    ],
    "test_privacy.py::test_anything_but_positive_decimal_text_is_refused": [
        (
            'r"[0-9]{1,9}(\\.[0-9]{1,9})?"',
            [
                'r"\\d{1,9}(\\.[0-9]{1,9})?"',
                'r"[0-9]{1,10}(\\.[0-9]{1,9})?"',
                'r"[0-9]{0,9}(\\.[0-9]{1,9})?"',
                'r"[0-9]{1,9}(\\.[0-9]{1,10})?"',
                'r"[0-9]{1,9}(\\.[0-9]{0,9})?"',
                'r"[0-9]{1,9}(.[0-9]{1,9})?"',
            ],
        ),
    ],
    "test_privacy.py::test_decimal_text_may_have_nine_digits_on_either_side": [
        (
            'r"[0-9]{1,9}(\\.[0-9]{1,9})?"',
            ['r"[0-9]{1,8}(\\.[0-9]{1,9})?"', 'r"[0-9]{1,9}(\\.[0-9]{1,8})?"'],
        ),
    ],
    "test_privacy.py::test_only_published_laws_are_known": [
        ('"discrete-laplace"', ['"laplace"']),
    ],
    "test_release.py::test_a_good_file_is_written_back_byte_for_byte": [
        ('BUYER = "buyer"', ['BUYER = "household"']),
    ],
    "test_privacy.py::test_a_loss_knows_its_measure": [
        (
            'return "epsilon" if self.rho is None else "rho"',
            ['return "epsilon"', 'return "rho" if self.rho is None else "epsilon"'],
        ),
        ("value = self.epsilon if self.rho is None else self.rho", ["value = self.epsilon"]),
    ],
    "test_privacy.py::test_a_loss_checks_its_value": [
        (
            "value = self.epsilon if self.rho is None else self.rho",
            ["value = self.epsilon or self.rho or Decimal(1)"],
        ),
    ],
    "test_privacy.py::test_gaussian_loss_is_exact": [
        ("scale = Fraction(self.scale)", ["scale = Fraction(round(self.scale))"]),
        ("else 1 / (2 * scale * scale)", ["else 1 / (scale * scale)", "else 1 / (2 * scale)"]),
    ],
    "test_privacy.py::test_laplace_loss_is_the_exact_inverse_of_the_scale": [
        ("return 1 / scale if self.is_laplace", ["return scale if self.is_laplace"]),
    ],
    "test_privacy.py::test_kurtosis_is_that_of_the_summed_law": [
        ("return 3 + 1 / self.variance", ["return 3.0", "return 3 - 1 / self.variance"]),
        (
            "if self.scale >= SMOOTH_GAUSSIAN:\n            return 0.0",
            [
                "if self.scale < SMOOTH_GAUSSIAN:\n            return 0.0",
                "if self.scale >= SMOOTH_GAUSSIAN:\n            return 1.0",
            ],
        ),
        ("/ self.variance**2 - 3 if", ["/ self.variance**2 if", "/ self.variance - 3 if"]),
        ("math.ceil(20 * self.scale) + 2", ["math.ceil(20 * self.scale)"]),
    ],
    "test_release.py::test_a_whole_number_as_scale_is_read_back": [
        ('object.__setattr__(self, "scale", float(self.scale))', ["pass"]),
    ],
}

LAYOUT: Faults = {
    "test_release.py::"
    "test_more_raw_bytes_than_a_million_cells_and_the_largest_sketch_are_refused": [
        ("_MOST_RAW: Final = 8 * MAX", ["_MOST_RAW: Final = 80 * MAX"]),
        ("MAX_RELEASED_CELLS + MAX_PART", ["MAX_RELEASED_CELLS + MAX_PART + 1"]),
    ],
    "test_release.py::test_the_raw_bytes_of_a_million_cells_and_the_largest_sketch_are_looked_at": [
        (
            "MAX_RELEASED_CELLS + MAX_PART",
            ["MAX_RELEASED_CELLS", "MAX_RELEASED_CELLS + MAX_PART - 1"],
        ),
    ],
    "test_layout.py::test_counts_are_read_only": [
        ("counts.flags.writeable = False", ["pass"]),
    ],
    "test_layout.py::test_a_table_keeps_its_own_counts": [
        (
            "np.array(self.counts, dtype=np.int64)\n        counts.flags",
            ["np.asarray(self.counts, dtype=np.int64)\n        counts.flags"],
        ),
    ],
    "test_layout.py::test_counts_of_any_kind_of_number_become_integers_of_64_bits": [
        (
            "np.array(self.counts, dtype=np.int64)\n        counts.flags",
            ["np.array(self.counts)\n        counts.flags"],
        ),
    ],
    "test_layout.py::test_a_count_alone_has_no_axis": [
        ('object.__setattr__(self, "counts", counts)', ["pass"]),
    ],
    "test_layout.py::test_a_table_is_frozen": [
        (
            "@dataclass(frozen=True, slots=True, kw_only=True, eq=False)\nclass NoisyTable",
            ["@dataclass(slots=True, kw_only=True, eq=False)\nclass NoisyTable"],
        ),
    ],
    "test_layout.py::test_few_counts_have_no_part": [
        ("for table in listed) > MAX_JSON_CELLS", ["for table in listed) >= MAX_JSON_CELLS"]),
    ],
    "test_layout.py::test_many_counts_are_a_part_of_eight_bytes_each": [
        ('parts["tables"] = b""', ['parts["counts"] = b""']),
        ('counts.astype("<i8")', ['counts.astype(">i8")', 'counts.astype("<u4")']),
        ("for table in listed) > MAX_JSON_CELLS", ["for table in listed) > MAX_JSON_CELLS + 1"]),
    ],
    "test_layout.py::test_a_bitmap_is_a_part_however_few_its_bits": [
        ("    if sketch is not None:\n        parts", ["    if sketch is None:\n        parts"]),
    ],
    "test_layout.py::test_a_table_is_told_with_its_noise_and_its_counts_in_order": [
        ("repr(table.noise.scale)", ["str(round(table.noise.scale))"]),
        ("table.counts.ravel()", ["table.counts.T.ravel()"]),
    ],
    "test_layout.py::test_caveats_go_with_the_sketch": [
        ("[SKETCH_CAVEAT] if inquiry.sketch else []", ["[SKETCH_CAVEAT]", "[]"]),
        ("if header.caveats != caveats(inquiry):", ["if False:"]),
    ],
    "test_layout.py::test_other_bytes_than_the_plan_has_are_refused_however_they_are_stated": [
        ("    if end < 0:", ["    if False:"]),
    ],
    "test_layout.py::test_parts_are_stated_in_one_way": [
        ("if header.parts != stated:", ["if False:", "if len(header.parts) != len(stated):"]),
        ("in parts.items() if part]", ["in parts.items()]"]),
    ],
    "test_layout.py::test_the_sketch_is_there_where_it_is_asked_and_only_there": [
        ("if (stated is None) != (inquiry.sketch is None):", ["if False:"]),
    ],
    "test_layout.py::test_what_is_said_of_a_sketch_follows_from_the_inquiry": [
        ("if found.to_dict() != stated.model_dump():", ["if False:"]),
    ],
    "test_layout.py::test_the_bits_are_kept_apart_from_what_they_were_read_from": [
        ("bits=bytes(bits))", ["bits=bits)"]),
    ],
    "test_layout.py::"
    "test_more_raw_bytes_than_any_release_has_are_refused_before_they_are_digested": [
        ("if len(raw) > _MOST_RAW:", ["if False:"]),
    ],
    "test_release.py::test_a_bad_raw_part_is_refused": [
        ("if bool(inside) == bool(raw):", ["if False:"]),
        ("(raw and len(raw) != 8 * sum(sizes))", ["(raw and len(raw) > 8 * sum(sizes))"]),
    ],
    "test_release.py::test_few_cells_may_not_travel_as_a_raw_part": [
        ("if (sum(sizes) > MAX_JSON_CELLS) != bool(raw):", ["if False:"]),
    ],
}

RELEASE: Faults = {
    "test_release.py::test_the_card_tells_what_becomes_of_beliefs_of_10_and_50_percent": [
        ("(0.1, 0.5)", ["(0.1, 0.4)", "(0.2, 0.5)"]),
    ],
    "test_release.py::test_the_card_says_what_is_left_when_given_the_ledger": [
        ("(0.1, 0.5)", ["(0.1,)"]),
    ],
    "test_release.py::test_a_release_is_frozen": [
        ("MappingProxyType(dict(self.tables))", ["dict(self.tables)"]),
        ("MappingProxyType(dict(self.versions))", ["dict(self.versions)"]),
        (
            "frozen=True, slots=True, kw_only=True, eq=False, repr",
            ["frozen=False, slots=True, kw_only=True, eq=False, repr"],
        ),
    ],
    "test_release.py::test_a_release_keeps_its_own_tables_and_versions": [
        ("MappingProxyType(dict(self.tables))", ["MappingProxyType(self.tables)"]),
        ("MappingProxyType(dict(self.versions))", ["MappingProxyType(self.versions)"]),
    ],
    "test_release.py::test_ids_are_compared_as_they_are_unless_another_rule_is_stated": [
        ('ids: str = "as_is"', ['ids: str = "trim"']),
    ],
    "test_release.py::test_under_rho_there_is_no_epsilon": [
        ("return self.inquiry.total_loss.epsilon", ["return self.inquiry.total_loss.value"]),
        ("return self.inquiry.total_loss.rho", ["return None"]),
    ],
    "test_release.py::test_a_good_file_holds_what_was_put_in": [
        ("return self.inquiry.total_loss.epsilon", ["return None"]),
        ("return self.inquiry.total_loss.rho", ["return self.inquiry.total_loss.value"]),
    ],
    "test_release.py::test_the_loss_of_a_file_is_that_of_tables_and_sketch": [
        ("return self.inquiry.total_loss.epsilon", ["return self.inquiry.loss.epsilon"]),
        ("return self.inquiry.total_loss.rho", ["return self.inquiry.loss.rho"]),
    ],
    "test_release.py::test_a_release_that_nobody_asked_a_sketch_of_takes_none": [
        ("if plan != self.inquiry.sketch:", ["if False:"]),
        ("        self._check_sketch()", ["        pass"]),
    ],
    "test_release.py::test_a_release_checks_the_key_of_its_sketch": [
        ("stated not in {None, self.sketch.key_fingerprint}", ["stated is None"]),
    ],
    "test_release.py::test_a_good_file_is_written_back_byte_for_byte": [
        ('header["sketch"] = self.sketch.to_dict()', ["pass"]),
        ("if self.sketch is not None:\n            header", ["if True:\n            header"]),
        ('b"".join(parts.values())', ['parts.get("tables", b"")']),
    ],
    "test_release.py::test_the_card_tells_what_becomes_of_beliefs_after_tables_and_sketch": [
        (
            "            return float(self.epsilon)",
            ["            return float(self.inquiry.loss.value)"],
        ),
    ],
    "test_release.py::test_under_rho_the_card_tells_the_smaller_epsilon_of_the_two_that_hold": [
        ("apart = 0.0 if sketch is None else float(sketch.epsilon)", ["apart = 0.0"]),
        ("min(epsilon_of_rho(all_of_it", ["max(epsilon_of_rho(all_of_it"]),
    ],
    "test_release.py::test_the_digest_is_that_of_the_bytes_above_it": [
        (
            "container.digest_of(self._unsigned())",
            ["container.digest_of(self.to_bytes())", "self.ledger_head", "self.inquiry.digest"],
        ),
    ],
}

ZCDP: Faults = {
    "test_zcdp.py::test_the_rho_of_epsilon_one_is_the_documented_one": [
        ('DELTA: Final = Decimal("0.000001")', ['DELTA: Final = Decimal("0.00001")']),
        ("prec=4", ["prec=5"]),
    ],
    "test_zcdp.py::test_the_rho_agrees_with_direct_minimisation": [
        ("prec=4", ["prec=3"]),
        ("prec=4, rounding=ROUND_DOWN", ["prec=4"]),
    ],
    "test_zcdp.py::test_a_rho_below_a_billionth_is_refused": [
        (
            '_NANO: Final = Decimal("0.000000001")',
            ['_NANO: Final = Decimal("0.0000000001")', '_NANO: Final = Decimal("0.00000001")'],
        ),
    ],
}
ALL: Final[dict[str, Faults]] = {
    "header": HEADER,
    "container": CONTAINER,
    "signature": SIGNATURE,
    "privacy": PRIVACY,
    "layout": LAYOUT,
    "release": RELEASE,
    "zcdp": ZCDP,
}


def faults() -> Iterator[tuple[str, str, str, str]]:
    for module, tests in ALL.items():
        for test, edits in tests.items():
            for old, others in edits:
                yield from ((module, old, new, test) for new in others)


@pytest.mark.parametrize("test", sorted({test for *_, test in faults()}))
def test_without_a_fault_the_test_passes(test: str) -> None:
    assert passes(test)


@pytest.mark.parametrize(("module", "old", "new", "test"), list(faults()))
def test_a_fault_is_noticed_by_the_test_named_for_it(
    module: str, old: str, new: str, test: str
) -> None:
    assert noticed(module, old, new, test)


def test_words_that_are_not_in_the_source_are_no_fault() -> None:
    with pytest.raises(ValueError, match="not once in header: ge=7"):
        noticed("header", "ge=7", "ge=8", "test_header.py::test_a_header_is_frozen")
