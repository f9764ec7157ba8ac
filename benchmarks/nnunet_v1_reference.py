"""Models of nnU-Net v1 and what nnU-Net v1 itself predicts with them; run by the Python that has nnunet 1.7.1.

Knows nothing of dapatlas: ``benchmarks/nnunet_v1.py`` calls it with the description of one model as JSON, and reads
what it leaves in the folder: the model as version 1's trainer saves it, and ``expected.npz``.
"""

# nnunet reads its folders from the environment when it is imported
# ruff: noqa: E402
from __future__ import annotations

import json
import os
import pickle
import sys
import warnings
from collections import OrderedDict
from pathlib import Path
from types import SimpleNamespace

for variable in ("nnUNet_raw_data_base", "nnUNet_preprocessed", "RESULTS_FOLDER"):
    os.environ.setdefault(variable, "/nonexistent")  # nnunet complains at import without them
os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] = "1"  # these are its own files
warnings.simplefilter("ignore")

import nibabel as nib
import numpy as np
import torch
from nnunet.experiment_planning.common_utils import get_pool_and_conv_props
from nnunet.inference.segmentation_export import save_segmentation_nifti_from_softmax
from nnunet.training.model_restore import load_model_and_checkpoint_files
from nnunet.training.network_training.nnUNet_variants.data_augmentation import (
    nnUNetTrainerV2_noMirroring as plain,
)
from nnunet.training.network_training.nnUNetTrainerV2 import nnUNetTrainerV2

TRAINERS = {
    "nnUNetTrainerV2": nnUNetTrainerV2,
    "nnUNetTrainerV2_noMirroring": plain.nnUNetTrainerV2_noMirroring,
}
MIN_FEATURE_MAP, ANY_POOLS = 4, 999  # as version 1's planner has them


def plans_of(spec: SimpleNamespace) -> dict:
    """Plans as version 1's planner writes them, with the network that it would choose."""
    patch = np.array(spec.patch)
    per_axis, pools, kernels, patch, _ = get_pool_and_conv_props(
        spec.spacing, patch, MIN_FEATURE_MAP, ANY_POOLS
    )
    stage = {
        "batch_size": 2, "num_pool_per_axis": per_axis, "patch_size": patch,
        "median_patient_size_in_voxels": patch * 2, "current_spacing": np.array(spec.spacing, float),
        "original_spacing": np.array(spec.spacing, float), "do_dummy_2D_data_aug": False,
        "pool_op_kernel_sizes": pools, "conv_kernel_sizes": kernels,
    }  # fmt: skip
    foreground = OrderedDict(
        median=40.0, mean=np.float64(12.5), sd=np.float64(310.25), mn=-1024.0, mx=3071.0,
        percentile_99_5=np.float64(1100.5), percentile_00_5=np.float64(-990.25), local_props=OrderedDict(),
    )  # fmt: skip
    classes = list(range(1, spec.classes))
    return {
        "num_stages": 1, "num_modalities": 1, "modalities": {0: "CT"}, "normalization_schemes": OrderedDict({0: "CT"}),
        "dataset_properties": {
            "all_sizes": [(100, 200, 200)], "all_spacings": [np.array(spec.spacing)], "all_classes": classes,
            "modalities": {0: "CT"}, "intensityproperties": OrderedDict({0: foreground}),
            "size_reductions": OrderedDict({"case": np.float64(1.0)}),
        },
        "list_of_npz_files": ["case.npz"], "original_spacings": [np.array(spec.spacing)],
        "original_sizes": [np.array([100, 200, 200])], "preprocessed_data_folder": "/preprocessed",
        "num_classes": len(classes), "all_classes": classes, "base_num_features": spec.features,
        "use_mask_for_norm": OrderedDict({0: False}), "keep_only_largest_region": None,
        "min_region_size_per_class": None, "min_size_per_class": None, "transpose_forward": spec.transpose,
        "transpose_backward": [int(axis) for axis in np.argsort(spec.transpose)],
        "data_identifier": "nnUNetData_plans_v2.1",
        "plans_per_stage": {0: stage}, "preprocessor_name": "GenericPreprocessor", "conv_per_stage": spec.convolutions,
    }  # fmt: skip


def make_model(spec: SimpleNamespace, folder: Path) -> None:
    """Random weights, saved by version 1's own trainer."""
    folder.mkdir(parents=True)
    with (folder / "plans.pkl").open("wb") as file:
        pickle.dump(plans_of(spec), file)
    for fold in range(spec.folds):
        torch.manual_seed(spec.seed + fold)
        data = folder.parent / "data"
        trainer = TRAINERS[spec.trainer](
            str(folder / "plans.pkl"), fold, str(folder), str(data), True, 0, False
        )
        trainer.initialize(False)
        with torch.no_grad():
            for name, weight in trainer.network.named_parameters():
                if weight.ndim == 1:  # norms and biases start out as ones and zeros, which would prove little
                    weight.add_(torch.randn_like(weight) * 0.3)
                elif name.startswith("seg_outputs"):
                    weight.mul_(spec.contrast)
        trainer.all_tr_losses = [np.float64(0.5), -0.7]  # as after training
        trainer.best_val_eval_criterion_MA = np.float64(0.1)
        trainer.save_checkpoint(str(folder / f"fold_{fold}" / f"{spec.checkpoint}.model"))


def predict(spec: SimpleNamespace, folder: Path, out: Path) -> None:
    """Predict as ``predict_cases`` does, keeping what it has on the way."""
    trainer, folds = load_model_and_checkpoint_files(str(folder), None, False, spec.checkpoint)
    data, _, properties = trainer.preprocess_patient([spec.ct])
    patch = _first_patch(data, trainer.patch_size)
    probabilities, logits = None, []
    for weights in folds:
        trainer.load_checkpoint_ram(weights, False)
        trainer.network.eval()
        trainer.network.do_ds = False
        with torch.no_grad():
            logits.append(trainer.network(torch.from_numpy(patch)[None])[0].numpy())
        trainer.network.do_ds = True
        found = trainer.predict_preprocessed_data_return_seg_and_softmax(
            data, do_mirroring=spec.tta, mirror_axes=trainer.data_aug_params["mirror_axes"], step_size=0.5,
            use_gaussian=True, all_in_gpu=False, mixed_precision=False, verbose=False,
        )[1]  # fmt: skip
        probabilities = found if probabilities is None else probabilities + found
    probabilities /= len(folds)
    back = trainer.plans["transpose_backward"]
    turned = probabilities.transpose([0, *(axis + 1 for axis in back)])
    save_segmentation_nifti_from_softmax(turned, str(out / "map.nii.gz"), properties, verbose=False)
    labels = np.asarray(nib.load(out / "map.nii.gz").dataobj).astype(np.uint8)
    np.savez(out / "expected.npz", data=data, patch=patch, logits=np.stack(logits), labels=labels)


def _first_patch(data: np.ndarray, patch: np.ndarray) -> np.ndarray:
    sizes = [int(size) for size in patch]
    cut = data[(slice(None), *(slice(size) for size in sizes))]
    return np.pad(cut, [(0, 0), *((0, size - have) for size, have in zip(sizes, cut.shape[1:], strict=True))])


def main() -> None:
    spec = SimpleNamespace(**json.loads(sys.argv[1]))
    out = Path(sys.argv[2])
    torch.set_num_threads(spec.threads)
    make_model(spec, out / "model")
    predict(spec, out / "model", out)


if __name__ == "__main__":
    main()
