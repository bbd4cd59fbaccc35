"""Somebody else's published figures: what does not add up.

In: rows as a declaration prints them, and what relates them. Out: an `Audit`: every check that the
rows allow, what fails, under which reading it would be right, and what could not be checked.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from dpnotice.analyst.audit import media_rules, rate_rules
from dpnotice.analyst.audit.findings import HOLDS, SEVERITIES, Ends, Finding, Findings, span
from dpnotice.analyst.audit.published import COLUMNS, Published, published_rows
from dpnotice.analyst.audit.sheet import Sheet, relation
from dpnotice.errors import PlanError
from dpnotice.reporting import figures, tables
from dpnotice.result import SUMMARY_COLUMNS

if TYPE_CHECKING:
    import pandas as pd

    from dpnotice.reporting import Axes

Rule = Callable[[Sheet], Findings]

RULES: Final[Mapping[str, tuple[Rule, str]]] = {
    "GRP": (media_rules.check_grp, "two of: grps; impressions and universe; reach and frequency"),
    "impressions": (media_rules.check_impressions, "frequency, or impressions and reached"),
    "universe": (media_rules.check_universe, "two of reach, reached and universe"),
    "census": (
        media_rules.check_census,
        "census and a universe or audience; or circulation, readers_per_copy and audience",
    ),
    "bounds": (media_rules.check_bounds, "combined=, with reach of the whole and of a part"),
    "sum": (media_rules.check_sum, "combined=, with reach of the whole and of every part"),
    "random": (media_rules.check_random, "reach, with grps or with impressions and universe"),
    "distribution": (media_rules.check_distribution, "reach_2_plus or higher, with reach or grps"),
    "nested": (media_rules.check_nested, "nested=, with reached or universe of both audiences"),
    "additivity": (
        media_rules.check_additivity,
        "segments= with a count of all and of each, or combined= with impressions or grps of each",
    ),
    "delivery": (rate_rules.check_delivery, "delivered and failed of sent"),
    "pooled lists": (
        rate_rules.check_pooled,
        "combined=, with a count of persons on the joint list and on a part",
    ),
    "denominator": (rate_rules.check_denominator, "a share of direct notice or claims"),
    "rate or count": (rate_rules.check_rate_or_count, "any figure"),
    "units": (rate_rules.check_units, "unit of a count of persons, or above and below a share"),
    "stage": (
        rate_rules.check_stage,
        "two of filed, valid, paid and cashed; or total_paid, mean_payment and paid or valid",
    ),
    "countable": (rate_rules.check_countable, "press_pickups, site_hits or followers"),
    "provenance": (rate_rules.check_provenance, "an audience figure or a frequency_cap"),
}
"""Rule -> its check, and the rows without which it cannot be checked."""

_FIELDS: Final = "rule severity rows formula unit stated_lower stated_upper lower upper reading"
_COLUMNS: Final = tuple(_FIELDS.split())
_SHOWN: Final = ("rule", "severity", "rows", "formula", "left", "right", "reading")
_ROUND: Final = "right if whole numbers that end in 000 are rounded, as about would say"


def audit(
    published: Any,
    *,
    nested: object = None,
    segments: object = None,
    combined: object = None,
    survey_tolerance: float = 0.0,
) -> "Audit":
    """Check published reach figures against each other.

    Every printed figure stands for the interval of numbers that print so; formulas carry the
    intervals along, and a check fails only where the two sides have no number in common. This is
    arithmetic without chance: among consistent figures, rounding never makes an error.

    Args:
        published: a list of mappings, or a frame of text, with the columns of :class:`Published`.
        nested: audience -> the audience, or audiences, that it is a part of.
        segments: audience -> the audiences that make it up without overlap.
        combined: vehicle -> the vehicles, mailings or lists that it combines.
        survey_tolerance: share by which segments may miss their total; a note, not an error.

    Returns:
        Every check, with what fails first.

    Raises:
        PlanError: a row or a relation cannot be read.

    >>> audit([{"quantity": "frequency", "printed": "0.8"}]).errors[0].rule
    'impressions'
    """
    if isinstance(survey_tolerance, bool) or not isinstance(survey_tolerance, (int, float)):
        raise PlanError(f"survey_tolerance must be a number, got {survey_tolerance!r}")
    if not 0 <= survey_tolerance < 1:
        raise PlanError(
            f"survey_tolerance must be a fraction in [0, 1), got {survey_tolerance!r}; percentages?"
        )
    sheet = Sheet(
        rows=published_rows(published),
        nested=relation(nested, "nested"),
        segments=relation(segments, "segments"),
        combined=relation(combined, "combined"),
        survey_tolerance=survey_tolerance,
    )
    checks = _checked(sheet)
    if any(check.severity == "error" for check in checks):
        loose = {f.key for f in _checked(replace(sheet, rounded=True)) if f.severity == "error"}
        checks = [f if f.severity != "error" or f.key in loose else _excused(f) for f in checks]
    checks.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    return Audit(published=sheet.rows, checks=tuple(checks))


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Audit:
    """What published figures owe each other, and whether they do.

    Attributes:
        published: the rows, as read.
        checks: every check, worst first, in the order of the rules.
    """

    published: tuple[Published, ...]
    checks: tuple[Finding, ...]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Errors, warnings and notes."""
        return tuple(check for check in self.checks if check.severity != HOLDS)

    @property
    def errors(self) -> tuple[Finding, ...]:
        """What cannot be, whatever was rounded."""
        return tuple(check for check in self.checks if check.severity == "error")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """What can be, but should be explained."""
        return tuple(check for check in self.checks if check.severity == "warning")

    @property
    def not_checked(self) -> dict[str, str]:
        """Rules that the rows do not allow to check -> what they need."""
        done = {check.rule for check in self.checks}
        return {n: f"not checked: needs {v[1]}" for n, v in RULES.items() if n not in done}

    def to_frame(self) -> "pd.DataFrame":
        """Return a row per check: rule, severity, formula, ends of both sides, reading.

        `stated_lower` and `stated_upper` are the left side of the formula, `lower` and `upper` the
        right; nan where a check computes nothing.
        """
        return tables.frame([check.row() for check in self.checks], _COLUMNS)

    def summary(self) -> "pd.DataFrame":
        """Return the recomputed interval of every finding that has one, as tidy, certain rows."""
        rows = [
            {
                "quantity": f"{f.rule} ({f.severity})",
                "segment": ", ".join(f.rows),
                "unit": f.unit,
                "estimate": math.nan,
                "lower": f.recomputed[0],
                "upper": f.recomputed[1],
                "level": 1.0,
            }
            for f in self.findings
            if f.recomputed
        ]
        return tables.frame(rows, SUMMARY_COLUMNS)

    def statement(self) -> str:
        """Return how many checks fail, each error in words, and what was not checked."""
        done = f"{_many(len(self.checks), 'check')} on {_many(len(self.published), 'figure')}"
        failed = f"{_many(len(self.errors), 'error')} and {_many(len(self.warnings), 'warning')}"
        names = ", ".join(self.not_checked)
        needs = [f"Not checked for want of figures: {names}."] if names else []
        return " ".join((f"In {done}: {failed}.", *(f.sentence() for f in self.errors), *needs))

    def plot_data(self) -> dict[str, Any]:
        """Return right side over left of every equation as plain JSON types; it should hold 1."""
        ratios = [(check, _ratio(check)) for check in self.checks]
        return {
            "kind": "intervals",
            "title": "Published figures, recomputed",
            "x": "recomputed over printed",
            "unit": "times",
            "level": 1.0,
            "threshold": 1.0,
            "series": [
                {
                    "label": f"{check.rule}: {', '.join(check.rows)}",
                    "estimate": None,
                    "lower": ratio[0],
                    "upper": ratio[1],
                }
                for check, ratio in ratios
                if ratio is not None
            ],
        }

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw every equation as a range that should hold 1."""
        return figures.draw(self.plot_data(), ax)

    def to_dict(self) -> dict[str, Any]:
        """Return rows, checks and what was not checked as plain JSON types."""
        return {
            "format": 1,
            "published": [{n: getattr(row, n) for n in COLUMNS} for row in self.published],
            "checks": [_finite(check.row()) for check in self.checks],
            "not_checked": self.not_checked,
        }

    def __repr__(self) -> str:
        return f"<Audit: {self.statement()}>"

    def _repr_html_(self) -> str:
        rows = [check.row() | _sides(check) for check in self.findings]
        needs = [f"{rule}: {text}" for rule, text in self.not_checked.items()]
        return tables.html(tables.frame(rows, _SHOWN), self.statement(), needs)


def _many(number: int, noun: str) -> str:
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"


def _checked(sheet: Sheet) -> list[Finding]:
    """Return every check once, in the order of the rules."""
    found = (finding for check, _ in RULES.values() for finding in check(sheet))
    return list({finding.key: finding for finding in found}.values())


def _excused(error: Finding) -> Finding:
    reading = "; or ".join(filter(None, (error.reading, _ROUND)))
    return replace(error, severity="warning", reading=reading)


def _ratio(check: Finding) -> Ends | None:
    """Return the ends of right over left, or None for what is no equation between sizes."""
    if not check.stated or not check.recomputed or " = " not in check.formula:
        return None
    (low, high), (least, most) = check.stated, check.recomputed
    return (least / high, most / low) if low > 0 and math.isfinite(high + most) else None


def _sides(check: Finding) -> dict[str, str]:
    sides = (("left", check.stated), ("right", check.recomputed))
    return {name: span(ends, check.unit) if ends else "" for name, ends in sides}


def _finite(row: dict[str, Any]) -> dict[str, Any]:
    ends = {n: v for n, v in row.items() if isinstance(v, float) and not math.isfinite(v)}
    return row | dict.fromkeys(ends)
