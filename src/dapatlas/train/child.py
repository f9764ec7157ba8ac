"""What runs in nnU-Net's own process: ``python -m dapatlas.train.child '{"what": "plan", …}'``.

It needs the extra ``models``, and nnU-Net's environment variables. Lines for the process that asked begin with a sign.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dapatlas.errors import DapatlasError
from dapatlas.experts.nnunet.device import pick_device
from dapatlas.extras import needed
from dapatlas.train.launch import SIGN
from dapatlas.train.memory import TrainingMemory, training_memory
from dapatlas.train.trainer import make_trainer
from dapatlas.train.training import FINAL, LATEST
from dapatlas.train.workspace import CONFIGURATION, PLANS, TRAINER, TRAINER_WITHOUT_MIRRORING

PURPOSE = "to train networks"
PLANNERS = "nnunetv2.experiment_planning.experiment_planners.default_experiment_planner"
SMALLER = 0.85  # step by which the planner's target shrinks until classes fit beside feature maps
SMALLEST = (
    0.02  # of the GPU's memory; a network whose scores alone exceed it gets the smallest patch there is
)
MOST_FEATURES = 10  # of a stage, by those of the finest: nnU-Net's own 320 by 32


def tell(said: Mapping[str, Any]) -> None:
    """Say something to the process that asked."""
    print(f"{SIGN}{json.dumps(said)}", flush=True)


def plan(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Fingerprint, plans, preprocessing: nnU-Net's own three steps."""
    api = needed("nnunetv2.experiment_planning.plan_and_preprocess_api", "models", PURPOSE)
    number = int(asked["dataset"][len("Dataset") :].partition("_")[0])
    tell({"step": "measuring cases"})
    api.extract_fingerprint_dataset(
        number, num_processes=asked["jobs"], clean=True, verbose=False, show_progress_bar=False
    )
    tell({"step": "planning"})
    configuration, memory, classes = fitting_plans(number, asked)
    tell({"step": "resampling cases"})
    api.preprocess_dataset(
        number,
        PLANS,
        configurations=(CONFIGURATION,),
        num_processes=(asked["jobs"],),
        verbose=False,
        show_progress_bar=False,
    )
    return {
        "patch": [int(n) for n in configuration["patch_size"]],
        "spacing_mm": [float(mm) for mm in configuration["spacing"]],
        "batch": int(configuration["batch_size"]),
        "features": [int(n) for n in configuration["architecture"]["arch_kwargs"]["features_per_stage"]],
        "classes": classes,
        "features_gb": memory.features_gb,
        "classes_gb": memory.classes_gb,
        "deep_supervision_gb": memory.deep_supervision_gb,
    }


def fitting_plans(number: int, asked: Mapping[str, Any]) -> tuple[dict[str, Any], TrainingMemory, int]:
    """Have nnU-Net plan with an ever smaller target, until feature maps and classes fit the GPU together."""
    base = needed(PLANNERS, "models", PURPOSE).ExperimentPlanner
    target = float(asked["gpu_gb"])
    while True:
        planner = base(
            number,
            gpu_memory_target_in_gb=target,
            plans_name=PLANS,
            overwrite_target_spacing=asked["spacing_mm"] and [float(mm) for mm in asked["spacing_mm"]],
        )
        planner.UNet_base_num_features = asked["features"]
        planner.UNet_max_features_3d = MOST_FEATURES * asked["features"]
        configuration = planner.plan_experiment()["configurations"][CONFIGURATION]
        memory, classes = _need(planner, configuration)
        if memory.total_gb <= asked["gpu_gb"] or target <= SMALLEST * asked["gpu_gb"]:
            return configuration, memory, classes
        target *= SMALLER


def _need(planner: Any, configuration: Mapping[str, Any]) -> tuple[TrainingMemory, int]:
    network = configuration["architecture"]
    classes = len([name for name in planner.dataset_json["labels"] if name != "ignore"])
    numbers = planner.static_estimate_VRAM_usage(
        configuration["patch_size"],
        1,
        classes,
        network["network_class_name"],
        network["arch_kwargs"],
        network["_kw_requires_import"],
    )
    memory = training_memory(
        float(numbers),
        configuration["patch_size"],
        network["arch_kwargs"]["strides"],
        classes,
        configuration["batch_size"],
    )
    return memory, classes


def train(asked: Mapping[str, Any]) -> dict[str, Any]:
    """One fold, by nnU-Net's trainer."""
    torch = needed("torch", "models", PURPOSE)
    device = pick_device(asked["device"], PURPOSE)
    torch.manual_seed(asked["seed"])
    np.random.seed(asked["seed"])  # noqa: NPY002  # nnU-Net draws from this one
    paths = needed("nnunetv2.paths", "models", PURPOSE)
    folder = Path(str(paths.nnUNet_preprocessed)) / asked["dataset"]
    plans = json.loads((folder / f"{PLANS}.json").read_text(encoding="utf-8"))
    plans["continue_training"] = asked["resume"]
    kind = make_trainer(TRAINER if asked["mirroring"] else TRAINER_WITHOUT_MIRRORING, asked, tell)
    trainer = kind(
        plans=plans,
        configuration=CONFIGURATION,
        fold=asked["fold"] if asked["fold"] == "all" else int(asked["fold"]),
        dataset_json=json.loads((folder / "dataset.json").read_text(encoding="utf-8")),
        device=torch.device(device),
    )
    trainer.num_epochs = asked["epochs"]
    trainer.num_iterations_per_epoch = asked["steps"]
    trainer.num_val_iterations_per_epoch = asked["validation_steps"]
    trainer.initial_lr = asked["learning_rate"]
    trainer.save_every = max(1, min(50, asked["epochs"] // 20))
    if asked["resume"]:
        trainer.load_checkpoint(str(Path(trainer.output_folder) / LATEST))
    trainer.run_training()
    return {"checkpoint": str(Path(trainer.output_folder) / FINAL)}


JOBS = {"plan": plan, "train": train}


def end_with_parent(every_s: float = 1.0) -> None:
    """End when the process that asked is gone, however it went: nobody would hear, and a new one may begin."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(every_s)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def main() -> None:
    """Do the job that the first argument describes."""
    end_with_parent()
    asked = json.loads(sys.argv[1])
    try:
        tell({"answer": JOBS[asked["what"]](asked)})
    except DapatlasError as error:
        tell({"error": str(error)})
        sys.exit(2)


if __name__ == "__main__":
    main()
