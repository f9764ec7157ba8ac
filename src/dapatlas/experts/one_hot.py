"""One file a case with a channel for each structure."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from dapatlas.dataset import Case
from dapatlas.errors import BadLabelsError
from dapatlas.experts.expert import Proposal
from dapatlas.experts.ready import OneFileExpert, on_ct_grid
from dapatlas.findings import Finding, Severity
from dapatlas.formats.overlay import Overlay, PackedMask
from dapatlas.formats.planes import PlaneFile, channel_file
from dapatlas.labels import LabelScheme, load_scheme

THRESHOLD = 0.5  # a structure more probable than not
BACKGROUND = 0
ROUNDING = 1e-3  # how far stored probabilities may lie beyond 0…1


class OneHot(OneFileExpert):
    """One NIfTI file a case with axes (x, y, z, channel), a channel a structure: masks or probabilities.

    Of masks that overlap the smaller keeps the voxel. Of probabilities above one half the largest wins, the first
    of equal ones.
    """

    kind: Literal["one-hot"] = "one-hot"
    channels: tuple[str, ...] | None = Field(
        None,
        description="structure of each channel; by default the scheme's in the order of ids, after background "
        "where there is one channel more",
    )

    @model_validator(mode="after")
    def _channels_are_structures(self) -> Self:
        scheme, taken = load_scheme(self.scheme), {BACKGROUND}
        for place, name in enumerate(self.channels or ()):
            try:
                id_ = scheme[name].id
            except BadLabelsError as error:
                raise ValueError(f"channels.{place}: {error}") from None
            if id_ in taken - {BACKGROUND}:
                raise ValueError(f"channels.{place}: {name!r} has a channel already; give each structure one")
            taken.add(id_)
        return self

    def propose(self, case: Case) -> Proposal:
        """Read channel by channel, and bring what comes of them to the CT's grid.

        Raises
        ------
        BadFileError
            The file is missing, unreadable, or has other axes.
        BadLabelsError
            There are more or fewer channels than structures, or the numbers are neither masks nor probabilities.
        """
        path, scheme = self.file(case, "one-hot file"), load_scheme(self.scheme)
        file = channel_file(path)
        ids = self._ids(scheme, file)
        if file.is_float:
            label_map, overlap = _most_probable(file, ids)
            findings = self._several(case, path, overlap)
        else:
            overlay = _overlaid(file, ids)
            label_map, findings = overlay.label_map, overlay.findings(self.name, case.id, scheme)
        return on_ct_grid(self.name, case, scheme, label_map, file.grid, findings)

    def _ids(self, scheme: LabelScheme, file: PlaneFile) -> list[int]:
        """The structure of each channel."""
        if self.channels is not None:
            ids = [scheme[name].id for name in self.channels]
            if len(ids) != file.channels:
                raise BadLabelsError(
                    f"{file.path}: {file.channels} channels, but `channels` names {len(ids)}; name every channel"
                )
            return ids
        ids = [structure.id for structure in scheme]
        if file.channels == len(ids):
            return ids
        if file.channels == len(ids) - 1:
            return ids[1:]
        raise BadLabelsError(
            f"{file.path}: {file.channels} channels, but {scheme.name} has {len(ids) - 1} structures (and background); "
            "say with `channels` which structure each channel is"
        )

    def _several(self, case: Case, path: Path, voxels: int) -> tuple[Finding, ...]:
        if not voxels:
            return ()
        return (
            Finding(
                case=case.id,
                severity=Severity.INFO,
                code="masks-overlap",
                message=f"expert {self.name}: in {voxels} voxels several channels exceed {THRESHOLD}; "
                "the most probable was taken",
                file=str(path),
                voxels=voxels,
            ),
        )


def _overlaid(file: PlaneFile, ids: list[int]) -> Overlay:
    """Channels that are masks, laid over one another as they come."""
    overlay = Overlay(file.grid.shape)
    with file.open() as planes:
        for channel, id_ in enumerate(ids):
            mask = PackedMask.of(_binary(islice(planes, file.grid.shape[2]), channel, file.path))
            if id_ != BACKGROUND:
                overlay.add(id_, mask)
        next(planes, None)  # lets the checksum be verified
    return overlay


def _binary(planes: Iterator[NDArray[Any]], channel: int, path: Path) -> Iterator[NDArray[np.bool_]]:
    """The planes of one channel as masks; two different numbers beside 0 are no mask."""
    value = 0
    for plane in planes:
        inside = plane != 0
        if inside.any():
            value = value or int(plane.max())
            if not (plane[inside] == value).all():
                raise BadLabelsError(
                    f"{path}: channel {channel} holds {value} and {plane[inside & (plane != value)][0]:g}; a mask "
                    "holds one number beside 0, and probabilities as integers need a slope in the header"
                )
        yield inside


def _most_probable(file: PlaneFile, ids: list[int]) -> tuple[NDArray[np.uint8], int]:
    """The most probable structure above the threshold, and in how many voxels there are several.

    Beside the map only the best probability so far is kept, of planes that have any.
    """
    label_map = np.zeros(file.grid.shape, np.uint8, order="F")
    several = np.zeros(file.grid.shape[2], np.int64)
    best: dict[int, NDArray[Any]] = {}
    with file.open() as planes:
        for channel, id_ in enumerate(ids):
            for k, plane in enumerate(islice(planes, file.grid.shape[2])):
                _check_probable(plane, channel, file.path)
                above = plane > THRESHOLD
                if not above.any():
                    continue
                before = best.setdefault(k, np.zeros_like(plane))
                several[k] += np.count_nonzero(above & (before > 0))
                wins = above & (plane > before)
                np.copyto(before, plane, where=wins)
                label_map[:, :, k][wins] = id_
        next(planes, None)  # lets the checksum be verified
    return label_map, int(several.sum())


def _check_probable(plane: NDArray[Any], channel: int, path: Path) -> None:
    low, high = float(plane.min()), float(plane.max())
    if not (low >= -ROUNDING and high <= 1 + ROUNDING):
        raise BadLabelsError(
            f"{path}: channel {channel} holds {low if low < -ROUNDING else high:g}; probabilities lie in 0…1: "
            "export probabilities or masks, not logits"
        )
