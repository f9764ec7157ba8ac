"""Where the abdominal cavity and the mediastinum lie, told from organs, bones and the muscular wall.

Fat looks the same on both sides of the wall of the trunk. So the wall is found first: bones, named muscles, and what is
as dense as muscle. A ball as wide as the widest normal gap rolls over it from outside, through the fat under the skin:
where the ball comes is no cavity. A cavity is what the organs reach from inside without crossing the wall. Islands
of soft tissue in it (vessels, nodes, bowel that nobody claimed) are its own; the wall is not, for no cavity lies
beyond it.

The regions are those of body composition analysis (abdominal cavity, thoracic cavity, muscle, bones, subcutaneous
tissue, then HU: Koitka et al. 2021, European Radiology 31:1795-1804, doi 10.1007/s00330-020-07147-3), and the depots of
fat those of Shen et al. 2003 (Obesity Research 11:5-16, doi 10.1038/oby.2003.3): subcutaneous between skin and muscle,
visceral in the cavities, and intermuscular, which is neither.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dapatlas.aggregate.shapes import closed, distance_mm, hulls, reached
from dapatlas.labels import LabelScheme, TissueClass

Mask = NDArray[np.bool_]
Spacing = tuple[float, ...]

# The linea alba is normal up to a width of 22 mm (Beer et al. 2009, Clinical Anatomy 22:706-711).
WALL_GAP_MM = 22.0
# The small bowel is normal up to a calibre of 30 mm (the 3-6-9 rule of radiologists): larger islands stay.
ISLAND_MM = 30.0
# The diaphragm at rest is 1.4 to 3.8 mm thick in ten ultrasound studies (table 2 of World J Clin Cases 2020,
# 8:2408-2424, doi 10.12998/wjcc.v8.i12.2408): so near to an organ, what is as dense as muscle is lining of the cavity
# or margin of the expert's mask, not its wall.
LINING_MM = 4.0
# Discs are up to 13.6 mm high on average, in front at L5-S1, by MRI of 106 spines (Morphometric Study of Lumbar
# Intervertebral Spaces by Using MRI). Wider gaps between vertebrae are missing labels.
DISC_MM = 15.0
# Choices without a source:
BODY_MM = 12.0  # bodies of vertebrae are wider, their processes are not
PASSAGE_MM = 6.0  # narrower passages from organs into fat are closed
UNDER_SKIN_MM = 6.0  # what lies less deep is not taken for wall
# A lung counts as so much farther away, for its recesses reach far down between the ribs and fat of the abdomen.
LUNG_HANDICAP_MM = 10.0
MARGIN_MM = 30.0  # so much more than the organs span is looked at

# The organs that hang in abdominal tissue, and what the mediastinum holds. Vessels that run through both are in neither
# list: they would draw each cavity into the other.
ABDOMINAL_ORGANS = (
    "stomach", "small_bowel", "duodenum", "colon", "gallbladder", "liver", "pancreas", "kidney_left",
    "kidney_right", "spleen", "adrenal_gland_left", "adrenal_gland_right", "portal_vein_and_splenic_vein",
    "celiac_trunk", "bladder", "uterus", "uterocervix", "prostate",
)  # fmt: skip
MEDIASTINAL_ORGANS = (
    "heart", "heart_atrium_left", "heart_atrium_right", "heart_myocardium", "heart_ventricle_left",
    "heart_ventricle_right", "heart_tissue", "pulmonary_artery", "thymus", "trachea", "bronchus",
    "artery_brachiocephalic", "vein_brachiocephalic_left", "vein_brachiocephalic_right",
)  # fmt: skip
# Vessels and the gullet, which cavities close around but which do not make a cavity.
PASSING = ("aorta", "inferior_vena_cava", "esophagus", "iliac_artery_left", "iliac_artery_right",
           "iliac_vena_left", "iliac_vena_right")  # fmt: skip
SOFT_COVER = ("fat", "skin", "breast_left", "breast_right")  # the ball rolls through it, as through no claim
SPINE = "vertebrae_"

# What a block can be.
ABDOMEN, MEDIASTINUM = 1, 2
ONLY_FAT = 4  # at the wall: what is as dense as muscle is the wall's
DISC = 8


@dataclass(frozen=True, slots=True)
class _Anatomy:
    """What is known of each block before the cavities are; all arrays of one shape, axes right, front, up.

    ``wall``: bone or muscle. ``cover``: what may lie outside the wall. ``inside``: the body.
    """

    spacing: Spacing
    abdominal: Mask
    mediastinal: Mask
    lungs: Mask
    passing: Mask
    sacrum: Mask
    wall: Mask
    cover: Mask
    inside: Mask


def find_cavities(
    labels: NDArray[np.uint8],
    hu: NDArray[np.floating],
    inside: Mask,
    spacing: Spacing,
    atlas: LabelScheme,
    muscle_from_hu: float,
) -> NDArray[np.uint8]:
    """Tell for each block in which cavity it lies.

    Parameters
    ----------
    labels
        Atlas ids, 0 where nobody claims; axes right, front, up, as of all arrays here.
    hu
        Mean HU.
    inside
        The body.
    spacing
        Mm from block to block.
    atlas
        The scheme of ``labels``; organs, bones and muscles that it does not have are passed over.
    muscle_from_hu
        What is denser and unclaimed may be wall.

    Returns
    -------
    ndarray of uint8
        0, ``ABDOMEN`` or ``MEDIASTINUM``, the latter two with ``ONLY_FAT`` added where the block touches the wall;
        or ``DISC``.
    """
    codes = np.zeros(labels.shape, np.uint8, order="F")
    discs = _discs(labels, atlas, spacing)
    codes[discs] = DISC
    organs = _members(atlas, ABDOMINAL_ORGANS + MEDIASTINAL_ORGANS)[labels]
    if organs.any():
        box = _box(organs, inside | organs, spacing, MARGIN_MM)
        part = _anatomy(labels[box], hu[box], inside[box], spacing, atlas, muscle_from_hu)
        codes[box] = np.where(discs[box], DISC, _cavities(part))
    return codes


def _cavities(anatomy: _Anatomy) -> NDArray[np.uint8]:
    """The codes of the two cavities."""
    spacing = anatomy.spacing
    chest = hulls(anatomy.lungs | anatomy.mediastinal)
    # a wall that is too thin to see, as in the wasted, does not let the ball in between the organs
    between = chest | hulls(anatomy.abdominal)
    outside = reached(anatomy.cover & ~anatomy.wall & ~between, ~anatomy.inside, WALL_GAP_MM / 2, spacing)
    organs = anatomy.abdominal | anatomy.mediastinal | anatomy.lungs
    open_ = anatomy.inside & ~anatomy.wall & ~outside & (anatomy.cover | organs | anatomy.passing)
    inner = reached(open_, organs, max(PASSAGE_MM / 2, *spacing[:2]), spacing) | organs
    upper = _above_diaphragm(anatomy)
    codes = np.zeros(inner.shape, np.uint8, order="F")
    lower = ~upper & _above_pelvic_floor(anatomy)
    for code, side, space, owners in (
        (ABDOMEN, lower & ~outside, inner & lower, anatomy.abdominal),
        (MEDIASTINUM, upper & ~outside, inner & upper & chest, anatomy.mediastinal),
    ):
        # islands, then where the wall begins, what lines the organs, and the blocks that cavity and wall share
        filled = closed(space | (anatomy.passing & side), ISLAND_MM / 2, spacing) & side
        touches = distance_mm(~(anatomy.wall & ~filled), spacing) <= max(spacing) * 1.01
        lining = (distance_mm(~owners, spacing) <= LINING_MM) & side
        beside = (distance_mm(~space, spacing) <= max(spacing) * 1.01) & side
        codes[(beside | filled) & (codes == 0)] = code | ONLY_FAT
        codes[(filled & ~touches) | lining] = code
    return codes


def _above_diaphragm(anatomy: _Anatomy) -> Mask:
    """Nearer to the mediastinum's organs, or clearly nearer to a lung, than to the abdomen's organs."""
    abdomen, heart, lung = (
        distance_mm(~organs, anatomy.spacing) if organs.any() else np.float32(np.inf)
        for organs in (anatomy.abdominal, anatomy.mediastinal, anatomy.lungs)
    )
    upper: Mask = np.broadcast_to(np.minimum(heart, lung + LUNG_HANDICAP_MM) < abdomen, anatomy.inside.shape)
    return upper


def _above_pelvic_floor(anatomy: _Anatomy) -> Mask:
    """Below the sacrum's tip, where no bone closes the pelvis behind, the cavity is what lies between its organs."""
    floor: Mask = np.ones(anatomy.inside.shape, np.bool_)
    levels = np.flatnonzero(anatomy.sacrum.any(axis=(0, 1)))
    if levels.size:
        floor[:, :, : levels[0]] = hulls(anatomy.abdominal[:, :, : levels[0]])
    lowest = np.flatnonzero(anatomy.abdominal.any(axis=(0, 1)))[:1]
    floor[:, :, : lowest[0] if lowest.size else None] = False
    return floor


