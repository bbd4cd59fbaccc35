"""What fitting counts costs, beside the transform and the normals that it cannot do without.

    python benchmarks/counts.py                           # ten seconds
    python benchmarks/counts.py --rounds 31 --sizes 51 18 8 11 11
    python benchmarks/counts.py --peers                   # Private-PGM too: three minutes more

Seven tables of one release: the total, three margins, two crosses of two axes, and every axis at
once, below the limit of 10^6 cells. Steps and their yardsticks are timed in turn in one process
after a round that warms; printed are medians, and medians over the rounds of the ratio of a step to
its yardstick in the same round: `dctn` is one `scipy.fft.dctn` of the largest table, `normals` are
as many from the same kind of generator as a draw needs. Targets of seconds are for one free core.

`--peers` asks Private-PGM (`mbi`) about the same noisy tables of sparse counts, in an environment
of its own that pip makes from `peers/mbi_counts.txt`, with the estimator that its documentation
recommends, at its default number of iterations and at more. Each release has fresh noise from the
operating system; the true counts are those of `--seed`. Errors are root mean squares over cells and
releases. Linux only.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import answer_peers as peers
import numpy as np
from answer_timing import interleaved
from scipy.fft import dctn

from dpnotice.analyst import intervals
from dpnotice.analyst.combine import estimate_class
from dpnotice.analyst.counts import RetailerCounts, fit_counts
from dpnotice.analyst.sampling import Sampling
from dpnotice.inquiry import Inquiry
from dpnotice.release import Release
from made.releases import Names, marginal, noisy_release, wen

AXES: Final = ("state", "age_sex", "channel", "product", "year")
LISTED: Final = ((), AXES[:1], AXES[1:2], AXES[2:3], (AXES[0], AXES[2]), AXES[:2])
"""Tables beside the one of every axis."""
SKEW: Final = 1.1
"""S.d. of the log shares of an axis: about 72 % of the peers' 30,240 cells are empty."""
SMALL: Final = 2
LEVEL: Final = 0.95
DUST: Final = 1e-9
MANY: Final = 20
"""Calls per round of a step that takes less than a millisecond or so."""


class Step(NamedTuple):
    """Something that is timed.

    Attributes:
        call: does it.
        target: most seconds, or most multiples of the yardstick; 0 without.
        yardstick: name of the step it is measured by; "" for the clock.
        calls: per round.
    """

    call: Callable[[], Any]
    target: float = 0.0
    yardstick: str = ""
    calls: int = 1


@dataclass(frozen=True, slots=True)
class Matter:
    """An inquiry, and the true counts over all of its axes."""

    asked: Inquiry
    full: Any

    @property
    def names(self) -> Names:
        return tuple(self.asked.axes)

    def release(self) -> Release:
        """Noise of the law and loss that the inquiry states, from the operating system."""
        scale = len(self.asked.tables) / float(self.asked.loss.value)
        return noisy_release(self.asked, self.full, scale=scale, rng=np.random.default_rng())


def matter(sizes: list[int], buyers: int, epsilon: str, seed: int) -> Matter:
    names = AXES[: len(sizes)]
    asked = wen(
        # The inquiry adds "unknown" to every axis.
        axes={n: [f"{n} {i}" for i in range(s - 1)] for n, s in zip(names, sizes, strict=True)},
        tables=[{"of": list(of)} for of in (*LISTED, names)],
        privacy={"epsilon": epsilon},
    )
    rng = np.random.default_rng(seed)
    shares = np.ones(())
    for size in sizes:
        shares = np.multiply.outer(shares, rng.lognormal(0, SKEW, size))
    return Matter(asked, rng.multinomial(buyers, shares.ravel() / shares.sum()).reshape(sizes))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[51, 18, 8, 11, 11])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--draws", type=int, default=10_000)
    parser.add_argument("--epsilon", default="1")
    parser.add_argument("--buyers", type=int, default=29_799)
    parser.add_argument("--seed", type=int, default=5, help="of the true counts")
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--peer-sizes", type=int, nargs="+", default=[54, 14, 8, 5])
    parser.add_argument("--releases", type=int, default=10, help="that the peer is asked about")
    parser.add_argument("--covered", type=int, default=1_000, help="releases for our intervals")
    parser.add_argument("--iterations", type=int, nargs="+", default=[1_000, 10_000])
    parser.add_argument("--environments", type=Path, default=Path("benchmark-environments"))
    given = parser.parse_args()
    for sizes in (given.sizes, given.peer_sizes):
        if not 4 <= len(sizes) <= len(AXES):
            parser.error(f"sizes must be of 4 or {len(AXES)} axes")
    return given


