"""Batches for training and prediction, read from the packed pixels as they are needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from skinlesion.data.augment import (
    COLUMNS,
    MIXING_COLUMNS,
    Ranges,
    augment,
    mix,
    mixing_draws,
    resize,
    uniforms,
    uniforms_of,
)
from skinlesion.data.order import Balance, Order
from skinlesion.data.sampling import Images


@dataclass(frozen=True)
class ImageBatches:
    """Augmented batches of images, epoch after epoch.

    Attributes:
        images: What to read.
        image_size: Pixels a side of what comes out.
        batch_size: The last batch of an epoch may be smaller.
        seed: Of the order and of the augmentation.
        ranges: Of the augmentation.
        balance: Of each batch; None: every image once an epoch.
    """

    images: Images
    image_size: int
    batch_size: int
    seed: int
    ranges: Ranges
    balance: Balance | None = None

    @property
    def order(self) -> Order:
        """Which images come when."""
        return Order(self.images.labels, self.batch_size, self.seed, self.balance)

    def epochs(self, start: int, stop: int) -> tf.data.Dataset:
        """(images, labels) of epochs ``start`` to ``stop - 1``, one after the other."""
        side = self.images.pixels.image_size
        dataset = tf.data.Dataset.from_generator(
            lambda: self._read(start, stop),
            output_signature=(
                tf.TensorSpec((None, side, side, 3), tf.uint8),
                tf.TensorSpec((None, COLUMNS), tf.float32),
                tf.TensorSpec((None, MIXING_COLUMNS), tf.float32),
                tf.TensorSpec((None, 1), tf.float32),
            ),
        )
        return dataset.map(self._prepare, num_parallel_calls=2, deterministic=True).prefetch(2)

    def seen(self, example: int, epoch: int) -> tuple[np.ndarray, float] | None:
        """What training sees of one example in one epoch, in the company of its batch.

        Args:
            example: Which of ``images.rows``.
            epoch: Counted from 0.

        Returns:
            The image, shape (image_size, image_size, 3), float32, and its label, in [0, 1]: as it
            comes first, if ``balance`` shows it again. None if it does not come in that epoch.
        """
        draws = self._draws(epoch)
        for chosen, repeats in self.order.batches(epoch):
            if example in chosen:
                batch = self._batch(epoch, chosen, repeats, *draws)
                images, labels = self._prepare(*map(tf.constant, batch))
                place = int(np.flatnonzero(chosen == example)[0])
                return images[place].numpy(), float(labels[place, 0])
        return None

    def _read(self, start: int, stop: int) -> Iterator[tuple[np.ndarray, ...]]:
        for epoch in range(start, stop):
            draws = self._draws(epoch)
            for chosen, repeats in self.order.batches(epoch):
                yield self._batch(epoch, chosen, repeats, *draws)

    def _draws(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        count = len(self.images.pixels)
        return (
            uniforms(count, seed=self.seed, epoch=epoch),
            mixing_draws(count, self.ranges, seed=self.seed, epoch=epoch),
        )

    def _batch(
        self,
        epoch: int,
        chosen: np.ndarray,
        repeats: np.ndarray,
        table: np.ndarray,
        mixing: np.ndarray,
    ) -> tuple[np.ndarray, ...]:
        rows = self.images.rows[chosen]
        uniform = uniforms_of(table, rows, repeats, seed=self.seed, epoch=epoch)
        labels = self.images.labels[chosen, None].astype(np.float32)
        return self.images.pixels.read(rows), uniform, mixing[rows], labels

    def _prepare(
        self, pixels: tf.Tensor, uniform: tf.Tensor, mixing: tf.Tensor, labels: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        images = augment(pixels, uniform, self.ranges, self.image_size)
        return mix(images, labels, mixing) if self.ranges.mixes else (images, labels)


@dataclass(frozen=True)
class FeatureBatches:
    """Batches of cached features; epoch e sees view e modulo the number of views.

    What comes again within an epoch is seen in the views after that.

    Attributes:
        features: Of each view, shape (k, d), float32, may be memory-mapped.
        labels: Shape (k,), 0 or 1.
        batch_size: The last batch of an epoch may be smaller.
        seed: Of the order.
        balance: Of each batch; None: every row once an epoch.
    """

    features: Sequence[np.ndarray]
    labels: np.ndarray
    batch_size: int
    seed: int
    balance: Balance | None = None

    @property
    def order(self) -> Order:
        """Which rows come when."""
        return Order(self.labels, self.batch_size, self.seed, self.balance)

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
            for chosen, repeats in self.order.batches(epoch):
                views = (epoch + repeats) % len(self.features)
                yield self._rows(views, chosen), self.labels[chosen, None].astype(np.float32)

    def _rows(self, views: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        found = np.empty((len(chosen), self.features[0].shape[1]), np.float32)
        for view in np.unique(views):
            found[views == view] = self.features[view][chosen[views == view]]
        return found


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
        if view and ranges:
            return augment(pixels, numbers, ranges, image_size)
        return resize(pixels, image_size)

    dataset = tf.data.Dataset.from_generator(
        read,
        output_signature=(
            tf.TensorSpec((None, side, side, 3), tf.uint8),
            tf.TensorSpec((None, COLUMNS), tf.float32),
        ),
    )
    return dataset.map(prepare, num_parallel_calls=2, deterministic=True).prefetch(2)
