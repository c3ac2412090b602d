"""Losses of one logit against labels 0 and 1, stable for any logit; the mean over the batch."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from skinlesion.errors import ConfigError, DataError


class LogitLoss(keras.losses.Loss):
    """Cross-entropy of a logit with class weights, a focus on hard images, and smoothed labels.

    Mean over the batch of ``w * (y * (1-p)**gamma * -log(p) + (1-y) * p**gamma * -log(1-p))``,
    where w is the weight of the image's class and y its smoothed label. A label between 0 and 1,
    of an image mixed from two, costs as much as its share of either class: linear in the label.

    Args:
        class_weight: Weights of (benign, malignant), each above 0.
        gamma: Focus, at least 0; 0 is cross-entropy.
        label_smoothing: In [0, 1): labels become s/2 and 1 - s/2.
        name: Shown by Keras.

    Raises:
        ConfigError: If an argument is out of its range.
    """

    def __init__(
        self,
        *,
        class_weight: Sequence[float] = (1.0, 1.0),
        gamma: float = 0.0,
        label_smoothing: float = 0.0,
        name: str = "logit_loss",
    ) -> None:
        super().__init__(name=name, reduction="sum_over_batch_size")
        if len(class_weight) != 2 or not all(0 < weight < np.inf for weight in class_weight):
            raise ConfigError(
                f"class_weight is {class_weight!r}",
                expected="the weights of [benign, malignant], each above 0",
            )
        if not 0 <= gamma < np.inf:
            raise ConfigError(f"gamma is {gamma!r}", expected="a number from 0 on")
        if not 0 <= label_smoothing < 1:
            raise ConfigError(
                f"label_smoothing is {label_smoothing!r}", expected="a number from 0 to below 1"
            )
        self.class_weight = (float(class_weight[0]), float(class_weight[1]))
        self.gamma = float(gamma)
        self.label_smoothing = float(label_smoothing)

    def call(self, y_true: Any, logits: Any) -> Any:
        """Loss of each image, shape (n,), of labels and logits of shape (n, 1)."""
        benign, malignant = self.class_weight
        smooth = self.label_smoothing / 2
        weight_of_malignant, weight_of_benign = malignant * y_true, benign * (1 - y_true)
        # -log(p) and -log(1 - p): softplus neither overflows nor loses the small values.
        minus_log_p = keras.ops.softplus(-logits)
        minus_log_not_p = keras.ops.softplus(logits)
        # Powers of p as exponentials: their gradient is finite where p is 0.
        positive = keras.ops.exp(-self.gamma * minus_log_not_p) * minus_log_p
        negative = keras.ops.exp(-self.gamma * minus_log_p) * minus_log_not_p
        towards_malignant = (1 - smooth) * weight_of_malignant + smooth * weight_of_benign
        towards_benign = smooth * weight_of_malignant + (1 - smooth) * weight_of_benign
        return keras.ops.mean(towards_malignant * positive + towards_benign * negative, axis=-1)

    def get_config(self) -> dict[str, Any]:
        """What is needed to make this loss again."""
        return {
            "class_weight": self.class_weight,
            "gamma": self.gamma,
            "label_smoothing": self.label_smoothing,
            "name": self.name,
        }


def binary_crossentropy(*, label_smoothing: float = 0.0) -> LogitLoss:
    """Plain cross-entropy."""
    return LogitLoss(label_smoothing=label_smoothing, name="binary_crossentropy")


def weighted_crossentropy(
    *, class_weight: Sequence[float], label_smoothing: float = 0.0
) -> LogitLoss:
    """Cross-entropy with the weights of (benign, malignant); see ``balanced_class_weight``."""
    return LogitLoss(
        class_weight=class_weight, label_smoothing=label_smoothing, name="weighted_crossentropy"
    )


def focal(
    *, gamma: float = 2.0, alpha: float | None = None, label_smoothing: float = 0.0
) -> LogitLoss:
    """Focal loss, Lin et al., "Focal Loss for Dense Object Detection", 2017.

    Args:
        gamma: Focus, at least 0.
        alpha: Weight of malignant, in (0, 1); benign weighs 1 - alpha. None: both weigh 1.
        label_smoothing: In [0, 1).

    Raises:
        ConfigError: If an argument is out of its range.
    """
    if alpha is not None and not 0 < alpha < 1:
        raise ConfigError(
            f"alpha is {alpha!r}", expected="the weight of malignant, between 0 and 1, or null"
        )
    weight = (1.0, 1.0) if alpha is None else (1 - alpha, alpha)
    return LogitLoss(
        class_weight=weight, gamma=gamma, label_smoothing=label_smoothing, name="focal"
    )


LOSSES: dict[str, Callable[..., LogitLoss]] = {
    "binary_crossentropy": binary_crossentropy,
    "weighted_crossentropy": weighted_crossentropy,
    "focal": focal,
}


def make_loss(name: str, **options: Any) -> LogitLoss:
    """The loss called ``name``, one of ``LOSSES``, with that function's options.

    Raises:
        ConfigError: If there is no such loss or option, one is missing, or a value is wrong.
    """
    if name not in LOSSES:
        raise ConfigError(f"there is no loss {name!r}", expected=f"one of {', '.join(LOSSES)}")
    signature = inspect.signature(LOSSES[name])
    try:
        signature.bind(**options)
    except TypeError as error:
        raise ConfigError(
            f"loss {name}: {error}", expected=f"options {', '.join(signature.parameters)}"
        ) from error
    return LOSSES[name](**options)


def balanced_class_weight(labels: np.ndarray) -> tuple[float, float]:
    """Weights of (benign, malignant) that give both classes the same share: n / (2 * n_class).

    As scikit-learn's ``class_weight="balanced"``; the mean weight over ``labels`` is 1.

    Args:
        labels: Shape (n,), 0 benign, 1 malignant.

    Raises:
        DataError: If one class is empty or a label is neither 0 nor 1.
    """
    benign, malignant = int((labels == 0).sum()), int((labels == 1).sum())
    if not benign or not malignant or benign + malignant != len(labels):
        raise DataError(
            f"class weights cannot be balanced: {benign} benign and {malignant} malignant"
            f" among {len(labels)} training images",
            expected="images of both classes, and labels 0 and 1 only",
        )
    return len(labels) / (2 * benign), len(labels) / (2 * malignant)
