"""`dapatlas manifest`: list the files of a data set, and see later what became of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dapatlas.cli.options import JobsOption, JsonOption, QuietOption, print_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dapatlas.dataset.manifest_comparing import Change
    from dapatlas.dataset.manifest_writing import Written

app = typer.Typer(
    help="List every file of a data set, and see later which changed, are missing or new.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

DatasetArgument = Annotated[
    Path, typer.Argument(help="Folder with images/, masks/ and labels.json.", show_default=False)
]


@app.command()
def write(
    dataset: DatasetArgument,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="File; manifest.jsonl in the data set by default.", show_default=False
        ),
    ] = None,
    rehash: Annotated[bool, typer.Option("--rehash", help="Read every file again.")] = False,
    jobs: JobsOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Write the manifest: size, SHA-256, grid, type and label set of every file.

    Files that nobody changed since the last run (by place, size, time and inode) are not read again. A killed run
    goes on where it was. Exit code 1 when a file cannot be read: the manifest lists all others.

    **Examples**

        dapatlas manifest write DAP_Atlas

        dapatlas manifest write DAP_Atlas --out before.jsonl --rehash
    """
    from dapatlas.cli.progress import case_progress
    from dapatlas.dataset import Dataset
    from dapatlas.dataset.manifest_writing import write_manifest

    folder = Dataset(dataset).path
    with case_progress("listing", quiet=quiet) as progress:
        written = write_manifest(folder, out, rehash=rehash, jobs=jobs, progress=progress)
    if as_json:
        _print_written_json(written)
    elif not quiet:
        _print_written(written)
    if written.findings:
        raise typer.Exit(1)


@app.command()
def compare(
    dataset: DatasetArgument,
    against: Annotated[
        Path | None, typer.Option(help="A manifest; the one in the data set by default.", show_default=False)
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Compare sizes and headers only.")] = False,
    jobs: JobsOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Compare the files with a manifest: which changed, and what about them; which are missing; which are new.

    Reads every byte, unless `--quick`. Exit code 1 when anything differs.

    **Examples**

        dapatlas manifest compare DAP_Atlas

        dapatlas manifest compare DAP_Atlas --against before.jsonl --json

        dapatlas manifest compare DAP_Atlas --quick
    """
    from dapatlas.cli.progress import case_progress
    from dapatlas.dataset import Dataset
    from dapatlas.dataset.manifest import MANIFEST, read_manifest
    from dapatlas.dataset.manifest_comparing import compare_manifest

    folder = Dataset(dataset).path
    listed = read_manifest(against or folder / MANIFEST)
    with case_progress("comparing", quiet=quiet) as progress:
        changes = compare_manifest(folder, listed, quick=quick, jobs=jobs, progress=progress)
    if as_json:
        _print_changes_json(against or folder / MANIFEST, len(listed), changes, quick)
    elif not quiet:
        _print_changes(against or folder / MANIFEST, len(listed), changes, quick)
    if changes:
        raise typer.Exit(1)


def _print_written_json(written: Written) -> None:

    document = {
        "manifest": str(written.path),
        "files": len(written.entries),
        "bytes": sum(entry.size for entry in written.entries),
        "read": written.read,
        "findings": [finding.as_dict() for finding in written.findings],
    }
    print_json(document)


def _print_written(written: Written) -> None:
    from rich.markup import escape

    from dapatlas.cli.console import output
    from dapatlas.files import size_in_words

    console = output()
    for finding in written.findings:
        console.print(f"[red]{escape(finding.message)}[/]\n→ {escape(finding.remedy)}", soft_wrap=True)
    size = size_in_words(sum(entry.size for entry in written.entries))
    kept = len(written.entries) - written.read
    console.print(
        f"{len(written.entries)} files, {size}, in {escape(str(written.path))} "
        f"({written.read} read, {kept} as they were)",
        soft_wrap=True,
        highlight=False,
    )


def _counts(changes: Sequence[Change]) -> dict[str, int]:
    from dapatlas.dataset.manifest_comparing import Kind

    kinds = [change.kind for change in changes]
    return {kind.value: kinds.count(kind) for kind in Kind}


def _print_changes_json(manifest: Path, listed: int, changes: Sequence[Change], quick: bool) -> None:

    document = {"manifest": str(manifest), "listed": listed, "quick": quick, **_counts(changes)}
    document["changes"] = [change.as_dict() for change in changes]
    print_json(document)


def _print_changes(manifest: Path, listed: int, changes: Sequence[Change], quick: bool) -> None:
    from rich.table import Table
    from rich.text import Text

    from dapatlas.cli.console import output

    console = output()
    if changes:
        table = Table("", "file", "what changed", "", box=None, pad_edge=False)
        for change in changes:
            cells = (change.kind.value, change.file, ", ".join(change.what), change.said)
            table.add_row(*(Text(cell) for cell in cells))
        console.print(table)
    counts = ", ".join(f"{number} {kind}" for kind, number in _counts(changes).items())
    how = "by size and header" if quick else "by every byte"
    console.print(Text(f"{listed} files of {manifest}, compared {how}: {counts}"), soft_wrap=True)
