"""Pickles of strangers: plain values come through as `pickle` itself reads them; anything else is refused unrun."""

from __future__ import annotations

import builtins
import os
import pickle
import subprocess
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from v1_models import V1Spec, v1_plans

from dapatlas.errors import BadFileError
from dapatlas.experts.nnunet.safe_pickle import load_pickle

NEEDS_TORCH = False
PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


class Calls:
    """Pickles as a call of a function."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


def written(path: Path, content: Any, protocol: int = 4) -> Path:
    path.write_bytes(pickle.dumps(content, protocol))
    return path


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_plans_of_version_1_come_through_as_they_are(tmp_path: Path, protocol: int) -> None:
    plans = v1_plans(V1Spec())
    np.testing.assert_equal(load_pickle(written(tmp_path / "plans.pkl", plans, protocol)), plans)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "value",
    [
        np.arange(6.0).reshape(2, 3),
        np.asfortranarray(np.arange(6, dtype=np.int16).reshape(2, 3)),
        np.array([1, 2], ">i4"),
        np.array([True, False]),
        np.array(["liver", "spleen"]),
        np.zeros((0, 3), np.float32),
    ],
)
def test_arrays_come_through(tmp_path: Path, value: np.ndarray[Any, Any], protocol: int) -> None:
    found = load_pickle(written(tmp_path / "a.pkl", value, protocol))
    np.testing.assert_array_equal(found, value)
    assert found.dtype.newbyteorder("=") == value.dtype.newbyteorder("=")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_plain_values_come_through(tmp_path: Path, protocol: int) -> None:
    value = OrderedDict(a=[1, 2.5, None, True, "ü", b"\xff"], b={(1, 2): {3, 4}}, c=np.float32(0.1), d=2 + 1j)
    assert load_pickle(written(tmp_path / "v.pkl", value, protocol)) == value


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (os.system, ("touch {}",)),
        (builtins.exec, ("open({!r}, 'w')",)),
        (subprocess.check_call, (["touch", "{}"],)),
        (builtins.getattr, ("", "format")),
        (builtins.open, ("{}", "w")),
        (np.load, ("{}",)),
        (__import__, ("os",)),
    ],
)
def test_calls_are_refused_and_not_run(
    tmp_path: Path, function: Callable[..., Any], arguments: tuple[Any, ...], protocol: int
) -> None:
    trace = tmp_path / "trace"
    filled = [
        [part.format(trace) for part in a] if isinstance(a, list) else a.format(str(trace)) for a in arguments
    ]
    path = written(tmp_path / "plans.pkl", {"plans": Calls(function, *filled)}, protocol)
    with pytest.raises(BadFileError, match=rf"plans.pkl: refused: it asks to run [\w.]*{function.__name__}"):
        load_pickle(path)
    assert not trace.exists()


def test_arrays_of_objects_are_refused(tmp_path: Path) -> None:
    """Their memory holds addresses, and a pickle may say what is in the memory."""
    with pytest.raises(BadFileError, match="no number or word: 'O8'"):
        load_pickle(written(tmp_path / "a.pkl", np.array([{}, None], object)))


def test_records_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match="no number or word: 'V8'"):
        load_pickle(written(tmp_path / "a.pkl", np.zeros(2, [("x", "i4"), ("y", "i4")])))


def test_a_type_cannot_turn_into_another_while_it_is_read(tmp_path: Path) -> None:
    """The state of a numpy type may hold flags and fields; of ours only the byte order is believed."""
    code = Calls(np.dtype, "f8", False, True)
    code.call = (*code.call, (3, "<", None, ("a",), {"a": (np.dtype("i4"), 0)}, 8, 8, 63))  # type: ignore[assignment]
    found = load_pickle(written(tmp_path / "t.pkl", Calls(_scalar(), code, b"\0" * 8)))
    assert type(found) is np.float64


def _scalar() -> Any:
    return np.float64(0).__reduce__()[0]


def test_codecs_other_than_latin1_are_refused(tmp_path: Path) -> None:
    import _codecs

    with pytest.raises(BadFileError, match="encoding 'utf-7'"):
        load_pickle(written(tmp_path / "a.pkl", Calls(_codecs.encode, "a", "utf-7")))


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_truncated_files_are_told(tmp_path: Path, share: float) -> None:
    whole = pickle.dumps(v1_plans(V1Spec()), 4)
    path = tmp_path / "plans.pkl"
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(BadFileError, match=r"plans\.pkl: truncated"):
        load_pickle(path)


def test_other_files_are_told(tmp_path: Path) -> None:
    path = tmp_path / "plans.pkl"
    path.write_text('{"plans": 1}')
    with pytest.raises(BadFileError, match="no pickle of plans"):
        load_pickle(path)
    with pytest.raises(BadFileError, match="no such file"):
        load_pickle(tmp_path / "none.pkl")


def test_references_to_the_outside_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "plans.pkl"
    path.write_bytes(b"\x80\x04\x8c\x04pathQ.")  # BINPERSID
    with pytest.raises(BadFileError, match="outside itself"):
        load_pickle(path)
