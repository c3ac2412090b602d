"""export --format web: a model as a folder of plain files that classifies inside the browser."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from skinlesion import runtime
from skinlesion.bundle import Compared, Description, default_bundle
from skinlesion.data.finding import refuse_missing
from skinlesion.errors import DataError
from skinlesion.extras import require
from skinlesion.folders import refuse_existing
from skinlesion.inference.runtimes import ONNX
from skinlesion.progress import Reporter
from skinlesion.runs import RunDir

if TYPE_CHECKING:
    from skinlesion.export.exporting import Subject

Dtype = Literal["float32", "float16"]

PARTS = ("index.html", "model.json", "onnxruntime")  # by which a page of ours is told


@dataclass(frozen=True)
class Outcome:
    """What was made.

    Attributes:
        folder: The page.
        bytes: Of all its files.
        dtype: In which kernels are stored.
        networks: Bytes of each member, and how far it was from Keras.
    """

    folder: Path
    bytes: int
    dtype: Dtype
    networks: list[tuple[int, Compared]]

    def to_text(self) -> str:
        """What the command prints."""
        lines = [f"{self.folder}: a page that classifies in the browser, {self.bytes / 1e6:.1f} MB"]
        lines += [
            f"  {size / 1e6:.1f} MB, kernels in {self.dtype}: largest difference from Keras"
            f" {found.max_difference:.2g} in probability, on {found.source}"
            for size, found in self.networks
        ]
        serve = f"python -m http.server --bind 127.0.0.1 --directory {self.folder}"
        return "\n".join([*lines, f"  {serve}, then open http://127.0.0.1:8000"])


def run(
    source: Path | None,
    out: Path,
    *,
    images: Path | None = None,
    dtype: Dtype | None = None,
    onnxruntime_web: Path | None = None,
    overwrite: bool = False,
    reporter: Reporter,
) -> Outcome:
    """Write the page of the model in ``source``.

    Args:
        source: A finished run, or a bundle of weights; None: the package's own.
        out: The folder to make.
        images: Folder of images to compare on; None: the run's val, else synthetic ones.
        dtype: In which kernels are stored; None: as in the bundle, float32 of a run.
        onnxruntime_web: As for ``export.browser.runtime_files``.
        overwrite: Replace the folder.
        reporter: Told of what is downloaded.

    Raises:
        ConfigError: If the page cannot do what the model needs.
        DataError: If there is no model, ``out`` exists, or ``images`` does not.
        IntegrityError: If the bundle or ONNX Runtime Web was changed.
        MissingExtraError: If a package or ONNX Runtime Web is missing.
        QualityGateError: If ONNX computes something else than Keras; nothing is written then.
    """
    refuse_existing(out, overwrite=overwrite)
    if out.exists() and any(out.iterdir()) and not all((out / name).exists() for name in PARTS):
        raise DataError(
            f"{out} is not such a page, so --overwrite does not delete it",
            fix="choose another --out",
        )
    refuse_missing(images)
    require("export", {"onnx": "onnx", **ONNX}, purpose="--format web")
    runtime.prepare(seed=0)
    from skinlesion.export import browser
    from skinlesion.export.exporting import subject_of

    source = source or default_bundle()
    subject = subject_of(source)
    browser.refuse_unsupported(subject.description)
    files = browser.runtime_files(onnxruntime_web, say=reporter.say)
    stored = dtype or _stored(subject.description)
    made = _networks(subject, images, stored)
    size = browser.write_site(
        out,
        subject.description,
        [content for content, _ in made],
        files,
        identity=_identity(source, subject),
        dtype=stored,
        overwrite=overwrite,
    )
    return Outcome(out, size, stored, [(len(content), found) for content, found in made])


def _stored(description: Description) -> Dtype:
    """In which all kernels are stored without loss."""
    files = [member.weights for member in description.members]
    return "float16" if all(file and file.dtype == "float16" for file in files) else "float32"


def _networks(subject: Subject, images: Path | None, dtype: Dtype) -> list[tuple[bytes, Compared]]:
    """Each member as ONNX, and how far from Keras what is written is."""
    from skinlesion.export.checking import compare
    from skinlesion.export.halving import halved
    from skinlesion.export.onnx import onnx_bytes
    from skinlesion.export.pictures import comparison
    from skinlesion.inference.runtimes import network_of, open_onnx
    from skinlesion.training.inference import KerasNetwork

    made = []
    for member, model, run in zip(
        subject.description.members, subject.models(), subject.runs, strict=True
    ):
        content, side = onnx_bytes(model), member.build.image_size
        if dtype == "float16":
            content = halved(content)
        network = network_of(open_onnx(content, "the network"), side, "the network")
        pictures = comparison(run, member.preprocessing, images)
        # What rounding to float16 changes is not a fault of the export.
        gate = {} if dtype == _stored(subject.description) else {"at_most": 1.0}
        found, _ = compare(network, KerasNetwork(model), pictures, where="the network", **gate)
        made.append((content, found))
    return made


def _identity(source: Path, subject: Subject) -> str:
    """What names the model in the answers of predict, too."""
    from skinlesion.inference import Predictor
    from skinlesion.training.bundling import describe

    bundle = subject.bundle
    checksum = bundle.checksum if bundle else describe(RunDir(source)).checksum
    return Predictor(subject.description, [], checksum=checksum).identity
