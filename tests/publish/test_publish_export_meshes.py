"""Surfaces, against balls whose volume and centre geometry gives, and read back by trimesh."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from export_cases import AFFINES, CASE, NAMES, anatomy, contents, small_dataset

from dapatlas.formats.meshes import surface_of
from dapatlas.labels import dap
from dapatlas.pipeline.exporting import export_cases
from dapatlas.publish.export_meshes import MeshesExport
from dapatlas.publish.exports import choose_labels
from dapatlas.volumes import Grid, measure

trimesh = pytest.importorskip("trimesh")
pytest.importorskip("skimage")

RADIUS_MM = 25.0
SHAPE = (64, 52, 44)
TURN = AFFINES["oblique"][:3, :3] / np.linalg.norm(AFFINES["oblique"][:3, :3], axis=0)


def grid(flip: int = 1) -> Grid:
    affine = np.eye(4)
    affine[:3, :3] = TURN * (1.0 * flip, 1.3, 2.0)
    affine[:3, 3] = (-40.0, 15.0, 700.0)
    return Grid(SHAPE, affine)


def ball(on: Grid, centre: np.ndarray) -> np.ndarray:
    points = on.to_world(np.moveaxis(np.indices(SHAPE), 0, -1))
    return np.linalg.norm(points - centre, axis=-1) < RADIUS_MM


def mesh_of(mask: np.ndarray, on: Grid, smooth: int = 0):
    found = measure(mask, on)[1]
    surface = surface_of(mask[found.box], found.box, on, smooth=smooth)
    return trimesh.Trimesh(surface.vertices, surface.faces, process=False)


@pytest.mark.parametrize("smooth", [0, 10])
@pytest.mark.parametrize("flip", [1, -1], ids=["right-handed", "left-handed"])
def test_a_ball_on_an_oblique_grid(flip: int, smooth: int):
    on = grid(flip)
    centre = on.to_world((32.3, 26.1, 20.7))
    mesh = mesh_of(ball(on, centre), on, smooth)
    assert mesh.is_watertight
    assert mesh.is_winding_consistent
    assert mesh.volume == pytest.approx(
        4 / 3 * np.pi * RADIUS_MM**3, rel=0.03
    )  # positive: normals look outwards
    assert np.linalg.norm(mesh.center_mass - centre) < 0.1
    outwards = np.einsum("ij,ij->i", mesh.face_normals, mesh.triangles_center - centre)
    assert outwards.min() > 0
    distances = np.linalg.norm(mesh.vertices - centre, axis=1)
    assert np.abs(distances - RADIUS_MM).max() < 2.0  # a voxel


def test_smoothing_takes_the_stairs():
    on = grid()
    mask = ball(on, on.to_world((32.3, 26.1, 20.7)))
    rough, smooth = (mesh_of(mask, on, rounds) for rounds in (0, 10))
    sphere = 4 * np.pi * RADIUS_MM**2
    assert smooth.area - sphere < 0.5 * (rough.area - sphere)


@pytest.mark.parametrize("what", ["whole volume", "corner voxel", "edge of the ball"])
def test_surfaces_are_closed_where_the_field_of_view_ends(what: str):
    on = grid()
    mask = np.zeros(SHAPE, np.bool_)
    if what == "whole volume":
        mask[:] = True
    elif what == "corner voxel":
        mask[0, -1, 0] = True
    else:
        mask = ball(on, on.to_world((0, 26, 20)))
    mesh = mesh_of(mask, on)
    assert mesh.is_watertight
    if what == "whole volume":  # half a voxel is missing along the twelve edges alone
        assert mesh.volume == pytest.approx(on.size * on.voxel_ml * 1000, rel=0.01)
    assert mesh.volume > 0


def export(folder: Path, kind: str, structures: tuple[str, ...] = (), out: str = "out") -> Path:
    dataset = small_dataset(folder / "atlas")
    made = MeshesExport(choose_labels(dap(), None, structures), format=kind, smooth=2)
    (outcome,) = export_cases(dataset, folder / out, made, jobs=1)
    assert outcome.error == ""
    return folder / out


def check_place(mesh, name: str) -> None:
    """The mesh lies around its structure, in mm of NIfTI's world."""
    where = np.argwhere(anatomy() == dap()[name].id)
    corners = where @ AFFINES["oblique"][:3, :3].T + AFFINES["oblique"][:3, 3]
    assert np.abs(mesh.bounds - [corners.min(axis=0), corners.max(axis=0)]).max() < 3.0


@pytest.mark.parametrize("kind", ["stl", "obj"])
def test_a_file_a_structure(tmp_path: Path, kind: str):
    folder = export(tmp_path, kind) / CASE
    assert sorted(path.name for path in folder.iterdir()) == sorted(f"{name}.{kind}" for name in NAMES)
    for name in NAMES:
        mesh = trimesh.load_mesh(folder / f"{name}.{kind}")
        assert mesh.is_watertight
        assert mesh.volume > 0
        check_place(mesh, name)
        if kind == "obj":
            assert (mesh.visual.vertex_colors[:, :3] == dap()[name].colour).all()


def test_one_glb_with_named_and_coloured_structures(tmp_path: Path):
    scene = trimesh.load_scene(export(tmp_path, "glb", ("liver", "costa_1_left")) / f"{CASE}.glb")
    assert scene.geometry.keys() == {"liver", "costa_1_left"}
    for name, mesh in scene.geometry.items():
        check_place(mesh, name)
        assert (mesh.visual.material.baseColorFactor[:3] == dap()[name].colour).all()
        assert (scene.graph[name][0] == np.eye(4)).all()


@pytest.mark.parametrize("kind", ["stl", "obj", "glb"])
def test_two_runs_give_the_same_bytes(tmp_path: Path, kind: str):
    assert contents(export(tmp_path, kind, out="one")) == contents(export(tmp_path, kind, out="two"))
