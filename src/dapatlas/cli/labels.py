"""`dapatlas labels`: look at label schemes, translate between them, export them."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dapatlas.cli.options import JsonOption, SchemeOption, print_json
from dapatlas.labels import (
    Absence,
    Code,
    LabelScheme,
    Link,
    Region,
    Relation,
    Side,
    Structure,
    TissueClass,
    find_scheme,
)

if TYPE_CHECKING:
    from rich.text import Text

app = typer.Typer(
    help="Label schemes: what a voxel value means, here and elsewhere.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

SCHEME_HELP = "a name out of `dapatlas labels schemes`, or a data set's `labels.json`"

RELATION_WORDS = {
    Relation.EQUAL: "equal",
    Relation.PART_OF: "part of",
    Relation.CONTAINS: "contains",
    Relation.NONE: "no counterpart",
}


ABSENCE_WORDS = {
    Absence.NOT_ANNOTATED: "may not have been annotated",
    Absence.TRULY_ABSENT: "means it is not there",
}


class Format(StrEnum):
    """What `export` writes; the names of `dapatlas.labels.export.FORMATS`."""

    JSON = "json"
    SLICER = "slicer"
    ITKSNAP = "itksnap"
    NNUNET = "nnunet"


@app.command("schemes")
def list_schemes(
    name: Annotated[
        str | None, typer.Argument(help="Show all of this scheme's header.", show_default=False)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List the label schemes that come with dapatlas, or say where one comes from.

    **Examples**

        dapatlas labels schemes

        dapatlas labels schemes amos
    """
    from dapatlas.labels import load_scheme, scheme_names

    schemes = [find_scheme(name)] if name else [load_scheme(known) for known in scheme_names()]
    headers = [_header(scheme) for scheme in schemes]
    if as_json:
        print_json(headers[0] if name else headers)
    elif name:
        _print_header(headers[0])
    else:
        _print_table(
            ["name", "ids", "title", "licence", "a missing label"],
            [[s.name, str(len(s)), s.title, s.licence, ABSENCE_WORDS[s.absent]] for s in schemes],
        )


def _header(scheme: LabelScheme) -> dict[str, Any]:
    return {
        "name": scheme.name,
        "title": scheme.title,
        "version": scheme.version,
        "ids": len(scheme),
        "licence": scheme.licence,
        "citation": scheme.citation,
        "home_page": scheme.home_page,
        "absent": scheme.absent,
        "layout": asdict(scheme.layout),
        "sources": scheme.sources,
    }


