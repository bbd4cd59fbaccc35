"""Three pictures as files and as SVG, with the truth in them."""

import re
from pathlib import Path

import numpy as np
import pytest

from dpnotice.analyst.combine import estimate_class
from dpnotice.analyst.members import ClassEstimate
from dpnotice.demo.displays import DisplayCheck
from dpnotice.demo.findings import Finding
from dpnotice.demo.pictures import write_pictures
from dpnotice.reporting import figures
from dpnotice.result import Estimate
from made.releases import matter, release

NAMES = ["composition", "reach", "curve"]
CHECK = DisplayCheck(
    beta_binomial=0.004,
    single=0.012,
    independent=0.119,
    curve=np.array([[0.1, 0.1, 0.1], [0.15, 0.16, 0.19], [0.2, 0.21, 0.27]]),
)


def members() -> ClassEstimate:
    axes = {"income": ["$50k-$75k", "$75k-$99k"]}
    asked = matter(axes=axes, tables=[{"of": []}, {"of": ["income"]}])
    counts = {(): 400, ("income",): [250, 150, 0]}
    return estimate_class([release(asked, counts, 2.0, retailer="north")])


def finding(of: str, *, what: str = "reach", truth: float = 0.6) -> Finding:
    estimate = Estimate(
        quantity="reach", estimate=None, lower=0.5, upper=0.7, level=0.95, unit="fraction"
    )
    return Finding(what=what, of=of, estimate=estimate, truth=truth)


FINDINGS = (finding("mail"), finding("display"), finding("north", what="class"))


def written(folder: Path, findings: tuple[Finding, ...] = FINDINGS) -> dict[str, str]:
    return write_pictures(folder, members(), findings, CHECK)


def test_three_pictures_are_written(tmp_path: Path) -> None:
    written(tmp_path)
    files = {path.name: path.read_bytes()[:8] for path in tmp_path.iterdir()}
    assert files == dict.fromkeys([f"{name}.png" for name in NAMES], b"\x89PNG\r\n\x1a\n")


def test_the_same_three_come_back_as_svg(tmp_path: Path) -> None:
    made = written(tmp_path)
    assert list(made) == NAMES
    assert all(text.startswith("<svg") for text in made.values())


def test_the_pictures_of_one_page_share_no_id(tmp_path: Path) -> None:
    ids = re.findall(r'\bid="([^"]*)"', "".join(written(tmp_path).values()))
    assert len(ids) == len(set(ids))


def test_the_same_figures_give_the_same_bytes(tmp_path: Path) -> None:
    folders = [tmp_path / "first", tmp_path / "second"]
    for folder in folders:
        folder.mkdir()
    first, second = (written(folder) for folder in folders)
    assert first == second
    for name in NAMES:
        assert len({(folder / f"{name}.png").read_bytes() for folder in folders}) == 1


def test_an_income_is_not_typeset_as_mathematics(tmp_path: Path) -> None:
    assert "$50k-$75k</text>" in written(tmp_path)["composition"]


def test_only_plans_stand_in_the_picture_of_reach(tmp_path: Path) -> None:
    text = written(tmp_path)["reach"]
    assert ">mail</text>" in text
    assert ">display</text>" in text
    assert ">north</text>" not in text


def test_the_truth_stands_in_the_picture_of_reach(tmp_path: Path) -> None:
    assert "x = truth" in written(tmp_path)["reach"]


def test_a_truth_above_every_bound_stays_in_the_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = []

    def draw(data: dict[str, object]) -> object:
        drawn.append(plain(data))
        return drawn[-1]

    plain = figures.figure
    monkeypatch.setattr(figures, "figure", draw)
    written(tmp_path, (finding("mail", truth=0.95),))
    assert drawn[1].axes[0].get_xlim()[1] > 0.95


def test_the_curve_shows_truth_and_both_predictions(tmp_path: Path) -> None:
    text = written(tmp_path)["curve"]
    for label in ("true", "beta-binomial from one week and two", "independent weeks"):
        assert f">{label}</text>" in text
