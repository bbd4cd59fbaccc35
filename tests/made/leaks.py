"""Deliberate leaks: faults planted in the product, each showing data on one surface.

In: a process of its own, before the exact counts are planted there. Out: a product that the run of
a surface must find out. `made.surfaces` says which leak proves which surface.
"""

import dataclasses
import logging
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np

from dpnotice.errors import PurchasesError
from dpnotice.release import Release
from dpnotice.reporting import cards, figures
from dpnotice.retailer import answer as answering
from dpnotice.retailer import chain, counting, edge, ledger, mechanism, rehearsal, source, sql
from dpnotice.retailer.confidential import ConfidentialCounts
from dpnotice.retailer.purchases import Purchases


# --- where data pass -------------------------------------------------------------------------
def before_the_draw(tell: Callable[[Any], object]) -> None:
    """Give away the exact tables as the draw begins."""
    plain = mechanism.draw

    def draw(inquiry: Any, counts: Any, noise: Any) -> Any:
        tell(counts._tables)
        return plain(inquiry, counts, noise)

    mechanism.draw = draw


def while_counting(tell: Callable[[Any], object]) -> None:
    """Give away two rows of the purchases while the sources are open."""
    plain = counting._occupied

    def occupied(inquiry: Any, purchases: Any, tables: Any) -> Any:
        tell(rows(tables))
        return plain(inquiry, purchases, tables)

    counting._occupied = occupied


def rows(tables: Any) -> Any:
    return tables.engine.to_pyarrow(tables.purchases.limit(2)).to_pylist()


def remembered() -> list[int]:
    """Keep the exact totals of this process."""
    kept, plain = [0], counting.count

    def count(*arguments: Any) -> Any:
        counts = plain(*arguments)
        kept.append(int(counts._tables[()]))
        return counts

    counting.count = count
    return kept


def replaced(owner: Any, name: str, made: Callable[[Any], Any]) -> None:
    """Put in place of a function of the product what `made` makes of it."""
    setattr(owner, name, made(getattr(owner, name)))


# --- files -----------------------------------------------------------------------------------
def in_the_header() -> None:
    kept = remembered()

    def with_total(plain: Any) -> Any:
        def release(*arguments: Any) -> Release:
            made = plain(*arguments)
            return dataclasses.replace(made, versions={**made.versions, "buyers": str(kept[-1])})

        return release

    replaced(answering, "_release", with_total)


def in_the_debit() -> None:
    """A fingerprint of the count, hashed into the chain: here, the count itself."""
    kept = remembered()

    def append(plain: Any) -> Any:
        def appended(connection: Any, kind: str, *, body: bytes, **fields: Any) -> Any:
            told = f'{{"buyers": {kept[-1]}}}'.encode() if kind == "debit" else b""
            return plain(connection, kind, body=body + told, **fields)

        return appended

    replaced(chain, "append", append)


def in_the_journal() -> None:
    """A table that the next transaction removes: its pages pass through the journal alone."""
    kept = remembered()

    def append(plain: Any) -> Any:
        def appended(connection: Any, kind: str, **fields: Any) -> Any:
            if kind == "artifact":
                connection.execute("PRAGMA secure_delete = ON")
                connection.execute("DROP TABLE scratch")
            if kind == "debit":
                connection.execute("CREATE TABLE scratch(words TEXT)")
                connection.execute("INSERT INTO scratch VALUES (?)", [f"total {kept[-1]}"])
            return plain(connection, kind, **fields)

        return appended

    replaced(chain, "append", append)


def in_a_file_that_goes() -> None:
    def count(plain: Any) -> Any:
        def counted(inquiry: Any, purchases: Any) -> Any:
            with tempfile.NamedTemporaryFile() as file, purchases.opened() as tables:
                file.write(repr(rows(tables)).encode())
                file.flush()
                return plain(inquiry, purchases)

        return counted

    replaced(counting, "count", count)


def in_a_file_that_goes_at_once() -> None:
    def written(tables: Any) -> None:
        Path("counts.npy").write_bytes(tables[()].tobytes())
        Path("counts.npy").unlink()

    before_the_draw(written)


