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
# Radians per pixel at 128 pixels, whose means are free of the rounding that passes for detail at
# 256: a blur of 3 pixels of 256 is found twice as often. See benchmarks/quality_flags.py.
BLURRED_BELOW = 0.65


def quality_flags(pixels: np.ndarray, shorter_side: int) -> tuple[str, ...]:
    """Which of ``FLAGS`` an image has, in that order; a blank one is nothing else but small.

    Args:
        pixels: The whole image, not cleaned, squashed to (256, 256, 3), RGB, uint8.
        shorter_side: Of the file's image, in pixels.
    """
    small = (SMALL,) if shorter_side < TINY_SIDE else ()
    if is_blank(pixels):
        return (*small, BLANK)
    blurred = (BLURRED,) if sharpness(_halved(pixels)) < BLURRED_BELOW else ()
    unlike = (UNLIKE,) if is_unlike(pixels) else ()
    return (*small, *blurred, *unlike)


def _halved(pixels: np.ndarray) -> np.ndarray:
    """Means of 2 x 2 pixels, float32."""
    half = FLAG_SIZE // 2
    return pixels.reshape(half, 2, half, 2, 3).mean(axis=(1, 3), dtype=np.float32)
