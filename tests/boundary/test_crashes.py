"""A retailer's process is killed at every step: budget may be lost, a second draw never happens."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

LAB = r'''
import json, os, random, signal, sqlite3, sys, threading, time
from contextlib import closing
from datetime import date
from pathlib import Path

import duckdb, ibis, pandas, pyarrow as pa

from dpnotice import container
from dpnotice.errors import DpnoticeError
from dpnotice.inquiry import Inquiry
from dpnotice.retailer import counting, chain as books, mechanism
from dpnotice.retailer.answer import STEPS, answer, request_id
from dpnotice.retailer.ledger import Ledger
from dpnotice.retailer.purchases import Opened, Purchases

SALES = dict(id=["a", "b"], sku=["p", "p"], day=[date(2020, 3, 1)] * 2, st=["CA", "NY"])


def inquiry(number=0):
    return Inquiry.from_dict({
        "format": 1, "name": "matter", "title": "t", "timezone": "UTC",
        "period": ["2020-01-01", f"202{1 + number}-01-01"], "products": ["p"],
        "axes": {"state": ["CA", "NY"]}, "tables": [{"of": []}, {"of": ["state"]}],
        "privacy": {"epsilon": "1"},
    })


def warm_up():
    """Import what every child needs, without starting an engine's threads before a fork."""
    kinds = dict(id="string", sku="string", day="date", st="string")
    sales = Purchases(None, buyer="id", product="sku", date="day", axes={"state": "st"})
    ibis.duckdb
    tables = Opened(ibis.table(kinds, name="s"), None, None)
    ibis.to_sql(counting.cells(inquiry(), sales, tables), dialect="duckdb")


def note(folder, what):
    handle = os.open(folder / "notes", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(handle, what.encode() + b"\n")
    os.close(handle)


def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)


def around(owner, name, before=None, after=None, when=lambda *a, **k: True):
    plain = getattr(owner, name)
    def patched(*args, **kwargs):
        if before and when(*args, **kwargs):
            before()
        result = plain(*args, **kwargs)
        if after and when(*args, **kwargs):
            after()
        return result
    setattr(owner, name, patched)


def plant(point):
    kind = lambda wanted: lambda _c, k, **_f: k == wanted
    if point == "debit inserted":
        around(books, "append", after=die, when=kind("debit"))
    elif point == "debited":
        around(Ledger, "debit", after=die)
    elif point == "drawn":
        around(mechanism, "draw", after=die)
    elif point == "artifact inserted":
        around(books, "append", after=die, when=kind("artifact"))
    elif point == "stored":
        around(Ledger, "store", after=die)
    elif point == "temp synced":
        around(container.os, "link", before=die)
    elif point == "linked":
        around(container.os, "link", after=die)
    elif point.startswith("after "):
        delay = float(point.split()[1])
        threading.Thread(target=lambda: (time.sleep(delay), die()), daemon=True).start()


def child(folder, point, number=0, pause=None):
    ledger = Ledger.open(folder / "x.ledger")
    around(mechanism, "draw", before=lambda: note(folder, "draw"))
    plant(point)

    def progress(step):
        if step == point:
            die()
        while pause and step == "debit" and not pause.exists():
            time.sleep(0.002)
        if pause and step == "count":
            note(folder, "ready")

    sales = Purchases(pa.table(SALES), buyer="id", product="sku", date="day", axes={"state": "st"})
    try:
        release = answer(inquiry(number), sales, retailer="shop", ledger=ledger, progress=progress)
        release.save(folder / f"{number}.release")
        note(folder, "answered " + release.to_bytes()[-65:-1].decode())
    except DpnoticeError as refusal:
        note(folder, "refused " + refusal.code)


def start(*arguments):
    pid = os.fork()
    if pid:
        return pid
    try:
        child(*arguments)
    finally:
        os._exit(0)


def run(*arguments):
    return os.waitstatus_to_exitcode(os.waitpid(start(*arguments), 0)[1])


def notes(folder):
    path = folder / "notes"
    return path.read_text().splitlines() if path.exists() else []


def books_of(folder):
    ledger = Ledger.open(folder / "x.ledger")
    with closing(sqlite3.connect(folder / "x.ledger")) as connection:
        rows = connection.execute("SELECT kind FROM entry ORDER BY seq").fetchall()
    return [kind for (kind,) in rows], str(ledger.remaining(inquiry(), "shop"))


