"""Zips and folders read as one: members that are safe to take, and what is wrong with the others.

Examples
--------
>>> with Archive(path) as archive:  # doctest: +SKIP
...     for member in archive.members():
...         archive.copy(member, target)  # checksum verified, whole or not at all
>>> archive.findings  # doctest: +SKIP
()
"""

from __future__ import annotations

import io
import os
import re
import stat
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import IO, Any, Self

from dapatlas.errors import BadFileError
from dapatlas.files import whole_file
from dapatlas.findings import Finding
from dapatlas.ingest.codes import Code, finding
from dapatlas.ingest.fault import IngestError
from dapatlas.ingest.space import check_space, full_disk_named

BLOCK_BYTES = 1 << 20
MAX_MEMBER_BYTES = 1 << 34  # unpacked; a CT of 1024×1024×2048 in double precision is as large as that
JUNK_FOLDER = "__MACOSX"  # macOS puts its own notes in there

_DRIVE = re.compile("[A-Za-z]:")
_LOCKED = 0x1  # bit 0 of a member's general purpose flags (APPNOTE.TXT 4.4.4)
_BROKEN = (zipfile.BadZipFile, zlib.error, LZMAError, EOFError, OSError, NotImplementedError, RuntimeError)


@dataclass(frozen=True, slots=True)
class Member:
    """One file in an archive.

    Attributes
    ----------
    name
        Its path in there, with ``/`` whatever the system that packed it; never absolute, never with ``..``.
    bytes
        Its size, unpacked.
    """

    name: str
    bytes: int

    @property
    def file_name(self) -> str:
        """The last part of its path."""
        return PurePosixPath(self.name).name


class Archive:
    """A zip or a folder, open for reading; a context manager.

    Attributes
    ----------
    path
        Where it is.
    findings
        What is wrong with members that are not offered: a path out of the archive, a link, a password, a size
        beyond reason, a name that another has already.

    Raises
    ------
    BadFileError
        There is no such file, it is no zip, it is truncated, or its members lie over one another, as in a zip
        bomb.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.findings: tuple[Finding, ...] = ()
        self._zip = None if path.is_dir() else open_zip(path)
        if self._zip is None:
            self._where = {Member(name, file.stat().st_size): file for name, file in _files_below(path)}
        else:
            try:
                infos, self.findings = safe_members(self._zip)
            except BadFileError:
                self._zip.close()
                raise
            self._infos = {Member(_posix(info), info.file_size): info for info in infos}

    @property
    def is_zip(self) -> bool:
        """Whether it is a zip, and no folder."""
        return self._zip is not None

    def members(self) -> tuple[Member, ...]:
        """Every file that is safe to take, by name; hidden ones and macOS's own notes are left out."""
        return tuple(sorted(self._infos if self.is_zip else self._where, key=lambda member: member.name))

    def open(self, member: Member) -> IO[bytes]:
        """Open a member for reading; its checksum is verified at its end, if it is read that far.

        Raises
        ------
        BadFileError
            Now or while it is read: it is truncated, corrupt, or packed in a way that is not known here.
        """
        try:
            raw: IO[bytes] = (
                self._where[member].open("rb", buffering=0)
                if self._zip is None
                else self._zip.open(self._infos[member])
            )
        except _BROKEN as error:
            raise _broken(self._name(member), error) from None
        return io.BufferedReader(_Told(raw, self._name(member)), BLOCK_BYTES)

    def copy(self, member: Member, target: Path) -> None:
        """Copy a member to a file of its own, whole or not at all.

        Raises
        ------
        BadFileError
            The member is truncated or corrupt.
        NoSpaceError
            The disk is full.
        """
        with (
            full_disk_named(target),
            self.open(member) as stream,
            whole_file(target) as scratch,
            scratch.open("wb") as out,
        ):
            while block := stream.read(BLOCK_BYTES):
                out.write(block)

    def unpack(self, folder: Path, members: Iterable[Member] | None = None) -> list[Finding]:
        """Copy members to their own paths below a folder; a broken one stops no other.

        Returns
        -------
        list of Finding
            About the members that are broken.

        Raises
        ------
        NoSpaceError
            There is no room, by their declared sizes, or it ran out.
        """
        wanted = self.members() if members is None else tuple(members)
        check_space(folder, sum(member.bytes for member in wanted), f"to unpack {self.path.name}")
        broken = []
        for member in wanted:
            try:
                self.copy(member, folder / member.name)
            except BadFileError as error:
                broken.append(finding("", Code.CORRUPT_FILE, str(error), file=self._name(member)))
            except OSError as error:  # a name that is too long, or that another one needs as a folder
                said = f"{self._name(member)}: cannot be unpacked ({error.strerror})"
                broken.append(finding("", Code.UNSAFE_MEMBER, said, file=self._name(member)))
        return broken

    def close(self) -> None:
        """Let go of the file."""
        if self._zip is not None:
            self._zip.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _name(self, member: Member) -> str:
        return f"{self.path}/{member.name}"


