"""A case in NiiVue's Jupyter widget, which ipyniivue brings along, JavaScript and all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
from isal import igzip
from numpy.typing import ArrayLike, NDArray

from dapatlas.extras import needed
from dapatlas.volumes import Grid, reorient

if TYPE_CHECKING:
    from dapatlas.dataset.showing import Scene

EXTRA = "notebook"

# What is sent to the browser at most. A CT of 512×512×390 has 102 million voxels, and NiiVue keeps on the graphics
# card four bytes of colour for each voxel of CT and of map, beside the volumes themselves.
MAX_VOXELS = 32_000_000
LIFTED = 100  # of so many entries, those that NiiVue lifts are less than one
SAME_SPACING = 1.2  # axes whose spacings differ by no more than this are thinned together


def widget(seen: Scene, window_hu: tuple[float, float], opacity: float, height: int) -> Any:
    """CT with coloured label map, and below them what is under the cross-hair.

    Of volumes beyond :data:`MAX_VOXELS` every nth voxel is shown, which is said there too.

    Returns
    -------
    ipywidgets.VBox
        Its children are the ``ipyniivue.NiiVue`` and the line of text.

    Raises
    ------
    DapatlasError
        ipyniivue is not installed.
    """
    niivue = needed("ipyniivue", EXTRA, "to scroll through a case (static=True needs nothing)")
    steps = thinning(seen.grid, MAX_VOXELS)
    low, high = window_hu
    shown = niivue.NiiVue(
        height=height,
        is_radiological_convention=True,  # the patient's left on the viewer's right, as in all our pictures
        sagittal_nose_left=True,
        back_color=(0.0, 0.0, 0.0, 1.0),
    )
    ct = niivue.Volume(
        name=f"{seen.name} CT.nii.gz",
        data=_packed(seen.ct, seen.grid, steps),
        colormap="gray",
        cal_min=low,
        cal_max=high,
        colorbar_visible=False,
    )
    labels = niivue.Volume(
        name=f"{seen.name} labels.nii.gz",
        data=_packed(seen.labels, seen.grid, steps),
        opacity=opacity,
        colorbar_visible=False,
    )
    labels.set_colormap_label(label_colours(seen.colours, seen.names))
    shown.volumes = [ct, labels]
    shown.scene.crosshair_pos = crosshair(seen.centre, seen.grid)
    boxes = needed("ipywidgets", EXTRA, "to tell what is under the cross-hair")
    line = boxes.Label(told(seen, seen.grid.to_world(seen.centre), steps))
    shown.on_location_change(lambda place: setattr(line, "value", told(seen, place["mm"], steps)))
    return boxes.VBox([shown, line])


def told(seen: Scene, world_mm: ArrayLike, steps: tuple[int, int, int]) -> str:
    """What lies at a point: structure, HU, place; and whether the volume on the screen is thinned."""
    x, y, z = np.asarray(world_mm, np.float64)[:3].tolist()
    index = np.rint(seen.grid.to_index((x, y, z))).astype(int)
    if not ((index >= 0) & (index < seen.grid.shape)).all():
        return "outside the volume"
    i, j, k = index.tolist()
    thinned = "" if steps == (1, 1, 1) else f" · shown thinned by {' × '.join(map(str, steps))}"
    label = int(seen.labels[i, j, k])
    name = f"{seen.names[label]} ({label})" if label else "no structure shown"
    return f"{name} · {seen.ct[i, j, k]:.0f} HU · voxel {i}, {j}, {k} · {x:.0f}, {y:.0f}, {z:.0f} mm{thinned}"


def thinning(grid: Grid, most: int) -> tuple[int, int, int]:
    """Every how many-th voxel along i, j, k leaves at most ``most``; the finest axes are thinned first."""
    steps, spacing = np.ones(3, int), np.array(grid.spacing)
    while np.prod(-(-np.array(grid.shape) // steps)) > most:
        now = spacing * steps
        steps += now < SAME_SPACING * now.min()
    i, j, k = steps.tolist()
    return i, j, k


def label_colours(colours: NDArray[np.uint8], names: tuple[str, ...]) -> dict[str, list[Any]]:
    """NiiVue's table of colours and names for a label map; what is not above 0 is transparent.

    The table begins below 0. NiiVue lifts whatever is above a table's lower end to at least 2/256 of its length (its
    issue 1139), so that in a longer table that begins with background, background would get the colour of id 1.
    Names it looks up by id, wherever the table begins.
    """
    below = len(names) // LIFTED + 1
    red, green, blue = np.vstack([np.zeros((below, 3), np.uint8), colours]).T.tolist()
    alpha = [0] * (below + 1) + [255] * (len(names) - 1)
    ids = list(range(-below, len(names)))
    return {"R": red, "G": green, "B": blue, "A": alpha, "I": ids, "labels": list(names) + [""] * below}


def crosshair(centre: tuple[int, int, int], grid: Grid) -> list[float]:
    """Where a voxel lies, as shares of the volume's extent to the right, the front and the head."""
    _, upright = reorient(np.broadcast_to(np.uint8(0), grid.shape), grid, "RAS")
    index = upright.to_index(grid.to_world(centre))
    shares: list[float] = ((index + 0.5) / upright.shape).tolist()
    return shares


def _packed(array: NDArray[Any], grid: Grid, steps: tuple[int, int, int]) -> bytes:
    """A NIfTI file of every nth voxel, compressed for the way to the browser."""
    i, j, k = steps
    thin = array[::i, ::j, ::k]
    if (
        thin.dtype.itemsize > 2
    ):  # HU and ids fit into two bytes; 64-bit integers are no NIfTI that NiiVue reads
        thin = thin.astype(np.float32 if thin.dtype.kind == "f" else np.int32)
    affine = grid.affine @ np.diag([i, j, k, 1.0])
    file: bytes = nib.Nifti1Image(thin, affine).to_bytes()
    return igzip.compress(file, 1)
