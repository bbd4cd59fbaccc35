"""A part of the class in words -> the weights of its cells.

In: ``axis=level`` or ``axis=[levels]``, as an analyst types it. Out: 1 for the levels of the part
and 0 for the others, per axis; the part in words.
"""

from collections.abc import Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet
from types import NoneType
from typing import Any

import numpy as np

from dpnotice.analyst.design import Names
from dpnotice.analyst.intervals import Floats
from dpnotice.errors import EstimateError
from dpnotice.segments import Axis


def ordered(axes: Mapping[str, Axis], names: Iterable[object]) -> Names:
    """Return axis names in the inquiry's order.

    Raises:
        EstimateError: one is no axis of the inquiry, or given twice.
    """
    given = tuple(names)
    known = all(isinstance(name, str) and name in axes for name in given)
    if not known or len(set(given)) < len(given):
        raise EstimateError(
            f"{list(given)} must be different axes of the inquiry; they are {', '.join(axes)}"
        )
    return tuple(name for name in axes if name in given)


def indicator(axes: Mapping[str, Axis], where: Mapping[str, object]) -> dict[str, Floats]:
    """Return, per axis of a part, 1 for its levels and 0 for the others.

    Args:
        axes: of the inquiry.
        where: axis -> a level or a list of levels.

    Returns:
        Axis -> weights of its levels, axes in the inquiry's order.

    Raises:
        EstimateError: an unknown axis or level.
    """
    part = {}
    for name in ordered(axes, where):
        given = where[name]
        listed = isinstance(given, Collection) and not isinstance(given, str)
        asked = list(given) if listed else [given]  # type: ignore[call-overload]  # just checked
        levels = axes[name].levels
        known = all(isinstance(level, str) and level in levels for level in asked)
        if not asked or not known:
            raise EstimateError(
                f"{name}={given!r} must name levels of that axis: {', '.join(levels)}"
            )
        part[name] = np.array([float(level in asked) for level in levels])
    return part


def part_and_whole(
    axes: Mapping[str, Axis], where: Mapping[str, object], within: Mapping[str, object] | None
) -> tuple[dict[str, Floats], dict[str, Floats]]:
    """Return the weights of a share's two sums.

    Args:
        axes: of the inquiry.
        where: the part; at least one axis.
        within: what it is a share of; everybody if None.

    Returns:
        Axis -> weights of part and whole, over the same axes.

    Raises:
        EstimateError: no part, or an unknown axis or level.
    """
    if not where or not isinstance(within, (Mapping, NoneType)):
        raise EstimateError(
            'share needs a part, for instance share(contact=["post"]), and within= is like '
            '{"state": "CA"}; correct them'
        )
    chosen, inside = indicator(axes, where), indicator(axes, within or {})
    ones = {name: np.ones(len(axes[name])) for name in ordered(axes, chosen | inside)}
    whole = {name: inside.get(name, weights) for name, weights in ones.items()}
    part = {name: weights * chosen.get(name, 1.0) for name, weights in whole.items()}
    return part, whole


def in_words(where: Mapping[str, object], within: Mapping[str, object] | None = None) -> str:
    """Return a part that was checked, in words; empty for everybody."""
    part = ", ".join(f"{axis} {_either(levels)}" for axis, levels in where.items())
    return f"{part} within {in_words(within)}" if within else part


def _either(levels: Any) -> str:
    """Return levels in words; those of a set, which has no order, in the alphabet's."""
    if isinstance(levels, str):
        return levels
    return " or ".join(sorted(levels) if isinstance(levels, AbstractSet) else levels)
