"""How long a retailer's bitmap takes on one core: from purchases to exact bits, and the flips.

    python benchmarks/sketch.py [--keys 1e7] [--rounds 3]

In: generated purchases, one buyer with one e-mail address each. Out: medians of interleaved rounds:
`sketch.take` (counts and bits, one pass), the same question without a sketch, plain SQL that hashes
the same column with the same engine, and `sketch.flipped` on 2^23 bits.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # before any library counts the cores

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import duckdb

from dpnotice.inquiry import Inquiry
from dpnotice.retailer import counting, sketch
from dpnotice.retailer.purchases import Purchases
from made.releases import matter

LIMITS = {"take": 20.0, "flip 2^23 bits": 0.2}


def asked(buyers: int, **sketched: Any) -> Inquiry:
    section = {"epsilon": "1", "key": "email", "expected_buyers": buyers}
    return matter(
        period=["2020-01-01", "2021-01-01"],
        products=["a"],
        axes={"state": ["CA", "NY"]},
        tables=[{"of": []}, {"of": ["state"]}],
        **({"sketch": section | sketched} if buyers else {}),
    )


def written(path: str, buyers: int) -> None:
    duckdb.sql(
        f"""COPY (SELECT i AS buyer, 'a' AS sku, TIMESTAMP '2020-06-01' AS day,
        CASE i % 3 WHEN 0 THEN 'CA' WHEN 1 THEN 'NY' END AS state,
        'First.Last' || hash(i) % {buyers} || '@' || CASE i % 4 WHEN 0 THEN 'Gmail.com'
        ELSE 'mail.example' END AS email FROM range({buyers}) numbers(i))
        TO '{path}' (FORMAT parquet)"""  # noqa: S608 -- numbers and a path of our own
    )


def seconds(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--keys", type=float, default=1e7)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    buyers, found = int(given.keys), defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/sales.parquet"
        written(path, buyers)
        columns = {"buyer": "buyer", "product": "sku", "date": "day", "axes": {"state": "state"}}
        purchases = Purchases(path, person="email", **columns, timezone="UTC")
        key = sketch.DocketKey.create(f"{folder}/docket.key")
        question, plain, large = asked(buyers), asked(0), asked(1_500_000)
        assert large.sketch is not None
        works: dict[str, Callable[[], Any]] = {
            "take": lambda: sketch.take(question, purchases, key),
            "count without a sketch": lambda: counting.count(plain, purchases),
            "plain SQL: sha256(lower(email))": lambda: duckdb.sql(
                f"SELECT min(sha256(lower(email))) FROM '{path}'"  # noqa: S608 -- the same
            ).fetchall(),
            "flip 2^23 bits": lambda: sketch.flipped(large, sketch.ExactBitmap(large.sketch), key),
        }
        for _ in range(given.rounds):
            for name, work in works.items():
                found[name].append(seconds(work))
    print(f"one core, {buyers:,} buyers with a key, medians of {given.rounds} rounds, seconds")
    for name, took in found.items():
        limit = f"  limit {LIMITS[name]:g}" if name in LIMITS else ""
        print(f"{name:<34}{statistics.median(took):>8.3f}{limit}")


if __name__ == "__main__":
    main()