def fresh(name, cap="3"):
    folder = Path(sys.argv[1]) / name.replace(" ", "_")
    folder.mkdir()
    Ledger.create(folder / "x.ledger", epsilon_cap=cap)
    return folder


def crash(point):
    folder = fresh(point)
    status = run(folder, point)
    first = books_of(folder)[0], (folder / "0.release").exists()
    again = [run(folder, ""), run(folder, "")]
    kinds, left = books_of(folder)
    temps = [p.name for p in folder.iterdir() if p.suffix == ".tmp"]
    return dict(status=status, first=first, again=again, kinds=kinds, left=left,
                notes=notes(folder), temps=temps)


def late(point):
    """The debit of a stopped process is declared lost; then it wakes up and wants to store."""
    folder = fresh(point, cap="3")
    pid = os.fork()
    if not pid:
        around(Ledger, "store", before=lambda: os.kill(os.getpid(), signal.SIGSTOP))
        try:
            child(folder, "")
        finally:
            os._exit(0)
    os.waitpid(pid, os.WUNTRACED)
    Ledger.open(folder / "x.ledger").declare_lost(request_id(inquiry(), "shop", "as_is"))
    os.kill(pid, signal.SIGCONT)
    os.waitpid(pid, 0)
    return dict(kinds=books_of(folder)[0], notes=notes(folder),
                output=(folder / "0.release").exists())


def race(name, numbers, cap):
    folder = fresh(name, cap=cap)
    gate = folder / "gate"
    pids = [start(folder, "", number, gate) for number in numbers]
    end = time.time() + 20
    while notes(folder).count("ready") < len(pids) and time.time() < end:
        time.sleep(0.002)
    gate.touch()
    for pid in pids:
        os.waitpid(pid, 0)
    kinds, left = books_of(folder)
    return dict(kinds=kinds, left=left, notes=notes(folder))


warm_up()
POINTS = [*STEPS, "debit inserted", "debited", "drawn", "artifact inserted", "stored",
          "temp synced", "linked"]
