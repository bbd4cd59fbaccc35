"""One page: no request to anywhere, and text that stays text."""

import re
from html.parser import HTMLParser
from typing import Any

import pandas as pd
import pytest
from jinja2 import UndefinedError

from dpnotice.reporting import figures, page, tables
from dpnotice.reporting.page import Section, render

HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>"
POINTING = {"src", "href", "xlink:href", "srcset", "action", "data", "poster", "background"}


class Reader(HTMLParser):
    """Collects the tags with their attributes, and the text outside of tags."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def full(**changes: Any) -> str:
    data = {
        "kind": "intervals",
        "x": "share",
        "unit": "fraction",
        "level": 0.95,
        "series": [{"label": "post", "estimate": 0.4, "lower": 0.3, "upper": 0.5}],
    }
    section = Section(
        title="Who the buyers are",
        lines=["A first paragraph.", "A second one."],
        table=tables.table(pd.DataFrame([{"plan": "mail", "records": 3}])),
        picture=figures.svg(figures.figure(data), "shares"),
        caption="Shares with intervals",
    )
    given = {"finding": "We estimate 74%.", "sections": [section], "footer": ["Sources."]}
    return render("The title", **(given | changes))


def hostile() -> str:
    section = Section(title=HOSTILE, lines=[HOSTILE], picture="<svg></svg>", caption=HOSTILE)
    return render(HOSTILE, finding=HOSTILE, sections=[section], footer=[HOSTILE])


def test_a_page_points_to_nothing_outside_itself() -> None:
    pointed = [v for _, a in Reader(full()).tags for k, v in a.items() if k in POINTING]
    assert pointed
    assert [target for target in pointed if not (target or "").startswith("#")] == []


def test_a_pages_styles_load_nothing() -> None:
    text = full()
    assert "@import" not in text
    assert [url for url in re.findall(r"url\(([^)]*)\)", text) if not url.startswith("#")] == []


def test_a_page_has_no_script_link_or_frame() -> None:
    used = {name for name, _ in Reader(full()).tags}
    assert used & {"script", "link", "iframe", "object", "embed", "base", "form"} == set()


def test_a_page_forbids_every_request_by_its_policy() -> None:
    metas = Reader(full()).named("meta")
    (policy,) = [m["content"] for m in metas if m.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None
    assert policy.startswith("default-src 'none';")
    assert "http" not in policy
    assert "script-src" not in policy


def test_the_policy_stands_before_anything_that_it_governs() -> None:
    text = full()
    assert text.index("Content-Security-Policy") < text.index("<style")


def test_hostile_text_becomes_no_tag() -> None:
    used = {name for name, _ in Reader(hostile()).tags}
    assert used & {"script", "img"} == set()


def test_hostile_text_becomes_no_attribute() -> None:
    assert [a for _, a in Reader(hostile()).tags if "onerror" in a] == []


def test_hostile_text_is_still_shown_as_it_was_written() -> None:
    # title, heading, finding, section's title, paragraph, footer
    assert Reader(hostile()).text.count(HOSTILE) == 6


def test_hostile_levels_of_a_table_stay_text_on_the_page() -> None:
    section = Section(title="t", table=tables.table(pd.DataFrame([{"level": HOSTILE}])))
    text = render("t", finding="f", sections=[section])
    assert {name for name, _ in Reader(text).tags} & {"script", "img"} == set()


def test_a_name_missing_from_the_template_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "_TEMPLATE", "{{ nobody_gave_this }}")
    with pytest.raises(UndefinedError, match="nobody_gave_this"):
        render("t", finding="f", sections=[])


def test_a_page_shows_every_part_in_order() -> None:
    text = full()
    parts = ("<h1>The title", "We estimate 74%.", "A first paragraph.", "A second one.")
    places = [text.index(part) for part in (*parts, "<table", "<svg", "Sources.")]
    assert places == sorted(places)


def test_a_page_states_its_language_and_has_one_first_heading() -> None:
    read = Reader(full())
    assert read.named("html") == [{"lang": "en"}]
    assert len(read.named("h1")) == 1


def test_a_picture_has_words_for_those_who_cannot_see_it() -> None:
    assert Reader(full()).named("figure") == [
        {"role": "img", "aria-label": "Shares with intervals"}
    ]


def test_a_section_without_picture_and_table_has_neither() -> None:
    used = {name for name, _ in Reader(full(sections=[Section(title="t")])).tags}
    assert used & {"figure", "svg", "table"} == set()


def test_a_page_prints_on_letter_paper() -> None:
    assert "@page { size: letter; margin: 1in; }" in full()


def test_the_same_page_twice_has_the_same_bytes() -> None:
    assert full() == full()


def test_two_pictures_on_a_page_share_no_id() -> None:
    data = {"kind": "curve", "x": "x", "y": "y", "unit": "fraction"}
    data["series"] = [{"label": "a", "x": [1, 2], "y": [0.1, 0.2]}]
    sections = [
        Section(title=name, picture=figures.svg(figures.figure(data), name), caption=name)
        for name in ("one", "two")
    ]
    ids = [a["id"] for _, a in Reader(full(sections=sections)).tags if "id" in a]
    assert len(ids) == len(set(ids))
