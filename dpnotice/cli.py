"""The few commands that a retailer's engineer and a newcomer type.

In: file names. Out: results on standard output, progress and refusals on standard error.
"""

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from dpnotice.errors import DpnoticeError, InquiryWarning, LedgerError
from dpnotice.version import __version__

if TYPE_CHECKING:
    from dpnotice.retailer.config import AnswerConfig

app = typer.Typer(
    help="Estimate how far class-action notice would reach, without anyone handing over a name.",
    no_args_is_help=True,
    rich_markup_mode=None,  # square brackets in help texts are what they are
    add_completion=False,
    pretty_exceptions_enable=False,  # its tracebacks show values
)


@app.callback(invoke_without_command=True)
def _version(
    *, version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False
) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit


@app.command()
def demo(
    output: Annotated[Path, typer.Option(help="Folder for what is written.")] = Path("demo-output"),
) -> None:
    """Run the main job on real purchases, with the truth beside every estimate."""
    from dpnotice.demo import run  # noqa: PLC0415 -- each command loads only what it needs

    run(output)


@app.command()
def answer(
    config: Annotated[Path, typer.Argument(help="TOML with inquiry, ledger, [purchases].")],
    *,
    new_attempt: Annotated[
        str | None, typer.Option(help="A reason to ask again, at full cost.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be read, cost and handed over.")
    ] = False,
) -> None:
    """Answer an inquiry inside the retailer's walls and write the one file that leaves."""
    from dpnotice.retailer import answer as steps  # noqa: PLC0415 -- loads the engines
    from dpnotice.retailer.config import AnswerConfig  # noqa: PLC0415 -- the same

    asked = AnswerConfig.load(config)
    asked.check_key()
    if dry_run:
        _rehearse(asked)
        return
    ledger = asked.ledger()
    request = steps.request_id(asked.inquiry, asked.retailer, asked.purchases.ids)
    answered = ledger.lookup(request)[1] == "artifact" and new_attempt is None
    asked.check_output(answered=answered)
    with _progress(asked.retailer, len(steps.STEPS)) as advance:
        release = steps.answer(
            asked.inquiry,
            asked.purchases,
            retailer=asked.retailer,
            ledger=ledger,
            sketch_key=asked.sketch_key,
            new_attempt=new_attempt,
            progress=advance,
        )
    release = asked.signed(release)
    release.save(asked.output)
    typer.echo(release.privacy_card(ledger))
    spent = "answered before, nothing was debited" if answered else "debited and answered"
    typer.echo(f"\nWritten: {asked.output} ({spent})")


def _rehearse(asked: "AnswerConfig") -> None:
    from dpnotice.retailer.rehearsal import rehearse  # noqa: PLC0415 -- loads the engines

    rehearsal = rehearse(
        asked.inquiry,
        asked.purchases,
        retailer=asked.retailer,
        ledger=asked.ledger(),
        sketch_key=asked.sketch_key,
    )
    asked.check_output(answered=rehearsal.state == "artifact")
    typer.echo(rehearsal.page())


@app.command()
def ledger(
    file: Annotated[Path, typer.Argument(help="The ledger.")],
    *,
    create: Annotated[bool, typer.Option("--create", help="Make a new ledger.")] = False,
    epsilon_cap: Annotated[
        str | None, typer.Option(help="Most epsilon per retailer and matter.")
    ] = None,
    rho_cap: Annotated[str | None, typer.Option(help="Most rho, instead of epsilon.")] = None,
    release: Annotated[
        list[Path] | None, typer.Option(help="A file answered from it, to show a restored backup.")
    ] = None,
) -> None:
    """Show what is left in every account, or create a ledger."""
    from dpnotice.release import Release  # noqa: PLC0415 -- loads numpy and pydantic
    from dpnotice.retailer.ledger import Ledger  # noqa: PLC0415 -- loads pydantic

    if not create and (epsilon_cap is not None or rho_cap is not None):
        raise LedgerError(
            "a cap is set once, with --create; to see what is left of it, leave the cap out"
        )
    if create and release:
        raise LedgerError("a new ledger holds no debit yet; leave --release out")
    if create:
        opened = Ledger.create(file, epsilon_cap=epsilon_cap, rho_cap=rho_cap)
    else:
        opened = Ledger.open(file, releases=[Release.load(path) for path in release or []])
    typer.echo(f"cap {opened.cap} {opened.measure} per retailer and matter")
    for account in opened.accounts():
        typer.echo(
            f"{account.retailer}, matter {account.matter}: spent {account.spent}, "
            f"left {account.left}"
        )


@app.command()
def advise(
    file: Annotated[Path, typer.Argument(help="An inquiry.")],
) -> None:
    """Say which tables an inquiry should list, before anybody answers it."""
    from dpnotice.advice import advise as advice_on  # noqa: PLC0415 -- loads scipy
    from dpnotice.inquiry import Inquiry  # noqa: PLC0415 -- loads pydantic

    advice = advice_on(Inquiry.load(file))
    typer.echo("\n".join(advice.findings) or advice.statement())
    typer.echo("")
    typer.echo(advice.to_frame().to_string(index=False))


@app.command()
def key(
    file: Annotated[Path, typer.Argument(help="Where the private key is, or will be.")],
) -> None:
    """Print the public key that goes with a private one; make both where there is no file."""
    from dpnotice.signature import create_key, public_key  # noqa: PLC0415 -- an optional package

    typer.echo(public_key(file) if file.exists() else create_key(file))


@app.command()
def docket_key(
    file: Annotated[Path, typer.Argument(help="Where the key is, or will be.")],
) -> None:
    """Print the fingerprint of the key that a matter's retailers hash with; make it if missing."""
    from dpnotice.retailer.sketch import DocketKey  # noqa: PLC0415 -- loads the engines

    key = DocketKey(file) if file.exists() else DocketKey.create(file)
    typer.echo(key.fingerprint)


@app.command()
def show(
    file: Annotated[Path, typer.Argument(help="A release.")],
    *,
    key: Annotated[
        str | None, typer.Option(help="The public key that must have signed it.")
    ] = None,
) -> None:
    """Print what a release says, as a page of text."""
    from dpnotice.release import Release  # noqa: PLC0415 -- loads numpy and pydantic

    release = Release.load(file, key=key)
    typer.echo(release.privacy_card())
    typer.echo("")
    typer.echo(release.to_frame().to_string(index=False))


def main() -> None:
    """Run the commands; a refusal is one line on standard error and exit status 1."""
    warnings.simplefilter("ignore", InquiryWarning)  # `advise` says it in a sentence
    try:
        app()
    except DpnoticeError as refusal:
        typer.echo(f"dpnotice: {refusal}", err=True)
        sys.exit(1)


@contextmanager
def _progress(name: str, steps: int) -> Iterator[Callable[[str], None]]:
    """Show the step at work on standard error; nothing off a terminal."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}", markup=False),  # a name is no markup
        BarColumn(),
        TextColumn("{task.fields[step]}", markup=False),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task(name, total=steps, step="")
        yield lambda step: progress.update(bar, advance=1, step=step)
