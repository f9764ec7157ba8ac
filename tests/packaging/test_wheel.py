"""The package as others get it: built from its sdist, installed in an environment of its own, far from the checkout."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tarfile
import tomllib
import urllib.request
import venv
import zipfile
from collections.abc import Iterator
from email import message_from_string
from email.message import Message
from pathlib import Path

import pytest

import dapatlas

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SOURCE = ROOT / "src" / "dapatlas"
HEAVY = {"torch", "fastapi", "dask", "pyarrow", "pydicom", "ipyniivue"}
VENDORED = ("niivue.js", "lit-html.js", "LICENCES.txt")
CASE = ("--subjects", "1", "--size", "64", "--jobs", "1")

pytestmark = pytest.mark.slow


def run(*command: str | Path, cwd: Path, code: int = 0) -> str:
    """What a command prints; it sees nothing of this checkout or its environment."""
    hidden = ("PYTHON", "COV_", "COVERAGE", "VIRTUAL_ENV", "PYTEST", "DAPATLAS")
    env = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    done = subprocess.run(
        [str(c) for c in command], cwd=cwd, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == code, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the sdist, and with the wheel that was made from it."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--outdir", folder, ROOT, cwd=folder)
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (found,) = built.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def core(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Programs of an environment that has the wheel, and what it cannot do without."""
    folder = tmp_path_factory.mktemp("core")
    venv.create(folder, with_pip=True)
    run(folder / "bin" / "pip", "install", "--quiet", wheel, cwd=folder)
    return folder / "bin"


@pytest.fixture(scope="module")
def demo(core: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small data set, made by what was installed."""
    folder = tmp_path_factory.mktemp("work")
    run(core / "dapatlas", "demo", "--out", "demo", *CASE, cwd=folder)
    return folder / "demo" / "atlas"


def metadata_of(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (each for each in archive.namelist() if each.endswith(".dist-info/METADATA"))
        return message_from_string(archive.read(name).decode())


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path):
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    ours = {
        f"dapatlas/{path.relative_to(SOURCE).as_posix()}"
        for path in SOURCE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert names == ours
    assert {"dapatlas/py.typed", *(f"dapatlas/review/web/vendor/{name}" for name in VENDORED)} <= names


def test_the_sdist_holds_what_is_needed_to_build_and_test(built: Path):
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {"pyproject.toml", "hatch_build.py", "Makefile", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md"}
    assert (
        wanted | {"src/dapatlas/review/web/vendor/niivue.js", "tests/conftest.py", "docs/index.md"} <= names
    )
    unwanted = ("__pycache__", ".venv", ".git/", ".coverage", ".mypy_cache", "site/", "node_modules")
    assert [name for name in names if any(part in name for part in unwanted)] == []


def test_the_metadata_is_complete(wheel: Path, built: Path):
    told = metadata_of(wheel)
    assert told["Version"] == dapatlas.__version__
    assert told["License-Expression"] == "Apache-2.0"
    assert set(told.get_all("Provides-Extra", [])) == set(PROJECT["optional-dependencies"])
    run(sys.executable, "-m", "twine", "check", "--strict", *built.iterdir(), cwd=built)


def test_the_core_brings_no_heavy_package(core: Path):
    listed = json.loads(run(core / "pip", "list", "--format", "json", cwd=core))
    assert {package["name"].lower() for package in listed} & HEAVY == set()


def test_the_commands_work_far_from_the_checkout(core: Path, demo: Path, tmp_path: Path):
    program = core / "dapatlas"
    assert run(program, "--version", cwd=tmp_path).split() == ["dapatlas", dapatlas.__version__]
    told = json.loads(run(program, "doctor", "--json", cwd=tmp_path))
    assert told["troubles"] == []
    states = {extra["name"]: extra["state"] for extra in told["extras"]}
    assert (states["core"], states["models"]) == ("ready", "not installed")
    assert "liver" in run(program, "labels", "show", "liver", cwd=tmp_path)
    assert "totalsegmentator" in run(program, "labels", "schemes", cwd=tmp_path)
    assert len(list((demo / "masks").glob("*.nii.gz"))) == len(list((demo / "images").glob("*.nii.gz"))) > 0
    run(program, "validate", demo, "--deep", cwd=tmp_path)


def test_what_an_extra_would_bring_is_asked_for_in_words(core: Path, demo: Path):
    env = {"PATH": str(core), "COLUMNS": "400"}
    done = subprocess.run(
        [core / "dapatlas", "review", demo], cwd=demo, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "pip install 'dapatlas[web]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_user_programs_are_type_checked_against_it(core: Path, tmp_path: Path):
    good = "from dapatlas.dataset import Dataset\nvolumes: dict[str, float] = Dataset('atlas')[0].volumes()\n"
    (tmp_path / "good.py").write_text(good)
    (tmp_path / "bad.py").write_text(
        "from dapatlas.dataset import Dataset\nname: int = Dataset('atlas').path\n"
    )
    mypy = (sys.executable, "-m", "mypy", "--strict", "--python-executable", core / "python")
    assert "no issues found" in run(*mypy, "good.py", cwd=tmp_path)
    assert "[assignment]" in run(*mypy, "bad.py", cwd=tmp_path, code=1)


@pytest.fixture
def address(core: Path, wheel: Path, demo: Path) -> Iterator[str]:
    """Where the review of the demo is served, by an installation with the extra for it."""
    run(core / "pip", "install", "--quiet", f"{wheel}[web]", cwd=demo)
    command = [core / "dapatlas", "review", demo, "--port", "0", "--no-browser"]
    process = subprocess.Popen(command, cwd=demo, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        found = re.search(r"http://127\.0\.0\.1:\d+/", process.stdout.readline())
        assert found
        yield found[0]
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        process.stdout.close()


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=60) as answer:
        return answer.read()


def test_the_review_serves_its_pages_and_libraries(address: str):
    """Last in this file: it adds the extra to what the others use."""
    page = get(address).decode()
    scripts = re.findall(r'<script[^>]+src="/?([^"]+)"', page)
    assert scripts
    for script in scripts:
        assert get(address + script) == (SOURCE / "review" / "web" / Path(script).name).read_bytes()
    (folder,) = {Path(script).parent.as_posix() for script in scripts}
    for name in ("niivue.js", "lit-html.js"):
        served = get(f"{address}{folder}/vendor/{name}")
        assert served == (SOURCE / "review" / "web" / "vendor" / name).read_bytes()
    assert json.loads(get(f"{address}api/session"))["mode"] == "local"
