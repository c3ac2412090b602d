"""An exported graph against its Keras model, each in its own runtime."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from skinlesion.bundle import Compared
from skinlesion.data.sampling import Images
from skinlesion.ensemble.criteria import roc_auc
from skinlesion.errors import QualityGateError
from skinlesion.export.pictures import Pictures
from skinlesion.inference import Network
from skinlesion.odds import sigmoid

MAX_DIFFERENCE = 1e-4  # in probability
BATCH = 16


@dataclass(frozen=True)
class Speed:
    """Milliseconds an image, of the exported network and of the one it is compared with."""

    exported: float
    other: float


def probabilities(network: Network, pixels: np.ndarray) -> tuple[np.ndarray, float]:
    """Of each image as it is, shape (n,), and the milliseconds that an image took.

    The first batch is computed twice: what a runtime prepares for it is not counted.
    """
    network(pixels[:BATCH], 1.0)
    started = time.perf_counter()
    parts = [network(pixels[first : first + BATCH], 1.0) for first in range(0, len(pixels), BATCH)]
    milliseconds = (time.perf_counter() - started) / len(pixels) * 1000
    return sigmoid(np.concatenate(parts)), milliseconds


def compare(
    exported: Network,
    original: Network,
    pictures: Pictures,
    *,
    where: str,
    at_most: float = MAX_DIFFERENCE,
) -> tuple[Compared, Speed]:
    """How far apart the two are on ``pictures``.

    Raises:
        QualityGateError: If it is more than ``at_most``, in probability.
    """
    (found, ours), (expected, theirs) = (
        probabilities(network, pictures.pixels) for network in (exported, original)
    )
    difference = float(np.abs(found - expected).max())
    if not difference <= at_most:
        raise QualityGateError(
            f"{where} differs from the Keras model by {difference:.2g} in probability on"
            f" {pictures.source}",
            expected=f"at most {at_most:g}",
            fix="nothing was written; try another --format, and please report this",
        )
    compared = Compared(images=len(found), source=pictures.source, max_difference=difference)
    return compared, Speed(ours, theirs)


def compare_auc(
    exported: Network, original: Network, images: Images, *, max_drop: float, where: str
) -> tuple[Compared, Speed]:
    """How much worse ``exported`` ranks the images of val.

    Raises:
        QualityGateError: If its AUC is lower by more than ``max_drop``.
    """
    pixels = images.pixels.read(images.rows)
    (found, ours), (expected, theirs) = (
        probabilities(network, pixels) for network in (exported, original)
    )
    auc, keras_auc = roc_auc(images.labels, np.stack([found, expected]))
    if not keras_auc - auc <= max_drop:
        raise QualityGateError(
            f"{where} has an AUC of {auc:.4f} on val, the Keras model one of {keras_auc:.4f}",
            expected=f"at most {max_drop:g} less",
            fix="nothing was written; export without --int8, or allow more by --max-auc-drop",
        )
    compared = Compared(
        images=len(found),
        source=f"{len(found)} images of val",
        max_difference=float(np.abs(found - expected).max()),
        auc=float(auc),
        keras_auc=float(keras_auc),
    )
    return compared, Speed(ours, theirs)
