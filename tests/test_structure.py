"""The tree keeps its shape: short modules and functions, mirrored tests, no seed at a retailer."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "dpnotice"
TESTS = ROOT / "tests"

MODULE_LINES = 400
FUNCTION_LINES = 40
VAGUE_NAMES = {"utils", "helpers", "common", "manager"}
UNMIRRORED_FOLDERS = {"boundary", "engines", "made", "vectors", "simulation", "audit", "typing"}
UNMIRRORED_TESTS = {"test_structure", "test_public_names", "test_readme"}
RANDOM_MODULES = ("numpy.random", "random")
SEED_PARAMETERS = {"seed", "rng", "random_state"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def modules(folder: Path = PACKAGE) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def retailers_trees() -> dict[str, ast.Module]:
    return {str(path): ast.parse(path.read_text("utf-8")) for path in modules(PACKAGE / "retailer")}


def functions(path: Path) -> Iterator[Function]:
    nodes = ast.walk(ast.parse(path.read_text("utf-8")))
    return (node for node in nodes if isinstance(node, Function))


def lines_without_docstring(function: Function) -> int:
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    docstring = ast.get_docstring(function, clean=False)
    return lines - (docstring.count("\n") + 1 if docstring else 0)


def dotted_name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted_name(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def random_sources(tree: ast.AST) -> set[str]:
    """Imports and attribute paths that lead to a pseudo-random generator."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found |= {node.module or ""} | {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Attribute):
            name = dotted_name(node)
            found.add("numpy" + name[2:] if name.startswith("np.") else name)
    return {name for name in found if f"{name}.".startswith(tuple(f"{m}." for m in RANDOM_MODULES))}


def seed_parameters(tree: ast.AST) -> set[str]:
    """Parameters, fields and keywords of calls whose name is that of a seed."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.arg | ast.keyword):
            found.add(node.arg)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
    return found & SEED_PARAMETERS


def mirrored_modules() -> set[str]:
    paths = (path.relative_to(PACKAGE) for path in modules() if path.stem != "__init__")
    return {str(path.with_suffix("")) for path in paths}


def mirroring_tests() -> set[str]:
    found = set()
    for path in TESTS.rglob("test_*.py"):
        relative = path.relative_to(TESTS)
        if relative.parts[0] in UNMIRRORED_FOLDERS or relative.stem in UNMIRRORED_TESTS:
            continue
        found.add(str(relative.with_name(relative.stem.removeprefix("test_"))))
    return found


def test_no_module_outgrows_its_idea() -> None:
    lengths = {str(path): len(path.read_text("utf-8").splitlines()) for path in modules()}
    assert {path: n for path, n in lengths.items() if n > MODULE_LINES} == {}


def test_no_function_outgrows_a_screen() -> None:
    lengths = {
        f"{path}:{function.name}": lines_without_docstring(function)
        for path in modules()
        for function in functions(path)
    }
    assert {name: n for name, n in lengths.items() if n > FUNCTION_LINES} == {}


def test_every_module_has_its_test() -> None:
    assert mirrored_modules() - mirroring_tests() == set()


def test_every_test_has_its_module() -> None:
    assert mirroring_tests() - mirrored_modules() == set()


def test_no_module_has_a_vague_name() -> None:
    assert [path for path in modules() if path.stem in VAGUE_NAMES] == []


def test_the_retailers_side_has_no_pseudo_random_generator() -> None:
    trees = retailers_trees().items()
    assert {path: names for path, tree in trees if (names := random_sources(tree))} == {}


def test_the_retailers_side_takes_no_seed() -> None:
    trees = retailers_trees().items()
    assert {path: names for path, tree in trees if (names := seed_parameters(tree))} == {}


def test_planted_randomness_is_found() -> None:
    planted = "import random\nfrom numpy import random as r\nx = np.random.default_rng(1)\n"
    assert random_sources(ast.parse(planted)) == {
        "random",
        "numpy.random",
        "numpy.random.default_rng",
    }
    assert random_sources(ast.parse("import randomness\nimport numpy\n")) == set()


def test_planted_seeds_are_found() -> None:
    planted = "def f(*, seed): ...\nclass A:\n    rng: int\ng(random_state=1)\n"
    assert seed_parameters(ast.parse(planted)) == SEED_PARAMETERS
