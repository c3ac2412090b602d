"""Flags of an image that a model is asked about: why its answer may be worth little."""

from __future__ import annotations

import numpy as np

from skinlesion.data.quality.dermoscopy import SIDE, is_unlike
from skinlesion.data.quality.exposure import is_blank, sharpness
from skinlesion.data.quality.summary import TINY_SIDE

FLAG_SIZE = SIDE
SMALL, BLANK, BLURRED, UNLIKE = "small", "blank", "blurred", "unlike-dermoscopy"
FLAGS = {
    SMALL: f"a side below {TINY_SIDE} pixels",
    BLANK: "nothing can be seen",
    BLURRED: "no fine detail",
    UNLIKE: "colours and edges unlike those of dermoscopic images",
}
BLURRED_BELOW = 0.6  # radians per pixel at 256 pixels; see benchmarks/quality_flags.py


def quality_flags(pixels: np.ndarray, shorter_side: int) -> tuple[str, ...]:
    """Which of ``FLAGS`` an image has, in that order; a blank one is nothing else but small.

    Args:
        pixels: The whole image, not cleaned, squashed to (256, 256, 3), RGB, uint8.
        shorter_side: Of the file's image, in pixels.
    """
    small = (SMALL,) if shorter_side < TINY_SIDE else ()
    if is_blank(pixels):
        return (*small, BLANK)
    blurred = (BLURRED,) if sharpness(pixels) < BLURRED_BELOW else ()
    unlike = (UNLIKE,) if is_unlike(pixels) else ()
    return (*small, *blurred, *unlike)
