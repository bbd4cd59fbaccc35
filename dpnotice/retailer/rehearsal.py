"""An answer rehearsed: everything that can be known before a row is read or a loss debited.

In: what `answer` takes. Out: a `Rehearsal`, nothing of which hangs on the data: the columns and
their types, the query, the noise and the cost.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from dpnotice.inquiry import Inquiry
from dpnotice.privacy import Noise
from dpnotice.reporting import cards
from dpnotice.retailer import mechanism
from dpnotice.retailer.answer import check_arguments, docket_key, request_id, stored_answer
from dpnotice.retailer.edge import guarded
from dpnotice.retailer.ledger import Ledger
from dpnotice.retailer.purchases import Opened, Purchases
from dpnotice.retailer.sql import DIALECTS, counting_sql, coverage_sql
from dpnotice.zcdp import DELTA, quieter, total_variance

_WORTH_TELLING: Final = 0.99
"""Share of its s.d. that the noise would keep under the other law."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """What an answer would read, cost and hand over.

    Attributes:
        inquiry: the question.
        retailer: the account.
        engine: name of the engine that would count.
        ids: how buyer ids would be spelt alike.
        columns: (argument, column, type) of every column that would be read.
        noise: table -> law and scale of the noise it would get.
        state: of the request: ``new``, ``artifact`` (answered before), ``lost`` or ``open``.
        spent: of the account's cap, before; in the ledger's measure.
        cap: of the account.
        counting_sql: the query that would run.
        coverage_sql: a query for the retailer alone, on how well the mapping fits.
    """

    inquiry: Inquiry
    retailer: str
    engine: str
    ids: str
    columns: tuple[tuple[str, str, str], ...]
    noise: Mapping[tuple[str, ...], Noise]
    state: str
    spent: Decimal
    cap: Decimal
    counting_sql: str
    coverage_sql: str

    def page(self) -> str:
        """Return all of it as a page of text."""
        return cards.rehearsal_page(
            {
                "inquiry": self.inquiry.to_dict(),
                "retailer": self.retailer,
                "engine": self.engine,
                "ids": self.ids,
                "columns": self.columns,
                "tables": [self._table(of) for of in self.inquiry.tables],
                "measure": self.inquiry.loss.measure,
                "asked": self.inquiry.total_loss.text,
                "sketch": None if self.inquiry.sketch is None else self.inquiry.sketch.facts(),
                "spent": self.spent,
                "cap": self.cap,
                "state": self.state,
                "quieter": self._quieter(),
                "counting": self.counting_sql,
                "coverage": self.coverage_sql,
            }
        )

    def _quieter(self) -> dict[str, Any] | None:
        """Tell of the other noise law, where these tables would have less noise under it."""
        loss, weights = self.inquiry.loss, [table.weight for table in self.inquiry.specs]
        if loss.epsilon is None:
            return None
        other, _ = quieter(loss.epsilon, DELTA, weights)
        ratio = math.sqrt(total_variance(other, weights) / total_variance(loss, weights))
        if other.rho is None or ratio > _WORTH_TELLING:
            return None
        return {"rho": other.rho, "epsilon": loss.epsilon, "delta": DELTA, "ratio": ratio}

    def _table(self, of: tuple[str, ...]) -> dict[str, Any]:
        noise = self.noise[of]
        cells = self.inquiry.cells(of)
        return {"of": of, "cells": cells, "sd": noise.sd, "half_width": noise.half_width(0.95)}


def rehearse(
    inquiry: Inquiry,
    purchases: Purchases,
    *,
    retailer: str,
    ledger: Ledger,
    sketch_key: str | Path | None = None,
) -> Rehearsal:
    """Check all that :func:`dpnotice.answer` would check before it counts, and debit nothing.

    Run by: the retailer, before it answers. Of files only the schema is read.

    Args:
        inquiry: the agreed question, loaded from its file.
        purchases: the sales table and the meaning of its columns.
        retailer: name of the account.
        ledger: the budget.
        sketch_key: the docket's key, as the answer would take it.

    Returns:
        What an answer would read, cost and hand over; no part of it hangs on the data.

    Raises:
        PurchasesError: the mapping or the schema breaks a rule.
        LedgerError: the account could not pay for a new answer.
    """
    return guarded(lambda: _rehearsed(inquiry, purchases, retailer, ledger, sketch_key))


def _rehearsed(
    inquiry: Inquiry,
    purchases: Purchases,
    retailer: str,
    ledger: Ledger,
    sketch_key: str | Path | None,
) -> Rehearsal:
    check_arguments(inquiry, purchases, retailer, ledger)
    key = docket_key(inquiry, sketch_key)
    _, state, stored = ledger.lookup(request_id(inquiry, retailer, purchases.ids))
    if state == "artifact":
        stored_answer(stored, key)
    if state in {"new", "lost"}:
        ledger.check_affordable(inquiry, retailer)
    with purchases.opened() as tables:
        columns, engine = _columns(purchases, tables), tables.engine.name
    dialect = engine if engine in DIALECTS else "duckdb"
    return Rehearsal(
        inquiry=inquiry,
        retailer=retailer,
        engine=engine,
        ids=purchases.ids,
        columns=columns,
        noise=mechanism.calibrate(inquiry),
        state=state,
        spent=ledger.cap - ledger.remaining(inquiry, retailer),
        cap=ledger.cap,
        counting_sql=counting_sql(inquiry, purchases, dialect=dialect),
        coverage_sql=coverage_sql(inquiry, purchases, dialect=dialect),
    )


def _columns(purchases: Purchases, tables: Opened) -> tuple[tuple[str, str, str], ...]:
    both = [(purchases.columns, tables.purchases)]
    if purchases.buyers is not None:
        both.append((purchases.buyers.columns, tables.buyers))
    return tuple(
        (argument, column, str(table.schema()[column]))
        for columns, table in both
        for argument, column in columns.items()
    )
