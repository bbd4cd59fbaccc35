"""The public names: all there, quick to import, the analyst's without the retailer's engines."""

import subprocess
import sys

import pytest

import dpnotice

IMPORT_SECONDS = 0.3
HEAVY = ("pandas", "scipy.stats", "ibis", "duckdb", "opendp", "matplotlib")
ANALYST_NAMES = (
    "Inquiry",
    "Release",
    "load_releases",
    "estimate_class",
    "beta",
    "lognormal",
    "Print",
    "Broadcast",
    "Digital",
    "Curve",
    "Direct",
    "delivery_by",
    "Duplications",
    "Drift",
    "NoticePlan",
    "estimate_reach",
    "compare",
    "expected_claims",
    "priors",
    "Tier",
    "Fund",
    "Rate",
    "audit",
    "classic",
    "plan_error",
    *({"assumed_class"} & set(dpnotice.__all__)),
)

TIMED_IMPORT = """
import time
began = time.perf_counter()
import dpnotice
print(time.perf_counter() - began)
"""

LOADED_MODULES = """
import sys
import dpnotice
print(*sorted(sys.modules))
"""

REFUSE_ENGINES = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"opendp", "ibis", "duckdb", "pyspark"}:
            raise ImportError(f"{name} is refused")

sys.meta_path.insert(0, Refuse())
"""

RESOLVE_NAMES = """
import dpnotice
for name in sys.argv[1:]:
    getattr(dpnotice, name)
print(*sorted(sys.modules))
"""


def fresh_process(code: str, *arguments: str) -> str:
    """What the code prints in a new interpreter."""
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_is_quick() -> None:
    assert min(float(fresh_process(TIMED_IMPORT)) for _ in range(5)) < IMPORT_SECONDS


def test_import_loads_nothing_heavy() -> None:
    loaded = fresh_process(LOADED_MODULES).split()
    assert [name for name in HEAVY if name in loaded] == []


@pytest.mark.parametrize("name", dpnotice.__all__)
def test_public_name_resolves(name: str) -> None:
    assert getattr(dpnotice, name) is not None


def test_dir_lists_the_public_names() -> None:
    assert set(dpnotice.__all__) <= set(dir(dpnotice))


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = dpnotice.no_such_name


def test_analysts_names_are_public() -> None:
    assert [name for name in ANALYST_NAMES if name not in dpnotice.__all__] == []


def test_analysts_names_resolve_without_the_retailers_engines() -> None:
    loaded = fresh_process(REFUSE_ENGINES + RESOLVE_NAMES, *ANALYST_NAMES).split()
    assert [name for name in loaded if name.startswith("dpnotice.retailer")] == []


@pytest.mark.parametrize("engine", ["opendp", "ibis", "duckdb"])
def test_the_refusal_of_engines_works(engine: str) -> None:
    with pytest.raises(AssertionError, match=f"{engine} is refused"):
        fresh_process(REFUSE_ENGINES + f"import {engine}")
