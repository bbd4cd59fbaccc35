"""Retailers that spell a person's key differently make one key of it, now and in later years."""

import hashlib
import itertools
import logging
import re
import string
from functools import cache
from typing import Any
from unicodedata import ucd_3_2_0

import ibis
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpnotice.retailer import keys
from dpnotice.retailer.keys import RULES, engine_key, normalised, plain_ascii

EMAIL, ID = "email-1", "id-1"

# Frozen. Whoever has to change a line here writes the rule email-2 beside email-1 instead: releases
# made by the old rule and the new one would no longer link the same person.
VECTORS = {
    # as it is
    "ann@x.org": "ann@x.org",
    "a@b": "a@b",
    "ann.lee@x.org": "ann.lee@x.org",
    "ann+shop@x.org": "ann+shop@x.org",
    "ann+shop@yahoo.com": "ann+shop@yahoo.com",
    "ann.lee@yahoo.com": "ann.lee@yahoo.com",
    "ann@mail.gmail.com": "ann@mail.gmail.com",
    ".ann.@x.org": ".ann.@x.org",
    "o'brien!#$%&*/=?^_`{|}~@x.org": "o'brien!#$%&*/=?^_`{|}~@x.org",
    '"ann"\\@x.org': '"ann"\\@x.org',
    "ann@-x-.org": "ann@-x-.org",
    "ann@1.2.3.4": "ann@1.2.3.4",
    "ann@xn--mnchen-3ya.de": "ann@xn--mnchen-3ya.de",
    # blanks, dot, case
    " ann@x.org": "ann@x.org",
    "\t\n\v\f\r ann@x.org \r\f\v\n\t": "ann@x.org",
    "ann@x.org      ": "ann@x.org",
    "ANN@X.ORG": "ann@x.org",
    "ann@x.org.": "ann@x.org",
    " ann@x.org. ": "ann@x.org",
    "ann@x.org..": None,
    "ann@x.org .": None,
    "ann lee@x.org": None,
    "ann\0@x.org": None,
    "ann@x.org\0": None,
    "\x1fann@x.org": None,
    "ann@x\x7f.org": None,
    # the last @
    "a@b@x.org": "a@b@x.org",
    "a@b+c@outlook.com": "a@b@outlook.com",
    "a@b.c@gmail.com": "a@bc@gmail.com",
    "@@x.org": "@@x.org",
    "ann": None,
    "": None,
    "   ": None,
    "@": None,
    ".": None,
    "@x.org": None,
    "ann@": None,
    "ann@.": None,
    "ann@.org": None,
    "ann@x..org": None,
    "ann@x_y.org": None,
    "ann@[1.2.3.4]": None,
    "Ann <ann@x.org>": None,
    "<ann@x.org>": None,
    # lengths
    "a" * 64 + "@x.org": "a" * 64 + "@x.org",
    "a" * 65 + "@x.org": None,
    "a" * 60 + "+shop@gmail.com": None,
    "a@" + "b" * 63 + ".org": "a@" + "b" * 63 + ".org",
    "a@" + "b" * 64 + ".org": None,
    "a@" + "b." * 125 + "cc": "a@" + "b." * 125 + "cc",
    "a@" + "b." * 126 + "c": None,
    # Gmail
    "ann.lee@gmail.com": "annlee@gmail.com",
    "A.n.n@GMAIL.COM": "ann@gmail.com",
    "ann@googlemail.com": "ann@gmail.com",
    "ann+@gmail.com": "ann@gmail.com",
    "ann.lee+a.b+c@googlemail.com.": "annlee@gmail.com",
    "+shop@gmail.com": None,
    "...@gmail.com": None,
    ".+x@gmail.com": None,
    # providers whose +tags go
    "ann.lee+shop@outlook.com": "ann.lee@outlook.com",
    "ann+shop@hotmail.com": "ann@hotmail.com",
    "ann+shop@live.com": "ann@live.com",
    "ann+shop@msn.com": "ann@msn.com",
    "ann+shop@icloud.com": "ann@icloud.com",
    "ann+shop@me.com": "ann@me.com",
    "ann+shop@mac.com": "ann@mac.com",
    "ann+shop@fastmail.com": "ann@fastmail.com",
    "ann+shop@fastmail.fm": "ann@fastmail.fm",
    "ann+shop@proton.me": "ann@proton.me",
    "ann+shop@protonmail.com": "ann@protonmail.com",
    "ann+shop@protonmail.ch": "ann@protonmail.ch",
    "ann+shop@pm.me": "ann@pm.me",
    "+shop@pm.me": None,
    # nobody's
    "info@x.org": None,
    "No-Reply@X.ORG": None,
    "n/a@x.org": None,
    "none@none.com": None,
    "ad.min@gmail.com": None,
    "test+1@googlemail.com": None,
    "guest+1@outlook.com": None,
    "guest+1@x.org": "guest+1@x.org",
    "ad.min@x.org": "ad.min@x.org",
    "infos@x.org": "infos@x.org",
    "info@b@x.org": "info@b@x.org",
    "info@b@gmail.com": "info@b@gmail.com",
    "q1w2e3@marketplace.amazon.com": None,
    "ann@members.ebay.com": None,
    "ann+shop@relay.walmart.com": None,
    "ann@scs.tiktokw.us": None,
    "ann@privaterelay.appleid.com": None,
    "ann@example.com": None,
    "ann@www.example.com": "ann@www.example.com",
    # not ASCII
    "\uff41nn\uff20x\uff0eorg\uff0e": "ann@x.org",
    "\u3000ann@x.org\u00a0": "ann@x.org",
    "\uff34\uff25\uff33\uff34@x.org": None,
    "J\u00d6RG@x.org": "j\u00f6rg@x.org",
    "Jo\u0308rg@x.org": "j\u00f6rg@x.org",
    "STRA\u00dfE@x.org": "strasse@x.org",
    "\u03a3\u039f\u03a6\u039f\u03a3@x.org": "\u03c3\u03bf\u03c6\u03bf\u03c3@x.org",
    "\u212aim@x.org": "kim@x.org",
    "\u0130@x.org": "i\u0307@x.org",
    "J\u00d6.RG+shop@gmail.com": "j\u00f6rg@gmail.com",
    "ann@M\u00dcNCHEN.de": "ann@xn--mnchen-3ya.de",
    "ann@stra\u00dfe.de": "ann@strasse.de",
    "ann@x\u3002org": "ann@x.org",
    "ann@gmail\u3002com": "ann@gmail.com",
    "ann@x.org\u3002": "ann@x.org",
    "ann@\u00fc" + "b" * 63 + ".de": None,
    "ann@\u0627a.org": None,  # letters of both directions in one label
    "\ufeffann@x.org": None,
    "a\u200bnn@x.org": None,
    "\u00e9\0@x.org": None,
    "\u00e9 e@x.org": None,
    "\u10a0@x.org": None,  # assigned, but its small letter came with Unicode 4.1
    "\u1e9e@x.org": None,  # Unicode 5.1
    "\U0001f600@x.org": None,  # Unicode 6.1
    "\ud83d@x.org": None,
    "ann@\udcff.org": None,
    "\u00e9" * 64 + "@x.org": "\u00e9" * 64 + "@x.org",
    "\u00e9" * 65 + "@x.org": None,
    "\u00e9@" + "b." * 126 + "c": None,
}
IDS = {
    "H-0017": "H-0017",
    " H-0017\t\r\n": "H-0017",
    "Hh \0\x1f +.@": "Hh \0\x1f +.@",
    "\u00a0\u00c4\u3000": "\u00a0\u00c4\u3000",
    "": None,
    " \t\n\v\f\r": None,
    "\ud83d": None,
}


