"""The retailer's steps in order: look up, count, debit, draw, store.

In: an inquiry, purchases and a ledger. Out: a `Release`, read back from the ledger's own bytes, so
that nothing undebited can be published.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any, Final

from dpnotice.bitmap import Sketch
from dpnotice.errors import LedgerError, PurchasesError
from dpnotice.header import RETAILER_LENGTH, RETAILER_NAME
from dpnotice.inquiry import Inquiry
from dpnotice.layout import NoisyTable
from dpnotice.privacy import Noise
from dpnotice.release import Release
from dpnotice.retailer import counting, mechanism, sketch
from dpnotice.retailer.edge import code_of, guarded
from dpnotice.retailer.ledger import Debit, Ledger, open_debit
from dpnotice.retailer.purchases import Purchases
from dpnotice.version import __version__

STEPS: Final = ("look up", "count", "debit", "draw", "store")
"""What a progress display may name; nothing about the data, not even how long a step took."""


def answer(  # noqa: PLR0913 -- one call does the whole of it; each name is fixed
    inquiry: Inquiry,
    purchases: Purchases,
    *,
    retailer: str,
    ledger: Ledger,
    sketch_key: str | Path | None = None,
    new_attempt: str | None = None,
    progress: Callable[[str], None] | None = None,
) -> Release:
    """Answer an inquiry: count inside, debit, add noise, and return the one file that leaves.

    Run by: the retailer, inside its walls. Order: look up (the same request returns the same
    bytes), count, debit durably, draw, store durably. A crash may lose budget, never privacy.

    Args:
        inquiry: the agreed question, loaded from its file.
        purchases: the sales table and the meaning of its columns.
        retailer: name of the account, 1 to 64 of the characters ``A-Z a-z 0-9 . _ -``.
        ledger: the budget; see :class:`dpnotice.Ledger`.
        sketch_key: the docket's key, a file of 32 random bytes, where the inquiry asks for a
            sketch.
        new_attempt: a reason to ask again at full cost, where the earlier answer was lost or the
            column mapping was wrong. It is stated in the call and not stored: the ledger's head
            leaves with the release.
        progress: called with the name of each step of :data:`STEPS` as it begins.

    Returns:
        The release: noisy tables, their noise and cost, and the flipped bitmap where it is asked.

    Raises:
        PurchasesError: a code and a fixed text, never a value from the data.
        LedgerError: the budget does not allow it, or its file is not sound; nothing was drawn.
    """
    begun: list[str] = []

    def step(name: str) -> None:
        begun.append(name)
        if progress is not None:
            progress(name)

    def work() -> Release:
        check_arguments(inquiry, purchases, retailer, ledger)
        _check_reason(new_attempt)
        key = docket_key(inquiry, sketch_key)
        request = request_id(inquiry, retailer, purchases.ids)
        step("look up")
        attempt, stored = _looked_up(ledger, request, key, again=new_attempt is not None)
        if stored is not None:
            return stored
        noise = mechanism.calibrate(inquiry)
        ledger.check_affordable(inquiry, retailer)
        step("count")
        exact = _counted(inquiry, purchases, key)
        step("debit")
        debit = ledger.debit(inquiry, retailer, request=request, attempt=attempt)
        step("draw")
        drawn = _drawn(inquiry, exact, noise, key)
        del exact
        step("store")
        ledger.store(debit, _release(inquiry, retailer, debit, purchases.ids, *drawn).to_bytes())
        return Release.from_bytes(ledger.lookup(request)[2])

    return guarded(work, lambda failure: "DEBITED" if "draw" in begun else code_of(failure))


def docket_key(inquiry: Inquiry, path: str | Path | None) -> sketch.DocketKey | None:
    """Return the key that an inquiry with a sketch needs.

    Raises:
        PurchasesError: ``SKETCH_KEY`` where it is missing or no such file, ``SKETCH_NOT_ASKED``
            where it is not needed, ``KEY_FINGERPRINT`` where the inquiry states another.
    """
    if inquiry.sketch is None:
        if path is not None:
            raise PurchasesError("SKETCH_NOT_ASKED", field="sketch_key")
        return None
    if path is None:
        raise PurchasesError("SKETCH_KEY", field="sketch_key")
    key = sketch.DocketKey(path)
    if inquiry.sketch.key_fingerprint not in {None, key.fingerprint}:
        raise PurchasesError("KEY_FINGERPRINT", field="sketch_key")
    return key


def _looked_up(
    ledger: Ledger, request: str, key: sketch.DocketKey | None, *, again: bool
) -> tuple[int, Release | None]:
    """Return the number of the attempt to make, or the answer that stands."""
    attempt, state, stored = ledger.lookup(request)
    if state == "open":
        raise open_debit(request)
    if state == "lost" and not again:
        raise LedgerError(
            "the answer to this request was declared lost; ask again with new_attempt=, "
            "which costs again",
            code="BUDGET_LOST",
        )
    if state != "artifact" or again:
        return attempt + (state != "new"), None
    return attempt, stored_answer(stored, key)


def stored_answer(stored: bytes, key: sketch.DocketKey | None) -> Release:
    """Return the answer that stands; a request with another key is another request.

    Raises:
        PurchasesError: ``KEY_FINGERPRINT``.
    """
    release = Release.from_bytes(stored)
    made = None if release.sketch is None else release.sketch.key_fingerprint
    if key is not None and key.fingerprint != made:
        raise PurchasesError("KEY_FINGERPRINT", field="sketch_key")
    return release


def _counted(inquiry: Inquiry, purchases: Purchases, key: sketch.DocketKey | None) -> Any:
    """Return exact counts, and the exact bitmap where there is a key."""
    if key is None:
        return counting.count(inquiry, purchases), None
    return sketch.take(inquiry, purchases, key)


def _drawn(
    inquiry: Inquiry,
    exact: Any,
    noise: Mapping[tuple[str, ...], Noise],
    key: sketch.DocketKey | None,
) -> tuple[dict[tuple[str, ...], NoisyTable], Sketch | None]:
    """Return noisy tables, and the flipped bitmap where there is a key."""
    counts, bitmap = exact
    tables = mechanism.draw(inquiry, counts, noise)
    return tables, None if key is None else sketch.flipped(inquiry, bitmap, key)


def request_id(inquiry: Inquiry, retailer: str, ids: str) -> str:
    """Return the digest that names a request: the same request has one answer.

    Args:
        inquiry: title and quoted marginals do not matter, nor does the order of tables.
        retailer: the account.
        ids: rule by which buyer ids are spelt alike.

    Returns:
        64 hex digits.
    """
    content = [inquiry.digest, retailer, str(inquiry.unit), inquiry.name, ids]
    return hashlib.sha256(json.dumps(content, separators=(",", ":")).encode()).hexdigest()


def _release(
    inquiry: Inquiry,
    retailer: str,
    debit: Debit,
    ids: str,
    tables: dict[tuple[str, ...], NoisyTable],
    flipped: Sketch | None,
) -> Release:
    return Release(
        retailer=retailer,
        inquiry=inquiry,
        tables=tables,
        attempt=debit.attempt,
        date=date.today(),  # noqa: DTZ011 -- the retailer's own calendar day; no time leaves
        ledger_sequence=debit.sequence,
        ledger_head=debit.head,
        versions={"dpnotice": __version__, **mechanism.VERSIONS},
        ids=ids,
        sketch=flipped,
    )


def check_arguments(inquiry: object, purchases: object, retailer: object, ledger: object) -> None:
    """Refuse arguments of another kind, and names that no account can have.

    Raises:
        PurchasesError: ``ARGUMENT`` or ``BAD_NAME``.
    """
    kinds = {"inquiry": (inquiry, Inquiry), "purchases": (purchases, Purchases)}
    for field, (given, kind) in (kinds | {"ledger": (ledger, Ledger)}).items():
        if not isinstance(given, kind):
            raise PurchasesError("ARGUMENT", field=field)
    fits = (
        isinstance(retailer, str)
        and len(retailer) <= RETAILER_LENGTH
        and re.match(RETAILER_NAME, retailer)
        and not retailer.endswith("\n")
    )
    if not fits:
        raise PurchasesError("BAD_NAME", field="retailer")


def _check_reason(new_attempt: object) -> None:
    if new_attempt is not None and not (isinstance(new_attempt, str) and new_attempt.strip()):
        raise PurchasesError("REASON", field="new_attempt")
