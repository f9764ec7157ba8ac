"""DICOM as people have it: a folder, a zip, or a single file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from dapatlas.findings import Finding
from dapatlas.ingest.archive import Archive, is_zip
from dapatlas.ingest.codes import Code
from dapatlas.ingest.fault import IngestError

SMALL_BYTES = 1 << 30  # a zip that unpacks to no more is not asked how well it was packed
HIGHEST_RATIO = 100  # of unpacked to packed; CT slices pack to a third, empty ones to a few hundredths
DICOM_MAGIC = b"DICM"  # at byte 128 of every DICOM file (PS3.10, 7.1)


@dataclass(frozen=True, slots=True)
class DicomFolder:
    """A folder of DICOM files, and what was wrong with the archive that it came in."""

    path: Path
    findings: tuple[Finding, ...]


@contextmanager
def dicom_source(source: Path, beside: Path) -> Iterator[DicomFolder]:
    """Give a folder of DICOM files: the source itself, or what is in a zip, unpacked for as long as it is needed.

    Parameters
    ----------
    source
        Folder, zip, or one DICOM file (an enhanced CT is all in one).
    beside
        Folder in which a hidden scratch folder may be made; it goes afterwards, whatever happens.

    Raises
    ------
    IngestError
        The source is missing, neither folder nor zip nor DICOM file, a truncated zip, or one that unpacks to far
        more than scans do. Single members that are broken or unsafe are findings.
    NoSpaceError
        There is no room to unpack it.
    """
    if source.is_dir():
        yield DicomFolder(source, ())
        return
    if not source.exists():
        raise IngestError(Code.NO_FILES, f"{source}: no such file or folder")
    single = _is_dicom(source)
    if not (single or is_zip(source) or source.suffix.lower() == ".zip"):
        said = f"{source}: neither a folder, a zip nor a DICOM file; {Code.UNKNOWN_FORMAT.remedy}"
        raise IngestError(Code.UNKNOWN_FORMAT, said)
    beside.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".unpacked-", dir=beside) as name:
        scratch = Path(name)
        if single:
            (scratch / source.name).symlink_to(source.absolute())
        yield DicomFolder(scratch, () if single else _unpack(source, scratch))


def _unpack(source: Path, folder: Path) -> tuple[Finding, ...]:
    with Archive(source) as archive:
        unpacked, packed = sum(member.bytes for member in archive.members()), source.stat().st_size
        if unpacked > max(SMALL_BYTES, HIGHEST_RATIO * packed):
            raise IngestError(
                Code.UNSAFE_MEMBER,
                f"{source}: {packed} bytes that would unpack to {unpacked}, as a zip bomb does; "
                "if they are scans, unpack it yourself and give the folder",
            )
        return (*archive.findings, *archive.unpack(folder))


def _is_dicom(source: Path) -> bool:
    with source.open("rb") as stream:
        return stream.read(132)[128:] == DICOM_MAGIC
