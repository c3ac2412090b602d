"""Which layers of a model a training run may change, and how deep each lies."""

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
            backbone that have weights), ``"n blocks"`` (its last n blocks) or ``"from NAME"``
            (the block of that name and those after it); see ``blocks``.
        freeze_batch_norm: Freeze weights and statistics of every batch normalisation as well.

    Raises:
        ConfigError: If there are fewer layers or blocks than n, no block of that name, or
            ``trainable`` is none of these.
    """
    backbone = model.get_layer("backbone")
    chosen = _chosen(model, trainable)
    backbone.trainable = True
    for layer in backbone.layers:
        is_norm = isinstance(layer, keras.layers.BatchNormalization)
        layer.trainable = layer in chosen and not (is_norm and freeze_batch_norm)
    model.get_layer("logit").trainable = True


def blocks(model: keras.Model) -> dict[str, list[keras.layers.Layer]]:
    """The layers of a model's backbone by block, from the image to the head.

    Layers before the first block belong to it, and layers after the last to that.
    """
    layers = model.get_layer("backbone").layers
    # A later layer of the same block overwrites an earlier one.
    ends = {
        match[1]: index + 1
        for index, layer in enumerate(layers)
        if (match := re.match(BACKBONES[model.name].block_end, layer.name))
    }
    names = sorted(ends, key=lambda name: ends[name])
    stops = [*(ends[name] for name in names[:-1]), len(layers)]
    return {
        name: layers[start:stop]
        for name, start, stop in zip(names, [0, *stops], stops, strict=False)
    }


def depths(model: keras.Model) -> dict[str, int]:
    """How many steps from the head each weight lies, by its path: 0 the logit, 1 the last block."""
    backbone = {
        weight.path: depth
        for depth, layers in enumerate(reversed(blocks(model).values()), start=1)
        for layer in layers
        for weight in layer.weights
    }
    return {weight.path: backbone.get(weight.path, 0) for weight in model.weights}


def _chosen(model: keras.Model, trainable: str | int) -> list[keras.layers.Layer]:
    """The layers of the backbone that ``trainable`` means."""
    if trainable == "head":
        return []
    if trainable == "all":
        return model.get_layer("backbone").layers
    if isinstance(trainable, int):
        return _last_layers(model, trainable)
    if match := re.fullmatch(r"([1-9][0-9]*) blocks?", trainable):
        return _last_blocks(model, int(match[1]))
    if match := re.fullmatch(r"from (\w+)", trainable):
        return _from_block(model, match[1])
    raise ConfigError(
        f"trainable: {trainable!r}",
        expected="head, all, a number of layers, or like '2 blocks' or 'from block5'",
    )


def _last_layers(model: keras.Model, count: int) -> list[keras.layers.Layer]:
    weighted = [layer for layer in model.get_layer("backbone").layers if layer.weights]
    if not 1 <= count <= len(weighted):
        raise ConfigError(
            f"trainable: {count} layers",
            expected=f"1 to {len(weighted)}: {model.name} has {len(weighted)} layers with weights",
        )
    return weighted[-count:]


def _last_blocks(model: keras.Model, count: int) -> list[keras.layers.Layer]:
    every = list(blocks(model).values())
    if count > len(every):
        raise ConfigError(
            f"trainable: {count} blocks",
            expected=f"1 to {len(every)}: {model.name} has {len(every)} blocks",
        )
    return [layer for block in every[-count:] for layer in block]


def _from_block(model: keras.Model, name: str) -> list[keras.layers.Layer]:
    names = list(blocks(model))
    if name not in names:
        raise ConfigError(
            f"trainable: {model.name} has no block {name!r}", expected=f"one of {', '.join(names)}"
        )
    return _last_blocks(model, len(names) - names.index(name))
