"""Predicting from Python: ``load_model(path).predict(paths)``; TensorFlow only if it must be."""

from __future__ import annotations

from pathlib import Path

from skinlesion.bundle import default_bundle
from skinlesion.inference import Predictor
from skinlesion.loading import RuntimeName, open_model


def load_model(
    path: str | Path | None = None, *, views: int | None = None, runtime: RuntimeName = "auto"
) -> Predictor:
    """A model whose ``predict(paths)`` yields an ``Answer`` for each image file.

    Args:
        path: A finished run's folder, a bundle or an export; None: the bundle that comes with the
            package.
        views: 1, 2, 4 or 8 symmetries to show of each image; None: the model's own views.

        runtime: ``tensorflow``, ``onnx``, ``litert``; ``auto``: what ``path`` is for.

    Raises:
        DataError: If there is no model, or it is something else.
        IntegrityError: If a bundle was changed.
        MissingExtraError: If ``path`` is None and no model came with the package.
    """
    return open_model(Path(path) if path else default_bundle(), views=views, runtime_name=runtime)
