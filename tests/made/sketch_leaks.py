"""Deliberate leaks of a docket's key, of person keys or of an exact bitmap, one for each surface.

In: a process of its own, before the exact bitmap is planted there. Out: a product that the run of a
surface must find out. `made.surfaces` says which leak proves which surface.
"""

import dataclasses
import logging
import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from dpnotice.errors import PurchasesError
from dpnotice.release import Release
from dpnotice.reporting import cards
from dpnotice.retailer import answer as answering
from dpnotice.retailer import chain, edge, hashing, rehearsal, sketch
from made.leaks import replaced


# --- where secrets pass ------------------------------------------------------------------------
def before_the_flip(tell: Callable[[Any, bytes], object]) -> None:
    """Give away the exact bits, and the key, as the draw begins."""

    def made(plain: Any) -> Any:
        def flipped(inquiry: Any, exact: Any, key: Any) -> Any:
            tell(exact._bits, key._key)
            return plain(inquiry, exact, key)

        return flipped

    replaced(sketch, "flipped", made)


def as_a_key_is_spelt(tell: Callable[[str], object]) -> None:
    """Give away every person key that is spelt here, and not by the engine."""

    def made(plain: Any) -> Any:
        def normalised(text: Any, rule: str) -> Any:
            tell(text)
            return plain(text, rule)

        return normalised

    replaced(hashing, "normalised", made)


# --- files, prints and logs --------------------------------------------------------------------
def in_the_header() -> None:
    kept: list[str] = []
    before_the_flip(lambda _bits, key: kept.append(key.hex()))

    def released(plain: Any) -> Any:
        def release(*arguments: Any) -> Release:
            made = plain(*arguments)
            return dataclasses.replace(made, versions={**made.versions, "key": kept[-1]})

        return release

    replaced(answering, "_release", released)


def without_flips() -> None:
    """The bitmap leaves as it is."""
    sketch._flips = lambda _t, left: np.zeros(left, np.uint8)


def in_the_debit() -> None:
    kept = remembered_key()

    def append(plain: Any) -> Any:
        def appended(connection: Any, kind: str, *, body: bytes, **fields: Any) -> Any:
            told = kept[-1] if kind == "debit" else b""
            return plain(connection, kind, body=body + told, **fields)

        return appended

    replaced(chain, "append", append)


def remembered_key() -> list[bytes]:
    kept: list[bytes] = []

    def made(plain: Any) -> Any:
        def docket_key(*arguments: Any) -> Any:
            key = plain(*arguments)
            kept.append(key._key)
            return key

        return docket_key

    replaced(answering, "docket_key", made)
    return kept


def in_a_file() -> None:
    before_the_flip(lambda bits, _: np.save("bits.npy", bits))


def in_a_name() -> None:
    before_the_flip(lambda _, key: Path(f"cache-{key.hex()}").touch())


def in_the_environment() -> None:
    before_the_flip(lambda _, key: os.environ.update(DOCKET_KEY=key.hex()))


def in_a_log() -> None:
    as_a_key_is_spelt(lambda text: logging.getLogger("ibis").debug("%s", text))


def in_a_warning() -> None:
    before_the_flip(lambda bits, _: warnings.warn(f"{bits}", stacklevel=2))


def on_standard_output() -> None:
    before_the_flip(lambda bits, _: print(bits))  # noqa: T201 -- that is the fault


def on_standard_error() -> None:
    as_a_key_is_spelt(lambda text: print(text, file=sys.stderr))  # noqa: T201 -- that is the fault


def in_the_progress() -> None:
    kept = remembered_key()

    def told(plain: Any) -> Any:
        def answered(*arguments: Any, progress: Any = None, **named: Any) -> Any:
            return plain(*arguments, progress=lambda step: progress(f"{step} {kept[-1:]}"), **named)

        return answered

    replaced(answering, "answer", told)


def in_the_query() -> None:
    """The pads of HMAC in the text of a query, which the engine logs."""
    _, pads = hashing._PADS, hashing._pads

    def told(key: bytes, rule: str) -> Any:
        logging.getLogger("ibis").debug("SET VARIABLE pads = %s", pads(key, rule)[0].hex())
        return pads(key, rule)

    hashing._pads = told


# --- pages and objects -------------------------------------------------------------------------
def on_the_card() -> None:
    kept = remembered_key()
    replaced(cards, "privacy_card", lambda plain: lambda facts: f"{plain(facts)}\n{kept[-1].hex()}")


def on_the_page() -> None:
    def made(plain: Any) -> Any:
        def docket_key(*arguments: Any) -> Any:
            key = plain(*arguments)
            told.append(key._key.hex())
            return key

        return docket_key

    told: list[str] = []
    replaced(rehearsal, "docket_key", made)
    replaced(cards, "rehearsal_page", lambda plain: lambda facts: f"{plain(facts)}\n{told[-1]}")


def in_a_repr() -> None:
    sketch.DocketKey.__repr__ = lambda self: f"DocketKey({self._key!r})"  # type: ignore[method-assign]


def unguarded() -> None:
    for module in (answering, rehearsal):
        module.guarded = lambda work, code=None: work()  # type: ignore[attr-defined]  # noqa: ARG005


def in_a_cause() -> None:
    """A text that is no key is refused with what the standard library says of it."""

    def guarded(work: Callable[[], Any], code: object = None) -> Any:  # noqa: ARG001 -- the same
        try:
            return work()
        except BaseException as refusal:
            refusal.add_note(str(seen))
            raise PurchasesError("INTERNAL").with_traceback(None) from refusal

    seen: list[str] = []
    as_a_key_is_spelt(seen.append)
    answering.guarded = guarded


def in_an_error_line() -> None:
    kept = remembered_key()
    replaced(edge._log, "error", lambda plain: lambda *_: plain("stopped: %s", kept))


def exact_bitmaps(**methods: Any) -> Callable[[], None]:
    """Let the class do what it refuses."""

    def planted() -> None:
        for name, method in methods.items():
            setattr(sketch.ExactBitmap, name, method)

    return planted


shown: Final = exact_bitmaps(__repr__=lambda self: repr(self._bits))
copied: Final = exact_bitmaps(__reduce_ex__=lambda self, _: (bytes, (self._bits.tobytes(),)))
iterated: Final = exact_bitmaps(
    __iter__=lambda self: iter(self._bits.tolist()), __len__=lambda self: len(self._bits)
)
