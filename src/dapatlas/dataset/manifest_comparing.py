"""Does a data set still hold what its manifest lists? Changed, missing and new files, and what changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

from dapatlas.dataset.case import MASKS
from dapatlas.dataset.codes import Code, finding
from dapatlas.dataset.digests import sha256_of
from dapatlas.dataset.inspection import UNREADABLE
from dapatlas.dataset.manifest import Entry, case_of, header_entry, label_set, listed_files
from dapatlas.errors import BadLabelsError, first_few
from dapatlas.findings import Finding
from dapatlas.parallel import map_cases

MAX_LISTED = 12  # ids spelt out in a message

Progress = Callable[[int, int], None]


class Kind(StrEnum):
    """How a file and the manifest differ."""

    CHANGED = "changed"
    MISSING = "missing"
    NEW = "new"


@dataclass(frozen=True, slots=True)
class Change:
    """One file that is not as the manifest lists it.

    Attributes
    ----------
    file
        Name within the data set.
    kind
        Changed, missing or new.
    what
        What changed: ``grid``, ``dtype``, ``scale``, ``label-set``, ``header`` (it cannot be read any more), ``size``
        where nothing but the number of bytes was compared, ``bytes`` where other bytes make the same grid, type and
        label set. Empty of missing and new files.
    said
        The same for people.
    """

    file: str
    kind: Kind
    what: tuple[str, ...] = ()
    said: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Every field under its own name, ready for JSON."""
        return {"file": self.file, "change": self.kind.value, "what": list(self.what), "message": self.said}

    def as_finding(self, folder: Path) -> Finding:
        """What validation says of it."""
        code, expected, remedy = _WORDS[self.kind]
        verb = "changed: " if self.kind is Kind.CHANGED else ""
        return finding(
            case_of(self.file),
            code,
            f"{self.file} {verb}{self.said}",
            file=str(folder / self.file),
            expected=expected,
            found=", ".join(self.what) or self.kind.value,
            remedy=remedy,
        )


_ANEW = "if it was done on purpose, `dapatlas manifest write` lists the files anew"
_WORDS = {
    Kind.CHANGED: (
        Code.MANIFEST_CHANGED,
        "the file that the manifest lists",
        f"copy it from its source; {_ANEW}",
    ),
    Kind.MISSING: (Code.MANIFEST_MISSING, "a file that can be read", f"copy it from its source; {_ANEW}"),
    Kind.NEW: (Code.MANIFEST_NEW, "no other files than the manifest lists", f"take it away; {_ANEW}"),
}


def compare_manifest(
    folder: Path,
    listed: Mapping[str, Entry],
    *,
    quick: bool = False,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> list[Change]:
    """Compare the files of a data set with a manifest.

    Parameters
    ----------
    folder
        The data set.
    listed
        What the manifest says; see :func:`~dapatlas.dataset.manifest.read_manifest`.
    quick
        Go by size and header alone; by default every byte is read, whatever is remembered of the file.
    jobs
        Worker processes, by default as many as there are processors, and 1 where ``quick``.
    progress
        Called as ``progress(done, total)``, in listed files.

    Returns
    -------
    list of Change
        By name; empty where everything is as listed.
    """
    changes = new_files(folder, listed)
    if progress:
        progress(0, len(listed))
    compare = partial(compare_file, folder=folder, quick=quick)
    workers = jobs or 1 if quick else jobs
    for done, (entry, answer) in enumerate(map_cases(compare, listed.values(), workers), 1):
        if isinstance(answer, Exception):
            answer = Change(entry.file, Kind.MISSING, said=f"is listed, and could not be compared: {answer}")
        changes += [answer] if answer else []
        if progress:
            progress(done, len(listed))
    return sorted(changes, key=lambda change: change.file)


def new_files(folder: Path, listed: Mapping[str, Entry]) -> list[Change]:
    """Files of the data set that the manifest does not list."""
    return [
        Change(name, Kind.NEW, said="is not in the manifest")
        for name in listed_files(folder)
        if name not in listed
    ]


def compare_file(entry: Entry, folder: Path, quick: bool) -> Change | None:
    """Compare one file with its entry; None where it is as listed."""
    try:
        digest = "" if quick else sha256_of(folder / entry.file)
        if digest and digest == entry.sha256:
            return None
        now, why = header_entry(folder, entry.file)
    except OSError as error:
        why = error.strerror or str(error)
        return Change(entry.file, Kind.MISSING, said=f"is in the manifest and cannot be read ({why})")
    now = replace(now, sha256=digest)
    if why and entry.shape is not None:
        return Change(entry.file, Kind.CHANGED, ("header",), "it cannot be read as a volume any more")
    stories = _header_differences(entry, now)
    if not quick:
        stories |= _content_differences(entry, folder)
    if not stories and not quick:
        stories["bytes"] = f"other bytes{_same(entry)}"
    elif not stories and entry.size != now.size:
        stories["size"] = f"{now.size} bytes against {entry.size}"
    if not stories:
        return None
    said = "; ".join(stories.values())
    return Change(entry.file, Kind.CHANGED, tuple(stories), said)


def _header_differences(entry: Entry, now: Entry) -> dict[str, str]:
    """What of a volume's header is other than listed, in words, by name."""
    found = {}
    if (entry.shape, entry.affine) != (now.shape, now.affine):
        before, after = entry.grid, now.grid
        differences = after.differences(before) if before and after else ["none is listed"]
        found["grid"] = f"grid ({'; '.join(differences) or 'affine, by less than 0.001 mm'})"
    if entry.dtype != now.dtype:
        found["dtype"] = f"type {now.dtype or 'none'} against {entry.dtype or 'none'}"
    if entry.scale != now.scale:
        found["scale"] = f"scale factor {_factor(now)} against {_factor(entry)}"
    return found


def _content_differences(entry: Entry, folder: Path) -> dict[str, str]:
    """What of a label map's ids is other than listed."""
    if not entry.file.startswith(f"{MASKS}/"):
        return {}
    try:
        ids: tuple[int, ...] | None = label_set(folder / entry.file)
    except (BadLabelsError, *UNREADABLE):
        ids = None
    if ids == entry.ids:
        return {}
    if ids is None:
        return {"label-set": "it cannot be read as a label map any more"}
    before, after = set(entry.ids or ()), set(ids)
    parts = [("with", after - before), ("without", before - after)]
    said = " and ".join(f"{word} {_ids(some)}" for word, some in parts if some)
    return {"label-set": f"label set ({said})"}


def _same(entry: Entry) -> str:
    """What was compared and found to be as listed."""
    if entry.shape is None:
        return ""
    return ", the same grid, type and label set" if entry.ids else ", the same grid and type"


def _factor(entry: Entry) -> str:
    return "none" if entry.scale is None else f"{entry.scale[0]:g}, {entry.scale[1]:g}"


def _ids(some: set[int]) -> str:
    return first_few(sorted(some), MAX_LISTED)
