"""Which packages dapatlas asks for, which are there, and whether they can be used."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

CORE = ""  # name of what is no extra
DEV = "dev"
PURPOSES = {
    CORE: "read, measure, merge, check and write label maps; the command line",
    "dicom": "read DICOM series, write DICOM SEG (ingest, export dicom-seg)",
    "itk": ".mha and .nrrd files; STAPLE",
    "mesh": "surfaces as STL, OBJ and GLB (export meshes)",
    "tables": "Parquet files",
    "hub": "preview table, dataset card, publishing to the Hugging Face Hub",
    "web": "review in the browser",
    "models": "predict and train with nnU-Net",
    "remote": "data sets at s3:// and other URLs",
    "cluster": "Dask and Slurm",
    "loaders": "patches for training, tables, lazy volumes (PyTorch itself comes with models)",
    "monai": "MONAI's transforms, ready for a data set",
    "torchio": "TorchIO's subjects",
    "notebook": "CTs and labels as a viewer in Jupyter",
    DEV: "work on dapatlas itself",
}
IMPORT_S = 180.0  # seconds for all imports together; torch over a slow network disk takes a minute

_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9._-]+)\s*(?:\[[^\]]*\])?\s*\(?([^;)]*)\)?\s*(?:;(.*))?")
_EXTRA = re.compile(r"""extra\s*==\s*["']([^"']+)["']""")
_PLATFORM = re.compile(r"""sys_platform\s*(==|!=)\s*["']([^"']+)["']""")
_BOUND = re.compile(r"(>=|==|<=|<|>|!=)\s*([0-9][0-9.]*)(?![0-9.*])")


@dataclass(frozen=True, slots=True)
class Package:
    """One package that dapatlas or one of its extras asks for.

    Attributes
    ----------
    name
        As pip knows it.
    wanted
        Which versions, e.g. ``>=2.4``.
    version
        What is installed; ``None`` where it is not.
    trouble
        What is wrong with what is installed; empty where nothing is.
    """

    name: str
    wanted: str
    version: str | None
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Extra:
    """An optional part of dapatlas, or its core, and what it needs.

    Attributes
    ----------
    name
        As in ``pip install 'dapatlas[NAME]'``; the empty string is the core.
    purpose
        What one gets.
    packages
        What it asks for on this system.
    """

    name: str
    purpose: str
    packages: tuple[Package, ...]

    @property
    def missing(self) -> tuple[str, ...]:
        """Names of the packages that are not installed."""
        return tuple(package.name for package in self.packages if package.version is None)

    @property
    def state(self) -> str:
        """``ready``; ``broken``, where something installed cannot be used; ``partly`` or ``not installed``."""
        if any(package.trouble for package in self.packages) or (self.name == CORE and self.missing):
            return "broken"
        if not self.missing:
            return "ready"
        return "not installed" if len(self.missing) == len(self.packages) else "partly"

    @property
    def command(self) -> str:
        """What makes it whole; empty where it is ready."""
        wanted = [p.name + p.wanted for p in self.packages if p.trouble]
        if wanted:
            return "pip install --force-reinstall " + " ".join(f"'{each}'" for each in wanted)
        return f"pip install '{_distribution(self.name)}'" if self.missing else ""


def extras(distribution: str = "dapatlas") -> tuple[Extra, ...]:
    """The core and every extra of an installed distribution, with what is installed of each.

    Nothing is imported: versions alone are judged here. :func:`imported` tries the packages.

    Raises
    ------
    importlib.metadata.PackageNotFoundError
        It is not installed, but runs from a folder of sources.
    """
    about = metadata.metadata(distribution)
    found: dict[str, list[Package]] = {
        CORE: [],
        **{name: [] for name in about.get_all("Provides-Extra") or ()},
    }
    for line in metadata.requires(distribution) or ():
        name, wanted, marker = _parts(line)
        if _here(marker):
            extra = _EXTRA.search(marker)
            found.setdefault(extra[1] if extra else CORE, []).append(_package(name, wanted))
    order = {name: place for place, name in enumerate(PURPOSES)}
    names = sorted(found, key=lambda name: order.get(name, len(order)))
    return tuple(Extra(name, PURPOSES.get(name, ""), tuple(found[name])) for name in names)


def imported(
    asked: Sequence[Extra], seconds: float = IMPORT_S
) -> tuple[tuple[Extra, ...], dict[str, Any] | None]:
    """Try to import what is installed of some extras, in a process of its own.

    What is there for developers alone is not tried.

    Returns
    -------
    tuple
        The extras, with what went wrong; and what torch says about itself, where it is installed and works:
        ``version``, ``cuda`` (the version it was built for, or ``None``), ``gpus`` (``name``, ``memory_gb``), ``mps``.
    """
    used = [extra for extra in asked if extra.name != DEV]
    installed = {p.name for extra in used for p in extra.packages if p.version is not None}
    modules = {name: modules_of(name) for name in sorted(installed)}
    broken, torch = try_imports([module for names in modules.values() for module in names], seconds)
    errors = {
        name: "; ".join(f"{module}: {broken[module]}" for module in names if module in broken)
        for name, names in modules.items()
    }
    return tuple(extra if extra.name == DEV else _with(extra, errors) for extra in asked), torch


def try_imports(modules: Iterable[str], seconds: float) -> tuple[dict[str, str], dict[str, Any] | None]:
    """What goes wrong when modules are imported, by module; and what torch says about itself.

    One that takes its process down is left out of the next try.
    """
    left = list(dict.fromkeys(modules))
    broken: dict[str, str] = {}
    while left:
        lines, end = _child(left, seconds)
        torch = next((line["torch"] for line in lines if "torch" in line), None)
        told = [line for line in lines if "module" in line]
        broken.update({line["module"]: line["error"] for line in told if line["state"] == "broken"})
        if not end:
            return broken, torch
        if not told or told[-1]["state"] != "begun":  # it died on the way out, or before it began
            return broken, torch
        broken[told[-1]["module"]] = end
        left.remove(told[-1]["module"])
    return broken, None


def modules_of(name: str) -> tuple[str, ...]:
    """Names by which an installed distribution is imported: its own where it has one of that name, else all public."""
    distribution = metadata.distribution(name)
    text = distribution.read_text("top_level.txt")
    if text is not None:
        top = set(text.split())
    else:
        files = [Path(str(file)) for file in distribution.files or ()]
        packages = {file.parts[0] for file in files if len(file.parts) == 2 and file.name == "__init__.py"}
        single = {file.name.partition(".")[0] for file in files if len(file.parts) == 1 and _is_code(file)}
        top = packages | single
    public = sorted(each for each in top if each.isidentifier() and not each.startswith("_"))
    own = [each for each in public if _same(each, name)]
    return tuple(own or public)


def suits(version: str, wanted: str) -> bool:
    """Whether an installed version is one of those wanted, e.g. ``2.13.0+cpu`` of ``==2.13.0``.

    Numbers alone are compared: of a release candidate, those of its release.
    """
    have = _numbers(version)
    for sign, bound in _BOUND.findall(wanted):
        limit = _numbers(bound)
        size = max(len(have), len(limit))
        one, other = ((*numbers, *[0] * (size - len(numbers))) for numbers in (have, limit))
        if not {
            ">=": one >= other, "<=": one <= other, ">": one > other, "<": one < other,
            "==": one == other, "!=": one != other,
        }[sign]:  # fmt: skip
            return False
    return True


def _package(name: str, wanted: str) -> Package:
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return Package(name, wanted, None)
    return Package(name, wanted, version, "" if suits(version, wanted) else f"{wanted} is needed")


def _parts(requirement: str) -> tuple[str, str, str]:
    """Name, versions and marker of a line such as ``uvloop>=0.19; sys_platform != 'win32'``."""
    found = _REQUIREMENT.match(requirement)
    if found is None:  # pip would not have installed it
        raise ValueError(f"{requirement!r} is no requirement")
    return found[1], found[2].strip(), found[3] or ""


def _here(marker: str) -> bool:
    """Whether a requirement holds on this system; of the markers, those that ours use."""
    return all((sys.platform == name) == (sign == "==") for sign, name in _PLATFORM.findall(marker))


def _with(extra: Extra, errors: dict[str, str]) -> Extra:
    packages = tuple(
        replace(p, trouble=f"cannot be imported ({errors[p.name]})") if errors.get(p.name) else p
        for p in extra.packages
    )
    return replace(extra, packages=packages)


def _child(modules: list[str], seconds: float) -> tuple[list[dict[str, Any]], str]:
    """Lines of the process that imports, and how it ended; the empty string where it ended well."""
    program = Path(__file__).with_name("doctor_imports.py")
    command = [sys.executable, "-P", "-W", "ignore", str(program), *modules]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=seconds
        )
        output, end = done.stdout, _ending(done.returncode)
    except subprocess.TimeoutExpired as error:
        output, end = error.stdout or b"", f"takes longer than {seconds:g} s"
    whole = output.decode(errors="replace").rpartition("\n")[0]
    return [json.loads(line) for line in whole.splitlines()], end


def _ending(code: int) -> str:
    if code >= 0:
        return f"ends the process with exit code {code}" if code else ""
    try:
        return f"crashes the process ({signal.Signals(-code).name})"
    except ValueError:
        return f"crashes the process (signal {-code})"


def _is_code(file: Path) -> bool:
    return file.suffix in (".py", ".so", ".pyd")


def _same(module: str, name: str) -> bool:
    return re.sub(r"[-_.]+", "_", name).lower() == module.lower()


def _numbers(version: str) -> tuple[int, ...]:
    found = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(int(part) for part in found[0].split(".")) if found else ()


def _distribution(extra: str) -> str:
    return f"dapatlas[{extra}]" if extra else "dapatlas"
