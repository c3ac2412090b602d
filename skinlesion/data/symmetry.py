"""The eight flips and quarter turns of a square of pixels, numbered.

A symmetry is a number from 0 to 7: 4 transposes, then 2 flips upside down, then 1 flips left to
right.
"""

from __future__ import annotations

import numpy as np

SYMMETRIES = 8
TRANSPOSE, UPSIDE_DOWN, LEFT_TO_RIGHT = 4, 2, 1


def apply_symmetry(pixels: np.ndarray, symmetry: int) -> np.ndarray:
    """Flip and turn an image.

    Args:
        pixels: Shape (s, s, ...).
        symmetry: 0 to 7; 0 changes nothing.

    Returns:
        A view of the same shape.
    """
    if symmetry & TRANSPOSE:
        pixels = pixels.swapaxes(0, 1)
    if symmetry & UPSIDE_DOWN:
        pixels = pixels[::-1]
    if symmetry & LEFT_TO_RIGHT:
        pixels = pixels[:, ::-1]
    return pixels
