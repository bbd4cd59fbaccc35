"""Whether a kill, a power cut, a full disk or a damaged file ever costs privacy: the campaign.

    python benchmarks/crashes.py --kills 1000 --repeats 100 --processes 8 --corruptions 10000 \
        --reruns 1000

In: how often a process is killed at every named point, alone and among others on one ledger; how
many kills fall at random times; how many damaged ledgers are opened; how often one request is
asked again. `--only` takes some of the parts. Out: a table of episodes, kills and violations with
the upper bound on the rate of violations (exact binomial, 95%, one-sided), a table of the points,
one of what damage led to, and one of the planted faults with how often each was seen. Ends with
code 1 on a violation, or on a fault that was not seen every time; the folders of episodes with a
violation are kept. Uses two cores at most. Power cuts need `strace`.
"""

import argparse
import os
import secrets
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random, SystemRandom

from scipy import stats

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from made.crash_damage import KINDS, UNSEEN, intact, outcome
from made.crash_disk import cuts, examined, recorded
from made.crash_lab import MIX, RANDOM, Episode, Seen
from made.crash_points import LARGE, POINTS, SEEN_BY
from made.crash_room import MODES, MOMENTS
from made.crashes import played, side_by_side

CORES = 2
CONFIDENCE = 0.95
RERUN_PROCESSES = 16
SIZES = range(0, 26_000, 250)
WHOLE = 9
"""One in this many episodes of several processes has the engine count in each of them."""
PARTS = 40
"""Random parts of what was not synced, per step of the recorded answer."""
FAULTS = [*SEEN_BY, ("cap not checked with the debit", "", "overspent")]
FAULT_TRIALS = 20


@dataclass
class Row:
    """One line of the table."""

    what: str
    episodes: int = 0
    kills: int = 0
    violations: Counter[str] = field(default_factory=Counter)
    spoilt: int = 0
    """Episodes with at least one violation."""

    def add(self, violations: list[str], kills: int = 0) -> None:
        self.episodes += 1
        self.kills += kills
        self.spoilt += bool(violations)
        self.violations.update(violations)

    def bound(self) -> float:
        if self.spoilt == self.episodes:
            return 1.0
        return float(stats.beta.ppf(CONFIDENCE, self.spoilt + 1, self.episodes - self.spoilt))

    def told(self, seconds: float) -> None:
        share = f"{self.bound():.3%}" if self.episodes else "-"
        print(
            f"{self.what:<44}{self.episodes:>9,}{self.kills:>8,}{self.spoilt:>12,}{share:>11}"
            f"{seconds:>7,.0f}",
            flush=True,
        )
        for name, number in self.violations.items():
            print(f"    {name}: {number}")


Results = list[tuple[Episode, Seen]]


