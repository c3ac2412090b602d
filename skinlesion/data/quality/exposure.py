"""Sharpness, brightness, contrast and clipping, and whether an image shows anything at all."""

from __future__ import annotations

import numpy as np

from skinlesion.data.quality.planes import LUMINANCE

BLANK_CONTRAST = 4.0  # grey levels
_WHITE, _BLACK = 250, 5  # grey levels
_BLOCKS = 16  # a side


def sharpness(pixels: np.ndarray) -> float:
    """Typical spatial frequency of the edges, in radians per pixel.

    The root of the mean squared Laplacian over the mean squared gradient of the luminance: the
    frequency itself for a slow wave, 4.5 for white noise. Contrast, brightness and dark corners
    leave it as it is; noise counts as detail. Comparable between images of one size only.

    Args:
        pixels: RGB, uint8, shape (s, s, 3).

    Returns:
        At least 0; nan where there is no edge at all.
    """
    grey = _luminance(pixels)
    down, right = grey[2:, 1:-1] - grey[:-2, 1:-1], grey[1:-1, 2:] - grey[1:-1, :-2]
    gradient = (np.mean(down * down) + np.mean(right * right)) / 4
    around = grey[2:, 1:-1] + grey[:-2, 1:-1] + grey[1:-1, 2:] + grey[1:-1, :-2]
    laplacian = around - 4 * grey[1:-1, 1:-1]
    if gradient == 0:
        return float("nan")
    return float(np.sqrt(np.mean(laplacian * laplacian) / gradient))


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
    return float((np.rint(_luminance(pixels)) >= _WHITE).mean())


def underexposed(pixels: np.ndarray) -> float:
    """Share of the pixels at 5 grey levels or less, 0 to 1; a dark rim counts."""
    return float((np.rint(_luminance(pixels)) <= _BLACK).mean())


def is_blank(pixels: np.ndarray, *, threshold: float = BLANK_CONTRAST) -> bool:
    """Whether there is no structure: ``contrast`` below ``threshold`` grey levels."""
    return contrast(pixels) < threshold


def _luminance(pixels: np.ndarray) -> np.ndarray:
    return pixels.astype(np.float32) @ LUMINANCE
