"""Where a network runs: a device by its name, and one prediction at a time on it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dapatlas.errors import DapatlasError
from dapatlas.extras import needed

AUTO = "auto"
KINDS = "auto, cpu, cuda, cuda:1 … or mps"


class NoDeviceError(DapatlasError):
    """A device was asked for that this computer does not have."""


def pick_device(device: str, purpose: str = "to predict with a network") -> str:
    """Make sure that a device is there.

    Parameters
    ----------
    device
        ``cpu``, ``cuda``, ``cuda:1`` … or ``mps``; ``auto`` for a CUDA GPU where torch sees one, else the CPU.
    purpose
        What torch is needed for, should it not be installed.

    Returns
    -------
    str
        Its name, as torch takes it.

    Raises
    ------
    NoDeviceError
        It is not there, or it is of a kind that is not known.
    """
    torch = needed("torch", "models", purpose)
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device == AUTO:
        return "cuda" if count else "cpu"
    kind, _, number = device.partition(":")
    if kind == "cpu" or (kind == "mps" and torch.backends.mps.is_available()):
        return device
    if kind != "cuda":
        raise NoDeviceError(f"the device {device} is not here; expected {KINDS}")
    if int(number or 0) < count:
        return device
    raise NoDeviceError(
        f"the device {device} was asked for, and torch {torch.__version__} sees {count} CUDA GPUs; use the device cpu, "
        "which is slow, or install a torch built for CUDA together with NVIDIA's driver"
    )


@contextmanager
def alone_on(device: str) -> Iterator[None]:
    """Wait until no other process of this user predicts on the device; each takes all of it, memory above all."""
    try:
        import fcntl
    except ImportError:  # Windows has no such locks
        yield
        return
    user = getattr(os, "getuid", int)()
    path = Path(tempfile.gettempdir()) / f"dapatlas-predicts-{user}-{device.replace(':', '-')}.lock"
    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
