"""The commands: results on standard output, a refusal as one line on standard error."""

import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest
import tomli_w
from typer.testing import CliRunner

import dpnotice
from dpnotice import advise, cli
from dpnotice.inquiry import Inquiry
from dpnotice.release import Release
from dpnotice.retailer.ledger import Ledger
from dpnotice.retailer.sketch import DocketKey
from dpnotice.signature import public_key

CONFIG: dict[str, Any] = {
    "inquiry": "matter.toml",
    "retailer": "shop",
    "ledger": "shop.ledger",
    "output": "shop.release",
    "purchases": {
        "source": "sales.parquet",
        "buyer": "id",
        "product": "sku",
        "date": "day",
        "timezone": "UTC",
        "axes": {"state": "st"},
    },
}


@pytest.fixture
def job(tmp_path: Path) -> Path:
    """A folder with all that an answer needs, but for the ledger."""
    inquiry = {
        "format": 1,
        "name": "matter",
        "title": "Purchasers",
        "period": ["2020-01-01", "2021-01-01"],
        "timezone": "UTC",
        "products": ["p"],
        "axes": {"state": ["CA", "NY"]},
        "tables": [{"of": []}, {"of": ["state"]}],
        "privacy": {"epsilon": "1"},
    }
    Inquiry.from_dict(inquiry).save(tmp_path / "matter.toml")
    rows = {
        "id": [f"buyer-{n}@example.org" for n in range(50)],
        "sku": "p",
        "day": pd.Timestamp("2020-03-01"),
        "st": "CA",
    }
    pd.DataFrame(rows).to_parquet(tmp_path / "sales.parquet")
    configure(tmp_path)
    return tmp_path


@pytest.fixture
def ready(job: Path) -> Path:
    Ledger.create(job / "shop.ledger", epsilon_cap="2")
    return job


def configure(folder: Path, **changes: object) -> Path:
    path = folder / "answer.toml"
    path.write_text(tomli_w.dumps(CONFIG | changes), encoding="utf-8")
    return path


def run(*arguments: object) -> str:
    done = CliRunner().invoke(cli.app, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


def in_a_fresh_process(*arguments: object) -> subprocess.CompletedProcess[str]:
    program = "from dpnotice.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(dpnotice.__file__).parents[1],
    )


def refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object
) -> str:
    """Run the whole program in this process; return the one line on standard error."""
    monkeypatch.setattr(sys, "argv", ["dpnotice", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    shown: Any = capsys.readouterr()
    assert stopped.value.code == 1
    assert shown.out == ""
    assert shown.err.startswith("dpnotice: ")
    assert shown.err.count("\n") == 1
    return str(shown.err)


def test_the_version_is_printed() -> None:
    assert run("--version") == f"{dpnotice.__version__}\n"


@pytest.mark.parametrize(
    "command", ["demo", "answer", "ledger", "advise", "key", "docket-key", "show"]
)
def test_every_command_explains_itself(command: str) -> None:
    assert "Usage" in run(command, "--help")


def test_an_answer_writes_the_one_file(ready: Path) -> None:
    run("answer", ready / "answer.toml")
    assert Release.load(ready / "shop.release").retailer == "shop"


def test_an_answer_prints_the_card_with_what_is_left(ready: Path) -> None:
    shown = run("answer", ready / "answer.toml")
    assert "WHAT LEAVES SHOP" in shown
    assert "Left in this retailer's account for the matter: 1." in shown


def test_a_second_answer_gives_the_same_file(ready: Path) -> None:
    run("answer", ready / "answer.toml")
    first = (ready / "shop.release").read_bytes()
    run("answer", ready / "answer.toml")
    assert (ready / "shop.release").read_bytes() == first


def test_a_second_answer_costs_nothing(ready: Path) -> None:
    run("answer", ready / "answer.toml")
    assert "account for the matter: 1." in run("answer", ready / "answer.toml")


def test_an_answer_that_was_deleted_comes_back_byte_for_byte(ready: Path) -> None:
    run("answer", ready / "answer.toml")
    first = (ready / "shop.release").read_bytes()
    (ready / "shop.release").unlink()
    run("answer", ready / "answer.toml")
    assert (ready / "shop.release").read_bytes() == first


def test_a_new_attempt_costs_again(ready: Path) -> None:
    run("answer", ready / "answer.toml")
    configure(ready, output="second.release")
    shown = run("answer", ready / "answer.toml", "--new-attempt", "the first was lost")
    assert "account for the matter: 0." in shown


def test_an_answer_shows_no_buyer_and_no_progress_off_a_terminal(ready: Path) -> None:
    done = CliRunner().invoke(cli.app, ["answer", str(ready / "answer.toml")])
    assert "example.org" not in done.output
    assert done.stderr == ""


def test_a_ledger_is_created_once(tmp_path: Path) -> None:
    shown = run("ledger", tmp_path / "a.ledger", "--create", "--epsilon-cap", "2")
    assert shown == "cap 2 epsilon per retailer and matter\n"


def test_a_ledger_under_rho_is_created(tmp_path: Path) -> None:
    shown = run("ledger", tmp_path / "a.ledger", "--create", "--rho-cap", "0.5")
    assert shown == "cap 0.5 rho per retailer and matter\n"


def test_a_ledger_shows_what_is_left_in_every_account(ready: Path) -> None:
    run("answer", ready / "answer.toml")
    assert "shop, matter matter: spent 1, left 1" in run("ledger", ready / "shop.ledger")


def test_a_release_is_shown_with_its_card_and_every_number(ready: Path) -> None:
    run("answer", ready / "answer.toml")
    shown = run("show", ready / "shop.release")
    release = Release.load(ready / "shop.release")
    assert "WHAT LEAVES SHOP" in shown
    for table in release.tables.values():
        assert all(str(count) in shown for count in table.counts.ravel().tolist())


def test_a_demo_runs_into_the_folder_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Path] = []
    monkeypatch.setattr("dpnotice.demo.run", asked.append)
    run("demo", "--output", tmp_path / "out")
    assert asked == [tmp_path / "out"]


def test_the_whole_program_refuses_in_one_line_without_a_traceback(tmp_path: Path) -> None:
    done = in_a_fresh_process("ledger", tmp_path / "absent.ledger")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("dpnotice: LEDGER_MISSING: ")
    assert done.stderr.count("\n") == 1


def test_a_missing_ledger_is_refused_in_one_line(
    job: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "there is no ledger" in refused(monkeypatch, capsys, "answer", job / "answer.toml")


def test_an_answer_never_makes_a_ledger(
    job: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    refused(monkeypatch, capsys, "answer", job / "answer.toml")
    assert not (job / "shop.ledger").exists()


def test_a_missing_configuration_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "'absent.toml'" in refused(monkeypatch, capsys, "answer", tmp_path / "absent.toml")


def test_an_unknown_key_is_refused_in_one_line(
    ready: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = configure(ready, seed=7)
    assert "'seed'" in refused(monkeypatch, capsys, "answer", path)


def test_a_missing_release_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "absent.release" in refused(monkeypatch, capsys, "show", tmp_path / "absent.release")


def test_an_existing_ledger_is_never_replaced(
    ready: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (ready / "shop.ledger").read_bytes()
    arguments = ("ledger", ready / "shop.ledger", "--create", "--epsilon-cap", "9")
    refused(monkeypatch, capsys, *arguments)
    assert (ready / "shop.ledger").read_bytes() == before


def test_a_ledger_without_a_cap_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    refused(monkeypatch, capsys, "ledger", tmp_path / "a.ledger", "--create")
    assert not (tmp_path / "a.ledger").exists()


def test_a_cap_without_create_is_refused_as_it_would_change_nothing(
    ready: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    refused(monkeypatch, capsys, "ledger", ready / "shop.ledger", "--epsilon-cap", "5")


def test_another_file_in_the_outputs_place_is_refused_and_kept(
    ready: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (ready / "shop.release").write_text("other", encoding="utf-8")
    assert "OUTPUT_EXISTS" in refused(monkeypatch, capsys, "answer", ready / "answer.toml")
    assert (ready / "shop.release").read_text(encoding="utf-8") == "other"


def test_a_missing_output_folder_is_refused_in_one_line(
    ready: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = configure(ready, output="absent/shop.release")
    refused(monkeypatch, capsys, "answer", path)


def test_a_demo_into_a_file_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "taken").write_text("", encoding="utf-8")
    refused(monkeypatch, capsys, "demo", "--output", tmp_path / "taken")


def test_a_usage_error_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["dpnotice", "answer"])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == 2
    assert "Traceback" not in capsys.readouterr().err


# --- the dry run ---------------------------------------------------------------------------
def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_dry_run_shows_the_page(ready: Path) -> None:
    shown = run("answer", ready / "answer.toml", "--dry-run")
    assert shown.startswith("DRY RUN: NO ROW WAS READ")
    for expected in ("SELECT", "epsilon 1; spent before 0 of 2", "axes.state", "noise s.d."):
        assert expected in shown


def test_a_dry_run_changes_no_file_and_writes_none(ready: Path) -> None:
    before = contents(ready)
    run("answer", ready / "answer.toml", "--dry-run")
    assert contents(ready) == before


def test_a_dry_run_shows_no_value_of_the_data(ready: Path) -> None:
    done = CliRunner().invoke(cli.app, ["answer", str(ready / "answer.toml"), "--dry-run"])
    assert "example.org" not in done.output
    assert done.stderr == ""


def test_a_dry_run_after_the_answer_says_that_it_costs_nothing(ready: Path) -> None:
    run("answer", ready / "answer.toml")
    before = contents(ready)
    assert "at no cost" in run("answer", ready / "answer.toml", "--dry-run")
    assert contents(ready) == before


def test_a_dry_run_refuses_a_missing_ledger_and_makes_none(
    job: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "LEDGER_MISSING" in refused(
        monkeypatch, capsys, "answer", job / "answer.toml", "--dry-run"
    )
    assert not (job / "shop.ledger").exists()


def test_a_dry_run_refuses_another_file_in_the_outputs_place(
    ready: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (ready / "shop.release").write_text("other", encoding="utf-8")
    refusal = refused(monkeypatch, capsys, "answer", ready / "answer.toml", "--dry-run")
    assert "OUTPUT_EXISTS" in refusal


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"source": "none.parquet"}, "SOURCE_MISSING"),
        ({"buyer": "none"}, "SCHEMA_MISSING"),
        ({"axes": {}}, "AXES_MISSING"),
    ],
)
@pytest.mark.parametrize("options", [(), ("--dry-run",)])
def test_a_dry_run_refuses_what_an_answer_would(
    ready: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    changes: dict[str, Any],
    code: str,
    options: tuple[str, ...],
) -> None:
    path = configure(ready, purchases=CONFIG["purchases"] | changes)
    assert code in refused(monkeypatch, capsys, "answer", path, *options)


def test_an_answer_twice_in_fresh_processes_is_one_debit_and_the_same_bytes(ready: Path) -> None:
    written = []
    for _ in range(2):
        done = in_a_fresh_process("answer", ready / "answer.toml")
        assert (done.returncode, done.stderr) == (0, "")
        written.append((ready / "shop.release").read_bytes())
    assert written[0] == written[1]
    assert "spent 1, left 1" in run("ledger", ready / "shop.ledger")


def test_the_tables_of_a_database_are_answered(ready: Path) -> None:
    with duckdb.connect(ready / "shop.duckdb") as made:
        made.execute("CREATE TABLE sales (id TEXT, sku TEXT, day DATE)")
        made.execute("CREATE TABLE people (cust TEXT, home TEXT)")
        made.execute("INSERT INTO sales VALUES ('a', 'p', '2020-03-01')")
    before = (ready / "shop.duckdb").read_bytes()
    sales = {"source": "sales", "buyer": "id", "product": "sku", "date": "day"}
    people = {"source": "people", "buyer": "cust", "axes": {"state": "home"}}
    path = configure(ready, engine="duckdb://shop.duckdb", purchases=sales, buyers=people)
    run("answer", path, "--dry-run")
    run("answer", path)
    assert Release.load(ready / "shop.release").tables["state",].counts.shape == (3,)
    assert (ready / "shop.duckdb").read_bytes() == before


# --- the docket's key ----------------------------------------------------------------------
SECTION = {"epsilon": "0.5", "key": "email", "expected_buyers": 100}


def ask_for_a_sketch(folder: Path, **section: object) -> None:
    asked = Inquiry.load(folder / "matter.toml").to_dict()
    changes = {"products": ["p"], "sketch": SECTION | section}
    Inquiry.from_dict(asked | changes).save(folder / "matter.toml")


def sketching(folder: Path, **changes: object) -> Path:
    """Ask for a sketch and configure an answer; the ids are addresses, so they are the keys too."""
    ask_for_a_sketch(folder)
    purchases = CONFIG["purchases"] | {"person": "id"}
    usual: dict[str, object] = {"sketch_key": "docket.key", "purchases": purchases}
    return configure(folder, **usual | changes)


def test_a_dockets_key_is_made_once_and_its_fingerprint_printed_again(tmp_path: Path) -> None:
    made = run("docket-key", tmp_path / "docket.key")
    before = (tmp_path / "docket.key").read_bytes()
    assert run("docket-key", tmp_path / "docket.key") == made
    assert made == f"{DocketKey(tmp_path / 'docket.key').fingerprint}\n"
    assert (tmp_path / "docket.key").read_bytes() == before
    assert len(before) == 32
    assert stat.S_IMODE((tmp_path / "docket.key").stat().st_mode) == 0o600


def test_a_dockets_key_is_never_printed(tmp_path: Path) -> None:
    shown = run("docket-key", tmp_path / "docket.key")
    assert (tmp_path / "docket.key").read_bytes().hex()[:16] not in shown


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_file_that_is_no_dockets_key_is_refused_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], size: int
) -> None:
    (tmp_path / "docket.key").write_bytes(b"k" * size)
    assert "SKETCH_KEY" in refused(monkeypatch, capsys, "docket-key", tmp_path / "docket.key")
    assert (tmp_path / "docket.key").read_bytes() == b"k" * size


def test_a_dockets_key_in_a_missing_folder_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "absent" / "docket.key"
    assert "KEY_FILE" in refused(monkeypatch, capsys, "docket-key", place)


def test_an_answer_with_a_sketch_is_written_and_shown(ready: Path) -> None:
    path = sketching(ready)
    fingerprint = run("docket-key", ready / "docket.key").strip()
    card = run("answer", path)
    sketch = Release.load(ready / "shop.release").sketch
    assert sketch is not None
    assert sketch.key_fingerprint == fingerprint
    for shown in (card, run("show", ready / "shop.release")):
        assert f"Bitmap      {len(sketch.bits)} bytes" in shown
        assert fingerprint in shown
        assert "Privacy loss: epsilon 1.5, all of it together." in shown
    assert "Left in this retailer's account for the matter: 0.5." in card


def test_an_answer_with_a_sketch_twice_is_one_debit_and_the_same_bytes(ready: Path) -> None:
    path = sketching(ready)
    run("docket-key", ready / "docket.key")
    run("answer", path)
    first = (ready / "shop.release").read_bytes()
    (ready / "shop.release").unlink()
    assert "nothing was debited" in run("answer", path)
    assert (ready / "shop.release").read_bytes() == first
    assert "spent 1.5, left 0.5" in run("ledger", ready / "shop.ledger")


def test_no_command_shows_a_buyer_or_the_key_of_a_sketch(ready: Path) -> None:
    path = sketching(ready)
    run("docket-key", ready / "docket.key")
    key = (ready / "docket.key").read_bytes()
    for options in (["--dry-run"], []):
        done = CliRunner().invoke(cli.app, ["answer", str(path), *options])
        assert done.exit_code == 0
        assert "example.org" not in done.output
        assert key.hex()[:16] not in done.output
    assert key not in (ready / "shop.release").read_bytes()
    assert b"example.org" not in (ready / "shop.release").read_bytes()


def test_a_dry_run_describes_the_sketch_and_its_cost(ready: Path) -> None:
    path = sketching(ready)
    run("docket-key", ready / "docket.key")
    shown = run("answer", path, "--dry-run")
    assert "epsilon 1.5; spent before 0 of 2" in shown
    assert "Bitmap      512 bytes" in shown
    assert "keyed by the docket's key" in shown


@pytest.mark.parametrize("options", [(), ("--dry-run",)])
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"sketch_key": "absent.key"}, "SKETCH_KEY"),
        ({"sketch_key": "matter.toml"}, "SKETCH_KEY"),
        ({"purchases": CONFIG["purchases"]}, "PERSON_MISSING"),
        ({"sketch_key": "other.key"}, "KEY_FINGERPRINT"),
    ],
    ids=["no file", "no key", "no person", "another key"],
)
def test_a_sketch_that_cannot_be_made_is_refused_before_any_debit(
    ready: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    changes: dict[str, Any],
    code: str,
    options: tuple[str, ...],
) -> None:
    run("docket-key", ready / "other.key")
    path = sketching(ready, **changes)
    ask_for_a_sketch(ready, key_fingerprint=run("docket-key", ready / "docket.key").strip())
    assert code in refused(monkeypatch, capsys, "answer", path, *options)
    assert Ledger.open(ready / "shop.ledger").accounts() == ()


