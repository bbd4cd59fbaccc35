"""Which tables an inquiry should list: what each costs the others, and what it gives.

In: an inquiry, before anybody answers. Out: `TableAdvice`: what is missing, what costs more than it
gives, and a proposed list. Only the public question is needed.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any, Final

from dpnotice.analyst.design import Design, Names, planned
from dpnotice.errors import InquiryError
from dpnotice.inquiry import MAX_RELEASED_CELLS, Inquiry
from dpnotice.reporting import figures, foresight, tables
from dpnotice.result import Estimate, summary_frame
from dpnotice.segments import Table

if TYPE_CHECKING:
    import pandas as pd

    from dpnotice.reporting import Axes

LEVEL: Final = 0.95
WORTH_LISTING: Final = 1.5
"""A quoted marginal is worth a table of its own if that divides its s.d. by as much."""
LEAST_GAIN: Final = 0.01
"""A further table joins the proposal if the quoted marginals' s.d. falls by this share."""
_CLOSE: Final = 1e-9
_NO_NOISE: Final = 1e-100


def advise(inquiry: Inquiry) -> "TableAdvice":
    """Compare the tables of an inquiry with what is to be quoted from them.

    The measure is the geometric mean of the noise s.d. of a cell over the quoted marginals (those
    listed, where none is named as quoted), so that each counts alike however many cells it has;
    the loss is shared as it would be after each change.

    Args:
        inquiry: as the parties drafted it.

    Returns:
        Findings in words, the s.d. of every quoted marginal, and a proposed list.

    Raises:
        InquiryError: not an inquiry.
    """
    if not isinstance(inquiry, Inquiry):
        raise InquiryError(f"advise takes an Inquiry, got {type(inquiry).__name__}")
    quoted = tuple(dict.fromkeys(inquiry.quoted)) or inquiry.tables
    return TableAdvice(
        inquiry=inquiry,
        quoted=quoted,
        missing=tuple(names for names in quoted if not planned(inquiry).determines(names)),
        unlisted=tuple(_unlisted(inquiry, quoted)),
        costly=tuple(_costly(inquiry, quoted)),
        proposal=_proposed(inquiry, quoted),
    )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class TableAdvice:
    """What is wrong with a list of tables, and a better one.

    Attributes:
        inquiry: as drafted.
        quoted: the marginals that are to be quoted.
        missing: those that the tables do not determine.
        unlisted: those that would be sharper by 1.5 times with a table of their own.
        costly: tables without which the quoted marginals would be no less sharp.
        proposal: the inquiry with the proposed tables, and what is quoted written into it; the same
            one if they are listed already.
    """

    inquiry: Inquiry
    quoted: Sequence[Names]
    missing: tuple[Names, ...]
    unlisted: tuple[Names, ...]
    costly: tuple[Names, ...]
    proposal: Inquiry

    @property
    def findings(self) -> tuple[str, ...]:
        """What was found, one sentence each; empty where nothing speaks against the list."""
        return foresight.advice_sentences(self.to_dict())

    def estimates(self) -> list[Estimate]:
        """Return the half-width of a cell of every quoted marginal, as drafted and as proposed."""
        return [
            Estimate(
                quantity=f"half-width of a cell, {text}",
                segment=_text(names),
                estimate=_half_width(inquiry, names),
                lower=0.0,
                upper=_half_width(inquiry, names),
                level=LEVEL,
                unit="buyers",
            )
            for text, inquiry in (("as drafted", self.inquiry), ("as proposed", self.proposal))
            for names in self.quoted
            if planned(inquiry).determines(names)
        ]

    def summary(self) -> "pd.DataFrame":
        """Return the half-widths as tidy rows."""
        return summary_frame(self.estimates())

    def to_frame(self) -> "pd.DataFrame":
        """Return, per quoted marginal, the noise s.d. of a cell as drafted and as proposed."""
        rows = [{k: math.nan if v is None else v for k, v in row.items()} for row in self._rows()]
        return tables.frame(rows, ("marginal", "cells", "sd", "sd_proposed"))

    def plot_data(self) -> dict[str, Any]:
        """Return the half-widths as plain JSON types."""
        return {
            "kind": "intervals",
            "title": "Noise of a cell, as drafted and as proposed",
            "x": "buyers",
            "unit": "buyers",
            "level": LEVEL,
            "series": [
                {
                    "label": f"{e.segment} ({e.quantity.rpartition(', ')[2]})",
                    "estimate": 0.0,
                    "lower": -e.upper,
                    "upper": e.upper,
                }
                for e in self.estimates()
            ],
        }

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw the half-widths."""
        return figures.draw(self.plot_data(), ax)

    def statement(self) -> str:
        """Return the findings as one text."""
        return " ".join(self.findings) or "Nothing speaks against this list of tables."

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain JSON types."""
        return {
            "format": 1,
            "inquiry": self.inquiry.digest,
            "missing": list(map(_text, self.missing)),
            "unlisted": list(map(_text, self.unlisted)),
            "costly": list(map(_text, self.costly)),
            "proposed": list(map(_text, self.proposal.tables)),
            "is_proposed": self.proposal.tables == self.inquiry.tables,
            "sd": self._rows(),
        }

    def __repr__(self) -> str:
        return f"<TableAdvice: {self.statement()}>"

    def _repr_html_(self) -> str:
        return tables.html(self.to_frame(), self.statement())

    def _rows(self) -> list[dict[str, Any]]:
        return [
            {
                "marginal": _text(names),
                "cells": self.inquiry.cells(names),
                "sd": _sd(planned(self.inquiry), names),
                "sd_proposed": _sd(planned(self.proposal), names),
            }
            for names in self.quoted
        ]


