"""The terminal's standard error, which log lines and progress bars share."""

from __future__ import annotations

import logging
from functools import cache
from typing import TYPE_CHECKING

from dapatlas.logs import listen, listening

if TYPE_CHECKING:
    from rich.console import Console

LEVELS = (logging.WARNING, logging.INFO, logging.DEBUG)  # by how often -v was given


def set_up(verbosity: int) -> None:
    """Say as much as was asked for: warnings alone, a line a case, or what the workers begin as well."""
    listen(LEVELS[min(verbosity, len(LEVELS) - 1)], _print)


def errors() -> Console:
    """Standard error; the same object for all, since that is how a bar knows that a line is to go above it."""
    return _console()


def workers_speak() -> bool:
    """Whether worker processes write lines of their own, which know of no bar."""
    return (listening() or logging.WARNING) <= logging.DEBUG


@cache
def _console() -> Console:
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def _print(line: str) -> None:
    errors().print(line, soft_wrap=True, markup=False, emoji=False)
