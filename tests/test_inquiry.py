import copy
import dataclasses
import hashlib
import math
import re
import signal
import tomllib
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpnotice.errors import InquiryError, InquiryWarning
from dpnotice.inquiry import MAX_BLOCKS, MAX_RELEASED_CELLS, Inquiry, ProductList
from dpnotice.privacy import NoiseLaw, PrivacyLoss
from dpnotice.segments import MAX_LEVELS, RESERVED, UNKNOWN, Axis, Table
from dpnotice.zcdp import quieter

FILE: dict[str, Any] = {
    "format": 1,
    "name": "wen",
    "title": "Purchasers of WEN",
    "period": ["2007-11-01", "2016-09-20"],
    "timezone": "America/Los_Angeles",
    "products": ["tonic", "shampoo"],
    "quoted": [["state"]],
    "axes": {"state": ["CA", "NY"], "age": ["18-24", "25+"], "contact": ["email", "post", "none"]},
    "tables": [{"of": []}, {"of": ["state"]}, {"of": ["age", "contact"], "weight": "2"}],
    "privacy": {"epsilon": "1", "noise": "discrete-laplace"},
}
TOML = """
format   = 1
name     = "wen"
title    = "Friedman v. Guthy-Renker: purchasers of WEN"
unit     = "buyer"
period   = ["2007-11-01", "2016-09-20"]
timezone = "America/Los_Angeles"
products = { file = "wen_products.csv" }
quoted   = [["state"], ["contact"]]
[axes]
state   = ["AL", "unknown", "PR"]
age     = ["18-24", "25-34"]
contact = ["email+post", "email", "post", "none"]
[[tables]]
of = []
[[tables]]
of = ["contact", "age"]
[[tables]]
of = ["state"]
[privacy]
epsilon = "1"
"""

# --- generated inquiries -------------------------------------------------------------------
NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,5}", fullmatch=True).filter(lambda n: n not in RESERVED)
PRINTABLE = st.characters(exclude_categories=["C", "Z"], include_characters=" ")
TEXTS = st.text(PRINTABLE, min_size=1, max_size=8)
LEVELS = st.lists(TEXTS.filter(lambda t: t == t.strip() != UNKNOWN), min_size=1, unique=True)
BILLIONTHS = st.decimals("0.000001", "9", places=9).map("{:f}".format)  # smaller: below
DAYS = st.lists(st.dates(), min_size=2, max_size=2, unique=True).map(sorted)


@st.composite
def sections(draw: st.DrawFn, axes: dict[str, list[str]]) -> dict[str, Any]:
    """A sketch over some of these axes."""
    guesses = st.integers(1, 5_000)
    section: dict[str, Any] = {
        "epsilon": draw(st.sampled_from(["0.1", "0.25", "1.50", "8"])),
        "key": draw(st.sampled_from(["email", "id"])),
        "expected_buyers": draw(guesses),
    }
    if draw(st.booleans()):
        section["key_fingerprint"] = draw(st.from_regex("[0-9a-f]{16}", fullmatch=True))
    axis = draw(st.sampled_from([None, *sorted(axes)]))
    if axis is not None:
        section["blocks"] = axis
        section["expected_by"] = {level: draw(guesses) for level in (*axes[axis], UNKNOWN)}
    return section


@st.composite
def files(draw: st.DrawFn) -> dict[str, Any]:
    axes = draw(st.dictionaries(NAMES, LEVELS.map(lambda ls: ls[:4]), min_size=1, max_size=3))
    of = st.lists(st.sampled_from(sorted(axes)), unique=True)
    chosen = draw(st.lists(of, min_size=1, max_size=4, unique_by=frozenset))
    loss = draw(st.sampled_from([("epsilon", "discrete-laplace"), ("rho", "discrete-gaussian")]))
    sketch = {"sketch": draw(sections(axes))} if draw(st.booleans()) else {}
    return {
        **sketch,
        "format": 1,
        "name": draw(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,9}", fullmatch=True)),
        "title": draw(TEXTS),
        "period": [day.isoformat() for day in draw(DAYS)],
        "timezone": draw(st.sampled_from(["UTC", "America/New_York", "Europe/Berlin"])),
        "products": draw(st.lists(TEXTS.filter(str.strip), min_size=1)),
        "quoted": draw(st.lists(of, max_size=2)),
        "axes": axes,
        "tables": [{"of": names, "weight": draw(BILLIONTHS)} for names in chosen],
        "privacy": {loss[0]: draw(BILLIONTHS), "noise": loss[1]},
    }


def inquiry(**changes: object) -> Inquiry:
    return Inquiry.from_dict({**copy.deepcopy(FILE), **changes})


