"""A one-page HTML summary: one file, no request to anywhere.

In: a title, sentences, tables and figures. Out: HTML text that opens from a folder and prints.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

_TEMPLATE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<style>
body { font: 16px/1.5 Georgia, serif; color: #111; max-width: 46rem; margin: 2rem auto;
  padding: 0 1rem; }
h1 { font-size: 1.6rem; line-height: 1.2; } h2 { font-size: 1.2rem; margin-top: 2rem; }
table { border-collapse: collapse; font-size: .85rem; margin: 1rem 0; }
th, td { text-align: right; padding: .2rem .6rem; border-bottom: 1px solid #ccc; }
th:first-child, td:first-child { text-align: left; }
figure { margin: 1rem 0; } svg { max-width: 100%; height: auto; }
footer { margin-top: 2rem; font-size: .85rem; color: #444; }
@page { size: letter; margin: 1in; }
@media print { body { max-width: none; margin: 0; } figure, table { break-inside: avoid; } }
</style>
</head>
<body>
<h1>{{ title }}</h1>
<p><strong>{{ finding }}</strong></p>
{% for section in sections %}
<section>
<h2>{{ section.title }}</h2>
{% for line in section.lines %}<p>{{ line }}</p>
{% endfor %}
{% if section.table %}{{ section.table }}{% endif %}
{% if section.picture %}<figure role="img" aria-label="{{ section.caption }}">
{{ section.picture }}</figure>{% endif %}
</section>
{% endfor %}
<footer>{% for line in footer %}<p>{{ line }}</p>{% endfor %}</footer>
</body>
</html>
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One part of the page.

    Attributes:
        title: its heading.
        lines: paragraphs, plain text.
        table: HTML made by `tables`, or empty.
        picture: SVG made by `figures`, or empty.
        caption: what the picture shows, for those who cannot see it.
    """

    title: str
    lines: Sequence[str] = ()
    table: str = ""
    picture: str = ""
    caption: str = ""


def render(
    title: str, *, finding: str, sections: Sequence[Section], footer: Sequence[str] = ()
) -> str:
    """Return the page.

    Args:
        title: of the page.
        finding: the result in one sentence.
        sections: in order.
        footer: assumptions and sources.

    Returns:
        HTML text; everything but our own tables and pictures is escaped.
    """
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    ours = [
        {
            "title": section.title,
            "lines": section.lines,
            "caption": section.caption,
            "table": Markup(section.table),  # noqa: S704 -- escaped by `tables`
            "picture": Markup(section.picture),  # noqa: S704 -- drawn by `figures`
        }
        for section in sections
    ]
    template = environment.from_string(_TEMPLATE)
    return template.render(title=title, finding=finding, sections=ours, footer=footer)