def open_zip(path: Path) -> zipfile.ZipFile:
    """Open a zip and read its table of members.

    Raises
    ------
    BadFileError
        There is no such file, it is no zip, or its end is missing.
    """
    try:
        with path.open("rb") as stream:
            start = stream.read(2)
        return zipfile.ZipFile(path)
    except FileNotFoundError:
        raise IngestError(Code.NO_FILES, f"{path}: no such file or folder") from None
    except (zipfile.BadZipFile, EOFError, NotImplementedError, ValueError) as error:
        if start == b"PK":
            raise IngestError(
                Code.TRUNCATED_FILE,
                f"{path}: truncated or damaged: the table at the end of the zip cannot be read ({error}); "
                "download or copy it again",
            ) from None
        said = f"{path}: no zip (it starts with {start!r}); expected a zip or a folder"
        raise IngestError(Code.UNKNOWN_FORMAT, said) from None
    except OSError as error:
        raise IngestError(Code.CORRUPT_FILE, f"{path}: cannot be read ({error.strerror or error})") from None


def is_zip(path: Path) -> bool:
    """Whether a file begins as zips do; its name is not asked."""
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return stream.read(4) in (b"PK\3\4", b"PK\5\6")  # the second: a zip without members


def safe_members(archive: zipfile.ZipFile) -> tuple[tuple[zipfile.ZipInfo, ...], tuple[Finding, ...]]:
    """The files of a zip that are safe to take, and a finding on every other.

    Raises
    ------
    BadFileError
        The members' packed sizes add up to more than the zip: they lie over one another, which is how a few
        bytes are made to unpack into terabytes (Fifield, "A better zip bomb", WOOT 2019).
    """
    path = Path(str(archive.filename))
    files = [info for info in archive.infolist() if not info.is_dir() and not _is_junk(_posix(info))]
    if sum(info.compress_size for info in files) > path.stat().st_size:
        said = f"{path}: its members overlap, as in a zip bomb; get it from its source"
        raise IngestError(Code.UNSAFE_MEMBER, said)
    safe: dict[str, zipfile.ZipInfo] = {}
    findings = []
    for info in files:
        code, why = _objection(info)
        if code is None and _posix(info) in safe:
            code, why = Code.NAME_TAKEN, "its name is there twice; the first was taken"
        if code is None:
            safe[_posix(info)] = info
        else:
            said = f"{path}: member {info.filename!r} was left out: {why}"
            findings.append(finding("", code, said, file=f"{path}/{_posix(info)}"))
    return tuple(safe.values()), tuple(findings)


def _objection(info: zipfile.ZipInfo) -> tuple[Code | None, str]:
    name = _posix(info)
    mode = info.external_attr >> 16  # the Unix mode, where the packer noted one
    if name.startswith("/") or _DRIVE.match(name) or ".." in name.split("/"):
        return Code.UNSAFE_MEMBER, "its path leads out of the archive"
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        return Code.UNSAFE_MEMBER, "it is a link, or no ordinary file"
    if info.flag_bits & _LOCKED:
        return Code.ENCRYPTED_ARCHIVE, "it is locked with a password"
    if info.file_size > MAX_MEMBER_BYTES:
        said = f"it unpacks to {info.file_size} bytes, more than {MAX_MEMBER_BYTES}"
        return Code.UNSAFE_MEMBER, said
    return None, ""


def _posix(info: zipfile.ZipInfo) -> str:
    """A member's path as it is taken: Windows's separators turned, ``./`` and doubled slashes gone."""
    name = info.filename.replace("\\", "/")
    return ("/" if name.startswith("/") else "") + "/".join(p for p in name.split("/") if p not in ("", "."))


def _is_junk(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return not parts or JUNK_FOLDER in parts or (parts[-1].startswith(".") and ".." not in parts)


def _files_below(folder: Path) -> Iterator[tuple[str, Path]]:
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != JUNK_FOLDER)
        for name in names:
            file = Path(place, name)
            if not name.startswith(".") and file.is_file():
                yield file.relative_to(folder).as_posix(), file


def _broken(name: str, error: BaseException) -> IngestError:
    said = " ".join(str(error).split()) or type(error).__name__
    return IngestError(Code.CORRUPT_FILE, f"{name}: truncated or corrupt ({said}); download or copy it again")


class _Told(io.RawIOBase):
    """A member's bytes; what goes wrong while they are read is told as an error of ours."""

    def __init__(self, stream: IO[bytes], name: str) -> None:
        self._stream, self._name = stream, name

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            block = self._stream.read(len(buffer))
        except _BROKEN as error:
            raise _broken(self._name, error) from None
        buffer[: len(block)] = block
        return len(block)

    def close(self) -> None:
        self._stream.close()
        super().close()
