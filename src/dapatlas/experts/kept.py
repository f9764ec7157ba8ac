"""Label maps that an expert made itself and keeps: made again only when what they come from has changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from dapatlas import __version__
from dapatlas.files import write_json
from dapatlas.volumes import Grid, Header, read_label_map, write_label_map


@dataclass(frozen=True)
class Kept:
    """One kept map, with a file beside it that says what it was made from.

    Attributes
    ----------
    path
        Of the map, in NIfTI.
    made_from
        A fingerprint of everything that it depends on; see :func:`made_from`.
    """

    path: Path
    made_from: str

    @property
    def record(self) -> Path:
        """The file beside the map."""
        return self.path.with_name(self.path.name.removesuffix(".gz").removesuffix(".nii") + ".made.json")

    @property
    def is_fresh(self) -> bool:
        """Whether the map is there and nothing that it depends on has changed."""
        try:
            said = json.loads(self.record.read_text(encoding="utf-8"))
            return self.path.is_file() and bool(said["made_from"] == self.made_from)
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def read(self) -> NDArray[Any]:
        """The map; BadFileError where it was damaged meanwhile."""
        return read_label_map(self.path).array

    def write(
        self, label_map: NDArray[Any], grid: Grid, header: Header | None, about: Mapping[str, Any]
    ) -> None:
        """Write map and record; the record comes last, so that a map without one is made again.

        Parameters
        ----------
        label_map, grid, header
            As :func:`~dapatlas.volumes.write_label_map` takes them.
        about
            What else the record says, as JSON can hold it.
        """
        self.record.unlink(missing_ok=True)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_label_map(self.path, label_map, grid, header)
        write_json(self.record, {"made_from": self.made_from, "dapatlas": __version__, **about})


def made_from(files: Iterable[Path], settings: Mapping[str, Any]) -> str:
    """A short hash of files (path, size, time of last change) and settings, which JSON can hold."""
    stats = []
    for path in files:
        stat = path.stat()
        stats.append([str(path.resolve()), stat.st_size, stat.st_mtime_ns])
    text = json.dumps([stats, settings], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
