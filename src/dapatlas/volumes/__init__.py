"""Voxel grids: files, orientations, resampling, measurements, pictures. Knows no anatomy."""

from dapatlas.volumes.components import Components, components, connected
from dapatlas.volumes.density import Density, densities
from dapatlas.volumes.field_of_view import FieldOfView
from dapatlas.volumes.grid import Grid
from dapatlas.volumes.ids import IntegralFloatWarning, as_ids
from dapatlas.volumes.measure import (
    Box,
    Measurement,
    Measurements,
    bounding_box,
    box_of_points,
    hull,
    joint_histogram,
    measure,
    overlap,
    padded,
)
from dapatlas.volumes.nearest_label import to_nearest
from dapatlas.volumes.nifti import (
    Header,
    Volume,
    read_grid,
    read_header,
    read_label_map,
    read_slice,
    read_volume,
    write_label_map,
    write_volume,
)
from dapatlas.volumes.orientation import reorient
from dapatlas.volumes.picture import SOFT_TISSUE_HU, captioned, stacked, three_planes
from dapatlas.volumes.remap import remap
from dapatlas.volumes.resample import resample_labels

__all__ = [
    "SOFT_TISSUE_HU",
    "Box",
    "Components",
    "Density",
    "FieldOfView",
    "Grid",
    "Header",
    "IntegralFloatWarning",
    "Measurement",
    "Measurements",
    "Volume",
    "as_ids",
    "bounding_box",
    "box_of_points",
    "captioned",
    "components",
    "connected",
    "densities",
    "hull",
    "joint_histogram",
    "measure",
    "overlap",
    "padded",
    "read_grid",
    "read_header",
    "read_label_map",
    "read_slice",
    "read_volume",
    "remap",
    "reorient",
    "resample_labels",
    "stacked",
    "three_planes",
    "to_nearest",
    "write_label_map",
    "write_volume",
]
