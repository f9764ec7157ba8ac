"""`dapatlas card`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dapatlas.cli.options import JsonOption, QuietOption, SchemeOption, print_json
from dapatlas.cli.schedule import with_schedule

if TYPE_CHECKING:
    from dapatlas.dataset import Dataset
    from dapatlas.pipeline.carding import Carded
    from dapatlas.pipeline.engine import Schedule


@with_schedule
def card(
    dataset: Annotated[
        Path, typer.Argument(help="Folder with images/, masks/ and labels.json.", show_default=False)
    ],
    init: Annotated[
        bool, typer.Option("--init", help="Write a commented atlas.toml to fill in, and stop.")
    ] = False,
    scheme: SchemeOption = "dap",
    force: Annotated[
        bool, typer.Option("--force", help="Replace a README.md or croissant.json that somebody changed.")
    ] = False,
    online: Annotated[
        bool, typer.Option("--online", help="Ask the Hugging Face Hub whether it takes the card.")
    ] = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    *,
    schedule: Schedule,
) -> None:
    """Describe a data set: README.md as the Hugging Face Hub reads it, and croissant.json.

    Every fact is measured: subjects, shapes, spacings, labels, HU, sizes, splits. Name, licences, notes, citation and
    sources come from `atlas.toml` beside the data. Cases that were measured are measured again only when their
    files change. Run `dapatlas preview` first, so that the card has the sizes of the preview table. Exit code 1
    when a case cannot be measured (then no card is written), or something is wrong with the data.

    **Examples**

        dapatlas card DAP_Atlas

        dapatlas card my_atlas --init

        dapatlas card my_atlas --online --jobs 4
    """
    from dapatlas.cli.progress import case_progress
    from dapatlas.dataset import Dataset
    from dapatlas.findings import has_errors
    from dapatlas.labels import find_scheme
    from dapatlas.pipeline.carding import init_texts, make_card

    if init:
        path = init_texts(dataset)
        if not quiet:
            typer.echo(f"{path}: fill it in, then run `dapatlas card {dataset}`")
        return
    opened = Dataset(dataset, find_scheme(scheme))
    with case_progress("measuring", quiet=quiet or as_json) as progress:
        made = make_card(opened, jobs=schedule, force=force, online=online, progress=progress)
    if as_json:
        _print_json(opened, made)
    elif not quiet:
        _print_result(opened, made)
    if made.failed or has_errors(made.findings):
        raise typer.Exit(1)


def _print_json(dataset: Dataset, made: Carded) -> None:
    from dataclasses import asdict

    facts = made.facts
    document = {
        "dataset": str(dataset.path),
        "written": [str(path) for path in made.written],
        "failed": {outcome.case: outcome.error for outcome in made.failed},
        "facts": facts.dataset.as_dict() if facts else None,
        "bytes": facts.size if facts else None,
        "preview": asdict(facts.table) if facts and facts.table else None,
        "splits": [asdict(split) for split in facts.splits] if facts else [],
        "findings": [finding.as_dict() for finding in made.findings],
    }
    print_json(document)


def _print_result(dataset: Dataset, made: Carded) -> None:
    from rich.text import Text

    from dapatlas.cli.console import output

    console = output()
    for outcome in made.failed:
        story = Text.assemble((outcome.case, "red"), ": ", outcome.error)
        console.print(story, soft_wrap=True)
    colours = {"error": "red", "warning": "yellow", "info": "dim"}
    for finding in made.findings:
        words = Text.assemble(
            (finding.severity.value, colours[finding.severity.value]), f" {finding.message}"
        )
        words.append(f"\n  → {finding.remedy}", style="dim")
        console.print(words, soft_wrap=True)
    if made.facts is None:
        verdict = (
            f"no card was written: {len(made.failed)} of {len(made.outcomes)} cases could not be measured"
        )
    elif made.written:
        verdict = f"written: {', '.join(map(str, made.written))}"
    else:
        verdict = f"{dataset.path}: the card is up to date"
    console.print(Text(verdict), soft_wrap=True)
