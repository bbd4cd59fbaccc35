"""Advice on tables: what is missing, what costs more than it gives, and a list at least as good."""

import json
import math
from decimal import Decimal
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from dpnotice import advise
from dpnotice.analyst.design import planned
from dpnotice.errors import InquiryError
from dpnotice.inquiry import Inquiry
from dpnotice.result import SUMMARY_COLUMNS, Result
from made.releases import wen

Names = tuple[str, ...]
LAWS = pytest.mark.parametrize(
    "privacy", [{"epsilon": "1"}, {"rho": "0.1"}], ids=["laplace", "gaussian"]
)
STATES = [f"s{number}" for number in range(50)]
EVERY = [list(names) for size in range(4) for names in combinations("abc", size)]
TABLES = st.lists(st.sampled_from(EVERY), min_size=1, max_size=8, unique_by=tuple)
QUOTED = st.lists(st.sampled_from(EVERY), max_size=4, unique_by=tuple)
SIZES = st.tuples(st.integers(1, 12), st.integers(1, 4), st.integers(1, 3))
PRIVACY = st.sampled_from([{"epsilon": "1"}, {"rho": "0.1"}])


def inquiry(tables: list[list[str]], quoted: list[list[str]], **changes: Any) -> Inquiry:
    axes = {"state": STATES, "contact": ["email+post", "email", "post", "none"], "age": ["old"]}
    specs = [{"of": of} for of in tables]
    plain = {"axes": axes, "tables": specs, "quoted": quoted, "privacy": {"epsilon": "1"}}
    return wen(**(plain | changes))


def drafted(sizes: tuple[int, ...], tables: Any, quoted: Any, privacy: Any) -> Inquiry:
    axes = {
        name: [f"{name}{level}" for level in range(size)]
        for name, size in zip("abc", sizes, strict=True)
    }
    specs = [table if isinstance(table, dict) else {"of": table} for table in tables]
    return wen(axes=axes, tables=specs, quoted=quoted, privacy=privacy)


def sd(asked: Inquiry, names: Names) -> float:
    """S.d. of a cell, inf where it is not determined."""
    design = planned(asked)
    return design.cell_error(names).sd if design.determines(names) else math.inf


def measure(asked: Inquiry, quoted: Any) -> float:
    """Geometric mean of the s.d. of a cell over the quoted marginals."""
    return math.prod(sd(asked, names) for names in quoted) ** (1 / len(quoted))


def without(asked: Inquiry, table: Names) -> Inquiry:
    content = asked.to_dict()
    content["tables"] = [spec for spec in content["tables"] if tuple(spec["of"]) != table]
    return Inquiry.from_dict(content)


GOOD = inquiry([["state"], ["contact"]], [["state"], ["contact"]])
MISSING = inquiry([["state"], ["contact"]], [["state", "contact"]])
UNLISTED = inquiry([["state", "contact"]], [["contact"], ["state", "contact"]])
COSTLY = inquiry([["state"], ["age"], ["contact"]], [["state"], ["contact"]])


# --- what is missing -----------------------------------------------------------------------
def test_a_quoted_marginal_in_no_table_is_missing() -> None:
    advice = advise(MISSING)
    assert advice.missing == (("state", "contact"),)
    assert advice.findings[0].startswith("state x contact is to be quoted, but no table holds")


def test_a_missing_marginal_has_no_deviation_until_it_is_proposed() -> None:
    frame = advise(MISSING).to_frame()
    assert frame["sd"].isna().all()
    assert frame["sd_proposed"][0] > 0


def test_a_missing_marginal_is_proposed() -> None:
    assert advise(advise(MISSING).proposal).missing == ()


def test_a_marginal_within_a_table_is_not_missing() -> None:
    assert advise(UNLISTED).missing == ()


# --- what is not listed --------------------------------------------------------------------
@LAWS
def test_a_marginal_much_sharper_with_a_table_of_its_own_is_unlisted(privacy: Any) -> None:
    asked = inquiry([["state", "contact"]], [["contact"]], privacy=privacy)
    listed = inquiry([["state", "contact"], ["contact"]], [["contact"]], privacy=privacy)
    assert sd(asked, ("contact",)) > 1.5 * sd(listed, ("contact",))
    assert advise(asked).unlisted == (("contact",),)


def test_a_marginal_hardly_sharper_with_a_table_of_its_own_is_not_unlisted() -> None:
    asked = inquiry([["contact", "age"]], [["contact"]])
    listed = inquiry([["contact", "age"], ["contact"]], [["contact"]])
    assert sd(asked, ("contact",)) < 1.5 * sd(listed, ("contact",))
    assert advise(asked).unlisted == ()


