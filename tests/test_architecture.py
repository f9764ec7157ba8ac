"""The table of who may import whom, and the promise that the core stays light."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# not pydicom, which nibabel itself loads where it is installed; the linter sees that no module of ours does
HEAVY = ("torch", "nnunetv2", "fastapi", "sqlalchemy", "dask", "datasets")
SLOW = ("numpy", "nibabel", "cc3d", "scipy", "pydantic", "PIL")


def test_imports_follow_the_table():
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def modules_after(code: str) -> set[str]:
    script = f"{code}\nimport sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_command_line_loads_nothing_slow_before_a_command_runs():
    assert not modules_after("import dapatlas.cli") & {*HEAVY, *SLOW}


@pytest.mark.parametrize(
    "room", ["labels", "volumes", "dataset", "experts", "aggregate", "pipeline", "phantom"]
)
def test_no_room_of_the_core_loads_a_heavy_package(room: str):
    assert not modules_after(f"import dapatlas.{room}") & set(HEAVY)


def test_the_floors_do_not_know_each_other():
    assert not {
        name for name in modules_after("import dapatlas.labels") if name.startswith("dapatlas.volumes")
    }
    assert not {
        name for name in modules_after("import dapatlas.volumes") if name.startswith("dapatlas.labels")
    }
