"""What the README shows runs as written."""

import re
import tomllib
from pathlib import Path

import matplotlib as mpl
import pytest

from dpnotice.datasets import Case, wen_like
from dpnotice.inquiry import Inquiry
from dpnotice.retailer.config import AnswerConfig

mpl.use("Agg")

ROOT = Path(__file__).parents[1]


def blocks(page: str, language: str) -> list[str]:
    text = (ROOT / page).read_text("utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.fixture(scope="module")
def matter(tmp_path_factory: pytest.TempPathFactory) -> Case:
    folder = tmp_path_factory.mktemp("matter")
    case = wen_like(folder / "made", n_buyers=3_000, n_retailers=1, seed=3)
    Path(case.sources[case.retailers[0]]).parent.rename(folder / "sales")
    case.inquiry.save(folder / "wen.inquiry.toml")
    return case


def test_the_readme_runs_from_the_retailers_lines_to_the_analysts(
    matter: Case, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(matter.folder.parent)
    shown: dict[str, object] = {}
    for block in blocks("README.md", "python"):
        exec(compile(block, "README.md", "exec"), shown)  # noqa: S102 -- the README's own lines
    printed = capsys.readouterr().out
    assert "WHAT LEAVES SEPHORA" in printed
    assert "would be exposed to the notice" in printed
    assert Path("sephora.release").is_file()


def test_the_inquiry_page_shows_a_valid_inquiry() -> None:
    text, sketched = blocks("docs/inquiry.md", "toml")
    inquiry = Inquiry.from_dict(tomllib.loads(text))
    assert inquiry.tables == ((), ("state",), ("age", "contact"))
    assert set(tomllib.loads(sketched)) == {"sketch"}


def test_the_retailers_page_shows_a_valid_configuration(matter: Case) -> None:
    whole, listed, _database, signed, sketched = blocks("docs/retailer.md", "toml")
    path = matter.folder.parent / "sephora.toml"
    path.write_text(whole, "utf-8")
    assert AnswerConfig.load(path).retailer == "sephora"
    path.write_text(signed + whole, "utf-8")
    assert AnswerConfig.load(path).releases == ("sent/*.release",)
    key, person = (part for part in sketched.split("[purchases]\n"))
    path.write_text(key + whole + person, "utf-8")
    asked = AnswerConfig.load(path)
    assert (asked.purchases.person, asked.sketch_key) == ("email", path.parent / "docket.key")
    axes = next(line for line in whole.splitlines() if line.startswith("axes"))
    path.write_text(whole.replace(axes, "") + listed, "utf-8")
    buyers = AnswerConfig.load(path).purchases.buyers
    assert buyers is not None
    assert set(buyers.axes) == {"state", "age", "contact"}


@pytest.mark.parametrize("page", ["README.md", "docs/retailer.md", "docs/inquiry.md"])
def test_every_local_link_leads_somewhere(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    links = re.findall(r"\]\(([^)#:]+)\)", text)
    folder = (ROOT / page).parent
    assert [link for link in links if not (folder / link).exists()] == []