def _anatomy(
    labels: NDArray[np.uint8],
    hu: NDArray[np.floating],
    inside: Mask,
    spacing: Spacing,
    atlas: LabelScheme,
    muscle_from_hu: float,
) -> _Anatomy:
    lungs = [structure.name for structure in atlas if structure.tissue is TissueClass.LUNG]
    solid = [
        structure.name
        for structure in atlas
        if structure.tissue in (TissueClass.BONE, TissueClass.CARTILAGE, TissueClass.MUSCLE)
    ]
    unclaimed = labels == 0
    deep = distance_mm(inside, spacing) > UNDER_SKIN_MM
    return _Anatomy(
        spacing=spacing,
        abdominal=_members(atlas, ABDOMINAL_ORGANS)[labels],
        mediastinal=_members(atlas, MEDIASTINAL_ORGANS)[labels],
        lungs=_members(atlas, lungs)[labels],
        passing=_members(atlas, PASSING)[labels],
        sacrum=_members(atlas, ("sacrum",))[labels],
        wall=_members(atlas, solid)[labels] | (unclaimed & deep & (hu >= muscle_from_hu)),
        cover=_members(atlas, SOFT_COVER)[labels] | unclaimed,
        inside=inside,
    )


def _discs(labels: NDArray[np.uint8], atlas: LabelScheme, spacing: Spacing) -> Mask:
    """Unclaimed blocks straight between vertebrae that are no farther apart than a disc is high.

    Between bodies, that is, not between processes, which are slender.
    """
    discs = np.zeros(labels.shape, np.bool_, order="F")
    names = [structure.name for structure in atlas if structure.name.startswith(SPINE)]
    spine = _members(atlas, (*names, "sacrum"))[labels]
    if spine.any():
        box = _box(spine, spine, spacing, 0)
        part = (labels[box] == 0) & _between(spine[box], DISC_MM / spacing[2])
        in_plane = (*spacing[:2], 1e6)  # no block of another slice is near
        wide = distance_mm(part, in_plane) > BODY_MM / 2
        discs[box] = part & (distance_mm(~wide, in_plane) <= BODY_MM / 2)
    return discs


