"""The terminal that tables go to."""

from __future__ import annotations

import sys

from rich.console import Console

PIPE_COLUMNS = 240  # a file or a pipe has no width to fit, so nothing is cut there


def output() -> Console:
    """Standard output; as wide as the terminal, or wide enough for any table where it is none."""
    return Console(width=None if sys.stdout.isatty() else PIPE_COLUMNS)