@cache
def engine() -> Any:
    return ibis.duckdb.connect()


def spelt(texts: list[str | None], rule: str = EMAIL, collation: str = "") -> list[str | None]:
    """Spell texts in the engine, in one query."""
    con = engine().con
    con.register(
        "given_texts", pa.table({"n": range(len(texts)), "t": pa.array(texts, pa.string())})
    )
    con.execute(f"CREATE OR REPLACE TABLE s (n BIGINT, t VARCHAR {collation})")
    con.execute("INSERT INTO s SELECT * FROM given_texts")
    table = engine().table("s")
    found = engine_key(table, "t", rule).select("n", "key").order_by("n")
    return engine().to_pyarrow(found)["key"].to_pylist()


def apart(texts: list[str], rule: str = EMAIL) -> list[str]:
    """Return the texts that the engine and Python spell differently."""
    pairs = zip(texts, spelt(list(texts), rule), strict=True)
    return [text for text, key in pairs if key != normalised(text, rule)]


# --- each rule -----------------------------------------------------------------------------
@pytest.mark.parametrize("text", VECTORS, ids=ascii)
def test_an_address_is_spelt_by_the_frozen_rule(text: str) -> None:
    assert normalised(text, EMAIL) == VECTORS[text]


@pytest.mark.parametrize("text", IDS, ids=ascii)
def test_an_identifier_stays_as_it_is_without_blanks_around_it(text: str) -> None:
    assert normalised(text, ID) == IDS[text]