# --- parts of the campaign -----------------------------------------------------------------
def crew(processes: int) -> tuple[int, ...]:
    """Equal and different requests, in the proportions of eight processes."""
    return tuple(MIX[i % len(MIX)] + 5 * (i // len(MIX)) for i in range(processes))


def points_alone(asked: argparse.Namespace) -> list[Episode]:
    return [Episode(point=at, whole=True) for at in POINTS for _ in range(asked.repeats)]


def points_together(asked: argparse.Namespace) -> list[Episode]:
    numbers = crew(asked.processes)
    return [
        Episode(what="together", point=at, numbers=numbers, whole=i % WHOLE == 0)
        for at in POINTS
        for i in range(asked.repeats)
    ]


def random_alone(asked: argparse.Namespace) -> list[Episode]:
    return [Episode(point=RANDOM, whole=i % 4 < CORES) for i in range(asked.kills)]


def random_together(asked: argparse.Namespace) -> list[Episode]:
    """About half of the processes are killed."""
    numbers = crew(asked.processes)
    return [
        Episode(what="together", point=RANDOM, numbers=numbers, whole=i % WHOLE == 0)
        for i in range(2 * asked.kills // asked.processes)
    ]


def wakers_and_races(asked: argparse.Namespace) -> list[Episode]:
    several = tuple(range(asked.processes))
    kinds = [
        Episode(what="late"),
        Episode(what="late", amount=1),
        Episode(what="race", numbers=(0, 1), cap="1"),
        Episode(what="race", numbers=several),
        Episode(what="race", numbers=(0,) * asked.processes),
    ]
    return [kind for kind in kinds for _ in range(asked.repeats)]


def reruns(asked: argparse.Namespace) -> list[Episode]:
    return [Episode(what="rerun", numbers=(0,) * RERUN_PROCESSES, amount=asked.reruns)]


def room_and_rights(asked: argparse.Namespace) -> list[Episode]:
    full = [
        Episode(what="full", point=moment, amount=size, numbers=(LARGE,))
        for moment in MOMENTS
        for size in SIZES
    ]
    return full + [
        Episode(what="forbidden", point=at) for at in MODES for _ in range(asked.repeats)
    ]


PLAYED = {
    "points": ("killed at every point, alone", points_alone),
    "crowds": ("killed at every point, among others", points_together),
    "random": ("killed at random, alone", random_alone),
    "random-crowds": ("killed at random, among others", random_together),
    "races": ("late wakers and races", wakers_and_races),
    "reruns": ("one request again and again, 16 processes", reruns),
    "room": ("files that may not grow or be written", room_and_rights),
}
PARTS_OF_ALL = (*PLAYED, "power", "damage", "faults")


def power(folder: Path) -> Row:
    row = Row("power cut, disk rebuilt")
    steps = recorded(folder / "record")
    for number, cut in enumerate(cuts(steps, PARTS, SystemRandom())):
        row.add(examined(cut, folder / f"{number}"))
    return row


def damage(asked: argparse.Namespace, folder: Path) -> tuple[Row, dict[str, Counter[str]]]:
    seed = secrets.randbits(64)
    print(f"seed of the damage: {seed}", file=sys.stderr)
    random = Random(seed)  # noqa: S311 -- for damage, not for noise
    row, by_kind = Row("damaged ledger opened"), {kind: Counter[str]() for kind in KINDS}
    (folder / "intact").mkdir(parents=True)
    whole = intact(folder / "intact")
    for number in range(asked.corruptions):
        kind = KINDS[number % len(KINDS)]
        found = outcome(whole, kind, folder / "x", random)
        by_kind[kind][found] += 1
        row.add([found] if found.startswith(UNSEEN) else [])
    return row, by_kind


# --- tables --------------------------------------------------------------------------------
def told_points(alone: Results, together: Results) -> None:
    print(f"\n{'point':<20}{'alone':>8}{'killed':>8}{'among':>8}{'killed':>8}{'violations':>12}")
    for point in POINTS:
        mine = [[seen for at, seen in found if at.point == point] for found in (alone, together)]
        sizes = [f"{len(each):>8,}{sum(seen.killed for seen in each):>8,}" for each in mine]
        bad = sum(bool(seen.broken) for each in mine for seen in each)
        print(f"{point:<20}{''.join(sizes)}{bad:>12,}")


def told_damage(by_kind: dict[str, Counter[str]]) -> None:
    print(f"\n{'damage':<28}{'ledgers':>8}{'refused':>9}{'unchanged':>11}{'unseen':>8}  codes")
    for kind, found in by_kind.items():
        unseen = sum(n for name, n in found.items() if name.startswith(UNSEEN))
        codes = {name: n for name, n in found.items() if name.startswith("LEDGER")}
        print(
            f"{kind:<28}{found.total():>8,}{sum(codes.values()):>9,}{found['unchanged']:>11,}"
            f"{unseen:>8,}  {codes}"
        )


def told_faults(folder: Path) -> bool:
    """Print how often each planted fault is seen, at the point that must show it."""
    races = {"overspent": ("race", tuple(range(8)))}
    planted = [
        Episode(fault=fault, point=at, what=what, numbers=numbers)
        for fault, at, seen_by in FAULTS
        for what, numbers in [races.get(seen_by, ("alone", (0,)))]
        for _ in range(FAULT_TRIALS)
    ]
    found = list(played(planted, folder))
    print(f"\n{'planted fault':<34}{'point':<20}{'seen by':<36}{'seen':>8}")
    complete = True
    for number, (fault, at, seen_by) in enumerate(FAULTS):
        mine = found[number * FAULT_TRIALS : (number + 1) * FAULT_TRIALS]
        seen = sum(seen_by in each.broken for each in mine)
        complete &= seen == FAULT_TRIALS
        print(f"{fault:<34}{at or '-':<20}{seen_by:<36}{seen:>4} of {FAULT_TRIALS}", flush=True)
    return complete


def timed(row: Callable[[], Row]) -> bool:
    began = time.perf_counter()
    made = row()
    made.told(time.perf_counter() - began)
    return not made.spoilt


def episodes_of(
    name: str, asked: argparse.Namespace, folder: Path, kept: dict[str, Results]
) -> Row:
    """Play one part; random kills are repeated until as many as asked have met a process."""
    title, made = PLAYED[name]
    row, kept[name] = Row(title), []
    while not row.episodes or (name == "random" and row.kills < asked.kills):
        left = argparse.Namespace(**(vars(asked) | {"kills": max(CORES, asked.kills - row.kills)}))
        found = side_by_side(made(left), folder / f"{name}-{row.episodes}")
        for episode, seen in found:
            row.add(seen.broken, seen.killed)
            if seen.broken:
                print(f"{folder}: {episode}: {seen}", file=sys.stderr)
        kept[name] += found
    return row


def campaign(asked: argparse.Namespace, folder: Path) -> bool:
    kept: dict[str, Results] = {}
    damaged: list[dict[str, Counter[str]]] = []

    def damage_row() -> Row:
        row, by_kind = damage(asked, folder / "damage")
        damaged.append(by_kind)
        return row

    print(f"{'what':<44}{'episodes':>9}{'kills':>8}{'violations':>12}{'at most':>11}{'s':>7}")
    sound = True
    for name in (name for name in PLAYED if name in asked.only):
        sound &= timed(lambda name=name: episodes_of(name, asked, folder, kept))
    if "power" in asked.only:
        sound &= timed(lambda: power(folder / "power"))
    if "damage" in asked.only:
        sound &= timed(damage_row)
    if kept.get("points") or kept.get("crowds"):
        told_points(kept.get("points", []), kept.get("crowds", []))
    for by_kind in damaged:
        told_damage(by_kind)
    if "faults" in asked.only:
        sound &= told_faults(folder / "faults")
    return sound


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--kills", type=int, default=1_000, help="at random times that meet a process, alone"
    )
    parser.add_argument("--repeats", type=int, default=100, help="per named point")
    parser.add_argument("--processes", type=int, default=8, help="on one ledger")
    parser.add_argument("--corruptions", type=int, default=10_000)
    parser.add_argument("--reruns", type=int, default=1_000)
    parser.add_argument("--only", nargs="+", choices=PARTS_OF_ALL, default=PARTS_OF_ALL)
    return parser.parse_args()


def main() -> int:
    """Print the tables."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    folder = Path(tempfile.mkdtemp(prefix="crashes-"))
    folder.chmod(0o755)
    return 0 if campaign(parsed(), folder) else 1


if __name__ == "__main__":
    raise SystemExit(main())
