"""Label schemes in the forms that other programs read."""

from __future__ import annotations

import json
from collections.abc import Callable

from dapatlas.labels.scheme import LabelScheme


def slicer(scheme: LabelScheme) -> str:
    """3D Slicer colour table (``.ctbl``): id, name, red, green, blue, opacity.

    Canonical names have no spaces, which is what the format asks for.
    """
    rows = [f"{s.id} {s.name} {_rgb(s.colour)} {255 if s.id else 0}" for s in scheme]
    return "\n".join([f"# Color table file {scheme.name}.ctbl", f"# {len(rows)} values", *rows]) + "\n"


def itksnap(scheme: LabelScheme) -> str:
    """ITK-SNAP label descriptions: id, red, green, blue, opacity, visibility, mesh visibility, name."""
    rule = "#" * 48
    head = [
        rule,
        "# ITK-SnAP Label Description File",
        "# File format:",
        "# IDX   -R-  -G-  -B-  -A--  VIS MSH  LABEL",
        rule,
    ]
    rows = [
        f"{s.id:>5} {s.colour[0]:>5} {s.colour[1]:>4} {s.colour[2]:>4} {int(s.id > 0):>8} {int(s.id > 0):>2} "
        f'{int(s.id > 0):>2}    "{s.display_name if s.id else "Clear Label"}"'
        for s in scheme
    ]
    return "\n".join([*head, *rows]) + "\n"


def nnunet(scheme: LabelScheme) -> str:
    """Labels for nnU-Net v2's ``dataset.json``, and the way back.

    nnU-Net wants consecutive labels from 0, so ids move up where the scheme has gaps: ``labels`` goes into
    dataset.json, ``scheme_ids`` lists for each of those labels the id that it has in the scheme.
    """
    labels = {structure.name: label for label, structure in enumerate(scheme)}
    return (
        json.dumps({"labels": labels, "scheme_ids": [structure.id for structure in scheme]}, indent=1) + "\n"
    )


FORMATS: dict[str, Callable[[LabelScheme], str]] = {
    "json": LabelScheme.labels_json,
    "slicer": slicer,
    "itksnap": itksnap,
    "nnunet": nnunet,
}


def _rgb(colour: tuple[int, int, int]) -> str:
    return " ".join(map(str, colour))
