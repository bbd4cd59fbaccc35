"""What ledger, losses, noise and exact counts must do, each as one question to a `Code`.

In: the (perhaps spoilt) code and an empty folder. Out: True where it behaves.
"""

import math
import shutil
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from dpnotice.errors import LedgerError, PurchasesError
from dpnotice.retailer.purchases import Buyers, Purchases
from made.releases import matter
from made.spoilt import Code

Check = Callable[[Code, Path], bool]


def ledger_of(code: Code, folder: Path) -> Any:
    return code.ledger.Ledger.create(folder / "x.ledger", epsilon_cap="3")


def paid(ledger: Any, request: str = "r", attempt: int = 0, name: str = "matter") -> Any:
    return ledger.debit(matter(name=name), "shop", request=request, attempt=attempt)


# --- the ledger's questions to its file ----------------------------------------------------
def a_copy_pays_under_another_head(code: Code, folder: Path) -> bool:
    ledger = ledger_of(code, folder)
    copied = code.ledger.Ledger.open(shutil.copy(ledger.path, folder / "copy"))
    return bool(paid(ledger).head != paid(copied).head)


def accounts_are_kept_apart(code: Code, folder: Path) -> bool:
    ledger = ledger_of(code, folder)
    for number, name in enumerate(["one", "one", "two"]):
        paid(ledger, request=f"{number}", name=name)
    left = [ledger.remaining(matter(name=name), "shop") for name in ("one", "two", "three")]
    spent = [(account.matter, account.spent, account.left) for account in ledger.accounts()]
    return left == [1, 2, 3] and spent == [("one", 2, 1), ("two", 1, 2)]


def the_latest_attempt_is_found(code: Code, folder: Path) -> bool:
    ledger, seen = ledger_of(code, folder), []
    seen.append(ledger.lookup(""))
    with suppress(LedgerError):
        paid(ledger)
        ledger.store(paid(ledger, request="other"), b"another")
        seen.append(ledger.lookup("r"))
        ledger.declare_lost("r")
        debit = paid(ledger, attempt=1)
        seen.append(ledger.lookup("r"))
        ledger.store(debit, b"answer")
        seen.append(ledger.lookup("r"))
    return seen == [
        (0, "new", b""),
        (0, "open", b""),
        (1, "open", b""),
        (1, "artifact", b"answer"),
    ]


def an_open_debit_is_named_as_such(code: Code, folder: Path) -> bool:
    ledger = ledger_of(code, folder)
    paid(ledger)
    paid(ledger, request="other")
    try:
        paid(ledger)
    except LedgerError as refusal:
        return refusal.code == "BUDGET_OPEN"
    return False


# --- losses and noise ----------------------------------------------------------------------
LOSSES: Final = {
    "1": 10**9,
    "0.1": 10**8,
    "0.000000001": 1,
    "0.0000000011": 2,
    "0.0000000014": 2,
    "0.0000000016": 2,
    "999999999.000000001": 999_999_999_000_000_001,
}


def losses_are_rounded_up(code: Code, _folder: Path) -> bool:
    loss = code.privacy.PrivacyLoss
    return all(
        loss(**{measure: Decimal(text)}).nano == nano
        for text, nano in LOSSES.items()
        for measure in ("epsilon", "rho")
    )


def losses_know_their_measure(code: Code, _folder: Path) -> bool:
    epsilon = code.privacy.PrivacyLoss(epsilon=Decimal(2))
    rho = code.privacy.PrivacyLoss(rho=Decimal(3))
    found = [(loss.measure, loss.value) for loss in (epsilon, rho)]
    return found == [("epsilon", 2), ("rho", 3)]


SCALES: Final = (0.01, 0.3, 1.0, 1.7, 2.0, 2.5, 7.0, 1e6 / 3, 2.0**47)