def refused(**changes: object) -> InquiryError:
    with pytest.raises(InquiryError) as refusal:
        inquiry(**changes)
    return refusal.value


# --- round trips ---------------------------------------------------------------------------
@given(files())
def test_the_canonical_form_reads_back_as_the_same_question(content: dict[str, Any]) -> None:
    asked = Inquiry.from_dict(content)
    again = Inquiry.from_dict(asked.to_dict())
    assert again.to_dict() == asked.to_dict()
    assert again.digest == asked.digest


@pytest.mark.filterwarnings("ignore::dpnotice.errors.InquiryWarning")
@given(content=files())
def test_a_saved_inquiry_loads_as_the_same(
    tmp_path_factory: pytest.TempPathFactory, content: dict[str, Any]
) -> None:
    path = tmp_path_factory.getbasetemp() / "again.toml"
    asked = Inquiry.from_dict(content)
    asked.save(path)
    assert Inquiry.load(path) == asked


def test_an_inquiry_read_from_a_release_saves_and_loads(tmp_path: Path) -> None:
    public = Inquiry.from_dict(inquiry().to_dict())
    public.save(tmp_path / "public.toml")
    assert Inquiry.load(tmp_path / "public.toml") == public


@pytest.mark.parametrize("text", ["0.000000001", "0.0000001", "0.00000012", "999999999"])
def test_a_tiny_or_enormous_loss_reads_back(text: str) -> None:
    asked = inquiry(privacy={"epsilon": text})
    assert Inquiry.from_dict(asked.to_dict()).loss == asked.loss


def test_the_documented_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "wen.inquiry.toml").write_text(TOML)
    (tmp_path / "wen_products.csv").write_text('sku,product\n1,tonic\n2,"soap, soft"\n3,tonic\n')
    asked = Inquiry.load(tmp_path / "wen.inquiry.toml")
    assert asked.axes["state"].levels == ("AL", "PR", "unknown")
    assert asked.tables == ((), ("state",), ("age", "contact"))
    assert asked.products.items == ("soap, soft", "tonic")
    assert asked.quoted == (("contact",), ("state",))
    assert asked.period == (date(2007, 11, 1), date(2016, 9, 20))


def test_the_files_of_the_manual_are_read() -> None:
    manual = (Path(__file__).parents[1] / "docs" / "inquiry.md").read_text("utf-8")
    plain, section = re.findall(r"```toml\n(.*?)```", manual, re.DOTALL)
    assert Inquiry.from_dict(tomllib.loads(plain)).sketch is None
    asked = Inquiry.from_dict(tomllib.loads(f"{plain}\n{section}"))
    assert asked.sketch is not None
    assert (asked.sketch.epsilon, asked.sketch.maps) == (Decimal("0.8"), 2)
    assert ("state", "keyed") in asked.tables


def test_native_dates_of_toml_are_read_too(tmp_path: Path) -> None:
    bare = TOML.replace('"2007-11-01", "2016-09-20"', "2007-11-01, 2016-09-20")
    (tmp_path / "a.toml").write_text(bare.replace('{ file = "wen_products.csv" }', '["tonic"]'))
    assert Inquiry.load(tmp_path / "a.toml").period == (date(2007, 11, 1), date(2016, 9, 20))


@pytest.mark.parametrize("text", ["0.000000001", "0.0000001", "999999999"])
def test_a_tiny_or_enormous_weight_reads_back(text: str) -> None:
    asked = inquiry(tables=[{"of": [], "weight": text}])
    assert Inquiry.from_dict(asked.to_dict()).specs == asked.specs


# --- the digest ----------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("title", "Another title"),
        ("quoted", []),
        ("tables", [FILE["tables"][2], FILE["tables"][0], FILE["tables"][1]]),
        ("tables", [*FILE["tables"][:2], {"of": ["contact", "age"], "weight": "2"}]),
        ("products", ["shampoo", "tonic", "shampoo"]),
        ("axes", {**FILE["axes"], "state": ["CA", "unknown", "NY"]}),
        ("unit", "buyer"),
        ("privacy", {"epsilon": "1"}),
        ("privacy", {"epsilon": "1.0"}),
    ],
)
def test_another_spelling_of_the_question_has_the_same_digest(field: str, value: object) -> None:
    assert inquiry(**{field: value}).digest == inquiry().digest


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "wen2"),
        ("period", ["2007-11-02", "2016-09-20"]),
        ("period", ["2007-11-01", "2016-09-21"]),
        ("timezone", "UTC"),
        ("products", ["tonic"]),
        ("products", ["tonic", "Shampoo"]),
        ("axes", {**FILE["axes"], "state": ["NY", "CA"]}),
        ("axes", {**FILE["axes"], "state": ["CA", "NV"]}),
        ("axes", {**FILE["axes"], "income": ["low"]}),
        ("axes", dict(reversed(FILE["axes"].items()))),
        ("tables", FILE["tables"][:2]),
        ("tables", [*FILE["tables"][:2], {"of": ["age", "contact"]}]),
        ("privacy", {"epsilon": "0.999999999"}),
        ("privacy", {"rho": "1", "noise": "discrete-gaussian"}),
    ],
)
def test_another_question_has_another_digest(field: str, value: object) -> None:
    assert inquiry(**{field: value}).digest != inquiry().digest


