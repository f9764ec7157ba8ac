"""Training: nnU-Net v2's raw folder, its plans and its trainer, each in a process and a folder of its own."""

from dapatlas.train.planning import Planned, PlanSettings, plan
from dapatlas.train.training import Epoch, Trained, TrainSettings, train
from dapatlas.train.workspace import Workspace, open_workspace

__all__ = [
    "Epoch",
    "PlanSettings",
    "Planned",
    "TrainSettings",
    "Trained",
    "Workspace",
    "open_workspace",
    "plan",
    "train",
]
