"""From a backbone's name to a classifier with one logit, and its two halves."""

from __future__ import annotations

import contextlib
import functools
import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import keras

from skinlesion.errors import ConfigError
from skinlesion.models.backbones import BACKBONES, Backbone
from skinlesion.models.scaling import SCALINGS
from skinlesion.models.weights import load_weights_file, pretrained

POOLINGS = {
    "avg": keras.layers.GlobalAveragePooling2D,
    "max": keras.layers.GlobalMaxPooling2D,
}


# How Keras calls each precision: weights stay float32, layers compute in the other.
POLICIES = {
    "float32": "float32",
    "bfloat16": "mixed_bfloat16",
    "float16": "mixed_float16",
}


def build_model(
    backbone: str,
    *,
    image_size: int,
    weights: str = "none",
    pooling: str = "avg",
    dropout: float = 0.2,
    batch_norm: bool = False,
    stochastic_depth: float | None = None,
    seed: int = 0,
    precision: str = "float32",
) -> keras.Model:
    """RGB pixels, shape (n, s, s, 3), float32 in [0, 255], to one logit, shape (n, 1), float32.

    Layers: scaling, ``backbone`` (a nested Model), ``pooling`` (its output is the features),
    ``dropout``, ``logit`` (positive: malignant; no sigmoid). All weights are trainable.

    Args:
        backbone: One of ``BACKBONES``.
        image_size: Side s in pixels, at least the backbone's ``min_size``.
        weights: ``imagenet``, ``none``, or the path of a ``.weights.h5`` of a whole model of the
            same build.
        pooling: ``avg`` or ``max``; alexnet's features are a vector already.
        dropout: Rate before the logit, in [0, 1).
        batch_norm: For alexnet only, see ``alexnet.network``.
        stochastic_depth: For efficientnets only: rate in [0, 1) at which training skips the last
            residual block, earlier ones less in proportion, Huang et al. 2016; None: the family's.
        seed: Of the initial weights and of dropout; no global generator is changed.
        precision: One of ``POLICIES``: what the backbone computes in; weights are float32 in each.

    Raises:
        ConfigError: If an argument does not suit the backbone.
        DataError: If the weights file is missing, broken or of another model.
        MissingExtraError: If the ImageNet weights cannot be had.
    """
    row = _checked_row(backbone, image_size, weights, pooling, batch_norm)
    options = {"batch_norm": True} if batch_norm else _stochastic_depth(backbone, stochastic_depth)
    with _seeded(seed), _policy(precision):
        network = _network(row, image_size, weights, options)
        image = keras.Input((image_size, image_size, 3), name="image")
        x = image
        for layer in SCALINGS[row.scaling]():
            x = layer(x)
        x = network(x)
        # float32 under every precision policy: a mean over pixels and a logit need the digits.
        is_map = len(x.shape) == 4
        pool = POOLINGS[pooling] if is_map else keras.layers.Identity
        x = pool(name="pooling", dtype="float32")(x)
        x = keras.layers.Dropout(dropout, seed=seed, name="dropout", dtype="float32")(x)
        x = keras.layers.Dense(1, name="logit", dtype="float32")(x)
        model = keras.Model(image, x, name=backbone)
    if weights not in ("none", "imagenet"):
        load_weights_file(model, Path(weights))
    return model


def feature_extractor(model: keras.Model) -> keras.Model:
    """The part of ``model`` from pixels, shape (n, s, s, 3), to features, shape (n, f)."""
    return keras.Model(model.input, model.get_layer("pooling").output, name="features")


def head(model: keras.Model) -> keras.Model:
    """The part of ``model`` from features, shape (n, f), to the logit, shape (n, 1).

    It shares its layers with ``model``: training it changes ``model``.
    """
    features = keras.Input(model.get_layer("pooling").output.shape[1:], name="features")
    dropped = model.get_layer("dropout")(features)
    return keras.Model(features, model.get_layer("logit")(dropped), name="head")


def save_weights(model: keras.Model, path: Path) -> None:
    """Write the weights alone to ``path``, which ends in ``.weights.h5``."""
    # A compiled model would add its optimiser, twice the size of the weights.
    keras.Model(model.inputs, model.outputs).save_weights(path)


def count_parameters(model: keras.Model, *, trainable_only: bool = False) -> int:
    """Number of values in all weights, or in those that training changes."""
    weights = model.trainable_weights if trainable_only else model.weights
    return sum(weight.shape.num_elements() for weight in weights)


def _checked_row(
    backbone: str, image_size: int, weights: str, pooling: str, batch_norm: bool
) -> Backbone:
    if backbone not in BACKBONES:
        raise ConfigError(
            f"there is no backbone {backbone!r}", expected=f"one of {', '.join(BACKBONES)}"
        )
    row = BACKBONES[backbone]
    if image_size < row.min_size:
        raise ConfigError(
            f"image_size: {image_size} is too small for {backbone}",
            expected=f"at least {row.min_size}; its native size is {row.native_size}",
        )
    if pooling not in POOLINGS:
        raise ConfigError(f"pooling: {pooling!r}", expected=f"one of {', '.join(POOLINGS)}")
    if batch_norm and backbone != "alexnet":
        raise ConfigError(f"batch_norm is an option of alexnet, not of {backbone}")
    if weights == "imagenet" and row.imagenet is None:
        raise ConfigError(f"{backbone} has no ImageNet weights", fix="set weights: none")
    return row


def _stochastic_depth(backbone: str, rate: float | None) -> dict[str, float]:
    """The option of the network, if it has one."""
    default = BACKBONES[backbone].stochastic_depth
    if default is None:
        if rate is not None:
            raise ConfigError(f"stochastic_depth is an option of efficientnets, not of {backbone}")
        return {}
    return {"stochastic_depth": default if rate is None else rate}


def _network(
    row: Backbone, image_size: int, weights: str, options: Mapping[str, Any]
) -> keras.Model:
    network = functools.partial(row.network, **options)
    if weights == "imagenet" and row.imagenet is not None:
        return pretrained(row.imagenet, network, image_size)
    return network(image_size)


@contextlib.contextmanager
def _policy(precision: str) -> Iterator[None]:
    """Give new layers the policy of ``precision``; Keras's global policy is put back."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(POLICIES[precision])
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Make initial weights a function of ``seed``: Keras draws initialisers' seeds from Python's.

    Python's generator is put back, so that building a model changes nothing outside.
    """
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)
