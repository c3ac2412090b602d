"""mixup and cutmix: two images of a batch become one, and so do their labels."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from skinlesion.data.augment.boxes import lay_over, square
from skinlesion.data.augment.ranges import Ranges

# Columns of ``mixing_draws``.
OPACITY, WIDTH, X, Y = range(4)
MIXING_COLUMNS = 4
_MIXUP, _CUTMIX = 4, 5
_WHOLE = 3.0  # covers the image, wherever the centre is


def mixing_draws(count: int, ranges: Ranges, *, seed: int, epoch: int) -> np.ndarray:
    """How much of another image each image takes in one epoch, shape (count, MIXING_COLUMNS).

    The other image is laid over a square with centre (X, Y) and a side of WIDTH, all as
    fractions of the side, with OPACITY. mixup covers the whole image faintly, cutmix a part of it
    wholly. Where both are on, each image takes one of them, as likely as the other.

    Args:
        count: Images.
        ranges: Whose mixup and cutmix are the alpha of Beta(alpha, alpha); 0: off.
        seed: With ``epoch``, decides everything.
        epoch: Counted from 0.
    """

    def share(alpha: float, kind: int) -> np.ndarray:
        """Of the other image; the Beta is symmetric."""
        if not alpha:
            return np.zeros(count)
        return np.random.default_rng((seed, epoch, 3, kind)).beta(alpha, alpha, count)

    table = np.random.default_rng((seed, epoch, 3)).random((count, MIXING_COLUMNS))
    # The first two columns of random numbers make room for what they and the Betas decide.
    cuts = table[:, OPACITY] < 0.5 if ranges.mixup and ranges.cutmix else ranges.cutmix > 0
    table[:, OPACITY] = np.where(cuts, 1.0, share(ranges.mixup, _MIXUP))
    table[:, WIDTH] = np.where(cuts, np.sqrt(share(ranges.cutmix, _CUTMIX)), _WHOLE)
    return table.astype(np.float32)


def mix(images: tf.Tensor, labels: tf.Tensor, draws: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Lay over each image the one before it in its batch, over the first the last.

    An epoch's order is random, so the one before is as good as one drawn.

    mixup: Zhang et al., "mixup: Beyond Empirical Risk Minimization", 2018. cutmix: Yun et al.,
    "CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features", 2019.

    Args:
        images: Shape (b, s, s, 3), float32.
        labels: Shape (b, 1), float32.
        draws: Rows of ``mixing_draws``, shape (b, MIXING_COLUMNS), float32.

    Returns:
        Images, and labels in [0, 1]: each label has the share of its image's pixels.
    """
    side = images.shape[1]
    width = tf.round(draws[:, WIDTH] * side)
    rows, columns = square(draws[:, X], draws[:, Y], width, side)
    rows = rows * draws[:, OPACITY, None]
    mixed = lay_over(images, _before(images), rows, columns)
    share = tf.reduce_mean(rows, axis=1) * tf.reduce_mean(columns, axis=1)
    return mixed, labels + share[:, None] * (_before(labels) - labels)


def _before(batch: tf.Tensor) -> tf.Tensor:
    return tf.concat([batch[-1:], batch[:-1]], axis=0)
