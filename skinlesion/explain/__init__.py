"""Why a model says what it says: maps of evidence over the pixels of an image.

Each method takes a model of ``models.build_model`` (the last two: any model of pixels with one
logit), whatever of it is frozen, and pixels, shape (n, s, s, 3), float32 in [0, 255]; it returns
maps, shape (n, s, s), float32, in units of the logit. ``sign`` 1 asks for evidence for the target
class, -1 for evidence against it.
"""

from collections.abc import Callable

import numpy as np

from skinlesion.explain.baselines import BASELINES, baseline_of
from skinlesion.explain.cam import grad_cam, grad_cam_call, grad_cam_plus_plus
from skinlesion.explain.gradients import completeness_gap, integrated_gradients
from skinlesion.explain.hiding import occlusion
from skinlesion.explain.together import weighted_sum

# By the names of config/explain.py, whose options they take.
METHODS: dict[str, Callable[..., np.ndarray]] = {
    "gradcam": grad_cam,
    "gradcam++": grad_cam_plus_plus,
    "occlusion": occlusion,
    "integrated_gradients": integrated_gradients,
}
# Whose maps are never negative; those of the others have evidence to the contrary below zero.
ONE_SIDED = ("gradcam", "gradcam++")

# Whose maps add up to a change of the logit, and are to do so at every size.
ADDING_UP = ("integrated_gradients",)

__all__ = [
    "ADDING_UP",
    "BASELINES",
    "METHODS",
    "ONE_SIDED",
    "baseline_of",
    "completeness_gap",
    "grad_cam",
    "grad_cam_call",
    "grad_cam_plus_plus",
    "integrated_gradients",
    "occlusion",
    "weighted_sum",
]
