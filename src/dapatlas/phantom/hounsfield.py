"""CT values of the phantom, in Hounsfield units (HU).

Means follow a contrast-enhanced CT in the portal-venous phase, as the CTs of the FDG-PET-CT-Lesions cohort are
(Gatidis et al., Scientific Data 9, 601, 2022). Native values lie in the usual textbook ranges (fat -120 to
-80, muscle 40 to 60, cancellous bone 100 to 300, cortical bone above 500, lung -900 to -750 HU); enhanced ones are
about what the portal-venous phase gives (liver 110, spleen 120, aorta 150, portal vein 165, renal parenchyma 180 HU).
They are made to look right, not to calibrate anything.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from dapatlas.phantom.forms import Floats

AIR_HU = -1000

# Materials that are no structure of the scheme get ids above all structures' in the map of materials.
AIR, GAS, CORTEX, STOOL, BLOOD, LUNG_VESSEL, RENAL_SINUS, FOREARM_BONE, COUCH_SHELL, COUCH_FOAM = range(
    200, 210
)
MATERIALS = {
    "air": AIR,
    "gas": GAS,
    "cortex": CORTEX,
    "stool": STOOL,
    "blood": BLOOD,
    "lung_vessel": LUNG_VESSEL,
    "renal_sinus": RENAL_SINUS,
    "forearm_bone": FOREARM_BONE,
    "couch_shell": COUCH_SHELL,
    "couch_foam": COUCH_FOAM,
}
_MATERIAL_HU: dict[int, tuple[float, float]] = {
    AIR: (-990, 0),
    GAS: (-950, 10),
    CORTEX: (520, 60),
    STOOL: (30, 60),
    BLOOD: (140, 5),
    LUNG_VESSEL: (40, 20),
    RENAL_SINUS: (-30, 30),
    FOREARM_BONE: (600, 80),
    COUCH_SHELL: (60, 5),
    COUCH_FOAM: (-900, 10),
}

# Mean and texture (standard deviation) in HU; keys ending in * stand for all names that begin so.
HOUNSFIELD: dict[str, tuple[float, float]] = {
    "unknown_tissue": (75, 10),
    "muscles": (58, 8),
    "fat": (-105, 6),
    "abdominal_tissue": (-92, 14),
    "mediastinal_tissue": (-75, 18),
    "esophagus": (45, 8),
    "stomach": (30, 10),
    "small_bowel": (45, 18),
    "duodenum": (48, 12),
    "colon": (20, 30),
    "gallbladder": (8, 3),
    "liver": (112, 6),
    "pancreas": (95, 10),
    "kidney*": (178, 14),
    "bladder": (6, 3),
    "gonads": (42, 6),
    "prostate": (62, 7),
    "uterocervix": (80, 8),
    "uterus": (92, 10),
    "breast*": (5, 30),
    "spinal_canal": (32, 8),
    "brain": (38, 5),
    "spleen": (122, 6),
    "adrenal_gland*": (68, 8),
    "thyroid*": (145, 12),
    "thymus": (-25, 25),
    "gluteus*": (60, 8),
    "iliopsoas*": (64, 7),
    "autochthon*": (55, 10),
    "skin": (10, 20),
    "vertebrae*": (190, 35),
    "costa*": (240, 50),
    "rib_cartilage": (115, 15),
    "sternum*": (150, 30),
    "clavicula*": (290, 50),
    "scapula*": (280, 50),
    "humerus*": (240, 45),
    "skull": (650, 120),
    "hip*": (220, 40),
    "sacrum": (160, 35),
    "femur*": (260, 45),
    "heart": (-20, 25),
    "heart_tissue": (85, 10),
    "heart_myocardium": (112, 8),
    "heart_atrium*": (152, 6),
    "heart_ventricle*": (152, 6),
    "iliac_artery*": (145, 6),
    "aorta": (150, 6),
    "iliac_vena*": (130, 8),
    "inferior_vena_cava": (138, 8),
    "portal_vein_and_splenic_vein": (165, 6),
    "celiac_trunk": (150, 6),
    "lung*": (-840, 35),
    "bronchus": (-880, 40),
    "trachea": (-960, 15),
    "pulmonary_artery": (150, 6),
    "cheek*": (-40, 30),
    "eyeball*": (20, 5),
    "nasal_cavity": (-650, 150),
    "artery*": (148, 6),
    "internal_jugular_vein*": (142, 6),
    "vein_brachiocephalic*": (142, 6),
}
# Bones whose outermost voxel is cortex.
BONES = ("vertebrae", "costa", "sternum", "clavicula", "scapula", "humerus", "hip", "sacrum", "femur")


def structure_hu(name: str) -> tuple[float, float]:
    """Mean and texture of a structure, HU; the longest matching entry of ``HOUNSFIELD`` holds."""
    if name in HOUNSFIELD:
        return HOUNSFIELD[name]
    matches = [key for key in HOUNSFIELD if key.endswith("*") and name.startswith(key[:-1])]
    return HOUNSFIELD[max(matches, key=len)]


def tables(ids: Mapping[str, int]) -> tuple[Floats, Floats]:
    """Mean and texture for each value of a map of materials, two arrays of 256."""
    mean: NDArray[np.float32] = np.full(256, AIR_HU, np.float32)
    texture: NDArray[np.float32] = np.zeros(256, np.float32)
    for name, value in ids.items():
        if value:
            mean[value], texture[value] = structure_hu(name)
    for value, (hu, spread) in _MATERIAL_HU.items():
        mean[value], texture[value] = hu, spread
    return mean, texture
