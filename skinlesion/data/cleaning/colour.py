"""Colour constancy: what the same skin would look like in neutral light."""

from __future__ import annotations

import numpy as np

LEVELS = np.arange(256) / 255


def shades_of_gray(pixels: np.ndarray, *, p: float) -> np.ndarray:
    """Scale each channel so that the light, as the image lets it be guessed, becomes neutral.

    Shades of gray (Finlayson and Trezzi 2004): the light's colour is the Minkowski mean
    ``mean(channel ** p) ** (1 / p)``; p = 1 is the grey-world assumption, a large p comes near
    to white-patch. Barata, Celebi and Marques (IEEE J. Biomed. Health Inform. 2015) found that
    p = 6 helps the classification of dermoscopic images from several sources. As there, the
    channels are divided by sqrt(3) times the light's unit vector, which leaves grey light as it
    is; unlike there, no gamma is undone first. Black pixels have no weight, so neither a dark
    rim nor padding changes the result.

    Args:
        pixels: RGB, shape (height, width, 3), uint8; not changed.
        p: From 1.

    Returns:
        The same shape, uint8, clipped at 255. An image with an empty channel is returned as it
        is: nothing is known of its light.
    """
    light = np.array([_minkowski_mean(pixels[..., channel], p) for channel in range(3)])
    if not light.all():
        return pixels
    gains = np.sqrt((light**2).mean()) / light
    tables = np.round(np.clip(np.outer(gains, LEVELS), 0, 1) * 255).astype(np.uint8)
    return np.stack([table[pixels[..., c]] for c, table in enumerate(tables)], axis=-1)


def _minkowski_mean(channel: np.ndarray, p: float) -> float:
    """From the histogram, relative to the brightest level: exact, and no power overflows."""
    counts = np.bincount(channel.ravel(), minlength=256)
    brightest = LEVELS[np.flatnonzero(counts)[-1]]
    if brightest == 0:
        return 0.0
    share = counts / counts.sum()
    return float(brightest * (share @ np.minimum(LEVELS / brightest, 1) ** p) ** (1 / p))