def steps(at: Matter, draws: int) -> Iterator[dict[str, Step]]:
    """Yield what is timed together: large transforms, many draws, single answers."""
    release, names = at.release(), at.names
    fit = fit_counts((release,))
    segments = names[:2]
    sampling = Sampling(axes=(), draws=1, seed=1)
    cells = release.tables[names].counts.astype(np.float64)
    query = np.random.default_rng(1).standard_normal(cells.shape)
    normals, shape = sampling.stream("normals"), fit.design.shape(segments)
    yield {
        "dctn": Step(lambda: dctn(cells, norm="ortho")),
        "fit": Step(lambda: fit_counts((release,)), 4, "dctn"),
        "fit and all its cells": Step(lambda: fit_counts((release,)).marginal(names), 4, "dctn"),
        "variance, dense query": Step(lambda: fit.design.variance(names, query), 2, "dctn"),
        "law of a dense query": Step(lambda: fit.design.error(names, query), 0, "dctn"),
        "one draw of all cells": Step(lambda: fit.draws(names, 1, sampling.stream), 0.05),
    }
    yield {
        "normals": Step(lambda: normals.standard_normal((draws, *shape))),
        f"{draws:,} draws x {np.prod(shape):,}": Step(
            lambda: fit.draws(segments, draws, sampling.stream), 2, "normals"
        ),
    }
    yield answers(release, fit)


def answers(release: Release, fit: RetailerCounts) -> dict[str, Step]:
    sized = estimate_class([release])
    few = {name: np.eye(1, len(fit.axes[name]))[0] for name in AXES[1:3]}
    error = fit.design.cell_error(AXES[:2])
    level = release.inquiry.axes[AXES[0]].levels[0]

    def afresh(call: Callable[[], Any]) -> Callable[[], Any]:
        def cleared() -> Any:
            intervals._inverted.cache_clear()  # noqa: SLF001 -- what is timed is its absence
            return call()

        return cleared

    def quantile() -> float:
        return error.half_width(LEVEL)

    def by() -> Any:
        return sized.by(*AXES[:2])

    def share() -> Any:
        return sized.share(**{AXES[0]: level})

    return {
        "law of a product query": Step(
            lambda: fit.design.errors(few)[0].variance, 1e-4, calls=MANY
        ),
        "Laplace quantile": Step(afresh(quantile), 0.05),
        "  its law cached": Step(quantile, calls=MANY),
        f"by() of {np.prod(fit.design.shape(AXES[:2])):,} cells": Step(afresh(by)),
        "  by(), law cached": Step(by),
        "share()": Step(afresh(share)),
        "  share(), law cached": Step(share),
    }


def show(timed: dict[str, Step], rounds: int) -> None:
    """Time one group in turn; print a row per step."""

    def repeated(step: Step) -> Callable[[], Any]:
        return lambda: [step.call() for _ in range(step.calls)]

    found = interleaved({name: repeated(step) for name, step in timed.items()}, rounds)
    for name, step in timed.items():
        seconds = [wall / step.calls for wall in found[name].wall]
        measured, ratio = median(seconds), ""
        if step.yardstick:
            base = found[step.yardstick].wall
            measured = median(s / b for s, b in zip(seconds, base, strict=True))
            ratio = f"{measured:.2f} {step.yardstick}"
        target = f"{step.target:g} {step.yardstick or 's'}" if step.target else ""
        verdict = ("met" if measured <= step.target else "missed") if step.target else ""
        cores = median(found[name].cpu) / step.calls
        row = f"{name:<26}{median(seconds):>11.6f}{cores:>11.6f}{ratio:>15}{target:>13}  {verdict}"
        print(row.rstrip(), flush=True)


class Asked(NamedTuple):
    """One tool's estimates of all cells, a release each, and what it says of itself."""

    cells: list[Any]
    seconds: str
    said: str


def ours(releases: list[Release], names: Names) -> Asked:
    def fitted(release: Release) -> Any:
        return fit_counts((release,)).marginal(names)

    timed = {str(i): lambda r=r: fitted(r) for i, r in enumerate(releases)}
    took = median(s for clocked in interleaved(timed, 1).values() for s in clocked.wall)
    return Asked([fitted(r) for r in releases], f"{took:.4f}", "an interval for every figure")


def peer(at: Matter, releases: list[Release], given: argparse.Namespace) -> Iterator[Asked]:
    """Yield Private-PGM's answers, one per number of iterations."""
    peers.PEERS["Private-PGM"] = "mbi_counts"  # joins the peers that have other questions
    terms = peers.Terms(
        environments=given.environments.resolve(),
        python=sys.executable,
        seconds=3_600.0,
        gigabytes=12.0,
    )
    with tempfile.TemporaryDirectory() as made:
        question, noisy, answer = (
            Path(made, n) for n in ("question.json", "noisy.npz", "cells.npy")
        )
        tables = list(at.asked.tables)
        counts = {
            f"{r}/{t}": release.tables[of].counts
            for r, release in enumerate(releases)
            for t, of in enumerate(tables)
        }
        np.savez(noisy, **counts)
        content = {
            "axes": dict(zip(at.names, at.full.shape, strict=True)),
            "tables": tables,
            "sds": [releases[0].tables[of].noise.sd for of in tables],
            "releases": len(releases),
            "noisy": str(noisy),
            "cells": str(answer),
        }
        for iterations in given.iterations:
            question.write_text(json.dumps(content | {"iterations": iterations}), "utf-8")
            said = peers.run("Private-PGM", question, terms)
            if "failed" in said:
                print(f"Private-PGM: {said['failed']}")
                return
            took = f"{said['seconds']:.4f} ({said['first']:.1f} with compiling)"
            yield Asked(list(np.load(answer)), took, f"{said['notes']}; {said['looked']}")


