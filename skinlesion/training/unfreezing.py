"""Gradual unfreezing: which part of a model is trained in which epochs."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import keras

from skinlesion import models
from skinlesion.config import Trainable, Unfreeze

FOREVER = sys.maxsize


@dataclass(frozen=True)
class Stage:
    """Epochs in which the same weights are trained.

    Attributes:
        stop: The epoch after its last, counted from 0.
        open: Sets the ``trainable`` flags.
    """

    stop: int
    open: Callable[[], None]


def one_stage() -> list[Stage]:
    """The flags stay as they are."""
    return [Stage(FOREVER, lambda: None)]


def stage_of(stages: Sequence[Stage], epoch: int) -> Stage:
    """The one that ``epoch``, counted from 0, is in."""
    return next(stage for stage in stages if epoch < stage.stop)


def make_stages(
    model: keras.Model,
    trainable: Trainable,
    unfreeze: Unfreeze | None,
    *,
    freeze_batch_norm: bool,
) -> list[Stage]:
    """The stages of a run that ends with ``trainable`` open.

    Args:
        model: From ``models.build_model``.
        trainable: As in ``models.set_trainable``; by blocks or all, if ``unfreeze`` is given.
        unfreeze: How fast; None: all from the start.
        freeze_batch_norm: As in ``models.set_trainable``.

    Raises:
        ConfigError: If there are no such blocks.
    """
    if trainable == "head":
        return one_stage()  # of a model that is all head

    def stage(stop: int, part: Trainable) -> Stage:
        return Stage(
            stop,
            lambda: models.set_trainable(model, part, freeze_batch_norm=freeze_batch_norm),
        )

    final = stage(FOREVER, trainable)
    final.open()  # refuses at once what does not exist
    if unfreeze is None:
        return [final]
    counts = range(unfreeze.blocks, _block_count(model, trainable), unfreeze.blocks)
    parts = ["head", *(f"{count} blocks" for count in counts)]
    stops = [number * unfreeze.every_epochs for number, _ in enumerate(parts, start=1)]
    return [*map(stage, stops, parts), final]


def _block_count(model: keras.Model, trainable: Trainable) -> int:
    names = list(models.blocks(model))
    if match := re.fullmatch(r"(\d+) blocks?", str(trainable)):
        return int(match[1])
    if match := re.fullmatch(r"from (\w+)", str(trainable)):
        return len(names) - names.index(match[1])
    return len(names)
