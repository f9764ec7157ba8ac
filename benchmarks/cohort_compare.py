"""Whether two runs of the same stages left the same bytes."""

from __future__ import annotations

import hashlib
from pathlib import Path

# What may differ, and why: times are of the run, and so is what goes by them.
OF_THE_RUN = {
    ".dapatlas/journal.sqlite": "when and how long",
    ".dapatlas/journal.sqlite-wal": "when and how long",
    ".dapatlas/journal.sqlite-shm": "when and how long",
    ".dapatlas/preview/table.json": "times of the files that the table was made from",
}


def comparison(one: Path, other: Path) -> list[str]:
    """Lines of Markdown: how many files of each kind are the same, and every one that is not."""
    ours, theirs = _digests(one), _digests(other)
    lines = ["| files | both have | same bytes |", "|---|--:|--:|"]
    kinds: dict[str, list[str]] = {}
    for name in sorted(ours.keys() & theirs.keys()):
        if not _of_the_run(name):
            kinds.setdefault(_kind(name), []).append(name)
    for kind, names in kinds.items():
        same = sum(ours[name] == theirs[name] for name in names)
        lines.append(f"| {kind} | {len(names)} | {same} |")
    lines.append("")
    lines += [f"- only one has {name}" for name in sorted(ours.keys() ^ theirs.keys())]
    for name in sorted(ours.keys() & theirs.keys()):
        if ours[name] != theirs[name]:
            lines.append(f"- {name} differs: {_of_the_run(name) or '**it must not**'}")
    return lines


def _of_the_run(name: str) -> str:
    """Why a file may differ; empty where it must not."""
    return next((why for tail, why in OF_THE_RUN.items() if name.endswith(tail)), "")


def _kind(name: str) -> str:
    folder, _, file = name.rpartition("/")
    return f"{folder}/*{''.join(Path(file).suffixes[-2:])}"


def _digests(folder: Path) -> dict[str, str]:
    """Of every file below, by its name from there; a link counts by where it leads."""
    found = {}
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = str(path.readlink())
        elif path.is_file() and path.name != "lock":
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found
