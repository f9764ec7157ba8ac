"""What the program says of its own work: lines on standard error, for people and for scripts that read logs.

By default warnings alone, as a sentence. Where more is asked for every line begins with time and severity, and goes on
with ``key=value``; a value that holds blanks is quoted as in JSON, so that a line stays a line.

A process that works for another one listens at the level that it is told (:func:`listen`); a program that uses this
package as a library sets up its own logging, and nothing here interferes.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

ROOT = "dapatlas"  # name of the logger above all of ours
FACTS = "facts"  # of a record: what it says, by name
_BARE = re.compile(r"[^\s\"=]+")


def said(**facts: object) -> dict[str, dict[str, object]]:
    """What a record says, by name: for the argument ``extra`` of a logger's methods."""
    return {FACTS: facts}


def key_values(facts: Mapping[str, object]) -> str:
    """``key=value`` after ``key=value``.

    Examples
    --------
    >>> key_values({"case": "AutoPET_1", "seconds": 1.25, "error": "no body in it"})
    'case=AutoPET_1 seconds=1.25 error="no body in it"'
    """
    return " ".join(f"{key}={_value(value)}" for key, value in facts.items())


def _value(value: object) -> str:
    text = str(value)
    return text if _BARE.fullmatch(text) else json.dumps(text, ensure_ascii=False)


class Structured(logging.Formatter):
    """A record on one line: when, how grave, and what it says as ``key=value``."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, a traceback included."""
        when = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        facts: dict[str, Any] = dict(getattr(record, FACTS, None) or {"message": record.getMessage()})
        if record.exc_info:
            facts["traceback"] = self.formatException(record.exc_info)
        return f"{when} {record.levelname.lower()} {key_values(facts)}"


class Plain(logging.Formatter):
    """A record as a sentence."""

    def format(self, record: logging.LogRecord) -> str:
        """How grave it is, and its message."""
        text = f"{record.levelname.lower()}: {record.getMessage()}"
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


class Listener(logging.Handler):
    """Hands every line to a function."""

    def __init__(self, write: Callable[[str], None], level: int) -> None:
        super().__init__()
        self.write = write
        self.setFormatter(Plain() if level >= logging.WARNING else Structured())

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record; what goes wrong with that is told as logging does, and ends nothing."""
        try:
            self.write(self.format(record))
        except Exception:
            self.handleError(record)


def listen(level: int, write: Callable[[str], None] | None = None) -> None:
    """Say from ``level`` on what this process does; asked again, the new level counts.

    Parameters
    ----------
    level
        One of logging's.
    write
        Where lines go, standard error by default.
    """
    logger = logging.getLogger(ROOT)
    for handler in [handler for handler in logger.handlers if isinstance(handler, Listener)]:
        logger.removeHandler(handler)
    logger.addHandler(Listener(write or _to_stderr, level))
    logger.setLevel(level)


def listening() -> int | None:
    """The level that :func:`listen` set, for processes that are to listen as this one does; ``None`` without it."""
    logger = logging.getLogger(ROOT)
    return logger.level if any(isinstance(handler, Listener) for handler in logger.handlers) else None


def listen_as(level: int | None) -> None:
    """In a worker: listen as the process that gave the work; nothing where this one listens already at that level."""
    if level is not None and listening() != level:
        listen(level)


def _to_stderr(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
