"""From a path to a model that answers, by the lightest runtime that can; TensorFlow if it must."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from skinlesion import runtime
from skinlesion.bundle import Bundle, GraphFormat, read_bundle
from skinlesion.errors import ConfigError
from skinlesion.inference.predictor import Predictor
from skinlesion.inference.runtimes import RUNTIMES, exported_predictor
from skinlesion.runs import RunDir

RuntimeName = Literal["auto", "tensorflow", "onnx", "litert"]


def open_model(
    path: Path, *, views: int | None = None, runtime_name: RuntimeName = "auto"
) -> Predictor:
    """The model in ``path``, ready to predict.

    Args:
        path: A finished run's folder, a bundle, or an export.
        views: As for ``Predictor``.
        runtime_name: What computes; ``auto``: what ``path`` was exported for, else TensorFlow.

    Raises:
        ConfigError: If that runtime cannot compute this model.
        DataError: If there is no model, or it is something else.
        IntegrityError: If it was changed.
        MissingExtraError: If the runtime is not installed.
    """
    bundle = None if RunDir(path).is_run() else read_bundle(path)
    found = bundle.description.format if bundle else None
    needed = found if found in RUNTIMES else "tensorflow"
    if runtime_name not in ("auto", needed):
        raise ConfigError(
            f"{path} cannot be computed by {runtime_name}",
            expected=f"--runtime {needed} or auto",
            fix=f"skinlesion export RUN --format {runtime_name}, and predict with what it writes"
            if runtime_name in RUNTIMES
            else "pass a run or a bundle of weights",
        )
    if bundle and found in RUNTIMES:
        return exported_predictor(bundle, views=views)
    return _by_tensorflow(path, bundle, found, views)


def _by_tensorflow(
    path: Path, bundle: Bundle | None, found: GraphFormat | None, views: int | None
) -> Predictor:
    runtime.prepare(seed=0)
    if bundle and found:
        from skinlesion.export.saved_model import saved_model_predictor

        return saved_model_predictor(bundle, views=views)
    from skinlesion.training import inference

    return inference.load_predictor(path, views=views)