def errors(at: Matter, cells: list[Any]) -> dict[str, float]:
    """Return RMSE by listed marginal, and RMSE and bias of small and of the largest cells."""
    off = np.stack(cells) - at.full
    found = {}
    for of in at.asked.tables:
        away = tuple(1 + i for i, name in enumerate(at.names) if name not in of)
        # The table of every axis says how well single cells are known.
        found[" x ".join(of) or "total"] = float(np.sqrt((off.sum(axis=away) ** 2).mean()))
    parts = {
        f"cells of 0 to {SMALL}": at.full <= SMALL,
        "largest 1 % of cells": at.full >= np.quantile(at.full, 0.99),
    }
    for part, where in parts.items():
        found[f"{part}, RMSE"] = float(np.sqrt((off[:, where] ** 2).mean()))
        found[f"{part}, bias"] = float(off[:, where].mean())
    unlisted = tuple(1 + i for i, name in enumerate(at.names) if name not in AXES[1:3])
    found[f"{AXES[1]} x {AXES[2]}, no table"] = float(np.sqrt((off.sum(axis=unlisted) ** 2).mean()))
    return found


def coverage(at: Matter, number: int) -> Iterator[str]:
    """Yield how often our intervals hold the truth over so many new releases, by listed table."""
    held: dict[Names, list[float]] = {of: [] for of in at.asked.tables}
    truth = {of: marginal(at.asked, at.full, of) for of in held}
    half = {}
    for _ in range(number):
        fit = fit_counts((at.release(),))
        half = half or {of: fit.design.cell_error(of).half_width(LEVEL) for of in held}
        for of, shares in held.items():
            shares.append(np.mean(np.abs(fit.marginal(of) - truth[of]) <= half[of] + DUST))
    for of, shares in held.items():
        yield f"{' x '.join(of) or 'total'} {np.mean(shares):.3f} (+-{half[of]:.1f})"


def compare(given: argparse.Namespace) -> None:
    at = matter(given.peer_sizes, given.buyers, given.epsilon, given.seed)
    releases = [at.release() for _ in range(given.releases)]
    noise = next(iter(releases[0].tables.values())).noise
    print(
        f"\n{at.full.size:,} cells, {np.mean(at.full == 0):.0%} of them empty, {given.buyers:,} "
        f"buyers; {len(at.asked.tables)} tables, noise s.d. {noise.sd:.2f}; "
        f"{given.releases} releases"
    )
    asked = {"dpnotice": ours(releases, at.names)}
    for iterations, told in zip(given.iterations, peer(at, releases, given), strict=False):
        asked[f"mbi, {iterations:,}"] = told
    found = {tool: errors(at, told.cells) for tool, told in asked.items()}
    print(f"{'error':<40}" + "".join(f"{tool:>14}" for tool in asked))
    for what in found["dpnotice"]:
        print(f"{what:<40}" + "".join(f"{found[tool][what]:>14.3f}" for tool in asked))
    least = "".join(f"{min(c.min() for c in told.cells):>14.3f}" for told in asked.values())
    print(f"{'least estimate of a cell':<40}{least}")
    for tool, told in asked.items():
        print(f"{tool}: {told.seconds} s per release; {told.said}")
    print(
        f"dpnotice, share of {LEVEL:.0%} intervals that hold the truth in {given.covered:,} new "
        "releases, before ends are rounded, and half-widths:"
    )
    print("  " + "\n  ".join(coverage(at, given.covered)))


def main() -> None:
    given = arguments()
    at = matter(given.sizes, given.buyers, given.epsilon, given.seed)
    released = sum(at.asked.cells(of) for of in at.asked.tables)
    load = os.getloadavg()[0]
    print(
        f"{os.cpu_count()} cores, load {load:.1f}; {len(at.asked.tables)} tables, {released:,} "
        f"cells; medians of {given.rounds} rounds in turn"
    )
    print(f"{'step':<26}{'seconds':>11}{'of cores':>11}{'ratio':>15}{'target':>13}")
    for timed in steps(at, given.draws):
        show(timed, given.rounds)
    if given.peers:
        compare(given)


if __name__ == "__main__":
    main()
