"""Faults planted in the retailer's side of the sketch, and the check that must see each.

In: the library's own sources. Out: modules that differ from them in the words given here. A fault
whose words are no longer in the source, once, is refused: it has to be written anew.
"""

import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Final
from unittest.mock import patch

import ibis
import numpy as np
import pyarrow as pa

from dpnotice import bitmap
from dpnotice.retailer import answer, counting, hashing, sketch
from dpnotice.retailer.ledger import Ledger
from dpnotice.retailer.purchases import Purchases
from made.bulk import copied
from made.keyed_bulk import docket, remade, set_bits
from made.keyed_shops import AXES, KEY, Asked, asking, place
from made.planted import _linked

Modules = dict[ModuleType, ModuleType]
"""A module of the library -> the copy of it, perhaps with a fault."""
Edit = tuple[ModuleType, str, str]


@dataclass(frozen=True, slots=True)
class Fault:
    """Words of the sources, what stands there instead, and the check that must see it."""

    edits: tuple[Edit, ...]
    seen_by: str
    where: Callable[[Asked], bool] = lambda _: True
    """The questions in which the words matter."""

    def planted(self) -> Modules:
        """Return the library's side of the sketch with the fault in it."""
        sources: dict[ModuleType, str] = {}
        for module, old, new in self.edits:
            source = sources.get(module, inspect.getsource(module))
            if source.count(old) != 1 or old == new:
                raise ValueError(f"not once in {module.__name__}: {old}")
            sources[module] = source.replace(old, new)
        return modules(sources)


def modules(sources: dict[ModuleType, str] | None = None) -> Modules:
    """Return copies of the modules, those named made from an edited source."""
    sources = sources or {}
    made = {bitmap: copied(bitmap, sources.get(bitmap)), **remade(sources)}
    made[answer] = copied(answer, sources.get(answer))
    for original, copy in list(made.items())[:-1]:
        _linked(made[answer], original, copy)
    vars(made[answer]).update(counting=made[counting], sketch=made[sketch])
    return made


# --- the checks ----------------------------------------------------------------------------
def costs_no_more(made: Modules) -> bool:
    """No flip costs more than is declared."""
    losses = [Decimal(number) / 20 for number in range(2, 161)]
    return all(bitmap.flip_loss(made[bitmap].threshold(loss)) <= loss for loss in losses)


def flips_exactly(made: Modules) -> bool:
    """Of the 65,536 integers that the system may draw, the t smallest flip their own bit."""
    integers = np.random.default_rng().permutation(65_536).astype("<u2")
    asked: list[int] = []
    with patch.object(os, "urandom", lambda size: asked.append(size) or integers.tobytes()[:size]):
        packed = made[sketch]._flips(17_626, 8_192)
    if asked != [2 * 65_536]:
        return False
    return np.array_equal(np.unpackbits(packed, bitorder="little"), integers < 17_626)


def sales(buyers: int) -> Purchases:
    """So many buyers, each with a person key."""
    table = {
        "id": [f"b{n}" for n in range(buyers)],
        "sku": ["p"] * buyers,
        "day": pa.array([date(2020, 3, 1)] * buyers, pa.date32()),
        "person": [f"a{n}@x.org" for n in range(buyers)],
        **{axis: ["?"] * buyers for axis in asking().axes},
    }
    axes = {axis: axis for axis in asking().axes}
    columns = {"buyer": "id", "product": "sku", "date": "day", "person": "person"}
    return Purchases(pa.table(table), axes=axes, **columns)


