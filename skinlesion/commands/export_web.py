"""export --format web: a model as a folder that classifies inside the browser, checked first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from skinlesion import runtime
from skinlesion.bundle import Description, read_bundle
from skinlesion.data.synthetic import draw_lesion
from skinlesion.errors import ConfigError, IntegrityError
from skinlesion.folders import refuse_existing
from skinlesion.inference.runtimes import open_onnx
from skinlesion.progress import Reporter
from skinlesion.runs import RunDir

if TYPE_CHECKING:
    import keras

CHECKED = 8  # images
TOLERANCE = 1e-4  # in probability, of what is stored as the model has it
Dtype = Literal["float32", "float16"]


@dataclass(frozen=True)
class Outcome:
    """What was made.

    Attributes:
        folder: The page.
        bytes: Of all its files.
        dtype: In which kernels are stored.
        difference: The largest in probability, of onnxruntime from Keras, over drawn images.
    """

    folder: Path
    bytes: int
    dtype: Dtype
    difference: float

    def to_text(self) -> str:
        """What the command prints."""
        return (
            f"{self.folder}: a page that classifies in the browser, {self.bytes / 1e6:.1f} MB,"
            f" kernels in {self.dtype}\n"
            f"  largest difference from Keras on {CHECKED} drawn images: {self.difference:.2g}\n"
            f"  look at it: python -m http.server --bind 127.0.0.1 --directory {self.folder},"
            " then http://127.0.0.1:8000"
        )


def run(
    source: Path,
    out: Path,
    *,
    dtype: Dtype | None = None,
    onnxruntime_web: Path | None = None,
    overwrite: bool = False,
    reporter: Reporter,
) -> Outcome:
    """Write the page of the model in ``source``.

    Args:
        source: A finished run, or a bundle of weights.
        out: The folder to make.
        dtype: In which kernels are stored; None: as in the bundle, float32 of a run.
        onnxruntime_web: As for ``export.browser.runtime_files``.
        overwrite: Replace the folder.
        reporter: Told what is being done.

    Raises:
        ConfigError: If the page cannot do what the model needs.
        DataError: If there is no model, or ``out`` exists.
        IntegrityError: If the bundle or ONNX Runtime Web was changed, or the page would differ.
        MissingExtraError: If onnx, onnxruntime or ONNX Runtime Web is missing.
    """
    refuse_existing(out, overwrite=overwrite)
    if not RunDir(source).is_run():
        _refuse_graphs(source, read_bundle(source).description)
    runtime.prepare(seed=0)
    from skinlesion.export import browser

    files = browser.runtime_files(onnxruntime_web)
    described, models, identity = _loaded(source)
    browser.refuse_unsupported(described)
    stored: Dtype = dtype or _stored(described)
    reporter.say(f"writing {len(models)} networks as ONNX, {stored}")
    networks = _networks(models, stored)
    differences = [_difference(*pair) for pair in zip(models, networks, strict=True)]
    difference = max(differences)
    if stored == _stored(described) and not difference <= TOLERANCE:
        raise IntegrityError(
            f"onnxruntime differs from Keras by {difference:.2g} in probability",
            expected=f"at most {TOLERANCE}",
            fix="report it with the output of skinlesion doctor",
        )
    size = browser.write_site(
        out, described, networks, files, identity=identity, dtype=stored, overwrite=overwrite
    )
    return Outcome(out, size, stored, difference)


def _refuse_graphs(source: Path, description: Description) -> None:
    if any(member.weights is None for member in description.members):
        raise ConfigError(
            f"{source} is an export already",
            expected="a run, or a bundle of weights",
            fix="pass the run that it was exported from",
        )


def _loaded(source: Path) -> tuple[Description, list[keras.Model], str]:
    """Description, networks, and what names the model in answers."""
    from skinlesion.training.bundling import bundle_models, describe
    from skinlesion.training.inference import Predictor
    from skinlesion.training.session import load_run_model

    if RunDir(source).is_run():
        found = describe(RunDir(source))
        description, checksum = found.description, found.checksum
        models = [load_run_model(run)[0] for run in found.runs]
    else:
        bundle = read_bundle(source)
        description, checksum = bundle.description, bundle.checksum
        models = bundle_models(bundle)
    return description, models, Predictor(description, [], checksum=checksum).identity


def _stored(description: Description) -> Dtype:
    """In which all kernels can be stored without loss."""
    halves = [member.weights and member.weights.dtype == "float16" for member in description.members]
    return "float16" if all(halves) else "float32"


def _networks(models: Sequence[keras.Model], dtype: Dtype) -> list[bytes]:
    from skinlesion.export.halving import halved
    from skinlesion.export.onnx import onnx_bytes

    contents = [onnx_bytes(model) for model in models]
    return [halved(content) for content in contents] if dtype == "float16" else contents


def _difference(model: Any, content: bytes) -> float:
    """The largest in probability, between Keras and onnxruntime, over drawn images."""
    from skinlesion.training.predict import forward, sigmoid

    side = model.input_shape[1]
    rng = np.random.default_rng(0)
    drawn = [draw_lesion(place % 2, size=side, rng=rng).image for place in range(CHECKED)]
    images = np.stack(drawn).astype(np.float32)
    expected = sigmoid(forward(model)(images).numpy())
    return float(np.abs(sigmoid(open_onnx(content, "the page")(images)) - expected).max())
