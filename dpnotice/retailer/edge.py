"""The edge of the retailer's side: whatever fails inside leaves as a code with a fixed text.

In: a piece of work on data. Out: its result, or a refusal that quotes nothing.
"""

import logging
import traceback
from collections.abc import Callable
from typing import TypeVar

from dpnotice.errors import DpnoticeError, PurchasesError

Result = TypeVar("Result")

_log = logging.getLogger(__name__)


def code_of(refusal: Exception) -> str:
    """Sort an engine's refusal into a code without repeating its words."""
    origin = type(refusal).__module__.partition(".")[0]
    reading = origin in {"duckdb", "_duckdb", "pyarrow", "csv", "_csv", "zlib"}
    reading |= isinstance(refusal, (OSError, EOFError, ValueError))
    return "SOURCE_CORRUPT" if reading else "INTERNAL"


def guarded(work: Callable[[], Result], code: Callable[[Exception], str] = code_of) -> Result:
    """Do a piece of work; nothing of a failure but its code gets out.

    Args:
        work: what is done.
        code: how a failure that is not our own is sorted.

    Returns:
        What the work returns.

    Raises:
        DpnoticeError: the project's own refusals, without the frames and causes behind them.
    """
    failure: BaseException
    try:
        return work()
    except DpnoticeError as refusal:
        failure = refusal
    except Exception as refusal:  # noqa: BLE001 -- an engine's error may quote the data
        _log.error("stopped: %s", type(refusal).__name__)
        traceback.clear_frames(refusal.__traceback__)
        failure = PurchasesError(code(refusal))
    except BaseException as stop:  # noqa: BLE001 -- an interruption's frames hold exact counts
        traceback.clear_frames(stop.__traceback__)
        failure = stop
    failure.__context__ = failure.__cause__ = None  # what went before could quote the data
    raise failure.with_traceback(None)
