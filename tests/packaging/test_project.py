"""What is said in several places about the project is the same everywhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import yaml

import dapatlas

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def pythons() -> list[str]:
    """Versions that the classifiers name, e.g. ``3.11``."""
    found = [
        re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", each) for each in PROJECT["classifiers"]
    ]
    return [each[1] for each in found if each]


def test_there_is_one_version():
    assert "version" not in PROJECT
    assert PROJECT["dynamic"] == ["version"]
    assert metadata.version("dapatlas") == dapatlas.__version__
    assert yaml.safe_load(text("CITATION.cff"))["version"] == dapatlas.__version__


def test_the_workflow_tries_every_python_that_is_promised():
    jobs = yaml.safe_load(text(".github/workflows/ci.yml"))["jobs"]
    (oldest,) = {step["with"]["python-version"] for step in jobs["all"]["steps"] if "with" in step}
    assert [oldest, *jobs["pythons"]["strategy"]["matrix"]["python"]] == pythons()
    assert PROJECT["requires-python"] == f">={oldest}"


def test_torch_is_pinned_in_one_place():
    lines = [line for extra in PROJECT["optional-dependencies"].values() for line in extra]
    assert [line for line in lines if re.match(r"torch\b", line)] == ["torch==2.13.0"]
    said = re.findall(r"torch(?:==| )(\d[\d.]*\d)", text("docs/install.md"))
    assert set(said) == {"2.13.0"}


def test_the_page_on_installing_names_every_extra():
    rows = re.findall(r"^\| `([a-z]+)` \|", text("docs/install.md"), re.MULTILINE)
    assert sorted(rows) == sorted(PROJECT["optional-dependencies"])


def test_another_python_gets_an_environment_of_its_own():
    def environment(*arguments: str) -> set[str]:
        # what `make test PYTHON=…` hands down to the make of this test is none of it
        env = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
        command = ["make", "-n", "-B", "setup", *arguments]
        done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=True)
        return set(re.findall(r"-m venv (\S+)", done.stdout))

    assert environment() == {".venv"}
    assert environment(f"PYTHON={sys.executable}") == {f".venv-{Path(sys.executable).name}"}
