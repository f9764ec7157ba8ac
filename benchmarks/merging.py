"""Merging experts: masks into one map, several maps into one by vote, and a whole case from a folder of masks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.contest import Contest, Prepared
from benchmarks.files import inflate_into
from benchmarks.inputs import CT, MAP

MASKS = "masks"
SCHEME = "totalsegmentator"
SHIFTS = (
    0,
    1,
    2,
    -2,
)  # voxels along the first axis, one expert each: all agree inside, and differ at the borders


def masks_of(folder: Path) -> list[tuple[int, Path]]:
    """TotalSegmentator's structures of the phantom as masks, a file each; made the first time they are asked for."""
    from dapatlas.labels import crosswalk, load_scheme
    from dapatlas.volumes import measure, read_label_map, remap, write_label_map

    scheme, target = load_scheme(SCHEME), folder / MASKS / "ct"
    if not target.is_dir():
        volume = read_label_map(folder / MAP)
        array = remap(volume.array, crosswalk("dap", SCHEME).lookup())
        found = measure(array, volume.grid)
        target.mkdir(parents=True)
        for structure in scheme:
            mask = np.zeros(array.shape, np.uint8, order="F")
            if structure.id in found:
                box = found[structure.id].box
                mask[box] = array[box] == structure.id
            if structure.id:
                write_label_map(target / f"{structure.name}.nii.gz", mask, volume.grid)
    return [(scheme[path.name.removesuffix(".nii.gz")].id, path) for path in sorted(target.iterdir())]


def _expert(folder: Path) -> dict[str, Any]:
    return {
        "kind": "binary-masks",
        "name": "masks",
        "scheme": SCHEME,
        "files": str(folder / MASKS / "{case}"),
    }


def one_map(folder: Path) -> Prepared:
    from dapatlas.dataset import Case
    from dapatlas.experts import BinaryMasks
    from dapatlas.labels import dap

    masks_of(folder)
    expert = BinaryMasks.model_validate(_expert(folder))
    case = Case("ct", folder / CT, None, dap())
    return lambda: expert.propose(case)


def one_map_by_nibabel(folder: Path) -> Prepared:
    import nibabel as nib

    paths = masks_of(folder)

    def call() -> None:
        label_map = np.zeros(nib.load(paths[0][1]).shape, np.uint8, order="F")
        for id_, path in paths:
            label_map[np.asanyarray(nib.load(path).dataobj) > 0] = id_

    return call


def inflate_all(folder: Path) -> Prepared:
    from dapatlas.volumes import read_label_map

    paths = [path for _, path in masks_of(folder)]
    target = read_label_map(paths[0]).array.T.data.cast("B")  # memory that is mapped already
    calls = [inflate_into(target, path) for path in paths]

    def call() -> None:
        for each in calls:
            each()

    return call


def _opinions(folder: Path) -> list[np.ndarray[Any, Any]]:
    from dapatlas.volumes import read_label_map

    array = read_label_map(folder / MAP).array
    return [np.asfortranarray(np.roll(array, shift, axis=0)) for shift in SHIFTS]


def vote(folder: Path) -> Prepared:
    from dapatlas.aggregate import Bench, Claim, TrustOrder, Wholes, merge
    from dapatlas.labels import dap

    wholes, knows = Wholes(dap()), frozenset(dap().ids[1:].tolist())
    claims = [
        Claim.of(f"expert {n}", opinion, knows=knows, denies=knows)
        for n, opinion in enumerate(_opinions(folder))
    ]
    bench = Bench.of(claims, TrustOrder(tuple(claim.expert for claim in claims), {}), wholes, {})
    return lambda: merge(claims, bench, wholes, "vote")


def vote_by_simpleitk(folder: Path) -> Prepared:
    import SimpleITK as sitk  # noqa: N813  # its usual name

    images = [sitk.GetImageFromArray(opinion.T) for opinion in _opinions(folder)]
    return lambda: sitk.LabelVoting(images, 1)


def case_from_masks(folder: Path) -> Prepared:
    from dapatlas.aggregate import Recipe, aggregate
    from dapatlas.dataset import Case
    from dapatlas.volumes import read_volume

    masks_of(folder)
    expert = _expert(folder) | {"choose": {"sternum": "sternum_corpus"}}
    recipe = Recipe.model_validate({"name": "bench", "cts": {"files": str(folder / CT)}, "experts": [expert]})
    case = Case("ct", folder / CT, None, recipe.atlas)
    return lambda: aggregate(case, read_volume(folder / CT), recipe)


def contests() -> list[Contest]:
    """Rows of the table."""
    return [
        Contest(
            "117 binary masks into one map", one_map, one_map_by_nibabel, "nibabel", inflate_all, "inflate"
        ),
        Contest(
            "merge 4 experts by vote, with provenance", vote, vote_by_simpleitk, "SimpleITK's vote alone"
        ),
        Contest("aggregate a case from 117 masks", case_from_masks, None, "", inflate_all, "inflate"),
    ]
