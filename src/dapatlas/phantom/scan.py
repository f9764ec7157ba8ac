"""The CT of a painted body: materials to Hounsfield units, the couch, blur and noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dapatlas.phantom import anatomy_head, anatomy_thorax, hounsfield, surface
from dapatlas.phantom.anatomy_limbs import forearm_bones
from dapatlas.phantom.forms import Ellipsoid, Floats, Tube
from dapatlas.phantom.painter import Axis, Canvas, Labels
from dapatlas.phantom.parts import Part, both_sides, part
from dapatlas.phantom.subject import Subject

# Blur of the scanner in the axial plane, as the standard deviation of a Gaussian: a body kernel's 1.4 mm full width.
BLUR_MM = 0.6
COUCH_TOP_Y = -131.0  # lowest point of the hollow in which the body lies, mm
COUCH_HOLLOW_MM = 20.0  # how much higher its edges stand
COUCH_HALF_WIDTH = 200.0
COUCH_DEPTH = 30.0
COUCH_SHELL_MM = 4.0


def scan(
    labels: Labels, canvas: Canvas, world: tuple[Axis, Axis, Axis], subject: Subject, noise_hu: float
) -> NDArray[np.int16]:
    """Make the CT of a label map.

    Parameters
    ----------
    labels
        Label map, its axes running right, front, up.
    canvas
        The canvas it was painted on (for the body coordinates).
    world
        Coordinates of the voxel centres in the scanner, mm: the couch stands there.
    subject
        Whose seed and study decide the noise.
    noise_hu
        Standard deviation of the noise in soft tissue, HU.

    Returns
    -------
    array of int16
        HU, of the shape of ``labels``, Fortran order.
    """
    materials = _materials(labels, canvas, subject)
    couch = _couch(world)
    mean, texture = hounsfield.tables(canvas.ids)
    spread = np.sqrt(texture**2 + np.float32(noise_hu) ** 2) if noise_hu else np.zeros_like(texture)
    kernels = tuple(_kernel(axis[1] - axis[0]) for axis in world[:2])
    gain = np.float32(1 / np.prod([np.sqrt((1 - 2 * a) ** 2 + 2 * a * a) for a in kernels]))
    ct = np.empty(labels.shape, np.int16, order="F")
    for k in range(labels.shape[2]):
        plane = np.where(materials[:, :, k] == 0, couch, materials[:, :, k])
        image = mean[plane]
        if noise_hu:
            # A stream per slice: a crop of the volume has the noise of the whole.
            draw = np.random.default_rng([subject.seed, subject.study, k])
            noise = draw.standard_normal(image.T.shape, np.float32).T
            image += noise * spread[plane] * gain
        ct[:, :, k] = np.rint(np.clip(_blurred(image, kernels), -1024, 3071))
    return ct


def _materials(labels: Labels, canvas: Canvas, subject: Subject) -> Labels:
    """The label map with what is inside hollow or hard organs painted in."""
    materials = labels.copy(order="F")
    inner = Canvas(materials, canvas.axes, {**canvas.ids, **hounsfield.MATERIALS})
    inner.paint(inlays(subject))
    bones = [i for name, i in canvas.ids.items() if name.startswith(hounsfield.BONES)]
    materials[surface.bone_rims(labels, bones)] = hounsfield.CORTEX
    return materials


def inlays(subject: Subject) -> list[Part]:
    """Contents that have a CT value of their own but no label."""
    unknown = ("unknown_tissue",)
    return [
        *both_sides("air", anatomy_head.MAXILLARY_SINUS, over=unknown),
        *part("air", anatomy_head.FRONTAL_SINUS, anatomy_head.PHARYNX, over=unknown),
        *both_sides("forearm_bone", forearm_bones(subject), over=unknown),
        *part("gas", Ellipsoid((-50, 42, 356), (22, 12, 26)), over=("stomach",)),
        *part("gas", Tube([(-60, 78, 300), (0, 82, 276), (60, 78, 292)], 10.0), over=("colon",)),
        *part("stool", Tube([(95, 10, 270), (96, 6, 214), (84, 30, 180)], 15.0), over=("colon",)),
        *part(
            "blood", Tube([(34, 24, 550), (31, 25, 525), (26, 28, 500)], 8.0), over=("mediastinal_tissue",)
        ),
        *part("blood", *LIVER_VESSELS, over=("liver",)),
        *both_sides("lung_vessel", *LUNG_VESSELS, over=anatomy_thorax.LOBES),
        *both_sides(
            "renal_sinus", Ellipsoid((50, -33, 294), (11, 8, 24)), over=("kidney_left", "kidney_right")
        ),
    ]


# Right, middle and left hepatic vein to the caval vein, and the right and left branch of the portal vein.
LIVER_VESSELS = (
    Tube([(28, 4, 398), (62, -6, 376), (92, -14, 350)], [5, 4, 2.5]),
    Tube([(26, 6, 398), (46, 34, 376), (58, 58, 350)], [5, 4, 2.5]),
    Tube([(23, 6, 398), (4, 28, 390), (-24, 46, 384)], [5, 4, 2.5]),
    Tube([(46, 16, 366), (74, 12, 352), (100, 20, 334)], [5, 4, 2.5]),
    Tube([(46, 16, 366), (22, 44, 366), (-14, 56, 370)], [5, 4, 2.5]),
)
# From the root of the lung towards apex, sides and base.
LUNG_VESSELS = (
    Tube([(44, 4, 518), (56, 10, 556), (58, 2, 588)], [4.5, 3, 1.5]),
    Tube([(44, 4, 518), (74, 24, 530), (94, 34, 538)], [4.5, 3, 1.5]),
    Tube([(44, -4, 512), (76, -34, 516), (98, -46, 528)], [4.5, 3, 1.5]),
    Tube([(46, -10, 504), (76, 10, 486), (108, 30, 470)], [4.5, 3, 1.5]),
    Tube([(46, -14, 500), (66, -40, 462), (84, -58, 410)], [5, 3.5, 1.5]),
    Tube([(46, -14, 500), (78, -20, 470), (112, -18, 440)], [4.5, 3, 1.5]),
)


def _couch(world: tuple[Axis, Axis, Axis]) -> Labels:
    """Cross-section of the couch, (nx, ny): a hollow plate of thin shell filled with foam."""
    x, y = world[0][:, None], world[1][None, :]
    depth = COUCH_TOP_Y + COUCH_HOLLOW_MM * (x / COUCH_HALF_WIDTH) ** 2 - y
    plate = (np.abs(x) <= COUCH_HALF_WIDTH) & (depth >= 0) & (depth <= COUCH_DEPTH)
    foam = (
        (np.abs(x) <= COUCH_HALF_WIDTH - COUCH_SHELL_MM)
        & (depth >= COUCH_SHELL_MM)
        & (depth <= COUCH_DEPTH - COUCH_SHELL_MM)
    )
    couch = np.zeros(plate.shape, np.uint8)
    couch[plate] = hounsfield.COUCH_SHELL
    couch[foam] = hounsfield.COUCH_FOAM
    return couch


def _kernel(spacing: float) -> float:
    """Weight of either neighbour in a three-point blur of ``BLUR_MM``."""
    return min(0.25, BLUR_MM**2 / (2 * spacing**2))


def _blurred(image: Floats, kernels: tuple[float, ...]) -> Floats:
    for axis, weight in enumerate(kernels):
        line = np.moveaxis(image, axis, 0)
        result = line * np.float32(1 - 2 * weight)
        result[1:] += np.float32(weight) * line[:-1]
        result[:-1] += np.float32(weight) * line[1:]
        result[0] += np.float32(weight) * line[0]
        result[-1] += np.float32(weight) * line[-1]
        image = np.moveaxis(result, 0, axis)
    return image
