"""Synthetic whole-body CT cases with all 142 structures, made from a seed.

Synthetic: drawn from simple geometric forms, for demos, tests and benchmarks. Never for training or judging
a clinical model.
"""

from dapatlas.phantom.cohort import CohortCase, make_cohort, plan_cohort
from dapatlas.phantom.field_of_view import FieldOfView
from dapatlas.phantom.ground_truth import read_planted
from dapatlas.phantom.phantom import Phantom, PhantomSpec, make_phantom
from dapatlas.phantom.plant import not_plantable, plant
from dapatlas.phantom.planted import ErrorKind, PlantedError, restore

__all__ = [
    "CohortCase",
    "ErrorKind",
    "FieldOfView",
    "Phantom",
    "PhantomSpec",
    "PlantedError",
    "make_cohort",
    "make_phantom",
    "not_plantable",
    "plan_cohort",
    "plant",
    "read_planted",
    "restore",
]
