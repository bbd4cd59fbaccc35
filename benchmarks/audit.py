"""The long audit: noise of each law and scale against the published law, and epsilon from releases.

In: `--draws` per law and scale and `--trials` per epsilon (10,000,000 each without), `--scales`,
`--epsilons`. Out: a table of the laws (p-values of chi-square and of the score of the scale, and
whether a scale off by 1 % either way is rejected), and one of epsilon (a lower bound from released
files, beside the one expected of noise that costs exactly epsilon). Ends with code 1 where a test
raises an alarm, a wrong scale passes, or a bound exceeds epsilon; all alarms of a run share 1e-6.
Noise is fresh. Needs 600 MB, whatever the numbers; on one core about 10 s per million draws, 15 s
per million trials of one table and 45 s of two.

    python benchmarks/audit.py --draws 1e7 --scales 0.5 2 7 40
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from dpnotice.privacy import Noise, NoiseLaw
from made.audited import grid, noise_drawn, privacy_of_scale, trial
from made.auditing import (
    chi_square,
    epsilon_bound,
    root_mean_square,
    score_test,
    typical_epsilon_bound,
)

FALSE_ALARM = 1e-6
COLUMNS = 1000


def verdict(drawn: Counter[int], noise: Noise, alarm: float, factor: float) -> bool:
    """Whether either test rejects a scale of `factor` times the true one."""
    other = Noise(law=noise.law, scale=factor * noise.scale)
    return min(chi_square(drawn, other), score_test(drawn, other)) < alarm


def law(name: str, scale: float, draws: int, alarm: float) -> bool:
    """Print one row of the first table; return whether all is as it should be."""
    began = time.perf_counter()
    drawn, noise = noise_drawn(privacy_of_scale(name, scale), draws)
    seconds = time.perf_counter() - began
    both = chi_square(drawn, noise), score_test(drawn, noise)
    wrong = [verdict(drawn, noise, alarm, factor) for factor in (1.01, 0.99)]
    error = root_mean_square(drawn) / noise.sd - 1
    told = "".join(f"{'yes' if rejected else 'NO':>10}" for rejected in wrong)
    print(
        f"{name:<19}{scale:>9g}{drawn.total():>12,}{both[0]:>10.2g}{both[1]:>10.2g}{told}"
        f"{error:>+10.2%}{seconds:>9.0f}",
        flush=True,
    )
    return min(both) > alarm and all(wrong)


def counted(epsilon: str, trials: int, tables: int) -> tuple[dict[str, tuple[int, int]], int]:
    """Answer as often as it takes, each in a folder of its own, removed afterwards."""
    most = 10**6 // (COLUMNS * tables**2)
    events: dict[str, tuple[int, int]] = {}
    done = 0
    while done < trials:
        rows = max(2, min(most, -(-(trials - done) // (COLUMNS * tables))))
        asked = grid({"epsilon": epsilon, "noise": "discrete-laplace"}, rows, COLUMNS, tables)
        with tempfile.TemporaryDirectory() as folder:
            found, number = trial(asked, Path(folder))
        for event, (full, none) in found.items():
            before = events.get(event, (0, 0))
            events[event] = (before[0] + full, before[1] + none)
        done += number
    return events, done


def loss(epsilon: str, trials: int, tables: int, alarm: float) -> bool:
    """Print one row of the second table; return whether the bound is no more than epsilon."""
    began = time.perf_counter()
    events, done = counted(epsilon, trials, tables)
    bound = epsilon_bound(events, done, alarm)
    expected = typical_epsilon_bound(float(epsilon), tables, done, alarm)
    print(
        f"{epsilon:>7}{tables:>8}{done:>14,}{bound:>13.4f}{expected:>10.4f}"
        f"{'yes' if bound <= float(epsilon) else 'NO':>12}{time.perf_counter() - began:>9.0f}",
        flush=True,
    )
    return bound <= float(epsilon)


def main() -> int:
    """Print both tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--draws", type=float, default=1e7)
    parser.add_argument("--trials", type=float, default=1e7)
    parser.add_argument("--scales", type=float, nargs="*", default=[0.5, 2.0, 7.0, 40.0])
    parser.add_argument("--epsilons", nargs="*", default=["1", "0.5", "0.1"])
    given = parser.parse_args()
    samples = [(str(name), scale) for name in NoiseLaw for scale in given.scales]
    losses = [(epsilon, tables) for epsilon in given.epsilons for tables in (1, 2)]
    alarm = FALSE_ALARM / max(2 * len(samples) + len(losses), 1)
    print(f"false alarm per test {alarm:.1e}, {FALSE_ALARM:.0e} in all\n")
    print(
        f"{'law':<19}{'scale':>9}{'draws':>12}{'chi-sq. p':>10}{'score p':>10}"
        f"{'not +1 %':>10}{'not -1 %':>10}{'RMSE':>10}{'seconds':>9}"
    )
    sound = [law(name, scale, int(given.draws), alarm) for name, scale in samples]
    print(
        f"\n{'epsilon':>7}{'tables':>8}{'trials':>14}{'lower bound':>13}{'expected':>10}"
        f"{'<= epsilon':>12}{'seconds':>9}"
    )
    sound += [loss(epsilon, int(given.trials), tables, alarm) for epsilon, tables in losses]
    return 0 if all(sound) else 1


if __name__ == "__main__":
    raise SystemExit(main())
