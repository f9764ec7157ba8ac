"""`dapatlas doctor`, on installations that are whole, half there, and broken."""

from __future__ import annotations

import json
import os
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from typer.testing import CliRunner

from dapatlas.cli import app
from dapatlas.pipeline import doctor, doctor_packages
from dapatlas.pipeline.doctor_packages import Extra, Package, extras, imported, modules_of, suits, try_imports

HERE = Path(__file__).parents[2]
PROJECT = tomllib.loads((HERE / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def install(folder: Path, name: str, version: str, requires: list[str], files: dict[str, str]) -> None:
    """Put a distribution where Python finds it, as pip would."""
    about = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    about.mkdir(parents=True)
    lines = [f"Name: {name}", f"Version: {version}"]
    for each in sorted({r.partition("extra == '")[2].rstrip("'") for r in requires} - {""}):
        lines.append(f"Provides-Extra: {each}")
    lines += [f"Requires-Dist: {each}" for each in requires]
    (about / "METADATA").write_text("Metadata-Version: 2.1\n" + "\n".join(lines) + "\n")
    record = [f"{about.name}/METADATA,,"]
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
        record.append(f"{path},,")
    (about / "RECORD").write_text("\n".join(record) + "\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return folder


@pytest.fixture
def toy(site: Path) -> Path:
    elsewhere = "win32" if sys.platform != "win32" else "linux"
    needs = [
        "toy-core>=1.0",
        "toy-good>=2.0; extra == 'web'",
        f"toy-elsewhere>=1; sys_platform == '{elsewhere}' and extra == 'web'",
        "toy-absent>=2.0; extra == 'mesh'",
        "toy-good; extra == 'mesh'",
        "toy-absent>=1.0; extra == 'itk'",
        "toy-crash>=1; extra == 'models'",
        "toy-noisy>=1; extra == 'models'",
        "toy-good[more]>=4.0; extra == 'hub'",
    ]
    install(site, "toy", "1.0", needs, {})
    install(site, "toy-core", "1.5", [], {"toy_core/__init__.py": "", "_hidden.py": "raise SystemExit"})
    install(site, "toy-good", "2.10.0+cpu", [], {"toy_good.py": ""})
    install(
        site,
        "toy-crash",
        "1",
        [],
        {"toy_crash.py": "import os, signal; os.kill(os.getpid(), signal.SIGABRT)"},
    )
    install(
        site, "toy-noisy", "1", [], {"toy_noisy.py": "print('{hello'); import os; os.system('echo hello')"}
    )
    return site


def by_name(found: tuple[Extra, ...]) -> dict[str, Extra]:
    return {extra.name: extra for extra in found}


def test_extras_are_told_by_what_is_installed(toy: Path):
    found = by_name(extras("toy"))
    assert {name: extra.state for name, extra in found.items()} == {
        "": "ready", "web": "ready", "mesh": "partly", "itk": "not installed", "models": "ready", "hub": "broken"
    }  # fmt: skip
    assert [p.name for p in found["web"].packages] == ["toy-good"]  # the other is for another system
    assert found["mesh"].missing == ("toy-absent",)
    assert found["mesh"].command == "pip install 'dapatlas[mesh]'"
    assert found["web"].command == ""
    (old,) = found["hub"].packages
    assert (old.version, old.trouble) == ("2.10.0+cpu", ">=4.0 is needed")
    assert found["hub"].command == "pip install --force-reinstall 'toy-good>=4.0'"


@pytest.mark.skipif(sys.platform == "win32", reason="ends a process by a signal")
def test_what_cannot_be_imported_is_broken_and_hides_nothing_else(toy: Path):
    found, torch = imported(extras("toy"))
    states = {name: extra.state for name, extra in by_name(found).items()}
    assert states["models"] == "broken"
    assert [states[name] for name in ("", "web", "itk")] == ["ready", "ready", "not installed"]
    troubles = {p.name: p.trouble for p in by_name(found)["models"].packages}
    assert troubles == {
        "toy-crash": "cannot be imported (toy_crash: crashes the process (SIGABRT))", "toy-noisy": ""
    }  # fmt: skip
    assert torch is None


def test_every_way_to_fail_is_told(site: Path):
    for name, text in {
        "toy_a": "import toy_none",
        "toy_b": "raise OSError('no libtoy.so\\nsecond line')",
        "toy_c": "import sys; sys.exit(3)",
        "toy_d": "import os; os._exit(7)",
        "toy_e": "",
    }.items():
        (site / f"{name}.py").write_text(text)
    found, _ = try_imports(["toy_a", "toy_b", "toy_c", "toy_d", "toy_e"], 60)
    assert found == {
        "toy_a": "ModuleNotFoundError: No module named 'toy_none'",
        "toy_b": "OSError: no libtoy.so",
        "toy_c": "SystemExit: 3",
        "toy_d": "ends the process with exit code 7",
    }


def test_an_import_without_end_is_given_up(site: Path):
    (site / "toy_slow.py").write_text("import time; time.sleep(60)")
    (site / "toy_fast.py").write_text("")
    found, _ = try_imports(["toy_slow", "toy_fast"], 1.5)
    assert found == {"toy_slow": "takes longer than 1.5 s"}


def test_torch_is_asked_for_its_gpus(site: Path):
    text = """
        __version__ = "2.0"
        class version: cuda = "12.4"
        class _About: name = "Toy GPU"; total_memory = 80_000_000_000
        class cuda:
            device_count = staticmethod(lambda: 2)
            get_device_properties = staticmethod(lambda number: _About)
        class backends:
            class mps: is_available = staticmethod(lambda: False)
    """
    (site / "torch.py").write_text("\n".join(line[8:] for line in text.splitlines()))
    _, torch = try_imports(["torch"], 60)
    gpu = {"name": "Toy GPU", "memory_gb": 80.0}
    assert torch == {"version": "2.0", "cuda": "12.4", "gpus": [gpu, gpu], "mps": False}


def test_modules_are_those_that_one_imports():
    assert modules_of("connected-components-3d") == ("cc3d",)
    assert modules_of("pillow") == ("PIL",)
    assert modules_of("fill-voids") == ("fill_voids",)
    assert modules_of("typer") == ("typer",)


numbers = st.lists(st.integers(0, 12), min_size=1, max_size=4).map(lambda ns: ".".join(map(str, ns)))


@given(
    numbers,
    st.sampled_from(["", "+cpu"]),
    st.lists(st.tuples(st.sampled_from([">=", "==", "<", "!="]), numbers), max_size=2),
)
def test_versions_are_judged_as_pip_judges_them(version: str, end: str, bounds: list[tuple[str, str]]):
    wanted = ",".join(sign + bound for sign, bound in bounds)
    assert suits(version + end, wanted) == SpecifierSet(wanted).contains(version + end, prereleases=True)


def test_all_our_own_requirements_are_understood():
    every = [
        *PROJECT["dependencies"],
        *(line for lines in PROJECT["optional-dependencies"].values() for line in lines),
    ]
    assert len(every) > 40
    for line in every:
        theirs = Requirement(line)
        name, wanted, marker = doctor_packages._parts(line)
        assert (name, SpecifierSet(wanted)) == (theirs.name, theirs.specifier)
        assert doctor_packages._here(marker) == (theirs.marker is None or theirs.marker.evaluate())
        assert not {s.operator for s in theirs.specifier} - {">=", "==", "<", "<=", ">", "!="}


def test_every_extra_of_ours_says_what_it_is_for():
    assert set(doctor_packages.PURPOSES) == {"", *PROJECT["optional-dependencies"]}


def test_a_folder_is_tried_and_left_as_it_was(tmp_path: Path):
    found = doctor.look_at(tmp_path / "not" / "yet")
    stat = os.statvfs(tmp_path)
    assert found.free_gb == pytest.approx(stat.f_bavail * stat.f_frsize / 1e9, rel=0.05)
    assert found.trouble == ""
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    assert doctor.look_at(tmp_path / "file").trouble == "Not a directory"


@pytest.mark.skipif(
    not Path("/proc/version").exists(), reason="needs a folder that not even root can write to"
)
def test_a_folder_that_cannot_be_written_to_is_told():
    assert doctor.look_at(Path("/proc")).trouble != ""


def test_review_pages(tmp_path: Path):
    vendor = tmp_path / "review" / "web" / "vendor"
    assert doctor.pages_missing(tmp_path) == doctor.PAGES
    vendor.mkdir(parents=True)
    (vendor / "niivue.js").write_text("x")
    (vendor / "lit-html.js").write_text("")
    assert doctor.pages_missing(tmp_path) == ("lit-html.js",)


@pytest.mark.skipif(sys.platform == "win32", reason="a shell script stands for the driver")
def test_the_driver_is_asked_for_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'Toy GPU'\necho 'Toy GPU'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert doctor.driver_gpus() == ("Toy GPU", "Toy GPU")
    program.write_text("#!/bin/sh\necho 'NVIDIA-SMI has failed'\nexit 9\n")
    assert doctor.driver_gpus() == ()


def well(folder: Path) -> doctor.Diagnosis:
    core = Extra("", "the core", (Package("numpy", ">=1.26", "2.0"),))
    web = Extra("web", "review", (Package("fastapi", ">=0.1", None),))
    torch = {"version": "2.0", "cuda": None, "gpus": [], "mps": False}
    return doctor.Diagnosis(
        "0.1.0", "3.11.7", "Linux x86_64", 2, 8.0, doctor.look_at(folder), (), torch, (), (core, web)
    )


def test_what_is_not_installed_is_no_trouble(tmp_path: Path):
    found = well(tmp_path)
    assert found.troubles == ()
    assert found.hints == ()
    assert replace(found, pages_missing=doctor.PAGES).troubles == ()  # built without, on purpose
    assert len(replace(found, pages_missing=("niivue.js",)).troubles) == 1
    (hint,) = replace(found, driver_gpus=("Toy GPU",)).hints
    assert "built without CUDA" in hint
    (told,) = replace(found, folder=doctor.Folder("/x", None, "Permission denied")).troubles
    assert told == "nothing can be written to /x: Permission denied"
    lacking = Extra("", "the core", (Package("numpy", ">=1.26", None),))
    (trouble,) = replace(found, extras=(lacking,)).troubles
    assert trouble == "dapatlas lacks numpy: pip install 'dapatlas'"


@pytest.mark.parametrize("broken", [False, True])
def test_the_command_says_it_in_words_and_as_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: bool
):
    found = well(tmp_path)
    if broken:
        bad = Package("scipy", ">=1.11", "1.2", ">=1.11 is needed")
        found = replace(found, extras=(replace(found.extras[0], packages=(bad,)), *found.extras[1:]))
    monkeypatch.setattr(doctor, "diagnose", lambda folder: found)
    done = CliRunner().invoke(app, ["doctor", str(tmp_path)])
    assert done.exit_code == (1 if broken else 0)
    assert "pip install 'dapatlas[web]'" in done.stdout
    assert "missing: fastapi" in done.stdout
    assert ("nothing that is installed is broken" in done.stdout) != broken
    said = CliRunner().invoke(app, ["doctor", str(tmp_path), "--json"])
    assert said.exit_code == done.exit_code
    told = json.loads(said.stdout)
    assert [(e["name"], e["state"]) for e in told["extras"]] == [
        ("core", "broken" if broken else "ready"),
        ("web", "not installed"),
    ]
    remedy = "scipy 1.2: >=1.11 is needed: pip install --force-reinstall 'scipy>=1.11'"
    assert told["troubles"] == ([remedy] if broken else [])


def test_a_core_that_cannot_be_imported_is_one_message(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "dapatlas.pipeline.doctor", None)  # importing it then fails
    done = CliRunner().invoke(app, ["doctor"])
    assert (done.exit_code, done.stdout) == (1, "")
    assert "pip install --force-reinstall dapatlas" in done.stderr


def test_sources_that_were_never_installed_are_looked_at_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(doctor, "extras", lambda: extras("toy-that-is-nowhere"))
    found = doctor.diagnose(tmp_path)
    assert found.extras == ()
    assert found.troubles == ()


def test_this_installation_without_what_is_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(doctor, "extras", lambda: tuple(e for e in extras() if e.name in ("", "tables")))
    found = doctor.diagnose(tmp_path)
    assert by_name(found.extras)[""].state == "ready"
    assert {p.name for p in by_name(found.extras)[""].packages} == {
        Requirement(r).name for r in PROJECT["dependencies"]
    }
    assert found.troubles == ()
    assert found.processors >= 1
