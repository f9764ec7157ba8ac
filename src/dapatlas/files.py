"""Files that appear whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp, mkstemp
from typing import Any, Literal, cast

from dapatlas.locations import is_remote

SCRATCH = ".partial"  # in the name of a file that is not whole yet
COPY_BYTES = 1 << 22

Way = Literal["hard", "symbolic", "copy"]  # in which one file comes to lie in two places


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a scratch path beside ``path``; on success it takes that name, on failure it goes.

    The scratch file ends in the suffixes of ``path`` (writers choose their format by them) and starts with a dot,
    so that no listing of a data set takes it for a finished file. It is flushed to disk before it
    is renamed: after a power cut the name stands for the whole file or for nothing.

    Behind a URL the scratch file lies in the folder for temporary files of this machine, and is uploaded on success:
    a store shows nothing under the name before all of it has come.
    """
    if is_remote(path):
        with _uploaded(path) as scratch:
            yield scratch
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = mkstemp(
        prefix=f".{path.name}.", suffix=f"{SCRATCH}{''.join(path.suffixes)}", dir=path.parent
    )
    os.close(descriptor)
    scratch = Path(name)
    try:
        yield scratch
        _flush_to_disk(scratch)
        scratch.chmod(0o666 & ~_umask())  # mkstemp makes files private; ours are ordinary ones
        _rename(scratch, path)
    except BaseException:
        scratch.unlink(missing_ok=True)
        raise


@contextmanager
def _uploaded(path: Path) -> Iterator[Path]:
    with TemporaryDirectory(prefix="dapatlas-", ignore_cleanup_errors=True) as folder:
        scratch = Path(folder) / path.name
        yield scratch
        cast(Any, path).upload(scratch)


def _rename(scratch: Path, path: Path) -> None:
    """Give the scratch file its name.

    Over NFS the answer to a rename may be lost. The client then asks again, and is told that there is no such file,
    for the first try did its work.
    """
    wanted = scratch.stat()
    try:
        scratch.replace(path)
    except FileNotFoundError:
        if not (path.exists() and os.path.samestat(path.stat(), wanted)):
            raise


def clear_scratch(names: Mapping[Path, Collection[str]]) -> None:
    """Remove what killed runs left half-written; to be called by the one run that works on these files.

    Parameters
    ----------
    names
        By folder, the files, or how their names begin up to a dot.
    """
    for folder, wanted in names.items():
        if is_remote(folder):  # nothing half-written is ever there
            continue
        for found in folder.glob(f".*{SCRATCH}*"):
            owner = found.name[1:].partition(SCRATCH)[0]  # the file's name, with random letters or without
            if any(owner == name or owner.startswith(f"{name}.") for name in wanted):
                shutil.rmtree(found) if found.is_dir() else found.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path, stands: Callable[[Path], bool] | None = None) -> Iterator[Path]:
    """Give a scratch folder beside ``path``; on success it takes that name, on failure it goes.

    Parameters
    ----------
    path
        The name. A folder that has it already is replaced, unless ``stands`` is given.
    stands
        Whether a folder of that name, which somebody else made meanwhile, is as good: then that one stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(mkdtemp(prefix=f".{path.name}.", suffix=SCRATCH, dir=path.parent))
    try:
        yield scratch
        for found in (*scratch.rglob("*"), scratch):  # not all who write into it flush what they write
            _flush_to_disk(found)
        scratch.chmod(path.parent.stat().st_mode & 0o777)  # mkdtemp makes it private; ours are ordinary ones
        if stands is None:
            _swap(scratch, path)
            return
        try:
            scratch.rename(path)
        except OSError:
            if not stands(path):
                raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _swap(scratch: Path, path: Path) -> None:
    """Give a finished folder its name; what had that name goes once the new one is in place, or stays."""
    if not path.exists():
        scratch.rename(path)
        return
    # still a name of scratch: what a killed run leaves is cleared
    old = scratch.with_name(f"{scratch.name}.old")
    path.rename(old)
    try:
        scratch.rename(path)
    except OSError:
        old.rename(path)
        raise
    shutil.rmtree(old)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8 with Unix line ends, whole or not at all."""
    with whole_file(path) as scratch:
        scratch.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as JSON, indented by one space, whole or not at all."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def link_file(path: Path, source: Path) -> None:
    """Make ``path`` a symbolic link to ``source``, in place of whatever had that name; a copy where one is a URL."""
    if is_remote(path) or is_remote(source):
        _copy(path, source)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}{SCRATCH}")
    scratch.unlink(missing_ok=True)  # left by a run that was killed
    scratch.symlink_to(source)
    scratch.replace(path)


def place_file(path: Path, source: Path, way: Way) -> None:
    """Bring a file to a second place, whole or not at all, in place of whatever had that name.

    Parameters
    ----------
    path
        The second place.
    source
        The file; a link to it is followed, for a link to a link breaks twice as easily.
    way
        A ``hard`` link, where the file system makes one, else a symbolic one; a ``symbolic`` link; or a ``copy``. What
        lies behind a URL is copied.
    """
    if is_remote(path) or is_remote(source):
        _copy(path, source)
        return
    source = source.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    if way == "copy":
        _copy(path, source)
    elif way == "symbolic" or not _hard_link(path, source):
        link_file(path, source)


def _hard_link(path: Path, source: Path) -> bool:
    """Whether the file system let us."""
    scratch = path.with_name(f".{path.name}{SCRATCH}")
    scratch.unlink(missing_ok=True)
    try:
        os.link(source, scratch)
    except OSError:  # another disk, or one that has no such links
        return False
    scratch.replace(path)
    scratch.unlink(missing_ok=True)  # replacing a name of the very same file leaves both
    return True


def _copy(path: Path, source: Path) -> None:
    """Copy a file whole or not at all; within one store, the store does it itself."""
    if is_remote(path) and is_remote(source) and cast(Any, path).copy_of(source):
        return
    with whole_file(path) as scratch, source.open("rb") as stream, scratch.open("wb") as copy:
        shutil.copyfileobj(stream, copy, COPY_BYTES)


def _flush_to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def size_in_words(size: float) -> str:
    """Bytes in decimal units, as disks, networks and the Hub count them: ``1.5 MB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.2f} TB"
