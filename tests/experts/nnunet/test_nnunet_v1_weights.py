"""Weights of nnU-Net v1 in version 2's network: the same logits as version 1's network worked out by hand."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from v1_models import ANISOTROPIC, V1Spec, v1_forward, v1_plans, v1_state

from dapatlas.errors import BadFileError
from dapatlas.experts.nnunet.checkpoint import Checkpoint
from dapatlas.experts.nnunet.network import build_network, load_weights
from dapatlas.experts.nnunet.v1_plans import read_layers, translate_plans
from dapatlas.experts.nnunet.v1_weights import read_weights, translate_weights
from dapatlas.experts.nnunet.v2_folder import plans_of_folder
from dapatlas.files import write_json

PATH = Path("model_final_checkpoint.model")

SPECS = {
    "isotropic": V1Spec(),
    "anisotropic": ANISOTROPIC,
    "kernels that shrink": V1Spec(kernels=((3, 3, 3), (1, 3, 3), (1, 1, 3)), pools=((2, 2, 2), (1, 2, 2))),
    "three convolutions": V1Spec(convolutions=3),
    "145 classes": V1Spec(classes=145),
    "two stages": V1Spec(kernels=((3, 3, 3), (3, 3, 3)), pools=((2, 1, 2),)),
}


def network_of(spec: V1Spec, state: dict[str, Any], folder: Path) -> Any:
    """The network that the translated plans describe, with the translated weights."""
    write_json(folder / "plans.json", translate_plans(v1_plans(spec), PATH))
    write_json(
        folder / "dataset.json",
        {
            "labels": {"background": 0} | {f"l{i}": i for i in range(1, spec.classes)},
            "channel_names": {"0": "CT"},
        },
    )
    plans = plans_of_folder(folder, Checkpoint({}, "", "3d_fullres", ()))
    network = build_network(plans.architecture, PATH)
    load_weights(network, translate_weights(state, read_layers(v1_plans(spec), PATH), PATH), PATH)
    return network.eval()


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_same_logits_as_version_1(spec: V1Spec, tmp_path: Path, torch: ModuleType) -> None:
    state = v1_state(spec)
    x = torch.randn(1, 1, 16, 16, 16, generator=torch.Generator().manual_seed(3))
    with torch.inference_mode():
        found, expected = network_of(spec, state, tmp_path)(x), v1_forward(state, spec, x)
    assert expected.std() > 0.1
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_weights_of_another_task_are_told(tmp_path: Path, torch: ModuleType) -> None:
    torch.save({"state_dict": v1_state(V1Spec(classes=5))}, tmp_path / PATH)
    with pytest.raises(BadFileError, match=r"weights tell 5 classes apart.*plans.pkl counts 3.*another task"):
        read_weights(tmp_path / PATH, read_layers(v1_plans(V1Spec()), PATH))


def test_parallel_training_leaves_a_prefix(tmp_path: Path, torch: ModuleType) -> None:
    state = {f"module.{name}": value for name, value in v1_state(V1Spec()).items()}
    torch.save({"state_dict": state}, tmp_path / PATH)
    found = read_weights(tmp_path / PATH, read_layers(v1_plans(V1Spec()), PATH))
    assert torch.equal(found["decoder.seg_layers.1.weight"], state["module.seg_outputs.1.weight"])


def test_a_missing_weight_is_told() -> None:
    state = v1_state(V1Spec())
    del state["tu.0.weight"]
    with pytest.raises(BadFileError, match=r"tu.0.weight is missing, expected shape \(16, 8, 2, 2, 2\)"):
        translate_weights(state, read_layers(v1_plans(V1Spec()), PATH), PATH)


def test_other_features_are_told() -> None:
    layers = read_layers(v1_plans(V1Spec(features=8)), PATH)
    with pytest.raises(BadFileError, match=r"has shape \(4, 1, 3, 3, 3\), expected shape \(8, 1, 3, 3, 3\)"):
        translate_weights(v1_state(V1Spec()), layers, PATH)


def test_another_norm_is_told(torch: ModuleType) -> None:
    """Batch norm keeps averages, which instance norm has no place for."""
    state = v1_state(V1Spec()) | {"conv_blocks_context.0.blocks.0.instnorm.running_mean": torch.zeros(4)}
    with pytest.raises(BadFileError, match="1 weights have no place in the network"):
        translate_weights(state, read_layers(v1_plans(V1Spec()), PATH), PATH)


def test_other_checkpoints_are_told(tmp_path: Path, torch: ModuleType) -> None:
    torch.save({"network_weights": {}}, tmp_path / PATH)
    with pytest.raises(BadFileError, match="no checkpoint of nnU-Net v1"):
        read_weights(tmp_path / PATH, read_layers(v1_plans(V1Spec()), PATH))
