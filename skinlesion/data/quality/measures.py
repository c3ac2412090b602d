"""All measures of an image in one call."""

from __future__ import annotations

import numpy as np

from skinlesion.data.quality.artefacts import artefact_scores
from skinlesion.data.quality.exposure import (
    brightness,
    contrast,
    overexposed,
    sharpness,
    underexposed,
)

MEASURES = {
    "sharpness": sharpness,
    "brightness": brightness,
    "contrast": contrast,
    "overexposed": overexposed,
    "underexposed": underexposed,
}


def measure(pixels: np.ndarray) -> dict[str, float]:
    """Every measure of ``MEASURES`` and the score of every artefact detector.

    Args:
        pixels: RGB, uint8, shape (s, s, 3).
    """
    return {name: of(pixels) for name, of in MEASURES.items()} | artefact_scores(pixels)
