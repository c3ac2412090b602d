"""Images that say nothing: what integrated gradients start from and occlusion hides behind."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

RIM = 0.05  # of the side: where skin is looked for
BLUR = 0.1  # of the side: deviation of the blur


def baseline_of(pixels: np.ndarray, name: str) -> np.ndarray:
    """The baseline of each image, same shape, float32 in [0, 255].

    Args:
        pixels: Shape (n, s, s, 3), in [0, 255].
        name: One of ``BASELINES``.
    """
    return np.stack([BASELINES[name](image) for image in pixels.astype(np.float32)])


def _skin(image: np.ndarray) -> np.ndarray:
    """The median colour of the rim everywhere: no lesion."""
    width = max(1, round(RIM * len(image)))
    rim = np.ones(image.shape[:2], bool)
    rim[width:-width, width:-width] = False
    return np.broadcast_to(np.median(image[rim], axis=0).astype(np.float32), image.shape)


def _mean(image: np.ndarray) -> np.ndarray:
    return np.broadcast_to(image.mean(axis=(0, 1)), image.shape)


def _black(image: np.ndarray) -> np.ndarray:
    return np.zeros_like(image)


def _blur(image: np.ndarray) -> np.ndarray:
    spread = BLUR * len(image)
    return ndimage.gaussian_filter(image, (spread, spread, 0))


BASELINES = {"skin": _skin, "mean": _mean, "black": _black, "blur": _blur}
