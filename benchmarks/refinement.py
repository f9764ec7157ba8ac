"""The guidelines on a map with planted errors, beside loops over labels, and beside the one sweep they start from."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.contest import Contest, Prepared
from benchmarks.inputs import SPOILED

PAIRS = [(15, 16), (27, 28), (32, 33), (38, 39), (40, 41), *((n, n + 1) for n in range(67, 91, 2)), (95, 96)]
SPINE = (*range(43, 67), 102, 92)


def refined(folder: Path, guidelines: tuple[str, ...] = ()) -> Prepared:
    """All guidelines, or the ones named."""
    from dapatlas.labels import Sex
    from dapatlas.refine import RefineSettings, refine
    from dapatlas.volumes import read_label_map

    volume = read_label_map(folder / SPOILED)
    settings = RefineSettings(guidelines=guidelines) if guidelines else RefineSettings()
    return lambda: refine(volume.array, volume.grid, settings=settings, sex=Sex.FEMALE)


def one_sweep(folder: Path) -> Prepared:
    import cc3d

    from dapatlas.volumes import read_label_map

    array = read_label_map(folder / SPOILED).array
    return lambda: cc3d.statistics(cc3d.connected_components(array, connectivity=26))


def islands_label_by_label(folder: Path) -> Prepared:
    """The largest component of each label, the rest to background."""
    import cc3d

    from dapatlas.labels import dap
    from dapatlas.volumes import read_label_map

    array = read_label_map(folder / SPOILED).array

    def call() -> None:
        out = array.copy(order="K")
        for structure in dap():
            if structure.pieces or not structure.id:
                continue
            parts = cc3d.connected_components(array == structure.id, connectivity=26)
            sizes = np.bincount(parts.ravel(order="K"))
            if len(sizes) > 2:
                out[(parts > 0) & (parts != sizes[1:].argmax() + 1)] = 0

    return call


def sides_label_by_label(folder: Path) -> Prepared:
    """A plane through the medians of vertebrae, and the side of each voxel of each pair."""
    from dapatlas.volumes import read_label_map

    array = read_label_map(folder / SPOILED).array

    def call() -> None:
        out = array.copy(order="K")
        medians = [np.median(where, axis=0) for n in SPINE if len(where := np.argwhere(array == n))]
        middle = np.mean(medians, axis=0)
        normal = np.linalg.svd(medians - middle)[2][-1]
        for pair in PAIRS:
            for own, other in (pair, pair[::-1]):
                where = np.argwhere(array == own)
                wrong = where[((where - middle) @ normal > 0) == (own == pair[0])]
                out[tuple(wrong.T)] = other

    return call


NAIVE = {"laterality": sides_label_by_label, "fragments": islands_label_by_label}


def contests() -> list[Contest]:
    """Rows of the table: all guidelines, then each by itself, reading the pieces included."""
    limit = (one_sweep, "bare cc3d, one sweep")
    rows = [Contest("refine: all guidelines", refined, None, "", *limit)]
    for name in ("laterality", "spine", "ribs", "regions", "sex", "fragments", "containment"):
        peer = NAIVE.get(name)
        ours = partial(refined, guidelines=(name,))
        rows.append(Contest(f"refine: {name}", ours, peer, "label by label" if peer else "", *limit))
    return rows
