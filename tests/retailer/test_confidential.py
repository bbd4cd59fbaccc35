"""Exact counts show themselves to nobody by accident."""

import copy
import dataclasses
import json
import logging
import pickle
import pprint
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dpnotice.errors import DpnoticeError
from dpnotice.retailer.confidential import ConfidentialCounts

CANARY = 1_234_567


@pytest.fixture
def counts() -> ConfidentialCounts:
    return ConfidentialCounts({(): np.array(CANARY), ("state",): np.array([CANARY, 0])})


ATTEMPTS: dict[str, Callable[[Any], object]] = {
    "pickle": pickle.dumps,
    "pickle protocol 0": lambda c: pickle.dumps(c, 0),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "replace": dataclasses.replace,
    "asdict": dataclasses.asdict,
    "astuple": dataclasses.astuple,
    "fields": dataclasses.fields,
    "vars": vars,
    "getstate": lambda c: c.__getstate__(),
    "reduce": lambda c: c.__reduce__(),
    "reduce_ex": lambda c: c.__reduce_ex__(4),
    "asarray": np.asarray,
    "array": np.array,
    "asarray of int": lambda c: np.asarray(c, dtype=np.int64),
    "sum": np.sum,
    "iteration": list,
    "dict": dict,
    "length": len,
    "item": lambda c: c[()],
    "membership": lambda c: CANARY in c,
    "truth": bool,
    "int": int,
    "float": float,
    "equality": lambda c: c == c,  # noqa: PLR0124 -- equality itself is tried
    "inequality": lambda c: c != CANARY,
    "hash": hash,
    "unpacking": lambda c: [*c],
    "json": json.dumps,
    "frame": pd.DataFrame,
    "match": lambda c: {**c},
}


@pytest.mark.parametrize("name", ATTEMPTS)
def test_exact_counts_refuse(name: str, counts: ConfidentialCounts) -> None:
    with pytest.raises((DpnoticeError, TypeError, AttributeError, ValueError)) as caught:
        ATTEMPTS[name](counts)
    assert str(CANARY) not in f"{caught.value} {caught.value.args}"


SHOWN: dict[str, Callable[[Any], str]] = {
    "repr": repr,
    "str": str,
    "format": lambda c: f"{c:>60}",
    "percent": lambda c: "%s %r" % (c, c),  # noqa: UP031 -- another way to text
    "ascii": ascii,
    "pprint": pprint.pformat,
    "dir": lambda c: str(dir(c)),
    "inside a list": lambda c: str([c]),
    "log record": lambda c: logging.makeLogRecord({"msg": "%s", "args": (c,)}).getMessage(),
    "json default": lambda c: json.dumps({"c": c}, default=repr),
}


@pytest.mark.parametrize("name", SHOWN)
def test_exact_counts_show_no_value(name: str, counts: ConfidentialCounts) -> None:
    assert str(CANARY) not in SHOWN[name](counts).replace(",", "").replace("_", "")


def test_repr_is_fixed(counts: ConfidentialCounts) -> None:
    assert repr(counts) == repr(ConfidentialCounts({})) == "<ConfidentialCounts: withheld>"


def test_exact_counts_take_no_new_attribute(counts: ConfidentialCounts) -> None:
    with pytest.raises(AttributeError):
        counts.total = 1  # type: ignore[attr-defined]


def test_exact_counts_are_no_dataclass() -> None:
    assert not dataclasses.is_dataclass(ConfidentialCounts)


def test_exact_counts_have_no_subclass() -> None:
    with pytest.raises(DpnoticeError):
        type("Open", (ConfidentialCounts,), {})


@pytest.mark.parametrize("name", ["copy", "pickle", "asarray", "length", "equality"])
def test_a_refusal_says_that_exact_counts_do_not_leave(
    name: str, counts: ConfidentialCounts
) -> None:
    with pytest.raises(DpnoticeError) as caught:
        ATTEMPTS[name](counts)
    assert str(caught.value) == (
        "INTERNAL: the step failed; the cause is withheld because it could quote the data "
        "[exact counts do not leave the mechanism]"
    )


def test_formatted_counts_are_withheld(counts: ConfidentialCounts) -> None:
    assert f"{counts:>9}" == f"{counts}" == "<ConfidentialCounts: withheld>"
