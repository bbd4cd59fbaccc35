"""Other tools, each in its own environment, asked the same question about the same files.

In: the files and their exact counts. Out: a row per peer: seconds, peak, error per cell, or why
there is none. A peer's requirements are pinned beside its script in `peers/`.
"""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import answer_queries as queries
from answer_data import AXES, COLUMNS, IN_SCOPE, PERIOD, Sales, connection
from answer_layouts import LAYOUTS, Cells, settled, source
from answer_timing import Watched, watched

PEERS: Final = {
    "OpenDP Polars": "opendp_polars",
    "Tumult Analytics": "tumult_analytics",
    "SmartNoise SQL": "smartnoise_sql",
    "PipelineDP": "pipelinedp_local",
}
_SCRIPTS: Final = Path(__file__).parent / "peers"
_SHOWN: Final = 160


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What every peer gets.

    Attributes:
        environments: folder of their environments, made where they are missing.
        python: interpreter that makes them; pandas 1.5 of one peer has no wheel after 3.11.
        seconds: time for one run, start of its engine included.
        gigabytes: memory for one run.
    """

    environments: Path
    python: str
    seconds: float
    gigabytes: float


def asked(sales: Sales, exact: Cells) -> Path:
    """Write the question, and the rows in scope for tools that cannot filter."""
    filtered = sales.folder / "in-scope.parquet"
    with connection(sales.folder) as con:
        for statement in queries.levels():
            con.execute(statement)
        rows = queries.public_rows(source(LAYOUTS[0], sales))
        con.execute(f"COPY ({rows}) TO '{filtered}' (FORMAT parquet)")
    question = {
        "parts": sales.parts,
        "filtered": str(filtered),
        "levels": {COLUMNS[axis]: [*texts, "unknown"] for axis, texts in AXES.items()},
        "products": IN_SCOPE,
        "period": PERIOD,
        "date": sales.date,
        "exact": exact.tolist(),
        "compared": settled().tolist(),
    }
    written = sales.folder / "question.json"
    written.write_text(json.dumps(question), encoding="utf-8")
    return written


def run(peer: str, question: Path, terms: Terms) -> dict[str, Any]:
    """Ask one peer once; whatever goes wrong is its answer."""
    name = PEERS[peer]
    try:
        python = _environment(name, terms)
    except (subprocess.CalledProcessError, OSError) as refusal:
        said = getattr(refusal, "stderr", None) or str(refusal)
        return {"peer": peer, "failed": f"cannot be installed: {_last_line(said)}"}
    done = watched(
        [str(python), str(_SCRIPTS / f"{name}.py"), str(question)],
        environ={key: text for key, text in os.environ.items() if key != "PYTHONPATH"},
        seconds=terms.seconds,
        megabytes=terms.gigabytes * 1e3,
    )
    return {"peer": peer, "peak_mb": done.peak_mb, **_answer(done)}


def _answer(done: Watched) -> dict[str, Any]:
    if done.stopped:
        return {"failed": done.stopped}
    lines = [line[line.index("{") :] for line in done.output.splitlines() if '{"seconds"' in line]
    if done.code or not lines:
        return {"failed": f"exit {done.code}: {_last_line(done.errors)}"}
    return dict(json.loads(lines[-1]))


def _environment(name: str, terms: Terms) -> Path:
    """Return the peer's interpreter; make its environment unless it has these pins."""
    wanted = (_SCRIPTS / f"{name}.txt").read_text("utf-8")
    folder = terms.environments / name
    python, kept = folder / "bin" / "python", folder / "installed.txt"
    if kept.is_file() and kept.read_text("utf-8") == wanted:
        return python
    print(f"installing {name} into {folder}", flush=True)
    _checked(terms.python, "-m", "venv", "--clear", str(folder))
    _checked(str(python), "-m", "pip", "install", "-q", "-r", str(_SCRIPTS / f"{name}.txt"))
    kept.write_text(wanted, encoding="utf-8")
    return python


def _checked(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:_SHOWN] if lines else "it said nothing"
