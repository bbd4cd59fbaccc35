"""One version, wherever it is written."""

import re
from pathlib import Path

from dpnotice.version import __version__

ROOT = Path(__file__).parents[1]


def test_the_citation_names_this_version() -> None:
    assert f"version: {__version__}" in (ROOT / "CITATION.cff").read_text("utf-8").replace('"', "")


def test_the_changelog_has_an_entry_for_this_version() -> None:
    headings = re.findall(
        r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE
    )
    assert __version__ in headings or headings[0] == "Unreleased"
