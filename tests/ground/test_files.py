"""Folders that appear whole or not at all, also where one stood before."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from dapatlas.files import clear_scratch, whole_folder


def test_a_folder_takes_the_place_of_another_and_leaves_nothing_beside_it(tmp_path: Path):
    for text in ("first", "second"):
        with whole_folder(tmp_path / "a") as scratch:
            (scratch / f"{text}.txt").write_text(text)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["second.txt"]


def test_what_stood_there_stays_when_the_new_one_cannot_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = tmp_path / "a"
    folder.mkdir()
    (folder / "first.txt").touch()
    rename = Path.rename

    def full(self: Path, target: Path) -> Path:
        if (self / "second.txt").exists():
            raise OSError(errno.ENOSPC, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(OSError, match="No space left"), whole_folder(folder) as scratch:
        (scratch / "second.txt").touch()
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert [path.name for path in folder.iterdir()] == ["first.txt"]


def test_what_a_killed_swap_leaves_is_cleared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    class Killed(BaseException):
        pass

    def killed(path: Path) -> None:
        raise Killed

    (tmp_path / "a").mkdir()
    monkeypatch.setattr(
        "dapatlas.files.shutil.rmtree",
        lambda path, ignore_errors=False: None if ignore_errors else killed(path),
    )
    with pytest.raises(Killed), whole_folder(tmp_path / "a") as scratch:
        (scratch / "second.txt").touch()
    monkeypatch.undo()
    assert len(list(tmp_path.iterdir())) == 2
    clear_scratch({tmp_path: ["b"]})  # of another
    assert len(list(tmp_path.iterdir())) == 2
    clear_scratch({tmp_path: ["a"]})
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a" / "second.txt").exists()
