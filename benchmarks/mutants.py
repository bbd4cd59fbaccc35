"""A million spoilt release files end in a release or a `ReleaseError`, soon and in little memory.

`python benchmarks/mutants.py [--files 1000000] [--seed 0]`; two processes. Also flips every bit of
twenty files, and reads the files that were made to cost most.
"""

import argparse
import random
import resource
import secrets
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from dpnotice.errors import ReleaseError
from dpnotice.release import Release
from made.heavy import readings
from made.mutants import MUTATORS, good_files

SECONDS, MEBIBYTES = 1.0, 512
BATCH = 5_000
SHARE_OF_THE_LARGE = 0.0002


def outcome(data: bytes) -> tuple[str, float]:
    """Read one file; anything but the same bytes back, or a refusal with a code, is named."""
    began = time.perf_counter()
    try:
        code = "release" if Release.from_bytes(data).to_bytes() == data else "OTHER BYTES"
    except ReleaseError as refusal:
        code = refusal.code if refusal.code and str(refusal).isprintable() else "NO CODE"
    except BaseException as escaped:  # noqa: BLE001 -- what must never happen is counted
        code = f"ESCAPED {type(escaped).__name__}"
    return code, time.perf_counter() - began


def batch(seed: int) -> tuple[Counter[tuple[str, str]], float, float]:
    """Read a batch of mutants; return what they ended in, the slowest and the peak of memory."""
    rng, files = random.Random(seed), good_files()  # noqa: S311 -- the same files again
    ends: Counter[tuple[str, str]] = Counter()
    slowest = 0.0
    for _ in range(BATCH):
        large = rng.random() < SHARE_OF_THE_LARGE
        name = rng.choice(list(MUTATORS))
        code, seconds = outcome(MUTATORS[name](files[-1] if large else rng.choice(files[:-1]), rng))
        ends[name, code] += 1
        slowest = max(slowest, seconds)
    return ends, slowest, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def flips(number: int) -> tuple[int, int]:
    """Flip every bit of one file (of the large one every 997th); return how many, how many read."""
    data = good_files()[number]
    step = 1 if len(data) < 10**5 else 997
    read = tried = 0
    for place in range(0, len(data), step):
        for bit in range(8):
            flipped = data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :]
            tried, read = tried + 1, read + (outcome(flipped)[0] == "release")
    return tried, read


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=lambda text: int(float(text)), default=10**6)
    parser.add_argument("--seed", type=int, default=None)
    asked = parser.parse_args()
    seed = secrets.randbits(32) if asked.seed is None else asked.seed
    ends: Counter[tuple[str, str]] = Counter()
    slowest = peak = 0.0
    began = time.perf_counter()
    with ProcessPoolExecutor(2) as pool:
        for some, slow, memory in pool.map(batch, range(seed, seed + -(-asked.files // BATCH))):
            ends += some
            slowest, peak = max(slowest, slow), max(peak, memory)
        tried, read = map(sum, zip(*pool.map(flips, range(20)), strict=True))
    codes = sorted({code for _, code in ends})
    print(f"{sum(ends.values()):,} mutants, seed {seed}, {time.perf_counter() - began:.0f} s\n")
    print(f"{'ended in':14}" + "".join(f"{name:>30}" for name in MUTATORS))
    for code in codes:
        print(f"{code:14}" + "".join(f"{ends[name, code]:>30,}" for name in MUTATORS))
    wrong = sum(
        n
        for (_, code), n in ends.items()
        if not (code == "release" or code.isupper()) or " " in code
    )
    print(f"\nnot a release and not a ReleaseError with a code: {wrong}")
    print(f"slowest {slowest:.3f} s (limit {SECONDS} s), peak {peak:.0f} MiB (limit {MEBIBYTES})")
    for name, size, code, seconds, memory in readings():
        print(f"{name:36}{size / 2**20:6.1f} MiB  {code:10}{seconds:6.2f} s{memory:6} MiB")
        slowest, peak = max(slowest, seconds), max(peak, memory)
    print(f"bits flipped in twenty files: {tried:,}, read all the same: {read}")
    sys.exit(bool(wrong or read or slowest > SECONDS or peak > MEBIBYTES))


if __name__ == "__main__":
    main()
