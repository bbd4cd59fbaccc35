"""One measured thing, once, in a process of its own, whose peak of memory is then nothing else's.

In: `start`, `raw` or `answer`, a layout and the files, as JSON. Out: nothing.
"""

import json
import sys
import tempfile
from pathlib import Path

import answer_layouts as layouts
import answer_queries as queries
from answer_data import Sales

import dpnotice as dn


def start(layout: str, sales: Sales, spill: str) -> None:
    """Load all that an answer loads and map the columns, but count nothing."""
    engine = layouts.connected(":memory:", spill)
    layouts.purchases(layout, sales, engine)
    dn.Ledger.create(Path(spill) / "benchmark.ledger", epsilon_cap="1")
    assert layouts.inquiry()
    assert dn.answer


def raw(layout: str, sales: Sales, spill: str) -> None:
    source = layouts.source(layout, sales)
    engine = layouts.connected(layouts.database(layout, sales), spill)
    for statement in queries.levels():
        engine.raw_sql(statement)
    engine.con.execute(queries.raw(source)).fetchnumpy()
    engine.disconnect()


def answer(layout: str, sales: Sales, spill: str) -> None:
    engine = None
    if layout == layouts.LAYOUTS[2]:
        engine = layouts.connected(layouts.database(layout, sales), spill)
    mapped = layouts.purchases(layout, sales, engine)
    ledger = dn.Ledger.create(Path(spill) / "benchmark.ledger", epsilon_cap="1")
    dn.answer(layouts.inquiry(), mapped, retailer="retailer", ledger=ledger)


def main() -> None:
    asked = json.loads(sys.argv[1])
    sales = Sales(**asked["sales"] | {"folder": Path(asked["sales"]["folder"])})
    with tempfile.TemporaryDirectory(dir=sales.folder.parent) as spill:
        what = {"start": start, "raw": raw, "answer": answer}[asked["what"]]
        what(asked["layout"], sales, spill)


if __name__ == "__main__":
    main()
