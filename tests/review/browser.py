"""A review server in this process, and pages of a real browser on it that are watched all the time."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from databases import quick_passwords

from dapatlas.dataset import Dataset
from dapatlas.review.database.connect import connect
from dapatlas.review.server.app import create_app
from dapatlas.review.server.settings import Mode, Settings
from dapatlas.review.store import Store

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
CHROMIUM = next((path for name in BROWSERS if (path := shutil.which(name))), None)
FLAGS = [
    "--no-sandbox",
    *("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"),
]
DESKTOP, TABLET = {"width": 1280, "height": 800}, {"width": 1024, "height": 768}
SAVED = ".save-state.good-text[data-state=clean]"


@dataclass(frozen=True)
class Site:
    """A review server that answers."""

    url: str
    atlas: Path
    store: Store

    @property
    def cases(self) -> list[str]:
        return [case.id for case in Dataset(self.atlas)]


@contextmanager
def served(
    atlas: Path,
    database: str,
    cache: Path,
    mode: Mode = Mode.LOCAL,
    compare: Mapping[str, Path] | None = None,
) -> Iterator[Site]:
    """A server on a free port, in a thread of its own."""
    store = Store(connect(database), quick_passwords())
    app = create_app(Settings(Dataset(atlas), cache, mode, compare or {}), store)
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    try:
        yield Site(f"http://127.0.0.1:{listener.getsockname()[1]}", atlas, store)
    finally:
        server.should_exit = True
        thread.join(15)
        listener.close()
        store.engine.dispose()


@dataclass
class Watch:
    """Pages of one browser context; what they say against themselves, and what they ask for, is kept."""

    context: Any
    site: Site
    pictures: bool = True
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    refused: list[tuple[int, str]] = field(
        default_factory=list
    )  # status and path of answers that were expected

    def page(self, hash_: str = "") -> Any:
        """Another page, with the queue or what ``hash_`` names."""
        page = self.context.new_page()
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("response", self._answered)
        page.goto(f"{self.site.url}/{hash_}")
        return page

    def case(self, case: str) -> Any:
        """A page with this case open, ready to be judged."""
        page = self.page(f"#/case/{case}")
        ready(page, self.pictures)
        return page

    def check(self) -> None:
        """Nothing was wrong, no rule of the content policy was broken, nothing was asked of anybody else."""
        assert self.said == []
        assert [
            url for url in self.asked if not url.startswith((f"{self.site.url}/", "data:", "blob:"))
        ] == []

    def _heard(self, message: Any) -> None:
        if message.type == "error" and not message.text.startswith(
            "Failed to load"
        ):  # those are in `refused`
            self.said.append(message.text)

    def _answered(self, response: Any) -> None:
        if response.status >= 400:
            self.refused.append((response.status, response.url.removeprefix(self.site.url)))


def ready(page: Any, pictures: bool = True) -> None:
    """Wait until a case can be judged, and its place is told."""
    page.wait_for_selector(".verdict .decisions")
    if pictures:
        page.wait_for_selector(".readout .under")


def saved(page: Any) -> None:
    page.wait_for_selector(SAVED)


def overflow(page: Any) -> int:
    """How many pixels the page is too wide."""
    return int(page.evaluate("document.documentElement.scrollWidth - innerWidth"))


def active(page: Any, script: str) -> Any:
    """Something of the element that has the focus, ``it``."""
    return page.evaluate(f"(() => {{ const it = document.activeElement; return {script}; }})()")
