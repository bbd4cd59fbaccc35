"""What refusals, and objects that hold data, show of themselves; collected as bytes.

In: folders of data and of work. Out: name of a surface -> all that stands on it. Each run is for a
process of its own.
"""

import copy
import dataclasses
import gc
import io
import json
import logging
import pickle
import pprint
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from itertools import count, product
from types import CodeType, ModuleType, TracebackType
from typing import Any, Final

import duckdb
import numpy as np
import pandas as pd
import rich.pretty
import rich.traceback
from IPython.core.ultratb import VerboseTB
from IPython.lib.pretty import pretty
from rich.console import Console

from dpnotice.retailer import answer as answering
from dpnotice.retailer import counting, mechanism
from dpnotice.retailer.config import AnswerConfig
from dpnotice.retailer.ledger import Ledger
from dpnotice.retailer.purchases import Purchases
from dpnotice.retailer.rehearsal import rehearse
from dpnotice.retailer.sql import DIALECTS, counting_sql, coverage_sql
from made import canaries
from made.traces import Found, Place, Watch

WIDE: Final = 400
"""Columns of every screen, so that no line is broken within a canary."""
POINTS: Final[dict[str, Any]] = {
    "_noisy": mechanism,
    "_check_input": mechanism,
    "_loss": mechanism,
    "ConfidentialCounts": counting,
}
KINDS: Final = (RuntimeError, MemoryError, KeyboardInterrupt, SystemExit)
STOPS: Final = tuple(product(POINTS, KINDS))
NUMBERS: Final = count()
BROKEN: Final = ("ragged.csv", "mis-encoded.csv")


# --- refusals ------------------------------------------------------------------------------
def refused(place: Place) -> Found:
    """Break an answer at every point that has exact counts in hand, and on broken files."""
    watch = Watch(place)
    canaries.plant()
    with watch.listening():
        ledger = Ledger.create("a.ledger", epsilon_cap="1")
        noise = mechanism.calibrate(place.inquiry)
        mechanism.calibrate = lambda _: noise  # as `_loss` is called there too, with no counts
        for name in BROKEN if place.leaking is None else BROKEN[:1]:
            _look(partial(_answer, place, lambda n=name: str(place.data / n), ledger), watch)
        for point, kind in STOPS if place.leaking is None else STOPS[:1]:
            plain = getattr(POINTS[point], point)
            setattr(POINTS[point], point, _stop(kind))
            _look(partial(_answer, place, canaries.frame, ledger), watch)
            setattr(POINTS[point], point, plain)
    heard = ("standard output", "standard error", "DEBUG log", "Python warnings")
    watch.note("prints and logs of a refusal", *(watch.found[name] for name in heard))
    return watch.found


def _stop(kind: type[BaseException]) -> Callable[..., None]:
    def stop(*_: object) -> None:
        raise kind

    return stop


def _answer(place: Place, source: Callable[[], object], ledger: Ledger) -> None:
    """This frame holds no canary by itself: what is found was carried out of the package."""
    sales = canaries.purchases(source())
    retailer = f"shop{next(NUMBERS)}"  # a debit that fails stays open
    answering.answer(place.inquiry, sales, retailer=retailer, ledger=ledger)


def _look(work: Callable[[], None], watch: Watch) -> None:
    try:
        work()
    except BaseException as caught:  # noqa: BLE001 -- interruptions too
        watch.note("objects kept alive", *_kept_by(caught, watch))
        watch.note("plain traceback", *traceback.format_exception(caught))
        watch.note("traceback with locals", *_with_locals(caught))
        watch.note("IPython verbose traceback", _verbose(caught, caught.__traceback__))
        watch.note("parts of an exception", *_parts(caught))
        return
    raise AssertionError("answered")


def _with_locals(caught: BaseException) -> Iterator[str]:
    trace = caught.__traceback__
    try:
        shown = traceback.TracebackException(type(caught), caught, trace, capture_locals=True)
        yield from shown.format()
    except duckdb.Error as closed:  # where a leaking frame shows tables of a closed engine
        yield repr(closed)
    console = Console(file=io.StringIO(), width=WIDE)
    console.print(
        rich.traceback.Traceback.from_exception(
            type(caught), caught, trace, show_locals=True, locals_max_string=None
        )
    )
    yield console.file.getvalue()  # type: ignore[attr-defined]


def _verbose(caught: BaseException, trace: TracebackType | None) -> str:
    shown = VerboseTB(theme_name="nocolor")
    return str(shown.text(type(caught), caught, trace, 9))


def _parts(caught: BaseException) -> Iterator[object]:
    """Arguments, attributes, notes and pickle of an exception and of all that is behind it."""
    seen: list[BaseException | None] = [None]
    left: list[BaseException | None] = [caught]
    while left:
        each = left.pop()
        if each in seen:
            continue
        seen.append(each)
        yield from (repr(each), str(each), each.args, vars(each), getattr(each, "__notes__", ""))
        with suppress(Exception):
            yield pickle.dumps(each)
        left += [each.__cause__, each.__context__]


