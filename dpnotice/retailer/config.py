"""The retailer's configuration file: what `dpnotice answer` needs, in one TOML.

In: a TOML file with `inquiry`, `retailer`, `ledger`, `output`, `[purchases]` and, where attributes
are kept apart or the tables in a database, `[buyers]` and `engine`. Out: the arguments of
:func:`dpnotice.answer`, paths resolved from the file's folder.
"""

import glob
import os
import tempfile
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Self

import ibis
from pydantic import BaseModel, ConfigDict, ValidationError

from dpnotice.errors import InquiryError, PurchasesError, ReleaseError
from dpnotice.inquiry import Inquiry
from dpnotice.inquiry_file import told
from dpnotice.release import Release
from dpnotice.retailer.edge import guarded
from dpnotice.retailer.ledger import Ledger
from dpnotice.retailer.purchases import Buyers, Purchases
from dpnotice.retailer.source import opened_file
from dpnotice.signature import public_key

_SCHEMES: Final = ("duckdb", "postgres", "postgresql", "pyspark")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _PurchasesFile(_Strict):
    source: str | list[str]
    buyer: str
    product: str
    date: str
    axes: dict[str, str] = {}
    person: str | None = None
    ids: str = "as_is"
    timezone: str | None = None
    on_null_id: str = "drop"


class _BuyersFile(_Strict):
    source: str | list[str]
    buyer: str
    axes: dict[str, str] = {}
    person: str | None = None


