"""Check of ``labels.json`` against the label scheme."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from dapatlas.dataset.codes import Code, finding
from dapatlas.errors import first_few
from dapatlas.findings import Finding
from dapatlas.labels import LabelScheme, load_scheme, scheme_names

MAX_LISTED = 5  # differences spelt out in a message


def check_labels_json(path: Path, scheme: LabelScheme) -> Iterator[Finding]:
    """Does ``labels.json`` say of every id what the scheme says?"""
    expected = {str(structure.id): structure.name for structure in scheme}
    write = f"write it anew: Dataset({str(path.parent)!r}).write_labels()"
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        message = "there is no labels.json, so nobody can tell what the ids mean"
        yield finding("", Code.LABELS_MISSING, message, file=str(path), expected=path.name, remedy=write)
        return
    except (OSError, ValueError) as error:  # JSON and UTF-8 errors are ValueErrors
        message = f"labels.json cannot be read: {error}"
        yield finding("", Code.LABELS_UNREADABLE, message, file=str(path), expected="JSON", remedy=write)
        return
    if not isinstance(stored, dict):
        message = "labels.json is no object of id → name"
        yield finding("", Code.LABELS_UNREADABLE, message, file=str(path), expected="JSON", remedy=write)
    elif stored != expected:
        differences = _differences(expected, stored)
        found = first_few(differences, MAX_LISTED, "; ")
        yield finding(
            "",
            Code.LABELS_DIFFER,
            f"labels.json differs from the label scheme {scheme.name!r}: {found}",
            file=str(path),
            expected=f"the {len(expected)} names of the scheme {scheme.name!r}",
            found=found,
            remedy=_other_scheme(stored) or write,
        )


def _differences(expected: Mapping[str, str], stored: Mapping[str, object]) -> list[str]:
    """What is wrong with each id, in the order of the scheme, then what is too much."""
    wrong = [
        f"id {label} is {stored[label]!r} instead of {name!r}"
        if label in stored
        else f"id {label} ({name}) is missing"
        for label, name in expected.items()
        if stored.get(label) != name
    ]
    return wrong + [
        f"{label!r}: {name!r} is too much" for label, name in stored.items() if label not in expected
    ]


def _other_scheme(stored: Mapping[str, object]) -> str:
    """Advice where ``labels.json`` is that of another scheme that we know; empty otherwise."""
    for name in scheme_names():
        if stored == {str(structure.id): structure.name for structure in load_scheme(name)}:
            return f"these are the names of the scheme {name!r}: validate with --scheme {name}"
    return ""
