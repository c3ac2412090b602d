"""Squares inside images, clipped at the edges, and what is laid over them."""

from __future__ import annotations

import tensorflow as tf


def square(x: tf.Tensor, y: tf.Tensor, width: tf.Tensor, side: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Which rows and which columns of an image belong to its square.

    Args:
        x: Where the centre is, as a fraction of the side, shape (b,), in [0, 1).
        y: The same, downwards.
        width: Whole pixels, shape (b,) or (), float32.
        side: Of the image, in pixels.

    Returns:
        Rows and columns, each of shape (b, side), float32: 1 inside, 0 outside.
    """

    def inside(centre: tf.Tensor) -> tf.Tensor:
        first = tf.round(centre * side - width / 2.0)[:, None]
        pixel = tf.range(side, dtype=tf.float32)[None, :]
        last = first + tf.reshape(width, [-1, 1])
        return tf.cast((pixel >= first) & (pixel < last), tf.float32)

    return inside(y), inside(x)


def lay_over(images: tf.Tensor, over: tf.Tensor, rows: tf.Tensor, columns: tf.Tensor) -> tf.Tensor:
    """``over`` on ``images``, with the product of ``rows`` and ``columns`` as its opacity.

    Args:
        images: Shape (b, s, s, 3).
        over: The same shape, or (b, 1, s, 3) for what is the same in every row.
        rows: Shape (b, s), in [0, 1].
        columns: Shape (b, s), in [0, 1].
    """
    # Pixel and channel as one axis: TensorFlow is slow where a last axis of 3 is broadcast.
    side = images.shape[1]
    flat = tf.reshape(images, [-1, side, side * 3])
    opacity = rows[:, :, None] * tf.repeat(columns, 3, axis=1)[:, None, :]
    change = tf.reshape(over, [-1, over.shape[1], side * 3]) - flat
    return tf.reshape(flat + opacity * change, [-1, side, side, 3])
