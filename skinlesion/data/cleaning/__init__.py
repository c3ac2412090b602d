"""Optional cleaning of an image: crop the dark rim, then remove hair, then even out the light.

The rim goes first, so that its edge is not taken for hair and what is beyond it is never painted
into the skin. Colour goes last: it scales whole channels, and hair would weigh in their means.
"""

from __future__ import annotations

import numpy as np

from skinlesion.config import Cleaning
from skinlesion.data.cleaning.border import bright_box, crop_border
from skinlesion.data.cleaning.colour import shades_of_gray
from skinlesion.data.cleaning.hair import hair_mask, remove_hair

__all__ = [
    "bright_box",
    "clean",
    "crop_border",
    "hair_mask",
    "remove_hair",
    "retouch",
    "shades_of_gray",
]


def clean(pixels: np.ndarray, cleaning: Cleaning) -> np.ndarray:
    """The image with everything done that ``cleaning`` asks for, at its own resolution.

    An image for a model goes through ``images.decode`` or ``images.to_square`` instead, which do
    the same in the order that costs least.

    Args:
        pixels: RGB, shape (height, width, 3), uint8; not changed.
        cleaning: Of the data set that the model was trained on.

    Returns:
        RGB, uint8, with fewer pixels where a rim was cropped; ``pixels`` itself, or equal to it,
        where there was nothing to do.
    """
    return retouch(crop_border(pixels) if cleaning.border_crop else pixels, cleaning)


def retouch(pixels: np.ndarray, cleaning: Cleaning) -> np.ndarray:
    """What ``clean`` does without changing the shape: hair, then colour."""
    if cleaning.hair_removal:
        pixels = remove_hair(pixels)
    if cleaning.color_constancy == "shades_of_gray":
        pixels = shades_of_gray(pixels, p=cleaning.minkowski_p)
    return pixels
