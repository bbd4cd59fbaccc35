"""Person keys as retailers hold them -> the one spelling of each that is hashed.

In: an e-mail address, or an identifier that the retailers share. Out: its normalised text, or
none: then the buyer has no key. Retailers normalise apart and never compare texts, so each rule is
frozen: what would change one output is a new rule with a new name (docs/adr/0012-person-keys.md).
"""

import re
from typing import Any, Final
from unicodedata import ucd_3_2_0

import ibis

from dpnotice.bitmap import KEY_RULES
from dpnotice.retailer.texts import trimmed

RULES: Final = KEY_RULES
"""Kind of key -> its rule, whose name also stands in front of every key that is hashed."""

_BLANKS: Final = " \t\n\v\f\r"
_MOST: Final = 254
"""Characters of an address: RFC 5321, 4.5.3.1.3, without the angle brackets."""
_NONE: Final = ""
"""What is no address: it has no @, so no later step makes a key of it."""

_GMAIL: Final = frozenset(("gmail.com", "googlemail.com"))
_TAGGED: Final = frozenset(
    [
        *("outlook.com", "hotmail.com", "live.com", "msn.com"),
        *("icloud.com", "me.com", "mac.com"),
        *("fastmail.com", "fastmail.fm"),
        *("proton.me", "protonmail.com", "protonmail.ch", "pm.me"),
    ]
)
"""Providers that deliver name+tag to name, and where no name has a plus."""
_RELAYS: Final = frozenset(
    [
        *("marketplace.amazon.com", "marketplace.amazon.ca", "marketplace.amazon.com.mx"),
        *("members.ebay.com", "relay.walmart.com", "scs.tiktokw.us", "privaterelay.appleid.com"),
        *("example.com", "example.net", "example.org"),  # nobody's: RFC 2606
    ]
)
"""Domains where a person has another address at each seller, so that it links nothing."""
_SHARED: Final = frozenset(
    [
        # roles: RFC 2142
        *("abuse", "ftp", "hostmaster", "info", "marketing", "news", "noc", "postmaster", "sales"),
        *("security", "support", "usenet", "uucp", "webmaster", "www"),
        # desks and machines
        *("admin", "administrator", "billing", "customerservice", "mailer-daemon", "orders"),
        *("noreply", "no-reply", "no_reply", "donotreply", "do-not-reply", "do_not_reply", "root"),
        # what is typed where somebody gives no address
        *("anonymous", "customer", "dummy", "fake", "guest", "n/a", "na", "nobody", "noemail"),
        *("no-email", "no_email", "nomail", "none", "null", "test", "unknown"),
    ]
)
"""Local parts that stand for many persons."""

_LABEL: Final = "[{letters}0-9-]{{1,63}}"
"""Letters, digits and hyphens: RFC 1035, 2.3.1 and 2.3.4."""
_DOMAIN: Final = f"(?:{_LABEL}[.])*{_LABEL}"
_ASCII_LOCAL: Final = "[!-~]{1,64}"
"""Any ASCII but blanks and controls; at most 64: RFC 5321, 4.5.3.1.1."""

_LOCAL: Final = "[!-~\x80-\U0010ffff]{1,64}"
_address = re.compile(f"({_LOCAL})@({_DOMAIN.format(letters='a-z')})[.]?").fullmatch
_half_pair = re.compile("[\ud800-\udfff]").search


@ibis.udf.scalar.builtin
def strlen(text: str) -> int:  # type: ignore[empty-body]
    """Bytes of a text in UTF-8."""


@ibis.udf.scalar.builtin
def regexp_full_match(text: str, pattern: str) -> bool:  # type: ignore[empty-body]
    """Tell whether a pattern is the whole text."""


@ibis.udf.scalar.builtin
def regexp_extract(text: str, pattern: str) -> str:  # type: ignore[empty-body]
    """The first part of a text that fits a pattern."""


@ibis.udf.scalar.builtin
def split_part(text: str, separator: str, part: int) -> str:  # type: ignore[empty-body]
    """A part of a text between separators, counted from 1, or from -1 at its end."""


def normalised(text: str | None, rule: str) -> str | None:
    """Spell a person key as every retailer spells it.

    ``email-1``: (1) what is not ASCII is composed (NFKC) and case-folded, in the characters of
    Unicode 3.2; (2) ASCII blanks around it and one dot at its end go, and it is lower-cased;
    (3) it is split at the last @, the domain becomes ASCII by IDNA 2003, and both parts must be
    well formed; (4) Gmail's dots, and the +tags of a few providers, go; (5) roles, placeholders and
    relays are nobody's. ``id-1``: ASCII blanks around it go.

    Run by: the retailer. No text makes it raise, and it logs nothing. Normalising twice is
    normalising once.

    Args:
        text: a person key, or None.
        rule: of :data:`RULES`.

    Returns:
        The key to hash, never empty; None where the text is no key.

    >>> normalised(" Ann.Lee+shop@GoogleMail.com ", "email-1")
    'annlee@gmail.com'
    """
    if text is None:
        return None
    return _SPELLED[rule](text)


