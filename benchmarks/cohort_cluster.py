"""A Dask scheduler and its workers, each a process of its own, as on the nodes of a cluster."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dapatlas.extras import needed

DASK = str(Path(sys.executable).with_name("dask"))


@dataclass(frozen=True)
class Workers:
    """A cluster that runs: where its scheduler listens, and the workers' processes."""

    address: str
    processes: tuple[subprocess.Popen[bytes], ...]

    def seconds(self) -> float:
        """Processor seconds that workers and scheduler have had so far, their own children included."""
        psutil: Any = needed("psutil", "cluster", "to measure a cluster")
        found = 0.0
        for process in self.processes:
            root = psutil.Process(process.pid)
            for each in (root, *root.children(recursive=True)):
                times = each.cpu_times()
                found += times.user + times.system
        return found


@contextmanager
def open_workers(workers: int, folder: Path) -> Iterator[Workers]:
    """Start a scheduler and so many workers of one thread each; they end with the block."""
    begin = [DASK, "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--no-jupyter"]
    scratch = folder / "dask"
    scratch.mkdir(parents=True, exist_ok=True)
    log = scratch / "scheduler.log"
    with log.open("wb") as stream:
        scheduler = subprocess.Popen(begin, stderr=stream, cwd=scratch)
    processes = [scheduler]
    try:
        address = _address(log, scheduler)
        one = [
            DASK,
            "worker",
            address,
            "--nthreads",
            "1",
            "--no-dashboard",
            "--local-directory",
            str(scratch),
        ]
        with (scratch / "workers.log").open("ab") as stream:
            processes += [subprocess.Popen(one, stderr=stream, cwd=scratch) for _ in range(workers)]
        with needed("distributed", "cluster", "to measure a cluster").Client(
            address, set_as_default=False
        ) as client:
            client.wait_for_workers(workers, timeout=120)
        yield Workers(address, tuple(processes))
    finally:
        for process in reversed(processes):
            process.terminate()
        for process in processes:
            process.wait()


def _address(log: Path, scheduler: subprocess.Popen[bytes]) -> str:
    while scheduler.poll() is None:
        if found := re.search(r"Scheduler at:\s*(tcp://\S+)", log.read_text()):
            return found[1]
        try:
            scheduler.wait(0.1)
        except subprocess.TimeoutExpired:
            continue
    raise SystemExit(f"the scheduler did not start: {log.read_text()}")
