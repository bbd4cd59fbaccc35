"""The only home of an exact count.

In: exact tables, from `counting`. Out: the same, to `mechanism` alone.
"""

from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from dpnotice.errors import PurchasesError


def _refuse(*_args: object, **_kwargs: object) -> NoReturn:
    raise PurchasesError("INTERNAL", field="exact counts do not leave the mechanism")


class ConfidentialCounts:
    """Exact counts of one retailer's buyers, by table; they show themselves to nobody.

    A plain class with slots, as a dataclass leaks through ``asdict``. It guards against accident
    (a log line, a pickle, a notebook's display), not against malice.

    Args:
        tables: axes of the table -> int64 counts of the table's shape.
    """

    __slots__ = ("_tables",)

    def __init__(self, tables: Mapping[tuple[str, ...], npt.NDArray[np.int64]]) -> None:
        self._tables = dict(tables)

    def __repr__(self) -> str:
        return "<ConfidentialCounts: withheld>"

    __str__ = __repr__

    def __format__(self, _spec: str) -> str:
        return repr(self)

    def __dir__(self) -> list[str]:
        return []

    def __eq__(self, _other: object) -> bool:
        _refuse()

    __hash__ = None  # type: ignore[assignment]  # equality is refused, so there is no hash

    __reduce_ex__ = __copy__ = __deepcopy__ = __getstate__ = _refuse
    __array__ = __iter__ = __len__ = __getitem__ = __contains__ = __bool__ = _refuse

    def __init_subclass__(cls, **_kwargs: Any) -> None:
        _refuse()