def repeats_itself(made: Modules) -> bool:
    """The same request has the same bytes, and costs nothing."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "docket.key"
        path.write_bytes(KEY)
        ledger = Ledger.create(Path(folder) / "a.ledger", epsilon_cap="9")
        named = {"retailer": "shop", "ledger": ledger, "sketch_key": path}
        given = [made[answer].answer(asking(), sales(5), **named).to_bytes() for _ in range(2)]
    return bool(given[0] == given[1])


def size_is_public(made: Modules) -> bool:
    """As many bytes leave, however many buyers there are."""
    asked, sizes = asking(), set()
    for buyers in (0, 3_000):
        _, exact = made[sketch].take(asked, sales(buyers), docket())
        sizes.add(len(made[sketch].flipped(asked, exact, docket()).bits))
    return sizes == {512}


def sets_every_bit(made: Modules) -> bool:
    """So many buyers that most bytes hold several: each has set their own bit."""
    _, exact = made[sketch].take(asking(), sales(3_000), docket())
    nowhere = tuple(len(levels) for levels in AXES.values())
    return set_bits(exact) == {place(asking(), nowhere, f"a{n}@x.org") for n in range(3_000)}


def keeps_the_key(made: Modules) -> bool:
    """Neither the key nor what is made of it stands in the text of a query."""
    engine = ibis.duckdb.connect()
    engine.con.register("s", sales(3).source)
    engine.raw_sql("SET enable_logging = true").fetchall()
    held = Purchases(
        engine.table("s"),
        **{name: getattr(sales(0), name) for name in ("buyer", "product", "date", "axes")},
        person="person",
    )
    made[sketch].take(asking(), held, docket())
    log = str(engine.raw_sql("SELECT message FROM duckdb_logs").fetchall()).lower()
    pads = [bytes(byte ^ pad for byte in KEY.ljust(64, b"\0")) for pad in (0x36, 0x5C)]
    told = [each for each in (KEY, *pads) if each[:32].hex() in log or repr(each)[2:40] in log]
    return "sha256" in log and not told


CHECKS: Final[dict[str, Callable[[Modules], bool]]] = {
    "loss": costs_no_more,
    "flips": flips_exactly,
    "repeat": repeats_itself,
    "size": size_is_public,
    "dense": sets_every_bit,
    "query": keeps_the_key,
}
"""Besides these there are the breaches that `made.keyed_bulk.examine` finds in generated shops."""


# --- the faults ----------------------------------------------------------------------------
def _fault(
    module: ModuleType,
    old: str,
    new: str,
    seen_by: str,
    where: Callable[[Asked], bool] = lambda _: True,
) -> Fault:
    return Fault(((module, old, new),), seen_by, where)


def _near(at: Asked) -> bool:
    return not at.person_far


def _far(at: Asked) -> bool:
    return at.person_far


def _block_near(at: Asked) -> bool:
    plan = at.inquiry.sketch
    return plan is not None and plan.blocks is not None and plan.blocks.name in at.near


def _block_far(at: Asked) -> bool:
    plan = at.inquiry.sketch
    return plan is not None and plan.blocks is not None and plan.blocks.name in at.far


def _planes_near(at: Asked) -> bool:
    return _planes(at) and "contact" in at.near


def _planes(at: Asked) -> bool:
    return at.inquiry.sketch is not None and bool(at.inquiry.sketch.planes)


_LATEST = 'rows.group_by("buyer").aggregate(key=rows["key"].max(), **person)'
_LISTED = 'listed.group_by("buyer").aggregate(cell=listed["cell"].min(), **person)'
_DRAWN = 'np.frombuffer(os.urandom(2 * number), dtype="<u2")'
_SET = "np.bitwise_or.at(exact._bits, place >> 3, (1 << (place & 7)).astype(np.uint8))"
_PADS = 'engine.con.execute(f"SET VARIABLE {name} = ?", [pad]).fetchall()'
_FLIPPED = " ^ _flips(plan.threshold, bits[start:].size)"
_BATCH = "                _set(exact, inquiry, batch)\n"
_NOISED = """\
                t = inquiry.sketch.threshold
                exact._bits ^= _flips(t, exact._bits.size)
"""
_STORED = "        if stored is not None:\n            return stored\n"
_AGAIN = """\
        if stored is not None:
            from dataclasses import replace
            empty = sketch.ExactBitmap(inquiry.sketch)
            return replace(stored, sketch=sketch.flipped(inquiry, empty, key))
"""
_COUNTED = "    occupied = np.flatnonzero(buyers)\n"
_RESIZED = """\
    from dataclasses import replace
    exact = ExactBitmap(replace(inquiry.sketch, expected_buyers=int(buyers.sum()) + 1))
    occupied = np.flatnonzero(buyers)
