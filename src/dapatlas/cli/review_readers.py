"""`dapatlas review readers`: who may read, and as what."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from dapatlas.cli.options import JsonOption, print_json
from dapatlas.cli.review_words import DatabaseOption, DatasetArgument

if TYPE_CHECKING:
    from dapatlas.review.accounts import Reader

app = typer.Typer(
    help="Who may read, adjudicate, and run the review.", no_args_is_help=True, rich_markup_mode="markdown"
)


class ReaderRole(StrEnum):
    """The names of `dapatlas.review.accounts.Role`."""

    READER = "reader"
    ADJUDICATOR = "adjudicator"
    ADMIN = "admin"


NameArgument = Annotated[str, typer.Argument(help="A pseudonym such as `r-01`.", show_default=False)]
StdinOption = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input, its first line.")
]


@app.command()
def add(
    dataset: DatasetArgument,
    name: NameArgument,
    role: Annotated[ReaderRole, typer.Option(help="What they may do.")] = ReaderRole.READER,
    password_stdin: StdinOption = False,
    no_password: Annotated[
        bool, typer.Option("--no-password", help="None: they can read at this machine alone.")
    ] = False,
    database: DatabaseOption = None,
) -> None:
    """Make a reader; the password is asked for on the terminal.

    Passwords are never given as arguments, where other users of the machine could see them.

    **Examples**

        dapatlas review readers add DAP_Atlas r-01

        pass show atlas/chief | dapatlas review readers add DAP_Atlas chief --role admin --password-stdin
    """
    from dapatlas.dataset import Dataset
    from dapatlas.pipeline.reviewing import review_store

    if no_password and password_stdin:
        raise typer.BadParameter("with a password or without; give one of them", param_hint="--no-password")
    with review_store(Dataset(dataset).path, database) as store:
        from dapatlas.review.accounts import Role

        password = None if no_password else _password(password_stdin)
        _tell(store.add_reader(name, Role(role.value), password))


@app.command()
def change(
    dataset: DatasetArgument,
    name: NameArgument,
    role: Annotated[ReaderRole | None, typer.Option(help="What they may do.", show_default=False)] = None,
    active: Annotated[
        bool | None,
        typer.Option(
            "--activate/--deactivate", help="Whether they may log in; verdicts stay.", show_default=False
        ),
    ] = None,
    password: Annotated[
        bool, typer.Option("--password", help="Ask for a new password on the terminal.")
    ] = False,
    password_stdin: StdinOption = False,
    database: DatabaseOption = None,
) -> None:
    """Change a reader's role or password, or let them in no longer.

    A new password, or none to log in with any more, ends their logins at once.

    **Examples**

        dapatlas review readers change DAP_Atlas r-01 --role adjudicator

        dapatlas review readers change DAP_Atlas r-01 --password

        dapatlas review readers change DAP_Atlas r-01 --deactivate
    """
    from dapatlas.dataset import Dataset
    from dapatlas.pipeline.reviewing import review_store

    if role is None and active is None and not (password or password_stdin):
        raise typer.BadParameter("nothing to change; give --role, --password, --activate or --deactivate")
    with review_store(Dataset(dataset).path, database, new=False) as store:
        from dapatlas.review.accounts import Role

        secret = _password(password_stdin) if password or password_stdin else None
        wanted = None if role is None else Role(role.value)
        _tell(store.change_reader(name, role=wanted, active=active, password=secret))


@app.command("list")
def list_readers(
    dataset: DatasetArgument, database: DatabaseOption = None, as_json: JsonOption = False
) -> None:
    """List everybody who ever was a reader.

    **Examples**

        dapatlas review readers list DAP_Atlas
    """
    from rich.table import Table
    from rich.text import Text

    from dapatlas.cli.console import output
    from dapatlas.dataset import Dataset
    from dapatlas.pipeline.reviewing import review_store

    with review_store(Dataset(dataset).path, database, new=False) as store:
        found = store.readers()
    if as_json:
        print_json([each.as_dict() for each in found])
        return
    table = Table("reader", "role", "may log in", "password", "since", box=None, pad_edge=False)
    for each in found:
        words = ("yes" if each.active else "no", "yes" if each.has_password else "none")
        table.add_row(*map(Text, (each.name, each.role.value, *words, f"{each.created_at:%Y-%m-%d}")))
    output().print(table)


def _password(from_stdin: bool) -> str:
    """Ask for it, without showing it; or take the first line of standard input."""
    import sys

    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise typer.BadParameter("there is no terminal to ask for a password on; give --password-stdin")
    secret: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    return secret


def _tell(reader: Reader) -> None:
    may = "" if reader.active else ", may not log in"
    typer.echo(f"{reader.name}: {reader.role.value}{may}{'' if reader.has_password else ', no password'}")
