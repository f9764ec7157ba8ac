"""`dapatlas review`: experts read the cases in a browser; what they said is summed up and exported."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from dapatlas.cli.options import JobsOption, JsonOption, QuietOption, SchemeOption, print_json
from dapatlas.cli.review_readers import app as readers
from dapatlas.cli.review_results import export, plan, report, status
from dapatlas.cli.review_words import DatabaseOption, DatasetArgument, count

if TYPE_CHECKING:
    from dapatlas.review.store import Store

HELP = ("-h", "--help")


class ServeByDefault(TyperGroup):
    """`dapatlas review DATASET` is `dapatlas review serve DATASET`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the command in where the first word is none."""
        named = not args or args[0] in self.commands or args[0] in HELP or self._mistyped(args[0])
        return super().parse_args(ctx, args if named else ["serve", *args])

    def _mistyped(self, word: str) -> bool:
        """Whether it is like a command, and no data set: the group then says which may be meant."""
        return bool(get_close_matches(word, self.commands)) and not Path(word).exists()


app = typer.Typer(
    cls=ServeByDefault,
    help=(
        "Let experts approve or reject cases in the browser: `dapatlas review DATASET` serves it, at "
        "http://127.0.0.1:8090 by default. The other commands prepare a review, sum it up, and export it."
    ),
    no_args_is_help=True,
    rich_markup_mode="markdown",
)
app.add_typer(readers, name="readers")


CompareOption = Annotated[
    list[str] | None,
    typer.Option(
        "--compare",
        help="Folder of further label maps to show, or `NAME=FOLDER` to call them otherwise; may be given again.",
        show_default=False,
    ),
]
CacheOption = Annotated[
    Path | None,
    typer.Option(
        help="Folder for the coarse volumes; `DATASET/.dapatlas/review` by default.", show_default=False
    ),
]


@app.command()
def serve(
    dataset: DatasetArgument,
    host: Annotated[str, typer.Option(help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen at.", min=0, max=65535)] = 8090,
    database: DatabaseOption = None,
    compare: CompareOption = None,
    scheme: SchemeOption = "dap",
    certificate: Annotated[
        Path | None, typer.Option(help="TLS certificate, PEM; with --key.", show_default=False)
    ] = None,
    key: Annotated[
        Path | None, typer.Option(help="TLS key, PEM; with --certificate.", show_default=False)
    ] = None,
    behind_proxy: Annotated[
        bool,
        typer.Option(
            "--behind-proxy", help="A proxy on this machine passes requests on over TLS: ask for passwords."
        ),
    ] = False,
    cache: CacheOption = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Open no browser.")] = False,
) -> None:
    """Serve the review of a data set; this is what `dapatlas review DATASET` does.

    At an address of this machine alone, anybody who sits at it may read, under any name. At any other address, or
    behind a proxy, readers log in: make them with `dapatlas review readers add`; without any, the server does not
    start. Nothing is fetched from elsewhere, neither by the server nor by the pages.

    **Examples**

        dapatlas review DAP_Atlas

        dapatlas review DAP_Atlas --compare before=DAP_Atlas_v1 --port 9000

        dapatlas review DAP_Atlas --host 0.0.0.0 --certificate cert.pem --key key.pem

        dapatlas review DAP_Atlas --database postgresql://review@db.example.org/atlas --behind-proxy
    """
    from functools import partial

    from dapatlas.dataset import Dataset
    from dapatlas.labels import find_scheme
    from dapatlas.pipeline.reviewing import review_store

    opened = Dataset(dataset, find_scheme(scheme))
    pairs = _pairs(compare)
    _check_tls(certificate, key)
    with review_store(opened.path, database) as store:
        from dapatlas.review.layer_files import cache_folder
        from dapatlas.review.layers import check_compare
        from dapatlas.review.server.app import create_app
        from dapatlas.review.server.run import is_loopback
        from dapatlas.review.server.run import serve as run
        from dapatlas.review.server.settings import LOOPBACK, Mode, Settings

        check_compare(pairs)
        local = is_loopback(host) and not behind_proxy
        secure = behind_proxy or certificate is not None
        if not local:
            _check_accounts(store, dataset, host)
            _warn_of_plain_http(secure)
        settings = Settings(
            opened,
            cache_folder(opened.path, cache),
            Mode.LOCAL if local else Mode.ACCOUNTS,
            compare=pairs,
            secure=secure,
            hosts=(*LOOPBACK, f"[{host}]" if ":" in host else host) if local else (),
        )
        ready = partial(_tell_address, dataset, browser=local and not no_browser)
        run(create_app(settings, store), host, port, certificate=certificate, key=key, ready=ready)


def _tell_address(dataset: Path, address: str, *, browser: bool) -> None:
    """Say where the review is; show it where there is a screen."""
    import os
    import sys
    import webbrowser
    from threading import Thread

    typer.echo(f"review of {dataset}: {address} (Ctrl+C ends it)")
    screen = sys.platform != "linux" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if browser and screen:
        Thread(target=webbrowser.open, args=(address,), daemon=True).start()


def _warn_of_plain_http(secure: bool) -> None:
    if not secure:
        typer.secho(
            "warning: without TLS passwords and CTs cross the network readable by anybody on the way; give "
            "--certificate and --key, or put a proxy before it (--behind-proxy)",
            fg=typer.colors.YELLOW,
            err=True,
        )


def _pairs(compare: list[str] | None) -> dict[str, Path]:
    """Name to folder; a folder given alone is called as it is called on disk."""
    pairs = {}
    for option in compare or []:
        name, found, folder = option.partition("=")
        if not found:
            name, folder = Path(option).resolve().name, option
        if not name or not folder:
            raise typer.BadParameter(
                f"expected FOLDER or NAME=FOLDER, found {option!r}", param_hint="--compare"
            )
        if name in pairs:
            raise typer.BadParameter(
                f"two folders called {name}; give one another name, NAME=FOLDER", param_hint="--compare"
            )
        pairs[name] = Path(folder)
    return pairs


def _check_tls(certificate: Path | None, key: Path | None) -> None:
    if (certificate is None) is not (key is None):
        raise typer.BadParameter(
            "a certificate goes with its key; give both", param_hint="--certificate / --key"
        )
    for path, name in ((certificate, "--certificate"), (key, "--key")):
        if path is not None and not path.is_file():
            raise typer.BadParameter(f"{path} is no file", param_hint=name)


def _check_accounts(store: Store, dataset: Path, host: str) -> None:
    from dapatlas.errors import DapatlasError

    if not any(reader.active and reader.has_password for reader in store.readers()):
        raise DapatlasError(
            f"refusing to serve {dataset} at {host}: no reader has a password, so anybody on the network could read "
            f"and decide; make one first: dapatlas review readers add {dataset} NAME --role admin"
        )


@app.command()
def prepare(
    dataset: DatasetArgument,
    compare: CompareOption = None,
    cache: CacheOption = None,
    scheme: SchemeOption = "dap",
    jobs: JobsOption = None,
    force: Annotated[bool, typer.Option("--force", help="Look at every case again, ready or not.")] = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Make the coarse volumes of all cases ahead, so that no reader waits for them.

    Interrupted? Run it again: cases that are ready stay. Exit code 1 when a case cannot be prepared.

    **Examples**

        dapatlas review prepare DAP_Atlas --jobs 4

        dapatlas review prepare DAP_Atlas --compare before=DAP_Atlas_v1
    """
    from dapatlas.cli.progress import case_progress
    from dapatlas.dataset import Dataset
    from dapatlas.labels import find_scheme
    from dapatlas.pipeline.reviewing import prepare_layers

    opened = Dataset(dataset, find_scheme(scheme))
    with case_progress("preparing", quiet=quiet or as_json) as progress:
        outcomes = prepare_layers(
            opened, _pairs(compare), cache=cache, jobs=jobs, force=force, progress=progress
        )
    failed = {outcome.case: outcome.error for outcome in outcomes if outcome.state == "failed"}
    states = [outcome.state for outcome in outcomes]
    if as_json:
        print_json({"cases": len(outcomes), "done": states.count("done"), "failed": failed})
    elif not quiet:
        ready = len(outcomes) - len(failed)
        typer.echo(
            f"{count(ready, 'case')} ready, {states.count('up to date')} of them since before; "
            f"{len(failed)} failed"
        )
    for case, error in failed.items():
        typer.secho(f"{case}: {error}", fg=typer.colors.RED, err=True)
    if failed:
        raise typer.Exit(1)


for command in (plan, status, report, export):
    app.command()(command)
