"""Label schemes in the forms that other programs read."""

from __future__ import annotations

import json
from collections.abc import Callable

from dapatlas.labels.scheme import LabelScheme

ITKSNAP_HEADER = """\
################################################
# ITK-SnAP Label Description File
# File format:
# IDX   -R-  -G-  -B-  -A--  VIS MSH  LABEL
# Fields:
#    IDX:   Zero-based index
#    -R-:   Red color component (0..255)
#    -G-:   Green color component (0..255)
#    -B-:   Blue color component (0..255)
#    -A-:   Label transparency (0.00 .. 1.00)
#    VIS:   Label visibility (0 or 1)
#    IDX:   Label mesh visibility (0 or 1)
#  LABEL:   Label description
################################################
"""


def slicer(scheme: LabelScheme) -> str:
    """3D Slicer colour table (``.ctbl``): id, name, red, green, blue, opacity.

    Columns are separated by a space, so spaces in a name become underscores, as Slicer itself writes them.
    """
    rows = [
        f"{s.id} {'_'.join(s.name.split())} {s.colour[0]} {s.colour[1]} {s.colour[2]} {255 if s.id else 0}\n"
        for s in scheme
    ]
    return f"# Color table file {scheme.name}.ctbl\n# {len(rows)} values\n{''.join(rows)}"


def itksnap(scheme: LabelScheme) -> str:
    """ITK-SNAP label descriptions: id, red, green, blue, opacity, visibility, mesh visibility, name.

    Background is the ``Clear Label`` that ITK-SNAP has in its place whatever a file says.
    """
    rows = []
    for structure in scheme:
        red, green, blue = structure.colour
        shown = int(structure.id > 0)
        label = structure.display_name.replace('"', "'") if shown else "Clear Label"
        rows.append(
            f'{structure.id:>5} {red:>5} {green:>4} {blue:>4} {shown:>8} {shown:>2} {shown:>2}    "{label}"\n'
        )
    return ITKSNAP_HEADER + "".join(rows)


def nnunet(scheme: LabelScheme) -> str:
    """Labels for nnU-Net v2's ``dataset.json``, and the way back.

    nnU-Net wants consecutive labels from 0, which is called ``background``; so ids move up where the scheme
    has gaps. ``labels`` goes into dataset.json; ``scheme_ids`` lists for each of those labels the id that it
    has in the scheme.
    """
    names = ["background", *scheme.names[1:]]
    labels = {name: label for label, name in enumerate(names)}
    ids = [structure.id for structure in scheme]
    return json.dumps({"labels": labels, "scheme_ids": ids}, indent=1, ensure_ascii=False) + "\n"


FORMATS: dict[str, Callable[[LabelScheme], str]] = {
    "json": LabelScheme.labels_json,
    "slicer": slicer,
    "itksnap": itksnap,
    "nnunet": nnunet,
}
