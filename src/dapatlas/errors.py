"""Errors that a user can act on: the command line prints their message, never a traceback."""

from __future__ import annotations


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
