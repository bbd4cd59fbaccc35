"""Faults planted in the counting, one edit each, to prove that they would be seen.

In: the library's own source. Out: a module that differs from it in the words given here. A fault
whose words are no longer in the source, once, is refused: it has to be written anew.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

from dpnotice.retailer import counting, scope, texts
from made.bulk import copied
from made.shops import Setting

CHAIN = [texts, scope, counting]
"""Each module uses names of those before it."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Words of a module, what stands there instead, and the checks that must see it."""

    module: ModuleType
    old: str
    new: str
    seen_by: str
    where: Callable[[Setting], bool]
    """The settings in which the words matter."""

    def planted(self) -> ModuleType:
        """Return the counting with the fault in it."""
        source = inspect.getsource(self.module)
        if source.count(self.old) != 1 or self.old == self.new:
            raise ValueError(f"not once in {self.module.__name__}: {self.old}")
        made = {self.module: copied(self.module, source.replace(self.old, self.new))}
        for module in CHAIN[CHAIN.index(self.module) + 1 :]:
            made[module] = copied(module)
            for original, copy in list(made.items())[:-1]:
                _linked(made[module], original, copy)
        return made[counting]


def _linked(into: ModuleType, original: ModuleType, copy: ModuleType) -> None:
    """Let a module use the names of a copy wherever it used those of the original."""
    for name, value in vars(original).items():
        if not name.startswith("__") and vars(into).get(name) is value:
            vars(into)[name] = vars(copy)[name]


def _everywhere(_at: Setting) -> bool:
    return True


def _near(at: Setting) -> bool:
    return bool(at.axes[0])


def _enforced(at: Setting) -> bool:
    return at.enforced


def _free(at: Setting) -> bool:
    return bool(at.axes[1]) and not at.enforced


def _numbered(at: Setting) -> bool:
    return at.kinds["id"] in {"BIGINT", "UBIGINT"} and not at.enforced


def _respelt(at: Setting) -> bool:
    return at.ids != "as_is" and at.kinds["id"] == "VARCHAR"


def _respelt_listed(at: Setting) -> bool:
    return _respelt(at) and _free(at)


def _folded(at: Setting) -> bool:
    return at.ids == "trim_ascii_lower" and at.kinds["id"] == "VARCHAR"


def _timed(at: Setting) -> bool:
    return at.kinds["day"] != "DATE"


def _long(at: Setting) -> bool:
    """Seconds of ten years, times cells, exceed 31 bits."""
    first, last = at.inquiry.period
    return _timed(at) and _near(at) and (last - first).days > 2_000


def _local(at: Setting) -> bool:
    return at.timezone not in {None, at.inquiry.timezone}


def _fine(at: Setting) -> bool:
    return _timed(at) and _near(at) and at.kinds["day"] != "TIMESTAMP_S"


def _drops(at: Setting) -> bool:
    return at.on_null_id == "drop" and not at.enforced


def _fault(
    module: ModuleType,
    old: str,
    new: str,
    seen_by: str,
    where: Callable[[Setting], bool] = _everywhere,
) -> Fault:
    return Fault(module, old, new, seen_by, where)


_LATEST = 'rows.group_by("buyer").aggregate(key=rows["key"].max(), **person)'
_KEY = 'rows["since"] * total + (total - 1 - rows["cell"])'
_LEVELS = "list(known), level: list(range(len(known)))"
_UNKNOWN = ".fill_null(len(inquiry.axes[axis]) - 1)"
_AS_IS = """ or rule == "as_is":
        return ids"""
_WHEN = """    when = rows["moment"]
"""

