"""Losses of one logit against labels from 0 to 1, stable for any logit; the mean over the batch."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from skinlesion.errors import ConfigError, DataError


class LogitLoss(keras.losses.Loss):
    """Cross-entropy of a logit with class weights, a focus on hard images, and smoothed labels.

    Mean over the batch of ``w * (t * (1-p)**gamma * -log(p) + (1-t) * p**gamma * -log(1-p))``,
    where p is the sigmoid of logit + offset, w the weight of the image's class and t its smoothed
    label. A label y between 0 and 1, of a mixture, costs ``y * loss(1) + (1 - y) * loss(0)``.

    Args:
        class_weight: Weights of (benign, malignant), each above 0.
        gamma: Focus, at least 0; 0 is cross-entropy.
        offset: Added to every logit.
        label_smoothing: s in [0, 1): t is s/2 for benign and 1 - s/2 for malignant.
        name: Shown by Keras.

    Raises:
        ConfigError: If an argument is out of its range.
    """

    def __init__(
        self,
        *,
        class_weight: Sequence[float] = (1.0, 1.0),
        gamma: float = 0.0,
        offset: float = 0.0,
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
        self.offset = float(offset)
        self.label_smoothing = float(label_smoothing)

    def call(self, y_true: Any, logits: Any) -> Any:
        """Loss of each image, shape (n,), of labels and logits of shape (n, 1)."""
        logits = logits + self.offset
        benign = self.class_weight[0] * (1 - y_true)
        malignant = self.class_weight[1] * y_true
        doubt = self.label_smoothing / 2
        # -log(p) and -log(1 - p): softplus neither overflows nor loses the small values.
        minus_log_p = keras.ops.softplus(-logits)
        minus_log_not_p = keras.ops.softplus(logits)
        # Powers of p as exponentials: their gradient is finite where p is 0.
        as_malignant = keras.ops.exp(-self.gamma * minus_log_not_p) * minus_log_p
        as_benign = keras.ops.exp(-self.gamma * minus_log_p) * minus_log_not_p
        cost = ((1 - doubt) * malignant + doubt * benign) * as_malignant
        cost += ((1 - doubt) * benign + doubt * malignant) * as_benign
        return keras.ops.mean(cost, axis=-1)

    def get_config(self) -> dict[str, Any]:
        """What is needed to make this loss again."""
        return {
            "class_weight": self.class_weight,
            "gamma": self.gamma,
            "offset": self.offset,
            "label_smoothing": self.label_smoothing,
            "name": self.name,
        }


def binary_crossentropy(*, label_smoothing: float = 0.0) -> LogitLoss:
    """Plain cross-entropy."""
    return LogitLoss(label_smoothing=label_smoothing, name="binary_crossentropy")


def weighted_crossentropy(
    *, class_weight: Sequence[float], label_smoothing: float = 0.0
) -> LogitLoss:
    """Cross-entropy with the weights of (benign, malignant); see ``fitted_loss``."""
    return LogitLoss(
        class_weight=class_weight, label_smoothing=label_smoothing, name="weighted_crossentropy"
    )


def focal(
    *,
    gamma: float = 2.0,
    alpha: float | None = None,
    class_weight: Sequence[float] | None = None,
    label_smoothing: float = 0.0,
) -> LogitLoss:
    """Focal loss, Lin et al., "Focal Loss for Dense Object Detection", 2017; weighted or not.

    Args:
        gamma: Focus, at least 0.
        alpha: Weight of malignant, in (0, 1); benign weighs 1 - alpha.
        class_weight: Weights of (benign, malignant) instead of alpha's. Neither: both weigh 1.
        label_smoothing: In [0, 1).

    Raises:
        ConfigError: If an argument is out of its range, or both kinds of weights are given.
    """
    if alpha is not None and not 0 < alpha < 1:
        raise ConfigError(
            f"alpha is {alpha!r}", expected="the weight of malignant, between 0 and 1, or null"
        )
    if alpha is not None and class_weight is not None:
        raise ConfigError(
            "alpha and class_weight are both weights of the classes", fix="set one of them to null"
        )
    weight = (1.0, 1.0) if alpha is None else (1 - alpha, alpha)
    return LogitLoss(
        class_weight=weight if class_weight is None else class_weight,
        gamma=gamma,
        label_smoothing=label_smoothing,
        name="focal",
    )


def logit_adjusted(*, prior: float, tau: float = 1.0, label_smoothing: float = 0.0) -> LogitLoss:
    """Logit-adjusted cross-entropy, Menon et al., "Long-tail Learning via Logit Adjustment", 2021.

    Cross-entropy of ``logit + tau * log(prior / (1 - prior))``: the offset is part of the loss
    alone. So the network learns ``log P(malignant | x) / P(benign | x) - tau * log odds`` as its
    logit: with tau = 1 the log likelihood ratio, positive where calling an image malignant lowers
    the balanced error, mean of the two classes' error rates. Predictions take the logit as it is:
    their sigmoid is the probability at equal shares of the classes, not at the training data's.

    Args:
        prior: Share of malignant in the training data, in (0, 1).
        tau: At least 0; 0 is cross-entropy.
        label_smoothing: In [0, 1).

    Raises:
        ConfigError: If an argument is out of its range.
    """
    if not 0 < prior < 1:
        raise ConfigError(f"prior is {prior!r}", expected="the share of malignant, between 0 and 1")
    if not 0 <= tau < np.inf:
        raise ConfigError(f"tau is {tau!r}", expected="a number from 0 on")
    offset = tau * float(np.log(prior) - np.log1p(-prior))
    return LogitLoss(offset=offset, label_smoothing=label_smoothing, name="logit_adjusted")


LOSSES: dict[str, Callable[..., LogitLoss]] = {
    "binary_crossentropy": binary_crossentropy,
    "weighted_crossentropy": weighted_crossentropy,
    "focal": focal,
    "logit_adjusted": logit_adjusted,
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


def fitted_loss(labels: np.ndarray, name: str, **options: Any) -> LogitLoss:
    """``make_loss``, with what depends on the training data taken from ``labels``.

    Args:
        labels: Of the images as an epoch shows them, shape (n,), 0 benign, 1 malignant.
        name: One of ``LOSSES``.
        options: Those of the loss. ``class_weight`` may be "balanced" or "effective_number", the
            latter with ``beta``; the prior of ``logit_adjusted`` is the share in ``labels``.

    Raises:
        ConfigError: As in ``make_loss``.
        DataError: If weights are to be computed and a class is empty.
    """
    rule, beta = options.get("class_weight"), options.pop("beta", None)
    if rule == "balanced":
        options["class_weight"] = balanced_class_weight(labels)
    elif rule == "effective_number":
        options["class_weight"] = effective_number_class_weight(labels, beta=beta)
    if name == "logit_adjusted":
        options["prior"] = float(np.mean(labels))
    return make_loss(name, **options)


def balanced_class_weight(labels: np.ndarray) -> tuple[float, float]:
    """Weights of (benign, malignant) that give both classes the same share: n / (2 * n_class).

    As scikit-learn's ``class_weight="balanced"``; the mean weight over ``labels`` is 1.

    Args:
        labels: Shape (n,), 0 benign, 1 malignant.

    Raises:
        DataError: If one class is empty or a label is neither 0 nor 1.
    """
    benign, malignant = _class_counts(labels)
    return len(labels) / (2 * benign), len(labels) / (2 * malignant)


def effective_number_class_weight(labels: np.ndarray, *, beta: float) -> tuple[float, float]:
    """Weights of (benign, malignant) in inverse proportion to their effective number of images.

    Cui et al., "Class-Balanced Loss Based on Effective Number of Samples", 2019: n images of a
    class count as (1 - beta**n) / (1 - beta). Scaled so that the mean weight over ``labels`` is 1.

    Args:
        labels: Shape (n,), 0 benign, 1 malignant.
        beta: In [0, 1): 0 weighs the classes alike; towards 1 the weights become the balanced ones.

    Raises:
        ConfigError: If beta is out of its range.
        DataError: If one class is empty or a label is neither 0 nor 1.
    """
    if not 0 <= beta < 1:
        raise ConfigError(f"beta is {beta!r}", expected="a number from 0 to below 1")
    benign, malignant = _class_counts(labels)
    of_benign, of_malignant = 1 / (1 - beta**benign), 1 / (1 - beta**malignant)
    mean = (benign * of_benign + malignant * of_malignant) / len(labels)
    return of_benign / mean, of_malignant / mean


def _class_counts(labels: np.ndarray) -> tuple[int, int]:
    benign, malignant = int((labels == 0).sum()), int((labels == 1).sum())
    if not benign or not malignant or benign + malignant != len(labels):
        raise DataError(
            f"class weights cannot be balanced: {benign} benign and {malignant} malignant"
            f" among {len(labels)} training images",
            expected="images of both classes, and labels 0 and 1 only",
        )
    return benign, malignant
