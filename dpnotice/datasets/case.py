"""What an example consists of: an inquiry, purchases by retailer, and the truth.

In: made by the functions beside this file. Out: the arguments of the retailer's calls.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from dpnotice.errors import DatasetError
from dpnotice.inquiry import Inquiry
from dpnotice.retailer.purchases import Purchases


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A worked example: one inquiry, the purchases of each retailer, and what is true of them.

    Attributes:
        folder: where the purchases lie.
        inquiry: the question.
        sources: retailer -> Parquet path or glob.
        columns: keyword arguments of :class:`dpnotice.Purchases` besides the source.
        truth: exact figures, for checking estimates; a real matter has none.
    """

    folder: Path
    inquiry: Inquiry
    sources: Mapping[str, str]
    columns: Mapping[str, Any]
    truth: Mapping[str, Any]

    def __post_init__(self) -> None:
        for name in ("sources", "columns", "truth"):
            held = {k: _frozen(value) for k, value in getattr(self, name).items()}
            object.__setattr__(self, name, MappingProxyType(held))

    @property
    def retailers(self) -> tuple[str, ...]:
        """The retailers, in order."""
        return tuple(self.sources)

    def purchases(self, retailer: str) -> Purchases:
        """Return the purchases of one retailer.

        Raises:
            DatasetError: no such retailer in the case.
        """
        if retailer not in self.sources:
            raise DatasetError(
                f"{retailer!r} is no retailer of this case; they are {', '.join(self.retailers)}"
            )
        return Purchases(self.sources[retailer], **self.columns)


def _frozen(value: object) -> object:
    return MappingProxyType(dict(value)) if isinstance(value, dict) else value