def test_a_listed_marginal_is_not_unlisted() -> None:
    assert advise(GOOD).unlisted == ()


@settings(max_examples=30)
@given(SIZES, TABLES, QUOTED.filter(bool), PRIVACY)
def test_unlisted_are_those_worth_one_and_a_half(
    sizes: Any, tables: Any, quoted: Any, privacy: Any
) -> None:
    asked = drafted(sizes, tables, quoted, privacy)
    for names in asked.quoted:
        if names in asked.tables:
            assert names not in advise(asked).unlisted
            continue
        listed = drafted(sizes, [*tables, list(names)], quoted, privacy)
        gain = sd(asked, names) / sd(listed, names)
        assert (names in advise(asked).unlisted) == (1.5 < gain < math.inf)


# --- what costs more than it gives ---------------------------------------------------------
def test_a_table_that_nothing_quoted_needs_is_costly() -> None:
    advice = advise(COSTLY)
    assert advice.costly == (("age",),)
    assert "Table age costs more than it gives" in advice.statement()


def test_a_single_table_is_never_costly() -> None:
    assert advise(inquiry([["state"]], [["contact"]])).costly == ()
    assert advise(inquiry([["state"]], [["state"]])).costly == ()


@settings(max_examples=30)
@given(SIZES, TABLES.filter(lambda tables: len(tables) > 1), QUOTED.filter(bool), PRIVACY)
def test_costly_are_those_without_which_the_measure_is_no_worse(
    sizes: Any, tables: Any, quoted: Any, privacy: Any
) -> None:
    asked = drafted(sizes, tables, quoted, privacy)
    before = measure(asked, asked.quoted)
    for table in asked.tables:
        after = measure(without(asked, table), asked.quoted)
        expected = before < math.inf and after <= before * (1 + 1e-9)
        assert (table in advise(asked).costly) == expected


# --- the proposal --------------------------------------------------------------------------
@settings(max_examples=30)
@given(SIZES, TABLES, QUOTED, PRIVACY)
def test_a_proposal_is_never_worse_than_the_draft(
    sizes: Any, tables: Any, quoted: Any, privacy: Any
) -> None:
    asked = drafted(sizes, tables, quoted, privacy)
    advice = advise(asked)
    after, before = (measure(each, advice.quoted) for each in (advice.proposal, asked))
    assert after <= before * (1 + 1e-9)
    assert after < math.inf


@settings(max_examples=30)
@given(SIZES, TABLES, QUOTED, PRIVACY)
def test_a_proposal_proposes_itself(sizes: Any, tables: Any, quoted: Any, privacy: Any) -> None:
    proposal = advise(drafted(sizes, tables, quoted, privacy)).proposal
    again = advise(proposal)
    assert again.proposal == proposal
    assert not any("Proposed" in finding for finding in again.findings)


@settings(max_examples=30)
@given(SIZES, TABLES, QUOTED, PRIVACY, st.lists(st.integers(1, 9), min_size=8, max_size=8))
def test_a_proposal_keeps_the_weights_of_the_draft(
    sizes: Any, tables: Any, quoted: Any, privacy: Any, weights: list[int]
) -> None:
    specs = [{"of": of, "weight": str(weight)} for of, weight in zip(tables, weights, strict=False)]
    asked = drafted(sizes, specs, quoted, privacy)
    had = {table.of: table.weight for table in asked.specs}
    advice = advise(asked)
    for table in advice.proposal.specs:
        assert table.weight == had.get(table.of, Decimal(1))
    after, before = (measure(each, advice.quoted) for each in (advice.proposal, asked))
    assert after <= before * (1 + 1e-9)


@settings(max_examples=20)
@given(SIZES, TABLES, QUOTED, PRIVACY)
def test_a_proposal_changes_the_tables_and_says_what_is_quoted(
    sizes: Any, tables: Any, quoted: Any, privacy: Any
) -> None:
    asked = drafted(sizes, tables, quoted, privacy)
    advice = advise(asked)
    before, after = asked.to_dict(), advice.proposal.to_dict()
    assert before | {"tables": after["tables"], "quoted": after["quoted"]} == after
    if after["tables"] != before["tables"]:
        assert sorted(after["quoted"]) == sorted(map(list, advice.quoted))


