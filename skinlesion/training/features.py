"""Features of images on disk, a file for each view, shared by all heads on the same backbone."""

from __future__ import annotations

import contextlib
import hashlib
import json
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from skinlesion.config import ModelConfig, Precision
from skinlesion.data.augment import Ranges
from skinlesion.data.pipeline import view_batches
from skinlesion.data.sampling import Images
from skinlesion.errors import DataError
from skinlesion.folders import atomic_path
from skinlesion.progress import Reporter
from skinlesion.training.predict import fixed_forward

# Part of every key: count it up when features change for a reason that is not in the key.
VERSION = 1
_DIGEST_BYTES = hashlib.sha256().digest_size
_CHUNK = 1 << 22
_DAY = 86_400


@dataclass(frozen=True)
class View:
    """Some images as a backbone sees them.

    Attributes:
        split: What the images are, for the file's name.
        images: What to read.
        number: 0 is the clean view, v > 0 is augmented as in epoch v.
        precision: What the backbone computes in.
    """

    split: str
    images: Images
    number: int
    precision: Precision


@dataclass(frozen=True)
class FeatureCache:
    """Where features are kept, and what they are computed from.

    Attributes:
        folder: Shared by runs.
        own: The run's, for a shared one that cannot be written.
        dataset: Fingerprint of the data set.
        config: Build of the model.
        seed: Of the augmentation.
        ranges: Of the augmentation.
        extractor: From a precision to the model that makes features of images.
        batch_size: Images at a time.
    """

    folder: Path
    own: Path
    dataset: str
    config: ModelConfig
    seed: int
    ranges: Ranges
    extractor: Callable[[Precision], keras.Model]
    batch_size: int

    def collect(self, views: Sequence[View], *, reporter: Reporter) -> list[np.ndarray]:
        """The features of each view, computed where they are not there.

        Two runs may compute one view at the same time: each writes it whole.

        Returns:
            Arrays of shape (k, d), float32, memory-mapped.
        """
        paths = self.paths(views)
        found = [read_features(path) for path in paths]
        missing = [index for index, features in enumerate(found) if features is None]
        _say(paths, missing, reporter)
        if missing:
            folder = self._writable()
            total = sum(len(views[index].images.rows) for index in missing)
            with reporter.counting("features", total) as counter:
                for index in missing:
                    path = folder / paths[index].name
                    self._compute(views[index], path, counter.advance)
                    found[index] = read_features(path)
            size = sum((folder / paths[index].name).stat().st_size for index in missing)
            reporter.say(f"features: {size / 1e6:.1f} MB written to {folder}")
        return [_readable(features, path) for features, path in zip(found, paths, strict=True)]

    def paths(self, views: Sequence[View]) -> list[Path]:
        """The file of each view; its name holds a hash of all that the features depend on."""
        weights = _weights_hash(self.extractor("float32"))
        names = [
            f"{self.config.backbone}-{view.split}-view{view.number}-{self._key(view, weights)}.npy"
            for view in views
        ]
        own = [self.own / name for name in names]
        shared = [self.folder / name for name in names]
        return [one if one.exists() else other for one, other in zip(own, shared, strict=True)]

    def _key(self, view: View, weights: str) -> str:
        depends_on = {
            "version": VERSION,
            "keras": metadata.version("keras"),
            "tensorflow": metadata.version("tensorflow"),
            "gpu": bool(tf.config.list_logical_devices("GPU")),
            "dataset": self.dataset,
            "rows": hashlib.sha256(view.images.rows.astype("<i8").tobytes()).hexdigest(),
            "model": self.config.model_dump(mode="json", exclude={"weights", "dropout"}),
            "weights": weights,
            "precision": view.precision,
            "view": [view.number, self.seed, asdict(self.ranges)] if view.number else 0,
        }
        return hashlib.sha256(json.dumps(depends_on, sort_keys=True).encode()).hexdigest()[:20]

    def _writable(self) -> Path:
        """The shared folder, or the run's if nothing can be written there."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=self.folder).close()
        except OSError:
            self.own.mkdir(parents=True, exist_ok=True)
            return self.own
        _remove_left_behind(self.folder)
        return self.folder

    def _compute(self, view: View, path: Path, advance: Callable[[int], None]) -> None:
        extractor = self.extractor(view.precision)
        call = fixed_forward(extractor)
        batches = view_batches(
            view.images,
            image_size=self.config.image_size,
            batch_size=self.batch_size,
            view=view.number,
            seed=self.seed,
            ranges=self.ranges,
        )

        def parts() -> Iterable[np.ndarray]:
            for batch in batches:
                yield call(batch).numpy()
                advance(len(batch))

        write_features(path, parts(), shape=(len(view.images.rows), extractor.output_shape[-1]))


def write_features(path: Path, parts: Iterable[np.ndarray], *, shape: tuple[int, int]) -> None:
    """Write a ``.npy`` file of float32 followed by its SHA-256, whole or not at all.

    Written, not memory-mapped: on a full disk a write raises OSError, a mapped page kills the
    process.

    Args:
        path: The file.
        parts: Arrays of shape (b, d), whose b add up to k.
        shape: (k, d).
    """
    digest = hashlib.sha256()
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for part in parts:
            content = part.astype("<f4").tobytes()
            digest.update(content)
            file.write(content)
        file.write(digest.digest())


def read_features(path: Path) -> np.ndarray | None:
    """What ``write_features`` wrote, memory-mapped; None if it is not there or is damaged."""
    try:
        features = np.load(path, mmap_mode="r", allow_pickle=False)
        with path.open("rb") as file:
            file.seek(path.stat().st_size - features.nbytes - _DIGEST_BYTES)
            digest, left = hashlib.sha256(), features.nbytes
            while left:
                content = file.read(min(_CHUNK, left))
                digest.update(content)
                left -= len(content)
            is_whole = file.read() == digest.digest()
    except (OSError, ValueError, EOFError):
        return None
    return features if is_whole else None


def _say(paths: Sequence[Path], missing: Sequence[int], reporter: Reporter) -> None:
    """How much of the work was done before, and which files have gone bad."""
    there = [path for index, path in enumerate(paths) if index not in missing]
    if there:
        size = sum(path.stat().st_size for path in there)
        reporter.say(
            f"features: {len(there)} of {len(paths)} views taken from {there[0].parent}"
            f" ({size / 1e6:.1f} MB)"
        )
    for index in missing:
        if paths[index].exists():
            reporter.say(f"features: {paths[index]} is damaged and is computed again")


def _readable(features: np.ndarray | None, path: Path) -> np.ndarray:
    if features is None:
        raise DataError(
            f"the features {path.name} cannot be read back",
            fix="check the disk, or set feature_cache to a folder on another one",
        )
    return features


def _weights_hash(model: keras.Model) -> str:
    digest = hashlib.sha256()
    for weight in model.weights:
        digest.update(weight.numpy().tobytes())
    return digest.hexdigest()


def _remove_left_behind(folder: Path) -> None:
    """Delete what runs that were killed left half-written: untouched for a day."""
    for partial in folder.glob(".partial-*"):
        with contextlib.suppress(OSError):
            if partial.stat().st_mtime < time.time() - _DAY:
                partial.unlink()
