"""The public calls as a typed caller writes them; mypy reads this file, nothing runs it."""

from pathlib import Path
from typing import TYPE_CHECKING

import dpnotice as dn
from dpnotice.result import Estimate, Result

if TYPE_CHECKING:
    from decimal import Decimal

    from pandas import DataFrame

    from dpnotice.advice import TableAdvice
    from dpnotice.analyst.cells import CellMap
    from dpnotice.analyst.compare import Comparison
    from dpnotice.analyst.members import ClassEstimate
    from dpnotice.analyst.reach import ReachEstimate
    from dpnotice.expected import Forecast
    from dpnotice.frontier import Frontier
    from dpnotice.retailer.rehearsal import Rehearsal


def typed() -> list[Result]:
    inquiry: dn.Inquiry = dn.Inquiry.load("wen.inquiry.toml")
    purchases: dn.Purchases = dn.Purchases(
        Path("sales.parquet"), buyer="b", product="p", date="d", axes={"state": "s"}
    )
    listed: dn.Buyers = dn.Buyers("buyers.parquet", buyer="b", axes={"age": "a"}, person="m")
    purchases = dn.Purchases(
        "sales.csv", buyer="b", product="p", date="d", buyers=listed, on_null_id="fail"
    )
    text: str = dn.counting_sql(inquiry, purchases, dialect="duckdb")
    ledger: dn.Ledger = dn.Ledger.create("x.ledger", epsilon_cap="2")
    rehearsal: Rehearsal = dn.rehearse(inquiry, purchases, retailer="x", ledger=ledger)
    text += rehearsal.page() + rehearsal.counting_sql
    release: dn.Release = dn.answer(inquiry, purchases, retailer="x", ledger=ledger)
    release.privacy_card(ledger)
    releases: tuple[dn.Release, ...] = dn.load_releases("*.release")
    members: ClassEstimate = dn.estimate_class(releases, outside=dn.beta(mean=0.2, sd=0.05))
    linked: ClassEstimate = dn.estimate_class(
        releases, overlap=None, linkage={"x": dn.beta(mean=0.9, sd=0.03), "y": 0.95}
    )
    apart: ClassEstimate = dn.estimate_class(releases, overlap="bounds", linkage=0.9)
    chance: ClassEstimate = dn.estimate_class(releases, overlap="independent", population=2e7)
    tables: list[DataFrame] = [linked.ladder(0.9), linked.overlap(), linked.contactable("email")]
    tables += [dn.plan_error(250_000, 4, 1.0), apart.explain(state="CA"), chance.by("state")]
    size: Estimate = members.size(level=0.9)
    share: Estimate = members.share(state=["CA", "NY"], level=0.9)
    people: dn.Print = dn.Print("People", reach_1=0.13, reach_2=0.18, insertions=2)
    letters: dn.Direct = dn.Direct(
        "x", mode="post", cooperation="sends_itself", delivered=0.9, seen=1.0
    )
    plan: dn.NoticePlan = dn.NoticePlan("both", [people, letters])
    reach: ReachEstimate = dn.estimate_reach(plan, members, draws=1_000, seed=1)
    comparison: Comparison = dn.compare([plan], members)
    foretold: Forecast = dn.forecast(inquiry, class_size=(1_000, 2_000), plan=plan)
    needed: Decimal = dn.solve_epsilon(
        inquiry, half_width=0.01, class_size=1e6, query={"state": ["CA"]}
    )
    frontier: Frontier = foretold.frontier([str(needed)], target=0.7)
    advice: TableAdvice = dn.advise(inquiry)
    cells: CellMap = members.map("state", smoothed=True)
    text += ", ".join(str(table.columns) for table in tables)
    return [size, share, members, reach, comparison, foretold, frontier, advice, cells]
