"""Errors that a user can act on: the command line prints their message, never a traceback."""

from __future__ import annotations

from collections.abc import Iterable


class DapatlasError(Exception):
    """Something a user can mend; its message says what was found, what was expected, what to do."""


class BadFileError(DapatlasError):
    """A file cannot be read as what it should be: missing, truncated, of the wrong type."""


class BadLabelsError(DapatlasError):
    """A label map or a label scheme breaks its contract: an unknown id or name, no integers."""


class GridMismatchError(DapatlasError):
    """Two volumes that must share a grid do not."""


class RecipeError(DapatlasError):
    """A build recipe cannot be used; the message names the line and the key."""


def first_few(words: Iterable[object], most: int = 8, between: str = ", ") -> str:
    """The first of some words, and how many more there are.

    Examples
    --------
    >>> first_few(["liver", "spleen", "aorta", "skull"], 2)
    'liver, spleen and 2 more'
    """
    every = list(map(str, words))
    more = f" and {len(every) - most} more" if len(every) > most else ""
    return between.join(every[:most]) + more


def did_you_mean(word: str, known: Iterable[str], most: int = 1) -> str:
    """The end of a message about a word that is not known: ``; did you mean liver?``, or nothing.

    Parameters
    ----------
    word
        What was written.
    known
        What might have been meant.
    most
        How many of those that are spelt alike are named.
    """
    from difflib import get_close_matches  # slow to import, and only needed when something is wrong

    close = get_close_matches(word, list(known), n=most)
    return f"; did you mean {' or '.join(close)}?" if close else ""