def _print_header(header: dict[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    from dapatlas.cli.console import output

    rows = header | {f"files: {key}": value for key, value in header["layout"].items() if value}
    del rows["layout"]
    rows["sources"] = "\n".join(header["sources"])
    rows["absent"] = f"{header['absent']}: {ABSENCE_WORDS[header['absent']]}"
    table = Table.grid(padding=(0, 2))
    for key, value in rows.items():
        table.add_row(key.replace("_", " "), Text(str(value)))
    output().print(table)


@app.command("list")
def list_structures(
    scheme: SchemeOption = "dap",
    region: Annotated[Region | None, typer.Option(help="Only this region of the body.")] = None,
    side: Annotated[Side | None, typer.Option(help="Only this side of the patient.")] = None,
    tissue: Annotated[TissueClass | None, typer.Option(help="Only this class of tissue.")] = None,
    search: Annotated[str | None, typer.Option(help="Only what has these words in a name or alias.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List the structures of a scheme, with their colours.

    **Examples**

        dapatlas labels list

        dapatlas labels list --region thorax --tissue bone --side left

        dapatlas labels list --search "left kidney"

        dapatlas labels list --scheme totalsegmentator --search rib --json
    """
    found = find_scheme(scheme).find(search, region=region, side=side, tissue=tissue)
    if as_json:
        print_json([_as_dict(structure) for structure in found])
        return
    if not found:
        typer.echo(f"no structure of {scheme} matches", err=True)
        return
    _print_table(
        ["", "id", "name", "shown as", "side", "region", "class", "SNOMED CT"],
        [_row(structure) for structure in found],
    )


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
    from rich.text import Text

    from dapatlas.cli.console import output

    found = find_scheme(scheme)[int(structure) if structure.isdecimal() else structure]
    if as_json:
        print_json(_as_dict(found))
        return
    console = output()
    console.print(_patch(found) + Text(f" {found.display_name}", style="bold"))
    for key, value in _facts(found).items():
        console.print(f"  {key:<14} {value}", highlight=False, markup=False, soft_wrap=True)


@app.command("map")
def show_crosswalk(
    source: Annotated[str, typer.Option("--from", help=f"Come from: {SCHEME_HELP}.")] = "totalsegmentator",
    target: Annotated[str, typer.Option("--to", help=f"Go to: {SCHEME_HELP}.")] = "dap",
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

    links = crosswalk(find_scheme(source), find_scheme(target))
    if as_json:
        print_json(links.as_dict())
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
    from dapatlas.labels.export import FORMATS

    text = FORMATS[to](find_scheme(scheme))
    if out is None:
        typer.echo(text, nl=False)  # to the byte what --out writes
    else:
        write_text(out, text)


def _as_dict(structure: Structure) -> dict[str, object]:
    return {
        "id": structure.id,
        "name": structure.name,
        "display_name": structure.display_name,
        "side": structure.side,
        "opposite": structure.opposite,
        "region": structure.region,
        "tissue": structure.tissue,
        "sex": structure.sex,
        "paired": structure.paired,
        "tubular": structure.tubular,
        "pieces": structure.pieces,
        "colour": structure.colour,
        "snomed": structure.snomed and structure.snomed._asdict(),
        "snomed_region": structure.snomed_region and structure.snomed_region._asdict(),
        "snomed_modifier": structure.snomed_modifier and structure.snomed_modifier._asdict(),
        "aliases": structure.aliases,
        "dap": structure.dap,
        "relation": structure.relation,
    }


def _facts(structure: Structure) -> dict[str, str]:
    """What there is to say of a structure, in words."""
    words = {"tubular": structure.tubular, "may be in several pieces": structure.pieces}
    facts = {
        "id": str(structure.id),
        "name": structure.name,
        "also called": ", ".join(structure.aliases),
        "side": "" if structure.side is Side.NONE else structure.side,
        "opposite": structure.opposite or "",
        "region": structure.region.replace("_", " "),
        "class": structure.tissue,
        "only in sex": structure.sex or "",
        "form": ", ".join(word for word, holds in words.items() if holds),
        "colour": "#{:02x}{:02x}{:02x}".format(*structure.colour),
        "SNOMED CT": _codes(structure),
    }
    if structure.dap != (structure.name,):
        facts["in dap"] = f"{RELATION_WORDS[structure.relation]} {', '.join(structure.dap)}".rstrip()
    return {key: value for key, value in facts.items() if value}


def _codes(structure: Structure) -> str:
    def said(code: Code | None) -> str:
        return f"{code.value} {code.meaning}" if code else ""

    parts = (said(structure.snomed), said(structure.snomed_region), said(structure.snomed_modifier))
    return ", ".join(filter(None, parts))


def _relation(link: Link) -> str:
    said = "one-to-many" if len(link.targets) > 1 else RELATION_WORDS[link.relation]
    return f"{said}, many-to-one" if link.many_to_one else said


def _patch(structure: Structure) -> Text:
    from rich.text import Text

    red, green, blue = structure.colour
    return Text("██", style=f"rgb({red},{green},{blue})")


def _row(structure: Structure) -> list[str | Text]:
    side = "" if structure.side is Side.NONE else structure.side
    code = structure.snomed.value if structure.snomed else ""
    shown = (structure.name, structure.display_name, side, structure.region, structure.tissue, code)
    return [_patch(structure), str(structure.id), *shown]


def _called(structure: Structure) -> str:
    return f"{structure.id} {structure.name}"


def _print_table(headers: list[str], rows: list[list[str]] | list[list[str | Text]]) -> None:
    from rich.table import Table
    from rich.text import Text

    from dapatlas.cli.console import output

    table = Table(*headers, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in row))
    output().print(table)
