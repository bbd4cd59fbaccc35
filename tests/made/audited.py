"""What the auditor looks at: noise from the mechanism itself, and whole answers read back.

In: a loss and a size. Out: tallies of drawn noise, or events counted in releases of two data sets,
one without any buyer and one with a buyer in every cell.
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

import dpnotice as dn
from dpnotice.inquiry import Inquiry
from dpnotice.privacy import Noise
from dpnotice.retailer import mechanism
from dpnotice.retailer.confidential import ConfidentialCounts
from made.auditing import tally, told_apart
from made.releases import matter

Integers = npt.NDArray[np.int64]
PER_INQUIRY = 10**6
"""Cells that one inquiry may release."""


def grid(privacy: dict[str, str], rows: int, columns: int, tables: int = 1) -> Inquiry:
    """One table of rows x columns cells, or two, each also by an axis of two levels of its own."""
    axes = {"row": _levels("r", rows), "column": _levels("c", columns)}
    apart = ["first", "second"] if tables == 2 else []
    axes |= {name: ["yes"] for name in apart}
    of = [["row", "column", name] for name in apart] or [["row", "column"]]
    return matter(axes=axes, tables=[{"of": names} for names in of], privacy=privacy)


def _levels(letter: str, number: int) -> list[str]:
    return [f"{letter}{i}" for i in range(number - 1)]  # and unknown, which is a cell like others


# --- noise alone ---------------------------------------------------------------------------
def noise_drawn(privacy: dict[str, str], draws: int) -> tuple[Counter[int], Noise]:
    """Noise of empty cells, of as many inquiries as it takes; memory does not grow with `draws`."""
    drawn: Counter[int] = Counter()
    while (left := draws - sum(drawn.values())) > 0:
        asked = grid(privacy, max(2, min(left, PER_INQUIRY) // 1000), 1000)
        (of,) = asked.tables
        empty = ConfidentialCounts({of: np.zeros(asked.shape(of), np.int64)})
        table = mechanism.draw(asked, empty, mechanism.calibrate(asked))[of]
        drawn += tally(table.counts)
    return drawn, table.noise


def privacy_of_scale(law: str, scale: float) -> dict[str, str]:
    """Declare the loss whose noise has about this scale."""
    if law == "discrete-laplace":
        return {"epsilon": f"{1 / scale:.9f}", "noise": law}
    return {"rho": f"{1 / (2 * scale**2):.9f}", "noise": law}


# --- whole answers -------------------------------------------------------------------------
def buyers_in_every_cell(asked: Inquiry, path: Path) -> int:
    """Write one buyer for every row and column, the same in both further axes; return how many.

    Buyers take turns between the two levels of those axes, so that no two share a cell of any
    table.
    """
    names = list(asked.axes)
    place = {"row": 0, "column": 1, "first": 2, "second": 2}
    sizes = [len(asked.axes[name]) for name in names[:3]]
    index = np.indices(sizes).reshape(len(sizes), -1)
    columns = {name: np.array(asked.axes[name].levels)[index[place[name]]] for name in names}
    number = index.shape[1]
    sales = {"id": np.arange(number), "sku": ["p"] * number, "day": ["2020-03-01"] * number}
    table = pa.table(sales | columns)
    pq.write_table(table.set_column(2, "day", table["day"].cast(pa.date32())), path)
    return number


def released(asked: Inquiry, source: Path, folder: Path) -> dn.Release:
    """Answer in a ledger of its own, and read back what stands in the released file."""
    measure = asked.loss.measure
    cap = {f"{measure}_cap": str(asked.loss.value)}
    ledger = dn.Ledger.create(folder / f"{source.stem}.ledger", **cap)
    axes = {name: name for name in asked.axes}
    sales = dn.Purchases(source, buyer="id", product="sku", date="day", axes=axes)
    saved = folder / f"{source.stem}.release"
    dn.answer(asked, sales, retailer="shop", ledger=ledger).save(saved)
    (account,) = ledger.accounts()
    if account.spent != asked.loss.value:
        raise ValueError(f"{account.spent} was debited for {asked.loss.value}")
    return dn.Release.load(saved)


def trial(asked: Inquiry, folder: Path) -> tuple[dict[str, tuple[int, int]], int]:
    """Answer with a buyer in every cell and with none: events -> (with, without), and trials.

    The noise of cells is independent, so every cell (of each table) is a trial of its own.
    """
    full, none = folder / "full.parquet", folder / "none.parquet"
    number = buyers_in_every_cell(asked, full)
    pq.write_table(pq.read_table(full).slice(0, 0), none)
    counts = [_events(released(asked, source, folder), asked) for source in (full, none)]
    return {event: (counts[0][event], counts[1][event]) for event in counts[0]}, number


def _events(release: dn.Release, asked: Inquiry) -> dict[str, int]:
    return told_apart([release.tables[of].counts.ravel() for of in asked.tables])


# --- planted faults ------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Quieter:
    """A measurement that states the loss of its scale, and draws noise of a smaller one."""

    stated: Any
    drawing: Any

    def map(self, distance: int) -> Any:
        """State the loss as if nothing were wrong."""
        return self.stated.map(distance)

    def __call__(self, exact: Integers) -> Any:
        """Draw less noise."""
        return self.drawing(exact)


def quieter(factor: float) -> Any:
    """Stand in for `mechanism._measurement`: noise of `factor` times the scale."""
    original = mechanism._measurement

    def measurement(law: str, scale: float) -> Quieter:
        return Quieter(original(law, scale), original(law, factor * scale))

    return measurement