def test_the_product_digest_is_that_of_the_sorted_list() -> None:
    assert inquiry().products.sha256 == hashlib.sha256(b'["shampoo","tonic"]').hexdigest()


def test_the_canonical_form_does_not_list_the_products() -> None:
    assert set(inquiry().to_dict()["products"]) == {"count", "sha256"}


@given(files())
def test_sizes_are_products_of_the_axes(content: dict[str, Any]) -> None:
    asked = Inquiry.from_dict(content)
    for table in asked.tables:
        assert asked.cells(table) == math.prod(asked.shape(table))
        assert asked.shape(table) == tuple(len(asked.table_axes[axis].levels) for axis in table)


@given(files())
def test_tables_name_their_axes_in_the_files_order(content: dict[str, Any]) -> None:
    asked = Inquiry.from_dict(content)
    for table in asked.tables:
        assert table == tuple(axis for axis in asked.table_axes if axis in table)


@pytest.mark.parametrize("name", ["level", "keyed", "retailer"])
def test_the_documented_names_are_reserved(name: str) -> None:
    assert f"got {name!r}" in str(refused(axes={name: ["CA"]}, tables=[{"of": []}], quoted=[]))


def test_a_repeated_axis_is_refused() -> None:
    twice = [{"name": "state", "levels": ["CA"]}] * 2
    words = "each axis may be given once; merge the repeated ones"
    assert str(refused(axes=twice, tables=[{"of": []}], quoted=[])) == words


@pytest.mark.parametrize("of", [["county"], ["state", "state"]])
def test_a_table_names_each_axis_at_most_once(of: list[str]) -> None:
    words = "a table names each of the inquiry's axes at most once"
    message = str(refused(tables=[{"of": of}]))
    assert words in message
    assert message.endswith("the axes are state, age, contact")


def test_a_quoted_marginal_names_axes_of_the_inquiry() -> None:
    assert "the axes are state, age, contact" in str(refused(quoted=[["county"]]))


@pytest.mark.parametrize("tables", [[["state"], ["state"]], [["age", "state"], ["state", "age"]]])
def test_a_repeated_table_is_refused(tables: list[list[str]]) -> None:
    words = "list each table once, and at least one; merge the repeats"
    assert str(refused(tables=[{"of": of} for of in tables])) == words


@pytest.mark.parametrize("weight", ["0", "-1", "1e3", "NaN", "one"])
def test_a_weight_is_positive_decimal_text(weight: str) -> None:
    message = str(refused(tables=[{"of": [], "weight": weight}]))
    assert "a table's weight must be decimal text above 0" in message


def test_a_million_cells_may_be_released() -> None:
    thousand = [str(number) for number in range(999)]
    crossed = {"axes": {"zip": thousand, "age": thousand}, "tables": [{"of": ["zip", "age"]}]}
    assert inquiry(**crossed, quoted=[]).cells(("zip", "age")) == MAX_RELEASED_CELLS


def test_more_than_a_million_cells_are_refused() -> None:
    thousand = [str(number) for number in range(999)]
    refusal = refused(
        axes={"zip": thousand, "age": thousand},
        tables=[{"of": ["zip", "age"]}, {"of": []}],
        quoted=[],
    )
    assert refusal.code == "DOMAIN_TOO_LARGE"
    assert "1,000,001 cells would be released" in str(refusal)
    assert "so use fewer tables, axes or levels" in str(refusal)


def test_too_many_combinations_are_refused_whatever_the_tables() -> None:
    axes = {f"a{number}": [str(level) for level in range(299)] for number in range(3)}
    refusal = refused(axes=axes, tables=[{"of": []}], quoted=[])
    assert refusal.code == "DOMAIN_TOO_LARGE"
    assert "27,000,000 combinations" in str(refusal)


def test_thousands_of_axes_are_refused_in_words() -> None:
    axes = {f"a{number}": ["x"] for number in range(15_000)}
    assert refused(axes=axes, tables=[{"of": []}], quoted=[]).code == "DOMAIN_TOO_LARGE"


