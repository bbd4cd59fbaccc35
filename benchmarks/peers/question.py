"""What every peer is asked, and the one line that it answers; the standard library and numpy only.

In: a JSON file named on the command line. Out: seconds, error per cell and remarks, as JSON.
"""

import itertools
import json
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np


class Question:
    """Buyers by cell, each buyer in one cell, epsilon = 1.

    Attributes:
        parts: the purchases, as a glob: customer_id, sku, ordered_at, then the attributes.
        filtered: the purchases in scope, attributes already public levels, and the number of their
            cell; for tools that cannot filter.
        levels: attribute's column -> its levels, ``unknown`` last.
        products: the products in scope.
        period: first day in, first day out.
        date: kind of ordered_at, ``date`` or ``timestamp``.
    """

    def __init__(self) -> None:
        held = json.loads(Path(sys.argv[1]).read_text("utf-8"))
        self.parts: str = held["parts"]
        self.filtered: str = held["filtered"]
        self.levels: dict[str, list[str]] = held["levels"]
        self.products: list[str] = held["products"]
        self.period: tuple[str, str] = tuple(held["period"])
        self.date: str = held["date"]
        self._exact = np.array(held["exact"])
        self._compared = np.array(held["compared"], dtype=bool)
        self._begun = 0.0

    @property
    def cells(self) -> list[tuple[str, ...]]:
        """Every combination of levels, in the order of their numbers."""
        return list(itertools.product(*self.levels.values()))

    def begin(self) -> None:
        """Start the clock: imports, and starting an engine, lie before."""
        self._begun = time.perf_counter()

    def report(self, counted: Iterable[tuple[Any, float]], *notes: str) -> None:
        """Stop the clock and print the answer.

        Args:
            counted: (cell as texts or as a number, noisy count); a cell left out counts as 0.
            notes: what a reader must know to compare.
        """
        found = dict(counted)
        seconds = time.perf_counter() - self._begun
        both = zip(self.cells, range(len(self._exact)), strict=True)
        places = [found.get(texts, found.get(number)) for texts, number in both]
        missing = sum(place is None for place in places)
        counts = np.array([0.0 if place is None else float(place) for place in places])
        error = (counts - self._exact)[self._compared]
        remarks = [*notes, *([f"{missing} cells left out"] if missing else [])]
        answer = {
            "seconds": seconds,
            "rmse": float(np.sqrt((error**2).mean())),
            "bias": float(error.mean()),
            "notes": "; ".join(remarks),
        }
        print(json.dumps(answer))
