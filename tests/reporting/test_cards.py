"""Pages for a retailer: what leaves, whom it protects, what it costs, in words of 100 columns."""

import math
import re
from typing import Any

import pytest

from dpnotice.privacy import posterior
from dpnotice.reporting import cards


def card_facts(**changes: object) -> dict[str, Any]:
    plain = {
        "retailer": "shop",
        "inquiry": {
            "title": "Purchasers",
            "name": "matter",
            "products": {"count": 1744},
            "period": ["2017-01-01", "2018-01-01"],
            "timezone": "UTC",
        },
        "digest": "d" * 64,
        "date": "2026-01-02",
        "attempt": 0,
        "measure": "epsilon",
        "loss": "1",
        "left": None,
        "sha256": "f" * 64,
        "ids": "as_is",
        "signed_by": None,
        "sketch": None,
        "tables": [{"of": [], "cells": 1, "sd": 5.63, "half_width": 12}],
    }
    given_ = plain | changes
    epsilon = float(str(given_["loss"]))
    beliefs = [posterior(prior, epsilon) for prior in (0.1, 0.5)]
    return {"epsilon": epsilon, "delta": 1e-6, "beliefs": beliefs} | given_


def test_the_card_says_what_leaves_and_what_it_costs() -> None:
    card = cards.privacy_card(card_facts())
    for expected in ("WHAT LEAVES SHOP", "1,744 products", "f" * 64, "epsilon 1", "+-12 people"):
        assert expected in card


def test_the_card_names_the_key_that_signed_only_where_one_did() -> None:
    assert "Signed by" not in cards.privacy_card(card_facts())
    key = "K" * 43 + "="
    lines = cards.privacy_card(card_facts(signed_by=key)).splitlines()
    assert f"Signed by   {key}" in lines


@pytest.mark.parametrize(
    ("ids", "words"),
    [
        ("as_is", "as they are"),
        ("trim", "without blanks around them"),
        ("trim_ascii_lower", "without blanks around them, in lower case"),
    ],
)
def test_the_card_says_how_ids_were_compared(ids: str, words: str) -> None:
    lines = cards.privacy_card(card_facts(ids=ids)).splitlines()
    assert f"Buyer ids   compared {words}" in lines


def test_every_line_of_a_signed_card_fits_a_terminal() -> None:
    card = cards.privacy_card(card_facts(ids="trim_ascii_lower", signed_by="K" * 43 + "="))
    assert max(map(len, card.splitlines())) <= 100


def test_the_card_says_that_losses_of_several_retailers_add_up() -> None:
    assert "at most the sum over their releases" in cards.privacy_card(card_facts())


def test_the_card_tells_what_is_left_only_when_asked() -> None:
    assert "Left in this" not in cards.privacy_card(card_facts())
    assert "account for the matter: 0.5." in cards.privacy_card(card_facts(left="0.5"))


def test_the_card_states_rho_without_odds() -> None:
    card = cards.privacy_card(card_facts(measure="rho", loss="0.1"))
    assert "rho 0.1 (zero-concentrated)" in card
    assert "odds" not in card


def test_the_card_of_rho_gives_epsilon_at_its_delta_rounded_up() -> None:
    card = cards.privacy_card(card_facts(measure="rho", loss="0.125", epsilon=2.4191))
    assert "epsilon 2.42\nbut for a chance of 1e-06." in card


@pytest.mark.parametrize("loss", ["0.1", "0.5", "0.7", "1", "2", "3"])
def test_the_cards_factor_is_never_below_the_true_one(loss: str) -> None:
    card = cards.privacy_card(card_facts(loss=loss))
    stated = re.search(r"more than a factor of ([\d.]+):", card)
    assert stated
    assert float(stated[1]) >= math.exp(float(loss))


