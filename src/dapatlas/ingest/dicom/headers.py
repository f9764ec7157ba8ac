"""The headers of all DICOM files in a tree of half a million, and what is amiss with its files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from dapatlas.errors import BadFileError, DapatlasError
from dapatlas.extras import needed
from dapatlas.findings import Finding
from dapatlas.formats.dicom import EXTRA
from dapatlas.ingest.codes import Code, finding
from dapatlas.ingest.dicom.image import Image
from dapatlas.ingest.dicom.pixel_bytes import DICOMDIR_CLASS
from dapatlas.ingest.dicom.reading import read_image
from dapatlas.ingest.fault import IngestError
from dapatlas.parallel import available_cpus, map_cases

CHUNK = 200  # files that a process reads at a time: a tenth of a second or so
FILES_WORTH_A_PROCESS = 2000  # to start one takes as long as to read about so many
SIDE_FILES = frozenset({"license", "dicomdir", "metadata.csv", "thumbs.db", "desktop.ini"})
SIDE_STEMS = frozenset({"license"})  # LICENSE.txt
SIDE_SUFFIXES = frozenset({".tcia"})  # the manifest of a download


@dataclass(frozen=True, slots=True)
class Scan:
    """What a tree holds.

    Attributes
    ----------
    images
        One a DICOM file, in the order of their paths; a file whose pixels are cut off is among them, see
        ``Image.cut``.
    findings
        About files: ``not-dicom``, ``truncated-file``, ``corrupt-file``. Whether a case can do without such a file,
        :func:`~dapatlas.ingest.dicom.studies.choose_ct` knows.
    files
        How many were looked at; hidden ones, and those that the retriever writes beside, are not.
    """

    images: tuple[Image, ...]
    findings: tuple[Finding, ...]
    files: int


def scan(source: Path, jobs: int | None = None, progress: Callable[[int, int], None] | None = None) -> Scan:
    """Read the headers of all files of a tree.

    Parameters
    ----------
    source
        A folder, or a single file. Links to folders are followed, each folder once.
    jobs
        Processes at most; few files are read in this one.
    progress
        Is told how many files are read, and how many there are.

    Raises
    ------
    BadFileError
        There is no such folder.
    DapatlasError
        pydicom is not installed.
    """
    needed("pydicom", EXTRA, f"to read {source}")
    if not source.exists():
        raise BadFileError(f"{source}: no such file or folder; expected DICOM files, or folders with some")
    chunks = list(_chunks(source))
    count = sum(len(chunk) for chunk in chunks)
    workers = min(available_cpus() if jobs is None else jobs, 1 + count // FILES_WORTH_A_PROCESS)
    images: list[Image] = []
    findings: list[Finding] = []
    done = 0
    for chunk, answer in map_cases(_read_chunk, chunks, workers):
        if isinstance(answer, Exception):
            findings += _lost(chunk, answer)
        else:
            images += answer[0]
            findings += answer[1]
        done += len(chunk)
        if progress is not None:
            progress(done, count)
    images.sort(key=lambda image: (image.folder, image.name))
    findings.sort(key=lambda found: found.file)
    return Scan(tuple(images), tuple(findings), count)


def _chunks(source: Path) -> Iterator[tuple[Path, ...]]:
    """The files to read, by folder; a large folder in parts, and small ones together."""
    chunk: list[Path] = []
    for path in _files(source):
        chunk.append(path)
        if len(chunk) == CHUNK:
            yield tuple(chunk)
            chunk = []
    if chunk:
        yield tuple(chunk)


def _files(source: Path) -> Iterator[Path]:
    """All files but hidden ones and side files, in the order of their names."""
    if source.is_file():
        yield source
        return
    seen: set[tuple[int, int]] = set()
    for folder, subfolders, names in os.walk(source, followlinks=True):
        status = Path(folder).stat()
        if (status.st_dev, status.st_ino) in seen:  # a link leads back
            subfolders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        yield from (Path(folder, name) for name in sorted(names) if not is_side_file(name))


def is_side_file(name: str) -> bool:
    """Whether a file, by its name, is hidden or one that retrievers and file managers leave beside images."""
    stem, suffix = os.path.splitext(name.lower())  # noqa: PTH122  half a million names
    return name.startswith(".") or name.lower() in SIDE_FILES or stem in SIDE_STEMS or suffix in SIDE_SUFFIXES


def _read_chunk(paths: tuple[Path, ...]) -> tuple[list[Image], list[Finding]]:
    images, findings = [], []
    for path in paths:
        try:
            image = read_image(path)
        except IngestError as error:
            findings.append(finding("", error.code, str(error), file=str(path)))
            continue
        if image.sop_class == DICOMDIR_CLASS:
            continue
        if image.cut:
            said = f"{path}: {image.cut}"
            findings.append(finding(image.case, Code.TRUNCATED_FILE, said, file=str(path), found=image.cut))
        images.append(image)
    return images, findings


def _lost(chunk: Iterable[Path], error: Exception) -> list[Finding]:
    """What to say of files that a process died over."""
    if isinstance(error, DapatlasError) and not isinstance(error, BadFileError):
        said = str(error)
    else:
        said = f"{type(error).__name__}: {error}"
    return [
        finding("", Code.CORRUPT_FILE, f"{path}: could not be read ({said})", file=str(path))
        for path in chunk
    ]