def _between(mask: Mask, most_levels: float) -> Mask:
    """Blocks with the mask straight above and below, the two no more than so many levels apart."""
    level = np.arange(mask.shape[2], dtype=np.int32)
    far = 3 * mask.shape[2] + int(most_levels)
    below = np.maximum.accumulate(np.where(mask, level, -far), axis=2)
    above = np.minimum.accumulate(np.where(mask, level, far)[:, :, ::-1], axis=2)[:, :, ::-1]
    between: Mask = above - below - 1 <= most_levels
    return between


def _members(atlas: LabelScheme, names: Iterable[str]) -> Mask:
    """A table of 256, true for the ids of those of the structures that the atlas has."""
    table = np.zeros(256, np.bool_)
    table[[atlas[name].id for name in names if name in atlas]] = True
    return table


def _box(levels: Mask, sides: Mask, spacing: Spacing, more_mm: float) -> tuple[slice, ...]:
    """The slices that ``levels`` is in and what ``sides`` spans in the plane, and some mm more."""
    box = []
    for axis, mm in enumerate(spacing):
        others = tuple(other for other in range(3) if other != axis)
        found = np.flatnonzero((levels if axis == 2 else sides).any(axis=others))
        more = int(np.ceil(more_mm / mm))
        box.append(slice(max(0, int(found[0]) - more), int(found[-1]) + more + 1))
    return tuple(box)