def test_thousands_of_axes_and_tables_are_refused_at_once() -> None:
    def stop(*_: object) -> None:
        pytest.fail("no refusal within 2 s")

    axes = {f"a{number}": ["x"] for number in range(14_000)}
    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(2)
    try:
        refusal = refused(axes=axes, tables=[{"of": [name]} for name in axes], quoted=[])
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    assert refusal.code == "DOMAIN_TOO_LARGE"


# --- single fields -------------------------------------------------------------------------
@pytest.mark.parametrize("field", ["name", "period", "products", "axes", "tables", "privacy"])
def test_a_missing_field_is_refused_by_name(field: str) -> None:
    with pytest.raises(InquiryError, match=f"the field '{field}' is missing; add it"):
        Inquiry.from_dict({k: v for k, v in FILE.items() if k != field})


def test_an_unknown_field_is_refused_by_name() -> None:
    assert "'epsilonn' is no field of this file" in str(refused(epsilonn="1"))


@pytest.mark.parametrize("content", [None, [], "name = 'wen'", 7])
def test_an_inquiry_is_a_table_of_fields(content: Any) -> None:
    with pytest.raises(InquiryError, match="an inquiry is a table of fields, got "):
        Inquiry.from_dict(content)


@pytest.mark.parametrize("period", [["2016-09-20", "2016-09-20"], ["2016-09-20", "2007-11-01"]])
def test_the_first_day_comes_before_the_last(period: list[str]) -> None:
    message = str(refused(period=period))
    assert "the period is half-open, so its first day must come before its last" in message
    assert message.endswith("exchange or correct them")


@pytest.mark.parametrize("day", ["2016-02-30", "20.9.2016", "", "2016-09-20T00:00", "today"])
def test_a_day_is_a_date(day: str) -> None:
    message = str(refused(period=["2007-11-01", day]))
    assert f'a period day is written like "2016-09-20", got {day!r}' in message


@pytest.mark.parametrize("zone", ["", "PST8", "Mars/Olympus", "../etc/passwd", "/etc/localtime"])
def test_a_timezone_is_an_iana_name(zone: str) -> None:
    message = str(refused(timezone=zone))
    assert message.startswith(f"timezone must be an IANA name, got {zone!r}; write for instance")


@pytest.mark.parametrize("title", ["two\nlines", "bell\x07", "right-to-left \u202e"])
def test_a_title_is_one_printable_line(title: str) -> None:
    words = "the title must be one line of printable characters; remove the others"
    assert str(refused(title=title)) == words


@pytest.mark.parametrize("text", ["0", "-1", "NaN", "inf", "1e0", "", "0.0000000001"])
def test_a_budget_is_positive_decimal_text(text: str) -> None:
    refusal = refused(privacy={"epsilon": text})
    assert refusal.code == "BAD_BUDGET"
    assert "epsilon must be decimal text above 0" in str(refusal)


@pytest.mark.parametrize("measure", ["epsilon", "rho"])
@pytest.mark.parametrize("number", [1, 1.0, 0.5, math.nan, True])
def test_a_budget_written_as_a_number_is_refused_with_the_remedy(
    measure: str, number: float
) -> None:
    refusal = refused(privacy={measure: number})
    assert refusal.code == "BAD_BUDGET"
    assert f"{measure} must be decimal text" in str(refusal)


@pytest.mark.parametrize(
    "privacy", [{}, {"epsilon": "1", "rho": "1"}, {"noise": "discrete-gaussian"}]
)
def test_a_budget_is_either_epsilon_or_rho(privacy: dict[str, str]) -> None:
    words = "a loss is either epsilon or rho, never both; give exactly one"
    assert str(refused(privacy=privacy)) == words


@pytest.mark.parametrize(
    "privacy",
    [{"epsilon": "1", "noise": "discrete-gaussian"}, {"rho": "1", "noise": "discrete-laplace"}],
)
def test_each_law_has_its_own_account(privacy: dict[str, str]) -> None:
    words = "discrete-gaussian noise is accounted in rho and discrete-laplace in epsilon"
    assert words in str(refused(privacy=privacy))


# --- the sketch ----------------------------------------------------------------------------
SKETCH: dict[str, Any] = {"epsilon": "1", "key": "email", "expected_buyers": 1_500_000}
GUESSES = {"CA": 600, "NY": 300, "unknown": 20}
BLOCKS = {"blocks": "state", "expected_by": GUESSES}
PLANES = {"planes": {"email": ["email"], "other": ["post", "none"]}}


def asking(**section: object) -> Inquiry:
    return inquiry(sketch=SKETCH | section)


def refused_sketch(**section: object) -> InquiryError:
    return refused(sketch=SKETCH | section)