def in_a_file_that_stays() -> None:
    while_counting(lambda held: Path(tempfile.mkstemp()[1]).write_text(repr(held)))


def in_the_spill() -> None:
    @contextmanager
    def kept(prefix: str) -> Iterator[str]:
        yield tempfile.mkdtemp(prefix=prefix)  # and it is never removed

    source.tempfile = type("tempfile", (), {"TemporaryDirectory": staticmethod(kept)})

    def copied(held: Any) -> None:
        for folder in Path(tempfile.gettempdir()).glob("dpnotice-*"):
            (folder / "sales.csv").write_text(repr(held))

    while_counting(copied)


def in_a_name() -> None:
    def touched(held: Any) -> None:
        path = Path(f"cache-{held[0]['id']}")
        path.touch()
        path.unlink()

    while_counting(touched)


# --- processes ---------------------------------------------------------------------------------
def in_a_command() -> None:
    command = [sys.executable, "-S", "-c", ""]
    before_the_draw(lambda tables: subprocess.run([*command, str(tables[()])], check=True))


def in_a_childs_environment() -> None:
    def started(held: Any) -> None:
        environment = {**os.environ, "LAST": held[0]["id"]}
        subprocess.run([sys.executable, "-S", "-c", ""], env=environment, check=True)

    while_counting(started)


def in_a_frames_name() -> None:
    """Code made for one count, under a name that tells it: a dump of frames gives names."""

    def named(plain: Any) -> Any:
        def draw(inquiry: Any, counts: Any, noise: Any) -> Any:
            code = compile("plain(inquiry, counts, noise)", f"<of {counts._tables[()]}>", "eval")
            return eval(code, {"plain": plain, **locals()})  # noqa: S307 -- that is the fault

        return draw

    replaced(mechanism, "draw", named)


def in_the_progress() -> None:
    kept = remembered()

    def told(plain: Any) -> Any:
        def answered(*arguments: Any, progress: Any = print, **named: Any) -> Any:
            return plain(
                *arguments,
                progress=lambda step: progress(f"{step}, {kept[-1]:,} buyers"),
                **named,
            )

        return answered

    replaced(answering, "answer", told)


# --- pages -------------------------------------------------------------------------------------
def on_the_card() -> None:
    kept = remembered()
    replaced(cards, "privacy_card", lambda plain: lambda facts: f"{plain(facts)}\n{kept[-1]:,}")


def in_the_frame() -> None:
    """The header's own words beside every count."""
    in_the_header()
    replaced(
        Release,
        "to_frame",
        lambda plain: lambda self: plain(self).assign(versions=str(dict(self.versions))),
    )


def on_the_page() -> None:
    def columns(plain: Any) -> Any:
        def exampled(purchases: Any, tables: Any) -> Any:
            return [(*rest, f"e.g. {rows(tables)}") for *rest, _ in plain(purchases, tables)]

        return exampled

    replaced(rehearsal, "_columns", columns)


def in_the_query() -> None:
    def printed(plain: Any) -> Any:
        def exampled(build: Any, head: str, inquiry: Any, purchases: Any, dialect: str) -> Any:
            with purchases.opened() as tables:
                example = f"-- such as {rows(tables)}\n"
            return plain(build, head, inquiry, purchases, dialect) + example

        return exampled

    replaced(sql, "_printed", printed)


def in_a_repr() -> None:
    Purchases.__repr__ = lambda self: f"Purchases({self.source!r})"  # type: ignore[method-assign]


def in_the_overview() -> None:
    """The command `ledger` says of every account what its latest answer was made of."""

    def accounts(plain: Any) -> Any:
        def telling(books: Any) -> Any:
            with chain.connected(books.path) as connection:
                bodies = connection.execute("SELECT body FROM entry WHERE kind = 'debit'")
                told = [bytes(body) for (body,) in bodies]
            return tuple(dataclasses.replace(a, matter=f"{a.matter} {told}") for a in plain(books))

        return telling

    in_the_debit()
    replaced(ledger.Ledger, "accounts", accounts)


