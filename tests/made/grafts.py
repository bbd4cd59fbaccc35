"""Faults grafted onto the modules in memory: the code of one edited source under everything else.

In: a module, and words of its source with what stands there instead. Out: the same functions and
classes, which others have imported already, run the edited code until the end of the block.
"""

import importlib
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, Final, TypeAlias

import pytest

from dpnotice.errors import DpnoticeError
from made.faults import run

Edits: TypeAlias = tuple[tuple[str, str], ...]
CONSTANTS: Final = (int, float, str)
FAILED: Final = (AssertionError, pytest.fail.Exception, DpnoticeError)


def noticed(module: str, edits: Edits, test: str) -> bool:
    """Tell whether a test fails or is refused, and does not break, under edits of a module."""
    with grafted(module, edits):
        try:
            run(test)
        except FAILED:
            return True
    return False


@contextmanager
def grafted(module: str, edits: Edits) -> Iterator[None]:
    """Run a module's functions with the code, and the constants, of its edited source."""
    original = importlib.import_module(f"dpnotice.{module}")
    spoilt = edited(original, edits)
    caches = [thing for thing in vars(original).values() if hasattr(thing, "cache_clear")]
    with pytest.MonkeyPatch.context() as patch:
        for name, value in vars(spoilt).items():
            old = vars(original).get(name)
            if isinstance(value, CONSTANTS) and value != old and not name.startswith("__"):
                patch.setattr(original, name, value)
        for function, new in paired(vars(original), vars(spoilt), original.__name__):
            patch.setattr(function, "__code__", new.__code__)
        _clear(caches)
        yield
    _clear(caches)


def edited(original: ModuleType, edits: Edits) -> ModuleType:
    """Return the module that an edited source makes, apart from the original."""
    source = inspect.getsource(original)
    for old, new in edits:
        if source.count(old) != 1 or old == new:
            raise ValueError(f"not once in {original.__name__}: {old}")
        source = source.replace(old, new)
    made = ModuleType(original.__name__)
    made.__file__ = str(Path(str(original.__file__)).with_name("with a fault"))
    exec(compile(source, made.__file__, "exec"), vars(made))  # noqa: S102 -- the project's own
    return made


def paired(old: Any, new: Any, home: str) -> Iterator[tuple[FunctionType, FunctionType]]:
    """Yield the functions and methods that stand in a module's source, each with its edition."""
    for name, value in new.items():
        if isinstance(value, type) and value.__module__ == home:
            yield from paired(vars(old[name]), vars(value), home)
        function, other = _function(value), _function(old.get(name))
        if function and other and function.__code__.co_filename.endswith("with a fault"):
            yield other, function


def _function(thing: Any) -> FunctionType | None:
    """The plain function inside a method, a property or a cache."""
    if isinstance(thing, property):
        thing = thing.fget
    elif isinstance(thing, cached_property):
        thing = thing.func
    thing = getattr(thing, "__wrapped__", thing)
    return thing if isinstance(thing, FunctionType) else None


def _clear(caches: list[Any]) -> None:
    for cache in caches:
        clear: Callable[[], None] = cache.cache_clear
        clear()