def test_an_inquiry_without_the_section_asks_for_no_sketch() -> None:
    assert inquiry().sketch is None
    assert "sketch" not in inquiry().to_dict()
    assert inquiry().total_loss == inquiry().loss
    assert dict(inquiry().table_axes) == dict(inquiry().axes)


def test_a_sketch_has_the_plan_of_its_section() -> None:
    plan = asking(**BLOCKS, **PLANES, key_fingerprint="0123456789abcdef").sketch
    assert plan is not None
    assert (plan.epsilon, plan.key, plan.expected_buyers) == (Decimal(1), "email", 1_500_000)
    assert (plan.blocks, plan.expected_by) == (asking().axes["state"], (600, 300, 20))
    assert [(p.name, p.levels) for p in plan.planes] == [
        ("email", ("email",)),
        ("other", ("post", "none", "unknown")),
    ]
    assert plan.key_fingerprint == "0123456789abcdef"


@pytest.mark.parametrize(
    ("section", "of"), [({}, ("keyed",)), (BLOCKS, ("state", "keyed"))], ids=["one", "blocks"]
)
def test_a_sketch_brings_the_table_of_its_blocks_by_key(
    section: dict[str, Any], of: tuple[str, ...]
) -> None:
    asked = asking(**section)
    assert set(asked.tables) == {*inquiry().tables, of}
    assert asked.shape(of)[-1] == 2
    assert next(table.weight for table in asked.specs if table.of == of) == 1


@pytest.mark.parametrize("listed", [["state", "keyed"], ["keyed", "age", "state"]])
def test_a_table_that_holds_it_is_enough(listed: list[str]) -> None:
    asked = inquiry(tables=[{"of": listed, "weight": "3"}], sketch=SKETCH | BLOCKS)
    assert asked.tables == (tuple(axis for axis in asked.table_axes if axis in listed),)
    assert asked.specs[0].weight == 3


def test_the_axis_of_keys_comes_last_in_a_table() -> None:
    assert list(asking().table_axes) == ["state", "age", "contact", "keyed"]
    assert asking().table_axes["keyed"].levels == ("yes", "no")


def test_without_a_sketch_no_table_is_by_key() -> None:
    assert "the axes are state, age, contact" in str(refused(tables=[{"of": ["keyed"]}]))


def test_a_question_built_by_hand_keeps_the_table_of_keys() -> None:
    asked = asking()
    without = tuple(table for table in asked.specs if "keyed" not in table.of)
    with pytest.raises(InquiryError, match="'keyed' is no axis of a question: a sketch adds it"):
        dataclasses.replace(asked, specs=without)


def test_the_whole_loss_is_that_of_tables_and_sketch() -> None:
    assert asking(epsilon="0.8").total_loss == PrivacyLoss(epsilon=Decimal("1.8"))
    rho = inquiry(privacy={"rho": "0.02", "noise": "discrete-gaussian"}, sketch=SKETCH)
    assert rho.total_loss == PrivacyLoss(rho=Decimal("0.52"))


def test_the_tables_alone_keep_their_loss() -> None:
    assert asking(epsilon="0.8").loss == inquiry().loss


