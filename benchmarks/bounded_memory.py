"""Memory of a prediction with 145 classes as CTs grow: ours, and nnunetv2's own predictor.

``python -m benchmarks.bounded_memory`` from the root of the repository, with the extra ``models`` installed, prints a
table. The network is tiny (two 1×1×1 convolutions with random weights), for what a network takes for one tile is the
same both ways, whatever the CT's size. Every prediction runs in a process of its own, and its peak is the largest
resident memory of that process, libraries included. Where nnunetv2's arrays alone would be larger than ``--limit-gb``
it is not run, and what those arrays take is printed in brackets.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import multiprocessing
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from dapatlas.experts.nnunet.memory import estimate
from dapatlas.experts.nnunet.plans import Architecture, Dialect, Intensity, Plans, Resampling, ResamplingRule
from dapatlas.experts.nnunet.preprocess import prepare
from dapatlas.experts.nnunet.segment import segment
from dapatlas.experts.nnunet.spacing import network_shape
from dapatlas.extras import needed
from dapatlas.memory import peak_mb
from dapatlas.volumes import Grid

CLASSES = 145
NETWORK_MM = 1.5
PATCH = (128, 128, 128)
SIZES = ((64, 64, 69), (128, 128, 139), (192, 192, 208), (256, 256, 278), (384, 384, 416), (512, 512, 555))
ARCHITECTURE = Architecture("", {"features_per_stage": [8], "strides": [1]}, (), 1, CLASSES)


@dataclass(frozen=True)
class Job:
    """One prediction: a CT of so many voxels and mm, and where its label map goes."""

    shape: tuple[int, int, int]
    spacing_mm: float
    dialect: Dialect
    memory_gb: float
    out: Path

    @property
    def grid(self) -> Grid:
        """The CT's."""
        return Grid.from_spacing(self.shape, (self.spacing_mm,) * 3)


@dataclass(frozen=True)
class Answer:
    """Seconds, and the peak of the process in GB."""

    seconds: float
    peak_gb: float


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bounded_memory", description=__doc__)
    parser.add_argument("--limit-gb", type=float, default=20.0, help="run nnunetv2 up to so much memory")
    parser.add_argument("--memory-gb", type=float, default=10.0, help="what ours is allowed")
    parser.add_argument("--largest", type=int, default=512, help="largest number of voxels across")
    options = parser.parse_args()
    table = Table(title=f"{CLASSES} classes, tiles of {PATCH}, network at {NETWORK_MM} mm", box=None)
    for column in (
        "voxels",
        "mm",
        "rules",
        "ours GB",
        "foreseen",
        "tiles",
        "s",
        "nnunetv2 GB",
        "s",
        "ratio",
        "equal",
    ):
        table.add_column(column, justify="right")
    console = Console(width=None if Console().is_terminal else 150)
    with tempfile.TemporaryDirectory() as name:
        for job in _jobs(Path(name), options.memory_gb, options.largest):
            console.print(f"… {job.shape} {job.dialect}", style="dim")
            table.add_row(*_row(job, options.limit_gb))
    console.print(table)


def _jobs(folder: Path, memory_gb: float, largest: int) -> list[Job]:
    sizes = [shape for shape in SIZES if shape[0] <= largest]
    found = [(shape, 1.0, "v2") for shape in sizes]
    found += [(sizes[-1], 1.0, "v1"), (sizes[-1], NETWORK_MM, "v2")]
    return [
        Job(shape, mm, dialect, memory_gb, folder / f"{n}.npy")  # type: ignore[arg-type]
        for n, (shape, mm, dialect) in enumerate(found)
    ]


def _row(job: Job, limit_gb: float) -> list[str]:
    ours = _alone(_ours, job)
    need = estimate(_plans(job.dialect), job.grid, memory_gb=job.memory_gb)
    labels = np.load(job.out)
    cells = [
        "×".join(map(str, job.shape)), f"{job.spacing_mm:g}", job.dialect, f"{ours.peak_gb:.2f}", f"{need.host_gb:.2f}",
        f"{need.layout.tiles}/{need.least_tiles}", f"{ours.seconds:.0f}",
    ]  # fmt: skip
    arrays = _unbounded_gb(job)
    if job.dialect == "v1" or arrays > limit_gb:
        return [*cells, f"({arrays:.0f})", "", f"({arrays / ours.peak_gb:.0f}×)", ""]
    theirs = _alone(_nnunetv2, job)
    equal = float((np.load(job.out) == labels).mean())
    return [
        *cells, f"{theirs.peak_gb:.2f}", f"{theirs.seconds:.0f}", f"{theirs.peak_gb / ours.peak_gb:.1f}×",
        f"{equal:.4%}",
    ]  # fmt: skip


def _unbounded_gb(job: Job) -> float:
    """Scores of the volume, their copy in double precision (version 1 too), and the resampled scores."""
    half = 2 if job.dialect == "v2" else 4
    inner, outer = prod(_inner(job)), prod(job.shape)
    resampled = (8 * inner + half * outer) if inner != outer else 0
    return CLASSES * (half * inner + resampled) / 1e9


