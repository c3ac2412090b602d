"""Batches for several devices, each of which takes the same number of images of every batch."""

from __future__ import annotations

import tensorflow as tf


def shared_batches(dataset: tf.data.Dataset, strategy: tf.distribute.Strategy) -> tf.data.Dataset:
    """``dataset`` for ``strategy``; the same object for one device.

    Keras cuts a batch into one part for each device and takes the mean of the parts' mean losses.
    That is the batch's mean only if the parts are of one size. So a batch that cannot be divided
    is filled up with its own first images at weight 0, and the weights of the others are raised
    until the mean is theirs.

    Args:
        dataset: Of (inputs, labels) or (inputs, labels, weights), each of b rows.
        strategy: Of the model that is trained.
    """
    count = strategy.num_replicas_in_sync
    if count < 2:
        return dataset

    def fill(
        inputs: tf.Tensor, labels: tf.Tensor, weights: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        size = tf.shape(labels)[0]
        filled = -(-size // count) * count
        rows = tf.range(filled)
        scale = tf.cast(filled, tf.float32) / tf.cast(size, tf.float32)
        raised = scale * (tf.ones(size) if weights is None else tf.reshape(weights, [-1]))
        return (
            tf.gather(inputs, rows % size),
            tf.gather(labels, rows % size),
            tf.where(rows < size, tf.gather(raised, rows % size), 0.0),
        )

    return dataset.map(fill, num_parallel_calls=1, deterministic=True).prefetch(1)