@pytest.mark.parametrize("options", [(), ("--dry-run",)])
def test_a_key_for_a_sketch_that_nobody_asked_is_refused_in_one_line(
    ready: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
) -> None:
    run("docket-key", ready / "docket.key")
    path = configure(ready, sketch_key="docket.key")
    assert "SKETCH_NOT_ASKED" in refused(monkeypatch, capsys, "answer", path, *options)


# --- keys and signatures -------------------------------------------------------------------
def test_a_key_is_made_once_and_its_public_half_printed_again(tmp_path: Path) -> None:
    made = run("key", tmp_path / "shop.key")
    before = (tmp_path / "shop.key").read_bytes()
    assert run("key", tmp_path / "shop.key") == made
    assert made == f"{public_key(tmp_path / 'shop.key')}\n"
    assert (tmp_path / "shop.key").read_bytes() == before
    assert stat.S_IMODE((tmp_path / "shop.key").stat().st_mode) == 0o600


def test_the_private_half_is_never_printed(tmp_path: Path) -> None:
    shown = run("key", tmp_path / "shop.key")
    lines = (tmp_path / "shop.key").read_text("utf-8").splitlines()
    assert not any(line in shown for line in lines)


def test_a_file_that_is_no_key_is_refused_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.txt").write_text("notes", encoding="utf-8")
    assert "KEY" in refused(monkeypatch, capsys, "key", tmp_path / "notes.txt")
    assert (tmp_path / "notes.txt").read_text(encoding="utf-8") == "notes"