@pytest.mark.parametrize("loss", ["0.1", "0.5", "0.7", "1", "2", "3"])
def test_the_cards_beliefs_are_never_below_the_true_ones(loss: str) -> None:
    card = cards.privacy_card(card_facts(loss=loss))
    stated = [float(figure) for figure in re.findall(r"to at\s+most\s+([\d.]+)%", card)]
    factor = math.exp(float(loss))
    beliefs = [100 * factor / (factor + 9), 100 * factor / (factor + 1)]  # of 10 % and of 50 %
    assert len(stated) == 2
    assert [s >= belief for s, belief in zip(stated, beliefs, strict=True)] == [True, True]


def test_the_card_never_speaks_of_a_belief_of_one_hundred_percent() -> None:
    assert "100%" not in cards.privacy_card(card_facts(loss="10"))


# --- the page of a rehearsal ---------------------------------------------------------------
def page_facts(**changes: object) -> dict[str, Any]:
    plain = {
        "inquiry": {"title": "Purchasers", "name": "matter"},
        "retailer": "shop",
        "engine": "duckdb",
        "ids": "as_is",
        "columns": [("buyer", "id", "string"), ("date", "day", "date")],
        "tables": [{"of": ["state", "age"], "cells": 1428, "sd": 5.63, "half_width": 12}],
        "measure": "epsilon",
        "asked": "1",
        "spent": "0.5",
        "cap": "2",
        "state": "new",
        "sketch": None,
        "quieter": None,
        "counting": "SELECT 1;\n",
        "coverage": "SELECT 2;\n",
    }
    return plain | changes


def test_the_page_of_a_rehearsal_says_first_that_nothing_happened() -> None:
    first = cards.rehearsal_page(page_facts()).splitlines()[0]
    assert first == "DRY RUN: NO ROW WAS READ, NOTHING WAS DEBITED, NOTHING LEAVES"


def test_the_page_of_a_rehearsal_holds_every_fact() -> None:
    page = cards.rehearsal_page(page_facts())
    for expected in (
        "Purchasers (matter)",
        "epsilon 1; spent before 0.5 of 2",
        "state x age",
        "1,428",
        "+-12 people",
        "SELECT 1;",
        "SELECT 2;",
    ):
        assert expected in page


@pytest.mark.parametrize(
    ("ids", "words"),
    [
        ("as_is", "compared as they are"),
        ("trim", "without blanks around them"),
        ("trim_ascii_lower", "in lower case"),
    ],
)
def test_the_page_of_a_rehearsal_says_how_ids_are_compared(ids: str, words: str) -> None:
    assert words in cards.rehearsal_page(page_facts(ids=ids))


def test_every_state_of_a_request_reads_differently() -> None:
    states = ("new", "artifact", "lost", "open")
    assert len({cards.rehearsal_page(page_facts(state=state)) for state in states}) == 4


def test_every_line_of_the_page_but_the_queries_fits_a_terminal() -> None:
    page = cards.rehearsal_page(page_facts(state="open", ids="trim_ascii_lower"))
    assert max(map(len, page.splitlines())) <= 100


QUIETER = {"rho": "0.02435", "epsilon": "1", "delta": "0.000001", "ratio": 0.8649}


def test_the_page_tells_of_the_quieter_law_only_where_there_is_one() -> None:
    assert "Gaussian" not in cards.rehearsal_page(page_facts())
    assert "Gaussian" in cards.rehearsal_page(page_facts(quieter=QUIETER))


def test_the_page_says_what_the_quieter_law_would_cost_and_save() -> None:
    page = " ".join(cards.rehearsal_page(page_facts(quieter=QUIETER)).split())
    assert "Gaussian noise under rho 0.02435 (epsilon 1 but for a chance of 0.000001)" in page
    assert "would have 86% of this s.d.; an inquiry asks for it by a delta" in page


def test_the_line_on_the_quieter_law_fits_a_terminal() -> None:
    long = {"rho": "123.456789", "epsilon": "999.999999999", "delta": "0.000000001"}
    page = cards.rehearsal_page(page_facts(quieter=QUIETER | long))
    assert max(map(len, page.splitlines())) <= 100