@pytest.mark.parametrize(
    "change",
    [
        {"epsilon": "1.000000001"},
        {"key": "id"},
        {"key_fingerprint": "0" * 16},
        {"expected_buyers": 1_500_001},
        BLOCKS,
        PLANES,
    ],
    ids=lambda change: next(iter(change)),
)
def test_another_sketch_is_another_question(change: dict[str, Any]) -> None:
    digests = {inquiry().digest, asking().digest, asking(**change).digest}
    assert len(digests) == 3


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"epsilon": "1"}, {"epsilon": "1.0"}),
        (BLOCKS, BLOCKS | {"expected_by": dict(reversed(GUESSES.items()))}),
        (BLOCKS, BLOCKS | {"expected_by": [600, 300, 20]}),
        (PLANES, {"planes": {"email": ["email"], "other": ["post", "none", "unknown"]}}),
        (
            PLANES,
            {
                "planes": [
                    {"name": "email", "levels": ["email"]},
                    {"name": "other", "levels": ["post", "none"]},
                ]
            },
        ),
        ({}, {"planes": {}}),
        ({}, {"expected_by": []}),
    ],
)
def test_another_spelling_of_a_sketch_is_the_same_question(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    assert asking(**one).digest == asking(**other).digest


def test_a_sketch_is_saved_as_people_write_it(tmp_path: Path) -> None:
    asking(**BLOCKS, **PLANES).save(tmp_path / "a.toml")
    text = (tmp_path / "a.toml").read_text("utf-8")
    assert "[sketch.expected_by]\nCA = 600\n" in text
    assert '[sketch.planes]\nemail = [\n    "email",\n]\n' in text
    assert Inquiry.load(tmp_path / "a.toml") == asking(**BLOCKS, **PLANES)


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({"epsilon": 1}, "the sketch's epsilon must be decimal text above 0"),
        ({"epsilon": "0"}, "the sketch's epsilon must be decimal text above 0"),
        ({"epsilon": "0.09"}, "a sketch's epsilon lies from 0.1 to 8, got 0.09"),
        ({"epsilon": "8.1"}, "a sketch's epsilon lies from 0.1 to 8, got 8.1"),
        ({"key": "phone"}, "'sketch.key' got 'phone'"),
        ({"expected_buyers": 0}, "'sketch.expected_buyers' got 0"),
        ({"expected_buyers": 10**9 + 1}, "'sketch.expected_buyers' got 1000000001"),
        ({"key_fingerprint": "ABCDEF0123456789"}, "'sketch.key_fingerprint' got"),
        ({"seed": 7}, "'sketch.seed' is no field of this file"),
        ({"blocks": "contact"}, "blocks names an axis of the inquiry, and not 'contact'"),
        ({"blocks": "county"}, "blocks names an axis of the inquiry, and not 'contact'"),
        ({"blocks": "keyed"}, "blocks names an axis of the inquiry, and not 'contact'"),
        ({"blocks": "state"}, "expected_by gives a number of buyers above 0 for every level"),
        ({"expected_by": GUESSES}, "expected_by gives a number of buyers above 0"),
        ({"planes": {"all": ["email", "post", "none"]}}, "planes divide the levels of the axis"),
        ({"planes": {"a": ["email"], "b": ["post"]}}, "planes divide the levels of the axis"),
        ({"planes": {"a": ["email", "post"], "b": ["post", "none"]}}, "each level in one"),
    ],
)
def test_a_sketch_off_its_rule_is_refused_in_words(section: dict[str, Any], words: str) -> None:
    assert words in str(refused_sketch(**section))


@pytest.mark.parametrize("name", ["é", "", "p" * 65, "two\nlines", "\x1b[31m"])
def test_a_plane_that_a_release_could_not_name_is_refused(name: str) -> None:
    """Or the loss would be debited, and the answer never written."""
    assert "sketch.planes" in str(
        refused_sketch(planes={name: ["email"], "other": ["post", "none"]})
    )


@pytest.mark.parametrize("guess", [10**9 + 1, 10**17, 10**30])
@pytest.mark.parametrize("listed", [True, False])
def test_a_guess_that_a_release_could_not_hold_is_refused(guess: int, *, listed: bool) -> None:
    by = [guess, 300, 20] if listed else GUESSES | {"CA": guess}
    assert "sketch.expected_by" in str(refused_sketch(blocks="state", expected_by=by))


@pytest.mark.parametrize("change", [{"TX": 5}, {"CA": 0}, {"CA": -1}])
def test_guesses_are_for_the_levels_and_above_0(change: dict[str, int]) -> None:
    words = "expected_by gives a number of buyers above 0 for every level of the axis in blocks"
    assert words in str(refused_sketch(blocks="state", expected_by=GUESSES | change))


def test_every_level_needs_its_guess_even_the_unknown_one() -> None:
    fewer = {level: guess for level, guess in GUESSES.items() if level != UNKNOWN}
    assert "unknown too" in str(refused_sketch(blocks="state", expected_by=fewer))


def blocks_of(number: int) -> dict[str, Any]:
    section = SKETCH | {"blocks": "zip", "expected_by": [1] * number}
    axes = {"zip": levels(number - 1)}
    return {"axes": axes, "tables": [{"of": []}], "quoted": [], "sketch": section}


def test_a_sketch_has_a_thousand_blocks_at_most() -> None:
    """A release's header names each of them, and a reader bounds the parts of a header."""
    assert len(inquiry(**blocks_of(MAX_BLOCKS)).axes["zip"]) == MAX_BLOCKS == 1000
    refusal = refused(**blocks_of(MAX_BLOCKS + 1))
    assert refusal.code == "DOMAIN_TOO_LARGE"
    assert "a sketch has at most 1,000 blocks, got 1,001; use an axis of fewer" in str(refusal)


def test_maps_of_more_bytes_than_a_release_carries_are_refused() -> None:
    section = {"blocks": "state", "expected_by": [10**9] * 3, **PLANES}
    refusal = refused_sketch(**section)
    assert refusal.code == "DOMAIN_TOO_LARGE"
    assert "the maps of the sketch take 100,663,296 bytes" in str(refusal)


# --- products ------------------------------------------------------------------------------
@pytest.mark.parametrize("products", [[], [""], ["tonic", " "]])
def test_products_are_named(products: list[str]) -> None:
    words = "products must name at least one product, and none may be blank"
    assert str(refused(products=products)) == words