@pytest.mark.parametrize("rule", RULES.values())
def test_what_is_missing_is_no_key(rule: str) -> None:
    assert normalised(None, rule) is None
    assert spelt([None], rule) == [None]


def test_what_systems_do_to_one_address_makes_no_second_key() -> None:
    one = "ann.lee@x.org"
    seen = [one, one.upper(), one.title(), f"{one}\r\n", one.ljust(40), f"\t{one}", f"{one}."]
    wide = one.translate({code: code + 0xFEE0 for code in range(33, 127)})
    seen += [wide, wide.upper(), f"{one}\u00a0", f"{one}\u3000"]
    assert {normalised(text, EMAIL) for text in seen} == {one}


def test_composed_and_decomposed_letters_make_one_key() -> None:
    text = "\u00e9\u1ed9\uac01@\u00e9\u1ed9\uac01.org"
    forms = [ucd_3_2_0.normalize(form, text) for form in ("NFC", "NFD", "NFKC", "NFKD")]
    assert len({normalised(form, EMAIL) for form in forms} - {None}) == 1


def test_a_rule_nobody_wrote_is_refused() -> None:
    with pytest.raises(KeyError, match="email-2"):
        normalised("ann@x.org", "email-2")
    with pytest.raises(KeyError, match="email-2"):
        engine_key(ibis.table({"t": "string"}, name="s"), "t", "email-2")


def test_lists_can_stand_in_a_pattern_and_are_spelt_as_keys_are() -> None:
    domains = keys._GMAIL | keys._TAGGED | keys._RELAYS
    assert [each for each in domains if not re.fullmatch("[a-z.]+", each)] == []
    assert [each for each in keys._SHARED if not re.fullmatch("[a-z/_-]+", each)] == []


# --- frozen --------------------------------------------------------------------------------
def tried(code: int) -> bool:
    """Choose what Unicode 3.2 assigns; of plain letters without case, one in 37."""
    kind, form = ucd_3_2_0.category(chr(code)), ucd_3_2_0.decomposition(chr(code))
    return kind not in {"Cn", "Co", "Cs"} and (kind != "Lo" or form != "" or code % 37 == 0)


ASSIGNED = [chr(code) for code in range(0x110000) if tried(code)]
FROZEN = {
    "{}@x.org": "81b58bc51e579f9a",
    "x{}y@x.org": "a34c6ce20d2831a8",
    "a@{}.org": "e4664944a6e46656",
}


@pytest.mark.parametrize("around", FROZEN)
def test_no_interpreter_spells_a_character_in_its_own_way(around: str) -> None:
    found = hashlib.sha256()
    for each in ASSIGNED:
        found.update(f"{normalised(around.format(each), EMAIL)}\n".encode())
    assert found.hexdigest()[:16] == FROZEN[around]


