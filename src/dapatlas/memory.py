"""How much memory there is to take, and how much a process has taken."""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterable
from pathlib import Path

GB = 1e9


def peak_mb() -> float:
    """Largest resident memory of this process so far, in MB.

    Linux keeps it in ``/proc/self/status``; ``getrusage``, all that other systems have, starts a spawned process
    with what its parent had.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) * 1.024e-3
    unit = 1e-6 if sys.platform == "darwin" else 1.024e-3  # bytes there, KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def free_gb(root: Path = Path("/")) -> float | None:
    """Memory that this process can still take: the system's, or less where its control group allows less.

    ``None`` where the system doesn't say (it is not Linux).
    """
    try:
        lines = (root / "proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    kib = {line.split(":")[0]: int(line.split()[1]) for line in lines}
    known = [kib["MemAvailable"] * 1024 / GB, *_group_gb(root)]
    return max(min(known), 0.0)


def _group_gb(root: Path) -> Iterable[float]:
    """What is left to a container, version 2 or 1 of control groups; files in the cache don't count."""
    for folder, limit, used in (
        ("sys/fs/cgroup", "memory.max", "memory.current"),
        ("sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
    ):
        try:
            total = int((root / folder / limit).read_text())
            taken = int((root / folder / used).read_text())
            stat = dict(line.split() for line in (root / folder / "memory.stat").read_text().splitlines())
        except (OSError, ValueError):  # no such group, or "max"
            continue
        yield (total - taken + int(stat.get("inactive_file", 0))) / GB