def engine_key(table: Any, text: str, rule: str) -> Any:
    """Spell ASCII person keys as :func:`normalised` does, in DuckDB.

    Done in two steps, as DuckDB would compute in every branch what stands in several.

    Args:
        table: with a column of texts.
        text: the name of that column.
        rule: of :data:`RULES`.

    Returns:
        The table with a column ``key``: a text or NULL; by ``email-1`` NULL too for what is not
        ASCII, which Python has to spell.
    """
    candidate, named = _ENGINE_STEPS[rule]
    found = table.mutate(key=candidate(table[text]))
    return found.mutate(key=named(found["key"]))


def plain_ascii(text: Any) -> Any:
    """Tell whether the engine can spell a text by every rule; NULL it can: that is no key."""
    return (text.length() == strlen(text)).fill_null(True)


# --- in Python -----------------------------------------------------------------------------
def _id(text: str) -> str | None:
    kept = text.strip(_BLANKS)
    return None if _half_pair(kept) else kept or None


def _email(text: str) -> str | None:
    found = _address(text.strip(_BLANKS).lower() if text.isascii() else _folded(text))
    if found is None:
        return None
    local, domain = found.groups()
    return _delivered(local, domain) if len(local) + len(domain) < _MOST else None


def _folded(text: str) -> str:
    """Compose and case-fold a text by Unicode 3.2, which IDNA 2003 knows, and code its domain.

    Neither changes in a later version for characters that are assigned, so a text with others is
    none, and so is one whose fold has others.
    """
    text = text.strip(_BLANKS)
    if len(text) > _MOST or any(ucd_3_2_0.category(each) == "Cn" for each in text):
        return _NONE
    folded = ucd_3_2_0.normalize("NFKC", ucd_3_2_0.normalize("NFKC", text).casefold())
    local, _, domain = folded.strip(_BLANKS).rpartition("@")
    # Categories of controls, formats, half pairs and characters not assigned, and of blanks.
    if any(ucd_3_2_0.category(each)[0] in "CZ" for each in local + domain):
        return _NONE
    try:
        return f"{local}@{domain.encode('idna').decode('ascii')}"
    except UnicodeError:  # whose words quote the domain
        return _NONE


def _delivered(local: str, domain: str) -> str | None:
    """Name the mailbox that an address is delivered to, where it is one person's."""
    if domain in _GMAIL:
        local, domain = local.partition("+")[0].replace(".", ""), "gmail.com"
    elif domain in _TAGGED:
        local = local.partition("+")[0]
    if not local or local in _SHARED or domain in _RELAYS:
        return None
    return f"{local}@{domain}"


# --- in the engine -------------------------------------------------------------------------
def _engine_id(kept: Any) -> Any:
    """Look at lengths, as some collations find a control character equal to nothing."""
    return ibis.cases((kept.length() > 0, kept))


def _engine_address(text: Any) -> Any:
    """Look for an address alone, which is most; in a padded column; and in any blanks.

    Patterns see a text as it was given: lower-casing makes ASCII of the sign for kelvin.
    """
    address = f"{_ASCII_LOCAL}@{_DOMAIN.format(letters='A-Za-z')}"
    around = f"[[:space:]]*{address}[.]?[[:space:]]*"
    found = ibis.cases(
        (regexp_full_match(text, address), text),
        (regexp_full_match(text, f"{address} +"), split_part(text, " ", 1)),
        # In what fits `around`, the address.
        (regexp_full_match(text, around), regexp_extract(text, "[!-~]*[A-Za-z0-9-]")),
    )
    return found.lower()


def _engine_delivered(address: Any) -> Any:
    """Name the mailbox; each branch reads the address anew, so they are few and cheap."""
    none = (address.length() > _MOST) | regexp_full_match(address, _nobodys())
    return ibis.cases(
        (none, ibis.null("string")),
        (address.endswith("@gmail.com"), _engine_gmail(address, "@gmail.com")),
        (address.endswith("@googlemail.com"), _engine_gmail(address, "@googlemail.com")),
        (~address.contains("+"), address),
        (split_part(address, "@", -1).isin(sorted(_TAGGED)), _engine_untagged(address)),
        else_=address,
    )


def _engine_gmail(address: Any, ending: str) -> Any:
    local = address.left(address.length() - len(ending))
    return split_part(local, "+", 1).replace(".", "").concat("@gmail.com")


def _engine_untagged(address: Any) -> Any:
    return split_part(address, "+", 1).concat("@", split_part(address, "@", -1))


def _nobodys() -> str:
    """Return the pattern of well-formed addresses that :func:`_delivered` finds to be nobody's."""
    shared = "|".join(sorted(_SHARED))
    dotted = "|".join("[.]*".join(each) for each in sorted(_SHARED))
    gmail, tagged, relays = (
        "|".join(sorted(each)).replace(".", "[.]") for each in (_GMAIL, _TAGGED, _RELAYS)
    )
    return "|".join(
        [
            f"(?:{shared})@[^@]*",
            f"[.]*(?:{dotted}|)[.]*(?:[+].*)?@(?:{gmail})",
            f"(?:{shared}|)[+].*@(?:{tagged})",
            f".*@(?:{relays})",
        ]
    )


_SPELLED: Final = {RULES["email"]: _email, RULES["id"]: _id}
_ENGINE_STEPS: Final = {
    RULES["email"]: (_engine_address, _engine_delivered),
    RULES["id"]: (trimmed, _engine_id),
}
"""What may be a key, and the key that it is or NULL."""
