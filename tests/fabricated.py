"""Predictions of fabricated runs, and what is known of them."""

import numpy as np

from skinlesion.tables import Predictions

# Youden on these val predictions gives 0.4: sensitivity 3/3, specificity 2/3.
VAL = {
    "v0": (0, 0.1),
    "v1": (0, 0.2),
    "v2": (0, 0.6),
    "v3": (1, 0.4),
    "v4": (1, 0.8),
    "v5": (1, 0.9),
}
# At 0.4: 2 of 3 malignant and 3 of 5 benign images are right.
TEST = {
    "x0": (0, 0.1),
    "x1": (0, 0.2),
    "x2": (0, 0.3),
    "x3": (0, 0.4),
    "x4": (0, 0.7),
    "x5": (1, 0.35),
    "x6": (1, 0.8),
    "x7": (1, 0.9),
}


def predictions(rows):
    """A table of ``{image_id: (y_true, y_prob)}``, each image its own group."""
    ids = np.array(list(rows))
    y_true, y_prob = zip(*rows.values(), strict=True)
    return Predictions(ids, ids, np.array(y_true), np.array(y_prob, dtype=np.float64))
