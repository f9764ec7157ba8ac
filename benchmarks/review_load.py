"""How fast the review server answers while many read at once.

A real server (uvicorn, in a process of its own) on a data set of many tiny cases; readers in other processes of
the same machine, each of whom asks the server something every so many milliseconds: takes the next case, opens it,
claims it, saves a verdict three times as its page would, goes on.

    python -m benchmarks.review_load --readers 50 --every-ms 500 --seconds 20
"""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing
import os
import platform
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rich.console import Console
from rich.table import Table

Timings = dict[str, list[float]]

WARM_UP_SECONDS = 2  # after everybody has begun; what is before does not count
SAVES = 3  # of each case: pages save while one writes
REQUESTS = 3 + SAVES  # of each case
SHAPE = (64, 56, 64)
SERVER = """
import sys
from pathlib import Path
from dapatlas.dataset import Dataset
from dapatlas.review.database.connect import connect
from dapatlas.review.server.app import create_app
from dapatlas.review.server.run import serve
from dapatlas.review.server.settings import Settings
from dapatlas.review.store import Store

folder, url = Path(sys.argv[1]), sys.argv[2]
app = create_app(Settings(Dataset(folder), folder / ".dapatlas" / "review"), Store(connect(url)))
serve(app, "127.0.0.1", 0, ready=lambda address: print(address, flush=True))
"""


class _TimeIsUp(Exception):  # noqa: N818 - no error
    """The end of a measurement."""


@dataclass
class Reader:
    """One who reads cases, at an even pace.

    Attributes
    ----------
    name
        Pseudonym.
    host, port
        Of the server.
    every
        Seconds from one request to the next.
    begin, end
        From when on it counts, and when to stop, on the monotonic clock.
    timings
        Seconds of each request, by what was asked.
    errors
        What went wrong, by what was asked.
    """

    name: str
    host: str
    port: int
    every: float
    begin: float
    end: float
    timings: Timings = field(default_factory=lambda: defaultdict(list))
    errors: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    late: int = 0

    def read(self) -> None:
        """Read until it is time to stop."""
        time.sleep(random.random() * self.every * REQUESTS)  # readers are at different places of their cases
        self.connection = http.client.HTTPConnection(self.host, self.port, timeout=60)
        self.headers = {"Content-Type": "application/json"}
        answer, session = self._send("log in", "POST", "/api/session", {"name": self.name})
        self.headers["Cookie"] = answer.getheader("Set-Cookie", "").partition(";")[0]
        self.headers["X-CSRF-Token"] = session["csrf"]
        self.turn = time.monotonic()
        case = None
        with suppress(_TimeIsUp):
            while True:
                case = self._one_case(case)
        self.connection.close()

    def _one_case(self, after: str | None) -> str | None:
        case = self._ask("next", "POST", "/api/queue/next", {"kind": "reading", "after": after})["case"]
        if case is None:  # all is read: look at the list for a while
            self._ask("list", "GET", "/api/cases")
            return None
        detail = self._ask("open", "GET", f"/api/cases/{case}")
        self._ask("claim", "POST", f"/api/cases/{case}/claim", expected=(200, 409))
        version = detail["verdict"]["version"] if detail["verdict"] else 0
        for number in range(SAVES):
            body = {
                "kind": "reading",
                "version": version,
                "map_sha256": detail["map_sha256"],
                "decision": "remarks" if number == SAVES - 1 else None,
                "remarks": f"what {self.name} has to say, {number}",
                "marks": [
                    {"structure": "liver", "kind": "leaks", "point": [1, 2, 3]} for _ in range(number + 1)
                ],
            }
            version = self._ask("verdict", "PUT", f"/api/cases/{case}/verdict", body).get("version", version)
        return str(case)

    def _ask(
        self, what: str, method: str, path: str, body: Any = None, expected: tuple[int, ...] = (200,)
    ) -> dict[str, Any]:
        if max(self.turn, time.monotonic()) > self.end:
            raise _TimeIsUp
        counts, wait = self.turn >= self.begin, self.turn - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        elif wait < -0.1 and counts:
            self.late += 1
        self.turn = max(self.turn + self.every, time.monotonic())
        begin = time.perf_counter()
        answer, found = self._send(what, method, path, body)
        if counts:
            self.timings[what].append(time.perf_counter() - begin)
        if answer.status not in expected:
            self.errors[f"{what} {answer.status}"] += 1
        return found

    def _send(self, what: str, method: str, path: str, body: Any = None) -> tuple[Any, dict[str, Any]]:
        content = None if body is None else json.dumps(body)
        self.connection.request(method, path, content, self.headers)
        answer = self.connection.getresponse()
        return answer, json.loads(answer.read() or b"{}")