def _inner(job: Job) -> tuple[int, int, int]:
    return network_shape(job.shape, (job.spacing_mm,) * 3, _plans(job.dialect))


def _alone(call: Callable[[Job], None], job: Job) -> Answer:
    context = multiprocessing.get_context("spawn")
    answers = context.SimpleQueue()
    process = context.Process(target=_timed, args=(call, job, answers))
    process.start()
    process.join()
    if process.exitcode != 0:
        raise RuntimeError(f"{call.__name__} of {job.shape} ended with {process.exitcode}")
    return answers.get()  # type: ignore[no-any-return]


def _timed(call: Callable[[Job], None], job: Job, answers: Any) -> None:
    begin = time.perf_counter()
    call(job)
    answers.put(Answer(time.perf_counter() - begin, peak_mb() / 1000))


def _ct(shape: tuple[int, int, int]) -> NDArray[np.int16]:
    """Waves from air to bone along all axes, plane by plane, so that making it takes no memory."""
    ct = np.empty(shape, np.int16, order="F")
    x, y = (np.sin(np.arange(n) / 9.0) for n in shape[:2])
    for k in range(shape[2]):
        ct[:, :, k] = 700 * np.sin(k / 11) * x[:, None] + 400 * y[None] - 150
    return ct


def _network() -> Any:
    torch = needed("torch", "models", "to run this benchmark")
    torch.manual_seed(1)
    network = torch.nn.Sequential(torch.nn.Conv3d(1, 8, 1), torch.nn.Tanh(), torch.nn.Conv3d(8, CLASSES, 1))
    with torch.no_grad():
        network[0].weight *= 5
        network[2].weight *= 10
    return network.eval()


def _plans(dialect: Dialect) -> Plans:
    return Plans(
        dialect=dialect,
        spacing_mm=(NETWORK_MM,) * 3,
        patch=PATCH,
        transpose_forward=(0, 1, 2),
        transpose_backward=(0, 1, 2),
        intensities=(Intensity("CT", 0.0, 400.0, -1000.0, 1000.0),),
        mirror_axes=(),
        labels={f"structure {i}" if i else "background": i for i in range(CLASSES)},
        architecture=ARCHITECTURE,
        resampling=Resampling(ResamplingRule(3, 0), ResamplingRule(1, 0)),
        channel_names={"0": "CT"},
    )


def _ours(job: Job) -> None:
    plans = _plans(job.dialect)
    prepared = prepare(_ct(job.shape), job.grid, plans)
    np.save(job.out, segment([_network()], prepared, plans, tta=False, memory_gb=job.memory_gb))


def _nnunetv2(job: Job) -> None:
    warnings.simplefilter("ignore")
    torch, inference, handling = (
        needed(module, "models", "to run this benchmark")
        for module in (
            "torch",
            "nnunetv2.inference.predict_from_raw_data",
            "nnunetv2.utilities.plans_handling.plans_handler",
        )
    )
    plans = handling.PlansManager(_nnunet_plans())
    network = _network()
    dataset = {"channel_names": {"0": "CT"}, "labels": dict(_plans("v2").labels), "file_ending": ".nii.gz"}
    with contextlib.redirect_stdout(io.StringIO()):
        predictor = inference.nnUNetPredictor(
            use_mirroring=False, device=torch.device("cpu"), allow_tqdm=False
        )
        predictor.manual_initialization(
            network,
            plans,
            plans.get_configuration("3d_fullres"),
            [network.state_dict()],
            dataset,
            "nnUNetTrainer",
            None,
        )
        image = _ct(job.shape).transpose(2, 1, 0)[None].astype(np.float32)
        labels = predictor.predict_single_npy_array(image, {"spacing": [job.spacing_mm] * 3})
    np.save(job.out, labels.transpose(2, 1, 0))


def _nnunet_plans() -> dict[str, Any]:
    resample: dict[str, Any] = {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": None}
    configuration: dict[str, Any] = {
        "preprocessor_name": "DefaultPreprocessor",
        "patch_size": list(PATCH),
        "spacing": [NETWORK_MM] * 3,
        "normalization_schemes": ["CTNormalization"],
        "use_mask_for_norm": [False],
        "architecture": {"network_class_name": "", "arch_kwargs": {}, "_kw_requires_import": []},
    }
    for name, more in (("data", {}), ("seg", {"is_seg": True, "order": 1}), ("probabilities", {"order": 1})):
        configuration[f"resampling_fn_{name}"] = "resample_data_or_seg_to_shape"
        configuration[f"resampling_fn_{name}_kwargs"] = resample | more
    intensity = {"mean": 0.0, "std": 400.0, "percentile_00_5": -1000.0, "percentile_99_5": 1000.0}
    return {
        "dataset_name": "Dataset999_Bench",
        "plans_name": "nnUNetPlans",
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {"0": intensity},
        "configurations": {"3d_fullres": configuration},
    }


if __name__ == "__main__":
    main()
