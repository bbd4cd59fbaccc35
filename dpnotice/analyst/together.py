"""Release files -> releases that belong together.

In: paths or a glob. Out: releases that answer one question about one class, each counted once.
"""

from collections.abc import Iterable, Mapping
from glob import glob, has_magic
from itertools import pairwise
from pathlib import Path

from dpnotice.errors import ReleaseError
from dpnotice.inquiry import Inquiry
from dpnotice.release import Release


def load_releases(
    source: str | Path | Iterable[str | Path], *, keys: Mapping[str, str] | None = None
) -> tuple[Release, ...]:
    """Read the releases that an estimate will rest on, and check that they belong together.

    Args:
        source: a glob such as ``"*.release"``, one path, or paths.
        keys: retailer -> its public key in base64, received by another way than the files; with
            it every release must be signed by the key of its retailer.

    Returns:
        The releases, ordered by retailer and attempt.

    Raises:
        ReleaseError: nothing matches, a file is bad, two of them do not fit, or one is not signed
            as ``keys`` wants it (``UNSIGNED``, ``UNTRUSTED_KEY``).
    """
    given = [source] if isinstance(source, (str, Path)) else source
    if not isinstance(given, (list, tuple)) or not all(isinstance(p, (str, Path)) for p in given):
        raise ReleaseError("name releases by a glob, a path or a list of paths", code="FILE")
    paths = [path for item in given for path in _matching(item)]
    if keys is not None and not isinstance(keys, Mapping):
        raise ReleaseError("keys maps each retailer to its public key", code="UNTRUSTED_KEY")
    if not paths:
        raise ReleaseError("no release file was named; give a glob or paths", code="FILE")
    releases = together(Release.load(path) for path in paths)
    if keys is not None:
        for release in releases:
            release.check_key(keys.get(release.retailer))
    return releases


def _matching(item: str | Path) -> list[str]:
    """Return the file of that very name, else what the glob matches, else the name, to refuse."""
    literal = [str(item)]
    if Path(item).is_file():
        return literal
    found = sorted(glob(str(item)))  # noqa: PTH207 -- Path.glob takes no absolute pattern
    if not found and has_magic(str(item)):
        raise ReleaseError(f"no file matches {str(item)!r}; check the pattern", code="FILE")
    return found or literal


def together(releases: Iterable[Release]) -> tuple[Release, ...]:
    """Check that releases answer one question about one class, each counted once.

    Args:
        releases: at least one.

    Returns:
        The same, ordered by retailer and attempt.

    Raises:
        ReleaseError: ``DUPLICATE_RELEASE``, ``CONFLICTING_RELEASE``, ``CLASS_MISMATCH``,
            ``DOMAIN_MISMATCH`` or ``SKETCH_MISMATCH``.
    """
    try:
        ordered = tuple(releases)
    except TypeError:
        ordered = ()
    if not ordered or not all(isinstance(release, Release) for release in ordered):
        raise ReleaseError("give at least one release, as loaded by load_releases", code="FILE")
    ordered = tuple(sorted(ordered, key=_place))
    for before, after in pairwise(ordered):
        _check_repeat(before, after)
        _check_spelling(before.retailer, after.retailer)
        _check_same_class(before.inquiry, after.inquiry)
    _check_sketches([release for release in ordered if release.sketch is not None])
    return ordered


def _check_repeat(before: Release, after: Release) -> None:
    if before.digest == after.digest:
        raise ReleaseError(
            f"{before.retailer!a} appears twice with the same release; name each file once",
            code="DUPLICATE_RELEASE",
        )
    same = (before.retailer, before.inquiry.digest, before.attempt)
    if same == (after.retailer, after.inquiry.digest, after.attempt):
        raise ReleaseError(
            f"{before.retailer!a} appears with two different answers to one request; "
            "ask which one is genuine",
            code="CONFLICTING_RELEASE",
        )


def _check_spelling(one: str, other: str) -> None:
    if one != other and one.casefold() == other.casefold():
        raise ReleaseError(
            f"{one!a} and {other!a} differ in case only: one retailer would count twice",
            code="CONFLICTING_RELEASE",
        )


def _check_same_class(one: Inquiry, other: Inquiry) -> None:
    same = ("name", "unit", "period", "timezone")
    differ = [field for field in same if getattr(one, field) != getattr(other, field)]
    if one.products.sha256 != other.products.sha256:
        differ.append("products")
    if differ:
        raise ReleaseError(
            f"the releases describe different classes: {', '.join(differ)} differ; "
            "only answers to one question can be combined",
            code="CLASS_MISMATCH",
        )
    if list(one.axes.values()) != list(other.axes.values()):
        raise ReleaseError(
            "the releases use different axes or levels "
            f"({_axes_text(one)} against {_axes_text(other)}); "
            "ask for answers to one inquiry",
            code="DOMAIN_MISMATCH",
        )


def _check_sketches(sketched: Iterable[Release]) -> None:
    """Refuse maps that do not fit together: of another plan, or hashed with another key."""
    for before, after in pairwise(sketched):
        one, other = before.sketch, after.sketch
        if one is None or other is None:
            continue
        if one.plan.sketch_id != other.plan.sketch_id:
            what = "were asked for by different [sketch] sections (their epsilon may differ)"
        elif one.key_fingerprint != other.key_fingerprint:
            what = "were hashed with different docket keys"
        else:
            continue
        raise ReleaseError(
            f"the sketches of {before.retailer!a} and {after.retailer!a} {what}, so they cannot be "
            "compared; ask for answers to one inquiry with one key",
            code="SKETCH_MISMATCH",
        )


def _axes_text(inquiry: Inquiry) -> str:
    return "; ".join(f"{axis.name}: {', '.join(axis.levels)}" for axis in inquiry.axes.values())


def _place(release: Release) -> tuple[str, str, int, str]:
    return release.retailer.casefold(), release.retailer, release.attempt, release.inquiry.digest