def _sd(design: Design, names: Names) -> float | None:
    """S.d. of the noise of a cell; None where the tables do not determine it."""
    return design.cell_error(names).sd if design.determines(names) else None


def _half_width(inquiry: Inquiry, names: Names) -> float:
    return planned(inquiry).cell_error(names).half_width(LEVEL)


def _cost(design: Design, quoted: Iterable[Names]) -> float:
    """Mean logarithm of the s.d. over the quoted marginals; inf where one is not determined."""
    found = [_sd(design, names) for names in quoted]
    known = [math.log(max(sd, _NO_NOISE)) for sd in found if sd is not None]
    return sum(known) / len(known) if len(known) == len(found) else math.inf


def _unlisted(inquiry: Inquiry, quoted: Iterable[Names]) -> Iterable[Names]:
    for names in quoted:
        sd = _sd(planned(inquiry), names)
        if sd is not None and names not in inquiry.tables:
            listed = _sd(_listing(inquiry, [*inquiry.tables, names]), names)
            if listed is not None and sd > WORTH_LISTING * listed:
                yield names


def _costly(inquiry: Inquiry, quoted: Sequence[Names]) -> Iterable[Names]:
    before = _cost(planned(inquiry), quoted)
    if len(inquiry.tables) > 1 and before < math.inf:
        for table in inquiry.tables:
            rest = _listing(inquiry, [names for names in inquiry.tables if names != table])
            if _cost(rest, quoted) <= before + _CLOSE:
                yield table


def _proposed(inquiry: Inquiry, quoted: Sequence[Names]) -> Inquiry:
    """Choose tables greedily, from the quoted marginals that no other holds.

    Candidates are the total, the quoted marginals and what pairs of them share; one joins if it
    lowers the cost by a hundredth of the s.d. The draft stays where it is as good, or where the
    better list would have more cells than may be released.
    """
    sets = [set(names) for names in quoted]
    chosen = [names for names in quoted if not any(set(names) < other for other in sets)]
    shared = [tuple(a for a in one if a in two) for one, two in combinations(quoted, 2)]
    candidates = [names for names in dict.fromkeys([(), *quoted, *shared]) if names not in chosen]
    cost = _cost(_listing(inquiry, chosen), quoted)
    while candidates:
        tried = [(_cost(_listing(inquiry, [*chosen, c]), quoted), c) for c in candidates]
        lowest, found = min(tried)
        if lowest > cost + math.log1p(-LEAST_GAIN):
            break
        chosen, cost = [*chosen, found], lowest
        candidates.remove(found)
    cells = sum(inquiry.cells(names) for names in chosen)
    good_enough = _cost(planned(inquiry), quoted) <= cost - math.log1p(-LEAST_GAIN)
    if good_enough or cells > MAX_RELEASED_CELLS:
        return inquiry
    return replace(inquiry, specs=_specs(inquiry, chosen), quoted=tuple(quoted))


def _listing(inquiry: Inquiry, names: Iterable[Names]) -> Design:
    """Return the design with these tables, the loss shared anew."""
    return planned(inquiry, specs=_specs(inquiry, names))


def _specs(inquiry: Inquiry, names: Iterable[Names]) -> tuple[Table, ...]:
    """Return tables; those that the inquiry had keep their weights."""
    had = {table.of: table for table in inquiry.specs}
    return tuple(had.get(of, Table(of=of)) for of in names)


def _text(names: Names) -> str:
    return " x ".join(names) or "total"
