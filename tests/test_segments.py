from decimal import Decimal

import pytest

from dpnotice.errors import InquiryError
from dpnotice.segments import MAX_LEVELS, RESERVED, Axis, Table


# --- axes, tables, sizes -------------------------------------------------------------------
def test_unknown_is_added_last() -> None:
    assert Axis(name="state", levels=("CA",)).levels == ("CA", "unknown")


def test_unknown_moves_to_the_end() -> None:
    assert Axis(name="state", levels=("unknown", "CA")).levels == ("CA", "unknown")


def test_an_axis_is_as_long_as_its_levels() -> None:
    assert len(Axis(name="state", levels=("CA", "NY"))) == 3


@pytest.mark.parametrize(
    "name", [*sorted(RESERVED), "State", "1st", "", "a b", "é", "a" * 33, "a\n"]
)
def test_an_axis_name_is_a_lower_case_word_and_no_result_column(name: str) -> None:
    words = "an axis name is a lower-case word that is no result column, got .*; rename it"
    with pytest.raises(InquiryError, match=words):
        Axis(name=name, levels=("CA",))


@pytest.mark.parametrize(
    "level",
    [
        *("", " ", " CA", "CA ", "\u00a0CA", "C\nA", "C\x00A", "C\x7fA", "C\x85A", "x" * 65),
        *("C\u2028A", "C\u202eA", "C\u200bA", "\ud800"),
    ],
)
def test_a_level_is_a_short_printable_text(level: str) -> None:
    words = "axis 'state' needs distinct level texts of 1 to 64 printable characters .*correct"
    with pytest.raises(InquiryError, match=words):
        Axis(name="state", levels=("NY", level))


@pytest.mark.parametrize("levels", [(), ("unknown",), ("CA", "CA")])
def test_an_axis_needs_distinct_known_levels(levels: tuple[str, ...]) -> None:
    with pytest.raises(InquiryError, match="axis 'state' needs distinct level texts"):
        Axis(name="state", levels=levels)


@pytest.mark.parametrize("weight", [Decimal(0), Decimal(-1), Decimal("NaN")])
def test_a_table_built_by_hand_has_a_positive_weight(weight: Decimal) -> None:
    with pytest.raises(InquiryError, match="weight"):
        Table(of=(), weight=weight)


def test_an_axis_built_by_hand_has_no_more_levels_than_a_file_may_have() -> None:
    with pytest.raises(InquiryError, match="at most 100,000 levels") as refusal:
        Axis(name="a", levels=tuple(map(str, range(MAX_LEVELS + 1))))
    assert refusal.value.code == "DOMAIN_TOO_LARGE"
