"""Looking at a case: what the picture and the widget show is what is in the files, whichever way their axes point."""

from __future__ import annotations

import builtins
import gzip
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from dapatlas.dataset import Case, Dataset
from dapatlas.dataset.interactive import MAX_VOXELS, crosshair, label_colours, thinning, told
from dapatlas.dataset.showing import scene
from dapatlas.errors import BadLabelsError, DapatlasError, GridMismatchError
from dapatlas.labels import dap
from dapatlas.volumes import Grid, reorient, write_label_map, write_volume

SHAPE = (20, 16, 12)
LIVER, SPLEEN = 13, dap()["spleen"].id


def made(folder: Path, orientation: str = "RAS", *, ct: bool = True, mask: bool = True) -> Case:
    """A liver on the right and a spleen on the left, in a volume whose axes point as asked."""
    grid = Grid.from_spacing(SHAPE, (2.0, 2.0, 3.0), "RAS", (-20.0, -16.0, 100.0))
    labels = np.zeros(SHAPE, np.uint8)
    labels[12:18, 6:12, 4:9] = LIVER
    labels[2:5, 6:10, 5:8] = SPLEEN
    hu = np.where(labels == LIVER, 100, -1000).astype(np.int16)
    dataset = Dataset.create(folder)
    for array, path, write in (
        (hu, dataset.image_path("c"), write_volume if ct else None),
        (labels, dataset.mask_path("c"), write_label_map if mask else None),
    ):
        if write is not None:
            view, own = reorient(array, grid, orientation)
            write(path, view, own)
    return Dataset(folder)["c"]


def nearest(picture: Image.Image, colour: tuple[int, int, int]) -> np.ndarray:
    """Where a picture has exactly this colour."""
    return np.argwhere((np.asarray(picture) == colour).all(axis=-1))


