"""What of a data set's folder is published: a list of what is allowed, never of what is not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from dapatlas.dataset.case import IMAGES, MASKS
from dapatlas.dataset.dataset import LABELS, Dataset
from dapatlas.dataset.names import case_id_of
from dapatlas.dataset.split_files import FOLDER as SPLITS
from dapatlas.errors import DapatlasError
from dapatlas.publish.checksums import SUMS

CARD, CROISSANT, DATA, SUBJECTS = "README.md", "croissant.json", "data", "subjects.csv"
# A card without its data looks like a data set that is broken: these go last.
LAST = (CARD, CROISSANT, SUMS)


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """One file that goes up.

    Attributes
    ----------
    name
        Within the repository, with slashes.
    source
        The file itself, links followed.
    bytes
        Its size.
    """

    name: str
    source: Path
    bytes: int


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something in the folder that stays here."""

    name: str
    files: int
    bytes: int
    why: str


@dataclass(frozen=True, slots=True)
class UploadPlan:
    """What goes up and what stays, each in name order."""

    files: tuple[PlannedFile, ...]
    left_out: tuple[LeftOut, ...]

    @property
    def bytes(self) -> int:
        """Size of what goes up."""
        return sum(file.bytes for file in self.files)

    @property
    def sources(self) -> dict[str, Path]:
        """Name to the file itself."""
        return {file.name: file.source for file in self.files}

    @property
    def names(self) -> frozenset[str]:
        """Names of what goes up."""
        return frozenset(file.name for file in self.files)


def plan_upload(
    dataset: Dataset,
    *,
    with_cts: bool = False,
    cts_allowed: bool = False,
    ct_licence: str = "",
    with_subjects: bool = False,
) -> UploadPlan:
    """Decide what is published.

    Parameters
    ----------
    dataset
        The data set.
    with_cts
        Whether the CTs are wanted.
    cts_allowed, ct_licence
        Whether their licence lets them be given to others, and what it is called.
    with_subjects
        Whether ``subjects.csv`` is wanted, which may say more of patients than their sex.

    Raises
    ------
    DapatlasError
        CTs are wanted and not allowed, or a link leads nowhere.
    """
    if with_cts and not cts_allowed:
        licence = f" ({ct_licence})" if ct_licence else ""
        raise DapatlasError(
            f"the licence of the CTs{licence} does not allow to give them to others, by what atlas.toml and the label "
            "scheme's own texts say; leave --with-cts out, or, if you hold the right, set ct_redistributable = true in "
            f"{dataset.path / 'atlas.toml'}"
        )
    rules: dict[str, tuple[Callable[[str], bool], bool, str]] = {
        CARD: (bool, True, ""),
        CROISSANT: (bool, True, ""),
        LABELS: (bool, True, ""),
        DATA: (lambda name: name.endswith(".parquet"), True, "no Parquet file"),
        MASKS: (lambda name: case_id_of(name) is not None, True, "no NIfTI file"),
        SPLITS: (lambda name: name.endswith(".json"), True, "no split"),
        IMAGES: (lambda name: case_id_of(name) is not None, with_cts, _why_no_cts(cts_allowed)),
        SUBJECTS: (bool, with_subjects, "may say more of patients than is public (--with-subjects)"),
    }
    planned, left = [], []
    for entry in sorted(dataset.path.iterdir()):
        fits, wanted, why = rules.get(entry.name, (bool, False, "no part of a published data set"))
        files = list(_files_under(entry))
        going = [path for path in files if wanted and fits(path.name) and _is_direct(path, entry)]
        planned += [_planned(path, dataset.path) for path in going]
        staying = [path for path in files if path not in set(going)]
        if staying and entry.name != SUMS and not entry.name.startswith("."):
            size = sum(path.stat().st_size for path in staying if path.exists())
            left.append(LeftOut(entry.name, len(staying), size, why))
    return UploadPlan(tuple(sorted(planned, key=lambda file: file.name)), tuple(left))


def with_sums(plan: UploadPlan, dataset: Dataset) -> UploadPlan:
    """The plan with ``SHA256SUMS``, once it is written."""
    return replace(plan, files=(*plan.files, _planned(dataset.path / SUMS, dataset.path)))


def _why_no_cts(allowed: bool) -> str:
    return "allowed, but not asked for (--with-cts)" if allowed else "their licence does not allow it"


def _files_under(entry: Path) -> Iterator[Path]:
    if entry.is_dir():
        yield from (path for path in sorted(entry.rglob("*")) if not path.is_dir())
    else:
        yield entry


def _is_direct(path: Path, entry: Path) -> bool:
    """Whether a file lies right in its folder, and is not hidden: hidden ones are being written."""
    return (path == entry or path.parent == entry) and not path.name.startswith(".")


def _planned(path: Path, folder: Path) -> PlannedFile:
    try:
        source = path.resolve(strict=True)
        size = source.stat().st_size
    except (OSError, RuntimeError):
        raise DapatlasError(
            f"{path} is a link that leads nowhere; mount the disk that it points to, or link it anew"
        ) from None
    return PlannedFile(path.relative_to(folder).as_posix(), source, size)
