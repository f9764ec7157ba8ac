"""`dapatlas labels`: look at label schemes, translate between them, export them."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

if TYPE_CHECKING:
    from dapatlas.labels import Link, Structure

app = typer.Typer(
    help="Label schemes: what a voxel value means, here and elsewhere.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

Member = TypeVar("Member", bound=StrEnum)

SchemeOption = Annotated[
    str, typer.Option("--scheme", "-s", help="Label scheme; see `dapatlas labels schemes`.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


class Format(StrEnum):
    """What `export` writes; the names of `dapatlas.labels.export.FORMATS`."""

    JSON = "json"
    SLICER = "slicer"
    ITKSNAP = "itksnap"
    NNUNET = "nnunet"


@app.command("schemes")
def list_schemes(as_json: JsonOption = False) -> None:
    """List the label schemes that come with dapatlas."""
    from dapatlas.labels import load_scheme, scheme_names

    schemes = [load_scheme(name) for name in scheme_names()]
    if as_json:
        _print_json(
            [{"name": s.name, "title": s.title, "ids": len(s), "home_page": s.home_page} for s in schemes]
        )
        return
    _print_table(
        ["name", "ids", "title", "licence", "home page"],
        [[s.name, str(len(s)), s.title, s.licence, s.home_page] for s in schemes],
    )


@app.command("list")
def list_structures(
    scheme: SchemeOption = "dap",
    region: Annotated[str | None, typer.Option(help="Only this body region, e.g. `thorax`.")] = None,
    side: Annotated[str | None, typer.Option(help="Only `left`, `right` or `none`.")] = None,
    tissue: Annotated[str | None, typer.Option(help="Only this tissue class, e.g. `bone`.")] = None,
    search: Annotated[str | None, typer.Option(help="Only names and aliases that hold this text.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List the structures of a scheme, with their colours.

    **Examples**

        dapatlas labels list

        dapatlas labels list --region thorax --tissue bone

        dapatlas labels list --scheme totalsegmentator --search rib --json
    """
    from dapatlas.labels import Region, Side, TissueClass, load_scheme

    wanted_region, wanted_side = _member(Region, region, "--region"), _member(Side, side, "--side")
    wanted_tissue = _member(TissueClass, tissue, "--tissue")
    found = [
        structure
        for structure in load_scheme(scheme)
        if wanted_region in (None, structure.region)
        and wanted_side in (None, structure.side)
        and wanted_tissue in (None, structure.tissue)
        and any((search or "").lower() in name.lower() for name in (structure.name, *structure.aliases))
    ]
    if as_json:
        _print_json([_as_dict(structure) for structure in found])
        return
    headers = ["", "id", "name", "shown as", "side", "region", "class", "SNOMED CT"]
    _print_table(headers, [_row(structure) for structure in found])


@app.command()
def show(
    structure: Annotated[str, typer.Argument(help="Name, alias or id.", show_default=False)],
    scheme: SchemeOption = "dap",
    as_json: JsonOption = False,
) -> None:
    """Show all that is known of one structure.

    **Examples**

        dapatlas labels show liver

        dapatlas labels show 67

        dapatlas labels show rib_left_12
    """
    from dapatlas.cli.console import output
    from dapatlas.labels import load_scheme

    found = load_scheme(scheme)[int(structure) if structure.isdigit() else structure]
    if as_json:
        _print_json(_as_dict(found))
        return
    console = output()
    console.print(f"{_patch(found)} [bold]{found.display_name}[/]")
    for key, value in _as_dict(found).items():
        if value not in (None, [], ""):
            text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            console.print(f"  {key.replace('_', ' '):<16} {text}", highlight=False)


@app.command("map")
def show_crosswalk(
    source: Annotated[str, typer.Option("--from", help="Scheme to come from.")] = "totalsegmentator",
    target: Annotated[str, typer.Option("--to", help="Scheme to go to.")] = "dap",
    as_json: JsonOption = False,
) -> None:
    """Show what the structures of one scheme are called in another.

    JSON is an object: source name to list of target names; more than one where the target scheme divides
    the structure, none where it has no counterpart.

    **Examples**

        dapatlas labels map --from totalsegmentator --to dap

        dapatlas labels map --from dap --to totalsegmentator_v1 --json
    """
    from dapatlas.labels import crosswalk

    links = crosswalk(source, target)
    if as_json:
        _print_json(links.as_dict())
        return
    rows = [
        [
            _called(link.source),
            "→" if link.targets else "",
            ", ".join(map(_called, link.targets)),
            _relation(link),
        ]
        for link in links
        if link.source.id
    ]
    _print_table([links.source.name, "", links.target.name, "relation"], rows)


@app.command()
def export(
    to: Annotated[Format, typer.Option("--format", "-f", help="What to write.")] = Format.JSON,
    scheme: SchemeOption = "dap",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File; standard output by default.")] = None,
) -> None:
    """Export a scheme: labels.json, 3D Slicer colour table, ITK-SNAP label descriptions, nnU-Net labels.

    **Examples**

        dapatlas labels export --format slicer --out dap.ctbl

        dapatlas labels export --format itksnap --out dap.label

        dapatlas labels export --format nnunet
    """
    from dapatlas.files import write_text
    from dapatlas.labels import load_scheme
    from dapatlas.labels.export import FORMATS

    text = FORMATS[to](load_scheme(scheme))
    if out is None:
        typer.echo(text, nl=not text.endswith("\n"))
    else:
        write_text(out, text)


def _as_dict(structure: Structure) -> dict[str, object]:
    return {
        "id": structure.id,
        "name": structure.name,
        "display_name": structure.display_name,
        "side": str(structure.side),
        "opposite": structure.opposite,
        "region": str(structure.region),
        "tissue": str(structure.tissue),
        "sex": structure.sex and str(structure.sex),
        "paired": structure.paired,
        "tubular": structure.tubular,
        "pieces": structure.pieces,
        "colour": list(structure.colour),
        "snomed": list(structure.snomed) if structure.snomed else None,
        "snomed_modifier": list(structure.snomed_modifier) if structure.snomed_modifier else None,
        "aliases": list(structure.aliases),
    }


def _relation(link: Link) -> str:
    words = {"part_of": "part of", "contains": "one-to-many", "none": "no counterpart"}
    said = words.get(link.relation, str(link.relation))
    return f"{said}, many-to-one" if link.many_to_one and link.targets else said


def _member(kind: type[Member], value: str | None, option: str) -> Member | None:
    if value is None:
        return None
    try:
        return kind(value)
    except ValueError:
        known = ", ".join(kind)
        raise typer.BadParameter(f"{value!r} is none of {known}", param_hint=option) from None


def _patch(structure: Structure) -> str:
    red, green, blue = structure.colour
    return f"[rgb({red},{green},{blue})]██[/]"


def _row(structure: Structure) -> list[str]:
    side = "" if structure.side == "none" else structure.side
    code = structure.snomed.value if structure.snomed else ""
    shown = (structure.name, structure.display_name, side, structure.region, structure.tissue, code)
    return [_patch(structure), str(structure.id), *shown]


def _called(structure: Structure) -> str:
    return f"{structure.id} {structure.name}"


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, indent=1, ensure_ascii=False))


def _print_table(headers: list[str], rows: list[list[str]]) -> None:
    from rich.table import Table

    from dapatlas.cli.console import output

    table = Table(*headers, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    output().print(table)