class _ConfigFile(_Strict):
    inquiry: str
    retailer: str
    ledger: str
    output: str
    engine: str | None = None
    sketch_key: str | None = None
    signing_key: str | None = None
    releases: list[str] = []
    purchases: _PurchasesFile
    buyers: _BuyersFile | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerConfig:
    """One answer, as configured by a retailer's engineer.

    Attributes:
        inquiry: the agreed question.
        retailer: name of the account.
        ledger_path: an existing ledger.
        output: the release file to write.
        purchases: the sales table and the meaning of its columns.
        sketch_key: file of the docket's key, where the inquiry asks for a sketch.
        signing_key: file of the private key that signs the release, if any.
        releases: paths or patterns, in the folder, of files answered from this ledger before.
        folder: of the configuration file.
    """

    inquiry: Inquiry
    retailer: str
    ledger_path: Path
    output: Path
    purchases: Purchases
    sketch_key: Path | None = None
    signing_key: Path | None = None
    releases: tuple[str, ...] = ()
    folder: Path = Path()

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a configuration file.

        Raises:
            InquiryError: the file or its inquiry breaks a rule.
            PurchasesError: the mapping of columns breaks one.
        """
        if not isinstance(path, (str, Path)):
            raise InquiryError(f"a configuration is a path, got {type(path).__name__}")
        path = Path(path)
        try:
            read = _ConfigFile.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
        except ValidationError as refusal:
            raise InquiryError(f"{path.name}: {told(refusal)}") from None
        except (OSError, ValueError, RecursionError) as refusal:
            raise InquiryError(f"cannot read {path.name!a} as TOML: {refusal}") from None
        folder = path.parent
        sourced = _tables(folder, read.engine) if read.engine else partial(_from, folder)
        return cls(
            inquiry=Inquiry.load(folder / read.inquiry),
            retailer=read.retailer,
            ledger_path=folder / read.ledger,
            output=folder / read.output,
            purchases=_purchases(read, sourced),
            sketch_key=None if read.sketch_key is None else folder / read.sketch_key,
            signing_key=None if read.signing_key is None else folder / read.signing_key,
            releases=tuple(read.releases),
            folder=folder,
        )

    def ledger(self) -> Ledger:
        """Open the ledger, and hold it against the releases that were answered from it.

        Raises:
            LedgerError: as :meth:`dpnotice.Ledger.open`.
            ReleaseError: a release is not readable.
        """
        found = [path for item in self.releases for path in _matching(self.folder, item)]
        own = [sent for sent in map(Release.load, found) if sent.retailer == self.retailer]
        return Ledger.open(self.ledger_path, releases=own)

    def check_key(self) -> None:
        """Refuse a signing key that would not sign, before anything is debited.

        Raises:
            ReleaseError: ``KEY`` or ``SIGN_EXTRA``.
        """
        if self.signing_key is not None:
            public_key(self.signing_key)

    def signed(self, release: Release) -> Release:
        """Return the release as it leaves: signed where a key is configured."""
        return release if self.signing_key is None else release.signed(self.signing_key)

    def check_output(self, *, answered: bool) -> None:
        """Refuse an output that could not be written, before anything is debited.

        Args:
            answered: whether the stored answer to this very request would be written again.

        Raises:
            ReleaseError: the folder is missing, or another file is in the place.
        """
        place = str(self.output)
        if place in {f"{self.ledger_path}{end}" for end in ("", "-journal", "-wal", "-shm")}:
            raise ReleaseError(f"{place!a} would be the ledger's own; rename it", code="FILE")
        try:
            with tempfile.TemporaryFile(dir=self.output.parent):
                there = _is_there(self.output)
        except (OSError, ValueError):
            raise ReleaseError(
                f"nothing can be written in the folder of {place!a}, or the name is not one; "
                "name another output (nothing was debited)",
                code="FILE",
            ) from None
        if there and not answered:
            raise ReleaseError(
                f"{place!a} exists, and a new answer would not be written over it; "
                "choose another output (nothing was debited)",
                code="OUTPUT_EXISTS",
            )


def _is_there(path: Path) -> bool:
    """Tell whether the place is taken, if only by a link; what can be no name fails."""
    try:
        path.lstat()
    except FileNotFoundError:
        return False
    return True


def _matching(folder: Path, item: str) -> list[str]:
    """Return what a pattern matches, if only nothing yet; a plain path is returned as it is."""
    place = _inside(folder, item)
    if not glob.has_magic(item) or os.path.isfile(place):  # noqa: PTH113 -- never fails
        return [place]
    return glob.glob(place)  # noqa: PTH207 -- Path.glob takes no absolute pattern


def _purchases(read: _ConfigFile, sourced: Callable[[str | list[str]], Any]) -> Purchases:
    buyers = None
    if read.buyers is not None:
        columns: dict[str, Any] = read.buyers.model_dump(exclude={"source"})
        buyers = Buyers(sourced(read.buyers.source), **columns)
    columns = read.purchases.model_dump(exclude={"source"})
    return Purchases(sourced(read.purchases.source), buyers=buyers, **columns)


def _tables(folder: Path, url: str) -> Callable[[str | list[str]], Any]:
    """Connect to the engine that holds the tables; a source is then a table's name there.

    An engine's refusal can quote the address and the password in it, so nothing of it is passed on.
    """
    scheme, _, place = url.partition("://")
    if scheme not in _SCHEMES or not place:
        raise PurchasesError("ENGINE_URL", field="engine")
    connect = partial(ibis.connect, url)
    if scheme == "duckdb":
        connect = partial(opened_file, folder / place)
    engine: Any = guarded(connect, lambda _: "ENGINE_CONNECT")

    def table(source: str | list[str]) -> Any:
        if not isinstance(source, str):
            raise PurchasesError("TABLE_NAME", field="source")
        schema, _, name = source.rpartition(".")
        return guarded(partial(engine.table, name, database=schema or None), lambda _: "TABLE_NAME")

    return table


def _from(folder: Path, source: str | list[str]) -> str | list[str]:
    if isinstance(source, str):
        return _inside(folder, source)
    return [_inside(folder, item) for item in source]


def _inside(folder: Path, source: str) -> str:
    """Resolve a path; where it is a pattern, brackets in the folder's own name stay literal."""
    if glob.has_magic(source) and not os.path.isfile(folder / source):  # noqa: PTH113 -- never fails
        return str(Path(glob.escape(str(folder))) / source)
    return str(folder / source)