"""
_SEEDED = "np.random.default_rng({seed}).integers(0, 65_536, number)"

FAULTS: Final[dict[str, Fault]] = {
    # --- the flip
    "nearest t": _fault(bitmap, "to_integral_value(ROUND_CEILING)", "to_integral_value()", "loss"),
    "t rounded down": _fault(
        bitmap, "to_integral_value(ROUND_CEILING)", 'to_integral_value("ROUND_FLOOR")', "loss"
    ),
    "<= in the flip": _fault(sketch, "drawn < threshold", "drawn <= threshold", "flips"),
    "float flip": Fault(
        (
            (sketch, _DRAWN, 'np.frombuffer(os.urandom(4 * number), dtype="<u4") / 2**32'),
            (sketch, "drawn < threshold", "drawn < threshold / 2**16"),
        ),
        "flips",
    ),
    "seeded flip": _fault(sketch, _DRAWN, _SEEDED.format(seed=7), "flips"),
    "flip seeded by the system": _fault(
        sketch, _DRAWN, _SEEDED.format(seed='int.from_bytes(os.urandom(8), "big")'), "flips"
    ),
    "one integer for two bits": _fault(
        sketch, _DRAWN, 'np.repeat(np.frombuffer(os.urandom(number), dtype="<u2"), 2)', "flips"
    ),
    "big-endian integers": _fault(sketch, 'dtype="<u2"', 'dtype=">u2"', "flips"),
    "bit order of the flips reversed": _fault(
        sketch, 'bitorder="little"', 'bitorder="big"', "flips"
    ),
    "flip before the batches are united": Fault(
        (
            (sketch, _BATCH, _BATCH + _NOISED),
            (sketch, _FLIPPED, ""),
        ),
        "rule",
    ),
    "flip again on a repeated request": _fault(answer, _STORED, _AGAIN, "repeat"),
    # --- one buyer sets two bits
    "two keys per buyer": _fault(
        counting,
        _LATEST,
        _LATEST.replace('"buyer"', '"buyer", "person"').replace(", **person", ""),
        "neighbours",
        _near,
    ),
    "two keys per buyer in the buyers table": _fault(
        counting,
        _LISTED,
        _LISTED.replace('"buyer"', '"buyer", "person"').replace(", **person", ""),
        "neighbours",
        _far,
    ),
    "two blocks per buyer": _fault(
        counting, _LATEST, _LATEST.replace('"buyer"', '"buyer", "cell"'), "neighbours", _block_near
    ),
    "two blocks per buyer in the buyers table": _fault(
        counting,
        _LISTED,
        _LISTED.replace('"buyer"', '"buyer", "cell"').replace('cell=listed["cell"].min(), ', ""),
        "neighbours",
        _block_far,
    ),
    "two planes per buyer": _fault(
        counting, _LATEST, _LATEST.replace('"buyer"', '"buyer", "cell"'), "neighbours", _planes_near
    ),
    "a bit in the first plane too": _fault(
        sketch,
        _SET,
        f"for place in (place, place - (plane << size)): {_SET}",
        "neighbours",
        _planes,
    ),
    # --- one bit at most, but not the rule
    "bit order reversed": _fault(sketch, "(1 << (place & 7))", "(128 >> (place & 7))", "rule"),
    "the low bits of the hash": _fault(
        sketch,
        "(hashes >> (_HASH_BITS - size).astype(np.uint64))",
        "(hashes & ((1 << size) - 1).astype(np.uint64))",
        "rule",
    ),
    "bits of a byte overwritten": _fault(
        sketch,
        _SET,
        "exact._bits[place >> 3] = (1 << (place & 7)).astype(np.uint8)",
        "dense",
    ),
    "every buyer in the first block": _fault(
        sketch, "if plan.blocks is not None:", "if False:", "rule", _block_near
    ),
    "every buyer in the first plane": _fault(
        sketch, "if plan.planes:", "if False:", "rule", _planes
    ),
    "the rule left out of the hash": _fault(hashing, '+ rule.encode() + b"\\0"', "", "rule"),
    "keys hashed as they are": _fault(
        hashing,
        'spelt = engine_key(records, "person", rule)',
        'spelt = records.mutate(key=records["person"])',
        "rule",
    ),
    "other than ASCII keys dropped": _fault(
        hashing,
        'plain_ascii(spelt["person"]).ifelse(ibis.null("string"), spelt["person"])',
        'ibis.null("string")',
        "rule",
    ),
    "the greatest key": _fault(
        counting, "person.min(where=there)", "person.max(where=there)", "rule"
    ),
    "any key": _fault(
        counting,
        "person.min(where=there)",
        "person.first(where=there)",
        "order",
    ),
    "a blank key is a key": _fault(counting, "person.min(where=there)", "person.min()", "rule"),
    # --- what leaves
    "m from the exact n": Fault(
        (
            (sketch, _COUNTED, _RESIZED),
            (sketch, "plan != inquiry.sketch or ", ""),
        ),
        "size",
    ),
    "the key in the text of a query": _fault(
        hashing,
        _PADS,
        "engine.con.execute(f\"SET VARIABLE {name} = unhex('{pad.hex()}')\").fetchall()",
        "query",
    ),
}
