"""A case's CT and map as compressed chunks on disk, built once: a box is read without inflating the volume.

A folder a case and state of its files, ``<cache>/<case>/<key>/``; it appears whole or not at all::

    ct.b2nd      the CT, blosc2, indexed [i, j, k]
    map.b2nd     the label map, likewise
    counts.npy   voxels of each id in each chunk of the map, shape (ids, chunks)
    case.json    shape, affine, ids
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import fastremap
import numpy as np
from numpy.typing import NDArray

from dapatlas.dataset import Case, Dataset
from dapatlas.dataset.digests import place_of
from dapatlas.errors import BadFileError, DapatlasError, GridMismatchError
from dapatlas.extras import needed
from dapatlas.files import whole_folder, write_json
from dapatlas.loaders.stale import clear_stale
from dapatlas.locations import HIDDEN, is_remote
from dapatlas.parallel import map_cases
from dapatlas.volumes import Grid

VERSION = 1  # of what lies in a folder; another one is built anew
CHUNK, BLOCK = 64, 32  # voxels a side: what is counted together, and what is inflated together
CT, MAP, COUNTS, ABOUT = "ct.b2nd", "map.b2nd", "counts.npy", "case.json"
CACHE = Path(HIDDEN) / "loaders"  # in the data set
AIR_HU = -1024.0  # beyond the border of the volume

Index = tuple[int, int, int]


@dataclass(frozen=True, slots=True, eq=False)
class ChunkedCase:
    """A case in chunks. It holds no open file: it may go to other processes, by fork or by pickle.

    Attributes
    ----------
    id
        Of the case.
    folder
        Where its chunks lie.
    grid
        Of CT and map.
    ids
        Values in the map, background 0 among them where it has any, ascending; shape (n,).
    """

    id: str
    folder: Path
    grid: Grid
    ids: NDArray[np.int64]

    def image(self, start: Index = (0, 0, 0), size: Index | None = None) -> NDArray[np.float32]:
        """HU in a box, indexed [i, j, k]; -1024 where the box sticks out of the volume.

        Parameters
        ----------
        start
            Its first voxel; may be negative.
        size
            Voxels along i, j, k; by default the volume's.

        Raises
        ------
        BadFileError
            The chunks cannot be read.
        """
        found: NDArray[np.float32] = self._box(CT, start, size, np.dtype(np.float32), AIR_HU)
        return found

    def label(self, start: Index = (0, 0, 0), size: Index | None = None) -> NDArray[np.int64]:
        """Ids in a box; 0 where it sticks out of the volume. Else as :meth:`image`."""
        found: NDArray[np.int64] = self._box(MAP, start, size, np.dtype(np.int64), 0)
        return found

    def voxel_of(self, id_: int, rng: np.random.Generator) -> Index:
        """Draw a voxel of a structure, each with the same chance; one chunk of the map is read.

        Raises
        ------
        KeyError
            The map has no such id.
        BadFileError
            The chunks cannot be read.
        """
        place = int(np.searchsorted(self.ids, id_))
        if place == len(self.ids) or self.ids[place] != id_:
            raise KeyError(id_)
        upto = np.cumsum(np.load(self.folder / COUNTS, mmap_mode="r")[place], dtype=np.int64)
        drawn = int(rng.integers(upto[-1]))
        chunk = int(np.searchsorted(upto, drawn, side="right"))
        first, size = _chunk_box(self.grid.shape, chunk)
        hits = np.flatnonzero(self.label(first, size) == id_)
        inside = np.unravel_index(hits[drawn - (upto[chunk - 1] if chunk else 0)], size)
        i, j, k = (int(a + b) for a, b in zip(first, inside, strict=True))
        return i, j, k

    def _box(self, name: str, start: Index, size: Index | None, dtype: np.dtype[Any], fill: float) -> Any:
        shape = self.grid.shape
        size = shape if size is None else size
        low = [max(0, a) for a in start]
        high = [min(n, a + s) for n, a, s in zip(shape, start, size, strict=True)]
        box = np.full(size, fill, dtype)
        if all(a < b for a, b in zip(low, high, strict=True)):
            found = _open_chunks(self.folder / name)
            there = tuple(slice(a - s, b - s) for a, b, s in zip(low, high, start, strict=True))
            box[there] = _sliced(found, tuple(map(slice, low, high)), self.folder / name)
        return box


def cache_of(dataset: Dataset) -> Path:
    """Where chunks of a data set lie if nobody says otherwise: ``.dapatlas/loaders`` in it.

    Raises
    ------
    DapatlasError
        The data set is behind a URL.
    """
    if is_remote(dataset.path):
        raise DapatlasError(
            f"{dataset.path}: chunks are kept on this machine; name a folder for them: cache=..., or --cache"
        )
    return dataset.path / CACHE


def chunks_folder(case: Case, cache: Path) -> Path:
    """Where chunks of a case lie, or will, while its files stay as they are.

    Raises
    ------
    BadFileError
        The case lacks its CT or its map, or a link leads nowhere.
    """
    if case.image_path is None or case.mask_path is None:
        raise BadFileError(f"case {case.id}: patches need both a CT and a label map; found one of them alone")
    state = [
        VERSION,
        CHUNK,
        BLOCK,
        *(_size_and_time(case, path) for path in (case.image_path, case.mask_path)),
    ]
    key = hashlib.sha256(json.dumps(state).encode()).hexdigest()[:16]
    return Path(cache) / case.id / key


def _size_and_time(case: Case, path: Path) -> list[Any]:
    try:
        return place_of(path)[1:3]
    except OSError as error:
        raise BadFileError(
            f"case {case.id}: {path} cannot be looked at ({error.strerror}: {error.filename}); mend it, or leave the "
            "case out"
        ) from None


def chunked(case: Case, cache: Path) -> ChunkedCase:
    """Open a case's chunks; build them where they do not stand, or the case's files have changed since.

    Files count as the same while size and time of change stay as they were. Chunks of an earlier state are removed.

    Raises
    ------
    BadFileError
        CT or map is missing or cannot be read.
    GridMismatchError
        CT and map do not share a grid.
    DapatlasError
        blosc2 is not installed.
    """
    folder = chunks_folder(case, cache)
    if not _stands(folder):
        with whole_folder(folder, _stands) as scratch:
            _build(case, scratch)
        clear_stale(folder, ABOUT)
    return _opened(case.id, folder)


def chunked_cases(cases: Iterable[Case], cache: Path, jobs: int | None = 1) -> list[ChunkedCase]:
    """Chunks of many cases, in their order; see :func:`chunked`.

    Parameters
    ----------
    cases
        Each with a CT and a map.
    cache
        Folder of the chunks.
    jobs
        Processes that build; ``None`` takes every processor. More than one needs ``if __name__ == "__main__":`` in a
        script.

    Raises
    ------
    DapatlasError
        Of some case there are no chunks. Those of the others were built all the same.
    """
    wanted = list(cases)
    answers = {case.id: answer for case, answer in map_cases(partial(chunked, cache=cache), wanted, jobs)}
    failed = {case: answer for case, answer in answers.items() if isinstance(answer, Exception)}
    if failed:
        case, error = next(iter(failed.items()))
        more = f" ({len(failed) - 1} more cases failed)" if len(failed) > 1 else ""
        raise DapatlasError(f"case {case} cannot be cut into chunks: {error}{more}") from error
    return [answer for case in wanted if isinstance(answer := answers[case.id], ChunkedCase)]


def _stands(folder: Path) -> bool:
    """Whether a folder of chunks is whole; two processes that build the same give the same."""
    return (folder / ABOUT).is_file()


def _build(case: Case, folder: Path) -> None:
    ct, label_map = case.ct(), case.label_map()
    if differences := ct.grid.differences(label_map.grid):
        raise GridMismatchError(
            f"case {case.id}: {case.mask_path} is not on the grid of {case.image_path}: {'; '.join(differences)}; "
            "`dapatlas validate` tells more"
        )
    _write_chunks(folder / CT, ct.array)
    _write_chunks(folder / MAP, label_map.array)
    ids, counts = _counts(label_map.array)
    np.save(folder / COUNTS, counts)
    about = {"case": case.id, "shape": ct.grid.shape, "affine": ct.grid.affine.tolist(), "ids": ids.tolist()}
    write_json(folder / ABOUT, about)


def _write_chunks(path: Path, array: NDArray[Any]) -> None:
    blosc2 = needed("blosc2", "loaders", "to keep volumes in chunks")
    cparams = blosc2.CParams(codec=blosc2.Codec.LZ4, clevel=5, filters=[blosc2.Filter.BITSHUFFLE], nthreads=1)
    chunks = tuple(min(CHUNK, n) for n in array.shape)
    blocks = tuple(min(BLOCK, n) for n in array.shape)
    kept = blosc2.empty(
        array.shape, array.dtype, urlpath=str(path), mode="w", chunks=chunks, blocks=blocks, cparams=cparams
    )
    for k in range(0, array.shape[2], CHUNK):  # whole chunks: none is written twice
        kept[:, :, k : k + CHUNK] = np.ascontiguousarray(array[:, :, k : k + CHUNK])


def _counts(label_map: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Ids of a map, ascending, and how many voxels each has in each chunk."""
    found = []
    for chunk in range(int(np.prod(_chunks_of(label_map.shape)))):
        first, size = _chunk_box(label_map.shape, chunk)
        box = tuple(slice(a, a + n) for a, n in zip(first, size, strict=True))
        found.append(fastremap.unique(np.ascontiguousarray(label_map[box]), return_counts=True))
    ids = np.unique(np.concatenate([each for each, _ in found])).astype(np.int64)
    counts = np.zeros((len(ids), len(found)), np.int32)
    for chunk, (there, voxels) in enumerate(found):
        counts[np.searchsorted(ids, there), chunk] = voxels
    return ids, counts


