"""Whether models of nnU-Net v1 predict here what they predict there: on random weights and a real CT.

``benchmarks/nnunet_v1_environment.sh FOLDER`` makes the environment with nnunet 1.7.1; then

    python -m benchmarks.nnunet_v1 --python FOLDER/bin/python --ct ct.nii.gz

For every model nnU-Net v1 writes a checkpoint as its trainer does, and predicts; the checkpoint is imported and
predicted with here. The table compares what the network is given, its logits on one patch, and the label maps.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from argparse import ArgumentParser
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from dapatlas.experts.nnunet.convert import import_model
from dapatlas.experts.nnunet.model import Model, open_model
from dapatlas.experts.nnunet.preprocess import prepare
from dapatlas.experts.nnunet.segment import segment
from dapatlas.volumes import read_volume

MOST_LOGIT_DIFFERENCE, LEAST_EQUAL_VOXELS = 1e-4, 0.9999
THREADS = 2
HEADER = (
    "| model of nnU-Net v1 | input, max diff | logits, max diff | largest logit | same label | labels found "
    "| s there | s here | |\n|---|--:|--:|--:|--:|--:|--:|--:|---|"
)


@dataclass(frozen=True)
class Spec:
    """A model to be made: spacing (mm) and patch (voxels) in network axes."""

    name: str
    spacing: tuple[float, float, float]
    patch: tuple[int, int, int]
    classes: int
    features: int
    convolutions: int = 2
    transpose: tuple[int, int, int] = (0, 1, 2)
    folds: int = 1
    trainer: str = "nnUNetTrainerV2"
    tta: bool = False
    checkpoint: str = "model_final_checkpoint"
    contrast: float = 4.0
    seed: int = 1


SPECS = (
    Spec("isotropic", (3.0, 3.0, 3.0), (64, 64, 64), 5, 8),
    Spec("resampled", (4.0, 2.6, 2.6), (48, 64, 64), 14, 8),
    Spec("mirrored, two folds", (4.5, 4.5, 4.5), (48, 48, 48), 3, 8, folds=2, tta=True),
    Spec("anisotropic", (9.5, 2.5, 2.5), (16, 80, 80), 4, 8),
    Spec("anisotropic, transposed", (9.5, 2.5, 2.5), (16, 64, 80), 4, 8, transpose=(2, 0, 1)),
    Spec("three convolutions", (5.0, 4.0, 4.0), (32, 48, 48), 2, 6, convolutions=3),
    Spec(
        "145 classes, no mirroring", (4.0, 4.0, 4.0), (64, 64, 64), 145, 16,
        trainer="nnUNetTrainerV2_noMirroring", checkpoint="model_latest",
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """How far apart both are: largest differences, and the share of voxels with the same label."""

    name: str
    data: float
    logits: float
    largest_logit: float
    voxels: float
    labels: int
    seconds_there: float
    seconds_here: float

    @property
    def good(self) -> bool:
        """Whether they agree as they must."""
        return self.logits <= MOST_LOGIT_DIFFERENCE and self.voxels >= LEAST_EQUAL_VOXELS


def compare(spec: Spec, python: Path, ct: Path, scratch: Path) -> Row:
    """Have both predict, and compare."""
    import torch

    torch.set_num_threads(THREADS)
    out = scratch / spec.name.replace(" ", "_").replace(",", "")
    out.mkdir()
    started = time.perf_counter()
    described = json.dumps({**asdict(spec), "ct": str(ct.resolve()), "threads": THREADS})
    script = Path(__file__).with_name("nnunet_v1_reference.py")
    subprocess.run([python, script, described, out], check=True, stdout=subprocess.DEVNULL)
    there = time.perf_counter() - started

    expected = np.load(out / "expected.npz")
    started = time.perf_counter()
    model = open_model(import_model(out / "model", out / "imported"))
    volume = read_volume(ct)
    prepared = prepare(volume.array, volume.grid, model.plans)
    found = segment(model, prepared, model.plans, tta=spec.tta)
    here = time.perf_counter() - started
    return Row(
        spec.name,
        float(np.abs(prepared.data - expected["data"]).max()),
        _logit_difference(model, expected),
        float(np.abs(expected["logits"]).max()),
        float(np.mean(found == expected["labels"])),
        len(np.unique(expected["labels"])),
        there,
        here,
    )


def _logit_difference(model: Model, expected: np.lib.npyio.NpzFile) -> float:
    import torch

    patch = torch.from_numpy(expected["patch"])[None]
    with torch.inference_mode():
        logits = np.stack([network(patch)[0].numpy() for network in model.networks()])
    return float(np.abs(logits - expected["logits"]).max())


def as_line(row: Row) -> str:
    """Give a row of the table."""
    differences = (
        f"{row.data:.1e} | {row.logits:.1e} | {row.largest_logit:.1f} | {row.voxels:.4%} | {row.labels}"
    )
    seconds = f"{row.seconds_there:.0f} | {row.seconds_here:.0f}"
    return f"| {row.name} | {differences} | {seconds} | {'same' if row.good else 'DIFFERS'} |"


def main() -> int:
    parser = ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--python", type=Path, required=True, help="interpreter that has nnunet 1.7.1")
    parser.add_argument("--ct", type=Path, required=True, help="a CT as NIfTI")
    parser.add_argument("--only", default="", help="part of a model's name")
    arguments = parser.parse_args()
    print(
        "| model of nnU-Net v1 | input, max diff | logits, max diff | same label | labels found | s there | s here | |"
    )
    print("|---|--:|--:|--:|--:|--:|--:|---|")
    good = True
    with TemporaryDirectory() as scratch:
        for spec in (spec for spec in SPECS if arguments.only in spec.name):
            row = compare(spec, arguments.python, arguments.ct, Path(scratch))
            good &= row.good
            print(as_line(row), flush=True)
    return int(not good)


if __name__ == "__main__":
    sys.exit(main())
