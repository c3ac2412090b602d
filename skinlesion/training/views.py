"""Logits of views of images, each computed once and kept in the run's folder; their averages."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator, Sequence
from math import ceil
from pathlib import Path

import numpy as np
import tensorflow as tf

from skinlesion.config import ViewAverage
from skinlesion.data.augment import resize
from skinlesion.data.sampling import Images
from skinlesion.data.store import sha256
from skinlesion.data.views import View
from skinlesion.folders import atomic_path
from skinlesion.inference.averages import AVERAGES
from skinlesion.progress import Reporter
from skinlesion.runs import RunDir
from skinlesion.training.examples import Examples
from skinlesion.training.predict import Forward, logits_of_batches
from skinlesion.training.session import load_run_model
from skinlesion.training.tasks import PREDICT_BATCH

# To be raised when a view of the same name shows other pixels: older logits are left alone then.
VERSION = 1


def scaled(images: tf.Tensor, image_size: int, scale: float) -> tf.Tensor:
    """``images`` at ``image_size``, the lesion ``scale`` times as large, in one resample.

    The centre stays. Output pixel o shows the input at (o + 1/2 - m/2) S / (m scale) + S/2 - 1/2,
    of sides m and S, by the triangle filter of ``tf.image.resize``, antialiased; beyond its edge
    the input is mirrored, as in training. At scale 1 this is ``resize`` to the bit.

    Args:
        images: Square, shape (b, S, S, 3), uint8.
        image_size: The side m.
        scale: At least 0.5.

    Returns:
        Shape (b, m, m, 3), float32 in [0, 255].
    """
    if scale == 1:
        return resize(images, image_size)
    side = images.shape[1]
    factor = image_size * scale / side
    reach = max(1.0, 1 / factor)  # of the filter, in pixels of the input
    margin = ceil((side / scale - side) / 2 + reach) if scale < 1 else 0
    edges = [[0, 0], [margin, margin], [margin, margin], [0, 0]]
    offset = image_size / 2 - (side / 2 + margin) * factor
    return tf.raw_ops.ScaleAndTranslate(
        images=tf.pad(images, edges, mode="SYMMETRIC"),
        size=[image_size, image_size],
        scale=[factor, factor],
        translation=[offset, offset],
        kernel_type="triangle",
        antialias=True,
    )


def batches_of(images: Images, view: View, *, image_size: int, batch_size: int) -> tf.data.Dataset:
    """Batches of ``images`` in row order as ``view`` shows them.

    Args:
        images: What to read.
        view: Its symmetry moves stored pixels, so that it is exact; then they are resized.
        image_size: Pixels a side of what comes out.
        batch_size: The last batch may be smaller.
    """
    side = images.pixels.image_size

    def read() -> Iterator[np.ndarray]:
        for first in range(0, len(images.rows), batch_size):
            yield view.turned(images.pixels.read(images.rows[first : first + batch_size]))

    dataset = tf.data.Dataset.from_generator(
        read, output_signature=tf.TensorSpec((None, side, side, 3), tf.uint8)
    )

    def prepare(pixels: tf.Tensor) -> tf.Tensor:
        return scaled(pixels, image_size, view.scale)

    return dataset.map(prepare, num_parallel_calls=2, deterministic=True).prefetch(2)


class ViewLogits:
    """Logits of a run's model for views of the held-out images of a data set.

    They lie in ``run.views``, a file for each view of each split, named by all that they depend
    on: weights, build, data set, split and view. A file is written whole or not at all, so a
    killed run leaves its finished views.

    Args:
        run: A finished run with a model.
        examples: What it predicts.
    """

    def __init__(self, run: RunDir, examples: Examples) -> None:
        self.run, self.examples = run, examples
        contents = sha256(run.weights), sha256(run.model), examples.dataset.fingerprint
        self._basis = " ".join((str(VERSION), *contents))

    def path(self, split: str, view: View) -> Path:
        """Where the logits of ``view`` of ``split`` are kept."""
        key = hashlib.sha256(f"{self._basis} {split} {view.name}".encode()).hexdigest()
        return self.run.views / f"{split}-{key[:32]}.npy"

    def read(self, split: str, view: View) -> np.ndarray | None:
        """Logits in row order, shape (k,), float32; None if they are not there or damaged."""
        try:
            logits = np.load(self.path(split, view), allow_pickle=False)
        except (OSError, EOFError, ValueError):
            return None
        count = len(self.examples.images(split).rows)
        return logits if (logits.dtype, logits.shape) == (np.float32, (count,)) else None

    def compute(self, views: Sequence[View], *, reporter: Reporter) -> int:
        """Compute what is not there of ``views`` of each split; returns how many were computed."""
        splits = self.examples.predicted_splits()
        wanted = [(split, view) for split in splits for view in views]
        missing = [one for one in wanted if self.read(*one) is None]
        if missing:
            self._compute(missing, reporter)
        return len(missing)

    def _compute(self, missing: list[tuple[str, View]], reporter: Reporter) -> None:
        model, config = load_run_model(self.run)
        prepared = functools.cache(Forward(model).for_images)
        self.run.views.mkdir(exist_ok=True)
        total = sum(len(self.examples.images(split).rows) for split, _ in missing)
        with reporter.counting("views", total) as bar:
            for split, view in missing:
                images = self.examples.images(split)
                call = prepared(len(images.rows))
                batches = batches_of(
                    images,
                    view,
                    image_size=config.image_size,
                    batch_size=PREDICT_BATCH,
                )
                logits = logits_of_batches(call, batches, bar.advance)
                with (
                    atomic_path(self.path(split, view)) as temporary,
                    temporary.open("wb") as file,
                ):
                    np.save(file, logits, allow_pickle=False)

    def average(self, split: str, views: Sequence[View], how: ViewAverage) -> np.ndarray:
        """Probabilities in row order, shape (k,), of ``views``, all of them computed."""
        inner, outer = AVERAGES[how]
        total = np.zeros(len(self.examples.images(split).rows))
        for view in views:
            logits = self.read(split, view)
            assert logits is not None, view.name
            total += inner(logits)
        return outer(total / len(views))
