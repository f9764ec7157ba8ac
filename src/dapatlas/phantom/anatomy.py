"""The whole body in the order in which it is painted: later parts lie over earlier ones."""

from __future__ import annotations

from dapatlas.phantom import (
    anatomy_abdomen,
    anatomy_head,
    anatomy_limbs,
    anatomy_outline,
    anatomy_spine,
    anatomy_thorax,
    anatomy_vessels,
)
from dapatlas.phantom.parts import Part
from dapatlas.phantom.subject import Subject

# Every other structure is one connected piece, in any grid.
IN_SEVERAL_PIECES = frozenset(
    {
        *("background", "unknown_tissue", "muscles", "fat", "skin", "abdominal_tissue", "mediastinal_tissue"),
        *("gonads", "rib_cartilage"),
    }
)


def anatomy(subject: Subject) -> list[Part]:
    """Every part of a subject but the skin, which is found from the painted body."""
    return [
        *anatomy_outline.outline(subject),
        *anatomy_outline.muscle_wall(subject),
        *anatomy_outline.cavities(subject),
        *anatomy_thorax.lungs(),
        *anatomy_thorax.breasts(subject),
        *anatomy_spine.back_muscles(),
        *anatomy_limbs.forearm(subject),
        *anatomy_head.head(subject),
        *anatomy_abdomen.digestive(subject),
        *anatomy_limbs.hip_muscles(),
        *anatomy_thorax.heart(subject),
        *anatomy_thorax.thymus(subject),
        *anatomy_thorax.cartilages(),
        *anatomy_spine.column(),
        *anatomy_thorax.ribs(),
        *anatomy_thorax.sternum(),
        *anatomy_thorax.shoulder_blade(),
        *anatomy_thorax.collar_bone(),
        *anatomy_limbs.humerus(subject),
        *anatomy_limbs.hip_bones(),
        *anatomy_vessels.gullet(),
        *anatomy_thorax.airways(),
        *anatomy_vessels.veins(),
        *anatomy_vessels.arteries(),
        *anatomy_head.thyroid(subject),
        *anatomy_abdomen.kidneys(subject),
        *anatomy_abdomen.pelvic(subject),
    ]
