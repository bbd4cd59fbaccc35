"""The demo, run once on the real purchases: its files, its words and its page.

The noise is fresh in every run. What is asserted of the estimates holds whatever the noise is, or
with a margin of at least 30 s.d. of what the noise does to the bound (measured over 12 draws): a
false alarm is rarer than one in 10^9 runs. The intervals of single retailers, which miss in up to
5 % of runs, are checked by `tests/simulation/test_demo_noise.py`.
"""

import io
from dataclasses import dataclass
from html.parser import HTMLParser
from itertools import combinations
from pathlib import Path

import pytest
from rich.console import Console

from dpnotice.analyst.combine import estimate_class
from dpnotice.analyst.dependence.duplications import Duplications
from dpnotice.analyst.media.publication import Print
from dpnotice.analyst.together import load_releases
from dpnotice.datasets import Case
from dpnotice.demo.findings import Finding
from dpnotice.demo.steps import plans, run
from dpnotice.inquiry import Inquiry
from dpnotice.release import Release
from dpnotice.retailer.ledger import Ledger

RETAILERS = [f"retailer-{number}" for number in (1, 2, 3, 4)]
RELEASES = [f"{retailer}.release" for retailer in RETAILERS]
PICTURES = ["composition.png", "curve.png", "reach.png"]
SHARE = "share with address"
PLANS = ["retailer-sent mail", "displays in stores", "mail and displays", "names handed over"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """One run: where it wrote, what it said, and what it found."""

    folder: Path
    text: str
    findings: tuple[Finding, ...]
    files: dict[str, bytes]


class Cells(HTMLParser):
    """Collects the texts of a page's cells and paragraphs, and the pointing attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.pointed: list[str] = []
        self.tags: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.pointed += [v or "" for k, v in attrs if k in {"src", "href", "xlink:href"}]

    def handle_data(self, data: str) -> None:
        self.texts.append(data.strip())


def ran_in(folder: Path) -> Ran:
    out = io.StringIO()
    findings = run(folder, Console(file=out, width=200, highlight=False, soft_wrap=True))
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    return Ran(folder=folder, text=out.getvalue(), findings=findings, files=files)


@pytest.fixture(scope="session")
def first(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    return ran_in(tmp_path_factory.mktemp("demo") / "output")


@pytest.fixture(scope="session")
def second(first: Ran) -> Ran:
    return ran_in(first.folder)


@pytest.fixture(scope="session")
def page(first: Ran) -> Cells:
    return Cells(first.files["summary.html"].decode("utf-8"))


def found(ran: Ran, what: str, of: str) -> Finding:
    (one,) = [finding for finding in ran.findings if (finding.what, finding.of) == (what, of)]
    return one


def test_every_file_that_it_tells_of_exists(first: Ran) -> None:
    assert sorted(first.files) == sorted(["inquiry.toml", "summary.html", *PICTURES, *RELEASES])


def test_what_is_secret_lies_in_a_folder_of_its_own(first: Ran) -> None:
    inside = {path.name for path in (first.folder / "inside-the-retailers").iterdir()}
    kept = {f"{name}.{kind}" for name in RETAILERS for kind in ("ledger", "parquet")}
    assert inside == kept | {"docket.key"}


def test_the_releases_load_together(first: Ran) -> None:
    releases = load_releases(str(first.folder / "*.release"))
    assert [release.retailer for release in releases] == RETAILERS


def test_every_release_answers_the_inquiry_beside_it(first: Ran) -> None:
    inquiry = Inquiry.load(first.folder / "inquiry.toml")
    digests = {Release.from_bytes(first.files[name]).inquiry.digest for name in RELEASES}
    assert digests == {inquiry.digest}


def test_every_release_costs_what_its_ledger_was_debited(first: Ran) -> None:
    for name in RETAILERS:
        release = Release.from_bytes(first.files[f"{name}.release"])
        ledger = Ledger.open(first.folder / "inside-the-retailers" / f"{name}.ledger")
        assert ledger.cap - ledger.remaining(release.inquiry, name) == release.epsilon == 4


def test_the_findings_are_of_every_retailer_every_pair_the_whole_and_every_plan(first: Ran) -> None:
    expected = [(what, name) for name in RETAILERS for what in ("class", SHARE)]
    expected += [("known to both", f"{a} + {b}") for a, b in combinations(RETAILERS, 2)]
    expected += [(what, "all retailers") for what in ("class, by the counts", "class", SHARE)]
    expected += [("reach", plan) for plan in PLANS]
    assert [(finding.what, finding.of) for finding in first.findings] == expected


def near(finding: Finding) -> bool:
    """Tell whether the truth is within three half-widths: 5.9 s.d., false alarm below 1e-8."""
    half = (finding.estimate.upper - finding.estimate.lower) / 2
    return abs((finding.estimate.estimate or 0) - finding.truth) < 3 * half


def test_the_estimates_of_every_pair_are_near_the_persons_known_to_both(first: Ran) -> None:
    pairs = [finding for finding in first.findings if finding.what == "known to both"]
    assert [finding.truth for finding in pairs] == [72, 90, 77, 72, 53, 78]
    assert all(near(finding) for finding in pairs)


def test_the_bounds_over_all_four_retailers_contain_the_true_class(first: Ran) -> None:
    whole = found(first, "class, by the counts", "all retailers")
    assert whole.truth == 1222
    assert 1222 in whole.estimate


def test_the_estimate_over_all_four_retailers_is_near_the_true_class(first: Ran) -> None:
    whole = found(first, "class", "all retailers")
    assert whole.truth == 1222
    assert near(whole)


def test_the_bounds_over_all_four_retailers_contain_the_true_share(first: Ran) -> None:
    share = found(first, SHARE, "all retailers")
    assert share.truth == pytest.approx(0.8028, abs=5e-5)
    assert share.covers


@pytest.mark.parametrize("plan", PLANS)
def test_the_estimate_of_a_plans_reach_is_near_the_truth(first: Ran, plan: str) -> None:
    assert near(found(first, "reach", plan))


def test_only_the_names_handed_over_disclose_records(first: Ran) -> None:
    members = estimate_class(load_releases([first.folder / name for name in RELEASES]))
    case = Case(
        folder=first.folder,
        inquiry=members.inquiry,
        sources=dict.fromkeys(RETAILERS, ""),
        columns={},
        truth={},
    )
    poster = Print("poster", reach_1=0.2, reach_2=0.3, insertions=2)
    known = Duplications(
        {("poster", "sign"): 0.1}, reach_1={"poster": 0.2, "sign": 0.3}, persons=500
    )
    compared = plans(case, [poster], known)
    disclosed = {plan.name: plan.records_disclosed(members).estimate for plan in compared}
    assert list(disclosed) == PLANS
    assert [disclosed[name] for name in PLANS[:3]] == [0, 0, 0]
    assert (disclosed[PLANS[3]] or 0) > 1000  # 1,597 and noise of s.d. below 12


def test_names_handed_over_reach_no_one_whom_the_retailers_do_not(first: Ran) -> None:
    sent, handed = found(first, "reach", PLANS[0]), found(first, "reach", PLANS[3])
    assert (sent.truth, sent.estimate.lower, sent.estimate.upper) == (
        handed.truth,
        handed.estimate.lower,
        handed.estimate.upper,
    )


def test_the_console_shows_every_finding(first: Ran) -> None:
    rows = [" ".join(line.split()) for line in first.text.splitlines()]
    missing = [f.row() for f in first.findings if " ".join(f.row().values()) not in rows]
    assert missing == []


def test_the_console_states_the_size_of_the_class(first: Ran) -> None:
    members = estimate_class(load_releases(str(first.folder / "*.release")))
    assert members.statement() in first.text


def test_the_console_counts_the_intervals_that_cover(first: Ran) -> None:
    covered = sum(finding.covers for finding in first.findings)
    assert f"{covered} of {len(first.findings)} intervals cover the truth" in first.text


def test_the_console_tells_what_is_left_of_every_budget(first: Ran) -> None:
    lines = [line for line in first.text.splitlines() if "budget left 0 of 4" in line]
    assert [line.split()[0] for line in lines] == RETAILERS


def test_the_console_says_which_plan_discloses_records(first: Ran) -> None:
    assert first.text.count("It discloses no buyer's record.") == 3
    assert first.text.count("It discloses about") == 1


def test_the_console_names_the_folder(first: Ran) -> None:
    assert f"Written to {first.folder}:" in first.text


def test_no_bar_is_drawn_off_a_terminal(first: Ran) -> None:
    assert "\N{BOX DRAWINGS HEAVY HORIZONTAL}" not in first.text


def test_nothing_prints_as_no_number(first: Ran) -> None:
    words = {word.strip("(),.%").lower() for word in first.text.split()}
    assert words & {"nan", "inf", "none", "-0", "-0.0"} == set()


def test_the_page_opens_with_all_its_parts(page: Cells) -> None:
    assert (page.tags.count("h1"), page.tags.count("h2"), page.tags.count("svg")) == (1, 5, 3)


def test_the_page_points_to_nothing_outside_itself(page: Cells) -> None:
    assert [target for target in page.pointed if not target.startswith("#")] == []


def test_the_page_shows_every_finding(first: Ran, page: Cells) -> None:
    texts = "\n".join(page.texts)
    for finding in first.findings:
        assert "\n".join(finding.row().values()) in texts


def test_the_page_names_neither_folder_nor_user(first: Ran) -> None:
    text = first.files["summary.html"].decode("utf-8")
    assert str(first.folder) not in text
    assert str(Path.home()) not in text


def test_a_second_run_gives_the_same_releases_byte_for_byte(first: Ran, second: Ran) -> None:
    assert {n: second.files[n] for n in RELEASES} == {n: first.files[n] for n in RELEASES}


def test_a_second_run_gives_the_same_page_and_pictures(first: Ran, second: Ran) -> None:
    assert {n for n in first.files if second.files[n] != first.files[n]} == set()


def test_a_second_run_costs_nothing(second: Ran) -> None:
    assert second.text.count("budget left 0 of 4") == 4


def test_a_second_run_finds_the_same(first: Ran, second: Ran) -> None:
    assert second.findings == first.findings


@pytest.mark.slow
def test_a_folder_with_brackets_in_its_name_works_like_any_other(tmp_path: Path) -> None:
    folder = tmp_path / "demo [x]"
    assert f"Written to {folder}:" in ran_in(folder).text
