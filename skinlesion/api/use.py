"""Predicting from Python: ``load_model(path).predict(paths)``; TensorFlow is imported then."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from skinlesion import runtime
from skinlesion.bundle import default_bundle

if TYPE_CHECKING:
    from skinlesion.training.inference import Predictor


def load_model(path: str | Path | None = None, *, views: int | None = None) -> Predictor:
    """A model whose ``predict(paths)`` yields an ``Answer`` for each image file.

    Args:
        path: A finished run's folder or a bundle; None: the bundle that comes with the package.
        views: 1, 2, 4 or 8 symmetries to show of each image; None: the model's own views.

    Raises:
        DataError: If there is no model, or it is something else.
        IntegrityError: If a bundle was changed.
        MissingExtraError: If ``path`` is None and no model came with the package.
    """
    runtime.prepare(seed=0)
    from skinlesion.training.inference import load_predictor

    return load_predictor(Path(path) if path else default_bundle(), views=views)
