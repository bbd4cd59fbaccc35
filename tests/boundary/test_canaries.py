"""Planted ids, e-mails, level texts, keys, bits and exact counts appear on no surface but the data.

And each surface is proved: the same collecting code finds a leak planted onto that very surface.
"""

import base64
import hashlib
import hmac
import json
import os
import pickle
import struct
import subprocess
import sys
import urllib.parse
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

import dpnotice
from made.canaries import CELLS, COUNT, EMAIL, ID, KEY, LEVEL, ODD_EMAIL, TOTAL, leaks, prime_leaks
from made.surfaces import EMPTY, SURFACES

ROOT = Path(__file__).parents[2]
PACKAGE = Path(dpnotice.__file__).parent


# --- the detector --------------------------------------------------------------------------
PLANTED = {
    "text": ID.encode(),
    "capitals": ID.upper().encode(),
    "utf-16": EMAIL.encode("utf-16"),
    "hex": LEVEL.encode().hex().encode(),
    "url": urllib.parse.quote(EMAIL, safe="").encode(),
    "json": json.dumps({"x": LEVEL}).encode(),
    "base64": base64.b64encode(b"who: " + ID.encode() + b" and more"),
    "a person key that is not ASCII": ODD_EMAIL.encode(),
    "the docket's key": KEY,
    "the docket's key in hex": KEY.hex().encode(),
    "the docket's key in base64": base64.b64encode(KEY),
    "the docket's key as Python shows it": repr(KEY).encode(),
    "the docket's key as numbers": str(list(KEY)).encode(),
    "the docket's key as a pad": bytes(byte ^ 0x36 for byte in KEY.ljust(64, b"\0")).hex().encode(),
    "a keyed hash": hmac.digest(KEY, b"email-1\0" + EMAIL.encode(), "sha256")[:8],
    "a keyed hash as an integer": np.array(
        [int.from_bytes(hmac.digest(KEY, b"email-1\0" + EMAIL.encode(), "sha256")[:8], "big")]
    ).tobytes(),
    "bits as an array shows them": str(np.frombuffer(ID.encode() * 4, np.uint8)).encode(),
    "bits as a list": str(list(ID.encode() * 4)).encode(),
    "base64 from its first byte": base64.b64encode(EMAIL.encode() + b" and more"),
    "base64 from its second byte": base64.b64encode(b"," + EMAIL.encode() + b" and more"),
    "base64 in lines": base64.encodebytes(b"-" * 50 + LEVEL.encode() + b"-" * 50),
    "repr": repr({"level": LEVEL}).encode(),
    "repr of bytes": repr(LEVEL.encode()).encode(),
    "digest": hashlib.sha256(ID.encode()).hexdigest().encode(),
    "decimal": f"total {COUNT}".encode(),
    "commas": f"total {COUNT:,}".encode(),
    "spaces": f"total {COUNT:,}".replace(",", " ").encode(),
    "narrow spaces": f"total {COUNT:,}".replace(",", "\u202f").encode(),
    "a cell": f"CA {CELLS[0]:_}".encode(),
    "hexadecimal": hex(COUNT).encode(),
    "float": repr(float(COUNT)).encode(),
    "exponent": f"{float(COUNT):.12e}".encode(),
    "numpy float": repr(np.float64(COUNT)).encode(),
    "double": struct.pack("d", COUNT),
    "array": np.array([0, COUNT]).tobytes(),
    "big-endian array": np.array([0, COUNT], ">i8").tobytes(),
    "array repr": repr(np.array([0, COUNT])).encode(),
}
PRIMES_PLANTED = {
    "decimal": f"total {TOTAL}.".encode(),
    "commas": f"total={TOTAL:,};".encode(),
    "json": json.dumps({"total": TOTAL}).encode(),
    "float": repr([float(TOTAL)]).encode(),
    "hexadecimal": hex(TOTAL).encode(),
    "array": np.array([0, TOTAL]).tobytes(),
    "double": struct.pack(">d", TOTAL),
}
HARMLESS = [
    b"dpnotice release 1 " + bytes(range(256)) * 50,
    f"{TOTAL}9 9{TOTAL} 0.{TOTAL} {TOTAL}.5 a{TOTAL}f".encode(),
]


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_canary_is_seen(name: str) -> None:
    assert leaks(b"before " + PLANTED[name] + b" after")


@pytest.mark.parametrize("name", PRIMES_PLANTED)
def test_a_planted_prime_count_is_seen(name: str) -> None:
    assert prime_leaks(b"before " + PRIMES_PLANTED[name] + b" after")


@pytest.mark.parametrize("content", HARMLESS)
def test_harmless_bytes_are_no_leak(content: bytes) -> None:
    assert (leaks(content), prime_leaks(content)) == ([], [])


# --- the surfaces --------------------------------------------------------------------------
class Lab(NamedTuple):
    clean: dict[str, bytes]
    leaking: dict[str, bytes]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """Every run, as the product is and with each leak, in children of one fresh process."""
    folder, home = tmp_path_factory.mktemp("lab"), tmp_path_factory.mktemp("home")
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(home), "TMPDIR": str(home)}
    environment["PYTHONPATH"] = os.pathsep.join(map(str, (ROOT, ROOT / "tests")))
    command = [sys.executable, "-m", "made.surfaces", str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return Lab(*pickle.loads((folder / "found").read_bytes()))  # noqa: S301 -- our own process's


def found(name: str, content: bytes) -> list[bytes]:
    return (prime_leaks if "primes" in name else leaks)(content)


@pytest.mark.parametrize("surface", SURFACES)
def test_no_surface_holds_a_canary(lab: Lab, surface: str) -> None:
    """False alarm, of all surfaces together: below 1e-6, as `made.canaries` reckons."""
    assert found(surface, lab.clean[surface]) == []


@pytest.mark.parametrize("surface", SURFACES)
def test_a_leak_onto_the_surface_is_found(lab: Lab, surface: str) -> None:
    assert found(surface, lab.leaking[surface])


@pytest.mark.parametrize("surface", SURFACES)
def test_the_surface_was_looked_at(lab: Lab, surface: str) -> None:
    """And where nothing at all may stand, nothing stands."""
    assert (lab.clean[surface] == b"") == (surface in EMPTY)


def test_the_surfaces_are_many() -> None:
    assert len(SURFACES) >= 24


def test_no_other_trace_of_a_run_holds_a_canary(lab: Lab) -> None:
    others = {name: held for name, held in lab.clean.items() if name not in SURFACES}
    assert {name: hits for name, held in others.items() if (hits := found(name, held))} == {}


def test_a_whole_run_warns_of_nothing_from_this_package(lab: Lab) -> None:
    assert f"{PACKAGE}{os.sep}".encode() not in lab.clean["Python warnings"]


def test_the_spill_folder_is_closed_to_others(lab: Lab) -> None:
    """While a count spills, the engine's own files hold ids; afterwards they are gone."""
    assert lab.clean["spilling, spill"].splitlines() == [b"mode 700, spilled"] * 2
