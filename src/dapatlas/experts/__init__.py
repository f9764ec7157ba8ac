"""Experts: whoever proposes labels for a CT, in its own scheme, brought to the CT's grid.

>>> from dapatlas.experts import LabelMaps
>>> expert = LabelMaps(name="totalsegmentator", scheme="totalsegmentator", files="/maps/{case}.nii.gz")
>>> proposal = expert.propose(case)  # doctest: +SKIP
"""

from dapatlas.experts.expert import Expert, Proposal
from dapatlas.experts.ready import BinaryMasks, LabelMaps

__all__ = ["BinaryMasks", "Expert", "LabelMaps", "Proposal"]
