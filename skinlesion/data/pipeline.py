"""Batches for training and prediction, read from the packed pixels as they are needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from skinlesion.data.augment import COLUMNS, Ranges, augment, uniforms
from skinlesion.data.sampling import Images


def epoch_order(count: int, *, seed: int, epoch: int) -> np.ndarray:
    """The order in which ``count`` examples are seen in ``epoch``: a permutation."""
    return np.random.default_rng((seed, epoch, 1)).permutation(count)


def resize(images: tf.Tensor, image_size: int) -> tf.Tensor:
    """To (b, image_size, image_size, 3) float32 in [0, 255], antialiased; a cast if it fits."""
    if images.shape[1] == image_size:
        return tf.cast(images, tf.float32)
    return tf.image.resize(images, (image_size, image_size), antialias=True)


@dataclass(frozen=True)
class ImageBatches:
    """Augmented batches of images, epoch after epoch.

    Attributes:
        images: What to read.
        image_size: Pixels a side of what comes out.
        batch_size: The last batch of an epoch may be smaller.
        seed: Of the order and of the augmentation.
        ranges: Of the augmentation.
    """

    images: Images
    image_size: int
    batch_size: int
    seed: int
    ranges: Ranges

    @property
    def steps(self) -> int:
        """Batches an epoch."""
        return -(-len(self.images.rows) // self.batch_size)

    @property
    def labels(self) -> np.ndarray:
        """All labels, shape (k,)."""
        return self.images.labels

    def epochs(self, start: int, stop: int) -> tf.data.Dataset:
        """(images, labels) of epochs ``start`` to ``stop - 1``, one after the other."""
        side = self.images.pixels.image_size
        dataset = tf.data.Dataset.from_generator(
            lambda: self._read(start, stop),
            output_signature=(
                tf.TensorSpec((None, side, side, 3), tf.uint8),
                tf.TensorSpec((None, COLUMNS), tf.float32),
                tf.TensorSpec((None, 1), tf.float32),
            ),
        )

        def prepare(
            pixels: tf.Tensor, uniform: tf.Tensor, labels: tf.Tensor
        ) -> tuple[tf.Tensor, tf.Tensor]:
            return augment(resize(pixels, self.image_size), uniform, self.ranges), labels

        return dataset.map(prepare, num_parallel_calls=2, deterministic=True).prefetch(2)

    def _read(self, start: int, stop: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        pixels, rows, labels = self.images.pixels, self.images.rows, self.images.labels
        for epoch in range(start, stop):
            order = epoch_order(len(rows), seed=self.seed, epoch=epoch)
            uniform = uniforms(len(pixels), seed=self.seed, epoch=epoch)
            for first in range(0, len(order), self.batch_size):
                chosen = order[first : first + self.batch_size]
                batch = rows[chosen]
                yield pixels.read(batch), uniform[batch], labels[chosen, None].astype(np.float32)


@dataclass(frozen=True)
class FeatureBatches:
    """Batches of cached features; epoch e sees view e modulo the number of views.

    Attributes:
        features: Of each view, shape (k, d), float32, may be memory-mapped.
        labels: Shape (k,), 0 or 1.
        batch_size: The last batch of an epoch may be smaller.
        seed: Of the order.
    """

    features: Sequence[np.ndarray]
    labels: np.ndarray
    batch_size: int
    seed: int

    @property
    def steps(self) -> int:
        """Batches an epoch."""
        return -(-len(self.labels) // self.batch_size)

    def epochs(self, start: int, stop: int) -> tf.data.Dataset:
        """(features, labels) of epochs ``start`` to ``stop - 1``, one after the other."""
        width = self.features[0].shape[1]
        return tf.data.Dataset.from_generator(
            lambda: self._read(start, stop),
            output_signature=(
                tf.TensorSpec((None, width), tf.float32),
                tf.TensorSpec((None, 1), tf.float32),
            ),
        ).prefetch(2)

    def _read(self, start: int, stop: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for epoch in range(start, stop):
            view = self.features[epoch % len(self.features)]
            order = epoch_order(len(self.labels), seed=self.seed, epoch=epoch)
            for first in range(0, len(order), self.batch_size):
                chosen = order[first : first + self.batch_size]
                yield view[chosen], self.labels[chosen, None].astype(np.float32)


def view_batches(
    images: Images,
    *,
    image_size: int,
    batch_size: int,
    view: int = 0,
    seed: int = 0,
    ranges: Ranges | None = None,
) -> tf.data.Dataset:
    """Batches of images alone, in row order: for prediction and for caching features.

    Args:
        images: What to read.
        image_size: Pixels a side of what comes out.
        batch_size: The last batch may be smaller.
        view: 0 is the clean image; view v > 0 is augmented as in epoch v.
        seed: Of the augmentation.
        ranges: Of the augmentation; None: views are clean.
    """
    side = images.pixels.image_size

    def read() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        # Made here, not outside: TensorFlow keeps this function, and all it refers to, for good.
        uniform = uniforms(len(images.pixels), seed=seed, epoch=view)
        for first in range(0, len(images.rows), batch_size):
            batch = images.rows[first : first + batch_size]
            yield images.pixels.read(batch), uniform[batch]

    def prepare(pixels: tf.Tensor, numbers: tf.Tensor) -> tf.Tensor:
        resized = resize(pixels, image_size)
        return augment(resized, numbers, ranges) if view and ranges else resized

    dataset = tf.data.Dataset.from_generator(
        read,
        output_signature=(
            tf.TensorSpec((None, side, side, 3), tf.uint8),
            tf.TensorSpec((None, COLUMNS), tf.float32),
        ),
    )
    return dataset.map(prepare, num_parallel_calls=2, deterministic=True).prefetch(2)
