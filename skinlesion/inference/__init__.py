"""From image files to answers, whatever runtime computes the networks: no TensorFlow in here."""

from skinlesion.inference.predictor import (
    BATCH,
    Answer,
    Network,
    Predictor,
    default_threshold,
    threshold_of,
)

__all__ = ["BATCH", "Answer", "Network", "Predictor", "default_threshold", "threshold_of"]
