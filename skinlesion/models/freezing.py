"""Which layers of a model a training run may change."""

from __future__ import annotations

import re

import keras

from skinlesion.errors import ConfigError
from skinlesion.models.backbones import BACKBONES


def set_trainable(model: keras.Model, trainable: str | int, *, freeze_batch_norm: bool) -> None:
    """Make the logit and part of the backbone trainable, and freeze the rest.

    Compile ``model`` afterwards. Batch normalisation in a frozen layer keeps its statistics too.

    Args:
        model: From ``build_model``; its name is that of its backbone.
        trainable: ``head`` (the logit only), ``all``, a number n (the last n layers of the
            backbone that have weights), or ``"n blocks"`` (its last n blocks; layers after the
            last block belong to it, layers before the first to the first).
        freeze_batch_norm: Freeze weights and statistics of every batch normalisation as well.

    Raises:
        ConfigError: If there are fewer layers or blocks than n, or ``trainable`` is none of these.
    """
    backbone = model.get_layer("backbone")
    chosen = _chosen(backbone, trainable, BACKBONES[model.name].block_end, name=model.name)
    backbone.trainable = True
    for layer in backbone.layers:
        is_norm = isinstance(layer, keras.layers.BatchNormalization)
        layer.trainable = layer in chosen and not (is_norm and freeze_batch_norm)
    model.get_layer("logit").trainable = True


def _chosen(
    backbone: keras.Model, trainable: str | int, block_end: str, *, name: str
) -> list[keras.layers.Layer]:
    """The layers of ``backbone`` that ``trainable`` means."""
    if trainable == "head":
        return []
    if trainable == "all":
        return backbone.layers
    if isinstance(trainable, int):
        return _last_layers(backbone, trainable, name=name)
    if match := re.fullmatch(r"([1-9][0-9]*) blocks?", trainable):
        return _last_blocks(backbone, int(match[1]), block_end, name=name)
    raise ConfigError(
        f"trainable: {trainable!r}", expected="head, all, a number of layers, or like '2 blocks'"
    )


def _last_layers(backbone: keras.Model, count: int, *, name: str) -> list[keras.layers.Layer]:
    weighted = [layer for layer in backbone.layers if layer.weights]
    if not 1 <= count <= len(weighted):
        raise ConfigError(
            f"trainable: {count} layers",
            expected=f"1 to {len(weighted)}: {name} has {len(weighted)} layers with weights",
        )
    return weighted[-count:]


def _last_blocks(
    backbone: keras.Model, count: int, block_end: str, *, name: str
) -> list[keras.layers.Layer]:
    # A later layer of the same block overwrites an earlier one.
    ends = {
        match[1]: index
        for index, layer in enumerate(backbone.layers)
        if (match := re.match(block_end, layer.name))
    }
    if count > len(ends):
        raise ConfigError(
            f"trainable: {count} blocks",
            expected=f"1 to {len(ends)}: {name} has {len(ends)} blocks",
        )
    first = sorted(ends.values())[-count - 1] + 1 if count < len(ends) else 0
    return backbone.layers[first:]
