"""Enhanced multi-frame images: the planes of their frames.

A frame's geometry and rescale stand in functional groups, its own or those that all frames share (DICOM PS3.3, C.7.6.16
"Multi-frame Functional Groups Module"); frames may come in any order, for each says where it lies.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dapatlas.ingest.codes import Code
from dapatlas.ingest.dicom.frames import PER_FRAME, SHARED
from dapatlas.ingest.dicom.planes import Plane, plane_of
from dapatlas.ingest.fault import IngestError

# what tells several volumes in one file apart, in the frame content of each frame
VOLUMES = {"StackID": "stacks", "TemporalPositionIndex": "time points"}


def is_multiframe(header: Any) -> bool:
    """Whether a file holds several frames, or says of its one frame what multi-frame files say."""
    return PER_FRAME in header or int(header.get("NumberOfFrames") or 1) > 1


def frame_planes(header: Any, path: Path, *, rescaled: bool = True) -> list[Plane]:
    """The planes of a multi-frame file, in the order of its frames.

    Parameters
    ----------
    header
        The file without its pixels.
    path
        Where it is.
    rescaled
        Whether its values are to be rescaled, as those of a CT are; a segmentation's are not.

    Raises
    ------
    IngestError
        Functional groups are missing, the file holds several volumes, or geometry makes no sense.
    """
    groups = header.get(PER_FRAME)
    count = int(header.get("NumberOfFrames") or 1)
    if not groups or len(groups) != count:
        raise IngestError(
            Code.MISSING_FIELD,
            f"{path}: {count} frames, and {len(groups or ())} items in {PER_FRAME}; expected one each, "
            "for they say where frames lie: convert it to an enhanced image, or to single slices",
        )
    _check_one_volume(groups, path)
    shared = header.get(SHARED) or [{}]
    return [_plane(header, frame, (own, shared[0]), path, rescaled) for frame, own in enumerate(groups)]


def _check_one_volume(groups: Any, path: Path) -> None:
    for keyword, what in VOLUMES.items():
        values = {
            str(content.get(keyword, "")) for own in groups for content in own.get("FrameContentSequence", ())
        }
        if len(values) > 1:
            raise IngestError(
                Code.DUPLICATE_SLICES,
                f"{path}: {len(values)} {what} in one file ({keyword} {', '.join(sorted(values)[:4])} …); "
                "expected one volume: split it into a series for each",
            )


def _plane(header: Any, frame: int, groups: tuple[Any, Any], path: Path, rescaled: bool) -> Plane:
    """The plane of a frame, whose own groups come before the shared ones."""

    def field(group: str, keyword: str) -> Any:
        items = next((items for some in groups if (items := some.get(group))), None)
        return items[0].get(keyword) if items else None

    rescale = "PixelValueTransformationSequence"
    return plane_of(
        path,
        frame,
        header,
        orientation=field("PlaneOrientationSequence", "ImageOrientationPatient"),
        position=field("PlanePositionSequence", "ImagePositionPatient"),
        spacing=field("PixelMeasuresSequence", "PixelSpacing"),
        slope=field(rescale, "RescaleSlope") if rescaled else 1,
        intercept=field(rescale, "RescaleIntercept") if rescaled else 0,
    )
