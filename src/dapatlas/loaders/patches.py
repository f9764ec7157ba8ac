"""Random patches of a data set for training with PyTorch, balanced over structures.

Importing this module needs torch; nothing else of dapatlas imports it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dapatlas.dataset import Dataset
from dapatlas.errors import BadLabelsError, DapatlasError
from dapatlas.extras import needed
from dapatlas.loaders.chances import structure_chances
from dapatlas.loaders.chunked import ChunkedCase, Index, cache_of, chunked_cases

torch = needed("torch", "models", "to give out patches as tensors")
TorchDataset: Any = needed("torch.utils.data", "models", "to give out patches as tensors").Dataset

Patch = dict[str, Any]


class PatchDataset(TorchDataset):  # type: ignore[misc]
    """Patches around voxels of structures; a map-style ``torch.utils.data.Dataset``.

    For a patch, a structure is drawn from those in the case's map, each with the same chance unless ``weights`` say
    otherwise, and then one of its voxels, each with the same chance: a ureter is seen as often as the liver. That voxel
    becomes the patch's centre. What is drawn depends on seed, epoch and index alone, not on workers.

    Each item is a dict: ``image``, float32 HU, shape (1, i, j, k); ``label``, int64 ids, shape (i, j, k); ``case``, its
    id; ``structure``, the id that was drawn; ``start``, int64, where the patch begins in the volume, shape (3,). All in
    the files' own axis order. Beyond the volume's border there is air (-1024 HU) and background.

    Parameters
    ----------
    dataset
        Where the cases are from.
    cases
        Ids of those to draw from, such as one part of a split; by default all that have both a CT and a map.
    size
        Voxels of a patch along i, j, k.
    patches
        How many a case gives in an epoch.
    weights
        Structure, by name or id, to its chance relative to the others'. Those that are not named count 1, and
        background 0.
    inside
        Whether patches are moved into the volume where it is large enough; the voxel drawn is then not always at
        the centre.
    seed
        Another one gives other patches.
    transform
        Called on each item last.
    cache
        Folder of the chunks; by default ``.dapatlas/loaders`` in the data set. Chunks that do not stand are built
        here and now, so that no worker does.
    jobs
        Processes that build chunks; see :func:`dapatlas.loaders.chunked.chunked_cases`.

    Raises
    ------
    DapatlasError
        A case is unknown, its chunks cannot be built, or a number makes no sense.
    BadLabelsError
        A weight is of no structure of the scheme, or a case has nothing that could be drawn.
    """

    def __init__(
        self,
        dataset: Dataset,
        cases: Iterable[str] | None = None,
        *,
        size: Index = (128, 128, 128),
        patches: int = 4,
        weights: Mapping[str | int, float] | None = None,
        inside: bool = False,
        seed: int = 0,
        transform: Callable[[Patch], Any] | None = None,
        cache: str | Path | None = None,
        jobs: int | None = 1,
    ) -> None:
        wanted = list(dataset.cases) if cases is None else [dataset[case] for case in cases]
        if not wanted or patches < 1 or len(size) != 3 or min(size) < 1 or seed < 0:
            raise DapatlasError(
                "expected at least one case and patch, three sizes of 1 or more, and a seed of 0 or more; found "
                f"{len(wanted)} cases, patches={patches}, size={size}, seed={seed}"
            )
        chances = structure_chances(dataset.scheme, weights)
        folder = cache_of(dataset) if cache is None else Path(cache)
        self.cases = chunked_cases(wanted, folder, jobs)
        self.size, self.inside, self.seed, self.transform = size, inside, seed, transform
        self._patches = patches
        self._upto = [_upto(case, chances) for case in self.cases]
        # in shared memory, so that workers that live on from epoch to epoch hear of it
        self._epoch = torch.zeros(1, dtype=torch.int64).share_memory_()

    def set_epoch(self, epoch: int) -> None:
        """Draw other patches from now on; call it before each epoch. Persistent workers hear of it too."""
        self._epoch[0] = epoch

    def __len__(self) -> int:
        return len(self.cases) * self._patches

    def __getitem__(self, index: int) -> Any:
        if not 0 <= index < len(self):
            raise IndexError(f"patch {index} of {len(self)}")
        at = index % len(self.cases)
        case, upto = self.cases[at], self._upto[at]
        rng = np.random.default_rng([self.seed, int(self._epoch[0]), index])
        drawn = int(np.searchsorted(upto, rng.random() * upto[-1], side="right"))
        structure = int(case.ids[drawn])
        start = self._start(case.voxel_of(structure, rng), case.grid.shape)
        patch = {
            "image": torch.from_numpy(case.image(start, self.size)[None]),
            "label": torch.from_numpy(case.label(start, self.size)),
            "case": case.id,
            "structure": structure,
            "start": torch.tensor(start),
        }
        return patch if self.transform is None else self.transform(patch)

    def _start(self, voxel: Index, shape: Index) -> Index:
        """Where a patch around a voxel begins."""
        i, j, k = (at - n // 2 for at, n in zip(voxel, self.size, strict=True))
        if not self.inside:
            return i, j, k
        room = [n - wanted for n, wanted in zip(shape, self.size, strict=True)]
        i, j, k = (
            max(0, min(at, left)) if left >= 0 else at for at, left in zip((i, j, k), room, strict=True)
        )
        return i, j, k


def _upto(case: ChunkedCase, chances: Mapping[int, float]) -> NDArray[np.float64]:
    """Chances of a case's ids, added up."""
    upto: NDArray[np.float64] = np.cumsum([chances.get(id_, 1.0) for id_ in case.ids.tolist()])
    if not upto[-1] > 0:
        raise BadLabelsError(
            f"case {case.id}: no patch can be drawn, for all its ids have weight 0: {case.ids.tolist()[:9]}; "
            "leave the case out, or give one of them a weight"
        )
    return upto
