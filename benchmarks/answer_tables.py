"""What the speed benchmark found, as plain tables with the ratios it is held to.

In: the figures of each size. Out: text, and growth exponents.
"""

from typing import Any, Final

import numpy as np
from answer_layouts import LAYOUTS

RATIOS: Final = (
    ("answer", "exact", dict.fromkeys(LAYOUTS, 1.05)),
    ("answer", "raw", dict(zip(LAYOUTS, (1.20, 1.20, 0.90), strict=True))),
    ("exact", "native", dict.fromkeys(LAYOUTS, 1.10)),
)
"""Measured over measured, and the most it should be on each layout at 10^8 rows."""


def layout_table(rows: int, layout: str, size: dict[str, Any]) -> str:
    """Lay out one layout's seconds, peaks and ratios."""
    held = size["layouts"][layout]
    lines = [
        f"\n{rows:,} rows, {layout}; {_made(size)}idle, it holds {size['start_mb']:,.0f} MB",
        f"  {'':<8}{'median s':>10}{'least':>10}{'most':>10}{'cores s':>10}{'peak MB':>10}",
    ]
    for what, each in held["seconds"].items():
        peak = held["peak_mb"].get(what)
        lines.append(
            f"  {what:<8}{held['median_s'][what]:>10.3f}{min(each):>10.3f}{max(each):>10.3f}"
            f"{held['cpu_s'][what]:>10.3f}{'' if peak is None else format(peak, ',.0f'):>10}"
        )
    for above, below, most in RATIOS:
        wall, cpu = (held[kind][above] / held[kind][below] for kind in ("median_s", "cpu_s"))
        lines.append(
            f"  {above + ' / ' + below:<18}{wall:>8.3f}; of cores {cpu:.3f}; "
            f"at 1e8 the first <= {most[layout]:.2f}"
        )
    return "\n".join(lines)


def peers_table(size: dict[str, Any]) -> str:
    """Lay out the peers' answers beside dpnotice's own."""
    answer = size["own"]["seconds"]
    lines = [
        f"\n{size['rows']:,} rows, {LAYOUTS[0]}, epsilon 1",
        f"  {'':<18}{'s':>9}{'times':>8}{'peak MB':>10}{'RMSE':>8}{'bias':>8}",
        _peer_line({"peer": "dpnotice", **size["own"]}, answer),
    ]
    for found in size["peers"]:
        if "failed" in found:
            lines.append(f"  {found['peer']:<18}{found['failed']}")
            continue
        lines.append(_peer_line(found, answer))
    return "\n".join(lines)


def _peer_line(found: dict[str, Any], answer: float) -> str:
    return (
        f"  {found['peer']:<18}{found['seconds']:>9.2f}{found['seconds'] / answer:>8.1f}"
        f"{found['peak_mb']:>10,.0f}{found['rmse']:>8.3f}{found['bias']:>8.3f}   {found['notes']}"
    )


def growth(sizes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Fit each time and peak as a power of the rows, over all sizes and over the last two."""
    found = []
    for layout in LAYOUTS:
        held = [
            (size["rows"], size["layouts"][layout]) for size in sizes if layout in size["layouts"]
        ]
        if len(held) < 2:
            continue
        rows = np.log([rows for rows, _figures in held])
        for kind in ("median_s", "peak_mb"):
            for what in held[0][1][kind]:
                values = np.log([figures[kind][what] for _rows, figures in held])
                found.append(
                    {
                        "layout": layout,
                        "of": f"{what}, {'seconds' if kind == 'median_s' else 'peak'}",
                        "all": float(np.polyfit(rows, values, 1)[0]),
                        "last_two": float(np.diff(values)[-1] / np.diff(rows)[-1]),
                    }
                )
    return found


def growth_table(found: list[dict[str, Any]]) -> str:
    if not found:
        return ""
    lines = [f"\nGrowth as a power of the rows{'all sizes':>29}{'last two':>10}"]
    lines += [
        f"  {each['layout']:<30}{each['of']:<18}{each['all']:>8.2f}{each['last_two']:>10.2f}"
        for each in found
    ]
    return "\n".join(lines)


def _made(size: dict[str, Any]) -> str:
    return "".join(f"{name} made in {seconds:.0f} s; " for name, seconds in size["made_s"].items())
