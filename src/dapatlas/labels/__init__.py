"""Labels: what a voxel value means, in this atlas and in the data sets it learns from. No volumes.

>>> from dapatlas.labels import crosswalk, dap
>>> dap()["liver"].id
13
>>> crosswalk("totalsegmentator", "dap")["rib_left_12"].targets[0].name
'costa_1_left'
"""

from dapatlas.labels.crosswalk import Crosswalk, Link, crosswalk
from dapatlas.labels.load import dap, find_scheme, load_scheme, scheme_from_labels_json, scheme_names
from dapatlas.labels.scheme import LabelScheme, Layout
from dapatlas.labels.structure import (
    Absence,
    Code,
    Container,
    Region,
    Relation,
    Sex,
    Side,
    Structure,
    TissueClass,
)

__all__ = [
    "Absence",
    "Code",
    "Container",
    "Crosswalk",
    "LabelScheme",
    "Layout",
    "Link",
    "Region",
    "Relation",
    "Sex",
    "Side",
    "Structure",
    "TissueClass",
    "crosswalk",
    "dap",
    "find_scheme",
    "load_scheme",
    "scheme_from_labels_json",
    "scheme_names",
]
