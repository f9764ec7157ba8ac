"""How much memory is free: the system's, or what a control group leaves of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from dapatlas.memory import free_gb


def write(folder: Path, files: dict[str, str]) -> None:
    """Write a system's files."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


MEMINFO = {"proc/meminfo": "MemTotal:       32000000 kB\nMemAvailable:   20000000 kB\n"}


def test_free_memory_is_the_systems(tmp_path: Path) -> None:
    write(tmp_path, MEMINFO)
    assert free_gb(tmp_path) == pytest.approx(20.48)


def test_a_container_may_have_less(tmp_path: Path) -> None:
    group = {
        "memory.max": "8000000000\n",
        "memory.current": "5000000000\n",
        "memory.stat": "inactive_file 1000000000\n",
    }
    write(tmp_path, MEMINFO | {f"sys/fs/cgroup/{name}": text for name, text in group.items()})
    assert free_gb(tmp_path) == pytest.approx(4.0)


def test_a_container_without_a_limit_has_the_systems(tmp_path: Path) -> None:
    write(tmp_path, MEMINFO | {"sys/fs/cgroup/memory.max": "max\n"})
    assert free_gb(tmp_path) == pytest.approx(20.48)


def test_other_systems_do_not_say(tmp_path: Path) -> None:
    assert free_gb(tmp_path) is None
