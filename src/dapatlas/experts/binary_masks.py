"""A folder of binary masks a case, one file a structure."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Literal

from dapatlas.dataset import Case
from dapatlas.errors import BadFileError, BadLabelsError, GridMismatchError
from dapatlas.experts.expert import Proposal
from dapatlas.experts.ready import ReadyExpert, none_known, on_ct_grid, unknown_findings
from dapatlas.formats.itk import SUFFIXES as ITK_SUFFIXES
from dapatlas.formats.itk import data_files, is_itk, itk_grid, read_itk
from dapatlas.formats.overlay import Overlay, PackedMask
from dapatlas.formats.planes import mask_plane, plane_file
from dapatlas.labels import LabelScheme, load_scheme
from dapatlas.volumes import Grid, IntegralFloatWarning

SUFFIXES = (".nii.gz", ".nii", ".seg.nrrd", *ITK_SUFFIXES)  # the longest that fits is taken
THREADS = 2  # each holds one mask; nearly all time goes to decompression, which runs side by side


class BinaryMasks(ReadyExpert):
    """A folder of binary masks a case, one file a structure, as TotalSegmentator writes them.

    NIfTI, MetaImage and NRRD files; what is not 0 lies in the structure that the file is named after. The case's id and
    an underscore may stand before it, as in HaN-Seg's ``case_01_OAR_Parotid_L.seg.nrrd``.
    """

    kind: Literal["binary-masks"] = "binary-masks"

    def inputs(self, case: Case) -> tuple[Path, ...]:
        """Every mask in the case's folder, in name order."""
        return tuple(file for path in self._masks(case) for file in data_files(path))

    def propose(self, case: Case) -> Proposal:
        """Lay the masks over one another, the smallest structure on top, and bring them to the CT's grid.

        Where two masks claim one voxel the smaller structure keeps it, since it is the more specific
        statement; a finding says so.

        Raises
        ------
        BadFileError
            The folder is missing or holds no mask, or a mask cannot be read.
        BadLabelsError
            No file is named after a structure of the scheme, or two are named after the same one.
        GridMismatchError
            Masks of one folder lie on different grids.
        """
        paths, folder = self._masks(case), self.path(case)
        if not paths:
            raise BadFileError(
                f"{case.id}: expert {self.name!r} has no masks for this case: expected NIfTI, MetaImage or NRRD "
                f"files in {folder}; add them, correct `files`, or set `required = false` in the recipe"
            )
        scheme = load_scheme(self.scheme)
        names = {path: _said_of(path, case) for path in paths}
        known = {path: name for path, name in names.items() if name in scheme}
        strangers = [path.name for path in paths if path not in known]
        if not known:
            raise none_known(strangers, scheme, folder, "files")
        overlay, grid = _compose(_by_id(known, scheme))
        findings = (
            *unknown_findings(strangers, self.name, case, scheme, folder),
            *overlay.findings(self.name, case.id, scheme),
        )
        return on_ct_grid(self.name, case, scheme, overlay.label_map, grid, findings)

    def _masks(self, case: Case) -> tuple[Path, ...]:
        folder = self.path(case)
        if not folder.is_dir():
            return ()
        return tuple(sorted(path for path in folder.iterdir() if mask_name(path.name)))


def mask_name(file_name: str) -> str | None:
    """What a mask's file is named after; ``None`` where it is no volume, or hidden.

    Examples
    --------
    >>> mask_name("kidney_left.nii.gz"), mask_name("kidney_left.seg.nrrd"), mask_name("notes.txt")
    ('kidney_left', 'kidney_left', None)
    """
    suffix = next((suffix for suffix in SUFFIXES if file_name.endswith(suffix)), "")
    name = file_name.removesuffix(suffix)
    return name if suffix and name and not file_name.startswith(".") else None


def read_mask(path: Path) -> tuple[PackedMask, Grid]:
    """Read one mask; of a NIfTI file no more than a plane is ever held as it is stored.

    Raises
    ------
    BadFileError
        The file cannot be read, or has more than one number a voxel.
    BadLabelsError
        Numbers are negative or not whole.
    """
    if not is_itk(path):
        file = plane_file(path)
        with file.open() as planes:
            return PackedMask.of(mask_plane(plane, path) for plane in planes), file.grid
    volume = read_itk(path)
    if len(volume.channels) != 1:
        raise BadFileError(f"{path}: expected one number a voxel, found {len(volume.channels)}")
    array = volume.channels[0]
    return PackedMask.of(mask_plane(array[:, :, k], path) for k in range(array.shape[2])), volume.grid


def _said_of(path: Path, case: Case) -> str:
    return (mask_name(path.name) or "").removeprefix(f"{case.id}_")


def _by_id(names: Mapping[Path, str], scheme: LabelScheme) -> dict[int, Path]:
    files: dict[int, Path] = {}
    for path, name in names.items():
        structure = scheme[name]
        other = files.setdefault(structure.id, path)
        if other != path:
            raise BadLabelsError(
                f"{path}: named after {structure.name}, as {other.name} beside it is; keep one of the two"
            )
    return files


def _compose(files: dict[int, Path]) -> tuple[Overlay, Grid]:
    """One label map from many masks, read on a few threads; in memory are the map and the masks being read."""
    first = next(iter(files.values()))
    grid = _grid(first)
    overlay, lock = Overlay(grid.shape), Lock()

    def lay(id_: int, path: Path) -> None:
        mask, own = read_mask(path)
        _check_same_grid(own, path, grid, first)
        with lock:
            overlay.add(id_, mask)

    with ThreadPoolExecutor(THREADS) as pool:
        jobs = [pool.submit(lay, id_, path) for id_, path in files.items()]
        _finish(jobs)
    for path in files.values():
        if not is_itk(path) and plane_file(path).is_float:
            warnings.warn(
                f"{path}: mask stored as {plane_file(path).dtype}; its values are whole, so it was read as integers",
                IntegralFloatWarning,
                stacklevel=3,
            )
    return overlay, grid


def _finish(jobs: Sequence[Future[None]]) -> None:
    """Wait for all; on the first error those that have not begun are dropped."""
    try:
        for job in jobs:
            job.result()
    except BaseException:
        for job in jobs:
            job.cancel()
        raise


def _grid(path: Path) -> Grid:
    return itk_grid(path) if is_itk(path) else plane_file(path).grid


def _check_same_grid(grid: Grid, path: Path, first: Grid, first_path: Path) -> None:
    differences = grid.differences(first)
    if differences:
        raise GridMismatchError(
            f"{path}: lies on another grid than {first_path.name} beside it: {'; '.join(differences)}; "
            "masks of one folder must share a grid: export them again from one source"
        )
