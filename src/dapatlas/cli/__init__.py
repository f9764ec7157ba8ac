"""The command line: one thin module a command group; parses, calls, prints.

Heavy imports stand inside the commands, so that ``dapatlas --help`` answers at once.

Exit codes: 0 all went well; 1 something in the data is wrong (a failed case, a finding of severity
*error*); 2 the command could not be carried out (bad arguments, recipe, file); 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from dapatlas import __version__
from dapatlas.cli import export, ingest, labels, manifest, models, recipe, review, train
from dapatlas.cli.build import build
from dapatlas.cli.card import card
from dapatlas.cli.check import check
from dapatlas.cli.chunks import chunks
from dapatlas.cli.demo import demo
from dapatlas.cli.doctor import doctor
from dapatlas.cli.evaluate import evaluate
from dapatlas.cli.fetch import fetch
from dapatlas.cli.logs import set_up
from dapatlas.cli.loop import loop
from dapatlas.cli.phantom import phantom
from dapatlas.cli.predict import predict
from dapatlas.cli.preview import preview
from dapatlas.cli.publish import publish
from dapatlas.cli.refine import refine
from dapatlas.cli.report import report
from dapatlas.cli.split import split
from dapatlas.cli.stats import stats
from dapatlas.cli.status import status
from dapatlas.cli.suggest import Suggesting
from dapatlas.cli.validate import validate
from dapatlas.errors import DapatlasError

app = typer.Typer(
    name="dapatlas",
    cls=Suggesting,
    help="Build, check and publish dense whole-body CT anatomy atlases in the DAP Atlas format.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(fetch)
app.add_typer(ingest.app, name="ingest")
app.command()(build)
app.command()(refine)
app.command()(validate)
app.command()(evaluate)
app.command()(check)
app.command()(report)
app.add_typer(review.app, name="review")
app.command()(split)
app.command()(publish)
app.command()(preview)
app.command()(card)
app.command()(stats)
app.command()(chunks)
app.command()(status)
app.command()(predict)
app.add_typer(models.app, name="models")
app.add_typer(train.app, name="train")
app.command()(loop)
app.command()(demo)
app.command()(phantom)
app.add_typer(export.app, name="export")
app.add_typer(labels.app, name="labels")
app.add_typer(recipe.app, name="recipe")
app.add_typer(manifest.app, name="manifest")
app.command()(doctor)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"dapatlas {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
    verbose: Annotated[
        int,
        typer.Option(
            "--verbose",
            "-v",
            count=True,
            show_default=False,
            help="Log a line a case to stderr; -vv also what the workers begin.",
        ),
    ] = 0,
) -> None:
    """Options that come before any command."""
    set_up(verbose)


def main() -> None:
    """Run the command line; what a user can mend is one message on stderr, not a traceback."""
    coloured = not os.environ.get("NO_COLOR")  # Rich looks by itself, Click doesn't
    try:
        app(color=None if coloured else False)
    except DapatlasError as error:
        typer.secho(f"error: {error}", fg=typer.colors.RED if coloured else None, err=True)
        sys.exit(2)
    except BrokenPipeError:  # `dapatlas labels list | head`
        sys.stderr.close()
        sys.exit(0)