def test_a_key_in_a_missing_folder_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "FILE" in refused(monkeypatch, capsys, "key", tmp_path / "absent" / "shop.key")


@pytest.fixture
def signing(ready: Path) -> tuple[Path, str]:
    """A job that signs, and the public key."""
    public = run("key", ready / "shop.key").strip()
    configure(ready, signing_key="shop.key")
    return ready, public


def test_an_answer_is_signed_and_shown_with_its_key(signing: tuple[Path, str]) -> None:
    folder, public = signing
    assert f"Signed by   {public}" in run("answer", folder / "answer.toml")
    assert f"Signed by   {public}" in run("show", folder / "shop.release", "--key", public)
    assert "WHAT LEAVES SHOP" in run("show", folder / "shop.release")


def test_a_signed_answer_twice_is_one_debit_and_the_same_bytes(signing: tuple[Path, str]) -> None:
    folder, _ = signing
    run("answer", folder / "answer.toml")
    first = (folder / "shop.release").read_bytes()
    (folder / "shop.release").unlink()
    assert "nothing was debited" in run("answer", folder / "answer.toml")
    assert (folder / "shop.release").read_bytes() == first


def test_a_release_of_another_key_is_not_shown(
    signing: tuple[Path, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, _ = signing
    run("answer", folder / "answer.toml")
    other = run("key", folder / "other.key").strip()
    refusal = refused(monkeypatch, capsys, "show", folder / "shop.release", "--key", other)
    assert "UNTRUSTED_KEY" in refusal


def test_an_unsigned_release_is_not_shown_where_a_key_is_wanted(
    ready: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run("answer", ready / "answer.toml")
    public = run("key", ready / "shop.key").strip()
    refusal = refused(monkeypatch, capsys, "show", ready / "shop.release", "--key", public)
    assert "UNSIGNED" in refusal


@pytest.mark.parametrize("options", [(), ("--dry-run",)])
def test_a_key_that_would_not_sign_is_refused_before_any_debit(
    ready: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
) -> None:
    path = configure(ready, signing_key="absent.key")
    assert "KEY" in refused(monkeypatch, capsys, "answer", path, *options)
    assert Ledger.open(ready / "shop.ledger").accounts() == ()
    assert not (ready / "shop.release").exists()


def test_a_key_that_comes_after_an_unsigned_answer_replaces_no_file(
    ready: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run("answer", ready / "answer.toml")
    first = (ready / "shop.release").read_bytes()
    run("key", ready / "shop.key")
    path = configure(ready, signing_key="shop.key")
    assert "OUTPUT_EXISTS" in refused(monkeypatch, capsys, "answer", path)
    assert (ready / "shop.release").read_bytes() == first
    run("answer", configure(ready, signing_key="shop.key", output="signed.release"))
    signed, unsigned = (ready / "signed.release").read_bytes(), first
    assert signed[: len(unsigned)] == unsigned
    assert "spent 1, left 1" in run("ledger", ready / "shop.ledger")


# --- a restored ledger ---------------------------------------------------------------------
@pytest.fixture
def rolled_back(ready: Path) -> Path:
    """A job that was answered, and its ledger from before."""
    before = (ready / "shop.ledger").read_bytes()
    run("answer", ready / "answer.toml")
    (ready / "after.ledger").write_bytes((ready / "shop.ledger").read_bytes())
    (ready / "shop.ledger").write_bytes(before)
    return ready


def test_a_restored_ledger_is_shown_by_a_release_answered_from_it(
    rolled_back: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    named = ("--release", rolled_back / "shop.release")
    assert "spent 1, left 1" in run("ledger", rolled_back / "after.ledger", *named)
    refusal = refused(monkeypatch, capsys, "ledger", rolled_back / "shop.ledger", *named)
    assert "LEDGER_ROLLED_BACK" in refusal


@pytest.mark.parametrize("options", [(), ("--dry-run",)])
def test_a_restored_ledger_answers_nothing_more_where_releases_are_configured(
    rolled_back: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
) -> None:
    path = configure(rolled_back, releases=["*.release"], output="second.release")
    before = (rolled_back / "shop.ledger").read_bytes()
    assert "LEDGER_ROLLED_BACK" in refused(monkeypatch, capsys, "answer", path, *options)
    assert (rolled_back / "shop.ledger").read_bytes() == before
    assert not (rolled_back / "second.release").exists()


def test_a_pattern_of_releases_may_hold_the_answer_itself(ready: Path) -> None:
    path = configure(ready, releases=["*.release"])
    run("answer", path)
    assert "nothing was debited" in run("answer", path)


def test_a_missing_release_beside_a_ledger_is_refused_in_one_line(
    ready: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    named = ("--release", ready / "absent.release")
    refusal = refused(monkeypatch, capsys, "ledger", ready / "shop.ledger", *named)
    assert "absent.release" in refusal


def test_a_dry_run_tells_of_the_quieter_law(ready: Path) -> None:
    shown = run("answer", ready / "answer.toml", "--dry-run")
    assert "Gaussian" not in shown
    names = "abcd"
    subsets = [[n for i, n in enumerate(names) if bits >> i & 1] for bits in range(12)]
    content = Inquiry.load(ready / "matter.toml").to_dict()
    content |= {"products": ["p"], "tables": [{"of": of} for of in subsets], "quoted": []}
    content["axes"] = {name: ["x"] for name in names}
    Inquiry.from_dict(content).save(ready / "matter.toml")
    sales = CONFIG["purchases"] | {"axes": dict.fromkeys(names, "st")}
    shown = run("answer", configure(ready, purchases=sales), "--dry-run")
    assert "Gaussian noise under rho 0.02435" in shown


# --- advice on tables ----------------------------------------------------------------------
def test_advice_names_what_could_not_be_given_and_proposes_tables(job: Path) -> None:
    content = Inquiry.load(job / "matter.toml").to_dict()
    content |= {"products": ["p"], "tables": [{"of": []}], "quoted": [["state"]]}
    Inquiry.from_dict(content).save(job / "matter.toml")
    shown = in_a_fresh_process("advise", job / "matter.toml").stdout
    assert "state is to be quoted, but no table holds these axes together" in shown
    assert "Proposed tables: state." in shown


def test_advice_shows_the_noise_of_every_quoted_marginal(job: Path) -> None:
    advice = advise(Inquiry.load(job / "matter.toml"))
    shown = run("advise", job / "matter.toml")
    assert advice.to_frame().to_string(index=False) in shown
    assert all(finding in shown.splitlines() for finding in advice.findings)


def test_advice_on_good_tables_says_that_nothing_speaks_against_them(job: Path) -> None:
    content = Inquiry.load(job / "matter.toml").to_dict()
    content |= {"products": ["p"], "tables": [{"of": ["state"]}]}
    Inquiry.from_dict(content).save(job / "matter.toml")
    shown = run("advise", job / "matter.toml")
    assert shown.startswith("Nothing speaks against this list of tables.\n")


def test_advice_writes_no_file(job: Path) -> None:
    before = contents(job)
    run("advise", job / "matter.toml")
    assert contents(job) == before


def test_advice_on_a_missing_inquiry_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "'absent.toml'" in refused(monkeypatch, capsys, "advise", tmp_path / "absent.toml")
