"""Surfaces of structures: a folder of STL or OBJ files a case, or one GLB file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from dapatlas.dataset import Case
from dapatlas.files import whole_folder
from dapatlas.formats.meshes import Surface, surface_of, write_scene, write_surface
from dapatlas.labels import Structure
from dapatlas.publish.exports import Export, Written
from dapatlas.volumes import Volume, measure


@dataclass(frozen=True)
class MeshesExport(Export):
    """``OUT/CASE/STRUCTURE.stl``, ``OUT/CASE/STRUCTURE.obj`` or ``OUT/CASE.glb``.

    Attributes
    ----------
    format
        ``stl``, ``obj`` or ``glb``.
    smooth
        Rounds of Taubin smoothing.
    """

    kind: ClassVar[str] = "meshes"

    format: str = "stl"
    smooth: int = 0

    def outputs(self, case: Case, out: Path) -> tuple[Path, ...]:
        """The case's folder, or its file."""
        return (out / (f"{case.id}.glb" if self.format == "glb" else case.id),)

    def settings(self) -> dict[str, Any]:
        """Also format and smoothing."""
        return {**super().settings(), "format": self.format, "smooth": self.smooth}

    def write(self, case: Case, out: Path) -> Written:
        """Write the surfaces, each found within its structure's box."""
        volume, lost = self.read(case)
        (path,) = self.outputs(case, out)
        surfaces = self._surfaces(volume)
        if self.format == "glb":
            scene = {structure.name: (surface, structure.colour) for structure, surface in surfaces}
            write_scene(path, scene)
            return Written(len(scene), lost)
        count = 0
        with whole_folder(path) as folder:
            for structure, surface in surfaces:
                write_surface(folder / f"{structure.name}.{self.format}", surface, structure.colour)
                count += 1
        return Written(count, lost)

    def _surfaces(self, volume: Volume) -> Iterator[tuple[Structure, Surface]]:
        for found in measure(volume.array, volume.grid):
            if found.id:
                mask = volume.array[found.box] == found.id
                yield (
                    self.labels.scheme[found.id],
                    surface_of(mask, found.box, volume.grid, smooth=self.smooth),
                )
