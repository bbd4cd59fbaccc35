"""Much arithmetic over many draws: in blocks, on all cores.

In: a function of some draws. Out: its result for all of them, whatever the blocks and threads.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from threading import Lock
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from dpnotice.analyst.intervals import Floats

Reals: TypeAlias = npt.NDArray[np.floating[Any]]
"""Of single or double precision."""
_NUMBERS: Final = 2**21
"""Of a block: large beside what a call costs, small beside memory."""


_ONE_CALLER: Final = Lock()
"""A caller uses all cores, and what it finds of the libraries' threads it must put back."""


def by_block(block: Callable[[slice], Reals], shape: tuple[int, int], width: int) -> Floats:
    """Work through the draws in blocks on all cores; results do not hang on the blocks.

    Every thread multiplies matrices by itself: threads of a linear algebra library below ours
    would stand in each other's way.

    Args:
        block: some draws -> (draws, columns).
        shape: of all draws together, (draws, columns).
        width: numbers that one draw takes on the way.

    Returns:
        (draws, columns).
    """
    found = np.empty(shape)
    step = max(1, _NUMBERS // width)

    def work(start: int) -> None:
        rows = slice(start, start + step)
        found[rows] = block(rows)

    with (
        _ONE_CALLER,
        _libraries().limit(limits=1, user_api="blas"),  # as it is found: after the lock
        ThreadPoolExecutor(os.cpu_count()) as pool,
    ):
        list(pool.map(work, range(0, len(found), step)))
    return found


@cache
def _libraries() -> Any:
    """Return the linear algebra libraries that numpy and scipy brought."""
    from threadpoolctl import ThreadpoolController  # noqa: PLC0415 -- looks them up

    return ThreadpoolController()
