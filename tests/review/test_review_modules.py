"""The pages' modules that need no browser, run by node and compared with numpy and nibabel."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

WEB = Path(__file__).parents[2] / "src" / "dapatlas" / "review" / "web"
NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(NODE is None, reason="needs node")


def js(script: str, **given: Any) -> Any:
    """What a script gives back through ``tell``; ``given`` are its constants."""
    head = "".join(f"const {name} = {json.dumps(value)};\n" for name, value in given.items())
    script = f"const tell = (it) => process.stdout.write(JSON.stringify(it));\n{head}{script}"
    assert NODE is not None
    done = subprocess.run(
        [NODE, "--input-type=module", "-e", script], capture_output=True, text=True, cwd=WEB, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def oblique() -> np.ndarray[Any, Any]:
    turn = nib.eulerangles.euler2mat(0.4, -0.3, 0.2)
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([-0.8, 0.9, 2.5])[[1, 0, 2]]
    affine[:3, 3] = [-120.5, 33.25, 400]
    return affine


def test_matrices_are_inverted_and_multiplied(oblique: np.ndarray[Any, Any]) -> None:
    told = js(
        """import { applied, inverse, times } from "./viewer/matrix.js";
        tell([inverse(m), times(m, inverse(m)), applied(m, [3, 4, 5])]);""",
        m=oblique.tolist(),
    )
    np.testing.assert_allclose(told[0], np.linalg.inv(oblique), atol=1e-12)
    np.testing.assert_allclose(told[1], np.eye(4), atol=1e-12)
    np.testing.assert_allclose(told[2], nib.affines.apply_affine(oblique, [3, 4, 5]))


@pytest.mark.parametrize(("qform", "sform"), [(1, 1), (2, 1), (1, 2), (1, 0), (0, 1)])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "float32"])
def test_volumes_are_read_as_nibabel_does(
    tmp_path: Path, oblique: np.ndarray[Any, Any], qform: int, sform: int, dtype: str
) -> None:
    voxels = np.arange(2 * 3 * 4).reshape(2, 3, 4).astype(dtype)
    image = nib.Nifti1Image(voxels, oblique)
    image.set_sform(oblique, sform)
    image.set_qform(np.diag([2.0, 3.0, -4.0, 1.0]) if qform > sform else oblique, qform)
    nib.save(image, tmp_path / "v.nii.gz")
    told = js(
        """import { readFileSync } from "node:fs";
        import { fetchVolume } from "./viewer/nifti.js";
        globalThis.fetch = async () => new Response(readFileSync(path));
        const { shape, affine, data, slope, inter } = await fetchVolume("x");
        tell({ shape, affine, slope, inter, data: [...data], type: data.constructor.name });""",
        path=str(tmp_path / "v.nii.gz"),
    )
    expected = image.get_qform() if qform > sform else image.get_sform() if sform else image.get_qform()
    np.testing.assert_allclose(told["affine"], expected, atol=1e-4)
    assert told["shape"] == [2, 3, 4]
    assert told["data"] == voxels.ravel(order="F").tolist()
    assert (told["slope"], told["inter"]) == (1, 0)
    assert told["type"].lower().removesuffix("array") == dtype


def test_a_file_that_ends_too_early_is_told(tmp_path: Path) -> None:
    nib.save(nib.Nifti1Image(np.zeros((4, 4, 4), np.int16), np.eye(4)), tmp_path / "v.nii")
    (tmp_path / "v.nii.gz").write_bytes(gzip.compress((tmp_path / "v.nii").read_bytes()[:-10]))
    told = js(
        """import { readFileSync } from "node:fs";
        import { fetchVolume } from "./viewer/nifti.js";
        globalThis.fetch = async () => new Response(readFileSync(path));
        await fetchVolume("x").catch((error) => tell(error.message));""",
        path=str(tmp_path / "v.nii.gz"),
    )
    assert "ends before its voxels do" in told


def test_hounsfield_units_are_scaled_rounded_and_kept_in_sixteen_bits(tmp_path: Path) -> None:
    image = nib.Nifti1Image(np.array([0, 5, -7, 20000], np.int16).reshape(4, 1, 1), np.eye(4))
    image.header.set_slope_inter(2.5, -1000)
    nib.save(image, tmp_path / "v.nii.gz")
    levels = [{"step": 1, "url": "x", "shape": [4, 1, 1]}]
    told = js(
        """import { readFileSync } from "node:fs";
        import { Layers } from "./viewer/layers.js";
        globalThis.fetch = async () => new Response(readFileSync(path));
        const layers = new Layers([{ name: "ct", kind: "ct", levels }]);
        const level = await layers.load("ct", 1);
        tell([level.data.constructor.name, [...level.data], level.at([1.4, 0, 0]), level.at([4, 0, 0]), layers.finest("ct") === level]);""",
        path=str(tmp_path / "v.nii.gz"),
        levels=levels,
    )
    assert told == ["Int16Array", [-1000, -987, -1017, 32767], -987, None, True]  # -987.5 and -1017.5 go up


@pytest.mark.parametrize(
    ("detail", "memory", "shape", "panes", "expected"),
    [
        ("auto", 8, [512, 512, 390], 1, [True, True, True]),
        ("auto", 8, [512, 512, 390], 2, [True, True, True]),
        ("auto", 8, [512, 512, 1200], 1, [True, True, False]),
        ("auto", 4, [512, 512, 390], 1, [True, True, False]),
        ("half", 8, [512, 512, 390], 1, [True, True, False]),
        ("full", 4, [512, 512, 1200], 1, [True, True, True]),
        ("full", 8, [512, 512, 4100], 1, [True, False, False]),
    ],
)
def test_levels_beyond_the_device_are_left_out(
    detail: str, memory: int, shape: list[int], panes: int, expected: list[bool]
) -> None:
    levels = [{"step": step, "url": "x", "shape": [-(-n // step) for n in shape]} for step in (4, 2, 1)]
    told = js(
        """Object.defineProperty(globalThis, "navigator", { value: { deviceMemory: memory } });
        globalThis.localStorage = { getItem: () => JSON.stringify(detail) };
        const { Layers } = await import("./viewer/layers.js");
        const { Refining } = await import("./viewer/refining.js");
        const layers = new Layers([{ name: "ct", kind: "ct", levels }]);
        const refining = new Refining(layers, Array(panes).fill({ planes: { largest: 2048 } }));
        tell([4, 2, 1].map((step) => refining.fits("ct", step)));""",
        detail=detail,
        memory=memory,
        levels=levels,
        panes=panes,
    )
    assert told == expected


@pytest.mark.parametrize("axes", ["RAS", "LPS", "PIR", "LSA", "IPR"])
def test_the_array_axis_along_each_axis_of_the_world(axes: str) -> None:
    affine = nib.orientations.inv_ornt_aff(nib.orientations.axcodes2ornt(tuple(axes)), (10, 20, 30))
    affine = np.linalg.inv(affine) @ np.diag([1, 1, 1, 1])
    tilt = np.eye(4)
    tilt[:3, :3] = nib.eulerangles.euler2mat(0.35, 0.2, -0.1)
    told = js(
        'import { axisAlong } from "./viewer/grid.js"; tell([0, 1, 2].map((world) => axisAlong(m, world)));',
        m=(tilt @ affine).tolist(),
    )
    codes = nib.orientations.io_orientation(tilt @ affine)[:, 0].astype(int).tolist()
    assert told == [codes.index(world) for world in range(3)]


def test_boxes_between_two_corners_hold_both() -> None:
    told = js('import { boxOf } from "./viewer/grid.js"; tell(boxOf([5, 2, 9], [3, 2, 11]));')
    assert told == [[3, 6], [2, 3], [9, 12]]


@pytest.mark.parametrize("world", [0, 1, 2])
def test_a_step_goes_along_its_axis_of_the_world_and_the_cross_stays_inside(
    oblique: np.ndarray[Any, Any], world: int
) -> None:
    told = js(
        """import { Grid } from "./viewer/grid.js";
        const grid = new Grid({ shape: [7, 9, 11], affine: m });
        const there = grid.stepped([3, 4, 5], world, 2);
        tell([there, grid.voxelAt(grid.mmOf(there)), grid.inside([-3, 4.4, 20]), grid.voxelAt(grid.mmOf([3.3, 3.6, 5])), grid.middle]);""",
        m=oblique.tolist(),
        world=world,
    )
    there, again, inside, nearest, middle = told
    way = nib.affines.apply_affine(oblique, there) - nib.affines.apply_affine(oblique, [3, 4, 5])
    assert int(np.abs(way).argmax()) == world
    assert way[world] > 0
    assert np.abs(np.subtract(there, [3, 4, 5])).sum() == 2
    assert again == there
    assert (inside, nearest, middle) == ([0, 4, 10], [3, 4, 5], [3, 4, 5])


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("liv", "Liver"),
        ("left kid", "Kidney, left"),
        ("kid l", "Kidney, left"),
        ("T12", "Vertebra T12"),
        ("t1", "Vertebra T1"),
        ("lft kdn", "Kidney, left"),
        ("RIB 1 right", "Rib 1, right"),
        ("xyz", None),
    ],
)
def test_a_few_letters_find_a_structure(typed: str, first: str | None) -> None:
    titles = [
        "Kidney, right",
        "Kidney, left",
        "Liver",
        "Vertebra T12",
        "Vertebra T1",
        "Rib 11, right",
        "Rib 1, right",
        "Left atrium",
    ]
    told = js(
        'import { ranked } from "./case/search.js"; tell(ranked(typed, titles, (it) => it));',
        typed=typed,
        titles=titles,
    )
    assert (told[0] if told else None) == first


def test_nothing_typed_finds_everything_in_its_order() -> None:
    told = js('import { ranked } from "./case/search.js"; tell(ranked("  ", ["b", "a"], (it) => it));')
    assert told == ["b", "a"]


def test_colours_stand_at_their_numbers() -> None:
    told = js(
        """import { labelColours, palette } from "./case/colours.js";
        const { data, rows } = palette(structures);
        const map = labelColours(structures, ({ id }) => id === 300);
        tell([rows, [...data.slice(0, 4)], [...data.slice(12, 16)], [...data.slice(16, 20)], [...data.slice(1200, 1204)], map.A[3], map.A[300], map.G[300], map.R.length]);""",
        structures=[
            {"id": 0, "color": "#ffffff"},
            {"id": 3, "color": "#010203"},
            {"id": 300, "color": "#a0ff10"},
        ],
    )
    assert told == [
        2,
        [0, 0, 0, 0],
        [1, 2, 3, 255],
        [255, 0, 255, 255],
        [160, 255, 16, 255],
        0,
        255,
        255,
        301,
    ]
