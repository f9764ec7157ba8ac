"""Surfaces of structures in STL, OBJ and GLB, through scikit-image and trimesh.

Vertices are in mm of NIfTI's world (RAS): x grows to the patient's right, y to the front, z to the head. None of the
three formats says so by itself, and glTF's own convention (metres, y up) is not followed: numbers stay the patient's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dapatlas.extras import needed
from dapatlas.files import whole_file
from dapatlas.volumes import Box, Grid

EXTRA = "mesh"
FORMATS = ("stl", "obj", "glb")
SHRINK, GROW = 0.5, 0.52  # Taubin's two steps: the second undoes the shrinking of the first

Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """A closed surface of triangles.

    Attributes
    ----------
    vertices
        World mm (RAS), shape (n, 3).
    faces
        Three vertices each, counter-clockwise when seen from outside, shape (m, 3).
    """

    vertices: NDArray[np.float64]
    faces: NDArray[np.int64]


def surface_of(mask: NDArray[np.bool_], box: Box, grid: Grid, *, smooth: int = 0) -> Surface:
    """The surface of a structure by marching cubes, half-way between voxels inside and outside.

    Parameters
    ----------
    mask
        The structure within its box, with at least one voxel.
    box
        Slices along i, j, k of the grid. The surface is closed at the edge of the field of view.
    grid
        Of the whole volume.
    smooth
        Rounds of Taubin smoothing, which takes the stairs and keeps the volume; none by default.

    Raises
    ------
    DapatlasError
        scikit-image or trimesh is not installed.
    """
    measure = needed("skimage.measure", EXTRA, "to find surfaces")
    vertices, faces, _, _ = measure.marching_cubes(np.pad(mask, 1).astype(np.float32), 0.5)
    index = vertices.astype(np.float64) + [side.start - 1 for side in box]
    if np.linalg.det(grid.affine[:3, :3]) > 0:  # skimage's faces look outwards in a left-handed array
        faces = faces[:, ::-1]
    surface = Surface(grid.to_world(index), np.ascontiguousarray(faces, np.int64))
    return _smoothed(surface, smooth) if smooth else surface


def write_surface(path: Path, surface: Surface, colour: Colour) -> None:
    """Write one surface, whole or not at all; STL has no colours, OBJ gets them at every vertex.

    Parameters
    ----------
    path
        Ends in ``.stl`` or ``.obj``.
    surface, colour
        What to write; red, green, blue, 0…255.
    """
    mesh = _mesh(surface, colour)
    with whole_file(path) as scratch:
        data = mesh.export(file_type=path.suffix[1:])
        scratch.write_bytes(data.encode() if isinstance(data, str) else data)


def write_scene(path: Path, surfaces: Mapping[str, tuple[Surface, Colour]]) -> None:
    """Write named, coloured surfaces into one GLB file, whole or not at all."""
    trimesh = needed("trimesh", EXTRA, f"to write {path}")
    scene = trimesh.Scene()
    for name, (surface, colour) in surfaces.items():
        mesh = _mesh(surface, colour)
        material = trimesh.visual.material.PBRMaterial(
            name=name, baseColorFactor=[*colour, 255], metallicFactor=0.0, roughnessFactor=0.8
        )
        mesh.visual = trimesh.visual.TextureVisuals(material=material)
        scene.add_geometry(mesh, node_name=name, geom_name=name)
    with whole_file(path) as scratch:
        scratch.write_bytes(scene.export(file_type="glb"))


def _mesh(surface: Surface, colour: Colour | None = None) -> Any:
    trimesh = needed("trimesh", EXTRA, "to write surfaces")
    mesh = trimesh.Trimesh(surface.vertices, surface.faces, process=False)
    if colour is not None:
        mesh.visual.vertex_colors = np.tile(np.array([*colour, 255], np.uint8), (len(surface.vertices), 1))
    return mesh


def _smoothed(surface: Surface, rounds: int) -> Surface:
    smoothing = needed("trimesh.smoothing", EXTRA, "to smooth surfaces")
    mesh = smoothing.filter_taubin(_mesh(surface), lamb=SHRINK, nu=GROW, iterations=2 * rounds)
    return Surface(np.asarray(mesh.vertices, np.float64), surface.faces)