result = {point: crash(point) for point in POINTS}
delays = [f"after {random.uniform(0, 0.25):.4f}" for _ in range(6)]
result |= {delay: crash(delay) for delay in delays}
result["late"] = late("late")
result["race for the last budget"] = race("last", [0, 1], "1")
result["eight for three"] = race("eight", range(8), "3")
result["race for one request"] = race("same", [0, 0, 0, 0], "3")
print(json.dumps(result))
'''

BEFORE_DEBIT = ["look up", "count", "debit", "debit inserted"]
BUDGET_LOST = ["draw", "debited", "drawn", "store", "artifact inserted"]
STORED = ["stored", "temp synced", "linked"]
Lab = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    folder = tmp_path_factory.mktemp("crashes")
    command = [sys.executable, "-W", "ignore", "-c", LAB, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    found: Lab = json.loads(done.stdout.splitlines()[-1])
    return found


def crashes(lab: Lab) -> Iterator[tuple[str, dict[str, Any]]]:
    return ((point, seen) for point, seen in lab.items() if "first" in seen)


@pytest.mark.parametrize("point", [*BEFORE_DEBIT, *BUDGET_LOST, *STORED])
def test_the_kill_is_real(lab: Lab, point: str) -> None:
    assert lab[point]["status"] == -9


@pytest.mark.parametrize("point", BEFORE_DEBIT)
def test_a_kill_before_the_debit_costs_nothing(lab: Lab, point: str) -> None:
    seen = lab[point]
    assert seen["first"] == [["genesis"], False]
    assert (seen["kinds"], seen["left"]) == (["genesis", "debit", "artifact"], "2")


@pytest.mark.parametrize("point", BUDGET_LOST)
def test_a_kill_after_the_debit_loses_budget_and_draws_no_more(lab: Lab, point: str) -> None:
    seen = lab[point]
    assert seen["first"] == [["genesis", "debit"], False]
    assert (seen["kinds"], seen["left"]) == (["genesis", "debit"], "2")
    assert [note for note in seen["notes"] if note != "draw"] == ["refused BUDGET_OPEN"] * 2


@pytest.mark.parametrize("point", STORED)
def test_a_kill_after_the_answer_is_stored_gives_the_same_bytes(lab: Lab, point: str) -> None:
    seen = lab[point]
    answers = [note for note in seen["notes"] if note != "draw"]
    assert len(answers) == 2
    assert len(set(answers)) == 1
    assert answers[0].startswith("answered ")
    assert seen["kinds"] == ["genesis", "debit", "artifact"]


def test_no_debit_is_drawn_twice(lab: Lab) -> None:
    drawn = {p: (s["notes"].count("draw"), s["kinds"].count("debit")) for p, s in lab.items()}
    assert {p: pair for p, pair in drawn.items() if pair[0] > pair[1]} == {}


def test_no_output_stands_without_its_debit(lab: Lab) -> None:
    wrong = [p for p, s in crashes(lab) if s["first"][1] and "artifact" not in s["first"][0]]
    assert wrong == []


def test_every_answer_after_a_crash_has_the_same_bytes(lab: Lab) -> None:
    answers = {p: {n for n in s["notes"] if n.startswith("answered")} for p, s in crashes(lab)}
    assert {p: found for p, found in answers.items() if len(found) > 1} == {}


def test_a_request_is_debited_at_most_once_whatever_the_moment_of_the_kill(lab: Lab) -> None:
    assert {p: s["kinds"] for p, s in crashes(lab) if s["kinds"].count("debit") > 1} == {}


def test_a_second_run_after_a_crash_always_ends_by_itself(lab: Lab) -> None:
    assert {p: s["again"] for p, s in crashes(lab) if s["again"] != [0, 0]} == {}


def test_an_answer_that_wakes_after_its_debit_was_declared_lost_is_discarded(lab: Lab) -> None:
    seen = lab["late"]
    assert seen["kinds"] == ["genesis", "debit", "lost"]
    assert seen["notes"] == ["draw", "refused LEDGER_ORDER"]
    assert not seen["output"]


def test_two_processes_racing_for_the_last_budget_make_one_debit(lab: Lab) -> None:
    seen = lab["race for the last budget"]
    assert (seen["kinds"], seen["left"]) == (["genesis", "debit", "artifact"], "0")
    assert seen["notes"].count("refused BUDGET_EXCEEDED") == 1


def test_eight_processes_racing_for_three_debits_make_three(lab: Lab) -> None:
    seen = lab["eight for three"]
    assert (seen["kinds"].count("debit"), seen["left"]) == (3, "0")
    assert (seen["notes"].count("draw"), seen["notes"].count("refused BUDGET_EXCEEDED")) == (3, 5)


def test_four_processes_with_one_request_draw_once(lab: Lab) -> None:
    seen = lab["race for one request"]
    assert (seen["kinds"], seen["left"]) == (["genesis", "debit", "artifact"], "2")
    assert seen["notes"].count("draw") == 1


def test_a_crash_while_saving_leaves_no_file_behind_for_good(lab: Lab) -> None:
    """A killed save may leave its temporary file; it is private, and holds only the answer."""
    # A kill within `save` itself, named or by the clock, may leave the temporary file of a release.
    unsaved = [(p, s) for p, s in crashes(lab) if p not in STORED and not p.startswith("after ")]
    assert {p: s["temps"] for p, s in unsaved if s["temps"]} == {}


def unsafe(path: Path) -> str:
    """The lab with debit and draw exchanged: a planted fault."""
    answer = path / "dpnotice" / "retailer" / "answer.py"
    text = answer.read_text()
    debit = next(line for line in text.splitlines() if "ledger.debit(" in line)
    draw = next(line for line in text.splitlines() if "mechanism.draw(" in line)
    return text.replace(debit, "@").replace(draw, debit).replace("@", draw)


def test_a_draw_before_its_debit_would_be_noticed(tmp_path: Path) -> None:
    """The planted fault: killed after such a draw, the next run draws again."""
    fault = (
        "import pathlib, sys, dpnotice.retailer.answer as a\n"
        "exec(compile(pathlib.Path(sys.argv[2]).read_text(), a.__file__, 'exec'), a.__dict__)\n"
    )
    (tmp_path / "unsafe.py").write_text(unsafe(Path(__file__).parents[2]))
    lines = LAB.replace("POINTS = [", 'POINTS = ["drawn"]; [', 1).splitlines()
    last = lines.index("result = {point: crash(point) for point in POINTS}")
    code = fault + "\n".join([*lines[: last + 1], "print(json.dumps(result))"])
    (tmp_path / "lab").mkdir()
    command = [sys.executable, "-W", "ignore", "-c", code, str(tmp_path / "lab")]
    command.append(str(tmp_path / "unsafe.py"))
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)["drawn"]
    assert seen["notes"].count("draw") > seen["kinds"].count("debit")