@pytest.mark.parametrize("orientation", ["RAS", "LPS", "SLP", "AIR"])
def test_patients_left_is_on_the_right_of_the_picture_in_any_orientation(
    tmp_path: Path, orientation: str
) -> None:
    picture = made(tmp_path, orientation).show(static=True, opacity=1, height=120)
    assert isinstance(picture, Image.Image)
    palette = dap().palette()
    axial = picture.crop((0, 0, 40 * 120 // 36, 120))  # 40 mm wide, and 36 mm are 120 pixels high
    liver, spleen = (nearest(axial, tuple(palette[id_].tolist())) for id_ in (LIVER, SPLEEN))
    assert liver[:, 1].mean() < spleen[:, 1].mean()


@pytest.mark.parametrize("orientation", ["RAS", "LPS", "SLP", "AIR"])
def test_cross_hair_of_the_widget_lies_where_the_structure_lies_in_any_orientation(
    tmp_path: Path, orientation: str
) -> None:
    seen = scene(made(tmp_path, orientation), centre="liver")
    right, front, head = crosshair(seen.centre, seen.grid)
    # by hand: the liver's middle is between voxels 14 and 15 of 20, 8 and 9 of 16, and at voxel 6 of 12
    assert right * 20 - 0.5 in (14, 15)
    assert front * 16 - 0.5 in (8, 9)
    assert head * 12 - 0.5 == 6


def test_only_structures_asked_for_are_shown_and_named(tmp_path: Path) -> None:
    case = made(tmp_path)
    assert set(np.unique(scene(case, "spleen").labels)) == {0, SPLEEN}
    assert set(np.unique(scene(case, ["Liver", SPLEEN]).labels)) == {0, LIVER, SPLEEN}
    assert set(np.unique(scene(case, []).labels)) == {0}
    with pytest.raises(BadLabelsError, match="did you mean spleen"):
        case.show("spleeen")


def test_centre_is_a_structure_even_of_those_not_shown_or_a_point_in_mm(tmp_path: Path) -> None:
    case = made(tmp_path, "LPS")
    i, j, k = scene(case, ["spleen"], "liver").centre
    assert case.label_map().array[i, j, k] == LIVER
    at = scene(case, centre=(-20.0 + 2 * 3, -16.0 + 2 * 7, 100.0 + 3 * 6))
    assert case.label_map().array[at.centre] == SPLEEN
    assert at.centre == (19 - 3, 15 - 7, 6)
    with pytest.raises(
        DapatlasError, match=r"outside the volume, .* between \(-20, -16, 100\) and \(18, 14, 133\)"
    ):
        scene(case, centre=(500, 0, 0))
    with pytest.raises(DapatlasError, match="brain, and .*no voxel"):
        scene(case, centre="brain")


def test_by_default_the_planes_go_through_the_middle_of_what_is_shown(tmp_path: Path) -> None:
    assert scene(made(tmp_path), ["spleen"]).centre == (3, 7, 6)


def test_case_without_label_map_or_without_ct_is_shown_all_the_same(tmp_path: Path) -> None:
    assert np.asarray(made(tmp_path / "ct", mask=False).show(static=True, height=60)).max() > 100
    lone = made(tmp_path / "map", ct=False)
    colour = tuple(dap().palette()[LIVER].tolist())
    assert len(nearest(lone.show(static=True, opacity=1, height=60), colour)) > 50


def test_maps_on_another_grid_and_senseless_settings_are_refused(tmp_path: Path) -> None:
    case = made(tmp_path)
    assert case.mask_path is not None
    labels = case.label_map()
    write_label_map(case.mask_path, labels.array[:-1], Grid((19, 16, 12), labels.grid.affine))
    with pytest.raises(GridMismatchError, match=r"case c: .*shape"):
        case.show()
    for wrong in ({"opacity": 2}, {"window_hu": (100, 100)}):
        with pytest.raises(DapatlasError, match="expected an opacity"):
            case.show(**wrong)


def test_ids_that_the_scheme_does_not_know_are_seen_and_named(tmp_path: Path) -> None:
    case = made(tmp_path)
    assert case.mask_path is not None
    labels = case.label_map()
    write_label_map(case.mask_path, np.where(labels.array == LIVER, 300, 0).astype(np.uint16), labels.grid)
    seen = scene(case)
    assert seen.names[300] == "id 300, not in the scheme"
    assert len(nearest(case.show(static=True, opacity=1, height=60), (255, 0, 255))) > 50


def test_widget_gets_ct_map_colours_names_window_and_opacity(tmp_path: Path) -> None:
    niivue = pytest.importorskip("ipyniivue")
    case = made(tmp_path, "LPS")
    shown, line = case.show(["liver"], window_hu=(-50, 150), opacity=0.3, height=222, static=False).children
    assert isinstance(shown, niivue.NiiVue)
    ct, labels = shown.volumes
    assert (ct.cal_min, ct.cal_max, labels.opacity, shown.height) == (-50, 150, 0.3, 222)
    assert line.value.startswith("Liver (13) · 100 HU · voxel ")
    file = nib.Nifti1Image.from_bytes(gzip.decompress(labels.data))
    kept = np.asarray(file.dataobj)
    assert set(np.unique(kept)) == {0, LIVER}
    assert (kept == LIVER).sum() == 6 * 6 * 5
    np.testing.assert_allclose(file.affine, case.label_map().grid.affine)
    table = labels.colormap_label
    start = 4 * (LIVER - int(table.min))
    assert table.lut[start : start + 4] == [*dap()["liver"].colour, 255]
    assert table.labels[LIVER] == "Liver"


def test_background_is_transparent_after_niivue_has_lifted_low_entries() -> None:
    """NiiVue's shader: an id above the table's lower end gets at least entry 2/256 of its length."""
    for scheme_ids in (2, 60, 145, 256, 5000):
        table = label_colours(np.full((scheme_ids, 3), 9, np.uint8), tuple("x" * scheme_ids))
        low, high = min(table["I"]) - 0.5, max(table["I"]) + 0.5
        for id_, alpha in ((0, 0), (1, 255)):
            share = max((id_ - low) / (high - low), 2 / 256)
            entry = int(share * len(table["I"]))
            assert table["I"][entry] == id_
            assert table["A"][entry] == alpha


def test_large_volumes_are_thinned_evenly_and_the_widget_says_so(tmp_path: Path) -> None:
    whole_body = Grid.from_spacing((512, 512, 390), (0.98, 0.98, 2.0))
    assert thinning(whole_body, MAX_VOXELS) == (2, 2, 1)
    assert thinning(Grid.from_spacing((256, 256, 256), (1, 1, 1)), MAX_VOXELS) == (1, 1, 1)
    assert thinning(Grid.from_spacing((101, 101, 101), (1, 1, 1)), 1000) == (11, 11, 11)  # 10 voxels each way
    seen = scene(made(tmp_path), centre="liver")
    line = told(seen, seen.grid.to_world(seen.centre), (2, 2, 1))
    assert line.endswith("shown thinned by 2 × 2 × 1")
    assert told(seen, (900, 0, 0), (1, 1, 1)) == "outside the volume"


def test_without_jupyter_there_is_a_picture_and_in_it_the_widget(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = made(tmp_path)
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    assert isinstance(case.show(height=60), Image.Image)
    terminal = SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=None))
    monkeypatch.setitem(sys.modules, "IPython", terminal)
    assert isinstance(case.show(height=60), Image.Image)
    pytest.importorskip("ipyniivue")
    monkeypatch.delitem(sys.modules, "IPython")
    import IPython

    monkeypatch.setattr(IPython, "get_ipython", lambda: SimpleNamespace(kernel=object()))
    assert not isinstance(case.show(height=60), Image.Image)


def test_widget_without_its_package_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ipyniivue", None)
    with pytest.raises(DapatlasError, match=r"pip install 'dapatlas\[notebook\]'"):
        made(tmp_path).show(static=False)


def test_looking_needs_no_jupyter_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load = builtins.__import__

    def guarded(name: str, *rest: Any, **more: Any) -> Any:
        assert name.partition(".")[0] not in ("IPython", "ipyniivue", "ipywidgets", "anywidget"), name
        return load(name, *rest, **more)

    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    monkeypatch.setattr(builtins, "__import__", guarded)
    assert isinstance(made(tmp_path).show(height=60), Image.Image)
