"""How good a photograph is, and what is in it beside the lesion; from the store's pixels alone."""

from skinlesion.data.quality.artefacts import DETECTORS, Detector, artefact_scores, artefacts_in
from skinlesion.data.quality.exposure import (
    brightness,
    contrast,
    is_blank,
    overexposed,
    sharpness,
    underexposed,
)
from skinlesion.data.quality.measures import MEASURES, measure

__all__ = [
    "DETECTORS",
    "MEASURES",
    "Detector",
    "artefact_scores",
    "artefacts_in",
    "brightness",
    "contrast",
    "is_blank",
    "measure",
    "overexposed",
    "sharpness",
    "underexposed",
]
