"""How much memory a process has used."""

from __future__ import annotations

import resource
import sys
from pathlib import Path


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
