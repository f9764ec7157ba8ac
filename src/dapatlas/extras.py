"""Packages that only some installations have."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from dapatlas.errors import DapatlasError


def needed(module: str, extra: str, purpose: str) -> Any:
    """Import a module of an optional package, at the moment when it is needed.

    Parameters
    ----------
    module
        Its full name.
    extra
        The optional part of dapatlas that brings it.
    purpose
        What it is needed for, as in "to read scan.nrrd".

    Raises
    ------
    DapatlasError
        The package is not installed; the message says how to get it.
    """
    try:
        return import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise DapatlasError(
            f"{package} is needed {purpose}, and it cannot be imported ({error}); "
            f"install it: pip install 'dapatlas[{extra}]'"
        ) from None
