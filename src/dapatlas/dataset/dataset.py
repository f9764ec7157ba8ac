"""A data set on disk: ``images/``, ``masks/`` and ``labels.json``."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from dapatlas.dataset.case import IMAGES, MASKS, Case
from dapatlas.dataset.names import SUFFIXES, case_id_of
from dapatlas.errors import DapatlasError, did_you_mean
from dapatlas.files import write_text
from dapatlas.labels import LabelScheme, dap
from dapatlas.locations import location, look_again

LABELS = "labels.json"


class Dataset:
    """The cases under one folder, paired by file name; a sized, iterable collection of :class:`Case`.

    Parameters
    ----------
    path
        Folder with ``images/``, ``masks/`` or both; on this machine, or behind a URL such as ``s3://bucket/atlas``.
    scheme
        What the ids in the label maps mean; the DAP Atlas scheme by default.

    Raises
    ------
    DapatlasError
        If there is no such folder, or it has neither ``images/`` nor ``masks/``.

    Notes
    -----
    The folder is listed once, on first use; make a new object to see files that came later. Hidden files are
    no cases. Where a case has both ``X.nii.gz`` and ``X.nii``, the former counts (and ``validate`` objects).

    Examples
    --------
    >>> atlas = Dataset("DAP_Atlas")  # doctest: +SKIP
    >>> len(atlas), len(atlas.subjects)  # doctest: +SKIP
    (533, 482)
    >>> liver = atlas["AutoPET_0011f3deaf_10445"].structure("liver")  # doctest: +SKIP
    """

    def __init__(self, path: str | Path, scheme: LabelScheme | None = None) -> None:
        self.path = location(path)
        look_again(self.path)
        self.scheme = dap() if scheme is None else scheme
        self.images_dir = self.path / IMAGES
        self.masks_dir = self.path / MASKS
        self.labels_path = self.path / LABELS
        if not self.path.is_dir():
            raise DapatlasError(f"{self.path} is not a folder; expected a data set with {_LAYOUT}")
        if not (self.images_dir.is_dir() or self.masks_dir.is_dir()):
            raise DapatlasError(f"{self.path} has neither images/ nor masks/; a data set has {_LAYOUT}")

    @classmethod
    def create(cls, path: str | Path, scheme: LabelScheme | None = None) -> Dataset:
        """Make the folders and ``labels.json`` of a new data set; what is there already stays."""
        for folder in (IMAGES, MASKS):
            (location(path) / folder).mkdir(parents=True, exist_ok=True)
        dataset = cls(path, scheme)
        dataset.write_labels()
        return dataset

    def write_labels(self) -> Path:
        """Write ``labels.json`` from the scheme, whole or not at all, unless it stands; return its path."""
        text = self.scheme.labels_json().encode()
        if not (self.labels_path.is_file() and self.labels_path.read_bytes() == text):
            write_text(self.labels_path, text.decode())
        return self.labels_path

    def image_path(self, case_id: str) -> Path:
        """Where the CT of a case belongs, whether or not it is there."""
        return self.images_dir / f"{case_id}{SUFFIXES[0]}"

    def mask_path(self, case_id: str) -> Path:
        """Where the label map of a case belongs, whether or not it is there."""
        return self.masks_dir / f"{case_id}{SUFFIXES[0]}"

    @cached_property
    def cases(self) -> tuple[Case, ...]:
        """The cases that have both a CT and a label map, by id; these are what one iterates over."""
        return tuple(case for case in self._by_id.values() if case.is_paired)

    @cached_property
    def unpaired(self) -> tuple[Case, ...]:
        """The cases that lack their CT or their label map, by id."""
        return tuple(case for case in self._by_id.values() if not case.is_paired)

    @cached_property
    def subjects(self) -> dict[str, tuple[Case, ...]]:
        """Paired cases of each subject, so that the studies of one person can be kept together."""
        found: dict[str, list[Case]] = {}
        for case in self.cases:
            found.setdefault(case.subject, []).append(case)
        return {subject: tuple(cases) for subject, cases in sorted(found.items())}

    def __len__(self) -> int:
        return len(self.cases)

    def __iter__(self) -> Iterator[Case]:
        return iter(self.cases)

    def __contains__(self, case: object) -> bool:
        """Whether the data set has this paired case, given as a case or by id."""
        if isinstance(case, Case):
            return case in self.cases
        return isinstance(case, str) and case in self._by_id and self._by_id[case].is_paired

    def __getitem__(self, key: str | int) -> Case:
        """A case by id (unpaired ones too), or a paired case by position."""
        if isinstance(key, int):
            return self.cases[key]
        try:
            return self._by_id[key]
        except KeyError:
            raise DapatlasError(self._unknown(key)) from None

    def __repr__(self) -> str:
        lone = f", {len(self.unpaired)} unpaired" if self.unpaired else ""
        counts = f"{len(self)} cases of {len(self.subjects)} subjects{lone}"
        return f"Dataset({str(self.path)!r}, {self.scheme.name!r}: {counts})"

    def _repr_html_(self) -> str:
        from dapatlas.dataset.html import dataset_html

        return dataset_html(self)

    @cached_property
    def _by_id(self) -> dict[str, Case]:
        images, masks = volume_files(self.images_dir), volume_files(self.masks_dir)
        return {
            case_id: Case(case_id, _first(images.get(case_id)), _first(masks.get(case_id)), self.scheme)
            for case_id in sorted(images.keys() | masks.keys())
        }

    def _unknown(self, case_id: str) -> str:
        return f"{self.path} has no case {case_id!r}{did_you_mean(case_id, self._by_id)}"


_LAYOUT = f"{IMAGES}/<case>.nii.gz, {MASKS}/<case>.nii.gz and {LABELS}"


def volume_files(folder: Path) -> dict[str, list[Path]]:
    """NIfTI files of a folder by case id, ``.nii.gz`` before ``.nii``; nothing where there is no folder."""
    found: dict[str, list[Path]] = {}
    if folder.is_dir():
        for path in folder.iterdir():
            case_id = case_id_of(path.name)
            if case_id is not None and not path.is_dir():  # a dangling link is a file nobody can read
                found.setdefault(case_id, []).append(path)
    return {case_id: sorted(paths, key=_preference) for case_id, paths in found.items()}


def _preference(path: Path) -> int:
    return next(rank for rank, suffix in enumerate(SUFFIXES) if path.name.endswith(suffix))


def _first(paths: list[Path] | None) -> Path | None:
    return paths[0] if paths else None
