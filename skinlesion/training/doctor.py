"""A step of training for ``doctor``: whether gradients and optimiser work on this machine."""

from __future__ import annotations

import keras
import numpy as np

from skinlesion import models
from skinlesion.config import AdamW, Schedule
from skinlesion.losses import make_loss
from skinlesion.training.optimizers import make_optimizer

STEPS = 3


def loss_before_and_after(model: keras.Model, pixels: np.ndarray) -> tuple[float, float]:
    """The loss on ``pixels``, labelled 0, 1, 0, ..., before and after three steps of the head.

    Args:
        model: From ``build_model``; its logit is changed.
        pixels: Shape (n, s, s, 3), float32 in [0, 255].
    """
    models.set_trainable(model, "head", freeze_batch_norm=True)
    optimizer = make_optimizer(
        AdamW(name="adamw", learning_rate=1e-3),
        Schedule(warmup_epochs=0, decay="none"),
        steps=STEPS,
        epochs=1,
    )
    model.compile(optimizer=optimizer, loss=make_loss("binary_crossentropy"), jit_compile=False)
    labels = (np.arange(len(pixels)) % 2)[:, None].astype(np.float32)
    losses = [float(model.train_on_batch(pixels, labels)) for _ in range(STEPS)]
    return losses[0], losses[-1]
