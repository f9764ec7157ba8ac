"""Experts: whoever proposes labels for a CT, in its own scheme, brought to the CT's grid.

>>> from dapatlas.experts import LabelMaps
>>> expert = LabelMaps(name="totalsegmentator", scheme="totalsegmentator", files="/maps/{case}.nii.gz")
>>> proposal = expert.propose(case)  # doctest: +SKIP
"""

from dapatlas.experts.binary_masks import BinaryMasks
from dapatlas.experts.dicom_seg import DicomSeg
from dapatlas.experts.expert import Expert, Proposal
from dapatlas.experts.label_maps import LabelMaps
from dapatlas.experts.nnunet_expert import NnunetExpert
from dapatlas.experts.one_hot import OneHot
from dapatlas.experts.rtstruct import RtStruct
from dapatlas.experts.slicer import SlicerSegmentation
from dapatlas.experts.totalsegmentator import TotalSegmentator

READY_EXPERTS = (LabelMaps, BinaryMasks, OneHot, SlicerSegmentation, DicomSeg, RtStruct)
EXPERTS = (*READY_EXPERTS, NnunetExpert, TotalSegmentator)  # these two work when they are asked

__all__ = [
    "EXPERTS",
    "READY_EXPERTS",
    "BinaryMasks",
    "DicomSeg",
    "Expert",
    "LabelMaps",
    "NnunetExpert",
    "OneHot",
    "Proposal",
    "RtStruct",
    "SlicerSegmentation",
    "TotalSegmentator",
]
