"""On which line of a TOML file a key stands: tomllib keeps no positions, and an error should name one."""

from __future__ import annotations

import re

Keys = tuple[int | str, ...]

HEADER = re.compile(r"\s*(\[{1,2})\s*([^\]]+?)\s*\]")
ASSIGNMENT = re.compile(r"\s*([\w.\"'-]+)\s*=")


def line_of(text: str, keys: Keys) -> int:
    """The line, counted from 1, on which a key stands, or else the nearest table that encloses it.

    Parameters
    ----------
    text
        The file.
    keys
        Names from the outermost table inwards; a number that follows the first name is a place in an array of
        tables, counted from 0. Other numbers are places in a plain array, which is all told by its key.
    """
    wanted = keys[1] if len(keys) > 1 and isinstance(keys[1], int) else None
    names = [str(key) for key in keys if not isinstance(key, int)]
    table: list[str] = []
    best, seen = 1, -1
    for number, line in enumerate(text.splitlines(), 1):
        header, key = HEADER.match(line), ASSIGNMENT.match(line)
        if header:
            table = _split(header[2])
            seen += header[1] == "[[" and table == names[:1]
            full = table
        elif key:
            full = [*table, *_split(key[1])]
        else:
            continue
        in_other_place = wanted is not None and table[:1] == names[:1] and seen not in (wanted, -1)
        if full == names[: len(full)] and not in_other_place:
            best = number
    return best


def _split(dotted: str) -> list[str]:
    return [part.strip(" \t\"'") for part in dotted.split(".")]
