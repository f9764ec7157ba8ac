"""`dapatlas doctor`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dapatlas.cli.options import JsonOption, print_json
from dapatlas.locations import is_remote, location

if TYPE_CHECKING:
    from rich.console import Console

    from dapatlas.pipeline.doctor import Diagnosis
    from dapatlas.pipeline.doctor_packages import Extra

COLOURS = {"ready": "green", "broken": "red", "partly": "yellow", "not installed": "dim"}


def doctor(
    folder: Annotated[
        Path, typer.Argument(parser=location, help="Where you want to write; or its URL.")
    ] = ".",  # type: ignore[assignment]  # it goes through the parser
    as_json: JsonOption = False,
) -> None:
    """Tell what is installed and works here: packages, extras, GPU, processors, memory, disk, write access.

    Every package that dapatlas uses, and that is installed, is imported once, in another process. An extra that is not
    installed is told with the command that installs it, and is no error. Exit code 1 when something that is installed
    doesn't work, or nothing can be written to FOLDER.

    **Examples**

        dapatlas doctor

        dapatlas doctor /data/atlas

        dapatlas doctor --json | jq -r '.troubles[]'
    """
    try:
        from dapatlas.pipeline.doctor import diagnose
    except ImportError as error:  # the core itself
        typer.echo(
            f"dapatlas cannot be used: {error}; mend it: pip install --force-reinstall dapatlas", err=True
        )
        raise typer.Exit(1) from None
    found = diagnose(folder)
    if as_json:
        print_json(found.as_dict())
    else:
        _print(found)
    if found.troubles:
        raise typer.Exit(1)


def _print(found: Diagnosis) -> None:
    from rich.text import Text

    from dapatlas.cli.console import output

    console = output()
    _print_machine(found, console)
    if not found.extras:
        console.print("\ndapatlas is not installed as a package, so nothing is known of its extras")
    for extra in found.extras:
        _print_extra(extra, console)
    console.print()
    for hint in found.hints:
        console.print(Text(f"hint: {hint}", style="yellow"), soft_wrap=True)
    for trouble in found.troubles:
        console.print(Text(f"broken: {trouble}", style="red"), soft_wrap=True)
    if not found.troubles:
        console.print(Text("nothing that is installed is broken", style="green"))


def _print_machine(found: Diagnosis, console: Console) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, show_header=False)
    memory = "unknown" if found.memory_gb is None else f"{found.memory_gb:.1f} GB free"
    free = "" if found.folder.free_gb is None else f"{found.folder.free_gb:.1f} GB free, "
    writes = "not tried" if is_remote(found.folder.path) else "can be written to"
    writes = "cannot be written to" if found.folder.trouble else writes
    pages = f"without {', '.join(found.pages_missing)}" if found.pages_missing else "complete"
    rows = (
        ("dapatlas", f"{found.dapatlas}, Python {found.python}, {found.system}"),
        ("processors", str(found.processors)),
        ("memory", memory),
        ("folder", f"{found.folder.path}: {free}{writes}"),
        ("GPU", _gpu(found)),
        ("review pages", pages),
    )
    for name, words in rows:
        table.add_row(Text(name, style="bold"), Text(words))
    console.print(table)


def _gpu(found: Diagnosis) -> str:
    if found.torch is None:
        return ", ".join(found.driver_gpus) or "unknown without torch"
    gpus = [f"{gpu['name']} ({gpu['memory_gb']:.0f} GB)" for gpu in found.torch["gpus"]]
    if found.torch.get("mps"):
        gpus.append("Apple's (mps)")
    return f"{', '.join(gpus) or 'none'} (torch {found.torch['version']})"


def _print_extra(extra: Extra, console: Console) -> None:
    from rich.padding import Padding
    from rich.text import Text

    head = Text.assemble(
        "\n", (extra.name or "core", "bold"), "  ", (extra.state, COLOURS[extra.state]), f"  {extra.purpose}"
    )
    console.print(head, soft_wrap=True)
    there = ", ".join(f"{p.name} {p.version}" for p in extra.packages if p.version is not None)
    if there:
        console.print(Padding(Text(there, style="dim"), (0, 0, 0, 4), expand=False))
    if extra.missing:
        console.print(
            Padding(Text(f"missing: {', '.join(extra.missing)}", style="yellow"), (0, 0, 0, 4), expand=False)
        )
    if extra.command:
        console.print(Text(f"    {extra.command}"), soft_wrap=True)
