"""Random patches a second: from chunks, and from the .nii.gz as data loaders commonly read them.

    python -m benchmarks.loading --cache /tmp/chunks                    # on a phantom made for it
    python -m benchmarks.loading DATASET --cache /tmp/chunks --side 128 --workers 0 2
    python -m benchmarks.loading DATASET --balance                      # beside MONAI's and TorchIO's own ways

Patches lie around voxels of structures that are drawn as ``PatchDataset`` draws them, and are the same for all. Files
are warm. Chunks are built before the clock runs, and that is timed by itself.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from rich.console import Console
from rich.table import Table

from dapatlas.dataset import Dataset
from dapatlas.volumes import read_label_map, read_volume

LEAST_S = 5.0  # each way is measured at least so long
SHAPE = (512, 512, 390)


def main() -> None:
    options = _options()
    if options.balance:
        _balance(options.dataset)
        return
    with _data_set(options.dataset) as dataset:
        from dapatlas.loaders.patches import PatchDataset

        start = time.perf_counter()
        side = options.side
        patches = PatchDataset(dataset, size=(side,) * 3, patches=1000, inside=True, cache=options.cache)
        built = time.perf_counter() - start
        rows = [("chunks, this process", _rate(patches.__getitem__))]
        rows += [(f"chunks, DataLoader, {n} workers", _loader_rate(patches, n)) for n in options.workers if n]
        # what it costs alone to hand tensors of this size from worker to trainer
        still = [patches[0]] * len(patches)
        rows += [
            (f"nothing read, DataLoader, {n} workers", _loader_rate(still, n)) for n in options.workers if n
        ]
        for name, read in (
            ("nibabel", _by_nibabel),
            ("nibabel, slicing its proxy", _by_proxy),
            ("ours", _by_ours),
        ):
            rows.append((f".nii.gz, {name}", _rate(_from_files(dataset, patches, read))))
        _show(dataset, options, built, rows)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.loading", description=__doc__.splitlines()[0])
    parser.add_argument("dataset", nargs="?", type=Path, help="a phantom of a case if none is given")
    parser.add_argument("--cache", type=Path, help="folder for the chunks")
    parser.add_argument("--side", type=int, default=128, help="voxels of a patch along each axis")
    parser.add_argument("--workers", type=int, nargs="*", default=[2], help="of torch's DataLoader")
    parser.add_argument(
        "--balance", action="store_true", help="how long it takes to find where structures have voxels"
    )
    options = parser.parse_args()
    if options.cache is None and not options.balance:
        parser.error("--cache is required")
    return options


@contextmanager
def _data_set(given: Path | None) -> Iterator[Dataset]:
    if given is not None:
        yield Dataset(given)
        return
    from benchmarks.inputs import CT, MAP, make_inputs

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_inputs(folder, SHAPE)
        dataset = Dataset.create(folder / "atlas")
        (folder / CT).rename(dataset.image_path("phantom"))
        (folder / MAP).rename(dataset.mask_path("phantom"))
        yield Dataset(dataset.path)


def _rate(patch: Callable[[int], Any]) -> float:
    """Patches a second."""
    patch(0)
    start, done = time.perf_counter(), 0
    while (took := time.perf_counter() - start) < LEAST_S:
        done += 1
        patch(done)
    return done / took


def _loader_rate(patches: Any, workers: int) -> float:
    from torch.utils.data import DataLoader

    batches = iter(DataLoader(patches, batch_size=2, num_workers=workers))
    for _ in range(2 * workers):  # what was fetched ahead does not count
        next(batches)
    return 2 * _rate(lambda _: next(batches))


def _from_files(dataset: Dataset, patches: Any, read: Callable[[Path, Any], Any]) -> Callable[[int], Any]:
    """The same patches without chunks; where they begin was found out before."""
    wanted = [patches[n] for n in range(20)]

    def patch(index: int) -> None:
        item = wanted[index % len(wanted)]
        case = dataset[item["case"]]
        box = tuple(slice(a, a + n) for a, n in zip(item["start"].tolist(), item["label"].shape, strict=True))
        assert np.array_equal(read(case.image_path, box), item["image"][0].numpy())
        assert np.array_equal(read(case.mask_path, box), item["label"].numpy())

    return patch


def _by_nibabel(path: Path, box: Any) -> Any:
    return np.asarray(nib.load(path).dataobj)[box]


def _by_proxy(path: Path, box: Any) -> Any:
    return nib.load(path).dataobj[box]


def _by_ours(path: Path, box: Any) -> Any:
    return (read_volume if path.parent.name == "images" else read_label_map)(path).array[box]


def _balance(given: Path | None) -> None:
    """Seconds on the middle of the first case's map, 256 voxels a side at most."""
    import torch
    import torchio
    from monai.data import MetaTensor
    from monai.transforms import ClassesToIndices

    from dapatlas.loaders.chances import structure_chances
    from dapatlas.loaders.places import places
    from dapatlas.loaders.torchio import with_chances

    with _data_set(given) as dataset:
        scheme = dataset.scheme
        ids = _middle(read_label_map(dataset[0].mask_path).array)
    tensor = MetaTensor(torch.from_numpy(ids[None]))  # what the label is after MONAI's LoadImaged
    subject = torchio.Subject(labels=torchio.LabelMap(tensor=torch.from_numpy(ids[None])))
    classes = scheme.max_id + 1
    by_chance, by_label = (
        torchio.WeightedSampler(96, "chances"),
        torchio.LabelSampler(96, "labels", structure_chances(scheme)),
    )
    ways: list[tuple[str, Callable[[], Any]]] = [
        ("places of structures, ours", lambda: places(ids, classes, 2000)),
        (
            "places of structures, MONAI's ClassesToIndices",
            lambda: ClassesToIndices(classes, max_samples_per_class=2000)(tensor),
        ),
        (
            "a patch, ours with TorchIO's WeightedSampler",
            lambda: _patch(by_chance, with_chances(scheme)(subject)),
        ),
        ("a patch, TorchIO's LabelSampler", lambda: _patch(by_label, subject)),
    ]
    table = Table(
        "balanced over structures", "s", title=f"{ids.shape} voxels, {len(np.unique(ids)) - 1} labels"
    )
    for name, way in ways:
        start = time.perf_counter()
        way()
        table.add_row(name, f"{time.perf_counter() - start:.2f}")
    Console().print(table)


def _middle(array: Any, side: int = 256) -> Any:
    first = [max(0, (n - side) // 2) for n in array.shape]
    return np.ascontiguousarray(array[tuple(slice(a, a + side) for a in first)])


def _patch(sampler: Any, subject: Any) -> Any:
    return next(iter(sampler(subject, 1)))


def _show(dataset: Dataset, options: argparse.Namespace, built: float, rows: list[tuple[str, float]]) -> None:
    def size(files: Any) -> float:
        return sum(path.stat().st_size for path in files if path.is_file()) / 1e6

    ids = [case.id for case in dataset]
    volumes = size(path for case in dataset for path in (case.image_path, case.mask_path))
    chunks = size(path for name in ids for path in (options.cache / name).rglob("*"))
    console = Console()
    console.print(
        f"{len(ids)} cases, {volumes:.0f} MB of .nii.gz, {chunks:.0f} MB of chunks, built or found in {built:.1f} s; "
        f"patches of {options.side}³"
    )
    table = Table("read from", "patches a second", "times the slowest")
    slowest = min(rate for _, rate in rows)
    for name, rate in rows:
        table.add_row(name, f"{rate:.2f}", f"{rate / slowest:.0f}×")
    console.print(table)


if __name__ == "__main__":
    main()
