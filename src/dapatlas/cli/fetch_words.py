"""What `dapatlas fetch` says: tables, what a source offers, progress in bytes, how it ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from dapatlas.cli.options import print_json

if TYPE_CHECKING:
    from rich.progress import TaskID

    from dapatlas.ingest.fetch.nbia_series import Fetched
    from dapatlas.ingest.fetch.offer import Offer
    from dapatlas.ingest.fetch.sources import Part

Report = Callable[[str, int, "int | None"], None]


@contextmanager
def byte_progress(*, quiet: bool) -> Iterator[Report]:
    """A bar in bytes with speed and time left; silent where stderr is no terminal.

    Gives a function that takes what is being fetched, how many bytes are there, and of how many.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns, console=console, disable=quiet or not console.is_terminal, transient=True
    ) as bars:
        tasks: dict[str, TaskID] = {}

        def report(name: str, done: int, total: int | None) -> None:
            if name not in tasks:
                for old in tasks.values():
                    bars.update(old, visible=False)
                tasks[name] = bars.add_task(name, total=total)
            bars.update(tasks[name], completed=done, total=total)

        yield report


def print_parts(known: dict[str, Part], *, as_json: bool) -> None:
    """A table of what can be fetched."""
    from rich.table import Table
    from rich.text import Text

    from dapatlas.cli.console import output

    if as_json:
        print_json({"parts": [part.model_dump(mode="json") for part in known.values()]})
        return
    table = Table("part", "what", "size", "licence", "how", box=None, pad_edge=False)
    for part in known.values():
        words = (part.name, part.title, part.size, part.licence, part.how)
        table.add_row(*map(Text, words))
    output().print(table)
    for part in known.values():  # no column: an address in two pieces leads nowhere
        typer.echo(f"{part.name}: {part.page}")
    typer.echo("`dapatlas fetch PART` tells more; `dapatlas fetch PART DEST` fetches it")


def describe(part: Part, *, as_json: bool) -> None:
    """All that is known of one part."""
    if as_json:
        print_json(part.model_dump(mode="json"))
        return
    typer.echo(f"{part.name}: {part.title}")
    typer.echo(f"holds:    {part.holds}; {part.size}")
    typer.echo(f"licence:  {part.licence} ({part.licence_url}), stated by {part.licence_from}")
    typer.echo(f"page:     {part.page}")
    typer.echo(f"comes as: {part.how}")
    for file in part.files:
        checksum = f"; SHA-256 {file.sha256}, from {file.checksum_from}" if file.sha256 else ""
        typer.echo(f"file:     {file.name} from {file.url} (found in: {file.found_in}){checksum}")
    for note in part.notes:
        typer.echo(f"note:     {note}")
    for step in part.by_hand:
        typer.echo(f"by hand:  {step}")
    typer.echo(f"cite:     {part.citation}")


def print_offer(wanted: Part, offer: Offer) -> None:
    """What the source has, on stderr."""
    from dapatlas.files import size_in_words

    if offer.series:
        subjects = len({series.patient for series in offer.series})
        studies = len({series.study_uid for series in offer.series})
        size = size_in_words(offer.bytes)
        typer.echo(
            f"{len(offer.series)} series of {studies} studies of {subjects} subjects, {size}", err=True
        )
    for file in offer.files:
        size = size_in_words(file.bytes) if file.bytes else wanted.size
        typer.echo(f"{file.name}, {size}, from {file.url}", err=True)
    for licence in offer.licences:
        typer.echo(f"licence, as the server states it: {licence}", err=True)


def offer_as_dict(offer: Offer) -> dict[str, Any]:
    """For JSON."""
    from dataclasses import asdict

    return {
        "bytes": offer.bytes,
        "licences": list(offer.licences),
        "files": [file.model_dump(mode="json") for file in offer.files],
        "series": [{**asdict(series), "case": series.case} for series in offer.series],
    }


def tell(wanted: Part, files: Sequence[Path], ended: Sequence[Fetched], untried: int, dest: Path) -> None:
    """How it ended."""
    for file in files:
        typer.echo(f"{file} is there and whole")
    if ended:
        counts = [sum(one.state == state for one in ended) for state in ("done", "there already", "failed")]
        typer.echo(f"{counts[0]} series fetched to {dest}, {counts[1]} were there, {counts[2]} failed")
    for one in ended:
        if one.state == "failed":
            typer.echo(f"{one.code}: {one.series.case or one.series.uid}: {one.error}")
    if untried:
        typer.echo(f"{untried} series were not tried; mend it, then run the same command again")
    elif wanted.next:
        typer.echo(f"next: {wanted.next.format(dest=files[0] if files else dest)}")