def in_a_picture() -> None:
    """Where the numbers come from, taken from the header into every picture's metadata."""

    def composed(plain: Any) -> Any:
        def made(releases: Any, **options: Any) -> Any:
            told.append(str([dict(release.versions) for release in releases]))
            return plain(releases, **options)

        return made

    def drawn(plain: Any) -> Any:
        def stamped(data: Any, ax: Any = None) -> Any:
            axes = plain(data, ax)
            figure = axes.get_figure()
            save = figure.savefig
            keys = {"png": "Comment", "svg": "Description", "pdf": "Keywords"}
            figure.savefig = lambda file, **options: save(
                file, **options | {"metadata": {keys[options["format"]]: told[-1]}}
            )
            return axes

        return stamped

    told: list[str] = []
    in_the_header()
    from made import screens  # noqa: PLC0415 -- the analyst's calls are made there

    replaced(screens, "estimate_class", composed)
    replaced(figures, "draw", drawn)


def in_the_estimate() -> None:
    from made import screens  # noqa: PLC0415 -- the analyst's calls are made there

    in_the_header()

    def composed(plain: Any) -> Any:
        def made(releases: Any, **options: Any) -> Any:
            words = tuple(str(dict(release.versions)) for release in releases)
            return dataclasses.replace(plain(releases, **options), losses=words)

        return made

    replaced(screens, "estimate_class", composed)


# --- refusals ------------------------------------------------------------------------------------
def unguarded() -> None:
    answering.guarded = lambda work, code=None: work()  # noqa: ARG005 -- called like the guard


def in_a_message() -> None:
    kept = remembered()

    def guarded(work: Callable[[], Any], code: object = None) -> Any:  # noqa: ARG001 -- the same
        try:
            return work()
        except BaseException:  # noqa: BLE001 -- the same
            raise PurchasesError("INTERNAL", field=f"total {kept[-1]}") from None

    answering.guarded = guarded


def in_a_cause() -> None:
    def guarded(work: Callable[[], Any], code: object = None) -> Any:  # noqa: ARG001 -- the same
        try:
            return work()
        except BaseException as refusal:
            raise PurchasesError("SOURCE_CORRUPT").with_traceback(None) from refusal

    answering.guarded = guarded


def in_an_error_line() -> None:
    replaced(edge._log, "error", lambda plain: lambda *_: plain("stopped: %s", sys.exception()))


def in_a_refusals_words() -> None:
    """The command line prints what the engine says of a broken file."""
    plain = answering.guarded

    def guarded(work: Callable[[], Any], code: Any) -> Any:
        said: list[object] = []

        def heard() -> Any:
            try:
                return work()
            except Exception as refusal:
                said.append(refusal)
                raise

        try:
            return plain(heard, code)
        except PurchasesError as refusal:
            raise PurchasesError(refusal.code, field=str(said)) from None

    answering.guarded = guarded


def in_a_log() -> None:
    before_the_draw(lambda tables: logging.getLogger("ibis").debug("%s", tables))


def in_a_warning() -> None:
    before_the_draw(lambda tables: warnings.warn(f"{tables}", stacklevel=2))


def on_standard_output() -> None:
    before_the_draw(print)


def on_standard_error() -> None:
    before_the_draw(lambda tables: print(tables, file=sys.stderr))  # noqa: T201 -- that is the fault


def in_a_file() -> None:
    before_the_draw(lambda tables: np.save("counts.npy", tables[()]))


# --- exact counts --------------------------------------------------------------------------------
def exact_counts(**methods: Any) -> Callable[[], None]:
    """Let the class do what it refuses."""

    def planted() -> None:
        for name, method in methods.items():
            setattr(ConfidentialCounts, name, method)

    return planted


shown: Final = exact_counts(__repr__=lambda self: repr(self._tables))
copied: Final = exact_counts(__reduce_ex__=lambda self, _: (dict, (self._tables,)))
iterated: Final = exact_counts(__iter__=lambda self: iter(self._tables.items()))