# --- the bitmap ----------------------------------------------------------------------------
FINGERPRINT = "89abcdef01234567"


def with_bitmap(**changes: object) -> dict[str, Any]:
    """What a release with a bitmap adds to the facts."""
    sketch = {"bytes": 1_048_576, "key": "email", "flip": 0.31003, "epsilon": "0.8"}
    sketch |= {"keyed": f"keyed by {FINGERPRINT}"} | changes
    inquiry = card_facts()["inquiry"] | {"privacy": {"epsilon": "0.2", "noise": "-"}}
    return {"sketch": sketch, "inquiry": inquiry}


def bitmap_words(**changes: object) -> str:
    return " ".join(cards.privacy_card(card_facts(**with_bitmap(**changes))).split())


def test_a_card_without_a_bitmap_never_speaks_of_one() -> None:
    card = cards.privacy_card(card_facts())
    assert not re.search("bitmap|hash,|flipped|keyed", card, re.IGNORECASE)


def test_the_card_says_that_the_bitmap_is_in_the_file() -> None:
    assert "Also in the file: the bitmap below the tables." in bitmap_words()


def test_the_card_says_in_plain_words_what_the_bitmap_is() -> None:
    words = bitmap_words()
    for expected in (
        "1,048,576 bytes, so that a buyer of several retailers is counted once",
        "Each buyer with an e-mail address sets one bit",
        f"its place is a hash, keyed by {FINGERPRINT}",
        "every bit, set or not, is flipped with a chance of 31.00%",
        "no bit shows for certain whether a buyer set it",
        "Buyers without an e-mail address are not in the bitmap",
    ):
        assert expected in words


def test_the_card_says_that_the_loss_holds_with_the_key_public() -> None:
    words = bitmap_words()
    assert "The docket's key only slows outsiders down" in words
    assert "the loss holds even where everybody has it" in words


def test_the_card_splits_the_loss_between_bitmap_and_tables() -> None:
    words = bitmap_words()
    assert "Loss: the bitmap epsilon 0.8, the tables epsilon 0.2." in words
    assert "Privacy loss: epsilon 1, all of it together." in words
    assert "at most the sum over their releases" in words


def test_under_rho_the_card_gives_each_part_in_its_own_measure() -> None:
    facts = with_bitmap()
    facts["inquiry"]["privacy"] = {"rho": "0.02", "noise": "discrete-gaussian"}
    card = cards.privacy_card(card_facts(measure="rho", loss="0.34", **facts))
    assert "Loss: the bitmap epsilon 0.8, the tables rho 0.02." in card


def test_a_shared_id_is_not_called_an_address() -> None:
    words = bitmap_words(key="id")
    assert "Each buyer with an id that the retailers share sets one bit" in words
    assert "e-mail" not in words


def test_a_chance_of_a_flip_is_never_printed_as_none() -> None:
    """The least of all, at a loss of 8, is 22 of 65,536."""
    assert "flipped with a chance of 0.03%" in bitmap_words(flip=22 / 65_536)


@pytest.mark.parametrize("key", ["email", "id"])
def test_every_line_on_the_bitmap_fits_a_terminal(key: str) -> None:
    long = {"key": key, "bytes": 67_108_864, "epsilon": "0.123456789"}
    facts = with_bitmap(**long)
    facts["inquiry"]["privacy"] = {"rho": "123456789.123456789"}
    pages = [cards.privacy_card(card_facts(**facts)), cards.rehearsal_page(page_facts(**facts))]
    assert max(len(line) for page in pages for line in page.splitlines()) <= 100


def test_the_page_of_a_rehearsal_describes_the_bitmap_too() -> None:
    page = " ".join(cards.rehearsal_page(page_facts(**with_bitmap())).split())
    assert "Also in the file: the bitmap" in page
    assert "Each buyer with an e-mail address sets one bit" in page
    assert "bitmap" not in cards.rehearsal_page(page_facts())
