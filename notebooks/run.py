"""Run every notebook from top to bottom and compare its numbers with the recorded ones.

In: the percent files beside this script. Out: executed notebooks, `NAME.ipynb` with `--write` (and
then the numbers are recorded anew), `NAME.run.ipynb` without. A difference, or an error, is fatal.
"""

import json
import math
import sys
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).parent
RECORDED = HERE / "numbers.json"
TOLERANCE = 1e-6


def executed(source: Path) -> nbformat.NotebookNode:
    """Return the notebook of a percent file with its outputs."""
    notebook = jupytext.read(source)
    NotebookClient(notebook, timeout=600, kernel_name="python3").execute(cwd=str(HERE))
    return notebook


def numbers(notebook: nbformat.NotebookNode) -> dict[str, Any]:
    """Return what the cell tagged `numbers` printed, or nothing."""
    for cell in notebook.cells:
        if "numbers" in cell.metadata.get("tags", []):
            found: dict[str, Any] = json.loads(cell.outputs[0]["text"])
            return found
    return {}


def flat(content: object) -> list[float]:
    """Return the numbers of nested lists and dictionaries, in order."""
    if isinstance(content, dict):
        content = [content[key] for key in sorted(content)]
    if isinstance(content, list):
        return [number for item in content for number in flat(item)]
    return [float(content)]  # type: ignore[arg-type]  # a number, by the notebook's own cell


def main() -> None:
    """Run all notebooks."""
    write = "--write" in sys.argv
    recorded = json.loads(RECORDED.read_text("utf-8")) if RECORDED.exists() else {}
    for source in sorted(HERE.glob("[0-9]*.py")):
        print(source.name, flush=True)
        notebook = executed(source)
        found = numbers(notebook)
        if write:
            recorded[source.stem] = found
        elif not all(
            math.isclose(a, b, rel_tol=TOLERANCE)
            for a, b in zip(flat(found), flat(recorded[source.stem]), strict=True)
        ):
            sys.exit(f"{source.name}: {found} differs from the recorded {recorded[source.stem]}")
        nbformat.write(notebook, source.with_suffix(".ipynb" if write else ".run.ipynb"))
    if write:
        RECORDED.write_text(json.dumps(recorded, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