def read_many(
    names: list[str], address: str, every: float, warm_up: float, seconds: float
) -> tuple[Timings, dict[str, int]]:
    """In a process: some readers at once."""
    parts = urlsplit(address)
    assert parts.hostname is not None
    assert parts.port is not None
    begin = time.monotonic() + warm_up
    readers = [Reader(name, parts.hostname, parts.port, every, begin, begin + seconds) for name in names]
    threads = [threading.Thread(target=reader.read) for reader in readers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    timings: Timings = defaultdict(list)
    errors: dict[str, int] = defaultdict(int)
    for reader in readers:
        for what, times in reader.timings.items():
            timings[what] += times
        for what, number in reader.errors.items():
            errors[what] += number
        errors["late"] += reader.late
    return dict(timings), dict(errors)


def make_dataset(folder: Path, cases: int) -> None:
    """Many tiny cases: copies of three phantoms."""
    from dapatlas.dataset import Dataset
    from dapatlas.phantom import make_cohort
    from dapatlas.pipeline.checking import check_dataset
    from dapatlas.review.layers import open_layers

    check_dataset(make_cohort(folder, 2, shape=SHAPE), jobs=1)
    first = Dataset(folder).cases
    for number in range(cases - len(first)):
        case, name = first[number % len(first)], f"case-{number:05}"
        for room in ("images", "masks"):
            shutil.copy(folder / room / f"{case.id}.nii.gz", folder / room / f"{name}.nii.gz")
        report = json.loads((folder / "reports" / "check" / f"{case.id}.json").read_text())
        (folder / "reports" / "check" / f"{name}.json").write_text(json.dumps(report | {"case": name}))
    dataset = Dataset(folder)
    for case in dataset:  # as `dapatlas review --prepare` does
        open_layers(dataset, case, {}, folder / ".dapatlas" / "review")


def prepare(url: str, names: list[str]) -> None:
    """Plain readers, two readings a case."""
    from dapatlas.review.accounts import Role
    from dapatlas.review.database.connect import connect
    from dapatlas.review.plan import Plan
    from dapatlas.review.store import Store

    store = Store(connect(url))
    for name in names:
        if store.reader(name) is None:
            store.add_reader(name, Role.READER)
    store.set_plan(Plan(readings=2))
    store.engine.dispose()


@contextmanager
def server(folder: Path, url: str) -> Iterator[tuple[str, int]]:
    """The server, its address and its process."""
    command = [sys.executable, "-c", SERVER, str(folder), url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip().rstrip("/"), process.pid
        finally:
            process.terminate()


def cpu_seconds(pid: int) -> float:
    """CPU time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def percentile(times: list[float], share: float) -> float:
    """The time within which so many requests were answered, in ms."""
    ordered = sorted(times)
    return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def report(timings: Timings, seconds: float, title: str) -> Table:
    """A row for each kind of request."""
    table = Table(title=title, box=None)
    table.add_column("request")
    for column in ("number", "a second", "p50 ms", "p95 ms", "p99 ms", "slowest ms"):
        table.add_column(column, justify="right")
    for what, times in sorted(timings.items()):
        shares = [f"{percentile(times, share):.0f}" for share in (0.5, 0.95, 0.99, 1)]
        table.add_row(what, str(len(times)), f"{len(times) / seconds:.1f}", *shares)
    return table


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.review_load", description=__doc__)
    parser.add_argument("--readers", type=int, default=50)
    parser.add_argument(
        "--every-ms", type=float, default=500, help="from one request of a reader to the next"
    )
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--cases", type=int, default=500)
    parser.add_argument("--processes", type=int, default=2, help="that the readers are dealt out to")
    parser.add_argument("--database", help="postgresql://…; SQLite beside the data set by default")
    parser.add_argument("--dataset", type=Path, help="kept there, and taken from there if it is there")
    options = parser.parse_args()
    names = [f"r-{number:03}" for number in range(options.readers)]
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.dataset or Path(scratch) / "atlas"
        if not folder.exists():
            make_dataset(folder, options.cases)
        url = options.database or f"sqlite:///{scratch}/review.sqlite"
        prepare(url, names)
        with server(folder, url) as (address, pid):
            begin, before = time.monotonic(), cpu_seconds(pid)
            groups = [names[number :: options.processes] for number in range(options.processes)]
            every = options.every_ms / 1000
            pace = (every, REQUESTS * every + WARM_UP_SECONDS, options.seconds)
            work = [(group, address, *pace) for group in groups]
            with multiprocessing.get_context("spawn").Pool(options.processes) as pool:
                answers = pool.starmap(read_many, work)
            seconds, used = time.monotonic() - begin, cpu_seconds(pid) - before
    timings: Timings = defaultdict(list)
    errors: dict[str, int] = defaultdict(int)
    for times, wrong in answers:
        for what, each in times.items():
            timings[what] += each
        for what, number in wrong.items():
            errors[what] += number
    total = sum(map(len, timings.values()))
    title = (
        f"{options.readers} readers, a request every {options.every_ms:g} ms each, {url.partition(':')[0]}: "
        f"{total / options.seconds:.0f} requests a second"
    )
    console = Console(width=None if Console().is_terminal else 120)
    console.print(report(timings, options.seconds, title))
    late = errors.pop("late", 0)
    console.print(
        f"errors: {dict(errors) or 'none'}; {late} of {total} requests went out more than 100 ms late"
    )
    load = os.getloadavg()[0]
    console.print(
        f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}; the server used "
        f"{used / seconds:.0%} of one; load {load:.1f}"
    )


if __name__ == "__main__":
    main()
