"""Faults planted in the border's modules, one edit each, under the tests of the module itself.

In: a module's own source, words of it and what stands there instead. Out: what its tests say. The
modules are loaded afresh round the fault, so that whatever uses the spoilt names uses the fault.
"""

import importlib
import inspect
import itertools
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import CodeType, ModuleType
from typing import Any, Final, TypeAlias

import pytest

import dpnotice

Faults: TypeAlias = dict[str, list[tuple[str, list[str]]]]
"""The test that must fail -> words of the source, and what may stand there instead."""
BORDER: Final = (
    *("privacy", "zcdp", "inquiry_file", "products", "bitmap", "inquiry"),
    *("signature", "header", "layout", "container", "release"),
)
TESTS: Final = Path(__file__).parents[1]
ORIGINALS: Final = {name: importlib.import_module(f"dpnotice.{name}") for name in BORDER}
NOTICED: Final = (Exception, pytest.fail.Exception)


def noticed(module: str, old: str, new: str, test: str) -> bool:
    """Tell whether a test of a module fails once `new` stands for `old` in its source."""
    source = inspect.getsource(ORIGINALS[module])
    if source.count(old) != 1 or old == new:
        raise ValueError(f"not once in {module}: {old}")
    spoilt = compile(source.replace(old, new), f"{module} with a fault", "exec")
    try:
        with swapped(module, spoilt):
            run(test)
    except NOTICED:
        return True
    return False


def passes(test: str) -> bool:
    """Tell whether a test passes on the modules as they are."""
    with swapped():
        run(test)
    return True


@contextmanager
def swapped(module: str = "", code: CodeType | None = None) -> Iterator[None]:
    """Load the border afresh, one module of it from other code."""
    with pytest.MonkeyPatch.context() as patch:
        for name in BORDER:
            patch.delitem(sys.modules, f"dpnotice.{name}")
            patch.delattr(dpnotice, name)
        if code is not None:
            made = ModuleType(f"dpnotice.{module}")
            made.__file__ = ORIGINALS[module].__file__
            sys.modules[made.__name__] = made
            setattr(dpnotice, module, made)
            exec(code, vars(made))  # noqa: S102 -- the project's own source
        yield


@cache
def _code_of(file: str) -> CodeType:
    path = TESTS / file
    return compile(path.read_text("utf-8"), str(path), "exec")


def run(test: str) -> None:
    """Run ``file.py::test_name`` in this process with every set of its parameters."""
    file, name = test.split("::")
    space: dict[str, Any] = {"__name__": Path(file).stem, "__file__": str(TESTS / file)}
    exec(_code_of(file), space)  # noqa: S102 -- the project's own tests
    for arguments in _sets(space[name]):
        _call(space[name], arguments)


def _sets(function: Callable[..., object]) -> Iterator[dict[str, Any]]:
    """Every set of parameters that a test is called with."""
    marks = [mark for mark in getattr(function, "pytestmark", []) if mark.name == "parametrize"]
    choices = [[_named(mark.args[0], values) for values in mark.args[1]] for mark in marks]
    for chosen in itertools.product(*choices):
        yield {name: value for part in chosen for name, value in part.items()}


def _named(names: str | tuple[str, ...], values: Any) -> dict[str, Any]:
    return {names: values} if isinstance(names, str) else dict(zip(names, values, strict=True))


def _call(function: Callable[..., object], arguments: Mapping[str, object]) -> None:
    with pytest.MonkeyPatch.context() as patch, TemporaryDirectory() as folder:
        fixtures = {"monkeypatch": patch, "tmp_path": Path(folder)}
        wanted = inspect.signature(function).parameters.keys() & fixtures.keys()
        function(**arguments, **{name: fixtures[name] for name in wanted})
