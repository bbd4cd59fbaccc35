"""The source of a few modules, with one fault written into it.

In: the faults as pairs of texts. Out: `Code`, fresh modules that nobody else imports, so that a
fault stays among them.
"""

import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Final

SOURCES: Final = {
    "privacy": "dpnotice.privacy",
    "confidential": "dpnotice.retailer.confidential",
    "chain": "dpnotice.retailer.chain",
    "ledger": "dpnotice.retailer.ledger",
    "counting": "dpnotice.retailer.counting",
}


@dataclass(frozen=True, slots=True)
class Code:
    """Fresh modules; the ledger stands on the chain beside it."""

    privacy: ModuleType
    confidential: ModuleType
    chain: ModuleType
    ledger: ModuleType
    counting: ModuleType


def fresh(module: str = "", *changes: tuple[str, str]) -> Code:
    """Run the modules anew, one of them with texts replaced; each text must occur once."""
    made = {name: _run(name, changes if name == module else ()) for name in SOURCES}
    vars(made["ledger"])["chain"] = made["chain"]
    return Code(**made)


def _run(name: str, changes: tuple[tuple[str, str], ...]) -> ModuleType:
    origin = importlib.util.find_spec(SOURCES[name])
    assert origin is not None
    assert origin.origin is not None
    source = Path(origin.origin).read_text("utf-8")
    for old, new in changes:
        assert source.count(old) == 1, f"{old!r} occurs {source.count(old)} times in {name}"
        source = source.replace(old, new)
    made = ModuleType(f"spoilt_{name}")
    sys.modules[made.__name__] = made  # where dataclasses look their module up
    try:
        exec(compile(source, f"<{made.__name__}>", "exec"), vars(made))  # noqa: S102 -- our own source
    finally:
        del sys.modules[made.__name__]
    return made