def noises(code: Code) -> list[tuple[Any, Any]]:
    laws, noise = code.privacy.NoiseLaw, code.privacy.Noise
    return [
        (
            noise(law=laws.DISCRETE_LAPLACE, scale=scale),
            noise(law=laws.DISCRETE_GAUSSIAN, scale=scale),
        )
        for scale in SCALES
    ]


def the_loss_of_noise_is_exact(code: Code, _folder: Path) -> bool:
    return all(
        laplace.loss * Fraction(laplace.scale) == 1
        and gaussian.loss * 2 * Fraction(gaussian.scale) ** 2 == 1
        for laplace, gaussian in noises(code)
    )


def moment(weights: dict[int, float], power: int) -> float:
    return math.fsum(z**power * w for z, w in weights.items()) / math.fsum(weights.values())


def the_spread_of_noise_is_its_laws(code: Code, _folder: Path) -> bool:
    """Against sums over the law itself, at scales where these are short."""
    for laplace, gaussian in noises(code):
        scale = laplace.scale
        if not 0.3 <= scale <= 7:
            continue
        reach = range(-400, 401)
        laws = [
            (laplace, {z: math.exp(-abs(z) / scale) for z in reach}),
            (gaussian, {z: math.exp(-z * z / (2 * scale**2)) for z in reach}),
        ]
        for noise, weights in laws:
            second, fourth = moment(weights, 2), moment(weights, 4)
            expected = (second, math.sqrt(second), fourth / second**2 - 3)
            found = (noise.variance, noise.sd, noise.excess_kurtosis)
            if not np.allclose(found, expected, rtol=1e-6, atol=1e-6):
                return False
    return True


def vanishing_noise_has_no_spread(code: Code, _folder: Path) -> bool:
    _, gaussian = noises(code)[0]
    return bool((gaussian.variance, gaussian.excess_kurtosis) == (0, 0))


# --- exact counts --------------------------------------------------------------------------
REFUSED: Final = (
    *("__reduce_ex__", "__copy__", "__deepcopy__", "__getstate__"),
    *("__array__", "__iter__", "__len__", "__getitem__", "__contains__", "__bool__"),
)


def exact_counts_refuse(name: str) -> Check:
    """Build the check that one protocol of Python's is refused by the class itself."""

    def check(code: Code, _folder: Path) -> bool:
        counts = code.confidential.ConfidentialCounts({(): np.array(7)})
        try:
            vars(type(counts))[name](counts)
        except PurchasesError as refusal:
            return refusal.code == "INTERNAL"
        except (KeyError, TypeError):
            return False
        return False

    return check


def exact_counts_show_themselves_as_withheld(code: Code, _folder: Path) -> bool:
    kind = code.confidential.ConfidentialCounts
    shown = {repr(kind({})), str(kind({})), vars(kind).get("__str__", str)(kind({}))}
    return shown == {"<ConfidentialCounts: withheld>"}


def exact_counts_have_no_hash_and_no_dictionary(code: Code, _folder: Path) -> bool:
    kind = code.confidential.ConfidentialCounts
    return vars(kind).get("__hash__", 1) is None and not hasattr(kind({}), "__dict__")


# --- counting ------------------------------------------------------------------------------
def the_row_of_all_buyers_is_no_cell(code: Code, _folder: Path) -> bool:
    """One buyer in the first cell, and another three times in the buyers table."""
    sales = pa.table({"id": ["a", "b"], "sku": ["p", "p"], "day": ["2020-03-01"] * 2})
    sales = sales.set_column(2, "day", sales["day"].cast(pa.date32()))
    people = pa.table({"id": ["a", "b", "b", "b"], "st": ["CA", "NY", "NY", "NY"]})
    buyers = Buyers(people, buyer="id", axes={"state": "st"})
    found = Purchases(sales, buyer="id", product="sku", date="day", axes={}, buyers=buyers)
    asked = matter(tables=[{"of": ["state"]}])
    try:
        counts = code.counting.count(asked, found)
    except PurchasesError:
        return False
    return bool(counts._tables["state",].tolist() == [1, 1, 0])
