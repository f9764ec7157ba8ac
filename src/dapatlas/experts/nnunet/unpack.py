"""Archives of models: what a model needs is taken out of a ZIP, nothing else, and into a scratch folder only."""

from __future__ import annotations

import shutil
import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from dapatlas.errors import BadFileError

WANTED = ("*.model", "*.model.pkl", "plans.pkl", "*.pth", "*.safetensors", "plans.json", "dataset.json",
          "postprocessing.json")  # fmt: skip


@contextmanager
def unpacked(source: Path, scratch: Path) -> Iterator[Path]:
    """Give a folder with what is in ``source``: itself, or a temporary one if it is a ZIP.

    Parameters
    ----------
    scratch
        Existing folder in which the temporary one is made.

    Raises
    ------
    BadFileError
        There is no such file, it is no ZIP or damaged, its files would land outside or not fit on the disk.
    """
    if source.is_dir():
        yield source
        return
    if not source.is_file():
        raise BadFileError(f"{source}: no such file; expected the ZIP or the folder of a trained nnU-Net")
    with TemporaryDirectory(prefix=".unpacking-", dir=scratch) as name:
        _unpack(source, Path(name))
        yield Path(name)


def _unpack(source: Path, folder: Path) -> None:
    try:
        with zipfile.ZipFile(source) as archive:
            members = [member for member in archive.infolist() if _is_wanted(member)]
            _check_members(source, members, folder)
            for member in members:
                target = folder / PurePosixPath(member.filename)
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(member) as packed, target.open("wb") as plain:
                    shutil.copyfileobj(packed, plain, 1 << 20)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        raise BadFileError(f"{source}: not readable as a ZIP ({error}); download it again") from None


def _is_wanted(member: zipfile.ZipInfo) -> bool:
    name = PurePosixPath(member.filename)
    return not member.is_dir() and any(name.match(pattern) for pattern in WANTED)


def _check_members(source: Path, members: list[zipfile.ZipInfo], folder: Path) -> None:
    """Refuse files that would land outside of the folder, are no plain files, or are too many for the disk."""
    for member in members:
        name = PurePosixPath(member.filename)
        outside = (
            name.is_absolute() or ".." in name.parts or "\\" in member.filename or ":" in member.filename
        )
        if outside or stat.S_ISLNK(member.external_attr >> 16):
            raise BadFileError(
                f"{source}: refused: holds {member.filename!r}, which would land outside its folder"
            )
    size, free = sum(member.file_size for member in members), shutil.disk_usage(folder).free
    if size > free:
        raise BadFileError(
            f"{source}: unpacks to {size / 1e9:.1f} GB, and {folder} has {free / 1e9:.1f} GB free"
        )
