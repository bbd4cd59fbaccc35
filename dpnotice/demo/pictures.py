"""The demo's three pictures: composition, reach of the plans, reach curve of the displays.

In: estimates with the truth. Out: PNG files, and the same as SVG for the page.
"""

from pathlib import Path
from typing import Any

from dpnotice.analyst.members import ClassEstimate
from dpnotice.demo.displays import DisplayCheck
from dpnotice.demo.findings import Finding
from dpnotice.reporting import figures


def write_pictures(
    folder: Path, composition: ClassEstimate, findings: tuple[Finding, ...], check: DisplayCheck
) -> dict[str, str]:
    """Save three PNG files into a folder.

    Args:
        folder: exists.
        composition: a class of one retailer, so that shares are points.
        findings: those of reach are drawn with the truth.
        check: the displays' reach by number of weeks.

    Returns:
        Name -> SVG text.
    """
    data = {
        "composition": composition.plot_data()
        | {"title": f"Composition of the buyers of {composition.retailers[0].retailer}"},
        "reach": _reach(findings),
        "curve": _curve(check),
    }
    pictures = {}
    for name, content in data.items():
        figure = figures.figure(content)
        figure.savefig(folder / f"{name}.png", dpi=150, metadata={"Software": None})
        pictures[name] = figures.svg(figure, name)
    return pictures


def _reach(findings: tuple[Finding, ...]) -> dict[str, Any]:
    shown = [finding for finding in findings if finding.what == "reach"]
    series = [
        {
            "label": finding.of,
            "estimate": finding.estimate.estimate,
            "lower": finding.estimate.lower,
            "upper": finding.estimate.upper,
            "truth": finding.truth,
        }
        for finding in shown
    ]
    return {
        "kind": "intervals",
        "title": "Reach of the plans",
        "x": "share of known buyers reached",
        "unit": "fraction",
        "level": 0.95,
        "series": series,
    }


def _curve(check: DisplayCheck) -> dict[str, Any]:
    weeks = list(range(1, len(check.curve) + 1))
    names = ("true", "beta-binomial from one week and two", "independent weeks")
    return {
        "kind": "curve",
        "title": "Reach of a display, mean of the stores",
        "x": "weeks displayed",
        "y": "share of known buyers who come by",
        "unit": "fraction",
        "series": [
            {
                "label": name,
                "x": weeks,
                "y": check.curve[:, column].tolist(),
                "points": name == "true",
            }
            for column, name in enumerate(names)
        ],
    }