def test_a_character_later_than_unicode_3_2_makes_no_key() -> None:
    later = [c for c in map(chr, range(128, 0x110000, 37)) if ucd_3_2_0.category(c) == "Cn"]
    assert {normalised(f"{c}@x.org", EMAIL) for c in later} == {None}
    assert {normalised(f"a@{c}.org", EMAIL) for c in later} == {None}


# --- any text ------------------------------------------------------------------------------
NASTY = [
    *"aAzZ09-_.+@ \t\n\v\f\r\0\x1f\x7f'\"\\%$`;{}[]()|^*?/",
    *("info", "no-reply", "@gmail.com", "@GoogleMail.com", "@outlook.com", "@pm.me", "@x.org"),
    *("@members.ebay.com", "@example.com", "gmail.com", "b" * 32, "c." * 40, "@" + "d" * 63),
]
WILD = [*NASTY, *"\u00e4\u00c4\u00df\u0130\u0131\u017f\u03a3\u03c2\u0345\u0308\u0301\u212a\u1e9e"]
WILD += [*"\u00a0\u2028\u3000\u3002\uff0e\uff20\uff21\uff61\u200b\u200d\ufeff\ufdfa\u0627\u05d0"]
WILD += [*"\u10a0\u13a0\uab70\u1fb3\uac01\U0001f600\U000e0041\ud83d\udcff\uffff"]
nasty_texts = st.lists(st.sampled_from(NASTY), max_size=9).map("".join)
wild_texts = st.lists(st.sampled_from(WILD), max_size=9).map("".join)
any_text = st.text(st.characters(exclude_categories=()), max_size=40)
any_address = st.builds("{}@{}".format, any_text, any_text)


@settings(max_examples=500)
@given(wild_texts | any_text | any_address, st.sampled_from(sorted(RULES.values())))
def test_any_text_has_a_key_that_can_be_hashed_or_none(text: str, rule: str) -> None:
    key = normalised(text, rule)
    assert key is None or key.encode()


@settings(max_examples=500)
@given(wild_texts | any_text | any_address, st.sampled_from(sorted(RULES.values())))
def test_normalising_twice_is_normalising_once(text: str, rule: str) -> None:
    key = normalised(text, rule)
    assert normalised(key, rule) == key


def test_a_very_long_text_is_refused_before_any_work_on_it() -> None:
    marks = "".join(itertools.islice(itertools.cycle("\u0301\u0316"), 10**6))
    assert normalised(f"a{marks}@x.org", EMAIL) is None
    assert normalised("a@" * 10**6 + "x.org", EMAIL) is None


