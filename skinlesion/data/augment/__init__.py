"""Random changes of whole batches of images, stateless.

Each image's change is a function of its row in ``uniforms(seed, epoch)`` alone: of the seed, the
epoch and its number in the data set, never of the batch it is in. So a resumed run sees the same
images as an uninterrupted one. Only ``mix`` looks at other images of the batch.
"""

from __future__ import annotations

import tensorflow as tf

from skinlesion.data.augment.colour import change_colour
from skinlesion.data.augment.draws import COLUMNS, uniforms, uniforms_of
from skinlesion.data.augment.geometry import LARGEST_STEP, flip, resize, warp
from skinlesion.data.augment.mixing import MIXING_COLUMNS, mix, mixing_draws
from skinlesion.data.augment.occlusion import add_hair, add_ruler, cut_out
from skinlesion.data.augment.ranges import Ranges

__all__ = [
    "COLUMNS",
    "MIXING_COLUMNS",
    "Ranges",
    "augment",
    "mix",
    "mixing_draws",
    "resize",
    "uniforms",
    "uniforms_of",
]


def augment(
    images: tf.Tensor, uniform: tf.Tensor, ranges: Ranges, image_size: int | None = None
) -> tf.Tensor:
    """Change each image of a batch as its row of random numbers says.

    A warp looks at the images as they are stored, and so resizes them in the same resample; if they
    are much larger than what comes out, they are resized first, antialiased.

    Hair and rulers come after the warp, which would mirror them at the edges, and before the
    colour, which is the light on them too. The square that is cut out lies over everything.

    Args:
        images: Square, shape (b, S, S, 3), in [0, 255].
        uniform: Rows of ``uniforms``, shape (b, COLUMNS), float32 in [0, 1).
        ranges: How far.
        image_size: Pixels a side of what comes out, s; None: S.

    Returns:
        Shape (b, s, s, 3), float32 in [0, 255].
    """
    size = image_size or images.shape[1]
    if not ranges.warps or images.shape[1] > LARGEST_STEP * size:
        images = resize(images, size)
    if ranges.warps:
        images = warp(images, uniform, ranges, size)
    elif ranges.flip:
        images = flip(images, uniform)
    if ranges.hair:
        images = add_hair(images, uniform, ranges)
    if ranges.ruler:
        images = add_ruler(images, uniform, ranges)
    if ranges.colours:
        images = change_colour(images, uniform, ranges)
    if ranges.cutout:
        images = cut_out(images, uniform, ranges)
    return images
