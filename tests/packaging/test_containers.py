"""The container recipes: no fault that a linter knows, and they install what pyproject.toml has. No image is built."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from spython.main.parse.parsers import SingularityParser

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "containers" / "Dockerfile"
DEFINITION = ROOT / "containers" / "dapatlas.def"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# neither Jupyter nor other people's training frameworks are in the images
EXTRAS = set(PROJECT["optional-dependencies"]) - {"dev", "notebook", "monai", "torchio"}


def instructions(path: Path) -> list[tuple[str, str]]:
    """Instructions of a Dockerfile in order, e.g. ``("USER", "1000")``; lines that go on are joined."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    text = "\n".join(lines).replace("\\\n", " ")
    return [
        (name, rest.strip()) for name, _, rest in (line.partition(" ") for line in text.splitlines()) if name
    ]


def values(name: str) -> list[str]:
    return [rest for each, rest in instructions(DOCKERFILE) if each == name]


def installed(text: str) -> set[str]:
    return set(re.findall(r"[a-z]+", text))


def sections(path: Path) -> dict[str, list[str]]:
    """Lines of an Apptainer definition by section, without comments."""
    found: dict[str, list[str]] = {"": []}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("%"):
            found[name := line[1:].strip()] = []
        elif line.strip() and not line.lstrip().startswith("#"):
            found[name if len(found) > 1 else ""].append(line.strip())
    return found


def test_the_dockerfile_has_no_fault_that_hadolint_knows():
    linter = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([linter, DOCKERFILE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_images_have_every_extra_and_only_the_one_for_cuda_has_networks():
    (extras,) = (rest for rest in values("ARG") if rest.startswith("EXTRAS="))
    assert installed(extras.partition("=")[2]) == EXTRAS - {"models"}
    (networks,) = (rest for rest in values("RUN") if "[models]" in rest)
    assert not re.search(r"torch", networks)  # which torch is pyproject.toml's to say
    assert [rest.split()[-1] for rest in values("FROM")][-2:] == ["cuda", "cpu"]  # the last is the default


def test_nobody_is_root_in_the_images():
    assert values("USER") == ["1000"]
    names = [name for name, _ in instructions(DOCKERFILE)]
    assert "RUN" not in names[names.index("USER") :]


def test_base_images_have_a_version():
    (image,) = (rest.partition("=")[2] for rest in values("ARG") if rest.startswith("PYTHON_IMAGE="))
    assert re.fullmatch(r"python:3\.1[1-3][0-9.]*-slim-[a-z]+", image)
    assert {rest.split()[0] for rest in values("FROM")} == {"${PYTHON_IMAGE}", "installed-cpu", "runtime"}
    (base,) = (line.partition(": ")[2] for line in sections(DEFINITION)[""] if line.startswith("From"))
    assert base == image


def test_all_that_is_copied_is_there_and_let_through():
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {name for rest in values("COPY") if not rest.startswith("--from") for name in rest.split()[:-1]}
    assert copied == allowed
    assert all((ROOT / name).exists() for name in copied)


def test_the_apptainer_definition_is_understood_and_installs_the_same():
    recipe = SingularityParser(str(DEFINITION)).parse()["spython-base"]
    assert recipe.fromHeader == "python:3.11-slim-bookworm"
    assert {file.split()[0] for file in recipe.files} == {
        "pyproject.toml",
        "hatch_build.py",
        "README.md",
        "LICENSE",
        "src",
    }
    assert sections(DEFINITION)["runscript"] == ['exec dapatlas "$@"']
    assert sections(DEFINITION)["test"] == ["dapatlas --version", "dapatlas labels show liver"]
    (arguments,) = sections(DEFINITION)["arguments"]
    assert installed(arguments.partition("=")[2]) == EXTRAS
    assert any("[{{ extras }}]" in line for line in recipe.install)


def test_its_shell_parts_are_shell():
    for name in ("post", "environment", "runscript", "test"):
        script = "\n".join(sections(DEFINITION)[name])
        done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), name


@pytest.mark.parametrize("path", [DOCKERFILE, DEFINITION], ids=lambda path: path.name)
def test_no_registry_is_named(path: Path):
    assert not re.search(
        r"https?://|ghcr\.io|docker\.io|--(extra-)?index-url", path.read_text(encoding="utf-8")
    )
