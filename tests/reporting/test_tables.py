"""Frames with exactly the columns asked for, and tables in which every text is escaped."""

import math
import re
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dpnotice.privacy import Noise, NoiseLaw
from dpnotice.reporting import tables

HOSTILE = "<script>alert(1)</script>"
NOISE = Noise(law=NoiseLaw.DISCRETE_LAPLACE, scale=4.0)


def row(**changes: object) -> dict[str, Any]:
    plain = {"quantity": "share", "segment": "", "unit": "fraction", "estimate": 0.5}
    return plain | {"lower": 0.4, "upper": 0.6, "level": 0.95} | changes


def shown(**changes: object) -> dict[str, str]:
    text = tables.table(pd.DataFrame([row(**changes)]))
    return dict(zip(row(**changes), re.findall(r"<td>(.*?)</td>", text), strict=True))


def released(**axes: tuple[str, ...]) -> pd.DataFrame:
    named = {name: SimpleNamespace(levels=levels) for name, levels in axes.items()}
    shape = tuple(map(len, axes.values()))
    counts = np.arange(-1, math.prod(shape) - 1).reshape(shape)
    return tables.release_frame([(tuple(axes), named, counts, NOISE)])


def test_a_frame_has_exactly_the_columns_asked_for_in_order() -> None:
    made = tables.frame([{"b": 1, "a": 2, "c": 3}], ("a", "b"))
    assert list(made.columns) == ["a", "b"]


def test_a_frame_without_rows_keeps_its_columns() -> None:
    made = tables.frame([], ("a", "b"))
    assert (list(made.columns), len(made)) == (["a", "b"], 0)


def test_a_hostile_level_is_escaped_in_a_table() -> None:
    assert "<script" not in tables.table(pd.DataFrame([row(segment=HOSTILE)]))


def test_a_hostile_column_is_escaped_in_a_table() -> None:
    assert "<script" not in tables.table(pd.DataFrame([{HOSTILE: 1}]))


def test_a_hostile_unit_is_escaped_in_a_table() -> None:
    assert "<script" not in tables.table(pd.DataFrame([row(unit=HOSTILE)]))


def test_sentence_and_assumptions_are_escaped() -> None:
    assert "<script" not in tables.html(pd.DataFrame([row()]), HOSTILE, [HOSTILE])


def test_preformatted_text_is_escaped() -> None:
    assert tables.preformatted("a < b\n & c") == "<pre>a &lt; b\n &amp; c</pre>"


def test_sentence_table_and_assumptions_follow_in_order() -> None:
    text = tables.html(pd.DataFrame([row()]), "One sentence.", ["An assumption"])
    places = [text.index(part) for part in ("One sentence.", "<table", "<li>An assumption</li>")]
    assert places == sorted(places)


def test_no_list_appears_without_assumptions() -> None:
    assert "<ul" not in tables.html(pd.DataFrame([row()]), "One sentence.")


def test_every_head_of_a_table_has_its_scope() -> None:
    text = tables.table(pd.DataFrame([row()]))
    assert text.count("<th") - text.count("<thead") == text.count('<th scope="col">') == len(row())


def test_a_fraction_is_shown_in_percent_with_one_decimal() -> None:
    assert shown()["estimate"] == "50.0%"


def test_a_fractions_interval_is_rounded_outward_at_the_printed_digit() -> None:
    found = shown(lower=0.7206, upper=0.7244)
    assert (found["lower"], found["upper"]) == ("72.0%", "72.5%")


def test_a_counts_interval_is_rounded_outward_at_the_printed_digit() -> None:
    found = shown(unit="persons", estimate=105.0, lower=100.6, upper=110.4)
    assert (found["lower"], found["upper"]) == ("100", "111")


def test_a_count_is_shown_with_separators() -> None:
    assert shown(unit="persons", estimate=1234567.0)["estimate"] == "1,234,567"


def test_money_is_shown_in_dollars() -> None:
    assert shown(unit="USD", estimate=1234.0)["estimate"] == "$1,234"


def test_a_missing_point_reads_bounds_only() -> None:
    assert shown(estimate=math.nan)["estimate"] == "bounds only"


def test_a_missing_price_reads_not_given() -> None:
    assert "not given" in tables.table(pd.DataFrame([{"plan": "a", "cost_usd": math.nan}]))


def test_a_negative_share_that_rounds_to_zero_shows_no_minus_sign() -> None:
    assert shown(estimate=-0.0003)["estimate"] == "0.0%"


def test_the_level_is_shown_in_percent() -> None:
    assert shown()["level"] == "95%"


@pytest.mark.parametrize("level", [0.995, 0.999])
def test_a_level_below_one_is_never_shown_as_one_hundred_percent(level: float) -> None:
    assert shown(level=level)["level"] != "100%"


def test_a_released_total_has_one_row() -> None:
    assert released()[["table", "cell", "count"]].to_numpy().tolist() == [["total", "all", -1]]


def test_a_released_table_has_a_row_per_cell_in_order() -> None:
    made = released(age=("young", "old"), contact=("post", "none"))
    assert made["cell"].tolist() == ["young, post", "young, none", "old, post", "old, none"]
    assert set(made["table"]) == {"age x contact"}


def test_released_negative_and_zero_counts_are_kept() -> None:
    assert released(age=("a", "b", "c"))["count"].tolist() == [-1, 0, 1]


def test_every_released_row_states_law_and_standard_deviation_of_its_noise() -> None:
    made = released(age=("a", "b"))
    assert set(made["noise"]) == {"discrete-laplace"}
    # Discrete Laplace of scale s: variance 2 q / (1 - q)^2 with q = exp(-1/s)
    q = math.exp(-1 / 4)
    assert made["noise_sd"].tolist() == pytest.approx([math.sqrt(2 * q) / (1 - q)] * 2)


def test_a_table_with_a_count_missing_is_refused() -> None:
    axes = {"age": SimpleNamespace(levels=("a", "b", "c"))}
    with pytest.raises(ValueError, match="zip"):
        tables.release_frame([(("age",), axes, np.array([1, 2]), NOISE)])
