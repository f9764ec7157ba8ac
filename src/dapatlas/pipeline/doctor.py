"""Is dapatlas well here: what is installed, what each extra gives, GPU, processors, memory, disk, write access."""

from __future__ import annotations

import platform
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import dapatlas
from dapatlas.errors import DapatlasError
from dapatlas.locations import check_writable, is_remote
from dapatlas.memory import GB, free_gb
from dapatlas.parallel import available_cpus
from dapatlas.pipeline.doctor_packages import CORE, Extra, extras, imported

PAGES = ("niivue.js", "lit-html.js")  # what hatch_build.py puts in, and the pages don't work without
DRIVER_S = 20.0  # seconds for nvidia-smi to answer


@dataclass(frozen=True, slots=True)
class Folder:
    """Where one wants to write.

    Attributes
    ----------
    path
        As it was given.
    free_gb
        Free on its disk, in GB; ``None`` behind a URL.
    trouble
        Why nothing can be written there; empty where it can.
    """

    path: str
    free_gb: float | None
    trouble: str


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What was found.

    Attributes
    ----------
    dapatlas, python, system
        Versions, and the kind of machine.
    processors
        Those that this process may use.
    memory_gb
        That it can take, in GB; ``None`` where the system doesn't say.
    folder
        Where one wants to write.
    pages_missing
        Files that the review pages lack; all of them in an installation that was made without.
    torch
        What torch says about itself (``version``, ``cuda``, ``gpus``, ``mps``); ``None`` where there is none.
    driver_gpus
        GPUs that NVIDIA's driver knows, whether torch can use them or not.
    extras
        The core, and each extra.
    """

    dapatlas: str
    python: str
    system: str
    processors: int
    memory_gb: float | None
    folder: Folder
    pages_missing: tuple[str, ...]
    torch: dict[str, Any] | None
    driver_gpus: tuple[str, ...]
    extras: tuple[Extra, ...]

    @property
    def troubles(self) -> tuple[str, ...]:
        """What is there and doesn't work, each with its remedy; what is not installed is no trouble."""
        return tuple(_troubles(self))

    @property
    def hints(self) -> tuple[str, ...]:
        """What works, and could do better."""
        if self.driver_gpus and self.torch and not self.torch["gpus"] and not self.torch.get("error"):
            cuda = self.torch["cuda"]
            why = f"it is built for CUDA {cuda}, and finds none" if cuda else "it is built without CUDA"
            return (
                f"torch {self.torch['version']} does not use the GPU ({', '.join(self.driver_gpus)}): {why}",
            )
        return ()

    def as_dict(self) -> dict[str, Any]:
        """All of it, ready for JSON."""
        parts = [
            {"name": each.name or "core", "state": each.state, "purpose": each.purpose}
            | {"command": each.command, "packages": [asdict(package) for package in each.packages]}
            for each in self.extras
        ]
        kept = asdict(self) | {"extras": parts}
        return kept | {"troubles": list(self.troubles), "hints": list(self.hints)}


def diagnose(folder: Path) -> Diagnosis:
    """Look at the installation, the machine, and a folder that one wants to write to.

    Every package of the core and the extras that is installed is imported once, in another process.
    Nothing stays behind in the folder, and it is not made where it is not there.
    """
    try:
        parts, torch = imported(extras())
    except metadata.PackageNotFoundError:  # it runs from a folder of sources
        parts, torch = (), None
    return Diagnosis(
        dapatlas=dapatlas.__version__,
        python=platform.python_version(),
        system=f"{platform.system()} {platform.machine()}",
        processors=available_cpus(),
        memory_gb=free_gb(),
        folder=look_at(folder),
        pages_missing=pages_missing(Path(dapatlas.__file__).parent),
        torch=torch,
        driver_gpus=driver_gpus(),
        extras=parts,
    )


def look_at(folder: Path) -> Folder:
    """Free space of a folder, and whether a file can be written there.

    One that is not there is judged by the folder that it would be in.
    """
    if is_remote(folder):
        try:
            check_writable(folder)
        except DapatlasError as error:
            return Folder(str(folder), None, str(error))
        return Folder(str(folder), None, "")
    there = folder.absolute()
    while not there.exists() and there != there.parent:
        there = there.parent
    try:
        free = shutil.disk_usage(there).free / GB
        with TemporaryFile(dir=there, prefix=".dapatlas-") as file:
            file.write(b"\0" * 4096)
    except OSError as error:
        return Folder(str(folder), None, error.strerror or str(error))
    return Folder(str(folder), free, "")


def pages_missing(package: Path) -> tuple[str, ...]:
    """Files of other projects that the review pages need, and that a package folder lacks."""
    vendor = package / "review" / "web" / "vendor"
    return tuple(
        name for name in PAGES if not (vendor / name).is_file() or not (vendor / name).stat().st_size
    )


def driver_gpus() -> tuple[str, ...]:
    """Names of the GPUs that NVIDIA's driver knows; none where there is no driver, or it doesn't answer."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    command = [program, "--query-gpu=name", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=DRIVER_S)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return (
        tuple(line.strip() for line in done.stdout.splitlines() if line.strip())
        if not done.returncode
        else ()
    )


def _troubles(found: Diagnosis) -> Iterator[str]:
    seen = set()
    for extra in found.extras:
        for package in extra.packages:
            line = f"{package.name} {package.version}: {package.trouble}"
            if package.trouble and line not in seen:
                seen.add(line)
                yield f"{line}: pip install --force-reinstall '{package.name}{package.wanted}'"
        if extra.name == CORE and extra.missing:
            yield f"dapatlas lacks {', '.join(extra.missing)}: {extra.command}"
    if 0 < len(found.pages_missing) < len(PAGES):
        yield (
            f"the review pages lack {', '.join(found.pages_missing)}: pip install --force-reinstall --no-deps dapatlas"
        )
    if found.torch and found.torch.get("error"):
        yield f"torch {found.torch['version']} cannot ask for GPUs: {found.torch['error']}"
    if found.folder.trouble:
        yield f"nothing can be written to {found.folder.path}: {found.folder.trouble}"