def _chunks_of(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(-(-n // CHUNK) for n in shape)


def _chunk_box(shape: tuple[int, ...], chunk: int) -> tuple[Index, Index]:
    """First voxel and size of the n-th chunk, the last axis running fastest."""
    places = np.unravel_index(chunk, _chunks_of(shape))
    i, j, k = (int(place) * CHUNK for place in places)
    a, b, c = (min(CHUNK, n - first) for n, first in zip(shape, (i, j, k), strict=True))
    return (i, j, k), (a, b, c)


def _opened(case_id: str, folder: Path) -> ChunkedCase:
    try:
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        grid = Grid(tuple(about["shape"]), np.array(about["affine"]))
        return ChunkedCase(case_id, folder, grid, np.array(about["ids"], np.int64))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(folder / ABOUT, error) from None


def _open_chunks(path: Path) -> Any:
    """Opened anew for each box: it takes a fraction of a millisecond, and no file stays open in thousands of cases."""
    blosc2 = needed("blosc2", "loaders", "to read volumes in chunks")
    try:  # one thread: the workers of a loader are what goes on at the same time
        return blosc2.open(str(path), mode="r", mmap_mode="r", dparams=blosc2.DParams(nthreads=1))
    except (OSError, RuntimeError, ValueError) as error:
        raise _damaged(path, error) from None


def _sliced(chunks: Any, box: tuple[slice, ...], path: Path) -> NDArray[Any]:
    try:
        found: NDArray[Any] = chunks[box]
    except (OSError, RuntimeError, ValueError) as error:
        raise _damaged(path, error) from None
    return found


def _damaged(path: Path, error: Exception) -> BadFileError:
    return BadFileError(
        f"{path}: these chunks cannot be read ({error}); remove {path.parent}, and they are built anew"
    )