def test_products_are_sorted_and_without_repeats() -> None:
    products = ProductList.of(["b", "a", "b"])
    assert (products.items, products.count) == (("a", "b"), 2)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"sku\ntonic\n", "'p.csv' needs a column named 'product'; add the header"),
        (b"", "'p.csv' needs a column named 'product'; add the header"),
        (b"product\n", "products must name at least one product"),
        (b"sku,product\n1\n", "none may be blank"),
        (b"product\n\xff\n", "cannot read the products file 'p.csv' as CSV text"),
        (b'product\n"tonic\n', "cannot read the products file 'p.csv' as CSV text"),
    ],
)
def test_a_bad_products_file_is_refused(tmp_path: Path, text: bytes, words: str) -> None:
    (tmp_path / "p.csv").write_bytes(text)
    with pytest.raises(InquiryError, match=words):
        Inquiry.from_dict({**FILE, "products": {"file": "p.csv"}}, folder=tmp_path)


@pytest.mark.parametrize("file", ["missing.csv", "", "a\0b"])
def test_a_products_file_that_cannot_be_read_is_refused(tmp_path: Path, file: str) -> None:
    with pytest.raises(InquiryError, match="cannot read the products file"):
        Inquiry.from_dict({**FILE, "products": {"file": file}}, folder=tmp_path)


def test_a_products_file_saved_by_a_spreadsheet_is_read(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_bytes(b"\xef\xbb\xbfproduct\r\ntonic\r\n")
    asked = Inquiry.from_dict({**FILE, "products": {"file": "p.csv"}}, folder=tmp_path)
    assert asked.products.items == ("tonic",)


# --- files ---------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["missing.toml", "", "a\0b"])
def test_a_file_that_is_not_there_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InquiryError, match="cannot read"):
        Inquiry.load(tmp_path / name)


@pytest.mark.parametrize(
    "text",
    [b"format = ", b"\xff", b"a = 1\na = 2", b"a = " + b"[" * 10_000, b"a = " + b"1" * 5000],
    ids=["cut", "latin-1", "repeated", "deep", "long-integer"],
)
def test_a_file_that_is_no_toml_is_refused(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "a.toml").write_bytes(text)
    with pytest.raises(InquiryError, match=r"cannot read 'a.toml' as TOML"):
        Inquiry.load(tmp_path / "a.toml")


@pytest.mark.parametrize("name", ["missing/a.toml", "", "a\0b"])
def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InquiryError, match="cannot write"):
        inquiry().save(tmp_path / name)


def test_the_schema_describes_the_file() -> None:
    assert set(FILE) <= set(Inquiry.json_schema()["properties"])


# --- the object ----------------------------------------------------------------------------
def test_an_inquiry_is_frozen() -> None:
    asked = inquiry()
    with pytest.raises(dataclasses.FrozenInstanceError):
        asked.title = "Another"  # type: ignore[misc]
    with pytest.raises(TypeError):
        asked.axes["state"] = Axis(name="state", levels=("CA",))  # type: ignore[index]


