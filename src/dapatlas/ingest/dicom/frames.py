"""Where the frames of an image lie, and how they were made, by its header or its functional groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dapatlas.ingest.dicom.elements import first_of, number_of, shared, texts_of, value_of, vector_of
from dapatlas.ingest.dicom.image import Directions, Point

SHARED, PER_FRAME = "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"
GROUPS = (SHARED, PER_FRAME)
ENHANCED_CLASSES = frozenset(
    {
        "1.2.840.10008.5.1.4.1.1.2.1",  # Enhanced CT
        "1.2.840.10008.5.1.4.1.1.2.2",  # Legacy Converted Enhanced CT
        "1.2.840.10008.5.1.4.1.1.130",  # Enhanced PET
        "1.2.840.10008.5.1.4.1.1.128.1",  # Legacy Converted Enhanced PET
    }
)


@dataclass(frozen=True, slots=True)
class Frames:
    """The fields of an :class:`~dapatlas.ingest.dicom.image.Image` that functional groups may hold."""

    positions: tuple[Point, ...] = ()
    orientations: tuple[Directions, ...] = ()
    pixel_spacing: tuple[float, float] | None = None
    thickness_mm: float | None = None
    kernel: str = ""
    kvp: float | None = None


def frame_of(header: Any) -> Frames:
    """The one frame of an ordinary image."""
    position = vector_of(header, "ImagePositionPatient", 3)
    orientation = vector_of(header, "ImageOrientationPatient", 6)
    spacing = vector_of(header, "PixelSpacing", 2)
    return Frames(
        () if position is None else (position,),
        () if orientation is None else shared((orientation,)),
        None if spacing is None else shared(spacing),
        number_of(header, "SliceThickness"),
        _kernel(header),
        number_of(header, "KVP"),
    )


def frames_of(groups: Any, count: int) -> Frames:
    """The frames of an enhanced image, from the groups that each has for itself or all share (PS3.3 C.7.6.16).

    One frame that says nothing of its place leaves all without; so do frames with pixels of several sizes.
    """
    shared_by_all = first_of(groups, SHARED)
    each = list(value_of(groups, PER_FRAME) or ())
    if len(each) != count:
        return Frames()

    def group(frame: Any, sequence: str) -> Any:
        own = first_of(frame, sequence)
        return first_of(shared_by_all, sequence) if own is None else own

    positions = [vector_of(group(f, "PlanePositionSequence"), "ImagePositionPatient", 3) for f in each]
    turned = [vector_of(group(f, "PlaneOrientationSequence"), "ImageOrientationPatient", 6) for f in each]
    spacings = {vector_of(group(f, "PixelMeasuresSequence"), "PixelSpacing", 2) for f in each}
    return Frames(
        () if None in positions else tuple(positions),
        _one_or_all(turned),
        spacings.pop() if len(spacings) == 1 else None,
        number_of(group(each[0], "PixelMeasuresSequence"), "SliceThickness"),
        _kernel(group(each[0], "CTReconstructionSequence")),
        number_of(group(each[0], "CTXRayDetailsSequence"), "KVP"),
    )


def _one_or_all(turned: Sequence[Any]) -> tuple[Directions, ...]:
    if None in turned:
        return ()
    return (turned[0],) if len(set(turned)) == 1 else tuple(turned)


def _kernel(item: Any) -> str:
    return "/".join(texts_of(item, "ConvolutionKernel"))
