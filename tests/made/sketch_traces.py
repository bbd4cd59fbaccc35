"""What an answer with a sketch leaves behind, refusals and objects included, collected as bytes.

In: folders of data and of work. Out: name of a surface -> all that stands on it. Each run is for a
process of its own.
"""

import gc
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from dpnotice.inquiry import Inquiry
from dpnotice.release import Release
from dpnotice.retailer import answer as answering
from dpnotice.retailer import hashing, mechanism, sketch
from dpnotice.retailer.ledger import Ledger
from dpnotice.retailer.rehearsal import rehearse
from dpnotice.retailer.sql import counting_sql
from made import canaries
from made.refusals import COPIES, TEXTS, VALUES, _look, _stop, _texts
from made.traces import Found, Place, Watch, around

SUFFIX: Final = " (sketch)"
POINTS: Final[dict[str, Any]] = {
    "_set": sketch,
    "_completed": hashing,
    "_noisy": mechanism,
    "_flips": sketch,
    "Sketch": sketch,
}
"""Where person keys, exact bits or exact counts are in hand."""
KINDS: Final = (RuntimeError, KeyboardInterrupt)
KEPT: Final = ("ConfidentialCounts", "ExactBitmap", "DocketKey")
WAYS: Final = {"as text": TEXTS, "copied": COPIES, "as values": VALUES}


def asked(place: Place) -> Inquiry:
    return Inquiry.load(place.data / "sketch.toml")


def key_path(place: Place) -> Path:
    return place.data / "docket.key"


def sketched(place: Place) -> Found:
    """Answer, answer the same again, answer anew, show all of it; then break it at every point."""
    watch = Watch(place)
    canaries.plant_in_the_sketch()
    around(sketch, "flipped", partial(watch.look, "during"), partial(watch.look, "during"))
    with watch.listening():
        ledger = Ledger.create("a.ledger", epsilon_cap="5")
        release = _answered(place, ledger, watch)
        _shown(place, release, ledger, watch)
        _broken(place, ledger, watch)
    _handled(watch)
    return {f"{surface}{SUFFIX}": held for surface, held in watch.found.items()}


def _answered(place: Place, ledger: Ledger, watch: Watch) -> Release:
    sales = canaries.keyed_purchases(str(place.data / "keyed.parquet"))
    heard: list[str] = []
    for reason in (None, None, "again"):
        release = answering.answer(
            asked(place),
            sales,
            retailer="shop",
            ledger=ledger,
            sketch_key=key_path(place),
            new_attempt=reason,
            progress=heard.append,
        )
    watch.note("progress callback", *heard)
    release.save("shop.release")
    return Release.load("shop.release")


def _shown(place: Place, release: Release, ledger: Ledger, watch: Watch) -> None:
    watch.note("release read back", *_texts(release), release.to_dict(), release.to_frame())
    watch.note("release read back", *_texts(release.sketch), release.sketch)
    watch.note("privacy card", release.privacy_card(ledger), release._repr_html_())
    print(release, release.sketch, flush=True)  # noqa: T201 -- as users do
    sales = canaries.keyed_purchases(canaries.keyed_frame())
    key = sketch.DocketKey(key_path(place))
    for thing in (sales, key, asked(place), asked(place).sketch):
        watch.note("reprs of objects", *_texts(thing))
    question = canaries.sketching(privacy={"epsilon": "1"})  # nothing is drawn: no need of less
    plan = rehearse(question, sales, retailer="dry", ledger=ledger, sketch_key=key_path(place))
    watch.note("dry run", plan.page(), plan)
    watch.note("printed SQL", counting_sql(question, sales, dialect="duckdb"))


# --- refusals ----------------------------------------------------------------------------------
def _broken(place: Place, ledger: Ledger, watch: Watch) -> None:
    stops = [(point, kind) for point in POINTS for kind in KINDS]
    for number, (point, kind) in enumerate(stops if place.leaking is None else stops[2:3]):
        plain = getattr(POINTS[point], point)
        setattr(POINTS[point], point, _stop(kind))
        _look(partial(_answer, place, ledger, f"shop{number}"), watch)
        setattr(POINTS[point], point, plain)
        watch.note("objects kept alive", *_kept())
    _look(partial(_answer, place, ledger, "other", wrong=True), watch)
    heard = ("standard output", "standard error", "DEBUG log", "Python warnings")
    watch.note("prints and logs of a refusal", *(watch.found.get(name, b"") for name in heard))


def _answer(place: Place, ledger: Ledger, retailer: str, *, wrong: bool = False) -> None:
    """This frame holds no canary by itself: what is found was carried out of the package."""
    sales = canaries.keyed_purchases(str(place.data / "keyed.parquet"))
    path = place.data / "sketch.toml" if wrong else key_path(place)
    answering.answer(asked(place), sales, retailer=retailer, ledger=ledger, sketch_key=path)


def _kept() -> Iterator[bytes]:
    """Secrets of the package that are still alive once a refusal was looked at."""
    gc.collect()
    held = [thing for thing in gc.get_objects() if type(thing).__name__ in KEPT]
    yield f"{len(held)} kept".encode()
    for thing in held:
        for name in type(thing).__slots__:
            content = getattr(thing, name)
            yield content.tobytes() if isinstance(content, np.ndarray) else repr(content).encode()


# --- the exact bitmap --------------------------------------------------------------------------
def _handled(watch: Watch) -> None:
    """Do with an exact bitmap whatever a program does with an object by habit."""
    exact = sketch.ExactBitmap(canaries.sketching().sketch)  # type: ignore[arg-type]
    spelt = (canaries.ID.encode() * exact._bits.size)[: exact._bits.size]
    exact._bits[:] = np.frombuffer(spelt, np.uint8)
    for surface, ways in WAYS.items():
        for way in ways:
            try:
                made = way(exact)
            except Exception as caught:  # noqa: BLE001 -- each refuses in its own words
                watch.note(f"exact bitmap {surface}", repr(caught), caught.args)
                continue
            watch.note(
                f"exact bitmap {surface}", repr(made._bits) if hasattr(made, "_bits") else made
            )
