"""The documentation builds strictly, asks nothing of other servers, and describes every room."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zlib
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest

pytest.importorskip("mkdocs")
pytest.importorskip("material")

ROOT = Path(__file__).parents[2]
LOADS = {
    "script": "src",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "audio": "src",
    "embed": "src",
}
ROOMS = {path.parent.name for path in ROOT.glob("src/dapatlas/*/__init__.py")} - {"cli"}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` builds it; a dead link, a dead anchor or a page outside the nav ends it."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[str, str]:
    return {
        path.relative_to(site).as_posix(): path.read_text(encoding="utf-8") for path in site.rglob("*.html")
    }


class Loaded(HTMLParser):
    """What a browser fetches for a page before anybody clicks."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag in LOADS:
            self.addresses.append(found.get(LOADS[tag]) or "")
        elif tag == "link" and not {"canonical", "alternate", "next", "prev"} & set(
            (found.get("rel") or "").split()
        ):
            self.addresses.append(found.get("href") or "")


def foreign(addresses: list[str]) -> list[str]:
    return [address for address in addresses if re.match(r"(https?:)?//", address)]


def test_a_foreign_resource_would_be_seen() -> None:
    page = '<link rel="stylesheet" href="https://a/b.css"><script src="//c/d.js"></script><img src="e.png"><a href="https://f">'
    assert foreign(Loaded(page).addresses) == ["https://a/b.css", "//c/d.js"]


def test_every_source_page_is_in_the_site(site: Path) -> None:
    for source in (ROOT / "docs").rglob("*.md"):
        page = source.relative_to(ROOT / "docs").with_suffix("")
        folder = page.parent if page.name == "index" else page
        assert (site / folder / "index.html").is_file(), source


def test_no_page_loads_anything_from_elsewhere(pages: dict[str, str]) -> None:
    ours = {name: page for name, page in pages.items() if not name.endswith(".ipynb")}
    assert {name: found for name, page in ours.items() if (found := foreign(Loaded(page).addresses))} == {}


def test_style_sheets_load_nothing_from_elsewhere(site: Path) -> None:
    for sheet in site.rglob("*.css"):
        found = re.findall(
            r"(?:@import|url\()\s*[\"']?((?:https?:)?//[^\"')]+)", sheet.read_text(encoding="utf-8")
        )
        assert found == [], sheet.name


def test_the_hooks_are_no_part_of_the_site(site: Path) -> None:
    assert not list(site.rglob("*.py"))


def test_each_room_has_a_page(site: Path) -> None:
    described = {path.parent.name for path in site.glob("reference/api/*/index.html")}
    assert described == ROOMS | {"ground"}


def described(site: Path) -> set[str]:
    """Names in the inventory that Sphinx and mkdocstrings share: four lines of head, then compressed lines."""
    *_, packed = (site / "objects.inv").read_bytes().split(b"\n", 4)
    return {line.split()[0] for line in zlib.decompress(packed).decode().splitlines()}


def test_what_the_documentation_imports_is_described(site: Path) -> None:
    names = described(site)
    missing = []
    for source in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        text = source.read_text(encoding="utf-8")
        for module, imported in re.findall(
            r"^(?:>>> )?from (dapatlas\.[\w.]+) import \(?([\w, ]+)", text, re.MULTILINE
        ):
            for name in filter(None, (word.strip() for word in imported.split(","))):
                if not {f"{module}.{name}", f"{module}.{name}.{name}"} & names:
                    missing.append((source.name, module, name))
    assert missing == []


def test_nothing_is_described_twice(pages: dict[str, str]) -> None:
    places = Counter(name for page in pages.values() for name in re.findall(r'id="(dapatlas\.[^"]+)"', page))
    assert [name for name, times in places.items() if times > 1] == []


def test_docstrings_show_no_markup_of_another_language(pages: dict[str, str]) -> None:
    api = {name: page for name, page in pages.items() if name.startswith("reference/api/")}
    assert [name for name, page in api.items() if re.search(r":(class|func|meth|mod|attr|data):", page)] == []