@pytest.mark.parametrize(
    "change",
    [
        {"name": "../wen"},
        {"title": "two\nlines"},
        {"specs": (Table(of=()), Table(of=()))},
        {"specs": ()},
        {"loss": PrivacyLoss(rho=Decimal(1))},
        {"period": (date(2016, 9, 20), date(2007, 11, 1))},
        {"timezone": "Mars/Olympus"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_an_inquiry_built_by_hand_keeps_the_files_rules(change: dict[str, Any]) -> None:
    with pytest.raises(InquiryError):
        dataclasses.replace(inquiry(), **change)


# --- very many levels ----------------------------------------------------------------------
def levels(number: int, first: str = "") -> list[str]:
    return [f"{first}{place}" for place in range(number)]


@pytest.mark.parametrize("over", [1, 1_000_000])
def test_more_levels_than_the_limit_are_refused_in_words(over: int) -> None:
    refusal = refused(axes={"a": levels(MAX_LEVELS + over)}, tables=[{"of": []}], quoted=[])
    assert refusal.code == "DOMAIN_TOO_LARGE"
    assert "the axes have at most 100,000 levels in all" in str(refusal)
    assert len(str(refusal)) < 200


def test_the_levels_of_all_axes_count_together() -> None:
    axes = {"a": levels(MAX_LEVELS - 100), "b": levels(101)}
    assert refused(axes=axes, tables=[{"of": []}], quoted=[]).code == "DOMAIN_TOO_LARGE"


@pytest.mark.parametrize("known", [MAX_LEVELS - 2, MAX_LEVELS - 1, MAX_LEVELS])
def test_as_many_levels_as_are_accepted_are_accepted_again(known: int) -> None:
    """With `unknown` added, which a release embeds: else a paid answer could not be read."""
    try:
        asked = inquiry(axes={"a": levels(known)}, tables=[{"of": []}], quoted=[])
    except InquiryError as refusal:
        assert (refusal.code, known) == ("DOMAIN_TOO_LARGE", MAX_LEVELS)  # noqa: PT017 -- see below
    else:
        assert Inquiry.from_dict(asked.to_dict()).digest == asked.digest


# --- the law left to the tables ------------------------------------------------------------
PAIRS = [{"of": []}, *({"of": [name]} for name in ("state", "age", "contact"))]
MANY = [
    *PAIRS,
    *({"of": list(two)} for two in (("state", "age"), ("state", "contact"), ("age", "contact"))),
    {"of": ["state", "age", "contact"]},
]


@pytest.mark.parametrize(
    ("tables", "law"),
    [(PAIRS, NoiseLaw.DISCRETE_LAPLACE), (MANY, NoiseLaw.DISCRETE_GAUSSIAN)],
    ids=["four tables", "eight tables"],
)
def test_a_delta_takes_the_quieter_law(tables: list[dict[str, Any]], law: NoiseLaw) -> None:
    asked = inquiry(tables=tables, privacy={"epsilon": "4", "delta": "0.01"})
    weights = [table.weight for table in asked.specs]
    assert (asked.loss, asked.noise_law) == quieter(Decimal(4), Decimal("0.01"), weights)
    assert asked.noise_law == law


@pytest.mark.parametrize("tables", [PAIRS, MANY], ids=["four tables", "eight tables"])
def test_a_question_with_a_delta_is_the_question_that_states_its_outcome(
    tables: list[dict[str, Any]],
) -> None:
    asked = inquiry(tables=tables, privacy={"epsilon": "4", "delta": "0.01"})
    stated = asked.to_dict()["privacy"]
    assert set(stated) == {asked.loss.measure, "noise"}
    assert inquiry(tables=tables, privacy=stated).digest == asked.digest
    assert Inquiry.from_dict(asked.to_dict()) == dataclasses.replace(
        asked, products=ProductList(count=asked.products.count, sha256=asked.products.sha256)
    )


def test_a_question_with_a_delta_is_saved_with_its_outcome(tmp_path: Path) -> None:
    asked = inquiry(tables=MANY, privacy={"epsilon": "4", "delta": "0.01"})
    asked.save(tmp_path / "a.toml")
    assert Inquiry.load(tmp_path / "a.toml") == asked


@pytest.mark.parametrize(
    "privacy",
    [
        {"epsilon": "1", "delta": "0.01", "noise": "discrete-laplace"},
        {"epsilon": "1", "delta": "0.01", "noise": "discrete-gaussian"},
        {"rho": "1", "delta": "0.01"},
    ],
)
def test_a_delta_goes_with_epsilon_and_without_noise(privacy: dict[str, str]) -> None:
    assert "so it goes with epsilon and without noise; remove one" in str(refused(privacy=privacy))


def test_a_delta_alone_is_no_loss() -> None:
    assert "a loss is either epsilon or rho" in str(refused(privacy={"delta": "0.01"}))


@pytest.mark.parametrize("delta", ["0", "-0.1", "1e-6", "", 0.01, 1e-6, True])
def test_a_delta_is_decimal_text(delta: object) -> None:
    refusal = refused(privacy={"epsilon": "1", "delta": delta})
    assert refusal.code == "BAD_BUDGET"
    assert "delta must be decimal text above 0" in str(refusal)


@pytest.mark.parametrize("delta", ["1", "1.5"])
def test_a_delta_of_one_or_more_is_refused(delta: str) -> None:
    assert "delta must be a fraction" in str(refused(privacy={"epsilon": "1", "delta": delta}))


# --- what is to be quoted ------------------------------------------------------------------
def test_a_quoted_marginal_that_no_table_holds_is_named() -> None:
    asked = inquiry(quoted=[["state", "contact"], ["state"]], tables=[{"of": ["state"]}])
    assert asked.unlisted == (("state", "contact"),)


def test_a_quoted_marginal_within_a_table_is_listed() -> None:
    asked = inquiry(quoted=[["state"], []], tables=[{"of": ["state", "contact"]}])
    assert asked.unlisted == ()


def test_loading_a_file_warns_of_what_stands_in_no_table(tmp_path: Path) -> None:
    path = tmp_path / "asked.toml"
    inquiry(quoted=[["contact"]], tables=[{"of": ["state"]}]).save(path)
    with pytest.warns(InquiryWarning, match="contact is to be quoted, but no table holds it"):
        Inquiry.load(path)
