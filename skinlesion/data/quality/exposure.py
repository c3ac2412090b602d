"""Sharpness, brightness, contrast and clipping, and whether an image shows anything at all."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from skinlesion.data.quality.planes import LUMINANCE

BLANK_CONTRAST = 4.0  # grey levels
_WHITE, _BLACK = 250, 5  # grey levels
_BLOCKS = 16  # a side


def sharpness(pixels: np.ndarray) -> float:
    """Share of the luminance's variation that is finest detail.

    The variance of the Laplacian over the variance of the luminance, divided by the 20 that white
    noise would give: 0 for a plane or a slope, 1 for white noise, and the same for an image of
    half the contrast. Comparable between images of one size only.

    Args:
        pixels: RGB, uint8, shape (s, s, 3).

    Returns:
        At least 0; nan for an image of one luminance.
    """
    grey = _luminance(pixels)
    variance = float(grey.var())
    if variance < 1e-6:
        return float("nan")
    return float(ndimage.laplace(grey)[1:-1, 1:-1].var()) / variance / 20


def brightness(pixels: np.ndarray) -> float:
    """Mean luminance, in grey levels, 0 to 255."""
    return float(_luminance(pixels).mean())


def contrast(pixels: np.ndarray) -> float:
    """Spread of the luminance over the image, in grey levels: noise and fine detail averaged out.

    The 95th less the 5th percentile of the means of 16 x 16 blocks, 0 to 255.
    """
    grey = _luminance(pixels)
    edges = np.linspace(0, len(grey), min(_BLOCKS, len(grey)) + 1).astype(int)[:-1]
    sums = np.add.reduceat(np.add.reduceat(grey, edges, axis=0), edges, axis=1)
    heights = np.diff(np.append(edges, len(grey)))
    low, high = np.percentile(sums / np.outer(heights, heights), (5, 95))
    return float(high - low)


def overexposed(pixels: np.ndarray) -> float:
    """Share of the pixels at 250 grey levels or more, 0 to 1."""
    return float((_luminance(pixels) >= _WHITE).mean())


def underexposed(pixels: np.ndarray) -> float:
    """Share of the pixels at 5 grey levels or less, 0 to 1; a dark rim counts."""
    return float((_luminance(pixels) <= _BLACK).mean())


def is_blank(pixels: np.ndarray, *, threshold: float = BLANK_CONTRAST) -> bool:
    """Whether there is no structure: ``contrast`` below ``threshold`` grey levels."""
    return contrast(pixels) < threshold


def _luminance(pixels: np.ndarray) -> np.ndarray:
    return pixels.astype(np.float32) @ LUMINANCE