def test_a_good_list_is_proposed_as_it_is() -> None:
    advice = advise(GOOD)
    assert advice.proposal == GOOD
    assert advice.findings == ()
    assert advice.statement() == "Nothing speaks against this list of tables."


def test_where_nothing_is_quoted_the_listed_tables_are() -> None:
    asked = inquiry([["state"], ["contact"]], [])
    assert advise(asked).quoted == (("state",), ("contact",))


def test_another_list_is_told() -> None:
    assert "Proposed tables: state; contact." in advise(COSTLY).findings


@pytest.mark.parametrize("bad", [None, "wen.toml", {}, 3])
def test_advice_is_on_an_inquiry(bad: Any) -> None:
    with pytest.raises(InquiryError, match=f"advise takes an Inquiry, got {type(bad).__name__}"):
        advise(bad)


# --- the edges -----------------------------------------------------------------------------
@pytest.mark.parametrize("privacy", [{"epsilon": "0.000000001"}, {"rho": "0.000000001"}])
def test_the_least_loss_is_advised_on_as_any_other(privacy: dict[str, str]) -> None:
    asked = inquiry([["state"], ["age"], ["contact"]], [["state"], ["contact"]], privacy=privacy)
    assert advise(asked).costly == (("age",),)


def test_an_inquiry_of_24_axes_is_advised_on() -> None:
    names = [f"axis{number}" for number in range(24)]
    tables = [[name] for name in names[:6]]
    asked = inquiry(tables, [["axis7"]], axes={name: ["x"] for name in names})
    assert advise(asked).missing == (("axis7",),)
    assert advise(asked).proposal.tables == (("axis7",),)


# --- as a result ---------------------------------------------------------------------------
CASES = pytest.mark.parametrize("asked", [GOOD, MISSING, UNLISTED, COSTLY])


@CASES
def test_advice_answers_every_call_of_a_result(asked: Inquiry) -> None:
    advice = advise(asked)
    assert isinstance(advice, Result)
    assert tuple(advice.summary().columns) == SUMMARY_COLUMNS


@CASES
def test_advice_is_plain_json(asked: Inquiry) -> None:
    advice = advise(asked)
    for content in (advice.to_dict(), advice.plot_data()):
        assert json.loads(json.dumps(content, allow_nan=False)) == content


def test_the_dictionary_names_tables_in_words() -> None:
    content = advise(MISSING).to_dict()
    assert content["missing"] == ["state x contact"]
    assert content["is_proposed"] is False
    assert content["sd"][0]["cells"] == 255


@CASES
def test_the_deviations_are_those_of_the_draft_and_of_the_proposal(asked: Inquiry) -> None:
    advice = advise(asked)
    rows = advice.to_frame().fillna(math.inf).to_dict("records")
    for names, row in zip(advice.quoted, rows, strict=True):
        assert row["marginal"] == " x ".join(names)
        assert row["sd"] == pytest.approx(sd(asked, names))
        assert row["sd_proposed"] == pytest.approx(sd(advice.proposal, names))


def test_the_summary_holds_what_is_determined_as_drafted_and_as_proposed() -> None:
    summary = advise(MISSING).summary()
    assert list(summary["quantity"]) == ["half-width of a cell, as proposed"]
    proposed = planned(advise(MISSING).proposal).cell_error(("state", "contact"))
    assert summary["estimate"][0] == proposed.half_width(0.95)


@CASES
def test_advice_is_drawn_into_the_given_axes(asked: Inquiry) -> None:
    ax = Figure().add_subplot()
    assert advise(asked).plot(ax) is ax
    assert len(ax.get_yticklabels()) == len(advise(asked).estimates())


@CASES
def test_advice_shows_sentence_and_table_in_a_notebook(asked: Inquiry) -> None:
    advice = advise(asked)
    assert advice.statement() in repr(advice)
    shown = advice._repr_html_()
    assert "<table>" in shown
    assert advice.statement().split(";")[0] in shown


def test_a_marginal_quoted_twice_counts_once() -> None:
    twice = inquiry([["state"]], [["state"], ["state"]])
    assert advise(twice).quoted == (("state",),)


def test_a_cross_too_large_to_release_leaves_the_draft() -> None:
    axes = {name: [f"{name}{n}" for n in range(120)] for name in "abc"}
    draft = wen(axes=axes, tables=[{"of": ["a"]}], quoted=[["a", "b", "c"], ["a"]])
    advice = advise(draft)
    assert advice.missing == (("a", "b", "c"),)
    assert advice.proposal == draft
