"""The terminal that tables go to."""

from __future__ import annotations

import sys

from rich.console import Console

STATES = {  # how a case ended, and its colour
    "built": "green",
    "refined": "green",
    "predicted": "green",
    "done": "green",
    "up to date": "dim",
    "left out": "dim",
    "failed": "red",
}
PIPE_COLUMNS = 240  # a file or a pipe has no width to fit, so nothing is cut there


def output() -> Console:
    """Standard output; as wide as the terminal, or wide enough for any table where it is none."""
    return Console(width=None if sys.stdout.isatty() else PIPE_COLUMNS)
