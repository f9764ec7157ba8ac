"""Pickles of strangers, read without running anything that is in them.

A pickle is a program: reading one with :mod:`pickle` runs whatever its author put in. nnU-Net v1 keeps plans and the
settings of trainers in pickles, so models from elsewhere come with some. They need plain containers, numbers, words
and arrays only; a pickle that names anything else is refused before it runs.
"""

from __future__ import annotations

import pickle
import re
from collections import OrderedDict
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from dapatlas.errors import BadFileError

MOST_BYTES = 1 << 30
"""Plans are kilobytes, or megabytes where they list every training case; anything beyond is not read at all."""

_PLAIN_KIND = re.compile(r"[biufc?SU]\d{0,4}")
"""Numbers, truth values and words. A type of objects or records could be told to see memory as what it is not."""

_NDARRAY = object()
"""Stands for ``numpy.ndarray``, which pickles of arrays name but need not call."""


class _Kind:
    """A numpy type in a pickle, of which nothing is believed but letter, size and byte order."""

    def __init__(self, code: Any, *_: Any) -> None:
        if not isinstance(code, str) or not _PLAIN_KIND.fullmatch(code):
            raise pickle.UnpicklingError(f"a numpy type that is no number or word: {code!r}")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: Any) -> None:
        self.dtype = self.dtype.newbyteorder("=" if state[1] == "|" else state[1])


class _Array(np.ndarray[Any, Any]):
    """An array that a pickle fills, with a plain type only."""

    def __setstate__(self, state: Any) -> None:
        version, shape, kind, fortran, data = state
        super().__setstate__((version, shape, _dtype(kind), fortran, data))


def _array(kind: Any, *_: Any) -> NDArray[Any]:
    if kind is not _NDARRAY:
        raise pickle.UnpicklingError("an array of an unknown class")
    return _Array(0)


def _number(kind: Any, data: Any) -> Any:
    """One of numpy's numbers."""
    return np.frombuffer(data, _dtype(kind), count=1)[0]


def _filled(data: Any, kind: Any, shape: Any, order: Any, axes: Any = None) -> NDArray[Any]:
    """An array as pickles since protocol 5 write it."""
    flat = np.frombuffer(data, _dtype(kind))
    return flat.reshape(shape).transpose(axes) if order == "K" else flat.reshape(shape, order=order)


def _dtype(kind: Any) -> np.dtype[Any]:
    if not isinstance(kind, _Kind):
        raise pickle.UnpicklingError(f"a numpy type was expected, not {kind!r}")
    return kind.dtype


def _latin1(text: Any, encoding: Any) -> bytes:
    """Bytes as pickles of old protocols write them; Python's own function would accept any codec."""
    if encoding != "latin1" or not isinstance(text, str):
        raise pickle.UnpicklingError(f"bytes in the encoding {encoding!r}")
    return text.encode("latin1")


def _no_bytes() -> bytes:
    """Empty bytes as pickles of old protocols write them."""
    return b""


_BUILTINS: dict[str, Any] = {"set": set, "frozenset": frozenset, "complex": complex, "bytes": _no_bytes}
_MULTIARRAY: dict[str, Any] = {"_reconstruct": _array, "scalar": _number}

ALLOWED: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("_codecs", "encode"): _latin1,
    ("numpy", "ndarray"): _NDARRAY,
    ("numpy", "dtype"): _Kind,
    **{(module, name): kind for module in ("builtins", "__builtin__") for name, kind in _BUILTINS.items()},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _filled for core in ("core", "_core")},
    **{
        (f"numpy.{core}.multiarray", name): kind
        for core in ("core", "_core")
        for name, kind in _MULTIARRAY.items()
    },
}
"""Everything that a pickle may name: module and name, and what it gets."""


class _Restricted(pickle.Unpickler):
    """An unpickler that looks names up in :data:`ALLOWED` and nowhere else."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        super().__init__(file, encoding="latin1")  # strings of Python 2, should there be any
        self.path = path

    def find_class(self, module: str, name: str) -> Any:
        """Give what the pickle names, or refuse."""
        try:
            return ALLOWED[module, name]
        except KeyError:
            raise BadFileError(
                f"{self.path}: refused: it asks to run {module}.{name}, which the plans and settings of a model don't "
                "need; nothing was run. Don't use this file unless you know why"
            ) from None

    def persistent_load(self, pid: Any) -> Any:
        """Refuse things that a pickle expects its reader to have."""
        raise BadFileError(f"{self.path}: refused: it refers to something outside itself ({pid!r})")


def load_pickle(path: Path) -> Any:
    """Read a pickle of plain containers, numbers, words and numpy arrays of these.

    Raises
    ------
    BadFileError
        The file is missing, huge, truncated, no pickle, or names anything that such values don't need; in that case the
        message says what, and nothing was run.
    """
    if not path.is_file():
        raise BadFileError(f"{path}: no such file")
    if path.stat().st_size > MOST_BYTES:
        raise BadFileError(f"{path}: {path.stat().st_size:,} bytes, far too many for the plans of a model")
    with path.open("rb") as file:
        try:
            return _Restricted(file, path).load()
        except BadFileError:
            raise
        except Exception as error:
            # a damaged pickle raises nearly anything, from EOFError to ValueError out of numpy
            raise BadFileError(
                f"{path}: truncated, or no pickle of plans ({type(error).__name__}: {error}); copy it again"
            ) from None