def test_a_text_that_is_no_key_leaves_no_word_of_itself(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    assert [normalised(text, EMAIL) for text in ("ann@\u00fc..de", "\ud83d@x.org")] == [None, None]
    assert caplog.records == []


# --- the engine ----------------------------------------------------------------------------
LOCALS = [
    "a",
    "A.b",
    ".",
    "+",
    "+t",
    "a+",
    "a+b+c",
    ".+.",
    "a@b",
    "a+b@c",
    "info",
    "i.nfo",
    "Info+x",
]
LOCALS += ["n/a", "none.", "info@", "@info", "a b", "a\0", "a" * 64, "a" * 65, "\\1", "'", "%", ""]
DOMAINS = [*sorted(keys._GMAIL | keys._TAGGED | keys._RELAYS), "x.org", "X.ORG", "gmail.com.uk"]
DOMAINS += [
    "b" * 63,
    "b" * 64,
    "b." * 94 + "c",
    "b." * 125 + "cc",
    "b." * 126 + "c",
    "-",
    "x_y",
    "",
]
DOMAINS += [
    ".org",
    "x..org",
    "gmail.com+x",
    "xgmail.com",
    "gmail-com",
    "x.org\0",
    "x y",
    "x@gmail.com",
]
AROUND = [
    "{}",
    "{} ",
    " {}",
    "{}.",
    "{}..",
    " {}. ",
    "{} .",
    "{}\n",
    "\v{}\f",
    "\0{}",
    "{}\x1f",
    "{}\0",
]
CASES = [
    around.format(f"{local}@{domain}")
    for around, local, domain in itertools.product(AROUND, LOCALS, DOMAINS)
]
CASES += [*itertools.filterfalse(lambda text: not text.isascii(), VECTORS), *keys._SHARED]
CASES += [
    f"{chr(code)}{side}{chr(code)}" for code in range(128) for side in ("a@x.org", "@", "@x.")
]
CASES += [f"{local}@{domain}" for local in sorted(keys._SHARED) for domain in DOMAINS[:20]]


def test_the_engine_spells_every_combination_as_python_does() -> None:
    assert len(CASES) > 10_000
    assert apart(CASES) == []
    assert apart(CASES, ID) == []


@settings(max_examples=20)
@given(st.lists(nasty_texts, min_size=50, max_size=400))
def test_the_engine_spells_any_ascii_text_as_python_does(texts: list[str]) -> None:
    assert apart(texts) == []
    assert apart(texts, ID) == []


def test_the_engine_leaves_what_is_not_ascii_to_python() -> None:
    others = [text for text in VECTORS if not text.isascii() and "\ud83d" not in text]
    others = [text for text in others if "\udcff" not in text]
    around = [f"{chr(code)}@x.org" for code in [*range(128, 1024), 0x212A]]
    assert set(spelt([*others, *around])) == {None}


def test_the_engine_spells_identifiers_in_every_script() -> None:
    around = [f" {chr(code)}{chr(code)} " for code in [*range(0xD800), *range(0xE000, 0x10000)]]
    assert apart(around, ID) == []


@pytest.mark.parametrize("rule", RULES.values())
@pytest.mark.parametrize("collation", ["COLLATE NOCASE", "COLLATE NOACCENT", "COLLATE de"])
def test_a_collation_of_the_column_changes_no_key(rule: str, collation: str) -> None:
    texts = ["ANN@X.ORG", "Info@GMail.com", " a+b@PM.me", "\0", "\x01\x02", "\x1f ", "a@X.org\0"]
    assert spelt(list(texts), rule, collation) == [normalised(text, rule) for text in texts]


def test_ascii_is_told_from_the_rest_and_null_needs_no_python() -> None:
    plain = ["", "a", "\0", "a\0b", string.printable, None]
    other = ["\u00e9", "e\u0301", "\U0001f600", "a\0\u00e9"]
    texts = [*plain, *other]
    table = ibis.memtable({"t": texts}, schema={"t": "string"})
    found = engine().to_pyarrow(table.select(here=plain_ascii(table["t"])))["here"]
    assert found.to_pylist() == [True] * len(plain) + [False] * len(other)


# --- the tests above can fail --------------------------------------------------------------
split = keys.split_part
FAULTS = {
    "tags stay": ("_engine_untagged", lambda address: address, "a+@pm.me"),
    "dots stay": ("_engine_gmail", lambda address, _: address, "A.b@gmail.com"),
    "first @": ("split_part", lambda t, by, n: split(t, by, n if n > 0 else 2), "a@b+c@mac.com"),
    "roles are somebody": ("_nobodys", lambda: ".*@example[.]com", "info@x.org"),
    "relays too": ("_nobodys", lambda: "(?:info|none)@[^@]*", "a@members.ebay.com"),
    "blanks inside": ("_ASCII_LOCAL", "[ -~]{1,64}", "a b@x.org"),
    "long local parts": ("_ASCII_LOCAL", "[!-~]+", "a" * 65 + "@x.org"),
    "any domain": ("_DOMAIN", ".*", "a@x..org"),
    "spaces alone": ("regexp_extract", lambda text, _: text.replace(" ", ""), "\va@x.org\f"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_the_engine_alone_would_be_seen(
    fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, faulty, text = FAULTS[fault]
    monkeypatch.setattr(keys, name, faulty)
    assert text in apart([*CASES, "a@b+c@mac.com"])
