"""Private-PGM: noisy tables -> the cells of its maximum-entropy estimate.

In: a JSON file named on the command line. Out: the cells as .npy, and seconds as JSON. Mirror
descent is the estimator that its documentation recommends; 64-bit floats and no compilation cache
are what it asks for when it is imported.
"""

import importlib
import inspect
import json
import pkgutil
import sys
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import jax
import mbi
import numpy as np

WORDS = ("varian", "interval", "confiden", "stddev", "stderr", "std_err", "uncertain", "quantile")


def measurements(held: dict[str, Any], noisy: Any, release: int) -> list[mbi.LinearMeasurement]:
    return [
        mbi.LinearMeasurement(
            noisy[f"{release}/{table}"].astype(np.float64).ravel(), tuple(of), stddev=sd
        )
        for table, (of, sd) in enumerate(zip(held["tables"], held["sds"], strict=True))
    ]


def named(thing: Any, path: str, module: str) -> Iterator[str]:
    """Yield what a module or class defines in public and takes, where it speaks of uncertainty."""
    for name, member in vars(thing).items():
        if name.startswith("_") or getattr(member, "__module__", "") != module:
            continue
        here = f"{path}.{name}"
        arguments = [*inspect.signature(member).parameters] if callable(member) else []
        for word in [name, *arguments]:
            if any(part in word.lower() for part in WORDS):
                yield here if word == name else f"{here}({word}=)"
        if inspect.isclass(member):
            yield from named(member, here, module)


def looked(model: Any) -> str:
    """Say where the package speaks of uncertainty, and whether the fitted model does."""
    found = {
        name.removeprefix("mbi.")
        for module in pkgutil.walk_packages(mbi.__path__, "mbi.")
        if not module.name.rpartition(".")[2].startswith("_")
        for name in named(importlib.import_module(module.name), module.name, module.name)
    }
    of_model = [n for n in dir(model) if any(part in n.lower() for part in WORDS)]
    return (
        f"a fitted {type(model).__name__} has {', '.join(of_model) or 'no name'} for a variance or "
        f"an interval; the package has {', '.join(sorted(found)) or 'none'}"
    )


def main() -> None:
    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_enable_compilation_cache", False)
    held = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    noisy = np.load(held["noisy"])
    names = tuple(held["axes"])
    domain = mbi.Domain(names, tuple(held["axes"].values()))
    estimator = mbi.estimation.MirrorDescent()
    seconds, cells, model = [], [], None
    for release in [0, *range(held["releases"])]:
        measured = measurements(held, noisy, release)
        began = time.perf_counter()
        model = estimator.estimate(domain, measured, iters=held["iterations"])
        found = np.asarray(model.project(names).datavector(flatten=False))
        seconds.append(time.perf_counter() - began)
        cells.append(found)
    np.save(held["cells"], np.stack(cells[1:]))
    answer = {
        "seconds": median(seconds[1:]),
        "first": seconds[0],
        "notes": f"mbi {version('mbi')}, MirrorDescent, {held['iterations']:,} iterations",
        "looked": looked(model),
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