def _kept_by(caught: BaseException, watch: Watch) -> Iterator[bytes]:
    """All that an exception's frames and causes lead to, and exact counts wherever they are."""
    held = [thing for thing in gc.get_objects() if type(thing).__name__ == "ConfidentialCounts"]
    modules = [module for module in list(sys.modules.values()) if isinstance(module, ModuleType)]
    seen = {id(object.__getattribute__(module, "__dict__")) for module in modules} | {id(watch)}
    left: list[Any] = [caught, *held]
    while left:
        thing = left.pop()
        if id(thing) in seen or isinstance(thing, (type, ModuleType, CodeType)):
            continue
        seen.add(id(thing))
        if isinstance(thing, np.ndarray) and thing.dtype != object:
            yield thing.tobytes()
        if isinstance(thing, (str, bytes, int, float, np.number)):
            yield repr(thing).encode()
        left += gc.get_referents(thing)


# --- objects that hold data ------------------------------------------------------------------
def shown(place: Place) -> Found:
    """Print every object on the way, the queries and the dry run, from files and from frames."""
    watch = Watch(place)
    canaries.plant()
    frame = canaries.frame()
    with watch.listening():
        ledger = Ledger.create(place.work / "a.ledger", epsilon_cap="1")
        on_file = canaries.purchases(str(place.data / "sales.parquet"))
        apart = canaries.purchases(frame, axes={}, buyers=canaries.buyers(frame.to_pandas()))
        every = (on_file, canaries.purchases(frame), apart)
        for sales in every if place.leaking is None else every[1:2]:
            for retailer, thing in _objects(place, sales, ledger):
                watch.note("reprs of objects", *_texts(thing), retailer)
            for dialect in DIALECTS if sales is on_file else DIALECTS[:1]:
                watch.note("printed SQL", counting_sql(place.inquiry, sales, dialect=dialect))
                watch.note("printed SQL", coverage_sql(place.inquiry, sales, dialect=dialect))
            asked = canaries.inquiry(
                privacy={"epsilon": "1"}
            )  # nothing is drawn, so no need of less
            plan = rehearse(asked, sales, retailer="shop", ledger=ledger)
            watch.note("dry run", plan.page(), plan)
    return watch.found


def _objects(place: Place, sales: Purchases, ledger: Ledger) -> Iterator[tuple[str, object]]:
    name = f"shop{id(sales)}"
    release = answering.answer(place.inquiry, sales, retailer=name, ledger=ledger)
    plan = rehearse(place.inquiry, sales, retailer=name, ledger=ledger)
    config = AnswerConfig(
        inquiry=place.inquiry,
        retailer=name,
        ledger_path=ledger.path,
        output=place.work / "shop.release",
        purchases=sales,
    )
    things = [sales, sales.buyers, ledger, ledger.accounts(), place.inquiry, plan, config]
    for thing in [*things, release, release.tables]:
        yield name, thing


def _texts(thing: Any) -> Iterator[str]:
    yield from (repr(thing), str(thing), f"{thing}", pprint.pformat(thing), pretty(thing))
    yield rich.pretty.pretty_repr(thing, max_width=WIDE)


COPIES: Final[tuple[Callable[[Any], object], ...]] = (
    *(lambda c, p=p: pickle.dumps(c, p) for p in range(pickle.HIGHEST_PROTOCOL + 1)),
    copy.copy,
    copy.deepcopy,
    lambda c: c.__reduce__(),
    lambda c: c.__getstate__(),
    lambda c: pd.Series([c]).copy(deep=True).to_dict(),
)
VALUES: Final[tuple[Callable[[Any], object], ...]] = (
    dataclasses.asdict,
    dataclasses.astuple,
    vars,
    np.asarray,
    np.sum,
    json.dumps,
    lambda c: json.dumps(c, default=vars),
    lambda c: json.dumps(c, default=list),
    list,
    dict,
    len,
    sorted,
    pd.DataFrame,
    lambda c: c[()],
    lambda c: c == c,  # noqa: PLR0124 -- equality itself is tried
    lambda c: sorted({name: getattr(c, name) for name in dir(c)}.items()),
)
TEXTS: Final[tuple[Callable[[Any], object], ...]] = (
    *(repr, str, ascii, pprint.pformat, pretty, rich.pretty.pretty_repr),
    lambda c: f"{c} {c!r} {[c]} {{'c': c}}",
    lambda c: logging.makeLogRecord({"msg": "%s", "args": (c,)}).getMessage(),
    lambda c: json.dumps({"c": c}, default=repr),
)
WAYS: Final = {
    "exact counts as text": TEXTS,
    "exact counts copied": COPIES,
    "exact counts as values": VALUES,
}


def handled(place: Place) -> Found:
    """Do with exact counts whatever a program does with an object by habit."""
    canaries.plant()
    watch = Watch(place)
    counts = counting.count(place.inquiry, canaries.purchases(canaries.frame()))
    for surface, ways in WAYS.items():
        for way in ways:
            try:
                watch.note(surface, _shown_copy(way(counts)))
            except Exception as caught:  # noqa: BLE001 -- each refuses in its own words
                watch.note(surface, repr(caught), caught.args)
    return watch.found


def _shown_copy(made: object) -> object:
    """A copy of the class that withholds itself has leaked nothing yet; its content has."""
    return repr(made._tables) if hasattr(made, "_tables") else made
