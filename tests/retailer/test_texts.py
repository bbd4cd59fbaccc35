"""Texts are trimmed, lower-cased and compared by one rule, whatever engine or collation."""

import string
from typing import Any

import ibis
import pytest
import sqlglot
from sqlglot import expressions as sge

from dpnotice.retailer import texts
from made.layouts import database

BLANKS = " \t\n\v\f\r"
GIVEN = [" Ann\t", "\u00c4", "\v\f", "\u00a0a\u3000", "vf", "", None, "  a b  ", "\ufeffa"]
SPELT = {
    "as_is": GIVEN,
    "trim": ["Ann", "\u00c4", "", "\u00a0a\u3000", "vf", "", None, "a b", "\ufeffa"],
    "trim_ascii_lower": ["ann", "\u00c4", "", "\u00a0a\u3000", "vf", "", None, "a b", "\ufeffa"],
}


def applied(change: Any, *values: str | None) -> list[Any]:
    engine = database(s=("n INTEGER, id VARCHAR", list(enumerate(values))))
    table = engine.table("s")
    query = table.mutate(found=change(table["id"])).order_by("n")
    return engine.to_pyarrow(query)["found"].to_pylist()


@pytest.mark.parametrize("rule", SPELT)
def test_ids_are_spelt_by_the_rule(rule: str) -> None:
    assert applied(lambda ids: texts.spelt(ids, rule), *GIVEN) == SPELT[rule]


@pytest.mark.parametrize("rule", SPELT)
@pytest.mark.parametrize("kind", ["int64", "uuid"])
def test_an_id_that_is_no_text_has_one_spelling(kind: str, rule: str) -> None:
    ids = ibis.table({"id": kind}, name="s")["id"]
    assert texts.spelt(ids, rule) is ids


def test_every_ascii_blank_and_nothing_else_is_trimmed() -> None:
    around = [f"{character}x{character}" for character in map(chr, range(1, 128))]
    kept = ["x" if text[0] in BLANKS else text for text in around]
    assert applied(texts.trimmed, *around) == kept


def test_every_ascii_capital_and_nothing_else_is_lowered() -> None:
    characters = [chr(code) for code in range(33, 592) if not chr(code).isspace()]
    lowered = [c.lower() if c in string.ascii_uppercase else c for c in characters]
    assert applied(lambda ids: texts.spelt(ids, "trim_ascii_lower"), *characters) == lowered


@pytest.mark.parametrize(
    ("text", "there"),
    [(None, False), ("", False), (BLANKS, False), ("v", True), ("f", True), ("\u00a0", True)],
)
def test_an_id_is_present_unless_null_or_blank(text: str | None, *, there: bool) -> None:
    assert applied(texts.present, text) == [there]


def test_an_integer_is_present_unless_null() -> None:
    engine = database(s=("id BIGINT", [(0,), (None,)]))
    table = engine.table("s")
    found = engine.to_pyarrow(table.select(there=texts.present(table["id"])))
    assert found["there"].to_pylist() == [True, False]


def test_texts_that_a_collation_finds_equal_are_told_apart() -> None:
    engine = database(s=("id VARCHAR COLLATE NOCASE", [("a",), ("A",)]))
    table = engine.table("s")
    codes = table.select(code=texts.bytewise(table["id"], "duckdb")).distinct()
    assert engine.to_pyarrow(codes.count()).as_py() == 2


def test_what_is_no_text_or_has_no_collation_is_left() -> None:
    table = ibis.table({"n": "int64", "t": "string"}, name="s")
    number, text = table["n"], table["t"]
    assert texts.bytewise(number, "duckdb") is number
    assert texts.bytewise(text, None) is text


ENCODINGS = {"duckdb": "ENCODE(", "pyspark": "AS BINARY", "postgres": "CONVERT_TO("}


@pytest.mark.parametrize("engine", ENCODINGS)
def test_each_engine_is_asked_for_the_bytes_in_its_own_words(engine: str) -> None:
    table = ibis.table({"t": "string"}, name="s")
    text = ibis.to_sql(table.select(code=texts.bytewise(table["t"], engine)), dialect=engine)
    assert ENCODINGS[engine] in text.upper()


@pytest.mark.parametrize("dialect", ["duckdb", "postgres", "pyspark", "snowflake", "bigquery"])
def test_no_blank_but_the_space_is_written_out(dialect: str) -> None:
    """Spark reads an escaped vertical tab as the letter v, and a form feed as f."""
    table = ibis.table({"t": "string"}, name="s")
    query = table.select(spelt=texts.spelt(table["t"], "trim_ascii_lower"))
    found = sqlglot.parse_one(ibis.to_sql(query, dialect=dialect), read=dialect)
    written = {each.this for each in found.find_all(sge.Literal) if each.is_string}
    assert [text for text in written if set(text) & set("\t\n\v\f\r\\")] == []
