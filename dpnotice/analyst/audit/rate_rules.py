"""Rules of direct notice, claims and rates: what is counted, of what, at which stage, from where.

In: a `Sheet`. Out: per rule its checks as findings.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise, product
from typing import Final

from dpnotice.analyst.audit.findings import (
    HOLDS,
    UNKNOWN,
    Figure,
    Finding,
    Findings,
    at_most,
    extreme,
    joined_rows,
    same,
    span,
    total,
)
from dpnotice.analyst.audit.published import COUNTED, LADDER, Published
from dpnotice.analyst.audit.sheet import Group, Sheet

_STAGES: Final = ("filed", "valid", "paid", "cashed")
_DENOMINATORS: Final = ("class", "identified", "sent", "delivered", "seen", "reached", *_STAGES[:3])
_WHOLES: Final = {"delivered": "sent", "failed": "sent", "seen": "delivered", "valid": "class"}
"""What a count is part of, where its row does not say."""
_LISTED: Final = ("identified", "sent", "delivered", "seen")
"""What several lists may count twice."""
_PERSONAL: Final = ("universe", "census", "class", "reached", "audience")
_NOT_PERSONS: Final = frozenset({"purchases", "devices", "addresses", "pieces", "copies"})
_UNCOUNTABLE: Final = ("press_pickups", "site_hits", "followers")
_AUDIENCE: Final = "universe census audience circulation readers_per_copy reach impressions"
_SOURCED: Final = frozenset(_AUDIENCE.split())
_REACHING: Final = ("reach", "reached", "impressions")
_SAID: Final = {"valid": "valid (approved)"}
_FEW: Final = 3
"""Impressions up to which a cap makes reach rest on single glances: Azari and Fiereck, BNA 2014."""
_MEANT: Final = {
    ("reach", "count"): "reached",
    ("reach", "points"): "grps",
    ("reached", "share"): "reach",
    ("grps", "share"): "points, which are no percentage",
}


def check_delivery(sheet: Sheet) -> Findings:
    """Yield delivered / sent = 1 - failed / sent, and whether re-mailing makes the difference."""
    for group in sheet.groups:
        again = group.get("remailed") / group.get("sent")
        forms = (_of_sent(group, name) for name in ("delivered", "failed"))
        for success, failed in product(*forms):
            rescued = success - (1 - failed)
            possible = rescued.lower > 0 and (rescued.lower <= again.upper or not again.known)
            more = span((max(0.0, rescued.lower), rescued.upper), "fraction")
            reading = f"right after re-mailing, if that delivered a further {more} of those sent"
            yield from same(
                "delivery",
                success,
                1 - failed,
                unit="fraction",
                severity="warning" if possible else "error",
                reading=reading if possible else "",
            )


def check_pooled(sheet: Sheet) -> Findings:
    """Yield that persons on joint lists lie in [max, min(class, sum)], and are not just added."""
    for whole, parts in sheet.combinations:
        for quantity in _LISTED:
            if _counts_persons(quantity, (whole, *parts)):
                pooled, each = whole.get(quantity), [part.get(quantity) for part in parts]
                yield from _pooled(pooled, each, whole)


def check_denominator(sheet: Sheet) -> Findings:
    """Yield that a share is its count over the denominator that it names."""
    for group, row in _shares(sheet):
        stated, named = sheet.figure(row), _recount(group, row.quantity, row.of)
        fits = [of for of in _DENOMINATORS if stated.meets(_recount(group, row.quantity, of))]
        reading = f"right of {' or '.join(fits)}, not of {row.of}"
        if not row.of:
            text = f"{row.words} says what it is a share of"
            reading = f"right of {' or '.join(fits)}" if fits else ""
            yield _told("denominator", (row,), text, severity="warning", reading=reading)
        elif stated.meets(named) or fits or not _explained(group, row):
            told = reading if fits else ""
            yield from same("denominator", stated, named, unit="fraction", reading=told)


def check_rate_or_count(sheet: Sheet) -> Findings:
    """Yield that shares, counts and points are not taken for one another; no part exceeds all."""
    for row in sheet.rows:
        meant = _MEANT.get((row.quantity, row.measure), "")
        yield _told(
            "rate or count",
            (row,),
            f"{row.words} is printed as {row.measure}, as {row.quantity} can be",
            severity=HOLDS if row.fits else "error",
            reading=f"right as {meant}" if meant else "",
        )
    for group in sheet.groups:
        for row in group.rows:
            yield from _percents(group, row) if row.is_share else ()
            yield from _within(group, row) if row.is_count else ()


def check_units(sheet: Sheet) -> Findings:
    """Yield that a rate counts alike above and below, and that what should be persons is."""
    for group in sheet.groups:
        for row in group.rows:
            if row.quantity in _PERSONAL and row.unit:
                wrong = row.unit in _NOT_PERSONS
                yield _told(
                    "units",
                    (row,),
                    f"{row.words}, counted in {row.unit}, counts persons",
                    severity="error" if wrong else HOLDS,
                    reading=f"right as {row.unit}; one person may have several" if wrong else "",
                )
            yield from _alike(row, group.row(_counted(row)), group.row(_whole_of(group, row)))


def check_stage(sheet: Sheet) -> Findings:
    """Yield filed >= valid >= paid >= cashed, that shares keep them apart, and paid = n mean."""
    for group in sheet.groups:
        counts = [group.get(stage) for stage in _STAGES]
        for earlier, later in pairwise(count for count in counts if count.known):
            yield from at_most("stage", later, earlier, unit="claims")
        paid, money = group.get("paid"), group.get("total_paid")
        mean, most = group.get("mean_payment"), extreme(counts[:2], largest=False)
        reading = f"right with a mean payment of {span((money / paid).ends, 'USD')}"
        yield from same("stage", money, paid * mean, unit="USD", reading=reading)
        if not paid.known:
            yield from at_most("stage", money, most * mean, unit="USD")
    for group, row in _shares(sheet):
        if row.quantity in _STAGES and row.of:
            yield from _staged(group, row)


def check_countable(sheet: Sheet) -> Findings:
    """Yield that press pick-ups, site hits and followers take no part in reach."""
    for group in sheet.groups:
        wholes = [f"{n} reach" for n, parts in sheet.combined.items() if group.vehicle in parts]
        own = [row for row in group.rows if row.quantity in _REACHING]
        counted = [*wholes, *(row.words for row in own)]
        for row in (row for row in group.rows if row.quantity in _UNCOUNTABLE):
            yield _told(
                "countable",
                (row, *own),
                f"{row.words} is not counted in {' or in '.join(counted) or 'reach'}",
                severity="error" if counted else HOLDS,
                reading="right if this vehicle is left out of reach" if counted else "",
            )


def check_provenance(sheet: Sheet) -> Findings:
    """Yield that audience figures have a source and a date, and that a frequency cap is above 3."""
    for row in sheet.rows:
        if row.quantity in _SOURCED:
            severity = HOLDS if row.source and row.as_of else "warning"
            yield _told("provenance", (row,), f"{row.words} has source and date", severity=severity)
        if row.quantity == "frequency_cap" and row.fits:
            few = sheet.figure(row).upper < _FEW + 1  # a cap is a whole number
            text = f"{row.words} is above {_FEW}"
            reading = "reach rests on single glances; 2+ and 3+ belong beside it" if few else ""
            severity = "warning" if few else HOLDS
            yield _told("provenance", (row,), text, severity=severity, reading=reading)


def _told(
    rule: str, rows: tuple[Published, ...], text: str, *, severity: str, reading: str = ""
) -> Finding:
    names = tuple(row.row for row in rows)
    return Finding(rule=rule, severity=severity, rows=names, formula=text, reading=reading)


def _shares(sheet: Sheet) -> Iterator[tuple[Group, Published]]:
    """Yield the shares of direct notice and claims."""
    for group in sheet.groups:
        yield from ((group, r) for r in group.rows if r.is_share and r.quantity in LADDER)


def _recount(group: Group, quantity: str, of: str) -> Figure:
    return group.get(quantity) / group.get(of)


def _of_sent(group: Group, name: str) -> list[Figure]:
    """Return a share of what was sent: as printed, and from its count."""
    forms = (group.get(name, "sent"), _recount(group, name, "sent"))
    return [figure for figure in forms if figure.known]


def _counts_persons(quantity: str, groups: Sequence[Group]) -> bool:
    """Whether a quantity counts persons, who may be on two lists; pieces simply add up."""
    units = {row.unit for group in groups if (row := group.row(quantity)) is not None}
    return units <= {"persons", "buyers", *([""] if quantity == "identified" else [])}


def _pooled(pooled: Figure, each: Sequence[Figure], whole: Group) -> Findings:
    rule, summed, overlap = "pooled lists", total(each), whole.get("overlap")
    least, known = extreme(each, largest=True), [summed, whole.get("class")]
    most = extreme(known, largest=False) if summed.known else UNKNOWN
    yield from at_most(rule, least, pooled, unit="persons")
    yield from at_most(rule, pooled, most, unit="persons")
    twice, often = summed - pooled, float(len(each) - 1) * overlap
    yield from at_most(rule, overlap, twice, unit="persons")
    yield from at_most(rule, twice, often, unit="persons")
    if pooled.known and summed.known and not overlap.known:
        added = pooled.meets(summed)
        yield Finding(
            rule=rule,
            severity="warning" if added else HOLDS,
            rows=joined_rows((pooled, summed)),
            formula=f"{pooled.words} is not just {summed.words}",
            stated=pooled.ends,
            recomputed=(least.lower, most.upper),
            unit="persons",
            reading="right only if nobody is on two lists; no overlap is printed" if added else "",
        )


def _explained(group: Group, row: Published) -> bool:
    """Whether a share that its denominator does not give is another stage, or percent misread."""
    stated, named = group.sheet.figure(row), _recount(group, row.quantity, row.of)
    return bool(_stages(group, row)) or _hundredfold(stated, named)


def _stages(group: Group, row: Published) -> list[str]:
    """Return the other stages of a claim whose count gives the share."""
    stated, others = group.sheet.figure(row), [s for s in _STAGES if s != row.quantity]
    fits = [s for s in others if stated.meets(_recount(group, s, row.of))]
    return fits if row.quantity in _STAGES else []


def _hundredfold(stated: Figure, named: Figure) -> bool:
    return (100 * stated).meets(named) or stated.meets(100 * named)


def _counted(row: Published) -> str:
    """Return the count above the line of a share; reach_n_plus has none."""
    if row.quantity.startswith("reach_"):
        return ""
    return "reached" if row.quantity == "reach" else row.quantity


def _whole_of(group: Group, row: Published) -> str:
    """Return the count that a row is of, or part of."""
    return row.base or (group.base if row.quantity == "reached" else _WHOLES.get(row.quantity, ""))


def _percents(group: Group, row: Published) -> Findings:
    stated, named = group.sheet.figure(row), _recount(group, _counted(row), row.base)
    if not stated.meets(named) and _hundredfold(stated, named):
        reading = "right if a fraction was printed as a percentage, or the reverse"
        yield from same("rate or count", stated, named, unit="fraction", reading=reading)


def _within(group: Group, row: Published) -> Findings:
    whole = group.row(_whole_of(group, row))
    if whole is not None and (not row.unit or whole.unit in {"", row.unit}):
        parts, all_of_them = group.sheet.figure(row), group.sheet.figure(whole)
        yield from at_most("rate or count", parts, all_of_them, unit=row.unit or "persons")


def _alike(*given: Published | None) -> Findings:
    rows = tuple(dict.fromkeys(row for row in given if row is not None and row.unit in COUNTED))
    units = list(dict.fromkeys(row.unit for row in rows))
    if len(rows) > 1:
        yield _told(
            "units",
            rows,
            f"{' and '.join(row.words for row in rows)} count the same: {' and '.join(units)}",
            severity="error" if len(units) > 1 else HOLDS,
            reading="right after a sourced conversion, which the figure does not name"
            if units[1:]
            else "",
        )


def _staged(group: Group, row: Published) -> Findings:
    stated, named = group.sheet.figure(row), _recount(group, row.quantity, row.of)
    fits = _stages(group, row)
    recounts = [f"{_SAID.get(s, s)} ({_recount(group, s, row.of).words})" for s in fits]
    reading = f"right as {' or '.join(recounts)}, not {row.quantity}"
    if stated.meets(named) or (named.known and fits):
        yield from same("stage", stated, named, unit="fraction", reading=reading)
    elif fits:
        text = f"{stated.words} counts {row.quantity}"
        yield _told("stage", (row,), text, severity="warning", reading=reading)