FAULTS: dict[str, Fault] = {
    # --- one buyer moves more than one person
    "dedupe off": _fault(counting, _LATEST, 'rows.select("buyer", "key")', "neighbours", _near),
    "bounding off": _fault(
        counting,
        _LATEST,
        'rows.select("buyer", key=rows["key"] % total).distinct()',
        "neighbours",
        _near,
    ),
    "ids not normalised": _fault(texts, 'rule == "as_is"', "rule", "neighbours", _respelt),
    "duplicate buyers rows fan out": _fault(
        counting, "if buyers[known].sum() == buyers[~known].sum():", "if True:", "neighbours", _free
    ),
    "duplicate levels fan out": _fault(
        scope,
        _LEVELS,
        "[*known, *known], level: [*range(len(known))] * 2",
        "neighbours",
        _enforced,
    ),
    "keys taken as enforced": _fault(
        counting, " and keys_enforced(purchases, tables):", ":", "neighbours", _free
    ),
    # --- one buyer moves others
    "small cells suppressed": _fault(
        counting,
        "exact[table] = counts",
        "exact[table] = np.where(counts < 2, 0, counts)",
        "neighbours",
    ),
    "domain from the data": _fault(
        counting,
        "np.zeros(inquiry.shape(table), dtype=np.int64)",
        "np.zeros([places[axis].max(initial=0) + 1 for axis in table], dtype=np.int64)",
        "neighbours",
    ),
    "only observed cells": _fault(
        counting, "exact[table] = counts", "exact[table] = counts[counts > 0]", "neighbours"
    ),
    "last day of the data left out": _fault(
        scope,
        _WHEN,
        _WHEN.replace("when =", "rows = rows.filter({0} < {0}.max())\n    when =").format(
            'rows["moment"]'
        ),
        "neighbours",
        _near,
    ),
    "int32, refused": _fault(counting, _KEY, f"({_KEY}).cast('int32')", "neighbours", _long),
    # --- one person at most, but not the rule
    "int32, wrapped": _fault(counting, _KEY, f"({_KEY} + 2**31) % 2**32 - 2**31", "rule", _long),
    "clipped": _fault(
        counting, "exact[table] = counts", "exact[table] = np.minimum(counts, 2)", "rule"
    ),
    "a null level drops a buyer": _fault(scope, _UNKNOWN, "", "rule"),
    "a buyer not listed is dropped": _fault(
        counting, "latest.left_join(listed", "latest.inner_join(listed", "rule", _free
    ),
    "ids of the buyers table not normalised": _fault(
        counting,
        "tables.texts_of), purchases, tables)",
        'tables.texts_of), replace(purchases, ids="as_is"), tables)',
        "rule",
        _respelt_listed,
    ),
    "ids folded beyond the rule": _fault(
        texts, ".translate(_UPPER, _UPPER.lower())", ".lower()", "rule", _folded
    ),
    "integer ids through floats": _fault(
        texts,
        _AS_IS,
        _AS_IS + '.cast("float64") if ids.type().is_integer() else ids',
        "rule",
        _numbered,
    ),
    "guests are one buyer": _fault(
        scope, "public, present)", "public, lambda _: ibis.literal(True))", "rule", _drops
    ),
    "the first moment is lost": _fault(scope, "] >= start", "] > start", "rule"),
    "the moment after the period counts": _fault(scope, "] < end", "] <= end", "rule"),
    "the inquiry's zone ignored": _fault(
        scope, "tzinfo=ZoneInfo(zone)", "tzinfo=UTC", "rule", _timed
    ),
    "the zone of the times ignored": _fault(
        scope, "ZoneInfo(purchases.timezone or zone)", "ZoneInfo(zone)", "rule", _local
    ),
    "seconds rounded": _fault(
        scope,
        'when.truncate("s")',
        '(when + ibis.interval(milliseconds=500)).truncate("s")',
        "rule",
        _fine,
    ),
    "the earliest purchase decides": _fault(
        counting,
        'rows["since"] * total',
        '-rows["since"] * total + 2**61 // total * total',
        "rule",
        _near,
    ),
    "a tie goes to the greatest code": _fault(
        counting, 'listed["cell"].min()', 'listed["cell"].max()', "rule", _free
    ),
    # --- whatever row comes first
    "tie by row order": _fault(
        counting, 'rows["key"].max()', 'rows["key"].argmax(rows["since"])', "order", _near
    ),
    "tie by row order in the buyers table": _fault(
        counting, 'listed["cell"].min()', 'listed["cell"].first()', "order", _free
    ),
}
